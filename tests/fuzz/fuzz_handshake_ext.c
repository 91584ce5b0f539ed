/* The opening of a connection: the 68 bytes, then the extension handshake. Input that
 * does not open like BitTorrent goes to the extension handshake as a whole. */
#include "wire/handshake.h"

#include <string.h>

#include "fuzz.h"
#include "wire/ext.h"

static void check_handshake(const struct handshake *h)
{
	uint8_t raw[HANDSHAKE_LEN];
	struct handshake back;
	char client[CLIENT_TEXT_MAX];

	handshake_encode(h, raw);
	FUZZ_CHECK(handshake_decode(&back, bytes_of(raw, sizeof(raw))) == HANDSHAKE_LEN);
	FUZZ_CHECK(back.fast == h->fast && back.extended == h->extended && back.dht == h->dht &&
		   back.v2 == h->v2);
	FUZZ_CHECK(memcmp(back.info_hash, h->info_hash, 20) == 0);
	FUZZ_CHECK(memcmp(back.peer_id, h->peer_id, 20) == 0);
	FUZZ_CHECK(handshake_client(client, h->peer_id) == client);
	FUZZ_CHECK(client[0] != '\0' && memchr(client, 0, sizeof(client)) != NULL);
	for (const char *c = client; *c != '\0'; c++)
		FUZZ_CHECK((unsigned char)*c >= ' ' && *c != 0x7f);
	FUZZ_CHECK(!handshake_is_shoal(h->peer_id) || h->peer_id[1] == 'S');
}

static void check_ext(const struct ext_handshake *h)
{
	struct ext_handshake back = {0};
	struct buf out;

	FUZZ_CHECK(memchr(h->client, 0, sizeof(h->client)) != NULL && h->reqq <= EXT_REQQ_MAX);
	buf_init(&out, 4096);
	FUZZ_CHECK(ext_encode(&out, h) == 0 && ext_decode(&back, buf_bytes(&out)) == 0);
	FUZZ_CHECK(back.upload_only == h->upload_only && back.port == h->port);
	FUZZ_CHECK(back.reqq == h->reqq && back.metadata_size == h->metadata_size);
	FUZZ_CHECK(back.ut_metadata == h->ut_metadata && back.ut_pex == h->ut_pex);
	FUZZ_CHECK(back.donthave == h->donthave && back.holepunch == h->holepunch);
	FUZZ_CHECK(back.has_yourip == h->has_yourip && addr_eq(&back.yourip, &h->yourip));
	FUZZ_CHECK(strcmp(back.client, h->client) == 0);
	buf_fini(&out);
	FUZZ_SEEDED(h->upload_only && h->holepunch > 9);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);
	struct ext_handshake ext = {0};
	struct handshake h;
	int rc = handshake_decode(&h, in);

	FUZZ_CHECK(rc == ERR_PROTO || rc == 0 || rc == HANDSHAKE_LEN);
	FUZZ_CHECK(rc != 0 || size < HANDSHAKE_LEN);
	if (rc == HANDSHAKE_LEN) {
		FUZZ_CHECK(size >= HANDSHAKE_LEN);
		check_handshake(&h);
		in = bytes_sub(in, HANDSHAKE_LEN, in.len - HANDSHAKE_LEN);
	}
	rc = ext_decode(&ext, in);
	FUZZ_CHECK(rc == 0 || rc == ERR_PROTO);
	if (rc == 0)
		check_ext(&ext);
	return 0;
}
