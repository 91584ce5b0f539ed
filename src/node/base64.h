/* node/base64.h - bytes inside JSON. Pure. */
#ifndef SHOAL_NODE_BASE64_H
#define SHOAL_NODE_BASE64_H

#include "base/buf.h"

/* Append `in` as base64.
 * Source: RFC 4648 section 4, with padding. Returns 0 or the buffer's error. */
int base64_put(struct buf *out, struct bytes in);

/* Append what `text` stands for. Nothing is skipped: a space, a missing or early '=', or spare bits
 * that are not zero are ERR_PROTO, so one value has one form. Nothing is appended on error. */
int base64_take(struct bytes text, struct buf *out);

#endif
