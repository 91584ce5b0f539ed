/* base/bytes.h - borrowed runs of bytes, big-endian integers in them. */
#ifndef SHOAL_BASE_BYTES_H
#define SHOAL_BASE_BYTES_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Read-only bytes that belong to somebody else. ptr may be NULL when len is 0. */
struct bytes {
	const uint8_t *ptr;
	size_t len;
};

/* Where bytes may be written; belongs to somebody else. */
struct span {
	uint8_t *ptr;
	size_t len;
};

static inline struct bytes bytes_of(const void *ptr, size_t len)
{
	return (struct bytes){ptr, len};
}

/* The characters of a C string, without the final NUL. */
static inline struct bytes bytes_str(const char *s)
{
	return (struct bytes){(const uint8_t *)s, strlen(s)};
}

/* The part [off, off + len); both must lie inside `b`: a caller's duty. */
static inline struct bytes bytes_sub(struct bytes b, size_t off, size_t len)
{
	assert(off <= b.len && len <= b.len - off);
	return (struct bytes){b.ptr == NULL ? NULL : b.ptr + off, len};
}

static inline bool bytes_eq(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool bytes_start_with(struct bytes b, const char *prefix)
{
	size_t n = strlen(prefix);

	return b.len >= n && memcmp(b.ptr, prefix, n) == 0;
}

/* Order as raw strings (BEP 3: "sorted as raw strings"): <0, 0, >0. */
static inline int bytes_cmp(struct bytes a, struct bytes b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = n == 0 ? 0 : memcmp(a.ptr, b.ptr, n);

	if (c != 0)
		return c;
	return a.len < b.len ? -1 : a.len > b.len;
}

/* Take so many off the front of `rest`; false, and nothing is taken: there are fewer. */
static inline bool bytes_take(struct bytes *rest, uint64_t n, struct bytes *out)
{
	if (rest->len < n)
		return false;
	*out = bytes_sub(*rest, 0, (size_t)n);
	*rest = bytes_sub(*rest, (size_t)n, rest->len - (size_t)n);
	return true;
}

/* Take what stands before the first `c` off the front of `rest`, and `c` itself; all of it where
 * there is none. */
static inline struct bytes bytes_take_until(struct bytes *rest, char c)
{
	const uint8_t *end = rest->len == 0 ? NULL : memchr(rest->ptr, c, rest->len);
	size_t n = end == NULL ? rest->len : (size_t)(end - rest->ptr);
	size_t used = end == NULL ? n : n + 1;
	struct bytes head = bytes_sub(*rest, 0, n);

	*rest = bytes_sub(*rest, used, rest->len - used);
	return head;
}

static inline uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t be64(const uint8_t *p)
{
	return (uint64_t)be32(p) << 32 | be32(p + 4);
}

static inline void put_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put_be32(uint8_t *p, uint32_t v)
{
	put_be16(p, (uint16_t)(v >> 16));
	put_be16(p + 2, (uint16_t)v);
}

static inline void put_be64(uint8_t *p, uint64_t v)
{
	put_be32(p, (uint32_t)(v >> 32));
	put_be32(p + 4, (uint32_t)v);
}

#endif
