#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/completions.h"
#include "cli/entries.h"
#include "cli/shell.h"
#include "net/loop.h"

/* One completion: what is typed of the word, and what it could become. */
struct completion {
	struct shell *sh;
	const char *typed;
	const char *before; /* stands before each offer: "--out=" */
	json_t *out;
};

static void offer(struct completion *c, const char *word)
{
	char *whole = NULL;

	if (strncmp(word, c->typed, strlen(c->typed)) != 0)
		return;
	if (asprintf(&whole, "%s%s", c->before, word) >= 0)
		json_array_append_new(c->out, json_string(whole));
	free(whole);
}

static void offer_words(struct completion *c, const char *list)
{
	struct bytes word;
	char text[64];

	while (completions_word(&list, &word)) {
		snprintf(text, sizeof(text), "%.*s", (int)word.len, (const char *)word.ptr);
		offer(c, text);
	}
}

/* Asked anew when they are old; without an answer the old ones will do. */
static void offer_names(struct completion *c)
{
	static char ls[] = "ls", json[] = "--json", limit[] = "--limit=500";
	char *const argv[] = {ls, json, limit, NULL};
	struct shell *sh = c->sh;
	struct buf said;
	const json_t *e;
	size_t i;

	if (sh->names == NULL || loop_clock_ms() - sh->names_ms > SHELL_NAMES_MS) {
		json_t *list;

		buf_init(&said, COMPLETIONS_BYTES_MAX);
		(void)shell_ask(sh, argv, SHELL_NAMES_WAIT_MS, &said);
		list = json_loadb((const char *)said.ptr, said.len, 0, NULL);
		buf_fini(&said);
		if (list != NULL) {
			json_decref(sh->names);
			sh->names = list;
		}
		sh->names_ms = loop_clock_ms();
	}
	json_array_foreach(json_object_get(sh->names, "entries"), i, e)
	{
		offer(c, entries_str(e, "name"));
		if (strchr(c->typed, '/') != NULL) {
			char whole[1024];

			snprintf(whole, sizeof(whole), "%s/%s", entries_str(e, "owner"),
				 entries_str(e, "name"));
			offer(c, whole);
		}
	}
}

/* Those who have what the line names, or anything. */
static void offer_peers(struct completion *c, const struct words *w)
{
	static char peers[] = "peers", json[] = "--json";
	char *name = w->n > 1 && w->list[1][0] != '-' ? w->list[1] : NULL;
	char *const argv[] = {peers, json, name, NULL};
	struct buf said;
	const json_t *p;
	json_t *list;
	size_t i;

	buf_init(&said, COMPLETIONS_BYTES_MAX);
	(void)shell_ask(c->sh, argv, SHELL_NAMES_WAIT_MS, &said);
	list = json_loadb((const char *)said.ptr, said.len, 0, NULL);
	buf_fini(&said);
	json_array_foreach(json_object_get(list, "peers"), i, p) offer(c, entries_str(p, "addr"));
	json_decref(list);
}

static void offer_paths(struct completion *c, bool folders, const char *ending)
{
	const char *slash = strrchr(c->typed, '/');
	size_t n = slash == NULL ? 0 : (size_t)(slash - c->typed) + 1;
	char *dir = n == 0 ? strdup(".") : strndup(c->typed, n), *path = NULL;
	DIR *d = dir == NULL ? NULL : opendir(dir);
	const struct dirent *e;
	struct stat st;

	while (d != NULL && (e = readdir(d)) != NULL) {
		size_t len = strlen(e->d_name), end = ending == NULL ? 0 : strlen(ending);
		bool folder, fits;

		/* Hidden ones only when they are asked for. */
		if (e->d_name[0] == '.' && c->typed[n] != '.')
			continue;
		if (asprintf(&path, "%.*s%s/", (int)n, c->typed, e->d_name) < 0)
			break;
		folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
		fits = !folders && len >= end &&
		       strcmp(e->d_name + len - end, end == 0 ? "" : ending) == 0;
		if (!folder)
			path[strlen(path) - 1] = '\0';
		if (folder || fits)
			offer(c, path);
		free(path);
	}
	if (d != NULL)
		closedir(d);
	free(dir);
}

