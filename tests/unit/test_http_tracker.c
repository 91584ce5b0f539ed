#include "wire/http_tracker.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/bencode.h"
#include "base/rng.h"
#include "test.h"

#define BYTES(s) bytes_of(s, sizeof(s) - 1)
#define A20 "aaaaaaaaaaaaaaaaaaaa"
#define B20 "bbbbbbbbbbbbbbbbbbbb"
#define MUST "info_hash=" A20 "&peer_id=" B20 "&port=6881"
#define OUT_MAX (64u << 10)

static int announce_exact(struct bytes in, struct announce *a, struct err_info *info)
{
	uint8_t *copy = malloc(in.len == 0 ? 1 : in.len);
	int rc;

	if (in.len > 0)
		memcpy(copy, in.ptr, in.len);
	rc = http_announce_decode(bytes_of(copy, in.len), a, info);
	free(copy);
	return rc;
}

static struct announce announced(const char *query)
{
	struct announce a;

	CHECK_INT(announce_exact(bytes_str(query), &a, NULL), 0);
	return a;
}

static const char *refused(const char *query)
{
	static struct err_info info;
	struct announce a;

	CHECK_INT(announce_exact(bytes_str(query), &a, &info), ERR_PROTO);
	CHECK_INT(info.code, ERR_PROTO);
	return info.text;
}

/* ---- announce: the server's side ---------------------------------------- */

TEST(the_announce_of_bep_23_is_read)
{
	struct announce a = announced("peer_id=" B20 "&info_hash=" A20
				      "&port=6881&left=0&downloaded=100&uploaded=0&compact=1");

	CHECK_MEM(a.info_hash, A20, 20);
	CHECK_MEM(a.peer_id, B20, 20);
	CHECK_INT(a.port, 6881);
	CHECK_INT(a.left, 0);
	CHECK_INT(a.downloaded, 100);
	CHECK_INT(a.event, EVENT_NONE);
	CHECK_INT(a.numwant, ANNOUNCE_PEERS_DEFAULT);
	CHECK(a.compact && !a.no_peer_id && !a.has_claimed_v6 && !a.supports_crypto);
}

TEST(a_full_announce_is_read)
{
	struct announce a = announced(MUST "&uploaded=1&downloaded=2&left=3&event=started&numwant=9"
					   "&compact=0&no_peer_id=1&supportcrypto=1&key=k%20k"
					   "&trackerid=t%2Ft");

	CHECK_INT(a.uploaded, 1);
	CHECK_INT(a.downloaded, 2);
	CHECK_INT(a.left, 3);
	CHECK_INT(a.event, EVENT_STARTED);
	CHECK_INT(a.numwant, 9);
	CHECK(!a.compact && a.no_peer_id && a.supports_crypto);
	CHECK_STR(a.key, "k k");
	CHECK_STR(a.tracker_id, "t/t");
}

TEST(escaped_hashes_are_read_byte_by_byte)
{
	static const uint8_t want[20] = {0, 0xff, '+', '&', '=', '%', 0x1a, 'a'};
	struct announce a = announced("info_hash=%00%fF+%26%3d%25%1Aa%00%00%00%00%00%00%00%00%00%00"
				      "%00%00&peer_id=" B20 "&port=1");

	CHECK_MEM(a.info_hash, want, 20);
}

TEST(events_have_their_names_and_others_are_plain_announces)
{
	CHECK_INT(announced(MUST "&event=completed").event, EVENT_COMPLETED);
	CHECK_INT(announced(MUST "&event=stopped").event, EVENT_STOPPED);
	CHECK_INT(announced(MUST "&event=empty").event, EVENT_NONE);
	CHECK_INT(announced(MUST "&event=").event, EVENT_NONE);
	CHECK_INT(announced(MUST "&event=paused").event, EVENT_NONE);
}

TEST(without_left_a_client_is_no_seed)
{
	CHECK(announced(MUST).left > 0);
	CHECK(announced(MUST "&left=&compact=1").left > 0);
}

TEST(an_announce_without_what_it_must_hold_is_refused)
{
	CHECK_STR(refused(""), "info_hash is missing");
	CHECK_STR(refused("info_hash=" A20 "&port=1"), "peer_id is missing");
	CHECK_STR(refused("info_hash=" A20 "&peer_id=" B20), "port is missing");
	CHECK_STR(refused("Info_Hash=" A20 "&peer_id=" B20 "&port=1"), "info_hash is missing");
}

