/* What a swarm does about peers that nobody can dial (BEP 55), and whom it would rather have
 * (BEP 40). */
#include <stdio.h>

#include "failmalloc.h"
#include "sim/net.h"
#include "swarm/holepunch.h"
#include "swarm/priority.h"
#include "swarm/swarm.h"
#include "test.h"
#include "wire/ext.h"
#include "wire/ext_holepunch.h"
#include "wire/ext_pex.h"

#define THEIR_PUNCH 9u
#define OUR_PORT 6881u

struct bench {
	struct metainfo *meta;
	struct swarm *s;
	struct effects fx;
	uint64_t now;
	uint8_t ut_holepunch, ut_pex; /* our numbers, as our handshake has them */
};

struct setting {
	bool private, tcp_only;
	uint32_t max_peers;
};

static void start(struct bench *b, struct setting how)
{
	struct swarm_params p = {
	    .seed = 11, .port = OUR_PORT, .utp = !how.tcp_only, .max_peers = how.max_peers};

	*b = (struct bench){.now = 1000000};
	b->meta = net_metainfo(10 * BLOCK_BYTES, BLOCK_BYTES, true, true);
	b->meta->private = how.private;
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

static struct addr at(uint8_t i)
{
	return (struct addr){.ip = {8, 8, 8, i}, .port = 1000};
}

static void hear(struct bench *b, struct peer_ref r, uint8_t id, struct bytes body)
{
	struct wire_msg m = {.type = WIRE_EXTENDED, .ext_id = id, .body = body};

	effects_clear(&b->fx);
	swarm_on_message(b->s, r, &m, b->now, &b->fx);
}

static void hear_punch(struct bench *b, struct peer_ref r, enum ext_holepunch_type type,
		       struct addr addr, uint32_t error)
{
	struct ext_holepunch m = {.type = type, .addr = addr, .error = error};
	struct buf body;

	buf_init(&body, 100);
	CHECK_INT(ext_holepunch_encode(&body, &m), OK);
	hear(b, r, b->ut_holepunch, buf_bytes(&body));
	buf_fini(&body);
}

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

/* What it was told of hole punching last; false: nothing. */
static bool told(const struct bench *b, struct peer_ref r, struct ext_holepunch *m)
{
	const struct wire_msg *w = said(b, r, THEIR_PUNCH);

	return w != NULL && ext_holepunch_decode(m, w->body) == OK;
}

static const struct effect *effect_of(const struct bench *b, enum effect_type type)
{
	for (size_t i = 0; i < b->fx.n; i++)
		if (b->fx.list[i].type == type)
			return &b->fx.list[i];
	return NULL;
}

struct guest {
	struct addr addr;
	bool incoming, utp, ignorant; /* of hole punching */
	uint16_t port;		      /* in its handshake */
};

static const char *enter(struct bench *b, const struct guest *g, struct peer_ref *r)
{
	struct peer_hello h = {.addr = g->addr,
			       .incoming = g->incoming,
			       .utp = g->utp,
			       .fast = true,
			       .extended = true};
	struct ext_handshake ours = {0}, theirs = {.port = g->port,
						   .ut_pex = 1,
						   .holepunch = g->ignorant ? 0 : THEIR_PUNCH};
	const char *why = NULL;
	struct buf body;

	memset(h.peer_id, 'p', sizeof(h.peer_id));
	memcpy(h.peer_id, &g->addr, sizeof(g->addr));
	effects_clear(&b->fx);
	*r = swarm_on_connected(b->s, &h, b->now, &why, &b->fx);
	if (why != NULL)
		return why;
	CHECK_INT(ext_decode(&ours, said(b, *r, 0)->body), OK);
	b->ut_holepunch = ours.holepunch;
	b->ut_pex = ours.ut_pex;
	buf_init(&body, 500);
	CHECK_INT(ext_encode(&body, &theirs), OK);
	hear(b, *r, 0, buf_bytes(&body));
	buf_fini(&body);
	return NULL;
}

static struct peer_ref join(struct bench *b, struct guest g)
{
	struct peer_ref r;

	CHECK(enter(b, &g, &r) == NULL);
	return r;
}

static void hear_pex(struct bench *b, struct peer_ref r, struct addr addr, uint8_t flags)
{
	struct ext_pex m = {.n_added = 1, .added = {{addr, flags}}};
	struct buf body;

	buf_init(&body, 500);
	CHECK_INT(ext_pex_encode(&body, &m), OK);
	hear(b, r, b->ut_pex, buf_bytes(&body));
	buf_fini(&body);
}

/* ---- asking --------------------------------------------------------------------------------- */

TEST(whoever_named_an_unreachable_peer_is_asked_for_it_at_once)
{
	struct ext_holepunch m;
	struct peer_ref r;
	struct bench b;

	start(&b, (struct setting){0});
	(void)join(&b, (struct guest){.addr = at(1)});
	r = join(&b, (struct guest){.addr = at(2)});
	(void)join(&b, (struct guest){.addr = at(3)});
	hear_pex(&b, r, at(50), EXT_PEX_HOLEPUNCH);
	CHECK(effect_of(&b, EFFECT_DIAL) != NULL);
	CHECK(told(&b, r, &m));
	CHECK_INT(m.type, EXT_HOLEPUNCH_RENDEZVOUS);
	CHECK(addr_eq(&m.addr, &(struct addr){.ip = {8, 8, 8, 50}, .port = 1000}));
	stop(&b);
}

TEST(a_reachable_one_is_asked_for_only_when_it_was_dialled_in_vain)
{
	struct addr a = at(50);
	struct ext_holepunch m;
	struct peer_ref r;
	struct bench b;

	start(&b, (struct setting){0});
	r = join(&b, (struct guest){.addr = at(1)});
	hear_pex(&b, r, a, EXT_PEX_HOLEPUNCH | EXT_PEX_REACHABLE);
	CHECK(effect_of(&b, EFFECT_DIAL) != NULL);
	CHECK(!told(&b, r, &m));
	effects_clear(&b.fx);
	swarm_on_dial_failed(b.s, &a, b.now, &b.fx);
	CHECK(told(&b, r, &m));
	/* Once. */
	effects_clear(&b.fx);
	swarm_on_dial_failed(b.s, &a, b.now + 1, &b.fx);
	CHECK(!told(&b, r, &m));
	stop(&b);
}

TEST(others_are_asked_when_one_cannot_or_does_not_answer)
{
	struct peer_ref r[4];
	struct ext_holepunch m;
	struct bench b;
	uint32_t asked = 0;

	start(&b, (struct setting){0});
	for (uint8_t i = 0; i < 4; i++)
		r[i] = join(&b, (struct guest){.addr = at((uint8_t)(i + 1))});
	hear_pex(&b, r[0], at(50), EXT_PEX_HOLEPUNCH);
	CHECK(told(&b, r[0], &m));
	/* Another one's error is not the one that is waited for. */
	hear_punch(&b, r[1], EXT_HOLEPUNCH_ERROR, at(50), EXT_HOLEPUNCH_NOT_CONNECTED);
	CHECK(effect_of(&b, EFFECT_SEND) == NULL);
	hear_punch(&b, r[0], EXT_HOLEPUNCH_ERROR, at(50), EXT_HOLEPUNCH_NOT_CONNECTED);
	for (uint8_t i = 1; i < 4; i++)
		asked += told(&b, r[i], &m);
	CHECK_INT(asked, 1);
	CHECK(swarm_deadline_ms(b.s) <= b.now + HOLEPUNCH_WAIT_MS);
	b.now += HOLEPUNCH_WAIT_MS;
	effects_clear(&b.fx);
	swarm_on_tick(b.s, b.now, &b.fx);
	asked = 0;
	for (uint8_t i = 0; i < 4; i++)
		asked += told(&b, r[i], &m);
	CHECK_INT(asked, 1);
	/* HOLEPUNCH_ASKS_MAX */
	b.now += HOLEPUNCH_WAIT_MS;
	effects_clear(&b.fx);
	swarm_on_tick(b.s, b.now, &b.fx);
	for (uint8_t i = 0; i < 4; i++)
		CHECK(!told(&b, r[i], &m));
	stop(&b);
}

TEST(nobody_is_asked_who_could_not_help)
{
	struct ext_holepunch m;
	struct peer_ref r[3];
	struct bench b;

	start(&b, (struct setting){0});
	r[0] = join(&b, (struct guest){.addr = at(1), .ignorant = true});
	r[1] = join(&b, (struct guest){.addr = {.ip = {192, 168, 1, 1}, .port = 5}});
	r[2] = join(&b, (struct guest){.addr = {.ip = {0x20, 1, [15] = 1}, .port = 5, .v6 = 1}});
	hear_pex(&b, r[0], at(50), EXT_PEX_HOLEPUNCH);
	for (int i = 0; i < 3; i++)
		CHECK(!told(&b, r[i], &m));
	stop(&b);
}

/* ---- being brought together ------------------------------------------------------------------ */

static bool punched(const struct bench *b, struct addr a)
{
	const struct effect *e = effect_of(b, EFFECT_PUNCH);

	return e != NULL && addr_eq(&e->u.addr, &a);
}

TEST(both_who_are_told_to_connect_dial)
{
	struct peer_ref r;
	struct bench b;

	start(&b, (struct setting){0});
	r = join(&b, (struct guest){.addr = at(1)});
	hear_punch(&b, r, EXT_HOLEPUNCH_CONNECT, at(50), 0);
	CHECK(punched(&b, at(50)));
	hear_punch(&b, r, EXT_HOLEPUNCH_CONNECT, at(50), 0);
	CHECK(effect_of(&b, EFFECT_PUNCH) == NULL);
	stop(&b);
}

TEST(an_index_is_heeded_within_the_same_bounds)
{
	struct addr list[20];
	struct bench b;
	uint32_t n = 0;

	for (uint8_t i = 0; i < 20; i++)
		list[i] = at((uint8_t)(i + 50));
	list[0] = (struct addr){.ip = {127, 0, 0, 1}, .port = 5};
	start(&b, (struct setting){0});
	swarm_on_introduced(b.s, list, 20, b.now, &b.fx);
	for (size_t i = 0; i < b.fx.n; i++, n++) {
		CHECK_INT(b.fx.list[i].type, EFFECT_PUNCH);
		CHECK(!addr_is_loopback(&b.fx.list[i].u.addr));
	}
	CHECK_INT(n, HOLEPUNCH_HEED_BURST);
	stop(&b);
	start(&b, (struct setting){.private = true});
	swarm_on_introduced(b.s, list, 20, b.now, &b.fx);
	CHECK_INT(b.fx.n, 0);
	stop(&b);
}

TEST(what_a_stranger_should_not_make_us_dial_is_not_dialled)
{
	static const char *const list[] = {"127.0.0.1:80",  "0.0.0.0:80",   "169.254.9.9:80",
					   "224.0.0.251:5", "8.8.8.8:0",    "255.255.255.255:9",
					   "[::1]:80",	    "[fe80::1]:80", "[ff02::1]:80"};
	struct addr ours = {.ip = {7, 7, 7, 7}, .port = OUR_PORT};
	struct peer_ref r;
	struct bench b;

	start(&b, (struct setting){0});
	swarm_set_self(b.s, &ours);
	r = join(&b, (struct guest){.addr = at(1)});
	(void)join(&b, (struct guest){.addr = at(2), .incoming = true, .port = 77});
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		struct addr a;

		CHECK_INT(addr_parse(bytes_str(list[i]), 0, &a), OK);
		hear_punch(&b, r, EXT_HOLEPUNCH_CONNECT, a, 0);
		CHECK(effect_of(&b, EFFECT_PUNCH) == NULL);
	}
	/* Ourselves; and who is connected already, by either address of it. */
	hear_punch(&b, r, EXT_HOLEPUNCH_CONNECT, ours, 0);
	CHECK(effect_of(&b, EFFECT_PUNCH) == NULL);
	hear_punch(&b, r, EXT_HOLEPUNCH_CONNECT, at(2), 0);
	CHECK(effect_of(&b, EFFECT_PUNCH) == NULL);
	hear_punch(&b, r, EXT_HOLEPUNCH_CONNECT, (struct addr){.ip = {8, 8, 8, 2}, .port = 77}, 0);
	CHECK(effect_of(&b, EFFECT_PUNCH) == NULL);
	stop(&b);
}

