/* Large torrents: what messages and moments cost that look at one piece must not grow with all.
 * Each limit is of CPU time, many times what it takes, and was passed by many times before. */
#include "swarm/swarm.h"

#include <stdlib.h>
#include <time.h>

#include "meta/merkle.h"
#include "swarm/peer.h"
#include "swarm/swarm_parts.h"
#include "test.h"

#include "swarm_fixture.h"

#define PIECES 200000u

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* We have the pieces before `had`. With v2 each has two blocks. */
static void start_large(struct bench *b, uint32_t had, bool v2)
{
	char *pieces = malloc(PIECES + 1);

	assert_non_null(pieces);
	memset(pieces, '*', had);
	memset(pieces + had, '.', PIECES - had);
	pieces[PIECES] = '\0';
	start(b, v2 ? 2 : 1, pieces, v2);
	free(pieces);
}

static void hear(struct bench *b, struct peer_ref r, struct wire_msg m)
{
	swarm_on_message(b->s, r, &m, b->now, &b->fx);
}

static void hear_type(struct bench *b, struct peer_ref r, enum wire_type type)
{
	hear(b, r, (struct wire_msg){.type = type});
}

/* A bitfield with the pieces from `first` on to `end`. */
static void hear_bits(struct bench *b, struct peer_ref r, uint32_t first, uint32_t end)
{
	struct bitfield bits;

	CHECK_INT(bitfield_init(&bits, PIECES), 0);
	for (uint32_t i = first; i < end; i++)
		bitfield_set(&bits, i);
	hear(b, r,
	     (struct wire_msg){.type = WIRE_BITFIELD,
			       .body = bytes_of(bits.bits, bitfield_bytes(PIECES))});
	bitfield_fini(&bits);
}

static struct peer_ref join(struct bench *b)
{
	uint32_t i = b->n_peers++;
	struct peer_hello h = {.addr = {.ip = {10, 0, 0, (uint8_t)(i + 1)}, .port = 6881},
			       .fast = true,
			       .extended = true,
			       .v2 = b->meta->v2,
			       .rtt_us = b->rtt_us};
	const char *why = NULL;

	memset(h.peer_id, (int)(i + 1), sizeof(h.peer_id));
	return swarm_on_connected(b->s, &h, b->now, &why, &b->fx);
}

static void wait(struct bench *b, uint64_t ms)
{
	uint64_t end = b->now + ms;

	while (b->now < end) {
		uint64_t at = swarm_deadline_ms(b->s);

		effects_clear(&b->fx);
		b->now = at < b->now + 1 ? b->now + 1 : at < end ? at : end;
		swarm_on_tick(b->s, b->now, &b->fx);
	}
}

TEST(near_ones_that_stay_are_not_counted_again_and_again)
{
	struct bench b;
	double began;

	start_large(&b, PIECES / 2, false);
	b.rtt_us = 100000;
	hear_bits(&b, join(&b), PIECES / 2, PIECES);
	b.rtt_us = 1000;
	for (uint32_t i = 0; i < 30; i++) {
		struct peer_ref r = join(&b);

		hear_bits(&b, r, 0, PIECES / 2);
		hear_type(&b, r, WIRE_UNCHOKE);
	}
	wait(&b, 1000);
	CHECK(b.s->split && b.s->picker.near[0] == 30);
	began = cpu_s();
	wait(&b, 100000);
	CHECK(cpu_s() - began < 1);
	CHECK_INT(b.s->picker.near[0], 30);
	swarm_check(b.s);
	stop(&b);
}

/* Pieces that stand elsewhere in the picker's order than in `was`. */
static uint32_t count_moved(const struct bench *b, const uint32_t *was)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < PIECES; i++)
		n += b->s->picker.place[i] != was[i];
	return n;
}

