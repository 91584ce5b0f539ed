/* Pictures: one word a piece, one character a block: 'x' received, 'a' asked of somebody, '.' free;
 * a word "had" is a verified piece. */
#include "swarm/picker.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "meta/create.h"
#include "sim/net.h"
#include "test.h"

#define DRAWN_MAX 64

static struct metainfo *meta;
static struct rng rng;
static struct picker drawn;
static const struct sender somebody = {{77, 1}, {{10, 0, 0, 77}, 6881, 0, 0}};

/* Splits at spaces; returns how many words there are. */
static uint32_t words(const char *text, char out[][32])
{
	uint32_t n = 0;
	int used;

	while (n < DRAWN_MAX && sscanf(text, " %31s%n", out[n], &used) == 1) {
		text += used;
		n++;
	}
	return n;
}

static void draw_piece(struct picker *p, uint32_t piece, const char *picture)
{
	struct asker a = {.current = PICKER_NONE, .ref = somebody.ref};
	size_t n = strlen(picture);

	if (strcmp(picture, "had") == 0 || strspn(picture, ".") == n)
		return;
	for (uint32_t b = 0; b < n; b++) {
		uint32_t got;

		assert_true(picker_pick_in(p, &a, piece, 0, &got));
		assert_int_equal(got, b);
	}
	for (uint32_t b = 0; b < n; b++) {
		if (picture[b] == 'x')
			picker_receive(p, piece, b, &somebody);
		else if (picture[b] == '.')
			picker_unask(p, piece, b, false);
	}
	picker_leave(p, &a);
}

static struct picker *picker_draw(const char *avail, const char *have)
{
	char a[DRAWN_MAX][32], h[DRAWN_MAX][32];
	uint32_t n = words(have, h), blocks = 1;
	struct bitfield had;

	assert_int_equal(words(avail, a), n);
	for (uint32_t i = 0; i < n; i++) {
		if (strcmp(h[i], "had") != 0)
			blocks = (uint32_t)strlen(h[i]);
	}
	meta = net_metainfo((uint64_t)n * blocks * BLOCK_BYTES, blocks * BLOCK_BYTES, true, false);
	rng_seed(&rng, 7);
	assert_int_equal(picker_init(&drawn, meta, &rng), 0);
	assert_int_equal(bitfield_init(&had, n), 0);
	for (uint32_t i = 0; i < n; i++) {
		if (strcmp(h[i], "had") == 0)
			bitfield_set(&had, i);
	}
	assert_int_equal(picker_set_have(&drawn, &had), 0);
	bitfield_fini(&had);
	assert_int_equal(picker_reserve(&drawn, 20), 0);
	for (uint32_t i = 0; i < n; i++) {
		for (long k = strtol(a[i], NULL, 10); k > 0; k--)
			picker_add(&drawn, i);
	}
	for (uint32_t i = 0; i < n; i++)
		draw_piece(&drawn, i, h[i]);
	picker_check(&drawn);
	return &drawn;
}

static void picker_erase(struct picker *p)
{
	picker_check(p);
	picker_fini(p);
	meta_free(meta);
}

/* A peer that has the pieces marked '*'. */
static struct asker asker_draw(const char *has, struct bitfield *bits)
{
	struct asker a = {.current = PICKER_NONE, .ref = {1, 1}, .has = bits};

	assert_int_equal(bitfield_init(bits, (uint32_t)strlen(has)), 0);
	for (uint32_t i = 0; i < bits->n; i++) {
		if (has[i] == '*')
			bitfield_set(bits, i);
	}
	return a;
}

/* The next `n` picks as "piece:block piece:block", "-" for none. */
static const char *picked(struct picker *p, struct asker *a, int n, uint64_t now_ms)
{
	static char text[512];
	size_t len = 0;
	uint32_t piece, block;

	text[0] = '\0';
	for (int i = 0; i < n; i++) {
		if (picker_pick(p, a, now_ms, &piece, &block))
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u:%u",
						i > 0 ? " " : "", piece, block);
		else
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s-",
						i > 0 ? " " : "");
		picker_check(p);
	}
	return text;
}

TEST(picker_finishes_a_started_piece_before_a_rarer_one)
{
	struct picker *p = picker_draw("3  1  2", "x. .. ..");
	struct bitfield bits;
	struct asker a = asker_draw("***", &bits);

	CHECK_STR(picked(p, &a, 1, 0), "0:1");
	bitfield_fini(&bits);
	picker_erase(p);
}

