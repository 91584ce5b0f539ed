/* cli/cmd_jobs.c - what is done to transfers of the daemon: pause, resume, remove, recheck,
 * priority, and how many at a time. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/daemon_ask.h"
#include "cli/entries.h"
#include "cli/out.h"
#include "daemon/job_request.h"
#include "meta/selection.h"

struct deed {
	const char *verb, *done; /* "paused"; NULL: its limits are said */
	const char *command;	 /* NULL: called as the verb */
};

static const char *limit_text(char *out, size_t cap, json_int_t bps)
{
	return bps <= 0 ? "no limit" : text_rate(out, cap, (uint64_t)bps);
}

#define TITLE_MAX 600

static const char *shown_title(char out[TITLE_MAX], const json_t *j)
{
	struct buf room;

	buf_init(&room, TITLE_MAX);
	text_escape(out, TITLE_MAX, bytes_str(entries_bytes(j, "title", &room)));
	buf_fini(&room);
	return out;
}

/* Of transfers, as they are then. */
static void say_limits(const struct opts *o, const json_t *j)
{
	char title[TITLE_MAX], down[32], up[32];

	if (o->json)
		out_json(j);
	else if (!o->quiet)
		printf("%lld: %s: down %s, up %s\n", (long long)entries_int(j, "id"),
		       shown_title(title, j),
		       limit_text(down, sizeof(down), entries_int(j, "limit_down_bps")),
		       limit_text(up, sizeof(up), entries_int(j, "limit_up_bps")));
}

/* Takes `answer`. */
static void say(const struct opts *o, const struct deed *d, json_t *answer)
{
	const json_t *j = json_object_get(answer, "transfer");
	char title[TITLE_MAX];

	if (d->done == NULL)
		say_limits(o, j);
	else if (o->json)
		out_json(j);
	else if (!o->quiet)
		printf("%s %lld: %s\n", d->done, (long long)entries_int(j, "id"),
		       shown_title(title, j));
	/* Of `remove --with-data`. */
	if (entries_int(j, "data_kept_by") > 0 && !o->quiet && !o->json)
		printf("  what other transfers have of its data stays, such as number %lld\n",
		       (long long)entries_int(j, "data_kept_by"));
	json_decref(answer);
}

/* Each of `refs` in turn; the first that fails gives the exit code. Takes nothing of `args`. */
static int do_all(const struct opts *o, const struct deed *d, char *const *refs, int n,
		  const json_t *args)
{
	const char *command = d->command == NULL ? d->verb : d->command;
	int code = EXIT_OK;

	for (int i = 0; i < n; i++) {
		json_t *question = json_pack("{s:s, s:s}", "verb", d->verb, "ref", refs[i]);
		json_t *answer = NULL;
		struct err_info info;

		if (question != NULL && args != NULL)
			json_object_update(question, (json_t *)args);
		if (daemon_ask(question, &answer, &info) == OK) {
			say(o, d, answer);
			continue;
		}
		if (code == EXIT_OK)
			code = opts_fail(o, command, &info);
		else
			(void)opts_fail(o, command, &info);
	}
	return code;
}

int cmd_pause(const struct opts *o)
{
	static const struct deed deed = {"pause", "paused", NULL};

	return do_all(o, &deed, o->args, o->n_args, NULL);
}

int cmd_resume(const struct opts *o)
{
	static const struct deed deed = {"resume", "resumed", NULL};

	return do_all(o, &deed, o->args, o->n_args, NULL);
}

int cmd_recheck(const struct opts *o)
{
	static const struct deed deed = {"recheck", "checking", NULL};

	return do_all(o, &deed, o->args, o->n_args, NULL);
}

int cmd_remove(const struct opts *o)
{
	static const struct deed deed = {"remove", "removed", NULL};
	json_t *args = json_pack("{s:b}", "data", (int)o->with_data);
	int code = do_all(o, &deed, o->args, o->n_args, args);

	json_decref(args);
	return code;
}

/* "high", "normal", "low" or a number. */
static int parse_priority(const char *text, json_int_t *out, struct err_info *info)
{
	static const struct {
		const char *word;
		int value;
	} words[] = {{"high", 10}, {"normal", 0}, {"low", -10}};
	bool minus = text[0] == '-';
	uint64_t n;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(text, words[i].word) == 0) {
			*out = words[i].value;
			return OK;
		}
	}
	if (text_parse_u64(bytes_str(text + minus), INT32_MAX, &n) != OK)
		return err_set(info, ERR_INVALID,
			       "a priority is high, normal, low or a whole number");
	*out = minus ? -(json_int_t)n : (json_int_t)n;
	return OK;
}

