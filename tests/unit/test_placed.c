#include "test.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>

#include "cli/placed.h"
#include "store_fixture.h"

static char dir[256];

static const char *in(const char *rel)
{
	static char path[400];

	snprintf(path, sizeof(path), "%s/%s", dir, rel);
	return path;
}

static void begin(void)
{
	dir_make(dir, sizeof(dir));
	setenv("SHOAL_HOME", in("home"), 1);
	file_write(in("file"), "x", 1);
}

static struct placed version(uint32_t n)
{
	struct entry e = {.owner = "ann", .name = "a \"file\"", .version = n, .has_v2 = true};
	struct placed p;

	memset(e.hash_v2, (int)n, sizeof(e.hash_v2));
	placed_from_entry(&p, &e);
	return p;
}

TEST(what_was_put_at_a_path_is_found_again_whatever_the_path_looks_like)
{
	struct placed p = version(3), q;
	char link[400];

	begin();
	CHECK_INT(placed_find(in("file"), &q), ERR_NOENT);
	CHECK_INT(placed_remember(in("file"), &p, NULL), 0);
	snprintf(link, sizeof(link), "%s", in("link"));
	CHECK_INT(symlink(".", link), 0);
	CHECK_INT(placed_find(in("link/file"), &q), 0);
	CHECK_STR(q.owner, "ann");
	CHECK_STR(q.name, "a \"file\"");
	CHECK_INT(q.version, 3);
	CHECK(q.has_v2 && !q.has_v1);
	CHECK(placed_same_entry(&p, &q) && placed_same_content(&p, &q));
	CHECK(stamp_eq(&p.stamp, &q.stamp));
	CHECK_INT(placed_find(in("file2"), &q), ERR_NOENT);
	dir_remove(dir);
}

TEST(what_was_found_is_shoals_own_only_if_it_was_before_and_nobody_touched_it)
{
	struct placed p = version(1), q;

	begin();
	CHECK_INT(placed_remember(in("file"), &p, NULL), 0);
	CHECK(!p.wrote);
	CHECK(placed_find(in("file"), &q) == 0 && !q.wrote);
	p.wrote = true;
	CHECK_INT(placed_remember(in("file"), &p, NULL), 0);
	CHECK(placed_find(in("file"), &q) == 0 && q.wrote);
	p = version(2);
	CHECK_INT(placed_remember(in("file"), &p, NULL), 0);
	CHECK(p.wrote && placed_find(in("file"), &q) == 0 && q.wrote && q.version == 2);
	file_write(in("file"), "theirs", 6);
	p = version(3);
	CHECK_INT(placed_remember(in("file"), &p, NULL), 0);
	CHECK(!p.wrote && placed_find(in("file"), &q) == 0 && !q.wrote);
	dir_remove(dir);
}

TEST(what_was_expected_at_a_path_is_shoals_own_when_it_is_found_there_after_a_crash)
{
	struct placed p1 = version(1), p2 = version(2), q;

	begin();
	CHECK_INT(placed_expect(in("gone/file"), &p1, NULL), ERR_IO);
	CHECK_INT(placed_expect(in("file"), &p2, NULL), 0);
	CHECK_INT(placed_find(in("file"), &q), ERR_NOENT);
	CHECK_INT(placed_remember(in("file"), &p2, NULL), 0);
	CHECK(p2.wrote);
	CHECK_INT(placed_expect(in("file"), &p2, NULL), 0);
	file_write(in("file"), "theirs", 6);
	CHECK_INT(placed_remember(in("file"), &p1, NULL), 0);
	CHECK(!p1.wrote);
	file_write(in("file"), "his", 3);
	p2.wrote = false;
	CHECK_INT(placed_remember(in("file"), &p2, NULL), 0);
	CHECK(!p2.wrote); /* the expectation ended with what was remembered */
	dir_remove(dir);
}

TEST(a_newer_version_at_the_path_takes_the_place_of_the_older_one)
{
	struct placed p = version(1), p2 = version(2), q;

	begin();
	CHECK_INT(placed_remember(in("file"), &p, NULL), 0);
	file_write(in("file"), "xy", 2);
	CHECK_INT(placed_remember(in("file"), &p2, NULL), 0);
	CHECK_INT(placed_find(in("file"), &q), 0);
	CHECK_INT(q.version, 2);
	CHECK(!stamp_eq(&p.stamp, &q.stamp));
	CHECK(placed_same_entry(&p, &q) && !placed_same_content(&p, &q));
	dir_remove(dir);
}

TEST(nothing_is_remembered_of_what_is_not_there_and_a_damaged_record_is_none)
{
	struct placed p = version(1), q;
	char folder[400], path[700];
	struct dirent *e;
	DIR *list;
	int n = 0;

	begin();
	CHECK_INT(placed_remember(in("gone"), &p, NULL), ERR_NOENT);
	CHECK_INT(placed_remember(in("file"), &p, NULL), 0);
	snprintf(folder, sizeof(folder), "%s", in("home/placed"));
	list = opendir(folder);
	CHECK(list != NULL);
	while ((e = readdir(list)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		CHECK_INT(truncate(path, 20), 0);
		n++;
	}
	closedir(list);
	CHECK_INT(n, 1);
	CHECK_INT(placed_find(in("file"), &q), ERR_NOENT);
	dir_remove(dir);
}

TEST(why_a_record_cannot_be_written_is_said_as_it_is)
{
	struct placed p = version(1);
	struct err_info info = {.code = OK};
	struct rlimit old, none;
	int err;

	begin();
	signal(SIGXFSZ, SIG_IGN);
	CHECK_INT(getrlimit(RLIMIT_FSIZE, &old), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = old.rlim_max};
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &none), 0);
	err = placed_expect(in("file"), &p, &info);
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &old), 0);
	CHECK_INT(err, ERR_NOSPACE);
	CHECK(strstr(info.text, "File too large") != NULL);
	dir_remove(dir);
}
