/* swarm/swarm_parts.h - the inside of a swarm, shared by the swarm_*.c files only. */
#ifndef SHOAL_SWARM_SWARM_PARTS_H
#define SHOAL_SWARM_SWARM_PARTS_H

#include "base/buf.h"
#include "swarm/addrbook.h"
#include "swarm/blame.h"
#include "swarm/choker.h"
#include "swarm/peer.h"
#include "swarm/swarm.h"

#define SWARM_NO_SLOT UINT32_MAX
/* Connections being made at once. */
#define SWARM_DIALS_MAX 100u
/* While fewer than this let us download, so many more are looked for from time to time. */
#define SWARM_GIVERS_FEW 5u
#define SWARM_PEERS_MORE 10u
/* Of those who came to us and gave nothing of late a getter counts so many; the others are as good
 * as nobody (attack: idle connections, as many as we dial at most, after which nobody would be
 * dialled). With fewer more is dialled in a crowd, too, in which most give nothing yet: of 100 that
 * start together the last needed 1.5 % longer when it was half of those that are looked for. */
#define SWARM_SILENT_MAX 40u
/* While anything is asked for, stalls are looked for this often. */
#define SWARM_CHECK_MS 250u
/* A keepalive is sent after this much silence of ours. */
#define SWARM_KEEPALIVE_MS 90000u
/* A peer that gave nothing for this long may have to leave when all places are taken. */
#define SWARM_GENEROUS_MS 60000u
/* After a breach, when it had to go, and when the other side has us already. */
#define SWARM_REDIAL_LATER_MS 300000u
/* A dial for which there was no place is made so much later. Seeds, of which a process may have
 * thousands, wait longer. */
#define SWARM_PUT_OFF_MS 5000u
#define SWARM_PUT_OFF_SEED_MS 60000u
/* First and longest pause between two WANT_PEERS. */
#define SWARM_WANT_FIRST_MS 15000u
#define SWARM_WANT_MAX_MS 300000u
/* Fewer peers than this are few. */
#define SWARM_PEERS_FEW 4u
/* How long a peer may take over leaf hashes. */
#define SWARM_LEAVES_MS 10000u
/* Our numbers for BEP 11 "ut_pex", BEP 9 "ut_metadata", BEP 55 "ut_holepunch" and BEP 54
 * "lt_donthave". */
#define SWARM_EXT_PEX 1u
#define SWARM_EXT_METADATA 2u
#define SWARM_EXT_HOLEPUNCH 4u
#define SWARM_EXT_DONTHAVE 7u
/* A peer is told of others so long after it said that it wants to know, and then no more often than
 * BEP 11 allows; while there is nothing new, this often is looked. */
#define SWARM_PEX_FIRST_MS 2000u
#define SWARM_PEX_MS 60000u
#define SWARM_PEX_LOOK_MS 10000u
/* Peer exchange that comes sooner after the last one is let pass (attack: one each second, O-21).
 * Less than the minute of BEP 11, since clocks and queues differ. */
#define SWARM_PEX_HEED_MS 50000u
/* Contacts that a peer was told of at one time; what we remember of it. */
#define SWARM_PEX_TOLD_MAX 100u
/* Seeds do not stay connected to one another: for so long after a seed has reached another one it
 * tells others of it. */
#define SWARM_PEX_SEED_MS (60u * 60u * 1000u)

/* Hash requests under way for pieces that may be partly on disk, in all and at one peer: enough to
 * hide its round trip, and less than what others answer at a time (HASH_TASKS_MAX). */
#define STALE_ASKS_MAX 32u
#define STALE_ASKS_PEER 8u

/* Leaves of one piece that were asked for. */
struct stale_ask {
	uint32_t piece;
	struct peer_ref peer;
	uint64_t until_ms;
	uint8_t *leaves; /* proven, while the disk is read; NULL: the peer has not answered */
	uint32_t n_leaves;
};

struct stale {
	struct stale_ask *asks; /* STALE_ASKS_MAX; NULL: nothing is stale */
	uint32_t n_asks;
	uint32_t next;	      /* where to look for the next piece */
	uint32_t version;     /* moves when a piece can be asked about that could not before */
	uint32_t patience_ms; /* how much longer peers may stand idle for hashes */
	uint64_t looked_ms;   /* last */
};

struct slot {
	struct peer *peer; /* NULL: free */
	uint32_t gen;
};

