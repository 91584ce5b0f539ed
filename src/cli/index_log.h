/* cli/index_log.h - what happens at an index, one line an event. */
#ifndef SHOAL_CLI_INDEX_LOG_H
#define SHOAL_CLI_INDEX_LOG_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct index_log {
	const char *path; /* NULL: standard error */
	bool json, quiet; /* quiet: nothing on standard error */
	int fd;
};

/* `format`: "text", "json" or NULL, which is text. */
int index_log_open(struct index_log *l, const char *path, const char *format, bool quiet,
		   struct err_info *info);
/* Open the file anew: somebody moved the old one away. On error the old one is written on. */
int index_log_reopen(struct index_log *l, struct err_info *info);
void index_log_close(struct index_log *l);

/* "2026-01-31T12:00:00Z publish owner=alice name=\"a b\"", or one JSON object that begins with
 * "time" and "event". Values are strings, integers and booleans; strings may come from strangers.
 * What cannot be written is lost: an index with a full disk goes on. */
void index_log_write(struct index_log *l, const char *event, const json_t *fields);
/* The line alone, with its end; the caller frees it. NULL: out of memory. */
char *index_log_line(bool json, int64_t wall_s, const char *event, const json_t *fields);

#endif
