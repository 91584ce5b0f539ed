/* cli/top.h - what `shoal top` shows and how keys change it. Pure: JSON of the daemon and keys in,
 * lines of text out; cmd_top.c asks, and paints them on a screen. */
#ifndef SHOAL_CLI_TOP_H
#define SHOAL_CLI_TOP_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "cli/screen.h"

/* Below it there is no room to say anything. */
#define TOP_WIDTH_MIN 20u
#define TOP_HEIGHT_MIN 5u
/* A terminal is not larger, nor are more transfers shown at once (attack: none; a wrong size must
 * not cost all memory). */
#define TOP_WIDTH_MAX 1000u
#define TOP_HEIGHT_MAX 1000u
#define TOP_ROWS_MAX 500u

enum top_sort {
	TOP_BY_ID,
	TOP_BY_NAME,
	TOP_BY_STATE,
	TOP_BY_DONE,
	TOP_BY_DOWN,
	TOP_BY_UP,
	TOP_SORTS
};
enum top_page { TOP_LIST, TOP_DETAILS, TOP_HELP };
/* What the shell is to do after a key. TOP_ASK: about the selected one, or, where rows are lacking,
 * for those. */
enum top_wish { TOP_SHOW, TOP_QUIT, TOP_PAUSE, TOP_RESUME, TOP_ASK };

struct top {
	enum top_sort sort;
	enum top_page page;
	uint64_t selected; /* the transfer's number; 0: none, or that was not told yet */
	size_t at;	   /* its place among all */
	size_t first;	   /* the place of the first one that is shown */
	size_t rows;	   /* of the list, when it was drawn last */
	char note[256];	   /* on the last line, until the next key */
	bool lost;	   /* or, if it says that nobody answers, until somebody does */
	json_t *status, *peers, *pieces; /* answers; NULL: none yet */
	const json_t **list;		 /* the transfers in `status`, in order */
	size_t n_list, base;		 /* so many, from place `base` on */
	size_t n;			 /* of all there are */
};

void top_init(struct top *t);
void top_fini(struct top *t);

/* "status" of those that are shown. NULL without memory. Owns: the caller's. */
json_t *top_question(const struct top *t);
/* Some that are shown were not told: it is to be asked (again). */
bool top_lacks(const struct top *t);
/* Which one is at that place; NULL: that was not told. */
const json_t *top_row(const struct top *t, size_t place);
/* So that the selected one is among `rows` that are shown. */
void top_scroll(struct top *t, size_t rows);

/* Answers to "status", of some or of all, and to "peers" and "pieces" of the selected one (NULL:
 * there are none). Owns: taken, also on error. Returns 0 or ERR_NOMEM, and shows what it showed
 * then. */
int top_take_status(struct top *t, json_t *answer);
void top_take_details(struct top *t, json_t *peers, json_t *pieces);
/* Say something on the last line; escaped. */
void top_note(struct top *t, const char *text);
/* The same: why there was no answer. */
void top_note_lost(struct top *t, const char *text);

/* A character, or an enum screen_key. */
enum top_wish top_on_key(struct top *t, int key);

struct top_line {
	size_t at, len; /* of the text; `width` columns at most */
	enum screen_style style;
};
struct top_screen {
	struct buf text;
	struct top_line lines[TOP_HEIGHT_MAX];
	unsigned n;
};
/* Draw for a terminal of this size. Of strangers' text no control character is left.
 * Returns 0 or ERR_NOMEM. Owns: `out` starts zeroed and is used again; top_screen_fini(). */
int top_draw(struct top *t, unsigned width, unsigned height, struct top_screen *out);
void top_screen_fini(struct top_screen *s);

#endif
