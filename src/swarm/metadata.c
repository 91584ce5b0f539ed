#include "swarm/metadata.h"

#include <stdlib.h>

#include "base/bitfield.h"

#define NOBODY UINT32_MAX

struct ask {
	bool out;
	uint32_t piece;
	uint64_t asked_ms;
};

struct source {
	bool here;
	uint32_t bytes; /* it claims; 0: it has nothing */
	uint32_t wrong; /* whole copies */
	uint32_t pause_ms;
	uint64_t rest_until_ms;
	struct ask asks[METADATA_ASKED_MAX];
};

struct copy {
	uint8_t *data; /* NULL: the place is free */
	uint32_t bytes, pieces, n_have;
	uint32_t owner; /* NOBODY: everybody works on it */
	uint64_t begun_ms;
	struct bitfield have;
};

struct metadata {
	struct metadata_params p;
	struct source sources[METADATA_PEERS_MAX];
	struct copy copies[METADATA_COPIES_MAX];
	uint32_t turn; /* who is looked at first: all get their share */
	bool alone;    /* each copy is one peer's */
	struct copy *done;
};

struct metadata *metadata_new(const struct metadata_params *p)
{
	struct metadata *m = calloc(1, sizeof(*m));

	assert(p->has_v1 || p->has_v2);
	if (m != NULL)
		m->p = *p;
	return m;
}

static void drop_copy(struct copy *c)
{
	free(c->data);
	bitfield_fini(&c->have);
	*c = (struct copy){.data = NULL};
}

void metadata_free(struct metadata *m)
{
	if (m == NULL)
		return;
	for (uint32_t i = 0; i < METADATA_COPIES_MAX; i++)
		drop_copy(&m->copies[i]);
	free(m);
}

/* ---- copies ------------------------------------------------------------------------- */

static struct copy *copy_of(struct metadata *m, uint32_t peer)
{
	for (uint32_t i = 0; i < METADATA_COPIES_MAX; i++) {
		struct copy *c = &m->copies[i];

		if (c->data != NULL &&
		    (m->alone ? c->owner == peer : c->bytes == m->sources[peer].bytes))
			return c;
	}
	return NULL;
}

static void forget_asks(struct source *s)
{
	for (uint32_t k = 0; k < METADATA_ASKED_MAX; k++)
		s->asks[k].out = false;
}

/* Pauses grow, so that one who never gives anything costs less and less. */
static void send_to_rest(struct metadata *m, uint32_t peer, uint64_t now_ms)
{
	struct source *s = &m->sources[peer];
	struct copy *c = copy_of(m, peer);

	forget_asks(s);
	s->pause_ms = s->pause_ms == 0 ? METADATA_PAUSE_MS : s->pause_ms * 2;
	if (s->pause_ms > METADATA_PAUSE_MAX_MS)
		s->pause_ms = METADATA_PAUSE_MAX_MS;
	s->rest_until_ms = now_ms + s->pause_ms;
	if (m->alone && c != NULL)
		drop_copy(c);
}

static void give_up(struct metadata *m, struct copy *c, uint64_t now_ms)
{
	for (uint32_t i = 0; i < METADATA_PEERS_MAX; i++)
		if (m->sources[i].here && copy_of(m, i) == c)
			send_to_rest(m, i, now_ms);
	drop_copy(c);
}

/* A free place, or that of a copy that takes too long; NULL: none. */
static struct copy *find_place(struct metadata *m, uint64_t now_ms)
{
	struct copy *oldest = &m->copies[0];

	for (uint32_t i = 0; i < METADATA_COPIES_MAX; i++) {
		if (m->copies[i].data == NULL)
			return &m->copies[i];
		if (m->copies[i].begun_ms < oldest->begun_ms)
			oldest = &m->copies[i];
	}
	if (now_ms - oldest->begun_ms < METADATA_COPY_MS)
		return NULL;
	give_up(m, oldest, now_ms);
	return oldest;
}

static struct copy *begin_copy(struct metadata *m, uint32_t peer, uint64_t now_ms)
{
	struct copy *c = find_place(m, now_ms);

	if (c == NULL)
		return NULL;
	c->bytes = m->sources[peer].bytes;
	c->pieces = ext_metadata_pieces(c->bytes);
	c->owner = m->alone ? peer : NOBODY;
	c->begun_ms = now_ms;
	c->data = malloc(c->bytes);
	if (c->data != NULL && bitfield_init(&c->have, c->pieces) == OK)
		return c;
	drop_copy(c);
	return NULL;
}

