#include "node/announcer.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/announce_pace.h"
#include "test.h"
#include "wire/http_tracker.h"

#include "http_fixture.h"

#define PATIENCE_MS 60000u
#define LATE_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\nd8:intervali900e5:peers0:e"

/* A tracker, an announcer that asks it, and others who want turns, too. */
struct scene {
	struct loop *loop;
	struct http_server *tracker;
	struct http_client *http;
	struct announce_gate gate;
	struct announce_turn others[ANNOUNCE_GATE_TURNS];
	struct metainfo meta;
	struct meta_tracker second; /* of the torrent, if there is a dead one before it */
	struct announcer *a;
	char url[64], dead[64];
	int mute; /* listens, and nobody accepts; -1: none */
	const char *urls[2];
	int n_started, n_stopped; /* what the tracker was told */
	int n_found, n_left;
	bool partial;	   /* what is announced is a partial seed */
	bool minds_paused; /* the tracker takes that word for an error */
	int n_paused;
	bool stays;		     /* peers do not bring the end */
	struct announce_reply reply; /* of the tracker; interval 0: 15 min */
	bool forgot_v2;		     /* which it never wants to be asked for */
	int n_asked[2];		     /* for each hash */
	uint64_t asked_ms[2];	     /* when, for the first hash: the first time, and the newest */
};

static void note_hash(struct scene *s, const struct http_request *r, struct announce_reply *answer)
{
	struct buf hash;
	bool v2;

	buf_init(&hash, SHA1_LEN);
	CHECK(http_request_param(r, "info_hash", &hash) && hash.len == SHA1_LEN);
	v2 = hash.ptr[0] == s->meta.hash_v2[0];
	buf_fini(&hash);
	s->n_asked[v2]++;
	if (!v2)
		s->asked_ms[s->n_asked[0] > 1] = loop_clock_ms();
	if (v2 && s->forgot_v2)
		*answer = (struct announce_reply){
		    .failed = true, .failure = "who?", .retry_s = UINT32_MAX};
}

static void on_request(void *user, const struct http_request *r, struct http_reply *reply)
{
	struct scene *s = user;
	struct announce_reply answer = s->reply;
	struct buf event;

	if (answer.interval_s == 0)
		answer.interval_s = 900;
	note_hash(s, r, &answer);
	buf_init(&event, 16);
	if (http_request_param(r, "event", &event)) {
		s->n_started += bytes_eq(buf_bytes(&event), bytes_str("started"));
		s->n_stopped += bytes_eq(buf_bytes(&event), bytes_str("stopped"));
		if (bytes_eq(buf_bytes(&event), bytes_str("paused"))) {
			s->n_paused++;
			answer.failed = s->minds_paused;
		}
	}
	buf_fini(&event);
	(void)http_announce_reply_encode(&answer, true, false, &reply->body);
}

static void counts(void *user, struct announcer_counts *out)
{
	const struct scene *s = user;

	*out = (struct announcer_counts){.left = s->partial, .partial_seed = s->partial};
}

static void on_left(void *user)
{
	struct scene *s = user;

	s->n_left++;
}

/* What peers bring about may be the end of the transfer. */
static void on_found(void *user, const struct addr *list, size_t n)
{
	struct scene *s = user;

	(void)list;
	(void)n;
	s->n_found++;
	if (!s->stays)
		announcer_stop(s->a, on_left, s);
}

static void on_others_turn(void *arg)
{
	(void)arg;
}

/* The URL of a tracker that is not there. */
static void name_dead(struct scene *s)
{
	struct err_info info;
	uint16_t port;
	int fd = tcp_listen("127.0.0.1", 0, &port, &info);

	CHECK(fd >= 0);
	tcp_close(fd);
	snprintf(s->dead, sizeof(s->dead), "http://127.0.0.1:%u/announce", port);
}

/* The URL of one that takes connections and says nothing. */
static void name_mute(struct scene *s)
{
	struct err_info info;
	uint16_t port;

	s->mute = tcp_listen("127.0.0.1", 0, &port, &info);
	CHECK(s->mute >= 0);
	snprintf(s->dead, sizeof(s->dead), "http://127.0.0.1:%u/announce", port);
}

/* Of the trackers that the scene has by now. */
static struct announcer *another(struct scene *s)
{
	struct announcer_params p = {.port = 6881,
				     .counts = counts,
				     .found = on_found,
				     .loop = s->loop,
				     .http = s->http,
				     .gate = &s->gate,
				     .meta = &s->meta,
				     .trackers = s->urls,
				     .user = s};
	struct announcer *a = NULL;

	CHECK_INT(announcer_new(&p, &a), 0);
	return a;
}

static bool is_any(const void *user, const char *url)
{
	(void)user;
	(void)url;
	return true;
}

enum before { NOBODY, DEAD, MUTE };

