/* What a swarm says to peers beside the data: metadata (BEP 9) and other peers (BEP 11). */
#include <stdio.h>
#include <stdlib.h>

#include "failmalloc.h"
#include "sim/net.h"
#include "swarm/peer.h"
#include "swarm/swarm.h"
#include "swarm/swarm_parts.h"
#include "test.h"
#include "wire/ext.h"
#include "wire/ext_metadata.h"
#include "wire/ext_pex.h"

#define THEIR_PEX 3u
#define THEIR_METADATA 5u

struct bench {
	struct metainfo *meta;
	struct swarm *s;
	struct effects fx;
	uint64_t now;
	uint8_t ut_pex, ut_metadata; /* our numbers, as our handshake has them */
	uint32_t metadata_size;
	uint16_t port;
};

static void start(struct bench *b, bool private)
{
	struct swarm_params p = {.seed = 11, .port = 6881};

	*b = (struct bench){.now = 100000};
	b->meta = net_metainfo(100 * BLOCK_BYTES, BLOCK_BYTES, true, true);
	b->meta->private = private;
	p.meta = b->meta;
	memset(p.peer_id, 'm', sizeof(p.peer_id));
	b->s = swarm_new(&p);
	effects_init(&b->fx);
}

static void stop(struct bench *b)
{
	swarm_check(b->s);
	swarm_free(b->s);
	effects_fini(&b->fx);
	meta_free(b->meta);
}

static struct addr addr_of(uint32_t i)
{
	return (struct addr){.ip = {10, 0, (uint8_t)(i >> 8), (uint8_t)i}, .port = 6881};
}

static void hear(struct bench *b, struct peer_ref r, uint8_t id, struct bytes body)
{
	struct wire_msg m = {.type = WIRE_EXTENDED, .ext_id = id, .body = body};

	effects_clear(&b->fx);
	swarm_on_message(b->s, r, &m, b->now, &b->fx);
}

/* What was said with this number to this peer; NULL: nothing. */
static const struct wire_msg *said(const struct bench *b, struct peer_ref r, uint8_t id)
{
	for (size_t i = 0; i < b->fx.n; i++) {
		const struct effect *e = &b->fx.list[i];

		if (e->type == EFFECT_SEND && e->peer.slot == r.slot &&
		    e->u.msg.type == WIRE_EXTENDED && e->u.msg.ext_id == id)
			return &e->u.msg;
	}
	return NULL;
}

static bool closed(const struct bench *b)
{
	for (size_t i = 0; i < b->fx.n; i++)
		if (b->fx.list[i].type == EFFECT_CLOSE)
			return true;
	return false;
}

static uint32_t dials(const struct bench *b)
{
	uint32_t n = 0;

	for (size_t i = 0; i < b->fx.n; i++)
		n += b->fx.list[i].type == EFFECT_DIAL;
	return n;
}

static struct addr addr_at(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return (struct addr){.ip = {a, b, c, d}, .port = 6881};
}

/* A peer that takes both extensions. */
static struct peer_ref join_at(struct bench *b, struct addr at, bool incoming)
{
	struct peer_hello h = {.addr = at, .incoming = incoming, .fast = true, .extended = true};
	struct ext_handshake ours = {0},
			     theirs = {.ut_pex = THEIR_PEX, .ut_metadata = THEIR_METADATA};
	const struct wire_msg *m;
	struct peer_ref r;
	struct buf body;
	const char *why = NULL;

	memset(h.peer_id, 'p', sizeof(h.peer_id));
	memcpy(h.peer_id, at.ip, 4);
	effects_clear(&b->fx);
	r = swarm_on_connected(b->s, &h, b->now, &why, &b->fx);
	CHECK(why == NULL);
	m = said(b, r, 0);
	CHECK(m != NULL);
	CHECK_INT(ext_decode(&ours, m->body), OK);
	b->ut_pex = ours.ut_pex;
	b->ut_metadata = ours.ut_metadata;
	b->metadata_size = ours.metadata_size;
	b->port = ours.port;
	buf_init(&body, 500);
	CHECK_INT(ext_encode(&body, &theirs), OK);
	hear(b, r, 0, buf_bytes(&body));
	buf_fini(&body);
	return r;
}

static struct peer_ref join(struct bench *b, uint32_t i, bool incoming)
{
	return join_at(b, addr_of(i), incoming);
}

/* ---- our port ------------------------------------------------------------------------ */

