#include "node/udp_asker.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/text.h"
#include "net/resolve.h"
#include "wire/udp_tracker.h"

struct udp_call {
	LIST_ENTRY(udp_call) all;
	struct udp_asker *asker;
	struct announce announce;
	char path[UDP_URL_MAX];
	struct addr addrs[UDP_ASKER_ADDRS_MAX], to;
	size_t n_addrs, next;		/* which of them is tried next */
	bool gone[UDP_ASKER_ADDRS_MAX]; /* nobody is there, or no route to host */
	enum addr_family family;
	uint32_t tries; /* datagrams that were sent because nothing came */
	uint32_t transaction;
	uint64_t deadline_ms; /* UINT64_MAX: none but the number of tries */
	bool resolving, cancelled;
	bool connecting; /* else announcing */
	bool by_old_id;	 /* with a connection id that was not got for this call */
	struct loop_timer *timer;
	struct err_info why; /* code not OK: to be said as soon as the timer comes */
	void (*done)(void *user, const struct udp_answer *answer);
	void *user;
};

struct known {
	struct addr addr; /* port 0: nobody */
	uint64_t id, until_ms;
};

struct udp_asker {
	struct udp_asker_params p;
	uint64_t sent; /* packets, in all */
	struct resolver *resolver;
	struct udp_port *port; /* NULL: not needed yet, or it could not be had */
	LIST_HEAD(, udp_call) calls;
	struct known known[UDP_ASKER_KNOWN_MAX];
};

static uint64_t now_ms(const struct udp_asker *k)
{
	return loop_now_ms(k->p.loop);
}

/* ---- connection ids ------------------------------------------------------------------------ */

static struct known *find_known(struct udp_asker *k, const struct addr *a)
{
	for (size_t i = 0; i < UDP_ASKER_KNOWN_MAX; i++)
		if (k->known[i].addr.port != 0 && addr_eq(&k->known[i].addr, a) &&
		    now_ms(k) < k->known[i].until_ms)
			return &k->known[i];
	return NULL;
}

/* In place of the one that ends first. */
static void remember(struct udp_asker *k, const struct addr *a, uint64_t id)
{
	struct known *to = &k->known[0];

	for (size_t i = 0; i < UDP_ASKER_KNOWN_MAX && !addr_eq(&to->addr, a); i++)
		if (addr_eq(&k->known[i].addr, a) || k->known[i].until_ms < to->until_ms)
			to = &k->known[i];
	*to = (struct known){*a, id, now_ms(k) + UDP_ASKER_KNOWN_MS};
}

static void forget(struct udp_asker *k, const struct addr *a)
{
	struct known *known = find_known(k, a);

	if (known != NULL)
		known->until_ms = 0;
}

/* ---- the end of a call ----------------------------------------------------------------------- */

static void drop(struct udp_call *c)
{
	LIST_REMOVE(c, all);
	loop_timer_free(c->timer);
	free(c);
}

static void finish(struct udp_call *c, const struct err_info *why, const struct announce_reply *r)
{
	struct udp_answer answer = {.err = why, .reply = r, .from = &c->to};

	c->done(c->user, &answer);
	drop(c);
}

/* To be said once we are in the loop again. */
static void fail_later(struct udp_call *c, enum err code, const char *text)
{
	err_set(&c->why, code, "%s", text);
	loop_timer_set(c->timer, 0);
}