TEST(one_who_does_not_say_that_it_knows_it_is_not_heard)
{
	struct peer_ref r;
	struct bench b;

	start(&b, (struct setting){0});
	r = join(&b, (struct guest){.addr = at(1), .ignorant = true});
	hear_punch(&b, r, EXT_HOLEPUNCH_CONNECT, at(50), 0);
	CHECK(b.fx.n == 0);
	hear_punch(&b, r, EXT_HOLEPUNCH_RENDEZVOUS, at(50), 0);
	CHECK(b.fx.n == 0);
	hear(&b, r, b.ut_holepunch, bytes_of("x", 1));
	CHECK(b.fx.n == 0);
	stop(&b);
}

TEST(a_message_that_cannot_be_read_ends_the_connection)
{
	struct peer_ref r;
	struct bench b;

	start(&b, (struct setting){0});
	r = join(&b, (struct guest){.addr = at(1)});
	hear(&b, r, b.ut_holepunch, bytes_of("x", 1));
	CHECK(effect_of(&b, EFFECT_CLOSE) != NULL);
	stop(&b);
}

TEST(private_torrents_and_those_without_utp_do_not_speak_of_it)
{
	struct setting how[] = {{.private = true}, {.tcp_only = true}};
	struct addr a = at(50);
	struct peer_ref r;
	struct bench b;

	for (int i = 0; i < 2; i++) {
		start(&b, how[i]);
		r = join(&b, (struct guest){.addr = at(1)});
		CHECK_INT(b.ut_holepunch, 0);
		b.ut_holepunch = 4;
		hear_punch(&b, r, EXT_HOLEPUNCH_CONNECT, a, 0);
		CHECK(b.fx.n == 0);
		swarm_on_addresses(b.s, &a, 1, SOURCE_TRACKER, b.now, &b.fx);
		swarm_on_dial_failed(b.s, &a, b.now, &b.fx);
		CHECK(effect_of(&b, EFFECT_SEND) == NULL);
		stop(&b);
	}
}

