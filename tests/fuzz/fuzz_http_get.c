/* HTTP requests that the tracker's short way takes: they must be what any reader takes them for. */
#include "wire/http_get.h"

#include <string.h>

#include "fuzz.h"

static bool is_within(struct bytes part, struct bytes in)
{
	return part.len == 0 || (part.ptr >= in.ptr && part.ptr + part.len <= in.ptr + in.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);
	struct http_get g;
	size_t ends = 0;

	if (!http_get_parse(in, &g))
		return 0;
	FUZZ_CHECK(size <= HTTP_GET_BYTES_MAX && memcmp(data, "GET /", 5) == 0);
	FUZZ_CHECK(memcmp(data + size - 4, "\r\n\r\n", 4) == 0);
	FUZZ_CHECK(memchr(data, 0, size) == NULL && memchr(data, 0x7f, size) == NULL);
	FUZZ_CHECK(is_within(g.path, in) && is_within(g.query, in) && g.path.ptr[0] == '/');
	FUZZ_CHECK(memchr(g.path.ptr, ' ', g.path.len) == NULL);
	FUZZ_CHECK(memmem(data, size - 4, "\r\n\r\n", 4) == NULL);
	for (size_t i = 0; i < size; i++) {
		FUZZ_CHECK(data[i] != '\n' || data[i - 1] == '\r');
		FUZZ_CHECK(data[i] != '\r' || data[i + 1] == '\n');
		ends += data[i] == '\n';
	}
	FUZZ_CHECK(ends <= HTTP_GET_HEADERS_MAX + 2);
	FUZZ_SEEDED(!g.keep_alive && g.query.len > 9 && ends > 4);
	return 0;
}
