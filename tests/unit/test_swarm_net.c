/* Swarms on the virtual network: they complete, whoever else takes part. */
#include "swarm/swarm.h"

#include "base/rng.h"
#include "sim/net.h"
#include "test.h"

#define KIB 1024u
#define MIB (1024u * KIB)

TEST(a_getter_completes_from_a_seed)
{
	struct metainfo *m = net_metainfo(4 * MIB + 5, 64 * KIB, true, true);
	struct net *n = net_new(m, 1);
	uint32_t seed, getter;

	net_check_always(n, true);
	seed = net_add(n, &(struct node_spec){.seed = true});
	getter = net_add(n, &(struct node_spec){0});
	net_introduce(n, getter, seed);
	CHECK(net_run(n, 60000));
	CHECK(net_is_true(n, getter));
	CHECK(net_done_ms(n, getter) < 1100);
	net_free(n);
	meta_free(m);
}

/* A small swarm with whatever the seed draws. */
static void random_swarm(uint64_t seed, bool hostile)
{
	struct metainfo *m;
	struct rng rng;
	struct net *n;
	struct net_stats st;
	uint32_t kind, n_nodes, bytes;
	bool v1, v2;

	rng_seed(&rng, seed);
	kind = rng_below(&rng, 3);
	v1 = kind != 1;
	v2 = kind != 0;
	bytes = 1 + rng_below(&rng, 3 * MIB);
	m = net_metainfo(bytes, 16 * KIB << rng_below(&rng, 5), v1, v2);
	assert_non_null(m);
	n = net_new(m, seed);
	net_check_always(n, true);
	n_nodes = 2 + rng_below(&rng, 8);
	for (uint32_t i = 0; i < n_nodes; i++) {
		struct node_spec s = {.seed = i == 0 || rng_below(&rng, 5) == 0};

		s.latency_us = 50 + rng_below(&rng, 50000);
		s.up_bps = 50000 + rng_below(&rng, 4000000);
		s.down_bps = 50000 + rng_below(&rng, 8000000);
		s.no_fast = rng_below(&rng, 4) == 0;
		s.no_hashes = rng_below(&rng, 4) == 0;
		net_add(n, &s);
	}
	for (uint32_t i = 0; hostile && i < 1 + n_nodes / 2; i++) {
		struct node_spec s = {.seed = true, .corrupt_every = 1 + rng_below(&rng, 30)};

		s.kind = (enum node_kind)(NODE_CORRUPT + rng_below(&rng, 4));
		s.latency_us = 50 + rng_below(&rng, 20000);
		s.up_bps = rng_below(&rng, 4) == 0 ? 1024 : 2000000;
		net_add(n, &s);
	}
	for (uint32_t i = 0; i < n_nodes; i++)
		net_introduce_all(n, i);
	CHECK_SEED(net_run(n, 1000000), seed);
	net_stats(n, &st);
	CHECK_SEED(st.honest_bans == 0, seed);
	CHECK_SEED(st.unasked == 0, seed);
	for (uint32_t i = 0; i < n_nodes; i++)
		CHECK_SEED(net_is_true(n, i), seed);
	net_free(n);
	meta_free(m);
}

TEST(random_swarms_complete)
{
	for (uint64_t seed = 1; seed <= 50; seed++)
		random_swarm(seed, false);
}

TEST(random_swarms_with_hostile_peers_complete_and_no_honest_peer_is_banned)
{
	for (uint64_t seed = 1; seed <= 100; seed++)
		random_swarm(seed, true);
}

/* One getter, `n_seeds` honest seeds of `up_bps`, and others. Returns how long it took, in ms. */
static uint64_t fetch_ms(const struct metainfo *m, uint64_t seed, uint32_t n_seeds, uint64_t up_bps,
			 const struct node_spec *others, uint32_t n_others, struct net_stats *st,
			 struct swarm_stats *ss)
{
	struct net *n = net_new(m, seed);
	uint32_t getter = net_add(n, &(struct node_spec){0});
	uint64_t took;

