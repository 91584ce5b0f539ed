#include "meta/magnet.h"

#include <stdio.h>

#include "test.h"

#include "base/rng.h"
#include "failmalloc.h"
#include "meta_samples.h"

#define HEX1 "0123456789abcdef0123456789ABCDEF01234567"
#define HEX2 HEX1 "89abcdef0123456789abcdef"
#define V1 "magnet:?xt=urn:btih:" HEX1

static int parse(const char *text, struct magnet *m)
{
	return magnet_parse(bytes_str(text), m);
}

TEST(magnet_with_everything_is_read)
{
	struct magnet m;

	CHECK_INT(parse(V1 "&xt=urn:btmh:1220" HEX2 "&dn=a%20b+c%2Bd&tr=http%3A%2F%2Ft%2Fa"
			   "&tr.1=udp://u:1&x.pe=192.0.2.1:5&x.pe=%5B2001:db8::1%5D:6&so=0,2,6-8"
			   "&xl=5&ws=http://x&unknown&=",
			&m),
		  0);
	CHECK(m.has_v1 && m.has_v2);
	CHECK_INT(m.hash_v1[19], 0x67);
	CHECK_INT(m.hash_v2[31], 0xef);
	CHECK_STR(m.name, "a b c+d");
	CHECK_INT(m.n_trackers, 2);
	CHECK_STR(m.trackers[0], "http://t/a");
	CHECK_STR(m.trackers[1], "udp://u:1");
	CHECK_INT(m.n_peers, 2);
	CHECK_INT(m.peers[0].port, 5);
	CHECK_INT(m.peers[1].v6, 1);
	CHECK_INT(m.n_only, 3);
	CHECK_INT(m.only[1].first, 2);
	CHECK_INT(m.only[1].last, 2);
	CHECK_INT(m.only[2].first, 6);
	CHECK_INT(m.only[2].last, 8);
	CHECK_INT(m.n_webseeds, 1);
	CHECK_STR(m.webseeds[0], "http://x");
	CHECK_INT(m.dropped, 0);
	magnet_fini(&m);
}

TEST(magnet_hashes_come_in_hex_and_base32_and_any_case)
{
	struct magnet m;

	CHECK_INT(parse("MAGNET:?XT=URN:BTIH:AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH", &m), 0);
	CHECK_INT(m.hash_v1[0], 0x01);
	CHECK_INT(m.hash_v1[19], 0x67);
	CHECK(!m.has_v2);
	magnet_fini(&m);
	CHECK_INT(parse("magnet:?xt.1=urn:btmh:1220" HEX2, &m), 0);
	CHECK(m.has_v2 && !m.has_v1);
	magnet_fini(&m);
	CHECK_INT(parse(V1 "&xt=urn:btih:" HEX1, &m), 0);
	magnet_fini(&m);
}

TEST(magnet_with_bad_or_contradicting_hashes_is_refused)
{
	static const char *const bad[] = {
	    "",
	    "magnet:",
	    "magnet:?",
	    "magnet?xt=urn:btih:" HEX1,
	    "http://x/?xt=urn:btih:" HEX1,
	    "magnet:?dn=x",
	    "magnet:?xt=urn:btih:",
	    "magnet:?xt=urn:btih:0123",
	    "magnet:?xt=urn:btih:" HEX1 "0",
	    "magnet:?xt=urn:btih:zz23456789abcdef0123456789abcdef01234567",
	    "magnet:?xt=urn:btih:1ERUKZ4JVPG66AJDIVTYTK6N54ASGRLH",
	    "magnet:?xt=urn:btmh:" HEX2,
	    "magnet:?xt=urn:btmh:1221" HEX2,
	    "magnet:?xt=urn:btmh:1120" HEX2,
	    "magnet:?xt=urn:btmh:1220" HEX1,
	    "magnet:?xt=urn:sha1:AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH",
	    V1 "&xt=urn:btih:AERUKZ4JVPG66AJDIVTYTK6N54ASGRLA",
	    V1 "&xt=urn:btmh:1220zz",
	    "magnet:?xt.x=urn:btih:" HEX1,
	    "magnet:?xtra=urn:btih:" HEX1};
	struct magnet m;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse(bad[i], &m) != ERR_PROTO)
			fail_msg("taken: %s", bad[i]);
}

