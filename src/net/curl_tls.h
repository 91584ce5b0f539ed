/* net/curl_tls.h - whom libcurl trusts: the system's authorities, or one key for one server.
 * For net/ alone. */
#ifndef SHOAL_NET_CURL_TLS_H
#define SHOAL_NET_CURL_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include <curl/curl.h>

#include "base/err.h"

/* A server with a key of its own; zeros when there is none. */
struct curl_pin {
	char origin[280]; /* "host:port" */
	char pin[64];	  /* "sha256//BASE64" */
};

/* ERR_INVALID when `url` is not https or `pin` cannot be one. */
int curl_pin_set(struct curl_pin *p, const char *url, const char *pin, struct err_info *info);
/* Before a transfer to `url`. Certificates are verified against the system's authorities, or those
 * in the file named by the environment's SSL_CERT_FILE; for the pinned server its key counts, and
 * nothing else does. */
bool curl_tls_set(CURL *easy, const struct curl_pin *p, const char *url);
/* Why there was no trust, as half a sentence in `out`. Returns OK when that was not the reason. */
enum err curl_tls_reason(CURL *easy, CURLcode result, const char *detail, char *out, size_t cap);

#endif
