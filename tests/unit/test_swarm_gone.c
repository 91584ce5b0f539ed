/* Pieces that go and come back, ours and others', and who is told of it. */
#include "swarm/swarm.h"

#include <stdlib.h>

#include "failmalloc.h"
#include "swarm/peer.h"
#include "swarm/swarm_parts.h"
#include "test.h"
#include "wire/ext.h"

#include "swarm_fixture.h"

#define BLOCK BLOCK_BYTES
/* The number that peers here have for BEP 54. */
#define DONTHAVE 9u

static void hear(struct bench *b, struct peer_ref r, struct wire_msg m)
{
	swarm_on_message(b->s, r, &m, b->now, &b->fx);
	swarm_check(b->s);
}

static void hear_type(struct bench *b, struct peer_ref r, enum wire_type type)
{
	hear(b, r, (struct wire_msg){.type = type});
}

static void hear_have(struct bench *b, struct peer_ref r, uint32_t piece)
{
	hear(b, r, (struct wire_msg){.type = WIRE_HAVE, .index = piece});
}

static void hear_lost(struct bench *b, struct peer_ref r, uint32_t piece)
{
	uint8_t body[4] = {0, 0, 0, (uint8_t)piece};

	hear(b, r,
	     (struct wire_msg){.type = WIRE_EXTENDED,
			       .ext_id = SWARM_EXT_DONTHAVE,
			       .body = bytes_of(body, sizeof(body))});
}

static struct peer_ref connect(struct bench *b, const char *client, bool fast)
{
	uint32_t i = b->n_peers++;
	struct peer_hello h = {.addr = {.ip = {10, 0, 0, (uint8_t)(i + 1)}, .port = 6881},
			       .fast = fast,
			       .extended = true,
			       .rtt_us = b->rtt_us};
	const char *why = NULL;

	memset(h.peer_id, (int)(i + 1), sizeof(h.peer_id));
	memcpy(h.peer_id, client, strlen(client));
	return swarm_on_connected(b->s, &h, b->now, &why, &b->fx);
}

/* It speaks of lost pieces. */
static void say_ext(struct bench *b, struct peer_ref r)
{
	struct ext_handshake ext = {.donthave = DONTHAVE};
	struct buf body;

	buf_init(&body, 1000);
	assert_int_equal(ext_encode(&body, &ext), 0);
	hear(b, r, (struct wire_msg){.type = WIRE_EXTENDED, .body = buf_bytes(&body)});
	buf_fini(&body);
}

static struct peer_ref join_as(struct bench *b, const char *client)
{
	struct peer_ref r = connect(b, client, true);

	say_ext(b, r);
	return r;
}

static struct peer_ref join(struct bench *b)
{
	return join_as(b, "");
}

/* A seed that lets us download. */
static struct peer_ref open_seed(struct bench *b)
{
	struct peer_ref r = join(b);

	hear_type(b, r, WIRE_HAVE_ALL);
	hear_type(b, r, WIRE_UNCHOKE);
	return r;
}

/* Up to `n` of the blocks that are asked of it come. */
static void blocks(struct bench *b, struct peer_ref r, unsigned n)
{
	struct block_ref next;

	for (; n > 0 && swarm_expected(b->s, r, &next, 1) == 1; n--)
		swarm_on_block(b->s, r, next, b->now, &b->fx);
	swarm_check(b->s);
}

static void good(struct bench *b, uint32_t piece)
{
	swarm_on_piece(b->s, piece, PIECE_GOOD, NULL, b->now, &b->fx);
	swarm_check(b->s);
}

static void gone(struct bench *b, uint32_t piece)
{
	swarm_on_piece_gone(b->s, piece, b->now, &b->fx);
	swarm_check(b->s);
}

static void back(struct bench *b, uint32_t piece)
{
	swarm_on_piece_back(b->s, piece, b->now, &b->fx);
	swarm_check(b->s);
}

/* Time passes as the swarm wants it. */
static void wait(struct bench *b, uint64_t ms)
{
	uint64_t until = b->now + ms, at;

	while ((at = swarm_deadline_ms(b->s)) <= until) {
		b->now = at > b->now ? at : b->now;
		swarm_on_tick(b->s, b->now, &b->fx);
		swarm_check(b->s);
	}
	b->now = until;
}

