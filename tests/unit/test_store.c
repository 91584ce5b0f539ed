#include "test.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/resource.h>
#include <time.h>

#include "store_fixture.h"

#define KIB 1024u

static const struct sample_file one[] = {{NULL, 5 * 128 * KIB + 12345, false}};
static const struct sample_file many[] = {
    {"a/empty", 0, false},
    {"a/one", 1, true},
    {"b/big", 3 * 128 * KIB + 7, false},
    {"b/c/exact", 128 * KIB, false},
    {"b/c/odd", 16385, false},
    {"tail", 40000, false},
    {"zero", 0, true},
};
#define N_MANY (sizeof(many) / sizeof(many[0]))

static unsigned names_in(const char *dir)
{
	DIR *d = opendir(dir);
	unsigned n = 0;

	CHECK(d != NULL);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 2;
}

static void check_readable(struct scene *c, struct store *st)
{
	uint8_t *back = malloc(c->s.m->piece_length);

	for (uint32_t i = 0; i < c->s.m->n_pieces; i++) {
		uint32_t n = meta_piece_bytes(c->s.m, i);

		uint32_t a = n / 3;
		const uint8_t *want = c->s.space + (uint64_t)i * c->s.m->piece_length;

		CHECK_INT(read_one(st, i, 0, n, back), 0);
		CHECK_MEM(back, want, n);
		/* sendfile() refuses such a descriptor: bytes are copied. */
		CHECK_INT(read_as(st, i, a, n - a, back, O_APPEND), 0);
		CHECK_MEM(back, want + a, n - a);
	}
	free(back);
}

static void round_trip(struct kind k, uint32_t piece_length, const struct sample_file *files,
		       size_t n, unsigned slabs)
{
	struct scene c;
	struct store *st;
	uint64_t written, read;

	scene_init(&c, k, piece_length, files, n, slabs);
	st = scene_open(&c, STORE_DOWNLOAD);
	CHECK_INT(store_unsure(st), 0);
	CHECK_INT(store_have(st)->count, 0);
	put_rest(st, &c.s, c.p);
	CHECK(bitfield_full(store_have(st)));
	CHECK(!path_exists(c.path));
	save_now(st, c.p);
	CHECK_INT(names_in(c.dir), 2);
	store_finish(st);
	CHECK_STR(wait_event(c.p, STORE_FINISHED).err.text, "");
	check_content(&c.s, c.path);
	check_readable(&c, st);
	store_counters(st, &written, &read);
	CHECK(written >= c.s.m->total_bytes && read >= c.s.m->total_bytes);
	CHECK_INT(pool_slabs_free(c.p), slabs == 0 ? POOL_SLABS_DEFAULT : slabs);
	store_close(st);
	CHECK_INT(names_in(c.dir), 1);
	scene_fini(&c);
}

TEST(a_download_ends_at_its_final_name_and_can_be_read_there)
{
	for (int k = 0; k < N_KINDS; k++) {
		round_trip(kinds[k], 128 * KIB, one, 1, 0);
		round_trip(kinds[k], 128 * KIB, many, N_MANY, 0);
		round_trip(kinds[k], 16 * KIB, many, N_MANY, 0);
	}
}

TEST(one_slab_is_enough)
{
	for (int k = 0; k < N_KINDS; k++)
		round_trip(kinds[k], 512 * KIB, many, N_MANY, 1);
}

TEST(small_and_odd_pieces_of_v1_work)
{
	static const struct kind v1 = {true, false};
	static const struct sample_file few[] = {
	    {"a", 5000, false}, {"b", 1, false}, {"c", 70000, false}};

	round_trip(v1, 1024, few, 3, 0);
	round_trip(v1, 20000, few, 3, 0);
	round_trip(v1, 300000, few, 3, 0);
}

TEST(a_torrent_of_empty_files_has_no_pieces)
{
	static const struct sample_file empty[] = {{"a/x", 0, false}, {"b", 0, true}};

	for (int k = 0; k < N_KINDS; k++)
		round_trip(kinds[k], 16 * KIB, empty, 2, 0);
}

