/* swarm/picker.h - which block to ask for next.
 *
 * The rules, in order, for one peer that takes another block:
 *   0. An urgent piece, the first one in their order that has a free block; not a slow peer, when a
 *      faster one has it, nor one of the very first to a peer that gave nothing yet.
 *   1. The piece it is on, as long as blocks of it are free: runs of neighbouring blocks in one
 *      piece come from one peer, which is kind to its disk and to ours, and a bad piece has few
 *      suspects.
 *   2. A piece that the peer suggested: seeds share out the first copy of each (swarm_suggest.c).
 *      It is asked of this peer alone, so that who lies gains nothing by it.
 *   3. A started piece that nobody is on, or whose peers take long over it: only whole pieces
 *      can be verified and shared, so scattered blocks help nobody.
 *   4. The rarest piece that was not started; chance decides between equally rare ones, so that
 *      peers who start together do not all fetch the same. In sequence: the lowest one.
 *   5. A started piece that others are on.
 * Asking twice for a block (endgame) is the swarm's decision, who knows the peers' speed.
 *
 * Pieces not started stand in `order`, sorted by how many peers have them, in buckets:
 *
 *      order   | 7 2 9 | 4 | 0 1 3 8 |        start[0]=0 start[1]=3 start[2]=4 start[3]=8
 *      avail     0 0 0   1   2 2 2 2
 *
 * Where some pieces are wanted more than others there are as many rows of buckets as ranks, the
 * most wanted first: ends of files, when these shall come first, then high, normal, low. Pieces
 * that are not wanted are in no bucket.
 *
 * A piece that gets commoner changes places with the last of its bucket, whose border then
 * moves over it: O(1). Peers that have everything count apart (`n_all`): they change no order.
 *
 * One that has nearly everything costs what it lacks, not what it has: for it all others would
 * move up by one bucket, so these stay, what it lacks moves down, and `low`, the bucket of what
 * nobody has, is one less from then on. Coming and going are done whichever way is shorter, and
 * who comes to have everything, or takes a piece of it back, moves nothing but `low` (attack:
 * a million pieces moved for a bitfield that never was, or for one DONTHAVE). */
#ifndef SHOAL_SWARM_PICKER_H
#define SHOAL_SWARM_PICKER_H

#include "base/addr.h"
#include "base/bitfield.h"
#include "base/rng.h"
#include "meta/metainfo.h"
#include "meta/selection.h"
#include "swarm/effects.h"

#define PICKER_NONE UINT32_MAX
/* A started piece is shared with more peers when it is not all asked for after this long. */
#define PICKER_SHARE_MS 3000u
/* With more than this much begun and not whole, peers join started pieces rather than begin others:
 * what is begun lies in buffers (O-47), which are few. It is twice what four peers at memory speed
 * are asked for ahead: with half of it two of them share most pieces, whose blocks then come out of
 * order, and a sixth of a v1 torrent is read back to be hashed. */
#define PICKER_FETCH_BYTES (64u << 20)

/* Of the urgent pieces so many are needed at once: no peer is tried with them. */
#define PICKER_SOON 8u

/* Suggestions of one peer that are remembered, the latest ones (attack: endless ones). */
#define PICKER_SUGGESTED 8u

/* Pieces that a peer came to have since nothing was found for it; with more all are searched
 * (attack: a HAVE of 9 bytes that has a million pieces searched for what it said itself). */
#define PICKER_NEWS 8u

/* Who sent a block. */
struct sender {
	struct peer_ref ref;
	struct addr addr;
};

enum {
	BLOCK_DONE = 1,	  /* received, or a pad */
	BLOCK_SHARED = 2, /* more than one peer may have been asked */
};

struct block {
	uint8_t asked; /* peers it is asked of now, given-up ones not counted */
	uint8_t flags;
	uint16_t by; /* index + 1 into senders, 0 nobody */
};

enum open_state {
	OPEN_FETCHING,
	OPEN_VERIFYING, /* the shell looks at it */
	OPEN_JUDGING,	/* it was bad, the hashes of its blocks are being fetched */
	OPEN_DEAD,	/* cannot become good: bad though nobody sent any of it */
	OPEN_PARKED,	/* not wanted any more; what came of it is kept */
};

struct open_piece {
	uint32_t piece;
	uint32_t n_blocks, n_free, n_done;
	uint32_t cursor;      /* no block before it is free */
	uint32_t n_on;	      /* peers whose current piece it is */
	uint32_t n_kept;      /* blocks that nobody sent: they lay on disk before */
	uint32_t n_leaf_asks; /* for the hashes of its blocks, since it was found bad */
	enum open_state state;
	struct peer_ref only; /* slot != PICKER_NONE: this peer alone may be asked */
	uint64_t serial;
	uint64_t opened_ms;
	struct sender *senders;
	uint32_t n_senders, senders_cap;
	struct block blocks[];
};

