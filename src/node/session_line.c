#include "node/session_line.h"

#include "base/ranges.h"
#include "node/base64.h"
#include "node/json_put.h"
#include "node/json_read.h"

void session_line_put(struct buf *out, json_t *j)
{
	size_t start = out->len;

	if (j == NULL || json_put(out, j, JSON_COMPACT) != 0)
		out->err = out->err == OK ? ERR_NOMEM : out->err;
	buf_put_u8(out, '\n');
	if (out->err != OK)
		out->len = start;
	json_decref(j);
}

/* ---- maps in ------------------------------------------------------------------------ */

static int bad(struct err_info *info, const char *key)
{
	return err_set(info, ERR_PROTO, "'%s' is not of this torrent", key);
}

static int take_ranges(const json_t *j, const char *key, bool has, uint32_t n,
		       session_pieces_fn *each, void *user, struct err_info *info)
{
	const json_t *text = json_object_get(j, key);
	uint32_t next = 0, first, last;
	struct bytes rest;
	int r;

	if (text == NULL)
		return OK;
	if (!json_is_string(text))
		return bad(info, key);
	rest = bytes_of(json_string_value(text), json_string_length(text));
	while ((r = ranges_next(&rest, n, &next, &first, &last)) > 0)
		each(user, first, last, has);
	return r < 0 ? bad(info, key) : OK;
}

/* Runs of ones, so that a map is not told bit by bit. */
static void tell_runs(const struct bitfield *b, uint32_t at, session_pieces_fn *each, void *user)
{
	for (uint32_t i = 0; i < b->n; i++) {
		uint32_t first = i;

		while (i < b->n && bitfield_has(b, i))
			i++;
		if (i > first)
			each(user, at + first, at + i - 1, true);
	}
}

static int take_bits(const json_t *j, uint32_t n, session_pieces_fn *each, void *user,
		     struct err_info *info)
{
	const json_t *text = json_object_get(j, "bits");
	struct bitfield b;
	struct buf raw;
	uint64_t at = 0;
	bool found;
	int err;

	if (text == NULL)
		return OK;
	if (!json_is_string(text) || json_read_u64(j, "at", n, &at, &found, info) < 0 ||
	    at % 8 != 0)
		return bad(info, "bits");
	buf_init(&raw, SESSION_BITS_MAX / 8);
	err = base64_take(bytes_of(json_string_value(text), json_string_length(text)), &raw);
	if (err == OK && at < n) {
		uint32_t bits = (uint32_t)raw.len * 8;

		err = bitfield_init(&b, bits < n - at ? bits : n - (uint32_t)at);
		if (err == OK)
			err = bitfield_load(&b, buf_bytes(&raw));
		if (err == OK)
			tell_runs(&b, (uint32_t)at, each, user);
		bitfield_fini(&b);
	} else if (raw.len > 0 || err == ERR_TOO_BIG) {
		err = ERR_PROTO;
	}
	buf_fini(&raw);
	return err == ERR_NOMEM ? err : err != OK ? bad(info, "bits") : OK;
}

int session_line_pieces(const json_t *j, uint32_t n, session_pieces_fn *each, void *user,
			struct err_info *info)
{
	int err = take_ranges(j, "got", true, n, each, user, info);

	if (err == OK)
		err = take_ranges(j, "lost", false, n, each, user, info);
	return err == OK ? take_bits(j, n, each, user, info) : err;
}

/* ---- maps out ------------------------------------------------------------------------- */

static int set_text(json_t *j, const char *key, const struct buf *text)
{
	json_t *value;

	if (text->err != OK)
		return ERR_NOMEM;
	value = json_stringn(text->len == 0 ? "" : (const char *)text->ptr, text->len);
	return json_object_set_new(j, key, value) == 0 ? OK : ERR_NOMEM;
}

static int set_map(json_t *j, const struct bitfield *part, uint32_t at)
{
	size_t shortest = bitfield_bytes(part->n) / 3 * 4 + 4;
	struct buf text;
	int err;

	buf_init(&text, shortest);
	/* Ranges count from the first piece of all. */
	if (at == 0)
		ranges_put(&text, part, UINT32_MAX);
	if (at == 0 && text.err == OK) {
		err = set_text(j, "got", &text);
	} else {
		buf_clear(&text);
		base64_put(&text, bytes_of(part->bits, bitfield_bytes(part->n)));
		err = set_text(j, "bits", &text);
		if (err == OK && at > 0)
			err = json_object_set_new(j, "at", json_integer(at)) == 0 ? OK : ERR_NOMEM;
	}
	buf_fini(&text);
	return err;
}

uint32_t session_line_set_map(json_t *j, const struct bitfield *map, uint32_t at)
{
	uint32_t n = map->n - at < SESSION_BITS_MAX ? map->n - at : SESSION_BITS_MAX;
	struct bitfield part;
	int err;

	/* All of a seed's in one line, whatever its size. */
	if (at == 0 && bitfield_full(map) && map->n > 0) {
		char all[24];

		snprintf(all, sizeof(all), "0-%u", map->n - 1);
		return json_object_set_new(j, "got", json_string(all)) == 0 ? map->n : 0;
	}
	if (bitfield_init(&part, n) != OK)
		return 0;
	memcpy(part.bits, map->bits + at / 8, bitfield_bytes(n));
	err = set_map(j, &part, at);
	bitfield_fini(&part);
	return err == OK ? n : 0;
}

int session_line_set_ranges(json_t *j, const char *key, const struct bitfield *pieces)
{
	struct buf text;
	int err;

	if (pieces->count == 0)
		return OK;
	buf_init(&text, 1u << 20);
	ranges_put(&text, pieces, UINT32_MAX);
	err = set_text(j, key, &text);
	buf_fini(&text);
	return err;
}

/* ---- addresses --------------------------------------------------------------------------- */

size_t session_line_peers(const json_t *j, enum addr_scope nearest, struct addr *out, size_t cap,
			  size_t *complete)
{
	json_int_t first = json_integer_value(json_object_get(j, "complete"));
	const json_t *item;
	size_t i, n = 0;

	*complete = 0;

	json_array_foreach(json_object_get(j, "peers"), i, item)
	{
		struct bytes text = bytes_of(json_string_value(item), json_string_length(item));

		if (n == cap)
			break;
		if (json_is_string(item) && addr_parse(text, 0, &out[n]) == OK &&
		    addr_is_dialable(&out[n]) && addr_may_name(nearest, &out[n])) {
			n++;
			if ((json_int_t)i < first)
				*complete = n;
		}
	}
	return n;
}
