#include "net/utp_net.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/sock.h"
#include "net/stream.h"
#include "test.h"

#define DEADLINE_MS 20000u

struct side {
	struct udp_port *udp;
	struct utp_net *net;
	struct utp_stream *got; /* the last one accepted */
	unsigned n_got;
};

struct pair {
	struct loop *loop;
	struct side a, b;
	struct addr to_a, to_b;
};

static void on_accept(void *user, struct utp_stream *u, const struct addr *from)
{
	struct side *s = user;

	CHECK(from->port != 0);
	s->got = u;
	s->n_got++;
}

static void side_init(struct loop *loop, struct side *s, struct addr *at)
{
	struct err_info info;

	*s = (struct side){.got = NULL};
	CHECK_INT(udp_port_new(loop, "127.0.0.1", 0, &s->udp, &info), OK);
	CHECK_INT(utp_net_new(loop, s->udp, on_accept, s, &s->net), OK);
	CHECK_INT(addr_parse(bytes_str("127.0.0.1"), udp_port_number(s->udp), at), OK);
}

static void side_fini(struct side *s)
{
	utp_net_free(s->net);
	udp_port_free(s->udp);
}

static void pair_init(struct pair *p)
{
	CHECK_INT(loop_new(&p->loop), OK);
	side_init(p->loop, &p->a, &p->to_a);
	side_init(p->loop, &p->b, &p->to_b);
}

static void pair_fini(struct pair *p)
{
	side_fini(&p->a);
	side_fini(&p->b);
	loop_free(p->loop);
}

#define RUN_UNTIL(p, cond)                                                                         \
	do {                                                                                       \
		uint64_t end = loop_clock_us() + DEADLINE_MS * 1000;                               \
		while (!(cond) && loop_clock_us() < end)                                           \
			CHECK_INT(loop_turn((p)->loop, 20), OK);                                   \
		CHECK(cond);                                                                       \
	} while (0)

/* ---- streams ------------------------------------------------------------------------------- */

/* One end of a stream that sends so much, and counts what comes. */
struct end {
	struct stream s;
	uint64_t left, sent, got;
	bool at_end, wrong;
};

static uint8_t byte_at(uint64_t at)
{
	return (uint8_t)(at ^ at >> 9);
}

static void end_write(struct end *e)
{
	static uint8_t data[100000];

	while (e->left > 0) {
		size_t n = e->left < sizeof(data) ? (size_t)e->left : sizeof(data);
		ssize_t took;

		for (size_t i = 0; i < n; i++)
			data[i] = byte_at(e->sent + i);
		took = stream_write(&e->s, data, n);
		if (took < 0) {
			CHECK_INT(errno, EAGAIN);
			break;
		}
		e->sent += (uint64_t)took;
		e->left -= (uint64_t)took;
	}
	stream_want(&e->s, LOOP_READ | (e->left > 0 ? LOOP_WRITE : 0));
}

static void end_on_ready(void *arg, unsigned ready)
{
	struct end *e = arg;
	static uint8_t one[3000], two[50000];
	struct iovec iov[2] = {{one, sizeof(one)}, {two, sizeof(two)}};
	ssize_t n;

	if ((ready & LOOP_WRITE) != 0)
		end_write(e);
	if ((ready & LOOP_READ) == 0)
		return;
	n = stream_readv(&e->s, iov, 2);
	if (n == 0)
		e->at_end = true;
	for (ssize_t i = 0; i < n; i++, e->got++)
		e->wrong |= (i < 3000 ? one[i] : two[i - 3000]) != byte_at(e->got);
	if (e->at_end)
		stream_want(&e->s, 0);
}

static void connect_pair(struct pair *p, struct end *from, struct end *to)
{
	struct utp_stream *u;

	CHECK_INT(utp_stream_dial(p->a.net, &p->to_b, &u), OK);
	CHECK_INT(utp_stream_result(u), ERR_AGAIN);
	stream_from_utp(&from->s, u, end_on_ready, from);
	CHECK(stream_is_utp(&from->s));
	stream_want(&from->s, LOOP_READ | LOOP_WRITE);
	RUN_UNTIL(p, p->b.n_got == 1);
	CHECK_INT(stream_result(&from->s), OK);
	stream_from_utp(&to->s, p->b.got, end_on_ready, to);
	stream_want(&to->s, LOOP_READ | LOOP_WRITE);
}

