#include "net/udp.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"

#define WORD_AT 16u

static bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 5000) == 1;
}

/* A socket that sends to this host ("127.0.0.1") and hears the answers. */
static int client_to(const char *host, uint16_t port)
{
	struct addr to;
	int fd;

	CHECK_INT(addr_parse(bytes_str(host), port, &to), 0);
	fd = socket(to.v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
	CHECK(fd >= 0);
	if (to.v6) {
		struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

		memcpy(&at.sin6_addr, to.ip, 16);
		CHECK_INT(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	} else {
		struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};

		memcpy(&at.sin_addr, to.ip, 4);
		CHECK_INT(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	}
	return fd;
}

static int open_one(const char *host, uint16_t *port)
{
	struct err_info info = {0};
	int fd;

	CHECK_INT(udp_open(host, 0, 1, WORD_AT, &fd, port, &info), 1);
	CHECK(*port != 0);
	return fd;
}

/* Everything that comes is sent back, turned around; returns how many came at once. */
static int echo_once(struct udp_batch *b, int fd)
{
	int n;

	CHECK(readable(fd));
	n = udp_receive(b);
	CHECK(n > 0);
	for (unsigned i = 0; i < (unsigned)n; i++) {
		struct udp_datagram *d = udp_at(b, i);

		d->out_len = d->in.len;
		for (size_t k = 0; k < d->in.len; k++)
			d->out[k] = d->in.ptr[d->in.len - 1 - k];
	}
	CHECK_INT(udp_answer(b), 0);
	return n;
}

static void check_echo(const char *listen, const char *reach)
{
	uint16_t port;
	int fd = open_one(listen, &port), client = client_to(reach, port);
	struct udp_batch *b = udp_batch_new(fd);
	struct addr to;
	char got[8];

	CHECK_INT(send(client, "abc", 3, 0), 3);
	CHECK_INT(echo_once(b, fd), 1);
	CHECK_INT(addr_parse(bytes_str(reach), port, &to), 0);
	CHECK(addr_eq(&udp_at(b, 0)->to, &to));
	CHECK_INT(udp_at(b, 0)->v6, to.v6);
	/* The client is connected: it hears only what leaves from the address it wrote to. */
	CHECK(readable(client));
	CHECK_INT(recv(client, got, sizeof(got), 0), 3);
	CHECK_MEM(got, "cba", 3);
	udp_batch_free(b);
	close(client);
	close(fd);
}

TEST(a_datagram_is_answered_from_the_address_it_came_to)
{
	check_echo(NULL, "127.0.0.1");
	check_echo(NULL, "127.0.0.9");
	check_echo("127.0.0.1", "127.0.0.1");
	check_echo("0.0.0.0", "127.0.0.7");
}

TEST(ipv6_and_ipv4_reach_one_socket)
{
	uint16_t port;
	int fd = open_one(NULL, &port), probe = socket(AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	bool has_v6 = probe >= 0 && bind(probe, (struct sockaddr *)&at, sizeof(at)) == 0;

	close(fd);
	close(probe);
	if (!has_v6)
		skip();
	check_echo(NULL, "::1");
	check_echo("::1", "::1");
}

TEST(a_batch_takes_64_at_once_and_the_rest_next_time)
{
	uint16_t port;
	int fd = open_one("127.0.0.1", &port), client = client_to("127.0.0.1", port);
	struct udp_batch *b = udp_batch_new(fd);

	CHECK_INT(udp_receive(b), 0);
	for (unsigned i = 0; i < UDP_BATCH + 3; i++)
		CHECK_INT(send(client, &i, sizeof(i), 0), sizeof(i));
	CHECK_INT(udp_receive(b), UDP_BATCH);
	for (unsigned i = 0; i < UDP_BATCH; i++) {
		CHECK_INT(udp_at(b, i)->in.len, sizeof(i));
		CHECK_MEM(udp_at(b, i)->in.ptr, &i, sizeof(i));
		CHECK_INT(udp_at(b, i)->out_len, 0);
	}
	CHECK_INT(udp_answer(b), 0);
	CHECK_INT(udp_receive(b), 3);
	CHECK_INT(udp_receive(b), 0);
	udp_batch_free(b);
	close(client);
	close(fd);
}

TEST(a_datagram_fits_up_to_the_limit_and_a_longer_one_looks_empty)
{
	static const uint8_t zeros[UDP_IN_MAX + 1];
	uint16_t port;
	int fd = open_one("127.0.0.1", &port), client = client_to("127.0.0.1", port);
	struct udp_batch *b = udp_batch_new(fd);

	CHECK_INT(send(client, zeros, UDP_IN_MAX, 0), UDP_IN_MAX);
	CHECK_INT(send(client, zeros, UDP_IN_MAX + 1, 0), UDP_IN_MAX + 1);
	CHECK_INT(send(client, zeros, 0, 0), 0);
	CHECK_INT(udp_receive(b), 3);
	CHECK_INT(udp_at(b, 0)->in.len, UDP_IN_MAX);
	CHECK_INT(udp_at(b, 1)->in.len, 0);
	CHECK_INT(udp_at(b, 2)->in.len, 0);
	udp_batch_free(b);
	close(client);
	close(fd);
}

/* A sender without a way back: its port is 0, which only a raw socket can forge; a closed socket of
 * our own stands for all errors of sending. */
TEST(answers_that_cannot_be_sent_are_counted_and_hold_up_nobody)
{
	uint16_t port;
	int fd = open_one("127.0.0.1", &port), client = client_to("127.0.0.1", port);
	struct udp_batch *b = udp_batch_new(fd);

	CHECK_INT(send(client, "abc", 3, 0), 3);
	CHECK_INT(send(client, "abc", 3, 0), 3);
	CHECK(readable(fd));
	CHECK_INT(udp_receive(b), 2);
	udp_at(b, 0)->out_len = udp_at(b, 1)->out_len = 3;
	close(fd);
	CHECK_INT(udp_answer(b), 2);
	CHECK_INT(udp_receive(b), ERR_IO);
	udp_batch_free(b);
	close(client);
}

TEST(a_taken_port_is_refused_even_by_sockets_that_would_share_it)
{
	struct err_info info = {0};
	int fds[2], other[2];
	uint16_t port, same;
	int n = udp_open("127.0.0.1", 0, 2, WORD_AT, fds, &port, &info);

	CHECK(n > 0);
	CHECK_INT(udp_open("127.0.0.1", port, 2, WORD_AT, other, &same, &info), ERR_EXISTS);
	CHECK_INT(info.code, ERR_EXISTS);
	CHECK_INT(udp_open("127.0.0.1", port, 1, WORD_AT, other, &same, &info), ERR_EXISTS);
	for (int i = 0; i < n; i++)
		close(fds[i]);
	CHECK_INT(udp_open("127.0.0.1", port, 1, WORD_AT, other, &same, &info), 1);
	CHECK_INT(same, port);
	close(other[0]);
	CHECK_INT(udp_open("nowhere", 0, 1, WORD_AT, other, &same, &info), ERR_INVALID);
	CHECK_INT(udp_open("192.0.2.77", 0, 1, WORD_AT, other, &same, &info), ERR_IO);
}

static int reached(const int *fds, int n)
{
	struct pollfd list[UDP_SOCKETS_MAX];
	char got[64];

	for (int i = 0; i < n; i++)
		list[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
	CHECK(poll(list, (nfds_t)n, 5000) == 1);
	for (int i = 0; i < n; i++) {
		if (list[i].revents != 0) {
			CHECK(recv(fds[i], got, sizeof(got), 0) >= 0);
			return i;
		}
	}
	return -1;
}

static void check_steering(const char *listen, const char *reach)
{
	struct err_info info = {0};
	int fds[UDP_SOCKETS_MAX], client;
	uint16_t port;
	int n = udp_open(listen, 0, 3, WORD_AT, fds, &port, &info);

	if (n == 1) {
		close(fds[0]);
		skip();
	}
	CHECK_INT(n, 3);
	client = client_to(reach, port);
	for (uint32_t i = 0; i < 64; i++) {
		uint8_t packet[64] = {0};
		uint32_t word = i * 0x9e3779b9u, before = word ^ 0x5555;

		put_be32(packet + WORD_AT, word);
		put_be32(packet + WORD_AT - 4, before);
		CHECK_INT(send(client, packet, 64, 0), 64);
		CHECK_INT(reached(fds, n), word % 3);
		CHECK_INT(send(client, packet, WORD_AT + 4, 0), WORD_AT + 4);
		CHECK_INT(reached(fds, n), word % 3);
		CHECK_INT(send(client, packet, WORD_AT + i % 4, 0), WORD_AT + i % 4);
		CHECK_INT(reached(fds, n), before % 3);
		CHECK_INT(send(client, packet, i % WORD_AT, 0), i % WORD_AT);
		CHECK_INT(reached(fds, n), 0);
	}
	close(client);
	for (int i = 0; i < n; i++)
		close(fds[i]);
}

TEST(datagrams_are_steered_by_their_word_over_ipv4)
{
	check_steering("127.0.0.1", "127.0.0.1");
	check_steering(NULL, "127.0.0.1");
}

TEST(datagrams_are_steered_by_their_word_over_ipv6)
{
	struct err_info info;
	uint16_t port;
	int fd;

	if (udp_open("::1", 0, 1, WORD_AT, &fd, &port, &info) != 1)
		skip();
	close(fd);
	check_steering("::1", "::1");
	check_steering(NULL, "::1");
}
