#include "node/announcer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "node/announce_ask.h"
#include "node/announce_pace.h"
#include "node/tiers.h"

/* One request under way: for one of the torrent's hashes. */
struct ask {
	struct announcer *a;
	bool under_way, paused;
	struct announce_ask call;
	uint32_t tracker, hash;
	enum {
		ASK_FIRST,
		ASK_INSTEAD, /* of a first one over IPv4 that had no answer: over IPv6 */
		ASK_BESIDE   /* after the first, over the other family, too */
	} is;
	enum addr_family family;
	uint16_t port;	     /* the one that is told */
	struct err_info why; /* ASK_INSTEAD: of the first */
};

/* Trackers of one turn that are not waited for any longer; then others have theirs. */
#define ASIDE_MAX 3u
/* Under way at once: of these trackers and the next, two hashes over two families; a goodbye goes
 * to those that know us. */
#define ASKS_MAX ((ASIDE_MAX + 1) * 4)
/* Nobody waits longer for an answer to "stopped". */
#define GOODBYE_MS 2000u
/* Nor on a tracker's other address, which has rest for an hour when it gives none. */
#define BESIDE_MS 5000u
#define BESIDE_LATER_MS (60u * 60u * 1000u)

struct announcer {
	struct announcer_params p;
	struct rng rng;
	uint8_t hash[TRACKER_HASHES_MAX][SHA1_LEN];
	uint32_t n_hashes;
	char key[9]; /* BEP 7: which announces are one client's */
	struct tiers tiers;
	struct announce_turn turn;
	uint32_t current; /* the tracker this round asks */
	uint32_t n_aside; /* those before it that have not answered yet, of this turn */
	struct ask *asks; /* ASKS_MAX while it is our turn, else NULL */
	uint32_t n_asks;
	enum announce_event event;  /* to be said in the next round that succeeds */
	bool round_ok;		    /* some hash of this round was answered */
	bool completed_later;	    /* "completed" came up during a round */
	uint64_t asked_ms, next_ms; /* the newest round; the next one, while it rests */
	struct announce_pace pace;  /* of the newest round that was answered */
	uint32_t retry_ms;
	struct loop_timer *timer;
	uint32_t n_ok, n_failed; /* announces answered, and not */
	uint32_t n_peers;	 /* in the newest reply */
	struct err_kept error;	 /* of the newest announce */
	bool started, stopping;
	void (*stopped)(void *user);
	void *stopped_user;
};

static void start_round(struct announcer *a);

/* ---- one request --------------------------------------------------------- */

static struct ask *free_ask(struct announcer *a)
{
	for (size_t i = 0; a->asks != NULL && i < ASKS_MAX; i++)
		if (!a->asks[i].under_way)
			return &a->asks[i];
	return NULL;
}

static void on_answer(void *user, const struct announce_answer *answer);

static void ask_is_over(struct ask *ask)
{
	struct announcer *a = ask->a;

	ask->under_way = false;
	a->n_asks--;
	a->tiers.list[ask->tracker].site->in_flight--;
}

static void cancel_ask(struct ask *ask)
{
	announce_ask_cancel(&ask->call);
	ask_is_over(ask);
}

static void cancel_asks(struct announcer *a)
{
	for (size_t i = 0; a->asks != NULL && i < ASKS_MAX; i++) {
		if (!a->asks[i].under_way)
			continue;
		cancel_ask(&a->asks[i]);
		/* It may have got it. */
		a->tiers.list[a->asks[i].tracker].known_at[a->asks[i].family] = a->asks[i].port;
	}
}

static uint16_t port_for(const struct announcer *a, const struct tracker_url *t)
{
	return a->p.reach == NULL ? a->p.port : reach_port(a->p.reach, t->site->url);
}

/* The router's port is for IPv4 alone: where that is told, it must be known that IPv4 it is. A host
 * that is a number is of one family anyway. */
static enum addr_family first_family(const struct announcer *a, const struct tracker_url *t)
{
	bool two_ports = port_for(a, t) != a->p.port && tracker_has_name(t->site->url);

	return two_ports ? ADDR_V4 : ADDR_ANY;
}