/* Messages of the type about the piece to the peer since the last forget(). */
static uint32_t said(const struct bench *b, struct peer_ref r, enum wire_type type, uint32_t piece)
{
	uint32_t n = 0;

	for (size_t i = 0; i < b->fx.n; i++) {
		const struct effect *e = &b->fx.list[i];

		n += e->type == EFFECT_SEND && e->peer.slot == r.slot && e->u.msg.type == type &&
		     e->u.msg.index == piece;
	}
	return n;
}

static void forget(struct bench *b)
{
	assert_false(b->fx.failed);
	effects_clear(&b->fx);
}

/* What is asked of it now. */
static uint32_t asked(const struct bench *b, struct peer_ref r)
{
	struct block_ref list[64];

	return swarm_expected(b->s, r, list, 64);
}

/* ---- ours ---------------------------------------------------------------- */

TEST(swarm_tells_nobody_of_a_piece_that_went_before_it_was_time_to)
{
	struct bench b;
	struct peer_ref seed, getter;

	start(&b, 1, "....", false);
	seed = open_seed(&b);
	getter = join(&b);
	blocks(&b, seed, 3);
	good(&b, 0);
	b.now++;
	good(&b, 1);
	gone(&b, 1);
	gone(&b, 0);
	forget(&b);
	wait(&b, 1000);
	CHECK_INT(said(&b, getter, WIRE_HAVE, 1), 0);
	CHECK_INT(said(&b, seed, WIRE_HAVE, 1), 0);
	CHECK_INT(said(&b, seed, WIRE_HAVE, 0), 0);
	stop(&b);
}

TEST(swarm_says_that_a_piece_is_gone_before_it_rejects_requests_for_it)
{
	struct bench b;
	struct peer_ref r;

	start(&b, 1, "**", false);
	r = join(&b);
	hear_type(&b, r, WIRE_INTERESTED);
	hear(&b, r, (struct wire_msg){.type = WIRE_REQUEST, .index = 1, .length = BLOCK});
	forget(&b);
	gone(&b, 1);
	CHECK_INT(b.fx.list[0].u.msg.type, WIRE_EXTENDED);
	CHECK_INT(b.fx.list[0].u.msg.ext_id, DONTHAVE);
	CHECK_INT(be32(b.fx.list[0].u.msg.body.ptr), 1);
	CHECK_INT(b.fx.list[1].u.msg.type, WIRE_REJECT);
	stop(&b);
}

TEST(swarm_closes_who_has_not_said_yet_how_it_can_be_told_that_a_piece_is_gone)
{
	struct bench b;
	struct peer_ref r;

	start(&b, 1, "**", false);
	r = connect(&b, "", true);
	hear_have(&b, r, 1);
	gone(&b, 1);
	CHECK_INT(b.fx.list[b.fx.n - 1].type, EFFECT_CLOSE);
	stop(&b);
}

TEST(swarm_keeps_a_source_that_lacks_a_piece_that_is_gone)
{
	struct bench b;
	struct peer_ref r;

	start(&b, 1, "*.", false);
	r = swarm_add_source(b.s, b.now, &b.fx);
	swarm_source_lacks(b.s, r, 0, 1, b.now, &b.fx);
	forget(&b);
	gone(&b, 0);
	for (size_t i = 0; i < b.fx.n; i++)
		CHECK(b.fx.list[i].type != EFFECT_CLOSE);
	CHECK_INT(asked(&b, r), 1);
	stop(&b);
}

/* Without the fast extension nothing can be rejected. */
TEST(swarm_lets_requests_pass_that_cross_with_the_news_that_the_piece_is_gone)
{
	struct wire_msg ask = {.type = WIRE_REQUEST, .index = 1, .length = BLOCK};
	struct block_ref out;
	struct bench b;
	struct peer_ref r;

	start(&b, 1, "**", false);
	r = connect(&b, "", false);
	say_ext(&b, r);
	hear_type(&b, r, WIRE_INTERESTED);
	gone(&b, 1);
	forget(&b);
	hear(&b, r, ask);
	CHECK_INT(b.fx.n, 0);
	CHECK(!swarm_next_upload(b.s, r, &out));
	stop(&b);
}

