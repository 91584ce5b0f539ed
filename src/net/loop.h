/* net/loop.h - the one thread that waits: descriptors, timers, signals, the clock. */
#ifndef SHOAL_NET_LOOP_H
#define SHOAL_NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct loop;
struct loop_io;
struct loop_timer;

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

/* To free NULL does nothing, here as in every other header. */
int loop_new(struct loop **out);
void loop_free(struct loop *l);
/* Runs until loop_stop(). */
int loop_run(struct loop *l);
void loop_stop(struct loop *l);
/* One turn that waits for at most `ms`; for callers with a loop of their own. */
int loop_turn(struct loop *l, uint32_t ms);

/* Monotonic milliseconds, read once per turn of the loop. */
uint64_t loop_now_ms(struct loop *l);
/* Monotonic microseconds, and milliseconds, read anew; also where no loop is. */
uint64_t loop_clock_us(void);
uint64_t loop_clock_ms(void);
/* Unix seconds. */
int64_t loop_wall_s(void);

/* Watch a descriptor; level-triggered. Starts with no interest. The callback may free the io.
 * Owns: not the descriptor. */
struct loop_io *loop_io_new(struct loop *l, int fd, void (*fn)(void *arg, unsigned ready),
			    void *arg);
void loop_io_want(struct loop_io *io, unsigned events); /* cheap when nothing changes */
void loop_io_free(struct loop_io *io);

/* One-shot timer; the callback may set it again or free it. */
struct loop_timer *loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg);
void loop_timer_set(struct loop_timer *t, uint64_t delay_ms); /* replaces an earlier set */
void loop_timer_clear(struct loop_timer *t);
void loop_timer_free(struct loop_timer *t);

/* Call `fn` on the loop thread when the process gets `signo`. Lives as long as the loop. */
int loop_on_signal(struct loop *l, int signo, void (*fn)(void *arg, int signo), void *arg);

/* struct event_base *, for net/http_*.c and net/resolve.c alone. */
void *loop_event_base(struct loop *l);

#endif