TEST(thousands_of_small_files_work)
{
	enum { N = 1500 };
	static struct sample_file files[N];
	static char paths[N][24];

	for (int i = 0; i < N; i++) {
		snprintf(paths[i], sizeof(paths[i]), "d%d/f%04d", i % 7, i);
		files[i] = (struct sample_file){paths[i], 10 * KIB + (uint64_t)(i % 5), false};
	}
	for (int k = 0; k < N_KINDS; k++)
		round_trip(kinds[k], 256 * KIB, files, N, 8);
}

/* ---- names -------------------------------------------------------------- */

TEST(the_longest_names_leave_room_for_ours)
{
	struct scene c;
	struct store *st;
	char name[256], path[600];

	scene_init(&c, kinds[2], 128 * KIB, one, 1, 0);
	memset(name, 'n', 255);
	memcpy(name + 224, "\xc3\xa4", 2); /* a cut here would split a character */
	name[255] = '\0';
	snprintf(path, sizeof(path), "%s/%s", c.dir, name);
	CHECK_INT(open_store(&st, &c.s, c.p, STORE_DOWNLOAD, path, NULL), 0);
	CHECK(strstr(store_part_path(st), "/.nnn") != NULL);
	CHECK(strstr(store_part_path(st), "\xc3.") == NULL);
	put_rest(st, &c.s, c.p);
	save_now(st, c.p);
	store_finish(st);
	CHECK_STR(wait_event(c.p, STORE_FINISHED).err.text, "");
	check_content(&c.s, path);
	store_close(st);
	scene_fini(&c);
}

TEST(what_is_there_already_is_never_replaced)
{
	for (int single = 0; single < 2; single++) {
		struct scene c;
		struct store *st;
		struct err_info info;
		struct store_event e;

		scene_init(&c, kinds[1], 128 * KIB, single ? one : many, single ? 1 : N_MANY, 0);
		file_write(c.path, "mine", 4);
		CHECK_INT(open_store(&st, &c.s, c.p, STORE_DOWNLOAD, c.path, &info), ERR_EXISTS);
		CHECK(strstr(info.text, "/out: exists already") != NULL);
		CHECK_INT(names_in(c.dir), 1);
		CHECK_INT(unlink(c.path), 0);
		st = scene_open(&c, STORE_DOWNLOAD);
		put_rest(st, &c.s, c.p);
		file_write(c.path, "mine", 4);
		store_finish(st);
		e = wait_event(c.p, STORE_FINISHED);
		CHECK_INT(e.err.code, ERR_EXISTS);
		CHECK(strstr(e.err.text, "/out: File exists") != NULL);
		/* Once it is out of the way, the same call works. */
		CHECK_INT(unlink(c.path), 0);
		store_finish(st);
		CHECK_INT(wait_event(c.p, STORE_FINISHED).err.code, 0);
		check_content(&c.s, c.path);
		store_close(st);
		scene_fini(&c);
	}
}

TEST(executables_are_so_as_far_as_the_umask_allows)
{
	struct scene c;
	struct store *st;
	char path[400];
	struct stat info;
	mode_t before = umask(027);

	scene_init(&c, kinds[2], 128 * KIB, many, N_MANY, 0);
	st = scene_open(&c, STORE_DOWNLOAD);
	put_rest(st, &c.s, c.p);
	store_finish(st);
	CHECK_INT(wait_event(c.p, STORE_FINISHED).err.code, 0);
	snprintf(path, sizeof(path), "%s/a/one", c.path);
	CHECK_INT(stat(path, &info), 0);
	CHECK_INT(info.st_mode & 0777, 0750);
	snprintf(path, sizeof(path), "%s/zero", c.path);
	CHECK_INT(stat(path, &info), 0);
	CHECK_INT(info.st_mode & 0777, 0750);
	snprintf(path, sizeof(path), "%s/tail", c.path);
	CHECK_INT(stat(path, &info), 0);
	CHECK_INT(info.st_mode & 0777, 0640);
	umask(before);
	store_close(st);
	scene_fini(&c);
}

/* ---- one at a time ------------------------------------------------------ */

TEST(two_stores_do_not_write_one_file)
{
	for (int single = 0; single < 2; single++) {
		struct scene c;
		struct store *st, *other;
		struct err_info info;

		scene_init(&c, kinds[1], 128 * KIB, single ? one : many, single ? 1 : N_MANY, 0);
		st = scene_open(&c, STORE_DOWNLOAD);
		CHECK_INT(open_store(&other, &c.s, c.p, STORE_DOWNLOAD, c.path, &info), ERR_AGAIN);
		CHECK(strstr(info.text, "another shoal is downloading this") != NULL);
		store_close(st);
		st = scene_open(&c, STORE_DOWNLOAD);
		store_close(st);
		scene_fini(&c);
	}
}

