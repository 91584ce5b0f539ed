#include "cli/out.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/columns.h"
#include "net/loop.h"

#define REDRAW_MS 100u
#define JSON_MS 500u
#define LINE_MAX_BYTES 1024u
#define AMOUNT_MAX 80
#define STILL_MS 1000u /* what has not changed is drawn again: others may have written over it */
#define LABEL_COLUMNS_MIN 8u
#define NOTE_COLUMNS_MIN 10u

void progress_init(struct progress *p, enum progress_how how, uint64_t now_ms)
{
	*p = (struct progress){.start_ms = now_ms, .json = how == PROGRESS_JSON};
	p->on = p->json || (how == PROGRESS_AUTO && out_can_redraw(STDERR_FILENO));
}

/* "1.2 of 2.8 GiB", or "900 KiB of 2.8 GiB" */
static const char *amount(char out[AMOUNT_MAX], uint64_t done, uint64_t total)
{
	char have[32], all[32];
	const char *unit, *have_unit;

	text_size(have, sizeof(have), done);
	text_size(all, sizeof(all), total);
	unit = strchr(all, ' ');
	have_unit = strchr(have, ' ');
	if (unit != NULL && have_unit != NULL && strcmp(unit, have_unit) == 0)
		have[have_unit - have] = '\0';
	snprintf(out, AMOUNT_MAX, "%s of %s", have, all);
	return out;
}

static unsigned percent(uint64_t done, uint64_t total)
{
	/* Never 100 before it is; no overflow for any size. */
	if (done >= total)
		return 100;
	return total >= 100 * 1024
		   ? (unsigned)(done / (total / 100) > 99 ? 99 : done / (total / 100))
		   : (unsigned)(done * 100 / total);
}

/* What stands behind the label, each figure whole or not at all. */
struct figures {
	struct buf text;
	unsigned used, room; /* columns */
	bool full;	     /* one had no room, so those after it have none either */
};

static void put_figure(struct figures *f, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void put_figure(struct figures *f, const char *fmt, ...)
{
	char text[80];
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	n = strlen(text);
	f->full = f->full || n > f->room - f->used;
	if (f->full)
		return;
	buf_put_str(&f->text, text);
	f->used += (unsigned)n;
}

/* It is a sentence: better the beginning of it than nothing. */
static void put_note(struct figures *f, const char *note)
{
	unsigned room = f->room - f->used, columns;

	if (note == NULL || note[0] == '\0' || f->full || room < NOTE_COLUMNS_MIN)
		return;
	room -= 2;
	if (columns_fit(bytes_str(note), room, &columns) < strlen(note))
		columns = room;
	buf_put_str(&f->text, "  ");
	columns_put(&f->text, bytes_str(note), columns, false);
	f->used += 2 + columns;
}

static void put_figures(struct figures *f, const struct progress_state *s)
{
	bool coming = s->bps > 0 && s->total > s->done;
	char text[32], all[AMOUNT_MAX];

	if (s->total > 0) {
		put_figure(f, "  %u%%", percent(s->done, s->total));
		put_figure(f, " %s", amount(all, s->done, s->total));
	} else {
		put_figure(f, "  %s", text_size(text, sizeof(text), s->done));
	}
	if (s->bps > 0)
		put_figure(f, "  %s", text_rate(text, sizeof(text), s->bps));
	if (coming)
		put_figure(f, "  ETA %s",
			   text_duration(text, sizeof(text), (s->total - s->done) / s->bps));
	if (s->up_bps > 0)
		put_figure(f, "  up %s", text_rate(text, sizeof(text), s->up_bps));
	if (s->peers > 0)
		put_figure(f, "  %u peer%s", s->peers, s->peers == 1 ? "" : "s");
	put_note(f, s->note);
}

void progress_line(struct buf *out, const struct progress_state *s, unsigned width)
{
	struct bytes label = bytes_str(s->label);
	struct figures f = {.room = width};
	unsigned wanted, least = width / 3 > LABEL_COLUMNS_MIN ? width / 3 : LABEL_COLUMNS_MIN;

	(void)columns_fit(label, UINT_MAX, &wanted);
	if (least > wanted)
		least = wanted;
	f.room = width > least ? width - least : 0;
	buf_init(&f.text, LINE_MAX_BYTES);
	put_figures(&f, s);
	columns_put(out, label, wanted < width - f.used ? wanted : width - f.used, false);
	buf_put(out, buf_bytes(&f.text));
	buf_fini(&f.text);
}

static void print_event(const struct progress_state *s)
{
	bool timed = s->bps > 0 && s->total > s->done;
	json_t *j =
	    json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:i}", "event", "progress", "label", s->label,
		      "done", (json_int_t)s->done, "total", (json_int_t)s->total, "down_bps",
		      (json_int_t)s->bps, "up_bps", (json_int_t)s->up_bps, "peers", (int)s->peers);

	json_object_set_new(j, "eta_s",
			    timed ? json_integer((json_int_t)((s->total - s->done) / s->bps))
				  : json_null());
	json_object_set_new(j, "note", json_string(s->note == NULL ? "" : s->note));
	out_json_line(stderr, j);
	json_decref(j);
}

/* Somebody else has the terminal while this runs behind it: what is drawn would stand in the middle
 * of what they type. */
static bool is_in_front(void)
{
	pid_t front = tcgetpgrp(STDERR_FILENO);

	return front < 0 || front == getpgrp();
}

static void draw_line(struct progress *p, const struct progress_state *s, uint64_t now_ms)
{
	unsigned width = out_width(STDERR_FILENO);
	struct buf b;

	buf_init(&b, LINE_MAX_BYTES);
	/* The last column stays free: some terminals wrap as soon as it is written. */
	progress_line(&b, s, width > 1 ? width - 1 : 1);
	if (b.err == OK && (p->line_ms == 0 || now_ms - p->line_ms >= STILL_MS ||
			    !bytes_eq(buf_bytes(&b), bytes_str(p->line)))) {
		snprintf(p->line, sizeof(p->line), "%.*s", (int)b.len, (const char *)b.ptr);
		p->line_ms = now_ms;
		fprintf(stderr, "\r%.*s\033[K", (int)b.len, (const char *)b.ptr);
		(void)fflush(stderr);
	}
	buf_fini(&b);
}

void progress_draw(struct progress *p, const struct progress_state *s, uint64_t now_ms)
{
	if (!p->on || (p->drawn_ms != 0 && now_ms - p->drawn_ms < (p->json ? JSON_MS : REDRAW_MS)))
		return;
	p->drawn_ms = now_ms;
	if (p->json)
		print_event(s);
	else if (is_in_front())
		draw_line(p, s, now_ms);
}

void progress_clear(struct progress *p)
{
	if (!p->on || p->line_ms == 0)
		return;
	if (is_in_front()) {
		fputs("\r\033[K", stderr);
		(void)fflush(stderr);
	}
	p->drawn_ms = p->line_ms = 0;
}

void progress_begin(struct progress *p, enum progress_how how)
{
	progress_init(p, how, loop_clock_ms());
}

void progress_work(struct progress *p, const char *label, const char *note, uint64_t done,
		   uint64_t total)
{
	uint64_t now = loop_clock_ms(), spent = now - p->start_ms;
	struct progress_state s = {
	    .label = label,
	    .done = done,
	    .total = total,
	    .bps = spent > 0 ? done * 1000 / spent : 0,
	    .note = note,
	};

	progress_draw(p, &s, now);
}
