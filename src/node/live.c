#include "node/live.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/rng.h"
#include "base/text.h"
#include "net/line_client.h"
#include "node/json_read.h"
#include "node/session_line.h"

#define BEAT_MS 3000u
#define STALL_MS 250u
#define LINES_BYTES_MAX (4u << 20)
/* Pauses before it is tried again: at least, and at most so much more. */
#define LOST_MS 100u
#define LOST_MORE_MS 1400u
#define FAILED_MS 2000u
#define FAILED_MORE_MS 3000u
/* Where none was ever had, so often; then it is as with an index that knows none: there may be a
 * proxy that lets none through. */
#define TRIES_FIRST 10u
#define UNKNOWN_MS (4u * 60u * 1000u)
#define UNKNOWN_MORE_MS (2u * 60u * 1000u)

struct live {
	struct live_params p;
	char *pin;		   /* NULL: none */
	char *base, *url, *header; /* "http://host:port", ".../api/v1/session", with the token */
	struct rng rng;
	struct line_client *line; /* NULL: between two attempts */
	enum {
		LIVE_TRYING, /* announces wait a moment */
		LIVE_DOWN,   /* they do not, while it is tried on */
		LIVE_UP,
	} state;
	uint64_t heard_ms, beat_ms, grace_ms;
	struct loop_timer *retry, *grace, *tick;
	TAILQ_HEAD(, live_torrent) all, queue, dirty;
	struct live_torrent **by_number;
	uint32_t cap_numbers, free_from; /* no number below is free */
	bool begun;
	bool was_up;	   /* once at least */
	uint32_t failed;   /* before that */
	bool said_why;	   /* once, not every few seconds */
	bool warned;	   /* the same */
	uint16_t dht_port; /* 0: none */
};

static uint64_t now_ms(const struct live *l)
{
	return loop_now_ms(l->p.loop);
}

static void say(struct live *l, json_t *j)
{
	struct buf line;

	buf_init(&line, LINES_BYTES_MAX);
	session_line_put(&line, j);
	if (line.err == OK)
		line_client_write(l->line, buf_bytes(&line));
	buf_fini(&line);
}

static void log_why(struct live *l, const char *why)
{
	char line[ERR_TEXT_MAX], safe[256];

	if (l->p.log == NULL || l->said_why)
		return;
	l->said_why = true;
	snprintf(line, sizeof(line), "%s: no live session: %s", l->base,
		 text_escape(safe, sizeof(safe), bytes_str(why)));
	l->p.log(l->p.log_user, line);
}

/* The index does not know this token, or wants one now: who serves would wait for guests in vain.
 */
static void warn_refused(struct live *l, int status)
{
	char line[ERR_TEXT_MAX];

	if ((status != 401 && status != 403) || l->warned || l->p.warn == NULL)
		return;
	l->warned = true;
	snprintf(line, sizeof(line),
		 "%s: does not let this peer in without a good token: it tells nobody of it",
		 l->base);
	l->p.warn(l->p.log_user, line);
}

/* ---- numbers ------------------------------------------------------------------------ */

static int take_number(struct live *l, struct live_torrent *t)
{
	uint32_t cap = l->cap_numbers == 0 ? 8 : l->cap_numbers * 2;
	struct live_torrent **grown;

	while (l->free_from < l->cap_numbers && l->by_number[l->free_from] != NULL)
		l->free_from++;
	if (l->free_from == l->cap_numbers) {
		grown = realloc(l->by_number, cap * sizeof(struct live_torrent *));
		if (grown == NULL)
			return ERR_NOMEM;
		memset(grown + l->cap_numbers, 0,
		       (cap - l->cap_numbers) * sizeof(struct live_torrent *));
		l->by_number = grown;
		l->cap_numbers = cap;
	}
	t->number = l->free_from;
	l->by_number[t->number] = t;
	return OK;
}