TEST(picker_takes_the_rarest_piece_that_the_peer_has)
{
	struct picker *p = picker_draw("3  1  2", ".. .. ..");
	struct bitfield bits;
	struct asker a = asker_draw("***", &bits);

	CHECK_STR(picked(p, &a, 4, 0), "1:0 1:1 2:0 2:1");
	bitfield_fini(&bits);
	a = asker_draw("*--", &bits);
	CHECK_STR(picked(p, &a, 3, 0), "0:0 0:1 -");
	bitfield_fini(&bits);
	picker_erase(p);
}

TEST(picker_skips_what_is_had_and_what_is_asked)
{
	struct picker *p = picker_draw("1   1  1", "had aa xa");
	struct bitfield bits;
	struct asker a = asker_draw("***", &bits);

	CHECK_STR(picked(p, &a, 1, 0), "-");
	picker_unask(p, 2, 1, false);
	CHECK_STR(picked(p, &a, 2, 0), "2:1 -");
	bitfield_fini(&bits);
	picker_erase(p);
}

TEST(picker_keeps_a_peer_on_its_piece_and_gives_each_its_own)
{
	struct picker *p = picker_draw("2    2    2", ".... .... ....");
	struct asker a = {.current = PICKER_NONE, .ref = {1, 1}};
	struct asker b = {.current = PICKER_NONE, .ref = {2, 1}};
	uint32_t pa, pb, x, k;

	for (uint32_t i = 0; i < 4; i++) {
		CHECK(picker_pick(p, &a, 0, &pa, &k));
		CHECK_INT(k, i);
		CHECK(picker_pick(p, &b, 0, &pb, &k));
		CHECK_INT(k, i);
		CHECK(pa != pb);
	}
	CHECK(picker_pick(p, &a, 0, &x, &k));
	CHECK(x != pa && x != pb);
	picker_erase(p);
}

TEST(picker_shares_a_piece_when_nothing_else_is_left)
{
	struct picker *p = picker_draw("1", "........");
	struct asker a = {.current = PICKER_NONE, .ref = {1, 1}};
	struct asker b = {.current = PICKER_NONE, .ref = {2, 1}};
	uint32_t piece, k, n = 0;

	CHECK(picker_pick(p, &a, 0, &piece, &k));
	while (picker_pick(p, &b, 0, &piece, &k))
		n++;
	CHECK_INT(n, 7);
	picker_erase(p);
}

TEST(picker_lets_others_join_a_piece_that_takes_long)
{
	struct picker *p = picker_draw("1    2", ".... ....");
	struct asker slow = {.current = PICKER_NONE, .ref = {1, 1}};
	struct asker fast = {.current = PICKER_NONE, .ref = {2, 1}};
	uint32_t piece, k;

	CHECK_STR(picked(p, &slow, 1, 0), "0:0");
	CHECK(picker_pick(p, &fast, PICKER_SHARE_MS, &piece, &k));
	CHECK_INT(piece, 0);
	picker_erase(p);
}

TEST(picker_takes_a_suggested_piece_before_others_but_ends_the_one_it_is_on)
{
	struct picker *p = picker_draw("1  1  1  1  1", ".. .. .. .. x.");
	struct asker a = {.current = PICKER_NONE, .ref = {1, 1}};

	picker_on_suggest(&a, 2);
	picker_on_suggest(&a, 3);
	CHECK_STR(picked(p, &a, 5, 0), "2:0 2:1 3:0 3:1 4:1");
	picker_erase(p);
}

TEST(picker_forgets_suggestions_that_cannot_be_taken)
{
	struct picker *p = picker_draw("1  1  1", "xx .. ..");
	struct bitfield bits;
	struct asker a = asker_draw("*.*", &bits);

	picker_on_suggest(&a, 0);
	picker_on_suggest(&a, 1);
	CHECK_STR(picked(p, &a, 2, 0), "2:0 2:1");
	CHECK_INT(a.n_suggested, 0);
	for (uint32_t i = 0; i < 1000; i++)
		picker_on_suggest(&a, i);
	CHECK_INT(a.n_suggested, PICKER_SUGGESTED);
	CHECK_INT(a.suggested[0], 1000 - PICKER_SUGGESTED);
	bitfield_fini(&bits);
	picker_erase(p);
}

