#include "index/tracker.h"

#include <stdio.h>
#include <stdlib.h>

#include "index/tracker_impl.h"
#include "wire/handshake.h"

/* Peers dropped by one call: an announce drops more than it adds, so the tracker cannot fall
 * behind, and no call takes long. */
#define EXPIRE_PER_CALL 8u
#define EXPIRE_PER_TICK 10000u
/* Peers looked at for one reply when many of them may not be told (loopback). */
#define PICK_STEPS_MAX 1000u

struct tracker *tracker_new(const struct tracker_params *p)
{
	struct tracker *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->key = p->key;
	t->peers_max = p->peers_max == 0 ? TRACKER_PEERS_MAX : p->peers_max;
	rng_seed(&t->rng, p->seed);
	if (tracker_store_init(t) < 0) {
		tracker_free(t);
		return NULL;
	}
	return t;
}

void tracker_free(struct tracker *t)
{
	if (t == NULL)
		return;
	tracker_store_fini(t);
	free(t);
}

/* A clock that is set back stands still until it has caught up. */
static void set_now(struct tracker *t, uint64_t now_s)
{
	if (!t->has_epoch) {
		t->has_epoch = true;
		t->epoch_s = now_s;
	}
	if (now_s >= t->epoch_s && now_s - t->epoch_s > t->now)
		t->now = (uint32_t)(now_s - t->epoch_s);
}

static void expire(struct tracker *t, uint32_t most)
{
	for (int i = 0; i < 2; i++) {
		while (most > 0 && t->queues[i].first != NO_PEER &&
		       peer_is_expired(t, peer_at(t, t->queues[i].first))) {
			tracker_remove_peer(t, t->queues[i].first);
			most--;
		}
	}
}

static void drop_stalest(struct tracker *t)
{
	uint32_t stock = t->queues[0].first, ours = t->queues[1].first;

	if (ours == NO_PEER ||
	    (stock != NO_PEER && peer_at(t, stock)->seen <= peer_at(t, ours)->seen))
		tracker_remove_peer(t, stock);
	else
		tracker_remove_peer(t, ours);
}

/* ---- choosing whom to tell of ---- */

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
	while (b != 0) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* A stride that has no divisor in common with n visits each of n places once. */
static uint32_t random_stride(struct tracker *t, uint32_t n)
{
	for (int i = 0; i < 16 && n > 1; i++) {
		uint32_t stride = 1 + rng_below(&t->rng, n - 1);

		if (common_divisor(stride, n) == 1)
			return stride;
	}
	return 1;
}

/* How `asker` can reach `peer`, in place; false: not at all, or they are one. */
static bool make_tellable(struct addr *peer, const struct addr *asker, const struct addr *here)
{
	uint16_t port = peer->port;

	if (addr_eq(peer, asker))
		return false;
	if (!addr_is_loopback(peer) || addr_is_loopback(asker))
		return true;
	if (here == NULL || addr_is_loopback(here))
		return false;
	*peer = *here;
	peer->port = port;
	return !addr_eq(peer, asker);
}

/* Walks the places of the swarm from a random one by a random stride: no two alike, nothing to
 * remember, and no more looked at than are told. */
static uint32_t pick_peers(struct tracker *t, const struct tracked_swarm *s, bool for_seed,
			   const struct addr *asker, const struct addr *here, uint32_t want)
{
	uint32_t base = for_seed ? s->n_seeds : 0, n = s->n - base, picked = 0;
	uint32_t at, stride;

	if (want > ANNOUNCE_PEERS_MAX)
		want = ANNOUNCE_PEERS_MAX;
	if (n == 0)
		return 0;
	at = rng_below(&t->rng, n);
	stride = random_stride(t, n);
	for (uint32_t i = 0; i < n && i < PICK_STEPS_MAX && picked < want; i++) {
		const struct peer *p = peer_at(t, swarm_places(s)[base + at]);
		struct announce_peer *pick = &t->picks[picked];

		at = at >= n - stride ? at - (n - stride) : at + stride;
		peer_addr(t, p, &pick->addr);
		if (peer_is_expired(t, p) || !make_tellable(&pick->addr, asker, here))
			continue;
		pick->has_id = true;
		memcpy(pick->id, p->id, sizeof(pick->id));
		picked++;
	}
	return picked;
}

