#include "base/addr.h"

#include <stdlib.h>

#include "base/rng.h"
#include "test.h"

static struct addr parse(const char *text)
{
	struct addr a;

	CHECK_INT(addr_parse(bytes_str(text), 6881, &a), 0);
	return a;
}

static void check_text(const char *in, const char *want, const char *want_host)
{
	char out[ADDR_TEXT_MAX];
	struct addr a = parse(in);

	CHECK_STR(addr_text(out, &a), want);
	CHECK_STR(addr_host_text(out, &a), want_host);
}

TEST(addr_is_written_and_read)
{
	check_text("192.0.2.1:80", "192.0.2.1:80", "192.0.2.1");
	check_text("192.0.2.1", "192.0.2.1:6881", "192.0.2.1");
	check_text("192.0.2.1:0", "192.0.2.1:0", "192.0.2.1");
	check_text("[2001:db8::1]:65535", "[2001:db8::1]:65535", "2001:db8::1");
	check_text("[2001:db8::1]", "[2001:db8::1]:6881", "2001:db8::1");
	check_text("2001:DB8::1", "[2001:db8::1]:6881", "2001:db8::1");
	check_text("::", "[::]:6881", "::");
	check_text("[::1]:1", "[::1]:1", "::1");
	check_text("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
		   "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:6881",
		   "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

TEST(addr_refuses_what_is_no_numeric_address)
{
	static const char *const bad[] = {
	    "",		  ":",		":80",	       "1.2.3",	     "1.2.3.4:",    "1.2.3.4:65536",
	    "1.2.3.4:x",  "1.2.3.4:-1", "1.2.3.4:+1",  "1.2.3.4: 1", "1.2.3.4 ",    " 1.2.3.4",
	    "1.2.3.256",  "1.2.3.4.5",	"01.2.3.4",    "host:80",    "localhost",   "[::1",
	    "[::1]80",	  "[::1]:",	"[::1]:99999", "[]:80",	     "[1.2.3.4]:1", "::1]:80",
	    "[::1%lo]:1", "1::2::3",	":::",	       "[[::1]]:1",  "0x7f.1:1",    "1.2.3.4:1:2",
	};
	struct addr a = {.port = 7}, before = a;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_INT(addr_parse(bytes_str(bad[i]), 1, &a), ERR_INVALID);
		CHECK_MEM(&a, &before, sizeof(a));
	}
	CHECK_INT(addr_parse(bytes_of("1.2.3.4\0x", 9), 1, &a), ERR_INVALID);
	CHECK_INT(addr_parse(bytes_of("1.2.3.4\0", 8), 1, &a), ERR_INVALID);
	CHECK_INT(addr_parse(bytes_of(NULL, 0), 1, &a), ERR_INVALID);
}

TEST(addr_reads_no_byte_past_the_text)
{
	static const char *const texts[] = {"192.0.2.1:6881", "[2001:db8::1]:6881", "2001:db8::1"};

	for (size_t i = 0; i < 3; i++) {
		for (size_t len = 0; len <= strlen(texts[i]); len++) {
			char *exact = malloc(len);
			struct addr a;

			memcpy(exact, texts[i], len);
			(void)addr_parse(bytes_of(exact, len), 1, &a);
			free(exact);
		}
	}
}

TEST(addr_from_ip_takes_only_4_or_16_bytes)
{
	uint8_t ip[20] = {1, 2, 3, 4};
	struct addr a;

	for (size_t len = 0; len <= sizeof(ip); len++)
		CHECK_INT(addr_from_ip(&a, bytes_of(ip, len), 1),
			  len == 4 || len == 16 ? 0 : ERR_INVALID);
}

TEST(addr_has_one_form_for_a_mapped_host)
{
	struct addr a = parse("192.0.2.1:80"), b = parse("[::ffff:192.0.2.1]:80");

	CHECK_INT(b.v6, 0);
	CHECK(addr_eq(&a, &b));
	CHECK_MEM(&a, &b, sizeof(a));
}

TEST(addr_equality_tells_host_from_port)
{
	struct addr a = parse("192.0.2.1:80"), b = parse("192.0.2.1:81"), c = parse("192.0.2.2:80");
	struct addr d = parse("[c000:201::]:80"); /* the same first four bytes */

	CHECK(addr_same_host(&a, &b) && !addr_eq(&a, &b));
	CHECK(!addr_same_host(&a, &c) && !addr_eq(&a, &c));
	CHECK(!addr_same_host(&a, &d) && !addr_eq(&a, &d));
}

/* A public /64 of IPv6, but not the one behind which all of IPv4 is; nor 6to4's of private ones. */
TEST(addr_takes_a_public_64_for_one_subscriber_and_any_other_address_for_itself)
{
	static const struct {
		const char *a, *b;
		bool same;
	} rows[] = {
	    {"192.0.2.1:80", "192.0.2.1:81", true},
	    {"192.0.2.1", "192.0.2.2", false},
	    {"[2001:db8:0:1::1]:1", "[2001:db8:0:1:ffff::2]:2", true},
	    {"[2001:db8:0:1::1]", "[2001:db8:0:2::1]", false},
	    {"[fe80::1]", "[fe80::2]", false},
	    {"[fd00::1]", "[fd00::2]", false},
	    {"[::1]", "[::2]", false},
	    {"[64:ff9b::8.8.8.8]", "[64:ff9b::9.9.9.9]", false},
	    {"[2002:a00:1::1]", "[2002:a00:1::2]", false},
	    {"8.8.8.8", "[808:808::]", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr a = parse(rows[i].a), b = parse(rows[i].b);
		struct addr of_a = addr_subscriber(&a), of_b = addr_subscriber(&b);

		CHECK_INT(addr_same_subscriber(&a, &b), rows[i].same);
		CHECK_INT(addr_eq(&of_a, &of_b), rows[i].same);
	}
}

TEST(addr_knows_loopback)
{
	static const struct {
		const char *text;
		bool loopback;
	} rows[] = {
	    {"127.0.0.1", true},  {"127.255.0.9", true}, {"128.0.0.1", false},
	    {"126.0.0.1", false}, {"[::1]", true},	 {"[::2]", false},
	    {"[::]", false},	  {"[7f00::1]", false},	 {"[::ffff:127.0.0.1]", true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr a = parse(rows[i].text);

		CHECK_INT(addr_is_loopback(&a), rows[i].loopback);
	}
}

/* O-21: what trackers and peers may not make us dial. */
TEST(addr_knows_what_may_be_dialled)
{
	static const struct {
		const char *text;
		bool dialable;
	} rows[] = {
	    {"192.0.2.1:80", true},
	    {"192.0.2.1:0", false},
	    {"0.0.0.0:80", false},
	    {"0.1.2.3:80", false},
	    {"223.255.255.255:80", true},
	    {"224.0.0.1:80", false},
	    {"239.255.255.255:80", false},
	    {"255.255.255.255:80", false},
	    {"127.0.0.1:80", true},
	    {"[2001:db8::1]:80", true},
	    {"[2001:db8::1]:0", false},
	    {"[::]:80", false},
	    {"[ff02::1]:80", false},
	    {"[::1]:80", true},
	    {"[fe80::1]:80", true},
	    {"[::ffff:0.0.0.0]:80", false},
	    {"[::ffff:224.0.0.1]:80", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr a = parse(rows[i].text);

		CHECK_INT(addr_is_dialable(&a), rows[i].dialable);
	}
}

/* What a stranger's torrent may not make us ask: this machine, this network. */
TEST(addr_knows_how_near_it_is)
{
	static const struct {
		const char *text;
		enum addr_scope scope;
	} rows[] = {
	    {"8.8.8.8:1", ADDR_PUBLIC},
	    {"127.0.0.1:1", ADDR_LOOPBACK},
	    {"0.0.0.0:1", ADDR_LOOPBACK},
	    {"224.0.0.1:1", ADDR_LOOPBACK},
	    {"255.255.255.255:1", ADDR_LOOPBACK},
	    {"169.254.169.254:1", ADDR_LINK},
	    {"10.255.0.1:1", ADDR_PRIVATE},
	    {"11.0.0.1:1", ADDR_PUBLIC},
	    {"172.15.255.255:1", ADDR_PUBLIC},
	    {"172.16.0.0:1", ADDR_PRIVATE},
	    {"172.31.255.255:1", ADDR_PRIVATE},
	    {"172.32.0.0:1", ADDR_PUBLIC},
	    {"192.168.1.1:1", ADDR_PRIVATE},
	    {"100.64.0.1:1", ADDR_PRIVATE},
	    {"100.128.0.1:1", ADDR_PUBLIC},
	    {"[::1]:1", ADDR_LOOPBACK},
	    {"[::]:1", ADDR_LOOPBACK},
	    {"[::7f00:1]:1", ADDR_LOOPBACK},
	    {"[::ffff:10.0.0.1]:1", ADDR_PRIVATE},
	    {"[64:ff9b::7f00:1]:1", ADDR_LOOPBACK},
	    {"[64:ff9b::808:808]:1", ADDR_PUBLIC},
	    {"[2002:c0a8:101::1]:1", ADDR_PRIVATE},
	    {"[fe80::1]:1", ADDR_LINK},
	    {"[fd00::1]:1", ADDR_PRIVATE},
	    {"[fec0::1]:1", ADDR_PRIVATE},
	    {"[ff02::1]:1", ADDR_LOOPBACK},
	    {"[2001:4860::1]:1", ADDR_PUBLIC},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr a = parse(rows[i].text);

		CHECK_INT(addr_scope(&a), rows[i].scope);
		CHECK_INT(addr_is_beyond_nat(&a), !a.v6 && rows[i].scope == ADDR_PUBLIC);
	}
}

TEST(addr_names_nothing_nearer_to_us_than_who_names_it)
{
	static const char *const from_far_to_near[] = {"8.8.8.8:1", "192.168.1.1:1",
						       "169.254.169.254:1", "127.0.0.1:1"};

	for (size_t i = 0; i < 4; i++) {
		struct addr who = parse(from_far_to_near[i]);

		for (size_t k = 0; k < 4; k++) {
			struct addr named = parse(from_far_to_near[k]);

			CHECK_INT(addr_may_name(addr_scope(&who), &named), k <= i);
		}
	}
}

TEST(addr_knows_networks_by_their_leading_bits)
{
	static const struct {
		const char *a, *net;
		uint32_t bits;
		bool in;
	} rows[] = {
	    {"10.1.2.3:1", "10.1.2.9:0", 24, true},
	    {"10.1.2.3:1", "10.1.3.3:0", 24, false},
	    {"10.1.2.3:1", "10.1.3.3:0", 23, true},
	    {"10.1.2.3:1", "10.1.2.3:0", 32, true},
	    {"10.1.2.2:1", "10.1.2.3:0", 32, false},
	    {"10.1.2.2:1", "10.1.2.3:0", 128, false},
	    {"10.1.2.2:1", "192.0.2.1:0", 0, true},
	    {"[2001:db8::1]:1", "[2001:db8::ff]:0", 120, true},
	    {"[2001:db8::1]:1", "[2001:db8::ff]:0", 121, false},
	    {"[2001:db8::1]:1", "[2001:db8::1]:0", 500, true},
	    {"[2001:db8::1]:1", "32.1.13.184:0", 8, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr a, net;

		CHECK_INT(addr_parse(bytes_str(rows[i].a), 0, &a), 0);
		CHECK_INT(addr_parse(bytes_str(rows[i].net), 0, &net), 0);
		CHECK_INT(addr_in_net(&a, &net, rows[i].bits), rows[i].in);
	}
}

TEST(addr_text_reads_back_as_itself)
{
	for (uint64_t seed = 1; seed <= 2000; seed++) {
		char text[ADDR_TEXT_MAX];
		struct addr a, b;
		uint8_t ip[16];
		struct rng r;

		rng_seed(&r, seed);
		rng_fill(&r, ip, sizeof(ip));
		for (size_t zeros = rng_below(&r, 16); zeros > 0; zeros--)
			ip[rng_below(&r, 16)] = 0;
		CHECK_INT(addr_from_ip(&a, bytes_of(ip, seed % 2 == 0 ? 4 : 16),
				       (uint16_t)rng_below(&r, 65536)),
			  0);
		addr_text(text, &a);
		CHECK_SEED(addr_parse(bytes_str(text), 1, &b) == 0 && addr_eq(&a, &b), seed);
		addr_host_text(text, &a);
		CHECK_SEED(addr_parse(bytes_str(text), a.port, &b) == 0 && addr_eq(&a, &b), seed);
	}
}
