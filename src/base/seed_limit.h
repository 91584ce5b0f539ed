/* base/seed_limit.h - for how long what is complete is served. Pure; time is the caller's. */
#ifndef SHOAL_BASE_SEED_LIMIT_H
#define SHOAL_BASE_SEED_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

/* More copies than this are no limit that anybody means. */
#define SEED_RATIO_MAX 1000u

/* Whichever is reached first ends it; 0: no such limit. */
struct seed_limit {
	uint32_t ratio_milli; /* copies sent, in thousandths: at most 1000 * SEED_RATIO_MAX */
	uint32_t time_s;      /* since it was complete */
};

static inline bool seed_limit_is_set(const struct seed_limit *l)
{
	return l->ratio_milli > 0 || l->time_s > 0;
}

/* `up_bytes` of what has `bytes` were sent, and it was complete `served_s` ago. */
static inline bool seed_limit_is_over(const struct seed_limit *l, uint64_t up_bytes, uint64_t bytes,
				      uint64_t served_s)
{
	uint64_t whole = l->ratio_milli / 1000, part = l->ratio_milli % 1000;

	if (l->time_s > 0 && served_s >= l->time_s)
		return true;
	if (l->ratio_milli == 0 || (bytes > 0 && up_bytes / bytes < whole))
		return false;
	/* Divided first, so that no size is too large. */
	return up_bytes - whole * bytes >= bytes / 1000 * part + bytes % 1000 * part / 1000;
}

#endif
