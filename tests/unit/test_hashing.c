#include "store/hashing.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/rng.h"
#include "meta/create.h"
#include "meta/merkle.h"
#include "test.h"

#define KIB 1024u
#define MIB (1024u * 1024)
#define FILES_MAX 700
/* Files from here on are holes: only that reading them takes long matters. */
#define SPARSE_BYTES (64u * MIB)

/* A folder of files, and their bytes beside it. */
struct folder {
	char dir[64];
	struct root root;
	size_t n;
	char paths[FILES_MAX][32];
	uint64_t lengths[FILES_MAX];
	uint8_t *data[FILES_MAX];
};

static void write_file(const char *path, const uint8_t *data, size_t len)
{
	FILE *f = fopen(path, "wb");

	CHECK(f != NULL);
	CHECK_INT(fwrite(data, 1, len, f), len);
	CHECK_INT(fclose(f), 0);
}

static uint8_t *random_bytes(uint64_t n)
{
	uint8_t *data = malloc(n + 1);
	uint32_t x = 12345;

	for (uint64_t i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		data[i] = (uint8_t)(x >> 24);
	}
	return data;
}

static struct folder *folder_new(const uint64_t *lengths, size_t n)
{
	struct folder *f = calloc(1, sizeof(*f));
	struct err_info info;

	CHECK(f != NULL && n <= FILES_MAX);
	snprintf(f->dir, sizeof(f->dir), "/tmp/shoal-hashing-XXXXXX");
	CHECK(mkdtemp(f->dir) != NULL);
	f->n = n;
	for (size_t i = 0; i < n; i++) {
		bool sparse = lengths[i] >= SPARSE_BYTES;
		char path[200];

		snprintf(f->paths[i], sizeof(f->paths[i]), "f%04zu", i);
		snprintf(path, sizeof(path), "%s/%s", f->dir, f->paths[i]);
		f->lengths[i] = lengths[i];
		f->data[i] = random_bytes(sparse ? 0 : lengths[i]);
		write_file(path, f->data[i], sparse ? 0 : lengths[i]);
		CHECK_INT(truncate(path, (off_t)lengths[i]), 0);
	}
	CHECK_INT(root_open(&f->root, f->dir, &info), 0);
	return f;
}

static void folder_free(struct folder *f)
{
	char path[200];

	for (size_t i = 0; i < f->n; i++) {
		snprintf(path, sizeof(path), "%s/%s", f->dir, f->paths[i]);
		(void)remove(path);
		free(f->data[i]);
	}
	(void)remove(f->dir);
	root_close(&f->root);
	free(f);
}

/* The tree straight from its definition: all leaves, padded, level by level. */
static void plain_tree(const uint8_t *data, uint64_t len, uint32_t piece, uint8_t *root,
		       uint8_t *layer)
{
	uint64_t n = (len + BLOCK_BYTES - 1) / BLOCK_BYTES, width = 1, blocks = piece / BLOCK_BYTES;
	uint64_t level_bytes = BLOCK_BYTES;
	uint8_t *nodes;

	while (width < n || (len > piece && width < blocks))
		width *= 2;
	nodes = calloc(width, SHA256_LEN);
	for (uint64_t i = 0; i < n; i++) {
		uint64_t at = i * BLOCK_BYTES;

		sha256_of(bytes_of(data + at, len - at < BLOCK_BYTES ? len - at : BLOCK_BYTES),
			  nodes + i * SHA256_LEN);
	}
	for (; width > 1; width /= 2, level_bytes *= 2) {
		if (level_bytes == piece && len > piece)
			memcpy(layer, nodes, (len + piece - 1) / piece * SHA256_LEN);
		for (uint64_t i = 0; i < width; i += 2)
			sha256_pair(nodes + i * SHA256_LEN, nodes + (i + 1) * SHA256_LEN,
				    nodes + i / 2 * SHA256_LEN);
	}
	memcpy(root, nodes, SHA256_LEN);
	free(nodes);
}

static void check_v1(const struct folder *f, const uint64_t *offsets, uint64_t space,
		     uint32_t piece, const struct hashing *h)
{
	uint8_t *all = calloc(1, space + 1), want[SHA1_LEN];

	for (size_t i = 0; i < f->n; i++)
		memcpy(all + offsets[i], f->data[i], f->lengths[i]);
	CHECK_INT(h->n_pieces_v1, (space + piece - 1) / piece);
	for (uint64_t i = 0; i * piece < space; i++) {
		uint64_t left = space - i * piece;

		sha1_of(bytes_of(all + i * piece, left < piece ? left : piece), want);
		CHECK_MEM(h->pieces_v1 + i * SHA1_LEN, want, SHA1_LEN);
	}
	free(all);
}

