#include "swarm/priority.h"

#include "test.h"

static struct addr at(const char *text)
{
	struct addr a;

	CHECK_INT(addr_parse(bytes_str(text), 6881, &a), OK);
	return a;
}

static uint32_t between(const char *a, const char *b)
{
	struct addr x = at(a), y = at(b);
	uint32_t p = peer_priority(&x, &y);

	CHECK(p == peer_priority(&y, &x));
	return p;
}

/* The two of BEP 40. */
TEST(priorities_are_those_of_the_examples)
{
	CHECK(between("123.213.32.10", "98.76.54.32") == 0xec2d7224u);
	CHECK(between("123.213.32.10", "123.213.32.234") == 0x99568189u);
}

TEST(what_is_masked_makes_no_difference_and_what_is_not_does)
{
	/* 0xaa of the last two bytes is masked, unless both are in one /16, or /24. */
	CHECK(between("1.2.3.4", "5.6.0.0") == between("1.2.3.4", "5.6.170.170"));
	CHECK(between("1.2.3.4", "5.6.0.0") != between("1.2.3.4", "5.6.1.0"));
	CHECK(between("1.2.3.4", "1.2.0.0") != between("1.2.3.4", "1.2.170.0"));
	CHECK(between("1.2.3.4", "1.2.0.0") == between("1.2.3.4", "1.2.0.170"));
	CHECK(between("1.2.3.4", "1.2.3.0") != between("1.2.3.4", "1.2.3.170"));
}

TEST(the_same_holds_for_each_further_byte_of_ipv6)
{
	CHECK(between("2001:db8:1::1", "2001:db8:2::") ==
	      between("2001:db8:1::1", "2001:db8:2:aaaa::"));
	CHECK(between("2001:db8:1::1", "2001:db8:1:aa00::") !=
	      between("2001:db8:1::1", "2001:db8:1:100::"));
	CHECK(between("2001:db8:1::1", "2001:db8:1:aa00::") ==
	      between("2001:db8:1::1", "2001:db8:1:aaaa::"));
	CHECK(between("2001:db8:1::1", "2001:db8:1:00aa::") !=
	      between("2001:db8:1::1", "2001:db8:1::"));
}

TEST(peers_of_one_host_are_told_apart_by_port)
{
	CHECK(between("9.9.9.9:1", "9.9.9.9:2") != between("9.9.9.9:1", "9.9.9.9:3"));
	CHECK(between("9.9.9.9:1", "8.8.8.8:2") == between("9.9.9.9:1", "8.8.8.8:3"));
}

TEST(families_have_nothing_in_common)
{
	CHECK_INT(between("9.9.9.9", "2001:db8::1"), 0);
}
