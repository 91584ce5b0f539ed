#include <poll.h>

#include "test.h"

#include "base/bencode.h"
#include "store_fixture.h"

#define KIB 1024u

static const struct sample_file one[] = {{NULL, 4 * 512 * KIB + 20000, false}};
static const struct sample_file gaps[] = {
    {"a", 70000, false}, {"b", 5, false}, {"c", 200000, false}, {"d", 16384, false}};
#define N_GAPS 4

static struct span span_of(struct store *st, const struct scene *c, uint32_t piece, uint32_t block)
{
	struct span at;

	CHECK_INT(store_recv_span(st, piece, block * BLOCK_BYTES,
				  meta_block_bytes(c->s.m, piece, block), &at),
		  0);
	return at;
}

static int try_span(struct store *st, const struct scene *c, uint32_t piece, uint32_t block)
{
	struct span at;

	return store_recv_span(st, piece, block * BLOCK_BYTES,
			       meta_block_bytes(c->s.m, piece, block), &at);
}

static void done(struct store *st, const struct scene *c, uint32_t piece, uint32_t block)
{
	store_recv_done(st, piece, block * BLOCK_BYTES, meta_block_bytes(c->s.m, piece, block));
}

static void abort_block(struct store *st, const struct scene *c, uint32_t piece, uint32_t block)
{
	store_recv_abort(st, piece, block * BLOCK_BYTES, meta_block_bytes(c->s.m, piece, block));
}

static const uint8_t *content(const struct scene *c, uint32_t piece, uint32_t block)
{
	return c->s.space + (uint64_t)piece * c->s.m->piece_length + block * BLOCK_BYTES;
}

static void put(struct store *st, const struct scene *c, uint32_t piece, uint32_t block)
{
	put_block(st, &c->s, c->p, piece, block);
}

/* A block with one bit wrong. */
static void put_bad(struct store *st, const struct scene *c, uint32_t piece, uint32_t block)
{
	struct span at = span_of(st, c, piece, block);

	memcpy(at.ptr, content(c, piece, block), at.len);
	at.ptr[at.len / 2] ^= 1;
	done(st, c, piece, block);
}

static struct store_event verify(struct store *st, struct scene *c, uint32_t piece, bool hashes)
{
	struct store_event e;

	store_verify(st, piece, hashes);
	e = wait_event(c->p, STORE_VERIFIED);
	CHECK_INT(e.piece, piece);
	return e;
}

static void finish(struct store *st, struct scene *c)
{
	put_rest(st, &c->s, c->p);
	store_finish(st);
	CHECK_STR(wait_event(c->p, STORE_FINISHED).err.text, "");
	check_content(&c->s, c->path);
	CHECK_INT(pool_slabs_free(c->p) > 0, 1);
	store_close(st);
	scene_fini(c);
}

/* ---- spans -------------------------------------------------------------- */