/* IPv6 needs no port of a router. */
static uint16_t port_over(const struct announcer *a, const struct tracker_url *t,
			  enum addr_family family, enum announce_event event)
{
	if (event == EVENT_STOPPED)
		return t->known_at[family];
	return family == ADDR_V6 ? a->p.port : port_for(a, t);
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

/* As `what` says: which tracker and hash, in which place and over which family. */
static bool send_ask(struct announcer *a, const struct ask *what, enum announce_event event)
{
	struct tracker_url *t = &a->tiers.list[what->tracker];
	struct announce ann = {
	    .port = port_over(a, t, what->family, event),
	    .event = event,
	    .numwant = event == EVENT_STOPPED ? 0 : ANNOUNCE_PEERS_MAX,
	    .compact = true,
	};
	struct announce_how how = {.http = a->p.http, .udp = a->p.udp, .family = what->family};
	struct ask *ask = free_ask(a);
	struct announcer_counts counts = {.left = 0};

	if (ask == NULL)
		return false;
	how.distrusted = !is_own(a, t);
	how.total_ms = event == EVENT_STOPPED ? GOODBYE_MS : what->is == ASK_BESIDE ? BESIDE_MS : 0;
	memcpy(ann.info_hash, a->hash[what->hash], SHA1_LEN);
	memcpy(ann.peer_id, a->p.peer_id, sizeof(ann.peer_id));
	memcpy(ann.key, a->key, sizeof(a->key));
	if (t->id != NULL)
		memcpy(ann.tracker_id, t->id, strlen(t->id) + 1);
	a->p.counts(a->p.user, &counts);
	ann.uploaded = counts.uploaded;
	ann.downloaded = counts.downloaded;
	ann.left = counts.left;
	if (says_paused(t, what->hash, &counts, event))
		ann.event = EVENT_PAUSED;
	*ask = *what;
	ask->a = a;
	ask->call = (struct announce_ask){.done = on_answer, .user = ask};
	ask->paused = ann.event == EVENT_PAUSED;
	ask->port = ann.port;
	ask->under_way = announce_ask_send(&ask->call, &how, t->site->url, &ann) == OK;
	if (!ask->under_way)
		return false;
	t->site->in_flight++;
	if (what->is != ASK_BESIDE)
		t->port = port_for(a, t);
	a->n_asks++;
	return true;
}

static void fail(struct announcer *a, const char *url, const char *reason)
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

static uint64_t retry_delay_ms(struct announcer *a)
{
	uint32_t ms = a->retry_ms;

	a->retry_ms = ms * 2 > ANNOUNCER_RETRY_LAST_MS ? ANNOUNCER_RETRY_LAST_MS : ms * 2;
	return ms - ms / 8 + rng_below(&a->rng, ms / 4);
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
		fail(a, t->site->url, r->failure);
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
	fail(a, t->site->url, why->text);
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
	fail(a, t->site->url, answer->strange);
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
	(void)send_ask(a, &beside, a->event);
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
	return send_ask(a, &instead, a->event);
}

/* Whoever has no such address, or whose way to it leads nowhere, is no worse a tracker. */
static void take_beside(struct announcer *a, const struct ask *ask,
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

/* ---- a turn: a round, or the goodbyes -------------------------------------- */

static void end_turn(struct announcer *a)
{
	free(a->asks);
	a->asks = NULL;
	announce_gate_leave(a->p.gate, &a->turn);
}

static void finish_stop(struct announcer *a)
{
	void (*stopped)(void *) = a->stopped;

	if (a->n_asks > 0)
		return;
	end_turn(a);
	a->stopped = NULL;
	if (stopped != NULL)
		stopped(a->stopped_user);
}

static bool has_next(const struct announcer *a)
{
	return a->current + 1 < a->tiers.n;
}

static bool next_tracker(struct announcer *a)
{
	bool has = has_next(a);

	a->current = has ? a->current + 1 : 0;
	return has;
}

static void rest_for(struct announcer *a, uint64_t ms)
{
	a->next_ms = loop_now_ms(a->p.loop) + ms;
	loop_timer_set(a->timer, ms);
	end_turn(a);
}

/* None of them is good for anything now. */
static void rest_all(struct announcer *a)
{
	rest_for(a, retry_delay_ms(a));
}

/* Does it tell others of a port at which we are not reached any more? */
static bool is_outdated(const struct announcer *a, const struct tracker_url *t)
{
	return t->port != 0 && t->port != port_for(a, t);
}

/* All requests of a round are answered: on to the next tracker, or rest. Others have their turn
 * before the next one: a torrent of many dead trackers would keep it for minutes. */
static void end_round(struct announcer *a)
{
	loop_timer_clear(a->timer);
	if (a->round_ok) {
		bool again = is_outdated(a, &a->tiers.list[a->current]);

		err_drop(&a->error); /* it may know one of the hashes alone */
		a->retry_ms = ANNOUNCER_RETRY_FIRST_MS;
		a->event = a->completed_later ? EVENT_COMPLETED : EVENT_NONE;
		tiers_promote(&a->tiers, a->current);
		a->current = 0;
		if (a->completed_later) {
			a->completed_later = false;
			start_round(a);
			return;
		}
		rest_for(a, again ? 0 : announce_pace_next_ms(&a->pace, &a->rng));
		return;
	}
	if (!next_tracker(a)) {
		rest_all(a);
		return;
	}
	end_turn(a);
	announce_gate_enter(a->p.gate, &a->turn);
}

/* Returns whether the round has succeeded. */
static bool take_first(struct announcer *a, const struct ask *ask,
		       const struct announce_answer *answer)
{
	if (ask_instead(a, ask, answer->err) || !take(a, ask, answer))
		return false;
	if (ask->is == ASK_FIRST)
		ask_beside(a, ask, &answer->from);
	return true;
}

/* As far as it may be asked now. */
static void ask_current(struct announcer *a)
{
	const struct tracker_url *t = &a->tiers.list[a->current];
	struct ask first = {.tracker = a->current, .family = first_family(a, t)};

	if (announce_site_is_down(t->site, a->asked_ms)) {
		fail(a, t->site->url, t->site->reason);
		return;
	}
	/* Another torrent waits for it already. */
	if (has_next(a) && announce_site_is_slow(t->site))
		return;
	for (first.hash = 0; first.hash < a->n_hashes; first.hash++)
		if (t->rest_until_ms[first.hash] <= a->asked_ms)
			(void)send_ask(a, &first, a->event);
}

/* Somebody else tells this tracker: nothing is to be said until announcer_resume(). */
static bool is_covered(const struct announcer *a, const struct tracker_url *t)
{
	return a->p.covered != NULL && a->p.covered(a->p.user, t->site->url);
}

/* ---- those that are slow to answer ------------------------------------------ */

static bool is_asked(const struct announcer *a, uint32_t tracker)
{
	for (size_t i = 0; a->asks != NULL && i < ASKS_MAX; i++)
		if (a->asks[i].under_way && a->asks[i].tracker == tracker)
			return true;
	return false;
}

/* The round has succeeded without them: they have had their time. */
static void give_up_slow(struct announcer *a)
{
	for (size_t i = 0; i < ASKS_MAX; i++) {
		struct ask *ask = &a->asks[i];
		struct announce_site *site = a->tiers.list[ask->tracker].site;

		if (!ask->under_way || ask->tracker == a->current)
			continue;
		cancel_ask(ask);
		announce_site_failed(site, "no answer", loop_now_ms(a->p.loop));
	}
	if (a->n_asks == 0)
		end_round(a);
}

/* Whoever waits for peers is not to wait for one that may be gone: the next one is asked, too. */
static void ask_next_beside(struct announcer *a)
{
	bool asked = false;

	while (!asked && a->n_aside < ASIDE_MAX && has_next(a) &&
	       !is_covered(a, &a->tiers.list[a->current + 1])) {
		a->n_aside += is_asked(a, a->current);
		a->current++;
		ask_current(a);
		asked = is_asked(a, a->current);
	}
	if (asked)
		loop_timer_set(a->timer, ANNOUNCER_PATIENCE_MS);
}

static void lose_patience(struct announcer *a)
{
	if (a->stopping)
		return;
	if (a->round_ok) {
		give_up_slow(a);
		return;
	}
	if (has_next(a))
		a->tiers.list[a->current].site->slow = true;
	ask_next_beside(a);
}

/* One has answered, of whatever place in the order. */
static void settle_on(struct announcer *a, uint32_t tracker)
{
	if (a->round_ok && tracker > a->current)
		return;
	a->current = tracker;
	if (!a->round_ok)
		loop_timer_set(a->timer, ANNOUNCER_LATE_MS);
	a->round_ok = true;
}

static void go_on(struct announcer *a, const struct ask *ask, bool good)
{
	/* The peers of the reply may have brought the end of the transfer: then the turn is, or is
	 * waited for, to say goodbye. */
	if (a->stopping)
		return;
	if (good)
		settle_on(a, ask->tracker);
	if (a->n_asks == 0)
		end_round(a);
	else if (!a->round_ok && !is_asked(a, a->current))
		ask_next_beside(a);
}

static void on_answer(void *user, const struct announce_answer *answer)
{
	struct ask ask = *(struct ask *)user;
	struct announcer *a = ask.a;
	bool good = false;

	ask_is_over(user);
	if (a->stopping) {
		finish_stop(a);
		return;
	}
	if (ask.is == ASK_BESIDE)
		take_beside(a, &ask, answer);
	else
		good = take_first(a, &ask, answer);
	go_on(a, &ask, good);
}

static void start_round(struct announcer *a)
{
	loop_timer_clear(a->timer);
	if (is_covered(a, &a->tiers.list[a->current])) {
		a->current = 0;
		end_turn(a);
		return;
	}
	a->round_ok = false;
	a->n_aside = 0;
	a->asked_ms = loop_now_ms(a->p.loop);
	ask_current(a);
	if (a->n_asks > 0) {
		loop_timer_set(a->timer, ANNOUNCER_PATIENCE_MS);
		return;
	}
	/* It was not asked, which takes no turn. */
	if (next_tracker(a))
		start_round(a);
	else
		rest_all(a);
}

/* Over each family over which it knows us. */
static void say_goodbye_to(struct announcer *a, uint32_t tracker, uint32_t hash)
{
	const struct tracker_url *t = &a->tiers.list[tracker];
	struct ask ask = {.tracker = tracker, .hash = hash};

	for (ask.family = ADDR_ANY; ask.family <= ADDR_V6; ask.family++)
		if (t->known_at[ask.family] != 0)
			(void)send_ask(a, &ask, EVENT_STOPPED);
}

static void say_goodbye(struct announcer *a)
{
	uint64_t now = loop_now_ms(a->p.loop);

	for (uint32_t i = 0; i < a->tiers.n; i++) {
		const struct tracker_url *t = &a->tiers.list[i];

		if (announce_site_is_down(t->site, now) || t->site->slow)
			continue;
		for (uint32_t h = 0; h < a->n_hashes; h++)
			if (t->rest_until_ms[h] <= now)
				say_goodbye_to(a, i, h);
	}
	finish_stop(a);
}

static void on_turn(void *arg)
{
	struct announcer *a = arg;

	a->asks = calloc(ASKS_MAX, sizeof(*a->asks));
	if (a->stopping)
		say_goodbye(a);
	else
		start_round(a);
}

static void want_turn(struct announcer *a)
{
	if (a->tiers.n == 0 || a->stopping || a->turn.state == TURN_IN)
		return;
	loop_timer_clear(a->timer);
	announce_gate_enter(a->p.gate, &a->turn);
}

static void on_timer(void *arg)
{
	struct announcer *a = arg;

	if (a->turn.state == TURN_IN)
		lose_patience(a);
	else
		want_turn(a);
}

/* ---- life ---------------------------------------------------------------- */

static void load_hashes(struct announcer *a)
{
	const struct metainfo *m = a->p.meta;

	if (m->v1)
		memcpy(a->hash[a->n_hashes++], m->hash_v1, SHA1_LEN);
	if (m->v2)
		memcpy(a->hash[a->n_hashes++], m->hash_v2, SHA1_LEN);
}

int announcer_new(const struct announcer_params *p, struct announcer **out)
{
	struct announcer *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return ERR_NOMEM;
	a->p = *p;
	a->turn.go = on_turn;
	a->turn.arg = a;
	a->retry_ms = ANNOUNCER_RETRY_FIRST_MS;
	rng_seed(&a->rng, p->seed);
	snprintf(a->key, sizeof(a->key), "%08" PRIx32, (uint32_t)rng_next(&a->rng));
	load_hashes(a);
	a->timer = loop_timer_new(p->loop, on_timer, a);
	if (a->timer == NULL ||
	    tiers_load(&a->tiers, p->trackers, p->meta, p->gate, &a->rng) != OK) {
		announcer_free(a);
		return ERR_NOMEM;
	}
	*out = a;
	return OK;
}

void announcer_free(struct announcer *a)
{
	if (a == NULL)
		return;
	cancel_asks(a);
	end_turn(a);
	tiers_fini(&a->tiers, a->p.gate);
	err_drop(&a->error);
	if (a->timer != NULL)
		loop_timer_free(a->timer);
	free(a);
}

void announcer_resume(struct announcer *a)
{
	if (a->started && a->turn.state == TURN_NONE)
		want_turn(a);
}

void announcer_answered(struct announcer *a, uint32_t n_peers)
{
	err_drop(&a->error);
	a->n_ok++;
	a->n_peers = n_peers;
}

const char *announcer_find(const struct announcer *a, bool (*is)(const void *user, const char *url),
			   const void *user)
{
	for (uint32_t i = 0; i < a->tiers.n; i++)
		if (is(user, a->tiers.list[i].site->url))
			return a->tiers.list[i].site->url;
	return NULL;
}

/* Requests know their tracker by its number, so a round begins anew. */
int announcer_lead(struct announcer *a, const char *const *trackers)
{
	int err;

	if (a->stopping)
		return OK;
	cancel_asks(a);
	end_turn(a);
	err = tiers_lead(&a->tiers, trackers, a->p.gate);
	a->current = 0;
	if (!a->started)
		return err;
	if (err == OK) {
		a->completed_later = a->completed_later || a->event == EVENT_COMPLETED;
		a->event = EVENT_STARTED;
	}
	want_turn(a);
	return err;
}

void announcer_start(struct announcer *a)
{
	a->started = true;
	a->event = EVENT_STARTED;
	want_turn(a);
}

void announcer_completed(struct announcer *a)
{
	if (a->turn.state == TURN_IN || a->event == EVENT_STARTED) {
		a->completed_later = true;
		return;
	}
	a->event = EVENT_COMPLETED;
	want_turn(a);
}

void announcer_moved(struct announcer *a)
{
	bool outdated = false;

	for (uint32_t i = 0; i < a->tiers.n; i++)
		outdated = outdated || is_outdated(a, &a->tiers.list[i]);
	if (outdated)
		want_turn(a);
}

void announcer_more(struct announcer *a)
{
	uint64_t now = loop_now_ms(a->p.loop), due = a->asked_ms + a->pace.least_ms;

	if (a->n_ok == 0 || a->stopping || a->turn.state != TURN_NONE)
		return;
	if (now >= due) {
		want_turn(a);
	} else if (a->round_ok && due < a->next_ms) {
		a->next_ms = due;
		loop_timer_set(a->timer, due - now);
	}
}

void announcer_stop(struct announcer *a, void (*done)(void *user), void *user)
{
	bool known = false;

	a->stopping = true;
	a->stopped = done;
	a->stopped_user = user;
	loop_timer_clear(a->timer);
	cancel_asks(a);
	end_turn(a);
	for (uint32_t i = 0; i < a->tiers.n; i++)
		known = known || tracker_url_knows_us(&a->tiers.list[i]);
	if (known)
		announce_gate_enter(a->p.gate, &a->turn);
	else
		finish_stop(a);
}

void announcer_status(const struct announcer *a, struct announcer_status *out)
{
	*out = (struct announcer_status){.ok = a->n_ok, .failed = a->n_failed, .peers = a->n_peers};
	err_kept_get(&a->error, &out->error);
}
