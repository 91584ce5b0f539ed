#include "test.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "meta/create.h"
#include "store/hashing_known.h"
#include "store_fixture.h"

#define PIECE 16384u

/* A folder of files, hashed with and without what is known of them. */
struct share {
	char dir[256];
	struct root root;
	struct hashing_file files[8];
	uint64_t lengths[8];
	size_t n;
	bool v1, v2;
	uint64_t read; /* bytes, the last time */
	struct hash_record record;
};

static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};

static const char *at(const struct share *s, size_t i)
{
	static char path[300];

	snprintf(path, sizeof(path), "%s/%s", s->dir, names[i]);
	return path;
}

/* Old enough to be remembered: only the time of status cannot be set, so it is waited for. */
static void put(struct share *s, size_t i, uint64_t length, uint8_t fill)
{
	uint8_t *data = malloc(length + 1);

	memset(data, fill, length + 1);
	for (uint64_t k = 0; k < length; k += 7)
		data[k] = (uint8_t)(k >> 8);
	file_write(at(s, i), data, length);
	free(data);
	s->lengths[i] = length;
	if (i >= s->n)
		s->n = i + 1;
}

static void share_init(struct share *s, bool v1, bool v2)
{
	*s = (struct share){.v1 = v1, .v2 = v2};
	dir_make(s->dir, sizeof(s->dir));
	CHECK_INT(root_open(&s->root, s->dir, NULL), 0);
}

static void share_fini(struct share *s)
{
	hash_record_fini(&s->record);
	root_close(&s->root);
	dir_remove(s->dir);
}

static bool count(void *user, uint64_t done, uint64_t total)
{
	(void)done;
	*(uint64_t *)user = total;
	return true;
}

static struct hashing_params lay_out(struct share *s, size_t n)
{
	uint64_t offsets[8];
	struct hashing_params p = {.root = &s->root,
				   .files = s->files,
				   .n_files = n,
				   .piece_length = PIECE,
				   .v1 = s->v1,
				   .v2 = s->v2,
				   .plain = true,
				   .threads = 1,
				   .progress = count,
				   .user = &s->read};

	p.space_bytes = create_offsets(s->lengths, n, PIECE, s->v1 && s->v2, offsets);
	for (size_t i = 0; i < n; i++)
		s->files[i] = (struct hashing_file){
		    .path = names[i], .length = s->lengths[i], .offset = offsets[i]};
	return p;
}

/* What came of the first `n` files is what hashing all of them gives. Returns bytes read. */
static uint64_t hash(struct share *s, size_t n)
{
	struct hashing_params p = lay_out(s, n);
	struct hashing_file got[8];
	struct hashing known, all;
	uint64_t read;

	CHECK_INT(hashing_known_run(&p, &s->record, &known, NULL), 0);
	read = s->read;
	memcpy(got, s->files, sizeof(got));
	p = lay_out(s, n);
	CHECK_INT(hashing_run(&p, &all, NULL), 0);
	CHECK_INT(known.n_pieces_v1, all.n_pieces_v1);
	if (all.n_pieces_v1 > 0)
		CHECK_MEM(known.pieces_v1, all.pieces_v1, all.n_pieces_v1 * SHA1_LEN);
	for (size_t i = 0; i < n; i++) {
		const struct hashing_file *f = &s->files[i];

		CHECK_MEM(got[i].sha256, f->sha256, SHA256_LEN);
		if (s->v2 && f->length > 0)
			CHECK_MEM(got[i].root, f->root, SHA256_LEN);
		CHECK((got[i].layer == NULL) == (f->layer == NULL));
		if (f->layer != NULL)
			CHECK_MEM(got[i].layer, f->layer,
				  (f->length + PIECE - 1) / PIECE * SHA256_LEN);
	}
	hashing_fini(&known, got, n);
	hashing_fini(&all, s->files, n);
	return read;
}

