#include "node/api_reply.h"

#include <stdio.h>

#include "base/text.h"
#include "node/json_put.h"

void api_reply_json(struct http_reply *reply, int status, json_t *j)
{
	reply->status = status;
	reply->type = "application/json";
	buf_clear(&reply->body);
	if (j == NULL || json_put(&reply->body, j, JSON_COMPACT | JSON_REAL_PRECISION(6)) != 0) {
		buf_clear(&reply->body);
		reply->status = 503;
		buf_put_str(&reply->body,
			    "{\"error\":{\"code\":\"busy\",\"message\":\"out of memory\"}}");
	}
	buf_put_u8(&reply->body, '\n');
	json_decref(j);
}

void api_reply_verror(struct http_reply *reply, int status, const char *code, const char *fmt,
		      va_list ap)
{
	char message[ERR_TEXT_MAX];

	vsnprintf(message, sizeof(message), fmt, ap);
	/* Cut in the middle of a character it would be no JSON. */
	while (!text_is_utf8(bytes_str(message)) && message[0] != '\0')
		message[strlen(message) - 1] = '\0';
	api_reply_json(reply, status,
		       json_pack("{s:{s:s, s:s}}", "error", "code", code, "message", message));
}

struct api_fault api_fault_of(const struct api_fault *table, size_t n, enum err err)
{
	for (size_t i = 0; i < n; i++)
		if (table[i].err == err)
			return table[i];
	return (struct api_fault){err, 500, "io"};
}

void api_reply_header(struct http_reply *reply, const char *name, const char *value)
{
	size_t i = 0;

	while (reply->headers[i] != NULL)
		i += 2;
	reply->headers[i] = name;
	reply->headers[i + 1] = value;
}
