#include "wire/krpc.h"

#define ID_LEN 20u
#define KEY_LEN 32u
#define SIG_LEN 64u
#define NODE_V4 26u
#define NODE_V6 38u
#define ENDPOINT_V4 6u

static const char *const method_names[] = {
    [KRPC_PING] = "ping",
    [KRPC_FIND_NODE] = "find_node",
    [KRPC_GET_PEERS] = "get_peers",
    [KRPC_ANNOUNCE_PEER] = "announce_peer",
    [KRPC_GET] = "get",
    [KRPC_PUT] = "put",
    [KRPC_SAMPLE] = "sample_infohashes",
};
#define N_METHODS (sizeof(method_names) / sizeof(method_names[0]))

/* ---- endpoints ----------------------------------------------------------- */

size_t krpc_endpoint_put(uint8_t out[KRPC_ENDPOINT_MAX], const struct addr *a)
{
	size_t len = a->v6 ? 16 : 4;

	memcpy(out, a->ip, len);
	put_be16(out + len, a->port);
	return len + 2;
}

int krpc_endpoint_get(struct bytes in, struct addr *out)
{
	if (in.len != ENDPOINT_V4 && in.len != KRPC_ENDPOINT_MAX)
		return ERR_PROTO;
	return addr_from_ip(out, bytes_sub(in, 0, in.len - 2), be16(in.ptr + in.len - 2));
}

/* ---- reading ------------------------------------------------------------- */

static const uint8_t *find_exact(const struct benc *dict, const char *key, size_t len)
{
	struct bytes s;

	return benc_find_str(dict, key, &s) && s.len == len ? s.ptr : NULL;
}

/* Whole entries; what is left over at the end makes the list worthless. */
static struct bytes find_entries(const struct benc *dict, const char *key, size_t len)
{
	struct bytes s;

	if (!benc_find_str(dict, key, &s) || s.len % len != 0)
		return bytes_of(NULL, 0);
	return s;
}

static enum krpc_method method_of(struct bytes name)
{
	for (size_t i = KRPC_PING; i < N_METHODS; i++)
		if (bytes_eq(name, bytes_str(method_names[i])))
			return (enum krpc_method)i;
	return KRPC_UNKNOWN;
}

static unsigned read_want(const struct benc *args)
{
	struct benc list, one;
	struct benc_iter it;
	unsigned want = 0;

	if (!benc_find_list(args, "want", &list))
		return 0;
	it = benc_iter(&list);
	while (benc_next(&it, NULL, &one)) {
		if (one.type != BENC_STR)
			continue;
		if (bytes_eq(one.str, bytes_str("n4")))
			want |= KRPC_WANT_4;
		else if (bytes_eq(one.str, bytes_str("n6")))
			want |= KRPC_WANT_6;
	}
	return want;
}

/* What BEP 44 stores, in queries and replies alike. Returns 0 or the fault. */
static int read_item(const struct benc *dict, struct krpc *out)
{
	struct benc v;

	out->key = find_exact(dict, "k", KEY_LEN);
	out->sig = find_exact(dict, "sig", SIG_LEN);
	out->has_seq = benc_find_int(dict, "seq", &out->seq);
	out->has_cas = benc_find_int(dict, "cas", &out->cas);
	if (!benc_find_str(dict, "salt", &out->salt))
		out->salt = bytes_of(NULL, 0);
	if (out->salt.len > KRPC_SALT_MAX)
		return KRPC_FAULT_SALT_SIZE;
	if (benc_find(dict, "v", &v))
		out->v = v.raw;
	return out->v.len > KRPC_VALUE_MAX ? KRPC_FAULT_VALUE_SIZE : 0;
}

static void read_token(const struct benc *dict, struct krpc *out)
{
	if (!benc_find_str(dict, "token", &out->token) || out->token.len > KRPC_TOKEN_MAX)
		out->token = bytes_of(NULL, 0);
}

static bool has_needed(const struct krpc *m)
{
	switch (m->method) {
	case KRPC_FIND_NODE:
	case KRPC_GET_PEERS:
	case KRPC_GET:
	case KRPC_SAMPLE:
		return m->target != NULL;
	case KRPC_ANNOUNCE_PEER:
		return m->target != NULL && m->token.ptr != NULL &&
		       (m->implied_port || m->port != 0);
	case KRPC_PUT:
		return m->v.ptr != NULL && m->token.ptr != NULL &&
		       (m->key == NULL || (m->sig != NULL && m->has_seq));
	default:
		return true;
	}
}

