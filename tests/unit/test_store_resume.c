#include "test.h"

#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "store/resume.h"
#include "store_fixture.h"

#define KIB 1024u

static const struct sample_file one[] = {{NULL, 5 * 128 * KIB + 12345, false}};
static const struct sample_file many[] = {
    {"a/empty", 0, false},	     {"a/unit", 1, true},	{"b/big", 3 * 128 * KIB + 7, false},
    {"b/c/exact", 128 * KIB, false}, {"b/c/odd", 16385, false}, {"tail", 40000, false},
};
#define N_MANY (sizeof(many) / sizeof(many[0]))

static void init(struct scene *c, int kind, bool single)
{
	scene_init(c, kinds[kind], 128 * KIB, single ? one : many, single ? 1 : N_MANY, 0);
}

static void put_good(struct store *st, struct scene *c, uint32_t piece)
{
	put_piece(st, &c->s, c->p, piece);
	CHECK(wait_event(c->p, STORE_VERIFIED).good);
}

/* Check the unsure pieces (or all); returns how many events there were. */
static uint32_t recheck(struct store *st, struct scene *c, bool all)
{
	struct store_event e;
	uint32_t n = 0;

	store_recheck(st, all);
	do {
		e = wait_event(c->p, STORE_CHECKED);
		CHECK_INT(e.err.code, 0);
		n += e.piece != UINT32_MAX;
	} while (!e.last);
	return n;
}

static void finish(struct store *st, struct scene *c)
{
	put_rest(st, &c->s, c->p);
	store_finish(st);
	CHECK_STR(wait_event(c->p, STORE_FINISHED).err.text, "");
	check_content(&c->s, c->path);
	store_close(st);
	scene_fini(c);
}

/* The state or part file's path. */
static void beside(const struct scene *c, const char *suffix, char *out, size_t cap)
{
	const uint8_t *hash = c->s.m->v2 ? c->s.m->hash_v2 : c->s.m->hash_v1;

	snprintf(out, cap, "%s/.out.%08x%s", c->dir, be32(hash), suffix);
}

TEST(a_download_goes_on_where_it_was_saved)
{
	for (int k = 0; k < N_KINDS; k++) {
		for (int single = 0; single < 2; single++) {
			struct scene c;
			struct store *st;

			init(&c, k, single);
			st = scene_open(&c, STORE_DOWNLOAD);
			put_good(st, &c, 0);
			put_good(st, &c, 2);
			save_now(st, c.p);
			store_close(st);
			st = scene_open(&c, STORE_DOWNLOAD);
			CHECK_INT(store_have(st)->count, 2);
			CHECK(bitfield_has(store_have(st), 0) && bitfield_has(store_have(st), 2));
			finish(st, &c);
		}
	}
}

TEST(what_was_not_saved_is_found_by_hashing_only_that)
{
	for (int k = 0; k < N_KINDS; k++) {
		struct scene c;
		struct store *st;

		init(&c, k, true);
		st = scene_open(&c, STORE_DOWNLOAD);
		put_good(st, &c, 1);
		save_now(st, c.p);
		put_good(st, &c, 3);
		put_block(st, &c.s, c.p, 4, 0); /* stays in memory, is lost */
		store_close(st);
		st = scene_open(&c, STORE_DOWNLOAD);
		CHECK_INT(store_have(st)->count, 1);
		/* Blocks of the file system may be larger than ours, but pieces are larger yet. */
		CHECK(store_unsure(st) >= 1 && store_unsure(st) <= 2);
		CHECK(recheck(st, &c, false) <= 2);
		CHECK_INT(store_have(st)->count, 2);
		CHECK(bitfield_has(store_have(st), 3));
		CHECK_INT(store_unsure(st), 0);
		CHECK_INT(recheck(st, &c, false), 0);
		finish(st, &c);
	}
}

/* In the place of the C library's. */
static atomic_uint n_syncs;

int fdatasync(int fd)
{
	atomic_fetch_add(&n_syncs, 1);
	return (int)syscall(SYS_fdatasync, fd);
}

/* Else a power cut after it was recorded may take what a killed process only wrote. */
TEST(what_was_found_by_hashing_is_synced_before_it_is_recorded)
{
	for (int single = 0; single < 2; single++) {
		struct scene c;
		struct store *st;

		init(&c, 1, single);
		st = scene_open(&c, STORE_DOWNLOAD);
		put_good(st, &c, 1);
		put_good(st, &c, 2);
		store_close(st);
		st = scene_open(&c, STORE_DOWNLOAD);
		recheck(st, &c, false);
		CHECK_INT(store_have(st)->count, 2);
		atomic_store(&n_syncs, 0);
		save_now(st, c.p);
		CHECK(atomic_load(&n_syncs) > 0);
		store_close(st);
		st = scene_open(&c, STORE_DOWNLOAD);
		CHECK_INT(store_have(st)->count, 2);
		atomic_store(&n_syncs, 0);
		save_now(st, c.p);
		CHECK_INT(atomic_load(&n_syncs), 0); /* it is known to be safe */
		finish(st, &c);
	}
}

