#include "cli/completions.h"

#include "cli/commands.h"

/* The word under the cursor is taken from the line, as bash itself splits at '@', ':' and '=',
 * which names, addresses and --option=value have; what stands before the last of these is taken off
 * again from what is offered. */
static const char head[] =
    "# bash completion for shoal; printed by 'shoal completions bash'\n"
    "\n"
    "_shoal_offer()\n"
    "{\n"
    "\tlocal line\n"
    "\twhile IFS= read -r line; do\n"
    "\t\t[[ -n $line && $line == \"$value\"* ]] && COMPREPLY+=(\"$(printf %q \"$line\")\")\n"
    "\tdone\n"
    "}\n"
    "\n"
    "# Quoted here, as names are: with 'compopt -o filenames' bash would quote both once more.\n"
    "_shoal_files()\n"
    "{\n"
    "\tlocal line home end\n"
    "\twhile IFS= read -r line; do\n"
    "\t\thome= end=\n"
    "\t\t[[ $value == '~/'* ]] && home='~/' line=${line#'~/'}\n"
    "\t\t[[ -d ${home:+$HOME/}$line ]] && end=/ && compopt -o nospace 2>/dev/null\n"
    "\t\tCOMPREPLY+=(\"$home$(printf %q \"$line\")$end\")\n"
    "\tdone < <(compgen \"$@\" -- \"$value\")\n"
    "}\n"
    "\n"
    "_shoal_complete()\n"
    "{\n"
    "\tlocal word\n"
    "\tfor word in $1; do\n"
    "\t\tcase $word in\n"
    "\t\t@name) _shoal_offer < <(" COMPLETIONS_NAMES ") ;;\n"
    "\t\t@job) _shoal_offer < <(" COMPLETIONS_JOBS ") ;;\n"
    "\t\t@path | @file) _shoal_files -f ;;\n"
    "\t\t@folder) _shoal_files -d ;;\n"
    "\t\t@torrent) _shoal_files -f -X '!*.torrent'; _shoal_files -d ;;\n"
    "\t\t@command) _shoal_offer <<<\"$commands\" ;;\n"
    "\t\t*) _shoal_offer <<<\"$word\" ;;\n"
    "\t\tesac\n"
    "\tdone\n"
    "}\n"
    "\n";

static const char tail[] =
    "\n"
    "# $line at its spaces, but those that a backslash quotes; what is quoted so comes without "
    "it.\n"
    "_shoal_split()\n"
    "{\n"
    "\tlocal i c quoted= word=\n"
    "\twords=()\n"
    "\tfor ((i = 0; i < ${#line}; i++)); do\n"
    "\t\tc=${line:i:1}\n"
    "\t\tif [[ -z $quoted && $c == [[:space:]] ]]; then\n"
    "\t\t\t[[ -n $word ]] && words+=(\"$word\")\n"
    "\t\t\tword=\n"
    "\t\telif [[ -z $quoted && $c == \\\\ ]]; then\n"
    "\t\t\tquoted=1\n"
    "\t\telse\n"
    "\t\t\tword+=$c quoted=\n"
    "\t\tfi\n"
    "\tdone\n"
    "\twords+=(\"$word\")\n"
    "}\n"
    "\n"
    "_shoal()\n"
    "{\n"
    "\tlocal line=${COMP_LINE:0:COMP_POINT} commands command value before option=\n"
    "\tlocal -a words\n"
    "\tCOMPREPLY=()\n"
    "\t_shoal_split\n"
    "\tvalue=${words[${#words[@]} - 1]}\n"
    "\tcommand=${words[1]}\n"
    "\t_shoal_list\n"
    "\tif ((${#words[@]} <= 2)); then\n"
    "\t\t_shoal_offer <<<\"$commands\"\n"
    "\t\treturn\n"
    "\tfi\n"
    "\tbefore=$value\n"
    "\tcase $value in\n"
    "\t--*=*) option=${value%%=*} value=${value#*=} ;;\n"
    "\t*) option=${words[${#words[@]} - 2]} ;;\n"
    "\tesac\n"
    "\tif _shoal_value \"$option\"; then\n"
    "\t\t:\n"
    "\telif [[ $value == -* ]]; then\n"
    "\t\t_shoal_options \"$command\"\n"
    "\telse\n"
    "\t\t_shoal_arguments \"$command\"\n"
    "\tfi\n"
    "\t# What bash takes for earlier words.\n"
    "\tlocal whole=${before%\"${before##*[@:=]}\"} i\n"
    "\t[[ $before == --*=* ]] && whole=${whole#\"$option=\"}\n"
    "\t[[ -n $whole ]] && whole=$(printf %q \"$whole\")\n"
    "\tfor i in \"${!COMPREPLY[@]}\"; do COMPREPLY[i]=${COMPREPLY[i]#\"$whole\"}; done\n"
    "}\n"
    "\n"
    "complete -F _shoal shoal\n";

