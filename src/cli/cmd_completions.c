/* cli/cmd_completions.c - print what makes a shell complete our command lines. */
#include <stdio.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/completions.h"

static const struct {
	const char *shell;
	void (*put)(struct buf *out);
} shells[] = {
    {"bash", completions_bash},
    {"zsh", completions_zsh},
    {"fish", completions_fish},
};

bool completions_word(const char **at, struct bytes *word)
{
	if (*at == NULL)
		return false;
	*at += strspn(*at, " ");
	*word = bytes_of(*at, strcspn(*at, " "));
	*at += word->len;
	return word->len > 0;
}

bool completions_has(const char *list, const char *word)
{
	struct bytes w;

	while (completions_word(&list, &w))
		if (bytes_eq(w, bytes_str(word)))
			return true;
	return false;
}

int cmd_completions(const struct opts *o)
{
	struct err_info info;
	struct buf out;
	char safe[64];
	json_t *j;
	int err = ERR_INVALID;

	buf_init(&out, COMPLETIONS_BYTES_MAX);
	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
		if (strcmp(o->args[0], shells[i].shell) != 0)
			continue;
		shells[i].put(&out);
		err = out.err;
	}
	if (err == ERR_INVALID)
		err_set(&info, err, "'%s': no shell that we know; bash, zsh or fish",
			text_escape(safe, sizeof(safe), bytes_str(o->args[0])));
	else if (err != OK)
		err_set(&info, (enum err)err, "%s", err_text((enum err)err));
	if (err == OK && o->json) {
		j = json_pack("{s:s, s:s%}", "shell", o->args[0], "script", out.ptr, out.len);
		out_json(j);
		json_decref(j);
	} else if (err == OK) {
		fwrite(out.ptr, 1, out.len, stdout);
	}
	buf_fini(&out);
	return err == OK ? EXIT_OK : opts_fail(o, "completions", &info);
}
