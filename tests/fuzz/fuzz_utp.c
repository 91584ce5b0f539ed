/* A live uTP connection and a hostile other end. The first byte: who dialled, and whether the
 * numbers are about to run around. Then steps of an operation and its bytes: packets near to what
 * is expected, raw ones, time that passes, what our side writes, reads and closes. */
#include <string.h>

#include "fuzz.h"
#include "wire/utp_conn.h"

#define STEPS_MAX 400

struct tape {
	const uint8_t *at, *end;
};

static uint8_t next(struct tape *t)
{
	return t->at < t->end ? *t->at++ : 0;
}

struct world {
	struct utp_budget budget;
	struct utp_conn *c;
	uint64_t now_us;
	uint16_t expects, sent; /* by its last packet: what it has, and its own number */
	bool raw;		/* payload is no pattern any more */
	bool mask, read_any;
	uint8_t last;
};

/* What it says must be readable, and within what a packet may be. */
static void pull(struct world *w)
{
	struct bytes list[16];
	size_t n;

	do {
		n = utp_conn_packets(w->c, w->now_us, list, 16);
		for (size_t i = 0; i < n; i++) {
			struct utp_packet p;

			FUZZ_CHECK(utp_decode(&p, list[i]) == (int)list[i].len);
			FUZZ_CHECK(list[i].len <= UTP_PACKET_BYTES);
			w->expects = (uint16_t)(p.ack + 1);
			w->sent = p.seq;
			w->mask |= p.sack.len > 0 && (p.sack.ptr[0] & 7) == 5;
		}
	} while (n == 16);
}

/* Each byte is the number of its packet: whatever comes out must be in their order. */
static void read_some(struct world *w, size_t most)
{
	uint8_t data[512];
	size_t n = utp_conn_read(w->c, (struct span){data, most < 512 ? most : 512});

	for (size_t i = 0; i < n; i++) {
		FUZZ_CHECK(w->raw || !w->read_any || (uint8_t)(data[i] - w->last) <= 1);
		w->last = data[i];
		w->read_any = true;
	}
	FUZZ_SEEDED(w->mask && n >= 3 && !w->raw);
}

static void give_near(struct world *w, struct tape *t)
{
	uint8_t mask[UTP_SACK_MAX], data[600];
	struct utp_packet p = {.type = (enum utp_type)(next(t) % 5), .id = utp_conn_id(w->c)};
	size_t len;

	p.seq = (uint16_t)(w->expects + (int8_t)next(t));
	p.ack = (uint16_t)(w->sent - 1 + (int8_t)next(t));
	p.window = (uint32_t)next(t) << 12;
	p.delay_us = (uint32_t)next(t) << 10;
	len = next(t) % 9;
	for (size_t i = 0; i < len; i++)
		mask[i] = next(t);
	p.sack = bytes_of(mask, len);
	len = next(t) * 2u + 1;
	memset(data, (uint8_t)p.seq, len);
	p.payload = bytes_of(data, p.type == UTP_DATA ? len : 0);
	utp_conn_on_packet(w->c, &p, w->now_us);
}

static void give_raw(struct world *w, struct tape *t)
{
	size_t len = next(t), left = (size_t)(t->end - t->at);
	uint8_t *copy;
	struct utp_packet p;

	len = len < left ? len : left;
	copy = malloc(len > 0 ? len : 1);
	FUZZ_CHECK(copy != NULL);
	if (len > 0)
		memcpy(copy, t->at, len);
	t->at += len;
	w->raw = true;
	if (utp_decode(&p, bytes_of(copy, len)) > 0)
		utp_conn_on_packet(w->c, &p, w->now_us);
	free(copy);
}

static void step(struct world *w, struct tape *t)
{
	static const uint8_t zeros[8192];
	uint8_t n;

	switch (next(t) % 8) {
	case 4:
		give_raw(w, t);
		break;
	case 5:
		w->now_us += (uint64_t)next(t) << 16;
		if (utp_conn_deadline_us(w->c) <= w->now_us)
			utp_conn_on_time(w->c, w->now_us);
		break;
	case 6:
		(void)utp_conn_write(w->c, bytes_of(zeros, next(t) * 32u));
		break;
	case 7:
		n = next(t);
		if (n == 255)
			utp_conn_close(w->c, w->now_us);
		else
			read_some(w, n * 2u);
		break;
	default:
		give_near(w, t);
		break;
	}
	pull(w);
	FUZZ_CHECK(w->budget.used <= w->budget.max);
	FUZZ_CHECK(utp_conn_readable(w->c) <= UTP_HELD_MAX);
	FUZZ_CHECK(utp_conn_unacked(w->c) <= UTP_OUT_MAX);
	FUZZ_CHECK(utp_conn_state(w->c) != UTP_DEAD || utp_conn_deadline_us(w->c) == UINT64_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = {.budget.max = 300000, .now_us = 1000000};
	struct tape t = {data, size == 0 ? data : data + size};
	uint8_t how = next(&t);
	uint16_t first = how % 4 < 2 ? 100 : 65530;

	if (how % 2 == 0) {
		w.c = utp_conn_dial(7, first, &w.budget, w.now_us);
	} else {
		struct utp_packet syn = {.type = UTP_SYN, .id = 7, .seq = first};

		w.c = utp_conn_accept(&syn, first, &w.budget, w.now_us);
	}
	FUZZ_CHECK(w.c != NULL);
	pull(&w);
	for (int i = 0; i < STEPS_MAX && t.at < t.end; i++)
		step(&w, &t);
	utp_conn_free(w.c);
	FUZZ_CHECK(w.budget.used == 0);
	return 0;
}
