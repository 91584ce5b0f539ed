#include "cli/completions.h"

#include "cli/commands.h"

static const char head[] = "#compdef shoal\n"
			   "# zsh completion for shoal; printed by 'shoal completions zsh'\n"
			   "\n"
			   "_shoal_names()\n"
			   "{\n"
			   "\tlocal -a names\n"
			   "\tnames=(${(f)\"$(" COMPLETIONS_NAMES ")\"})\n"
			   "\tcompadd -a names\n"
			   "}\n"
			   "\n"
			   "_shoal_jobs()\n"
			   "{\n"
			   "\tlocal -a jobs\n"
			   "\tjobs=(${(f)\"$(" COMPLETIONS_JOBS ")\"})\n"
			   "\tcompadd -a jobs\n"
			   "}\n"
			   "\n"
			   "_shoal_torrents()\n"
			   "{\n"
			   "\t_files -g '*.torrent(-.)'\n"
			   "}\n"
			   "\n";

static const char tail[] =
    "\n"
    "_shoal()\n"
    "{\n"
    "\tlocal curcontext=\"$curcontext\" state line\n"
    "\t_arguments -C '1:command:_shoal_commands' '*::argument:->rest'\n"
    "\tif [[ $state == rest ]] && (( $+functions[_shoal_on_$line[1]] )); then\n"
    "\t\t_shoal_on_$line[1]\n"
    "\tfi\n"
    "}\n"
    "\n"
    "if [[ $funcstack[1] == _shoal ]]; then\n"
    "\t_shoal \"$@\"\n"
    "else\n"
    "\tcompdef _shoal shoal\n"
    "fi\n";

/* Within single quotes, and with what _arguments reads as its own taken as it is. */
static void put_quoted(struct buf *out, struct bytes text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = (char)text.ptr[i];

		if (c == '\'')
			buf_put_str(out, "'\\''");
		else if (strchr("[]:\\", c) != NULL)
			buf_printf(out, "\\%c", c);
		else
			buf_put_u8(out, (uint8_t)c);
	}
}

static void put_text(struct buf *out, const struct command *c, const struct option *p)
{
	struct buf text;

	buf_init(&text, COMPLETIONS_BYTES_MAX);
	(void)opts_describe(c, p, &text);
	put_quoted(out, buf_bytes(&text));
	buf_fini(&text);
}

static void put_value(struct buf *out, const struct option *p)
{
	const char *words = opts_choices(p);

	if (!opts_takes_value(p))
		return;
	buf_printf(out, ":%s:", p->name);
	if (p->kind == KIND_FILE)
		buf_put_str(out, "_files");
	else if (p->kind == KIND_FOLDER)
		buf_put_str(out, "_files -/");
	else if (words != NULL)
		buf_printf(out, "(%s)", words);
}

/* 'form[text]:value:action' for each way to write it; the forms exclude one another, unless it may
 * be repeated. */
static void put_option(struct buf *out, const struct command *c, const struct option *p)
{
	bool again = p->kind == KIND_LIST || p->kind == KIND_COUNT, value = opts_takes_value(p);

	for (int form = 0; form < (p->letter != 0 ? 2 : 1); form++) {
		buf_put_str(out, " \\\n\t\t'");
		if (again)
			buf_put_u8(out, '*');
		else if (p->letter != 0)
			buf_printf(out, "(-%c --%s)", p->letter, p->name);
		if (form == 0)
			buf_printf(out, "--%s%s[", p->name, value ? "=" : "");
		else
			buf_printf(out, "-%c%s[", p->letter, value ? "+" : "");
		put_text(out, c, p);
		buf_put_u8(out, ']');
		put_value(out, p);
		buf_put_u8(out, '\'');
	}
}

static void put_arguments(struct buf *out, const struct command *c)
{
	const char *at = c->completes, *after = c->completes_after;
	struct bytes word;

	if (at == NULL)
		return;
	buf_put_str(out, " \\\n\t\t'*:argument:{");
	if (completions_word(&after, &word))
		buf_printf(out, "[[ $words[CURRENT-1] == %.*s ]] && { compadd %s; return }; ",
			   (int)word.len, (const char *)word.ptr, after);
	while (completions_word(&at, &word)) {
		if (bytes_eq(word, bytes_str("@name")))
			buf_put_str(out, "_shoal_names; ");
		else if (bytes_eq(word, bytes_str("@job")))
			buf_put_str(out, "_shoal_jobs; ");
		else if (bytes_eq(word, bytes_str("@path")))
			buf_put_str(out, "_files; ");
		else if (bytes_eq(word, bytes_str("@torrent")))
			buf_put_str(out, "_shoal_torrents; ");
		else if (bytes_eq(word, bytes_str("@command")))
			buf_put_str(out, "_shoal_commands; ");
		else
			buf_printf(out, "compadd %.*s; ", (int)word.len, (const char *)word.ptr);
	}
	buf_put_str(out, "}'");
}

static void put_command(struct buf *out, const struct command *c)
{
	size_t n;
	const struct option *table = opts_table(&n);

	buf_printf(out, "_shoal_on_%s()\n{\n\t_arguments -s", c->name);
	for (size_t i = 0; i < n; i++)
		if (opts_accepts(c, &table[i]))
			put_option(out, c, &table[i]);
	put_arguments(out, c);
	buf_put_str(out, "\n}\n\n");
}

void completions_zsh(struct buf *out)
{
	size_t n;
	const struct command *c = commands_all(&n);

	buf_put_str(out, head);
	for (size_t i = 0; i < n; i++)
		put_command(out, &c[i]);
	buf_put_str(out, "_shoal_on_help()\n{\n\t_arguments '1:command:_shoal_commands'\n}\n\n"
			 "_shoal_commands()\n{\n\tlocal -a commands\n\tcommands=(\n");
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "\t\t'%s:", c[i].name);
		put_quoted(out, bytes_str(c[i].summary));
		buf_put_str(out, "'\n");
	}
	buf_put_str(out, "\t\t'help:what --help prints'\n\t)\n"
			 "\t_describe command commands\n}\n");
	buf_put_str(out, tail);
}
