#include "node/throttle.h"

#include "net/lan.h"
#include "node/explain.h"
#include "node/link.h"

static uint64_t now_ms(const struct link *l)
{
	return loop_now_ms(l->node->loop);
}

static bool is_near(struct link *l)
{
	if (l->throttle.lan == LAN_UNKNOWN)
		l->throttle.lan = lan_has(&l->addr) ? LAN_YES : LAN_NO;
	return l->throttle.lan == LAN_YES;
}

static bool is_limited(struct link *l, enum direction d)
{
	struct throttle *h = &l->node->throttle;

	if (h->bucket[d].bps == 0 && (l->t == NULL || l->t->throttle.bucket[d].bps == 0))
		return false;
	if (h->lan || !is_near(l))
		return true;
	h->spared_lan = true;
	return false;
}

/* What the buckets hold for it. */
static uint64_t tokens_for(struct link *l, enum direction d)
{
	uint64_t n = token_left(&l->node->throttle.bucket[d], now_ms(l)), of_transfer;

	if (l->t == NULL)
		return n;
	of_transfer = token_left(&l->t->throttle.bucket[d], now_ms(l));
	return of_transfer < n ? of_transfer : n;
}

/* ---- the line ----------------------------------------------------------------- */

static void line_join(struct link *l, enum direction d)
{
	struct throttle *h = &l->node->throttle;
	struct link_throttle *w = &l->throttle;

	if (w->waits[d])
		return;
	w->waits[d] = true;
	w->behind[d] = NULL;
	w->before[d] = h->last[d];
	if (h->last[d] != NULL)
		h->last[d]->throttle.behind[d] = l;
	else
		h->first[d] = l;
	h->last[d] = l;
	if (h->n_waiting[DIR_DOWN] + h->n_waiting[DIR_UP] == 0)
		loop_timer_set(h->timer, THROTTLE_TICK_MS);
	h->n_waiting[d]++;
	w->of[d] = l->t;
	if (l->t != NULL)
		l->t->throttle.n_waiting[d]++;
}

static void line_leave(struct link *l, enum direction d)
{
	struct throttle *h = &l->node->throttle;
	struct link_throttle *w = &l->throttle;

	if (!w->waits[d])
		return;
	w->waits[d] = false;
	if (w->before[d] != NULL)
		w->before[d]->throttle.behind[d] = w->behind[d];
	else
		h->first[d] = w->behind[d];
	if (w->behind[d] != NULL)
		w->behind[d]->throttle.before[d] = w->before[d];
	else
		h->last[d] = w->before[d];
	h->n_waiting[d]--;
	if (w->of[d] != NULL)
		w->of[d]->throttle.n_waiting[d]--;
}

void throttle_drop(struct link *l)
{
	line_leave(l, DIR_DOWN);
	line_leave(l, DIR_UP);
}

/* ---- bytes -------------------------------------------------------------------- */

uint64_t throttle_allows(struct link *l, enum direction d)
{
	uint64_t n;

	if (!is_limited(l, d))
		return UINT64_MAX;
	n = l->throttle.waits[d] ? 0 : tokens_for(l, d);
	if (l->throttle.dealt[d] < n)
		n = l->throttle.dealt[d];
	if (n == 0)
		line_join(l, d);
	return n;
}

void throttle_took(struct link *l, enum direction d, uint64_t bytes)
{
	if (!is_limited(l, d))
		return;
	token_take(&l->node->throttle.bucket[d], bytes);
	if (l->t != NULL)
		token_take(&l->t->throttle.bucket[d], bytes);
	l->throttle.dealt[d] -= bytes < l->throttle.dealt[d] ? bytes : l->throttle.dealt[d];
}

/* ---- web servers --------------------------------------------------------------- */

static bool is_exempt(const struct transfer *t, const struct addr *from)
{
	return !t->node->throttle.lan && from->port != 0 && lan_has(from);
}

uint64_t throttle_wait_ms(struct transfer *t, const struct addr *from)
{
	struct token_bucket *all = &t->node->throttle.bucket[DIR_DOWN];
	struct token_bucket *own = &t->throttle.bucket[DIR_DOWN];
	uint64_t now = loop_now_ms(t->node->loop), a, b;

	if (is_exempt(t, from))
		return 0;
	a = token_wait_ms(all, THROTTLE_LEAST, now);
	b = token_wait_ms(own, THROTTLE_LEAST, now);
	return a > b ? a : b;
}

void throttle_took_from(struct transfer *t, const struct addr *from, uint64_t bytes)
{
	if (is_exempt(t, from))
		return;
	token_take(&t->node->throttle.bucket[DIR_DOWN], bytes);
	token_take(&t->throttle.bucket[DIR_DOWN], bytes);
}

