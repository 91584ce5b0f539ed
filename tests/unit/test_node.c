#include "test.h"

#include <sys/resource.h>
#include <time.h>

#include "node_fixture.h"
#include "swarm/swarm_parts.h"

#define KIB 1024u

static const struct kind only_v1 = {true, false}, only_v2 = {false, true}, hybrid = {true, true};

static const struct sample_file folder[] = {
    {"a/empty", 0, false},     {"a/one", 1, true},     {"b/big", 3 * 128 * KIB + 7, false},
    {"b/c/odd", 16385, false}, {"tail", 40000, false},
};
#define N_FOLDER (sizeof(folder) / sizeof(folder[0]))

/* A disk that loses what it was given. */
static bool sync_fails;

int fdatasync(int fd)
{
	if (sync_fails) {
		errno = EIO;
		return -1;
	}
	return fsync(fd);
}

/* ---- two nodes ----------------------------------------------------------------------- */

static void copy(struct kind k, uint32_t piece_length, const struct sample_file *files, size_t n)
{
	struct world w;
	struct node *a, *b;
	struct transfer *t;
	uint16_t ports[] = {0, 0};

	world_init(&w, k, piece_length, files, n);
	a = world_node(&w);
	b = world_node(&w);
	world_seed(&w, a);
	ports[0] = node_port(a);
	t = world_get(&w, b, ports);
	WAIT_FOR(w.loop, phase_of(t) == TRANSFER_SEEDING);
	check_content(&w.s, w.out);
	CHECK_INT(status_of(t).done_bytes, w.s.m->total_bytes);
	CHECK_INT(status_of(t).swarm.wasted_bytes, 0);
	CHECK_INT(pool_slabs_free(b->pool), POOL_SLABS_DEFAULT);
	node_free(b);
	node_free(a);
	world_fini(&w);
}

TEST(a_download_is_alone_when_nobody_there_has_the_rest_and_nobody_new_is_tried)
{
	struct transfer_status st = {.phase = TRANSFER_DOWNLOADING};

	CHECK(transfer_is_alone(&st));
	st.swarm.peers = 3; /* who lack the same */
	CHECK(transfer_is_alone(&st));
	st.swarm.down_bps = 1;
	CHECK(!transfer_is_alone(&st));
	st.swarm.down_bps = 0;
	st.swarm.trying = 1;
	CHECK(!transfer_is_alone(&st));
	st.swarm.trying = 0;
	st.swarm.can_complete = true;
	CHECK(!transfer_is_alone(&st));
	st.swarm.peers = 0;
	CHECK(transfer_is_alone(&st));
	st.swarm.sources = 1;
	CHECK(!transfer_is_alone(&st));
	st.swarm.sources = 0;
	st.phase = TRANSFER_CHECKING;
	CHECK(!transfer_is_alone(&st));
}

TEST(files_of_many_sizes_and_kinds_arrive)
{
	static const uint64_t lengths[] = {1, 16383, 16384, 16385, 65536, 300001, 2000000};

	for (int k = 0; k < N_KINDS; k++) {
		for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
			struct sample_file one = {NULL, lengths[i], false};

			copy(kinds[k], 64 * KIB, &one, 1);
		}
		copy(kinds[k], 16 * KIB, folder, N_FOLDER);
		copy(kinds[k], 512 * KIB, folder, N_FOLDER);
	}
}

TEST(a_torrent_without_pieces_is_complete_at_once)
{
	static const struct sample_file empty[] = {{"x", 0, false}, {"y/z", 0, false}};
	static const uint16_t nobody[] = {0};

	for (int k = 0; k < N_KINDS; k++) {
		struct transfer_params p;
		struct transfer *t;
		struct world w;
		struct node *n;

		world_init(&w, kinds[k], 16 * KIB, empty, 2);
		n = world_node(&w);
		t = world_get(&w, n, nobody);
		WAIT_FOR(w.loop, phase_of(t) == TRANSFER_SEEDING);
		check_content(&w.s, w.out);
		node_free(n);
		/* And there is nothing to check when it is there already. */
		n = world_node(&w);
		p = world_params(&w, w.out);
		p.seed = p.check = true;
		CHECK_INT(node_add(n, &p, &t, NULL), 0);
		WAIT_FOR(w.loop, phase_of(t) == TRANSFER_SEEDING);
		node_free(n);
		world_fini(&w);
	}
}

static void note_left(void *user)
{
	++*(int *)user;
}

/* Half of it, then a goodbye; or none (`kill`). */
static void resume(struct kind k, bool kill)
{
	static const struct sample_file one = {NULL, 64 * 64 * KIB, false};
	uint16_t ports[] = {0, 0};
	struct transfer *t;
	struct world w;
	struct raw r;
	struct node *n;
	uint32_t n_sent = 0;
	int left = 0;

	world_init(&w, k, 64 * KIB, &one, 1);
	raw_init(&r, &w, 'R');
	raw_listen(&r);
	ports[0] = r.port;
	n = world_node(&w);
	t = world_get(&w, n, ports);
	raw_say_seed(&r);
	WAIT_FOR(w.loop, raw_pump(&r) && r.n_asked > 0);
	while (status_of(t).swarm.have < 20) {
		raw_pump(&r);
		/* Never all, however slow the disk is. */
		if (r.n_asked > 0 && n_sent < 160) {
			n_sent++;
			raw_put_block(&r, &r.asked[0]);
			memmove(r.asked, r.asked + 1, --r.n_asked * sizeof(r.asked[0]));
		}
		loop_turn(w.loop, 2);
	}
	if (!kill) {
		node_leave(n, 20000, note_left, &left);
		WAIT_FOR(w.loop, left == 1);
		CHECK_INT(n->leaving, 0);
	}
	node_free(n);
	raw_fini(&r);
	CHECK(!path_exists(w.out));

	raw_init(&r, &w, 'R');
	raw_listen(&r);
	ports[0] = r.port;
	n = world_node(&w);
	t = world_get(&w, n, ports);
	raw_say_seed(&r);
	WAIT_FOR(w.loop, raw_serve(&r) && phase_of(t) == TRANSFER_SEEDING);
	check_content(&w.s, w.out);
	CHECK(status_of(t).swarm.down_bytes <= 44 * 64 * KIB);
	node_free(n);
	raw_fini(&r);
	world_fini(&w);
}

