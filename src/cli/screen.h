/* cli/screen.h - a whole terminal to draw on, by curses, whose names do not go well with ours. One
 * at a time: curses has one standard screen. */
#ifndef SHOAL_CLI_SCREEN_H
#define SHOAL_CLI_SCREEN_H

#include <stddef.h>

enum screen_style { SCREEN_PLAIN, SCREEN_BOLD, SCREEN_REVERSE, SCREEN_DIM };

/* Beyond the characters. */
enum screen_key {
	SCREEN_KEY_NONE = 256,
	SCREEN_KEY_UP,
	SCREEN_KEY_DOWN,
	SCREEN_KEY_PAGE_UP,
	SCREEN_KEY_PAGE_DOWN,
	SCREEN_KEY_HOME,
	SCREEN_KEY_END,
	SCREEN_KEY_ENTER,
	SCREEN_KEY_ESCAPE,
};

struct screen;

/* Why standard input and output are no terminal that can be drawn on; NULL: they are. */
const char *screen_refusal(void);
/* Take the terminal; it is given back while the program is stopped (SIGTSTP). NULL: it cannot be,
 * or there is no memory. */
struct screen *screen_open(void);
/* Give it back as it was. May be NULL. */
void screen_close(struct screen *s);

void screen_size(unsigned *width, unsigned *height);
void screen_clear(void);
/* Put a row, from its first column on. */
void screen_put(unsigned row, const char *text, size_t len, enum screen_style style);
/* Show what was put; only what changed is written. */
void screen_show(void);
/* A key, waited for; SCREEN_KEY_NONE: it took too long, the size changed, or a signal came. */
int screen_key(int wait_ms);

#endif
