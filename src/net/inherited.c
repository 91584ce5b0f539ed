#include "net/inherited.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"

#define FIRST_FD 3

int inherited_count(const char *listen_pid, const char *listen_fds, long own, unsigned *n)
{
	uint64_t pid, count;

	*n = 0;
	if (listen_pid == NULL || listen_fds == NULL ||
	    text_parse_u64(bytes_str(listen_pid), INT32_MAX, &pid) != OK || (long)pid != own)
		return OK;
	if (text_parse_u64(bytes_str(listen_fds), INT32_MAX, &count) != OK)
		return ERR_INVALID;
	if (count > INHERITED_MAX)
		return ERR_TOO_BIG;
	*n = (unsigned)count;
	return OK;
}

static int option_of(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 ? value : -1;
}

static int take_one(struct inherited *in, int fd, struct err_info *info)
{
	int domain = option_of(fd, SO_DOMAIN), flags = fcntl(fd, F_GETFL);

	if (option_of(fd, SO_TYPE) != SOCK_STREAM || option_of(fd, SO_ACCEPTCONN) != 1 ||
	    (domain != AF_UNIX && domain != AF_INET && domain != AF_INET6))
		return err_set(info, ERR_INVALID,
			       "descriptor %d from the service manager is no listening stream "
			       "(ListenStream= and Accept=no are needed)",
			       fd);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
		return err_set(info, ERR_IO, "descriptor %d cannot be used", fd);
	in->list[in->n].fd = fd;
	in->list[in->n++].kind = domain == AF_UNIX ? INHERITED_LOCAL : INHERITED_TCP;
	return OK;
}

int inherited_take(struct inherited *in, struct err_info *info)
{
	unsigned n;
	int err = inherited_count(getenv("LISTEN_PID"), getenv("LISTEN_FDS"), (long)getpid(), &n);

	*in = (struct inherited){.n = 0};
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	if (err == ERR_TOO_BIG)
		return err_set(info, err, "more than %u sockets from the service manager",
			       INHERITED_MAX);
	if (err != OK)
		return err_set(info, err, "LISTEN_FDS is no number");
	for (unsigned i = 0; i < n && err == OK; i++)
		err = take_one(in, FIRST_FD + (int)i, info);
	return err;
}

int inherited_claim(struct inherited *in, enum inherited_kind kind)
{
	for (unsigned i = 0; i < in->n; i++) {
		int fd = in->list[i].fd;

		if (fd < 0 || in->list[i].kind != kind)
			continue;
		in->list[i].fd = -1;
		return fd;
	}
	return 0;
}

void inherited_fini(struct inherited *in)
{
	for (unsigned i = 0; i < in->n; i++)
		if (in->list[i].fd >= 0)
			close(in->list[i].fd);
	in->n = 0;
}
