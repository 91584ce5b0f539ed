/* tests/unit/meta_samples.h - files with known content, torrents made of them, and a
 * short notation for bencode.
 *
 * Byte j of a file of n bytes is (31 j + 17 (j >> 8) + n) mod 256; meta_golden.h was
 * made from the same. Include after test.h. */
#ifndef SHOAL_META_SAMPLES_H
#define SHOAL_META_SAMPLES_H

#include <stdlib.h>

#include "base/bencode.h"
#include "base/text.h"
#include "meta/create.h"
#include "meta/merkle.h"

#define SAMPLE_PIECE 32768u
#define SAMPLE_FILES_MAX 12

struct sample_file {
	const char *path;
	uint64_t length;
	bool executable;
};

/* Files in tree order; a single file has path NULL. */
struct sample {
	const char *name;
	struct sample_file files[SAMPLE_FILES_MAX];
};

static const struct sample samples[] = {
    {"order",
     {{"B", 70000, true},
      {"Zed", 32768, false},
      {"a/b", 100, false},
      {"a!", 5, false},
      {"a-b/c", 16385, false},
      {"a.b/c", 16384, false},
      {"empty", 0, false},
      {"sub/deep/x", 40000, false},
      {"sub/y", 0, false},
      {"twin", 40000, false},
      {"zlast", 10, true}}},
    {"one", {{"a", 100, false}}},
    {"deep", {{"d/e/f", 100, false}}},
    {"tail_aligned", {{"a", 100, false}, {"b", 32768, false}}},
    {"tail_empty", {{"a", 100, false}, {"b", 0, false}}},
    {"first_empty", {{"a", 0, false}, {"b", 5, false}, {"c", 7, false}}},
    {"gaps",
     {{"a", 5, false}, {"b", 0, false}, {"c", 0, false}, {"d", 32769, true}, {"e", 65536, false}}},
    {"f1", {{NULL, 1, false}}},
    {"f16383", {{NULL, 16383, false}}},
    {"f16384", {{NULL, 16384, false}}},
    {"f16385", {{NULL, 16385, false}}},
    {"f32767", {{NULL, 32767, false}}},
    {"f32768", {{NULL, 32768, false}}},
    {"f32769", {{NULL, 32769, false}}},
    {"f65536", {{NULL, 65536, false}}},
    {"f100000", {{NULL, 100000, true}}},
    {"private", {{NULL, 40000, false}}},
};
#define N_SAMPLES (sizeof(samples) / sizeof(samples[0]))

static inline const struct sample *sample_find(const char *name)
{
	for (size_t i = 0; i < N_SAMPLES; i++)
		if (strcmp(samples[i].name, name) == 0)
			return &samples[i];
	fail_msg("no sample %s", name);
	return NULL;
}

static inline bool sample_single(const struct sample *s)
{
	return s->files[0].path == NULL;
}

static inline size_t sample_count(const struct sample *s)
{
	size_t n = 1;

	while (n < SAMPLE_FILES_MAX && s->files[n].path != NULL)
		n++;
	return n;
}

static inline void sample_fill(uint8_t *to, uint64_t length)
{
	for (uint64_t j = 0; j < length; j++)
		to[j] = (uint8_t)(j * 31 + (j >> 8) * 17 + length);
}

/* Hashes of one file: leaves, then pieces, then the root. */
static inline void sample_hash(const struct sample_file *f, uint8_t *layer, uint8_t *root)
{
	uint32_t blocks = SAMPLE_PIECE / BLOCK_BYTES;
	uint64_t leaves = merkle_leaves(f->length), pieces = 0;
	uint8_t *data = malloc(f->length + 1), *hashes = malloc(leaves * SHA256_LEN + 1);

	sample_fill(data, f->length);
	for (uint64_t i = 0; i < leaves; i++) {
		uint64_t left = f->length - i * BLOCK_BYTES;

		sha256_of(bytes_of(data + i * BLOCK_BYTES, left < BLOCK_BYTES ? left : BLOCK_BYTES),
			  hashes + i * SHA256_LEN);
	}
	for (uint64_t i = 0; i < leaves; i += blocks, pieces++) {
		uint32_t n = leaves - i < blocks ? (uint32_t)(leaves - i) : blocks;

		merkle_piece(hashes + i * SHA256_LEN, n, blocks, f->length <= SAMPLE_PIECE,
			     layer + pieces * SHA256_LEN);
	}
	if (f->length <= SAMPLE_PIECE)
		memcpy(root, layer, SHA256_LEN);
	else
		merkle_file_root(layer, pieces, blocks, root);
	free(data);
	free(hashes);
}

/* Everything a create_spec borrows. */
struct sample_spec {
	struct create_spec spec;
	struct create_file files[SAMPLE_FILES_MAX];
	uint8_t roots[SAMPLE_FILES_MAX][SHA256_LEN];
	uint8_t layers[SAMPLE_FILES_MAX][8 * SHA256_LEN];
	uint8_t pieces[64 * SHA1_LEN];
	uint64_t offsets[SAMPLE_FILES_MAX];
	uint8_t *space;
};

