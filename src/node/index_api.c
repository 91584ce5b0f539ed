#include "node/index_server_impl.h"

#include <stdlib.h>

#include "base/text.h"
#include "meta/magnet.h"
#include "net/entropy.h"
#include "net/tls.h"
#include "node/entry_json.h"
#include "node/index_torrent.h"
#include "node/json_put.h"
#include "node/qr_svg.h"
#include "node/torrent_file.h"

/* A .torrent up to this size is opened to put its trackers into the magnet link. */
#define MAGNET_TORRENT_MAX (1u << 20)
/* Bytes of a stored .torrent's trackers that may be left out of what is handed out. */
#define TRACKERS_SPARE (1u << 20)

/* ---- one entry ---- */

struct file_list {
	json_t *list;
	bool short_of_memory;
};

static int add_file(void *user, const struct catalogue_file *f)
{
	struct file_list *files = user;
	json_t *j;

	if (json_array_size(files->list) == INDEX_FILES_SHOWN)
		return 1;
	j = json_object();
	if (torrent_put_text(j, "path", f->path) != 0 ||
	    json_object_set_new(j, "bytes", json_integer((json_int_t)f->length)) != 0 ||
	    json_object_set_new(j, "sha256", json_hex(f->has_sha256, f->sha256, SHA256_LEN)) != 0) {
		json_decref(j);
		j = NULL;
	}
	files->short_of_memory = j == NULL || json_array_append_new(files->list, j) != 0;
	return files->short_of_memory;
}

/* The rest is not looked at, of which there may be hundreds of thousands. NULL: the fault is in
 * `why`. */
static json_t *files_json(struct index_server *s, const struct entry *e, struct err_info *why)
{
	struct file_list files = {.list = json_array()};
	int err = catalogue_db_files(s->db, e->id, add_file, &files, why);

	if (err == 0 && (files.list == NULL || files.short_of_memory))
		err = err_set(why, ERR_NOMEM, "out of memory");
	if (err == 0)
		return files.list;
	json_decref(files.list);
	return NULL;
}

/* Of one of at most `stored_max` bytes. `out` is empty, and is again after an error. */
static int put_torrent(struct index_server *s, const struct http_request *r, const struct entry *e,
		       struct bytes passkey, size_t stored_max, struct buf *out,
		       struct err_info *why)
{
	size_t most = out->max;
	int err;

	out->max = stored_max;
	err = catalogue_db_torrent(s->db, e->id, out, why);
	out->max = stored_max + TRACKERS_SPARE;
	if (err == OK) {
		err = index_torrent_point_here(out, e->has_v2, r, passkey, index_told_udp_port(s));
		if (err == OK && out->len > most)
			err = ERR_TOO_BIG;
		if (err < 0)
			err_set(why, err, "the .torrent of entry %llu: %s",
				(unsigned long long)e->id, err_text(err));
	}
	out->max = most;
	if (err < 0)
		buf_clear(out);
	return err;
}

int index_put_torrent(struct index_server *s, const struct http_request *r, const struct entry *e,
		      struct buf *out, struct err_info *why)
{
	struct buf token;
	int err;

	buf_init(&token, HTTP_HEADERS_MAX);
	/* What is far too long for whoever asks is not read. */
	err = put_torrent(s, r, e, index_passkey_of(s, r, &token),
			  out->max < META_BYTES_MAX - TRACKERS_SPARE ? out->max + TRACKERS_SPARE
								     : META_BYTES_MAX,
			  out, why);
	buf_fini(&token);
	return err;
}

struct metainfo *index_stored_meta(struct index_server *s, uint64_t id, struct bytes torrent)
{
	struct metainfo *m = NULL;
	enum meta_fault fault = meta_parse(torrent, &m);
	struct err_info why;

	if (fault == META_OK)
		return m;
	err_set(&why, fault == META_NOMEM ? ERR_NOMEM : ERR_IO, "the .torrent of entry %llu: %s",
		(unsigned long long)id, meta_fault_text(fault));
	index_log_fault(s, &why);
	return NULL;
}

/* The link without trackers, and ours behind it. */
static json_t *own_magnet(struct index_server *s, const struct http_request *r, const char *plain)
{
	struct buf link;
	json_t *j = NULL;

	buf_init(&link, MAGNET_BYTES_MAX * 4);
	buf_put_str(&link, plain);
	if (index_torrent_put_trackers(r, index_told_udp_port(s), &link) == OK)
		j = json_stringn((const char *)link.ptr, link.len);
	buf_fini(&link);
	return j;
}

