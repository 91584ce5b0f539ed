/* base/schedule.h - what holds at which time of day. Pure.
 *
 * A rule is "FROM-TO=DOWN" or "FROM-TO=DOWN/UP": times as HH:MM, rates in bytes a second with K, M
 * or G for binary thousands, 0 for no limit; without UP it is as DOWN. TO is not part of it; it may
 * be before FROM, over midnight; the same as FROM is the whole day. */
#ifndef SHOAL_BASE_SCHEDULE_H
#define SHOAL_BASE_SCHEDULE_H

#include "base/bytes.h"
#include "base/err.h"

struct schedule_rule {
	uint32_t from_min, to_min; /* since midnight */
	uint64_t down_bps, up_bps; /* 0: no limit */
};

/* "1M", "500K", "0": bytes a second. Returns 0 or ERR_INVALID. */
int schedule_rate(const char *text, uint64_t *bps);
int schedule_parse(const char *text, struct schedule_rule *out);
/* The last rule that holds at this minute of the day; NULL: none. */
const struct schedule_rule *schedule_at(const struct schedule_rule *list, size_t n,
					uint32_t minute);

#endif
