/* Each test is a process of its own: what a sandbox takes away does not come back. */
#include "sys/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

/* In the child, which tells by its exit which line did not hold. */
#define HOLDS(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #cond, errno);       \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)
#define FAILS(call, error) HOLDS((errno = 0, (long)(call) == -1) && errno == (error))

/* A folder with what is allowed and what is not. */
struct den {
	char path[64];
	char in[96], out[96], secret[96], file[96];
};

static void write_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0 && write(fd, "text", 4) == 4);
	close(fd);
}

static void den_make(struct den *d)
{
	snprintf(d->path, sizeof(d->path), "/tmp/shoal-sandbox-XXXXXX");
	CHECK(mkdtemp(d->path) != NULL);
	snprintf(d->in, sizeof(d->in), "%s/in", d->path);
	snprintf(d->out, sizeof(d->out), "%s/out", d->path);
	snprintf(d->file, sizeof(d->file), "%s/in/file", d->path);
	snprintf(d->secret, sizeof(d->secret), "%s/out/secret", d->path);
	CHECK(mkdir(d->in, 0700) == 0 && mkdir(d->out, 0700) == 0);
	write_file(d->file);
	write_file(d->secret);
}

static void den_remove(const struct den *d)
{
	char more[160];

	for (int i = 0; i < 4; i++) {
		const char *const names[] = {"a", "b", "f/c", "f"};

		snprintf(more, sizeof(more), "%s/%s", d->in, names[i]);
		(void)remove(more);
	}
	(void)remove(d->file);
	(void)remove(d->secret);
	(void)remove(d->in);
	(void)remove(d->out);
	(void)remove(d->path);
}

/* Else there is nothing to be looked at: a kernel without, or a build with sanitizers. */
static bool is_here(unsigned wants)
{
	if ((sandbox_try() & wants) == wants)
		return true;
	print_message("# not looked at: there is no such sandbox here\n");
	return false;
}

/* Runs `fn` in a child that is within a sandbox where `in` of the den may be accessed so. */
static void within(void (*fn)(const struct den *d), enum sandbox_access access, unsigned wants)
{
	struct den d;
	int status;
	pid_t pid;

	if (!is_here(wants))
		return;
	den_make(&d);
	pid = fork();
	if (pid == 0) {
		struct sandbox s;

		sandbox_init(&s);
		sandbox_allow(&s, d.in, access);
		HOLDS((sandbox_enter(&s) & wants) == wants);
		fn(&d);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	den_remove(&d);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- calls -------------------------------------------------------------------------- */

static void other_programs(const struct den *d)
{
	char *argv[] = {(char[]){"true"}, NULL}, *none[] = {NULL};

	(void)d;
	FAILS(execve("/bin/true", argv, none), EPERM);
	FAILS(syscall(SYS_execveat, AT_FDCWD, "/bin/true", argv, none, 0), EPERM);
	FAILS(fork(), EPERM);
	FAILS(syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL), EPERM);
	FAILS(syscall(SYS_clone3, NULL, 0), ENOSYS);
}

TEST(no_program_can_be_started)
{
	within(other_programs, SANDBOX_READ, SANDBOX_CALLS);
}

static void other_processes(const struct den *d)
{
	struct iovec v = {.iov_base = &v, .iov_len = 1};
	struct rlimit lim;

	(void)d;
	FAILS(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL), EPERM);
	FAILS(process_vm_readv(getppid(), &v, 1, &v, 1, 0), EPERM);
	FAILS(kill(getppid(), 0), EPERM);
	FAILS(kill(-1, 0), EPERM);
	FAILS(syscall(SYS_tgkill, getppid(), getppid(), 0), EPERM);
	FAILS(prlimit(getppid(), RLIMIT_NOFILE, NULL, &lim), EPERM);
	FAILS(syscall(SYS_pidfd_send_signal, 0, 0, NULL, 0), EPERM);
	HOLDS(kill(getpid(), 0) == 0 && raise(0) == 0);
	HOLDS(getrlimit(RLIMIT_NOFILE, &lim) == 0);
}

TEST(other_processes_can_be_neither_read_nor_signalled)
{
	within(other_processes, SANDBOX_READ, SANDBOX_CALLS);
}

static void rare_calls(const struct den *d)
{
	(void)d;
	FAILS(syscall(SYS_bpf, 0, NULL, 0), EPERM);
	FAILS(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0), EPERM);
	FAILS(syscall(SYS_userfaultfd, 0), EPERM);
	FAILS(syscall(SYS_io_uring_setup, 1, NULL), EPERM);
	FAILS(syscall(SYS_keyctl, 0, 0, 0, 0, 0), EPERM);
	FAILS(syscall(SYS_mount, "none", "/", "tmpfs", 0, NULL), EPERM);
	FAILS(unshare(CLONE_NEWUSER), EPERM);
	FAILS(setuid(1), EPERM);
	FAILS(ioctl(0, TIOCSTI, ""), EPERM);
