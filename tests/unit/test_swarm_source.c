/* Sources of a swarm: web servers, which give what they are asked for in long rows. */
#include "swarm/swarm.h"

#include <stdio.h>
#include <stdlib.h>

#include "failmalloc.h"
#include "test.h"

#include "swarm_fixture.h"

#define BLOCK BLOCK_BYTES

static struct peer_ref source(struct bench *b)
{
	struct peer_ref r = swarm_add_source(b->s, b->now, &b->fx);

	swarm_check(b->s);
	return r;
}

/* A seed that lets us download. */
static struct peer_ref seed(struct bench *b, uint8_t i)
{
	struct peer_hello h = {.addr = {.ip = {10, 0, 0, i}, .port = 6881}, .fast = true};
	const char *why;
	struct peer_ref r;

	memset(h.peer_id, 'a' + i, sizeof(h.peer_id));
	r = swarm_on_connected(b->s, &h, b->now, &why, &b->fx);
	swarm_on_message(b->s, r, &(struct wire_msg){.type = WIRE_HAVE_ALL}, b->now, &b->fx);
	swarm_on_message(b->s, r, &(struct wire_msg){.type = WIRE_UNCHOKE}, b->now, &b->fx);
	swarm_check(b->s);
	return r;
}

/* The pieces that it shall bring, in the order they were asked for, each once. */
static const char *expected(struct bench *b, struct peer_ref r)
{
	struct block_ref list[2048];
	uint32_t n = swarm_expected(b->s, r, list, 2048), last = UINT32_MAX;
	size_t len = 0;

	b->text[0] = '\0';
	for (uint32_t i = 0; i < n; i++) {
		if (list[i].piece != last)
			len += (size_t)snprintf(b->text + len, sizeof(b->text) - len,
						len == 0 ? "%u" : " %u", list[i].piece);
		last = list[i].piece;
	}
	return b->text;
}

static uint32_t count(const struct bench *b, enum effect_type type)
{
	uint32_t n = 0;

	for (size_t i = 0; i < b->fx.n; i++)
		n += b->fx.list[i].type == type;
	return n;
}

static void bring(struct bench *b, struct peer_ref r, uint32_t piece, uint32_t blocks)
{
	for (uint32_t k = 0; k < blocks; k++)
		swarm_on_block(b->s, r, (struct block_ref){piece, k * BLOCK, BLOCK}, b->now,
			       &b->fx);
	swarm_check(b->s);
}

TEST(a_source_is_asked_for_a_row_and_is_told_so_once)
{
	struct bench b;
	struct peer_ref r;

	start(&b, 32, "*...*.....*.", false);
	r = source(&b);
	CHECK_STR(expected(&b, r), "5 6");
	CHECK_INT(count(&b, EFFECT_FETCH), 1);
	CHECK_INT(count(&b, EFFECT_SEND), 0);
	stop(&b);
}

TEST(a_source_goes_on_with_its_row_and_then_begins_the_longest_gap)
{
	struct bench b;
	struct peer_ref r;

	start(&b, 32, "*..*....*", false);
	r = source(&b);
	CHECK_STR(expected(&b, r), "4 5");
	bring(&b, r, 4, 32);
	CHECK_STR(expected(&b, r), "5 6 7 1 2");
	stop(&b);
}

TEST(a_source_begins_in_the_middle_of_a_gap_that_another_one_comes_into)
{
	struct bench b;
	struct peer_ref r, other;

	start(&b, 32, "*.......", false);
	r = source(&b);
	CHECK_STR(expected(&b, r), "1 2");
	other = source(&b);
	CHECK_STR(expected(&b, other), "5 6");
	stop(&b);
}

TEST(a_source_takes_first_what_no_peer_has)
{
	struct bench b;
	struct peer_ref r;
	struct peer_hello h = {.addr = {.ip = {10, 0, 0, 9}, .port = 1}, .fast = true};
	const char *why;

	start(&b, 64, "........", false);
	memset(h.peer_id, 'z', sizeof(h.peer_id));
	r = swarm_on_connected(b.s, &h, b.now, &why, &b.fx);
	for (uint32_t i = 0; i < 8; i++)
		if (i != 6)
			swarm_on_message(b.s, r, &(struct wire_msg){.type = WIRE_HAVE, .index = i},
					 b.now, &b.fx);
	r = source(&b);
	CHECK_STR(expected(&b, r), "6");
	stop(&b);
}