struct swarm {
	/* What every message looks at. */
	struct slot *slots;
	uint32_t n_slots;
	uint32_t n_peers, n_sources; /* of all in slots; of them sources */
	uint32_t n_partial;	     /* peers with a bitfield of their own */
	bool paused;
	bool ends_first;  /* first and last pieces of files come before others */
	bool no_upload;	  /* nobody is unchoked */
	bool returned;	  /* blocks became free: others may want them */
	bool places;	  /* an upload place may be free */
	bool redial;	  /* look for somebody to dial */
	bool split;	  /* some peers are far */
	bool bridge;	  /* we ask far ones */
	bool pads_due;	  /* pieces that are all pad can be verified */
	bool punches;	  /* BEP 55 is spoken */
	bool spare_seeds; /* others bring enough: seeds are asked for little at a time */
	const struct metainfo *meta;
	struct bitfield given; /* pieces that a seed is giving to somebody; no memory before */
	struct picker picker;
	struct rng rng;
	uint32_t pads_at; /* from here on pieces that are all pad were not verified yet */
	uint32_t n_pads;  /* of them being verified */

	/* When something is due: swarm_deadline_ms(). */
	uint64_t choke_at_ms, check_at_ms, idle_at_ms, dial_at_ms, want_at_ms, turnover_at_ms;
	uint64_t takers_at_ms; /* do those who have places take anything? */
	uint64_t haves_at_ms;
	uint64_t pex_at_ms;   /* some peer is due to be told of others */
	uint64_t punch_at_ms; /* an introducer should have answered */

	/* What every block looks at. */
	struct rate down, up;
	uint64_t down_bytes, up_bytes, wasted_bytes, kept_bytes;
	uint64_t left_bytes, unwanted_bytes; /* of missing pieces, wanted or not */
	/* Good pieces that not all were told of; of them n_told are new to seeds alone. */
	uint32_t haves[SWARM_HAVES_MAX], n_haves, n_told;
	uint64_t haves_ms, seeds_ms; /* when getters and seeds were told last */

	uint8_t peer_id[20];
	uint16_t port, outer_port;
	uint32_t max_peers;
	uint32_t dial_peers; /* with so many nobody is dialled */
	uint32_t try_peers;  /* but up to so many to try them, 0 none */
	uint32_t n_tried;    /* in this way, and nobody left for them yet */
	uint32_t n_in_vain;  /* dials that failed since one came through, at most SWARM_DIALS_MAX */
	char client[64];
	struct addrbook book;
	struct choker choker;
	struct blame blame;
	struct stale stale;
	uint16_t
	    *given_to;	  /* slot + 1 of who got it first from us; 0 nobody, or it was passed on */
	uint32_t give_at; /* where it looks for the next */
	uint32_t n_taken, n_waiting; /* interested peers that we let download, or not */
	uint32_t n_stalled;	     /* peers that take nothing */
	uint32_t n_extra;	     /* places beyond the choker's, until its next round */
	uint64_t busy_ms;	     /* a near one that gives was at work for us */
	uint64_t split_ms;	     /* when some were far for the first time, 0 never */
	uint32_t far_most;	     /* far ones that are asked at a time */
	bool far_more;		     /* more than before, to see whether that brings more */
	uint64_t far_at_ms, far_bps; /* that is looked at then; what far ones gave before */
	uint64_t more_at_ms, tries_at_ms, tries_pause_ms; /* of the turnover */
	uint64_t tries_bps;		   /* what came in all when others were tried last */
	uint64_t want_pause_ms, wanted_ms; /* the newest wish, or the start */
	struct holepunch *holepunch;	   /* NULL: not needed yet */
	uint64_t hash_second; /* within which `hash_spent` was spent on hash requests */
	uint64_t hash_spent;
	struct buf scratch; /* what msg.body of the current effects points to */
};

/* One call from outside: what every part needs while it lasts. */
struct turn {
	struct swarm *s;
	uint64_t now_ms;
	struct effects *fx;
};

/* swarm_turn.c: what every part uses */
struct peer *swarm_find(const struct swarm *s, struct peer_ref ref);
/* The next peer at or after slot *i, which moves behind it; NULL at the end. */
struct peer *swarm_next_peer(const struct swarm *s, uint32_t *i);
/* Called last in every entry point: what one event made possible for others. */
void swarm_settle(struct turn *t);
void swarm_send(struct turn *t, struct peer *p, const struct wire_msg *m);
void swarm_say(struct turn *t, struct peer *p, enum wire_type type);
/* Nothing that is wanted is missing. */
static inline bool swarm_complete(const struct swarm *s)
{
	return picker_missing(&s->picker) == 0;
}

