#include "swarm/metadata.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "failmalloc.h"
#include "test.h"

#define PIECE EXT_METADATA_PIECE

struct bench {
	struct metadata *m;
	uint8_t *info;
	uint32_t bytes;
	uint64_t now;
	bool taken; /* of the newest message */
};

static void start(struct bench *b, uint32_t bytes)
{
	struct metadata_params p = {.has_v1 = true, .has_v2 = true};

	*b = (struct bench){.info = malloc(bytes), .bytes = bytes, .now = 1000};
	for (uint32_t i = 0; i < bytes; i++)
		b->info[i] = (uint8_t)(i * 31 + i / PIECE);
	sha1_of(bytes_of(b->info, bytes), p.hash_v1);
	sha256_of(bytes_of(b->info, bytes), p.hash_v2);
	b->m = metadata_new(&p);
}

static void stop(struct bench *b)
{
	metadata_free(b->m);
	free(b->info);
}

static int give(struct bench *b, uint32_t peer, uint32_t piece, bool wrong)
{
	struct ext_metadata msg = {
	    .type = EXT_METADATA_DATA, .piece = piece, .total_bytes = b->bytes};
	uint32_t len = ext_metadata_piece_bytes(b->bytes, piece);
	uint8_t *data = malloc(len);
	int rc;

	memcpy(data, b->info + (size_t)piece * PIECE, len);
	data[0] ^= wrong;
	msg.data = bytes_of(data, len);
	rc = metadata_on_message(b->m, peer, &msg, b->now, &b->taken);
	free(data);
	return rc;
}

static int reject(struct bench *b, uint32_t peer, uint32_t piece)
{
	return metadata_on_message(
	    b->m, peer, &(struct ext_metadata){.type = EXT_METADATA_REJECT, .piece = piece}, b->now,
	    &b->taken);
}

/* "peer:piece ..." of all that is asked for now. */
static const char *asked(struct bench *b, char out[1000])
{
	uint32_t peer, piece;
	size_t n = 0;

	out[0] = '\0';
	while (n < 900 && metadata_next(b->m, b->now, &peer, &piece))
		n += (size_t)snprintf(out + n, 1000 - n, "%s%u:%u", n == 0 ? "" : " ", peer, piece);
	return out;
}

static bool has_it(const struct bench *b)
{
	struct bytes got = metadata_result(b->m);

	return bytes_eq(got, bytes_of(b->info, b->bytes));
}

TEST(one_peer_gives_it_all_two_pieces_at_a_time)
{
	char text[1000];
	struct bench b;

	start(&b, 3 * PIECE + 5);
	CHECK_STR(asked(&b, text), "");
	CHECK_INT(metadata_on_size(b.m, 4, b.bytes), OK);
	CHECK_STR(asked(&b, text), "4:0 4:1");
	CHECK_INT(give(&b, 4, 0, false), OK);
	CHECK_STR(asked(&b, text), "4:2");
	CHECK_INT(give(&b, 4, 1, false), OK);
	CHECK_INT(give(&b, 4, 2, false), OK);
	CHECK(!has_it(&b));
	CHECK_STR(asked(&b, text), "4:3");
	CHECK_INT(give(&b, 4, 3, false), OK);
	CHECK(has_it(&b));
	CHECK_STR(asked(&b, text), "");
	CHECK(metadata_deadline_ms(b.m, b.now) == UINT64_MAX);
	stop(&b);
}

TEST(only_what_was_asked_for_shows_that_a_peer_gives_something_O_20)
{
	char text[1000];
	struct bench b;

	start(&b, 3 * PIECE);
	CHECK_INT(give(&b, 5, 0, false), OK); /* by one that never claimed to have any */
	CHECK(!b.taken);
	CHECK_INT(metadata_on_size(b.m, 5, b.bytes), OK);
	CHECK_STR(asked(&b, text), "5:0 5:1");
	CHECK_INT(give(&b, 5, 2, false), OK);
	CHECK(!b.taken);
	CHECK_INT(give(&b, 5, 0, false), OK);
	CHECK(b.taken);
	CHECK_INT(give(&b, 5, 0, false), OK); /* once more */
	CHECK(!b.taken);
	CHECK_INT(reject(&b, 5, 1), OK);
	CHECK(!b.taken);
	stop(&b);
}

TEST(several_share_the_work_and_the_last_pieces_are_raced_for)
{
	char text[1000];
	struct bench b;

	start(&b, 3 * PIECE);
	for (uint32_t i = 0; i < 5; i++)
		CHECK_INT(metadata_on_size(b.m, i, b.bytes), OK);
	CHECK_STR(asked(&b, text), "0:0 1:1 2:2 3:0 4:1 0:2 1:0 2:1 3:2");
	CHECK_INT(give(&b, 0, 0, false), OK);
	CHECK_INT(give(&b, 1, 1, false), OK);
	CHECK_INT(give(&b, 2, 2, false), OK);
	CHECK(has_it(&b));
	stop(&b);
}

