/* Near and far peers: what crosses a thin link crosses it once.
 *
 * Where some peers answer many times sooner than the others, they stand at one site with us, and
 * between the sites there may be a link that all share. Then
 *
 *   1. nothing is asked of a far peer that a near one has, as long as this one gives: it gave
 *      something of late, or lets us download and is not asked for anything. What one has that
 *      chokes us or is silent is no reason to wait (attack: a few that stand near us, claim
 *      everything and give nothing). When it is first seen that some are far, the near ones have
 *      that long to begin;
 *   2. of the near peers that lack something, only the one with the least peer id asks far ones at
 *      all, which all can tell without a word: what it fetches the others get from it. As each
 *      knows some of its site only there are a few; many would fetch the same pieces, each slowly;
 *   3. who gets nothing from near ones for a while asks far ones too, the one with the next id
 *      first: a bridge may be slow, or choked;
 *   4. who asks far ones asks a few at a time, and more only while that brings more: over a link
 *      that they share the pieces asked of many come late, all of them, and meanwhile others of the
 *      site have nothing to do and ask for the same.
 *
 * The connections to far peers stay, all of them: only the asking is left to few.
 * Two sites of 50 with a link of a quarter of their lines: 3.4 copies crossed without this and all
 * waited for 3.4 times the time that one copy takes to cross; with it 1.25. */
#include <stdlib.h>

#include "swarm/swarm_parts.h"

/* So many near peers make a site: with fewer there is nobody to leave it to. */
#define NEAR_MIN 4u
/* Far are those beyond a gap: the next round trip is so many times as long, and so much longer. */
#define NEAR_GAP 4u
#define NEAR_GAP_US 5000u
/* Peers of a site that ask far ones. */
#define NEAR_BRIDGES 1u
/* Without anything to do for so long, and so long again for each that goes before. */
#define NEAR_IDLE_MS 2000u
/* A near peer that gave nothing for so long, though there is something to ask it for, gives nothing
 * (rule 1). Long enough for the turns in which others unchoke. */
#define NEAR_GIVES_MS 10000u

/* Far ones that are asked at a time (rule 4). In the simulation (locality) 1.24 copies cross with 3
 * of them, 1.35 with 6, 1.5 with all. */
#define NEAR_FAR_FEW 3u
/* One that is asked has so long to begin: two turns in which it may unchoke. */
#define NEAR_BEGINS_MS 20000u
/* When what they give has settled twice as many are tried for so long, and stay if they bring half
 * as much again; else that is tried again after the pause. */
#define NEAR_MORE_MS 10000u
#define NEAR_MORE_PAUSE_MS 60000u

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* The longest round trip of a near peer; UINT32_MAX: there is no telling, or all are near. */
static uint32_t find_gap(const struct swarm *s)
{
	uint32_t *rtt = malloc((s->n_peers + 1) * sizeof(*rtt));
	uint32_t n = 0, gap = UINT32_MAX;
	struct peer *p;

	for (uint32_t i = 0; rtt != NULL && (p = swarm_next_peer(s, &i)) != NULL;) {
		if (p->rtt_us != 0)
			rtt[n++] = p->rtt_us;
	}
	if (n > NEAR_MIN)
		qsort(rtt, n, sizeof(*rtt), by_value);
	for (uint32_t i = NEAR_MIN; i < n && gap == UINT32_MAX; i++) {
		if (rtt[i] / NEAR_GAP > rtt[i - 1] && rtt[i] - rtt[i - 1] > NEAR_GAP_US)
			gap = rtt[i - 1];
	}
	free(rtt);
	return gap;
}

/* Near ones that need something and go before us. */
static uint32_t count_before(const struct swarm *s)
{
	struct peer *p;
	uint32_t n = 0;

	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;)
		n += !p->source && !p->far && !swarm_needs_nothing(p) &&
		     memcmp(p->peer_id, s->peer_id, sizeof(s->peer_id)) < 0;
	return n;
}

static bool gave_of_late(const struct turn *t, const struct peer *p)
{
	uint64_t since = p->down_bytes > 0 ? p->gave_ms : t->s->split_ms;

	return t->now_ms - since <= NEAR_GIVES_MS;
}

static bool is_busy(const struct turn *t)
{
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(t->s, &i)) != NULL;) {
		if (!p->source && !p->far && p->n_live > 0 && gave_of_late(t, p))
			return true;
	}
	return false;
}

static void decide_bridge(struct turn *t)
{
	struct swarm *s = t->s;
	uint32_t before = count_before(s);

	if (is_busy(t))
		s->busy_ms = t->now_ms;
	s->bridge = before < NEAR_BRIDGES ||
		    t->now_ms - s->busy_ms > (uint64_t)NEAR_IDLE_MS * (before - NEAR_BRIDGES + 1);
}

