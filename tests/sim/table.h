/* table.h - the results of runs: rows on the terminal, in a CSV file, as a plot. */
#ifndef SHOAL_SIM_TABLE_H
#define SHOAL_SIM_TABLE_H

#include <stdio.h>

#include "sim/net_report.h"

#define ROW_CHECKS_MAX 6u

/* What every row is checked for. */
extern const char CHECK_COMPLETED[], CHECK_BANS[];

/* A figure against its limit. */
struct row_check {
	const char *what; /* static text */
	double got, limit;
	bool at_least; /* the limit is a lower one */
};

struct row {
	const char *scenario; /* static text */
	char variant[40];
	uint32_t nodes, pieces;
	uint64_t seed;
	double bound_s; /* no schedule can have the last one complete before; 0 not known */
	double wall_s;
	struct net_report report; /* owned */
	struct row_check checks[ROW_CHECKS_MAX];
	uint32_t n_checks;
};

struct table {
	struct row *list;
	uint32_t n, cap;
};

void table_fini(struct table *t);
/* Takes the row's report over. */
void table_add(struct table *t, const struct row *r);

void row_at_most(struct row *r, const char *what, double got, double limit);
void row_at_least(struct row *r, const char *what, double got, double limit);
bool row_passes(const struct row *r);
bool table_passes(const struct table *t);

void table_print_head(FILE *f);
void row_print(const struct row *r, FILE *f);
/* As Markdown, with the checks as a list below. */
void table_put_markdown(const struct table *t, FILE *f);
/* These return 0, or -1 with errno. */
int table_write_csv(const struct table *t, const char *path);
/* Who is complete when: one curve a row. */
int table_write_curves(const struct table *t, const char *title, const char *path);
/* The last completion over the number of nodes, on a logarithmic axis; with the bound. */
int table_write_growth(const struct table *t, const char *title, const char *path);

#endif
