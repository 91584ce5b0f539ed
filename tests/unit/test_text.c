#include "base/text.h"

#include <stdlib.h>

#include "base/rng.h"
#include "test.h"

static void check_escaped(struct bytes in, const char *want)
{
	char small[512];
	struct buf b;

	buf_init(&b, 4096);
	text_put_escaped(&b, in);
	CHECK_STR(buf_cstr(&b), want);
	buf_fini(&b);
	CHECK_STR(text_escape(small, sizeof(small), in), want);
}

#define ESCAPED(in, want) check_escaped(bytes_of(in, sizeof(in) - 1), want)

TEST(text_escape_leaves_ordinary_text_readable)
{
	ESCAPED("", "");
	ESCAPED("plain ~ text!", "plain ~ text!");
	ESCAPED("gr\u00fc\u00dfe \u65e5\u672c\u8a9e \U0001f600",
		"gr\u00fc\u00dfe \u65e5\u672c\u8a9e \U0001f600");
	ESCAPED("\u00a0\u200a\u2010\u2027\u202f\u205f\u2070\ufefe",
		"\u00a0\u200a\u2010\u2027\u202f\u205f\u2070\ufefe");
	/* As emoji are: a heart in red. */
	ESCAPED("\u2764\ufe0f", "\u2764\ufe0f");
}

/* O-36. */
TEST(text_escape_disarms_what_steers_a_terminal)
{
	ESCAPED("\x1b[31mred", "\\x1b[31mred");
	ESCAPED("\x1b]52;c;cHduZWQ=\x07", "\\x1b]52;c;cHduZWQ=\\x07");
	ESCAPED("\xc2\x9b"
		"2J",
		"\\u{009b}2J");
	ESCAPED("\x9b"
		"2J",
		"\\x9b"
		"2J");
	ESCAPED("a\rb\nc\td\be\x7f", "a\\x0db\\nc\\td\\x08e\\x7f");
	ESCAPED("nul\0end", "nul\\x00end");
	ESCAPED("exe.\u202egpj", "exe.\\u{202e}gpj");
	ESCAPED("\u200b\u200f\u2028\u2060\u2069\ufeff\u061c",
		"\\u{200b}\\u{200f}\\u{2028}\\u{2060}\\u{2069}\\u{feff}\\u{061c}");
	ESCAPED("%n%s $(x) ; rm -rf `y`", "%n%s $(x) ; rm -rf `y`");
	ESCAPED("a\\x1b\\n", "a\\\\x1b\\\\n");
}

TEST(text_escape_names_what_is_not_seen)
{
	ESCAPED("pass\u00adword\u3164", "pass\\u{00ad}word\\u{3164}");
	ESCAPED("\u034f\u115f\u1160\u17b4\u180e\u206a\uffa0\ufffb\ufffe\uffff",
		"\\u{034f}\\u{115f}\\u{1160}\\u{17b4}\\u{180e}\\u{206a}\\u{ffa0}\\u{fffb}\\u{fffe}"
		"\\u{ffff}");
	ESCAPED("\U000e0041\U000e0fff", "\\u{e0041}\\u{e0fff}");
}

