#include "cli/prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include <histedit.h>

#include "base/text.h"
#include "base/words.h"
#include "cli/out.h"

#define PROMPT_TEXT "shoal> "
#define PROMPT_COLUMNS 7u

struct prompt {
	struct prompt_params p;
	EditLine *el; /* NULL: a pipe */
	History *history;
	bool typing, interrupted, forget;
	bool redraws;	 /* the terminal can wipe what it shows */
	mbstate_t state; /* of the character that is being typed */
	struct buf line; /* the one that was read */
	/* A pipe: what was read and not yet taken. */
	struct buf rest;
	bool ended;
};

/* ---- a terminal --------------------------------------------------------------------- */

static char *prompt_text(EditLine *el)
{
	static char text[] = PROMPT_TEXT;

	(void)el;
	return text;
}

static struct prompt *of_editor(EditLine *el)
{
	struct prompt *p = NULL;

	(void)el_get(el, EL_CLIENTDATA, &p);
	return p;
}

/* Columns that `n` bytes take; what cannot be told takes one. */
static size_t columns_of(const char *s, size_t n)
{
	mbstate_t state = {0};
	size_t columns = 0;

	while (n > 0) {
		wchar_t c;
		size_t used = mbrtowc(&c, s, n, &state);

		if (used == 0 || used > n) {
			used = 1;
			state = (mbstate_t){0};
			columns++;
		} else {
			columns += wcwidth(c) < 0 ? 1 : (size_t)wcwidth(c);
		}
		s += used;
		n -= used;
	}
	return columns;
}

/* Take away what is being typed, which may be on several rows; where that cannot be, it stays, and
 * is shown once more. */
static void wipe(struct prompt *p)
{
	const LineInfo *line = el_line(p->el);
	struct winsize size = {0};
	size_t width, at;

	if (!p->redraws) {
		putchar('\n');
		return;
	}
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
		size.ws_col = 80;
	width = size.ws_col;
	at = PROMPT_COLUMNS + columns_of(line->buffer, (size_t)(line->cursor - line->buffer));
	if (at / width > 0)
		printf("\033[%zuA", at / width);
	fputs("\r\033[J", stdout);
}

void prompt_say(struct prompt *p, const char *text)
{
	if (p->typing)
		wipe(p);
	puts(text);
	(void)fflush(stdout);
	if (p->typing)
		(void)el_set(p->el, EL_REFRESH);
}

/* ---- completion --------------------------------------------------------------------------- */

/* What all of them begin with. */
static size_t common_start(const json_t *list)
{
	const char *first = json_string_value(json_array_get(list, 0));
	size_t len = first == NULL ? 0 : strlen(first), i, n;
	const json_t *item;

	json_array_foreach(list, i, item)
	{
		const char *s = json_string_value(item);

		for (n = 0; n < len && s[n] == first[n]; n++)
			;
		len = n;
	}
	/* Not in the middle of a character. */
	while (len > 0 && ((unsigned char)first[len] & 0xc0) == 0x80)
		len--;
	return len;
}

static void list_them(struct prompt *p, const json_t *list)
{
	struct buf all;
	const json_t *item;
	size_t i;

	buf_init(&all, 1u << 20);
	json_array_foreach(list, i, item)
	{
		if (i == PROMPT_LISTED_MAX) {
			buf_put_str(&all, "  ...");
			break;
		}
		if (i > 0)
			buf_put_str(&all, "  ");
		text_put_escaped(&all, bytes_str(json_string_value(item)));
	}
	if (buf_cstr(&all) != NULL)
		prompt_say(p, buf_cstr(&all));
	buf_fini(&all);
}

/* Put `n` bytes of `text` in the place of the word that begins at `at`. */
static void replace_word(struct prompt *p, size_t at, const char *text, size_t n, bool whole)
{
	const LineInfo *line = el_line(p->el);
	char *part = strndup(text, n);
	struct buf word;

	buf_init(&word, WORDS_LINE_MAX);
	if (part != NULL)
		words_quote(&word, part);
	/* Folders go on. */
	if (whole && n > 0 && text[n - 1] != '/')
		buf_put_u8(&word, ' ');
	if (buf_cstr(&word) != NULL && n > 0) {
		el_deletestr(p->el, (int)(line->cursor - line->buffer - (ptrdiff_t)at));
		(void)el_insertstr(p->el, buf_cstr(&word));
	}
	buf_fini(&word);
	free(part);
}

static void complete(struct prompt *p)
{
	const LineInfo *line = el_line(p->el);
	char *typed = strndup(line->buffer, (size_t)(line->cursor - line->buffer));
	json_t *list = json_array();
	size_t at = 0, common;
	struct words w;
	struct err_info why;

	if (typed != NULL)
		p->p.complete(p->p.user, typed, list, &at);
	if (json_array_size(list) > 0 && words_split(&w, typed + at, &why) == OK) {
		size_t had = w.n == 0 ? 0 : strlen(w.list[0]);

		common = common_start(list);
		if (json_array_size(list) == 1 || common > had) {
			wipe(p);
			replace_word(p, at, json_string_value(json_array_get(list, 0)), common,
				     json_array_size(list) == 1);
			(void)el_set(p->el, EL_REFRESH);
		} else {
			list_them(p, list);
		}
		words_fini(&w);
	}
	free(typed);
	json_decref(list);
}

/* The next character; other things are done until it is typed. A tab is for us: libedit never frees
 * what it is told of functions that are added to it. */
