/* The order of rarity, and who has what. */
#include <stdlib.h>

#include "swarm/picker_impl.h"

#define BUCKETS_FIRST 8u

/* ---- the order ----------------------------------------------------------- */

static void order_swap(struct picker *p, uint32_t i, uint32_t j)
{
	uint32_t a = p->order[i], b = p->order[j];

	p->order[i] = b;
	p->place[b] = i;
	p->order[j] = a;
	p->place[a] = j;
}

/* Without this, pieces would stand in the order in which HAVEs came, which is the same at
 * every peer, and all would fetch the same one next. */
static void order_shuffle_in(struct picker *p, uint32_t at, uint32_t bucket)
{
	uint32_t n = p->start[bucket + 1] - p->start[bucket];

	if (n > 1)
		order_swap(p, at, p->start[bucket] + rng_below(p->rng, n));
}

void picker_order_take(struct picker *p, uint32_t piece)
{
	uint32_t at = p->place[piece];

	for (uint32_t b = picker_bucket(p, piece); b < p->n_ranks * p->n_buckets; b++) {
		uint32_t last = --p->start[b + 1];

		order_swap(p, at, last);
		at = last;
	}
	p->n_order--;
}

void picker_order_put(struct picker *p, uint32_t piece)
{
	uint32_t at = p->n_order++, bucket = picker_bucket(p, piece), rank = picker_rank(p, piece);

	p->order[at] = piece;
	p->place[piece] = at;
	if (piece < p->lowest[rank])
		p->lowest[rank] = piece;
	p->start[p->n_ranks * p->n_buckets] = p->n_order;
	for (uint32_t b = p->n_ranks * p->n_buckets - 1; b > bucket; b--) {
		uint32_t first = p->start[b]++;

		order_swap(p, at, first);
		at = first;
	}
	order_shuffle_in(p, at, bucket);
}

static bool is_begun(const struct picker *p, uint32_t piece)
{
	return p->place[piece] != PICKER_NONE && (p->place[piece] & PICKER_OPEN) != 0;
}

/* `avail` is whatever it is. */
void picker_order_build(struct picker *p)
{
	uint32_t buckets = p->n_ranks * p->n_buckets;

	p->n_order = 0;
	memset(p->lowest, 0, sizeof(p->lowest));
	for (uint32_t b = 0; b <= buckets; b++)
		p->start[b] = 0;
	for (uint32_t i = 0; i < p->have.n; i++) {
		if (is_begun(p, i))
			continue;
		p->place[i] = PICKER_NONE;
		if (picker_lacks(p, i))
			p->start[picker_bucket(p, i) + 1]++;
	}
	for (uint32_t b = 0; b < buckets; b++)
		p->start[b + 1] += p->start[b];
	/* Fill each bucket from its front; the borders come right again afterwards. */
	for (uint32_t i = 0; i < p->have.n; i++) {
		if (is_begun(p, i) || !picker_lacks(p, i))
			continue;
		p->order[p->start[picker_bucket(p, i)]++] = i;
		p->n_order++;
	}
	for (uint32_t b = buckets; b > 0; b--)
		p->start[b] = p->start[b - 1];
	p->start[0] = 0;
	for (uint32_t b = 0; b < buckets; b++) {
		for (uint32_t i = p->start[b + 1]; i > p->start[b] + 1; i--) {
			uint32_t j = p->start[b] + rng_below(p->rng, i - p->start[b]);
			uint32_t t = p->order[i - 1];

			p->order[i - 1] = p->order[j];
			p->order[j] = t;
		}
	}
	for (uint32_t i = 0; i < p->n_order; i++)
		p->place[p->order[i]] = i;
}

void picker_order_drop(struct picker *p)
{
	free(p->order);
	free(p->place);
	free(p->start);
	p->order = p->place = p->start = NULL;
	p->n_order = 0;
}

/* Made when there is something to order. */
static int order_make(struct picker *p)
{
	uint32_t n = p->have.n;

	p->order = malloc(n * sizeof(*p->order));
	p->place = malloc(n * sizeof(*p->place));
	p->start = malloc((p->n_ranks * p->n_buckets + 1) * sizeof(*p->start));
	if (p->order == NULL || p->place == NULL || p->start == NULL) {
		picker_order_drop(p);
		return ERR_NOMEM;
	}
	memset(p->place, 0xff, n * sizeof(*p->place)); /* PICKER_NONE */
	picker_order_build(p);
	return 0;
}

int picker_order_plan(struct picker *p, uint32_t ranks)
{
	uint32_t *start;

	if (p->start != NULL && ranks > p->n_ranks) {
		start = realloc(p->start, (ranks * p->n_buckets + 1) * sizeof(*start));
		if (start == NULL)
			return ERR_NOMEM;
		p->start = start;
	}
	p->n_ranks = ranks;
	return 0;
}