	for (uint32_t i = 0; i < n_seeds; i++)
		net_add(n, &(struct node_spec){.seed = true, .up_bps = up_bps, .latency_us = 500});
	for (uint32_t i = 0; i < n_others; i++)
		net_add(n, &others[i]);
	net_introduce_all(n, getter);
	CHECK_SEED(net_run(n, 600000), seed);
	CHECK_SEED(net_is_true(n, getter), seed);
	net_stats(n, st);
	CHECK_SEED(st->honest_bans == 0, seed);
	CHECK_SEED(st->unasked == 0, seed);
	swarm_stats(net_swarm(n, getter), net_now_ms(n), ss);
	took = net_done_ms(n, getter) - 1000;
	net_free(n);
	return took;
}

TEST(ten_peers_that_claim_everything_and_never_serve_cost_at_most_a_quarter)
{
	static const struct node_spec liars[10] = {
	    {.kind = NODE_CHOKER, .seed = true},   {.kind = NODE_CHOKER, .seed = true},
	    {.kind = NODE_MUTE, .seed = true},	   {.kind = NODE_MUTE, .seed = true},
	    {.kind = NODE_MUTE, .seed = true},	   {.kind = NODE_REJECTER, .seed = true},
	    {.kind = NODE_REJECTER, .seed = true}, {.seed = true, .up_bps = 1024},
	    {.seed = true, .up_bps = 1024},	   {.seed = true, .up_bps = 1024},
	};
	struct metainfo *m = net_metainfo(32 * MIB, 256 * KIB, true, true);
	struct net_stats st;
	struct swarm_stats ss;

	for (uint64_t seed = 1; seed <= 5; seed++) {
		uint64_t alone = fetch_ms(m, seed, 1, 4000000, NULL, 0, &st, &ss);
		uint64_t with = fetch_ms(m, seed, 1, 4000000, liars, 10, &st, &ss);

		CHECK_SEED(with * 4 <= alone * 5, seed);
	}
	meta_free(m);
}

TEST(a_v1_seed_that_corrupts_some_blocks_is_banned_within_three_pieces_and_nobody_else)
{
	struct metainfo *m = net_metainfo(64 * MIB, 256 * KIB, true, false);
	struct node_spec bad = {
	    .kind = NODE_CORRUPT, .seed = true, .corrupt_every = 300, .up_bps = 4000000};
	struct net_stats st;
	struct swarm_stats ss;
	uint32_t bans = 0;

	for (uint64_t seed = 1; seed <= 5; seed++) {
		fetch_ms(m, seed, 3, 4000000, &bad, 1, &st, &ss);
		bans += st.bans;
		CHECK_SEED(ss.wasted_bytes <= 3 * 256 * KIB + 64 * KIB, seed);
	}
	CHECK(bans > 0);
	meta_free(m);
}

TEST(a_v2_seed_that_corrupts_one_block_in_a_hundred_is_banned_at_the_first)
{
	struct metainfo *m = net_metainfo(64 * MIB, 256 * KIB, false, true);
	struct node_spec bad = {
	    .kind = NODE_CORRUPT, .seed = true, .corrupt_every = 100, .up_bps = 4000000};
	struct net_stats st;
	struct swarm_stats ss;

	for (uint64_t seed = 1; seed <= 5; seed++) {
		fetch_ms(m, seed, 3, 4000000, &bad, 1, &st, &ss);
		CHECK_SEED(st.bans == 1, seed);
		/* What it had sent before the first verdict may hold a second one. */
		CHECK_SEED(ss.wasted_bytes <= 4 * 16 * KIB, seed);
	}
	meta_free(m);
}

TEST(with_a_third_of_the_peers_hostile_the_time_grows_by_at_most_a_quarter)
{
	static const struct node_spec hostile[3] = {
	    {.kind = NODE_CORRUPT, .seed = true, .corrupt_every = 20, .up_bps = 2000000},
	    {.kind = NODE_MUTE, .seed = true},
	    {.seed = true, .up_bps = 1024},
	};
	struct metainfo *m = net_metainfo(64 * MIB, 256 * KIB, true, false);
	struct net_stats st;
	struct swarm_stats ss;

	for (uint64_t seed = 1; seed <= 5; seed++) {
		uint64_t alone = fetch_ms(m, seed, 6, 2000000, NULL, 0, &st, &ss);
		uint64_t with = fetch_ms(m, seed, 6, 2000000, hostile, 3, &st, &ss);

		CHECK_SEED(with * 4 <= alone * 5, seed);
	}
	meta_free(m);
}

