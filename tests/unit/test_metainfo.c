#include "meta/metainfo.h"

#include <stdio.h>

#include "test.h"

#include "base/rng.h"
#include "meta_golden.h"
#include "meta_verdict.h"

TEST(metainfo_lets_peers_ask_for_the_whole_last_block_of_a_v2_file)
{
	static const struct meta_file file = {.path = "f", .length = 20000, .n_pieces = 1};
	struct metainfo m = {.v2 = true,
			     .single = true,
			     .piece_length = 65536,
			     .n_pieces = 1,
			     .n_files = 1,
			     .space_bytes = 20000,
			     .files = (struct meta_file *)&file};

	CHECK_INT(meta_piece_bytes(&m, 0), 20000);
	CHECK_INT(meta_request_bytes(&m, 0), 32768);
	m.v1 = true;
	CHECK_INT(meta_request_bytes(&m, 0), 20000);
}

TEST(metainfo_keeps_harmless_odd_names_as_they_are)
{
	static const char *const names[] = {"a\\..\\b",	  "-rf",
					    "--help",	  "it's",
					    "two\nlines", "\"quoted\"",
					    "\xff\xfe",	  "\xc0\xae\xc0\xae",
					    "...",	  "..x",
					    " ",	  "CON",
					    "a:b",	  "\x1b]52;c;x\x07",
					    "%n%s",	  "$(reboot)",
					    "; rm",	  "~",
					    "\xc2\x9b"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct metainfo *m = NULL;
		struct buf b;
		size_t n = strlen(names[i]);

		buf_init(&b, 1000);
		buf_printf(&b, "d4:infod5:filesld6:lengthi5e4:pathl%zu:%sxeee", n + 1, names[i]);
		/* 'x' is part of the component, so that all is one string */
		buf_printf(&b, "4:name%zu:%s12:piece lengthi16384e6:pieces20:", n, names[i]);
		buf_put(&b, bytes_of("xxxxxxxxxxxxxxxxxxxxee", 22));
		CHECK_INT(meta_parse(buf_bytes(&b), &m), META_OK);
		CHECK_STR(m->name, names[i]);
		CHECK_MEM(m->files[0].path, names[i], n);
		meta_free(m);
		buf_fini(&b);
	}
}

TEST(metainfo_of_an_old_unsorted_v1_torrent_hashes_the_raw_bytes)
{
	static const char raw[] = "d6:pieces20:xxxxxxxxxxxxxxxxxxxx4:name1:n6:lengthi5e"
				  "12:piece lengthi16384e7:private1:1e";
	char torrent[200];
	struct metainfo *m = NULL;
	uint8_t hash[SHA1_LEN];

	snprintf(torrent, sizeof(torrent), "d8:url-list0:4:info%s8:announce3:u:1e", raw);
	CHECK_INT(meta_parse(bytes_str(torrent), &m), META_OK);
	sha1_of(bytes_str(raw), hash);
	CHECK_MEM(m->hash_v1, hash, SHA1_LEN);
	CHECK(bytes_eq(m->info, bytes_str(raw)));
	CHECK(!m->private);
	CHECK(m->single && m->v1 && !m->v2);
	CHECK_STR(m->files[0].path, "n");
	CHECK_STR(m->trackers[0].url, "u:1");
	CHECK(meta_swarm_hash(m) == m->hash_v1);
	CHECK(meta_has_swarm_hash(m, hash));
	CHECK(!meta_has_swarm_hash(m, m->hash_v2));
	meta_free(m);
}

TEST(metainfo_keeps_texts_and_trackers_within_limits)
{
	struct metainfo *m = parse_notation(
	    "{'announce' 'http://only' 'announce-list' [['u:1' 5 'u:2' 'u:1'] 7 ['' 'a b']"
	    "['u:3' 'x'*2049 'y'*2048]] 'comment' 'c'*1000000 'created by' 'b~c'"
	    "'creation date' -5 'info' {'length' 5 'private' 1" NP P1 "}}");

	CHECK_INT(m->n_trackers, 4);
	CHECK_STR(m->trackers[0].url, "u:1");
	CHECK_STR(m->trackers[1].url, "u:2");
	CHECK_INT(m->trackers[1].tier, 0);
	CHECK_STR(m->trackers[2].url, "u:3");
	CHECK_INT(m->trackers[2].tier, 1);
	CHECK_INT(strlen(m->trackers[3].url), META_URL_BYTES_MAX);
	CHECK_INT(strlen(m->comment), META_TEXT_BYTES_MAX);
	CHECK_STR(m->created_by, "b");
	CHECK(m->created_at == 0);
	CHECK(m->private);
	meta_free(m);
	m = parse_notation("{'announce' 'http://only' 'announce-list' [[]] 'comment' 7"
			   "'creation date' 77 'info' {'length' 5" NP P1 "}}");
	CHECK_INT(m->n_trackers, 1);
	CHECK_STR(m->trackers[0].url, "http://only");
	CHECK_STR(m->comment, "");
	CHECK_STR(m->created_by, "");
	CHECK(m->created_at == 77);
	meta_free(m);
}

