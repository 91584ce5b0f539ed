#include "meta/create.h"

#include <stdio.h>

#include "test.h"

#include "failmalloc.h"
#include "meta_golden.h"
#include "meta_samples.h"

static void check_hash(const uint8_t *hash, size_t len, const char *want, const char *what)
{
	char hex[2 * SHA256_LEN + 1];

	text_hex(hex, bytes_of(hash, len));
	if (strcmp(hex, want) != 0)
		fail_msg("%s: hash %s, not %s", what, hex, want);
}

static void check_golden(const struct golden_hash *g)
{
	bool v1 = g->v1[0] != '\0', v2 = g->v2[0] != '\0';
	struct sample_spec s;
	struct metainfo *m = NULL;
	struct buf out;
	char what[64];

	snprintf(what, sizeof(what), "%s %s", g->sample, g->kind);
	sample_spec(sample_find(g->sample), v1, v2, &s);
	if (strcmp(g->sample, "private") == 0) {
		s.spec.private = true;
		s.spec.source = "SRC";
	}
	buf_init(&out, META_BYTES_MAX);
	CHECK_INT(create_torrent(&s.spec, &out), 0);
	CHECK_INT(meta_parse(buf_bytes(&out), &m), META_OK);
	CHECK_INT(m->v1, v1);
	CHECK_INT(m->v2, v2);
	if (v1)
		check_hash(m->hash_v1, SHA1_LEN, g->v1, what);
	if (v2)
		check_hash(m->hash_v2, SHA256_LEN, g->v2, what);
	meta_free(m);
	buf_fini(&out);
	sample_spec_fini(&s);
}

TEST(create_gives_the_info_hashes_of_libtorrent_and_mktorrent)
{
	for (size_t i = 0; i < sizeof(golden_hashes) / sizeof(golden_hashes[0]); i++)
		check_golden(&golden_hashes[i]);
}

TEST(create_writes_whole_torrents_as_others_do)
{
	const char *golden[] = {golden_v1, golden_v2, golden_hybrid};

	for (int i = 0; i < 3; i++) {
		struct sample_spec s;
		struct buf want, got;

		unhex(golden[i], &want);
		sample_spec(sample_find("order"), i != 1, i != 0, &s);
		if (i == 0)
			s.spec.created_by = "mktorrent 1.1";
		buf_init(&got, META_BYTES_MAX);
		CHECK_INT(create_torrent(&s.spec, &got), 0);
		CHECK_INT(got.len, want.len);
		CHECK_MEM(got.ptr, want.ptr, want.len);
		buf_fini(&want);
		buf_fini(&got);
		sample_spec_fini(&s);
	}
}

TEST(create_keeps_notes_and_every_tracker_in_its_own_tier)
{
	static const char *const trackers[] = {"http://a/announce", "udp://b:1", "http://[::1]/c"};
	static const char *const webseeds[] = {"http://w/f1", "https://v/"};
	struct sample_spec s;
	struct metainfo *m = NULL;
	struct buf out;

	sample_spec(sample_find("f1"), true, true, &s);
	s.spec.trackers = trackers;
	s.spec.n_trackers = 3;
	s.spec.webseeds = webseeds;
	s.spec.n_webseeds = 2;
	s.spec.comment = "a comment";
	s.spec.created_by = "shoal";
	s.spec.created_at = 1700000000;
	buf_init(&out, META_BYTES_MAX);
	CHECK_INT(create_torrent(&s.spec, &out), 0);
	CHECK_INT(meta_parse(buf_bytes(&out), &m), META_OK);
	CHECK_STR(m->comment, "a comment");
	CHECK_STR(m->created_by, "shoal");
	CHECK(m->created_at == 1700000000);
	CHECK(!m->private);
	CHECK_INT(m->n_trackers, 3);
	for (uint32_t i = 0; i < 3; i++) {
		CHECK_STR(m->trackers[i].url, trackers[i]);
		CHECK_INT(m->trackers[i].tier, i);
	}
	CHECK_INT(m->n_webseeds, 2);
	CHECK_STR(m->webseeds[0], webseeds[0]);
	CHECK_STR(m->webseeds[1], webseeds[1]);
	meta_free(m);
	buf_fini(&out);
	sample_spec_fini(&s);
}

