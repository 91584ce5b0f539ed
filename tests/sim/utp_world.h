/* sim/utp_world.h - uTP connections, and a flow that does as TCP does, through one narrow way.
 *
 * Data of all flows goes through one queue with a rate, a size and a delay; what overflows is lost,
 * and of the rest some by chance. What comes back has a way of its own with the same delay and the
 * same chance. All is repeatable from the seed. */
#ifndef SHOAL_SIM_UTP_WORLD_H
#define SHOAL_SIM_UTP_WORLD_H

#include "wire/utp_conn.h"

#define UTP_WORLD_FLOWS 8u

struct utp_way {
	uint64_t rate_bps; /* bytes a second; 0: no queue */
	uint32_t queue_bytes;
	uint32_t delay_us;		       /* one way */
	uint32_t loss_permille, swap_permille; /* lost; held up behind later ones */
};

struct utp_world;

struct utp_world *utp_world_new(const struct utp_way *way, uint64_t seed);
void utp_world_free(struct utp_world *w);
/* One that sends `bytes` from then on, and closes. Returns its number. */
unsigned utp_world_add(struct utp_world *w, uint64_t start_us, uint64_t bytes);
/* The TCP-like one: Reno with selective acknowledgements, without end. */
unsigned utp_world_add_tcp(struct utp_world *w, uint64_t start_us, uint64_t stop_us);
/* Until then, or until all uTP flows have ended. */
void utp_world_run(struct utp_world *w, uint64_t until_us);
uint64_t utp_world_now_us(const struct utp_world *w);
/* Bytes of a flow that its receiver has, each of which was the right one. */
uint64_t utp_world_received(const struct utp_world *w, unsigned flow);
/* The receiver read all, and both ends went in peace. */
bool utp_world_ended(const struct utp_world *w, unsigned flow);
/* Of the sending end. */
void utp_world_stats(const struct utp_world *w, unsigned flow, struct utp_conn_stats *out);
/* How long what was queued since the last call waited on average. */
uint32_t utp_world_waited_us(struct utp_world *w);

#endif
