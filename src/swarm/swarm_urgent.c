/* Pieces that are needed soon, by somebody who reads or watches what comes.
 *
 * The picker gives them out before all others. Two things are left to do here. Slow peers do not
 * get them where a fast one has them: a peer at a tenth of the others' pace would hold a block ten
 * times as long, and so may one of which nothing is known. And when a peer will still take long
 * over a block that another one, at the end of its own queue, would bring in less than half the
 * time, the other is asked as well. */
#include "swarm/swarm_parts.h"

/* Slow: less than this part of what the fastest one brings. */
#define SLOW_PART 4u
/* Of the first urgent pieces (PICKER_SOON) so many blocks at one time are asked twice, where that
 * helps: waste is bounded by what one reader needs next. */
#define HURRY_BLOCKS 64u
/* Helpers that are looked at for each piece: of those that have it. */
#define HURRY_HELPERS 4u

/* ---- who is fast ----------------------------------------------------------- */

static bool gives(const struct peer *p)
{
	return p->am_interested && !p->am_choked && !p->snubbed;
}

static bool a_fast_one_has(const struct swarm *s, uint32_t piece)
{
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;) {
		if (gives(p) && p->asker.tried && !p->asker.slow && peer_has(p, piece))
			return true;
	}
	return false;
}

/* Who has given nothing yet is tried, with what is not needed at once: a slow one would keep the
 * few blocks that it is asked for at first for seconds. */
static void weigh_peers(struct turn *t)
{
	struct swarm *s = t->s;
	uint64_t best = 0;
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;) {
		if (gives(p) && rate_bps(&p->down, t->now_ms) > best)
			best = rate_bps(&p->down, t->now_ms);
	}
	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;)
		p->asker.slow = p->snubbed || (p->asker.tried &&
					       rate_bps(&p->down, t->now_ms) < best / SLOW_PART);
	for (uint32_t i = 0; i < s->picker.n_urgent; i++)
		s->picker.urgent[i].fast_only = a_fast_one_has(s, s->picker.urgent[i].piece);
}

/* ---- asking twice ------------------------------------------------------------ */

struct helpers {
	struct peer *list[HURRY_HELPERS];
	uint32_t n;
};

static uint64_t eta_of(const struct turn *t, const struct peer *p)
{
	return peer_eta_ms(p, p->n_live, t->now_ms);
}

/* The ones who would bring a block of the piece soonest, the best first. */
static void find_helpers(struct turn *t, struct helpers *h, uint32_t piece)
{
	struct peer *p;

	h->n = 0;
	for (uint32_t i = 0; (p = swarm_next_peer(t->s, &i)) != NULL;) {
		uint32_t at = h->n;

		if (!gives(p) || p->n_live >= SWARM_REQUESTS_MAX || !peer_has(p, piece))
			continue;
		while (at > 0 && eta_of(t, p) < eta_of(t, h->list[at - 1]))
			at--;
		if (at == HURRY_HELPERS)
			continue;
		if (h->n < HURRY_HELPERS)
			h->n++;
		memmove(&h->list[at + 1], &h->list[at], (h->n - 1 - at) * sizeof(h->list[0]));
		h->list[at] = p;
	}
}

static uint32_t count_soon(const struct swarm *s)
{
	return s->picker.n_urgent < PICKER_SOON ? s->picker.n_urgent : PICKER_SOON;
}

/* The piece's place among the first urgent ones; count_soon(): it has none. */
static uint32_t find_soon(const struct swarm *s, uint32_t piece)
{
	uint32_t i = 0;

	while (i < count_soon(s) && s->picker.urgent[i].piece != piece)
		i++;
	return i;
}

/* Ask somebody else for it, too; false when nobody would be much sooner. */
static bool ask_helper(struct turn *t, const struct helpers *h, const struct peer *slow,
		       const struct request *q, uint64_t eta_ms)
{
	for (uint32_t i = 0; i < h->n; i++) {
		struct peer *p = h->list[i];

		if (!swarm_is_worthwhile(eta_ms, eta_of(t, p)))
			return false;
		if (p == slow || !swarm_may_help(t, p, slow, q) ||
		    !picker_ask_again(&t->s->picker, q->piece, q->begin / BLOCK_BYTES))
			continue;
		return swarm_ask(t, p, q->piece, q->begin / BLOCK_BYTES);
	}
	return false;
}

/* `h`: of each of the first urgent pieces. */
static uint32_t relieve(struct turn *t, const struct helpers *h, struct peer *slow, uint32_t most)
{
	const struct request *q = NULL;
	uint32_t ahead = 0, asked = 0;

	while (asked < most && (q = requests_next(&slow->asks, q)) != NULL) {
		uint32_t soon;

		if (q->state != REQUEST_LIVE)
			continue;
		soon = find_soon(t->s, q->piece);
		if (soon < count_soon(t->s))
			asked +=
			    ask_helper(t, &h[soon], slow, q, peer_eta_ms(slow, ahead, t->now_ms));
		ahead++;
	}
	return asked;
}

void swarm_hurry(struct turn *t)
{
	uint32_t left = HURRY_BLOCKS;
	struct helpers h[PICKER_SOON];
	struct peer *p;

	if (t->s->picker.n_urgent == 0 || t->s->paused)
		return;
	weigh_peers(t);
	for (uint32_t i = 0; i < count_soon(t->s); i++)
		find_helpers(t, &h[i], t->s->picker.urgent[i].piece);
	for (uint32_t i = 0; left > 0 && (p = swarm_next_peer(t->s, &i)) != NULL;)
		left -= p->n_live > 0 ? relieve(t, h, p, left) : 0;
}

/* ---- what is urgent ------------------------------------------------------------ */

static bool is_listed(const uint32_t *list, uint32_t n, uint32_t piece)
{
	while (n > 0 && list[n - 1] != piece)
		n--;
	return n > 0;
}

void swarm_set_urgent(struct swarm *s, const struct piece_run *runs, uint32_t n, uint64_t now_ms,
		      struct effects *fx)
{
	struct turn t = {s, now_ms, fx};
	uint32_t list[SWARM_URGENT_MAX], len = 0;

	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t k = 0; k < runs[i].count && len < SWARM_URGENT_MAX; k++) {
			uint32_t piece = runs[i].first + k;

			if (piece >= s->meta->n_pieces)
				break;
			if (picker_lacks(&s->picker, piece) && !is_listed(list, len, piece))
				list[len++] = piece;
		}
	}
	if (picker_set_urgent(&s->picker, list, len) < 0) {
		fx->failed = true;
		return;
	}
	swarm_urge_sources(&t);
	swarm_hurry(&t);
	s->returned = len > 0;
	swarm_settle(&t);
}
