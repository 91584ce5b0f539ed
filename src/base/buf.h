/* base/buf.h - a growing byte buffer with a ceiling fixed at birth.
 *
 * Errors stick: after the first append that fails (ceiling or memory) the
 * buffer keeps what it had, `err` is set and every later append answers the
 * same code, so a writer may append freely and look once at the end. */
#ifndef SHOAL_BASE_BUF_H
#define SHOAL_BASE_BUF_H

#include "base/bytes.h"
#include "base/err.h"

struct buf {
	uint8_t *ptr;
	size_t len, cap, max;
	enum err err;
};

/* Start empty. Limit: never holds more than `max` bytes. Allocates nothing yet. */
void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);

/* Forget content and error, keep the memory. */
void buf_clear(struct buf *b);

/* Append. Returns 0, ERR_TOO_BIG or ERR_NOMEM (then nothing was appended). */
int buf_put(struct buf *b, struct bytes data);
int buf_put_str(struct buf *b, const char *s);
int buf_put_u8(struct buf *b, uint8_t v);
int buf_put_be16(struct buf *b, uint16_t v);
int buf_put_be32(struct buf *b, uint32_t v);
int buf_put_be64(struct buf *b, uint64_t v);
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Make room for `n` more bytes and lend it; buf_commit() then counts what was
 * written there. Returns 0 or the error, with out->len == n on success. */
int buf_reserve(struct buf *b, size_t n, struct span *out);
void buf_commit(struct buf *b, size_t n);

/* Put `with`, which does not lie in it, in the place of the first `n` bytes (at most len). Returns
 * as an append does; then nothing has changed. Cost: a memmove of the rest. */
int buf_put_front(struct buf *b, size_t n, struct bytes with);

/* Drop `n` bytes (at most len) from the front. Cost: a memmove of the rest. */
void buf_consume(struct buf *b, size_t n);

static inline struct bytes buf_bytes(const struct buf *b)
{
	return (struct bytes){b->ptr, b->len};
}

/* The content as a C string: appends a NUL that is not counted in len.
 * Returns NULL when there was an error or no room for the NUL. Owns: borrowed. */
const char *buf_cstr(struct buf *b);

#endif