TEST(magnet_drops_odd_parameters_and_counts_them)
{
	struct magnet m;

	CHECK_INT(parse(V1 "&dn=%zz&dn=ok&dn=again&tr=&tr=http://a%20b&tr=x%0d%0aHost:y"
			   "&x.pe=host.example:6881&x.pe=1.2.3.4&x.pe=1.2.3.4:0"
			   "&so=5-3,,x,1-,2,999999999&xt=urn:ed2k:1",
			&m),
		  0);
	CHECK_STR(m.name, "ok");
	CHECK_INT(m.n_trackers, 0);
	CHECK_INT(m.n_peers, 0);
	CHECK_INT(m.n_only, 1);
	CHECK_INT(m.only[0].first, 2);
	CHECK_INT(m.dropped, 2 + 3 + 3 + 5 + 1);
	magnet_fini(&m);
}

/* Who asks for some files must not be given all of them. */
TEST(magnet_that_asks_for_files_which_cannot_be_told_is_refused)
{
	static const char *const bad[] = {"3-1", "1-", "1;2", "-1", "x", ",", "%zz", "999999999"};
	char text[200];
	struct magnet m;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), V1 "&so=%s&dn=x", bad[i]);
		if (parse(text, &m) != ERR_PROTO)
			fail_msg("taken: %s", text);
		CHECK_STR(magnet_fault_text(&m, ERR_PROTO), "its so= names no file");
	}
	CHECK_INT(parse("magnet:?so=1", &m), ERR_PROTO);
	CHECK_STR(magnet_fault_text(&m, ERR_PROTO), err_text(ERR_PROTO));
	CHECK_INT(parse(V1 "&so=", &m), OK); /* asks for none in particular */
	CHECK_INT(m.n_only, 0);
	magnet_fini(&m);
}

TEST(magnet_tells_how_much_of_it_cannot_be_used)
{
	char text[MAGNET_DROPPED_TEXT_MAX];
	struct magnet m;

	CHECK_INT(parse(V1 "&so=2", &m), OK);
	CHECK_STR(magnet_dropped_text(&m, text), "");
	magnet_fini(&m);
	CHECK_INT(parse(V1 "&so=2,x", &m), OK);
	CHECK_STR(magnet_dropped_text(&m, text), "1 part of the link cannot be used");
	magnet_fini(&m);
	CHECK_INT(parse(V1 "&so=2,x&x.pe=localhost:5", &m), OK);
	CHECK_STR(magnet_dropped_text(&m, text), "2 parts of the link cannot be used");
	magnet_fini(&m);
}

/* V1, then `n` times `part` with a running number in place of '#'. */
static void link_with(struct buf *out, const char *part, unsigned n)
{
	buf_init(out, 4 << 20);
	buf_put_str(out, V1);
	for (unsigned i = 0; i < n; i++)
		for (const char *c = part; *c != '\0'; c++)
			if (*c == '#')
				buf_printf(out, "%u", i);
			else
				buf_put_u8(out, (uint8_t)*c);
	CHECK_INT(out->err, 0);
}

static void check_limit(const char *part, unsigned n, unsigned dropped)
{
	struct buf link;
	struct magnet m;

	link_with(&link, part, n);
	CHECK_INT(magnet_parse(buf_bytes(&link), &m), 0);
	CHECK_INT(m.dropped, dropped);
	magnet_fini(&m);
	buf_fini(&link);
}

TEST(magnet_limits_hold_at_n_and_one_more)
{
	check_limit("&tr=udp://t:#", MAGNET_TRACKERS_MAX, 0);
	check_limit("&tr=udp://t:#", MAGNET_TRACKERS_MAX + 1, 1);
	check_limit("&tr=t#", 6000, 6000 - MAGNET_TRACKERS_MAX);
	check_limit("&x.pe=192.0.2.1:1#", MAGNET_PEERS_MAX, 0);
	check_limit("&x.pe=192.0.2.1:1#", 1000, 1000 - MAGNET_PEERS_MAX);
	check_limit("&so=#", MAGNET_RANGES_MAX, 0);
	check_limit("&so=#", MAGNET_RANGES_MAX + 1, 1);
}