TEST(a_crowd_takes_little_longer_than_one_copy_and_everybody_helps)
{
	struct metainfo *m = net_metainfo(16 * MIB, 64 * KIB, true, true);
	struct net *n = net_new(m, 5);
	struct swarm_stats seed;
	uint64_t last = 0;

	for (uint32_t i = 0; i < 17; i++)
		net_add(n, &(struct node_spec){.seed = i == 0,
					       .up_bps = 8000000,
					       .down_bps = 8000000,
					       .latency_us = 200 + i * 10});
	for (uint32_t i = 1; i < 17; i++)
		net_introduce_all(n, i);
	CHECK(net_run(n, 600000));
	for (uint32_t i = 1; i < 17; i++) {
		if (net_done_ms(n, i) - 1000 > last)
			last = net_done_ms(n, i) - 1000;
	}
	/* One copy takes 2.1 s; one after another from the seed 33 s. */
	CHECK(last < 4500);
	swarm_stats(net_swarm(n, 0), net_now_ms(n), &seed);
	CHECK(seed.up_bytes < 16 * MIB * 3);
	net_free(n);
	meta_free(m);
}

TEST(two_peers_that_dial_each_other_end_with_one_connection)
{
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct metainfo *m = net_metainfo(64 * KIB, 16 * KIB, true, false);
		struct net *n = net_new(m, seed);
		struct swarm_peer peers[4];
		uint32_t a = net_add(n, &(struct node_spec){.latency_us = 1000});
		uint32_t b = net_add(n, &(struct node_spec){.latency_us = 1000});

		net_check_always(n, true);
		net_introduce(n, a, b);
		net_run_for(n, 1000 + seed / 10);
		net_introduce(n, b, a);
		net_run_for(n, 60000);
		CHECK_SEED(swarm_peers(net_swarm(n, a), 60000, peers, 4) == 1, seed);
		CHECK_SEED(swarm_peers(net_swarm(n, b), 60000, peers, 4) == 1, seed);
		net_free(n);
		meta_free(m);
	}
}

TEST(when_the_last_holder_leaves_and_comes_back_the_download_goes_on)
{
	for (int politely = 0; politely < 2; politely++) {
		struct metainfo *m = net_metainfo(8 * MIB, 64 * KIB, true, true);
		struct net *n = net_new(m, 3);
		uint32_t seed = net_add(n, &(struct node_spec){.seed = true, .up_bps = 1000000});
		uint32_t getter = net_add(n, &(struct node_spec){0});
		struct swarm_stats st;

		net_check_always(n, true);
		net_introduce(n, getter, seed);
		net_run_for(n, 4000);
		net_kill(n, seed, politely != 0);
		net_run_for(n, 400000);
		CHECK(net_done_ms(n, getter) == UINT64_MAX);
		net_revive(n, seed);
		CHECK(net_run(n, 450000));
		CHECK(net_is_true(n, getter));
		swarm_stats(net_swarm(n, getter), net_now_ms(n), &st);
		CHECK(st.down_bytes <= 8 * MIB + 64 * KIB);
		net_free(n);
		meta_free(m);
	}
}

TEST(a_silent_drop_of_one_of_two_seeds_costs_seconds_not_minutes)
{
	struct metainfo *m = net_metainfo(16 * MIB, 256 * KIB, true, true);
	struct net *n = net_new(m, 4);
	uint32_t getter = net_add(n, &(struct node_spec){0});

	net_add(n, &(struct node_spec){.seed = true, .up_bps = 2000000});
	net_add(n, &(struct node_spec){.seed = true, .up_bps = 2000000});
	net_introduce_all(n, getter);
	net_run_for(n, 3000);
	net_kill(n, 1, false);
	CHECK(net_run(n, 60000));
	CHECK(net_done_ms(n, getter) < 1000 + 4200 + 4200);
	net_free(n);
	meta_free(m);
}

