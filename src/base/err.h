/* base/err.h - what can go wrong, as one small set of codes.
 *
 * Functions return 0 or a negative `enum err`; results come through the last
 * pointer. errno stops at `net` and `store`, which turn it into a code plus a
 * sentence in a `struct err_info` for whoever can tell the user. */
#ifndef SHOAL_BASE_ERR_H
#define SHOAL_BASE_ERR_H

#include <stddef.h>

enum err {
	OK = 0,
	ERR_PROTO = -1,	  /* the bytes break the format: the sender is wrong */
	ERR_TOO_BIG = -2, /* a documented limit would be passed */
	ERR_NOMEM = -3,
	ERR_IO = -4,	  /* the device or the kernel said no */
	ERR_NOENT = -5,	  /* no such thing */
	ERR_EXISTS = -6,  /* it is there already */
	ERR_DENIED = -7,  /* permission, or somebody else's */
	ERR_NOSPACE = -8, /* disk, quota or file-size limit */
	ERR_AGAIN = -9,	  /* not now; try when told */
	ERR_TIMEOUT = -10,
	ERR_UNREACHABLE = -11, /* nobody answers there */
	ERR_INVALID = -12,     /* a local caller's or user's argument is wrong */
	ERR_MISMATCH = -13,    /* data does not hash to what it should */
	ERR_AMBIGUOUS = -14,   /* several things fit */
	ERR_CANCELLED = -15,
};

/* A code with the sentence a person needs: what thing, what reason.
 * Limit: the text is cut at ERR_TEXT_MAX - 1 bytes; it is already safe to print
 * (network text in it was escaped by whoever wrote it). */
#define ERR_TEXT_MAX 512
struct err_info {
	enum err code;
	char text[ERR_TEXT_MAX];
};

/* The code in a few English words, for instance "no such thing". */
const char *err_text(enum err code);
/* The code in one word for programs, for instance "not_found"; of an unknown word ERR_IO.
 * docs/api.md lists them beside the exit codes. */
const char *err_word(enum err code);
enum err err_from_word(const char *word);

/* Fill `info` (may be NULL) and return `code`, so that a failing function can
 * say `return err_set(info, ERR_NOENT, "%s: no such entry", name);`. */
int err_set(struct err_info *info, enum err code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* An error that is kept for long, one by each of thousands: with its sentence as long as it is.
 * Zeroed: none. */
struct err_kept {
	enum err code; /* OK: none */
	char *text;    /* NULL: as err_text() has it, as there was no memory for it */
};
/* Instead of the one that was kept. */
void err_keep(struct err_kept *k, const struct err_info *why);
/* None is kept any more. */
void err_drop(struct err_kept *k);
/* The whole of it again. */
void err_kept_get(const struct err_kept *k, struct err_info *out);

#endif
