/* swarm/swarm.h - one torrent's decisions: whom to know, what to ask of whom, whom
 * to serve, whom to blame. Events in, effects out; no socket, disk, clock or thread.
 *
 * The same code runs in the product and in a simulator: payload never passes through
 * here, only the fact that a block came. Time is `now_ms`, monotonic, never going
 * back between calls. Randomness comes from the seed alone. */
#ifndef SHOAL_SWARM_SWARM_H
#define SHOAL_SWARM_SWARM_H

#include "base/bitfield.h"
#include "meta/metainfo.h"
#include "swarm/effects.h"

/* Requests of one peer that we keep (attack: a million requests and a socket that is
 * never read, O-15). What we announce as "reqq". */
#define SWARM_UPLOAD_QUEUE_MAX 2000u
/* Requests we have outstanding at one peer, whatever it announces. */
#define SWARM_REQUESTS_MAX 2000u
/* Known addresses of one torrent (attack: floods of invented peers, O-21). */
#define SWARM_ADDRESSES_MAX 2000u
/* Connections of one torrent. */
#define SWARM_PEERS_MAX 1000u
#define SWARM_PEERS_DEFAULT 200u
/* Sources of one torrent at a time, besides (attack: a torrent with thousands of webseeds). */
#define SWARM_SOURCES_MAX 4u
/* With so many peers nobody else is dialled. Each peer costs a HAVE for each piece (150 peers: a
 * tenth of a line of 1 MB/s with pieces of 64 KiB), and makes those who wait for a place more: 100
 * getters with 150 peers each take 4 % longer than with 20, and 1.7 times the CPU time. */
#define SWARM_PEERS_DIAL 20u
/* While a getter knows fewer peers that have everything it dials those that are said to have it
 * before others that are worth the same: whatever becomes of the rest, what it lacks is somewhere,
 * and they want nothing for it. Not more of them: a crowd lives by what its members give each
 * other, and would keep the few seeds busy with choosing among all of it. */
#define SWARM_COMPLETE_FEW 2u
/* HAVEs are told together, so many at most, and not more often than this: at memory speed each one
 * that comes alone cuts the peer's row of blocks. Pieces that come slower are told at once. Seeds
 * can wait longer: of four, each was woken for them more often than for requests. */
#define SWARM_HAVES_MAX 64u
#define SWARM_HAVES_MS 5u
#define SWARM_HAVES_SEEDS_MS 50u
/* A proven liar's address is refused this long. */
#define SWARM_BAN_MS (60u * 60u * 1000u)
/* Nothing but silence from a peer for this long ends the connection (G-23). */
#define SWARM_IDLE_MS 150000u
/* A request without answer for this long is asked elsewhere too (O-45, G-23). */
#define SWARM_REQUEST_TIMEOUT_MAX_MS 20000u

/* Payload of one PIECE message between peers that both say "shoal_run" in their extension
 * handshakes; as much as any client takes. One system call then moves 128 KiB instead of 16. */
#define SWARM_RUN_BYTES WIRE_BLOCK_MAX

struct swarm;

struct swarm_params {
	const struct metainfo *meta; /* borrowed for the swarm's life */
	uint64_t seed;
	uint8_t peer_id[20];   /* ours; a peer with the same is ourselves */
	uint16_t port;	       /* ours, for the extension handshake */
	uint32_t max_peers;    /* 0: SWARM_PEERS_DEFAULT; at most SWARM_PEERS_MAX */
	uint32_t upload_slots; /* unchoked peers; 0: chosen by what they take */
	bool utp;	       /* EFFECT_PUNCH can be performed */
	char client[64];       /* "v" of the extension handshake */
};

/* Returns NULL without memory. A swarm without peers costs under 4 KiB plus a few
 * bytes a piece: thousands of them seed in one process. */
struct swarm *swarm_new(const struct swarm_params *p);
void swarm_free(struct swarm *s);

/* Which pieces are verified on disk already; before the first event. */
int swarm_set_have(struct swarm *s, const struct bitfield *have);
const struct bitfield *swarm_have(const struct swarm *s);

