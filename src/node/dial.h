/* node/dial.h - how a connection to a peer is begun: over TCP or uTP, encrypted or not, as the
 * node's settings say, and once more in the other way when it came to nothing. */
#ifndef SHOAL_NODE_DIAL_H
#define SHOAL_NODE_DIAL_H

#include "net/stream.h"

struct node;

struct dial {
	struct addr to;
	bool encrypt;  /* we begin so */
	bool second;   /* made anew, encrypted if the first was not and the other way round */
	bool utp;      /* else over TCP */
	bool utp_next; /* when that fails, over uTP */
};

/* TCP comes first: it costs less, and to a peer that both reach it is as good. When it fails, or
 * after NODE_TCP_FIRST_MS, uTP does. Both at once would double the dials of all addresses that are
 * dead. */
struct dial dial_first(const struct node *n, const struct addr *to);
/* Over uTP alone, and at once. */
struct dial dial_utp(const struct node *n, const struct addr *to);

/* Begin. *d says how: where TCP could not even be begun, uTP may have been.
 * Returns 0 and the stream, which is writable when it is connected or failed; or why there is none:
 * see dial_is_want(). */
int dial_begin(const struct node *n, struct dial *d, struct stream *out);
/* By when it has to be connected. */
uint64_t dial_deadline_ms(const struct node *n, const struct dial *d);
/* Is this error a want of our own: places, memory, descriptors? It says nothing of the address. */
bool dial_is_want(int err);

#endif