/* ---- life ---------------------------------------------------------------- */

int picker_init(struct picker *p, const struct metainfo *meta, struct rng *rng)
{
	uint32_t n = meta->n_pieces;

	*p = (struct picker){.meta = meta,
			     .rng = rng,
			     .n_buckets = BUCKETS_FIRST,
			     .n_ranks = 1,
			     .n_missing = n,
			     .window_end = UINT32_MAX,
			     .version = 1,
			     .version_fresh = 1};
	if (bitfield_init(&p->have, n) < 0)
		return ERR_NOMEM;
	p->avail = calloc(n == 0 ? 1 : n, sizeof(*p->avail));
	if (p->avail == NULL || (n > 0 && order_make(p) < 0)) {
		picker_fini(p);
		return ERR_NOMEM;
	}
	return 0;
}

void picker_fini(struct picker *p)
{
	for (uint32_t i = 0; i < p->n_open; i++) {
		free(p->open[i]->senders);
		free(p->open[i]);
	}
	free(p->open);
	picker_order_drop(p);
	free(p->avail);
	free(p->near);
	free(p->plan);
	free(p->urgent);
	bitfield_fini(&p->have);
	bitfield_fini(&p->held);
	*p = (struct picker){0};
}

int picker_set_have(struct picker *p, const struct bitfield *have)
{
	assert(have->n == p->have.n && p->n_open == 0);
	if (have->n == 0)
		return 0;
	memcpy(p->have.bits, have->bits, bitfield_bytes(have->n));
	p->have.count = have->count;
	picker_order_drop(p);
	picker_count_missing(p);
	return bitfield_full(&p->have) ? 0 : order_make(p);
}

/* Every piece `up` buckets higher, or lower. Those that none is in any more, or yet, are empty. */
static void order_shift(struct picker *p, int32_t up)
{
	uint32_t n = p->n_buckets;

	for (uint32_t r = 0; p->start != NULL && r < p->n_ranks; r++) {
		uint32_t *row = p->start + r * n, first = row[0], end = row[n];

		for (uint32_t k = 0; k < n; k++) {
			uint32_t b = up > 0 ? n - 1 - k : k;
			int64_t from = (int64_t)b - up;

			row[b] = from < 0 ? first : from < n ? row[from] : end;
		}
	}
	for (uint32_t i = 0; i < p->have.n; i++)
		p->avail[i] = (uint16_t)(p->avail[i] + up);
	p->low = (uint32_t)((int32_t)p->low + up);
}

/* So many peers fit above `low`, and one step down is free: in the middle, so that it lasts. */
static void order_centre(struct picker *p, uint32_t peers)
{
	uint32_t spare = p->n_buckets - peers - 2;

	if (p->low == 0 || p->low > spare)
		order_shift(p, (int32_t)((spare + 1) / 2) - (int32_t)p->low);
}

int picker_reserve(struct picker *p, uint32_t peers)
{
	uint32_t want = p->n_buckets;
	uint32_t *start;

	while (want < peers + 3)
		want *= 2;
	if (want == p->n_buckets) {
		order_centre(p, peers);
		return 0;
	}
	if (p->start != NULL) {
		start = realloc(p->start, (p->n_ranks * want + 1) * sizeof(*start));
		if (start == NULL)
			return ERR_NOMEM;
		for (uint32_t b = p->n_buckets + 1; p->n_ranks == 1 && b <= want; b++)
			start[b] = p->n_order;
		p->start = start;
	}
	p->n_buckets = want;
	/* With several rows of buckets all but the first stand elsewhere now. */
	if (p->start != NULL && p->n_ranks > 1)
		picker_order_build(p);
	order_centre(p, peers);
	return 0;
}

/* ---- who has what -------------------------------------------------------- */

void picker_add(struct picker *p, uint32_t piece)
{
	uint32_t bucket = picker_bucket(p, piece), last;

	assert(p->avail[piece] + 1u < p->n_buckets);
	p->avail[piece]++;
	if (!picker_is_fresh(p, piece))
		return;
	last = --p->start[bucket + 1];
	order_swap(p, p->place[piece], last);
	order_shuffle_in(p, last, bucket + 1);
}

void picker_remove(struct picker *p, uint32_t piece)
{
	uint32_t bucket = picker_bucket(p, piece), first;

	assert(p->avail[piece] > 0);
	p->avail[piece]--;
	if (!picker_is_fresh(p, piece))
		return;
	first = p->start[bucket]++;
	order_swap(p, p->place[piece], first);
	order_shuffle_in(p, first, bucket - 1);
}