/* Pieces that we lack, of which other bytes lie on disk: of an older version, or of a download that
 * was cut off. Blocks of them may be right all the same. Where the torrent is v2, peers are asked
 * for the leaf hashes of each before anything of it is fetched; what on disk hashes to the same is
 * kept, and only the rest is fetched. When nobody gives hashes, or they come too slowly to be worth
 * waiting for, whole pieces are fetched. Before the first event, after swarm_set_have(). Borrows
 * for the call. Returns 0 or ERR_NOMEM (then they are fetched whole). */
int swarm_set_stale(struct swarm *s, const struct bitfield *pieces);
/* Answer to READ_HASHES: SHA-256 of each block of the piece as it lies on disk (32 bytes each,
 * meta_piece_blocks() of them); NULL: it cannot be read. */
void swarm_on_disk_hashes(struct swarm *s, uint32_t piece, const uint8_t *hashes, uint64_t now_ms,
			  struct effects *fx);

/* While paused (disk full, user) nothing is asked for; what is asked is cancelled.
 * Serving goes on. */
void swarm_set_paused(struct swarm *s, bool paused, uint64_t now_ms, struct effects *fx);

/* ---- what is fetched, and in which order ------------------------------------ */

/* What is wanted: an enum want (meta/selection.h) for each piece, copied; NULL: all, normally. Not
 * wanted ones are not asked for and count neither as left nor as of interest; what of them was
 * begun is put aside. Of others high ones come before normal ones, these before low ones, whatever
 * the order. EFFECT_COMPLETE says that the last wanted one is good (not when nothing wanted was
 * missing before this call and still is not); wanting more makes it incomplete again. Without
 * memory everything stays as it was and fx->failed is set. */
void swarm_set_wanted(struct swarm *s, const uint8_t *pieces, uint64_t now_ms, struct effects *fx);
/* Is no wanted piece missing? */
bool swarm_is_complete(const struct swarm *s);

enum swarm_order {
	ORDER_RAREST,
	ORDER_SEQUENTIAL, /* the lowest first */
	ORDER_ENDS_FIRST, /* the first and the last piece of each file, then the rarest */
};
void swarm_set_order(struct swarm *s, enum swarm_order order, uint64_t now_ms, struct effects *fx);

/* Pieces in a row that are needed soon. */
struct piece_run {
	uint32_t first, count;
};
/* Urgent pieces at one time; what is beyond is not urgent yet. */
#define SWARM_URGENT_MAX 256u
/* These come before all others, in this order: asked of fast peers, and asked of another one, too,
 * when the first will take much longer. Replaces what was urgent before; n 0 ends it. Pieces that
 * are had or not wanted are passed over. */
void swarm_set_urgent(struct swarm *s, const struct piece_run *runs, uint32_t n, uint64_t now_ms,
		      struct effects *fx);

/* For now nobody is asked for pieces before `first` or from `end` on, wanted as they are: a reader
 * that is slow. What is asked already may still come. From the start: 0 and UINT32_MAX. */
void swarm_set_window(struct swarm *s, uint32_t first, uint32_t end, uint64_t now_ms,
		      struct effects *fx);

/* From now on at most so many peers; as swarm_params says. */
void swarm_set_max_peers(struct swarm *s, uint32_t max_peers, uint64_t now_ms, struct effects *fx);
/* Let go of all but so many: those of no interest first, then those with whom the least was traded
 * of late. What they were asked for is asked of others. */
void swarm_shed(struct swarm *s, uint32_t keep, uint64_t now_ms, struct effects *fx);

/* Off: nobody is unchoked. */
void swarm_set_upload(struct swarm *s, bool on, uint64_t now_ms, struct effects *fx);

/* ---- whom we know ------------------------------------------------------- */

enum addr_source {
	SOURCE_TRACKER,
	SOURCE_USER,
	SOURCE_PEX,
	SOURCE_DHT,
	SOURCE_LSD,
	SOURCE_ARRIVED /* of a tracker that saw it come just now */
};

/* Addresses heard of. Undialable, known and banned ones are skipped, but for those that the user
 * names or that have just come, which are due however often they were dialled in vain; over the
 * limit the least useful gives way. May DIAL at once. */
void swarm_on_addresses(struct swarm *s, const struct addr *list, size_t n, enum addr_source src,
			uint64_t now_ms, struct effects *fx);
