/* Piece layers asked of eight peers, none of whom need be honest. A script of steps, each a byte:
 * the low three bits are the peer, the others what it does; some have more bytes behind them. */
#include "swarm/layers.h"

#include <string.h>

#include "fuzz.h"
#include "meta/create.h"
#include "meta/merkle.h"

#define PEERS 8u
#define PIECES 600u /* two runs, the second one with pads */
#define STEPS_MAX 500u

struct world {
	struct layers *l;
	bool here[PEERS];
	struct wire_hash_req asked[PEERS][LAYERS_ASKED_MAX];
	uint32_t n_asked[PEERS];
	uint64_t now_ms;
	bool lied; /* for the planted bug */
};

/* A file of zeros: all hashes of one height are alike but for the pads. */
struct truth {
	uint8_t layer[PIECES * SHA256_LEN];
	uint8_t halves[2][SHA256_LEN];
	uint8_t root[SHA256_LEN];
	struct metainfo *meta;
};

static void make_metainfo(struct truth *t)
{
	struct create_file file = {.path = "f",
				   .length = (uint64_t)PIECES * BLOCK_BYTES,
				   .root = t->root,
				   .layer = t->layer};
	struct create_spec spec = {.name = "f",
				   .single = true,
				   .v2 = true,
				   .piece_length = BLOCK_BYTES,
				   .files = &file,
				   .n_files = 1};
	struct metainfo *whole = NULL;
	struct buf out;

	buf_init(&out, 1u << 16);
	FUZZ_CHECK(create_torrent(&spec, &out) == OK);
	FUZZ_CHECK(meta_parse(buf_bytes(&out), &whole) == META_OK);
	FUZZ_CHECK(meta_parse_info(whole->info, &t->meta) == META_OK);
	meta_free(whole);
	buf_fini(&out);
}

static const struct truth *truth(void)
{
	static const uint8_t zeros[BLOCK_BYTES];
	static struct truth t;
	uint8_t copy[sizeof(t.layer)];

	if (t.meta != NULL)
		return &t;
	for (uint32_t i = 0; i < PIECES; i++)
		sha256_of(bytes_of(zeros, sizeof(zeros)), t.layer + i * SHA256_LEN);
	for (uint32_t half = 0; half < 2; half++) {
		uint32_t n = half == 0 ? LAYERS_RUN : PIECES - LAYERS_RUN;

		memcpy(copy, t.layer, sizeof(copy));
		merkle_root(copy, n, LAYERS_RUN, 0, t.halves[half]);
	}
	merkle_file_root(t.layer, PIECES, 1, t.root);
	make_metainfo(&t);
	return &t;
}

static void pull(struct world *w)
{
	struct wire_hash_req q;
	uint32_t peer;

	while (layers_next(w->l, w->now_ms, &peer, &q)) {
		FUZZ_CHECK(peer < PEERS && w->here[peer]);
		FUZZ_CHECK(q.length <= LAYERS_RUN && q.index < PIECES);
		if (w->n_asked[peer] == LAYERS_ASKED_MAX) /* the older ones were given up */
			memmove(&w->asked[peer][0], &w->asked[peer][1],
				sizeof(q) * --w->n_asked[peer]);
		w->asked[peer][w->n_asked[peer]++] = q;
	}
	FUZZ_CHECK(layers_deadline_ms(w->l) > w->now_ms);
}

static void close_peer(struct world *w, uint32_t peer)
{
	layers_on_closed(w->l, peer);
	w->here[peer] = false;
	w->n_asked[peer] = 0;
}

static void say(struct world *w, uint32_t peer, const struct wire_msg *m)
{
	bool taken;
	int err = layers_on_message(w->l, peer, m, w->now_ms, &taken);

	FUZZ_CHECK(err == OK || err == ERR_PROTO);
	FUZZ_CHECK(!taken || (err == OK && m->type == WIRE_HASHES));
	w->lied = w->lied || err != OK;
	if (err != OK)
		close_peer(w, peer);
}

/* The latest question, answered right, but for one bit if `bend` is not 0. */
static void answer(struct world *w, uint32_t peer, uint8_t bend)
{
	uint8_t body[(LAYERS_RUN + 1) * SHA256_LEN] = {0};
	struct wire_msg m = {.type = WIRE_HASHES, .body = bytes_of(body, sizeof(body))};
	size_t n;

	if (w->n_asked[peer] == 0)
		return;
	m.hash = w->asked[peer][--w->n_asked[peer]];
	n = PIECES - m.hash.index < LAYERS_RUN ? PIECES - m.hash.index : LAYERS_RUN;
	memcpy(body, truth()->layer, n * SHA256_LEN);
	memcpy(body + LAYERS_RUN * SHA256_LEN, truth()->halves[m.hash.index == 0], SHA256_LEN);
	body[bend * 64u] ^= bend;
	say(w, peer, &m);
}

static void reject(struct world *w, uint32_t peer)
{
	struct wire_msg m = {.type = WIRE_HASH_REJECT};

	if (w->n_asked[peer] == 0)
		return;
	m.hash = w->asked[peer][--w->n_asked[peer]];
	say(w, peer, &m);
}

/* Whatever is a message about hashes; the rest of the script. */
static void rave(struct world *w, uint32_t peer, struct bytes *in)
{
	struct wire_msg m;
	int n = wire_decode(&m, *in);

	if (n <= 0)
		return;
	*in = bytes_sub(*in, (size_t)n, in->len - (size_t)n);
	if (m.type == WIRE_HASHES || m.type == WIRE_HASH_REJECT)
		say(w, peer, &m);
}

static void step(struct world *w, struct bytes *in)
{
	uint32_t peer = in->ptr[0] % PEERS, what = in->ptr[0] / PEERS;
	uint8_t more = in->len > 1 ? in->ptr[1] : 0;

	*in = bytes_sub(*in, 1, in->len - 1);
	w->now_ms += 10;
	if (what == 0) {
		layers_on_peer(w->l, peer);
		w->here[peer] = true;
	} else if (what == 1) {
		close_peer(w, peer);
	} else if (what == 2) {
		w->now_ms += 1000u * (more + 1u);
	} else if (!w->here[peer]) {
		return;
	} else if (what == 3) {
		answer(w, peer, 0);
	} else if (what == 4) {
		answer(w, peer, more);
	} else if (what == 5) {
		reject(w, peer);
	} else {
		rave(w, peer, in);
	}
}

/* What was believed is the truth. */
static void check_done(const struct world *w)
{
	struct buf out;

	buf_init(&out, 1u << 20);
	FUZZ_CHECK(layers_put(w->l, &out) == OK && out.len > sizeof(truth()->layer));
	FUZZ_CHECK(memcmp(out.ptr + out.len - 1 - sizeof(truth()->layer), truth()->layer,
			  sizeof(truth()->layer)) == 0);
	buf_fini(&out);
	FUZZ_SEEDED(w->lied);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = {.l = layers_new(truth()->meta), .now_ms = 1000};
	struct bytes in = bytes_of(data, size);

	FUZZ_CHECK(w.l != NULL);
	for (uint32_t i = 0; i < STEPS_MAX && in.len > 0; i++) {
		step(&w, &in);
		pull(&w);
	}
	if (layers_done(w.l))
		check_done(&w);
	layers_free(w.l);
	return 0;
}
