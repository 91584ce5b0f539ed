/* node/lan_find.h - which indexes are there on the local network?
 * Source: RFC 6762 6.7 (one question from a port of its own), RFC 6763. */
#ifndef SHOAL_NODE_LAN_FIND_H
#define SHOAL_NODE_LAN_FIND_H

#include "base/addr.h"
#include "base/err.h"
#include "net/tls.h"
#include "wire/mdns.h"

/* What an index is called among services, and the keys of what it says of itself. */
#define LAN_INDEX_TYPE "_shoal._tcp"
#define LAN_KEY_ID "id"	  /* of this one index, for its life: LAN_ID_LEN hex digits */
#define LAN_KEY_PIN "pin" /* it speaks TLS, and has this key */
#define LAN_ID_LEN 32u

/* More of them are not looked at (attack: a host that invents indexes without end). */
#define LAN_FOUND_MAX 32u
/* From the first answer on, for others to answer. */
#define LAN_OTHERS_MS 250u

struct lan_index {
	char id[LAN_ID_LEN + 1];
	char pin[TLS_PIN_TEXT_MAX];    /* "": plain HTTP */
	char name[MDNS_LABEL_MAX + 1]; /* a stranger's: not escaped */
	struct addr at;		       /* where its answer came from, and its port */
};

/* Ask and wait: until LAN_OTHERS_MS after the first answer, for `wait_ms` when there is none, or
 * until `enough` (may be NULL) says so of what was found. Each index once, IPv4 rather than IPv6.
 * Returns: how many there are, at most LAN_FOUND_MAX, at once 0 without a network to ask on;
 *          ERR_NOMEM, ERR_IO. */
int lan_find(uint32_t wait_ms,
	     bool (*enough)(void *user, const struct lan_index *found, unsigned n), void *user,
	     struct lan_index found[LAN_FOUND_MAX], struct err_info *info);

#endif
