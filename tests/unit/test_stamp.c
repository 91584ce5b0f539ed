#include "test.h"

#include <fcntl.h>

#include "store/stamp.h"
#include "store_fixture.h"

struct folder {
	char dir[256];
	struct stamp first;
};

static const char *in(const struct folder *f, const char *rel)
{
	static char path[400];

	snprintf(path, sizeof(path), "%s/%s", f->dir, rel);
	return path;
}

static void init(struct folder *f)
{
	dir_make(f->dir, sizeof(f->dir));
	CHECK_INT(mkdir(in(f, "top"), 0700), 0);
	CHECK_INT(mkdir(in(f, "top/sub"), 0700), 0);
	file_write(in(f, "top/a"), "aaa", 3);
	file_write(in(f, "top/sub/b"), "bb", 2);
	CHECK_INT(stamp_take(in(f, "top"), &f->first, NULL), 0);
}

static bool same(const struct folder *f)
{
	struct stamp now;

	CHECK_INT(stamp_take(in(f, "top"), &now, NULL), 0);
	return stamp_eq(&now, &f->first);
}

TEST(a_stamp_is_the_same_as_long_as_nothing_changes_and_wherever_the_folder_is)
{
	struct folder f;
	char to[400];

	init(&f);
	CHECK(same(&f));
	snprintf(to, sizeof(to), "%s", in(&f, "else"));
	CHECK_INT(rename(in(&f, "top"), to), 0);
	CHECK_INT(symlink("nowhere", in(&f, "beside")), 0);
	{
		struct stamp there;

		CHECK_INT(stamp_take(to, &there, NULL), 0);
		CHECK(stamp_eq(&there, &f.first));
	}
	dir_remove(f.dir);
}

TEST(size_time_name_and_kind_of_anything_beneath_are_in_the_stamp)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1000, .tv_nsec = 1}};
	struct folder f;

	init(&f);
	CHECK_INT(utimensat(AT_FDCWD, in(&f, "top/sub/b"), times, 0), 0);
	CHECK(!same(&f));
	CHECK_INT(stamp_take(in(&f, "top"), &f.first, NULL), 0);
	times[1].tv_nsec = 2;
	CHECK_INT(utimensat(AT_FDCWD, in(&f, "top/sub/b"), times, 0), 0);
	CHECK(!same(&f));
	CHECK_INT(stamp_take(in(&f, "top"), &f.first, NULL), 0);
	file_write(in(&f, "top/sub/c"), "", 0);
	CHECK(!same(&f));
	CHECK_INT(unlink(in(&f, "top/sub/c")), 0);
	CHECK(same(&f));
	CHECK_INT(symlink("a", in(&f, "top/link")), 0);
	CHECK(!same(&f));
	CHECK_INT(unlink(in(&f, "top/link")), 0);
	CHECK_INT(mkdir(in(&f, "top/empty"), 0700), 0);
	CHECK(!same(&f));
	dir_remove(f.dir);
}

TEST(only_files_and_folders_have_a_stamp)
{
	struct stamp s;
	struct folder f;

	init(&f);
	CHECK_INT(stamp_take(in(&f, "nothing"), &s, NULL), ERR_NOENT);
	CHECK_INT(symlink("top", in(&f, "link")), 0);
	CHECK_INT(stamp_take(in(&f, "link"), &s, NULL), ERR_INVALID);
	CHECK_INT(mkfifo(in(&f, "pipe"), 0600), 0);
	CHECK_INT(stamp_take(in(&f, "pipe"), &s, NULL), ERR_INVALID);
	CHECK_INT(stamp_take(in(&f, "top/a"), &s, NULL), 0);
	CHECK(!stamp_eq(&s, &f.first));
	dir_remove(f.dir);
}
