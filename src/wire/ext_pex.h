/* wire/ext_pex.h - the extension message in which peers name others they are connected to. */
#ifndef SHOAL_WIRE_EXT_PEX_H
#define SHOAL_WIRE_EXT_PEX_H

#include "base/addr.h"
#include "base/buf.h"

/* Contacts of one message that are told or believed, each way (attack: ten thousand invented
 * peers, O-21). */
#define EXT_PEX_MAX 50u

enum {
	EXT_PEX_ENCRYPTS = 0x01, /* prefers encrypted streams */
	EXT_PEX_SEED = 0x02,	 /* has everything, or takes nothing */
	EXT_PEX_UTP = 0x04,
	EXT_PEX_HOLEPUNCH = 0x08,
	EXT_PEX_REACHABLE = 0x10, /* was dialled, and answered */
};

struct ext_pex_peer {
	struct addr addr;
	uint8_t flags; /* EXT_PEX_*; 0 for dropped ones */
};

struct ext_pex {
	struct ext_pex_peer added[EXT_PEX_MAX];
	struct addr dropped[EXT_PEX_MAX];
	uint32_t n_added, n_dropped;
};

/* Source:  BEP 11. Returns 0 or ERR_PROTO (no dictionary, a list cut short). Contacts beyond the
 *          limit, those that cannot be dialled, and a second one on a host are left out: several
 *          peers on one host are found otherwise. Loopback is not one host. */
int ext_pex_decode(struct ext_pex *m, struct bytes body);
/* Returns the buffer's answer. */
int ext_pex_encode(struct buf *out, const struct ext_pex *m);

#endif