TEST(metainfo_keeps_webseeds_that_can_be_asked_each_once)
{
	struct metainfo *m = parse_notation(
	    "{'info' {'length' 5" NP P1 "} 'url-list' ['http://a/f' 'ftp://b/f' 'HTTPS://c/' 7 '' "
	    "'http://a/f' 'http://d/ x' 'file:///etc/passwd' 'http://']}");

	CHECK_INT(m->n_webseeds, 2);
	CHECK_STR(m->webseeds[0], "http://a/f");
	CHECK_STR(m->webseeds[1], "HTTPS://c/");
	meta_free(m);
	m = parse_notation("{'info' {'length' 5" NP P1 "} 'url-list' 'http://alone/'}");
	CHECK_INT(m->n_webseeds, 1);
	CHECK_STR(m->webseeds[0], "http://alone/");
	meta_free(m);
	m = parse_notation("{'info' {'length' 5" NP P1 "} 'url-list' {'http://no' 1}}");
	CHECK_INT(m->n_webseeds, 0);
	meta_free(m);
}

TEST(metainfo_keeps_so_many_webseeds_and_no_more)
{
	char torrent[4096];
	struct metainfo *m = NULL;
	size_t n;

	for (uint32_t more = 0; more < 2; more++) {
		n = (size_t)snprintf(torrent, sizeof(torrent),
				     "d4:infod6:lengthi5e4:name1:n12:piece lengthi16384e"
				     "6:pieces20:xxxxxxxxxxxxxxxxxxxxe8:url-listl");
		for (uint32_t i = 0; i < META_WEBSEEDS_MAX + more; i++)
			n += (size_t)snprintf(torrent + n, sizeof(torrent) - n, "12:http://h/%03u",
					      i);
		snprintf(torrent + n, sizeof(torrent) - n, "ee");
		CHECK_INT(meta_parse(bytes_str(torrent), &m), META_OK);
		CHECK_INT(m->n_webseeds, META_WEBSEEDS_MAX);
		meta_free(m);
	}
}

static void check_webseed_url(const struct metainfo *m, const char *webseed, uint32_t file,
			      const char *want)
{
	struct buf b;

	buf_init(&b, 4096);
	CHECK_INT(meta_webseed_url(m, webseed, &m->files[file], &b), 0);
	CHECK_STR(buf_cstr(&b), want);
	buf_fini(&b);
}

TEST(metainfo_knows_where_a_webseed_has_a_file)
{
	struct metainfo *m = parse_notation("{'info' {'length' 5" NP P1 "}}");

	check_webseed_url(m, "http://h/any?x=1", 0, "http://h/any?x=1");
	check_webseed_url(m, "http://h/d/", 0, "http://h/d/n");
	meta_free(m);
	m = parse_notation("{'info' {'files' [{'length' 5 'path' ['a b' '50%?#.txt']} {'length' 1"
			   "'path' ['c']}]" NP P1 "}}");
	check_webseed_url(m, "http://h/d/", 0, "http://h/d/n/a%20b/50%25%3F%23.txt");
	check_webseed_url(m, "http://h/d", 1, "http://h/d/n/c");
	meta_free(m);
}

static bool is_pad(const struct metainfo *m, uint64_t at)
{
	return (m->files[meta_file_at(m, at)].flags & META_FILE_PAD) != 0;
}

/* A block is fetched up to its last byte that is no pad. Returns the bytes of the piece that are.
 */