TEST(swarm_that_lacks_something_again_takes_back_that_it_only_uploads)
{
	struct ext_handshake h = {.upload_only = true};
	struct bench b;
	struct peer_ref r;

	start(&b, 1, "**", false);
	r = join(&b);
	forget(&b);
	gone(&b, 1);
	CHECK_INT(b.fx.n, 2);
	CHECK_INT(b.fx.list[1].peer.slot, r.slot);
	CHECK_INT(b.fx.list[1].u.msg.ext_id, 0);
	CHECK_INT(ext_decode(&h, b.fx.list[1].u.msg.body), 0);
	CHECK(!h.upload_only);
	/* Once is enough. */
	forget(&b);
	gone(&b, 0);
	CHECK_INT(b.fx.n, 1);
	stop(&b);
}

/* Of what they had themselves they were told nothing. */
TEST(swarm_that_has_everything_says_so_to_those_who_had_part_of_it)
{
	struct ext_handshake h = {0};
	struct bench b;
	struct peer_ref seed, ours, other;

	start(&b, 1, "..", false);
	seed = open_seed(&b);
	ours = join_as(&b, "-SH0100-");
	hear_have(&b, ours, 0);
	other = join(&b);
	hear_have(&b, other, 0);
	blocks(&b, seed, 2);
	good(&b, 1);
	forget(&b);
	good(&b, 0);
	CHECK_INT(said(&b, ours, WIRE_HAVE_ALL, 0), 1);
	CHECK_INT(said(&b, other, WIRE_HAVE_ALL, 0), 0);
	CHECK_INT(said(&b, other, WIRE_EXTENDED, 0), 1);
	CHECK_INT(ext_decode(&h, b.fx.list[b.fx.n - 1].u.msg.body), 0);
	CHECK(h.upload_only);
	stop(&b);
}

TEST(swarm_that_finds_a_piece_again_drops_what_it_gave_up_asking_for_it)
{
	struct block_ref asked_for;
	struct bench b;
	struct peer_ref r;

	start(&b, 1, "*.", false);
	r = open_seed(&b);
	gone(&b, 0);
	CHECK_INT(asked(&b, r), 2);
	/* What it was asked before may still come. */
	hear_type(&b, r, WIRE_CHOKE);
	CHECK_INT(asked(&b, r), 2);
	back(&b, 0);
	CHECK(bitfield_has(swarm_have(b.s), 0));
	CHECK_INT(swarm_expected(b.s, r, &asked_for, 1), 1);
	CHECK_INT(asked_for.piece, 1);
	/* So is what it is asked for now. */
	gone(&b, 0);
	hear_type(&b, r, WIRE_UNCHOKE);
	CHECK_INT(asked(&b, r), 2);
	back(&b, 0);
	CHECK(bitfield_has(swarm_have(b.s), 0));
	CHECK_INT(asked(&b, r), 1);
	asked_for = (struct block_ref){0, 0, BLOCK};
	CHECK_INT(swarm_judge_block(b.s, r, 0, 0, BLOCK), BLOCK_USELESS);
	swarm_on_block(b.s, r, asked_for, b.now, &b.fx);
	swarm_check(b.s);
	stop(&b);
}

TEST(swarm_takes_a_piece_back_that_is_not_wanted_any_more)
{
	static const uint8_t plan[] = {WANT_NOT, WANT_NORMAL};
	struct bench b;
	struct peer_ref r;

	start(&b, 1, "*.", false);
	r = join(&b);
	swarm_set_wanted(b.s, plan, b.now, &b.fx);
	gone(&b, 0);
	forget(&b);
	back(&b, 0);
	CHECK(!b.fx.failed);
	CHECK(bitfield_has(swarm_have(b.s), 0));
	CHECK_INT(said(&b, r, WIRE_HAVE, 0), 1);
	stop(&b);
}

TEST(swarm_takes_pieces_back_without_memory)
{
	struct bench b;

	start(&b, 1, "**.", false);
	gone(&b, 0);
	failmalloc_start(1, true);
	back(&b, 0);
	CHECK_INT(failmalloc_stop(), 0);
	CHECK(bitfield_has(swarm_have(b.s), 0));
	stop(&b);
}