static void put_number(struct live *l, struct live_torrent *t)
{
	l->by_number[t->number] = NULL;
	if (t->number < l->free_from)
		l->free_from = t->number;
}

/* ---- torrents ------------------------------------------------------------------------- */

static void clean(struct live *l, struct live_torrent *t)
{
	if (t->dirty)
		TAILQ_REMOVE(&l->dirty, t, of_dirty);
	t->dirty = false;
}

/* Out of the session, whatever it was in it. */
static void take_out(struct live *l, struct live_torrent *t)
{
	if (t->state == LIVE_QUEUED)
		TAILQ_REMOVE(&l->queue, t, of_queue);
	if (t->state == LIVE_IN)
		put_number(l, t);
	clean(l, t);
	bitfield_fini(&t->told);
	t->told_n = t->told_down = t->told_up = 0;
	t->state = LIVE_NONE;
}

static void uncover(struct live *l, struct live_torrent *t)
{
	take_out(l, t);
	t->state = LIVE_REFUSED;
	t->uncovered(t->user);
}

static void send_join(struct live *l, struct live_torrent *t)
{
	struct live_view v;
	struct buf lines;
	int err = take_number(l, t);

	TAILQ_REMOVE(&l->queue, t, of_queue);
	t->state = err == OK ? LIVE_IN : LIVE_NONE;
	buf_init(&lines, LINES_BYTES_MAX);
	if (err == OK) {
		t->view(t->user, &v);
		err = live_map_join(t, &v, &lines);
	}
	if (err == OK) {
		t->asked = true;
		t->more_ms = now_ms(l);
		line_client_write(l->line, buf_bytes(&lines));
	} else {
		uncover(l, t);
	}
	buf_fini(&lines);
}

/* Thousands of joins do not wait in memory: they go as the index takes them. */
static void pump(struct live *l)
{
	struct live_torrent *t;

	while (l->state == LIVE_UP && line_client_held(l->line) < LIVE_HELD_MAX &&
	       (t = TAILQ_FIRST(&l->queue)) != NULL)
		send_join(l, t);
}

static void enqueue(struct live *l, struct live_torrent *t)
{
	take_out(l, t);
	t->state = LIVE_QUEUED;
	TAILQ_INSERT_TAIL(&l->queue, t, of_queue);
}

static void start_grace(struct live *l)
{
	l->grace_ms = now_ms(l);
	loop_timer_set(l->grace, LIVE_GRACE_MS);
}

static void begin(struct live *l)
{
	if (l->begun)
		return;
	l->begun = true;
	loop_timer_set(l->retry, 0);
	start_grace(l);
}

void live_join(struct live *l, struct live_torrent *t)
{
	begin(l);
	TAILQ_INSERT_TAIL(&l->all, t, of_all);
	enqueue(l, t);
	pump(l);
}

void live_leave(struct live *l, struct live_torrent *t)
{
	if (t->state == LIVE_NONE)
		return;
	if (t->state == LIVE_IN && l->state == LIVE_UP)
		say(l, json_pack("{s:s, s:I}", "t", "leave", "id", (json_int_t)t->number));
	take_out(l, t);
	TAILQ_REMOVE(&l->all, t, of_all);
}

void live_touch(struct live *l, struct live_torrent *t)
{
	if (t->state != LIVE_IN || t->dirty)
		return;
	t->dirty = true;
	TAILQ_INSERT_TAIL(&l->dirty, t, of_dirty);
}

void live_more(struct live *l, struct live_torrent *t)
{
	uint64_t now = now_ms(l);

	if (t->state != LIVE_IN || l->state != LIVE_UP || now - t->more_ms < LIVE_MORE_MS)
		return;
	t->more_ms = now;
	t->asked = true;
	say(l, json_pack("{s:s, s:I}", "t", "more", "id", (json_int_t)t->number));
}

bool live_is_of(const struct live *l, const char *tracker_url)
{
	size_t n = strlen(l->base);

	return strncmp(tracker_url, l->base, n) == 0 &&
	       strncmp(tracker_url + n, "/announce", 9) == 0;
}

