/* bench/announce_load.h - what the parts of the load generator share. */
#ifndef SHOAL_BENCH_ANNOUNCE_LOAD_H
#define SHOAL_BENCH_ANNOUNCE_LOAD_H

#include "base/rng.h"
#include "wire/announce.h"

/* Peers are told apart by their source address, which nobody believes from the request, and their
 * port: peer number p comes from source p mod `sources`, with port 1024 + p / sources. */
struct load {
	struct addr to, from; /* `from`: the first source address; the next ones follow */
	bool keep_alive;
	uint32_t torrents, peers, numwant, sources;
	uint32_t window;      /* announces under way over UDP */
	uint32_t lines;	      /* connections at a time over HTTP */
	double seconds, rate; /* rate: announces a second; 0: as many as it takes */
	int pid;	      /* the server's; 0: unknown */
	struct rng rng;
};

struct tally {
	uint64_t sent, answered, errors, lost, reply_bytes, peers_told;
	uint64_t micros[64][16]; /* of answers: by the highest bit and the four after it */
};

double load_clock(void);
/* CPU seconds of l->pid so far. */
double load_server_cpu(const struct load *l);
void load_source(const struct load *l, uint32_t i, struct addr *out);
void load_hash(uint32_t torrent, uint8_t out[20]);
/* The same peer is always in the same torrent, and a fifth of them are seeds. */
void load_announce(const struct load *l, uint32_t peer, struct announce *out);
/* Next peer: in order while `fill` counts down, then by chance. */
uint32_t load_next(struct load *l, uint32_t *fill);
void load_record(struct tally *t, double seconds);
void load_fail(const char *what);
/* A TCP socket that comes from there; the connect may be under way. */
int load_socket(const struct load *l, uint32_t source);

/* Each announces every peer once when `fill`, else for l->seconds. */
void load_udp(struct load *l, bool fill, struct tally *t);
void load_http(struct load *l, bool fill, struct tally *t);
/* Answers announces with as many bytes as a tracker would, and does nothing else. */
void load_echo(const struct load *l);

#endif
