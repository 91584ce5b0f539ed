#include "cli/opts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/schedule.h"
#include "base/text.h"
#include "cli/config.h"
#include "cli/index_choice.h"
#include "cli/nearest.h"
#include "cli/opts_table.h"
#include "cli/opts_value.h"

/* One run of the parser. */
struct parser {
	struct opts *o;
	const struct command *c; /* NULL: none, all options are taken */
	char **argv;
	int argc, at;
	bool help;
	enum opts_from from; /* what is being read */
	unsigned line;
	struct err_info info;
};

static int refuse_unknown(struct parser *p, const char *typed)
{
	size_t n;
	const struct option *all = opts_table(&n);
	struct nearest near = {.best = NULL};
	char safe[128];

	text_escape(safe, sizeof(safe), bytes_str(typed));
	for (size_t i = 0; i < n; i++)
		if (opts_accepts(p->c, &all[i]) && typed[0] == '-' && typed[1] == '-')
			nearest_offer(&near, typed + 2, all[i].name);
	if (near.best != NULL)
		return err_set(&p->info, ERR_INVALID,
			       "unknown option '%s'; did you mean '--%s'? See 'shoal %s --help'",
			       safe, near.best, p->c->name);
	return err_set(&p->info, ERR_INVALID, "unknown option '%s'; see 'shoal %s --help'", safe,
		       p->c->name);
}

static struct opts_origin *origin_of(struct opts *o, const struct option *opt)
{
	size_t n;

	return &o->origins[opt - opts_table(&n)];
}

/* A more important source than before speaks of this option for the first time. */
static void forget_lesser(struct parser *p, const struct option *opt, void *place)
{
	const struct opts_origin *origin = origin_of(p->o, opt);

	if (origin->from == p->from)
		return;
	if (opt->kind == KIND_LIST) {
		free(*(void **)place);
		*(const char *const **)place = NULL;
	} else if (opt->kind == KIND_COUNT) {
		*(int *)place = 0;
	}
}

static int store(struct parser *p, const struct option *opt, const char *what, const char *value)
{
	int rc;

	if (opt->kind == KIND_HELP)
		p->help = true;
	else
		forget_lesser(p, opt, (char *)p->o + opt->offset);
	rc = opts_store_value(p->o, opt, what, value, &p->info);
	*origin_of(p->o, opt) =
	    (struct opts_origin){.from = p->from, .value = value, .line = p->line};
	return rc;
}

/* ---- the command line ------------------------------------------------------ */

static int take(struct parser *p, const struct option *opt, const char *what, const char *value)
{
	if (!opts_accepts(p->c, opt))
		return err_set(&p->info, ERR_INVALID, "takes no %s; see 'shoal %s --help'", what,
			       p->c->name);
	if (opts_takes_value(opt) && value == NULL) {
		if (p->at >= p->argc)
			return err_set(&p->info, ERR_INVALID, "%s needs a value", what);
		value = p->argv[p->at++];
	}
	if (opts_takes_value(opt) && *value == '\0')
		return err_set(&p->info, ERR_INVALID, "%s needs a value that is not empty", what);
	return store(p, opt, what, value);
}

/* Where a command takes no --data, but --with-data, that is what is meant. */
static const struct option *or_with(const struct command *c, const struct option *opt)
{
	const struct option *with;
	char name[32];

	if (opt == NULL || opts_accepts(c, opt))
		return opt;
	snprintf(name, sizeof(name), "with-%s", opt->name);
	with = opts_find(name, strlen(name));
	return with != NULL && opts_accepts(c, with) ? with : opt;
}

static int take_long(struct parser *p, const char *arg)
{
	const char *equals = strchr(arg, '=');
	size_t len = equals == NULL ? strlen(arg + 2) : (size_t)(equals - arg) - 2;
	const struct option *opt = or_with(p->c, opts_find(arg + 2, len));
	char what[32];

	if (opt == NULL)
		return refuse_unknown(p, arg);
	snprintf(what, sizeof(what), "--%s", opt->name);
	if (equals != NULL && !opts_takes_value(opt) && opt->kind != KIND_FLAG)
		return err_set(&p->info, ERR_INVALID, "%s takes no value", what);
	return take(p, opt, what, equals == NULL ? NULL : equals + 1);
}

/* "-q", "-qv", "-o FILE", "-oFILE" */
static int take_letters(struct parser *p, const char *arg)
{
	for (const char *at = arg + 1; *at != '\0'; at++) {
		const struct option *opt = opts_find_letter(*at);
		char what[3] = {'-', *at, '\0'};
		bool rest = opt != NULL && opts_takes_value(opt) && at[1] != '\0';
		int rc;

		if (opt == NULL)
			return refuse_unknown(p, arg);
		rc = take(p, opt, what, rest ? at + 1 : NULL);
		if (rc != 0 || opts_takes_value(opt))
			return rc;
	}
	return 0;
}

