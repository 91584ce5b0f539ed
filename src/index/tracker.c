#include "index/tracker.h"

#include <stdio.h>
#include <stdlib.h>

#include "index/tracker_impl.h"
#include "wire/handshake.h"

/* Work of expiry in one go, as wheel_expire() counts it. An announce drops more than it adds, so
 * the tracker cannot fall behind, and no call takes long. */
#define EXPIRE_PER_CALL 64u
#define EXPIRE_PER_TICK 8000u
/* When our clock waits for it. */
#define EXPIRE_LATE 80000u

static bool is_site(const struct tracker_site *s)
{
	return s->site != 0 && s->bits <= (s->prefix.v6 ? 128 : 32);
}

void tracker_set_sites(struct tracker *t, const struct tracker_site *sites, uint32_t n)
{
	t->n_sites = 0;
	for (uint32_t i = 0; i < n && t->n_sites < TRACKER_SITES_MAX; i++) {
		if (is_site(&sites[i]))
			t->sites[t->n_sites++] = sites[i];
	}
}

struct tracker *tracker_new(const struct tracker_params *p)
{
	struct tracker *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->host_cells = calloc((size_t)HOST_CELLS * HOST_ROWS, sizeof(*t->host_cells));
	if (t->host_cells == NULL) {
		free(t);
		return NULL;
	}
	t->key = p->key;
	t->peers_max = p->peers_max == 0 ? TRACKER_PEERS_MAX : p->peers_max;
	t->open_slab = NONE;
	tracker_set_sites(t, p->sites, p->n_sites);
	rng_seed(&t->rng, p->seed);
	facts_init(t);
	wheel_init(t);
	return t;
}

void tracker_free(struct tracker *t)
{
	if (t == NULL)
		return;
	cards_fini(t);
	table_fini(t);
	free(t->host_cells);
	free(t);
}

/* While our clock waits for expiry, as after a long sleep of the machine, that comes first: who
 * announces would be taken for silent since then. */
static void set_now(struct tracker *t, uint64_t now_s, uint32_t most)
{
	wheel_set_now(t, now_s);
	wheel_expire(t, t->real >= t->due + LAG_MAX_S ? EXPIRE_LATE : most);
}

/* The swarms of one torrent, [0] of IPv4, [1] of IPv6; NONE where there are no peers. Those that
 * are looked up are always up to date, however late expiry is. */
struct twins {
	uint32_t swarms[2];
};

static uint32_t find_swarm(struct tracker *t, uint64_t hash, const uint8_t info_hash[20], bool v6)
{
	uint32_t swarm = table_find(t, hash, info_hash, v6);

	if (swarm == NONE || t->due > t->now)
		return swarm;
	wheel_expire_card(t, swarm);
	return table_find(t, hash, info_hash, v6);
}

static struct twins find_twins(struct tracker *t, const uint8_t info_hash[20], bool v6_first)
{
	uint64_t hash = table_hash(t, info_hash);
	struct twins out;
	uint32_t first = find_swarm(t, hash, info_hash, v6_first);

	out.swarms[v6_first] = first;
	out.swarms[!v6_first] = NONE;
	if (first == NONE || card_at(t, first)->has_twin)
		out.swarms[!v6_first] = find_swarm(t, hash, info_hash, !v6_first);
	return out;
}

/* ---- announce ---- */

static void refuse(struct announce_reply *out, const char *why)
{
	out->failed = true;
	snprintf(out->failure, sizeof(out->failure), "%s", why);
}

static void put_counts(const struct tracker *t, struct twins twins, struct scrape_row *out)
{
	for (int i = 0; i < 2; i++) {
		const struct card *s = twins.swarms[i] == NONE ? NULL : card_at(t, twins.swarms[i]);

		if (s == NULL)
			continue;
		out->complete += swarm_counts(s).seeds;
		out->incomplete += swarm_counts(s).leeches;
		out->downloaded += s->as.swarm.downloaded;
	}
}

