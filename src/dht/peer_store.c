#include "dht/peer_store.h"

#include <stdlib.h>

#include "base/grow.h"

struct stored_peer {
	struct addr addr;
	uint64_t at_ms;
};

struct peer_list {
	uint8_t hash[20];
	struct origin *first; /* who announced it first */
	struct stored_peer *peers;
	uint32_t n, cap;
};

void peer_store_init(struct peer_store *s, const uint8_t self[NODE_ID_LEN], struct siphash_key key)
{
	*s = (struct peer_store){.n = 0};
	memcpy(s->self, self, NODE_ID_LEN);
	hash_map_init(&s->by_hash, key);
	origins_init(&s->origins, PEER_STORE_HOST_MAX, key);
}

static void drop_list(struct peer_store *s, uint32_t i)
{
	struct peer_list *l = s->lists[i];

	hash_map_drop(&s->by_hash, l->hash, l);
	origins_drop(&s->origins, l->first);
	s->total -= l->n;
	s->lists[i] = s->lists[--s->n];
	free(l->peers);
	free(l);
}

void peer_store_fini(struct peer_store *s)
{
	while (s->n > 0)
		drop_list(s, s->n - 1);
	free(s->lists);
	hash_map_fini(&s->by_hash);
	origins_fini(&s->origins);
}

/* Of those that are `of` somebody; of all: NULL. There is one. */
static uint32_t farthest(const struct peer_store *s, const struct origin *of)
{
	uint32_t far = s->n;

	for (uint32_t i = 0; i < s->n; i++) {
		if (of != NULL && s->lists[i]->first != of)
			continue;
		if (far == s->n ||
		    node_id_nearer(s->self, s->lists[far]->hash, s->lists[i]->hash) < 0)
			far = i;
	}
	return far;
}

/* A place for this info-hash among those of others. */
static int make_room(struct peer_store *s, const uint8_t hash[20], const struct addr *peer)
{
	while (s->n >= PEER_STORE_HASHES_MAX || (s->n > 0 && s->total >= PEER_STORE_TOTAL_MAX)) {
		bool any;
		uint32_t far = farthest(s, origins_yield(&s->origins, peer, &any));

		if (!any && node_id_nearer(s->self, hash, s->lists[far]->hash) >= 0)
			return ERR_TOO_BIG;
		drop_list(s, far);
	}
	return 0;
}

static int add_list(struct peer_store *s, const uint8_t hash[20], const struct addr *peer,
		    struct peer_list **out)
{
	struct peer_list *l;
	int err;
	struct peer_list **grown = grow(s->lists, s->n, &s->cap, 8, sizeof(struct peer_list *));

	if (grown == NULL)
		return ERR_NOMEM;
	s->lists = grown;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return ERR_NOMEM;
	memcpy(l->hash, hash, sizeof(l->hash));
	l->first = origins_add(&s->origins, peer);
	err = l->first == NULL ? ERR_NOMEM : hash_map_put(&s->by_hash, l->hash, l);
	if (err != 0) {
		if (l->first != NULL)
			origins_drop(&s->origins, l->first);
		free(l);
		return err;
	}
	s->lists[s->n++] = l;
	*out = l;
	return 0;
}

static struct stored_peer *find_peer(struct peer_list *l, const struct addr *a)
{
	bool local = node_id_is_local(a);

	for (uint32_t i = 0; i < l->n; i++)
		if (local ? addr_eq(&l->peers[i].addr, a) : addr_same_host(&l->peers[i].addr, a))
			return &l->peers[i];
	return NULL;
}

/* The oldest of its subscriber's, when these have all places that they may have; NULL. */
static struct stored_peer *oldest_beside(struct peer_list *l, const struct addr *a)
{
	struct stored_peer *oldest = NULL;
	uint32_t n = 0;

	for (uint32_t i = 0; i < l->n; i++) {
		if (!addr_same_subscriber(&l->peers[i].addr, a))
			continue;
		n++;
		if (oldest == NULL || l->peers[i].at_ms < oldest->at_ms)
			oldest = &l->peers[i];
	}
	return n >= PEER_STORE_NET_MAX && !node_id_is_local(a) ? oldest : NULL;
}

static struct stored_peer *add_place(struct peer_list *l)
{
	struct stored_peer *grown = grow(l->peers, l->n, &l->cap, 2, sizeof(*grown));

	if (grown == NULL)
		return NULL;
	l->peers = grown;
	return &l->peers[l->n++];
}

int peer_store_add(struct peer_store *s, const uint8_t hash[20], const struct addr *peer,
		   uint64_t now_ms, struct rng *rng)
{
	struct peer_list *l = hash_map_find(&s->by_hash, hash);
	struct stored_peer *p = l == NULL ? NULL : find_peer(l, peer);
	int err;

	if (p == NULL && l != NULL)
		p = oldest_beside(l, peer);
	if (p == NULL && l != NULL &&
	    (l->n == PEER_STORE_PEERS_MAX || s->total >= PEER_STORE_TOTAL_MAX))
		p = &l->peers[rng_below(rng, l->n)];
	if (l == NULL) {
		err = make_room(s, hash, peer);
		if (err == 0)
			err = add_list(s, hash, peer, &l);
		if (err != 0)
			return err;
	}
	if (p == NULL) {
		p = add_place(l);
		if (p == NULL) {
			if (l->n == 0)
				drop_list(s, s->n - 1);
			return ERR_NOMEM;
		}
		s->total++;
	}
	*p = (struct stored_peer){*peer, now_ms};
	return 0;
}

uint32_t peer_store_pick(const struct peer_store *s, const uint8_t hash[20], bool v6,
			 struct addr *out, uint32_t cap, struct rng *rng)
{
	const struct peer_list *l = hash_map_find(&s->by_hash, hash);
	uint32_t seen = 0;

	/* Reservoir sampling: each of them is as likely. */
	for (uint32_t i = 0; l != NULL && i < l->n; i++) {
		uint32_t at = seen;

		if ((l->peers[i].addr.v6 != 0) != v6)
			continue;
		seen++;
		if (at >= cap)
			at = rng_below(rng, seen);
		if (at < cap)
			out[at] = l->peers[i].addr;
	}
	return seen < cap ? seen : cap;
}

uint32_t peer_store_sample(const struct peer_store *s, uint8_t *out, uint32_t cap, struct rng *rng)
{
	for (uint32_t i = 0; i < s->n; i++) {
		uint32_t at = i < cap ? i : rng_below(rng, i + 1);

		if (at < cap)
			memcpy(out + (size_t)at * 20, s->lists[i]->hash, 20);
	}
	return s->n < cap ? s->n : cap;
}

void peer_store_expire(struct peer_store *s, uint64_t now_ms)
{
	for (uint32_t i = s->n; i-- > 0;) {
		struct peer_list *l = s->lists[i];

		for (uint32_t k = l->n; k-- > 0;) {
			if (now_ms - l->peers[k].at_ms < PEER_STORE_KEEP_MS)
				continue;
			l->peers[k] = l->peers[--l->n];
			s->total--;
		}
		if (l->n == 0)
			drop_list(s, i);
	}
}
