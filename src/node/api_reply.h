/* node/api_reply.h - JSON, and errors as JSON, into the replies of our HTTP APIs (docs/api.md). */
#ifndef SHOAL_NODE_API_REPLY_H
#define SHOAL_NODE_API_REPLY_H

#include <jansson.h>
#include <stdarg.h>

#include "net/http_server.h"

/* Takes `j`; NULL is "out of memory". */
void api_reply_json(struct http_reply *reply, int status, json_t *j);
/* {"error": {"code": ..., "message": ...}} */
void api_reply_verror(struct http_reply *reply, int status, const char *code, const char *fmt,
		      va_list ap) __attribute__((format(printf, 4, 0)));

/* Both are borrowed until the reply is sent. */
void api_reply_header(struct http_reply *reply, const char *name, const char *value);

/* What a kind of error is to who asks. */
struct api_fault {
	enum err err;
	int status;
	const char *code;
};
/* Its row in the table; what has none is 500, "io". */
struct api_fault api_fault_of(const struct api_fault *table, size_t n, enum err err);

#endif
