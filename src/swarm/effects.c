#include "swarm/effects.h"

#include <stdlib.h>

#include "base/grow.h"

void effects_init(struct effects *fx)
{
	*fx = (struct effects){0};
}

void effects_fini(struct effects *fx)
{
	free(fx->list);
	*fx = (struct effects){0};
}

struct effect *effects_add(struct effects *fx, enum effect_type type, struct peer_ref peer)
{
	struct effect *e;
	struct effect *grown = grow(fx->list, fx->n, &fx->cap, 32, sizeof(*grown));

	if (grown == NULL) {
		fx->failed = true;
		return NULL;
	}
	fx->list = grown;
	e = &fx->list[fx->n++];
	memset(e, 0, sizeof(*e));
	e->type = type;
	e->peer = peer;
	return e;
}