TEST(a_download_goes_on_where_it_was)
{
	for (int k = 0; k < N_KINDS; k++) {
		resume(kinds[k], false);
		resume(kinds[k], true);
	}
}

TEST(leaving_ends_once_and_does_not_wait_for_a_tracker_that_hangs)
{
	static const struct sample_file one = {NULL, 100000, false};
	struct transfer_params p;
	struct transfer *t;
	const char *trackers[2] = {NULL};
	char url[64];
	struct world w;
	struct raw hung;
	struct node *n;
	uint64_t from;
	int left = 0;

	world_init(&w, hybrid, 16 * KIB, &one, 1);
	raw_init(&hung, &w, 'T');
	raw_listen(&hung);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/announce", hung.port);
	trackers[0] = url;
	n = world_node(&w);
	p = world_params(&w, w.out);
	p.trackers = trackers;
	CHECK_INT(node_add(n, &p, &t, NULL), 0);
	for (int i = 0; i < 50; i++)
		loop_turn(w.loop, 2);
	from = clock_ms();
	node_leave(n, 700, note_left, &left);
	WAIT_FOR(w.loop, left > 0);
	CHECK(clock_ms() - from < 5000);
	while (clock_ms() - from < 2500)
		loop_turn(w.loop, 10);
	CHECK_INT(left, 1);
	node_free(n);
	raw_fini(&hung);
	world_fini(&w);
}

TEST(a_transfer_that_is_removed_closes_its_connections_and_may_come_again)
{
	static const struct sample_file one = {NULL, 100000, false};
	struct node *a, *b;
	struct transfer *t;
	uint16_t ports[2] = {0, 0};
	struct node_status st;
	struct world w;
	int left = 0;

	world_init(&w, hybrid, 16 * KIB, &one, 1);
	a = world_node(&w);
	b = world_node(&w);
	t = world_seed(&w, a);
	ports[0] = node_port(a);
	world_get(&w, b, ports);
	WAIT_FOR(w.loop, path_exists(w.out) && links_of(a) == 1);
	node_remove(a, t);
	CHECK_INT(links_of(a), 0);
	node_status(a, &st);
	CHECK_INT(st.transfers, 0);
	/* While the old one is still on its way out. */
	t = world_seed(&w, a);
	WAIT_FOR(w.loop, a->n_transfers == 1);
	CHECK(phase_of(t) == TRANSFER_SEEDING);
	node_remove(a, t);
	node_leave(a, 5000, note_left, &left);
	WAIT_FOR(w.loop, left == 1);
	node_free(a);
	node_free(b);
	world_fini(&w);
}

/* Two saves may be out when we leave; only the second has the newest pieces in it. */
TEST(leaving_waits_for_its_own_save)
{
	static const struct sample_file one = {NULL, 8 * 64 * KIB, false};
	static const uint16_t nobody[] = {0};
	struct transfer *t;
	struct world w;
	struct node *n;
	int left = 0;

	world_init(&w, only_v1, 64 * KIB, &one, 1);
	n = world_node(&w);
	t = world_get(&w, n, nobody);
	t->saves = 1;
	store_save(t->store, swarm_have(t->swarm));
	node_leave(n, 20000, note_left, &left);
	CHECK_INT(left, 0);
	WAIT_FOR(w.loop, left == 1);
	CHECK_INT(t->saves, 0);
	CHECK_INT(n->leaving, 0);
	node_free(n);
	world_fini(&w);
}

/* ---- a seed of raw bytes ------------------------------------------------------------- */

/* A download from one raw seed, which lets it have everything. */
static struct transfer *get_from_raw(struct world *w, struct raw *r, struct node *n, bool runs)
{
	uint16_t ports[] = {0, 0};
	struct transfer *t;

	raw_init(r, w, 'R');
	r->runs = runs;
	raw_listen(r);
	ports[0] = r->port;
	t = world_get(w, n, ports);
	raw_say_seed(r);
	return t;
}

/* The same; `r` has all requests. */
static struct transfer *begin_raw(struct world *w, struct raw *r, struct node *n, uint32_t blocks)
{
	struct transfer *t = get_from_raw(w, r, n, false);

	WAIT_FOR(w->loop, raw_pump(r) && r->n_asked == blocks);
	return t;
}

static void end_raw(struct world *w, struct raw *r, struct node *n, struct transfer *t)
{
	WAIT_FOR(w->loop, raw_pump(r) && phase_of(t) == TRANSFER_SEEDING);
	check_content(&w->s, w->out);
	CHECK_INT(status_of(t).swarm.wasted_bytes, 0);
	CHECK_INT(pool_slabs_free(n->pool), POOL_SLABS_DEFAULT);
	raw_fini(r);
	node_free(n);
	world_fini(w);
}