/* ---- bringing others together --------------------------------------------------------------- */

TEST(two_peers_are_told_of_each_other)
{
	struct ext_holepunch m;
	struct peer_ref x, y;
	struct bench b;

	start(&b, (struct setting){0});
	/* Over uTP it speaks from the port that others reach; over TCP it has to say which one. */
	x = join(&b, (struct guest){.addr = at(1), .incoming = true, .utp = true, .port = 6999});
	y = join(&b, (struct guest){.addr = at(2), .incoming = true, .port = 77});
	hear_punch(&b, x, EXT_HOLEPUNCH_RENDEZVOUS, (struct addr){.ip = {8, 8, 8, 2}, .port = 77},
		   0);
	CHECK(told(&b, x, &m));
	CHECK_INT(m.type, EXT_HOLEPUNCH_CONNECT);
	CHECK_INT(m.error, 0);
	CHECK(addr_eq(&m.addr, &(struct addr){.ip = {8, 8, 8, 2}, .port = 77}));
	CHECK(told(&b, y, &m));
	CHECK_INT(m.type, EXT_HOLEPUNCH_CONNECT);
	CHECK(addr_eq(&m.addr, &(struct addr){.ip = {8, 8, 8, 1}, .port = 1000}));
	/* Named by the port that it says it has, by which peer exchange names it. */
	hear_punch(&b, y, EXT_HOLEPUNCH_RENDEZVOUS, (struct addr){.ip = {8, 8, 8, 1}, .port = 6999},
		   0);
	CHECK(told(&b, y, &m));
	CHECK(addr_eq(&m.addr, &(struct addr){.ip = {8, 8, 8, 1}, .port = 1000}));
	stop(&b);
}

