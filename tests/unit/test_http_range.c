#include "wire/http_range.h"

#include <stdlib.h>

#include "test.h"

TEST(a_range_that_is_asked_for_is_cut_to_what_there_is)
{
	static const struct {
		const char *value;
		uint64_t size;
		enum http_range what;
		uint64_t offset, length;
	} rows[] = {
	    {"bytes=0-0", 100, HTTP_RANGE_PART, 0, 1},
	    {"bytes=10-19", 100, HTTP_RANGE_PART, 10, 10},
	    {"bytes=90-", 100, HTTP_RANGE_PART, 90, 10},
	    {"bytes=0-18446744073709551615", 100, HTTP_RANGE_PART, 0, 100},
	    {"bytes=99-500", 100, HTTP_RANGE_PART, 99, 1},
	    {"bytes=-1", 100, HTTP_RANGE_PART, 99, 1},
	    {"bytes=-500", 100, HTTP_RANGE_PART, 0, 100},
	    {"Bytes = 1 - 2", 100, HTTP_RANGE_PART, 1, 2},
	    {"bytes=100-", 100, HTTP_RANGE_BEYOND, 0, 0},
	    {"bytes=100-200", 100, HTTP_RANGE_BEYOND, 0, 0},
	    {"bytes=-0", 100, HTTP_RANGE_BEYOND, 0, 0},
	    {"bytes=0-", 0, HTTP_RANGE_BEYOND, 0, 0},
	    {"bytes=-5", 0, HTTP_RANGE_BEYOND, 0, 0},
	    {"bytes=5-4", 100, HTTP_RANGE_WHOLE, 0, 0},
	    {"bytes=0-1,5-6", 100, HTTP_RANGE_WHOLE, 0, 0},
	    {"bytes=", 100, HTTP_RANGE_WHOLE, 0, 0},
	    {"bytes=-", 100, HTTP_RANGE_WHOLE, 0, 0},
	    {"bytes=a-b", 100, HTTP_RANGE_WHOLE, 0, 0},
	    {"bytes=99999999999999999999-", 100, HTTP_RANGE_WHOLE, 0, 0},
	    {"items=0-1", 100, HTTP_RANGE_WHOLE, 0, 0},
	    {"", 100, HTTP_RANGE_WHOLE, 0, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t offset = 0, length = 0;

		CHECK_INT(
		    http_range_asked(bytes_str(rows[i].value), rows[i].size, &offset, &length),
		    rows[i].what);
		CHECK(offset == rows[i].offset && length == rows[i].length);
	}
}

TEST(a_range_that_is_given_is_read_or_refused)
{
	struct http_given g;

	CHECK_INT(http_range_given(bytes_str("bytes 0-99/100"), &g), 0);
	CHECK(g.first == 0 && g.last == 99 && g.size == 100);
	CHECK_INT(http_range_given(bytes_str(" Bytes  5-5/* "), &g), 0);
	CHECK(g.first == 5 && g.last == 5 && g.size == UINT64_MAX);
	CHECK_INT(http_range_given(bytes_str("bytes 0-100/100"), &g), ERR_PROTO);
	CHECK_INT(http_range_given(bytes_str("bytes 6-5/100"), &g), ERR_PROTO);
	CHECK_INT(http_range_given(bytes_str("bytes */100"), &g), ERR_PROTO);
	CHECK_INT(http_range_given(bytes_str("bytes 0-1"), &g), ERR_PROTO);
	CHECK_INT(http_range_given(bytes_str("octets 0-1/2"), &g), ERR_PROTO);
	CHECK_INT(http_range_given(bytes_str(""), &g), ERR_PROTO);
}

/* Each in memory of its exact size, for the sanitizer to see one byte too many. */
TEST(every_prefix_of_a_range_is_read_within_its_bounds)
{
	static const char *const whole[] = {"bytes=10-20", "bytes 10-20/300", "bytes = - 7"};

	for (size_t w = 0; w < sizeof(whole) / sizeof(whole[0]); w++) {
		for (size_t n = 0; n <= strlen(whole[w]); n++) {
			uint8_t *copy = malloc(n + (n == 0));
			uint64_t offset, length;
			struct http_given g;

			memcpy(copy, whole[w], n);
			(void)http_range_asked(bytes_of(copy, n), 100, &offset, &length);
			(void)http_range_given(bytes_of(copy, n), &g);
			free(copy);
		}
	}
}