/* What the picker knows of a peer; kept in the peer. */
struct asker {
	uint64_t dry;		    /* nothing for it while the picker is at this version */
	uint64_t dry_fresh;	    /* the same for pieces not begun */
	const struct bitfield *has; /* NULL: everything */
	struct peer_ref ref;
	uint64_t serial;  /* of the open piece it meant */
	uint32_t current; /* piece, PICKER_NONE */
	uint32_t hint;	  /* block after the one it took last */
	bool far;	  /* asked only for what no near one gives */
	bool slow;	  /* others are much faster: they get what is urgent */
	bool tried;	  /* it gave something */
	uint32_t n_suggested, n_news;
	uint32_t suggested[PICKER_SUGGESTED]; /* oldest first */
	uint32_t news[PICKER_NEWS]; /* not begun, and all there is for it if `dry_fresh` */
};

/* What is planned for a piece: an enum want, and whether a file begins or ends in it and that
 * shall come first. */
#define PLAN_WANT 3u
#define PLAN_END 4u
#define PICKER_RANKS 4u

struct urgent {
	uint32_t piece;
	bool fast_only; /* a peer that was tried and is not slow has it */
};

struct picker {
	/* Every HAVE looks at these. */
	struct bitfield have;
	struct bitfield held;		   /* nobody is asked for them yet; without memory: none */
	uint32_t window_first, window_end; /* nobody is asked for any outside of it */
	uint16_t *avail; /* peers with the piece, those with everything left out, beyond `low` */
	uint32_t *place; /* index in order; PICKER_OPEN | index in open; PICKER_NONE had */
	uint32_t *order; /* NULL with `place` when every piece is had */
	uint32_t *start; /* n_ranks * n_buckets + 1 */
	uint8_t *plan;	 /* PLAN_* a piece; NULL: all are wanted alike */
	struct rng *rng;
	uint32_t n_buckets, n_ranks;
	uint32_t low; /* avail[] of what no peer with part of the torrent has; none is less */
	uint32_t n_order;
	uint32_t n_missing; /* wanted and not had */
	uint32_t n_all;

	uint32_t near_all;	/* near ones that give and have everything */
	uint16_t *near;		/* as avail, of near ones that give; NULL: nobody is far */
	uint64_t version;	/* moves when something can be asked for that could not before */
	uint64_t version_fresh; /* the same for pieces not begun */
	struct open_piece **open;
	uint32_t n_open, open_cap;
	uint32_t n_reserved; /* open pieces that one peer alone may be asked for */
	uint32_t n_urgent;
	uint32_t free_blocks;  /* in open pieces that are being fetched */
	uint64_t fetch_bytes;  /* of them in all */
	struct urgent *urgent; /* none is had */
	const struct metainfo *meta;
	uint64_t serials;
	bool sequential;	       /* the lowest first instead of the rarest */
	uint32_t lowest[PICKER_RANKS]; /* sequential: no fresh piece of that rank is before it */
};

/* Borrows `meta` and `rng`. Returns 0 or ERR_NOMEM. */
int picker_init(struct picker *p, const struct metainfo *meta, struct rng *rng);
void picker_fini(struct picker *p);
/* Before anything else was called. */
int picker_set_have(struct picker *p, const struct bitfield *have);

static inline uint32_t picker_missing(const struct picker *p)
{
	return p->n_missing;
}
static inline bool picker_is_wanted(const struct picker *p, uint32_t piece)
{
	return p->plan == NULL || (p->plan[piece] & PLAN_WANT) != WANT_NOT;
}
/* Wanted and not had. */
static inline bool picker_lacks(const struct picker *p, uint32_t piece)
{
	return !bitfield_has(&p->have, piece) && picker_is_wanted(p, piece);
}

/* Another plan for all pieces (PLAN_*; NULL: all alike). Pieces that are begun are the caller's
 * to park or thaw. Returns 0 or ERR_NOMEM, then nothing changed.
 * Owns: `plan` is taken, from malloc, unless it fails. */
int picker_set_plan(struct picker *p, uint8_t *plan_take);
/* Lowest first, or rarest first. */
void picker_set_sequential(struct picker *p, bool on);
/* Nobody is asked for more of the pieces before `first`, or from `end` on. */
void picker_set_window(struct picker *p, uint32_t first, uint32_t end);
/* Replace the urgent ones. Returns 0 or ERR_NOMEM, then nothing changed. */
int picker_set_urgent(struct picker *p, const uint32_t *pieces, uint32_t n);

/* Nobody is asked for these pieces until each is released, or begun by picker_begin(). Before
 * anything is begun, once. Returns 0 or ERR_NOMEM. */
int picker_hold(struct picker *p, const struct bitfield *pieces);
void picker_release(struct picker *p, uint32_t piece);
static inline bool picker_is_held(const struct picker *p, uint32_t piece)
{
	return p->held.count > 0 && bitfield_has(&p->held, piece);
}

/* The first held piece at or after `from`, or the number of pieces. */
uint32_t picker_next_held(const struct picker *p, uint32_t from);

/* Peers with part of the torrent that have the piece. */
static inline uint32_t picker_copies(const struct picker *p, uint32_t piece)
{
	return p->avail[piece] - p->low;
}

