/* A whole DHT node: datagrams in, effects out. */
#include "dht/dht.h"

#include <stdio.h>
#include <stdlib.h>

#include "failmalloc.h"
#include "sim/dht_net.h"

#include "test.h"

#define ID_A "abcdefghij0123456789"
#define HASH "hhhhhhhhhhhhhhhhhhhh"

static struct addr at(const char *text)
{
	struct addr a;

	CHECK_INT(addr_parse(bytes_str(text), 6881, &a), 0);
	return a;
}

static struct dht *make(uint64_t seed, bool read_only)
{
	struct dht_params p = {
	    .seed = seed, .secret = {seed, 2}, .read_only = read_only, .v4 = true, .v6 = true};
	struct dht *d = dht_new(&p, 1000);

	CHECK(d != NULL);
	return d;
}

/* What is sent to `to` in answer to `text`; empty: nothing. */
static struct bytes ask(struct dht *d, struct dht_effects *fx, const struct addr *from,
			const char *text, uint64_t now)
{
	dht_effects_clear(fx);
	dht_on_packet(d, from, bytes_str(text), now, fx);
	for (size_t i = 0; i < fx->n; i++)
		if (fx->list[i].type == DHT_SEND && addr_eq(&fx->list[i].to, from))
			return dht_effect_bytes(fx, &fx->list[i]);
	return bytes_of(NULL, 0);
}

static struct krpc parse(struct bytes b)
{
	struct krpc m;

	CHECK_INT(krpc_decode(b, &m), 0);
	return m;
}

/* So many of its ends are told. */
static unsigned ends(const struct dht_effects *fx, uint32_t search)
{
	unsigned n = 0;

	for (size_t i = 0; i < fx->n; i++)
		n += fx->list[i].type == DHT_DONE && fx->list[i].search == search;
	return n;
}

#define PING "d1:ad2:id20:" ID_A "e1:q4:ping1:t2:aa1:y1:qe"
#define GET_PEERS "d1:ad2:id20:" ID_A "9:info_hash20:" HASH "e1:q9:get_peers1:t2:aa1:y1:qe"

TEST(a_ping_is_answered_with_our_id_and_how_we_see_them)
{
	struct addr from = at("8.8.8.8:99"), seen;
	struct dht *d = make(1, false);
	struct dht_effects fx;
	struct krpc m;

	dht_effects_init(&fx);
	m = parse(ask(d, &fx, &from, PING, 1000));
	CHECK_INT(m.type, KRPC_REPLY);
	CHECK_MEM(m.id, dht_id(d, false), 20);
	CHECK_INT(krpc_endpoint_get(m.seen_as, &seen), 0);
	CHECK(addr_eq(&seen, &from));
	dht_effects_fini(&fx);
	dht_free(d);
}

TEST(a_read_only_node_answers_nobody_and_says_what_it_is)
{
	struct addr from = at("8.8.8.8:99"), place = at("9.9.9.9:1");
	struct dht *d = make(1, true);
	struct dht_effects fx;
	struct krpc m;

	dht_effects_init(&fx);
	CHECK_INT(ask(d, &fx, &from, PING, 1000).len, 0);
	dht_effects_clear(&fx);
	dht_add_place(d, &place, 1000, &fx);
	CHECK_INT(fx.n, 1);
	m = parse(dht_effect_bytes(&fx, &fx.list[0]));
	CHECK(m.read_only && m.method == KRPC_FIND_NODE);
	dht_effects_fini(&fx);
	dht_free(d);
}

/* O-37: what strangers send puts nobody into the table. */
/* Whoever we ask sees our transactions, and must not be able to foretell others. */
TEST(transactions_are_made_with_the_secret)
{
	struct dht_params p = {.seed = 1, .secret = {1, 1}, .v4 = true};
	struct addr place = at("10.0.0.1:7");
	uint32_t tid[2];

	for (int i = 0; i < 2; i++) {
		struct dht *d = dht_new(&p, 1000);
		struct dht_effects fx;

		CHECK(d != NULL);
		dht_effects_init(&fx);
		dht_add_place(d, &place, 1000, &fx);
		CHECK_INT(fx.n, 1);
		tid[i] = be32(parse(dht_effect_bytes(&fx, &fx.list[0])).tid.ptr);
		dht_effects_fini(&fx);
		dht_free(d);
		p.secret.k1++;
	}
	CHECK(tid[0] != tid[1]);
}

