/* tests/unit/index_world.h - an index and a client of it on one loop, for tests of its API. */
#ifndef SHOAL_TEST_INDEX_WORLD_H
#define SHOAL_TEST_INDEX_WORLD_H

#include "index_fixture.h"
#include "net/http_client.h"
#include "node/index_server.h"

static struct {
	struct loop *loop;
	struct http_client *http;
	struct index_server *server;
	char *dir;
	char last_log[256];
} world;

static inline void on_log(void *user, const char *event, const json_t *fields)
{
	const char *owner = json_string_value(json_object_get(fields, "owner"));
	const char *name = json_string_value(json_object_get(fields, "name"));

	(void)user;
	snprintf(world.last_log, sizeof(world.last_log), "%s %s/%s@%d", event,
		 owner == NULL ? "" : owner, name == NULL ? "" : name,
		 (int)json_integer_value(json_object_get(fields, "version")));
}

static inline void server_start(void)
{
	struct index_server_params p = {
	    .listen_host = "127.0.0.1", .data_dir = world.dir, .log = on_log};
	struct err_info info = {0};

	if (index_server_new(world.loop, &p, &world.server, &info) != 0)
		fail_msg("%s", info.text);
}

static inline void begin(void)
{
	world.dir = folder_new();
	CHECK_INT(loop_new(&world.loop), 0);
	CHECK_INT(http_client_new(world.loop, &world.http), 0);
	server_start();
}

static inline void end(void)
{
	http_client_free(world.http);
	index_server_free(world.server);
	loop_free(world.loop);
	folder_free(world.dir);
}

struct got {
	bool done;
	int status;
	struct buf body;
	json_t *json; /* NULL when it is none */
};

static inline void on_done(void *user, const struct http_answer *reply)
{
	struct got *g = user;

	g->done = true;
	if (reply->err.code != OK)
		fail_msg("%s", reply->err.text);
	g->status = reply->status;
	buf_put(&g->body, reply->body);
}

static inline struct got ask(const char *method, const char *path, const char *const *headers,
			     struct bytes body)
{
	char url[16384];
	struct got g = {0};
	struct http_ask a = {.method = method,
			     .url = url,
			     .headers = headers,
			     .body = body,
			     .max_bytes = 16 << 20,
			     .done = on_done,
			     .user = &g};

	buf_init(&g.body, 16 << 20);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", index_server_port(world.server), path);
	CHECK(http_client_send(world.http, &a) != NULL);
	for (int i = 0; i < 1000 && !g.done; i++)
		CHECK_INT(loop_turn(world.loop, 20), 0);
	CHECK(g.done);
	CHECK(buf_cstr(&g.body) != NULL); /* so that it may be searched as a string */
	g.json = json_loadb((const char *)g.body.ptr, g.body.len, 0, NULL);
	return g;
}

static inline struct got get(const char *path)
{
	return ask("GET", path, NULL, bytes_of(NULL, 0));
}

static inline struct got post_text(const char *path, struct bytes text)
{
	static const char *const headers[] = {"Content-Type: application/json", NULL};

	return ask("POST", path, headers, text);
}

static inline struct got post(const char *path, json_t *j)
{
	char *text = json_dumps(j, 0);
	struct got g = post_text(path, bytes_str(text));

	free(text);
	json_decref(j);
	return g;
}

static inline void forget(struct got *g)
{
	buf_fini(&g->body);
	json_decref(g->json);
}

/* The code of an error, "" when the answer is none. */
static inline const char *code_of(const struct got *g)
{
	const char *code =
	    json_string_value(json_object_get(json_object_get(g->json, "error"), "code"));

	return code == NULL ? "" : code;
}

static inline void expect(struct got g, int status, const char *code)
{
	if (g.status != status || strcmp(code_of(&g), code) != 0)
		fail_msg("expected %d %s, got %d %.*s", status, code, g.status, (int)g.body.len,
			 (const char *)g.body.ptr);
	forget(&g);
}

static inline json_int_t number(const json_t *j, const char *key)
{
	CHECK(json_is_integer(json_object_get(j, key)));
	return json_integer_value(json_object_get(j, key));
}

static inline struct got publish(const struct owner *o, const char *name, const char *text,
				 int64_t age_s)
{
	struct buf torrent;
	struct entry e = entry_of(o, name, text, age_s, &torrent);
	struct got g = post("/api/v1/entries", publish_json(&e, &torrent, text));

	buf_fini(&torrent);
	return g;
}

static inline json_int_t publish_id(const struct owner *o, const char *name, const char *text)
{
	struct got g = publish(o, name, text, 0);
	json_int_t id;

	CHECK_INT(g.status, 201);
	id = number(g.json, "id");
	forget(&g);
	return id;
}

/* To take `name` away; version 0: all of it. */
static inline json_t *unpublish_json(const struct owner *o, const char *name, uint32_t version,
				     int64_t age_s)
{
	struct entry e = {.version = version, .published_at = loop_wall_s() - age_s};
	json_t *j;

	snprintf(e.owner, sizeof(e.owner), "%s", o->name);
	snprintf(e.name, sizeof(e.name), "%s", name);
	sign_entry(&e, o, "unpublish");
	j = entry_json(&e);
	json_object_del(j, "id");
	return j;
}

static inline size_t listed(const char *query)
{
	struct got g = get(query);
	size_t n = json_array_size(json_object_get(g.json, "entries"));

	CHECK_INT(g.status, 200);
	forget(&g);
	return n;
}

#define ID_OURS "-SH0100-000000000001"
#define ID_STOCK "-TR3000-000000000001"

static inline struct got announce(const uint8_t hash[20], const char *id, unsigned port,
				  const char *more)
{
	struct buf path;
	struct got g;

	buf_init(&path, 16384);
	buf_put_str(&path, "/announce?info_hash=");
	text_put_percent(&path, bytes_of(hash, 20));
	buf_printf(&path, "&peer_id=%s&port=%u%s", id, port, more);
	g = get(buf_cstr(&path));
	CHECK_INT(g.status, 200);
	buf_fini(&path);
	return g;
}

#endif
