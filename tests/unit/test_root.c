#include "store/root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "test.h"

#include "store_fixture.h"

struct place {
	char dir[256], outside[300], inside[300];
	struct root r;
};

/* DIR/outside/secret, and DIR/inside as the root. */
static void place_init(struct place *p)
{
	char path[400];

	dir_make(p->dir, sizeof(p->dir));
	snprintf(p->outside, sizeof(p->outside), "%s/outside", p->dir);
	snprintf(p->inside, sizeof(p->inside), "%s/inside", p->dir);
	CHECK_INT(mkdir(p->outside, 0777), 0);
	CHECK_INT(mkdir(p->inside, 0777), 0);
	snprintf(path, sizeof(path), "%s/secret", p->outside);
	file_write(path, "secret", 6);
	CHECK_INT(root_open(&p->r, p->inside, NULL), 0);
}

static void place_fini(struct place *p)
{
	root_close(&p->r);
	root_close(&p->r);
	dir_remove(p->dir);
}

static void put_file(const struct place *p, const char *rel)
{
	int fd = root_openat(&p->r, rel, O_WRONLY | O_CREAT, 0666, NULL);

	CHECK(fd >= 0);
	CHECK_INT(write(fd, "x", 1), 1);
	close(fd);
}

static bool secret_is_whole(const struct place *p)
{
	char path[400];
	size_t len = 0;
	uint8_t *data;
	bool whole;

	snprintf(path, sizeof(path), "%s/secret", p->outside);
	data = file_load(path, &len);
	whole = data != NULL && len == 6 && memcmp(data, "secret", 6) == 0;
	free(data);
	return whole;
}

static int open_for_write(const struct place *p, const char *rel)
{
	int fd = root_openat(&p->r, rel, O_WRONLY | O_CREAT | O_TRUNC, 0666, NULL);

	if (fd >= 0)
		close(fd);
	return fd;
}

static void paths_that_lead_out(void)
{
	static const char *const bad[] = {"..",	       "../x",	 "../outside/secret",
					  "a/../../x", "/etc",	 "/",
					  "",	       "a//b",	 "./a",
					  "a/.",       "a/",	 ".",
					  "a/./b",     "a/../b", "a/.."};
	struct place p;
	struct err_info info;
	struct stat st;

	place_init(&p);
	CHECK_INT(root_mkdirs(&p.r, "a", NULL), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_INT(root_openat(&p.r, bad[i], O_RDONLY, 0, &info), ERR_DENIED);
		CHECK_INT(info.code, ERR_DENIED);
		CHECK_INT(open_for_write(&p, bad[i]), ERR_DENIED);
		CHECK_INT(root_mkdirs(&p.r, bad[i], NULL), ERR_DENIED);
		CHECK_INT(root_stat(&p.r, bad[i], &st), ERR_DENIED);
		CHECK_INT(root_unlink(&p.r, bad[i], NULL), ERR_DENIED);
		CHECK_INT(root_rename(&p.r, "a", bad[i], NULL), ERR_DENIED);
		CHECK_INT(root_replace(&p.r, bad[i], "b", NULL), ERR_DENIED);
		CHECK_INT(root_remove_tree(&p.r, bad[i], NULL), ERR_DENIED);
	}
	CHECK(secret_is_whole(&p));
	place_fini(&p);
}

TEST(paths_that_lead_out_are_refused)
{
	paths_that_lead_out();
}

