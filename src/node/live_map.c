/* node/live_map.c - what an index is told of the pieces of a torrent. */
#include "base/text.h"
#include "node/live_book.h"
#include "node/session_line.h"

/* Ranges longer than this are told as bits. */
#define RANGES_BYTES_MAX 40000u

static bool was_told(const struct live_torrent *t, uint32_t i)
{
	return t->told.bits == NULL ? t->told_n > 0 : bitfield_has(&t->told, i);
}

/* To be remembered as told; made before anything is said, so that what was said can be. */
static int copy_map(struct bitfield *out, const struct bitfield *have)
{
	*out = (struct bitfield){.bits = NULL};
	return have->count == 0 || bitfield_full(have) ? OK : bitfield_copy(out, have);
}

/* All lines are there, or none and nothing counts as told. Takes `copy`. */
static int settle(struct live_torrent *t, const struct live_view *v, struct bitfield *copy, int err,
		  struct buf *out, size_t start)
{
	if (err != OK) {
		out->len = start;
		out->err = OK;
		bitfield_fini(copy);
		return err;
	}
	bitfield_fini(&t->told);
	t->told = *copy;
	t->told_n = v->have->count;
	return OK;
}

static int set_hash(json_t *j, const char *key, bool there, const uint8_t *hash, size_t len)
{
	char hex[2 * SHA256_LEN + 1];

	if (!there)
		return OK;
	text_hex(hex, bytes_of(hash, len));
	return json_object_set_new(j, key, json_string(hex)) == 0 ? OK : ERR_NOMEM;
}

/* The parts of a map that did not fit the first line, from `at` on. */
static int put_rest(const struct live_torrent *t, const struct bitfield *have, uint32_t at,
		    struct buf *out)
{
	while (at < have->n) {
		json_t *j = json_pack("{s:s, s:I}", "t", "change", "id", (json_int_t)t->number);
		uint32_t told = j == NULL ? 0 : session_line_set_map(j, have, at);

		if (told == 0) {
			json_decref(j);
			return ERR_NOMEM;
		}
		session_line_put(out, j);
		at += told;
	}
	return out->err;
}

static int put_join(const struct live_torrent *t, const struct live_view *v, struct buf *out)
{
	const struct metainfo *m = t->meta;
	json_t *j = json_pack("{s:s, s:I, s:I, s:I}", "t", "join", "id", (json_int_t)t->number,
			      "pieces", (json_int_t)m->n_pieces, "left", (json_int_t)v->left);
	uint32_t told = m->n_pieces;

	if (j == NULL || set_hash(j, "v1", m->v1, m->hash_v1, SHA1_LEN) != OK ||
	    set_hash(j, "v2", m->v2, m->hash_v2, SHA256_LEN) != OK) {
		json_decref(j);
		return ERR_NOMEM;
	}
	if (v->have->count > 0)
		told = session_line_set_map(j, v->have, 0);
	if (told == 0 && m->n_pieces > 0) {
		json_decref(j);
		return ERR_NOMEM;
	}
	session_line_put(out, j);
	return put_rest(t, v->have, told, out);
}

int live_map_join(struct live_torrent *t, const struct live_view *v, struct buf *out)
{
	size_t start = out->len;
	struct bitfield copy;

	if (copy_map(&copy, v->have) != OK)
		return ERR_NOMEM;
	return settle(t, v, &copy, put_join(t, v, out), out, start);
}

static int compare(const struct live_torrent *t, const struct bitfield *have, struct bitfield *got,
		   struct bitfield *lost)
{
	if (bitfield_init(got, have->n) != OK)
		return ERR_NOMEM;
	if (bitfield_init(lost, have->n) != OK) {
		bitfield_fini(got);
		return ERR_NOMEM;
	}
	for (uint32_t i = 0; i < have->n; i++) {
		bool now, before;

		if (t->told.bits != NULL && i % 8 == 0 && i + 8 <= have->n &&
		    t->told.bits[i / 8] == have->bits[i / 8]) {
			i += 7;
			continue;
		}
		now = bitfield_has(have, i);
		before = was_told(t, i);

		if (now && !before)
			bitfield_set(got, i);
		else if (before && !now)
			bitfield_set(lost, i);
	}
	return OK;
}

static bool is_as_told(const struct live_torrent *t, const struct bitfield *have)
{
	if (t->told_n != have->count)
		return false;
	return t->told.bits == NULL ||
	       memcmp(t->told.bits, have->bits, bitfield_bytes(have->n)) == 0;
}

/* Nearly always a few ranges. */
static int put_change(const struct live_torrent *t, const struct live_view *v,
		      const struct bitfield *got, const struct bitfield *lost, struct buf *out)
{
	size_t start = out->len;
	json_t *j = json_pack("{s:s, s:I, s:I}", "t", "change", "id", (json_int_t)t->number, "left",
			      (json_int_t)v->left);

	if (j == NULL || session_line_set_ranges(j, "got", got) != OK ||
	    session_line_set_ranges(j, "lost", lost) != OK) {
		json_decref(j);
		return ERR_NOMEM;
	}
	session_line_put(out, j);
	if (out->err != OK || out->len - start <= RANGES_BYTES_MAX)
		return out->err;
	/* Anew: nothing, and then all there is. */
	out->len = start;
	j = json_pack("{s:s, s:I, s:I, s:o}", "t", "change", "id", (json_int_t)t->number, "left",
		      (json_int_t)v->left, "lost",
		      json_sprintf("0-%u", v->have->n == 0 ? 0 : v->have->n - 1));
	session_line_put(out, j);
	return out->err != OK ? out->err : put_rest(t, v->have, 0, out);
}

int live_map_change(struct live_torrent *t, const struct live_view *v, struct buf *out)
{
	struct bitfield copy, got, lost;
	size_t start = out->len;
	int err;

	if (is_as_told(t, v->have))
		return OK;
	if (copy_map(&copy, v->have) != OK)
		return ERR_NOMEM;
	err = compare(t, v->have, &got, &lost);
	if (err == OK) {
		err = put_change(t, v, &got, &lost, out);
		bitfield_fini(&got);
		bitfield_fini(&lost);
	}
	return settle(t, v, &copy, err, out, start);
}