/* Whoever may be asked for something is looked at from time to time. */
static inline void swarm_check_soon(struct turn *t)
{
	if (t->s->check_at_ms > t->now_ms + SWARM_CHECK_MS)
		t->s->check_at_ms = t->now_ms + SWARM_CHECK_MS;
}

/* swarm_connect.c: after each of these but swarm_ban() `p` is gone */
void swarm_drop(struct turn *t, struct peer *p, const char *reason);
/* Against the protocol: close, and a strike towards a ban. */
void swarm_breach(struct turn *t, struct peer *p, const char *reason);
void swarm_ban(struct turn *t, const struct sender *who, const char *reason);
void swarm_dial(struct turn *t);
/* How many are dialled at most; some places stay for those who come to us: they may not be
 * reachable. */
uint32_t swarm_most_to_dial(const struct swarm *s);
/* While something is missing: one that came to us, and gave nothing of late. */
bool swarm_is_silent_guest(const struct turn *t, const struct peer *p);
/* So many of them count; SWARM_SILENT_MAX, and not more than half of what may be dialled. */
uint32_t swarm_silent_guests_most(const struct swarm *s);
/* Peers that we have or are dialling, as far as they count. */
uint32_t swarm_count_peers(const struct turn *t);
bool swarm_has_enough(const struct turn *t);
/* We are complete: those who need nothing either may go. */
bool swarm_is_useless(const struct swarm *s, const struct peer *p);
void swarm_drop_useless(struct turn *t);

/* A free slot with its generation, or slot SWARM_NO_SLOT without memory. */
struct peer_ref swarm_take_slot(struct swarm *s);

/* swarm_room.c */
/* What swarm_params' max_peers means. */
uint32_t swarm_peers_limit(uint32_t asked);
/* All places are taken: somebody gives way to the newcomer. False: nobody does. */
bool swarm_make_room(struct turn *t, const struct peer_hello *h);

/* swarm_turnover.c */
/* There are enough peers: from now on better ones are looked for. */
void swarm_begin_turnover(struct turn *t);
void swarm_turn_over(struct turn *t);

/* swarm_source.c */
/* All that is ever said to one. */
void swarm_tell_source(struct turn *t, const struct peer *p, enum wire_type type);
uint32_t swarm_source_depth(const struct peer *p, uint64_t now_ms);
/* The first urgent piece is asked of nobody: what sources are at makes way for it. */
void swarm_urge_sources(struct turn *t);
bool swarm_pick_for_source(struct turn *t, struct peer *p, uint32_t *piece, uint32_t *block);

/* swarm_plan.c */
void swarm_count_left(struct swarm *s);

/* swarm_urgent.c: who gets urgent pieces, and which are asked for twice. From time to time. */
void swarm_hurry(struct turn *t);

/* swarm.c */
/* Something is lacking in what was complete: peers are asked for, and dialled, as if at a start. */
void swarm_want_again(struct turn *t);
/* A peer is gone: if what is lacking is nowhere now, others are wanted without the pause that had
 * grown while it was there. */
void swarm_want_soon(struct swarm *s, uint64_t now_ms);

/* swarm_have.c */
/* It has everything, or all that it wants. */
static inline bool swarm_needs_nothing(const struct peer *p)
{
	return p->has_all || p->upload_only;
}
/* The address of one that needs nothing is of no use to a swarm that is complete. After each change
 * of that, and before it is sent away. */
void swarm_note_needs(struct turn *t, const struct peer *p);
/* What it has and we lack: after the plan changed. */
void swarm_count_wanted(const struct swarm *s, struct peer *p);
/* Has the peer something that we lack, and shall it be asked? */
bool swarm_is_wanted(const struct swarm *s, const struct peer *p);
void swarm_update_interest(struct turn *t, struct peer *p);
void swarm_forget_pieces(struct swarm *s, struct peer *p);
void swarm_on_bitfield(struct turn *t, struct peer *p, struct bytes body);
void swarm_on_have_all(struct turn *t, struct peer *p, bool all);
/* These answer false when the peer was closed. */
bool swarm_on_have(struct turn *t, struct peer *p, uint32_t piece);
bool swarm_on_donthave(struct turn *t, struct peer *p, uint32_t piece);