TEST(only_an_answer_to_our_question_from_where_it_was_sent_is_believed)
{
	struct addr place = at("10.0.0.1:7"), port = at("10.0.0.1:8"), zero = {.ip = {8, 8, 8, 8}};
	struct dht *d = make(1, false);
	char reply[200];
	struct dht_effects fx;
	struct dht_stats s;
	struct krpc q;
	size_t len;

	dht_effects_init(&fx);
	dht_add_place(d, &place, 1000, &fx);
	CHECK_INT(fx.n, 1);
	q = parse(dht_effect_bytes(&fx, &fx.list[0]));
	len = (size_t)snprintf(reply, sizeof(reply), "d1:rd2:id20:%se1:t4:????1:y1:re", ID_A);
	memcpy(strstr(reply, "????"), q.tid.ptr, 4);
	dht_effects_clear(&fx);
	/* From another port, from port 0, with another transaction, and unasked. */
	dht_on_packet(d, &port, bytes_of(reply, len), 1001, &fx);
	dht_on_packet(d, &zero, bytes_of(reply, len), 1001, &fx);
	*strstr(reply, "4:") = '3';
	dht_on_packet(d, &place, bytes_of(reply, len), 1001, &fx);
	dht_on_packet(d, &place, bytes_str("d1:rd2:id20:" ID_A "e1:t4:xxxx1:y1:re"), 1001, &fx);
	dht_stats(d, 1001, &s);
	CHECK_INT(s.nodes[0], 0);
	/* The right one, once. */
	*strstr(reply, "3:") = '4';
	dht_on_packet(d, &place, bytes_of(reply, len), 1002, &fx);
	dht_stats(d, 1002, &s);
	CHECK_INT(s.nodes[0], 1);
	dht_check(d);
	dht_effects_fini(&fx);
	dht_free(d);
}

/* Who is sent something in these effects and those of the next half minute. */
static bool is_sent_to(struct dht *d, struct dht_effects *fx, const struct addr *a, uint64_t now)
{
	bool sent = false;

	for (uint64_t end = now + 30000; now < end; now += 100) {
		for (size_t i = 0; i < fx->n; i++)
			sent =
			    sent || (fx->list[i].type == DHT_SEND && addr_eq(&fx->list[i].to, a));
		dht_effects_clear(fx);
		dht_on_tick(d, now, fx);
	}
	return sent;
}

/* O-37: nodes that nobody can ask, and ourselves, in an answer that is believed. */
TEST(of_the_nodes_in_an_answer_those_with_port_0_and_with_our_id_are_not_asked)
{
	static const char *const addrs[] = {"8.8.4.4:7", "8.8.5.4:7", "8.8.6.4:7"};
	uint8_t nodes[2 * CONTACT_V4_LEN + CONTACT_V6_LEN];

	for (int which = 0; which < 3; which++) {
		struct addr place = at("9.9.9.9:7"), to = at(addrs[which]);
		struct dht *d = make(1, false);
		char reply[400];
		struct dht_effects fx;
		struct krpc q;
		size_t n;

		dht_effects_init(&fx);
		dht_add_place(d, &place, 1000, &fx);
		q = parse(dht_effect_bytes(&fx, &fx.list[0]));
		for (int i = 0; i < 3; i++) {
			struct contact c = {.addr = at(addrs[i])};

			memset(c.id, 'a' + i, sizeof(c.id));
			if (i == 1)
				memcpy(c.id, dht_id(d, false), sizeof(c.id));
			if (i == 2)
				c.addr.port = 0;
			(void)contact_put(nodes + (size_t)i * CONTACT_V4_LEN, &c);
		}
		n = (size_t)snprintf(reply, sizeof(reply),
				     "d1:rd2:id20:xxxxxxxxxxxxxxxxxxxx5:nodes78:");
		memcpy(reply + n, nodes, 3 * (size_t)CONTACT_V4_LEN);
		n += 3 * (size_t)CONTACT_V4_LEN;
		n += (size_t)snprintf(reply + n, sizeof(reply) - n, "e1:t4:????1:y1:re");
		memcpy(reply + n - strlen("????1:y1:re"), q.tid.ptr, 4);
		dht_effects_clear(&fx);
		dht_on_packet(d, &place, bytes_of(reply, n), 1001, &fx);
		if (which == 2)
			to.port = 0;
		CHECK_INT(is_sent_to(d, &fx, &to, 1002), which == 0);
		dht_check(d);
		dht_effects_fini(&fx);
		dht_free(d);
	}
}