TEST(picker_asks_a_far_peer_only_for_what_no_near_one_has)
{
	struct picker *p = picker_draw("1  1  1", ".. .. ..");
	struct asker far = {.current = PICKER_NONE, .ref = {1, 1}, .far = true};
	struct bitfield near;

	assert_int_equal(bitfield_init(&near, 3), 0);
	bitfield_set(&near, 0);
	bitfield_set(&near, 2);
	CHECK(picker_near_make(p));
	picker_near_add_bits(p, &near);
	picker_on_suggest(&far, 2);
	CHECK_STR(picked(p, &far, 3, 0), "1:0 1:1 -");
	picker_near_drop(p);
	far.dry = far.dry_fresh = 0;
	CHECK(strcmp(picked(p, &far, 1, 0), "-") != 0);
	bitfield_fini(&near);
	picker_erase(p);
}

TEST(picker_says_when_every_piece_that_is_to_be_had_was_begun)
{
	struct picker *p = picker_draw("1  0  1", "x. .. ..");
	struct asker a = {.current = PICKER_NONE, .ref = {1, 1}};
	uint32_t block;

	CHECK(!picker_all_begun(p));
	CHECK(picker_pick_in(p, &a, 2, 0, &block));
	CHECK(picker_all_begun(p));
	/* Somebody has everything. */
	p->n_all++;
	CHECK(!picker_all_begun(p));
	p->n_all--;
	picker_erase(p);
}

TEST(picker_breaks_ties_by_chance)
{
	uint32_t seen = 0;

	for (uint64_t seed = 0; seed < 64; seed++) {
		struct picker p;
		struct asker a = {.current = PICKER_NONE, .ref = {1, 1}};
		uint32_t piece, k;

		meta = net_metainfo(16 * BLOCK_BYTES, BLOCK_BYTES, true, false);
		rng_seed(&rng, seed);
		CHECK_INT(picker_init(&p, meta, &rng), 0);
		CHECK(picker_pick(&p, &a, 0, &piece, &k));
		seen |= 1u << piece;
		picker_fini(&p);
		meta_free(meta);
	}
	CHECK(__builtin_popcount(seen) > 10);
}

TEST(picker_asks_a_second_peer_only_for_what_is_asked)
{
	struct picker *p = picker_draw("1", "xa.");

	CHECK(!picker_ask_again(p, 0, 0));
	CHECK(picker_ask_again(p, 0, 1));
	CHECK(!picker_ask_again(p, 0, 2));
	picker_unask(p, 0, 1, false);
	CHECK_INT(picker_open(p, 0)->n_free, 1);
	CHECK(picker_receive(p, 0, 1, &somebody));
	CHECK_INT(picker_open(p, 0)->n_done, 2);
	picker_erase(p);
}

TEST(picker_takes_a_block_that_was_given_up_already)
{
	struct picker *p = picker_draw("1", "aa");

	picker_unask(p, 0, 1, true);
	CHECK_INT(picker_open(p, 0)->n_free, 1);
	CHECK(picker_receive(p, 0, 1, &somebody));
	CHECK_INT(picker_open(p, 0)->n_free, 0);
	picker_erase(p);
}

TEST(picker_gives_a_reserved_piece_to_one_peer_only)
{
	struct picker *p = picker_draw("1  1", "x. had");
	struct asker a = {.current = PICKER_NONE, .ref = {1, 1}};
	struct asker b = {.current = PICKER_NONE, .ref = {2, 1}};

	picker_reserve_for(p, picker_open(p, 0), b.ref);
	CHECK_STR(picked(p, &a, 1, 0), "-");
	CHECK_STR(picked(p, &b, 1, 0), "0:1");
	picker_erase(p);
}

TEST(picker_fetches_a_lost_piece_again)
{
	struct picker *p = picker_draw("1   1", "had had");
	struct asker a = {.current = PICKER_NONE, .ref = {1, 1}};

	CHECK_STR(picked(p, &a, 1, 0), "-");
	CHECK_INT(picker_lose(p, 1), 0);
	CHECK_STR(picked(p, &a, 2, 0), "1:0 -");
	picker_erase(p);
}

