/* Plots as SVG, small enough to be kept beside the text. */
#include <math.h>

#include "sim/table.h"

#define WIDTH 760.0
#define HEIGHT 420.0
#define LEFT 62.0
#define RIGHT 200.0 /* the legend */
#define TOP 44.0
#define BOTTOM 52.0
/* Points of one curve, at most. */
#define POINTS_MAX 120u

static const char *const colours[] = {"#1f6fb4", "#d9622b", "#2f9e56", "#8a56b0",
				      "#b23a48", "#4d9aa8", "#8c7a2b", "#5b5b5b"};
#define N_COLOURS (sizeof(colours) / sizeof(colours[0]))

/* What part of the world a plot shows. */
struct frame {
	double x_min, x_max, y_max;
	bool log_x;
};

static double x_at(const struct frame *p, double x)
{
	double part = p->log_x ? (log10(x) - log10(p->x_min)) / (log10(p->x_max) - log10(p->x_min))
			       : (x - p->x_min) / (p->x_max - p->x_min);

	return LEFT + part * (WIDTH - LEFT - RIGHT);
}

static double y_at(const struct frame *p, double y)
{
	return HEIGHT - BOTTOM - y / p->y_max * (HEIGHT - TOP - BOTTOM);
}

/* 1, 2 or 5 times a power of ten, so that about six fit. */
static double nice_step(double span)
{
	double unit = pow(10, floor(log10(span / 6)));
	double n = span / 6 / unit;

	return unit * (n <= 1 ? 1 : n <= 2 ? 2 : n <= 5 ? 5 : 10);
}

static void put_text(FILE *f, double x, double y, const char *anchor, const char *text)
{
	fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor,
		text);
}

static void put_line(FILE *f, double x1, double y1, double x2, double y2, const char *style)
{
	fprintf(f, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" %s/>\n", x1, y1, x2, y2,
		style);
}

static void put_x_tick(FILE *f, const struct frame *p, double x)
{
	char text[24];

	snprintf(text, sizeof(text), "%g", x);
	put_line(f, x_at(p, x), TOP, x_at(p, x), HEIGHT - BOTTOM, "stroke=\"#e6e6e6\"");
	put_text(f, x_at(p, x), HEIGHT - BOTTOM + 17, "middle", text);
}

static void put_frame(FILE *f, const struct frame *p, const char *title, const char *x_name,
		      const char *y_name)
{
	double step = nice_step(p->y_max);
	char text[24];

	fprintf(f,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %g %g\" "
		"font-family=\"sans-serif\" font-size=\"12\" fill=\"#333\">\n"
		"<rect width=\"%g\" height=\"%g\" fill=\"#fff\"/>\n",
		WIDTH, HEIGHT, WIDTH, HEIGHT);
	fprintf(f, "<text x=\"%g\" y=\"26\" font-size=\"15\" font-weight=\"bold\">%s</text>\n",
		LEFT, title);
	for (double y = 0; y <= p->y_max * 1.001; y += step) {
		snprintf(text, sizeof(text), "%g", y);
		put_line(f, LEFT, y_at(p, y), WIDTH - RIGHT, y_at(p, y), "stroke=\"#e6e6e6\"");
		put_text(f, LEFT - 7, y_at(p, y) + 4, "end", text);
	}
	if (p->log_x) {
		for (double x = p->x_min; x <= p->x_max * 1.001; x *= 10)
			put_x_tick(f, p, x);
	} else {
		step = nice_step(p->x_max - p->x_min);
		for (double x = p->x_min; x <= p->x_max * 1.001; x += step)
			put_x_tick(f, p, x);
	}
	put_line(f, LEFT, TOP, LEFT, HEIGHT - BOTTOM, "stroke=\"#777\"");
	put_line(f, LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, "stroke=\"#777\"");
	put_text(f, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, "middle", x_name);
	fprintf(f,
		"<text transform=\"translate(18 %.1f) rotate(-90)\" text-anchor=\"middle\">"
		"%s</text>\n",
		(TOP + HEIGHT - BOTTOM) / 2, y_name);
}

static void put_legend(FILE *f, uint32_t at, const char *colour, const char *dashes,
		       const char *text)
{
	double y = TOP + 12 + 20 * at, x = WIDTH - RIGHT + 16;

	fprintf(f,
		"<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" "
		"stroke-width=\"2.5\" %s/>\n",
		x, y, x + 20, y, colour, dashes);
	put_text(f, x + 26, y + 4, "start", text);
}