/* swarm_request.c */
/* The block, which the picker has marked as asked. False without memory: it is free again. */
bool swarm_ask(struct turn *t, struct peer *p, uint32_t piece, uint32_t block);
void swarm_refill(struct turn *t, struct peer *p);
void swarm_refill_all(struct turn *t);
/* Every LIVE request becomes LATE or GHOST and its block free. */
void swarm_release(struct turn *t, struct peer *p, enum request_state as);
void swarm_say_cancel(struct turn *t, struct peer *p, const struct request *q);
/* Take back all that is asked of a piece. */
void swarm_cancel_piece(struct turn *t, uint32_t piece);
/* The peer has it no more: nothing of it is counted on. */
void swarm_give_up_piece(struct turn *t, struct peer *p, uint32_t piece);
/* Cancel all that is asked. */
void swarm_cancel_all(struct turn *t);
void swarm_on_choke(struct turn *t, struct peer *p);
void swarm_on_unchoke(struct turn *t, struct peer *p);
void swarm_on_reject(struct turn *t, struct peer *p, const struct wire_msg *m);
void swarm_check_requests(struct turn *t);

/* swarm_endgame.c: blocks that others are slow with */
void swarm_endgame(struct turn *t, struct peer *p, uint32_t depth);
/* Is the second one enough sooner to be asked, too? And may it be, for this of `slow`'s requests?
 */
bool swarm_is_worthwhile(uint64_t theirs_ms, uint64_t ours_ms);
bool swarm_may_help(struct turn *t, const struct peer *p, const struct peer *slow,
		    const struct request *q);
/* The block came from `p`: take back what others were asked. */
void swarm_cancel_others(struct turn *t, const struct peer *p, uint32_t piece, uint32_t begin);

/* swarm_piece.c */
/* Whom it is time to tell. */
void swarm_tell_haves(struct turn *t);
/* Every block is there. */
void swarm_verify(struct turn *t, struct open_piece *o);
/* Pieces that are all pad come from nobody: verify them, a few at a time. */
void swarm_begin_pads(struct turn *t);
/* From the first one on. */
void swarm_rewind_pads(struct swarm *s);
/* The true hash of each block of a bad piece is known. */
void swarm_judge(struct turn *t, struct open_piece *o, const uint8_t *truth);
/* Nobody gives hashes: fetch it again from one peer. */
void swarm_refetch(struct turn *t, struct open_piece *o);
/* `p` cannot be the one it is fetched from any more. */
void swarm_unreserve(struct turn *t, const struct peer *p);

/* Pieces that one peer takes too long over are anybody's again. */
void swarm_check_reserved(struct turn *t);

/* swarm_stale.c: pieces that may be partly on disk */
/* While pieces are held: ask for as many leaves as may be under way. */
void swarm_ask_stale(struct turn *t);
/* From time to time; false: nothing is left to look at. */
bool swarm_check_stale(struct turn *t);
/* An answer to something else, perhaps. */
void swarm_on_stale_hashes(struct turn *t, struct peer *p, const struct wire_msg *m);
void swarm_on_stale_reject(struct turn *t, struct peer *p, const struct wire_msg *m);
/* More may be asked about: what is wanted is another now. */
static inline void swarm_renew_stale(struct swarm *s)
{
	s->stale.version++;
}
/* It leaves. */
void swarm_forget_stale(struct swarm *s, const struct peer *p);

/* swarm_hash.c */
/* It may be asked for leaves: it speaks of them, and did not refuse them lately. */
bool swarm_gives_leaves(const struct turn *t, const struct peer *p);
/* What asks for the leaves of one piece. Its length is below 2 where nothing is to be asked: the
 * piece's hash is that of its only block. */
struct wire_hash_req swarm_leaves_of(const struct swarm *s, uint32_t piece);
bool swarm_is_of_leaves(const struct swarm *s, uint32_t piece, const struct wire_msg *m);
/* Do the hashes of this answer make the piece's? Returns OK and a copy of them from malloc,
 * ERR_PROTO or ERR_NOMEM. */
int swarm_prove_leaves(const struct swarm *s, uint32_t piece, const struct wire_msg *m,
		       uint8_t **out);