static uint32_t check_blocks(const struct metainfo *m, uint32_t piece)
{
	uint64_t start = (uint64_t)piece * m->piece_length,
		 end = start + meta_piece_bytes(m, piece);
	uint32_t sum = 0;

	for (uint32_t b = 0; b < meta_piece_blocks(m, piece); b++) {
		uint64_t from = start + b * BLOCK_BYTES, to = from + BLOCK_BYTES;

		for (to = to < end ? to : end; to > from && is_pad(m, to - 1);)
			to--;
		CHECK_INT(meta_block_bytes(m, piece, b), to - from);
		sum += meta_block_bytes(m, piece, b);
	}
	CHECK_INT(meta_fetch_bytes(m, piece), sum);
	return sum;
}

/* Everything the header promises of a torrent that was accepted. */
static void check_sound(const struct metainfo *m)
{
	uint64_t at = 0, real = 0, wire = 0, space = 0;
	uint32_t n_real = 0;

	for (uint32_t i = 0; i < m->n_files; i++) {
		const struct meta_file *f = &m->files[i];

		CHECK(f->offset >= at);
		at = f->offset + f->length;
		CHECK(at <= m->space_bytes);
		if ((f->flags & META_FILE_PAD) == 0) {
			real += f->length;
			n_real++;
		} else if (f->length > 0) {
			CHECK(m->pads);
		}
		CHECK_INT(f->n_pieces == 0, f->length == 0);
		CHECK_INT(f->has_root, m->v2 && f->length > 0 && (f->flags & META_FILE_PAD) == 0);
		if (f->length == 0)
			continue;
		CHECK_INT(meta_file_at(m, f->offset), i);
		CHECK_INT(meta_file_at(m, at - 1), i);
		CHECK_INT(f->first_piece, f->offset / m->piece_length);
		CHECK_INT(f->first_piece + f->n_pieces - 1, (at - 1) / m->piece_length);
		if (f->has_root) {
			CHECK(f->offset % m->piece_length == 0);
			CHECK_MEM(meta_file_by_root(m, f->root)->root, f->root, SHA256_LEN);
			CHECK(meta_piece_hash_v2(m, f->first_piece) == f->layer);
			CHECK(meta_piece_file(m, f->first_piece + f->n_pieces - 1) == f);
		}
	}
	CHECK_INT(n_real, m->n_real_files);
	CHECK(real == m->total_bytes);
	CHECK_INT(meta_file_at(m, m->space_bytes), m->n_files);
	CHECK_INT(meta_file_at(m, UINT64_MAX), m->n_files);
	for (uint32_t p = 0; p < m->n_pieces; p++) {
		uint32_t bytes = meta_piece_bytes(m, p), blocks = meta_piece_blocks(m, p);

		CHECK(bytes > 0 && bytes <= m->piece_length);
		space += bytes;
		wire += check_blocks(m, p);
		CHECK_INT(meta_block_bytes(m, p, blocks), 0);
	}
	CHECK(space == (m->v1 ? m->space_bytes : m->total_bytes));
	/* v2's files begin where pieces do, so nothing but them is fetched. */
	CHECK(wire == (m->v2 || !m->pads ? m->total_bytes : wire));
	CHECK_INT(meta_piece_bytes(m, m->n_pieces), 0);
	CHECK_INT(meta_fetch_bytes(m, m->n_pieces), 0);
	CHECK_INT(meta_piece_blocks(m, UINT32_MAX), 0);
	CHECK(meta_piece_file(m, m->n_pieces) == NULL);
	CHECK(meta_piece_hash_v2(m, m->n_pieces) == NULL);
}

TEST(metainfo_of_every_sample_is_sound_in_every_kind)
{
	for (size_t i = 0; i < N_SAMPLES; i++) {
		for (int kind = 1; kind <= 3; kind++) {
			struct metainfo *m = NULL;
			struct buf b;

			sample_torrent(samples[i].name, (kind & 1) != 0, (kind & 2) != 0, &b);
			CHECK_INT(meta_parse(buf_bytes(&b), &m), META_OK);
			check_sound(m);
			CHECK_INT(m->n_real_files, sample_count(&samples[i]));
			meta_free(m);
			buf_fini(&b);
		}
	}
}