static void check_files(const struct folder *f, const struct hashing_params *p)
{
	for (size_t i = 0; i < f->n; i++) {
		uint64_t len = f->lengths[i];
		uint8_t want[SHA256_LEN];

		if (p->plain) {
			sha256_of(bytes_of(f->data[i], len), want);
			CHECK_MEM(p->files[i].sha256, want, SHA256_LEN);
		}
		if (p->v2 && len > 0) {
			uint8_t *layer = calloc(len / p->piece_length + 1, SHA256_LEN);

			plain_tree(f->data[i], len, p->piece_length, want, layer);
			CHECK_MEM(p->files[i].root, want, SHA256_LEN);
			CHECK_INT(p->files[i].layer != NULL, len > p->piece_length);
			if (len > p->piece_length)
				CHECK_MEM(p->files[i].layer, layer,
					  ((len - 1) / p->piece_length + 1) * SHA256_LEN);
			free(layer);
		}
	}
}

enum { V1 = 1, V2 = 2, PLAIN = 4 };

static void check_one(struct folder *f, uint32_t piece, unsigned kind, unsigned threads)
{
	struct hashing_file files[FILES_MAX];
	uint64_t offsets[FILES_MAX];
	struct hashing_params p = {.root = &f->root,
				   .files = files,
				   .n_files = f->n,
				   .piece_length = piece,
				   .v1 = kind & V1,
				   .v2 = kind & V2,
				   .plain = kind & PLAIN,
				   .threads = threads};
	struct hashing h;
	struct err_info info = {0};

	memset(files, 0x5a, sizeof(files));
	memset(offsets, 0, sizeof(offsets));
	p.space_bytes = create_offsets(f->lengths, f->n, piece, p.v1 && p.v2, offsets);
	for (size_t i = 0; i < f->n; i++) {
		files[i].path = f->paths[i];
		files[i].length = f->lengths[i];
		files[i].offset = offsets[i];
	}
	if (hashing_run(&p, &h, &info) != 0)
		fail_msg("kind %u piece %u threads %u: %s", kind, piece, threads, info.text);
	if (p.v1)
		check_v1(f, offsets, p.space_bytes, piece, &h);
	check_files(f, &p);
	hashing_fini(&h, files, f->n);
}

/* With a sanitizer, where each takes several times as long, every fourth of the hundreds of runs;
 * all of them without. */
#ifdef SANITIZED
#define RUNS_STEP 4u
#else
#define RUNS_STEP 1u
#endif

static void check_all(const uint64_t *lengths, size_t n, const uint32_t *pieces, size_t n_pieces,
		      unsigned kinds)
{
	static unsigned turn;
	struct folder *f = folder_new(lengths, n);

	for (size_t i = 0; i < n_pieces; i++)
		for (unsigned kind = 1; kind < 8; kind++)
			/* Starts elsewhere for each kind, so that all numbers of threads have their
			 * turn. */
			for (unsigned threads = 1 + turn++ % RUNS_STEP; threads <= 4;
			     threads += RUNS_STEP)
				if (kinds >> kind & 1)
					check_one(f, pieces[i], kind, threads);
	folder_free(f);
}

#define EVERY_KIND 0xffu
#define V1_ONLY (1u << V1 | 1u << (V1 | PLAIN))
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

TEST(single_files_around_block_piece_and_unit_boundaries_hash_right)
{
	static const uint64_t sizes[] = {0,
					 1,
					 16383,
					 16384,
					 16385,
					 32768,
					 49153,
					 256 * KIB - 1,
					 256 * KIB,
					 256 * KIB + 1,
					 512 * KIB - 1,
					 512 * KIB,
					 512 * KIB + 1,
					 MIB,
					 MIB + 16385};
	static const uint32_t pieces[] = {16 * KIB, 256 * KIB, 512 * KIB, MIB};

	for (size_t i = 0; i < COUNT(sizes); i++)
		check_all(&sizes[i], 1, pieces, COUNT(pieces), EVERY_KIND);
}

TEST(a_file_longer_than_all_units_in_memory_hashes_right)
{
	static const uint64_t sizes[] = {7 * MIB + 12345};
	static const uint32_t pieces[] = {64 * KIB, 512 * KIB, 2 * MIB, 16 * MIB};

	check_all(sizes, 1, pieces, COUNT(pieces), EVERY_KIND);
}

/* Enough of them for units of 16 pieces, where that is the quickest way. */
TEST(many_short_pieces_of_files_with_and_without_pads_hash_right)
{
	static const uint64_t sizes[] = {3 * MIB + 5, 700 * KIB, 1, 0, 4 * MIB, 90000, MIB - 1};
	static const uint32_t pieces[] = {16 * KIB, 32 * KIB, 64 * KIB};

	check_all(sizes, COUNT(sizes), pieces, COUNT(pieces), EVERY_KIND);
}

