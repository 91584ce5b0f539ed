/* swarm/metadata.h - fetches the info dictionary behind an info-hash from peers none of whom is
 * trusted.
 *
 *     sizes claimed --> copies, piece by piece --> a whole one --> does it hash to what is wanted?
 *
 * Only the whole can be checked. At first everybody works on one copy for each size that is
 * claimed. When such a copy is wrong nobody knows who lied: from then on each copy is one peer's
 * alone, so that a wrong one is proof. Events in; requests are pulled. */
#ifndef SHOAL_SWARM_METADATA_H
#define SHOAL_SWARM_METADATA_H

#include "base/bytes.h"
#include "base/digest.h"
#include "wire/ext_metadata.h"

/* Peers that are asked; their numbers are below this. */
#define METADATA_PEERS_MAX 64u
/* Copies that are put together at one time, each of at most EXT_METADATA_MAX bytes (attack: each
 * liar claims a size of its own, O-20). */
#define METADATA_COPIES_MAX 4u
/* A copy that is not whole after so long makes way when another one has no place (attack: liars who
 * give a piece now and then). */
#define METADATA_COPY_MS 30000u
/* Whole wrong copies of its own that make a liar (O-20). */
#define METADATA_WRONG_MAX 2u
/* Pieces asked of one peer at a time. */
#define METADATA_ASKED_MAX 2u
/* Peers asked for one piece at a time, once all pieces are asked for. */
#define METADATA_RACE_MAX 3u
/* No answer for so long: the piece is anybody's again, and the peer is left alone for a while. So
 * it is after a reject; the pause doubles with each, up to the longest (attack: rejects without
 * end, O-20). */
#define METADATA_PATIENCE_MS 8000u
#define METADATA_PAUSE_MS 2000u
#define METADATA_PAUSE_MAX_MS 60000u

struct metadata;

struct metadata_params {
	bool has_v1, has_v2; /* at least one; what is had must fit all that are known */
	uint8_t hash_v1[SHA1_LEN];
	uint8_t hash_v2[SHA256_LEN];
};

/* Returns NULL without memory. */
struct metadata *metadata_new(const struct metadata_params *p);
void metadata_free(struct metadata *m);

/* Peer number `peer` says that it has so many bytes of it; 0: nothing new. Returns 0, or ERR_PROTO:
 * no size that there is, or another one than it said before. Close it then. */
int metadata_on_size(struct metadata *m, uint32_t peer, uint64_t bytes);
/* Its number may be another's from now on. True: it gave a wrong copy, and shall not come back to
 * be asked for one more. */
bool metadata_on_closed(struct metadata *m, uint32_t peer);

/* The next request to send; false: none for now. */
bool metadata_next(struct metadata *m, uint64_t now_ms, uint32_t *peer, uint32_t *piece);
/* Any message of type DATA or REJECT. *taken: a piece that this peer was asked for; what comes
 * unasked shows nothing.
 * Returns: 0; ERR_PROTO: it breaks the protocol, close it; ERR_DENIED: a liar, ban it; ERR_NOMEM.
 */
int metadata_on_message(struct metadata *m, uint32_t peer, const struct ext_metadata *msg,
			uint64_t now_ms, bool *taken);

/* What came of copy `number`, below METADATA_COPIES_MAX. False: there is none, or it is proven. */
struct metadata_copy {
	uint32_t bytes;
	uint64_t begun_ms;
};
bool metadata_copy(const struct metadata *m, uint32_t number, struct metadata_copy *out);
/* That copy is thrown away; those who work on it are left alone for a while. */
void metadata_give_up(struct metadata *m, uint32_t number, uint64_t now_ms);

/* When metadata_next() may have something new without another event; UINT64_MAX: never. */
uint64_t metadata_deadline_ms(const struct metadata *m, uint64_t now_ms);
/* The dictionary, proven; empty while it is not there. Borrowed. */
struct bytes metadata_result(const struct metadata *m);
/* Pieces that came, and how many there are of the copy that is furthest. */
void metadata_progress(const struct metadata *m, uint32_t *have, uint32_t *pieces);

#endif