/* Somebody who works on a copy alone and is gone, or silent, keeps no place. A copy that nobody of
 * its size is there for keeps none either. */
static void review_copy(struct metadata *m, struct copy *c)
{
	for (uint32_t i = 0; i < METADATA_PEERS_MAX; i++)
		if (m->sources[i].here && copy_of(m, i) == c)
			return;
	drop_copy(c);
}

static void review_copies(struct metadata *m)
{
	for (uint32_t i = 0; i < METADATA_COPIES_MAX; i++)
		if (m->copies[i].data != NULL && &m->copies[i] != m->done)
			review_copy(m, &m->copies[i]);
}

static void work_alone(struct metadata *m)
{
	m->alone = true;
	for (uint32_t i = 0; i < METADATA_COPIES_MAX; i++)
		drop_copy(&m->copies[i]);
	for (uint32_t i = 0; i < METADATA_PEERS_MAX; i++)
		forget_asks(&m->sources[i]);
}

static bool is_right(const struct metadata *m, const struct copy *c)
{
	struct bytes all = bytes_of(c->data, c->bytes);
	uint8_t v1[SHA1_LEN], v2[SHA256_LEN];

	sha1_of(all, v1);
	sha256_of(all, v2);
	return (!m->p.has_v1 || memcmp(v1, m->p.hash_v1, sizeof(v1)) == 0) &&
	       (!m->p.has_v2 || memcmp(v2, m->p.hash_v2, sizeof(v2)) == 0);
}

/* The last piece of a copy came, from `peer`. */
static int judge(struct metadata *m, struct copy *c, uint32_t peer)
{
	if (is_right(m, c)) {
		m->done = c;
		return OK;
	}
	if (!m->alone) {
		work_alone(m);
		return OK;
	}
	drop_copy(c);
	forget_asks(&m->sources[peer]);
	return ++m->sources[peer].wrong >= METADATA_WRONG_MAX ? ERR_DENIED : OK;
}

/* ---- peers ---------------------------------------------------------------------------- */

int metadata_on_size(struct metadata *m, uint32_t peer, uint64_t bytes)
{
	struct source *s = &m->sources[peer];

	assert(peer < METADATA_PEERS_MAX);
	if (bytes > EXT_METADATA_MAX || (s->bytes != 0 && bytes != 0 && bytes != s->bytes))
		return ERR_PROTO;
	s->here = true;
	if (bytes != 0)
		s->bytes = (uint32_t)bytes;
	return OK;
}

bool metadata_on_closed(struct metadata *m, uint32_t peer)
{
	bool lied = m->sources[peer].wrong > 0;

	m->sources[peer] = (struct source){.here = false};
	review_copies(m);
	return lied;
}

static void check_patience(struct metadata *m, uint64_t now_ms)
{
	for (uint32_t i = 0; i < METADATA_PEERS_MAX; i++) {
		struct source *s = &m->sources[i];

		if (s->rest_until_ms <= now_ms)
			s->rest_until_ms = 0;
		for (uint32_t k = 0; k < METADATA_ASKED_MAX; k++) {
			if (s->asks[k].out && now_ms - s->asks[k].asked_ms >= METADATA_PATIENCE_MS)
				send_to_rest(m, i, now_ms);
		}
	}
}

/* ---- asking ---------------------------------------------------------------------------- */

static struct ask *ask_of(struct source *s, uint32_t piece)
{
	for (uint32_t k = 0; k < METADATA_ASKED_MAX; k++)
		if (s->asks[k].out && s->asks[k].piece == piece)
			return &s->asks[k];
	return NULL;
}

static struct ask *free_ask(struct source *s)
{
	for (uint32_t k = 0; k < METADATA_ASKED_MAX; k++)
		if (!s->asks[k].out)
			return &s->asks[k];
	return NULL;
}

static uint32_t askers_of(struct metadata *m, const struct copy *c, uint32_t piece)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < METADATA_PEERS_MAX; i++)
		n += ask_of(&m->sources[i], piece) != NULL && copy_of(m, i) == c;
	return n;
}

/* What is missing and was asked of the fewest: the last pieces are asked of several, so that one
 * slow peer does not hold up all. */
static bool choose_piece(struct metadata *m, const struct copy *c, uint32_t peer, uint32_t *piece)
{
	uint32_t least = METADATA_RACE_MAX;

	for (uint32_t i = 0; i < c->pieces && least > 0; i++) {
		uint32_t n;

		if (bitfield_has(&c->have, i) || ask_of(&m->sources[peer], i) != NULL)
			continue;
		n = askers_of(m, c, i);
		if (n >= least)
			continue;
		least = n;
		*piece = i;
	}
	return least < METADATA_RACE_MAX;
}

