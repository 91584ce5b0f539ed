/* node/index_session.c - the index's end of live sessions.
 *
 *     line --> what it says --> index/roster.h, and the tracker, so that clients without a session
 *                               find its peer there --> addresses back, and to those who wait
 */
#include <stdlib.h>
#include <strings.h>

#include "node/index_server_impl.h"
#include "node/index_told.h"
#include "node/json_read.h"
#include "node/session_line.h"

/* Peers told in answer to a join or a question: those of a hybrid torrent's second swarm, which are
 * mostly the same, only where the first has fewer. */
#define PEERS_TOLD ANNOUNCE_PEERS_DEFAULT
/* Lines to others that one session may cause by joining: at once, and more of them each second. */
#define TELLS_MAX 2000u
#define TELLS_PER_S 100u
/* Members of whom the tracker is told again in one tick: a part of all, and a few. */
#define REFRESH_PART 8u
#define REFRESH_LEAST 64u
/* A line of ours. */
#define LINE_BYTES_MAX (32u << 10)

_Static_assert(ROSTER_SESSIONS_MAX < INDEX_LINKS_MAX &&
		   INDEX_LINKS_MAX + INDEX_EVENTS_MAX < HTTP_STREAMS_MAX,
	       "all sessions are streams, some of which have not said hello");

struct session_link {
	TAILQ_ENTRY(session_link) link;
	struct index_server *server;
	struct http_stream *stream;
	struct roster_session *who; /* NULL: no hello yet */
	uint16_t cell;		    /* of its host */
	struct addr from, to;
	uint64_t opened_ms;
	uint32_t tells; /* lines to others that it may cause now */
	char *token;	/* NULL: none was shown */
};

/* ---- out ------------------------------------------------------------------------------ */

static void say(struct session_link *l, json_t *j)
{
	struct buf line;

	buf_init(&line, LINE_BYTES_MAX);
	session_line_put(&line, j);
	if (line.err == OK)
		http_stream_write(l->stream, buf_bytes(&line));
	buf_fini(&line);
}

bool index_addr_for(const struct addr *whom, const struct addr *here, const struct addr *about,
		    struct addr *out)
{
	*out = *about;
	if (!addr_is_loopback(about) || addr_is_loopback(whom))
		return true;
	*out = *here;
	out->port = about->port;
	return !addr_is_loopback(here);
}

static bool addr_for(const struct roster_session *whom, const struct roster_session *about,
		     struct addr *out)
{
	return index_addr_for(&whom->addr, &whom->here, &about->addr, out);
}

/* Takes what `list` holds. */
static void say_peers(struct roster_member *to, const char *kind, struct told list)
{
	json_t *j = json_pack("{s:s, s:I}", "t", kind, "id", (json_int_t)to->number);

	told_put(&list, j);
	say(to->session->user, j);
}

/* ---- the tracker ------------------------------------------------------------------------- */

/* `peers`: added to, up to PEERS_TOLD in all; NULL: none are wanted. */
static void tell_tracker(struct index_server *s, const struct roster_member *m,
			 const uint8_t hash[SHA1_LEN], enum announce_event event,
			 struct told *peers)
{
	const struct roster_session *who = m->session;
	struct announce a = {.port = who->addr.port,
			     .left = m->left,
			     .event = event,
			     .numwant =
				 peers == NULL ? 0 : (uint32_t)(PEERS_TOLD - told_count(peers)),
			     .compact = true};
	struct shard_hold hold = {.all = s->shards};
	struct announce_reply reply = {0};

	memcpy(a.info_hash, hash, SHA1_LEN);
	memcpy(a.peer_id, who->peer_id, sizeof(a.peer_id));
	if (tracker_announce(shards_enter(&hold, hash), &a, &who->addr, &who->here, index_now_s(s),
			     &reply) == OK &&
	    !reply.failed && peers != NULL)
		told_add_reply(peers, &reply);
	shards_leave(&hold); /* not before: it lent the peers */
}

