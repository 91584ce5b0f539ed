#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "net/tcp.h"

#include "test.h"

static struct addr loopback(uint16_t port)
{
	static const uint8_t ip[4] = {127, 0, 0, 1};
	struct addr a;

	CHECK_INT(addr_from_ip(&a, bytes_of(ip, 4), port), 0);
	return a;
}

static bool wait_for(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	return poll(&p, 1, 5000) == 1;
}

static int accept_one(int listener, struct addr *from)
{
	int fd = ERR_AGAIN;

	while (fd == ERR_AGAIN && wait_for(listener, POLLIN))
		fd = tcp_accept(listener, from);
	return fd;
}

/* A pair of connected sockets over loopback. */
static void pair(int *ours, int *theirs, struct addr *from)
{
	struct err_info info = {0};
	uint16_t port = 0;
	int listener = tcp_listen("127.0.0.1", 0, &port, &info);
	struct addr to = loopback(port);

	CHECK(listener >= 0);
	*theirs = tcp_connect(&to);
	CHECK(*theirs >= 0);
	*ours = accept_one(listener, from);
	CHECK(*ours >= 0);
	CHECK(wait_for(*theirs, POLLOUT));
	CHECK_INT(tcp_connect_result(*theirs), 0);
	close(listener);
}

TEST(a_connection_carries_bytes_and_knows_where_it_is_from)
{
	struct addr from;
	char text[ADDR_TEXT_MAX], got[4];
	int a, b;

	pair(&a, &b, &from);
	CHECK_STR(addr_host_text(text, &from), "127.0.0.1");
	CHECK(from.port != 0);
	CHECK_INT(write(b, "ping", 4), 4);
	CHECK(wait_for(a, POLLIN));
	CHECK_INT(read(a, got, 4), 4);
	CHECK_MEM(got, "ping", 4);
	CHECK(tcp_rtt_us(a) < 10000000);
	tcp_close(a);
	CHECK(wait_for(b, POLLIN));
	CHECK_INT(read(b, got, 4), 0);
	tcp_close(b);
}

TEST(accepted_and_dialed_sockets_wait_for_nobody_and_do_not_leak_into_children)
{
	struct addr from;
	int fds[2];

	pair(&fds[0], &fds[1], &from);
	for (int i = 0; i < 2; i++) {
		int one = 0;
		socklen_t len = sizeof(one);

		CHECK((fcntl(fds[i], F_GETFL) & O_NONBLOCK) != 0);
		CHECK((fcntl(fds[i], F_GETFD) & FD_CLOEXEC) != 0);
		CHECK_INT(getsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &one, &len), 0);
		CHECK(one != 0);
		close(fds[i]);
	}
}

TEST(one_socket_listens_to_both_families)
{
	struct err_info info = {0};
	uint16_t port = 0;
	int listener = tcp_listen(NULL, 0, &port, &info);
	struct addr to = loopback(port), from;
	uint8_t ip6[16] = {0};
	int fd, got;

	CHECK(listener >= 0);
	CHECK(port != 0);
	fd = tcp_connect(&to);
	got = accept_one(listener, &from);
	CHECK(got >= 0);
	CHECK_INT(from.v6, 0); /* a mapped address is IPv4 */
	CHECK(addr_is_loopback(&from));
	close(fd);
	close(got);
	ip6[15] = 1;
	CHECK_INT(addr_from_ip(&to, bytes_of(ip6, 16), port), 0);
	fd = tcp_connect(&to);
	if (fd >= 0 && wait_for(fd, POLLOUT) && tcp_connect_result(fd) == 0) {
		got = accept_one(listener, &from); /* a machine without IPv6 never comes here */
		CHECK(got >= 0);
		CHECK_INT(from.v6, 1);
		close(got);
	}
	if (fd >= 0)
		close(fd);
	close(listener);
}

TEST(nobody_waiting_is_said_at_once)
{
	struct err_info info;
	struct addr from;
	int listener = tcp_listen("127.0.0.1", 0, NULL, &info);

	CHECK_INT(tcp_accept(listener, &from), ERR_AGAIN);
	close(listener);
	CHECK_INT(tcp_accept(listener, &from), ERR_IO);
}

TEST(a_taken_port_is_named)
{
	struct err_info info = {0};
	uint16_t port = 0;
	int first = tcp_listen("127.0.0.1", 0, &port, &info);

	CHECK(first >= 0);
	CHECK_INT(tcp_listen("127.0.0.1", port, NULL, &info), ERR_EXISTS);
	CHECK(strstr(info.text, "127.0.0.1") != NULL);
	CHECK(strstr(info.text, "taken") != NULL);
	CHECK_INT(tcp_listen(NULL, port, NULL, &info), ERR_EXISTS);
	close(first);
}

TEST(a_port_is_free_again_right_after_a_connection_on_it)
{
	struct err_info info = {0};
	struct addr to, from;
	uint16_t port = 0;
	int listener = tcp_listen("127.0.0.1", 0, &port, &info);
	int fd, got;

	to = loopback(port);
	fd = tcp_connect(&to);
	got = accept_one(listener, &from);
	close(got); /* our side closes first: it keeps the TIME_WAIT */
	close(fd);
	close(listener);
	listener = tcp_listen("127.0.0.1", port, NULL, &info);
	CHECK(listener >= 0);
	close(listener);
}

