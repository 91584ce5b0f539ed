#include "base/bencode.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/rng.h"
#include "failmalloc.h"
#include "test.h"

/* The verdict on a copy that ends exactly where the document ends. */
static int verdict(struct bytes in)
{
	uint8_t *exact = malloc(in.len);
	struct benc v;
	int rc;

	if (in.len > 0)
		memcpy(exact, in.ptr, in.len);
	rc = benc_parse_all(bytes_of(exact, in.len), &v, NULL);
	free(exact);
	return rc;
}

static int verdict_str(const char *text)
{
	return verdict(bytes_str(text));
}

static struct benc parse(const char *text)
{
	struct benc v;

	CHECK_INT(benc_parse_all(bytes_str(text), &v, NULL), 0);
	return v;
}

TEST(benc_reads_the_examples_of_bep_3)
{
	struct benc v = parse("4:spam");

	CHECK_INT(v.type, BENC_STR);
	CHECK(bytes_eq(v.str, bytes_str("spam")));
	v = parse("0:");
	CHECK_INT(v.type, BENC_STR);
	CHECK_INT(v.str.len, 0);
	v = parse("i3e");
	CHECK_INT(v.type, BENC_INT);
	CHECK_INT(v.num, 3);
	v = parse("i-3e");
	CHECK_INT(v.num, -3);
	v = parse("i0e");
	CHECK_INT(v.num, 0);
	v = parse("l4:spam4:eggse");
	CHECK_INT(v.type, BENC_LIST);
	v = parse("d4:spaml1:a1:bee");
	CHECK_INT(v.type, BENC_DICT);
	CHECK(bytes_eq(v.raw, bytes_str("d4:spaml1:a1:bee")));
}

TEST(benc_walks_lists_and_dictionaries)
{
	struct benc top = parse("d3:cow3:moo4:spaml1:ai7eee"), v;
	struct benc_iter it = benc_iter(&top);
	struct bytes key;

	CHECK(benc_next(&it, &key, &v));
	CHECK(bytes_eq(key, bytes_str("cow")) && bytes_eq(v.str, bytes_str("moo")));
	CHECK(benc_next(&it, &key, &v));
	CHECK(bytes_eq(key, bytes_str("spam")) && v.type == BENC_LIST);
	CHECK(!benc_next(&it, &key, &top));
	it = benc_iter(&v);
	CHECK(benc_next(&it, NULL, &v));
	CHECK(bytes_eq(v.str, bytes_str("a")));
	CHECK(benc_next(&it, NULL, &v));
	CHECK_INT(v.num, 7);
	CHECK(!benc_next(&it, NULL, &v));
	CHECK(!benc_next(&it, NULL, &v));
	v = parse("i7e");
	it = benc_iter(&v);
	CHECK(!benc_next(&it, NULL, &v));
}

TEST(benc_tells_the_next_key_without_its_value)
{
	struct benc dict = {.type = BENC_DICT, .raw = bytes_str("d1:ai1e2:bb**e")}, value;
	struct benc list = {.type = BENC_LIST, .raw = bytes_str("l1:ae")};
	struct benc_iter it = benc_iter(&dict);
	struct bytes key;

	CHECK(benc_peek_key(&it, &key) && bytes_eq(key, bytes_str("a")));
	CHECK(benc_next(&it, &key, &value) && value.num == 1);
	CHECK(benc_peek_key(&it, &key) && bytes_eq(key, bytes_str("bb")));
	CHECK(!benc_next(&it, &key, &value));
	it.rest = bytes_sub(it.rest, it.rest.len, 0);
	CHECK(!benc_peek_key(&it, &key));
	it = benc_iter(&list);
	CHECK(!benc_peek_key(&it, &key));
}