TEST(a_query_with_our_own_id_or_without_one_is_not_served)
{
	struct addr from = at("8.8.8.8:99");
	struct dht *d = make(1, false);
	char text[200];
	struct dht_effects fx;
	struct krpc m;
	size_t len;

	dht_effects_init(&fx);
	m = parse(ask(d, &fx, &from, "d1:ade1:q4:ping1:t2:aa1:y1:qe", 1000));
	CHECK(m.type == KRPC_ERROR && m.fault == KRPC_FAULT_PROTOCOL);
	m = parse(ask(d, &fx, &from, "d1:ad2:id20:" ID_A "e1:q4:nope1:t2:aa1:y1:qe", 1000));
	CHECK(m.type == KRPC_ERROR && m.fault == KRPC_FAULT_METHOD);
	len = sizeof(PING) - 1;
	memcpy(text, PING, len);
	memcpy(text + 12, dht_id(d, false), 20);
	dht_effects_clear(&fx);
	dht_on_packet(d, &from, bytes_of(text, len), 1000, &fx);
	CHECK_INT(fx.n, 0);
	dht_effects_fini(&fx);
	dht_free(d);
}

#define TOKENLESS                                                                                  \
	"d1:ad2:id20:" ID_A "9:info_hash20:" HASH "4:porti7000ee1:q13:announce_peer1:t2:aa1:y1:qe"

static struct bytes announce(struct dht *d, struct dht_effects *fx, const struct addr *from,
			     struct bytes token, uint64_t now)
{
	static char text[300];
	int head = snprintf(
	    text, sizeof(text),
	    "d1:ad2:id20:" ID_A "9:info_hash20:" HASH "4:porti7000e5:token%zu:", token.len);
	size_t n = (size_t)head;

	if (token.len > 0)
		memcpy(text + n, token.ptr, token.len);
	n += token.len;
	n += (size_t)snprintf(text + n, sizeof(text) - n, "e1:q13:announce_peer1:t2:aa1:y1:qe");
	dht_effects_clear(fx);
	dht_on_packet(d, from, bytes_of(text, n), now, fx);
	CHECK(fx->n >= 1);
	return dht_effect_bytes(fx, &fx->list[0]);
}

/* O-38: announces with no token, with a foreign one, and with one that is eleven minutes old. */
TEST(an_announce_needs_a_token_of_the_same_address)
{
	struct addr from = at("8.8.8.8:99"), other = at("8.8.8.9:99"), peer;
	struct dht *d = make(1, false);
	uint8_t token[8];
	struct krpc_peers it;
	struct dht_effects fx;
	struct krpc m;

	dht_effects_init(&fx);
	m = parse(ask(d, &fx, &from, GET_PEERS, 1000));
	CHECK_INT(m.token.len, 8);
	memcpy(token, m.token.ptr, 8);
	m = parse(announce(d, &fx, &from, bytes_of(NULL, 0), 1000));
	CHECK(m.type == KRPC_ERROR && m.fault == KRPC_FAULT_PROTOCOL);
	m = parse(ask(d, &fx, &from, TOKENLESS, 1000));
	CHECK(m.type == KRPC_ERROR && m.fault == KRPC_FAULT_PROTOCOL);
	m = parse(announce(d, &fx, &other, bytes_of(token, 8), 1000));
	CHECK(m.type == KRPC_ERROR && m.fault == KRPC_FAULT_PROTOCOL);
	m = parse(announce(d, &fx, &from, bytes_of(token, 8), 1000 + 11 * 60000));
	CHECK(m.type == KRPC_ERROR && m.fault == KRPC_FAULT_PROTOCOL);
	m = parse(announce(d, &fx, &from, bytes_of(token, 8), 2000));
	CHECK_INT(m.type, KRPC_REPLY);
	m = parse(ask(d, &fx, &other, GET_PEERS, 3000));
	it = krpc_peers(&m);
	CHECK(krpc_next_peer(&it, &peer));
	CHECK(addr_same_host(&peer, &from) && peer.port == 7000);
	CHECK(!krpc_next_peer(&it, &peer));
	dht_effects_fini(&fx);
	dht_free(d);
}

