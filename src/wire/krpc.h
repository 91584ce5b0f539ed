/* wire/krpc.h - messages of the distributed hash table as values. Pure: no socket, clock or heap
 * beyond the buffer that is written to.
 * Source: BEP 5; members of BEP 32, 42, 43, 44 and 51. */
#ifndef SHOAL_WIRE_KRPC_H
#define SHOAL_WIRE_KRPC_H

#include "base/addr.h"
#include "base/bencode.h"

/* Longer datagrams are none of this protocol. */
#define KRPC_IN_MAX 1500u
/* What we send. BEP 32 asks for at most 1024, which only messages with a stored value pass: 1000
 * bytes of it, key, signature, salt, token. */
#define KRPC_OUT_MAX 1400u
/* Transaction ids and tokens that strangers choose and we send back (attack: making us repeat much,
 * and to whom they say). */
#define KRPC_TID_MAX 20u
#define KRPC_TOKEN_MAX 64u
/* Source: BEP 44. */
#define KRPC_VALUE_MAX 1000u
#define KRPC_SALT_MAX 64u
/* Peers in one reply that are read (attack: a list of thousands). */
#define KRPC_PEERS_MAX 128u

enum krpc_type { KRPC_QUERY, KRPC_REPLY, KRPC_ERROR };

enum krpc_method {
	KRPC_UNKNOWN, /* not ours; has a `target` when it may be answered like find_node */
	KRPC_PING,
	KRPC_FIND_NODE,
	KRPC_GET_PEERS,
	KRPC_ANNOUNCE_PEER,
	KRPC_GET,
	KRPC_PUT,
	KRPC_SAMPLE,
};

enum krpc_fault {
	KRPC_FAULT_GENERIC = 201,
	KRPC_FAULT_SERVER = 202,
	KRPC_FAULT_PROTOCOL = 203,
	KRPC_FAULT_METHOD = 204,
	KRPC_FAULT_VALUE_SIZE = 205,
	KRPC_FAULT_SIGNATURE = 206,
	KRPC_FAULT_SALT_SIZE = 207,
	KRPC_FAULT_CAS = 301,
	KRPC_FAULT_SEQ = 302,
};

enum { KRPC_WANT_4 = 1, KRPC_WANT_6 = 2 };

/* Members that are absent have a NULL pointer, or their has_ flag unset. */
struct krpc {
	enum krpc_type type;
	enum krpc_method method;
	struct bytes tid;
	bool read_only;	      /* BEP 43 */
	struct bytes seen_as; /* "ip": how the sender sees us, 6 or 18 bytes (BEP 42) */

	const uint8_t *id;     /* 20 bytes */
	const uint8_t *target; /* 20 bytes; "info_hash" where the method says so */
	unsigned want;	       /* KRPC_WANT_* (BEP 32) */
	struct bytes token;
	uint16_t port;
	bool implied_port;
	struct bytes nodes, nodes6; /* whole compact entries of 26 and 38 bytes */
	struct bytes samples;	    /* whole info-hashes (BEP 51) */
	int64_t interval, num;	    /* with samples */

	struct bytes v;	    /* a bencoded value, verbatim (BEP 44) */
	const uint8_t *key; /* 32 bytes */
	const uint8_t *sig; /* 64 bytes */
	struct bytes salt;
	bool has_seq, has_cas;
	int64_t seq, cas;

	struct benc values;	  /* decoded: list of peers, see krpc_next_peer() */
	const struct addr *peers; /* to encode as "values" */
	size_t n_peers;

	int64_t fault; /* KRPC_ERROR */
	struct bytes fault_text;
};

/* A whole datagram. Unknown members are ignored, as are members of a wrong kind that the method
 * can do without.
 * Returns: 0; ERR_PROTO or ERR_TOO_BIG. When that was a query whose transaction is known, out->type
 *          is KRPC_QUERY, out->tid is set and out->fault is the error that it may be answered with;
 *          else out->tid.ptr is NULL and nothing can be answered.
 * Owns:    everything in `out` borrows from `packet`. */
int krpc_decode(struct bytes packet, struct krpc *out);

/* Peers of a reply, one after the other: those of 6 and of 18 bytes; others are skipped. */
struct krpc_peers {
	struct benc_iter it;
	unsigned n;
};
struct krpc_peers krpc_peers(const struct krpc *m);
bool krpc_next_peer(struct krpc_peers *p, struct addr *out);

/* Append the canonical form: members that the message has, sorted; queries want method, id and
 * what the method needs. Returns 0 or the error of the buffer, which then holds what it held. */
int krpc_encode(const struct krpc *m, struct buf *out);

/* IP and port as 6 or 18 bytes. Returns the length. */
#define KRPC_ENDPOINT_MAX 18u
size_t krpc_endpoint_put(uint8_t out[KRPC_ENDPOINT_MAX], const struct addr *a);
/* ERR_PROTO for any other length. */
int krpc_endpoint_get(struct bytes in, struct addr *out);

#endif
