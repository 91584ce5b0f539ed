#include "store/near.h"

static uint8_t fold(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Only cells within `most` of the diagonal can lead to a result; those beside the band are
 * given the value most + 1. */
unsigned near_distance(struct bytes a, struct bytes b, unsigned most)
{
	unsigned rows[3][NEAR_BYTES_MAX + 2];
	unsigned *before = rows[0], *last = rows[1], *now = rows[2];
	unsigned over = most + 1;
	unsigned n = (unsigned)a.len, m = (unsigned)b.len;

	if (a.len > NEAR_BYTES_MAX || b.len > NEAR_BYTES_MAX || (n > m ? n - m : m - n) > most)
		return over;
	for (unsigned j = 0; j <= m + 1; j++) {
		before[j] = over;
		last[j] = least(j, over);
	}
	for (unsigned i = 1; i <= n; i++) {
		unsigned from = i > most ? i - most : 1;
		unsigned to = least(m, i + most), best;
		unsigned *oldest = before;

		now[from - 1] = from == 1 ? least(i, over) : over;
		best = now[from - 1];
		for (unsigned j = from; j <= to; j++) {
			uint8_t x = fold(a.ptr[i - 1]), y = fold(b.ptr[j - 1]);
			unsigned d = least(last[j - 1] + (x != y), least(last[j], now[j - 1]) + 1);

			if (i > 1 && j > 1 && x == fold(b.ptr[j - 2]) && y == fold(a.ptr[i - 2]))
				d = least(d, before[j - 2] + 1);
			now[j] = least(d, over);
			best = least(best, now[j]);
		}
		now[to + 1] = over;
		if (best > most)
			return over;
		before = last;
		last = now;
		now = oldest;
	}
	return last[m];
}

/* One slip in three bytes is still a slip; beyond four it is another name. */
static unsigned slips_allowed(size_t len)
{
	return least((unsigned)len / 3, 4);
}

int near_rank(struct bytes typed, struct bytes candidate)
{
	unsigned most = slips_allowed(typed.len);
	unsigned d = near_distance(typed, candidate, most);

	if (d <= 1 && d <= most)
		return (int)d;
	if (typed.len > 0 && candidate.len > typed.len &&
	    near_distance(typed, bytes_sub(candidate, 0, typed.len), 0) == 0)
		return 1;
	return d <= most ? (int)d : -1;
}
