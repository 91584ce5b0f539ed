#include "cli/opts.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/text.h"
#include "cli/index_choice.h"
#include "cli/nearest.h"
#include "cli/out.h"
#include "meta/metainfo.h"
#include "node/index_client.h"

enum kind {
	KIND_FLAG,   /* bool */
	KIND_COUNT,  /* int, once more each time */
	KIND_TEXT,   /* const char * */
	KIND_LIST,   /* const char *const *, repeated */
	KIND_PORT,   /* int */
	KIND_SIZE,   /* uint64_t, bytes: 16K, 1M */
	KIND_NUMBER, /* uint32_t */
	KIND_TIME,   /* uint32_t, seconds: 30, 5m, 2h */
	KIND_HELP,
};

struct option {
	const char *name;
	char letter; /* 0: none */
	enum kind kind;
	size_t offset;
	const char *env; /* NULL: none */
	bool common;	 /* every command takes it */
};

#define AT(member) offsetof(struct opts, member)

static const struct option options[] = {
    {"help", 'h', KIND_HELP, 0, NULL, true},
    {"index", 0, KIND_TEXT, AT(index), "SHOAL_INDEX", true},
    {"token", 0, KIND_TEXT, AT(token), "SHOAL_TOKEN", true},
    {"pin", 0, KIND_TEXT, AT(pin), "SHOAL_PIN", true},
    {"port", 0, KIND_PORT, AT(port), "SHOAL_PORT", true},
    {"json", 0, KIND_FLAG, AT(json), NULL, true},
    {"quiet", 'q', KIND_FLAG, AT(quiet), NULL, true},
    {"verbose", 'v', KIND_COUNT, AT(verbose), NULL, true},
    {"latest", 0, KIND_FLAG, AT(latest), NULL, false},
    {"seed", 0, KIND_FLAG, AT(seed), NULL, false},
    {"name", 0, KIND_TEXT, AT(name), NULL, false},
    {"as", 0, KIND_TEXT, AT(as), NULL, false},
    {"out", 'o', KIND_TEXT, AT(out), NULL, false},
    {"input-file", 'i', KIND_TEXT, AT(input), NULL, false},
    {"listen", 0, KIND_TEXT, AT(listen), NULL, false},
    {"data", 0, KIND_TEXT, AT(data), NULL, false},
    {"no-udp", 0, KIND_FLAG, AT(no_udp), NULL, false},
    {"no-lan", 0, KIND_FLAG, AT(no_lan), NULL, false},
    {"udp-threads", 0, KIND_NUMBER, AT(udp_threads), NULL, false},
    {"site", 0, KIND_LIST, AT(sites), NULL, false},
    {"sites", 0, KIND_TEXT, AT(sites_file), NULL, false},
    {"log", 0, KIND_TEXT, AT(log), NULL, false},
    {"log-format", 0, KIND_TEXT, AT(log_format), NULL, false},
    {"tls-cert", 0, KIND_TEXT, AT(tls_cert), NULL, false},
    {"tls-key", 0, KIND_TEXT, AT(tls_key), NULL, false},
    {"tls-self-signed", 0, KIND_FLAG, AT(tls_self_signed), NULL, false},
    {"tracker", 0, KIND_LIST, AT(trackers), NULL, false},
    {"peer", 0, KIND_LIST, AT(peers), NULL, false},
    {"v1-only", 0, KIND_FLAG, AT(v1_only), NULL, false},
    {"v2-only", 0, KIND_FLAG, AT(v2_only), NULL, false},
    {"private", 0, KIND_FLAG, AT(private), NULL, false},
    {"preallocate", 0, KIND_FLAG, AT(preallocate), NULL, false},
    {"all", 0, KIND_FLAG, AT(all), NULL, false},
    {"pieces", 0, KIND_FLAG, AT(pieces), NULL, false},
    {"piece-length", 0, KIND_SIZE, AT(piece_length), NULL, false},
    {"wait", 0, KIND_TIME, AT(wait_s), NULL, false},
    {"limit", 0, KIND_NUMBER, AT(limit), NULL, false},
    {"comment", 0, KIND_TEXT, AT(comment), NULL, false},
    {"accept-key", 0, KIND_FLAG, AT(accept_key), NULL, true},
    {"admin", 0, KIND_FLAG, AT(admin), NULL, false},
    {"right", 0, KIND_TEXT, AT(right), NULL, false},
    {"sort", 0, KIND_TEXT, AT(sort), NULL, false},
    {"description", 0, KIND_TEXT, AT(description), NULL, false},
    {"tag", 0, KIND_LIST, AT(tags), NULL, false},
    {"meta", 0, KIND_LIST, AT(notes), NULL, false},
    {"reuse", 0, KIND_TEXT, AT(reuse), NULL, false},
    {"replace", 0, KIND_FLAG, AT(replace), NULL, false},
    {"follow", 0, KIND_FLAG, AT(follow), NULL, false},
    {"every", 0, KIND_TIME, AT(every_s), NULL, false},
    {"drain", 0, KIND_FLAG, AT(drain), NULL, false},
    {"drain-timeout", 0, KIND_TIME, AT(drain_timeout_s), NULL, false},
};

