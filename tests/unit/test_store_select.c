/* Files that are wanted, and those that are not. */
#include <errno.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test.h"

#include "meta/selection.h"
#include "store/resume.h"
#include "store_fixture.h"

#define KIB 1024u

/* Pieces of 128 KiB: in v1 "b/two" begins in the middle of a piece and ends in one of "c/three". */
static const struct sample_file many[] = {
    {"a/one", 300 * KIB, false}, {"b/two", 200 * KIB, false}, {"c/three", 500 * KIB + 1, false},
    {"d/empty", 0, false},	 {"e/small", 1000, true},
};
#define N_MANY (sizeof(many) / sizeof(many[0]))

struct choice {
	struct scene c;
	struct store *st;
	uint8_t want[16];
	uint8_t pieces[64];
};

static void choose(struct choice *k, const char *glob)
{
	const char *const globs[] = {glob, NULL};

	CHECK(selection_by_globs(k->c.s.m, globs, k->want) > 0);
	selection_pieces(k->c.s.m, k->want, k->pieces);
}

static int open_chosen(struct choice *k, struct err_info *info)
{
	struct store_params p = {.mode = STORE_DOWNLOAD,
				 .pool = k->c.p,
				 .meta = k->c.s.m,
				 .torrent = buf_bytes(&k->c.s.torrent),
				 .path = k->c.path,
				 .wanted = k->want};

	return store_open(&p, &k->st, info);
}

static void begin(struct choice *k, int kind, const char *glob)
{
	scene_init(&k->c, kinds[kind], 128 * KIB, many, N_MANY, 0);
	choose(k, glob);
	CHECK_INT(open_chosen(k, NULL), 0);
}

/* Receive what is wanted and missing. */
static void fetch(struct choice *k)
{
	for (uint32_t i = 0; i < k->c.s.m->n_pieces; i++) {
		if (k->pieces[i] == WANT_NOT || bitfield_has(store_have(k->st), i))
			continue;
		put_piece(k->st, &k->c.s, k->c.p, i);
		CHECK(wait_event(k->c.p, STORE_VERIFIED).good);
	}
}

static const char *finish(struct choice *k)
{
	static char text[ERR_TEXT_MAX];

	store_finish(k->st);
	snprintf(text, sizeof(text), "%s", wait_event(k->c.p, STORE_FINISHED).err.text);
	return text;
}

static int recheck(struct choice *k)
{
	struct store_event e;

	store_recheck(k->st, false);
	do {
		e = wait_event(k->c.p, STORE_CHECKED);
		CHECK(e.err.code == OK || e.last);
	} while (!e.last);
	return e.err.code;
}

static void end(struct choice *k)
{
	store_close(k->st);
	scene_fini(&k->c);
}

/* Which files are beneath `base` whole and right, as letters; '!' behind one that is not. */
static const char *there(const struct choice *k, const char *base)
{
	static char text[64];
	size_t n = 0;

	for (uint32_t i = 0; i < k->c.s.m->n_files; i++) {
		const struct meta_file *f = &k->c.s.m->files[i];
		char path[8192];
		uint8_t *data;
		size_t len = 0;

		snprintf(path, sizeof(path), "%s/%s", base, f->path);
		if (!selection_is_real(f) || (data = file_load(path, &len)) == NULL)
			continue;
		text[n++] = f->path[0];
		if (len != f->length || memcmp(data, k->c.s.space + f->offset, len) != 0)
			text[n++] = '!';
		free(data);
	}
	text[n] = '\0';
	return text;
}

static const char *beside(const struct choice *k, const char *suffix)
{
	static char path[8192];
	const uint8_t *hash = k->c.s.m->v2 ? k->c.s.m->hash_v2 : k->c.s.m->hash_v1;

	snprintf(path, sizeof(path), "%s/.out.%08x%s", k->c.dir, be32(hash), suffix);
	return path;
}

/* Every piece that is had can be read. */
static void check_served(struct choice *k)
{
	for (uint32_t i = 0; i < k->c.s.m->n_pieces; i++) {
		if (!bitfield_has(store_have(k->st), i))
			continue;
		store_leaves(k->st, i, i);
		CHECK_INT(wait_event(k->c.p, STORE_LEAVES).err.code, 0);
	}
}

TEST(files_that_are_not_wanted_are_never_made)
{
	for (int kind = 0; kind < N_KINDS; kind++) {
		struct choice k;

		begin(&k, kind, "b/*");
		fetch(&k);
		CHECK_STR(finish(&k), "");
		CHECK_STR(there(&k, k.c.path), "b");
		check_served(&k);
		/* v1 pieces reach into the neighbours; v2 ones never do. */
		CHECK(path_exists(beside(&k, ".shoal-rest")) == !k.c.s.m->v2);
		CHECK(!path_exists(beside(&k, ".shoal")));
		end(&k);
	}
}

