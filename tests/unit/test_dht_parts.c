/* The parts of a DHT node: ids, tokens, buckets, stores, signed values, rates. */
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "dht/gate.h"
#include "dht/item_store.h"
#include "dht/lookup.h"
#include "dht/peer_store.h"
#include "dht/routes.h"
#include "dht/token.h"
#include "failmalloc.h"

#include "test.h"

static struct addr at(const char *text)
{
	struct addr a;

	CHECK_INT(addr_parse(bytes_str(text), 6881, &a), 0);
	return a;
}

static struct addr v4(uint32_t ip, uint16_t port)
{
	struct addr a = {.port = port};

	put_be32(a.ip, ip);
	return a;
}

/* The nth of one /64 of IPv6. */
static struct addr beside(uint32_t n)
{
	struct addr a = {.ip = {0x2a, [7] = 1}, .port = 6881, .v6 = 1};

	put_be32(a.ip + 12, n);
	return a;
}

/* ---- ids ---------------------------------------------------------------- */

/* O-38: the five vectors of BEP 42. */
TEST(ids_fit_the_addresses_of_bep_42)
{
	static const struct {
		const char *ip, *id;
	} vectors[] = {
	    {"124.31.75.21", "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401"},
	    {"21.75.31.124", "5a3ce9c14e7a08645677bbd1cfe7d8f956d53256"},
	    {"65.23.51.170", "a5d43220bc8f112a3d426c84764f8c2a1150e616"},
	    {"84.124.73.14", "1b0321dd1bb1fe518101ceef99462b947a01ff41"},
	    {"43.213.53.83", "e56f6cbf5b7c4be0237986d5243b87aa6d51305a"},
	};
	struct rng rng;
	uint8_t id[NODE_ID_LEN], made[NODE_ID_LEN];

	rng_seed(&rng, 1);
	for (size_t i = 0; i < 5; i++) {
		struct addr a = at(vectors[i].ip), other = at("8.8.8.8");

		CHECK_INT(text_unhex(bytes_str(vectors[i].id), id, sizeof(id)), 0);
		CHECK(node_id_fits(id, &a));
		CHECK(!node_id_fits(id, &other));
		node_id_for(made, &a, id[19], &rng);
		CHECK(made[0] == id[0] && made[1] == id[1] && (made[2] ^ id[2]) < 8 &&
		      made[19] == id[19]);
		CHECK(node_id_fits(made, &a));
	}
}

TEST(local_addresses_may_have_any_id)
{
	static const char *const local[] = {"127.0.0.1",   "10.1.2.3",	  "172.31.0.1",
					    "192.168.9.9", "169.254.1.1", "[::1]:1",
					    "[fe80::1]:1", "[fd00::1]:1"};
	uint8_t id[NODE_ID_LEN] = {7};
	struct addr a;

	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
		a = at(local[i]);
		CHECK(node_id_fits(id, &a));
	}
	a = at("172.32.0.1");
	CHECK(!node_id_is_local(&a));
}

TEST(an_id_beside_another_shares_just_so_many_bits)
{
	uint8_t id[NODE_ID_LEN], out[NODE_ID_LEN];
	struct rng rng;

	rng_seed(&rng, 2);
	rng_fill(&rng, id, sizeof(id));
	for (unsigned bits = 0; bits < NODE_ID_BITS; bits++) {
		node_id_beside(out, id, bits, &rng);
		CHECK_INT(node_id_common(id, out), bits);
	}
	CHECK_INT(node_id_common(id, id), NODE_ID_BITS);
}

/* ---- tokens ------------------------------------------------------------- */

/* O-38: no token, a foreign one, one of eleven minutes. */
TEST(a_token_is_good_for_its_host_and_for_ten_minutes)
{
	struct siphash_key key = {1, 2}, other = {1, 3};
	struct addr a = at("9.9.9.9:1"), port = at("9.9.9.9:2"), b = at("9.9.9.8:1");
	const uint64_t made = 7 * TOKEN_PERIOD_MS;
	uint8_t raw[TOKEN_LEN];
	struct bytes t = bytes_of(raw, sizeof(raw));

	token_make(raw, key, &a, made);
	CHECK(token_is_good(t, key, &a, made));
	CHECK(token_is_good(t, key, &port, made + 2 * TOKEN_PERIOD_MS - 1));
	CHECK(!token_is_good(t, key, &a, made + 11 * 60 * 1000));
	CHECK(!token_is_good(t, key, &b, made));
	CHECK(!token_is_good(t, other, &a, made));
	CHECK(!token_is_good(bytes_of(NULL, 0), key, &a, made));
	CHECK(!token_is_good(bytes_sub(t, 0, 7), key, &a, made));
}

