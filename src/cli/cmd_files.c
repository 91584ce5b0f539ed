/* cli/cmd_files.c - the files of a transfer of the daemon: how much of each is there, and which are
 * wanted. */
#include <stdio.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/daemon_ask.h"
#include "cli/entries.h"
#include "cli/out.h"
#include "cli/transfer_words.h"

/* One part after the other. *out: {"id", "title", "files"}, the caller's. */
static int ask_all(const struct opts *o, json_t **out, struct err_info *info)
{
	json_t *files = json_array(), *answer = NULL, *from = json_integer(0), *part;
	int err = OK;

	*out = NULL;
	while (err == OK && json_is_integer(from)) {
		json_decref(answer);
		answer = NULL;
		err = daemon_ask(
		    json_pack("{s:s, s:s, s:O}", "verb", "list", "ref", o->args[0], "from", from),
		    &answer, info);
		part = json_object_get(answer, "files");
		if (err == OK && !json_is_array(part))
			err = err_set(info, ERR_PROTO, "the daemon answers without its files");
		else if (err == OK && json_array_extend(files, part) != 0)
			err = err_set(info, ERR_NOMEM, "out of memory");
		json_decref(from);
		from = json_incref(json_object_get(answer, "next"));
	}
	json_decref(from);
	if (err == OK) {
		const json_t *t = json_object_get(answer, "transfer");

		*out = json_pack("{s:I, s:s, s:O}", "id", entries_int(t, "id"), "title",
				 entries_str(t, "title"), "files", files);
		if (*out == NULL)
			err = err_set(info, ERR_NOMEM, "out of memory");
	}
	json_decref(answer);
	json_decref(files);
	return err;
}

static void put_row(struct out_table *t, const json_t *f)
{
	uint64_t bytes = entries_count(f, "bytes"), done = entries_count(f, "done_bytes");
	unsigned percent = bytes == 0 ? 100 : (unsigned)((double)done * 100.0 / (double)bytes);
	char text[32];

	if (percent > 99 && done < bytes)
		percent = 99;
	out_row(t);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)entries_count(f, "index"));
	out_cell(t, text);
	snprintf(text, sizeof(text), "%u%%", percent);
	out_cell(t, text);
	out_cell(t, text_size(text, sizeof(text), bytes));
	out_cell(t, entries_str(f, "priority"));
	entries_cell(t, f, "path");
}

static void print_table(const json_t *list)
{
	static const char *const columns[] = {"#", "DONE", "SIZE", "PRIORITY", "PATH"};
	static const bool right[] = {true, true, true, false, false};
	struct out_table *t = out_table_new(columns, sizeof(columns) / sizeof(columns[0]), right);
	const json_t *f;
	size_t i;

	json_array_foreach(list, i, f) put_row(t, f);
	out_table_print(t);
}

int cmd_files(const struct opts *o)
{
	struct err_info info;
	json_t *all;

	if (ask_all(o, &all, &info) != OK)
		return opts_fail(o, "files", &info);
	if (o->json)
		out_json(all);
	else
		print_table(json_object_get(all, "files"));
	json_decref(all);
	return EXIT_OK;
}
