#include "cli/top.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/columns.h"

#include "failmalloc.h"
#include "test.h"

static json_t *status_of(const char *transfers)
{
	char text[8192];
	json_t *j;

	CHECK(setlocale(LC_CTYPE, "C.UTF-8") != NULL);
	snprintf(text, sizeof(text),
		 "{\"transfers\": [%s], \"status\": {\"version\": \"1.2\", \"peers\": 7, "
		 "\"down_bps\": 2048, \"up_bps\": 0}}",
		 transfers);
	j = json_loads(text, 0, NULL);
	CHECK(j != NULL);
	return j;
}

#define ONE                                                                                        \
	"{\"id\": 1, \"title\": \"zebra\", \"state\": \"downloading\", \"total_bytes\": 4096, "    \
	"\"done_bytes\": 1024, \"down_bps\": 1024, \"up_bps\": 0, \"peers\": 3, \"why\": null, "   \
	"\"path\": \"/data/zebra\"}"
#define TWO                                                                                        \
	"{\"id\": 2, \"title\": \"ape\", \"state\": \"seeding\", \"total_bytes\": 10, "            \
	"\"done_bytes\": 10, \"down_bps\": 0, \"up_bps\": 99, \"peers\": 4, \"why\": null}"
#define THREE                                                                                      \
	"{\"id\": 3, \"title\": \"\\u65e5\\u672c\\u001b[31mred\", \"state\": \"paused\", "         \
	"\"total_bytes\": 8, \"done_bytes\": 7, \"down_bps\": 0, \"up_bps\": 0, \"peers\": 0, "    \
	"\"why\": \"no \\u0007room\"}"

/* What is shown, line by line with '\n' behind each; each has exactly the width. */
static char shown[128 << 10];

static const char *draw(struct top *t, unsigned width, unsigned height)
{
	static struct top_screen s;
	size_t at = 0;

	CHECK_INT(top_draw(t, width, height, &s), 0);
	CHECK(s.n <= height);
	for (unsigned i = 0; i < s.n; i++) {
		struct bytes l = bytes_of(s.text.ptr + s.lines[i].at, s.lines[i].len);
		unsigned used;

		CHECK_INT(columns_fit(l, width + 10, &used), l.len);
		CHECK_INT(used, width);
		for (size_t k = 0; k < l.len; k++)
			CHECK(l.ptr[k] >= 32 && l.ptr[k] != 127);
		memcpy(shown + at, l.ptr, l.len);
		at += l.len;
		shown[at++] = '\n';
	}
	shown[at] = '\0';
	top_screen_fini(&s);
	return shown;
}

static bool has(const char *text)
{
	return strstr(shown, text) != NULL;
}

TEST(top_shows_a_row_a_transfer_with_all_columns_when_there_is_room)
{
	struct top t;

	top_init(&t);
	CHECK_INT(top_take_status(&t, status_of(ONE "," TWO "," THREE)), 0);
	draw(&t, 100, 10);
	CHECK(has("shoal 1.2  3 transfers  down 2.0 KiB/s  up 0 B/s  peers 7"));
	CHECK(has(" ID* NAME"));
	CHECK(has("   1 zebra"));
	CHECK(has(" 25%"));
	CHECK(has("4.0 KiB"));
	CHECK(has("1.0 KiB/s"));
	CHECK(has(" 3s"));
	CHECK(has("日本\\x1b[31mred"));
	CHECK(has("no \\x07"));
	CHECK(has("q quit"));
	top_fini(&t);
}

TEST(top_fits_any_size_and_says_when_that_is_too_small)
{
	struct top t;

	top_init(&t);
	CHECK_INT(top_take_status(&t, status_of(ONE "," TWO "," THREE)), 0);
	top_take_details(&t,
			 json_loads("{\"peers\": [{\"addr\": \"10.0.0.1:6881\", \"client\": "
				    "\"\\u001b]0;x\\u0007\", \"have\": 1, \"pieces\": 2}]}",
				    0, NULL),
			 json_loads("{\"pieces\": 2, \"have\": 1, \"cells\": \"ff00\"}", 0, NULL));
	for (t.page = TOP_LIST; t.page <= TOP_HELP; t.page++)
		for (unsigned w = 1; w < 130; w++)
			for (unsigned h = 1; h < 40; h++)
				draw(&t, w, h);
	t.page = TOP_LIST;
	draw(&t, TOP_WIDTH_MIN - 1, TOP_HEIGHT_MIN);
	CHECK(has("too small"));
	draw(&t, TOP_WIDTH_MIN, TOP_HEIGHT_MIN);
	CHECK(has("NAME"));
	draw(&t, 40, 10);
	CHECK(has("zebra") && has("25%") && has("1.0 KiB/s"));
	CHECK(!has("PEERS"));
	draw(&t, 80, TOP_HEIGHT_MAX);
	top_fini(&t);
}

