/* node/index_ops.c - for those who run an index: is it well, how busy is it, who changed what. */
#include "node/entry_json.h"
#include "node/index_server_impl.h"
#include "node/json_put.h"
#include "node/metrics.h"

/* ---- health ---- */

void index_healthz(struct index_server *s, const struct http_request *r, struct http_reply *reply)
{
	struct catalogue_query q = {.limit = 1};
	struct err_info why = {0};
	size_t n = 0;

	if (!index_reply_method(r, reply, "GET"))
		return;
	reply->type = "text/plain; charset=utf-8";
	/* Well is who can read the catalogue: counts are in memory. */
	if (catalogue_db_find(s->db, &q, s->rows, &n, &why) < 0) {
		index_log_fault(s, &why);
		reply->status = 503;
		buf_printf(&reply->body, "%s\n", why.text);
		return;
	}
	buf_put_str(&reply->body, "ok\n");
}

void index_metrics(struct index_server *s, const struct http_request *r, struct http_reply *reply)
{
	uint64_t entries, bytes, swarms, peers;
	struct index_udp_counts udp = {0};
	struct buf *out = &reply->body;

	if (!index_reply_method(r, reply, "GET"))
		return;
	reply->type = METRICS_TYPE;
	catalogue_db_count(s->db, &entries, &bytes);
	shards_totals(s->shards, &swarms, &peers);
	if (s->udp != NULL)
		index_udp_counts(s->udp, &udp);
	metrics_put_version(out);
	metrics_put(out, "uptime_seconds", "gauge", "Since the index started.",
		    (loop_now_ms(s->loop) - s->started_ms) / 1000);
	metrics_put(out, "entries", "gauge", "Published versions in the catalogue.", entries);
	metrics_put(out, "entry_bytes", "gauge", "Their sizes together.", bytes);
	metrics_put(out, "swarms", "gauge", "Info-hashes with a peer.", swarms);
	metrics_put(out, "peers", "gauge", "Places that peers hold in swarms.", peers);
	metrics_put(out, "sessions", "gauge", "Peers with a live session.",
		    roster_sessions(s->roster));
	metrics_put(out, "dht_nodes", "gauge",
		    "Of them those with a node of the distributed hash table.",
		    roster_dht_nodes(s->roster));
	metrics_put(out, "announces_total", "counter", "Announces over HTTP.", s->counts.announces);
	metrics_put(out, "announces_refused_total", "counter", "Of them those refused.",
		    s->counts.refused);
	metrics_put(out, "scrapes_total", "counter", "Scrapes over HTTP.", s->counts.scrapes);
	metrics_put(out, "scrapes_refused_total", "counter", "Of them those refused.",
		    s->counts.scrapes_refused);
	metrics_put(out, "http_requests_total", "counter", "Requests of any kind.",
		    s->counts.requests);
	metrics_put(out, "udp_connects_total", "counter", "Connection ids given out.",
		    udp.connects);
	metrics_put(out, "udp_announces_total", "counter", "Announces over UDP.", udp.announces);
	metrics_put(out, "udp_refused_total", "counter", "Of them those refused.", udp.refused);
	metrics_put(out, "udp_scrapes_total", "counter", "Scrapes over UDP.", udp.scrapes);
	metrics_put(out, "udp_scrapes_refused_total", "counter", "Of them those refused.",
		    udp.scrapes_refused);
	metrics_put(out, "udp_ignored_total", "counter", "Datagrams without a good connection id.",
		    udp.ignored);
	metrics_put(out, "udp_dropped_total", "counter", "Answers that could not be sent.",
		    udp.dropped);
}

/* ---- audit ---- */

struct audit_list {
	json_t *list;
	uint64_t last_id;
};

static int add_change(void *user, const struct catalogue_audit *a)
{
	struct audit_list *l = user;
	json_t *j = json_pack(
	    "{s:I, s:I, s:s, s:s, s:s, s:s, s:s?, s:I, s:o}", "id", (json_int_t)a->id, "at",
	    (json_int_t)a->at, "address", a->address, "action", a->action, "owner", a->owner,
	    "name", a->name, "token", a->token[0] == '\0' ? NULL : a->token, "version",
	    (json_int_t)a->version, "key", json_hex(a->has_key, a->key, SIGN_KEY_LEN));

	l->last_id = a->id;
	return j == NULL ? -1 : json_array_append_new(l->list, j);
}

void index_audit(struct index_server *s, const struct http_request *r, struct http_reply *reply)
{
	uint64_t before = 0, limit = INDEX_AUDIT_DEFAULT;
	struct audit_list l = {0};
	struct err_info why = {0};
	json_t *next;

	if (!index_reply_method(r, reply, "GET") || !index_query_is_sane(r, reply) ||
	    index_take_number(r, "before", 1, INT64_MAX, &before, reply) < 0 ||
	    index_take_number(r, "limit", 1, INDEX_AUDIT_MAX, &limit, reply) < 0)
		return;
	l.list = json_array();
	if (catalogue_db_audit(s->db, before, (uint32_t)limit, add_change, &l, &why) < 0) {
		json_decref(l.list);
		index_reply_fault(s, reply, &why);
		return;
	}
	next = json_array_size(l.list) == limit ? json_integer((json_int_t)l.last_id) : json_null();
	api_reply_json(reply, 200, json_pack("{s:o, s:o}", "changes", l.list, "next", next));
}