TEST(create_orders_folders_by_component_in_v2_and_by_joined_path_in_v1)
{
	CHECK(create_order("a/b", "a!", true) < 0);
	CHECK(create_order("a/b", "a!", false) > 0);
	CHECK(create_order("a/b", "a", true) > 0);
	CHECK(create_order("a/b", "a/b", true) == 0);
	CHECK(create_order("a/z", "a.b/c", true) < 0);
	CHECK(create_order("a/z", "a.b/c", false) > 0);
	CHECK(create_order("a\xff", "a/b", true) > 0);
	CHECK(create_order("\x01", "a", true) < 0);
	CHECK(create_order("B", "a", false) < 0);
}

/* of one file */
static uint32_t piece_length_of(uint64_t length)
{
	uint32_t aligned = create_piece_length(&length, 1, true);

	CHECK_INT(create_piece_length(&length, 1, false), aligned);
	return aligned;
}

TEST(create_picks_pieces_for_about_two_thousand)
{
	static const uint64_t mib = 1 << 20, gib = 1 << 30;

	CHECK_INT(create_piece_length(NULL, 0, true), 16384);
	CHECK_INT(piece_length_of(0), 16384);
	CHECK_INT(piece_length_of(32 * mib - 1), 16384);
	CHECK_INT(piece_length_of(32 * mib), 32768);
	CHECK_INT(piece_length_of(gib / 2 + 1), 512 << 10);
	CHECK_INT(piece_length_of(gib - 1), 512 << 10);
	CHECK_INT(piece_length_of(40 * gib), 16 << 20);
	CHECK_INT(piece_length_of(UINT64_MAX), 16 << 20);
}

TEST(create_gives_many_small_files_small_pieces_unless_they_share_them)
{
	uint64_t lengths[3000];

	for (size_t i = 0; i < 3000; i++)
		lengths[i] = 16383;
	CHECK_INT(create_piece_length(lengths, 3000, true), 16384);
	CHECK_INT(create_piece_length(lengths, 3000, false), 32768);
	for (size_t i = 0; i < 3000; i++)
		lengths[i] = 16384;
	CHECK_INT(create_piece_length(lengths, 2047, true), 16384);
	CHECK_INT(create_piece_length(lengths, 2048, true), 32768);
	lengths[0] = (uint64_t)40 << 30;
	CHECK_INT(create_piece_length(lengths, 3000, true), 16 << 20);
}

TEST(create_offsets_leave_gaps_only_in_aligned_folders)
{
	static const uint64_t lengths[] = {5, 0, 16384, 1};
	uint64_t at[4];

	CHECK(create_offsets(lengths, 4, 16384, false, at) == 16390);
	CHECK(at[0] == 0 && at[1] == 5 && at[2] == 5 && at[3] == 16389);
	CHECK(create_offsets(lengths, 4, 16384, true, at) == 3 * 16384);
	CHECK(at[0] == 0 && at[1] == 16384 && at[2] == 16384 && at[3] == 32768);
	CHECK(create_offsets(lengths, 1, 16384, true, at) == 5);
}

static int create_status(const struct create_spec *spec)
{
	struct buf out;
	int err;

	buf_init(&out, META_BYTES_MAX);
	err = create_torrent(spec, &out);
	buf_fini(&out);
	return err;
}

