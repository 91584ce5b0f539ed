#include "base/hash_map.h"

#include <stdlib.h>
#include <string.h>

#define CAP_FIRST 16u

void hash_map_init(struct hash_map *m, struct siphash_key key)
{
	*m = (struct hash_map){.key = key};
}

void hash_map_fini(struct hash_map *m)
{
	free(m->slots);
	m->slots = NULL;
	m->n = m->cap = 0;
}

static uint32_t home_of(const struct hash_map *m, const uint8_t *hash)
{
	return (uint32_t)siphash(m->key, bytes_of(hash, SHA1_LEN)) & (m->cap - 1);
}

/* Where `hash` stands, or the free slot where it would. There is always a free one. */
static uint32_t slot_of(const struct hash_map *m, const uint8_t *hash)
{
	uint32_t i = home_of(m, hash);

	while (m->slots[i].hash != NULL && memcmp(m->slots[i].hash, hash, SHA1_LEN) != 0)
		i = (i + 1) & (m->cap - 1);
	return i;
}

void *hash_map_find(const struct hash_map *m, const uint8_t hash[SHA1_LEN])
{
	return m->n == 0 ? NULL : m->slots[slot_of(m, hash)].value;
}

static int grow(struct hash_map *m)
{
	struct hash_map wide = {
	    .key = m->key, .n = m->n, .cap = m->cap == 0 ? CAP_FIRST : m->cap * 2};

	wide.slots = calloc(wide.cap, sizeof(*wide.slots));
	if (wide.slots == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < m->cap; i++)
		if (m->slots[i].hash != NULL)
			wide.slots[slot_of(&wide, m->slots[i].hash)] = m->slots[i];
	free(m->slots);
	*m = wide;
	return OK;
}

int hash_map_put(struct hash_map *m, const uint8_t hash[SHA1_LEN], void *value)
{
	uint32_t i;

	if (m->n + 1 > m->cap / 4 * 3 && grow(m) != OK)
		return ERR_NOMEM;
	i = slot_of(m, hash);
	if (m->slots[i].hash != NULL)
		return ERR_EXISTS;
	m->slots[i] = (struct hash_map_slot){hash, value};
	m->n++;
	return OK;
}

void hash_map_drop(struct hash_map *m, const uint8_t hash[SHA1_LEN], const void *value)
{
	uint32_t mask = m->cap - 1, hole, i;

	if (m->n == 0)
		return;
	hole = slot_of(m, hash);
	if (m->slots[hole].hash == NULL || m->slots[hole].value != value)
		return;
	/* What follows may have been pushed here from its home by what goes. */
	for (i = (hole + 1) & mask; m->slots[i].hash != NULL; i = (i + 1) & mask) {
		uint32_t home = home_of(m, m->slots[i].hash);

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			m->slots[hole] = m->slots[i];
			hole = i;
		}
	}
	m->slots[hole] = (struct hash_map_slot){NULL, NULL};
	m->n--;
}
