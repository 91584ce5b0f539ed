/* tests/unit/store_fixture.h - torrents with known content, and a folder to put them in. */
#ifndef SHOAL_STORE_FIXTURE_H
#define SHOAL_STORE_FIXTURE_H

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rng.h"
#include "meta/create.h"
#include "meta/merkle.h"
#include "store/store.h"

/* include "test.h" before this */

struct sample_file {
	const char *path;
	uint64_t length;
	bool executable;
};

/* A torrent and the bytes of its whole piece space. */
struct sample {
	struct metainfo *m;
	struct buf torrent;
	uint8_t *space;
	size_t space_cap;
};

static inline uint32_t round_up(uint64_t n, uint32_t unit)
{
	return (uint32_t)((n + unit - 1) / unit * unit);
}

/* Content is told by the path alone; of "zeros..." it is zeros. */
static inline void sample_fill(const char *path, uint8_t *out, uint64_t length)
{
	struct rng r;
	uint64_t seed = 1;

	for (const char *p = path; *p != '\0'; p++)
		seed = seed * 31 + (uint8_t)*p;
	rng_seed(&r, seed);
	if (strncmp(path, "zeros", 5) == 0)
		memset(out, 0, length);
	else
		rng_fill(&r, out, length);
}

static inline uint8_t *sample_leaves(const uint8_t *data, uint64_t length, uint64_t *n)
{
	uint8_t *leaves;

	*n = (length + BLOCK_BYTES - 1) / BLOCK_BYTES;
	leaves = malloc(*n * SHA256_LEN + 1);
	for (uint64_t i = 0; i < *n; i++) {
		uint64_t left = length - i * BLOCK_BYTES;

		sha256_of(bytes_of(data + i * BLOCK_BYTES, left < BLOCK_BYTES ? left : BLOCK_BYTES),
			  leaves + i * SHA256_LEN);
	}
	return leaves;
}

struct sample_hashes {
	uint8_t root[SHA256_LEN];
	uint8_t *layer;
};

static inline void sample_tree(const uint8_t *data, uint64_t length, uint32_t piece_length,
			       struct sample_hashes *out)
{
	uint32_t per = piece_length / BLOCK_BYTES;
	uint64_t n, pieces = (length + piece_length - 1) / piece_length;
	uint8_t *leaves = sample_leaves(data, length, &n);

	out->layer = NULL;
	if (length > 0 && length <= piece_length) {
		merkle_root(leaves, n, merkle_width(n), 0, out->root);
	} else if (length > 0) {
		out->layer = malloc(pieces * SHA256_LEN);
		for (uint64_t i = 0; i < pieces; i++) {
			uint64_t left = n - i * per;

			merkle_piece(leaves + i * per * SHA256_LEN,
				     (uint32_t)(left < per ? left : per), per, false,
				     out->layer + i * SHA256_LEN);
		}
		merkle_file_root(out->layer, pieces, per, out->root);
	}
	free(leaves);
}

static inline int sample_order_v1(const void *a, const void *b)
{
	return create_order(((const struct sample_file *)a)->path,
			    ((const struct sample_file *)b)->path, false);
}

static inline int sample_order_v2(const void *a, const void *b)
{
	return create_order(((const struct sample_file *)a)->path,
			    ((const struct sample_file *)b)->path, true);
}

