#include "cli/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <curl/curl.h>
#include <event2/event.h>
#include <jansson.h>
#include <libsmartcols.h>
#include <openssl/crypto.h>
#include <sqlite3.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/home.h"
#include "cli/opts_table.h"
#include "cli/session.h"
#include "net/descriptors.h"
#include "net/loop.h"
#include "sys/sandbox.h"

/* Less room than this is said. */
#define SPACE_LOW_BYTES (1ull << 30)
/* The home needs little. */
#define HOME_LOW_BYTES (64ull << 20)
/* A sync that takes longer makes resuming and finishing slow. */
#define SYNC_SLOW_MS 100u
#define SYNC_TRIES 5u
/* A peer with a few hundred connections and files wants so many. */
#define FILES_LOW 1024u
#define WATCHES_LOW 8192u

/* What is wrong in a section hurts when its command is used, maybe by the system at its start. */
static bool sections_are_sound(struct err_info *why)
{
	size_t n;
	const struct command *c = commands_all(&n);
	int err = OK;

	for (size_t i = 0; i < n && err == OK; i++) {
		struct opts o;

		err = opts_defaults(&o, &c[i], why);
		opts_fini(&o);
	}
	return err == OK;
}

void doctor_settings(const struct opts *o, struct doctor_finding *f)
{
	const struct config *c = o->config;
	struct err_info why;
	char safe[256];
	struct stat st;
	bool secret = false;

	if (c->path == NULL) {
		doctor_say(f, DOCTOR_FAIL, "set HOME or SHOAL_HOME", "there is no home folder");
		return;
	}
	text_escape(safe, sizeof(safe), bytes_str(c->path));
	for (size_t i = 0; i < c->n; i++)
		secret = secret || strcmp(c->list[i].key, "token") == 0;
	if (!c->exists)
		doctor_say(f, DOCTOR_FINE, NULL, "no file %s", safe);
	else if (!sections_are_sound(&why))
		doctor_say(f, DOCTOR_FAIL, "mend that line", "%s", why.text);
	else if (commands_check_sections(c, &why) != OK)
		doctor_say(f, DOCTOR_WARN, "mend the name: nothing reads it", "%s", why.text);
	else if (secret && stat(c->path, &st) == 0 && (st.st_mode & 077) != 0)
		doctor_say(f, DOCTOR_WARN, "chmod 600 it", "%s has a token, and others may read it",
			   safe);
	else
		doctor_say(f, DOCTOR_FINE, NULL, "%s: %zu line%s", safe, c->n,
			   c->n == 1 ? "" : "s");
}

/* Cuts `path` to what of it there is already. */
static void cut_to_existing(char *path)
{
	struct stat st;
	char *slash;

	while (stat(path, &st) != 0 && errno == ENOENT && (slash = strrchr(path, '/')) != NULL)
		slash[slash == path] = '\0';
}

/* Key, placed versions, state of the daemon: a full disk or one that is only to be read is noticed
 * late. */
void doctor_home(const struct opts *o, struct doctor_finding *f)
{
	char *dir = home_dir(), safe[256], room[32];
	struct statvfs fs;

	(void)o;
	if (dir == NULL) {
		doctor_say(f, DOCTOR_FAIL, "set HOME or SHOAL_HOME", "there is no home folder");
		return;
	}
	text_escape(safe, sizeof(safe), bytes_str(dir));
	cut_to_existing(dir);
	if (access(dir, W_OK | X_OK) != 0 || statvfs(dir, &fs) != 0)
		doctor_say(f, DOCTOR_FAIL, "set SHOAL_HOME to a folder that is yours",
			   "%s cannot be written to: %s", safe, strerror(errno));
	else if ((uint64_t)fs.f_bavail * fs.f_frsize < HOME_LOW_BYTES)
		doctor_say(f, DOCTOR_WARN, "make room", "%s left for %s",
			   text_size(room, sizeof(room), (uint64_t)fs.f_bavail * fs.f_frsize),
			   safe);
	else
		doctor_say(f, DOCTOR_FINE, NULL, "%s can be written to", safe);
	free(dir);
}