TEST(files_of_mixed_sizes_with_empty_ones_between_hash_right)
{
	static const uint64_t sizes[] = {0,	0, 100, 700 * KIB,   0, 3,     MIB,	  1, 2,
					 16384, 0, 0,	2 * MIB + 1, 5, 40000, 512 * KIB, 7, 0};
	static const uint32_t pieces[] = {16 * KIB, 256 * KIB, 512 * KIB, MIB, 4 * MIB};

	check_all(sizes, COUNT(sizes), pieces, COUNT(pieces), EVERY_KIND);
}

TEST(only_empty_files_hash_right)
{
	static const uint64_t sizes[] = {0, 0, 0};
	static const uint32_t pieces[] = {16 * KIB};

	check_all(sizes, COUNT(sizes), pieces, 1, EVERY_KIND);
	check_all(sizes, 0, pieces, 1, EVERY_KIND);
}

TEST(v1_pieces_of_any_length_span_files)
{
	static const uint64_t sizes[] = {1, 5000, 0, 999999, 1024, 3, 600001, 70000, 1300000};
	static const uint32_t pieces[] = {1024, 5000, 16 * KIB, 100000, 700001, 1500000, 5 * MIB};

	check_all(sizes, COUNT(sizes), pieces, COUNT(pieces), V1_ONLY);
}

TEST(more_small_files_than_a_unit_holds_hash_right)
{
	static const uint32_t pieces[] = {16 * KIB, 64 * KIB, 2 * MIB};
	uint64_t sizes[FILES_MAX];

	for (size_t i = 0; i < FILES_MAX; i++)
		sizes[i] = i % 7 == 0 ? 0 : i * 37 % 400;
	sizes[300] = 90000;
	check_all(sizes, FILES_MAX, pieces, 1, EVERY_KIND);
	check_all(sizes, FILES_MAX, pieces, COUNT(pieces), V1_ONLY | 1u << V2);
}

TEST(random_folders_hash_right)
{
	static const uint32_t pieces[] = {16 * KIB, 128 * KIB, 512 * KIB, MIB, 2 * MIB};
	uint64_t sizes[12];
	uint32_t x = 7;

	for (int round = 0; round < 8; round++) {
		for (size_t i = 0; i < COUNT(sizes); i++) {
			x = x * 1664525u + 1013904223u;
			sizes[i] = (x >> 8) % (1u << (4 + x % 17));
		}
		check_all(sizes, COUNT(sizes), &pieces[round % COUNT(pieces)], 1, EVERY_KIND);
	}
}

/* ---- what can go wrong -------------------------------------------------- */

struct scene {
	struct folder *folder;
	struct hashing_file files[2];
	struct hashing_params p;
	struct hashing h;
	struct err_info info;
};

static void scene_init(struct scene *s, uint64_t length, unsigned threads)
{
	uint64_t lengths[2] = {length, 100};

	memset(s, 0, sizeof(*s));
	s->folder = folder_new(lengths, 2);
	for (size_t i = 0; i < 2; i++) {
		s->files[i].path = s->folder->paths[i];
		s->files[i].length = lengths[i];
	}
	s->p = (struct hashing_params){.root = &s->folder->root,
				       .files = s->files,
				       .n_files = 2,
				       .piece_length = 64 * KIB,
				       .v1 = true,
				       .v2 = true,
				       .plain = true,
				       .threads = threads};
	s->files[1].offset = (length + 65535) / 65536 * 65536;
	s->p.space_bytes = s->files[1].offset + 100;
}

static void scene_check_fails(struct scene *s, int want)
{
	CHECK_INT(hashing_run(&s->p, &s->h, &s->info), want);
	CHECK_INT(s->info.code, want);
	CHECK(s->info.text[0] != '\0');
	CHECK(s->h.pieces_v1 == NULL && s->files[0].layer == NULL);
}

TEST(a_file_of_another_length_than_listed_is_a_mismatch)
{
	struct scene s;

	for (unsigned threads = 1; threads <= 3; threads++) {
		scene_init(&s, 3 * MIB, threads);
		s.files[0].length--;
		scene_check_fails(&s, ERR_MISMATCH);
		s.files[0].length += 1;
		s.files[1].length--;
		scene_check_fails(&s, ERR_MISMATCH);
		folder_free(s.folder);
	}
}

static bool grow_file(void *user, uint64_t done, uint64_t total)
{
	struct scene *s = user;
	char path[200];
	FILE *f;

	CHECK(done <= total);
	snprintf(path, sizeof(path), "%s/%s", s->folder->dir, s->folder->paths[0]);
	f = fopen(path, "ab");
	CHECK(f != NULL);
	fputc('x', f);
	fclose(f);
	return true;
}

