#include "node/dial.h"

#include "net/tcp.h"
#include "node/node_impl.h"

struct dial dial_first(const struct node *n, const struct addr *to)
{
	bool utp = n->transport == NODE_TRANSPORT_UTP;

	return (struct dial){.to = *to,
			     .encrypt = n->encryption != NODE_ENCRYPT_ACCEPT,
			     .utp = utp,
			     .utp_next = n->utp != NULL && !utp};
}

struct dial dial_utp(const struct node *n, const struct addr *to)
{
	return (struct dial){
	    .to = *to, .encrypt = n->encryption != NODE_ENCRYPT_ACCEPT, .utp = true};
}

static int begin_tcp(const struct addr *to, struct stream *out)
{
	int fd = tcp_connect(to);

	*out = (struct stream){.fd = fd};
	return fd < 0 ? fd : OK;
}

static int begin_utp(const struct node *n, const struct addr *to, struct stream *out)
{
	*out = (struct stream){.fd = -1};
	return n->utp == NULL ? ERR_UNREACHABLE : utp_stream_dial(n->utp, to, &out->utp);
}

int dial_begin(const struct node *n, struct dial *d, struct stream *out)
{
	int err = d->utp ? ERR_UNREACHABLE : begin_tcp(&d->to, out);

	if (err != OK && d->utp_next) {
		d->utp = true;
		d->utp_next = false;
	}
	return err != OK && d->utp ? begin_utp(n, &d->to, out) : err;
}

uint64_t dial_deadline_ms(const struct node *n, const struct dial *d)
{
	return loop_now_ms(n->loop) + (d->utp_next ? NODE_TCP_FIRST_MS : NODE_HANDSHAKE_MS);
}

bool dial_is_want(int err)
{
	return err == ERR_TOO_BIG || err == ERR_NOMEM;
}