TEST(a_stream_carries_bytes_both_ways_and_ends)
{
	struct end from = {.left = 20u << 20}, to = {.left = 3u << 20};
	struct utp_net_stats st;
	struct pair p;

	pair_init(&p);
	connect_pair(&p, &from, &to);
	RUN_UNTIL(&p, to.got == 20u << 20 && from.got == 3u << 20);
	CHECK(!from.wrong && !to.wrong);
	CHECK(stream_rtt_us(&from.s) > 0);
	RUN_UNTIL(&p, stream_unacked(&from.s) == 0);
	stream_close(&from.s);
	RUN_UNTIL(&p, to.at_end);
	stream_close(&to.s);
	RUN_UNTIL(&p, (utp_net_stats(p.a.net, &st), st.conns == 0));
	RUN_UNTIL(&p, (utp_net_stats(p.b.net, &st), st.conns == 0));
	CHECK_INT(st.held_bytes, 0);
	pair_fini(&p);
}

TEST(a_stream_can_change_its_owner)
{
	struct end from = {.left = 100000}, to = {.left = 0}, other = {.left = 0};
	struct pair p;

	pair_init(&p);
	connect_pair(&p, &from, &to);
	CHECK_INT(stream_move(&other.s, &to.s, p.loop, end_on_ready, &other), OK);
	stream_want(&other.s, LOOP_READ);
	to.got = other.got;
	RUN_UNTIL(&p, other.got == 100000);
	stream_close(&to.s); /* nothing is there any more */
	stream_close(&other.s);
	stream_close(&from.s);
	pair_fini(&p);
}

TEST(nobody_at_an_address_is_known_at_once_where_the_host_says_so)
{
	struct end from = {.left = 0};
	struct utp_stream *u;
	struct pair p;

	pair_init(&p);
	side_fini(&p.b);
	CHECK_INT(utp_stream_dial(p.a.net, &p.to_b, &u), OK);
	stream_from_utp(&from.s, u, end_on_ready, &from);
	RUN_UNTIL(&p, stream_result(&from.s) == ERR_UNREACHABLE);
	stream_close(&from.s);
	side_init(p.loop, &p.b, &p.to_b);
	pair_fini(&p);
}

/* ---- strangers ----------------------------------------------------------------------------- */

static int stranger(const char *host)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), room = 1 << 20;
	struct addr a;
	union sock at;

	CHECK_INT(addr_parse(bytes_str(host), 0, &a), OK);
	CHECK(fd >= 0);
	CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)), 0);
	CHECK_INT(bind(fd, &at.any, sock_from_addr(&at, &a, false)), 0);
	return fd;
}

static void say(int fd, const struct addr *to, const struct utp_packet *p, const char *payload)
{
	uint8_t raw[200];
	size_t len = utp_encode_head(p, raw);
	union sock at;
	socklen_t n = sock_from_addr(&at, to, false);

	memcpy(raw + len, payload, strlen(payload));
	len += strlen(payload);
	CHECK_INT(sendto(fd, raw, len, 0, &at.any, n), (ssize_t)len);
}

/* The next packet that comes; its type, or -1. */
static int hear(struct pair *p, int fd, struct utp_packet *out)
{
	static uint8_t raw[2000];
	uint64_t end = loop_clock_us() + 300000;

	while (loop_clock_us() < end) {
		ssize_t n = recv(fd, raw, sizeof(raw), 0);

		if (n > 0)
			return utp_decode(out, bytes_of(raw, (size_t)n)) > 0 ? (int)out->type : -1;
		CHECK_INT(loop_turn(p->loop, 5), OK);
	}
	return -1;
}

