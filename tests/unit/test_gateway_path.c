#include "daemon/gateway_path.h"

#include <stdlib.h>

#include "test.h"

static int parse(const char *text, struct gateway_path *p)
{
	return gateway_path_parse(bytes_str(text), p);
}

TEST(an_address_is_taken_apart)
{
	struct gateway_path p;

	CHECK_INT(parse("alice%40lab/film", &p), 0);
	CHECK_STR(p.ref.owner, "alice@lab");
	CHECK_STR(p.ref.name, "film");
	CHECK_INT(p.ref.version, 0);
	CHECK_STR(p.path, "");
	CHECK(!p.slash);
	CHECK_INT(parse("alice@lab/my%20film@3/", &p), 0);
	CHECK_STR(p.ref.name, "my film");
	CHECK_INT(p.ref.version, 3);
	CHECK(p.slash);
	CHECK_INT(parse("a/b//c%3f/d%00", &p), ERR_NOENT);
	CHECK_INT(parse("a/b//c%3f/d", &p), 0);
	CHECK_STR(p.path, "c?/d");
	CHECK_INT(parse("a/b/%FF", &p), 0);
	CHECK_STR(p.path, "\xff");
}

TEST(what_is_no_address_is_not_there)
{
	static const char *const bad[] = {"",	      "a",	 "a/",	       "/b",	    "//",
					  "a/b/../c", "a/b/.",	 "a/b/%2e%2E", "a/b/c%2fd", "a/b/%",
					  "a/b/%0",   "a%2fb/c", "a/b@0",      "a/%01"};
	struct gateway_path p;
	char text[2 * GATEWAY_PATH_MAX];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_INT(parse(bad[i], &p), ERR_NOENT);
	memset(text, 'x', sizeof(text));
	memcpy(text, "a/b/", 4);
	text[4 + GATEWAY_PATH_MAX] = '\0';
	CHECK_INT(parse(text, &p), ERR_NOENT);
	text[4 + GATEWAY_PATH_MAX - 1] = '\0';
	CHECK_INT(parse(text, &p), 0);
}

/* Each in memory of its exact size. */
TEST(every_prefix_of_an_address_is_read_within_its_bounds)
{
	static const char whole[] = "al%40ice/na%20me@12/pa%C3%A4th//b%2";
	struct gateway_path p;

	for (size_t n = 0; n < sizeof(whole); n++) {
		uint8_t *copy = malloc(n + (n == 0));

		memcpy(copy, whole, n);
		(void)gateway_path_parse(bytes_of(copy, n), &p);
		free(copy);
	}
}

static struct metainfo *torrent(const char *text)
{
	struct metainfo *m = NULL;

	CHECK_INT(meta_parse(bytes_str(text), &m), META_OK);
	return m;
}

static void check_target(const struct metainfo *m, const char *path, enum gateway_kind kind,
			 const char *what)
{
	struct gateway_target t;

	gateway_path_find(m, path, &t);
	CHECK_INT(t.kind, kind);
	if (kind == GATEWAY_FILE)
		CHECK_STR(m->files[t.file].path, what);
	if (kind == GATEWAY_FOLDER)
		CHECK_STR(t.folder, what);
}

#define PIECES "12:piece lengthi16384e6:pieces20:xxxxxxxxxxxxxxxxxxxx"

TEST(a_path_finds_a_file_or_folder_also_with_the_torrents_name_before_it)
{
	struct metainfo *m =
	    torrent("d4:infod5:filesld6:lengthi1e4:pathl1:a1:beed6:lengthi2e4:pathl1:ceed4:attr1:p"
		    "6:lengthi5e4:pathl4:.pad1:5eee4:name3:top" PIECES "ee");

	check_target(m, "", GATEWAY_FOLDER, "");
	check_target(m, "a", GATEWAY_FOLDER, "a");
	check_target(m, "a/b", GATEWAY_FILE, "a/b");
	check_target(m, "c", GATEWAY_FILE, "c");
	check_target(m, "top", GATEWAY_FOLDER, "");
	check_target(m, "top/a/b", GATEWAY_FILE, "a/b");
	check_target(m, "top/a", GATEWAY_FOLDER, "a");
	check_target(m, "b", GATEWAY_NOTHING, NULL);
	check_target(m, "a/", GATEWAY_NOTHING, NULL);
	check_target(m, "topp/a", GATEWAY_NOTHING, NULL);
	check_target(m, ".pad/5", GATEWAY_NOTHING, NULL);
	check_target(m, ".pad", GATEWAY_NOTHING, NULL);
	meta_free(m);
	m = torrent("d4:infod6:lengthi5e4:name5:f.bin" PIECES "ee");
	check_target(m, "", GATEWAY_FILE, "f.bin");
	check_target(m, "f.bin", GATEWAY_FILE, "f.bin");
	check_target(m, "g.bin", GATEWAY_NOTHING, NULL);
	check_target(m, "f.bin/x", GATEWAY_NOTHING, NULL);
	meta_free(m);
}

TEST(tags_name_bytes_and_are_found_in_lists)
{
	struct metainfo *m = torrent("d4:infod6:lengthi5e4:name5:f.bin" PIECES "ee");
	char tag[GATEWAY_ETAG_MAX];

	gateway_etag(tag, m, 0);
	CHECK_INT(strlen(tag), 2 + 2 * SHA1_LEN + 2);
	CHECK(gateway_etag_in(tag, tag));
	CHECK(gateway_etag_in("*", tag));
	meta_free(m);
	CHECK(gateway_etag_in("\"a\", W/\"b\" ,\"c\"", "\"b\""));
	CHECK(gateway_etag_in("\"a\",\"c\"", "\"c\""));
	CHECK(!gateway_etag_in("\"a\", \"bc\"", "\"b\""));
	CHECK(!gateway_etag_in("", "\"b\""));
	CHECK(!gateway_etag_in("W/", "\"b\""));
}

TEST(types_come_from_the_end_of_a_name_and_what_could_run_is_marked)
{
	CHECK_STR(gateway_type_of("a/b.MP4").type, "video/mp4");
	CHECK(!gateway_type_of("a/b.mp4").active);
	CHECK(gateway_type_of("x.html").active && gateway_type_of("x.SVG").active);
	CHECK(!gateway_type_of("x.js").active);
	CHECK_STR(gateway_type_of("x.js").type, "text/plain; charset=utf-8");
	CHECK_STR(gateway_type_of("noend").type, "application/octet-stream");
	CHECK_STR(gateway_type_of("").type, "application/octet-stream");
}
