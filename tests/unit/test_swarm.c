/* One swarm: events in, effects out, as text. A peer is spoken of by its slot. */
#include "swarm/swarm.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/digest.h"
#include "failmalloc.h"
#include "meta/merkle.h"
#include "swarm/choker.h"
#include "swarm/peer.h"
#include "test.h"
#include "wire/ext.h"

#include "swarm_fixture.h"

#define BLOCK BLOCK_BYTES

static size_t put_effect(char *out, size_t cap, const struct effect *e)
{
	const struct wire_msg *m = &e->u.msg;
	int n = 0;

	switch (e->type) {
	case EFFECT_SEND:
		n = snprintf(out, cap, "%u:%s", e->peer.slot, wire_type_text(m->type));
		if (m->type == WIRE_HAVE || m->type == WIRE_SUGGEST || m->type == WIRE_REQUEST ||
		    m->type == WIRE_CANCEL || m->type == WIRE_REJECT)
			n += snprintf(out + n, cap - (size_t)n, "(%u", m->index);
		if (m->type == WIRE_REQUEST || m->type == WIRE_CANCEL || m->type == WIRE_REJECT)
			n += snprintf(out + n, cap - (size_t)n, ".%u", m->begin / BLOCK);
		if (m->type == WIRE_HAVE || m->type == WIRE_SUGGEST || m->type == WIRE_REQUEST ||
		    m->type == WIRE_CANCEL || m->type == WIRE_REJECT)
			n += snprintf(out + n, cap - (size_t)n, ")");
		break;
	case EFFECT_UPLOAD:
		n = snprintf(out, cap, "%u:upload", e->peer.slot);
		break;
	case EFFECT_CLOSE:
		n = snprintf(out, cap, "%u:close", e->peer.slot);
		break;
	case EFFECT_BAN:
		n = snprintf(out, cap, "ban");
		break;
	case EFFECT_DIAL:
		n = snprintf(out, cap, "dial(%u)", e->u.addr.ip[3]);
		break;
	case EFFECT_PUNCH:
		n = snprintf(out, cap, "punch(%u)", e->u.addr.ip[3]);
		break;
	case EFFECT_SEEN_AS:
		n = snprintf(out, cap, "%u:sees(%u)", e->peer.slot, e->u.addr.ip[3]);
		break;
	case EFFECT_VERIFY:
		n = snprintf(out, cap, "verify(%u)", e->u.piece);
		break;
	case EFFECT_SERVE_HASHES:
		n = snprintf(out, cap, "%u:serve", e->peer.slot);
		break;
	case EFFECT_READ_HASHES:
		n = snprintf(out, cap, "read(%u)", e->u.piece);
		break;
	case EFFECT_FETCH:
		n = snprintf(out, cap, "%u:fetch", e->peer.slot);
		break;
	case EFFECT_WANT_PEERS:
		n = snprintf(out, cap, "want");
		break;
	case EFFECT_COMPLETE:
		n = snprintf(out, cap, "complete");
		break;
	}
	return (size_t)n;
}

/* What was asked for since the last call, in words. */
static const char *said(struct bench *b)
{
	size_t len = 0;

	b->text[0] = '\0';
	for (size_t i = 0; i < b->fx.n && len < sizeof(b->text) - 64; i++) {
		if (i > 0)
			b->text[len++] = ' ';
		len += put_effect(b->text + len, sizeof(b->text) - len, &b->fx.list[i]);
	}
	b->text[len] = '\0';
	effects_clear(&b->fx);
	swarm_check(b->s);
	return b->text;
}

enum { FAST = 1, V2 = 2, EXTENDED = 4, INCOMING = 8, OURS = 16 };

static struct addr addr_of(uint32_t i)
{
	return (struct addr){.ip = {10, 0, 0, (uint8_t)(i + 1)}, .port = 6881};
}

static struct peer_ref join_as(struct bench *b, uint32_t i, uint8_t id, unsigned flags)
{
	struct peer_hello h = {.addr = addr_of(i),
			       .incoming = (flags & INCOMING) != 0,
			       .fast = (flags & FAST) != 0,
			       .v2 = (flags & V2) != 0,
			       .extended = (flags & EXTENDED) != 0,
			       .rtt_us = b->rtt_us};
	const char *why = NULL;

	memset(h.peer_id, id, sizeof(h.peer_id));
	if ((flags & OURS) != 0)
		memcpy(h.peer_id, "-SH0100-", 8);
	return swarm_on_connected(b->s, &h, b->now, &why, &b->fx);
}

static struct peer_ref join(struct bench *b, unsigned flags)
{
	uint32_t i = b->n_peers++;

	return join_as(b, i, (uint8_t)(i + 1), flags);
}

static void hear(struct bench *b, struct peer_ref r, struct wire_msg m)
{
	swarm_on_message(b->s, r, &m, b->now, &b->fx);
}

static void hear_type(struct bench *b, struct peer_ref r, enum wire_type type)
{
	hear(b, r, (struct wire_msg){.type = type});
}

static void hear_block_msg(struct bench *b, struct peer_ref r, enum wire_type type, uint32_t piece,
			   uint32_t block)
{
	hear(b, r,
	     (struct wire_msg){
		 .type = type, .index = piece, .begin = block * BLOCK, .length = BLOCK});
}

static void block(struct bench *b, struct peer_ref r, uint32_t piece, uint32_t k)
{
	swarm_on_block(b->s, r, (struct block_ref){piece, k * BLOCK, BLOCK}, b->now, &b->fx);
}

/* Everything that is asked of it comes. */
static void blocks(struct bench *b, struct peer_ref r)
{
	struct block_ref next;

	while (swarm_expected(b->s, r, &next, 1) == 1)
		swarm_on_block(b->s, r, next, b->now, &b->fx);
}

static void tick(struct bench *b, uint64_t ms)
{
	b->now += ms;
	swarm_on_tick(b->s, b->now, &b->fx);
}

/* Up to `n` of the blocks that are asked of it come. */
static void some_blocks(struct bench *b, struct peer_ref r, unsigned n)
{
	struct block_ref next;

	for (; n > 0 && swarm_expected(b->s, r, &next, 1) == 1; n--)
		swarm_on_block(b->s, r, next, b->now, &b->fx);
}

/* A seed that lets us download; what was said so far is thrown away. */
static struct peer_ref open_seed(struct bench *b, unsigned flags)
{
	struct peer_ref r = join(b, flags | FAST);

	hear_type(b, r, WIRE_HAVE_ALL);
	hear_type(b, r, WIRE_UNCHOKE);
	return r;
}

/* ---- opening ------------------------------------------------------------- */

TEST(swarm_opens_with_what_it_has)
{
	struct bench b;

	start(&b, 1, "....", false);
	join(&b, FAST);
	CHECK_STR(said(&b), "0:have none");
	join(&b, 0);
	CHECK_STR(said(&b), "");
	join(&b, FAST | EXTENDED);
	CHECK_STR(said(&b), "2:have none 2:extended");
	join(&b, EXTENDED);
	CHECK_STR(said(&b), "3:extended 3:keepalive");
	stop(&b);
	start(&b, 1, "****", false);
	join(&b, FAST);
	CHECK_STR(said(&b), "0:have all");
	join(&b, 0);
	CHECK_STR(said(&b), "1:bitfield");
	stop(&b);
	start(&b, 1, "*.*.", false);
	join(&b, FAST);
	CHECK_INT(b.fx.list[0].u.msg.body.ptr[0], 0xa0);
	CHECK_STR(said(&b), "0:bitfield");
	stop(&b);
}

TEST(swarm_tells_no_second_time_that_it_has_nothing_and_dials_again_whom_it_met_before)
{
	struct peer_hello h = {.addr = addr_of(0), .met = true, .fast = true, .extended = true};
	struct addr same = h.addr;
	struct swarm_stats st;
	struct bench b;
	struct peer_ref r;
	const char *why;

	start(&b, 1, "....", false);
	memset(h.peer_id, 'x', sizeof(h.peer_id));
	r = swarm_on_connected(b.s, &h, b.now, &why, &b.fx);
	CHECK_STR(said(&b), "0:extended");
	swarm_on_addresses(b.s, &same, 1, SOURCE_USER, b.now, &b.fx);
	CHECK_STR(said(&b), "");
	swarm_stats(b.s, b.now, &st);
	CHECK_INT(st.addresses, 1);
	swarm_on_closed(b.s, r, b.now, &b.fx);
	b.now += 60000;
	swarm_on_tick(b.s, b.now, &b.fx);
	assert_non_null(strstr(said(&b), "dial(1)"));
	stop(&b);
}

TEST(swarm_asks_verifies_tells_and_completes)
{
	struct bench b;
	struct peer_ref r, other;

	start(&b, 2, "..", false);
	other = join(&b, FAST);
	hear_type(&b, other, WIRE_HAVE_NONE);
	r = join(&b, FAST);
	said(&b);
	hear_type(&b, r, WIRE_HAVE_ALL);
	CHECK_STR(said(&b), "1:interested");
	hear_type(&b, r, WIRE_UNCHOKE);
	CHECK_INT(b.fx.n, 4);
	CHECK_INT(b.fx.list[0].u.msg.index, b.fx.list[1].u.msg.index);
	said(&b);
	block(&b, r, 0, 0);
	CHECK_STR(said(&b), "");
	block(&b, r, 0, 1);
	CHECK_STR(said(&b), "verify(0)");
	swarm_on_piece(b.s, 0, PIECE_GOOD, NULL, b.now, &b.fx);
	CHECK_STR(said(&b), "0:have(0) 1:have(0)");
	block(&b, r, 1, 0);
	block(&b, r, 1, 1);
	CHECK_STR(said(&b), "verify(1)");
	swarm_on_piece(b.s, 1, PIECE_GOOD, NULL, b.now, &b.fx);
	CHECK_STR(said(&b), "1:not interested 0:have(1) 1:have(1) complete 1:close");
	stop(&b);
}

TEST(swarm_tells_pieces_that_come_fast_together_and_slow_ones_at_once)
{
	struct bench b;
	struct peer_ref r;

	start(&b, 1, ".....", false);
	r = open_seed(&b, 0);
	join(&b, FAST); /* a getter */
	blocks(&b, r);
	said(&b);
	for (uint32_t i = 0; i < 3; i++)
		swarm_on_piece(b.s, i, PIECE_GOOD, NULL, b.now, &b.fx);
	CHECK_STR(said(&b), "1:have(0) 0:have(0)");
	CHECK(swarm_deadline_ms(b.s) <= b.now + SWARM_HAVES_MS);
	b.now += SWARM_HAVES_MS;
	swarm_on_tick(b.s, b.now, &b.fx);
	CHECK_STR(said(&b), "1:have(1) 1:have(2)");
	b.now += SWARM_HAVES_MS;
	swarm_on_piece(b.s, 3, PIECE_GOOD, NULL, b.now, &b.fx);
	CHECK_STR(said(&b), "1:have(3)");
	/* Seeds hear of them later. */
	CHECK(swarm_deadline_ms(b.s) <= b.now + SWARM_HAVES_SEEDS_MS);
	b.now += SWARM_HAVES_SEEDS_MS - 2 * SWARM_HAVES_MS;
	swarm_on_tick(b.s, b.now, &b.fx);
	CHECK_STR(said(&b), "0:have(1) 0:have(2) 0:have(3)");
	b.now += SWARM_HAVES_SEEDS_MS;
	swarm_on_piece(b.s, 4, PIECE_GOOD, NULL, b.now, &b.fx);
	CHECK(strstr(said(&b), "1:have(4) 0:have(4)") != NULL);
	stop(&b);
}

/* BEP 16: it says that it has a piece, and of the next one when that has arrived. */
TEST(swarm_tells_a_seed_that_poses_as_a_getter_of_what_it_gave)
{
	struct peer_ref r, getter;
	struct bench b;

	start(&b, 1, "..", false);
	getter = join(&b, FAST);
	hear_type(&b, getter, WIRE_HAVE_NONE);
	hear(&b, getter, (struct wire_msg){.type = WIRE_HAVE, .index = 0});
	hear_type(&b, getter, WIRE_INTERESTED);
	r = join(&b, FAST);
	hear_type(&b, r, WIRE_HAVE_NONE);
	hear(&b, r, (struct wire_msg){.type = WIRE_HAVE, .index = 0});
	hear_type(&b, r, WIRE_UNCHOKE);
	said(&b);
	block(&b, r, 0, 0);
	CHECK_STR(said(&b), "verify(0)");
	swarm_on_piece(b.s, 0, PIECE_GOOD, NULL, b.now, &b.fx);
	assert_non_null(strstr(said(&b), "1:have(0)"));
	assert_null(strstr(said(&b), "0:have(0)"));
	stop(&b);
}

/* The list begins anew once seeds were told: a getter that was told a moment before is owed the
 * rest. */
TEST(swarm_tells_getters_of_each_piece_though_seeds_are_told_in_between)
{
	struct bench b;
	struct peer_ref r;

	start(&b, 1, "....", false);
	r = open_seed(&b, 0);
	join(&b, FAST); /* a getter */
	blocks(&b, r);
	said(&b);
	swarm_on_piece(b.s, 0, PIECE_GOOD, NULL, b.now, &b.fx);
	CHECK_STR(said(&b), "1:have(0) 0:have(0)");
	b.now += SWARM_HAVES_SEEDS_MS - 3;
	swarm_on_piece(b.s, 1, PIECE_GOOD, NULL, b.now, &b.fx);
	CHECK_STR(said(&b), "1:have(1)");
	swarm_on_piece(b.s, 2, PIECE_GOOD, NULL, b.now, &b.fx);
	CHECK_STR(said(&b), "");
	b.now += 3;
	swarm_on_tick(b.s, b.now, &b.fx);
	CHECK_STR(said(&b), "1:have(2) 0:have(1) 0:have(2)");
	stop(&b);
}

TEST(swarm_says_interested_only_while_a_peer_has_what_it_lacks)
{
	struct bench b;
	struct peer_ref r;

	start(&b, 1, "*..", false);
	r = join(&b, FAST);
	hear_type(&b, r, WIRE_HAVE_NONE);
	said(&b);
	hear(&b, r, (struct wire_msg){.type = WIRE_HAVE, .index = 0});
	CHECK_STR(said(&b), "");
	hear(&b, r, (struct wire_msg){.type = WIRE_HAVE, .index = 2});
	CHECK_STR(said(&b), "0:interested");
	hear_type(&b, r, WIRE_UNCHOKE);
	CHECK_STR(said(&b), "0:request(2.0)");
	block(&b, r, 2, 0);
	swarm_on_piece(b.s, 2, PIECE_GOOD, NULL, b.now, &b.fx);
	CHECK_STR(said(&b), "verify(2) 0:not interested 0:have(2)");
	stop(&b);
}

TEST(swarm_paused_asks_for_nothing_and_goes_on_afterwards)
{
	struct bench b;
	struct peer_ref r;

	start(&b, 2, ".", false);
	r = open_seed(&b, 0);
	said(&b);
	swarm_set_paused(b.s, true, b.now, &b.fx);
	CHECK_STR(said(&b), "0:cancel(0.0) 0:cancel(0.1) 0:not interested");
	CHECK_INT(swarm_judge_block(b.s, r, 0, 0, BLOCK), BLOCK_USELESS);
	swarm_set_paused(b.s, false, b.now, &b.fx);
	CHECK_STR(said(&b), "0:interested 0:request(0.0) 0:request(0.1)");
	CHECK_INT(swarm_judge_block(b.s, r, 0, 0, BLOCK), BLOCK_WANTED);
	stop(&b);
}