bool live_has_url(const struct live *l, const char *url)
{
	return strcmp(l->base, url) == 0;
}

bool live_covers(const struct live *l, const struct live_torrent *t)
{
	return l->state != LIVE_DOWN && (t->state == LIVE_QUEUED || t->state == LIVE_IN);
}

/* ---- what changed ------------------------------------------------------------------------ */

static uint32_t rate32(uint64_t bps)
{
	return bps > UINT32_MAX ? UINT32_MAX : (uint32_t)bps;
}

/* Appends [id, down, up]. False: nothing is to be told of it in later turns either. */
static bool put_rate(struct live *l, struct live_torrent *t, const struct live_view *v,
		     json_t *list)
{
	uint32_t down = rate32(v->down_bps), up = rate32(v->up_bps);
	uint64_t now = now_ms(l);

	if (down == t->told_down && up == t->told_up)
		return down > 0 || up > 0;
	if (now - t->rates_ms < LIVE_RATES_MS || json_array_size(list) >= SESSION_RATES_MAX)
		return true;
	if (json_array_append_new(list, json_pack("[I, I, I]", (json_int_t)t->number,
						  (json_int_t)down, (json_int_t)up)) != 0)
		return true;
	t->rates_ms = now;
	t->told_down = down;
	t->told_up = up;
	return down > 0 || up > 0;
}

static void tell_changes(struct live *l)
{
	json_t *rates = json_array();
	struct live_torrent *t, *next;
	struct buf lines;

	buf_init(&lines, LINES_BYTES_MAX);
	for (t = TAILQ_FIRST(&l->dirty); t != NULL && rates != NULL; t = next) {
		struct live_view v;

		next = TAILQ_NEXT(t, of_dirty);
		if (line_client_held(l->line) + lines.len > LIVE_HELD_MAX)
			break; /* it reads slowly: the next turn tells more at once */
		t->view(t->user, &v);
		if (live_map_change(t, &v, &lines) != OK)
			break;
		if (!put_rate(l, t, &v, rates))
			clean(l, t);
	}
	/* That alone is missing when there is no memory for it: what was told before counts as
	 * told. */
	if (json_array_size(rates) > 0)
		session_line_put(&lines, json_pack("{s:s, s:O}", "t", "rates", "rates", rates));
	if (lines.len > 0)
		line_client_write(l->line, buf_bytes(&lines));
	buf_fini(&lines);
	json_decref(rates);
}

void live_flush(struct live *l)
{
	if (l->state == LIVE_UP)
		tell_changes(l);
}

/* ---- the session comes and goes ---------------------------------------------------------------
 */

static void give_up(struct live *l)
{
	struct live_torrent *t, *next;

	if (l->state == LIVE_DOWN)
		return;
	l->state = LIVE_DOWN;
	for (t = TAILQ_FIRST(&l->all); t != NULL; t = next) {
		next = TAILQ_NEXT(t, of_all);
		t->uncovered(t->user);
	}
}

static void try_later(struct live *l, uint32_t least_ms, uint32_t more_ms)
{
	loop_timer_set(l->retry, least_ms + rng_below(&l->rng, more_ms));
}

static void drop_line(struct live *l)
{
	line_client_free(l->line);
	l->line = NULL;
	loop_timer_clear(l->tick);
}

static void requeue_all(struct live *l)
{
	struct live_torrent *t;

	TAILQ_FOREACH(t, &l->all, of_all)
	{
		enqueue(l, t);
	}
}

static void lose(struct live *l, const char *why, int status)
{
	bool was_up = l->state == LIVE_UP;

	drop_line(l);
	log_why(l, why);
	warn_refused(l, status);
	if (was_up) {
		l->state = LIVE_TRYING;
		requeue_all(l);
		start_grace(l);
		try_later(l, LOST_MS, LOST_MORE_MS);
		return;
	}
	if ((status >= 400 && status < 500) || (!l->was_up && ++l->failed > TRIES_FIRST))
		try_later(l, UNKNOWN_MS, UNKNOWN_MORE_MS);
	else
		try_later(l, FAILED_MS, FAILED_MORE_MS);
	give_up(l);
}