/* What comes after a HAVE was taken as one more for each piece, which moved it. */
TEST(a_later_bitfield_is_taken_as_a_whole)
{
	uint32_t *was = malloc(PIECES * sizeof(*was));
	struct peer_ref r, most;
	struct bench b;

	assert_non_null(was);
	start_large(&b, 0, false);
	r = join(&b);
	hear(&b, r, (struct wire_msg){.type = WIRE_HAVE, .index = 0});
	for (uint32_t end = PIECES / 10; end <= PIECES; end += PIECES / 10) {
		hear_bits(&b, r, 0, end);
		CHECK_INT(peer_have_count(swarm_find(b.s, r), PIECES), end);
		CHECK_INT(swarm_find(b.s, r)->wanted, end);
	}
	CHECK(swarm_find(b.s, r)->has_all);
	swarm_check(b.s);
	most = join(&b);
	hear(&b, most, (struct wire_msg){.type = WIRE_HAVE, .index = 0});
	memcpy(was, b.s->picker.place, PIECES * sizeof(*was));
	hear_bits(&b, most, 0, PIECES - 1);
	CHECK(count_moved(&b, was) <= 4);
	CHECK_INT(swarm_find(b.s, most)->wanted, PIECES - 1);
	swarm_check(b.s);
	hear_bits(&b, most, 1, PIECES);
	CHECK(swarm_find(b.s, most) == NULL);
	stop(&b);
	free(was);
}

/* Two for each place: who has one asks for something, gives it up, and waits again. So `turns`
 * times; `requests` of each. */
static double take_turns(struct bench *b, uint32_t turns, uint32_t requests)
{
	struct peer_ref r[16];
	double began;

	for (uint32_t i = 0; i < 16; i++) {
		r[i] = join(b);
		hear_type(b, r[i], WIRE_HAVE_NONE);
		hear_type(b, r[i], WIRE_INTERESTED);
	}
	began = cpu_s();
	for (uint32_t k = 0; k < turns; k++) {
		struct peer_ref p = r[k % 16];

		if (swarm_find(b->s, p)->is_choked)
			continue;
		for (uint32_t i = 0; i < requests; i++)
			hear(b, p,
			     (struct wire_msg){.type = WIRE_REQUEST,
					       .index = (k * 7919 + i) % PIECES,
					       .length = BLOCK_BYTES});
		hear_type(b, p, WIRE_NOT_INTERESTED);
		CHECK(swarm_find(b->s, p)->is_choked);
		hear_type(b, p, WIRE_INTERESTED);
		effects_clear(&b->fx);
	}
	return cpu_s() - began;
}

static uint32_t count_on_their_way(const struct bench *b)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < PIECES; i++)
		n += b->s->given_to[i] != 0;
	return n;
}

TEST(interest_that_comes_and_goes_costs_a_seed_no_walk_over_all_pieces)
{
	struct bench b;

	start_large(&b, PIECES, false);
	CHECK(take_turns(&b, 40000, 1) < 2);
	swarm_check(b.s);
	CHECK_INT(count_on_their_way(&b), 0);
	stop(&b);
	/* More than are listed. */
	start_large(&b, PIECES, false);
	(void)take_turns(&b, 40, 1900);
	swarm_check(b.s);
	CHECK_INT(count_on_their_way(&b), 0);
	stop(&b);
}

/* A peer of which nothing is to be had now, though it has most of the pieces. */
TEST(a_have_of_what_is_not_asked_for_now_costs_no_walk_over_all_pieces)
{
	struct peer_ref r;
	struct bench b;
	double began;

	start_large(&b, 0, false);
	swarm_set_window(b.s, 0, 10, b.now, &b.fx);
	r = join(&b);
	hear_bits(&b, r, 10, PIECES - 20000);
	hear_type(&b, r, WIRE_UNCHOKE);
	began = cpu_s();
	for (uint32_t i = 0; i < 20000; i++)
		hear(&b, r, (struct wire_msg){.type = WIRE_HAVE, .index = PIECES - 1 - i});
	CHECK(cpu_s() - began < 1);
	swarm_check(b.s);
	/* And asked at once when it is. */
	effects_clear(&b.fx);
	swarm_set_window(b.s, PIECES / 2, PIECES, b.now, &b.fx);
	CHECK(b.fx.n > 0 && b.fx.list[0].u.msg.type == WIRE_REQUEST);
	stop(&b);
}

TEST(a_piece_that_is_taken_back_costs_no_walk_over_all_that_are_begun)
{
	uint8_t gone[4] = {0, 1, 0, 0};
	struct peer_ref r;
	struct bench b;
	double began;

	start_large(&b, 0, false);
	r = join(&b);
	for (uint32_t i = 0; i < 10000; i++)
		CHECK(picker_begin(&b.s->picker, i, b.now) != NULL);
	began = cpu_s();
	for (uint32_t i = 0; i < 100000; i++) {
		hear(&b, r, (struct wire_msg){.type = WIRE_HAVE, .index = 0x10000});
		hear(&b, r,
		     (struct wire_msg){.type = WIRE_EXTENDED,
				       .ext_id = SWARM_EXT_DONTHAVE,
				       .body = bytes_of(gone, 4)});
		effects_clear(&b.fx);
	}
	CHECK(cpu_s() - began < 1);
	swarm_check(b.s);
	stop(&b);
}