/* Make room for this many peers with part of the pieces. Returns 0 or ERR_NOMEM. */
int picker_reserve(struct picker *p, uint32_t peers);
/* One more (one less) peer has it. */
void picker_add(struct picker *p, uint32_t piece);
void picker_remove(struct picker *p, uint32_t piece);
/* A peer comes that has these, or goes. No more than half of the pieces move. */
void picker_add_bits(struct picker *p, const struct bitfield *has);
void picker_remove_bits(struct picker *p, const struct bitfield *has);

/* From now on far askers get only what no near one that gives has; when that is new, it is counted
 * from nothing. False without memory. */
bool picker_near_make(struct picker *p);
/* A near one gives, that has these (NULL: everything), or does so no more. */
void picker_near_add_bits(struct picker *p, const struct bitfield *has);
void picker_near_remove_bits(struct picker *p, const struct bitfield *has);
void picker_near_drop(struct picker *p);

/* The next block for `a`, marked as asked. False: none, other than by asking twice. */
bool picker_pick(struct picker *p, struct asker *a, uint64_t now_ms, uint32_t *piece,
		 uint32_t *block);
/* From urgent pieces alone. */
bool picker_pick_urgent(struct picker *p, struct asker *a, uint64_t now_ms, uint32_t *piece,
			uint32_t *block);
/* The same for who gives long runs best (picker_run.c). `seeds`: somebody else has everything; else
 * pieces that no peer has come first. */
bool picker_pick_run(struct picker *p, struct asker *a, bool seeds, uint64_t now_ms,
		     uint32_t *piece, uint32_t *block);
/* The same from one piece only. */
bool picker_pick_in(struct picker *p, struct asker *a, uint32_t piece, uint64_t now_ms,
		    uint32_t *block);
/* The peer told of one more piece. */
void picker_on_have(const struct picker *p, struct asker *a, uint32_t piece);
/* The peer suggested a piece. */
void picker_on_suggest(struct asker *a, uint32_t piece);
/* `a` is on no piece any more. */
void picker_leave(struct picker *p, struct asker *a);

/* NULL when the piece is not begun. */
struct open_piece *picker_open(const struct picker *p, uint32_t piece);
/* Begin a piece nobody was asked for; for pieces that are all pad. NULL: not to be begun now. */
struct open_piece *picker_begin(struct picker *p, uint32_t piece, uint64_t now_ms);

/* Is a missing piece among those of `has` (NULL: all) that so many peers with part of the torrent
 * have? Looks at those with as many copies alone. */
bool picker_lacks_any(const struct picker *p, const struct bitfield *has, uint32_t copies);
/* Fresh pieces, those that no peer has a part of the torrent with. */
uint32_t picker_alone(const struct picker *p);
/* Least copies of a piece that is lacking (picker_copies(); UINT32_MAX: none is), and how many such
 * pieces have none. Looks at pieces that are begun alone. */
uint32_t picker_rarest(const struct picker *p, uint32_t *alone);
/* Is every missing piece that anybody has begun? Then the end has come. */
bool picker_all_begun(const struct picker *p);
/* A second peer is asked; false when the block is not asked for already. */
bool picker_ask_again(struct picker *p, uint32_t piece, uint32_t block);
/* A peer that was asked is not counted on any more. `late`: it may still answer. */
void picker_unask(struct picker *p, uint32_t piece, uint32_t block, bool late);
/* It is begun, and nothing of it has come or is asked for. */
bool picker_is_untouched(const struct picker *p, uint32_t piece);
/* Such a piece is not begun any more; nobody may answer late. Who has it looks again by
 * picker_on_have(). */
void picker_give_back(struct picker *p, uint32_t piece);
/* Came from `from`. Returns whether others may have been asked for it. */
bool picker_receive(struct picker *p, uint32_t piece, uint32_t block, const struct sender *from);

/* The block is on disk, from nobody. False when it is there already. */
bool picker_keep(struct picker *p, struct open_piece *o, uint32_t block);

/* Every block is there: nobody shall be asked until a verdict. */
void picker_freeze(struct picker *p, struct open_piece *o, enum open_state state);
/* The verdict: had for good, begun or not; or fetch all of it again; or one block of it. */
void picker_good(struct picker *p, uint32_t piece);
void picker_again(struct picker *p, struct open_piece *o, uint64_t now_ms);
void picker_block_again(struct picker *p, struct open_piece *o, uint32_t block);
/* Back to fetching after picker_block_again() of some, or after being parked; parked when it is not
 * wanted. */
void picker_thaw(struct picker *p, struct open_piece *o, uint64_t now_ms);
/* `ref` alone (slot PICKER_NONE: anybody) may be asked for it. */
void picker_reserve_for(struct picker *p, struct open_piece *o, struct peer_ref ref);
/* A piece that was had is gone. Returns 0 or ERR_NOMEM (it is then still had). */
int picker_lose(struct picker *p, uint32_t piece);

/* Assert every invariant; and that nothing can be asked of `a` when that is said of it. */
void picker_check(const struct picker *p);
void picker_check_asker(const struct picker *p, const struct asker *a);

#endif
