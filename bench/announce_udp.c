/* bench/announce_udp.c - the load generator's UDP half, and the echo server that is its floor. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "announce_load.h"
#include "wire/udp_tracker.h"

#define BATCH 64u
#define RING (1u << 20) /* requests under way, at most */
#define LOST_S 0.2
#define RECONNECT_S 50.0 /* BEP 15: an id is used for a minute */
#define NOTE_BYTES CMSG_SPACE(sizeof(struct in_pktinfo))

/* One socket for all sources: with each datagram goes a note that says which address it leaves
 * from, so that batches are full however many sources there are. */
struct udp_load {
	struct load *l;
	struct tally *t;
	int fd;
	uint64_t *ids; /* by source; 0: none yet */
	uint32_t transaction, fill;
	double *sent_at; /* by transaction; NULL without a rate */
	/* What was sent before the mark and is not answered at the next one is lost. */
	double marked;
	uint64_t sent_before;
	struct mmsghdr messages[BATCH];
	struct iovec at[BATCH];
	struct sockaddr_in to;
	alignas(size_t) uint8_t notes[BATCH][NOTE_BYTES];
	uint8_t room[BATCH][UDP_REQUEST_MAX];
};

static void lay_out(struct udp_load *u)
{
	for (unsigned i = 0; i < BATCH; i++) {
		u->at[i] = (struct iovec){u->room[i], UDP_REQUEST_MAX};
		u->messages[i].msg_hdr = (struct msghdr){.msg_iov = &u->at[i], .msg_iovlen = 1};
	}
	u->to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(u->l->to.port)};
	memcpy(&u->to.sin_addr, u->l->to.ip, 4);
}

static void address(struct udp_load *u, unsigned i, uint32_t source)
{
	struct msghdr *h = &u->messages[i].msg_hdr;
	struct in_pktinfo note = {0};
	struct addr from;
	struct cmsghdr *c;

	load_source(u->l, source, &from);
	memcpy(&note.ipi_spec_dst, from.ip, 4);
	h->msg_name = &u->to;
	h->msg_namelen = sizeof(u->to);
	h->msg_control = u->notes[i];
	h->msg_controllen = NOTE_BYTES;
	c = CMSG_FIRSTHDR(h);
	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(note));
	memcpy(CMSG_DATA(c), &note, sizeof(note));
}

static unsigned send_batch(struct udp_load *u, unsigned n)
{
	int sent = sendmmsg(u->fd, u->messages, n, MSG_DONTWAIT);

	return sent < 0 ? 0 : (unsigned)sent;
}

static void send_announces(struct udp_load *u, unsigned n)
{
	struct announce a;

	for (unsigned i = 0; i < n; i++) {
		uint32_t peer = load_next(u->l, &u->fill), source = peer % u->l->sources;

		load_announce(u->l, peer, &a);
		u->transaction++;
		u->at[i].iov_len = udp_announce_encode(u->ids[source], u->transaction, &a,
						       bytes_of(NULL, 0), u->room[i]);
		address(u, i, source);
		if (u->sent_at != NULL)
			u->sent_at[u->transaction % RING] = load_clock();
	}
	u->t->sent += send_batch(u, n);
}

static void take(struct udp_load *u, struct bytes reply)
{
	struct udp_head h;

	if (udp_reply_head_decode(reply, &h) != 0)
		return;
	if (h.action == UDP_CONNECT) {
		if (h.transaction < u->l->sources)
			(void)udp_connect_reply_decode(reply, &u->ids[h.transaction]);
		return;
	}
	u->t->answered++;
	u->t->errors += h.action == UDP_ERROR;
	u->t->reply_bytes += reply.len;
	if (h.action == UDP_ANNOUNCE)
		u->t->peers_told += (reply.len - 20) / 6;
	if (u->sent_at != NULL)
		load_record(u->t, load_clock() - u->sent_at[h.transaction % RING]);
}

static int receive(struct udp_load *u)
{
	int n;

	for (unsigned i = 0; i < BATCH; i++) {
		u->at[i].iov_len = UDP_REQUEST_MAX;
		u->messages[i].msg_hdr.msg_name = u->messages[i].msg_hdr.msg_control = NULL;
		u->messages[i].msg_hdr.msg_namelen = 0;
		u->messages[i].msg_hdr.msg_controllen = 0;
	}
	n = recvmmsg(u->fd, u->messages, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++)
		take(u, bytes_of(u->room[i], u->messages[i].msg_len));
	return n;
}

