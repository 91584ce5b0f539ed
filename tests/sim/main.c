/* shoal-sim: runs scenarios, prints a row for each swarm, writes CSV and SVG. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/scenario.h"

static int usage(FILE *f)
{
	fprintf(f, "usage: shoal-sim list\n"
		   "       shoal-sim run NAME... [OPTION...]\n"
		   "       shoal-sim all | all-and-slow DIR [OPTION...]\n"
		   "       shoal-sim tap [OPTION...]\n"
		   "\n"
		   "  --seed N     chance (1)\n"
		   "  --nodes N    getters\n"
		   "  --pieces N   of the torrent\n"
		   "  --blocks N   of 16 KiB in a piece\n"
		   "  --peers N    in an answer of the index\n"
		   "  --every N    seconds of the swarms' time: say how things stand\n"
		   "  --csv FILE   the rows\n"
		   "  --svg FILE   who is complete when\n"
		   "  --growth FILE  an SVG of the last completion over the number of nodes\n"
		   "\n"
		   "'all' runs every scenario but the slow ones, and writes sim-results.md and\n"
		   "plots to DIR. 'tap' runs small swarms of each kind as a test.\n"
		   "Exit status: 0 all limits are kept, 1 some are not, 2 wrong usage.\n");
	return 2;
}

struct command {
	struct scenario_options o;
	const char *names[32];
	uint32_t n_names;
	const char *csv, *svg, *growth;
};

static bool parse_number(const char *text, uint64_t max, uint64_t *out)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	*out = strtoull(text, &end, 10);
	return *end == '\0' && *out <= max;
}

static bool set_option(struct command *c, const char *name, const char *value)
{
	uint64_t n = 0;

	if (strcmp(name, "--csv") == 0)
		c->csv = value;
	else if (strcmp(name, "--svg") == 0)
		c->svg = value;
	else if (strcmp(name, "--growth") == 0)
		c->growth = value;
	else if (strcmp(name, "--seed") == 0)
		return parse_number(value, UINT64_MAX, &c->o.seed);
	else if (!parse_number(value, 60000, &n) || n == 0)
		return false;
	else if (strcmp(name, "--nodes") == 0)
		c->o.nodes = (uint32_t)n;
	else if (strcmp(name, "--pieces") == 0)
		c->o.pieces = (uint32_t)n;
	else if (strcmp(name, "--blocks") == 0 && n <= 256 && (n & (n - 1)) == 0)
		c->o.blocks = (uint32_t)n;
	else if (strcmp(name, "--peers") == 0)
		c->o.peers = (uint32_t)n;
	else if (strcmp(name, "--every") == 0)
		c->o.every_s = (uint32_t)n;
	else
		return false;
	return true;
}

static bool parse(struct command *c, int argc, char **argv)
{
	*c = (struct command){.o.seed = 1};
	for (int i = 2; i < argc; i++) {
		if (strncmp(argv[i], "--", 2) == 0) {
			if (i + 1 == argc || !set_option(c, argv[i], argv[i + 1]))
				return false;
			i++;
		} else {
			if (c->n_names == sizeof(c->names) / sizeof(c->names[0]))
				return false;
			c->names[c->n_names++] = argv[i];
		}
	}
	return true;
}

static int failed(const char *path)
{
	perror(path);
	return 1;
}

static int run_names(const struct command *c)
{
	struct table t = {0};
	int status;

	for (uint32_t i = 0; i < c->n_names; i++) {
		if (scenario_find(c->names[i]) == NULL) {
			fprintf(stderr, "shoal-sim: no scenario '%s'; see shoal-sim list\n",
				c->names[i]);
			return 2;
		}
	}
	table_print_head(stdout);
	for (uint32_t i = 0; i < c->n_names; i++)
		scenario_find(c->names[i])->run(&c->o, &t);
	status = table_passes(&t) ? 0 : 1;
	if (c->csv != NULL && table_write_csv(&t, c->csv) < 0)
		status = failed(c->csv);
	if (c->svg != NULL && table_write_curves(&t, c->names[0], c->svg) < 0)
		status = failed(c->svg);
	if (c->growth != NULL && table_write_growth(&t, c->names[0], c->growth) < 0)
		status = failed(c->growth);
	table_fini(&t);
	return status;
}

static int write_plots(const struct table *t, const struct scenario *s, const char *dir)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/sim-%s.svg", dir, s->name);
	if (table_write_curves(t, s->question, path) < 0)
		return failed(path);
	snprintf(path, sizeof(path), "%s/sim-%s-growth.svg", dir, s->name);
	if (s->growth && table_write_growth(t, s->question, path) < 0)
		return failed(path);
	return 0;
}

static bool run_one(const struct command *c, const struct scenario *s, FILE *results)
{
	struct table t = {0};
	bool good;

	s->run(&c->o, &t);
	fprintf(results, "## %s\n\n%c%s\n\n", s->name, s->question[0] - 'a' + 'A', s->question + 1);
	table_put_markdown(&t, results);
	good = table_passes(&t);
	if (write_plots(&t, s, c->names[0]) != 0)
		good = false;
	table_fini(&t);
	return good;
}

/* Every scenario with its plots; the slow ones only when `slow`. */
static int run_all(const struct command *c, bool slow)
{
	char path[4096];
	int status = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/sim-results.md", c->names[0]);
	f = fopen(path, "w");
	if (f == NULL)
		return failed(path);
	fprintf(f,
		"# Simulated swarms: results\n\nWritten by `shoal-sim %s DIR --seed %" PRIu64
		"`; [simulation.md](simulation.md) says what the\ncolumns mean. Unless a line says "
		"otherwise, all getters completed and no honest peer was banned.\n\n",
		slow ? "all-and-slow" : "all", c->o.seed);
	table_print_head(stdout);
	for (const struct scenario *s = scenario_list(); s->name != NULL; s++) {
		if (!s->slow || slow)
			status |= !run_one(c, s, f);
		fflush(f);
	}
	return fclose(f) == 0 ? status : failed(path);
}

