/* node/link_handshake.c - which torrent a connection is for, and who is there. */
#include "node/link.h"

#include "node/metadata_fetch_impl.h"
#include "wire/mse.h"

/* Of our node, for this peer; 0: none. */
static uint16_t link_dht_port(const struct link *l)
{
	return l->node->dht == NULL ? 0 : node_dht_port(l->node->dht, l->t, &l->addr);
}

void link_say_dht_port(struct link *l)
{
	uint16_t port = link_dht_port(l);

	if (l->has_dht && l->state == LINK_OPEN && port != 0)
		link_send(l, &(struct wire_msg){.type = WIRE_PORT, .port = port});
}

void link_send_handshake(struct link *l, const uint8_t hash[20])
{
	struct handshake h = {
	    .fast = true, .extended = true, .dht = link_dht_port(l) != 0, .v2 = l->t->meta->v2};
	uint8_t raw[HANDSHAKE_LEN];

	memcpy(h.info_hash, hash, sizeof(h.info_hash));
	memcpy(h.peer_id, l->node->peer_id, sizeof(h.peer_id));
	handshake_encode(&h, raw);
	(void)buf_put(&l->out, bytes_of(raw, sizeof(raw)));
	l->handshake_sent = true;
	link_mark_dirty(l);
}

/* Source: BEP 52 "upgrade path": a peer that names the v1 hash of a hybrid torrent and sets the
 * v2 bit is answered with the v2 hash; both sides then know that the other speaks v2. */
static const uint8_t *reply_hash(const struct link *l, const struct handshake *h)
{
	const struct metainfo *m = l->t->meta;

	if (m->v1 && m->v2 && h->v2)
		return m->hash_v2;
	return h->info_hash;
}

static bool names_v2(const struct metainfo *m, const struct handshake *h)
{
	return m->v2 && (h->v2 || memcmp(h->info_hash, m->hash_v2, sizeof(h->info_hash)) == 0);
}

static bool find_torrent(struct link *l, const struct handshake *h)
{
	struct node *n = l->node;
	struct transfer *t;

	if (l->t != NULL) /* we dialed for it */
		return meta_has_swarm_hash(l->t->meta, h->info_hash);
	t = node_transfer_by_hash(n, h->info_hash);
	/* Before it is known what we have, a swarm takes nobody in. */
	if (t == NULL || t->leaving || t->phase == TRANSFER_CHECKING ||
	    t->phase == TRANSFER_FAILED || !transfer_takes(t, &l->addr) ||
	    swarm_is_banned(t->swarm, &l->addr, loop_now_ms(n->loop)))
		return false;
	link_stranger_gone(l);
	l->t = t;
	return true;
}

/* Nobody has the torrent, but a link to it is being asked about: the connection is for that. */
static bool hand_to_fetch(struct link *l, const struct handshake *h, struct bytes in)
{
	struct metadata_fetch *f = metadata_fetch_by_hash(l->node, h->info_hash);
	struct link_passing g = {.from = l->addr, .incoming = true, .hello = h};

	if (l->t != NULL || f == NULL)
		return false;
	g.in = bytes_sub(in, HANDSHAKE_LEN, in.len - HANDSHAKE_LEN);
	g.stream = l->stream;
	l->stream = (struct stream){.fd = -1};
	g.out = bytes_sub(buf_bytes(&l->out), l->out_sent, l->out.len - l->out_sent);
	g.rc4 = link_crypt_ciphers(l, &g.reads, &g.writes);
	/* Closed links keep their memory until the turn ends. */
	link_close(l, NULL);
	fetch_peer_adopt(f, &g);
	return true;
}

/* `met`: before there was a transfer. */
static void open_peer(struct link *l, const struct handshake *h, bool met)
{
	struct transfer *t = l->t;
	struct peer_hello hello = {
	    .addr = l->addr,
	    .incoming = l->incoming,
	    .met = met,
	    .fast = h->fast,
	    .extended = h->extended,
	    .v2 = l->v2,
	    .utp = stream_is_utp(&l->stream),
	    .rtt_us = l->rtt_us,
	};
	const char *why = "not wanted";
	struct link *former;

	memcpy(hello.peer_id, h->peer_id, sizeof(hello.peer_id));
	l->ref = swarm_on_connected(t->swarm, &hello, loop_now_ms(l->node->loop), &why, &t->fx);
	if (l->ref.slot == UINT32_MAX) {
		link_close(l, why);
		transfer_perform(t);
		return;
	}
	l->state = LINK_OPEN;
	/* A peer that was sent away for this one may have left it its slot, and then the CLOSE that
	 * waits among the effects would find nobody. */
	former = transfer_slot(t, l->ref.slot);
	if (former != NULL)
		link_close(former, "gives way to another connection");
	if (!transfer_set_link(t, l->ref, l)) {
		link_lost(l, "out of memory");
		return;
	}
	transfer_perform(t);
	l->has_dht = h->dht;
	link_say_dht_port(l);
}

size_t link_take_handshake(struct link *l, struct bytes in)
{
	struct handshake h;
	int used = handshake_decode(&h, in);

	if (used == 0)
		return 0;
	if (used < 0 && l->incoming && l->crypt == NULL && !mse_is_foreign(in))
		return link_crypt_sniff(l, in);
	if (used > 0 && l->node->encryption == NODE_ENCRYPT_REQUIRE && !link_is_sealed(l)) {
		link_lost(l, "is not encrypted");
		return 0;
	}
	if (used < 0) {
		link_lost(l, "not a BitTorrent handshake");
		return 0;
	}
	if (!find_torrent(l, &h)) {
		if (hand_to_fetch(l, &h, in))
			return 0;
		link_lost(l, "asks for a torrent that is not here");
		return 0;
	}
	l->v2 = names_v2(l->t->meta, &h);
	if (l->rtt_us == 0)
		l->rtt_us = stream_rtt_us(&l->stream);
	if (!l->handshake_sent)
		link_send_handshake(l, reply_hash(l, &h));
	/* Transmission 3.00 looks at what is behind it in the same packet of uTP only when another
	 * one comes. */
	if (stream_is_utp(&l->stream) && !link_flush_messages(l))
		return 0;
	open_peer(l, &h, false);
	return l->state == LINK_DEAD ? 0 : (size_t)used;
}

void link_resume(struct link *l, const struct handshake *h)
{
	l->v2 = names_v2(l->t->meta, h);
	l->rtt_us = stream_rtt_us(&l->stream);
	open_peer(l, h, true);
}
