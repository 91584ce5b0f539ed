#include "test.h"

#include "node_fixture.h"

#include "node/metadata_fetch_impl.h"
#include "wire/ext_metadata.h"
#include "wire/ext_pex.h"

/* Our number for the extension, and the peer's. */
#define OURS 2
#define THEIRS 9

static const struct sample_file one = {NULL, 100000, false};

static void say_extended(struct raw *r, uint8_t id, struct buf *body)
{
	raw_put(r,
		&(struct wire_msg){.type = WIRE_EXTENDED, .ext_id = id, .body = buf_bytes(body)});
	buf_fini(body);
}

/* `bytes`: of the metadata that it has; 0: it has none. */
static void say_extensions(struct raw *r, size_t bytes)
{
	struct ext_handshake ext = {.ut_metadata = bytes > 0 ? THEIRS : 0,
				    .metadata_size = (uint32_t)bytes};
	struct buf body;

	buf_init(&body, 1000);
	CHECK_INT(ext_encode(&body, &ext), 0);
	say_extended(r, 0, &body);
}

static void say_hello(struct raw *r, size_t bytes)
{
	struct handshake h = {.extended = true};
	uint8_t raw[HANDSHAKE_LEN];

	memcpy(h.info_hash, r->w->s.m->hash_v1, sizeof(h.info_hash));
	memcpy(h.peer_id, r->id, sizeof(h.peer_id));
	handshake_encode(&h, raw);
	CHECK_INT(buf_put(&r->out, bytes_of(raw, sizeof(raw))), 0);
	say_extensions(r, bytes);
}

static void give_metadata(struct raw *r)
{
	struct bytes info = r->w->s.m->info;
	struct ext_metadata m = {
	    .type = EXT_METADATA_DATA, .total_bytes = (uint32_t)info.len, .data = info};
	struct buf body;

	buf_init(&body, 1u << 20);
	CHECK_INT(ext_metadata_encode(&body, &m), 0);
	say_extended(r, OURS, &body);
}

static uint32_t pieces_asked(const struct metadata_fetch *f)
{
	struct metadata_fetch_status st;

	metadata_fetch_status(f, &st);
	return st.pieces;
}

static void on_ready(void *user)
{
	(void)user;
}

/* A link to it by v1's name alone, and a peer that has its metadata. */
static struct metadata_fetch *begin(struct world *w, struct raw *r, struct node *n)
{
	struct magnet link = {.has_v1 = true};
	struct metadata_fetch_params p = {
	    .node = n, .magnet = &link, .n_peers = 1, .ready = on_ready};
	struct metadata_fetch *f;
	struct addr peer;

	raw_init(r, w, 'R');
	raw_listen(r);
	peer = local(r->port);
	p.peers = &peer;
	memcpy(link.hash_v1, w->s.m->hash_v1, SHA1_LEN);
	CHECK_INT(metadata_fetch_new(&p, &f), OK);
	return f;
}

/* A node that asks what a link to `k` means, of a peer that has not said anything yet. */
struct asking {
	struct metadata_fetch *f;
	struct world w;
	struct raw r;
	struct node *n;
};

static void ask(struct asking *a, struct kind k)
{
	world_init(&a->w, k, 16384, &one, 1);
	a->n = world_node(&a->w);
	a->f = begin(&a->w, &a->r, a->n);
}

static void end(struct asking *a)
{
	metadata_fetch_free(a->f);
	raw_fini(&a->r);
	node_free(a->n);
	world_fini(&a->w);
}

TEST(a_link_by_v1s_name_to_a_hybrid_is_found_by_v2s_in_encrypted_handshakes_too)
{
	uint8_t key[SHA1_LEN], hash[SHA1_LEN];
	struct asking a;

	ask(&a, (struct kind){true, true});
	mse_lookup_key(a.w.s.m->hash_v2, key);
	CHECK(metadata_fetch_by_key(a.n, key, hash) == NULL);
	say_hello(&a.r, a.w.s.m->info.len);
	WAIT_FOR(a.w.loop, raw_pump(&a.r) && pieces_asked(a.f) > 0);
	give_metadata(&a.r);
	WAIT_FOR(a.w.loop, raw_pump(&a.r) && a.f->info != NULL);
	CHECK(metadata_fetch_by_key(a.n, key, hash) == a.f);
	CHECK_MEM(hash, a.w.s.m->hash_v2, SHA1_LEN);
	mse_lookup_key(a.w.s.m->hash_v1, key);
	CHECK(metadata_fetch_by_key(a.n, key, hash) == a.f);
	CHECK_MEM(hash, a.w.s.m->hash_v1, SHA1_LEN);
	end(&a);
}

/* Somebody else starts the other end a moment later. */
TEST(whom_a_link_names_is_dialled_again_soon_while_nobody_is_there)
{
	uint64_t began_ms;
	struct asking a;

	ask(&a, (struct kind){true, false});
	close(a.r.listener);
	a.r.listener = -1;
	began_ms = clock_ms();
	WAIT_FOR(a.w.loop, a.f->book.list[0].failures > 1);
	CHECK(clock_ms() - began_ms < ADDRBOOK_RETRY_MS / 2);
	end(&a);
}

