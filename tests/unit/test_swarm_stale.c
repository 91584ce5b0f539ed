/* Pieces that may be partly on disk: whose leaves are asked for, what is kept, when it is given up.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/digest.h"
#include "failmalloc.h"
#include "sim/net_impl.h"
#include "swarm/swarm.h"
#include "swarm/swarm_parts.h"
#include "test.h"

#include "swarm_fixture.h"

#define BLOCKS 4u
#define HASHES (BLOCKS * SHA256_LEN)

/* A piece that is `s` is stale: other bytes of it may be on disk. Returns 0, or ERR_NOMEM and no
 * swarm. */
static int set_stale(struct bench *b, const char *pieces)
{
	struct bitfield stale;
	int err = pieces_of(pieces, 's', &stale);

	if (err == OK)
		err = swarm_set_stale(b->s, &stale);
	bitfield_fini(&stale);
	b->s->stale.next = 0;
	if (err != OK) {
		swarm_free(b->s);
		b->s = NULL;
	}
	return err;
}

static void start_stale(struct bench *b, const char *pieces, bool v2)
{
	start(b, BLOCKS, pieces, v2);
	CHECK_INT(set_stale(b, pieces), OK);
}

static struct peer_ref seed(struct bench *b, bool v2)
{
	uint32_t i = b->n_peers++;
	struct peer_hello h = {
	    .addr = {.ip = {10, 0, 0, (uint8_t)(i + 1)}, .port = 6881}, .fast = true, .v2 = v2};
	const char *why = NULL;
	struct peer_ref r;

	memset(h.peer_id, (int)(i + 1), sizeof(h.peer_id));
	r = swarm_on_connected(b->s, &h, b->now, &why, &b->fx);
	swarm_on_message(b->s, r, &(struct wire_msg){.type = WIRE_HAVE_ALL}, b->now, &b->fx);
	swarm_on_message(b->s, r, &(struct wire_msg){.type = WIRE_UNCHOKE}, b->now, &b->fx);
	return r;
}

static int put_effect(char *out, size_t cap, const struct effect *e)
{
	const struct wire_msg *m = &e->u.msg;

	if (e->type == EFFECT_SEND && m->type == WIRE_REQUEST)
		return snprintf(out, cap, "%u:%u.%u ", e->peer.slot, m->index,
				m->begin / BLOCK_BYTES);
	if (e->type == EFFECT_SEND && m->type == WIRE_HASH_REQUEST)
		return snprintf(out, cap, "%u:leaves%u ", e->peer.slot, m->hash.index / BLOCKS);
	if (e->type == EFFECT_READ_HASHES)
		return snprintf(out, cap, "read%u ", e->u.piece);
	if (e->type == EFFECT_VERIFY)
		return snprintf(out, cap, "verify%u ", e->u.piece);
	if (e->type == EFFECT_CLOSE)
		return snprintf(out, cap, "%u:close ", e->peer.slot);
	if (e->type == EFFECT_BAN)
		return snprintf(out, cap, "ban ");
	return 0;
}

/* What was wanted since the last call, of what matters here. */
static const char *said(struct bench *b)
{
	size_t len = 0;

	b->text[0] = '\0';
	for (size_t i = 0; i < b->fx.n && len < sizeof(b->text) - 64; i++)
		len += (size_t)put_effect(b->text + len, sizeof(b->text) - len, &b->fx.list[i]);
	if (len > 0)
		b->text[len - 1] = '\0';
	effects_clear(&b->fx);
	swarm_check(b->s);
	return b->text;
}

static void true_hashes(uint32_t piece, uint8_t *out)
{
	for (uint32_t k = 0; k < BLOCKS; k++)
		net_block_hash(piece, k, MARK_TRUE, out + (size_t)k * SHA256_LEN);
}

/* The leaves of a piece; `bad`: of no piece. */
static void tell(struct bench *b, struct peer_ref r, uint32_t piece, enum wire_type type, bool bad)
{
	uint8_t hashes[HASHES];
	struct wire_msg m = {.type = type};

	true_hashes(piece, hashes);
	hashes[0] ^= (uint8_t)bad;
	memcpy(m.hash.root, b->meta->files[0].root, SHA256_LEN);
	m.hash.index = piece * BLOCKS;
	m.hash.length = BLOCKS;
	if (type == WIRE_HASHES)
		m.body = bytes_of(hashes, sizeof(hashes));
	swarm_on_message(b->s, r, &m, b->now, &b->fx);
}

/* Of the piece on disk these blocks are right: a bit each. */
static void disk(struct bench *b, uint32_t piece, unsigned right)
{
	uint8_t hashes[HASHES];

	true_hashes(piece, hashes);
	for (uint32_t k = 0; k < BLOCKS; k++)
		hashes[k * SHA256_LEN] ^= (uint8_t)(~right >> k & 1);
	swarm_on_disk_hashes(b->s, piece, hashes, b->now, &b->fx);
}

static void ticks(struct bench *b, uint32_t ms)
{
	for (uint64_t end = b->now + ms; b->now < end;) {
		b->now += SWARM_CHECK_MS;
		swarm_on_tick(b->s, b->now, &b->fx);
	}
}

