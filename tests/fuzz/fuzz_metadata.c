/* Metadata messages: as bytes, and as what eight peers, none of whom is honest, say to a fetch that
 * wants something nobody has. The first byte chooses. */
#include <string.h>

#include "fuzz.h"
#include "swarm/metadata.h"
#include "wire/ext_metadata.h"

#define PEERS 8u

static void check_message(struct bytes in)
{
	struct ext_metadata m, back;
	struct buf out;
	int rc = ext_metadata_decode(&m, in);

	FUZZ_CHECK(rc == OK || rc == ERR_PROTO);
	if (rc != OK || m.type == EXT_METADATA_UNKNOWN)
		return;
	FUZZ_CHECK(m.piece < ext_metadata_pieces(EXT_METADATA_MAX));
	if (m.type == EXT_METADATA_DATA)
		FUZZ_CHECK(m.total_bytes <= EXT_METADATA_MAX &&
			   m.data.len == ext_metadata_piece_bytes(m.total_bytes, m.piece));
	buf_init(&out, 20000);
	FUZZ_CHECK(ext_metadata_encode(&out, &m) == OK);
	FUZZ_CHECK(ext_metadata_decode(&back, buf_bytes(&out)) == OK);
	FUZZ_CHECK(back.type == m.type && back.piece == m.piece && bytes_eq(back.data, m.data));
	buf_fini(&out);
}

/* One step of two bytes: who, and what. */
static void step(struct metadata *m, uint8_t who, uint8_t what, uint64_t *now_ms, bool *here)
{
	static const uint8_t zeros[EXT_METADATA_PIECE];
	uint32_t sizes[] = {0, 1, 16384, 16385, 30000, 40000}, n = 1u << (what >> 5);
	uint32_t i = who % PEERS, bytes = sizes[what % 6], piece = who / PEERS;
	struct ext_metadata msg = {.piece = piece, .total_bytes = bytes};
	uint32_t peer, asked;
	bool banned, taken;

	*now_ms += n * 50;
	if (what % 7 == 0) {
		here[i] = here[i] || metadata_on_size(m, i, bytes) == OK;
	} else if (what % 7 == 1) {
		(void)metadata_on_closed(m, i);
		here[i] = false;
	} else if (here[i] && bytes > 0 && piece < ext_metadata_pieces(bytes)) {
		msg.type = what % 7 == 2 ? EXT_METADATA_REJECT : EXT_METADATA_DATA;
		msg.data = bytes_of(zeros, ext_metadata_piece_bytes(bytes, piece));
		banned = metadata_on_message(m, i, &msg, *now_ms, &taken) == ERR_DENIED;
		FUZZ_CHECK((!banned && !taken) || msg.type == EXT_METADATA_DATA);
		FUZZ_SEEDED(banned);
	}
	while (metadata_next(m, *now_ms, &peer, &asked))
		FUZZ_CHECK(peer < PEERS && here[peer] &&
			   asked < ext_metadata_pieces(EXT_METADATA_MAX));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct metadata_params p = {.has_v1 = true};
	struct metadata *m;
	bool here[PEERS] = {false};
	uint64_t now_ms = 1;

	if (size == 0)
		return 0;
	if (data[0] != '!' || size > 200) {
		check_message(bytes_of(data, size));
		return 0;
	}
	m = metadata_new(&p);
	for (size_t i = 1; i + 1 < size; i += 2)
		step(m, data[i], data[i + 1], &now_ms, here);
	FUZZ_CHECK(metadata_result(m).len == 0);
	metadata_free(m);
	return 0;
}
