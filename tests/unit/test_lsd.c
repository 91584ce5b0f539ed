#include "wire/lsd.h"

#include <stdlib.h>

#include "test.h"

#define HASH "0123456789abcdef0123456789ABCDEF01234567"
#define HEAD "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\n"

static int decode_exact(struct lsd *m, const char *text, size_t len)
{
	uint8_t *copy = malloc(len == 0 ? 1 : len);
	int rc;

	memcpy(copy, text, len);
	rc = lsd_decode(m, bytes_of(copy, len));
	free(copy);
	return rc;
}

static int decode(struct lsd *m, const char *text)
{
	return decode_exact(m, text, strlen(text));
}

TEST(an_announce_of_another_client_is_read)
{
	struct lsd m;

	CHECK_INT(decode(&m, HEAD "Port: 6881\r\nInfohash: " HASH "\r\ncookie: 7f3a\r\n\r\n\r\n"),
		  OK);
	CHECK_INT(m.port, 6881);
	CHECK_INT(m.n_hashes, 1);
	CHECK_INT(m.hashes[0][0], 0x01);
	CHECK_INT(m.hashes[0][19], 0x67);
	CHECK_STR(m.cookie, "7f3a");
	CHECK(!m.v6);
	CHECK_INT(decode(&m, "bt-search * http/1.1\nhost: [ff15::efc0:988f]:6771\nINFOHASH:" HASH
			     "\nInfohash: " HASH "\nX: y\nport:1\n"),
		  OK);
	CHECK(m.v6);
	CHECK_INT(m.n_hashes, 2);
}

TEST(what_is_no_announce_is_refused)
{
	static const char whole[] = HEAD "Port: 6881\r\nInfohash: " HASH;
	struct lsd m;

	for (size_t n = 0; n < sizeof(whole) - 1; n++)
		CHECK_INT(decode_exact(&m, whole, n), ERR_PROTO);
	CHECK_INT(decode(&m, whole), OK);
	CHECK_INT(decode(&m, HEAD "Port: 0\r\nInfohash: " HASH "\r\n\r\n"), ERR_PROTO);
	CHECK_INT(decode(&m, HEAD "Port: 65536\r\nInfohash: " HASH "\r\n\r\n"), ERR_PROTO);
	CHECK_INT(decode(&m, HEAD "Port: -1\r\nInfohash: " HASH "\r\n\r\n"), ERR_PROTO);
	CHECK_INT(decode(&m, HEAD "Port: 1\r\nInfohash: x" HASH "\r\n\r\n"), ERR_PROTO);
	CHECK_INT(decode(&m, "GET / HTTP/1.1\r\nPort: 1\r\nInfohash: " HASH "\r\n\r\n"), ERR_PROTO);
}

TEST(what_is_said_is_read_again_and_fits_a_datagram)
{
	struct lsd m = {
	    .v6 = true, .port = 65535, .cookie = "0123456789abcdef", .n_hashes = LSD_HASHES_MAX};
	struct lsd got;
	struct buf out;

	for (uint32_t i = 0; i < LSD_HASHES_MAX; i++)
		m.hashes[i][3] = (uint8_t)i;
	buf_init(&out, 1400);
	CHECK_INT(lsd_encode(&out, &m), OK);
	CHECK_INT(lsd_decode(&got, buf_bytes(&out)), OK);
	CHECK_MEM(&got, &m, sizeof(m));
	/* One more is not read. */
	buf_fini(&out);
	buf_init(&out, 4000);
	(void)buf_put_str(&out, HEAD "Port: 1\r\n");
	for (uint32_t i = 0; i <= LSD_HASHES_MAX; i++)
		(void)buf_put_str(&out, "Infohash: " HASH "\r\n");
	CHECK_INT(lsd_decode(&got, buf_bytes(&out)), OK);
	CHECK_INT(got.n_hashes, LSD_HASHES_MAX);
	buf_fini(&out);
}

TEST(a_cookie_without_end_is_cut)
{
	char text[1000] = HEAD "Port: 1\r\nInfohash: " HASH "\r\ncookie: ";
	size_t n = strlen(text);
	struct lsd m;

	memset(text + n, 'c', 500);
	CHECK_INT(decode_exact(&m, text, n + 500), OK);
	CHECK_INT(strlen(m.cookie), LSD_COOKIE_MAX);
}
