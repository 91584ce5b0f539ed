#include "dht/item_store.h"

#include <stdlib.h>

#include "base/grow.h"

struct stored_item {
	uint8_t target[NODE_ID_LEN];
	uint64_t at_ms;
	struct origin *first; /* who put it first */
	struct dht_item item;
};

void item_store_init(struct item_store *s, const uint8_t self[NODE_ID_LEN], struct siphash_key key)
{
	*s = (struct item_store){.n = 0};
	memcpy(s->self, self, NODE_ID_LEN);
	hash_map_init(&s->by_target, key);
	origins_init(&s->origins, ITEM_STORE_HOST_MAX, key);
}

static void drop(struct item_store *s, uint32_t i)
{
	struct stored_item *gone = s->list[i];

	hash_map_drop(&s->by_target, gone->target, gone);
	origins_drop(&s->origins, gone->first);
	s->list[i] = s->list[--s->n];
	free(gone);
}

void item_store_fini(struct item_store *s)
{
	while (s->n > 0)
		drop(s, s->n - 1);
	free(s->list);
	hash_map_fini(&s->by_target);
	origins_fini(&s->origins);
}

/* Of those that are `of` somebody; of all: NULL. There is one. */
static uint32_t farthest(const struct item_store *s, const struct origin *of)
{
	uint32_t far = s->n;

	for (uint32_t i = 0; i < s->n; i++) {
		if (of != NULL && s->list[i]->first != of)
			continue;
		if (far == s->n ||
		    node_id_nearer(s->self, s->list[far]->target, s->list[i]->target) < 0)
			far = i;
	}
	return far;
}

static bool make_room(struct item_store *s, const uint8_t target[NODE_ID_LEN],
		      const struct addr *from)
{
	uint32_t far;
	bool any;

	if (s->n < ITEM_STORE_MAX)
		return true;
	far = farthest(s, origins_yield(&s->origins, from, &any));
	if (!any && node_id_nearer(s->self, target, s->list[far]->target) >= 0)
		return false;
	drop(s, far);
	return true;
}

static struct stored_item *add(struct item_store *s, const uint8_t target[NODE_ID_LEN],
			       const struct addr *from)
{
	struct stored_item *fresh;
	struct stored_item **grown;

	if (!make_room(s, target, from))
		return NULL;
	grown = grow(s->list, s->n, &s->cap, 4, sizeof(struct stored_item *));
	if (grown == NULL)
		return NULL;
	s->list = grown;
	fresh = calloc(1, sizeof(*fresh));
	if (fresh == NULL)
		return NULL;
	memcpy(fresh->target, target, NODE_ID_LEN);
	fresh->first = origins_add(&s->origins, from);
	if (fresh->first == NULL || hash_map_put(&s->by_target, fresh->target, fresh) != 0) {
		if (fresh->first != NULL)
			origins_drop(&s->origins, fresh->first);
		free(fresh);
		return NULL;
	}
	s->list[s->n++] = fresh;
	return fresh;
}

/* May `fresh` stand where `old` does? Returns 0 or the fault. */
static int judge(const struct dht_item *old, const struct dht_item *fresh, const int64_t *cas)
{
	if (!fresh->is_mutable)
		return 0;
	if (cas != NULL && *cas != old->seq)
		return KRPC_FAULT_CAS;
	if (fresh->seq < old->seq)
		return KRPC_FAULT_SEQ;
	if (fresh->seq == old->seq &&
	    !bytes_eq(bytes_of(fresh->v, fresh->v_len), bytes_of(old->v, old->v_len)))
		return KRPC_FAULT_SEQ;
	return 0;
}

int item_store_put(struct item_store *s, const struct dht_item *i, const int64_t *cas,
		   const struct addr *from, uint64_t now_ms)
{
	uint8_t target[NODE_ID_LEN];
	struct stored_item *at;
	int fault;

	dht_item_target(i, target);
	at = hash_map_find(&s->by_target, target);
	if (at != NULL) {
		fault = judge(&at->item, i, cas);
		if (fault != 0)
			return fault;
	} else {
		at = add(s, target, from);
		if (at == NULL)
			return KRPC_FAULT_SERVER;
	}
	at->item = *i;
	at->at_ms = now_ms;
	return 0;
}

const struct dht_item *item_store_find(const struct item_store *s,
				       const uint8_t target[NODE_ID_LEN])
{
	const struct stored_item *at = hash_map_find(&s->by_target, target);

	return at == NULL ? NULL : &at->item;
}

void item_store_expire(struct item_store *s, uint64_t now_ms)
{
	for (uint32_t i = s->n; i-- > 0;)
		if (now_ms - s->list[i]->at_ms >= ITEM_STORE_KEEP_MS)
			drop(s, i);
}
