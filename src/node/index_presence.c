#include "node/index_server_impl.h"

#include <stdlib.h>

#include "base/text.h"
#include "meta/magnet.h"
#include "node/entry_json.h"
#include "wire/handshake.h"

static int by_addr(const void *a, const void *b)
{
	const struct tracker_peer *x = a, *y = b;

	return memcmp(&x->addr, &y->addr, sizeof(x->addr));
}

static int by_left(const void *a, const void *b)
{
	const struct tracker_peer *x = a, *y = b;

	if (x->left != y->left)
		return x->left < y->left ? -1 : 1;
	return by_addr(a, b);
}

static int by_seen(const void *a, const void *b)
{
	const struct tracker_peer *x = a, *y = b;

	if (x->seen_s != y->seen_s)
		return x->seen_s > y->seen_s ? -1 : 1;
	return by_addr(a, b);
}

/* A peer of a hybrid torrent is in both of its swarms, and had perhaps got further at its
 * announce to one of them. */
static size_t merge_addresses(struct tracker_peer *list, size_t n)
{
	size_t kept = 0;

	qsort(list, n, sizeof(*list), by_addr);
	for (size_t i = 0; i < n; i++) {
		struct tracker_peer *into = kept == 0 ? NULL : &list[kept - 1];

		if (into == NULL || !addr_eq(&into->addr, &list[i].addr)) {
			list[kept++] = list[i];
			continue;
		}
		if (list[i].since_s < into->since_s)
			into->since_s = list[i].since_s;
		if (list[i].seen_s > into->seen_s)
			into->seen_s = list[i].seen_s;
		if (list[i].left < into->left)
			into->left = list[i].left;
	}
	return kept;
}

static size_t add_swarm(struct index_server *s, const uint8_t hash[20], uint32_t most, size_t *n,
			struct scrape_row *counts)
{
	struct shard_hold hold = {.all = s->shards};
	struct tracker *t = shards_enter(&hold, hash);
	size_t there = tracker_peers(t, hash, index_now_s(s), s->peers + *n, most);

	tracker_scrape(t, hash, index_now_s(s), counts);
	shards_leave(&hold);
	*n += there < most ? there : most;
	return there;
}

static void count(const struct entry *e, const struct tracker_peer *list, size_t n,
		  struct presence *out)
{
	*out = (struct presence){.online = (uint32_t)n};
	for (size_t i = 0; i < n; i++) {
		out->seeds += list[i].left == 0;
		out->holders += list[i].left == 0 || list[i].left < e->bytes;
	}
}

void index_presence(struct index_server *s, const struct entry *e, uint32_t most,
		    struct presence *out, size_t *n)
{
	struct scrape_row v1 = {0}, v2 = {0};
	bool all = true;

	*n = 0;
	if (e->has_v1)
		all = add_swarm(s, e->hash_v1, most, n, &v1) <= most;
	if (e->has_v2)
		all = add_swarm(s, e->hash_v2, most, n, &v2) <= most && all;
	if (e->has_v1 && e->has_v2)
		*n = merge_addresses(s->peers, *n);
	qsort(s->peers, *n, sizeof(*s->peers), by_left);
	count(e, s->peers, *n, out);
	if (!all) {
		const struct scrape_row *most_of =
		    v1.complete + v1.incomplete > v2.complete + v2.incomplete ? &v1 : &v2;

		out->online = most_of->complete + most_of->incomplete;
		out->holders = out->holders == *n ? out->online : out->holders;
		out->seeds = most_of->complete;
	}
}

/* ---- JSON ---- */

/* The tracker counts from some start; people want dates. */
static json_int_t wall_time(const struct index_server *s, uint64_t then_s)
{
	return (json_int_t)loop_wall_s() - (json_int_t)(index_now_s(s) - then_s);
}

/* "" when the tracker does not know. */
static const char *client_text(char out[CLIENT_TEXT_MAX], const struct tracker_peer *p)
{
	out[0] = '\0';
	return p->client_id[0] == 0 ? out : handshake_client(out, p->client_id);
}

