/* A tracker's answers, as the client reads them. */
#include "wire/http_tracker.h"

#include <string.h>

#include "fuzz.h"

#define OUT_MAX (1u << 20)

static void check_peers(const struct announce_reply *r)
{
	FUZZ_CHECK(r->n_peers <= ANNOUNCE_PEERS_TAKEN);
	for (uint32_t i = 0; i < r->n_peers; i++)
		FUZZ_CHECK(addr_is_dialable(&r->peers[i].addr));
}

/* Once written by us, a reply reads and writes the same for ever. */
static void check_round_trip(const struct announce_reply *r, bool compact)
{
	static struct announce_peer peers[ANNOUNCE_PEERS_TAKEN];
	struct announce_reply back;
	struct buf first, second;

	buf_init(&first, OUT_MAX);
	buf_init(&second, OUT_MAX);
	FUZZ_CHECK(http_announce_reply_encode(r, compact, false, &first) == 0);
	FUZZ_CHECK(
	    http_announce_reply_decode(buf_bytes(&first), &back, peers, ANNOUNCE_PEERS_TAKEN) == 0);
	FUZZ_CHECK(back.failed == r->failed && strcmp(back.failure, r->failure) == 0);
	FUZZ_CHECK(back.interval_s == r->interval_s && back.complete == r->complete);
	FUZZ_CHECK(back.n_peers ==
		   (r->n_peers < ANNOUNCE_PEERS_MAX ? r->n_peers : ANNOUNCE_PEERS_MAX));
	FUZZ_CHECK(http_announce_reply_encode(&back, compact, false, &second) == 0);
	FUZZ_CHECK(bytes_eq(buf_bytes(&first), buf_bytes(&second)));
	buf_fini(&first);
	buf_fini(&second);
}

static void check_scrape(struct bytes in)
{
	struct scrape_row rows[SCRAPE_HASHES_MAX];
	struct buf out;
	size_t n;

	if (http_scrape_reply_decode(in, rows, SCRAPE_HASHES_MAX, &n) != 0)
		return;
	FUZZ_CHECK(n <= SCRAPE_HASHES_MAX);
	buf_init(&out, OUT_MAX);
	FUZZ_CHECK(http_scrape_reply_encode(rows, n, &out) == 0);
	FUZZ_CHECK(http_scrape_reply_decode(buf_bytes(&out), rows, SCRAPE_HASHES_MAX, &n) == 0);
	buf_fini(&out);
}

/* The same bytes as a tracker's URL. */
static void check_url(struct bytes in)
{
	struct announce a = {.port = 1};
	struct buf url, out;

	buf_init(&url, 8192);
	buf_init(&out, 32768);
	buf_put(&url, in);
	if (buf_cstr(&url) != NULL) {
		if (http_announce_encode(buf_cstr(&url), &a, &out) == 0)
			for (size_t i = 0; i < out.len; i++)
				FUZZ_CHECK(out.ptr[i] > ' ' && out.ptr[i] != 0x7f);
		buf_clear(&out);
		FUZZ_CHECK(http_scrape_url(buf_cstr(&url), &out) <= 0);
		FUZZ_CHECK(out.len <= url.len);
	}
	buf_fini(&url);
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct announce_peer peers[ANNOUNCE_PEERS_TAKEN + 1];
	struct bytes in = bytes_of(data, size);
	struct announce_reply r;
	int rc = http_announce_reply_decode(in, &r, peers, ANNOUNCE_PEERS_TAKEN + 1);

	FUZZ_CHECK(rc == 0 || rc == ERR_PROTO);
	if (rc == 0) {
		check_peers(&r);
		check_round_trip(&r, true);
		/* An address that is not dialable as text would show here. */
		check_round_trip(&r, false);
		FUZZ_SEEDED(r.n_peers == 2 && r.peers[0].has_id && r.interval_s < 1000);
	}
	check_scrape(in);
	check_url(in);
	return 0;
}
