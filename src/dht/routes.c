#include "dht/routes.h"

#include <stdlib.h>

void routes_init(struct routes *t, const uint8_t self[NODE_ID_LEN])
{
	*t = (struct routes){.n = 0};
	memcpy(t->self, self, NODE_ID_LEN);
}

void routes_fini(struct routes *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		free(t->buckets[i]);
	free(t->buckets);
	*t = (struct routes){.n = 0};
}

static struct routes_bucket *bucket_of(const struct routes *t, const uint8_t id[NODE_ID_LEN])
{
	unsigned common = node_id_common(t->self, id);

	if (t->n == 0)
		return NULL;
	return t->buckets[common < t->n ? common : t->n - 1];
}

static bool add_bucket(struct routes *t, uint64_t now_ms)
{
	struct routes_bucket **grown;
	struct routes_bucket *b;

	if (t->n == NODE_ID_BITS)
		return false;
	grown = realloc(t->buckets, (t->n + 1) * sizeof(struct routes_bucket *));
	if (grown == NULL)
		return false;
	t->buckets = grown;
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return false;
	b->changed_ms = now_ms;
	t->buckets[t->n++] = b;
	return true;
}

/* ---- finding ------------------------------------------------------------- */

static struct routes_node *find_in(struct routes_node *list, uint32_t n, const struct contact *c)
{
	for (uint32_t i = 0; i < n; i++)
		if (addr_eq(&list[i].at.addr, &c->addr) &&
		    memcmp(list[i].at.id, c->id, NODE_ID_LEN) == 0)
			return &list[i];
	return NULL;
}

static bool has_id(const struct routes_node *list, uint32_t n, const uint8_t id[NODE_ID_LEN])
{
	for (uint32_t i = 0; i < n; i++)
		if (memcmp(list[i].at.id, id, NODE_ID_LEN) == 0)
			return true;
	return false;
}

static bool is_same_place(const struct addr *a, const struct addr *b)
{
	return node_id_is_local(a) ? addr_eq(a, b) : addr_same_subscriber(a, b);
}

static bool host_in(const struct routes_node *list, uint32_t n, const struct addr *a)
{
	for (uint32_t i = 0; i < n; i++)
		if (is_same_place(&list[i].at.addr, a))
			return true;
	return false;
}

static bool net_in(const struct routes_node *list, uint32_t n, const struct addr *a)
{
	for (uint32_t i = 0; i < n; i++)
		if (contact_same_net(&list[i].at.addr, a))
			return true;
	return false;
}

static bool is_barred(const struct routes *t, const struct routes_bucket *b,
		      const struct contact *c)
{
	for (uint32_t i = 0; i < t->n; i++) {
		const struct routes_bucket *o = t->buckets[i];

		if (host_in(o->live, o->n_live, &c->addr) ||
		    host_in(o->spare, o->n_spare, &c->addr))
			return true;
	}
	if (has_id(b->live, b->n_live, c->id) || has_id(b->spare, b->n_spare, c->id))
		return true;
	return !node_id_is_local(&c->addr) &&
	       (net_in(b->live, b->n_live, &c->addr) || net_in(b->spare, b->n_spare, &c->addr));
}

static bool is_bad(const struct routes_node *n)
{
	return n->fails >= ROUTES_FAILS_BAD;
}

static struct routes_node *find_bad(struct routes_bucket *b)
{
	for (uint32_t i = 0; i < b->n_live; i++)
		if (is_bad(&b->live[i]))
			return &b->live[i];
	return NULL;
}

/* ---- changing ------------------------------------------------------------ */

static void drop_spare(struct routes_bucket *b, uint32_t i)
{
	b->n_spare--;
	memmove(&b->spare[i], &b->spare[i + 1], (b->n_spare - i) * sizeof(b->spare[0]));
}

/* The newest spare is the likeliest to be there still. */
static bool promote(struct routes_bucket *b, struct routes_node *into)
{
	if (b->n_spare == 0)
		return false;
	*into = b->spare[--b->n_spare];
	return true;
}

/* Whoever is at this address is another node now. */
static void drop_address(struct routes *t, const struct contact *c)
{
	for (uint32_t k = 0; k < t->n; k++) {
		struct routes_bucket *b = t->buckets[k];

		for (uint32_t i = b->n_spare; i-- > 0;)
			if (addr_eq(&b->spare[i].at.addr, &c->addr) &&
			    memcmp(b->spare[i].at.id, c->id, NODE_ID_LEN) != 0)
				drop_spare(b, i);
		for (uint32_t i = b->n_live; i-- > 0;)
			if (addr_eq(&b->live[i].at.addr, &c->addr) &&
			    memcmp(b->live[i].at.id, c->id, NODE_ID_LEN) != 0 &&
			    !promote(b, &b->live[i]))
				b->live[i] = b->live[--b->n_live];
	}
}