TEST(top_shows_the_selected_ones_pieces_and_peers_where_there_is_room)
{
	struct top t;

	top_init(&t);
	CHECK_INT(top_take_status(&t, status_of(ONE "," TWO)), 0);
	top_take_details(
	    &t,
	    json_loads("{\"peers\": [{\"addr\": \"10.0.0.1:1\", \"client\": \"slow\", \"have\": 1, "
		       "\"pieces\": 4, \"down_bps\": 1}, {\"addr\": \"10.0.0.2:2\", \"client\": "
		       "\"fast\", \"have\": 4, \"pieces\": 4, \"down_bps\": 9000}]}",
		       0, NULL),
	    json_loads("{\"pieces\": 400, \"have\": 200, \"cells\": \"ff00ff4080c0\"}", 0, NULL));
	draw(&t, 48, 24);
	CHECK(has("1 zebra"));
	CHECK(has("[#####.....####-----+++++++++] 200 of 400 pieces"));
	CHECK(has("100%"));
	CHECK(strstr(shown, "10.0.0.2:2") < strstr(shown, "10.0.0.1:1"));
	draw(&t, 48, 15);
	CHECK(!has("10.0.0.2"));
	CHECK_INT(top_on_key(&t, 'd'), TOP_SHOW);
	draw(&t, 60, 15);
	CHECK(has("/data/zebra") && has("10.0.0.2") && !has("ape"));
	/* Another one is selected: what was shown is not of it. */
	CHECK_INT(top_on_key(&t, 'j'), TOP_ASK);
	draw(&t, 60, 15);
	CHECK(has("ape") && !has("10.0.0.2"));
	CHECK_INT(top_on_key(&t, SCREEN_KEY_ESCAPE), TOP_SHOW);
	CHECK_INT(t.page, TOP_LIST);
	top_fini(&t);
}

TEST(top_keeps_the_selected_one_where_others_come_and_go_and_order_changes)
{
	struct top t;

	top_init(&t);
	CHECK_INT(top_on_key(&t, 'j'), TOP_SHOW);
	CHECK_INT(top_on_key(&t, 'p'), TOP_SHOW);
	CHECK_INT(top_take_status(&t, status_of("")), 0);
	draw(&t, 80, 24);
	CHECK(has("no transfers"));
	CHECK_INT(top_take_status(&t, status_of(ONE "," TWO "," THREE)), 0);
	CHECK_INT(t.selected, 1);
	CHECK_INT(top_on_key(&t, SCREEN_KEY_UP), TOP_SHOW);
	CHECK_INT(top_on_key(&t, SCREEN_KEY_DOWN), TOP_ASK);
	CHECK_INT(t.selected, 2);
	CHECK_INT(top_on_key(&t, 's'), TOP_SHOW);
	CHECK_INT(t.sort, TOP_BY_NAME);
	CHECK_INT(t.at, 0); /* "ape" */
	CHECK_INT(t.selected, 2);
	CHECK_INT(top_on_key(&t, 'p'), TOP_PAUSE);
	CHECK_INT(top_on_key(&t, 'r'), TOP_RESUME);
	CHECK_INT(top_take_status(&t, status_of(ONE "," THREE)), 0);
	CHECK_INT(t.selected, 1); /* its neighbour */
	CHECK_INT(top_on_key(&t, 'G'), TOP_ASK);
	CHECK_INT(top_on_key(&t, SCREEN_KEY_END), TOP_SHOW);
	CHECK_INT(top_on_key(&t, 'g'), TOP_ASK);
	for (int i = 0; i < TOP_SORTS; i++)
		(void)top_on_key(&t, 's');
	CHECK_INT(t.sort, TOP_BY_NAME);
	CHECK_INT(top_on_key(&t, 'q'), TOP_QUIT);
	top_fini(&t);
}

TEST(top_scrolls_so_that_the_selected_one_is_seen)
{
	static char many[8000];
	struct top t;
	size_t at = 0;

	for (int i = 1; i <= 60; i++)
		at += (size_t)snprintf(many + at, sizeof(many) - at,
				       "%s{\"id\": %d, \"title\": \"t%02d\"}", i > 1 ? "," : "", i,
				       i);
	top_init(&t);
	CHECK_INT(top_take_status(&t, status_of(many)), 0);
	draw(&t, 40, 10);
	CHECK(has("t01") && has("t07") && !has("t08"));
	CHECK_INT(t.rows, 7);
	CHECK_INT(top_on_key(&t, SCREEN_KEY_PAGE_DOWN), TOP_ASK);
	draw(&t, 40, 10);
	CHECK(has("t08") && has("t02") && !has("t01"));
	CHECK_INT(top_on_key(&t, 'G'), TOP_ASK);
	draw(&t, 40, 10);
	CHECK(has("t60") && has("t54") && !has("t53"));
	draw(&t, 40, 30);
	CHECK(has("t60"));
	top_fini(&t);
}