/* Killed when it had data of the first file alone. */
TEST(a_file_that_an_unsure_piece_reaches_into_need_not_be_there)
{
	static const struct sample_file two[] = {{"a", 40 * KIB, false}, {"b", 200 * KIB, false}};
	struct scene c;
	struct store *st;
	char path[600], part[512];

	scene_init(&c, kinds[0], 128 * KIB, two, 2, 0);
	beside(&c, ".shoal", part, sizeof(part));
	CHECK_INT(mkdir(part, 0777), 0);
	snprintf(path, sizeof(path), "%s/a", part);
	file_write(path, c.s.space, 40 * KIB);
	st = scene_open(&c, STORE_DOWNLOAD);
	CHECK_INT(store_unsure(st), 1);
	recheck(st, &c, false);
	CHECK_INT(store_have(st)->count, 0);
	save_now(st, c.p);
	finish(st, &c);
}

TEST(a_recheck_of_all_believes_nothing)
{
	struct scene c;
	struct store *st;
	char part[400];
	FILE *f;

	init(&c, 2, true);
	st = scene_open(&c, STORE_DOWNLOAD);
	put_good(st, &c, 0);
	put_good(st, &c, 1);
	save_now(st, c.p);
	beside(&c, ".shoal", part, sizeof(part));
	f = fopen(part, "r+b");
	CHECK(f != NULL);
	fputc(~c.s.space[0], f);
	fclose(f);
	CHECK_INT(recheck(st, &c, true), c.s.m->n_pieces);
	CHECK(!bitfield_has(store_have(st), 0));
	CHECK(bitfield_has(store_have(st), 1));
	finish(st, &c);
}

TEST(a_recheck_of_a_share_finds_what_is_bad)
{
	for (int k = 0; k < N_KINDS; k++) {
		struct scene c;
		struct store *st;
		char path[400];
		FILE *f;

		init(&c, k, false);
		st = scene_open(&c, STORE_DOWNLOAD);
		put_rest(st, &c.s, c.p);
		store_finish(st);
		CHECK_INT(wait_event(c.p, STORE_FINISHED).err.code, 0);
		store_close(st);
		st = scene_open(&c, STORE_SEED);
		CHECK_INT(recheck(st, &c, true), c.s.m->n_pieces);
		CHECK(bitfield_full(store_have(st)));
		snprintf(path, sizeof(path), "%s/b/c/exact", c.path);
		f = fopen(path, "r+b");
		CHECK(f != NULL);
		fseek(f, 10, SEEK_SET);
		fputs("oops", f);
		fclose(f);
		recheck(st, &c, true);
		CHECK_INT(store_have(st)->count, c.s.m->n_pieces - 1);
		store_close(st);
		scene_fini(&c);
	}
}

/* ---- killed ------------------------------------------------------------- */

/* Another process downloads and dies at a moment of its own. */
static void download_and_die(const struct scene *c, uint64_t seed)
{
	struct pool *p;
	struct store *st;
	struct rng r;
	uint32_t stop;

	rng_seed(&r, seed);
	if (pool_new(2, 0, &p, NULL) != OK ||
	    open_store(&st, &c->s, p, STORE_DOWNLOAD, c->path, NULL) != OK)
		_exit(1);
	stop = rng_below(&r, c->s.m->n_pieces * 3);
	for (uint32_t i = 0; i < stop; i++) {
		uint32_t piece = rng_below(&r, c->s.m->n_pieces);
		struct store_event e;

		if (bitfield_has(store_have(st), piece))
			continue;
		put_piece(st, &c->s, p, piece);
		do
			e = next_event(p);
		while (e.type != STORE_VERIFIED);
		if (rng_below(&r, 3) == 0)
			store_save(st, store_have(st));
	}
	usleep(rng_below(&r, 3000));
	_exit(0);
}