/* ---- the table ---------------------------------------------------------- */

static struct contact node_like(const uint8_t *self, unsigned bits, struct addr a, struct rng *rng)
{
	struct contact c = {.addr = a};

	node_id_beside(c.id, self, bits, rng);
	return c;
}

TEST(a_bucket_holds_eight_and_keeps_spares)
{
	uint8_t self[NODE_ID_LEN] = {0};
	struct contact c, first;
	struct routes t;
	struct rng rng;

	rng_seed(&rng, 3);
	routes_init(&t, self);
	for (uint32_t i = 0; i < 40; i++) {
		c = node_like(self, i % 2, v4(0x08000001 + (i << 16), 6881), &rng);
		if (i == 0)
			first = c;
		routes_on_answer(&t, &c, 1000 + i);
		routes_check(&t);
	}
	CHECK_INT(routes_count(&t), 16);
	/* It falls silent twice; a spare takes its place. */
	routes_on_silence(&t, &first.addr);
	CHECK_INT(routes_count(&t), 16);
	routes_on_silence(&t, &first.addr);
	CHECK_INT(routes_count(&t), 16);
	for (uint32_t i = 0; routes_at(&t, i) != NULL; i++)
		CHECK(!addr_eq(&routes_at(&t, i)->at.addr, &first.addr));
	routes_check(&t);
	routes_fini(&t);
}

/* O-38: a thousand ids from one /24. */
TEST(one_network_gets_one_place_in_a_bucket_and_one_host_one_in_all)
{
	uint8_t self[NODE_ID_LEN] = {0};
	struct routes t;
	struct rng rng;

	rng_seed(&rng, 4);
	routes_init(&t, self);
	for (uint32_t i = 0; i < 1000; i++) {
		struct contact c =
		    node_like(self, i % 12, v4(0x2d430100 + i % 200 + 1, 6881), &rng);

		routes_on_answer(&t, &c, 1000);
		routes_check(&t);
	}
	/* At most one for each bucket there is. */
	CHECK(routes_count(&t) <= t.n);
	routes_fini(&t);
}

TEST(one_64_of_ipv6_gets_one_place_in_all)
{
	uint8_t self[NODE_ID_LEN] = {0};
	struct routes t;
	struct rng rng;

	rng_seed(&rng, 4);
	routes_init(&t, self);
	for (uint32_t i = 0; i < 100; i++) {
		struct contact c = node_like(self, i % 12, beside(i), &rng);

		routes_on_answer(&t, &c, 1000);
		routes_check(&t);
	}
	CHECK_INT(routes_count(&t), 1);
	routes_fini(&t);
}

TEST(who_only_asks_is_not_kept)
{
	uint8_t self[NODE_ID_LEN] = {0};
	struct contact c = {.id = {1}, .addr = at("8.8.8.8:1")};
	struct routes t;

	routes_init(&t, self);
	CHECK(routes_wants(&t, &c));
	CHECK(!routes_on_query(&t, &c, 5));
	CHECK_INT(routes_count(&t), 0);
	routes_on_answer(&t, &c, 5);
	CHECK(routes_on_query(&t, &c, 6));
	CHECK_INT(routes_count(&t), 1);
	memset(c.id, 0, sizeof(c.id));
	routes_on_answer(&t, &c, 7); /* our own id */
	CHECK_INT(routes_count(&t), 1);
	routes_fini(&t);
}

TEST(doubtful_nodes_are_asked_when_a_spare_waits_and_stale_buckets_renewed)
{
	uint8_t self[NODE_ID_LEN] = {0}, target[NODE_ID_LEN];
	struct contact c;
	struct routes t;
	struct rng rng;

	rng_seed(&rng, 5);
	routes_init(&t, self);
	for (uint32_t i = 0; i < 30; i++) {
		c = node_like(self, 0, v4(0x08000001 + (i << 16), 6881), &rng);
		routes_on_answer(&t, &c, 1000 + i);
	}
	CHECK(!routes_doubtful(&t, 2000, &c));
	CHECK(routes_doubtful(&t, 1000 + ROUTES_GOOD_MS, &c));
	CHECK(!routes_refresh(&t, 2000, &rng, target));
	CHECK(routes_refresh(&t, 2000 + ROUTES_REFRESH_MS, &rng, target));
	routes_fini(&t);
}

