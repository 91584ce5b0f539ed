#include "node/udp_asker.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/tiers.h"
#include "test.h"
#include "wire/udp_tracker.h"

#define PATIENCE_MS 60000u

/* A tracker that does what it is told. */
struct tracker {
	int fd;
	uint16_t port;
	char url[80];
	uint64_t id;
	bool mute, refuses, babbles;
	bool curt; /* says nothing to who has another id */
	uint32_t connects, announces;
	struct announce last;
	struct udp_url path;
};

struct scene {
	struct loop *loop;
	struct udp_port *port;
	struct udp_asker *asker;
	struct tracker t;
	enum addr_family family;
	/* What was answered. */
	int n;
	struct err_info err;
	bool failed;
	uint32_t n_peers;
	struct addr first;
};

static void start_tracker(struct tracker *t)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);

	*t = (struct tracker){.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), .id = 77};
	CHECK(t->fd >= 0);
	CHECK_INT(bind(t->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	CHECK_INT(getsockname(t->fd, (struct sockaddr *)&at, &len), 0);
	t->port = ntohs(at.sin_port);
	snprintf(t->url, sizeof(t->url), "udp://127.0.0.1:%u/announce?key=1", t->port);
}

static size_t answer(struct tracker *t, struct bytes in, uint8_t out[UDP_REPLY_MAX])
{
	static const struct announce_peer peers[] = {{.addr = {.ip = {192, 0, 2, 1}, .port = 1}},
						     {.addr = {.ip = {192, 0, 2, 2}, .port = 2}}};
	struct announce_reply r = {.interval_s = 900, .peers = peers, .n_peers = 2};
	struct udp_head head;

	CHECK_INT(udp_head_decode(in, &head), 0);
	if (head.action == UDP_CONNECT) {
		t->connects++;
		return udp_connect_reply_encode(head.transaction, t->id, out);
	}
	CHECK_INT(head.action, UDP_ANNOUNCE);
	t->announces++;
	CHECK_INT(udp_announce_decode(in, &t->last, &t->path, NULL), 0);
	if (t->curt && head.connection_id != t->id)
		return 0;
	if (t->refuses || head.connection_id != t->id)
		return udp_error_encode(head.transaction, "not here", out);
	if (t->babbles)
		return udp_announce_reply_encode(head.transaction, &r, false, out) - 13;
	return udp_announce_reply_encode(head.transaction, &r, false, out);
}

static void hear(struct tracker *t)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	uint8_t in[UDP_REQUEST_MAX], out[UDP_REPLY_MAX];
	ssize_t n = recvfrom(t->fd, in, sizeof(in), 0, (struct sockaddr *)&from, &len);
	size_t n_out;

	if (n <= 0)
		return;
	n_out = answer(t, bytes_of(in, (size_t)n), out);
	if (!t->mute && n_out > 0)
		(void)sendto(t->fd, out, n_out, 0, (struct sockaddr *)&from, len);
}

static struct udp_port *open_port(void *user, struct err_info *info)
{
	struct scene *s = user;

	CHECK(s->port == NULL); /* asked for once */
	CHECK_INT(udp_port_new(s->loop, "127.0.0.1", 0, &s->port, info), 0);
	return s->port;
}

static void start(struct scene *s)
{
	struct udp_asker_params p = {.secret = {5, 6}, .port = open_port, .user = s};

	*s = (struct scene){.n = 0};
	start_tracker(&s->t);
	CHECK_INT(loop_new(&s->loop), 0);
	p.loop = s->loop;
	CHECK_INT(udp_asker_new(&p, &s->asker), 0);
}

static void stop(struct scene *s)
{
	udp_asker_free(s->asker);
	udp_port_free(s->port);
	loop_free(s->loop);
	close(s->t.fd);
}

static void on_answer(void *user, const struct udp_answer *a)
{
	struct scene *s = user;

	s->n++;
	s->err = *a->err;
	if (a->err->code != OK)
		return;
	s->failed = a->reply->failed;
	s->n_peers = a->reply->n_peers;
	if (s->n_peers > 0)
		s->first = a->reply->peers[0].addr;
}