/* The same, of which the first `complete` are said to have everything. That may be out of date, or
 * a lie: it decides only who is dialled first (SWARM_COMPLETE_FEW). */
void swarm_on_holders(struct swarm *s, const struct addr *list, size_t n, size_t complete,
		      enum addr_source src, uint64_t now_ms, struct effects *fx);
/* While we have nobody it is dialled again soon if the user named it. */
void swarm_on_dial_failed(struct swarm *s, const struct addr *a, uint64_t now_ms,
			  struct effects *fx);
/* It was connected to, and closed before there was a handshake. While we have nobody it is dialled
 * again soon. */
void swarm_on_hung_up(struct swarm *s, const struct addr *a, uint64_t now_ms, struct effects *fx);
/* A DIAL was not performed, as there is no place for another connection here: that is not the
 * address's fault, which is dialled a little later (SWARM_PUT_OFF_MS). Nobody is dialled in its
 * stead. */
void swarm_on_not_dialled(struct swarm *s, const struct addr *a, uint64_t now_ms,
			  struct effects *fx);
/* An index tells us and these to dial each other now; heeded as what a peer says of the kind
 * (swarm/holepunch.h). May append PUNCH, from a peer of slot UINT32_MAX. */
void swarm_on_introduced(struct swarm *s, const struct addr *list, size_t n, uint64_t now_ms,
			 struct effects *fx);
/* How the world sees us, in one family; the port does not count. Peers are dialled, and let in when
 * all places are taken, in the order that both ends then agree on (swarm/priority.h). */
void swarm_set_self(struct swarm *s, const struct addr *self);
/* The port at which those beyond our router reach us; 0: the same as for all others. They hear of
 * it when it changes. */
void swarm_set_outer_port(struct swarm *s, uint16_t port, uint64_t now_ms, struct effects *fx);
/* Is there still somebody to be found there? Not when he came to us meanwhile. */
bool swarm_is_dialing(const struct swarm *s, const struct addr *a);
/* A ban holds for the host; on 127.0.0.1 and ::1, which are every program here, for the one
 * address (the remote end and where it takes connections). */
bool swarm_is_banned(const struct swarm *s, const struct addr *a, uint64_t now_ms);

/* ---- connections -------------------------------------------------------- */

struct peer_hello {
	struct addr addr; /* the remote end of the socket */
	bool incoming;
	bool utp;		 /* and it is one of uTP */
	bool met;		 /* before there was a swarm: it knows that we have nothing */
	bool fast, extended, v2; /* what both sides speak; v2: hash messages work */
	uint8_t peer_id[20];
	uint32_t rtt_us; /* measured while connecting; 0 unknown */
};

/* Both handshakes are done. Appends the opening messages (bitfield or have all / none, which one
 * that was met before has heard already; extension handshake). Returns the peer's handle; when the
 * peer is not wanted (ourselves, known twice, banned, full) returns a handle with slot ==
 * UINT32_MAX and sets *why (static text): the caller closes the socket. For an outgoing connection
 * this ends the dial also then. */
struct peer_ref swarm_on_connected(struct swarm *s, const struct peer_hello *h, uint64_t now_ms,
				   const char **why, struct effects *fx);

/* The socket was closed by them or by an error. Faults of theirs: swarm_on_malformed(). */
void swarm_on_closed(struct swarm *s, struct peer_ref ref, uint64_t now_ms, struct effects *fx);

/* They broke the protocol below the swarm (undecodable message): counts towards a ban.
 * Appends CLOSE. */
void swarm_on_malformed(struct swarm *s, struct peer_ref ref, uint64_t now_ms, struct effects *fx);

/* Any message but PIECE. Nothing in it is trusted: indexes and lengths are checked here;
 * a breach appends CLOSE. */
void swarm_on_message(struct swarm *s, struct peer_ref ref, const struct wire_msg *m,
		      uint64_t now_ms, struct effects *fx);

/* Requests and PIECE messages between us and this peer may stand for blocks in a row, up to a
 * multiple of so many bytes in the piece: BLOCK_BYTES when only single ones will do. Joining and
 * splitting them is the shell's work; here all are blocks of 16 KiB. */
uint32_t swarm_run_bytes(const struct swarm *s, struct peer_ref ref);

