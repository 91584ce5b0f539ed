#include "index/tracker_impl.h"

#include <stdlib.h>

#include "wire/handshake.h"

#define HOST_CELLS_MIN 1024u
#define HOST_CELLS_MAX (1u << 18)
#define AMOUNT_MAX (((uint64_t)1 << 48) - 1)

/* ---- values ---- */

static struct amount amount_of(uint64_t v)
{
	struct amount a;

	if (v > AMOUNT_MAX)
		v = AMOUNT_MAX;
	put_be16(a.be, (uint16_t)(v >> 32));
	put_be32(a.be + 2, (uint32_t)v);
	return a;
}

uint64_t amount_get(struct amount a)
{
	return (uint64_t)be16(a.be) << 32 | be32(a.be + 2);
}

void peer_addr(const struct tracker *t, const struct peer *p, struct addr *out)
{
	memset(out, 0, sizeof(*out));
	if ((p->flags & PEER_V6) != 0) {
		memcpy(out->ip, t->v6[p->host], 16);
		out->v6 = 1;
	} else {
		put_be32(out->ip, p->host);
	}
	out->port = p->port;
}

/* ---- hashes ---- */

struct peer_key {
	uint32_t swarm;
	struct addr addr;
};

static uint32_t hash_swarm(const struct tracker *t, const uint8_t info_hash[20])
{
	return (uint32_t)siphash(t->key, bytes_of(info_hash, 20));
}

static bool same_swarm(const void *user, uint32_t number, const void *key)
{
	const struct tracker *t = user;

	return memcmp(t->swarms[number].info_hash, key, 20) == 0;
}

static uint32_t hash_peer(const struct tracker *t, const struct peer_key *k)
{
	uint8_t flat[4 + 16 + 2];

	put_be32(flat, k->swarm);
	memcpy(flat + 4, k->addr.ip, 16);
	put_be16(flat + 20, k->addr.port);
	return (uint32_t)siphash(t->key, bytes_of(flat, sizeof(flat)));
}

static struct peer_key key_of(const struct tracker *t, const struct peer *p)
{
	struct peer_key k = {.swarm = p->swarm};

	peer_addr(t, p, &k.addr);
	return k;
}

static uint32_t hash_of_peer(const struct tracker *t, const struct peer *p)
{
	struct peer_key k = key_of(t, p);

	return hash_peer(t, &k);
}

static bool same_peer(const void *user, uint32_t number, const void *key)
{
	const struct tracker *t = user;
	const struct peer *p = peer_at(t, number);
	const struct peer_key *want = key;
	struct addr addr;

	if (p->swarm != want->swarm || p->port != want->addr.port)
		return false;
	peer_addr(t, p, &addr);
	return addr_eq(&addr, &want->addr);
}

/* ---- hosts ---- */

/* Whoever has one IPv6 address has the 2^64 beside it as well: those are one host. */
static void host_cells(const struct tracker *t, const struct addr *addr, uint32_t at[HOST_ROWS])
{
	uint8_t flat[9];
	uint64_t h;

	flat[0] = addr->v6;
	memcpy(flat + 1, addr->ip, 8);
	h = siphash(t->key, bytes_of(flat, sizeof(flat)));
	at[0] = (uint32_t)h & t->host_mask;
	at[1] = (t->host_mask + 1) + ((uint32_t)(h >> 32) & t->host_mask);
}

uint32_t tracker_host_peers(const struct tracker *t, const struct addr *addr)
{
	uint32_t at[HOST_ROWS];

	host_cells(t, addr, at);
	return t->host_cells[at[0]] < t->host_cells[at[1]] ? t->host_cells[at[0]]
							   : t->host_cells[at[1]];
}

static void host_count(struct tracker *t, const struct addr *addr, int by)
{
	uint32_t at[HOST_ROWS];

	host_cells(t, addr, at);
	for (unsigned i = 0; i < HOST_ROWS; i++)
		t->host_cells[at[i]] += (uint32_t)by;
}

