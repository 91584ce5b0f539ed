#include "wire/msg.h"

/* What stands between a message's id and its body, if it has one. */
enum fields { NO_FIELDS, INDEX, INDEX_BEGIN, INDEX_BEGIN_LENGTH, PORT, EXT_ID, HASH_FIELDS };

static const uint8_t fields_len[] = {
    [NO_FIELDS] = 0, [INDEX] = 4,  [INDEX_BEGIN] = 8,  [INDEX_BEGIN_LENGTH] = 12,
    [PORT] = 2,	     [EXT_ID] = 1, [HASH_FIELDS] = 48,
};

#define PREFIX_LEN 4u
#define HASH_LEN 32u

struct shape {
	const char *name; /* NULL: no such id */
	enum fields fields;
	bool body;
};

static const struct shape shapes[] = {
    [WIRE_CHOKE] = {"choke", NO_FIELDS, false},
    [WIRE_UNCHOKE] = {"unchoke", NO_FIELDS, false},
    [WIRE_INTERESTED] = {"interested", NO_FIELDS, false},
    [WIRE_NOT_INTERESTED] = {"not interested", NO_FIELDS, false},
    [WIRE_HAVE] = {"have", INDEX, false},
    [WIRE_BITFIELD] = {"bitfield", NO_FIELDS, true},
    [WIRE_REQUEST] = {"request", INDEX_BEGIN_LENGTH, false},
    [WIRE_PIECE] = {"piece", INDEX_BEGIN, true},
    [WIRE_CANCEL] = {"cancel", INDEX_BEGIN_LENGTH, false},
    [WIRE_PORT] = {"port", PORT, false},
    [WIRE_SUGGEST] = {"suggest", INDEX, false},
    [WIRE_HAVE_ALL] = {"have all", NO_FIELDS, false},
    [WIRE_HAVE_NONE] = {"have none", NO_FIELDS, false},
    [WIRE_REJECT] = {"reject", INDEX_BEGIN_LENGTH, false},
    [WIRE_ALLOWED_FAST] = {"allowed fast", INDEX, false},
    [WIRE_EXTENDED] = {"extended", EXT_ID, true},
    [WIRE_HASH_REQUEST] = {"hash request", HASH_FIELDS, false},
    [WIRE_HASHES] = {"hashes", HASH_FIELDS, true},
    [WIRE_HASH_REJECT] = {"hash reject", HASH_FIELDS, false},
};

static const struct shape *shape_of(uint32_t id)
{
	if (id >= sizeof(shapes) / sizeof(shapes[0]) || shapes[id].name == NULL)
		return NULL;
	return &shapes[id];
}

/* `len` is what follows the id. */
static bool length_fits(const struct shape *s, uint8_t id, uint32_t len)
{
	uint32_t fixed = fields_len[s->fields];

	if (len < fixed || (!s->body && len != fixed))
		return false;
	return id != WIRE_HASHES || (len - fixed) % HASH_LEN == 0;
}

static void read_hash_fields(struct wire_hash_req *h, const uint8_t *p)
{
	memcpy(h->root, p, sizeof(h->root));
	h->base = be32(p + 32);
	h->index = be32(p + 36);
	h->length = be32(p + 40);
	h->proof = be32(p + 44);
}

static void read_fields(struct wire_msg *m, enum fields fields, const uint8_t *p)
{
	switch (fields) {
	case NO_FIELDS:
		break;
	case INDEX_BEGIN_LENGTH:
		m->length = be32(p + 8);
		/* fall through */
	case INDEX_BEGIN:
		m->begin = be32(p + 4);
		/* fall through */
	case INDEX:
		m->index = be32(p);
		break;
	case PORT:
		m->port = be16(p);
		break;
	case EXT_ID:
		m->ext_id = p[0];
		break;
	case HASH_FIELDS:
		read_hash_fields(&m->hash, p);
		break;
	}
}

static void write_fields(const struct wire_msg *m, enum fields fields, uint8_t *p)
{
	switch (fields) {
	case NO_FIELDS:
		break;
	case INDEX_BEGIN_LENGTH:
		put_be32(p + 8, m->length);
		/* fall through */
	case INDEX_BEGIN:
		put_be32(p + 4, m->begin);
		/* fall through */
	case INDEX:
		put_be32(p, m->index);
		break;
	case PORT:
		put_be16(p, m->port);
		break;
	case EXT_ID:
		p[0] = m->ext_id;
		break;
	case HASH_FIELDS:
		memcpy(p, m->hash.root, sizeof(m->hash.root));
		put_be32(p + 32, m->hash.base);
		put_be32(p + 36, m->hash.index);
		put_be32(p + 40, m->hash.length);
		put_be32(p + 44, m->hash.proof);
		break;
	}
}

/* Bounds that let readers shift by `base` and multiply by `length` without care. A
 * `hashes` carries the hashes asked for, then at most one uncle for each proof layer. */