TEST(swarm_lets_go_of_those_who_trade_least_when_there_may_be_fewer)
{
	struct swarm_stats st;
	struct bench b;
	struct peer_ref giver;

	start(&b, 2, "........", false);
	join(&b, FAST);
	giver = open_seed(&b, 0);
	join(&b, FAST);
	join(&b, FAST);
	blocks(&b, giver);
	b.now += 1000;
	said(&b);
	swarm_set_max_peers(b.s, 2, b.now, &b.fx);
	CHECK_STR(said(&b), "0:close 2:close");
	swarm_stats(b.s, b.now, &st);
	CHECK_INT(st.peers, 2);
	join(&b, FAST);
	CHECK(strstr(said(&b), "close") == NULL); /* it is turned away */
	swarm_shed(b.s, 0, b.now, &b.fx);
	CHECK(strstr(said(&b), "1:close") != NULL);
	swarm_stats(b.s, b.now, &st);
	CHECK_INT(st.peers, 0);
	swarm_set_max_peers(b.s, 0, b.now, &b.fx);
	join(&b, FAST);
	join(&b, FAST);
	join(&b, FAST);
	swarm_stats(b.s, b.now, &st);
	CHECK_INT(st.peers, 3);
	stop(&b);
}

/* ---- what is wanted ------------------------------------------------------ */

static void want(struct bench *b, const char *picture)
{
	uint8_t pieces[64];

	for (size_t i = 0; picture[i] != '\0'; i++)
		pieces[i] = picture[i] == 'n' ? WANT_NORMAL : WANT_NOT;
	swarm_set_wanted(b->s, pieces, b->now, &b->fx);
}

TEST(swarm_counts_what_it_alone_has_and_what_is_nowhere_also_where_not_all_is_wanted)
{
	static const char *const plans[] = {NULL, "nnnn----", "--nnnnnn"};
	static const uint32_t nowhere[] = {3, 1, 3};
	struct swarm_stats st;
	struct peer_ref r;

	for (size_t i = 0; i < 3; i++) {
		struct bench b;

		start(&b, 1, "***.....", false);
		if (plans[i] != NULL)
			want(&b, plans[i]);
		r = join(&b, FAST);
		hear(&b, r, (struct wire_msg){.type = WIRE_HAVE, .index = 2});
		hear(&b, r, (struct wire_msg){.type = WIRE_HAVE, .index = 6});
		hear(&b, r, (struct wire_msg){.type = WIRE_HAVE, .index = 7});
		swarm_stats(b.s, b.now, &st);
		CHECK_INT(st.sole, 2);
		CHECK_INT(st.nowhere, nowhere[i]);
		CHECK_INT(st.rarest, 0);
		CHECK(!st.can_complete);
		CHECK_INT(st.distributed_milli, 3000 / 8);
		r = open_seed(&b, 0);
		swarm_stats(b.s, b.now, &st);
		CHECK(st.sole == 0 && st.nowhere == 0 && st.rarest == 1 && st.can_complete);
		CHECK_INT(st.distributed_milli, 1000 + 3000 / 8);
		stop(&b);
	}
}

TEST(swarm_asks_for_wanted_pieces_alone_and_is_complete_with_them)
{
	struct swarm_stats st;
	struct peer_ref r;
	struct bench b;

	start(&b, 1, "....", false);
	want(&b, "-n--");
	r = open_seed(&b, 0);
	CHECK_STR(said(&b), "0:have none 0:interested 0:request(1.0)");
	swarm_stats(b.s, b.now, &st);
	CHECK_INT(st.left_bytes, BLOCK);
	CHECK_INT(st.missing_bytes, 4 * BLOCK);
	block(&b, r, 1, 0);
	CHECK_STR(said(&b), "verify(1)");
	swarm_on_piece(b.s, 1, PIECE_GOOD, NULL, b.now, &b.fx);
	CHECK_STR(said(&b), "0:not interested 0:have(1) complete 0:close");
	CHECK(swarm_is_complete(b.s));
	swarm_stats(b.s, b.now, &st);
	CHECK_INT(st.left_bytes, 0);
	CHECK_INT(st.missing_bytes, 3 * BLOCK);
	CHECK_INT(st.nowhere, 0);
	/* More: it needs peers again. */
	want(&b, "-nn-");
	CHECK(!swarm_is_complete(b.s));
	CHECK(swarm_deadline_ms(b.s) != UINT64_MAX);
	stop(&b);
}

/* They hung up on each other because neither needed anything, and that says nothing any more. */
TEST(swarm_that_wants_more_dials_at_once_whom_it_had_no_use_for)
{
	static const bool hangs_up[] = {false, true};
	struct addr a = addr_of(0);

	for (uint32_t i = 0; i < 2; i++) {
		struct bench b;
		struct peer_ref r;

		start(&b, 1, "*...", false);
		want(&b, "n---");
		swarm_on_addresses(b.s, &a, 1, SOURCE_TRACKER, b.now, &b.fx);
		CHECK_STR(said(&b), "complete dial(1)");
		r = join(&b, FAST);
		if (hangs_up[i])
			swarm_on_closed(b.s, r, b.now, &b.fx);
		else
			hear_type(&b, r, WIRE_HAVE_ALL);
		CHECK_STR(said(&b), hangs_up[i] ? "0:bitfield" : "0:bitfield 0:close");
		want(&b, "nn--");
		tick(&b, 1);
		CHECK_STR(said(&b), "dial(1) want");
		stop(&b);
	}
}

TEST(swarm_puts_aside_what_is_not_wanted_any_more_and_goes_on_when_it_is)
{
	struct peer_ref r;
	struct bench b;

	start(&b, 2, "..", false);
	want(&b, "n-");
	r = open_seed(&b, 0);
	block(&b, r, 0, 0);
	said(&b);
	want(&b, "-n");
	CHECK_STR(said(&b), "0:cancel(0.1) 0:request(1.0) 0:request(1.1)");
	CHECK_INT(swarm_judge_block(b.s, r, 0, BLOCK, BLOCK), BLOCK_USELESS);
	swarm_set_wanted(b.s, NULL, b.now, &b.fx);
	CHECK_STR(said(&b), "0:request(0.1)");
	block(&b, r, 0, 1);
	CHECK_STR(said(&b), "verify(0)");
	/* Not wanted while the shell looks at it: it is had all the same. */
	want(&b, "-n");
	said(&b);
	swarm_on_piece(b.s, 0, PIECE_GOOD, NULL, b.now, &b.fx);
	CHECK_STR(said(&b), "0:have(0)");
	stop(&b);
}

TEST(swarm_is_complete_at_once_when_the_rest_is_not_wanted)
{
	struct bench b;

	start(&b, 1, "*.", false);
	open_seed(&b, 0);
	said(&b);
	want(&b, "n-");
	CHECK_STR(said(&b), "0:cancel(1.0) 0:not interested complete 0:close");
	want(&b, "n-");
	CHECK_STR(said(&b), "");
	stop(&b);
}

TEST(swarm_never_seeks_peers_that_have_only_what_it_does_not_want)
{
	struct peer_ref r;
	struct bench b;

	start(&b, 1, "..", false);
	want(&b, "n-");
	r = join(&b, FAST);
	hear_type(&b, r, WIRE_HAVE_NONE);
	said(&b);
	hear(&b, r, (struct wire_msg){.type = WIRE_HAVE, .index = 1});
	CHECK_STR(said(&b), "");
	hear(&b, r, (struct wire_msg){.type = WIRE_HAVE, .index = 0});
	CHECK_STR(said(&b), "0:interested");
	stop(&b);
}

/* ---- order, urgent pieces -------------------------------------------------- */

TEST(swarm_asks_urgent_pieces_first_and_forgets_them_when_told)
{
	const struct piece_run runs[] = {{5, 2}, {1, 1}, {7, 100}};
	struct bench b;

	start(&b, 1, "....*...", false);
	swarm_set_urgent(b.s, runs, 3, b.now, &b.fx);
	swarm_set_order(b.s, ORDER_SEQUENTIAL, b.now, &b.fx);
	open_seed(&b, 0);
	CHECK_STR(said(&b), "0:bitfield 0:interested 0:request(5.0) 0:request(6.0) 0:request(1.0) "
			    "0:request(7.0)");
	swarm_set_urgent(b.s, NULL, 0, b.now, &b.fx);
	CHECK_STR(said(&b), "");
	stop(&b);
}

/* Five are faster than the one that has the urgent piece beside a seed that gives nothing. */
TEST(swarm_asks_an_urgent_block_again_of_the_fastest_one_that_has_it)
{
	struct peer_ref r[6];
	char have[401] = "";
	struct bench b;
	uint32_t asked = 0;

	memset(have, '.', sizeof(have) - 1);
	start(&b, 1, have, false);
	swarm_set_urgent(b.s, &(struct piece_run){399, 1}, 1, b.now, &b.fx);
	open_seed(&b, 0);
	for (uint32_t i = 0; i < 6; i++) {
		r[i] = join(&b, FAST);
		for (uint32_t k = 0; k < 399; k++)
			hear(&b, r[i], (struct wire_msg){.type = WIRE_HAVE, .index = k});
	}
	hear(&b, r[5], (struct wire_msg){.type = WIRE_HAVE, .index = 399});
	for (uint32_t i = 0; i < 6; i++)
		hear_type(&b, r[i], WIRE_UNCHOKE);
	for (uint32_t k = 0; k < 10; k++) {
		for (uint32_t i = 0; i < 6; i++)
			some_blocks(&b, r[i], i < 5 ? 4 : 2);
		tick(&b, 100);
	}
	for (size_t i = 0; i < b.fx.n; i++) {
		const struct effect *e = &b.fx.list[i];

		asked += e->type == EFFECT_SEND && e->u.msg.type == WIRE_REQUEST &&
			 e->u.msg.index == 399 && e->peer.slot == r[5].slot;
	}
	CHECK_INT(asked, 1);
	stop(&b);
}

TEST(swarm_in_sequence_heeds_suggestions_only_in_a_crowd)
{
	struct peer_ref r;
	struct bench b;

	start(&b, 1, "....................", false);
	swarm_set_order(b.s, ORDER_SEQUENTIAL, b.now, &b.fx);
	r = join(&b, FAST);
	hear_type(&b, r, WIRE_HAVE_ALL);
	hear(&b, r, (struct wire_msg){.type = WIRE_SUGGEST, .index = 15});
	join(&b, FAST);
	hear(&b, r, (struct wire_msg){.type = WIRE_SUGGEST, .index = 17});
	said(&b);
	hear_type(&b, r, WIRE_UNCHOKE);
	CHECK(strncmp(said(&b), "0:request(17.0) 0:request(0.0) 0:request(1.0)", 45) == 0);
	stop(&b);
}

TEST(swarm_takes_no_more_urgent_pieces_than_its_limit)
{
	const struct piece_run run = {0, UINT32_MAX};
	char have[SWARM_URGENT_MAX + 2];
	struct bench b;

	memset(have, '.', sizeof(have));
	have[sizeof(have) - 1] = '\0';
	start(&b, 1, have, false);
	swarm_set_urgent(b.s, &run, 1, b.now, &b.fx);
	CHECK_STR(said(&b), "");
	stop(&b);
}

TEST(swarm_fetches_the_ends_of_files_first)
{
	struct bench b;

	start(&b, 1, "......", false);
	swarm_set_order(b.s, ORDER_ENDS_FIRST, b.now, &b.fx);
	open_seed(&b, 0);
	said(&b);
	for (int i = 0; i < 2; i++) {
		uint32_t end = i == 0 ? 0 : 5;

		CHECK_INT(swarm_judge_block(b.s, (struct peer_ref){0, 0}, end, 0, BLOCK),
			  BLOCK_WANTED);
	}
	stop(&b);
}

TEST(swarm_without_upload_unchokes_nobody)
{
	struct peer_ref r;
	struct bench b;

	start(&b, 1, "**", false);
	r = join(&b, FAST);
	hear_type(&b, r, WIRE_HAVE_NONE);
	hear_type(&b, r, WIRE_INTERESTED);
	CHECK(strstr(said(&b), "0:unchoke") != NULL);
	swarm_set_upload(b.s, false, b.now, &b.fx);
	CHECK_STR(said(&b), "0:choke");
	b.now += 60000;
	swarm_on_tick(b.s, b.now, &b.fx);
	CHECK_STR(said(&b), "");
	swarm_set_upload(b.s, true, b.now, &b.fx);
	CHECK(strstr(said(&b), "0:unchoke") != NULL);
	stop(&b);
}

/* ---- the fast extension -------------------------------------------------- */

TEST(swarm_asks_a_rejected_block_of_somebody_else)
{
	struct bench b;
	struct peer_ref a, c;

	start(&b, 2, ".", false);
	a = open_seed(&b, 0);
	c = join(&b, FAST);
	hear_type(&b, c, WIRE_HAVE_ALL);
	hear_type(&b, c, WIRE_UNCHOKE);
	said(&b);
	hear_block_msg(&b, a, WIRE_REJECT, 0, 1);
	CHECK_STR(said(&b), "1:request(0.1)");
	hear_block_msg(&b, a, WIRE_REJECT, 0, 1);
	CHECK_STR(said(&b), "0:close 1:request(0.0)");
	stop(&b);
}

TEST(swarm_accepts_a_block_that_comes_after_a_choke_and_cancels_the_other)
{
	struct bench b;
	struct peer_ref a, c;

	start(&b, 2, ".", false);
	a = open_seed(&b, 0);
	c = open_seed(&b, 0);
	said(&b);
	hear_type(&b, a, WIRE_CHOKE);
	CHECK_STR(said(&b), "1:request(0.0) 1:request(0.1)");
	CHECK_INT(swarm_judge_block(b.s, a, 0, 0, BLOCK), BLOCK_WANTED);
	block(&b, a, 0, 0);
	CHECK_STR(said(&b), "1:cancel(0.0)");
	CHECK_INT(swarm_judge_block(b.s, c, 0, 0, BLOCK), BLOCK_USELESS);
	block(&b, c, 0, 0);
	CHECK_STR(said(&b), "");
	CHECK_INT(swarm_judge_block(b.s, c, 0, 0, BLOCK), BLOCK_UNASKED);
	stop(&b);
}

TEST(swarm_expects_two_answers_when_it_asked_cancelled_and_asked_again)
{
	struct bench b;
	struct peer_ref a;

	start(&b, 2, ".", false);
	a = open_seed(&b, 0);
	swarm_set_paused(b.s, true, b.now, &b.fx);
	swarm_set_paused(b.s, false, b.now, &b.fx);
	said(&b);
	/* One was on its way, the cancel of the other was heard. */
	block(&b, a, 0, 0);
	CHECK_INT(swarm_judge_block(b.s, a, 0, 0, BLOCK), BLOCK_USELESS);
	block(&b, a, 0, 0);
	CHECK_INT(swarm_judge_block(b.s, a, 0, 0, BLOCK), BLOCK_UNASKED);
	hear_block_msg(&b, a, WIRE_REJECT, 0, 1);
	CHECK_STR(said(&b), "");
	block(&b, a, 0, 1);
	CHECK_STR(said(&b), "verify(0)");
	stop(&b);
}

TEST(swarm_takes_allowed_fast_pieces_while_choked)
{
	struct bench b;
	struct peer_ref a;

	start(&b, 1, "...", false);
	a = join(&b, FAST);
	hear_type(&b, a, WIRE_HAVE_ALL);
	said(&b);
	hear(&b, a, (struct wire_msg){.type = WIRE_ALLOWED_FAST, .index = 1});
	CHECK_STR(said(&b), "0:request(1.0)");
	hear(&b, a, (struct wire_msg){.type = WIRE_SUGGEST, .index = 2});
	CHECK_STR(said(&b), "");
	hear(&b, a, (struct wire_msg){.type = WIRE_ALLOWED_FAST, .index = 3});
	CHECK_STR(said(&b), "0:close");
	stop(&b);
}

