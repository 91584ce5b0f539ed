#include "cli/out.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/columns.h"

#define REDRAW_MS 100u
#define JSON_MS 500u
#define LINE_MAX_BYTES 1024u

void progress_init(struct progress *p, enum progress_how how, uint64_t now_ms)
{
	*p = (struct progress){.start_ms = now_ms, .json = how == PROGRESS_JSON};
	p->on = p->json || (how == PROGRESS_AUTO && out_can_redraw(STDERR_FILENO));
}

/* "1.2 of 2.8 GiB", or "900 KiB of 2.8 GiB" */
static void put_amount(struct buf *b, uint64_t done, uint64_t total)
{
	char have[32], all[32];
	const char *unit, *have_unit;

	text_size(have, sizeof(have), done);
	text_size(all, sizeof(all), total);
	unit = strchr(all, ' ');
	have_unit = strchr(have, ' ');
	if (unit != NULL && have_unit != NULL && strcmp(unit, have_unit) == 0)
		have[have_unit - have] = '\0';
	buf_printf(b, "%s of %s", have, all);
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

static void put_line(struct buf *b, const struct progress_state *s)
{
	char text[32];

	buf_printf(b, "%s ", s->label);
	if (s->total > 0) {
		buf_printf(b, " %u%% ", percent(s->done, s->total));
		put_amount(b, s->done, s->total);
	} else {
		buf_printf(b, " %s", text_size(text, sizeof(text), s->done));
	}
	if (s->bps > 0)
		buf_printf(b, "  %s", text_rate(text, sizeof(text), s->bps));
	if (s->bps > 0 && s->total > s->done)
		buf_printf(b, "  ETA %s",
			   text_duration(text, sizeof(text), (s->total - s->done) / s->bps));
	if (s->up_bps > 0)
		buf_printf(b, "  up %s", text_rate(text, sizeof(text), s->up_bps));
	if (s->peers > 0)
		buf_printf(b, "  %u peer%s", s->peers, s->peers == 1 ? "" : "s");
	if (s->note != NULL && s->note[0] != '\0')
		buf_printf(b, "  %s", s->note);
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

void progress_draw(struct progress *p, const struct progress_state *s, uint64_t now_ms)
{
	struct buf b;

	if (!p->on || (p->drawn_ms != 0 && now_ms - p->drawn_ms < (p->json ? JSON_MS : REDRAW_MS)))
		return;
	p->drawn_ms = now_ms;
	if (p->json) {
		print_event(s);
		return;
	}
	p->width = (int)out_width(STDERR_FILENO);
	buf_init(&b, LINE_MAX_BYTES);
	put_line(&b, s);
	/* The last column stays free: some terminals wrap as soon as it is written. */
	fprintf(stderr, "\r%.*s\033[K",
		(int)columns_fit(buf_bytes(&b), p->width > 1 ? (unsigned)p->width - 1 : 1, NULL),
		b.len == 0 ? "" : (const char *)b.ptr);
	(void)fflush(stderr);
	buf_fini(&b);
}

void progress_clear(struct progress *p)
{
	if (!p->on || p->drawn_ms == 0 || p->json)
		return;
	fputs("\r\033[K", stderr);
	(void)fflush(stderr);
	p->drawn_ms = 0;
}

static uint64_t clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void progress_begin(struct progress *p, enum progress_how how)
{
	progress_init(p, how, clock_ms());
}

void progress_work(struct progress *p, const char *label, const char *note, uint64_t done,
		   uint64_t total)
{
	uint64_t now = clock_ms(), spent = now - p->start_ms;
	struct progress_state s = {
	    .label = label,
	    .done = done,
	    .total = total,
	    .bps = spent > 0 ? done * 1000 / spent : 0,
	    .note = note,
	};

	progress_draw(p, &s, now);
}