static int check_hashes(const struct wire_msg *m)
{
	const struct wire_hash_req *h = &m->hash;
	size_t n = m->body.len / HASH_LEN;

	if (h->length > WIRE_HASHES_MAX || h->proof > WIRE_PROOF_MAX || h->base >= WIRE_PROOF_MAX)
		return ERR_TOO_BIG;
	if (m->type == WIRE_HASHES && (n < h->length || n - h->length > h->proof))
		return ERR_PROTO;
	return 0;
}

/* `rest` is what follows the id, of a length that fits. */
static int read_message(struct wire_msg *m, uint8_t id, const struct shape *s, struct bytes rest)
{
	size_t fixed = s == NULL ? 0 : fields_len[s->fields];

	*m = (struct wire_msg){.type = s == NULL ? WIRE_UNKNOWN : (enum wire_type)id};
	m->body = bytes_sub(rest, fixed, rest.len - fixed);
	if (s == NULL) {
		m->ext_id = id;
		return 0;
	}
	read_fields(m, s->fields, rest.ptr);
	if (id == WIRE_PIECE)
		m->length = (uint32_t)m->body.len;
	return s->fields == HASH_FIELDS ? check_hashes(m) : 0;
}

int wire_decode(struct wire_msg *m, struct bytes in)
{
	const struct shape *s;
	uint32_t len;
	uint8_t id;
	int rc;

	if (in.len < PREFIX_LEN)
		return 0;
	len = be32(in.ptr);
	if (len > WIRE_BODY_MAX)
		return ERR_TOO_BIG;
	if (len == 0) {
		*m = (struct wire_msg){.type = WIRE_KEEPALIVE};
		return PREFIX_LEN;
	}
	if (in.len == PREFIX_LEN)
		return 0;
	id = in.ptr[PREFIX_LEN];
	s = shape_of(id);
	if (s != NULL && !length_fits(s, id, len - 1))
		return ERR_PROTO;
	if (in.len - PREFIX_LEN < len)
		return 0;
	rc = read_message(m, id, s, bytes_sub(in, PREFIX_LEN + 1, len - 1));
	return rc < 0 ? rc : (int)(PREFIX_LEN + len);
}

int wire_piece_head(struct wire_msg *m, struct bytes in)
{
	uint32_t len;

	if (in.len < PREFIX_LEN)
		return 0;
	len = be32(in.ptr);
	if (len < WIRE_PIECE_HEAD - PREFIX_LEN || len > WIRE_BODY_MAX)
		return -1;
	if (in.len > PREFIX_LEN && in.ptr[PREFIX_LEN] != WIRE_PIECE)
		return -1;
	if (in.len < WIRE_PIECE_HEAD)
		return 0;
	*m = (struct wire_msg){
	    .type = WIRE_PIECE,
	    .index = be32(in.ptr + 5),
	    .begin = be32(in.ptr + 9),
	    .length = len - (WIRE_PIECE_HEAD - PREFIX_LEN),
	};
	return 1;
}

int wire_encode(struct buf *out, const struct wire_msg *m)
{
	const struct shape *s = shape_of((uint32_t)m->type);
	size_t fixed = s == NULL ? 0 : fields_len[s->fields];
	bool body = s == NULL ? m->type == WIRE_UNKNOWN : s->body;
	size_t len = 1 + fixed + (body ? m->body.len : 0);
	struct span room;
	int rc;

	if (m->type == WIRE_KEEPALIVE)
		return buf_put_be32(out, 0);
	assert(s != NULL || m->type == WIRE_UNKNOWN);
	assert(len <= WIRE_BODY_MAX);
	rc = buf_reserve(out, PREFIX_LEN + len, &room);
	if (rc < 0)
		return rc;
	put_be32(room.ptr, (uint32_t)len);
	room.ptr[PREFIX_LEN] = s == NULL ? m->ext_id : (uint8_t)m->type;
	if (s != NULL)
		write_fields(m, s->fields, room.ptr + PREFIX_LEN + 1);
	if (body && m->body.len > 0)
		memcpy(room.ptr + PREFIX_LEN + 1 + fixed, m->body.ptr, m->body.len);
	buf_commit(out, PREFIX_LEN + len);
	return 0;
}

void wire_put_piece_head(uint8_t out[WIRE_PIECE_HEAD], uint32_t index, uint32_t begin,
			 uint32_t length)
{
	assert(length <= WIRE_BODY_MAX - (WIRE_PIECE_HEAD - PREFIX_LEN));
	put_be32(out, length + (WIRE_PIECE_HEAD - PREFIX_LEN));
	out[PREFIX_LEN] = WIRE_PIECE;
	put_be32(out + 5, index);
	put_be32(out + 9, begin);
}

const char *wire_type_text(enum wire_type t)
{
	const struct shape *s = shape_of((uint32_t)t);

	if (s != NULL)
		return s->name;
	return t == WIRE_KEEPALIVE ? "keepalive" : "unknown";
}
