#include "cli/confine.h"

#include <dirent.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/config.h"
#include "cli/home.h"
#include "cli/placed.h"
#include "cli/wanted.h"
#include "sys/sandbox.h"

/* To listen on one below it takes a right. */
#define LOW_PORTS_END 1024u

/* ---- folders ----------------------------------------------------------------------- */

/* The folder that `path` is in, as it is written. Owns: the caller's; NULL without memory. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

static void allow_folder_of(struct sandbox *s, const char *path, enum sandbox_access access)
{
	char *folder = folder_of(path);

	if (folder != NULL)
		sandbox_allow(s, folder, access);
	free(folder);
}

/* One that may be replaced by another of its name, or be a link to such: the folder is what
 * stays. */
static void allow_replaced(struct sandbox *s, const char *path)
{
	char *real;

	if (path == NULL)
		return;
	real = realpath(path, NULL);
	allow_folder_of(s, path, SANDBOX_READ);
	if (real != NULL)
		allow_folder_of(s, real, SANDBOX_READ);
	free(real);
}

/* Who rotates logs renames the file, and the next one is made. */
static void allow_log(struct sandbox *s, const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		sandbox_allow(s, path, SANDBOX_WRITE);
	else
		allow_folder_of(s, path, SANDBOX_WRITE);
}

/* What every peer has: its home, its settings, and whom it trusts. */
static void allow_peer(struct sandbox *s, const struct opts *o)
{
	const char *authorities = getenv("SSL_CERT_FILE"), *more = getenv("SSL_CERT_DIR");
	char *home = NULL, *settings = config_path();

	if (home_make_dir(&home, NULL) == OK)
		sandbox_allow(s, home, SANDBOX_WRITE);
	if (settings != NULL)
		allow_folder_of(s, settings, SANDBOX_READ);
	if (authorities != NULL && authorities[0] != '\0')
		allow_replaced(s, authorities);
	if (more != NULL && more[0] != '\0')
		sandbox_allow(s, more, SANDBOX_READ);
	if (o->port > 0 && (unsigned)o->port < LOW_PORTS_END)
		sandbox_keep(s, CAP_NET_BIND_SERVICE);
	free(home);
	free(settings);
}

/* ---- the sandbox ---------------------------------------------------------------------- */

/* False: the user wants none. */
static bool begin(struct sandbox *s, const struct opts *o)
{
	if (!o->no_sandbox)
		sandbox_init(s);
	return !o->no_sandbox;
}

static bool begin_peer(struct sandbox *s, const struct opts *o)
{
	if (!begin(s, o))
		return false;
	allow_peer(s, o);
	return true;
}

static void enter(struct sandbox *s, const struct opts *o)
{
	static const char *const lacks[] = {"rights could not be given up",
					    "files are not confined: the kernel has no Landlock",
					    "calls are not filtered: the kernel has no seccomp"};
	unsigned parts = sandbox_enter(s);

	for (unsigned i = 0; i < sizeof(lacks) / sizeof(lacks[0]); i++)
		if ((parts & 1u << i) == 0 && o->verbose > 0 && !o->quiet)
			fprintf(stderr, "sandbox: %s\n", lacks[i]);
}

void confine_index(const struct opts *o, const char *data, unsigned port)
{
	struct sandbox s;

	if (!begin(&s, o))
		return;
	sandbox_allow(&s, data, SANDBOX_WRITE);
	if (o->log != NULL)
		allow_log(&s, o->log);
	allow_replaced(&s, o->tls_cert);
	allow_replaced(&s, o->tls_key);
	allow_replaced(&s, o->sites_file);
	if (port > 0 && port < LOW_PORTS_END)
		sandbox_keep(&s, CAP_NET_BIND_SERVICE);
	enter(&s, o);
}

/* ---- get ------------------------------------------------------------------------------- */

/* As wanted.c chooses the path: in the folder -o names; or beside what it names, which is built
 * there and then takes its place. */
