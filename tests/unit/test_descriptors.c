#include "net/descriptors.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "test.h"

TEST(the_soft_limit_of_descriptors_becomes_the_hard_one)
{
	struct rlimit lim;

	CHECK_INT(getrlimit(RLIMIT_NOFILE, &lim), 0);
	lim.rlim_cur = 64;
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &lim), 0);
	CHECK(descriptors_raise_limit() == lim.rlim_max);
	CHECK_INT(getrlimit(RLIMIT_NOFILE, &lim), 0);
	CHECK(lim.rlim_cur == lim.rlim_max);
}

TEST(open_descriptors_are_counted_without_the_one_that_counts)
{
	uint32_t before = descriptors_open();
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	CHECK(before >= 3);
	CHECK_INT(descriptors_open(), before + 1);
	close(fd);
	CHECK_INT(descriptors_open(), before);
}
