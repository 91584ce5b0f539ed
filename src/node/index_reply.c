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

void index_reply_error(struct http_reply *reply, int status, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	api_reply_verror(reply, status, code, fmt, ap);
	va_end(ap);
}

void index_log_fault(struct index_server *s, const struct err_info *why)
{
	uint64_t now_s = index_now_s(s);

	if (now_s < s->faults_again_s)
		return;
	s->faults_again_s = now_s + INDEX_FAULTS_S;
	index_log(s, "catalogue_fault", json_pack("{s:s}", "error", why->text));
}

void index_log_unread(struct index_server *s, const struct err_info *why)
{
	if (why->code != ERR_TOO_BIG)
		index_log_fault(s, why);
}

void index_reply_fault(struct index_server *s, struct http_reply *reply, const struct err_info *why)
{
	static const struct api_fault table[] = {
	    {ERR_NOENT, 404, "not_found"},  {ERR_DENIED, 409, "name_taken"},
	    {ERR_NOSPACE, 507, "no_space"}, {ERR_TIMEOUT, 400, "bad_search"},
	    {ERR_NOMEM, 503, "busy"},	    {ERR_AGAIN, 503, "busy"},
	};

	struct api_fault f = api_fault_of(table, sizeof(table) / sizeof(table[0]), why->code);

	if (f.status == 500)
		index_log_fault(s, why);
	index_reply_error(reply, f.status, f.code, "%s", why->text);
}

bool index_reply_method(const struct http_request *r, struct http_reply *reply, const char *allowed)
{
	if (strcmp(r->method, allowed) == 0 ||
	    (strcmp(r->method, "HEAD") == 0 && strcmp(allowed, "GET") == 0))
		return true;
	index_reply_not_allowed(reply, strcmp(allowed, "GET") == 0 ? "GET, HEAD" : allowed);
	return false;
}

void index_reply_not_allowed(struct http_reply *reply, const char *allow)
{
	index_reply_error(reply, 405, "method_not_allowed", "only %s here", allow);
	api_reply_header(reply, "Allow", allow);
}