static void offer_commands(struct completion *c)
{
	size_t n;
	const struct shell_command *own = shell_commands(&n);
	const struct command *others;

	for (size_t i = 0; i < n; i++)
		offer(c, own[i].name);
	others = commands_all(&n);
	for (size_t i = 0; i < n; i++)
		if (shell_find(others[i].name) == NULL && strcmp(others[i].name, "shell") != 0)
			offer(c, others[i].name);
}

static void offer_jobs(struct completion *c)
{
	char id[16];

	for (size_t i = 0; i < c->sh->n_jobs; i++) {
		snprintf(id, sizeof(id), "%u", c->sh->jobs[i]->id);
		offer(c, id);
		offer(c, c->sh->jobs[i]->what);
	}
}

static void offer_kinds(struct completion *c, const char *kinds)
{
	static const struct {
		const char *kind;
		void (*offer)(struct completion *c);
	} table[] = {{"@name", offer_names}, {"@command", offer_commands}, {"@job", offer_jobs}};
	struct bytes word;

	while (completions_word(&kinds, &word)) {
		bool known = false;
		char text[64];

		snprintf(text, sizeof(text), "%.*s", (int)word.len, (const char *)word.ptr);
		for (size_t i = 0; i < sizeof(table) / sizeof(table[0]) && !known; i++) {
			known = strcmp(text, table[i].kind) == 0;
			if (known)
				table[i].offer(c);
		}
		if (strcmp(text, "@path") == 0)
			offer_paths(c, false, NULL);
		else if (strcmp(text, "@torrent") == 0)
			offer_paths(c, false, ".torrent");
		else if (!known)
			offer(c, text);
	}
}

static void offer_options(struct completion *c, const struct command *command)
{
	size_t n;
	const struct option *table = opts_table(&n);
	char text[64];

	for (size_t i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "--%s", table[i].name);
		if (opts_accepts(command, &table[i]))
			offer(c, text);
	}
}

/* What `word`, an option, wants behind it. False: nothing. */
static bool offer_value(struct completion *c, const char *word, size_t len)
{
	const struct option *o = NULL, *table;
	size_t n;

	if (len > 2 && strncmp(word, "--", 2) == 0)
		o = opts_find(word + 2, len - 2);
	table = opts_table(&n);
	for (size_t i = 0; i < n && len == 2 && word[0] == '-'; i++)
		if (table[i].letter == word[1])
			o = &table[i];
	if (o == NULL || !opts_takes_value(o))
		return false;
	if (o->kind == KIND_FILE || o->kind == KIND_FOLDER)
		offer_paths(c, o->kind == KIND_FOLDER, NULL);
	else
		offer_words(c, opts_choices(o));
	return true;
}

static void offer_argument(struct completion *c, const struct words *w, size_t word)
{
	const struct shell_command *own = shell_find(w->list[0]);
	const struct command *command = commands_find(w->list[0]);
	const char *equals = strchr(c->typed, '='), *before = w->list[word - 1];

	if (strncmp(c->typed, "--", 2) == 0 && equals != NULL) {
		const char *whole = c->typed;
		char name[64];

		snprintf(name, sizeof(name), "%.*s", (int)(equals + 1 - whole), whole);
		c->before = name;
		c->typed = equals + 1;
		(void)offer_value(c, whole, (size_t)(equals - whole));
		c->before = "";
	} else if (strcmp(before, "--from") == 0 || strcmp(before, "--peer") == 0) {
		offer_peers(c, w);
	} else if (word > 1 && offer_value(c, before, strlen(before))) {
		return;
	} else if (c->typed[0] == '-') {
		if (command != NULL)
			offer_options(c, command);
	} else if (own != NULL && own->completes != NULL) {
		offer_kinds(c, own->completes);
	} else if (command != NULL) {
		offer_kinds(c, command->completes);
	}
}

void shell_complete(void *user, const char *line, json_t *out, size_t *at)
{
	struct completion c = {.sh = user, .before = "", .out = out};
	struct err_info why;
	struct words w;

	if (words_split(&w, line, &why) == OK) {
		size_t word = w.fresh ? w.n : w.n - 1;

		c.typed = w.fresh ? "" : w.list[word];
		*at = w.fresh ? strlen(line) : w.last_at;
		if (word == 0)
			offer_commands(&c);
		else
			offer_argument(&c, &w, word);
	}
	words_fini(&w);
}
