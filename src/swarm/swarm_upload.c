/* What others ask of us, and who may. */
#include <stdlib.h>

#include "swarm/swarm_parts.h"

static bool is_in_piece(const struct swarm *s, const struct wire_msg *m)
{
	uint32_t bytes;

	if (m->index >= s->meta->n_pieces || m->length == 0 || m->length > WIRE_BLOCK_MAX)
		return false;
	bytes = meta_request_bytes(s->meta, m->index);
	return m->begin < bytes && m->length <= bytes - m->begin;
}

static void say_reject(struct turn *t, struct peer *p, uint32_t piece, uint32_t begin,
		       uint32_t length)
{
	swarm_send(t, p,
		   &(struct wire_msg){
		       .type = WIRE_REJECT, .index = piece, .begin = begin, .length = length});
}

/* A request that cannot be served. With the fast extension it is rejected, up to a point. */
static void bad_request(struct turn *t, struct peer *p, const struct wire_msg *m,
			const char *reason)
{
	if (!p->fast || p->bad_requests++ >= PEER_BAD_REQUESTS_MAX)
		swarm_breach(t, p, reason);
	else
		say_reject(t, p, m->index, m->begin, m->length);
}

/* Of a piece that we have. */
static void queue_request(struct turn *t, struct peer *p, const struct wire_msg *m)
{
	if (requests_find(&p->queue, m->index, m->begin) != NULL)
		return;
	if (p->queue.n >= SWARM_UPLOAD_QUEUE_MAX ||
	    requests_add(&p->queue, m->index, m->begin, m->length, t->now_ms) == NULL) {
		bad_request(t, p, m, "asks for more than it takes");
		return;
	}
	swarm_note_asked(t, p, m->index);
	if (p->queue.n == 1)
		effects_add(t->fx, EFFECT_UPLOAD, p->ref);
}

void swarm_on_request(struct turn *t, struct peer *p, const struct wire_msg *m)
{
	if (!is_in_piece(t->s, m)) {
		bad_request(t, p, m, "asked for what is not in the torrent");
	} else if (p->is_choked) {
		/* It may not have heard yet; BEP 6 wants each request answered. */
		if (p->fast)
			say_reject(t, p, m->index, m->begin, m->length);
	} else if (!bitfield_has(&t->s->picker.have, m->index)) {
		/* Without the fast extension it may not have heard yet that it is gone. */
		if (p->fast || p->donthave_id == 0)
			bad_request(t, p, m, "asked for a piece that we do not have");
	} else {
		queue_request(t, p, m);
	}
}

void swarm_on_cancel(struct turn *t, struct peer *p, const struct wire_msg *m)
{
	struct request *q = requests_find(&p->queue, m->index, m->begin);

	if (q == NULL || q->length != m->length)
		return;
	requests_remove(&p->queue, q);
	if (p->fast)
		say_reject(t, p, m->index, m->begin, m->length);
}

bool swarm_next_upload(struct swarm *s, struct peer_ref ref, struct block_ref *out)
{
	struct peer *p = swarm_find(s, ref);
	struct request *q;

	if (p == NULL || p->is_choked || (q = requests_next(&p->queue, NULL)) == NULL)
		return false;
	*out = (struct block_ref){q->piece, q->begin, q->length};
	p->given_bytes += q->length;
	requests_remove(&p->queue, q);
	return true;
}

void swarm_on_sent(struct swarm *s, struct peer_ref ref, uint32_t bytes, uint64_t now_ms)
{
	struct peer *p = swarm_find(s, ref);

	if (p == NULL)
		return;
	rate_add(&p->up, bytes, now_ms);
	rate_add(&s->up, bytes, now_ms);
	p->up_bytes += bytes;
	p->took_ms = now_ms;
	p->idle_turns = 0;
	s->up_bytes += bytes;
	p->spoke_ms = now_ms;
	/* It takes what it asked for. */
	p->bad_requests = 0;
}

