#include "test.h"

#include <errno.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "meta/selection.h"
#include "store_fixture.h"

#define KIB 1024u

static const struct sample_file one[] = {{NULL, 9 * 64 * KIB + 12345, false}};
static const struct sample_file many[] = {
    {"a/empty", 0, false},	  {"a/one", 1, true},	  {"b/big", 3 * 64 * KIB + 7, false},
    {"b/exact", 64 * KIB, false}, {"tail", 40000, false},
};
#define N_MANY (sizeof(many) / sizeof(many[0]))

/* Somebody writes to `path` while a folder is synced, the first time that `once_gone` is not there
 * any more. */
static struct late_change {
	const char *path, *once_gone;
} late;

/* There is no room for files while this one is not there. */
static const char *full_without;

int fsync(int fd)
{
	struct stat st;

	if (full_without != NULL && !path_exists(full_without) && fstat(fd, &st) == 0 &&
	    S_ISREG(st.st_mode)) {
		errno = ENOSPC;
		return -1;
	}
	if (late.path != NULL && !path_exists(late.once_gone)) {
		file_write(late.path, "mine now", 8);
		late.path = NULL;
	}
	return (int)syscall(SYS_fsync, fd);
}

/* The scene's content lies at DIR/donor, and something older at DIR/out. */
struct renewal {
	struct scene c;
	bool single;
	char donor[300];
	struct stamp old;
};

static void init(struct renewal *r, int kind, bool single)
{
	*r = (struct renewal){.single = single};
	scene_init(&r->c, kinds[kind], 64 * KIB, single ? one : many, single ? 1 : N_MANY, 0);
	scene_fill(&r->c);
	snprintf(r->donor, sizeof(r->donor), "%s/donor", r->c.dir);
	CHECK_INT(rename(r->c.path, r->donor), 0);
	if (single) {
		file_write(r->c.path, "old", 3);
	} else {
		char path[400];

		CHECK_INT(mkdir(r->c.path, 0700), 0);
		snprintf(path, sizeof(path), "%s/old", r->c.path);
		file_write(path, "old", 3);
	}
	CHECK_INT(stamp_take(r->c.path, &r->old, NULL), 0);
}

static int open_part_over(struct renewal *r, const uint8_t *wanted, struct store **out)
{
	struct store_params p = {.mode = STORE_DOWNLOAD,
				 .pool = r->c.p,
				 .meta = r->c.s.m,
				 .torrent = buf_bytes(&r->c.s.torrent),
				 .path = r->c.path,
				 .replaces = &r->old,
				 .wanted = wanted};

	return store_open(&p, out, NULL);
}

static int open_over(struct renewal *r, struct store **out)
{
	return open_part_over(r, NULL, out);
}

static uint32_t list_donors(const struct renewal *r, struct store_donor *list)
{
	const struct metainfo *m = r->c.s.m;
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->n_files; i++)
		list[n++] = (struct store_donor){i, r->single ? "donor" : m->files[i].path};
	return n;
}

/* Fill from the donor and hash; returns how many pieces are there then. */
static uint32_t fill(struct renewal *r, struct store *st)
{
	struct store_donor list[3 * N_MANY];
	uint32_t n = list_donors(r, list);
	struct store_event e;

	CHECK_INT(store_fill(st, r->single ? r->c.dir : r->donor, list, n, NULL), 0);
	CHECK_INT(wait_event(r->c.p, STORE_FILLED).err.code, 0);
	store_recheck(st, false);
	do
		e = wait_event(r->c.p, STORE_CHECKED);
	while (!e.last);
	return store_have(st)->count;
}

static struct store_event finish(struct renewal *r, struct store *st)
{
	put_rest(st, &r->c.s, r->c.p);
	store_finish(st);
	return wait_event(r->c.p, STORE_FINISHED);
}

static void unfinished_name(const struct renewal *r, char path[400])
{
	snprintf(path, 400, "%s/.out.%08x.shoal", r->c.dir,
		 be32(r->c.s.m->v2 ? r->c.s.m->hash_v2 : r->c.s.m->hash_v1));
}

static void check_alone(const struct renewal *r)
{
	char path[400];

	unfinished_name(r, path);
	CHECK(!path_exists(path));
}

TEST(a_copy_gives_every_piece_and_the_old_one_is_replaced)
{
	for (int i = 0; i < 2 * N_KINDS; i++) {
		struct renewal r;
		struct store *st;

		init(&r, i % N_KINDS, i < N_KINDS);
		CHECK_INT(open_over(&r, &st), 0);
		CHECK_INT(fill(&r, st), r.c.s.m->n_pieces);
		CHECK_STR(finish(&r, st).err.text, "");
		check_content(&r.c.s, r.c.path);
		check_alone(&r);
		store_close(st);
		scene_fini(&r.c);
	}
}