/* `n` == 1 with a NULL path: a single-file torrent. */
static inline void sample_make(struct sample *s, bool v1, bool v2, uint32_t piece_length,
			       const struct sample_file *list, size_t n)
{
	bool single = n == 1 && list[0].path == NULL;
	struct sample_file *files = malloc(n * sizeof(*files));
	struct create_file *cf = calloc(n, sizeof(*cf));
	struct sample_hashes *hashes = calloc(n, sizeof(*hashes));
	uint64_t *lengths = calloc(n, sizeof(*lengths)), *offsets = calloc(n, sizeof(*offsets));
	uint64_t end, pieces;
	uint8_t *space, *sums;
	struct create_spec spec = {.name = "sample",
				   .single = single,
				   .v1 = v1,
				   .v2 = v2,
				   .piece_length = piece_length,
				   .files = cf,
				   .n_files = n};

	memcpy(files, list, n * sizeof(*files));
	if (single)
		files[0].path = "sample";
	qsort(files, n, sizeof(*files), v2 ? sample_order_v2 : sample_order_v1);
	for (size_t i = 0; i < n; i++)
		lengths[i] = files[i].length;
	end = create_offsets(lengths, n, piece_length, v2, offsets);
	space = calloc(1, round_up(end, piece_length) + 1);
	for (size_t i = 0; i < n; i++) {
		sample_fill(files[i].path, space + offsets[i], files[i].length);
		if (v2)
			sample_tree(space + offsets[i], files[i].length, piece_length, &hashes[i]);
		cf[i] =
		    (struct create_file){.path = files[i].path,
					 .length = files[i].length,
					 .executable = files[i].executable,
					 .root = v2 && files[i].length > 0 ? hashes[i].root : NULL,
					 .layer = hashes[i].layer};
	}
	pieces = (end + piece_length - 1) / piece_length;
	sums = malloc(pieces * SHA1_LEN + 1);
	for (uint64_t i = 0; i < pieces; i++) {
		uint64_t left = end - i * piece_length;

		sha1_of(
		    bytes_of(space + i * piece_length, left < piece_length ? left : piece_length),
		    sums + i * SHA1_LEN);
	}
	spec.pieces_v1 = v1 ? sums : NULL;
	spec.n_pieces_v1 = v1 ? pieces : 0;
	buf_init(&s->torrent, META_BYTES_MAX);
	CHECK_INT(create_torrent(&spec, &s->torrent), 0);
	CHECK_INT(meta_parse(buf_bytes(&s->torrent), &s->m), META_OK);
	CHECK_INT(s->m->n_pieces, pieces);
	s->space = space;
	s->space_cap = round_up(end, piece_length);
	for (size_t i = 0; i < n; i++)
		free(hashes[i].layer);
	free(files);
	free(cf);
	free(hashes);
	free(lengths);
	free(offsets);
	free(sums);
}

static inline void sample_free(struct sample *s)
{
	meta_free(s->m);
	buf_fini(&s->torrent);
	free(s->space);
}

/* ---- a folder of its own for each test ---------------------------------- */

static inline void dir_make(char *dir, size_t cap)
{
	const char *base = getenv("TMPDIR");

	snprintf(dir, cap, "%s/shoal-test-XXXXXX", base == NULL ? "/tmp" : base);
	CHECK(mkdtemp(dir) != NULL);
}

static inline int dir_remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	(void)st;
	(void)flag;
	(void)f;
	return remove(path);
}

