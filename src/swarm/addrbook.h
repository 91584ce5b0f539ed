/* swarm/addrbook.h - the addresses of one torrent's peers: when to dial which, and whom never.
 *
 * An address is dialled again after a pause that doubles with each failure and is spread by
 * chance, so that many peers do not knock at one door together. Addresses that gave us data, or
 * that the user named, are never given up: when the last holder comes back the download goes on. */
#ifndef SHOAL_SWARM_ADDRBOOK_H
#define SHOAL_SWARM_ADDRBOOK_H

#include "base/addr.h"
#include "base/rng.h"
#include "base/siphash.h"
#include "swarm/swarm.h"

#define ADDRBOOK_RETRY_MS 5000u
/* The same where somebody answered and hung up, as libtorrent does until its torrent is ready, or
 * where the user says that somebody is, while there is nobody else: who starts both ends together
 * should not wait for the one that was quicker. */
#define ADDRBOOK_RETRY_SOON_MS 500u
#define ADDRBOOK_RETRY_MAX_MS (10u * 60u * 1000u)
/* Of addresses that were good once. */
#define ADDRBOOK_RETRY_GOOD_MS 20000u
/* Those that the user named are dialled each ADDRBOOK_RETRY_MS so often (a link may name many, all
 * of one victim): whoever names one before somebody is there does not wait for long after that. */
#define ADDRBOOK_USER_TRIES 24u
/* Bans kept (attack: bans without end); the oldest gives way. */
#define ADDRBOOK_BANS_MAX 1024u
/* Protocol breaches within ADDRBOOK_STRIKE_MS that make a ban. */
#define ADDRBOOK_STRIKES 3u
#define ADDRBOOK_STRIKE_MS (10u * 60u * 1000u)
#define ADDRBOOK_STRIKES_KEPT 64u

enum address_state { ADDRESS_IDLE, ADDRESS_DIALING, ADDRESS_CONNECTED };

struct address {
	struct addr addr;
	uint32_t next;	/* index + 1 in its chain */
	uint8_t state;	/* enum address_state */
	uint8_t source; /* enum addr_source */
	uint8_t failures;
	bool good;		 /* gave us something once */
	bool seed;		 /* needs nothing: of no use to one that is complete */
	bool said_complete;	 /* others say that it has, and it did not tell otherwise */
	bool self;		 /* it is us */
	bool dialled;		 /* once at least */
	bool first;		 /* that is under way */
	bool punch;		 /* not reachable, it is said, but by hole punching */
	struct peer_ref told_by; /* who said so in a peer exchange last; none: finds nobody */
	uint32_t priority;	 /* swarm/priority.h; 0 while we do not know our address */
	uint64_t due_ms;	 /* may be dialled from then on */
	uint64_t reached_ms;	 /* a connection that we had made to it ended; 0: none did, or it
				  * was dialled in vain since */
};

struct addr_mark {
	struct addr addr;
	uint64_t until_ms;
};

struct addrbook {
	struct address *list;
	uint32_t n, cap;
	uint32_t *heads; /* index + 1; `heads_cap` is a power of two */
	uint32_t heads_cap;
	uint32_t n_dialing, n_first; /* of them, for the first time */
	struct siphash_key key;
	struct rng *rng;
	struct addr_mark *bans;
	uint32_t n_bans, bans_cap;
	struct addr_mark *strikes; /* a ring */
	uint32_t n_strikes, strike_at;
	bool knows_self[2]; /* [v6]: how others see us */
	struct addr self[2];
};

/* Borrows `rng`. Allocates nothing yet. */
void addrbook_init(struct addrbook *b, struct rng *rng);
void addrbook_fini(struct addrbook *b);

struct address *addrbook_find(const struct addrbook *b, const struct addr *a);
/* Known already, or added and due at once. The user's word, its own on the local network, or that
 * it has just arrived makes one due that is known. NULL: not dialable, banned, no room for one so
 * little useful, or no memory. */
struct address *addrbook_add(struct addrbook *b, const struct addr *a, enum addr_source src,
			     uint64_t now_ms);

/* How others see us: of addresses that are worth the same, those of a higher priority come first.
 */
void addrbook_set_self(struct addrbook *b, const struct addr *self);
/* Between us and a peer there; 0: not known. */
uint32_t addrbook_priority(const struct addrbook *b, const struct addr *a);

enum address_wish {
	WISH_ANY,
	WISH_COMPLETE, /* of those that are worth the same, who is said to have everything */
	WISH_LACKING,  /* nobody who needs nothing */
};
/* The most promising idle address that is due, now ADDRESS_DIALING; or NULL, and *due_ms is when
 * the next one will be (UINT64_MAX: none). */
struct address *addrbook_dial(struct addrbook *b, enum address_wish wish, uint64_t now_ms,
			      uint64_t *due_ms);
/* How many that were never dialled may be now; counts up to `most`. */
uint32_t addrbook_untried(const struct addrbook *b, uint32_t most, uint64_t now_ms);
/* How many are connected or being dialled that are said to have everything. */
uint32_t addrbook_complete(const struct addrbook *b);
/* Is there an idle address that is due? */
bool addrbook_has_due(const struct addrbook *b, uint64_t now_ms);
void addrbook_set_state(struct addrbook *b, struct address *a, enum address_state state);
void addrbook_on_failed(struct addrbook *b, struct address *a, uint64_t now_ms);
/* Somebody is there, who may be about to be ready. */
void addrbook_on_hung_up(struct addrbook *b, struct address *a, uint64_t now_ms);
/* Nobody is there, and there is nobody else to talk with: as addrbook_on_hung_up() for those that
 * the user named, and as addrbook_on_failed() for others. */
void addrbook_on_failed_alone(struct addrbook *b, struct address *a, uint64_t now_ms);
/* It was not dialled after all, for a reason of ours: as if it had not been handed out, but not due
 * for so many milliseconds, more or less. */
void addrbook_put_off(struct addrbook *b, struct address *a, uint64_t ms, uint64_t now_ms);
/* All that are idle are due: what we heard when we needed nothing says little of what they give. */
void addrbook_recall(struct addrbook *b, uint64_t now_ms);
/* The connection ended; `useful`: it gave something, or lasted. */
void addrbook_on_closed(struct addrbook *b, struct address *a, bool useful, uint64_t now_ms);
/* Not before this many milliseconds, more or less. */
void addrbook_delay(struct addrbook *b, struct address *a, uint64_t ms, uint64_t now_ms);

/* Whom bans and limits of one host mean: addr_subscriber(); but 127.0.0.1 and ::1 are every program
 * of this machine, so there it is the one address and port. */
struct addr addrbook_host(const struct addr *a);
/* Does a ban of `ban` hold for it? */
bool addrbook_covers(const struct addr *ban, const struct addr *a);
int addrbook_ban(struct addrbook *b, const struct addr *a, uint64_t now_ms, uint64_t ms);
bool addrbook_is_banned(const struct addrbook *b, const struct addr *a, uint64_t now_ms);
/* Note a breach; true when there have been enough for a ban. */
bool addrbook_strike(struct addrbook *b, const struct addr *a, uint64_t now_ms);

void addrbook_check(const struct addrbook *b);

#endif
