#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/index_sites.h"

static int load(struct index_sites *s, const char *one)
{
	const char *list[] = {one, NULL};
	struct err_info info = {0};

	return index_sites_load(s, list, NULL, &info);
}

TEST(prefixes_of_one_label_are_one_site)
{
	const char *list[] = {"10.1.0.0/16=berlin", "10.2.0.0/16=paris", "2001:db8::/32=berlin",
			      "192.0.2.7=paris", NULL};
	static struct index_sites s;
	struct err_info info = {0};

	CHECK_INT(index_sites_load(&s, list, NULL, &info), 0);
	CHECK_INT(s.n, 4);
	CHECK_INT(s.n_labels, 2);
	CHECK_INT(s.list[0].site, 1);
	CHECK_INT(s.list[0].bits, 16);
	CHECK_INT(s.list[0].prefix.ip[1], 1);
	CHECK_INT(s.list[1].site, 2);
	CHECK_INT(s.list[2].site, 1);
	CHECK_INT(s.list[2].bits, 32);
	CHECK_INT(s.list[2].prefix.v6, 1);
	CHECK_INT(s.list[3].site, 2);
	CHECK_INT(s.list[3].bits, 32);
	CHECK_STR(s.labels[1], "paris");
}

TEST(what_is_no_site_is_refused)
{
	static const char *const bad[] = {"",
					  "10.1.0.0/16",
					  "10.1.0.0/16=",
					  "=x",
					  "10.1.0.0/33=x",
					  "10.1.0/16=x",
					  "10.1.0.0/=x",
					  "10.1.0.0/-1=x",
					  "::/129=x",
					  "host=x",
					  "10.1.0.0:80/16=x",
					  "10.1.0.0/16=a\nb"};
	static struct index_sites s;
	char label[INDEX_SITE_LABEL_MAX + 16] = "10.0.0.1=";
	size_t n = strlen(label);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (load(&s, bad[i]) != ERR_INVALID)
			fail_msg("'%s' was taken", bad[i]);
	}
	memset(label + n, 'x', INDEX_SITE_LABEL_MAX - 1);
	CHECK_INT(load(&s, label), 0);
	label[n + INDEX_SITE_LABEL_MAX - 1] = 'x';
	CHECK_INT(load(&s, label), ERR_INVALID);
}

TEST(a_file_has_one_site_a_line_and_no_more_than_there_is_room_for)
{
	char path[] = "/tmp/shoal-sites-XXXXXX";
	static struct index_sites s;
	struct err_info info = {0};
	FILE *f = fdopen(mkstemp(path), "w");

	CHECK(f != NULL);
	fputs("# ours\n\n10.0.0.0/24=a\n", f);
	for (unsigned i = 1; i < TRACKER_SITES_MAX; i++)
		fprintf(f, "10.0.%u.0/24=site %u\n", i, i);
	CHECK_INT(fflush(f), 0);
	CHECK_INT(index_sites_load(&s, NULL, path, &info), 0);
	CHECK_INT(s.n, TRACKER_SITES_MAX);
	CHECK_INT(s.list[TRACKER_SITES_MAX - 1].site, TRACKER_SITES_MAX);
	fputs("10.1.0.0/24=a\n", f);
	CHECK_INT(fclose(f), 0);
	CHECK_INT(index_sites_load(&s, NULL, path, &info), ERR_TOO_BIG);
	CHECK_INT(unlink(path), 0);
	CHECK_INT(index_sites_load(&s, NULL, path, &info), ERR_NOENT);
}
