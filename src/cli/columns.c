#include "cli/columns.h"

#include <wchar.h>

size_t columns_fit(struct bytes text, unsigned width, unsigned *used)
{
	mbstate_t state = {0};
	unsigned sum = 0;
	size_t at = 0;

	while (at < text.len) {
		wchar_t c;
		size_t n = mbrtowc(&c, (const char *)text.ptr + at, text.len - at, &state);
		unsigned columns = 1;

		if (n == 0 || n > text.len - at) {
			n = 1;
			state = (mbstate_t){0};
		} else if (wcwidth(c) >= 0) {
			columns = (unsigned)wcwidth(c);
		}
		if (columns > width - sum)
			break;
		sum += columns;
		at += n;
	}
	if (used != NULL)
		*used = sum;
	return at;
}

void columns_put(struct buf *out, struct bytes text, unsigned width, bool right)
{
	unsigned used;
	bool cut = columns_fit(text, width, &used) < text.len;

	if (width == 0)
		return;
	if (cut)
		text.len = columns_fit(text, width - 1, &used);
	for (unsigned i = used + cut; right && i < width; i++)
		buf_put_u8(out, ' ');
	buf_put(out, text);
	if (cut)
		buf_put_u8(out, '~');
	for (unsigned i = used + cut; !right && i < width; i++)
		buf_put_u8(out, ' ');
}
