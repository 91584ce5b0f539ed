/* net/http_proxy.c - is there a proxy between us and whom we asked? */
#include <stdlib.h>
#include <string.h>

#include "net/http_client_impl.h"

/* Of a proxy whose address names none: libcurl's. */
#define PROXY_PORT 1080

/* Where libcurl takes the proxy of this address to be; 0: it cannot be read. */
static long proxy_port(const char *url)
{
	char *scheme = NULL, *port = NULL;
	CURLU *u = curl_url();
	long n = 0;

	if (u != NULL &&
	    curl_url_set(u, CURLUPART_URL, url, CURLU_DEFAULT_SCHEME | CURLU_NON_SUPPORT_SCHEME) ==
		CURLUE_OK &&
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK) {
		n = strcmp(scheme, "https") == 0 ? 443 : PROXY_PORT;
		if (curl_url_get(u, CURLUPART_PORT, &port, 0) == CURLUE_OK)
			n = strtol(port, NULL, 10);
	}
	curl_free(scheme);
	curl_free(port);
	curl_url_cleanup(u);
	return n;
}

/* An empty one is none; and who is excepted from it (no_proxy) is most often at another port. */
bool http_may_be_proxy(long port)
{
	static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
					    "ALL_PROXY"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *url = getenv(names[i]);
		long at = url == NULL || url[0] == '\0' ? -1 : proxy_port(url);

		if (at == 0 || at == port)
			return true;
	}
	return false;
}

/* The name of a host that a proxy was asked for says nothing of where it is. */
void http_call_sender(const struct http_call *call, struct addr *out)
{
	http_call_from(call, out);
	if (!addr_is_loopback(out) &&
	    http_may_be_proxy(http_call_long(call->easy, CURLINFO_PRIMARY_PORT)))
		*out = (struct addr){.port = 0};
}