TEST(a_host_that_is_no_address_is_refused)
{
	struct err_info info = {0};

	CHECK_INT(tcp_listen("nowhere.example", 0, NULL, &info), ERR_INVALID);
	CHECK_INT(tcp_listen("256.0.0.1", 0, NULL, &info), ERR_INVALID);
	CHECK(tcp_addr_is_gone(&(struct addr){.ip = {192, 0, 2, 1}}));
	CHECK(!tcp_addr_is_gone(&(struct addr){.ip = {127, 0, 0, 1}, .port = 1}));
	/* It may have it in a moment: not a matter of how it was started. */
	CHECK_INT(tcp_listen("192.0.2.1", 0, NULL, &info), ERR_IO);
	CHECK(strstr(info.text, "192.0.2.1") != NULL);
}

TEST(a_refused_connection_is_unreachable)
{
	struct err_info info = {0};
	uint16_t port = 0;
	int listener = tcp_listen("127.0.0.1", 0, &port, &info);
	struct addr to = loopback(port);
	int fd;

	close(listener);
	fd = tcp_connect(&to);
	if (fd >= 0) {
		CHECK(wait_for(fd, POLLOUT));
		CHECK_INT(tcp_connect_result(fd), ERR_UNREACHABLE);
		close(fd);
	} else {
		CHECK_INT(fd, ERR_UNREACHABLE);
	}
}

TEST(closing_on_a_peer_that_takes_nothing_resets_it)
{
	static char junk[1 << 16];
	struct addr from;
	int a, b;
	ssize_t n;

	pair(&a, &b, &from);
	while (write(a, junk, sizeof(junk)) > 0)
		;
	CHECK_INT(errno, EAGAIN);
	CHECK(tcp_unacked_bytes(a) > 0);
	tcp_close(a);
	do {
		CHECK(wait_for(b, POLLIN));
		n = read(b, junk, sizeof(junk));
	} while (n > 0);
	CHECK_INT(n, -1);
	CHECK_INT(errno, ECONNRESET);
	close(b);
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void read_byte(int fd)
{
	char c;

	CHECK(wait_for(fd, POLLIN));
	CHECK_INT(read(fd, &c, 1), 1);
}

/* The time from the first of two small messages to the second, at the other end. */
static uint64_t two_messages_us(int ours, int theirs)
{
	uint64_t begun = now_us();

	CHECK_INT(write(theirs, "1", 1), 1);
	CHECK_INT(write(theirs, "2", 1), 1); /* held back until the first is acknowledged */
	read_byte(ours);
	tcp_ack_now(ours);
	read_byte(ours);
	return now_us() - begun;
}

TEST(who_holds_back_small_messages_hears_at_once_that_they_came)
{
	uint64_t least = UINT64_MAX, us;
	struct addr from;
	int ours, theirs, zero = 0;

	pair(&ours, &theirs, &from);
	setsockopt(theirs, IPPROTO_TCP, TCP_NODELAY, &zero, sizeof(zero));
	for (int round = 0; round < 20; round++) {
		us = two_messages_us(ours, theirs);
		/* A new connection is acknowledged at once in any case. */
		least = round >= 10 && us < least ? us : least;
		CHECK_INT(write(ours, "3", 1), 1);
		read_byte(theirs);
	}
	CHECK(least < 30000);
	close(ours);
	close(theirs);
}

TEST(running_out_of_descriptors_is_not_an_error_of_the_listener)
{
	struct err_info info = {0};
	struct rlimit old, few;
	struct addr to, from;
	uint16_t port = 0;
	int listener = tcp_listen("127.0.0.1", 0, &port, &info);
	int fd, got;

	to = loopback(port);
	fd = tcp_connect(&to);
	CHECK(wait_for(listener, POLLIN));
	CHECK_INT(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = (struct rlimit){(rlim_t)(fd < listener ? listener : fd) + 1, old.rlim_max};
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &few), 0);
	got = tcp_accept(listener, &from);
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &old), 0);
	CHECK_INT(got, ERR_TOO_BIG);
	got = tcp_accept(listener, &from);
	CHECK(got >= 0);
	close(got);
	close(fd);
	close(listener);
}

TEST(an_address_of_another_kind_or_cut_short_is_refused)
{
	struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons(7)};
	struct addr a;

	CHECK_INT(tcp_addr_from_sockaddr(&a, &at, sizeof(at)), 0);
	CHECK_INT(a.port, 7);
	CHECK_INT(tcp_addr_from_sockaddr(&a, &at, sizeof(at) - 1), ERR_INVALID);
	CHECK_INT(tcp_addr_from_sockaddr(&a, &at, 0), ERR_INVALID);
	CHECK_INT(tcp_addr_from_sockaddr(&a, NULL, 0), ERR_INVALID);
	at.sin6_family = AF_UNIX;
	CHECK_INT(tcp_addr_from_sockaddr(&a, &at, sizeof(at)), ERR_INVALID);
}
