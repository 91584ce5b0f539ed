#include <stdlib.h>

#include "base/ranges.h"
#include "node/base64.h"
#include "node/index_server_impl.h"

const uint8_t *index_swarm_key(const struct entry *e)
{
	return e->has_v1 ? e->hash_v1 : e->hash_v2;
}

void index_shape(struct index_server *s, uint64_t id, struct index_shape *out)
{
	struct err_info why = {0};
	struct metainfo *m = NULL;
	struct buf torrent;

	*out = (struct index_shape){0};
	buf_init(&torrent, INDEX_SHAPE_BYTES_MAX);
	if (catalogue_db_torrent(s->db, id, &torrent, &why) == OK)
		m = index_stored_meta(s, id, buf_bytes(&torrent));
	else
		index_log_unread(s, &why);
	if (m != NULL)
		*out = (struct index_shape){m->n_pieces, m->piece_length};
	meta_free(m);
	buf_fini(&torrent);
}

static json_t *text_json(struct buf *b)
{
	json_t *j =
	    b->err != OK ? NULL : json_stringn(b->len == 0 ? "" : (const char *)b->ptr, b->len);

	buf_fini(b);
	return j;
}

static json_t *rarest_json(const struct roster_pieces *p)
{
	struct buf ranges;

	buf_init(&ranges, 64u << 10);
	ranges_put(&ranges, &p->rare, INDEX_RANGES_MAX);
	return json_pack("{s:I, s:o}", "copies", (json_int_t)p->rarest, "ranges",
			 text_json(&ranges));
}

static json_t *copies_json(const struct roster_pieces *p)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < p->n_copies; i++) {
		if (json_array_append_new(list, json_integer(p->copies[i])) != 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* Those of whom the tracker alone knows. */
struct strangers {
	uint32_t n;
	bool seed; /* one of them says that it has all */
};

static void count_strangers(struct index_server *s, const struct entry *e, uint32_t n_pieces,
			    struct roster_member *const *list, size_t n, struct strangers *out)
{
	struct presence p;
	uint32_t known = 0;
	size_t n_peers;

	*out = (struct strangers){0};
	index_presence(s, e, INDEX_HOLDERS_MAX, &p, &n_peers);
	for (size_t i = 0; i < n_peers; i++) {
		const struct roster_member *m = index_member_at(list, n, &s->peers[i].addr);

		if (m != NULL && roster_knows(m, n_pieces))
			known++;
		else
			out->seed = out->seed || s->peers[i].left == 0;
	}
	out->n = p.online > known ? p.online - known : 0;
}

json_t *index_pieces_json(struct index_server *s, const struct entry *e,
			  const struct index_shape *shape, struct roster_member *const *list,
			  size_t n)
{
	struct roster_pieces p;
	struct strangers others;
	json_t *j;

	if (roster_pieces(list, n, shape->n_pieces, &p) != OK)
		return NULL;
	count_strangers(s, e, shape->n_pieces, list, n, &others);
	j = json_pack("{s:I, s:I, s:I, s:I, s:o, s:o, s:I, s:b}", "pieces",
		      (json_int_t)shape->n_pieces, "piece_length", (json_int_t)shape->piece_length,
		      "known", (json_int_t)p.known, "unknown", (json_int_t)others.n, "copies",
		      copies_json(&p), "rarest", rarest_json(&p), "distributed_milli",
		      (json_int_t)p.distributed_milli, "can_complete",
		      p.rarest > 0 || others.seed || shape->n_pieces == 0);
	roster_pieces_fini(&p);
	return j;
}

static json_t *holder_json(const struct roster_member *m)
{
	char addr[ADDR_TEXT_MAX];
	struct bitfield map;
	struct buf text;

	if (roster_map(m, &map) != OK)
		return NULL;
	buf_init(&text, 4 + 2 * bitfield_bytes(map.n));
	base64_put(&text, bytes_of(map.bits, bitfield_bytes(map.n)));
	bitfield_fini(&map);
	return json_pack("{s:s, s:I, s:o}", "addr", addr_text(addr, &m->session->addr), "have",
			 (json_int_t)m->have, "map", text_json(&text));
}

static json_t *holders_json(struct roster_member *const *list, size_t n, uint32_t n_pieces)
{
	json_t *out = json_array();

	for (size_t i = 0; i < n && json_array_size(out) < INDEX_MAPS_MAX; i++) {
		json_t *j;

		if (!roster_knows(list[i], n_pieces))
			continue;
		j = holder_json(list[i]);
		if (j == NULL || json_array_append_new(out, j) != 0) {
			json_decref(out);
			return NULL;
		}
	}
	return out;
}

void index_pieces(struct index_server *s, const struct entry *e, struct http_reply *reply)
{
	struct roster_member **list = NULL;
	struct index_shape shape;
	json_t *j = NULL;
	size_t n;

	index_shape(s, e->id, &shape);
	if (roster_list(s->roster, index_swarm_key(e), &list, &n) == OK)
		j = index_pieces_json(s, e, &shape, list, n);
	if (j != NULL &&
	    json_object_set_new(j, "holders", holders_json(list, n, shape.n_pieces)) != 0) {
		json_decref(j);
		j = NULL;
	}
	free(list);
	api_reply_json(reply, 200, j);
}
