#include "cli/opts.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/schedule.h"
#include "base/text.h"
#include "cli/config.h"
#include "cli/index_choice.h"
#include "cli/nearest.h"
#include "cli/opts_table.h"
#include "cli/out.h"
#include "meta/metainfo.h"
#include "node/index_client.h"

#define AT(member) offsetof(struct opts, member)
/* Of what takes bytes: below, the peer could not work (node/quota.h); above, it is a slip. */
#define OPTS_BYTES_MIN ((uint64_t)8 << 20)
#define OPTS_BYTES_MAX ((uint64_t)1 << 40)

static const struct option options[] = {
    {"help", 'h', KIND_HELP, 0, NULL, true},
    {"index", 0, KIND_TEXT, AT(index), "SHOAL_INDEX", true},
    {"token", 0, KIND_TEXT, AT(token), "SHOAL_TOKEN", true},
    {"pin", 0, KIND_TEXT, AT(pin), "SHOAL_PIN", true},
    {"port", 0, KIND_PORT, AT(port), "SHOAL_PORT", true},
    {"json", 0, KIND_FLAG, AT(json), NULL, true},
    {"quiet", 'q', KIND_FLAG, AT(quiet), NULL, true},
    {"verbose", 'v', KIND_COUNT, AT(verbose), NULL, true},
    {"progress", 0, KIND_TEXT, AT(progress), NULL, true},
    {"latest", 0, KIND_FLAG, AT(latest), NULL, false},
    {"seed", 0, KIND_FLAG, AT(seed), NULL, false},
    {"name", 0, KIND_TEXT, AT(name), NULL, false},
    {"as", 0, KIND_TEXT, AT(as), NULL, false},
    {"out", 'o', KIND_FILE, AT(out), NULL, false},
    {"input-file", 'i', KIND_FILE, AT(input), NULL, false},
    {"listen", 0, KIND_TEXT, AT(listen), NULL, false},
    {"data", 0, KIND_FOLDER, AT(data), NULL, false},
    {"on-complete", 0, KIND_TEXT, AT(on_complete), NULL, false},
    {"webhook", 0, KIND_LIST, AT(webhooks), NULL, false},
    {"no-map", 0, KIND_FLAG, AT(no_map), "SHOAL_NO_MAP", false},
    {"encryption", 0, KIND_TEXT, AT(encryption), "SHOAL_ENCRYPTION", false},
    {"transport", 0, KIND_TEXT, AT(transport), "SHOAL_TRANSPORT", false},
    {"no-lsd", 0, KIND_FLAG, AT(no_lsd), "SHOAL_NO_LSD", false},
    {"no-dht", 0, KIND_FLAG, AT(no_dht), "SHOAL_NO_DHT", false},
    {"dht-node", 0, KIND_LIST, AT(dht_nodes), NULL, false},
    {"sign", 0, KIND_FLAG, AT(sign), NULL, false},
    {"salt", 0, KIND_TEXT, AT(salt), NULL, false},
    {"no-udp", 0, KIND_FLAG, AT(no_udp), NULL, false},
    {"no-lan", 0, KIND_FLAG, AT(no_lan), NULL, false},
    {"udp-threads", 0, KIND_NUMBER, AT(udp_threads), NULL, false},
    {"site", 0, KIND_LIST, AT(sites), NULL, false},
    {"sites", 0, KIND_FILE, AT(sites_file), NULL, false},
    {"log", 0, KIND_FILE, AT(log), NULL, false},
    {"log-format", 0, KIND_TEXT, AT(log_format), NULL, false},
    {"tls-cert", 0, KIND_FILE, AT(tls_cert), NULL, false},
    {"tls-key", 0, KIND_FILE, AT(tls_key), NULL, false},
    {"tls-self-signed", 0, KIND_FLAG, AT(tls_self_signed), NULL, false},
    {"tracker", 0, KIND_LIST, AT(trackers), NULL, false},
    {"webseed", 0, KIND_LIST, AT(webseeds), NULL, false},
    {"peer", 0, KIND_LIST, AT(peers), NULL, false},
    {"from", 0, KIND_LIST, AT(from), NULL, false},
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
    {"only", 0, KIND_LIST, AT(only), NULL, false},
    {"file", 0, KIND_LIST, AT(files), NULL, false},
    {"limit-down", 0, KIND_RATE, AT(limit_down), NULL, false},
    {"limit-up", 0, KIND_RATE, AT(limit_up), NULL, false},
    {"limit-at", 0, KIND_LIST, AT(limit_at), NULL, false},
    {"limit-lan", 0, KIND_FLAG, AT(limit_lan), NULL, false},
    {"no-upload", 0, KIND_FLAG, AT(no_upload), NULL, false},
    {"spool", 0, KIND_FILE, AT(spool), NULL, false},
    {"sequential", 0, KIND_FLAG, AT(sequential), NULL, false},
    {"ends-first", 0, KIND_FLAG, AT(ends_first), NULL, false},
    {"reuse", 0, KIND_FILE, AT(reuse), NULL, false},
    {"replace", 0, KIND_FLAG, AT(replace), NULL, false},
    {"follow", 0, KIND_FLAG, AT(follow), NULL, false},
    {"watch", 0, KIND_FLAG, AT(watch), NULL, false},
    {"settle", 0, KIND_TIME, AT(settle_s), NULL, false},
    {"rehash", 0, KIND_FLAG, AT(rehash), NULL, false},
    {"every", 0, KIND_TIME, AT(every_s), NULL, false},
    {"reply-delay", 0, KIND_NUMBER, AT(reply_delay_ms), NULL, false},
    {"drain", 0, KIND_FLAG, AT(drain), NULL, false},
    {"http-port", 0, KIND_PORT, AT(http_port), NULL, false},
    {"down", 0, KIND_RATE, AT(down), NULL, false},
    {"up", 0, KIND_RATE, AT(up), NULL, false},
    {"max-active", 0, KIND_NUMBER, AT(max_active), NULL, false},
    {"max-peers", 0, KIND_NUMBER, AT(max_peers), "SHOAL_MAX_PEERS", false},
    {"max-peers-per-transfer", 0, KIND_NUMBER, AT(max_peers_per_transfer),
     "SHOAL_MAX_PEERS_PER_TRANSFER", false},
    {"max-open-files", 0, KIND_NUMBER, AT(max_open_files), "SHOAL_MAX_OPEN_FILES", false},
    {"max-memory", 0, KIND_BYTES, AT(max_memory), "SHOAL_MAX_MEMORY", false},
    {"detach", 'd', KIND_FLAG, AT(detach), NULL, false},
    {"no-daemon", 0, KIND_FLAG, AT(no_daemon), NULL, false},
    {"queue-seeds", 0, KIND_FLAG, AT(queue_seeds), NULL, false},
    {"with-data", 0, KIND_FLAG, AT(with_data), NULL, false},
    {"no-seed", 0, KIND_FLAG, AT(no_seed), NULL, false},
    {"drain-timeout", 0, KIND_TIME, AT(drain_timeout_s), NULL, false},
};

