#include "base/digest_many.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/rng.h"
#include "failmalloc.h"
#include "test.h"

#define EACH 16384u
#define MOST 300u

static const enum digest_many_way ways[] = {DIGEST_MANY_BEST, DIGEST_MANY_PLAIN};

/* `n` random bytes right before a page that must not be touched: what is written in assembler is
 * not seen by a sanitizer. */
static uint8_t *guarded(size_t n, uint64_t seed, void **map, size_t *map_len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (n + page - 1) / page * page;
	struct rng r;
	uint8_t *data;

	*map_len = room + page;
	*map = mmap(NULL, *map_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(*map != MAP_FAILED);
	CHECK_INT(mprotect((uint8_t *)*map + room, page, PROT_NONE), 0);
	data = (uint8_t *)*map + room - n;
	rng_seed(&r, seed);
	rng_fill(&r, data, n);
	return data;
}

/* As digest.h says, and not a byte beyond. */
static void compare(struct digest_many *d, const uint8_t *data, size_t len, size_t each)
{
	size_t n = len / each + (len % each != 0);
	uint8_t *out = malloc((n + 1) * SHA256_LEN), want[SHA256_LEN];

	memset(out, 0xa5, (n + 1) * SHA256_LEN);
	digest_many(d, bytes_of(data, len), each, out);
	for (size_t i = 0; i < n; i++) {
		sha256_of(bytes_of(data + i * each, len - i * each < each ? len - i * each : each),
			  want);
		CHECK_MEM(out + i * SHA256_LEN, want, SHA256_LEN);
	}
	for (size_t i = 0; i < SHA256_LEN; i++)
		CHECK_INT(out[n * SHA256_LEN + i], 0xa5);
	free(out);
}

TEST(digest_many_is_the_digest_of_each_for_any_count)
{
	for (size_t w = 0; w < 2; w++) {
		struct digest_many *d = digest_many_new(ways[w]);
		size_t map_len;
		void *map;
		uint8_t *data = guarded(40 * EACH, 1, &map, &map_len);

		for (size_t n = 0; n <= 40; n++)
			compare(d, data + (40 - n) * EACH, n * EACH, EACH);
		digest_many_free(d);
		munmap(map, map_len);
	}
}

TEST(digest_many_takes_a_last_block_of_any_length)
{
	for (size_t w = 0; w < 2; w++) {
		struct digest_many *d = digest_many_new(ways[w]);
		size_t map_len, len = 4 * 200;
		void *map;
		uint8_t *data = guarded(len, 2, &map, &map_len);

		for (size_t n = 0; n <= len; n++)
			compare(d, data + len - n, n, 200);
		digest_many_free(d);
		munmap(map, map_len);
	}
}

TEST(digest_many_takes_blocks_of_any_length)
{
	for (size_t w = 0; w < 2; w++) {
		struct digest_many *d = digest_many_new(ways[w]);
		size_t map_len;
		void *map;
		uint8_t *data = guarded(17 * 300, 3, &map, &map_len);

		for (size_t each = 1; each <= 300; each++)
			compare(d, data + 17 * (300 - each), 17 * each, each);
		digest_many_free(d);
		munmap(map, map_len);
	}
}

TEST(digest_many_takes_more_than_the_library_holds_at_a_time)
{
	struct digest_many *d = digest_many_new(DIGEST_MANY_BEST);
	size_t map_len;
	void *map;
	uint8_t *data = guarded(MOST * 100, 4, &map, &map_len);

	for (size_t n = 100; n <= MOST; n += 50)
		compare(d, data + (MOST - n) * 100, n * 100, 100);
	digest_many_free(d);
	munmap(map, map_len);
}

static void compare_sha1(struct digest_many *d, const struct bytes *messages, size_t n)
{
	uint8_t *out = malloc((n + 1) * SHA1_LEN), want[SHA1_LEN];

	memset(out, 0xa5, (n + 1) * SHA1_LEN);
	digest_many_sha1(d, messages, n, out);
	for (size_t i = 0; i < n; i++) {
		sha1_of(messages[i], want);
		CHECK_MEM(out + i * SHA1_LEN, want, SHA1_LEN);
	}
	for (size_t i = 0; i < SHA1_LEN; i++)
		CHECK_INT(out[n * SHA1_LEN + i], 0xa5);
	free(out);
}

TEST(sha1_of_many_is_the_digest_of_each_whatever_its_length)
{
	enum { ROOM = 200000, COUNT = 40 };
	size_t map_len;
	void *map;
	uint8_t *data = guarded(ROOM, 5, &map, &map_len);

	for (size_t w = 0; w < 2; w++) {
		struct digest_many *d = digest_many_new(ways[w]);
		struct bytes messages[COUNT];
		struct rng r;

		rng_seed(&r, 6);
		for (size_t n = 0; n <= COUNT; n++) {
			for (size_t i = 0; i < n; i++) {
				size_t len = rng_below(&r, n % 2 == 0 ? 200 : ROOM);

				messages[i] = bytes_of(data + ROOM - len, len);
			}
			compare_sha1(d, messages, n);
		}
		digest_many_free(d);
	}
	munmap(map, map_len);
}

TEST(sha1_of_many_takes_the_longest_pieces_and_longer_ones)
{
	struct digest_many *d = digest_many_new(DIGEST_MANY_BEST);
	size_t map_len, most = DIGEST_MANY_BYTES_MAX;
	void *map;
	uint8_t *data = guarded(most + 1, 7, &map, &map_len);

	compare_sha1(d, (struct bytes[]){{data, most}, {data + 1, most}}, 2);
	compare_sha1(d, (struct bytes[]){{data, most + 1}, {data + 1, most}}, 2);
	digest_many_free(d);
	munmap(map, map_len);
}

TEST(digest_many_says_how_many_go_side_by_side)
{
	struct digest_many *plain = digest_many_new(DIGEST_MANY_PLAIN);
	struct digest_many *best = digest_many_new(DIGEST_MANY_BEST);
	struct digest_many_widths w = digest_many_sha1_widths();
	uint8_t data[200] = {0}, out[2 * SHA256_LEN];

	digest_many(plain, bytes_of(data, sizeof(data)), 100, out);
	digest_many(best, bytes_of(data, sizeof(data)), 100, out);
	CHECK(w.most >= (w.in_pairs ? 2 : 1));
	printf("# SHA-1: %u side by side%s\n", w.most, w.in_pairs ? ", or 2" : "");
	digest_many_free(plain);
	digest_many_free(best);
	digest_many_free(NULL);
}

TEST(as_many_go_together_as_fit_or_two_or_one)
{
	static const struct digest_many_widths wide = {16, false}, both = {16, true},
					       two = {2, true}, one = {1, false};

	CHECK_INT(digest_many_together(wide, 16), 16);
	CHECK_INT(digest_many_together(wide, 15), 1);
	CHECK_INT(digest_many_together(both, 40), 16);
	CHECK_INT(digest_many_together(both, 15), 2);
	CHECK_INT(digest_many_together(both, 1), 1);
	CHECK_INT(digest_many_together(two, 2), 2);
	CHECK_INT(digest_many_together(two, 0), 1);
	CHECK_INT(digest_many_together(one, 0), 1);
}

TEST(digest_many_new_without_memory_is_null)
{
	struct digest_many *d = NULL;

	for (size_t n = 1; d == NULL; n++) {
		failmalloc_start(n, true);
		d = digest_many_new(DIGEST_MANY_BEST);
		failmalloc_stop();
		CHECK(n < 100);
		CHECK(n > 1 || d == NULL);
	}
	digest_many_free(d);
}