TEST(only_whole_aligned_blocks_have_a_place)
{
	struct scene c;
	struct store *st;
	struct span at;
	uint32_t last, tail;

	scene_init(&c, kinds[1], 512 * KIB, one, 1, 0);
	st = scene_open(&c, STORE_DOWNLOAD);
	last = c.s.m->n_pieces - 1;
	tail = meta_piece_bytes(c.s.m, last) - BLOCK_BYTES;
	CHECK_INT(store_recv_span(st, 0, 1, BLOCK_BYTES, &at), ERR_INVALID);
	CHECK_INT(store_recv_span(st, 0, 0, BLOCK_BYTES - 1, &at), ERR_INVALID);
	CHECK_INT(store_recv_span(st, 0, 0, BLOCK_BYTES + 1, &at), ERR_INVALID);
	CHECK_INT(store_recv_span(st, 0, 0, 0, &at), ERR_INVALID);
	CHECK_INT(store_recv_span(st, 0, 512 * KIB, BLOCK_BYTES, &at), ERR_INVALID);
	CHECK_INT(store_recv_span(st, 0, UINT32_MAX - BLOCK_BYTES + 1, BLOCK_BYTES, &at),
		  ERR_INVALID);
	CHECK_INT(store_recv_span(st, last + 1, 0, BLOCK_BYTES, &at), ERR_INVALID);
	CHECK_INT(store_recv_span(st, UINT32_MAX, 0, BLOCK_BYTES, &at), ERR_INVALID);
	CHECK_INT(store_recv_span(st, last, BLOCK_BYTES, BLOCK_BYTES, &at), ERR_INVALID);
	CHECK_INT(store_recv_span(st, last, BLOCK_BYTES, tail, &at), 0);
	CHECK_INT(at.len, tail);
	store_recv_abort(st, last, BLOCK_BYTES, tail);
	/* Ends of what never began do nothing. */
	store_recv_done(st, 0, 0, BLOCK_BYTES);
	store_recv_abort(st, last + 1, 0, BLOCK_BYTES);
	store_recv_done(st, 0, UINT32_MAX, BLOCK_BYTES);
	store_verify(st, UINT32_MAX, true);
	store_reopen_piece(st, UINT32_MAX);
	finish(st, &c);
}

TEST(a_block_that_is_coming_or_came_has_no_second_place)
{
	struct scene c;
	struct store *st;

	scene_init(&c, kinds[1], 512 * KIB, one, 1, 0);
	st = scene_open(&c, STORE_DOWNLOAD);
	span_of(st, &c, 0, 3);
	CHECK_INT(try_span(st, &c, 0, 3), ERR_INVALID);
	abort_block(st, &c, 0, 3);
	put(st, &c, 0, 3);
	CHECK_INT(try_span(st, &c, 0, 3), ERR_INVALID);
	for (uint32_t i = 0; i < 32; i++) {
		if (i != 3)
			put(st, &c, 0, i);
	}
	CHECK(verify(st, &c, 0, false).good);
	CHECK_INT(try_span(st, &c, 0, 3), ERR_INVALID);
	finish(st, &c);
}

TEST(an_aborted_block_holds_no_memory)
{
	struct scene c;
	struct store *st;

	scene_init(&c, kinds[1], 512 * KIB, one, 1, 2);
	st = scene_open(&c, STORE_DOWNLOAD);
	for (uint32_t i = 0; i < 32; i++)
		span_of(st, &c, 1, i);
	CHECK_INT(pool_slabs_free(c.p), 0);
	for (uint32_t i = 0; i < 32; i++)
		abort_block(st, &c, 1, i);
	CHECK_INT(pool_slabs_free(c.p), 2);
	finish(st, &c);
}

TEST(blocks_may_come_in_any_order)
{
	for (int k = 0; k < N_KINDS; k++) {
		struct scene c;
		struct store *st;

		scene_init(&c, kinds[k], 1024 * KIB, one, 1, 0);
		st = scene_open(&c, STORE_DOWNLOAD);
		for (uint32_t i = 64; i-- > 0;)
			put(st, &c, 0, i);
		CHECK(verify(st, &c, 0, false).good);
		for (uint32_t i = 0; i < 64; i++)
			put(st, &c, 1, i * 37 % 64);
		CHECK(verify(st, &c, 1, false).good);
		finish(st, &c);
	}
}

TEST(blocks_that_come_in_order_are_not_read_back)
{
	for (int k = 0; k < N_KINDS; k++) {
		struct scene c;
		struct store *st;
		uint64_t written, read;

		scene_init(&c, kinds[k], 1024 * KIB, one, 1, 0);
		st = scene_open(&c, STORE_DOWNLOAD);
		put_rest(st, &c.s, c.p);
		store_counters(st, &written, &read);
		CHECK_INT(written, one[0].length);
		CHECK_INT(read, 0);
		finish(st, &c);
	}
}

static bool keeps_whole_pieces(void)
{
	return digest_many_sha1_widths().in_pairs;
}