/* ---- birth and death ---- */

int tracker_store_init(struct tracker *t)
{
	uint32_t cells = HOST_CELLS_MIN;

	while (cells < t->peers_max / 8 && cells < HOST_CELLS_MAX)
		cells *= 2;
	t->host_mask = cells - 1;
	t->free_peer = t->free_swarm = NO_PEER;
	for (int i = 0; i < 2; i++)
		t->queues[i] = (struct peer_queue){NO_PEER, NO_PEER};
	t->swarm_slots = (struct slots){.same = same_swarm, .user = t};
	t->peer_slots = (struct slots){.same = same_peer, .user = t};
	t->host_cells = calloc((size_t)cells * HOST_ROWS, sizeof(*t->host_cells));
	t->slabs = calloc(t->peers_max / SLAB_PEERS + 1, sizeof(struct peer *));
	return t->host_cells == NULL || t->slabs == NULL ? ERR_NOMEM : 0;
}

void tracker_store_fini(struct tracker *t)
{
	for (uint32_t i = 0; i < t->swarms_used; i++) {
		if (t->swarms[i].cap > SWARM_FEW)
			free(t->swarms[i].places.many);
	}
	for (uint32_t i = 0; i < t->n_slabs; i++)
		free(t->slabs[i]);
	free(t->slabs);
	free(t->swarms);
	free(t->v6);
	free(t->v6_free);
	free(t->host_cells);
	slots_fini(&t->swarm_slots);
	slots_fini(&t->peer_slots);
}

/* ---- queues ---- */

static struct peer_queue *queue_of(struct tracker *t, const struct peer *p)
{
	return &t->queues[(p->flags & PEER_SHOAL) != 0];
}

static void queue_remove(struct tracker *t, uint32_t number)
{
	struct peer *p = peer_at(t, number);
	struct peer_queue *q = queue_of(t, p);

	if (p->prev != NO_PEER)
		peer_at(t, p->prev)->next = p->next;
	else
		q->first = p->next;
	if (p->next != NO_PEER)
		peer_at(t, p->next)->prev = p->prev;
	else
		q->last = p->prev;
}

static void queue_append(struct tracker *t, uint32_t number)
{
	struct peer *p = peer_at(t, number);
	struct peer_queue *q = queue_of(t, p);

	p->prev = q->last;
	p->next = NO_PEER;
	if (q->last != NO_PEER)
		peer_at(t, q->last)->next = number;
	else
		q->first = number;
	q->last = number;
}

/* ---- swarms ---- */

static uint32_t *places_of(struct tracked_swarm *s)
{
	return s->cap > SWARM_FEW ? s->places.many : s->places.few;
}

static int swarm_grow(struct tracked_swarm *s)
{
	uint32_t cap = s->cap * 2, *many;

	if (s->n < s->cap)
		return 0;
	many = realloc(s->cap > SWARM_FEW ? s->places.many : NULL, cap * sizeof(*many));
	if (many == NULL)
		return ERR_NOMEM;
	if (s->cap <= SWARM_FEW)
		memcpy(many, s->places.few, s->n * sizeof(*many));
	s->places.many = many;
	s->cap = cap;
	return 0;
}

/* After a crowd has gone its memory goes too, in halves. */
static void swarm_shrink(struct tracked_swarm *s)
{
	uint32_t cap = s->cap / 2, *many = s->places.many;

	if (s->cap <= SWARM_FEW || s->n > s->cap / 4)
		return;
	if (cap <= SWARM_FEW) {
		memcpy(s->places.few, many, s->n * sizeof(*many));
		free(many);
		s->cap = SWARM_FEW;
		return;
	}
	many = realloc(many, cap * sizeof(*many));
	if (many == NULL)
		return;
	s->places.many = many;
	s->cap = cap;
}

static void put_at(struct tracker *t, struct tracked_swarm *s, uint32_t place, uint32_t number)
{
	places_of(s)[place] = number;
	peer_at(t, number)->place = place;
}

