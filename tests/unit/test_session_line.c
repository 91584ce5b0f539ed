#include "node/session_line.h"

#include "base/rng.h"
#include "test.h"

static struct bitfield taken;

static void take(void *user, uint32_t first, uint32_t last, bool has)
{
	(void)user;
	CHECK(first <= last && last < taken.n);
	for (uint32_t i = first; i <= last; i++) {
		if (has)
			bitfield_set(&taken, i);
		else
			bitfield_unset(&taken, i);
	}
}

/* What a line makes of an empty map of n pieces; -1: refused. */
static int count_of(const char *text, uint32_t n)
{
	json_t *j = json_loads(text, 0, NULL);
	struct err_info why = {0};
	int err, count;

	CHECK(j != NULL);
	CHECK_INT(bitfield_init(&taken, n), OK);
	err = session_line_pieces(j, n, take, NULL, &why);
	CHECK_INT(why.code, err);
	count = err == OK ? (int)taken.count : -1;
	bitfield_fini(&taken);
	json_decref(j);
	return count;
}

TEST(session_lines_tell_of_pieces_in_ranges_and_bits)
{
	CHECK_INT(count_of("{}", 10), 0);
	CHECK_INT(count_of("{\"got\":\"\"}", 10), 0);
	CHECK_INT(count_of("{\"got\":\"0-9\"}", 10), 10);
	CHECK_INT(count_of("{\"got\":\"0-9\",\"lost\":\"3\"}", 10), 9);
	CHECK_INT(count_of("{\"bits\":\"/8A=\"}", 10), 10);
	CHECK_INT(count_of("{\"bits\":\"wA==\",\"at\":8}", 10), 2);
	CHECK_INT(count_of("{\"bits\":\"/w==\",\"at\":0}", 10), 8);
}

TEST(session_lines_refuse_maps_that_do_not_fit)
{
	static const char *const bad[] = {
	    "{\"got\":\"10\"}",
	    "{\"got\":\"0-10\"}",
	    "{\"got\":\"5-4\"}",
	    "{\"got\":\"1,1\"}",
	    "{\"got\":\"x\"}",
	    "{\"got\":7}",
	    "{\"got\":null}",
	    "{\"got\":[\"1\"]}",
	    "{\"lost\":\"99999999999999999999\"}",
	    "{\"lost\":{}}",
	    "{\"bits\":\"////\"}",		/* longer than the torrent */
	    "{\"bits\":\"//8=\"}",		/* spare bits */
	    "{\"bits\":\"wA==\",\"at\":4}",	/* not at a byte */
	    "{\"bits\":\"wA==\",\"at\":16}",	/* behind the end */
	    "{\"bits\":\"wA==\",\"at\":-8}",	/* before the start */
	    "{\"bits\":\"wA==\",\"at\":\"8\"}", /* no number */
	    "{\"bits\":\"w A=\"}",
	    "{\"bits\":\"wA=\"}",
	    "{\"bits\":1}",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (count_of(bad[i], 10) != -1)
			fail_msg("taken: %s", bad[i]);
	CHECK_INT(count_of("{\"got\":\"0\"}", 0), -1);
}

TEST(session_lines_hold_their_limit_of_bits_and_not_a_byte_more)
{
	size_t len = SESSION_BITS_MAX / 8;
	struct buf text;

	for (size_t more = 0; more <= 3; more += 3) {
		buf_init(&text, 1u << 20);
		buf_put_str(&text, "{\"bits\":\"");
		for (size_t i = 0; i < (len + more) / 3; i++)
			buf_put_str(&text, "AAAA");
		buf_put_str(&text, (len + more) % 3 == 2 ? "AAA=\"}" : "AA==\"}");
		CHECK((len + more) % 3 != 0);
		CHECK_INT(count_of(buf_cstr(&text), SESSION_BITS_MAX * 2), more == 0 ? 0 : -1);
		buf_fini(&text);
	}
}

/* As a peer tells its map: the first line, and further ones while it is not all told. */
static void check_round_trip(const struct bitfield *map)
{
	uint32_t at = 0;

	CHECK_INT(bitfield_init(&taken, map->n), OK);
	while (at < map->n) {
		json_t *j = json_object();
		uint32_t told = session_line_set_map(j, map, at);
		struct buf line;

		CHECK(told > 0);
		CHECK_INT(session_line_pieces(j, map->n, take, NULL, NULL), OK);
		buf_init(&line, 65536); /* and fits into a line */
		session_line_put(&line, j);
		CHECK_INT(line.err, OK);
		CHECK_INT(line.ptr[line.len - 1], '\n');
		buf_fini(&line);
		at += told;
	}
	CHECK_INT(taken.count, map->count);
	CHECK_MEM(taken.bits, map->bits, bitfield_bytes(map->n));
	bitfield_fini(&taken);
}

TEST(session_lines_tell_any_map_in_lines_that_fit)
{
	static const uint32_t sizes[] = {1, 7, 8, 9, 1000, 1602, 262144, 262145, 300000, 2097152};
	struct rng rng;

	rng_seed(&rng, 3);
	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		for (uint32_t part = 0; part <= 4; part++) {
			struct bitfield map;

			CHECK_INT(bitfield_init(&map, sizes[k]), OK);
			for (uint32_t i = 0; i < map.n; i++)
				if (rng_below(&rng, 4) < part)
					bitfield_set(&map, i);
			check_round_trip(&map);
			bitfield_fini(&map);
		}
	}
}

