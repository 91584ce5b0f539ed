/* meta/metainfo.c - takes a .torrent apart: the outer and the info dictionary. */
#include "meta/metainfo.h"

#include "meta/metainfo_impl.h"

#include <stdlib.h>

/* One pass over `dict`: a benc_find per key would scan a long file list again and
 * again. Returns META_OK, or META_DUPLICATE_KEY when a known key is there twice. */
static enum meta_fault read_fields(const struct benc *dict, struct meta_field *fields, size_t n)
{
	struct benc_iter it = benc_iter(dict);
	struct bytes key;
	struct benc value;

	while (benc_next(&it, &key, &value)) {
		for (size_t i = 0; i < n; i++) {
			if (!bytes_eq(key, bytes_str(fields[i].key)))
				continue;
			if (fields[i].found)
				return META_DUPLICATE_KEY;
			fields[i].found = true;
			fields[i].value = value;
		}
	}
	return META_OK;
}

const struct benc *meta_field_of(const struct meta_field *f, enum benc_type type)
{
	return f->found && f->value.type == type ? &f->value : NULL;
}

static bool is_blank(uint8_t c)
{
	return c == '\r' || c == '\n' || c == ' ' || c == '\t';
}

struct bytes meta_trim(struct bytes torrent)
{
	while (torrent.len > 0 && is_blank(torrent.ptr[torrent.len - 1]))
		torrent.len--;
	return torrent;
}

/* One value and nothing after it, or nothing but `blanks`, as editors and scripts leave them. */
static enum meta_fault parse_whole(struct bytes in, bool blanks, struct benc *out,
				   struct benc_facts *facts)
{
	int n;

	if (in.len > META_BYTES_MAX)
		return META_TOO_LARGE;
	n = benc_parse(in, out, facts);
	if (n == ERR_TOO_BIG)
		return META_BENCODE_LIMIT;
	if (n <= 0)
		return META_NOT_BENCODE;
	return (size_t)n == in.len || (blanks && (size_t)n == meta_trim(in).len)
		   ? META_OK
		   : META_TRAILING_BYTES;
}

static enum meta_fault build_start(struct meta_build *b, struct bytes info)
{
	*b = (struct meta_build){.fields = {
				     [INFO_ATTR].key = "attr",
				     [INFO_TREE].key = "file tree",
				     [INFO_FILES].key = "files",
				     [INFO_LENGTH].key = "length",
				     [INFO_VERSION].key = "meta version",
				     [INFO_NAME].key = "name",
				     [INFO_PIECE_LENGTH].key = "piece length",
				     [INFO_PIECES].key = "pieces",
				     [INFO_PRIVATE].key = "private",
				 }};
	b->m = calloc(1, sizeof(*b->m));
	b->arena = calloc(1, sizeof(*b->arena));
	if (b->m == NULL || b->arena == NULL) {
		free(b->m);
		free(b->arena);
		return META_NOMEM;
	}
	b->m->arena = b->arena;
	b->arena->info = malloc(info.len + 1);
	if (b->arena->info == NULL) {
		meta_free(b->m);
		return META_NOMEM;
	}
	memcpy(b->arena->info, info.ptr, info.len);
	b->m->info = bytes_of(b->arena->info, info.len);
	return META_OK;
}

/* BEP 52 wants the version looked at first, so that a newer torrent is called newer
 * and not broken. */
static enum meta_fault read_version(struct meta_build *b, const struct benc_facts *facts)
{
	const struct meta_field *version = &b->fields[INFO_VERSION];
	struct metainfo *m = b->m;

	if (version->found && (version->value.type != BENC_INT || version->value.num != 2))
		return META_VERSION_UNKNOWN;
	m->v2 = version->found;
	m->v1 = !m->v2 || b->fields[INFO_PIECES].found || b->fields[INFO_FILES].found ||
		b->fields[INFO_LENGTH].found;
	if (facts->duplicate)
		return META_DUPLICATE_KEY;
	return m->v2 && facts->unsorted ? META_UNSORTED_V2 : META_OK;
}

static enum meta_fault read_name(struct meta_build *b)
{
	const struct benc *name = meta_field_of(&b->fields[INFO_NAME], BENC_STR);

	if (name == NULL)
		return META_NO_NAME;
	switch (meta_component_check(name->str)) {
	case META_OK:
		break;
	case META_PATH_EMPTY:
		return META_NAME_EMPTY;
	case META_PATH_LONG:
		return META_NAME_LONG;
	default:
		return META_NAME_BAD;
	}
	b->m->name = meta_text_copy(name->str, META_NAME_BYTES_MAX);
	return b->m->name != NULL ? META_OK : META_NOMEM;
}

static enum meta_fault read_piece_length(struct meta_build *b)
{
	const struct benc *v = meta_field_of(&b->fields[INFO_PIECE_LENGTH], BENC_INT);
	int64_t min = b->m->v2 ? META_PIECE_LENGTH_MIN : META_PIECE_LENGTH_MIN_V1;