TEST(what_is_wanted_later_comes_to_the_folder_that_has_its_name)
{
	for (int kind = 0; kind < N_KINDS; kind++) {
		struct choice k;

		begin(&k, kind, "b/*");
		fetch(&k);
		CHECK_STR(finish(&k), "");
		choose(&k, "[bc]/*");
		CHECK_INT(store_select(k.st, k.want, NULL), 0);
		/* Nothing that is not whole is at its final name. */
		put_piece(k.st, &k.c.s, k.c.p, k.c.s.m->n_pieces / 2);
		wait_event(k.c.p, STORE_VERIFIED);
		CHECK_STR(there(&k, k.c.path), "b");
		fetch(&k);
		CHECK_STR(finish(&k), "");
		CHECK_STR(there(&k, k.c.path), "bc");
		choose(&k, "*");
		CHECK_INT(store_select(k.st, NULL, NULL), 0);
		fetch(&k);
		CHECK_STR(finish(&k), "");
		check_content(&k.c.s, k.c.path);
		CHECK(!path_exists(beside(&k, ".shoal-rest")));
		CHECK(!path_exists(beside(&k, ".shoal-state")));
		check_served(&k);
		end(&k);
	}
}

TEST(what_is_not_wanted_any_more_goes_aside_and_comes_back)
{
	for (int kind = 0; kind < N_KINDS; kind++) {
		struct choice k;

		begin(&k, kind, "*");
		/* Some of everything, and all of "e". */
		for (uint32_t i = 0; i < k.c.s.m->n_pieces;
		     i += i + 2 < k.c.s.m->n_pieces ? 2 : 1) {
			put_piece(k.st, &k.c.s, k.c.p, i);
			CHECK(wait_event(k.c.p, STORE_VERIFIED).good);
		}
		choose(&k, "b/*");
		CHECK_INT(store_select(k.st, k.want, NULL), 0);
		check_served(&k);
		choose(&k, "[bc]/*");
		CHECK_INT(store_select(k.st, k.want, NULL), 0);
		check_served(&k);
		fetch(&k);
		CHECK_STR(finish(&k), "");
		CHECK(strncmp(there(&k, k.c.path), "bc", 2) == 0);
		CHECK(strchr(there(&k, k.c.path), '!') == NULL);
		check_served(&k);
		end(&k);
	}
}

/* As older versions left it. */
static void forget_times(struct choice *k)
{
	const char *path = beside(k, ".shoal-state");
	struct resume r;
	struct buf out;
	size_t len = 0;
	uint8_t *data = file_load(path, &len);

	CHECK_INT(resume_decode(bytes_of(data, len), &r), 0);
	CHECK(r.placed && r.timed);
	CHECK_INT(r.open_s, 0);
	r.timed = false;
	buf_init(&out, SIZE_MAX);
	CHECK_INT(resume_encode(&r, &out), 0);
	file_write(path, out.ptr, out.len);
	bitfield_fini(&r.have);
	buf_fini(&out);
	free(data);
}

TEST(a_choice_is_gone_on_with_after_a_new_start)
{
	for (int kind = 0; kind < N_KINDS; kind++) {
		uint32_t had;
		struct choice k;

		begin(&k, kind, "b/*");
		fetch(&k);
		had = store_have(k.st)->count;
		save_now(k.st, k.c.p);
		store_close(k.st);
		/* Unfinished, with another choice. */
		choose(&k, "[ab]/*");
		CHECK_INT(open_chosen(&k, NULL), 0);
		CHECK_INT(store_have(k.st)->count, had);
		fetch(&k);
		CHECK_STR(finish(&k), "");
		CHECK_STR(there(&k, k.c.path), "ab");
		CHECK(store_is_partial(k.c.s.m, k.c.path));
		store_close(k.st);
		/* At its final name: what nobody touched is not hashed, nothing is fetched twice.
		 */
		choose(&k, "*");
		CHECK_INT(open_chosen(&k, NULL), 0);
		CHECK(store_have(k.st)->count > had);
		CHECK_INT(store_unsure(k.st), 0);
		had = store_have(k.st)->count;
		store_close(k.st);
		/* Where no time tells all of it is. */
		forget_times(&k);
		CHECK_INT(open_chosen(&k, NULL), 0);
		CHECK_INT(store_have(k.st)->count, 0);
		CHECK_INT(recheck(&k), 0);
		CHECK_INT(store_have(k.st)->count, had);
		fetch(&k);
		CHECK_STR(there(&k, k.c.path), "ab");
		CHECK_STR(finish(&k), "");
		check_content(&k.c.s, k.c.path);
		CHECK(!store_is_partial(k.c.s.m, k.c.path));
		end(&k);
	}
}

