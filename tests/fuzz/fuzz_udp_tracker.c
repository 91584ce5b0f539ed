/* Datagrams of the UDP tracker: as the server reads requests, and as a client reads replies. */
#include "wire/udp_tracker.h"

#include <string.h>

#include "fuzz.h"

static void check_announce(struct bytes in)
{
	struct announce a, back;
	struct udp_url url, url_back;
	struct err_info why = {.text = ""};
	uint8_t out[UDP_REQUEST_MAX];
	int rc = udp_announce_decode(in, &a, &url, &why);
	size_t len;

	FUZZ_CHECK(url.len <= UDP_URL_MAX);
	FUZZ_CHECK(rc == 0 || ((rc == ERR_PROTO || rc == ERR_TOO_BIG) && why.text[0] != '\0'));
	/* But for its limit, options are read alike whether or not somebody wants the URL. */
	FUZZ_CHECK(rc == ERR_TOO_BIG || udp_announce_decode(in, &back, NULL, NULL) == rc);
	if (rc != 0)
		return;
	FUZZ_CHECK(a.port != 0 && a.numwant <= ANNOUNCE_PEERS_MAX && strlen(a.key) == 8);
	len = udp_announce_encode(be64(in.ptr), be32(in.ptr + 12), &a, bytes_of(url.text, url.len),
				  out);
	FUZZ_CHECK(len <= sizeof(out) && memcmp(out, in.ptr, 8) == 0);
	FUZZ_CHECK(udp_announce_decode(bytes_of(out, len), &back, &url_back, NULL) == 0);
	FUZZ_CHECK(memcmp(&a, &back, sizeof(a)) == 0);
	FUZZ_CHECK(url.len == url_back.len && memcmp(url.text, url_back.text, url.len) == 0);
	FUZZ_SEEDED(url.len > 3 && a.event == EVENT_STOPPED);
}

static void check_scrape(struct bytes in)
{
	uint8_t out[UDP_REQUEST_MAX];
	struct err_info why = {.text = ""};
	const uint8_t *hashes;
	int n = udp_scrape_decode(in, &hashes, &why);

	FUZZ_CHECK(n != 0 && n <= (int)SCRAPE_HASHES_MAX && (n > 0 || why.text[0] != '\0'));
	if (n < 0)
		return;
	FUZZ_CHECK(udp_scrape_encode(be64(in.ptr), be32(in.ptr + 12), hashes, (size_t)n, out) ==
		   16 + 20 * (size_t)n);
	FUZZ_CHECK(memcmp(out + 16, in.ptr + 16, 20 * (size_t)n) == 0);
}

static void check_reply(struct bytes in, bool v6)
{
	struct announce_peer peers[ANNOUNCE_PEERS_MAX], again[ANNOUNCE_PEERS_MAX];
	struct announce_reply r, back;
	uint8_t out[UDP_REPLY_MAX];
	size_t len;

	if (udp_announce_reply_decode(in, v6, &r, peers, ANNOUNCE_PEERS_MAX) != 0)
		return;
	FUZZ_CHECK(r.n_peers <= ANNOUNCE_PEERS_MAX && (!r.failed || r.n_peers == 0));
	for (uint32_t i = 0; i < r.n_peers; i++)
		FUZZ_CHECK(addr_is_dialable(&r.peers[i].addr));
	len = udp_announce_reply_encode(be32(in.ptr + 4), &r, v6, out);
	FUZZ_CHECK(len >= 8 && len <= sizeof(out));
	FUZZ_CHECK(udp_announce_reply_decode(bytes_of(out, len), v6, &back, again,
					     ANNOUNCE_PEERS_MAX) == 0);
	FUZZ_CHECK(back.failed == r.failed && strcmp(back.failure, r.failure) == 0);
	FUZZ_CHECK(back.interval_s == r.interval_s && back.complete == r.complete);
	FUZZ_CHECK(back.n_peers <= r.n_peers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t hashes[3 * 20];
	struct bytes in = bytes_of(data, size);
	struct scrape_row rows[3];
	struct udp_head h;
	uint64_t id;
	int rc = udp_head_decode(in, &h);

	FUZZ_CHECK(rc == 0 || rc == ERR_PROTO);
	FUZZ_CHECK(rc != 0 || (size >= 16 && h.action <= UDP_SCRAPE));
	check_announce(in);
	check_scrape(in);
	check_reply(in, false);
	check_reply(in, true);
	(void)udp_reply_head_decode(in, &h);
	(void)udp_connect_reply_decode(in, &id);
	(void)udp_scrape_reply_decode(in, hashes, 3, rows);
	return 0;
}
