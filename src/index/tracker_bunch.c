#include "index/tracker_impl.h"

#include <stdlib.h>

/* Room for n peers beyond those in the card itself. The steps are such that a block fills what
 * the usual allocators give: 16 k + 8 bytes. */
static uint32_t room_for(const struct card *b, uint32_t n)
{
	if (b->is_v6)
		return n | 1;
	return n <= 4 ? 4 : ((n + 1) & ~3u) + 2;
}

static bool fits_card(const struct card *b, uint32_t n)
{
	return n <= (b->is_v6 ? 1 : 2);
}

static int set_room(struct card *b, uint32_t n)
{
	uint8_t *many;

	if (fits_card(b, n) || (!fits_card(b, b->n) && room_for(b, n) == room_for(b, b->n)))
		return 0;
	many = realloc(fits_card(b, b->n) ? NULL : b->peers.many,
		       (size_t)room_for(b, n) * peer_width(b));
	if (many == NULL)
		return ERR_NOMEM;
	if (fits_card(b, b->n))
		memcpy(many, b->peers.few, (size_t)b->n * peer_width(b));
	b->peers.many = many;
	return 0;
}

/* Those from n on go. A block that could not be made smaller is merely larger than needed. */
static void shrink(struct card *b, uint32_t n)
{
	uint8_t *many = b->peers.many;

	if (!fits_card(b, b->n) && fits_card(b, n)) {
		memcpy(b->peers.few, many, (size_t)n * peer_width(b));
		free(many);
	} else {
		set_room(b, n);
	}
	b->n = (uint8_t)n;
}

/* Four peers of IPv4 are three vectors of four words, and these of the words are addresses:
 *     ip . . ip | . . ip . | . ip . . */
typedef uint32_t words __attribute__((vector_size(16)));

/* How many of four have an address whose first 32 - `ignored` bits are those of `ip`. */
static inline words compare4(const struct peer4 *p, words ip, uint32_t ignored)
{
	static const words is_ip[3] = {{1, 0, 0, 1}, {0, 0, 1, 0}, {0, 1, 0, 0}};
	words sum = {0, 0, 0, 0}, w;

	for (int i = 0; i < 3; i++) {
		memcpy(&w, (const uint8_t *)p + 16 * i, sizeof(w));
		sum += (words)((w ^ ip) >> ignored == 0) & is_ip[i];
	}
	return sum;
}

static inline uint32_t sum_of(words w)
{
	return w[0] + w[1] + w[2] + w[3];
}

static uint32_t find4(const struct peer4 *p, uint32_t n, uint32_t ip, uint16_t port)
{
	words same = {ip, ip, ip, ip};
	uint32_t i = 0;

	for (; i + 8 <= n; i += 8) {
		if (sum_of(compare4(p + i, same, 0) + compare4(p + i + 4, same, 0)) == 0)
			continue;
		for (uint32_t k = i; k < i + 8; k++) {
			if (p[k].ip == ip && p[k].facts.port == port)
				return k;
		}
	}
	for (; i < n; i++) {
		if (p[i].ip == ip && p[i].facts.port == port)
			return i;
	}
	return NONE;
}

static uint32_t count_subnet4(const struct peer4 *p, uint32_t n, uint32_t ip)
{
	words same = {ip, ip, ip, ip}, sum = {0, 0, 0, 0};
	uint32_t i = 0, rest = 0;

	for (; i + 4 <= n; i += 4)
		sum += compare4(p + i, same, 8);
	for (; i < n; i++)
		rest += (p[i].ip ^ ip) >> 8 == 0;
	return sum_of(sum) + rest;
}

uint32_t bunch_count_subnet(const struct card *b, uint32_t from, const struct addr *addr)
{
	const uint8_t *peers = bunch_at(b, from);
	const struct peer6 *p6 = (const void *)peers;
	uint32_t n = 0;

	if (!b->is_v6)
		return count_subnet4((const void *)peers, b->n - from, be32(addr->ip));
	for (uint32_t i = 0; i < b->n - from; i++)
		n += memcmp(p6[i].ip, addr->ip, 8) == 0;
	return n;
}

uint32_t bunch_find(const struct card *b, const struct addr *addr)
{
	const uint8_t *peers = bunch_peers(b);
	const struct peer6 *p6 = (const void *)peers;

	if (!b->is_v6)
		return find4((const void *)peers, b->n, be32(addr->ip), addr->port);
	for (uint32_t i = 0; i < b->n; i++) {
		if (p6[i].facts.port == addr->port && memcmp(p6[i].ip, addr->ip, 16) == 0)
			return i;
	}
	return NONE;
}

void bunch_prefetch(const struct card *b)
{
	const uint8_t *peers = bunch_peers(b), *end = bunch_at(b, b->n);

	for (; peers < end; peers += 64)
		__builtin_prefetch(peers);
}

static void swap(struct card *b, uint32_t x, uint32_t y)
{
	uint8_t kept[sizeof(struct peer6)];
	uint32_t width = peer_width(b);

	memcpy(kept, bunch_at(b, x), width);
	memmove(bunch_at(b, x), bunch_at(b, y), width);
	memcpy(bunch_at(b, y), kept, width);
}

uint32_t bunch_set_seed(struct card *b, uint32_t at, bool seed)
{
	uint32_t to;

	if (seed == (at < b->n_seeds))
		return at;
	to = seed ? b->n_seeds++ : --b->n_seeds;
	swap(b, at, to);
	return to;
}

uint32_t bunch_add(struct card *b, const uint8_t *peer, bool seed)
{
	if (set_room(b, b->n + 1u) < 0)
		return NONE;
	b->n++;
	memcpy(bunch_at(b, b->n - 1u), peer, peer_width(b));
	return bunch_set_seed(b, b->n - 1u, seed);
}

void bunch_remove(struct card *b, struct places gone)
{
	uint32_t width = peer_width(b), n = 0, n_seeds = 0;
	uint8_t *peers = bunch_peers(b);

	for (uint32_t i = 0; i < b->n; i++) {
		if (places_has(&gone, i))
			continue;
		if (n < i)
			memcpy(peers + n * width, peers + i * width, width);
		n_seeds += i < b->n_seeds;
		n++;
	}
	shrink(b, n);
	b->n_seeds = (uint8_t)n_seeds;
}

int bunch_fill(struct card *b, const uint8_t *peers, uint32_t n)
{
	if (set_room(b, n) < 0)
		return ERR_NOMEM;
	b->n = (uint8_t)n;
	memcpy(bunch_peers(b), peers, (size_t)n * peer_width(b));
	return 0;
}

void bunch_fini(struct card *b)
{
	if (!fits_card(b, b->n))
		free(b->peers.many);
	b->n = b->n_seeds = 0;
}