TEST(a_store_closed_while_jobs_are_out_can_be_opened_at_once)
{
	struct scene c;
	struct store *st;

	scene_init(&c, kinds[0], 512 * KIB, many, N_MANY, 0);
	for (int i = 0; i < 20; i++) {
		st = scene_open(&c, STORE_DOWNLOAD);
		put_piece(st, &c.s, c.p, 0);
		store_recheck(st, true);
		store_save(st, store_have(st));
		store_save(st, store_have(st));
		store_close(st);
	}
	st = scene_open(&c, STORE_DOWNLOAD);
	CHECK_INT(pool_slabs_free(c.p), POOL_SLABS_DEFAULT);
	store_recheck(st, false);
	while (!wait_event(c.p, STORE_CHECKED).last)
		continue;
	put_rest(st, &c.s, c.p);
	store_finish(st);
	CHECK_INT(wait_event(c.p, STORE_FINISHED).err.code, 0);
	check_content(&c.s, c.path);
	store_close(st);
	scene_fini(&c);
}

TEST(a_closed_store_has_no_events)
{
	struct scene c;
	struct store *st;
	struct store_event e;

	scene_init(&c, kinds[1], 128 * KIB, one, 1, 0);
	st = scene_open(&c, STORE_DOWNLOAD);
	put_piece(st, &c.s, c.p, 0);
	store_fetch(st, UINT32_MAX, 0, 1, 5);
	store_close(st);
	CHECK(!store_next_event(c.p, &e));
	pool_wait(c.p);
	pool_drain(c.p);
	CHECK(!store_next_event(c.p, &e));
	scene_fini(&c);
}

TEST(discarding_leaves_nothing_behind)
{
	for (int single = 0; single < 2; single++) {
		struct scene c;
		struct store *st;

		scene_init(&c, kinds[2], 128 * KIB, single ? one : many, single ? 1 : N_MANY, 0);
		st = scene_open(&c, STORE_DOWNLOAD);
		put_piece(st, &c.s, c.p, 0);
		CHECK_INT(wait_event(c.p, STORE_VERIFIED).good, 1);
		save_now(st, c.p);
		put_piece(st, &c.s, c.p, 1); /* still on its way */
		CHECK_INT(store_discard(st, NULL), 0);
		CHECK_INT(names_in(c.dir), 0);
		store_close(st);
		scene_fini(&c);
	}
}

TEST(saves_that_overlap_are_merged)
{
	struct scene c;
	struct store *st;
	struct store_event e;
	int saved = 0;

	scene_init(&c, kinds[1], 128 * KIB, many, N_MANY, 0);
	st = scene_open(&c, STORE_DOWNLOAD);
	put_rest(st, &c.s, c.p);
	for (int i = 0; i < 10; i++)
		store_save(st, store_have(st));
	store_finish(st);
	for (;;) {
		e = next_event(c.p);
		if (e.type == STORE_FINISHED)
			break;
		CHECK_INT(e.type, STORE_SAVED);
		CHECK_INT(e.err.code, 0);
		saved++;
	}
	CHECK_INT(saved, 2);
	CHECK_INT(names_in(c.dir), 1);
	/* Saving what is finished writes no state file any more. */
	store_save(st, store_have(st));
	CHECK_INT(wait_event(c.p, STORE_SAVED).err.code, 0);
	CHECK_INT(names_in(c.dir), 1);
	store_close(st);
	scene_fini(&c);
}

/* ---- open files --------------------------------------------------------- */