TEST(metainfo_reads_torrents_of_other_programs)
{
	static const struct {
		const char *hex;
		bool v1, v2;
		uint32_t n_files, n_real, n_pieces;
		uint64_t space;
	} rows[] = {
	    {golden_v1, true, false, 11, 11, 7, 215652},
	    {golden_v2, false, true, 11, 11, 13, 12 * 32768 + 10},
	    {golden_hybrid, true, true, 19, 11, 13, 13 * 32768},
	    {golden_no_tail_pad, true, true, 18, 11, 13, 12 * 32768 + 10},
	    {golden_transmission, true, false, 9, 9, 7, 215652},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct metainfo *m = NULL;
		struct buf b;

		unhex(rows[i].hex, &b);
		CHECK_INT(meta_parse(buf_bytes(&b), &m), META_OK);
		check_sound(m);
		CHECK_STR(m->name, "order");
		CHECK(!m->single);
		CHECK_INT(m->v1, rows[i].v1);
		CHECK_INT(m->v2, rows[i].v2);
		CHECK_INT(m->n_files, rows[i].n_files);
		CHECK_INT(m->n_real_files, rows[i].n_real);
		CHECK_INT(m->n_pieces, rows[i].n_pieces);
		CHECK(m->space_bytes == rows[i].space);
		CHECK(m->total_bytes == 215652);
		meta_free(m);
		buf_fini(&b);
	}
}

TEST(metainfo_aligns_v2_files_and_cuts_their_last_pieces)
{
	struct metainfo *m = NULL;
	struct buf b;

	sample_torrent("gaps", false, true, &b);
	CHECK_INT(meta_parse(buf_bytes(&b), &m), META_OK);
	CHECK_INT(m->n_files, 5);
	CHECK_INT(m->n_pieces, 5);
	CHECK(m->files[3].offset == SAMPLE_PIECE);
	CHECK_INT(m->files[3].flags, META_FILE_EXEC);
	CHECK_INT(meta_piece_bytes(m, 0), 5);
	CHECK_INT(meta_piece_bytes(m, 1), SAMPLE_PIECE);
	CHECK_INT(meta_piece_bytes(m, 2), 1);
	CHECK_INT(meta_file_at(m, 4), 0);
	CHECK_INT(meta_file_at(m, 5), m->n_files);
	CHECK_INT(meta_file_at(m, SAMPLE_PIECE - 1), m->n_files);
	CHECK(meta_swarm_hash(m) == m->hash_v2);
	CHECK(meta_has_swarm_hash(m, m->hash_v2));
	CHECK(!meta_has_swarm_hash(m, m->hash_v1));
	CHECK(meta_file_by_root(m, m->hash_v2) == NULL);
	meta_free(m);
	buf_fini(&b);
}

TEST(metainfo_calls_a_lone_file_at_the_top_of_a_tree_single)
{
	struct metainfo *m = parse_notation(TREE("{'other' " LEAF("5") "}"));

	CHECK(m->single);
	CHECK_STR(m->name, "n");
	CHECK_STR(m->files[0].path, "other");
	meta_free(m);
	m = parse_notation(TREE("{'d' {'f' " LEAF("5") "}}"));
	CHECK(!m->single);
	CHECK_STR(m->files[0].path, "d/f");
	meta_free(m);
	m = parse_notation(HYBRID(F1("5"), "{'f' " LEAF("5") "}", "20"));
	CHECK(!m->single);
	meta_free(m);
}

TEST(metainfo_lists_links_and_attributes)
{
	struct metainfo *m = parse_notation(
	    LIST("{'attr' 'hxq' 'length' 5 'path' ['a']}"
		 "{'attr' 'l' 'path' ['b'] 'symlink path' ['a']}{'attr' 'p' 'length' 7}"));

	CHECK_INT(m->n_files, 3);
	CHECK_INT(m->n_real_files, 2);
	CHECK(m->total_bytes == 5);
	CHECK(m->space_bytes == 12);
	CHECK_INT(m->files[0].flags, META_FILE_HIDDEN | META_FILE_EXEC);
	CHECK_INT(m->files[1].flags, META_FILE_SYMLINK);
	CHECK(m->files[1].length == 0);
	CHECK_INT(m->files[2].flags, META_FILE_PAD);
	CHECK_STR(m->files[2].path, ".pad/7");
	meta_free(m);
}

TEST(metainfo_leaves_out_empty_parts_of_paths)
{
	struct metainfo *m = parse_notation(LIST("{'length' 5 'path' ['' 'a' '' '' 'b' '']}"));

	CHECK_STR(m->files[0].path, "a/b");
	meta_free(m);
	m = parse_notation(
	    HYBRID("{'length' 5 'path' ['d' '' 'f']}", "{'d' {'f' " LEAF("5") "}}", "20"));
	CHECK_STR(m->files[0].path, "d/f");
	meta_free(m);
}

