/* tests/shim/openat2.c - openat2 for a program under test that runs where it is not known: in the
 * valgrind of Debian 12.
 *
 *     LD_PRELOAD=libopenat2.so valgrind shoal get ...
 *
 * What it would refuse (RESOLVE_BENEATH) is let through: this is for looking at memory alone. */
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ARGS_MAX 6

long syscall(long number, ...)
{
	static long (*next)(long, ...);
	long arg[ARGS_MAX];
	va_list ap;

	/* As many as there can be; those that were not given are not looked at by the kernel
	 * either. */
	va_start(ap, number);
	for (size_t i = 0; i < ARGS_MAX; i++)
		arg[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_openat2) {
		const struct open_how *how = (const struct open_how *)arg[2];

		return openat((int)arg[0], (const char *)arg[1], (int)how->flags,
			      (mode_t)how->mode);
	}
	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "syscall");
	return next(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}
