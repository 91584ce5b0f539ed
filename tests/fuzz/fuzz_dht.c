/* A whole DHT node, with a table, searches under way and things kept for others. The input is a row
 * of steps:
 *
 *     0 LENGTH(2) datagram from a stranger         4 TIME(2) later, then a tick
 *     1 LENGTH(2) datagram with the transaction and from the address of the query sent last
 *     2 BYTE      a search for an id of that byte  3 BYTE    a place
 */
#include "dht/dht.h"

#include <string.h>

#include "fuzz.h"

#define STEPS_MAX 200

struct world {
	struct dht *dht;
	struct dht_effects fx;
	uint64_t now;
	struct addr asked; /* the query sent last went there, with this transaction */
	uint8_t tid[4];
	bool has_asked;
};

static void look(struct world *w)
{
	for (size_t i = 0; i < w->fx.n; i++) {
		const struct dht_effect *e = &w->fx.list[i];
		struct krpc m;

		if (e->type != DHT_SEND)
			continue;
		/* Whatever we send is well formed, small, and goes where it may. */
		FUZZ_CHECK(e->len <= KRPC_OUT_MAX && addr_is_dialable(&e->to));
		FUZZ_CHECK(krpc_decode(dht_effect_bytes(&w->fx, e), &m) == 0);
		if (m.type == KRPC_QUERY) {
			w->asked = e->to;
			w->has_asked = m.tid.len == 4;
			memcpy(w->tid, m.tid.ptr, 4);
		}
	}
	dht_effects_clear(&w->fx);
	dht_check(w->dht);
}

static struct bytes take(struct bytes *in, size_t len)
{
	struct bytes out = bytes_sub(*in, 0, len < in->len ? len : in->len);

	*in = bytes_sub(*in, out.len, in->len - out.len);
	return out;
}

static size_t take_be16(struct bytes *in)
{
	struct bytes b = take(in, 2);

	return b.len < 2 ? 0 : be16(b.ptr);
}

/* The transaction that it cannot guess is put where it says "TTTT". */
static void reply(struct world *w, struct bytes said)
{
	uint8_t raw[KRPC_IN_MAX];
	struct krpc m = {.type = KRPC_QUERY};
	size_t len = said.len < sizeof(raw) ? said.len : sizeof(raw);

	memcpy(raw, said.ptr, len);
	for (size_t i = 0; w->has_asked && i + 4 <= len; i++)
		if (memcmp(raw + i, "TTTT", 4) == 0)
			memcpy(raw + i, w->tid, 4);
	(void)m;
	if (w->has_asked)
		dht_on_packet(w->dht, &w->asked, bytes_of(raw, len), w->now, &w->fx);
	FUZZ_SEEDED(w->has_asked && krpc_decode(bytes_of(raw, len), &m) == 0 &&
		    m.type == KRPC_REPLY && w->asked.ip[3] > 200);
}

static void step(struct world *w, uint8_t what, struct bytes *in)
{
	struct addr stranger = {.ip = {8, 8, 8, 8}, .port = 6881};
	struct addr place = {.ip = {9, 9, 9, 0}, .port = 6881};
	uint8_t id[20] = {0};
	struct bytes one;

	switch (what % 5) {
	case 0:
		dht_on_packet(w->dht, &stranger, take(in, take_be16(in)), w->now, &w->fx);
		break;
	case 1:
		one = take(in, take_be16(in));
		if (one.len > 0)
			reply(w, one);
		break;
	case 2:
		one = take(in, 1);
		id[0] = one.len > 0 ? one.ptr[0] : 0;
		if (id[0] % 3 == 0)
			(void)dht_announce(w->dht, id, 1, w->now, &w->fx);
		else if (id[0] % 3 == 1)
			(void)dht_get(w->dht, id, w->now, &w->fx);
		else
			(void)dht_find(w->dht, id, w->now, &w->fx);
		break;
	case 3:
		one = take(in, 1);
		place.ip[3] = one.len > 0 ? one.ptr[0] : 1;
		dht_add_place(w->dht, &place, w->now, &w->fx);
		break;
	default:
		w->now += take_be16(in);
		dht_on_tick(w->dht, w->now, &w->fx);
	}
	look(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dht_params p = {.seed = 1, .secret = {1, 2}, .v4 = true, .v6 = true};
	struct world w = {.now = 1000};
	struct bytes in = bytes_of(data, size);

	w.dht = dht_new(&p, w.now);
	FUZZ_CHECK(w.dht != NULL);
	dht_effects_init(&w.fx);
	for (int i = 0; i < STEPS_MAX && in.len > 0; i++) {
		struct bytes what = take(&in, 1);

		step(&w, what.ptr[0], &in);
	}
	dht_effects_fini(&w.fx);
	dht_free(w.dht);
	return 0;
}
