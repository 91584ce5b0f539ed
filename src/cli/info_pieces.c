#include "cli/info_pieces.h"

#include <stdio.h>

#include "base/ranges.h"
#include "base/text.h"
#include "cli/entries.h"
#include "cli/out.h"
#include "meta/metainfo.h"
#include "node/base64.h"

/* ---- copies per piece ------------------------------------------------------------ */

static uint64_t count_at(const json_t *copies, size_t i)
{
	json_int_t v = json_integer_value(json_array_get(copies, i));

	return v > 0 ? (uint64_t)v : 0;
}

/* "1 copy   ########  812 pieces" */
static void print_row(size_t from, size_t to, bool more, uint64_t pieces, uint64_t most)
{
	char label[48], bar[INFO_BAR_MAX + 1];
	size_t len = most == 0 ? 0 : (size_t)((double)pieces / (double)most * INFO_BAR_MAX);

	if (len == 0 && pieces > 0)
		len = 1;
	memset(bar, '#', len);
	bar[len] = '\0';
	if (from == to)
		snprintf(label, sizeof(label), "%zu%s", from, more ? "+" : "");
	else
		snprintf(label, sizeof(label), "%zu-%zu%s", from, to, more ? "+" : "");
	printf("  %7s  %-*s  %llu\n", label, (int)INFO_BAR_MAX, bar, (unsigned long long)pieces);
}

/* Where copies are spread wide, neighbours share a row. */
static void print_histogram(const json_t *copies)
{
	size_t n = json_array_size(copies), first = 0, step;
	uint64_t rows[INFO_ROWS_MAX + 1] = {0}, most = 0;

	while (first < n && count_at(copies, first) == 0)
		first++;
	if (first == n)
		return;
	step = (n - first + INFO_ROWS_MAX - 1) / INFO_ROWS_MAX;
	for (size_t i = first; i < n; i++)
		rows[(i - first) / step] += count_at(copies, i);
	for (size_t i = 0; i < INFO_ROWS_MAX; i++)
		most = rows[i] > most ? rows[i] : most;
	puts("\ncopies of a piece, and how many pieces have so many:");
	for (size_t i = first; i < n; i += step) {
		size_t to = i + step < n ? i + step - 1 : n - 1;

		print_row(i, to, to == n - 1 && n >= 64, rows[(i - first) / step], most);
	}
}

static void print_rarest(const json_t *rarest)
{
	char text[4096];
	json_int_t copies = entries_int(rarest, "copies");

	snprintf(text, sizeof(text), "%lld %s: %s", (long long)copies,
		 copies == 1 ? "copy" : "copies", entries_str(rarest, "ranges"));
	out_field("rarest pieces", text);
}

void info_pieces_print(const json_t *pieces)
{
	json_int_t n = entries_int(pieces, "pieces"), length = entries_int(pieces, "piece_length");
	json_int_t milli = entries_int(pieces, "distributed_milli");
	json_int_t known = entries_int(pieces, "known"), unknown = entries_int(pieces, "unknown");
	char text[160], size[32];

	if (pieces == NULL || n <= 0)
		return;
	text_size(size, sizeof(size), length < 0 ? 0 : (uint64_t)length);
	if (known == 0 && unknown == 0)
		snprintf(text, sizeof(text), "%lld of %s; no holder is on line", (long long)n,
			 size);
	else
		snprintf(text, sizeof(text),
			 "%lld of %s; %lld holder%s say%s which they have, %lld %s not",
			 (long long)n, size, (long long)known, known == 1 ? "" : "s",
			 known == 1 ? "s" : "", (long long)unknown, unknown == 1 ? "does" : "do");
	out_field("pieces", text);
	out_field("can complete",
		  json_is_true(json_object_get(pieces, "can_complete")) ? "yes" : "no");
	if (known <= 0)
		return;
	snprintf(text, sizeof(text), "%lld.%03lld distributed", (long long)(milli / 1000),
		 (long long)(milli % 1000));
	out_field("copies", text);
	print_rarest(json_object_get(pieces, "rarest"));
	print_histogram(json_object_get(pieces, "copies"));
}

/* ---- holders ------------------------------------------------------------------------- */

/* "0-99,104" of base64. False: it is no map of n pieces. */
static bool spell(const json_t *map, json_int_t n, struct buf *out)
{
	struct bitfield b = {0};
	struct buf raw;
	bool good = false;

	if (n <= 0 || n > META_PIECES_MAX || !json_is_string(map))
		return false;
	buf_init(&raw, bitfield_bytes((uint32_t)n));
	if (base64_take(bytes_of(json_string_value(map), json_string_length(map)), &raw) == OK &&
	    bitfield_init(&b, (uint32_t)n) == OK && bitfield_load(&b, buf_bytes(&raw)) == OK) {
		if (ranges_put(out, &b, INFO_RANGES_MAX) > 0)
			buf_put_str(out, ",...");
		good = true;
	}
	bitfield_fini(&b);
	buf_fini(&raw);
	return good;
}

static const json_t *holder_at(const json_t *pieces, const char *addr)
{
	const json_t *h;
	size_t i;

	json_array_foreach(json_object_get(pieces, "holders"), i, h)
	{
		if (strcmp(entries_str(h, "addr"), addr) == 0)
			return h;
	}
	return NULL;
}

void info_pieces_print_holders(const json_t *pieces, const json_t *peers)
{
	static const char *const columns[] = {"PEER", "HAS", "PIECES"};
	static const bool right[] = {false, true, false};
	struct out_table *t = out_table_new(columns, 3, right);
	json_int_t n = entries_int(pieces, "pieces");
	const json_t *p;
	size_t i;

	json_array_foreach(peers, i, p)
	{
		const json_t *h = holder_at(pieces, entries_str(p, "addr"));
		char has[32] = "?";
		struct buf text;

		buf_init(&text, 1u << 20);
		if (h != NULL)
			snprintf(has, sizeof(has), "%lld", (long long)entries_int(h, "have"));
		if (h == NULL || !spell(json_object_get(h, "map"), n, &text))
			buf_put_str(&text, "unknown");
		else if (text.len == 0)
			buf_put_str(&text, "none");
		out_row(t);
		out_cell(t, entries_str(p, "addr"));
		out_cell(t, has);
		out_cell(t, buf_cstr(&text) == NULL ? "?" : buf_cstr(&text));
		buf_fini(&text);
	}
	out_table_print(t);
}

void info_pieces_spell(json_t *pieces, bool holders)
{
	json_int_t n = entries_int(pieces, "pieces");
	json_t *h;
	size_t i;

	if (!holders) {
		json_object_del(pieces, "holders");
		return;
	}
	json_array_foreach(json_object_get(pieces, "holders"), i, h)
	{
		struct buf text;

		buf_init(&text, 1u << 20);
		if (spell(json_object_get(h, "map"), n, &text) && text.err == OK)
			json_object_set_new(
			    h, "ranges",
			    json_stringn(text.len == 0 ? "" : (const char *)text.ptr, text.len));
		json_object_del(h, "map");
		buf_fini(&text);
	}
}