TEST(what_differs_in_the_copy_is_found_by_hashing_and_only_that_is_missing)
{
	for (int k = 0; k < N_KINDS; k++) {
		struct renewal r;
		struct store *st;
		uint8_t *data;
		size_t len;

		init(&r, k, true);
		data = file_load(r.donor, &len);
		data[3 * 64 * KIB + 17] ^= 1;
		/* Longer than the new one, too. */
		file_write(r.donor, data, len);
		free(data);
		CHECK_INT(truncate(r.donor, (off_t)len + 100000), 0);
		CHECK_INT(open_over(&r, &st), 0);
		CHECK_INT(fill(&r, st), r.c.s.m->n_pieces - 1);
		CHECK(!bitfield_has(store_have(st), 3));
		CHECK_STR(finish(&r, st).err.text, "");
		check_content(&r.c.s, r.c.path);
		store_close(st);
		scene_fini(&r.c);
	}
}

TEST(a_copy_with_holes_or_that_is_short_or_missing_gives_what_it_has)
{
	struct renewal r;
	struct store *st;
	uint32_t n;

	init(&r, 1, true);
	CHECK_INT(truncate(r.donor, 4 * 64 * KIB + 5), 0);
	CHECK_INT(truncate(r.donor, 9 * 64 * KIB + 12345), 0);
	CHECK_INT(open_over(&r, &st), 0);
	n = fill(&r, st);
	CHECK_INT(n, 4);
	store_close(st);
	pool_drain(r.c.p);
	CHECK_INT(unlink(r.donor), 0);
	CHECK_INT(open_over(&r, &st), 0);
	/* What was filled before is still there; the donor is not. */
	CHECK_INT(fill(&r, st), 4);
	CHECK_STR(finish(&r, st).err.text, "");
	store_close(st);
	scene_fini(&r.c);
}

TEST(a_copy_of_a_file_that_the_torrent_does_not_have_is_passed_over)
{
	const struct store_donor list[] = {{UINT32_MAX, "donor"}, {1, "donor"}, {0, "donor"}};
	struct renewal r;
	struct store *st;

	init(&r, 1, true);
	CHECK_INT(open_over(&r, &st), 0);
	CHECK_INT(r.c.s.m->n_files, 1);
	CHECK_INT(store_fill(st, r.c.dir, list, 3, NULL), 0);
	CHECK_INT(wait_event(r.c.p, STORE_FILLED).err.code, 0);
	CHECK_INT(store_unsure(st), r.c.s.m->n_pieces);
	store_close(st);
	scene_fini(&r.c);
}

TEST(pieces_that_are_recorded_are_not_overwritten_by_a_copy)
{
	struct renewal r;
	struct store *st;

	init(&r, 2, true);
	CHECK_INT(open_over(&r, &st), 0);
	put_rest(st, &r.c.s, r.c.p);
	save_now(st, r.c.p);
	store_close(st);
	file_write(r.donor, "rubbish", 7);
	CHECK_INT(open_over(&r, &st), 0);
	CHECK_INT(fill(&r, st), r.c.s.m->n_pieces);
	CHECK_STR(finish(&r, st).err.text, "");
	check_content(&r.c.s, r.c.path);
	store_close(st);
	scene_fini(&r.c);
}

TEST(what_was_changed_before_or_meanwhile_is_not_replaced_and_nothing_is_lost)
{
	for (int single = 0; single < 2; single++) {
		struct renewal r;
		struct store *st;
		char path[400];

		init(&r, 1, single != 0);
		snprintf(path, sizeof(path), single ? "%s" : "%s/old", r.c.path);
		CHECK_INT(open_over(&r, &st), 0);
		fill(&r, st);
		file_write(path, "mine now", 8);
		CHECK_INT(finish(&r, st).err.code, ERR_EXISTS);
		store_close(st);
		pool_drain(r.c.p);
		CHECK(path_exists(path));
		CHECK_INT(open_over(&r, &st), ERR_EXISTS);
		/* The user says that it may go: all is there already. */
		CHECK_INT(stamp_take(r.c.path, &r.old, NULL), 0);
		CHECK_INT(open_over(&r, &st), 0);
		CHECK_INT(fill(&r, st), r.c.s.m->n_pieces);
		CHECK_STR(finish(&r, st).err.text, "");
		check_content(&r.c.s, r.c.path);
		store_close(st);
		scene_fini(&r.c);
	}
}

