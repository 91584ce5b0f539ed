#include "net/stream.h"

#include <unistd.h>

#include "net/tcp.h"

int stream_from_tcp(struct stream *s, struct loop *loop, int fd, stream_fn *fn, void *arg)
{
	struct loop_io *io = loop_io_new(loop, fd, fn, arg);

	if (io == NULL)
		return ERR_NOMEM;
	*s = (struct stream){.fd = fd, .io = io};
	return OK;
}

void stream_from_utp(struct stream *s, struct utp_stream *u, stream_fn *fn, void *arg)
{
	*s = (struct stream){.fd = -1, .utp = u};
	utp_stream_watch(u, fn, arg);
}

int stream_move(struct stream *to, struct stream *from, struct loop *loop, stream_fn *fn, void *arg)
{
	struct loop_io *old = from->io;
	int err = OK;

	if (from->utp != NULL)
		stream_from_utp(to, from->utp, fn, arg);
	else
		err = stream_from_tcp(to, loop, from->fd, fn, arg);
	if (err != OK)
		return err;
	loop_io_free(old);
	*from = (struct stream){.fd = -1};
	return OK;
}

void stream_want(struct stream *s, unsigned events)
{
	if (s->utp == NULL)
		loop_io_want(s->io, events);
	else
		utp_stream_want(s->utp, events);
}

int stream_result(const struct stream *s)
{
	return s->utp == NULL ? tcp_connect_result(s->fd) : utp_stream_result(s->utp);
}

ssize_t stream_readv(struct stream *s, const struct iovec *iov, int n)
{
	return s->utp == NULL ? readv(s->fd, iov, n) : utp_stream_readv(s->utp, iov, n);
}

ssize_t stream_write(struct stream *s, const void *data, size_t len)
{
	return s->utp == NULL ? write(s->fd, data, len)
			      : utp_stream_write(s->utp, bytes_of(data, len));
}

void stream_ack_now(struct stream *s)
{
	if (s->utp == NULL)
		tcp_ack_now(s->fd);
}

uint32_t stream_rtt_us(const struct stream *s)
{
	return s->utp == NULL ? tcp_rtt_us(s->fd) : utp_stream_rtt_us(s->utp);
}

uint32_t stream_unacked(const struct stream *s)
{
	return s->utp == NULL ? tcp_unacked_bytes(s->fd) : utp_stream_unacked(s->utp);
}

void stream_reset_on_close(struct stream *s)
{
	if (s->utp == NULL)
		tcp_reset_on_close(s->fd);
}

void stream_close(struct stream *s)
{
	loop_io_free(s->io);
	if (s->utp != NULL)
		utp_stream_close(s->utp);
	else if (s->fd >= 0)
		tcp_close(s->fd);
	*s = (struct stream){.fd = -1};
}

void stream_drop(struct stream *s)
{
	if (s->utp != NULL)
		utp_stream_reset(s->utp);
	s->utp = NULL;
	stream_close(s);
}