static void block(struct bench *b, struct peer_ref r, uint32_t piece, uint32_t k)
{
	swarm_on_block(b->s, r, (struct block_ref){piece, k * BLOCK_BYTES, BLOCK_BYTES}, b->now,
		       &b->fx);
}

TEST(stale_pieces_are_asked_for_by_their_leaves_and_only_what_differs_is_fetched)
{
	struct bench b;
	struct peer_ref a;
	struct swarm_stats st;

	start_stale(&b, "s*s", true);
	a = seed(&b, true);
	CHECK_STR(said(&b), "0:leaves0 0:leaves2");
	tell(&b, a, 0, WIRE_HASHES, false);
	CHECK_STR(said(&b), "read0");
	disk(&b, 0, 0xb);
	CHECK_STR(said(&b), "0:0.2");
	block(&b, a, 0, 2);
	CHECK_STR(said(&b), "verify0");
	/* Nothing of it is right: it is fetched like any. */
	tell(&b, a, 2, WIRE_HASHES, false);
	disk(&b, 2, 0);
	CHECK_STR(said(&b), "read2 0:2.0 0:2.1 0:2.2 0:2.3");
	swarm_on_piece(b.s, 0, PIECE_GOOD, NULL, b.now, &b.fx);
	swarm_stats(b.s, b.now, &st);
	CHECK_INT(st.kept_bytes, 3 * BLOCK_BYTES);
	CHECK_INT(st.down_bytes, BLOCK_BYTES);
	stop(&b);
}

TEST(stale_pieces_of_which_all_is_right_after_all_are_verified_without_a_fetch)
{
	struct bench b;
	struct peer_ref a;

	start_stale(&b, "s*", true);
	a = seed(&b, true);
	tell(&b, a, 0, WIRE_HASHES, false);
	disk(&b, 0, 0xf);
	CHECK_STR(said(&b), "0:leaves0 read0 verify0");
	/* It is not, as somebody wrote to it meanwhile: nobody is to blame, all of it is fetched.
	 */
	swarm_on_piece(b.s, 0, PIECE_BAD, (uint8_t[HASHES]){0}, b.now, &b.fx);
	CHECK_STR(said(&b), "0:0.0 0:0.1 0:0.2 0:0.3");
	stop(&b);
}

TEST(stale_pieces_that_turn_out_bad_are_not_blamed_on_who_sent_the_rest)
{
	struct bench b;
	struct peer_ref a;
	uint8_t hashes[HASHES];

	start_stale(&b, "s*", true);
	a = seed(&b, true);
	tell(&b, a, 0, WIRE_HASHES, false);
	disk(&b, 0, 0xe);
	block(&b, a, 0, 0);
	CHECK_STR(said(&b), "0:leaves0 read0 0:0.0 verify0");
	true_hashes(0, hashes);
	hashes[2 * SHA256_LEN] ^= 1;
	swarm_on_piece(b.s, 0, PIECE_BAD, hashes, b.now, &b.fx);
	/* Without leaves a single sender would be the cause. */
	CHECK_STR(said(&b), "0:leaves0");
	tell(&b, a, 0, WIRE_HASH_REJECT, false);
	CHECK_STR(said(&b), "0:0.0 0:0.1 0:0.2 0:0.3");
	stop(&b);
}

TEST(stale_pieces_of_v1_torrents_and_of_single_blocks_are_fetched_whole)
{
	struct bench b;

	start_stale(&b, "ss", false);
	(void)seed(&b, true);
	CHECK(strstr(said(&b), "leaves") == NULL);
	stop(&b);
}

TEST(stale_pieces_wait_while_others_are_fetched_and_urgent_ones_are_asked_about_first)
{
	struct bench b;
	char pieces[41];
	struct peer_ref a;

	memset(pieces, 's', sizeof(pieces) - 1);
	pieces[40] = '\0';
	pieces[5] = '.';
	start_stale(&b, pieces, true);
	swarm_set_urgent(b.s, &(struct piece_run){30, 1}, 1, b.now, &b.fx);
	a = seed(&b, true);
	/* So many at one peer, and meanwhile what nothing is known of. */
	CHECK_STR(said(&b), "0:leaves30 0:leaves31 0:leaves32 0:leaves33 0:leaves34 0:leaves35 "
			    "0:leaves36 0:leaves37 0:5.0 0:5.1 0:5.2 0:5.3");
	tell(&b, a, 31, WIRE_HASHES, false);
	CHECK_STR(said(&b), "read31 0:leaves38");
	stop(&b);
}

TEST(stale_pieces_are_fetched_whole_when_nobody_speaks_of_hashes)
{
	struct bench b;

	start_stale(&b, "ss", true);
	(void)seed(&b, false);
	CHECK_STR(said(&b), "");
	ticks(&b, SWARM_CHECK_MS);
	CHECK(strstr(said(&b), ".0 ") != NULL);
	stop(&b);
}

