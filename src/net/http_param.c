/* Parameters of a query. */
#include "net/http_server.h"

#include "base/text.h"

static struct bytes cut_at(struct bytes *rest, char c)
{
	const uint8_t *at = rest->len == 0 ? NULL : memchr(rest->ptr, c, rest->len);
	size_t len = at == NULL ? rest->len : (size_t)(at - rest->ptr);
	struct bytes head = bytes_sub(*rest, 0, len);

	*rest = at == NULL ? bytes_of(NULL, 0) : bytes_sub(*rest, len + 1, rest->len - len - 1);
	return head;
}

static bool key_is(struct bytes key, const char *name)
{
	uint8_t plain[64];
	struct buf b;
	bool same;

	if (bytes_eq(key, bytes_str(name)))
		return true;
	if (memchr(key.ptr == NULL ? plain : key.ptr, '%', key.len) == NULL)
		return false;
	buf_init(&b, sizeof(plain));
	same = text_unpercent(key, &b) == 0 && bytes_eq(buf_bytes(&b), bytes_str(name));
	buf_fini(&b);
	return same;
}

bool http_request_param(const struct http_request *r, const char *name, struct buf *out)
{
	struct bytes rest = r->query;

	while (rest.len > 0) {
		struct bytes value = cut_at(&rest, '&');
		struct bytes key = cut_at(&value, '=');
		size_t start = out->len;

		if (!key_is(key, name))
			continue;
		/* '+' first: an escaped plus must stay one. */
		while (value.len > 0) {
			struct bytes word = cut_at(&value, '+');
			bool more = value.ptr != NULL;

			if (text_unpercent(word, out) != 0 || (more && buf_put_u8(out, ' ') != 0)) {
				out->len = start;
				return false;
			}
		}
		return true;
	}
	return false;
}
