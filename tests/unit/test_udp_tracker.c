#include "wire/udp_tracker.h"

#include <stdlib.h>

#include "test.h"

#define H20 "hhhhhhhhhhhhhhhhhhhh"
#define P20 "-SH0100-abcdefghijkl"

/* A copy that ends where it ends: a byte read past it is seen by the sanitizer. */
static struct bytes exact(const void *data, size_t len)
{
	uint8_t *copy = malloc(len);

	CHECK(len == 0 || copy != NULL);
	if (len > 0)
		memcpy(copy, data, len);
	return bytes_of(copy, len);
}

static void forget(struct bytes b)
{
	free((void *)b.ptr);
}

/* The example of BEP 15 with numbers that differ in every byte. */
static const uint8_t golden_announce[] = "\x01\x02\x03\x04\x05\x06\x07\x08" /* connection id */
					 "\0\0\0\x01"			    /* announce */
					 "\xa1\xa2\xa3\xa4"		    /* transaction */
    H20 P20 "\x11\x12\x13\x14\x15\x16\x17\x18"				    /* downloaded */
					 "\x21\x22\x23\x24\x25\x26\x27\x28" /* left */
					 "\x31\x32\x33\x34\x35\x36\x37\x38" /* uploaded */
					 "\0\0\0\x02"			    /* started */
					 "\xc0\x00\x02\x01"		    /* IP */
					 "\xbe\xef\x00\x0f"		    /* key */
					 "\0\0\0\x1e"			    /* numwant */
					 "\x1a\xe1";			    /* port */
#define ANNOUNCE_BYTES (sizeof(golden_announce) - 1)

struct packet {
	size_t len;
	uint8_t bytes[UDP_REQUEST_MAX];
};

static struct packet announce_with(size_t at, const void *what, size_t len)
{
	struct packet p = {.len = ANNOUNCE_BYTES};

	memcpy(p.bytes, golden_announce, ANNOUNCE_BYTES);
	memcpy(p.bytes + at, what, len);
	if (at + len > p.len)
		p.len = at + len;
	return p;
}

static struct announce announced(size_t at, const void *what, size_t len)
{
	struct packet p = announce_with(at, what, len);
	struct bytes in = exact(p.bytes, p.len);
	struct announce a;

	CHECK_INT(udp_announce_decode(in, &a, NULL, NULL), 0);
	forget(in);
	return a;
}

static int announced_url(const void *options, size_t len, struct udp_url *url, struct err_info *why)
{
	struct packet p = announce_with(ANNOUNCE_BYTES, options, len);
	struct bytes in = exact(p.bytes, p.len);
	struct announce a;
	int rc = udp_announce_decode(in, &a, url, why);

	forget(in);
	return rc;
}

/* ---- what requests begin with ------------------------------------------- */

TEST(a_connect_of_bep_15_is_read_and_answered_in_as_many_bytes)
{
	static const uint8_t asked[] = "\0\0\x04\x17\x27\x10\x19\x80\0\0\0\0\xde\xad\xbe\xef";
	static const uint8_t want[] = "\0\0\0\0\xde\xad\xbe\xef\x01\x02\x03\x04\x05\x06\x07\x08";
	uint8_t out[UDP_REPLY_MAX], ours[UDP_REQUEST_MAX];
	struct udp_head h;
	uint64_t id;

	CHECK_INT(udp_head_decode(bytes_of(asked, 16), &h), 0);
	CHECK_INT(h.action, UDP_CONNECT);
	CHECK_INT(h.transaction, 0xdeadbeef);
	CHECK_INT(udp_connect_reply_encode(h.transaction, 0x0102030405060708, out), 16);
	CHECK_MEM(out, want, 16);
	CHECK_INT(udp_connect_encode(0xdeadbeef, ours), 16);
	CHECK_MEM(ours, asked, 16);
	CHECK_INT(udp_connect_reply_decode(bytes_of(want, 16), &id), 0);
	CHECK_INT(id, 0x0102030405060708);
	for (size_t n = 0; n < 16; n++) {
		struct bytes in = exact(want, n);

		CHECK_INT(udp_connect_reply_decode(in, &id), ERR_PROTO);
		forget(in);
	}
}

TEST(a_connect_without_the_magic_number_is_none)
{
	uint8_t asked[16] = "\0\0\x04\x17\x27\x10\x19\x81\0\0\0\0\xde\xad\xbe";
	struct udp_head h;

	CHECK_INT(udp_head_decode(bytes_of(asked, 16), &h), ERR_PROTO);
	asked[7] = 0x80;
	CHECK_INT(udp_head_decode(bytes_of(asked, 16), &h), 0);
}