/* It is a near one that gives, so that no far one is asked for what it has. */
static bool gives_near(const struct turn *t, const struct peer *p)
{
	bool ready =
	    !p->am_choked && !p->snubbed && p->n_live == 0 && t->now_ms >= p->hold_until_ms;

	return t->s->split && !p->far && !p->source && (ready || gave_of_late(t, p));
}

/* What no near one gives any more, far ones may be asked for. */
static void look_again(const struct swarm *s)
{
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;) {
		if (p->far)
			p->asker.dry = p->asker.dry_fresh = 0;
	}
}

void swarm_near_lost(struct swarm *s, uint32_t piece)
{
	struct peer *p;

	s->picker.near[piece]--;
	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;) {
		if (p->far && peer_has(p, piece))
			picker_on_have(&s->picker, &p->asker, piece);
	}
}

void swarm_count_near(struct swarm *s, struct peer *p, bool in)
{
	const struct bitfield *has = p->has_all ? NULL : &p->has;

	if (p->is_near == in)
		return;
	p->is_near = in;
	if (!p->has_all && p->has.bits == NULL)
		return;
	if (in) {
		picker_near_add_bits(&s->picker, has);
	} else {
		picker_near_remove_bits(&s->picker, has);
		look_again(s);
	}
}

/* Who gives may be others than before. With those that stay nothing is counted anew: that would be
 * a walk over all pieces for each of them, four times a second. */
static void count_near(const struct turn *t)
{
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(t->s, &i)) != NULL;)
		swarm_count_near(t->s, p, gives_near(t, p));
}

static void forget_near(struct swarm *s)
{
	struct peer *p;

	picker_near_drop(&s->picker);
	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;)
		p->is_near = false;
}

/* ---- which of the far ones are asked ------------------------------------------- */

static void try_more(struct turn *t, uint32_t far)
{
	struct swarm *s = t->s;
	uint64_t bps = 0;
	struct peer *p;

	if (s->far_at_ms == 0) {
		s->far_at_ms = t->now_ms + 2 * NEAR_MORE_MS;
		s->far_most = NEAR_FAR_FEW;
		s->far_more = false;
	}
	if (t->now_ms < s->far_at_ms)
		return;
	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;)
		bps += p->far ? rate_bps(&p->down, t->now_ms) : 0;
	if (s->far_more && bps < s->far_bps + s->far_bps / 2) {
		s->far_most /= 2;
		s->far_more = false;
		s->far_at_ms = t->now_ms + NEAR_MORE_PAUSE_MS;
		return;
	}
	s->far_more = far > s->far_most;
	if (s->far_more)
		s->far_most *= 2;
	s->far_bps = bps;
	s->far_at_ms = t->now_ms + NEAR_MORE_MS;
}

static bool gives(const struct turn *t, const struct peer *p)
{
	return !p->am_choked && p->down_bytes > 0 && t->now_ms - p->gave_ms <= NEAR_GIVES_MS;
}

/* The far peer that was asked longest ago, of those that are not now; NULL. */
static struct peer *next_spare(const struct swarm *s)
{
	struct peer *p, *best = NULL;

	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;) {
		if (p->spare && p->wanted > 0 && (best == NULL || p->chosen_ms < best->chosen_ms))
			best = p;
	}
	return best;
}

/* Those that give stay; each of the others has a while to begin, for it may choke us. */
static void choose_far(struct turn *t)
{
	struct swarm *s = t->s;
	uint32_t n = 0;
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;) {
		bool begins = t->now_ms - p->chosen_ms <= NEAR_BEGINS_MS;

		if (!p->far || p->spare)
			continue;
		p->spare = n == s->far_most || (!begins && !gives(t, p));
		n += !p->spare;
	}
	for (; n < s->far_most && (p = next_spare(s)) != NULL; n++) {
		p->spare = false;
		p->chosen_ms = t->now_ms;
	}
}

void swarm_sort_near(struct turn *t)
{
	struct swarm *s = t->s;
	uint32_t gap = swarm_complete(s) ? UINT32_MAX : find_gap(s), far = 0;
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;) {
		bool was_far = p->far;

		p->far = p->asker.far = p->rtt_us > gap;
		p->spare &= p->far;
		/* What near ones have not may have changed; or it is not far any more. */
		if (p->far || was_far)
			p->asker.dry = p->asker.dry_fresh = 0;
		far += p->far;
	}
	s->split = far > 0 && picker_near_make(&s->picker);
	if (!s->split) {
		forget_near(s);
		s->bridge = true;
		s->far_at_ms = 0;
	} else {
		if (s->split_ms == 0)
			s->split_ms = t->now_ms;
		count_near(t);
		decide_bridge(t);
		if (s->bridge) {
			try_more(t, far);
			choose_far(t);
		} else {
			s->far_at_ms = 0;
		}
	}
	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;)
		swarm_update_interest(t, p);
}
