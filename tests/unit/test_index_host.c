#include "test.h"

#include "node/index_host.h"

static bool answers(const struct index_host *h, const char *host, const char *from)
{
	struct addr a;

	CHECK_INT(addr_parse(bytes_str(from), 1, &a), OK);
	return index_host_is_ours(h, host, &a);
}

TEST(over_loopback_a_name_that_a_stranger_may_have_is_not_ours)
{
	static const char *const fine[] = {
	    "127.0.0.1",     "127.0.0.1:6969", "[::1]:6969",	     "10.1.2.3:80",
	    "localhost",     "LOCALHOST:1",    "localhost.:1",	     "nas",
	    "nas:6969",	     "a.localhost",    "nas.local:1",	     "x.internal",
	    "nas.home.arpa", "box.lab.test",   "BOX.lab.test.:6969", "192.0.2.7:6969"};
	static const char *const strange[] = {"evil.example",
					      "evil.example:6969",
					      "127.0.0.1.evil.example",
					      "localhost.evil.example",
					      "box.lab.test.evil.example",
					      "evil.example.",
					      "xbox.lab.test",
					      "lab.test",
					      "[::1].evil.example",
					      "[",
					      ":6969",
					      "evillocal.example",
					      "a.notlocal"};
	const struct index_host h = {.own = "box.lab.test"};

	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
		CHECK(answers(&h, fine[i], "127.0.0.1"));
		CHECK(answers(&h, fine[i], "::1"));
	}
	for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
		CHECK(!answers(&h, strange[i], "127.0.0.1"));
		CHECK(!answers(&h, strange[i], "::1"));
		CHECK(answers(&h, strange[i], "192.0.2.7"));
		CHECK(answers(&h, strange[i], "192.168.1.7"));
	}
}

TEST(named_hosts_are_all_that_anybody_may_call_us)
{
	static const char *const named[] = {"shoal.example", "index.example:6969", NULL};
	const struct index_host h = {.named = named};
	static const char *const from[] = {"127.0.0.1", "192.168.1.7", "192.0.2.7"};

	for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
		CHECK(answers(&h, "shoal.example", from[i]));
		CHECK(answers(&h, "Shoal.Example:443", from[i]));
		CHECK(answers(&h, "index.example", from[i]));
		CHECK(answers(&h, "10.0.0.1", from[i]));
		CHECK(answers(&h, "nas", from[i]));
		CHECK(!answers(&h, "evil.example", from[i]));
		CHECK(!answers(&h, "sub.shoal.example", from[i]));
	}
}

TEST(a_request_without_a_host_is_of_a_program)
{
	static const char *const named[] = {"shoal.example", NULL};
	const struct index_host all = {.named = NULL}, few = {.named = named};

	CHECK(answers(&all, NULL, "127.0.0.1"));
	CHECK(answers(&few, NULL, "192.0.2.7"));
	CHECK(answers(&few, "", "127.0.0.1"));
}