/* ---- dealing ------------------------------------------------------------------ */

static uint64_t part(uint64_t tokens, uint32_t n)
{
	uint64_t each = tokens / (n > 0 ? n : 1);

	return each > THROTTLE_LEAST ? each : THROTTLE_LEAST;
}

/* Its share of what came: of the node's, of the transfer's, whichever is less. */
static uint64_t share_of(struct link *l, enum direction d, uint32_t n_waiting)
{
	uint64_t share = part(token_left(&l->node->throttle.bucket[d], now_ms(l)), n_waiting);
	uint64_t of_transfer = share;

	if (l->t != NULL)
		of_transfer = part(token_left(&l->t->throttle.bucket[d], now_ms(l)),
				   l->t->throttle.n_waiting[d]);
	return of_transfer < share ? of_transfer : share;
}

static void go_on(struct link *l, enum direction d)
{
	line_leave(l, d);
	if (d == DIR_DOWN)
		link_set_interest(l);
	else
		link_mark_dirty(l);
}

/* One round; who cannot be dealt anything keeps its place. */
static void deal(struct throttle *h, enum direction d)
{
	uint32_t n = h->n_waiting[d];
	uint64_t left = UINT64_MAX;
	struct link *next;

	for (struct link *l = h->first[d]; l != NULL && left > 0; l = next) {
		uint64_t share;

		next = l->throttle.behind[d];
		if (is_limited(l, d) && tokens_for(l, d) == 0)
			continue;
		if (left == UINT64_MAX)
			left = token_left(&h->bucket[d], now_ms(l));
		share = share_of(l, d, n);
		l->throttle.dealt[d] = share;
		if (left != UINT64_MAX)
			left -= share < left ? share : left;
		go_on(l, d);
	}
}

void throttle_on_tick(void *arg)
{
	struct node *n = arg;
	struct throttle *h = &n->throttle;

	deal(h, DIR_DOWN);
	deal(h, DIR_UP);
	node_settle(n);
	if (h->n_waiting[DIR_DOWN] + h->n_waiting[DIR_UP] > 0)
		loop_timer_set(h->timer, THROTTLE_TICK_MS);
}

/* Limits changed: whoever waits looks again. */
static void wake(struct throttle *h)
{
	if (h->n_waiting[DIR_DOWN] + h->n_waiting[DIR_UP] > 0)
		loop_timer_set(h->timer, 0);
}

/* ---- settings ------------------------------------------------------------------- */

void node_set_limits(struct node *n, const struct limits *l, bool lan)
{
	uint64_t now = loop_now_ms(n->loop);

	token_set(&n->throttle.bucket[DIR_DOWN], l->down_bps, now);
	token_set(&n->throttle.bucket[DIR_UP], l->up_bps, now);
	n->throttle.lan = lan;
	wake(&n->throttle);
}

bool node_spared_lan(const struct node *n)
{
	return n->throttle.spared_lan;
}

void node_limits(const struct node *n, struct limits *out, bool *lan)
{
	out->down_bps = n->throttle.bucket[DIR_DOWN].bps;
	out->up_bps = n->throttle.bucket[DIR_UP].bps;
	*lan = n->throttle.lan;
}

void transfer_set_limits(struct transfer *t, const struct limits *l)
{
	uint64_t now = loop_now_ms(t->node->loop);

	token_set(&t->throttle.bucket[DIR_DOWN], l->down_bps, now);
	token_set(&t->throttle.bucket[DIR_UP], l->up_bps, now);
	wake(&t->node->throttle);
}

void transfer_set_upload(struct transfer *t, bool on)
{
	swarm_set_upload(t->swarm, on, loop_now_ms(t->node->loop), &t->fx);
	transfer_perform(t);
	node_settle(t->node);
}

void throttle_explain(struct transfer *t, struct explain_facts *out)
{
	struct throttle *h = &t->node->throttle;
	uint64_t now = loop_now_ms(t->node->loop);
	uint64_t own = t->throttle.bucket[DIR_DOWN].bps, all = h->bucket[DIR_DOWN].bps;

	if (t->throttle.n_waiting[DIR_DOWN] == 0)
		return;
	/* The one that has less left. */
	out->limit_own =
	    token_left(&t->throttle.bucket[DIR_DOWN], now) < token_left(&h->bucket[DIR_DOWN], now);
	if (own != 0 && all != 0 && own <= all)
		out->limit_own = true;
	out->limit_bps = out->limit_own ? own : all;
	if (out->limit_bps == 0)
		out->limit_bps = own != 0 ? own : all;
}