TEST(requests_of_every_length_and_action_are_read_or_refused)
{
	uint8_t raw[2049] = {0};

	for (uint32_t action = 0; action < 6; action++) {
		put_be32(raw + 8, action);
		for (size_t n = 0; n <= 2048; n++) {
			struct bytes in = exact(raw, n);
			struct udp_head h;
			int rc = udp_head_decode(in, &h);

			CHECK_INT(rc, n >= 16 && (action == 1 || action == 2) ? 0 : ERR_PROTO);
			forget(in);
		}
	}
	put_be32(raw + 8, UINT32_MAX);
	CHECK_INT(udp_head_decode(bytes_of(raw, 98), &(struct udp_head){0}), ERR_PROTO);
}

/* ---- announce: the server's side ---------------------------------------- */

TEST(the_announce_of_bep_15_is_read)
{
	struct bytes in = exact(golden_announce, ANNOUNCE_BYTES);
	struct announce a;
	struct udp_head h;

	CHECK_INT(udp_head_decode(in, &h), 0);
	CHECK_INT(h.action, UDP_ANNOUNCE);
	CHECK_INT(h.connection_id, 0x0102030405060708);
	CHECK_INT(h.transaction, 0xa1a2a3a4);
	CHECK_INT(udp_announce_decode(in, &a, NULL, NULL), 0);
	CHECK_MEM(a.info_hash, H20, 20);
	CHECK_MEM(a.peer_id, P20, 20);
	CHECK_INT(a.downloaded, 0x1112131415161718);
	CHECK_INT(a.left, 0x2122232425262728);
	CHECK_INT(a.uploaded, 0x3132333435363738);
	CHECK_INT(a.event, EVENT_STARTED);
	CHECK_STR(a.key, "beef000f");
	CHECK_INT(a.numwant, 30);
	CHECK_INT(a.port, 0x1ae1);
	CHECK(a.compact && !a.has_claimed_v6);
	forget(in);
}

TEST(every_prefix_of_an_announce_is_refused)
{
	for (size_t n = 0; n < ANNOUNCE_BYTES; n++) {
		struct bytes in = exact(golden_announce, n);
		struct err_info why;
		struct announce a;

		CHECK_INT(udp_announce_decode(in, &a, NULL, &why), ERR_PROTO);
		CHECK_STR(why.text, "the announce is cut short");
		forget(in);
	}
}

TEST(events_have_their_numbers_and_others_are_plain_announces)
{
	static const enum announce_event want[] = {EVENT_NONE, EVENT_COMPLETED, EVENT_STARTED,
						   EVENT_STOPPED, EVENT_NONE};

	for (uint8_t i = 0; i < 5; i++)
		CHECK_INT(announced(83, &i, 1).event, want[i]);
	CHECK_INT(announced(80, "\xff\xff\xff\xff", 4).event, EVENT_NONE);
}

TEST(numwant_is_the_default_when_negative_and_cut_when_large)
{
	CHECK_INT(announced(92, "\xff\xff\xff\xff", 4).numwant, ANNOUNCE_PEERS_DEFAULT);
	CHECK_INT(announced(92, "\x80\0\0\0", 4).numwant, ANNOUNCE_PEERS_DEFAULT);
	CHECK_INT(announced(92, "\x7f\xff\xff\xff", 4).numwant, ANNOUNCE_PEERS_MAX);
	CHECK_INT(announced(92, "\0\0\0\xc8", 4).numwant, 200);
	CHECK_INT(announced(92, "\0\0\0\xc9", 4).numwant, 200);
	CHECK_INT(announced(92, "\0\0\0\0", 4).numwant, 0);
}

TEST(port_0_is_refused_and_the_largest_numbers_are_taken)
{
	struct packet p = announce_with(96, "\0\0", 2);
	struct err_info why;
	struct announce a;

	CHECK_INT(udp_announce_decode(bytes_of(p.bytes, p.len), &a, NULL, &why), ERR_PROTO);
	CHECK_STR(why.text, "port is 0");
	a = announced(56, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 16);
	CHECK_INT(a.downloaded, UINT64_MAX);
	CHECK_INT(a.left, UINT64_MAX);
}

/* ---- options (BEP 41) ---------------------------------------------------- */

TEST(the_url_of_bep_41_is_put_together_from_its_parts)
{
	struct udp_url url;

	CHECK_INT(announced_url("\x02\x0c/dir?a=b&c=d\0", 15, &url, NULL), 0);
	CHECK_INT(url.len, 12);
	CHECK_MEM(url.text, "/dir?a=b&c=d", 12);
	CHECK_INT(announced_url("\x01\x01\x02\x02/a\x01\x7f\x03xyz\x02\0\x02\x01"
				"b",
				17, &url, NULL),
		  0);
	CHECK_INT(url.len, 3);
	CHECK_MEM(url.text, "/ab", 3);
	CHECK_INT(announced_url("", 0, &url, NULL), 0);
	CHECK_INT(url.len, 0);
}