TEST(swarm_remembers_sixty_four_allowed_fast_pieces_and_not_one_more)
{
	char have[PEER_ALLOWED_MAX + 2] = "";
	struct bench b;
	struct peer_ref a;

	memset(have, '*', sizeof(have) - 1);
	have[PEER_ALLOWED_MAX - 1] = have[PEER_ALLOWED_MAX] = '.';
	start(&b, 1, have, false);
	a = join(&b, FAST);
	hear_type(&b, a, WIRE_HAVE_ALL);
	for (uint32_t i = 0; i < PEER_ALLOWED_MAX - 1; i++)
		hear(&b, a, (struct wire_msg){.type = WIRE_ALLOWED_FAST, .index = i});
	said(&b);
	hear(&b, a, (struct wire_msg){.type = WIRE_ALLOWED_FAST, .index = PEER_ALLOWED_MAX - 1});
	CHECK_STR(said(&b), "0:request(63.0)");
	hear(&b, a, (struct wire_msg){.type = WIRE_ALLOWED_FAST, .index = PEER_ALLOWED_MAX});
	CHECK_STR(said(&b), "");
	stop(&b);
}

TEST(swarm_closes_on_fast_messages_that_were_not_agreed_on)
{
	static const enum wire_type types[] = {WIRE_HAVE_ALL, WIRE_HAVE_NONE, WIRE_SUGGEST,
					       WIRE_ALLOWED_FAST, WIRE_REJECT};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct bench b;
		struct peer_ref a;

		start(&b, 1, "..", false);
		a = join(&b, 0);
		hear_type(&b, a, types[i]);
		CHECK_STR(said(&b), "0:close");
		stop(&b);
	}
}

/* ---- hostile messages (O-13, O-14, O-16) --------------------------------- */

TEST(swarm_closes_on_a_have_out_of_range)
{
	static const uint32_t bad[] = {3, 0x80000000u, 0xffffffffu};

	for (size_t i = 0; i < 3; i++) {
		struct bench b;
		struct peer_ref a;

		start(&b, 1, "...", false);
		a = join(&b, 0);
		hear(&b, a, (struct wire_msg){.type = WIRE_HAVE, .index = 2});
		said(&b);
		hear(&b, a, (struct wire_msg){.type = WIRE_HAVE, .index = bad[i]});
		CHECK_STR(said(&b), "0:close");
		stop(&b);
	}
}

TEST(swarm_closes_on_a_bitfield_that_is_short_long_spare_or_takes_pieces_back)
{
	static const uint8_t bits[3] = {0xff, 0x80, 0};
	static const uint8_t spare[2] = {0xff, 0xc0};
	static const uint8_t fewer[2] = {0x7f, 0x80};
	const struct bytes bad[] = {{bits, 1}, {bits, 3}, {bits, 0}, {spare, 2}};
	struct bench b;
	struct peer_ref a;

	for (size_t i = 0; i < 4; i++) {
		start(&b, 1, ".........", false);
		a = join(&b, 0);
		hear(&b, a, (struct wire_msg){.type = WIRE_BITFIELD, .body = bad[i]});
		CHECK_STR(said(&b), "0:close");
		stop(&b);
	}
	start(&b, 1, ".........", false);
	a = join(&b, 0);
	hear(&b, a, (struct wire_msg){.type = WIRE_BITFIELD, .body = {bits, 2}});
	CHECK_STR(said(&b), "0:interested");
	hear(&b, a, (struct wire_msg){.type = WIRE_BITFIELD, .body = {fewer, 2}});
	CHECK_STR(said(&b), "0:close");
	stop(&b);
}

TEST(swarm_takes_a_later_bitfield_as_the_haves_that_are_new_in_it)
{
	static const uint8_t few[2] = {0x40, 0}, more[2] = {0x60, 0};
	struct bench b;
	struct peer_ref a;

	start(&b, 1, ".........", false);
	a = join(&b, 0);
	hear(&b, a, (struct wire_msg){.type = WIRE_HAVE, .index = 1});
	CHECK_STR(said(&b), "0:interested");
	hear(&b, a, (struct wire_msg){.type = WIRE_BITFIELD, .body = {few, 2}});
	hear(&b, a, (struct wire_msg){.type = WIRE_BITFIELD, .body = {more, 2}});
	hear(&b, a, (struct wire_msg){.type = WIRE_BITFIELD, .body = {more, 2}});
	CHECK_STR(said(&b), "");
	swarm_check(b.s);
	stop(&b);
}

/* A taker whom we let download. */
static struct peer_ref open_taker(struct bench *b, unsigned flags)
{
	struct peer_ref r = join(b, flags);

	hear_type(b, r, WIRE_INTERESTED);
	return r;
}

TEST(swarm_rejects_or_closes_on_requests_outside_of_what_it_has)
{
	static const struct wire_msg bad[] = {
	    {.type = WIRE_REQUEST, .index = 3, .length = BLOCK},
	    {.type = WIRE_REQUEST, .index = 0xffffffffu, .length = BLOCK},
	    {.type = WIRE_REQUEST, .length = 0},
	    {.type = WIRE_REQUEST, .length = WIRE_BLOCK_MAX + 1},
	    {.type = WIRE_REQUEST, .begin = 0xffffc000u, .length = 0x8000},
	    {.type = WIRE_REQUEST, .begin = 16 * BLOCK, .length = 1},
	    {.type = WIRE_REQUEST, .begin = 15 * BLOCK + 1, .length = BLOCK},
	    {.type = WIRE_REQUEST, .index = 1, .length = BLOCK}, /* we lack it */
	};
	struct block_ref out;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct bench b;
		struct peer_ref fast, plain;

		start(&b, 16, "*..", false);
		fast = open_taker(&b, FAST);
		plain = open_taker(&b, 0);
		said(&b);
		hear(&b, fast, bad[i]);
		CHECK_INT(b.fx.n, 1);
		CHECK_INT(b.fx.list[0].u.msg.type, WIRE_REJECT);
		CHECK_INT(b.fx.list[0].u.msg.index, bad[i].index);
		CHECK_INT(b.fx.list[0].u.msg.length, bad[i].length);
		said(&b);
		CHECK(!swarm_next_upload(b.s, fast, &out));
		hear(&b, plain, bad[i]);
		CHECK_STR(said(&b), "1:close");
		stop(&b);
	}
}

TEST(swarm_serves_requests_up_to_the_largest_block)
{
	struct bench b;
	struct peer_ref r;
	struct block_ref out;

	start(&b, 16, "*", false);
	r = open_taker(&b, FAST);
	CHECK_STR(said(&b), "0:have all 0:suggest(0) 0:unchoke");
	hear(&b, r, (struct wire_msg){.type = WIRE_REQUEST, .length = WIRE_BLOCK_MAX});
	CHECK_STR(said(&b), "0:upload");
	hear_block_msg(&b, r, WIRE_REQUEST, 0, 15);
	hear_block_msg(&b, r, WIRE_REQUEST, 0, 15);
	CHECK_STR(said(&b), "");
	CHECK(swarm_next_upload(b.s, r, &out));
	CHECK_INT(out.length, WIRE_BLOCK_MAX);
	CHECK(swarm_next_upload(b.s, r, &out));
	CHECK_INT(out.begin, 15 * BLOCK);
	CHECK(!swarm_next_upload(b.s, r, &out));
	stop(&b);
}

TEST(swarm_rejects_requests_of_choked_peers_and_cancels)
{
	struct bench b;
	struct peer_ref r, plain;
	struct block_ref out;

	start(&b, 2, "*", false);
	r = join(&b, FAST);
	plain = join(&b, 0);
	said(&b);
	hear_block_msg(&b, r, WIRE_REQUEST, 0, 0);
	CHECK_STR(said(&b), "0:reject(0.0)");
	hear_block_msg(&b, plain, WIRE_REQUEST, 0, 0);
	CHECK_STR(said(&b), "");
	hear_type(&b, r, WIRE_INTERESTED);
	hear_block_msg(&b, r, WIRE_REQUEST, 0, 0);
	hear_block_msg(&b, r, WIRE_CANCEL, 0, 0);
	CHECK_STR(said(&b), "0:suggest(0) 0:unchoke 0:upload 0:reject(0.0)");
	CHECK(!swarm_next_upload(b.s, r, &out));
	hear_block_msg(&b, r, WIRE_CANCEL, 0, 1);
	CHECK_STR(said(&b), "");
	stop(&b);
}

/* Takers of a seed's pieces, in the order in which they were suggested to them. */
static uint32_t next_suggested(struct bench *b, uint32_t slot)
{
	for (size_t i = 0; i < b->fx.n; i++) {
		struct effect *e = &b->fx.list[i];

		if (e->type == EFFECT_SEND && e->u.msg.type == WIRE_SUGGEST &&
		    e->peer.slot == slot) {
			e->peer.slot = 99;
			return e->u.msg.index;
		}
	}
	return UINT32_MAX;
}

/* ---- near and far -------------------------------------------------------- */

static uint32_t queue_of(struct bench *b, struct peer_ref r)
{
	struct swarm_peer list[16];
	uint32_t n = swarm_peers(b->s, b->now, list, 16);

	for (uint32_t i = 0; i < n; i++) {
		if (list[i].ref.slot == r.slot)
			return list[i].queue;
	}
	return 0;
}

TEST(swarm_spares_seeds_while_others_bring_as_much)
{
	struct bench b;
	struct peer_ref seed, other;

	start(&b, 800, ".....", false);
	seed = open_seed(&b, 0);
	other = join(&b, FAST);
	for (uint32_t i = 0; i < 4; i++)
		hear(&b, other, (struct wire_msg){.type = WIRE_HAVE, .index = i});
	hear_type(&b, other, WIRE_UNCHOKE);
	/* The seed alone brings something: its pipeline grows with every block. */
	for (int i = 0; i < 20; i++) {
		some_blocks(&b, seed, 10);
		tick(&b, 10);
	}
	CHECK(queue_of(&b, seed) > 90);
	for (int i = 0; i < 100; i++) {
		some_blocks(&b, seed, 5);
		some_blocks(&b, other, 10);
		tick(&b, 10);
	}
	CHECK(queue_of(&b, seed) <= 32);
	CHECK(queue_of(&b, other) > 90);
	/* The other one falls silent: the seed is asked for all it can bring. */
	for (int i = 0; i < 60; i++) {
		some_blocks(&b, seed, 10);
		tick(&b, 50);
	}
	CHECK(queue_of(&b, seed) > 32);
	stop(&b);
}

TEST(swarm_leaves_far_peers_to_others_of_its_site_while_these_have_something)
{
	struct bench b;
	struct peer_ref near[5], far;
	const char *text;

	start(&b, 1, "........", false);
	for (uint32_t i = 0; i < 5; i++) {
		b.rtt_us = 300 + 50 * i;
		near[i] = join(&b, FAST);
		hear(&b, near[i], (struct wire_msg){.type = WIRE_HAVE, .index = 0});
	}
	b.rtt_us = 50000;
	far = join(&b, FAST);
	hear_type(&b, far, WIRE_HAVE_ALL);
	hear_type(&b, near[0], WIRE_UNCHOKE);
	said(&b);
	/* Their ids are less than ours: one of them is to ask. */
	tick(&b, 250);
	CHECK_STR(said(&b), "5:not interested");
	hear_type(&b, far, WIRE_UNCHOKE);
	CHECK_STR(said(&b), "");
	/* Nothing came for long. */
	block(&b, near[0], 0, 0);
	swarm_on_piece(b.s, 0, PIECE_GOOD, NULL, b.now, &b.fx);
	said(&b);
	for (int i = 0; i < 4; i++)
		tick(&b, 2500);
	CHECK_STR(said(&b), "");
	tick(&b, 2500);
	text = said(&b);
	CHECK(strncmp(text, "5:interested 5:request", 22) == 0);
	stop(&b);
}

TEST(swarm_asks_far_peers_when_no_near_one_goes_before)
{
	struct bench b;
	struct peer_ref near[5], far;
	struct block_ref next[8];

	start(&b, 1, "....", false);
	b.rtt_us = 300;
	for (uint32_t i = 0; i < 5; i++) {
		near[i] = join_as(&b, i, (uint8_t)(200 + i), FAST);
		hear(&b, near[i], (struct wire_msg){.type = WIRE_HAVE, .index = i % 3});
	}
	b.rtt_us = 50000;
	far = join_as(&b, 9, 1, FAST);
	hear_type(&b, far, WIRE_HAVE_ALL);
	hear_type(&b, near[0], WIRE_UNCHOKE);
	tick(&b, 250);
	said(&b);
	hear_type(&b, far, WIRE_UNCHOKE);
	CHECK_INT(swarm_expected(b.s, far, next, 8), 1);
	CHECK_INT(next[0].piece, 3);
	stop(&b);
}

/* How many of these are asked for something? */
static uint32_t n_asked(struct bench *b, const struct peer_ref *list, uint32_t n)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += queue_of(b, list[i]) > 0;
	return sum;
}

/* A download that is one of a site, and asks eight far seeds. */
static void beside_far_ones(struct bench *b, struct peer_ref far[8])
{
	start(b, 4000, "....", false);
	b->rtt_us = 300;
	for (uint32_t i = 0; i < 5; i++)
		join_as(b, i, (uint8_t)(200 + i), FAST);
	b->rtt_us = 50000;
	for (uint32_t i = 0; i < 8; i++) {
		far[i] = join_as(b, 10 + i, (uint8_t)(1 + i), FAST);
		hear_type(b, far[i], WIRE_HAVE_ALL);
		hear_type(b, far[i], WIRE_UNCHOKE);
	}
}

/* For so long; ten times a second each that is asked brings a block, or as many of them in turn as
 * the link lets through. */
static void fetch_through(struct bench *b, const struct peer_ref far[8], uint32_t link,
			  uint32_t seconds)
{
	uint32_t turn = 0;

	for (uint32_t k = 0; k < 10 * seconds; k++) {
		for (uint32_t i = 0, n = 0; i < 8 && n < link; i++, turn++) {
			n += queue_of(b, far[turn % 8]) > 0;
			some_blocks(b, far[turn % 8], 1);
		}
		tick(b, 100);
	}
}

TEST(swarm_asks_few_far_peers_and_more_while_that_brings_more)
{
	struct bench b;
	struct peer_ref far[8];

	beside_far_ones(&b, far);
	fetch_through(&b, far, 8, 15);
	CHECK_INT(n_asked(&b, far, 8), 3);
	fetch_through(&b, far, 8, 10);
	CHECK_INT(n_asked(&b, far, 8), 6);
	fetch_through(&b, far, 8, 10);
	CHECK_INT(n_asked(&b, far, 8), 8);
	stop(&b);
	/* Over a thin link it is tried, and left. */
	beside_far_ones(&b, far);
	fetch_through(&b, far, 3, 25);
	CHECK_INT(n_asked(&b, far, 8), 6);
	fetch_through(&b, far, 3, 10);
	CHECK_INT(n_asked(&b, far, 8), 3);
	stop(&b);
}

TEST(swarm_sees_no_sites_where_round_trips_are_alike)
{
	struct bench b;

	start(&b, 1, "....", false);
	for (uint32_t i = 0; i < 10; i++) {
		struct peer_ref r;

		b.rtt_us = 2000u << i;
		r = join(&b, FAST);
		hear_type(&b, r, WIRE_HAVE_ALL);
		hear_type(&b, r, WIRE_UNCHOKE);
	}
	said(&b);
	tick(&b, 250);
	CHECK(strstr(said(&b), "interested") == NULL);
	stop(&b);
}