static void tell_trackers(struct index_server *s, const struct roster_member *m,
			  enum announce_event event, struct told *peers)
{
	tell_tracker(s, m, roster_hash(m), event, peers);
	if (m->has_also)
		tell_tracker(s, m, m->also, event, peers);
}

static void answer_peers(struct index_server *s, struct roster_member *m, enum announce_event event)
{
	struct told peers = told_new();

	tell_trackers(s, m, event, &peers);
	say_peers(m, "peers", peers);
}

static void tell_of(struct roster_member *to, const char *kind, const struct roster_member *m)
{
	struct told list;
	struct addr a;

	if (!addr_for(to->session, m->session, &a))
		return;
	list = told_new();
	told_add(&list, &a, roster_is_complete(m));
	say_peers(to, kind, list);
}

/* Those who still lack something learn of it at once. */
static void tell_of_newcomer(struct roster_member *m)
{
	struct session_link *l = m->session->user;
	struct roster_member *to = NULL;
	uint32_t told = 0;

	while (told++ < ROSTER_TELL_MAX && l->tells > 0 && (to = roster_tell_next(m, to)) != NULL) {
		l->tells--;
		tell_of(to, "peers", m);
	}
}

/* They do not find each other: if neither can be dialled, they may yet when both dial at once. */
static void introduce(struct roster_member *m)
{
	struct session_link *l = m->session->user;
	struct roster_member *k;

	for (uint32_t i = 0; i < ROSTER_INTRODUCE_MAX && l->tells > 0; i++) {
		k = roster_introduce(m);
		if (k == NULL)
			break;
		l->tells--;
		tell_of(k, "punch", m);
		tell_of(m, "punch", k);
	}
}

/* ---- the end ------------------------------------------------------------------------------- */

static void leave(struct index_server *s, struct roster_member *m)
{
	tell_trackers(s, m, EVENT_STOPPED, NULL);
	roster_leave(s->roster, m);
}

static void leave_mute(struct session_link *l)
{
	struct index_server *s = l->server;

	TAILQ_REMOVE(&s->mute, l, link);
	s->mute_of[l->cell]--;
}

static void link_free(struct session_link *l)
{
	struct index_server *s = l->server;
	struct roster_member *m;

	s->n_links--;
	if (l->who == NULL) {
		leave_mute(l);
	} else {
		TAILQ_REMOVE(&s->links, l, link);
		while ((m = roster_any(l->who)) != NULL)
			leave(s, m);
		roster_quit(s->roster, l->who);
	}
	free(l->token);
	free(l);
}

static void on_closed(void *arg)
{
	link_free(arg);
}

/* Tell it why, and hang up. */
static void end(struct session_link *l, const char *why)
{
	say(l, json_pack("{s:s, s:s}", "t", "error", "why", why));
	http_stream_close(l->stream);
	link_free(l);
}

/* ---- lines in: each answers 0, or a negative one whose reason ends the session -------------- */

static int on_hello(struct session_link *l, const json_t *j, struct err_info *info)
{
	struct roster_session hello = {.addr = l->from, .here = l->to, .user = l}, *twin;
	uint64_t now = loop_now_ms(l->server->loop), port;
	char you[ADDR_TEXT_MAX];
	int err;

	if (l->who != NULL)
		return err_set(info, ERR_PROTO, "hello again");
	if (json_read_hex(j, "peer_id", hello.peer_id, sizeof(hello.peer_id), NULL, info) < 0 ||
	    json_read_u64(j, "port", UINT16_MAX, &port, NULL, info) < 0 ||
	    json_read_text(j, "client", hello.client, sizeof(hello.client), NULL, info) < 0)
		return ERR_PROTO;
	hello.addr.port = (uint16_t)port;
	twin = roster_twin(l->server->roster, &hello);
	if (twin != NULL)
		end(twin->user, "this peer came again");
	err = roster_enter(l->server->roster, &hello, now, &l->who);
	if (err == ERR_TOO_BIG)
		return err_set(info, err, "too many sessions");
	if (err != OK)
		return err_set(info, (enum err)err, "out of memory");
	leave_mute(l);
	TAILQ_INSERT_TAIL(&l->server->links, l, link);
	l->who->rtt_us = http_stream_rtt_us(l->stream);
	say(l, json_pack("{s:s, s:I, s:I, s:s}", "t", "welcome", "session", (json_int_t)l->who->id,
			 "beat_ms", (json_int_t)ROSTER_BEAT_MS, "you",
			 addr_host_text(you, &hello.addr)));
	return OK;
}