	if (v == NULL)
		return META_NO_PIECE_LENGTH;
	if (v->num < min || v->num > META_PIECE_LENGTH_MAX)
		return META_PIECE_LENGTH_BAD;
	if (b->m->v2 && (v->num & (v->num - 1)) != 0)
		return META_PIECE_LENGTH_NOT_POWER;
	b->m->piece_length = (uint32_t)v->num;
	return META_OK;
}

static enum meta_fault read_pieces(struct meta_build *b)
{
	const struct benc *pieces = meta_field_of(&b->fields[INFO_PIECES], BENC_STR);
	struct metainfo *m = b->m;
	size_t n;

	if (pieces == NULL)
		return META_NO_PIECES;
	n = pieces->str.len / SHA1_LEN;
	if (pieces->str.len % SHA1_LEN != 0)
		return META_PIECES_NOT_20;
	if (n != m->n_pieces)
		return n < m->n_pieces ? META_PIECES_FEW : META_PIECES_MANY;
	m->pieces_v1 = pieces->str.ptr;
	return META_OK;
}

static enum meta_fault read_files(struct meta_build *b)
{
	enum meta_fault f = META_OK;

	if (b->m->v1)
		f = meta_files_v1(b);
	if (f == META_OK && b->m->v2)
		f = meta_tree_read(b);
	if (f == META_OK)
		f = meta_files_number(b);
	if (f == META_OK && b->m->v1)
		f = read_pieces(b);
	return f;
}

static enum meta_fault read_info(struct meta_build *b)
{
	const struct benc *private = &b->fields[INFO_PRIVATE].value;
	struct benc_facts facts = {0};
	enum meta_fault f = parse_whole(b->m->info, false, &b->info, &facts);

	if (f != META_OK)
		return f;
	if (b->info.type != BENC_DICT)
		return META_INFO_NOT_DICT;
	f = read_fields(&b->info, b->fields, INFO_KEYS);
	if (f == META_OK)
		f = read_version(b, &facts);
	if (f == META_OK)
		f = read_name(b);
	if (f == META_OK)
		f = read_piece_length(b);
	if (f == META_OK)
		f = read_files(b);
	if (f != META_OK)
		return f;
	b->m->private =
	    b->fields[INFO_PRIVATE].found && private->type == BENC_INT && private->num != 0;
	if (b->m->v1)
		sha1_of(b->m->info, b->m->hash_v1);
	if (b->m->v2)
		sha256_of(b->m->info, b->m->hash_v2);
	return META_OK;
}

/* `top` is NULL for a bare info dictionary. */
static enum meta_fault parse_info(struct bytes info, const struct meta_field *top,
				  struct metainfo **out)
{
	static const struct meta_field nothing[TOP_KEYS];
	struct meta_build b;
	enum meta_fault f = build_start(&b, info);

	if (f != META_OK)
		return f;
	f = read_info(&b);
	if (f == META_OK && b.m->v2)
		f = meta_layers_read(&b, top != NULL ? &top[TOP_LAYERS] : NULL);
	if (f == META_OK)
		f = meta_notes_read(b.m, top != NULL ? top : nothing);
	if (f != META_OK) {
		meta_free(b.m);
		return f;
	}
	*out = b.m;
	return META_OK;
}

enum meta_fault meta_parse(struct bytes torrent, struct metainfo **out)
{
	struct meta_field top[TOP_KEYS] = {
	    [TOP_INFO].key = "info",
	    [TOP_LAYERS].key = "piece layers",
	    [TOP_ANNOUNCE].key = "announce",
	    [TOP_ANNOUNCE_LIST].key = "announce-list",
	    [TOP_COMMENT].key = "comment",
	    [TOP_CREATED_BY].key = "created by",
	    [TOP_CREATED_AT].key = "creation date",
	    [TOP_URL_LIST].key = "url-list",
	};
	struct benc root;
	enum meta_fault f = parse_whole(torrent, true, &root, NULL);

	if (f != META_OK)
		return f;
	if (root.type != BENC_DICT)
		return META_NOT_DICT;
	f = read_fields(&root, top, TOP_KEYS);
	if (f != META_OK)
		return f;
	if (!top[TOP_INFO].found)
		return META_NO_INFO;
	if (top[TOP_INFO].value.type != BENC_DICT)
		return META_INFO_NOT_DICT;
	return parse_info(top[TOP_INFO].value.raw, top, out);
}

enum meta_fault meta_parse_info(struct bytes info, struct metainfo **out)
{
	return parse_info(info, NULL, out);
}

void meta_free(struct metainfo *m)
{
	struct meta_arena *arena;

	if (m == NULL)
		return;
	arena = m->arena;
	for (uint32_t i = 0; i < m->n_trackers; i++)
		free((char *)(uintptr_t)m->trackers[i].url);
	free(m->trackers);
	meta_webseeds_free(m->webseeds, m->n_webseeds);
	free(m->files);
	free(m->name);
	free(m->comment);
	free(m->created_by);
	free(arena->info);
	free(arena->paths);
	free(arena->layers);
	free(arena->by_root);
	free(arena);
	free(m);
}
