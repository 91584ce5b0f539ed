/* node/index_events.c - what changes, told to those who listen: server-sent events.
 *
 * Source: HTML Living Standard, section 9.2. Those who watch one entry are told the same at the
 * same time, so that what was gained since then is one thing for all of them. */
#include <stdlib.h>
#include <string.h>

#include "base/ranges.h"
#include "node/index_server_impl.h"
#include "node/json_put.h"

/* Text of one event. */
#define EVENT_BYTES_MAX (2u << 20)

struct event_stream {
	LIST_ENTRY(event_stream) link;
	struct index_server *server;
	struct http_stream *out;
	struct addr from;
	char *token;  /* NULL: none was shown */
	bool watches; /* `entry` */
	struct entry entry;
	struct index_shape shape;
	uint32_t online, seeds; /* as told last */
	uint64_t told_tick;
};

/* ---- writing ------------------------------------------------------------------------ */

/* Takes `data`. For want of memory the event is left out: the next one says as much. */
static void put_event(struct buf *out, const char *name, json_t *data)
{
	buf_printf(out, "event: %s\ndata: ", name);
	if (data == NULL || json_put(out, data, JSON_COMPACT) != 0)
		buf_clear(out);
	else
		buf_put_str(out, "\n\n");
	if (out->err != OK)
		buf_clear(out);
	json_decref(data);
}

static void tell_all(struct index_server *s, const char *name, json_t *data)
{
	struct event_stream *e;
	struct buf text;

	buf_init(&text, EVENT_BYTES_MAX);
	put_event(&text, name, data);
	LIST_FOREACH(e, &s->streams, link)
	{
		http_stream_write(e->out, buf_bytes(&text));
	}
	buf_fini(&text);
}

/* ---- one swarm ------------------------------------------------------------------------ */

/* null: too many to be told here; the map is at /pieces. */
static json_t *gained_json(struct roster_member *m, bool note)
{
	struct bitfield gained;
	struct buf text;
	json_t *j;

	if ((note ? roster_gained(m, &gained) : roster_map(m, &gained)) != OK)
		return NULL;
	buf_init(&text, 64u << 10);
	if (ranges_put(&text, &gained, INDEX_GAINED_RANGES_MAX) > 0 || text.err != OK)
		j = json_null();
	else
		j = json_stringn(text.len == 0 ? "" : (const char *)text.ptr, text.len);
	buf_fini(&text);
	bitfield_fini(&gained);
	return j;
}

static json_t *holders_json(struct roster_member *const *list, size_t n, uint32_t n_pieces,
			    bool note)
{
	json_t *out = json_array();
	char addr[ADDR_TEXT_MAX];

	for (size_t i = 0; i < n && json_array_size(out) < INDEX_MAPS_MAX; i++) {
		struct roster_member *m = list[i];
		json_t *j;

		if (!roster_knows(m, n_pieces))
			continue;
		j = json_pack("{s:s, s:I, s:I, s:I, s:o}", "addr",
			      addr_text(addr, &m->session->addr), "have", (json_int_t)m->have,
			      "down_bps", (json_int_t)m->down_bps, "up_bps", (json_int_t)m->up_bps,
			      "changed", gained_json(m, note));
		if (j == NULL || json_array_append_new(out, j) != 0) {
			json_decref(out);
			return NULL;
		}
	}
	return out;
}

/* `note`: what was gained since the last such event, instead of everything. */
static void put_swarm(struct index_server *s, const struct event_stream *e, bool note,
		      struct buf *out)
{
	struct roster_member **list = NULL;
	json_t *j = NULL;
	size_t n = 0;

	if (roster_list(s->roster, index_swarm_key(&e->entry), &list, &n) == OK)
		j = index_pieces_json(s, &e->entry, &e->shape, list, n);
	if (j != NULL && json_object_set_new(j, "holders",
					     holders_json(list, n, e->shape.n_pieces, note)) != 0) {
		json_decref(j);
		j = NULL;
	}
	free(list);
	put_event(out, "swarm", j);
}