static void check_port(struct bench *b, uint32_t i, const char *from, uint16_t port)
{
	struct addr a;

	CHECK_INT(addr_parse(bytes_str(from), 6881, &a), OK);
	(void)join_at(b, a, i % 2 == 0);
	CHECK_INT(b->port, port);
}

/* What a connected peer is told of our port now; 0: nothing. */
static uint16_t port_told(const struct bench *b, struct peer_ref r)
{
	const struct wire_msg *m = said(b, r, 0);
	struct ext_handshake h = {0};

	if (m != NULL)
		CHECK_INT(ext_decode(&h, m->body), OK);
	return h.port;
}

TEST(those_beyond_our_router_are_told_the_port_that_it_gave)
{
	struct bench b;

	start(&b, false);
	check_port(&b, 1, "8.8.8.8", 6881);
	swarm_set_outer_port(b.s, 8100, b.now, &b.fx);
	check_port(&b, 2, "8.8.4.4", 8100);
	check_port(&b, 3, "9.9.9.9", 8100);
	check_port(&b, 4, "192.168.0.7", 6881);
	check_port(&b, 5, "127.0.0.1", 6881);
	check_port(&b, 6, "2001:db8::1", 6881);
	stop(&b);
}

TEST(whoever_is_connected_is_told_when_that_port_changes)
{
	struct peer_ref near, far;
	struct bench b;
	struct addr a;

	start(&b, false);
	CHECK_INT(addr_parse(bytes_str("8.8.8.8"), 6881, &a), OK);
	near = join(&b, 1, true);
	far = join_at(&b, a, true);
	effects_clear(&b.fx);
	swarm_set_outer_port(b.s, 8100, b.now, &b.fx);
	CHECK_INT(port_told(&b, near), 0);
	CHECK_INT(port_told(&b, far), 8100);
	effects_clear(&b.fx);
	swarm_set_outer_port(b.s, 8100, b.now, &b.fx);
	CHECK_INT(b.fx.n, 0);
	swarm_set_outer_port(b.s, 0, b.now, &b.fx);
	CHECK_INT(port_told(&b, far), 6881);
	stop(&b);
}

/* ---- metadata ------------------------------------------------------------------------ */

/* The type of the answer to a request for a piece, or -1 without one; the data goes to `out`. */
static int request(struct bench *b, struct peer_ref r, uint32_t piece, struct buf *out)
{
	struct ext_metadata m = {.type = EXT_METADATA_REQUEST, .piece = piece};
	const struct wire_msg *answer;
	struct buf body;

	buf_init(&body, 100);
	CHECK_INT(ext_metadata_encode(&body, &m), OK);
	hear(b, r, b->ut_metadata, buf_bytes(&body));
	buf_fini(&body);
	answer = said(b, r, THEIR_METADATA);
	if (answer == NULL)
		return -1;
	CHECK_INT(ext_metadata_decode(&m, answer->body), OK);
	CHECK_INT(m.piece, piece);
	if (m.type == EXT_METADATA_DATA && out != NULL)
		CHECK_INT(buf_put(out, m.data), OK);
	return (int)m.type;
}

TEST(the_info_dictionary_is_given_to_those_who_ask)
{
	struct peer_ref r;
	struct bench b;
	struct buf got;

	start(&b, false);
	r = join(&b, 1, true);
	CHECK_INT(b.metadata_size, b.meta->info.len);
	buf_init(&got, META_BYTES_MAX);
	for (uint32_t i = 0; i < ext_metadata_pieces(b.metadata_size); i++)
		CHECK_INT(request(&b, r, i, &got), EXT_METADATA_DATA);
	CHECK(bytes_eq(buf_bytes(&got), b.meta->info));
	CHECK_INT(request(&b, r, ext_metadata_pieces(b.metadata_size), NULL), EXT_METADATA_REJECT);
	buf_fini(&got);
	stop(&b);
}

TEST(a_flood_of_requests_is_refused_and_then_ended_O_20)
{
	uint32_t given = 0, refused = 0, total;
	struct peer_ref r;
	struct bench b;

	start(&b, false);
	r = join(&b, 1, true);
	while (request(&b, r, 0, NULL) == EXT_METADATA_DATA)
		given++;
	CHECK_INT(given, PEER_METADATA_BURST);
	/* A second later there is some more, and in the end no more at all. */
	total = ext_metadata_pieces(b.metadata_size) * PEER_METADATA_TIMES + PEER_METADATA_BURST;
	for (int i = 0; i < 10; i++) {
		b.now += 1000;
		while (request(&b, r, 0, NULL) == EXT_METADATA_DATA)
			given++;
	}
	CHECK_INT(given, total);
	while (!closed(&b)) {
		(void)request(&b, r, 0, NULL);
		refused++;
		CHECK(refused <= PEER_METADATA_REFUSED_MAX);
	}
	stop(&b);
}