/* The last bucket's nodes that share one bit more move on into a new one. */
static bool split(struct routes *t)
{
	struct routes_bucket *old = t->buckets[t->n - 1];
	struct routes_bucket all = *old;

	if (!add_bucket(t, old->changed_ms))
		return false;
	old->n_live = old->n_spare = 0;
	for (uint32_t i = 0; i < all.n_live; i++) {
		struct routes_bucket *b = bucket_of(t, all.live[i].at.id);

		b->live[b->n_live++] = all.live[i];
	}
	for (uint32_t i = 0; i < all.n_spare; i++) {
		struct routes_bucket *b = bucket_of(t, all.spare[i].at.id);

		if (b->n_live < ROUTES_BUCKET)
			b->live[b->n_live++] = all.spare[i];
		else
			b->spare[b->n_spare++] = all.spare[i];
	}
	return true;
}

static void wait_as_spare(struct routes_bucket *b, const struct routes_node *n)
{
	if (b->n_spare == ROUTES_SPARES)
		drop_spare(b, 0);
	b->spare[b->n_spare++] = *n;
}

static void add(struct routes *t, const struct routes_node *n)
{
	struct routes_bucket *b = bucket_of(t, n->at.id);
	struct routes_node *bad;

	while (b->n_live == ROUTES_BUCKET && b == t->buckets[t->n - 1] && split(t))
		b = bucket_of(t, n->at.id);
	if (is_barred(t, b, &n->at))
		return;
	if (b->n_live < ROUTES_BUCKET) {
		b->live[b->n_live++] = *n;
	} else if ((bad = find_bad(b)) != NULL) {
		*bad = *n;
	} else {
		wait_as_spare(b, n);
		return;
	}
	b->changed_ms = n->answered_ms;
}

void routes_on_answer(struct routes *t, const struct contact *c, uint64_t now_ms)
{
	struct routes_node fresh = {.at = *c, .answered_ms = now_ms, .heard_ms = now_ms}, *known;
	struct routes_bucket *b;

	if (memcmp(c->id, t->self, NODE_ID_LEN) == 0 || (t->n == 0 && !add_bucket(t, now_ms)))
		return;
	drop_address(t, c);
	b = bucket_of(t, c->id);
	known = find_in(b->live, b->n_live, c);
	if (known != NULL) {
		*known = fresh;
		b->changed_ms = now_ms;
		return;
	}
	known = find_in(b->spare, b->n_spare, c);
	if (known != NULL)
		drop_spare(b, (uint32_t)(known - b->spare));
	add(t, &fresh);
}

bool routes_on_query(struct routes *t, const struct contact *c, uint64_t now_ms)
{
	struct routes_bucket *b = bucket_of(t, c->id);
	struct routes_node *known;

	if (b == NULL)
		return false;
	known = find_in(b->live, b->n_live, c);
	if (known == NULL)
		known = find_in(b->spare, b->n_spare, c);
	if (known != NULL)
		known->heard_ms = now_ms;
	return known != NULL;
}

void routes_on_silence(struct routes *t, const struct addr *a)
{
	for (uint32_t k = 0; k < t->n; k++) {
		struct routes_bucket *b = t->buckets[k];

		for (uint32_t i = b->n_spare; i-- > 0;)
			if (addr_eq(&b->spare[i].at.addr, a))
				drop_spare(b, i);
		for (uint32_t i = 0; i < b->n_live; i++) {
			struct routes_node *n = &b->live[i];

			if (!addr_eq(&n->at.addr, a))
				continue;
			if (n->fails < UINT8_MAX)
				n->fails++;
			if (is_bad(n))
				(void)promote(b, n);
		}
	}
}

bool routes_wants(const struct routes *t, const struct contact *c)
{
	struct routes_bucket *b = bucket_of(t, c->id);

	if (memcmp(c->id, t->self, NODE_ID_LEN) == 0)
		return false;
	if (b == NULL)
		return true;
	if (is_barred(t, b, c))
		return false;
	return b->n_live < ROUTES_BUCKET || b->n_spare < ROUTES_SPARES || find_bad(b) != NULL ||
	       b == t->buckets[t->n - 1];
}