TEST(picker_finds_the_pieces_of_a_peer_that_has_few_of_many)
{
	struct picker p;
	struct bitfield bits;
	struct asker a = {.current = PICKER_NONE, .ref = {1, 1}, .has = &bits};

	meta = net_metainfo(5000 * (uint64_t)BLOCK_BYTES, BLOCK_BYTES, true, false);
	rng_seed(&rng, 3);
	CHECK_INT(picker_init(&p, meta, &rng), 0);
	CHECK_INT(bitfield_init(&bits, 5000), 0);
	bitfield_set(&bits, 17);
	bitfield_set(&bits, 4998);
	picker_add_bits(&p, &bits);
	picker_add(&p, 17);
	CHECK_STR(picked(&p, &a, 3, 0), "4998:0 17:0 -");
	bitfield_set(&bits, 5);
	picker_add(&p, 5);
	picker_on_have(&p, &a, 5);
	CHECK_STR(picked(&p, &a, 2, 0), "5:0 -");
	bitfield_fini(&bits);
	picker_fini(&p);
	meta_free(meta);
}

/* Two files of a hybrid torrent with a pad between them. */
static struct metainfo *padded(uint64_t first, uint32_t piece_length)
{
	static const uint8_t zeros[64 * SHA256_LEN];
	uint8_t root[SHA256_LEN] = {1};
	struct create_file files[2] = {{.path = "a", .length = first, .root = root},
				       {.path = "b", .length = 5, .root = root}};
	struct create_spec spec = {.name = "n",
				   .v1 = true,
				   .piece_length = piece_length,
				   .files = files,
				   .n_files = 2,
				   .pieces_v1 = zeros,
				   .n_pieces_v1 = 2};
	struct metainfo *m = NULL;
	struct buf out;

	/* A file of one piece needs no layer. */
	spec.v2 = true;
	buf_init(&out, META_BYTES_MAX);
	CHECK_INT(create_torrent(&spec, &out), 0);
	CHECK_INT(meta_parse(buf_bytes(&out), &m), META_OK);
	buf_fini(&out);
	return m;
}

TEST(picker_never_asks_for_blocks_that_are_all_pad)
{
	struct asker a = {.current = PICKER_NONE, .ref = {1, 1}};
	struct picker p;
	uint32_t piece, block, n = 0;

	meta = padded(BLOCK_BYTES + 1, 4 * BLOCK_BYTES);
	CHECK_INT(meta->n_pieces, 2);
	rng_seed(&rng, 1);
	CHECK_INT(picker_init(&p, meta, &rng), 0);
	while (picker_pick(&p, &a, 0, &piece, &block)) {
		CHECK(piece == 1 || block < 2);
		picker_receive(&p, piece, block, &somebody);
		picker_check(&p);
		n++;
	}
	CHECK_INT(n, 3);
	CHECK_INT(picker_open(&p, 0)->n_done, 4);
	picker_fini(&p);
	meta_free(meta);
}

/* Somebody goes, and comes again with other pieces: hardly any, half, or nearly all. */
static void come_again(struct picker *p, struct asker *a, struct bitfield *has, struct rng *r)
{
	uint32_t chance = rng_below(r, 5);

	picker_remove_bits(p, has);
	bitfield_clear(has);
	for (uint32_t i = 0; i < has->n; i++)
		if (rng_below(r, 4) < chance)
			bitfield_set(has, i);
	CHECK_INT(picker_reserve(p, 5 + rng_below(r, 9)), 0);
	picker_add_bits(p, has);
	a->dry = a->dry_fresh = 0;
}

static void check_copies(const struct picker *p, const struct bitfield *has, uint64_t seed)
{
	for (uint32_t k = 0; k < p->have.n; k++) {
		uint32_t copies = 0;

		for (uint32_t i = 1; i < 6; i++)
			copies += bitfield_has(&has[i], k);
		CHECK_SEED(picker_copies(p, k) == copies, seed);
	}
}

/* As picker_lacks_any() says it does, and not by looking at each. */
static bool lacks_any(const struct picker *p, const struct bitfield *has, uint32_t copies)
{
	for (uint32_t i = 0; i < p->have.n; i++)
		if ((has == NULL || bitfield_has(has, i)) && picker_lacks(p, i) &&
		    picker_copies(p, i) == copies)
			return true;
	return false;
}