TEST(metadata_that_nobody_asked_for_is_nothing_given_O_20)
{
	struct asking a;

	ask(&a, (struct kind){true, false});
	say_hello(&a.r, 0);
	give_metadata(&a.r);
	/* Once some of these have come it has come, too. */
	for (int i = 0; i < 50; i++)
		raw_put(&a.r, &(struct wire_msg){.type = WIRE_HAVE});
	WAIT_FOR(a.w.loop,
		 raw_pump(&a.r) && a.f->peers[0] != NULL && a.f->peers[0]->kept.len > 300);
	CHECK(!a.f->peers[0]->gave);
	say_extensions(&a.r, a.w.s.m->info.len);
	WAIT_FOR(a.w.loop, raw_pump(&a.r) && pieces_asked(a.f) > 0);
	give_metadata(&a.r);
	WAIT_FOR(a.w.loop, raw_pump(&a.r) && a.f->result == OK);
	CHECK(a.f->peers[0]->gave);
	end(&a);
}

TEST(a_link_finds_a_place_where_peers_that_are_served_have_all_and_its_transfer_has_that_then)
{
	struct transfer_params p;
	struct metadata_fetch *f;
	struct transfer *t;
	struct full u;

	full_init(&u, true);
	f = begin(&u.other, &u.r, u.n);
	say_hello(&u.r, u.other.s.m->info.len);
	WAIT_FOR(u.w.loop, raw_pump(&u.r) && pieces_asked(f) > 0);
	WAIT_FOR(u.w.loop, raw_pump(&u.a) && raw_pump(&u.b) && u.a.ended + u.b.ended > 0);
	CHECK_INT(links_of(u.n), 1);
	give_metadata(&u.r);
	WAIT_FOR(u.w.loop, raw_pump(&u.r) && f->result == OK);
	p = world_params(&u.other, u.other.out);
	p.fetch = f;
	CHECK_INT(node_add(u.n, &p, &t, NULL), OK);
	metadata_fetch_free(f);
	CHECK_INT(links_of(u.n), 2);
	CHECK_INT(u.a.ended + u.b.ended, 1);
	CHECK_INT(status_of(t).swarm.peers, 1);
	full_fini(&u);
}

TEST(a_link_takes_no_place_of_a_download)
{
	struct metadata_fetch *f;
	struct full u;

	full_init(&u, false);
	f = begin(&u.other, &u.r, u.n);
	WAIT_FOR(u.w.loop, f->book.list[0].due_ms > loop_now_ms(u.w.loop));
	CHECK(f->peers[0] == NULL);
	CHECK_INT(links_of(u.n), 2);
	metadata_fetch_free(f);
	full_fini(&u);
}

TEST(when_there_may_be_fewer_connections_those_of_a_link_go_too_who_said_nothing_first)
{
	struct asking a;
	struct raw mute;
	struct addr at;

	ask(&a, (struct kind){true, false});
	raw_init(&mute, &a.w, 'M');
	raw_listen(&mute);
	at = local(mute.port);
	metadata_fetch_on_addresses(a.f, &at, 1, SOURCE_TRACKER);
	say_hello(&a.r, 0);
	WAIT_FOR(a.w.loop, raw_pump(&a.r) && raw_pump(&mute) && a.n->n_fetch_peers == 2 &&
			       a.f->peers[0]->state == FETCH_OPEN &&
			       a.f->peers[1]->state != FETCH_CONNECTING);
	node_set_quota(a.n, &(struct quota){.max_peers = 1});
	CHECK_INT(a.n->n_fetch_peers, 1);
	CHECK(a.f->peers[0] != NULL);
	raw_fini(&mute);
	end(&a);
}

/* Who has most gives first: of two and one it is one of the two. */
TEST(when_there_may_be_fewer_connections_a_link_keeps_its_only_one_before_a_download_its_second)
{
	struct metadata_fetch *f;
	struct full u;

	full_init(&u, false);
	node_set_quota(u.n, &(struct quota){.max_peers = 3});
	f = begin(&u.other, &u.r, u.n);
	WAIT_FOR(u.w.loop, raw_pump(&u.r) && u.n->n_fetch_peers == 1);
	CHECK_INT(links_of(u.n), 2);
	node_set_quota(u.n, &(struct quota){.max_peers = 2});
	CHECK_INT(links_of(u.n), 1);
	CHECK_INT(u.n->n_fetch_peers, 1);
	metadata_fetch_free(f);
	full_fini(&u);
}

/* Its number for peer exchange is 1, as its handshake says. */
TEST(a_stranger_who_is_asked_what_a_link_means_names_no_addresses_of_ours)
{
	const struct ext_pex m = {.n_added = 3,
				  .added = {{.addr = {.ip = {127, 0, 0, 1}, .port = 1}},
					    {.addr = {.ip = {192, 168, 7, 7}, .port = 1}},
					    {.addr = {.ip = {203, 0, 113, 77}, .port = 1}}}};
	struct asking a;
	struct buf body;

	ask(&a, (struct kind){true, false});
	say_hello(&a.r, 0);
	WAIT_FOR(a.w.loop,
		 raw_pump(&a.r) && a.f->peers[0] != NULL && a.f->peers[0]->state == FETCH_OPEN);
	a.f->peers[0]->addr.ip[0] = 203; /* as if it were there */
	buf_init(&body, 1000);
	CHECK_INT(ext_pex_encode(&body, &m), OK);
	say_extended(&a.r, 1, &body);
	WAIT_FOR(a.w.loop, raw_pump(&a.r) && a.f->book.n > 1);
	CHECK_INT(a.f->book.n, 2);
	CHECK_INT(a.f->book.list[1].addr.ip[0], 203);
	end(&a);
}