TEST(a_private_torrent_gives_no_metadata_and_exchanges_no_peers)
{
	static const char news[] = "d5:added6:\x0a\x05\x00\x01\x1a\xe1"
				   "e";
	struct peer_ref r;
	struct bench b;

	start(&b, true);
	r = join(&b, 1, true);
	(void)join(&b, 2, false);
	CHECK_INT(b.ut_pex, 0);
	CHECK_INT(b.ut_metadata, 0);
	CHECK_INT(b.metadata_size, 0);
	/* They do not know it, or do not care (O-21). */
	hear(&b, r, 1, bytes_of(news, sizeof(news) - 1));
	CHECK_INT(dials(&b), 0);
	for (int i = 0; i < 300; i++) {
		b.now += 1000;
		effects_clear(&b.fx);
		swarm_on_tick(b.s, b.now, &b.fx);
		CHECK(said(&b, r, THEIR_PEX) == NULL);
	}
	stop(&b);
}

TEST(metadata_messages_that_cannot_be_read_are_a_breach)
{
	struct peer_ref r;
	struct bench b;

	start(&b, false);
	r = join(&b, 1, true);
	hear(&b, r, b.ut_metadata, bytes_str("d8:msg_typei9ee"));
	CHECK(!closed(&b));
	hear(&b, r, b.ut_metadata, bytes_str("nonsense"));
	CHECK(closed(&b));
	stop(&b);
}

/* ---- peer exchange ---------------------------------------------------------------------- */

/* Let time pass until `r` is told of others; false when that takes longer than `ms`. */
static bool told(struct bench *b, struct peer_ref r, uint64_t ms, struct ext_pex *out)
{
	uint64_t end = b->now + ms;

	while (b->now < end) {
		const struct wire_msg *m;

		b->now += 500;
		effects_clear(&b->fx);
		swarm_on_tick(b->s, b->now, &b->fx);
		m = said(b, r, THEIR_PEX);
		if (m == NULL)
			continue;
		CHECK_INT(ext_pex_decode(out, m->body), OK);
		return true;
	}
	return false;
}

TEST(a_peer_is_told_of_the_others_and_of_who_left_once_a_minute)
{
	struct peer_ref r, second;
	struct ext_pex m;
	struct bench b;
	uint64_t at;

	start(&b, false);
	r = join(&b, 1, true);
	second = join(&b, 2, false);
	CHECK(told(&b, r, 5000, &m));
	CHECK_INT(m.n_added, 1);
	CHECK(addr_eq(&m.added[0].addr, &(struct addr){.ip = {10, 0, 0, 2}, .port = 6881}));
	CHECK_INT(m.added[0].flags, EXT_PEX_REACHABLE);
	CHECK_INT(m.n_dropped, 0);
	at = b.now;
	(void)join(&b, 3, false);
	swarm_on_closed(b.s, second, b.now, &b.fx);
	CHECK(told(&b, r, 70000, &m));
	CHECK(b.now - at >= 60000);
	CHECK_INT(m.n_added, 1);
	CHECK_INT(m.added[0].addr.ip[3], 3);
	CHECK_INT(m.n_dropped, 1);
	CHECK_INT(m.dropped[0].ip[3], 2);
	/* Nothing new, nothing said. */
	CHECK(!told(&b, r, 130000, &m));
	stop(&b);
}

/* BEP 10: what a later handshake does not name goes on. */
TEST(a_later_handshake_takes_back_no_exchange_that_it_does_not_name)
{
	struct peer_ref r;
	struct ext_pex m;
	struct bench b;

	start(&b, false);
	r = join(&b, 1, true);
	hear(&b, r, 0, bytes_str("d1:md11:ut_metadatai5ee4:reqqi20ee"));
	(void)join(&b, 2, false);
	CHECK(told(&b, r, 5000, &m));
	hear(&b, r, 0, bytes_str("d1:md6:ut_pexi0eee"));
	(void)join(&b, 3, false);
	CHECK(!told(&b, r, 130000, &m));
	stop(&b);
}