/* All blocks with other messages between them. */
static void put_mixed(struct raw *r)
{
	for (uint32_t i = 0; i < r->n_asked; i++) {
		raw_put(r, &(struct wire_msg){.type = WIRE_HAVE, .index = i % r->w->s.m->n_pieces});
		raw_put_block(r, &r->asked[i]);
		raw_say(r, WIRE_KEEPALIVE);
	}
}

TEST(blocks_arrive_though_cut_at_any_byte)
{
	static const struct sample_file one = {NULL, 1030, false};
	size_t length = 1;

	for (size_t cut = 0; cut < length; cut++) {
		struct world w;
		struct raw r;
		struct node *n;
		struct transfer *t;

		world_init(&w, only_v1, 1024, &one, 1);
		n = world_node(&w);
		t = begin_raw(&w, &r, n, 2);
		put_mixed(&r);
		length = r.out.len;
		CHECK_INT(raw_write(&r, cut), cut);
		for (int i = 0; i < 3; i++)
			loop_turn(w.loop, 0);
		end_raw(&w, &r, n, t);
	}
}

TEST(blocks_arrive_one_byte_at_a_time)
{
	static const struct sample_file one = {NULL, 20000, false};

	for (int k = 0; k < N_KINDS; k++) {
		struct world w;
		struct raw r;
		struct node *n;
		struct transfer *t;

		world_init(&w, kinds[k], 16 * KIB, &one, 1);
		n = world_node(&w);
		t = begin_raw(&w, &r, n, 2);
		put_mixed(&r);
		/* The last keepalive may find nobody any more. */
		while (r.out.len > 0 && links_of(n) > 0) {
			raw_write(&r, 1);
			loop_turn(w.loop, 0);
		}
		end_raw(&w, &r, n, t);
	}
}

static void shuffle_asked(struct raw *r, struct rng *rng)
{
	for (uint32_t i = r->n_asked; i > 1; i--) {
		uint32_t j = rng_below(rng, i);
		struct block_ref swap = r->asked[i - 1];

		r->asked[i - 1] = r->asked[j];
		r->asked[j] = swap;
	}
}

/* A row of blocks in one message, or in several that begin and end anywhere between two blocks. */
static void put_row(struct raw *r, struct block_ref row, struct rng *rng)
{
	while (row.length > 0) {
		uint32_t blocks = (row.length + BLOCK_BYTES - 1) / BLOCK_BYTES;
		uint32_t bytes = (1 + rng_below(rng, blocks)) * BLOCK_BYTES;
		struct block_ref part = {row.piece, row.begin,
					 bytes < row.length ? bytes : row.length};

		raw_put_block(r, &part);
		row.begin += part.length;
		row.length -= part.length;
	}
}

/* In any order, with or without other messages, cut anywhere; `lean`: while all slabs are taken,
 * so that blocks go to memory that is freed when they are given up; `runs`: several in a message.
 */
static void run_disordered(struct kind k, uint64_t seed, bool lean, bool runs)
{
	uint8_t *slabs[POOL_SLABS_DEFAULT];
	static const struct sample_file one = {NULL, 1500000, false};
	struct world w;
	struct raw r;
	struct node *n;
	struct transfer *t;
	struct rng rng;

	rng_seed(&rng, seed);
	world_init(&w, k, rng_below(&rng, 2) == 0 ? 64 * KIB : 512 * KIB, &one, 1);
	n = world_node(&w);
	for (unsigned i = 0; lean && i < POOL_SLABS_DEFAULT; i++)
		slabs[i] = pool_slabs_take(n->pool, 1);
	t = get_from_raw(&w, &r, n, runs);
	while (phase_of(t) != TRANSFER_SEEDING) {
		raw_pump(&r);
		if (rng_below(&rng, 2) == 0)
			shuffle_asked(&r, &rng);
		if (rng_below(&rng, 2) == 0) {
			put_mixed(&r);
		} else {
			for (uint32_t i = 0; i < r.n_asked; i++)
				put_row(&r, r.asked[i], &rng);
		}
		r.n_asked = 0;
		while (r.out.len > 0 && links_of(n) > 0) {
			size_t most = 1 + rng_below(&rng, rng_below(&rng, 2) == 0 ? 40 : 100000);

			raw_write(&r, most);
			loop_turn(w.loop, 0);
			raw_read(&r, 1u << 20);
		}
		loop_turn(w.loop, 2);
	}
	for (unsigned i = 0; lean && i < POOL_SLABS_DEFAULT; i++)
		pool_slabs_give(n->pool, slabs[i], 1);
	end_raw(&w, &r, n, t);
}

TEST(blocks_arrive_in_any_order_cut_anywhere)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		for (int i = 0; i < 4; i++)
			run_disordered(kinds[seed % N_KINDS], seed, i % 2 == 0, i / 2 == 0);
	}
}

