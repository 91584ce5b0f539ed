/* node/fetch_peer.c - one connection of a metadata fetch: handshakes, and then nothing but
 * metadata and hashes. */
#include "node/metadata_fetch_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/entropy.h"
#include "net/tcp.h"
#include "node/dial.h"
#include "node/link.h"
#include "wire/ext.h"
#include "wire/ext_pex.h"

/* Our number for "ut_metadata". */
#define OUR_METADATA 2u
/* And for "ut_pex", which is not sent for private torrents. */
#define OUR_PEX 1u
#define READ_BYTES 16384u
/* Largest message there may be a part of, and what was read behind it. */
#define IN_MAX (WIRE_BODY_MAX + 4u + READ_BYTES)

static uint64_t now_ms(const struct fetch_peer *p)
{
	return loop_now_ms(p->f->node->loop);
}

/* ---- its end --------------------------------------------------------------------------- */

/* There is nobody who might have the metadata. */
static bool is_alone(const struct metadata_fetch *f)
{
	for (uint32_t i = 0; i < METADATA_FETCH_PEERS; i++)
		if (f->peers[i] != NULL && f->peers[i]->state == FETCH_OPEN)
			return false;
	return true;
}

static void nobody_there(struct metadata_fetch *f, struct address *a)
{
	if (is_alone(f))
		addrbook_on_failed_alone(&f->book, a, loop_now_ms(f->node->loop));
	else
		addrbook_on_failed(&f->book, a, loop_now_ms(f->node->loop));
}

static void tell_book(struct fetch_peer *p, bool ban)
{
	struct addrbook *b = &p->f->book;
	struct address *a = addrbook_find(b, &p->addr);

	if (a != NULL && p->state == FETCH_CONNECTING)
		nobody_there(p->f, a);
	else if (a != NULL && p->state == FETCH_HANDSHAKE && !p->came && is_alone(p->f))
		addrbook_on_hung_up(b, a, now_ms(p));
	else if (a != NULL)
		addrbook_on_closed(b, a, p->gave, now_ms(p));
	if (ban)
		(void)addrbook_ban(b, &p->addr, now_ms(p), SWARM_BAN_MS);
}

/* Who closes without a word may want it encrypted, or know no encryption. */
static bool wants_other_way(const struct fetch_peer *p)
{
	return p->state == FETCH_HANDSHAKE && !p->heard && !p->second && !p->came &&
	       p->f->result == ERR_AGAIN && p->f->node->encryption != NODE_ENCRYPT_REQUIRE;
}

static void dial_as(struct metadata_fetch *f, uint32_t number, struct dial d);

void fetch_peer_leave(struct fetch_peer *p)
{
	p->f->peers[p->number] = NULL;
	p->f->node->n_fetch_peers--;
}

void fetch_peer_free(struct fetch_peer *p)
{
	stream_close(&p->stream);
	buf_fini(&p->in);
	buf_fini(&p->out);
	buf_fini(&p->kept);
	mse_free(p->mse);
	free(p);
}

void fetch_peer_close(struct fetch_peer *p, const char *reason, bool ban)
{
	struct metadata_fetch *f = p->f;
	bool again = reason != NULL && wants_other_way(p);
	bool by_utp = reason != NULL && p->utp_next && p->state == FETCH_CONNECTING;
	uint32_t number = p->number;
	struct dial d = {p->addr, p->encrypt != again, .second = again,
			 .utp = by_utp || stream_is_utp(&p->stream)};
	char text[ADDR_TEXT_MAX];

	if (reason != NULL)
		node_log(f->node, "%s: metadata: %s", addr_text(text, &p->addr), reason);
	if (metadata_on_closed(f->metadata, p->number))
		ban = true;
	if (f->layers != NULL)
		layers_on_closed(f->layers, p->number);
	if (!again && !by_utp)
		tell_book(p, ban);
	fetch_peer_leave(p);
	fetch_peer_free(p);
	if (again || by_utp)
		dial_as(f, number, d);
}

/* ---- sending ---------------------------------------------------------------------------- */

void fetch_peer_seal(struct fetch_peer *p)
{
	if (!p->rc4 || p->sealed == p->out.len)
		return;
	rc4_apply(&p->to, p->out.ptr + p->sealed, p->out.len - p->sealed);
	p->sealed = p->out.len;
}