TEST(no_message_has_more_than_fifty_and_all_are_told_in_the_end)
{
	bool seen[81] = {false};
	struct peer_ref r;
	struct ext_pex m;
	struct bench b;

	start(&b, false);
	r = join(&b, 1, true);
	for (uint32_t i = 2; i <= 80; i++)
		(void)join(&b, i, false);
	CHECK(told(&b, r, 5000, &m));
	CHECK_INT(m.n_added, EXT_PEX_MAX);
	for (uint32_t i = 0; i < m.n_added; i++)
		seen[m.added[i].addr.ip[3]] = true;
	CHECK(told(&b, r, 70000, &m));
	CHECK_INT(m.n_added, 79 - EXT_PEX_MAX);
	for (uint32_t i = 0; i < m.n_added; i++) {
		CHECK(!seen[m.added[i].addr.ip[3]]);
		seen[m.added[i].addr.ip[3]] = true;
	}
	for (uint32_t i = 2; i <= 80; i++)
		CHECK(seen[i]);
	stop(&b);
}

TEST(who_came_to_us_and_did_not_say_where_he_listens_is_not_told_of)
{
	struct peer_ref r;
	struct ext_pex m;
	struct bench b;

	start(&b, false);
	r = join(&b, 1, true);
	(void)join(&b, 2, true);
	CHECK(!told(&b, r, 100000, &m));
	stop(&b);
}

static void hear_pex(struct bench *b, struct peer_ref r, uint32_t first, uint32_t n)
{
	struct ext_pex m = {.n_added = n};
	struct buf body;

	for (uint32_t i = 0; i < n; i++)
		m.added[i].addr = addr_of(first + i);
	buf_init(&body, 4000);
	CHECK_INT(ext_pex_encode(&body, &m), OK);
	hear(b, r, b->ut_pex, buf_bytes(&body));
	buf_fini(&body);
}

TEST(what_a_peer_tells_is_dialled_but_heeded_no_more_than_once_a_minute_O_21)
{
	struct peer_ref r;
	struct bench b;

	start(&b, false);
	r = join(&b, 1, true);
	hear_pex(&b, r, 100, 5);
	CHECK_INT(dials(&b), 5);
	for (uint32_t i = 1; i < 40; i++) {
		b.now += 1000;
		hear_pex(&b, r, 1000 + i * 50, 50);
		CHECK_INT(dials(&b), 0);
		CHECK(!closed(&b));
	}
	b.now += 21000;
	hear_pex(&b, r, 200, 2);
	CHECK_INT(dials(&b), 2);
	stop(&b);
}

TEST(ourselves_and_those_we_know_are_not_dialled_again_O_21)
{
	struct peer_ref r;
	struct bench b;

	start(&b, false);
	for (uint32_t i = 1; i <= 2; i++)
		swarm_on_addresses(b.s, &(struct addr){.ip = {10, 0, 0, (uint8_t)i}, .port = 6881},
				   1, SOURCE_TRACKER, b.now, &b.fx);
	r = join(&b, 1, false);
	(void)join(&b, 2, false);
	hear_pex(&b, r, 1, 3);
	CHECK_INT(dials(&b), 1);
	stop(&b);
}

TEST(this_machines_own_addresses_are_not_taken_from_others)
{
	static const char text[] = "d5:added6:\x7f\x00\x00\x01\x1a\xe1"
				   "e";
	struct peer_ref r;
	struct bench b;

	start(&b, false);
	r = join(&b, 1, true);
	hear(&b, r, b.ut_pex, bytes_of(text, sizeof(text) - 1));
	CHECK_INT(dials(&b), 0);
	stop(&b);
}

/* One of each kind, from far to near. */
static void name_all(struct bench *b, struct peer_ref r)
{
	struct ext_pex m = {.n_added = 4,
			    .added = {{.addr = addr_at(203, 0, 113, 77)},
				      {.addr = addr_at(192, 168, 7, 7)},
				      {.addr = addr_at(169, 254, 169, 254)},
				      {.addr = addr_at(127, 0, 0, 1)}}};
	struct buf body;

	buf_init(&body, 4000);
	CHECK_INT(ext_pex_encode(&body, &m), OK);
	hear(b, r, b->ut_pex, buf_bytes(&body));
	buf_fini(&body);
}

