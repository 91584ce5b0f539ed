/* daemon/jobs_rules.c - what was said of the files of a job that follows, for versions to come.
 *
 * Which files of a torrent are wanted is kept file by file (job_record.h); a newer version has
 * other files, so that the patterns are kept, too. */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/jobs_impl.h"

/* Lines of the rule that begins at `at`. */
static size_t rule_len(char *const *at)
{
	size_t n = 1;

	while (at[n] != NULL && at[n][0] == '+')
		n++;
	return n;
}

static bool is_of(char *const *rule, size_t n, const char *const *globs)
{
	size_t i = 1;

	while (i < n && globs[i - 1] != NULL && strcmp(rule[i] + 1, globs[i - 1]) == 0)
		i++;
	return i == n && globs[i - 1] == NULL;
}

/* The rule of `globs`, or the end of the list. */
static size_t find(char *const *list, const char *const *globs)
{
	size_t at = 0;

	while (list != NULL && list[at] != NULL && !is_of(list + at, rule_len(list + at), globs))
		at += rule_len(list + at);
	return at;
}

static char *line(char kind, const char *text)
{
	char *out;

	return asprintf(&out, "%c%s", kind, text) < 0 ? NULL : out;
}

/* A list of one rule. NULL without memory. */
static char **make_rule(const char *const *globs, enum want want)
{
	size_t n = 0;
	char **rule;

	while (globs[n] != NULL)
		n++;
	rule = calloc(n + 2, sizeof(*rule));
	if (rule == NULL || (rule[0] = line('=', want_word(want))) == NULL) {
		free(rule);
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		rule[i + 1] = line('+', globs[i]);
		if (rule[i + 1] == NULL) {
			job_list_free(rule);
			return NULL;
		}
	}
	return rule;
}

static size_t bytes_in(char *const *list)
{
	size_t sum = 0;

	for (size_t i = 0; list != NULL && list[i] != NULL; i++)
		sum += strlen(list[i]) + 1;
	return sum;
}

/* What is said of the same files once more makes what was said before void. */
static void drop(char **list, size_t at)
{
	size_t n = rule_len(list + at);

	for (size_t i = 0; i < n; i++)
		free(list[at + i]);
	for (; list[at + n] != NULL; at++)
		list[at] = list[at + n];
	list[at] = NULL;
}

int job_rules_with(const struct job *j, const char *const *globs, enum want want, char ***out,
		   struct err_info *info)
{
	char **had = j->rec.rules, **rule = make_rule(globs, want), **list = NULL, **grown = NULL;
	size_t at = find(had, globs), n = job_list_len(had), more;

	*out = NULL;
	if (rule != NULL && at == n && bytes_in(had) + bytes_in(rule) > JOBS_UPKEEP_BYTES_MAX) {
		job_list_free(rule);
		return err_set(info, ERR_TOO_BIG, "more was said of its files than can be kept");
	}
	more = job_list_len(rule);
	if (rule != NULL && job_list_copy((const char *const *)had, SIZE_MAX, &list) == OK)
		grown = realloc(list, (n + more + 1) * sizeof(*grown));
	if (grown == NULL) {
		job_list_free(list);
		job_list_free(rule);
		return err_set(info, ERR_NOMEM, "out of memory");
	}
	if (at < n)
		drop(grown, at);
	n = at < n ? job_list_len(grown) : n;
	memcpy(grown + n, rule, (more + 1) * sizeof(*grown));
	free(rule);
	*out = grown;
	return OK;
}

/* Patterns of the rule, as they were said: borrowed, ended by NULL. NULL without memory. */
static const char **patterns_of(char *const *rule, size_t n)
{
	const char **globs = calloc(n, sizeof(*globs));

	for (size_t i = 1; globs != NULL && i < n; i++)
		globs[i - 1] = rule[i] + 1;
	return globs;
}

/* A rule that no file goes by is none. */
static int apply(const struct metainfo *m, char *const *rule, uint8_t *files)
{
	size_t n = rule_len(rule);
	uint8_t *chosen = NULL;
	const char **globs;
	enum want want;
	int err;

	if (n < 2 || rule[0][0] != '=' || !want_from_word(rule[0] + 1, &want))
		return OK;
	globs = patterns_of(rule, n);
	err = globs == NULL ? ERR_NOMEM : selection_choose(m, globs, NULL, 0, &chosen);
	if (err == OK)
		job_set_wanted(m, chosen, want, files);
	free(chosen);
	free(globs);
	return err == ERR_NOENT ? OK : err;
}

int job_apply_rules(struct job *j, const struct metainfo *m, struct err_info *info)
{
	uint8_t *files = job_copy_wanted(j, m);
	char *const *at = j->rec.rules;
	int err = files == NULL ? ERR_NOMEM : OK;

	for (; err == OK && at != NULL && *at != NULL; at += rule_len(at))
		err = apply(m, at, files);
	if (err != OK)
		err_set(info, err, "out of memory");
	else if (selection_count(m, files, NULL) == 0)
		err = err_set(info, ERR_NOENT, "%s: none of its files is chosen", j->rec.name);
	if (err == OK)
		return job_take_files(j, m, files, info);
	free(files);
	return err;
}