/* ---- asking -------------------------------------------------------------- */

bool routes_is_good(const struct routes_node *n, uint64_t now_ms)
{
	return n->fails == 0 && now_ms - n->heard_ms < ROUTES_GOOD_MS;
}

uint32_t routes_nearest(const struct routes *t, const uint8_t target[NODE_ID_LEN], bool all,
			struct contact *out, uint32_t cap)
{
	uint32_t n = 0;

	for (uint32_t k = 0; k < t->n; k++) {
		for (uint32_t i = 0; i < t->buckets[k]->n_live; i++) {
			const struct routes_node *node = &t->buckets[k]->live[i];
			uint32_t at = n;

			if (is_bad(node) && !all)
				continue;
			while (at > 0 && node_id_nearer(target, node->at.id, out[at - 1].id) < 0)
				at--;
			if (at == cap)
				continue;
			if (n < cap)
				n++;
			memmove(&out[at + 1], &out[at], (n - at - 1) * sizeof(out[0]));
			out[at] = node->at;
		}
	}
	return n;
}

bool routes_doubtful(const struct routes *t, uint64_t now_ms, struct contact *out)
{
	const struct routes_node *oldest = NULL;

	for (uint32_t k = 0; k < t->n; k++) {
		const struct routes_bucket *b = t->buckets[k];

		for (uint32_t i = 0; b->n_spare > 0 && i < b->n_live; i++) {
			const struct routes_node *n = &b->live[i];

			if (!routes_is_good(n, now_ms) &&
			    (oldest == NULL || n->heard_ms < oldest->heard_ms))
				oldest = n;
		}
	}
	if (oldest == NULL)
		return false;
	*out = oldest->at;
	return true;
}

bool routes_refresh(struct routes *t, uint64_t now_ms, struct rng *rng, uint8_t out[NODE_ID_LEN])
{
	for (uint32_t k = 0; k < t->n; k++) {
		if (now_ms - t->buckets[k]->changed_ms < ROUTES_REFRESH_MS)
			continue;
		t->buckets[k]->changed_ms = now_ms;
		node_id_beside(out, t->self, k, rng);
		return true;
	}
	return false;
}

const struct routes_node *routes_at(const struct routes *t, uint32_t i)
{
	for (uint32_t k = 0; k < t->n; k++) {
		if (i < t->buckets[k]->n_live)
			return &t->buckets[k]->live[i];
		i -= t->buckets[k]->n_live;
	}
	return NULL;
}

uint32_t routes_count(const struct routes *t)
{
	uint32_t n = 0;

	for (uint32_t k = 0; k < t->n; k++)
		n += t->buckets[k]->n_live;
	return n;
}

/* How many of the table's nodes are in this place (net: in this bucket and this network)? */
static uint32_t count_like(const struct routes_node *list, uint32_t n, const struct addr *a,
			   bool net)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < n; i++)
		found += net ? contact_same_net(&list[i].at.addr, a)
			     : is_same_place(&list[i].at.addr, a);
	return found;
}

static void check_node(const struct routes *t, uint32_t k, const struct routes_node *n)
{
	const struct routes_bucket *b = t->buckets[k];
	uint32_t same = 0;

	assert(bucket_of(t, n->at.id) == b);
	for (uint32_t i = 0; i < t->n; i++)
		same +=
		    count_like(t->buckets[i]->live, t->buckets[i]->n_live, &n->at.addr, false) +
		    count_like(t->buckets[i]->spare, t->buckets[i]->n_spare, &n->at.addr, false);
	assert(same == 1);
	if (!node_id_is_local(&n->at.addr))
		assert(count_like(b->live, b->n_live, &n->at.addr, true) +
			   count_like(b->spare, b->n_spare, &n->at.addr, true) ==
		       1);
}

void routes_check(const struct routes *t)
{
	assert(t->n <= NODE_ID_BITS);
	for (uint32_t k = 0; k < t->n; k++) {
		const struct routes_bucket *b = t->buckets[k];

		assert(b->n_live <= ROUTES_BUCKET && b->n_spare <= ROUTES_SPARES);
		assert(b->n_spare == 0 || b->n_live == ROUTES_BUCKET);
		for (uint32_t i = 0; i < b->n_live; i++)
			check_node(t, k, &b->live[i]);
		for (uint32_t i = 0; i < b->n_spare; i++)
			check_node(t, k, &b->spare[i]);
	}
}