static int next_char(EditLine *el, wchar_t *out)
{
	struct prompt *p = of_editor(el);
	char byte;

	for (;;) {
		ssize_t n;
		size_t used;

		if (!p->p.wait(p->p.user, STDIN_FILENO)) {
			/* What was typed is not meant: as if it ended here. */
			p->interrupted = true;
			*out = L'\n';
			return 1;
		}
		n = read(STDIN_FILENO, &byte, 1);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return (int)n;
		used = mbrtowc(out, &byte, 1, &p->state);
		if (used == (size_t)-1)
			p->state = (mbstate_t){0};
		else if (used != (size_t)-2 && *out == L'\t')
			complete(p);
		else if (used != (size_t)-2)
			return 1;
	}
}

/* ---- history ---------------------------------------------------------------------------- */

static void load_history(struct prompt *p)
{
	HistEvent e;

	p->history = history_init();
	if (p->history == NULL)
		return;
	history(p->history, &e, H_SETSIZE, PROMPT_HISTORY_MAX);
	history(p->history, &e, H_SETUNIQUE, 1);
	if (p->p.history != NULL)
		history(p->history, &e, H_LOAD, p->p.history);
	(void)el_set(p->el, EL_HIST, history, p->history);
}

/* It tells what somebody did: nobody else's business. */
static void save_history(struct prompt *p)
{
	HistEvent e;
	int fd = open(p->p.history, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (f == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	if (fchmod(fd, 0600) == 0)
		history(p->history, &e, H_SAVE_FP, f);
	(void)fclose(f);
}

static void remember(struct prompt *p)
{
	const char *line = buf_cstr(&p->line);
	HistEvent e;

	if (p->history != NULL && line != NULL && line[strspn(line, " ")] != '\0' && !p->forget)
		history(p->history, &e, H_ENTER, line);
	p->forget = false;
}

/* ---- lines ------------------------------------------------------------------------------- */

static enum prompt_answer read_terminal(struct prompt *p)
{
	const char *line;
	int n = 0;

	p->typing = true;
	p->interrupted = false;
	/* Before the prompt is shown: whoever sees it may type. */
	(void)el_set(p->el, EL_PREP_TERM, 1);
	line = el_gets(p->el, &n);
	p->typing = false;
	if (p->interrupted)
		return PROMPT_INTERRUPTED;
	if (line == NULL || n <= 0) {
		putchar('\n');
		return PROMPT_END;
	}
	buf_put(&p->line, bytes_of(line, line[n - 1] == '\n' ? (size_t)n - 1 : (size_t)n));
	return PROMPT_LINE;
}

static enum prompt_answer read_pipe(struct prompt *p)
{
	for (;;) {
		const uint8_t *end =
		    p->rest.len == 0 ? NULL : memchr(p->rest.ptr, '\n', p->rest.len);
		size_t n = end == NULL ? p->rest.len : (size_t)(end - p->rest.ptr);
		struct span room;
		ssize_t got;

		if (end != NULL || (p->ended && n > 0)) {
			buf_put(&p->line, bytes_of(p->rest.ptr, n));
			buf_consume(&p->rest, end == NULL ? n : n + 1);
			return PROMPT_LINE;
		}
		if (p->ended || buf_reserve(&p->rest, 4096, &room) != OK)
			return PROMPT_END;
		if (!p->p.wait(p->p.user, STDIN_FILENO))
			return PROMPT_INTERRUPTED;
		got = read(STDIN_FILENO, room.ptr, room.len);
		if (got > 0)
			buf_commit(&p->rest, (size_t)got);
		else if (got == 0 || (errno != EINTR && errno != EAGAIN))
			p->ended = true;
	}
}

enum prompt_answer prompt_read(struct prompt *p, const char **line)
{
	enum prompt_answer answer;

	if (p->el != NULL)
		remember(p);
	buf_clear(&p->line);
	answer = p->el != NULL ? read_terminal(p) : read_pipe(p);
	*line = answer == PROMPT_LINE ? buf_cstr(&p->line) : NULL;
	return answer == PROMPT_LINE && *line == NULL ? PROMPT_END : answer;
}

void prompt_forget(struct prompt *p)
{
	p->forget = true;
}

bool prompt_is_terminal(const struct prompt *p)
{
	return p->el != NULL;
}

static int open_terminal(struct prompt *p, struct err_info *info)
{
	p->redraws = out_can_redraw(STDOUT_FILENO);
	p->el = el_init("shoal", stdin, stdout, stderr);
	if (p->el == NULL)
		return err_set(info, ERR_IO, "this terminal cannot be used");
	(void)el_set(p->el, EL_CLIENTDATA, p);
	(void)el_set(p->el, EL_PROMPT, prompt_text);
	(void)el_set(p->el, EL_EDITOR, "emacs");
	(void)el_set(p->el, EL_SIGNAL, 0);
	(void)el_set(p->el, EL_GETCFN, next_char);
	(void)el_set(p->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
	load_history(p);
	return OK;
}

int prompt_new(const struct prompt_params *params, struct prompt **out, struct err_info *info)
{
	struct prompt *p = calloc(1, sizeof(*p));
	int err = p == NULL ? err_set(info, ERR_NOMEM, "out of memory") : OK;

	*out = p;
	if (err != OK)
		return err;
	p->p = *params;
	buf_init(&p->line, WORDS_LINE_MAX + 1);
	buf_init(&p->rest, WORDS_LINE_MAX + 8192);
	if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		err = open_terminal(p, info);
	if (err != OK) {
		prompt_free(p);
		*out = NULL;
	}
	return err;
}

void prompt_free(struct prompt *p)
{
	if (p == NULL)
		return;
	if (p->history != NULL) {
		remember(p);
		if (p->p.history != NULL)
			save_history(p);
		history_end(p->history);
	}
	if (p->el != NULL)
		el_end(p->el);
	buf_fini(&p->line);
	buf_fini(&p->rest);
	free(p);
}