bool fetch_peer_flush(struct fetch_peer *p)
{
	fetch_peer_seal(p);
	while (p->out.len > 0) {
		ssize_t n = stream_write(&p->stream, p->out.ptr, p->out.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			fetch_peer_close(p, strerror(errno), false);
			return false;
		}
		buf_consume(&p->out, (size_t)n);
		p->sealed -= p->rc4 ? (size_t)n : 0;
	}
	stream_want(&p->stream, LOOP_READ | (p->out.len > 0 ? LOOP_WRITE : 0));
	return true;
}

/* What cannot be sent at once goes when the socket has room. */
static void say(struct fetch_peer *p, const struct wire_msg *m)
{
	(void)wire_encode(&p->out, m);
	stream_want(&p->stream, LOOP_READ | LOOP_WRITE);
}

static void say_metadata(struct fetch_peer *p, enum ext_metadata_type type, uint32_t piece)
{
	struct buf body;

	buf_init(&body, 256);
	if (p->metadata_id != 0 &&
	    ext_metadata_encode(&body, &(struct ext_metadata){.type = type, .piece = piece}) == OK)
		say(p, &(struct wire_msg){.type = WIRE_EXTENDED,
					  .ext_id = p->metadata_id,
					  .body = buf_bytes(&body)});
	buf_fini(&body);
}

void fetch_peer_ask(struct fetch_peer *p, uint32_t piece)
{
	say_metadata(p, EXT_METADATA_REQUEST, piece);
}

void fetch_peer_ask_hashes(struct fetch_peer *p, const struct wire_hash_req *req)
{
	say(p, &(struct wire_msg){.type = WIRE_HASH_REQUEST, .hash = *req});
}

void fetch_peer_say_handshake(struct fetch_peer *p, const uint8_t hash[SHA1_LEN])
{
	const struct metainfo *m = &p->f->named;
	const struct node_dht *dht = p->f->node->dht;
	struct handshake h = {.fast = true,
			      .extended = true,
			      .dht = dht != NULL && node_dht_port(dht, NULL, &p->addr) != 0,
			      .v2 = m->v2};
	uint8_t raw[HANDSHAKE_LEN];

	memcpy(h.info_hash, hash, sizeof(h.info_hash));
	memcpy(h.peer_id, p->f->node->peer_id, sizeof(h.peer_id));
	handshake_encode(&h, raw);
	(void)buf_put(&p->out, bytes_of(raw, sizeof(raw)));
}

static void say_extensions(struct fetch_peer *p, bool fast)
{
	const struct node *n = p->f->node;
	struct ext_handshake h = {.port = addr_port_for(&p->addr, n->port, n->outer_port),
				  .ut_metadata = OUR_METADATA,
				  .ut_pex = OUR_PEX,
				  .has_yourip = true,
				  .yourip = p->addr,
				  .client = "shoal " SHOAL_VERSION};
	struct buf body;

	h.yourip.port = 0;

	if (fast)
		say(p, &(struct wire_msg){.type = WIRE_HAVE_NONE});
	buf_init(&body, 512);
	if (ext_encode(&body, &h) == OK)
		say(p, &(struct wire_msg){.type = WIRE_EXTENDED, .body = buf_bytes(&body)});
	buf_fini(&body);
}

/* ---- receiving -------------------------------------------------------------------------- */

/* Where one who came to us can be dialled: the transfer will want to know. */
static void learn_port(struct fetch_peer *p, uint16_t port)
{
	struct address *a;

	p->came = false;
	p->addr.port = port;
	a = addrbook_add(&p->f->book, &p->addr, SOURCE_TRACKER, now_ms(p));
	if (a != NULL && a->state == ADDRESS_IDLE)
		addrbook_set_state(&p->f->book, a, ADDRESS_CONNECTED);
}