TEST(benc_finds_by_key_and_by_type)
{
	struct benc top = parse("d1:di1e1:i4:text1:lle1:sdee"), v;
	struct bytes str;
	int64_t num;

	CHECK(benc_find_int(&top, "d", &num) && num == 1);
	CHECK(!benc_find_dict(&top, "d", &v));
	CHECK(benc_find_str(&top, "i", &str) && bytes_eq(str, bytes_str("text")));
	CHECK(!benc_find_int(&top, "i", &num));
	CHECK(benc_find_list(&top, "l", &v) && v.type == BENC_LIST);
	CHECK(benc_find_dict(&top, "s", &v) && bytes_eq(v.raw, bytes_str("de")));
	CHECK(!benc_find_str(&top, "s", &str));
	CHECK(!benc_find_list(&top, "s", &v));
	CHECK(!benc_find(&top, "x", &v));
	CHECK(!benc_find(&top, "", &v));
	v = parse("l1:d1:de");
	CHECK(!benc_find(&v, "d", &top));
}

TEST(benc_says_how_much_it_consumed)
{
	struct benc v;

	CHECK_INT(benc_parse(bytes_str("i1ei2e"), &v, NULL), 3);
	CHECK(bytes_eq(v.raw, bytes_str("i1e")));
	CHECK_INT(benc_parse(bytes_str("d1:xle1:y0:ejunk"), &v, NULL), 12);
	CHECK_INT(benc_parse_all(bytes_str("i1ei2e"), &v, NULL), ERR_PROTO);
	CHECK_INT(verdict_str("lee"), ERR_PROTO);
}

/* O-02. */
TEST(benc_refuses_bad_integers)
{
	static const char *const bad[] = {
	    "ie", "i-e", "i-0e",  "i03e",  "i+1e",  "i00e", "i-01e", "i 1e", "i1 e",  "i1",
	    "i",  "i-",	 "i--1e", "i1.5e", "i0x1e", "i1-e", "i1ee",  "I1e",  "li-0ee"};
	struct buf b;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_INT(verdict_str(bad[i]), ERR_PROTO);
	CHECK_INT(verdict_str("i9223372036854775808e"), ERR_TOO_BIG);
	CHECK_INT(verdict_str("i-9223372036854775809e"), ERR_TOO_BIG);
	CHECK_INT(verdict_str("i99999999999999999999e"), ERR_TOO_BIG);
	buf_init(&b, 8192);
	buf_put_u8(&b, 'i');
	for (int i = 0; i < 4096; i++)
		buf_put_u8(&b, '9');
	buf_put_u8(&b, 'e');
	CHECK_INT(verdict(buf_bytes(&b)), ERR_TOO_BIG);
	b.ptr[1] = '0';
	CHECK_INT(verdict(buf_bytes(&b)), ERR_PROTO);
	buf_fini(&b);
}

TEST(benc_reads_integers_to_both_ends_of_64_bits)
{
	CHECK(parse("i9223372036854775807e").num == INT64_MAX);
	CHECK(parse("i-9223372036854775808e").num == INT64_MIN);
	CHECK(parse("i-9223372036854775807e").num == -INT64_MAX);
}

