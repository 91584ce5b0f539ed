#include "dht/token.h"

static void make(uint8_t out[TOKEN_LEN], struct siphash_key key, const struct addr *host,
		 uint64_t period)
{
	uint8_t said[9 + sizeof(host->ip)];

	put_be64(said, period);
	said[8] = host->v6;
	memcpy(said + 9, host->ip, sizeof(host->ip));
	put_be64(out, siphash(key, bytes_of(said, sizeof(said))));
}

void token_make(uint8_t out[TOKEN_LEN], struct siphash_key key, const struct addr *host,
		uint64_t now_ms)
{
	make(out, key, host, now_ms / TOKEN_PERIOD_MS);
}

bool token_is_good(struct bytes token, struct siphash_key key, const struct addr *host,
		   uint64_t now_ms)
{
	uint64_t period = now_ms / TOKEN_PERIOD_MS;
	uint8_t good[TOKEN_LEN];

	for (unsigned age = 0; age <= 1 && age <= period; age++) {
		make(good, key, host, period - age);
		if (bytes_eq(token, bytes_of(good, sizeof(good))))
			return true;
	}
	return false;
}
