/* cli/top_draw.c - the model of `shoal top` as lines.
 *
 *   summary                                     bold
 *   ID NAME  STATE  DONE ...                    reverse
 *   the transfers, the selected one reverse
 *   the selected one: title, pieces, peers      when there is room for it
 *   keys, or what was said last */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/columns.h"
#include "cli/entries.h"
#include "cli/top.h"
#include "cli/transfer_words.h"

/* With so many lines the selected transfer's peers are shown below the list. */
#define PANE_HEIGHT_MIN 16u
/* A name narrower than that says little: other columns make way first. */
#define NAME_WIDTH_MIN 12u

/* More than any title, path or screen has. */
#define TEXT_BYTES_MAX ((size_t)1 << 20)
#define SCREEN_BYTES_MAX ((size_t)1 << 26)

struct pen {
	struct top_screen *out;
	unsigned width, height;
};

/* ---- lines ---------------------------------------------------------------------- */

static void line_begin(struct pen *p, enum screen_style style)
{
	p->out->lines[p->out->n] = (struct top_line){.at = p->out->text.len, .style = style};
}

static void line_end(struct pen *p)
{
	struct top_line *l = &p->out->lines[p->out->n++];

	l->len = p->out->text.len - l->at;
}

/* Text of anybody's, padded or cut to so many columns. */
static void put(struct pen *p, const char *text, unsigned width, bool right)
{
	struct buf safe;

	buf_init(&safe, TEXT_BYTES_MAX);
	text_put_escaped(&safe, bytes_str(text));
	if (safe.err != OK)
		p->out->text.err = safe.err;
	columns_put(&p->out->text, buf_bytes(&safe), width, right);
	buf_fini(&safe);
}

/* A member that is bytes. */
static void put_bytes(struct pen *p, const json_t *j, const char *key, unsigned width)
{
	struct buf room;

	buf_init(&room, TEXT_BYTES_MAX);
	put(p, entries_bytes(j, key, &room), width, false);
	buf_fini(&room);
}

/* A sentence in which strangers' text is escaped already: a second time would double its
 * backslashes. */
static void put_said(struct pen *p, const char *text, unsigned width)
{
	if (text_is_plain(bytes_str(text)))
		columns_put(&p->out->text, bytes_str(text), width, false);
	else
		put(p, text, width, false);
}

static void line(struct pen *p, enum screen_style style, const char *text)
{
	line_begin(p, style);
	put(p, text, p->width, false);
	line_end(p);
}

static void fill_to(struct pen *p, unsigned n)
{
	while (p->out->n < n)
		line(p, SCREEN_PLAIN, "");
}

/* ---- columns --------------------------------------------------------------------- */

enum column_kind {
	COL_ID,
	COL_NAME,
	COL_STATE,
	COL_DONE,
	COL_SIZE,
	COL_DOWN,
	COL_UP,
	COL_PEERS,
	COL_NOTE
};

/* `rank`: those with a higher one make way first. */
static const struct column {
	enum column_kind kind;
	const char *head;
	unsigned width, rank;
	bool right;
	enum top_sort sort; /* TOP_SORTS: none */
} columns[] = {
    {COL_ID, "ID", 4, 1, true, TOP_BY_ID},
    {COL_NAME, "NAME", 0, 0, false, TOP_BY_NAME},
    {COL_STATE, "STATE", 11, 3, false, TOP_BY_STATE},
    {COL_DONE, "DONE", 5, 1, true, TOP_BY_DONE},
    {COL_SIZE, "SIZE", 9, 7, true, TOP_SORTS},
    {COL_DOWN, "DOWN", 11, 2, true, TOP_BY_DOWN},
    {COL_UP, "UP", 11, 4, true, TOP_BY_UP},
    {COL_PEERS, "PEERS", 5, 5, true, TOP_SORTS},
    {COL_NOTE, "ETA", 8, 6, false, TOP_SORTS},
};
#define N_COLUMNS (sizeof(columns) / sizeof(columns[0]))

/* Up to which rank columns fit beside a name; *name: what is left for that. */
static unsigned fitting_rank(unsigned width, unsigned *name)
{
	for (unsigned rank = 7;; rank--) {
		unsigned used = 0;

		for (size_t i = 0; i < N_COLUMNS; i++)
			if (columns[i].kind != COL_NAME && columns[i].rank <= rank)
				used += columns[i].width + 1;
		if (rank == 0 || width >= used + NAME_WIDTH_MIN) {
			*name = width > used ? width - used : 1;
			return rank;
		}
	}
}

