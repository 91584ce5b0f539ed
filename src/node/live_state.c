#include "node/live_state.h"

#include <stddef.h>

void live_state_init(struct live_state *s, uint64_t seed)
{
	*s = (struct live_state){.is = LIVE_TRYING};
	rng_seed(&s->rng, seed);
}

void live_state_begin(struct live_state *s, uint64_t now_ms)
{
	s->grace_ms = now_ms;
}

void live_state_on_opened(struct live_state *s, uint64_t now_ms)
{
	s->heard_ms = now_ms;
	s->opened = true;
}

bool live_state_may_tell(const struct live_state *s)
{
	return s->opened;
}

void live_state_on_line(struct live_state *s, uint64_t now_ms)
{
	s->heard_ms = now_ms;
}

void live_state_on_welcome(struct live_state *s, uint64_t now_ms)
{
	s->is = LIVE_UP;
	s->was_up = true;
	s->said = s->warned = false;
	s->beat_ms = s->up_ms = now_ms;
}

static uint32_t spread(struct live_state *s, uint32_t least_ms, uint32_t more_ms)
{
	return least_ms + rng_below(&s->rng, more_ms);
}

uint32_t live_state_pause(struct live_state *s)
{
	return spread(s, LIVE_FAILED_MS, LIVE_FAILED_MORE_MS);
}

bool live_state_may_say(struct live_state *s)
{
	bool may = !s->said;

	s->said = true;
	return may;
}

/* Who serves would wait for guests in vain. */
static bool may_warn(struct live_state *s, int status)
{
	bool may = (status == 401 || status == 403) && !s->warned;

	s->warned = s->warned || may;
	return may;
}

static bool knows_none(struct live_state *s, int status)
{
	if (status == LIVE_NOBODY)
		return false;
	return (status >= 400 && status < 500) || (!s->was_up && ++s->failed > LIVE_TRIES_FIRST);
}

struct live_loss live_state_on_lost(struct live_state *s, int status, uint64_t now_ms)
{
	struct live_loss loss = {.retell = s->opened,
				 .anew = s->is == LIVE_UP,
				 .give_up = s->is == LIVE_TRYING,
				 .say = live_state_may_say(s),
				 .warn = may_warn(s, status)};

	s->opened = false;
	if (loss.anew) {
		s->is = LIVE_TRYING;
		s->grace_ms = now_ms;
		loss.retry_ms = now_ms - s->up_ms < LIVE_BRIEF_MS
				    ? live_state_pause(s)
				    : spread(s, LIVE_LOST_MS, LIVE_LOST_MORE_MS);
		return loss;
	}
	s->is = LIVE_DOWN;
	loss.retry_ms = knows_none(s, status) ? spread(s, LIVE_UNKNOWN_MS, LIVE_UNKNOWN_MORE_MS)
					      : live_state_pause(s);
	return loss;
}

bool live_state_renew(struct live_state *s, uint64_t now_ms)
{
	if (s->is != LIVE_UP || now_ms < s->renew_at_ms)
		return false;
	s->renew_at_ms = now_ms + LIVE_RENEW_MS;
	s->is = LIVE_TRYING;
	s->opened = false;
	s->grace_ms = now_ms;
	return true;
}

enum live_tick live_state_on_tick(struct live_state *s, uint64_t now_ms)
{
	/* We may have been stopped ourselves: what came meanwhile is not read yet, but an index
	 * that waited so long has let us go, too. */
	if (now_ms - s->heard_ms >= LIVE_SILENCE_MS)
		return LIVE_TICK_SILENT;
	if (s->is != LIVE_UP)
		return LIVE_TICK_WAIT;
	if (now_ms - s->beat_ms < LIVE_BEAT_MS - LIVE_TICK_MS / 2)
		return LIVE_TICK_TELL;
	s->beat_ms = now_ms;
	return LIVE_TICK_BEAT;
}

bool live_state_on_grace(struct live_state *s, uint64_t now_ms)
{
	if (now_ms - s->grace_ms > LIVE_GRACE_MS + LIVE_STALL_MS) {
		s->grace_ms = now_ms;
		return false;
	}
	s->is = LIVE_DOWN;
	return true;
}