/* ---- others' ------------------------------------------------------------- */

TEST(swarm_tells_who_lost_a_piece_that_it_is_to_be_had_here)
{
	struct bench b;
	struct peer_ref seed, r;

	start(&b, 1, "....", false);
	seed = open_seed(&b);
	r = join(&b);
	hear_have(&b, r, 0);
	hear_type(&b, r, WIRE_INTERESTED);
	blocks(&b, seed, 4);
	good(&b, 0);
	wait(&b, 1000);
	/* It had that itself. */
	CHECK_INT(said(&b, r, WIRE_HAVE, 0), 0);
	hear_lost(&b, r, 0);
	CHECK_INT(said(&b, r, WIRE_HAVE, 0), 1);
	hear_have(&b, r, 1);
	hear_lost(&b, r, 1);
	CHECK_INT(said(&b, r, WIRE_HAVE, 1), 0);
	/* Who has everything is told later than others, and has that piece no more by then. */
	CHECK_INT(said(&b, seed, WIRE_HAVE, 0), 1);
	hear_lost(&b, seed, 0);
	CHECK_INT(said(&b, seed, WIRE_HAVE, 0), 2);
	stop(&b);
}

TEST(swarm_asks_others_for_what_a_peer_has_lost)
{
	struct bench b;
	struct peer_ref r, other;

	start(&b, 4, "..", false);
	r = join(&b);
	hear_have(&b, r, 1);
	hear_type(&b, r, WIRE_UNCHOKE);
	CHECK_INT(asked(&b, r), 4);
	other = open_seed(&b);
	CHECK_INT(asked(&b, other), 4);
	blocks(&b, other, 4);
	hear_lost(&b, r, 1);
	CHECK_INT(asked(&b, other), 4);
	/* What was under way already is welcome. */
	CHECK_INT(swarm_judge_block(b.s, r, 1, 0, BLOCK), BLOCK_WANTED);
	stop(&b);
}

TEST(swarm_goes_on_at_once_with_who_rejected_what_it_lost)
{
	struct bench b;
	struct peer_ref r;

	start(&b, 8, "..", false);
	r = join(&b);
	hear_have(&b, r, 0);
	hear_type(&b, r, WIRE_UNCHOKE);
	blocks(&b, r, 4);
	CHECK_INT(asked(&b, r), 4);
	hear_lost(&b, r, 0);
	for (uint32_t k = 4; k < 8; k++)
		hear(&b, r,
		     (struct wire_msg){.type = WIRE_REJECT, .begin = k * BLOCK, .length = BLOCK});
	CHECK_INT(asked(&b, r), 0);
	hear_have(&b, r, 0);
	CHECK_INT(asked(&b, r), 4);
	stop(&b);
}

TEST(swarm_counts_rejects_that_come_together_once)
{
	struct bench b;
	struct peer_ref r;

	start(&b, 8, "..", false);
	r = open_seed(&b);
	blocks(&b, r, 8);
	CHECK(asked(&b, r) == 8);
	for (uint32_t piece = 0; piece < 2; piece++)
		for (uint32_t k = 0; k < 8; k++)
			if (swarm_judge_block(b.s, r, piece, k * BLOCK, BLOCK) == BLOCK_WANTED)
				hear(&b, r,
				     (struct wire_msg){.type = WIRE_REJECT,
						       .index = piece,
						       .begin = k * BLOCK,
						       .length = BLOCK});
	CHECK_INT(asked(&b, r), 0);
	wait(&b, 600);
	CHECK(asked(&b, r) > 0);
	stop(&b);
}

TEST(swarm_asks_who_rejected_again_though_it_had_nothing_for_us_meanwhile)
{
	struct bench b;
	struct peer_ref r;

	start(&b, 1, "..", false);
	r = join(&b);
	hear_have(&b, r, 0);
	hear_type(&b, r, WIRE_UNCHOKE);
	/* An old client: it rejects first, then says why. */
	hear(&b, r, (struct wire_msg){.type = WIRE_REJECT, .length = BLOCK});
	hear_lost(&b, r, 0);
	wait(&b, 60);
	hear_have(&b, r, 0);
	CHECK_INT(asked(&b, r), 0);
	wait(&b, 600);
	CHECK_INT(asked(&b, r), 1);
	stop(&b);
}