/* With the trackers of the torrent, but no passkey, since links are passed on; with ours alone when
 * it is too large to open for that. `entry`, which has the link without any, is told what the
 * content is called on disk. */
static json_t *whole_magnet(struct index_server *s, const struct http_request *r,
			    const struct entry *e, json_t *entry)
{
	const char *plain = json_string_value(json_object_get(entry, "magnet"));
	struct err_info why = {0};
	struct buf torrent, link;
	struct metainfo *m = NULL;
	json_t *j = NULL;

	buf_init(&torrent, MAGNET_TORRENT_MAX * 2);
	buf_init(&link, MAGNET_BYTES_MAX * 4);
	if (put_torrent(s, r, e, bytes_of(NULL, 0), MAGNET_TORRENT_MAX, &torrent, &why) == OK)
		m = index_stored_meta(s, e->id, buf_bytes(&torrent));
	else
		index_log_unread(s, &why);
	if (m != NULL && magnet_put(m, &link) == 0)
		j = json_stringn((const char *)link.ptr, link.len);
	if (m != NULL)
		(void)torrent_put_text(entry, "content_name", meta_content_name(m));
	meta_free(m);
	buf_fini(&torrent);
	buf_fini(&link);
	return j != NULL || plain == NULL ? j : own_magnet(s, r, plain);
}

static void details(struct index_server *s, const struct http_request *r, const struct entry *e,
		    struct http_reply *reply)
{
	struct err_info why = {0};
	json_t *files = files_json(s, e, &why), *j, *link;
	size_t shown = json_array_size(files);
	char path[64];

	if (files == NULL) {
		index_reply_fault(s, reply, &why);
		return;
	}
	j = index_entry_json(s, e);
	link = whole_magnet(s, r, e, j);
	if (link != NULL)
		json_object_set_new(j, "magnet", link);
	snprintf(path, sizeof(path), "/api/v1/entries/%llu/torrent", (unsigned long long)e->id);
	if (json_object_set_new(j, "torrent", json_string(path)) != 0 ||
	    json_object_set_new(j, "files", files) != 0 ||
	    json_object_set_new(
		j, "files_left_out",
		json_integer(e->n_files > shown ? (json_int_t)(e->n_files - shown) : 0)) != 0) {
		json_decref(j);
		j = NULL;
	}
	api_reply_json(reply, 200, j);
}

static void torrent(struct index_server *s, const struct http_request *r, const struct entry *e,
		    struct http_reply *reply)
{
	struct err_info why = {0};

	if (index_put_torrent(s, r, e, &reply->body, &why) < 0)
		index_reply_fault(s, reply, &why);
	else
		reply->type = "application/x-bittorrent";
}

/* The magnet link with its trackers, for the camera of a telephone; without them when it would not
 * fit into a code. */
static void qr(struct index_server *s, const struct http_request *r, const struct entry *e,
	       struct http_reply *reply)
{
	json_t *entry = index_entry_json(s, e), *link;
	int err;

	link = whole_magnet(s, r, e, entry);
	if (link == NULL || json_string_length(link) > QR_TEXT_BYTES_MAX) {
		json_decref(link);
		link = json_incref(json_object_get(entry, "magnet"));
	}
	err =
	    link == NULL ? ERR_NOMEM : qr_svg_put(bytes_str(json_string_value(link)), &reply->body);
	if (err == ERR_TOO_BIG)
		index_reply_error(reply, 422, "too_long", "the link does not fit into a QR code");
	else if (err < 0)
		index_reply_error(reply, 503, "busy", "out of memory");
	else
		reply->type = "image/svg+xml";
	json_decref(link);
	json_decref(entry);
}

void index_entry(struct index_server *s, const struct http_request *r, struct bytes rest,
		 struct http_reply *reply)
{
	const uint8_t *slash = rest.len == 0 ? NULL : memchr(rest.ptr, '/', rest.len);
	size_t at = slash == NULL ? rest.len : (size_t)(slash - rest.ptr);
	struct bytes what = bytes_sub(rest, at, rest.len - at);
	struct err_info why = {0};
	struct entry e;
	uint64_t id;