/* The tracker, and who comes before it. */
static void start_with(struct scene *s, enum before first, bool hybrid)
{
	uint16_t port;

	*s = (struct scene){.meta = {.v1 = true, .hash_v1 = {7}, .v2 = hybrid, .hash_v2 = {8}},
			    .mute = -1};
	CHECK_INT(loop_new(&s->loop), 0);
	s->tracker = serve_http(s->loop, on_request, s, &port);
	CHECK_INT(http_client_new(s->loop, &s->http), 0);
	announce_gate_init(&s->gate, (struct siphash_key){1, 2});
	snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u/announce", port);
	s->urls[0] = s->url;
	if (first != NOBODY) {
		(first == DEAD ? name_dead : name_mute)(s);
		s->urls[0] = s->dead;
		s->second = (struct meta_tracker){s->url, 0};
		s->meta.trackers = &s->second;
		s->meta.n_trackers = 1;
	}
	s->a = another(s);
}

static void start(struct scene *s)
{
	start_with(s, NOBODY, false);
}

static void stop(struct scene *s)
{
	announcer_free(s->a);
	announce_gate_fini(&s->gate);
	http_client_free(s->http);
	http_server_free(s->tracker);
	loop_free(s->loop);
	if (s->mute >= 0)
		tcp_close(s->mute);
}

static void wait_until(struct scene *s, const int *count, int n)
{
	uint64_t end = loop_clock_ms() + PATIENCE_MS;

	while (*count < n && loop_clock_ms() < end)
		loop_turn(s->loop, 1);
	CHECK_INT(*count, n);
}

static void wait_for(struct scene *s, const int *count)
{
	wait_until(s, count, 1);
}

static void wait_for_round(struct scene *s)
{
	uint64_t end = loop_clock_ms() + PATIENCE_MS;

	while (s->gate.n_in > 0 && loop_clock_ms() < end)
		loop_turn(s->loop, 1);
	CHECK_INT(s->gate.n_in, 0);
}

static void other_enters(struct scene *s, size_t i)
{
	s->others[i].go = on_others_turn;
	announce_gate_enter(&s->gate, &s->others[i]);
}

static void others_enter(struct scene *s)
{
	for (size_t i = 0; i < ANNOUNCE_GATE_TURNS; i++)
		other_enters(s, i);
}

TEST(who_is_stopped_by_the_peers_of_a_reply_says_goodbye)
{
	struct scene s;

	start(&s);
	announcer_start(s.a);
	wait_for(&s, &s.n_left);
	CHECK_INT(s.n_started, 1);
	CHECK_INT(s.n_stopped, 1);
	CHECK_INT(s.n_found, 1);
	stop(&s);
}

TEST(who_is_stopped_by_the_peers_of_a_reply_waits_for_a_turn_to_say_goodbye)
{
	struct scene s;

	start(&s);
	announcer_start(s.a);
	others_enter(&s);
	wait_for(&s, &s.n_found);
	CHECK_INT(s.n_stopped, 0);
	CHECK_INT(s.n_left, 0);
	announce_gate_leave(&s.gate, &s.others[0]);
	wait_for(&s, &s.n_left);
	CHECK_INT(s.n_stopped, 1);
	stop(&s);
}

TEST(a_tracker_that_is_named_later_comes_first_and_is_told_at_once)
{
	struct scene s;
	const char *late[] = {NULL, NULL};

	start(&s);
	s.stays = true;
	name_dead(&s);
	s.urls[0] = s.dead;
	late[0] = s.url;
	announcer_free(s.a);
	s.a = another(&s);
	announcer_start(s.a);
	CHECK_INT(announcer_lead(s.a, late), OK);
	wait_until(&s, &s.n_started, 1);
	CHECK_INT(s.n_started, 1);
	CHECK_STR(announcer_find(s.a, is_any, NULL), s.url);
	/* It is there once, however often it is named, and hears that it may be new. */
	CHECK_INT(announcer_lead(s.a, late), OK);
	wait_until(&s, &s.n_started, 2);
	announcer_stop(s.a, on_left, &s);
	wait_until(&s, &s.n_left, 1);
	CHECK_INT(s.n_stopped, 1);
	stop(&s);
}

TEST(others_have_their_turn_between_a_dead_tracker_and_the_next_one)
{
	const size_t last = ANNOUNCE_GATE_TURNS - 1;
	uint64_t end = loop_clock_ms() + PATIENCE_MS;
	struct scene s;

	start_with(&s, DEAD, false);
	for (size_t i = 0; i < last; i++)
		other_enters(&s, i);
	announcer_start(s.a);
	other_enters(&s, last);
	CHECK_INT(s.others[last].state, TURN_WAITING);
	while (s.others[last].state != TURN_IN && loop_clock_ms() < end)
		loop_turn(s.loop, 1);
	CHECK_INT(s.others[last].state, TURN_IN);
	CHECK_INT(s.n_started, 0);
	/* It goes on where it was: with the second. */
	announce_gate_leave(&s.gate, &s.others[0]);
	wait_for(&s, &s.n_left);
	CHECK_INT(s.n_started, 1);
	stop(&s);
}