static void swap_places(struct tracker *t, struct tracked_swarm *s, uint32_t a, uint32_t b)
{
	uint32_t at_a = places_of(s)[a], at_b = places_of(s)[b];

	put_at(t, s, a, at_b);
	put_at(t, s, b, at_a);
}

static void set_seed(struct tracker *t, uint32_t number, bool seed)
{
	struct peer *p = peer_at(t, number);
	struct tracked_swarm *s = &t->swarms[p->swarm];

	if (seed == ((p->flags & PEER_SEED) != 0))
		return;
	if (seed)
		swap_places(t, s, p->place, s->n_seeds++);
	else
		swap_places(t, s, p->place, --s->n_seeds);
	p->flags ^= PEER_SEED;
}

uint32_t tracker_find_swarm(const struct tracker *t, const uint8_t info_hash[20])
{
	return slots_find(&t->swarm_slots, hash_swarm(t, info_hash), info_hash);
}

static int take_swarm_number(struct tracker *t, uint32_t *out)
{
	uint32_t cap = t->swarms_cap == 0 ? 16 : t->swarms_cap * 2;
	struct tracked_swarm *more;

	if (t->free_swarm != NO_PEER) {
		*out = t->free_swarm;
		t->free_swarm = t->swarms[*out].places.few[0];
		return 0;
	}
	if (t->swarms_used == t->swarms_cap) {
		more = realloc(t->swarms, cap * sizeof(*more));
		if (more == NULL)
			return ERR_NOMEM;
		t->swarms = more;
		t->swarms_cap = cap;
	}
	*out = t->swarms_used++;
	return 0;
}

static int find_or_add_swarm(struct tracker *t, const uint8_t info_hash[20], uint32_t *out)
{
	struct tracked_swarm *s;

	*out = tracker_find_swarm(t, info_hash);
	if (*out != SLOTS_NONE)
		return 0;
	if (slots_reserve(&t->swarm_slots) < 0 || take_swarm_number(t, out) < 0)
		return ERR_NOMEM;
	s = &t->swarms[*out];
	memset(s, 0, sizeof(*s));
	memcpy(s->info_hash, info_hash, 20);
	s->cap = SWARM_FEW;
	slots_add(&t->swarm_slots, hash_swarm(t, info_hash), *out);
	t->n_swarms++;
	return 0;
}

static void drop_swarm_if_empty(struct tracker *t, uint32_t number)
{
	struct tracked_swarm *s = &t->swarms[number];

	if (s->n > 0)
		return;
	if (s->cap > SWARM_FEW)
		free(s->places.many);
	slots_remove(&t->swarm_slots, hash_swarm(t, s->info_hash), number);
	s->cap = 0;
	s->places.few[0] = t->free_swarm;
	t->free_swarm = number;
	t->n_swarms--;
}

/* ---- peers ---- */

uint32_t tracker_find_peer(const struct tracker *t, uint32_t swarm, const struct addr *addr)
{
	struct peer_key k = {.swarm = swarm, .addr = *addr};

	return slots_find(&t->peer_slots, hash_peer(t, &k), &k);
}

/* After this taking a peer cannot fail. */
static int reserve_peer(struct tracker *t)
{
	uint32_t first = t->n_slabs * SLAB_PEERS;
	struct peer *slab;

	if (slots_reserve(&t->peer_slots) < 0)
		return ERR_NOMEM;
	if (t->free_peer != NO_PEER)
		return 0;
	slab = calloc(SLAB_PEERS, sizeof(*slab));
	if (slab == NULL)
		return ERR_NOMEM;
	t->slabs[t->n_slabs++] = slab;
	for (uint32_t i = SLAB_PEERS; i-- > 0;) {
		slab[i].next = t->free_peer;
		t->free_peer = first + i;
	}
	return 0;
}

