#include "node/json_put.h"

static int put_text(const char *text, size_t len, void *out)
{
	return buf_put(out, bytes_of(text, len));
}

int json_put(struct buf *out, const json_t *j, size_t flags)
{
	return json_dump_callback(j, put_text, out, flags);
}
