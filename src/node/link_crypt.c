/* node/link_crypt.c - stream encryption (wire/mse.h) beneath a connection.
 *
 * Whoever is dialled tells by the first bytes which it is: "\19BitTorrent protocol", or a number as
 * good as random. Who dials tries what its policy says first, and, when the other side closes
 * without a word, the other way once. With RC4 chosen bytes are decrypted where they were read, and
 * encrypted where they wait to be sent; blocks are copied for that, and do not come from the page
 * cache by sendfile any more. */
#include <stdlib.h>

#include "net/entropy.h"
#include "node/link.h"
#include "node/metadata_fetch_impl.h"
#include "wire/mse.h"

struct link_crypt {
	struct mse *mse; /* until it is done */
	struct rc4 from, to;
	size_t sealed; /* of the link's `out`: encrypted already */
};

void link_crypt_policy(const struct node *n, struct mse_params *p)
{
	p->allowed = n->encryption == NODE_ENCRYPT_REQUIRE ? MSE_RC4 : MSE_RC4 | MSE_PLAIN;
	p->prefer_rc4 = n->encryption != NODE_ENCRYPT_ACCEPT;
}

bool link_is_sealed(const struct link *l)
{
	return l->crypt != NULL && l->crypt->mse == NULL;
}

void link_crypt_free(struct link *l)
{
	if (l->crypt == NULL)
		return;
	mse_free(l->crypt->mse);
	free(l->crypt);
	l->crypt = NULL;
}

/* ---- who is meant --------------------------------------------------------------------- */

int link_crypt_put_names(struct node *n, struct transfer *t)
{
	int err = OK;

	mse_lookup_key(t->meta->hash_v1, t->key_v1);
	mse_lookup_key(t->meta->hash_v2, t->key_v2);
	if (t->meta->v1)
		err = hash_map_put(&n->by_key, t->key_v1, t);
	if (t->meta->v2 && err != ERR_NOMEM)
		err = hash_map_put(&n->by_key, t->key_v2, t);
	return err == ERR_NOMEM ? err : OK;
}

void link_crypt_drop_names(struct node *n, struct transfer *t)
{
	hash_map_drop(&n->by_key, t->key_v1, t);
	hash_map_drop(&n->by_key, t->key_v2, t);
}

static bool find_torrent(void *user, const uint8_t req2[SHA1_LEN], uint8_t skey[SHA1_LEN])
{
	const struct link *l = user;
	const struct transfer *t = hash_map_find(&l->node->by_key, req2);

	if (t == NULL)
		return metadata_fetch_by_key(l->node, req2, skey) != NULL;
	memcpy(skey, memcmp(t->key_v1, req2, SHA1_LEN) == 0 ? t->meta->hash_v1 : t->meta->hash_v2,
	       SHA1_LEN);
	return true;
}

/* ---- the handshake ---------------------------------------------------------------------- */

/* `skey` NULL: we were dialled. */
static int begin(struct link *l, const uint8_t *skey, struct bytes initial)
{
	uint8_t random[MSE_RANDOM_BYTES];
	struct mse_params p = {
	    .random = random,
	    .skey = skey,
	    .initial = initial,
	    .find = find_torrent,
	    .user = l,
	};

	l->crypt = calloc(1, sizeof(*l->crypt));
	if (l->crypt == NULL)
		return ERR_NOMEM;
	link_crypt_policy(l->node, &p);
	entropy_fill(random, sizeof(random));
	link_mark_dirty(l);
	return mse_new(&p, &l->out, &l->crypt->mse);
}

int link_crypt_dial(struct link *l)
{
	const uint8_t *hash = meta_swarm_hash(l->t->meta);
	uint8_t hello[HANDSHAKE_LEN];

	/* It goes along with the choice of a cipher, which saves a round trip. */
	link_send_handshake(l, hash);
	if (l->out.len != sizeof(hello))
		return ERR_NOMEM;
	memcpy(hello, l->out.ptr, sizeof(hello));
	buf_clear(&l->out);
	return begin(l, hash, bytes_of(hello, sizeof(hello)));
}

/* It is over, and what is behind it, `rest`, was read already. */
static void finish(struct link *l, uint8_t *rest, size_t n)
{
	struct link_crypt *c = l->crypt;
	bool rc4 = mse_chosen(c->mse) == MSE_RC4;
	struct buf first;

	mse_ciphers(c->mse, &c->from, &c->to);
	buf_init(&first, LINK_IN_MAX);
	(void)buf_put(&first, mse_initial(c->mse));
	if (rc4)
		rc4_apply(&c->from, rest, n);
	(void)buf_put(&first, bytes_of(rest, n));
	mse_free(c->mse);
	c->mse = NULL;
	c->sealed = l->out.len;
	if (!rc4)
		link_crypt_free(l);
	if (first.err != OK)
		link_lost(l, "out of memory");
	else if (first.len > 0)
		link_take(l, buf_bytes(&first));
	buf_fini(&first);
}

static const char *why_not(int err)
{
	switch (err) {
	case ERR_NOENT:
		return "asks, encrypted, for a torrent that is not here";
	case ERR_NOMEM:
		return "out of memory";
	default:
		return "neither a BitTorrent handshake nor an encrypted one that we take";
	}
}

void link_crypt_take(struct link *l, uint8_t *data, size_t n)
{
	struct link_crypt *c = l->crypt;
	int used;

	if (c->mse == NULL) {
		rc4_apply(&c->from, data, n);
		link_take(l, bytes_of(data, n));
		return;
	}
	used = mse_take(c->mse, bytes_of(data, n), &l->out);
	if (used < 0) {
		link_lost(l, why_not(used));
		return;
	}
	link_mark_dirty(l);
	if (mse_is_done(c->mse))
		finish(l, data + used, n - (size_t)used);
}

/* A handshake cannot end here: its secret needs an answer of ours first. */
size_t link_crypt_sniff(struct link *l, struct bytes in)
{
	int err = begin(l, NULL, bytes_of(NULL, 0));

	if (err == OK)
		err = mse_take(l->crypt->mse, in, &l->out);
	if (err >= 0 && !mse_is_done(l->crypt->mse))
		return in.len;
	link_lost(l, why_not(err < 0 ? err : ERR_PROTO));
	return 0;
}

/* ---- sending ------------------------------------------------------------------------------ */

void link_seal(struct link *l)
{
	struct link_crypt *c = l->crypt;

	/* A buffer that holds nothing may be nowhere, which even nought must not be added to. */
	if (!link_is_sealed(l) || c->sealed == l->out.len)
		return;
	rc4_apply(&c->to, l->out.ptr + c->sealed, l->out.len - c->sealed);
	c->sealed = l->out.len;
}

bool link_crypt_ciphers(const struct link *l, struct rc4 *reads, struct rc4 *writes)
{
	if (!link_is_sealed(l))
		return false;
	*reads = l->crypt->from;
	*writes = l->crypt->to;
	return true;
}

int link_crypt_resume(struct link *l, const struct rc4 *reads, const struct rc4 *writes)
{
	l->crypt = calloc(1, sizeof(*l->crypt));
	if (l->crypt == NULL)
		return ERR_NOMEM;
	l->crypt->from = *reads;
	l->crypt->to = *writes;
	l->crypt->sealed = l->out.len;
	return OK;
}

size_t link_sealed_bytes(const struct link *l)
{
	return l->crypt == NULL ? 0 : l->crypt->sealed;
}

void link_seal_cleared(struct link *l)
{
	if (l->crypt != NULL)
		l->crypt->sealed = 0;
}
