/* node/json_read.h - takes checked values out of JSON that somebody else wrote.
 *
 * All return 0, or ERR_PROTO with a sentence that names the member; `info` may be NULL. `found` may
 * be NULL: then the member must be there. A member that is null counts as absent. */
#ifndef SHOAL_NODE_JSON_READ_H
#define SHOAL_NODE_JSON_READ_H

#include <jansson.h>

#include "base/bytes.h"
#include "base/err.h"

/* Levels of arrays and objects (attack: a body of 100,000 brackets, O-30). */
#define JSON_READ_DEPTH_MAX 16

/* A whole document that is one object: no key twice, nothing behind it. ERR_NOMEM, too: nothing is
 * known of the document then.
 * Owns: *out is the caller's. */
int json_read_object(struct bytes text, json_t **out, struct err_info *info);

/* A string of at most cap - 1 bytes without NUL, copied with its final NUL. */
int json_read_text(const json_t *j, const char *key, char *out, size_t cap, bool *found,
		   struct err_info *info);
/* Exactly `len` bytes as hex of either case. */
int json_read_hex(const json_t *j, const char *key, uint8_t *out, size_t len, bool *found,
		  struct err_info *info);
/* An integer in 0..max; max is at most INT64_MAX. */
int json_read_u64(const json_t *j, const char *key, uint64_t max, uint64_t *out, bool *found,
		  struct err_info *info);

#endif
