#include "node/live.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "net/line_client.h"
#include "node/json_read.h"
#include "node/live_state.h"
#include "node/session_line.h"

struct live {
	struct live_params p;
	char *pin;		   /* NULL: none */
	char *base, *url, *header; /* "http://host:port", ".../api/v1/session", with the token */
	struct live_state state;
	struct live_book book;
	struct line_client *line; /* NULL: between two attempts */
	struct loop_timer *retry, *grace, *tick;
	char *spare;		   /* another header; NULL: none */
	bool refused, tried_spare; /* both since it was up last */
	bool begun;
	uint16_t dht_port;  /* 0: none */
	uint16_t said_port; /* in the hello */
	uint16_t said_dht;  /* what the index has for dht_port; 0: nothing yet */
};

static uint64_t now_ms(const struct live *l)
{
	return loop_now_ms(l->p.loop);
}

/* Takes what is in `lines`, which may be nothing. */
static void write_lines(struct live *l, struct buf *lines)
{
	if (lines->len > 0)
		line_client_write(l->line, buf_bytes(lines));
	buf_fini(lines);
}

static void say(struct live *l, json_t *j)
{
	struct buf line;

	buf_init(&line, LIVE_LINES_BYTES_MAX);
	session_line_put(&line, j);
	write_lines(l, &line);
}

static void log_why(struct live *l, const char *why)
{
	char line[ERR_TEXT_MAX], safe[256];

	if (l->p.log == NULL)
		return;
	snprintf(line, sizeof(line), "%s: no live session: %s", l->base,
		 text_escape(safe, sizeof(safe), bytes_str(why)));
	l->p.log(l->p.log_user, line);
}

/* The index does not know this token, or wants one now. */
static void warn_refused(struct live *l)
{
	char line[ERR_TEXT_MAX];

	if (l->p.warn == NULL)
		return;
	snprintf(line, sizeof(line),
		 "%s: does not let this peer in without a good token: it tells nobody of it",
		 l->base);
	l->p.warn(l->p.log_user, line);
}

/* ---- torrents ------------------------------------------------------------------------- */

/* Thousands of joins do not wait in memory: they go as the index takes them. */
static void pump(struct live *l)
{
	struct live_torrent *t;

	while (live_state_may_tell(&l->state) && line_client_held(l->line) < LIVE_HELD_MAX) {
		struct buf lines;

		buf_init(&lines, LIVE_LINES_BYTES_MAX);
		t = live_book_join(&l->book, now_ms(l), &lines);
		write_lines(l, &lines);
		if (t == NULL)
			break;
		if (t->state == LIVE_REFUSED)
			t->uncovered(t->user);
	}
}

static void start_grace(struct live *l)
{
	loop_timer_set(l->grace, LIVE_GRACE_MS);
}

static void begin(struct live *l)
{
	if (l->begun)
		return;
	l->begun = true;
	loop_timer_set(l->retry, 0);
	live_state_begin(&l->state, now_ms(l));
	start_grace(l);
}

void live_join(struct live *l, struct live_torrent *t)
{
	begin(l);
	live_book_add(&l->book, t);
	pump(l);
}

void live_leave(struct live *l, struct live_torrent *t)
{
	struct buf lines;

	buf_init(&lines, LIVE_LINES_BYTES_MAX);
	live_book_remove(&l->book, t, &lines);
	write_lines(l, &lines);
}

void live_touch(struct live *l, struct live_torrent *t)
{
	live_book_touch(&l->book, t);
}

void live_more(struct live *l, struct live_torrent *t)
{
	struct buf lines;

	buf_init(&lines, LIVE_LINES_BYTES_MAX);
	live_book_more(t, now_ms(l), &lines);
	write_lines(l, &lines);
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
	return l->state.is != LIVE_DOWN && (t->state == LIVE_QUEUED || t->state == LIVE_IN);
}

