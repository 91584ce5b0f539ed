#include "daemon/hooks.h"

#include <stdlib.h>

#include "test.h"

#include "failmalloc_jansson.h"

struct desk {
	struct loop *loop;
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

static struct hooks_params params(struct desk *d, bool command, bool url)
{
	return (struct hooks_params){.loop = d->loop,
				     .command = command ? "true '{title}' {path}" : NULL,
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
	p = params(&d, true, true);
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

/* A command or a webhook that memory did not suffice for is said, and never half of one is run. */
static void fire_each(bool command)
{
	struct desk d = {.said = 0};
	struct hooks_params p;
	size_t asked = SIZE_MAX;

	CHECK_INT(loop_new(&d.loop), 0);
	p = params(&d, command, !command);
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
		hooks_free(h);
	}
	CHECK(asked > 3);
	loop_free(d.loop);
}

TEST(without_memory_a_command_is_not_run_and_that_is_said)
{
	fire_each(true);
}

TEST(without_memory_a_webhook_is_not_told_and_that_is_said)
{
	fire_each(false);
}

TEST(without_memory_for_its_request_a_webhook_is_not_told_and_that_is_said)
{
	struct desk d = {.said = 0};
	struct hooks_params p;
	bool all = false;

	CHECK_INT(loop_new(&d.loop), 0);
	p = params(&d, false, true);
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