/* ---- sources ------------------------------------------------------------ */

/* One that has everything and gives what it is asked for, in long runs, besides the peers: a web
 * server (BEP 19). It is a peer in all that concerns pieces: blocks are expected of it and come
 * with swarm_on_block(); whoever sends what is not in the torrent is told off by EFFECT_CLOSE; it
 * leaves with swarm_on_closed(). Nothing is sent to it: EFFECT_FETCH tells that there is something
 * else to do. It is in no list and no count of peers.
 * Returns its handle; slot UINT32_MAX: no memory, or SWARM_SOURCES_MAX. */
struct peer_ref swarm_add_source(struct swarm *s, uint64_t now_ms, struct effects *fx);
/* What it was asked for does not come any more, and nothing is asked of it for so long. */
void swarm_source_rest(struct swarm *s, struct peer_ref ref, uint64_t hold_ms, uint64_t now_ms,
		       struct effects *fx);
/* It does not have these pieces, nor brings anything of what it was asked for. */
void swarm_source_lacks(struct swarm *s, struct peer_ref ref, uint32_t first, uint32_t n,
			uint64_t now_ms, struct effects *fx);
/* Has it anything that we lack? */
bool swarm_source_has_wanted(const struct swarm *s, struct peer_ref ref);
/* Has a peer, which is no source, anything that we lack? */
bool swarm_has_givers(const struct swarm *s);

/* ---- receiving blocks --------------------------------------------------- */

enum block_answer {
	BLOCK_WANTED,  /* asked of this peer, still missing: put it in its place */
	BLOCK_USELESS, /* late (cancelled, or came from elsewhere): read it and forget it */
	BLOCK_UNASKED, /* never asked: close the peer (BEP 52), nothing is written (O-16) */
};

/* The head of a PIECE message is here; what shall become of its payload? Changes nothing. */
enum block_answer swarm_judge_block(const struct swarm *s, struct peer_ref ref, uint32_t piece,
				    uint32_t begin, uint32_t length);

/* The next blocks we expect from this peer, in the order they were asked: lets the shell
 * lay out one scatter read over several of them. Returns how many of `cap` were filled. */
struct block_ref {
	uint32_t piece, begin, length;
};
uint32_t swarm_expected(const struct swarm *s, struct peer_ref ref, struct block_ref *out,
			uint32_t cap);

/* The whole payload was judged WANTED or USELESS and has been read. Refills the pipeline;
 * appends VERIFY when the piece is full, CANCELs when others were asked for the block.
 * `bytes` that arrived before completion count through swarm_on_progress. */
void swarm_on_block(struct swarm *s, struct peer_ref ref, struct block_ref b, uint64_t now_ms,
		    struct effects *fx);

/* Some payload bytes of an unfinished block came: the peer is alive, however slow. */
void swarm_on_progress(struct swarm *s, struct peer_ref ref, uint32_t bytes, uint64_t now_ms);

enum piece_state {
	PIECE_GOOD, /* verified: say HAVE */
	PIECE_BAD,  /* hashes to something else: find who sent what */
	PIECE_LOST, /* could not be written or read back: nobody's fault, fetch again */
};

/* Answer to VERIFY. `block_hashes`: SHA-256 of each block as it lies on disk (32 bytes each,
 * meta_piece_blocks() of them), required for PIECE_BAD, wanted for PIECE_GOOD when
 * swarm_wants_hashes() says so, else NULL.
 *
 * v2: on PIECE_BAD the leaf hashes are fetched from peers (hash request), proven against the
 * piece layer, and each block that differs names its sender, who is banned at once; only those
 * blocks are fetched again. v1, or v2 when nobody gives hashes: one sender is banned at once;
 * several: the piece is fetched again from one peer, and when it is good, those whose blocks
 * differ are banned (never on suspicion alone). */
void swarm_on_piece(struct swarm *s, uint32_t piece, enum piece_state state,
		    const uint8_t *block_hashes, uint64_t now_ms, struct effects *fx);
bool swarm_wants_hashes(const struct swarm *s, uint32_t piece);

/* Pieces once reported as had turn out to be gone (file changed under us): stop offering. Peers
 * are told (BEP 54). Those that cannot be told, and lack it, are closed, as are those that have not
 * said yet whether they can. */