static void links_in_the_way(void)
{
	struct place p;
	struct err_info info;
	struct stat st;
	char path[400];

	place_init(&p);
	snprintf(path, sizeof(path), "%s/dirlink", p.inside);
	CHECK_INT(symlink("../outside", path), 0);
	snprintf(path, sizeof(path), "%s/filelink", p.inside);
	CHECK_INT(symlink("../outside/secret", path), 0);
	snprintf(path, sizeof(path), "%s/newlink", p.inside);
	CHECK_INT(symlink("../outside/new", path), 0);
	snprintf(path, sizeof(path), "%s/real", p.inside);
	CHECK_INT(mkdir(path, 0777), 0);
	snprintf(path, sizeof(path), "%s/inner", p.inside);
	CHECK_INT(symlink("real", path), 0); /* harmless, but a link is a link */
	CHECK_INT(root_openat(&p.r, "dirlink/secret", O_RDONLY, 0, &info), ERR_DENIED);
	CHECK(strstr(info.text, "inside/dirlink/secret: ") != NULL);
	CHECK_INT(root_openat(&p.r, "filelink", O_RDONLY, 0, NULL), ERR_DENIED);
	CHECK_INT(open_for_write(&p, "filelink"), ERR_DENIED);
	CHECK_INT(open_for_write(&p, "newlink"), ERR_DENIED);
	CHECK_INT(open_for_write(&p, "dirlink/new"), ERR_DENIED);
	CHECK_INT(open_for_write(&p, "dirlink/a/b/new"), ERR_DENIED);
	CHECK_INT(open_for_write(&p, "inner/new"), ERR_DENIED);
	CHECK_INT(root_mkdirs(&p.r, "dirlink/sub", NULL), ERR_DENIED);
	CHECK_INT(root_mkdirs(&p.r, "dirlink", NULL), ERR_DENIED);
	CHECK_INT(root_unlink(&p.r, "dirlink/secret", NULL), ERR_DENIED);
	CHECK_INT(root_remove_tree(&p.r, "dirlink", NULL), ERR_DENIED);
	CHECK_INT(root_stat(&p.r, "filelink", &st), 0);
	CHECK(S_ISLNK(st.st_mode));
	snprintf(path, sizeof(path), "%s/new", p.outside);
	CHECK(!path_exists(path));
	CHECK(secret_is_whole(&p));
	place_fini(&p);
}

TEST(links_are_never_followed)
{
	links_in_the_way();
}

static void a_swapped_folder(void)
{
	struct place p;
	char path[400], moved[400];

	place_init(&p);
	put_file(&p, "a/b/c");
	snprintf(path, sizeof(path), "%s/a/b", p.inside);
	snprintf(moved, sizeof(moved), "%s/a/b-moved", p.inside);
	CHECK_INT(rename(path, moved), 0);
	CHECK_INT(symlink("../../outside", path), 0);
	CHECK_INT(open_for_write(&p, "a/b/secret"), ERR_DENIED);
	CHECK_INT(open_for_write(&p, "a/b/new"), ERR_DENIED);
	CHECK(secret_is_whole(&p));
	/* The root itself may be swapped, too: what was opened stays. */
	snprintf(moved, sizeof(moved), "%s/moved", p.dir);
	CHECK_INT(rename(p.inside, moved), 0);
	CHECK_INT(symlink("outside", p.inside), 0);
	CHECK_INT(open_for_write(&p, "secret"), open_for_write(&p, "secret"));
	CHECK(secret_is_whole(&p));
	place_fini(&p);
}

TEST(a_folder_swapped_for_a_link_is_noticed)
{
	a_swapped_folder();
}

static void making_folders(void)
{
	struct place p;
	struct stat st;
	struct err_info info;
	char deep[9000] = "d";
	int fd;

	place_init(&p);
	put_file(&p, "a/b/c/file");
	CHECK_INT(root_stat(&p.r, "a/b/c", &st), 0);
	CHECK(S_ISDIR(st.st_mode));
	CHECK_INT(root_openat(&p.r, "no/such", O_RDONLY, 0, &info), ERR_NOENT);
	CHECK(strstr(info.text, "/no/such: No such file or directory") != NULL);
	CHECK_INT(root_stat(&p.r, "no", &st), ERR_NOENT);
	CHECK_INT(open_for_write(&p, "a/b/c/file/x"), ERR_DENIED); /* a file in the way */
	CHECK_INT(open_for_write(&p, "a/b"), ERR_INVALID);	   /* a folder where a file goes */
	CHECK_INT(root_mkdirs(&p.r, "x/y", NULL), 0);
	CHECK_INT(root_mkdirs(&p.r, "x/y", NULL), 0);
	fd = root_openat(&p.r, "a/b/c/file", O_WRONLY | O_CREAT | O_EXCL, 0666, NULL);
	CHECK_INT(fd, ERR_EXISTS);
	/* Longer than PATH_MAX. */
	for (int i = 0; i < 1000; i++)
		strncat(deep, "/dddddd", sizeof(deep) - strlen(deep) - 1);
	put_file(&p, deep);
	CHECK_INT(root_stat(&p.r, deep, &st), 0);
	CHECK_INT(root_unlink(&p.r, deep, NULL), 0);
	CHECK_INT(root_remove_tree(&p.r, "d", NULL), 0);
	place_fini(&p);
}