TEST(after_a_kill_nothing_is_had_that_is_not_there)
{
	for (uint64_t seed = 1; seed <= 30; seed++) {
		struct scene c;
		struct store *st;
		int status;
		pid_t child;

		sample_make(&c.s, kinds[seed % 3].v1, kinds[seed % 3].v2, 128 * KIB,
			    seed % 2 == 0 ? one : many, seed % 2 == 0 ? 1 : N_MANY);
		dir_make(c.dir, sizeof(c.dir));
		snprintf(c.path, sizeof(c.path), "%s/out", c.dir);
		for (int again = 0; again < 3; again++) {
			fflush(NULL);
			child = fork();
			CHECK(child >= 0);
			if (child == 0)
				download_and_die(&c, seed * 10 + again);
			CHECK_INT(waitpid(child, &status, 0), child);
			CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		}
		CHECK_INT(pool_new(2, 0, &c.p, NULL), 0);
		st = scene_open(&c, STORE_DOWNLOAD);
		for (uint32_t i = 0; i < c.s.m->n_pieces; i++) {
			uint32_t n = meta_piece_bytes(c.s.m, i);
			uint8_t *back = malloc(n);

			if (bitfield_has(store_have(st), i)) {
				CHECK_INT(read_one(st, i, 0, n, back), 0);
				CHECK_SEED(memcmp(back, c.s.space + (uint64_t)i * 128 * KIB, n) ==
					       0,
					   seed);
			}
			free(back);
		}
		recheck(st, &c, false);
		finish(st, &c);
	}
}

TEST(killed_between_rename_and_cleaning_up_is_finished)
{
	struct scene c;
	struct store *st;
	char saved[400];

	init(&c, 1, true);
	st = scene_open(&c, STORE_DOWNLOAD);
	put_rest(st, &c.s, c.p);
	store_finish(st);
	CHECK_INT(wait_event(c.p, STORE_FINISHED).err.code, 0);
	store_close(st);
	beside(&c, ".shoal-state", saved, sizeof(saved));
	file_write(saved, "leftover", 8);
	CHECK_INT(open_store(&st, &c.s, c.p, STORE_DOWNLOAD, c.path, NULL), ERR_EXISTS);
	CHECK(!path_exists(saved));
	scene_fini(&c);
}

/* ---- what others did to our files --------------------------------------- */

/* Opened with this state, only what has data may be had, and nothing breaks. */
static void open_with_state(struct scene *c, const char *saved, const uint8_t *data, size_t len)
{
	struct store *st;

	file_write(saved, data, len);
	st = scene_open(c, STORE_DOWNLOAD);
	CHECK_INT(store_have(st)->count, 0);
	CHECK_INT(store_unsure(st), 2);
	store_close(st);
}

TEST(a_state_that_is_damaged_anywhere_vouches_for_nothing)
{
	struct scene c;
	struct store *st;
	char saved[400];
	uint8_t *data;
	size_t len = 0;

	init(&c, 1, true);
	st = scene_open(&c, STORE_DOWNLOAD);
	put_good(st, &c, 1);
	put_good(st, &c, 3);
	save_now(st, c.p);
	store_close(st);
	beside(&c, ".shoal-state", saved, sizeof(saved));
	data = file_load(saved, &len);
	CHECK(data != NULL);
	for (size_t n = 0; n < len; n++)
		open_with_state(&c, saved, data, n);
	for (size_t i = 0; i < len; i++) {
		data[i] ^= 0x10;
		open_with_state(&c, saved, data, len);
		data[i] ^= 0x10;
	}
	file_write(saved, data, len);
	st = scene_open(&c, STORE_DOWNLOAD);
	CHECK_INT(store_have(st)->count, 2);
	CHECK_INT(store_unsure(st), 0);
	free(data);
	finish(st, &c);
}

TEST(the_state_of_another_torrent_is_ignored)
{
	struct scene a, b;
	struct store *st;
	char from[400], to[400];

	init(&a, 1, true);
	init(&b, 2, true);
	st = scene_open(&a, STORE_DOWNLOAD);
	put_good(st, &a, 0);
	save_now(st, a.p);
	store_close(st);
	st = scene_open(&b, STORE_DOWNLOAD);
	store_close(st);
	beside(&a, ".shoal-state", from, sizeof(from));
	beside(&b, ".shoal-state", to, sizeof(to));
	CHECK_INT(rename(from, to), 0);
	st = scene_open(&b, STORE_DOWNLOAD);
	CHECK_INT(store_have(st)->count, 0);
	finish(st, &b);
	scene_fini(&a);
}

/* All of it came and is recorded; `part` is where it lies. */
static void leave_all(struct scene *c, bool single, char part[400])
{
	struct store *st;

	init(c, 1, single);
	st = scene_open(c, STORE_DOWNLOAD);
	put_rest(st, &c->s, c->p);
	save_now(st, c->p);
	store_close(st);
	beside(c, ".shoal", part, 400);
}