TEST(what_the_user_changed_or_made_in_the_folder_is_never_touched)
{
	for (int kind = 0; kind < N_KINDS; kind++) {
		char mine[8192], edited[8192];
		struct choice k;
		uint8_t *data;
		size_t len = 0;

		begin(&k, kind, "a/*");
		fetch(&k);
		CHECK_STR(finish(&k), "");
		store_close(k.st);
		snprintf(edited, sizeof(edited), "%s/a/one", k.c.path);
		snprintf(mine, sizeof(mine), "%s/b", k.c.path);
		CHECK_INT(mkdir(mine, 0777), 0);
		snprintf(mine, sizeof(mine), "%s/b/two", k.c.path);
		file_write(mine, "mine", 4);
		choose(&k, "[ab]/*");
		CHECK_INT(open_chosen(&k, NULL), 0);
		CHECK_INT(recheck(&k), 0);
		fetch(&k);
		CHECK(strstr(finish(&k), "exists") != NULL);
		CHECK_STR(there(&k, k.c.path), "ab!");
		data = file_load(mine, &len);
		CHECK_INT(len, 4);
		free(data);
		CHECK_INT(unlink(mine), 0);
		CHECK_STR(finish(&k), "");
		CHECK_STR(there(&k, k.c.path), "ab");
		store_close(k.st);
		data = file_load(edited, &len);
		data[len / 2] ^= 1;
		usleep(20 * 1000); /* times of files are coarse */
		file_write(edited, data, len);
		free(data);
		CHECK_INT(open_chosen(&k, NULL), 0);
		CHECK_INT(recheck(&k), ERR_EXISTS);
		store_close(k.st);
		/* Moved away, it is fetched again, and only it. */
		CHECK_INT(unlink(edited), 0);
		CHECK_INT(open_chosen(&k, NULL), 0);
		CHECK_INT(recheck(&k), 0);
		CHECK(store_have(k.st)->count > 0);
		fetch(&k);
		CHECK_STR(finish(&k), "");
		CHECK_STR(there(&k, k.c.path), "ab");
		end(&k);
	}
}

static const char *in_folder(const struct choice *k, const char *file)
{
	static char path[8192];

	snprintf(path, sizeof(path), "%s/%s", k->c.path, file);
	return path;
}

static uint32_t changed_files(struct choice *k)
{
	store_look(k->st);
	return wait_event(k->c.p, STORE_LOOKED).n_changed;
}

/* One byte of "a/one" is another, or again what it was. */
static void edit_one(struct choice *k)
{
	const char *path = in_folder(k, "a/one");
	size_t len = 0;
	uint8_t *data = file_load(path, &len);

	usleep(20 * 1000); /* times of files are coarse */
	data[len / 2] ^= 1;
	file_write(path, data, len);
	free(data);
}

/* Looks go on until the file is found at rest. */
static void wait_until_at_rest(struct choice *k)
{
	for (int tries = 0; changed_files(k) > 0; tries++) {
		CHECK(tries < 200);
		usleep(50 * 1000);
	}
}

static void complete(struct choice *k)
{
	fetch(k);
	CHECK_STR(finish(k), "");
}

/* Everything is wanted now, and comes. */
static void select_all(struct choice *k)
{
	struct err_info why = {0};

	choose(k, "*");
	CHECK_INT(store_select(k->st, k->want, &why), 0);
	complete(k);
	check_content(&k->c.s, k->c.path);
}

/* When the state says that a run writes; 0: none does. */
static uint64_t state_open_s(const struct choice *k)
{
	struct resume r;
	size_t len = 0;
	uint8_t *data = file_load(beside(k, ".shoal-state"), &len);

	CHECK_INT(resume_decode(bytes_of(data, len), &r), 0);
	bitfield_fini(&r.have);
	free(data);
	return r.open_s;
}

