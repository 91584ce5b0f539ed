/* wire/lsd.h - "I am in these swarms", said to the local network. Pure. */
#ifndef SHOAL_WIRE_LSD_H
#define SHOAL_WIRE_LSD_H

#include "base/buf.h"
#include "base/digest.h"

#define LSD_GROUP_V4 "239.192.152.143"
#define LSD_GROUP_V6 "ff15::efc0:988f"
#define LSD_PORT 6771u
/* Info-hashes of one datagram: what fits in BEP 14's 1,400 bytes. Further ones are not read. */
#define LSD_HASHES_MAX 20u
#define LSD_COOKIE_MAX 32u

struct lsd {
	bool v6;			 /* to which group it is said */
	uint16_t port;			 /* where the sender takes connections */
	char cookie[LSD_COOKIE_MAX + 1]; /* "": none; a longer one is cut */
	uint8_t hashes[LSD_HASHES_MAX][SHA1_LEN];
	uint32_t n_hashes;
};

/* Source:  BEP 14. Header names of any case, in any order; unknown ones and hashes that are none
 * are let pass. Returns 0 or ERR_PROTO: another request, no port, no hash. */
int lsd_decode(struct lsd *m, struct bytes in);
/* Returns the buffer's answer. */
int lsd_encode(struct buf *out, const struct lsd *m);

#endif
