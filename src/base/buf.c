#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CAP_FIRST 64

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max};
}

void buf_fini(struct buf *b)
{
	free(b->ptr);
	*b = (struct buf){0};
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->err = OK;
}

/* Room for `n` more bytes. The memory is always one byte longer than `cap`, so
 * that printf and buf_cstr can end a text that fills the buffer to its ceiling. */
static int grow(struct buf *b, size_t n)
{
	size_t need, cap;
	uint8_t *ptr;

	if (n > b->max - b->len)
		return ERR_TOO_BIG;
	need = b->len + n;
	if (b->ptr != NULL && need <= b->cap)
		return 0;
	cap = b->cap > b->max / 2 ? b->max : b->cap * 2;
	if (cap < CAP_FIRST)
		cap = b->max < CAP_FIRST ? b->max : CAP_FIRST;
	if (cap < need)
		cap = need;
	if (cap == SIZE_MAX)
		return ERR_NOMEM;
	ptr = realloc(b->ptr, cap + 1);
	if (ptr == NULL)
		return ERR_NOMEM;
	b->ptr = ptr;
	b->cap = cap;
	return 0;
}

int buf_reserve(struct buf *b, size_t n, struct span *out)
{
	if (b->err == OK)
		b->err = grow(b, n);
	if (b->err != OK) {
		*out = (struct span){NULL, 0};
		return b->err;
	}
	*out = (struct span){b->ptr + b->len, n};
	return 0;
}

void buf_commit(struct buf *b, size_t n)
{
	assert(n <= b->cap - b->len);
	b->len += n;
}

int buf_put(struct buf *b, struct bytes data)
{
	struct span to;

	if (data.len == 0)
		return b->err;
	if (buf_reserve(b, data.len, &to) != 0)
		return b->err;
	memcpy(to.ptr, data.ptr, data.len);
	buf_commit(b, data.len);
	return 0;
}

int buf_put_str(struct buf *b, const char *s)
{
	return buf_put(b, bytes_str(s));
}

int buf_put_u8(struct buf *b, uint8_t v)
{
	return buf_put(b, bytes_of(&v, 1));
}

int buf_put_be16(struct buf *b, uint16_t v)
{
	uint8_t raw[2];

	put_be16(raw, v);
	return buf_put(b, bytes_of(raw, sizeof(raw)));
}

int buf_put_be32(struct buf *b, uint32_t v)
{
	uint8_t raw[4];

	put_be32(raw, v);
	return buf_put(b, bytes_of(raw, sizeof(raw)));
}

int buf_put_be64(struct buf *b, uint64_t v)
{
	uint8_t raw[8];

	put_be64(raw, v);
	return buf_put(b, bytes_of(raw, sizeof(raw)));
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	struct span to;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 && b->err == OK)
		b->err = ERR_INVALID;
	if (b->err != OK || buf_reserve(b, (size_t)n, &to) != 0)
		return b->err;
	va_start(ap, fmt);
	(void)vsnprintf((char *)to.ptr, to.len + 1, fmt, ap);
	va_end(ap);
	buf_commit(b, to.len);
	return 0;
}

int buf_put_front(struct buf *b, size_t n, struct bytes with)
{
	struct span room;

	assert(n <= b->len);
	if (buf_reserve(b, with.len > n ? with.len - n : 0, &room) != OK)
		return b->err;
	if (b->len > n)
		memmove(b->ptr + with.len, b->ptr + n, b->len - n);
	if (with.len > 0)
		memcpy(b->ptr, with.ptr, with.len);
	b->len = b->len - n + with.len;
	return OK;
}

void buf_consume(struct buf *b, size_t n)
{
	assert(n <= b->len);
	b->len -= n;
	if (n > 0 && b->len > 0)
		memmove(b->ptr, b->ptr + n, b->len);
}

const char *buf_cstr(struct buf *b)
{
	if (b->err != OK || grow(b, 0) != 0)
		return NULL;
	b->ptr[b->len] = '\0';
	return (const char *)b->ptr;
}