TEST(swarm_suggests_each_piece_to_one_peer_before_any_to_two)
{
	char have[41] = "";
	uint8_t given[40] = {0};
	struct bench b;
	struct peer_ref r[4];
	uint32_t n = 0;

	memset(have, '*', sizeof(have) - 1);
	start(&b, 1, have, false);
	for (uint32_t i = 0; i < 4; i++)
		r[i] = open_taker(&b, FAST);
	for (uint32_t k = 0; k < 40; k++) {
		uint32_t piece = next_suggested(&b, r[k % 4].slot);

		assert_true(piece < 40);
		CHECK_INT(given[piece]++, 0);
		n++;
		hear_block_msg(&b, r[k % 4], WIRE_REQUEST, piece, 0);
	}
	CHECK_INT(n, 40);
	said(&b);
	/* All are being given: nothing is left to suggest until one is had. */
	hear(&b, r[0], (struct wire_msg){.type = WIRE_HAVE, .index = 7});
	hear_block_msg(&b, r[1], WIRE_REQUEST, 7, 0);
	CHECK(strstr(said(&b), "suggest") == NULL);
	stop(&b);
}

/* The other one was offered two pieces, and takes nothing. */
TEST(swarm_suggests_the_last_pieces_to_a_fast_one_too_when_another_takes_long)
{
	struct peer_ref slow, fast;
	struct block_ref sent;
	uint8_t had[10] = {0};
	struct bench b;

	start(&b, 1, "**********", false);
	slow = open_taker(&b, FAST);
	said(&b);
	fast = open_taker(&b, FAST);
	for (uint32_t k = 0; k < 10; k++) {
		uint32_t piece = next_suggested(&b, fast.slot);

		CHECK(piece < 10 && had[piece]++ == 0);
		hear_block_msg(&b, fast, WIRE_REQUEST, piece, 0);
		CHECK(swarm_next_upload(b.s, fast, &sent));
		b.now += 200;
		swarm_on_sent(b.s, fast, BLOCK, b.now);
		hear(&b, fast, (struct wire_msg){.type = WIRE_HAVE, .index = piece});
	}
	CHECK_INT(next_suggested(&b, fast.slot), UINT32_MAX);
	CHECK(!swarm_next_upload(b.s, slow, &sent));
	stop(&b);
}

TEST(swarm_suggests_to_others_what_a_peer_did_not_take)
{
	struct bench b;
	struct peer_ref r;

	start(&b, 1, "*", false);
	r = open_taker(&b, FAST);
	CHECK_STR(said(&b), "0:have all 0:suggest(0) 0:unchoke");
	open_taker(&b, FAST);
	CHECK_STR(said(&b), "1:have all 1:unchoke");
	swarm_on_closed(b.s, r, b.now, &b.fx);
	said(&b);
	r = open_taker(&b, FAST);
	CHECK_STR(said(&b), "0:have all 0:suggest(0) 0:unchoke");
	stop(&b);
}

TEST(swarm_suggests_nothing_to_those_who_do_not_speak_it_and_while_it_lacks_pieces)
{
	struct bench b;

	start(&b, 1, "**", false);
	open_taker(&b, 0);
	CHECK_STR(said(&b), "0:bitfield 0:unchoke");
	stop(&b);
	start(&b, 1, "*.", false);
	open_taker(&b, FAST);
	CHECK_STR(said(&b), "0:bitfield 0:unchoke");
	stop(&b);
}

TEST(swarm_asks_for_what_is_suggested)
{
	struct bench b;
	struct peer_ref a;

	start(&b, 4, "..........", false);
	a = join(&b, FAST);
	hear_type(&b, a, WIRE_HAVE_ALL);
	hear(&b, a, (struct wire_msg){.type = WIRE_SUGGEST, .index = 6});
	said(&b);
	hear_type(&b, a, WIRE_UNCHOKE);
	CHECK_STR(said(&b), "0:request(6.0) 0:request(6.1) 0:request(6.2) 0:request(6.3)");
	stop(&b);
}

TEST(swarm_keeps_two_thousand_requests_of_a_peer_that_takes_nothing_then_closes)
{
	struct bench b;
	struct peer_ref r;
	struct block_ref out;
	uint32_t rejected = 0, k = 0;

	start(&b, 4096, "*", false);
	r = open_taker(&b, FAST);
	said(&b);
	for (; k < SWARM_UPLOAD_QUEUE_MAX; k++)
		hear_block_msg(&b, r, WIRE_REQUEST, 0, k);
	CHECK_STR(said(&b), "0:upload");
	hear_block_msg(&b, r, WIRE_REQUEST, 0, k++);
	CHECK_STR(said(&b), "0:reject(0.2000)");
	while (b.fx.n == 0 || b.fx.list[0].type != EFFECT_CLOSE) {
		effects_clear(&b.fx);
		hear_block_msg(&b, r, WIRE_REQUEST, 0, k++);
		CHECK(++rejected < 1000);
	}
	CHECK(!swarm_next_upload(b.s, r, &out));
	stop(&b);
}

TEST(swarm_rejects_five_hundred_bad_requests_in_a_row_then_closes)
{
	struct wire_msg bad = {.type = WIRE_REQUEST, .index = 3, .length = BLOCK};
	struct bench b;
	struct peer_ref r;

	start(&b, 16, "*..", false);
	r = open_taker(&b, FAST);
	said(&b);
	for (uint32_t i = 0; i < PEER_BAD_REQUESTS_MAX; i++) {
		hear(&b, r, bad);
		CHECK_STR(said(&b), "0:reject(3.0)");
	}
	hear(&b, r, bad);
	CHECK_STR(said(&b), "0:close");
	stop(&b);
}

static void seed_of(struct bench *b, uint32_t slots)
{
	struct swarm_params p = {.seed = 11, .port = 6881, .upload_slots = slots};
	struct bitfield have;

	*b = (struct bench){.now = 100000};
	b->meta = net_metainfo(64 * BLOCK, 4 * BLOCK, true, true);
	p.meta = b->meta;
	b->s = swarm_new(&p);
	effects_init(&b->fx);
	CHECK_INT(bitfield_init(&have, b->meta->n_pieces), 0);
	bitfield_fill(&have);
	CHECK_INT(swarm_set_have(b->s, &have), 0);
	bitfield_fini(&have);
}

/* Peers that want everything from a seed of so many places. */
static void crowd_of(struct bench *b, uint32_t slots, struct peer_ref *peers, uint32_t n)
{
	seed_of(b, slots);
	for (uint32_t i = 0; i < n; i++) {
		peers[i] = join(b, INCOMING);
		hear_type(b, peers[i], WIRE_INTERESTED);
	}
}

/* aria2 begins so: otherwise all that came so early would come twice. */
TEST(swarm_asks_for_nothing_again_when_who_was_asked_while_it_choked_us_unchokes)
{
	struct bench b;
	struct peer_ref r;

	start(&b, 2, "..", false);
	r = join(&b, FAST);
	hear_type(&b, r, WIRE_HAVE_ALL);
	hear(&b, r, (struct wire_msg){.type = WIRE_ALLOWED_FAST, .index = 1});
	CHECK_STR(said(&b), "0:have none 0:interested 0:request(1.0) 0:request(1.1)");
	hear_type(&b, r, WIRE_UNCHOKE);
	CHECK_STR(said(&b), "0:request(0.0) 0:request(0.1)");
	/* What was given up when it choked us is asked for again. */
	hear_type(&b, r, WIRE_CHOKE);
	CHECK_STR(said(&b), "");
	hear_type(&b, r, WIRE_UNCHOKE);
	CHECK(strstr(said(&b), "0:request(0.0)") != NULL);
	blocks(&b, r);
	CHECK_STR(said(&b), "verify(1) verify(0)");
	stop(&b);
}

TEST(swarm_invites_newcomers_to_places_that_are_free_and_keeps_them_for_nobody)
{
	struct peer_ref p[4];
	struct bench b;

	seed_of(&b, 2);
	for (uint32_t i = 0; i < 3; i++)
		p[i] = join(&b, INCOMING | OURS);
	CHECK_STR(said(&b), "0:bitfield 0:unchoke 1:bitfield 1:unchoke 2:bitfield");
	b.now += CHOKER_INVITED_MS;
	p[3] = join(&b, INCOMING | OURS);
	CHECK_STR(said(&b), "3:bitfield 3:unchoke");
	hear_type(&b, p[2], WIRE_INTERESTED);
	CHECK_STR(said(&b), "2:unchoke");
	hear_type(&b, p[0], WIRE_INTERESTED);
	CHECK_STR(said(&b), "");
	hear_type(&b, p[1], WIRE_INTERESTED);
	CHECK_STR(said(&b), "1:choke");
	hear_type(&b, p[0], WIRE_NOT_INTERESTED);
	CHECK_STR(said(&b), "0:choke 1:unchoke");
	/* Nobody is invited while somebody waits. */
	hear_type(&b, p[0], WIRE_INTERESTED);
	join(&b, INCOMING | OURS);
	CHECK_STR(said(&b), "4:bitfield");
	stop(&b);
	/* Nor is who is not of our kind. */
	seed_of(&b, 2);
	join(&b, INCOMING);
	CHECK_STR(said(&b), "0:bitfield");
	stop(&b);
}

TEST(swarm_gives_the_place_of_one_that_takes_nothing_to_the_next)
{
	struct peer_ref p[4];
	struct block_ref next;
	struct bench b;

	crowd_of(&b, 2, p, 3);
	CHECK_STR(said(&b), "0:bitfield 0:unchoke 1:bitfield 1:unchoke 2:bitfield");
	hear_block_msg(&b, p[0], WIRE_REQUEST, 0, 0);
	CHECK(swarm_next_upload(b.s, p[0], &next));
	said(&b);
	swarm_on_stalled(b.s, p[0], true, b.now, &b.fx);
	CHECK_STR(said(&b), "0:choke 2:unchoke");
	/* A free place is not for it, until it takes again. */
	hear_type(&b, p[1], WIRE_NOT_INTERESTED);
	CHECK_STR(said(&b), "1:choke");
	swarm_on_stalled(b.s, p[0], false, b.now, &b.fx);
	CHECK_STR(said(&b), "0:unchoke");
	/* While nobody waits it may as well keep its place; who comes gets it at once. */
	swarm_on_stalled(b.s, p[2], true, b.now, &b.fx);
	CHECK_STR(said(&b), "");
	p[3] = join(&b, INCOMING);
	hear_type(&b, p[3], WIRE_INTERESTED);
	CHECK(strstr(said(&b), "2:choke 3:unchoke") != NULL);
	stop(&b);
}

/* How many were let in since the last call. */
static int let_in(struct bench *b)
{
	const char *at = said(b);
	int n = 0;

	while ((at = strstr(at, ":unchoke")) != NULL) {
		at++;
		n++;
	}
	return n;
}

TEST(swarm_tries_others_while_nobody_takes_what_he_is_sent)
{
	struct peer_ref p[40];
	struct bench b;

	crowd_of(&b, 0, p, 40);
	CHECK_INT(let_in(&b), CHOKER_SLOTS_FIRST);
	/* One who takes something is enough: the line is in use. */
	b.now = swarm_deadline_ms(b.s);
	CHECK(swarm_minds_takers(b.s, b.now) && b.now <= 100000 + 200);
	swarm_on_taken(b.s, p[3], b.now);
	swarm_on_tick(b.s, b.now, &b.fx);
	CHECK_INT(let_in(&b), 0);
	CHECK(!swarm_minds_takers(b.s, b.now + 199));
	b.now += 200;
	swarm_on_tick(b.s, b.now, &b.fx);
	CHECK_INT(let_in(&b), CHOKER_SLOTS_FIRST);
	b.now += 200;
	swarm_on_tick(b.s, b.now, &b.fx);
	CHECK_INT(let_in(&b), 2 * CHOKER_SLOTS_FIRST);
	CHECK(!swarm_minds_takers(b.s, b.now + 60000));
	/* The next round goes by who took something. */
	swarm_on_sent(b.s, p[39], BLOCK, b.now);
	b.now = 100000 + CHOKER_ROUND_MS;
	swarm_on_tick(b.s, b.now, &b.fx);
	CHECK(strstr(said(&b), "39:choke") == NULL);
	CHECK(swarm_minds_takers(b.s, b.now + 200));
	stop(&b);
	/* The user's number of places is not exceeded. */
	crowd_of(&b, 2, p, 3);
	said(&b);
	CHECK(!swarm_minds_takers(b.s, b.now + 60000));
	stop(&b);
}

TEST(swarm_judges_blocks_never_asked_for_as_such)
{
	struct bench b;
	struct peer_ref r;

	start(&b, 2, "..", false);
	r = join(&b, FAST);
	hear_type(&b, r, WIRE_HAVE_ALL);
	CHECK_INT(swarm_judge_block(b.s, r, 0, 0, BLOCK), BLOCK_UNASKED);
	hear_type(&b, r, WIRE_UNCHOKE);
	CHECK_INT(swarm_judge_block(b.s, r, 0, 0, BLOCK), BLOCK_WANTED);
	CHECK_INT(swarm_judge_block(b.s, r, 0, 0, 0), BLOCK_UNASKED);
	CHECK_INT(swarm_judge_block(b.s, r, 0, 0, BLOCK + 1), BLOCK_UNASKED);
	CHECK_INT(swarm_judge_block(b.s, r, 0, 1, BLOCK), BLOCK_UNASKED);
	CHECK_INT(swarm_judge_block(b.s, r, 9, 0, BLOCK), BLOCK_UNASKED);
	block(&b, r, 0, 0);
	CHECK_INT(swarm_judge_block(b.s, r, 0, 0, BLOCK), BLOCK_UNASKED);
	said(&b);
	stop(&b);
}

TEST(swarm_closes_at_a_malformed_message_and_bans_at_the_third)
{
	struct bench b;

	start(&b, 1, ".", false);
	for (int i = 0; i < 3; i++) {
		struct peer_ref r = join_as(&b, 1, 7, 0);

		CHECK(r.slot != UINT32_MAX);
		swarm_on_malformed(b.s, r, b.now, &b.fx);
		CHECK_STR(said(&b), i < 2 ? "0:close" : "ban 0:close");
	}
	CHECK(join_as(&b, 1, 7, 0).slot == UINT32_MAX);
	b.now += SWARM_BAN_MS;
	CHECK(join_as(&b, 1, 7, 0).slot != UINT32_MAX);
	stop(&b);
}

/* ---- who is let in ------------------------------------------------------- */

/* Each peer is of interest, so nobody gives way. */
TEST(swarm_has_no_place_for_one_peer_more_than_its_limit)
{
	struct bench b;

	start(&b, 1, ".", false);
	for (uint32_t i = 0; i <= SWARM_PEERS_DEFAULT; i++) {
		uint8_t id = (uint8_t)(i + 1 < 'm' ? i + 1 : i + 2); /* 'm' is ourselves */
		struct peer_ref r = join_as(&b, i, id, FAST | INCOMING);

		CHECK((r.slot != UINT32_MAX) == (i < SWARM_PEERS_DEFAULT));
		if (r.slot != UINT32_MAX)
			hear_type(&b, r, WIRE_HAVE_ALL);
		effects_clear(&b.fx);
	}
	stop(&b);
}

/* An interested getter of that host, the `i`th of all. */
static struct peer_ref join_of(struct bench *b, const uint8_t ip[4], uint32_t i)
{
	struct peer_hello h = {.incoming = true, .fast = true, .peer_id = "-XX0000-"};
	const char *why = NULL;
	struct peer_ref r;

	memcpy(h.addr.ip, ip, 4);
	h.addr.port = (uint16_t)(1000 + i);
	put_be32(h.peer_id + 16, i);
	r = swarm_on_connected(b->s, &h, b->now, &why, &b->fx);
	if (r.slot != UINT32_MAX) {
		hear_type(b, r, WIRE_HAVE_NONE);
		hear_type(b, r, WIRE_INTERESTED);
	}
	return r;
}