TEST(a_flood_of_syns_pushes_out_only_its_own_host_and_then_the_oldest)
{
	struct utp_net_stats st;
	struct pair p;
	char host[32];
	int fd;

	pair_init(&p);
	fd = stranger("127.0.0.2");
	for (uint16_t i = 0; i < 3 * UTP_NET_HALF_OPEN_HOST_MAX; i++)
		say(fd, &p.to_a, &(struct utp_packet){.type = UTP_SYN, .id = (uint16_t)(i * 5)},
		    "");
	RUN_UNTIL(&p,
		  (utp_net_stats(p.a.net, &st), st.packets_in == 3 * UTP_NET_HALF_OPEN_HOST_MAX));
	CHECK_INT(st.half_open, UTP_NET_HALF_OPEN_HOST_MAX);
	close(fd);
	for (unsigned i = 0; i < UTP_NET_HALF_OPEN_MAX + 20; i++) {
		snprintf(host, sizeof(host), "127.0.%u.%u", 1 + i / 200, 3 + i % 200);
		fd = stranger(host);
		say(fd, &p.to_a, &(struct utp_packet){.type = UTP_SYN, .id = 7}, "");
		CHECK_INT(loop_turn(p.loop, 20), OK);
		close(fd);
	}
	utp_net_stats(p.a.net, &st);
	CHECK_INT(st.half_open, UTP_NET_HALF_OPEN_MAX);
	CHECK_INT(st.conns, UTP_NET_HALF_OPEN_MAX);
	CHECK_INT(p.a.n_got, 0);
	pair_fini(&p);
}

/* The next one of that kind: on a slow machine others are sent again. */
static void hear_one(struct pair *p, int fd, enum utp_type type, struct utp_packet *out)
{
	int got = hear(p, fd, out);

	while (got != (int)type && got >= 0)
		got = hear(p, fd, out);
	CHECK_INT(got, type);
}

/* Somebody connects, and says nothing more. Returns what we have of it. */
static struct utp_stream *knock(struct pair *p, int fd, uint16_t id)
{
	struct utp_packet answer;
	unsigned n = p->a.n_got;

	say(fd, &p->to_a, &(struct utp_packet){.type = UTP_SYN, .id = id, .seq = 1}, "");
	hear_one(p, fd, UTP_STATE, &answer);
	say(fd, &p->to_a,
	    &(struct utp_packet){.type = UTP_STATE,
				 .id = (uint16_t)(id + 1),
				 .seq = 2,
				 .ack = (uint16_t)(answer.seq - 1)},
	    "");
	RUN_UNTIL(p, p->a.n_got == n + 1);
	return p->a.got;
}

static void knock_and_be_closed(struct pair *p, int fd, uint16_t id)
{
	struct utp_packet fin;

	utp_stream_close(knock(p, fd, id));
	hear_one(p, fd, UTP_FIN, &fin);
}

TEST(syns_right_behind_it_do_not_push_out_who_is_proven)
{
	struct utp_packet answer;
	struct pair p;
	int fd;

	pair_init(&p);
	fd = stranger("127.0.0.2");
	say(fd, &p.to_a, &(struct utp_packet){.type = UTP_SYN, .id = 1000, .seq = 1}, "");
	hear_one(&p, fd, UTP_STATE, &answer);
	/* All of it is there when it is looked next. */
	say(fd, &p.to_a,
	    &(struct utp_packet){
		.type = UTP_STATE, .id = 1001, .seq = 2, .ack = (uint16_t)(answer.seq - 1)},
	    "");
	for (uint16_t i = 0; i < UTP_NET_HALF_OPEN_HOST_MAX; i++)
		say(fd, &p.to_a, &(struct utp_packet){.type = UTP_SYN, .id = (uint16_t)(i * 5)},
		    "");
	RUN_UNTIL(&p, p.a.n_got == 1);
	close(fd);
	pair_fini(&p);
}

TEST(who_never_acknowledges_the_end_keeps_few_places_and_of_his_own_first)
{
	struct utp_net_stats st;
	struct pair p;
	char host[32];
	int fd;

	pair_init(&p);
	fd = stranger("127.0.0.2");
	for (uint16_t i = 0; i < 3 * UTP_NET_CLOSING_HOST_MAX; i++)
		knock_and_be_closed(&p, fd, (uint16_t)(i * 5));
	utp_net_stats(p.a.net, &st);
	CHECK_INT(st.closing, UTP_NET_CLOSING_HOST_MAX);
	CHECK_INT(st.conns, UTP_NET_CLOSING_HOST_MAX);
	close(fd);
	for (unsigned i = 0; i < UTP_NET_CLOSING_MAX + 20; i++) {
		snprintf(host, sizeof(host), "127.0.%u.%u", 1 + i / 200, 3 + i % 200);
		fd = stranger(host);
		knock_and_be_closed(&p, fd, 7);
		close(fd);
	}
	utp_net_stats(p.a.net, &st);
	CHECK_INT(st.closing, UTP_NET_CLOSING_MAX);
	CHECK_INT(st.conns, UTP_NET_CLOSING_MAX);
	pair_fini(&p);
}

