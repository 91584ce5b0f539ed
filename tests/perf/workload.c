/* tests/perf/workload.c - small fixed work for the code that runs for every block, message and
 * file.
 *
 * Each measure_*() is one workload: count.py runs this under callgrind, which counts what happens
 * inside of them and writes one profile each, in this order. Prints "name units" for each. Nothing
 * here depends on time, chance or the machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "announces.h"
#include "base/buf.h"
#include "index/tracker.h"
#include "meta/create.h"
#include "meta/metainfo.h"
#include "sim/net.h"
#include "swarm/swarm.h"
#include "wire/msg.h"

#define NOINLINE __attribute__((noinline))
#define PIECE_BLOCKS 16u
#define PIECES 256u
#define SEEDS 4u
#define LEECHES 8u
#define CROWD 50u
#define MESSAGES 4000u
#define FILES 500u
#define BLOCKS_A_MS 64u
#define ANNOUNCES 5000u
#define TRACKED 50u

static void check(bool holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "workload: %s\n", what);
		exit(1);
	}
}

/* ---- a swarm and what it wants done ------------------------------------------------------ */

struct work {
	struct metainfo *meta;
	struct swarm *s;
	struct effects fx;
	struct buf out; /* what would go to sockets */
	struct peer_ref peers[CROWD];
	uint64_t now_ms;
	bool complete;
};

static void work_init(struct work *w, bool seed)
{
	struct swarm_params p = {.seed = 7, .port = 6881, .peer_id = "-XX0000-workload-00"};
	struct bitfield have;

	*w = (struct work){.now_ms = 100000};
	w->meta = net_metainfo((uint64_t)PIECES * PIECE_BLOCKS * BLOCK_BYTES,
			       PIECE_BLOCKS * BLOCK_BYTES, true, true);
	check(w->meta != NULL, "no torrent");
	p.meta = w->meta;
	w->s = swarm_new(&p);
	check(w->s != NULL, "no swarm");
	effects_init(&w->fx);
	buf_init(&w->out, 1u << 20);
	if (!seed)
		return;
	check(bitfield_init(&have, PIECES) == 0, "no bitfield");
	for (uint32_t i = 0; i < PIECES; i++)
		bitfield_set(&have, i);
	check(swarm_set_have(w->s, &have) == 0, "not a seed");
	bitfield_fini(&have);
}

static void work_fini(struct work *w)
{
	swarm_free(w->s);
	effects_fini(&w->fx);
	buf_fini(&w->out);
	meta_free(w->meta);
}

/* What node does with effects, without sockets and disk: messages become bytes, and what is to be
 * verified is good. */
static void perform(struct work *w)
{
	for (size_t i = 0; i < w->fx.n; i++) {
		struct effect e = w->fx.list[i];

		if (e.type == EFFECT_SEND)
			check(wire_encode(&w->out, &e.u.msg) == 0, "a message does not fit");
		else if (e.type == EFFECT_VERIFY)
			swarm_on_piece(w->s, e.u.piece, PIECE_GOOD, NULL, w->now_ms, &w->fx);
		else if (e.type == EFFECT_COMPLETE)
			w->complete = true;
	}
	effects_clear(&w->fx);
	buf_clear(&w->out);
}

static void pass(struct work *w, uint64_t ms)
{
	w->now_ms += ms;
	if (swarm_deadline_ms(w->s) <= w->now_ms) {
		swarm_on_tick(w->s, w->now_ms, &w->fx);
		perform(w);
	}
}

static void hear(struct work *w, uint32_t peer, struct wire_msg m)
{
	swarm_on_message(w->s, w->peers[peer], &m, w->now_ms, &w->fx);
	perform(w);
}

static void join(struct work *w, uint32_t i, enum wire_type first)
{
	struct peer_hello h = {.addr = {.ip = {10, 0, (uint8_t)(i + 1), 1}, .port = 6881},
			       .fast = true,
			       .incoming = true,
			       .rtt_us = 500};
	const char *why = NULL;

	(void)snprintf((char *)h.peer_id, sizeof(h.peer_id), "-XX0000-peer-%06u", i % 1000000);
	w->peers[i] = swarm_on_connected(w->s, &h, w->now_ms, &why, &w->fx);
	check(w->peers[i].slot != UINT32_MAX, "a peer is not wanted");
	perform(w);
	hear(w, i, (struct wire_msg){.type = first});
}