TEST(create_refuses_names_that_could_not_be_read_back)
{
	static const char *const bad[] = {"", ".", "..", "a/b", "/"};
	static const char *const bad_paths[] = {"", ".", "..", "a//b", "/a", "a/", "a/../b"};
	struct sample_spec s;

	sample_spec(sample_find("one"), true, true, &s);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		s.spec.name = bad[i];
		CHECK_INT(create_status(&s.spec), ERR_INVALID);
	}
	s.spec.name = "-odd\\name\n\x9b\"";
	for (size_t i = 0; i < sizeof(bad_paths) / sizeof(bad_paths[0]); i++) {
		s.files[0].path = bad_paths[i];
		CHECK_INT(create_status(&s.spec), ERR_INVALID);
	}
	s.files[0].path = "a\\..\\b";
	CHECK_INT(create_status(&s.spec), 0);
	sample_spec_fini(&s);
}

TEST(create_refuses_long_and_deep_paths)
{
	char path[2 * META_NAME_BYTES_MAX + 3], deep[2 * META_DEPTH_MAX + 3];
	struct sample_spec s;

	sample_spec(sample_find("one"), true, true, &s);
	memset(path, 'x', sizeof(path));
	path[META_NAME_BYTES_MAX] = '\0';
	s.files[0].path = path;
	CHECK_INT(create_status(&s.spec), 0);
	path[META_NAME_BYTES_MAX] = 'x';
	path[META_NAME_BYTES_MAX + 1] = '\0';
	CHECK_INT(create_status(&s.spec), ERR_INVALID);
	for (size_t i = 0; i < sizeof(deep); i++)
		deep[i] = i % 2 == 0 ? 'd' : '/';
	s.files[0].path = deep;
	deep[2 * META_DEPTH_MAX - 1] = '\0';
	CHECK_INT(create_status(&s.spec), 0);
	deep[2 * META_DEPTH_MAX - 1] = '/';
	deep[2 * META_DEPTH_MAX + 1] = '\0';
	CHECK_INT(create_status(&s.spec), ERR_INVALID);
	sample_spec_fini(&s);
}

TEST(create_refuses_specs_that_do_not_fit_together)
{
	struct sample_spec s;
	struct create_spec ok;

	sample_spec(sample_find("gaps"), true, true, &s);
	ok = s.spec;
	CHECK_INT(create_status(&s.spec), 0);
	s.spec.v1 = s.spec.v2 = false;
	CHECK_INT(create_status(&s.spec), ERR_INVALID);
	s.spec = ok;
	s.spec.single = true;
	CHECK_INT(create_status(&s.spec), ERR_INVALID);
	s.spec = ok;
	s.spec.n_files = 0;
	CHECK_INT(create_status(&s.spec), ERR_INVALID);
	s.spec = ok;
	s.spec.n_pieces_v1--;
	CHECK_INT(create_status(&s.spec), ERR_INVALID);
	s.spec = ok;
	s.spec.piece_length = 3 * 16384;
	CHECK_INT(create_status(&s.spec), ERR_INVALID);
	s.spec = ok;
	s.files[3].layer = NULL;
	CHECK_INT(create_status(&s.spec), ERR_INVALID);
	s.files[3].layer = s.layers[3];
	s.files[3].root = NULL;
	CHECK_INT(create_status(&s.spec), ERR_INVALID);
	s.files[3].root = s.roots[3];
	s.files[3].path = "b";
	CHECK_INT(create_status(&s.spec), ERR_INVALID);
	s.files[3].path = "c/d";
	CHECK_INT(create_status(&s.spec), ERR_INVALID);
	s.files[3].path = "d";
	s.files[3].length = UINT64_MAX;
	CHECK_INT(create_status(&s.spec), ERR_TOO_BIG);
	sample_spec_fini(&s);
}

TEST(create_refuses_what_has_more_values_than_can_be_read_back)
{
	static const size_t most = BENC_TOKENS_MAX / 6 - 3;
	struct create_file *files = calloc(most + 10, sizeof(*files));
	char(*paths)[8] = calloc(most + 10, sizeof(*paths));
	struct create_spec spec = {.name = "n", .v2 = true, .piece_length = 16384, .files = files};

	for (unsigned i = 0; i < most + 10; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%07u", i % 10000000);
		files[i].path = paths[i];
	}
	spec.n_files = most;
	CHECK_INT(create_status(&spec), 0);
	spec.n_files = most + 10;
	CHECK_INT(create_status(&spec), ERR_TOO_BIG);
	free(paths);
	free(files);
}

