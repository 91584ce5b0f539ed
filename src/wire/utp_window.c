#include "wire/utp_window.h"

#include "wire/utp_conn.h"

/* Source: RFC 6817 (INIT_CWND); BEP 29 leaves it open. Fewer than two would wait for each delayed
 * acknowledgement. */
#define FIRST_PACKETS 4u
#define LEAST_PACKETS 2u
/* Below the target it grows by so many in a round trip. */
#define GAIN_PACKETS 2
/* Round trips of a rest, and how many times as long as a rest the work between two is. */
#define REST_ROUNDS 2u
#define WORK_TIMES 9u
#define WORK_LEAST_US 10000000u
/* With a queue that is shorter nobody needs a rest. */
#define QUEUE_US (UTP_TARGET_US / 4)
/* Doubling ends when a queue of this part of the target builds up. */
#define SLOW_ENDS_US (UTP_TARGET_US / 2)

void utp_window_init(struct utp_window *w, uint32_t packet, uint32_t max)
{
	*w = (struct utp_window){.bytes = FIRST_PACKETS * packet,
				 .slow_until = UINT32_MAX,
				 .packet = packet,
				 .max = max,
				 .rto_us = UTP_RTO_FIRST_US};
}

void utp_window_on_rtt(struct utp_window *w, uint32_t rtt_us)
{
	int64_t off = (int64_t)w->rtt_us - rtt_us;
	uint64_t rto;

	if (w->rtt_us == 0) {
		w->rtt_us = rtt_us > 0 ? rtt_us : 1;
		w->var_us = rtt_us / 2;
	} else {
		int64_t var = w->var_us;

		w->var_us = (uint32_t)(var + ((off < 0 ? -off : off) - var) / 4);
		w->rtt_us = (uint32_t)(w->rtt_us - off / 8);
		w->rtt_us += w->rtt_us == 0;
	}
	rto = w->rtt_us + 4 * (uint64_t)w->var_us;
	if (rto < UTP_RTO_MIN_US)
		rto = UTP_RTO_MIN_US;
	w->rto_us = rto < UTP_RTO_MAX_US ? (uint32_t)rto : UTP_RTO_MAX_US;
}

/* Clocks run around: which is less is told by the shorter way. */
static bool is_less(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static uint32_t least(const uint32_t *list, uint32_t n)
{
	uint32_t min = list[0];

	for (uint32_t i = 1; i < n; i++)
		if (is_less(list[i], min))
			min = list[i];
	return min;
}

static void note_base(struct utp_window *w, uint32_t delay_us, uint64_t now_us)
{
	if (w->n_base > 0 && now_us - w->base_us < UTP_BASE_US) {
		if (is_less(delay_us, w->base[0]))
			w->base[0] = delay_us;
		return;
	}
	/* After a long silence the old ones say little: clocks drift. */
	if (w->n_base > 0 && now_us - w->base_us >= (uint64_t)UTP_BASES * UTP_BASE_US)
		w->n_base = 0;
	for (uint32_t i = UTP_BASES - 1; i > 0; i--)
		w->base[i] = w->base[i - 1];
	w->base[0] = delay_us;
	w->base_us = now_us;
	w->n_base += w->n_base < UTP_BASES;
}

void utp_window_on_delay(struct utp_window *w, uint32_t delay_us, uint64_t now_us)
{
	note_base(w, delay_us, now_us);
	for (uint32_t i = UTP_SAMPLES - 1; i > 0; i--)
		w->sample[i] = w->sample[i - 1];
	w->sample[0] = delay_us;
	w->n_samples += w->n_samples < UTP_SAMPLES;
	w->delay_us = least(w->sample, w->n_samples) - least(w->base, w->n_base);
	/* A sample from before the base was lowered. */
	if ((int32_t)w->delay_us < 0)
		w->delay_us = 0;
}

static void set_bytes(struct utp_window *w, int64_t bytes)
{
	int64_t min = (int64_t)LEAST_PACKETS * w->packet;

	if (bytes < min)
		bytes = min;
	w->bytes = bytes < w->max ? (uint32_t)bytes : w->max;
}

static void begin_rest(struct utp_window *w, uint64_t now_us)
{
	w->slow_until = w->bytes;
	w->bytes = LEAST_PACKETS * w->packet;
	w->rested_us = now_us;
	w->rest_ends_us = now_us + (uint64_t)REST_ROUNDS * w->rtt_us;
	w->queued = false;
}

/* What was before it is there again, or what is possible now. */
static void end_rest(struct utp_window *w, uint64_t now_us)
{
	uint64_t work_us = WORK_TIMES * (now_us - w->rested_us);

	w->rest_us = now_us + (work_us > WORK_LEAST_US ? work_us : WORK_LEAST_US);
	w->rested_us = 0;
}

/* In a round trip; it comes in the parts that arrive. Above the target all that share a queue are
 * drawn to the same size: where what each adds and loses is equal. */
static int64_t change_of(const struct utp_window *w)
{
	int64_t over = (int64_t)w->delay_us - UTP_TARGET_US, most = -(int64_t)w->bytes / 2;
	int64_t change = GAIN_PACKETS * (int64_t)w->packet;

	if (over > 0)
		change -= w->bytes * over / UTP_TARGET_US;
	return change > most ? change : most;
}

/* A window that is not used does not grow. */
void utp_window_on_acked(struct utp_window *w, uint32_t bytes, bool full, uint64_t now_us)
{
	int64_t change;

	w->queued |= w->delay_us > QUEUE_US;
	if (now_us < w->rest_ends_us)
		return;
	/* After a rest the others may hold a queue; what was before was found with them. */
	if (w->slow_until == UINT32_MAX && w->delay_us > SLOW_ENDS_US)
		w->slow_until = w->bytes;
	if (w->bytes < w->slow_until) {
		if (full)
			set_bytes(w, (int64_t)w->bytes + bytes);
		return;
	}
	w->slow_until = 0;
	if (w->rested_us != 0)
		end_rest(w, now_us);
	else if (now_us >= w->rest_us && w->queued)
		begin_rest(w, now_us);
	if (w->rested_us != 0)
		return;
	change = change_of(w) * bytes / w->bytes;
	if (change < 0 || full)
		set_bytes(w, w->bytes + change);
}

void utp_window_on_loss(struct utp_window *w)
{
	set_bytes(w, w->bytes / 2);
	w->slow_until = 0;
}

void utp_window_on_timeout(struct utp_window *w)
{
	/* The second of two in a row says nothing about what the way can take. */
	if (w->bytes > LEAST_PACKETS * w->packet)
		w->slow_until = w->bytes / 2;
	w->bytes = w->packet;
}
