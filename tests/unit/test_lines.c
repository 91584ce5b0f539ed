#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/lines.h"

static void check_lines(const char *text, size_t n, const char *const *want)
{
	char path[] = "/tmp/shoal-lines-XXXXXX";
	struct err_info info;
	struct lines l;
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "w");

	CHECK(f != NULL);
	CHECK(fputs(text, f) >= 0);
	CHECK_INT(fclose(f), 0);
	CHECK_INT(lines_read(&l, path, &info), OK);
	CHECK_INT(l.n, n);
	for (size_t i = 0; i < n; i++)
		CHECK_STR(l.list[i], want[i]);
	lines_fini(&l);
	CHECK_INT(unlink(path), 0);
}

TEST(lines_are_read_without_blanks_at_their_end_and_without_comments)
{
	static const char *const want[] = {"a b", " c", "d"};

	check_lines("", 0, NULL);
	check_lines("\n\n", 0, NULL);
	check_lines("# of no use\n\n", 0, NULL);
	check_lines("a b\n c\nd\n", 3, want);
	check_lines("a b \t\r\n\n#x\n c\r\nd", 3, want);
}

TEST(lines_of_no_file_are_none_and_of_a_missing_one_an_error)
{
	struct err_info info;
	struct lines l;

	CHECK_INT(lines_read(&l, NULL, &info), OK);
	CHECK_INT(l.n, 0);
	lines_fini(&l);
	CHECK_INT(lines_read(&l, "/no/such/list", &info), ERR_NOENT);
	CHECK(strstr(info.text, "/no/such/list") != NULL);
	lines_fini(&l);
}