static enum create_excess excess_of(const struct create_spec *spec)
{
	enum create_excess excess = CREATE_FITS;

	CHECK_INT(create_measure(spec, &excess), 0);
	return excess;
}

TEST(create_knows_beforehand_how_many_files_it_can_list)
{
	static const size_t too_many = BENC_TOKENS_MAX / 23 + 1;
	static const uint8_t root[SHA256_LEN];
	struct create_file *files = calloc(too_many, sizeof(*files));
	char(*paths)[8] = calloc(too_many, sizeof(*paths));
	uint8_t *pieces = calloc(too_many, SHA1_LEN);
	struct create_spec spec = {.name = "n",
				   .v1 = true,
				   .v2 = true,
				   .piece_length = 16384,
				   .files = files,
				   .n_files = too_many,
				   .pieces_v1 = pieces};

	for (unsigned i = 0; i < too_many; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%07u", i % 10000000);
		files[i] = (struct create_file){.path = paths[i], .length = 1, .root = root};
	}
	do {
		CHECK_INT(excess_of(&spec), CREATE_FILES);
		spec.n_pieces_v1 = spec.n_files;
		CHECK_INT(create_status(&spec), ERR_TOO_BIG);
		spec.n_files--;
	} while (excess_of(&spec) != CREATE_FITS);
	CHECK(spec.n_files > too_many - 5);
	spec.n_pieces_v1 = spec.n_files;
	CHECK_INT(create_status(&spec), 0);
	spec.v1 = false;
	spec.n_files = too_many;
	CHECK_INT(excess_of(&spec), CREATE_FITS);
	free(pieces);
	free(paths);
	free(files);
}

TEST(create_knows_beforehand_how_many_pieces_it_can_list)
{
	static const uint64_t most = (META_BYTES_MAX - 260) / (SHA1_LEN + SHA256_LEN);
	uint8_t *hashes = calloc(most + 10, SHA256_LEN);
	struct create_file f = {.path = "f", .root = hashes, .layer = hashes};
	struct create_spec spec = {.name = "f",
				   .single = true,
				   .v1 = true,
				   .v2 = true,
				   .piece_length = 16384,
				   .files = &f,
				   .n_files = 1,
				   .pieces_v1 = hashes};

	for (unsigned n = 0; n < 10; n += 9) {
		f.length = (most + n) * 16384;
		spec.n_pieces_v1 = most + n;
		CHECK_INT(excess_of(&spec), n == 0 ? CREATE_FITS : CREATE_PIECES);
		CHECK_INT(create_status(&spec), n == 0 ? 0 : ERR_TOO_BIG);
	}
	spec.piece_length *= 2;
	CHECK_INT(excess_of(&spec), CREATE_FITS);
	f.length = UINT64_MAX / 2;
	CHECK_INT(excess_of(&spec), CREATE_PIECES);
	free(hashes);
}

TEST(create_tells_when_memory_or_room_is_short)
{
	struct sample_spec s;
	struct buf out;
	int err = ERR_NOMEM;

	sample_spec(sample_find("order"), true, true, &s);
	buf_init(&out, 100);
	CHECK_INT(create_torrent(&s.spec, &out), ERR_TOO_BIG);
	buf_fini(&out);
	for (size_t n = 1; err != 0; n++) {
		buf_init(&out, META_BYTES_MAX);
		failmalloc_start(n, false);
		err = create_torrent(&s.spec, &out);
		failmalloc_stop();
		CHECK(err == 0 || err == ERR_NOMEM);
		buf_fini(&out);
	}
	err = ERR_NOMEM;
	for (size_t n = 1; err != 0; n++) {
		enum create_excess excess;

		failmalloc_start(n, false);
		err = create_measure(&s.spec, &excess);
		failmalloc_stop();
		CHECK(err == 0 || err == ERR_NOMEM);
	}
	sample_spec_fini(&s);
}
