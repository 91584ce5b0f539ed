/* net/stream.h - a stream of bytes to one peer, over TCP or uTP: who reads and writes it need not
 * know which. Kept by value; movable with stream_move(). */
#ifndef SHOAL_NET_STREAM_H
#define SHOAL_NET_STREAM_H

#include <sys/uio.h>

#include "net/loop.h"
#include "net/utp_net.h"

struct stream {
	int fd;		    /* TCP; else -1 */
	struct loop_io *io; /* of it */
	struct utp_stream *utp;
};

typedef void stream_fn(void *arg, unsigned ready);

/* Each takes over the descriptor, or `u`, but not on failure. Returns 0 or ERR_NOMEM. */
int stream_from_tcp(struct stream *s, struct loop *loop, int fd, stream_fn *fn, void *arg);
void stream_from_utp(struct stream *s, struct utp_stream *u, stream_fn *fn, void *arg);
/* To another owner, with others to call. On failure (ERR_NOMEM) it stays where it is. */
int stream_move(struct stream *to, struct stream *from, struct loop *loop, stream_fn *fn,
		void *arg);

static inline bool stream_is_utp(const struct stream *s)
{
	return s->utp != NULL;
}

/* As loop_io_want(). */
void stream_want(struct stream *s, unsigned events);
/* As tcp_connect_result(); once it is writable. */
int stream_result(const struct stream *s);
/* As readv(2) and write(2), with errno. */
ssize_t stream_readv(struct stream *s, const struct iovec *iov, int n);
ssize_t stream_write(struct stream *s, const void *data, size_t len);
/* As tcp_ack_now(); uTP holds nothing back. */
void stream_ack_now(struct stream *s);
uint32_t stream_rtt_us(const struct stream *s);
/* Written, and not acknowledged by the other end. */
uint32_t stream_unacked(const struct stream *s);
/* As tcp_reset_on_close(); uTP lends no pages, and goes on with the copy it has. */
void stream_reset_on_close(struct stream *s);
/* Closed so that the peer learns at once; nothing comes any more. */
void stream_close(struct stream *s);
/* The same with somebody to whom nothing is owed: over uTP a reset, for which no place is held
 * until it is acknowledged. */
void stream_drop(struct stream *s);

#endif
