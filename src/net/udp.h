/* net/udp.h - UDP sockets that threads share, and datagrams by the batch. */
#ifndef SHOAL_NET_UDP_H
#define SHOAL_NET_UDP_H

#include "base/addr.h"
#include "base/err.h"

/* Taken and answered with one system call each. */
#define UDP_BATCH 64u
#define UDP_SOCKETS_MAX 16u
/* Longer ones are dropped; longer answers are not sent. */
#define UDP_IN_MAX 1536u
#define UDP_OUT_MAX 1232u

/* Open up to `n` sockets (at most UDP_SOCKETS_MAX) on one address and port, given as for
 * tcp_listen(). A datagram reaches socket number w mod n, where w is its big-endian word at offset
 * `word_at` (at least 4); a shorter one is spread by the word before that, and is the first
 * socket's when it has not even that.
 * Returns: how many there are: n, or 1 where the system cannot steer datagrams; or ERR_EXISTS (port
 *          taken), ERR_DENIED, ERR_INVALID, ERR_IO.
 * Owns:    the descriptors in fds[] are the caller's to close. */
int udp_open(const char *host, uint16_t port, unsigned n, unsigned word_at, int *fds,
	     uint16_t *bound_port, struct err_info *info);

struct udp_batch;

struct udp_datagram {
	struct addr from, to; /* `to`: our own address, which the answer leaves from */
	bool v6;	      /* it came over IPv6 */
	struct bytes in;
	size_t out_len; /* 0: no answer; set by the caller */
	uint8_t *out;	/* UDP_OUT_MAX bytes */
};

/* For one socket and one thread. NULL: out of memory. Owns: not the descriptor. */
struct udp_batch *udp_batch_new(int fd);
void udp_batch_free(struct udp_batch *b);

/* Take what waits, up to UDP_BATCH datagrams, without waiting.
 * Returns: their number, 0 when there are none, or ERR_IO. */
int udp_receive(struct udp_batch *b);
/* The i-th of them, until the next udp_receive(). */
struct udp_datagram *udp_at(struct udp_batch *b, unsigned i);
/* Send the answers. Never waits: returns how many were dropped, since the socket was full or the
 * sender cannot be reached. */
unsigned udp_answer(struct udp_batch *b);

#endif