TEST(the_nearest_come_in_their_order)
{
	uint8_t self[NODE_ID_LEN] = {0}, target[NODE_ID_LEN];
	struct contact c, out[8];
	struct routes t;
	struct rng rng;

	rng_seed(&rng, 6);
	routes_init(&t, self);
	for (uint32_t i = 0; i < 300; i++) {
		c = (struct contact){.addr = v4(0x08000001 + (i << 16), 6881)};
		rng_fill(&rng, c.id, sizeof(c.id));
		routes_on_answer(&t, &c, 1000);
	}
	for (int round = 0; round < 50; round++) {
		uint32_t n;

		rng_fill(&rng, target, sizeof(target));
		n = routes_nearest(&t, target, false, out, 8);
		CHECK_INT(n, 8);
		for (uint32_t i = 1; i < n; i++)
			CHECK(node_id_nearer(target, out[i - 1].id, out[i].id) < 0);
		for (uint32_t i = 0; routes_at(&t, i) != NULL; i++)
			CHECK(node_id_nearer(target, routes_at(&t, i)->at.id, out[7].id) >= 0 ||
			      addr_eq(&routes_at(&t, i)->at.addr, &out[0].addr) ||
			      node_id_nearer(target, out[0].id, routes_at(&t, i)->at.id) < 0);
	}
	routes_fini(&t);
}

/* ---- stores ------------------------------------------------------------- */

/* O-39: 10^6 announces of distinct info-hashes (a tenth of them here). */
TEST(announces_of_invented_hashes_do_not_displace_near_ones)
{
	uint8_t self[NODE_ID_LEN] = {0}, hash[20] = {0}, near[20] = {0};
	struct addr peer = at("8.8.8.8:1"), out[4];
	struct peer_store s;
	struct rng rng;

	rng_seed(&rng, 7);
	peer_store_init(&s, self, (struct siphash_key){1, 2});
	near[5] = 1;
	CHECK_INT(peer_store_add(&s, near, &peer, 1000, &rng), 0);
	for (uint32_t i = 0; i < 100000; i++) {
		rng_fill(&rng, hash, sizeof(hash));
		peer = v4(0x08080000 + i, 6881);
		(void)peer_store_add(&s, hash, &peer, 1000, &rng);
	}
	CHECK_INT(s.n, PEER_STORE_HASHES_MAX);
	CHECK(s.total <= PEER_STORE_TOTAL_MAX);
	CHECK_INT(peer_store_pick(&s, near, false, out, 4, &rng), 1);
	peer_store_expire(&s, 1000 + PEER_STORE_KEEP_MS);
	CHECK_INT(s.n, 0);
	CHECK_INT(s.total, 0);
	peer_store_fini(&s);
}

/* O-39: 10,000 peers on one. */
TEST(one_hash_has_so_many_peers_and_one_host_one_place)
{
	uint8_t self[NODE_ID_LEN] = {0}, hash[20] = {1};
	struct addr peer, out[20];
	struct peer_store s;
	struct rng rng;

	rng_seed(&rng, 8);
	peer_store_init(&s, self, (struct siphash_key){1, 2});
	for (uint16_t i = 1; i <= 100; i++) {
		peer = v4(0x08080808, i);
		CHECK_INT(peer_store_add(&s, hash, &peer, 1000, &rng), 0);
	}
	CHECK_INT(peer_store_pick(&s, hash, false, out, 20, &rng), 1);
	CHECK_INT(out[0].port, 100);
	for (uint32_t i = 0; i < 10000; i++) {
		peer = v4(0x09000000 + i, 6881);
		CHECK_INT(peer_store_add(&s, hash, &peer, 1000, &rng), 0);
	}
	CHECK_INT(s.total, PEER_STORE_PEERS_MAX);
	CHECK_INT(peer_store_pick(&s, hash, false, out, 20, &rng), 20);
	CHECK_INT(peer_store_pick(&s, hash, true, out, 20, &rng), 0);
	peer_store_fini(&s);
}

