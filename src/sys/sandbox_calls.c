#include "sys/sandbox_parts.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <seccomp.h>

/* Two filters, of which the kernel asks both, and takes the sterner answer:
 *
 *   denied  a list of what no part of ours does, and who has taken us over would like to. An allow
 *           list instead would break with the next C library, which a program that is to run for
 *           years on kernels of all ages cannot have.
 *   known   what is younger than all that libseccomp has a name for fails as if the kernel did not
 *           have it. Numbers are given in the order of time.
 *
 * Calls whose answer depends on their number alone, which are nearly all, cost no run of either:
 * the kernel (5.11 and newer) works out beforehand that they pass. */

/* Where CLONE_THREAD is to be looked for. */
#if defined(__s390__)
#define CLONE_FLAGS_ARG 1
#else
#define CLONE_FLAGS_ARG 0
#endif
/* mmap(2), and socket(2) by way of socketcall(2), where no filter sees what they are asked for. */
#if defined(__i386__)
#define ARGUMENTS_IN_MEMORY true
#else
#define ARGUMENTS_IN_MEMORY false
#endif
#define LOW_HALF UINT64_C(0xffffffff)
/* Families have small numbers; the kernel knows fewer. */
#define FAMILIES 64u
/* Call numbers of every architecture are below it. */
#define CALLS_MAX 1024

static const char *const denied[] = {
    /* Other programs. */
    "execve",
    "execveat",
    "fork",
    "vfork",
    "uselib",
    /* Other processes. */
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "process_mrelease",
    "pidfd_getfd",
    "pidfd_send_signal",
    "kcmp",
    "tkill",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "migrate_pages",
    "move_pages",
    /* What holes of kernels were found in, and we have no use for. */
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "add_key",
    "keyctl",
    "request_key",
    "personality",
    "modify_ldt",
    "vm86",
    "vm86old",
    "lookup_dcookie",
    "remap_file_pages",
    "vmsplice",
    /* Another view of the files. */
    "mount",
    "umount",
    "umount2",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
    "pivot_root",
    "chroot",
    "unshare",
    "setns",
    "open_by_handle_at",
    "name_to_handle_at",
    "fanotify_init",
    "mknod",
    "mknodat",
    "quotactl",
    "quotactl_fd",
    /* The system. */
    "init_module",
    "finit_module",
    "delete_module",
    "create_module",
    "kexec_load",
    "kexec_file_load",
    "reboot",
    "swapon",
    "swapoff",
    "acct",
    "syslog",
    "sethostname",
    "setdomainname",
    "settimeofday",
    "stime",
    "clock_settime",
    "clock_settime64",
    "adjtimex",
    "clock_adjtime",
    "clock_adjtime64",
    "iopl",
    "ioperm",
    "vhangup",
    "nfsservctl",
    "_sysctl",
    /* Other users. */
    "setuid",
    "setuid32",
    "setgid",
    "setgid32",
    "setreuid",
    "setreuid32",
    "setregid",
    "setregid32",
    "setresuid",
    "setresuid32",
    "setresgid",
    "setresgid32",
    "setgroups",
    "setgroups32",
    "setfsuid",
    "setfsuid32",
    "setfsgid",
    "setfsgid32",
};

#define N_DENIED (sizeof(denied) / sizeof(denied[0]))

static scmp_filter_ctx filter_new(uint32_t otherwise)
{
	scmp_filter_ctx f = seccomp_init(otherwise);

	if (f == NULL)
		return NULL;
	/* A search tree instead of a list. */
	(void)seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	(void)seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
	/* We run no code of strangers that could spy on us by speculation, so nothing is to be paid
	 * for against that. */
	(void)seccomp_attr_set(f, SCMP_FLTATR_CTL_SSB, 1);
	/* Calls as those of another processor's programs, which would pass the list by. */
	(void)seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	return f;
}

static bool filter_load(scmp_filter_ctx f)
{
	bool loaded = seccomp_load(f) == 0;

	seccomp_release(f);
	return loaded;
}

/* What the kernel or this architecture does not have needs no rule. */
static int call_number(const char *name)
{
	return seccomp_syscall_resolve_name(name);
}

