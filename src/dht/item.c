#include "dht/item.h"

#include "base/digest.h"

/* "4:salt64:" and the salt, "3:seqi" and a number "e1:v", the value. */
#define SIGNED_MAX (16u + KRPC_SALT_MAX + 40u + KRPC_VALUE_MAX)

void dht_item_target_of(const uint8_t key[SIGN_KEY_LEN], struct bytes salt,
			uint8_t out[NODE_ID_LEN])
{
	uint8_t both[SIGN_KEY_LEN + KRPC_SALT_MAX];

	assert(salt.len <= KRPC_SALT_MAX);
	memcpy(both, key, SIGN_KEY_LEN);
	if (salt.len > 0)
		memcpy(both + SIGN_KEY_LEN, salt.ptr, salt.len);
	sha1_of(bytes_of(both, SIGN_KEY_LEN + salt.len), out);
}

void dht_item_target(const struct dht_item *i, uint8_t out[NODE_ID_LEN])
{
	if (i->is_mutable)
		dht_item_target_of(i->key, bytes_of(i->salt, i->salt_len), out);
	else
		sha1_of(bytes_of(i->v, i->v_len), out);
}

static void put_signed(struct buf *b, const struct dht_item *i)
{
	if (i->salt_len > 0) {
		benc_put_str(b, "salt");
		benc_put_bytes(b, bytes_of(i->salt, i->salt_len));
	}
	benc_put_pair(b, "seq", i->seq);
	benc_put_str(b, "v");
	buf_put(b, bytes_of(i->v, i->v_len));
}

static int set_value(struct dht_item *i, struct bytes v, struct bytes salt)
{
	struct benc value;

	if (v.len > KRPC_VALUE_MAX || salt.len > KRPC_SALT_MAX)
		return ERR_TOO_BIG;
	if (benc_parse_all(v, &value, NULL) != 0)
		return ERR_INVALID;
	memcpy(i->v, v.ptr, v.len);
	i->v_len = (uint16_t)v.len;
	if (salt.len > 0)
		memcpy(i->salt, salt.ptr, salt.len);
	i->salt_len = (uint8_t)salt.len;
	return 0;
}

int dht_item_immutable(struct dht_item *i, struct bytes v)
{
	*i = (struct dht_item){.is_mutable = false};
	return set_value(i, v, bytes_of(NULL, 0));
}

int dht_item_sign(struct dht_item *i, const uint8_t seed[SIGN_SEED_LEN], struct bytes salt,
		  int64_t seq, struct bytes v)
{
	struct buf b;
	int err;

	*i = (struct dht_item){.is_mutable = true, .seq = seq};
	err = set_value(i, v, salt);
	if (err == 0 && seq < 0)
		err = ERR_INVALID;
	if (err == 0)
		err = sign_public_key(seed, i->key);
	if (err != 0)
		return err;
	buf_init(&b, SIGNED_MAX);
	put_signed(&b, i);
	err = b.err != OK ? b.err : sign_make(seed, buf_bytes(&b), i->sig);
	buf_fini(&b);
	return err;
}

static int check_signature(const struct dht_item *i)
{
	struct buf b;
	int err;

	buf_init(&b, SIGNED_MAX);
	put_signed(&b, i);
	err = b.err != OK ? b.err : sign_check(i->key, buf_bytes(&b), i->sig);
	buf_fini(&b);
	if (err == ERR_MISMATCH)
		return KRPC_FAULT_SIGNATURE;
	return err == 0 ? 0 : KRPC_FAULT_SERVER;
}

int dht_item_read(struct dht_item *i, const struct krpc *m, struct bytes salt)
{
	*i = (struct dht_item){.is_mutable = m->key != NULL};
	if (m->v.ptr == NULL || set_value(i, m->v, i->is_mutable ? salt : bytes_of(NULL, 0)) != 0)
		return KRPC_FAULT_PROTOCOL;
	if (!i->is_mutable)
		return 0;
	if (m->sig == NULL || !m->has_seq || m->seq < 0)
		return KRPC_FAULT_PROTOCOL;
	memcpy(i->key, m->key, SIGN_KEY_LEN);
	memcpy(i->sig, m->sig, SIGN_LEN);
	i->seq = m->seq;
	return check_signature(i);
}

int dht_item_put(const struct dht_item *i, struct buf *out)
{
	benc_put_raw(out, 'd');
	benc_put_str(out, "k");
	benc_put_bytes(out, bytes_of(i->key, sizeof(i->key)));
	benc_put_str(out, "salt");
	benc_put_bytes(out, bytes_of(i->salt, i->salt_len));
	benc_put_pair(out, "seq", i->seq);
	benc_put_str(out, "sig");
	benc_put_bytes(out, bytes_of(i->sig, sizeof(i->sig)));
	benc_put_str(out, "v");
	buf_put(out, bytes_of(i->v, i->v_len));
	benc_put_raw(out, 'e');
	return out->err;
}

int dht_item_take(struct bytes in, struct dht_item *i)
{
	struct bytes key, salt, sig;
	struct krpc m = {.has_seq = true};
	struct benc top, v;
	int fault;

	if (benc_parse_all(in, &top, NULL) != 0 || !benc_find_str(&top, "k", &key) ||
	    !benc_find_str(&top, "salt", &salt) || !benc_find_int(&top, "seq", &m.seq) ||
	    !benc_find_str(&top, "sig", &sig) || !benc_find(&top, "v", &v) ||
	    key.len != SIGN_KEY_LEN || sig.len != SIGN_LEN)
		return ERR_PROTO;
	m.key = key.ptr;
	m.sig = sig.ptr;
	m.v = v.raw;
	fault = dht_item_read(i, &m, salt);
	if (fault == KRPC_FAULT_SERVER)
		return ERR_NOMEM;
	return fault == 0 ? 0 : ERR_PROTO;
}