static const char *rate(char *out, size_t cap, uint64_t bps)
{
	return bps == 0 ? "" : text_rate(out, cap, bps);
}

static void put_cell(struct pen *p, const json_t *j, const struct column *c, unsigned width)
{
	char text[TRANSFER_NOTE_MAX], percent[TRANSFER_PERCENT_MAX];
	const char *s = text;

	switch (c->kind) {
	case COL_ID:
	case COL_PEERS:
		snprintf(text, sizeof(text), "%llu",
			 (unsigned long long)entries_count(j, c->kind == COL_ID ? "id" : "peers"));
		break;
	case COL_NAME:
		put_bytes(p, j, "title", width);
		return;
	case COL_STATE:
		s = entries_str(j, "state");
		break;
	case COL_DONE:
		s = transfer_percent(percent, j);
		break;
	case COL_SIZE:
		text_size(text, sizeof(text), transfer_wanted_bytes(j));
		break;
	case COL_DOWN:
		s = rate(text, sizeof(text), entries_count(j, "down_bps"));
		break;
	case COL_UP:
		s = rate(text, sizeof(text), entries_count(j, "up_bps"));
		break;
	case COL_NOTE:
		put_said(p, transfer_note(text, j), width);
		return;
	}
	put(p, s, width, c->right);
}

/* `j` NULL: the heads. */
static void row(struct pen *p, const struct top *t, const json_t *j, enum screen_style style)
{
	unsigned name, rank = fitting_rank(p->width, &name);
	bool first = true;

	line_begin(p, style);
	for (size_t i = 0; i < N_COLUMNS; i++) {
		const struct column *c = &columns[i];
		unsigned width = c->kind == COL_NAME ? name : c->width;
		char head[16];

		if (c->rank > rank)
			continue;
		if (!first)
			buf_put_u8(&p->out->text, ' ');
		first = false;
		if (j != NULL) {
			put_cell(p, j, c, width);
			continue;
		}
		snprintf(head, sizeof(head), "%s%s", c->head, c->sort == t->sort ? "*" : "");
		put(p, head, width, c->right);
	}
	line_end(p);
}

/* ---- parts ------------------------------------------------------------------------- */

static void draw_summary(struct pen *p, const struct top *t)
{
	const json_t *s = json_object_get(t->status, "status");
	char text[256], down[32], up[32];

	snprintf(text, sizeof(text), "shoal %.20s  %zu transfer%s  down %s  up %s  peers %llu",
		 entries_str(s, "version"), t->n, t->n == 1 ? "" : "s",
		 text_rate(down, sizeof(down), entries_count(s, "down_bps")),
		 text_rate(up, sizeof(up), entries_count(s, "up_bps")),
		 (unsigned long long)entries_count(s, "peers"));
	line(p, SCREEN_BOLD, text);
}

static void draw_last(struct pen *p, const struct top *t, const char *keys)
{
	fill_to(p, p->height - 1);
	line_begin(p, t->note[0] != '\0' ? SCREEN_BOLD : SCREEN_DIM);
	put_said(p, t->note[0] != '\0' ? t->note : keys, p->width);
	line_end(p);
}

static void draw_list(struct pen *p, struct top *t, size_t rows)
{
	top_scroll(t, rows);
	for (size_t i = t->first; i < t->n && i < t->first + rows && i < t->first + t->rows; i++) {
		if (top_row(t, i) == NULL)
			line(p, SCREEN_PLAIN, "");
		else
			row(p, t, top_row(t, i), i == t->at ? SCREEN_REVERSE : SCREEN_PLAIN);
	}
	if (t->n == 0 && rows > 0)
		line(p, SCREEN_DIM,
		     "the daemon has no transfers; 'shoal share' and 'shoal get' bring some");
}

/* How much of what lies behind one column of the bar is there, 0 to 255. */
static unsigned level_at(const uint8_t *cells, size_t n, unsigned column, unsigned width)
{
	size_t from = (size_t)column * n / width, to = (size_t)(column + 1) * n / width, sum = 0;

	if (to <= from + 1)
		return cells[from];
	for (size_t i = from; i < to; i++)
		sum += cells[i];
	/* Neither nothing nor all, unless it is. */
	if (sum > 0 && sum < (to - from) * 255)
		return (unsigned)(1 + sum * 253 / ((to - from) * 255));
	return (unsigned)(sum / (to - from));
}

static char mark_of(unsigned level)
{
	if (level == 0)
		return '.';
	if (level == 255)
		return '#';
	return level < 128 ? '-' : '+';
}

