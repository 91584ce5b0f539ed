/* wire/connection_id.h - proof that a sender of datagrams receives at its address, as a number that
 * nobody has to remember. Pure.
 *
 *     8 bits: the second it was made, modulo 256 | 56 bits: SipHash(key, that second, address)
 *
 * The second is known to the bit within its lifetime, and the hash covers all of it: an older
 * number that has the right eight bits again is as wrong as a guess (2^-56). Time being part of
 * what is hashed, each second has a key of its own, so to say, and the one key lives as long as
 * the process.
 *
 * The port is not part of it. What must be proven is that an announce puts no third party's address
 * into a swarm, and the port of the datagram is not told to anyone. NATs forget a mapping after
 * half a minute of silence and give another port then, while clients use a number for a minute:
 * their announces would be dropped. */
#ifndef SHOAL_WIRE_CONNECTION_ID_H
#define SHOAL_WIRE_CONNECTION_ID_H

#include "base/addr.h"
#include "base/siphash.h"

/* Source: BEP 15, "until two minutes after it has been sent". Attack: announces for addresses that
 * somebody held earlier (O-23). */
#define CONNECTION_ID_S 120u

/* `now_s` is any clock that does not go back. */
uint64_t connection_id_make(struct siphash_key key, const struct addr *host, uint64_t now_s);
/* Made for this host, with this key, at most CONNECTION_ID_S ago? */
bool connection_id_is_good(struct siphash_key key, const struct addr *host, uint64_t now_s,
			   uint64_t id);

#endif
