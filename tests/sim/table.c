#include "sim/table.h"

#include <inttypes.h>
#include <stdlib.h>

const char CHECK_COMPLETED[] = "getters that completed";
const char CHECK_BANS[] = "honest peers banned";

void table_fini(struct table *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		net_report_fini(&t->list[i].report);
	free(t->list);
	*t = (struct table){0};
}

void table_add(struct table *t, const struct row *r)
{
	if (t->n == t->cap) {
		t->cap = t->cap == 0 ? 8 : t->cap * 2;
		t->list = realloc(t->list, t->cap * sizeof(*t->list));
		if (t->list == NULL)
			abort();
	}
	t->list[t->n++] = *r;
}

static void add_check(struct row *r, struct row_check c)
{
	if (r->n_checks == ROW_CHECKS_MAX)
		abort();
	r->checks[r->n_checks++] = c;
}

void row_at_most(struct row *r, const char *what, double got, double limit)
{
	add_check(r, (struct row_check){.what = what, .got = got, .limit = limit});
}

void row_at_least(struct row *r, const char *what, double got, double limit)
{
	add_check(r,
		  (struct row_check){.what = what, .got = got, .limit = limit, .at_least = true});
}

static bool check_passes(const struct row_check *c)
{
	return c->at_least ? c->got >= c->limit : c->got <= c->limit;
}

bool row_passes(const struct row *r)
{
	for (uint32_t i = 0; i < r->n_checks; i++) {
		if (!check_passes(&r->checks[i]))
			return false;
	}
	return true;
}

bool table_passes(const struct table *t)
{
	for (uint32_t i = 0; i < t->n; i++) {
		if (!row_passes(&t->list[i]))
			return false;
	}
	return true;
}

void table_print_head(FILE *f)
{
	fprintf(f, "%-12s %-18s %5s %9s %8s %8s %8s %8s %6s %6s %6s %6s %6s %4s %9s %6s\n",
		"scenario", "variant", "nodes", "done", "p50 s", "p99 s", "last s", "bound s",
		"waste%", "origin", "j.up", "j.done", "cross", "bans", "events", "wall s");
}

void row_print(const struct row *r, FILE *f)
{
	const struct net_report *p = &r->report;

	fprintf(f,
		"%-12s %-18s %5u %4u/%-4u %8.1f %8.1f %8.1f %8.1f %6.2f %6.2f %6.3f %6.3f %6.2f "
		"%4u %9" PRIu64 " %6.1f\n",
		r->scenario, r->variant, r->nodes, p->finished, p->getters, p->p50_s, p->p99_s,
		p->last_s, r->bound_s, p->wasted * 100, p->origin_copies, p->jain_up, p->jain_done,
		p->cross_copies, p->honest_bans, p->events, r->wall_s);
	for (uint32_t i = 0; i < r->n_checks; i++) {
		const struct row_check *c = &r->checks[i];

		fprintf(f, "    %s %s: %.3f, %s %.3f\n", check_passes(c) ? "PASS" : "FAIL", c->what,
			c->got, c->at_least ? "at least" : "at most", c->limit);
	}
	fflush(f);
}

static void put_markdown_row(const struct row *r, FILE *f)
{
	const struct net_report *p = &r->report;

	fprintf(f,
		"| %s | %u / %u | %.1f | %.1f | %.1f | %.1f | %.2f | %.2f | %.3f | %.3f | %.2f | ",
		r->variant, p->finished, p->getters, p->p50_s, p->p99_s, p->last_s, r->bound_s,
		p->wasted * 100, p->origin_copies, p->jain_up, p->jain_done, p->cross_copies);
	fprintf(f, "%u | %.1f | %.0f |\n", p->honest_bans, (double)p->events / 1e6, r->wall_s);
}

static void put_markdown_checks(const struct row *r, FILE *f)
{
	for (uint32_t i = 0; i < r->n_checks; i++) {
		const struct row_check *c = &r->checks[i];

		/* What every run must keep is said once, above all of them. */
		if (check_passes(c) && (c->what == CHECK_COMPLETED || c->what == CHECK_BANS))
			continue;
		fprintf(f, "- %s: %s %.3f, %s %.4g: %s\n", r->variant, c->what, c->got,
			c->at_least ? "at least" : "at most", c->limit,
			check_passes(c) ? "kept" : "**missed**");
	}
}

void table_put_markdown(const struct table *t, FILE *f)
{
	fprintf(f, "| swarm | complete | p50 s | p99 s | last s | bound s | wasted %% | origin, "
		   "copies | Jain up | Jain time | crossed, copies | honest bans | M events | "
		   "wall s |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
	for (uint32_t i = 0; i < t->n; i++)
		put_markdown_row(&t->list[i], f);
	fprintf(f, "\n");
	for (uint32_t i = 0; i < t->n; i++)
		put_markdown_checks(&t->list[i], f);
	fprintf(f, "\n");
}

static void put_csv_row(const struct row *r, FILE *f)
{
	const struct net_report *p = &r->report;

	fprintf(f, "%s,%s,%u,%u,%" PRIu64 ",%u,%u,%.3f,%.3f,%.3f,%.3f", r->scenario, r->variant,
		r->nodes, r->pieces, r->seed, p->getters, p->finished, p->p50_s, p->p99_s,
		p->last_s, r->bound_s);
	fprintf(f, ",%.6f,%.4f,%.4f,%.4f,%.4f,%u,%u,%" PRIu64 ",%016" PRIx64 ",%.2f,%s\n",
		p->wasted, p->origin_copies, p->jain_up, p->jain_done, p->cross_copies,
		p->honest_bans, p->bans, p->events, p->trace, r->wall_s,
		row_passes(r) ? "pass" : "fail");
}

int table_write_csv(const struct table *t, const char *path)
{
	FILE *f = fopen(path, "w");

	if (f == NULL)
		return -1;
	fprintf(f, "scenario,variant,nodes,pieces,seed,getters,finished,p50_s,p99_s,last_s,bound_s,"
		   "wasted,origin_copies,jain_up,jain_done,cross_copies,honest_bans,bans,events,"
		   "trace,wall_s,verdict\n");
	for (uint32_t i = 0; i < t->n; i++)
		put_csv_row(&t->list[i], f);
	return fclose(f) == 0 ? 0 : -1;
}
