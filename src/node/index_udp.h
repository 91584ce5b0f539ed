/* node/index_udp.h - the UDP tracker: threads that carry datagrams between sockets and shards.
 *
 * What has no good connection id is not answered, a connect alone excepted, whose answer is as long
 * as itself: nobody can have a third party flooded (O-25). A wrong id costs one hash and no
 * answer, no log line and no memory (O-26). */
#ifndef SHOAL_NODE_INDEX_UDP_H
#define SHOAL_NODE_INDEX_UDP_H

#include "base/err.h"
#include "node/index_access.h"
#include "node/shards.h"

#define INDEX_UDP_THREADS_MAX 16u

struct index_udp;

struct index_udp_counts {
	uint64_t connects, announces, scrapes;
	uint64_t refused, scrapes_refused; /* announces and scrapes answered with an error */
	uint64_t ignored;		   /* no such request, or no good connection id */
	uint64_t dropped;		   /* answers that could not be sent */
};

/* Open sockets as tcp_listen() does, for as many threads as asked for, or fewer where the system
 * cannot steer datagrams. Nothing is answered before index_udp_start(). */
int index_udp_new(const char *host, uint16_t port, unsigned threads, struct index_udp **out,
		  struct err_info *info);
/* The number of threads there will be: make as many shards. */
unsigned index_udp_threads(const struct index_udp *u);
uint16_t index_udp_port(const struct index_udp *u);
/* `access` judges passkeys, which BEP 41 brings in announces: "/announce/TOKEN"; scrapes have none.
 * NULL: everyone may everything. Owns: both are borrowed until index_udp_free(). Returns 0,
 * ERR_NOMEM or ERR_IO. */
int index_udp_start(struct index_udp *u, struct shards *shards, struct index_access *access);
/* Stops and joins the threads. */
void index_udp_free(struct index_udp *u);

/* Sums of all threads; from any thread. */
void index_udp_counts(struct index_udp *u, struct index_udp_counts *out);

/* How many threads serve best here: all cores but the one of the loop, at most three. */
unsigned index_udp_default_threads(void);

#endif
