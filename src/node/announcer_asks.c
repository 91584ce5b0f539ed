/* node/announcer_asks.c - what one tracker is asked, and what is taken of its answer. */
#include <stdlib.h>

#include "base/text.h"
#include "node/announcer_impl.h"

/* Nobody waits longer for an answer to "stopped". */
#define GOODBYE_MS 2000u
/* Nor on a tracker's other address, which has rest for an hour when it gives none. */
#define BESIDE_MS 5000u
#define BESIDE_LATER_MS (60u * 60u * 1000u)

/* ---- one request --------------------------------------------------------- */

static struct ask *free_ask(struct announcer *a)
{
	for (size_t i = 0; a->asks != NULL && i < ASKS_MAX; i++)
		if (!a->asks[i].under_way)
			return &a->asks[i];
	return NULL;
}

void announcer_ask_is_over(struct ask *ask)
{
	struct announcer *a = ask->a;

	ask->under_way = false;
	a->n_asks--;
	a->tiers.list[ask->tracker].site->in_flight--;
}

void announcer_cancel_ask(struct ask *ask)
{
	announce_ask_cancel(&ask->call);
	announcer_ask_is_over(ask);
}

void announcer_cancel_asks(struct announcer *a)
{
	for (size_t i = 0; a->asks != NULL && i < ASKS_MAX; i++) {
		if (!a->asks[i].under_way)
			continue;
		announcer_cancel_ask(&a->asks[i]);
		/* It may have got it. */
		a->tiers.list[a->asks[i].tracker].known_at[a->asks[i].family] = a->asks[i].port;
	}
}

uint16_t announcer_port_for(const struct announcer *a, const struct tracker_url *t)
{
	return a->p.reach == NULL ? a->p.port : reach_port(a->p.reach, t->site->url);
}

/* The router's port is for IPv4 alone: where that is told, it must be known that IPv4 it is. A host
 * that is a number is of one family anyway. */
enum addr_family announcer_first_family(const struct announcer *a, const struct tracker_url *t)
{
	bool two_ports = announcer_port_for(a, t) != a->p.port && tracker_has_name(t->site->url);

	return two_ports ? ADDR_V4 : ADDR_ANY;
}

/* IPv6 needs no port of a router. */
static uint16_t port_over(const struct announcer *a, const struct tracker_url *t,
			  enum addr_family family, enum announce_event event)
{
	if (event == EVENT_STOPPED)
		return t->known_at[family];
	return family == ADDR_V6 ? a->p.port : announcer_port_for(a, t);
}

/* Source: BEP 21, "in every announce"; who goes says that instead. */
static bool says_paused(const struct tracker_url *t, uint32_t hash,
			const struct announcer_counts *c, enum announce_event event)
{
	return c->partial_seed && event != EVENT_STOPPED && !t->no_pause[hash] &&
	       !tracker_is_udp(t->site->url);
}

static bool is_own(const struct announcer *a, const struct tracker_url *t)
{
	return a->p.own != NULL && a->p.own(a->p.user, t->site->url);
}

static void fill(const struct announcer *a, const struct ask *what, enum announce_event event,
		 struct announce *out)
{
	const struct tracker_url *t = &a->tiers.list[what->tracker];
	struct announcer_counts counts = {.left = 0};

	a->p.counts(a->p.user, &counts);
	*out = (struct announce){
	    .port = port_over(a, t, what->family, event),
	    .uploaded = counts.uploaded,
	    .downloaded = counts.downloaded,
	    .left = counts.left,
	    .event = says_paused(t, what->hash, &counts, event) ? EVENT_PAUSED : event,
	    .numwant = event == EVENT_STOPPED ? 0 : ANNOUNCE_PEERS_MAX,
	    .compact = true,
	};
	memcpy(out->info_hash, a->hash[what->hash], SHA1_LEN);
	memcpy(out->peer_id, a->p.peer_id, sizeof(out->peer_id));
	memcpy(out->key, a->key, sizeof(a->key));
	if (t->id != NULL)
		memcpy(out->tracker_id, t->id, strlen(t->id) + 1);
}

bool announcer_send_ask(struct announcer *a, const struct ask *what, enum announce_event event)
{
	struct tracker_url *t = &a->tiers.list[what->tracker];
	struct announce_how how = {.http = a->p.http, .udp = a->p.udp, .family = what->family};
	struct ask *ask = free_ask(a);
	struct announce ann;

	if (ask == NULL)
		return false;
	how.distrusted = !is_own(a, t);
	how.total_ms = event == EVENT_STOPPED ? GOODBYE_MS : what->is == ASK_BESIDE ? BESIDE_MS : 0;
	fill(a, what, event, &ann);
	*ask = *what;
	ask->a = a;
	ask->call = (struct announce_ask){.done = announcer_on_answer, .user = ask};
	ask->paused = ann.event == EVENT_PAUSED;
	ask->port = ann.port;
	ask->under_way = announce_ask_send(&ask->call, &how, t->site->url, &ann) == OK;
	if (!ask->under_way)
		return false;
	t->site->in_flight++;
	if (what->is != ASK_BESIDE)
		t->port = announcer_port_for(a, t);
	a->n_asks++;
	return true;
}

void announcer_fail(struct announcer *a, const char *url, const char *reason)
{
	char safe_url[200], safe[ANNOUNCE_TEXT_MAX * 2];
	struct err_info why;

	a->n_failed++;
	err_set(&why, ERR_UNREACHABLE, "tracker %s: %s",
		text_escape(safe_url, sizeof(safe_url), bytes_str(url)),
		text_escape(safe, sizeof(safe), bytes_str(reason)));
	err_keep(&a->error, &why);
}

