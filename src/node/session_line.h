/* node/session_line.h - the words of a session between a peer and its index, one JSON object a
 * line. docs/api.md has the grammar. Pure. */
#ifndef SHOAL_NODE_SESSION_LINE_H
#define SHOAL_NODE_SESSION_LINE_H

#include <jansson.h>

#include "base/addr.h"
#include "base/bitfield.h"
#include "base/buf.h"

#define SESSION_PROTOCOL "shoal-session/1"
/* Pieces of which one line tells as bits; a larger map takes several lines. */
#define SESSION_BITS_MAX 262144u
/* Rates in one line. */
#define SESSION_RATES_MAX 1000u

/* Ends the line. Takes `j`; nothing is appended, and the buffer's error set, without memory. */
void session_line_put(struct buf *out, json_t *j);

/* Pieces first..last came or went. */
typedef void session_pieces_fn(void *user, uint32_t first, uint32_t last, bool has);
/* Calls `each` for what "got", "lost", "at" and "bits" say of a map of n pieces; a piece may be
 * told twice. ERR_PROTO when they say something impossible; what came before it was told then. */
int session_line_pieces(const json_t *j, uint32_t n, session_pieces_fn *each, void *user,
			struct err_info *info);
/* Set them for the first map->n pieces from `at` on, as ranges or bits, whichever is shorter. `at`
 * is a multiple of 8. Returns how many pieces the object tells of, 0 without memory. */
uint32_t session_line_set_map(json_t *j, const struct bitfield *map, uint32_t at);
/* "got" or "lost" of `pieces`, unless there are none. 0 or ERR_NOMEM. */
int session_line_set_ranges(json_t *j, const char *key, const struct bitfield *pieces);

/* The addresses of "peers": up to `cap`, others, those that cannot be and those nearer to us than
 * `nearest` (addr_may_name()) are left out. *complete:
 * so many of them, from the first on, have everything, as "complete" says. */
size_t session_line_peers(const json_t *j, enum addr_scope nearest, struct addr *out, size_t cap,
			  size_t *complete);

#endif
