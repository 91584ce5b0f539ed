#include "wire/ext_pex.h"

#include "base/bencode.h"

/* Addresses of one family come as address and port, one after the other. */
static size_t contact_bytes(bool v6)
{
	return v6 ? 18 : 6;
}

static struct addr contact_at(struct bytes list, size_t i, bool v6)
{
	size_t len = contact_bytes(v6);
	const uint8_t *at = list.ptr + i * len;
	struct addr a;

	(void)addr_from_ip(&a, bytes_of(at, len - 2), be16(at + len - 2));
	return a;
}

static bool is_known(const struct ext_pex *m, const struct addr *a)
{
	for (uint32_t i = 0; i < m->n_added; i++)
		if (addr_eq(&m->added[i].addr, a) ||
		    (!addr_is_loopback(a) && addr_same_host(&m->added[i].addr, a)))
			return true;
	return false;
}

static int read_added(struct ext_pex *m, const struct benc *dict, bool v6)
{
	struct bytes list, flags = {NULL, 0};

	if (!benc_find_str(dict, v6 ? "added6" : "added", &list))
		return OK;
	if (list.len % contact_bytes(v6) != 0)
		return ERR_PROTO;
	(void)benc_find_str(dict, v6 ? "added6.f" : "added.f", &flags);
	for (size_t i = 0; i < list.len / contact_bytes(v6) && m->n_added < EXT_PEX_MAX; i++) {
		struct addr a = contact_at(list, i, v6);

		if (!addr_is_dialable(&a) || is_known(m, &a))
			continue;
		m->added[m->n_added++] =
		    (struct ext_pex_peer){a, i < flags.len ? flags.ptr[i] : (uint8_t)0};
	}
	return OK;
}

static int read_dropped(struct ext_pex *m, const struct benc *dict, bool v6)
{
	struct bytes list;

	if (!benc_find_str(dict, v6 ? "dropped6" : "dropped", &list))
		return OK;
	if (list.len % contact_bytes(v6) != 0)
		return ERR_PROTO;
	for (size_t i = 0; i < list.len / contact_bytes(v6) && m->n_dropped < EXT_PEX_MAX; i++)
		m->dropped[m->n_dropped++] = contact_at(list, i, v6);
	return OK;
}

int ext_pex_decode(struct ext_pex *m, struct bytes body)
{
	struct benc dict;

	if (benc_parse(body, &dict, NULL) < 0 || dict.type != BENC_DICT)
		return ERR_PROTO;
	m->n_added = m->n_dropped = 0;
	for (int v6 = 0; v6 < 2; v6++)
		if (read_added(m, &dict, v6 != 0) < 0 || read_dropped(m, &dict, v6 != 0) < 0)
			return ERR_PROTO;
	return OK;
}

static void pack(struct buf *out, const struct addr *a)
{
	(void)buf_put(out, bytes_of(a->ip, a->v6 ? 16 : 4));
	(void)buf_put_be16(out, a->port);
}

static void put_added(struct buf *out, const struct ext_pex *m, bool v6)
{
	struct buf list, flags;

	buf_init(&list, EXT_PEX_MAX * 18);
	buf_init(&flags, EXT_PEX_MAX);
	for (uint32_t i = 0; i < m->n_added; i++) {
		if ((m->added[i].addr.v6 != 0) != v6)
			continue;
		pack(&list, &m->added[i].addr);
		(void)buf_put_u8(&flags, m->added[i].flags);
	}
	if (list.len > 0) {
		benc_put_str(out, v6 ? "added6" : "added");
		benc_put_bytes(out, buf_bytes(&list));
		benc_put_str(out, v6 ? "added6.f" : "added.f");
		benc_put_bytes(out, buf_bytes(&flags));
	}
	if (list.err != OK || flags.err != OK)
		out->err = ERR_NOMEM;
	buf_fini(&list);
	buf_fini(&flags);
}

static void put_dropped(struct buf *out, const struct ext_pex *m, bool v6)
{
	struct buf list;

	buf_init(&list, EXT_PEX_MAX * 18);
	for (uint32_t i = 0; i < m->n_dropped; i++)
		if ((m->dropped[i].v6 != 0) == v6)
			pack(&list, &m->dropped[i]);
	if (list.len > 0) {
		benc_put_str(out, v6 ? "dropped6" : "dropped");
		benc_put_bytes(out, buf_bytes(&list));
	}
	if (list.err != OK)
		out->err = ERR_NOMEM;
	buf_fini(&list);
}

int ext_pex_encode(struct buf *out, const struct ext_pex *m)
{
	benc_put_raw(out, 'd');
	put_added(out, m, false);
	put_added(out, m, true);
	put_dropped(out, m, false);
	put_dropped(out, m, true);
	benc_put_raw(out, 'e');
	return out->err;
}