TEST(swarm_lets_others_in_where_one_host_has_all_places)
{
	static const uint8_t crowd[4] = {10, 0, 0, 1}, other[4] = {10, 0, 0, 2};
	struct bench b;
	uint32_t i = 0;

	start(&b, 1, "*", false);
	/* While there is room all of a host find it. */
	while (i < SWARM_PEERS_DEFAULT)
		CHECK(join_of(&b, crowd, i++).slot != UINT32_MAX);
	CHECK(join_of(&b, crowd, i++).slot == UINT32_MAX);
	said(&b);
	/* Of 200 places another one gets a third. */
	for (uint32_t k = 0; k < 67; k++) {
		CHECK(join_of(&b, other, i++).slot != UINT32_MAX);
		CHECK(strstr(said(&b), ":close") != NULL);
	}
	CHECK(join_of(&b, other, i++).slot == UINT32_MAX);
	stop(&b);
}

/* Whoever has two places keeps them. */
TEST(swarm_takes_no_place_from_a_host_that_has_few)
{
	static const uint8_t hosts[][4] = {
	    {10, 0, 0, 1}, {10, 0, 0, 2}, {10, 0, 0, 3}, {10, 0, 0, 4}};
	struct bench b;
	uint32_t i = 0;

	start(&b, 1, "*", false);
	swarm_set_max_peers(b.s, 4, b.now, &b.fx);
	while (i < 4)
		CHECK(join_of(&b, hosts[i / 3], i).slot != UINT32_MAX), i++;
	/* The first has three, the second one. */
	CHECK(join_of(&b, hosts[2], i++).slot != UINT32_MAX);
	CHECK(join_of(&b, hosts[3], i++).slot == UINT32_MAX);
	CHECK(join_of(&b, hosts[1], i++).slot == UINT32_MAX);
	stop(&b);
}

/* They may be anybody: behind 127.0.0.1 is a proxy, perhaps. */
TEST(swarm_does_not_take_the_programs_of_this_machine_for_one_host)
{
	static const uint8_t here[4] = {127, 0, 0, 1}, other[4] = {10, 0, 0, 2};
	struct bench b;
	uint32_t i = 0;

	start(&b, 1, "*", false);
	while (i < SWARM_PEERS_DEFAULT)
		CHECK(join_of(&b, here, i++).slot != UINT32_MAX);
	CHECK(join_of(&b, other, i++).slot == UINT32_MAX);
	stop(&b);
}

/* 200 of as many hosts; one takes what it is given. */
TEST(swarm_lets_others_in_where_those_who_have_all_places_take_nothing)
{
	uint8_t ip[4] = {10, 0, 0, 0};
	struct swarm_peer list[SWARM_PEERS_DEFAULT];
	struct peer_ref honest = {0, 0};
	struct bench b;
	uint32_t i = 0, gone = 0;
	uint64_t at;

	start(&b, 1, "*", false);
	for (; i < SWARM_PEERS_DEFAULT; i++) {
		ip[3] = (uint8_t)i;
		honest = join_of(&b, ip, i);
	}
	said(&b);
	for (ip[3] = 250, at = b.now + 240000; b.now < at; tick(&b, 200)) {
		struct peer_ref r = join_of(&b, ip, i++);

		for (uint32_t k = 0; k < SWARM_PEERS_DEFAULT; k++)
			hear_type(&b, (struct peer_ref){k, 0}, WIRE_KEEPALIVE);
		swarm_on_sent(b.s, honest, BLOCK, b.now);
		if (r.slot == UINT32_MAX)
			continue;
		CHECK(b.now >= 160000);
		gone++;
		swarm_on_closed(b.s, r, b.now, &b.fx);
	}
	CHECK(gone > 0);
	swarm_peers(b.s, b.now, list, SWARM_PEERS_DEFAULT);
	for (i = 0; i < SWARM_PEERS_DEFAULT && list[i].up_bytes == 0; i++) {
	}
	CHECK(i < SWARM_PEERS_DEFAULT && list[i].ref.slot == honest.slot);
	stop(&b);
}

TEST(swarm_refuses_itself)
{
	struct bench b;

	start(&b, 1, ".", false);
	CHECK(join_as(&b, 1, 'm', 0).slot == UINT32_MAX);
	CHECK_STR(said(&b), "");
	stop(&b);
}

TEST(swarm_and_its_peer_keep_the_same_one_of_two_connections)
{
	/* Our id is all 'm'. What the greater dialled stays. */
	static const struct {
		uint8_t id;
		unsigned first, second;
		const char *want;
	} cases[] = {
	    {'a', 0, INCOMING, ""},
	    {'a', INCOMING, 0, "0:close"},
	    {'z', 0, INCOMING, "0:close"},
	    {'z', INCOMING, 0, ""},
	};

	for (size_t i = 0; i < 4; i++) {
		struct bench b;
		struct peer_ref r;

		start(&b, 1, ".", false);
		join_as(&b, 1, cases[i].id, cases[i].first);
		said(&b);
		r = join_as(&b, 1, cases[i].id, cases[i].second);
		CHECK_STR(said(&b), cases[i].want);
		CHECK((r.slot == UINT32_MAX) == (cases[i].want[0] == '\0'));
		stop(&b);
	}
}

/* Its address is another one now, and nobody has told the old connection. */
TEST(swarm_lets_in_a_peer_from_elsewhere_while_its_old_connection_is_silent_and_only_then)
{
	struct bench b;
	struct peer_ref r;

	start(&b, 1, ".", false);
	r = join_as(&b, 1, 7, FAST);
	hear_type(&b, r, WIRE_HAVE_ALL);
	b.now += 20000;
	hear_type(&b, r, WIRE_UNCHOKE);
	CHECK(join_as(&b, 2, 7, 0).slot == UINT32_MAX);
	CHECK(join_as(&b, 2, 7, INCOMING).slot == UINT32_MAX);
	/* Our requests are not answered. */
	for (unsigned i = 0; i < 32; i++) {
		b.now += 250;
		swarm_on_tick(b.s, b.now, &b.fx);
	}
	said(&b);
	CHECK(join_as(&b, 2, 7, 0).slot != UINT32_MAX);
	CHECK_STR(said(&b), "0:close");
	/* It says nothing. */
	r = join_as(&b, 1, 8, FAST);
	b.now += 20000;
	hear_type(&b, r, WIRE_HAVE_NONE);
	b.now += 10000;
	CHECK(join_as(&b, 3, 8, INCOMING).slot == UINT32_MAX);
	b.now += 1;
	said(&b);
	CHECK(join_as(&b, 3, 8, INCOMING).slot != UINT32_MAX);
	CHECK(strstr(said(&b), "close") != NULL);
	stop(&b);
}

/* Its handshake says that it takes connections there. */
static void hear_port(struct bench *b, struct peer_ref r, uint16_t port)
{
	struct ext_handshake ext = {.port = port};
	struct buf body;

	buf_init(&body, 1000);
	CHECK_INT(ext_encode(&body, &ext), 0);
	hear(b, r, (struct wire_msg){.type = WIRE_EXTENDED, .body = buf_bytes(&body)});
	buf_fini(&body);
	effects_clear(&b->fx);
}

static uint32_t addresses(const struct bench *b)
{
	struct swarm_stats st;

	swarm_stats(b->s, b->now, &st);
	return st.addresses;
}

/* The one address that is dialled within the next minute. */
static struct addr redialled(struct bench *b)
{
	struct addr a = {0};
	uint32_t n = 0;

	effects_clear(&b->fx);
	tick(b, 60000);
	for (size_t i = 0; i < b->fx.n; i++) {
		if (b->fx.list[i].type != EFFECT_DIAL)
			continue;
		a = b->fx.list[i].u.addr;
		n++;
	}
	CHECK_INT(n, 1);
	return a;
}

TEST(swarm_notes_one_address_of_a_peer_however_many_ports_it_claims)
{
	struct bench b;
	struct peer_ref r;
	struct addr a;

	start(&b, 1, ".", false);
	r = join(&b, FAST | EXTENDED | INCOMING);
	for (uint16_t i = 1; i <= 3000; i++)
		hear_port(&b, r, i);
	CHECK_INT(addresses(&b), 1);
	swarm_on_closed(b.s, r, b.now, &b.fx);
	a = redialled(&b);
	CHECK_INT(a.ip[3], 1);
	CHECK_INT(a.port, 1);
	stop(&b);
}

/* It came to us, then we reached it. */
TEST(swarm_dials_a_peer_again_where_it_reached_it_whatever_port_it_claims)
{
	struct addr known = addr_of(4);
	struct bench b;
	struct peer_ref r;
	struct addr a;

	start(&b, 1, ".", false);
	r = join_as(&b, 4, 'z', FAST | EXTENDED | INCOMING);
	swarm_on_addresses(b.s, &known, 1, SOURCE_TRACKER, b.now, &b.fx);
	CHECK(join_as(&b, 4, 'z', FAST | EXTENDED).slot == UINT32_MAX);
	hear_port(&b, r, 9);
	CHECK_INT(addresses(&b), 1);
	swarm_on_closed(b.s, r, b.now, &b.fx);
	a = redialled(&b);
	CHECK(addr_eq(&a, &known));
	stop(&b);
}

TEST(swarm_dials_addresses_once_and_again_after_a_failure)
{
	struct bench b;
	struct addr list[3] = {addr_of(1), addr_of(2), addr_of(1)};

	start(&b, 1, ".", false);
	swarm_on_tick(b.s, b.now, &b.fx);
	swarm_on_addresses(b.s, list, 3, SOURCE_TRACKER, b.now, &b.fx);
	CHECK_INT(b.fx.n, 2);
	said(&b);
	swarm_on_dial_failed(b.s, &list[0], b.now, &b.fx);
	CHECK_STR(said(&b), "");
	CHECK(swarm_deadline_ms(b.s) > b.now && swarm_deadline_ms(b.s) < b.now + 10000);
	b.now += 7000;
	swarm_on_tick(b.s, b.now, &b.fx);
	CHECK(strstr(said(&b), "dial(2)") != NULL);
	stop(&b);
}

static uint32_t dials_asked(struct bench *b)
{
	uint32_t n = 0;

	for (size_t i = 0; i < b->fx.n; i++)
		n += b->fx.list[i].type == EFFECT_DIAL;
	said(b);
	return n;
}

TEST(swarm_never_has_more_than_a_hundred_dials_open)
{
	struct bench b;
	struct addr list[200];

	start(&b, 1, ".", false);
	for (uint32_t i = 0; i < 200; i++)
		list[i] = addr_of(i);
	swarm_on_addresses(b.s, list, 200, SOURCE_PEX, b.now, &b.fx);
	CHECK_INT(b.fx.n, SWARM_PEERS_DIAL);
	for (uint32_t i = 0; i < 10; i++)
		swarm_on_addresses(b.s, list, 200, SOURCE_PEX, b.now, &b.fx);
	CHECK_INT(b.fx.n, SWARM_PEERS_DIAL);
	/* Nobody lets it download: it looks for more, up to the limit. */
	for (uint32_t i = 0; i < 20; i++) {
		b.now += 15000;
		swarm_on_tick(b.s, b.now, &b.fx);
	}
	CHECK_INT(dials_asked(&b), 100);
	stop(&b);
}

static const struct addr *dial_at(const struct bench *b, uint32_t i)
{
	CHECK(i < b->fx.n && b->fx.list[i].type == EFFECT_DIAL);
	return &b->fx.list[i].u.addr;
}

/* Of 200 the first 100, in the answer of an index, have everything. */
TEST(swarm_dials_two_complete_ones_first_and_the_others_as_they_come)
{
	struct bench b;
	struct addr list[200];
	uint32_t complete = 0;

	start(&b, 1, "..", false);
	for (uint32_t i = 0; i < 200; i++)
		list[i] = addr_of(i);
	swarm_on_holders(b.s, list, 200, 100, SOURCE_TRACKER, b.now, &b.fx);
	CHECK_INT(b.fx.n, SWARM_PEERS_DIAL);
	for (uint32_t i = 0; i < SWARM_COMPLETE_FEW; i++)
		CHECK(dial_at(&b, i)->ip[3] <= 100);
	for (uint32_t i = SWARM_COMPLETE_FEW; i < SWARM_PEERS_DIAL; i++)
		complete += dial_at(&b, i)->ip[3] <= 100;
	/* The other 18 by chance. */
	CHECK(complete >= 4 && complete <= 14);
	stop(&b);
}

/* 40 that are not, then three that have everything, 101 to 103. The first 20 are being dialled. */
static void know_three_complete(struct bench *b, struct addr dialled[SWARM_PEERS_DIAL])
{
	struct addr list[40];

	start(b, 1, "..", false);
	for (uint32_t i = 0; i < 40; i++)
		list[i] = addr_of(i);
	swarm_on_addresses(b->s, list, 40, SOURCE_TRACKER, b->now, &b->fx);
	for (uint32_t i = 0; i < SWARM_PEERS_DIAL; i++)
		dialled[i] = *dial_at(b, i);
	for (uint32_t i = 0; i < 3; i++)
		list[i] = addr_of(100 + i);
	swarm_on_holders(b->s, list, 3, 3, SOURCE_TRACKER, b->now, &b->fx);
	said(b);
}

/* `lose`: how the only one is lost, who is known by `source`. */
static void check_dials_again_soon(enum addr_source source,
				   void (*lose)(struct swarm *s, const struct addr *a,
						uint64_t now_ms, struct effects *fx))
{
	struct addr list[1] = {addr_of(1)};
	struct bench b;

	start(&b, 1, ".", false);
	swarm_on_addresses(b.s, list, 1, source, b.now, &b.fx);
	CHECK(strstr(said(&b), "dial(") != NULL);
	lose(b.s, &list[0], b.now, &b.fx);
	CHECK(swarm_deadline_ms(b.s) < b.now + 700);
	tick(&b, 700);
	CHECK(strstr(said(&b), "dial(") != NULL);
	/* Now it has somebody. */
	open_seed(&b, 0);
	lose(b.s, &list[0], b.now, &b.fx);
	tick(&b, 3000);
	CHECK(strstr(said(&b), "dial(") == NULL);
	stop(&b);
}

TEST(swarm_dials_again_soon_who_hung_up_while_it_has_nobody)
{
	check_dials_again_soon(SOURCE_TRACKER, swarm_on_hung_up);
}

TEST(swarm_dials_again_soon_whom_the_user_named_while_it_has_nobody)
{
	check_dials_again_soon(SOURCE_USER, swarm_on_dial_failed);
}

TEST(swarm_dials_another_complete_one_when_one_cannot_be_reached)
{
	struct addr dialled[SWARM_PEERS_DIAL], first;
	struct bench b;

	know_three_complete(&b, dialled);
	swarm_on_dial_failed(b.s, &dialled[0], b.now, &b.fx);
	CHECK_INT(b.fx.n, 2);
	CHECK(dial_at(&b, 0)->ip[3] > 100 && dial_at(&b, 1)->ip[3] > 100);
	first = *dial_at(&b, 0);
	said(&b);
	swarm_on_dial_failed(b.s, &first, b.now, &b.fx);
	CHECK(dial_at(&b, 0)->ip[3] > 100);
	stop(&b);
}

TEST(swarm_dials_another_complete_one_when_one_says_that_it_is_not)
{
	static const enum wire_type words[] = {WIRE_HAVE_NONE, WIRE_BITFIELD};
	struct addr dialled[SWARM_PEERS_DIAL], first;
	struct peer_ref r;
	struct bench b;

	for (uint32_t i = 0; i < 2; i++) {
		know_three_complete(&b, dialled);
		swarm_on_dial_failed(b.s, &dialled[0], b.now, &b.fx);
		first = *dial_at(&b, 0);
		r = join_as(&b, first.ip[3] - 1u, 1, FAST);
		hear(&b, r, (struct wire_msg){.type = words[i], .body = bytes_str("\x80")});
		said(&b);
		swarm_on_dial_failed(b.s, &dialled[1], b.now, &b.fx);
		CHECK(dial_at(&b, 0)->ip[3] > 100);
		stop(&b);
	}
}

