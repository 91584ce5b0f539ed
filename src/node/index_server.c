#include "node/index_server.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "net/entropy.h"
#include "net/tcp.h"
#include "node/index_server_impl.h"
#include "node/web_assets.h"

#define TICK_MS 1000u
#define API "/api/v1/"

/* ---- routes ---- */

/* The page's files lie in the program itself: there is no path to walk out of (O-33). */
static bool serve_asset(const struct http_request *r, struct http_reply *reply)
{
	for (size_t i = 0; i < web_n_assets; i++) {
		const struct web_asset *a = &web_assets[i];

		if (!bytes_eq(r->path, bytes_str(a->path)))
			continue;
		if (index_reply_method(r, reply, "GET")) {
			reply->type = a->type;
			buf_put(&reply->body, bytes_of(a->data, a->len));
		}
		return true;
	}
	return false;
}

static void on_entries(struct index_server *s, const struct http_request *r,
		       struct http_reply *reply)
{
	if (strcmp(r->method, "POST") == 0)
		index_publish(s, r, reply);
	else if (strcmp(r->method, "DELETE") == 0)
		index_unpublish(s, r, reply);
	else if (index_reply_method(r, reply, "GET"))
		index_list(s, r, reply);
}

static void on_unpublish(struct index_server *s, const struct http_request *r,
			 struct http_reply *reply)
{
	if (index_reply_method(r, reply, "POST"))
		index_unpublish(s, r, reply);
}

static const struct route {
	const char *path;
	void (*handle)(struct index_server *s, const struct http_request *r,
		       struct http_reply *reply);
} routes[] = {
    {"/announce", index_announce},   {"/scrape", index_scrape}, {API "entries", on_entries},
    {API "unpublish", on_unpublish}, {API "near", index_near},	{API "peers", index_peers},
    {API "status", index_status},
};

static void on_request(void *user, const struct http_request *r, struct http_reply *reply)
{
	static const char entry[] = API "entries/";
	struct index_server *s = user;
	size_t n = sizeof(entry) - 1;

	s->counts.requests++;
	index_reply_begin(reply);
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (bytes_eq(r->path, bytes_str(routes[i].path))) {
			routes[i].handle(s, r, reply);
			return;
		}
	}
	if (r->path.len > n && memcmp(r->path.ptr, entry, n) == 0)
		index_entry(s, r, bytes_sub(r->path, n, r->path.len - n), reply);
	else if (!serve_asset(r, reply))
		index_reply_error(reply, 404, "not_found", "no such path");
}

static void on_tick(void *arg)
{
	struct index_server *s = arg;

	tracker_tick(s->tracker, index_now_s(s));
	loop_timer_set(s->timer, TICK_MS);
}

/* ---- life ---- */

static int make_dir(const char *path, struct err_info *info)
{
	size_t len = strlen(path);
	char *part = strdup(path);
	int r = 0;

	if (part == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	for (size_t i = 1; i <= len && r == 0; i++) {
		if (part[i] != '/' && part[i] != '\0')
			continue;
		part[i] = '\0';
		if (mkdir(part, 0700) != 0 && errno != EEXIST)
			r = err_set(info, errno == EACCES ? ERR_DENIED : ERR_IO, "%s: %s", part,
				    strerror(errno));
		part[i] = i < len ? '/' : '\0';
	}
	free(part);
	return r;
}

static int start_tracker(struct index_server *s)
{
	struct tracker_params p = {0};

	entropy_fill(&s->key, sizeof(s->key));
	entropy_fill(&p.key, sizeof(p.key));
	entropy_fill(&p.seed, sizeof(p.seed));
	s->tracker = tracker_new(&p);
	return s->tracker == NULL ? ERR_NOMEM : 0;
}

static int start(struct index_server *s, const struct index_server_params *p, struct err_info *info)
{
	int fd, r;

	s->rows = calloc(CATALOGUE_PAGE_MAX, sizeof(*s->rows));
	s->peers = calloc((size_t)2 * INDEX_HOLDERS_MAX, sizeof(*s->peers));
	s->timer = loop_timer_new(s->loop, on_tick, s);
	if (s->rows == NULL || s->peers == NULL || s->timer == NULL || start_tracker(s) < 0)
		return err_set(info, ERR_NOMEM, "out of memory");
	r = make_dir(p->data_dir, info);
	if (r == 0)
		r = catalogue_db_open(p->data_dir, &s->db, info);
	if (r < 0)
		return r;
	fd = tcp_listen(p->listen_host, p->port, &s->port, info);
	if (fd < 0)
		return fd;
	r = http_server_new(s->loop, fd, on_request, s, &s->http);
	if (r < 0)
		return err_set(info, r, "cannot serve on port %u: %s", s->port, err_text(r));
	loop_timer_set(s->timer, TICK_MS);
	return 0;
}

int index_server_new(struct loop *l, const struct index_server_params *p, struct index_server **out,
		     struct err_info *info)
{
	struct index_server *s = calloc(1, sizeof(*s));
	int r;

	if (s == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	s->loop = l;
	s->started_ms = loop_now_ms(l);
	s->log = p->log;
	s->log_user = p->user;
	r = start(s, p, info);
	if (r < 0) {
		index_server_free(s);
		return r;
	}
	*out = s;
	return 0;
}

void index_server_free(struct index_server *s)
{
	if (s == NULL)
		return;
	if (s->http != NULL)
		http_server_free(s->http);
	if (s->timer != NULL)
		loop_timer_free(s->timer);
	if (s->db != NULL)
		catalogue_db_close(s->db);
	tracker_free(s->tracker);
	free(s->rows);
	free(s->peers);
	free(s);
}

uint16_t index_server_port(const struct index_server *s)
{
	return s->port;
}
