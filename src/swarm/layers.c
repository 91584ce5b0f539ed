#include "swarm/layers.h"

#include <stdlib.h>

#include "base/bencode.h"
#include "meta/merkle.h"

/* What a file lacks; files with the same content share one. */
struct layer {
	const struct meta_file *file;
	uint8_t *hashes; /* file->n_pieces; of a run that is asked for at the earliest */
	uint64_t width;	 /* of the whole layer, pads included: a power of two */
};

struct run {
	uint32_t layer, first;
	bool had, asked;
};

struct run_ask {
	bool out;
	uint32_t run;
	uint64_t asked_ms;
};

struct hash_peer {
	bool here;
	uint32_t pause_ms;
	uint64_t rest_until_ms;
	struct run_ask asks[LAYERS_ASKED_MAX];
};

struct layers {
	const struct metainfo *meta;
	struct layer *list;
	struct run *runs;
	uint32_t n, n_runs, n_had;
	uint32_t from; /* all runs before it are had or asked for */
	struct hash_peer peers[LAYERS_PEERS_MAX];
	uint32_t turn;
};

/* ---- what is missing ------------------------------------------------------------------- */

static uint32_t run_length(const struct layer *y)
{
	return y->width < LAYERS_RUN ? (uint32_t)y->width : LAYERS_RUN;
}

static uint32_t runs_of(const struct layer *y)
{
	return (y->file->n_pieces + run_length(y) - 1) / run_length(y);
}

static int by_root(const void *a, const void *b)
{
	const struct layer *x = a, *y = b;

	return memcmp(x->file->root, y->file->root, SHA256_LEN);
}

/* Sorted by roots, as the dictionary will be; each root once. */
static int list_layers(struct layers *l)
{
	const struct metainfo *m = l->meta;
	uint32_t n = 0, kept = 0;

	for (uint32_t i = 0; i < m->n_files; i++)
		n += m->files[i].has_root && m->files[i].layer == NULL;
	l->list = calloc(n + 1, sizeof(*l->list));
	if (l->list == NULL)
		return ERR_NOMEM;
	n = 0;
	for (uint32_t i = 0; i < m->n_files; i++)
		if (m->files[i].has_root && m->files[i].layer == NULL)
			l->list[n++] = (struct layer){.file = &m->files[i],
						      .width = merkle_width(m->files[i].n_pieces)};
	qsort(l->list, n, sizeof(*l->list), by_root);
	for (uint32_t i = 0; i < n; i++)
		if (kept == 0 || by_root(&l->list[kept - 1], &l->list[i]) != 0)
			l->list[kept++] = l->list[i];
	l->n = kept;
	return OK;
}

static int list_runs(struct layers *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		l->n_runs += runs_of(&l->list[i]);
	l->runs = calloc((size_t)l->n_runs + 1, sizeof(*l->runs));
	if (l->runs == NULL)
		return ERR_NOMEM;
	l->n_runs = 0;
	for (uint32_t i = 0; i < l->n; i++)
		for (uint32_t k = 0; k < runs_of(&l->list[i]); k++)
			l->runs[l->n_runs++] =
			    (struct run){i, k * run_length(&l->list[i]), false, false};
	return OK;
}

struct layers *layers_new(const struct metainfo *meta)
{
	struct layers *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->meta = meta;
	if (list_layers(l) == OK && list_runs(l) == OK)
		return l;
	layers_free(l);
	return NULL;
}

void layers_free(struct layers *l)
{
	if (l == NULL)
		return;
	for (uint32_t i = 0; i < l->n; i++)
		free(l->list[i].hashes);
	free(l->list);
	free(l->runs);
	free(l);
}

/* ---- peers ------------------------------------------------------------------------------ */

void layers_on_peer(struct layers *l, uint32_t peer)
{
	assert(peer < LAYERS_PEERS_MAX);
	l->peers[peer].here = true;
}

static void give_back(struct layers *l, uint32_t peer)
{
	for (uint32_t k = 0; k < LAYERS_ASKED_MAX; k++) {
		struct run_ask *a = &l->peers[peer].asks[k];

		if (!a->out)
			continue;
		a->out = false;
		l->runs[a->run].asked = false;
		if (a->run < l->from)
			l->from = a->run;
	}
}

void layers_on_closed(struct layers *l, uint32_t peer)
{
	give_back(l, peer);
	l->peers[peer] = (struct hash_peer){.here = false};
}

static void send_to_rest(struct layers *l, uint32_t peer, uint64_t now_ms)
{
	struct hash_peer *p = &l->peers[peer];

	give_back(l, peer);
	p->pause_ms = p->pause_ms == 0 ? LAYERS_PAUSE_MS : p->pause_ms * 2;
	if (p->pause_ms > LAYERS_PAUSE_MAX_MS)
		p->pause_ms = LAYERS_PAUSE_MAX_MS;
	p->rest_until_ms = now_ms + p->pause_ms;
}

static void check_patience(struct layers *l, uint64_t now_ms)
{
	for (uint32_t i = 0; i < LAYERS_PEERS_MAX; i++) {
		struct hash_peer *p = &l->peers[i];

		if (p->rest_until_ms <= now_ms)
			p->rest_until_ms = 0;
		for (uint32_t k = 0; k < LAYERS_ASKED_MAX; k++)
			if (p->asks[k].out && now_ms - p->asks[k].asked_ms >= LAYERS_PATIENCE_MS)
				send_to_rest(l, i, now_ms);
	}
}

/* ---- asking ------------------------------------------------------------------------------ */