/* Until what was written last may be remembered. */
static void age(const struct share *s)
{
	char path[300];
	struct stat st;
	struct timespec now;

	snprintf(path, sizeof(path), "%s", at(s, s->n - 1));
	do {
		CHECK_INT(usleep(20000), 0);
		CHECK_INT(stat(path, &st), 0);
		clock_gettime(CLOCK_REALTIME, &now);
	} while (st.st_ctim.tv_sec > now.tv_sec - HASH_RECORD_RACE_S);
}

TEST(what_nobody_touched_is_not_read_again_whatever_the_kind)
{
	static const bool v1[] = {true, false}, v2[] = {true, true};

	for (size_t k = 0; k < 2; k++) {
		struct share s;

		share_init(&s, v1[k], v2[k]);
		put(&s, 0, 3 * PIECE, 1);
		put(&s, 1, 0, 1);
		put(&s, 2, 2 * PIECE + 77, 2);
		put(&s, 3, 100, 3);
		CHECK_INT(hash(&s, 4), 5 * PIECE + 177);
		age(&s);
		CHECK_INT(hash(&s, 4), 5 * PIECE + 177); /* too young before */
		CHECK_INT(hash(&s, 4), 0);
		/* One changes, one comes, and another length is in the middle. */
		put(&s, 3, 200, 4);
		put(&s, 4, PIECE, 5);
		CHECK_INT(hash(&s, 5), PIECE + 200);
		put(&s, 0, PIECE + 1, 6);
		age(&s);
		CHECK_INT(hash(&s, 5), 2 * PIECE + 201);
		CHECK_INT(hash(&s, 5), 0);
		/* Rights and names change the time of status: it is read again. */
		CHECK_INT(chmod(at(&s, 2), 0600), 0);
		CHECK_INT(hash(&s, 5), 2 * PIECE + 77);
		share_fini(&s);
	}
}

TEST(a_last_piece_with_zeros_behind_it_is_not_taken_for_one_without)
{
	struct share s;

	share_init(&s, true, true);
	put(&s, 0, PIECE + 5, 1);
	age(&s);
	CHECK_INT(hash(&s, 1), PIECE + 5);
	CHECK_INT(hash(&s, 1), 0);
	put(&s, 1, 10, 2);
	age(&s);
	CHECK_INT(hash(&s, 2), PIECE + 15);
	CHECK_INT(hash(&s, 2), 0);
	CHECK_INT(hash(&s, 1), PIECE + 5);
	share_fini(&s);
}

TEST(of_v1_alone_one_file_is_remembered_and_several_are_not)
{
	struct share s;

	share_init(&s, true, false);
	put(&s, 0, PIECE + 5, 1);
	put(&s, 1, 10, 2);
	age(&s);
	CHECK_INT(hash(&s, 1), PIECE + 5);
	CHECK_INT(hash(&s, 1), 0);
	CHECK_INT(hash(&s, 2), PIECE + 15);
	CHECK_INT(hash(&s, 2), PIECE + 15);
	share_fini(&s);
}

TEST(a_record_survives_as_bytes_and_damage_is_found)
{
	struct share s;
	struct hash_record back;
	struct buf out;

	share_init(&s, true, true);
	put(&s, 0, 3 * PIECE, 1);
	put(&s, 1, 10, 2);
	age(&s);
	hash(&s, 2);
	buf_init(&out, 1u << 20);
	CHECK_INT(hash_record_encode(&s.record, &out), 0);
	for (size_t i = 0; i < out.len; i++) {
		uint8_t *exact = malloc(i + 1);

		memcpy(exact, out.ptr, i);
		CHECK_INT(hash_record_decode(bytes_of(exact, i), &back), ERR_PROTO);
		free(exact);
		out.ptr[i] ^= 1;
		CHECK_INT(hash_record_decode(buf_bytes(&out), &back), ERR_PROTO);
		out.ptr[i] ^= 1;
	}
	CHECK_INT(hash_record_decode(buf_bytes(&out), &back), 0);
	hash_record_fini(&s.record);
	s.record = back;
	CHECK_INT(hash(&s, 2), 0);
	buf_fini(&out);
	share_fini(&s);
}
