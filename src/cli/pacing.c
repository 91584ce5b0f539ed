#include "cli/pacing.h"

#include <stdlib.h>
#include <time.h>

#include "base/schedule.h"

struct pacing {
	struct node *node;
	struct loop_timer *timer;
	struct limits plain; /* when no rule holds */
	bool lan;
	struct schedule_rule rules[PACING_RULES_MAX];
	size_t n;
};

/* Seconds since local midnight. */
static uint32_t second_of_day(void)
{
	time_t now = (time_t)loop_wall_s();
	struct tm tm;

	if (localtime_r(&now, &tm) == NULL)
		return 0;
	return (uint32_t)(tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec);
}

static void apply(void *arg)
{
	struct pacing *p = arg;
	uint32_t second = second_of_day(), minute = second / 60;
	const struct schedule_rule *r = schedule_at(p->rules, p->n, minute);
	struct limits l = p->plain;

	if (r != NULL)
		l = (struct limits){r->down_bps, r->up_bps};
	node_set_limits(p->node, &l, p->lan);
	/* Looked at again within the minute: clocks are set, and summers begin. */
	if (p->timer != NULL)
		loop_timer_set(p->timer, (60u - second % 60) * 1000u);
}

static int read_rules(struct pacing *p, const struct opts *o, struct err_info *info)
{
	for (; o->limit_at != NULL && o->limit_at[p->n] != NULL; p->n++) {
		if (p->n == PACING_RULES_MAX)
			return err_set(info, ERR_INVALID, "--limit-at: more than %u rules",
				       PACING_RULES_MAX);
		if (schedule_parse(o->limit_at[p->n], &p->rules[p->n]) != OK)
			return err_set(info, ERR_INVALID, "--limit-at: not FROM-TO=DOWN[/UP]");
	}
	return OK;
}

int pacing_new(struct loop *loop, struct node *node, const struct opts *o, struct pacing **out,
	       struct err_info *info)
{
	struct pacing *p = calloc(1, sizeof(*p));
	int err;

	if (p == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	p->node = node;
	p->plain = (struct limits){o->limit_down, o->limit_up};
	p->lan = o->limit_lan;
	err = read_rules(p, o, info);
	if (err == OK && p->n > 0) {
		p->timer = loop_timer_new(loop, apply, p);
		if (p->timer == NULL)
			err = err_set(info, ERR_NOMEM, "out of memory");
	}
	if (err == OK)
		apply(p);
	if (err != OK || p->n == 0) {
		pacing_free(p);
		p = NULL;
	}
	*out = p;
	return err;
}

void pacing_free(struct pacing *p)
{
	if (p == NULL)
		return;
	loop_timer_free(p->timer);
	free(p);
}