/* ---- announce ---- */

static void refuse(struct announce_reply *out, const char *why)
{
	out->failed = true;
	snprintf(out->failure, sizeof(out->failure), "%s", why);
}

static void put_counts(const struct tracker *t, uint32_t swarm, struct announce_reply *out)
{
	if (swarm == SLOTS_NONE)
		return;
	out->complete = t->swarms[swarm].n_seeds;
	out->incomplete = t->swarms[swarm].n - t->swarms[swarm].n_seeds;
	out->downloaded = t->swarms[swarm].downloaded;
}

static void put_intervals(const struct announce *a, struct announce_reply *out)
{
	bool ours = handshake_is_shoal(a->peer_id);

	out->interval_s = ours ? TRACKER_SHOAL_INTERVAL_S : TRACKER_INTERVAL_S;
	out->min_interval_s = ours ? TRACKER_SHOAL_MIN_INTERVAL_S : TRACKER_MIN_INTERVAL_S;
}

static uint32_t find(const struct tracker *t, const struct announce *a, const struct addr *addr)
{
	uint32_t swarm = tracker_find_swarm(t, a->info_hash);

	return swarm == SLOTS_NONE ? NO_PEER : tracker_find_peer(t, swarm, addr);
}

/* Who stops must know the peer id it came with, so that a neighbour behind the same address
 * cannot send others away (D-33). */
static void on_stopped(struct tracker *t, const struct announce *a, uint32_t number)
{
	if (number != NO_PEER && memcmp(peer_at(t, number)->id, a->peer_id, 20) == 0)
		tracker_remove_peer(t, number);
}

static int admit(struct tracker *t, const struct announce *a, const struct addr *addr,
		 uint32_t *number, struct announce_reply *out)
{
	if (!addr_is_dialable(addr)) {
		refuse(out, "nobody could connect to your address and port");
		return 0;
	}
	if (tracker_host_peers(t, addr) >= TRACKER_HOST_PEERS_MAX) {
		refuse(out, "too many peers announce themselves from your address");
		return 0;
	}
	if (t->n_peers >= t->peers_max)
		drop_stalest(t);
	return tracker_add_peer(t, a, addr, number);
}

int tracker_announce(struct tracker *t, const struct announce *a, const struct addr *from,
		     const struct addr *here, uint64_t now_s, struct announce_reply *out)
{
	struct addr addr = *from;
	uint32_t number;
	int r;

	memset(out, 0, sizeof(*out));
	set_now(t, now_s);
	expire(t, EXPIRE_PER_CALL);
	addr.port = a->port;
	number = find(t, a, &addr);
	put_intervals(a, out);
	if (a->event == EVENT_STOPPED) {
		on_stopped(t, a, number);
		put_counts(t, tracker_find_swarm(t, a->info_hash), out);
		return 0;
	}
	if (number != NO_PEER) {
		tracker_touch_peer(t, number, a);
	} else {
		r = admit(t, a, &addr, &number, out);
		if (r < 0 || out->failed)
			return r;
	}
	put_counts(t, peer_at(t, number)->swarm, out);
	out->n_peers = pick_peers(t, &t->swarms[peer_at(t, number)->swarm], a->left == 0, &addr,
				  here, a->numwant);
	out->peers = t->picks;
	return 0;
}

/* ---- questions ---- */

void tracker_scrape(struct tracker *t, const uint8_t info_hash[20], uint64_t now_s,
		    struct scrape_row *out)
{
	uint32_t swarm;

	set_now(t, now_s);
	expire(t, EXPIRE_PER_CALL);
	memset(out, 0, sizeof(*out));
	memcpy(out->info_hash, info_hash, 20);
	swarm = tracker_find_swarm(t, info_hash);
	if (swarm == SLOTS_NONE)
		return;
	out->complete = t->swarms[swarm].n_seeds;
	out->incomplete = t->swarms[swarm].n - t->swarms[swarm].n_seeds;
	out->downloaded = t->swarms[swarm].downloaded;
}

static void describe(const struct tracker *t, const struct peer *p, struct tracker_peer *out)
{
	peer_addr(t, p, &out->addr);
	memcpy(out->peer_id, p->id, sizeof(out->peer_id));
	memcpy(out->info_hash, t->swarms[p->swarm].info_hash, sizeof(out->info_hash));
	out->left = amount_get(p->left);
	out->uploaded = amount_get(p->uploaded);
	out->downloaded = amount_get(p->downloaded);
	out->since_s = t->epoch_s + p->since;
	out->seen_s = t->epoch_s + p->seen;
}