static void on_closed(void *user, const struct err_info *why, int status)
{
	lose(user, why->text, status);
}

static void on_tick(void *arg)
{
	struct live *l = arg;
	uint64_t now = now_ms(l);

	/* We may have been stopped ourselves: what came meanwhile is not read yet, but an index
	 * that waited so long has let us go, too. */
	if (now - l->heard_ms >= LIVE_SILENCE_MS) {
		lose(l, "the index is silent", 0);
		return;
	}
	loop_timer_set(l->tick, LIVE_TICK_MS);
	if (l->state != LIVE_UP)
		return;
	if (now - l->beat_ms >= BEAT_MS - LIVE_TICK_MS / 2) {
		l->beat_ms = now;
		say(l, json_pack("{s:s}", "t", "beat"));
	}
	pump(l);
	tell_changes(l);
}

static void on_opened(void *user)
{
	struct live *l = user;
	char hex[41];

	text_hex(hex, bytes_of(l->p.peer_id, sizeof(l->p.peer_id)));
	l->heard_ms = now_ms(l);
	loop_timer_set(l->tick, LIVE_TICK_MS);
	say(l, json_pack("{s:s, s:s, s:i, s:s}", "t", "hello", "peer_id", hex, "port",
			 (int)(l->p.reach == NULL ? l->p.port : reach_port(l->p.reach, l->base)),
			 "client", "shoal " SHOAL_VERSION));
}

/* ---- lines of the index
 * -------------------------------------------------------------------------- */

static struct live_torrent *torrent_of(const struct live *l, const json_t *j)
{
	uint64_t number;

	if (json_read_u64(j, "id", UINT32_MAX, &number, NULL, NULL) < 0 || number >= l->cap_numbers)
		return NULL;
	return l->by_number[number];
}

static void on_peers(struct live *l, const json_t *j)
{
	struct live_torrent *t = torrent_of(l, j);
	struct addr list[LIVE_PEERS_MAX];
	size_t n, complete;
	bool answer;

	if (t == NULL)
		return;
	answer = t->asked;
	t->asked = false;
	n = session_line_peers(j, list, LIVE_PEERS_MAX, &complete);
	t->found(t->user, list, n, complete, answer);
}

static void say_dht(struct live *l)
{
	if (l->state == LIVE_UP && l->dht_port != 0)
		say(l, json_pack("{s:s, s:i}", "t", "dht", "port", (int)l->dht_port));
}

void live_set_dht(struct live *l, uint16_t port)
{
	l->dht_port = port;
	say_dht(l);
}

/* An older index does not say. */
static void hear_seen_as(const struct live *l, const json_t *welcome)
{
	const char *text = json_string_value(json_object_get(welcome, "you"));
	struct addr by, us;

	if (l->p.seen_as == NULL || text == NULL || addr_parse(bytes_str(text), 0, &us) != OK)
		return;
	line_client_from(l->line, &by);
	if (by.port != 0)
		l->p.seen_as(l->p.user, &by, &us);
}

static void on_punch(struct live *l, const json_t *j)
{
	struct live_torrent *t = torrent_of(l, j);
	struct addr list[LIVE_PEERS_MAX];
	size_t complete;

	if (t != NULL)
		t->punch(t->user, list, session_line_peers(j, list, LIVE_PEERS_MAX, &complete));
}

static void on_welcome(struct live *l, const json_t *j)
{
	l->state = LIVE_UP;
	say_dht(l);
	l->was_up = true;
	l->said_why = l->warned = false;
	l->beat_ms = now_ms(l);
	loop_timer_clear(l->grace);
	hear_seen_as(l, j);
}

