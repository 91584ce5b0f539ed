/* wire/handshake.h - the 68 bytes that open a peer connection. */
#ifndef SHOAL_WIRE_HANDSHAKE_H
#define SHOAL_WIRE_HANDSHAKE_H

#include "base/bytes.h"

#define HANDSHAKE_LEN 68

struct handshake {
	bool fast;     /* BEP 6 */
	bool extended; /* BEP 10 */
	bool dht;      /* BEP 5 */
	bool v2;       /* BEP 52: may be upgraded to v2 of a hybrid torrent */
	uint8_t info_hash[20];
	uint8_t peer_id[20];
};

/* Returns: HANDSHAKE_LEN consumed, 0 need more, ERR_PROTO as soon as a byte of the
 * protocol string is wrong (so that noise is dropped at its first byte). */
int handshake_decode(struct handshake *h, struct bytes in);
void handshake_encode(const struct handshake *h, uint8_t out[HANDSHAKE_LEN]);

#define CLIENT_TEXT_MAX 64
/* "shoal 0.1.0", "libtorrent 2.0.8", "-XX1234-" escaped when unknown (BEP 20). */
const char *handshake_client(char out[CLIENT_TEXT_MAX], const uint8_t peer_id[20]);

/* Is this one of ours ("-SH....-")? */
bool handshake_is_shoal(const uint8_t peer_id[20]);

#endif