/* O-28, row by row. */
TEST(bad_values_are_refused_by_name)
{
	static const char *const rows[][2] = {
	    {"info_hash=aaaaaaaaaaaaaaaaaaa&peer_id=" B20 "&port=1", "info_hash"},
	    {"info_hash=" A20 "a&peer_id=" B20 "&port=1", "info_hash"},
	    {"info_hash=%&peer_id=" B20 "&port=1", "info_hash"},
	    {"info_hash=aaaaaaaaaaaaaaaaaaa%4&peer_id=" B20 "&port=1", "info_hash"},
	    {"info_hash=aaaaaaaaaaaaaaaaaaa%g1&peer_id=" B20 "&port=1", "info_hash"},
	    {"info_hash&peer_id=" B20 "&port=1", "info_hash"},
	    {"info_hash=" A20 "&peer_id=b&port=1", "peer_id"},
	    {"info_hash=" A20 "&peer_id=" B20 "&port=0", "port"},
	    {"info_hash=" A20 "&peer_id=" B20 "&port=65536", "port"},
	    {"info_hash=" A20 "&peer_id=" B20 "&port=-1", "port"},
	    {"info_hash=" A20 "&peer_id=" B20 "&port=+1", "port"},
	    {"info_hash=" A20 "&peer_id=" B20 "&port=", "port"},
	    {"info_hash=" A20 "&peer_id=" B20 "&port=1x", "port"},
	    {MUST "&left=18446744073709551616", "left"},
	    {MUST "&left=-1", "left"},
	    {MUST "&uploaded=99999999999999999999999", "uploaded"},
	    {MUST "&downloaded=1.5", "downloaded"},
	    {MUST "&numwant=-2", "numwant"},
	    {MUST "&numwant=x", "numwant"},
	    {MUST "&numwant=18446744073709551616", "numwant"},
	    {MUST "&key=%zz", "key"},
	    {MUST "&trackerid=a%00b", "trackerid"},
	    {MUST "&trackerid=%", "trackerid"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *why = refused(rows[i][0]);

		CHECK_INT(strncmp(why, "bad value of ", 13), 0);
		CHECK_STR(why + 13, rows[i][1]);
	}
}

TEST(numbers_pass_up_to_their_limit)
{
	CHECK(announced(MUST "&left=18446744073709551615").left == UINT64_MAX);
	CHECK_INT(announced("info_hash=" A20 "&peer_id=" B20 "&port=65535").port, 65535);
	CHECK_INT(announced(MUST "&numwant=0").numwant, 0);
	CHECK_INT(announced(MUST "&numwant=200").numwant, ANNOUNCE_PEERS_MAX);
	CHECK_INT(announced(MUST "&numwant=201").numwant, ANNOUNCE_PEERS_MAX);
	CHECK_INT(announced(MUST "&numwant=1000000000").numwant, ANNOUNCE_PEERS_MAX);
	CHECK_INT(announced(MUST "&numwant=-1").numwant, ANNOUNCE_PEERS_DEFAULT);
}

TEST(a_key_is_any_bytes_and_one_that_is_no_text_counts_as_none)
{
	CHECK_STR(announced(MUST "&key=%23%06%94%99%7f%d6%85%bf").key,
		  "\x23\x06\x94\x99\x7f\xd6\x85\xbf");
	CHECK_STR(announced(MUST "&key=%23%06%94%99%00%d6%85%bf").key, "");
	CHECK_STR(announced(MUST "&key=%00").key, "");
	CHECK_STR(announced(MUST "&key=").key, "");
}

static int text_of_length(const char *key, size_t len)
{
	struct announce a;
	struct buf b;
	int rc;

	buf_init(&b, OUT_MAX);
	buf_printf(&b, MUST "&%s=", key);
	for (size_t i = 0; i < len; i++)
		buf_put_u8(&b, 'x');
	rc = announce_exact(buf_bytes(&b), &a, NULL);
	buf_fini(&b);
	return rc;
}

TEST(texts_and_the_query_pass_up_to_their_limit)
{
	size_t rest = HTTP_TRACKER_QUERY_MAX - (sizeof(MUST) - 1) - 3;

	CHECK_INT(text_of_length("key", ANNOUNCE_KEY_MAX), 0);
	CHECK_INT(text_of_length("key", ANNOUNCE_KEY_MAX + 1), ERR_PROTO);
	CHECK_INT(text_of_length("trackerid", ANNOUNCE_TEXT_MAX), 0);
	CHECK_INT(text_of_length("trackerid", ANNOUNCE_TEXT_MAX + 1), ERR_PROTO);
	CHECK_INT(text_of_length("x", rest), 0);
	CHECK_INT(text_of_length("x", rest + 1), ERR_PROTO);
	CHECK_INT(text_of_length("x", 60000), ERR_PROTO);
}

TEST(a_key_given_twice_is_refused_but_ipv6_counts_the_first_time)
{
	struct announce a;
	struct err_info why;

	CHECK_INT(http_announce_decode(bytes_str(MUST "&port=6881"), &a, &why), ERR_PROTO);
	CHECK(strstr(why.text, "port") != NULL);
	CHECK_INT(http_announce_decode(bytes_str(MUST "&info_hash=" B20), &a, &why), ERR_PROTO);
	CHECK(announced(MUST "&ipv6=2001:db8::1&ipv6=2001:db8::2").has_claimed_v6);
}

TEST(unknown_keys_and_empty_pairs_are_skipped)
{
	CHECK_INT(announced("&&=&x&%zz=%zz&" MUST "&&corrupt=9&").port, 6881);
}

TEST(what_a_client_says_of_its_own_ipv4_address_is_not_believed)
{
	struct announce a = announced(MUST "&ip=192.0.2.66&ipv4=192.0.2.66:99");

	CHECK(!a.has_claimed_v6);
	CHECK_INT(a.port, 6881);
}

TEST(a_claimed_ipv6_address_takes_the_port_when_it_has_none)
{
	static const char *const good[] = {
	    "ipv6=2001%3A%3A53Aa%3A64c%3A0%3A7f83%3Abc43%3Adec9&" MUST,
	    MUST "&ipv6=%5B2001%3A%3A53Aa%3A64c%3A0%3A7f83%3Abc43%3Adec9%5D%3A6882",
	};

	for (uint16_t i = 0; i < 2; i++) {
		struct announce a = announced(good[i]);
		char text[ADDR_TEXT_MAX];

		CHECK(a.has_claimed_v6);
		CHECK_INT(a.claimed_v6.port, 6881 + i);
		CHECK_STR(addr_host_text(text, &a.claimed_v6), "2001:0:53aa:64c:0:7f83:bc43:dec9");
	}
}

TEST(a_claimed_ipv6_address_that_is_none_is_passed_over)
{
	static const char *const bad[] = {
	    "",	  "x",	 "192.0.2.1",	       "::ffff:192.0.2.1", "ff02::1", "[2001:db8::1]:0",
	    "::", "%zz", "[2001:db8::1]:65536"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char query[200];

		snprintf(query, sizeof(query), MUST "&ipv6=%s", bad[i]);
		CHECK(!announced(query).has_claimed_v6);
	}
}

TEST(every_prefix_of_an_announce_is_judged_without_reading_past_it)
{
	struct bytes q = BYTES(MUST "&left=1&event=stopped&key=%41%42&ipv6=%5B2001:db8::1%5D:9");
	struct announce a, b;

	for (size_t len = 0; len <= q.len; len++) {
		int rc = announce_exact(bytes_sub(q, 0, len), &a, NULL);

		CHECK_INT(rc, announce_exact(bytes_sub(q, 0, len), &b, NULL));
		CHECK(rc == 0 || rc == ERR_PROTO);
	}
}

/* ---- announce: the client's side ---------------------------------------- */

static struct announce sample(void)
{
	struct announce a = {.port = 6881,
			     .uploaded = 5,
			     .downloaded = 6,
			     .left = 7,
			     .event = EVENT_STARTED,
			     .numwant = 80,
			     .compact = true,
			     .key = "00ff12ab"};

	memcpy(a.info_hash, "\x00+ %&=?#\x7f\x80\xff-._~aZ09/", 20);
	memcpy(a.peer_id, "-SH0100-012345678901", 20);
	return a;
}

static const char *encoded(struct buf *out, const char *url)
{
	struct announce a = sample();

	buf_clear(out);
	CHECK_INT(http_announce_encode(url, &a, out), 0);
	return buf_cstr(out);
}

#define QUERY                                                                                      \
	"info_hash=%00%2B%20%25%26%3D%3F%23%7F%80%FF-._~aZ09%2F&peer_id=-SH0100-012345678901"      \
	"&port=6881&uploaded=5&downloaded=6&left=7&numwant=80&compact=1&event=started"             \
	"&key=00ff12ab"

TEST(a_partial_seed_is_announced_as_paused)
{
	struct announce a = sample();
	struct buf out;

	a.event = EVENT_PAUSED;
	buf_init(&out, OUT_MAX);
	CHECK_INT(http_announce_encode("http://t/a", &a, &out), 0);
	CHECK(strstr(buf_cstr(&out), "&event=paused&") != NULL);
	buf_fini(&out);
}

TEST(an_announce_is_appended_to_the_url)
{
	struct buf out;

	buf_init(&out, OUT_MAX);
	CHECK_STR(encoded(&out, "http://t:6969/announce"), "http://t:6969/announce?" QUERY);
	CHECK_STR(encoded(&out, "http://t/a?pass=1"), "http://t/a?pass=1&" QUERY);
	CHECK_STR(encoded(&out, "http://t/a?"), "http://t/a?" QUERY);
	CHECK_STR(encoded(&out, "http://t/a?p=1&"), "http://t/a?p=1&" QUERY);
	CHECK_STR(encoded(&out, "http://t/a#part?x"), "http://t/a?" QUERY);
	buf_fini(&out);
}

TEST(urls_that_could_carry_headers_are_refused)
{
	static const char *const bad[] = {
	    "", "#", "http://t/a b", "http://t/a\r\nX: y", "http://t/\x7f", "http://t/\x1b[0m"};
	struct announce a = sample();
	struct buf out;

	buf_init(&out, OUT_MAX);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_INT(http_announce_encode(bad[i], &a, &out), ERR_INVALID);
		CHECK_INT(out.len, 0);
	}
	buf_fini(&out);
}