/* The daemon's answer to what is asked for: of 1000 in any order, number k is called tk. */
static void answer(struct top *t, unsigned n)
{
	static char text[32000];
	json_t *asked = top_question(t), *j;
	unsigned from = (unsigned)json_integer_value(json_object_get(asked, "offset"));
	unsigned limit = (unsigned)json_integer_value(json_object_get(asked, "limit"));
	unsigned id = (unsigned)json_integer_value(json_object_get(asked, "id"));
	bool by_id = strcmp(json_string_value(json_object_get(asked, "sort")), "id") == 0;
	size_t at = 0;

	CHECK(limit >= 1 && limit <= TOP_ROWS_MAX);
	text[0] = '\0';
	for (unsigned i = from; i < n && i < from + limit; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
				       "%s{\"id\": %u, \"title\": \"t%u\"}", at > 0 ? "," : "",
				       by_id ? i + 1 : n - i, by_id ? i + 1 : n - i);
	j = status_of(text);
	json_object_set_new(j, "total", json_integer(n));
	json_object_set_new(j, "offset", json_integer(from < n ? from : n));
	if (id > 0 && id <= n)
		json_object_set_new(j, "at", json_integer(by_id ? id - 1 : n - id));
	json_decref(asked);
	CHECK_INT(top_take_status(t, j), 0);
}

TEST(top_asks_for_those_that_are_shown_alone)
{
	struct top t;

	top_init(&t);
	answer(&t, 1000);
	CHECK(!top_lacks(&t));
	draw(&t, 60, 10);
	CHECK(has("1000 transfers") && has("t1 ") && !has("t2 "));
	CHECK(top_lacks(&t)); /* now that there is room for more */
	answer(&t, 1000);
	draw(&t, 60, 10);
	CHECK(!top_lacks(&t) && has("t7 ") && !has("t8 "));
	CHECK_INT(t.n_list, 7);
	CHECK_INT(top_on_key(&t, 'G'), TOP_ASK);
	CHECK(top_lacks(&t));
	CHECK_INT(t.selected, 0);
	CHECK_INT(top_on_key(&t, 'p'), TOP_SHOW); /* nobody knows which one it is */
	draw(&t, 60, 24);
	draw(&t, 60, 10);
	answer(&t, 1000);
	CHECK(!top_lacks(&t));
	CHECK_INT(t.selected, 1000);
	CHECK_INT(top_on_key(&t, 'p'), TOP_PAUSE);
	draw(&t, 60, 10);
	CHECK(has("t994 ") && has("t1000 ") && !has("t993 "));
	/* In another order it is elsewhere, which the answer says. */
	CHECK_INT(top_on_key(&t, 's'), TOP_ASK);
	CHECK(top_lacks(&t));
	answer(&t, 1000);
	CHECK(top_lacks(&t));
	answer(&t, 1000);
	CHECK(!top_lacks(&t));
	CHECK_INT(t.selected, 1000);
	CHECK_INT(t.at, 0);
	draw(&t, 60, 10);
	CHECK(has("t1000 ") && has("t994 ") && !has("t993 "));
	/* It is gone, and most others. */
	answer(&t, 3);
	answer(&t, 3);
	CHECK(!top_lacks(&t));
	CHECK_INT(t.selected, 1);
	draw(&t, 60, 10);
	CHECK(has("3 transfers") && has("t3 ") && has("t1 "));
	top_fini(&t);
}

TEST(top_says_what_went_wrong_until_a_key_or_an_answer_comes)
{
	struct top t;

	top_init(&t);
	top_note(&t, "that \x1b was no good");
	draw(&t, 60, 10);
	CHECK(has("that \\x1b was no good"));
	CHECK_INT(top_take_status(&t, status_of(ONE)), 0);
	draw(&t, 60, 10);
	CHECK(has("no good"));
	(void)top_on_key(&t, 'x');
	draw(&t, 60, 10);
	CHECK(!has("no good"));
	top_note_lost(&t, "nobody answers");
	draw(&t, 60, 10);
	CHECK(has("nobody answers"));
	CHECK_INT(top_take_status(&t, status_of(ONE)), 0);
	draw(&t, 60, 10);
	CHECK(!has("nobody answers"));
	top_fini(&t);
}

TEST(top_survives_answers_that_are_not_what_they_should_be_and_no_memory)
{
	static const char *const odd[] = {"{}", "[]", "{\"transfers\": 7}",
					  "{\"transfers\": [7, null, {}]}",
					  "{\"transfers\": [{\"id\": -1, \"title\": 3}]}"};
	static struct top_screen s;
	struct top t;

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		top_init(&t);
		CHECK_INT(top_take_status(&t, json_loads(odd[i], 0, NULL)), 0);
		top_take_details(&t, json_loads(odd[i], 0, NULL),
				 json_loads("{\"cells\": \"zz\", \"pieces\": -4}", 0, NULL));
		draw(&t, 80, 24);
		(void)top_on_key(&t, 'd');
		draw(&t, 80, 24);
		top_fini(&t);
	}
	top_init(&t);
	CHECK_INT(top_take_status(&t, status_of(ONE "," TWO)), 0);
	for (size_t i = 1, asked = i; asked >= i; i++) {
		int err;

		failmalloc_start(i, true);
		err = top_draw(&t, 80, 24, &s);
		asked = failmalloc_stop();
		CHECK_INT(err, asked >= i ? ERR_NOMEM : OK);
		top_screen_fini(&s);
	}
	top_fini(&t);
}