TEST(no_more_files_are_open_than_the_limit_says)
{
	enum { N = 300 };
	static struct sample_file files[N];
	static char paths[N][16];
	struct scene c;
	struct store *st;
	unsigned before, now, most = 0;

	for (int i = 0; i < N; i++) {
		snprintf(paths[i], sizeof(paths[i]), "f%03d", i);
		files[i] = (struct sample_file){paths[i], 20000, false};
	}
	scene_init(&c, kinds[1], 32 * KIB, files, N, 0);
	before = names_in("/proc/self/fd");
	st = scene_open(&c, STORE_DOWNLOAD);
	for (uint32_t i = 0; i < c.s.m->n_pieces; i++) {
		put_piece(st, &c.s, c.p, i);
		CHECK(wait_event(c.p, STORE_VERIFIED).good);
		now = names_in("/proc/self/fd");
		most = now > most ? now : most;
	}
	/* One for the folder, one for its parent. */
	CHECK_INT(most, before + STORE_FDS_MAX + 2);
	check_readable(&c, st);
	CHECK(names_in("/proc/self/fd") <= before + STORE_FDS_MAX + 2);
	store_finish(st);
	CHECK_INT(wait_event(c.p, STORE_FINISHED).err.code, 0);
	check_content(&c.s, c.path);
	store_close(st);
	CHECK_INT(names_in("/proc/self/fd"), before);
	scene_fini(&c);
}

/* Until room_again(), the process may open no file more. */
static struct rlimit no_room(void)
{
	struct rlimit old, full;
	int highest = open("/dev/null", O_RDONLY | O_CLOEXEC);

	CHECK_INT(getrlimit(RLIMIT_NOFILE, &old), 0);
	full = (struct rlimit){(rlim_t)highest, old.rlim_max};
	close(highest);
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &full), 0);
	return old;
}

static void room_again(const struct rlimit *old)
{
	CHECK_INT(setrlimit(RLIMIT_NOFILE, old), 0);
}

TEST(without_descriptors_open_files_make_way_for_one_another_and_the_loop_never_waits)
{
	struct scene c;
	struct store *st, *other = NULL;
	struct store_event e;
	struct rlimit old;
	uint8_t byte;

	scene_init(&c, kinds[1], 128 * KIB, many, N_MANY, 0);
	scene_fill(&c);
	st = scene_open(&c, STORE_SEED);
	store_trust_all(st);
	CHECK_INT(store_limit_files(c.p, 1), 0);
	CHECK_INT(read_one(st, 0, 0, 1, &byte), 0);
	CHECK_INT(store_open_files(c.p), 1);
	CHECK_INT(read_one(st, 1, 0, 1, &byte), 0);
	CHECK_INT(store_open_files(c.p), 1);

	/* Opening one takes another for its folder, so there is none but by waiting. */
	old = no_room();
	CHECK_INT(store_ready(st, 5, 0, 1), ERR_AGAIN);
	CHECK_INT(store_open_files(c.p), 0);
	store_fetch(st, 5, 0, 1, 7);
	store_look(st);
	store_doubt(st, 0);
	store_recheck(st, false);
	CHECK(store_open(
		  &(struct store_params){
		      .mode = STORE_SEED, .pool = c.p, .meta = c.s.m, .path = c.path},
		  &other, NULL) != OK);
	e = wait_event(c.p, STORE_LOOKED);
	CHECK_INT(e.err.code, ERR_TOO_BIG);
	CHECK_INT(e.n_changed, 0);
	for (int i = 0; i < 2; i++) {
		e = next_event(c.p);
		CHECK(e.type == STORE_FETCHED || e.type == STORE_CHECKED);
		CHECK_INT(e.err.code, ERR_TOO_BIG);
	}
	room_again(&old);
	/* What nobody could look at is not lost. */
	CHECK_INT(store_unsure(st), 1);
	store_recheck(st, false);
	CHECK(wait_event(c.p, STORE_CHECKED).good);
	CHECK(bitfield_full(store_have(st)));
	store_fetch(st, 5, 0, 1, 8);
	CHECK_INT(wait_event(c.p, STORE_FETCHED).err.code, OK);
	CHECK_INT(store_ready(st, 5, 0, 1), OK);
	store_close(st);
	scene_fini(&c);
}

/* ---- seeding ------------------------------------------------------------ */