/* Messages are answered with false when the peer was closed. */
static bool on_extensions(struct fetch_peer *p, struct bytes body)
{
	struct ext_handshake h = {.ut_metadata = p->metadata_id};

	if (ext_decode(&h, body) < 0) {
		fetch_peer_close(p, "sent an extension handshake that cannot be read", false);
		return false;
	}
	p->metadata_id = h.ut_metadata;
	if (h.has_yourip)
		node_on_seen_as(p->f->node, &p->addr, &h.yourip);
	if (p->came && h.port != 0)
		learn_port(p, h.port);
	if (h.ut_metadata != 0 &&
	    metadata_on_size(p->f->metadata, p->number, h.metadata_size) < 0) {
		fetch_peer_close(p, "claims a size of the metadata that cannot be", false);
		return false;
	}
	return true;
}

/* It gave something that it was asked for: it may stay, and the transfer will want to dial it, if
 * it is not connected then. */
static void note_given(struct fetch_peer *p)
{
	struct address *a = addrbook_find(&p->f->book, &p->addr);

	p->gave = true;
	p->deadline_ms = now_ms(p) + METADATA_FETCH_IDLE_MS;
	if (a != NULL)
		a->good = true;
}

static bool on_metadata(struct fetch_peer *p, struct bytes body)
{
	struct ext_metadata m;
	int err = ext_metadata_decode(&m, body);
	bool taken = false;

	if (err == OK && m.type == EXT_METADATA_REQUEST)
		say_metadata(p, EXT_METADATA_REJECT, m.piece);
	else if (err == OK)
		err = metadata_on_message(p->f->metadata, p->number, &m, now_ms(p), &taken);
	if (err < 0) {
		fetch_peer_close(p,
				 err == ERR_DENIED
				     ? "gives metadata that is not what the link means"
				     : "sent a metadata message that cannot be",
				 err == ERR_DENIED);
		return false;
	}
	if (taken)
		note_given(p);
	return true;
}

static bool on_hashes(struct fetch_peer *p, const struct wire_msg *m)
{
	struct metadata_fetch *f = p->f;
	bool taken;

	if (f->layers == NULL)
		return true;
	if (layers_on_message(f->layers, p->number, m, now_ms(p), &taken) < 0) {
		fetch_peer_close(p, "gives hashes that are not the torrent's", true);
		return false;
	}
	if (taken) {
		note_given(p);
		f->layers_since_ms = now_ms(p);
	}
	return true;
}

/* Others whom it is connected to. They are dialled when everything that came was taken. */
static bool on_pex(struct fetch_peer *p, struct bytes body)
{
	struct ext_pex m;

	if (ext_pex_decode(&m, body) != OK) {
		fetch_peer_close(p, "sent a peer exchange that cannot be read", false);
		return false;
	}
	if (now_ms(p) < p->pex_at_ms)
		return true;
	p->pex_at_ms = now_ms(p) + METADATA_FETCH_PEX_MS;
	for (uint32_t i = 0; i < m.n_added; i++)
		if (addr_may_name(addr_scope(&p->addr), &m.added[i].addr))
			(void)addrbook_add(&p->f->book, &m.added[i].addr, SOURCE_PEX, now_ms(p));
	return true;
}

static bool on_message(struct fetch_peer *p, const struct wire_msg *m)
{
	if (m->type == WIRE_EXTENDED && m->ext_id == 0)
		return on_extensions(p, m->body);
	if (m->type == WIRE_EXTENDED && m->ext_id == OUR_METADATA)
		return on_metadata(p, m->body);
	if (m->type == WIRE_EXTENDED && m->ext_id == OUR_PEX)
		return on_pex(p, m->body);
	if (m->type == WIRE_HASHES || m->type == WIRE_HASH_REJECT)
		return on_hashes(p, m);
	if (m->type == WIRE_PORT && p->f->node->dht != NULL)
		node_dht_on_port(p->f->node->dht, &p->dht_told, &p->addr, m->port);
	if (m->type == WIRE_PIECE || m->type == WIRE_UNKNOWN) {
		fetch_peer_close(p, "sent what it was not asked for", false);
		return false;
	}
	return true; /* what it has, and what it would like, is of no interest yet */
}

/* What the transfer will want to hear: what it has, can do and would like. */
static bool is_for_later(const struct wire_msg *m)
{
	switch (m->type) {
	case WIRE_HASHES:
	case WIRE_HASH_REJECT:
	case WIRE_KEEPALIVE:
	case WIRE_PORT:
		return false;
	default:
		return m->type != WIRE_EXTENDED || m->ext_id != OUR_METADATA;
	}
}