TEST(magnet_too_long_as_a_whole_is_refused)
{
	struct buf link;
	struct magnet m;

	link_with(&link, "&tr=http%3a%2f%2ftracker.example%3a6969%2f#", 10000);
	CHECK_INT(magnet_parse(buf_bytes(&link), &m), ERR_TOO_BIG);
	buf_fini(&link);
	link_with(&link, "x", MAGNET_BYTES_MAX - sizeof(V1) + 1);
	memcpy(link.ptr + sizeof(V1) - 1, "&dn=", 4);
	CHECK_INT(link.len, MAGNET_BYTES_MAX);
	CHECK_INT(magnet_parse(buf_bytes(&link), &m), 0);
	CHECK_INT(strlen(m.name), MAGNET_NAME_MAX);
	CHECK_INT(m.dropped, 1);
	magnet_fini(&m);
	buf_put_u8(&link, 'x');
	CHECK_INT(magnet_parse(buf_bytes(&link), &m), ERR_TOO_BIG);
	buf_fini(&link);
}

TEST(magnet_names_are_cut_between_characters)
{
	struct buf link;
	struct magnet m;

	link_with(&link, "&dn=", 1);
	buf_put_str(&link, "abc");
	for (int i = 0; i < 100; i++)
		buf_put_str(&link, "%E2%82%AC");
	CHECK_INT(magnet_parse(buf_bytes(&link), &m), 0);
	CHECK_INT(strlen(m.name), 3 + 84 * 3);
	CHECK(text_is_utf8(bytes_str(m.name)));
	magnet_fini(&m);
	buf_fini(&link);
}

TEST(magnet_of_a_torrent_reads_back)
{
	struct metainfo *t = NULL;
	struct buf torrent, link;
	struct magnet m;

	buf_init(&torrent, 4096);
	notation("{'announce-list' [['http://t/a?x=1&y=2' 'udp://[::1]:5'] ['udp://v:6']]"
		 "'info' {'length' 5 'name' 'a&b =\xff' 'piece length' 16384 'pieces' 'x'*20}}",
		 &torrent);
	CHECK_INT(meta_parse(buf_bytes(&torrent), &t), META_OK);
	buf_init(&link, 4096);
	CHECK_INT(magnet_put(t, &link), 0);
	CHECK_INT(magnet_parse(buf_bytes(&link), &m), 0);
	CHECK_MEM(m.hash_v1, t->hash_v1, SHA1_LEN);
	CHECK(!m.has_v2);
	CHECK_STR(m.name, t->name);
	CHECK_INT(m.n_trackers, 3);
	for (uint32_t i = 0; i < 3; i++)
		CHECK_STR(m.trackers[i], t->trackers[i].url);
	magnet_fini(&m);
	meta_free(t);
	buf_fini(&link);
	buf_fini(&torrent);
}

TEST(magnet_of_a_hybrid_names_both_hashes)
{
	struct metainfo *t = NULL;
	struct buf torrent, link;
	struct magnet m;

	sample_torrent("gaps", true, true, &torrent);
	CHECK_INT(meta_parse(buf_bytes(&torrent), &t), META_OK);
	buf_init(&link, 4096);
	CHECK_INT(magnet_put(t, &link), 0);
	CHECK(strstr(buf_cstr(&link), "&xl=98310") != NULL);
	CHECK_INT(magnet_parse(buf_bytes(&link), &m), 0);
	CHECK_MEM(m.hash_v1, t->hash_v1, SHA1_LEN);
	CHECK_MEM(m.hash_v2, t->hash_v2, SHA256_LEN);
	magnet_fini(&m);
	meta_free(t);
	buf_fini(&link);
	buf_fini(&torrent);
}

/* The links of BEP 46. */
#define KEY46 "8543d3e6115f0f98c944077a4493dcd543e49c739fd998550a1f614ab36ed63e"

