/* Announce and scrape queries, as the server reads them. */
#include "wire/http_tracker.h"

#include <string.h>

#include "fuzz.h"

static void check_same(const struct announce *a, const struct announce *b)
{
	FUZZ_CHECK(memcmp(a->info_hash, b->info_hash, 20) == 0);
	FUZZ_CHECK(memcmp(a->peer_id, b->peer_id, 20) == 0 && a->port == b->port);
	FUZZ_CHECK(a->uploaded == b->uploaded && a->downloaded == b->downloaded);
	FUZZ_CHECK(a->left == b->left && a->event == b->event && a->numwant == b->numwant);
	FUZZ_CHECK(a->compact == b->compact && a->no_peer_id == b->no_peer_id);
	FUZZ_CHECK(a->supports_crypto == b->supports_crypto && strcmp(a->key, b->key) == 0);
	FUZZ_CHECK(strcmp(a->tracker_id, b->tracker_id) == 0);
	FUZZ_CHECK(a->has_claimed_v6 == b->has_claimed_v6);
	FUZZ_CHECK(addr_eq(&a->claimed_v6, &b->claimed_v6));
}

static void check_announce(const struct announce *a)
{
	struct announce back;
	struct buf out;

	FUZZ_CHECK(a->port != 0 && a->numwant <= ANNOUNCE_PEERS_MAX);
	FUZZ_CHECK(!a->has_claimed_v6 || (a->claimed_v6.v6 && addr_is_dialable(&a->claimed_v6)));
	buf_init(&out, HTTP_TRACKER_QUERY_MAX);
	FUZZ_CHECK(http_announce_encode("?", a, &out) == 0);
	FUZZ_CHECK(http_announce_decode(bytes_sub(buf_bytes(&out), 1, out.len - 1), &back, NULL) ==
		   0);
	check_same(a, &back);
	buf_fini(&out);
	FUZZ_SEEDED(a->no_peer_id && a->left > 9);
}

static void check_scrape(struct bytes in)
{
	uint8_t hashes[SCRAPE_HASHES_MAX][20];
	struct scrape_row rows[SCRAPE_HASHES_MAX] = {0}, back[SCRAPE_HASHES_MAX];
	struct err_info info = {.text = ""};
	int n = http_scrape_decode(in, hashes, &info);
	struct buf out;
	size_t got;

	FUZZ_CHECK(n <= (int)SCRAPE_HASHES_MAX && (n >= 0 || info.text[0] != '\0'));
	if (n <= 0)
		return;
	for (int i = 0; i < n; i++)
		memcpy(rows[i].info_hash, hashes[i], 20);
	buf_init(&out, 64u << 10);
	FUZZ_CHECK(http_scrape_reply_encode(rows, (size_t)n, &out) == 0);
	FUZZ_CHECK(http_scrape_reply_decode(buf_bytes(&out), back, SCRAPE_HASHES_MAX, &got) == 0);
	FUZZ_CHECK(got > 0 && got <= (size_t)n);
	for (size_t i = 1; i < got; i++)
		FUZZ_CHECK(memcmp(back[i - 1].info_hash, back[i].info_hash, 20) < 0);
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);
	struct announce a, again;
	struct err_info info = {.text = ""};
	int rc = http_announce_decode(in, &a, &info);

	FUZZ_CHECK(http_announce_decode(in, &again, NULL) == rc);
	FUZZ_CHECK(rc == 0 || (rc == ERR_PROTO && info.text[0] != '\0'));
	for (const char *c = info.text; *c != '\0'; c++)
		FUZZ_CHECK(*c >= ' ' && *c < 0x7f);
	if (rc == 0) {
		check_same(&a, &again);
		check_announce(&a);
	}
	check_scrape(in);
	return 0;
}