/* Twenty that let it download and give nothing, and 40 more addresses. */
TEST(swarm_tries_a_few_others_ever_less_often_and_each_once)
{
	struct addr list[60], dialled[SWARM_PEERS_DIAL];
	uint64_t last = 0, pause = 0;
	uint32_t tried = 0;
	struct bench b;

	start(&b, 1, "..", false);
	for (uint32_t i = 0; i < 60; i++)
		list[i] = addr_of(i);
	swarm_on_addresses(b.s, list, 60, SOURCE_TRACKER, b.now, &b.fx);
	for (uint32_t i = 0; i < SWARM_PEERS_DIAL; i++)
		dialled[i] = *dial_at(&b, i);
	said(&b);
	for (uint32_t i = 0; i < SWARM_PEERS_DIAL; i++) {
		struct peer_ref r = join_as(&b, dialled[i].ip[3] - 1u, (uint8_t)(i + 1), FAST);

		hear_type(&b, r, WIRE_HAVE_ALL);
		hear_type(&b, r, WIRE_UNCHOKE);
	}
	said(&b);
	for (uint64_t end = b.now + 55000; b.now < end; b.now += 250) {
		uint32_t n;

		swarm_on_tick(b.s, b.now, &b.fx);
		n = dials_asked(&b);
		CHECK(n <= 6);
		if (n == 0)
			continue;
		CHECK(last == 0 || b.now - last >= pause * 3 / 2);
		pause = last == 0 ? 2000 : b.now - last;
		last = b.now;
		tried += n;
	}
	/* At 3, 9, 21 and 45 s. */
	CHECK(tried >= 15 && tried <= 25);
	stop(&b);
}

/* Three of them have everything, the others a piece; when some are tried, so have these. */
TEST(swarm_lets_go_of_others_before_the_last_two_that_have_everything)
{
	struct addr list[60];
	uint32_t joined = 0, seeds = 3, gone = 0;
	struct peer_ref seed[3] = {{0}};
	struct bench b;

	start(&b, 1, "...", false);
	for (uint32_t i = 0; i < 60; i++)
		list[i] = addr_of(i);
	swarm_on_addresses(b.s, list, 60, SOURCE_TRACKER, b.now, &b.fx);
	for (uint64_t end = b.now + 120000; b.now < end; b.now += 250) {
		struct addr dialled[SWARM_PEERS_DIAL];
		uint32_t n = 0;

		for (size_t i = 0; i < b.fx.n; i++) {
			const struct effect *e = &b.fx.list[i];

			if (e->type == EFFECT_DIAL && n < SWARM_PEERS_DIAL)
				dialled[n++] = e->u.addr;
			gone += e->type == EFFECT_CLOSE;
			for (uint32_t k = 0; k < 3 && e->type == EFFECT_CLOSE; k++)
				seeds -= e->peer.slot == seed[k].slot && e->peer.gen == seed[k].gen;
		}
		said(&b);
		for (uint32_t i = 0; i < n; i++, joined++) {
			uint8_t id = dialled[i].ip[3];
			struct peer_ref r = join_as(&b, id - 1u, id, FAST);

			if (joined < 3)
				seed[joined] = r;
			hear_type(&b, r, joined < 3 ? WIRE_HAVE_ALL : WIRE_HAVE_NONE);
			if (joined >= 3)
				hear(&b, r, (struct wire_msg){.type = WIRE_HAVE, .index = i % 3});
		}
		swarm_on_tick(b.s, b.now, &b.fx);
	}
	CHECK_INT(seeds, SWARM_COMPLETE_FEW);
	CHECK(gone > 1);
	stop(&b);
}

TEST(swarm_dials_more_at_once_while_dials_are_in_vain)
{
	struct bench b;
	struct addr list[200], dialled[4];

	start(&b, 1, ".", false);
	for (uint32_t i = 0; i < 200; i++)
		list[i] = addr_of(i);
	swarm_on_addresses(b.s, list, 200, SOURCE_TRACKER, b.now, &b.fx);
	for (uint32_t i = 0; i < 4; i++)
		dialled[i] = b.fx.list[i].u.addr;
	CHECK_INT(dials_asked(&b), SWARM_PEERS_DIAL);
	swarm_on_dial_failed(b.s, &dialled[0], b.now, &b.fx);
	CHECK_INT(dials_asked(&b), 2);
	swarm_on_dial_failed(b.s, &dialled[1], b.now, &b.fx);
	CHECK_INT(dials_asked(&b), 2);
	/* One that comes through is what was looked for. */
	join_as(&b, dialled[2].ip[3] - 1u, 1, 0);
	CHECK_INT(dials_asked(&b), 0);
	swarm_on_dial_failed(b.s, &dialled[3], b.now, &b.fx);
	CHECK_INT(dials_asked(&b), 0);
	stop(&b);
}

/* From one host after the other; each has nothing and says nothing. */
static void guests_come(struct bench *b, uint32_t n, bool interested)
{
	for (uint32_t i = 0; i < n; i++) {
		uint8_t id = (uint8_t)(i + 1 < 'm' ? i + 1 : i + 2); /* 'm' is ourselves */
		struct peer_ref r = join_as(b, i, id, FAST | INCOMING);

		hear_type(b, r, WIRE_HAVE_NONE);
		if (interested)
			hear_type(b, r, WIRE_INTERESTED);
	}
	effects_clear(&b->fx);
}

/* Addresses that nobody has come from. */
static void know_others(struct bench *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct addr a = {.ip = {10, 1, 0, (uint8_t)i}, .port = 6881};

		swarm_on_addresses(b->s, &a, 1, SOURCE_TRACKER, b->now, &b->fx);
	}
}

static struct peer_ref answers(struct bench *b, const struct addr *dialled)
{
	struct peer_hello h = {.addr = *dialled, .fast = true, .peer_id = "-XX0000-"};
	const char *why = NULL;

	h.peer_id[19] = dialled->ip[3];
	return swarm_on_connected(b->s, &h, b->now, &why, &b->fx);
}

/* When the first are dialled, and how many; 0: nobody within a minute. */
static uint64_t first_dials(struct bench *b, uint32_t *n)
{
	for (uint64_t begun = b->now; b->now < begun + 60000; tick(b, 250)) {
		*n = 0;
		for (size_t i = 0; i < b->fx.n; i++)
			*n += b->fx.list[i].type == EFFECT_DIAL;
		if (*n > 0)
			return b->now;
		effects_clear(&b->fx);
	}
	return 0;
}

TEST(swarm_dials_however_many_came_that_give_nothing)
{
	struct bench b;
	uint64_t at;
	uint32_t n;

	/* Others are tried, unless it looks like a crowd; then more are looked for as time goes. */
	for (uint32_t interested = 0; interested < 2; interested++) {
		start(&b, 1, "..", false);
		guests_come(&b, 160, interested == 1);
		know_others(&b, 60);
		at = first_dials(&b, &n);
		CHECK(at > 0 && at <= 100000 + (interested == 1 ? 50000 : 4000));
		stop(&b);
	}
	/* Who has everything needs nobody. */
	start(&b, 1, "*", false);
	guests_come(&b, 160, false);
	know_others(&b, 60);
	CHECK_INT(first_dials(&b, &n), 0);
	stop(&b);
}

/* Of eight places six are for those that are dialled, half of which silent ones may stand for. */
TEST(swarm_counts_who_came_while_it_gives)
{
	char have[400] = {0};
	struct bench b;
	uint64_t at;
	uint32_t n;

	memset(have, '.', sizeof(have) - 1);
	start(&b, 1, have, false);
	swarm_set_max_peers(b.s, 8, b.now, &b.fx);
	for (uint32_t i = 0; i < 6; i++) {
		struct peer_ref r = open_seed(&b, INCOMING);

		/* In a crowd nobody is tried instead of others. */
		hear_type(&b, r, WIRE_INTERESTED);
		some_blocks(&b, r, 1);
	}
	effects_clear(&b.fx);
	know_others(&b, 60);
	CHECK_INT(first_dials(&b, &n), 0);
	/* They have been silent for a minute. */
	at = first_dials(&b, &n);
	CHECK(at >= 160000 && at <= 180000);
	CHECK_INT(n, 3);
	stop(&b);
}

TEST(swarm_has_room_for_whom_it_dials_where_those_who_came_give_nothing)
{
	struct addr dialled[SWARM_PEERS_DIAL];
	struct bench b;
	uint32_t n = 0, asked;

	start(&b, 1, "..", false);
	guests_come(&b, SWARM_PEERS_DEFAULT, true);
	know_others(&b, 60);
	CHECK(first_dials(&b, &asked) > 0);
	for (size_t i = 0; i < b.fx.n; i++)
		if (b.fx.list[i].type == EFFECT_DIAL && n < SWARM_PEERS_DIAL)
			dialled[n++] = b.fx.list[i].u.addr;
	said(&b);
	CHECK_INT(n, asked);
	for (uint32_t i = 0; i < n; i++) {
		CHECK(answers(&b, &dialled[i]).slot != UINT32_MAX);
		CHECK(strstr(said(&b), ":close") != NULL);
	}
	/* One more of those who come finds none. */
	CHECK(join_as(&b, 210, 250, FAST | INCOMING).slot == UINT32_MAX);
	stop(&b);
}

/* What was asked to be dialled is not, each time, for want of a place. */
static uint32_t put_off(struct bench *b)
{
	struct addr dialled[SWARM_PEERS_DIAL];
	uint32_t n = 0;

	for (size_t i = 0; i < b->fx.n; i++)
		if (b->fx.list[i].type == EFFECT_DIAL && n < SWARM_PEERS_DIAL)
			dialled[n++] = b->fx.list[i].u.addr;
	said(b);
	for (uint32_t i = 0; i < n; i++) {
		CHECK(swarm_is_dialing(b->s, &dialled[i]));
		swarm_on_not_dialled(b->s, &dialled[i], b->now, &b->fx);
		CHECK(!swarm_is_dialing(b->s, &dialled[i]));
	}
	/* Nobody in their stead. */
	CHECK_STR(said(b), "");
	return n;
}

TEST(swarm_dials_later_for_what_there_was_no_place_and_holds_nothing_against_it)
{
	struct addr list[200];
	struct bench b;

	start(&b, 1, ".", false);
	swarm_on_tick(b.s, b.now, &b.fx);
	for (uint32_t i = 0; i < 200; i++)
		list[i] = addr_of(i);
	swarm_on_addresses(b.s, list, SWARM_PEERS_DIAL, SOURCE_TRACKER, b.now, &b.fx);
	for (uint32_t i = 0; i < 20; i++) {
		CHECK_INT(put_off(&b), SWARM_PEERS_DIAL);
		tick(&b, 3700);
		CHECK_INT(dials_asked(&b), 0);
		CHECK(swarm_deadline_ms(b.s) < b.now + 2600);
		/* They are due by then, however often that happened. */
		tick(&b, 2600);
	}
	CHECK_INT(put_off(&b), SWARM_PEERS_DIAL);
	/* None was in vain: no more than usual are under way. */
	swarm_on_addresses(b.s, list, 200, SOURCE_TRACKER, b.now, &b.fx);
	CHECK_INT(dials_asked(&b), SWARM_PEERS_DIAL);
	stop(&b);
}

TEST(swarm_that_is_complete_waits_longer_when_there_was_no_place)
{
	struct addr a = addr_of(0);
	struct bench b;

	start(&b, 1, "*", false);
	swarm_on_addresses(b.s, &a, 1, SOURCE_TRACKER, b.now, &b.fx);
	CHECK_INT(put_off(&b), 1);
	CHECK(swarm_deadline_ms(b.s) >= b.now + 45000);
	tick(&b, 75001);
	CHECK_STR(said(&b), "dial(1)");
	stop(&b);
}

TEST(swarm_closes_seeds_when_complete_and_never_dials_them_again)
{
	struct bench b;
	struct peer_ref r;
	struct addr a = addr_of(0);

	start(&b, 1, "*", false);
	swarm_on_addresses(b.s, &a, 1, SOURCE_TRACKER, b.now, &b.fx);
	CHECK_STR(said(&b), "dial(1)");
	r = join(&b, FAST);
	hear_type(&b, r, WIRE_HAVE_ALL);
	CHECK_STR(said(&b), "0:have all 0:close");
	CHECK(swarm_deadline_ms(b.s) == UINT64_MAX);
	stop(&b);
}

static void hear_upload_only(struct bench *b, struct peer_ref r, bool upload_only)
{
	struct ext_handshake ext = {.port = 7000, .upload_only = upload_only};
	struct buf body;

	buf_init(&body, 1024);
	CHECK_INT(ext_encode(&body, &ext), 0);
	hear(b, r, (struct wire_msg){.type = WIRE_EXTENDED, .body = buf_bytes(&body)});
	buf_fini(&body);
}

/* Whichever end dialled. */
TEST(swarm_that_is_complete_dials_nobody_again_who_wants_nothing_more)
{
	static const unsigned ways[] = {0, INCOMING};
	struct addr a = addr_of(0);

	for (uint32_t i = 0; i < 2; i++) {
		struct bench b;
		struct peer_ref r;

		start(&b, 1, "**", false);
		if (ways[i] == 0)
			swarm_on_addresses(b.s, &a, 1, SOURCE_TRACKER, b.now, &b.fx);
		r = join(&b, FAST | EXTENDED | ways[i]);
		hear(&b, r, (struct wire_msg){.type = WIRE_BITFIELD, .body = bytes_str("\x80")});
		said(&b);
		hear_upload_only(&b, r, true);
		CHECK_STR(said(&b), "0:close");
		CHECK(swarm_deadline_ms(b.s) == UINT64_MAX);
		stop(&b);
	}
}

TEST(swarm_that_is_complete_dials_again_who_wants_something_after_all)
{
	struct bench b;
	struct peer_ref r, giver;

	start(&b, 1, "*.", false);
	r = join(&b, FAST | EXTENDED | INCOMING);
	hear(&b, r, (struct wire_msg){.type = WIRE_BITFIELD, .body = bytes_str("\x80")});
	hear_upload_only(&b, r, true);
	hear_upload_only(&b, r, false);
	giver = open_seed(&b, 0);
	block(&b, giver, 1, 0);
	swarm_on_piece(b.s, 1, PIECE_GOOD, NULL, b.now, &b.fx);
	swarm_on_closed(b.s, r, b.now, &b.fx);
	CHECK_INT(redialled(&b).port, 7000);
	stop(&b);
}

TEST(swarm_closes_silent_peers_and_keeps_others_alive)
{
	struct bench b;
	struct peer_ref r;

	start(&b, 1, "*", false);
	join(&b, FAST);
	r = join(&b, FAST);
	said(&b);
	b.now += SWARM_IDLE_MS - 1000;
	hear_type(&b, r, WIRE_KEEPALIVE);
	CHECK(swarm_deadline_ms(b.s) <= b.now);
	swarm_on_tick(b.s, b.now, &b.fx);
	CHECK_STR(said(&b), "0:keepalive 1:keepalive");
	b.now += 1000;
	swarm_on_tick(b.s, b.now, &b.fx);
	CHECK_STR(said(&b), "0:close");
	CHECK(swarm_deadline_ms(b.s) > b.now);
	stop(&b);
}

TEST(swarm_wants_peers_when_it_knows_too_few_but_not_too_often)
{
	struct bench b;
	uint32_t n = 0;

	start(&b, 1, ".", false);
	for (uint64_t end = b.now + 3600000; b.now < end;) {
		swarm_on_tick(b.s, b.now, &b.fx);
		n += b.fx.n > 0;
		said(&b);
		CHECK(swarm_deadline_ms(b.s) > b.now);
		b.now = swarm_deadline_ms(b.s);
	}
	CHECK(n >= 10 && n <= 20);
	stop(&b);
}

