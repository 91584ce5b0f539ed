#include "wire/lsd.h"

#include <strings.h>

#include "base/text.h"

#define REQUEST "BT-SEARCH * HTTP/1.1\r\n"

/* The line at the front, without its end, taken off; lines may end in a bare LF. */
static struct bytes take_line(struct bytes *rest)
{
	const uint8_t *lf = rest->len == 0 ? NULL : memchr(rest->ptr, '\n', rest->len);
	size_t n = lf == NULL ? rest->len : (size_t)(lf - rest->ptr);
	struct bytes line = bytes_sub(*rest, 0, n);

	*rest = bytes_sub(*rest, lf == NULL ? n : n + 1, rest->len - (lf == NULL ? n : n + 1));
	if (n > 0 && line.ptr[n - 1] == '\r')
		line.len--;
	return line;
}

static struct bytes trim(struct bytes s)
{
	while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
		s = bytes_sub(s, 1, s.len - 1);
	while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

static void take_header(struct lsd *m, struct bytes name, struct bytes value)
{
	uint64_t port;

	if (text_is_word(name, "port") && text_parse_u64(value, UINT16_MAX, &port) == OK) {
		m->port = (uint16_t)port;
	} else if (text_is_word(name, "infohash") && m->n_hashes < LSD_HASHES_MAX) {
		m->n_hashes += text_unhex(value, m->hashes[m->n_hashes], SHA1_LEN) == OK;
	} else if (text_is_word(name, "cookie") && value.len > 0) {
		size_t n = value.len < LSD_COOKIE_MAX ? value.len : LSD_COOKIE_MAX;

		memcpy(m->cookie, value.ptr, n);
		m->cookie[n] = '\0';
	} else if (text_is_word(name, "host")) {
		m->v6 = value.len > 0 && value.ptr[0] == '[';
	}
}

int lsd_decode(struct lsd *m, struct bytes in)
{
	struct bytes first = take_line(&in);

	memset(m, 0, sizeof(*m));
	if (!text_is_word(first, "BT-SEARCH * HTTP/1.1"))
		return ERR_PROTO;
	while (in.len > 0) {
		struct bytes line = take_line(&in);
		const uint8_t *colon = line.len == 0 ? NULL : memchr(line.ptr, ':', line.len);
		size_t at = colon == NULL ? 0 : (size_t)(colon - line.ptr);

		if (colon != NULL)
			take_header(m, trim(bytes_sub(line, 0, at)),
				    trim(bytes_sub(line, at + 1, line.len - at - 1)));
	}
	return m->port != 0 && m->n_hashes > 0 ? OK : ERR_PROTO;
}

int lsd_encode(struct buf *out, const struct lsd *m)
{
	char hex[2 * SHA1_LEN + 1];

	(void)buf_put_str(out, REQUEST);
	(void)buf_printf(out, "Host: %s:%u\r\nPort: %u\r\n",
			 m->v6 ? "[" LSD_GROUP_V6 "]" : LSD_GROUP_V4, LSD_PORT, m->port);
	for (uint32_t i = 0; i < m->n_hashes; i++) {
		text_hex(hex, bytes_of(m->hashes[i], SHA1_LEN));
		(void)buf_printf(out, "Infohash: %s\r\n", hex);
	}
	if (m->cookie[0] != '\0')
		(void)buf_printf(out, "cookie: %s\r\n", m->cookie);
	(void)buf_put_str(out, "\r\n\r\n");
	return out->err;
}
