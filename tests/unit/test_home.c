#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/home.h"
#include "store/root.h"

#include "test.h"

/* A folder of our own, with SHOAL_HOME two levels below it. */
struct place {
	char dir[64], home[96], key[128];
};

static void place_open(struct place *p)
{
	snprintf(p->dir, sizeof(p->dir), "/tmp/shoal-home-XXXXXX");
	CHECK(mkdtemp(p->dir) != NULL);
	snprintf(p->home, sizeof(p->home), "%s/a/b", p->dir);
	snprintf(p->key, sizeof(p->key), "%s/key", p->home);
	setenv("SHOAL_HOME", p->home, 1);
}

static void place_close(struct place *p)
{
	struct root tmp;

	CHECK_INT(root_open(&tmp, "/tmp", NULL), 0);
	CHECK_INT(root_remove_tree(&tmp, p->dir + 5, NULL), 0);
	root_close(&tmp);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	CHECK(f != NULL);
	CHECK(fputs(text, f) >= 0);
	CHECK_INT(fclose(f), 0);
}

TEST(a_key_is_made_once_for_the_owner_alone)
{
	struct place p;
	struct home a, b;
	struct err_info info = {0};
	struct stat st;

	place_open(&p);
	CHECK_INT(home_open(&a, &info), 0);
	CHECK_INT(stat(p.key, &st), 0);
	CHECK_INT(st.st_mode & 0777, 0600);
	CHECK_INT(stat(p.home, &st), 0);
	CHECK_INT(st.st_mode & 0777, 0700);
	CHECK_INT(home_open(&b, &info), 0);
	CHECK_MEM(a.seed, b.seed, SIGN_SEED_LEN);
	CHECK_MEM(a.key, b.key, SIGN_KEY_LEN);
	CHECK(strchr(a.owner, '@') != NULL);
	CHECK_STR(a.dir, p.home);
	home_fini(&a);
	home_fini(&b);
	place_close(&p);
}

TEST(a_key_that_others_may_read_is_refused)
{
	struct place p;
	struct home h;
	struct err_info info = {0};

	place_open(&p);
	CHECK_INT(home_open(&h, &info), 0);
	home_fini(&h);
	CHECK_INT(chmod(p.key, 0640), 0);
	CHECK_INT(home_open(&h, &info), ERR_DENIED);
	CHECK(strstr(info.text, p.key) != NULL);
	CHECK(strstr(info.text, "chmod 600") != NULL);
	CHECK(h.dir == NULL);
	place_close(&p);
}

TEST(a_damaged_key_is_named_and_not_replaced)
{
	struct place p;
	struct home h;
	struct err_info info = {0};

	place_open(&p);
	CHECK_INT(home_open(&h, &info), 0);
	home_fini(&h);
	write_file(p.key, "1234\n");
	CHECK_INT(home_open(&h, &info), ERR_PROTO);
	CHECK(strstr(info.text, "damaged") != NULL);
	place_close(&p);
}

TEST(a_link_in_the_key_s_place_is_not_followed)
{
	struct place p;
	struct home h;
	struct err_info info = {0};
	char target[160];

	place_open(&p);
	CHECK_INT(home_open(&h, &info), 0);
	home_fini(&h);
	snprintf(target, sizeof(target), "%s/elsewhere", p.dir);
	CHECK_INT(rename(p.key, target), 0);
	CHECK_INT(symlink(target, p.key), 0);
	CHECK_INT(home_open(&h, &info), ERR_DENIED);
	place_close(&p);
}

TEST(an_owner_name_is_remembered_once_it_is_to_be_kept)
{
	struct place p;
	struct home h;
	struct err_info info = {0};

	place_open(&p);
	CHECK_INT(home_open(&h, &info), 0);
	CHECK_INT(home_use_owner(&h, "alice@lab", &info), 0);
	CHECK_STR(h.owner, "alice@lab");
	CHECK_INT(home_use_owner(&h, "a/b", &info), ERR_INVALID);
	CHECK_INT(home_use_owner(&h, "", &info), ERR_INVALID);
	CHECK_STR(h.owner, "alice@lab");
	CHECK_INT(home_keep_owner(&h, &info), 0);
	home_fini(&h);
	CHECK_INT(home_open(&h, &info), 0);
	CHECK_STR(h.owner, "alice@lab");
	CHECK_INT(home_use_owner(&h, "bob", &info), 0);
	home_fini(&h);
	CHECK_INT(home_open(&h, &info), 0);
	CHECK_STR(h.owner, "alice@lab");
	home_fini(&h);
	place_close(&p);
}

TEST(the_folder_follows_the_environment)
{
	char *dir;

	unsetenv("SHOAL_HOME");
	setenv("XDG_DATA_HOME", "/x/data", 1);
	setenv("HOME", "/h", 1);
	dir = home_dir();
	CHECK_STR(dir, "/x/data/shoal");
	free(dir);
	setenv("XDG_DATA_HOME", "relative", 1);
	dir = home_dir();
	CHECK_STR(dir, "/h/.local/share/shoal");
	free(dir);
	setenv("SHOAL_HOME", "rel/ative", 1);
	dir = home_dir();
	CHECK_STR(dir, "rel/ative");
	free(dir);
}