TEST(one_64_of_ipv6_has_four_places_for_a_hash_at_most)
{
	uint8_t self[NODE_ID_LEN] = {0}, hash[20] = {1};
	struct addr peer, out[20];
	struct peer_store s;
	struct rng rng;

	rng_seed(&rng, 8);
	peer_store_init(&s, self, (struct siphash_key){1, 2});
	peer = at("[2a00:1::1]:6881");
	CHECK_INT(peer_store_add(&s, hash, &peer, 1000, &rng), 0);
	for (uint32_t i = 0; i < 100; i++) {
		peer = beside(i);
		CHECK_INT(peer_store_add(&s, hash, &peer, 1000 + i, &rng), 0);
	}
	CHECK_INT(s.total, 1 + PEER_STORE_NET_MAX);
	CHECK_INT(peer_store_pick(&s, hash, true, out, 20, &rng), 1 + PEER_STORE_NET_MAX);
	/* The newest. */
	for (uint32_t i = 0; i < 1 + PEER_STORE_NET_MAX; i++)
		CHECK(!addr_same_subscriber(&out[i], &peer) ||
		      be32(out[i].ip + 12) >= 100 - PEER_STORE_NET_MAX);
	peer_store_fini(&s);
}

/* `n` info-hashes of this host whose first bytes, so many, are our id's, numbered from `first`. */
static uint32_t announce(struct peer_store *s, const char *host, uint8_t zeros, uint32_t first,
			 uint32_t n)
{
	struct addr peer = at(host);
	uint8_t hash[20] = {0};
	uint32_t kept = 0;
	struct rng rng;

	rng_seed(&rng, 11);
	for (uint32_t i = 0; i < n; i++) {
		hash[zeros] = 1;
		put_be32(hash + 16, first + i);
		peer.port = (uint16_t)(1 + i);
		kept += peer_store_add(s, hash, &peer, 1000, &rng) == 0;
	}
	return kept;
}

/* How many of those are there. */
static uint32_t announced(const struct peer_store *s, uint8_t zeros, uint32_t first, uint32_t n)
{
	uint8_t hash[20] = {0};
	uint32_t there = 0;
	struct addr out[1];
	struct rng rng;

	rng_seed(&rng, 11);
	for (uint32_t i = 0; i < n; i++) {
		hash[zeros] = 1;
		put_be32(hash + 16, first + i);
		there += peer_store_pick(s, hash, false, out, 1, &rng);
	}
	return there;
}

static void one_host_against_others(const char *host, const char *honest)
{
	uint8_t self[NODE_ID_LEN] = {0};
	struct peer_store s;

	peer_store_init(&s, self, (struct siphash_key){1, 2});
	CHECK_INT(announce(&s, honest, 2, 0, 20), 20);
	/* Nearer than those: it has all that is free; then only its own give way. */
	CHECK_INT(announce(&s, host, 8, 1000, 4000), PEER_STORE_HASHES_MAX - 20);
	CHECK_INT(announce(&s, host, 9, 9000, 100), 100);
	CHECK_INT(announced(&s, 9, 9000, 100), 100);
	CHECK_INT(announced(&s, 2, 0, 20), 20);
	CHECK_INT(s.n, PEER_STORE_HASHES_MAX);
	/* Another comes in at any distance, until nobody has more than a share. */
	CHECK_INT(announce(&s, "9.9.9.9", 0, 0, 60), 60);
	CHECK_INT(announced(&s, 0, 0, 60) + announced(&s, 2, 0, 20), 80);
	CHECK_INT(announced(&s, 9, 9000, 100), 100); /* the farthest of its own went */
	CHECK_INT(s.n, PEER_STORE_HASHES_MAX);
	peer_store_fini(&s);
}

TEST(one_host_that_announces_next_to_our_id_displaces_nobody)
{
	one_host_against_others("8.8.8.8", "8.8.4.4");
	one_host_against_others("127.0.0.9", "127.0.0.5");
}