TEST(pieces_whose_file_was_cut_or_lost_are_not_had)
{
	struct scene c;
	struct store *st;
	char part[400], path[500];

	leave_all(&c, true, part);
	CHECK_INT(truncate(part, 2 * 128 * KIB + 5), 0);
	st = scene_open(&c, STORE_DOWNLOAD);
	/* What is left of it may be anything. */
	CHECK_INT(store_have(st)->count, 0);
	CHECK_INT(store_unsure(st), 3);
	recheck(st, &c, false);
	CHECK_INT(store_have(st)->count, 2);
	store_close(st);
	CHECK_INT(unlink(part), 0);
	st = scene_open(&c, STORE_DOWNLOAD);
	CHECK_INT(store_have(st)->count, 0);
	finish(st, &c);

	leave_all(&c, false, part);
	snprintf(path, sizeof(path), "%s/b/big", part);
	CHECK_INT(unlink(path), 0);
	st = scene_open(&c, STORE_DOWNLOAD);
	CHECK_INT(store_have(st)->count, c.s.m->n_pieces - 4);
	finish(st, &c);

	/* cut, and as long as before again */
	leave_all(&c, true, part);
	CHECK_INT(truncate(part, 2 * 128 * KIB), 0);
	CHECK_INT(truncate(part, one[0].length), 0);
	st = scene_open(&c, STORE_DOWNLOAD);
	CHECK_INT(store_have(st)->count, 0);
	CHECK_INT(store_unsure(st), c.s.m->n_pieces);
	recheck(st, &c, false);
	CHECK_INT(store_have(st)->count, 2);
	finish(st, &c);

	/* the folder itself is gone, or another */
	leave_all(&c, false, part);
	snprintf(path, sizeof(path), "%s/gone", c.dir);
	CHECK_INT(rename(part, path), 0);
	st = scene_open(&c, STORE_DOWNLOAD);
	CHECK_INT(store_have(st)->count, 0);
	CHECK_INT(store_unsure(st), 0);
	finish(st, &c);
}

static void save_last(struct store *st, struct scene *c)
{
	store_save_last(st, store_have(st));
	CHECK_STR(wait_event(c->p, STORE_SAVED).err.text, "");
}

/* They lie in holes, where others may have made them. */
TEST(recorded_pieces_that_are_all_zeros_are_not_hashed_at_each_start)
{
	static const struct sample_file files[] = {
	    {"a", 70000, false}, {"zeros", 8 * 128 * KIB + 20000, false}, {"zz", 50000, false}};

	for (int k = 0; k < N_KINDS; k++) {
		/* v1: the first of its pieces has the end of "a", the last two "zz", too. */
		uint32_t edges = kinds[k].v2 ? 1 : 2;
		struct scene c;
		struct store *st;
		char part[400], path[500];

		scene_init(&c, kinds[k], 128 * KIB, files, 3, 0);
		st = scene_open(&c, STORE_DOWNLOAD);
		put_rest(st, &c.s, c.p);
		save_last(st, &c);
		store_close(st);
		st = scene_open(&c, STORE_DOWNLOAD);
		CHECK_INT(store_unsure(st), edges);
		CHECK_INT(recheck(st, &c, false), edges);
		CHECK(bitfield_full(store_have(st)));
		store_close(st);
		/* What is no zeros, and has become a hole, is found yet. */
		beside(&c, ".shoal", part, sizeof(part));
		snprintf(path, sizeof(path), "%s/a", part);
		CHECK(truncate(path, 0) == 0 && truncate(path, 70000) == 0);
		st = scene_open(&c, STORE_DOWNLOAD);
		CHECK(recheck(st, &c, false) > 0);
		CHECK_INT(store_have(st)->count, c.s.m->n_pieces - 1);
		finish(st, &c);
	}
}

/* ---- what others wrote into our files ------------------------------------ */

