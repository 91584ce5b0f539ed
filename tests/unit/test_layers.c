/* Piece layers, asked of swarms that have them: our answers and our questions fit. */
#include "swarm/layers.h"

#include <stdlib.h>

#include "failmalloc.h"
#include "sim/net.h"
#include "swarm/swarm.h"
#include "test.h"

struct bench {
	struct metainfo *whole, *bare; /* with layers, and without */
	struct swarm *s;	       /* of a peer that has everything */
	struct effects fx;
	struct peer_ref asker;
	struct layers *l;
	uint64_t now;
	bool taken; /* of the newest message */
};

static void start(struct bench *b, uint32_t pieces)
{
	struct swarm_params p = {.seed = 1};
	struct peer_hello h = {.addr = {.ip = {10, 0, 0, 1}, .port = 1}, .fast = true, .v2 = true};
	struct bitfield all;
	const char *why;

	*b = (struct bench){.now = 5000};
	b->whole = net_metainfo((uint64_t)pieces * BLOCK_BYTES - 5, BLOCK_BYTES, false, true);
	CHECK_INT(meta_parse_info(b->whole->info, &b->bare), META_OK);
	p.meta = b->whole;
	b->s = swarm_new(&p);
	CHECK_INT(bitfield_init(&all, b->whole->n_pieces), 0);
	bitfield_fill(&all);
	CHECK_INT(swarm_set_have(b->s, &all), 0);
	bitfield_fini(&all);
	effects_init(&b->fx);
	memset(h.peer_id, 'p', sizeof(h.peer_id));
	b->asker = swarm_on_connected(b->s, &h, b->now, &why, &b->fx);
	b->l = layers_new(b->bare);
}

static void stop(struct bench *b)
{
	layers_free(b->l);
	effects_fini(&b->fx);
	swarm_free(b->s);
	meta_free(b->whole);
	meta_free(b->bare);
}

/* Its answer to a request; `bent`: one hash of it is wrong. */
static int answer(struct bench *b, uint32_t peer, const struct wire_hash_req *q, bool bent)
{
	struct wire_msg m = {.type = WIRE_HASH_REQUEST, .hash = *q};
	uint8_t *copy;
	int rc;

	effects_clear(&b->fx);
	b->now += 1000; /* the swarm counts what hashes cost a second */
	swarm_on_message(b->s, b->asker, &m, b->now, &b->fx);
	CHECK_INT(b->fx.n, 1);
	m = b->fx.list[0].u.msg;
	CHECK_INT(m.type, WIRE_HASHES);
	copy = malloc(m.body.len);
	memcpy(copy, m.body.ptr, m.body.len);
	copy[40] ^= bent;
	m.body.ptr = copy;
	rc = layers_on_message(b->l, peer, &m, b->now, &b->taken);
	free(copy);
	return rc;
}

/* Do they make the torrent whole? */
static void check_whole(struct bench *b)
{
	struct metainfo *m;
	struct buf out;

	CHECK(layers_done(b->l));
	buf_init(&out, META_BYTES_MAX);
	(void)buf_put_str(&out, "d4:info");
	(void)buf_put(&out, b->bare->info);
	(void)buf_put_str(&out, "12:piece layers");
	CHECK_INT(layers_put(b->l, &out), OK);
	(void)buf_put_str(&out, "e");
	CHECK_INT(meta_parse(buf_bytes(&out), &m), META_OK);
	CHECK_MEM(m->files[0].layer, b->whole->files[0].layer,
		  (size_t)b->whole->n_pieces * SHA256_LEN);
	meta_free(m);
	buf_fini(&out);
}

