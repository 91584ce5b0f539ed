/* Swarms on the virtual network: they complete, whoever else takes part. */
#include "swarm/swarm.h"

#include <stdio.h>
#include <stdlib.h>

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
	uint32_t kind, n_nodes, corrupt = 0;
	bool v1, v2;

	rng_seed(&rng, seed);
	kind = rng_below(&rng, 3);
	v1 = kind != 1;
	v2 = kind != 0;
	m = net_metainfo(1 + rng_below(&rng, 3 * MIB), 16 * KIB << rng_below(&rng, 5), v1, v2);
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
		corrupt += s.kind == NODE_CORRUPT;
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
	if (getenv("SIM_SHOW") != NULL) {
		uint64_t last = 0;
		for (uint32_t i = 0; i < n_nodes; i++)
			if (net_done_ms(n, i) > last)
				last = net_done_ms(n, i);
		printf("# seed %llu nodes %u pieces %u v1 %d v2 %d: %llu ms, corrupt %u bans %u events %llu blocks %llu\n",
		       (unsigned long long)seed, n_nodes, m->n_pieces, v1, v2, (unsigned long long)last, corrupt,
		       st.bans, (unsigned long long)st.events, (unsigned long long)st.sent_blocks);
	}
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
	    {.kind = NODE_MUTE, .seed = true},     {.kind = NODE_MUTE, .seed = true},
	    {.kind = NODE_MUTE, .seed = true},     {.kind = NODE_REJECTER, .seed = true},
	    {.kind = NODE_REJECTER, .seed = true}, {.seed = true, .up_bps = 1024},
	    {.seed = true, .up_bps = 1024},        {.seed = true, .up_bps = 1024},
	};
	struct metainfo *m = net_metainfo(32 * MIB, 256 * KIB, true, true);
	struct net_stats st;
	struct swarm_stats ss;

	for (uint64_t seed = 1; seed <= 5; seed++) {
		uint64_t alone = fetch_ms(m, seed, 1, 4000000, NULL, 0, &st, &ss);
		uint64_t with = fetch_ms(m, seed, 1, 4000000, liars, 10, &st, &ss);

		if (getenv("SIM_SHOW") != NULL)
			printf("# liars: alone %llu with %llu wasted %llu\n", (unsigned long long)alone, (unsigned long long)with, (unsigned long long)ss.wasted_bytes);
		CHECK_SEED(with * 4 <= alone * 5, seed);
	}
	meta_free(m);
}

TEST(a_v1_seed_that_corrupts_one_block_in_a_thousand_is_banned_and_nobody_else)
{
	struct metainfo *m = net_metainfo(64 * MIB, 256 * KIB, true, false);
	struct node_spec bad = {.kind = NODE_CORRUPT, .seed = true, .corrupt_every = 1000, .up_bps = 4000000};
	struct net_stats st;
	struct swarm_stats ss;
	uint32_t bans = 0;

	for (uint64_t seed = 1; seed <= 5; seed++) {
		fetch_ms(m, seed, 3, 4000000, &bad, 1, &st, &ss);
		bans += st.bans;
		CHECK_SEED(ss.wasted_bytes <= 4 * MIB, seed);
		if (getenv("SIM_SHOW") != NULL)
			printf("# v1: bans %u wasted %llu\n", st.bans, (unsigned long long)ss.wasted_bytes);
	}
	CHECK(bans > 0);
	meta_free(m);
}

TEST(a_v2_seed_that_corrupts_one_block_in_a_hundred_is_banned_at_the_first)
{
	struct metainfo *m = net_metainfo(64 * MIB, 256 * KIB, false, true);
	struct node_spec bad = {.kind = NODE_CORRUPT, .seed = true, .corrupt_every = 100, .up_bps = 4000000};
	struct net_stats st;
	struct swarm_stats ss;

	for (uint64_t seed = 1; seed <= 5; seed++) {
		fetch_ms(m, seed, 3, 4000000, &bad, 1, &st, &ss);
		if (getenv("SIM_SHOW") != NULL)
			printf("# v2: bans %u wasted %llu\n", st.bans, (unsigned long long)ss.wasted_bytes);
		CHECK_SEED(st.bans == 1, seed);
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

		if (getenv("SIM_SHOW") != NULL)
			printf("# third: alone %llu with %llu wasted %llu\n", (unsigned long long)alone, (unsigned long long)with, (unsigned long long)ss.wasted_bytes);
		CHECK_SEED(with * 4 <= alone * 5, seed);
	}
	meta_free(m);
}
