/* Whose turn it is. */
#include "test.h"

#include <string.h>

#include "daemon/jobs_impl.h"

#define N 70u

/* Jobs without a node: what is asked of them is only whether there is a transfer or a fetch. */
struct line {
	struct jobs js;
	struct job jobs[N];
	struct job *list[N];
};

static struct metadata_fetch *a_fetch(struct line *l)
{
	return (struct metadata_fetch *)(void *)l;
}

static char a_link[] = "a link";

/* `n` links, none of them asked for. */
static void line_init(struct line *l, uint32_t n)
{
	memset(l, 0, sizeof(*l));
	l->js.list = l->list;
	l->js.n = n;
	for (uint32_t i = 0; i < n; i++) {
		l->jobs[i] = (struct job){.js = &l->js, .rec = {.id = i + 1, .magnet = a_link}};
		l->list[i] = &l->jobs[i];
	}
}

static struct job *ask(struct line *l)
{
	struct job *j = jobs_next_of_queue(&l->js);

	if (j == NULL)
		return NULL;
	j->fetch = a_fetch(l);
	j->asked = ++l->js.asks;
	return j;
}

static void ask_all(struct line *l)
{
	while (ask(l) != NULL)
		;
}

TEST(so_many_links_are_asked_for_at_a_time)
{
	struct line l;

	line_init(&l, N);
	ask_all(&l);
	for (uint32_t i = 0; i < N; i++)
		CHECK((l.jobs[i].fetch != NULL) == (i < JOBS_ASKING_MAX));
	CHECK_INT(jobs_running(&l.js), JOBS_ASKING_MAX);
	l.jobs[3].idle = true;
	CHECK_INT(jobs_running(&l.js), JOBS_ASKING_MAX - 1);
}

TEST(a_link_that_nobody_answers_leaves_for_one_that_waits_and_comes_again_behind_it)
{
	struct line l;
	struct job *j;

	line_init(&l, JOBS_ASKING_MAX + 2);
	ask_all(&l);
	CHECK(jobs_link_to_leave(&l.js) == NULL);
	l.jobs[9].idle = l.jobs[5].idle = true;
	for (uint32_t turn = 0; turn < 2; turn++) {
		j = jobs_link_to_leave(&l.js);
		CHECK(j == &l.jobs[turn == 0 ? 5 : 9]);
		j->fetch = NULL;
		j->idle = false;
		CHECK(ask(&l) == &l.jobs[JOBS_ASKING_MAX + turn]);
	}
	CHECK(jobs_link_to_leave(&l.js) == NULL);
	/* Who left first is first again. */
	l.jobs[0].fetch = NULL;
	l.jobs[0].rec.paused = true;
	CHECK(ask(&l) == &l.jobs[5]);
}

TEST(nobody_leaves_while_there_is_room_or_for_what_is_less_urgent)
{
	struct line l;

	line_init(&l, JOBS_ASKING_MAX);
	ask_all(&l);
	l.jobs[0].idle = true;
	CHECK(jobs_link_to_leave(&l.js) == NULL);
	line_init(&l, JOBS_ASKING_MAX + 1);
	ask_all(&l);
	l.jobs[0].idle = true;
	l.jobs[0].rec.priority = 1;
	CHECK(jobs_link_to_leave(&l.js) == NULL);
	l.jobs[JOBS_ASKING_MAX].rec.priority = 1;
	CHECK(jobs_link_to_leave(&l.js) == &l.jobs[0]);
	l.jobs[1].fetch = NULL;
	l.jobs[1].rec.paused = true;
	CHECK(jobs_link_to_leave(&l.js) == NULL);
}
