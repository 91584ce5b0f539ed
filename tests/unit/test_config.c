#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/config.h"
#include "cli/opts_table.h"

#include "test.h"

static char home[64];

/* A home of its own with these settings; NULL: without any. */
static void settings(const char *text)
{
	char path[96];
	FILE *f;

	snprintf(home, sizeof(home), "/tmp/shoal-config-XXXXXX");
	CHECK(mkdtemp(home) != NULL);
	CHECK_INT(setenv("SHOAL_HOME", home, 1), 0);
	unsetenv("SHOAL_INDEX");
	snprintf(path, sizeof(path), "%s/config", home);
	if (text == NULL)
		return;
	f = fopen(path, "w");
	CHECK(f != NULL);
	CHECK(fputs(text, f) >= 0);
	CHECK_INT(fclose(f), 0);
}

static void clear(void)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/config", home);
	unlink(path);
	CHECK_INT(rmdir(home), 0);
	unsetenv("SHOAL_HOME");
}

static void check_refused(const char *text, const char *why)
{
	struct config c;
	struct err_info info;

	settings(text);
	CHECK_INT(config_read_take(&c, config_path(), &info), ERR_INVALID);
	CHECK(strstr(info.text, why) != NULL);
	config_fini(&c);
	clear();
}

static const struct command get = {
    .name = "get",
    .usage = "shoal get NAME",
    .help = "  -o, --out DEST   where to\n  --wait TIME wait for that long\n"
	    "  --v1-only, --v2-only  of one kind\n  --seed           BEP 3: go on\n",
    .accepts = "wait peer seed out v1-only v2-only",
    .max_args = 1,
};

TEST(lines_have_keys_values_and_sections)
{
	struct config c;
	struct err_info info;

	settings("# a\n; b\n\n index =  http://a:1 \r\nname=\" x \"\n[ get ]\nwait = 5m # no");
	CHECK_INT(config_read_take(&c, config_path(), &info), OK);
	CHECK(c.exists);
	CHECK_INT(c.n, 3);
	CHECK_STR(c.list[0].key, "index");
	CHECK_STR(c.list[0].value, "http://a:1");
	CHECK_INT(c.list[0].number, 4);
	CHECK(c.list[0].section == NULL);
	CHECK_STR(c.list[1].value, " x ");
	CHECK_STR(c.list[2].section, "get");
	CHECK_STR(c.list[2].value, "5m # no");
	config_fini(&c);
	clear();
}

TEST(a_missing_or_empty_file_has_no_lines)
{
	struct config c;
	struct err_info info;

	settings(NULL);
	CHECK_INT(config_read_take(&c, config_path(), &info), OK);
	CHECK(!c.exists && c.n == 0);
	config_fini(&c);
	clear();
	settings("");
	CHECK_INT(config_read_take(&c, config_path(), &info), OK);
	CHECK(c.exists && c.n == 0);
	config_fini(&c);
	clear();
	CHECK_INT(config_read_take(&c, NULL, &info), OK);
	config_fini(&c);
}

TEST(a_line_that_is_nothing_is_named_with_its_number)
{
	check_refused("index = x\nhello\n", "config:2: neither KEY = VALUE");
	check_refused("= x\n", "config:1: neither KEY = VALUE");
	check_refused("\n[get\n", "config:2: a section is [COMMAND]");
	check_refused("[]\n", "config:1: a section is [COMMAND]");
	check_refused("a = \xff\n", "config:1: this is no text");
}

TEST(it_lies_in_the_folder_for_settings)
{
	char *path;

	unsetenv("SHOAL_HOME");
	CHECK_INT(setenv("XDG_CONFIG_HOME", "/x/y", 1), 0);
	path = config_path();
	CHECK_STR(path, "/x/y/shoal/config");
	free(path);
	CHECK_INT(setenv("XDG_CONFIG_HOME", "relative", 1), 0);
	CHECK_INT(setenv("HOME", "/h", 1), 0);
	path = config_path();
	CHECK_STR(path, "/h/.config/shoal/config");
	free(path);
	unsetenv("XDG_CONFIG_HOME");
}