void udp_call_cancel(struct udp_call *c)
{
	/* The resolver still has it. */
	c->cancelled = true;
	loop_timer_clear(c->timer);
	if (!c->resolving)
		drop(c);
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* One tracker sees its numbers, and must not foretell another's. */
static uint32_t transaction(struct udp_asker *k)
{
	uint8_t count[8];

	put_be64(count, ++k->sent);
	return (uint32_t)siphash(k->p.secret, bytes_of(count, sizeof(count)));
}

/* False: it did not go out. */
static bool send_now(struct udp_call *c)
{
	struct udp_asker *k = c->asker;
	const struct known *known = find_known(k, &c->to);
	struct bytes out;
	uint8_t packet[UDP_REQUEST_MAX];
	size_t n;

	c->connecting = known == NULL;
	c->transaction = transaction(k);
	n = known == NULL ? udp_connect_encode(c->transaction, packet)
			  : udp_announce_encode(known->id, c->transaction, &c->announce,
						bytes_str(c->path), packet);
	out = bytes_of(packet, n);
	return udp_port_send(k->port, &c->to, &out, 1) == 1;
}

/* Twice as long as the last time. */
static void wait_for_answer(struct udp_call *c)
{
	uint64_t now = now_ms(c->asker), left = c->deadline_ms > now ? c->deadline_ms - now : 0;
	uint64_t ms = (uint64_t)UDP_ASKER_FIRST_MS << (c->tries - 1);

	loop_timer_set(c->timer, ms < left ? ms : left);
}

static bool is_waiting(const struct udp_call *c)
{
	return c->tries > 0 && !c->cancelled && c->why.code == OK;
}

/* The one after the last that is not gone; there is one. */
static void choose_address(struct udp_call *c)
{
	do
		c->next++;
	while (c->gone[(c->next - 1) % c->n_addrs]);
	c->to = c->addrs[(c->next - 1) % c->n_addrs];
}

/* What is known of an address at once is no try: the next one is tried at once, too. */
static void give_up_address(struct udp_call *c, const char *why)
{
	bool left = false;

	for (size_t i = 0; i < c->n_addrs; i++) {
		c->gone[i] = c->gone[i] || addr_eq(&c->addrs[i], &c->to);
		left = left || !c->gone[i];
	}
	c->tries--;
	if (left)
		loop_timer_set(c->timer, 0);
	else
		fail_later(c, ERR_UNREACHABLE, why);
}

static void try_next(struct udp_call *c)
{
	if (c->tries == UDP_ASKER_TRIES || now_ms(c->asker) >= c->deadline_ms) {
		fail_later(c, ERR_TIMEOUT, "no answer");
		return;
	}
	/* It may have been started anew, and say nothing to who has an id of before. */
	if (c->tries > 0 && !c->connecting)
		forget(c->asker, &c->to);
	choose_address(c);
	c->tries++;
	if (!send_now(c) && udp_port_no_way(c->asker->port)) {
		give_up_address(c, "no route to host");
		return;
	}
	c->by_old_id = !c->connecting;
	wait_for_answer(c);
}

static void on_timer(void *arg)
{
	struct udp_call *c = arg;

	if (c->why.code != OK)
		finish(c, &c->why, NULL);
	else
		try_next(c);
}

static void on_resolved(void *user, const struct addr *list, size_t n)
{
	struct udp_call *c = user;

	c->resolving = false;
	if (c->cancelled) {
		drop(c);
		return;
	}
	for (size_t i = 0; i < n && c->n_addrs < UDP_ASKER_ADDRS_MAX; i++)
		if (c->family == ADDR_ANY || c->family == (list[i].v6 ? ADDR_V6 : ADDR_V4))
			c->addrs[c->n_addrs++] = list[i];
	if (c->n_addrs == 0)
		fail_later(c, ERR_UNREACHABLE, "its name has no address");
	else
		try_next(c);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void on_connected(struct udp_call *c, struct bytes in)
{
	uint64_t id;

	if (udp_connect_reply_decode(in, &id) != OK)
		return;
	remember(c->asker, &c->to, id);
	/* It may take as long again. */
	wait_for_answer(c);
	(void)send_now(c);
}

/* The reply to an announce, or an error. */
static void on_reply(struct udp_call *c, struct bytes in)
{
	struct announce_peer *peers = calloc(ANNOUNCE_PEERS_TAKEN, sizeof(*peers));
	struct err_info why = {.code = OK};
	struct announce_reply r;

	if (peers == NULL)
		return; /* as if it had been lost */
	if (udp_announce_reply_decode(in, c->to.v6, &r, peers, ANNOUNCE_PEERS_TAKEN) != OK) {
		err_set(&why, ERR_PROTO, "answers what no tracker would");
		finish(c, &why, NULL);
	} else if (r.failed && c->by_old_id) {
		/* The tracker may have been started anew, and not know the id. */
		forget(c->asker, &c->to);
		c->by_old_id = false;
		(void)send_now(c);
	} else {
		finish(c, &why, &r);
	}
	free(peers);
}

static void on_datagram(void *user, const struct addr *from, struct bytes in)
{
	struct udp_asker *k = user;
	struct udp_head head;
	struct udp_call *c;

	if (udp_reply_head_decode(in, &head) != OK)
		return;
	LIST_FOREACH(c, &k->calls, all)
	{
		if (is_waiting(c) && c->transaction == head.transaction && addr_eq(&c->to, from))
			break;
	}
	if (c == NULL)
		return;
	if (c->connecting && head.action == UDP_CONNECT)
		on_connected(c, in);
	else if (head.action == UDP_ERROR || (!c->connecting && head.action == UDP_ANNOUNCE))
		on_reply(c, in);
}

static void on_lost(struct udp_asker *k, const struct addr *to, const char *why)
{
	struct udp_call *c;

	LIST_FOREACH(c, &k->calls, all)
	{
		if (is_waiting(c) && addr_eq(&c->to, to))
			give_up_address(c, why);
	}
}

static void on_refused(void *user, const struct addr *to)
{
	on_lost(user, to, "nobody listens there");
}

static void on_unreachable(void *user, const struct addr *to)
{
	on_lost(user, to, "no route to host");
}

static void serve(struct udp_asker *k)
{
	const struct udp_port_user u = {.on_datagram = on_datagram,
					.on_refused = on_refused,
					.on_unreachable = on_unreachable,
					.user = k};

	udp_port_serve(k->port, UDP_PORT_TRACKER, &u);
}

/* ---- beginning ------------------------------------------------------------------------------- */

/* "udp://HOST:PORT", and what is behind it. A user and password mean nothing to a UDP tracker. */
static int parse_url(const char *url, char host[RESOLVE_HOST_MAX], uint16_t *port,
		     char path[UDP_URL_MAX])
{
	struct bytes place = text_url_host(url);
	const char *end = (const char *)place.ptr + place.len;

	if (!text_begins(bytes_str(url), "udp://"))
		return ERR_INVALID;
	path[0] = '\0';
	if (strlen(end) < UDP_URL_MAX)
		memcpy(path, end, strlen(end) + 1);
	return resolve_split(place, host, port);
}

static void begin(struct udp_call *c, const char *url)
{
	struct udp_asker *k = c->asker;
	struct err_info why = {.code = OK};
	char host[RESOLVE_HOST_MAX];
	uint16_t port;
	int err;

	if (parse_url(url, host, &port, c->path) != OK) {
		fail_later(c, ERR_INVALID, "not a URL of a UDP tracker");
		return;
	}
	if (k->port == NULL)
		k->port = k->p.port(k->p.user, &why);
	if (k->port == NULL) {
		fail_later(c, why.code, why.text);
		return;
	}
	serve(k);
	c->resolving = true;
	err = resolver_ask(k->resolver, host, port, on_resolved, c);
	if (err != OK) {
		c->resolving = false;
		fail_later(c, err, err_text(err));
	}
}

struct udp_call *udp_asker_send(struct udp_asker *k, const char *url, const struct announce *a,
				enum addr_family family, uint32_t total_ms,
				void (*done)(void *user, const struct udp_answer *answer),
				void *user)
{
	struct udp_call *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	*c = (struct udp_call){
	    .asker = k, .announce = *a, .family = family, .done = done, .user = user};
	c->deadline_ms = total_ms == 0 ? UINT64_MAX : now_ms(k) + total_ms;
	c->timer = loop_timer_new(k->p.loop, on_timer, c);
	if (c->timer == NULL) {
		free(c);
		return NULL;
	}
	LIST_INSERT_HEAD(&k->calls, c, all);
	begin(c, url);
	return c;
}

int udp_asker_new(const struct udp_asker_params *p, struct udp_asker **out)
{
	struct udp_asker *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return ERR_NOMEM;
	k->p = *p;
	LIST_INIT(&k->calls);
	k->resolver = resolver_new(p->loop);
	if (k->resolver == NULL) {
		free(k);
		return ERR_NOMEM;
	}
	*out = k;
	return OK;
}

void udp_asker_free(struct udp_asker *k)
{
	struct udp_call *c;

	if (k == NULL)
		return;
	if (k->port != NULL)
		udp_port_serve(k->port, UDP_PORT_TRACKER, NULL);
	resolver_free(k->resolver);
	/* Cancelled ones for which it was waited. */
	while ((c = LIST_FIRST(&k->calls)) != NULL)
		drop(c);
	free(k);
}
