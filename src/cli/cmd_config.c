/* cli/cmd_config.c - which settings hold, and where they are from. */
#include <stdio.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/entries.h"
#include "cli/opts_table.h"
#include "cli/out.h"
#include "cli/unknown.h"
#include "node/index_client.h"
#include "node/torrent_file.h"

#define FROM_BYTES_MAX 8192u

/* One row. */
struct setting {
	const char *name, *section; /* section NULL: every command */
	struct opts_origin origin;
	const char *env;
};

struct settings {
	const struct config *config;
	json_t *list;
};

/* NULL: nothing. What gives rights is not shown to whoever looks over a shoulder. */
static const char *shown(const struct setting *s)
{
	const char *value = s->origin.value;

	if (strcmp(s->name, "token") == 0 && value != NULL)
		return "(hidden)";
	if (s->origin.from == FROM_NOWHERE)
		return strcmp(s->name, "index") == 0
			   ? "(found on the network) or " INDEX_URL_DEFAULT
			   : NULL;
	return value == NULL ? "yes" : value;
}

static void where(const struct settings *all, const struct setting *s, struct buf *out)
{
	switch (s->origin.from) {
	case FROM_NOWHERE:
		buf_put_str(out, "default");
		break;
	case FROM_FILE:
	case FROM_FILE_SECTION:
		buf_printf(out, "%s:%u", all->config->path, s->origin.line);
		break;
	case FROM_ENVIRONMENT:
		buf_put_str(out, s->env);
		break;
	case FROM_COMMAND_LINE:
		buf_put_str(out, "command line");
		break;
	}
}

static void add(struct settings *all, const struct setting *s)
{
	struct buf from;
	const char *text;
	json_t *j;

	buf_init(&from, FROM_BYTES_MAX);
	where(all, s, &from);
	text = buf_cstr(&from);
	j = json_pack("{s:s, s:s?, s:o, s:o}", "name", s->name, "command", s->section, "value",
		      shown(s) == NULL ? json_null() : torrent_text(shown(s)), "from",
		      torrent_text(text == NULL ? "" : text));
	json_array_append_new(all->list, j);
	buf_fini(&from);
}

/* Options that hold for `c`, or for every command. What was given with this very command holds for
 * it, too, and shows what it would do. */
static void add_options(struct settings *all, const struct opts *o, const struct opts *standing,
			const struct command *c)
{
	size_t n;
	const struct option *table = opts_table(&n);

	for (size_t i = 0; i < n; i++) {
		bool given = o->origins[i].from == FROM_COMMAND_LINE;
		struct setting s = {
		    .name = table[i].name,
		    .section = c == NULL ? NULL : c->name,
		    .origin = given ? o->origins[i] : standing->origins[i],
		    .env = table[i].env,
		};

		if (table[i].kind == KIND_HELP || !opts_accepts(c, &table[i]))
			continue;
		if (c == NULL && !table[i].common && s.origin.from == FROM_NOWHERE)
			continue;
		add(all, &s);
	}
}

/* Without a COMMAND every section is shown. */
static int add_sections(struct settings *all, const struct opts *standing, struct err_info *info)
{
	const struct config *config = standing->config;
	struct opts fits;
	int err = OK;

	for (size_t i = 0; i < config->n && err == OK; i++) {
		const struct config_line *l = &config->list[i];
		const struct command *c = l->section == NULL ? NULL : commands_find(l->section);
		struct setting s = {
		    .name = l->key,
		    .section = l->section,
		    .origin = {.from = FROM_FILE_SECTION, .value = l->value, .line = l->number},
		};

		if (l->section == NULL)
			continue;
		err = opts_defaults(&fits, c, info);
		opts_fini(&fits);
		if (err == OK)
			add(all, &s);
	}
	return err;
}

static void print_table(const json_t *list)
{
	static const char *const columns[] = {"NAME", "VALUE", "COMMAND", "FROM"};
	struct out_table *t = out_table_new(columns, 4, NULL);
	const json_t *j;
	size_t i;

	json_array_foreach(list, i, j)
	{
		out_row(t);
		out_cell(t, entries_str(j, "name"));
		out_cell(t, entries_str(j, "value"));
		out_cell(t, entries_str(j, "command"));
		out_cell(t, entries_str(j, "from"));
	}
	out_table_print(t);
}

static void print(const struct opts *o, const struct settings *all)
{
	const struct config *config = all->config;
	char safe[512];
	json_t *j;

	if (o->json) {
		j = json_pack("{s:o, s:b, s:O}", "file",
			      config->path == NULL ? json_null() : torrent_text(config->path),
			      "exists", config->exists, "settings", all->list);
		out_json(j);
		json_decref(j);
		return;
	}
	print_table(all->list);
	if (!o->quiet && config->path != NULL)
		fprintf(stderr, "file: %s%s\n",
			text_escape(safe, sizeof(safe), bytes_str(config->path)),
			config->exists ? "" : " (is not there)");
}

int cmd_config(const struct opts *o)
{
	const struct command *c = o->n_args > 0 ? commands_find(o->args[0]) : NULL;
	struct settings all = {.list = json_array()};
	struct err_info info = {.code = OK};
	struct opts standing;
	char why[UNKNOWN_TEXT_MAX];
	int err;

	if (o->n_args > 0 && c == NULL) {
		err_set(&info, ERR_INVALID, "%s", unknown_text(why, o->args[0]));
		json_decref(all.list);
		return opts_fail(o, "config", &info);
	}
	err = opts_defaults(&standing, c, &info);
	all.config = standing.config;
	if (err == OK)
		err = commands_check_sections(standing.config, &info);
	if (err == OK)
		add_options(&all, o, &standing, c);
	if (err == OK && c == NULL)
		err = add_sections(&all, &standing, &info);
	if (err == OK)
		print(o, &all);
	json_decref(all.list);
	opts_fini(&standing);
	return err == OK ? EXIT_OK : opts_fail(o, "config", &info);
}