/* A neighbour announces, and is a node himself. */
TEST(a_stranger_is_told_of_nobody_in_our_network)
{
	struct addr near = at("192.168.7.7:99"), near_too = at("192.168.7.8:99"),
		    stranger = at("8.8.8.8:99"), peer;
	struct dht *d = make(1, false);
	struct krpc_peers it;
	struct dht_effects fx;
	uint8_t token[8];
	char reply[200];
	struct krpc m;
	size_t len;

	dht_effects_init(&fx);
	m = parse(ask(d, &fx, &near, GET_PEERS, 1000));
	memcpy(token, m.token.ptr, 8);
	m = parse(announce(d, &fx, &near, bytes_of(token, 8), 1000));
	CHECK_INT(m.type, KRPC_REPLY);
	dht_effects_clear(&fx);
	dht_add_place(d, &near, 1000, &fx);
	m = parse(dht_effect_bytes(&fx, &fx.list[0]));
	len = (size_t)snprintf(reply, sizeof(reply), "d1:rd2:id20:%se1:t4:????1:y1:re", ID_A);
	memcpy(strstr(reply, "????"), m.tid.ptr, 4);
	dht_on_packet(d, &near, bytes_of(reply, len), 1001, &fx);

	m = parse(ask(d, &fx, &near_too, GET_PEERS, 2000));
	it = krpc_peers(&m);
	CHECK(krpc_next_peer(&it, &peer) && addr_same_host(&peer, &near));
	CHECK_INT(m.nodes.len, 26);
	m = parse(ask(d, &fx, &stranger, GET_PEERS, 2000));
	it = krpc_peers(&m);
	CHECK(!krpc_next_peer(&it, &peer));
	CHECK_INT(m.nodes.len, 0);
	dht_effects_fini(&fx);
	dht_free(d);
}

/* ---- a small network ----------------------------------------------------- */

static struct dnet *net_of(const struct dnet_params *p, uint32_t nodes)
{
	struct dnet *n = dnet_new(p);

	for (uint32_t i = 0; i < nodes; i++) {
		dnet_add(n, DNET_HONEST, NULL, NULL, 3);
		dnet_run_until(n, dnet_now(n) + 500);
	}
	dnet_run_until(n, dnet_now(n) + 120000);
	return n;
}

static struct dnet *small_net(uint64_t seed, uint32_t nodes)
{
	struct dnet_params p = {
	    .seed = seed, .loss_permille = 10, .delay_min_ms = 10, .delay_max_ms = 100};

	return net_of(&p, nodes);
}

/* G-17: what a datagram with a forged sender can make us send to its victim. */
TEST(replies_are_no_more_than_five_times_their_question)
{
	static const char find[] =
	    "d1:ad2:id20:" ID_A "6:target20:" HASH "e1:q9:find_node1:t2:aa1:y1:qe";
	static const char both[] =
	    "d1:ad2:id20:" ID_A "6:target20:" HASH "4:wantl2:n42:n6ee1:q9:find_node1:t2:aa1:y1:qe";
	static const char sample[] =
	    "d1:ad2:id20:" ID_A "6:target20:" HASH "e1:q17:sample_infohashes1:t2:aa1:y1:qe";
	struct dnet *n = small_net(1, 60);
	struct dht *d = dnet_dht(n, 7);
	uint64_t now = dnet_now(n);
	struct dht_effects fx;
	struct addr from;
	struct krpc m;

	dht_effects_init(&fx);
	for (uint32_t i = 0; i < 300; i++) {
		from = (struct addr){.ip = {8, 8, (uint8_t)(i / 200), (uint8_t)(i % 200 + 1)},
				     .port = 5};
		now += 1000;
		m = parse(ask(d, &fx, &from, GET_PEERS, now));
		CHECK_INT(m.nodes.len, 8 * 26);
		(void)announce(d, &fx, &from, m.token, now);
	}
	now += 5000;
	from = at("9.9.9.9:1");
	CHECK(ask(d, &fx, &from, find, now).len * 10 <= strlen(find) * 31);
	CHECK(ask(d, &fx, &from, both, now).len * 10 <= strlen(both) * 31);
	CHECK(ask(d, &fx, &from, GET_PEERS, now).len <= strlen(GET_PEERS) * 5);
	now += 5000;
	CHECK(ask(d, &fx, &from, sample, now).len <= strlen(sample) * 5);
	m = parse(ask(d, &fx, &from, sample, now + 5000));
	CHECK_INT(m.samples.len, 20);
	CHECK_INT(m.num, 1);
	dht_effects_fini(&fx);
	dnet_free(n);
}