bool fetch_peer_take_hello(struct fetch_peer *p, const struct handshake *h)
{
	const struct metainfo *m = &p->f->named;

	if (!meta_has_swarm_hash(m, h->info_hash) || !h->extended ||
	    memcmp(h->peer_id, p->f->node->peer_id, sizeof(h->peer_id)) == 0) {
		fetch_peer_close(p, "is no peer that has metadata for us", false);
		return false;
	}
	p->hello = *h;
	p->v2 = m->v2 && (h->v2 || memcmp(h->info_hash, m->hash_v2, sizeof(h->info_hash)) == 0);
	p->state = FETCH_OPEN;
	p->deadline_ms = now_ms(p) + METADATA_FETCH_IDLE_MS;
	say_extensions(p, h->fast);
	if (p->v2 && p->f->layers != NULL)
		layers_on_peer(p->f->layers, p->number);
	return true;
}

/* Returns bytes used, 0 for more, -1 when it was closed. */
static int on_handshake(struct fetch_peer *p, struct bytes in)
{
	struct handshake h;
	int used = handshake_decode(&h, in);

	if (used < 0)
		fetch_peer_close(p, "is no peer that has metadata for us", false);
	return used <= 0 || fetch_peer_take_hello(p, &h) ? used : -1;
}

/* One step through the stream. Returns bytes used, 0 when more is needed, -1 when it was closed. */
static int take_one(struct fetch_peer *p, struct bytes in)
{
	struct wire_msg m;
	int n;

	if (p->state == FETCH_HANDSHAKE)
		return on_handshake(p, in);
	n = wire_decode(&m, in);
	if (n < 0) {
		fetch_peer_close(p, "sent a malformed message", false);
		return -1;
	}
	if (n > 0 && !on_message(p, &m))
		return -1;
	if (n > 0 && is_for_later(&m))
		(void)buf_put(&p->kept, bytes_sub(in, 0, (size_t)n));
	return n;
}

bool fetch_peer_take(struct fetch_peer *p)
{
	size_t used = 0;

	while (used < p->in.len) {
		int n = take_one(p, bytes_sub(buf_bytes(&p->in), used, p->in.len - used));

		if (n < 0)
			return false;
		if (n == 0)
			break;
		used += (size_t)n;
	}
	buf_consume(&p->in, used);
	return true;
}

/* ---- encryption beneath it --------------------------------------------------------------- */

/* Our handshake, which waits to be sent, goes along with the choice of a cipher. */
static int begin_crypt(struct fetch_peer *p)
{
	uint8_t hello[HANDSHAKE_LEN], random[MSE_RANDOM_BYTES];
	struct mse_params mp = {.random = random,
				.skey = meta_swarm_hash(&p->f->named),
				.initial = bytes_of(hello, sizeof(hello))};

	if (p->out.len != sizeof(hello))
		return ERR_NOMEM;
	memcpy(hello, p->out.ptr, sizeof(hello));
	buf_clear(&p->out);
	link_crypt_policy(p->f->node, &mp);
	entropy_fill(random, sizeof(random));
	return mse_new(&mp, &p->out, &p->mse);
}

/* Bytes as they were read become, in place, bytes of the stream: returns how many, -1 when the peer
 * was closed. */
static ssize_t decrypt(struct fetch_peer *p, uint8_t *data, size_t n)
{
	int used = 0;

	if (p->mse != NULL) {
		used = mse_take(p->mse, bytes_of(data, n), &p->out);
		if (used < 0) {
			fetch_peer_close(p, "no encrypted handshake", false);
			return -1;
		}
		if (!mse_is_done(p->mse))
			return 0;
		p->rc4 = mse_chosen(p->mse) == MSE_RC4;
		mse_ciphers(p->mse, &p->from, &p->to);
		p->sealed = p->out.len;
		mse_free(p->mse);
		p->mse = NULL;
		n -= (size_t)used;
		memmove(data, data + used, n);
	}
	if (p->rc4)
		rc4_apply(&p->from, data, n);
	return (ssize_t)n;
}

