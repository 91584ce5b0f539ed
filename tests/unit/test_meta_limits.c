#include "meta/metainfo.h"

#include "test.h"

#include "failmalloc.h"
#include "meta_verdict.h"

TEST(metainfo_refuses_integers_and_depth_beyond_bencode)
{
	static const char *const texts[] = {"d4:infod6:lengthi9223372036854775808eee",
					    "d1:ai-9223372036854775809ee"};
	struct buf b;

	for (size_t i = 0; i < 2; i++)
		CHECK_INT(verdict_of(bytes_str(texts[i])), META_BENCODE_LIMIT);
	CHECK_INT(verdict_of(bytes_str("d4:infod6:lengthi05eee")), META_NOT_BENCODE);
	CHECK_INT(verdict_of(bytes_str("d4:infod6:lengthi-0eee")), META_NOT_BENCODE);
	buf_init(&b, 4 << 20);
	for (int i = 0; i < 1000000; i++)
		buf_put_str(&b, "l");
	CHECK_INT(verdict_of(buf_bytes(&b)), META_BENCODE_LIMIT);
	buf_clear(&b);
	for (int i = 0; i < 300000; i++)
		buf_put_str(&b, "d1:a");
	CHECK_INT(verdict_of(buf_bytes(&b)), META_BENCODE_LIMIT);
	buf_fini(&b);
}

TEST(metainfo_takes_a_hundred_trackers_and_leaves_the_rest)
{
	struct metainfo *m = NULL;
	struct buf b;

	buf_init(&b, 1 << 20);
	buf_put_str(&b, "d13:announce-listl");
	for (int i = 0; i < 10000; i++)
		buf_printf(&b, "l8:udp:%04de", i);
	buf_put_str(&b, "e");
	notation("'info' {'length' 5" NP P1 "}}", &b);
	CHECK_INT(meta_parse(buf_bytes(&b), &m), META_OK);
	CHECK_INT(m->n_trackers, META_TRACKERS_MAX);
	CHECK_STR(m->trackers[99].url, "udp:0099");
	meta_free(m);
	buf_fini(&b);
}

TEST(metainfo_too_large_is_refused_before_it_is_read)
{
	uint8_t *zeros = calloc(1, (size_t)META_BYTES_MAX + 1);

	CHECK_INT(verdict_of(bytes_of(zeros, (size_t)META_BYTES_MAX + 1)), META_TOO_LARGE);
	CHECK_INT(verdict_of(bytes_of(zeros, META_BYTES_MAX)), META_NOT_BENCODE);
	free(zeros);
}

/* One file, then `n` - 1 pads that are as short as can be: six values a file would
 * meet bencode's limit of values first. */
static enum meta_fault verdict_of_pads(uint32_t n)
{
	enum meta_fault f;
	struct buf b;

	buf_init(&b, META_BYTES_MAX);
	buf_put_str(&b, "d4:infod5:filesld6:lengthi0e4:pathl1:fee");
	for (uint32_t i = 1; i < n; i++)
		buf_put_str(&b, "d4:attr1:p6:lengthi0ee");
	buf_put_str(&b, "e");
	notation(NP "'pieces' ''}}", &b);
	f = verdict_of(buf_bytes(&b));
	buf_fini(&b);
	return f;
}

/* A tree of `n` empty files. */
static enum meta_fault verdict_of_tree(uint32_t n)
{
	enum meta_fault f;
	struct buf b;

	buf_init(&b, META_BYTES_MAX);
	buf_put_str(&b, "d4:infod9:file treed");
	for (uint32_t i = 0; i < n; i++)
		buf_printf(&b, "6:%06ud0:d6:lengthi0eee", i);
	buf_put_str(&b, "e");
	notation(V2 NP "}}", &b);
	f = verdict_of(buf_bytes(&b));
	buf_fini(&b);
	return f;
}

TEST(metainfo_holds_its_limit_of_files)
{
	double start = seconds_now();

	CHECK_INT(verdict_of_pads(META_FILES_MAX), META_OK);
	CHECK_INT(verdict_of_pads(META_FILES_MAX + 1), META_TOO_MANY_FILES);
	CHECK_INT(verdict_of_tree(BENC_TOKENS_MAX / 6 - 3), META_OK);
	CHECK_INT(verdict_of_tree(1000000), META_BENCODE_LIMIT);
	CHECK(seconds_now() - start < 30.0);
}

TEST(metainfo_holds_its_limit_of_pieces)
{
	struct metainfo *m;

	m = parse_notation("{'info' {'length' 2147483648 'name' 'n' 'piece length' 1024"
			   "'pieces' 'x'*41943040}}");
	CHECK_INT(m->n_pieces, META_PIECES_MAX);
	meta_free(m);
	CHECK_INT(verdict_of_notation("{'info' {'length' 2147483649 'name' 'n' 'piece length' 1024"
				      "'pieces' 'x'*41943060}}"),
		  META_TOO_MANY_PIECES);
}

