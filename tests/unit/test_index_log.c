#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "cli/index_log.h"
#include "failmalloc_jansson.h"

static void check_line(bool json, json_t *fields, const char *want)
{
	char *line = index_log_line(json, 1767225600, "publish", fields);

	CHECK(line != NULL);
	CHECK_STR(line, want);
	free(line);
	json_decref(fields);
}

TEST(an_event_is_one_line_of_text)
{
	check_line(false, NULL, "2026-01-01T00:00:00Z publish\n");
	check_line(false,
		   json_pack("{s:s, s:s, s:i, s:b, s:s}", "owner", "alice", "name", "a b",
			     "version", 3, "open", 1, "note", ""),
		   "2026-01-01T00:00:00Z publish owner=alice name=\"a b\" version=3 open=yes "
		   "note=\"\"\n");
}

TEST(the_same_event_is_one_json_object_that_begins_with_time_and_event)
{
	check_line(true, json_pack("{s:s, s:i}", "name", "a \"b\"\n", "version", 3),
		   "{\"time\":\"2026-01-01T00:00:00Z\",\"event\":\"publish\","
		   "\"name\":\"a \\\"b\\\"\\n\",\"version\":3}\n");
	check_line(true, NULL, "{\"time\":\"2026-01-01T00:00:00Z\",\"event\":\"publish\"}\n");
}

/* O-36 */
TEST(what_strangers_wrote_neither_ends_a_line_nor_steers_a_terminal)
{
	check_line(false, json_pack("{s:s}", "name", "a\nb\x1b[31m \"x\" \xe2\x80\xae"),
		   "2026-01-01T00:00:00Z publish "
		   "name=\"a\\nb\\x1b[31m \\\"x\\\" \\u{202e}\"\n");
	check_line(true, json_pack("{s:s}", "name", "\xe2\x80\xae\xc2\x9b"),
		   "{\"time\":\"2026-01-01T00:00:00Z\",\"event\":\"publish\","
		   "\"name\":\"\\u202E\\u009B\"}\n");
}

/* A line that says less than happened would be worse than none. */
TEST(without_memory_a_line_is_whole_or_not_there)
{
	json_t *fields = json_pack("{s:s, s:s, s:i}", "name", "a b", "owner", "ann", "version", 3);

	for (int json = 0; json <= 1; json++) {
		char *whole = index_log_line(json, 0, "publish", fields);
		bool failed = true;

		for (size_t n = 1; failed; n++) {
			char *line;

			failmalloc_start(n, false);
			line = index_log_line(json, 0, "publish", fields);
			failed = failmalloc_stop() >= n;
			if (line != NULL)
				CHECK_STR(line, whole);
			else
				CHECK(failed);
			free(line);
		}
		free(whole);
	}
	json_decref(fields);
}

TEST(a_log_that_was_moved_away_is_opened_anew)
{
	char dir[] = "/tmp/shoal-log-XXXXXX", path[64], moved[64];
	struct err_info info = {0};
	struct index_log l;
	struct stat st;

	CHECK(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/log", dir);
	snprintf(moved, sizeof(moved), "%s/log.1", dir);
	CHECK_INT(index_log_open(&l, path, "json", true, &info), 0);
	index_log_write(&l, "one", NULL);
	CHECK_INT(rename(path, moved), 0);
	index_log_write(&l, "two", NULL);
	CHECK_INT(index_log_reopen(&l, &info), 0);
	index_log_write(&l, "three", NULL);
	CHECK_INT(stat(path, &st), 0);
	CHECK_INT(st.st_size, 48);
	CHECK_INT(st.st_mode & 07777 & 027, 0);
	CHECK_INT(stat(moved, &st), 0);
	CHECK_INT(st.st_size, 46 + 46);
	index_log_close(&l);
	CHECK_INT(unlink(path), 0);
	CHECK_INT(unlink(moved), 0);
	CHECK_INT(rmdir(dir), 0);
}

TEST(a_log_that_cannot_be_written_is_told_of)
{
	struct err_info info = {0};
	struct index_log l;

	CHECK_INT(index_log_open(&l, "/nowhere/log", NULL, false, &info), ERR_NOENT);
	CHECK(strstr(info.text, "/nowhere/log") != NULL);
	CHECK_INT(index_log_open(&l, NULL, "xml", false, &info), ERR_INVALID);
}
