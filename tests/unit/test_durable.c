#include "store/durable.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "test.h"

#include "store_fixture.h"

struct place {
	char dir[256];
	struct root r;
};

static void place_init(struct place *p)
{
	dir_make(p->dir, sizeof(p->dir));
	CHECK_INT(root_open(&p->r, p->dir, NULL), 0);
}

static void place_fini(struct place *p)
{
	root_close(&p->r);
	dir_remove(p->dir);
}

static const char *in(const struct place *p, const char *rel)
{
	static char path[600];

	snprintf(path, sizeof(path), "%s/%s", p->dir, rel);
	return path;
}

static void check_holds(const struct place *p, const char *rel, const char *want)
{
	struct buf b;

	buf_init(&b, 1000);
	CHECK_INT(durable_read(&p->r, rel, &b, NULL), 0);
	CHECK_STR(buf_cstr(&b), want);
	buf_fini(&b);
}

TEST(a_file_is_written_replaced_and_read)
{
	struct place p;
	struct stat st;

	place_init(&p);
	CHECK_INT(root_mkdirs(&p.r, "sub", NULL), 0);
	CHECK_INT(durable_write(&p.r, "sub/f", bytes_str("one"), 0600, NULL), 0);
	check_holds(&p, "sub/f", "one");
	CHECK_INT(root_stat(&p.r, "sub/f", &st), 0);
	CHECK_INT(st.st_mode & 0777, 0600);
	CHECK_INT(durable_write(&p.r, "sub/f", bytes_str(""), 0600, NULL), 0);
	check_holds(&p, "sub/f", "");
	CHECK(!path_exists(in(&p, "sub/f.tmp")));
	place_fini(&p);
}

TEST(a_file_over_the_ceiling_is_too_big)
{
	struct err_info why;
	struct place p;
	struct buf b;

	place_init(&p);
	CHECK_INT(durable_write(&p.r, "f", bytes_str("12345"), 0600, NULL), 0);
	buf_init(&b, 5);
	CHECK_INT(durable_read(&p.r, "f", &b, NULL), 0);
	CHECK_INT(b.len, 5);
	buf_fini(&b);
	buf_init(&b, 4);
	CHECK_INT(durable_read(&p.r, "f", &b, &why), ERR_TOO_BIG);
	CHECK_STR(why.text, "f: larger than 4 B");
	buf_fini(&b);
	CHECK_INT(durable_read(&p.r, "none", &b, NULL), ERR_NOENT);
	place_fini(&p);
}

TEST(what_a_crash_left_behind_is_taken_over)
{
	struct place p;
	struct err_info info = {.code = OK};
	struct stat st;

	place_init(&p);
	file_write(in(&p, "f.tmp"), "half of something longer", 24);
	CHECK_INT(chmod(in(&p, "f.tmp"), 0666), 0);
	CHECK_INT(durable_write(&p.r, "f", bytes_str("new"), 0600, &info), 0);
	/* Some look at that alone. */
	CHECK_INT(info.code, OK);
	check_holds(&p, "f", "new");
	CHECK_INT(root_stat(&p.r, "f", &st), 0);
	CHECK_INT(st.st_mode & 0777, 0600);
	CHECK(!path_exists(in(&p, "f.tmp")));
	place_fini(&p);
}

TEST(links_planted_in_the_way_lead_nowhere)
{
	struct place p;

	place_init(&p);
	file_write(in(&p, "victim"), "victim", 6);
	CHECK_INT(symlink("victim", in(&p, "f.tmp")), 0);
	CHECK_INT(durable_write(&p.r, "f", bytes_str("new"), 0600, NULL), ERR_DENIED);
	CHECK_INT(unlink(in(&p, "f.tmp")), 0);
	CHECK_INT(symlink("victim", in(&p, "f")), 0);
	CHECK_INT(durable_write(&p.r, "f", bytes_str("new"), 0600, NULL), 0);
	check_holds(&p, "f", "new");
	check_holds(&p, "victim", "victim");
	CHECK_INT(symlink("victim", in(&p, "g")), 0);
	CHECK_INT(durable_read(&p.r, "g", NULL, NULL), ERR_DENIED);
	/* A second name of somebody's file: the name goes, the file stays. */
	CHECK_INT(linkat(p.r.fd, "victim", p.r.fd, "h.tmp", 0), 0);
	CHECK_INT(durable_write(&p.r, "h", bytes_str("new"), 0600, NULL), 0);
	check_holds(&p, "h", "new");
	check_holds(&p, "victim", "victim");
	CHECK_INT(durable_write(&p.r, "no/such", bytes_str("new"), 0600, NULL), 0);
	CHECK_INT(durable_remove(&p.r, "h", NULL), 0);
	CHECK_INT(durable_remove(&p.r, "h", NULL), 0);
	CHECK(!path_exists(in(&p, "h")));
	place_fini(&p);
}

