/* wire/utp_window.h - how much a uTP connection may have in flight: LEDBAT. Pure.
 *
 * Each packet tells how long the last one in the other direction took, by clocks that do not agree.
 * The least of two minutes is the way itself; what is above it waits in queues. The window grows
 * while that is less than the target, and shrinks when it is more: so long before those who fill
 * queues until they overflow, that they have the way to themselves.
 *
 * Source: BEP 29 "congestion control", and where that is known to fail LEDBAT++
 *         (draft-irtf-iccrg-ledbat-plus-plus): who comes to a queue that others keep takes it for
 *         part of the way and starves them, so each rests for two round trips now and then, and
 *         the others see how long the way is; and a window shrinks by a part of itself, or large
 *         ones would never become as small as the others. */
#ifndef SHOAL_WIRE_UTP_WINDOW_H
#define SHOAL_WIRE_UTP_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

/* Least delays of half a minute each, that together make two minutes. */
#define UTP_BASES 5u
#define UTP_BASE_US 30000000u
/* The least of so many samples counts: one that was held up says nothing. */
#define UTP_SAMPLES 3u

struct utp_window {
	uint32_t bytes;	     /* may be in flight */
	uint32_t slow_until; /* it doubles in each round trip below this */
	uint32_t packet, max;
	uint32_t rtt_us, var_us, rto_us; /* `rtt_us` 0: not known */
	uint32_t base[UTP_BASES];	 /* the newest first */
	uint32_t n_base;
	uint64_t base_us; /* since when base[0] */
	uint32_t sample[UTP_SAMPLES];
	uint32_t n_samples;
	uint32_t delay_us;  /* in queues */
	bool queued;	    /* there was a queue since the last rest */
	uint64_t rest_us;   /* when the next one begins; 0: when doubling has ended */
	uint64_t rested_us; /* when this one began; 0: none does */
	uint64_t rest_ends_us;
};

/* `packet`: the largest one; `max`: what the window never passes. */
void utp_window_init(struct utp_window *w, uint32_t packet, uint32_t max);
/* A packet that was sent once was acknowledged so long after. Source: BEP 29 "timeouts". */
void utp_window_on_rtt(struct utp_window *w, uint32_t rtt_us);
/* What the other end measured. */
void utp_window_on_delay(struct utp_window *w, uint32_t delay_us, uint64_t now_us);
/* `bytes` were acknowledged. `full`: more would have been sent, had there been room. */
void utp_window_on_acked(struct utp_window *w, uint32_t bytes, bool full, uint64_t now_us);
void utp_window_on_loss(struct utp_window *w);
/* All that is in flight counts as lost. */
void utp_window_on_timeout(struct utp_window *w);

#endif