TEST(session_lines_take_dialable_addresses_and_leave_the_rest)
{
	json_t *j = json_pack("{s:[s,s,i,s,s,n,s]}", "peers", "1.2.3.4:5", "[2001:db8::1]:6", 7,
			      "nobody", "1.2.3.4:0", "224.0.0.1:9");
	struct addr list[4];
	size_t complete;

	CHECK_INT(session_line_peers(j, ADDR_PUBLIC, list, 4, &complete), 2);
	CHECK_INT(list[0].port, 5);
	CHECK_INT(list[1].port, 6);
	CHECK_INT(complete, 0);
	CHECK_INT(session_line_peers(j, ADDR_PUBLIC, list, 1, &complete), 1);
	json_decref(j);
	j = json_pack("{s:s}", "peers", "1.2.3.4:5");
	CHECK_INT(session_line_peers(j, ADDR_PUBLIC, list, 4, &complete), 0);
	json_decref(j);
}

TEST(session_lines_name_nobody_nearer_than_they_may)
{
	json_t *j = json_pack("{s:[s,s,s,s], s:i}", "peers", "127.0.0.1:5", "192.168.7.7:6",
			      "169.254.169.254:7", "1.2.3.4:8", "complete", 3);
	struct addr list[4];
	size_t complete;

	CHECK_INT(session_line_peers(j, ADDR_PUBLIC, list, 4, &complete), 1);
	CHECK_INT(list[0].port, 8);
	CHECK_INT(complete, 0);
	CHECK_INT(session_line_peers(j, ADDR_PRIVATE, list, 4, &complete), 2);
	CHECK_INT(complete, 1);
	CHECK_INT(session_line_peers(j, ADDR_LINK, list, 4, &complete), 3);
	CHECK_INT(session_line_peers(j, ADDR_LOOPBACK, list, 4, &complete), 4);
	json_decref(j);
}

/* What stands among the first ones and is no address does not make a later one complete. */
TEST(session_lines_say_which_of_the_peers_have_everything)
{
	static const json_int_t said[] = {-1, 0, 1, 2, 3, 4, 1000};
	static const size_t want[] = {0, 0, 1, 1, 2, 3, 3};
	struct addr list[4];
	size_t complete;

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		json_t *j = json_pack("{s:[s,s,s,s], s:I}", "peers", "1.2.3.4:5", "nobody",
				      "1.2.3.4:6", "1.2.3.4:7", "complete", said[i]);

		CHECK_INT(session_line_peers(j, ADDR_PUBLIC, list, 4, &complete), 3);
		CHECK_INT(complete, want[i]);
		json_decref(j);
	}
}
