#include "node/announcer.h"

#include <stdlib.h>

#include "base/text.h"
#include "wire/http_tracker.h"

/* One tracker URL. */
struct tracker_url {
	char *url;
	uint32_t tier;
	bool heard;		/* it knows us: say "stopped" to it */
	char *id;		/* its "tracker id", or NULL */
	uint64_t rest_until_ms; /* BEP 31: it does not want to be asked before */
};

/* One request under way: for one of the torrent's hashes. */
struct ask {
	struct announcer *a;
	struct http_call *call;
	uint32_t tracker;
	enum announce_event event;
};

#define HASHES_MAX 2
/* Under way at once: a round is one tracker; a goodbye goes to those that know us. */
#define ASKS_MAX 8

struct announcer {
	struct announcer_params p;
	struct rng rng;
	uint8_t hash[HASHES_MAX][SHA1_LEN];
	uint32_t n_hashes;
	struct tracker_url *trackers;
	uint32_t n_trackers;
	uint32_t current;	   /* the tracker this round asks */
	struct ask asks[ASKS_MAX]; /* call != NULL: under way */
	uint32_t n_asks;
	enum announce_event event; /* to be said in the next round that succeeds */
	bool round_ok;		   /* some hash of this round was answered */
	uint32_t interval_s;	   /* and then shall be told again so much later */
	bool completed_later;	   /* "completed" came up during a round */
	uint64_t asked_ms, min_interval_ms;
	uint32_t retry_ms;
	struct loop_timer *timer;
	struct announcer_status status;
	bool stopping;
	void (*stopped)(void *user);
	void *stopped_user;
};

static void start_round(struct announcer *a);

/* ---- the list of trackers ------------------------------------------------ */

static int add_tracker(struct announcer *a, const char *url, uint32_t tier)
{
	struct tracker_url *t;

	for (uint32_t i = 0; i < a->n_trackers; i++)
		if (strcmp(a->trackers[i].url, url) == 0)
			return OK;
	t = &a->trackers[a->n_trackers];
	t->url = strdup(url);
	if (t->url == NULL)
		return ERR_NOMEM;
	t->tier = tier;
	a->n_trackers++;
	return OK;
}

static bool is_http(const char *url)
{
	return strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
}

/* Source: BEP 12: each tier is shuffled when first read. */
static void shuffle_tiers(struct announcer *a)
{
	for (uint32_t i = 0; i < a->n_trackers; i++) {
		uint32_t end = i + 1;

		while (end < a->n_trackers && a->trackers[end].tier == a->trackers[i].tier)
			end++;
		if (end - i > 1) {
			uint32_t j = i + rng_below(&a->rng, end - i);
			struct tracker_url swap = a->trackers[i];

			a->trackers[i] = a->trackers[j];
			a->trackers[j] = swap;
		}
	}
}

static int load_trackers(struct announcer *a)
{
	const struct metainfo *m = a->p.meta;

	size_t room = m->n_trackers;

	for (const char *const *u = a->p.trackers; u != NULL && *u != NULL; u++)
		room++;
	a->trackers = calloc(room + 1, sizeof(*a->trackers));
	if (a->trackers == NULL)
		return ERR_NOMEM;
	for (const char *const *u = a->p.trackers; u != NULL && *u != NULL; u++)
		if (add_tracker(a, *u, 0) != OK)
			return ERR_NOMEM;
	for (uint32_t i = 0; i < m->n_trackers; i++)
		if (is_http(m->trackers[i].url) &&
		    add_tracker(a, m->trackers[i].url, m->trackers[i].tier + 1) != OK)
			return ERR_NOMEM;
	shuffle_tiers(a);
	return OK;
}

/* The one that answered goes to the front of its tier. */
static void promote(struct announcer *a, uint32_t i)
{
	while (i > 0 && a->trackers[i - 1].tier == a->trackers[i].tier) {
		struct tracker_url swap = a->trackers[i - 1];

		a->trackers[i - 1] = a->trackers[i];
		a->trackers[i] = swap;
		i--;
	}
}

/* ---- one request --------------------------------------------------------- */

