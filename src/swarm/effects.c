#include "swarm/effects.h"

#include <stdlib.h>

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

	if (fx->n == fx->cap) {
		size_t cap = fx->cap == 0 ? 32 : fx->cap * 2;
		struct effect *list = realloc(fx->list, cap * sizeof(*list));

		if (list == NULL) {
			fx->failed = true;
			return NULL;
		}
		fx->list = list;
		fx->cap = cap;
	}
	e = &fx->list[fx->n++];
	memset(e, 0, sizeof(*e));
	e->type = type;
	e->peer = peer;
	return e;
}