TEST(a_file_that_grows_while_it_is_read_is_a_mismatch)
{
	struct scene s;
	bool caught = false;

	/* The progress call comes after 100 ms; how much is left by then is the machine's. */
	for (uint64_t size = 256 * MIB; !caught && size <= 4096ull * MIB; size *= 2) {
		scene_init(&s, size, 1);
		s.p.progress = grow_file;
		s.p.user = &s;
		caught = hashing_run(&s.p, &s.h, &s.info) == ERR_MISMATCH;
		hashing_fini(&s.h, s.files, 2);
		folder_free(s.folder);
	}
	CHECK(caught);
}

TEST(a_missing_file_a_link_and_a_folder_are_refused)
{
	struct scene s;

	scene_init(&s, 2 * MIB, 2);
	s.files[1].path = "nothing";
	scene_check_fails(&s, ERR_NOENT);
	CHECK(strstr(s.info.text, "nothing") != NULL);
	s.files[1].path = "../etc/passwd";
	CHECK(hashing_run(&s.p, &s.h, &s.info) < 0);
	s.files[1].path = ".";
	CHECK(hashing_run(&s.p, &s.h, &s.info) < 0);
	folder_free(s.folder);
}

TEST(a_pipe_in_the_place_of_a_file_does_not_hang)
{
	struct scene s;
	char path[200];

	scene_init(&s, 2 * MIB, 2);
	snprintf(path, sizeof(path), "%s/%s", s.folder->dir, s.folder->paths[1]);
	CHECK_INT(unlink(path), 0);
	CHECK_INT(mkfifo(path, 0600), 0);
	scene_check_fails(&s, ERR_MISMATCH);
	folder_free(s.folder);
}

static bool stop_it(void *user, uint64_t done, uint64_t total)
{
	(void)done;
	(void)total;
	++*(int *)user;
	return false;
}

TEST(progress_can_cancel)
{
	struct scene s;
	int calls = 0;

	for (unsigned threads = 1; threads <= 2; threads++) {
		scene_init(&s, 4096ull * MIB, threads);
		s.p.progress = stop_it;
		s.p.user = &calls;
		scene_check_fails(&s, ERR_CANCELLED);
		folder_free(s.folder);
	}
	CHECK_INT(calls, 2);
}

static bool count_last(void *user, uint64_t done, uint64_t total)
{
	*(uint64_t *)user = done == total ? total : 0;
	return true;
}

TEST(progress_ends_at_the_total)
{
	struct scene s;
	uint64_t last = 0;

	scene_init(&s, 2 * MIB, 2);
	s.p.progress = count_last;
	s.p.user = &last;
	CHECK_INT(hashing_run(&s.p, &s.h, &s.info), 0);
	CHECK_INT(last, 2 * MIB + 100);
	hashing_fini(&s.h, s.files, 2);
	folder_free(s.folder);
}

static void *give_back_later(void *old)
{
	usleep(150000);
	(void)setrlimit(RLIMIT_NOFILE, old);
	return NULL;
}

TEST(files_wait_for_a_descriptor)
{
	struct rlimit old, full;
	pthread_t thread;
	struct scene s;
	int lowest, got;

	scene_init(&s, 100000, 2);
	lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(lowest);
	CHECK_INT(getrlimit(RLIMIT_NOFILE, &old), 0);
	full = (struct rlimit){(rlim_t)lowest, old.rlim_max};
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &full), 0);
	CHECK_INT(pthread_create(&thread, NULL, give_back_later, &old), 0);
	got = hashing_run(&s.p, &s.h, &s.info);
	pthread_join(thread, NULL);
	CHECK_INT(got, 0);
	hashing_fini(&s.h, s.files, 2);
	folder_free(s.folder);
}

TEST(parameters_that_do_not_go_together_are_refused)
{
	struct scene s;

	scene_init(&s, 2 * MIB, 2);
	s.p.piece_length = 0;
	scene_check_fails(&s, ERR_INVALID);
	s.p.piece_length = 48 * KIB;
	scene_check_fails(&s, ERR_INVALID);
	s.p.piece_length = 8 * KIB;
	scene_check_fails(&s, ERR_INVALID);
	s.p.piece_length = 64 * KIB;
	s.files[1].offset -= 1;
	scene_check_fails(&s, ERR_INVALID);
	s.files[1].offset = 64 * KIB;
	scene_check_fails(&s, ERR_INVALID);
	s.files[1].offset = 2 * MIB;
	s.p.space_bytes = 2 * MIB + 99;
	scene_check_fails(&s, ERR_INVALID);
	s.p.space_bytes = UINT64_MAX;
	scene_check_fails(&s, ERR_INVALID);
	s.p.space_bytes = 2 * MIB + 100;
	s.files[1].length = UINT64_MAX;
	scene_check_fails(&s, ERR_INVALID);
	folder_free(s.folder);
}
