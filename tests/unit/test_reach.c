#include "node/reach.h"

#include "test.h"

TEST(trackers_on_our_side_of_the_router_are_known_by_their_urls)
{
	static const char *const near[] = {"http://127.0.0.1:6969/announce",
					   "http://10.1.2.3/announce",
					   "http://172.16.0.1:1/a",
					   "udp://192.168.1.9:6969",
					   "https://[fd00::1]:443/x",
					   "http://[fe80::1]/x",
					   "http://[::1]:9/announce",
					   "http://169.254.1.1/a",
					   "http://localhost:6969/a",
					   "http://gaia:6969/announce",
					   "http://gaia.local/a",
					   "http://gaia.local:80/a",
					   "http://anna:secret@10.1.2.3:6969/a",
					   "http://anna:secret@gaia/a"};
	static const char *const far[] = {"http://203.0.113.9:6969/announce",
					  "http://172.32.0.1/a",
					  "https://tracker.example.org:443/a",
					  "udp://tracker.example.org:6969",
					  "http://[2001:db8::1]:6969/a",
					  "http://local.example/a",
					  "http://192.169.0.1/a",
					  "http://anna:secret@tracker.example.org/a"};

	for (size_t i = 0; i < sizeof(near) / sizeof(near[0]); i++)
		CHECK(reach_is_near(near[i]));
	for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++)
		CHECK(!reach_is_near(far[i]));
}

TEST(one_that_is_connected_to_is_told_the_port_of_its_address)
{
	static const struct {
		const char *url, *at; /* NULL: not known */
		uint16_t outer, told;
	} asked[] = {{"http://index.example.org:6969", "203.0.113.1", 8100, 8100},
		     {"http://index.example.org:6969", "203.0.113.1", 0, 7100},
		     {"http://index.example.org:6969", "2a01:79::1", 8100, 7100},
		     {"http://index.example.org:6969", "10.79.0.1", 8100, 7100},
		     {"http://index.example.org:6969", NULL, 8100, 8100},
		     {"http://203.0.113.1:6969", NULL, 8100, 8100},
		     {"http://[2a01:79::1]:6969", NULL, 8100, 7100},
		     {"http://gaia:6969", "203.0.113.1", 8100, 7100}};

	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		struct addr at = {.port = 0};

		if (asked[i].at != NULL)
			CHECK_INT(addr_parse(bytes_str(asked[i].at), 6969, &at), 0);
		CHECK_INT(reach_port_at(asked[i].url, &at, 7100, asked[i].outer), asked[i].told);
	}
}

TEST(an_index_names_peers_of_our_networks_wherever_it_is_but_not_this_machine_from_elsewhere)
{
	CHECK_INT(reach_of_index(ADDR_PUBLIC), ADDR_PRIVATE);
	CHECK_INT(reach_of_index(ADDR_PRIVATE), ADDR_PRIVATE);
	CHECK_INT(reach_of_index(ADDR_LINK), ADDR_LINK);
	CHECK_INT(reach_of_index(ADDR_LOOPBACK), ADDR_LOOPBACK);
}