TEST(a_shared_folder_is_read_fetched_and_hashed)
{
	for (int k = 0; k < N_KINDS; k++) {
		struct scene c;
		struct store *st;
		struct store_event e;
		uint8_t leaf[SHA256_LEN];
		uint64_t n;

		scene_init(&c, kinds[k], 128 * KIB, many, N_MANY, 0);
		scene_fill(&c);
		st = scene_open(&c, STORE_SEED);
		CHECK_INT(store_have(st)->count, 0);
		store_trust_all(st);
		CHECK(bitfield_full(store_have(st)));
		store_fetch(st, 1, 0, 1000, 77);
		e = wait_event(c.p, STORE_FETCHED);
		CHECK_INT(e.err.code, 0);
		CHECK_INT(e.token, 77);
		check_readable(&c, st);
		store_leaves(st, 1, 88);
		e = wait_event(c.p, STORE_LEAVES);
		CHECK_INT(e.token, 88);
		CHECK_INT(e.n_hashes, meta_piece_blocks(c.s.m, 1));
		sha256_of(bytes_of(c.s.space + c.s.m->piece_length, BLOCK_BYTES), leaf);
		n = meta_piece_bytes(c.s.m, 1);
		if (n >= BLOCK_BYTES && (kinds[k].v1 != kinds[k].v2 || k == 0))
			CHECK_MEM(e.hashes, leaf, SHA256_LEN);
		CHECK_INT(store_discard(st, NULL), ERR_INVALID);
		store_save(st, store_have(st));
		CHECK_INT(wait_event(c.p, STORE_SAVED).err.code, 0);
		store_finish(st);
		CHECK_INT(wait_event(c.p, STORE_FINISHED).err.code, 0);
		store_close(st);
		scene_fini(&c);
	}
}

TEST(ranges_outside_a_piece_are_refused)
{
	struct scene c;
	struct store *st;
	uint8_t out[16];
	uint32_t last, n;

	scene_init(&c, kinds[1], 128 * KIB, one, 1, 0);
	scene_fill(&c);
	st = scene_open(&c, STORE_SEED);
	last = c.s.m->n_pieces - 1;
	n = meta_request_bytes(c.s.m, last);
	CHECK_INT(read_one(st, last, n - 16, 16, out), 0);
	CHECK_INT(read_one(st, last, n - 15, 16, out), ERR_INVALID);
	CHECK_INT(read_one(st, last, UINT32_MAX, 16, out), ERR_INVALID);
	CHECK_INT(read_one(st, last + 1, 0, 16, out), ERR_INVALID);
	CHECK_INT(read_one(st, last, 16, UINT32_MAX, out), ERR_INVALID);
	store_fetch(st, last, n - 15, 16, 1);
	CHECK_INT(wait_event(c.p, STORE_FETCHED).err.code, ERR_INVALID);
	store_close(st);
	scene_fini(&c);
}

TEST(a_shared_file_that_changes_is_not_sent)
{
	struct scene c;
	struct store *st;
	struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	uint8_t out[16];

	scene_init(&c, kinds[1], 128 * KIB, one, 1, 0);
	scene_fill(&c);
	st = scene_open(&c, STORE_SEED);
	CHECK_INT(read_one(st, 0, 0, 16, out), 0);
	CHECK_INT(utimensat(AT_FDCWD, c.path, times, 0), 0);
	CHECK_INT(read_one(st, 0, 0, 16, out), ERR_MISMATCH);
	store_close(st);
	st = scene_open(&c, STORE_SEED);
	CHECK_INT(read_one(st, 1, 0, 16, out), 0);
	CHECK_INT(truncate(c.path, 100), 0);
	CHECK_INT(read_one(st, 1, 0, 16, out), ERR_MISMATCH);
	store_fetch(st, 1, 0, 16, 0);
	CHECK_INT(wait_event(c.p, STORE_FETCHED).err.code, ERR_MISMATCH);
	store_close(st);
	scene_fini(&c);
}

TEST(a_finished_download_that_changes_is_not_read)
{
	struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

	for (int single = 0; single < 2; single++) {
		struct scene c;
		struct store *st;
		struct store_event e;
		char path[400];

		scene_init(&c, kinds[1], 128 * KIB, single ? one : many, single ? 1 : N_MANY, 0);
		st = scene_open(&c, STORE_DOWNLOAD);
		put_rest(st, &c.s, c.p);
		store_finish(st);
		CHECK_INT(wait_event(c.p, STORE_FINISHED).err.code, 0);
		store_read(st, 0, 16, 0);
		e = wait_event(c.p, STORE_READ);
		CHECK_INT(e.err.code, OK);
		CHECK_MEM(e.data.ptr, c.s.space, 16);
		snprintf(path, sizeof(path), single ? "%s" : "%s/%s", c.path,
			 c.s.m->files[meta_file_at(c.s.m, 0)].path);
		CHECK_INT(utimensat(AT_FDCWD, path, times, 0), 0);
		store_read(st, 0, 16, 0);
		CHECK_INT(wait_event(c.p, STORE_READ).err.code, ERR_MISMATCH);
		store_close(st);
		scene_fini(&c);
	}
}