/* ---- workloads --------------------------------------------------------------------------- */

/* Up to 16 blocks of one peer, as one read gives them. */
static uint32_t receive(struct work *w, struct peer_ref from)
{
	struct block_ref next[16];
	uint32_t n = swarm_expected(w->s, from, next, 16);

	for (uint32_t k = 0; k < n; k++) {
		check(swarm_judge_block(w->s, from, next[k].piece, next[k].begin, next[k].length) ==
			  BLOCK_WANTED,
		      "a block is not wanted");
		swarm_on_block(w->s, from, next[k], w->now_ms, &w->fx);
		perform(w);
	}
	return n;
}

static NOINLINE uint32_t measure_download(struct work *w)
{
	uint32_t blocks = 0, before;

	while (!w->complete) {
		before = blocks;
		for (uint32_t i = 0; i < SEEDS; i++)
			blocks += receive(w, w->peers[i]);
		check(blocks > before, "the download stands still");
		pass(w, (blocks - before + BLOCKS_A_MS - 1) / BLOCKS_A_MS);
	}
	return blocks;
}

static uint32_t download(void)
{
	struct work w;
	uint32_t blocks;

	work_init(&w, false);
	for (uint32_t i = 0; i < SEEDS; i++) {
		join(&w, i, WIRE_HAVE_ALL);
		hear(&w, i, (struct wire_msg){.type = WIRE_UNCHOKE});
	}
	blocks = measure_download(&w);
	work_fini(&w);
	return blocks;
}

static uint32_t serve(struct work *w, struct peer_ref to)
{
	struct block_ref b;
	uint32_t n = 0;

	while (swarm_next_upload(w->s, to, &b)) {
		swarm_on_sent(w->s, to, b.length, w->now_ms);
		n++;
	}
	return n;
}

static NOINLINE uint32_t measure_upload(struct work *w)
{
	uint32_t blocks = 0;

	for (uint32_t piece = 0; piece < PIECES; piece++) {
		for (uint32_t i = 0; i < LEECHES; i++) {
			for (uint32_t k = 0; k < PIECE_BLOCKS; k++)
				hear(w, i,
				     (struct wire_msg){.type = WIRE_REQUEST,
						       .index = piece,
						       .begin = k * BLOCK_BYTES,
						       .length = BLOCK_BYTES});
			blocks += serve(w, w->peers[i]);
		}
		pass(w, 1);
	}
	return blocks;
}

static uint32_t upload(void)
{
	struct work w;
	uint32_t blocks;

	work_init(&w, true);
	for (uint32_t i = 0; i < LEECHES; i++) {
		join(&w, i, WIRE_HAVE_NONE);
		hear(&w, i, (struct wire_msg){.type = WIRE_INTERESTED});
	}
	for (uint32_t i = 0; i < 60; i++)
		pass(&w, 1000);
	blocks = measure_upload(&w);
	check(blocks > PIECES * PIECE_BLOCKS, "hardly anybody was served");
	work_fini(&w);
	return blocks;
}

static NOINLINE uint32_t measure_haves(struct work *w)
{
	uint32_t n = 0;

	for (uint32_t piece = 0; piece < PIECES; piece++) {
		for (uint32_t i = 0; i < CROWD; i++, n++)
			hear(w, i, (struct wire_msg){.type = WIRE_HAVE, .index = piece});
	}
	return n;
}

static uint32_t haves(void)
{
	struct work w;
	uint32_t n;

	work_init(&w, false);
	for (uint32_t i = 0; i < CROWD; i++)
		join(&w, i, WIRE_HAVE_NONE);
	n = measure_haves(&w);
	work_fini(&w);
	return n;
}

static struct wire_msg some_message(uint32_t i)
{
	static const enum wire_type types[] = {WIRE_HAVE, WIRE_REQUEST, WIRE_CANCEL, WIRE_UNCHOKE,
					       WIRE_PIECE};
	static const uint8_t payload[64];
	struct wire_msg m = {.type = types[i % (sizeof(types) / sizeof(types[0]))],
			     .index = i,
			     .begin = (i % PIECE_BLOCKS) * BLOCK_BYTES,
			     .length = BLOCK_BYTES};

	if (m.type == WIRE_PIECE)
		m.body = bytes_of(payload, sizeof(payload));
	return m;
}