/* Told first: why the requests are rejected is known then. */
void swarm_withdraw_piece(struct turn *t, struct peer *p, uint32_t piece, struct bytes body)
{
	struct request *q = requests_next(&p->queue, NULL);

	if (p->donthave_id != 0 && body.len > 0)
		swarm_send(t, p,
			   &(struct wire_msg){
			       .type = WIRE_EXTENDED, .ext_id = p->donthave_id, .body = body});
	while (q != NULL) {
		struct request *next = requests_next(&p->queue, q);

		if (q->piece == piece) {
			if (p->fast)
				say_reject(t, p, q->piece, q->begin, q->length);
			requests_remove(&p->queue, q);
		}
		q = next;
	}
}

/* ---- choking ------------------------------------------------------------- */

void swarm_count_place(struct swarm *s, const struct peer *p, bool in)
{
	uint32_t *n = p->is_choked ? &s->n_waiting : &s->n_taken;

	if (p->is_interested)
		*n += in ? 1u : UINT32_MAX;
}

static void set_choked(struct turn *t, struct peer *p, bool choked)
{
	swarm_count_place(t->s, p, false);
	p->is_choked = choked;
	p->choke_ms = t->now_ms;
	swarm_count_place(t->s, p, true);
}

static void choke(struct turn *t, struct peer *p)
{
	struct request *q = NULL;

	if (!p->invited && p->up_bytes == p->turn_bytes && p->idle_turns < CHOKER_IDLE_TURNS_MAX)
		p->idle_turns++;
	p->invited = false;
	set_choked(t, p, true);
	swarm_take_back(t->s, p);
	swarm_say(t, p, WIRE_CHOKE);
	while (p->fast && (q = requests_next(&p->queue, q)) != NULL)
		say_reject(t, p, q->piece, q->begin, q->length);
	requests_clear(&p->queue);
}

static void unchoke(struct turn *t, struct peer *p)
{
	set_choked(t, p, false);
	p->turn_bytes = p->up_bytes;
	/* Before: it asks at once. */
	swarm_suggest(t, p);
	swarm_say(t, p, WIRE_UNCHOKE);
}

static uint32_t behind_milli(const struct swarm *s, const struct peer *p)
{
	uint32_t ours = s->picker.have.count, theirs = peer_have_count(p, s->meta->n_pieces);

	return ours > theirs ? (uint32_t)((uint64_t)(ours - theirs) * 1000 / s->meta->n_pieces) : 0;
}

/* What it takes: nothing, when it might have all the time since the last round and did not ask. */
static uint64_t takes_bps(const struct turn *t, const struct peer *p)
{
	bool idle = !p->is_choked && p->queue.n == 0 && p->given_bytes <= p->up_bytes;

	if (idle && t->now_ms - p->took_ms >= CHOKER_ROUND_MS &&
	    t->now_ms - p->choke_ms >= CHOKER_ROUND_MS)
		return 0;
	return rate_bps(&p->up, t->now_ms);
}

/* Those who are interested. NULL without memory. */
static struct choker_peer *list_interested(const struct turn *t, uint32_t *n)
{
	struct choker_peer *list = malloc((t->s->n_peers + 1) * sizeof(*list));
	struct peer *p;

	*n = 0;
	if (list == NULL)
		return NULL;
	for (uint32_t i = 0; (p = swarm_next_peer(t->s, &i)) != NULL;) {
		if (!p->is_interested)
			continue;
		list[(*n)++] = (struct choker_peer){.slot = p->ref.slot,
						    .give_bps = rate_bps(&p->down, t->now_ms),
						    .take_bps = takes_bps(t, p),
						    .passes_milli = swarm_passes_milli(p),
						    .behind_milli = behind_milli(t->s, p),
						    .since_ms = p->choke_ms,
						    .stalled = p->stalled,
						    .idle_turns = p->idle_turns,
						    .unchoked = !p->is_choked};
	}
	return list;
}