TEST(blocks_in_a_row_are_asked_for_and_given_in_one_message)
{
	static const struct sample_file one = {NULL, 512 * KIB, false};
	struct world w;
	struct raw r, asker;
	struct node *n;
	struct transfer *t;

	world_init(&w, only_v1, 512 * KIB, &one, 1);
	n = world_node(&w);
	t = get_from_raw(&w, &r, n, true);
	WAIT_FOR(w.loop, raw_pump(&r) && r.n_asked > 0);
	CHECK_INT(r.asked[0].length % BLOCK_BYTES, 0);
	CHECK(r.asked[0].length <= SWARM_RUN_BYTES);
	WAIT_FOR(w.loop, raw_serve(&r) && phase_of(t) == TRANSFER_SEEDING);
	check_content(&w.s, w.out);
	/* And the other way round. */
	raw_init(&asker, &w, 'A');
	asker.runs = true;
	raw_dial(&asker, n, 0);
	raw_say_hello(&asker);
	raw_say(&asker, WIRE_INTERESTED);
	WAIT_FOR(w.loop, raw_pump(&asker) && asker.unchoked);
	raw_put(&asker, &(struct wire_msg){.type = WIRE_REQUEST, .length = SWARM_RUN_BYTES});
	for (uint32_t i = 8; i < 32; i++)
		raw_ask(&asker, 0, i);
	WAIT_FOR(w.loop, raw_pump(&asker) && asker.payload == 512 * KIB);
	CHECK_INT(asker.n_pieces, 4);
	/* Too much for anybody. */
	raw_put(&asker, &(struct wire_msg){.type = WIRE_REQUEST, .length = SWARM_RUN_BYTES + 1});
	WAIT_FOR(w.loop, raw_pump(&asker) && asker.n_rejects == 1);
	raw_fini(&asker);
	raw_fini(&r);
	node_free(n);
	world_fini(&w);
}

/* Blocks of a row are judged one by one. */
TEST(a_row_that_goes_beyond_what_was_asked_for_ends_the_connection)
{
	static const struct sample_file one = {NULL, 256 * KIB, false};
	struct world w;
	struct raw r;
	struct node *n;
	struct transfer *t;
	uint32_t blocks = 0;
	struct wire_msg m = {.type = WIRE_PIECE, .begin = 48 * KIB};

	world_init(&w, only_v1, 64 * KIB, &one, 1);
	n = world_node(&w);
	t = get_from_raw(&w, &r, n, true);
	WAIT_FOR(w.loop, raw_pump(&r) && r.n_asked > 0);
	m.index = r.asked[0].piece;
	m.body = bytes_of(w.s.space, 32 * KIB);
	raw_put(&r, &m);
	WAIT_FOR(w.loop, raw_pump(&r) && r.ended);
	for (uint32_t i = 0; i < w.s.m->n_pieces; i++)
		blocks += bitfield_has(swarm_have(t->swarm), i);
	CHECK_INT(blocks, 0);
	raw_fini(&r);
	node_free(n);
	world_fini(&w);
}

/* Every slab is taken, as by transfers whose peers stall. */
TEST(a_download_goes_on_when_slabs_are_out)
{
	static const struct sample_file one = {NULL, 3000000, false};
	uint8_t *slabs[POOL_SLABS_DEFAULT];
	uint16_t ports[] = {0, 0};
	struct world w;
	struct node *a, *b;
	struct transfer *t;

	world_init(&w, hybrid, 256 * KIB, &one, 1);
	a = world_node(&w);
	b = world_node(&w);
	world_seed(&w, a);
	ports[0] = node_port(a);
	t = world_get(&w, b, ports);
	for (unsigned i = 0; i < POOL_SLABS_DEFAULT; i++)
		slabs[i] = pool_slabs_take(b->pool, 1);
	WAIT_FOR(w.loop, phase_of(t) == TRANSFER_SEEDING);
	check_content(&w.s, w.out);
	for (unsigned i = 0; i < POOL_SLABS_DEFAULT; i++)
		pool_slabs_give(b->pool, slabs[i], 1);
	CHECK_INT(pool_slabs_free(b->pool), POOL_SLABS_DEFAULT);
	node_free(b);
	node_free(a);
	world_fini(&w);
}

/* ---- one block from two peers -------------------------------------------------------- */

enum ending { SECOND_FIRST, FIRST_FIRST, FIRST_LEAVES };

static void run_twice(struct kind k, enum ending ending)
{
	static const struct sample_file one = {NULL, 16384, false};
	uint16_t ports[] = {0, 0, 0};
	struct raw a, b, *slow = &a, *late = &b;
	struct world w;
	struct node *n;
	struct transfer *t;

	world_init(&w, k, 16 * KIB, &one, 1);
	n = world_node(&w);
	raw_init(&a, &w, 'A');
	raw_init(&b, &w, 'B');
	raw_listen(&a);
	raw_listen(&b);
	ports[0] = a.port;
	ports[1] = b.port;
	t = world_get(&w, n, ports);
	raw_say_seed(&a);
	raw_say_seed(&b);
	WAIT_FOR(w.loop, raw_pump(&a) && raw_pump(&b) && a.n_asked + b.n_asked > 0);
	if (b.n_asked > 0) {
		slow = &b;
		late = &a;
	}
	/* The first stalls in the middle, until the second is asked and stalls as well. */
	raw_put_block(slow, &slow->asked[0]);
	raw_write(slow, 9000);
	WAIT_FOR(w.loop, raw_pump(late) && late->n_asked > 0);
	raw_put_block(late, &late->asked[0]);
	raw_write(late, 5000);
	for (int i = 0; i < 20; i++)
		loop_turn(w.loop, 1);
	CHECK_INT(links_of(n), 2);
	if (ending == FIRST_LEAVES)
		raw_hang_up(slow);
	else
		raw_pump(ending == FIRST_FIRST ? slow : late);
	for (int i = 0; i < 20; i++)
		loop_turn(w.loop, 1);
	raw_pump(late);
	WAIT_FOR(w.loop, raw_pump(late) && phase_of(t) == TRANSFER_SEEDING);
	check_content(&w.s, w.out);
	CHECK_INT(pool_slabs_free(n->pool), POOL_SLABS_DEFAULT);
	raw_fini(&a);
	raw_fini(&b);
	node_free(n);
	world_fini(&w);
}

