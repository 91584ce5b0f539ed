#include "wire/mse.h"

#include <stdlib.h>

#define VC_BYTES 8u
/* Of the ciphers' streams, before anything is said with them. */
#define SKIPPED_BYTES 1024u
/* VC, 32 bits of choices, length of a pad. */
#define HEAD_BYTES (VC_BYTES + 4u + 2u)
/* Everything that may wait to be looked at: a pad and the largest run of fixed bytes behind it. */
#define IN_MAX (DH768_BYTES + 2u * MSE_PAD_MAX + 2u * SHA1_LEN + HEAD_BYTES + 2u + MSE_INITIAL_MAX)

enum mse_state {
	MSE_KEY,     /* their number */
	MSE_FIND,    /* behind their pad: H(req1, S) when we were dialled, else VC */
	MSE_TORRENT, /* which one */
	MSE_HEAD,    /* VC and choices */
	MSE_PADDING, /* the second pad, and when we were dialled the length of what comes along */
	MSE_INITIAL, /* that */
	MSE_DONE,
};

struct mse {
	enum mse_state state;
	unsigned allowed, offered, chosen;
	bool prefer_rc4, dialled;
	bool (*find)(void *user, const uint8_t req2[SHA1_LEN], uint8_t skey[SHA1_LEN]);
	void *user;
	uint8_t private[DH768_PRIVATE_BYTES], secret[DH768_BYTES], skey[SHA1_LEN];
	uint8_t mark[SHA1_LEN]; /* what is looked for */
	uint8_t pad[MSE_PAD_MAX];
	uint32_t pad_out_len; /* of that, behind our number */
	uint32_t mark_len, pad_len, initial_len;
	struct rc4 from, to;
	struct buf in, initial;
};

/* ---- pieces -------------------------------------------------------------------------- */

static void hash_of(const char *what, struct bytes a, struct bytes b, uint8_t out[SHA1_LEN])
{
	uint8_t all[4 + DH768_BYTES + SHA1_LEN];
	size_t n = strlen(what);

	memcpy(all, what, n);
	memcpy(all + n, a.ptr, a.len);
	if (b.len > 0)
		memcpy(all + n + a.len, b.ptr, b.len);
	sha1_of(bytes_of(all, n + a.len + b.len), out);
}

static void hash_secret(const struct mse *m, const char *what, uint8_t out[SHA1_LEN])
{
	hash_of(what, bytes_of(m->secret, sizeof(m->secret)), bytes_of(NULL, 0), out);
}

void mse_lookup_key(const uint8_t info_hash[SHA1_LEN], uint8_t out[SHA1_LEN])
{
	hash_of("req2", bytes_of(info_hash, SHA1_LEN), bytes_of(NULL, 0), out);
}

static void make_cipher(const struct mse *m, const char *what, struct rc4 *r)
{
	uint8_t key[SHA1_LEN];

	hash_of(what, bytes_of(m->secret, sizeof(m->secret)), bytes_of(m->skey, SHA1_LEN), key);
	rc4_init(r, bytes_of(key, sizeof(key)));
	rc4_skip(r, SKIPPED_BYTES);
}

static void make_ciphers(struct mse *m)
{
	make_cipher(m, m->dialled ? "keyB" : "keyA", &m->from);
	make_cipher(m, m->dialled ? "keyA" : "keyB", &m->to);
}

/* Append encrypted. */
static void seal(struct mse *m, struct buf *out, const void *data, size_t len)
{
	size_t at = out->len;

	if (buf_put(out, bytes_of(data, len)) == OK)
		rc4_apply(&m->to, out->ptr + at, len);
}

/* VC, the choice, and no pad: what follows is of random length anyway. */
static void seal_head(struct mse *m, struct buf *out, unsigned choice)
{
	uint8_t head[HEAD_BYTES] = {0};

	put_be32(head + VC_BYTES, choice);
	seal(m, out, head, sizeof(head));
}

/* Our number, and the pad behind it. */
static int say_key(struct mse *m, struct buf *out)
{
	uint8_t public[DH768_BYTES];

	if (dh768_public(m->private, public) != OK ||
	    buf_put(out, bytes_of(public, sizeof(public))) != OK ||
	    buf_put(out, bytes_of(m->pad, m->pad_out_len)) != OK)
		return ERR_NOMEM;
	return OK;
}

/* ---- life ------------------------------------------------------------------------------- */

