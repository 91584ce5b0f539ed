#include "node/announcer.h"

#include <stdlib.h>

#include "base/text.h"
#include "node/tiers.h"
#include "wire/http_tracker.h"

/* One request under way: for one of the torrent's hashes. */
struct ask {
	struct announcer *a;
	bool under_way;
	struct http_call *http; /* one of them */
	struct udp_call *udp;
	uint32_t tracker;
};

#define HASHES_MAX 2
/* Under way at once: a round is one tracker; a goodbye goes to those that know us. */
#define ASKS_MAX 8
/* Nobody waits longer for an answer to "stopped". */
#define GOODBYE_MS 2000u

struct announcer {
	struct announcer_params p;
	struct rng rng;
	uint8_t hash[HASHES_MAX][SHA1_LEN];
	uint32_t n_hashes;
	struct tiers tiers;
	struct announce_turn turn;
	uint32_t current; /* the tracker this round asks */
	struct ask *asks; /* ASKS_MAX while it is our turn, else NULL */
	uint32_t n_asks;
	enum announce_event event; /* to be said in the next round that succeeds */
	bool round_ok;		   /* some hash of this round was answered */
	uint32_t interval_s;	   /* and then shall be told again so much later */
	bool completed_later;	   /* "completed" came up during a round */
	uint64_t asked_ms, min_interval_ms;
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

static void on_http_answer(void *user, const struct http_answer *answer);
static void on_udp_answer(void *user, const struct udp_answer *answer);

static void ask_is_over(struct ask *ask)
{
	struct announcer *a = ask->a;

	ask->under_way = false;
	a->n_asks--;
	a->tiers.list[ask->tracker].site->in_flight--;
}

static void cancel_asks(struct announcer *a)
{
	for (size_t i = 0; a->asks != NULL && i < ASKS_MAX; i++) {
		if (!a->asks[i].under_way)
			continue;
		if (a->asks[i].http != NULL)
			http_call_cancel(a->asks[i].http);
		else
			udp_call_cancel(a->asks[i].udp);
		ask_is_over(&a->asks[i]);
		a->tiers.list[a->asks[i].tracker].heard = true; /* it may have got it */
	}
}

static void send_over_http(struct ask *ask, const char *tracker, const struct announce *ann)
{
	struct buf url;
	struct http_ask http = {.method = "GET",
				.max_bytes = ANNOUNCER_REPLY_BYTES_MAX,
				.done = on_http_answer,
				.user = ask};

	buf_init(&url, 64u << 10);
	(void)http_announce_encode(tracker, ann, &url);
	http.url = buf_cstr(&url);
	if (ann->event == EVENT_STOPPED)
		http.total_ms = GOODBYE_MS;
	if (http.url != NULL)
		ask->http = http_client_send(ask->a->p.http, &http);
	buf_fini(&url);
}

static void send_over_udp(struct ask *ask, const char *tracker, const struct announce *ann)
{
	ask->udp = udp_asker_send(ask->a->p.udp, tracker, ann,
				  ann->event == EVENT_STOPPED ? GOODBYE_MS : 0, on_udp_answer, ask);
}

static bool send_ask(struct announcer *a, uint32_t tracker, uint32_t hash,
		     enum announce_event event)
{
	struct tracker_url *t = &a->tiers.list[tracker];
	struct announce ann = {
	    .port = a->p.reach == NULL ? a->p.port : reach_port(a->p.reach, t->site->url),
	    .event = event,
	    .numwant = event == EVENT_STOPPED ? 0 : ANNOUNCE_PEERS_MAX,
	    .compact = true,
	};
	struct ask *ask = free_ask(a);

