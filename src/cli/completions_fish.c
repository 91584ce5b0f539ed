#include "cli/completions.h"

#include "cli/commands.h"

static const char head[] = "# fish completion for shoal; printed by 'shoal completions fish'\n"
			   "\n"
			   "function __shoal_names\n"
			   "\t" COMPLETIONS_NAMES "\n"
			   "end\n"
			   "\n"
			   "function __shoal_jobs\n"
			   "\t" COMPLETIONS_JOBS "\n"
			   "end\n"
			   "\n"
			   "complete -c shoal -f\n";

/* Within single quotes. */
static void put_quoted(struct buf *out, struct bytes text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (strchr("'\\", text.ptr[i]) != NULL)
			buf_put_u8(out, '\\');
		buf_put_u8(out, text.ptr[i]);
	}
}

static void put_when(struct buf *out, const struct command *c)
{
	buf_printf(out, "complete -c shoal -n '__fish_seen_subcommand_from %s'", c->name);
}

static void put_option(struct buf *out, const struct command *c, const struct option *p)
{
	const char *words = opts_choices(p);
	struct buf text;

	put_when(out, c);
	if (p->letter != 0)
		buf_printf(out, " -s %c", p->letter);
	buf_printf(out, " -l %s", p->name);
	if (p->kind == KIND_FILE)
		buf_put_str(out, " -r -F");
	else if (p->kind == KIND_FOLDER)
		buf_put_str(out, " -x -a '(__fish_complete_directories)'");
	else if (words != NULL)
		buf_printf(out, " -x -a '%s'", words);
	else if (opts_takes_value(p))
		buf_put_str(out, " -x");
	buf_init(&text, COMPLETIONS_BYTES_MAX);
	(void)opts_describe(c, p, &text);
	buf_put_str(out, " -d '");
	put_quoted(out, buf_bytes(&text));
	buf_put_str(out, "'\n");
	buf_fini(&text);
}

/* `behind`: a command; NULL: in its place. */
static void put_commands(struct buf *out, const char *behind)
{
	size_t n;
	const struct command *c = commands_all(&n);

	for (size_t i = 0; i < n; i++) {
		if (behind == NULL)
			buf_put_str(out, "complete -c shoal -n __fish_use_subcommand");
		else
			buf_printf(out, "complete -c shoal -n '__fish_seen_subcommand_from %s'",
				   behind);
		buf_printf(out, " -a %s -d '", c[i].name);
		put_quoted(out, bytes_str(c[i].summary));
		buf_put_str(out, "'\n");
	}
}

static void put_arguments(struct buf *out, const struct command *c)
{
	const char *at = c->completes, *after = c->completes_after;
	struct bytes word, first = {.len = 0};

	if (completions_has(at, "@command")) {
		put_commands(out, c->name);
		return;
	}
	if (completions_word(&after, &first))
		buf_printf(out,
			   "complete -c shoal -n '__fish_seen_subcommand_from %s; and "
			   "__fish_seen_subcommand_from %.*s' -a '%s'\n",
			   c->name, (int)first.len, (const char *)first.ptr, after);
	while (completions_word(&at, &word)) {
		if (first.len > 0)
			buf_printf(out,
				   "complete -c shoal -n '__fish_seen_subcommand_from %s; and not "
				   "__fish_seen_subcommand_from %.*s'",
				   c->name, (int)first.len, (const char *)first.ptr);
		else
			put_when(out, c);
		if (bytes_eq(word, bytes_str("@name")))
			buf_put_str(out, " -a '(__shoal_names)'");
		else if (bytes_eq(word, bytes_str("@job")))
			buf_put_str(out, " -a '(__shoal_jobs)'");
		else if (bytes_eq(word, bytes_str("@path")))
			buf_put_str(out, " -F");
		else if (bytes_eq(word, bytes_str("@torrent")))
			buf_put_str(out, " -a '(__fish_complete_suffix .torrent)'");
		else
			buf_printf(out, " -a %.*s", (int)word.len, (const char *)word.ptr);
		buf_put_u8(out, '\n');
	}
}

void completions_fish(struct buf *out)
{
	size_t n, n_options;
	const struct command *c = commands_all(&n);
	const struct option *table = opts_table(&n_options);

	buf_put_str(out, head);
	put_commands(out, NULL);
	buf_put_str(out,
		    "complete -c shoal -n __fish_use_subcommand -a help -d 'What --help prints'\n");
	put_commands(out, "help");
	for (size_t k = 0; k < n; k++) {
		buf_put_u8(out, '\n');
		put_arguments(out, &c[k]);
		for (size_t i = 0; i < n_options; i++)
			if (opts_accepts(&c[k], &table[i]))
				put_option(out, &c[k], &table[i]);
	}
}
