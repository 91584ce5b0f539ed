#include "cli/screen.h"

#include <stdlib.h>
#include <unistd.h>

#include <curses.h>
#include <term.h>

/* Between an Escape and the rest of a key's sequence. */
#define ESCAPE_MS 25

struct screen {
	SCREEN *impl;
};

/* Curses itself would end the program where it does not know the terminal. */
const char *screen_refusal(void)
{
	const char *term = getenv("TERM");
	bool can;
	int known;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return "it needs a terminal to draw on";
	if (term == NULL || *term == '\0' || setupterm(NULL, STDOUT_FILENO, &known) != OK)
		return "the system does not know this terminal (TERM)";
	can = cursor_address != NULL && clear_screen != NULL;
	(void)del_curterm(cur_term);
	return can ? NULL : "this terminal cannot be drawn on (TERM)";
}

struct screen *screen_open(void)
{
	struct screen *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->impl = newterm(NULL, stdout, stdin);
	if (s->impl == NULL) {
		free(s);
		return NULL;
	}
	(void)cbreak();
	(void)noecho();
	(void)keypad(stdscr, TRUE);
	(void)set_escdelay(ESCAPE_MS);
	(void)curs_set(0);
	return s;
}

void screen_close(struct screen *s)
{
	if (s == NULL)
		return;
	(void)endwin();
	delscreen(s->impl);
	free(s);
}

void screen_size(unsigned *width, unsigned *height)
{
	*width = (unsigned)getmaxx(stdscr);
	*height = (unsigned)getmaxy(stdscr);
}

void screen_clear(void)
{
	(void)erase();
}

void screen_put(unsigned row, const char *text, size_t len, enum screen_style style)
{
	static const attr_t looks[] = {
	    [SCREEN_PLAIN] = A_NORMAL,
	    [SCREEN_BOLD] = A_BOLD,
	    [SCREEN_REVERSE] = A_REVERSE,
	    [SCREEN_DIM] = A_DIM,
	};

	(void)attr_set(looks[style], 0, NULL);
	(void)mvaddnstr((int)row, 0, text, (int)len);
	(void)attr_set(A_NORMAL, 0, NULL);
}

void screen_show(void)
{
	(void)refresh();
}

int screen_key(int wait_ms)
{
	int c;

	timeout(wait_ms);
	c = getch();
	switch (c) {
	case KEY_UP:
		return SCREEN_KEY_UP;
	case KEY_DOWN:
		return SCREEN_KEY_DOWN;
	case KEY_PPAGE:
		return SCREEN_KEY_PAGE_UP;
	case KEY_NPAGE:
		return SCREEN_KEY_PAGE_DOWN;
	case KEY_HOME:
		return SCREEN_KEY_HOME;
	case KEY_END:
		return SCREEN_KEY_END;
	case KEY_ENTER:
	case '\n':
	case '\r':
		return SCREEN_KEY_ENTER;
	case 27:
		return SCREEN_KEY_ESCAPE;
	default:
		return c < 0 || c > 255 ? SCREEN_KEY_NONE : c;
	}
}