TEST(seeds_part_and_leave_each_other_alone)
{
	struct metainfo *m = net_metainfo(64 * KIB, 16 * KIB, true, false);
	struct net *n = net_new(m, 6);
	struct net_stats before, after;
	struct swarm_peer peers[4];

	for (uint32_t i = 0; i < 4; i++)
		net_add(n, &(struct node_spec){.seed = true});
	for (uint32_t i = 0; i < 4; i++)
		net_introduce_all(n, i);
	net_run_for(n, 60000);
	net_stats(n, &before);
	CHECK_INT(swarm_peers(net_swarm(n, 0), 60000, peers, 4), 0);
	net_run_for(n, 3600000);
	net_stats(n, &after);
	CHECK(after.events - before.events < 20);
	net_free(n);
	meta_free(m);
}

static void find_a_giver_with(const struct metainfo *m, uint32_t places)
{
	struct net *n = net_new(m, 9);
	uint32_t getter = net_add(n, &(struct node_spec){.max_peers = places, .deaf = true});

	net_check_always(n, true);
	for (uint32_t i = 0; i < places; i++) {
		net_add(n, &(struct node_spec){.kind = NODE_CHOKER, .seed = true});
		net_introduce(n, getter, 1 + i);
	}
	net_run_for(n, 5000);
	net_add(n, &(struct node_spec){.seed = true});
	net_introduce(n, getter, 1 + places);
	CHECK(net_run(n, 200000));
	net_free(n);
}

TEST(peers_that_give_nothing_cannot_keep_all_places)
{
	struct metainfo *m = net_metainfo(1 * MIB, 64 * KIB, true, true);

	for (uint32_t places = 1; places <= 4; places++)
		find_a_giver_with(m, places);
	meta_free(m);
}

/* ---- the network itself -------------------------------------------------- */

/* One seed and some getters that know each other through an index only. */
static struct net *indexed(const struct metainfo *m, uint64_t seed, uint32_t getters,
			   const struct node_spec *spec, uint32_t peers_max)
{
	struct net *n = net_new(m, seed);
	struct node_spec origin = *spec;

	net_set_index(n, &(struct index_spec){.peers_max = peers_max});
	origin.seed = true;
	net_add(n, &origin);
	for (uint32_t i = 0; i < getters; i++)
		net_add(n, spec);
	return n;
}

static uint64_t trace_of(const struct metainfo *m, uint64_t seed)
{
	struct node_spec spec = {
	    .up_bps = 2000000, .down_bps = 2000000, .latency_us = 5000, .loss_ppm = 2000};
	struct net *n = indexed(m, seed, 30, &spec, 10);
	uint64_t trace;

	CHECK(net_run(n, 600000));
	trace = net_trace_hash(n);
	net_free(n);
	return trace;
}

TEST(the_same_seed_gives_the_same_events_and_another_seed_others)
{
	struct metainfo *m = net_metainfo(4 * MIB, 64 * KIB, true, true);

	CHECK(trace_of(m, 1) == trace_of(m, 1));
	CHECK(trace_of(m, 1) != trace_of(m, 2));
	meta_free(m);
}

TEST(nodes_find_each_other_through_the_index)
{
	struct metainfo *m = net_metainfo(1 * MIB, 64 * KIB, true, true);
	struct node_spec spec = {.up_bps = 1000000, .down_bps = 1000000, .latency_us = 1000};
	struct net *n = indexed(m, 3, 40, &spec, 3);

	CHECK(net_run(n, 600000));
	for (uint32_t i = 1; i < net_nodes(n); i++)
		CHECK(net_is_true(n, i));
	net_free(n);
	meta_free(m);
}

TEST(an_answer_of_the_index_holds_no_more_peers_than_it_may)
{
	struct metainfo *m = net_metainfo(1 * MIB, 64 * KIB, true, true);
	struct net *n = net_new(m, 4);
	struct swarm_stats st;
	uint32_t node = 0;

	net_set_index(n, &(struct index_spec){.peers_max = 7});
	for (uint32_t i = 0; i < 60; i++)
		node = net_add(n, &(struct node_spec){.deaf = i < 59});
	net_run_for(n, 5000);
	/* The last to come heard of others once; nobody could dial it before it came. */
	node = net_add(n, &(struct node_spec){.deaf = true});
	net_run_for(n, 6000);
	swarm_stats(net_swarm(n, node), net_now_ms(n), &st);
	CHECK_INT(st.addresses, 7);
	net_free(n);
	meta_free(m);
}