#if __SIZEOF_LONG__ == 8 /* the kernel looks at half of it */
	FAILS(ioctl(0, TIOCSTI | 0xffffffff00000000ul, ""), EPERM);
#endif
	/* A call that no kernel has yet. */
	FAILS(syscall(1000), ENOSYS);
}

TEST(calls_that_we_have_no_use_for_are_refused)
{
	within(rare_calls, SANDBOX_READ, SANDBOX_CALLS);
}

#if !defined(__i386__)
static void sockets(const struct den *d)
{
	static const int ours[] = {AF_UNIX, AF_INET, AF_INET6};

	(void)d;
	for (int family = 0; family < 64; family++) {
		bool our = family == AF_NETLINK;

		for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
			our = our || family == ours[i];
		if (!our)
			FAILS(socket(family, SOCK_DGRAM, 0), EAFNOSUPPORT);
	}
#if __SIZEOF_LONG__ == 8
	FAILS(syscall(SYS_socket, AF_PACKET | 0x100000000l, SOCK_RAW, 0), EAFNOSUPPORT);
#endif
	FAILS(socket(AF_NETLINK, SOCK_RAW, 12), EAFNOSUPPORT); /* netfilter */
	HOLDS(socket(AF_NETLINK, SOCK_RAW, 0) >= 0);
	HOLDS(socket(AF_UNIX, SOCK_STREAM, 0) >= 0 && socket(AF_INET, SOCK_STREAM, 0) >= 0);
}

TEST(sockets_are_of_ip_or_local)
{
	within(sockets, SANDBOX_READ, SANDBOX_CALLS);
}
#endif

static void code(const struct den *d)
{
	const int how = MAP_PRIVATE | MAP_ANONYMOUS;
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, how, -1, 0);

	(void)d;
	HOLDS(page != MAP_FAILED);
	FAILS(mprotect(page, 4096, PROT_READ | PROT_EXEC), EPERM);
	FAILS(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, how, -1, 0), EPERM);
	HOLDS(mprotect(page, 4096, PROT_READ) == 0);
}

TEST(memory_is_written_or_run_and_never_both)
{
	within(code, SANDBOX_READ, SANDBOX_CALLS);
}

static void *thread_main(void *arg)
{
	bool *ran = arg;

	FAILS(fork(), EPERM);
	*ran = true;
	return NULL;
}

static void threads(const struct den *d)
{
	struct addrinfo *list = NULL;
	pthread_t thread;
	bool ran = false;

	HOLDS(pthread_create(&thread, NULL, thread_main, &ran) == 0);
	HOLDS(pthread_join(thread, NULL) == 0 && ran);
	FAILS(open(d->secret, O_RDONLY), EACCES);
	HOLDS(getaddrinfo("localhost", "80", NULL, &list) == 0);
	freeaddrinfo(list);
}

TEST(threads_can_be_started_and_hosts_be_looked_up)
{
	within(threads, SANDBOX_READ, SANDBOX_FILES | SANDBOX_CALLS);
}

/* ---- files -------------------------------------------------------------------------- */

static void read_only(const struct den *d)
{
	char more[160];

	HOLDS(open(d->file, O_RDONLY) >= 0);
	FAILS(open(d->file, O_RDWR), EACCES);
	snprintf(more, sizeof(more), "%s/a", d->in);
	FAILS(open(more, O_WRONLY | O_CREAT, 0600), EACCES);
	FAILS(unlink(d->file), EACCES);
	FAILS(open(d->secret, O_RDONLY), EACCES);
	FAILS(open(d->out, O_RDONLY | O_DIRECTORY), EACCES);
	FAILS(open("/proc/1/status", O_RDONLY), EACCES);
	FAILS(open("/sys/kernel", O_RDONLY | O_DIRECTORY), EACCES);
	HOLDS(open("/proc/self/status", O_RDONLY) >= 0);
	HOLDS(open("/etc/hosts", O_RDONLY) >= 0);
	HOLDS(open("/dev/null", O_RDWR) >= 0);
	HOLDS(open("/dev/urandom", O_RDONLY) >= 0);
	if (geteuid() == 0)
		FAILS(open("/etc/shadow", O_RDONLY), EACCES);
}

TEST(what_may_be_read_may_not_be_written_and_the_rest_not_be_read)
{
	within(read_only, SANDBOX_READ, SANDBOX_FILES);
}