TEST(whole_v1_pieces_are_hashed_from_memory_in_whatever_order_they_come)
{
	struct scene c;
	struct store *st;
	uint64_t written, read;

	if (!keeps_whole_pieces())
		return;
	scene_init(&c, kinds[0], 1000 * KIB, one, 1, 0);
	st = scene_open(&c, STORE_DOWNLOAD);
	for (uint32_t piece = c.s.m->n_pieces; piece-- > 0;) {
		for (uint32_t i = meta_piece_blocks(c.s.m, piece); i-- > 0;)
			put(st, &c, piece, i);
	}
	for (uint32_t piece = 0; piece < c.s.m->n_pieces; piece++)
		store_verify(st, piece, false);
	for (uint32_t piece = 0; piece < c.s.m->n_pieces; piece++)
		CHECK(wait_event(c.p, STORE_VERIFIED).good);
	store_counters(st, &written, &read);
	CHECK_INT(written, one[0].length);
	CHECK_INT(read, 0);
	CHECK_INT(pool_slabs_free(c.p), POOL_SLABS_DEFAULT);
	finish(st, &c);
}

/* More than are hashed at once, each judged by its own hash; the last one is shorter. */
TEST(of_many_pieces_hashed_together_only_the_bad_one_is_bad)
{
	static const uint32_t bad[] = {0, 7, 32};
	struct scene c;
	struct store *st;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		scene_init(&c, kinds[0], 64 * KIB, one, 1, 0);
		st = scene_open(&c, STORE_DOWNLOAD);
		CHECK_INT(c.s.m->n_pieces, 33);
		for (uint32_t piece = 0; piece < 33; piece++)
			for (uint32_t b = 0; b < meta_piece_blocks(c.s.m, piece); b++)
				(piece == bad[i] && b == 0 ? put_bad : put)(st, &c, piece, b);
		for (uint32_t piece = 0; piece < 33; piece++)
			store_verify(st, piece, false);
		for (uint32_t n = 0; n < 33; n++) {
			struct store_event e = wait_event(c.p, STORE_VERIFIED);

			CHECK_INT(e.good, e.piece != bad[i]);
		}
		store_reopen_piece(st, bad[i]);
		finish(st, &c);
	}
}

/* ---- memory is short ---------------------------------------------------- */

TEST(pieces_in_memory_leave_a_quarter_of_it_to_the_others)
{
	struct scene c;
	struct store *st;

	if (!keeps_whole_pieces())
		return;
	scene_init(&c, kinds[0], 512 * KIB, one, 1, 8);
	st = scene_open(&c, STORE_DOWNLOAD);
	for (uint32_t piece = 0; piece < 4; piece++) {
		static const unsigned left[] = {6, 4, 2, 1};

		put(st, &c, piece, 3);
		CHECK_INT(pool_slabs_free(c.p), left[piece]);
	}
	for (uint32_t piece = 0; piece < 4; piece++) {
		for (uint32_t i = 0; i < 32; i++) {
			if (i != 3)
				put(st, &c, piece, i);
		}
		CHECK(verify(st, &c, piece, false).good);
	}
	CHECK_INT(pool_slabs_free(c.p), 8);
	finish(st, &c);
}

TEST(a_new_piece_waits_while_others_are_hashed_in_memory)
{
	struct scene c;
	struct store *st;
	struct store_event e;

	if (!keeps_whole_pieces())
		return;
	scene_init(&c, kinds[0], 512 * KIB, one, 1, 4);
	st = scene_open(&c, STORE_DOWNLOAD);
	for (uint32_t i = 0; i < 32; i++)
		put(st, &c, 0, i);
	store_verify(st, 0, false);
	while (try_span(st, &c, 1, 0) == ERR_AGAIN) {
		pool_wait(c.p);
		pool_drain(c.p);
	}
	CHECK_INT(pool_slabs_free(c.p), 2);
	abort_block(st, &c, 1, 0);
	e = wait_event(c.p, STORE_VERIFIED);
	CHECK(e.good);
	while (store_next_event(c.p, &e))
		CHECK_INT(e.type, STORE_ROOM);
	finish(st, &c);
}