static struct udp_call *ask(struct scene *s, const char *url, uint32_t total_ms)
{
	struct announce a = {
	    .info_hash = {9}, .port = 6881, .left = 12, .event = EVENT_STARTED, .numwant = 50};
	struct udp_call *c = udp_asker_send(s->asker, url, &a, s->family, total_ms, on_answer, s);

	CHECK(c != NULL);
	CHECK_INT(s->n, 0); /* not from inside */
	return c;
}

static void wait_for_answer(struct scene *s)
{
	uint64_t end = loop_clock_ms() + PATIENCE_MS;

	while (s->n == 0 && loop_clock_ms() < end) {
		loop_turn(s->loop, 1);
		hear(&s->t);
	}
	CHECK_INT(s->n, 1);
	s->n = 0;
}

TEST(a_tracker_is_asked_for_a_connection_id_once_a_minute_and_then_announced_to)
{
	struct scene s;

	start(&s);
	for (int i = 0; i < 3; i++) {
		(void)ask(&s, s.t.url, 0);
		wait_for_answer(&s);
		CHECK_INT(s.err.code, OK);
		CHECK(!s.failed);
		CHECK_INT(s.n_peers, 2);
		CHECK_INT(s.first.ip[0], 192);
	}
	CHECK_INT(s.t.connects, 1);
	CHECK_INT(s.t.announces, 3);
	CHECK_INT(s.t.last.info_hash[0], 9);
	CHECK_INT(s.t.last.left, 12);
	CHECK_INT(s.t.last.port, 6881);
	CHECK(bytes_eq(bytes_of(s.t.path.text, s.t.path.len), bytes_str("/announce?key=1")));
	stop(&s);
}

TEST(a_tracker_that_was_started_anew_is_asked_for_another_connection_id)
{
	struct scene s;

	start(&s);
	(void)ask(&s, s.t.url, 0);
	wait_for_answer(&s);
	s.t.id = 78;
	(void)ask(&s, s.t.url, 0);
	wait_for_answer(&s);
	CHECK(!s.failed);
	CHECK_INT(s.t.connects, 2);
	stop(&s);
}

TEST(one_that_says_nothing_to_an_old_connection_id_is_asked_for_another_the_next_time)
{
	struct scene s;

	start(&s);
	s.t.curt = true;
	(void)ask(&s, s.t.url, 0);
	wait_for_answer(&s);
	s.t.id = 78;
	(void)ask(&s, s.t.url, 2 * UDP_ASKER_FIRST_MS);
	wait_for_answer(&s);
	CHECK_INT(s.err.code, OK);
	CHECK(!s.failed);
	CHECK_INT(s.t.connects, 2);
	stop(&s);
}

TEST(a_refusal_is_told_as_one_and_not_asked_about_again)
{
	struct scene s;

	start(&s);
	s.t.refuses = true;
	(void)ask(&s, s.t.url, 0);
	wait_for_answer(&s);
	CHECK_INT(s.err.code, OK);
	CHECK(s.failed);
	CHECK_INT(s.t.announces, 1);
	stop(&s);
}

TEST(what_is_not_answered_is_sent_again_and_given_up_at_last)
{
	struct scene s;

	start(&s);
	s.t.mute = true;
	(void)ask(&s, s.t.url, UDP_ASKER_FIRST_MS + 300);
	wait_for_answer(&s);
	CHECK_INT(s.err.code, ERR_TIMEOUT);
	CHECK(s.t.connects >= 2);
	stop(&s);
}

TEST(who_is_not_there_is_known_for_it_at_once)
{
	struct tracker gone;
	struct scene s;
	uint64_t begun;

	start(&s);
	start_tracker(&gone);
	close(gone.fd);
	begun = loop_clock_ms();
	(void)ask(&s, gone.url, 0);
	wait_for_answer(&s);
	CHECK_INT(s.err.code, ERR_UNREACHABLE);
	CHECK(loop_clock_ms() - begun < 2 * UDP_ASKER_FIRST_MS);
	stop(&s);
}

/* From a socket of this machine's own address nothing goes elsewhere. */
TEST(that_no_way_leads_there_is_known_at_once)
{
	struct scene s;
	uint64_t begun;

	start(&s);
	begun = loop_clock_ms();
	(void)ask(&s, "udp://192.0.2.7:80/announce", 0);
	wait_for_answer(&s);
	CHECK_INT(s.err.code, ERR_UNREACHABLE);
	CHECK(loop_clock_ms() - begun < UDP_ASKER_FIRST_MS);
	stop(&s);
}