TEST(sizes_that_cannot_be_or_that_change_are_refused_O_20)
{
	struct bench b;

	start(&b, 100);
	CHECK_INT(metadata_on_size(b.m, 0, (uint64_t)EXT_METADATA_MAX + 1), ERR_PROTO);
	CHECK_INT(metadata_on_size(b.m, 0, 0x80000000u), ERR_PROTO);
	CHECK_INT(metadata_on_size(b.m, 0, EXT_METADATA_MAX), OK);
	CHECK_INT(metadata_on_size(b.m, 0, 100), ERR_PROTO);
	CHECK_INT(metadata_on_size(b.m, 1, 0), OK);
	CHECK_INT(metadata_on_size(b.m, 1, 100), OK);
	/* A message that tells another size than the handshake. */
	b.bytes = 99;
	CHECK_INT(give(&b, 1, 0, false), ERR_PROTO);
	stop(&b);
}

TEST(a_wrong_copy_of_several_bans_nobody_and_of_one_alone_twice_the_liar_O_20)
{
	char text[1000];
	struct bench b;

	start(&b, 2 * PIECE);
	CHECK_INT(metadata_on_size(b.m, 0, b.bytes), OK);
	CHECK_INT(metadata_on_size(b.m, 1, b.bytes), OK);
	asked(&b, text);
	CHECK_INT(give(&b, 0, 0, true), OK);
	CHECK_INT(give(&b, 1, 1, false), OK);
	CHECK(!has_it(&b));
	/* From here on everybody for himself. */
	CHECK_STR(asked(&b, text), "0:0 1:0 0:1 1:1");
	CHECK_INT(give(&b, 0, 0, true), OK);
	CHECK_INT(give(&b, 0, 1, false), OK);
	CHECK_STR(asked(&b, text), "0:0 0:1");
	CHECK_INT(give(&b, 0, 1, false), OK);
	CHECK_INT(give(&b, 0, 0, true), ERR_DENIED);
	CHECK(metadata_on_closed(b.m, 0));
	CHECK_INT(give(&b, 1, 0, false), OK);
	CHECK_INT(give(&b, 1, 1, false), OK);
	CHECK(has_it(&b));
	stop(&b);
}

TEST(a_peer_that_rejects_is_asked_less_and_less_often_O_20)
{
	char text[1000];
	struct bench b;

	start(&b, 10);
	CHECK_INT(metadata_on_size(b.m, 0, b.bytes), OK);
	for (uint64_t pause = METADATA_PAUSE_MS; pause < 100000; pause *= 2) {
		CHECK_STR(asked(&b, text), "0:0");
		CHECK_INT(reject(&b, 0, 0), OK);
		if (pause > METADATA_PAUSE_MAX_MS)
			pause = METADATA_PAUSE_MAX_MS;
		CHECK_INT(metadata_deadline_ms(b.m, b.now), b.now + pause);
		b.now += pause - 1;
		CHECK_STR(asked(&b, text), "");
		b.now++;
		if (pause == METADATA_PAUSE_MAX_MS)
			break;
	}
	CHECK_STR(asked(&b, text), "0:0");
	stop(&b);
}

TEST(who_does_not_answer_is_not_waited_for)
{
	char text[1000];
	struct bench b;

	start(&b, 10);
	CHECK_INT(metadata_on_size(b.m, 0, b.bytes), OK);
	CHECK_STR(asked(&b, text), "0:0");
	b.now = metadata_deadline_ms(b.m, b.now);
	CHECK_INT(b.now, 1000 + METADATA_PATIENCE_MS);
	CHECK_STR(asked(&b, text), "");
	CHECK_INT(metadata_on_size(b.m, 7, b.bytes), OK);
	CHECK_STR(asked(&b, text), "7:0");
	/* Late, and nobody's harm. */
	CHECK_INT(give(&b, 0, 0, true), OK);
	CHECK_INT(give(&b, 7, 0, false), OK);
	CHECK(has_it(&b));
	stop(&b);
}

