/* cli/home.h - where one peer keeps its key, settings and state. */
#ifndef SHOAL_CLI_HOME_H
#define SHOAL_CLI_HOME_H

#include "base/sign.h"
#include "meta/entry.h"

struct home {
	char *dir; /* SHOAL_HOME, else XDG_DATA_HOME/shoal, else ~/.local/share/shoal */
	uint8_t seed[SIGN_SEED_LEN]; /* the owner's secret, made at first use, file 0600 */
	uint8_t key[SIGN_KEY_LEN];
	char owner[ENTRY_OWNER_BYTES_MAX + 1]; /* remembered --as, else login@host */
};

/* The user's own home, whatever is kept elsewhere: HOME, else what passwd says.
 * Owns: the caller's (free). NULL: there is none. */
char *home_of_user(void);
/* The folder alone; makes nothing. Owns: the caller's (free). NULL: there is none. */
char *home_dir(void);
/* The folder, made if missing, 0700. Owns: *out is the caller's (free). */
int home_make_dir(char **out, struct err_info *info);
/* Keeps other commands out of the folder until the descriptor is closed. Returns it, or the
 * error. */
int home_lock(const char *dir, struct err_info *info);

/* Opens, making what is missing. A key file readable by others is refused (ERR_DENIED). */
int home_open(struct home *h, struct err_info *info);
/* Own names as `owner`, until home_fini(). Returns 0 or ERR_INVALID. */
int home_use_owner(struct home *h, const char *owner, struct err_info *info);
/* Remember that for all later work. Not before the index has agreed: the name may be another's. */
int home_keep_owner(const struct home *h, struct err_info *info);
void home_fini(struct home *h);

#endif