static bool read_some(struct fetch_peer *p)
{
	for (int round = 0; round < 4; round++) {
		struct span to;
		ssize_t n;

		if (buf_reserve(&p->in, READ_BYTES, &to) < 0) {
			fetch_peer_close(p, "out of memory", false);
			return false;
		}
		n = stream_readv(&p->stream, &(struct iovec){to.ptr, to.len}, 1);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (n <= 0) {
			fetch_peer_close(p, n == 0 ? "closed the connection" : strerror(errno),
					 false);
			return false;
		}
		p->heard = true;
		stream_ack_now(&p->stream);
		n = decrypt(p, to.ptr, (size_t)n);
		if (n < 0)
			return false;
		buf_commit(&p->in, (size_t)n);
		if (!fetch_peer_take(p))
			return false;
	}
	return true;
}

/* Between messages most peers are silent for long. */
static void release_empty(struct buf *b)
{
	size_t max = b->max;

	if (b->len > 0 || b->err != OK)
		return;
	buf_fini(b);
	buf_init(b, max);
}

static bool on_connected(struct fetch_peer *p)
{
	int err = stream_result(&p->stream);

	if (err != OK) {
		fetch_peer_close(p, err_text(err), false);
		return false;
	}
	if (!stream_is_utp(&p->stream))
		tcp_tune(p->stream.fd);
	p->state = FETCH_HANDSHAKE;
	p->deadline_ms = now_ms(p) + NODE_HANDSHAKE_MS;
	fetch_peer_say_handshake(p, meta_swarm_hash(&p->f->named));
	if (p->encrypt && begin_crypt(p) != OK) {
		fetch_peer_close(p, NULL, false);
		return false;
	}
	return fetch_peer_flush(p);
}

static void on_ready(void *arg, unsigned ready)
{
	struct fetch_peer *p = arg;
	struct metadata_fetch *f = p->f;
	struct node *n = f->node;
	bool open = true;

	if (p->state == FETCH_CONNECTING)
		open = on_connected(p);
	else if ((ready & LOOP_READ) != 0)
		open = read_some(p);
	if (open && p->out.err != OK)
		fetch_peer_close(p, "does not read what it is sent", false);
	else if (open && fetch_peer_flush(p))
		release_empty(&p->in);
	fetch_go_on(f);
	node_settle(n);
}

struct fetch_peer *fetch_peer_new(struct metadata_fetch *f, uint32_t number, struct stream *stream,
				  const struct addr *to)
{
	struct fetch_peer *p = calloc(1, sizeof(*p));

	if (p == NULL || stream_move(&p->stream, stream, f->node->loop, on_ready, p) != OK) {
		stream_close(stream);
		free(p);
		return NULL;
	}
	p->f = f;
	p->number = number;
	p->addr = p->remote = *to;
	p->state = FETCH_CONNECTING;
	p->deadline_ms = now_ms(p) + NODE_HANDSHAKE_MS;
	buf_init(&p->in, IN_MAX);
	buf_init(&p->out, METADATA_FETCH_OUT_MAX);
	buf_init(&p->kept, METADATA_FETCH_KEPT_MAX);
	f->peers[number] = p;
	f->node->n_fetch_peers++;
	return p;
}

static void dial_as(struct metadata_fetch *f, uint32_t number, struct dial d)
{
	struct address *a = addrbook_find(&f->book, &d.to);
	uint64_t now = loop_now_ms(f->node->loop);
	struct fetch_peer *p = NULL;
	struct stream s;
	int err = dial_begin(f->node, &d, &s);

	if (err == OK) {
		p = fetch_peer_new(f, number, &s, &d.to);
		err = p == NULL ? ERR_NOMEM : OK;
	}
	if (a != NULL && dial_is_want(err))
		addrbook_put_off(&f->book, a, ADDRBOOK_RETRY_MS, now);
	else if (a != NULL && err != OK)
		nobody_there(f, a);
	if (p == NULL)
		return;
	p->encrypt = d.encrypt;
	p->second = d.second;
	p->utp_next = d.utp_next;
	p->deadline_ms = dial_deadline_ms(f->node, &d);
	stream_want(&p->stream, LOOP_WRITE);
}

void fetch_peer_dial(struct metadata_fetch *f, uint32_t number, const struct addr *to)
{
	dial_as(f, number, dial_first(f->node, to));
}