TEST(what_follows_the_end_of_the_options_is_not_read)
{
	struct udp_url url;

	CHECK_INT(announced_url("\0\x02\xff", 3, &url, NULL), 0);
	CHECK_INT(url.len, 0);
	/* An older protocol has 16 bits of flags there. */
	CHECK_INT(announced_url("\0\0", 2, &url, NULL), 0);
}

TEST(options_past_the_end_are_refused_at_every_cut)
{
	static const uint8_t options[] = "\x02\x05/abcd\x63\x03xyz";
	static const size_t whole[] = {0, 7, 12};
	struct err_info why;

	for (size_t n = 0, next = 0; n <= 12; n++) {
		struct udp_url url;
		bool ok = n == whole[next];

		CHECK_INT(announced_url(options, n, &url, &why), ok ? 0 : ERR_PROTO);
		if (ok)
			next++;
		else
			CHECK_STR(why.text, "an option goes past the end");
	}
}

TEST(a_url_fits_up_to_its_limit_and_not_a_byte_more)
{
	uint8_t options[UDP_URL_MAX + 16], out[UDP_REQUEST_MAX], path[UDP_URL_MAX + 1];
	struct udp_url url;
	struct announce a = announced(0, "", 0);
	size_t len;

	memset(path, 'u', sizeof(path));
	len = udp_announce_encode(1, 2, &a, bytes_of(path, UDP_URL_MAX), out);
	memcpy(options, out + ANNOUNCE_BYTES, len - ANNOUNCE_BYTES);
	len -= ANNOUNCE_BYTES;
	CHECK_INT(announced_url(options, len, &url, NULL), 0);
	CHECK_INT(url.len, UDP_URL_MAX);
	CHECK_MEM(url.text, path, UDP_URL_MAX);
	memcpy(options + len, "\x02\x01u", 3);
	CHECK_INT(announced_url(options, len + 3, &url, NULL), ERR_TOO_BIG);
	CHECK(url.len <= UDP_URL_MAX);
	CHECK_INT(udp_announce_encode(1, 2, &a, bytes_of(path, UDP_URL_MAX + 1), out),
		  ANNOUNCE_BYTES + len);
}

/* ---- announce: both ways ------------------------------------------------- */

TEST(an_announce_reads_back_as_it_was_written)
{
	static const enum announce_event events[] = {EVENT_NONE, EVENT_STARTED, EVENT_COMPLETED,
						     EVENT_STOPPED};
	uint8_t out[UDP_REQUEST_MAX];

	for (size_t i = 0; i < 4; i++) {
		struct announce a = announced(0, "", 0), back;
		size_t len;

		a.event = events[i];
		len = udp_announce_encode(7, 8, &a, bytes_str("/x?passkey=1"), out);
		CHECK_INT(udp_announce_decode(bytes_of(out, len), &back, NULL, NULL), 0);
		CHECK_MEM(&back, &a, sizeof(a));
	}
}

TEST(that_a_seed_is_partial_has_no_word_over_udp)
{
	struct announce a = announced(0, "", 0), back;
	uint8_t out[UDP_REQUEST_MAX];
	size_t len;

	a.event = EVENT_PAUSED;
	len = udp_announce_encode(7, 8, &a, bytes_of(NULL, 0), out);
	CHECK_INT(udp_announce_decode(bytes_of(out, len), &back, NULL, NULL), 0);
	CHECK_INT(back.event, EVENT_NONE);
}

TEST(a_key_that_is_no_number_travels_as_0_and_no_address_is_claimed)
{
	struct announce a = announced(0, "", 0);
	uint8_t out[UDP_REQUEST_MAX];

	memcpy(a.key, "k k", 4);
	CHECK_INT(udp_announce_encode(7, 8, &a, bytes_of(NULL, 0), out), ANNOUNCE_BYTES);
	CHECK_MEM(out + 84, "\0\0\0\0\0\0\0\0", 8);
}

static struct announce_peer peer_v4(uint8_t last, uint16_t port)
{
	return (struct announce_peer){.addr = {.ip = {192, 0, 2, last}, .port = port}};
}

static struct announce_peer peer_v6(uint8_t last, uint16_t port)
{
	return (struct announce_peer){
	    .addr = {.ip = {0x20, 1, 0xd, 0xb8, [15] = last}, .port = port, .v6 = 1}};
}