static struct ask *free_ask(struct announcer *a)
{
	for (size_t i = 0; i < ASKS_MAX; i++)
		if (a->asks[i].call == NULL)
			return &a->asks[i];
	return NULL;
}

static void on_answer(void *user, const struct http_answer *answer);

static bool send_ask(struct announcer *a, uint32_t tracker, uint32_t hash,
		     enum announce_event event)
{
	struct tracker_url *t = &a->trackers[tracker];
	struct announce ann = {
	    .port = a->p.port,
	    .event = event,
	    .numwant = event == EVENT_STOPPED ? 0 : ANNOUNCE_PEERS_MAX,
	    .compact = true,
	};
	struct ask *ask = free_ask(a);
	struct buf url;
	struct http_ask http = {.method = "GET", .max_bytes = ANNOUNCER_REPLY_BYTES_MAX};

	if (ask == NULL)
		return false;
	memcpy(ann.info_hash, a->hash[hash], SHA1_LEN);
	memcpy(ann.peer_id, a->p.peer_id, sizeof(ann.peer_id));
	if (t->id != NULL)
		memcpy(ann.tracker_id, t->id, strlen(t->id) + 1);
	a->p.counts(a->p.user, &ann.uploaded, &ann.downloaded, &ann.left);
	buf_init(&url, 64u << 10);
	(void)http_announce_encode(t->url, &ann, &url);
	http.url = buf_cstr(&url);
	http.done = on_answer;
	http.user = ask;
	if (event == EVENT_STOPPED)
		http.total_ms = 2000;
	*ask = (struct ask){.a = a, .tracker = tracker, .event = event};
	if (http.url != NULL)
		ask->call = http_client_send(a->p.http, &http);
	buf_fini(&url);
	if (ask->call == NULL)
		return false;
	a->n_asks++;
	return true;
}

static void fail(struct announcer *a, const char *url, const char *reason)
{
	char safe_url[200], safe[ANNOUNCE_TEXT_MAX * 2];

	a->status.failed++;
	err_set(&a->status.error, ERR_UNREACHABLE, "tracker %s: %s",
		text_escape(safe_url, sizeof(safe_url), bytes_str(url)),
		text_escape(safe, sizeof(safe), bytes_str(reason)));
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

	a->status.peers = r->n_peers;
	if (list == NULL)
		return; /* the next round brings them again */
	for (uint32_t i = 0; i < r->n_peers; i++)
		list[i] = r->peers[i].addr;
	a->p.found(a->p.user, list, r->n_peers);
	free(list);
}