#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

static const struct {
	const char *option, *words;
} choices[] = {
    {"sort", "name size date holders"},
    {"right", "read publish admin"},
    {"log-format", "text json"},
    {"progress", "auto json none"},
    {"encryption", "accept prefer require"},
    {"transport", "both tcp utp"},
};

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

const struct option *opts_table(size_t *n)
{
	*n = N_OPTIONS;
	return options;
}

bool opts_takes_value(const struct option *p)
{
	return p->kind != KIND_FLAG && p->kind != KIND_COUNT && p->kind != KIND_HELP;
}

const char *opts_choices(const struct option *p)
{
	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++)
		if (strcmp(choices[i].option, p->name) == 0)
			return choices[i].words;
	return NULL;
}

/* ---- which option is meant ------------------------------------------------ */

bool opts_accepts(const struct command *c, const struct option *p)
{
	const char *rest = c == NULL ? NULL : c->accepts;
	size_t len = strlen(p->name);

	if (p->common || c == NULL)
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
		if (opts_accepts(p->c, &options[i]) && typed[0] == '-' && typed[1] == '-')
			nearest_offer(&near, typed + 2, options[i].name);
	if (near.best != NULL)
		return err_set(&p->info, ERR_INVALID,
			       "unknown option '%s'; did you mean '--%s'? See 'shoal %s --help'",
			       safe, near.best, p->c->name);
	return err_set(&p->info, ERR_INVALID, "unknown option '%s'; see 'shoal %s --help'", safe,
		       p->c->name);
}

const struct option *opts_find(const char *name, size_t len)
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

/* "16K", "1MiB", "2G" */
static int parse_bytes(const char *text, uint64_t max, uint64_t *out)
{
	static const uint64_t scales[] = {1u << 10, 1u << 10, 1u << 20,
					  1u << 20, 1u << 30, 1u << 30};
	char plain[24];
	size_t len = strlen(text);

	if (len >= 4 && strcmp(text + len - 2, "iB") == 0)
		len -= 2;
	if (len >= sizeof(plain))
		return ERR_INVALID;
	memcpy(plain, text, len);
	plain[len] = '\0';
	return parse_scaled(plain, "KkMmGg", scales, max, out);
}