TEST(flags_beat_the_environment_beats_a_section_beats_the_file)
{
	char flag[] = "--index=http://flag", word[] = "shoal";
	char *bare[] = {word, word, NULL}, *flagged[] = {word, word, flag, NULL};
	struct opts o;

	settings("index = http://file\nwait = 1m\n[get]\nindex = http://section\n");
	CHECK_INT(opts_parse(&o, &get, 3, flagged), -1);
	CHECK_STR(o.index, "http://flag");
	opts_fini(&o);
	CHECK_INT(opts_parse(&o, &get, 2, bare), -1);
	CHECK_STR(o.index, "http://section");
	CHECK_INT(o.wait_s, 60);
	opts_fini(&o);
	CHECK_INT(setenv("SHOAL_INDEX", "http://env", 1), 0);
	CHECK_INT(opts_parse(&o, &get, 2, bare), -1);
	CHECK_STR(o.index, "http://env");
	opts_fini(&o);
	unsetenv("SHOAL_INDEX");
	clear();
}

TEST(lists_and_counts_of_a_better_source_replace_and_a_flag_can_be_taken_back)
{
	char word[] = "shoal", peer[] = "--peer=192.0.2.3:3", no[] = "--seed=no", v[] = "-v";
	char *bare[] = {word, word, NULL}, *flagged[] = {word, word, peer, no, v, NULL};
	struct opts o;

	settings("verbose = 2\nseed = yes\n[get]\npeer = 192.0.2.1:1\npeer = 192.0.2.2:2\n");
	CHECK_INT(opts_parse(&o, &get, 2, bare), -1);
	CHECK_STR(o.peers[0], "192.0.2.1:1");
	CHECK_STR(o.peers[1], "192.0.2.2:2");
	CHECK(o.seed);
	CHECK_INT(o.verbose, 2);
	opts_fini(&o);
	CHECK_INT(opts_parse(&o, &get, 5, flagged), -1);
	CHECK_STR(o.peers[0], "192.0.2.3:3");
	CHECK(o.peers[1] == NULL);
	CHECK(!o.seed);
	CHECK_INT(o.verbose, 1);
	opts_fini(&o);
	clear();
}

static void check_setting(const char *text, const char *why)
{
	struct err_info info = {.code = OK};
	struct opts o;

	settings(text);
	CHECK_INT(opts_defaults(&o, &get, &info), why == NULL ? OK : ERR_INVALID);
	if (why != NULL)
		CHECK(strstr(info.text, why) != NULL);
	opts_fini(&o);
	clear();
}

TEST(what_a_setting_cannot_be_is_said_with_file_and_line)
{
	check_setting("indx = a\n", "config:1: no setting 'indx'; did you mean 'index'?");
	check_setting("help = yes\n", "config:1: no setting 'help'");
	check_setting("\nport = 70000\n", "config:2: port '70000': not a port");
	check_setting("seed = maybe\n", "config:1: seed 'maybe': neither yes nor no");
	check_setting("index =\n", "config:1: 'index' needs a value");
	/* Of another command: fine where it is for all, a mistake in the wrong section. */
	check_setting("sort = name\n", NULL);
	check_setting("[get]\nsort = name\n", "config:2: 'get' takes no 'sort'");
	check_setting("[ls]\nsort = name\n", NULL);
}

TEST(help_describes_options)
{
	static const char *const want[][2] = {
	    {"out", "where to"},
	    {"wait", "wait for that long"},
	    {"v2-only", "of one kind"},
	    {"seed", "BEP 3: go on"},
	    {"quiet", "print no progress and no notes"},
	};
	struct buf b;

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		buf_init(&b, 1024);
		CHECK(opts_describe(&get, opts_find(want[i][0], strlen(want[i][0])), &b));
		CHECK_STR(buf_cstr(&b), want[i][1]);
		buf_fini(&b);
	}
	buf_init(&b, 1024);
	CHECK(!opts_describe(&get, opts_find("peer", 4), &b));
	buf_fini(&b);
}