static bool same_announce(const struct announce *a, const struct announce *b)
{
	return memcmp(a->info_hash, b->info_hash, 20) == 0 &&
	       memcmp(a->peer_id, b->peer_id, 20) == 0 && a->port == b->port &&
	       a->uploaded == b->uploaded && a->downloaded == b->downloaded && a->left == b->left &&
	       a->event == b->event && a->numwant == b->numwant && a->compact == b->compact &&
	       a->no_peer_id == b->no_peer_id && a->supports_crypto == b->supports_crypto &&
	       strcmp(a->key, b->key) == 0 && strcmp(a->tracker_id, b->tracker_id) == 0 &&
	       a->has_claimed_v6 == b->has_claimed_v6 && addr_eq(&a->claimed_v6, &b->claimed_v6);
}

static void random_text(struct rng *r, char *out, size_t max)
{
	size_t n = rng_below(r, (uint32_t)max + 1);

	for (size_t i = 0; i < n; i++)
		out[i] = (char)(1 + rng_below(r, 255));
	out[n] = '\0';
}

TEST(random_announces_come_back_as_they_went)
{
	struct buf out;

	buf_init(&out, OUT_MAX);
	for (uint64_t seed = 1; seed <= 5000; seed++) {
		struct announce a = sample(), back;
		struct rng r;

		rng_seed(&r, seed);
		rng_fill(&r, a.info_hash, 20);
		rng_fill(&r, a.peer_id, 20);
		a.uploaded = rng_next(&r);
		a.left = rng_next(&r) >> rng_below(&r, 64);
		a.event = (enum announce_event)rng_below(&r, 4);
		a.numwant = rng_below(&r, ANNOUNCE_PEERS_MAX + 1);
		a.compact = rng_below(&r, 2);
		a.no_peer_id = rng_below(&r, 2);
		a.supports_crypto = rng_below(&r, 2);
		random_text(&r, a.key, ANNOUNCE_KEY_MAX);
		random_text(&r, a.tracker_id, ANNOUNCE_TEXT_MAX);
		if (rng_below(&r, 2)) {
			a.has_claimed_v6 = true;
			a.claimed_v6.v6 = 1;
			a.claimed_v6.port = (uint16_t)(1 + rng_below(&r, 65535));
			rng_fill(&r, a.claimed_v6.ip, 16);
			a.claimed_v6.ip[0] = 0x20;
		}
		buf_clear(&out);
		CHECK_SEED(http_announce_encode("?", &a, &out) == 0, seed);
		CHECK_SEED(
		    announce_exact(bytes_sub(buf_bytes(&out), 1, out.len - 1), &back, NULL) == 0,
		    seed);
		CHECK_SEED(same_announce(&a, &back), seed);
	}
	buf_fini(&out);
}