static bool is_same_swarm(const struct event_stream *a, const struct event_stream *b)
{
	return a->watches && b->watches &&
	       memcmp(index_swarm_key(&a->entry), index_swarm_key(&b->entry), SHA1_LEN) == 0;
}

static bool has_changed(struct index_server *s, struct event_stream *e)
{
	bool changed = roster_changed(s->roster, index_swarm_key(&e->entry));
	struct presence p;
	size_t n;

	index_presence(s, &e->entry, INDEX_COUNTED_MAX, &p, &n);
	changed = changed || p.online != e->online || p.seeds != e->seeds;
	e->online = p.online;
	e->seeds = p.seeds;
	return changed;
}

static void tell_swarm(struct index_server *s, struct event_stream *first)
{
	bool changed = has_changed(s, first);
	struct event_stream *e;
	struct buf text;

	buf_init(&text, EVENT_BYTES_MAX);
	if (changed)
		put_swarm(s, first, true, &text);
	for (e = first; e != NULL; e = LIST_NEXT(e, link)) {
		if (!is_same_swarm(e, first))
			continue;
		e->told_tick = s->ticks;
		e->online = first->online;
		e->seeds = first->seeds;
		http_stream_write(e->out, buf_bytes(&text));
	}
	buf_fini(&text);
}

/* ---- events ------------------------------------------------------------------------------ */

static struct presence_counts count_presence(struct index_server *s)
{
	struct presence_counts now = {.sessions = roster_sessions(s->roster)};
	uint64_t swarms;

	shards_totals(s->shards, &swarms, &now.peers);
	return now;
}

static json_t *presence_json(const struct presence_counts *c)
{
	return json_pack("{s:I, s:I}", "peers", (json_int_t)c->peers, "sessions",
			 (json_int_t)c->sessions);
}

static void tell_presence(struct index_server *s)
{
	struct presence_counts now = count_presence(s);

	if (now.peers == s->told.peers && now.sessions == s->told.sessions)
		return;
	s->told = now;
	tell_all(s, "presence", presence_json(&now));
}

static void stream_free(struct event_stream *e)
{
	if (e->watches)
		roster_unwatch(e->server->roster, index_swarm_key(&e->entry));
	e->server->n_streams--;
	LIST_REMOVE(e, link);
	free(e->token);
	free(e);
}

static void drop_revoked(struct index_server *s)
{
	struct event_stream *e, *next;

	for (e = LIST_FIRST(&s->streams); e != NULL; e = next) {
		next = LIST_NEXT(e, link);
		if (index_token_lasts(s, e->token, &e->from))
			continue;
		http_stream_close(e->out);
		stream_free(e);
	}
}

void index_events_tick(struct index_server *s)
{
	struct event_stream *e;

	drop_revoked(s);
	if (LIST_EMPTY(&s->streams))
		return;
	tell_presence(s);
	LIST_FOREACH(e, &s->streams, link)
	{
		if (e->watches && e->told_tick != s->ticks)
			tell_swarm(s, e);
		if (s->ticks % INDEX_EVENTS_PING_S == 0)
			http_stream_write(e->out, bytes_str(": ping\n\n"));
	}
}

void index_events_catalogue(struct index_server *s, const char *change, uint64_t id)
{
	if (!LIST_EMPTY(&s->streams))
		tell_all(s, "catalogue",
			 json_pack("{s:s, s:I}", "change", change, "id", (json_int_t)id));
}

void index_events_name_gone(struct index_server *s, const struct entry *e)
{
	if (!LIST_EMPTY(&s->streams))
		tell_all(s, "catalogue",
			 json_pack("{s:s, s:n, s:s, s:s}", "change", "unpublish", "id", "owner",
				   e->owner, "name", e->name));
}

/* ---- life ---------------------------------------------------------------------------------- */

static void on_closed(void *arg)
{
	stream_free(arg);
}

