/* node/link.h - one peer connection: a stream over TCP or uTP, its handshake, bytes in and out.
 *
 * Receiving: payload goes from the socket into its slab by one scatter read over the blocks we
 * expect next; their heads are predicted and checked after (link_plan.c). Sending: messages wait
 * in `out`; blocks are pulled from the swarm when the socket takes more, and go from the page
 * cache to the socket without a copy (link_send.c). */
#ifndef SHOAL_NODE_LINK_H
#define SHOAL_NODE_LINK_H

#include "base/rc4.h"
#include "net/stream.h"
#include "node/node_impl.h"

/* Messages that wait for a peer who does not read (attack: O-15; requests themselves wait in
 * the swarm's bounded queue). Beyond it the connection is closed. */
#define LINK_OUT_MAX (2u << 20)
/* With so much waiting, beyond a bitfield and a message of blocks, nothing more is read: answers
 * pile up only as long as requests are taken. */
#define LINK_OUT_PAUSE (64u * 1024u)
/* Memory for messages that a connection keeps when none wait. */
#define LINK_OUT_KEEP 4096u
/* A peer that takes nothing of what waits for so long is closed. */
#define LINK_STUCK_MS 60000u
/* After so long it loses its upload place to whoever waits for one (swarm_on_stalled()). Longer
 * than TCP waits before it sends again what was lost. */
#define LINK_STALL_MS 1500u
/* A whole message of the largest kind, and a scratch buffer's worth that waits for memory. */
#define LINK_IN_MAX (WIRE_BODY_MAX + 4u + NODE_SCRATCH_BYTES)
/* Blocks in one scatter read. */
#define LINK_RECV_BLOCKS 16u
/* Reads of one connection before others get their turn. */
#define LINK_READ_ROUNDS 4
/* A read of less is messages, not payload. When nothing is on its way to the peer that would
 * acknowledge it, that is done at once, or the peer's next message may wait for it. */
#define LINK_SMALL_READ 4096
/* Blocks pulled from the swarm ahead of the socket. */
#define LINK_SEND_BLOCKS 16u
/* As many bytes in a row are looked for in the page cache together. */
#define LINK_SEND_ROW (256u * 1024u)
/* Bytes sent to one connection before others get their turn. */
#define LINK_WRITE_BYTES (1024u * 1024u)

enum link_state {
	LINK_CONNECTING,
	LINK_HANDSHAKE, /* connected; theirs has not come */
	LINK_OPEN,
	LINK_DEAD, /* closed; freed by node_settle(), until when its `next` leads on */
};

/* The block whose payload is coming in. */
struct link_incoming {
	bool active;
	enum {
		PLACE_NOWHERE, /* useless, or another connection was first: dropped */
		PLACE_STORE,   /* straight into its slab */
		PLACE_SPILL,   /* aside: another connection is in the middle of the same block */
	} place;
	struct block_ref block;
	struct span dst;
	uint32_t got;
	uint8_t *spill;
};

struct link_crypt;
struct mse_params;

