#include "net/descriptors.h"

#include <dirent.h>
#include <stddef.h>
#include <sys/resource.h>

uint64_t descriptors_raise_limit(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) != 0)
		return 0;
	if (lim.rlim_cur < lim.rlim_max) {
		rlim_t before = lim.rlim_cur;

		lim.rlim_cur = lim.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &lim) != 0)
			lim.rlim_cur = before;
	}
	return lim.rlim_cur;
}

uint32_t descriptors_open(void)
{
	DIR *list = opendir("/proc/self/fd");
	const struct dirent *e;
	uint32_t n = 0;

	if (list == NULL)
		return 0;
	while ((e = readdir(list)) != NULL)
		n += e->d_name[0] != '.';
	closedir(list);
	return n - 1; /* without the one that looks */
}
