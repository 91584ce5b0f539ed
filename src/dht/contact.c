#include "dht/contact.h"

#include "wire/krpc.h"

size_t contact_put(uint8_t out[CONTACT_V6_LEN], const struct contact *c)
{
	memcpy(out, c->id, NODE_ID_LEN);
	return NODE_ID_LEN + krpc_endpoint_put(out + NODE_ID_LEN, &c->addr);
}

void contact_get(struct bytes in, struct contact *out)
{
	assert(in.len == CONTACT_V4_LEN || in.len == CONTACT_V6_LEN);
	memcpy(out->id, in.ptr, NODE_ID_LEN);
	(void)krpc_endpoint_get(bytes_sub(in, NODE_ID_LEN, in.len - NODE_ID_LEN), &out->addr);
}

bool contact_same_net(const struct addr *a, const struct addr *b)
{
	return a->v6 == b->v6 && memcmp(a->ip, b->ip, a->v6 ? 8 : 3) == 0;
}
