/* cli/out.h - what commands print: tables, JSON, progress. */
#ifndef SHOAL_CLI_OUT_H
#define SHOAL_CLI_OUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"

/* The number in the member "schema" of every object that a command prints, and of each element of a
 * list. It grows when a member goes away or changes its meaning; members may be added any time. */
#define OUT_SCHEMA 1

/* Pretty JSON and a newline on stdout, marked with the schema. */
void out_json(const json_t *j);
/* The same on one line of `stream`, which is flushed. */
void out_json_line(FILE *stream, const json_t *j);

/* Is `fd` a terminal that can be told to wipe what it shows? One whose TERM is "dumb" or not set
 * prints such words instead. */
bool out_can_redraw(int fd);

/* Columns of the terminal `fd`; 80 where nobody knows. */
unsigned out_width(int fd);

/* "label:        text" on stdout; text is escaped. Nothing for an empty text. */
void out_field(const char *label, const char *text);

/* A table on stdout (libsmartcols): columns fixed at birth, cells escaped by out_cell. On a
 * terminal that is too narrow for a long name, that stands on a line of its own above the rest of
 * its row. When stdout is no terminal, columns are separated by tabs without headings, for cut(1).
 */
struct out_table;
struct out_table *out_table_new(const char *const *columns, size_t n, const bool *right);
void out_row(struct out_table *t);
void out_cell(struct out_table *t, const char *text); /* next cell of the row; text is escaped */
/* The same of a sentence in which strangers' text is escaped already: its backslashes stay as they
 * are, unless there is anything in it that should have been. */
void out_cell_said(struct out_table *t, const char *text);
void out_table_print(struct out_table *t); /* and frees it */

/* One line on stderr that redraws itself, terminals only; silent in a pipe and with -q. Or, when
 * told so, a line of JSON now and then, wherever stderr leads. */
#define PROGRESS_LINE_MAX 512
enum progress_how { PROGRESS_AUTO, PROGRESS_JSON, PROGRESS_NONE };
struct progress {
	bool on, json;
	uint64_t start_ms, drawn_ms;
	uint64_t line_ms; /* of the line that the terminal shows; 0: none */
	char line[PROGRESS_LINE_MAX];
};
struct progress_state {
	const char *label;    /* escaped already */
	uint64_t done, total; /* bytes */
	uint64_t bps, up_bps;
	uint32_t peers;
	const char *note; /* "waiting for a holder", or NULL */
};
void progress_init(struct progress *p, enum progress_how how, uint64_t now_ms);
/* The line in at most `width` columns. The label gives way to the figures, down to a third of them;
 * figures that have no room are left out, the last ones first. */
void progress_line(struct buf *out, const struct progress_state *s, unsigned width);
/* Draws at most ten times a second: "label  42% 1.2 of 2.8 GiB  310 MiB/s  ETA 5s  4 peers"; or at
 * most twice a second {"schema", "event": "progress", "label", "done", "total", "down_bps",
 * "up_bps", "peers", "eta_s", "note"}. (share_tell.c has another event, "serving".) */
void progress_draw(struct progress *p, const struct progress_state *s, uint64_t now_ms);
/* For work without a loop: begin, then draw how much of it is done, at the rate so far. Read the
 * clock themselves. `note` may be NULL. */
void progress_begin(struct progress *p, enum progress_how how);
void progress_work(struct progress *p, const char *label, const char *note, uint64_t done,
		   uint64_t total);
/* Wipe the line, so that other output starts clean. */
void progress_clear(struct progress *p);

#endif
