#include "cli/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/root.h"

/* Returns an errno. */
static int read_all(int fd, struct buf *out)
{
	struct span room;
	ssize_t n;

	do {
		int err = buf_reserve(out, 1u << 16, &room);

		if (err != OK)
			return err == ERR_TOO_BIG ? EFBIG : ENOMEM;
		n = read(fd, room.ptr, room.len);
		if (n > 0)
			buf_commit(out, (size_t)n);
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? errno : 0;
}

static int read_text(struct lines *l, const char *path, struct err_info *info)
{
	bool std = strcmp(path, "-") == 0;
	int fd = std ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	int error = fd < 0 ? errno : read_all(fd, &l->text);

	if (!std && fd >= 0)
		close(fd);
	if (error == 0 && buf_cstr(&l->text) == NULL)
		error = ENOMEM;
	return error == 0 ? OK : root_errno(info, std ? "standard input" : path, error);
}

static size_t count_lines(const char *text)
{
	size_t n = 1;

	while ((text = strchr(text, '\n')) != NULL) {
		text++;
		n++;
	}
	return n;
}

int lines_read(struct lines *l, const char *path, struct err_info *info)
{
	char *at, *end, *next;
	int err;

	*l = (struct lines){.n = 0};
	buf_init(&l->text, LINES_BYTES_MAX);
	err = path == NULL ? OK : read_text(l, path, info);
	if (path == NULL || err != OK)
		return err;
	at = (char *)l->text.ptr;
	l->list = calloc(count_lines(at), sizeof(*l->list));
	if (l->list == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	for (; *at != '\0'; at = next) {
		end = at + strcspn(at, "\n");
		next = *end == '\0' ? end : end + 1;
		while (end > at && (end[-1] == '\r' || end[-1] == ' ' || end[-1] == '\t'))
			end--;
		*end = '\0';
		if (*at != '\0' && *at != '#')
			l->list[l->n++] = at;
	}
	return OK;
}

void lines_fini(struct lines *l)
{
	free(l->list);
	buf_fini(&l->text);
}
