#include "wire/handshake.h"

#include <stdio.h>

#include "base/err.h"
#include "base/text.h"

/* 19, protocol string, 8 reserved bytes, info-hash, peer id. */
static const uint8_t opening[20] = "\x13"
				   "BitTorrent protocol";

#define RESERVED_AT 20
#define HASH_AT 28
#define ID_AT 48

/* Reserved bytes and their bits. */
#define BYTE_EXTENDED 5
#define BIT_EXTENDED 0x10
#define BYTE_LAST 7
#define BIT_DHT 0x01
#define BIT_FAST 0x04
#define BIT_V2 0x10

int handshake_decode(struct handshake *h, struct bytes in)
{
	size_t n = in.len < sizeof(opening) ? in.len : sizeof(opening);
	const uint8_t *reserved;

	if (n > 0 && memcmp(in.ptr, opening, n) != 0)
		return ERR_PROTO;
	if (in.len < HANDSHAKE_LEN)
		return 0;
	reserved = in.ptr + RESERVED_AT;
	*h = (struct handshake){
	    .fast = (reserved[BYTE_LAST] & BIT_FAST) != 0,
	    .extended = (reserved[BYTE_EXTENDED] & BIT_EXTENDED) != 0,
	    .dht = (reserved[BYTE_LAST] & BIT_DHT) != 0,
	    .v2 = (reserved[BYTE_LAST] & BIT_V2) != 0,
	};
	memcpy(h->info_hash, in.ptr + HASH_AT, sizeof(h->info_hash));
	memcpy(h->peer_id, in.ptr + ID_AT, sizeof(h->peer_id));
	return HANDSHAKE_LEN;
}

void handshake_encode(const struct handshake *h, uint8_t out[HANDSHAKE_LEN])
{
	uint8_t *reserved = out + RESERVED_AT;

	memcpy(out, opening, sizeof(opening));
	memset(reserved, 0, HASH_AT - RESERVED_AT);
	reserved[BYTE_EXTENDED] = h->extended ? BIT_EXTENDED : 0;
	reserved[BYTE_LAST] =
	    (uint8_t)((h->fast ? BIT_FAST : 0) | (h->dht ? BIT_DHT : 0) | (h->v2 ? BIT_V2 : 0));
	memcpy(out + HASH_AT, h->info_hash, sizeof(h->info_hash));
	memcpy(out + ID_AT, h->peer_id, sizeof(h->peer_id));
}

/* The clients that are met today, out of the list of BEP 20. */
static const struct {
	char code[3];
	const char *name;
} clients[] = {
    {"AZ", "Azureus"},
    {"BC", "BitComet"},
    {"BI", "BiglyBT"},
    {"BT", "BitTorrent"},
    {"DE", "Deluge"},
    {"FD", "Free Download Manager"},
    {"KT", "KTorrent"},
    {"LT", "libtorrent"},
    {"PI", "PicoTorrent"},
    {"RT", "Retriever"},
    {"SD", "Xunlei"},
    {"SH", "shoal"},
    {"TR", "Transmission"},
    {"TX", "Tixati"},
    {"UM", "\xc2\xb5Torrent for Mac"},
    {"UT", "\xc2\xb5Torrent"},
    {"WD", "WebTorrent Desktop"},
    {"WW", "WebTorrent"},
    {"XL", "Xunlei"},
    {"lt", "rakshasa libtorrent"},
    {"qB", "qBittorrent"},
};

/* One character of a version: 0-9, then A = 10 and so on. -1: none. */
static int version_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'Z')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 36;
	return -1;
}

/* "-LT2080-": Azureus style, the fourth number only when it is not zero. */
static bool read_dashed(char out[CLIENT_TEXT_MAX], const uint8_t *id)
{
	int v[4];

	if (id[0] != '-' || id[7] != '-')
		return false;
	for (size_t i = 0; i < 4; i++) {
		v[i] = version_digit(id[3 + i]);
		if (v[i] < 0)
			return false;
	}
	for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
		if (memcmp(clients[i].code, id + 1, 2) != 0)
			continue;
		snprintf(out, CLIENT_TEXT_MAX, v[3] != 0 ? "%s %d.%d.%d.%d" : "%s %d.%d.%d",
			 clients[i].name, v[0], v[1], v[2], v[3]);
		return true;
	}
	return false;
}

/* "1-36-0-": a number of one or two digits, then a dash; three times. */
static bool read_numbers(const uint8_t *p, size_t len, int v[3])
{
	size_t pos = 0;

	for (size_t i = 0; i < 3; i++) {
		size_t start = pos;

		v[i] = 0;
		for (; pos < len && pos - start < 2 && p[pos] >= '0' && p[pos] <= '9'; pos++)
			v[i] = v[i] * 10 + p[pos] - '0';
		if (pos == start || pos == len || p[pos] != '-')
			return false;
		pos++;
	}
	return true;
}

/* "M7-10-5-" is the mainline client, "A2-1-36-0-" aria2. */
static bool read_numbered(char out[CLIENT_TEXT_MAX], const uint8_t *id)
{
	bool aria2 = memcmp(id, "A2-", 3) == 0;
	size_t skip = aria2 ? 3 : 1;
	int v[3];

	if ((!aria2 && id[0] != 'M') || !read_numbers(id + skip, 20 - skip, v))
		return false;
	snprintf(out, CLIENT_TEXT_MAX, "%s %d.%d.%d", aria2 ? "aria2" : "BitTorrent", v[0], v[1],
		 v[2]);
	return true;
}

const char *handshake_client(char out[CLIENT_TEXT_MAX], const uint8_t peer_id[20])
{
	if (!read_dashed(out, peer_id) && !read_numbered(out, peer_id))
		text_escape(out, CLIENT_TEXT_MAX, bytes_of(peer_id, 8));
	return out;
}

bool handshake_is_shoal(const uint8_t peer_id[20])
{
	return memcmp(peer_id, "-SH", 3) == 0 && peer_id[7] == '-';
}