TEST(of_a_part_those_files_alone_are_hashed_at_a_start_that_somebody_touched)
{
	for (int kind = 0; kind < N_KINDS; kind++) {
		struct choice k;
		uint32_t had;

		begin(&k, kind, "[ae]/*");
		complete(&k);
		had = store_have(k.st)->count;
		store_close(k.st);
		edit_one(&k);
		edit_one(&k);
		CHECK_INT(open_chosen(&k, NULL), 0);
		CHECK_INT(store_unsure(k.st), 3);
		CHECK_INT(recheck(&k), 0);
		CHECK_INT(store_have(k.st)->count, had);
		CHECK_STR(finish(&k), "");
		store_close(k.st);
		CHECK_INT(open_chosen(&k, NULL), 0);
		CHECK_INT(store_have(k.st)->count, had);
		CHECK_INT(store_unsure(k.st), 0);
		/* Killed while more of it is fetched, of which the state tells. */
		CHECK_STR(finish(&k), "");
		CHECK_INT(state_open_s(&k), 0);
		choose(&k, "*");
		CHECK_INT(store_select(k.st, k.want, NULL), 0);
		put_piece(k.st, &k.c.s, k.c.p, k.c.s.m->n_pieces / 2);
		CHECK(wait_event(k.c.p, STORE_VERIFIED).good);
		CHECK(state_open_s(&k) != 0);
		store_close(k.st);
		CHECK_INT(open_chosen(&k, NULL), 0);
		CHECK_INT(store_have(k.st)->count, had);
		CHECK_INT(store_unsure(k.st), 1);
		CHECK_INT(recheck(&k), 0);
		complete(&k);
		check_content(&k.c.s, k.c.path);
		end(&k);
	}
}

TEST(files_of_a_part_are_watched_like_those_of_a_whole)
{
	for (int kind = 0; kind < N_KINDS; kind++) {
		struct err_info why = {0};
		struct choice k;
		uint32_t had;

		begin(&k, kind, "[ae]/*");
		complete(&k);
		had = store_have(k.st)->count;
		CHECK_INT(changed_files(&k), 0);
		/* Then after a new start, in which nothing but hashing happens. */
		for (int again = 0; again < 2; again++) {
			uint32_t left;

			edit_one(&k);
			CHECK_INT(store_ready(k.st, 1, 0, 1), ERR_MISMATCH);
			CHECK_INT(changed_files(&k), 1);
			left = store_have(k.st)->count;
			CHECK(left > 0 && left < had);
			check_served(&k);
			/* Beside it nothing more is fetched. */
			choose(&k, "*");
			CHECK_INT(store_select(k.st, k.want, &why), ERR_EXISTS);
			CHECK(strstr(why.text, "a/one") != NULL);
			choose(&k, "[ae]/*");
			edit_one(&k);
			wait_until_at_rest(&k);
			CHECK_INT(store_have(k.st)->count, left);
			CHECK_INT(recheck(&k), 0);
			CHECK_INT(store_have(k.st)->count, had);
			check_served(&k);
			if (again > 0)
				break;
			store_close(k.st);
			CHECK_INT(open_chosen(&k, NULL), 0);
			CHECK_INT(recheck(&k), 0);
			CHECK_STR(finish(&k), "");
		}
		/* What comes later is watched as well, what was there before still is. */
		choose(&k, "[abe]/*");
		CHECK_INT(store_select(k.st, k.want, &why), 0);
		complete(&k);
		CHECK_STR(there(&k, k.c.path), "abe");
		CHECK_INT(changed_files(&k), 0);
		edit_one(&k);
		CHECK_INT(unlink(in_folder(&k, "b/two")), 0);
		CHECK_INT(changed_files(&k), 2);
		/* What was moved away is fetched again, once nothing else is in doubt. */
		choose(&k, "*");
		CHECK_INT(store_select(k.st, k.want, &why), ERR_EXISTS);
		CHECK_STR(there(&k, k.c.path), "a!e");
		CHECK_INT(unlink(in_folder(&k, "a/one")), 0);
		select_all(&k);
		CHECK_INT(changed_files(&k), 0);
		end(&k);
	}
}

TEST(what_was_changed_and_is_not_wanted_any_more_stays_where_it_is)
{
	for (int kind = 0; kind < N_KINDS; kind++) {
		struct err_info why = {0};
		struct choice k;

		begin(&k, kind, "[ae]/*");
		complete(&k);
		edit_one(&k);
		CHECK_INT(changed_files(&k), 1);
		choose(&k, "e/*");
		CHECK_INT(store_select(k.st, k.want, &why), 0);
		CHECK_STR(there(&k, k.c.path), "a!e");
		CHECK_INT(changed_files(&k), 0);
		/* It is in the way of more, until it is moved away. */
		choose(&k, "*");
		CHECK_INT(store_select(k.st, k.want, &why), ERR_EXISTS);
		CHECK_STR(there(&k, k.c.path), "a!e");
		CHECK_INT(unlink(in_folder(&k, "a/one")), 0);
		select_all(&k);
		end(&k);
	}
}