/* Each block is handed out once, and the order stays an order, whatever happens. */
static void random_run(uint64_t seed)
{
	struct bitfield has[6];
	struct asker a[6];
	struct picker p;
	struct rng r;

	rng_seed(&r, seed);
	rng_seed(&rng, seed);
	meta = net_metainfo((uint64_t)(1 + rng_below(&r, 40)) * BLOCK_BYTES + rng_below(&r, 20000),
			    BLOCK_BYTES << rng_below(&r, 3), true, false);
	CHECK_INT(picker_init(&p, meta, &rng), 0);
	CHECK_INT(picker_reserve(&p, 5), 0);
	for (uint32_t i = 0; i < 6; i++) {
		CHECK_INT(bitfield_init(&has[i], meta->n_pieces), 0);
		a[i] = (struct asker){
		    .current = PICKER_NONE, .ref = {i, 1}, .has = i == 0 ? NULL : &has[i]};
	}
	for (uint32_t step = 0; step < 400; step++) {
		uint32_t i = rng_below(&r, 6), piece = rng_below(&r, meta->n_pieces), block;
		struct open_piece *o;

		if (i > 0 && bitfield_set(&has[i], piece)) {
			picker_add(&p, piece);
			picker_on_have(&p, &a[i], piece);
		}
		if (picker_pick(&p, &a[i], step * 10, &piece, &block)) {
			CHECK_SEED(picker_open(&p, piece)->blocks[block].asked == 1, seed);
			if (rng_below(&r, 3) == 0)
				picker_unask(&p, piece, block, false);
			else
				picker_receive(&p, piece, block,
					       &(struct sender){a[i].ref, {{0}, 0, 0, 0}});
			o = picker_open(&p, piece);
			if (o->n_done == o->n_blocks) {
				picker_freeze(&p, o, OPEN_VERIFYING);
				if (rng_below(&r, 4) == 0)
					picker_again(&p, o, step);
				else
					picker_good(&p, o->piece);
			}
		} else if (rng_below(&r, 8) == 0) {
			picker_leave(&p, &a[i]);
			CHECK_INT(picker_lose(&p, rng_below(&r, meta->n_pieces)), 0);
		} else if (i > 0 && rng_below(&r, 4) == 0) {
			come_again(&p, &a[i], &has[i], &r);
		}
		picker_check(&p);
		picker_check_asker(&p, &a[i]);
		check_copies(&p, has, seed);
		CHECK_SEED(picker_lacks_any(&p, a[i].has, i > 0) == lacks_any(&p, a[i].has, i > 0),
			   seed);
	}
	for (uint32_t i = 1; i < 6; i++) {
		picker_remove_bits(&p, &has[i]);
		picker_check(&p);
	}
	for (uint32_t i = 0; i < 6; i++)
		bitfield_fini(&has[i]);
	picker_fini(&p);
	meta_free(meta);
}

TEST(picker_keeps_its_invariants_in_random_runs)
{
	for (uint64_t seed = 1; seed <= 200; seed++)
		random_run(seed);
}

/* Pieces that stand elsewhere than in `was`. */
static uint32_t count_moved(const struct picker *p, const uint32_t *was)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->have.n; i++)
		n += p->place[i] != was[i];
	return n;
}

TEST(picker_moves_what_a_peer_lacks_where_that_is_less_than_what_it_has)
{
	struct bitfield most;
	uint32_t was[200];
	struct picker p;

	meta = net_metainfo(200 * BLOCK_BYTES, BLOCK_BYTES, true, false);
	rng_seed(&rng, 1);
	CHECK_INT(picker_init(&p, meta, &rng), 0);
	CHECK_INT(bitfield_init(&most, 200), 0);
	bitfield_fill(&most);
	bitfield_unset(&most, 5);
	for (uint32_t n = 1; n <= 30; n++) {
		CHECK_INT(picker_reserve(&p, n), 0);
		memcpy(was, p.place, sizeof(was));
		picker_add_bits(&p, &most);
		CHECK(count_moved(&p, was) <= 2);
		CHECK_INT(picker_copies(&p, 5), 0);
		CHECK_INT(picker_copies(&p, 6), n);
		picker_check(&p);
	}
	/* Now it is the only one of its bucket. */
	memcpy(was, p.place, sizeof(was));
	for (uint32_t n = 30; n > 0; n--) {
		picker_remove_bits(&p, &most);
		picker_check(&p);
	}
	CHECK(count_moved(&p, was) <= 2);
	CHECK_INT(picker_alone(&p), 200);
	bitfield_fini(&most);
	picker_fini(&p);
	meta_free(meta);
}