TEST(what_cannot_be_is_refused_with_its_reason)
{
	struct addr ours = {.ip = {7, 7, 7, 7}, .port = OUR_PORT};
	struct ext_holepunch m;
	struct peer_ref x;
	struct bench b;
	struct {
		struct addr to;
		uint32_t error;
	} list[] = {
	    {at(9), EXT_HOLEPUNCH_NOT_CONNECTED},
	    {at(3), EXT_HOLEPUNCH_NO_SUPPORT},
	    {ours, EXT_HOLEPUNCH_SELF},
	    {{.ip = {8, 8, 8, 2}}, EXT_HOLEPUNCH_NO_PEER},
	    {{.ip = {224, 0, 0, 1}, .port = 5}, EXT_HOLEPUNCH_NO_PEER},
	    {at(1), EXT_HOLEPUNCH_NO_PEER},					/* who asks */
	    {{.ip = {192, 168, 1, 1}, .port = 5}, EXT_HOLEPUNCH_NOT_CONNECTED}, /* sees it not */
	    {{.ip = {0x20, 1, [15] = 1}, .port = 5, .v6 = 1}, EXT_HOLEPUNCH_NOT_CONNECTED},
	    {at(4), EXT_HOLEPUNCH_NOT_CONNECTED}, /* where it listens is not known */
	};

	start(&b, (struct setting){0});
	swarm_set_self(b.s, &ours);
	x = join(&b, (struct guest){.addr = at(1)});
	(void)join(&b, (struct guest){.addr = at(3), .ignorant = true});
	(void)join(&b, (struct guest){.addr = at(4), .incoming = true});
	(void)join(&b, (struct guest){.addr = {.ip = {192, 168, 1, 1}, .port = 5}});
	(void)join(&b, (struct guest){.addr = {.ip = {0x20, 1, [15] = 1}, .port = 5, .v6 = 1}});
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		hear_punch(&b, x, EXT_HOLEPUNCH_RENDEZVOUS, list[i].to, 0);
		CHECK(told(&b, x, &m));
		CHECK_INT(m.type, EXT_HOLEPUNCH_ERROR);
		CHECK_INT(m.error, list[i].error);
		CHECK(addr_eq(&m.addr, &list[i].to));
		CHECK_INT(b.fx.n, 1);
	}
	stop(&b);
}