TEST(magnet_may_have_a_key_and_a_salt_instead_of_a_hash)
{
	struct magnet m;
	struct buf b;

	CHECK_INT(parse("magnet:?xs=urn:btpk:" KEY46, &m), 0);
	CHECK(m.has_key && !m.has_v1 && !m.has_v2);
	CHECK_INT(m.key[0], 0x85);
	CHECK_INT(m.salt_len, 0);
	magnet_fini(&m);
	CHECK_INT(parse("magnet:?xs=urn:btpk:" KEY46 "&s=6e&dn=x", &m), 0);
	CHECK_INT(m.salt_len, 1);
	CHECK_INT(m.salt[0], 'n');
	buf_init(&b, 1000);
	CHECK_INT(magnet_put_key(m.key, bytes_str("n"), &b), 0);
	CHECK_STR(buf_cstr(&b), "magnet:?xs=urn:btpk:" KEY46 "&s=6e");
	buf_fini(&b);
	magnet_fini(&m);
	CHECK_INT(parse(V1 "&xs=http://x/y", &m), 0); /* another way to the same torrent */
	CHECK(!m.has_key);
	magnet_fini(&m);
	CHECK_INT(parse("magnet:?xs=http://x/y", &m), ERR_PROTO);
	CHECK_INT(parse("magnet:?xs=urn:btpk:85", &m), ERR_PROTO);
	CHECK_INT(parse("magnet:?xs=urn:btpk:" KEY46 "&s=6", &m), ERR_PROTO);
	CHECK_INT(parse("magnet:?xs=urn:btpk:" KEY46 "&s=zz", &m), ERR_PROTO);
	CHECK_INT(parse("magnet:?xs=urn:btpk:" KEY46 "&s=" KEY46 KEY46, &m), 0);
	magnet_fini(&m);
	CHECK_INT(parse("magnet:?xs=urn:btpk:" KEY46 "&s=" KEY46 KEY46 "00", &m), ERR_PROTO);
}

TEST(magnet_with_a_hash_needs_no_key_and_may_have_topics_that_nobody_knows)
{
	static const char *const odd[] = {"&s=foo",
					  "&s=6",
					  "&s=" KEY46 KEY46 "00",
					  "&xs=urn:btpk:zz",
					  "&xs=urn:btpk:85",
					  "&xt=urn:btmh:1114" HEX1,
					  "&xt=urn:btmh:1221" HEX2,
					  "&xt=urn:btmh:zz"};
	char text[400];
	struct magnet m;

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		snprintf(text, sizeof(text), V1 "%s&dn=x", odd[i]);
		if (parse(text, &m) != OK)
			fail_msg("refused: %s", text);
		CHECK(m.has_v1 && !m.has_v2 && !m.has_key);
		CHECK_STR(m.name, "x");
		CHECK_INT(m.dropped, 1);
		magnet_fini(&m);
		snprintf(text, sizeof(text), "magnet:?dn=x%s", odd[i]);
		CHECK_INT(parse(text, &m), ERR_PROTO);
	}
	CHECK_INT(parse("magnet:?xs=urn:btpk:" KEY46 "&s=foo&xt=urn:btih:" HEX1, &m), OK);
	CHECK_INT(m.dropped, 1);
	magnet_fini(&m);
	/* Without a hash it must be clear whose name, and which one, is meant. */
	CHECK_INT(parse("magnet:?xs=urn:btpk:" KEY46 "&xs=urn:btpk:" HEX2, &m), ERR_PROTO);
	CHECK_INT(parse("magnet:?xs=urn:btpk:" KEY46 "&s=6e&s=foo", &m), ERR_PROTO);
}

static const char full[] =
    V1 "&xt=urn:btmh:1220" HEX2 "&dn=a%20b&tr=http%3A%2F%2Ft&x.pe=192.0.2.1:5&so=0,2-3";

static const char *wider(const char *uri, const char *other)
{
	static char text[4 * MAGNET_NAME_MAX];
	struct magnet more, m;
	struct buf out;

	CHECK_INT(parse(other, &more), 0);
	buf_init(&out, sizeof(text) - 1);
	CHECK_INT(magnet_put_wider(bytes_str(uri), &more, &out), 0);
	memcpy(text, out.ptr, out.len);
	text[out.len] = '\0';
	CHECK_INT(magnet_parse(buf_bytes(&out), &m), 0);
	magnet_fini(&m);
	buf_fini(&out);
	magnet_fini(&more);
	return text;
}

TEST(magnet_that_chooses_files_takes_more_of_them)
{
	struct magnet more = {.n_only = 0};
	struct buf out;

	CHECK_STR(wider(V1 "&so=0", V1 "&so=2,5-7"), V1 "&so=0&so=2-2,5-7");
	CHECK_STR(wider(V1 "&so=0&dn=a", V1 "&dn=b"), V1 "&dn=a");
	CHECK_STR(wider("magnet:?so.1=0&xt=urn:btih:" HEX1, V1), V1);
	buf_init(&out, sizeof(V1) - 2);
	CHECK_INT(magnet_put_wider(bytes_str(V1), &more, &out), ERR_TOO_BIG);
	buf_fini(&out);
}