TEST(a_pipe_is_no_state_file)
{
	struct place p;
	struct buf b;

	place_init(&p);
	buf_init(&b, 10);
	CHECK_INT(mkfifo(in(&p, "pipe"), 0666), 0);
	CHECK_INT(durable_read(&p.r, "pipe", &b, NULL), ERR_INVALID);
	buf_fini(&b);
	place_fini(&p);
}

TEST(when_the_disk_is_full_the_old_file_stays)
{
	struct rlimit old, small;
	struct place p;
	struct err_info info = {0};
	char big[5000];
	int err;

	place_init(&p);
	memset(big, 'b', sizeof(big));
	CHECK_INT(durable_write(&p.r, "f", bytes_str("old"), 0600, NULL), 0);
	signal(SIGXFSZ, SIG_IGN);
	CHECK_INT(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = (struct rlimit){.rlim_cur = 1000, .rlim_max = old.rlim_max};
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &small), 0);
	err = durable_write(&p.r, "f", bytes_of(big, sizeof(big)), 0600, &info);
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &old), 0);
	CHECK_INT(err, ERR_NOSPACE);
	CHECK(strstr(info.text, "/f: File too large") != NULL);
	check_holds(&p, "f", "old");
	CHECK(!path_exists(in(&p, "f.tmp")));
	place_fini(&p);
}

/* ---- two writers -------------------------------------------------------- */

struct writer {
	const struct root *r;
	char fill;
	atomic_int failed;
};

static void *write_often(void *arg)
{
	struct writer *w = arg;
	char data[3000];

	memset(data, w->fill, sizeof(data));
	for (int i = 0; i < 50; i++) {
		if (durable_write(w->r, "f", bytes_of(data, sizeof(data)), 0600, NULL) != OK)
			atomic_fetch_add(&w->failed, 1);
	}
	return NULL;
}

/* That they are synced is seen in e2e test_power. */
TEST(folders_are_made_with_those_above_them)
{
	struct err_info why;
	struct place p;
	char path[640];

	place_init(&p);
	snprintf(path, sizeof(path), "%s/a//b/c", p.dir);
	CHECK_INT(durable_mkdirs(path, 0700, &why), 0);
	CHECK_INT(durable_mkdirs(path, 0700, &why), 0);
	CHECK(path_exists(in(&p, "a/b/c")));
	CHECK_INT(durable_write(&p.r, "a/b/c/f", bytes_str("x"), 0600, &why), 0);
	check_holds(&p, "a/b/c/f", "x");
	snprintf(path, sizeof(path), "%s/a/b/c/f/d", p.dir);
	CHECK(durable_mkdirs(path, 0700, &why) != OK);
	CHECK(strstr(why.text, "f/d") != NULL);
	place_fini(&p);
}