/* O-02. */
TEST(benc_refuses_bad_string_lengths)
{
	static const char *const bad[] = {"-1:",
					  "01:a",
					  "00:",
					  "4294967296:",
					  "4294967297:a",
					  "9223372036854775807:",
					  "18446744073709551616:",
					  "18446744073709551617:a",
					  "99999999:",
					  "2:a",
					  "1:",
					  "1",
					  ":",
					  ":a",
					  "1a",
					  " 1:a",
					  "1 :a",
					  "+1:a",
					  "l9:aee",
					  "d1:a18446744073709551615:e"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_INT(verdict_str(bad[i]), ERR_PROTO);
}

/* O-04. */
TEST(benc_refuses_broken_containers)
{
	static const char *const bad[] = {
	    "",	     "e",	"l",	     "d",	"de1",		"li1e",	       "d1:a",
	    "d1:ae", "d1:a1:b", "di1ei2ee",  "dle1:ae", "d1:a1:b1:ce",	"d1:ai1ei2ee", "x",
	    "lxe",   "ddeie",	"d1:a1:bxe", "i1ei2e",	"dd1:ai1eei1ee"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_INT(verdict_str(bad[i]), ERR_PROTO);
	CHECK_INT(verdict_str("le"), 0);
	CHECK_INT(verdict_str("de"), 0);
	CHECK_INT(verdict_str("d0:le1:ade1:bi0ee"), 0);
}

static struct benc_facts facts_of(const char *text)
{
	struct benc_facts facts = {true, true};
	struct benc v;

	CHECK_INT(benc_parse_all(bytes_str(text), &v, &facts), 0);
	return facts;
}

/* O-04: order and repetition are for the caller to judge. */
TEST(benc_reports_unsorted_and_duplicate_keys_at_every_level)
{
	static const struct {
		const char *text;
		bool unsorted, duplicate;
	} rows[] = {
	    {"d1:ai1e1:bi2ee", false, false},
	    {"d1:bi1e1:ai2ee", true, false},
	    {"d1:ai1e1:ai2ee", false, true},
	    {"d0:i1e0:i2ee", false, true},
	    {"d0:i1e1:ai2ee", false, false},
	    {"d1:ai1e0:i2ee", true, false},
	    {"d1:ai1e2:aai2ee", false, false},
	    {"d2:aai1e1:bi2ee", false, false},
	    {"d1:bi1e2:aai2ee", true, false},
	    {"d1:a0:1:\xff"
	     "0:e",
	     false, false},
	    {"d1:\xff"
	     "0:1:a0:e",
	     true, false},
	    {"d1:ai1e1:bi1e1:ai1ee", true, false}, /* apart: told as unsorted */
	    {"d1:bd1:ai1ee1:ci1ee", false, false}, /* levels are compared apart */
	    {"d1:bd1:ci1e1:ai1ee1:ci1ee", true, false},
	    {"ld1:ai1e1:ai1eed1:ai1eee", false, true},
	    {"d1:ad1:x0:1:x0:e1:b0:e", false, true},
	    {"ld1:b0:ed1:a0:ee", false, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct benc_facts facts = facts_of(rows[i].text);

		CHECK_INT(facts.unsorted, rows[i].unsorted);
		CHECK_INT(facts.duplicate, rows[i].duplicate);
	}
}

TEST(benc_finds_the_first_of_two_infos_as_the_raw_substring)
{
	struct benc top = parse("d4:infod1:bi1e1:a0:e4:infodee"), info;

	CHECK(benc_find_dict(&top, "info", &info));
	CHECK(bytes_eq(info.raw, bytes_str("d1:bi1e1:a0:e")));
}

static void put_times(struct buf *b, const char *s, size_t n)
{
	while (n-- > 0)
		buf_put_str(b, s);
}

static int verdict_nested(const char *open, const char *inner, const char *close, size_t n)
{
	struct buf b;
	int rc;

	buf_init(&b, 16 << 20);
	put_times(&b, open, n);
	buf_put_str(&b, inner);
	put_times(&b, close, n);
	CHECK_INT(b.err, OK);
	rc = verdict(buf_bytes(&b));
	buf_fini(&b);
	return rc;
}

/* O-03. */
TEST(benc_nests_100_levels_and_refuses_101)
{
	CHECK_INT(verdict_nested("l", "", "e", BENC_DEPTH_MAX), 0);
	CHECK_INT(verdict_nested("l", "", "e", BENC_DEPTH_MAX + 1), ERR_TOO_BIG);
	CHECK_INT(verdict_nested("l", "i1e", "e", BENC_DEPTH_MAX), 0);
	CHECK_INT(verdict_nested("d1:a", "de", "e", BENC_DEPTH_MAX - 1), 0);
	CHECK_INT(verdict_nested("d1:a", "de", "e", BENC_DEPTH_MAX), ERR_TOO_BIG);
	CHECK_INT(verdict_nested("d0:", "0:", "e", BENC_DEPTH_MAX), 0);
	CHECK_INT(verdict_nested("d0:", "0:", "e", BENC_DEPTH_MAX + 1), ERR_TOO_BIG);
}

/* Siblings do not add up to depth. */
TEST(benc_takes_many_containers_side_by_side)
{
	CHECK_INT(verdict_nested("", "llelelelee", "", 1), 0);
	CHECK_INT(verdict_nested("l", "e", "", 1), 0);
	CHECK_INT(verdict_nested("lele", "", "", 1), ERR_PROTO);
}

static void *parse_a_million_levels(void *arg)
{
	int *rc = arg;

	rc[0] = verdict_nested("l", "", "e", 1000000);
	rc[1] = verdict_nested("d1:a", "0:", "e", 1000000);
	rc[2] = verdict_nested("l", "", "", 1000000);
	rc[3] = verdict_nested("ld1:a", "", "", 1000000);
	return NULL;
}

/* O-03, CVE-2020-8437: in a stack that a few hundred calls would use up. */
TEST(benc_refuses_a_million_levels_on_a_small_stack)
{
	int rc[4] = {0};
	pthread_attr_t attr;
	pthread_t thread;

	CHECK_INT(pthread_attr_init(&attr), 0);
	CHECK_INT(pthread_attr_setstacksize(&attr, 128 << 10), 0);
	CHECK_INT(pthread_create(&thread, &attr, parse_a_million_levels, rc), 0);
	CHECK_INT(pthread_join(thread, NULL), 0);
	pthread_attr_destroy(&attr);
	for (int i = 0; i < 4; i++)
		CHECK_INT(rc[i], ERR_TOO_BIG);
}

TEST(benc_takes_its_limit_of_values_and_not_one_more)
{
	struct buf b;
	struct benc v;

	buf_init(&b, 3 * BENC_TOKENS_MAX);
	buf_put_u8(&b, 'l');
	put_times(&b, "0:", BENC_TOKENS_MAX - 1);
	buf_put_u8(&b, 'e');
	CHECK_INT(benc_parse_all(buf_bytes(&b), &v, NULL), 0);
	b.len--;
	buf_put_str(&b, "0:e");
	CHECK_INT(benc_parse_all(buf_bytes(&b), &v, NULL), ERR_TOO_BIG);
	buf_clear(&b); /* keys count too */
	buf_put_u8(&b, 'd');
	put_times(&b, "0:", BENC_TOKENS_MAX);
	buf_put_u8(&b, 'e');
	CHECK_INT(benc_parse_all(buf_bytes(&b), &v, NULL), ERR_TOO_BIG);
	buf_fini(&b);
}

TEST(benc_refuses_input_over_2_gib_unread)
{
	struct benc v;

	CHECK_INT(benc_parse(bytes_of("i1e", (size_t)INT_MAX + 1), &v, NULL), ERR_TOO_BIG);
}

/* A hybrid torrent in small, with every kind of value. */
static const char torrent[] = "d8:announce17:http://127.0.0.1/7:comment0:4:infod"
			      "9:file treed1:ad0:d6:lengthi20e11:pieces root4:\x01\xff\x00zeee"
			      "6:lengthi-20e12:meta versioni2e4:name1:a5:piecele"
			      "12:piece layersdee8:url-listl1:ai0elleedeee";

TEST(benc_refuses_every_prefix)
{
	struct bytes whole = bytes_of(torrent, sizeof(torrent) - 1);

	CHECK_INT(verdict(whole), 0);
	for (size_t len = 0; len < whole.len; len++)
		CHECK_INT(verdict(bytes_sub(whole, 0, len)), ERR_PROTO);
}

/* Write what the reader sees; the reader's levels are at most BENC_DEPTH_MAX. */
static void rewrite(struct buf *b, const struct benc *v)
{
	struct benc_iter it = benc_iter(v);
	struct bytes key;
	struct benc item;

	if (v->type == BENC_INT) {
		benc_put_int(b, v->num);
	} else if (v->type == BENC_STR) {
		benc_put_bytes(b, v->str);
	} else {
		benc_put_raw(b, v->type == BENC_DICT ? 'd' : 'l');
		while (benc_next(&it, &key, &item)) {
			if (it.dict)
				benc_put_bytes(b, key);
			rewrite(b, &item);
		}
		benc_put_raw(b, 'e');
	}
}

static void check_rewrite(struct bytes in, uint64_t seed)
{
	struct benc v;
	struct buf b;

	CHECK_SEED(benc_parse_all(in, &v, NULL) == 0, seed);
	buf_init(&b, in.len);
	rewrite(&b, &v);
	CHECK_SEED(b.err == OK && bytes_eq(buf_bytes(&b), in), seed);
	buf_fini(&b);
}

/* O-01. */
TEST(benc_flipped_bytes_are_refused_or_read_whole)
{
	size_t len = sizeof(torrent) - 1;
	uint8_t *exact = malloc(len);

	memcpy(exact, torrent, len);
	for (size_t i = 0; i < len; i++) {
		for (unsigned flip = 1; flip < 256; flip++) {
			struct benc v;
			int rc, again;

			exact[i] ^= (uint8_t)flip;
			rc = benc_parse_all(bytes_of(exact, len), &v, NULL);
			again = benc_parse_all(bytes_of(exact, len), &v, NULL);
			CHECK_INT(rc, again);
			if (rc == 0)
				check_rewrite(bytes_of(exact, len), i * 256 + flip);
			exact[i] ^= (uint8_t)flip;
		}
	}
	free(exact);
}

static void put_random(struct buf *b, struct rng *r, int depth)
{
	uint32_t kind = rng_below(r, depth == 0 ? 2 : 4), n = rng_below(r, 5);
	uint8_t raw[16];

	if (kind == 0) {
		benc_put_int(b, (int64_t)(rng_next(r) >> rng_below(r, 64)));
		return;
	}
	if (kind == 1) {
		rng_fill(r, raw, sizeof(raw));
		benc_put_bytes(b, bytes_of(raw, rng_below(r, sizeof(raw))));
		return;
	}
	benc_put_raw(b, kind == 2 ? 'l' : 'd');
	for (uint32_t i = 0; i < n; i++) {
		char key[2] = {(char)('a' + i), '\0'};

		if (kind == 3)
			benc_put_str(b, key);
		put_random(b, r, depth - 1);
	}
	benc_put_raw(b, 'e');
}

TEST(benc_random_documents_go_round)
{
	for (uint64_t seed = 1; seed <= 1000; seed++) {
		struct benc_facts facts;
		struct benc v;
		struct rng r;
		struct buf b;

		rng_seed(&r, seed);
		buf_init(&b, 1 << 20);
		put_random(&b, &r, 6);
		CHECK_SEED(benc_parse_all(buf_bytes(&b), &v, &facts) == 0, seed);
		CHECK_SEED(!facts.unsorted && !facts.duplicate, seed);
		check_rewrite(buf_bytes(&b), seed);
		buf_fini(&b);
	}
}

/* O-02: hence no input can make the reader take memory. */
TEST(benc_reader_allocates_nothing)
{
	struct benc v, info;
	int64_t num = 0;
	size_t asked;
	bool found;
	int rc;

	failmalloc_start(1, true);
	rc = benc_parse_all(bytes_of(torrent, sizeof(torrent) - 1), &v, NULL);
	found =
	    rc == 0 && benc_find_dict(&v, "info", &info) && benc_find_int(&info, "length", &num);
	asked = failmalloc_stop();
	CHECK_INT(asked, 0);
	CHECK(found && num == -20);
}

TEST(benc_writer_writes_canonically)
{
	struct buf b;

	buf_init(&b, 100);
	benc_put_raw(&b, 'd');
	benc_put_str(&b, "");
	benc_put_int(&b, INT64_MIN);
	benc_put_str(&b, "a");
	benc_put_bytes(&b, bytes_of("\0e", 2));
	benc_put_raw(&b, 'e');
	CHECK_INT(b.err, OK);
	CHECK(bytes_eq(buf_bytes(&b), bytes_of("d0:i-9223372036854775808e1:a2:\0ee", 33)));
	CHECK_INT(verdict(buf_bytes(&b)), 0);
	buf_fini(&b);
}

/* The walkers get a value by hand that no parse has seen. */
TEST(benc_walkers_stay_inside_a_value_nobody_checked)
{
	static const char *const raws[] = {"",	   "l",	 "le",	 "d1:ae", "l9:ae",
					   "li5e", "d1", "dlle", "lie"};

	for (size_t i = 0; i < sizeof(raws) / sizeof(raws[0]); i++) {
		size_t len = strlen(raws[i]);
		char *exact = malloc(len);
		struct benc v = {.raw = bytes_of(exact, len)}, item;
		struct benc_iter it;
		struct bytes key;

		memcpy(exact, raws[i], len);
		v.type = raws[i][0] == 'd' ? BENC_DICT : BENC_LIST;
		it = benc_iter(&v);
		CHECK(!benc_next(&it, &key, &item));
		free(exact);
	}
}