TEST(folders_are_made_on_the_way)
{
	making_folders();
}

TEST(a_component_over_255_bytes_is_an_error)
{
	struct place p;
	char name[300];

	place_init(&p);
	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	put_file(&p, name);
	name[255] = 'n';
	name[256] = '\0';
	CHECK_INT(open_for_write(&p, name), ERR_INVALID);
	place_fini(&p);
}

static void renaming(void)
{
	struct place p;
	struct stat st;
	struct err_info info;

	place_init(&p);
	put_file(&p, "one");
	put_file(&p, "two");
	CHECK_INT(root_rename(&p.r, "one", "two", &info), ERR_EXISTS);
	CHECK(strstr(info.text, "/two: File exists") != NULL);
	CHECK_INT(root_rename(&p.r, "one", "three", NULL), 0);
	CHECK_INT(root_stat(&p.r, "one", &st), ERR_NOENT);
	CHECK_INT(root_rename(&p.r, "one", "four", NULL), ERR_NOENT);
	CHECK_INT(root_replace(&p.r, "three", "two", NULL), 0);
	CHECK_INT(root_stat(&p.r, "three", &st), ERR_NOENT);
	CHECK_INT(root_mkdirs(&p.r, "full/x", NULL), 0);
	CHECK_INT(root_mkdirs(&p.r, "empty", NULL), 0);
	CHECK_INT(root_rename(&p.r, "full", "empty", NULL), ERR_EXISTS);
	CHECK_INT(root_rename(&p.r, "empty", "full/x/y", NULL), 0);
	CHECK_INT(root_sync(&p.r, "", NULL), 0);
	CHECK_INT(root_sync(&p.r, "full/x", NULL), 0);
	CHECK_INT(root_sync(&p.r, "nothing", NULL), ERR_NOENT);
	place_fini(&p);
}

TEST(renaming_never_replaces_unless_told)
{
	renaming();
}

static void removing_trees(void)
{
	struct place p;
	struct stat st;
	char path[400], rel[64];

	place_init(&p);
	for (int i = 0; i < 100; i++) {
		snprintf(rel, sizeof(rel), "t/%d/%d/f%d", i % 7, i % 11, i);
		put_file(&p, rel);
	}
	put_file(&p, "t/.gone-0/x");
	put_file(&p, "keep");
	snprintf(path, sizeof(path), "%s/t/link", p.inside);
	CHECK_INT(symlink("../../outside", path), 0);
	CHECK_INT(root_rmdir(&p.r, "t", NULL), ERR_EXISTS);
	CHECK_INT(root_remove_tree(&p.r, "t", NULL), 0);
	CHECK_INT(root_stat(&p.r, "t", &st), ERR_NOENT);
	CHECK_INT(root_stat(&p.r, "keep", &st), 0);
	CHECK_INT(root_remove_tree(&p.r, "t", NULL), ERR_NOENT);
	CHECK_INT(root_remove_tree(&p.r, "keep", NULL), ERR_DENIED);
	CHECK(secret_is_whole(&p));
	place_fini(&p);
}

TEST(a_tree_is_removed_without_what_its_links_point_to)
{
	removing_trees();
}

TEST(a_pipe_does_not_make_us_wait)
{
	struct place p;
	char path[400];
	int fd;

	place_init(&p);
	snprintf(path, sizeof(path), "%s/pipe", p.inside);
	CHECK_INT(mkfifo(path, 0666), 0);
	fd = root_openat(&p.r, "pipe", O_RDONLY, 0, NULL);
	CHECK(fd >= 0);
	close(fd);
	CHECK_INT(root_openat(&p.r, "pipe", O_WRONLY, 0, NULL), ERR_IO);
	place_fini(&p);
}