TEST(what_is_shared_must_be_there_in_full)
{
	struct scene c;
	struct store *st;
	struct err_info info;
	char path[400], moved[400];

	scene_init(&c, kinds[1], 128 * KIB, many, N_MANY, 0);
	CHECK_INT(open_store(&st, &c.s, c.p, STORE_SEED, c.path, &info), ERR_NOENT);
	scene_fill(&c);
	snprintf(path, sizeof(path), "%s/b/c/odd", c.path);
	CHECK_INT(truncate(path, 16386), 0);
	CHECK_INT(open_store(&st, &c.s, c.p, STORE_SEED, c.path, &info), ERR_INVALID);
	CHECK(strstr(info.text, "/b/c/odd: has another size") != NULL);
	CHECK_INT(unlink(path), 0);
	CHECK_INT(open_store(&st, &c.s, c.p, STORE_SEED, c.path, &info), ERR_NOENT);
	CHECK_INT(symlink("exact", path), 0);
	CHECK_INT(open_store(&st, &c.s, c.p, STORE_SEED, c.path, &info), ERR_INVALID);
	CHECK_INT(unlink(path), 0);
	CHECK_INT(mkdir(path, 0777), 0);
	CHECK_INT(open_store(&st, &c.s, c.p, STORE_SEED, c.path, &info), ERR_INVALID);
	snprintf(path, sizeof(path), "%s/b/c", c.path);
	snprintf(moved, sizeof(moved), "%s/elsewhere", c.dir);
	CHECK_INT(rename(path, moved), 0);
	CHECK_INT(symlink(moved, path), 0);
	CHECK_INT(open_store(&st, &c.s, c.p, STORE_SEED, c.path, &info), ERR_DENIED);
	scene_fini(&c);
}

TEST(the_shared_path_itself_may_be_a_link)
{
	for (int single = 0; single < 2; single++) {
		struct scene c;
		struct store *st;
		char path[400];

		scene_init(&c, kinds[1], 128 * KIB, single ? one : many, single ? 1 : N_MANY, 0);
		scene_fill(&c);
		snprintf(path, sizeof(path), "%s/link", c.dir);
		CHECK_INT(symlink("out", path), 0);
		CHECK_INT(open_store(&st, &c.s, c.p, STORE_SEED, path, NULL), 0);
		check_readable(&c, st);
		store_close(st);
		scene_fini(&c);
	}
}

TEST(a_seed_that_nobody_asks_holds_no_descriptors)
{
	for (int single = 0; single < 2; single++) {
		struct scene c;
		struct store *st;
		unsigned before;

		scene_init(&c, kinds[1], 128 * KIB, single ? one : many, single ? 1 : N_MANY, 0);
		scene_fill(&c);
		before = names_in("/proc/self/fd");
		st = scene_open(&c, STORE_SEED);
		CHECK_INT(names_in("/proc/self/fd"), before);
		check_readable(&c, st);
		CHECK(names_in("/proc/self/fd") > before);
		store_close(st);
		CHECK_INT(names_in("/proc/self/fd"), before);
		scene_fini(&c);
	}
}

TEST(another_folder_in_the_place_of_the_shared_one_is_not_read)
{
	struct scene c;
	struct store *st;
	char moved[400], from[450], to[450];

	scene_init(&c, kinds[1], 128 * KIB, many, N_MANY, 0);
	scene_fill(&c);
	st = scene_open(&c, STORE_SEED);
	snprintf(moved, sizeof(moved), "%s/elsewhere", c.dir);
	snprintf(from, sizeof(from), "%s/tail", moved);
	snprintf(to, sizeof(to), "%s/tail", c.path);
	CHECK_INT(rename(c.path, moved), 0);
	CHECK_INT(mkdir(c.path, 0777), 0);
	CHECK_INT(link(from, to), 0); /* the very file, in another folder */
	store_fetch(st, c.s.m->n_pieces - 1, 0, 16, 0);
	CHECK_INT(wait_event(c.p, STORE_FETCHED).err.code, ERR_NOENT);
	CHECK_INT(unlink(to), 0);
	CHECK_INT(rmdir(c.path), 0);
	CHECK_INT(rename(moved, c.path), 0);
	store_fetch(st, c.s.m->n_pieces - 1, 0, 16, 0);
	CHECK_INT(wait_event(c.p, STORE_FETCHED).err.code, OK);
	store_close(st);
	scene_fini(&c);
}