/* For an hour it had the one seed there is, and asked for others less and less often. */
TEST(swarm_whose_last_seed_leaves_wants_others_at_once_and_then_as_at_a_start)
{
	const uint64_t pause_ms = 15000;
	struct peer_ref a, c;
	uint64_t left;
	struct bench b;

	start(&b, 1, "....", false);
	a = join(&b, FAST);
	hear_type(&b, a, WIRE_HAVE_ALL);
	c = join(&b, FAST);
	hear_type(&b, c, WIRE_HAVE_NONE);
	for (uint32_t i = 0; i < 120; i++) {
		hear_type(&b, a, WIRE_CHOKE);
		hear_type(&b, c, WIRE_CHOKE);
		tick(&b, 30000);
	}
	said(&b);
	tick(&b, 20000);
	CHECK(strstr(said(&b), "want") == NULL);
	swarm_on_closed(b.s, a, b.now, &b.fx);
	tick(&b, 1);
	assert_non_null(strstr(said(&b), "want"));
	/* That another one leaves is no reason to ask again so soon. */
	left = b.now;
	swarm_on_closed(b.s, c, b.now, &b.fx);
	while (swarm_deadline_ms(b.s) < left + pause_ms) {
		CHECK(strstr(said(&b), "want") == NULL);
		b.now = swarm_deadline_ms(b.s);
		tick(&b, 0);
	}
	CHECK(strstr(said(&b), "want") == NULL);
	tick(&b, pause_ms);
	assert_non_null(strstr(said(&b), "want"));
	stop(&b);
}

/* ---- stalls (O-45) ------------------------------------------------------- */

TEST(swarm_asks_elsewhere_what_a_silent_peer_owes)
{
	struct bench b;
	struct peer_ref a, c;
	uint64_t from;

	start(&b, 4, ".", false);
	a = open_seed(&b, 0);
	c = join(&b, FAST);
	hear_type(&b, c, WIRE_HAVE_ALL);
	said(&b);
	from = b.now;
	hear_type(&b, c, WIRE_UNCHOKE);
	while (strstr(said(&b), "1:request(0.0)") == NULL) {
		CHECK(b.now - from <= SWARM_REQUEST_TIMEOUT_MAX_MS);
		if (swarm_deadline_ms(b.s) > b.now)
			b.now = swarm_deadline_ms(b.s);
		swarm_on_tick(b.s, b.now, &b.fx);
	}
	/* Should it come after all, it is welcome. */
	CHECK_INT(swarm_judge_block(b.s, a, 0, 3 * BLOCK, BLOCK), BLOCK_WANTED);
	for (uint32_t k = 0; k < 4; k++)
		block(&b, c, 0, k);
	CHECK(strstr(said(&b), "verify(0)") != NULL);
	CHECK_INT(swarm_judge_block(b.s, a, 0, 3 * BLOCK, BLOCK), BLOCK_USELESS);
	stop(&b);
}

TEST(swarm_keeps_what_came_of_a_piece_whose_sender_left)
{
	struct bench b;
	struct peer_ref a;

	start(&b, 4, ".", false);
	a = open_seed(&b, 0);
	block(&b, a, 0, 0);
	block(&b, a, 0, 1);
	swarm_on_closed(b.s, a, b.now, &b.fx);
	said(&b);
	open_seed(&b, 0);
	CHECK_STR(said(&b), "0:have none 0:interested 0:request(0.2) 0:request(0.3)");
	stop(&b);
}

/* ---- blame (O-17, O-18) -------------------------------------------------- */

static void true_hashes(const struct bench *b, uint32_t piece, uint8_t *out)
{
	uint8_t text[12];

	for (uint32_t k = 0; k < meta_piece_blocks(b->meta, piece); k++) {
		put_be32(text, piece);
		put_be32(text + 4, k);
		put_be32(text + 8, 1); /* MARK_TRUE of the virtual network */
		sha256_of(bytes_of(text, sizeof(text)), out + (size_t)k * SHA256_LEN);
	}
}

TEST(swarm_bans_the_only_sender_of_a_bad_v1_piece)
{
	struct bench b;
	struct peer_ref a;
	uint8_t hashes[2 * SHA256_LEN] = {0};

	start(&b, 2, ".", false);
	a = open_seed(&b, 0);
	open_seed(&b, 0);
	block(&b, a, 0, 0);
	block(&b, a, 0, 1);
	said(&b);
	swarm_on_piece(b.s, 0, PIECE_BAD, hashes, b.now, &b.fx);
	CHECK_STR(said(&b), "ban 0:close 1:request(0.0) 1:request(0.1)");
	CHECK(swarm_is_banned(b.s, &(struct addr){{10, 0, 0, 1}, 1, 0, 0}, b.now));
	stop(&b);
}

TEST(swarm_bans_nobody_for_a_piece_that_was_lost)
{
	struct bench b;
	struct peer_ref a;

	start(&b, 1, ".", false);
	a = open_seed(&b, 0);
	block(&b, a, 0, 0);
	said(&b);
	swarm_on_piece(b.s, 0, PIECE_LOST, NULL, b.now, &b.fx);
	CHECK_STR(said(&b), "0:request(0.0)");
	stop(&b);
}

/* Two senders of one bad piece: a third peer is asked for it, then the liar is known. */
TEST(swarm_fetches_a_bad_v1_piece_of_two_from_one_and_bans_who_differs)
{
	struct bench b;
	struct peer_ref a, c, d;
	uint8_t bad[2 * SHA256_LEN], good[2 * SHA256_LEN];

	start(&b, 2, ".", false);
	true_hashes(&b, 0, good);
	memcpy(bad, good, sizeof(bad));
	bad[SHA256_LEN] ^= 1;
	a = open_seed(&b, 0);
	block(&b, a, 0, 0);
	hear_type(&b, a, WIRE_CHOKE);
	c = open_seed(&b, 0);
	block(&b, c, 0, 1);
	hear_type(&b, a, WIRE_UNCHOKE);
	d = open_seed(&b, 0);
	said(&b);
	swarm_on_piece(b.s, 0, PIECE_BAD, bad, b.now, &b.fx);
	CHECK_STR(said(&b), "2:request(0.0) 2:request(0.1)");
	CHECK(swarm_wants_hashes(b.s, 0));
	block(&b, d, 0, 0);
	block(&b, d, 0, 1);
	said(&b);
	swarm_on_piece(b.s, 0, PIECE_GOOD, good, b.now, &b.fx);
	CHECK(strstr(said(&b), "ban 1:close") != NULL);
	CHECK(!swarm_wants_hashes(b.s, 0));
	stop(&b);
}

static struct wire_msg leaves_msg(const struct bench *b, const uint8_t *hashes, uint32_t n)
{
	struct wire_msg m = {.type = WIRE_HASHES, .body = {hashes, n * SHA256_LEN}};

	memcpy(m.hash.root, b->meta->files[0].root, SHA256_LEN);
	m.hash.length = n;
	return m;
}

TEST(swarm_asks_leaves_of_a_bad_v2_piece_and_fetches_only_the_bad_block_again)
{
	struct bench b;
	struct peer_ref a, c;
	uint8_t bad[4 * SHA256_LEN], good[4 * SHA256_LEN];
	struct swarm_stats st;

	start(&b, 4, "..", true);
	true_hashes(&b, 0, good);
	memcpy(bad, good, sizeof(bad));
	bad[2 * SHA256_LEN] ^= 1;
	a = open_seed(&b, V2);
	blocks(&b, a);
	c = open_seed(&b, V2);
	said(&b);
	swarm_on_piece(b.s, 0, PIECE_BAD, bad, b.now, &b.fx);
	CHECK_STR(said(&b), "1:hash request");
	hear(&b, c, leaves_msg(&b, good, 4));
	CHECK_STR(said(&b), "ban 0:close 1:request(0.2)");
	swarm_stats(b.s, b.now, &st);
	CHECK_INT(st.wasted_bytes, BLOCK);
	stop(&b);
}

TEST(swarm_closes_on_leaves_that_do_not_hold_and_asks_another)
{
	struct bench b;
	struct peer_ref a, c;
	uint8_t bad[4 * SHA256_LEN], good[4 * SHA256_LEN];

	start(&b, 4, "..", true);
	true_hashes(&b, 0, good);
	memcpy(bad, good, sizeof(bad));
	bad[2 * SHA256_LEN] ^= 1;
	a = open_seed(&b, V2);
	blocks(&b, a);
	c = open_seed(&b, V2);
	said(&b);
	swarm_on_piece(b.s, 0, PIECE_BAD, bad, b.now, &b.fx);
	said(&b);
	hear(&b, c, leaves_msg(&b, bad, 4));
	/* The suspect is the only one left to ask; its answer is proven like any other. */
	CHECK_STR(said(&b), "1:close 0:hash request");
	hear(&b, a, leaves_msg(&b, good, 4));
	CHECK_STR(said(&b), "ban 0:close");
	stop(&b);
}

TEST(swarm_without_leaves_falls_back_to_fetching_the_piece_again)
{
	struct bench b;
	struct peer_ref a, c;
	uint8_t bad[4 * SHA256_LEN] = {0};
	struct wire_msg m;

	start(&b, 4, "..", true);
	a = open_seed(&b, 0);
	blocks(&b, a);
	c = open_seed(&b, V2);
	said(&b);
	swarm_on_piece(b.s, 0, PIECE_BAD, bad, b.now, &b.fx);
	CHECK_STR(said(&b), "1:hash request");
	m = leaves_msg(&b, bad, 4);
	m.type = WIRE_HASH_REJECT;
	m.body.len = 0;
	hear(&b, c, m);
	CHECK(strncmp(said(&b), "ban 0:close 1:request(0.0)", 26) == 0);
	stop(&b);
}

/* Eight that have everything, let it download nothing and never answer. */
TEST(swarm_asks_four_for_leaves_then_fetches_the_piece_again)
{
	struct bench b;
	struct peer_ref giver;
	uint8_t bad[4 * SHA256_LEN] = {0};
	char want[32];

	start(&b, 4, ".", true);
	giver = open_seed(&b, 0);
	blocks(&b, giver);
	for (uint32_t i = 0; i < 8; i++)
		hear_type(&b, join(&b, FAST | V2), WIRE_HAVE_ALL);
	said(&b);
	swarm_on_piece(b.s, 0, PIECE_BAD, bad, b.now, &b.fx);
	for (uint32_t i = 1; i <= 4; i++) {
		snprintf(want, sizeof(want), "%u:hash request", i);
		assert_non_null(strstr(said(&b), want));
		tick(&b, 10000);
	}
	assert_non_null(strstr(said(&b), "ban 0:close"));
	/* Bad once more, when those who were silent may be asked again: first come the others. */
	b.now += 61000;
	giver = open_seed(&b, 0);
	blocks(&b, giver);
	said(&b);
	swarm_on_piece(b.s, 0, PIECE_BAD, bad, b.now, &b.fx);
	CHECK_STR(said(&b), "5:hash request");
	stop(&b);
}

/* ---- hashes for others --------------------------------------------------- */

static struct wire_msg ask_hashes(const struct bench *b, uint32_t base, uint32_t index,
				  uint32_t length, uint32_t proof)
{
	struct wire_msg m = {.type = WIRE_HASH_REQUEST};

	memcpy(m.hash.root, b->meta->files[0].root, SHA256_LEN);
	m.hash.base = base;
	m.hash.index = index;
	m.hash.length = length;
	m.hash.proof = proof;
	return m;
}

TEST(swarm_answers_for_the_piece_layer_with_proof)
{
	struct bench b;
	struct peer_ref r;

	/* 11 pieces of 4 blocks: 16 wide at height 2, the root at height 6. */
	start(&b, 4, "...........", true);
	r = join(&b, V2);
	for (uint32_t length = 2; length <= 16; length *= 2) {
		for (uint32_t index = 0; index < 16; index += length) {
			uint32_t covered = length == 2 ? 1 : length == 4 ? 2 : length == 8 ? 3 : 4;
			const struct wire_msg *m;

			effects_clear(&b.fx);
			b.now += 1000;
			hear(&b, r, ask_hashes(&b, 2, index, length, 3));
			CHECK_INT(b.fx.n, 1);
			m = &b.fx.list[0].u.msg;
			CHECK_INT(m->type, WIRE_HASHES);
			CHECK_INT(m->body.len, (length + 4 - covered) * SHA256_LEN);
			CHECK(merkle_proof_holds(m->body.ptr, length, index,
						 m->body.ptr + length * SHA256_LEN, 4 - covered,
						 b.meta->files[0].root));
		}
	}
	effects_clear(&b.fx);
	stop(&b);
}

/* Their trees are not computed from the piece layer each time. */
TEST(swarm_answers_for_large_files_with_proof)
{
	static const uint32_t sizes[] = {1024, 1025, 2048, 2500, 4097};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint32_t n = sizes[i], height = n == 1024   ? 10
						: n <= 2048 ? 11
						: n == 2500 ? 12
							    : 13;
		char *pieces = calloc(1, n + 1);
		struct peer_ref r;
		struct bench b;

		assert_non_null(pieces);
		memset(pieces, '.', n);
		start(&b, 2, pieces, true);
		free(pieces);
		r = join(&b, V2);
		for (uint32_t base = 1; base < height; base++) {
			uint32_t width = 1u << (height + 1 - base);
			uint32_t last = ((n - 1) >> (base - 1)) & ~1u;
			const uint32_t at[] = {0, last, width - 2, 1022 & (width - 1)};

			for (size_t k = 0; k < sizeof(at) / sizeof(at[0]); k++) {
				const struct wire_msg *m;

				effects_clear(&b.fx);
				b.now += 1000;
				hear(&b, r, ask_hashes(&b, base, at[k], 2, height - base));
				CHECK_INT(b.fx.n, 1);
				m = &b.fx.list[0].u.msg;
				CHECK_INT(m->type, WIRE_HASHES);
				CHECK(merkle_proof_holds(m->body.ptr, 2, at[k],
							 m->body.ptr + 2 * SHA256_LEN,
							 height - base, b.meta->files[0].root));
			}
		}
		effects_clear(&b.fx);
		stop(&b);
	}
}

TEST(swarm_rejects_hash_requests_that_make_no_sense)
{
	struct bench b;
	struct peer_ref r;
	struct wire_msg bad[8];

	start(&b, 4, "...........", true);
	r = join(&b, V2);
	bad[0] = ask_hashes(&b, 2, 0, 1, 0);
	bad[1] = ask_hashes(&b, 2, 0, 3, 0);
	bad[2] = ask_hashes(&b, 2, 1, 2, 0);
	bad[3] = ask_hashes(&b, 2, 16, 2, 0);
	bad[4] = ask_hashes(&b, 6, 0, 2, 0);
	bad[5] = ask_hashes(&b, 2, 0, 2, 4);
	bad[6] = ask_hashes(&b, 0xffffffffu, 0, 0x80000000u, 0xffffffffu);
	bad[7] = ask_hashes(&b, 2, 0, 2, 0);
	bad[7].hash.root[0] ^= 1;
	for (size_t i = 0; i < 8; i++) {
		hear(&b, r, bad[i]);
		CHECK_STR(said(&b), "0:hash reject");
	}
	stop(&b);
}

TEST(swarm_has_leaves_served_for_pieces_that_it_has)
{
	struct bench b;
	struct peer_ref r;

	start(&b, 4, "*..........", true);
	r = join(&b, V2);
	said(&b);
	hear(&b, r, ask_hashes(&b, 0, 0, 4, 0));
	CHECK_STR(said(&b), "0:serve");
	hear(&b, r, ask_hashes(&b, 0, 4, 4, 0));
	CHECK_STR(said(&b), "0:hash reject");
	hear(&b, r, ask_hashes(&b, 0, 0, 8, 0));
	CHECK_STR(said(&b), "0:hash reject");
	stop(&b);
}