/* Of some of its files. */
static int prioritise_files(const struct opts *o)
{
	static const struct deed deed = {"files", "changed", "priority"};
	const char *want = o->args[o->n_args - 1];
	struct err_info info;
	enum want parsed;
	json_t *args;
	int code;

	if (!want_from_word(want, &parsed)) {
		err_set(&info, ERR_INVALID, "a file's priority is high, normal, low or skip");
		return opts_fail(o, "priority", &info);
	}
	args = json_pack("{s:s, s:o}", "want", want, "files", job_list_json(o->files));
	code = do_all(o, &deed, o->args, o->n_args - 1, args);
	json_decref(args);
	return code;
}

int cmd_priority(const struct opts *o)
{
	static const struct deed deed = {"priority", "changed", NULL};
	struct err_info info;
	json_int_t value = 0;
	json_t *args;
	int code;

	if (o->files != NULL)
		return prioritise_files(o);
	if (parse_priority(o->args[o->n_args - 1], &value, &info) != OK)
		return opts_fail(o, "priority", &info);
	args = json_pack("{s:I}", "priority", value);
	code = do_all(o, &deed, o->args, o->n_args - 1, args);
	json_decref(args);
	return code;
}

static json_t *limits_json(const struct opts *o)
{
	json_t *args = json_object();

	if (o->down != UINT64_MAX)
		json_object_set_new(args, "limit_down_bps", json_integer((json_int_t)o->down));
	if (o->up != UINT64_MAX)
		json_object_set_new(args, "limit_up_bps", json_integer((json_int_t)o->up));
	return args;
}

/* Who has set one must not wonder why it does not hold. */
static void say_spared(const struct opts *o)
{
	bool down = o->down != UINT64_MAX && o->down > 0, up = o->up != UINT64_MAX && o->up > 0;
	json_t *answer = NULL;

	if (o->json || o->quiet || (!down && !up))
		return;
	if (daemon_ask(json_pack("{s:s}", "verb", "settings"), &answer, NULL) == OK &&
	    json_is_false(json_object_get(json_object_get(answer, "status"), "limit_lan")))
		fprintf(stderr, "peers of the own network are not limited; with 'shoal daemon "
				"--limit-lan' they are, too\n");
	json_decref(answer);
}

/* Of all together: set, if anything is given, and shown. */
static int limit_all(const struct opts *o)
{
	json_t *answer = NULL, *question = limits_json(o);
	const json_t *status;
	struct err_info info;
	char down[32], up[32];

	json_object_set_new(question, "verb", json_string("settings"));
	if (daemon_ask(question, &answer, &info) != OK)
		return opts_fail(o, "limit", &info);
	status = json_object_get(answer, "status");
	if (o->json)
		out_json(status);
	else if (!o->quiet)
		printf("all together: down %s, up %s\n",
		       limit_text(down, sizeof(down), entries_int(status, "limit_down_bps")),
		       limit_text(up, sizeof(up), entries_int(status, "limit_up_bps")));
	json_decref(answer);
	say_spared(o);
	return EXIT_OK;
}

int cmd_limit(const struct opts *o)
{
	static const struct deed deed = {"limit", NULL, NULL};
	json_t *args;
	int code;

	if (o->n_args == 0)
		return limit_all(o);
	args = limits_json(o);
	code = do_all(o, &deed, o->args, o->n_args, args);
	json_decref(args);
	if (code == EXIT_OK)
		say_spared(o);
	return code;
}

int cmd_queue(const struct opts *o)
{
	json_t *answer = NULL, *question = json_pack("{s:s}", "verb", "settings");
	const json_t *status;
	struct err_info info;
	uint64_t n = 0;

	if (o->n_args > 0 &&
	    (text_parse_u64(bytes_str(o->args[0]), INT32_MAX, &n) != OK || n == 0)) {
		json_decref(question);
		err_set(&info, ERR_INVALID, "give a number from 1 up");
		return opts_fail(o, "queue", &info);
	}
	if (n > 0)
		json_object_set_new(question, "max_active", json_integer((json_int_t)n));
	if (daemon_ask(question, &answer, &info) != OK)
		return opts_fail(o, "queue", &info);
	status = json_object_get(answer, "status");
	if (o->json)
		out_json(status);
	else
		printf("%lld downloads at a time; %lld run, %lld wait\n",
		       (long long)entries_int(status, "max_active"),
		       (long long)entries_int(json_object_get(status, "states"), "downloading"),
		       (long long)entries_int(json_object_get(status, "states"), "queued"));
	json_decref(answer);
	return EXIT_OK;
}
