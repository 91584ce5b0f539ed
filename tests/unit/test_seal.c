#include "base/seal.h"

#include <stdlib.h>

#include "test.h"

TEST(what_was_sealed_is_taken_as_it_was)
{
	struct bytes in;
	struct buf b;

	buf_init(&b, 100);
	buf_put_str(&b, "before, and not of it: ");
	buf_put_str(&b, "state");
	CHECK_INT(seal_put(&b, b.len - 5), OK);
	in = bytes_sub(buf_bytes(&b), b.len - SEAL_BYTES - 5, SEAL_BYTES + 5);
	CHECK(seal_take(&in));
	CHECK(bytes_eq(in, bytes_str("state")));
	buf_fini(&b);
}

TEST(no_byte_of_it_may_be_missing_or_another)
{
	struct bytes in;
	struct buf b;

	buf_init(&b, 100);
	buf_put_str(&b, "state");
	CHECK_INT(seal_put(&b, 0), OK);
	for (size_t n = 0; n < b.len; n++) { /* of exactly that size: ASan sees a byte too many */
		uint8_t *cut = malloc(n + (n == 0));

		memcpy(cut, b.ptr, n);
		in = bytes_of(cut, n);
		CHECK(!seal_take(&in));
		CHECK_INT(in.len, n);
		free(cut);
	}
	for (size_t i = 0; i < b.len; i++) {
		b.ptr[i] ^= 1;
		in = buf_bytes(&b);
		CHECK(!seal_take(&in));
		b.ptr[i] ^= 1;
	}
	in = buf_bytes(&b);
	CHECK(seal_take(&in));
	buf_fini(&b);
}

TEST(what_did_not_fit_is_not_sealed)
{
	struct buf b;

	buf_init(&b, SEAL_BYTES + 4);
	buf_put_str(&b, "state");
	CHECK_INT(seal_put(&b, 0), ERR_TOO_BIG);
	buf_fini(&b);
	buf_init(&b, 4);
	buf_put_str(&b, "state");
	CHECK_INT(seal_put(&b, 0), ERR_TOO_BIG);
	CHECK_INT(b.len, 0);
	buf_fini(&b);
}
