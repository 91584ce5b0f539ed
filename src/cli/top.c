#include "cli/top.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/entries.h"
#include "cli/transfer_words.h"

void top_init(struct top *t)
{
	*t = (struct top){.rows = 1};
}

void top_fini(struct top *t)
{
	json_decref(t->status);
	json_decref(t->peers);
	json_decref(t->pieces);
	free(t->list);
}

/* ---- order --------------------------------------------------------------------- */

static int compare_numbers(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static double part_done(const json_t *j)
{
	double total = (double)transfer_wanted_bytes(j);

	return total > 0 ? (double)transfer_wanted_done(j) / total : 1;
}

/* What is done least, and what is fastest, is of most interest. */
static int compare_by(enum top_sort sort, const json_t *a, const json_t *b)
{
	double done_a, done_b;

	switch (sort) {
	case TOP_BY_NAME:
		return strcmp(entries_str(a, "title"), entries_str(b, "title"));
	case TOP_BY_STATE:
		return strcmp(entries_str(a, "state"), entries_str(b, "state"));
	case TOP_BY_DONE:
		done_a = part_done(a);
		done_b = part_done(b);
		return done_a < done_b ? -1 : done_a > done_b;
	case TOP_BY_DOWN:
		return compare_numbers(entries_count(b, "down_bps"), entries_count(a, "down_bps"));
	case TOP_BY_UP:
		return compare_numbers(entries_count(b, "up_bps"), entries_count(a, "up_bps"));
	case TOP_BY_ID:
	case TOP_SORTS:
		break;
	}
	return 0;
}

static int compare(const void *x, const void *y, void *arg)
{
	const json_t *a = *(const json_t *const *)x, *b = *(const json_t *const *)y;
	int order = compare_by(((const struct top *)arg)->sort, a, b);

	return order != 0 ? order : compare_numbers(entries_count(a, "id"), entries_count(b, "id"));
}

/* ---- which are shown --------------------------------------------------------------- */

const json_t *top_row(const struct top *t, size_t place)
{
	return place < t->base || place - t->base >= t->n_list ? NULL : t->list[place - t->base];
}

void top_scroll(struct top *t, size_t rows)
{
	t->rows = rows > TOP_ROWS_MAX ? TOP_ROWS_MAX : rows > 0 ? rows : 1;
	if (t->at < t->first)
		t->first = t->at;
	if (t->at >= t->first + t->rows)
		t->first = t->at - t->rows + 1;
	if (t->first + t->rows > t->n)
		t->first = t->n > t->rows ? t->n - t->rows : 0;
}

bool top_lacks(const struct top *t)
{
	size_t end = t->n - t->first < t->rows ? t->n : t->first + t->rows;

	return t->first < end && (top_row(t, t->first) == NULL || top_row(t, end - 1) == NULL);
}

json_t *top_question(const struct top *t)
{
	static const char *const words[TOP_SORTS] = {
	    [TOP_BY_ID] = "id",	    [TOP_BY_NAME] = "name", [TOP_BY_STATE] = "state",
	    [TOP_BY_DONE] = "done", [TOP_BY_DOWN] = "down", [TOP_BY_UP] = "up"};

	return json_pack("{s:s, s:s, s:I, s:I, s:I}", "verb", "status", "sort", words[t->sort],
			 "offset", (json_int_t)t->first, "limit", (json_int_t)t->rows, "id",
			 (json_int_t)t->selected);
}

/* Where all are told they need not be asked for in another order. */
static void put_in_order(struct top *t)
{
	if (t->n_list == t->n)
		qsort_r(t->list, t->n, sizeof(*t->list), compare, t);
	else
		t->n_list = 0;
}

static bool find_selected(struct top *t)
{
	const json_t *at = json_object_get(t->status, "at");

	for (size_t i = 0; i < t->n_list; i++) {
		if (entries_count(t->list[i], "id") == t->selected) {
			t->at = t->base + i;
			return true;
		}
	}
	if (!json_is_integer(at) || entries_count(t->status, "at") >= t->n)
		return false;
	t->at = (size_t)entries_count(t->status, "at");
	return true;
}

static void select_at(struct top *t, size_t place)
{
	t->at = place;
	t->selected = top_row(t, place) == NULL ? 0 : entries_count(top_row(t, place), "id");
	top_take_details(t, NULL, NULL);
}

/* Whoever is selected stays so where it moves to; where it is gone, its neighbour is. */
static void settle(struct top *t)
{
	if (!find_selected(t))
		select_at(t, t->at < t->n ? t->at : t->n == 0 ? 0 : t->n - 1);
	top_scroll(t, t->rows);
}

/* ---- answers --------------------------------------------------------------------- */

/* A daemon that was started before an update tells of all, and does not say how many. */
static void take_page(struct top *t, const json_t *answer)
{
	size_t total = (size_t)entries_count(answer, "total");
	size_t from = (size_t)entries_count(answer, "offset");

	t->n = total > t->n_list ? total : t->n_list;
	t->base = from < t->n - t->n_list ? from : t->n - t->n_list;
}

int top_take_status(struct top *t, json_t *answer)
{
	const json_t *all = json_object_get(answer, "transfers"), *j;
	size_t n = json_array_size(all), i;
	const json_t **list = malloc((n + 1) * sizeof(*list));

	if (list == NULL) {
		json_decref(answer);
		return ERR_NOMEM;
	}
	json_array_foreach(all, i, j) list[i] = j;
	if (t->lost)
		t->note[0] = '\0';
	t->lost = false;
	free(t->list);
	json_decref(t->status);
	t->status = answer;
	t->list = list;
	t->n_list = n;
	take_page(t, answer);
	if (t->n_list == t->n)
		put_in_order(t);
	settle(t);
	return OK;
}

void top_take_details(struct top *t, json_t *peers, json_t *pieces)
{
	json_decref(t->peers);
	json_decref(t->pieces);
	t->peers = peers;
	t->pieces = pieces;
}

void top_note(struct top *t, const char *text)
{
	text_escape(t->note, sizeof(t->note), bytes_str(text));
}

void top_note_lost(struct top *t, const char *text)
{
	top_note(t, text);
	t->lost = true;
}

/* ---- keys ------------------------------------------------------------------------- */

static enum top_wish move(struct top *t, size_t to)
{
	if (t->n == 0)
		return TOP_SHOW;
	to = to < t->n ? to : t->n - 1;
	if (to == t->at)
		return TOP_SHOW;
	select_at(t, to);
	top_scroll(t, t->rows);
	return TOP_ASK;
}

static size_t less(size_t a, size_t b)
{
	return a > b ? a - b : 0;
}

static enum top_wish turn_to(struct top *t, enum top_page page)
{
	t->page = t->page == page ? TOP_LIST : page;
	return TOP_SHOW;
}

enum top_wish top_on_key(struct top *t, int key)
{
	t->note[0] = '\0';
	switch (key) {
	case 'q':
		return TOP_QUIT;
	case SCREEN_KEY_UP:
	case 'k':
		return move(t, less(t->at, 1));
	case SCREEN_KEY_DOWN:
	case 'j':
		return move(t, t->at + 1);
	case SCREEN_KEY_PAGE_UP:
		return move(t, less(t->at, t->rows));
	case SCREEN_KEY_PAGE_DOWN:
		return move(t, t->at + t->rows);
	case SCREEN_KEY_HOME:
	case 'g':
		return move(t, 0);
	case SCREEN_KEY_END:
	case 'G':
		return move(t, SIZE_MAX);
	case 'p':
		return t->selected == 0 ? TOP_SHOW : TOP_PAUSE;
	case 'r':
		return t->selected == 0 ? TOP_SHOW : TOP_RESUME;
	case SCREEN_KEY_ENTER:
	case 'd':
		return turn_to(t, TOP_DETAILS);
	case '?':
	case 'h':
		return turn_to(t, TOP_HELP);
	case SCREEN_KEY_ESCAPE:
		return turn_to(t, TOP_LIST);
	case 's':
		t->sort = (enum top_sort)((t->sort + 1) % TOP_SORTS);
		put_in_order(t);
		if (top_lacks(t))
			return TOP_ASK;
		settle(t);
		return TOP_SHOW;
	default:
		return TOP_SHOW;
	}
}