int mse_new(const struct mse_params *p, struct buf *out, struct mse **made)
{
	struct mse *m = calloc(1, sizeof(*m));
	const uint8_t *random = p->random + DH768_PRIVATE_BYTES;

	assert((p->allowed & (MSE_PLAIN | MSE_RC4)) != 0 && p->initial.len <= MSE_INITIAL_MAX);
	if (m == NULL)
		return ERR_NOMEM;
	m->allowed = p->allowed;
	m->prefer_rc4 = p->prefer_rc4;
	m->dialled = p->skey != NULL;
	m->find = p->find;
	m->user = p->user;
	memcpy(m->private, p->random, sizeof(m->private));
	m->pad_out_len = be32(random) % (MSE_PAD_MAX + 1);
	memcpy(m->pad, random + 4, m->pad_out_len);
	buf_init(&m->in, IN_MAX);
	buf_init(&m->initial, MSE_INITIAL_MAX);
	if (m->dialled)
		memcpy(m->skey, p->skey, SHA1_LEN);
	if (buf_put(&m->initial, p->initial) != OK || (m->dialled && say_key(m, out) != OK)) {
		mse_free(m);
		return ERR_NOMEM;
	}
	*made = m;
	return OK;
}

void mse_free(struct mse *m)
{
	if (m == NULL)
		return;
	buf_fini(&m->in);
	buf_fini(&m->initial);
	free(m);
}

/* ---- steps: bytes used, 0 when more are needed, or the error ------------------------------ */

/* The dialling side's second message. */
static void say_torrent(struct mse *m, struct buf *out)
{
	uint8_t req1[SHA1_LEN], req2[SHA1_LEN], req3[SHA1_LEN], len[2];

	hash_secret(m, "req1", req1);
	mse_lookup_key(m->skey, req2);
	hash_secret(m, "req3", req3);
	for (uint32_t i = 0; i < SHA1_LEN; i++)
		req2[i] ^= req3[i];
	(void)buf_put(out, bytes_of(req1, sizeof(req1)));
	(void)buf_put(out, bytes_of(req2, sizeof(req2)));
	m->offered = m->allowed;
	seal_head(m, out, m->offered);
	put_be16(len, (uint16_t)m->initial.len);
	seal(m, out, len, sizeof(len));
	seal(m, out, m->initial.ptr, m->initial.len);
}

/* Their VC, as it will look: the cipher moves on only when it is read. */
static void expect_vc(struct mse *m)
{
	struct rc4 ahead = m->from;

	memset(m->mark, 0, VC_BYTES);
	rc4_apply(&ahead, m->mark, VC_BYTES);
	m->mark_len = VC_BYTES;
}

static int take_key(struct mse *m, struct bytes in, struct buf *out)
{
	int err;

	if (in.len < DH768_BYTES)
		return 0;
	err = dh768_secret(m->private, in.ptr, m->secret);
	if (err == OK && !m->dialled)
		err = say_key(m, out);
	if (err != OK)
		return err;
	m->state = MSE_FIND;
	if (!m->dialled) {
		hash_secret(m, "req1", m->mark);
		m->mark_len = SHA1_LEN;
		return (int)DH768_BYTES;
	}
	make_ciphers(m);
	say_torrent(m, out);
	expect_vc(m);
	return (int)DH768_BYTES;
}

static int find_mark(struct mse *m, struct bytes in)
{
	for (uint32_t at = 0; at <= MSE_PAD_MAX; at++) {
		if (in.len < at + m->mark_len)
			return 0;
		if (memcmp(in.ptr + at, m->mark, m->mark_len) != 0)
			continue;
		m->state = m->dialled ? MSE_HEAD : MSE_TORRENT;
		/* VC is read once more, with all that is behind it; zero would be a wish for more.
		 */
		if (m->dialled) {
			buf_consume(&m->in, at);
			return ERR_AGAIN;
		}
		return (int)(at + m->mark_len);
	}
	return ERR_PROTO;
}

static int take_torrent(struct mse *m, struct bytes in)
{
	uint8_t req2[SHA1_LEN], req3[SHA1_LEN];

	if (in.len < SHA1_LEN)
		return 0;
	hash_secret(m, "req3", req3);
	for (uint32_t i = 0; i < SHA1_LEN; i++)
		req2[i] = in.ptr[i] ^ req3[i];
	if (!m->find(m->user, req2, m->skey))
		return ERR_NOENT;
	make_ciphers(m);
	m->state = MSE_HEAD;
	return (int)SHA1_LEN;
}

static unsigned choose(const struct mse *m)
{
	unsigned both = m->offered & m->allowed;

	if (both == (MSE_PLAIN | MSE_RC4))
		return m->prefer_rc4 ? MSE_RC4 : MSE_PLAIN;
	return both;
}