TEST(one_host_has_its_share_of_a_full_store_and_the_nearest_the_rest)
{
	uint8_t self[NODE_ID_LEN] = {0};
	struct peer_store s;
	char host[ADDR_TEXT_MAX];

	peer_store_init(&s, self, (struct siphash_key){1, 2});
	for (uint32_t i = 0; i < PEER_STORE_HASHES_MAX / 40; i++) {
		snprintf(host, sizeof(host), "8.8.1.%u", (unsigned)i);
		CHECK_INT(announce(&s, host, 4, i * 40, 40), 40);
	}
	CHECK_INT(s.n, PEER_STORE_HASHES_MAX);
	CHECK_INT(announce(&s, "9.9.9.9", 3, 0, 10), 0); /* farther than all */
	CHECK_INT(announce(&s, "9.9.9.9", 8, 0, 1000), PEER_STORE_HOST_MAX);
	CHECK_INT(announced(&s, 4, 0, PEER_STORE_HASHES_MAX),
		  PEER_STORE_HASHES_MAX - PEER_STORE_HOST_MAX);
	/* One came; of one nothing is left. */
	CHECK_INT(s.origins.by_who.n, PEER_STORE_HASHES_MAX / 40);
	peer_store_expire(&s, 1000 + PEER_STORE_KEEP_MS);
	CHECK_INT(s.origins.by_who.n, 0);
	peer_store_fini(&s);
}

TEST(stores_are_whole_when_memory_runs_out)
{
	uint8_t self[NODE_ID_LEN] = {0}, hash[20] = {0};
	struct addr peer = at("8.8.8.8:1");
	struct dht_item item;
	struct rng rng;

	rng_seed(&rng, 9);
	for (size_t nth = 1; nth < 12; nth++) {
		struct peer_store s;
		struct item_store i;

		peer_store_init(&s, self, (struct siphash_key){1, 2});
		item_store_init(&i, self, (struct siphash_key){1, 2});
		CHECK_INT(dht_item_immutable(&item, bytes_str("i1e")), 0);
		failmalloc_start(nth, false);
		for (uint8_t k = 0; k < 20; k++) {
			hash[0] = k;
			(void)peer_store_add(&s, hash, &peer, 1000, &rng);
			item.v[1] = (uint8_t)('0' + k % 10);
			(void)item_store_put(&i, &item, NULL, &peer, 1000);
		}
		failmalloc_stop();
		CHECK(s.n >= 19 && s.total == s.n && i.n >= 9);
		peer_store_fini(&s);
		item_store_fini(&i);
	}
}

/* ---- values ------------------------------------------------------------- */

static const uint8_t seed[SIGN_SEED_LEN] = {9};

TEST(targets_are_those_of_bep_44_and_46)
{
	static const char *const key_44 =
	    "77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548";
	static const char *const key_46 =
	    "8543d3e6115f0f98c944077a4493dcd543e49c739fd998550a1f614ab36ed63e";
	uint8_t key[32], target[20];
	char hex[41];
	struct dht_item i;

	CHECK_INT(text_unhex(bytes_str(key_44), key, 32), 0);
	dht_item_target_of(key, bytes_of(NULL, 0), target);
	text_hex(hex, bytes_of(target, 20));
	CHECK_STR(hex, "4a533d47ec9c7d95b1ad75f576cffc641853b750");
	dht_item_target_of(key, bytes_str("foobar"), target);
	text_hex(hex, bytes_of(target, 20));
	CHECK_STR(hex, "411eba73b6f087ca51a3795d9c8c938d365e32c1");
	CHECK_INT(text_unhex(bytes_str(key_46), key, 32), 0);
	dht_item_target_of(key, bytes_str("n"), target);
	text_hex(hex, bytes_of(target, 20));
	CHECK_STR(hex, "59ee7c2cb9b4f7eb1986ee2d18fd2fdb8a56554f");
	CHECK_INT(dht_item_immutable(&i, bytes_str("12:Hello World!")), 0);
	dht_item_target(&i, target);
	text_hex(hex, bytes_of(target, 20));
	CHECK_STR(hex, "e5f96f6f38320f0f33959cb4d3d656452117aadb");
}

/* The vectors of BEP 44: value, key, signature, with and without salt. */
TEST(signatures_of_bep_44_are_accepted_and_forged_ones_are_not)
{
	static const char *const sigs[] = {
	    "305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff"
	    "1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01",
	    "6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17d"
	    "df9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08",
	};
	uint8_t key[32], sig[64];
	struct krpc m = {.v = bytes_str("12:Hello World!"), .has_seq = true, .seq = 1};
	struct dht_item i;

	CHECK_INT(text_unhex(bytes_str("77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3"
				       "e7e548"),
			     key, 32),
		  0);
	m.key = key;
	m.sig = sig;
	CHECK_INT(text_unhex(bytes_str(sigs[0]), sig, 64), 0);
	CHECK_INT(dht_item_read(&i, &m, bytes_of(NULL, 0)), 0);
	CHECK_INT(dht_item_read(&i, &m, bytes_str("foobar")), KRPC_FAULT_SIGNATURE);
	CHECK_INT(text_unhex(bytes_str(sigs[1]), sig, 64), 0);
	CHECK_INT(dht_item_read(&i, &m, bytes_str("foobar")), 0);
	m.seq = 2;
	CHECK_INT(dht_item_read(&i, &m, bytes_str("foobar")), KRPC_FAULT_SIGNATURE);
}