TEST(stale_pieces_beyond_the_first_row_are_left_for_one_who_gives_hashes_and_comes_later)
{
	uint32_t n = (16u << 20) / (BLOCKS * BLOCK_BYTES) + 50;
	struct peer_ref late;
	struct bench b;
	char *pieces = malloc(n + 1);

	CHECK(pieces != NULL);
	memset(pieces, 's', n);
	pieces[n] = '\0';
	start_stale(&b, pieces, true);
	(void)seed(&b, false);
	ticks(&b, SWARM_CHECK_MS);
	CHECK_INT(b.s->picker.held.count, 50);
	effects_clear(&b.fx);
	late = seed(&b, true);
	CHECK(late.slot == 1);
	CHECK(strstr(said(&b), "1:leaves") != NULL);
	CHECK_INT(b.s->picker.held.count, 50);
	stop(&b);
	free(pieces);
}

TEST(stale_pieces_are_asked_of_another_after_rejects_and_whole_when_all_reject)
{
	struct bench b;
	struct peer_ref a, c;

	start_stale(&b, "s*", true);
	a = seed(&b, true);
	CHECK_STR(said(&b), "0:leaves0");
	c = seed(&b, true);
	tell(&b, a, 0, WIRE_HASH_REJECT, false);
	CHECK_STR(said(&b), "1:leaves0");
	for (int i = 0; i < 30; i++) {
		tell(&b, c, 0, WIRE_HASH_REJECT, false);
		tell(&b, a, 0, WIRE_HASH_REJECT, false);
		ticks(&b, 250);
	}
	CHECK(strstr(said(&b), ":0.0") != NULL);
	stop(&b);
}

TEST(stale_pieces_are_not_waited_for_where_hashes_drip)
{
	struct bench b;
	char pieces[201];
	struct peer_ref a;
	uint64_t begun;
	bool whole = false;

	memset(pieces, 's', sizeof(pieces) - 1);
	pieces[200] = '\0';
	start_stale(&b, pieces, true);
	a = seed(&b, true);
	begun = b.now;
	/* One piece every two seconds, all of it wrong on disk: the rest is fetched long before
	 * they have all been told. */
	for (uint32_t i = 0; i < 200 && !whole; i++) {
		ticks(&b, 2000);
		tell(&b, a, i, WIRE_HASHES, false);
		disk(&b, i, 0xf);
		swarm_on_piece(b.s, i, PIECE_GOOD, NULL, b.now, &b.fx);
		whole = strchr(said(&b), '.') != NULL;
	}
	CHECK(whole && b.now - begun < 10000);
	stop(&b);
}

TEST(stale_pieces_forget_who_lies_about_hashes_is_silent_or_leaves)
{
	struct bench b;
	struct peer_ref a, c, d;

	start_stale(&b, "s*", true);
	a = seed(&b, true);
	said(&b);
	c = seed(&b, true);
	tell(&b, a, 0, WIRE_HASHES, true);
	CHECK_STR(said(&b), "0:close 1:leaves0");
	d = seed(&b, true);
	swarm_on_closed(b.s, c, b.now, &b.fx);
	CHECK_STR(said(&b), "0:leaves0");
	tell(&b, c, 0, WIRE_HASHES, false);
	CHECK_STR(said(&b), "");
	/* Silent for ten seconds: whoever else is there is asked, or nobody. */
	(void)d;
	ticks(&b, 4500);
	CHECK_STR(said(&b), "");
	ticks(&b, 1000);
	CHECK(strstr(said(&b), "0:0.0") != NULL);
	stop(&b);
}

TEST(stale_pieces_that_are_not_wanted_any_more_are_left_alone_until_they_are)
{
	struct bench b;
	struct peer_ref a;

	start_stale(&b, "s.", true);
	a = seed(&b, true);
	tell(&b, a, 0, WIRE_HASHES, false);
	said(&b);
	swarm_set_wanted(b.s, (uint8_t[]){WANT_NOT, WANT_NORMAL}, b.now, &b.fx);
	disk(&b, 0, 0x1);
	CHECK_STR(said(&b), "");
	swarm_set_wanted(b.s, NULL, b.now, &b.fx);
	CHECK_STR(said(&b), "0:leaves0");
	stop(&b);
}

static void whole_life(struct bench *b)
{
	struct peer_ref a;

	b->n_peers = 0;
	if (begin_swarm(b, "ssss") != OK || set_stale(b, "ssss") != OK)
		return;
	a = seed(b, true);
	for (uint32_t i = 0; i < 4; i++)
		tell(b, a, i, WIRE_HASHES, false);
	for (uint32_t i = 0; i < 3; i++)
		disk(b, i, 0x7);
	ticks(b, 20000);
	swarm_check(b->s);
	swarm_free(b->s);
}

TEST(stale_pieces_survive_the_failure_of_any_allocation)
{
	struct bench b;
	size_t asked;

	start_stale(&b, "ssss", true);
	swarm_free(b.s);
	failmalloc_start(0, false);
	whole_life(&b);
	asked = failmalloc_stop();
	CHECK(asked > 10);
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