/* ---- announce replies --------------------------------------------------- */

static int reply_exact(struct bytes in, struct announce_reply *r, struct announce_peer *peers,
		       uint32_t cap)
{
	uint8_t *copy = malloc(in.len == 0 ? 1 : in.len);
	int rc;

	if (in.len > 0)
		memcpy(copy, in.ptr, in.len);
	rc = http_announce_reply_decode(bytes_of(copy, in.len), r, peers, cap);
	free(copy);
	return rc;
}

static struct announce_peer peer_of(const char *text, const char *id)
{
	struct announce_peer p = {.has_id = id != NULL};

	CHECK_INT(addr_parse(bytes_str(text), 0, &p.addr), 0);
	if (id != NULL)
		memcpy(p.id, id, 20);
	return p;
}

TEST(a_compact_reply_has_peers_and_peers6)
{
	struct announce_peer peers[2] = {peer_of("192.0.2.1:6881", A20),
					 peer_of("[2001:db8::1]:258", B20)};
	struct announce_reply r = {.interval_s = 1800,
				   .min_interval_s = 60,
				   .complete = 1,
				   .incomplete = 2,
				   .downloaded = 3,
				   .has_external_ip = true,
				   .tracker_id = "tid",
				   .warning = "hm",
				   .peers = peers,
				   .n_peers = 2};
	struct bytes want =
	    BYTES("d8:completei1e10:downloadedi3e11:external ip4:\xc6\x33\x64\x07"
		  "10:incompletei2e"
		  "8:intervali1800e12:min intervali60e5:peers6:\xc0\x00\x02\x01\x1a\xe1"
		  "6:peers618:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\1\2"
		  "10:tracker id3:tid15:warning message2:hme");
	struct buf out;

	CHECK_INT(addr_parse(BYTES("198.51.100.7"), 0, &r.external_ip), 0);
	buf_init(&out, OUT_MAX);
	CHECK_INT(http_announce_reply_encode(&r, true, false, &out), 0);
	CHECK_INT(out.len, want.len);
	CHECK_MEM(out.ptr, want.ptr, want.len);
	buf_fini(&out);
}