void swarm_on_piece_gone(struct swarm *s, uint32_t piece, uint64_t now_ms, struct effects *fx);
/* Such a piece was found good on disk again. Of no effect when some of it was received since. */
void swarm_on_piece_back(struct swarm *s, uint32_t piece, uint64_t now_ms, struct effects *fx);

/* ---- sending blocks ----------------------------------------------------- */

/* Take the next block that this peer shall get: asked for, while it is unchoked, and ours. False
 * when there is none. Pulled by the shell as its socket drains, so that at most a socket buffer's
 * worth is beyond recall when the peer is choked or cancels. */
bool swarm_next_upload(struct swarm *s, struct peer_ref ref, struct block_ref *out);
/* Payload bytes left for this peer. */
void swarm_on_sent(struct swarm *s, struct peer_ref ref, uint32_t bytes, uint64_t now_ms);
/* For some seconds the peer has acknowledged nothing of what the system holds for it and takes no
 * more; `stalled` false: it does again. It keeps its upload place only while nobody else waits for
 * one (attack: many who ask and never read). */
void swarm_on_stalled(struct swarm *s, struct peer_ref ref, bool stalled, uint64_t now_ms,
		      struct effects *fx);
/* Something of what was sent to the peer has arrived there by then. */
void swarm_on_taken(struct swarm *s, struct peer_ref ref, uint64_t at_ms);
/* Will the next tick judge by that? Then all of it is told before. */
bool swarm_minds_takers(const struct swarm *s, uint64_t now_ms);

/* ---- time --------------------------------------------------------------- */

/* When swarm_on_tick() wants to be called; UINT64_MAX: only after other events. Far apart
 * for idle swarms. */
uint64_t swarm_deadline_ms(const struct swarm *s);
void swarm_on_tick(struct swarm *s, uint64_t now_ms, struct effects *fx);

/* ---- looking in --------------------------------------------------------- */

struct swarm_stats {
	uint64_t down_bytes, up_bytes; /* payload, this run */
	uint64_t wasted_bytes;	       /* duplicates and bad blocks */
	uint64_t kept_bytes;	       /* of blocks that were on disk, see swarm_set_stale() */
	uint64_t down_bps, up_bps;     /* smoothed over some seconds */
	uint64_t left_bytes;	       /* of wanted pieces still missing */
	uint64_t missing_bytes;	       /* of all pieces still missing: what trackers are told */
	uint32_t pieces, have;
	uint32_t peers, seeds; /* connected; of them complete */
	uint32_t sources;      /* not among them; that did not fail when last asked, and have
				* some of what is missing */
	uint64_t source_bytes; /* payload of those that are here */
	uint32_t dialing, addresses;
	uint32_t trying; /* dials under way to addresses that never were dialled before */
	uint32_t rarest; /* least copies of a piece we lack among peers */
	uint32_t distributed_milli; /* distributed copies among peers, times 1000 */
	bool can_complete;	    /* each missing piece is at some connected peer */
	uint32_t nowhere;	    /* pieces that neither we nor any connected peer has */
	uint32_t sole;		    /* pieces that we have and no connected peer */
};
void swarm_stats(const struct swarm *s, uint64_t now_ms, struct swarm_stats *out);
/* The same without copies, which take a look at each piece: what is said of these is nought. */
void swarm_traffic(const struct swarm *s, uint64_t now_ms, struct swarm_stats *out);

struct swarm_peer {
	struct peer_ref ref;
	struct addr addr;
	bool incoming, shoal, utp;
	char client[64]; /* not escaped */
	uint32_t have;	 /* pieces it has */
	bool am_choked, am_interested, is_choked, is_interested, snubbed;
	uint64_t down_bps, up_bps, down_bytes, up_bytes;
	uint32_t rtt_us, queue; /* our outstanding requests */
};
/* Fills up to `cap`; returns how many peers there are. */
uint32_t swarm_peers(const struct swarm *s, uint64_t now_ms, struct swarm_peer *out, uint32_t cap);

/* Assert every invariant (picker, requests, queues, counts). For tests, after every step. */
void swarm_check(const struct swarm *s);

#endif