struct pieces_of {
	struct roster *roster;
	struct roster_member *member;
};

static void on_pieces(void *user, uint32_t first, uint32_t last, bool has)
{
	struct pieces_of *p = user;

	roster_on_pieces(p->roster, p->member, first, last, has);
}

static int take_pieces(struct session_link *l, const json_t *j, struct roster_member *m,
		       struct err_info *info)
{
	struct pieces_of p = {l->server->roster, m};

	return session_line_pieces(j, m->n_pieces, on_pieces, &p, info);
}

/* The swarm by its v1 hash; a hybrid torrent's other one besides. */
static int take_hashes(const json_t *j, uint8_t hash[SHA1_LEN], struct roster_member *like,
		       struct err_info *info)
{
	uint8_t v2[SHA256_LEN];
	bool has_v1, has_v2;

	if (json_read_hex(j, "v1", hash, SHA1_LEN, &has_v1, info) < 0 ||
	    json_read_hex(j, "v2", v2, sizeof(v2), &has_v2, info) < 0)
		return ERR_PROTO;
	if (!has_v1 && !has_v2)
		return err_set(info, ERR_PROTO, "a torrent without a hash");
	if (has_v2)
		memcpy(has_v1 ? like->also : hash, v2, SHA1_LEN);
	like->has_also = has_v1 && has_v2;
	return OK;
}

static int on_join(struct session_link *l, const json_t *j, struct err_info *info)
{
	struct index_server *s = l->server;
	struct roster_member like = {.map_known = true}, *m;
	uint64_t number, n;
	uint8_t hash[SHA1_LEN];
	int err;

	if (json_read_u64(j, "id", UINT32_MAX, &number, NULL, info) < 0 ||
	    json_read_u64(j, "pieces", ROSTER_PIECES_MAX, &n, NULL, info) < 0 ||
	    json_read_u64(j, "left", INT64_MAX, &like.left, NULL, info) < 0 ||
	    take_hashes(j, hash, &like, info) < 0)
		return ERR_PROTO;
	like.number = (uint32_t)number;
	like.n_pieces = (uint32_t)n;
	err = roster_join(s->roster, l->who, hash, &like, loop_now_ms(s->loop), &m);
	if (err == ERR_INVALID)
		return err_set(info, ERR_PROTO, "an id that is taken, or out of the order");
	if (err != OK) {
		say(l, json_pack("{s:s, s:I, s:s}", "t", "refused", "id", (json_int_t)number, "why",
				 err == ERR_NOMEM ? "out of memory" : "too many torrents"));
		return OK;
	}
	err = take_pieces(l, j, m, info);
	answer_peers(s, m, EVENT_STARTED);
	if (err == OK && (m->have > 0 || m->left == 0))
		tell_of_newcomer(m);
	return err;
}

static struct roster_member *member_of(struct session_link *l, const json_t *j,
				       struct err_info *info)
{
	struct roster_member *m = NULL;
	uint64_t number;

	if (json_read_u64(j, "id", ROSTER_TORRENTS_MAX, &number, NULL, info) == OK) {
		m = roster_member(l->who, number);
		if (m == NULL)
			err_set(info, ERR_PROTO, "an id that did not join");
	}
	return m;
}

