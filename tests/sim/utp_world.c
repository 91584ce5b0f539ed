#include "sim/utp_world.h"

#include <stdlib.h>

#include "base/rng.h"

#define BATCH 32u
#define HEADS 48u /* what IP and UDP add to a packet in the queue */
#define TCP_BYTES 1448u
#define TCP_OUT_MAX 65536u

/* A packet on its way, or the notion of one: TCP's have a number and no bytes. */
struct flight {
	uint64_t at_us, order;
	unsigned flow;
	bool back;
	size_t len;
	uint8_t *bytes;
	uint64_t number;
};

struct tcp_flow {
	uint64_t next, lowest; /* numbers: sent, and neither arrived nor lost yet */
	uint64_t recover;
	bool *done;		   /* TCP_OUT_MAX, by number */
	double window, slow_until; /* packets */
	uint64_t in_flight, stop_us, heard_us;
};

struct flow {
	uint64_t start_us, bytes, written, read;
	struct utp_conn *from, *to;
	struct tcp_flow *tcp;
	bool wrong;
};

struct utp_world {
	struct utp_way way;
	struct rng rng;
	struct utp_budget budget;
	uint64_t now_us, order, free_us; /* when the queue will be empty */
	uint64_t waited_us, waited_n;
	struct flight *heap;
	size_t n_heap, cap_heap;
	struct flow flows[UTP_WORLD_FLOWS];
	unsigned n_flows;
};

/* ---- the way ------------------------------------------------------------------------------- */