/* An index that reads slowly is told more at once, later. */
void live_flush(struct live *l)
{
	struct buf lines;
	size_t held;

	if (l->state.is != LIVE_UP)
		return;
	held = line_client_held(l->line);
	if (held > LIVE_HELD_MAX)
		return;
	buf_init(&lines, LIVE_LINES_BYTES_MAX);
	live_book_changes(&l->book, now_ms(l), LIVE_HELD_MAX - held, &lines);
	write_lines(l, &lines);
}

/* ---- the session comes and goes ---------------------------------------------------------- */

static void give_up(struct live *l)
{
	struct live_torrent *t, *next;

	loop_timer_clear(l->grace);
	for (t = TAILQ_FIRST(&l->book.all); t != NULL; t = next) {
		next = TAILQ_NEXT(t, of_all);
		t->uncovered(t->user);
	}
}

static void drop_line(struct live *l)
{
	line_client_free(l->line);
	l->line = NULL;
	loop_timer_clear(l->tick);
}

static void take_spare(struct live *l)
{
	char *header = l->header;

	l->header = l->spare;
	l->spare = header;
	l->tried_spare = true;
}

/* Returns the status that counts: 0 while there is another token to be shown. */
static int judge_refusal(struct live *l, int status)
{
	if (status != 401 && status != 403)
		return status;
	l->refused = true;
	if (l->spare == NULL || l->tried_spare)
		return status;
	take_spare(l);
	return 0;
}

static void lose(struct live *l, const char *why, int status)
{
	struct live_loss loss = live_state_on_lost(&l->state, judge_refusal(l, status), now_ms(l));

	drop_line(l);
	if (loss.say)
		log_why(l, why);
	if (loss.warn)
		warn_refused(l);
	loop_timer_set(l->retry, loss.retry_ms);
	if (loss.retell)
		live_book_requeue(&l->book);
	if (loss.anew)
		start_grace(l);
	if (loss.give_up)
		give_up(l);
}

static void on_closed(void *user, const struct err_info *why, int status)
{
	_Static_assert(LIVE_NOBODY == LINE_CLIENT_NOBODY, "told on as it is");
	lose(user, why->text, status);
}

/* Where those reach us whom the index tells of us, as far as is known by now: by our address of the
 * family over which it is connected. */
static uint16_t port_there(const struct live *l, uint16_t ours, uint16_t outer)
{
	struct addr by;

	line_client_from(l->line, &by);
	return reach_port_at(l->base, &by, ours, outer);
}

static uint16_t port_of(const struct live *l)
{
	return port_there(l, l->p.port, l->p.reach == NULL ? 0 : reach_outer_port(l->p.reach));
}

static uint16_t dht_port_of(const struct live *l)
{
	return port_there(l, l->dht_port,
			  l->p.reach == NULL ? 0 : reach_outer_udp_port(l->p.reach));
}

static void say_dht(struct live *l)
{
	if (l->state.is != LIVE_UP || l->dht_port == 0 || l->said_dht == dht_port_of(l))
		return;
	l->said_dht = dht_port_of(l);
	say(l, json_pack("{s:s, s:i}", "t", "dht", "port", (int)l->said_dht));
}

/* The router gave us another port than the index tells others of. */
static void renew(struct live *l)
{
	if (!live_state_renew(&l->state, now_ms(l)))
		return;
	drop_line(l);
	live_book_requeue(&l->book);
	start_grace(l);
	loop_timer_set(l->retry, 0);
}

static void on_tick(void *arg)
{
	struct live *l = arg;
	enum live_tick tick = live_state_on_tick(&l->state, now_ms(l));

	if (tick == LIVE_TICK_SILENT) {
		lose(l, "the index is silent", 0);
		return;
	}
	if (port_of(l) != l->said_port)
		renew(l);
	if (l->line == NULL)
		return;
	loop_timer_set(l->tick, LIVE_TICK_MS);
	if (tick == LIVE_TICK_WAIT)
		return;
	if (tick == LIVE_TICK_BEAT)
		say(l, json_pack("{s:s}", "t", "beat"));
	say_dht(l);
	pump(l);
	live_flush(l);
}