TEST(what_a_source_cannot_bring_now_is_asked_of_others_and_of_it_after_a_while)
{
	struct bench b;
	struct peer_ref r, p;

	start(&b, 4, "..", false);
	r = source(&b);
	CHECK(expected(&b, r)[0] != '\0');
	p = seed(&b, 1);
	CHECK_STR(expected(&b, p), "");
	effects_clear(&b.fx);
	swarm_source_rest(b.s, r, 5000, b.now, &b.fx);
	swarm_check(b.s);
	CHECK_STR(expected(&b, r), "");
	CHECK(expected(&b, p)[0] != '\0');
	swarm_on_closed(b.s, p, b.now, &b.fx);
	swarm_check(b.s);
	CHECK_STR(expected(&b, r), "");
	b.now += 6000;
	swarm_on_tick(b.s, b.now, &b.fx);
	swarm_check(b.s);
	CHECK(expected(&b, r)[0] != '\0');
	stop(&b);
}

TEST(a_peer_is_a_giver_while_it_has_what_is_lacking_and_a_source_is_none)
{
	struct bench b;
	struct peer_ref p;

	start(&b, 4, "..", false);
	CHECK(source(&b).slot != UINT32_MAX);
	CHECK(!swarm_has_givers(b.s));
	p = seed(&b, 1);
	CHECK(swarm_has_givers(b.s));
	swarm_on_closed(b.s, p, b.now, &b.fx);
	CHECK(!swarm_has_givers(b.s));
	stop(&b);
}

TEST(pieces_that_a_source_lacks_are_not_asked_of_it)
{
	struct bench b;
	struct swarm_stats st;
	struct peer_ref r;
	const char *asked;

	start(&b, 4, "......", false);
	r = source(&b);
	swarm_source_lacks(b.s, r, 0, 4, b.now, &b.fx);
	swarm_check(b.s);
	swarm_stats(b.s, b.now, &st);
	CHECK_INT(st.sources, 1);
	CHECK(swarm_source_has_wanted(b.s, r));
	asked = expected(&b, r); /* in the order of the first run, which began anywhere */
	CHECK(strcmp(asked, "4 5") == 0 || strcmp(asked, "5 4") == 0);
	swarm_source_lacks(b.s, r, 4, 2, b.now, &b.fx);
	swarm_check(b.s);
	CHECK_STR(expected(&b, r), "");
	swarm_stats(b.s, b.now, &st); /* nothing that is lacking is to be had of it */
	CHECK_INT(st.sources, 0);
	CHECK(!swarm_source_has_wanted(b.s, r));
	stop(&b);
}

TEST(a_source_that_alone_sent_a_bad_piece_is_told_off)
{
	struct bench b;
	struct peer_ref r;

	start(&b, 2, ".", false);
	r = source(&b);
	bring(&b, r, 0, 2);
	CHECK_INT(count(&b, EFFECT_VERIFY), 1);
	effects_clear(&b.fx);
	swarm_on_piece(b.s, 0, PIECE_BAD, NULL, b.now, &b.fx);
	swarm_check(b.s);
	CHECK_INT(count(&b, EFFECT_CLOSE), 1);
	CHECK_INT(count(&b, EFFECT_BAN), 0);
	CHECK_STR(expected(&b, r), "");
	stop(&b);
}