/* A host: an IPv4 address, or a /64 of IPv6, of which everybody has one full of addresses. */
static bool has_room(const struct index_server *s, const struct addr *from)
{
	const struct event_stream *e;
	uint32_t of_host = 0;

	LIST_FOREACH(e, &s->streams, link)
	{
		of_host += addr_in_net(&e->from, from, from->v6 ? 64 : 32);
	}
	return s->n_streams < INDEX_EVENTS_MAX && of_host < INDEX_EVENTS_HOST_MAX;
}

/* 0, or a negative answer is in `reply`. */
static int take_entry(struct index_server *s, const struct http_request *r, struct event_stream *e,
		      struct http_reply *reply)
{
	struct err_info why = {0};
	uint64_t id;
	int given = index_take_number(r, "entry", 1, INT64_MAX, &id, reply);

	if (given <= 0)
		return given;
	if (catalogue_db_get(s->db, id, &e->entry, &why) < 0) {
		index_reply_fault(s, reply, &why);
		return why.code;
	}
	index_shape(s, id, &e->shape);
	e->watches = true;
	return 0;
}

static const char *head_text(struct buf *b, const struct http_reply *reply)
{
	buf_put_str(b, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
		       "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
		       "X-Accel-Buffering: no\r\nConnection: close\r\n");
	for (size_t i = 0; reply->headers[i] != NULL; i += 2)
		buf_printf(b, "%s: %s\r\n", reply->headers[i], reply->headers[i + 1]);
	return buf_cstr(b);
}

static int start(struct index_server *s, const struct http_request *r, struct event_stream *e,
		 const struct http_reply *reply)
{
	struct http_stream_params p = {.closed = on_closed, .user = e};
	struct buf head;

	if (e->watches && roster_watch(s->roster, index_swarm_key(&e->entry)) != OK)
		return ERR_NOMEM;
	buf_init(&head, 8192);
	p.head = head_text(&head, reply);
	if (p.head != NULL)
		e->out = http_stream_take(r, &p);
	buf_fini(&head);
	if (e->out != NULL)
		return OK;
	if (e->watches)
		roster_unwatch(s->roster, index_swarm_key(&e->entry));
	return ERR_NOMEM;
}

/* What is, before what changes. */
static void tell_first(struct index_server *s, struct event_stream *e)
{
	const struct event_stream *other;
	/* The others hear of these in the next tick: not told yet. */
	struct presence_counts now = count_presence(s);
	bool alone = true;
	struct buf text;

	LIST_FOREACH(other, &s->streams, link)
	{
		alone = alone && (other == e || !is_same_swarm(other, e));
	}
	buf_init(&text, EVENT_BYTES_MAX);
	put_event(&text, "presence", presence_json(&now));
	http_stream_write(e->out, buf_bytes(&text));
	buf_clear(&text);
	if (e->watches) {
		/* Others still have to hear what was gained. */
		put_swarm(s, e, alone, &text);
		http_stream_write(e->out, buf_bytes(&text));
	}
	buf_fini(&text);
}

void index_events(struct index_server *s, const struct http_request *r, struct http_reply *reply)
{
	struct event_stream *e;

	if (!index_reply_method(r, reply, "GET") || !index_query_is_sane(r, reply))
		return;
	if (strcmp(r->method, "HEAD") == 0) {
		reply->type = "text/event-stream";
		return;
	}
	e = has_room(s, &r->from) ? calloc(1, sizeof(*e)) : NULL;
	if (e == NULL) {
		index_reply_error(reply, 503, "busy", "too many listen to events already");
		return;
	}
	e->server = s;
	e->from = r->from;
	e->told_tick = s->ticks;
	if (take_entry(s, r, e, reply) < 0) {
		free(e);
	} else if (index_token_keep(r, &e->token) != OK || start(s, r, e, reply) != OK) {
		index_reply_error(reply, 503, "busy", "too many listen to events already");
		free(e->token);
		free(e);
	} else {
		s->n_streams++;
		LIST_INSERT_HEAD(&s->streams, e, link);
		tell_first(s, e);
	}
}