TEST(a_newer_value_replaces_an_older_one_and_never_the_other_way)
{
	uint8_t self[NODE_ID_LEN] = {0}, target[20];
	struct addr from = at("8.8.8.8");
	struct dht_item one, two, other;
	struct item_store s;
	int64_t cas = 1;

	item_store_init(&s, self, (struct siphash_key){1, 2});
	CHECK_INT(dht_item_sign(&one, seed, bytes_str("n"), 1, bytes_str("i1e")), 0);
	CHECK_INT(dht_item_sign(&two, seed, bytes_str("n"), 2, bytes_str("i2e")), 0);
	CHECK_INT(dht_item_sign(&other, seed, bytes_str("n"), 2, bytes_str("i3e")), 0);
	dht_item_target(&one, target);
	CHECK_INT(item_store_put(&s, &one, &cas, &from, 1000),
		  0); /* nothing there: cas is ignored */
	cas = 7;
	CHECK_INT(item_store_put(&s, &two, &cas, &from, 1000), KRPC_FAULT_CAS);
	cas = 1;
	CHECK_INT(item_store_put(&s, &two, &cas, &from, 1000), 0);
	CHECK_INT(item_store_put(&s, &one, NULL, &from, 1000), KRPC_FAULT_SEQ);
	CHECK_INT(item_store_put(&s, &other, NULL, &from, 1000), KRPC_FAULT_SEQ);
	CHECK_INT(item_store_put(&s, &two, NULL, &from, 5000), 0); /* keeps it alive */
	item_store_expire(&s, 4999 + ITEM_STORE_KEEP_MS);
	CHECK(item_store_find(&s, target) != NULL);
	item_store_expire(&s, 5000 + ITEM_STORE_KEEP_MS);
	CHECK(item_store_find(&s, target) == NULL);
	item_store_fini(&s);
}

TEST(values_have_bounds)
{
	char big[1100];
	struct dht_item i;

	memset(big, 'x', sizeof(big));
	memcpy(big, "996:", 4);
	CHECK_INT(dht_item_immutable(&i, bytes_of(big, 1000)), 0);
	memcpy(big, "997:", 4);
	CHECK_INT(dht_item_immutable(&i, bytes_of(big, 1001)), ERR_TOO_BIG);
	CHECK_INT(dht_item_immutable(&i, bytes_str("12:short")), ERR_INVALID);
	CHECK_INT(dht_item_sign(&i, seed, bytes_of(big, 65), 1, bytes_str("i1e")), ERR_TOO_BIG);
	CHECK_INT(dht_item_sign(&i, seed, bytes_of(NULL, 0), -1, bytes_str("i1e")), ERR_INVALID);
}

TEST(only_so_many_items_are_kept)
{
	uint8_t self[NODE_ID_LEN] = {0};
	char text[32];
	struct addr from = at("8.8.8.8");
	struct item_store s;
	struct dht_item i;

	item_store_init(&s, self, (struct siphash_key){1, 2});
	for (int n = 0; n < 3000; n++) {
		snprintf(text, sizeof(text), "i%de", n);
		CHECK_INT(dht_item_immutable(&i, bytes_str(text)), 0);
		(void)item_store_put(&s, &i, NULL, &from, 1000);
	}
	CHECK_INT(s.n, ITEM_STORE_MAX);
	item_store_fini(&s);
}

/* How many of these values are accepted. */
static uint32_t put(struct item_store *s, const char *host, int first, int n)
{
	struct addr from = at(host);
	uint32_t kept = 0;
	struct dht_item i;
	char text[32];

	for (int k = first; k < first + n; k++) {
		snprintf(text, sizeof(text), "i%de", k);
		CHECK_INT(dht_item_immutable(&i, bytes_str(text)), 0);
		kept += item_store_put(s, &i, NULL, &from, 1000) == 0;
	}
	return kept;
}