/* When it was changed last, so many seconds later, or earlier. */
static void shift_time(const char *path, long by_s)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};
	struct stat st;

	CHECK_INT(stat(path, &st), 0);
	times[1] = st.st_mtim;
	times[1].tv_sec += by_s;
	CHECK_INT(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* The size stays. Not within one tick of the file system's clock. */
static void flip_byte(const char *path, off_t at)
{
	int fd = open(path, O_RDWR);
	uint8_t b = 0;

	CHECK(fd >= 0 && pread(fd, &b, 1, at) == 1);
	b ^= 1;
	CHECK_INT(pwrite(fd, &b, 1, at), 1);
	close(fd);
	shift_time(path, 1);
}

/* Opened so, it has so many pieces, and so many files are not as they were left. */
static struct store *open_with(struct scene *c, uint32_t have, uint32_t others)
{
	struct store *st = scene_open(c, STORE_DOWNLOAD);
	struct err_info info;

	CHECK_INT(store_have(st)->count, have);
	CHECK_INT(store_others(st, &info), others);
	return st;
}

/* What the state on disk says. Owns: r->have. */
static void read_state(const struct scene *c, struct resume *r)
{
	char path[400];
	uint8_t *data;
	size_t len = 0;

	beside(c, ".shoal-state", path, sizeof(path));
	data = file_load(path, &len);
	CHECK(data != NULL);
	CHECK_INT(resume_decode(bytes_of(data, len), r), 0);
	free(data);
}

TEST(what_somebody_wrote_into_a_file_since_it_was_left_is_not_believed)
{
	for (int k = 0; k < N_KINDS; k++) {
		struct scene c;
		struct store *st;
		struct err_info info;
		char part[400];

		init(&c, k, true);
		st = scene_open(&c, STORE_DOWNLOAD);
		put_good(st, &c, 0);
		put_good(st, &c, 2);
		save_last(st, &c);
		store_close(st);
		store_close(open_with(&c, 2, 0));
		beside(&c, ".shoal", part, sizeof(part));
		flip_byte(part, 10);
		st = open_with(&c, 0, 1);
		CHECK_INT(store_others(st, &info), 1);
		CHECK_INT(info.code, ERR_MISMATCH);
		CHECK(strstr(info.text, "/out: is not as this download left it") != NULL);
		CHECK_INT(recheck(st, &c, false), 2);
		CHECK_INT(store_have(st)->count, 1);
		CHECK(bitfield_has(store_have(st), 2));
		save_last(st, &c);
		store_close(st);
		st = open_with(&c, 1, 0);
		finish(st, &c);
	}
}

TEST(of_a_folder_the_files_that_nobody_touched_are_believed)
{
	struct scene c;
	struct store *st;
	struct err_info info;
	char part[400], path[500];

	init(&c, 1, false);
	st = scene_open(&c, STORE_DOWNLOAD);
	put_good(st, &c, 1); /* of b/big */
	put_good(st, &c, 2);
	put_good(st, &c, c.s.m->n_pieces - 1); /* all of tail */
	save_last(st, &c);
	store_close(st);
	beside(&c, ".shoal", part, sizeof(part));
	snprintf(path, sizeof(path), "%s/b/big", part);
	flip_byte(path, 10);
	st = open_with(&c, 1, 1);
	(void)store_others(st, &info);
	CHECK(strstr(info.text, "/out/b/big: is not as") != NULL);
	CHECK_INT(recheck(st, &c, false), 2);
	CHECK_INT(store_have(st)->count, 2);
	finish(st, &c);
}

TEST(after_a_kill_what_we_may_have_written_is_believed_and_no_more)
{
	struct scene c;
	struct store *st;
	char part[400];

	init(&c, 1, true);
	st = scene_open(&c, STORE_DOWNLOAD);
	put_good(st, &c, 1);
	save_now(st, c.p);
	put_good(st, &c, 3);
	store_close(st);
	beside(&c, ".shoal", part, sizeof(part));
	st = open_with(&c, 1, 0);
	CHECK(bitfield_has(store_have(st), 1) && store_unsure(st) > 0);
	store_close(st);
	/* Later than we can have written, and earlier. */
	shift_time(part, RESUME_OPEN_S + 5);
	store_close(open_with(&c, 0, 1));
	shift_time(part, -2 * (long)(RESUME_OPEN_S + 5));
	st = open_with(&c, 0, 1);
	recheck(st, &c, false);
	CHECK_INT(store_have(st)->count, 2);
	finish(st, &c);

	/* What was whole is written no more, by us. */
	leave_all(&c, true, part);
	store_close(open_with(&c, c.s.m->n_pieces, 0));
	flip_byte(part, 10);
	st = open_with(&c, 0, 1);
	recheck(st, &c, false);
	CHECK_INT(store_have(st)->count, c.s.m->n_pieces - 1);
	finish(st, &c);
}

TEST(the_state_says_that_we_write_before_we_do)
{
	struct scene c;
	struct store *st;
	struct resume r;

	init(&c, 1, true);
	st = scene_open(&c, STORE_DOWNLOAD);
	put_good(st, &c, 1);
	save_last(st, &c);
	store_close(st);
	st = open_with(&c, 1, 0);
	read_state(&c, &r);
	CHECK_INT(r.open_s, 0);
	bitfield_fini(&r.have);
	put_good(st, &c, 3);
	read_state(&c, &r);
	CHECK(r.open_s != 0 && bitfield_has(&r.have, 1));
	CHECK_INT(r.have.count, 1);
	bitfield_fini(&r.have);
	store_close(st);
	st = open_with(&c, 1, 0);
	save_last(st, &c);
	read_state(&c, &r);
	CHECK_INT(r.open_s, 0);
	bitfield_fini(&r.have);
	store_close(st);
	st = open_with(&c, 1, 0);
	finish(st, &c);
}

/* What was found not to be ours is hashed, and written to again, before the first save: a kill in
 * between must not have the older state vouch for it. */
TEST(what_was_not_believed_once_is_not_after_a_kill_either)
{
	for (int k = 0; k < N_KINDS; k++) {
		struct scene c;
		struct store *st;
		struct resume r;
		char part[400];

		init(&c, k, true);
		st = scene_open(&c, STORE_DOWNLOAD);
		put_good(st, &c, 0);
		put_good(st, &c, 2);
		save_last(st, &c);
		store_close(st);
		beside(&c, ".shoal", part, sizeof(part));
		flip_byte(part, 10);
		st = open_with(&c, 0, 1);
		CHECK_INT(recheck(st, &c, false), 2);
		put_good(st, &c, 3);
		store_close(st);
		read_state(&c, &r);
		CHECK(r.open_s != 0);
		CHECK_INT(r.have.count, 0);
		bitfield_fini(&r.have);
		st = open_with(&c, 0, 0);
		recheck(st, &c, false);
		CHECK_INT(store_have(st)->count, 2);
		CHECK(!bitfield_has(store_have(st), 0));
		finish(st, &c);
	}
}

TEST(what_somebody_writes_into_what_was_only_hashed_is_not_taken_for_ours)
{
	for (int k = 0; k < N_KINDS; k++) {
		struct scene c;
		struct store *st;
		char part[400];

		init(&c, k, true);
		st = scene_open(&c, STORE_DOWNLOAD);
		put_good(st, &c, 1);
		store_close(st);
		st = open_with(&c, 0, 0);
		CHECK(recheck(st, &c, false) > 0);
		CHECK_INT(store_have(st)->count, 1);
		beside(&c, ".shoal", part, sizeof(part));
		flip_byte(part, 128 * KIB + 10);
		save_last(st, &c);
		store_close(st);
		st = open_with(&c, 0, 1);
		finish(st, &c);
	}
}

TEST(after_the_last_save_nothing_is_written)
{
	for (int k = 0; k < N_KINDS; k++) {
		struct scene c;
		struct store *st;
		struct store_event e;

		init(&c, k, true);
		st = scene_open(&c, STORE_DOWNLOAD);
		put_good(st, &c, 1);
		save_last(st, &c);
		put_piece(st, &c.s, c.p, 3);
		e = wait_event(c.p, STORE_VERIFIED);
		CHECK(!e.good);
		CHECK_INT(e.err.code, ERR_CANCELLED);
		store_close(st);
		st = open_with(&c, 1, 0);
		CHECK_INT(store_unsure(st), 0);
		finish(st, &c);
	}
}

TEST(a_state_without_times_is_believed)
{
	struct scene c;
	struct store *st;
	struct resume r;
	struct buf out;
	char part[400], saved[400];
	uint8_t *data;
	size_t len = 0;

	init(&c, 1, true);
	st = scene_open(&c, STORE_DOWNLOAD);
	put_good(st, &c, 1);
	save_last(st, &c);
	store_close(st);
	beside(&c, ".shoal", part, sizeof(part));
	beside(&c, ".shoal-state", saved, sizeof(saved));
	data = file_load(saved, &len);
	CHECK(data != NULL);
	CHECK_INT(resume_decode(bytes_of(data, len), &r), 0);
	r.timed = false;
	buf_init(&out, SIZE_MAX);
	CHECK_INT(resume_encode(&r, &out), 0);
	file_write(saved, out.ptr, out.len);
	bitfield_fini(&r.have);
	buf_fini(&out);
	free(data);
	shift_time(part, 3600);
	st = open_with(&c, 1, 0);
	save_last(st, &c);
	store_close(st);
	shift_time(part, 3600);
	st = open_with(&c, 0, 1);
	recheck(st, &c, false);
	CHECK_INT(store_have(st)->count, 1);
	finish(st, &c);
}

TEST(to_reserve_space_is_no_change)
{
	struct scene c;
	struct store *st;

	init(&c, 1, false);
	for (uint32_t had = 0; had < 3; had++) {
		struct store_params params = {.mode = STORE_DOWNLOAD,
					      .pool = c.p,
					      .meta = c.s.m,
					      .torrent = buf_bytes(&c.s.torrent),
					      .path = c.path,
					      .preallocate = true};

		CHECK_INT(store_open(&params, &st, NULL), 0);
		CHECK_INT(store_have(st)->count, had == 0 ? 0 : 1);
		CHECK_INT(store_others(st, NULL), 0);
		if (had == 0) {
			put_good(st, &c, 1);
			save_last(st, &c);
		}
		store_close(st); /* as if killed, later on */
	}
	st = open_with(&c, 1, 0);
	finish(st, &c);
}

TEST(a_part_that_was_swapped_is_not_given_the_final_name)
{
	struct scene c;
	struct store *st;
	struct store_event e;
	char part[400], moved[500];

	init(&c, 1, false);
	st = scene_open(&c, STORE_DOWNLOAD);
	put_rest(st, &c.s, c.p);
	beside(&c, ".shoal", part, sizeof(part));
	snprintf(moved, sizeof(moved), "%s-moved", part);
	CHECK_INT(rename(part, moved), 0);
	CHECK_INT(symlink("/etc", part), 0);
	store_finish(st);
	e = wait_event(c.p, STORE_FINISHED);
	CHECK_INT(e.err.code, ERR_MISMATCH);
	CHECK(!path_exists(c.path));
	CHECK_INT(unlink(part), 0);
	CHECK_INT(rename(moved, part), 0);
	finish(st, &c);
}

TEST(what_could_not_be_given_its_name_is_as_it_was_left)
{
	struct scene c;
	struct store *st;

	init(&c, 1, false);
	st = scene_open(&c, STORE_DOWNLOAD);
	put_rest(st, &c.s, c.p);
	file_write(c.path, "x", 1);
	store_finish(st);
	CHECK_INT(wait_event(c.p, STORE_FINISHED).err.code, ERR_EXISTS);
	save_last(st, &c);
	store_close(st);
	CHECK_INT(unlink(c.path), 0);
	st = open_with(&c, c.s.m->n_pieces, 0);
	finish(st, &c);
}

TEST(a_folder_that_is_moved_away_is_noticed_at_the_next_save_and_nothing_is_lost)
{
	struct scene c;
	struct store *st;
	struct store_event e;
	char moved[300];

	init(&c, 1, false);
	st = scene_open(&c, STORE_DOWNLOAD);
	put_good(st, &c, 0);
	save_now(st, c.p);
	put_good(st, &c, 2);
	snprintf(moved, sizeof(moved), "%s-moved", c.dir);
	CHECK_INT(rename(c.dir, moved), 0);
	store_save(st, store_have(st));
	e = wait_event(c.p, STORE_SAVED);
	CHECK_INT(e.err.code, ERR_MISMATCH);
	CHECK(strstr(e.err.text, "moved or taken away") != NULL);
	store_close(st);
	CHECK_INT(rename(moved, c.dir), 0);
	st = scene_open(&c, STORE_DOWNLOAD);
	CHECK_INT(store_have(st)->count, 2);
	finish(st, &c);
}

/* ---- links -------------------------------------------------------------- */

TEST(a_link_where_the_part_should_be_is_refused)
{
	for (int single = 0; single < 2; single++) {
		struct scene c;
		struct store *st;
		struct err_info info;
		char part[400], victim[400];
		size_t len = 0;
		uint8_t *data;

		init(&c, 1, single);
		snprintf(victim, sizeof(victim), "%s/victim", c.dir);
		file_write(victim, "victim", 6);
		beside(&c, ".shoal", part, sizeof(part));
		CHECK_INT(symlink(single ? "victim" : ".", part), 0);
		CHECK_INT(open_store(&st, &c.s, c.p, STORE_DOWNLOAD, c.path, &info), ERR_DENIED);
		data = file_load(victim, &len);
		CHECK_INT(len, 6);
		CHECK_MEM(data, "victim", 6);
		free(data);
		scene_fini(&c);
	}
}

TEST(links_inside_the_part_are_not_written_through)
{
	struct scene c;
	struct store *st;
	struct store_event e;
	char part[400], path[600], outside[400];

	init(&c, 1, false);
	snprintf(outside, sizeof(outside), "%s/outside", c.dir);
	CHECK_INT(mkdir(outside, 0777), 0);
	beside(&c, ".shoal", part, sizeof(part));
	CHECK_INT(mkdir(part, 0777), 0);
	snprintf(path, sizeof(path), "%s/b", part);
	CHECK_INT(symlink(outside, path), 0);
	st = scene_open(&c, STORE_DOWNLOAD);
	put_piece(st, &c.s, c.p, 1); /* of b/big */
	e = wait_event(c.p, STORE_VERIFIED);
	CHECK(!e.good);
	CHECK_INT(e.err.code, ERR_DENIED);
	CHECK(strstr(e.err.text, "/b/big: a link or a file stands in the way") != NULL);
	CHECK_INT(rmdir(outside), 0); /* still empty */
	/* With the link gone the piece is simply fetched again. */
	CHECK_INT(unlink(path), 0);
	put_good(st, &c, 1);
	finish(st, &c);
}

TEST(a_folder_swapped_for_a_link_meanwhile_is_not_written_through)
{
	struct scene c;
	struct store *st;
	char part[400], path[600], moved[600], outside[400];
	uint32_t odd = 0;

	init(&c, 1, false);
	snprintf(outside, sizeof(outside), "%s/outside", c.dir);
	CHECK_INT(mkdir(outside, 0777), 0);
	st = scene_open(&c, STORE_DOWNLOAD);
	put_good(st, &c, 1);
	beside(&c, ".shoal", part, sizeof(part));
	snprintf(path, sizeof(path), "%s/b", part);
	snprintf(moved, sizeof(moved), "%s/moved", c.dir);
	CHECK_INT(rename(path, moved), 0);
	CHECK_INT(symlink(outside, path), 0);
	while (strcmp(meta_piece_file(c.s.m, odd)->path, "b/c/odd") != 0)
		odd++;
	put_piece(st, &c.s, c.p, odd);
	CHECK_INT(wait_event(c.p, STORE_VERIFIED).err.code, ERR_DENIED);
	CHECK_INT(rmdir(outside), 0);
	CHECK_INT(unlink(path), 0);
	CHECK_INT(rename(moved, path), 0);
	finish(st, &c);
}

TEST(a_link_for_a_state_file_is_not_read_and_is_replaced)
{
	struct scene c;
	struct store *st;
	char saved[400], victim[400];
	size_t len = 0;
	uint8_t *data;

	init(&c, 1, true);
	snprintf(victim, sizeof(victim), "%s/victim", c.dir);
	file_write(victim, "victim", 6);
	beside(&c, ".shoal-state", saved, sizeof(saved));
	CHECK_INT(symlink("victim", saved), 0);
	st = scene_open(&c, STORE_DOWNLOAD);
	save_now(st, c.p);
	data = file_load(victim, &len);
	CHECK_INT(len, 6);
	CHECK_MEM(data, "victim", 6);
	free(data);
	finish(st, &c);
}

/* Else a torrent could say of another one's bytes that they are verified. */
TEST(names_of_unfinished_downloads_are_no_torrents)
{
	static const char *const bad[] = {".out.0123abcd.shoal", "d/.out.0123abcd.shoal-state/f",
					  "d/.out.0123abcd.shoal-rest"};
	static const char *const good[] = {".out.0123abcd.shoals", "out.0123abcd.shoal",
					   "d/.out.0123abcg.shoal", ".0123abcd.shoal"};

	for (size_t i = 0; i < 7; i++) {
		const char *name = i < 3 ? bad[i] : good[i - 3];
		struct sample_file file[] = {{name, 5, false}, {"other", 5, false}};
		struct err_info info;
		struct store *st;
		struct scene c;

		scene_init(&c, kinds[2], 128 * KIB, file, 2, 0);
		CHECK_INT(open_store(&st, &c.s, c.p, STORE_DOWNLOAD, c.path, &info),
			  i < 3 ? ERR_INVALID : OK);
		if (i < 3)
			CHECK(strstr(info.text, "out: holds a name that only") != NULL);
		else
			store_close(st);
		/* Nor is a place for one. */
		snprintf(c.path, sizeof(c.path), "%s/.o.0123abcd.shoal", c.dir);
		CHECK_INT(open_store(&st, &c.s, c.p, STORE_DOWNLOAD, c.path, NULL), ERR_INVALID);
		scene_fini(&c);
	}
}

TEST(a_folder_where_a_file_should_be_is_named)
{
	struct scene c;
	struct store *st;
	struct store_event e;
	struct err_info info;
	char part[400], path[600];

	init(&c, 1, true);
	beside(&c, ".shoal", part, sizeof(part));
	CHECK_INT(mkdir(part, 0777), 0);
	CHECK_INT(open_store(&st, &c.s, c.p, STORE_DOWNLOAD, c.path, &info), ERR_INVALID);
	scene_fini(&c);
	init(&c, 1, false);
	st = scene_open(&c, STORE_DOWNLOAD);
	beside(&c, ".shoal", part, sizeof(part));
	snprintf(path, sizeof(path), "%s/tail", part);
	CHECK_INT(mkdir(path, 0777), 0);
	put_piece(st, &c.s, c.p, c.s.m->n_pieces - 1);
	e = wait_event(c.p, STORE_VERIFIED);
	CHECK_INT(e.err.code, ERR_INVALID);
	CHECK(strstr(e.err.text, "/tail: Is a directory") != NULL);
	CHECK_INT(rmdir(path), 0);
	finish(st, &c);
}
