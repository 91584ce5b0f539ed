#include "node/live_book.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/rng.h"
#include "failmalloc_jansson.h"
#include "node/json_read.h"
#include "node/session_line.h"
#include "test.h"

/* What an index knows by the lines it was told. */
struct index {
	struct bitfield map;
	uint64_t left;
	unsigned joins, changes;
};

static void on_pieces(void *user, uint32_t first, uint32_t last, bool has)
{
	struct index *x = user;

	for (uint32_t i = first; i <= last; i++) {
		if (has)
			bitfield_set(&x->map, i);
		else
			bitfield_unset(&x->map, i);
	}
}

static void hear(struct index *x, struct bytes lines)
{
	while (lines.len > 0) {
		const uint8_t *end = memchr(lines.ptr, '\n', lines.len);
		size_t n = end == NULL ? lines.len : (size_t)(end - lines.ptr);
		json_t *j = NULL;

		CHECK(end != NULL);
		CHECK_INT(json_read_object(bytes_sub(lines, 0, n), &j, NULL), 0);
		CHECK_INT(json_integer_value(json_object_get(j, "id")), 7);
		if (strcmp(json_string_value(json_object_get(j, "t")), "join") == 0) {
			x->joins++;
			bitfield_clear(&x->map);
			CHECK_INT(json_integer_value(json_object_get(j, "pieces")), x->map.n);
		} else {
			x->changes++;
		}
		if (json_object_get(j, "left") != NULL)
			x->left = (uint64_t)json_integer_value(json_object_get(j, "left"));
		CHECK_INT(session_line_pieces(j, x->map.n, on_pieces, x, NULL), 0);
		json_decref(j);
		lines = bytes_sub(lines, n + 1, lines.len - n - 1);
	}
}

struct fixture {
	struct metainfo meta;
	struct bitfield have;
	struct live_torrent t;
	struct live_view v;
	struct index index;
	struct buf lines;
};

static void begin(struct fixture *f, uint32_t n)
{
	*f = (struct fixture){.meta = {.v1 = true, .v2 = true, .n_pieces = n}};
	f->t = (struct live_torrent){.meta = &f->meta, .number = 7};
	CHECK_INT(bitfield_init(&f->have, n), 0);
	CHECK_INT(bitfield_init(&f->index.map, n), 0);
	buf_init(&f->lines, 4u << 20);
	f->v = (struct live_view){.have = &f->have, .left = 1000};
}

static void end(struct fixture *f)
{
	bitfield_fini(&f->have);
	bitfield_fini(&f->index.map);
	bitfield_fini(&f->t.told);
	buf_fini(&f->lines);
}

/* What was appended is heard, and then the index knows what there is. */
static void heard(struct fixture *f, const char *what)
{
	hear(&f->index, buf_bytes(&f->lines));
	buf_clear(&f->lines);
	if (memcmp(f->index.map.bits, f->have.bits, bitfield_bytes(f->have.n)) != 0)
		fail_msg("another map is known after %s", what);
}

static void scatter(struct bitfield *b, struct rng *r, uint32_t one_in)
{
	for (uint32_t i = 0; i < b->n; i++) {
		if (rng_below(r, one_in) != 0)
			continue;
		if (bitfield_has(b, i))
			bitfield_unset(b, i);
		else
			bitfield_set(b, i);
	}
}

TEST(a_join_tells_of_every_piece_of_maps_of_any_size)
{
	static const uint32_t sizes[] = {1, 7, 8, 9, 1000, SESSION_BITS_MAX, SESSION_BITS_MAX + 9};
	struct rng r;

	rng_seed(&r, 1);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (uint32_t one_in = 1; one_in <= 64; one_in *= 4) {
			struct fixture f;

			begin(&f, sizes[i]);
			scatter(&f.have, &r, one_in);
			CHECK_INT(live_map_join(&f.t, &f.v, &f.lines), 0);
			heard(&f, "a join");
			CHECK_INT(f.index.joins, 1);
			CHECK_INT(f.index.left, 1000);
			end(&f);
		}
	}
}

TEST(nothing_is_told_when_nothing_has_changed)
{
	struct fixture f;

	begin(&f, 100);
	for (int full = 0; full < 2; full++) {
		for (uint32_t i = 0; full && i < 100; i++)
			bitfield_set(&f.have, i);
		CHECK_INT(live_map_join(&f.t, &f.v, &f.lines), 0);
		buf_clear(&f.lines);
		CHECK_INT(live_map_change(&f.t, &f.v, &f.lines), 0);
		CHECK_INT(f.lines.len, 0);
	}
	end(&f);
}

TEST(changes_add_up_to_what_there_is_however_many_pieces_come_and_go)
{
	struct rng r;

	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct fixture f;

		rng_seed(&r, seed);
		begin(&f, 1 + rng_below(&r, seed % 4 == 0 ? 100000 : 300));
		CHECK_INT(live_map_join(&f.t, &f.v, &f.lines), 0);
		heard(&f, "a join");
		for (int k = 0; k < 20; k++) {
			scatter(&f.have, &r, 1 + rng_below(&r, 50));
			f.v.left = rng_below(&r, 1000);
			CHECK_INT(live_map_change(&f.t, &f.v, &f.lines), 0);
			heard(&f, "a change");
		}
		end(&f);
	}
}

/* A few pieces of a large map cost a short line, not the map again. */
TEST(a_change_is_as_long_as_what_changed)
{
	struct fixture f;

	begin(&f, 100000);
	CHECK_INT(live_map_join(&f.t, &f.v, &f.lines), 0);
	heard(&f, "a join");
	for (uint32_t i = 500; i < 600; i++)
		bitfield_set(&f.have, i);
	CHECK_INT(live_map_change(&f.t, &f.v, &f.lines), 0);
	CHECK(f.lines.len > 0 && f.lines.len < 200);
	heard(&f, "a change");
	end(&f);
}

/* Whichever allocation fails, no half of a line goes out, and later all is told. */
static void fail_each(bool join)
{
	bool done = false;

	for (size_t n = 1; !done; n++) {
		struct fixture f;
		struct rng r;
		size_t asked;
		int rc;

		rng_seed(&r, 3);
		begin(&f, 2000);
		if (!join) {
			CHECK_INT(live_map_join(&f.t, &f.v, &f.lines), 0);
			heard(&f, "a join");
		}
		scatter(&f.have, &r, 2);
		failmalloc_start(n, false);
		rc = join ? live_map_join(&f.t, &f.v, &f.lines)
			  : live_map_change(&f.t, &f.v, &f.lines);
		asked = failmalloc_stop();
		done = asked < n;
		CHECK(rc == 0 || rc == ERR_NOMEM);
		CHECK(!done || rc == 0);
		if (rc != 0) {
			buf_fini(&f.lines);
			buf_init(&f.lines, 4u << 20);
			rc = join ? live_map_join(&f.t, &f.v, &f.lines)
				  : live_map_change(&f.t, &f.v, &f.lines);
			CHECK_INT(rc, 0);
		}
		heard(&f, "a failure");
		end(&f);
	}
}

TEST(a_join_or_change_that_finds_no_memory_is_told_the_next_time)
{
	fail_each(true);
	fail_each(false);
}
