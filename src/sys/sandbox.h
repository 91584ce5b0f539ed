/* sys/sandbox.h - what a process gives up for good before it reads a stranger's first byte.
 *
 * It is for the day when such bytes take the process over. From then on it is no longer able to
 *
 *   calls   become another program or start one, look into other processes or signal them, load
 *           code or write any, change the system, reach what most holes of kernels are in (seccomp)
 *   files   read or write any but those that were allowed before (Landlock)
 *   rights  use capabilities of root, or gain what it has not (no_new_privs)
 *
 * Each part stands for itself: what a kernel lacks is left out, and the others hold. What was open
 * before stays open. A call that libseccomp knows nothing of fails as one that the kernel has not,
 * so that newer C libraries fall back to older calls.
 *
 * Order: sandbox_init(), any number of sandbox_allow(), sandbox_enter(); once, while there is one
 * thread, as Landlock and capabilities are those of a thread and of those it starts.
 *
 * With SANDBOX_LEFT_OUT, which the build sets for sanitizers and coverage, all of this does
 * nothing: these trace the process, start programs and write reports wherever they like. */
#ifndef SHOAL_SYS_SANDBOX_H
#define SHOAL_SYS_SANDBOX_H

#include <stdint.h>

enum sandbox_part {
	SANDBOX_RIGHTS = 1,
	SANDBOX_FILES = 2,
	SANDBOX_CALLS = 4,
	SANDBOX_ALL = SANDBOX_RIGHTS | SANDBOX_FILES | SANDBOX_CALLS,
};

enum sandbox_access {
	SANDBOX_READ,
	SANDBOX_WRITE, /* and read, make, rename, remove; never devices */
	SANDBOX_TIDY,  /* remove folders that are empty, and nothing else */
};

struct sandbox {
	int ruleset;	  /* of Landlock; -1: the kernel has none that is of use */
	uint64_t handled; /* rights it knows of */
	uint64_t keep;	  /* capabilities, one a bit */
};

/* Allows what every process of ours needs: the C library's files, names of hosts, certificates of
 * authorities, what it may know of itself and the machine.
 * Of /etc a process of root's may read these files alone, others all of it: there are no secrets
 * there for them, and a resolv.conf that takes an older one's place is read, too. */
void sandbox_init(struct sandbox *s);
/* This file, or all beneath this folder, through links. One that is not there is allowed nothing;
 * to be written, the nearest folder above it is allowed that is there. Where root can do this only
 * by a capability, as the folder is somebody else's, it keeps that one, but not to tidy. */
void sandbox_allow(struct sandbox *s, const char *path, enum sandbox_access access);
/* Ports below 1024 (CAP_NET_BIND_SERVICE), files of others to be read (CAP_DAC_READ_SEARCH): kept
 * if it was there. */
void sandbox_keep(struct sandbox *s, unsigned capability);
/* Returns the parts that hold from now on, as bits. */
unsigned sandbox_enter(struct sandbox *s);

/* The parts that a process of ours would have here, found out by one that ends at once. */
unsigned sandbox_try(void);

#endif
