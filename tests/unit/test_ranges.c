#include "base/ranges.h"

#include "base/rng.h"
#include "test.h"

static struct bitfield drawn(const char *picture)
{
	struct bitfield b;

	CHECK_INT(bitfield_init(&b, (uint32_t)strlen(picture)), 0);
	for (uint32_t i = 0; i < b.n; i++)
		if (picture[i] == 'x')
			bitfield_set(&b, i);
	return b;
}

static void check_text(const char *picture, uint32_t most, const char *want, uint32_t left_out)
{
	struct bitfield b = drawn(picture);
	struct buf out;

	buf_init(&out, 4096);
	CHECK_INT(ranges_put(&out, &b, most), left_out);
	CHECK_STR(buf_cstr(&out), want);
	buf_fini(&out);
	bitfield_fini(&b);
}

TEST(ranges_say_runs_and_single_bits)
{
	check_text("", 9, "", 0);
	check_text("........", 9, "", 0);
	check_text("x", 9, "0", 0);
	check_text("xxxxxxxxxxxxxxxxxxx", 9, "0-18", 0);
	check_text("..xx.x.......xxx", 9, "2-3,5,13-15", 0);
	check_text("xxxxxxxx........x", 9, "0-7,16", 0);
	check_text("x.x.x.x", 2, "0,2", 2);
	check_text("x.x.x.x", 4, "0,2,4,6", 0);
}

/* All ranges of `text` drawn into n bits; NULL when it is refused. */
static const char *taken(const char *text, uint32_t n)
{
	static char picture[64];
	struct bytes rest = bytes_str(text);
	uint32_t next = 0, first, last;
	int r;

	memset(picture, '.', sizeof(picture));
	picture[n] = '\0';
	while ((r = ranges_next(&rest, n, &next, &first, &last)) > 0)
		memset(picture + first, 'x', last - first + 1);
	return r == 0 ? picture : NULL;
}

TEST(ranges_are_read_in_order_and_within_their_bounds)
{
	static const char *const bad[] = {",",	  "1,",	  ",1",	  "1,,2", "2,1",   "1,1",
					  "3-2",  "1-",	  "-1",	  "0-8",  "8",	   "1;2",
					  "1 ,2", " 1",	  "0x1",  "+1",	  "1-2-3", "4294967296",
					  "a",	  "1,2a", "1--2", "2-4,4"};

	CHECK_STR(taken("", 8), "........");
	CHECK_STR(taken("0-7", 8), "xxxxxxxx");
	CHECK_STR(taken("1,3-4,7", 8), ".x.xx..x");
	CHECK_STR(taken("1-1,2", 8), ".xx.....");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(taken(bad[i], 8) == NULL);
	CHECK(taken("0", 0) == NULL);
}

TEST(ranges_read_back_as_the_bits_they_came_from)
{
	struct rng rng;

	rng_seed(&rng, 7);
	for (int round = 0; round < 300; round++) {
		uint32_t n = 1 + rng_below(&rng, 200), next = 0, first, last;
		struct bitfield a, b;
		struct bytes rest;
		struct buf text;

		CHECK_INT(bitfield_init(&a, n), 0);
		CHECK_INT(bitfield_init(&b, n), 0);
		for (uint32_t i = 0; i < n; i++)
			if (rng_below(&rng, 10) < (uint32_t)round % 11)
				bitfield_set(&a, i);
		buf_init(&text, 4096);
		CHECK_INT(ranges_put(&text, &a, UINT32_MAX), 0);
		rest = buf_bytes(&text);
		while (ranges_next(&rest, n, &next, &first, &last) > 0)
			for (uint32_t i = first; i <= last; i++)
				bitfield_set(&b, i);
		CHECK(memcmp(a.bits, b.bits, bitfield_bytes(n)) == 0);
		buf_fini(&text);
		bitfield_fini(&a);
		bitfield_fini(&b);
	}
}