TEST(half_full_slabs_are_written_when_slabs_run_out)
{
	for (int k = 0; k < N_KINDS; k++) {
		struct scene c;
		struct store *st;
		struct store_event e;

		scene_init(&c, kinds[k], 512 * KIB, one, 1, 2);
		st = scene_open(&c, STORE_DOWNLOAD);
		/* Two peers stop after some blocks; a third goes on. */
		put(st, &c, 0, 0);
		put(st, &c, 0, 2);
		put(st, &c, 1, 5);
		CHECK_INT(pool_slabs_free(c.p), 0);
		CHECK_INT(try_span(st, &c, 2, 0), ERR_AGAIN);
		e = next_event(c.p);
		CHECK_INT(e.type, STORE_ROOM);
		CHECK(!store_next_event(c.p, &e));
		for (uint32_t i = 0; i < 32; i++)
			put(st, &c, 2, i);
		CHECK(verify(st, &c, 2, false).good);
		/* What was flushed counts. */
		CHECK_INT(try_span(st, &c, 0, 0), ERR_INVALID);
		for (uint32_t i = 0; i < 32; i++) {
			if (i != 0 && i != 2)
				put(st, &c, 0, i);
		}
		CHECK(verify(st, &c, 0, false).good);
		for (uint32_t i = 0; i < 32; i++) {
			if (i != 5)
				put(st, &c, 1, i);
		}
		CHECK(verify(st, &c, 1, false).good);
		finish(st, &c);
	}
}

TEST(peers_that_stall_in_a_block_do_not_starve_the_others)
{
	struct scene c;
	struct store *st;

	scene_init(&c, kinds[1], 512 * KIB, one, 1, 2);
	st = scene_open(&c, STORE_DOWNLOAD);
	/* Both slabs are held by readers that never go on. */
	memset(span_of(st, &c, 0, 0).ptr, 0xee, 1);
	memset(span_of(st, &c, 1, 0).ptr, 0xee, 1);
	for (uint32_t i = 0; i < 32; i++)
		put(st, &c, 2, i);
	CHECK(verify(st, &c, 2, false).good);
	/* A slab with a reader in it is still written for a verify of its other blocks. */
	for (uint32_t i = 1; i < 32; i++)
		put(st, &c, 0, i);
	abort_block(st, &c, 0, 0);
	put(st, &c, 0, 0);
	CHECK(verify(st, &c, 0, false).good);
	abort_block(st, &c, 1, 0);
	finish(st, &c);
}

TEST(spares_end_too)
{
	enum { N = 300 };
	static const struct sample_file big[] = {{NULL, (uint64_t)N * BLOCK_BYTES, false}};
	struct scene c;
	struct store *st;
	uint32_t n = 0;
	int err = OK;

	scene_init(&c, kinds[1], 16 * KIB, big, 1, 1);
	st = scene_open(&c, STORE_DOWNLOAD);
	while (n < N && (err = try_span(st, &c, n, 0)) == OK)
		n++;
	CHECK_INT(n, 1 + 256);
	CHECK_INT(err, ERR_AGAIN);
	abort_block(st, &c, 7, 0);
	CHECK_INT(next_event(c.p).type, STORE_ROOM);
	CHECK_INT(try_span(st, &c, n, 0), OK);
	abort_block(st, &c, n, 0);
	for (uint32_t i = 0; i < n; i++)
		abort_block(st, &c, i, 0);
	finish(st, &c);
}