/* ---- as a test ----------------------------------------------------------- */

/* Facts, not goals: small swarms are over before policies show. */
static bool holds(const struct scenario *s, const struct table *t, const struct table *again)
{
	bool good = t->n > 0 && t->n == again->n;

	for (uint32_t i = 0; good && i < t->n; i++) {
		const struct net_report *a = &t->list[i].report, *b = &again->list[i].report;

		good = a->getters > 0 && (s->open || a->finished == a->getters) &&
		       a->honest_bans == 0 && a->trace == b->trace;
		if (!good)
			printf("# %s: %u of %u completed, %u honest ones banned, the second run is "
			       "%s\n",
			       t->list[i].variant, a->finished, a->getters, a->honest_bans,
			       a->trace == b->trace ? "the same" : "another");
	}
	return good;
}

/* Small swarms of each kind, twice: all complete, no honest one is banned, and the same happens
 * again. Prints TAP. */
static int run_tap(const struct command *c)
{
	struct scenario_options o = c->o;
	int n = 0, status = 0;

	o.quiet = true;
	if (o.nodes == 0)
		o.nodes = 25;
	if (o.pieces == 0)
		o.pieces = 60;
	for (const struct scenario *s = scenario_list(); s->name != NULL; s++) {
		struct table t = {0}, again = {0};
		bool good;

		if (s->slow)
			continue;
		s->run(&o, &t);
		s->run(&o, &again);
		good = holds(s, &t, &again);
		printf("%s %d - %s: %s\n", good ? "ok" : "not ok", ++n, s->name, s->question);
		fflush(stdout);
		status |= !good;
		table_fini(&t);
		table_fini(&again);
	}
	printf("1..%d\n", n);
	return status;
}

static int list(void)
{
	for (const struct scenario *s = scenario_list(); s->name != NULL; s++)
		printf("%-14s %s\n", s->name, s->question);
	return 0;
}

/* Hundreds of megabytes that are touched in no order: with pages of 4 KiB a good part of the time
 * goes into finding them. glibc asks for large ones if it is told so before the program starts. */
static void use_large_pages(char **argv)
{
	if (getenv("GLIBC_TUNABLES") != NULL ||
	    setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", 1) < 0)
		return;
	/* Where this does not work it goes on without. */
	execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
	struct command c;

	use_large_pages(argv);
	if (argc < 2 || !parse(&c, argc, argv))
		return usage(stderr);
	if (strcmp(argv[1], "list") == 0)
		return list();
	if (strcmp(argv[1], "tap") == 0 && c.n_names == 0)
		return run_tap(&c);
	if (strcmp(argv[1], "run") == 0 && c.n_names > 0)
		return run_names(&c);
	if (strcmp(argv[1], "all") == 0 && c.n_names == 1)
		return run_all(&c, false);
	if (strcmp(argv[1], "all-and-slow") == 0 && c.n_names == 1)
		return run_all(&c, true);
	return usage(stderr);
}
