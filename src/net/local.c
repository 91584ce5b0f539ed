#include "net/local.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "net/loop.h"

#define SUFFIX ".sock"
#define NEW_SUFFIX ".new"
#define BACKLOG 16
#define ACCEPT_PAUSE_MS 100u
#define READ_STEP 4096u

struct client {
	struct client *next;
	struct local_server *s;
	int fd;
	struct loop_io *io;
	struct buf in, out;
	struct local_call *call; /* being answered: nothing is read meanwhile */
	bool ending;		 /* closed when `out` is out */
};

struct local_call {
	struct client *client; /* NULL: gone */
};

struct local_server {
	struct local_params p;
	int folder, fd;
	struct loop_io *io;
	struct loop_timer *resume; /* accepting, after descriptors ran out */
	struct client *clients;
	unsigned n_clients;
	char name[LOCAL_NAME_MAX + sizeof(SUFFIX)];
};

/* ---- addresses --------------------------------------------------------------- */

/* A folder that is open, and how it was called. */
struct place {
	int fd;
	const char *path;
};

/* A path of a socket has room for 107 bytes: that of an open folder always fits. Where there is no
 * /proc, as in many a chroot, the path itself has to. False, with errno: it does not. */
static bool address_of(struct sockaddr_un *a, const struct place *folder, const char *file)
{
	int n;

	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (access("/proc/self/fd", X_OK) == 0)
		n = snprintf(a->sun_path, sizeof(a->sun_path), "/proc/self/fd/%d/%s", folder->fd,
			     file);
	else
		n = snprintf(a->sun_path, sizeof(a->sun_path), "%s/%s", folder->path, file);
	if (n >= 0 && (size_t)n < sizeof(a->sun_path))
		return true;
	errno = ENAMETOOLONG;
	return false;
}