static bool is_before(const struct flight *a, const struct flight *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void swap(struct flight *a, struct flight *b)
{
	struct flight t = *a;

	*a = *b;
	*b = t;
}

static void push(struct utp_world *w, struct flight f)
{
	size_t i = w->n_heap++;

	if (w->n_heap > w->cap_heap) {
		w->cap_heap = w->cap_heap * 2 + 64;
		w->heap = realloc(w->heap, w->cap_heap * sizeof(*w->heap));
		if (w->heap == NULL)
			abort();
	}
	f.order = w->order++;
	w->heap[i] = f;
	for (; i > 0 && is_before(&w->heap[i], &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&w->heap[i], &w->heap[(i - 1) / 2]);
}

static struct flight pop(struct utp_world *w)
{
	struct flight top = w->heap[0];
	size_t i = 0, child;

	w->heap[0] = w->heap[--w->n_heap];
	for (; (child = 2 * i + 1) < w->n_heap; i = child) {
		if (child + 1 < w->n_heap && is_before(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (!is_before(&w->heap[child], &w->heap[i]))
			break;
		swap(&w->heap[i], &w->heap[child]);
	}
	return top;
}

static bool by_chance(struct utp_world *w, uint32_t permille)
{
	return permille > 0 && rng_below(&w->rng, 1000) < permille;
}

/* When it comes out of the queue; 0: never. */
static uint64_t through_queue(struct utp_world *w, size_t len)
{
	uint64_t wait, backlog;

	if (w->way.rate_bps == 0)
		return w->now_us;
	wait = w->free_us > w->now_us ? w->free_us - w->now_us : 0;
	backlog = wait * w->way.rate_bps / 1000000;
	if (backlog + len > w->way.queue_bytes)
		return 0;
	w->waited_us += wait;
	w->waited_n++;
	w->free_us = w->now_us + wait + len * 1000000 / w->way.rate_bps;
	return w->free_us;
}

static void send(struct utp_world *w, struct flight f)
{
	uint64_t at = f.back ? w->now_us : through_queue(w, f.len + HEADS);

	if (at == 0 || by_chance(w, w->way.loss_permille)) {
		free(f.bytes);
		return;
	}
	f.at_us = at + w->way.delay_us;
	if (by_chance(w, w->way.swap_permille))
		f.at_us += 3000;
	push(w, f);
}

/* ---- TCP ----------------------------------------------------------------------------------- */

static void tcp_send(struct utp_world *w, unsigned flow)
{
	struct tcp_flow *t = w->flows[flow].tcp;

	while (t->in_flight < (uint64_t)t->window && t->next - t->lowest < TCP_OUT_MAX &&
	       w->now_us < t->stop_us) {
		t->done[t->next % TCP_OUT_MAX] = false;
		t->in_flight++;
		send(w, (struct flight){.flow = flow, .len = TCP_BYTES, .number = t->next++});
	}
}

static void tcp_halve(struct tcp_flow *t)
{
	t->window = t->window / 2 < 2 ? 2 : t->window / 2;
	t->slow_until = t->window;
	t->recover = t->next;
}

/* What three later ones have overtaken is lost; what it was is sent anew under another number. */
static void tcp_heard(struct utp_world *w, unsigned flow, uint64_t number)
{
	struct tcp_flow *t = w->flows[flow].tcp;

	t->heard_us = w->now_us;
	if (number < t->lowest || t->done[number % TCP_OUT_MAX])
		return;
	t->done[number % TCP_OUT_MAX] = true;
	t->in_flight--;
	t->window += t->window < t->slow_until ? 1 : 1 / t->window;
	for (; t->lowest < t->next; t->lowest++) {
		if (t->done[t->lowest % TCP_OUT_MAX])
			continue;
		if (t->lowest + 3 > number)
			break;
		t->in_flight--;
		if (t->lowest >= t->recover)
			tcp_halve(t);
	}
	tcp_send(w, flow);
}

static void tcp_on_time(struct utp_world *w, unsigned flow)
{
	struct tcp_flow *t = w->flows[flow].tcp;

	if (w->now_us < w->flows[flow].start_us || w->now_us - t->heard_us < 1000000)
		return;
	tcp_halve(t);
	t->window = 2;
	t->in_flight = 0;
	t->lowest = t->next;
	t->heard_us = w->now_us;
	tcp_send(w, flow);
}

/* ---- uTP ----------------------------------------------------------------------------------- */

/* Each byte tells where in the stream it belongs. */
static uint8_t byte_at(uint64_t at)
{
	return (uint8_t)(at * 167 + (at >> 8) * 31 + (at >> 16));
}

static void pull(struct utp_world *w, unsigned flow, struct utp_conn *c, bool back)
{
	struct bytes list[BATCH];
	size_t n;

	do {
		n = utp_conn_packets(c, w->now_us, list, BATCH);
		for (size_t i = 0; i < n; i++) {
			struct flight f = {.flow = flow, .back = back, .len = list[i].len};

			f.bytes = malloc(f.len);
			if (f.bytes == NULL)
				abort();
			memcpy(f.bytes, list[i].ptr, f.len);
			send(w, f);
		}
	} while (n == BATCH);
}

static void write_some(struct flow *f)
{
	uint8_t data[16384];
	uint64_t left = f->bytes - f->written;
	size_t n = left < sizeof(data) ? (size_t)left : sizeof(data);

	if (utp_conn_room(f->from) < n || n == 0)
		return;
	for (size_t i = 0; i < n; i++)
		data[i] = byte_at(f->written + i);
	f->written += utp_conn_write(f->from, bytes_of(data, n));
}

static void read_all(struct flow *f)
{
	uint8_t data[4096];
	size_t n;

	while ((n = utp_conn_read(f->to, (struct span){data, sizeof(data)})) > 0)
		for (size_t i = 0; i < n; i++, f->read++)
			f->wrong |= data[i] != byte_at(f->read);
}

static void pump(struct utp_world *w, unsigned flow)
{
	struct flow *f = &w->flows[flow];

	if (utp_conn_deadline_us(f->from) <= w->now_us)
		utp_conn_on_time(f->from, w->now_us);
	for (uint64_t before = UINT64_MAX; before != f->written;) {
		before = f->written;
		write_some(f);
		pull(w, flow, f->from, false);
	}
	if (f->written == f->bytes && utp_conn_unacked(f->from) == 0 &&
	    utp_conn_state(f->from) == UTP_OPEN) {
		utp_conn_close(f->from, w->now_us);
		pull(w, flow, f->from, false);
	}
	if (f->to == NULL)
		return;
	if (utp_conn_deadline_us(f->to) <= w->now_us)
		utp_conn_on_time(f->to, w->now_us);
	read_all(f);
	if (utp_conn_at_end(f->to))
		utp_conn_close(f->to, w->now_us);
	pull(w, flow, f->to, true);
}

static void take_packet(struct utp_world *w, const struct flight *d)
{
	struct flow *f = &w->flows[d->flow];
	struct utp_packet p;

	if (utp_decode(&p, bytes_of(d->bytes, d->len)) <= 0)
		abort();
	if (d->back) {
		utp_conn_on_packet(f->from, &p, w->now_us);
	} else if (f->to != NULL) {
		utp_conn_on_packet(f->to, &p, w->now_us);
	} else if (p.type == UTP_SYN) {
		f->to = utp_conn_accept(&p, (uint16_t)rng_next(&w->rng), &w->budget, w->now_us);
		if (f->to == NULL)
			abort();
	}
	pump(w, d->flow);
}

/* ---- all of it ----------------------------------------------------------------------------- */

static uint64_t next_us(const struct utp_world *w)
{
	uint64_t at = w->n_heap > 0 ? w->heap[0].at_us : UINT64_MAX;

	for (unsigned i = 0; i < w->n_flows; i++) {
		const struct flow *f = &w->flows[i];
		uint64_t own = UINT64_MAX, other = UINT64_MAX;

		if (f->tcp != NULL)
			own = f->start_us > w->now_us ? f->start_us : f->tcp->heard_us + 1000000;
		else if (f->from == NULL)
			own = f->start_us;
		else
			own = utp_conn_deadline_us(f->from);
		if (f->to != NULL)
			other = utp_conn_deadline_us(f->to);
		at = own < at ? own : at;
		at = other < at ? other : at;
	}
	return at;
}

static void on_time(struct utp_world *w, unsigned i)
{
	struct flow *f = &w->flows[i];

	if (f->tcp != NULL) {
		tcp_on_time(w, i);
		return;
	}
	if (f->from == NULL && w->now_us >= f->start_us) {
		f->from = utp_conn_dial((uint16_t)rng_next(&w->rng), (uint16_t)rng_next(&w->rng),
					&w->budget, w->now_us);
		if (f->from == NULL)
			abort();
	}
	if (f->from != NULL)
		pump(w, i);
}

static bool all_ended(const struct utp_world *w)
{
	for (unsigned i = 0; i < w->n_flows; i++)
		if (w->flows[i].tcp != NULL || !utp_world_ended(w, i))
			return false;
	return true;
}

void utp_world_run(struct utp_world *w, uint64_t until_us)
{
	while (!all_ended(w)) {
		uint64_t at = next_us(w);

		if (at > until_us) {
			w->now_us = until_us;
			return;
		}
		w->now_us = at > w->now_us ? at : w->now_us;
		if (w->n_heap > 0 && w->heap[0].at_us <= w->now_us) {
			struct flight f = pop(w);

			if (f.bytes != NULL) {
				take_packet(w, &f);
			} else if (f.back) {
				tcp_heard(w, f.flow, f.number);
			} else {
				w->flows[f.flow].read += f.len;
				send(w, (struct flight){
					    .flow = f.flow, .back = true, .number = f.number});
			}
			free(f.bytes);
			continue;
		}
		for (unsigned i = 0; i < w->n_flows; i++)
			on_time(w, i);
	}
}

struct utp_world *utp_world_new(const struct utp_way *way, uint64_t seed)
{
	struct utp_world *w = calloc(1, sizeof(*w));

	if (w == NULL)
		abort();
	w->way = *way;
	w->budget.max = 64u << 20;
	/* The clock of no machine begins at nothing, and this one soon runs around. */
	w->now_us = UINT32_MAX - 5000000ull;
	rng_seed(&w->rng, seed);
	return w;
}

void utp_world_free(struct utp_world *w)
{
	for (unsigned i = 0; i < w->n_flows; i++) {
		utp_conn_free(w->flows[i].from);
		utp_conn_free(w->flows[i].to);
		if (w->flows[i].tcp != NULL)
			free(w->flows[i].tcp->done);
		free(w->flows[i].tcp);
	}
	for (size_t i = 0; i < w->n_heap; i++)
		free(w->heap[i].bytes);
	free(w->heap);
	free(w);
}

unsigned utp_world_add(struct utp_world *w, uint64_t start_us, uint64_t bytes)
{
	w->flows[w->n_flows] = (struct flow){.start_us = w->now_us + start_us, .bytes = bytes};
	return w->n_flows++;
}

unsigned utp_world_add_tcp(struct utp_world *w, uint64_t start_us, uint64_t stop_us)
{
	struct tcp_flow *t = calloc(1, sizeof(*t));

	if (t == NULL)
		abort();
	t->done = calloc(TCP_OUT_MAX, sizeof(*t->done));
	if (t->done == NULL)
		abort();
	*t = (struct tcp_flow){
	    .done = t->done, .window = 4, .slow_until = 1e9, .stop_us = w->now_us + stop_us};
	w->flows[w->n_flows] = (struct flow){.start_us = w->now_us + start_us, .tcp = t};
	return w->n_flows++;
}

uint64_t utp_world_now_us(const struct utp_world *w)
{
	return w->now_us;
}

uint64_t utp_world_received(const struct utp_world *w, unsigned flow)
{
	return w->flows[flow].wrong ? 0 : w->flows[flow].read;
}

bool utp_world_ended(const struct utp_world *w, unsigned flow)
{
	const struct flow *f = &w->flows[flow];

	return f->from != NULL && f->to != NULL && utp_conn_state(f->from) == UTP_DEAD &&
	       utp_conn_why(f->from) == OK && utp_conn_at_end(f->to);
}

void utp_world_stats(const struct utp_world *w, unsigned flow, struct utp_conn_stats *out)
{
	utp_conn_stats(w->flows[flow].from, out);
}

uint32_t utp_world_waited_us(struct utp_world *w)
{
	uint32_t mean = w->waited_n == 0 ? 0 : (uint32_t)(w->waited_us / w->waited_n);

	w->waited_us = w->waited_n = 0;
	return mean;
}