static void give_peers(struct announcer *a, const struct tracker_url *t,
		       const struct announce_reply *r, const struct addr *from)
{
	enum addr_scope at = from->port == 0 ? ADDR_PUBLIC : addr_scope(from);
	enum addr_scope nearest = is_own(a, t) ? reach_of_index(at) : at;
	struct addr *list = calloc(r->n_peers + 1, sizeof(*list));
	size_t n = 0;

	a->n_peers = r->n_peers;
	if (list == NULL)
		return; /* the next round brings them again */
	for (uint32_t i = 0; i < r->n_peers; i++)
		if (addr_may_name(nearest, &r->peers[i].addr))
			list[n++] = r->peers[i].addr;
	a->p.found(a->p.user, list, n);
	free(list);
}

static void note_seen_as(struct announcer *a, const struct announce_reply *r,
			 const struct addr *from)
{
	if (r->has_external_ip && from->port != 0 && a->p.seen_as != NULL)
		a->p.seen_as(a->p.user, from, &r->external_ip);
}

/* It has answered an announce. */
static void note_known(struct tracker_url *t, const struct ask *ask, const struct addr *from)
{
	enum addr_family family = ask->family;

	if (family == ADDR_ANY && from->port != 0 && tracker_has_name(t->site->url))
		family = from->v6 ? ADDR_V6 : ADDR_V4;
	t->known_at[family] = ask->port;
}

/* Source: BEP 31. "Never" is for as long as we are here. */
static void rest(struct announcer *a, uint64_t *until_ms, uint32_t retry_s)
{
	if (retry_s == UINT32_MAX)
		*until_ms = UINT64_MAX;
	else
		*until_ms = loop_now_ms(a->p.loop) + (uint64_t)retry_s * 1000;
}

static bool take_reply(struct announcer *a, const struct ask *ask, const struct announce_reply *r,
		       const struct addr *from)
{
	struct tracker_url *t = &a->tiers.list[ask->tracker];

	if (r->failed) {
		announcer_fail(a, t->site->url, r->failure);
		t->no_pause[ask->hash] = ask->paused;
		rest(a, &t->rest_until_ms[ask->hash], r->retry_s);
		return false;
	}
	a->n_ok++;
	err_drop(&a->error);
	announce_pace_take(&a->pace, r, tracker_is_udp(t->site->url), !a->round_ok);
	tracker_url_keep_id(t, r->tracker_id);
	note_known(t, ask, from);
	note_seen_as(a, r, from);
	give_peers(a, t, r, from);
	return true;
}

/* Has it answered at all? */
static bool take_site(struct announcer *a, struct tracker_url *t, const struct err_info *why)
{
	if (why->code == OK) {
		announce_site_answered(t->site);
		return true;
	}
	announcer_fail(a, t->site->url, why->text);
	announce_site_failed(t->site, why->text, loop_now_ms(a->p.loop));
	return false;
}

static bool take(struct announcer *a, const struct ask *ask, const struct announce_answer *answer)
{
	struct tracker_url *t = &a->tiers.list[ask->tracker];
	bool instead = ask->is == ASK_INSTEAD && answer->err->code != OK;

	if (!take_site(a, t, instead ? &ask->why : answer->err))
		return false;
	if (answer->reply != NULL)
		return take_reply(a, ask, answer->reply, &answer->from);
	announcer_fail(a, t->site->url, answer->strange);
	return false;
}

/* ---- its other address ------------------------------------------------------ */

/* Many trackers know us, and tell of others, by the family alone over which they were asked; over
 * UDP there is no room for both. Source: BEP 7. Both families of loopback are this machine. */
static void ask_beside(struct announcer *a, const struct ask *first, const struct addr *from)
{
	const struct announce_site *site = a->tiers.list[first->tracker].site;
	struct ask beside = *first;

	if (a->stopping || from->port == 0 || addr_is_loopback(from) ||
	    !tracker_has_name(site->url) || loop_now_ms(a->p.loop) < site->one_until_ms)
		return;
	beside.is = ASK_BESIDE;
	beside.family = from->v6 ? ADDR_V4 : ADDR_V6;
	(void)announcer_send_ask(a, &beside, a->event);
}

/* It may have no IPv4 address. */
static bool ask_instead(struct announcer *a, const struct ask *first, const struct err_info *why)
{
	struct ask instead = *first;

	if (first->is != ASK_FIRST || first->family != ADDR_V4 || why->code == OK)
		return false;
	instead.is = ASK_INSTEAD;
	instead.family = ADDR_V6;
	instead.why = *why;
	return announcer_send_ask(a, &instead, a->event);
}

/* Whoever has no such address, or whose way to it leads nowhere, is no worse a tracker. */
void announcer_take_beside(struct announcer *a, const struct ask *ask,
			   const struct announce_answer *answer)
{
	struct tracker_url *t = &a->tiers.list[ask->tracker];
	const struct announce_reply *r = answer->err->code == OK ? answer->reply : NULL;
	uint32_t n = a->n_peers;

	if (r == NULL || r->failed) {
		t->site->one_until_ms = loop_now_ms(a->p.loop) + BESIDE_LATER_MS;
		return;
	}
	note_known(t, ask, &answer->from);
	note_seen_as(a, r, &answer->from);
	give_peers(a, t, r, &answer->from);
	a->n_peers += n;
}

bool announcer_take_first(struct announcer *a, const struct ask *ask,
			  const struct announce_answer *answer)
{
	if (ask_instead(a, ask, answer->err) || !take(a, ask, answer))
		return false;
	if (ask->is == ASK_FIRST)
		ask_beside(a, ask, &answer->from);
	return true;
}
