/* base/token_bucket.h - so many bytes a second and not more. Pure; time is the caller's.
 *
 * Tokens are bytes. They come with time and are taken as bytes move; what is not used gathers up to
 * TOKEN_BURST_MS worth, so after silence at most that much goes at once. Taking may overdraw by
 * what could not be known before (a message is sent whole): the debt is paid before more is given,
 * so that the mean stays exact. */
#ifndef SHOAL_BASE_TOKEN_BUCKET_H
#define SHOAL_BASE_TOKEN_BUCKET_H

#include "base/bytes.h"

#define TOKEN_BURST_MS 250u

struct token_bucket {
	uint64_t bps;	  /* 0: no limit */
	int64_t micro;	  /* tokens x 1000; below 0: debt */
	uint64_t seen_ms; /* up to when tokens came */
};

/* A new rate begins with what the old one left, or at most its own burst. 0: no limit. */
void token_set(struct token_bucket *b, uint64_t bps, uint64_t now_ms);
/* How many bytes may go now; UINT64_MAX without limit. */
uint64_t token_left(struct token_bucket *b, uint64_t now_ms);
/* They went. */
void token_take(struct token_bucket *b, uint64_t bytes);
/* Milliseconds until `bytes`, or a whole burst if that is less, may go; 0 now. */
uint64_t token_wait_ms(struct token_bucket *b, uint64_t bytes, uint64_t now_ms);

#endif