TEST(a_block_from_two_peers_at_once_is_had_once)
{
	run_twice(hybrid, SECOND_FIRST);
	run_twice(only_v1, FIRST_FIRST);
	run_twice(only_v2, FIRST_LEAVES);
}

/* The disk refuses while a block is on its way; its request is cancelled, and made again when
 * the disk has room. */
TEST(a_block_under_way_during_a_pause_comes_again)
{
	static const struct sample_file one = {NULL, 3 * 16384, false};
	struct world w;
	struct raw r;
	struct node *n;
	struct transfer *t;

	world_init(&w, hybrid, 64 * KIB, &one, 1);
	n = world_node(&w);
	t = begin_raw(&w, &r, n, 3);
	raw_put_block(&r, &r.asked[0]);
	raw_write(&r, 9000);
	for (int i = 0; i < 20; i++)
		loop_turn(w.loop, 1);
	swarm_set_paused(t->swarm, true, loop_now_ms(w.loop), &t->fx);
	transfer_perform(t);
	node_settle(n);
	r.n_asked = 0;
	WAIT_FOR(w.loop, raw_pump(&r) && r.out.len == 0 && r.n_cancels == 3);
	for (int i = 0; i < 20; i++)
		loop_turn(w.loop, 1);
	swarm_set_paused(t->swarm, false, loop_now_ms(w.loop), &t->fx);
	transfer_perform(t);
	node_settle(n);
	WAIT_FOR(w.loop, raw_serve(&r) && phase_of(t) == TRANSFER_SEEDING);
	check_content(&w.s, w.out);
	raw_fini(&r);
	node_free(n);
	world_fini(&w);
}

/* ---- connections --------------------------------------------------------------------- */

TEST(a_handshake_may_come_one_byte_at_a_time)
{
	static const struct sample_file one = {NULL, 100000, false};
	struct world w;
	struct raw r;
	struct node *n;

	world_init(&w, hybrid, 16 * KIB, &one, 1);
	n = world_node(&w);
	world_seed(&w, n);
	raw_init(&r, &w, 'R');
	raw_dial(&r, n, 0);
	raw_say_hello(&r);
	raw_say(&r, WIRE_HAVE_NONE);
	raw_say(&r, WIRE_INTERESTED);
	while (r.out.len > 0) {
		raw_write(&r, 1);
		loop_turn(w.loop, 0);
	}
	WAIT_FOR(w.loop, raw_pump(&r) && r.have_all && r.unchoked);
	raw_ask(&r, 3, 0);
	WAIT_FOR(w.loop, raw_pump(&r) && r.payload == 16384);
	CHECK_INT(n->n_strangers, 0);
	CHECK_INT(n->links->in.cap, 0);
	CHECK(n->links->out.cap <= LINK_OUT_KEEP);
	raw_hang_up(&r);
	WAIT_FOR(w.loop, links_of(n) == 0);
	raw_fini(&r);
	node_free(n);
	world_fini(&w);
}

TEST(nobody_is_let_in_before_the_data_is_checked)
{
	static const struct sample_file one = {NULL, 16u << 20, false};
	struct transfer_params p;
	struct transfer *t;
	struct world w;
	struct raw r;
	struct node *n;

	world_init(&w, hybrid, 16 * KIB, &one, 1);
	n = world_node(&w);
	p = world_params(&w, w.seed);
	p.seed = p.check = true;
	CHECK_INT(node_add(n, &p, &t, NULL), 0);
	CHECK_INT(phase_of(t), TRANSFER_CHECKING);
	raw_init(&r, &w, 'R');
	raw_dial(&r, n, 0);
	raw_say_hello(&r);
	raw_write(&r, SIZE_MAX);
	WAIT_FOR(w.loop, raw_pump(&r) && (r.ended || phase_of(t) == TRANSFER_SEEDING));
	CHECK(r.ended);
	WAIT_FOR(w.loop, phase_of(t) == TRANSFER_SEEDING);
	raw_fini(&r);
	raw_init(&r, &w, 'R');
	raw_dial(&r, n, 0);
	raw_say_hello(&r);
	WAIT_FOR(w.loop, raw_pump(&r) && r.have_all);
	raw_fini(&r);
	node_free(n);
	world_fini(&w);
}

/* The new connection takes the slot of the old one in the swarm. */
TEST(of_two_connections_with_one_peer_the_older_is_closed)
{
	static const struct sample_file one = {NULL, 20000, false};
	struct world w;
	struct raw old, new;
	struct node *n;
	struct transfer *t;

	world_init(&w, only_v1, 16 * KIB, &one, 1);
	n = world_node(&w);
	t = begin_raw(&w, &old, n, 2);
	raw_init(&new, &w, 'R');
	raw_dial(&new, n, 0);
	raw_say_seed(&new);
	WAIT_FOR(w.loop, raw_pump(&old) && raw_pump(&new) && old.ended && new.n_asked == 2);
	CHECK_INT(links_of(n), 1);
	WAIT_FOR(w.loop, raw_serve(&new) && phase_of(t) == TRANSFER_SEEDING);
	check_content(&w.s, w.out);
	raw_fini(&old);
	raw_fini(&new);
	node_free(n);
	world_fini(&w);
}

