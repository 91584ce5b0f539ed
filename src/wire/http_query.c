#include "wire/http_query.h"

#include "base/text.h"

bool http_query_next(struct bytes *rest, struct http_pair *out)
{
	while (rest->len > 0) {
		struct bytes pair = bytes_take_until(rest, '&');

		if (pair.len == 0)
			continue;
		out->key = bytes_take_until(&pair, '=');
		out->value = pair;
		return true;
	}
	return false;
}

int http_query_unescape(struct bytes value, struct span out, size_t *len)
{
	size_t n = 0;

	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.ptr[i];

		if (c == '%') {
			if (value.len - i < 3 || text_unhex(bytes_sub(value, i + 1, 2), &c, 1) < 0)
				return ERR_PROTO;
			i += 2;
		}
		if (n == out.len)
			return ERR_TOO_BIG;
		out.ptr[n++] = c;
	}
	*len = n;
	return 0;
}

int http_query_text(struct bytes value, char *out, size_t cap)
{
	struct span room = {(uint8_t *)out, cap - 1};
	size_t len;
	int rc = http_query_unescape(value, room, &len);

	if (rc < 0)
		return rc;
	if (memchr(out, 0, len) != NULL)
		return ERR_PROTO;
	out[len] = '\0';
	return 0;
}
