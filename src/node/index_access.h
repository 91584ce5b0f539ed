/* node/index_access.h - who may do what at an index: rights by token, and none for guessers.
 *
 * Without any token in the catalogue the index is open: everyone has every right but RIGHT_ADMIN.
 * As soon as there is one, who shows no token has the right of the one called "anonymous", or none.
 * What that right suffices for, a token is not even looked at.
 * Tokens are compared by their hashes; they are read anew within a second when `shoal index token`
 * changed them. Safe to be called from several threads. */
#ifndef SHOAL_NODE_INDEX_ACCESS_H
#define SHOAL_NODE_INDEX_ACCESS_H

#include "base/addr.h"
#include "base/siphash.h"
#include "store/catalogue_db.h"

/* What a token looks like: so many hex digits of chance. */
#define INDEX_TOKEN_LEN 40u
/* So many different wrong tokens from one host (an IPv4 address, an IPv6 /64), and it is refused
 * whatever it shows, for so long. Attack: guessing. Who shows one that was revoked has guessed
 * nothing: behind one address there may be many programs that nobody has told of newer ones. */
#define INDEX_WRONG_MAX 10u
#define INDEX_LOCKED_S 600u
/* Hosts whose wrong tokens are counted; a newcomer takes the place of another. */
#define INDEX_GUESSERS_MAX 4096u

struct index_access;

/* Borrows `db`, which only the calling thread and index_access_tick() use. */
int index_access_new(struct catalogue_db *db, struct index_access **out, struct err_info *info);
void index_access_free(struct index_access *a);
/* About every second, from the thread that owns the catalogue. When tokens cannot be read, those
 * known stay good. */
void index_access_tick(struct index_access *a);
/* Read the tokens now, whether or not they seem to have changed. */
int index_access_reload(struct index_access *a, struct err_info *info);

/* What who shows no token may do; never RIGHT_ADMIN. */
enum catalogue_right index_access_of_anyone(struct index_access *a);
bool index_access_is_open(struct index_access *a);

enum index_verdict {
	ACCESS_GRANTED,
	ACCESS_NO_TOKEN,    /* none was shown, and without it is too little */
	ACCESS_WRONG,	    /* there is no such token */
	ACCESS_WRONG_AGAIN, /* the same, which that host has shown before, or which was revoked:
			     * not counted */
	ACCESS_TOO_LOW,	    /* it is not good for that */
	ACCESS_LOCKED,	    /* too many wrong ones from there */
};
/* May who shows `token` (empty: none) from `from` do what needs `need`? */
enum index_verdict index_access_check(struct index_access *a, struct bytes token,
				      const struct addr *from, enum catalogue_right need,
				      uint64_t now_s);
/* The name of the token that it took to be granted that: "" where anybody may, or it was not
 * granted. Returns `out`. */
const char *index_access_name(struct index_access *a, struct bytes token, enum catalogue_right need,
			      char out[CATALOGUE_TOKEN_NAME_MAX + 1]);
/* A sentence for people. */
const char *index_verdict_text(enum index_verdict v);

#endif
