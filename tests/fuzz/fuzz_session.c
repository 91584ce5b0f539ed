/* Whole sessions: strangers connect, shake hands and say what they like, time passes,
 * pieces verify or do not. The swarm must keep its invariants, speak only well-formed
 * messages to peers that are there, and never serve a byte it does not have.
 *
 * The input is a script of steps, each a byte and what belongs to it:
 *   low two bits 0, 1   peer 0 or 1 says the next message (its handshake, at first)
 *                2      time passes
 *                3      the oldest piece to verify is good, bad or lost; without one, a
 *                       peer hangs up, or the swarm is paused or goes on
 * The payload of blocks is not in the script: only that it came. */
#include "swarm/holepunch.h"
#include "swarm/swarm.h"

#include <string.h>

#include "fuzz.h"
#include "meta/create.h"
#include "meta/merkle.h"
#include "wire/handshake.h"

#define PIECE_BYTES 32768u
#define FILE_BYTES (5u * BLOCK_BYTES) /* two blocks, two blocks, one */
#define PIECES 3u
#define PEERS 2u
#define STEPS_MAX 2000u
#define EMIT_MAX 4096u

struct session {
	struct metainfo *meta;
	struct swarm *swarm;
	struct effects fx;
	struct buf out;
	struct bytes in;
	uint64_t now_ms;
	struct {
		struct peer_ref ref;
		bool up;
	} peers[PEERS];
	uint32_t verify[PIECES];
	uint32_t n_verify;
	bool bad, banned, paused; /* for the planted bug */
};

/* A file of zeros: its leaf hashes are known to whoever wrote the script. */
static struct metainfo *make_torrent(bool v1, bool v2)
{
	static const uint8_t zeros[BLOCK_BYTES];
	uint8_t pieces[PIECES * SHA1_LEN] = {0}, layer[PIECES * SHA256_LEN], root[SHA256_LEN];
	struct create_file file = {.path = "f", .length = FILE_BYTES, .root = root, .layer = layer};
	struct create_spec spec = {.name = "f",
				   .single = true,
				   .v1 = v1,
				   .v2 = v2,
				   .piece_length = PIECE_BYTES,
				   .files = &file,
				   .n_files = 1,
				   .pieces_v1 = pieces,
				   .n_pieces_v1 = PIECES};
	struct metainfo *m = NULL;
	struct buf out;

	for (uint32_t i = 0; i < PIECES; i++) {
		uint8_t leaves[2 * SHA256_LEN];
		uint32_t n = i + 1 < PIECES ? 2 : 1;

		for (uint32_t b = 0; b < n; b++)
			sha256_of(bytes_of(zeros, sizeof(zeros)), leaves + b * SHA256_LEN);
		merkle_piece(leaves, n, 2, false, layer + i * SHA256_LEN);
	}
	merkle_file_root(layer, PIECES, 2, root);
	buf_init(&out, 1u << 16);
	FUZZ_CHECK(create_torrent(&spec, &out) == 0);
	FUZZ_CHECK(meta_parse(buf_bytes(&out), &m) == META_OK);
	buf_fini(&out);
	return m;
}

/* ---- what the swarm wants done ------------------------------------------ */

static int peer_of(const struct session *s, struct peer_ref ref)
{
	for (uint32_t i = 0; i < PEERS; i++)
		if (s->peers[i].up && s->peers[i].ref.slot == ref.slot &&
		    s->peers[i].ref.gen == ref.gen)
			return (int)i;
	return -1;
}

static void check_range(const struct session *s, uint32_t piece, uint32_t begin, uint32_t length)
{
	uint32_t bytes;

	FUZZ_CHECK(piece < s->meta->n_pieces);
	bytes = meta_request_bytes(s->meta, piece);
	FUZZ_CHECK(length > 0 && begin < bytes && length <= bytes - begin);
}

static void check_sent(struct session *s, const struct wire_msg *m)
{
	struct wire_msg back;

	FUZZ_CHECK(m->type != WIRE_PIECE && m->type != WIRE_UNKNOWN);
	buf_clear(&s->out);
	FUZZ_CHECK(wire_encode(&s->out, m) == 0);
	FUZZ_CHECK(wire_decode(&back, buf_bytes(&s->out)) == (int)s->out.len);
	FUZZ_CHECK(back.type == m->type);
	if (m->type == WIRE_REQUEST)
		check_range(s, m->index, m->begin, m->length);
	if (m->type == WIRE_REQUEST)
		FUZZ_CHECK(!bitfield_has(swarm_have(s->swarm), m->index));
	if (m->type == WIRE_HAVE)
		FUZZ_CHECK(bitfield_has(swarm_have(s->swarm), m->index));
}

