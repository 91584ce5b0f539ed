/* dht/lookup.h - one iterative lookup: whom to ask next, and when the nearest are found.
 *
 * Candidates lie in the order of their distance. The nearest that has not been asked is next, while
 * it is among the LOOKUP_K nearest that have not failed. Lies cost time but not the result:
 *   - nobody counts before he answered himself, with the id he was said to have;
 *   - an id that its address may not have (BEP 42) does not count among the nearest;
 *   - of one provider's range LOOKUP_PER_RANGE are taken, so that nobody's own network surrounds a
 *     target however its ids were chosen (eclipse, O-38);
 *   - of those that one node named, few are waited for at once, so that the paths that others named
 *     go on meanwhile, and none is asked any more when too many of them did not answer;
 *   - liars who know each other can surround a lookup with real nodes of theirs, but only as
 * densely as they are many: when those that were found lie much farther apart than the nodes around
 * ourselves, more are asked, until others lead further;
 *   - a place is freed by failed candidates before any other, and the number of queries has an end.
 */
#ifndef SHOAL_DHT_LOOKUP_H
#define SHOAL_DHT_LOOKUP_H

#include "dht/contact.h"
#include "wire/krpc.h"

#define LOOKUP_K 8u
#define LOOKUP_ALPHA 4u
#define LOOKUP_NODES_MAX 80u
/* Of one reply (attack: a reply of fifty invented nodes). */
#define LOOKUP_NAMED_MAX LOOKUP_K
#define LOOKUP_PER_NAMER 2u
/* One node's word is lost with so many silent ones more than ones that answered. */
#define LOOKUP_CREDIT 3u
#define LOOKUP_PER_RANGE 2u
/* The eight nearest have together so many bits less in common with the target than the eight next
 * to us with our id: too sparse. By chance that happens once in about twenty lookups, and costs a
 * few queries. */
#define LOOKUP_SPARSE_BITS 12u
/* Then so many others of our own table are asked, of so many that were taken from there. Each
 * begins a path, which goes on until the nearest of those that are named on it have answered. */
#define LOOKUP_DETOURS 3u
#define LOOKUP_ROOTS_MAX 24u
#define LOOKUP_PATH_K 3u
/* Nodes whose ids do not fit their addresses, in the list. */
#define LOOKUP_UNFIT_MAX 8u
/* Attack: a chain of ever nearer nodes without end. */
#define LOOKUP_ASKS_MAX 256u

enum lookup_state { LOOKUP_FRESH, LOOKUP_ASKED, LOOKUP_SLOW, LOOKUP_ANSWERED, LOOKUP_FAILED };

struct lookup_node {
	struct contact at;
	enum lookup_state state;
	bool no_id;   /* only its address is known: a place to begin */
	bool unfit;   /* BEP 42 */
	uint8_t hop;  /* 1: from our table */
	uint8_t path; /* 0: the common one */
	uint16_t serial, namer;
	uint8_t token_len;
	uint8_t token[KRPC_TOKEN_MAX];
};

struct lookup {
	uint8_t target[NODE_ID_LEN];
	uint8_t self[NODE_ID_LEN];
	bool v6;
	uint16_t next_serial;
	uint32_t n, asks, answers;
	uint8_t n_paths;
	uint32_t expect; /* bits that the eight nearest are expected to have in common with it */
	struct lookup_node nodes[LOOKUP_NODES_MAX];
};

/* `expect`: lookup_bits() of the nodes next to ourselves. */
void lookup_init(struct lookup *l, const uint8_t target[NODE_ID_LEN],
		 const uint8_t self[NODE_ID_LEN], bool v6, uint32_t expect);
/* Bits that eight nodes have in common with an id, together; 0 of fewer nodes. */
uint32_t lookup_bits(const uint8_t id[NODE_ID_LEN], const struct contact *near, uint32_t n);
/* Where to begin: from our table. */
void lookup_add(struct lookup *l, const struct contact *c);
/* And a place of which only the address is known. Each begins a path of its own: who knows nobody
 * yet must not be led astray by one that lies. */
void lookup_add_address(struct lookup *l, const struct addr *a);

/* Whom to ask now; it counts as asked. The node's id, or NULL in *id while unknown. False: nobody
 * for the time being. */
bool lookup_next(struct lookup *l, struct addr *to, const uint8_t **id);
/* It answered: its id, the compact nodes it named (of the lookup's family), its token. */
void lookup_on_answer(struct lookup *l, const struct contact *from, struct bytes nodes,
		      struct bytes token);
/* Nodes of this lookup's family that one of the other named (BEP 32). */
void lookup_add_named(struct lookup *l, const struct addr *namer, struct bytes nodes);
/* No answer for a while: others may be asked in its stead, but it is still waited for. */
void lookup_on_slow(struct lookup *l, const struct addr *a);
void lookup_on_failed(struct lookup *l, const struct addr *a);
/* The nearest have all answered, or there is nobody left to ask. */
bool lookup_is_done(const struct lookup *l);
/* The same, but that slow ones may still answer. In a table of hardly more than LOOKUP_K nodes each
 * that has left is one of the nearest, and not worth waiting for once there is something to go on
 * with. */
bool lookup_is_settled(const struct lookup *l);
/* lookup_bits() of what it found. */
uint32_t lookup_found_bits(const struct lookup *l);
/* It is done: does it go on by other paths, since what it found is too sparse? */
bool lookup_detour(struct lookup *l);

/* The nearest that answered and gave a token (`token`; else any), those with fitting ids first.
 * Returns how many of `cap`. */
uint32_t lookup_nearest(const struct lookup *l, bool token, const struct lookup_node **out,
			uint32_t cap);
/* Hops to the nearest that answered; 0 none. */
unsigned lookup_hops(const struct lookup *l);

#endif