/* Looks, but does not make one. */
void doctor_key(const struct opts *o, struct doctor_finding *f)
{
	char *dir = home_dir(), *path = NULL;
	struct err_info why;
	struct home h = {.dir = NULL};
	char safe[256];
	struct stat st;

	(void)o;
	if (dir == NULL || asprintf(&path, "%s/key", dir) < 0) {
		doctor_say(f, DOCTOR_FAIL, "set HOME or SHOAL_HOME", "there is no home folder");
		free(dir);
		return;
	}
	text_escape(safe, sizeof(safe), bytes_str(path));
	if (stat(path, &st) != 0 && errno == ENOENT)
		doctor_say(f, DOCTOR_FINE, NULL, "none yet; the first share makes %s", safe);
	else if (stat(path, &st) != 0 || access(path, R_OK) != 0)
		doctor_say(f, DOCTOR_FAIL, "give it back to yourself", "%s cannot be read: %s",
			   safe, strerror(errno));
	else if ((st.st_mode & 077) != 0)
		doctor_say(f, DOCTOR_FAIL, "chmod 600 it", "%s: others may read this secret key",
			   safe);
	else if (home_open(&h, &why) != OK)
		doctor_say(f, DOCTOR_FAIL,
			   "put back a copy; a new key cannot publish under your names", "%s",
			   why.text);
	else
		doctor_say(f, DOCTOR_FINE, NULL, "%s is yours alone", safe);
	home_fini(&h);
	free(path);
	free(dir);
}

void doctor_space(const struct opts *o, struct doctor_finding *f)
{
	struct statvfs fs;
	char room[32];
	uint64_t bytes;

	(void)o;
	if (statvfs(".", &fs) != 0) {
		doctor_say(f, DOCTOR_FAIL, NULL, "the current folder: %s", strerror(errno));
		return;
	}
	bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	text_size(room, sizeof(room), bytes);
	if (bytes < SPACE_LOW_BYTES)
		doctor_say(f, DOCTOR_WARN, "make room, or download elsewhere (-o)",
			   "%s left in the current folder", room);
	else if (fs.f_files > 0 && fs.f_favail < 1000)
		doctor_say(f, DOCTOR_WARN, "remove files", "room for %llu files more",
			   (unsigned long long)fs.f_favail);
	else
		doctor_say(f, DOCTOR_FINE, NULL, "%s left in the current folder", room);
}

