#include "cli/home.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/text.h"
#include "net/entropy.h"
#include "store/durable.h"

#define KEY_FILE "key"
#define OWNER_FILE "owner"
#define SMALL_FILE_MAX 4096u

static char *join(const char *dir, const char *rest)
{
	char *path = NULL;

	return asprintf(&path, "%s/%s", dir, rest) < 0 ? NULL : path;
}

char *home_of_user(void)
{
	const char *user = getenv("HOME");
	const struct passwd *pw;

	if (user == NULL || *user == '\0') {
		pw = getpwuid(geteuid());
		user = pw == NULL ? NULL : pw->pw_dir;
	}
	return user == NULL ? NULL : strdup(user);
}

char *home_dir(void)
{
	const char *own = getenv("SHOAL_HOME"), *xdg = getenv("XDG_DATA_HOME");
	char *user, *dir;

	if (own != NULL && *own != '\0')
		return strdup(own);
	/* The XDG base directory specification: a relative path is to be ignored. */
	if (xdg != NULL && *xdg == '/')
		return join(xdg, "shoal");
	user = home_of_user();
	dir = user == NULL ? NULL : join(user, ".local/share/shoal");
	free(user);
	return dir;
}

int home_make_dir(char **out, struct err_info *info)
{
	int rc;

	*out = home_dir();
	if (*out == NULL)
		return err_set(info, ERR_INVALID, "no home folder: set HOME or SHOAL_HOME");
	rc = durable_mkdirs(*out, 0700, info);
	if (rc != 0) {
		free(*out);
		*out = NULL;
	}
	return rc;
}

int home_lock(const char *dir, struct err_info *info)
{
	int lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (lock < 0)
		return root_errno(info, dir, errno);
	while (flock(lock, LOCK_EX) != 0 && errno == EINTR)
		;
	return lock;
}

/* ---- the key --------------------------------------------------------------- */

static int check_key_mode(const struct root *r, const char *dir, struct err_info *info)
{
	struct stat st;
	char safe[256];
	int rc = root_look(r, KEY_FILE, &st, info);

	if (rc != 0)
		return rc;
	text_escape(safe, sizeof(safe), bytes_str(dir));
	if (!S_ISREG(st.st_mode))
		return err_set(info, ERR_DENIED, "%s/%s: not a regular file", safe, KEY_FILE);
	if ((st.st_mode & 077) != 0)
		return err_set(info, ERR_DENIED,
			       "%s/%s: others may read this secret key; 'chmod 600' it, or remove "
			       "it to get a new one",
			       safe, KEY_FILE);
	return 0;
}

static int key_read(struct home *h, const struct root *r, struct err_info *info)
{
	struct buf b;
	struct bytes hex;
	char safe[256];
	int rc;

	buf_init(&b, SMALL_FILE_MAX);
	rc = durable_read(r, KEY_FILE, &b, info);
	hex = buf_bytes(&b);
	if (rc == 0 && hex.len > 0 && hex.ptr[hex.len - 1] == '\n')
		hex.len--;
	if (rc == 0 && text_unhex(hex, h->seed, sizeof(h->seed)) != 0)
		rc = err_set(info, ERR_PROTO, "%s/%s: damaged: not 64 hex digits",
			     text_escape(safe, sizeof(safe), bytes_str(h->dir)), KEY_FILE);
	if (b.ptr != NULL)
		explicit_bzero(b.ptr, b.cap);
	buf_fini(&b);
	return rc;
}

static int key_make(struct home *h, const struct root *r, struct err_info *info)
{
	char hex[SIGN_SEED_LEN * 2 + 2];
	int rc;

	entropy_fill(h->seed, sizeof(h->seed));
	text_hex(hex, bytes_of(h->seed, sizeof(h->seed)));
	hex[sizeof(hex) - 2] = '\n';
	rc = durable_write(r, KEY_FILE, bytes_of(hex, sizeof(hex) - 1), 0600, info);
	explicit_bzero(hex, sizeof(hex));
	return rc;
}

