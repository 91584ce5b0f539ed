#include "node/index_url.h"

#include <string.h>

#include "base/addr.h"
#include "base/text.h"
#include "node/index_server.h"

static bool is_plain(struct bytes url)
{
	for (size_t i = 0; i < url.len; i++) {
		if (url.ptr[i] <= ' ' || url.ptr[i] >= 0x7f || strchr("\"<>\\^`{|}@?#", url.ptr[i]))
			return false;
	}
	return true;
}

/* "host", "host:port", "[v6]", "[v6]:port" with nothing wrong in the port. */
static bool authority_is_sane(struct bytes host, bool *has_port)
{
	const uint8_t *bracket = host.len == 0 ? NULL : memchr(host.ptr, ']', host.len);
	size_t skip = bracket == NULL ? 0 : (size_t)(bracket - host.ptr) + 1;
	struct bytes rest = bytes_sub(host, skip, host.len - skip);
	const uint8_t *colon = rest.len == 0 ? NULL : memchr(rest.ptr, ':', rest.len);
	size_t at = colon == NULL ? rest.len : (size_t)(colon - rest.ptr);
	uint64_t port = 1;

	*has_port = colon != NULL;
	if (skip > 0 && (host.ptr[0] != '[' || at != 0))
		return false;
	if (colon != NULL &&
	    (text_parse_u64(bytes_sub(rest, at + 1, rest.len - at - 1), 65535, &port) < 0 ||
	     port == 0))
		return false;
	return skip > 2 || (skip == 0 && at > 0);
}

static bool host_is_local(struct bytes host)
{
	struct addr a;

	if (bytes_start_with(host, "localhost") && (host.len == 9 || host.ptr[9] == ':'))
		return true;
	return addr_parse(host, 1, &a) == 0 && addr_is_loopback(&a);
}

int index_url_normalise(const char *url, struct buf *out, bool *local, struct err_info *info)
{
	struct bytes rest = bytes_str(url), host;
	bool scheme = bytes_start_with(rest, "http://") || bytes_start_with(rest, "https://"),
	     has_port;
	const uint8_t *slash;
	char shown[128];

	text_escape(shown, sizeof(shown), rest);
	while (rest.len > 0 && rest.ptr[rest.len - 1] == '/')
		rest.len--;
	if (!is_plain(rest))
		return err_set(info, ERR_INVALID, "%s: not the address of an index", shown);
	if (scheme) {
		size_t n = bytes_start_with(rest, "https://") ? 8 : 7;

		rest = rest.len < n ? bytes_of(NULL, 0) : bytes_sub(rest, n, rest.len - n);
		buf_put(out, bytes_of(url, n));
	} else {
		buf_put_str(out, "http://");
	}
	slash = rest.len == 0 ? NULL : memchr(rest.ptr, '/', rest.len);
	host = bytes_sub(rest, 0, slash == NULL ? rest.len : (size_t)(slash - rest.ptr));
	if (!authority_is_sane(host, &has_port))
		return err_set(info, ERR_INVALID,
			       "%s: not the address of an index; write http://HOST:PORT", shown);
	*local = host_is_local(host);
	buf_put(out, host);
	if (!scheme && !has_port)
		buf_printf(out, ":%d", INDEX_PORT);
	buf_put(out, bytes_sub(rest, host.len, rest.len - host.len));
	return out->err != 0 ? err_set(info, ERR_INVALID, "%s: the address is too long", shown) : 0;
}

bool index_token_is_sane(struct bytes token)
{
	for (size_t i = 0; i < token.len; i++) {
		if (token.ptr[i] <= ' ' || token.ptr[i] >= 0x7f ||
		    strchr("/?#%&", token.ptr[i]) != NULL)
			return false;
	}
	return token.len <= INDEX_TOKEN_MAX;
}
