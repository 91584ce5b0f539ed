#include "net/mcast.h"

#include <sched.h>
#include <spawn.h>
#include <sys/wait.h>

#include "test.h"

#define GROUP_V4 "239.255.77.77"
#define GROUP_V6 "ff02::7777"
#define PORT 7777
#define DEADLINE_MS 10000u

extern char **environ;

static bool run_ip(const char *const argv[])
{
	pid_t pid;
	int status;

	return posix_spawnp(&pid, "ip", NULL, NULL, (char **)(uintptr_t)argv, environ) == 0 &&
	       waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* A network of our own with one interface, "w0" at 10.9.0.1/24 and fd09::1/64; skips the test where
 * that is not allowed. */
static void enter_network(void)
{
	static bool done;
	static const char *const steps[][12] = {
	    {"ip", "link", "set", "lo", "up"},
	    {"ip", "link", "add", "w0", "type", "veth", "peer", "name", "w1"},
	    {"ip", "addr", "add", "10.9.0.1/24", "dev", "w0"},
	    {"ip", "addr", "add", "fd09::1/64", "dev", "w0", "nodad"},
	    {"ip", "link", "set", "w1", "addrgenmode", "none", "up"},
	    {"ip", "link", "set", "w0", "up"},
	};

	if (done)
		return;
	if (unshare(CLONE_NEWNET) != 0)
		skip();
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (!run_ip(steps[i]))
			skip();
	done = true;
}

struct end {
	struct mcast *m;
	struct mcast_from from;
	char text[64];
	unsigned n;
};

static void on_datagram(void *user, const struct mcast_from *from, struct bytes data)
{
	struct end *e = user;

	CHECK(data.len < sizeof(e->text));
	memcpy(e->text, data.ptr, data.len);
	e->text[data.len] = '\0';
	e->from = *from;
	e->n++;
}

static void open_end(struct end *e, struct loop *l, bool member, bool v6)
{
	struct mcast_params p = {.loop = l,
				 .group_v4 = v6 ? NULL : GROUP_V4,
				 .group_v6 = v6 ? GROUP_V6 : NULL,
				 .port = PORT,
				 .member = member,
				 .hops = 1,
				 .on_datagram = on_datagram,
				 .user = e};
	struct err_info info;

	*e = (struct end){0};
	CHECK_INT(mcast_new(&p, &e->m, &info), 0);
}

static void wait_for(struct loop *l, const struct end *e)
{
	uint64_t until = loop_now_ms(l) + DEADLINE_MS;

	while (e->n == 0 && loop_now_ms(l) < until)
		CHECK_INT(loop_turn(l, 100), 0);
	CHECK(e->n > 0);
}

/* Again and again: an interface that just came up loses what is sent, or takes nothing yet. */
static void send_until_heard(struct loop *l, struct end *from, const struct end *to,
			     const char *text)
{
	uint64_t until = loop_now_ms(l) + DEADLINE_MS;

	while (to->n == 0 && loop_now_ms(l) < until) {
		CHECK(mcast_send(from->m, bytes_str(text)) <= 1);
		CHECK_INT(loop_turn(l, 100), 0);
	}
	CHECK_STR(to->text, text);
}

static void ask_and_answer(bool v6)
{
	struct end server, client;
	struct loop *l;
	struct addr ours[8];
	unsigned interface;

	enter_network();
	CHECK_INT(loop_new(&l), 0);
	open_end(&server, l, true, v6);
	open_end(&client, l, false, v6);
	send_until_heard(l, &client, &server, "who?");
	CHECK(server.from.on_link);
	CHECK_INT(server.from.addr.v6, v6);
	CHECK(mcast_addresses(server.m, server.from.interface, ours, 8) >= 1);
	CHECK_INT(mcast_interfaces(server.m, &interface, 1), 1);
	CHECK_INT(interface, server.from.interface);

	CHECK_INT(mcast_reply(server.m, &server.from, bytes_str("me")), 0);
	wait_for(l, &client);
	CHECK_STR(client.text, "me");
	CHECK(client.from.on_link);
	CHECK_INT(client.from.addr.port, PORT);

	mcast_free(client.m);
	mcast_free(server.m);
	loop_free(l);
}

TEST(a_question_to_the_group_is_heard_and_answered_over_ipv4)
{
	ask_and_answer(false);
}

TEST(a_question_to_the_group_is_heard_and_answered_over_ipv6)
{
	ask_and_answer(true);
}

TEST(two_programs_take_what_is_sent_to_one_group)
{
	struct end a, b;
	struct loop *l;

	enter_network();
	CHECK_INT(loop_new(&l), 0);
	open_end(&a, l, true, false);
	open_end(&b, l, true, false);
	send_until_heard(l, &a, &b, "all");
	wait_for(l, &a);
	mcast_free(a.m);
	mcast_free(b.m);
	loop_free(l);
}

TEST(an_interface_that_comes_up_later_is_joined)
{
	static const char *const down[] = {"ip", "link", "set", "w0", "down", NULL};
	static const char *const up[] = {"ip", "link", "set", "w0", "up", NULL};
	struct end server, client;
	struct loop *l;

	enter_network();
	CHECK(run_ip(down));
	CHECK_INT(loop_new(&l), 0);
	open_end(&server, l, true, false);
	open_end(&client, l, false, false);
	CHECK_INT(mcast_send(client.m, bytes_str("lost")), 0);
	CHECK(run_ip(up));
	mcast_refresh(server.m);
	mcast_refresh(client.m);
	send_until_heard(l, &client, &server, "found");
	mcast_free(client.m);
	mcast_free(server.m);
	loop_free(l);
}

TEST(a_group_that_is_no_address_is_refused)
{
	struct mcast_params p = {.group_v4 = "nowhere", .port = PORT, .hops = 1};
	struct err_info info;
	struct loop *l;
	struct mcast *m;

	CHECK_INT(loop_new(&l), 0);
	p.loop = l;
	CHECK_INT(mcast_new(&p, &m, &info), ERR_IO);
	CHECK(m == NULL);
	loop_free(l);
}