/* A file without a name in the current folder. */
static int nameless_file(void)
{
	char path[] = ".shoal-doctor-XXXXXX";
	int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

/* The median of a few. Returns -1 with errno. */
static int64_t sync_us(int fd)
{
	static const char page[4096];
	uint64_t took[SYNC_TRIES];

	for (size_t i = 0; i < SYNC_TRIES; i++) {
		uint64_t start = loop_clock_us();
		size_t k = i;

		if (pwrite(fd, page, sizeof(page), (off_t)(i * sizeof(page))) !=
			(ssize_t)sizeof(page) ||
		    fsync(fd) != 0)
			return -1;
		for (start = loop_clock_us() - start; k > 0 && took[k - 1] > start; k--)
			took[k] = took[k - 1];
		took[k] = start;
	}
	return (int64_t)took[SYNC_TRIES / 2];
}

static bool has_holes(int fd)
{
	struct stat st;

	return ftruncate(fd, 1 << 24) == 0 && fstat(fd, &st) == 0 && st.st_blocks < 1 << 14;
}

static bool has_reflinks(int fd)
{
	int copy = nameless_file();
	bool can = copy >= 0 && ioctl(copy, FICLONE, fd) == 0;

	if (copy >= 0)
		close(copy);
	return can;
}

void doctor_disk(const struct opts *o, struct doctor_finding *f)
{
	int fd = nameless_file();
	int64_t us = fd < 0 ? -1 : sync_us(fd);
	bool slow = us > (int64_t)SYNC_SLOW_MS * 1000, holes, links;

	(void)o;
	if (us < 0) {
		doctor_say(f, DOCTOR_WARN, "download elsewhere (-o)",
			   "the current folder cannot be written to: %s", strerror(errno));
	} else {
		links = has_reflinks(fd);
		holes = has_holes(fd);
		doctor_say(f, slow ? DOCTOR_WARN : DOCTOR_FINE,
			   slow ? "pieces are recorded as slowly as that; another disk is faster"
				: NULL,
			   "a sync takes %lld.%02lld ms; files with holes: %s; copies that share "
			   "blocks: %s",
			   (long long)us / 1000, (long long)us % 1000 / 10, holes ? "yes" : "no",
			   links ? "yes" : "no");
	}
	if (fd >= 0)
		close(fd);
}

void doctor_files(const struct opts *o, struct doctor_finding *f)
{
	/* As every peer does it. */
	uint64_t limit = descriptors_raise_limit();
	struct quota asked = session_quota(o), q;
	bool low = limit < FILES_LOW;
	char memory[32];

	quota_settle(&q, &asked, limit, descriptors_open());
	doctor_say(
	    f, low ? DOCTOR_WARN : DOCTOR_FINE,
	    low ? "raise the hard limit (ulimit -Hn, LimitNOFILE=)" : NULL,
	    "%llu files and connections at a time: %u peers (%u a transfer), %u files; %s of "
	    "buffers",
	    (unsigned long long)limit, q.max_peers, q.max_peers_per_transfer, q.max_open_files,
	    text_size(memory, sizeof(memory), q.max_memory_bytes));
}

void doctor_watches(const struct opts *o, struct doctor_finding *f)
{
	FILE *file = fopen("/proc/sys/fs/inotify/max_user_watches", "re");
	unsigned long n = 0;
	bool known = file != NULL && fscanf(file, "%lu", &n) == 1;

	(void)o;
	if (file != NULL)
		(void)fclose(file);
	if (!known)
		doctor_say(f, DOCTOR_WARN, "changes of shared files are noticed when they are read",
			   "this system does not tell of changed files");
	else
		doctor_say(f, n < WATCHES_LOW ? DOCTOR_WARN : DOCTOR_FINE,
			   n < WATCHES_LOW ? "sysctl fs.inotify.max_user_watches=65536" : NULL,
			   "%lu folders can be watched for changes", n);
}

/* The commands that settings or environment keep out of it, as "get, share". */
static void list_unconfined(char *out, size_t size)
{
	size_t n, len = 0;
	const struct command *c = commands_all(&n);
	const struct option *option = opts_find("no-sandbox", strlen("no-sandbox"));
	struct err_info why;
	struct opts o;

	out[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		if (!opts_accepts(&c[i], option))
			continue;
		if (opts_defaults(&o, &c[i], &why) == OK && o.no_sandbox && len < size)
			len += (size_t)snprintf(out + len, size - len, "%s%s", len == 0 ? "" : ", ",
						c[i].name);
		opts_fini(&o);
	}
}

void doctor_sandbox(const struct opts *o, struct doctor_finding *f)
{
	unsigned parts = sandbox_try();
	bool all = parts == SANDBOX_ALL;
	char unconfined[128];

	(void)o;
	list_unconfined(unconfined, sizeof(unconfined));
	if (unconfined[0] != '\0')
		doctor_say(f, DOCTOR_WARN,
			   getenv("SHOAL_NO_SANDBOX") != NULL
			       ? "unset SHOAL_NO_SANDBOX, if that was not meant"
			       : "take no-sandbox out of the settings, if that was not meant",
			   "none for %s: all rights of who runs it are kept", unconfined);
	else if (parts == 0)
		doctor_say(f, DOCTOR_WARN, NULL,
			   "neither this kernel nor this build has what commands are confined by");
	else
		doctor_say(f, all ? DOCTOR_FINE : DOCTOR_WARN,
			   all ? NULL
			       : "Linux 5.19 or newer with Landlock and seccomp has all, unless "
				 "a container's profile forbids it",
			   "confined are: files (Landlock): %s; calls (seccomp): %s; rights: %s",
			   (parts & SANDBOX_FILES) != 0 ? "yes" : "no",
			   (parts & SANDBOX_CALLS) != 0 ? "yes" : "no",
			   (parts & SANDBOX_RIGHTS) != 0 ? "yes" : "no");
}

void doctor_versions(const struct opts *o, struct doctor_finding *f)
{
	const char *smartcols = "";

	(void)o;
	(void)scols_get_library_version(&smartcols);
	doctor_say(f, DOCTOR_FINE, NULL,
		   "shoal " SHOAL_VERSION "; %s, libcurl %s, libevent %s, SQLite %s, Jansson %s, "
		   "libsmartcols %s",
		   OpenSSL_version(OPENSSL_VERSION), curl_version_info(CURLVERSION_NOW)->version,
		   event_get_version(), sqlite3_libversion(), jansson_version_str(), smartcols);
}
