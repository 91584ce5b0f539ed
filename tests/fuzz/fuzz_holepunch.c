/* Hole punching: whatever introducers say, and in whatever order, packets go only where they may,
 * and not again and again to one host.
 *
 * Input: lines of slot, seconds passed, length, and a message of that length; what an odd slot says
 * is asked for before it is heard. */
#include "fuzz.h"
#include "swarm/holepunch.h"
#include "wire/ext_holepunch.h"

#define SLOTS 8u
#define DIALS_MAX 512u

struct dial {
	struct addr to;
	uint64_t at_ms;
};

static void check_codec(const struct ext_holepunch *m)
{
	struct ext_holepunch back;
	struct buf out;

	buf_init(&out, 64);
	FUZZ_CHECK(ext_holepunch_encode(&out, m) == OK);
	FUZZ_CHECK(ext_holepunch_decode(&back, buf_bytes(&out)) == OK);
	FUZZ_CHECK(back.type == m->type && addr_eq(&back.addr, &m->addr) && back.error == m->error);
	buf_fini(&out);
}

static void check_dials(const struct dial *list, uint32_t n)
{
	const struct dial *last = &list[n - 1];
	uint32_t same_host = 0;

	FUZZ_CHECK(holepunch_may_dial(&last->to));
	for (uint32_t i = 0; i < n; i++) {
		if (last->at_ms - list[i].at_ms >= HOLEPUNCH_AGAIN_MS)
			continue;
		FUZZ_CHECK(i == n - 1 || !addr_eq(&list[i].to, &last->to));
		same_host += addr_same_host(&list[i].to, &last->to);
	}
	FUZZ_CHECK(same_host <= HOLEPUNCH_PORTS_MAX);
}

static void ask(struct holepunch *h, const struct addr *a, struct peer_ref by, uint64_t now_ms)
{
	struct holepunch_attempt *t = holepunch_find(h, a, now_ms);

	if (t == NULL && holepunch_may_dial(a))
		t = holepunch_begin(h, a, false, now_ms);
	if (t != NULL)
		(void)holepunch_ask(t, by, now_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct allowance heed[SLOTS] = {{0}};
	struct holepunch h = {0};
	struct dial dials[DIALS_MAX];
	uint32_t n = 0, errors = 0;
	uint64_t now_ms = 1000000;

	while (size >= 3 && n < DIALS_MAX) {
		struct peer_ref by = {data[0] % SLOTS, 0};
		bool asks = (data[0] & 1) != 0;
		size_t len = data[2] < size - 3 ? data[2] : size - 3;
		struct ext_holepunch m;

		now_ms += data[1] * 1000u;
		if (ext_holepunch_decode(&m, bytes_of(data + 3, len)) == OK) {
			check_codec(&m);
			errors += m.type == EXT_HOLEPUNCH_ERROR;
			if (asks)
				ask(&h, &m.addr, by, now_ms);
			if (m.type == EXT_HOLEPUNCH_CONNECT &&
			    holepunch_on_connect(&h, by, &m.addr, &heed[by.slot], now_ms) != NULL) {
				dials[n++] = (struct dial){m.addr, now_ms};
				check_dials(dials, n);
			}
		}
		data += 3 + len;
		size -= 3 + len;
	}
	FUZZ_SEEDED(n == 2 && errors == 1);
	return 0;
}
