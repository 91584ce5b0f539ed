#include "base/rc4.h"

static void swap(uint8_t *a, uint8_t *b)
{
	uint8_t was = *a;

	*a = *b;
	*b = was;
}

void rc4_init(struct rc4 *r, struct bytes key)
{
	uint8_t j = 0;

	assert(key.len >= 1 && key.len <= sizeof(r->s));
	for (unsigned i = 0; i < sizeof(r->s); i++)
		r->s[i] = (uint8_t)i;
	for (unsigned i = 0; i < sizeof(r->s); i++) {
		j = (uint8_t)(j + r->s[i] + key.ptr[i % key.len]);
		swap(&r->s[i], &r->s[j]);
	}
	r->i = r->j = 0;
}

static uint8_t next(struct rc4 *r)
{
	r->i++;
	r->j = (uint8_t)(r->j + r->s[r->i]);
	swap(&r->s[r->i], &r->s[r->j]);
	return r->s[(uint8_t)(r->s[r->i] + r->s[r->j])];
}

void rc4_apply(struct rc4 *r, uint8_t *data, size_t len)
{
	for (size_t k = 0; k < len; k++)
		data[k] ^= next(r);
}

void rc4_skip(struct rc4 *r, size_t len)
{
	while (len-- > 0)
		(void)next(r);
}