/* Other transfers have the other places. */
TEST(a_dial_for_which_there_is_no_place_is_held_against_nobody)
{
	static const struct sample_file one = {NULL, 100000, false};
	const struct address *other;
	struct world w;
	struct raw a, b;
	struct node *n;
	struct transfer *t;
	struct addr at;

	world_init(&w, hybrid, 16 * KIB, &one, 1);
	n = world_node(&w);
	n->quota.max_peers = 1;
	raw_init(&a, &w, 'A');
	raw_init(&b, &w, 'B');
	raw_listen(&a);
	raw_listen(&b);
	raw_say_hello(&a);
	raw_say_hello(&b);
	t = world_get(&w, n, (uint16_t[]){a.port, b.port, 0});
	WAIT_FOR(w.loop, raw_pump(&a) && raw_pump(&b) && status_of(t).swarm.peers == 1);
	at = local(a.fd >= 0 ? b.port : a.port);
	other = addrbook_find(&t->swarm->book, &at);
	CHECK_INT(other->state, ADDRESS_IDLE);
	CHECK_INT(other->failures, 0);
	CHECK(!other->dialled && other->due_ms > transfer_now_ms(t));
	raw_fini(&a);
	raw_fini(&b);
	node_free(n);
	world_fini(&w);
}

/* The other torrent, from `r`. */
static struct transfer *full_get(struct full *u)
{
	raw_init(&u->r, &u->other, 'R');
	raw_listen(&u->r);
	raw_say_seed(&u->r);
	return world_get(&u->other, u->n, (uint16_t[]){u->r.port, 0});
}

TEST(a_download_finds_a_place_where_peers_that_are_served_have_all)
{
	struct transfer *t;
	struct full u;

	full_init(&u, true);
	t = full_get(&u);
	WAIT_FOR(u.w.loop, raw_pump(&u.a) && raw_pump(&u.b) && u.a.ended + u.b.ended > 0);
	CHECK_INT(links_of(u.n), 2);
	WAIT_FOR(u.w.loop, raw_serve(&u.r) && phase_of(t) == TRANSFER_SEEDING);
	CHECK_INT(u.a.ended + u.b.ended, 1);
	full_fini(&u);
}

TEST(a_download_takes_no_place_of_another_one)
{
	const struct address *r;
	struct transfer *t;
	struct addr at;
	struct full u;

	full_init(&u, false);
	t = full_get(&u);
	at = local(u.r.port);
	WAIT_FOR(u.w.loop, phase_of(t) == TRANSFER_DOWNLOADING);
	r = addrbook_find(&t->swarm->book, &at);
	WAIT_FOR(u.w.loop, r->due_ms > transfer_now_ms(t));
	CHECK(!r->dialled);
	CHECK_INT(links_of(u.n), 2);
	CHECK(!u.a.ended && !u.b.ended);
	full_fini(&u);
}

/* Requests that are rejected, of a peer who does not read: we stop to read, too. */
TEST(a_peer_that_reads_nothing_costs_little_memory)
{
	static const struct sample_file one = {NULL, 1u << 20, false};
	struct world w;
	struct raw r;
	struct node *n;
	uint64_t sent = 0;
	int idle = 0;

	world_init(&w, hybrid, 16 * KIB, &one, 1);
	n = world_node(&w);
	world_seed(&w, n);
	raw_init(&r, &w, 'R');
	raw_dial(&r, n, 4096);
	raw_say_hello(&r);
	while (idle < 100 && sent < (256u << 20)) {
		size_t took;

		while (r.out.len < 100000)
			raw_ask(&r, 0, 0);
		took = raw_write(&r, SIZE_MAX);
		sent += took;
		idle = took == 0 ? idle + 1 : 0;
		loop_turn(w.loop, 1);
		CHECK_INT(links_of(n), 1);
		CHECK(n->links->out.cap <= 256 * KIB && n->links->in.cap <= 256 * KIB);
	}
	CHECK(sent < (64u << 20));
	/* When it reads after all, everything is answered. */
	buf_clear(&r.out);
	r.n_rejects = 0;
	for (int i = 0; i < 2000; i++) {
		raw_read(&r, 1u << 20);
		loop_turn(w.loop, 0);
	}
	CHECK(r.n_rejects >= (sent - HANDSHAKE_LEN) / 17);
	raw_fini(&r);
	node_free(n);
	world_fini(&w);
}

/* What waits to be sent, beyond a bitfield. */
static void let_wait(struct link *l, size_t bytes)
{
	struct span to;

	buf_clear(&l->out);
	l->out_sent = 0;
	CHECK_INT(buf_reserve(&l->out, bytes, &to), 0);
	memset(to.ptr, 0, bytes);
	buf_commit(&l->out, bytes);
}

TEST(an_encrypted_link_is_read_from_while_its_own_blocks_wait)
{
	static const struct sample_file one = {NULL, 4 * 16 * KIB, false};
	const size_t most = LINK_OUT_PAUSE, blocks = WIRE_PIECE_HEAD + SWARM_RUN_BYTES;

	for (int sealed = 0; sealed < 2; sealed++) {
		struct world w;
		struct node *a, *b;
		struct transfer *t;
		struct link *l;

		world_init(&w, only_v1, 16 * KIB, &one, 1);
		a = world_node(&w);
		b = world_node(&w);
		if (sealed)
			node_set_encryption(b, NODE_ENCRYPT_REQUIRE);
		world_seed(&w, a);
		t = world_get(&w, b, (uint16_t[]){node_port(a), 0});
		WAIT_FOR(w.loop, status_of(t).swarm.peers == 1);
		l = b->links;
		CHECK_INT(link_is_sealed(l), sealed);
		let_wait(l, most + (sealed ? blocks : 0));
		CHECK(!link_is_clogged(l));
		let_wait(l, most + (sealed ? blocks : 0) + 1);
		CHECK(link_is_clogged(l));
		node_free(b);
		node_free(a);
		world_fini(&w);
	}
}