size_t tracker_peers(struct tracker *t, const uint8_t info_hash[20], uint64_t now_s,
		     struct tracker_peer *out, size_t cap)
{
	const struct tracked_swarm *s;
	uint32_t swarm;
	size_t n = 0, there = 0;

	set_now(t, now_s);
	expire(t, EXPIRE_PER_CALL);
	swarm = tracker_find_swarm(t, info_hash);
	if (swarm == SLOTS_NONE)
		return 0;
	s = &t->swarms[swarm];
	for (uint32_t i = 0; i < s->n; i++) {
		const struct peer *p = peer_at(t, swarm_places(s)[i]);

		if (n == cap)
			return there + (s->n - i);
		if (peer_is_expired(t, p))
			continue;
		describe(t, p, &out[n++]);
		there++;
	}
	return there;
}

void tracker_each(struct tracker *t, uint64_t now_s,
		  int (*each)(void *user, const struct tracker_peer *p), void *user)
{
	struct tracker_peer about;

	set_now(t, now_s);
	for (uint32_t i = 0; i < t->n_slabs * SLAB_PEERS; i++) {
		const struct peer *p = peer_at(t, i);

		if ((p->flags & PEER_USED) == 0 || peer_is_expired(t, p))
			continue;
		describe(t, p, &about);
		if (each(user, &about) != 0)
			return;
	}
}

void tracker_tick(struct tracker *t, uint64_t now_s)
{
	set_now(t, now_s);
	expire(t, EXPIRE_PER_TICK);
}

void tracker_counts(const struct tracker *t, uint64_t *swarms, uint64_t *peers)
{
	*swarms = t->n_swarms;
	*peers = t->n_peers;
}

/* ---- invariants ---- */

static uint32_t check_swarm(const struct tracker *t, uint32_t number)
{
	const struct tracked_swarm *s = &t->swarms[number];

	assert(s->n > 0 && s->n <= s->cap && s->n_seeds <= s->n);
	assert(tracker_find_swarm(t, s->info_hash) == number);
	for (uint32_t i = 0; i < s->n; i++) {
		const struct peer *p = peer_at(t, swarm_places(s)[i]);
		struct addr addr;

		peer_addr(t, p, &addr);
		assert((p->flags & PEER_USED) != 0 && p->swarm == number && p->place == i);
		assert(((p->flags & PEER_SEED) != 0) == (i < s->n_seeds));
		assert(((p->flags & PEER_SEED) != 0) == (amount_get(p->left) == 0));
		assert(tracker_find_peer(t, number, &addr) == swarm_places(s)[i]);
		assert(tracker_host_peers(t, &addr) > 0);
		(void)addr;
	}
	return s->n;
}

static uint32_t check_queue(const struct tracker *t, int which)
{
	uint32_t n = 0, before = NO_PEER;

	for (uint32_t i = t->queues[which].first; i != NO_PEER; i = peer_at(t, i)->next) {
		const struct peer *p = peer_at(t, i);

		assert(p->prev == before && ((p->flags & PEER_SHOAL) != 0) == (which == 1));
		assert(before == NO_PEER || peer_at(t, before)->seen <= p->seen);
		before = i;
		n++;
		(void)p;
	}
	assert(t->queues[which].last == before);
	return n;
}

void tracker_check(const struct tracker *t)
{
	uint32_t peers = 0, swarms = 0;
	uint64_t hosts = 0;

	for (uint32_t i = 0; i < t->swarms_used; i++) {
		if (t->swarms[i].cap != 0) {
			peers += check_swarm(t, i);
			swarms++;
		}
	}
	for (uint32_t i = 0; i <= t->host_mask; i++)
		hosts += t->host_cells[i];
	assert(peers == t->n_peers && peers <= t->peers_max && swarms == t->n_swarms);
	assert(hosts == peers);
	assert(peers == t->peer_slots.n && swarms == t->swarm_slots.n);
	assert(peers == check_queue(t, 0) + check_queue(t, 1));
	(void)hosts;
	(void)swarms;
}