	if (!index_reply_method(r, reply, "GET"))
		return;
	if (text_parse_u64(bytes_sub(rest, 0, at), INT64_MAX, &id) < 0)
		index_reply_error(reply, 404, "not_found", "no such path");
	else if (catalogue_db_get(s->db, id, &e, &why) < 0)
		index_reply_fault(s, reply, &why);
	else if (what.len == 0)
		details(s, r, &e, reply);
	else if (bytes_eq(what, bytes_str("/torrent")))
		torrent(s, r, &e, reply);
	else if (bytes_eq(what, bytes_str("/qr.svg")))
		qr(s, r, &e, reply);
	else if (bytes_eq(what, bytes_str("/holders")))
		api_reply_json(reply, 200, index_holders_json(s, &e));
	else if (bytes_eq(what, bytes_str("/pieces")))
		index_pieces(s, &e, reply);
	else
		index_reply_error(reply, 404, "not_found", "no such path");
}

/* ---- who and how much ---- */

void index_peers(struct index_server *s, const struct http_request *r, struct http_reply *reply)
{
	uint64_t limit = INDEX_PEERS_DEFAULT;

	if (!index_reply_method(r, reply, "GET") || !index_query_is_sane(r, reply) ||
	    index_take_number(r, "limit", 1, INDEX_PEERS_MAX, &limit, reply) < 0)
		return;
	api_reply_json(reply, 200, index_peers_json(s, (uint32_t)limit));
}

/* For peers whose table is empty. Another part of them each time. */
void index_dht_nodes(struct index_server *s, const struct http_request *r, struct http_reply *reply)
{
	const struct roster_session *some[INDEX_DHT_NODES];
	json_t *list = json_array();
	uint32_t draw;
	size_t n;

	entropy_fill(&draw, sizeof(draw));
	n = roster_dht_some(s->roster, draw, some, INDEX_DHT_NODES);
	for (size_t i = 0; i < n; i++) {
		struct addr about = some[i]->addr, a;
		char text[ADDR_TEXT_MAX];

		about.port = some[i]->dht_port;
		if (index_addr_for(&r->from, &r->to, &about, &a))
			json_array_append_new(list, json_string(addr_text(text, &a)));
	}
	if (!index_reply_method(r, reply, "GET")) {
		json_decref(list);
		return;
	}
	api_reply_json(reply, 200, json_pack("{s:o}", "nodes", list));
}

static json_t *udp_json(const struct index_server *s, const struct index_udp_counts *c)
{
	if (s->udp == NULL)
		return json_null();
	return json_pack("{s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "threads",
			 (int)index_udp_threads(s->udp), "connects", (json_int_t)c->connects,
			 "announces", (json_int_t)c->announces, "scrapes", (json_int_t)c->scrapes,
			 "refused", (json_int_t)c->refused, "scrapes_refused",
			 (json_int_t)c->scrapes_refused, "ignored", (json_int_t)c->ignored,
			 "dropped", (json_int_t)c->dropped);
}

void index_status(struct index_server *s, const struct http_request *r, struct http_reply *reply)
{
	const char *pin = s->tls != NULL && tls_is_self_signed(s->tls) ? tls_pin(s->tls) : NULL;
	uint64_t entries, bytes, swarms, peers;
	struct index_udp_counts udp = {0};

	if (!index_reply_method(r, reply, "GET"))
		return;
	catalogue_db_count(s->db, &entries, &bytes);
	shards_totals(s->shards, &swarms, &peers);
	if (s->udp != NULL)
		index_udp_counts(s->udp, &udp);
	api_reply_json(
	    reply, 200,
	    json_pack(
		"{s:s, s:s?, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:o}",
		"version", SHOAL_VERSION, "pin", pin, "now", (json_int_t)loop_wall_s(), "uptime",
		(json_int_t)((loop_now_ms(s->loop) - s->started_ms) / 1000), "entries",
		(json_int_t)entries, "bytes", (json_int_t)bytes, "swarms", (json_int_t)swarms,
		"peers", (json_int_t)peers, "sessions", (json_int_t)roster_sessions(s->roster),
		"announces", (json_int_t)(s->counts.announces + udp.announces), "announces_refused",
		(json_int_t)(s->counts.refused + udp.refused), "scrapes",
		(json_int_t)(s->counts.scrapes + udp.scrapes), "scrapes_refused",
		(json_int_t)(s->counts.scrapes_refused + udp.scrapes_refused), "requests",
		(json_int_t)s->counts.requests, "dht_nodes", (int)roster_dht_nodes(s->roster),
		"udp", udp_json(s, &udp)));
}