#define DASHES "stroke-dasharray=\"5 4\""

static int finish(FILE *f)
{
	bool bad;

	fprintf(f, "</svg>\n");
	bad = ferror(f) != 0;
	return fclose(f) == 0 && !bad ? 0 : -1;
}

/* ---- curves -------------------------------------------------------------- */

static void put_curve(FILE *f, const struct frame *p, const struct net_report *r,
		      const char *colour)
{
	uint32_t step = 1 + r->finished / POINTS_MAX;

	if (r->finished == 0)
		return;
	fprintf(f, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"%.1f,%.1f",
		colour, x_at(p, 0), y_at(p, 0));
	fprintf(f, " %.1f,%.1f", x_at(p, r->done_s[0]), y_at(p, 0));
	for (uint32_t i = 0; i < r->finished; i += step)
		fprintf(f, " %.1f,%.1f", x_at(p, r->done_s[i]),
			y_at(p, 100.0 * (i + 1) / r->getters));
	fprintf(f, " %.1f,%.1f\"/>\n", x_at(p, r->last_s),
		y_at(p, 100.0 * r->finished / r->getters));
}

int table_write_curves(const struct table *t, const char *title, const char *path)
{
	struct frame p = {.x_min = 0, .x_max = 1, .y_max = 100};
	double bound = t->n > 0 ? t->list[0].bound_s : 0;
	FILE *f = fopen(path, "w");

	if (f == NULL)
		return -1;
	for (uint32_t i = 0; i < t->n; i++) {
		p.x_max = fmax(p.x_max, t->list[i].report.last_s * 1.04);
		p.x_max = fmax(p.x_max, t->list[i].bound_s * 1.04);
	}
	put_frame(f, &p, title, "seconds since a getter came", "% complete");
	if (bound > 0) {
		put_line(f, x_at(&p, bound), TOP, x_at(&p, bound), HEIGHT - BOTTOM,
			 "stroke=\"#999\" " DASHES);
		put_legend(f, t->n, "#999", DASHES, "bound");
	}
	for (uint32_t i = 0; i < t->n; i++) {
		put_curve(f, &p, &t->list[i].report, colours[i % N_COLOURS]);
		put_legend(f, i, colours[i % N_COLOURS], "", t->list[i].variant);
	}
	return finish(f);
}

/* ---- growth -------------------------------------------------------------- */

static double last_of(const struct row *r)
{
	return r->report.last_s;
}

static double p50_of(const struct row *r)
{
	return r->report.p50_s;
}

static double bound_of(const struct row *r)
{
	return r->bound_s;
}

static void put_series(FILE *f, const struct frame *p, const struct table *t,
		       double (*of)(const struct row *r), const char *colour, const char *dashes)
{
	fprintf(f, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" %s points=\"", colour,
		dashes);
	for (uint32_t i = 0; i < t->n; i++)
		fprintf(f, "%s%.1f,%.1f", i > 0 ? " " : "", x_at(p, t->list[i].report.getters),
			y_at(p, of(&t->list[i])));
	fprintf(f, "\"/>\n");
	for (uint32_t i = 0; i < t->n; i++)
		fprintf(f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n",
			x_at(p, t->list[i].report.getters), y_at(p, of(&t->list[i])), colour);
}

int table_write_growth(const struct table *t, const char *title, const char *path)
{
	struct frame p = {.x_min = 10, .x_max = 100, .y_max = 1, .log_x = true};
	FILE *f = fopen(path, "w");

	if (f == NULL)
		return -1;
	for (uint32_t i = 0; i < t->n; i++) {
		while (t->list[i].report.getters < p.x_min)
			p.x_min /= 10;
		while (t->list[i].report.getters > p.x_max)
			p.x_max *= 10;
		p.y_max = fmax(p.y_max, t->list[i].report.last_s * 1.1);
	}
	put_frame(f, &p, title, "getters", "seconds");
	put_series(f, &p, t, last_of, colours[1], "");
	put_series(f, &p, t, p50_of, colours[0], "");
	put_series(f, &p, t, bound_of, "#999", DASHES);
	put_legend(f, 0, colours[1], "", "last complete");
	put_legend(f, 1, colours[0], "", "half complete");
	put_legend(f, 2, "#999", DASHES, "fluid bound");
	return finish(f);
}