static void mark(struct udp_load *u, double now)
{
	struct tally *t = u->t;

	if (now - u->marked < LOST_S)
		return;
	if (t->answered + t->lost < u->sent_before)
		t->lost = u->sent_before - t->answered;
	u->sent_before = t->sent;
	u->marked = now;
}

static bool has_room(const struct udp_load *u, unsigned n)
{
	return u->t->sent + n <= u->t->answered + u->t->lost + u->l->window;
}

/* Ids for all sources, or for those that have none yet. */
static uint32_t ask_ids(struct udp_load *u, bool all)
{
	uint32_t asked = 0, i = 0;

	while (i < u->l->sources) {
		unsigned n = 0;

		for (; i < u->l->sources && n < BATCH; i++) {
			if (!all && u->ids[i] != 0)
				continue;
			u->at[n].iov_len = udp_connect_encode(i, u->room[n]);
			address(u, n, i);
			n++;
		}
		asked += send_batch(u, n);
		while (receive(u) > 0)
			;
	}
	return asked;
}

static void connect_sources(struct udp_load *u)
{
	double begun = load_clock();

	while (ask_ids(u, false) > 0) {
		struct pollfd p = {.fd = u->fd, .events = POLLIN};

		while (poll(&p, 1, 20) == 1)
			receive(u);
		errno = ETIMEDOUT;
		if (load_clock() - begun > 10)
			load_fail("the tracker does not answer connects");
	}
}

/* Sleeps between rounds would cost the server wakeups of its own: a core of ours spins instead. */
static void drive(struct udp_load *u, bool fill)
{
	double begun = load_clock(), now = begun, connected = begun;

	u->fill = fill ? u->l->peers : 0;
	while (fill ? u->fill > 0 : now - begun < u->l->seconds) {
		double due = u->l->rate * (now - begun) - (double)u->t->sent;
		unsigned n = BATCH;

		now = load_clock();
		while (receive(u) == (int)BATCH)
			;
		if (u->l->rate > 0 && !fill)
			n = due < 1 ? 0 : due < BATCH ? (unsigned)due : BATCH;
		if (fill && n > u->fill)
			n = u->fill;
		mark(u, now);
		if (n > 0 && has_room(u, n))
			send_announces(u, n);
		if (now - connected > RECONNECT_S) {
			connected = now;
			ask_ids(u, true);
		}
	}
	while (load_clock() - now < LOST_S && u->t->answered + u->t->lost < u->t->sent)
		receive(u);
}

static int open_any(void)
{
	struct sockaddr_in any = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 16 << 20;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) != 0)
		load_fail("socket");
	return fd;
}

void load_udp(struct load *l, bool fill, struct tally *t)
{
	struct udp_load *u = calloc(1, sizeof(*u));

	if (u == NULL)
		load_fail("memory");
	u->l = l;
	u->t = t;
	u->fd = open_any();
	u->ids = calloc(l->sources, sizeof(*u->ids));
	u->sent_at = l->rate > 0 && !fill ? calloc(RING, sizeof(*u->sent_at)) : NULL;
	if (u->ids == NULL)
		load_fail("memory");
	lay_out(u);
	connect_sources(u);
	u->marked = load_clock();
	drive(u, fill);
	close(u->fd);
	free(u->sent_at);
	free(u->ids);
	free(u);
}

/* ---- the floor ---- */

static size_t echo_one(const struct load *l, uint8_t *packet)
{
	uint32_t transaction = be32(packet + 12);
	bool is_connect = be32(packet + 8) == UDP_CONNECT;

	put_be32(packet, is_connect ? UDP_CONNECT : UDP_ANNOUNCE);
	put_be32(packet + 4, transaction);
	put_be64(packet + 8, 1);
	return is_connect ? 16 : 20 + l->numwant * 6;
}

void load_echo(const struct load *l)
{
	static struct mmsghdr messages[BATCH];
	static struct iovec at[BATCH];
	static struct sockaddr_in from[BATCH];
	static uint8_t room[BATCH][2048 + 64];
	struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(l->to.port)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 4 << 20;

	memcpy(&own.sin_addr, l->to.ip, 4);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&own, sizeof(own)) != 0)
		load_fail("bind");
	for (;;) {
		int n;

		for (unsigned i = 0; i < BATCH; i++) {
			at[i] = (struct iovec){room[i], 2048};
			messages[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
							      .msg_namelen = sizeof(from[i]),
							      .msg_iov = &at[i],
							      .msg_iovlen = 1};
		}
		n = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
		for (int i = 0; i < n; i++)
			at[i].iov_len = echo_one(l, room[i]);
		if (n > 0)
			(void)sendmmsg(fd, messages, (unsigned)n, 0);
	}
}