static inline void sample_hash_v1(struct sample_spec *out)
{
	uint64_t lengths[SAMPLE_FILES_MAX];
	struct create_spec *spec = &out->spec;
	uint64_t end;

	for (size_t i = 0; i < spec->n_files; i++)
		lengths[i] = spec->files[i].length;
	end = create_offsets(lengths, spec->n_files, SAMPLE_PIECE, spec->v2, out->offsets);
	out->space = calloc(1, end + 1);
	for (size_t i = 0; i < spec->n_files; i++)
		sample_fill(out->space + out->offsets[i], lengths[i]);
	for (uint64_t at = 0; at < end; at += SAMPLE_PIECE)
		sha1_of(
		    bytes_of(out->space + at, end - at < SAMPLE_PIECE ? end - at : SAMPLE_PIECE),
		    out->pieces + SHA1_LEN * spec->n_pieces_v1++);
	spec->pieces_v1 = out->pieces;
}

static inline int sample_order_v1(const void *a, const void *b)
{
	return create_order(((const struct create_file *)a)->path,
			    ((const struct create_file *)b)->path, false);
}

/* Fill `out`, which stays where it is; free with sample_spec_fini. */
static inline void sample_spec(const struct sample *s, bool v1, bool v2, struct sample_spec *out)
{
	memset(out, 0, sizeof(*out));
	out->spec = (struct create_spec){.name = s->name,
					 .single = sample_single(s),
					 .v1 = v1,
					 .v2 = v2,
					 .piece_length = SAMPLE_PIECE,
					 .files = out->files,
					 .n_files = sample_count(s)};
	for (size_t i = 0; i < out->spec.n_files; i++) {
		const struct sample_file *f = &s->files[i];

		out->files[i] = (struct create_file){
		    .path = f->path, .length = f->length, .executable = f->executable};
		if (!v2 || f->length == 0)
			continue;
		sample_hash(f, out->layers[i], out->roots[i]);
		out->files[i].root = out->roots[i];
		if (f->length > SAMPLE_PIECE)
			out->files[i].layer = out->layers[i];
	}
	if (!v2 && !out->spec.single)
		qsort(out->files, out->spec.n_files, sizeof(out->files[0]), sample_order_v1);
	if (v1)
		sample_hash_v1(out);
}

static inline void sample_spec_fini(struct sample_spec *s)
{
	free(s->space);
}

/* The torrent of a sample; `out` uninitialised. */
static inline void sample_torrent(const char *name, bool v1, bool v2, struct buf *out)
{
	struct sample_spec s;

	sample_spec(sample_find(name), v1, v2, &s);
	buf_init(out, META_BYTES_MAX);
	CHECK_INT(create_torrent(&s.spec, out), 0);
	sample_spec_fini(&s);
}

static inline void unhex(const char *hex, struct buf *out)
{
	struct span room;
	size_t n = strlen(hex) / 2;

	buf_init(out, META_BYTES_MAX);
	CHECK_INT(buf_reserve(out, n, &room), 0);
	CHECK_INT(text_unhex(bytes_str(hex), room.ptr, n), 0);
	buf_commit(out, n);
}

/* Bencode as people write it: {'key' 5 'list' ['a' 'b']}, blanks where one likes.
 * Strings: 'text' with '~' for a zero byte, <00ff> for bytes, *20 behind either to
 * repeat it, + between two to join them. Appends to `out`. */
static inline const char *notation_part(const char *p, struct buf *out)
{
	size_t from = out->len, n;
	unsigned long times = 1;

	if (*p == '<') {
		for (p++; *p != '>'; p += 2) {
			uint8_t byte;

			CHECK_INT(text_unhex(bytes_of(p, 2), &byte, 1), 0);
			buf_put_u8(out, byte);
		}
	} else {
		for (p++; *p != '\''; p++)
			buf_put_u8(out, *p == '~' ? 0 : (uint8_t)*p);
	}
	p++;
	if (*p == '*')
		times = strtoul(p + 1, (char **)&p, 10);
	for (n = out->len - from; times > 1; times--) {
		struct span room;

		CHECK_INT(buf_reserve(out, n, &room), 0);
		memcpy(room.ptr, out->ptr + from, n);
		buf_commit(out, n);
	}
	return p;
}

static inline const char *notation_string(const char *p, struct buf *out)
{
	struct buf s;

	buf_init(&s, META_BYTES_MAX);
	p = notation_part(p, &s);
	while (*p == '+')
		p = notation_part(p + 1, &s);
	buf_printf(out, "%zu:", s.len);
	buf_put(out, buf_bytes(&s));
	buf_fini(&s);
	return p;
}

static inline void notation(const char *p, struct buf *out)
{
	while (*p != '\0') {
		if (*p == ' ' || *p == '\n' || *p == '\t') {
			p++;
		} else if (*p == '\'' || *p == '<') {
			p = notation_string(p, out);
		} else if (*p == '-' || (*p >= '0' && *p <= '9')) {
			long long v = strtoll(p, (char **)&p, 10);

			benc_put_int(out, v);
		} else {
			const char *from = "{}[]", *at = strchr(from, *p);

			CHECK(at != NULL);
			benc_put_raw(out, "dele"[at - from]);
			p++;
		}
	}
	CHECK_INT(out->err, 0);
}

#endif
