/* net/local_talk.c - the asker's side of net/local.h, on a loop. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "net/local_impl.h"

#define READ_STEP 4096u

struct local_talk {
	struct local_talk_params p;
	int fd;
	struct loop_io *io;
	struct buf in;
	bool *freed; /* set while a callback runs: it was freed there */
};

/* False: it was freed. */
static bool give_lines(struct local_talk *t)
{
	const uint8_t *end;
	bool freed = false;

	t->freed = &freed;
	while (t->in.len > 0 && (end = memchr(t->in.ptr, '\n', t->in.len)) != NULL) {
		size_t len = (size_t)(end - t->in.ptr);

		t->p.line(t->p.user, bytes_of(t->in.ptr, len));
		if (freed)
			return false;
		buf_consume(&t->in, len + 1);
	}
	t->freed = NULL;
	return true;
}

static void on_ready(void *arg, unsigned ready)
{
	struct local_talk *t = arg;
	struct span room;
	ssize_t n = 0;

	(void)ready;
	if (buf_reserve(&t->in, READ_STEP, &room) == OK)
		n = recv(t->fd, room.ptr, room.len, MSG_DONTWAIT);
	if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
		return;
	if (n <= 0) {
		loop_io_want(t->io, 0);
		t->p.ended(t->p.user);
		return;
	}
	buf_commit(&t->in, (size_t)n);
	(void)give_lines(t);
}

static int connect_by_name(const char *folder, const char *name)
{
	char file[LOCAL_NAME_MAX + sizeof(LOCAL_SUFFIX)];
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;

	if (dir < 0)
		return errno == ENOENT ? ERR_NOENT : ERR_IO;
	snprintf(file, sizeof(file), "%s" LOCAL_SUFFIX, name);
	fd = local_connect(dir, file);
	if (fd < 0)
		fd = errno == ENOENT || errno == ECONNREFUSED ? ERR_NOENT : ERR_IO;
	close(dir);
	return fd;
}

int local_talk_new(const struct local_talk_params *p, struct local_talk **out)
{
	struct local_talk *t;
	int fd;

	if (p->question.len > LOCAL_QUESTION_MAX || strlen(p->name) > LOCAL_NAME_MAX)
		return ERR_TOO_BIG;
	fd = connect_by_name(p->folder, p->name);
	if (fd < 0)
		return fd;
	t = local_put_question(fd, p->question) ? calloc(1, sizeof(*t)) : NULL;
	if (t != NULL)
		t->io = loop_io_new(p->loop, fd, on_ready, t);
	if (t == NULL || t->io == NULL) {
		close(fd);
		free(t);
		return ERR_NOMEM;
	}
	t->p = *p;
	t->fd = fd;
	buf_init(&t->in, LOCAL_ANSWER_MAX + READ_STEP);
	loop_io_want(t->io, LOOP_READ);
	*out = t;
	return OK;
}

void local_talk_free(struct local_talk *t)
{
	if (t == NULL)
		return;
	if (t->freed != NULL)
		*t->freed = true;
	loop_io_free(t->io);
	close(t->fd);
	buf_fini(&t->in);
	free(t);
}
