/* What a browser asks of the gateway: an address, and on the next line a range of bytes. As a whole
 * the input is also the range that a web server says it gives. */
#include "daemon/gateway_path.h"

#include "fuzz.h"
#include "wire/http_range.h"

static void check_path(struct bytes in)
{
	struct gateway_path p;
	int err = gateway_path_parse(in, &p);
	size_t n = strlen(p.path);

	FUZZ_CHECK(err == OK || err == ERR_NOENT);
	if (err != OK)
		return;
	FUZZ_CHECK(n <= GATEWAY_PATH_MAX && p.path[0] != '/' && (n == 0 || p.path[n - 1] != '/'));
	FUZZ_CHECK(entry_check_owner(bytes_str(p.ref.owner), NULL) == OK);
	FUZZ_CHECK(entry_check_name(bytes_str(p.ref.name), NULL) == OK);
	for (const char *at = p.path; at != NULL && *at != '\0';) {
		size_t len = strcspn(at, "/");

		FUZZ_CHECK(len > 0 && strncmp(at, ".", len) != 0 && strncmp(at, "..", len) != 0);
		at = at[len] == '\0' ? NULL : at + len + 1;
	}
	FUZZ_CHECK(gateway_type_of(p.path).type != NULL);
	FUZZ_SEEDED(p.ref.version == 7 && n > 2);
}

static void check_asked(struct bytes in, uint64_t size)
{
	uint64_t offset = UINT64_MAX, length = UINT64_MAX;

	if (http_range_asked(in, size, &offset, &length) == HTTP_RANGE_PART)
		FUZZ_CHECK(length > 0 && offset < size && length <= size - offset);
}

static void check_given(struct bytes in)
{
	struct http_given g;
	int err = http_range_given(in, &g);

	FUZZ_CHECK(err == OK || err == ERR_PROTO);
	if (err == OK)
		FUZZ_CHECK(g.first <= g.last && g.last < g.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t sizes[] = {0, 1, 1000, UINT64_MAX};
	struct bytes in = bytes_of(data, size);
	const uint8_t *end = size == 0 ? NULL : memchr(data, '\n', size);
	size_t n = end == NULL ? size : (size_t)(end - data);

	check_path(bytes_sub(in, 0, n));
	in = bytes_sub(in, n, size - n);
	if (in.len > 0)
		in = bytes_sub(in, 1, in.len - 1);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		check_asked(in, sizes[i]);
	check_given(in);
	check_given(bytes_of(data, size));
	return 0;
}