TEST(a_verify_does_not_wait_for_a_reader_that_stalls)
{
	struct scene c;
	struct store *st;
	struct span at;

	scene_init(&c, kinds[1], 512 * KIB, one, 1, 0);
	st = scene_open(&c, STORE_DOWNLOAD);
	at = span_of(st, &c, 0, 7);
	for (uint32_t i = 0; i < 32; i++) {
		if (i != 7)
			put(st, &c, 0, i);
	}
	/* Wrongly asked for: a block is missing. */
	CHECK(!verify(st, &c, 0, false).good);
	store_reopen_piece(st, 0);
	memcpy(at.ptr, content(&c, 0, 7), at.len);
	done(st, &c, 0, 7);
	CHECK(verify(st, &c, 0, false).good);
	finish(st, &c);
}

TEST(a_reader_that_ends_after_the_verify_changes_nothing)
{
	struct scene c;
	struct store *st;
	struct span at;

	scene_init(&c, kinds[0], 512 * KIB, one, 1, 0);
	st = scene_open(&c, STORE_DOWNLOAD);
	/* The data of block 7 is on disk from an earlier run. */
	put(st, &c, 0, 7);
	for (uint32_t i = 0; i < 32; i++) {
		if (i != 7)
			put(st, &c, 0, i);
	}
	put_bad(st, &c, 1, 0);
	for (uint32_t i = 1; i < 32; i++)
		put(st, &c, 1, i);
	CHECK(!verify(st, &c, 1, false).good);
	store_reopen_piece(st, 1);
	at = span_of(st, &c, 1, 9); /* stalls over the next verify */
	put(st, &c, 1, 0);
	store_verify(st, 1, false);
	memset(at.ptr, 0, at.len);
	done(st, &c, 1, 9);
	CHECK(wait_event(c.p, STORE_VERIFIED).good);
	CHECK(verify(st, &c, 0, false).good);
	finish(st, &c);
}

/* ---- bad data ----------------------------------------------------------- */

TEST(a_bad_block_is_found_by_its_hash)
{
	for (int k = 0; k < N_KINDS; k++) {
		struct scene c;
		struct store *st;
		struct store_event e;

		scene_init(&c, kinds[k], 512 * KIB, one, 1, 0);
		st = scene_open(&c, STORE_DOWNLOAD);
		for (uint32_t i = 0; i < 32; i++) {
			if (i == 17)
				put_bad(st, &c, 1, i);
			else
				put(st, &c, 1, i);
		}
		e = verify(st, &c, 1, false);
		CHECK(!e.good);
		CHECK_INT(e.err.code, 0);
		CHECK_INT(e.n_hashes, 32);
		for (uint32_t i = 0; i < 32; i++) {
			uint8_t want[SHA256_LEN];

			sha256_of(bytes_of(content(&c, 1, i), BLOCK_BYTES), want);
			CHECK_INT(memcmp(want, e.hashes + i * SHA256_LEN, SHA256_LEN) == 0,
				  i != 17);
		}
		CHECK(!bitfield_has(store_have(st), 1));
		/* Only that block comes again. */
		store_reopen_piece(st, 1);
		put(st, &c, 1, 17);
		e = verify(st, &c, 1, true);
		CHECK(e.good);
		CHECK_INT(e.n_hashes, 32);
		CHECK(bitfield_has(store_have(st), 1));
		finish(st, &c);
	}
}

TEST(zeros_take_no_room_but_are_written_over_what_was_wrong)
{
	static const struct sample_file files[] = {{"zeros", 2048 * KIB, false}, {"zz", 5, false}};

	for (int k = 0; k < N_KINDS; k++) {
		struct scene c;
		struct store *st;
		struct stat info;
		char path[400];

		scene_init(&c, kinds[k], 512 * KIB, files, 2, 0);
		snprintf(path, sizeof(path), "%s/zeros", c.path);
		st = scene_open(&c, STORE_DOWNLOAD);
		for (uint32_t i = 0; i < 32; i++) {
			if (i == 17)
				put_bad(st, &c, 1, i);
			else
				put(st, &c, 1, i);
		}
		CHECK(!verify(st, &c, 1, false).good);
		store_reopen_piece(st, 1);
		put(st, &c, 1, 17);
		CHECK(verify(st, &c, 1, true).good);
		put_rest(st, &c.s, c.p);
		store_finish(st);
		CHECK_INT(wait_event(c.p, STORE_FINISHED).err.code, OK);
		check_content(&c.s, c.path);
		CHECK_INT(stat(path, &info), 0);
		/* the run in which something was wrong */
		CHECK((uint64_t)info.st_blocks * 512 <= 256 * KIB);
		store_close(st);
		scene_fini(&c);
	}
}