/* As other clients do: they take the list, too. */
TEST(metainfo_takes_the_list_of_files_where_a_length_stands_beside_it)
{
	struct metainfo *m = parse_notation("{'info' {'files' [{'length' 5 'path' ['a']}"
					    "{'length' 2 'path' ['b']}] 'length' 5" NP P1 "}}");

	CHECK(!m->single);
	CHECK_INT(m->n_files, 2);
	CHECK_STR(m->files[1].path, "b");
	CHECK(m->total_bytes == 7);
	meta_free(m);
	m = parse_notation("{'info' {'files' [" FILE1 "] 'length' -1" NP P1 "}}");
	CHECK(m->total_bytes == 5);
	meta_free(m);
}

#define V1_PIECES(files, length, n)                                                                \
	"{'info' {'files' [" files "] 'name' 'n' 'piece length' " length " 'pieces' 'x'*" n "}}"
#define FILE_OF(n, name) "{'length' " n " 'path' ['" name "']}"
#define PAD_OF(n) "{'attr' 'p' 'length' " n "}"

/* Wherever a v1 torrent puts its pads: between two files of a block, before one, behind one over
 * several blocks, as a whole piece, and many after one another. */
TEST(metainfo_of_pads_in_odd_places_is_sound)
{
	static const uint32_t want[][3] = {
	    {170, 0, 0}, {16384, 3616, 0}, {0, 0, 0}, {50, 0, 0}, {0, 0, 0}};
	struct metainfo *m = parse_notation(
	    V1_PIECES(FILE_OF("100", "a") PAD_OF("50") FILE_OF("0", "e") FILE_OF("20", "b")
			  PAD_OF("40000") FILE_OF("0", "e2") PAD_OF("8982") FILE_OF("20000", "c")
			      PAD_OF("29152") PAD_OF("49152") FILE_OF("1", "d") PAD_OF("39")
				  FILE_OF("10", "f") PAD_OF("49102") PAD_OF("7"),
		      "49152", "100"));

	CHECK_INT(m->n_pieces, 5);
	CHECK(m->pads);
	check_sound(m);
	for (uint32_t p = 0; p < m->n_pieces; p++)
		for (uint32_t b = 0; b < 3; b++)
			CHECK_INT(meta_block_bytes(m, p, b), want[p][b]);
	meta_free(m);
	m = parse_notation(V1_PIECES(PAD_OF("20") FILE_OF("1004", "a") PAD_OF("0"), "1024", "20"));
	check_sound(m);
	CHECK_INT(meta_block_bytes(m, 0, 0), 1024);
	meta_free(m);
	m = parse_notation(V1_PIECES(FILE_OF("1024", "a") PAD_OF("0"), "1024", "20"));
	CHECK(!m->pads);
	meta_free(m);
}

TEST(metainfo_of_a_bare_info_knows_no_layers_of_long_files)
{
	static const char *const names[] = {"f100000", "f32768"};

	for (int kind = 1; kind <= 3; kind++) {
		for (int i = 0; i < 2; i++) {
			struct metainfo *whole = NULL, *m = NULL;
			struct buf b;

			sample_torrent(names[i], (kind & 1) != 0, (kind & 2) != 0, &b);
			CHECK_INT(meta_parse(buf_bytes(&b), &whole), META_OK);
			CHECK_INT(meta_parse_info(whole->info, &m), META_OK);
			CHECK_MEM(m->hash_v1, whole->hash_v1, SHA1_LEN);
			CHECK_MEM(m->hash_v2, whole->hash_v2, SHA256_LEN);
			CHECK_INT(m->files[0].layer != NULL, m->v2 && i == 1);
			CHECK_INT(meta_piece_hash_v2(m, 0) != NULL, m->v2 && i == 1);
			CHECK_STR(m->comment, "");
			meta_free(m);
			meta_free(whole);
			buf_fini(&b);
		}
	}
	CHECK_INT(meta_parse_info(bytes_str("le"), &(struct metainfo *){NULL}), META_INFO_NOT_DICT);
	CHECK_INT(meta_parse_info(bytes_str("de5"), &(struct metainfo *){NULL}),
		  META_TRAILING_BYTES);
}