static void upload(struct session *s, struct peer_ref ref)
{
	struct block_ref b;

	for (uint32_t i = 0; i < EMIT_MAX && swarm_next_upload(s->swarm, ref, &b); i++) {
		check_range(s, b.piece, b.begin, b.length);
		FUZZ_CHECK(b.length <= WIRE_BLOCK_MAX);
		FUZZ_CHECK(bitfield_has(swarm_have(s->swarm), b.piece));
		swarm_on_sent(s->swarm, ref, b.length, s->now_ms);
	}
}

static void want_verify(struct session *s, uint32_t piece)
{
	FUZZ_CHECK(piece < PIECES && s->n_verify < PIECES);
	FUZZ_CHECK(!bitfield_has(swarm_have(s->swarm), piece));
	for (uint32_t i = 0; i < s->n_verify; i++)
		FUZZ_CHECK(s->verify[i] != piece);
	s->verify[s->n_verify++] = piece;
}

static void close_peer(struct session *s, const struct effect *e)
{
	int i = peer_of(s, e->peer);

	FUZZ_CHECK(i >= 0 && e->reason != NULL);
	s->peers[i].up = false;
}

/* Effects may bring forth others: those of a failed dial come at the end of the list. */
static void perform(struct session *s)
{
	FUZZ_CHECK(!s->fx.failed);
	for (size_t i = 0; i < s->fx.n; i++) {
		struct effect e = s->fx.list[i];

		if (e.type == EFFECT_SEND) {
			FUZZ_CHECK(peer_of(s, e.peer) >= 0);
			check_sent(s, &e.u.msg);
		} else if (e.type == EFFECT_CLOSE) {
			close_peer(s, &e);
		} else if (e.type == EFFECT_VERIFY) {
			want_verify(s, e.u.piece);
		} else if (e.type == EFFECT_BAN) {
			s->banned = true;
		} else if (e.type == EFFECT_PUNCH) {
			FUZZ_CHECK(holepunch_may_dial(&e.u.addr));
		}
	}
	for (uint32_t i = 0; i < PEERS; i++)
		if (s->peers[i].up)
			upload(s, s->peers[i].ref);
	effects_clear(&s->fx);
	swarm_check(s->swarm);
}

/* ---- what happens to the swarm ------------------------------------------ */

static void skip(struct session *s, size_t n)
{
	s->in = bytes_sub(s->in, n, s->in.len - n);
}

static uint8_t next_byte(struct session *s)
{
	uint8_t c = s->in.ptr[0];

	skip(s, 1);
	return c;
}

static void connect_peer(struct session *s, uint32_t i, uint8_t step)
{
	struct peer_hello hello = {.incoming = (step & 4) != 0, .rtt_us = 1000};
	const char *why = NULL;
	struct handshake h;

	if (handshake_decode(&h, s->in) != HANDSHAKE_LEN) {
		skip(s, s->in.len);
		return;
	}
	skip(s, HANDSHAKE_LEN);
	hello.fast = h.fast;
	hello.extended = h.extended;
	hello.v2 = h.v2 && s->meta->v2;
	memcpy(hello.peer_id, h.peer_id, sizeof(h.peer_id));
	hello.addr = (struct addr){.ip = {192, 0, 2, (uint8_t)(1 + i)}, .port = 6881};
	s->peers[i].ref = swarm_on_connected(s->swarm, &hello, s->now_ms, &why, &s->fx);
	s->peers[i].up = s->peers[i].ref.slot != UINT32_MAX;
	FUZZ_CHECK(s->peers[i].up || why != NULL);
}

static void hear_block(struct session *s, uint32_t i, const struct wire_msg *m)
{
	struct block_ref b = {m->index, m->begin, m->length};
	enum block_answer answer =
	    swarm_judge_block(s->swarm, s->peers[i].ref, b.piece, b.begin, b.length);

	if (answer == BLOCK_UNASKED) {
		swarm_on_malformed(s->swarm, s->peers[i].ref, s->now_ms, &s->fx);
		return;
	}
	if (answer == BLOCK_WANTED)
		check_range(s, b.piece, b.begin, b.length);
	swarm_on_progress(s->swarm, s->peers[i].ref, b.length, s->now_ms);
	swarm_on_block(s->swarm, s->peers[i].ref, b, s->now_ms, &s->fx);
}

