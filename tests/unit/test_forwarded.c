#include "wire/forwarded.h"

#include <stdlib.h>

#include "test.h"

static const char *behind(const char *proxies, const char *from, const char *header)
{
	static char text[ADDR_TEXT_MAX];
	struct proxies p = {.n = 0};
	struct addr a;

	for (const char *next = proxies; *next != '\0'; next += *next == ' ') {
		size_t n = strcspn(next, " ");

		CHECK_INT(proxies_add(&p, bytes_of(next, n)), 0);
		next += n;
	}
	CHECK_INT(addr_parse(bytes_str(from), 7, &a), 0);
	proxies_look_behind(&p, bytes_str(header), &a);
	return addr_text(text, &a);
}

TEST(who_asked_a_trusted_proxy_is_the_last_in_its_header)
{
	CHECK_STR(behind("10.0.0.2", "10.0.0.2", "203.0.113.9"), "203.0.113.9:7");
	CHECK_STR(behind("10.0.0.2", "10.0.0.2", "1.2.3.4, 203.0.113.9 "), "203.0.113.9:7");
	CHECK_STR(behind("10.0.0.2", "10.0.0.2", "1.2.3.4,\t2001:db8::9"), "[2001:db8::9]:7");
	CHECK_STR(behind("::1", "::1", "[2001:db8::9]:4711"), "[2001:db8::9]:7");
	CHECK_STR(behind("10.0.0.2", "10.0.0.2", "::ffff:203.0.113.9"), "203.0.113.9:7");
}

TEST(through_several_trusted_ones_it_is_the_last_that_is_none)
{
	CHECK_STR(behind("10.0.0.0/24 127.0.0.1", "127.0.0.1", "1.2.3.4, 203.0.113.9, 10.0.0.3"),
		  "203.0.113.9:7");
	CHECK_STR(behind("10.0.0.0/24", "10.0.0.2", "10.0.0.4, 10.0.0.3"), "10.0.0.4:7");
}

TEST(what_others_say_and_what_cannot_be_read_is_not_believed)
{
	CHECK_STR(behind("", "10.0.0.2", "203.0.113.9"), "10.0.0.2:7");
	CHECK_STR(behind("10.0.0.3", "10.0.0.2", "203.0.113.9"), "10.0.0.2:7");
	CHECK_STR(behind("10.0.0.2", "10.0.0.2", ""), "10.0.0.2:7");
	CHECK_STR(behind("10.0.0.2", "10.0.0.2", "unknown"), "10.0.0.2:7");
	CHECK_STR(behind("10.0.0.2", "10.0.0.2", "203.0.113.9, "), "10.0.0.2:7");
	CHECK_STR(behind("10.0.0.2", "10.0.0.2", "203.0.113.9, _hidden"), "10.0.0.2:7");
}

TEST(proxies_are_addresses_or_networks_and_so_many)
{
	struct proxies p = {.n = 0};
	struct addr a;

	CHECK_INT(proxies_add(&p, bytes_str("")), ERR_INVALID);
	CHECK_INT(proxies_add(&p, bytes_str("nginx")), ERR_INVALID);
	CHECK_INT(proxies_add(&p, bytes_str("10.0.0.2:80")), ERR_INVALID);
	CHECK_INT(proxies_add(&p, bytes_str("10.0.0.0/33")), ERR_INVALID);
	CHECK_INT(proxies_add(&p, bytes_str("10.0.0.0/")), ERR_INVALID);
	CHECK_INT(p.n, 0);
	CHECK_INT(proxies_add(&p, bytes_str("2001:db8::/32")), 0);
	CHECK_INT(addr_parse(bytes_str("2001:db8:1::1"), 1, &a), 0);
	CHECK(proxies_have(&p, &a));
	while (p.n < FORWARDED_PROXIES_MAX)
		CHECK_INT(proxies_add(&p, bytes_str("10.0.0.2")), 0);
	CHECK_INT(proxies_add(&p, bytes_str("10.0.0.2")), ERR_TOO_BIG);
}

/* In memory of exactly that size, whatever of it there is. */
TEST(a_header_of_many_hops_is_looked_at_so_far)
{
	char header[12 * (FORWARDED_HOPS_MAX + 2)] = "203.0.113.9";
	struct proxies p = {.n = 0};
	struct addr a, proxy;

	for (uint32_t i = 0; i < FORWARDED_HOPS_MAX; i++)
		strncat(header, ",10.0.0.2", sizeof(header) - strlen(header) - 1);
	CHECK_INT(proxies_add(&p, bytes_str("10.0.0.2")), 0);
	CHECK_INT(addr_parse(bytes_str("10.0.0.2"), 7, &proxy), 0);
	a = proxy;
	proxies_look_behind(&p, bytes_str(header), &a);
	CHECK(addr_eq(&a, &proxy)); /* n + 1: not as far as that */
	a = proxy;
	proxies_look_behind(&p, bytes_of(header, strlen(header) - strlen(",10.0.0.2")), &a);
	CHECK_INT(a.ip[0], 203); /* n */
	for (size_t n = 0; n <= strlen(header); n++) {
		char *exact = malloc(n);

		if (n > 0)
			memcpy(exact, header, n);
		a = proxy;
		proxies_look_behind(&p, bytes_of(exact, n), &a);
		free(exact);
	}
}

static bool prefix_is(const char *header, const char *want)
{
	return bytes_eq(forwarded_prefix(bytes_str(header)), bytes_str(want));
}

TEST(a_path_below_which_we_are_is_plain_or_none)
{
	char path[FORWARDED_PREFIX_MAX + 2] = "/";

	CHECK(prefix_is("/shoal", "/shoal") && prefix_is("/shoal/", "/shoal"));
	CHECK(prefix_is("/a-b/c.d_e~9//", "/a-b/c.d_e~9"));
	CHECK(prefix_is("", "") && prefix_is("/", "") && prefix_is("shoal", ""));
	CHECK(prefix_is("/a b", "") && prefix_is("/a?b", "") && prefix_is("/a%20b", ""));
	CHECK(prefix_is("/a,/b", "") && prefix_is("/<x>", "") && prefix_is("/\xc3\xa9", ""));
	memset(path + 1, 'a', FORWARDED_PREFIX_MAX - 1);
	CHECK(prefix_is(path, path));
	path[FORWARDED_PREFIX_MAX] = 'a';
	CHECK(prefix_is(path, ""));
}