TEST(a_preferring_index_answers_with_the_askers_site_and_a_floor_of_others)
{
	struct metainfo *m = net_metainfo(1 * MIB, 64 * KIB, true, true);
	struct net *n = net_new(m, 5);
	uint32_t node;

	net_set_index(n, &(struct index_spec){.peers_max = 20, .prefer_near = true, .far_min = 4});
	for (uint32_t i = 0; i < 80; i++)
		net_add(n, &(struct node_spec){.site = i % 2, .latency_us = 1000});
	net_run_for(n, 3000);
	node = net_add(n, &(struct node_spec){.site = 1, .latency_us = 1000});
	/* Before any of the others tries it. */
	net_run_for(n, 3500);
	CHECK_INT(net_far_conns(n, node), 4);
	net_free(n);
	meta_free(m);
}

/* How long one getter takes from a seed, over lines of 4 MB/s. */
static uint64_t pair_ms(const struct metainfo *m, const struct node_spec *from,
			const struct node_spec *to, uint64_t link_bps)
{
	struct net *n = net_new(m, 1);
	struct node_spec seed = *from, getter = *to;
	uint64_t took;

	seed.seed = true;
	seed.up_bps = getter.down_bps = 4000000;
	net_set_link(n, 0, 1, 10000, link_bps);
	net_add(n, &seed);
	net_add(n, &getter);
	net_introduce(n, 1, 0);
	CHECK(net_run(n, 600000));
	took = net_done_ms(n, 1) - 1000;
	net_free(n);
	return took;
}

TEST(a_link_between_sites_carries_no_more_than_its_rate)
{
	struct metainfo *m = net_metainfo(8 * MIB, 64 * KIB, true, true);
	struct node_spec here = {.site = 0}, there = {.site = 1};
	uint64_t one_site = pair_ms(m, &here, &here, 1000000);
	uint64_t apart = pair_ms(m, &here, &there, 1000000);

	CHECK(one_site >= 8 * MIB / 4000 && one_site < 8 * MIB / 4000 * 12 / 10);
	CHECK(apart >= 8 * MIB / 1000 && apart < 8 * MIB / 1000 * 12 / 10);
	meta_free(m);
}

TEST(connections_that_cross_a_link_share_it)
{
	struct metainfo *m = net_metainfo(4 * MIB, 64 * KIB, true, true);
	struct net *n = net_new(m, 6);
	struct net_stats st;

	m->private = true; /* else they would find each other, on their own side of the link */
	net_set_link(n, 0, 1, 10000, 1000000);
	net_add(n, &(struct node_spec){.seed = true});
	for (uint32_t i = 1; i <= 3; i++) {
		net_add(n, &(struct node_spec){.site = 1});
		net_introduce(n, i, 0);
	}
	CHECK(net_run(n, 600000));
	net_stats(n, &st);
	CHECK(st.cross_bytes >= 12 * MIB);
	/* Three copies over it, one after the other or in turns. */
	CHECK(net_now_ms(n) - 1000 >= 12 * MIB / 1000);
	net_free(n);
	meta_free(m);
}

TEST(latency_and_loss_cost_time)
{
	struct metainfo *m = net_metainfo(8 * MIB, 64 * KIB, true, true);
	struct node_spec near = {.latency_us = 500}, far = {.latency_us = 50000};
	struct node_spec lossy = {.latency_us = 50000, .loss_ppm = 10000};
	uint64_t near_ms = pair_ms(m, &near, &near, 0), far_ms = pair_ms(m, &far, &far, 0);
	uint64_t lossy_ms = pair_ms(m, &far, &lossy, 0);

	CHECK(far_ms > near_ms + 400);
	/* 1.22 / sqrt(0.01) packets of 1,448 bytes in 200 ms: 88 kB/s. */
	CHECK(lossy_ms > 8 * MIB / 100 && lossy_ms < 8 * MIB / 75);
	meta_free(m);
}

