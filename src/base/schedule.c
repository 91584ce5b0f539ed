#include "base/schedule.h"

#include <string.h>

#include "base/text.h"

#define RATE_MAX (UINT64_C(1) << 40)

static int parse_rate(struct bytes text, uint64_t *bps)
{
	uint64_t scale = 1, v;

	if (text.len == 0)
		return ERR_INVALID;
	switch (text.ptr[text.len - 1]) {
	case 'K':
	case 'k':
		scale = 1u << 10;
		break;
	case 'M':
	case 'm':
		scale = 1u << 20;
		break;
	case 'G':
	case 'g':
		scale = 1u << 30;
		break;
	}
	if (scale > 1)
		text.len--;
	if (text_parse_u64(text, RATE_MAX / scale, &v) != 0)
		return ERR_INVALID;
	*bps = v * scale;
	return OK;
}

int schedule_rate(const char *text, uint64_t *bps)
{
	return parse_rate(bytes_str(text), bps);
}

/* HH:MM; returns what is behind it, or NULL. */
static const char *parse_time(const char *at, uint32_t *minute)
{
	uint64_t h, m;

	if (strlen(at) < 5 || at[2] != ':' || text_parse_u64(bytes_of(at, 2), 23, &h) != 0 ||
	    text_parse_u64(bytes_of(at + 3, 2), 59, &m) != 0)
		return NULL;
	*minute = (uint32_t)(h * 60 + m);
	return at + 5;
}

int schedule_parse(const char *text, struct schedule_rule *out)
{
	const char *at = parse_time(text, &out->from_min), *slash;

	if (at == NULL || *at != '-' || (at = parse_time(at + 1, &out->to_min)) == NULL ||
	    *at++ != '=')
		return ERR_INVALID;
	slash = strchr(at, '/');
	if (slash == NULL) {
		if (schedule_rate(at, &out->down_bps) != OK)
			return ERR_INVALID;
		out->up_bps = out->down_bps;
		return OK;
	}
	if (parse_rate(bytes_of(at, (size_t)(slash - at)), &out->down_bps) != OK)
		return ERR_INVALID;
	return schedule_rate(slash + 1, &out->up_bps);
}

static bool holds(const struct schedule_rule *r, uint32_t minute)
{
	if (r->from_min == r->to_min)
		return true;
	if (r->from_min < r->to_min)
		return minute >= r->from_min && minute < r->to_min;
	return minute >= r->from_min || minute < r->to_min;
}

const struct schedule_rule *schedule_at(const struct schedule_rule *list, size_t n, uint32_t minute)
{
	while (n > 0) {
		if (holds(&list[--n], minute))
			return &list[n];
	}
	return NULL;
}