static inline void dir_remove(const char *dir)
{
	nftw(dir, dir_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void file_write(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "wb");

	CHECK(f != NULL);
	CHECK_INT(fwrite(data, 1, len, f), len);
	fclose(f);
}

/* The whole file, malloced; NULL when there is none. */
static inline uint8_t *file_load(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data;

	if (f == NULL)
		return NULL;
	fseek(f, 0, SEEK_END);
	*len = (size_t)ftell(f);
	rewind(f);
	data = malloc(*len + 1);
	CHECK_INT(fread(data, 1, *len, f), *len);
	fclose(f);
	return data;
}

static inline bool path_exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* Everything in `base` is as the torrent says. */
static inline void check_content(const struct sample *s, const char *base)
{
	for (uint32_t i = 0; i < s->m->n_files; i++) {
		const struct meta_file *f = &s->m->files[i];
		char path[8192];
		uint8_t *data;
		size_t len = 0;

		if ((f->flags & META_FILE_PAD) != 0)
			continue;
		snprintf(path, sizeof(path), s->m->single ? "%s" : "%s/%s", base, f->path);
		data = file_load(path, &len);
		CHECK(data != NULL);
		CHECK_INT(len, f->length);
		CHECK_MEM(data, s->space + f->offset, len);
		free(data);
	}
}

/* ---- driving a store ---------------------------------------------------- */

/* The next event; jobs that are out are waited for. */
static inline struct store_event next_event(struct pool *p)
{
	struct store_event e;

	while (!store_next_event(p, &e)) {
		pool_wait(p);
		CHECK(pool_drain(p) > 0);
	}
	return e;
}

/* The next event of one type; rooms in between are passed over. */
static inline struct store_event wait_event(struct pool *p, enum store_event_type type)
{
	struct store_event e = next_event(p);

	while (e.type == STORE_ROOM && type != STORE_ROOM)
		e = next_event(p);
	CHECK_INT(e.type, type);
	return e;
}

static inline int open_store(struct store **out, const struct sample *s, struct pool *p,
			     enum store_mode mode, const char *path, struct err_info *info)
{
	struct store_params params = {
	    .mode = mode, .pool = p, .meta = s->m, .torrent = buf_bytes(&s->torrent), .path = path};

	return store_open(&params, out, info);
}

/* A block as a peer would send it; of pads alone nobody does. */
static inline void put_block(struct store *st, const struct sample *s, struct pool *p,
			     uint32_t piece, uint32_t block)
{
	uint32_t length = meta_block_bytes(s->m, piece, block), begin = block * BLOCK_BYTES;
	struct span at;
	int err;

	if (length == 0)
		return;
	while ((err = store_recv_span(st, piece, begin, length, &at)) == ERR_AGAIN) {
		pool_wait(p);
		pool_drain(p);
	}
	CHECK_INT(err, 0);
	CHECK_INT(at.len, length);
	memcpy(at.ptr, s->space + (uint64_t)piece * s->m->piece_length + begin, length);
	store_recv_done(st, piece, begin, length);
}

static inline void put_piece(struct store *st, const struct sample *s, struct pool *p,
			     uint32_t piece)
{
	for (uint32_t i = 0; i < meta_piece_blocks(s->m, piece); i++)
		put_block(st, s, p, piece, i);
	store_verify(st, piece, false);
}

/* Receive every missing piece, all good. */
static inline void put_rest(struct store *st, const struct sample *s, struct pool *p)
{
	uint32_t out = 0;

	for (uint32_t i = 0; i < s->m->n_pieces; i++) {
		if (bitfield_has(store_have(st), i))
			continue;
		put_piece(st, s, p, i);
		out++;
	}
	while (out > 0) {
		struct store_event e = wait_event(p, STORE_VERIFIED);

		CHECK_INT(e.err.code, 0);
		CHECK(e.good);
		out--;
	}
}

/* What a peer would get; `flags` of the descriptor it goes to. */
static inline int read_as(struct store *st, uint32_t piece, uint32_t begin, uint32_t len,
			  uint8_t *to, int flags)
{
	int fd = memfd_create("out", 0), err = store_ready(st, piece, begin, len);
	uint32_t sent;

	CHECK(fd >= 0 && fcntl(fd, F_SETFL, flags) == 0);
	/* What the system has put out of memory meanwhile is waited for. */
	if (err == OK || err == ERR_AGAIN)
		err = store_send(st, fd, piece, begin, len, &sent);
	if (err == OK) {
		CHECK_INT(sent, len);
		CHECK_INT(pread(fd, to, sent, 0), sent);
	}
	close(fd);
	return err;
}

static inline int read_one(struct store *st, uint32_t piece, uint32_t begin, uint32_t len,
			   uint8_t *to)
{
	return read_as(st, piece, begin, len, to, 0);
}

static inline void save_now(struct store *st, struct pool *p)
{
	struct store_event e;

	store_save(st, store_have(st));
	e = wait_event(p, STORE_SAVED);
	CHECK_STR(e.err.text, "");
	CHECK_INT(e.err.code, 0);
}

/* ---- all of it together ------------------------------------------------- */

struct kind {
	bool v1, v2;
};
/* v1, v2, hybrid */
static const struct kind kinds[]
    __attribute__((unused)) = {{true, false}, {false, true}, {true, true}};
#define N_KINDS 3

/* A sample, a pool and DIR/out as the destination. */
struct scene {
	struct sample s;
	struct pool *p;
	char dir[256], path[300];
};

static inline void scene_init(struct scene *c, struct kind k, uint32_t piece_length,
			      const struct sample_file *files, size_t n, unsigned slabs)
{
	sample_make(&c->s, k.v1, k.v2, piece_length, files, n);
	dir_make(c->dir, sizeof(c->dir));
	snprintf(c->path, sizeof(c->path), "%s/out", c->dir);
	CHECK_INT(pool_new(2, slabs, &c->p, NULL), 0);
}

static inline void scene_fini(struct scene *c)
{
	pool_free(c->p);
	dir_remove(c->dir);
	sample_free(&c->s);
}

static inline struct store *scene_open(struct scene *c, enum store_mode mode)
{
	struct store *st;

	CHECK_INT(open_store(&st, &c->s, c->p, mode, c->path, NULL), 0);
	return st;
}

/* A finished download to share. */
static inline void scene_fill(struct scene *c)
{
	struct store *st = scene_open(c, STORE_DOWNLOAD);

	put_rest(st, &c->s, c->p);
	store_finish(st);
	CHECK_INT(wait_event(c->p, STORE_FINISHED).err.code, 0);
	store_close(st);
}

#endif