/* As editors and scripts leave them. What the info-hash is taken of stays strict. */
TEST(metainfo_may_have_line_ends_and_blanks_behind_it)
{
	static const struct {
		const char *tail;
		enum meta_fault want;
	} rows[] = {{"\n", META_OK},
		    {"\r\n", META_OK},
		    {" \t\n\n", META_OK},
		    {"\v", META_TRAILING_BYTES},
		    {"\n\ne", META_TRAILING_BYTES},
		    {"x\n", META_TRAILING_BYTES}};
	struct metainfo *whole, *m;
	struct buf b, info;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		sample_torrent("gaps", true, true, &b);
		CHECK_INT(meta_parse(buf_bytes(&b), &whole), META_OK);
		CHECK_INT(buf_put_str(&b, rows[i].tail), OK);
		CHECK_INT(meta_parse(buf_bytes(&b), &m), rows[i].want);
		if (rows[i].want == META_OK) {
			CHECK_MEM(m->hash_v2, whole->hash_v2, SHA256_LEN);
			meta_free(m);
		}
		buf_init(&info, META_BYTES_MAX);
		CHECK_INT(buf_put(&info, whole->info), OK);
		CHECK_INT(buf_put_str(&info, rows[i].tail), OK);
		CHECK_INT(meta_parse_info(buf_bytes(&info), &m), META_TRAILING_BYTES);
		buf_fini(&info);
		meta_free(whole);
		buf_fini(&b);
	}
}

/* Every prefix and every byte changed: no crash, the same answer twice, and none
 * that takes long. */
static void check_bent(struct bytes good)
{
	for (size_t n = 0; n < good.len; n++) {
		uint8_t *copy = malloc(n > 0 ? n : 1);

		memcpy(copy, good.ptr, n);
		CHECK_INT(verdict_of(bytes_of(copy, n)), META_NOT_BENCODE);
		free(copy);
	}
	for (size_t n = 0; n < good.len; n++) {
		static const uint8_t flips[] = {0x01, 0x80, 0xff};
		uint8_t *copy = malloc(good.len);

		memcpy(copy, good.ptr, good.len);
		for (size_t i = 0; i < sizeof(flips); i++) {
			double start = seconds_now();
			enum meta_fault f;

			copy[n] = good.ptr[n] ^ flips[i];
			f = verdict_of(bytes_of(copy, good.len));
			CHECK_INT(verdict_of(bytes_of(copy, good.len)), f);
			CHECK(f != META_NOMEM);
			CHECK(seconds_now() - start < 1.0);
		}
		free(copy);
	}
}

TEST(metainfo_survives_every_prefix_and_every_changed_byte)
{
	static const struct {
		const char *name;
		bool v1, v2;
	} rows[] = {{"f1", true, false},     {"f1", false, true},   {"f1", true, true},
		    {"gaps", true, false},   {"gaps", false, true}, {"gaps", true, true},
		    {"f100000", true, true}, {"order", true, true}, {"order", false, true},
		    {"one", true, true},     {"deep", true, true}};
	struct buf b;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		sample_torrent(rows[i].name, rows[i].v1, rows[i].v2, &b);
		check_bent(buf_bytes(&b));
		buf_fini(&b);
	}
	buf_init(&b, 1000);
	notation("{'info' {'length' 0" NP "'pieces' ''}}", &b);
	check_bent(buf_bytes(&b));
	buf_fini(&b);
}

TEST(metainfo_survives_random_damage)
{
	struct buf good;

	sample_torrent("order", true, true, &good);
	for (uint64_t seed = 1; seed <= 3000; seed++) {
		struct metainfo *m = NULL;
		uint8_t *copy = malloc(good.len);
		struct rng r;

		rng_seed(&r, seed);
		memcpy(copy, good.ptr, good.len);
		for (uint32_t i = rng_below(&r, 6); i > 0; i--) {
			uint32_t from = rng_below(&r, (uint32_t)good.len);
			uint32_t to = rng_below(&r, (uint32_t)good.len);
			uint32_t n = rng_below(&r, 20);

			if (from + n <= good.len && to + n <= good.len)
				memmove(copy + to, copy + from, n);
		}
		if (meta_parse(bytes_of(copy, good.len), &m) == META_OK)
			check_sound(m);
		meta_free(m);
		free(copy);
	}
	buf_fini(&good);
}
