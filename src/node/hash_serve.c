/* node/hash_serve.c - answers hash requests below the piece layer.
 *
 * The piece layer is in the metainfo; the hashes beneath it are not kept anywhere, so the piece
 * is read and its 16 KiB blocks are hashed by a worker. Served are runs inside one piece, which
 * is what peers ask for to find a bad block.
 *
 * Source: BEP 52 "hash request": hashes of the base layer first, then the uncles on the way to
 * the root; of the proof layers asked for, the first log2(length) - 1 are left out. */
#include "node/link.h"

#include <stdlib.h>

#include "meta/merkle.h"

/* Requests being worked on, for one torrent (attack: each costs the reading of a piece). */
#define HASH_TASKS_MAX 64
/* And for one peer: what a peer of our kind asks for at a time, a bad piece and STALE_ASKS_PEER
 * stale ones, and one more. */
#define HASH_TASKS_PEER 10

struct hash_task {
	struct hash_task *next;
	struct peer_ref peer;
	struct wire_hash_req req;
	uint32_t piece, first_node; /* of the run, counted within the piece's nodes at `base` */
};

static void reject(struct transfer *t, struct peer_ref peer, const struct wire_hash_req *req)
{
	struct wire_msg m = {.type = WIRE_HASH_REJECT, .hash = *req};
	struct link *l = transfer_link(t, peer);

	if (l != NULL)
		link_send(l, &m);
}

/* Blocks beneath one piece-layer hash of this file. */
static uint32_t width_of(const struct metainfo *m, const struct meta_file *f)
{
	if (f->length <= m->piece_length)
		return (uint32_t)merkle_width(merkle_leaves(f->length));
	return m->piece_length / BLOCK_BYTES;
}

static bool locate(const struct transfer *t, const struct wire_hash_req *r, struct hash_task *task)
{
	const struct metainfo *m = t->meta;
	const struct meta_file *f = meta_file_by_root(m, r->root);
	uint32_t nodes;

	if (f == NULL || r->length == 0 || r->length > WIRE_HASHES_MAX ||
	    (r->length & (r->length - 1)) != 0 || r->index % r->length != 0 || r->base > 13)
		return false;
	nodes = width_of(m, f) >> r->base;
	if (nodes == 0 || r->length > nodes || r->index / nodes >= f->n_pieces)
		return false;
	task->piece = f->first_piece + r->index / nodes;
	task->first_node = r->index % nodes;
	return bitfield_has(swarm_have(t->swarm), task->piece);
}

static bool has_room(const struct transfer *t, struct peer_ref peer)
{
	uint32_t n = 0, of_peer = 0;

	for (const struct hash_task *i = t->hash_tasks; i != NULL; i = i->next) {
		n++;
		of_peer += peer_ref_eq(i->peer, peer);
	}
	return n < HASH_TASKS_MAX && of_peer < HASH_TASKS_PEER;
}

void hash_serve(struct transfer *t, struct peer_ref peer, const struct wire_hash_req *req)
{
	struct hash_task *task = NULL;

	if (has_room(t, peer))
		task = calloc(1, sizeof(*task));
	if (task == NULL || !locate(t, req, task)) {
		free(task);
		reject(t, peer, req);
		return;
	}
	task->peer = peer;
	task->req = *req;
	if (store_leaves(t->store, task->piece, (uintptr_t)task) != OK) {
		free(task);
		reject(t, peer, req);
		return;
	}
	task->next = t->hash_tasks;
	t->hash_tasks = task;
}

/* Turn `n` nodes into the n / 2 above them. */
static void level_up(uint8_t *nodes, uint32_t n)
{
	for (uint32_t i = 0; i < n / 2; i++)
		sha256_pair(nodes + (size_t)i * 64, nodes + (size_t)i * 64 + 32,
			    nodes + (size_t)i * 32);
}

/* Append the sibling of node `i` on each level, from `n` nodes up to the one on top, until
 * `*left` hashes were given. */
