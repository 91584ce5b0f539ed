/* index/roster_impl.h - what roster.c and roster_pieces.c share; private to them. */
#ifndef SHOAL_INDEX_ROSTER_IMPL_H
#define SHOAL_INDEX_ROSTER_IMPL_H

#include "base/hash_map.h"
#include "index/roster.h"

struct roster_host {
	uint8_t key[SHA1_LEN];
	uint32_t n;
};

struct roster_swarm {
	uint8_t hash[SHA1_LEN];
	LIST_HEAD(, roster_member) members;
	uint32_t n, watchers;
	bool changed; /* since the watchers were told */
};

struct roster {
	struct hash_map peers, hosts, swarms; /* by peer id, host, info-hash */
	TAILQ_HEAD(, roster_session) silence; /* who spoke last at the end */
	TAILQ_HEAD(, roster_member) told;     /* whom the tracker was told of last at the end */
	uint32_t n_sessions, n_members, n_dht;
	size_t map_bytes;
	uint64_t next_id;
};

#endif