static void deny(scmp_filter_ctx f, const char *name, int error, unsigned n,
		 const struct scmp_arg_cmp *when)
{
	int call = call_number(name);

	if (call >= 0)
		(void)seccomp_rule_add_array(f, SCMP_ACT_ERRNO((uint32_t)error), call, n, when);
}

static bool is_our_family(unsigned family)
{
	return family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK;
}

/* IP, programs of this machine, and which addresses it has. */
static void deny_sockets(scmp_filter_ctx f)
{
	const struct scmp_arg_cmp other_netlink[] = {
	    SCMP_A0(SCMP_CMP_MASKED_EQ, LOW_HALF, AF_NETLINK),
	    SCMP_A2(SCMP_CMP_NE, NETLINK_ROUTE, 0)};

	for (unsigned family = 0; family < FAMILIES; family++) {
		const struct scmp_arg_cmp is[] = {SCMP_A0(SCMP_CMP_MASKED_EQ, LOW_HALF, family)};

		if (!is_our_family(family))
			deny(f, "socket", EAFNOSUPPORT, 1, is);
	}
	deny(f, "socket", EAFNOSUPPORT, 2, other_netlink);
}

/* Memory that can be run must not be written, and what was written not be run. */
static void deny_code(scmp_filter_ctx f)
{
	const uint64_t both = PROT_WRITE | PROT_EXEC;
	const struct scmp_arg_cmp is_both[] = {SCMP_A2(SCMP_CMP_MASKED_EQ, both, both)};
	const struct scmp_arg_cmp is_code[] = {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC)};

	if (!ARGUMENTS_IN_MEMORY)
		deny(f, "mmap", EPERM, 1, is_both);
	deny(f, "mmap2", EPERM, 1, is_both);
	deny(f, "mprotect", EPERM, 1, is_code);
	deny(f, "pkey_mprotect", EPERM, 1, is_code);
}

static void deny_by_arguments(scmp_filter_ctx f)
{
	const uint64_t self = (uint64_t)getpid();
	const struct scmp_arg_cmp no_thread[] = {
	    SCMP_CMP(CLONE_FLAGS_ARG, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0)};
	const struct scmp_arg_cmp others[] = {SCMP_A0(SCMP_CMP_NE, self, 0)};
	const struct scmp_arg_cmp others_limits[] = {SCMP_A0(SCMP_CMP_NE, 0, 0)};
	/* Typing on the user's terminal. */
	const struct scmp_arg_cmp types[] = {SCMP_A1(SCMP_CMP_MASKED_EQ, LOW_HALF, TIOCSTI)};
	const struct scmp_arg_cmp pastes[] = {SCMP_A1(SCMP_CMP_MASKED_EQ, LOW_HALF, TIOCLINUX)};

	deny(f, "clone", EPERM, 1, no_thread);
	deny(f, "clone3", ENOSYS, 0, NULL); /* cannot be looked into; all fall back to clone */
	deny(f, "kill", EPERM, 1, others);
	deny(f, "tgkill", EPERM, 1, others);
	deny(f, "prlimit64", EPERM, 1, others_limits);
	deny(f, "ioctl", EPERM, 1, types);
	deny(f, "ioctl", EPERM, 1, pastes);
	if (!ARGUMENTS_IN_MEMORY)
		deny_sockets(f);
	deny_code(f);
}

static bool enter_denied(void)
{
	scmp_filter_ctx f = filter_new(SCMP_ACT_ALLOW);

	if (f == NULL)
		return false;
	for (size_t i = 0; i < N_DENIED; i++)
		deny(f, denied[i], EPERM, 0, NULL);
	deny_by_arguments(f);
	return filter_load(f);
}

/* The youngest call that libseccomp has a name for; 0: it has none for this architecture's. */
static unsigned youngest(void)
{
	unsigned last = 0;

	for (unsigned call = 0; call < CALLS_MAX; call++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)call);

		if (name != NULL)
			last = call;
		free(name);
	}
	return last;
}

/* By hand: as a list of all that is allowed, libseccomp would take milliseconds for it. */
static bool enter_known(void)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, youngest(), 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	return code[1].k == 0 ||
	       syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		       SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) == 0;
}

bool sandbox_calls_enter(void)
{
	return enter_denied() && enter_known();
}