TEST(what_is_changed_in_the_last_moment_before_old_and_new_change_places_is_not_lost)
{
	struct renewal r;
	struct store *st;
	char path[400], part[400], record[440];
	uint8_t *data;
	size_t len;

	init(&r, 1, false);
	snprintf(path, sizeof(path), "%s/old", r.c.path);
	unfinished_name(&r, part);
	snprintf(record, sizeof(record), "%s-state", part);
	CHECK_INT(open_over(&r, &st), 0);
	put_rest(st, &r.c.s, r.c.p);
	save_now(st, r.c.p);
	CHECK(path_exists(record));
	late = (struct late_change){.path = path, .once_gone = record};
	store_finish(st);
	CHECK_INT(wait_event(r.c.p, STORE_FINISHED).err.code, ERR_EXISTS);
	CHECK(late.path == NULL);
	store_close(st);
	pool_drain(r.c.p);
	data = file_load(path, &len);
	CHECK(data != NULL);
	CHECK_INT(len, 8);
	CHECK_MEM(data, "mine now", 8);
	free(data);
	/* The user says that it may go: all is there already. */
	CHECK_INT(stamp_take(r.c.path, &r.old, NULL), 0);
	CHECK_INT(open_over(&r, &st), 0);
	CHECK_INT(fill(&r, st), r.c.s.m->n_pieces);
	CHECK_STR(finish(&r, st).err.text, "");
	check_content(&r.c.s, r.c.path);
	check_alone(&r);
	store_close(st);
	scene_fini(&r.c);
}

/* By then it has its name, and nothing else tells that there is more of it. */
TEST(a_part_that_has_replaced_an_older_one_gets_its_state_when_there_is_room)
{
	static const char *const tail[] = {"tail", NULL};
	uint8_t wanted[16];
	struct renewal r;
	struct store *st;
	char path[400], record[440];

	init(&r, 1, false);
	unfinished_name(&r, path);
	snprintf(record, sizeof(record), "%s-state", path);
	snprintf(path, sizeof(path), "%s/tail", r.c.path);
	CHECK_INT(selection_by_globs(r.c.s.m, tail, wanted), 1);
	CHECK_INT(open_part_over(&r, wanted, &st), 0);
	put_piece(st, &r.c.s, r.c.p, r.c.s.m->n_pieces - 1);
	CHECK(wait_event(r.c.p, STORE_VERIFIED).good);
	full_without = record;
	store_finish(st);
	CHECK_INT(wait_event(r.c.p, STORE_FINISHED).err.code, ERR_NOSPACE);
	CHECK(path_exists(path) && !path_exists(record));
	store_finish(st);
	CHECK_INT(wait_event(r.c.p, STORE_FINISHED).err.code, ERR_NOSPACE);
	full_without = NULL;
	store_finish(st);
	CHECK_STR(wait_event(r.c.p, STORE_FINISHED).err.text, "");
	CHECK(store_is_partial(r.c.s.m, r.c.path));
	check_alone(&r);
	store_close(st);
	scene_fini(&r.c);
}

TEST(the_new_one_is_open_to_nobody_who_was_kept_out_of_the_old_one)
{
	for (int single = 0; single < 2; single++) {
		struct renewal r;
		struct store *st;
		struct stat info;

		init(&r, 1, single != 0);
		CHECK_INT(chmod(r.c.path, single ? 0600 : 0700), 0);
		CHECK_INT(open_over(&r, &st), 0);
		fill(&r, st);
		CHECK_STR(finish(&r, st).err.text, "");
		CHECK_INT(stat(r.c.path, &info), 0);
		CHECK_INT(info.st_mode & 077, 0);
		store_close(st);
		scene_fini(&r.c);
	}
}

/* The power went when old and new had changed places: the old one has the unfinished name. */
TEST(files_of_an_older_version_under_the_unfinished_name_do_not_come_along)
{
	for (int kind = 0; kind < N_KINDS; kind++) {
		struct renewal r;
		struct store *st;
		char part[400], file[420];

		init(&r, kind, false);
		unfinished_name(&r, part);
		CHECK_INT(mkdir(part, 0700), 0);
		snprintf(file, sizeof(file), "%s/a", part);
		CHECK_INT(mkdir(file, 0700), 0);
		snprintf(file, sizeof(file), "%s/a/strange", part);
		file_write(file, "old", 3);
		CHECK_INT(open_over(&r, &st), 0);
		CHECK_INT(fill(&r, st), r.c.s.m->n_pieces);
		CHECK_STR(finish(&r, st).err.text, "");
		check_content(&r.c.s, r.c.path);
		snprintf(file, sizeof(file), "%s/a/strange", r.c.path);
		CHECK(!path_exists(file));
		check_alone(&r);
		store_close(st);
		scene_fini(&r.c);
	}
}

TEST(a_sweep_clears_what_a_crash_left_but_not_a_download_that_runs)
{
	struct renewal r;
	struct store *st;

	init(&r, 1, false);
	CHECK_INT(open_over(&r, &st), 0);
	if (fork() == 0) {
		store_sweep(r.c.s.m, r.c.path);
		_exit(0);
	}
	CHECK(wait(NULL) > 0);
	CHECK_INT(fill(&r, st), r.c.s.m->n_pieces);
	store_close(st);
	pool_drain(r.c.p);
	store_sweep(r.c.s.m, r.c.path);
	check_alone(&r);
	CHECK(path_exists(r.c.path));
	scene_fini(&r.c);
}