static int parse_size(const char *text, uint64_t *out)
{
	if (parse_bytes(text, META_PIECE_LENGTH_MAX, out) != 0)
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

static int store_flag(struct parser *p, bool *place, const char *what, const char *value)
{
	if (value == NULL || strcmp(value, "yes") == 0)
		*place = true;
	else if (strcmp(value, "no") == 0)
		*place = false;
	else
		return refuse_value(p, what, value, "neither yes nor no");
	return 0;
}

/* A more important source than before speaks of this option for the first time. */
static void forget_lesser(struct parser *p, const struct option *opt, void *place)
{
	struct opts_origin *origin = &p->o->origins[opt - options];

	if (origin->from == p->from)
		return;
	if (opt->kind == KIND_LIST) {
		free(*(void **)place);
		*(const char *const **)place = NULL;
	} else if (opt->kind == KIND_COUNT) {
		*(int *)place = 0;
	}
}

/* `what` is how the user gave it: "--port", "SHOAL_PORT". `value` NULL: a bare flag. */
static int store_value(struct parser *p, const struct option *opt, const char *what,
		       const char *value)
{
	void *place = (char *)p->o + opt->offset;
	uint64_t n = 0;

	switch (opt->kind) {
	case KIND_FLAG:
		return store_flag(p, place, what, value);
	case KIND_COUNT:
		if (value != NULL && text_parse_u64(bytes_str(value), 9, &n) != 0)
			return refuse_value(p, what, value, "not a number from 0 to 9");
		*(int *)place += value == NULL ? 1 : (int)n;
		return 0;
	case KIND_HELP:
		p->help = true;
		return 0;
	case KIND_TEXT:
	case KIND_FILE:
	case KIND_FOLDER:
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
	case KIND_BYTES:
		if (parse_bytes(value, OPTS_BYTES_MAX, &n) != 0 || n < OPTS_BYTES_MIN)
			return refuse_value(p, what, value, "not a size from 8M up (64M, 2G)");
		*(uint64_t *)place = n;
		return 0;
	case KIND_RATE:
		if (schedule_rate(value, &n) != OK)
			return refuse_value(p, what, value, "not a rate (500K, 2M, 0 for none)");
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

static int store(struct parser *p, const struct option *opt, const char *what, const char *value)
{
	int rc;

	if (opt->kind != KIND_HELP)
		forget_lesser(p, opt, (char *)p->o + opt->offset);
	rc = store_value(p, opt, what, value);
	p->o->origins[opt - options] =
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
		const struct option *opt = find_letter(*at);
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
	int rc = 0;

	p->from = FROM_ENVIRONMENT;
	p->line = 0;
	for (size_t i = 0; rc == 0 && i < N_OPTIONS; i++) {
		const char *value = options[i].env == NULL ? NULL : getenv(options[i].env);

		if (value != NULL && *value != '\0')
			rc = store(p, &options[i], options[i].env, value);
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
	struct nearest near = {.best = NULL};
	char safe[64];

	text_escape(safe, sizeof(safe), bytes_str(l->key));
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (options[i].kind != KIND_HELP)
			nearest_offer(&near, l->key, options[i].name);
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

	if (o->progress != NULL && strcmp(o->progress, "auto") != 0 &&
	    strcmp(o->progress, "json") != 0 && strcmp(o->progress, "none") != 0)
		return refuse_value(p, "--progress", o->progress, "neither auto, json nor none");
	if (o->from != NULL && o->peers != NULL)
		return err_set(&p->info, ERR_INVALID, "--from and --peer exclude each other");
	if (o->v1_only && o->v2_only)
		return err_set(&p->info, ERR_INVALID, "--v1-only and --v2-only exclude each other");
	for (size_t i = 0; o->limit_at != NULL && o->limit_at[i] != NULL; i++) {
		if (schedule_parse(o->limit_at[i], &rule) != OK)
			return refuse_value(p, "--limit-at", o->limit_at[i],
					    "not FROM-TO=DOWN[/UP] (08:00-18:00=1M, "
					    "22:30-06:00=0/200K)");
	}
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

/* An error before "--json" was reached is JSON too. */
static bool wants_json(int argc, char **argv)
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
	int rc;

	*o = (struct opts){.port = -1, .http_port = -1, .down = UINT64_MAX, .up = UINT64_MAX};
	o->args = calloc((size_t)p->argc + 1, sizeof(*o->args));
	o->origins = calloc(N_OPTIONS, sizeof(*o->origins));
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
	o->json = o->json || wants_json(argc, argv);
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
	free((void *)o->sites);
	if (o->config != NULL)
		config_fini(o->config);
	free(o->config);
	free(o->origins);
	free((void *)o->only);
	free((void *)o->files);
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
