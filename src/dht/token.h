/* dht/token.h - proof that a sender of datagrams receives at its address, which nobody has to
 * remember: SipHash(key, five-minute period, address).
 * Source: BEP 5: made anew every five minutes, accepted for ten. */
#ifndef SHOAL_DHT_TOKEN_H
#define SHOAL_DHT_TOKEN_H

#include "base/addr.h"
#include "base/siphash.h"

#define TOKEN_LEN 8u
#define TOKEN_PERIOD_MS (5u * 60u * 1000u)

/* The port is not part of it: a NAT may give the next datagram another one. */
void token_make(uint8_t out[TOKEN_LEN], struct siphash_key key, const struct addr *host,
		uint64_t now_ms);
/* Made for this host in this period or the one before? (attack: storing other people's addresses,
 * O-38) */
bool token_is_good(struct bytes token, struct siphash_key key, const struct addr *host,
		   uint64_t now_ms);

#endif