TEST(picker_moves_nothing_for_who_has_everything_once_more)
{
	uint32_t was[200];
	struct bitfield all;
	struct picker p;

	meta = net_metainfo(200 * BLOCK_BYTES, BLOCK_BYTES, true, false);
	rng_seed(&rng, 1);
	CHECK_INT(picker_init(&p, meta, &rng), 0);
	CHECK_INT(bitfield_init(&all, 200), 0);
	memcpy(was, p.place, sizeof(was));
	for (uint32_t turn = 0; turn < 100; turn++) {
		/* One after the other has it, and all of it then. */
		CHECK_INT(picker_reserve(&p, 1), 0);
		for (uint32_t i = 0; i < 200; i++)
			picker_add(&p, i);
		picker_check(&p);
		memcpy(was, p.place, sizeof(was));
		bitfield_fill(&all);
		picker_remove_bits(&p, &all);
		CHECK_INT(count_moved(&p, was), 0);
		CHECK_INT(picker_alone(&p), 200);
		picker_check(&p);
	}
	bitfield_fini(&all);
	picker_fini(&p);
	meta_free(meta);
}

TEST(picker_holds_two_million_pieces)
{
	struct metainfo big = {.v1 = true,
			       .piece_length = BLOCK_BYTES,
			       .n_pieces = META_PIECES_MAX,
			       .space_bytes = (uint64_t)META_PIECES_MAX * BLOCK_BYTES};
	struct asker a = {.current = PICKER_NONE, .ref = {1, 1}};
	struct bitfield bits;
	struct picker p;
	uint32_t piece, block;

	rng_seed(&rng, 1);
	CHECK_INT(picker_init(&p, &big, &rng), 0);
	CHECK_INT(picker_reserve(&p, 1000), 0);
	CHECK_INT(bitfield_init(&bits, META_PIECES_MAX), 0);
	bitfield_fill(&bits);
	bitfield_unset(&bits, 12345);
	picker_add_bits(&p, &bits);
	CHECK(picker_pick(&p, &a, 0, &piece, &block));
	CHECK_INT(piece, 12345);
	bitfield_fini(&bits);
	picker_fini(&p);
}

/* The peer comes to have these, and says so. */
static void tell(struct picker *p, struct asker *a, struct bitfield *has, uint32_t from, uint32_t n)
{
	for (uint32_t i = from; i < from + n; i++) {
		bitfield_set(has, i);
		picker_add(p, i);
		picker_on_have(p, a, i);
	}
}

TEST(picker_looks_for_a_new_piece_among_those_that_are_new)
{
	struct picker *p =
	    picker_draw("2 2 1 2 3 3 3 3 3 3 3 3 3 1 3 3", ". . . . . . . . . . . . . . . .");
	struct bitfield bits;
	struct asker a = asker_draw("----------------", &bits);

	CHECK_STR(picked(p, &a, 1, 0), "-");
	tell(p, &a, &bits, 1, 3);
	CHECK(a.dry_fresh == p->version_fresh);
	/* The rarest of them first. */
	CHECK_STR(picked(p, &a, 1, 0), "2:0");
	picker_check_asker(p, &a);
	CHECK_STR(picked(p, &a, 3, 0), "1:0 3:0 -");
	picker_check_asker(p, &a);
	/* More than are remembered: all it has is looked at. */
	tell(p, &a, &bits, 5, PICKER_NEWS);
	CHECK(a.dry_fresh == p->version_fresh);
	tell(p, &a, &bits, 5 + PICKER_NEWS, 1);
	CHECK(a.dry_fresh != p->version_fresh);
	CHECK_STR(picked(p, &a, 1, 0), "13:0");
	picker_check_asker(p, &a);
	bitfield_fini(&bits);
	picker_erase(p);
}

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* One seed and a torrent of two million pieces: most are had by nobody else, and come first.
 * Looking at each of them took 4 ms for each block of another peer. */