static int take_all(struct parser *p)
{
	bool options_end = false;
	int rc = 0;

	while (rc == 0 && p->at < p->argc) {
		char *arg = p->argv[p->at++];

		if (options_end || arg[0] != '-' || arg[1] == '\0')
			p->o->args[p->o->n_args++] = arg;
		else if (strcmp(arg, "--") == 0)
			options_end = true;
		else
			rc = arg[1] == '-' ? take_long(p, arg) : take_letters(p, arg);
	}
	return rc;
}

static int take_environment(struct parser *p)
{
	size_t n;
	const struct option *all = opts_table(&n);
	int rc = 0;

	p->from = FROM_ENVIRONMENT;
	p->line = 0;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		const char *value = all[i].env == NULL ? NULL : getenv(all[i].env);

		if (value != NULL && *value != '\0')
			rc = store(p, &all[i], all[i].env, value);
	}
	return rc;
}

/* ---- the file of settings --------------------------------------------------- */

/* What p->info says, with its place in front. */
static int refuse_line(struct parser *p, const struct config_line *l)
{
	char reason[ERR_TEXT_MAX];

	snprintf(reason, sizeof(reason), "%s", p->info.text);
	return config_refuse(p->o->config, l->number, reason, &p->info);
}

static int refuse_key(struct parser *p, const struct config_line *l)
{
	size_t n;
	const struct option *all = opts_table(&n);
	struct nearest near = {.best = NULL};
	char safe[64];

	text_escape(safe, sizeof(safe), bytes_str(l->key));
	for (size_t i = 0; i < n; i++)
		if (all[i].kind != KIND_HELP)
			nearest_offer(&near, l->key, all[i].name);
	if (near.best != NULL)
		err_set(&p->info, ERR_INVALID, "no setting '%s'; did you mean '%s'?", safe,
			near.best);
	else
		err_set(&p->info, ERR_INVALID, "no setting '%s'", safe);
	return refuse_line(p, l);
}

/* A line for everyone counts where it fits; one in a section must fit. */
static int take_setting(struct parser *p, const struct config_line *l)
{
	const struct option *opt = opts_find(l->key, strlen(l->key));

	if (opt == NULL || opt->kind == KIND_HELP)
		return refuse_key(p, l);
	if (!opts_accepts(p->c, opt)) {
		if (l->section == NULL)
			return 0;
		err_set(&p->info, ERR_INVALID, "'%s' takes no '%s'", p->c->name, opt->name);
		return refuse_line(p, l);
	}
	if (*l->value == '\0')
		err_set(&p->info, ERR_INVALID, "'%s' needs a value", opt->name);
	else if (store(p, opt, opt->name, l->value) == 0)
		return 0;
	return refuse_line(p, l);
}

static int take_lines(struct parser *p, enum opts_from from)
{
	const struct config *c = p->o->config;
	int rc = 0;

	p->from = from;
	for (size_t i = 0; rc == 0 && i < c->n; i++) {
		const struct config_line *l = &c->list[i];
		bool fits = from == FROM_FILE ? l->section == NULL
					      : p->c != NULL && l->section != NULL &&
						    strcmp(l->section, p->c->name) == 0;

		p->line = l->number;
		if (fits)
			rc = take_setting(p, l);
	}
	return rc;
}

static int take_config(struct parser *p)
{
	int rc;

	p->o->config = calloc(1, sizeof(*p->o->config));
	if (p->o->config == NULL)
		return err_set(&p->info, ERR_NOMEM, "out of memory");
	rc = config_read_take(p->o->config, config_path(), &p->info);
	if (rc == 0)
		rc = take_lines(p, FROM_FILE);
	return rc == 0 ? take_lines(p, FROM_FILE_SECTION) : rc;
}

