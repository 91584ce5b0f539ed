#include "node/index_server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/text.h"
#include "net/entropy.h"
#include "net/tcp.h"
#include "node/index_cert.h"
#include "node/index_server_impl.h"
#include "node/web_assets.h"
#include "store/durable.h"

#define TICK_MS 1000u
/* How often the tokens of sessions and streams are looked at again. */
#define TOKENS_EACH_TICKS 5u
/* Ports tried until one is free for TCP and UDP alike. */
#define ANY_PORT_TRIES 64
#define API "/api/v1/"

/* ---- routes ---- */

/* A browser keeps them, and asks each time whether they are those of the index that runs. */
static void put_asset(const struct http_request *r, const struct web_asset *a,
		      struct http_reply *reply)
{
	const char *known = http_request_header(r, "If-None-Match");

	reply->type = a->type;
	api_reply_header(reply, "ETag", a->tag);
	api_reply_header(reply, "Cache-Control", "no-cache");
	if (known != NULL && strstr(known, a->tag) != NULL)
		reply->status = 304;
	else
		buf_put(&reply->body, bytes_of(a->data, a->len));
}

/* The page's files lie in the program itself: there is no path to walk out of (O-33). */
static bool serve_asset(const struct http_request *r, struct http_reply *reply)
{
	for (size_t i = 0; i < web_n_assets; i++) {
		const struct web_asset *a = &web_assets[i];

		if (!bytes_eq(r->path, bytes_str(a->path)))
			continue;
		if (index_reply_method(r, reply, "GET"))
			put_asset(r, a, reply);
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
	else if (strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0)
		index_list(s, r, reply);
	else
		index_reply_not_allowed(reply, "GET, HEAD, POST, DELETE");
}

static void on_unpublish(struct index_server *s, const struct http_request *r,
			 struct http_reply *reply)
{
	if (index_reply_method(r, reply, "POST"))
		index_unpublish(s, r, reply);
}

static const struct route {
	const char *path;
	enum catalogue_right need; /* of who reads; changing anything needs RIGHT_PUBLISH besides */
	void (*handle)(struct index_server *s, const struct http_request *r,
		       struct http_reply *reply);
} routes[] = {
    /* these two judge for themselves, in a tracker's words */
    {"/announce", RIGHT_NONE, index_announce},	    {"/scrape", RIGHT_NONE, index_scrape},
    {API "entries", RIGHT_READ, on_entries},	    {API "unpublish", RIGHT_PUBLISH, on_unpublish},
    {API "session", RIGHT_READ, index_session},	    {API "events", RIGHT_READ, index_events},
    {API "near", RIGHT_READ, index_near},	    {API "peers", RIGHT_READ, index_peers},
    {API "status", RIGHT_READ, index_status},	    {"/stats.json", RIGHT_READ, index_status},
    {API "dht-nodes", RIGHT_READ, index_dht_nodes}, {API "audit", RIGHT_READ, index_audit},
    {"/healthz", RIGHT_NONE, index_healthz},	    {"/metrics", RIGHT_READ, index_metrics},
    {"/feed.atom", RIGHT_READ, index_feed},
};

struct bytes index_token_of(const struct http_request *r, struct buf *buf)
{
	const char *given = http_request_bearer(r);

	if (given != NULL)
		(void)buf_put_str(buf, given);
	else if (!http_request_param(r, "token", buf))
		buf_clear(buf);
	return buf_bytes(buf);
}

struct bytes index_passkey_of(const struct index_server *s, const struct http_request *r,
			      struct buf *buf)
{
	return index_access_is_open(s->access) ? bytes_of(NULL, 0) : index_token_of(r, buf);
}

int index_token_keep(const struct http_request *r, char **out)
{
	struct buf token;
	int err = OK;

	*out = NULL;
	buf_init(&token, HTTP_HEADERS_MAX);
	if (index_token_of(r, &token).len > 0) {
		*out = buf_cstr(&token) == NULL ? NULL : strdup(buf_cstr(&token));
		err = *out == NULL ? ERR_NOMEM : OK;
	}
	buf_fini(&token);
	return err;
}

bool index_token_lasts(const struct index_server *s, const char *token, const struct addr *from)
{
	if (s->ticks % TOKENS_EACH_TICKS != 0 || index_access_is_open(s->access))
		return true;
	return index_access_check(s->access, token == NULL ? bytes_of(NULL, 0) : bytes_str(token),
				  from, RIGHT_READ, index_now_s(s)) == ACCESS_GRANTED;
}

static bool is_granted(struct index_server *s, const struct http_request *r,
		       enum catalogue_right need, struct http_reply *reply)
{
	static const struct {
		int status;
		const char *code;
	} answers[] = {
	    [ACCESS_NO_TOKEN] = {401, "token_needed"}, [ACCESS_WRONG] = {401, "bad_token"},
	    [ACCESS_WRONG_AGAIN] = {401, "bad_token"}, [ACCESS_TOO_LOW] = {403, "not_allowed"},
	    [ACCESS_LOCKED] = {429, "locked_out"},
	};
	enum index_verdict v;
	struct buf token;

	if (need == RIGHT_NONE)
		return true;
	/* Over TLS a stranger's name would have needed a certificate. What a proxy says of this, a
	 * page could say, too. */
	if (s->tls == NULL &&
	    !index_host_is_ours(&s->host, http_request_header(r, "Host"), &r->via)) {
		index_reply_error(reply, 421, "wrong_host",
				  "this index does not answer under that name; --host NAME, where "
				  "it is started, lets it");
		return false;
	}
	if (strcmp(r->method, "GET") != 0 && strcmp(r->method, "HEAD") != 0 && need < RIGHT_PUBLISH)
		need = RIGHT_PUBLISH;
	buf_init(&token, HTTP_HEADERS_MAX);
	v = index_access_check(s->access, index_token_of(r, &token), &r->from, need,
			       index_now_s(s));
	buf_fini(&token);
	if (v == ACCESS_WRONG)
		index_log_wrong_token(s, &r->from);
	if (v != ACCESS_GRANTED)
		index_reply_error(reply, answers[v].status, answers[v].code, "%s",
				  index_verdict_text(v));
	if (v != ACCESS_GRANTED && answers[v].status == 401) /* RFC 9110 section 15.5.2 */
		api_reply_header(reply, "WWW-Authenticate", "Bearer");
	return v == ACCESS_GRANTED;
}

static bool is_below(struct bytes path, const char *folder, struct bytes *rest)
{
	size_t n = strlen(folder);

	if (path.len <= n || memcmp(path.ptr, folder, n) != 0)
		return false;
	*rest = bytes_sub(path, n, path.len - n);
	return true;
}

static void on_request(void *user, const struct http_request *r, struct http_reply *reply)
{
	struct index_server *s = user;
	struct bytes rest;

	s->counts.requests++;
	index_reply_begin(reply);
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (bytes_eq(r->path, bytes_str(routes[i].path))) {
			if (is_granted(s, r, routes[i].need, reply))
				routes[i].handle(s, r, reply);
			return;
		}
	}
	if (is_below(r->path, API "entries/", &rest)) {
		if (is_granted(s, r, RIGHT_READ, reply))
			index_entry(s, r, rest, reply);
	} else if (is_below(r->path, "/announce/", &rest)) {
		index_announce_as(s, r, rest, reply);
	} else if (is_below(r->path, "/scrape/", &rest)) {
		index_scrape_as(s, r, rest, reply);
	} else if (!serve_asset(r, reply)) {
		index_reply_error(reply, 404, "not_found", "no such path");
	}
}

