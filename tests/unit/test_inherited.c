#include "net/inherited.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/tcp.h"

#include "test.h"

static int count(const char *pid, const char *fds, unsigned *n)
{
	return inherited_count(pid, fds, 42, n);
}

TEST(inherited_sockets_are_for_the_process_that_they_name)
{
	unsigned n = 7;

	CHECK_INT(count("42", "2", &n), OK);
	CHECK_INT(n, 2);
	CHECK_INT(count("41", "2", &n), OK);
	CHECK_INT(n, 0);
	CHECK_INT(count(NULL, "2", &n), OK);
	CHECK_INT(n, 0);
	CHECK_INT(count("42", NULL, &n), OK);
	CHECK_INT(n, 0);
	CHECK_INT(count("42x", "2", &n), OK);
	CHECK_INT(n, 0);
	CHECK_INT(count("99999999999999999999", "2", &n), OK);
	CHECK_INT(n, 0);
}

TEST(inherited_sockets_are_a_number_within_the_limit)
{
	unsigned n;

	CHECK_INT(count("42", "0", &n), OK);
	CHECK_INT(n, 0);
	CHECK_INT(count("42", "8", &n), OK);
	CHECK_INT(n, INHERITED_MAX);
	CHECK_INT(count("42", "9", &n), ERR_TOO_BIG);
	CHECK_INT(n, 0);
	CHECK_INT(count("42", "-1", &n), ERR_INVALID);
	CHECK_INT(count("42", "", &n), ERR_INVALID);
}

static void say(unsigned n)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", (long)getpid());
	CHECK_INT(setenv("LISTEN_PID", text, 1), 0);
	snprintf(text, sizeof(text), "%u", n);
	CHECK_INT(setenv("LISTEN_FDS", text, 1), 0);
}

/* From 3 on, as they would be; what was there before is put back by put_back(). */
static int kept[2];

static void put_there(int first, int second)
{
	kept[0] = fcntl(3, F_DUPFD_CLOEXEC, 20);
	kept[1] = fcntl(4, F_DUPFD_CLOEXEC, 20);
	CHECK_INT(dup2(first, 3), 3);
	CHECK_INT(dup2(second, 4), 4);
}

static void put_back(void)
{
	for (int i = 0; i < 2; i++) {
		close(3 + i);
		if (kept[i] < 0)
			continue;
		CHECK_INT(dup2(kept[i], 3 + i), 3 + i);
		close(kept[i]);
	}
}

static int high(int fd)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, 30);

	CHECK(moved >= 30);
	close(fd);
	return moved;
}

TEST(inherited_sockets_are_claimed_by_kind_and_not_passed_on)
{
	struct sockaddr_un none = {.sun_family = AF_UNIX};
	struct err_info info = {.code = OK};
	struct inherited in;
	int tcp = high(tcp_listen("127.0.0.1", 0, NULL, &info));
	int local = high(socket(AF_UNIX, SOCK_STREAM, 0));

	/* Without a name the kernel chooses one. */
	CHECK_INT(bind(local, (struct sockaddr *)&none, sizeof(none.sun_family)), 0);
	CHECK_INT(listen(local, 1), 0);
	put_there(tcp, local);
	say(2);
	CHECK_INT(inherited_take(&in, &info), OK);
	CHECK(getenv("LISTEN_PID") == NULL && getenv("LISTEN_FDS") == NULL);
	CHECK_INT(inherited_claim(&in, INHERITED_LOCAL), 4);
	CHECK_INT(inherited_claim(&in, INHERITED_LOCAL), 0);
	CHECK((fcntl(4, F_GETFL) & O_NONBLOCK) != 0);
	CHECK((fcntl(4, F_GETFD) & FD_CLOEXEC) != 0);
	inherited_fini(&in);
	CHECK_INT(fcntl(3, F_GETFD), -1);
	CHECK(fcntl(4, F_GETFD) >= 0);
	put_back();
	close(tcp);
	close(local);
}

TEST(inherited_descriptors_that_do_not_listen_are_refused)
{
	struct err_info info = {.code = OK};
	struct inherited in;
	int tcp = high(tcp_listen("127.0.0.1", 0, NULL, &info));
	int not_listening = high(socket(AF_INET, SOCK_STREAM, 0)),
	    null = high(open("/dev/null", O_RDONLY));
	int wrong[] = {not_listening, null};

	for (int i = 0; i < 2; i++) {
		put_there(tcp, wrong[i]);
		say(2);
		CHECK_INT(inherited_take(&in, &info), ERR_INVALID);
		CHECK(strstr(info.text, "descriptor 4") != NULL);
		inherited_fini(&in);
		put_back();
	}
	CHECK_INT(inherited_take(&in, &info), OK);
	CHECK_INT(in.n, 0);
	close(tcp);
	close(null);
	close(not_listening);
}
