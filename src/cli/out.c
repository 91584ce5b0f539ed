#include "cli/out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.h"

#define FIELD_BYTES_MAX ((size_t)1 << 30)

/* A shallow copy with the schema in it; `j` may be NULL. */
static json_t *marked(const json_t *j)
{
	json_t *copy = NULL, *item;
	size_t i;

	if (json_is_array(j)) {
		copy = json_array();
		json_array_foreach((json_t *)j, i, item) json_array_append_new(copy, marked(item));
		return copy;
	}
	if (!json_is_object(j))
		return json_copy((json_t *)j);
	/* First, as that is where one looks for it. */
	copy = json_pack("{s:i}", "schema", OUT_SCHEMA);
	if (json_object_update(copy, (json_t *)j) != 0) {
		json_decref(copy);
		return NULL;
	}
	return copy;
}

static void print(FILE *stream, const json_t *j, size_t how)
{
	json_t *whole = marked(j);

	/* ASCII alone: what JSON leaves as it is, from U+0080 on, could steer a terminal. */
	if (whole == NULL ||
	    json_dumpf(whole, stream, how | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9)) != 0)
		fputs("{\"error\": {\"code\": \"no_memory\", \"message\": \"out of memory\"}}",
		      stream);
	json_decref(whole);
	(void)fputc('\n', stream);
}

void out_json(const json_t *j)
{
	print(stdout, j, JSON_INDENT(2));
}

void out_json_line(FILE *stream, const json_t *j)
{
	print(stream, j, JSON_COMPACT);
	(void)fflush(stream);
}

unsigned out_width(int fd)
{
	struct winsize size = {0};

	return ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 ? 80 : size.ws_col;
}

bool out_can_redraw(int fd)
{
	const char *term = getenv("TERM");

	return isatty(fd) && term != NULL && term[0] != '\0' && strcmp(term, "dumb") != 0;
}

void out_field(const char *label, const char *text)
{
	struct buf safe;

	if (text[0] == '\0')
		return;
	buf_init(&safe, FIELD_BYTES_MAX);
	buf_printf(&safe, "%s:", label);
	do
		buf_put_u8(&safe, ' ');
	while (safe.len < 15 && safe.err == OK);
	text_put_escaped(&safe, bytes_str(text));
	buf_put_u8(&safe, '\n');
	fwrite(safe.ptr, 1, safe.len, stdout);
	buf_fini(&safe);
}