/* All of an older version is on disk, and those who come have nothing yet. */
TEST(those_with_no_stale_piece_are_not_searched_for_one_with_each_message)
{
	struct bitfield stale;
	struct peer_ref r[20];
	struct bench b;
	double began;

	start_large(&b, 0, true);
	CHECK_INT(bitfield_init(&stale, PIECES), 0);
	bitfield_fill(&stale);
	CHECK_INT(swarm_set_stale(b.s, &stale), 0);
	bitfield_fini(&stale);
	for (uint32_t i = 0; i < 20; i++) {
		r[i] = join(&b);
		hear_type(&b, r[i], WIRE_HAVE_NONE);
	}
	began = cpu_s();
	for (uint32_t i = 0; i < 1000; i++)
		hear_type(&b, r[i % 20], WIRE_KEEPALIVE);
	CHECK(cpu_s() - began < 1);
	/* And one that has some is asked at once. */
	effects_clear(&b.fx);
	hear(&b, r[0], (struct wire_msg){.type = WIRE_HAVE, .index = 77});
	CHECK(b.fx.n == 2 && b.fx.list[1].u.msg.type == WIRE_HASH_REQUEST);
	CHECK_INT(b.fx.list[1].u.msg.hash.index, 77 * 2);
	hear(&b, r[1], (struct wire_msg){.type = WIRE_HAVE, .index = 77});
	/* Whoever has it is asked when the first one is gone. */
	effects_clear(&b.fx);
	swarm_on_closed(b.s, r[0], b.now, &b.fx);
	hear_type(&b, r[2], WIRE_KEEPALIVE);
	CHECK(b.fx.n == 1 && b.fx.list[0].u.msg.type == WIRE_HASH_REQUEST);
	swarm_check(b.s);
	stop(&b);
}

/* Of which the first of each second was answered whatever it cost: a hash for each piece. */
TEST(a_proof_up_to_the_root_costs_no_walk_over_the_whole_piece_layer)
{
	struct wire_msg m = {.type = WIRE_HASH_REQUEST, .hash = {.base = 1, .length = 2}};
	struct peer_ref r;
	struct bench b;
	double began;

	start_large(&b, PIECES, true);
	r = join(&b);
	m.hash.proof = merkle_height(merkle_width(PIECES)) - 1;
	memcpy(m.hash.root, b.meta->files[0].root, SHA256_LEN);
	effects_clear(&b.fx);
	began = cpu_s();
	for (uint32_t i = 0; i < 200; i++) {
		b.now += 1000;
		m.hash.index = i * 512;
		hear(&b, r, m);
		CHECK_INT(b.fx.list[0].u.msg.type, WIRE_HASHES);
		effects_clear(&b.fx);
	}
	CHECK(cpu_s() - began < 2);
	stop(&b);
}

static void hear_gone(struct bench *b, struct peer_ref r, uint32_t piece)
{
	uint8_t gone[4];

	put_be32(gone, piece);
	hear(b, r,
	     (struct wire_msg){
		 .type = WIRE_EXTENDED, .ext_id = SWARM_EXT_DONTHAVE, .body = bytes_of(gone, 4)});
}