TEST(text_is_plain_without_what_steers_or_hides_and_tame_without_what_steers)
{
	static const struct {
		const char *text;
		bool plain, tame;
	} rows[] = {
	    {"", true, true},		{"a\\b", true, true},	  {"\u2764\ufe0f", true, true},
	    {"a\u00adb", false, true},	{"a\ufffe", false, true}, {"\U000e0001", false, true},
	    {"a\u200bb", false, false}, {"a\nb", false, false},	  {"\xff", false, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bytes s = bytes_str(rows[i].text);

		CHECK(text_is_plain(s) == rows[i].plain);
		CHECK(text_is_tame(s) == rows[i].tame);
		CHECK(text_hides(s) == (rows[i].tame && !rows[i].plain));
	}
	CHECK(text_hides(bytes_str("\xff\u00ad")));
}

TEST(text_put_xml_writes_what_xml_may_hold)
{
	static const char in[] = "<a&\"'>\0\x1f\t\xff\xed\xa0\x80\ufffd\ufffe\uffff\U0001f600";
	struct buf b;

	buf_init(&b, 200);
	text_put_xml(&b, bytes_of(in, sizeof(in) - 1));
	CHECK_STR(buf_cstr(&b), "&lt;a&amp;&quot;&#39;&gt;\ufffd\ufffd\t\ufffd\ufffd\ufffd\ufffd"
				"\ufffd\ufffd\ufffd\U0001f600");
	buf_fini(&b);
}

TEST(text_escape_shows_bytes_that_are_not_utf8)
{
	ESCAPED("\xc0\xae", "\\xc0\\xae");
	ESCAPED("\xe0\x80\xaf", "\\xe0\\x80\\xaf");
	ESCAPED("\xed\xa0\x80", "\\xed\\xa0\\x80");
	ESCAPED("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
	ESCAPED("\xf8\x88\x80\x80\x80", "\\xf8\\x88\\x80\\x80\\x80");
	ESCAPED("a\xe2\x82", "a\\xe2\\x82");
	ESCAPED("\xc3(", "\\xc3(");
	ESCAPED("\xff\xfe", "\\xff\\xfe");
}

static bool is_shown(uint32_t c)
{
	return c == 0xad || c == 0x34f || c == 0x115f || c == 0x1160 || c == 0x17b4 ||
	       c == 0x17b5 || (c >= 0x180b && c <= 0x180f) || (c >= 0x206a && c <= 0x206f) ||
	       c == 0x3164 || c == 0xffa0 || (c >= 0xfff0 && c <= 0xfffb) || c == 0xfffe ||
	       c == 0xffff || (c >= 0xe0000 && c <= 0xe0fff);
}

static bool steers(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x2069) || c == 0xfeff ||
	       c == '\\';
}

static size_t utf8_put(uint8_t *p, uint32_t c)
{
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (size_t i = n - 1; i > 0; i--, c >>= 6)
		p[i] = (uint8_t)(0x80 | (c & 0x3f));
	p[0] = (uint8_t)(n == 1 ? c : (0xf00u >> n & 0xff) | c);
	return n;
}

TEST(text_escape_is_right_for_every_character)
{
	for (uint32_t c = 0; c <= 0x10ffff; c++) {
		char out[32];
		uint8_t raw[4];
		struct bytes in = bytes_of(raw, utf8_put(raw, c));
		bool surrogate = c >= 0xd800 && c <= 0xdfff;

		text_escape(out, sizeof(out), in);
		if (text_is_utf8(in) == surrogate)
			fail_msg("U+%04X: wrong verdict", c);
		if (bytes_eq(in, bytes_str(out)) == (surrogate || steers(c) || is_shown(c)))
			fail_msg("U+%04X became %s", c, out);
	}
}

TEST(text_escape_cuts_with_dots_and_always_ends)
{
	static const struct {
		size_t cap;
		const char *want;
	} rows[] = {
	    {1, ""},	 {2, "."},    {3, ".."},	{4, "..."},	    {5, "a..."},
	    {6, "a..."}, {8, "a..."}, {9, "a\\x1b..."}, {10, "a\\x1bbcde"}, {11, "a\\x1bbcde"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *exact = malloc(rows[i].cap);

		CHECK_STR(text_escape(exact, rows[i].cap,
				      bytes_str("a\x1b"
						"bcde")),
			  rows[i].want);
		free(exact);
	}
	CHECK(text_escape(NULL, 0, bytes_str("x")) == NULL);
}

TEST(text_escape_survives_random_bytes_at_every_size)
{
	for (uint64_t seed = 1; seed <= 3000; seed++) {
		uint8_t raw[24];
		struct rng r;
		size_t len, cap;
		uint8_t *in;
		char *out;

		rng_seed(&r, seed);
		len = rng_below(&r, sizeof(raw));
		cap = 1 + rng_below(&r, 60);
		rng_fill(&r, raw, len);
		in = malloc(len);
		out = malloc(cap);
		memcpy(in, raw, len);
		text_escape(out, cap, bytes_of(in, len));
		CHECK_SEED(memchr(out, 0, cap) != NULL, seed);
		CHECK_SEED(text_is_utf8(bytes_str(out)), seed);
		for (const char *p = out; *p != '\0'; p++)
			CHECK_SEED((unsigned char)*p >= 0x20 && *p != 0x7f, seed);
		free(in);
		free(out);
	}
}

TEST(text_put_escaped_stops_at_the_ceiling_with_an_error)
{
	struct buf b;

	buf_init(&b, 6);
	text_put_escaped(&b, bytes_str("abc\x1b"));
	CHECK_INT(b.err, ERR_TOO_BIG);
	CHECK_INT(b.len, 3);
	buf_fini(&b);
}

static bool is_host(const char *url, const char *host)
{
	return bytes_eq(text_url_host(url), bytes_str(host));
}

TEST(the_host_of_a_url_is_without_user_password_and_path)
{
	CHECK(is_host("http://u:p@[::1]:80/a@b", "[::1]:80"));
	CHECK(is_host("http://u:p@ss@t.example/", "t.example"));
	CHECK(is_host("udp://t.example:6969?x", "t.example:6969"));
	CHECK(is_host("t.example#@", "t.example"));
	CHECK(is_host("http://", ""));
}

TEST(text_utf8_is_judged_strictly)
{
	CHECK(text_is_utf8(bytes_of(NULL, 0)));
	CHECK(text_is_utf8(bytes_str("\xf4\x8f\xbf\xbf")));
	CHECK(!text_is_utf8(bytes_str("\xf4\x90\x80\x80")));
	CHECK(!text_is_utf8(bytes_str("\xc1\xbf")));
	CHECK(!text_is_utf8(bytes_str("\x80")));
	CHECK(!text_is_utf8(bytes_str("ok\xf0\x9f\x98")));
}

TEST(text_size_is_short_and_binary)
{
	static const struct {
		uint64_t bytes;
		const char *want;
	} rows[] = {
	    {0, "0 B"},
	    {999, "999 B"},
	    {1023, "1023 B"},
	    {1024, "1.0 KiB"},
	    {1536, "1.5 KiB"},
	    {1048524, "1023.9 KiB"},
	    {1048525, "1.0 MiB"},
	    {1048575, "1.0 MiB"},
	    {1048576, "1.0 MiB"},
	    {4294967296, "4.0 GiB"},
	    {UINT64_MAX, "16.0 EiB"},
	    {1ULL << 60, "1.0 EiB"},
	    {(1ULL << 60) - 1, "1.0 EiB"},
	};
	char out[32], tight[5];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK_STR(text_size(out, sizeof(out), rows[i].bytes), rows[i].want);
	CHECK_STR(text_rate(out, sizeof(out), 12897485), "12.3 MiB/s");
	CHECK_STR(text_rate(out, sizeof(out), 5), "5 B/s");
	CHECK_STR(text_size(tight, sizeof(tight), 1536), "1.5 ");
}

TEST(text_duration_has_two_units_at_most)
{
	static const struct {
		uint64_t seconds;
		const char *want;
	} rows[] = {
	    {0, "0s"},	      {45, "45s"},	 {59, "59s"},
	    {60, "1m00s"},    {185, "3m05s"},	 {3599, "59m59s"},
	    {3600, "1h00m"},  {7620, "2h07m"},	 {86399, "23h59m"},
	    {86400, "1d00h"}, {442800, "5d03h"}, {UINT64_MAX, "213503982334601d07h"},
	};
	char out[32];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK_STR(text_duration(out, sizeof(out), rows[i].seconds), rows[i].want);
}

TEST(text_parse_u64_takes_digits_up_to_max)
{
	static const char *const bad[] = {"",	"-1", "+1",  " 1",
					  "1 ", "1a", "0x1", "18446744073709551616"};
	uint64_t v = 77;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_INT(text_parse_u64(bytes_str(bad[i]), UINT64_MAX, &v), ERR_PROTO);
	CHECK(v == 77);
	CHECK_INT(text_parse_u64(bytes_str("18446744073709551615"), UINT64_MAX, &v), 0);
	CHECK(v == UINT64_MAX);
	CHECK_INT(text_parse_u64(bytes_str("65535"), 65535, &v), 0);
	CHECK(v == 65535);
	CHECK_INT(text_parse_u64(bytes_str("65536"), 65535, &v), ERR_PROTO);
	CHECK_INT(text_parse_u64(bytes_str("0"), 0, &v), 0);
	CHECK(v == 0);
	CHECK_INT(text_parse_u64(bytes_str("1"), 0, &v), ERR_PROTO);
}

TEST(text_hex_goes_both_ways)
{
	uint8_t raw[256], back[256];
	char hex[513];

	for (int i = 0; i < 256; i++)
		raw[i] = (uint8_t)i;
	text_hex(hex, bytes_of(raw, 256));
	CHECK_MEM(hex, "000102030405060708090a0b", 24);
	CHECK_INT(text_unhex(bytes_str(hex), back, 256), 0);
	CHECK_MEM(raw, back, 256);
	CHECK_INT(text_unhex(bytes_str("DeadBEEF"), back, 4), 0);
	CHECK_MEM(back, "\xde\xad\xbe\xef", 4);
	text_hex(hex, bytes_of(NULL, 0));
	CHECK_STR(hex, "");
}

TEST(text_unhex_refuses_wrong_lengths_and_digits)
{
	uint8_t out[4];

	CHECK_INT(text_unhex(bytes_str("0"), out, 0), ERR_PROTO);
	CHECK_INT(text_unhex(bytes_str("0123456"), out, 3), ERR_PROTO);
	CHECK_INT(text_unhex(bytes_str("012345"), out, 4), ERR_PROTO);
	CHECK_INT(text_unhex(bytes_str("0123456789"), out, 4), ERR_PROTO);
	for (int c = 0; c < 256; c++) {
		uint8_t in[2] = {'0', (uint8_t)c};

		CHECK_INT(text_unhex(bytes_of(in, 2), out, 1) == 0,
			  c < 128 && c > 0 && strchr("0123456789abcdefABCDEF", c) != NULL);
	}
}

/* RFC 4648 section 10, without its padding. */
TEST(text_unbase32_gives_the_rfc_values)
{
	static const char *const coded[] = {"",	       "MY",	   "MZXQ",	"MZXW6",
					    "MZXW6YQ", "MZXW6YTB", "mzxw6ytboi"};
	uint8_t out[8];

	for (size_t n = 0; n <= 6; n++) {
		CHECK_INT(text_unbase32(bytes_str(coded[n]), out, n), 0);
		CHECK_MEM(out, "foobar", n);
		CHECK_INT(text_unbase32(bytes_str(coded[n]), out, n + 1), ERR_PROTO);
		if (n > 0)
			CHECK_INT(text_unbase32(bytes_str(coded[n]), out, n - 1), ERR_PROTO);
	}
}

TEST(text_unbase32_refuses_padding_spare_bits_and_other_digits)
{
	uint8_t out[20];

	CHECK_INT(text_unbase32(bytes_str("MY======"), out, 1), ERR_PROTO);
	CHECK_INT(text_unbase32(bytes_str("MZ"), out, 1), ERR_PROTO);
	for (int c = 0; c < 256; c++) {
		uint8_t in[8] = {'A', 'A', 'A', (uint8_t)c, 'A', 'A', 'A', 'A'};
		bool good =
		    (c >= '2' && c <= '7') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		CHECK_INT(text_unbase32(bytes_of(in, 8), out, 5), good ? 0 : ERR_PROTO);
	}
	CHECK_INT(text_unbase32(bytes_str("77777777777777777777777777777777"), out, 20), 0);
	CHECK_INT(out[19], 0xff);
}

TEST(text_percent_keeps_only_unreserved)
{
	struct buf b;

	buf_init(&b, 1000);
	text_put_percent(&b, bytes_of("aZ09-._~ +/%&=\0\xff", 16));
	CHECK_STR(buf_cstr(&b), "aZ09-._~%20%2B%2F%25%26%3D%00%FF");
	buf_fini(&b);
}

TEST(text_percent_goes_both_ways_for_every_byte)
{
	struct buf coded, plain;
	uint8_t raw[256];

	for (int i = 0; i < 256; i++)
		raw[i] = (uint8_t)i;
	buf_init(&coded, 3 * 256);
	buf_init(&plain, 256);
	text_put_percent(&coded, bytes_of(raw, 256));
	CHECK_INT(text_unpercent(buf_bytes(&coded), &plain), 0);
	CHECK(bytes_eq(buf_bytes(&plain), bytes_of(raw, 256)));
	buf_fini(&coded);
	buf_fini(&plain);
}

TEST(text_unpercent_refuses_bad_escapes_and_adds_nothing_then)
{
	static const char *const bad[] = {"%",	 "a%",	"a%2", "%%",  "%2%",
					  "%g0", "%0g", "%-1", "a%zz"};
	struct buf b;

	buf_init(&b, 4);
	CHECK_INT(text_unpercent(bytes_str("+%2b"), &b), 0);
	CHECK_STR(buf_cstr(&b), "++");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		size_t len = strlen(bad[i]);
		char *exact = malloc(len);

		memcpy(exact, bad[i], len);
		CHECK_INT(text_unpercent(bytes_of(exact, len), &b), ERR_PROTO);
		CHECK_INT(b.len, 2);
		free(exact);
	}
	CHECK_INT(text_unpercent(bytes_str("xyz"), &b), ERR_TOO_BIG);
	CHECK_INT(b.len, 2);
	buf_fini(&b);
}

TEST(text_beneath_knows_a_folder_from_one_that_begins_alike)
{
	CHECK_STR(text_beneath("/a/b/c", "/a"), "b/c");
	CHECK_STR(text_beneath("/a", "/a"), "");
	CHECK_STR(text_beneath("/a/b", "/"), "a/b");
	CHECK(text_beneath("/ab/c", "/a") == NULL);
	CHECK(text_beneath("/a", "/a/b") == NULL);
}
