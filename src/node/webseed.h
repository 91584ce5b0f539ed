/* node/webseed.h - the web servers that have a torrent's files (BEP 19), as sources of its swarm.
 *
 *     swarm: blocks expected of a source --> a row of them --> one GET with a Range a file
 *     body, block by block --> its slab in the store --> swarm_on_block(), as from a peer
 *
 * So rates, blame, the end of a download and stalls are the swarm's alone, and whoever serves a
 * wrong byte is not asked again for this torrent. What is asked is a row as long as the server
 * brings in some seconds (swarm_source.c).
 *
 * A server that answers with the whole file although a part was asked for is used for files of at
 * most WEBSEED_WHOLE_BYTES; larger ones are left to others. What is not wanted of it is dropped; it
 * is read on behind what was asked for as long as more of what follows is expected, since the next
 * answer would begin at the front again.
 *
 * 401, 403, 404, 410 and 416: it does not have that file. 429, 5xx and what fails on the way: asked
 * again after a pause that doubles, or after what Retry-After says. The pause stays short while
 * nobody else has anything that is missing, as then the download waits for it alone. Anything else,
 * an answer that is not what was asked for, or a compressed one: put aside.
 * Of more servers than are asked at a time one that has nothing of what is missing makes way for
 * another one, for WEBSEED_RETRY_MAX_MS.
 *
 * Who may be asked: addresses that are open to everyone, and what a user has named. A torrent says
 * whatever its maker likes, so servers that it names are asked only if they are no nearer to us
 * than `nearest`, wherever names and redirects lead (attack: http://192.168.1.1/reboot?, the
 * metadata service of a cloud). One that the user named is wherever it is, but leads to this
 * machine or a link-local address only from as near (`wary` in net/http_client.h). */
#ifndef SHOAL_NODE_WEBSEED_H
#define SHOAL_NODE_WEBSEED_H

#include "node/node_impl.h"

/* Read of a file that cannot be had in parts. */
#define WEBSEED_WHOLE_BYTES (16u << 20)
/* Nothing came for so long: another try later. */
#define WEBSEED_STALL_S 20u
#define WEBSEED_RETRY_MS 2000u
#define WEBSEED_RETRY_MAX_MS (10u * 60u * 1000u)
/* The longest pause while there is nothing else to fetch from. */
#define WEBSEED_RETRY_ALONE_MS 30000u
/* Answers in a row of less than a block and less than what was asked for (attack: one byte each,
 * and a request for every one). */
#define WEBSEED_SCRAPS_MAX 8u
/* The longest that a server may have us wait (attack: Retry-After of a year). */
#define WEBSEED_RETRY_AFTER_MAX_S 3600u

struct webseeds;

/* Those of the torrent, and those in `p`. None is asked before webseeds_start(). NULL without
 * memory, and where there are none (then *n is 0). */
struct webseeds *webseeds_new(struct transfer *t, const struct transfer_params *p, size_t *n);
/* NULL is fine, here and below. */
void webseeds_free(struct webseeds *w);
/* The swarm knows what is missing. */
void webseeds_start(struct webseeds *w);
/* Nothing more is asked. */
void webseeds_stop(struct webseeds *w);
/* EFFECT_FETCH and EFFECT_CLOSE of one of its sources. */
void webseeds_on_fetch(struct webseeds *w);
void webseeds_on_close(struct webseeds *w, struct peer_ref ref, const char *reason);
/* Memory for blocks is there again. */
void webseeds_unstarve(struct webseeds *w);

#endif