TEST(a_bad_piece_may_come_again_as_a_whole)
{
	for (int k = 0; k < N_KINDS; k++) {
		struct scene c;
		struct store *st;

		scene_init(&c, kinds[k], 512 * KIB, one, 1, 0);
		st = scene_open(&c, STORE_DOWNLOAD);
		for (uint32_t i = 0; i < 32; i++)
			put_bad(st, &c, 2, i);
		CHECK(!verify(st, &c, 2, false).good);
		store_reopen_piece(st, 2);
		for (uint32_t i = 0; i < 32; i++)
			put(st, &c, 2, i);
		CHECK(verify(st, &c, 2, false).good);
		finish(st, &c);
	}
}

/* The same torrent for those who know v1 alone, pads and all. */
static void forget_v2(struct sample *s)
{
	const struct metainfo *m = s->m;
	struct metainfo *v1 = NULL;
	struct buf b;

	buf_init(&b, META_BYTES_MAX);
	buf_put(&b, bytes_str("d4:infod5:filesl"));
	for (uint32_t i = 0; i < m->n_files; i++) {
		const struct meta_file *f = &m->files[i];
		bool pad = (f->flags & META_FILE_PAD) != 0;

		buf_put(&b, bytes_str(pad ? "d4:attr1:p6:length" : "d6:length"));
		benc_put_int(&b, (int64_t)f->length);
		buf_put(&b, bytes_str("4:pathl"));
		benc_put_str(&b, pad ? "pad" : f->path);
		buf_put(&b, bytes_str("ee"));
	}
	buf_put(&b, bytes_str("e4:name6:sample12:piece length"));
	benc_put_int(&b, m->piece_length);
	benc_put_str(&b, "pieces");
	benc_put_bytes(&b, bytes_of(m->pieces_v1, (size_t)m->n_pieces * SHA1_LEN));
	buf_put(&b, bytes_str("ee"));
	CHECK_INT(meta_parse(buf_bytes(&b), &v1), META_OK);
	CHECK(v1->pads && !v1->v2);
	CHECK_INT(v1->space_bytes, m->space_bytes);
	meta_free(s->m);
	buf_fini(&s->torrent);
	s->m = v1;
	s->torrent = b;
}

/* What a buffer held before lies behind a block that ends with its file. */
static void receive_with_rubbish(bool v2)
{
	static const struct kind hybrid = {true, true};
	struct scene c;
	struct store *st;

	scene_init(&c, hybrid, 64 * KIB, gaps, N_GAPS, 0);
	if (!v2)
		forget_v2(&c.s);
	st = scene_open(&c, STORE_DOWNLOAD);
	for (uint32_t i = 0; i < c.s.m->n_pieces; i++) {
		for (uint32_t b = 0; b < meta_piece_blocks(c.s.m, i); b++) {
			struct span at;

			if (meta_block_bytes(c.s.m, i, b) == 0)
				continue;
			at = span_of(st, &c, i, b);
			memcpy(at.ptr, content(&c, i, b), at.len);
			memset(at.ptr + at.len, 0xaa, BLOCK_BYTES - at.len);
			done(st, &c, i, b);
		}
		CHECK(verify(st, &c, i, true).good);
	}
	finish(st, &c);
}

TEST(what_lies_behind_a_block_that_ends_with_its_file_harms_nothing)
{
	receive_with_rubbish(true);
	receive_with_rubbish(false);
}

