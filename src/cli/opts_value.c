#include "cli/opts_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/schedule.h"
#include "base/text.h"
#include "meta/metainfo.h"

/* Of what takes bytes: below, the peer could not work (node/quota.h); above, it is a slip. */
#define OPTS_BYTES_MIN ((uint64_t)8 << 20)
#define OPTS_BYTES_MAX ((uint64_t)1 << 40)

static int parse_scaled(const char *text, const char *units, const uint64_t *scales, uint64_t max,
			uint64_t *out)
{
	size_t digits = strspn(text, "0123456789");
	const char *unit = text[digits] == '\0' ? NULL : strchr(units, text[digits]);
	uint64_t scale = unit == NULL ? 1 : scales[unit - units], v;

	if (text[digits] != '\0' && (unit == NULL || text[digits + 1] != '\0'))
		return ERR_INVALID;
	if (text_parse_u64(bytes_of(text, digits), max / scale, &v) != 0)
		return ERR_INVALID;
	*out = v * scale;
	return 0;
}

/* "16K", "1MiB", "2G" */
static int parse_bytes(const char *text, uint64_t max, uint64_t *out)
{
	static const uint64_t scales[] = {1u << 10, 1u << 10, 1u << 20,
					  1u << 20, 1u << 30, 1u << 30};
	char plain[24];
	size_t len = strlen(text);

	if (len >= 4 && strcmp(text + len - 2, "iB") == 0)
		len -= 2;
	if (len >= sizeof(plain))
		return ERR_INVALID;
	memcpy(plain, text, len);
	plain[len] = '\0';
	return parse_scaled(plain, "KkMmGg", scales, max, out);
}

static int parse_size(const char *text, uint64_t *out)
{
	if (parse_bytes(text, META_PIECE_LENGTH_MAX, out) != 0)
		return ERR_INVALID;
	if (*out < META_PIECE_LENGTH_MIN || (*out & (*out - 1)) != 0)
		return ERR_INVALID;
	return 0;
}

static int parse_time(const char *text, uint64_t *out)
{
	static const uint64_t scales[] = {1, 60, 3600};

	return parse_scaled(text, "smh", scales, UINT32_MAX, out);
}

/* "2", "1.5", "0.125" as thousandths; not 0. */
static int parse_ratio(const char *text, uint64_t *out)
{
	size_t whole = strcspn(text, "."), rest = strlen(text) - whole;
	char part[4] = "000";
	uint64_t n, milli = 0;

	if (rest == 1 || rest > sizeof(part) ||
	    text_parse_u64(bytes_of(text, whole), SEED_RATIO_MAX, &n) != 0)
		return ERR_INVALID;
	if (rest > 0)
		memcpy(part, text + whole + 1, rest - 1);
	if (text_parse_u64(bytes_of(part, 3), 999, &milli) != 0)
		return ERR_INVALID;
	*out = n * 1000 + milli;
	return *out > 0 && *out <= SEED_RATIO_MAX * 1000u ? 0 : ERR_INVALID;
}

static int add_to_list(const char *const **list, const char *value)
{
	size_t n = 0;
	const char **grown;

	while (*list != NULL && (*list)[n] != NULL)
		n++;
	grown = realloc((void *)*list, (n + 2) * sizeof(*grown));
	if (grown == NULL)
		return ERR_NOMEM;
	grown[n] = value;
	grown[n + 1] = NULL;
	*list = grown;
	return 0;
}

int opts_refuse_value(struct err_info *info, const char *what, const char *value,
		      const char *wanted)
{
	char safe[128];

	return err_set(info, ERR_INVALID, "%s '%s': %s", what,
		       text_escape(safe, sizeof(safe), bytes_str(value)), wanted);
}

static int store_flag(bool *place, const char *what, const char *value, struct err_info *info)
{
	if (value == NULL || strcmp(value, "yes") == 0)
		*place = true;
	else if (strcmp(value, "no") == 0)
		*place = false;
	else
		return opts_refuse_value(info, what, value, "neither yes nor no");
	return 0;
}

/* Words are space-separated. */
static bool is_word_of(const char *words, const char *value)
{
	size_t len = strlen(value), n;

	for (; *words != '\0'; words += n + strspn(words + n, " ")) {
		n = strcspn(words, " ");
		if (n == len && strncmp(words, value, n) == 0)
			return true;
	}
	return false;
}

static int store_text(const struct option *opt, const char **place, const char *what,
		      const char *value, struct err_info *info)
{
	const char *words = opts_choices(opt);
	char wanted[64];

	*place = value;
	if (words == NULL || is_word_of(words, value))
		return 0;
	snprintf(wanted, sizeof(wanted), "not one of: %s", words);
	return opts_refuse_value(info, what, value, wanted);
}

int opts_store_value(struct opts *o, const struct option *opt, const char *what, const char *value,
		     struct err_info *info)
{
	void *place = (char *)o + opt->offset;
	uint64_t n = 0;