static void put_head(const struct tracker *t, const struct announce *a, struct twins twins,
		     struct announce_reply *out)
{
	struct scrape_row counts = {.complete = 0};
	bool ours = handshake_is_shoal(a->peer_id);

	put_counts(t, twins, &counts);
	out->complete = counts.complete;
	out->incomplete = counts.incomplete;
	out->downloaded = counts.downloaded;
	out->interval_s = ours ? TRACKER_SHOAL_INTERVAL_S : TRACKER_INTERVAL_S;
	out->min_interval_s = ours ? TRACKER_SHOAL_MIN_INTERVAL_S : TRACKER_MIN_INTERVAL_S;
}

/* Who stops must know the peer id it came with, so that a neighbour behind the same address
 * does not send others away (D-33). */
static void on_stopped(struct tracker *t, const struct announce *a, struct spot spot)
{
	if (spot.card != NONE && facts_same_program(t, facts_at(card_at(t, spot.card), spot.at), a))
		tracker_remove_peer(t, spot);
}

static int admit(struct tracker *t, const struct announce *a, const struct addr *addr,
		 struct spot *spot, struct announce_reply *out)
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
		wheel_evict(t);
	return tracker_add_peer(t, a, addr, spot);
}

int tracker_announce(struct tracker *t, const struct announce *a, const struct addr *from,
		     const struct addr *here, uint64_t now_s, struct announce_reply *out)
{
	struct addr addr = *from;
	struct twins twins;
	struct spot spot = NO_SPOT;
	int r = 0;

	memset(out, 0, sizeof(*out));
	set_now(t, now_s, EXPIRE_PER_CALL);
	addr.port = a->port;
	twins = find_twins(t, a->info_hash, addr.v6);
	if (twins.swarms[addr.v6] != NONE)
		spot = tracker_find_peer(t, twins.swarms[addr.v6], &addr);
	if (a->event == EVENT_STOPPED) {
		on_stopped(t, a, spot);
		put_head(t, a, find_twins(t, a->info_hash, addr.v6), out);
		return 0;
	}
	if (spot.card != NONE) {
		r = tracker_touch_peer(t, &spot, a);
	} else {
		r = admit(t, a, &addr, &spot, out);
		twins = find_twins(t, a->info_hash, addr.v6);
	}
	if (r < 0 || out->failed)
		return r;
	put_head(t, a, twins, out);
	out->n_peers =
	    tracker_pick(t, a, twins.swarms[addr.v6], twins.swarms[!addr.v6], spot, &addr, here);
	out->peers = t->picks;
	return 0;
}

/* ---- questions ---- */

void tracker_look(struct tracker *t, const uint8_t info_hash[20], uint32_t numwant,
		  const struct addr *from, const struct addr *here, uint64_t now_s,
		  struct announce_reply *out)
{
	struct announce a = {.left = UINT64_MAX, .numwant = numwant};
	struct twins twins;

	memset(out, 0, sizeof(*out));
	set_now(t, now_s, EXPIRE_PER_CALL);
	memcpy(a.info_hash, info_hash, sizeof(a.info_hash));
	twins = find_twins(t, info_hash, from->v6);
	put_head(t, &a, twins, out);
	out->n_peers = tracker_pick(t, &a, twins.swarms[from->v6], twins.swarms[!from->v6], NO_SPOT,
				    from, here);
	out->peers = t->picks;
}

void tracker_scrape(struct tracker *t, const uint8_t info_hash[20], uint64_t now_s,
		    struct scrape_row *out)
{
	set_now(t, now_s, EXPIRE_PER_CALL);
	memset(out, 0, sizeof(*out));
	memcpy(out->info_hash, info_hash, 20);
	put_counts(t, find_twins(t, info_hash, false), out);
}

bool tracker_tick(struct tracker *t, uint64_t now_s)
{
	set_now(t, now_s, EXPIRE_PER_TICK);
	return t->n_peers > 0 && t->due <= t->real;
}

void tracker_counts(const struct tracker *t, uint64_t *swarms, uint64_t *peers)
{
	*swarms = t->n_torrents;
	*peers = t->n_peers;
}
