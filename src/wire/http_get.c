#include "wire/http_get.h"

#include "base/text.h"

#include <strings.h>

/* The next line without its end, which is CR LF and nothing else. */
static bool take_line(struct bytes *in, struct bytes *line)
{
	const uint8_t *end = in->len == 0 ? NULL : memchr(in->ptr, '\n', in->len);
	size_t n = end == NULL ? 0 : (size_t)(end - in->ptr);

	if (n == 0 || end[-1] != '\r')
		return false;
	*line = bytes_sub(*in, 0, n - 1);
	*in = bytes_sub(*in, n + 1, in->len - n - 1);
	return true;
}

static bool take_target(struct bytes target, struct http_get *out)
{
	const uint8_t *mark = memchr(target.ptr, '?', target.len);
	size_t n = mark == NULL ? target.len : (size_t)(mark - target.ptr);

	for (size_t i = 0; i < target.len; i++)
		if (target.ptr[i] <= ' ' || target.ptr[i] >= 0x7f || target.ptr[i] == '#')
			return false;
	out->path = bytes_sub(target, 0, n);
	out->query =
	    mark == NULL ? bytes_of(NULL, 0) : bytes_sub(target, n + 1, target.len - n - 1);
	return target.ptr[0] == '/';
}

static bool take_first_line(struct bytes line, struct http_get *out)
{
	static const char method[] = "GET ", version[] = " HTTP/1.";
	const size_t head = sizeof(method) - 1, tail = sizeof(version); /* and a digit */

	if (!bytes_start_with(line, method) || line.len <= head + tail ||
	    memcmp(line.ptr + line.len - tail, version, tail - 1) != 0)
		return false;
	if (line.ptr[line.len - 1] != '1' && line.ptr[line.len - 1] != '0')
		return false;
	out->keep_alive = line.ptr[line.len - 1] == '1';
	return take_target(bytes_sub(line, head, line.len - head - tail), out);
}

static bool take_connection(struct bytes value, struct http_get *out)
{
	while (value.len > 0 && value.ptr[0] == ' ')
		value = bytes_sub(value, 1, value.len - 1);
	out->keep_alive = text_is_word(value, "keep-alive");
	return out->keep_alive || text_is_word(value, "close");
}

/* Headers that say where a request ends, or that more is wanted than an answer, need a reader that
 * knows all of HTTP (O-30), and so does a second host. */
static bool take_header(struct bytes line, unsigned *hosts, struct http_get *out)
{
	static const char *const not_ours[] = {"Content-Length", "Transfer-Encoding", "Expect",
					       "Upgrade",	 "Trailer",	      "TE"};
	struct bytes name;
	size_t n = 0;

	while (n < line.len && line.ptr[n] > ' ' && line.ptr[n] < 0x7f && line.ptr[n] != ':')
		n++;
	if (n == 0 || n == line.len || line.ptr[n] != ':')
		return false;
	name = bytes_sub(line, 0, n);
	for (size_t i = n; i < line.len; i++)
		if (line.ptr[i] < ' ' || line.ptr[i] == 0x7f)
			return false;
	for (size_t i = 0; i < sizeof(not_ours) / sizeof(not_ours[0]); i++)
		if (text_is_word(name, not_ours[i]))
			return false;
	if (text_is_word(name, "Host") && ++*hosts > 1)
		return false;
	if (text_is_word(name, "Connection"))
		return take_connection(bytes_sub(line, n + 1, line.len - n - 1), out);
	return true;
}

bool http_get_parse(struct bytes in, struct http_get *out)
{
	struct bytes line;
	unsigned hosts = 0;

	if (in.len > HTTP_GET_BYTES_MAX || !take_line(&in, &line) || !take_first_line(line, out))
		return false;
	for (unsigned i = 0; i <= HTTP_GET_HEADERS_MAX && take_line(&in, &line); i++) {
		if (line.len == 0)
			return in.len == 0; /* what follows would have to wait its turn */
		if (!take_header(line, &hosts, out))
			return false;
	}
	return false;
}