TEST(when_all_places_are_taken_those_that_are_closing_make_way)
{
	int fd, nobody = stranger("127.0.0.5");
	struct utp_stream *dialled = NULL;
	struct utp_net_stats st;
	struct utp_packet got;
	struct sockaddr_in at;
	socklen_t len = sizeof(at);
	struct addr to;
	struct pair p;

	pair_init(&p);
	CHECK_INT(getsockname(nobody, (struct sockaddr *)&at, &len), 0);
	CHECK_INT(addr_parse(bytes_str("127.0.0.5"), ntohs(at.sin_port), &to), OK);
	fd = stranger("127.0.0.2");
	for (uint16_t i = 0; i < UTP_NET_CLOSING_HOST_MAX; i++)
		knock_and_be_closed(&p, fd, (uint16_t)(i * 5));
	close(fd);
	fd = stranger("127.0.0.3");
	/* All but one for ourselves. */
	for (unsigned i = 0; i < UTP_NET_CONNS_MAX - 1; i++)
		CHECK_INT(utp_stream_dial(p.a.net, &to, &dialled), OK);
	utp_net_stats(p.a.net, &st);
	CHECK_INT(st.conns, UTP_NET_CONNS_MAX);
	CHECK_INT(st.closing, 1);
	say(fd, &p.to_a, &(struct utp_packet){.type = UTP_SYN, .id = 100}, "");
	CHECK_INT(hear(&p, fd, &got), UTP_STATE);
	utp_net_stats(p.a.net, &st);
	CHECK_INT(st.conns, UTP_NET_CONNS_MAX);
	CHECK_INT(st.closing, 0);
	/* Whoever is wanted stays. */
	CHECK_INT(utp_stream_dial(p.a.net, &to, &dialled), ERR_TOO_BIG);
	say(fd, &p.to_a, &(struct utp_packet){.type = UTP_SYN, .id = 200}, "");
	CHECK_INT(hear(&p, fd, &got), -1);
	close(fd);
	close(nobody);
	pair_fini(&p);
}

TEST(who_is_reset_keeps_no_place)
{
	struct utp_net_stats st;
	struct utp_packet got;
	struct pair p;
	int fd = stranger("127.0.0.2");

	pair_init(&p);
	utp_stream_reset(knock(&p, fd, 7));
	utp_net_stats(p.a.net, &st);
	CHECK_INT(st.conns, 0);
	CHECK_INT(hear(&p, fd, &got), UTP_RESET);
	close(fd);
	pair_fini(&p);
}

TEST(packets_of_no_connection_are_answered_with_resets_so_many_a_second)
{
	struct utp_packet data = {.type = UTP_DATA, .id = 9, .seq = 3}, got;
	struct utp_net_stats st;
	struct pair p;
	uint64_t second;
	int fd;

	pair_init(&p);
	fd = stranger("127.0.0.1");
	say(fd, &p.to_a, &data, "x");
	CHECK_INT(hear(&p, fd, &got), UTP_RESET);
	CHECK_INT(got.id, 9);
	say(fd, &p.to_a, &(struct utp_packet){.type = UTP_RESET, .id = 9}, "");
	CHECK_INT(hear(&p, fd, &got), -1);
	second = loop_now_ms(p.loop) / 1000;
	for (unsigned i = 0; i < 4 * UTP_NET_RESETS_A_SECOND; i++)
		say(fd, &p.to_a, &data, "x");
	RUN_UNTIL(&p,
		  (utp_net_stats(p.a.net, &st), st.packets_in == 4 * UTP_NET_RESETS_A_SECOND + 2));
	second = loop_now_ms(p.loop) / 1000 - second + 1;
	CHECK(st.packets_out <= second * UTP_NET_RESETS_A_SECOND + 1);
	close(fd);
	pair_fini(&p);
}

