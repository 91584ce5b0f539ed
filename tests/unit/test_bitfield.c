#include "base/bitfield.h"

#include <stdlib.h>

#include "base/rng.h"
#include "failmalloc.h"
#include "test.h"

/* "x.x" -> bits 0 and 2 of three. */
static struct bitfield draw(const char *picture)
{
	struct bitfield b;

	CHECK_INT(bitfield_init(&b, (uint32_t)strlen(picture)), 0);
	for (uint32_t i = 0; i < b.n; i++)
		if (picture[i] == 'x')
			CHECK(bitfield_set(&b, i));
	return b;
}

TEST(bitfield_bit_zero_is_the_high_bit_of_byte_zero)
{
	struct bitfield b = draw("x......x.x");

	CHECK_INT(b.bits[0], 0x81);
	CHECK_INT(b.bits[1], 0x40);
	CHECK_INT(b.count, 3);
	bitfield_fini(&b);
}

TEST(bitfield_setting_twice_counts_once)
{
	struct bitfield b = draw("...");

	CHECK(bitfield_set(&b, 1));
	CHECK(!bitfield_set(&b, 1));
	CHECK_INT(b.count, 1);
	CHECK(bitfield_unset(&b, 1));
	CHECK(!bitfield_unset(&b, 1));
	CHECK_INT(b.count, 0);
	bitfield_fini(&b);
}

TEST(bitfield_of_no_bits_is_full)
{
	struct bitfield b = draw(""), c;

	CHECK(bitfield_full(&b));
	bitfield_fill(&b);
	bitfield_clear(&b);
	CHECK_INT(bitfield_load(&b, bytes_of(NULL, 0)), 0);
	CHECK_INT(bitfield_load(&b, bytes_of("", 1)), ERR_PROTO);
	CHECK_INT(bitfield_copy(&c, &b), 0);
	bitfield_fini(&c);
	bitfield_fini(&b);
}

TEST(bitfield_fill_leaves_spare_bits_clear)
{
	for (uint32_t n = 1; n <= 130; n++) {
		struct bitfield b, c;

		CHECK_INT(bitfield_init(&b, n), 0);
		CHECK_INT(bitfield_init(&c, n), 0);
		bitfield_fill(&b);
		CHECK(bitfield_full(&b));
		CHECK_INT(bitfield_load(&c, bytes_of(b.bits, bitfield_bytes(n))), 0);
		CHECK(bitfield_full(&c));
		bitfield_clear(&b);
		CHECK_INT(b.count, 0);
		CHECK(!bitfield_has(&b, n - 1));
		bitfield_fini(&b);
		bitfield_fini(&c);
	}
}

TEST(bitfield_copy_is_independent)
{
	struct bitfield a = draw("x.x"), b;

	CHECK_INT(bitfield_copy(&b, &a), 0);
	CHECK_INT(b.count, 2);
	bitfield_unset(&a, 0);
	CHECK(bitfield_has(&b, 0));
	bitfield_fini(&a);
	bitfield_fini(&b);
}

/* CVE-2014-4909 and O-13: only exactly ceil(n / 8) bytes will do. */
TEST(bitfield_load_refuses_every_other_length)
{
	struct bitfield b = draw("x.........");

	for (size_t len = 0; len < 20; len++) {
		uint8_t *body = calloc(len == 0 ? 1 : len, 1);

		if (len != 2)
			CHECK_INT(bitfield_load(&b, bytes_of(body, len)), ERR_PROTO);
		free(body);
	}
	CHECK(bitfield_has(&b, 0));
	CHECK_INT(b.count, 1);
	bitfield_fini(&b);
}

TEST(bitfield_load_refuses_each_spare_bit)
{
	struct bitfield b = draw("x.........");

	for (int bit = 0; bit < 8; bit++) {
		uint8_t body[2] = {0, (uint8_t)(0x80 >> bit)};

		bitfield_clear(&b);
		CHECK_INT(bitfield_load(&b, bytes_of(body, 2)), bit < 2 ? 0 : ERR_PROTO);
		CHECK_INT(b.count, bit < 2 ? 1 : 0);
		CHECK_INT(b.bits[1], bit < 2 ? body[1] : 0);
	}
	bitfield_fini(&b);
}

/* An empty one of a length that the seed says. */
static struct bitfield random_length(struct rng *r, uint64_t seed)
{
	struct bitfield b;

	rng_seed(r, seed);
	CHECK_INT(bitfield_init(&b, 1 + rng_below(r, 300)), 0);
	return b;
}

TEST(bitfield_count_is_right_after_random_steps)
{
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct rng r;
		struct bitfield b = random_length(&r, seed);

		for (int step = 0; step < 300; step++) {
			uint32_t i = rng_below(&r, b.n), count = 0;
			bool had = bitfield_has(&b, i);

			if (rng_below(&r, 2) == 0)
				CHECK_SEED(bitfield_set(&b, i) != had, seed);
			else
				CHECK_SEED(bitfield_unset(&b, i) == had, seed);
			for (uint32_t k = 0; k < b.n; k++)
				count += bitfield_has(&b, k);
			CHECK_SEED(count == b.count, seed);
		}
		bitfield_fini(&b);
	}
}

TEST(bitfield_next_finds_what_a_look_at_each_bit_finds)
{
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct rng r;
		struct bitfield b = random_length(&r, seed);

		if (seed % 2 == 0)
			bitfield_fill(&b);
		for (uint32_t k = rng_below(&r, 4); k > 0; k--) {
			uint32_t i = rng_below(&r, b.n);

			(void)(seed % 2 == 0 ? bitfield_unset(&b, i) : bitfield_set(&b, i));
		}
		for (uint32_t i = 0; i <= b.n; i++) {
			uint32_t set = i, clear = i;

			while (set < b.n && !bitfield_has(&b, set))
				set++;
			while (clear < b.n && bitfield_has(&b, clear))
				clear++;
			CHECK_SEED(bitfield_next_set(&b, i) == set, seed);
			CHECK_SEED(bitfield_next_clear(&b, i) == clear, seed);
		}
		bitfield_fini(&b);
	}
}

TEST(bitfield_without_memory_is_empty_and_may_be_freed)
{
	struct bitfield a = draw("x.x"), b;

	failmalloc_start(1, true);
	CHECK_INT(bitfield_init(&b, 1000), ERR_NOMEM);
	CHECK_INT(b.n, 0);
	bitfield_fini(&b);
	CHECK_INT(bitfield_copy(&b, &a), ERR_NOMEM);
	CHECK_INT(failmalloc_stop(), 2);
	bitfield_fini(&b);
	bitfield_fini(&a);
}