/* [####+--...] 37 of 100 */
static void draw_bar(struct pen *p, const struct top *t)
{
	const char *hex = entries_str(t->pieces, "cells");
	size_t n = strlen(hex) / 2;
	uint8_t *cells = malloc(n + 1);
	unsigned width, used;
	char count[64];

	snprintf(count, sizeof(count), "] %llu of %llu pieces",
		 (unsigned long long)entries_count(t->pieces, "have"),
		 (unsigned long long)entries_count(t->pieces, "pieces"));
	used = (unsigned)strlen(count) + 1;
	width = p->width > used + 8 ? p->width - used : 0;
	line_begin(p, SCREEN_PLAIN);
	if (cells == NULL || n == 0 || width == 0 || text_unhex(bytes_str(hex), cells, n) != OK) {
		put(p, n == 0 ? "" : count + 2, p->width, false);
	} else {
		buf_put_u8(&p->out->text, '[');
		for (unsigned i = 0; i < width; i++)
			buf_put_u8(&p->out->text, (uint8_t)mark_of(level_at(cells, n, i, width)));
		buf_put_str(&p->out->text, count);
	}
	line_end(p);
	free(cells);
}

static void draw_peer(struct pen *p, const json_t *j)
{
	uint64_t pieces = entries_count(j, "pieces"), have = entries_count(j, "have");
	char down[32], up[32], part[16], text[256];

	snprintf(part, sizeof(part), "%u%%", pieces == 0 ? 0 : (unsigned)(have * 100 / pieces));
	line_begin(p, SCREEN_PLAIN);
	snprintf(text, sizeof(text), "%4s %11s %11s  %-22.60s ", part,
		 rate(down, sizeof(down), entries_count(j, "down_bps")),
		 rate(up, sizeof(up), entries_count(j, "up_bps")), entries_str(j, "addr"));
	if (p->width <= strlen(text)) {
		put(p, text, p->width, false);
	} else {
		put(p, text, (unsigned)strlen(text), false);
		put_said(p, entries_str(j, "client"), p->width - (unsigned)strlen(text));
	}
	line_end(p);
}

static int faster(const void *x, const void *y)
{
	const json_t *a = *(const json_t *const *)x, *b = *(const json_t *const *)y;
	uint64_t rate_a = entries_count(a, "down_bps") + entries_count(a, "up_bps");
	uint64_t rate_b = entries_count(b, "down_bps") + entries_count(b, "up_bps");

	if (rate_a != rate_b)
		return rate_a > rate_b ? -1 : 1;
	return strcmp(entries_str(a, "addr"), entries_str(b, "addr"));
}

/* The fastest first, as many as fit above the last line. */
static void draw_peers(struct pen *p, const struct top *t)
{
	const json_t *all = json_object_get(t->peers, "peers"), *j;
	size_t n = json_array_size(all), i;
	const json_t **list = malloc((n + 1) * sizeof(*list));
	unsigned end = p->height - 1;

	if (list == NULL) {
		p->out->text.err = ERR_NOMEM;
		return;
	}
	json_array_foreach(all, i, j) list[i] = j;
	qsort(list, n, sizeof(*list), faster);
	if (p->out->n < end)
		line(p, SCREEN_DIM, n == 0 ? "no peers" : "HAS         DOWN          UP  PEER");
	for (i = 0; i < n && p->out->n < end; i++) {
		if (p->out->n + 1 == end && i + 1 < n) {
			char more[48];

			snprintf(more, sizeof(more), "and %zu more", n - i);
			line(p, SCREEN_DIM, more);
		} else {
			draw_peer(p, list[i]);
		}
	}
	free(list);
}

static void draw_title(struct pen *p, const json_t *j)
{
	char text[64];

	snprintf(text, sizeof(text), "%llu ", (unsigned long long)entries_count(j, "id"));
	line_begin(p, SCREEN_BOLD);
	put(p, text, (unsigned)strlen(text), false);
	put_bytes(p, j, "title", p->width - (unsigned)strlen(text));
	line_end(p);
}

/* ---- pages ------------------------------------------------------------------------- */

static void draw_list_page(struct pen *p, struct top *t)
{
	size_t rows = p->height - 3;
	const json_t *selected = top_row(t, t->at);
	bool pane = p->height >= PANE_HEIGHT_MIN && t->n > 0;

	if (pane && t->n < rows / 2)
		rows = t->n;
	else if (pane)
		rows /= 2;
	draw_summary(p, t);
	row(p, t, NULL, SCREEN_REVERSE);
	draw_list(p, t, rows);
	if (pane && selected != NULL) {
		fill_to(p, (unsigned)rows + 2);
		line(p, SCREEN_PLAIN, "");
		draw_title(p, selected);
		draw_bar(p, t);
		draw_peers(p, t);
	}
	draw_last(p, t, "q quit  j/k select  p pause  r resume  d details  s sort  ? help");
}

