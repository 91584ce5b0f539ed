/* tests/shim/skewclock.c - the wall clock of a program under test is off, by what a file says at
 * the moment.
 *
 *     LD_PRELOAD=libskewclock.so SHOAL_SKEWCLOCK=FILE shoal get ...
 *
 * FILE holds seconds as a 64-bit integer, which tests/e2e/test_odd.py changes while the program
 * runs. The monotonic clock is left alone, as it is by those who set a machine's clock. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static atomic_int_fast64_t *off;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("SHOAL_SKEWCLOCK");
	int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	void *map;

	if (fd < 0)
		return;
	map = mmap(NULL, sizeof(*off), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	off = map == MAP_FAILED ? NULL : map;
}

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	int r = (int)syscall(SYS_clock_gettime, clock, ts);

	if (r == 0 && off != NULL && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		ts->tv_sec += atomic_load(off);
	return r;
}

time_t time(time_t *out)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	if (out != NULL)
		*out = ts.tv_sec;
	return ts.tv_sec;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;

	(void)zone;
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	*tv = (struct timeval){ts.tv_sec, ts.tv_nsec / 1000};
	return 0;
}