TEST(what_is_nearer_to_us_than_a_peer_is_not_dialled_for_its_word)
{
	const struct addr from_far_to_near[] = {addr_at(203, 0, 113, 5), addr_at(10, 1, 2, 3),
						addr_at(169, 254, 1, 2), addr_at(127, 0, 0, 2)};

	for (uint32_t i = 0; i < 4; i++) {
		struct peer_ref r;
		struct bench b;

		start(&b, false);
		r = join_at(&b, from_far_to_near[i], true);
		name_all(&b, r);
		CHECK_INT(dials(&b), i + 1);
		stop(&b);
	}
}

TEST(a_stranger_is_not_told_of_peers_in_our_network_and_they_are_of_all)
{
	struct peer_ref stranger, neighbour;
	struct ext_pex m;
	struct bench b;

	start(&b, false);
	stranger = join_at(&b, addr_at(203, 0, 113, 5), false);
	neighbour = join_at(&b, addr_at(192, 168, 7, 7), false);
	(void)join_at(&b, addr_at(192, 168, 7, 8), false);
	(void)join_at(&b, addr_at(203, 0, 113, 6), false);
	CHECK(told(&b, stranger, 5000, &m));
	CHECK_INT(m.n_added, 1);
	CHECK_INT(m.added[0].addr.ip[3], 6);
	CHECK(told(&b, neighbour, 5000, &m));
	CHECK_INT(m.n_added, 3);
	stop(&b);
}

/* Who knows one of two seeds alone would not hear of the other. */
TEST(a_seed_tells_of_seeds_that_it_has_reached_for_an_hour)
{
	const struct addr seed = addr_of(5);
	const uint8_t nothing[100] = {0};
	struct peer_ref r;
	struct ext_pex m;
	struct bench b;

	start(&b, false);
	swarm_on_addresses(b.s, &seed, 1, SOURCE_TRACKER, b.now, &b.fx);
	r = join(&b, 5, false);
	swarm_on_message(b.s, r, &(struct wire_msg){.type = WIRE_HAVE_ALL}, b.now, &b.fx);
	effects_clear(&b.fx);
	swarm_set_wanted(b.s, nothing, b.now, &b.fx);
	CHECK(closed(&b));
	r = join(&b, 1, true);
	CHECK(told(&b, r, 5000, &m));
	CHECK_INT(m.n_added, 1);
	CHECK(addr_eq(&m.added[0].addr, &seed));
	CHECK_INT(m.added[0].flags, EXT_PEX_SEED | EXT_PEX_REACHABLE);
	CHECK(!told(&b, r, 70000, &m)); /* nor that it is gone */
	swarm_on_closed(b.s, r, b.now, &b.fx);
	b.now += SWARM_PEX_SEED_MS;
	r = join(&b, 2, true);
	CHECK(!told(&b, r, 5000, &m));
	stop(&b);
}

/* ---- upload only -------------------------------------------------------------------------- */

static bool upload_only(const struct bench *b, struct peer_ref r)
{
	const struct wire_msg *m = said(b, r, 0);
	struct ext_handshake h = {0};

	CHECK(m != NULL);
	CHECK_INT(ext_decode(&h, m->body), OK);
	return h.upload_only;
}

TEST(who_has_all_that_it_wants_says_that_it_uploads_only_and_takes_it_back)
{
	uint8_t some[100] = {0};
	struct peer_ref r, second;
	struct bench b;

	start(&b, false);
	r = join(&b, 1, true);
	second = join(&b, 2, false);
	effects_clear(&b.fx);
	swarm_set_wanted(b.s, some, b.now, &b.fx);
	CHECK(upload_only(&b, r));
	CHECK(upload_only(&b, second));
	memset(some, 1, sizeof(some));
	effects_clear(&b.fx);
	swarm_set_wanted(b.s, some, b.now, &b.fx);
	CHECK(!upload_only(&b, r));
	stop(&b);
}

TEST(without_memory_a_swarm_goes_on_exchanging_later)
{
	struct peer_ref r;
	struct ext_pex m;
	struct bench b;

	for (size_t n = 1; n < 6; n++) {
		start(&b, false);
		r = join(&b, 1, true);
		(void)join(&b, 2, false);
		b.now += 3000;
		effects_clear(&b.fx);
		failmalloc_start(n, false);
		swarm_on_tick(b.s, b.now, &b.fx);
		(void)failmalloc_stop();
		if (!b.fx.failed)
			CHECK(said(&b, r, THEIR_PEX) != NULL || told(&b, r, 70000, &m) || n > 1);
		stop(&b);
	}
}