TEST(a_reply_tells_the_peers_of_the_askers_family)
{
	static const uint8_t want4[] = "\0\0\0\x01\0\0\0\x09\0\0\x07\x08\0\0\0\x03\0\0\0\x02"
				       "\xc0\0\x02\x01\x1a\xe1\xc0\0\x02\x02\x1a\xe2";
	const struct announce_peer peers[] = {peer_v4(1, 0x1ae1), peer_v6(7, 0x1ae7),
					      peer_v4(2, 0x1ae2)};
	struct announce_reply r = {
	    .interval_s = 1800, .complete = 2, .incomplete = 3, .peers = peers, .n_peers = 3};
	struct announce_peer got[4];
	struct announce_reply back;
	uint8_t out[UDP_REPLY_MAX];

	CHECK_INT(udp_announce_reply_encode(9, &r, false, out), 32);
	CHECK_MEM(out, want4, 32);
	CHECK_INT(udp_announce_reply_decode(bytes_of(out, 32), false, &back, got, 4), 0);
	CHECK(!back.failed);
	CHECK_INT(back.n_peers, 2);
	CHECK_INT(back.interval_s, 1800);
	CHECK_INT(back.complete, 2);
	CHECK_INT(back.incomplete, 3);
	CHECK(addr_eq(&back.peers[1].addr, &peers[2].addr));
	CHECK_INT(udp_announce_reply_encode(9, &r, true, out), 38);
	CHECK_MEM(out + 20, peers[1].addr.ip, 16);
	CHECK_MEM(out + 36, "\x1a\xe7", 2);
	CHECK_INT(udp_announce_reply_decode(bytes_of(out, 38), true, &back, got, 4), 0);
	CHECK_INT(back.n_peers, 1);
	CHECK(addr_eq(&back.peers[0].addr, &peers[1].addr));
}

TEST(a_reply_holds_200_peers_of_ipv4_or_67_of_ipv6_in_one_small_packet)
{
	static struct announce_peer v4[ANNOUNCE_PEERS_MAX], v6[ANNOUNCE_PEERS_MAX];
	struct announce_reply r = {.n_peers = ANNOUNCE_PEERS_MAX};
	uint8_t *out = malloc(UDP_REPLY_MAX);

	for (unsigned i = 0; i < ANNOUNCE_PEERS_MAX; i++) {
		v4[i] = peer_v4((uint8_t)i, 1);
		v6[i] = peer_v6((uint8_t)i, 1);
	}
	r.peers = v4;
	CHECK_INT(udp_announce_reply_encode(9, &r, false, out), 20 + 200 * 6);
	r.peers = v6;
	CHECK_INT(udp_announce_reply_encode(9, &r, true, out), 20 + 67 * 18);
	free(out);
}

TEST(every_prefix_of_a_reply_is_refused_or_holds_whole_peers)
{
	const struct announce_peer peers[] = {peer_v4(1, 1), peer_v4(2, 2)};
	struct announce_reply r = {.peers = peers, .n_peers = 2}, back;
	struct announce_peer got[2];
	uint8_t out[UDP_REPLY_MAX];
	size_t len = udp_announce_reply_encode(9, &r, false, out);

	for (size_t n = 0; n <= len; n++) {
		struct bytes in = exact(out, n);
		int rc = udp_announce_reply_decode(in, false, &back, got, 2);

		CHECK_INT(rc, n < 20 ? ERR_PROTO : 0);
		if (rc == 0)
			CHECK_INT(back.n_peers, (n - 20) / 6);
		forget(in);
	}
}

TEST(a_client_keeps_no_more_peers_than_it_has_room_for_and_none_it_cannot_dial)
{
	const struct announce_peer peers[] = {peer_v4(1, 0),
					      peer_v4(2, 2),
					      {.addr = {.ip = {224, 0, 0, 1}, .port = 1}},
					      peer_v4(3, 3),
					      peer_v4(4, 4)};
	struct announce_reply r = {.peers = peers, .n_peers = 5}, back;
	struct announce_peer *got = malloc(2 * sizeof(*got));
	uint8_t out[UDP_REPLY_MAX];
	size_t len = udp_announce_reply_encode(9, &r, false, out);

	CHECK_INT(udp_announce_reply_decode(bytes_of(out, len), false, &back, got, 2), 0);
	CHECK_INT(back.n_peers, 2);
	CHECK_INT(back.peers[1].addr.port, 3);
	free(got);
}