static int open_folder(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* A descriptor, or -1 with errno: ECONNREFUSED when a crash left the name. */
static int connect_to(const struct place *folder, const char *file)
{
	struct sockaddr_un a;
	int fd = address_of(&a, folder, file) ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
	int error;

	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static bool is_name(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.");

	return n > 0 && n <= LOCAL_NAME_MAX && name[n] == '\0';
}

/* Length of a server's name in a file's; 0: it is none. */
static size_t name_in(const char *file)
{
	size_t n = strlen(file), end = sizeof(SUFFIX) - 1;

	return n > end && n - end <= LOCAL_NAME_MAX && strcmp(file + n - end, SUFFIX) == 0 ? n - end
											   : 0;
}

/* ---- a client ------------------------------------------------------------------ */

static void client_free(struct client *c)
{
	struct client **at = &c->s->clients;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->s->n_clients--;
	if (c->call != NULL)
		c->call->client = NULL;
	loop_io_free(c->io);
	close(c->fd);
	buf_fini(&c->in);
	buf_fini(&c->out);
	free(c);
}

/* False: it is gone. */
static bool flush(struct client *c)
{
	while (c->out.len > 0) {
		ssize_t n = send(c->fd, c->out.ptr, c->out.len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n < 0) {
			client_free(c);
			return false;
		}
		buf_consume(&c->out, (size_t)n);
	}
	if (c->out.len == 0 && c->ending) {
		client_free(c);
		return false;
	}
	loop_io_want(c->io, LOOP_READ | (c->out.len > 0 ? LOOP_WRITE : 0u));
	return true;
}

static void question(struct client *c, size_t len)
{
	struct local_call *call = calloc(1, sizeof(*call));
	struct local_server *s = c->s;

	if (call == NULL) {
		client_free(c);
		return;
	}
	call->client = c;
	c->call = call;
	s->p.asked(s->p.user, call, bytes_of(c->in.ptr, len));
}

/* One question a connection. */
static void take_input(struct client *c)
{
	struct span room;
	const uint8_t *end;
	ssize_t n;

	if (buf_reserve(&c->in, READ_STEP, &room) != OK) {
		client_free(c);
		return;
	}
	n = recv(c->fd, room.ptr, room.len, 0);
	if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
		return;
	/* Whoever hangs up does not want the answer any more. */
	if (n <= 0) {
		client_free(c);
		return;
	}
	if (c->call != NULL || c->ending)
		return;
	buf_commit(&c->in, (size_t)n);
	end = memchr(c->in.ptr, '\n', c->in.len);
	if (end != NULL)
		question(c, (size_t)(end - c->in.ptr));
}

static void on_client(void *arg, unsigned ready)
{
	struct client *c = arg;

	if ((ready & LOOP_WRITE) != 0 && !flush(c))
		return;
	if ((ready & LOOP_READ) != 0)
		take_input(c);
}

static bool is_ours(int fd)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 &&
	       (who.uid == geteuid() || who.uid == 0);
}

static void client_new(struct local_server *s, int fd)
{
	struct client *c = calloc(1, sizeof(*c));

	if (c != NULL)
		c->io = loop_io_new(s->p.loop, fd, on_client, c);
	if (c == NULL || c->io == NULL) {
		free(c);
		close(fd);
		return;
	}
	c->s = s;
	c->fd = fd;
	buf_init(&c->in, LOCAL_QUESTION_MAX + READ_STEP);
	buf_init(&c->out, LOCAL_ANSWER_MAX);
	c->next = s->clients;
	s->clients = c;
	s->n_clients++;
	loop_io_want(c->io, LOOP_READ);
}

static void on_resume(void *arg)
{
	struct local_server *s = arg;

	loop_io_want(s->io, LOOP_READ);
}

/* Who waits would wake us without end. */
static void pause_accepting(struct local_server *s)
{
	loop_io_want(s->io, 0);
	loop_timer_set(s->resume, ACCEPT_PAUSE_MS);
}

static void on_accept(void *arg, unsigned ready)
{
	struct local_server *s = arg;
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)ready;
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS))
		pause_accepting(s);
	if (fd < 0)
		return;
	if (s->n_clients >= LOCAL_CLIENTS_MAX || !is_ours(fd))
		close(fd);
	else
		client_new(s, fd);
}

/* ---- answers -------------------------------------------------------------------- */

static void say(struct client *c, struct bytes line, bool last)
{
	buf_put(&c->out, line);
	if (buf_put_u8(&c->out, '\n') != OK) {
		client_free(c);
		return;
	}
	c->ending = last;
	(void)flush(c);
}

void local_call_say(struct local_call *c, struct bytes line)
{
	if (c->client != NULL)
		say(c->client, line, false);
}

void local_call_end(struct local_call *c, struct bytes line)
{
	struct client *client = c->client;

	free(c);
	if (client == NULL)
		return;
	client->call = NULL;
	say(client, line, true);
}

/* ---- the server ------------------------------------------------------------------- */

/* What refuses is nobody's. */
static void clear_stale(const struct place *folder)
{
	int fd = openat(folder->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (list == NULL && fd >= 0)
		close(fd);
	while (list != NULL && (e = readdir(list)) != NULL) {
		if (name_in(e->d_name) == 0)
			continue;
		fd = connect_to(folder, e->d_name);
		if (fd >= 0)
			close(fd);
		else if (errno == ECONNREFUSED)
			(void)unlinkat(folder->fd, e->d_name, 0);
	}
	if (list != NULL)
		closedir(list);
}

static int bind_name(struct local_server *s, const struct place *folder)
{
	char fresh[sizeof(s->name) + sizeof(NEW_SUFFIX)];
	struct sockaddr_un a;
	int other;

	snprintf(s->name, sizeof(s->name), "%s" SUFFIX, s->p.name);
	snprintf(fresh, sizeof(fresh), "%s" NEW_SUFFIX, s->name);
	other = connect_to(folder, s->name);
	if (other >= 0) {
		close(other);
		return EEXIST;
	}
	(void)unlinkat(s->folder, fresh, 0);
	if (address_of(&a, folder, fresh))
		s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    fchmodat(s->folder, fresh, 0600, 0) != 0 || listen(s->fd, BACKLOG) != 0 ||
	    renameat(s->folder, fresh, s->folder, s->name) != 0) {
		int error = errno;

		(void)unlinkat(s->folder, fresh, 0);
		s->name[0] = '\0';
		return error;
	}
	return 0;
}

