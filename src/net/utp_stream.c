/* net/utp_stream.c - a uTP connection as its owner sees it: like a socket. */
#include <errno.h>

#include "net/utp_net_impl.h"

static bool is_connected(const struct utp_stream *s)
{
	return utp_conn_state(s->conn) == UTP_OPEN;
}

unsigned utp_stream_ready(const struct utp_stream *s)
{
	unsigned ready = 0;

	if (utp_conn_state(s->conn) == UTP_DEAD)
		return LOOP_READ | LOOP_WRITE;
	if (utp_conn_readable(s->conn) > 0 || utp_conn_at_end(s->conn))
		ready |= LOOP_READ;
	if (is_connected(s) && utp_conn_is_writable(s->conn))
		ready |= LOOP_WRITE;
	return ready;
}

int utp_stream_dial(struct utp_net *n, const struct addr *to, struct utp_stream **out)
{
	struct utp_stream *s;

	if (!utp_net_make_place(n, to))
		return ERR_TOO_BIG;
	s = utp_net_dial(n, to);
	if (s == NULL)
		return ERR_NOMEM;
	s->owned = true;
	utp_net_settle(s);
	*out = s;
	return OK;
}

void utp_stream_watch(struct utp_stream *u, void (*fn)(void *arg, unsigned ready), void *arg)
{
	u->fn = fn;
	u->arg = arg;
	utp_net_offer(u);
}

void utp_stream_want(struct utp_stream *u, unsigned events)
{
	u->want = events;
	utp_net_offer(u);
}

int utp_stream_result(const struct utp_stream *u)
{
	switch (utp_conn_state(u->conn)) {
	case UTP_CONNECTING:
	case UTP_HALF_OPEN:
		return ERR_AGAIN;
	case UTP_DEAD:
		return utp_conn_why(u->conn);
	default:
		return OK;
	}
}

static ssize_t fail(const struct utp_stream *u)
{
	if (utp_conn_state(u->conn) != UTP_DEAD)
		errno = EAGAIN;
	else if (utp_conn_why(u->conn) == ERR_TIMEOUT)
		errno = ETIMEDOUT;
	else if (utp_conn_why(u->conn) == ERR_NOMEM)
		errno = ENOMEM;
	else
		errno = ECONNRESET;
	return -1;
}

ssize_t utp_stream_readv(struct utp_stream *u, const struct iovec *iov, int n)
{
	size_t sum = 0;

	for (int i = 0; i < n; i++) {
		size_t got = utp_conn_read(u->conn, (struct span){iov[i].iov_base, iov[i].iov_len});

		sum += got;
		if (got < iov[i].iov_len)
			break;
	}
	if (sum == 0)
		return utp_conn_at_end(u->conn) ? 0 : fail(u);
	/* There may be room again to tell of, and more to read. */
	utp_net_settle(u);
	return (ssize_t)sum;
}

ssize_t utp_stream_write(struct utp_stream *u, struct bytes data)
{
	size_t n = is_connected(u) ? utp_conn_write(u->conn, data) : 0;

	if (n == 0)
		return fail(u);
	utp_net_settle(u);
	return (ssize_t)n;
}

uint32_t utp_stream_unacked(const struct utp_stream *u)
{
	return (uint32_t)utp_conn_unacked(u->conn);
}

uint32_t utp_stream_rtt_us(const struct utp_stream *u)
{
	struct utp_conn_stats st;

	utp_conn_stats(u->conn, &st);
	return st.rtt_us;
}

static void disown(struct utp_stream *u)
{
	u->fn = NULL;
	u->want = 0;
	u->owned = false;
}

void utp_stream_close(struct utp_stream *u)
{
	disown(u);
	utp_conn_close(u->conn, loop_clock_us());
	utp_net_settle(u);
}

void utp_stream_reset(struct utp_stream *u)
{
	disown(u);
	utp_conn_reset(u->conn);
	utp_net_settle(u);
}