TEST(a_piece_that_is_dropped_gives_its_space_back_and_the_others_stay)
{
	for (int k = 0; k < N_KINDS; k++) {
		struct scene c;
		struct store *st;
		struct stat full, less;
		uint8_t got[16 * KIB];

		scene_init(&c, kinds[k], 128 * KIB, one, 1, 0);
		st = scene_open(&c, STORE_DOWNLOAD);
		put_rest(st, &c.s, c.p);
		CHECK_INT(stat(store_part_path(st), &full), 0);
		store_drop(st, 1);
		store_drop(st, 1); /* once is enough */
		CHECK(!bitfield_has(store_have(st), 1));
		CHECK_INT(wait_event(c.p, STORE_DROPPED).err.code, 0);
		CHECK_INT(stat(store_part_path(st), &less), 0);
		CHECK_INT(less.st_size, full.st_size);
		CHECK((full.st_blocks - less.st_blocks) * 512 >= 120 * KIB);
		for (uint32_t i = 0; i < 3; i += 2) {
			CHECK_INT(read_one(st, i, 0, 16 * KIB, got), 0);
			CHECK_MEM(got, c.s.space + i * 128 * KIB, 16 * KIB);
		}
		store_close(st);
		scene_fini(&c);
	}
}

/* Keeps the one worker of a pool until it is let go. */
struct hold {
	struct pool_job job;
	pthread_mutex_t lock;
};

static void hold_run(struct pool_job *job, struct pool_worker *w)
{
	struct hold *h = (struct hold *)job;

	(void)w;
	pthread_mutex_lock(&h->lock);
	pthread_mutex_unlock(&h->lock);
}

static void hold_done(struct pool_job *job)
{
	(void)job;
}

TEST(a_store_may_be_closed_and_its_torrent_freed_while_a_piece_is_dropped)
{
	struct hold h = {.job = {.run = hold_run, .done = hold_done}};
	struct scene c;
	struct store *st;

	scene_init(&c, kinds[2], 128 * KIB, one, 1, 0);
	pool_free(c.p);
	CHECK_INT(pool_new(1, 0, &c.p, NULL), 0);
	st = scene_open(&c, STORE_DOWNLOAD);
	put_rest(st, &c.s, c.p);
	CHECK_INT(pthread_mutex_init(&h.lock, NULL), 0);
	CHECK_INT(pthread_mutex_lock(&h.lock), 0);
	pool_submit(c.p, &h.job);
	store_drop(st, 1);
	store_close(st);
	meta_free(c.s.m);
	c.s.m = NULL;
	CHECK_INT(pthread_mutex_unlock(&h.lock), 0);
	pool_free(c.p);
	c.p = NULL;
	CHECK_INT(pthread_mutex_destroy(&h.lock), 0);
	scene_fini(&c);
}

TEST(preallocation_takes_the_space_at_once)
{
	struct scene c;
	struct store_params params;
	struct store *st;
	struct stat info;

	scene_init(&c, kinds[1], 128 * KIB, one, 1, 0);
	params = (struct store_params){.mode = STORE_DOWNLOAD,
				       .pool = c.p,
				       .meta = c.s.m,
				       .torrent = buf_bytes(&c.s.torrent),
				       .path = c.path,
				       .preallocate = true};
	CHECK_INT(store_open(&params, &st, NULL), 0);
	CHECK_INT(stat(store_part_path(st), &info), 0);
	CHECK_INT(info.st_size, one[0].length);
	CHECK((uint64_t)info.st_blocks * 512 >= one[0].length);
	put_rest(st, &c.s, c.p);
	store_finish(st);
	CHECK_INT(wait_event(c.p, STORE_FINISHED).err.code, 0);
	check_content(&c.s, c.path);
	store_close(st);
	scene_fini(&c);
}