static void on_opened(void *user)
{
	struct live *l = user;
	char hex[41];

	text_hex(hex, bytes_of(l->p.peer_id, sizeof(l->p.peer_id)));
	live_state_on_opened(&l->state, now_ms(l));
	loop_timer_set(l->tick, LIVE_TICK_MS);
	l->said_port = port_of(l);
	l->said_dht = 0;
	say(l, json_pack("{s:s, s:s, s:i, s:s}", "t", "hello", "peer_id", hex, "port",
			 (int)l->said_port, "client", "shoal " SHOAL_VERSION));
	pump(l);
}

/* ---- lines of the index -------------------------------------------------------------- */

static struct live_torrent *torrent_of(const struct live *l, const json_t *j)
{
	uint64_t number;

	if (json_read_u64(j, "id", UINT32_MAX, &number, NULL, NULL) < 0)
		return NULL;
	return live_book_at(&l->book, number);
}

/* How near to us may be whom it names? */
static enum addr_scope nearest(const struct live *l)
{
	struct addr by;

	line_client_from(l->line, &by);
	return reach_of_index(by.port == 0 ? ADDR_PUBLIC : addr_scope(&by));
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
	n = session_line_peers(j, nearest(l), list, LIVE_PEERS_MAX, &complete);
	t->found(t->user, list, n, complete, answer);
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
	size_t n, complete;

	if (t == NULL)
		return;
	n = session_line_peers(j, nearest(l), list, LIVE_PEERS_MAX, &complete);
	t->punch(t->user, list, n);
}

static void on_welcome(struct live *l, const json_t *j)
{
	live_state_on_welcome(&l->state, now_ms(l));
	l->refused = l->tried_spare = false;
	loop_timer_clear(l->grace);
	say_dht(l);
	hear_seen_as(l, j);
	if (l->p.up != NULL)
		l->p.up(l->p.user);
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
		if (t != NULL) {
			live_book_refuse(&l->book, t);
			t->uncovered(t->user);
		}
	} else if (strcmp(kind, "error") == 0 && live_state_may_say(&l->state)) {
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
	live_state_on_line(&l->state, now_ms(l));
	on_object(l, j);
	json_decref(j);
	pump(l);
}

/* ---- life ---------------------------------------------------------------------------- */

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
		loop_timer_set(l->retry, live_state_pause(&l->state));
}

/* A loop that stood still meanwhile, while a file was hashed, gave the session no time at all. */
static void on_grace(void *arg)
{
	struct live *l = arg;

	if (live_state_on_grace(&l->state, now_ms(l)))
		give_up(l);
	else
		start_grace(l);
}

/* NULL: it is none, or there is no memory. */
static char *header_of(const char *token)
{
	char *header;

	if (token == NULL || *token == '\0' ||
	    asprintf(&header, "Authorization: Bearer %s", token) < 0)
		return NULL;
	return header;
}

int live_offer(struct live *l, const char *token)
{
	char *header = header_of(token);

	if (header == NULL)
		return token == NULL || *token == '\0' ? OK : ERR_NOMEM;
	if (l->header != NULL && strcmp(l->header, header) == 0) {
		free(header);
		return OK;
	}
	free(l->spare);
	l->spare = header;
	l->tried_spare = false;
	/* An attempt that is under way ends first. */
	if (l->refused && l->line == NULL) {
		take_spare(l);
		loop_timer_set(l->retry, 0);
	}
	return OK;
}

int live_new(const struct live_params *p, struct live **out)
{
	struct live *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return ERR_NOMEM;
	l->p = *p;
	l->p.url = l->p.token = l->p.pin = NULL;
	live_state_init(&l->state, p->seed);
	live_book_init(&l->book);
	l->base = strdup(p->url);
	if (p->pin != NULL)
		l->pin = strdup(p->pin);
	if (asprintf(&l->url, "%s/api/v1/session", p->url) < 0)
		l->url = NULL;
	l->header = header_of(p->token);
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
	live_book_fini(&l->book);
	free(l->base);
	free(l->url);
	free(l->header);
	free(l->spare);
	free(l->pin);
	free(l);
}
