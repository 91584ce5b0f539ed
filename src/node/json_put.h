/* node/json_put.h - JSON as text behind what a buffer has. Pure. */
#ifndef SHOAL_NODE_JSON_PUT_H
#define SHOAL_NODE_JSON_PUT_H

#include <jansson.h>

#include "base/buf.h"

/* `flags` are Jansson's (JSON_COMPACT ...). Returns 0; else a part may be there already, and the
 * buffer's own error says whether that was for want of room. */
int json_put(struct buf *out, const json_t *j, size_t flags);
/* The same as a string, in its compact form, of at most `max` bytes. json_dumps() leaves out keys
 * without a word when memory runs out. NULL: no memory, too long, or `j` NULL. Owns: the caller's
 * (free). */
char *json_put_string(const json_t *j, size_t max);

/* Hashes, keys, signatures (SIGN_LEN bytes at most) as hexadecimal digits; null where there is
 * none. NULL without memory. */
json_t *json_hex(bool has, const uint8_t *bytes, size_t len);

#endif