TEST(nodes_that_come_and_go_many_times_leave_a_network_that_works)
{
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct metainfo *m = net_metainfo(2 * MIB, 64 * KIB, true, true);
		struct node_spec spec = {
		    .up_bps = 300000, .down_bps = 1000000, .latency_us = 20000, .loss_ppm = 1000};
		struct net *n = indexed(m, seed, 12, &spec, 5);
		struct net_stats st;
		struct rng rng;

		rng_seed(&rng, seed);
		for (uint32_t i = 0; i < 200; i++) {
			uint32_t node = 1 + rng_below(&rng, 12);

			net_run_for(n, net_now_ms(n) + 1 + rng_below(&rng, 100));
			if (net_is_up(n, node))
				net_kill(n, node, rng_below(&rng, 2) == 0);
			else
				net_revive(n, node);
		}
		for (uint32_t i = 1; i <= 12; i++) {
			if (!net_is_up(n, i))
				net_revive(n, i);
		}
		CHECK_SEED(net_run(n, 1000000), seed);
		net_stats(n, &st);
		CHECK_SEED(st.honest_bans == 0, seed);
		CHECK_SEED(st.unasked == 0, seed);
		for (uint32_t i = 0; i <= 12; i++)
			CHECK_SEED(net_is_true(n, i), seed);
		net_free(n);
		meta_free(m);
	}
}

TEST(a_peer_that_stalls_half_way_does_not_hold_the_others_up)
{
	struct metainfo *m = net_metainfo(8 * MIB, 64 * KIB, true, true);
	struct node_spec stall = {
	    .kind = NODE_STALLER, .seed = true, .stall_after = 30, .up_bps = 4000000};

	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct net_stats st;
		struct swarm_stats ss;
		uint64_t alone = fetch_ms(m, seed, 1, 1000000, NULL, 0, &st, &ss);
		uint64_t with = fetch_ms(m, seed, 1, 1000000, &stall, 1, &st, &ss);

		CHECK_SEED(with * 4 <= alone * 5, seed);
	}
	meta_free(m);
}

/* A getter that changes its mind all the time about what it wants, in which order, and what at
 * once; in the end it wants everything. */
static void fickle(uint64_t seed)
{
	struct metainfo *m = net_metainfo(2 * MIB + 77, 64 * KIB, true, seed % 2 == 0);
	struct net *n = net_new(m, seed);
	uint32_t getter, pieces = m->n_pieces;
	struct rng rng;

	rng_seed(&rng, seed);
	net_check_always(n, true);
	for (uint32_t i = 0; i < 3; i++)
		net_add(n, &(struct node_spec){.seed = i < 2,
					       .up_bps = 100000 + rng_below(&rng, 400000),
					       .no_fast = rng_below(&rng, 3) == 0});
	getter = net_add(n, &(struct node_spec){0});
	for (uint32_t i = 0; i < 4; i++)
		net_introduce_all(n, i);
	for (uint32_t i = 0; i < 40; i++) {
		struct piece_run run = {rng_below(&rng, pieces), 1 + rng_below(&rng, 4)};
		uint8_t want[64];

		for (uint32_t k = 0; k < pieces; k++)
			want[k] = (uint8_t)rng_below(&rng, 4);
		net_set_wanted(n, getter, want);
		net_set_order(n, getter, (enum swarm_order)rng_below(&rng, 3));
		net_set_urgent(n, getter, &run, rng_below(&rng, 2));
		net_run_for(n, net_now_ms(n) + rng_below(&rng, 200));
	}
	net_set_wanted(n, getter, NULL);
	CHECK_SEED(net_run(n, 600000), seed);
	net_run_for(n, net_now_ms(n) + 60000);
	CHECK_SEED(net_is_true(n, getter), seed);
	CHECK_SEED(bitfield_full(swarm_have(net_swarm(n, getter))), seed);
	net_free(n);
	meta_free(m);
}

TEST(a_getter_that_changes_its_wishes_all_the_time_completes)
{
	for (uint64_t seed = 1; seed <= 30; seed++)
		fickle(seed);
}