TEST(swarm_asks_who_says_late_that_it_has_everything)
{
	struct bench b;
	struct peer_ref r;

	start(&b, 1, "..", false);
	r = join(&b);
	hear_have(&b, r, 0);
	hear_type(&b, r, WIRE_UNCHOKE);
	blocks(&b, r, 1);
	good(&b, 0);
	CHECK_INT(asked(&b, r), 0);
	hear_type(&b, r, WIRE_HAVE_ALL);
	CHECK_INT(asked(&b, r), 1);
	stop(&b);
}

TEST(swarm_fetches_a_bad_piece_from_others_when_the_one_it_asks_loses_it)
{
	struct bench b;
	struct peer_ref one, two, three;
	uint8_t hashes[2 * SHA256_LEN] = {0};

	start(&b, 2, ".", false);
	one = join(&b);
	hear_have(&b, one, 0);
	hear_type(&b, one, WIRE_UNCHOKE);
	blocks(&b, one, 1);
	hear_type(&b, one, WIRE_CHOKE);
	two = open_seed(&b);
	blocks(&b, two, 1);
	hear_type(&b, two, WIRE_CHOKE);
	three = join(&b);
	hear_have(&b, three, 0);
	hear_type(&b, three, WIRE_UNCHOKE);
	/* The one that had no part in it is asked. */
	swarm_on_piece(b.s, 0, PIECE_BAD, hashes, b.now, &b.fx);
	CHECK_INT(asked(&b, three), 2);
	hear_type(&b, two, WIRE_UNCHOKE);
	hear_lost(&b, three, 0);
	CHECK_INT(asked(&b, two), 2);
	stop(&b);
}

static bool was_closed(const struct bench *b)
{
	for (size_t i = 0; i < b->fx.n; i++)
		if (b->fx.list[i].type == EFFECT_CLOSE)
			return true;
	return false;
}

TEST(swarm_closes_who_takes_a_piece_back_and_has_it_again_without_end)
{
	struct bench b;
	struct peer_ref r;

	start(&b, 1, "........", false);
	r = join(&b);
	hear_type(&b, r, WIRE_HAVE_ALL);
	/* What a file that was changed takes with it is one loss. */
	for (uint32_t k = 0; k < 8; k++)
		hear_lost(&b, r, k);
	for (uint32_t k = 0; k < 8; k++)
		hear_have(&b, r, k);
	for (uint32_t i = 1; i < PEER_LOSSES_BURST; i++) {
		hear_lost(&b, r, 0);
		hear_have(&b, r, 0);
	}
	CHECK(!was_closed(&b));
	b.now += PEER_LOSSES_MS;
	hear_lost(&b, r, 0);
	hear_type(&b, r, WIRE_HAVE_ALL);
	CHECK(!was_closed(&b));
	hear_lost(&b, r, 0);
	CHECK(was_closed(&b));
	stop(&b);
}

/* Who moves a million pieces by it costs more than he pays. */
TEST(swarm_leaves_all_other_pieces_where_they_are_when_one_is_taken_back_or_all_are_there)
{
	uint32_t was[200];
	char pieces[201];
	struct bench b;
	struct peer_ref r;

	memset(pieces, '.', 200);
	pieces[200] = '\0';
	start(&b, 1, pieces, false);
	r = join(&b);
	hear_type(&b, r, WIRE_HAVE_ALL);
	for (uint32_t i = 0; i < PEER_LOSSES_BURST; i++) {
		uint32_t moved = 0;

		memcpy(was, b.s->picker.place, sizeof(was));
		hear_lost(&b, r, 7);
		hear_have(&b, r, 7);
		for (uint32_t k = 0; k < 200; k++)
			moved += b.s->picker.place[k] != was[k];
		CHECK(moved <= 4);
		swarm_check(b.s);
	}
	CHECK(!was_closed(&b));
	stop(&b);
}

/* ---- near and far -------------------------------------------------------- */

