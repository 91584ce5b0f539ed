#include "store/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/root.h"
#include "test.h"

/* A fresh folder to fill; path_of() names things in it. */
static char dir[64];
static char path[6000];

static const char *path_of(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void dir_make(void)
{
	snprintf(dir, sizeof(dir), "/tmp/shoal-scan-XXXXXX");
	CHECK(mkdtemp(dir) != NULL);
}

static void dir_remove(void)
{
	struct root r;
	struct err_info info;

	CHECK_INT(root_open(&r, "/tmp", &info), 0);
	CHECK_INT(root_remove_tree(&r, dir + 5, &info), 0);
	root_close(&r);
}

static void put(const char *name, size_t bytes)
{
	FILE *f = fopen(path_of(name), "wb");

	CHECK(f != NULL);
	for (size_t i = 0; i < bytes; i++)
		fputc('x', f);
	fclose(f);
}

static const struct scan_file *find(const struct scan *s, const char *name)
{
	for (size_t i = 0; i < s->n_files; i++)
		if (strcmp(s->files[i].path, name) == 0)
			return &s->files[i];
	return NULL;
}

TEST(a_folder_lists_its_regular_files_at_every_depth)
{
	struct scan s;
	struct err_info info;

	dir_make();
	put("a", 3);
	CHECK_INT(mkdir(path_of("sub"), 0700), 0);
	CHECK_INT(mkdir(path_of("sub/empty"), 0700), 0);
	put("sub/b", 0);
	put("sub/.hidden", 10);
	CHECK_INT(chmod(path_of("sub/b"), 0755), 0);
	put("strange \x1b[31m\xff name", 1);
	CHECK_INT(scan_path(dir, NULL, &s, &info), 0);
	CHECK_INT(s.n_files, 4);
	CHECK_INT(s.total_bytes, 14);
	CHECK(!s.single);
	CHECK_STR(s.name, dir + 5);
	CHECK_STR(s.parent, "/tmp");
	CHECK(find(&s, "a") != NULL && find(&s, "a")->length == 3 && !find(&s, "a")->executable);
	CHECK(find(&s, "sub/b") != NULL && find(&s, "sub/b")->executable);
	CHECK(find(&s, "sub/.hidden") != NULL);
	CHECK(find(&s, "strange \x1b[31m\xff name") != NULL);
	scan_fini(&s);
	dir_remove();
}

TEST(links_pipes_and_sockets_are_counted_and_left_out)
{
	struct scan s;
	struct err_info info;
	char up[100];

	dir_make();
	put("a", 3);
	snprintf(up, sizeof(up), "%s", dir);
	CHECK_INT(symlink("/etc/passwd", path_of("link")), 0);
	CHECK_INT(symlink(up, path_of("loop")), 0);
	CHECK_INT(symlink("nowhere", path_of("dangling")), 0);
	CHECK_INT(mkfifo(path_of("pipe"), 0600), 0);
	CHECK_INT(scan_path(dir, NULL, &s, &info), 0);
	CHECK_INT(s.n_files, 1);
	CHECK_INT(s.skipped, 4);
	CHECK(s.skipped_first != NULL && strcmp(s.skipped_first, "a") != 0);
	scan_fini(&s);
	dir_remove();
}

TEST(what_is_excluded_is_left_out_with_all_beneath_it_and_not_counted)
{
	static const char *const but[] = {".git", "*.o", "doc/draft*", "empty/", "b/", NULL};
	struct scan s;
	struct err_info info;

	dir_make();
	CHECK_INT(mkdir(path_of(".git"), 0700), 0);
	put(".git/a", 1);
	CHECK_INT(mkdir(path_of("doc"), 0700), 0);
	put("doc/draft.txt", 1);
	put("doc/a.o", 1);
	put("doc/b", 1);
	put("draft.txt", 1);
	CHECK_INT(mkdir(path_of("empty"), 0700), 0);
	CHECK_INT(symlink("nowhere", path_of("empty/link")), 0);
	CHECK_INT(scan_path(dir, but, &s, &info), 0);
	CHECK_INT(s.n_files, 2);
	CHECK(find(&s, "doc/b") != NULL && find(&s, "draft.txt") != NULL);
	CHECK_INT(s.skipped, 0);
	scan_fini(&s);
	/* what was named itself is meant */
	CHECK_INT(scan_path(path_of("doc/a.o"), but, &s, &info), 0);
	CHECK_INT(s.n_files, 1);
	scan_fini(&s);
	dir_remove();
}

TEST(unfinished_downloads_are_left_out_and_nothing_else)
{
	struct scan s;
	struct err_info info;

	dir_make();
	put(".x.iso.0123abcd.shoal", 1);
	put(".x.iso.0123abcd.shoal-state", 1);
	CHECK_INT(mkdir(path_of(".y.0123abcd.shoal"), 0700), 0);
	put(".y.0123abcd.shoal/inside", 1);
	CHECK_INT(mkdir(path_of(".y.0123abcd.shoal-rest"), 0700), 0);
	put(".y.0123abcd.shoal-rest/edges", 1);
	put(".y.0123abcd.shoal-state.tmp", 1);
	put("x.iso.0123abcd.shoal", 1);
	put(".x.iso.0123abcX.shoal", 1);
	put(".0123abcd.shoal", 1);
	put("notes.shoal", 1);
	CHECK_INT(scan_path(dir, NULL, &s, &info), 0);
	CHECK_INT(s.n_files, 4);
	CHECK_INT(s.skipped, 0);
	scan_fini(&s);
	dir_remove();
}

TEST(a_single_file_is_named_after_itself_and_a_link_after_its_target)
{
	struct scan s;
	struct err_info info;

	dir_make();
	put("file", 5);
	CHECK_INT(symlink("file", path_of("link")), 0);
	for (int i = 0; i < 2; i++) {
		CHECK_INT(scan_path(path_of(i == 0 ? "file" : "link"), NULL, &s, &info), 0);
		CHECK(s.single);
		CHECK_INT(s.n_files, 1);
		CHECK_STR(s.name, "file");
		CHECK_STR(s.files[0].path, "file");
		CHECK_STR(s.parent, dir);
		scan_fini(&s);
	}
	dir_remove();
}

TEST(dots_and_slashes_at_the_end_name_the_folder_itself)
{
	static const char *const ends[] = {".", "./", "sub/..", "sub/../", "//", ""};
	struct scan s;
	struct err_info info;

	dir_make();
	CHECK_INT(mkdir(path_of("sub"), 0700), 0);
	put("a", 3);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		CHECK_INT(scan_path(path_of(ends[i]), NULL, &s, &info), 0);
		CHECK_STR(s.name, dir + 5);
		CHECK_INT(s.n_files, 1);
		scan_fini(&s);
	}
	dir_remove();
}