static json_t *peer_json(const struct index_server *s, const struct tracker_peer *p)
{
	char addr[ADDR_TEXT_MAX], host[ADDR_TEXT_MAX], client[CLIENT_TEXT_MAX];

	return json_pack("{s:s, s:s, s:i, s:s, s:I, s:I}", "addr", addr_text(addr, &p->addr),
			 "host", addr_host_text(host, &p->addr), "port", (int)p->addr.port,
			 "client", client_text(client, p), "since", wall_time(s, p->since_s),
			 "seen", wall_time(s, p->seen_s));
}

/* In tenths, rounded down: 100.0 is complete and nothing else is. */
static double percent_of(uint64_t all, uint64_t left)
{
	double tenths;

	if (left == 0)
		return 100.0;
	if (left >= all)
		return 0.0;
	tenths = (double)(all - left) / (double)all * 1000;
	return (double)(tenths >= 999 ? 999 : (unsigned)tenths) / 10;
}

static int add_peer(json_t *list, json_t *peer)
{
	return peer == NULL ? -1 : json_array_append_new(list, peer);
}

static json_t *rate_json(const struct roster_member *m, uint32_t value)
{
	return m == NULL ? json_null() : json_integer(value);
}

static json_t *rtt_json(const struct roster_member *m)
{
	return m == NULL || m->session->rtt_us == 0 ? json_null()
						    : json_integer(m->session->rtt_us);
}

/* What only a session tells; `m` NULL: there is none. */
static json_t *session_json(const struct index_server *s, const struct roster_member *m,
			    double percent)
{
	char client[4 * ROSTER_CLIENT_MAX]; /* a byte becomes \xHH at most */
	json_t *j;

	if (m != NULL && m->map_known && m->n_pieces > 0)
		percent = percent_of(m->n_pieces, m->n_pieces - m->have);
	j = json_pack("{s:f, s:b, s:o, s:o, s:o}", "percent", percent, "session", m != NULL,
		      "rtt_us", rtt_json(m), "down_bps", rate_json(m, m == NULL ? 0 : m->down_bps),
		      "up_bps", rate_json(m, m == NULL ? 0 : m->up_bps));
	if (m == NULL || j == NULL)
		return j;
	if (json_object_set_new(j, "since", json_integer(wall_time(s, m->since_s))) != 0 ||
	    json_object_set_new(j, "seen",
				json_integer(wall_time(s, m->session->heard_ms / 1000))) != 0 ||
	    json_object_set_new(j, "client",
				json_string(text_escape(client, sizeof(client),
							bytes_str(m->session->client)))) != 0) {
		json_decref(j);
		return NULL;
	}
	return j;
}

static json_t *holder_json(const struct index_server *s, const struct entry *e,
			   const struct tracker_peer *p, const struct roster_member *m)
{
	json_t *j = peer_json(s, p), *more, *live;

	/* the tracker keeps no sums of bytes */
	more = json_pack("{s:I, s:n, s:n}", "left",
			 (json_int_t)(p->left < e->bytes ? p->left : e->bytes), "uploaded",
			 "downloaded");
	live = session_json(s, m, percent_of(e->bytes, p->left));
	if (j == NULL || more == NULL || live == NULL || json_object_update(j, more) != 0 ||
	    json_object_update(j, live) != 0) {
		json_decref(j);
		j = NULL;
	}
	json_decref(more);
	json_decref(live);
	return j;
}

struct roster_member *index_member_at(struct roster_member *const *list, size_t n,
				      const struct addr *addr)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = memcmp(&list[mid]->session->addr, addr, sizeof(*addr));

		if (c == 0)
			return list[mid];
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

json_t *index_holders_json(struct index_server *s, const struct entry *e)
{
	struct roster_member **live = NULL;
	json_t *list = json_array();
	struct presence p;
	size_t n, n_live = 0;
	int err = roster_list(s->roster, index_swarm_key(e), &live, &n_live);

	index_presence(s, e, INDEX_HOLDERS_MAX, &p, &n);
	for (size_t i = 0; err == OK && i < n && i < INDEX_HOLDERS_MAX; i++)
		err = add_peer(list, holder_json(s, e, &s->peers[i],
						 index_member_at(live, n_live, &s->peers[i].addr)));
	free(live);
	if (err != OK) {
		json_decref(list);
		return NULL;
	}
	return json_pack("{s:I, s:I, s:I, s:o}", "online", (json_int_t)p.online, "seeds",
			 (json_int_t)p.seeds, "holders", (json_int_t)p.holders, "peers", list);
}