	if (ask == NULL)
		return false;
	memcpy(ann.info_hash, a->hash[hash], SHA1_LEN);
	memcpy(ann.peer_id, a->p.peer_id, sizeof(ann.peer_id));
	if (t->id != NULL)
		memcpy(ann.tracker_id, t->id, strlen(t->id) + 1);
	a->p.counts(a->p.user, &ann.uploaded, &ann.downloaded, &ann.left);
	*ask = (struct ask){.a = a, .tracker = tracker};
	if (tracker_is_udp(t->site->url))
		send_over_udp(ask, t->site->url, &ann);
	else
		send_over_http(ask, t->site->url, &ann);
	ask->under_way = ask->http != NULL || ask->udp != NULL;
	if (!ask->under_way)
		return false;
	t->site->in_flight++;
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

static uint64_t clamp_interval_ms(uint32_t s)
{
	if (s < ANNOUNCER_INTERVAL_MIN_S)
		s = ANNOUNCER_INTERVAL_MIN_S;
	if (s > ANNOUNCER_INTERVAL_MAX_S)
		s = ANNOUNCER_INTERVAL_MAX_S;
	return (uint64_t)s * 1000;
}

static void give_peers(struct announcer *a, const struct announce_reply *r)
{
	struct addr *list = calloc(r->n_peers + 1, sizeof(*list));

	a->n_peers = r->n_peers;
	if (list == NULL)
		return; /* the next round brings them again */
	for (uint32_t i = 0; i < r->n_peers; i++)
		list[i] = r->peers[i].addr;
	a->p.found(a->p.user, list, r->n_peers);
	free(list);
}

/* Between six and eight tenths of the interval: in time for trackers that forget at its end, and
 * never all peers together. */
static uint64_t next_ms(struct announcer *a, uint32_t interval_s)
{
	uint64_t ms = clamp_interval_ms(interval_s);

	return ms * 6 / 10 + rng_below(&a->rng, (uint32_t)(ms * 2 / 10) + 1);
}

static uint64_t retry_delay_ms(struct announcer *a)
{
	uint32_t ms = a->retry_ms;

	a->retry_ms = ms * 2 > ANNOUNCER_RETRY_LAST_MS ? ANNOUNCER_RETRY_LAST_MS : ms * 2;
	return ms - ms / 8 + rng_below(&a->rng, ms / 4);
}

/* Source: BEP 31. "Never" is for as long as we are here. */
static void rest(struct announcer *a, struct tracker_url *t, uint32_t retry_s)
{
	if (retry_s == UINT32_MAX)
		t->rest_until_ms = UINT64_MAX;
	else
		t->rest_until_ms = loop_now_ms(a->p.loop) + (uint64_t)retry_s * 1000;
}

static bool take_reply(struct announcer *a, struct tracker_url *t, const struct announce_reply *r,
		       const struct addr *from)
{
	if (r->failed) {
		fail(a, t->site->url, r->failure);
		rest(a, t, r->retry_s);
		return false;
	}
	a->n_ok++;
	err_drop(&a->error);
	if (r->interval_s > a->interval_s)
		a->interval_s = r->interval_s;
	a->min_interval_ms = r->min_interval_s > 0 ? (uint64_t)r->min_interval_s * 1000 : 5000;
	tracker_url_keep_id(t, r->tracker_id);
	t->heard = true;
	if (r->has_external_ip && from->port != 0 && a->p.seen_as != NULL)
		a->p.seen_as(a->p.user, from, &r->external_ip);
	give_peers(a, r);
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

static bool take_http(struct announcer *a, struct tracker_url *t, const struct http_answer *answer)
{
	struct announce_reply r;
	struct announce_peer *peers;
	bool good = false;

	if (!take_site(a, t, &answer->err))
		return false;
	peers = calloc(ANNOUNCE_PEERS_TAKEN, sizeof(*peers));
	if (peers != NULL &&
	    http_announce_reply_decode(answer->body, &r, peers, ANNOUNCE_PEERS_TAKEN) == OK)
		good = take_reply(a, t, &r, &answer->from);
	else
		fail(a, t->site->url,
		     answer->status == 200 ? "answers what no tracker would" : "HTTP error");
	free(peers);
	return good;
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

/* All requests of a round are answered: on to the next tracker, or rest. */
static void end_round(struct announcer *a)
{
	if (a->round_ok) {
		a->retry_ms = ANNOUNCER_RETRY_FIRST_MS;
		a->event = a->completed_later ? EVENT_COMPLETED : EVENT_NONE;
		tiers_promote(&a->tiers, a->current);
		a->current = 0;
		if (a->completed_later) {
			a->completed_later = false;
			start_round(a);
			return;
		}
		loop_timer_set(a->timer, next_ms(a, a->interval_s));
		end_turn(a);
		return;
	}
	if (a->current + 1 < a->tiers.n) {
		a->current++;
		start_round(a);
		return;
	}
	a->current = 0;
	loop_timer_set(a->timer, retry_delay_ms(a));
	end_turn(a);
}

/* Returns the tracker, or NULL when nothing is made of its answer any more. */
static struct tracker_url *answered(struct ask *ask)
{
	struct announcer *a = ask->a;

	ask_is_over(ask);
	if (!a->stopping)
		return &a->tiers.list[ask->tracker];
	finish_stop(a);
	return NULL;
}

static void go_on(struct announcer *a, bool good)
{
	/* The peers of the reply may have brought the end of the transfer: then the turn is, or is
	 * waited for, to say goodbye. */
	if (a->stopping)
		return;
	a->round_ok = a->round_ok || good;
	if (a->n_asks == 0)
		end_round(a);
}

static void on_http_answer(void *user, const struct http_answer *answer)
{
	struct ask *ask = user;
	struct announcer *a = ask->a;
	struct tracker_url *t = answered(ask);

	if (t != NULL)
		go_on(a, take_http(a, t, answer));
}

static void on_udp_answer(void *user, const struct udp_answer *answer)
{
	struct ask *ask = user;
	struct announcer *a = ask->a;
	struct tracker_url *t = answered(ask);

	if (t != NULL)
		go_on(a, take_site(a, t, answer->err) &&
			     take_reply(a, t, answer->reply, answer->from));
}

/* May this tracker be asked now? */
static bool is_open(struct announcer *a, const struct tracker_url *t)
{
	if (announce_site_is_down(t->site, a->asked_ms)) {
		fail(a, t->site->url, t->site->reason);
		return false;
	}
	return t->rest_until_ms <= a->asked_ms;
}

/* Somebody else tells this tracker: nothing is to be said until announcer_resume(). */
static bool is_covered(const struct announcer *a, const struct tracker_url *t)
{
	return a->p.covered != NULL && a->p.covered(a->p.user, t->site->url);
}

static void start_round(struct announcer *a)
{
	if (is_covered(a, &a->tiers.list[a->current])) {
		a->current = 0;
		end_turn(a);
		return;
	}
	a->round_ok = false;
	a->interval_s = 0;
	a->asked_ms = loop_now_ms(a->p.loop);
	if (is_open(a, &a->tiers.list[a->current]))
		for (uint32_t i = 0; i < a->n_hashes; i++)
			(void)send_ask(a, a->current, i, a->event);
	if (a->n_asks == 0)
		end_round(a);
}

static void say_goodbye(struct announcer *a)
{
	uint64_t now = loop_now_ms(a->p.loop);

	for (uint32_t i = 0; i < a->tiers.n; i++) {
		const struct tracker_url *t = &a->tiers.list[i];

		if (!t->heard || announce_site_is_down(t->site, now))
			continue;
		for (uint32_t h = 0; h < a->n_hashes; h++)
			(void)send_ask(a, i, h, EVENT_STOPPED);
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
	if (a->tiers.n == 0 || a->stopping)
		return;
	loop_timer_clear(a->timer);
	announce_gate_enter(a->p.gate, &a->turn);
}

static void on_timer(void *arg)
{
	want_turn(arg);
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

bool announcer_has(const struct announcer *a, bool (*is)(const void *user, const char *url),
		   const void *user)
{
	for (uint32_t i = 0; i < a->tiers.n; i++)
		if (is(user, a->tiers.list[i].site->url))
			return true;
	return false;
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

void announcer_more(struct announcer *a)
{
	uint64_t now = loop_now_ms(a->p.loop), due = a->asked_ms + a->min_interval_ms;

	if (a->n_ok > 0 && now >= due)
		want_turn(a);
}

void announcer_stop(struct announcer *a, void (*done)(void *user), void *user)
{
	bool heard = false;

	a->stopping = true;
	a->stopped = done;
	a->stopped_user = user;
	loop_timer_clear(a->timer);
	cancel_asks(a);
	end_turn(a);
	for (uint32_t i = 0; i < a->tiers.n; i++)
		heard = heard || a->tiers.list[i].heard;
	if (heard)
		announce_gate_enter(a->p.gate, &a->turn);
	else
		finish_stop(a);
}

void announcer_status(const struct announcer *a, struct announcer_status *out)
{
	*out = (struct announcer_status){.ok = a->n_ok, .failed = a->n_failed, .peers = a->n_peers};
	err_kept_get(&a->error, &out->error);
}