TEST(an_introducer_is_not_kept_busy_by_one_nor_by_all)
{
	struct ext_holepunch m;
	struct peer_ref x;
	struct bench b;
	uint32_t answered = 0;

	start(&b, (struct setting){0});
	x = join(&b, (struct guest){.addr = at(1)});
	for (int i = 0; i < 100; i++) {
		hear_punch(&b, x, EXT_HOLEPUNCH_RENDEZVOUS, at(99), 0);
		answered += told(&b, x, &m);
	}
	CHECK_INT(answered, HOLEPUNCH_RELAY_BURST);
	for (uint8_t k = 2; k < 20; k++) {
		x = join(&b, (struct guest){.addr = at(k)});
		for (uint32_t i = 0; i < HOLEPUNCH_RELAY_BURST; i++) {
			hear_punch(&b, x, EXT_HOLEPUNCH_RENDEZVOUS, at(99), 0);
			answered += told(&b, x, &m);
		}
	}
	CHECK_INT(answered, HOLEPUNCH_RELAY_ALL_BURST);
	stop(&b);
}

TEST(without_memory_something_is_not_said_and_nothing_breaks)
{
	struct ext_holepunch m = {.type = EXT_HOLEPUNCH_RENDEZVOUS, .addr = at(1)};
	struct wire_msg w = {.type = WIRE_EXTENDED};
	struct peer_ref x, y;
	struct bench b;
	struct buf body;
	size_t fail = 0, asked;

	buf_init(&body, 100);
	CHECK_INT(ext_holepunch_encode(&body, &m), OK);
	w.body = buf_bytes(&body);
	do {
		start(&b, (struct setting){0});
		x = join(&b, (struct guest){.addr = at(1)});
		y = join(&b, (struct guest){.addr = at(2)});
		w.ext_id = b.ut_holepunch;
		effects_fini(&b.fx);
		effects_init(&b.fx);
		failmalloc_start(++fail, false);
		swarm_on_message(b.s, y, &w, b.now, &b.fx);
		asked = failmalloc_stop();
		b.fx.failed = false;
		effects_clear(&b.fx);
		swarm_on_message(b.s, y, &w, b.now, &b.fx);
		CHECK(told(&b, x, &m));
		stop(&b);
	} while (asked >= fail);
	CHECK(fail > 3);
	buf_fini(&body);
}

/* ---- whom we would rather have -------------------------------------------------------------- */

TEST(a_peer_says_how_it_sees_us)
{
	struct ext_handshake h = {.has_yourip = true, .yourip = {.ip = {7, 7, 7, 7}}};
	struct peer_ref r;
	struct buf body;
	struct bench b;

	start(&b, (struct setting){0});
	r = join(&b, (struct guest){.addr = at(1)});
	buf_init(&body, 500);
	CHECK_INT(ext_encode(&body, &h), OK);
	hear(&b, r, 0, buf_bytes(&body));
	buf_fini(&body);
	CHECK(effect_of(&b, EFFECT_SEEN_AS) != NULL);
	CHECK(addr_eq(&effect_of(&b, EFFECT_SEEN_AS)->u.addr, &h.yourip));
	stop(&b);
}

static uint32_t priority_of(struct addr a)
{
	return peer_priority(&(struct addr){.ip = {7, 7, 7, 7}}, &a);
}