/* Those who take nothing make room for those who wait and may. */
static void choke_stalled(struct turn *t)
{
	struct swarm *s = t->s;
	uint32_t waiting = 0;
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;)
		waiting += p->is_interested && p->is_choked && !p->stalled;
	for (uint32_t i = 0; waiting > 0 && s->n_taken >= s->choker.slots &&
			     (p = swarm_next_peer(s, &i)) != NULL;) {
		if (!p->is_interested || p->is_choked || !p->stalled)
			continue;
		choke(t, p);
		waiting--;
	}
}

static bool are_places_taken(const struct swarm *s)
{
	return s->n_taken >= s->choker.slots + s->n_extra;
}

/* All places are taken while somebody waits. A number that the user chose is kept; and who shares
 * what it has not got all of yet gives places by what it is given: its peers may have nothing to
 * ask for at the moment. */
static void watch_takers(struct turn *t)
{
	struct swarm *s = t->s;

	if (s->n_waiting > 0 && s->takers_at_ms == UINT64_MAX && !s->choker.fixed &&
	    swarm_complete(s))
		s->takers_at_ms = t->now_ms + CHOKER_SILENT_MS;
}

void swarm_fill_places(struct turn *t)
{
	struct swarm *s = t->s;
	struct choker_peer *list;
	uint32_t n, i;

	s->places = false;
	if (s->no_upload || s->n_waiting == 0)
		return;
	if (s->n_stalled > 0)
		choke_stalled(t);
	if (are_places_taken(s)) {
		watch_takers(t);
		return;
	}
	list = list_interested(t, &n);
	while (list != NULL && !are_places_taken(s)) {
		i = choker_next(list, n, swarm_complete(s), &s->rng);
		if (i == n)
			break;
		unchoke(t, s->slots[list[i].slot].peer);
		list[i].unchoked = true;
	}
	free(list);
	if (are_places_taken(s))
		watch_takers(t);
}

/* Those who were offered a place lately and have not taken it. */
static uint32_t count_invited(const struct turn *t)
{
	uint32_t n = 0;
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(t->s, &i)) != NULL;)
		n += p->invited && t->now_ms - p->choke_ms < CHOKER_INVITED_MS;
	return n;
}

void swarm_invite(struct turn *t, struct peer *p)
{
	struct swarm *s = t->s;

	if (!p->shoal || s->no_upload || s->n_waiting > 0 ||
	    s->n_taken + count_invited(t) >= s->choker.slots)
		return;
	p->invited = true;
	unchoke(t, p);
}

/* ---- places in vain -------------------------------------------------------- */

/* On a thin line all wait for one another. */
static uint64_t longest_silence_ms(const struct turn *t)
{
	uint64_t bps = rate_bps(&t->s->up, t->now_ms);
	uint64_t blocks = bps == 0 ? 0 : 2 * BLOCK_BYTES * 1000 / bps;

	if (blocks > CHOKER_ROUND_MS)
		blocks = CHOKER_ROUND_MS;
	return CHOKER_SILENT_MS + blocks;
}

/* Until then somebody who has a place may be expected to take something. */
static uint64_t hope_ends_ms(const struct turn *t)
{
	uint64_t silence = longest_silence_ms(t), last = 0;
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(t->s, &i)) != NULL;) {
		uint64_t since = p->took_ms > p->choke_ms ? p->took_ms : p->choke_ms;

		if (!p->is_interested || p->is_choked || p->stalled)
			continue;
		since += p->rtt_us / 1000 + silence;
		if (since > last)
			last = since;
	}
	return last;
}

/* Whoever takes nothing is known for it after seconds, longer than a loss takes to be mended. Where
 * all places are held by such (fifty that ask and never read), who comes would wait for several
 * rounds of them. So while nobody takes anything there are twice as many places, and then
 * twice as many again: the line is idle, so they cost nothing. The choker's next round takes away
 * what is too much. */
