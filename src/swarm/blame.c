#include "swarm/blame.h"

#include <stdlib.h>

#include "base/grow.h"

static size_t record_bytes(const struct blame_record *r)
{
	return (size_t)r->n_blocks * (SHA256_LEN + sizeof(*r->by)) +
	       r->n_senders * sizeof(*r->senders);
}

static void record_fini(struct blame_record *r)
{
	free(r->hashes);
	free(r->by);
	free(r->senders);
}

static void remove_at(struct blame *b, uint32_t i)
{
	b->bytes -= record_bytes(&b->list[i]);
	record_fini(&b->list[i]);
	b->n--;
	memmove(&b->list[i], &b->list[i + 1], (b->n - i) * sizeof(*b->list));
}

void blame_fini(struct blame *b)
{
	while (b->n > 0)
		remove_at(b, b->n - 1);
	free(b->list);
	*b = (struct blame){0};
}

static int record_init(struct blame_record *r, const struct open_piece *o, const uint8_t *hashes)
{
	*r = (struct blame_record){
	    .piece = o->piece, .n_blocks = o->n_blocks, .n_senders = o->n_senders};
	r->hashes = malloc((size_t)o->n_blocks * SHA256_LEN);
	r->by = malloc(o->n_blocks * sizeof(*r->by));
	r->senders = malloc((o->n_senders + 1) * sizeof(*r->senders));
	if (r->hashes == NULL || r->by == NULL || r->senders == NULL) {
		record_fini(r);
		return ERR_NOMEM;
	}
	memcpy(r->hashes, hashes, (size_t)o->n_blocks * SHA256_LEN);
	for (uint32_t i = 0; i < o->n_blocks; i++)
		r->by[i] = o->blocks[i].by;
	if (o->n_senders > 0)
		memcpy(r->senders, o->senders, o->n_senders * sizeof(*r->senders));
	return 0;
}

int blame_keep(struct blame *b, const struct open_piece *o, const uint8_t *hashes)
{
	struct blame_record r;
	struct blame_record *grown = grow(b->list, b->n, &b->cap, 4, sizeof(*grown));

	if (grown == NULL)
		return ERR_NOMEM;
	b->list = grown;
	if (record_init(&r, o, hashes) < 0)
		return ERR_NOMEM;
	b->list[b->n++] = r;
	b->bytes += record_bytes(&r);
	while (b->n > BLAME_RECORDS_MAX || (b->bytes > BLAME_BYTES_MAX && b->n > 1))
		remove_at(b, 0);
	return 0;
}

const struct blame_record *blame_newest(const struct blame *b, uint32_t piece)
{
	for (uint32_t i = b->n; i > 0; i--) {
		if (b->list[i - 1].piece == piece)
			return &b->list[i - 1];
	}
	return NULL;
}

bool blame_has(const struct blame *b, uint32_t piece)
{
	return blame_newest(b, piece) != NULL;
}

bool blame_differs(const struct blame_record *r, uint32_t block, const uint8_t *truth)
{
	size_t off = (size_t)block * SHA256_LEN;

	return memcmp(r->hashes + off, truth + off, SHA256_LEN) != 0;
}

static bool is_guilty(const struct blame_record *r, uint32_t sender, const uint8_t *truth)
{
	for (uint32_t i = 0; i < r->n_blocks; i++) {
		if (r->by[i] == sender + 1 && blame_differs(r, i, truth))
			return true;
	}
	return false;
}

bool blame_settle(struct blame *b, uint32_t piece, const uint8_t *truth, struct sender *out,
		  uint32_t cap, uint32_t *n_out)
{
	const struct blame_record *r = blame_newest(b, piece);

	*n_out = 0;
	if (r == NULL)
		return false;
	for (uint32_t i = 0; i < r->n_senders && *n_out < cap; i++) {
		if (is_guilty(r, i, truth))
			out[(*n_out)++] = r->senders[i];
	}
	remove_at(b, (uint32_t)(r - b->list));
	return true;
}

void blame_forget(struct blame *b, uint32_t piece)
{
	for (uint32_t i = b->n; i > 0; i--) {
		if (b->list[i - 1].piece == piece)
			remove_at(b, i - 1);
	}
}