/* Messages may not cut into a block, but neither wait until the peer wants no more blocks. */
TEST(a_message_comes_between_blocks_that_never_end)
{
	static const struct sample_file one = {NULL, 16u << 20, false};
	struct world w;
	struct raw r;
	struct node *n;
	uint32_t next = 0, pieces_before;
	int room = 20000; /* less than a batch of blocks */

	world_init(&w, only_v1, 16 * KIB, &one, 1);
	n = world_node(&w);
	world_seed(&w, n);
	raw_init(&r, &w, 'R');
	raw_dial(&r, n, 8192);
	raw_say_hello(&r);
	raw_say(&r, WIRE_INTERESTED);
	WAIT_FOR(w.loop, raw_pump(&r) && r.unchoked);
	CHECK_INT(setsockopt(n->links->stream.fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
	while (next < 300)
		raw_ask(&r, next++, 0);
	for (int i = 0; i < 50; i++) {
		raw_write(&r, SIZE_MAX);
		loop_turn(w.loop, 1);
	}
	raw_ask(&r, next + 1, 7); /* there is no such block: rejected */
	pieces_before = r.n_pieces;
	while (r.n_rejects == 0 && next < w.s.m->n_pieces) {
		uint32_t had = r.n_pieces;

		raw_read(&r, 5003);
		while (had++ < r.n_pieces && next < w.s.m->n_pieces)
			raw_ask(&r, next++, 0);
		raw_write(&r, SIZE_MAX);
		loop_turn(w.loop, 0);
	}
	CHECK_INT(r.n_rejects, 1);
	CHECK(r.n_pieces - pieces_before < 400);
	raw_fini(&r);
	node_free(n);
	world_fini(&w);
}

/* ---- the disk ------------------------------------------------------------------------ */

static struct rlimit file_limit(rlim_t bytes)
{
	struct rlimit old, now;

	CHECK_INT(getrlimit(RLIMIT_FSIZE, &old), 0);
	now = (struct rlimit){.rlim_cur = bytes, .rlim_max = old.rlim_max};
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &now), 0);
	return old;
}

TEST(a_full_disk_pauses_until_there_is_room)
{
	static const struct sample_file one = {NULL, 40 * 64 * KIB, false};
	uint16_t ports[] = {0, 0};
	struct rlimit old;
	struct world w;
	struct node *a, *b;
	struct transfer *t;

	world_init(&w, hybrid, 64 * KIB, &one, 1);
	a = world_node(&w);
	b = world_node(&w);
	world_seed(&w, a);
	ports[0] = node_port(a);
	t = world_get(&w, b, ports);
	old = file_limit(10 * 64 * KIB);
	WAIT_FOR(w.loop, phase_of(t) == TRANSFER_STALLED);
	CHECK_INT(status_of(t).why.code, ERR_NOSPACE);
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &old), 0);
	WAIT_FOR(w.loop, phase_of(t) == TRANSFER_SEEDING);
	check_content(&w.s, w.out);
	CHECK_INT(pool_slabs_free(b->pool), POOL_SLABS_DEFAULT);
	node_free(b);
	node_free(a);
	world_fini(&w);
}

TEST(memory_that_runs_out_at_the_very_end_is_waited_for)
{
	static const struct sample_file one = {NULL, 16384, false};
	struct world w;
	struct node *n;
	struct transfer *t;

	world_init(&w, hybrid, 16 * KIB, &one, 1);
	n = world_node(&w);
	t = world_get(&w, n, (uint16_t[]){0});
	CHECK_INT(phase_of(t), TRANSFER_DOWNLOADING);
	transfer_on_store_event(
	    t, &(struct store_event){.type = STORE_FINISHED, .err = {ERR_NOMEM, "out of memory"}});
	CHECK_INT(phase_of(t), TRANSFER_STALLED);
	CHECK(t->retry_at_ms > 0);
	node_free(n);
	world_fini(&w);
}

TEST(a_disk_that_lost_data_ends_the_download_which_another_start_completes)
{
	static const struct sample_file one = {NULL, 40 * 64 * KIB, false};
	uint16_t ports[] = {0, 0};
	struct world w;
	struct node *a, *b;
	struct transfer *t;

	world_init(&w, only_v1, 64 * KIB, &one, 1);
	a = world_node(&w);
	b = world_node(&w);
	world_seed(&w, a);
	ports[0] = node_port(a);
	sync_fails = true;
	t = world_get(&w, b, ports);
	WAIT_FOR(w.loop, phase_of(t) == TRANSFER_FAILED);
	CHECK_INT(status_of(t).why.code, ERR_IO);
	CHECK(strstr(status_of(t).why.text, "; run the same command again") != NULL);
	CHECK(!path_exists(w.out));
	node_free(b);
	sync_fails = false;
	b = world_node(&w);
	t = world_get(&w, b, ports);
	WAIT_FOR(w.loop, phase_of(t) == TRANSFER_SEEDING);
	check_content(&w.s, w.out);
	node_free(b);
	node_free(a);
	world_fini(&w);
}

