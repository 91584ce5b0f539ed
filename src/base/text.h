/* base/text.h - text for people: escaping what strangers wrote, sizes, times. */
#ifndef SHOAL_BASE_TEXT_H
#define SHOAL_BASE_TEXT_H

#include "base/buf.h"
#include "base/bytes.h"

bool text_is_utf8(struct bytes s);
/* The length of the UTF-8 character at the front of `s`, which is not empty, and its code; 0 when
 * there is none. Source: RFC 3629: no overlong forms, no surrogates. */
size_t text_first_char(struct bytes s, uint32_t *code);

/* Append `s` as a search engine for words is given it. With blanks around each Chinese and Japanese
 * character: they write words without any between them, and where one ends a search cannot know.
 * With each picture (emoji, arrow, shape) as a word of its own, of one letter of the Private Use
 * Area: most of those are nothing to FTS5, which knows letters and digits. */
void text_put_apart(struct buf *out, struct bytes s);

/* Append `s` so that it cannot steer a terminal, break a line or hide a part of itself: C0, DEL,
 * C1, bidi and zero-width controls, what else is not seen, the backslash and bytes that are not
 * UTF-8 become \\, \n, \t, \xHH or \u{HHHH}; all else stays. Attack: escape sequences in names,
 * client ids, failure reasons (O-36). */
void text_put_escaped(struct buf *out, struct bytes s);
/* UTF-8 that the above would leave as it is, backslashes apart (which it doubles; harmless). */
bool text_is_plain(struct bytes s);
/* The same, but what is merely not seen may be in it: soft hyphens, fillers, tags, U+FFFE. */
bool text_is_tame(struct bytes s);
/* Is any of those in it? */
bool text_hides(struct bytes s);

/* The same into a caller's array, always ended by NUL, cut with "..." if need
 * be. Returns `out`. */
const char *text_escape(char *out, size_t cap, struct bytes s);

/* "0 B", "999 B", "1.5 KiB", "4.0 GiB". Returns `out`. */
const char *text_size(char *out, size_t cap, uint64_t bytes);
/* "12.3 MiB/s" */
const char *text_rate(char *out, size_t cap, uint64_t bps);
/* "45s", "3m05s", "2h07m", "5d03h". */
const char *text_duration(char *out, size_t cap, uint64_t seconds);

/* HOST or HOST:PORT of a URL, without user and password, which may be secret. Borrows. */
struct bytes text_url_host(const char *url);

/* A decimal number and nothing else: no sign, no space. ERR_PROTO when it is
 * not one or exceeds max. */
int text_parse_u64(struct bytes s, uint64_t max, uint64_t *out);

/* Hex, lower case, with final NUL: `out` takes 2 * in.len + 1. */
void text_hex(char *out, struct bytes in);
/* Exactly out_len bytes from 2 * out_len digits of either case, or ERR_PROTO. */
int text_unhex(struct bytes in, uint8_t *out, size_t out_len);
/* RFC 4648 base32 without padding; ERR_PROTO unless it gives exactly out_len. */
int text_unbase32(struct bytes in, uint8_t *out, size_t out_len);

/* The same word, or one that begins so, in whatever case of ASCII letters. */
bool text_is_word(struct bytes s, const char *word);
bool text_begins(struct bytes s, const char *prefix);

/* What follows `folder` in the path, "" when they are the same; NULL: it is not beneath it. Neither
 * has anything to resolve in it. Borrows. */
const char *text_beneath(const char *path, const char *folder);

/* Percent-encode everything but unreserved characters (RFC 3986 2.3). */
void text_put_percent(struct buf *out, struct bytes in);
/* For XML and HTML: & < > " ' as entities, and U+FFFD for what no XML may hold (control characters,
 * U+FFFE, U+FFFF) and for bytes that are not UTF-8. */
void text_put_xml(struct buf *out, struct bytes in);
/* Decode into `out`; '+' stays '+'. ERR_PROTO on a bad escape. */
int text_unpercent(struct bytes in, struct buf *out);

#endif
