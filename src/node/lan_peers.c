#include "node/lan_peers.h"

#include <stdlib.h>

#include "base/text.h"
#include "net/entropy.h"
#include "net/mcast.h"
#include "node/metadata_fetch_impl.h"
#include "wire/lsd.h"

#define DATAGRAM_MAX 1400u

struct lan_peers {
	struct node *node;
	struct mcast *groups[2]; /* [v6]; NULL: not that family */
	struct loop_timer *timer;
	char cookie[LSD_COOKIE_MAX + 1]; /* by which we know our own words */
	uint32_t at;			 /* the transfer that is looked at first */
	uint32_t spent;			 /* of the burst */
	uint64_t spent_ms, refresh_ms, heard_s;
	uint32_t n_heard; /* in that second */
};

static uint64_t now_ms(const struct lan_peers *p)
{
	return loop_now_ms(p->node->loop);
}

/* ---- saying ------------------------------------------------------------------------------ */

/* Announces come back one a minute. */
static bool may_say(struct lan_peers *p)
{
	uint64_t back = (now_ms(p) - p->spent_ms) / LAN_PEERS_MINUTE_MS;

	if (back > 0) {
		p->spent -= back < p->spent ? (uint32_t)back : p->spent;
		p->spent_ms += back * LAN_PEERS_MINUTE_MS;
	}
	return p->spent < LAN_PEERS_BURST;
}

static void put_hash(struct lsd *m, bool has, const uint8_t *hash)
{
	if (has)
		memcpy(m->hashes[m->n_hashes++], hash, SHA1_LEN);
}

/* For both names of one; else it is said in a later datagram. */
static bool has_room(const struct lsd *m)
{
	return m->n_hashes + 2 <= LSD_HASHES_MAX;
}

static bool link_is_due(const struct lan_peers *p, const struct metadata_fetch *f)
{
	return f->result == ERR_AGAIN &&
	       (f->lan_ms == 0 || now_ms(p) - f->lan_ms >= LAN_PEERS_EVERY_MS);
}

static bool is_due(const struct lan_peers *p, const struct transfer *t)
{
	return t->live_ms != 0 && !t->leaving && !t->meta->private && t->phase != TRANSFER_FAILED &&
	       transfer_takes_all(t) &&
	       (t->lan_ms == 0 || now_ms(p) - t->lan_ms >= LAN_PEERS_EVERY_MS);
}

/* Those who ask what a link means come first: there are few of them, and somebody waits. */
static void list_due(struct lan_peers *p, struct lsd *m)
{
	struct node *n = p->node;

	for (struct metadata_fetch *f = n->fetches; f != NULL && has_room(m); f = f->next) {
		if (!link_is_due(p, f))
			continue;
		f->lan_ms = now_ms(p);
		put_hash(m, f->named.v1, f->named.hash_v1);
		put_hash(m, f->named.v2, f->named.hash_v2);
	}
	for (uint32_t i = 0; i < n->n_transfers && has_room(m); i++) {
		struct transfer *t = n->transfers[p->at++ % n->n_transfers];

		if (!is_due(p, t))
			continue;
		t->lan_ms = now_ms(p);
		put_hash(m, t->meta->v1, t->meta->hash_v1);
		put_hash(m, t->meta->v2, t->meta->hash_v2);
	}
}

static void say(struct lan_peers *p)
{
	struct lsd m = {.port = p->node->port};
	struct buf out;

	memcpy(m.cookie, p->cookie, sizeof(m.cookie));
	list_due(p, &m);
	if (m.n_hashes == 0)
		return;
	p->spent++;
	for (int v6 = 0; v6 < 2; v6++) {
		m.v6 = v6 != 0;
		buf_init(&out, DATAGRAM_MAX);
		if (p->groups[v6] != NULL && lsd_encode(&out, &m) == OK)
			(void)mcast_send(p->groups[v6], buf_bytes(&out));
		buf_fini(&out);
	}
}