TEST(a_file_that_was_changed_is_not_offered_any_more)
{
	static const struct sample_file one = {NULL, 20 * 16384, false};
	struct world w;
	struct raw r;
	struct node *n;
	struct transfer *t;

	world_init(&w, hybrid, 16 * KIB, &one, 1);
	n = world_node(&w);
	t = world_seed(&w, n);
	file_write(w.seed, "something else", 14);
	raw_init(&r, &w, 'R');
	raw_dial(&r, n, 0);
	raw_say_hello(&r);
	raw_say(&r, WIRE_INTERESTED);
	WAIT_FOR(w.loop, raw_pump(&r) && r.unchoked);
	raw_ask(&r, 3, 0);
	WAIT_FOR(w.loop, raw_pump(&r) && r.ended);
	CHECK_INT(r.payload, 0);
	CHECK_INT(phase_of(t), TRANSFER_SEEDING);
	CHECK_INT(status_of(t).why.code, ERR_MISMATCH);
	/* The file is too short for any of them. */
	WAIT_FOR(w.loop, status_of(t).swarm.have == 0);
	CHECK_INT(status_of(t).done_bytes, 0);
	raw_fini(&r);
	node_free(n);
	world_fini(&w);
}

TEST(a_file_that_is_moved_away_is_missed_at_once_and_served_again_when_it_is_back)
{
	static const struct sample_file files[] = {
	    {"a", 5 * 16384, false}, {"d/e/b", 3 * 16384, false}, {"z", 16384, false}};
	struct world w;
	struct node *n;
	struct transfer *t;
	char path[400], away[400];

	for (int whole = 0; whole < 2; whole++) {
		world_init(&w, hybrid, 16 * KIB, files, 3);
		n = world_node(&w);
		t = world_seed(&w, n);
		snprintf(path, sizeof(path), whole ? "%s" : "%s/d/e/b", w.seed);
		snprintf(away, sizeof(away), "%s/away", w.dir);
		CHECK_INT(rename(path, away), 0);
		WAIT_FOR(w.loop, status_of(t).swarm.have == (whole ? 0 : 6));
		CHECK_INT(status_of(t).why.code, ERR_MISMATCH);
		CHECK(strstr(status_of(t).why.text, "moved away") != NULL);
		CHECK_INT(rename(away, path), 0);
		WAIT_FOR(w.loop, status_of(t).why.code == OK);
		CHECK_INT(status_of(t).swarm.have, 9);
		CHECK_INT(status_of(t).done_bytes, 9 * 16384);
		node_free(n);
		world_fini(&w);
	}
}

TEST(a_look_for_which_there_was_no_memory_is_taken_again)
{
	static const struct sample_file one = {NULL, 16384, false};
	struct world w;
	struct node *n;
	struct transfer *t;

	world_init(&w, hybrid, 16 * KIB, &one, 1);
	n = world_node(&w);
	t = world_seed(&w, n);
	CHECK_INT(unlink(w.seed), 0);
	WAIT_FOR(w.loop, status_of(t).swarm.have == 0);
	t->guard.look_at_ms = 0; /* the look that is due is this one: */
	transfer_on_store_event(
	    t, &(struct store_event){.type = STORE_LOOKED, .err = {ERR_NOMEM, "out of memory"}});
	CHECK(t->guard.look_at_ms != 0);
	CHECK_INT(status_of(t).why.code, ERR_MISMATCH);
	node_free(n);
	world_fini(&w);
}

TEST(of_a_file_that_is_changed_in_one_place_the_other_pieces_are_served_on)
{
	static const struct sample_file one = {NULL, 20 * 16384, false};
	struct world w;
	struct node *n;
	struct transfer *t;
	FILE *f;

	world_init(&w, hybrid, 16 * KIB, &one, 1);
	n = world_node(&w);
	t = world_seed(&w, n);
	f = fopen(w.seed, "r+b");
	CHECK(f != NULL);
	CHECK_INT(fseek(f, 7 * 16384 + 100, SEEK_SET), 0);
	CHECK_INT(fputs("not what it was", f), 1);
	fclose(f);
	WAIT_FOR(w.loop, status_of(t).swarm.have == 0);
	WAIT_FOR(w.loop, status_of(t).swarm.have == 19);
	CHECK_INT(status_of(t).why.code, ERR_MISMATCH);
	CHECK_INT(phase_of(t), TRANSFER_SEEDING);
	node_free(n);
	world_fini(&w);
}

TEST(a_finished_download_is_looked_after_like_a_share)
{
	static const struct sample_file files[] = {{"a", 5 * 16384, false}, {"b", 16384, false}};
	struct world w;
	struct node *a, *b;
	struct transfer *t;
	char path[400];

	world_init(&w, hybrid, 16 * KIB, files, 2);
	a = world_node(&w);
	world_seed(&w, a);
	b = world_node(&w);
	t = world_get(&w, b, (uint16_t[]){node_port(a), 0});
	WAIT_FOR(w.loop, phase_of(t) == TRANSFER_SEEDING);
	snprintf(path, sizeof(path), "%s/a", w.out);
	CHECK_INT(unlink(path), 0);
	WAIT_FOR(w.loop, status_of(t).swarm.have == 1);
	CHECK_INT(status_of(t).why.code, ERR_MISMATCH);
	node_free(b);
	node_free(a);
	world_fini(&w);
}
