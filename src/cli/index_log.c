#include "cli/index_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "net/loop.h"
#include "node/json_put.h"
#include "store/root.h"

#define LINE_MAX_BYTES 16384u

/* ---- lines --------------------------------------------------------------- */

static void put_quoted(struct buf *out, const char *value)
{
	struct buf plain;

	buf_init(&plain, LINE_MAX_BYTES);
	text_put_escaped(&plain, bytes_str(value));
	if (plain.len > 0 && memchr(plain.ptr, ' ', plain.len) == NULL &&
	    memchr(plain.ptr, '"', plain.len) == NULL) {
		(void)buf_put(out, buf_bytes(&plain));
	} else {
		(void)buf_put_u8(out, '"');
		for (size_t i = 0; i < plain.len; i++) {
			if (plain.ptr[i] == '"')
				(void)buf_put_u8(out, '\\');
			(void)buf_put_u8(out, plain.ptr[i]);
		}
		(void)buf_put_u8(out, '"');
	}
	if (plain.err != OK)
		out->err = plain.err;
	buf_fini(&plain);
}

static char *text_line(const char *when, const char *event, const json_t *fields)
{
	const char *key, *line;
	struct buf out;
	char *copy;
	void *it;

	buf_init(&out, LINE_MAX_BYTES);
	(void)buf_printf(&out, "%s %s", when, event);
	for (it = json_object_iter((json_t *)fields); it != NULL;
	     it = json_object_iter_next((json_t *)fields, it)) {
		const json_t *value = json_object_iter_value(it);

		key = json_object_iter_key(it);
		(void)buf_printf(&out, " %s=", key);
		if (json_is_string(value))
			put_quoted(&out, json_string_value(value));
		else if (json_is_integer(value))
			(void)buf_printf(&out, "%lld", (long long)json_integer_value(value));
		else
			(void)buf_put_str(&out, json_is_true(value) ? "yes" : "no");
	}
	(void)buf_put_u8(&out, '\n');
	line = buf_cstr(&out);
	copy = line == NULL ? NULL : strdup(line);
	buf_fini(&out);
	return copy;
}

static char *json_line(const char *when, const char *event, const json_t *fields)
{
	json_t *j = json_pack("{s:s, s:s}", "time", when, "event", event);
	char *copy = NULL;
	struct buf out;

	buf_init(&out, LINE_MAX_BYTES);
	if (j != NULL && (fields == NULL || json_object_update(j, (json_t *)fields) == 0) &&
	    json_put(&out, j, JSON_COMPACT | JSON_ENSURE_ASCII) == 0 &&
	    buf_put_u8(&out, '\n') == OK && buf_cstr(&out) != NULL)
		copy = strdup(buf_cstr(&out));
	json_decref(j);
	buf_fini(&out);
	return copy;
}

char *index_log_line(bool json, int64_t wall_s, const char *event, const json_t *fields)
{
	time_t t = (time_t)wall_s;
	char when[32] = "";
	struct tm tm;

	if (gmtime_r(&t, &tm) != NULL)
		(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return (json ? json_line : text_line)(when, event, fields);
}

/* ---- where they go ------------------------------------------------------- */

int index_log_reopen(struct index_log *l, struct err_info *info)
{
	int fd;

	if (l->path == NULL)
		return 0;
	/* Others have no business with who fetched what from where. */
	fd = open(l->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0)
		return root_errno(info, l->path, errno);
	index_log_close(l);
	l->fd = fd;
	return 0;
}

int index_log_open(struct index_log *l, const char *path, const char *format, bool quiet,
		   struct err_info *info)
{
	char shown[64];

	*l = (struct index_log){.path = path, .quiet = quiet, .fd = STDERR_FILENO};
	l->json = format != NULL && strcmp(format, "json") == 0;
	if (format != NULL && !l->json && strcmp(format, "text") != 0)
		return err_set(info, ERR_INVALID, "--log-format '%s': give text or json",
			       text_escape(shown, sizeof(shown), bytes_str(format)));
	return index_log_reopen(l, info);
}

void index_log_close(struct index_log *l)
{
	if (l->fd != STDERR_FILENO)
		close(l->fd);
	l->fd = STDERR_FILENO;
}

void index_log_write(struct index_log *l, const char *event, const json_t *fields)
{
	ssize_t written = 0;
	char *line;

	if (l->quiet && l->fd == STDERR_FILENO)
		return;
	line = index_log_line(l->json, loop_wall_s(), event, fields);
	/* Whole lines in one call, so that they are not torn apart by others'. */
	if (line != NULL)
		written = write(l->fd, line, strlen(line));
	(void)written;
	free(line);
}
