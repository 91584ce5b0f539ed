#include "sys/sandbox_parts.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What newer kernels have than the headers this is built with may know of. */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (UINT64_C(1) << 14)
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (UINT64_C(1) << 15)
#endif

/* The second version brought renames from folder to folder, which files are moved to their final
 * names by; the first one denies them whatever is allowed. */
#define ABI_MIN 2
#define ABI_TRUNCATE 3
#define ABI_DEVICES 5

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE                                                                                      \
	(READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE |                      \
	 LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                          \
	 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |                               \
	 LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REFER)
#define TIDY LANDLOCK_ACCESS_FS_REMOVE_DIR
/* Allowed to nobody. */
#define NEVER                                                                                      \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |                               \
	 LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |                            \
	 LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_IOCTL_DEV)
/* What can be done to what is no folder. */
#define OF_FILES                                                                                   \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE)

/* Libraries are loaded late, too: those that look up names, and OpenSSL's. */
static const char *const system_files[] = {
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/gnu/store",
    "/run/systemd/resolve",
    "/run/NetworkManager",
    "/run/resolvconf",
    "/proc/self",
    "/proc/sys",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/sys/devices/system/cpu",
    "/dev/random",
    "/dev/urandom",
    "/dev/zero",
};

static const char *const etc_files[] = {
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/passwd",
    "/etc/group",
    "/etc/localtime",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ld.so.cache",
    "/etc/ca-certificates",
    "/etc/crypto-policies",
};

#define N_OF(list) (sizeof(list) / sizeof((list)[0]))

int sandbox_files_new(uint64_t *handled)
{
	struct landlock_ruleset_attr attr;
	long abi =
	    syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);

	*handled = 0;
	if (abi < ABI_MIN)
		return -1;
	*handled = WRITE | NEVER;
	if (abi < ABI_TRUNCATE)
		*handled &= ~LANDLOCK_ACCESS_FS_TRUNCATE;
	if (abi < ABI_DEVICES)
		*handled &= ~LANDLOCK_ACCESS_FS_IOCTL_DEV;
	memset(&attr, 0, sizeof(attr));
	attr.handled_access_fs = *handled;
	return (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
}

bool sandbox_files_allow(const struct sandbox *s, const char *path, enum sandbox_access access)
{
	static const uint64_t rights[] = {
	    [SANDBOX_READ] = READ, [SANDBOX_WRITE] = WRITE, [SANDBOX_TIDY] = TIDY};
	struct landlock_path_beneath_attr attr = {.allowed_access = rights[access] & s->handled};
	struct stat st;
	bool there;

	attr.parent_fd = open(path, O_PATH | O_CLOEXEC);
	there = attr.parent_fd >= 0 && fstat(attr.parent_fd, &st) == 0;
	if (there && !S_ISDIR(st.st_mode))
		attr.allowed_access &= OF_FILES;
	if (there && s->ruleset >= 0)
		(void)syscall(SYS_landlock_add_rule, s->ruleset, LANDLOCK_RULE_PATH_BENEATH, &attr,
			      0);
	if (attr.parent_fd >= 0)
		close(attr.parent_fd);
	return there;
}

/* It may be a link to what some service keeps somewhere, which will be replaced. */
static void allow_resolver(const struct sandbox *s)
{
	char *real = realpath("/etc/resolv.conf", NULL);
	char *slash = real == NULL ? NULL : strrchr(real, '/');

	if (slash != NULL && slash != real) {
		*slash = '\0';
		if (strcmp(real, "/etc") != 0)
			(void)sandbox_files_allow(s, real, SANDBOX_READ);
	}
	free(real);
}

void sandbox_files_allow_system(const struct sandbox *s)
{
	for (size_t i = 0; i < N_OF(system_files); i++)
		(void)sandbox_files_allow(s, system_files[i], SANDBOX_READ);
	for (size_t i = 0; i < N_OF(etc_files); i++)
		(void)sandbox_files_allow(s, etc_files[i], SANDBOX_READ);
	if (geteuid() != 0)
		(void)sandbox_files_allow(s, "/etc", SANDBOX_READ);
	allow_resolver(s);
	(void)sandbox_files_allow(s, "/dev/null", SANDBOX_WRITE);
	(void)sandbox_files_allow(s, "/dev/tty", SANDBOX_WRITE);
}

bool sandbox_files_enter(const struct sandbox *s)
{
	return s->ruleset >= 0 && syscall(SYS_landlock_restrict_self, s->ruleset, 0) == 0;
}