TEST(swarm_asks_who_was_far_when_the_near_ones_have_gone)
{
	struct peer_ref near[5], far;
	struct bench b;

	start(&b, 1, "...", false);
	b.rtt_us = 1000;
	for (uint32_t i = 0; i < 5; i++) {
		near[i] = join(&b);
		for (uint32_t k = 0; k < 2; k++)
			hear_have(&b, near[i], k);
	}
	b.rtt_us = 100000;
	far = join(&b);
	for (uint32_t k = 0; k < 2; k++)
		hear_have(&b, far, k);
	hear_type(&b, near[0], WIRE_UNCHOKE);
	wait(&b, 300);
	hear_type(&b, far, WIRE_UNCHOKE);
	wait(&b, 300);
	hear_type(&b, near[0], WIRE_CHOKE);
	wait(&b, 3000);
	CHECK_INT(asked(&b, far), 0);
	for (uint32_t i = 0; i < 5; i++)
		swarm_on_closed(b.s, near[i], b.now, &b.fx);
	wait(&b, 1000);
	CHECK(asked(&b, far) > 0);
	stop(&b);
}

struct sites {
	struct peer_ref near[4], far;
};

/* A far one that has all of 40 pieces and lets it download, and four near ones with the first
 * `pieces`. What the far one was asked before it was seen to be far has come. */
static void meet_sites(struct bench *b, struct sites *w, uint32_t pieces)
{
	start(b, 1, "........................................", false);
	b->rtt_us = 100000;
	w->far = open_seed(b);
	b->rtt_us = 1000;
	for (uint32_t i = 0; i < 4; i++) {
		w->near[i] = join(b);
		if (pieces == 40)
			hear_type(b, w->near[i], WIRE_HAVE_ALL);
		for (uint32_t k = 0; pieces < 40 && k < pieces; k++)
			hear_have(b, w->near[i], k);
	}
	wait(b, 300);
	blocks(b, w->far, 4);
}

/* So often they all let it download for a second, bring nothing, and choke it for another. Returns
 * what the far one was asked in that time, and brought. */
static uint32_t tease(struct bench *b, const struct sites *w, uint32_t times)
{
	uint32_t n = 0;

	for (uint32_t k = 0; k < 2 * times; k++) {
		for (uint32_t i = 0; i < 4; i++)
			hear_type(b, w->near[i], k % 2 == 0 ? WIRE_UNCHOKE : WIRE_CHOKE);
		wait(b, 1000);
		n += asked(b, w->far);
		blocks(b, w->far, 64);
	}
	return n;
}

TEST(swarm_asks_far_ones_for_what_near_ones_claim_and_do_not_give)
{
	struct sites w;
	struct bench b;

	meet_sites(&b, &w, 40);
	/* They have some time to begin. */
	wait(&b, 6000);
	CHECK_INT(asked(&b, w.far), 0);
	wait(&b, 5000);
	CHECK(asked(&b, w.far) > 0);
	stop(&b);
	meet_sites(&b, &w, 40);
	CHECK_INT(tease(&b, &w, 3), 0);
	CHECK(tease(&b, &w, 4) > 0);
	stop(&b);
}

/* They lack something and their ids are less: one of them is to ask the far one. */
TEST(swarm_waits_for_near_ones_that_go_before_only_while_something_comes_of_them)
{
	struct sites w;
	struct bench b;

	meet_sites(&b, &w, 39);
	/* What only the far one has, before any near one let it download. */
	CHECK_INT(tease(&b, &w, 1), 1);
	CHECK_INT(tease(&b, &w, 3), 0);
	CHECK(tease(&b, &w, 12) > 0);
	stop(&b);
}

TEST(swarm_asks_far_ones_for_nothing_that_a_near_one_gives)
{
	struct sites w;
	struct bench b;

	meet_sites(&b, &w, 40);
	hear_type(&b, w.near[0], WIRE_UNCHOKE);
	for (uint32_t i = 0; i < 10; i++) {
		wait(&b, 3000);
		blocks(&b, w.near[0], 1);
		CHECK_INT(asked(&b, w.far), 0);
	}
	hear_type(&b, w.near[0], WIRE_CHOKE);
	wait(&b, 6000);
	CHECK_INT(asked(&b, w.far), 0);
	wait(&b, 5000);
	CHECK(asked(&b, w.far) > 0);
	stop(&b);
}
