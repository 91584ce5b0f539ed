#include "node/base64.h"

#include <stdlib.h>

#include "base/rng.h"
#include "test.h"

static void both_ways(const char *plain, const char *text)
{
	struct buf b;

	buf_init(&b, 100);
	CHECK_INT(base64_put(&b, bytes_str(plain)), 0);
	CHECK_STR(buf_cstr(&b), text);
	buf_clear(&b);
	CHECK_INT(base64_take(bytes_str(text), &b), 0);
	CHECK_STR(buf_cstr(&b), plain);
	buf_fini(&b);
}

TEST(the_vectors_of_rfc_4648_come_out)
{
	both_ways("", "");
	both_ways("f", "Zg==");
	both_ways("fo", "Zm8=");
	both_ways("foo", "Zm9v");
	both_ways("foob", "Zm9vYg==");
	both_ways("fooba", "Zm9vYmE=");
	both_ways("foobar", "Zm9vYmFy");
}

TEST(one_value_has_one_form)
{
	static const char *const texts[] = {
	    "Z",    "Zg",   "Zg=",   "Zg===",	 "Zh==",  "Zm9=",
	    "=Zm9", "Zm=v", "Zm9v=", "Zm 9v",	 " Zm9v", "Zm9v\n",
	    "Zm9-", "Zm9_", "====",  "Zg==Zg==", "Z===",  "\xff\xff\xff\xff"};
	struct buf b;

	buf_init(&b, 100);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		CHECK_INT(base64_take(bytes_str(texts[i]), &b), ERR_PROTO);
		CHECK_INT(b.len, 0);
	}
	buf_fini(&b);
}

TEST(random_bytes_come_back_and_no_prefix_is_read_beyond)
{
	struct rng r;

	rng_seed(&r, 5);
	for (size_t len = 0; len < 100; len++) {
		uint8_t *plain = malloc(len + 1);
		struct buf text, back;

		CHECK(plain != NULL);
		rng_fill(&r, plain, len);
		buf_init(&text, 1000);
		buf_init(&back, 1000);
		CHECK_INT(base64_put(&text, bytes_of(plain, len)), 0);
		for (size_t cut = 0; cut <= text.len; cut++) {
			uint8_t *exact = malloc(cut == 0 ? 1 : cut);
			int want = cut % 4 == 0 ? 0 : ERR_PROTO;

			CHECK(exact != NULL);
			memcpy(exact, text.ptr, cut);
			buf_clear(&back);
			CHECK_INT(base64_take(bytes_of(exact, cut), &back), want);
			free(exact);
		}
		CHECK(bytes_eq(buf_bytes(&back), bytes_of(plain, len)));
		buf_fini(&text);
		buf_fini(&back);
		free(plain);
	}
}

TEST(the_ceiling_of_the_buffer_holds)
{
	struct buf b;

	buf_init(&b, 8);
	CHECK_INT(base64_put(&b, bytes_str("foobarx")), ERR_TOO_BIG);
	CHECK_INT(b.len, 0);
	buf_fini(&b);
	buf_init(&b, 8);
	CHECK_INT(base64_put(&b, bytes_str("foobar")), 0);
	CHECK_INT(b.len, 8);
	buf_fini(&b);
}