void swarm_judge_takers(struct turn *t)
{
	struct swarm *s = t->s;
	uint64_t until = hope_ends_ms(t);

	s->takers_at_ms = UINT64_MAX;
	if (s->no_upload || s->n_waiting == 0 || !are_places_taken(s))
		return;
	if (t->now_ms < until) {
		s->takers_at_ms = until;
		return;
	}
	if (s->n_extra < s->max_peers)
		s->n_extra += s->choker.slots + s->n_extra;
	s->places = true;
}

void swarm_on_taken(struct swarm *s, struct peer_ref ref, uint64_t at_ms)
{
	struct peer *p = swarm_find(s, ref);

	if (p != NULL && p->took_ms < at_ms)
		p->took_ms = at_ms;
}

bool swarm_minds_takers(const struct swarm *s, uint64_t now_ms)
{
	return now_ms >= s->takers_at_ms;
}

void swarm_on_stalled(struct swarm *s, struct peer_ref ref, bool stalled, uint64_t now_ms,
		      struct effects *fx)
{
	struct turn t = {s, now_ms, fx};
	struct peer *p = swarm_find(s, ref);

	if (p == NULL || p->stalled == stalled)
		return;
	p->stalled = stalled;
	s->n_stalled += stalled ? 1u : UINT32_MAX;
	s->places = true;
	swarm_settle(&t);
}

void swarm_on_interested(struct turn *t, struct peer *p, bool interested)
{
	if (p->is_interested == interested)
		return;
	/* The place it was invited to is another one's by now. */
	if (p->invited && are_places_taken(t->s))
		choke(t, p);
	p->invited = false;
	swarm_count_place(t->s, p, false);
	p->is_interested = interested;
	swarm_count_place(t->s, p, true);
	if (interested && t->s->choke_at_ms == UINT64_MAX)
		t->s->choke_at_ms = t->now_ms + CHOKER_ROUND_MS;
	if (interested) {
		/* Waiting counts from now on. */
		if (p->is_choked)
			p->choke_ms = t->now_ms;
		t->s->places = true;
		return;
	}
	if (!p->am_interested)
		p->idle_ms = t->now_ms;
	if (t->s->n_waiting > 0 && !p->is_choked)
		choke(t, p);
	t->s->places = true;
}

void swarm_choke_round(struct turn *t)
{
	struct swarm *s = t->s;
	struct choker_peer *list;
	uint32_t n;

	s->choke_at_ms = UINT64_MAX;
	s->n_extra = 0;
	swarm_review_given(s);
	if (s->no_upload)
		return;
	list = list_interested(t, &n);
	if (list == NULL || n > 0)
		s->choke_at_ms = t->now_ms + CHOKER_ROUND_MS;
	if (list == NULL)
		return;
	choker_round(&s->choker, list, n, swarm_complete(s), t->now_ms, &s->rng);
	for (uint32_t i = 0; i < n; i++) {
		if (!list[i].unchoke && list[i].unchoked)
			choke(t, s->slots[list[i].slot].peer);
	}
	for (uint32_t i = 0; i < n; i++) {
		if (list[i].unchoke && !list[i].unchoked)
			unchoke(t, s->slots[list[i].slot].peer);
	}
	free(list);
	if (are_places_taken(s))
		watch_takers(t);
}

void swarm_set_upload(struct swarm *s, bool on, uint64_t now_ms, struct effects *fx)
{
	struct turn t = {s, now_ms, fx};
	struct peer *p;

	s->no_upload = !on;
	for (uint32_t i = 0; !on && (p = swarm_next_peer(s, &i)) != NULL;) {
		if (!p->is_choked)
			choke(&t, p);
	}
	if (on && s->n_waiting > 0)
		s->choke_at_ms = now_ms + CHOKER_ROUND_MS;
	s->places = on;
	swarm_settle(&t);
}