static int on_change(struct session_link *l, const json_t *j, struct err_info *info)
{
	struct roster_member *m = member_of(l, j, info);
	bool was_complete = m != NULL && roster_is_complete(m), found;

	if (m == NULL || json_read_u64(j, "left", INT64_MAX, &m->left, &found, info) < 0 ||
	    take_pieces(l, j, m, info) < 0)
		return ERR_PROTO;
	tell_trackers(l->server, m,
		      !was_complete && roster_is_complete(m) ? EVENT_COMPLETED : EVENT_NONE, NULL);
	return OK;
}

static int on_leave(struct session_link *l, const json_t *j, struct err_info *info)
{
	struct roster_member *m = member_of(l, j, info);

	if (m == NULL)
		return ERR_PROTO;
	leave(l->server, m);
	return OK;
}

static int on_more(struct session_link *l, const json_t *j, struct err_info *info)
{
	struct roster_member *m = member_of(l, j, info);

	if (m == NULL)
		return ERR_PROTO;
	answer_peers(l->server, m, EVENT_NONE);
	if (!roster_is_complete(m))
		introduce(m);
	return OK;
}

/* [id, down, up]; false: something else. */
static bool take_rate(const struct session_link *l, const json_t *item)
{
	json_int_t v[3];
	struct roster_member *m;

	for (size_t i = 0; i < 3; i++) {
		const json_t *j = json_array_get(item, i);

		v[i] = json_integer_value(j);
		if (!json_is_integer(j) || v[i] < 0)
			return false;
	}
	m = roster_member(l->who, (uint64_t)v[0]);
	if (m != NULL) /* else it left meanwhile */
		roster_on_rates(m, v[1] > UINT32_MAX ? UINT32_MAX : (uint32_t)v[1],
				v[2] > UINT32_MAX ? UINT32_MAX : (uint32_t)v[2]);
	return true;
}

static int on_rates(struct session_link *l, const json_t *j, struct err_info *info)
{
	const json_t *list = json_object_get(j, "rates");
	bool good = json_is_array(list) && json_array_size(list) <= SESSION_RATES_MAX;

	for (size_t i = 0; good && i < json_array_size(list); i++)
		good = take_rate(l, json_array_get(list, i));
	return good ? OK : err_set(info, ERR_PROTO, "'rates' is no list of rates");
}

static int on_beat(struct session_link *l, const json_t *j, struct err_info *info)
{
	(void)j, (void)info;
	say(l, json_pack("{s:s}", "t", "ack"));
	return OK;
}

/* What came at once upon our ack carried the kernel's own acknowledgement with it, so that the
 * round trip is the line's and not that of a delayed acknowledgement. */
static int on_pong(struct session_link *l, const json_t *j, struct err_info *info)
{
	(void)j, (void)info;
	l->who->rtt_us = http_stream_rtt_us(l->stream);
	return OK;
}

static int on_dht(struct session_link *l, const json_t *j, struct err_info *info)
{
	uint64_t port;

	if (json_read_u64(j, "port", UINT16_MAX, &port, NULL, info) < 0)
		return ERR_PROTO;
	roster_set_dht(l->server->roster, l->who, (uint16_t)port);
	return OK;
}

static int on_object(struct session_link *l, const json_t *j, struct err_info *info)
{
	static const struct {
		const char *name;
		int (*take)(struct session_link *l, const json_t *j, struct err_info *info);
	} kinds[] = {{"beat", on_beat}, {"change", on_change}, {"rates", on_rates},
		     {"join", on_join}, {"leave", on_leave},   {"pong", on_pong},
		     {"more", on_more}, {"hello", on_hello},   {"dht", on_dht}};
	char kind[16];

	if (json_read_text(j, "t", kind, sizeof(kind), NULL, info) < 0)
		return ERR_PROTO;
	if (l->who == NULL && strcmp(kind, "hello") != 0)
		return err_set(info, ERR_PROTO, "the first line is no hello");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kind, kinds[i].name) == 0)
			return kinds[i].take(l, j, info);
	return OK; /* of a later version, which means no harm */
}

