#include "node/json_put.h"

#include <stdlib.h>
#include <string.h>

#include "base/sign.h"
#include "base/text.h"

static int put_text(const char *text, size_t len, void *out)
{
	return buf_put(out, bytes_of(text, len));
}

int json_put(struct buf *out, const json_t *j, size_t flags)
{
	return json_dump_callback(j, put_text, out, flags);
}

char *json_put_string(const json_t *j, size_t max)
{
	struct buf text;
	char *out = NULL;

	buf_init(&text, max);
	if (j != NULL && json_put(&text, j, JSON_COMPACT) == 0 && buf_cstr(&text) != NULL)
		out = strdup(buf_cstr(&text));
	buf_fini(&text);
	return out;
}

json_t *json_hex(bool has, const uint8_t *bytes, size_t len)
{
	char hex[2 * SIGN_LEN + 1];

	if (!has)
		return json_null();
	assert(len <= SIGN_LEN);
	text_hex(hex, bytes_of(bytes, len));
	return json_string(hex);
}
