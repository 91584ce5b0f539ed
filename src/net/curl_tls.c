#include "net/curl_tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/x509_vfy.h>

#include "base/bytes.h"
#include "base/text.h"

#define PIN_HEAD "sha256//"
#define PIN_DIGITS 44u /* base64 of 32 bytes, the last one being "=" */

/* "host:port" of an https URL; false for every other. */
static bool origin_of(const char *url, char *out, size_t cap)
{
	char *scheme = NULL, *host = NULL, *port = NULL;
	CURLU *u = curl_url();
	bool ok = false;

	if (u != NULL &&
	    curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK) {
		int n = snprintf(out, cap, "%s:%s", host, port);

		ok = strcasecmp(scheme, "https") == 0 && n > 0 && (size_t)n < cap;
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return ok;
}

static bool is_digit(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '+' || c == '/';
}

/* Anything else libcurl would take for the name of a file. */
static bool is_pin(struct bytes pin)
{
	const size_t head = sizeof(PIN_HEAD) - 1;
	size_t i = head;

	if (pin.len != head + PIN_DIGITS || memcmp(pin.ptr, PIN_HEAD, head) != 0)
		return false;
	while (i < pin.len && is_digit(pin.ptr[i]))
		i++;
	return i == pin.len - 1 && pin.ptr[i] == '=';
}

int curl_pin_set(struct curl_pin *p, const char *url, const char *pin, struct err_info *info)
{
	char shown[128];

	if (!is_pin(bytes_str(pin)))
		return err_set(info, ERR_INVALID,
			       "'%s' is no pin: it is " PIN_HEAD
			       "... as 'shoal index --tls-self-signed' prints it",
			       text_escape(shown, sizeof(shown), bytes_str(pin)));
	if (!origin_of(url, p->origin, sizeof(p->origin)))
		return err_set(info, ERR_INVALID,
			       "%s: a pin goes with an index at https://HOST:PORT",
			       text_escape(shown, sizeof(shown), bytes_str(url)));
	snprintf(p->pin, sizeof(p->pin), "%s", pin);
	return 0;
}

static bool is_pinned(const struct curl_pin *p, const char *url)
{
	char origin[sizeof(p->origin)];

	return p->pin[0] != '\0' && origin_of(url, origin, sizeof(origin)) &&
	       strcasecmp(origin, p->origin) == 0;
}

bool curl_tls_set(CURL *easy, const struct curl_pin *p, const char *url)
{
	const char *authorities = getenv("SSL_CERT_FILE");
	bool ok = curl_easy_setopt(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2) == CURLE_OK;

	if (authorities != NULL && authorities[0] != '\0')
		ok = ok && curl_easy_setopt(easy, CURLOPT_CAINFO, authorities) == CURLE_OK;
	if (!ok || !is_pinned(p, url))
		return ok;
	/* With the pin set, no answer is taken from a server that cannot show its key. It may send
	 * us on only to where the same key is. */
	return curl_easy_setopt(easy, CURLOPT_PINNEDPUBLICKEY, p->pin) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "https") == CURLE_OK;
}

static const char *verdict_text(long verdict)
{
	switch (verdict) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return "its certificate has expired, unless the clock here is wrong";
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return "its certificate is not valid yet; are the clocks right?";
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		return "its certificate is self-signed; trust it with --pin, if you know its pin";
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		return "its certificate is from nobody this machine trusts";
	default:
		return NULL;
	}
}

enum err curl_tls_reason(CURL *easy, CURLcode result, const char *detail, char *out, size_t cap)
{
	const char *text = detail;
	long verdict = 0;

	switch (result) {
	case CURLE_PEER_FAILED_VERIFICATION:
		curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &verdict);
		text = verdict_text(verdict);
		if (text == NULL && strstr(detail, "subject name") != NULL)
			text = "its certificate is for another host";
		snprintf(out, cap, "%s", text == NULL ? detail : text);
		return ERR_DENIED;
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
		snprintf(out, cap,
			 "its key is not the pinned one: it is another server, or "
			 "somebody sits in between");
		return ERR_DENIED;
	case CURLE_SSL_CACERT_BADFILE:
		snprintf(out, cap, "SSL_CERT_FILE cannot be read");
		return ERR_INVALID;
	case CURLE_SSL_CONNECT_ERROR:
		snprintf(out, cap, "%s",
			 strstr(detail, "wrong version number") != NULL ? "does not speak TLS"
									: detail);
		return ERR_PROTO;
	default:
		return OK;
	}
}