TEST(one_host_that_puts_values_next_to_our_id_displaces_nobody)
{
	uint8_t self[NODE_ID_LEN] = {0}, target[NODE_ID_LEN];
	uint32_t there = 0;
	struct item_store s;
	struct dht_item i;
	char text[32];

	item_store_init(&s, self, (struct siphash_key){1, 2});
	CHECK_INT(put(&s, "8.8.4.4", 0, 20), 20);
	CHECK(put(&s, "8.8.8.8", 1000, 20000) >= ITEM_STORE_MAX - 20);
	CHECK_INT(put(&s, "9.9.9.9", 100, (int)ITEM_STORE_HOST_MAX), ITEM_STORE_HOST_MAX);
	for (int k = 0; k < 100 + (int)ITEM_STORE_HOST_MAX; k++) {
		snprintf(text, sizeof(text), "i%de", k);
		CHECK_INT(dht_item_immutable(&i, bytes_str(text)), 0);
		dht_item_target(&i, target);
		there += item_store_find(&s, target) != NULL;
	}
	CHECK_INT(there, 20 + ITEM_STORE_HOST_MAX);
	CHECK_INT(s.n, ITEM_STORE_MAX);
	item_store_fini(&s);
}

/* ---- rates -------------------------------------------------------------- */

/* O-39, G-17: 10,000 packets a second for a minute, from one and from 250 addresses, or from those
 * of one /64, which count as one. */
static void flood(uint32_t addresses, bool v6)
{
	uint64_t sent = 0, own = 0, limit = 60 * GATE_RATE_BPS;
	struct gate g;

	gate_init(&g, (struct siphash_key){3, 4}, GATE_RATE_BPS, 1000);
	for (uint32_t i = 0; i < 600000; i++) {
		uint64_t now = 1000 + i / 10;
		struct addr from =
		    v6 ? beside(i % addresses) : v4(0x08080000 + i % addresses, 6881);

		if (gate_hears(&g, &from, now) && gate_replies(&g, 280, now))
			sent += 280;
		/* And ten queries a second of our own. */
		if (i % 1000 == 0 && gate_asks(&g, 100, now))
			own += 100;
	}
	CHECK_INT(own, 60000); /* none was kept back */
	CHECK(sent + own <= limit + limit / 20);
	if (addresses > 50 && !v6)
		CHECK(sent + own >= limit - limit / 20);
	else
		CHECK(sent <= 280 * (60 * GATE_ASKER_PER_S + GATE_ASKER_BURST));
}

TEST(a_flood_from_one_address_gets_no_more_than_its_share)
{
	flood(1, false);
	flood(250, true);
}

TEST(a_flood_from_many_addresses_stays_below_the_rate)
{
	flood(250, false);
}

/* ---- lookups ------------------------------------------------------------ */

TEST(a_lookup_asks_nearer_and_nearer_nodes_and_ends)
{
	uint8_t target[NODE_ID_LEN] = {0}, self[NODE_ID_LEN] = {0xff};
	static struct lookup l;
	const struct lookup_node *near[LOOKUP_K];
	struct contact c[3];
	uint8_t nodes[3 * CONTACT_V6_LEN];
	const uint8_t *id;
	struct addr to;
	size_t len = 0;
	struct rng rng;

	rng_seed(&rng, 10);
	lookup_init(&l, target, self, false, 0);
	for (int i = 0; i < 3; i++) {
		c[i].addr = v4(0x0a000001 + ((uint32_t)i << 16), 6881);
		node_id_beside(c[i].id, target, 4 * (unsigned)i, &rng);
		if (i > 0)
			len += contact_put(nodes + len, &c[i]);
	}
	lookup_add(&l, &c[0]);
	CHECK(lookup_next(&l, &to, &id));
	CHECK(addr_eq(&to, &c[0].addr));
	CHECK(!lookup_next(&l, &to, &id) && !lookup_is_done(&l));
	lookup_on_answer(&l, &c[0], bytes_of(nodes, len), bytes_str("t"));
	CHECK(lookup_next(&l, &to, &id));
	CHECK(addr_eq(&to, &c[2].addr)); /* the nearest of them */
	CHECK(lookup_next(&l, &to, &id));
	lookup_on_failed(&l, &c[1].addr);
	/* An answer with another id than it was said to have is worth nothing. */
	c[2].id[0] ^= 0x80;
	lookup_on_answer(&l, &c[2], bytes_of(NULL, 0), bytes_str("t"));
	CHECK(lookup_is_done(&l));
	CHECK_INT(lookup_nearest(&l, true, near, LOOKUP_K), 1);
	CHECK_INT(lookup_hops(&l), 1);
}

