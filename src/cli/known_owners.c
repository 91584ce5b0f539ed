#include "cli/known_owners.h"

#include "base/text.h"
#include "cli/known.h"

#define FILE_NAME "known_owners"
#define HEX_LEN (2 * SIGN_KEY_LEN)

static int refuse(const char *dir, const struct entry *e, const uint8_t was[SIGN_KEY_LEN],
		  struct err_info *info)
{
	char old[HEX_LEN + 1], new[HEX_LEN + 1], owner[4 * ENTRY_OWNER_BYTES_MAX], at[256];

	text_hex(old, bytes_of(was, SIGN_KEY_LEN));
	text_hex(new, bytes_of(e->key, SIGN_KEY_LEN));
	return err_set(
	    info, ERR_DENIED,
	    "THE KEY OF %s HAS CHANGED. Somebody else may be publishing under this name. "
	    "It was %.16s..., now it is %.16s... Ask the owner ('shoal whoami' shows the "
	    "key); if it is right, give --accept-key once (remembered in %s/" FILE_NAME ")",
	    text_escape(owner, sizeof(owner), bytes_str(e->owner)), old, new,
	    text_escape(at, sizeof(at), bytes_str(dir)));
}

static int check(struct known *k, const struct entry *e, bool accept_new, struct err_info *info)
{
	uint8_t key[SIGN_KEY_LEN];
	char hex[HEX_LEN + 1];
	struct bytes value;
	bool found = known_find(k, e->owner, &value);

	if (found && text_unhex(value, key, SIGN_KEY_LEN) != 0)
		return err_set(info, ERR_PROTO, "%s/%s: the line of this owner is damaged", k->dir,
			       FILE_NAME);
	if (found && memcmp(key, e->key, SIGN_KEY_LEN) == 0)
		return OK;
	if (found && !accept_new)
		return refuse(k->dir, e, key, info);
	text_hex(hex, bytes_of(e->key, SIGN_KEY_LEN));
	return known_set(k, e->owner, hex, info);
}

int known_owners_check(const struct entry *e, bool accept_new, struct err_info *info)
{
	struct known k;
	int rc = known_open(&k, FILE_NAME, info);

	if (rc == OK)
		rc = check(&k, e, accept_new, info);
	known_close(&k);
	return rc;
}

bool known_owners_key(const char *owner, uint8_t key[SIGN_KEY_LEN])
{
	struct bytes value;
	struct known k;
	bool found = known_open(&k, FILE_NAME, NULL) == OK && known_find(&k, owner, &value) &&
		     text_unhex(value, key, SIGN_KEY_LEN) == 0;

	known_close(&k);
	return found;
}

bool known_owners_of(const uint8_t key[SIGN_KEY_LEN], char owner[ENTRY_OWNER_BYTES_MAX + 1])
{
	struct bytes name, value;
	char hex[HEX_LEN + 1];
	bool found = false;
	struct known k;
	size_t at = 0;

	text_hex(hex, bytes_of(key, SIGN_KEY_LEN));
	if (known_open(&k, FILE_NAME, NULL) == OK)
		while (!found && known_next(&k, &at, &name, &value))
			found =
			    bytes_eq(value, bytes_str(hex)) && entry_check_owner(name, NULL) == OK;
	if (found) {
		memcpy(owner, name.ptr, name.len);
		owner[name.len] = '\0';
	}
	known_close(&k);
	return found;
}
