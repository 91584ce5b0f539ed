#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include "test.h"

#include <stdio.h>

#include "node/index_torrent.h"

#define HERE "127.0.0.1"
#define ELSEWHERE "192.0.2.7"
#define INFO "4:infod6:lengthi1e4:name1:fe"

/* One who asked from `from` for the index at `host` (NULL: he did not say). */
static struct http_request asked(const char *host, const char *from)
{
	struct http_request r = {.impl = evhttp_request_new(NULL, NULL)};

	CHECK(r.impl != NULL);
	CHECK_INT(addr_parse(bytes_str(from), 5000, &r.from), OK);
	if (host != NULL)
		evhttp_add_header(evhttp_request_get_input_headers(r.impl), "Host", host);
	return r;
}

static int point_here(const char *torrent, bool in_order, const struct http_request *r,
		      struct bytes passkey, uint16_t udp_port, struct buf *out)
{
	buf_init(out, 8192);
	CHECK_INT(buf_put_str(out, torrent), OK);
	return index_torrent_point_here(out, in_order, r, passkey, udp_port);
}

static void becomes(const char *torrent, struct http_request r, uint16_t udp_port, const char *want)
{
	struct buf out;

	for (int in_order = 0; in_order < 2; in_order++) {
		CHECK_INT(point_here(torrent, in_order, &r, bytes_of(NULL, 0), udp_port, &out), OK);
		CHECK_STR(buf_cstr(&out), want);
		buf_fini(&out);
	}
	evhttp_request_free(r.impl);
}

/* Where it says that it is. */
#define OWN "8:announce21:http://box:1/announce"
#define OWN_TIER "l21:http://box:1/announcee"

TEST(the_index_comes_before_the_trackers_that_were_there)
{
	becomes("d" INFO "e", asked("box:1", ELSEWHERE), 0,
		"d" OWN "13:announce-listl" OWN_TIER "e" INFO "e");
	becomes(
	    "d8:announce10:http://x/a7:comment2:hi" INFO "1:z1:ye", asked("box:1", ELSEWHERE), 0,
	    "d" OWN "13:announce-listl" OWN_TIER "l10:http://x/aee7:comment2:hi" INFO "1:z1:ye");
	/* Who knows the list does not heed the other. */
	becomes("d8:announce10:http://x/a13:announce-listll10:http://y/b10:http://z/cel10:http://w/"
		"dee" INFO "e",
		asked("box:1", ELSEWHERE), 0,
		"d" OWN "13:announce-listl" OWN_TIER
		"l10:http://y/b10:http://z/cel10:http://w/dee" INFO "e");
	/* Blanks behind it, which meta_parse() takes, are left out. */
	becomes("d" INFO "e \r\n", asked("box:1", ELSEWHERE), 0,
		"d" OWN "13:announce-listl" OWN_TIER "e" INFO "e");
	/* It was there already; what is no text is no tracker. */
	becomes("d13:announce-listll21:http://box:1/announceel10:http://y/bi3eei7ee" INFO "e",
		asked("box:1", ELSEWHERE), 0,
		"d" OWN "13:announce-listl" OWN_TIER "l10:http://y/bee" INFO "e");
}

TEST(trackers_on_loopback_are_told_of_there_alone_D_34)
{
	static const char torrent[] = "d13:announce-listl"
				      "l18:http://127.0.0.1/ae"
				      "l18:http://127.0.0.1/a10:http://y/be"
				      "l18:udp://localhost:1/14:http://[::1]/aee" INFO "e";

	becomes(torrent, asked("box:1", ELSEWHERE), 0,
		"d" OWN "13:announce-listl" OWN_TIER "l10:http://y/bee" INFO "e");
	becomes(torrent, asked("box:1", HERE), 0,
		"d" OWN "13:announce-listl" OWN_TIER "l18:http://127.0.0.1/ae"
		"l18:http://127.0.0.1/a10:http://y/bel18:udp://localhost:1/14:http://[::1]/aee" INFO
		"e");
	becomes("d8:announce18:http://127.0.0.1/a" INFO "e", asked("box:1", ELSEWHERE), 0,
		"d" OWN "13:announce-listl" OWN_TIER "e" INFO "e");
}

TEST(a_hundred_tiers_are_taken_over_and_not_one_more)
{
	for (int n = 99; n <= 101; n++) {
		char torrent[4000] = "d13:announce-listl",
		     want[4000] = "d" OWN "13:announce-listl" OWN_TIER;
		size_t at = strlen(torrent), to = strlen(want);

		for (int i = 0; i < n; i++) {
			at += (size_t)snprintf(torrent + at, sizeof(torrent) - at,
					       "l12:http://x/%03de", i);
			if (i < 100)
				to += (size_t)snprintf(want + to, sizeof(want) - to,
						       "l12:http://x/%03de", i);
		}
		snprintf(torrent + at, sizeof(torrent) - at, "e" INFO "e");
		snprintf(want + to, sizeof(want) - to, "e" INFO "e");
		becomes(torrent, asked("box:1", ELSEWHERE), 0, want);
	}
}