struct link {
	struct node *node;
	size_t counted;	     /* of its buffers, in node->message_bytes */
	struct transfer *t;  /* NULL until a handshake named one */
	struct peer_ref ref; /* slot UINT32_MAX until OPEN */
	struct stream stream;
	struct addr addr;
	enum link_state state;
	uint32_t host_cell; /* of node->host_links */
	bool incoming;
	bool v2;      /* hash messages may be used */
	bool has_dht; /* it has a node of the hash table, and is told of ours */
	bool handshake_sent;
	bool encrypt;	  /* we dial so */
	bool heard;	  /* it said something */
	bool second;	  /* dialled anew, in the other way */
	bool utp_next;	  /* dialled over TCP; when that fails, over uTP */
	bool evicted;	  /* makes way, and is closed at the end of this event */
	bool took;	  /* its place was that of one whom we only served */
	bool wants_write; /* the socket was full */
	bool stalled;	  /* and the peer takes nothing of it, as the swarm was told */
	bool in_dirty;
	bool starved;	/* waits for slabs: not reading */
	bool uploading; /* the swarm has blocks for it */
	bool fetching;	/* waits for the disk before it can send on */
	uint64_t deadline_ms;
	uint64_t wrote_ms; /* the socket took something last, or the peer did */
	uint64_t written;  /* bytes that the socket took in all */
	uint64_t acked;	   /* of them the peer had taken, when that was looked at last */
	uint32_t rtt_us;
	struct node_dht_told dht_told;
	struct link_crypt *crypt; /* NULL: the stream is plain */
	struct buf in, out;
	size_t out_sent;     /* of `out` */
	size_t last_message; /* where in `out` its last one begins */
	struct link_incoming cur;
	struct block_ref rest; /* of the PIECE message, behind `cur`; length 0: nothing */
	struct block_ref up[LINK_SEND_BLOCKS]; /* pulled from the swarm, not wholly sent */
	uint32_t n_up;
	uint32_t n_ready;    /* of them, known to be in the page cache */
	uint32_t msg_blocks; /* of them, in the message that is going out; 0: none is */
	uint32_t msg_bytes;  /* its payload */
	uint32_t msg_sent;   /* of head and payload */
	uint64_t
	    reply_at_ms; /* node_set_reply_delay(): the next message may go; 0: not known yet */
	struct loop_timer *reply_timer; /* NULL until there is such a delay */
	struct link *prev, *next, *next_dirty, *next_grave;
	struct link *older, *newer; /* among strangers */
	struct link_throttle throttle;
};

/* A connection that changes hands: from its link to the metadata fetch whose torrent it names, and
 * from there to the link of a transfer. */
struct link_passing {
	struct stream stream; /* taken over */
	struct addr from;     /* its other end */
	bool incoming;
	const struct handshake *hello; /* what it opened with; as this, borrowed for the call: */
	struct bytes in;	       /* what it said since, and was not heeded */
	struct bytes out;	       /* what waits to be sent to it, as it shall go out */
	bool rc4;		       /* what follows is encrypted, both ways: */
	struct rc4 reads, writes;
};

/* A socket that was accepted; takes over the descriptor. */
void link_accept(struct node *n, int fd, const struct addr *from);
void link_accept_utp(struct node *n, struct utp_stream *u, const struct addr *from);
/* An accepted connection named its torrent, or is closed. */
void link_stranger_gone(struct link *l);
/* Connect for a transfer, first as dial_first() says; failure, or that there is no place for it, is
 * told to the swarm (perhaps at once). */
void link_dial(struct transfer *t, const struct addr *to);
/* The same over uTP alone and at once: for peers behind routers, of which both dial at the same
 * time (net/utp_net.h says when SYNs leave). */
void link_dial_utp(struct transfer *t, const struct addr *to);
/* Both handshakes are done, as we had none of its pieces. Closed when it is not wanted. */
void link_adopt(struct transfer *t, struct link_passing *g);
/* Close and forget. The swarm must know already (or never have known). */
void link_close(struct link *l, const char *reason);
/* Close because the socket ended or failed: tells the swarm. */
void link_lost(struct link *l, const char *reason);

/* A whole block that is wanted, put into its place in the store, from which another connection that
 * is in the middle of it is turned away. Returns 0; ERR_AGAIN without room in the store: wait for
 * STORE_ROOM; as store_recv_span(). */
int link_place_block(struct transfer *t, const struct block_ref *b, const uint8_t *data);

void link_send(struct link *l, const struct wire_msg *m);
/* Count what its buffers hold now; wherever they may have grown or shrunk. */
void link_count(struct link *l);
/* While the messages of all take more than their quota: close those that hold most. */
void links_shed(struct node *n);
/* Remember to flush at the end of this event. */
void link_mark_dirty(struct link *l);
/* Tell the loop what the connection waits for. */
void link_set_interest(struct link *l);
/* More messages wait than an honest peer lets pile up: it is not read from. */
bool link_is_clogged(const struct link *l);

/* ---- link_room.c ---- */
/* It is there, or is not any more. */
void link_count_host(struct link *l, bool in);
/* Room for one more, from there or to there? A stranger makes way for it, or one of a host that has
 * most of all places. */
bool link_make_room(struct node *n, const struct addr *newcomer);
/* The same for one that much depends on: one whom we only serve makes way, too. */
bool link_take_room(struct node *n, const struct addr *newcomer);
/* Room for one that the transfer makes. A download that has few takes it so, within what all of
 * them may; *took: it did. */