static int fail_with(struct err_info *info, int error)
{
	char reason[64];
	enum err code = error == EEXIST			    ? ERR_EXISTS
			: error == EACCES || error == EPERM ? ERR_DENIED
			: error == ENOMEM		    ? ERR_NOMEM
							    : ERR_IO;

	return err_set(info, code, "no socket for questions: %s",
		       strerror_r(error, reason, sizeof(reason)));
}

int local_server_new(const struct local_params *p, struct local_server **out, struct err_info *info)
{
	struct local_server *s = is_name(p->name) ? calloc(1, sizeof(*s)) : NULL;
	int error = 0;

	if (s == NULL)
		return fail_with(info, is_name(p->name) ? ENOMEM : EINVAL);
	s->p = *p;
	s->fd = p->listener > 0 ? p->listener : -1;
	s->folder = open_folder(p->folder);
	if (s->folder < 0) {
		error = errno;
	} else if (p->listener == 0) {
		const struct place folder = {s->folder, p->folder};

		clear_stale(&folder);
		error = bind_name(s, &folder);
		if (error == EEXIST)
			s->name[0] = '\0';
	}
	s->io = error == 0 ? loop_io_new(p->loop, s->fd, on_accept, s) : NULL;
	s->resume = loop_timer_new(p->loop, on_resume, s);
	if (s->io == NULL || s->resume == NULL) {
		local_server_free(s);
		return fail_with(info, error == 0 ? ENOMEM : error);
	}
	loop_io_want(s->io, LOOP_READ);
	*out = s;
	return OK;
}

void local_server_free(struct local_server *s)
{
	if (s == NULL)
		return;
	if (s->name[0] != '\0')
		(void)unlinkat(s->folder, s->name, 0);
	while (s->clients != NULL)
		client_free(s->clients);
	loop_io_free(s->io);
	loop_timer_free(s->resume);
	if (s->fd >= 0)
		close(s->fd);
	if (s->folder >= 0)
		close(s->folder);
	free(s);
}

/* ---- asking --------------------------------------------------------------------------- */

/* A question that has been put, and what has come so far. */
struct talk {
	char name[LOCAL_NAME_MAX + 1];
	int fd;
	uint64_t until_ms;
	struct buf in;
};

struct asking {
	struct talk *talks;
	struct pollfd *polls;
	nfds_t n;
	int answered;
	uint32_t silent, silence_ms;
	void (*line)(void *user, const char *name, struct bytes line);
	void *user;
};

/* A question fits into the socket's buffer; one that does not is nobody's. */
static bool put_question(int fd, struct bytes question)
{
	char end = '\n';
	struct iovec parts[] = {{(void *)question.ptr, question.len}, {&end, 1}};
	struct msghdr m = {.msg_iov = parts, .msg_iovlen = 2};

	return sendmsg(fd, &m, MSG_NOSIGNAL) == (ssize_t)question.len + 1;
}

static void begin_talk(struct asking *a, const struct place *folder, const char *file,
		       size_t name_len, struct bytes question)
{
	struct talk *t = &a->talks[a->n];
	int fd = connect_to(folder, file);

	if (fd < 0) {
		if (errno == ECONNREFUSED)
			(void)unlinkat(folder->fd, file, 0);
		return;
	}
	if (!put_question(fd, question)) {
		close(fd);
		return;
	}
	*t = (struct talk){.fd = fd, .until_ms = loop_clock_ms() + a->silence_ms};
	memcpy(t->name, file, name_len);
	buf_init(&t->in, LOCAL_ANSWER_MAX + READ_STEP);
	a->n++;
}

