#include "base/ranges.h"

#include "base/text.h"

/* The first bit from `i` on that is set, or not; b->n when there is none. */
static uint32_t find(const struct bitfield *b, uint32_t i, bool set)
{
	const uint8_t dull = set ? 0 : 0xff;

	while (i < b->n) {
		if (i % 8 == 0 && b->bits[i / 8] == dull)
			i += 8;
		else if (bitfield_has(b, i) == set)
			return i;
		else
			i++;
	}
	return b->n;
}

uint32_t ranges_put(struct buf *out, const struct bitfield *b, uint32_t most)
{
	uint32_t put = 0, left_out = 0;

	for (uint32_t first = find(b, 0, true); first < b->n;) {
		uint32_t end = find(b, first, false);

		if (put == most) {
			left_out++;
		} else {
			buf_printf(out, put++ > 0 ? ",%u" : "%u", first);
			if (end - first > 1)
				buf_printf(out, "-%u", end - 1);
		}
		first = find(b, end, true);
	}
	return left_out;
}

static int take_number(struct bytes *text, uint32_t n, uint32_t *out)
{
	size_t len = 0;
	uint64_t v;

	while (len < text->len && text->ptr[len] >= '0' && text->ptr[len] <= '9')
		len++;
	if (n == 0 || text_parse_u64(bytes_sub(*text, 0, len), n - 1, &v) < 0)
		return ERR_PROTO;
	*text = bytes_sub(*text, len, text->len - len);
	*out = (uint32_t)v;
	return OK;
}

int ranges_next(struct bytes *text, uint32_t n, uint32_t *next, uint32_t *first, uint32_t *last)
{
	if (text->len == 0)
		return 0;
	if (*next > 0) {
		if (text->ptr[0] != ',')
			return ERR_PROTO;
		*text = bytes_sub(*text, 1, text->len - 1);
	}
	if (take_number(text, n, first) < 0 || *first < *next)
		return ERR_PROTO;
	*last = *first;
	if (text->len > 0 && text->ptr[0] == '-') {
		*text = bytes_sub(*text, 1, text->len - 1);
		if (take_number(text, n, last) < 0 || *last < *first)
			return ERR_PROTO;
	}
	*next = *last + 1;
	return 1;
}
