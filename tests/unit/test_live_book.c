#include "node/live_book.h"

#include <stdlib.h>

#include "failmalloc_jansson.h"
#include "node/json_read.h"
#include "node/session_line.h"
#include "test.h"

#define N 3u
#define PIECES 40u

struct fixture {
	struct live_book book;
	struct live_torrent t[N];
	struct metainfo meta;
	struct bitfield have;
	struct live_view v; /* of all of them */
	struct buf out;
};

static void view(void *user, struct live_view *out)
{
	const struct fixture *f = user;

	*out = f->v;
}

static void begin(struct fixture *f)
{
	*f = (struct fixture){.meta = {.v1 = true, .n_pieces = PIECES}};
	CHECK_INT(bitfield_init(&f->have, PIECES), 0);
	f->v = (struct live_view){.have = &f->have, .left = 7};
	buf_init(&f->out, LIVE_LINES_BYTES_MAX);
	live_book_init(&f->book);
	for (size_t i = 0; i < N; i++)
		f->t[i] = (struct live_torrent){.meta = &f->meta, .view = view, .user = f};
}

static void end(struct fixture *f)
{
	for (size_t i = 0; i < N; i++)
		live_book_remove(&f->book, &f->t[i], &f->out);
	live_book_fini(&f->book);
	bitfield_fini(&f->have);
	buf_fini(&f->out);
}

/* What the lines say, in short: "join 0", "leave 1", "rates 0:5/6 2:1/0", ...; then they are gone.
 */
static const char *said(struct fixture *f)
{
	static char text[4096];
	struct bytes lines = buf_bytes(&f->out);
	size_t n = 0;

	text[0] = '\0';
	while (lines.len > 0) {
		const uint8_t *nl = memchr(lines.ptr, '\n', lines.len);
		size_t len = nl == NULL ? lines.len : (size_t)(nl - lines.ptr);
		json_t *j = NULL, *rate;
		size_t i;

		CHECK(nl != NULL);
		CHECK_INT(json_read_object(bytes_sub(lines, 0, len), &j, NULL), 0);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n > 0 ? ", " : "",
				      json_string_value(json_object_get(j, "t")));
		if (json_object_get(j, "id") != NULL)
			n += (size_t)snprintf(text + n, sizeof(text) - n, " %d",
					      (int)json_integer_value(json_object_get(j, "id")));
		json_array_foreach(json_object_get(j, "rates"), i, rate)
		{
			n += (size_t)snprintf(text + n, sizeof(text) - n, " %d:%d/%d",
					      (int)json_integer_value(json_array_get(rate, 0)),
					      (int)json_integer_value(json_array_get(rate, 1)),
					      (int)json_integer_value(json_array_get(rate, 2)));
		}
		json_decref(j);
		lines = bytes_sub(lines, len + 1, lines.len - len - 1);
	}
	buf_clear(&f->out);
	return text;
}

static void join_all(struct fixture *f, uint64_t now_ms)
{
	for (size_t i = 0; i < N; i++)
		live_book_add(&f->book, &f->t[i]);
	while (live_book_join(&f->book, now_ms, &f->out) != NULL)
		;
	CHECK_STR(said(f), "join 0, join 1, join 2");
}

static const char *changes(struct fixture *f, uint64_t now_ms)
{
	live_book_changes(&f->book, now_ms, SIZE_MAX, &f->out);
	return said(f);
}

TEST(torrents_join_in_their_order_and_a_number_that_is_free_again_is_used_again)
{
	struct fixture f;

	begin(&f);
	join_all(&f, 0);
	CHECK(live_book_at(&f.book, 1) == &f.t[1]);
	live_book_remove(&f.book, &f.t[1], &f.out);
	CHECK_STR(said(&f), "leave 1");
	CHECK(live_book_at(&f.book, 1) == NULL);
	live_book_add(&f.book, &f.t[1]);
	CHECK(live_book_join(&f.book, 0, &f.out) == &f.t[1]);
	CHECK_STR(said(&f), "join 1");
	CHECK(live_book_join(&f.book, 0, &f.out) == NULL);
	CHECK(live_book_at(&f.book, UINT32_MAX) == NULL);
	end(&f);
}

TEST(one_that_was_not_told_of_leaves_in_silence)
{
	struct fixture f;

	begin(&f);
	live_book_remove(&f.book, &f.t[0], &f.out);
	live_book_add(&f.book, &f.t[0]);
	live_book_remove(&f.book, &f.t[0], &f.out);
	CHECK_STR(said(&f), "");
	CHECK(live_book_join(&f.book, 0, &f.out) == NULL);
	end(&f);
}

TEST(after_a_lost_session_all_is_told_anew_and_what_was_refused_is_tried_again)
{
	struct fixture f;

	begin(&f);
	join_all(&f, 0);
	live_book_refuse(&f.book, &f.t[0]);
	CHECK_INT(f.t[0].state, LIVE_REFUSED);
	CHECK(live_book_at(&f.book, 0) == NULL);
	f.v.down_bps = 5;
	live_book_touch(&f.book, &f.t[1]);
	CHECK_STR(changes(&f, LIVE_RATES_MS), "rates 1:5/0");
	live_book_requeue(&f.book);
	CHECK(live_book_at(&f.book, 1) == NULL);
	CHECK_STR(changes(&f, 2 * LIVE_RATES_MS), "");
	CHECK(live_book_join(&f.book, 9000, &f.out) == &f.t[0]);
	CHECK(live_book_join(&f.book, 9000, &f.out) == &f.t[1]);
	CHECK_STR(said(&f), "join 0, join 1");
	/* The new session knows nothing of its rates. */
	live_book_touch(&f.book, &f.t[1]);
	CHECK_STR(changes(&f, 3 * LIVE_RATES_MS), "rates 1:5/0");
	end(&f);
}