static void allow_destination(struct sandbox *s, const char *out)
{
	struct placed p;
	struct stat st;
	bool folder = out[0] == '\0' || out[strlen(out) - 1] == '/' ||
		      (stat(out, &st) == 0 && S_ISDIR(st.st_mode));

	if (folder)
		sandbox_allow(s, out, SANDBOX_WRITE);
	if (!folder || placed_find(out, &p) == OK)
		allow_folder_of(s, out, SANDBOX_WRITE);
}

static void allow_tidying(struct sandbox *s, const struct wanted_folder *made)
{
	char *above = made->path == NULL ? NULL : strndup(made->path, made->before);

	if (above != NULL)
		sandbox_allow(s, above, SANDBOX_TIDY);
	free(above);
}

void confine_get(const struct opts *o, const char *const *refs, size_t n,
		 const struct wanted_folder *made)
{
	const char *tmp = getenv("TMPDIR");
	struct sandbox s;

	if (!begin_peer(&s, o))
		return;
	allow_tidying(&s, made);
	if (!wanted_flows(o))
		allow_destination(&s, o->out == NULL ? "." : o->out);
	else if (tmp != NULL && tmp[0] != '\0')
		sandbox_allow(&s, tmp, SANDBOX_WRITE);
	if (o->reuse != NULL)
		sandbox_allow(&s, o->reuse, SANDBOX_READ);
	for (size_t i = 0; i < n; i++)
		if (access(refs[i], F_OK) == 0)
			sandbox_allow(&s, refs[i], SANDBOX_READ);
	enter(&s, o);
}

/* ---- share ----------------------------------------------------------------------------- */

void confine_share(const struct opts *o)
{
	struct sandbox s;

	if (!begin_peer(&s, o))
		return;
	for (int i = 0; i < o->n_args; i++) {
		char *real = strcmp(o->args[i], "-") == 0 ? NULL : realpath(o->args[i], NULL);

		if (real != NULL)
			sandbox_allow(&s, real, SANDBOX_READ);
		/* The next version may be another file of its name. */
		if (real != NULL && o->watch)
			allow_folder_of(&s, real, SANDBOX_READ);
		free(real);
	}
	if (o->spool != NULL)
		sandbox_allow(&s, o->spool, SANDBOX_WRITE);
	/* Beneath what root shares lie files of others, too. */
	sandbox_keep(&s, CAP_DAC_READ_SEARCH);
	enter(&s, o);
}

/* ---- daemon ----------------------------------------------------------------------------- */

/* Folders at the top that are the system's. What is to be read there, sandbox_init() allows. */
static bool is_systems(const char *name)
{
	static const char *const list[] = {".",	   "..",   "bin",   "boot",  "dev",
					   "etc",  "lib",  "lib32", "lib64", "libx32",
					   "proc", "sbin", "sys",   "usr"};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (strcmp(name, list[i]) == 0)
			return true;
	return false;
}

static void allow_all_but_systems(struct sandbox *s)
{
	DIR *top = opendir("/");
	const struct dirent *e;
	char path[sizeof(e->d_name) + 1];

	while (top != NULL && (e = readdir(top)) != NULL) {
		if (is_systems(e->d_name))
			continue;
		snprintf(path, sizeof(path), "/%s", e->d_name);
		sandbox_allow(s, path, SANDBOX_WRITE);
	}
	if (top != NULL)
		closedir(top);
	/* Memory that is used as a disk. */
	sandbox_allow(s, "/dev/shm", SANDBOX_WRITE);
}

void confine_daemon(const struct opts *o)
{
	struct sandbox s;

	if (!begin_peer(&s, o))
		return;
	if (o->beneath == NULL)
		allow_all_but_systems(&s);
	for (const char *const *folder = o->beneath; folder != NULL && *folder != NULL; folder++)
		sandbox_allow(&s, *folder, SANDBOX_WRITE);
	enter(&s, o);
}