static void put_uncles(uint8_t *nodes, uint32_t n, uint32_t i, uint32_t *left, struct buf *out)
{
	for (; n > 1 && *left > 0; n /= 2, i /= 2, (*left)--) {
		(void)buf_put(out, bytes_of(nodes + (size_t)(i ^ 1) * 32, 32));
		level_up(nodes, n);
	}
}

/* The uncles above the piece layer, from the metainfo. */
static void put_upper_uncles(const struct metainfo *m, const struct meta_file *f, uint32_t piece,
			     uint32_t left, struct buf *out)
{
	uint32_t level = merkle_height(m->piece_length / BLOCK_BYTES);
	uint32_t top = level + merkle_height(merkle_width(f->n_pieces));
	uint8_t node[SHA256_LEN];

	for (piece -= f->first_piece; level < top && left > 0; level++, left--, piece /= 2) {
		meta_upper_node(m, f, level, piece ^ 1, node);
		(void)buf_put(out, bytes_of(node, sizeof(node)));
	}
}

/* `nodes` has room for the whole width of the piece; its first `n` are the real leaves. */
static int put_answer(const struct metainfo *m, const struct hash_task *task, uint8_t *nodes,
		      uint32_t n, uint32_t width, struct buf *out)
{
	const struct wire_hash_req *r = &task->req;
	uint32_t omitted = r->length > 1 ? merkle_height(r->length) - 1 : 0;
	uint32_t uncles = r->proof > omitted ? r->proof - omitted : 0;
	uint32_t i = task->first_node;

	if (uncles > WIRE_PROOF_MAX)
		return ERR_TOO_BIG;
	memset(nodes + (size_t)n * 32, 0, (size_t)(width - n) * 32);
	for (uint32_t b = 0; b < r->base; b++, width /= 2)
		level_up(nodes, width);
	(void)buf_put(out, bytes_of(nodes + (size_t)i * 32, (size_t)r->length * 32));
	for (uint32_t len = r->length; len > 1; len /= 2, width /= 2, i /= 2)
		level_up(nodes, width);
	put_uncles(nodes, width, i, &uncles, out);
	put_upper_uncles(m, meta_piece_file(m, task->piece), task->piece, uncles, out);
	return out->err;
}

static void answer(struct transfer *t, const struct hash_task *task, const uint8_t *leaves,
		   uint32_t n)
{
	uint32_t width = width_of(t->meta, meta_piece_file(t->meta, task->piece));
	uint8_t *nodes = n == 0 ? NULL : malloc((size_t)width * 32);
	struct wire_msg m = {.type = WIRE_HASHES, .hash = task->req};
	struct link *l = transfer_link(t, task->peer);
	struct buf out;
	int err = ERR_NOMEM;

	/* In a hybrid, pads follow a file that is shorter than its piece. */
	if (n > width)
		n = width;
	buf_init(&out, (WIRE_HASHES_MAX + WIRE_PROOF_MAX) * 32u);
	if (nodes != NULL) {
		memcpy(nodes, leaves, (size_t)n * 32);
		err = put_answer(t->meta, task, nodes, n, width, &out);
	}
	m.body = buf_bytes(&out);
	if (err != OK)
		reject(t, task->peer, &task->req);
	else if (l != NULL)
		link_send(l, &m);
	buf_fini(&out);
	free(nodes);
}

void hash_serve_on_leaves(struct transfer *t, uint64_t token, const uint8_t *leaves, uint32_t n)
{
	struct hash_task **at = &t->hash_tasks;

	while (*at != NULL && (uintptr_t)*at != token)
		at = &(*at)->next;
	if (*at != NULL) {
		struct hash_task *task = *at;

		*at = task->next;
		answer(t, task, leaves, n);
		free(task);
	}
}

void hash_serve_fini(struct transfer *t)
{
	while (t->hash_tasks != NULL) {
		struct hash_task *task = t->hash_tasks;

		t->hash_tasks = task->next;
		free(task);
	}
}
