/* cli/known_owners.h - the key of each owner whose entries were fetched: remembered the first time,
 * compared ever after, so that no index can put somebody else in an owner's place.
 *
 * The file "known_owners" in the home folder has one line an owner: the key in hex, a space, the
 * owner's name. */
#ifndef SHOAL_CLI_KNOWN_OWNERS_H
#define SHOAL_CLI_KNOWN_OWNERS_H

#include "meta/entry.h"

/* `accept_new`: the user says that another key than before is right: it is remembered instead.
 * Returns 0 (the key is the one remembered, or is from now on); ERR_DENIED with the whole story
 * when it is another; ERR_PROTO when the file is damaged or cannot be read; ERR_IO when the key is
 * new, but cannot be remembered. */
int known_owners_check(const struct entry *e, bool accept_new, struct err_info *info);

/* The key that is remembered of an owner, and the owner that it is remembered of. False: none is.
 */
bool known_owners_key(const char *owner, uint8_t key[SIGN_KEY_LEN]);
bool known_owners_of(const uint8_t key[SIGN_KEY_LEN], char owner[ENTRY_OWNER_BYTES_MAX + 1]);

#endif