TEST(picker_does_not_look_for_a_peers_pieces_among_those_that_nobody_has)
{
	struct metainfo big = {.v1 = true,
			       .piece_length = BLOCK_BYTES,
			       .n_pieces = META_PIECES_MAX,
			       .space_bytes = (uint64_t)META_PIECES_MAX * BLOCK_BYTES};
	struct bitfield some;
	struct asker a = {.current = PICKER_NONE, .ref = {1, 1}, .has = &some};
	struct picker p;
	uint32_t piece, block;
	double began;

	rng_seed(&rng, 1);
	CHECK_INT(picker_init(&p, &big, &rng), 0);
	CHECK_INT(picker_reserve(&p, 1), 0);
	CHECK_INT(bitfield_init(&some, META_PIECES_MAX), 0);
	for (uint32_t i = 0; i < META_PIECES_MAX; i += 32)
		bitfield_set(&some, i);
	picker_add_bits(&p, &some);
	began = cpu_s();
	for (uint32_t i = 0; i < 2000; i++) {
		CHECK(picker_pick(&p, &a, 0, &piece, &block));
		CHECK_INT(piece % 32, 0);
		picker_receive(&p, piece, block, &somebody);
		picker_good(&p, piece);
	}
	CHECK(cpu_s() - began < 2);
	bitfield_fini(&some);
	picker_fini(&p);
}

TEST(picker_in_sequence_does_not_look_at_each_piece_that_a_peer_lacks)
{
	struct metainfo big = {.v1 = true,
			       .piece_length = BLOCK_BYTES,
			       .n_pieces = META_PIECES_MAX,
			       .space_bytes = (uint64_t)META_PIECES_MAX * BLOCK_BYTES};
	struct bitfield end;
	struct asker a = {.current = PICKER_NONE, .ref = {1, 1}, .has = &end};
	uint32_t piece, block, first = META_PIECES_MAX - META_PIECES_MAX / 32;
	struct picker p;
	double began;

	rng_seed(&rng, 1);
	CHECK_INT(picker_init(&p, &big, &rng), 0);
	picker_set_sequential(&p, true);
	CHECK_INT(picker_reserve(&p, 1), 0);
	CHECK_INT(bitfield_init(&end, META_PIECES_MAX), 0);
	for (uint32_t i = first; i < META_PIECES_MAX; i++)
		bitfield_set(&end, i);
	picker_add_bits(&p, &end);
	began = cpu_s();
	for (uint32_t i = 0; i < 2000; i++) {
		CHECK(picker_pick(&p, &a, 0, &piece, &block));
		CHECK_INT(piece, first + i);
		picker_receive(&p, piece, block, &somebody);
		picker_good(&p, piece);
	}
	CHECK(cpu_s() - began < 2);
	bitfield_fini(&end);
	picker_fini(&p);
}

/* ---- plans ------------------------------------------------------------------ */

/* One character a piece: '-' not wanted, 'l' low, 'n' normal, 'h' high, 'e' an end. */
static void plan_draw(struct picker *p, const char *picture)
{
	size_t n = strlen(picture);
	uint8_t *plan = malloc(n);

	for (size_t i = 0; i < n; i++)
		plan[i] = picture[i] == '-'   ? WANT_NOT
			  : picture[i] == 'l' ? WANT_LOW
			  : picture[i] == 'h' ? WANT_HIGH
			  : picture[i] == 'e' ? WANT_NORMAL | PLAN_END
					      : WANT_NORMAL;
	assert_int_equal(picker_set_plan(p, plan), 0);
	picker_check(p);
}

TEST(picker_leaves_out_what_is_not_wanted)
{
	struct picker *p = picker_draw("1  2  3  1", ".. .. .. had");
	struct asker a = {.current = PICKER_NONE, .ref = {1, 1}};

	plan_draw(p, "-n--");
	CHECK_INT(picker_missing(p), 1);
	CHECK_STR(picked(p, &a, 3, 0), "1:0 1:1 -");
	/* All of it again: what was left out is the rarest. */
	CHECK_INT(picker_set_plan(p, NULL), 0);
	CHECK_STR(picked(p, &a, 5, 0), "0:0 0:1 2:0 2:1 -");
	picker_erase(p);
}

