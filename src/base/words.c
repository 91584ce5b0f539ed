#include "base/words.h"

#include <stdlib.h>
#include <string.h>

#define BLANKS " \t\r\n"
#define SPECIAL " \t\r\n'\"\\#"

/* One word from `at` to `out`, which is never longer. Returns where it ends. */
static const char *take_word(struct words *w, const char *at, char **out)
{
	char quote = '\0';

	for (; *at != '\0'; at++) {
		if (quote == '\0' && strchr(BLANKS, *at) != NULL)
			break;
		if (*at == quote) {
			quote = '\0';
		} else if (quote == '\0' && (*at == '\'' || *at == '"')) {
			quote = *at;
		} else if (*at == '\\' && quote != '\'') {
			if (at[1] == '\0') {
				w->open = true;
				return at + 1;
			}
			*(*out)++ = *++at;
		} else {
			*(*out)++ = *at;
		}
	}
	w->open = quote != '\0';
	return at;
}

int words_split(struct words *w, const char *line, struct err_info *info)
{
	size_t len = strlen(line);
	const char *at = line;
	char *out;

	*w = (struct words){.fresh = true};
	if (len > WORDS_LINE_MAX)
		return err_set(info, ERR_TOO_BIG, "a line of over %u bytes", WORDS_LINE_MAX);
	w->text = out = malloc(len + 1);
	if (w->text == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	for (;;) {
		at += strspn(at, BLANKS);
		w->fresh = true;
		if (*at == '\0' || *at == '#')
			return OK;
		if (w->n == WORDS_MAX)
			return err_set(info, ERR_TOO_BIG, "over %u words", WORDS_MAX);
		w->fresh = false;
		w->last_at = (size_t)(at - line);
		w->list[w->n++] = out;
		at = take_word(w, at, &out);
		*out++ = '\0';
		if (*at == '\0')
			return OK;
	}
}

void words_fini(struct words *w)
{
	free(w->text);
	*w = (struct words){.n = 0};
}

void words_quote(struct buf *out, const char *text)
{
	if (*text == '\0')
		buf_put_str(out, "''");
	for (; *text != '\0'; text++) {
		if (strchr(SPECIAL, *text) != NULL)
			buf_put_u8(out, '\\');
		buf_put_u8(out, (uint8_t)*text);
	}
}