static void on_timer(void *arg)
{
	struct lan_peers *p = arg;

	if (now_ms(p) >= p->refresh_ms) {
		p->refresh_ms = now_ms(p) + LAN_PEERS_REFRESH_MS;
		for (int v6 = 0; v6 < 2; v6++)
			if (p->groups[v6] != NULL)
				mcast_refresh(p->groups[v6]);
	}
	if (may_say(p))
		say(p);
	loop_timer_set(p->timer, LAN_PEERS_LOOK_MS);
}

/* ---- hearing ------------------------------------------------------------------------------- */

static bool may_hear(struct lan_peers *p)
{
	if (p->heard_s != now_ms(p) / 1000) {
		p->heard_s = now_ms(p) / 1000;
		p->n_heard = 0;
	}
	return p->n_heard++ < LAN_PEERS_HEARD_PER_S;
}

static bool has_hash(const struct lsd *m, const uint8_t *hash)
{
	for (uint32_t i = 0; i < m->n_hashes; i++)
		if (memcmp(m->hashes[i], hash, SHA1_LEN) == 0)
			return true;
	return false;
}

static void tell_transfer(struct lan_peers *p, struct transfer *t, const struct lsd *m,
			  const struct addr *a)
{
	if (t->live_ms == 0 || t->leaving || t->meta->private || !transfer_takes(t, a))
		return;
	/* Who knows v2's name alone, from a link, would not know us by v1's, with which a hybrid
	 * torrent is dialed for: so it is told again where we are, and dials. */
	if (t->meta->v1 && t->meta->v2 && !has_hash(m, t->meta->hash_v1))
		t->lan_ms = 0;
	swarm_on_addresses(t->swarm, a, 1, SOURCE_LSD, now_ms(p), &t->fx);
	transfer_perform(t);
}

static void on_datagram(void *user, const struct mcast_from *from, struct bytes data)
{
	struct lan_peers *p = user;
	struct addr at = from->addr;
	struct lsd m;

	if (!from->on_link || !may_hear(p) || lsd_decode(&m, data) < 0 ||
	    strcmp(m.cookie, p->cookie) == 0)
		return;
	at.port = m.port;
	for (uint32_t i = 0; i < m.n_hashes; i++) {
		struct transfer *t = node_transfer_by_hash(p->node, m.hashes[i]);
		struct metadata_fetch *f = metadata_fetch_by_hash(p->node, m.hashes[i]);

		if (t != NULL)
			tell_transfer(p, t, &m, &at);
		if (f != NULL)
			metadata_fetch_on_addresses(f, &at, 1, SOURCE_LSD);
	}
	node_settle(p->node);
}

/* ---- life ------------------------------------------------------------------------------------ */

static int join(struct lan_peers *p, bool v6, struct err_info *info)
{
	struct mcast_params mp = {
	    .loop = p->node->loop,
	    .group_v4 = v6 ? NULL : LSD_GROUP_V4,
	    .group_v6 = v6 ? LSD_GROUP_V6 : NULL,
	    .port = LSD_PORT,
	    .member = true,
	    .hops = 1,
	    .on_datagram = on_datagram,
	    .user = p,
	};

	return mcast_new(&mp, &p->groups[v6], info);
}

int lan_peers_new(struct node *n, struct lan_peers **out, struct err_info *info)
{
	struct lan_peers *p = calloc(1, sizeof(*p));
	uint8_t random[LSD_COOKIE_MAX / 2];
	struct err_info why;
	int err;

	if (p == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	p->node = n;
	p->spent_ms = now_ms(p);
	entropy_fill(random, sizeof(random));
	text_hex(p->cookie, bytes_of(random, sizeof(random)));
	p->timer = loop_timer_new(n->loop, on_timer, p);
	err = p->timer == NULL ? err_set(info, ERR_NOMEM, "out of memory") : join(p, false, info);
	/* One family is enough. */
	if (p->timer != NULL && join(p, true, &why) == OK)
		err = OK;
	if (err != OK) {
		lan_peers_free(p);
		return err;
	}
	loop_timer_set(p->timer, 0);
	*out = p;
	return OK;
}

void lan_peers_free(struct lan_peers *p)
{
	if (p == NULL)
		return;
	for (int v6 = 0; v6 < 2; v6++)
		mcast_free(p->groups[v6]);
	loop_timer_free(p->timer);
	free(p);
}
