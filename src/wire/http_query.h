/* wire/http_query.h - the "a=1&b=2" behind the '?' of a URL, taken apart in place. */
#ifndef SHOAL_WIRE_HTTP_QUERY_H
#define SHOAL_WIRE_HTTP_QUERY_H

#include "base/bytes.h"
#include "base/err.h"

struct http_pair {
	struct bytes key, value; /* as sent, escapes and all; value empty without '=' */
};

/* Take the next pair off the front of `rest`; empty ones are skipped. False at the end. */
bool http_query_next(struct bytes *rest, struct http_pair *out);

/* Undo percent-encoding into the caller's `out`. '+' stays '+': info-hashes hold it.
 * Returns: 0 and *len; ERR_PROTO a bad escape; ERR_TOO_BIG longer than out.len. */
int http_query_unescape(struct bytes value, struct span out, size_t *len);

/* The same for text, with a final NUL: a NUL among the bytes is ERR_PROTO. */
int http_query_text(struct bytes value, char *out, size_t cap);

#endif