static void keep_id(struct tracker_url *t, const char *id)
{
	char *copy = id[0] == '\0' ? NULL : strdup(id);

	if (copy == NULL)
		return;
	free(t->id);
	t->id = copy;
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

static bool take_reply(struct announcer *a, struct tracker_url *t, const struct http_answer *answer)
{
	struct announce_reply r;
	struct announce_peer *peers;
	bool good = false;

	if (answer->err.code != OK) {
		fail(a, t->url, answer->err.text);
		return false;
	}
	peers = calloc(ANNOUNCE_PEERS_TAKEN, sizeof(*peers));
	if (peers == NULL ||
	    http_announce_reply_decode(answer->body, &r, peers, ANNOUNCE_PEERS_TAKEN) != OK) {
		fail(a, t->url,
		     answer->status == 200 ? "answers what no tracker would" : "HTTP error");
	} else if (r.failed) {
		fail(a, t->url, r.failure);
		rest(a, t, r.retry_s);
	} else {
		good = true;
		a->status.ok++;
		a->status.error.code = OK;
		if (r.interval_s > a->interval_s)
			a->interval_s = r.interval_s;
		a->min_interval_ms =
		    r.min_interval_s > 0 ? (uint64_t)r.min_interval_s * 1000 : 5000;
		keep_id(t, r.tracker_id);
		t->heard = true;
		give_peers(a, &r);
	}
	free(peers);
	return good;
}

static void finish_stop(struct announcer *a)
{
	void (*stopped)(void *) = a->stopped;

	if (a->n_asks > 0 || stopped == NULL)
		return;
	a->stopped = NULL;
	stopped(a->stopped_user);
}

/* All requests of a round are answered: on to the next tracker, or rest. */
static void end_round(struct announcer *a)
{
	if (a->round_ok) {
		a->retry_ms = ANNOUNCER_RETRY_FIRST_MS;
		a->event = a->completed_later ? EVENT_COMPLETED : EVENT_NONE;
		promote(a, a->current);
		a->current = 0;
		if (a->completed_later) {
			a->completed_later = false;
			start_round(a);
			return;
		}
		loop_timer_set(a->timer, next_ms(a, a->interval_s));
		return;
	}
	if (a->current + 1 < a->n_trackers) {
		a->current++;
		start_round(a);
		return;
	}
	a->current = 0;
	loop_timer_set(a->timer, retry_delay_ms(a));
}

static void on_answer(void *user, const struct http_answer *answer)
{
	struct ask *ask = user;
	struct announcer *a = ask->a;

	ask->call = NULL;
	a->n_asks--;
	if (a->stopping) {
		finish_stop(a);
		return;
	}
	if (take_reply(a, &a->trackers[ask->tracker], answer))
		a->round_ok = true;
	if (a->n_asks == 0)
		end_round(a);
}

static void start_round(struct announcer *a)
{
	if (a->n_trackers == 0 || a->n_asks > 0 || a->stopping)
		return;
	a->round_ok = false;
	a->interval_s = 0;
	a->asked_ms = loop_now_ms(a->p.loop);
	loop_timer_clear(a->timer);
	for (uint32_t i = 0;
	     i < a->n_hashes && a->trackers[a->current].rest_until_ms <= a->asked_ms; i++)
		(void)send_ask(a, a->current, i, a->event);
	if (a->n_asks == 0)
		end_round(a);
}

static void on_timer(void *arg)
{
	start_round(arg);
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
	a->retry_ms = ANNOUNCER_RETRY_FIRST_MS;
	rng_seed(&a->rng, p->seed);
	load_hashes(a);
	a->timer = loop_timer_new(p->loop, on_timer, a);
	if (a->timer == NULL || load_trackers(a) != OK) {
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
	for (size_t i = 0; i < ASKS_MAX; i++)
		if (a->asks[i].call != NULL)
			http_call_cancel(a->asks[i].call);
	for (uint32_t i = 0; i < a->n_trackers; i++) {
		free(a->trackers[i].url);
		free(a->trackers[i].id);
	}
	if (a->timer != NULL)
		loop_timer_free(a->timer);
	free(a->trackers);
	free(a);
}

void announcer_start(struct announcer *a)
{
	a->event = EVENT_STARTED;
	start_round(a);
}

void announcer_completed(struct announcer *a)
{
	if (a->n_asks > 0 || a->event == EVENT_STARTED) {
		a->completed_later = true;
		return;
	}
	a->event = EVENT_COMPLETED;
	start_round(a);
}

void announcer_more(struct announcer *a)
{
	uint64_t now = loop_now_ms(a->p.loop), due = a->asked_ms + a->min_interval_ms;

	if (a->n_asks > 0 || a->stopping || a->status.ok == 0)
		return;
	if (now >= due)
		start_round(a);
}

void announcer_stop(struct announcer *a, void (*done)(void *user), void *user)
{
	a->stopping = true;
	a->stopped = done;
	a->stopped_user = user;
	loop_timer_clear(a->timer);
	for (size_t i = 0; i < ASKS_MAX; i++) {
		if (a->asks[i].call == NULL)
			continue;
		http_call_cancel(a->asks[i].call);
		a->asks[i].call = NULL;
		a->n_asks--;
		a->trackers[a->asks[i].tracker].heard = true; /* it may have got it */
	}
	for (uint32_t i = 0; i < a->n_trackers; i++)
		for (uint32_t h = 0; a->trackers[i].heard && h < a->n_hashes; h++)
			(void)send_ask(a, i, h, EVENT_STOPPED);
	finish_stop(a);
}

void announcer_status(const struct announcer *a, struct announcer_status *out)
{
	*out = a->status;
}