static int reserve_v6(struct tracker *t)
{
	uint32_t cap = t->v6_cap == 0 ? 64 : t->v6_cap * 2;
	uint32_t *stack;
	void *more;

	if (t->n_v6_free > 0 || t->v6_used < t->v6_cap)
		return 0;
	stack = realloc(t->v6_free, cap * sizeof(*stack));
	if (stack == NULL)
		return ERR_NOMEM;
	t->v6_free = stack;
	more = realloc(t->v6, (size_t)cap * 16);
	if (more == NULL)
		return ERR_NOMEM;
	t->v6 = more;
	t->v6_cap = cap;
	return 0;
}

static void set_addr(struct tracker *t, struct peer *p, const struct addr *addr)
{
	p->port = addr->port;
	if (!addr->v6) {
		p->host = be32(addr->ip);
		return;
	}
	p->flags |= PEER_V6;
	p->host = t->n_v6_free > 0 ? t->v6_free[--t->n_v6_free] : t->v6_used++;
	memcpy(t->v6[p->host], addr->ip, 16);
}

static void set_claims(struct peer *p, const struct announce *a)
{
	memcpy(p->id, a->peer_id, sizeof(p->id));
	p->left = amount_of(a->left);
	p->uploaded = amount_of(a->uploaded);
	p->downloaded = amount_of(a->downloaded);
	p->flags &= (uint8_t)~PEER_SHOAL;
	if (handshake_is_shoal(a->peer_id))
		p->flags |= PEER_SHOAL;
}

int tracker_add_peer(struct tracker *t, const struct announce *a, const struct addr *addr,
		     uint32_t *out)
{
	uint32_t swarm, number;
	struct peer *p;

	if (reserve_peer(t) < 0 || (addr->v6 && reserve_v6(t) < 0) ||
	    find_or_add_swarm(t, a->info_hash, &swarm) < 0)
		return ERR_NOMEM;
	if (swarm_grow(&t->swarms[swarm]) < 0) {
		drop_swarm_if_empty(t, swarm);
		return ERR_NOMEM;
	}
	number = t->free_peer;
	p = peer_at(t, number);
	t->free_peer = p->next;
	memset(p, 0, sizeof(*p));
	p->flags = PEER_USED;
	p->swarm = swarm;
	p->since = p->seen = t->now;
	set_addr(t, p, addr);
	set_claims(p, a);
	put_at(t, &t->swarms[swarm], t->swarms[swarm].n++, number);
	slots_add(&t->peer_slots, hash_of_peer(t, p), number);
	queue_append(t, number);
	host_count(t, addr, 1);
	t->n_peers++;
	set_seed(t, number, a->left == 0);
	*out = number;
	return 0;
}

/* Another peer id on the same port is another program: it has been there since now. */
void tracker_touch_peer(struct tracker *t, uint32_t number, const struct announce *a)
{
	struct peer *p = peer_at(t, number);
	bool seed = a->left == 0;

	queue_remove(t, number);
	if (memcmp(p->id, a->peer_id, sizeof(p->id)) != 0)
		p->since = t->now;
	else if (a->event == EVENT_COMPLETED && seed && (p->flags & PEER_SEED) == 0)
		t->swarms[p->swarm].downloaded++;
	set_claims(p, a);
	p->seen = t->now;
	queue_append(t, number);
	set_seed(t, number, seed);
}

void tracker_remove_peer(struct tracker *t, uint32_t number)
{
	struct peer *p = peer_at(t, number);
	struct tracked_swarm *s = &t->swarms[p->swarm];
	struct addr addr;

	peer_addr(t, p, &addr);
	slots_remove(&t->peer_slots, hash_of_peer(t, p), number);
	queue_remove(t, number);
	host_count(t, &addr, -1);
	set_seed(t, number, false);
	swap_places(t, s, p->place, s->n - 1);
	s->n--;
	swarm_shrink(s);
	drop_swarm_if_empty(t, p->swarm);
	if ((p->flags & PEER_V6) != 0)
		t->v6_free[t->n_v6_free++] = p->host;
	p->flags = 0;
	p->next = t->free_peer;
	t->free_peer = number;
	t->n_peers--;
}