/* A path of `depth` one-letter components, as list or as tree. */
static enum meta_fault verdict_of_depth(uint32_t depth, bool v2)
{
	enum meta_fault f;
	struct buf b;

	buf_init(&b, 1 << 20);
	buf_put_str(&b, v2 ? "d4:infod9:file treed" : "d4:infod5:filesld6:lengthi0e4:pathl");
	for (uint32_t i = 0; i < depth; i++)
		buf_put_str(&b, v2 ? "1:dd" : "1:d");
	buf_put_str(&b, v2 ? "0:d6:lengthi0ee" : "eee");
	for (uint32_t i = 0; v2 && i <= depth; i++)
		buf_put_str(&b, "e");
	notation(v2 ? V2 NP "}}" : NP "'pieces' ''}}", &b);
	f = verdict_of(buf_bytes(&b));
	buf_fini(&b);
	return f;
}

TEST(metainfo_holds_its_limit_of_depth)
{
	CHECK_INT(verdict_of_depth(META_DEPTH_MAX, false), META_OK);
	CHECK_INT(verdict_of_depth(META_DEPTH_MAX + 1, false), META_TREE_DEEP);
	CHECK_INT(verdict_of_depth(META_DEPTH_MAX, true), META_OK);
	CHECK_INT(verdict_of_depth(META_DEPTH_MAX + 1, true), META_TREE_DEEP);
	CHECK_INT(verdict_of_depth(1000, true), META_BENCODE_LIMIT);
}

/* A path of `n` bytes in components of 199. */
static enum meta_fault verdict_of_path(size_t n, bool v2)
{
	char path[META_PATH_BYTES_MAX + 2];
	enum meta_fault f;
	struct buf b;
	uint32_t depth = 0;

	memset(path, 'p', sizeof(path));
	buf_init(&b, 1 << 20);
	buf_put_str(&b, v2 ? "d4:infod9:file treed" : "d4:infod5:filesld6:lengthi0e4:pathl");
	for (size_t left = n; left > 0; depth++) {
		size_t part = left < 200 ? left : 199;

		buf_printf(&b, "%zu:%.*s%s", part, (int)part, path, v2 ? "d" : "");
		left -= left < 200 ? left : 200;
	}
	buf_put_str(&b, v2 ? "0:d6:lengthi0ee" : "eee");
	for (uint32_t i = 0; v2 && i <= depth; i++)
		buf_put_str(&b, "e");
	notation(v2 ? V2 NP "}}" : NP "'pieces' ''}}", &b);
	f = verdict_of(buf_bytes(&b));
	buf_fini(&b);
	return f;
}

TEST(metainfo_holds_its_limit_of_path_bytes)
{
	for (int v2 = 0; v2 < 2; v2++) {
		CHECK_INT(verdict_of_path(META_PATH_BYTES_MAX - 1, v2 == 1), META_OK);
		CHECK_INT(verdict_of_path(META_PATH_BYTES_MAX + 1, v2 == 1), META_PATH_LONG);
	}
}

/* Many small files below one long path: the joined list would be a hundred times the
 * torrent. */
TEST(metainfo_refuses_trees_that_unfold_without_measure)
{
	struct buf b;
	int depth = 15;

	buf_init(&b, META_BYTES_MAX);
	buf_put_str(&b, "d4:infod9:file treed");
	for (int i = 0; i < depth; i++)
		notation("'d'*255", &b), buf_put_str(&b, "d");
	for (int i = 0; i < 100000; i++)
		buf_printf(&b, "5:%05dd0:d6:lengthi0eee", i);
	for (int i = 0; i < depth; i++)
		buf_put_str(&b, "e");
	buf_put_str(&b, "e");
	notation(V2 NP "}}", &b);
	CHECK_INT(verdict_of(buf_bytes(&b)), META_PATHS_LONG);
	buf_fini(&b);
}

TEST(metainfo_finds_ten_thousand_clashes_at_once)
{
	enum meta_fault f;
	struct buf b;

	buf_init(&b, META_BYTES_MAX);
	buf_put_str(&b, "d4:infod5:filesl");
	for (int i = 0; i < 10000; i++)
		notation("{'length' 0 'path' ['d' 'same']}", &b);
	buf_put_str(&b, "e");
	notation(NP "'pieces' ''}}", &b);
	f = verdict_of(buf_bytes(&b));
	CHECK_INT(f, META_PATH_CLASH);
	buf_fini(&b);
}

TEST(metainfo_tells_when_memory_is_short)
{
	enum meta_fault f = META_NOMEM;
	struct buf b;

	buf_init(&b, 1 << 20);
	sample_torrent("order", true, true, &b);
	for (size_t n = 1; f != META_OK; n++) {
		struct metainfo *m = NULL;

		failmalloc_start(n, false);
		f = meta_parse(buf_bytes(&b), &m);
		failmalloc_stop();
		CHECK(f == META_OK || f == META_NOMEM);
		CHECK_INT(m != NULL, f == META_OK);
		meta_free(m);
	}
	buf_fini(&b);
}
