/* base/bencode.h - bencode: a zero-copy reader, a canonical writer. */
#ifndef SHOAL_BASE_BENCODE_H
#define SHOAL_BASE_BENCODE_H

#include "base/buf.h"
#include "base/bytes.h"

/* Nested containers deeper than this are refused (attack: stack exhaustion,
 * CVE-2020-8437). The reader itself does not recurse. */
#define BENC_DEPTH_MAX 100
/* Values in one document, keys included (attack: millions of tiny tokens). */
#define BENC_TOKENS_MAX 3000000

enum benc_type { BENC_INT, BENC_STR, BENC_LIST, BENC_DICT };

/* One value inside a checked document. By value; borrows the document's bytes. */
struct benc {
	enum benc_type type;
	struct bytes raw; /* the whole encoding, e.g. "i3e" or "4:spam" */
	struct bytes str; /* BENC_STR: the characters */
	int64_t num;	  /* BENC_INT */
};

/* Facts about a document that BEP 52 forbids inside v2 info, but that old v1
 * files contain. Each key is compared with the one before it in its dictionary, so
 * a key that comes again later on, not at once, is reported as unsorted alone:
 * sorted dictionaries have equal keys side by side. Untouched on failure. */
struct benc_facts {
	bool unsorted;	/* some dictionary's keys are out of order */
	bool duplicate; /* some dictionary has a key twice */
};

/* Check one value at the front of `in` and everything in it.
 * Source:  BEP 3 "bencoding": no leading zeros, no -0, keys are strings.
 * Returns: > 0 bytes consumed; ERR_PROTO malformed or cut short; ERR_TOO_BIG a
 *          limit above, or an integer outside int64_t.
 * Owns:    `out` borrows `in`. Allocates nothing.
 * Limit:   `in` over INT_MAX bytes is ERR_TOO_BIG. `facts` may be NULL. */
int benc_parse(struct bytes in, struct benc *out, struct benc_facts *facts);

/* As benc_parse, but bytes after the value are ERR_PROTO and 0 is success. */
int benc_parse_all(struct bytes in, struct benc *out, struct benc_facts *facts);

/* Walk a list or dictionary that benc_parse accepted. */
struct benc_iter {
	struct bytes rest;
	bool dict;
};
struct benc_iter benc_iter(const struct benc *container);
/* The next element; `key` is set for dictionaries (may be NULL). False at the end. */
bool benc_next(struct benc_iter *it, struct bytes *key, struct benc *value);
/* The key of a dictionary's next element, without a look at its value, which may be long. False at
 * the end, and where there is none. */
bool benc_peek_key(const struct benc_iter *it, struct bytes *key);

/* The first value under `key`; false when `dict` is no dictionary or has none. */
bool benc_find(const struct benc *dict, const char *key, struct benc *out);
/* The same with a wanted type: false when the type is another. */
bool benc_find_str(const struct benc *dict, const char *key, struct bytes *out);
bool benc_find_int(const struct benc *dict, const char *key, int64_t *out);
/* As a count: 0 for none or a negative one, UINT32_MAX for a larger one. */
uint32_t benc_find_u32(const struct benc *dict, const char *key);
bool benc_find_list(const struct benc *dict, const char *key, struct benc *out);
bool benc_find_dict(const struct benc *dict, const char *key, struct benc *out);

/* Writer: appends to a buffer, whose sticky error tells of failure. The caller
 * writes keys in raw-string order, which the writer asserts nothing about. */
void benc_put_int(struct buf *b, int64_t v);
void benc_put_bytes(struct buf *b, struct bytes s);
void benc_put_str(struct buf *b, const char *s);
void benc_put_pair(struct buf *b, const char *key, int64_t v);
void benc_put_raw(struct buf *b, char c); /* 'd', 'l' or 'e' */

#endif