TEST(what_one_announces_or_puts_others_find)
{
	struct dnet *n = small_net(2, 60);
	struct dnet_search say = {.kind = DNET_ANNOUNCE, .node = 5};
	struct dnet_search get = {.kind = DNET_GET_PEERS, .node = 40};
	struct dnet_search put = {.kind = DNET_PUT, .node = 6},
			   read = {.kind = DNET_GET, .node = 41};
	static const uint8_t seed[SIGN_SEED_LEN] = {3};
	struct dht_item first, second;

	dnet_start(n, &say, (const uint8_t *)HASH, 7000);
	dnet_run_until(n, dnet_now(n) + 30000);
	CHECK(say.done && say.stored >= 6);
	get.wanted = *dnet_addr(n, 5);
	get.wanted.port = 7000;
	dnet_start(n, &get, (const uint8_t *)HASH, 0);
	dnet_run_until(n, dnet_now(n) + 30000);
	CHECK(get.done && get.found);

	CHECK_INT(dht_item_sign(&first, seed, bytes_of(NULL, 0), 1, bytes_str("i1e")), 0);
	CHECK_INT(dht_item_sign(&second, seed, bytes_of(NULL, 0), 2, bytes_str("i2e")), 0);
	put.item = &first;
	dnet_start(n, &put, (const uint8_t *)HASH, 0);
	dnet_run_until(n, dnet_now(n) + 30000);
	CHECK(put.done && put.stored >= 6);
	put = (struct dnet_search){.kind = DNET_PUT, .node = 9, .item = &second};
	dnet_start(n, &put, (const uint8_t *)HASH, 0);
	dnet_run_until(n, dnet_now(n) + 30000);
	CHECK(put.done && put.stored >= 6);
	memcpy(read.key, first.key, sizeof(read.key));
	dnet_start(n, &read, (const uint8_t *)HASH, 0);
	dnet_run_until(n, dnet_now(n) + 30000);
	CHECK(read.done && read.found && read.seq == 2);
	/* And an older one is not put any more. */
	put = (struct dnet_search){.kind = DNET_PUT, .node = 10, .item = &first};
	dnet_start(n, &put, (const uint8_t *)HASH, 0);
	dnet_run_until(n, dnet_now(n) + 30000);
	CHECK(put.done && put.stored == 0);
	for (uint32_t i = 0; i < 60; i++)
		dht_check(dnet_dht(n, i));
	dnet_free(n);
}

/* A put of it to eight nodes is more than may go out at once. Where all that did is answered before
 * there is room for another, only the gate can say when to go on. */
TEST(a_large_value_is_put_at_the_rate_that_the_gate_gives)
{
	static const uint8_t seed[SIGN_SEED_LEN] = {4};
	struct dnet_params p = {.seed = 6, .delay_min_ms = 1, .delay_max_ms = 2};
	struct dnet *n = net_of(&p, 60);
	struct dht_item item;
	struct dnet_search put = {.kind = DNET_PUT, .node = 6, .item = &item};
	char value[KRPC_VALUE_MAX + 1];
	int len = snprintf(value, sizeof(value), "990:%990s", "");

	CHECK_INT(dht_item_sign(&item, seed, bytes_of(NULL, 0), 1, bytes_of(value, (size_t)len)),
		  0);
	dnet_start(n, &put, (const uint8_t *)HASH, 0);
	dnet_run_until(n, dnet_now(n) + 3000);
	CHECK(put.done && put.stored == 8);
	dht_check(dnet_dht(n, 6));
	dnet_free(n);
}

TEST(a_node_learns_its_address_and_takes_an_id_that_fits)
{
	struct dnet *n = small_net(3, 40);
	uint8_t wrong[NODE_ID_LEN] = {0x55};
	uint32_t node = dnet_add(n, DNET_HONEST, NULL, wrong, 5);
	struct dht_stats s;

	dnet_run_until(n, dnet_now(n) + 120000);
	dht_stats(dnet_dht(n, node), dnet_now(n), &s);
	CHECK(s.knows_address[0]);
	CHECK(addr_same_host(&s.address[0], dnet_addr(n, node)));
	CHECK(node_id_fits(dht_id(dnet_dht(n, node), false), dnet_addr(n, node)));
	CHECK(s.nodes[0] > 8);
	dht_check(dnet_dht(n, node));
	dnet_free(n);
}

/* O-39, G-17: 10,000 packets a second for half a minute from so many addresses: our own lookups
 * still finish within 30 s, and what is sent keeps to the rate. */