bool metadata_next(struct metadata *m, uint64_t now_ms, uint32_t *peer, uint32_t *piece)
{
	if (m->done != NULL)
		return false;
	check_patience(m, now_ms);
	for (uint32_t k = 0; k < METADATA_PEERS_MAX; k++) {
		uint32_t i = (m->turn + k) % METADATA_PEERS_MAX;
		struct source *s = &m->sources[i];
		struct ask *ask = free_ask(s);
		struct copy *c;

		if (!s->here || s->bytes == 0 || s->rest_until_ms > 0 || ask == NULL)
			continue;
		c = copy_of(m, i);
		if (c == NULL)
			c = begin_copy(m, i, now_ms);
		if (c == NULL || !choose_piece(m, c, i, piece))
			continue;
		*ask = (struct ask){true, *piece, now_ms};
		*peer = i;
		m->turn = i + 1;
		return true;
	}
	return false;
}

static int on_data(struct metadata *m, uint32_t peer, const struct ext_metadata *msg, bool *taken)
{
	struct source *s = &m->sources[peer];
	struct ask *ask = ask_of(s, msg->piece);
	struct copy *c;

	if (msg->total_bytes != s->bytes)
		return ERR_PROTO;
	/* Late, or for a copy that was given up. */
	if (ask == NULL)
		return OK;
	*taken = true;
	ask->out = false;
	s->pause_ms = 0;
	c = copy_of(m, peer);
	if (c == NULL || bitfield_has(&c->have, msg->piece))
		return OK;
	memcpy(c->data + (size_t)msg->piece * EXT_METADATA_PIECE, msg->data.ptr, msg->data.len);
	bitfield_set(&c->have, msg->piece);
	return ++c->n_have < c->pieces ? OK : judge(m, c, peer);
}

int metadata_on_message(struct metadata *m, uint32_t peer, const struct ext_metadata *msg,
			uint64_t now_ms, bool *taken)
{
	struct source *s = &m->sources[peer];

	*taken = false;
	if (m->done != NULL || !s->here)
		return OK;
	if (msg->type == EXT_METADATA_DATA)
		return on_data(m, peer, msg, taken);
	if (msg->type == EXT_METADATA_REJECT && ask_of(s, msg->piece) != NULL)
		send_to_rest(m, peer, now_ms);
	return OK;
}

/* ---- looking in -------------------------------------------------------------------------- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t metadata_deadline_ms(const struct metadata *m, uint64_t now_ms)
{
	uint64_t at = UINT64_MAX;

	if (m->done != NULL)
		return at;
	for (uint32_t i = 0; i < METADATA_PEERS_MAX; i++) {
		const struct source *s = &m->sources[i];

		if (!s->here || s->bytes == 0)
			continue;
		if (s->rest_until_ms > 0)
			at = earlier(at, s->rest_until_ms);
		for (uint32_t k = 0; k < METADATA_ASKED_MAX; k++)
			if (s->asks[k].out)
				at = earlier(at, s->asks[k].asked_ms + METADATA_PATIENCE_MS);
	}
	for (uint32_t i = 0; i < METADATA_COPIES_MAX; i++) {
		const struct copy *c = &m->copies[i];

		if (c->data != NULL && c->begun_ms + METADATA_COPY_MS > now_ms)
			at = earlier(at, c->begun_ms + METADATA_COPY_MS);
	}
	return at;
}

struct bytes metadata_result(const struct metadata *m)
{
	return m->done == NULL ? bytes_of(NULL, 0) : bytes_of(m->done->data, m->done->bytes);
}

bool metadata_copy(const struct metadata *m, uint32_t number, struct metadata_copy *out)
{
	const struct copy *c = &m->copies[number];

	if (c->data == NULL || c == m->done)
		return false;
	*out = (struct metadata_copy){c->n_have * EXT_METADATA_PIECE, c->begun_ms};
	return true;
}

void metadata_give_up(struct metadata *m, uint32_t number, uint64_t now_ms)
{
	give_up(m, &m->copies[number], now_ms);
}

void metadata_progress(const struct metadata *m, uint32_t *have, uint32_t *pieces)
{
	*have = *pieces = 0;
	for (uint32_t i = 0; i < METADATA_COPIES_MAX; i++) {
		const struct copy *c = &m->copies[i];

		if (c->data == NULL || c->n_have < *have)
			continue;
		*have = c->n_have;
		*pieces = c->pieces;
	}
}
