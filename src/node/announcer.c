#include "node/announcer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/announcer_impl.h"

static void start_round(struct announcer *a);

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

static uint64_t retry_delay_ms(struct announcer *a)
{
	uint32_t ms = a->retry_ms;

	a->retry_ms = ms * 2 > ANNOUNCER_RETRY_LAST_MS ? ANNOUNCER_RETRY_LAST_MS : ms * 2;
	return ms - ms / 8 + rng_below(&a->rng, ms / 4);
}

/* None of them is good for anything now. */
static void rest_all(struct announcer *a)
{
	rest_for(a, retry_delay_ms(a));
}

/* Does it tell others of a port at which we are not reached any more? */
static bool is_outdated(const struct announcer *a, const struct tracker_url *t)
{
	return t->port != 0 && t->port != announcer_port_for(a, t);
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

/* As far as it may be asked now. */
static void ask_current(struct announcer *a)
{
	const struct tracker_url *t = &a->tiers.list[a->current];
	struct ask first = {.tracker = a->current, .family = announcer_first_family(a, t)};

	if (announce_site_is_down(t->site, a->asked_ms)) {
		announcer_fail(a, t->site->url, t->site->reason);
		return;
	}
	/* Another torrent waits for it already. */
	if (has_next(a) && announce_site_is_slow(t->site))
		return;
	for (first.hash = 0; first.hash < a->n_hashes; first.hash++)
		if (t->rest_until_ms[first.hash] <= a->asked_ms)
			(void)announcer_send_ask(a, &first, a->event);
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
		announcer_cancel_ask(ask);
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

void announcer_on_answer(void *user, const struct announce_answer *answer)
{
	struct ask ask = *(struct ask *)user;
	struct announcer *a = ask.a;
	bool good = false;

	announcer_ask_is_over(user);
	if (a->stopping) {
		finish_stop(a);
		return;
	}
	if (ask.is == ASK_BESIDE)
		announcer_take_beside(a, &ask, answer);
	else
		good = announcer_take_first(a, &ask, answer);
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
			(void)announcer_send_ask(a, &ask, EVENT_STOPPED);
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
	announcer_cancel_asks(a);
	end_turn(a);
	tiers_fini(&a->tiers, a->p.gate);
	err_drop(&a->error);
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
	announcer_cancel_asks(a);
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
	announcer_cancel_asks(a);
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