bool link_room_for(struct transfer *t, const struct addr *to, bool *took);
/* While all places are taken a download has so many at the expense of those whom the node only
 * serves, and all downloads together no more than a quarter of all: a node with thousands of seeds
 * is never without connections. Of one whose addresses are dead each costs one of those for a
 * while. */
#define LINK_FEW 8u
/* Close those that make way. */
void links_evict(struct node *n);

/* ---- link_plan.c ---- */
void link_read(struct link *l);

/* ---- link_recv.c ---- */
/* Memory came back: take up what waited. */
void link_unstarve(struct link *l);
/* Free the incoming block, if any. */
void link_recv_drop(struct link *l);

/* New bytes of the stream, as the peer meant them, that stand apart from `in`: what is left over is
 * kept there. */
void link_take(struct link *l, struct bytes in);
/* So many bytes of the incoming block's payload are in place. The link may be closed. */
void link_count_payload(struct link *l, size_t n);
bool link_wants_block(const struct link *l, const struct block_ref *b);
/* The connection that is in the middle of this very block, if it is not `l`; NULL none. */
struct link *link_other_receiver(const struct transfer *t, const struct link *l,
				 const struct block_ref *b);
/* What is left of a block or a row of them behind its first `bytes`. */
static inline struct block_ref block_behind(const struct block_ref *b, uint32_t bytes)
{
	return (struct block_ref){b->piece, b->begin + bytes, b->length - bytes};
}

/* ---- link_crypt.c: beneath the stream ---- */
/* What the node would have, and prefers. */
void link_crypt_policy(const struct node *n, struct mse_params *p);
/* Returns 0 or ERR_NOMEM. */
int link_crypt_dial(struct link *l);
/* What came first is no BitTorrent handshake. Returns bytes consumed, 0 when the link is closed. */
size_t link_crypt_sniff(struct link *l, struct bytes in);
/* Bytes as they were read; decrypted in place. The link may be closed. */
void link_crypt_take(struct link *l, uint8_t *data, size_t n);
void link_crypt_free(struct link *l);
/* The stream is encrypted both ways. */
bool link_is_sealed(const struct link *l);
/* The ciphers that the stream goes on with. False: it is plain. */
bool link_crypt_ciphers(const struct link *l, struct rc4 *reads, struct rc4 *writes);
/* It goes on with these; what waits in `out` is encrypted. Returns 0 or ERR_NOMEM. */
int link_crypt_resume(struct link *l, const struct rc4 *reads, const struct rc4 *writes);
/* Encrypt what waits in `out` and was not yet. How much of it is; it was emptied. */
void link_seal(struct link *l);
size_t link_sealed_bytes(const struct link *l);
void link_seal_cleared(struct link *l);
/* By what a torrent is asked for by those who encrypt. Returns 0 or ERR_NOMEM. */
int link_crypt_put_names(struct node *n, struct transfer *t);
void link_crypt_drop_names(struct node *n, struct transfer *t);

/* ---- link_send.c ---- */
/* Blocks wait with the messages, one message of them at a time: they are encrypted, or go over uTP.
 * Else they go from the page cache to the socket. */
bool link_copies_blocks(const struct link *l);
/* Write as much as the socket takes. */
void link_flush(struct link *l);
/* The same of the messages that wait. False: the link is closed. */
bool link_flush_messages(struct link *l);
/* When it or its socket took something last. */
uint64_t link_took_ms(struct link *l);
void link_on_fetched(struct link *l, enum err code);

/* ---- link_handshake.c ---- */
void link_send_handshake(struct link *l, const uint8_t hash[20]);
/* Look for their handshake in `in`; returns bytes consumed, 0 when more is needed or the
 * link is closed. */
size_t link_take_handshake(struct link *l, struct bytes in);
/* The end of one that was met before there was a transfer: into the swarm. The link may be closed.
 */
void link_resume(struct link *l, const struct handshake *h);
/* Where our node of the hash table is, for one who has one: once it is open, and when that changes.
 */
void link_say_dht_port(struct link *l);

#endif
