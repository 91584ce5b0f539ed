#include "cli/daemon_reload.h"

#include <stdio.h>
#include <string.h>

#include "cli/opts_table.h"

/* What cmd_daemon.c puts into use at once. */
static bool changes_now(const char *option)
{
	static const char *const list[] = {
	    "max-active",     "queue-seeds", "limit-down",
	    "limit-up",	      "limit-at",    "limit-lan",
	    "webhook",	      "max-peers",   "max-peers-per-transfer",
	    "max-open-files", "max-memory",  "encryption"};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (strcmp(list[i], option) == 0)
			return true;
	return false;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_list(const char *const *a, const char *const *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	while (*a != NULL && *b != NULL && strcmp(*a, *b) == 0) {
		a++;
		b++;
	}
	return *a == *b; /* both at the end */
}

static bool same(const struct opts *a, const struct opts *b, const struct option *p)
{
	const char *x = (const char *)a + p->offset, *y = (const char *)b + p->offset;

	switch (p->kind) {
	case KIND_FLAG:
		return *(const bool *)x == *(const bool *)y;
	case KIND_COUNT:
	case KIND_PORT:
		return memcmp(x, y, sizeof(int)) == 0;
	case KIND_TEXT:
	case KIND_FILE:
	case KIND_FOLDER:
		return same_text(*(const char *const *)(const void *)x,
				 *(const char *const *)(const void *)y);
	case KIND_LIST:
		return same_list(*(const char *const *const *)(const void *)x,
				 *(const char *const *const *)(const void *)y);
	case KIND_SIZE:
	case KIND_BYTES:
	case KIND_RATE:
		return memcmp(x, y, sizeof(uint64_t)) == 0;
	case KIND_NUMBER:
	case KIND_TIME:
	case KIND_RATIO:
		return memcmp(x, y, sizeof(uint32_t)) == 0;
	case KIND_HELP:
		break;
	}
	return true;
}

bool daemon_reload_same(const struct opts *a, const struct opts *b, const char *option)
{
	return same(a, b, opts_find(option, strlen(option)));
}

const char *daemon_reload_later(const struct opts *now, const struct opts *next,
				const struct command *c, char out[DAEMON_RELOAD_TEXT_MAX])
{
	size_t n, len = 0;
	const struct option *table = opts_table(&n);

	out[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		if (!opts_accepts(c, &table[i]) || changes_now(table[i].name) ||
		    same(now, next, &table[i]))
			continue;
		(void)snprintf(out + len, DAEMON_RELOAD_TEXT_MAX - len, "%s%s",
			       len == 0 ? "" : ", ", table[i].name);
		len = strlen(out);
	}
	return out;
}
