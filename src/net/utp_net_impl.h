/* net/utp_net_impl.h - what the files of the uTP shell share. */
#ifndef SHOAL_NET_UTP_NET_IMPL_H
#define SHOAL_NET_UTP_NET_IMPL_H

#include "base/hash_map.h"
#include "net/utp_net.h"

/* Connections that hold a place and have nobody who needs it, by age. */
struct utp_row {
	struct utp_stream *oldest, *newest;
	uint32_t n;
};

struct utp_stream {
	struct utp_net *net;
	struct utp_conn *conn;
	struct addr addr;
	struct addr own;       /* the one of ours that they wrote to; port 0: not known */
	uint8_t key[SHA1_LEN]; /* address and our number */
	bool accepted;	       /* by us, and */
	bool owned;	       /* somebody has it */
	bool touched, pending; /* in these lists */
	unsigned want;
	void (*fn)(void *arg, unsigned ready);
	void *arg;
	struct utp_stream *prev, *next;	  /* all */
	struct utp_row *row;		  /* half_open or closing; NULL: neither */
	struct utp_stream *older, *newer; /* there */
	struct utp_stream *next_touched, *next_pending;
};

struct utp_net {
	struct loop *loop;
	struct udp_port *udp;
	utp_net_accept *on_accept;
	void *user;
	struct utp_budget budget;
	struct siphash_key secret;
	uint64_t counter;
	struct hash_map by_key;
	struct utp_stream *all;
	struct utp_row half_open;		   /* not proven */
	struct utp_row closing;			   /* nobody has them any more */
	struct utp_stream *touched;		   /* something came: to be looked at */
	struct utp_stream *pending, **pending_end; /* ready for what they want */
	uint32_t n_conns;
	struct loop_timer *timer;
	uint64_t timer_us;
	bool running;	   /* callbacks are under way */
	uint64_t second_s; /* in which so many were sent: */
	uint32_t resets;
	struct utp_net_stats stats;
};

/* ---- utp_net.c ---- */
/* Is there a place for a connection with this address? One that is closing may make way for it. */
bool utp_net_make_place(struct utp_net *n, const struct addr *with);
/* Returns it, or NULL: no memory. There is a place. */
struct utp_stream *utp_net_dial(struct utp_net *n, const struct addr *to);
/* Send what it has to send, and see what it is ready for. It may be gone after that, if nobody owns
 * it. */
void utp_net_settle(struct utp_stream *s);
/* Its callback comes in the next turn, if it is ready for what it wants. */
void utp_net_offer(struct utp_stream *s);

/* ---- utp_stream.c ---- */
unsigned utp_stream_ready(const struct utp_stream *s);

#endif