TEST(what_was_removed_and_is_not_wanted_any_more_is_missed_by_nobody)
{
	for (int kind = 0; kind < N_KINDS; kind++) {
		struct err_info why = {0};
		struct choice k;

		begin(&k, kind, "[ae]/*");
		complete(&k);
		CHECK_INT(unlink(in_folder(&k, "a/one")), 0);
		CHECK_INT(changed_files(&k), 1);
		choose(&k, "e/*");
		CHECK_INT(store_select(k.st, k.want, &why), 0);
		CHECK_INT(changed_files(&k), 0);
		select_all(&k);
		CHECK_INT(changed_files(&k), 0);
		end(&k);
	}
}

/* Wanted at first, and whole before the rest was. */
TEST(what_is_whole_but_not_wanted_any_more_is_watched_too)
{
	struct err_info why = {0};
	struct choice k;
	uint32_t had;

	begin(&k, 0, "[ae]/*");
	fetch(&k);
	choose(&k, "e/*");
	CHECK_INT(store_select(k.st, k.want, &why), 0);
	CHECK_STR(finish(&k), "");
	CHECK_STR(there(&k, k.c.path), "ae");
	CHECK_INT(changed_files(&k), 0);
	had = store_have(k.st)->count;
	edit_one(&k);
	/* Nobody is told, but none of it is sent. */
	CHECK_INT(changed_files(&k), 0);
	CHECK_INT(store_ready(k.st, 1, 0, 1), ERR_MISMATCH);
	CHECK(store_have(k.st)->count < had);
	end(&k);
}

/* In the place of the C library's. */
static atomic_bool reads_fail;

ssize_t read(int fd, void *to, size_t n)
{
	if (atomic_load(&reads_fail)) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_read, fd, to, n);
}

TEST(a_state_that_cannot_be_read_is_no_leftover)
{
	struct choice k;

	begin(&k, 0, "a/*");
	fetch(&k);
	CHECK_STR(finish(&k), "");
	store_close(k.st);
	atomic_store(&reads_fail, true);
	CHECK_INT(open_chosen(&k, NULL), ERR_IO);
	atomic_store(&reads_fail, false);
	choose(&k, "*");
	CHECK_INT(open_chosen(&k, NULL), 0);
	fetch(&k);
	CHECK_STR(finish(&k), "");
	check_content(&k.c.s, k.c.path);
	end(&k);
}

TEST(a_folder_without_a_state_of_its_torrent_is_no_partial_one)
{
	struct choice k;
	char path[8192];

	begin(&k, 0, "a/*");
	fetch(&k);
	CHECK(!store_is_partial(k.c.s.m, k.c.path));
	CHECK_STR(finish(&k), "");
	store_close(k.st);
	snprintf(path, sizeof(path), "%s", beside(&k, ".shoal-state"));
	CHECK_INT(unlink(path), 0);
	CHECK(!store_is_partial(k.c.s.m, k.c.path));
	CHECK_INT(open_chosen(&k, NULL), ERR_EXISTS);
	scene_fini(&k.c);
}

static const struct sample_file alike[] = {
    {"A.txt", 20 * KIB, false}, {"a.txt", 20 * KIB, false}, {"b.txt", 10, false}};

/* What is found by its name in capitals, too, seems to lie on such a file system. */
TEST(names_that_are_one_where_capitals_are_small_letters_are_refused_before_anything_is_fetched)
{
	for (int kind = 0; kind < N_KINDS; kind++) {
		struct choice k;
		struct err_info info;
		char part[8192], path[8192];

		scene_init(&k.c, kinds[kind], 16 * KIB, alike, 3, 0);
		choose(&k, "*");
		CHECK_INT(open_chosen(&k, NULL), 0);
		store_close(k.st);
		snprintf(part, sizeof(part), "%s", beside(&k, ".shoal"));
		CHECK_INT(mkdir(beside(&k, ".SHOAL"), 0777), 0);
		CHECK_INT(open_chosen(&k, &info), ERR_INVALID);
		CHECK(strstr(info.text, "out/a.txt: is the same name as 'A.txt'") != NULL ||
		      strstr(info.text, "out/A.txt: is the same name as 'a.txt'") != NULL);
		CHECK(!path_exists(part));
		choose(&k, "[Ab]*");
		CHECK_INT(open_chosen(&k, NULL), 0);
		choose(&k, "*");
		CHECK_INT(store_select(k.st, k.want, &info), ERR_INVALID);
		choose(&k, "[Ab]*");
		fetch(&k);
		CHECK_STR(finish(&k), "");
		snprintf(path, sizeof(path), "%s/a.txt", k.c.path);
		CHECK(!path_exists(path));
		end(&k);
	}
}