TEST(what_no_tracker_would_say_is_an_error)
{
	struct scene s;

	start(&s);
	s.t.babbles = true;
	(void)ask(&s, s.t.url, 0);
	wait_for_answer(&s);
	CHECK(s.err.code == ERR_PROTO || s.n_peers < 2);
	stop(&s);
}

TEST(answers_of_others_and_to_nothing_are_not_heard)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct scene s;
	uint8_t out[UDP_REPLY_MAX];
	size_t n;

	start(&s);
	s.t.mute = true;
	(void)ask(&s, s.t.url, 400);
	to.sin_port = htons(udp_port_number(s.port));
	n = udp_connect_reply_encode(12345, 1, out); /* not what it was asked by */
	CHECK_INT(sendto(s.t.fd, out, n, 0, (struct sockaddr *)&to, sizeof(to)), n);
	CHECK_INT(sendto(s.t.fd, out, 3, 0, (struct sockaddr *)&to, sizeof(to)), 3);
	wait_for_answer(&s);
	CHECK_INT(s.err.code, ERR_TIMEOUT);
	CHECK_INT(s.t.announces, 0);
	stop(&s);
}

TEST(nothing_goes_to_an_address_of_another_family_than_was_asked_for)
{
	struct scene s;

	start(&s);
	s.family = ADDR_V6;
	(void)ask(&s, s.t.url, 0);
	wait_for_answer(&s);
	CHECK_INT(s.err.code, ERR_UNREACHABLE);
	CHECK_INT(s.t.connects, 0);
	s.family = ADDR_V4;
	(void)ask(&s, s.t.url, 0);
	wait_for_answer(&s);
	CHECK_INT(s.err.code, OK);
	stop(&s);
}

TEST(only_a_name_may_have_addresses_of_both_families)
{
	CHECK(tracker_has_name("udp://tracker.example:80/announce"));
	CHECK(tracker_has_name("http://tracker.example"));
	CHECK(tracker_has_name("https://me:10.0.0.1@tracker.example/a?b=c"));
	CHECK(!tracker_has_name("udp://192.0.2.1:80/announce"));
	CHECK(!tracker_has_name("http://192.0.2.1/announce"));
	CHECK(!tracker_has_name("http://me:secret@192.0.2.1:80/announce"));
	CHECK(!tracker_has_name("http://[2001:db8::1]:80"));
	CHECK(!tracker_has_name("https://[2001:db8::1]/announce"));
}

TEST(a_user_and_password_in_a_url_are_passed_over)
{
	struct scene s;
	char url[128];

	start(&s);
	snprintf(url, sizeof(url), "udp://me:p@ss@127.0.0.1:%u/announce?key=1", s.t.port);
	(void)ask(&s, url, 0);
	wait_for_answer(&s);
	CHECK_INT(s.err.code, OK);
	CHECK(bytes_eq(bytes_of(s.t.path.text, s.t.path.len), bytes_str("/announce?key=1")));
	stop(&s);
}

TEST(urls_that_are_none_are_refused)
{
	static const char *const bad[] = {"udp://",	    "udp://host",	 "udp://host:0",
					  "udp://host:x/a", "udp://host:70000/", "udp://:80/a",
					  "http://host:80"};
	struct scene s;

	start(&s);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)ask(&s, bad[i], 0);
		wait_for_answer(&s);
		CHECK_INT(s.err.code, ERR_INVALID);
	}
	CHECK(s.port == NULL);
	stop(&s);
}

TEST(a_cancelled_call_says_nothing)
{
	struct scene s;

	start(&s);
	udp_call_cancel(ask(&s, s.t.url, 0));
	udp_call_cancel(ask(&s, "udp://[::1]:1/announce", 0));
	udp_call_cancel(ask(&s, "udp://no-such-host.invalid:80/announce", 0));
	for (int i = 0; i < 20; i++) {
		loop_turn(s.loop, 1);
		hear(&s.t);
	}
	CHECK_INT(s.n, 0);
	stop(&s);
}