static bool has_most(const struct bitfield *b)
{
	return b->count > b->n / 2;
}

void picker_add_bits(struct picker *p, const struct bitfield *has)
{
	if (has_most(has)) {
		assert(p->low > 0);
		p->low--;
		for (uint32_t i = bitfield_next_clear(has, 0); i < has->n;
		     i = bitfield_next_clear(has, i + 1))
			picker_remove(p, i);
		return;
	}
	for (uint32_t i = bitfield_next_set(has, 0); i < has->n; i = bitfield_next_set(has, i + 1))
		picker_add(p, i);
}

void picker_remove_bits(struct picker *p, const struct bitfield *has)
{
	if (has_most(has)) {
		for (uint32_t i = bitfield_next_clear(has, 0); i < has->n;
		     i = bitfield_next_clear(has, i + 1))
			picker_add(p, i);
		p->low++;
		return;
	}
	for (uint32_t i = bitfield_next_set(has, 0); i < has->n; i = bitfield_next_set(has, i + 1))
		picker_remove(p, i);
}

bool picker_near_make(struct picker *p)
{
	if (p->near == NULL)
		p->near = calloc(p->have.n + 1, sizeof(*p->near));
	return p->near != NULL;
}

static void near_count(struct picker *p, const struct bitfield *has, uint32_t by)
{
	if (has == NULL) {
		p->near_all += by;
		return;
	}
	for (uint32_t i = bitfield_next_set(has, 0); i < has->n; i = bitfield_next_set(has, i + 1))
		p->near[i] = (uint16_t)(p->near[i] + by);
}

void picker_near_add_bits(struct picker *p, const struct bitfield *has)
{
	near_count(p, has, 1);
}

void picker_near_remove_bits(struct picker *p, const struct bitfield *has)
{
	near_count(p, has, UINT32_MAX);
}

void picker_near_drop(struct picker *p)
{
	free(p->near);
	p->near = NULL;
	p->near_all = 0;
}

uint32_t picker_alone(const struct picker *p)
{
	uint32_t n = 0;

	for (uint32_t r = 0; p->start != NULL && r < p->n_ranks; r++)
		n += picker_first_copied(p, r) - p->start[r * p->n_buckets];
	return n;
}

static uint32_t rarest_fresh(const struct picker *p, uint32_t rank)
{
	const uint32_t *row = p->start + (size_t)rank * p->n_buckets;
	uint32_t b = p->low;

	if (picker_fresh_in(p, rank) == 0)
		return UINT32_MAX;
	while (row[b + 1] == row[b])
		b++;
	return b - p->low;
}

uint32_t picker_rarest(const struct picker *p, uint32_t *alone)
{
	uint32_t least = UINT32_MAX, copies;

	*alone = picker_alone(p);
	for (uint32_t r = 0; p->start != NULL && r < p->n_ranks; r++) {
		copies = rarest_fresh(p, r);
		least = copies < least ? copies : least;
	}
	for (uint32_t i = 0; i < p->n_open; i++) {
		if (!picker_is_wanted(p, p->open[i]->piece))
			continue;
		copies = picker_copies(p, p->open[i]->piece);
		least = copies < least ? copies : least;
		*alone += copies == 0;
	}
	return least;
}

static bool is_among(const struct bitfield *has, uint32_t piece)
{
	return has == NULL || bitfield_has(has, piece);
}

bool picker_lacks_any(const struct picker *p, const struct bitfield *has, uint32_t copies)
{
	for (uint32_t i = 0; i < p->n_open; i++) {
		uint32_t piece = p->open[i]->piece;

		if (picker_copies(p, piece) == copies && picker_is_wanted(p, piece) &&
		    is_among(has, piece))
			return true;
	}
	for (uint32_t r = 0; p->start != NULL && r < p->n_ranks; r++) {
		uint32_t b = r * p->n_buckets + p->low + copies;

		for (uint32_t i = p->start[b]; i < p->start[b + 1]; i++) {
			if (is_among(has, p->order[i]))
				return true;
		}
	}
	return false;
}

bool picker_all_begun(const struct picker *p)
{
	return p->n_order == 0 || (p->n_all == 0 && picker_alone(p) == p->n_order);
}

int picker_lose(struct picker *p, uint32_t piece)
{
	bool had = bitfield_unset(&p->have, piece);

	if (!had)
		return 0;
	if (p->place == NULL) {
		if (order_make(p) < 0) {
			bitfield_set(&p->have, piece);
			return ERR_NOMEM;
		}
	} else if (picker_is_wanted(p, piece)) {
		picker_order_put(p, piece);
	}
	p->n_missing += picker_is_wanted(p, piece);
	p->version++;
	p->version_fresh++;
	return 0;
}