TEST(pieces_are_told_once_and_only_of_what_was_touched)
{
	struct fixture f;

	begin(&f);
	join_all(&f, 0);
	bitfield_set(&f.have, 3);
	CHECK_STR(changes(&f, 1), "");
	live_book_touch(&f.book, &f.t[2]);
	live_book_touch(&f.book, &f.t[2]);
	CHECK_STR(changes(&f, 2), "change 2");
	CHECK_STR(changes(&f, 3), "");
	live_book_touch(&f.book, &f.t[2]);
	CHECK_STR(changes(&f, 4), "");
	end(&f);
}

TEST(rates_are_told_now_and_then_and_until_they_are_none)
{
	struct fixture f;

	begin(&f);
	join_all(&f, 0);
	f.v.down_bps = 100;
	f.v.up_bps = 1;
	live_book_touch(&f.book, &f.t[0]);
	live_book_touch(&f.book, &f.t[1]);
	CHECK_STR(changes(&f, LIVE_RATES_MS), "rates 0:100/1 1:100/1");
	f.v.down_bps = 90;
	CHECK_STR(changes(&f, 2 * LIVE_RATES_MS - 1), "");
	CHECK_STR(changes(&f, 2 * LIVE_RATES_MS), "rates 0:90/1 1:90/1");
	CHECK_STR(changes(&f, 3 * LIVE_RATES_MS), "");
	f.v.down_bps = f.v.up_bps = 0;
	CHECK_STR(changes(&f, 4 * LIVE_RATES_MS), "rates 0:0/0 1:0/0");
	f.v.down_bps = 50; /* nobody says that it moves again */
	CHECK_STR(changes(&f, 5 * LIVE_RATES_MS), "");
	end(&f);
}

/* An index that reads slowly is told the rest in later turns. */
TEST(no_more_is_told_at_a_time_than_there_is_room_for)
{
	struct fixture f;

	begin(&f);
	join_all(&f, 0);
	bitfield_set(&f.have, 0);
	for (size_t i = 0; i < N; i++)
		live_book_touch(&f.book, &f.t[i]);
	live_book_changes(&f.book, 1, 0, &f.out);
	CHECK_STR(said(&f), "change 0");
	live_book_changes(&f.book, 2, 0, &f.out);
	CHECK_STR(said(&f), "change 1");
	CHECK_STR(changes(&f, 3), "change 2");
	end(&f);
}

TEST(more_peers_are_not_asked_for_again_and_again)
{
	struct fixture f;

	begin(&f);
	live_book_more(&f.t[0], LIVE_MORE_MS, &f.out);
	CHECK_STR(said(&f), "");
	join_all(&f, 1000);
	CHECK(f.t[0].asked);
	f.t[0].asked = false;
	live_book_more(&f.t[0], 1000 + LIVE_MORE_MS - 1, &f.out);
	CHECK_STR(said(&f), "");
	CHECK(!f.t[0].asked);
	live_book_more(&f.t[0], 1000 + LIVE_MORE_MS, &f.out);
	live_book_more(&f.t[0], 1000 + LIVE_MORE_MS + 1, &f.out);
	CHECK_STR(said(&f), "more 0");
	CHECK(f.t[0].asked);
	end(&f);
}

/* Without memory it is announced as ever; nothing half is said, no number is lost. */
TEST(a_join_that_finds_no_memory_is_refused_and_leaves_no_trace)
{
	bool done = false;

	for (size_t n = 1; !done; n++) {
		struct live_torrent *t;
		struct fixture f;

		begin(&f);
		live_book_add(&f.book, &f.t[0]);
		failmalloc_start(n, false);
		t = live_book_join(&f.book, 0, &f.out);
		done = failmalloc_stop() < n;
		CHECK(t == &f.t[0]);
		CHECK(!done || t->state == LIVE_IN);
		if (t->state != LIVE_IN) {
			CHECK_INT(t->state, LIVE_REFUSED);
			CHECK_INT(f.out.len, 0);
			CHECK(live_book_at(&f.book, 0) == NULL);
			live_book_requeue(&f.book);
			buf_fini(&f.out);
			buf_init(&f.out, LIVE_LINES_BYTES_MAX);
			CHECK(live_book_join(&f.book, 0, &f.out) == t);
		}
		CHECK_STR(said(&f), "join 0");
		end(&f);
	}
}

/* Whatever cannot be told now is told the next time, or was told as a whole. */
TEST(changes_that_find_no_memory_are_told_later)
{
	bool done = false;

	for (size_t n = 1; !done; n++) {
		struct fixture f;
		struct bitfield *told;

		begin(&f);
		join_all(&f, 0);
		bitfield_set(&f.have, 5);
		f.v.up_bps = 3;
		live_book_touch(&f.book, &f.t[0]);
		failmalloc_start(n, false);
		live_book_changes(&f.book, LIVE_RATES_MS, SIZE_MAX, &f.out);
		done = failmalloc_stop() < n;
		f.out.err = OK;
		(void)said(&f); /* whole lines */
		live_book_changes(&f.book, 2 * LIVE_RATES_MS, SIZE_MAX, &f.out);
		(void)said(&f);
		told = &f.t[0].told;
		CHECK(told->bits != NULL && bitfield_has(told, 5) && told->count == 1);
		CHECK_INT(f.t[0].told_up, 3);
		end(&f);
	}
}