TEST(blocks_end_where_pads_begin)
{
	static const struct kind hybrid = {true, true};

	for (int v2 = 0; v2 < 2; v2++) {
		struct scene c;
		struct store *st;
		struct span at;

		/* "a" has 70,000 bytes: 4,464 in the second piece. */
		scene_init(&c, hybrid, 64 * KIB, gaps, N_GAPS, 0);
		if (v2 == 0)
			forget_v2(&c.s);
		st = scene_open(&c, STORE_DOWNLOAD);
		CHECK_INT(store_recv_span(st, 1, 0, BLOCK_BYTES, &at), ERR_INVALID);
		CHECK_INT(store_recv_span(st, 1, 0, 4463, &at), ERR_INVALID);
		CHECK_INT(store_recv_span(st, 1, 0, 4465, &at), ERR_INVALID);
		CHECK_INT(store_recv_span(st, 1, BLOCK_BYTES, BLOCK_BYTES, &at), ERR_INVALID);
		CHECK_INT(store_recv_span(st, 1, BLOCK_BYTES, 0, &at), ERR_INVALID);
		CHECK_INT(store_recv_span(st, 1, 0, 4464, &at), 0);
		CHECK_INT(at.len, 4464);
		store_recv_abort(st, 1, 0, 4464);
		finish(st, &c);
	}
}

TEST(hashes_of_blocks_that_are_all_pad_are_zeros)
{
	static const struct kind hybrid = {true, true};
	static const uint8_t zeros[SHA256_LEN];
	struct scene c;
	struct store *st;
	struct store_event e;
	uint32_t i = 0;

	scene_init(&c, hybrid, 64 * KIB, gaps, N_GAPS, 0);
	st = scene_open(&c, STORE_DOWNLOAD);
	while (strcmp(meta_piece_file(c.s.m, i)->path, "b") != 0)
		i++;
	put_piece(st, &c.s, c.p, i);
	CHECK(wait_event(c.p, STORE_VERIFIED).good);
	store_leaves(st, i, 0);
	e = wait_event(c.p, STORE_LEAVES);
	CHECK_INT(e.n_hashes, 4);
	CHECK_MEM(e.hashes, meta_piece_file(c.s.m, i)->root, SHA256_LEN);
	for (uint32_t b = 1; b < 4; b++)
		CHECK_MEM(e.hashes + b * SHA256_LEN, zeros, SHA256_LEN);
	finish(st, &c);
}

/* ---- everything at once ------------------------------------------------- */

/* So many turns without a piece that became good, and each waits for one for 10 ms. */
#define PATIENCE 10000u

/* Peers that take, finish, drop and spoil blocks at random. */
struct chaos {
	struct scene c;
	struct store *st;
	struct rng rng;
	bool *got; /* by block of the whole torrent */
	uint32_t per;
	uint32_t busy_piece[12], busy_block[12];
	struct span busy[12];
	uint32_t *state; /* per piece: 0 coming, 1 verifying, 2 good */
};

static bool block_busy(const struct chaos *x, uint32_t piece, uint32_t block)
{
	for (int i = 0; i < 12; i++) {
		if (x->busy[i].ptr != NULL && x->busy_piece[i] == piece &&
		    x->busy_block[i] == block)
			return true;
	}
	return false;
}

static void maybe_verify(struct chaos *x, uint32_t piece)
{
	for (uint32_t b = 0; b < meta_piece_blocks(x->c.s.m, piece); b++) {
		if (!x->got[piece * x->per + b])
			return;
	}
	x->state[piece] = 1;
	store_verify(x->st, piece, rng_below(&x->rng, 2) == 0);
}

static void end_one(struct chaos *x, int i)
{
	uint32_t piece = x->busy_piece[i], block = x->busy_block[i];

	if (rng_below(&x->rng, 10) == 0) {
		abort_block(x->st, &x->c, piece, block);
	} else {
		memcpy(x->busy[i].ptr, content(&x->c, piece, block), x->busy[i].len);
		if (rng_below(&x->rng, 60) == 0)
			x->busy[i].ptr[0] ^= 1;
		done(x->st, &x->c, piece, block);
		x->got[piece * x->per + block] = true;
	}
	x->busy[i].ptr = NULL;
	maybe_verify(x, piece);
}