void swarm_on_hash_request(struct turn *t, struct peer *p, const struct wire_msg *m);
void swarm_on_hashes(struct turn *t, struct peer *p, const struct wire_msg *m);
void swarm_on_hash_reject(struct turn *t, struct peer *p, const struct wire_msg *m);
/* Ask somebody for the leaves of a bad piece; false: nobody can be asked, or enough were. */
bool swarm_ask_leaves(struct turn *t, struct open_piece *o);
/* `p` owes leaves of a bad piece and will not give them. */
void swarm_leaves_failed(struct turn *t, struct peer *p);

/* swarm_upload.c */
void swarm_on_request(struct turn *t, struct peer *p, const struct wire_msg *m);
void swarm_on_cancel(struct turn *t, struct peer *p, const struct wire_msg *m);
void swarm_on_interested(struct turn *t, struct peer *p, bool interested);
/* `body`: of what tells that it is gone. */
void swarm_withdraw_piece(struct turn *t, struct peer *p, uint32_t piece, struct bytes body);
/* Count a peer (not) any more among those who have or want a place; around each change. */
void swarm_count_place(struct swarm *s, const struct peer *p, bool in);
void swarm_fill_places(struct turn *t);
/* Give a newcomer a place before it asks, if one is free: it gets its first block a round trip
 * earlier. Not kept for it, so holding many costs others nothing. Only our own kind is invited:
 * libtorrent 2.0.8 crashes on what a magnet link's metadata should come before. */
void swarm_invite(struct turn *t, struct peer *p);
/* Others are tried while those who have places leave the line idle. */
void swarm_judge_takers(struct turn *t);
void swarm_choke_round(struct turn *t);

/* swarm_suggest.c */
/* Offer the peer pieces that nobody was given, as many as it shall know of ahead. */
void swarm_suggest(struct turn *t, struct peer *p);
/* It asked for a block of `piece`. */
void swarm_note_asked(struct turn *t, struct peer *p, uint32_t piece);
/* A peer has it now: it is being given to nobody. */
void swarm_note_had(struct turn *t, struct peer *p, uint32_t piece);
/* It is choked: what it was offered or given and does not have yet others may get. */
void swarm_take_back(struct swarm *s, struct peer *p);
/* How much of what it got from us others had from it; 1000: all. */
uint32_t swarm_passes_milli(const struct peer *p);
/* Pieces given to several, of whom none has it after a while, may be given again. */
void swarm_review_given(struct swarm *s);
/* It leaves. */
void swarm_forget_given(struct swarm *s, struct peer *p);

/* swarm_near.c */
/* Which peers are far, what the near ones have, whether far ones are asked. From time to time. */
void swarm_sort_near(struct turn *t);
/* Does it count as a near one that gives? Its pieces are the same before and after. */
void swarm_count_near(struct swarm *s, struct peer *p, bool in);
/* One that counts so took the piece back. */
void swarm_near_lost(struct swarm *s, uint32_t piece);

/* swarm_metadata.c */
/* Of the info dictionary, 0: it is not given. */
uint32_t swarm_metadata_bytes(const struct swarm *s);
void swarm_on_metadata(struct turn *t, struct peer *p, struct bytes body);

/* swarm_pex.c */
/* The peer takes peer exchange under this number, 0: none. */
void swarm_begin_pex(struct turn *t, struct peer *p, uint8_t id);
void swarm_tell_pex(struct turn *t);
void swarm_on_pex(struct turn *t, struct peer *p, struct bytes body);

/* swarm_holepunch.c */
/* Ask a common peer to bring us together with it, if that may help. */
void swarm_punch(struct turn *t, const struct address *to);
/* Some introducers may not have answered. */
void swarm_check_punches(struct turn *t);
void swarm_on_holepunch(struct turn *t, struct peer *p, struct bytes body);

/* swarm_extension.c */
void swarm_put_extension(struct turn *t, struct peer *p);
/* Ours, as one at this address knows it. */
uint16_t swarm_port_for(const struct swarm *s, const struct addr *a);
/* BEP 21: that we want no more, or do again. Who has everything says so, too: of pieces that a peer
 * had itself it was told nothing, and would take us for one that lacks them for ever. */
void swarm_tell_upload_only(struct turn *t);
/* What that says, behind what is in `scratch`. Returns 0 or ERR_NOMEM. */
int swarm_put_upload_only(struct swarm *s);
void swarm_on_extended(struct turn *t, struct peer *p, const struct wire_msg *m);

#endif
