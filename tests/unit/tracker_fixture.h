/* tests/unit/tracker_fixture.h - peers that announce themselves, for the tests of the tracker. */
#ifndef SHOAL_TEST_TRACKER_FIXTURE_H
#define SHOAL_TEST_TRACKER_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "index/tracker_impl.h"
#include "test.h"

#define NOW 1000000u
#define OURS "SH0100"
#define STOCK "TR3000"

static inline struct tracker *new_tracker(uint32_t peers_max)
{
	struct tracker_params p = {.seed = 7, .key = {1, 2}, .peers_max = peers_max};
	struct tracker *t = tracker_new(&p);

	CHECK(t != NULL);
	return t;
}

static inline struct addr addr_from(const char *text)
{
	struct addr a;

	CHECK_INT(addr_parse(bytes_str(text), 0, &a), 0);
	return a;
}

/* "SHOAL" or a stock client; the rest of the id tells peers apart. */
static inline struct announce announce_of(char swarm, const char *client, uint32_t who,
					  uint64_t left)
{
	struct announce a = {.left = left, .numwant = ANNOUNCE_PEERS_DEFAULT, .compact = true};

	memset(a.info_hash, swarm, sizeof(a.info_hash));
	snprintf((char *)a.peer_id, sizeof(a.peer_id), "-%s-%010u", client, who);
	return a;
}

static inline struct announce_reply say(struct tracker *t, struct announce a, const char *from,
					uint64_t now)
{
	struct announce_reply r;
	struct addr addr = addr_from(from);

	a.port = addr.port;
	CHECK_INT(tracker_announce(t, &a, &addr, NULL, now, &r), 0);
	tracker_check(t);
	return r;
}

static inline bool told_of(const struct announce_reply *r, const char *text)
{
	struct addr a = addr_from(text);

	for (uint32_t i = 0; i < r->n_peers; i++) {
		if (addr_eq(&r->peers[i].addr, &a))
			return true;
	}
	return false;
}

static inline uint64_t count(const struct tracker *t)
{
	uint64_t swarms, peers;

	tracker_counts(t, &swarms, &peers);
	return peers;
}
static inline struct announce_reply say_as_host(struct tracker *t, uint32_t host, uint16_t port,
						uint32_t swarm, uint64_t now)
{
	struct announce a = announce_of(0, STOCK, host, 1);
	struct announce_reply r;
	struct addr from = {.port = port};

	put_be32(a.info_hash, swarm);
	put_be32(from.ip, host);
	a.port = port;
	a.numwant = 200;
	CHECK_INT(tracker_announce(t, &a, &from, NULL, now, &r), 0);
	return r;
}
static inline struct announce_reply ask_as(struct tracker *t, const struct addr *from,
					   uint64_t left, uint32_t want)
{
	struct announce a = announce_of(0, STOCK, 1, left);
	struct announce_reply r;

	memset(a.info_hash, 0, sizeof(a.info_hash));
	a.port = from->port;
	a.numwant = want;
	CHECK_INT(tracker_announce(t, &a, from, NULL, NOW, &r), 0);
	return r;
}

/* IPv4 "10.subnet.subnet.host" or IPv6 "2001:subnet::host". */
static inline struct addr addr_in(bool v6, uint32_t subnet, uint32_t host, uint16_t port)
{
	struct addr a = {.v6 = v6, .port = port};

	if (v6) {
		put_be32(a.ip, 0x20010000 | subnet);
		put_be32(a.ip + 12, host);
	} else {
		put_be32(a.ip, 10u << 24 | subnet << 8 | host);
	}
	return a;
}
/* Clients of different names are in different swarms. */
static inline void hash_of_many(uint8_t out[20], const char *client, uint32_t swarm)
{
	memset(out, client[0], 20);
	put_be32(out, swarm);
}

static inline void announce_many(struct tracker *t, const char *client, uint32_t from, uint32_t to,
				 uint32_t swarms, uint64_t now)
{
	for (uint32_t i = from; i < to; i++) {
		struct announce a = announce_of(0, client, i, 1);
		struct addr addr = addr_in(false, i / 100, i % 100, 1);
		struct announce_reply r;

		hash_of_many(a.info_hash, client, i % swarms);
		a.port = 1;
		CHECK_INT(tracker_announce(t, &a, &addr, NULL, now, &r), 0);
		CHECK(!r.failed);
	}
}

#endif