static void writable(const struct den *d)
{
	char a[160], b[160], f[160], c[160];

	snprintf(a, sizeof(a), "%s/a", d->in);
	snprintf(b, sizeof(b), "%s/b", d->in);
	snprintf(f, sizeof(f), "%s/f", d->in);
	snprintf(c, sizeof(c), "%s/f/c", d->in);
	HOLDS(open(a, O_RDWR | O_CREAT, 0600) >= 0 && truncate(a, 3) == 0);
	HOLDS(mkdir(f, 0700) == 0 && rename(a, b) == 0);
	HOLDS(rename(b, c) == 0); /* from folder to folder */
	HOLDS(link(c, a) == 0 && unlink(c) == 0 && rmdir(f) == 0 && unlink(a) == 0);
	FAILS(truncate(d->secret, 0), EACCES);
	FAILS(rename(d->file, d->secret), EACCES);
	FAILS(symlink("/", a), EACCES);
	FAILS(mkfifo(a, 0600), EPERM);
}

TEST(what_may_be_written_may_be_made_moved_and_removed)
{
	within(writable, SANDBOX_WRITE, SANDBOX_ALL);
}

static void tidied(const struct den *d)
{
	char more[160];

	snprintf(more, sizeof(more), "%s/f", d->in);
	FAILS(mkdir(more, 0700), EACCES);
	FAILS(unlink(d->file), EACCES);
	FAILS(open(d->file, O_RDONLY), EACCES);
	FAILS(rmdir(d->in), EACCES); /* itself is beneath another one */
	snprintf(more, sizeof(more), "%s/empty", d->in);
	HOLDS(rmdir(more) == 0);
	snprintf(more, sizeof(more), "%s/full", d->in);
	FAILS(rmdir(more), ENOTEMPTY);
}

TEST(what_may_be_tidied_loses_empty_folders_and_nothing_else)
{
	char empty[160], full[160], file[192];
	int status;
	pid_t pid;
	struct den d;

	if (!is_here(SANDBOX_FILES))
		return;
	den_make(&d);
	snprintf(empty, sizeof(empty), "%s/empty", d.in);
	snprintf(full, sizeof(full), "%s/full", d.in);
	snprintf(file, sizeof(file), "%s/file", full);
	CHECK(mkdir(empty, 0700) == 0 && mkdir(full, 0700) == 0);
	write_file(file);
	pid = fork();
	if (pid == 0) {
		struct sandbox s;

		sandbox_init(&s);
		sandbox_allow(&s, d.in, SANDBOX_TIDY);
		HOLDS((sandbox_enter(&s) & SANDBOX_FILES) != 0);
		tidied(&d);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	(void)remove(file);
	(void)remove(full);
	den_remove(&d);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- rights ------------------------------------------------------------------------- */

static void no_rights(const struct den *d)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	(void)d;
	HOLDS(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	HOLDS(syscall(SYS_capget, &head, data) == 0);
	HOLDS(data[0].effective == 0 && data[1].effective == 0);
	HOLDS(data[0].permitted == 0 && data[1].permitted == 0);
	if (geteuid() == 0)
		HOLDS(prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) == 0);
}

TEST(nothing_is_left_of_what_root_may)
{
	within(no_rights, SANDBOX_WRITE, SANDBOX_RIGHTS);
}

/* As when root downloads into somebody's home. */
TEST(a_folder_of_somebody_else_can_be_written_by_root_with_that_one_right_alone)
{
	struct sandbox s;
	struct den d;

	if (geteuid() != 0 || !is_here(SANDBOX_RIGHTS))
		return;
	den_make(&d);
	CHECK_INT(chown(d.in, 1, 1), 0);
	sandbox_init(&s);
	sandbox_allow(&s, d.out, SANDBOX_WRITE);
	CHECK_INT(s.keep, 0);
	sandbox_allow(&s, d.in, SANDBOX_READ);
	CHECK_INT(s.keep, 1u << CAP_DAC_READ_SEARCH);
	sandbox_allow(&s, d.in, SANDBOX_WRITE);
	CHECK_INT(s.keep, 1u << CAP_DAC_READ_SEARCH | 1u << CAP_DAC_OVERRIDE);
	close(s.ruleset);
	den_remove(&d);
}

static void made_later(const struct den *d)
{
	char f[160], c[160];

	snprintf(f, sizeof(f), "%s/f", d->in);
	snprintf(c, sizeof(c), "%s/f/c", d->in);
	HOLDS(mkdir(f, 0700) == 0 && open(c, O_RDWR | O_CREAT, 0600) >= 0);
}

TEST(to_be_written_a_folder_that_is_not_there_yet_stands_for_the_one_above)
{
	struct den d;
	char deep[160];
	int status;
	pid_t pid;

	if (!is_here(SANDBOX_FILES))
		return;
	den_make(&d);
	snprintf(deep, sizeof(deep), "%s/f//g/h/", d.in);
	pid = fork();
	if (pid == 0) {
		struct sandbox s;

		sandbox_init(&s);
		sandbox_allow(&s, deep, SANDBOX_WRITE);
		(void)sandbox_enter(&s);
		made_later(&d);
		FAILS(open(d.secret, O_RDONLY), EACCES);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	den_remove(&d);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
