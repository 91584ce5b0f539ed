/* tests/unit/node_fixture.h - nodes of one process on one loop, and a peer in the test that says
 * whatever bytes it likes. */
#ifndef SHOAL_NODE_FIXTURE_H
#define SHOAL_NODE_FIXTURE_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>

#include "node/link.h"
#include "store_fixture.h"
#include "wire/ext.h"
#include "wire/handshake.h"
#include "wire/msg.h"

/* include "test.h" before this */

/* Nothing here takes longer, on a slow machine under a sanitizer. */
#define PATIENCE_MS 60000u

/* Turn the loop until `cond` holds. */
#define WAIT_FOR(loop, cond)                                                                       \
	do {                                                                                       \
		uint64_t until_ms = clock_ms() + PATIENCE_MS;                                      \
		while (!(cond)) {                                                                  \
			if (clock_ms() > until_ms)                                                 \
				fail_msg("still waiting for %s", #cond);                           \
			loop_turn(loop, 2);                                                        \
		}                                                                                  \
	} while (0)

static inline uint64_t clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* A sample, a loop, and DIR/seed with the sample's files. */
struct world {
	struct sample s;
	struct loop *loop;
	char dir[256], seed[300], out[300];
};

static inline void write_file(const struct world *w, const struct meta_file *f)
{
	char path[8192];

	snprintf(path, sizeof(path), w->s.m->single ? "%s" : "%s/%s", w->seed, f->path);
	for (char *c = strchr(path + strlen(w->seed), '/'); c != NULL; c = strchr(c + 1, '/')) {
		*c = '\0';
		(void)mkdir(path, 0700);
		*c = '/';
	}
	file_write(path, w->s.space + f->offset, f->length);
}

static inline void world_init(struct world *w, struct kind k, uint32_t piece_length,
			      const struct sample_file *files, size_t n)
{
	sample_make(&w->s, k.v1, k.v2, piece_length, files, n);
	dir_make(w->dir, sizeof(w->dir));
	snprintf(w->seed, sizeof(w->seed), "%s/seed", w->dir);
	snprintf(w->out, sizeof(w->out), "%s/out", w->dir);
	CHECK_INT(loop_new(&w->loop), 0);
	for (uint32_t i = 0; i < w->s.m->n_files; i++) {
		if ((w->s.m->files[i].flags & META_FILE_PAD) == 0)
			write_file(w, &w->s.m->files[i]);
	}
}

static inline void world_fini(struct world *w)
{
	loop_free(w->loop);
	dir_remove(w->dir);
	sample_free(&w->s);
}

static inline struct node *world_node(struct world *w)
{
	struct node_params p = {.loop = w->loop, .listen_host = "127.0.0.1", .workers = 1};
	struct node *n;

	CHECK_INT(node_new(&p, &n, NULL), 0);
	return n;
}

static inline struct addr local(uint16_t port)
{
	static const uint8_t ip[4] = {127, 0, 0, 1};
	struct addr a;

	CHECK_INT(addr_from_ip(&a, bytes_of(ip, 4), port), 0);
	return a;
}

/* The node takes the parsed torrent over, so each one gets its own. */
static inline struct transfer_params world_params(const struct world *w, const char *path)
{
	struct transfer_params p = {.torrent = buf_bytes(&w->s.torrent), .path = path};

	CHECK_INT(meta_parse(p.torrent, &p.meta), META_OK);
	return p;
}

static inline struct transfer *world_seed(struct world *w, struct node *n)
{
	struct transfer_params p = world_params(w, w->seed);
	struct transfer *t;

	p.seed = true;
	CHECK_INT(node_add(n, &p, &t, NULL), 0);
	return t;
}

/* A download to DIR/out, which dials `ports`, ended by 0. */
static inline struct transfer *world_get(struct world *w, struct node *n, const uint16_t *ports)
{
	struct transfer_params p = world_params(w, w->out);
	struct err_info info = {.code = OK};
	struct addr peers[8];
	struct transfer *t;

	for (; ports[p.n_peers] != 0; p.n_peers++)
		peers[p.n_peers] = local(ports[p.n_peers]);
	p.peers = peers;
	node_add(n, &p, &t, &info);
	CHECK_STR(info.text, "");
	return t;
}

static inline struct transfer_status status_of(const struct transfer *t)
{
	struct transfer_status st;

	transfer_status(t, &st);
	return st;
}

static inline enum transfer_phase phase_of(const struct transfer *t)
{
	return status_of(t).phase;
}

static inline uint32_t links_of(const struct node *n)
{
	return n->n_links;
}

/* ---- the peer in the test ------------------------------------------------------------ */

#define ASKED_MAX 4096

struct raw {
	struct world *w;
	int listener, fd; /* -1 none */
	uint16_t port;
	uint8_t id[20];
	struct buf in, out;
	bool shaken, ended;
	struct handshake theirs;
	struct block_ref asked[ASKED_MAX]; /* requests that came, oldest first */
	uint32_t n_asked;
	uint32_t n_cancels, n_rejects, n_haves, n_pieces;
	bool runs; /* it takes and gives blocks in runs */
	bool have_all, unchoked, interested;
	uint64_t payload;
};

static inline void raw_init(struct raw *r, struct world *w, char name)
{
	*r = (struct raw){.w = w, .listener = -1, .fd = -1};
	memset(r->id, name, sizeof(r->id));
	buf_init(&r->in, 64u << 20);
	buf_init(&r->out, 64u << 20);
}

static inline void raw_hang_up(struct raw *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
}

static inline void raw_fini(struct raw *r)
{
	raw_hang_up(r);
	if (r->listener >= 0)
		close(r->listener);
	buf_fini(&r->in);
	buf_fini(&r->out);
}

/* Small writes shall leave at once. */
static inline void raw_hurry(const struct raw *r)
{
	int one = 1;

	if (r->fd >= 0)
		CHECK_INT(setsockopt(r->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), 0);
}

static inline struct sockaddr_in sockaddr_of(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons(port),
				    .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
}

static inline void raw_listen(struct raw *r)
{
	struct sockaddr_in at = sockaddr_of(0);
	socklen_t len = sizeof(at);

	r->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CHECK(r->listener >= 0);
	CHECK_INT(bind(r->listener, (struct sockaddr *)&at, len), 0);
	CHECK_INT(listen(r->listener, 8), 0);
	CHECK_INT(getsockname(r->listener, (struct sockaddr *)&at, &len), 0);
	r->port = ntohs(at.sin_port);
}

/* `room`: of the receive buffer; 0: as it comes. */
static inline void raw_dial(struct raw *r, const struct node *n, int room)
{
	struct sockaddr_in at = sockaddr_of(node_port(n));

	r->fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(r->fd >= 0);
	if (room > 0)
		CHECK_INT(setsockopt(r->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)), 0);
	CHECK_INT(connect(r->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	CHECK_INT(fcntl(r->fd, F_SETFL, O_NONBLOCK), 0);
	raw_hurry(r);
}

/* Send what the socket takes, at most `most` bytes. */
static inline size_t raw_write(struct raw *r, size_t most)
{
	size_t n = r->out.len < most ? r->out.len : most;
	ssize_t took = n > 0 && r->fd >= 0 ? send(r->fd, r->out.ptr, n, MSG_NOSIGNAL) : 0;

	if (took <= 0)
		return 0;
	buf_consume(&r->out, (size_t)took);
	return (size_t)took;
}

static inline void raw_note(struct raw *r, const struct wire_msg *m)
{
	if (m->type == WIRE_REQUEST && r->n_asked < ASKED_MAX)
		r->asked[r->n_asked++] = (struct block_ref){m->index, m->begin, m->length};
	r->n_cancels += m->type == WIRE_CANCEL;
	r->n_rejects += m->type == WIRE_REJECT;
	r->n_haves += m->type == WIRE_HAVE;
	r->n_pieces += m->type == WIRE_PIECE;
	if (m->type == WIRE_PIECE)
		r->payload += m->body.len;
	r->have_all = r->have_all || m->type == WIRE_HAVE_ALL;
	r->interested = r->interested || m->type == WIRE_INTERESTED;
	r->unchoked = r->unchoked || m->type == WIRE_UNCHOKE;
}

static inline void raw_parse(struct raw *r)
{
	size_t at = 0;
	int n = 1;

	if (!r->shaken) {
		n = handshake_decode(&r->theirs, buf_bytes(&r->in));
		CHECK(n >= 0);
		r->shaken = n > 0;
		at = (size_t)n;
	}
	while (r->shaken && n > 0) {
		struct wire_msg m;

		n = wire_decode(&m, bytes_sub(buf_bytes(&r->in), at, r->in.len - at));
		CHECK(n >= 0);
		if (n > 0)
			raw_note(r, &m);
		at += (size_t)n;
	}
	buf_consume(&r->in, at);
}

/* Read at most `most` bytes that are there. */
static inline void raw_read(struct raw *r, size_t most)
{
	struct span to;
	ssize_t n;

	if (r->fd < 0 || buf_reserve(&r->in, most, &to) != 0)
		return;
	n = recv(r->fd, to.ptr, to.len, 0);
	if (n > 0)
		buf_commit(&r->in, (size_t)n);
	r->ended = r->ended || n == 0 || (n < 0 && errno != EAGAIN);
	raw_parse(r);
}

/* Accept, read all, write all that goes. Always true, for WAIT_FOR. */
static inline bool raw_pump(struct raw *r)
{
	if (r->fd < 0 && r->listener >= 0) {
		r->fd = accept4(r->listener, NULL, NULL, SOCK_NONBLOCK);
		raw_hurry(r);
	}
	raw_read(r, 1u << 20);
	raw_write(r, SIZE_MAX);
	return true;
}

static inline void raw_put(struct raw *r, const struct wire_msg *m)
{
	CHECK_INT(wire_encode(&r->out, m), 0);
}

static inline void raw_say(struct raw *r, enum wire_type type)
{
	raw_put(r, &(struct wire_msg){.type = type});
}

static inline void raw_say_hello(struct raw *r)
{
	struct handshake h = {.fast = true, .extended = r->runs, .v2 = r->w->s.m->v2};
	struct ext_handshake ext = {.run_bytes = SWARM_RUN_BYTES};
	uint8_t bytes[HANDSHAKE_LEN];
	struct buf body;

	memcpy(h.info_hash, meta_swarm_hash(r->w->s.m), sizeof(h.info_hash));
	memcpy(h.peer_id, r->id, sizeof(h.peer_id));
	handshake_encode(&h, bytes);
	CHECK_INT(buf_put(&r->out, bytes_of(bytes, sizeof(bytes))), 0);
	if (!r->runs)
		return;
	buf_init(&body, 1000);
	CHECK_INT(ext_encode(&body, &ext), 0);
	raw_put(r, &(struct wire_msg){.type = WIRE_EXTENDED, .body = buf_bytes(&body)});
	buf_fini(&body);
}

/* As a seed that lets everybody download. */
static inline void raw_say_seed(struct raw *r)
{
	raw_say_hello(r);
	raw_say(r, WIRE_HAVE_ALL);
	raw_say(r, WIRE_UNCHOKE);
}

static inline void raw_put_block(struct raw *r, const struct block_ref *b)
{
	const struct sample *s = &r->w->s;
	struct wire_msg m = {.type = WIRE_PIECE, .index = b->piece, .begin = b->begin};

	m.body = bytes_of(s->space + (uint64_t)b->piece * s->m->piece_length + b->begin, b->length);
	raw_put(r, &m);
}

/* Answer every request that came. Always true. */
static inline bool raw_serve(struct raw *r)
{
	raw_pump(r);
	for (uint32_t i = 0; i < r->n_asked; i++)
		raw_put_block(r, &r->asked[i]);
	r->n_asked = 0;
	raw_write(r, SIZE_MAX);
	return true;
}

static inline void raw_ask(struct raw *r, uint32_t piece, uint32_t block)
{
	raw_put(r, &(struct wire_msg){.type = WIRE_REQUEST,
				      .index = piece,
				      .begin = block * BLOCK_BYTES,
				      .length = meta_block_bytes(r->w->s.m, piece, block)});
}

/* A node with two places, both taken by peers of one torrent that it serves, or fetches from. */
struct full {
	struct world w, other;
	struct raw a, b, r; /* r: for the test to begin, of the other torrent */
	struct node *n;
};

static inline void full_init(struct full *u, bool serves)
{
	static const struct sample_file one = {NULL, 100000, false};

	world_init(&u->w, (struct kind){true, false}, 16384, &one, 1);
	world_init(&u->other, (struct kind){true, false}, 32768, &one, 1);
	u->n = world_node(&u->w);
	node_set_quota(u->n, &(struct quota){.max_peers = 2});
	raw_init(&u->a, &u->w, 'A');
	raw_init(&u->b, &u->w, 'B');
	if (serves) {
		world_seed(&u->w, u->n);
		raw_dial(&u->a, u->n, 0);
		raw_dial(&u->b, u->n, 0);
	} else {
		raw_listen(&u->a);
		raw_listen(&u->b);
		world_get(&u->w, u->n, (uint16_t[]){u->a.port, u->b.port, 0});
	}
	raw_say_hello(&u->a);
	raw_say_hello(&u->b);
	WAIT_FOR(u->w.loop, raw_pump(&u->a) && raw_pump(&u->b) && u->a.shaken && u->b.shaken);
}

static inline void full_fini(struct full *u)
{
	raw_fini(&u->a);
	raw_fini(&u->b);
	raw_fini(&u->r);
	node_free(u->n);
	world_fini(&u->w);
	world_fini(&u->other);
}

#endif