static int read_query(const struct benc *top, struct krpc *out)
{
	struct benc args;
	struct bytes name;
	int64_t number;
	int fault;

	if (!benc_find_str(top, "q", &name) || !benc_find_dict(top, "a", &args))
		return KRPC_FAULT_PROTOCOL;
	out->method = method_of(name);
	out->id = find_exact(&args, "id", ID_LEN);
	out->target = find_exact(&args, "info_hash", ID_LEN);
	if (out->target == NULL)
		out->target = find_exact(&args, "target", ID_LEN);
	out->want = read_want(&args);
	out->implied_port = benc_find_int(&args, "implied_port", &number) && number != 0;
	if (benc_find_int(&args, "port", &number) && number > 0 && number <= UINT16_MAX)
		out->port = (uint16_t)number;
	out->read_only = benc_find_int(top, "ro", &number) && number == 1;
	read_token(&args, out);
	fault = read_item(&args, out);
	if (fault != 0)
		return fault;
	if (out->id == NULL || !has_needed(out))
		return KRPC_FAULT_PROTOCOL;
	return 0;
}

static int read_reply(const struct benc *top, struct krpc *out)
{
	struct benc r;

	if (!benc_find_dict(top, "r", &r))
		return ERR_PROTO;
	out->id = find_exact(&r, "id", ID_LEN);
	if (out->id == NULL)
		return ERR_PROTO;
	out->nodes = find_entries(&r, "nodes", NODE_V4);
	out->nodes6 = find_entries(&r, "nodes6", NODE_V6);
	out->samples = find_entries(&r, "samples", ID_LEN);
	(void)benc_find_int(&r, "interval", &out->interval);
	(void)benc_find_int(&r, "num", &out->num);
	(void)benc_find_list(&r, "values", &out->values);
	read_token(&r, out);
	/* A value that nobody may store is as good as none. */
	if (read_item(&r, out) != 0)
		out->v = bytes_of(NULL, 0);
	if (!benc_find_str(top, "ip", &out->seen_as) ||
	    (out->seen_as.len != ENDPOINT_V4 && out->seen_as.len != KRPC_ENDPOINT_MAX))
		out->seen_as = bytes_of(NULL, 0);
	return 0;
}

static int read_error(const struct benc *top, struct krpc *out)
{
	struct benc list, one;
	struct benc_iter it;

	if (!benc_find_list(top, "e", &list))
		return ERR_PROTO;
	it = benc_iter(&list);
	while (benc_next(&it, NULL, &one)) {
		if (one.type == BENC_INT)
			out->fault = one.num;
		else if (one.type == BENC_STR)
			out->fault_text = one.str;
	}
	return 0;
}

int krpc_decode(struct bytes packet, struct krpc *out)
{
	struct bytes kind;
	struct benc top;
	int err;

	*out = (struct krpc){.type = KRPC_ERROR};
	if (packet.len > KRPC_IN_MAX)
		return ERR_TOO_BIG;
	err = benc_parse_all(packet, &top, NULL);
	if (err != 0)
		return err;
	if (!benc_find_str(&top, "y", &kind) || kind.len != 1 ||
	    !benc_find_str(&top, "t", &out->tid))
		return ERR_PROTO;
	if (out->tid.len == 0 || out->tid.len > KRPC_TID_MAX) {
		out->tid = bytes_of(NULL, 0);
		return ERR_PROTO;
	}
	if (kind.ptr[0] == 'q') {
		out->type = KRPC_QUERY;
		out->fault = read_query(&top, out);
		return out->fault == 0 ? 0 : ERR_PROTO;
	}
	if (kind.ptr[0] == 'r') {
		out->type = KRPC_REPLY;
		err = read_reply(&top, out);
	} else {
		err = kind.ptr[0] == 'e' ? read_error(&top, out) : ERR_PROTO;
	}
	if (err != 0)
		out->tid = bytes_of(NULL, 0);
	return err;
}

struct krpc_peers krpc_peers(const struct krpc *m)
{
	return (struct krpc_peers){.it = benc_iter(&m->values)};
}

bool krpc_next_peer(struct krpc_peers *p, struct addr *out)
{
	struct benc one;

	while (p->n < KRPC_PEERS_MAX && benc_next(&p->it, NULL, &one)) {
		p->n++;
		if (one.type == BENC_STR && krpc_endpoint_get(one.str, out) == 0)
			return true;
	}
	return false;
}

