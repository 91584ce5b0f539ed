#include "wire/http_range.h"

#include <strings.h>

#include "base/text.h"

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct bytes trim(struct bytes s)
{
	while (s.len > 0 && is_blank(s.ptr[0]))
		s = bytes_sub(s, 1, s.len - 1);
	while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

/* The part before `c`, which goes with it; false when there is no `c`. */
static bool cut(struct bytes *s, char c, struct bytes *before)
{
	const uint8_t *at = s->len == 0 ? NULL : memchr(s->ptr, c, s->len);

	if (at == NULL)
		return false;
	*before = trim(bytes_sub(*s, 0, (size_t)(at - s->ptr)));
	*s = trim(bytes_sub(*s, (size_t)(at - s->ptr) + 1, s->len - (size_t)(at - s->ptr) - 1));
	return true;
}

static bool is_bytes(struct bytes unit)
{
	return unit.len == 5 && strncasecmp((const char *)unit.ptr, "bytes", 5) == 0;
}

/* The last `n` bytes. */
static enum http_range suffix(uint64_t n, uint64_t size, uint64_t *offset, uint64_t *length)
{
	if (n == 0 || size == 0)
		return HTTP_RANGE_BEYOND;
	*length = n < size ? n : size;
	*offset = size - *length;
	return HTTP_RANGE_PART;
}

enum http_range http_range_asked(struct bytes value, uint64_t size, uint64_t *offset,
				 uint64_t *length)
{
	struct bytes unit, from;
	uint64_t first, last = UINT64_MAX;

	if (!cut(&value, '=', &unit) || !is_bytes(unit) || !cut(&value, '-', &from))
		return HTTP_RANGE_WHOLE;
	if (from.len == 0)
		return text_parse_u64(value, UINT64_MAX, &last) != 0
			   ? HTTP_RANGE_WHOLE
			   : suffix(last, size, offset, length);
	if (text_parse_u64(from, UINT64_MAX, &first) != 0 ||
	    (value.len > 0 && text_parse_u64(value, UINT64_MAX, &last) != 0) || last < first)
		return HTTP_RANGE_WHOLE;
	if (first >= size)
		return HTTP_RANGE_BEYOND;
	*offset = first;
	*length = last - first < size - first ? last - first + 1 : size - first;
	return HTTP_RANGE_PART;
}

int http_range_given(struct bytes value, struct http_given *out)
{
	struct http_given g = {.size = UINT64_MAX};
	struct bytes unit, first, last;

	value = trim(value);
	if (!cut(&value, ' ', &unit) || !is_bytes(unit) || !cut(&value, '-', &first) ||
	    !cut(&value, '/', &last))
		return ERR_PROTO;
	if (text_parse_u64(first, UINT64_MAX - 1, &g.first) != 0 ||
	    text_parse_u64(last, UINT64_MAX - 1, &g.last) != 0 || g.last < g.first)
		return ERR_PROTO;
	if (!bytes_eq(value, bytes_str("*")) &&
	    (text_parse_u64(value, UINT64_MAX - 1, &g.size) != 0 || g.last >= g.size))
		return ERR_PROTO;
	*out = g;
	return OK;
}