TEST(the_udp_tracker_is_named_where_nothing_stands_in_between)
{
	struct http_request r = asked("box:1", ELSEWHERE);

	becomes("d" INFO "e", asked("box:1", ELSEWHERE), 1,
		"d" OWN "13:announce-listl" OWN_TIER "l20:udp://box:1/announceee" INFO "e");
	/* By another port, or by TLS, he came through something. */
	becomes("d" INFO "e", asked("box:1", ELSEWHERE), 2,
		"d" OWN "13:announce-listl" OWN_TIER "e" INFO "e");
	r.secure = true;
	becomes("d" INFO "e", r, 1,
		"d8:announce22:https://box:1/announce13:announce-listl"
		"l22:https://box:1/announceee" INFO "e");
}

TEST(below_a_path_of_a_proxys_the_announce_url_has_it)
{
	struct http_request r = asked("box:1", ELSEWHERE);

	r.below = bytes_str("/a/b");
	becomes("d" INFO "e", r, 1,
		"d8:announce25:http://box:1/a/b/announce13:announce-list"
		"ll25:http://box:1/a/b/announceee" INFO "e");
}

TEST(a_token_goes_behind_the_announce_urls)
{
	struct http_request r = asked("box:1", ELSEWHERE);
	struct buf out;

	CHECK_INT(point_here("d" INFO "e", true, &r, bytes_str("a/b"), 1, &out), OK);
	CHECK_STR(buf_cstr(&out),
		  "d8:announce27:http://box:1/announce/a%2Fb13:announce-listl"
		  "l27:http://box:1/announce/a%2Fbel26:udp://box:1/announce/a%2Fbee" INFO "e");
	buf_fini(&out);
	evhttp_request_free(r.impl);
}

TEST(without_a_usable_host_it_stays_as_it_is)
{
	static const char torrent[] = "d8:announce10:http://x/a" INFO "e";
	char longest[258] = "";

	memset(longest, 'a', sizeof(longest) - 1);
	becomes(torrent, asked(NULL, ELSEWHERE), 0, torrent);
	becomes(torrent, asked("a\"b", ELSEWHERE), 0, torrent);
	becomes(torrent, asked("a b", ELSEWHERE), 0, torrent);
	becomes(torrent, asked(longest, ELSEWHERE), 0, torrent);
}

/* What v1 alone has may be out of order. Nobody is told of a tracker twice. */
TEST(trackers_behind_the_info_dictionary_are_found_where_keys_are_out_of_order)
{
	struct http_request r = asked("box:1", ELSEWHERE);
	struct buf out;

	CHECK_INT(point_here("d" INFO
			     "13:announce-listll10:http://y/bee8:announce10:http://x/a1:ai1ee",
			     false, &r, bytes_of(NULL, 0), 0, &out),
		  OK);
	CHECK_STR(buf_cstr(&out),
		  "d" OWN "13:announce-listl" OWN_TIER "l10:http://y/bee" INFO "1:ai1ee");
	buf_fini(&out);
	evhttp_request_free(r.impl);
}

/* It may be a million values, for each answer. */
TEST(what_is_behind_the_trackers_is_copied_unseen_where_keys_are_in_order)
{
	struct http_request r = asked("box:1", ELSEWHERE);
	struct buf out;

	CHECK_INT(point_here("d7:comment2:hi4:info**e", true, &r, bytes_of(NULL, 0), 0, &out), OK);
	CHECK_STR(buf_cstr(&out), "d" OWN "13:announce-listl" OWN_TIER "e7:comment2:hi4:info**e");
	buf_fini(&out);
	evhttp_request_free(r.impl);
}

TEST(what_is_no_torrent_and_what_has_no_room_is_refused)
{
	static const char fine[] = "d" INFO "e";
	static const char *const bad[] = {"", "e", "le", "d", "d3:", "d3:e", "di1ei2ee"};
	const struct bytes none = bytes_of(NULL, 0);
	struct http_request r = asked("box:1", ELSEWHERE);
	struct buf out;

	for (size_t i = 0; i < 2 * sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_INT(point_here(bad[i / 2], i % 2, &r, none, 0, &out), ERR_PROTO);
		CHECK_STR(buf_cstr(&out), bad[i / 2]);
		buf_fini(&out);
	}
	CHECK_INT(point_here("d" INFO "1:z2e", false, &r, none, 0, &out), ERR_PROTO);
	buf_fini(&out);
	for (size_t room = 0; room < 70; room += 9) {
		buf_init(&out, sizeof(fine) - 1 + room);
		CHECK_INT(buf_put_str(&out, fine), OK);
		CHECK_INT(index_torrent_point_here(&out, true, &r, none, 0), ERR_TOO_BIG);
		buf_fini(&out);
	}
	evhttp_request_free(r.impl);
}
