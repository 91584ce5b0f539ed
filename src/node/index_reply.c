#include "node/index_server_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"

/* Nothing an answer holds may run, be framed or fetch: not even when a browser takes it for a
 * page (O-35). The page itself allows its own files. */
void index_reply_begin(struct http_reply *reply)
{
	static const char policy[] =
	    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
	    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
	static const char *const headers[] = {
	    "Content-Security-Policy",	    policy,	   "Referrer-Policy", "no-referrer",
	    "Cross-Origin-Resource-Policy", "same-origin",
	};

	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		reply->headers[i] = headers[i];
}

static void add_header(struct http_reply *reply, const char *name, const char *value)
{
	size_t i = 0;

	while (reply->headers[i] != NULL)
		i += 2;
	reply->headers[i] = name;
	reply->headers[i + 1] = value;
}

static int put_text(const char *text, size_t len, void *user)
{
	return buf_put(user, bytes_of(text, len));
}

void index_reply_json(struct http_reply *reply, int status, json_t *j)
{
	reply->status = status;
	reply->type = "application/json";
	buf_clear(&reply->body);
	if (j == NULL || json_dump_callback(j, put_text, &reply->body,
					    JSON_COMPACT | JSON_REAL_PRECISION(6)) != 0) {
		buf_clear(&reply->body);
		reply->status = 503;
		buf_put_str(&reply->body,
			    "{\"error\":{\"code\":\"busy\",\"message\":\"out of memory\"}}");
	}
	buf_put_u8(&reply->body, '\n');
	json_decref(j);
}

void index_reply_error(struct http_reply *reply, int status, const char *code, const char *fmt, ...)
{
	char message[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	/* Cut in the middle of a character it would be no JSON. */
	while (!text_is_utf8(bytes_str(message)) && message[0] != '\0')
		message[strlen(message) - 1] = '\0';
	index_reply_json(reply, status,
			 json_pack("{s:{s:s, s:s}}", "error", "code", code, "message", message));
}

void index_reply_fault(struct http_reply *reply, const struct err_info *why)
{
	static const struct {
		enum err err;
		int status;
		const char *code;
	} table[] = {
	    {ERR_NOENT, 404, "not_found"},  {ERR_DENIED, 409, "name_taken"},
	    {ERR_NOSPACE, 507, "no_space"}, {ERR_TIMEOUT, 400, "bad_search"},
	    {ERR_NOMEM, 503, "busy"},	    {ERR_AGAIN, 503, "busy"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].err == why->code) {
			index_reply_error(reply, table[i].status, table[i].code, "%s", why->text);
			return;
		}
	}
	index_reply_error(reply, 500, "io", "%s", why->text);
}

bool index_reply_method(const struct http_request *r, struct http_reply *reply, const char *allowed)
{
	if (strcmp(r->method, allowed) == 0 ||
	    (strcmp(r->method, "HEAD") == 0 && strcmp(allowed, "GET") == 0))
		return true;
	index_reply_error(reply, 405, "method_not_allowed", "only %s here", allowed);
	add_header(reply, "Allow", allowed);
	return false;
}