#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

/* One run of the parser. */
struct parser {
	struct opts *o;
	const struct command *c;
	char **argv;
	int argc, at;
	bool help;
	struct err_info info;
};

static bool takes_value(const struct option *p)
{
	return p->kind != KIND_FLAG && p->kind != KIND_COUNT && p->kind != KIND_HELP;
}

/* ---- which option is meant ------------------------------------------------ */

static bool accepted(const struct command *c, const struct option *p)
{
	const char *rest = c->accepts;
	size_t len = strlen(p->name);

	if (p->common)
		return true;
	while (rest != NULL && *rest != '\0') {
		size_t n = strcspn(rest, " ");

		if (n == len && strncmp(rest, p->name, len) == 0)
			return true;
		rest += n + strspn(rest + n, " ");
	}
	return false;
}

static int refuse_unknown(struct parser *p, const char *typed)
{
	struct nearest near = {.best = NULL};
	char safe[128];

	text_escape(safe, sizeof(safe), bytes_str(typed));
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (accepted(p->c, &options[i]) && typed[0] == '-' && typed[1] == '-')
			nearest_offer(&near, typed + 2, options[i].name);
	if (near.best != NULL)
		return err_set(&p->info, ERR_INVALID,
			       "unknown option '%s'; did you mean '--%s'? See 'shoal %s --help'",
			       safe, near.best, p->c->name);
	return err_set(&p->info, ERR_INVALID, "unknown option '%s'; see 'shoal %s --help'", safe,
		       p->c->name);
}

static const struct option *find_long(const char *name, size_t len)
{
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (strlen(options[i].name) == len && strncmp(options[i].name, name, len) == 0)
			return &options[i];
	return NULL;
}

static const struct option *find_letter(char letter)
{
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (options[i].letter == letter)
			return &options[i];
	return NULL;
}

/* ---- values --------------------------------------------------------------- */

static int parse_scaled(const char *text, const char *units, const uint64_t *scales, uint64_t max,
			uint64_t *out)
{
	size_t digits = strspn(text, "0123456789");
	const char *unit = text[digits] == '\0' ? NULL : strchr(units, text[digits]);
	uint64_t scale = unit == NULL ? 1 : scales[unit - units], v;

	if (text[digits] != '\0' && (unit == NULL || text[digits + 1] != '\0'))
		return ERR_INVALID;
	if (text_parse_u64(bytes_of(text, digits), max / scale, &v) != 0)
		return ERR_INVALID;
	*out = v * scale;
	return 0;
}

static int parse_size(const char *text, uint64_t *out)
{
	static const uint64_t scales[] = {1u << 10, 1u << 10, 1u << 20, 1u << 20};
	char plain[24];
	size_t len = strlen(text);

	if (len >= 4 && strcmp(text + len - 2, "iB") == 0)
		len -= 2;
	if (len >= sizeof(plain))
		return ERR_INVALID;
	memcpy(plain, text, len);
	plain[len] = '\0';
	if (parse_scaled(plain, "KkMm", scales, META_PIECE_LENGTH_MAX, out) != 0)
		return ERR_INVALID;
	if (*out < META_PIECE_LENGTH_MIN || (*out & (*out - 1)) != 0)
		return ERR_INVALID;
	return 0;
}

static int parse_time(const char *text, uint64_t *out)
{
	static const uint64_t scales[] = {1, 60, 3600};

	return parse_scaled(text, "smh", scales, UINT32_MAX, out);
}

static int add_to_list(const char *const **list, const char *value)
{
	size_t n = 0;
	const char **grown;

	while (*list != NULL && (*list)[n] != NULL)
		n++;
	grown = realloc((void *)*list, (n + 2) * sizeof(*grown));
	if (grown == NULL)
		return ERR_NOMEM;
	grown[n] = value;
	grown[n + 1] = NULL;
	*list = grown;
	return 0;
}

