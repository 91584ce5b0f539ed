#include "sys/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/sandbox_parts.h"

#define BIT(capability) (UINT64_C(1) << (capability))

#ifdef SANDBOX_LEFT_OUT

void sandbox_init(struct sandbox *s)
{
	*s = (struct sandbox){.ruleset = -1};
}

void sandbox_allow(struct sandbox *s, const char *path, enum sandbox_access access)
{
	(void)s;
	(void)path;
	(void)access;
}

void sandbox_keep(struct sandbox *s, unsigned capability)
{
	s->keep |= BIT(capability);
}

unsigned sandbox_enter(struct sandbox *s)
{
	(void)s;
	return 0;
}

unsigned sandbox_try(void)
{
	return 0;
}

#else

/* ---- capabilities --------------------------------------------------------------- */

/* Of this thread: what it may do now, and what it may take back. */
struct rights {
	uint64_t effective, permitted;
};

static bool rights_get(struct rights *r)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (syscall(SYS_capget, &head, data) != 0)
		return false;
	r->effective = (uint64_t)data[1].effective << 32 | data[0].effective;
	r->permitted = (uint64_t)data[1].permitted << 32 | data[0].permitted;
	return true;
}

static bool rights_set(const struct rights *r)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
	    {.effective = (uint32_t)r->effective, .permitted = (uint32_t)r->permitted},
	    {.effective = (uint32_t)(r->effective >> 32),
	     .permitted = (uint32_t)(r->permitted >> 32)}};

	return syscall(SYS_capset, &head, data) == 0;
}

/* Would it be refused to who has no capabilities? */
static bool needs_rights(const char *path, int mode)
{
	struct rights now, none;
	bool refused;

	if (!rights_get(&now) || now.effective == 0)
		return false;
	none = (struct rights){.permitted = now.permitted};
	if (!rights_set(&none))
		return false;
	refused = faccessat(AT_FDCWD, path, mode, AT_EACCESS) != 0 && errno == EACCES;
	(void)rights_set(&now);
	return refused;
}

/* The bounding set, too: it is what a program would get that root starts. */
static bool rights_drop(uint64_t keep)
{
	struct rights now, kept;

	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (unsigned c = 0; prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
		if ((keep & BIT(c)) == 0)
			(void)prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
	if (!rights_get(&now))
		return false;
	/* Who has none may not even be allowed to ask. */
	if ((now.permitted & ~keep) == 0)
		return true;
	kept =
	    (struct rights){.effective = now.effective & keep, .permitted = now.permitted & keep};
	return rights_set(&kept);
}

/* ---- all of it ------------------------------------------------------------------- */

void sandbox_init(struct sandbox *s)
{
	*s = (struct sandbox){.ruleset = -1};
	s->ruleset = sandbox_files_new(&s->handled);
	sandbox_files_allow_system(s);
}

/* Cuts the last name off; false: nothing is left of it. */
static bool cut(char *path)
{
	char *slash;

	while ((slash = strrchr(path, '/')) != NULL && slash != path && slash[1] == '\0')
		*slash = '\0';
	if (slash == NULL) {
		if (strcmp(path, ".") == 0)
			return false;
		path[0] = '.';
		path[1] = '\0';
		return true;
	}
	if (slash[1] == '\0')
		return false;
	slash[slash == path] = '\0';
	return true;
}

void sandbox_allow(struct sandbox *s, const char *path, enum sandbox_access access)
{
	char *there = strdup(path[0] == '\0' ? "." : path);
	bool writes = access == SANDBOX_WRITE;

	while (writes && there != NULL && faccessat(AT_FDCWD, there, F_OK, AT_EACCESS) != 0 &&
	       errno == ENOENT && cut(there))
		;
	if (there != NULL && sandbox_files_allow(s, there, access) && access != SANDBOX_TIDY &&
	    needs_rights(there, writes ? R_OK | W_OK : R_OK))
		s->keep |= BIT(writes ? CAP_DAC_OVERRIDE : CAP_DAC_READ_SEARCH);
	free(there);
}

void sandbox_keep(struct sandbox *s, unsigned capability)
{
	s->keep |= BIT(capability);
}

unsigned sandbox_enter(struct sandbox *s)
{
	unsigned parts = 0;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && rights_drop(s->keep))
		parts |= SANDBOX_RIGHTS;
	if (sandbox_files_enter(s))
		parts |= SANDBOX_FILES;
	if (s->ruleset >= 0)
		close(s->ruleset);
	s->ruleset = -1;
	if (sandbox_calls_enter())
		parts |= SANDBOX_CALLS;
	return parts;
}

unsigned sandbox_try(void)
{
	struct sandbox s;
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		sandbox_init(&s);
		_exit((int)sandbox_enter(&s));
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && WIFEXITED(status) ? (unsigned)WEXITSTATUS(status) : 0;
}

#endif