TEST(a_stranger_cannot_send_us_to_addresses_of_our_own)
{
	uint8_t target[NODE_ID_LEN] = {0}, self[NODE_ID_LEN] = {0xff};
	static struct lookup l;
	struct contact far = {.addr = at("8.8.8.8:1")}, inside = {.addr = at("192.168.1.1:80")};
	uint8_t nodes[CONTACT_V6_LEN];
	const uint8_t *id;
	struct addr to;
	struct rng rng;
	size_t len;

	rng_seed(&rng, 11);
	node_id_for(far.id, &far.addr, 3, &rng);
	lookup_init(&l, target, self, false, 0);
	lookup_add(&l, &far);
	CHECK(lookup_next(&l, &to, &id));
	len = contact_put(nodes, &inside);
	lookup_on_answer(&l, &far, bytes_of(nodes, len), bytes_of(NULL, 0));
	CHECK(!lookup_next(&l, &to, &id));
	CHECK(lookup_is_done(&l));
}

/* How many of fifty nodes in such places a lookup asks. */
static uint32_t count_asked(bool v6, struct addr (*place)(uint32_t i))
{
	uint8_t target[NODE_ID_LEN] = {0}, self[NODE_ID_LEN] = {0xff};
	static struct lookup l;
	uint32_t asked = 0;
	const uint8_t *id;
	struct addr to;
	struct rng rng;

	rng_seed(&rng, 12);
	lookup_init(&l, target, self, v6, 0);
	for (uint32_t i = 0; i < 50; i++) {
		struct contact c = {.addr = place(i)};

		node_id_for(c.id, &c.addr, (uint8_t)i, &rng);
		lookup_add(&l, &c);
	}
	while (lookup_next(&l, &to, &id))
		asked++;
	return asked;
}

static struct addr in_one_range(uint32_t i)
{
	return v4(0x2d430001 + (i << 8), 6881);
}

TEST(of_one_range_two_are_asked)
{
	CHECK_INT(count_asked(false, in_one_range), LOOKUP_PER_RANGE);
}

TEST(of_one_64_of_ipv6_one_is_asked)
{
	CHECK_INT(count_asked(true, beside), 1);
}

TEST(an_item_is_kept_as_bytes_and_nobody_can_change_them)
{
	uint8_t raw[DHT_ITEM_BYTES_MAX];
	struct dht_item i, back;
	uint32_t taken = 0;
	size_t n;
	struct buf b;

	CHECK_INT(dht_item_sign(&i, seed, bytes_str("name"), 7, bytes_str("d2:ih2:xye")), 0);
	buf_init(&b, DHT_ITEM_BYTES_MAX);
	CHECK_INT(dht_item_put(&i, &b), 0);
	CHECK_INT(dht_item_take(buf_bytes(&b), &back), 0);
	CHECK(back.seq == 7 && back.is_mutable && back.v_len == i.v_len && back.salt_len == 4);
	CHECK_MEM(back.sig, i.sig, sizeof(i.sig));
	n = b.len;
	memcpy(raw, b.ptr, n);
	for (size_t k = 0; k < n; k++) {
		raw[k] ^= 1;
		taken += dht_item_take(bytes_of(raw, n), &back) == 0;
		raw[k] ^= 1;
		CHECK(dht_item_take(bytes_of(raw, k), &back) == ERR_PROTO);
	}
	CHECK_INT(taken, 0);
	buf_fini(&b);
}

TEST(the_largest_item_fits_its_bytes)
{
	char salt[KRPC_SALT_MAX], value[KRPC_VALUE_MAX];
	struct dht_item i, back;
	struct buf b;

	memset(salt, 's', sizeof(salt));
	memset(value, 'v', sizeof(value));
	memcpy(value, "996:", 4);
	CHECK_INT(dht_item_sign(&i, seed, bytes_of(salt, sizeof(salt)), INT64_MAX,
				bytes_of(value, sizeof(value))),
		  0);
	buf_init(&b, DHT_ITEM_BYTES_MAX);
	CHECK_INT(dht_item_put(&i, &b), 0);
	CHECK_INT(dht_item_take(buf_bytes(&b), &back), 0);
	buf_fini(&b);
}
