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
/* Values of a document; an object counts for JSON_READ_OBJECT_WEIGHT of them, as it takes as much
 * memory. So many are taken of any, and of longer ones one for each JSON_READ_BYTES_A_VALUE bytes
 * (attack: 96 MiB of "1,1,1" cost 2 GB and hold up the loop for seconds). */
#define JSON_READ_VALUES_MAX 65536u
#define JSON_READ_BYTES_A_VALUE 8u
#define JSON_READ_OBJECT_WEIGHT 8u

/* A whole document that is one object: no key twice, nothing behind it. ERR_NOMEM, too: nothing is
 * known of the document then.
 * Owns: *out is the caller's. */
int json_read_object(struct bytes text, json_t **out, struct err_info *info);
/* The same with another limit of values, however long the document is: of those whose form leaves
 * no need for as many as could be in so many bytes. */
int json_read_object_within(struct bytes text, size_t values, json_t **out, struct err_info *info);

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