static void on_tick(void *arg)
{
	struct index_server *s = arg;

	shards_tick(s->shards, index_now_s(s));
	index_access_tick(s->access);
	s->ticks++;
	index_session_tick(s);
	index_events_tick(s);
	loop_timer_set(s->timer, TICK_MS);
}

/* ---- the log ---- */

void index_log(const struct index_server *s, const char *event, json_t *fields)
{
	if (s->log != NULL && fields != NULL)
		s->log(s->log_user, event, fields);
	json_decref(fields);
}

void index_log_wrong_token(const struct index_server *s, const struct addr *from)
{
	char text[ADDR_TEXT_MAX];

	index_log(s, "wrong_token", json_pack("{s:s}", "from", addr_host_text(text, from)));
}

/* ---- life ---- */

/* Two indexes on one catalogue would not tell each other's listeners what changed, and each would
 * know half of the peers. Where there are no locks (some network file systems), users see to that.
 */
static int lock_dir(struct index_server *s, const char *path, struct err_info *info)
{
	char safe[300];

	s->lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->lock < 0 || flock(s->lock, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
		return 0;
	return err_set(info, ERR_EXISTS, "%s: another index runs with this data",
		       text_escape(safe, sizeof(safe), bytes_str(path)));
}

/* UDP on the number of a TCP socket that was made by others. */
static int join_listener(struct index_server *s, const struct index_server_params *p,
			 struct err_info *info)
{
	struct addr at;
	int r = tcp_local_addr(p->listener, &at);

	if (r == 0)
		s->port = at.port;
	else
		(void)err_set(info, (enum err)r, "the socket from the service manager has no port");
	if (r == 0 && p->udp_threads > 0)
		r = index_udp_new(p->listen_host, s->port, p->udp_threads, &s->udp, info);
	if (r == 0)
		return p->listener;
	tcp_close(p->listener);
	return r;
}

/* TCP and UDP on one number. Returns the listening descriptor. */
static int listen_both(struct index_server *s, const struct index_server_params *p,
		       struct err_info *info)
{
	int fd, r = 0;

	if (p->listener > 0)
		return join_listener(s, p, info);
	for (int tries = p->port == 0 ? ANY_PORT_TRIES : 1; tries > 0; tries--) {
		fd = tcp_listen(p->listen_host, p->port, &s->port, info);
		if (fd < 0 || p->udp_threads == 0)
			return fd;
		r = index_udp_new(p->listen_host, s->port, p->udp_threads, &s->udp, info);
		if (r == 0)
			return fd;
		tcp_close(fd);
		if (r != ERR_EXISTS)
			break;
	}
	return r;
}

static int start_tracker(struct index_server *s, const struct index_server_params *p,
			 struct err_info *info)
{
	int r;

	s->shards = shards_new(s->udp == NULL ? 1 : index_udp_threads(s->udp));
	if (s->shards == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	shards_set_sites(s->shards, p->sites, p->n_sites);
	if (s->udp == NULL)
		return 0;
	r = index_udp_start(s->udp, s->shards, s->access);
	return r < 0 ? err_set(info, (enum err)r, "the UDP tracker's threads: %s", err_text(r)) : 0;
}

static int start_tls(struct index_server *s, const struct index_server_params *p,
		     struct err_info *info)
{
	char *own = NULL;
	int r;

	if (!p->tls_self_signed && p->tls_cert == NULL)
		return 0;
	r = p->tls_self_signed ? index_cert_own(p->data_dir, &own, info) : 0;
	if (r == 0)
		r = own != NULL ? tls_new(own, own, &s->tls, info)
				: tls_new(p->tls_cert, p->tls_key, &s->tls, info);
	free(own);
	return r;
}

static int start(struct index_server *s, const struct index_server_params *p, struct err_info *info)
{
	struct siphash_key key;
	int fd, r;

	entropy_fill(&key, sizeof(key));
	s->roster = roster_new(key);
	s->rows = calloc(CATALOGUE_PAGE_MAX, sizeof(*s->rows));
	s->peers = calloc((size_t)2 * INDEX_HOLDERS_MAX, sizeof(*s->peers));
	s->timer = loop_timer_new(s->loop, on_tick, s);
	if (s->rows == NULL || s->peers == NULL || s->timer == NULL || s->roster == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	r = durable_mkdirs(p->data_dir, 0700, info);
	if (r == 0)
		r = lock_dir(s, p->data_dir, info);
	if (r == 0)
		r = catalogue_db_open(p->data_dir, &s->db, info);
	if (r == 0)
		r = index_access_new(s->db, &s->access, info);
	if (r == 0)
		r = start_tls(s, p, info);
	if (r < 0)
		return r;
	fd = listen_both(s, p, info);
	if (fd < 0)
		return fd;
	r = start_tracker(s, p, info);
	if (r < 0) {
		tcp_close(fd);
		return r;
	}
	r = http_server_new(s->loop, fd, on_request, s, &s->http);
	if (r < 0)
		return err_set(info, r, "cannot serve on port %u: %s", s->port, err_text(r));
	if (s->tls != NULL)
		http_server_use_tls(s->http, s->tls);
	if (s->proxies.n > 0)
		http_server_trust(s->http, &s->proxies);
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
	s->lock = -1;
	s->started_ms = loop_now_ms(l);
	TAILQ_INIT(&s->links);
	TAILQ_INIT(&s->mute);
	entropy_fill(&s->host_key, sizeof(s->host_key));
	LIST_INIT(&s->streams);
	s->log = p->log;
	s->log_user = p->user;
	s->host = p->host;
	s->proxies = p->proxies;
	r = start(s, p, info);
	if (r < 0) {
		index_server_free(s);
		return r;
	}
	*out = s;
	return 0;
}

void index_server_set_sites(struct index_server *s, const struct tracker_site *sites,
			    uint32_t n_sites)
{
	shards_set_sites(s->shards, sites, n_sites);
}

int index_server_reload(struct index_server *s,
			void (*failed)(void *user, const struct err_info *why), void *user)
{
	struct err_info why = {.code = OK};
	int tls = s->tls == NULL ? 0 : tls_reload(s->tls, &why), tokens;

	if (tls != 0)
		failed(user, &why);
	tokens = index_access_reload(s->access, &why);
	if (tokens != 0)
		failed(user, &why);
	return tls != 0 ? tls : tokens;
}

void index_server_stop(struct index_server *s, void (*done)(void *user), void *user)
{
	index_udp_free(s->udp);
	s->udp = NULL;
	http_server_drain(s->http, INDEX_STOP_MS, done, user);
}

void index_server_free(struct index_server *s)
{
	if (s == NULL)
		return;
	http_server_free(s->http);
	tls_free(s->tls);
	loop_timer_free(s->timer);
	index_udp_free(s->udp);
	index_access_free(s->access);
	if (s->db != NULL)
		catalogue_db_close(s->db);
	if (s->lock >= 0)
		close(s->lock);
	shards_free(s->shards);
	roster_free(s->roster);
	free(s->rows);
	free(s->peers);
	free(s);
}

enum catalogue_right index_server_of_anyone(const struct index_server *s)
{
	return index_access_of_anyone(s->access);
}

bool index_server_is_open(const struct index_server *s)
{
	return index_access_is_open(s->access);
}

const char *index_server_pin(const struct index_server *s)
{
	return s->tls == NULL ? NULL : tls_pin(s->tls);
}

uint16_t index_server_port(const struct index_server *s)
{
	return s->port;
}
