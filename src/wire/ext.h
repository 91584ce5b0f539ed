/* wire/ext.h - the extension handshake and its dictionary. */
#ifndef SHOAL_WIRE_EXT_H
#define SHOAL_WIRE_EXT_H

#include "base/addr.h"
#include "base/buf.h"

#define EXT_CLIENT_MAX 64
/* Most outstanding requests we let the other side announce as its queue. */
#define EXT_REQQ_MAX 2048u

struct ext_handshake {
	bool upload_only;				  /* BEP 21 */
	uint16_t port;					  /* "p", 0 unknown */
	uint32_t reqq;					  /* requests it queues, 0 unknown */
	uint32_t metadata_size;				  /* BEP 9, 0 unknown */
	uint8_t ut_metadata, ut_pex, donthave, holepunch; /* its ids for these, 0: none */
	uint32_t run_bytes; /* "shoal_run", ours: longest PIECE that it takes, 0 unknown */
	bool has_yourip;
	struct addr yourip;	     /* port 0 */
	char client[EXT_CLIENT_MAX]; /* "v", cut, not yet escaped */
};

/* Source:  BEP 10. Returns 0 or ERR_PROTO (not a dictionary). Values of a wrong type or
 *          range are taken as absent. A later handshake has in "m" what changes: the ids that
 *          it does not name stay as they are in `h`, which is zeroed before the first one. */
int ext_decode(struct ext_handshake *h, struct bytes body);
/* The bencoded dictionary (without message head). */
int ext_encode(struct buf *out, const struct ext_handshake *h);

#endif