TEST(who_answers_the_answer_is_let_in_and_a_reset_by_either_number_ends_it)
{
	struct utp_packet syn = {.type = UTP_SYN, .id = 50, .seq = 1}, answer;
	struct pair p;
	struct end e = {.left = 0};
	int fd;

	pair_init(&p);
	for (uint16_t their = 0; their < 2; their++) {
		fd = stranger("127.0.0.1");
		say(fd, &p.to_a, &syn, "");
		CHECK_INT(hear(&p, fd, &answer), UTP_STATE);
		say(fd, &p.to_a,
		    &(struct utp_packet){.type = UTP_DATA,
					 .id = 51,
					 .seq = 2,
					 .window = 1000,
					 .ack = (uint16_t)(answer.seq - 1)},
		    "hello");
		RUN_UNTIL(&p, p.a.n_got == their + 1u);
		stream_from_utp(&e.s, p.a.got, end_on_ready, &e);
		say(fd, &p.to_a,
		    &(struct utp_packet){.type = UTP_RESET, .id = (uint16_t)(50 + their)}, "");
		RUN_UNTIL(&p, stream_result(&e.s) == ERR_UNREACHABLE);
		stream_close(&e.s);
		close(fd);
	}
	pair_fini(&p);
}

/* 127.0.0.0/8 is ours, all of it; whoever wrote to one of them knows nobody at another one. */
TEST(the_answer_comes_from_the_address_that_was_written_to)
{
	struct utp_packet syn = {.type = UTP_SYN, .id = 50, .seq = 1};
	struct utp_net *net;
	struct udp_port *udp;
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	struct err_info info;
	struct side s = {.got = NULL};
	struct addr to;
	ssize_t got = 0;
	uint8_t raw[100];
	struct pair p;
	int fd = stranger("127.0.0.1");

	CHECK_INT(loop_new(&p.loop), OK);
	CHECK_INT(udp_port_new(p.loop, NULL, 0, &udp, &info), OK);
	CHECK_INT(utp_net_new(p.loop, udp, on_accept, &s, &net), OK);
	CHECK_INT(addr_parse(bytes_str("127.0.0.9"), udp_port_number(udp), &to), OK);
	say(fd, &to, &syn, "");
	RUN_UNTIL(&p, got > 0 || (got = recvfrom(fd, raw, sizeof(raw), 0, (struct sockaddr *)&from,
						 &len)) > 0);
	CHECK_INT(ntohl(from.sin_addr.s_addr), 0x7f000009);
	close(fd);
	utp_net_free(net);
	udp_port_free(udp);
	loop_free(p.loop);
}

/* ---- the port ------------------------------------------------------------------------------ */

struct heard {
	unsigned krpc, utp;
	size_t last;
};

static void on_krpc(void *user, const struct addr *from, struct bytes in)
{
	struct heard *h = user;

	(void)from;
	h->krpc++;
	h->last = in.len;
}

static void on_utp(void *user, const struct addr *from, struct bytes in)
{
	struct heard *h = user;

	(void)from;
	h->utp++;
	h->last = in.len;
}

TEST(datagrams_go_to_whom_their_first_byte_says_and_rows_are_cut_again)
{
	struct heard h = {.krpc = 0};
	struct udp_port *one, *two;
	struct udp_port_user k = {.on_datagram = on_krpc, .user = &h};
	struct udp_port_user u = {.on_datagram = on_utp, .user = &h};
	static uint8_t data[200][1400];
	struct bytes list[200];
	struct err_info info;
	struct pair p;
	struct addr to;

	CHECK_INT(loop_new(&p.loop), OK);
	CHECK_INT(udp_port_new(p.loop, NULL, 0, &one, &info), OK);
	CHECK_INT(udp_port_new(p.loop, NULL, 0, &two, &info), OK);
	CHECK_INT(udp_port_new(p.loop, NULL, udp_port_number(one), &two, &info), ERR_EXISTS);
	udp_port_serve(two, UDP_PORT_KRPC, &k);
	udp_port_serve(two, UDP_PORT_UTP, &u);
	CHECK_INT(addr_parse(bytes_str("127.0.0.1"), udp_port_number(two), &to), OK);
	for (unsigned i = 0; i < 200; i++) {
		data[i][0] = i % 50 == 0 ? 'd' : 0x01;
		list[i] = bytes_of(data[i], i == 199 ? 77 : i == 100 ? 900 : 1400);
	}
	CHECK_INT(udp_port_send(one, &to, list, 200), 200);
	RUN_UNTIL(&p, h.krpc + h.utp == 200);
	CHECK_INT(h.krpc, 4);
	CHECK_INT(h.last, 77);
	udp_port_free(one);
	udp_port_free(two);
	loop_free(p.loop);
}
