#include "swarm/blame.h"

#include <stdlib.h>

#include "test.h"

/* A begun piece whose blocks came from the senders named by the letters: "aabb". */
static struct open_piece *piece_from(uint32_t piece, const char *senders)
{
	uint32_t n = (uint32_t)strlen(senders);
	struct open_piece *o = calloc(1, sizeof(*o) + n * sizeof(o->blocks[0]));

	assert_non_null(o);
	o->piece = piece;
	o->n_blocks = n;
	o->senders = calloc(26, sizeof(*o->senders));
	o->n_senders = 26;
	for (uint32_t i = 0; i < 26; i++)
		o->senders[i] = (struct sender){{i, 1}, {{10, 0, 0, (uint8_t)i}, 6881, 0, 0}};
	for (uint32_t i = 0; i < n; i++)
		o->blocks[i].by = (uint16_t)(senders[i] - 'a' + 1);
	return o;
}

static void piece_drop(struct open_piece *o)
{
	free(o->senders);
	free(o);
}

/* One byte of hash a block. */
static uint8_t *hashes_of(const char *content)
{
	size_t n = strlen(content);
	uint8_t *h = calloc(n, SHA256_LEN);

	assert_non_null(h);
	for (size_t i = 0; i < n; i++)
		h[i * SHA256_LEN] = (uint8_t)content[i];
	return h;
}

static const char *guilty(const char *senders, const char *came, const char *truth)
{
	static char out[32];
	struct blame b = {0};
	struct open_piece *o = piece_from(3, senders);
	uint8_t *h = hashes_of(came), *t = hashes_of(truth);
	struct sender list[26];
	uint32_t n = 0;

	CHECK_INT(blame_keep(&b, o, h), 0);
	CHECK(blame_has(&b, 3) && !blame_has(&b, 4));
	CHECK(blame_settle(&b, 3, t, list, 26, &n));
	for (uint32_t i = 0; i < n; i++)
		out[i] = (char)('a' + list[i].ref.slot);
	out[n] = '\0';
	CHECK(!blame_has(&b, 3));
	CHECK_INT(b.bytes, 0);
	blame_fini(&b);
	free(h);
	free(t);
	piece_drop(o);
	return out;
}

TEST(blame_names_the_sender_of_a_block_that_differs)
{
	CHECK_STR(guilty("aabb", "1134", "1234"), "a");
	CHECK_STR(guilty("aabb", "1235", "1234"), "b");
	CHECK_STR(guilty("abcd", "9234", "1234"), "a");
	CHECK_STR(guilty("abcd", "9294", "1234"), "ac");
}

TEST(blame_names_nobody_when_nothing_differs)
{
	CHECK_STR(guilty("abcd", "1234", "1234"), "");
}

TEST(blame_keeps_several_records_of_one_piece)
{
	struct blame b = {0};
	struct open_piece *o = piece_from(1, "ab"), *p = piece_from(1, "cd");
	uint8_t *h = hashes_of("19"), *k = hashes_of("92"), *t = hashes_of("12");
	struct sender list[26];
	uint32_t n;

	CHECK_INT(blame_keep(&b, o, h), 0);
	CHECK_INT(blame_keep(&b, p, k), 0);
	CHECK(blame_settle(&b, 1, t, list, 26, &n));
	CHECK_INT(n, 1);
	CHECK_INT(list[0].ref.slot, 2);
	CHECK(blame_settle(&b, 1, t, list, 26, &n));
	CHECK_INT(n, 1);
	CHECK_INT(list[0].ref.slot, 1);
	CHECK(!blame_settle(&b, 1, t, list, 26, &n));
	blame_fini(&b);
	free(h);
	free(k);
	free(t);
	piece_drop(o);
	piece_drop(p);
}

TEST(blame_keeps_its_limit_of_records_and_drops_the_oldest)
{
	struct blame b = {0};
	uint8_t *h = hashes_of("1");

	for (uint32_t i = 0; i <= BLAME_RECORDS_MAX; i++) {
		struct open_piece *o = piece_from(i, "a");

		CHECK_INT(blame_keep(&b, o, h), 0);
		piece_drop(o);
	}
	CHECK_INT(b.n, BLAME_RECORDS_MAX);
	CHECK(!blame_has(&b, 0) && blame_has(&b, 1) && blame_has(&b, BLAME_RECORDS_MAX));
	blame_forget(&b, 5);
	CHECK(!blame_has(&b, 5));
	blame_fini(&b);
	free(h);
}

/* Records of the longest pieces there are: 128 MiB in 8,192 blocks. */
TEST(blame_keeps_its_limit_of_bytes_and_drops_the_oldest)
{
	enum { BLOCKS = 8192 };
	char senders[BLOCKS + 1] = "";
	struct blame b = {0};
	uint8_t *h = calloc(BLOCKS, SHA256_LEN);
	uint32_t most = 0;

	assert_non_null(h);
	memset(senders, 'a', BLOCKS);
	for (uint32_t i = 0; most == 0 || i <= most; i++) {
		struct open_piece *o = piece_from(i, senders);

		CHECK_INT(blame_keep(&b, o, h), 0);
		CHECK(b.bytes <= BLAME_BYTES_MAX);
		piece_drop(o);
		if (i == 0)
			most = (uint32_t)(BLAME_BYTES_MAX / b.bytes);
		CHECK(blame_has(&b, 0) == (i < most));
	}
	CHECK_INT(b.n, most);
	CHECK(blame_has(&b, 1) && blame_has(&b, most));
	blame_fini(&b);
	free(h);
}