TEST(a_reply_without_ipv6_peers_has_no_peers6)
{
	struct announce_reply r = {.interval_s = 1};
	struct buf out;

	buf_init(&out, OUT_MAX);
	CHECK_INT(http_announce_reply_encode(&r, true, false, &out), 0);
	CHECK_STR(buf_cstr(&out), "d8:completei0e10:downloadedi0e10:incompletei0e8:intervali1e"
				  "5:peers0:e");
	buf_fini(&out);
}

TEST(a_full_reply_lists_dictionaries)
{
	struct announce_peer peers[2] = {peer_of("192.0.2.1:6881", A20),
					 peer_of("[2001:db8::1]:258", NULL)};
	struct announce_reply r = {.interval_s = 1, .peers = peers, .n_peers = 2};
	struct buf out;

	buf_init(&out, OUT_MAX);
	CHECK_INT(http_announce_reply_encode(&r, false, false, &out), 0);
	CHECK_STR(buf_cstr(&out),
		  "d8:completei0e10:downloadedi0e10:incompletei0e8:intervali1e5:peersl"
		  "d2:ip9:192.0.2.17:peer id20:" A20 "4:porti6881ee"
		  "d2:ip11:2001:db8::14:porti258eeee");
	buf_clear(&out);
	CHECK_INT(http_announce_reply_encode(&r, false, true, &out), 0);
	CHECK(strstr(buf_cstr(&out), "peer id") == NULL);
	buf_fini(&out);
}

TEST(a_failure_says_why_and_when_to_come_back)
{
	struct announce_reply r = {.failed = true, .failure = "Overloaded"};
	struct buf out;

	buf_init(&out, OUT_MAX);
	CHECK_INT(http_announce_reply_encode(&r, true, false, &out), 0);
	CHECK_STR(buf_cstr(&out), "d14:failure reason10:Overloadede");
	r.retry_s = 241;
	buf_clear(&out);
	CHECK_INT(http_announce_reply_encode(&r, true, false, &out), 0);
	CHECK_STR(buf_cstr(&out), "d14:failure reason10:Overloaded8:retry ini5ee");
	r.retry_s = UINT32_MAX;
	buf_clear(&out);
	CHECK_INT(http_announce_reply_encode(&r, true, false, &out), 0);
	CHECK_STR(buf_cstr(&out), "d14:failure reason10:Overloaded8:retry in5:nevere");
	buf_fini(&out);
}

static struct announce_reply replied(const char *text)
{
	struct announce_reply r;

	CHECK_INT(reply_exact(bytes_str(text), &r, NULL, 0), 0);
	return r;
}

TEST(a_failure_is_read_with_its_time)
{
	struct announce_reply r = replied("d14:failure reason4:busy8:retry in1:5e");

	CHECK(r.failed);
	CHECK_STR(r.failure, "busy");
	CHECK_INT(r.retry_s, 300);
	CHECK_INT(replied("d14:failure reason0:8:retry ini5ee").retry_s, 300);
	CHECK_INT(replied("d14:failure reason0:8:retry in5:nevere").retry_s, UINT32_MAX);
	CHECK_INT(replied("d14:failure reason0:8:retry in3:abce").retry_s, 0);
	CHECK_INT(replied("d14:failure reason0:8:retry ini-1ee").retry_s, 0);
	CHECK_INT(replied("d14:failure reason0:8:retry ini9223372036854775807ee").retry_s,
		  UINT32_MAX - 1);
	CHECK(replied("d14:failure reasoni1ee").failed);
}

TEST(numbers_of_a_reply_are_kept_in_range)
{
	struct announce_reply r = replied("d8:completei-1e10:incompletei4294967296e8:intervali7e"
					  "12:min interval1:9e");

	CHECK_INT(r.complete, 0);
	CHECK_INT(r.incomplete, UINT32_MAX);
	CHECK_INT(r.interval_s, 7);
	CHECK_INT(r.min_interval_s, 0);
}

TEST(what_is_no_reply_is_refused)
{
	static const char *const bad[] = {"",	    "de",	   "le",       "i1e",
					  "<html>", "d8:interval", "d1:xi1ee", "d8:completei1ee"};
	struct announce_reply r;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_INT(reply_exact(bytes_str(bad[i]), &r, NULL, 0), ERR_PROTO);
}

TEST(a_line_end_after_the_reply_does_no_harm)
{
	CHECK_INT(replied("d8:intervali9ee\r\n").interval_s, 9);
}

static uint32_t peers_of(struct bytes body, struct announce_peer *peers, uint32_t cap)
{
	struct announce_reply r;

	CHECK_INT(reply_exact(body, &r, peers, cap), 0);
	CHECK(r.peers == peers);
	return r.n_peers;
}