TEST(magnet_prefixes_and_noise_are_taken_or_refused)
{
	struct rng r;
	struct magnet m;

	rng_seed(&r, 1);
	for (size_t n = 0; n < sizeof(full); n++) {
		char *cut = malloc(n > 0 ? n : 1);

		memcpy(cut, full, n);
		if (magnet_parse(bytes_of(cut, n), &m) == 0)
			magnet_fini(&m);
		else
			CHECK(n < strlen(V1 "&xt=urn:btmh:1220" HEX2));
		free(cut);
	}
	for (uint32_t i = 0; i < 20000; i++) {
		char noisy[sizeof(full)];

		memcpy(noisy, full, sizeof(full));
		for (int k = 0; k < 3; k++)
			noisy[rng_below(&r, sizeof(full) - 1)] = (char)rng_next(&r);
		if (magnet_parse(bytes_of(noisy, sizeof(full) - 1), &m) == 0)
			magnet_fini(&m);
	}
}

TEST(magnet_from_a_bare_hash_of_either_kind)
{
	static const char v1[] = "0123456789abcdef0123456789abcdef01234567",
			  v2[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF";
	struct magnet m;

	CHECK_INT(magnet_from_hash(bytes_str(v1), &m), OK);
	CHECK(m.has_v1 && !m.has_v2);
	CHECK_INT(m.hash_v1[19], 0x67);
	magnet_fini(&m);
	CHECK_INT(magnet_from_hash(bytes_str(v2), &m), OK);
	CHECK(!m.has_v1 && m.has_v2);
	CHECK_INT(m.hash_v2[31], 0xef);
	magnet_fini(&m);
	for (size_t n = 0; n < sizeof(v2) - 1; n++) {
		int rc = magnet_from_hash(bytes_of(v2, n), &m);

		/* Of v1 in hexadecimal and in base 32 digits, of which 0, 1, 8 and 9 are none. */
		CHECK_INT(rc, n == 40 ? OK : ERR_PROTO);
		if (rc == OK)
			magnet_fini(&m);
	}
	CHECK_INT(magnet_from_hash(bytes_of("0123456789abcdef0123456789abcdef0123456789abcdef"
					    "0123456789abcdeg",
					    64),
				   &m),
		  ERR_PROTO);
}

TEST(magnet_of_an_entry_and_web_servers_read_back)
{
	struct entry e = {.name = "a b", .bytes = 77, .has_v1 = true, .has_v2 = true};
	char name[] = "t", one[] = "http://a/x%20y", two[] = "http://b/", *servers[] = {one, two};
	struct metainfo t = {
	    .name = name, .v1 = true, .total_bytes = 5, .webseeds = servers, .n_webseeds = 2};
	struct magnet m;
	struct buf out;

	memset(e.hash_v1, 1, sizeof(e.hash_v1));
	memset(e.hash_v2, 2, sizeof(e.hash_v2));
	buf_init(&out, 4096);
	CHECK_INT(magnet_put_entry(&e, &out), OK);
	CHECK_INT(magnet_parse(buf_bytes(&out), &m), OK);
	CHECK(m.has_v1 && m.has_v2);
	CHECK_MEM(m.hash_v1, e.hash_v1, sizeof(m.hash_v1));
	CHECK_MEM(m.hash_v2, e.hash_v2, sizeof(m.hash_v2));
	CHECK_STR(m.name, "a b");
	magnet_fini(&m);
	buf_clear(&out);
	CHECK_INT(magnet_put(&t, &out), OK);
	CHECK_INT(magnet_parse(buf_bytes(&out), &m), OK);
	CHECK_INT(m.n_webseeds, 2);
	CHECK_STR(m.webseeds[0], "http://a/x%20y");
	CHECK_STR(m.webseeds[1], "http://b/");
	magnet_fini(&m);
	buf_fini(&out);
}

TEST(magnet_tells_when_memory_is_short)
{
	int err = ERR_NOMEM;

	for (size_t n = 1; err != 0; n++) {
		struct magnet m;

		failmalloc_start(n, false);
		err = parse(full, &m);
		failmalloc_stop();
		CHECK(err == 0 || err == ERR_NOMEM);
		if (err == 0)
			magnet_fini(&m);
	}
}