TEST(layers_of_every_size_are_asked_for_and_proven)
{
	static const uint32_t sizes[] = {2, 3, 5, 64, 511, 512, 513, 1100, 2049};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct wire_hash_req q;
		struct bench b;
		uint32_t peer, n = 0;

		start(&b, sizes[i]);
		CHECK(!layers_next(b.l, b.now, &peer, &q));
		layers_on_peer(b.l, 3);
		while (layers_next(b.l, b.now, &peer, &q)) {
			CHECK_INT(peer, 3);
			CHECK(q.length <= LAYERS_RUN);
			CHECK_INT(answer(&b, 3, &q, false), OK);
			n++;
		}
		CHECK_INT(n, (sizes[i] + LAYERS_RUN - 1) / LAYERS_RUN);
		check_whole(&b);
		stop(&b);
	}
}

TEST(a_torrent_of_small_files_lacks_nothing)
{
	struct bench b;

	start(&b, 1);
	CHECK(layers_done(b.l));
	stop(&b);
}

TEST(hashes_that_are_not_the_torrents_are_refused_and_asked_of_others)
{
	struct wire_hash_req q, again;
	struct bench b;
	uint32_t peer;

	start(&b, 600);
	layers_on_peer(b.l, 0);
	CHECK(layers_next(b.l, b.now, &peer, &q));
	CHECK_INT(answer(&b, 0, &q, true), ERR_PROTO);
	layers_on_closed(b.l, 0);
	CHECK(!layers_next(b.l, b.now, &peer, &q));
	layers_on_peer(b.l, 1);
	CHECK(layers_next(b.l, b.now, &peer, &again));
	CHECK_INT(again.index, q.index);
	CHECK_INT(answer(&b, 1, &again, false), OK);
	CHECK(b.taken);
	/* Twice the same is nobody's harm, and nothing new. */
	CHECK_INT(answer(&b, 1, &again, false), OK);
	CHECK(!b.taken);
	CHECK(layers_next(b.l, b.now, &peer, &again));
	CHECK_INT(answer(&b, 1, &again, false), OK);
	check_whole(&b);
	stop(&b);
}

TEST(hashes_that_nobody_asked_for_show_nothing)
{
	const struct wire_msg empty = {.type = WIRE_HASHES};
	struct bench b;

	start(&b, 100);
	b.taken = true;
	CHECK_INT(layers_on_message(b.l, 0, &empty, b.now, &b.taken), OK);
	CHECK(!b.taken);
	stop(&b);
}

TEST(rejects_and_silence_pass_the_question_on)
{
	struct wire_hash_req q;
	struct wire_msg no = {.type = WIRE_HASH_REJECT};
	struct bench b;
	uint32_t peer;

	start(&b, 100);
	layers_on_peer(b.l, 0);
	layers_on_peer(b.l, 1);
	CHECK(layers_next(b.l, b.now, &peer, &q));
	CHECK_INT(peer, 0);
	no.hash = q;
	CHECK_INT(layers_on_message(b.l, 0, &no, b.now, &b.taken), OK);
	CHECK(!b.taken);
	CHECK(layers_next(b.l, b.now, &peer, &q));
	CHECK_INT(peer, 1);
	CHECK_INT(layers_deadline_ms(b.l), b.now + LAYERS_PAUSE_MS);
	b.now += LAYERS_PATIENCE_MS;
	CHECK(layers_next(b.l, b.now, &peer, &q));
	CHECK_INT(peer, 0);
	CHECK_INT(answer(&b, 0, &q, false), OK);
	CHECK_INT(layers_peers(b.l), 2);
	check_whole(&b);
	stop(&b);
}

TEST(without_memory_it_is_asked_again)
{
	struct wire_hash_req q;
	struct bench b;
	uint32_t peer;

	start(&b, 100);
	failmalloc_start(1, true);
	CHECK(layers_new(b.bare) == NULL);
	failmalloc_start(2, false);
	CHECK(layers_new(b.bare) == NULL);
	failmalloc_start(3, false);
	CHECK(layers_new(b.bare) == NULL);
	(void)failmalloc_stop();
	layers_on_peer(b.l, 0);
	CHECK(layers_next(b.l, b.now, &peer, &q));
	CHECK_INT(answer(&b, 0, &q, false), OK);
	check_whole(&b);
	stop(&b);
}