#define FACT_NAME_WIDTH 9u

/* False: no room for one more. */
static bool fact_begin(struct pen *p, const char *name)
{
	if (p->out->n + 1 >= p->height)
		return false;
	line_begin(p, SCREEN_PLAIN);
	put(p, name, FACT_NAME_WIDTH, false);
	return true;
}

static void fact(struct pen *p, const char *name, const char *value)
{
	if (!fact_begin(p, name))
		return;
	put_said(p, value, p->width - FACT_NAME_WIDTH);
	line_end(p);
}

static void draw_facts(struct pen *p, const json_t *j)
{
	char text[TRANSFER_NOTE_MAX + 64], percent[TRANSFER_PERCENT_MAX], note[TRANSFER_NOTE_MAX];
	char a[32], b[32];

	snprintf(text, sizeof(text), "%.32s  %s of %s  %s", entries_str(j, "state"),
		 transfer_percent(percent, j),
		 text_size(a, sizeof(a), entries_count(j, "total_bytes")), transfer_note(note, j));
	fact(p, "state", text);
	snprintf(text, sizeof(text), "%s down, %s up; %llu peer%s, %llu complete",
		 text_rate(a, sizeof(a), entries_count(j, "down_bps")),
		 text_rate(b, sizeof(b), entries_count(j, "up_bps")),
		 (unsigned long long)entries_count(j, "peers"),
		 entries_count(j, "peers") == 1 ? "" : "s",
		 (unsigned long long)entries_count(j, "seeds"));
	fact(p, "rates", text);
	snprintf(text, sizeof(text), "%s down, %s up",
		 text_size(a, sizeof(a), entries_count(j, "down_total")),
		 text_size(b, sizeof(b), entries_count(j, "up_total")));
	fact(p, "so far", text);
	if (fact_begin(p, "path")) {
		put_bytes(p, j, "path", p->width - FACT_NAME_WIDTH);
		line_end(p);
	}
	if (*entries_str(j, "hash_v1") != '\0')
		fact(p, "v1", entries_str(j, "hash_v1"));
	if (*entries_str(j, "hash_v2") != '\0')
		fact(p, "v2", entries_str(j, "hash_v2"));
	if (*entries_str(j, "tracker_error") != '\0')
		fact(p, "tracker", entries_str(j, "tracker_error"));
}

static void draw_details_page(struct pen *p, struct top *t)
{
	const json_t *j = top_row(t, t->at);

	if (j != NULL) {
		draw_title(p, j);
		draw_facts(p, j);
		if (p->out->n + 1 < p->height)
			draw_bar(p, t);
		draw_peers(p, t);
	}
	draw_last(p, t, "d back  j/k next  p pause  r resume  q quit");
}

static void draw_help_page(struct pen *p, struct top *t)
{
	static const char *const text[] = {
	    "up, down, j, k    select; also g, G, Page Up, Page Down",
	    "p, r              pause, resume it",
	    "d, Enter          all about it, and back",
	    "s                 sort by another column: the one with a '*'",
	    "?, h              this, and back",
	    "q                 quit; the daemon goes on",
	};

	line(p, SCREEN_BOLD, "shoal top");
	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]) && p->out->n + 1 < p->height; i++)
		line(p, SCREEN_PLAIN, text[i]);
	draw_last(p, t, "? back  q quit");
}

int top_draw(struct top *t, unsigned width, unsigned height, struct top_screen *out)
{
	struct pen p = {.out = out,
			.width = width < TOP_WIDTH_MAX ? width : TOP_WIDTH_MAX,
			.height = height < TOP_HEIGHT_MAX ? height : TOP_HEIGHT_MAX};

	if (out->text.max == 0)
		buf_init(&out->text, SCREEN_BYTES_MAX);
	buf_clear(&out->text);
	out->n = 0;
	if (p.width < TOP_WIDTH_MIN || p.height < TOP_HEIGHT_MIN)
		line(&p, SCREEN_PLAIN, "too small");
	else if (t->page == TOP_DETAILS)
		draw_details_page(&p, t);
	else if (t->page == TOP_HELP)
		draw_help_page(&p, t);
	else
		draw_list_page(&p, t);
	return out->text.err;
}

void top_screen_fini(struct top_screen *s)
{
	buf_fini(&s->text);
}