TEST(sources_are_no_peers_in_any_count_and_stay_when_all_is_there)
{
	struct bench b;
	struct peer_ref r;
	struct swarm_stats st;
	struct swarm_peer list[4];

	start(&b, 1, ".", false);
	r = source(&b);
	swarm_stats(b.s, b.now, &st);
	CHECK(st.peers == 0 && st.seeds == 0 && st.sources == 1 && st.can_complete);
	CHECK_INT(swarm_peers(b.s, b.now, list, 4), 0);
	bring(&b, r, 0, 1);
	effects_clear(&b.fx);
	swarm_on_piece(b.s, 0, PIECE_GOOD, NULL, b.now, &b.fx);
	swarm_check(b.s);
	CHECK_INT(count(&b, EFFECT_COMPLETE), 1);
	CHECK_INT(count(&b, EFFECT_CLOSE), 0);
	CHECK_INT(count(&b, EFFECT_SEND), 0);
	swarm_stats(b.s, b.now, &st);
	CHECK(st.source_bytes == BLOCK);
	for (uint32_t i = 1; i < SWARM_SOURCES_MAX; i++)
		CHECK(source(&b).slot != UINT32_MAX);
	CHECK_INT(source(&b).slot, UINT32_MAX);
	b.now += 10 * SWARM_IDLE_MS;
	swarm_on_tick(b.s, b.now, &b.fx);
	swarm_check(b.s);
	CHECK_INT(count(&b, EFFECT_CLOSE), 0);
	stop(&b);
}

TEST(what_a_silent_seed_owes_is_asked_of_a_source)
{
	struct bench b;
	struct peer_ref r, p;

	start(&b, 8, ".", false);
	p = seed(&b, 1);
	r = source(&b);
	CHECK_STR(expected(&b, p), "0");
	b.now += 10000;
	swarm_on_tick(b.s, b.now, &b.fx);
	swarm_check(b.s);
	CHECK_STR(expected(&b, r), "0");
	stop(&b);
}

TEST(what_is_urgent_comes_before_what_a_source_is_at)
{
	struct bench b;
	struct peer_ref r;
	struct piece_run urgent = {6, 2};

	start(&b, 32, "*.......", false);
	r = source(&b);
	CHECK_STR(expected(&b, r), "1 2");
	effects_clear(&b.fx);
	swarm_set_urgent(b.s, &urgent, 1, b.now, &b.fx);
	swarm_check(b.s);
	CHECK_STR(expected(&b, r), "6 7");
	CHECK(count(&b, EFFECT_FETCH) > 0);
	/* The next one is asked for already: nothing is given up for it. */
	urgent = (struct piece_run){7, 1};
	effects_clear(&b.fx);
	swarm_set_urgent(b.s, &urgent, 1, b.now, &b.fx);
	CHECK_INT(count(&b, EFFECT_FETCH), 0);
	CHECK_STR(expected(&b, r), "6 7");
	stop(&b);
}

TEST(a_source_follows_what_is_wanted_and_in_which_order)
{
	static const uint8_t wanted[] = {2, 0, 2, 2, 0, 3, 3, 2};
	struct bench b;
	struct peer_ref r;

	start(&b, 32, "........", false);
	swarm_set_wanted(b.s, wanted, b.now, &b.fx);
	swarm_set_order(b.s, ORDER_SEQUENTIAL, b.now, &b.fx);
	r = source(&b);
	CHECK_STR(expected(&b, r), "5 6");
	bring(&b, r, 5, 32);
	bring(&b, r, 6, 32);
	CHECK(strncmp(expected(&b, r), "7 0 2 3", 7) == 0);
	stop(&b);
}

static void short_life(struct bench *b)
{
	struct peer_ref r = swarm_add_source(b->s, b->now, &b->fx);

	swarm_source_lacks(b->s, r, 0, 1, b->now, &b->fx);
	for (uint32_t i = 0; i < 3; i++)
		bring(b, r, i, 4);
	swarm_source_rest(b->s, r, 1000, b->now, &b->fx);
	swarm_check(b->s);
	swarm_on_closed(b->s, r, b->now, &b->fx);
	swarm_check(b->s);
}

TEST(a_swarm_with_sources_survives_the_failure_of_any_allocation)
{
	for (size_t nth = 1; nth < 40; nth++) {
		for (int forever = 0; forever < 2; forever++) {
			struct bench b;

			start(&b, 4, "...", false);
			failmalloc_start(nth, forever != 0);
			short_life(&b);
			failmalloc_stop();
			stop(&b);
		}
	}
}