static int check(struct parser *p)
{
	const struct opts *o = p->o;
	const struct command *c = p->c;
	struct schedule_rule rule;
	char safe[128];

	if (o->from != NULL && o->peers != NULL)
		return err_set(&p->info, ERR_INVALID, "--from and --peer exclude each other");
	if (o->v1_only && o->v2_only)
		return err_set(&p->info, ERR_INVALID, "--v1-only and --v2-only exclude each other");
	for (size_t i = 0; o->limit_at != NULL && o->limit_at[i] != NULL; i++) {
		if (schedule_parse(o->limit_at[i], &rule) != OK)
			return opts_refuse_value(&p->info, "--limit-at", o->limit_at[i],
						 "not FROM-TO=DOWN[/UP] (08:00-18:00=1M, "
						 "22:30-06:00=0/200K)");
	}
	if (opts_check_lists(o, &p->info) != OK)
		return p->info.code;
	if (o->follow && seed_limit_is_set(&o->seed_limit))
		return err_set(
		    &p->info, ERR_INVALID,
		    "--follow goes on for ever: neither --seed-ratio nor --seed-time goes "
		    "with it");
	if (o->no_seed && seed_limit_is_set(&o->seed_limit))
		return err_set(&p->info, ERR_INVALID,
			       "--no-seed excludes --seed-ratio and --seed-time");
	if (o->sequential && o->ends_first)
		return err_set(&p->info, ERR_INVALID,
			       "--sequential and --ends-first exclude each other");
	if (o->n_args < c->min_args)
		return err_set(&p->info, ERR_INVALID, "something is missing; usage: %s", c->usage);
	if (c->max_args >= 0 && o->n_args > c->max_args)
		return err_set(&p->info, ERR_INVALID, "'%s' is too much; usage: %s",
			       text_escape(safe, sizeof(safe), bytes_str(o->args[c->max_args])),
			       c->usage);
	return 0;
}

bool opts_wants_json(int argc, char **argv)
{
	for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--json") == 0)
			return true;
	return false;
}

/* Defaults, file, environment; not yet the command line. */
static int take_standing(struct parser *p)
{
	struct opts *o = p->o;
	size_t n;
	int rc;

	(void)opts_table(&n);
	*o = (struct opts){.port = -1, .http_port = -1, .down = UINT64_MAX, .up = UINT64_MAX};
	o->args = calloc((size_t)p->argc + 1, sizeof(*o->args));
	o->origins = calloc(n, sizeof(*o->origins));
	o->choice = calloc(1, sizeof(*o->choice));
	if (o->args == NULL || o->origins == NULL || o->choice == NULL)
		return err_set(&p->info, ERR_NOMEM, "out of memory");
	rc = take_config(p);
	return rc == 0 ? take_environment(p) : rc;
}

int opts_defaults(struct opts *o, const struct command *c, struct err_info *info)
{
	struct parser p = {.o = o, .c = c};
	int rc = take_standing(&p);

	if (rc != 0)
		*info = p.info;
	return rc;
}

static int take_everything(struct parser *p)
{
	int rc = take_standing(p);

	p->o->argc = p->argc;
	p->o->argv = p->argv;
	p->from = FROM_COMMAND_LINE;
	p->line = 0;
	if (rc == 0)
		rc = take_all(p);
	return rc == 0 && !p->help ? check(p) : rc;
}

int opts_again(struct opts *o, const struct command *c, const struct opts *first,
	       struct err_info *info)
{
	struct parser p = {.o = o, .c = c, .argv = first->argv, .argc = first->argc, .at = 2};
	int rc = take_everything(&p);

	if (rc != 0)
		*info = p.info;
	return rc;
}

int opts_parse(struct opts *o, const struct command *c, int argc, char **argv)
{
	struct parser p = {.o = o, .c = c, .argv = argv, .argc = argc, .at = 2};
	int rc = take_everything(&p);

	if (rc == 0 && p.help) {
		opts_print_help(c);
		return EXIT_OK;
	}
	if (rc == 0)
		return -1;
	o->json = o->json || opts_wants_json(argc, argv);
	return opts_fail(o, c->name, &p.info);
}

void opts_fini(struct opts *o)
{
	free(o->args);
	free(o->choice);
	free((void *)o->trackers);
	free((void *)o->peers);
	free((void *)o->dht_nodes);
	free((void *)o->webhooks);
	free((void *)o->webseeds);
	free((void *)o->from);
	free((void *)o->tags);
	free((void *)o->notes);
	free((void *)o->hosts);
	free((void *)o->proxies);
	free((void *)o->sites);
	free((void *)o->beneath);
	if (o->config != NULL)
		config_fini(o->config);
	free(o->config);
	free(o->origins);
	free((void *)o->only);
	free((void *)o->files);
	free((void *)o->exclude);
	free((void *)o->limit_at);
	*o = (struct opts){.port = -1, .http_port = -1, .down = UINT64_MAX, .up = UINT64_MAX};
}

/* Whoever asks for lines to be read by a program gets them, quiet or not. */
enum progress_how opts_progress(const struct opts *o)
{
	if (o->progress != NULL && strcmp(o->progress, "json") == 0)
		return PROGRESS_JSON;
	if (o->quiet || (o->progress != NULL && strcmp(o->progress, "none") == 0))
		return PROGRESS_NONE;
	return PROGRESS_AUTO;
}
