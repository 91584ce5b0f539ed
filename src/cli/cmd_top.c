/* cli/cmd_top.c - the daemon on a whole screen: asks it every second, paints, takes keys. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli/commands.h"
#include "cli/daemon_ask.h"
#include "cli/top.h"

#define ASK_MS 1000

static volatile sig_atomic_t stopped;

static void on_signal(int signo)
{
	(void)signo;
	stopped = 1;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- the daemon ------------------------------------------------------------------- */

static int ask_about(uint64_t id, const char *verb, json_t **out, struct err_info *info)
{
	char ref[24];

	snprintf(ref, sizeof(ref), "%llu", (unsigned long long)id);
	return daemon_ask(json_pack("{s:s, s:s}", "verb", verb, "ref", ref), out, info);
}

static void ask_details(struct top *t)
{
	json_t *peers = NULL, *pieces = NULL;

	if (t->selected == 0)
		return;
	(void)ask_about(t->selected, "peers", &peers, NULL);
	(void)ask_about(t->selected, "pieces", &pieces, NULL);
	top_take_details(t, peers, pieces);
}

static int ask_page(struct top *t, struct err_info *info)
{
	json_t *answer;
	int err = daemon_ask(top_question(t), &answer, info);

	if (err == OK && top_take_status(t, answer) != OK)
		err = err_set(info, ERR_NOMEM, "out of memory");
	return err;
}

static int ask_all(struct top *t, struct err_info *info)
{
	int err = ask_page(t, info);

	/* The selected one has moved to where it was not looked for. */
	if (err == OK && top_lacks(t))
		err = ask_page(t, info);
	if (err == OK)
		ask_details(t);
	return err;
}

/* What goes wrong meanwhile is said on the last line: the daemon may be there again soon. */
static void ask_again(struct top *t)
{
	struct err_info info;

	if (ask_all(t, &info) != OK)
		top_note_lost(t, info.text);
}

static void tell(struct top *t, const char *verb)
{
	struct err_info info;
	json_t *answer = NULL;
	int err = ask_about(t->selected, verb, &answer, &info);

	json_decref(answer);
	ask_again(t);
	if (err != OK)
		top_note(t, info.text);
}

/* ---- the screen -------------------------------------------------------------------- */

static int paint(struct top *t, struct top_screen *s)
{
	unsigned width, height;

	screen_size(&width, &height);
	if (top_draw(t, width, height, s) != OK)
		return ERR_NOMEM;
	screen_clear();
	for (unsigned i = 0; i < s->n; i++)
		screen_put(i, (const char *)s->text.ptr + s->lines[i].at, s->lines[i].len,
			   s->lines[i].style);
	screen_show();
	return OK;
}

/* False: that was all. */
static bool take_key(struct top *t, int key)
{
	switch (top_on_key(t, key)) {
	case TOP_QUIT:
		return false;
	case TOP_PAUSE:
		tell(t, "pause");
		break;
	case TOP_RESUME:
		tell(t, "resume");
		break;
	case TOP_ASK:
		if (top_lacks(t))
			ask_again(t);
		else
			ask_details(t);
		break;
	case TOP_SHOW:
		break;
	}
	return true;
}

static int run(struct top *t, struct top_screen *s)
{
	int64_t next_ms = now_ms() + ASK_MS;
	bool more = true;

	while (more && !stopped) {
		int64_t left = next_ms - now_ms();
		int key;

		if (paint(t, s) != OK)
			return ERR_NOMEM;
		/* Only now it is known how many there is room for. */
		if (top_lacks(t) && !t->lost) {
			ask_again(t);
			if (paint(t, s) != OK)
				return ERR_NOMEM;
		}
		key = screen_key(left > 0 ? (int)left : 0);
		if (key != SCREEN_KEY_NONE)
			more = take_key(t, key);
		if (more && now_ms() >= next_ms) {
			ask_again(t);
			next_ms = now_ms() + ASK_MS;
		}
	}
	return OK;
}

static int refuse(struct err_info *info, const char *why)
{
	return err_set(info, ERR_INVALID, "%s; see 'shoal status --watch'", why);
}

static int show(struct top *t, struct err_info *info)
{
	struct sigaction act = {.sa_handler = on_signal};
	struct top_screen *s = calloc(1, sizeof(*s));
	struct screen *screen = s == NULL ? NULL : screen_open();
	int err;

	if (screen == NULL) {
		free(s);
		return refuse(info, "this terminal cannot be drawn on");
	}
	/* Curses' own handlers would end the program. */
	(void)sigaction(SIGINT, &act, NULL);
	(void)sigaction(SIGTERM, &act, NULL);
	(void)sigaction(SIGHUP, &act, NULL);
	(void)sigaction(SIGQUIT, &act, NULL);
	err = run(t, s);
	screen_close(screen);
	top_screen_fini(s);
	free(s);
	return err == OK ? OK : err_set(info, ERR_NOMEM, "out of memory");
}

int cmd_top(const struct opts *o)
{
	const char *refusal = o->json ? "this is for eyes, not for programs" : screen_refusal();
	struct err_info info;
	struct top t;
	int err;

	top_init(&t);
	err = refusal == NULL ? ask_all(&t, &info) : refuse(&info, refusal);
	if (err == OK)
		err = show(&t, &info);
	top_fini(&t);
	return err == OK ? EXIT_OK : opts_fail(o, "top", &info);
}