TEST(names_of_strangers_are_escaped_in_messages)
{
	struct place p;
	struct err_info info;

	place_init(&p);
	CHECK_INT(root_openat(&p.r, "a\033[31m\nb", O_RDONLY, 0, &info), ERR_NOENT);
	CHECK(strchr(info.text, '\033') == NULL && strchr(info.text, '\n') == NULL);
	CHECK_INT(root_errno(&info, "x\ny", ENOSPC), ERR_NOSPACE);
	CHECK_STR(info.text, "x\\ny: No space left on device");
	CHECK_INT(root_errno(NULL, "x", EDQUOT), ERR_NOSPACE);
	CHECK_INT(root_errno(NULL, "x", EFBIG), ERR_NOSPACE);
	CHECK_INT(root_errno(NULL, "x", EIO), ERR_IO);
	CHECK_INT(root_errno(NULL, "file/x", ENOTDIR), ERR_NOENT);
	CHECK_INT(root_errno(NULL, "program", ETXTBSY), ERR_AGAIN);
	place_fini(&p);
}

TEST(a_folder_that_is_not_there_cannot_be_a_root)
{
	struct root r;
	struct err_info info;

	CHECK_INT(root_open(&r, "/no/such/folder", &info), ERR_NOENT);
	CHECK_STR(info.text, "/no/such/folder: No such file or directory");
	CHECK_INT(root_open(&r, "/dev/null", NULL), ERR_NOENT);
}

/* Whether a tour says of each path, in this order, what root_stat() says. */
static void check_tour(const struct place *p, const char *const *paths, size_t n)
{
	struct root_tour tour;

	root_tour_init(&tour, &p->r);
	for (size_t i = 0; i < n; i++) {
		struct stat one, other;
		int err = root_stat(&p->r, paths[i], &one);

		CHECK_INT(root_tour_stat(&tour, paths[i], &other), err);
		if (err == OK)
			CHECK_INT(other.st_ino, one.st_ino);
	}
	root_tour_fini(&tour);
}

static void touring(void)
{
	static const char *const paths[] = {
	    "a/b/1", "a/b/2", "a/b/no",	  "a/bb/1",   "a/b",	"top",	   "a/b/1",	 "no/1",
	    "no/2",  "a/b/2", "a/link/1", "a/link/2", "a/link", "a/b/1/x", "a/../a/b/1", "/a/b/1",
	};
	struct place p;
	char path[400];

	place_init(&p);
	put_file(&p, "a/b/1");
	put_file(&p, "a/b/2");
	put_file(&p, "a/bb/1");
	put_file(&p, "top");
	snprintf(path, sizeof(path), "%s/a/link", p.inside);
	CHECK_INT(symlink("b", path), 0);
	check_tour(&p, paths, sizeof(paths) / sizeof(paths[0]));
	place_fini(&p);
}

TEST(a_tour_says_of_each_file_what_a_look_at_it_alone_says)
{
	touring();
}

/* ---- the same without openat2 and RENAME_NOREPLACE ---------------------- */

static int forbid_new_calls(void)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 1, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat2, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

static void run_on_old_kernel(void (*fn)(void))
{
	int status;
	pid_t child;

	fflush(NULL);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		/* A failing CHECK cannot longjmp out of here to any good. */
		if (forbid_new_calls() != 0)
			_exit(77);
		fn();
		_exit(0);
	}
	CHECK_INT(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status));
	if (WEXITSTATUS(status) != 77)
		CHECK_INT(WEXITSTATUS(status), 0);
}

TEST(without_openat2_a_walk_is_as_strict)
{
	run_on_old_kernel(paths_that_lead_out);
	run_on_old_kernel(links_in_the_way);
	run_on_old_kernel(a_swapped_folder);
	run_on_old_kernel(making_folders);
	run_on_old_kernel(touring);
	run_on_old_kernel(renaming);
	run_on_old_kernel(removing_trees);
}