static void flood(uint32_t addresses)
{
	struct dnet *n = small_net(4, 60);
	struct dnet_search get = {.kind = DNET_FIND, .node = 7};
	uint64_t from_ms = dnet_now(n);
	struct dht_stats before, after;
	struct dht_effects fx;

	dht_effects_init(&fx);
	dht_stats(dnet_dht(n, 7), from_ms, &before);
	dnet_start(n, &get, (const uint8_t *)HASH, 0);
	for (uint32_t i = 0; i < 300000; i++) {
		struct addr from = {.ip = {8, 8, 8, (uint8_t)(i % addresses)}, .port = 5};

		if (i % 10 == 0)
			dnet_run_until(n, dnet_now(n) + 1);
		dht_effects_clear(&fx);
		dht_on_packet(dnet_dht(n, 7), &from, bytes_str(GET_PEERS), dnet_now(n), &fx);
	}
	CHECK(get.done && get.n_near == 8 && get.done_ms - from_ms <= 30000);
	dht_stats(dnet_dht(n, 7), dnet_now(n), &after);
	CHECK(after.sent_bytes - before.sent_bytes <= 30 * GATE_RATE_BPS * 105 / 100);
	if (addresses > 50)
		CHECK(after.sent_bytes - before.sent_bytes >= 30 * GATE_RATE_BPS * 95 / 100);
	dht_effects_fini(&fx);
	dnet_free(n);
}

TEST(a_flood_from_one_address_does_not_stop_our_own_lookups)
{
	flood(1);
}

TEST(a_flood_from_many_addresses_does_not_stop_our_own_lookups)
{
	flood(250);
}

TEST(a_saved_table_is_asked_again_and_a_damaged_one_refused)
{
	struct dnet *n = small_net(5, 40);
	struct dht *d = make(9, false);
	struct dht_effects fx;
	struct dht_stats s;
	struct buf b;

	buf_init(&b, DHT_SAVED_MAX);
	dht_effects_init(&fx);
	CHECK_INT(dht_save(dnet_dht(n, 3), &b), 0);
	for (size_t i = 0; i < b.len; i += 7) {
		b.ptr[i] ^= 1;
		CHECK_INT(dht_load(d, buf_bytes(&b), 1000, &fx), ERR_PROTO);
		b.ptr[i] ^= 1;
		CHECK_INT(dht_load(d, bytes_of(b.ptr, i), 1000, &fx), ERR_PROTO);
	}
	CHECK_INT(fx.n, 0);
	CHECK_INT(dht_load(d, buf_bytes(&b), 1000, &fx), 0);
	CHECK(fx.n > 0);
	dht_stats(d, 1000, &s);
	CHECK_INT(s.nodes[0], 0); /* nobody is believed to be there before he answers */
	CHECK_MEM(dht_id(d, false), dht_id(dnet_dht(n, 3), false), 20);
	dht_effects_fini(&fx);
	buf_fini(&b);
	dht_free(d);
	dnet_free(n);
}

TEST(every_failing_allocation_is_like_a_lost_datagram)
{
	struct addr from = at("8.8.8.8:99"), place = at("10.0.0.1:7");
	struct dht_item item;

	CHECK_INT(dht_item_immutable(&item, bytes_str("i1e")), 0);
	for (size_t nth = 1; nth < 40; nth++) {
		struct dht *d = make(nth, false);
		struct dht_effects fx;

		dht_effects_init(&fx);
		failmalloc_start(nth, nth % 2 == 0);
		dht_add_place(d, &place, 1000, &fx);
		(void)dht_announce(d, (const uint8_t *)HASH, 1, 1000, &fx);
		(void)dht_put(d, &item, NULL, 1000, &fx);
		dht_on_packet(d, &from, bytes_str(GET_PEERS), 1001, &fx);
		dht_on_packet(d, &from, bytes_str(PING), 1002, &fx);
		for (uint64_t now = 1500; now < 60000; now += 700)
			dht_on_tick(d, now, &fx);
		failmalloc_stop();
		dht_check(d);
		dht_effects_fini(&fx);
		dht_free(d);
	}
}

TEST(the_end_of_a_search_is_told_once_though_memory_ran_out_when_it_came)
{
	for (size_t nth = 1; nth < 8; nth++) {
		struct dht *d = make(nth, false);
		struct dht_effects fx;
		uint32_t search;

		dht_effects_init(&fx);
		failmalloc_start(nth, false);
		search = dht_get_peers(d, (const uint8_t *)HASH, 1000, &fx);
		failmalloc_stop();
		dht_on_tick(d, 60000, &fx);
		CHECK_INT(ends(&fx, search), search != 0);
		dht_check(d);
		dht_effects_fini(&fx);
		dht_free(d);
	}
}
