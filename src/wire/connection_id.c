#include "wire/connection_id.h"

#define MAC_BITS 56

static uint64_t make(struct siphash_key key, const struct addr *host, uint64_t made_s)
{
	uint8_t said[8 + sizeof(host->ip)];

	/* The family stands above all seconds there will be. */
	put_be64(said, made_s | (uint64_t)(host->v6 != 0) << 63);
	memcpy(said + 8, host->ip, sizeof(host->ip));
	return made_s << MAC_BITS | siphash(key, bytes_of(said, sizeof(said))) >> (64 - MAC_BITS);
}

uint64_t connection_id_make(struct siphash_key key, const struct addr *host, uint64_t now_s)
{
	return make(key, host, now_s);
}

bool connection_id_is_good(struct siphash_key key, const struct addr *host, uint64_t now_s,
			   uint64_t id)
{
	uint8_t age_s = (uint8_t)(now_s - (id >> MAC_BITS));

	return age_s <= CONNECTION_ID_S && age_s <= now_s && make(key, host, now_s - age_s) == id;
}
