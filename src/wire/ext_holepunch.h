/* wire/ext_holepunch.h - the extension message by which a common peer brings two others together.
 *
 *     type 1 | family 1 | address 4 or 16 | port 2 | error 4 */
#ifndef SHOAL_WIRE_EXT_HOLEPUNCH_H
#define SHOAL_WIRE_EXT_HOLEPUNCH_H

#include "base/addr.h"
#include "base/buf.h"

enum ext_holepunch_type {
	EXT_HOLEPUNCH_RENDEZVOUS, /* bring me together with this one */
	EXT_HOLEPUNCH_CONNECT,	  /* dial this one over uTP, now, as it dials you */
	EXT_HOLEPUNCH_ERROR,	  /* that rendezvous cannot be */
};

enum ext_holepunch_error {
	EXT_HOLEPUNCH_NO_PEER = 1, /* that is no address */
	EXT_HOLEPUNCH_NOT_CONNECTED,
	EXT_HOLEPUNCH_NO_SUPPORT, /* it does not know this extension */
	EXT_HOLEPUNCH_SELF,	  /* that is the one who was asked */
};

struct ext_holepunch {
	enum ext_holepunch_type type;
	struct addr addr; /* as it came: may be any */
	uint32_t error;	  /* an enum ext_holepunch_error or, from strangers, anything */
};

/* Source:  BEP 55. Returns 0 or ERR_PROTO: another type, family or length. Messages that are no
 *          errors may lack the last member, as libtorrent's do. */
int ext_holepunch_decode(struct ext_holepunch *m, struct bytes body);
/* Always with all members. Returns the buffer's answer. */
int ext_holepunch_encode(struct buf *out, const struct ext_holepunch *m);
/* A clause in English for the code of an error message. */
const char *ext_holepunch_error_text(uint32_t error);

#endif