TEST(peers_are_read_in_both_forms)
{
	struct announce_peer peers[4];
	char text[ADDR_TEXT_MAX];

	CHECK_INT(peers_of(BYTES("d5:peers12:\1\2\3\4\0\5\6\7\x08\x09\0\n6:peers618:"
				 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\1\2e"),
			   peers, 4),
		  3);
	CHECK_STR(addr_text(text, &peers[0].addr), "1.2.3.4:5");
	CHECK_STR(addr_text(text, &peers[1].addr), "6.7.8.9:10");
	CHECK_STR(addr_text(text, &peers[2].addr), "[2001:db8::1]:258");
	CHECK(!peers[0].has_id);
	CHECK_INT(peers_of(BYTES("d5:peersld2:ip7:1.2.3.47:peer id20:" A20 "4:porti5ee"
				 "d2:ip11:2001:db8::14:porti6eeee"),
			   peers, 4),
		  2);
	CHECK_STR(addr_text(text, &peers[0].addr), "1.2.3.4:5");
	CHECK(peers[0].has_id && !peers[1].has_id);
	CHECK_MEM(peers[0].id, A20, 20);
	CHECK_STR(addr_text(text, &peers[1].addr), "[2001:db8::1]:6");
}

/* O-21: nothing undialable gets through, nothing odd stops the rest. */
TEST(undialable_peers_are_left_out)
{
	struct announce_peer peers[8];

	CHECK_INT(
	    peers_of(BYTES("d5:peers30:\0\0\0\0\0\5\1\2\3\4\0\0\xe0\0\0\1\0\5\xff\xff\xff\xff\0\5"
			   "\1\2\3\4\0\5e"),
		     peers, 8),
	    1);
	CHECK_INT(peers_of(BYTES("d5:peersli1e4:spamleded2:ip7:1.2.3.4ed2:ip7:1.2.3.44:porti0ee"
				 "d2:ip7:1.2.3.44:porti65536eed2:ip11:example.org4:porti5ee"
				 "d2:ip9:1.2.3.4:94:porti5eed2:ip7:1.2.3.44:port1:5e"
				 "d2:ip7:1.2.3.44:porti5eeee"),
			   peers, 8),
		  1);
	CHECK_INT(peers_of(BYTES("d5:peersi1ee"), peers, 8), 0);
	CHECK_INT(peers_of(BYTES("d5:peers8:\1\2\3\4\0\5\6\7e"), peers, 8), 1);
	CHECK_INT(peers_of(BYTES("d6:peers6lee"), peers, 8), 0);
}

static void put_many(struct buf *b, uint32_t n, bool compact)
{
	buf_clear(b);
	buf_put_str(b, "d5:peers");
	if (compact)
		buf_printf(b, "%u:", n * 6);
	else
		buf_put_str(b, "l");
	for (uint32_t i = 0; i < n; i++) {
		if (compact)
			buf_put(b, BYTES("\1\2\3\4\0\5"));
		else
			buf_put_str(b, "d2:ip7:1.2.3.44:porti5ee");
	}
	buf_put_str(b, compact ? "e" : "ee");
}

TEST(of_a_long_list_only_the_start_is_believed)
{
	static struct announce_peer peers[10000];
	struct buf b;

	buf_init(&b, 1u << 20);
	for (int compact = 0; compact < 2; compact++) {
		put_many(&b, 10000, compact);
		CHECK_INT(peers_of(buf_bytes(&b), peers, 10000), ANNOUNCE_PEERS_TAKEN);
		CHECK_INT(peers_of(buf_bytes(&b), peers, 3), 3);
		CHECK_INT(peers_of(buf_bytes(&b), NULL, 0), 0);
		put_many(&b, ANNOUNCE_PEERS_TAKEN, compact);
		CHECK_INT(peers_of(buf_bytes(&b), peers, 10000), ANNOUNCE_PEERS_TAKEN);
	}
	buf_fini(&b);
}

TEST(no_more_peers_are_sent_than_the_limit)
{
	static struct announce_peer peers[ANNOUNCE_PEERS_MAX + 1], back[ANNOUNCE_PEERS_MAX + 1];
	struct announce_reply r = {.peers = peers};
	struct buf out;

	buf_init(&out, OUT_MAX);
	for (uint32_t i = 0; i <= ANNOUNCE_PEERS_MAX; i++)
		peers[i] = peer_of(i % 2 ? "[2001:db8::1]:9" : "192.0.2.1:9", NULL);
	for (uint32_t n = ANNOUNCE_PEERS_MAX; n <= ANNOUNCE_PEERS_MAX + 1; n++) {
		for (int compact = 0; compact < 2; compact++) {
			r.n_peers = n;
			buf_clear(&out);
			CHECK_INT(http_announce_reply_encode(&r, compact, false, &out), 0);
			CHECK_INT(peers_of(buf_bytes(&out), back, ANNOUNCE_PEERS_MAX + 1),
				  ANNOUNCE_PEERS_MAX);
		}
	}
	buf_fini(&out);
}

TEST(long_texts_of_a_reply_are_cut)
{
	struct announce_reply r;
	struct buf b;

	for (size_t len = ANNOUNCE_TEXT_MAX; len <= ANNOUNCE_TEXT_MAX + 1; len++) {
		buf_init(&b, OUT_MAX);
		buf_printf(&b, "d14:failure reason%zu:", len);
		for (size_t i = 0; i < len; i++)
			buf_put_u8(&b, 0x1b);
		buf_put_u8(&b, 'e');
		CHECK_INT(reply_exact(buf_bytes(&b), &r, NULL, 0), 0);
		CHECK_INT(strlen(r.failure), ANNOUNCE_TEXT_MAX);
		buf_fini(&b);
	}
}

TEST(every_prefix_of_a_reply_is_refused)
{
	struct bytes body = BYTES("d8:intervali1800e5:peers6:\1\2\3\4\0\5"
				  "10:tracker id1:te");
	struct announce_peer peers[2];
	struct announce_reply r;

	for (size_t len = 0; len < body.len; len++)
		CHECK_INT(reply_exact(bytes_sub(body, 0, len), &r, peers, 2), ERR_PROTO);
	CHECK_INT(reply_exact(body, &r, peers, 2), 0);
}

TEST(random_changes_of_a_reply_keep_the_round_trip)
{
	static const char text[] =
	    "d8:completei1e11:external ip4:abcd10:incompletei2e8:intervali1800e"
	    "5:peersld2:ip7:1.2.3.47:peer id20:" A20 "4:porti5eee"
	    "6:peers618:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\1\2"
	    "10:tracker id1:t15:warning message1:we";
	struct announce_peer peers[8], again[8];
	struct buf one, two;

	buf_init(&one, OUT_MAX);
	buf_init(&two, OUT_MAX);
	for (uint64_t seed = 1; seed <= 50000; seed++) {
		uint8_t raw[sizeof(text) - 1];
		struct announce_reply r;
		struct rng g;

		rng_seed(&g, seed);
		memcpy(raw, text, sizeof(raw));
		for (uint32_t i = rng_below(&g, 4); i > 0; i--)
			raw[rng_below(&g, sizeof(raw))] = (uint8_t)rng_next(&g);
		if (reply_exact(bytes_of(raw, sizeof(raw)), &r, peers, 8) < 0)
			continue;
		buf_clear(&one);
		buf_clear(&two);
		CHECK_SEED(http_announce_reply_encode(&r, false, false, &one) == 0, seed);
		CHECK_SEED(reply_exact(buf_bytes(&one), &r, again, 8) == 0, seed);
		CHECK_SEED(http_announce_reply_encode(&r, false, false, &two) == 0, seed);
		CHECK_SEED(bytes_eq(buf_bytes(&one), buf_bytes(&two)), seed);
	}
	buf_fini(&one);
	buf_fini(&two);
}

/* ---- scrape ------------------------------------------------------------- */

TEST(a_scrape_names_its_hashes)
{
	uint8_t hashes[SCRAPE_HASHES_MAX][20];

	CHECK_INT(http_scrape_decode(BYTES(""), hashes, NULL), 0);
	CHECK_INT(http_scrape_decode(BYTES("x=1&info_hash=" A20 "&y&info_hash=" B20), hashes, NULL),
		  2);
	CHECK_MEM(hashes[0], A20, 20);
	CHECK_MEM(hashes[1], B20, 20);
	CHECK_INT(http_scrape_decode(BYTES("info_hash=" A20 "a"), hashes, NULL), ERR_PROTO);
	CHECK_INT(http_scrape_decode(BYTES("info_hash=a"), hashes, NULL), ERR_PROTO);
	CHECK_INT(http_scrape_decode(BYTES("info_hash=%4"), hashes, NULL), ERR_PROTO);
}

TEST(a_scrape_has_its_limits)
{
	uint8_t(*hashes)[20] = malloc(SCRAPE_HASHES_MAX * sizeof(*hashes));
	struct err_info info;
	struct buf b;

	buf_init(&b, OUT_MAX);
	for (unsigned i = 0; i < SCRAPE_HASHES_MAX; i++)
		buf_put_str(&b, "&info_hash=" A20);
	CHECK_INT(http_scrape_decode(buf_bytes(&b), hashes, &info), SCRAPE_HASHES_MAX);
	buf_put_str(&b, "&info_hash=" A20);
	CHECK_INT(http_scrape_decode(buf_bytes(&b), hashes, &info), ERR_TOO_BIG);
	CHECK_STR(info.text, "more than 74 values of info_hash");
	buf_clear(&b);
	while (b.len < HTTP_TRACKER_QUERY_MAX)
		buf_put_u8(&b, 'x');
	CHECK_INT(http_scrape_decode(buf_bytes(&b), hashes, &info), 0);
	buf_put_u8(&b, 'x');
	CHECK_INT(http_scrape_decode(buf_bytes(&b), hashes, &info), ERR_TOO_BIG);
	buf_fini(&b);
	free(hashes);
}

TEST(a_scrape_reply_is_sorted_and_names_each_hash_once)
{
	struct scrape_row rows[3] = {{B20, 4, 5, 6}, {A20, 1, 2, 3}, {B20, 4, 5, 6}}, back[3];
	struct buf out;
	size_t n;

	buf_init(&out, OUT_MAX);
	CHECK_INT(http_scrape_reply_encode(rows, 3, &out), 0);
	CHECK_STR(buf_cstr(&out),
		  "d5:filesd20:" A20 "d8:completei1e10:downloadedi2e10:incompletei3ee20:" B20
		  "d8:completei4e10:downloadedi5e10:incompletei6eeee");
	CHECK_INT(http_scrape_reply_decode(buf_bytes(&out), back, 3, &n), 0);
	CHECK_INT(n, 2);
	CHECK_MEM(&back[0], &rows[1], sizeof(rows[0]));
	CHECK_MEM(&back[1], &rows[0], sizeof(rows[0]));
	CHECK_INT(http_scrape_reply_decode(buf_bytes(&out), back, 1, &n), 0);
	CHECK_INT(n, 1);
	buf_clear(&out);
	CHECK_INT(http_scrape_reply_encode(NULL, 0, &out), 0);
	CHECK_STR(buf_cstr(&out), "d5:filesdee");
	CHECK_INT(http_scrape_reply_decode(buf_bytes(&out), NULL, 0, &n), 0);
	CHECK_INT(n, 0);
	buf_fini(&out);
}

TEST(a_scrape_reply_takes_as_many_rows_as_a_scrape_asks_for)
{
	static struct scrape_row rows[SCRAPE_HASHES_MAX + 1];
	struct buf out;

	for (uint32_t i = 0; i <= SCRAPE_HASHES_MAX; i++)
		put_be32(rows[i].info_hash, SCRAPE_HASHES_MAX - i);
	buf_init(&out, OUT_MAX);
	CHECK_INT(http_scrape_reply_encode(rows, SCRAPE_HASHES_MAX, &out), 0);
	CHECK_INT(http_scrape_reply_encode(rows, SCRAPE_HASHES_MAX + 1, &out), ERR_TOO_BIG);
	buf_fini(&out);
}

TEST(odd_scrape_replies_are_refused_or_passed_over)
{
	struct scrape_row rows[2];
	size_t n = 9;

	CHECK_INT(http_scrape_reply_decode(BYTES(""), rows, 2, &n), ERR_PROTO);
	CHECK_INT(http_scrape_reply_decode(BYTES("de"), rows, 2, &n), ERR_PROTO);
	CHECK_INT(http_scrape_reply_decode(BYTES("d5:filesle"), rows, 2, &n), ERR_PROTO);
	CHECK_INT(http_scrape_reply_decode(BYTES("d14:failure reason2:noe"), rows, 2, &n),
		  ERR_PROTO);
	CHECK_INT(http_scrape_reply_decode(BYTES("d5:filesd3:abcde20:" A20 "i1e20:" B20
						 "d8:completei-1e10:downloadedi4294967296eeee"),
					   rows, 2, &n),
		  0);
	CHECK_INT(n, 1);
	CHECK_MEM(rows[0].info_hash, B20, 20);
	CHECK_INT(rows[0].complete, 0);
	CHECK_INT(rows[0].downloaded, UINT32_MAX);
}

TEST(the_scrape_url_stands_beside_the_announce_url)
{
	static const char *const rows[][2] = {
	    {"http://t/announce", "http://t/scrape"},
	    {"http://t/x/announce", "http://t/x/scrape"},
	    {"http://t/announce.php", "http://t/scrape.php"},
	    {"http://t/announce?x=2%0644", "http://t/scrape?x=2%0644"},
	    {"http://t/announce?x=2/4", "http://t/scrape?x=2/4"},
	    {"http://t/announce/announce", "http://t/announce/scrape"},
	    {"http://t/announce/pass", "http://t/scrape/pass"},
	    {"https://announce.example:1/announce#f", "https://announce.example:1/scrape"},
	    {"http://t/a", NULL},
	    {"http://t/", NULL},
	    {"http://announce.example/a", NULL},
	    {"http://announce", NULL},
	    {"http://t/x%064announce", NULL},
	    {"http://t/a?b=/announce", NULL},
	    {"", NULL},
	};
	struct buf out;

	buf_init(&out, OUT_MAX);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_clear(&out);
		CHECK_INT(http_scrape_url(rows[i][0], &out), rows[i][1] == NULL ? ERR_INVALID : 0);
		if (rows[i][1] != NULL)
			CHECK_STR(buf_cstr(&out), rows[i][1]);
	}
	buf_fini(&out);
}