TEST(a_refusal_is_an_error_that_the_client_can_tell)
{
	struct announce_reply r = {.failed = true, .failure = "go away"}, back;
	uint8_t out[UDP_REPLY_MAX];
	struct udp_head h;
	size_t len = udp_announce_reply_encode(9, &r, false, out);
	uint64_t id;

	CHECK_INT(len, 15);
	CHECK_MEM(out, "\0\0\0\x03\0\0\0\x09go away", 15);
	CHECK_INT(udp_reply_head_decode(bytes_of(out, len), &h), 0);
	CHECK_INT(h.action, UDP_ERROR);
	CHECK_INT(h.transaction, 9);
	CHECK_INT(udp_announce_reply_decode(bytes_of(out, len), false, &back, NULL, 0), 0);
	CHECK(back.failed);
	CHECK_STR(back.failure, "go away");
	CHECK_INT(udp_connect_reply_decode(bytes_of(out, len), &id), ERR_PROTO);
}

TEST(long_errors_are_cut_on_both_sides)
{
	static char text[4000];
	struct announce_reply back;
	uint8_t *out = malloc(UDP_REPLY_MAX);
	size_t len;

	memset(text, 'e', sizeof(text) - 1);
	len = udp_error_encode(1, text, out);
	CHECK_INT(len, UDP_REPLY_MAX);
	CHECK_INT(udp_announce_reply_decode(bytes_of(out, len), false, &back, NULL, 0), 0);
	CHECK_INT(strlen(back.failure), ANNOUNCE_TEXT_MAX);
	free(out);
}

TEST(replies_of_no_known_action_are_none)
{
	uint8_t out[8] = {0, 0, 0, 4};
	struct udp_head h;

	CHECK_INT(udp_reply_head_decode(bytes_of(out, 8), &h), ERR_PROTO);
	out[3] = 3;
	CHECK_INT(udp_reply_head_decode(bytes_of(out, 8), &h), 0);
	CHECK_INT(udp_reply_head_decode(bytes_of(out, 7), &h), ERR_PROTO);
}

/* ---- scrape -------------------------------------------------------------- */

TEST(a_scrape_reads_back_as_it_was_written)
{
	uint8_t hashes[SCRAPE_HASHES_MAX * 20], out[UDP_REQUEST_MAX], reply[UDP_REPLY_MAX];
	struct scrape_row rows[SCRAPE_HASHES_MAX], back[SCRAPE_HASHES_MAX];
	const uint8_t *got;
	size_t len;

	for (size_t i = 0; i < sizeof(hashes); i++)
		hashes[i] = (uint8_t)(i / 20);
	for (uint32_t i = 0; i < SCRAPE_HASHES_MAX; i++)
		rows[i] = (struct scrape_row){.complete = i, .downloaded = 2 * i, .incomplete = 7};
	len = udp_scrape_encode(3, 4, hashes, SCRAPE_HASHES_MAX, out);
	CHECK_INT(udp_scrape_decode(bytes_of(out, len), &got, NULL), SCRAPE_HASHES_MAX);
	CHECK_MEM(got, hashes, sizeof(hashes));
	len = udp_scrape_reply_encode(4, rows, SCRAPE_HASHES_MAX, reply);
	CHECK_INT(len, 8 + 12 * SCRAPE_HASHES_MAX);
	CHECK_INT(udp_scrape_reply_decode(bytes_of(reply, len), hashes, SCRAPE_HASHES_MAX, back),
		  0);
	CHECK_INT(back[73].complete, 73);
	CHECK_INT(back[73].downloaded, 146);
	CHECK_INT(back[73].incomplete, 7);
	CHECK_MEM(back[73].info_hash, hashes + 73 * 20, 20);
	for (size_t n = 0; n < len; n++) {
		struct bytes in = exact(reply, n);

		CHECK_INT(udp_scrape_reply_decode(in, hashes, SCRAPE_HASHES_MAX, back), ERR_PROTO);
		forget(in);
	}
}

TEST(scrapes_of_every_length_give_their_whole_hashes_or_a_reason)
{
	uint8_t raw[2048] = {[11] = UDP_SCRAPE};

	for (size_t n = 0; n <= sizeof(raw); n++) {
		struct bytes in = exact(raw, n);
		size_t whole = n < 16 ? 0 : (n - 16) / 20;
		struct err_info why = {0};
		const uint8_t *hashes;
		int got = udp_scrape_decode(in, &hashes, &why);

		if (whole == 0)
			CHECK_INT(got, ERR_PROTO);
		else
			CHECK_INT(got, whole > SCRAPE_HASHES_MAX ? ERR_TOO_BIG : (int)whole);
		CHECK((got < 0) == (why.text[0] != '\0'));
		forget(in);
	}
}