static int refuse_value(struct parser *p, const char *what, const char *value, const char *wanted)
{
	char safe[128];

	return err_set(&p->info, ERR_INVALID, "%s '%s': %s", what,
		       text_escape(safe, sizeof(safe), bytes_str(value)), wanted);
}

/* `what` is how the user gave it: "--port", "SHOAL_PORT". */
static int store(struct parser *p, const struct option *opt, const char *what, const char *value)
{
	void *place = (char *)p->o + opt->offset;
	uint64_t n = 0;

	switch (opt->kind) {
	case KIND_FLAG:
		*(bool *)place = true;
		return 0;
	case KIND_COUNT:
		*(int *)place += 1;
		return 0;
	case KIND_HELP:
		p->help = true;
		return 0;
	case KIND_TEXT:
		*(const char **)place = value;
		return 0;
	case KIND_LIST:
		if (add_to_list(place, value) != 0)
			return err_set(&p->info, ERR_NOMEM, "out of memory");
		return 0;
	case KIND_PORT:
		if (text_parse_u64(bytes_str(value), 65535, &n) != 0)
			return refuse_value(p, what, value, "not a port (0 to 65535)");
		*(int *)place = (int)n;
		return 0;
	case KIND_SIZE:
		if (parse_size(value, &n) != 0)
			return refuse_value(p, what, value, "not a power of two from 16K to 128M");
		*(uint64_t *)place = n;
		return 0;
	case KIND_NUMBER:
		if (text_parse_u64(bytes_str(value), UINT32_MAX, &n) != 0 || n == 0)
			return refuse_value(p, what, value, "not a number from 1 up");
		*(uint32_t *)place = (uint32_t)n;
		return 0;
	case KIND_TIME:
		if (parse_time(value, &n) != 0)
			return refuse_value(p, what, value, "not a time (30, 5m, 2h)");
		*(uint32_t *)place = (uint32_t)n;
		return 0;
	}
	return 0;
}

/* ---- the command line ------------------------------------------------------ */

static int take(struct parser *p, const struct option *opt, const char *what, const char *value)
{
	if (!accepted(p->c, opt))
		return err_set(&p->info, ERR_INVALID, "takes no %s; see 'shoal %s --help'", what,
			       p->c->name);
	if (takes_value(opt) && value == NULL) {
		if (p->at >= p->argc)
			return err_set(&p->info, ERR_INVALID, "%s needs a value", what);
		value = p->argv[p->at++];
	}
	if (takes_value(opt) && *value == '\0')
		return err_set(&p->info, ERR_INVALID, "%s needs a value that is not empty", what);
	return store(p, opt, what, value);
}

static int take_long(struct parser *p, const char *arg)
{
	const char *equals = strchr(arg, '=');
	size_t len = equals == NULL ? strlen(arg + 2) : (size_t)(equals - arg) - 2;
	const struct option *opt = find_long(arg + 2, len);
	char what[32];

	if (opt == NULL)
		return refuse_unknown(p, arg);
	snprintf(what, sizeof(what), "--%s", opt->name);
	if (equals != NULL && !takes_value(opt))
		return err_set(&p->info, ERR_INVALID, "%s takes no value", what);
	return take(p, opt, what, equals == NULL ? NULL : equals + 1);
}

/* "-q", "-qv", "-o FILE", "-oFILE" */
static int take_letters(struct parser *p, const char *arg)
{
	for (const char *at = arg + 1; *at != '\0'; at++) {
		const struct option *opt = find_letter(*at);
		char what[3] = {'-', *at, '\0'};
		bool rest = opt != NULL && takes_value(opt) && at[1] != '\0';
		int rc;

		if (opt == NULL)
			return refuse_unknown(p, arg);
		rc = take(p, opt, what, rest ? at + 1 : NULL);
		if (rc != 0 || takes_value(opt))
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
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < N_OPTIONS; i++) {
		const char *value = options[i].env == NULL ? NULL : getenv(options[i].env);

		if (value != NULL && *value != '\0')
			rc = store(p, &options[i], options[i].env, value);
	}
	return rc;
}