static json_t *magnet(const struct entry *e)
{
	struct buf b;
	json_t *j = NULL;

	buf_init(&b, 4096);
	if (magnet_put_entry(e, &b) == OK)
		j = json_stringn((const char *)b.ptr, b.len);
	buf_fini(&b);
	return j;
}

json_t *index_entry_json(struct index_server *s, const struct entry *e)
{
	json_t *j = entry_json(e), *more;
	struct presence p;
	size_t n;

	index_presence(s, e, INDEX_COUNTED_MAX, &p, &n);
	more =
	    json_pack("{s:I, s:I, s:I, s:o}", "online", (json_int_t)p.online, "seeds",
		      (json_int_t)p.seeds, "holders", (json_int_t)p.holders, "magnet", magnet(e));
	if (j == NULL || more == NULL || json_object_update(j, more) != 0) {
		json_decref(j);
		j = NULL;
	}
	json_decref(more);
	return j;
}

/* ---- everyone ---- */

/* A peer, of how many swarms, and of how many of them it has all. */
struct member {
	struct tracker_peer peer;
	uint32_t swarms, seeding;
};

struct members {
	struct member *list;
	size_t n;
};

static int collect(void *user, const struct tracker_peer *p)
{
	struct members *m = user;

	m->list[m->n++] = (struct member){*p, 1, p->left == 0};
	return m->n == INDEX_PEERS_SCANNED;
}

static void collect_all(struct index_server *s, struct members *m)
{
	struct shard_hold hold = {.all = s->shards};

	for (unsigned i = 0; i < shards_count(s->shards) && m->n < INDEX_PEERS_SCANNED; i++)
		tracker_each(shards_enter_at(&hold, i), index_now_s(s), collect, m);
	shards_leave(&hold);
}

static int by_member_addr(const void *a, const void *b)
{
	return by_addr(&((const struct member *)a)->peer, &((const struct member *)b)->peer);
}

static int by_member_seen(const void *a, const void *b)
{
	return by_seen(&((const struct member *)a)->peer, &((const struct member *)b)->peer);
}

/* One row for each address. */
static size_t merge_swarms(struct member *list, size_t n)
{
	size_t kept = 0;

	qsort(list, n, sizeof(*list), by_member_addr);
	for (size_t i = 0; i < n; i++) {
		struct member *into = kept == 0 ? NULL : &list[kept - 1];

		if (into == NULL || !addr_eq(&into->peer.addr, &list[i].peer.addr)) {
			list[kept++] = list[i];
			continue;
		}
		into->swarms++;
		into->seeding += list[i].seeding;
		if (list[i].peer.since_s < into->peer.since_s)
			into->peer.since_s = list[i].peer.since_s;
		if (list[i].peer.seen_s > into->peer.seen_s)
			into->peer.seen_s = list[i].peer.seen_s;
	}
	qsort(list, kept, sizeof(*list), by_member_seen);
	return kept;
}

static json_t *members_json(const struct index_server *s, const struct member *list, size_t n)
{
	json_t *out = json_array();

	for (size_t i = 0; i < n; i++) {
		json_t *j = peer_json(s, &list[i].peer);

		if (j == NULL ||
		    json_object_set_new(j, "swarms", json_integer(list[i].swarms)) != 0 ||
		    json_object_set_new(j, "seeding", json_integer(list[i].seeding)) != 0 ||
		    json_array_append(out, j) != 0) {
			json_decref(j);
			json_decref(out);
			return NULL;
		}
		json_decref(j);
	}
	return out;
}

json_t *index_peers_json(struct index_server *s, uint32_t limit)
{
	struct members m = {.list = calloc(INDEX_PEERS_SCANNED, sizeof(*m.list))};
	json_t *list;
	size_t n, shown;

	if (m.list == NULL)
		return NULL;
	collect_all(s, &m);
	n = merge_swarms(m.list, m.n);
	shown = n < limit ? n : limit;
	list = members_json(s, m.list, shown);
	free(m.list);
	return json_pack("{s:o, s:I}", "peers", list, "left_out", (json_int_t)(n - shown));
}
