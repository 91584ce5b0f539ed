#include "daemon/hooks.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/hook_runner.h"

#include "test.h"

#include "failmalloc_jansson.h"

struct desk {
	struct loop *loop;
	struct hook_runner *runner; /* NULL: no command */
	unsigned said;
};

static void on_say(void *user, const char *line)
{
	struct desk *d = user;

	CHECK(line[0] != '\0');
	d->said++;
}

static const struct hook_facts facts = {.event = "complete",
					.title = "ann/data@2",
					.name = "data",
					.path = "/tmp/a \"quoted\" name",
					.bytes = 1u << 20,
					.error = ""};

/* Nobody listens there. */
static const char *const urls[] = {"http://127.0.0.1:1/hook", NULL};

static struct hooks_params params(struct desk *d, bool url)
{
	return (struct hooks_params){.loop = d->loop,
				     .runner = d->runner,
				     .urls = url ? urls : NULL,
				     .say = on_say,
				     .user = d};
}

TEST(without_memory_hooks_are_not_made)
{
	struct desk d = {.said = 0};
	struct hooks_params p;
	size_t asked = SIZE_MAX;

	CHECK_INT(loop_new(&d.loop), 0);
	p = params(&d, true);
	for (size_t n = 1; asked >= n - 1; n++) {
		struct err_info why = {.code = OK};
		struct hooks *h;
		int err;

		failmalloc_start(n, false);
		err = hooks_new(&p, &h, &why);
		asked = failmalloc_stop();
		if (n <= asked)
			CHECK(err == ERR_NOMEM && h == NULL && why.code == ERR_NOMEM);
		hooks_free(h);
	}
	CHECK(asked > 2);
	loop_free(d.loop);
}

static struct hook_runner *runner(const char *command)
{
	int log = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct hook_runner *r;

	CHECK_INT(hook_runner_start(command, log, &r, NULL), OK);
	close(log);
	return r;
}

/* What is said of the command that was run; "" when it went well. */
static const char *end_of(struct hook_runner *r)
{
	static char text[ERR_TEXT_MAX];

	for (int i = 0; !hook_runner_ended(r, text); i++) {
		CHECK(i < 3000);
		poll(NULL, 0, 10);
	}
	return text;
}

/* What memory did not suffice for is said, and never half of one is run. */
static void fire_each(struct hook_runner *with)
{
	struct desk d = {.runner = with};
	struct hooks_params p;
	size_t asked = SIZE_MAX;

	CHECK_INT(loop_new(&d.loop), 0);
	p = params(&d, with == NULL);
	for (size_t n = 1; asked >= n - 1; n++) {
		struct hooks *h;
		bool idle;

		CHECK_INT(hooks_new(&p, &h, NULL), OK);
		d.said = 0;
		failmalloc_start(n, false);
		hooks_fire(h, &facts);
		asked = failmalloc_stop();
		idle = hooks_are_idle(h);
		CHECK_INT(d.said, n <= asked);
		CHECK_INT(idle, n <= asked);
		if (with != NULL && !idle)
			CHECK_STR(end_of(with), "");
		hooks_free(h);
	}
	loop_free(d.loop);
}

TEST(without_memory_a_command_is_not_run_and_that_is_said)
{
	struct hook_runner *r = runner("true '{title}' {path}");

	fire_each(r);
	hook_runner_free(r);
}

TEST(without_memory_a_webhook_is_not_told_and_that_is_said)
{
	fire_each(NULL);
}

TEST(without_memory_there_is_no_runner)
{
	size_t asked = SIZE_MAX;

	for (size_t n = 1; asked >= n - 1; n++) {
		struct hook_runner *r;
		int err;

		failmalloc_start(n, false);
		err = hook_runner_start("true '{title}' {path}", STDERR_FILENO, &r, NULL);
		asked = failmalloc_stop();
		CHECK_INT(err, n <= asked ? ERR_NOMEM : OK);
		CHECK((r == NULL) == (err != OK));
		hook_runner_free(r);
	}
	CHECK(asked > 1);
}

/* Its memory is as its maker's was, down to the allocation that fails. */
TEST(a_runner_without_memory_says_so_and_starts_nothing)
{
	bool all = false;

	for (size_t n = 1; !all; n++) {
		struct hook_runner *r;
		const char *text;
		int err;

		failmalloc_start(n, false);
		err = hook_runner_start("true '{title}' {path}", STDERR_FILENO, &r, NULL);
		(void)failmalloc_stop();
		if (err != OK)
			continue;
		CHECK_INT(hook_runner_run(r, &facts), OK);
		text = end_of(r);
		all = text[0] == '\0';
		CHECK(all || strstr(text, "true: cannot be run: ") == text);
		hook_runner_free(r);
	}
}

TEST(a_command_that_fails_is_told_of_once)
{
	struct hook_runner *r = runner("sh -c 'exit 3'");
	char text[ERR_TEXT_MAX];

	CHECK_INT(hook_runner_run(r, &facts), OK);
	CHECK_INT(hook_runner_count(r), 1);
	CHECK_STR(end_of(r), "sh: ended with status 3");
	CHECK_INT(hook_runner_count(r), 0);
	CHECK(!hook_runner_ended(r, text));
	hook_runner_free(r);
}

/* Whoever has taken its maker over has no more to say than its maker had. */
TEST(more_commands_than_may_run_at_a_time_are_refused_by_the_runner)
{
	struct hook_runner *r = runner("sleep 3");

	for (unsigned i = 0; i <= HOOKS_RUNNING_MAX; i++)
		CHECK_INT(hook_runner_run(r, &facts), OK);
	CHECK(strstr(end_of(r), "commands run already") != NULL);
	CHECK_INT(hook_runner_count(r), HOOKS_RUNNING_MAX);
	hook_runner_free(r);
}

TEST(what_happened_may_be_so_long_and_no_longer)
{
	static char name[HOOK_FACTS_MAX + 1];
	struct hook_runner *r = runner("true");
	struct hook_facts f = {.event = "", .title = "", .name = name, .path = "", .error = ""};
	size_t others = 6 + 1; /* ends, and the 0 of bytes */

	memset(name, 'x', HOOK_FACTS_MAX - others + 1);
	CHECK_INT(hook_runner_run(r, &f), ERR_TOO_BIG);
	name[HOOK_FACTS_MAX - others] = '\0';
	CHECK_INT(hook_runner_run(r, &f), OK);
	CHECK_STR(end_of(r), "");
	hook_runner_free(r);
}

TEST(without_memory_for_its_request_a_webhook_is_not_told_and_that_is_said)
{
	struct desk d = {.said = 0};
	struct hooks_params p;
	bool all = false;

	CHECK_INT(loop_new(&d.loop), 0);
	p = params(&d, true);
	for (size_t n = 1; !all; n++) {
		struct hooks *h;

		CHECK_INT(hooks_new(&p, &h, NULL), OK);
		hooks_fire(h, &facts);
		d.said = 0;
		failmalloc_start(n, false);
		loop_turn(d.loop, 100);
		all = failmalloc_stop() < n;
		/* It is tried again, or that is said. */
		CHECK_INT(d.said, hooks_are_idle(h));
		hooks_free(h);
	}
	loop_free(d.loop);
}