/* Two commands at first use must not make two keys: the folder itself is the lock. */
static int key_load(struct home *h, const struct root *r, struct err_info *info)
{
	int lock = home_lock(h->dir, info);
	char safe[256];
	int rc;

	if (lock < 0)
		return lock;
	rc = check_key_mode(r, h->dir, info);
	if (rc == 0)
		rc = key_read(h, r, info);
	else if (rc == ERR_NOENT)
		rc = key_make(h, r, info);
	close(lock);
	if (rc == 0 && sign_public_key(h->seed, h->key) != 0)
		rc = err_set(info, ERR_NOMEM, "cannot make a key of %s/%s",
			     text_escape(safe, sizeof(safe), bytes_str(h->dir)), KEY_FILE);
	return rc;
}

/* ---- the owner -------------------------------------------------------------- */

static void owner_guess(struct home *h)
{
	const struct passwd *pw = getpwuid(geteuid());
	const char *login = pw == NULL ? getenv("LOGNAME") : pw->pw_name;
	char host[65] = "";

	if (gethostname(host, sizeof(host) - 1) != 0 || host[0] == '\0')
		snprintf(host, sizeof(host), "localhost");
	snprintf(h->owner, sizeof(h->owner), "%.60s@%.64s", login == NULL ? "user" : login, host);
	if (entry_check_owner(bytes_str(h->owner), NULL) != 0)
		snprintf(h->owner, sizeof(h->owner), "user@localhost");
}

static int owner_load(struct home *h, const struct root *r, struct err_info *info)
{
	struct buf b;
	struct stat st;
	const char *text;
	int rc = 0;

	if (root_stat(r, OWNER_FILE, &st) != 0) {
		owner_guess(h);
		return 0;
	}
	buf_init(&b, SMALL_FILE_MAX);
	rc = durable_read(r, OWNER_FILE, &b, info);
	if (rc == 0 && b.len > 0 && b.ptr[b.len - 1] == '\n')
		b.len--;
	text = buf_cstr(&b);
	if (rc == 0 && (text == NULL || entry_check_owner(buf_bytes(&b), info) != 0))
		rc = err_set(info, ERR_PROTO, "%s/%s: damaged; choose an owner name with --as",
			     h->dir, OWNER_FILE);
	if (rc == 0)
		snprintf(h->owner, sizeof(h->owner), "%s", text);
	buf_fini(&b);
	return rc;
}

int home_open(struct home *h, struct err_info *info)
{
	struct root r;
	int rc;

	*h = (struct home){.dir = NULL};
	rc = home_make_dir(&h->dir, info);
	if (rc == 0)
		rc = root_open(&r, h->dir, info);
	if (rc == 0) {
		rc = key_load(h, &r, info);
		if (rc == 0)
			rc = owner_load(h, &r, info);
		root_close(&r);
	}
	if (rc != 0)
		home_fini(h);
	return rc;
}

int home_use_owner(struct home *h, const char *owner, struct err_info *info)
{
	int rc = entry_check_owner(bytes_str(owner), info);

	if (rc == 0 && text_hides(bytes_str(owner)))
		rc =
		    err_set(info, ERR_INVALID, "the owner's name has an invisible character in it");
	if (rc == 0)
		snprintf(h->owner, sizeof(h->owner), "%s", owner);
	return rc;
}

int home_keep_owner(const struct home *h, struct err_info *info)
{
	char line[ENTRY_OWNER_BYTES_MAX + 2];
	struct root r;
	int n, rc = root_open(&r, h->dir, info);

	if (rc != 0)
		return rc;
	n = snprintf(line, sizeof(line), "%s\n", h->owner);
	rc = durable_write(&r, OWNER_FILE, bytes_of(line, (size_t)n), 0600, info);
	root_close(&r);
	return rc;
}

void home_fini(struct home *h)
{
	free(h->dir);
	explicit_bzero(h, sizeof(*h));
}
