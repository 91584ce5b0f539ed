#include "node/index_told.h"

struct told told_new(void)
{
	return (struct told){json_array(), json_array()};
}

size_t told_count(const struct told *t)
{
	return json_array_size(t->complete) + json_array_size(t->others);
}

void told_add(struct told *t, const struct addr *a, bool complete)
{
	char text[ADDR_TEXT_MAX];

	(void)json_array_append_new(complete ? t->complete : t->others,
				    json_string(addr_text(text, a)));
}

void told_add_reply(struct told *t, const struct announce_reply *r)
{
	for (uint32_t i = 0; i < r->n_peers; i++)
		told_add(t, &r->peers[i].addr, r->peers[i].complete);
}

void told_put(struct told *t, json_t *j)
{
	size_t n = json_array_size(t->complete);

	(void)json_array_extend(t->complete, t->others);
	json_decref(t->others);
	(void)json_object_set_new(j, "peers", t->complete);
	(void)json_object_set_new(j, "complete", json_integer((json_int_t)n));
	*t = (struct told){NULL, NULL};
}