static void on_line(void *arg, struct bytes line)
{
	struct session_link *l = arg;
	struct err_info why = {0};
	json_t *j = NULL;
	int err = json_read_object(line, &j, &why);

	if (err == OK && l->who != NULL)
		roster_on_line(l->server->roster, l->who, loop_now_ms(l->server->loop));
	if (err == OK)
		err = on_object(l, j, &why);
	json_decref(j);
	if (err != OK)
		end(l, why.text);
}

/* ---- the beginning -------------------------------------------------------------------------- */

static uint16_t cell_of(const struct index_server *s, const struct addr *from)
{
	return (uint16_t)(siphash(s->host_key, bytes_of(from->ip, from->v6 ? 8 : 4)) %
			  INDEX_HOST_CELLS);
}

/* Who means it says hello at once, long before so many more of its host have come. */
static void make_room(struct index_server *s, uint16_t cell)
{
	bool host_has_many = s->mute_of[cell] >= INDEX_MUTE_HOST_MAX;
	struct session_link *l;

	if (!host_has_many && s->n_links < INDEX_LINKS_MAX)
		return;
	TAILQ_FOREACH(l, &s->mute, link)
	{
		if (!host_has_many || l->cell == cell)
			break;
	}
	if (l != NULL)
		end(l, "no hello, and others wait");
}

void index_session(struct index_server *s, const struct http_request *r, struct http_reply *reply)
{
	const char *wanted = http_request_header(r, "Upgrade");
	struct http_stream_params p = {
	    .head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
		    "Upgrade: " SESSION_PROTOCOL "\r\n",
	    .line = on_line,
	    .closed = on_closed,
	};
	struct session_link *l;

	if (!index_reply_method(r, reply, "GET"))
		return;
	if (strcmp(r->method, "GET") != 0 || wanted == NULL ||
	    strcasecmp(wanted, SESSION_PROTOCOL) != 0) {
		index_reply_error(reply, 426, "upgrade_needed", "ask with Upgrade: %s",
				  SESSION_PROTOCOL);
		api_reply_header(reply, "Upgrade", SESSION_PROTOCOL);
		api_reply_header(reply, "Connection", "Upgrade");
		return;
	}
	l = calloc(1, sizeof(*l));
	if (l != NULL && index_token_keep(r, &l->token) == OK) {
		l->server = s;
		l->from = r->from;
		l->to = r->to;
		l->opened_ms = loop_now_ms(s->loop);
		l->tells = TELLS_MAX;
		l->cell = cell_of(s, &l->from);
		p.user = l;
		make_room(s, l->cell);
		l->stream = http_stream_take(r, &p);
	}
	if (l != NULL && l->stream != NULL) {
		TAILQ_INSERT_TAIL(&s->mute, l, link);
		s->mute_of[l->cell]++;
		s->n_links++;
		return;
	}
	if (l != NULL)
		free(l->token);
	free(l);
	index_reply_error(reply, 503, "busy", "too many sessions");
}

/* ---- time
 * ------------------------------------------------------------------------------------------ */

void index_session_tick(struct index_server *s)
{
	uint64_t now = loop_now_ms(s->loop);
	struct session_link *l, *next;
	struct roster_session *silent;
	struct roster_member *m;
	uint32_t turns = roster_members(s->roster) / REFRESH_PART + REFRESH_LEAST;

	while ((silent = roster_silent(s->roster, now)) != NULL)
		end(silent->user, "silent for too long");
	while ((l = TAILQ_FIRST(&s->mute)) != NULL && now - l->opened_ms >= ROSTER_SILENCE_MS)
		end(l, "no hello");
	for (l = TAILQ_FIRST(&s->links); l != NULL; l = next) {
		next = TAILQ_NEXT(l, link);
		l->tells = l->tells + TELLS_PER_S < TELLS_MAX ? l->tells + TELLS_PER_S : TELLS_MAX;
		if (!index_token_lasts(s, l->token, &l->from))
			end(l, "the token is not good any more");
	}
	while (turns-- > 0 && (m = roster_due(s->roster, now)) != NULL)
		tell_trackers(s, m, EVENT_NONE, NULL);
}