/* ---- writing ------------------------------------------------------------- */

static void put_member(struct buf *b, const char *key, struct bytes s)
{
	if (s.ptr == NULL)
		return;
	benc_put_str(b, key);
	benc_put_bytes(b, s);
}

static void put_fixed(struct buf *b, const char *key, const uint8_t *ptr, size_t len)
{
	if (ptr != NULL)
		put_member(b, key, bytes_of(ptr, len));
}

static void put_number(struct buf *b, const char *key, bool has, int64_t n)
{
	if (!has)
		return;
	benc_put_str(b, key);
	benc_put_int(b, n);
}

static void put_values(struct buf *b, const struct krpc *m)
{
	uint8_t raw[KRPC_ENDPOINT_MAX];

	if (m->n_peers == 0)
		return;
	benc_put_str(b, "values");
	benc_put_raw(b, 'l');
	for (size_t i = 0; i < m->n_peers; i++)
		benc_put_bytes(b, bytes_of(raw, krpc_endpoint_put(raw, &m->peers[i])));
	benc_put_raw(b, 'e');
}

static void put_want(struct buf *b, unsigned want)
{
	if (want == 0)
		return;
	benc_put_str(b, "want");
	benc_put_raw(b, 'l');
	if (want & KRPC_WANT_4)
		benc_put_str(b, "n4");
	if (want & KRPC_WANT_6)
		benc_put_str(b, "n6");
	benc_put_raw(b, 'e');
}

/* "a" of queries and "r" of replies: the same members, sorted. */
static void put_body(struct buf *b, const struct krpc *m)
{
	bool by_hash = m->method == KRPC_GET_PEERS || m->method == KRPC_ANNOUNCE_PEER;
	bool announces = m->type == KRPC_QUERY && m->method == KRPC_ANNOUNCE_PEER;

	benc_put_raw(b, 'd');
	put_number(b, "cas", m->has_cas, m->cas);
	put_fixed(b, "id", m->id, ID_LEN);
	put_number(b, "implied_port", announces && m->implied_port, 1);
	put_fixed(b, "info_hash", by_hash ? m->target : NULL, ID_LEN);
	put_number(b, "interval", m->samples.ptr != NULL, m->interval);
	put_fixed(b, "k", m->key, KEY_LEN);
	put_member(b, "nodes", m->nodes);
	put_member(b, "nodes6", m->nodes6);
	put_number(b, "num", m->samples.ptr != NULL, m->num);
	put_number(b, "port", announces, m->port);
	put_member(b, "salt", m->salt.len > 0 ? m->salt : bytes_of(NULL, 0));
	put_member(b, "samples", m->samples);
	put_number(b, "seq", m->has_seq, m->seq);
	put_fixed(b, "sig", m->sig, SIG_LEN);
	put_fixed(b, "target", by_hash ? NULL : m->target, ID_LEN);
	put_member(b, "token", m->token);
	if (m->v.ptr != NULL) {
		benc_put_str(b, "v");
		buf_put(b, m->v);
	}
	put_values(b, m);
	put_want(b, m->want);
	benc_put_raw(b, 'e');
}

static void put_fault(struct buf *b, const struct krpc *m)
{
	benc_put_raw(b, 'l');
	benc_put_int(b, m->fault);
	benc_put_bytes(b, m->fault_text);
	benc_put_raw(b, 'e');
}

int krpc_encode(const struct krpc *m, struct buf *out)
{
	static const char *const bodies[] = {"a", "r", "e"};
	static const char *const kinds[] = {"q", "r", "e"};
	size_t before = out->len;

	benc_put_raw(out, 'd');
	/* "ip" sorts after "a" and "e" and before "r", which is the only one it comes with. */
	if (m->type == KRPC_REPLY)
		put_member(out, "ip", m->seen_as);
	benc_put_str(out, bodies[m->type]);
	if (m->type == KRPC_ERROR)
		put_fault(out, m);
	else
		put_body(out, m);
	if (m->type == KRPC_QUERY)
		put_member(out, "q", bytes_str(method_names[m->method]));
	put_number(out, "ro", m->type == KRPC_QUERY && m->read_only, 1);
	put_member(out, "t", m->tid);
	put_member(out, "y", bytes_str(kinds[m->type]));
	benc_put_raw(out, 'e');
	if (out->err == OK)
		return 0;
	out->len = before;
	return out->err;
}
