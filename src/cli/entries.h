/* cli/entries.h - asking the index and showing what it says, shared by ls, search, info, peers. */
#ifndef SHOAL_CLI_ENTRIES_H
#define SHOAL_CLI_ENTRIES_H

#include <jansson.h>

#include "base/buf.h"
#include "cli/opts.h"
#include "cli/out.h"
#include "node/index_client.h"

/* List what `query` finds (NULL: everything), as `command` was told to: in the order of --sort, and
 * without --all only what is on line. `globs` (NULL-ended; NULL: all): only names that one of them
 * fits, and those with a '/' OWNER/NAME. Returns an exit code. */
int entries_list(const struct opts *o, const char *command, const char *query, char *const *globs);
/* All that is asked for, page after page, into the list `all`. */
int entries_fetch(struct index_client *c, struct index_list_ask *ask, json_t *all,
		  struct err_info *info);
/* The table of entries. */
void entries_print(const json_t *list);

/* The table of {"peers": [...]}, as the index gives it for an entry or for all. */
void entries_print_peers(const json_t *peers, bool of_entry);

/* "2026-11-20 11:42" in local time. Returns `out`. */
#define ENTRIES_DATE_MAX 32
const char *entries_date(char out[ENTRIES_DATE_MAX], int64_t unix_s);

/* A member that is bytes, such as a path: where some of them are no UTF-8, which KEY shows as \xHH,
 * KEY_hex says what they are. Not escaped. Borrows from `j` or from `room`, which the caller has
 * initialised and ends. */
const char *entries_bytes(const json_t *j, const char *key, struct buf *room);
/* The same as the next cell of a table. */
void entries_cell(struct out_table *t, const json_t *j, const char *key);

/* Members of strangers' JSON: "" and 0 when missing or of another type; counts also when negative.
 */
const char *entries_str(const json_t *j, const char *key);
json_int_t entries_int(const json_t *j, const char *key);
uint64_t entries_count(const json_t *j, const char *key);

#endif
