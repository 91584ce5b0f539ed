/* Peer exchange: whatever comes, what is believed of it can be dialled, and is not much. */
#include <string.h>

#include "fuzz.h"
#include "wire/ext_pex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ext_pex m, back;
	struct buf out;
	uint32_t seeds = 0;
	int rc = ext_pex_decode(&m, bytes_of(data, size));

	FUZZ_CHECK(rc == OK || rc == ERR_PROTO);
	if (rc != OK)
		return 0;
	FUZZ_CHECK(m.n_added <= EXT_PEX_MAX && m.n_dropped <= EXT_PEX_MAX);
	for (uint32_t i = 0; i < m.n_added; i++) {
		FUZZ_CHECK(addr_is_dialable(&m.added[i].addr));
		for (uint32_t k = 0; k < i; k++)
			FUZZ_CHECK(!addr_eq(&m.added[i].addr, &m.added[k].addr));
		seeds += (m.added[i].flags & EXT_PEX_SEED) != 0;
	}
	buf_init(&out, 4000);
	FUZZ_CHECK(ext_pex_encode(&out, &m) == OK && ext_pex_decode(&back, buf_bytes(&out)) == OK);
	FUZZ_CHECK(back.n_added == m.n_added && back.n_dropped == m.n_dropped);
	buf_fini(&out);
	FUZZ_SEEDED(seeds == 1 && m.n_dropped == 1);
	return 0;
}