static void begin_all(struct asking *a, DIR *list, const char *path, const char *only,
		      struct bytes question)
{
	const struct place folder = {dirfd(list), path};
	struct dirent *e;

	while (a->n < LOCAL_SERVERS_MAX && (e = readdir(list)) != NULL) {
		size_t n = name_in(e->d_name);

		if (n > 0 &&
		    (only == NULL || (strlen(only) == n && strncmp(e->d_name, only, n) == 0)))
			begin_talk(a, &folder, e->d_name, n, question);
	}
}

static void end_talk(struct asking *a, nfds_t i, bool answered)
{
	close(a->talks[i].fd);
	buf_fini(&a->talks[i].in);
	a->answered += answered;
	a->silent += !answered;
	a->talks[i] = a->talks[--a->n];
}

static void take_lines(struct asking *a, struct talk *t)
{
	const uint8_t *end;

	while (t->in.len > 0 && (end = memchr(t->in.ptr, '\n', t->in.len)) != NULL) {
		size_t len = (size_t)(end - t->in.ptr);

		a->line(a->user, t->name, bytes_of(t->in.ptr, len));
		buf_consume(&t->in, len + 1);
	}
}

/* False: the talk is over. */
static bool hear(struct asking *a, nfds_t i)
{
	struct talk *t = &a->talks[i];
	struct span room;
	ssize_t n;

	if (buf_reserve(&t->in, READ_STEP, &room) != OK) {
		end_talk(a, i, false);
		return false;
	}
	n = recv(t->fd, room.ptr, room.len, MSG_DONTWAIT);
	if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
		return true;
	if (n <= 0) { /* where it was killed the question may not have been read */
		end_talk(a, i, n == 0 || errno == ECONNRESET);
		return false;
	}
	buf_commit(&t->in, (size_t)n);
	t->until_ms = loop_clock_ms() + a->silence_ms;
	take_lines(a, t);
	return true;
}

static void hear_all(struct asking *a)
{
	while (a->n > 0) {
		uint64_t now = loop_clock_ms(), first = UINT64_MAX;

		for (nfds_t i = 0; i < a->n; i++) {
			a->polls[i] = (struct pollfd){.fd = a->talks[i].fd, .events = POLLIN};
			if (a->talks[i].until_ms < first)
				first = a->talks[i].until_ms;
		}
		(void)poll(a->polls, a->n, first > now ? (int)(first - now) : 0);
		now = loop_clock_ms();
		/* From the end, where those that are over are filled in from. */
		for (nfds_t i = a->n; i-- > 0;) {
			bool ready = a->polls[i].revents != 0;

			if (ready && !hear(a, i))
				continue;
			if (!ready && now >= a->talks[i].until_ms)
				end_talk(a, i, false);
		}
	}
}

int local_ask_all(const char *folder, const char *only, struct bytes question, uint32_t silence_ms,
		  void (*line)(void *user, const char *name, struct bytes line), void *user,
		  uint32_t *n_silent)
{
	struct asking a = {.silence_ms = silence_ms, .line = line, .user = user};
	DIR *list = opendir(folder);

	*n_silent = 0;
	if (list == NULL)
		return errno == ENOENT || errno == ENOTDIR ? 0
		       : errno == EACCES		   ? ERR_DENIED
							   : ERR_IO;
	a.talks = calloc(LOCAL_SERVERS_MAX, sizeof(*a.talks));
	a.polls = calloc(LOCAL_SERVERS_MAX, sizeof(*a.polls));
	if (a.talks == NULL || a.polls == NULL)
		a.answered = ERR_NOMEM;
	else
		begin_all(&a, list, folder, only, question);
	closedir(list);
	hear_all(&a);
	free(a.talks);
	free(a.polls);
	*n_silent = a.silent;
	return a.answered;
}