static int take_head(struct mse *m, struct bytes in)
{
	static const uint8_t vc[VC_BYTES];
	uint8_t head[HEAD_BYTES];

	if (in.len < sizeof(head))
		return 0;
	memcpy(head, in.ptr, sizeof(head));
	rc4_apply(&m->from, head, sizeof(head));
	if (memcmp(head, vc, sizeof(vc)) != 0)
		return ERR_PROTO;
	m->pad_len = be16(head + VC_BYTES + 4);
	if (m->dialled) {
		m->chosen = be32(head + VC_BYTES);
		if (m->chosen != MSE_PLAIN && m->chosen != MSE_RC4)
			return ERR_PROTO;
	} else {
		m->offered = be32(head + VC_BYTES) & (MSE_PLAIN | MSE_RC4);
		m->chosen = choose(m);
	}
	if ((m->chosen & m->allowed) == 0 || m->pad_len > MSE_PAD_MAX)
		return ERR_PROTO;
	m->state = MSE_PADDING;
	return (int)sizeof(head);
}

static int take_padding(struct mse *m, struct bytes in)
{
	uint32_t need = m->pad_len + (m->dialled ? 0 : 2);
	uint8_t len[2];

	if (in.len < need)
		return 0;
	rc4_skip(&m->from, m->pad_len);
	m->state = MSE_DONE;
	if (!m->dialled) {
		memcpy(len, in.ptr + m->pad_len, sizeof(len));
		rc4_apply(&m->from, len, sizeof(len));
		m->initial_len = be16(len);
		m->state = MSE_INITIAL;
	}
	return need > 0 ? (int)need : ERR_AGAIN;
}

static int take_initial(struct mse *m, struct bytes in, struct buf *out)
{
	if (m->initial_len > MSE_INITIAL_MAX)
		return ERR_PROTO;
	if (in.len < m->initial_len)
		return 0;
	if (buf_put(&m->initial, bytes_sub(in, 0, m->initial_len)) != OK)
		return ERR_NOMEM;
	rc4_apply(&m->from, m->initial.ptr, m->initial.len);
	seal_head(m, out, m->chosen);
	m->state = MSE_DONE;
	return m->initial_len > 0 ? (int)m->initial_len : ERR_AGAIN;
}

/* ERR_AGAIN: a step that took nothing was done. */
static int step(struct mse *m, struct buf *out)
{
	struct bytes in = buf_bytes(&m->in);

	switch (m->state) {
	case MSE_KEY:
		return take_key(m, in, out);
	case MSE_FIND:
		return find_mark(m, in);
	case MSE_TORRENT:
		return take_torrent(m, in);
	case MSE_HEAD:
		return take_head(m, in);
	case MSE_PADDING:
		return take_padding(m, in);
	case MSE_INITIAL:
		return take_initial(m, in, out);
	case MSE_DONE:
		break;
	}
	return 0;
}

/* Bytes wait only as long as a step lacks some: so what is left at the end came just now. */
int mse_take(struct mse *m, struct bytes in, struct buf *out)
{
	size_t at = 0;

	while (m->state != MSE_DONE && at < in.len) {
		size_t n = in.len - at < MSE_PAD_MAX ? in.len - at : MSE_PAD_MAX;
		int used = buf_put(&m->in, bytes_sub(in, at, n)) == OK ? 1 : ERR_NOMEM;

		at += n;
		while (used != 0 && m->state != MSE_DONE) {
			used = used == ERR_NOMEM ? used : step(m, out);
			if (used > 0)
				buf_consume(&m->in, (size_t)used);
			else if (used < 0 && used != ERR_AGAIN)
				return used;
		}
	}
	if (out->err != OK)
		return ERR_NOMEM;
	return (int)(m->state == MSE_DONE ? at - m->in.len : at);
}

bool mse_is_foreign(struct bytes in)
{
	static const char *const words[] = {"GET ", "POST", "HEAD",   "PUT ",
					    "OPTI", "SSH-", "\023Bit"};

	for (size_t i = 0; in.len >= 4 && i < sizeof(words) / sizeof(words[0]); i++)
		if (memcmp(in.ptr, words[i], 4) == 0)
			return true;
	/* A TLS record of version 3.x with a ClientHello in it. */
	return in.len >= 6 && in.ptr[0] == 0x16 && in.ptr[1] == 3 && in.ptr[2] <= 4 &&
	       in.ptr[5] == 1;
}

bool mse_is_done(const struct mse *m)
{
	return m->state == MSE_DONE;
}

unsigned mse_chosen(const struct mse *m)
{
	return m->chosen;
}

struct bytes mse_initial(const struct mse *m)
{
	return m->dialled ? bytes_of(NULL, 0) : buf_bytes(&m->initial);
}

void mse_ciphers(const struct mse *m, struct rc4 *from_them, struct rc4 *to_them)
{
	*from_them = m->from;
	*to_them = m->to;
}
