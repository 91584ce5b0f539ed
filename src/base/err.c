#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *err_text(enum err code)
{
	switch (code) {
	case OK:
		return "success";
	case ERR_PROTO:
		return "malformed data";
	case ERR_TOO_BIG:
		return "over a limit";
	case ERR_NOMEM:
		return "out of memory";
	case ERR_IO:
		return "input or output failed";
	case ERR_NOENT:
		return "no such thing";
	case ERR_EXISTS:
		return "already there";
	case ERR_DENIED:
		return "not permitted";
	case ERR_NOSPACE:
		return "no space left";
	case ERR_AGAIN:
		return "not now";
	case ERR_TIMEOUT:
		return "timed out";
	case ERR_UNREACHABLE:
		return "nobody answers there";
	case ERR_INVALID:
		return "invalid argument";
	case ERR_MISMATCH:
		return "data does not match its hash";
	case ERR_AMBIGUOUS:
		return "several things fit";
	case ERR_CANCELLED:
		return "cancelled";
	}
	return "unknown error";
}

/* Words for programs; docs/api.md lists them beside the exit codes. */
const char *err_word(enum err code)
{
	switch (code) {
	case OK:
		return "ok";
	case ERR_PROTO:
		return "malformed";
	case ERR_TOO_BIG:
		return "too_big";
	case ERR_NOMEM:
		return "no_memory";
	case ERR_IO:
		return "io";
	case ERR_NOENT:
		return "not_found";
	case ERR_EXISTS:
		return "exists";
	case ERR_DENIED:
		return "denied";
	case ERR_NOSPACE:
		return "no_space";
	case ERR_AGAIN:
		return "busy";
	case ERR_TIMEOUT:
		return "timeout";
	case ERR_UNREACHABLE:
		return "unreachable";
	case ERR_INVALID:
		return "invalid";
	case ERR_MISMATCH:
		return "mismatch";
	case ERR_AMBIGUOUS:
		return "ambiguous";
	case ERR_CANCELLED:
		return "interrupted";
	}
	return "failed";
}

enum err err_from_word(const char *word)
{
	for (int code = ERR_PROTO; code >= ERR_CANCELLED; code--)
		if (strcmp(err_word((enum err)code), word) == 0)
			return (enum err)code;
	return ERR_IO;
}

/* A cut may fall inside a UTF-8 sequence, and half a character makes the whole
 * sentence unfit for JSON, so the half is dropped. */
static void drop_half_character(char *text, size_t len)
{
	size_t i = len, need;
	unsigned char lead;

	while (i > 0 && len - i < 3 && ((unsigned char)text[i - 1] & 0xc0) == 0x80)
		i--;
	if (i == 0)
		return;
	lead = (unsigned char)text[i - 1];
	need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
	if (need > len - (i - 1))
		text[i - 1] = '\0';
}

int err_set(struct err_info *info, enum err code, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (info == NULL)
		return code;
	info->code = code;
	va_start(ap, fmt);
	n = vsnprintf(info->text, sizeof(info->text), fmt, ap);
	va_end(ap);
	if (n < 0)
		info->text[0] = '\0';
	else if ((size_t)n >= sizeof(info->text))
		drop_half_character(info->text, sizeof(info->text) - 1);
	return code;
}

void err_drop(struct err_kept *k)
{
	free(k->text);
	*k = (struct err_kept){.code = OK};
}

void err_keep(struct err_kept *k, const struct err_info *why)
{
	char *text = why->code == OK ? NULL : strdup(why->text);

	free(k->text);
	*k = (struct err_kept){why->code, text};
}

void err_kept_get(const struct err_kept *k, struct err_info *out)
{
	if (k->code == OK)
		*out = (struct err_info){.code = OK};
	else
		err_set(out, k->code, "%s", k->text != NULL ? k->text : err_text(k->code));
}