TEST(swarm_spends_a_bounded_time_on_hash_requests)
{
	struct bench b;
	struct peer_ref r;
	uint32_t served = 0;

	start(&b, 4, "***********", true);
	r = join(&b, V2);
	said(&b);
	for (int i = 0; i < 100000; i++) {
		hear(&b, r, ask_hashes(&b, 0, 0, 32, 0));
		served += b.fx.list[0].type == EFFECT_SERVE_HASHES;
		effects_clear(&b.fx);
	}
	CHECK(served > 10 && served < 1000);
	stop(&b);
}

static uint32_t leaves_served(struct bench *b, struct peer_ref r, uint32_t length)
{
	uint32_t served = 0;

	for (int i = 0; i < 10000; i++) {
		hear(b, r, ask_hashes(b, 0, 0, length, 0));
		served += b->fx.list[0].type == EFFECT_SERVE_HASHES;
		effects_clear(&b->fx);
	}
	return served;
}

/* All of it is read and hashed for two of its 64 leaves. */
TEST(swarm_counts_a_whole_piece_for_few_leaves_and_leaves_something_for_others)
{
	struct peer_ref r, other;
	struct bench b;

	start(&b, 64, "**", true);
	r = join(&b, V2);
	other = join(&b, V2);
	said(&b);
	CHECK_INT(leaves_served(&b, r, 2), 400000 / (64 * 25));
	CHECK_INT(leaves_served(&b, other, 64), 1);
	b.now += 1000;
	CHECK_INT(leaves_served(&b, r, 64), 400000 / (64 * 25));
	stop(&b);
}

TEST(swarm_counts_the_proof_of_leaves_above_the_pieces)
{
	char pieces[501];
	struct peer_ref r;
	struct bench b;
	uint32_t served = 0;

	memset(pieces, '*', 500);
	pieces[500] = '\0';
	start(&b, 2, pieces, true);
	r = join(&b, V2);
	for (int i = 0; i < 10000; i++) {
		effects_clear(&b.fx);
		hear(&b, r, ask_hashes(&b, 0, 0, 2, 9));
		served += b.fx.list[0].type == EFFECT_SERVE_HASHES;
	}
	/* Its own two leaves, and one node after the other on the way to the root, half of all
	 * last. */
	CHECK_INT(served, 400000 / (2 * 25 + 511));
	effects_clear(&b.fx);
	stop(&b);
}

/* ---- pieces that go, pads, size ------------------------------------------ */

TEST(swarm_withdraws_a_piece_that_is_gone)
{
	struct bench b;
	struct peer_ref r;
	struct block_ref out;
	struct ext_handshake h = {.donthave = 9};
	struct buf body;

	start(&b, 2, "**", false);
	r = open_taker(&b, FAST | EXTENDED);
	buf_init(&body, 1000);
	CHECK_INT(ext_encode(&body, &h), 0);
	hear(&b, r, (struct wire_msg){.type = WIRE_EXTENDED, .body = buf_bytes(&body)});
	buf_fini(&body);
	hear_block_msg(&b, r, WIRE_REQUEST, 1, 0);
	said(&b);
	swarm_on_piece_gone(b.s, 1, b.now, &b.fx);
	CHECK_INT(be32(b.fx.list[0].u.msg.body.ptr), 1);
	CHECK_STR(said(&b), "0:extended 0:reject(1.0) 0:extended");
	CHECK(!swarm_next_upload(b.s, r, &out));
	/* Found again, it is offered as if it had just come. */
	swarm_on_piece_back(b.s, 1, b.now, &b.fx);
	CHECK_STR(said(&b), "0:have(1) complete 0:extended");
	swarm_on_piece_back(b.s, 1, b.now, &b.fx);
	CHECK_STR(said(&b), "");
	stop(&b);
}

TEST(swarm_closes_who_cannot_be_told_that_a_piece_is_gone_unless_he_has_it)
{
	struct bench b;

	start(&b, 2, "**", false);
	open_taker(&b, FAST);
	said(&b);
	swarm_on_piece_gone(b.s, 1, b.now, &b.fx);
	CHECK_STR(said(&b), "0:close");
	stop(&b);
}

TEST(swarm_has_a_piece_that_is_all_pad_verified_without_asking_anybody)
{
	static const char text[] =
	    "d4:infod5:filesld6:lengthi16384e4:pathl1:aeed4:attr1:p6:lengthi16384e"
	    "4:pathl4:.pad5:16384eee4:name1:n12:piece lengthi16384e6:pieces40:"
	    "0123456789012345678901234567890123456789ee";
	struct bench b = {.now = 5000};
	struct swarm_params p = {.seed = 1};

	CHECK_INT(meta_parse(bytes_str(text), &b.meta), META_OK);
	p.meta = b.meta;
	b.s = swarm_new(&p);
	CHECK_INT(swarm_deadline_ms(b.s), 0);
	swarm_on_tick(b.s, b.now, &b.fx);
	CHECK_STR(said(&b), "verify(1)");
	open_seed(&b, 0);
	CHECK_STR(said(&b), "0:have none 0:interested 0:request(0.0)");
	swarm_on_piece(b.s, 1, PIECE_BAD, NULL, b.now, &b.fx);
	CHECK_STR(said(&b), "");
	/* After a pause, for instance when the disk was full, it is looked at again. */
	swarm_set_paused(b.s, true, b.now, &b.fx);
	said(&b);
	swarm_set_paused(b.s, false, b.now, &b.fx);
	CHECK(strstr(said(&b), "verify(1)") != NULL);
	swarm_on_piece(b.s, 1, PIECE_GOOD, NULL, b.now, &b.fx);
	CHECK_STR(said(&b), "0:have(1)");
	stop(&b);
}

/* One piece of data, and `n` that are all pad. */
static void start_pads(struct bench *b, uint32_t n)
{
	struct swarm_params p = {.seed = 1};
	struct buf text;

	buf_init(&text, 1 << 20);
	CHECK_INT(buf_printf(&text, "d4:infod5:filesld6:lengthi16384e4:pathl1:aee"), 0);
	for (uint32_t i = 0; i < n; i++)
		CHECK_INT(buf_printf(&text, "d4:attr1:p6:lengthi16384e4:pathl4:.pad5:%05uee", i),
			  0);
	CHECK_INT(buf_printf(&text, "e4:name1:n12:piece lengthi16384e6:pieces%u:", 20 * (n + 1)),
		  0);
	for (uint32_t i = 0; i <= n; i++)
		CHECK_INT(buf_printf(&text, "01234567890123456789"), 0);
	CHECK_INT(buf_printf(&text, "ee"), 0);
	CHECK_INT(meta_parse(buf_bytes(&text), &b->meta), META_OK);
	buf_fini(&text);
	p.meta = b->meta;
	b->s = swarm_new(&p);
}

static uint32_t count_verify(struct bench *b)
{
	uint32_t n = 0;

	for (size_t i = 0; i < b->fx.n; i++)
		n += b->fx.list[i].type == EFFECT_VERIFY;
	effects_clear(&b->fx);
	return n;
}

/* A torrent of a few KB can be thousands of them: none waits for more than its turn. */
TEST(swarm_verifies_few_pieces_that_are_all_pad_at_a_time)
{
	struct bench b = {.now = 5000};

	start_pads(&b, 100);
	swarm_on_tick(b.s, b.now, &b.fx);
	CHECK_INT(count_verify(&b), 16);
	CHECK(swarm_deadline_ms(b.s) > 0);
	for (uint32_t i = 1; i <= 100; i++) {
		swarm_on_piece(b.s, i, PIECE_GOOD, NULL, b.now, &b.fx);
		CHECK_INT(count_verify(&b), i <= 84);
	}
	CHECK_INT(swarm_have(b.s)->count, 100);
	stop(&b);
}

TEST(swarm_verifies_no_more_pads_of_a_torrent_in_which_one_is_wrong_or_while_the_disk_is_full)
{
	struct bench b = {.now = 5000};

	start_pads(&b, 100);
	swarm_on_tick(b.s, b.now, &b.fx);
	CHECK_INT(count_verify(&b), 16);
	swarm_set_paused(b.s, true, b.now, &b.fx);
	for (uint32_t i = 1; i <= 16; i++)
		swarm_on_piece(b.s, i, PIECE_LOST, NULL, b.now, &b.fx);
	CHECK_INT(count_verify(&b), 0);
	swarm_set_paused(b.s, false, b.now, &b.fx);
	CHECK_INT(count_verify(&b), 16);
	swarm_on_piece(b.s, 1, PIECE_BAD, NULL, b.now, &b.fx);
	for (uint32_t i = 2; i <= 16; i++)
		swarm_on_piece(b.s, i, PIECE_GOOD, NULL, b.now, &b.fx);
	CHECK_INT(count_verify(&b), 0);
	CHECK_INT(swarm_have(b.s)->count, 15);
	stop(&b);
}

TEST(swarm_asks_up_to_where_pads_begin_and_counts_no_more)
{
	static const char text[] =
	    "d4:infod5:filesld6:lengthi20000e4:pathl1:aeed4:attr1:p6:lengthi12768e4:pathl3:padee"
	    "d6:lengthi5e4:pathl1:beed4:attr1:p6:lengthi32763e4:pathl3:padeee4:name1:n"
	    "12:piece lengthi32768e6:pieces40:0123456789012345678901234567890123456789ee";
	struct bench b = {.now = 5000};
	struct swarm_params p = {.seed = 1};
	struct swarm_stats st;
	struct peer_ref r;

	CHECK_INT(meta_parse(bytes_str(text), &b.meta), META_OK);
	p.meta = b.meta;
	b.s = swarm_new(&p);
	r = open_seed(&b, 0);
	CHECK_STR(said(&b),
		  "0:have none 0:interested 0:request(0.0) 0:request(0.1) 0:request(1.0)");
	swarm_stats(b.s, b.now, &st);
	CHECK_INT(st.left_bytes, 20005);
	CHECK_INT(swarm_judge_block(b.s, r, 0, BLOCK, 3616), BLOCK_WANTED);
	CHECK_INT(swarm_judge_block(b.s, r, 0, BLOCK, 3615), BLOCK_UNASKED);
	CHECK_INT(swarm_judge_block(b.s, r, 0, BLOCK, BLOCK), BLOCK_UNASKED);
	CHECK_INT(swarm_judge_block(b.s, r, 1, BLOCK, BLOCK), BLOCK_UNASKED);
	blocks(&b, r);
	CHECK_STR(said(&b), "verify(0) verify(1)");
	swarm_on_piece(b.s, 1, PIECE_BAD, NULL, b.now, &b.fx);
	swarm_stats(b.s, b.now, &st);
	CHECK_INT(st.down_bytes, 20005);
	CHECK_INT(st.wasted_bytes, 5);
	swarm_on_piece(b.s, 0, PIECE_GOOD, NULL, b.now, &b.fx);
	swarm_stats(b.s, b.now, &st);
	CHECK_INT(st.left_bytes, 5);
	said(&b);
	stop(&b);
}

TEST(swarm_holds_two_million_pieces)
{
	struct metainfo big = {.v1 = true,
			       .piece_length = BLOCK,
			       .n_pieces = META_PIECES_MAX,
			       .space_bytes = (uint64_t)META_PIECES_MAX * BLOCK};
	struct swarm_params p = {.meta = &big};
	struct bench b = {.meta = &big, .now = 5000};
	uint8_t *bits = malloc(META_PIECES_MAX / 8);
	struct peer_ref r;

	assert_non_null(bits);
	memset(bits, 0xff, META_PIECES_MAX / 8);
	bits[1000] = 0x7f;
	b.s = swarm_new(&p);
	r = join(&b, FAST);
	join(&b, FAST);
	hear(&b, r, (struct wire_msg){.type = WIRE_BITFIELD, .body = {bits, META_PIECES_MAX / 8}});
	hear_type(&b, r, WIRE_UNCHOKE);
	CHECK_INT(b.fx.n, 3 + 4);
	hear(&b, r, (struct wire_msg){.type = WIRE_HAVE, .index = 8000});
	blocks(&b, r);
	said(&b);
	swarm_free(b.s);
	effects_fini(&b.fx);
	free(bits);
}

TEST(swarm_alone_costs_little)
{
	struct metainfo *m = net_metainfo(1000 * 16384, 16384, true, true);
	struct swarm_params p = {.meta = m};
	struct swarm *s = swarm_new(&p);
	struct bitfield have;

	CHECK_INT(bitfield_init(&have, m->n_pieces), 0);
	bitfield_fill(&have);
	CHECK_INT(swarm_set_have(s, &have), 0);
	CHECK(swarm_deadline_ms(s) == UINT64_MAX);
	swarm_check(s);
	bitfield_fini(&have);
	swarm_free(s);
	meta_free(m);
}

/* ---- memory (O-46) ------------------------------------------------------- */

static void whole_life(struct bench *b)
{
	struct swarm_params p = {.seed = 11, .port = 6881, .meta = b->meta};
	struct addr list[40];
	struct peer_ref a, c;
	uint8_t hashes[8 * SHA256_LEN] = {0}, some[1] = {0x80};

	b->n_peers = 0;
	b->s = swarm_new(&p);
	if (b->s == NULL)
		return;
	for (uint32_t i = 0; i < 40; i++)
		list[i] = addr_of(i + 20);
	swarm_on_addresses(b->s, list, 40, SOURCE_TRACKER, b->now, &b->fx);
	a = open_seed(b, V2);
	c = join(b, EXTENDED);
	hear(b, c, (struct wire_msg){.type = WIRE_BITFIELD, .body = {some, 1}});
	hear_type(b, c, WIRE_INTERESTED);
	hear_type(b, c, WIRE_UNCHOKE);
	hear(b, a, ask_hashes(b, 0, 0, 2, 0));
	want(b, "-nnnnnnn");
	swarm_set_urgent(b->s, &(struct piece_run){2, 3}, 1, b->now, &b->fx);
	swarm_set_order(b->s, ORDER_ENDS_FIRST, b->now, &b->fx);
	swarm_check(b->s);
	swarm_set_urgent(b->s, NULL, 0, b->now, &b->fx);
	swarm_set_order(b->s, ORDER_SEQUENTIAL, b->now, &b->fx);
	swarm_set_wanted(b->s, NULL, b->now, &b->fx);
	for (uint32_t k = 0; k < 4; k++)
		block(b, k % 2 == 0 ? a : c, 0, k);
	swarm_check(b->s);
	swarm_on_piece(b->s, 0, PIECE_BAD, hashes, b->now, &b->fx);
	for (uint32_t k = 0; k < 4; k++)
		block(b, a, 0, k);
	swarm_on_piece(b->s, 0, PIECE_GOOD, hashes, b->now, &b->fx);
	hear_block_msg(b, c, WIRE_REQUEST, 0, 0);
	swarm_on_piece_gone(b->s, 0, b->now, &b->fx);
	swarm_on_tick(b->s, b->now + 11000, &b->fx);
	swarm_on_malformed(b->s, a, b->now + 11000, &b->fx);
	swarm_check(b->s);
	swarm_free(b->s);
}

TEST(swarm_survives_the_failure_of_any_allocation)
{
	struct bench b;
	size_t asked;

	start(&b, 4, "..", true);
	swarm_free(b.s);
	failmalloc_start(0, false);
	whole_life(&b);
	asked = failmalloc_stop();
	CHECK(asked > 20);
	for (size_t i = 1; i <= asked; i++) {
		for (int forever = 0; forever < 2; forever++) {
			effects_fini(&b.fx);
			failmalloc_start(i, forever != 0);
			whole_life(&b);
			failmalloc_stop();
		}
	}
	effects_fini(&b.fx);
	meta_free(b.meta);
}