	switch (opt->kind) {
	case KIND_FLAG:
		return store_flag(place, what, value, info);
	case KIND_COUNT:
		if (value != NULL && text_parse_u64(bytes_str(value), 9, &n) != 0)
			return opts_refuse_value(info, what, value, "not a number from 0 to 9");
		*(int *)place += value == NULL ? 1 : (int)n;
		return 0;
	case KIND_HELP: /* no value, but something to do */
		return 0;
	case KIND_TEXT:
		return store_text(opt, place, what, value, info);
	case KIND_FILE:
	case KIND_FOLDER:
		*(const char **)place = value;
		return 0;
	case KIND_LIST:
		if (add_to_list(place, value) != 0)
			return err_set(info, ERR_NOMEM, "out of memory");
		return 0;
	case KIND_PORT:
		if (text_parse_u64(bytes_str(value), 65535, &n) != 0)
			return opts_refuse_value(info, what, value, "not a port (0 to 65535)");
		*(int *)place = (int)n;
		return 0;
	case KIND_SIZE:
		if (parse_size(value, &n) != 0)
			return opts_refuse_value(info, what, value,
						 "not a power of two from 16K to 128M");
		*(uint64_t *)place = n;
		return 0;
	case KIND_BYTES:
		if (parse_bytes(value, OPTS_BYTES_MAX, &n) != 0 || n < OPTS_BYTES_MIN)
			return opts_refuse_value(info, what, value,
						 "not a size from 8M up (64M, 2G)");
		*(uint64_t *)place = n;
		return 0;
	case KIND_RATE:
		if (schedule_rate(value, &n) != OK)
			return opts_refuse_value(info, what, value,
						 "not a rate (500K, 2M, 0 for none)");
		*(uint64_t *)place = n;
		return 0;
	case KIND_NUMBER:
		if (text_parse_u64(bytes_str(value), UINT32_MAX, &n) != 0 || n == 0)
			return opts_refuse_value(info, what, value, "not a number from 1 up");
		*(uint32_t *)place = (uint32_t)n;
		return 0;
	case KIND_RATIO:
		if (parse_ratio(value, &n) != 0)
			return opts_refuse_value(info, what, value,
						 "not a number of copies (1, 1.5, 0.25)");
		*(uint32_t *)place = (uint32_t)n;
		return 0;
	case KIND_TIME:
		if (parse_time(value, &n) != 0)
			return opts_refuse_value(info, what, value, "not a time (30, 5m, 2h)");
		if (n == 0 && strcmp(opt->name, "every") == 0)
			return opts_refuse_value(info, what, value, "not a second or more");
		*(uint32_t *)place = (uint32_t)n;
		return 0;
	}
	return 0;
}

/* ---- lists ------------------------------------------------------------------------ */

static bool is_url(const char *value, const char *schemes)
{
	for (size_t n; *schemes != '\0'; schemes += n + strspn(schemes + n, " ")) {
		n = strcspn(schemes, " ");
		if (strncmp(value, schemes, n) == 0)
			return text_url_host(value).len > 0;
	}
	return false;
}

static bool is_tracker(const char *value)
{
	/* The last two are for clients in browsers alone; a .torrent may be made for them. */
	return meta_url_is_fit(bytes_str(value)) &&
	       is_url(value, "http:// https:// udp:// ws:// wss://");
}

static bool is_webseed(const char *value)
{
	return is_url(value, "http:// https://");
}

static bool is_peer(const char *value)
{
	struct addr a;

	return addr_parse(bytes_str(value), 0, &a) == OK && a.port != 0;
}

static int check_list(const char *const *list, const char *what, bool (*fits)(const char *value),
		      const char *wanted, struct err_info *info)
{
	for (size_t i = 0; list != NULL && list[i] != NULL; i++)
		if (!fits(list[i]))
			return opts_refuse_value(info, what, list[i], wanted);
	return OK;
}

/* More of them would be written, and read by nobody. */
static int check_count(const char *const *list, const char *what, size_t max, struct err_info *info)
{
	size_t n = 0;

	while (list != NULL && list[n] != NULL)
		n++;
	return n <= max ? OK : err_set(info, ERR_INVALID, "%s: at most %zu of them", what, max);
}

int opts_check_lists(const struct opts *o, struct err_info *info)
{
	static const char peer[] = "not ADDRESS:PORT (192.0.2.1:6881, [2001:db8::1]:6881)";
	int err = check_list(o->trackers, "--tracker", is_tracker,
			     "not the address of a tracker (http://, https://, udp://)", info);

	if (err == OK)
		err = check_count(o->trackers, "--tracker", META_TRACKERS_MAX, info);
	if (err == OK)
		err = check_list(o->webseeds, "--webseed", is_webseed,
				 "not an address of a web server (http://, https://)", info);
	if (err == OK)
		err = check_list(o->peers, "--peer", is_peer, peer, info);
	return err == OK ? check_list(o->from, "--from", is_peer, peer, info) : err;
}