TEST(picker_takes_what_is_wanted_most_before_what_is_rarest)
{
	struct picker *p = picker_draw("1  2  3  4  5", ".. .. .. .. ..");
	struct asker a = {.current = PICKER_NONE, .ref = {1, 1}};

	plan_draw(p, "lnhe-");
	CHECK_STR(picked(p, &a, 9, 0), "3:0 3:1 2:0 2:1 1:0 1:1 0:0 0:1 -");
	picker_erase(p);
}

TEST(picker_keeps_its_order_while_peers_come_and_pieces_are_lost)
{
	struct picker *p = picker_draw("1  1  1  1", ".. had .. ..");
	struct asker a = {.current = PICKER_NONE, .ref = {1, 1}};

	plan_draw(p, "hhn-");
	picker_add(p, 0);
	picker_add(p, 3);
	picker_check(p);
	CHECK_INT(picker_reserve(p, 100), 0);
	picker_check(p);
	CHECK_INT(picker_lose(p, 1), 0);
	picker_check(p);
	picker_remove(p, 0);
	picker_remove(p, 0);
	picker_check(p);
	CHECK_INT(picker_alone(p), 1);
	CHECK_STR(picked(p, &a, 7, 0), "0:0 0:1 1:0 1:1 2:0 2:1 -");
	picker_erase(p);
}

TEST(picker_in_sequence_takes_the_lowest)
{
	struct picker *p = picker_draw("3  1  2  1", ".. .. .. ..");
	struct bitfield bits;
	struct asker a = {.current = PICKER_NONE, .ref = {1, 1}}, b = asker_draw("--**", &bits);

	picker_set_sequential(p, true);
	CHECK_STR(picked(p, &b, 1, 0), "2:0");
	CHECK_STR(picked(p, &a, 4, 0), "0:0 0:1 1:0 1:1");
	/* The other has a block of 2 left, and nothing else is before 3. */
	CHECK_STR(picked(p, &a, 1, 0), "3:0");
	bitfield_fini(&bits);
	picker_erase(p);
}

TEST(picker_asks_for_nothing_outside_of_its_window_nor_for_what_is_held)
{
	struct picker *p = picker_draw("1  2  3  4", ".. .. .. ..");
	struct asker a = {.current = PICKER_NONE, .ref = {1, 1}}, b = a;
	struct bitfield held;

	picker_set_window(p, 1, 3);
	CHECK_STR(picked(p, &a, 5, 0), "1:0 1:1 2:0 2:1 -");
	picker_set_window(p, 2, 4);
	CHECK_STR(picked(p, &a, 3, 0), "3:0 3:1 -");
	picker_erase(p);
	p = picker_draw("1  2  3", ".. .. ..");
	CHECK_INT(bitfield_init(&held, 3), 0);
	bitfield_set(&held, 0);
	CHECK_INT(picker_hold(p, &held), 0);
	bitfield_fini(&held);
	CHECK_INT(picker_next_held(p, 0), 0);
	CHECK_INT(picker_next_held(p, 1), 3);
	CHECK_STR(picked(p, &b, 5, 0), "1:0 1:1 2:0 2:1 -");
	picker_release(p, 0);
	CHECK_STR(picked(p, &b, 3, 0), "0:0 0:1 -");
	picker_erase(p);
}

TEST(picker_gives_out_what_is_urgent_before_all_else_and_in_that_order)
{
	struct picker *p = picker_draw("1  3  3  3  3", "x. .. .. .. ..");
	struct asker a = {.current = PICKER_NONE, .ref = {1, 1}, .tried = true};
	struct asker slow = {.current = PICKER_NONE, .ref = {2, 1}, .slow = true, .tried = true};
	struct asker untried = {.current = PICKER_NONE, .ref = {3, 1}};
	const uint32_t pieces[] = {3, 2};

	/* It leaves the piece that it is on. */
	CHECK_STR(picked(p, &a, 1, 0), "0:1");
	CHECK_INT(picker_set_urgent(p, pieces, 2), 0);
	p->urgent[0].fast_only = true;
	CHECK_STR(picked(p, &slow, 1, 0), "2:0");
	CHECK_STR(picked(p, &untried, 1, 0), "2:1");
	CHECK_STR(picked(p, &a, 2, 0), "3:0 3:1");
	CHECK_INT(picker_set_urgent(p, NULL, 0), 0);
	CHECK_STR(picked(p, &slow, 2, 0)[0] == '2' ? "2" : "another", "another");
	picker_erase(p);
}
