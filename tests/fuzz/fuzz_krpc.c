/* Messages of the distributed hash table: what is read is written back, and read the same again. */
#include "wire/krpc.h"

#include <string.h>

#include "fuzz.h"

static bool same(struct bytes a, struct bytes b)
{
	return (a.ptr == NULL) == (b.ptr == NULL) && bytes_eq(a, b);
}

static bool same_fixed(const uint8_t *a, const uint8_t *b, size_t len)
{
	return (a == NULL) == (b == NULL) && (a == NULL || memcmp(a, b, len) == 0);
}

static size_t take_peers(const struct krpc *m, struct addr *out)
{
	struct krpc_peers it = krpc_peers(m);
	size_t n = 0;

	while (krpc_next_peer(&it, &out[n]))
		FUZZ_CHECK(++n <= KRPC_PEERS_MAX);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct addr peers[KRPC_PEERS_MAX + 1], again[KRPC_PEERS_MAX + 1];
	struct krpc m, back;
	struct buf b;
	int rc = krpc_decode(bytes_of(data, size), &m);

	FUZZ_CHECK(rc == 0 || rc == ERR_PROTO || rc == ERR_TOO_BIG);
	if (rc != 0) {
		FUZZ_CHECK(m.tid.ptr == NULL || (m.type == KRPC_QUERY && m.fault != 0));
		return 0;
	}
	FUZZ_CHECK(m.tid.len > 0 && m.tid.len <= KRPC_TID_MAX);
	FUZZ_CHECK(m.type == KRPC_ERROR || m.id != NULL);
	FUZZ_CHECK(m.v.len <= KRPC_VALUE_MAX && m.token.len <= KRPC_TOKEN_MAX);
	FUZZ_CHECK(m.nodes.len % 26 == 0 && m.nodes6.len % 38 == 0);
	FUZZ_SEEDED(m.method == KRPC_GET && m.has_seq && m.seq % 10 == 7);
	if (m.type == KRPC_QUERY && m.method == KRPC_UNKNOWN)
		return 0;
	m.n_peers = take_peers(&m, peers);
	m.peers = peers;
	buf_init(&b, 4 * KRPC_IN_MAX);
	FUZZ_CHECK(krpc_encode(&m, &b) == 0);
	if (b.len <= KRPC_IN_MAX) {
		FUZZ_CHECK(krpc_decode(buf_bytes(&b), &back) == 0);
		FUZZ_CHECK(back.type == m.type && back.method == m.method);
		FUZZ_CHECK(same(back.tid, m.tid) && same_fixed(back.id, m.id, 20));
		FUZZ_CHECK(same_fixed(back.target, m.target, 20) && back.want == m.want);
		FUZZ_CHECK(same(back.v, m.v) && same_fixed(back.key, m.key, 32));
		FUZZ_CHECK(same(back.nodes, m.nodes) && same(back.nodes6, m.nodes6));
		FUZZ_CHECK(take_peers(&back, again) == m.n_peers);
		FUZZ_CHECK(memcmp(peers, again, m.n_peers * sizeof(peers[0])) == 0);
	}
	buf_fini(&b);
	return 0;
}