TEST(a_tracker_that_knows_one_hash_of_a_hybrid_is_asked_for_that_one_and_has_not_failed)
{
	struct announcer_status st;
	struct scene s;

	start_with(&s, NOBODY, true);
	s.stays = s.forgot_v2 = true;
	s.reply.interval_s = ANNOUNCE_INTERVAL_MIN_S;
	announcer_start(s.a);
	wait_for_round(&s);
	CHECK_INT(s.n_asked[0], 1);
	CHECK_INT(s.n_asked[1], 1);
	announcer_status(s.a, &st);
	CHECK_INT(st.ok, 1);
	CHECK_INT(st.failed, 1);
	CHECK_INT(st.error.code, OK);
	wait_until(&s, &s.n_asked[0], 2);
	CHECK_INT(s.n_asked[1], 1);
	/* Not before its interval was over. */
	CHECK(s.asked_ms[1] - s.asked_ms[0] >= 1000 * ANNOUNCE_INTERVAL_MIN_S);
	announcer_stop(s.a, on_left, &s);
	wait_for(&s, &s.n_left);
	CHECK_INT(s.n_stopped, 1);
	stop(&s);
}

TEST(a_partial_seed_says_so_in_every_announce)
{
	struct scene s;

	start(&s);
	s.stays = s.partial = true;
	s.reply.interval_s = ANNOUNCE_INTERVAL_MIN_S;
	announcer_start(s.a);
	wait_until(&s, &s.n_asked[0], 2);
	CHECK_INT(s.n_paused, 2);
	announcer_stop(s.a, on_left, &s);
	wait_for(&s, &s.n_left);
	CHECK_INT(s.n_stopped, 1);
	stop(&s);
}

TEST(a_tracker_that_minds_that_word_is_asked_without_it)
{
	struct announcer_status st;
	struct scene s;

	start(&s);
	s.stays = s.partial = s.minds_paused = true;
	announcer_start(s.a);
	wait_until(&s, &s.n_found, 1);
	CHECK_INT(s.n_paused, 1);
	CHECK_INT(s.n_started, 1);
	announcer_status(s.a, &st);
	CHECK_INT(st.ok, 1);
	stop(&s);
}

TEST(a_tracker_that_does_not_answer_is_not_waited_for_and_then_left_alone)
{
	uint64_t begun = loop_clock_ms();
	struct announcer *late;
	struct scene s;

	start_with(&s, MUTE, true);
	s.stays = true;
	announcer_start(s.a);
	wait_until(&s, &s.n_started, 2);
	CHECK(loop_clock_ms() - begun >= ANNOUNCER_PATIENCE_MS / 2);
	CHECK(loop_clock_ms() - begun < ANNOUNCER_PATIENCE_MS + ANNOUNCER_LATE_MS);
	/* Another torrent does not wait for it either. */
	begun = loop_clock_ms();
	late = another(&s);
	announcer_start(late);
	wait_until(&s, &s.n_started, 4);
	CHECK(loop_clock_ms() - begun < ANNOUNCER_PATIENCE_MS);
	/* Nor does anybody once it has had its time. */
	wait_for_round(&s);
	announcer_free(late);
	begun = loop_clock_ms();
	late = another(&s);
	announcer_start(late);
	wait_until(&s, &s.n_started, 6);
	CHECK(loop_clock_ms() - begun < ANNOUNCER_PATIENCE_MS);
	announcer_stop(s.a, on_left, &s);
	wait_for(&s, &s.n_left);
	CHECK_INT(s.n_stopped, 2);
	announcer_free(late);
	stop(&s);
}

/* There are two answers, the later one of the slow one, which comes first in the order. */
TEST(a_tracker_that_answers_late_is_heard_all_the_same)
{
	struct announcer_status st;
	struct scene s;
	int fd;

	start_with(&s, MUTE, false);
	s.stays = true;
	announcer_start(s.a);
	wait_for(&s, &s.n_found);
	fd = accept(s.mute, NULL, NULL);
	CHECK(fd >= 0);
	CHECK(write(fd, LATE_ANSWER, strlen(LATE_ANSWER)) == (ssize_t)strlen(LATE_ANSWER));
	wait_until(&s, &s.n_found, 2);
	wait_for_round(&s);
	announcer_status(s.a, &st);
	CHECK_INT(st.ok, 2);
	CHECK_INT(st.failed, 0);
	tcp_close(fd);
	stop(&s);
}

TEST(peers_that_are_wanted_too_soon_are_asked_for_as_soon_as_the_tracker_allows)
{
	struct scene s;

	start(&s);
	s.stays = true;
	s.reply =
	    (struct announce_reply){.interval_s = 900, .min_interval_s = ANNOUNCE_INTERVAL_MIN_S};
	announcer_start(s.a);
	wait_for_round(&s);
	announcer_more(s.a);
	announcer_more(s.a);
	wait_until(&s, &s.n_asked[0], 2);
	/* From when it was asked, not from when it noted that. */
	CHECK(s.asked_ms[1] - s.asked_ms[0] >= 500 * ANNOUNCE_INTERVAL_MIN_S);
	CHECK(s.asked_ms[1] - s.asked_ms[0] < 2000 * ANNOUNCE_INTERVAL_MIN_S);
	stop(&s);
}
