#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/folder_watch.h"
#include "store_fixture.h"

/* A watched folder, and who looks at it. */
struct eye {
	struct folder_watch *f;
	struct eye *removes; /* when told something, this one goes */
	char heard[600];
};

struct stage {
	struct loop *loop;
	struct folder_watcher *w;
	char dir[256];
};

static void heard(void *user, const struct folder_news *news)
{
	static const char *const words[] = {"written", "closed", "touched", "came",
					    "went",    "moved",	 "removed", "unknown"};
	struct eye *e = user;
	size_t n = strlen(e->heard);

	snprintf(e->heard + n, sizeof(e->heard) - n, "%s%s(%s%s)", n > 0 ? " " : "",
		 words[news->event], news->name == NULL ? "" : news->name,
		 news->is_folder ? "/" : "");
	if (e->removes != NULL) {
		folder_watch_remove(e->removes->f);
		e->removes->f = NULL;
		e->removes = NULL;
	}
}

static void init(struct stage *s)
{
	dir_make(s->dir, sizeof(s->dir));
	CHECK_INT(loop_new(&s->loop), 0);
	CHECK_INT(folder_watcher_new(s->loop, &s->w), 0);
}

static void fini(struct stage *s)
{
	folder_watcher_free(s->w);
	loop_free(s->loop);
	dir_remove(s->dir);
}

static const char *at(const struct stage *s, const char *rel)
{
	static char path[2][400];
	static unsigned turn;
	char *out = path[turn++ % 2];

	snprintf(out, 400, "%s/%s", s->dir, rel);
	return out;
}

static void look(struct stage *s, struct eye *e, const char *rel)
{
	*e = (struct eye){.removes = NULL};
	CHECK_INT(folder_watch_add(s->w, at(s, rel), heard, e, &e->f, NULL), 0);
}

/* Everything that has happened so far is told in one turn or a few. */
static const char *news(struct stage *s, struct eye *e, size_t least)
{
	static char out[600];

	for (int i = 0; i < 1000 && strlen(e->heard) < least; i++)
		loop_turn(s->loop, 10);
	snprintf(out, sizeof(out), "%s", e->heard);
	e->heard[0] = '\0';
	return out;
}

TEST(what_is_made_written_moved_and_removed_in_a_folder_is_told)
{
	struct stage s;
	struct eye e;

	init(&s);
	look(&s, &e, "");
	file_write(at(&s, "a"), "hello", 5);
	CHECK_STR(news(&s, &e, 28), "came(a) written(a) closed(a)");
	CHECK_INT(rename(at(&s, "a"), at(&s, "b")), 0);
	CHECK_STR(news(&s, &e, 15), "went(a) came(b)");
	CHECK_INT(mkdir(at(&s, "d"), 0700), 0);
	CHECK_INT(unlink(at(&s, "b")), 0);
	CHECK_STR(news(&s, &e, 16), "came(d/) went(b)");
	folder_watch_remove(e.f);
	fini(&s);
}

TEST(two_who_look_at_one_folder_are_both_told_and_one_may_remove_the_other_meanwhile)
{
	struct stage s;
	struct eye a, b, c;

	init(&s);
	look(&s, &a, "");
	look(&s, &b, "");
	look(&s, &c, "");
	/* The newest is told first. */
	c.removes = &b;
	CHECK_INT(mkdir(at(&s, "d"), 0700), 0);
	CHECK_STR(news(&s, &a, 8), "came(d/)");
	CHECK_STR(news(&s, &c, 8), "came(d/)");
	CHECK_STR(b.heard, "");
	c.removes = &c;
	CHECK_INT(rmdir(at(&s, "d")), 0);
	CHECK_STR(news(&s, &a, 8), "went(d/)");
	CHECK(c.f == NULL);
	folder_watch_remove(a.f);
	fini(&s);
}

TEST(a_folder_that_is_moved_or_removed_leaves_nothing_certain)
{
	struct stage s;
	struct eye e, other;

	init(&s);
	CHECK_INT(mkdir(at(&s, "d"), 0700), 0);
	look(&s, &e, "d");
	look(&s, &other, "");
	CHECK_INT(rename(at(&s, "d"), at(&s, "e")), 0);
	CHECK_STR(news(&s, &e, 7), "moved()");
	CHECK_INT(rmdir(at(&s, "e")), 0);
	CHECK_STR(news(&s, &e, 9), "removed()");
	news(&s, &other, 8);
	/* A new one of that name is another folder. */
	CHECK_INT(mkdir(at(&s, "e"), 0700), 0);
	file_write(at(&s, "e/x"), "", 0);
	CHECK_STR(news(&s, &other, 8), "came(e/)");
	CHECK_STR(e.heard, "");
	folder_watch_remove(e.f);
	folder_watch_remove(other.f);
	fini(&s);
}

TEST(what_cannot_be_watched_is_an_error_with_the_reason)
{
	struct stage s;
	struct folder_watch *f;
	struct err_info info;

	init(&s);
	file_write(at(&s, "file"), "", 0);
	CHECK_INT(symlink(s.dir, at(&s, "link")), 0);
	CHECK_INT(folder_watch_add(s.w, at(&s, "no"), heard, NULL, &f, &info), ERR_NOENT);
	CHECK(strstr(info.text, "cannot be watched") != NULL);
	CHECK_INT(folder_watch_add(s.w, at(&s, "file"), heard, NULL, &f, &info), ERR_INVALID);
	CHECK_INT(folder_watch_add(s.w, at(&s, "link"), heard, NULL, &f, &info), ERR_INVALID);
	fini(&s);
}

TEST(when_more_happens_than_the_system_keeps_everything_is_in_doubt)
{
	struct stage s;
	struct eye e = {.f = NULL};
	FILE *in = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
	int most = 0;

	if (in == NULL || fscanf(in, "%d", &most) != 1 || most > 100000)
		most = 0;
	if (in != NULL)
		fclose(in);
	if (most == 0)
		skip();
	init(&s);
	look(&s, &e, "");
	/* Two in turn, as the same news twice in a row is told once. */
	for (int i = 0; i <= most; i++) {
		int fd = open(at(&s, i % 2 == 0 ? "a" : "b"), O_WRONLY | O_CREAT, 0600);

		CHECK(fd >= 0);
		close(fd);
	}
	for (int i = 0; i < 10000 && strstr(e.heard, "unknown") == NULL; i++) {
		e.heard[0] = '\0';
		loop_turn(s.loop, 10);
	}
	CHECK(strstr(e.heard, "unknown()") != NULL);
	folder_watch_remove(e.f);
	fini(&s);
}