TEST(what_cannot_be_shared_says_why)
{
	struct scan s;
	struct err_info info;

	dir_make();
	CHECK_INT(scan_path(path_of("absent"), NULL, &s, &info), ERR_NOENT);
	CHECK(strstr(info.text, "absent") != NULL);
	CHECK_INT(scan_path("/", NULL, &s, &info), ERR_INVALID);
	CHECK_INT(mkfifo(path_of("pipe"), 0600), 0);
	CHECK_INT(scan_path(path_of("pipe"), NULL, &s, &info), ERR_INVALID);
	CHECK_INT(scan_path(path_of("a\x1b[31m"), NULL, &s, &info), ERR_NOENT);
	CHECK(strchr(info.text, 0x1b) == NULL);
	CHECK(s.files == NULL && s.name == NULL);
	dir_remove();
}

static void nest(unsigned depth)
{
	char name[400] = "";

	for (unsigned i = 0; i < depth; i++) {
		strncat(name, i == 0 ? "d" : "/d", sizeof(name) - strlen(name) - 1);
		CHECK_INT(mkdir(path_of(name), 0700), 0);
	}
	strncat(name, "/f", sizeof(name) - strlen(name) - 1);
	put(name, 1);
}

TEST(folders_may_nest_to_the_limit_and_no_deeper)
{
	struct scan s;
	struct err_info info;

	dir_make();
	nest(SCAN_DEPTH_MAX);
	CHECK_INT(scan_path(dir, NULL, &s, &info), 0);
	CHECK_INT(s.n_files, 1);
	scan_fini(&s);
	dir_remove();
	dir_make();
	nest(SCAN_DEPTH_MAX + 1);
	CHECK_INT(scan_path(dir, NULL, &s, &info), ERR_TOO_BIG);
	CHECK(s.files == NULL);
	/* It names the folder as one who stands elsewhere can find it. */
	CHECK_INT(info.text[0], '/');
	CHECK(strstr(info.text, "too many folders in one another") != NULL);
	dir_remove();
}

TEST(a_path_longer_than_a_torrent_takes_is_refused)
{
	struct scan s;
	struct err_info info;
	char part[251], cwd[1000];

	dir_make();
	memset(part, 'n', 250);
	part[250] = '\0';
	CHECK(getcwd(cwd, sizeof(cwd)) != NULL);
	CHECK_INT(chdir(dir), 0);
	for (int i = 0; i < 17; i++) {
		CHECK_INT(mkdir(part, 0700), 0);
		CHECK_INT(chdir(part), 0);
	}
	CHECK_INT(chdir(cwd), 0);
	CHECK_INT(scan_path(dir, NULL, &s, &info), ERR_TOO_BIG);
	CHECK(strncmp(info.text, dir, strlen(dir)) == 0);
	CHECK(strstr(info.text, "/nnn") != NULL); /* where it is, as far as a sentence holds it */
	dir_remove();
}
