#include "dht/dht_effects.h"

#include <stdlib.h>

#include "base/grow.h"
#include "wire/krpc.h"

void dht_effects_init(struct dht_effects *fx)
{
	*fx = (struct dht_effects){0};
	buf_init(&fx->data, DHT_EFFECT_BYTES_MAX);
}

void dht_effects_fini(struct dht_effects *fx)
{
	free(fx->list);
	buf_fini(&fx->data);
	*fx = (struct dht_effects){0};
}

void dht_effects_clear(struct dht_effects *fx)
{
	fx->n = 0;
	buf_clear(&fx->data);
}

struct dht_effect *dht_effects_add(struct dht_effects *fx, enum dht_effect_type type)
{
	struct dht_effect *e;
	struct dht_effect *grown = grow(fx->list, fx->n, &fx->cap, 16, sizeof(*grown));

	if (grown == NULL)
		return NULL;
	fx->list = grown;
	e = &fx->list[fx->n++];
	*e = (struct dht_effect){.type = type, .at = fx->data.len};
	return e;
}

bool dht_effects_close(struct dht_effects *fx, struct dht_effect *e)
{
	if (fx->data.err == OK) {
		e->len = fx->data.len - e->at;
		return true;
	}
	fx->data.len = e->at;
	fx->data.err = OK;
	fx->n--;
	return false;
}

bool dht_effect_peer(const struct dht_effects *fx, const struct dht_effect *e, size_t i,
		     struct addr *out)
{
	size_t len = e->v6 ? 18 : 6;

	if (i >= e->len / len)
		return false;
	return krpc_endpoint_get(bytes_sub(dht_effect_bytes(fx, e), i * len, len), out) == 0;
}

bool dht_effect_node(const struct dht_effects *fx, const struct dht_effect *e, size_t i,
		     struct contact *out)
{
	size_t len = contact_len(e->v6);

	if (i >= e->len / len)
		return false;
	contact_get(bytes_sub(dht_effect_bytes(fx, e), i * len, len), out);
	return true;
}
