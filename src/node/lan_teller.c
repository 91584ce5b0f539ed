#include "node/lan_teller.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "net/entropy.h"

#define INTERFACES_MAX 32u
/* Hello is said so often, a second apart, as the first may be lost (RFC 6762 8.3). */
#define HELLOS 2u
#define HELLO_MS 1000u
/* Who shares an answer's name waits a random time before it (RFC 6762 6). */
#define SHARED_MIN_MS 20u
#define SHARED_SPREAD_MS 100u
/* Digits of the id behind the host's name. */
#define ID_SHOWN 6

struct lan_teller {
	struct loop *loop;
	struct mcast *mcast;
	struct mdns_service service; /* addresses: those of the interface that it is told by */
	struct addr only;
	bool has_only;
	struct rng rng;
	struct loop_timer *hello, *refresh, *answer;
	unsigned hellos;
	bool answering;	      /* the timer runs */
	uint64_t answered_ms; /* the whole link, last; 0: not yet */
	uint64_t second_ms;
	unsigned replies; /* in that second */
};

/* ---- what is told ------------------------------------------------------------- */

/* False: the index cannot be reached by this interface. */
static bool fill_addresses(struct lan_teller *t, unsigned interface)
{
	struct mdns_service *s = &t->service;

	s->n_addrs = mcast_addresses(t->mcast, interface, s->addrs, MDNS_ADDRESSES_MAX);
	if (!t->has_only)
		return s->n_addrs > 0;
	for (unsigned i = 0; i < s->n_addrs; i++) {
		if (!addr_same_host(&s->addrs[i], &t->only))
			continue;
		s->addrs[0] = t->only;
		s->n_addrs = 1;
		return true;
	}
	return false;
}

static void tell_link(struct lan_teller *t)
{
	unsigned interfaces[INTERFACES_MAX];
	unsigned n = mcast_interfaces(t->mcast, interfaces, INTERFACES_MAX);
	uint8_t out[MDNS_PACKET_MAX];

	for (unsigned i = 0; i < n; i++)
		if (fill_addresses(t, interfaces[i]))
			(void)mcast_send_on(
			    t->mcast, interfaces[i],
			    bytes_of(out, mdns_response_encode(&t->service, NULL, out)));
}

static bool may_reply(struct lan_teller *t)
{
	uint64_t now = loop_now_ms(t->loop);

	if (now - t->second_ms >= 1000) {
		t->second_ms = now;
		t->replies = 0;
	}
	return t->replies++ < LAN_REPLIES_PER_S;
}

static void reply(struct lan_teller *t, const struct mcast_from *from,
		  const struct mdns_question *q)
{
	uint8_t out[MDNS_PACKET_MAX];

	if (!from->on_link || !may_reply(t) || !fill_addresses(t, from->interface))
		return;
	(void)mcast_reply(
	    t->mcast, from,
	    bytes_of(out, mdns_response_encode(&t->service, from->addr.port == MDNS_PORT ? NULL : q,
					       out)));
}

/* ---- events ---------------------------------------------------------------------- */

static void on_datagram(void *user, const struct mcast_from *from, struct bytes data)
{
	struct lan_teller *t = user;
	struct mdns_question q;

	if (mdns_question_decode(data, &t->service, &q) != 0 || q.about == 0)
		return;
	if (q.unicast || from->addr.port != MDNS_PORT) {
		reply(t, from, &q);
		return;
	}
	if (t->answering ||
	    (t->answered_ms != 0 && loop_now_ms(t->loop) - t->answered_ms < LAN_ANSWER_MS))
		return;
	t->answering = true;
	loop_timer_set(t->answer, SHARED_MIN_MS + rng_below(&t->rng, SHARED_SPREAD_MS + 1));
}

static void on_answer(void *arg)
{
	struct lan_teller *t = arg;

	t->answering = false;
	t->answered_ms = loop_now_ms(t->loop);
	tell_link(t);
}

static void on_hello(void *arg)
{
	struct lan_teller *t = arg;

	tell_link(t);
	if (++t->hellos < HELLOS)
		loop_timer_set(t->hello, HELLO_MS);
}

static void on_refresh(void *arg)
{
	struct lan_teller *t = arg;

	mcast_refresh(t->mcast);
	loop_timer_set(t->refresh, LAN_REFRESH_MS);
}

/* ---- making and freeing ------------------------------------------------------------ */

static bool is_label_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-';
}

/* The machine's name up to its first dot, and what makes it ours alone. */
static void name_service(struct mdns_service *s, const struct lan_offer *o)
{
	char host[MDNS_LABEL_MAX - sizeof(" shoal ") - ID_SHOWN];
	size_t n = 0;

	for (const char *p = o->host; *p != '\0' && *p != '.' && n < sizeof(host) - 1; p++)
		if (is_label_char(*p))
			host[n++] = *p;
	host[n] = '\0';
	if (n == 0)
		snprintf(host, sizeof(host), "host");
	snprintf(s->type, sizeof(s->type), "%s", LAN_INDEX_TYPE);
	snprintf(s->instance, sizeof(s->instance), "%s %.*s", host, ID_SHOWN, o->id);
	snprintf(s->host, sizeof(s->host), "%s-shoal-%.*s", host, ID_SHOWN, o->id);
	s->port = o->port;
}

static int start(struct lan_teller *t, struct err_info *info)
{
	struct mcast_params p = {.loop = t->loop,
				 .group_v4 = MDNS_GROUP_V4,
				 .group_v6 = MDNS_GROUP_V6,
				 .port = MDNS_PORT,
				 .member = true,
				 .hops = MDNS_HOPS,
				 .on_datagram = on_datagram,
				 .user = t};
	int rc;

	t->hello = loop_timer_new(t->loop, on_hello, t);
	t->refresh = loop_timer_new(t->loop, on_refresh, t);
	t->answer = loop_timer_new(t->loop, on_answer, t);
	if (t->hello == NULL || t->refresh == NULL || t->answer == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	rc = mcast_new(&p, &t->mcast, info);
	if (rc != 0)
		return rc;
	loop_timer_set(t->hello, 0);
	loop_timer_set(t->refresh, LAN_REFRESH_MS);
	return 0;
}

int lan_teller_new(struct loop *l, const struct lan_offer *o, struct lan_teller **out,
		   struct err_info *info)
{
	struct lan_teller *t;
	uint64_t seed;
	int rc;

	*out = NULL;
	if (o->only != NULL && addr_is_loopback(o->only))
		return err_set(info, ERR_INVALID, "nobody else can reach a loopback address");
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	t->loop = l;
	t->has_only = o->only != NULL;
	if (t->has_only)
		t->only = *o->only;
	entropy_fill(&seed, sizeof(seed));
	rng_seed(&t->rng, seed);
	name_service(&t->service, o);
	rc = mdns_text_put(&t->service, LAN_KEY_ID, o->id);
	if (rc == 0 && o->pin != NULL)
		rc = mdns_text_put(&t->service, LAN_KEY_PIN, o->pin);
	rc = rc == 0 ? start(t, info) : err_set(info, (enum err)rc, "id or pin is too long");
	if (rc != 0) {
		lan_teller_free(t);
		return rc;
	}
	*out = t;
	return 0;
}

void lan_teller_free(struct lan_teller *t)
{
	if (t == NULL)
		return;
	if (t->mcast != NULL && t->hellos > 0) {
		t->service.gone = true;
		tell_link(t);
	}
	mcast_free(t->mcast);
	loop_timer_free(t->hello);
	loop_timer_free(t->refresh);
	loop_timer_free(t->answer);
	free(t);
}