static void hear(struct session *s, uint32_t i)
{
	struct wire_msg m;
	int used;

	if (wire_piece_head(&m, s->in) == 1) {
		skip(s, WIRE_PIECE_HEAD);
		hear_block(s, i, &m);
		return;
	}
	used = wire_decode(&m, s->in);
	if (used < 0) {
		swarm_on_malformed(s->swarm, s->peers[i].ref, s->now_ms, &s->fx);
		skip(s, s->in.len < 5 ? s->in.len : 5);
		return;
	}
	if (used > 0)
		swarm_on_message(s->swarm, s->peers[i].ref, &m, s->now_ms, &s->fx);
	skip(s, used > 0 ? (size_t)used : s->in.len);
}

static void pass_time(struct session *s, uint8_t step)
{
	s->now_ms += (uint64_t)(step >> 2) * 500;
	if (swarm_deadline_ms(s->swarm) <= s->now_ms)
		swarm_on_tick(s->swarm, s->now_ms, &s->fx);
}

static void verify(struct session *s, uint8_t step)
{
	static const enum piece_state states[] = {PIECE_GOOD, PIECE_BAD, PIECE_LOST, PIECE_GOOD};
	enum piece_state state = states[step >> 2 & 3];
	uint8_t hashes[2 * SHA256_LEN];
	uint32_t piece = s->verify[0];

	/* Two bits more tell which blocks differ from what they should be. */
	for (uint32_t b = 0; b < 2; b++)
		memset(hashes + b * SHA256_LEN, step >> (4 + b) & 1, SHA256_LEN);
	s->n_verify--;
	memmove(s->verify, s->verify + 1, s->n_verify * sizeof(s->verify[0]));
	s->bad |= state == PIECE_BAD;
	swarm_on_piece(s->swarm, piece, state, hashes, s->now_ms, &s->fx);
}

static void interfere(struct session *s, uint8_t step)
{
	uint32_t i = step >> 3 & 1;

	if ((step & 4) != 0) {
		s->paused = !s->paused;
		swarm_set_paused(s->swarm, s->paused, s->now_ms, &s->fx);
	} else if (s->peers[i].up) {
		s->peers[i].up = false;
		swarm_on_closed(s->swarm, s->peers[i].ref, s->now_ms, &s->fx);
	}
}

static void take_step(struct session *s)
{
	uint8_t step = next_byte(s);
	uint32_t who = step & 3;

	if (who < PEERS && s->peers[who].up)
		hear(s, who);
	else if (who < PEERS)
		connect_peer(s, who, step);
	else if (who == 2)
		pass_time(s, step);
	else if (s->n_verify > 0)
		verify(s, step);
	else
		interfere(s, step);
	perform(s);
}

static void set_have(struct session *s, uint8_t pieces)
{
	struct bitfield have;

	FUZZ_CHECK(bitfield_init(&have, PIECES) == 0);
	for (uint32_t i = 0; i < PIECES; i++)
		if (pieces >> i & 1)
			bitfield_set(&have, i);
	FUZZ_CHECK(swarm_set_have(s->swarm, &have) == 0);
	bitfield_fini(&have);
}

/* The first byte: what kind of torrent, and which pieces are there already. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct session s = {.in = bytes_of(data, size), .now_ms = 1000};
	struct swarm_params params = {.seed = 1, .port = 6881, .utp = true, .client = "fuzz"};
	struct swarm_stats stats;
	uint8_t kind;

	if (size == 0)
		return 0;
	kind = next_byte(&s);
	memcpy(params.peer_id, "-SH0100-fuzzfuzzfuzz", 20);
	s.meta = make_torrent((kind & 3) != 1, (kind & 3) != 0);
	params.meta = s.meta;
	s.swarm = swarm_new(&params);
	FUZZ_CHECK(s.swarm != NULL);
	effects_init(&s.fx);
	buf_init(&s.out, 4 + WIRE_BODY_MAX);
	set_have(&s, kind >> 2 & 7);
	for (uint32_t i = 0; i < STEPS_MAX && s.in.len > 0; i++)
		take_step(&s);
	swarm_stats(s.swarm, s.now_ms, &stats);
	FUZZ_CHECK(stats.have <= PIECES && stats.have == swarm_have(s.swarm)->count);
	FUZZ_SEEDED(s.bad && s.banned && stats.have == 1);
	swarm_free(s.swarm);
	effects_fini(&s.fx);
	buf_fini(&s.out);
	meta_free(s.meta);
	return 0;
}