static NOINLINE uint32_t measure_encode(struct buf *b)
{
	for (uint32_t i = 0; i < MESSAGES; i++) {
		struct wire_msg m = some_message(i);

		check(wire_encode(b, &m) == 0, "a message does not fit");
	}
	return MESSAGES;
}

static NOINLINE uint32_t measure_decode(struct bytes in)
{
	struct wire_msg m;
	uint32_t n = 0;
	int used;

	while ((used = wire_decode(&m, in)) > 0) {
		in = bytes_sub(in, (size_t)used, in.len - (size_t)used);
		n++;
	}
	return n;
}

static NOINLINE uint32_t measure_parse(struct bytes torrent)
{
	struct metainfo *m = NULL;
	uint32_t files;

	check(meta_parse(torrent, &m) == META_OK, "the torrent is not taken");
	files = m->n_files;
	meta_free(m);
	return files;
}

/* A v2 torrent of files that are smaller than a piece: about as much bencode as there can be. */
static void put_torrent(struct buf *out)
{
	char(*paths)[24] = calloc(FILES, sizeof(*paths));
	struct create_file *files = calloc(FILES, sizeof(*files));
	static const uint8_t root[SHA256_LEN] = {1};
	struct create_spec spec = {.name = "tree",
				   .v2 = true,
				   .piece_length = BLOCK_BYTES,
				   .files = files,
				   .n_files = FILES};

	check(paths != NULL && files != NULL, "no memory");
	for (uint32_t i = 0; i < FILES; i++) {
		(void)snprintf(paths[i], sizeof(paths[i]), "d%02u/f%04u", i / 25, i);
		files[i] = (struct create_file){.path = paths[i], .length = 4096, .root = root};
	}
	check(create_torrent(&spec, out) == OK, "no torrent of many files");
	free(files);
	free(paths);
}

static uint32_t encode(void)
{
	struct buf b;
	uint32_t n;

	buf_init(&b, 1u << 20);
	n = measure_encode(&b);
	buf_fini(&b);
	return n;
}

static uint32_t decode(void)
{
	struct buf b;
	uint32_t n;

	buf_init(&b, 1u << 20);
	(void)measure_encode(&b);
	n = measure_decode(buf_bytes(&b));
	buf_fini(&b);
	return n;
}

static uint32_t parse(void)
{
	struct buf b;
	uint32_t n;

	buf_init(&b, 1u << 20);
	put_torrent(&b);
	n = measure_parse(buf_bytes(&b));
	buf_fini(&b);
	return n;
}

/* ---- a tracker and its peers -------------------------------------------------------------- */

/* Peers who come, come again and are told of fifty others each. */
static NOINLINE uint32_t measure_announce(struct tracker *t, const struct announce *list,
					  const struct addr *from)
{
	struct announce_reply r;

	for (uint32_t i = 0; i < 2 * ANNOUNCES; i++) {
		check(tracker_announce(t, &list[i % ANNOUNCES], &from[i % ANNOUNCES], NULL,
				       1000 + i / 100, &r) == 0,
		      "an announce");
	}
	return 2 * ANNOUNCES;
}

static uint32_t announce(void)
{
	struct tracker_params p = {.seed = 7, .key = {1, 2}};
	struct tracker *t = tracker_new(&p);
	struct announce *list = calloc(ANNOUNCES, sizeof(*list));
	struct addr *from = calloc(ANNOUNCES, sizeof(*from));
	uint32_t n;

	check(t != NULL && list != NULL && from != NULL, "no tracker");
	for (uint32_t i = 0; i < ANNOUNCES; i++) {
		announce_make(i, ANNOUNCES, TRACKED, &list[i], &from[i]);
		list[i].numwant = 50;
	}
	n = measure_announce(t, list, from);
	tracker_free(t);
	free(list);
	free(from);
	return n;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		uint32_t (*run)(void);
	} workloads[] = {{"download", download}, {"upload", upload}, {"haves", haves},
			 {"encode", encode},	 {"decode", decode}, {"parse", parse},
			 {"announce", announce}};

	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
		if (argc == 2 && strcmp(argv[1], workloads[i].name) == 0) {
			printf("%u\n", workloads[i].run());
			return 0;
		}
	}
	fputs("usage: perf_workload download|upload|haves|encode|decode|parse|announce\n", stderr);
	return 2;
}