/* "--out|-o" */
static void put_pattern(struct buf *out, const struct option *p)
{
	buf_printf(out, "--%s", p->name);
	if (p->letter != 0)
		buf_printf(out, " | -%c", p->letter);
}

/* Which words stand behind an option: the same for all commands. */
static void put_values(struct buf *out)
{
	size_t n;
	const struct option *table = opts_table(&n);

	buf_put_str(out, "# 1: this option takes no value\n"
			 "_shoal_value()\n{\n\tcase $1 in\n");
	for (size_t i = 0; i < n; i++) {
		const char *words = opts_choices(&table[i]);

		if (!opts_takes_value(&table[i]))
			continue;
		buf_put_u8(out, '\t');
		put_pattern(out, &table[i]);
		if (table[i].kind == KIND_FILE)
			words = "@file";
		else if (table[i].kind == KIND_FOLDER)
			words = "@folder";
		buf_printf(out, ") _shoal_complete '%s' ;;\n", words == NULL ? "" : words);
	}
	buf_put_str(out, "\t*) return 1 ;;\n\tesac\n}\n");
}

static void put_options(struct buf *out)
{
	size_t n_commands, n;
	const struct command *c = commands_all(&n_commands);
	const struct option *table = opts_table(&n);

	buf_put_str(out, "\n_shoal_options()\n{\n\tlocal options\n\tcase $1 in\n");
	for (size_t k = 0; k < n_commands; k++) {
		buf_printf(out, "\t%s) options='", c[k].name);
		for (size_t i = 0; i < n; i++)
			if (opts_accepts(&c[k], &table[i]))
				buf_printf(out, " --%s", table[i].name);
		buf_put_str(out, "' ;;\n");
	}
	buf_put_str(out, "\tesac\n\t_shoal_complete \"$options\"\n}\n");
}

/* $option is the word before, whatever that is. */
static void put_argument(struct buf *out, const struct command *c)
{
	const char *after = c->completes_after;
	struct bytes first;

	buf_printf(out, "\t%s) ", c->name);
	if (completions_word(&after, &first))
		buf_printf(out, "[[ $option == %.*s ]] && { _shoal_complete '%s'; return; }\n\t\t",
			   (int)first.len, (const char *)first.ptr, after);
	buf_printf(out, "_shoal_complete '%s' ;;\n", c->completes);
}

static void put_arguments(struct buf *out)
{
	size_t n;
	const struct command *c = commands_all(&n);

	buf_put_str(out, "\n_shoal_arguments()\n{\n\tcase $1 in\n");
	for (size_t k = 0; k < n; k++)
		if (c[k].completes != NULL)
			put_argument(out, &c[k]);
	buf_put_str(out, "\thelp) _shoal_complete @command ;;\n\tesac\n}\n");
}

static void put_commands(struct buf *out)
{
	size_t n;
	const struct command *c = commands_all(&n);

	buf_put_str(out, "\n_shoal_list()\n{\n\tcommands=$'help");
	for (size_t k = 0; k < n; k++)
		buf_printf(out, "\\n%s", c[k].name);
	buf_put_str(out, "'\n}\n");
}

void completions_bash(struct buf *out)
{
	buf_put_str(out, head);
	put_values(out);
	put_options(out);
	put_arguments(out);
	put_commands(out);
	buf_put_str(out, tail);
}
