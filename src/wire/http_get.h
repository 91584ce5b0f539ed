/* wire/http_get.h - HTTP's GET in its plainest form.
 *
 * No reader of HTTP: it takes what nearly all clients of trackers send and leaves the rest, were it
 * odd by one byte, to one that knows all of it. */
#ifndef SHOAL_WIRE_HTTP_GET_H
#define SHOAL_WIRE_HTTP_GET_H

#include "base/bytes.h"

/* A larger request, or one with more headers, is not plain. */
#define HTTP_GET_BYTES_MAX 8192u
#define HTTP_GET_HEADERS_MAX 32u

struct http_get {
	struct bytes path, query; /* raw; `path` begins with "/", `query` is without "?" */
	bool keep_alive;
};

/* Is `in` one such request, whole and alone? A body, more requests behind it, lines that do not end
 * in CR LF, folded headers and those that ask for more than an answer are not plain (O-30).
 * Owns: `out` borrows from `in`. */
bool http_get_parse(struct bytes in, struct http_get *out);

#endif