/* Who is dialled first, of those that a tracker names: all have the same worth. */
TEST(those_of_higher_priority_are_dialled_first)
{
	struct addr list[100], ours = {.ip = {7, 7, 7, 7}};
	uint32_t last = UINT32_MAX;
	struct bench b;

	start(&b, (struct setting){0});
	swarm_set_self(b.s, &ours);
	for (uint8_t i = 0; i < 100; i++)
		list[i] = (struct addr){.ip = {i, 3, 4, 5}, .port = 1};
	list[0].ip[0] = 200;
	list[10].ip[0] = 210;
	swarm_on_addresses(b.s, list, 100, SOURCE_TRACKER, b.now, &b.fx);
	for (size_t i = 0; i < b.fx.n; i++) {
		uint32_t p = priority_of(b.fx.list[i].u.addr);

		CHECK_INT(b.fx.list[i].type, EFFECT_DIAL);
		CHECK(p <= last);
		last = p;
	}
	CHECK(b.fx.n > 10);
	stop(&b);
}

TEST(a_full_swarm_takes_a_newcomer_of_higher_priority_for_one_that_gives_and_gets_nothing)
{
	struct guest g[3] = {{.addr = at(1), .incoming = true},
			     {.addr = {.ip = {9, 9, 9, 9}, .port = 1}, .incoming = true},
			     {.addr = {.ip = {3, 3, 3, 3}, .port = 1}, .incoming = true}};
	struct addr ours = {.ip = {7, 7, 7, 7}};
	struct wire_msg want = {.type = WIRE_INTERESTED};
	struct peer_ref r[3];
	struct bench b;

	/* By priority, the lowest first. */
	for (int i = 0; i < 2; i++)
		for (int k = 0; k < 2; k++)
			if (priority_of(g[k].addr) > priority_of(g[k + 1].addr)) {
				struct guest swap = g[k];

				g[k] = g[k + 1];
				g[k + 1] = swap;
			}
	start(&b, (struct setting){.max_peers = 1});
	swarm_set_self(b.s, &ours);
	CHECK(enter(&b, &g[1], &r[1]) == NULL);
	/* Not bored. */
	effects_clear(&b.fx);
	swarm_on_message(b.s, r[1], &want, b.now, &b.fx);
	CHECK(enter(&b, &g[2], &r[2]) != NULL);
	b.now += 61000;
	CHECK(enter(&b, &g[0], &r[0]) != NULL);
	CHECK(enter(&b, &g[2], &r[2]) == NULL);
	CHECK(enter(&b, &g[1], &r[1]) != NULL);
	stop(&b);
}

TEST(ourselves_are_dialled_once_whichever_end_is_looked_at_first)
{
	struct peer_hello h = {.addr = at(1), .incoming = true, .fast = true, .extended = true};
	struct addr us = {.ip = {8, 8, 8, 1}, .port = OUR_PORT};
	const char *why = NULL;
	struct bench b;

	start(&b, (struct setting){0});
	swarm_on_addresses(b.s, &us, 1, SOURCE_TRACKER, b.now, &b.fx);
	CHECK(effect_of(&b, EFFECT_DIAL) != NULL);
	memset(h.peer_id, 'm', sizeof(h.peer_id));
	(void)swarm_on_connected(b.s, &h, b.now, &why, &b.fx);
	CHECK(why != NULL);
	swarm_on_dial_failed(b.s, &us, b.now, &b.fx);
	effects_clear(&b.fx);
	b.now += 3600000;
	swarm_on_tick(b.s, b.now, &b.fx);
	CHECK(effect_of(&b, EFFECT_DIAL) == NULL);
	stop(&b);
}

TEST(both_addresses_of_a_peer_lead_to_one_connection)
{
	struct peer_hello h = {.addr = at(1), .fast = true, .extended = true, .peer_id = "x"};
	const struct wire_msg alive = {.type = WIRE_KEEPALIVE};
	const char *why = NULL;
	struct peer_ref first;
	struct bench b;

	start(&b, (struct setting){0});
	first = swarm_on_connected(b.s, &h, b.now, &why, &b.fx);
	CHECK(why == NULL);
	h.addr = (struct addr){.ip = {0x20, 1, [15] = 1}, .port = 5, .v6 = 1};
	(void)swarm_on_connected(b.s, &h, b.now, &why, &b.fx);
	CHECK(why != NULL);
	b.now += 60000;
	swarm_on_message(b.s, first, &alive, b.now, &b.fx);
	h.incoming = true;
	why = NULL;
	(void)swarm_on_connected(b.s, &h, b.now, &why, &b.fx);
	CHECK(why != NULL);
	stop(&b);
}