static void on_object(struct live *l, const json_t *j)
{
	char kind[16];
	struct live_torrent *t;

	if (json_read_text(j, "t", kind, sizeof(kind), NULL, NULL) < 0)
		return;
	if (strcmp(kind, "welcome") == 0) {
		on_welcome(l, j);
	} else if (strcmp(kind, "ack") == 0) {
		say(l, json_pack("{s:s}", "t", "pong"));
	} else if (strcmp(kind, "peers") == 0) {
		on_peers(l, j);
	} else if (strcmp(kind, "punch") == 0) {
		on_punch(l, j);
	} else if (strcmp(kind, "refused") == 0) {
		t = torrent_of(l, j);
		if (t != NULL)
			uncover(l, t);
	} else if (strcmp(kind, "error") == 0) {
		log_why(l, json_is_string(json_object_get(j, "why"))
			       ? json_string_value(json_object_get(j, "why"))
			       : "it ended");
	}
}

static void on_line(void *user, struct bytes text)
{
	struct live *l = user;
	json_t *j = NULL;

	if (json_read_object(text, &j, NULL) < 0) {
		lose(l, "it says what no index would", 0);
		return;
	}
	l->heard_ms = now_ms(l);
	on_object(l, j);
	json_decref(j);
	pump(l);
}

/* ---- life
 * ------------------------------------------------------------------------------------------ */

static void on_retry(void *arg)
{
	struct live *l = arg;
	const char *headers[] = {l->header, NULL};
	struct line_client_params p = {.loop = l->p.loop,
				       .url = l->url,
				       .pin = l->pin,
				       .protocol = SESSION_PROTOCOL,
				       .headers = headers,
				       .opened = on_opened,
				       .line = on_line,
				       .closed = on_closed,
				       .user = l};

	if (line_client_new(&p, &l->line) != OK)
		try_later(l, FAILED_MS, FAILED_MORE_MS);
}

/* A loop that stood still meanwhile, while a file was hashed, gave the session no time at all. */
static void on_grace(void *arg)
{
	struct live *l = arg;

	if (now_ms(l) - l->grace_ms > LIVE_GRACE_MS + STALL_MS)
		start_grace(l);
	else
		give_up(l);
}

int live_new(const struct live_params *p, struct live **out)
{
	struct live *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return ERR_NOMEM;
	l->p = *p;
	l->p.url = l->p.token = l->p.pin = NULL;
	rng_seed(&l->rng, p->seed);
	TAILQ_INIT(&l->all);
	TAILQ_INIT(&l->queue);
	TAILQ_INIT(&l->dirty);
	l->base = strdup(p->url);
	if (p->pin != NULL)
		l->pin = strdup(p->pin);
	if (asprintf(&l->url, "%s/api/v1/session", p->url) < 0)
		l->url = NULL;
	if (p->token != NULL && *p->token != '\0' &&
	    asprintf(&l->header, "Authorization: Bearer %s", p->token) < 0)
		l->header = NULL;
	l->retry = loop_timer_new(p->loop, on_retry, l);
	l->grace = loop_timer_new(p->loop, on_grace, l);
	l->tick = loop_timer_new(p->loop, on_tick, l);
	if (l->base == NULL || l->url == NULL || l->retry == NULL || l->grace == NULL ||
	    l->tick == NULL || (p->pin != NULL && l->pin == NULL)) {
		live_free(l);
		return ERR_NOMEM;
	}
	*out = l;
	return OK;
}

const char *live_url(const struct live *l)
{
	return l->base;
}

const char *live_authorization(const struct live *l)
{
	return l->header;
}

void live_free(struct live *l)
{
	if (l == NULL)
		return;
	line_client_free(l->line);
	loop_timer_free(l->retry);
	loop_timer_free(l->grace);
	loop_timer_free(l->tick);
	free(l->by_number);
	free(l->base);
	free(l->url);
	free(l->header);
	free(l->pin);
	free(l);
}
