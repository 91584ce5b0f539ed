#include "dht/origins.h"

#include <assert.h>
#include <stdlib.h>

static_assert(sizeof(struct addr) == SHA1_LEN, "an address is a key of a hash_map");

void origins_init(struct origins *o, uint32_t share, struct siphash_key key)
{
	*o = (struct origins){.share = share};
	hash_map_init(&o->by_who, key);
}

void origins_fini(struct origins *o)
{
	hash_map_fini(&o->by_who);
}

static const uint8_t *key_of(const struct addr *who)
{
	return (const uint8_t *)who;
}

static struct origin *find(const struct origins *o, const struct addr *from)
{
	struct addr who = addr_subscriber(from);

	return hash_map_find(&o->by_who, key_of(&who));
}

struct origin *origins_add(struct origins *o, const struct addr *from)
{
	struct origin *of = find(o, from);

	if (of == NULL) {
		of = calloc(1, sizeof(*of));
		if (of == NULL)
			return NULL;
		of->who = addr_subscriber(from);
		if (hash_map_put(&o->by_who, key_of(&of->who), of) != 0) {
			free(of);
			return NULL;
		}
	}
	of->n++;
	return of;
}

void origins_drop(struct origins *o, struct origin *of)
{
	if (--of->n > 0)
		return;
	hash_map_drop(&o->by_who, key_of(&of->who), of);
	free(of);
}

const struct origin *origins_yield(const struct origins *o, const struct addr *from, bool *any)
{
	const struct origin *own = find(o, from), *most = NULL;
	uint32_t n = o->share;

	*any = false;
	if (own != NULL && own->n >= o->share)
		return own;
	for (uint32_t i = 0; i < o->by_who.cap; i++) {
		const struct origin *of = o->by_who.slots[i].value;

		if (of == NULL || of->n <= n)
			continue;
		most = of;
		n = of->n;
	}
	*any = most != NULL;
	return most;
}