/* Each piece is had, asked for, and taken back. */
TEST(pieces_that_are_taken_back_are_not_begun_one_after_the_other_for_good)
{
	struct peer_ref r, silent;
	struct bench b;

	start_large(&b, 0, false);
	silent = join(&b);
	hear_type(&b, silent, WIRE_UNCHOKE);
	/* All answers are waited for. */
	for (uint32_t i = 0; i < 20000; i++) {
		hear(&b, silent, (struct wire_msg){.type = WIRE_HAVE, .index = i});
		hear_gone(&b, silent, i);
		effects_clear(&b.fx);
	}
	CHECK_INT(b.s->picker.n_open, REQUESTS_MAX);
	swarm_check(b.s);
	r = join(&b);
	hear_type(&b, r, WIRE_UNCHOKE);
	for (uint32_t i = 0; i < 20000; i++) {
		uint32_t piece = PIECES - 1 - i;

		hear(&b, r, (struct wire_msg){.type = WIRE_HAVE, .index = piece});
		hear_gone(&b, r, piece);
		hear(&b, r,
		     (struct wire_msg){.type = WIRE_REJECT, .index = piece, .length = BLOCK_BYTES});
		effects_clear(&b.fx);
	}
	CHECK_INT(b.s->picker.n_open, REQUESTS_MAX);
	/* Who takes back much at once, as files of its were changed, rejects it all later. */
	for (uint32_t i = 0; i < REQUESTS_MAX; i++) {
		hear(&b, silent,
		     (struct wire_msg){.type = WIRE_REJECT, .index = i, .length = BLOCK_BYTES});
		CHECK(b.fx.n == 0 || b.fx.list[0].type != EFFECT_CLOSE);
		effects_clear(&b.fx);
	}
	CHECK_INT(b.s->picker.n_open, 0);
	swarm_on_closed(b.s, silent, b.now, &b.fx);
	CHECK_INT(b.s->picker.n_open, 0);
	swarm_check(b.s);
	/* And are asked for as if nothing had been. */
	effects_clear(&b.fx);
	hear(&b, r, (struct wire_msg){.type = WIRE_HAVE, .index = PIECES - 1});
	CHECK(b.fx.n > 0 && b.fx.list[b.fx.n - 1].u.msg.type == WIRE_REQUEST);
	stop(&b);
}

/* With the fast extension its answer is still waited for; choked and let go, it is not any more. */
TEST(a_piece_that_was_taken_back_is_fresh_when_nobody_may_answer_for_it_any_more)
{
	struct peer_ref r;
	struct bench b;

	start_large(&b, 0, false);
	r = join(&b);
	hear_type(&b, r, WIRE_UNCHOKE);
	hear(&b, r, (struct wire_msg){.type = WIRE_HAVE, .index = 7});
	hear_gone(&b, r, 7);
	CHECK(picker_open(&b.s->picker, 7) != NULL);
	hear_type(&b, r, WIRE_CHOKE);
	CHECK(picker_open(&b.s->picker, 7) != NULL);
	hear_type(&b, r, WIRE_UNCHOKE);
	CHECK(picker_open(&b.s->picker, 7) == NULL);
	swarm_check(b.s);
	stop(&b);
}

/* Of a torrent that goes through a pipe what was read is dropped, and more is asked for as the
 * window moves: what lies behind it is not searched each time, for each peer. */
TEST(pieces_that_are_dropped_behind_a_window_cost_no_search_beyond_it)
{
	struct bench b;
	double began;

	start_large(&b, 5000, false);
	swarm_set_order(b.s, ORDER_SEQUENTIAL, b.now, &b.fx);
	swarm_set_window(b.s, 5000, 5064, b.now, &b.fx);
	for (uint32_t i = 0; i < 30; i++) {
		struct peer_ref r = join(&b);

		hear(&b, r, (struct wire_msg){.type = WIRE_EXTENDED, .body = bytes_str("de")});
		hear_type(&b, r, WIRE_HAVE_ALL);
		hear_type(&b, r, WIRE_UNCHOKE);
		effects_clear(&b.fx);
	}
	CHECK_INT(b.s->picker.n_open, 64);
	began = cpu_s();
	for (uint32_t i = 0; i < 1000; i++) {
		swarm_on_piece_gone(b.s, i, b.now, &b.fx);
		effects_clear(&b.fx);
	}
	CHECK(cpu_s() - began < 1);
	CHECK_INT(b.s->n_peers, 30);
	swarm_check(b.s);
	stop(&b);
}

/* What sessions with an index ask of each torrent, and quotas of each transfer. */
TEST(what_goes_on_is_told_without_a_look_at_each_piece)
{
	struct swarm_stats all, some;
	struct bench b;
	double began;

	start_large(&b, PIECES / 2, false);
	hear_bits(&b, join(&b), 0, PIECES / 4);
	began = cpu_s();
	for (uint32_t i = 0; i < 10000; i++)
		swarm_traffic(b.s, b.now, &some);
	CHECK(cpu_s() - began < 1);
	swarm_stats(b.s, b.now, &all);
	CHECK_INT(all.sole, PIECES / 4);
	CHECK_INT(all.nowhere, PIECES / 2);
	CHECK(some.sole == 0 && some.nowhere == 0);
	CHECK(some.peers == 1 && some.have == all.have && some.missing_bytes == all.missing_bytes);
	stop(&b);
}
