#include "test.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "store_fixture.h"

#define KIB 1024u

static const struct sample_file one[] = {{NULL, 8 * 128 * KIB, false}};
static const struct sample_file two[] = {{"a", 4 * 128 * KIB, false}, {"b", 4 * 128 * KIB, false}};

static struct rlimit file_limit(rlim_t bytes)
{
	struct rlimit old, now;

	signal(SIGXFSZ, SIG_IGN);
	CHECK_INT(getrlimit(RLIMIT_FSIZE, &old), 0);
	now = (struct rlimit){.rlim_cur = bytes, .rlim_max = old.rlim_max};
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &now), 0);
	return old;
}

TEST(a_piece_that_cannot_be_written_is_reported_and_may_come_again)
{
	for (int k = 0; k < N_KINDS; k++) {
		struct scene c;
		struct store *st;
		struct store_event e;
		struct rlimit old;

		scene_init(&c, kinds[k], 128 * KIB, one, 1, 0);
		st = scene_open(&c, STORE_DOWNLOAD);
		old = file_limit(3 * 128 * KIB);
		put_piece(st, &c.s, c.p, 1);
		CHECK(wait_event(c.p, STORE_VERIFIED).good);
		put_piece(st, &c.s, c.p, 5);
		e = wait_event(c.p, STORE_VERIFIED);
		CHECK(!e.good);
		CHECK_INT(e.n_hashes, 0);
		CHECK_INT(e.err.code, ERR_NOSPACE);
		CHECK(strstr(e.err.text, ".shoal: File too large") != NULL);
		CHECK(!bitfield_has(store_have(st), 5));
		CHECK_INT(setrlimit(RLIMIT_FSIZE, &old), 0);
		put_rest(st, &c.s, c.p);
		store_finish(st);
		CHECK_INT(wait_event(c.p, STORE_FINISHED).err.code, 0);
		check_content(&c.s, c.path);
		store_close(st);
		scene_fini(&c);
	}
}

TEST(a_state_that_cannot_be_written_leaves_the_old_one)
{
	struct scene c;
	struct store *st;
	struct store_event e;
	struct rlimit old;

	scene_init(&c, kinds[1], 128 * KIB, one, 1, 0);
	st = scene_open(&c, STORE_DOWNLOAD);
	put_piece(st, &c.s, c.p, 0);
	CHECK(wait_event(c.p, STORE_VERIFIED).good);
	save_now(st, c.p);
	put_piece(st, &c.s, c.p, 1);
	CHECK(wait_event(c.p, STORE_VERIFIED).good);
	old = file_limit(100);
	store_save(st, store_have(st));
	e = wait_event(c.p, STORE_SAVED);
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &old), 0);
	CHECK_INT(e.err.code, ERR_NOSPACE);
	CHECK(strstr(e.err.text, ".shoal-state: File too large") != NULL);
	store_close(st);
	st = scene_open(&c, STORE_DOWNLOAD);
	CHECK_INT(store_have(st)->count, 1);
	CHECK_INT(store_unsure(st), 1);
	/* The next try works. */
	save_now(st, c.p);
	store_close(st);
	scene_fini(&c);
}

TEST(preallocation_says_so_when_there_is_no_room)
{
	struct scene c;
	struct store_params params;
	struct store *st;
	struct err_info info;
	struct rlimit old;
	int err;

	scene_init(&c, kinds[1], 128 * KIB, one, 1, 0);
	params = (struct store_params){.mode = STORE_DOWNLOAD,
				       .pool = c.p,
				       .meta = c.s.m,
				       .path = c.path,
				       .preallocate = true};
	old = file_limit(1000);
	err = store_open(&params, &st, &info);
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &old), 0);
	CHECK_INT(err, ERR_NOSPACE);
	CHECK_INT(store_open(&params, &st, &info), 0);
	store_close(st);
	scene_fini(&c);
}

/* ---- a disk that is really full ----------------------------------------- */

/* A small tmpfs over DIR, where we may mount one. */
static bool mount_small(const char *dir, const char *options)
{
	return geteuid() == 0 && mount("shoal-test", dir, "tmpfs", 0, options) == 0;
}

TEST(a_full_disk_stops_a_download_and_room_lets_it_go_on)
{
	for (int single = 0; single < 2; single++) {
		struct scene c;
		struct store *st;
		uint32_t bad = 0, good = 0;

		scene_init(&c, kinds[1], 128 * KIB, single ? one : two, single ? 1 : 2, 0);
		if (!mount_small(c.dir, "size=640k")) {
			scene_fini(&c);
			skip();
		}
		st = scene_open(&c, STORE_DOWNLOAD);
		for (uint32_t i = 0; i < 8; i++) {
			struct store_event e;

			put_piece(st, &c.s, c.p, i);
			e = wait_event(c.p, STORE_VERIFIED);
			good += e.good;
			bad += e.err.code == ERR_NOSPACE;
			if (e.err.code != OK)
				CHECK(strstr(e.err.text, ": No space left on device") != NULL);
		}
		CHECK(bad >= 3);
		CHECK_INT(good + bad, 8);
		store_save(st, store_have(st));
		CHECK_INT(wait_event(c.p, STORE_SAVED).err.code, ERR_NOSPACE);
		CHECK_INT(mount("shoal-test", c.dir, "tmpfs", MS_REMOUNT, "size=4m"), 0);
		save_now(st, c.p);
		put_rest(st, &c.s, c.p);
		store_finish(st);
		CHECK_STR(wait_event(c.p, STORE_FINISHED).err.text, "");
		check_content(&c.s, c.path);
		store_close(st);
		CHECK_INT(umount(c.dir), 0);
		scene_fini(&c);
	}
}

TEST(a_folder_we_may_not_write_to_is_refused_at_once)
{
	struct scene c;
	struct store *st;
	struct err_info info;
	int err;

	scene_init(&c, kinds[1], 128 * KIB, one, 1, 0);
	CHECK_INT(chmod(c.dir, 0555), 0);
	if (geteuid() == 0)
		CHECK_INT(seteuid(65534), 0);
	err = open_store(&st, &c.s, c.p, STORE_DOWNLOAD, c.path, &info);
	if (getuid() == 0)
		CHECK_INT(seteuid(0), 0);
	CHECK_INT(chmod(c.dir, 0777), 0);
	CHECK_INT(err, ERR_DENIED);
	CHECK(strstr(info.text, "Permission denied") != NULL);
	scene_fini(&c);
}