static void begin_one(struct chaos *x, int i)
{
	uint32_t piece = rng_below(&x->rng, x->c.s.m->n_pieces);
	uint32_t block = rng_below(&x->rng, meta_piece_blocks(x->c.s.m, piece));
	int err;

	if (x->state[piece] != 0 || x->got[piece * x->per + block] || block_busy(x, piece, block))
		return;
	err = store_recv_span(x->st, piece, block * BLOCK_BYTES,
			      meta_block_bytes(x->c.s.m, piece, block), &x->busy[i]);
	CHECK(err == OK || err == ERR_AGAIN);
	x->busy_piece[i] = piece;
	x->busy_block[i] = block;
	if (err == ERR_AGAIN)
		x->busy[i].ptr = NULL;
}

/* Returns how many pieces became good. */
static uint32_t take_events(struct chaos *x)
{
	struct store_event e;
	uint32_t n = 0;

	pool_drain(x->c.p);
	while (store_next_event(x->c.p, &e)) {
		if (e.type != STORE_VERIFIED)
			continue;
		CHECK_INT(e.err.code, 0);
		x->state[e.piece] = e.good ? 2 : 0;
		n += e.good;
		if (e.good)
			continue;
		store_reopen_piece(x->st, e.piece);
		for (uint32_t b = 0; b < meta_piece_blocks(x->c.s.m, e.piece); b++) {
			uint8_t want[SHA256_LEN];
			uint64_t at = (uint64_t)e.piece * x->c.s.m->piece_length + b * BLOCK_BYTES;

			sha256_of(
			    bytes_of(x->c.s.space + at, meta_block_bytes(x->c.s.m, e.piece, b)),
			    want);
			if (memcmp(want, e.hashes + b * SHA256_LEN, SHA256_LEN) != 0)
				x->got[e.piece * x->per + b] = false;
		}
	}
	return n;
}

static void run_chaos(struct kind k, uint64_t seed, unsigned slabs)
{
	struct chaos x = {0};
	uint32_t good = 0, n;

	rng_seed(&x.rng, seed);
	scene_init(&x.c, k, 512 * KIB, one, 1, slabs);
	n = x.c.s.m->n_pieces;
	x.st = scene_open(&x.c, STORE_DOWNLOAD);
	x.per = x.c.s.m->piece_length / BLOCK_BYTES;
	x.got = calloc((size_t)n * x.per, sizeof(*x.got));
	x.state = calloc(n, sizeof(*x.state));
	for (unsigned idle = 0; good < n; idle++) {
		struct pollfd hashed = {.fd = pool_fd(x.c.p), .events = POLLIN};
		int i = (int)rng_below(&x.rng, 12);
		uint32_t more;

		/* The threads that hash may be kept waiting for a processor. */
		CHECK_SEED(idle < 2 * PATIENCE, seed);
		if (idle > PATIENCE)
			(void)poll(&hashed, 1, 10);
		if (x.busy[i].ptr != NULL)
			end_one(&x, i);
		else
			begin_one(&x, i);
		more = take_events(&x);
		good += more;
		if (more > 0)
			idle = 0;
	}
	for (int i = 0; i < 12; i++)
		CHECK_SEED(x.busy[i].ptr == NULL || x.state[x.busy_piece[i]] == 2, seed);
	free(x.got);
	free(x.state);
	CHECK_INT(pool_slabs_free(x.c.p), slabs);
	finish(x.st, &x.c);
}

TEST(random_peers_end_with_the_right_bytes)
{
	for (uint64_t seed = 1; seed <= 4; seed++) {
		for (int k = 0; k < N_KINDS; k++) {
			run_chaos(kinds[k], seed, 2);
			run_chaos(kinds[k], seed + 100, 40);
		}
	}
}
