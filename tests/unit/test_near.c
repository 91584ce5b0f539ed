#include "store/near.h"

#include <stdlib.h>

#include "test.h"

static unsigned distance(const char *a, const char *b, unsigned most)
{
	return near_distance(bytes_str(a), bytes_str(b), most);
}

static int rank(const char *a, const char *b)
{
	return near_rank(bytes_str(a), bytes_str(b));
}

TEST(distances_count_slips)
{
	CHECK_INT(distance("debian", "debian", 3), 0);
	CHECK_INT(distance("debian", "DEBIAN", 3), 0);
	CHECK_INT(distance("debian", "debain", 3), 1);
	CHECK_INT(distance("debian", "debia", 3), 1);
	CHECK_INT(distance("debian", "ddebian", 3), 1);
	CHECK_INT(distance("debian", "dexian", 3), 1);
	CHECK_INT(distance("kitten", "sitting", 3), 3);
	CHECK_INT(distance("kitten", "sitting", 2), 3);
	CHECK_INT(distance("", "abc", 3), 3);
	CHECK_INT(distance("abc", "", 3), 3);
	CHECK_INT(distance("", "", 0), 0);
	CHECK_INT(distance("abcd", "wxyz", 2), 3);
}

/* The whole table, without a band. */
static unsigned slow_distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	unsigned t[12][12];

	for (size_t i = 0; i <= n; i++)
		for (size_t j = 0; j <= m; j++) {
			unsigned d = i == 0 ? (unsigned)j : (unsigned)i;

			if (i > 0 && j > 0) {
				d = t[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
				if (t[i - 1][j] + 1 < d)
					d = t[i - 1][j] + 1;
				if (t[i][j - 1] + 1 < d)
					d = t[i][j - 1] + 1;
				if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
				    a[i - 2] == b[j - 1] && t[i - 2][j - 2] + 1 < d)
					d = t[i - 2][j - 2] + 1;
			}
			t[i][j] = d;
		}
	return t[n][m];
}

TEST(the_band_gives_what_the_whole_table_gives)
{
	uint32_t x = 5;

	for (int round = 0; round < 30000; round++) {
		char s[2][12];

		for (int k = 0; k < 2; k++) {
			x = x * 1664525u + 1013904223u;
			size_t n = (x >> 20) % 11;

			for (size_t i = 0; i < n; i++) {
				x = x * 1664525u + 1013904223u;
				s[k][i] = (char)('a' + (x >> 24) % 3);
			}
			s[k][n] = '\0';
		}
		for (unsigned most = 0; most < 5; most++) {
			unsigned want = slow_distance(s[0], s[1]);

			CHECK_SEED(distance(s[0], s[1], most) == (want > most ? most + 1 : want),
				   round);
		}
	}
}

TEST(names_over_the_limit_are_alike_to_nothing)
{
	uint8_t a[NEAR_BYTES_MAX + 1];

	memset(a, 'a', sizeof(a));
	CHECK_INT(near_distance(bytes_of(a, 255), bytes_of(a, 255), 4), 0);
	CHECK_INT(near_distance(bytes_of(a, 256), bytes_of(a, 256), 4), 5);
	CHECK_INT(near_distance(bytes_of(a, 255), bytes_of(a, 252), 4), 3);
}

TEST(ranks_put_slips_and_continuations_first)
{
	CHECK_INT(rank("debian.iso", "Debian.iso"), 0);
	CHECK_INT(rank("debian.iso", "debain.iso"), 1);
	CHECK_INT(rank("deb", "debian.iso"), 1);
	CHECK_INT(rank("debiann.isso", "debian.iso"), 2);
	CHECK_INT(rank("debian.iso", "ubuntu.iso"), -1);
	CHECK_INT(rank("ab", "cd"), -1);
	CHECK_INT(rank("", "x"), -1);
}