TEST(of_two_writers_one_wins_whole)
{
	struct place p;
	struct writer w[2];
	pthread_t t[2];
	struct buf b;

	place_init(&p);
	for (int i = 0; i < 2; i++) {
		w[i].r = &p.r;
		w[i].fill = (char)('a' + i);
		atomic_init(&w[i].failed, 0);
	}
	CHECK_INT(durable_write(&p.r, "f", bytes_str(""), 0600, NULL), 0);
	for (int i = 0; i < 2; i++)
		CHECK_INT(pthread_create(&t[i], NULL, write_often, &w[i]), 0);
	for (int i = 0; i < 200; i++) {
		buf_init(&b, 10000);
		CHECK_INT(durable_read(&p.r, "f", &b, NULL), 0);
		CHECK(b.len == 0 || b.len == 3000);
		for (size_t j = 1; j < b.len; j++)
			CHECK(b.ptr[j] == b.ptr[0]);
		buf_fini(&b);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(t[i], NULL);
		CHECK_INT(w[i].failed, 0);
	}
	CHECK(!path_exists(in(&p, "f.tmp")));
	place_fini(&p);
}

/* ---- the user's own paths ----------------------------------------------- */

TEST(a_new_file_of_the_user_replaces_nothing_and_is_whole_or_not_there)
{
	static uint8_t big[100 * 1000];
	struct rlimit old, small;
	struct place p;
	int err;

	place_init(&p);
	CHECK_INT(durable_create_path(in(&p, "f"), bytes_str("one"), NULL), 0);
	CHECK_INT(durable_create_path(in(&p, "f"), bytes_str("two"), NULL), ERR_EXISTS);
	check_holds(&p, "f", "one");
	CHECK_INT(symlink("none", in(&p, "link")), 0);
	CHECK_INT(durable_create_path(in(&p, "link"), bytes_str("two"), NULL), ERR_EXISTS);
	CHECK_INT(durable_create_path(in(&p, "no/f"), bytes_str("x"), NULL), ERR_NOENT);
	CHECK_INT(durable_create_path(in(&p, "g.tmp"), bytes_str("mine"), NULL), 0);
	CHECK_INT(durable_create_path(in(&p, "g"), bytes_str("g"), NULL), 0);
	check_holds(&p, "g.tmp", "mine");
	signal(SIGXFSZ, SIG_IGN);
	CHECK_INT(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = (struct rlimit){.rlim_cur = 1000, .rlim_max = old.rlim_max};
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &small), 0);
	err = durable_create_path(in(&p, "big"), bytes_of(big, sizeof(big)), NULL);
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &old), 0);
	CHECK_INT(err, ERR_NOSPACE);
	CHECK(!path_exists(in(&p, "big")));
	place_fini(&p);
}

TEST(a_path_of_the_user_may_go_through_links)
{
	struct place p;
	struct buf b;
	struct stat st;

	place_init(&p);
	CHECK_INT(durable_write_path(in(&p, "f"), bytes_str("one"), 0644, NULL), 0);
	CHECK_INT(symlink("f", in(&p, "link")), 0);
	CHECK_INT(durable_write_path(in(&p, "link"), bytes_str("two"), 0644, NULL), 0);
	CHECK_INT(lstat(in(&p, "link"), &st), 0);
	CHECK(S_ISLNK(st.st_mode));
	buf_init(&b, 100);
	CHECK_INT(durable_read_path(in(&p, "link"), &b, NULL), 0);
	CHECK_STR(buf_cstr(&b), "two");
	buf_fini(&b);
	CHECK_INT(durable_write_path(p.dir, bytes_str("x"), 0644, NULL), ERR_INVALID);
	CHECK_INT(durable_write_path(in(&p, "no/f"), bytes_str("x"), 0644, NULL), ERR_NOENT);
	CHECK_INT(durable_read_path(in(&p, "none"), &b, NULL), ERR_NOENT);
	CHECK_INT(durable_write_path("/dev/null", bytes_str("x"), 0644, NULL), 0);
	CHECK_INT(stat("/dev/null", &st), 0);
	CHECK(S_ISCHR(st.st_mode));
	place_fini(&p);
}

TEST(a_bare_name_is_in_the_current_folder)
{
	struct place p;
	char before[1000];

	place_init(&p);
	CHECK(getcwd(before, sizeof(before)) != NULL);
	CHECK_INT(chdir(p.dir), 0);
	CHECK_INT(durable_write_path("bare", bytes_str("x"), 0644, NULL), 0);
	CHECK_INT(chdir(before), 0);
	check_holds(&p, "bare", "x");
	place_fini(&p);
}