static int check(struct parser *p)
{
	const struct opts *o = p->o;
	const struct command *c = p->c;
	char safe[128];

	if (o->v1_only && o->v2_only)
		return err_set(&p->info, ERR_INVALID, "--v1-only and --v2-only exclude each other");
	if (o->n_args < c->min_args)
		return err_set(&p->info, ERR_INVALID, "something is missing; usage: %s", c->usage);
	if (c->max_args >= 0 && o->n_args > c->max_args)
		return err_set(&p->info, ERR_INVALID, "'%s' is too much; usage: %s",
			       text_escape(safe, sizeof(safe), bytes_str(o->args[c->max_args])),
			       c->usage);
	return 0;
}

static void print_help(const struct command *c)
{
	printf("%s - %s\n\nusage: %s\n", c->name, c->summary, c->usage);
	if (c->help != NULL)
		printf("\n%s", c->help);
	fputs("\nFor every command:\n"
	      "  --index URL    the index to use (SHOAL_INDEX; else the one\n"
	      "                 found on this network, else " INDEX_URL_DEFAULT ")\n"
	      "  --token TOKEN  what the index lets you do, if it asks for one (SHOAL_TOKEN)\n"
	      "  --pin PIN      the key of an index at https://, whoever signed it (SHOAL_PIN)\n"
	      "  --accept-key   an index found on this network, or an owner, has a new key,\n"
	      "                 and it is right\n"
	      "  --port N       port of this peer (SHOAL_PORT; 6881, else a free one; 0: any)\n"
	      "  --json         print JSON\n"
	      "  -q, --quiet    print no progress and no notes\n"
	      "  -v, --verbose  print more of what happens\n"
	      "  -h, --help     print this\n",
	      stdout);
}

/* An error before "--json" was reached is JSON too. */
static bool wants_json(int argc, char **argv)
{
	for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--json") == 0)
			return true;
	return false;
}

int opts_parse(struct opts *o, const struct command *c, int argc, char **argv)
{
	struct parser p = {.o = o, .c = c, .argv = argv, .argc = argc, .at = 2};
	int rc;

	*o = (struct opts){.port = -1};
	o->args = calloc((size_t)argc + 1, sizeof(*o->args));
	o->choice = calloc(1, sizeof(*o->choice));
	if (o->args == NULL || o->choice == NULL)
		rc = err_set(&p.info, ERR_NOMEM, "out of memory");
	else
		rc = take_environment(&p);
	if (rc == 0)
		rc = take_all(&p);
	if (rc == 0 && p.help) {
		print_help(c);
		return EXIT_OK;
	}
	if (rc == 0)
		rc = check(&p);
	if (rc == 0)
		return -1;
	o->json = o->json || wants_json(argc, argv);
	return opts_fail(o, c->name, &p.info);
}

void opts_fini(struct opts *o)
{
	free(o->args);
	free(o->choice);
	free((void *)o->trackers);
	free((void *)o->peers);
	free((void *)o->tags);
	free((void *)o->notes);
	free((void *)o->sites);
	*o = (struct opts){.port = -1};
}

/* ---- errors ----------------------------------------------------------------- */

/* Words for programs; docs/api.md lists them beside the exit codes. */
static const char *code_word(enum err code)
{
	switch (code) {
	case OK:
		return "ok";
	case ERR_PROTO:
		return "malformed";
	case ERR_TOO_BIG:
		return "too_big";
	case ERR_NOMEM:
		return "no_memory";
	case ERR_IO:
		return "io";
	case ERR_NOENT:
		return "not_found";
	case ERR_EXISTS:
		return "exists";
	case ERR_DENIED:
		return "denied";
	case ERR_NOSPACE:
		return "no_space";
	case ERR_AGAIN:
		return "busy";
	case ERR_TIMEOUT:
		return "timeout";
	case ERR_UNREACHABLE:
		return "unreachable";
	case ERR_INVALID:
		return "invalid";
	case ERR_MISMATCH:
		return "mismatch";
	case ERR_AMBIGUOUS:
		return "ambiguous";
	case ERR_CANCELLED:
		return "interrupted";
	}
	return "failed";
}

int opts_fail(const struct opts *o, const char *command, const struct err_info *info)
{
	const char *text = info->text[0] == '\0' ? err_text(info->code) : info->text;
	json_t *j;

	if (o->json) {
		j = json_pack("{s:{s:s, s:s%}}", "error", "code", code_word(info->code), "message",
			      text, strlen(text));
		out_json(j);
		json_decref(j);
	} else {
		(void)fflush(stdout);
		fprintf(stderr, "shoal %s: %s\n", command, text);
	}
	return exit_from_err(info->code);
}