static struct wire_hash_req request_of(const struct layers *l, const struct run *r)
{
	const struct layer *y = &l->list[r->layer];
	struct wire_hash_req q = {.base = merkle_height(l->meta->piece_length / BLOCK_BYTES),
				  .index = r->first,
				  .length = run_length(y),
				  /* Up to the root's children, those within the run counted. */
				  .proof = merkle_height(y->width) - 1};

	memcpy(q.root, y->file->root, sizeof(q.root));
	return q;
}

static struct run_ask *free_ask(struct hash_peer *p)
{
	for (uint32_t k = 0; k < LAYERS_ASKED_MAX; k++)
		if (!p->asks[k].out)
			return &p->asks[k];
	return NULL;
}

static struct hash_peer *choose_peer(struct layers *l, uint32_t *peer)
{
	for (uint32_t k = 0; k < LAYERS_PEERS_MAX; k++) {
		uint32_t i = (l->turn + k) % LAYERS_PEERS_MAX;
		struct hash_peer *p = &l->peers[i];

		if (!p->here || p->rest_until_ms > 0 || free_ask(p) == NULL)
			continue;
		*peer = i;
		l->turn = i + 1;
		return p;
	}
	return NULL;
}

bool layers_next(struct layers *l, uint64_t now_ms, uint32_t *peer, struct wire_hash_req *req)
{
	struct hash_peer *p;

	check_patience(l, now_ms);
	while (l->from < l->n_runs && (l->runs[l->from].had || l->runs[l->from].asked))
		l->from++;
	if (l->from == l->n_runs)
		return false;
	p = choose_peer(l, peer);
	if (p == NULL)
		return false;
	*free_ask(p) = (struct run_ask){true, l->from, now_ms};
	l->runs[l->from].asked = true;
	*req = request_of(l, &l->runs[l->from]);
	return true;
}

/* What it was asked and answers here; NULL: nothing. */
static struct run_ask *ask_of(struct layers *l, struct hash_peer *p, const struct wire_hash_req *q)
{
	for (uint32_t k = 0; k < LAYERS_ASKED_MAX; k++) {
		struct wire_hash_req want;

		if (!p->asks[k].out)
			continue;
		want = request_of(l, &l->runs[p->asks[k].run]);
		if (memcmp(want.root, q->root, sizeof(q->root)) == 0 && want.base == q->base &&
		    want.index == q->index && want.length == q->length)
			return &p->asks[k];
	}
	return NULL;
}

static bool holds(const struct layer *y, const struct wire_msg *m)
{
	uint32_t uncles = merkle_height(y->width) - merkle_height(m->hash.length);
	size_t bytes = (size_t)m->hash.length * SHA256_LEN;

	return m->body.len >= bytes + (size_t)uncles * SHA256_LEN &&
	       merkle_proof_holds(m->body.ptr, m->hash.length, m->hash.index, m->body.ptr + bytes,
				  uncles, y->file->root);
}

static int keep(struct layer *y, const struct run *r, const uint8_t *hashes)
{
	uint32_t n = y->file->n_pieces - r->first;

	if (y->hashes == NULL)
		y->hashes = malloc((size_t)y->file->n_pieces * SHA256_LEN);
	if (y->hashes == NULL)
		return ERR_NOMEM;
	memcpy(y->hashes + (size_t)r->first * SHA256_LEN, hashes,
	       (size_t)(n < run_length(y) ? n : run_length(y)) * SHA256_LEN);
	return OK;
}

int layers_on_message(struct layers *l, uint32_t peer, const struct wire_msg *m, uint64_t now_ms,
		      bool *taken)
{
	struct hash_peer *p = &l->peers[peer];
	struct run_ask *a = ask_of(l, p, &m->hash);
	struct run *r;

	*taken = false;
	if (a == NULL)
		return OK;
	if (m->type == WIRE_HASH_REJECT) {
		send_to_rest(l, peer, now_ms);
		return OK;
	}
	r = &l->runs[a->run];
	if (!holds(&l->list[r->layer], m))
		return ERR_PROTO;
	if (keep(&l->list[r->layer], r, m->body.ptr) != OK) {
		send_to_rest(l, peer, now_ms);
		return OK;
	}
	a->out = false;
	p->pause_ms = 0;
	r->had = true;
	l->n_had++;
	*taken = true;
	return OK;
}

/* ---- looking in ---------------------------------------------------------------------------- */

uint64_t layers_deadline_ms(const struct layers *l)
{
	uint64_t at = UINT64_MAX;

	for (uint32_t i = 0; i < LAYERS_PEERS_MAX; i++) {
		const struct hash_peer *p = &l->peers[i];

		if (p->rest_until_ms > 0 && p->rest_until_ms < at)
			at = p->rest_until_ms;
		for (uint32_t k = 0; k < LAYERS_ASKED_MAX; k++)
			if (p->asks[k].out && p->asks[k].asked_ms + LAYERS_PATIENCE_MS < at)
				at = p->asks[k].asked_ms + LAYERS_PATIENCE_MS;
	}
	return at;
}

bool layers_done(const struct layers *l)
{
	return l->n_had == l->n_runs;
}

uint32_t layers_peers(const struct layers *l)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < LAYERS_PEERS_MAX; i++)
		n += l->peers[i].here;
	return n;
}

int layers_put(const struct layers *l, struct buf *out)
{
	assert(layers_done(l));
	benc_put_raw(out, 'd');
	for (uint32_t i = 0; i < l->n; i++) {
		const struct layer *y = &l->list[i];

		benc_put_bytes(out, bytes_of(y->file->root, SHA256_LEN));
		benc_put_bytes(out, bytes_of(y->hashes, (size_t)y->file->n_pieces * SHA256_LEN));
	}
	benc_put_raw(out, 'e');
	return out->err;
}