/* Four who claim sizes of their own and give a piece now and then do not keep out the fifth. */
TEST(liars_with_sizes_of_their_own_make_way_O_20)
{
	char text[1000];
	struct bench b;

	start(&b, 10);
	for (uint32_t i = 0; i < METADATA_COPIES_MAX; i++)
		CHECK_INT(metadata_on_size(b.m, i, EXT_METADATA_MAX - i), OK);
	asked(&b, text);
	CHECK_INT(metadata_on_size(b.m, 9, b.bytes), OK);
	CHECK_STR(asked(&b, text), "");
	for (uint64_t end = b.now + METADATA_COPY_MS; b.now < end; b.now += 1000) {
		uint32_t right = b.bytes;

		asked(&b, text);
		for (uint32_t i = 0; i < METADATA_COPIES_MAX; i++) {
			static uint8_t zeros[PIECE];
			struct ext_metadata msg = {EXT_METADATA_DATA,
						   (uint32_t)(b.now / 1000),
						   EXT_METADATA_MAX - i,
						   {zeros, PIECE}};

			CHECK_INT(metadata_on_message(b.m, i, &msg, b.now, &b.taken), OK);
		}
		b.bytes = right;
	}
	CHECK(strstr(asked(&b, text), "9:0") != NULL);
	CHECK_INT(give(&b, 9, 0, false), OK);
	CHECK(has_it(&b));
	stop(&b);
}

TEST(a_copy_counts_what_came_and_can_be_given_up_O_20)
{
	struct metadata_copy c;
	char text[1000];
	struct bench b;

	start(&b, 3 * PIECE + 5);
	CHECK(!metadata_copy(b.m, 0, &c));
	CHECK_INT(metadata_on_size(b.m, 4, b.bytes), OK);
	CHECK_STR(asked(&b, text), "4:0 4:1");
	CHECK(metadata_copy(b.m, 0, &c) && c.bytes == 0 && c.begun_ms == b.now);
	CHECK_INT(give(&b, 4, 0, false), OK);
	CHECK(metadata_copy(b.m, 0, &c) && c.bytes == PIECE);
	metadata_give_up(b.m, 0, b.now);
	CHECK(!metadata_copy(b.m, 0, &c));
	CHECK_INT(give(&b, 4, 1, false), OK); /* it was asked for before */
	CHECK_STR(asked(&b, text), "");
	b.now += METADATA_PAUSE_MS;
	CHECK_STR(asked(&b, text), "4:0 4:1");
	for (uint32_t i = 0; i < 4; i++) {
		CHECK_INT(give(&b, 4, i, false), OK);
		asked(&b, text);
	}
	CHECK(has_it(&b) && !metadata_copy(b.m, 0, &c));
	stop(&b);
}

TEST(peers_come_and_go_and_lie_at_random_and_it_is_had_in_the_end)
{
	for (uint64_t seed = 1; seed <= 200; seed++) {
		bool banned[METADATA_PEERS_MAX] = {false}, here[METADATA_PEERS_MAX] = {false};
		struct rng r;
		struct bench b;
		uint32_t peer, piece;

		rng_seed(&r, seed);
		start(&b, 1 + rng_below(&r, 5 * PIECE));
		/* Numbers from 4 on lie. */
		for (int step = 0; step < 20000 && !has_it(&b); step++) {
			uint32_t i = rng_below(&r, 8);

			b.now += rng_below(&r, 500);
			if (!here[i] && !banned[i] && rng_below(&r, 4) == 0)
				here[i] = metadata_on_size(b.m, i, b.bytes) == OK;
			else if (here[i] && rng_below(&r, 50) == 0) {
				banned[i] = metadata_on_closed(b.m, i) && i >= 4;
				here[i] = false;
			}
			while (metadata_next(b.m, b.now, &peer, &piece)) {
				int rc = OK;

				CHECK_SEED(here[peer] && !banned[peer], seed);
				if (rng_below(&r, 10) == 0)
					continue;
				if (rng_below(&r, 10) == 0)
					rc = reject(&b, peer, piece);
				else
					rc = give(&b, peer, piece, peer >= 4);
				CHECK_SEED(rc == OK || (rc == ERR_DENIED && peer >= 4), seed);
				if (rc == ERR_DENIED) {
					CHECK_SEED(metadata_on_closed(b.m, peer), seed);
					banned[peer] = true;
					here[peer] = false;
				}
			}
		}
		CHECK_SEED(has_it(&b), seed);
		stop(&b);
	}
}

TEST(without_memory_nothing_is_lost)
{
	for (size_t n = 1; n < 8; n++) {
		char text[1000];
		struct bench b;

		start(&b, 10);
		CHECK_INT(metadata_on_size(b.m, 0, b.bytes), OK);
		failmalloc_start(n, false);
		asked(&b, text);
		(void)failmalloc_stop();
		asked(&b, text);
		CHECK_INT(give(&b, 0, 0, false), OK);
		CHECK(has_it(&b));
		stop(&b);
	}
}
