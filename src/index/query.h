/* index/query.h - what a user types into a search box, as an expression for FTS5. Pure. */
#ifndef SHOAL_INDEX_QUERY_H
#define SHOAL_INDEX_QUERY_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"

/* Attack: search text as a program for the search engine (O-31). */
#define QUERY_TEXT_BYTES_MAX 512u
#define QUERY_WORDS_MAX 32u
/* No expression is longer; a ceiling for the caller's buffer. */
#define QUERY_MATCH_BYTES_MAX 2048u

/* Append the FTS5 expression for `text` to `out`:
 *   one two      both, the last one as the beginning of a word unless a blank follows it
 *   on* two      the beginning of a word
 *   "one two"    these words in a row
 *   -one -"a b"  without
 * Of Chinese and Japanese, which are written without blanks, any part is found, and so is a
 * picture, such as an emoji (text_put_apart()).
 * Anything else is looked for literally: no operator, column or function of FTS5 can be
 * reached. Words in which there is nothing to look for (no letter, digit or
 * picture) are left out.
 * Source:  "Full-text Query Syntax" of the SQLite documentation, FTS5: a quoted string holds
 *          no syntax but the doubled quote.
 * Returns: 0; ERR_TOO_BIG; ERR_INVALID when it is not UTF-8 or there is nothing to look for,
 *          with a sentence that is safe to show; ERR_NOMEM.
 * Limit:   QUERY_TEXT_BYTES_MAX, QUERY_WORDS_MAX words, those within quotes counted. */
int query_to_match(struct bytes text, struct buf *out, struct err_info *info);

#endif
