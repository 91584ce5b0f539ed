/* dht/dht_impl.h - what the files of a node share among themselves. */
#ifndef SHOAL_DHT_DHT_IMPL_H
#define SHOAL_DHT_DHT_IMPL_H

#include "base/addr_votes.h"
#include "dht/dht.h"
#include "dht/item_store.h"
#include "dht/lookup.h"
#include "dht/peer_store.h"
#include "dht/routes.h"
#include "dht/token.h"

/* Slot and chance, so that an answer finds its question and nobody guesses it. */
#define TID_LEN 4u
/* Housekeeping. */
#define MAINTAIN_MS 30000u
/* Our neighbours are looked for again: soon after the start, when we know more nodes than those
 * that we began with, which may have lied; and then as they change. */
#define SELF_FIRST_MS 60000u
#define SELF_AGAIN_MS (10u * 60u * 1000u)

enum pending_kind {
	PENDING_FREE,
	PENDING_PING, /* is it there? It becomes ours when it answers */
	PENDING_LOOKUP,
	PENDING_STORE,
};

struct pending {
	enum pending_kind kind;
	bool slow, knows_id;
	uint8_t id[NODE_ID_LEN];
	uint32_t tid; /* low byte: the slot */
	uint32_t search;
	struct addr to;
	uint64_t sent_ms;
};

enum search_kind { SEARCH_NODES, SEARCH_PEERS, SEARCH_ANNOUNCE, SEARCH_GET, SEARCH_PUT };

struct store_target {
	struct contact at;
	uint8_t token_len, token[KRPC_TOKEN_MAX];
};

struct search {
	uint32_t number;
	enum search_kind kind;
	bool ours; /* housekeeping: tells nobody */
	bool active, storing;
	uint8_t target[NODE_ID_LEN];
	struct lookup *side[2]; /* while it is active; NULL: not this family */
	uint32_t stores_out;	/* announces or puts that wait for an answer */
	uint32_t asked, answers, stored;
	int64_t fault;
	uint16_t port;
	bool has_cas, found;
	int64_t cas, newest;   /* sequence number found last; -1 none */
	struct dht_item *item; /* PUT */
	uint8_t salt_len, salt[KRPC_SALT_MAX];
	struct store_target *targets; /* still to be sent to, from the end */
	uint32_t n_targets;
};

/* What answers say our address is, the newest ones. */
struct votes {
	struct addr_votes votes;
	bool is_known;
	struct addr address;
};

struct dht {
	struct rng rng;
	struct siphash_key secret;
	bool read_only;
	bool family[2]; /* [v6] */
	uint16_t outer_port;
	struct routes table[2]; /* each with an id of its own, which its address allows */
	struct gate gate;
	struct peer_store peers;
	struct item_store items;

	struct pending *pending;
	uint32_t n_pending, cap_pending; /* slots; taken ones among them */
	uint32_t n_pings;		 /* of kind PENDING_PING */
	uint64_t asked;			 /* queries, in all */

	struct search **searches; /* in the order they came */
	uint32_t n_searches, cap_searches, n_active, next_number;

	struct votes votes[2];

	/* What lookups found in the mean: lookup_bits() of their eight nearest. */
	uint32_t mean_bits[2];

	uint64_t now_ms; /* of the call that runs */
	uint64_t maintain_ms, self_ms;
	uint64_t sent_bytes, received_bytes, queries, kept_back;
};

/* ---- dht_ask.c: queries of ours ---- */
/* False: not now (the gate, or no memory). `m` lacks type, id and transaction. */
bool dht_ask(struct dht *d, enum pending_kind kind, uint32_t search, const struct addr *to,
	     const uint8_t *id, struct krpc *m, struct dht_effects *fx);
void dht_on_reply(struct dht *d, const struct addr *from, const struct krpc *m,
		  struct dht_effects *fx);
void dht_expire_pending(struct dht *d, struct dht_effects *fx);
uint64_t dht_pending_deadline(const struct dht *d);
bool dht_ping(struct dht *d, const struct contact *c, struct dht_effects *fx);

/* ---- dht_answer.c: queries of others ---- */
void dht_on_query(struct dht *d, const struct addr *from, const struct krpc *q,
		  struct dht_effects *fx);
void dht_send_fault(struct dht *d, const struct addr *to, struct bytes tid, int64_t fault,
		    struct dht_effects *fx);

/* ---- dht_search.c ---- */
struct search *dht_search_new(struct dht *d, enum search_kind kind,
			      const uint8_t target[NODE_ID_LEN]);
/* Look around ourselves, from the table and, if not NULL, from this place. */
void dht_search_self(struct dht *d, const struct addr *place, struct dht_effects *fx);
/* Start what may start, ask what may be asked, end what is done. */
void dht_search_turn(struct dht *d, struct dht_effects *fx);
void dht_search_free_all(struct dht *d);
/* A query of this search was answered (m NULL: not). */
void dht_search_on_answer(struct dht *d, const struct pending *p, const struct krpc *m,
			  struct dht_effects *fx);
void dht_search_on_slow(struct dht *d, const struct pending *p);
/* When the gate opens for one that waits for it; UINT64_MAX: none does. */
uint64_t dht_search_ready_ms(const struct dht *d);

/* ---- dht_self.c: our own id and address ---- */
void dht_vote(struct dht *d, const struct addr *voter, struct bytes seen_as);

static inline const uint8_t *dht_self(const struct dht *d, bool v6)
{
	return d->table[v6].self;
}

#endif
