/* wire/http_range.h - byte ranges of HTTP, as they are asked for and as they are given. Pure.
 *
 * Source: RFC 9110 section 14. */
#ifndef SHOAL_WIRE_HTTP_RANGE_H
#define SHOAL_WIRE_HTTP_RANGE_H

#include "base/bytes.h"
#include "base/err.h"

enum http_range {
	HTTP_RANGE_WHOLE, /* none, not understood, or several: all of it is sent */
	HTTP_RANGE_PART,
	HTTP_RANGE_BEYOND, /* 416: nothing of it exists */
};

/* What the "Range" header `value` means for something of `size` bytes: "bytes=A-B", "bytes=A-" or
 * "bytes=-N". Several ranges count as none, which the RFC leaves to the server: who asks for many
 * gets the whole once, and cannot make us send it many times over. */
enum http_range http_range_asked(struct bytes value, uint64_t size, uint64_t *offset,
				 uint64_t *length);

struct http_given {
	uint64_t first, last;
	uint64_t size; /* of the whole; UINT64_MAX: not told */
};
/* A "Content-Range: bytes A-B/SIZE". Returns 0 or ERR_PROTO. */
int http_range_given(struct bytes value, struct http_given *out);

#endif
