/* Datagrams of the local network: who is in which swarm (BEP 14), and a router's answer (PCP). */
#include "fuzz.h"
#include "wire/lsd.h"
#include "wire/pcp.h"

static void check_lsd(struct bytes in)
{
	struct lsd m, back;
	struct buf out;
	int err = lsd_decode(&m, in);

	FUZZ_CHECK(err == OK || err == ERR_PROTO);
	if (err != OK)
		return;
	FUZZ_CHECK(m.port != 0 && m.n_hashes > 0 && m.n_hashes <= LSD_HASHES_MAX);
	FUZZ_CHECK(memchr(m.cookie, '\0', sizeof(m.cookie)) != NULL);
	buf_init(&out, 4096);
	FUZZ_CHECK(lsd_encode(&out, &m) == OK && lsd_decode(&back, buf_bytes(&out)) == OK);
	FUZZ_CHECK(back.port == m.port && back.v6 == m.v6 && back.n_hashes == m.n_hashes);
	FUZZ_CHECK(memcmp(back.hashes, m.hashes, m.n_hashes * SHA1_LEN) == 0);
	buf_fini(&out);
	FUZZ_SEEDED(m.v6 && m.n_hashes == 3);
}

static void check_pcp(struct bytes in)
{
	struct pcp_map asked = {.protocol = PCP_TCP,
				.internal_port = 0x4141,
				.nonce = "AAAAAAAAAAAA"},
		       got;
	int err = pcp_map_reply_decode(in, &asked, &got);

	FUZZ_CHECK(err == OK || err == ERR_PROTO);
	if (err != OK)
		return;
	FUZZ_CHECK(in.len >= 4 && in.len <= PCP_BYTES_MAX && got.result <= 255);
	FUZZ_CHECK(got.protocol == asked.protocol && got.internal_port == asked.internal_port);
	FUZZ_CHECK(got.result == PCP_UNSUPPORTED_VERSION || in.len >= PCP_MAP_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_lsd(bytes_of(data, size));
	check_pcp(bytes_of(data, size));
	return 0;
}
