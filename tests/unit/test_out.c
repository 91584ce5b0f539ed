#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/out.h"

#include "test.h"

/* What `print` writes to stdout, which is no terminal then. */
static char said[8192];

static void capture(void (*print)(void))
{
	FILE *file = tmpfile();
	int saved;
	size_t n;

	CHECK(file != NULL);
	fflush(stdout);
	saved = dup(STDOUT_FILENO);
	CHECK(dup2(fileno(file), STDOUT_FILENO) >= 0);
	print();
	fflush(stdout);
	CHECK(dup2(saved, STDOUT_FILENO) >= 0);
	close(saved);
	rewind(file);
	n = fread(said, 1, sizeof(said) - 1, file);
	said[n] = '\0';
	fclose(file);
}

static void print_table(void)
{
	static const char *const columns[] = {"NAME", "SIZE"};
	struct out_table *t = out_table_new(columns, 2, NULL);

	out_row(t);
	out_cell(t, "a\tb\nc\033[2J");
	out_cell(t, "1 KiB");
	out_row(t);
	out_cell(t, "");
	out_cell_said(t, "said of a\\nb");
	out_cell_said(t, "not\033so");
	out_cell(t, "caf\xc3\xa9 \xff \xe2\x80\xae");
	out_table_print(t);
}

TEST(a_table_in_a_pipe_is_tabs_without_headings_and_nothing_steers)
{
	capture(print_table);
	CHECK_STR(
	    said,
	    "a\\tb\\nc\\x1b[2J\t1 KiB\n\tsaid of a\\nb\tnot\\x1bso\tcaf\xc3\xa9 \\xff \\u{202e}\n");
}

static void print_empty(void)
{
	static const char *const columns[] = {"NAME"};

	out_table_print(out_table_new(columns, 1, NULL));
}

TEST(an_empty_table_prints_nothing)
{
	capture(print_empty);
	CHECK_STR(said, "");
}

static void print_json(void)
{
	json_t *j = json_pack("{s:s}", "name", "\033 \xc2\x9b \xe2\x80\xae");

	out_json(j);
	json_decref(j);
}

TEST(json_is_ascii_so_that_no_name_steers_a_terminal)
{
	capture(print_json);
	CHECK_STR(said, "{\n  \"schema\": 1,\n  \"name\": \"\\u001B \\u009B \\u202E\"\n}\n");
}

static void print_fields(void)
{
	out_field("name", "x\033y");
	out_field("a longer label", "z");
	out_field("none", "");
}

TEST(a_field_is_one_escaped_line)
{
	capture(print_fields);
	CHECK_STR(said, "name:          x\\x1by\na longer label: z\n");
}

TEST(progress_is_silent_off_a_terminal)
{
	struct progress p;
	struct progress_state s = {.label = "x", .total = 1};

	if (isatty(STDERR_FILENO)) /* run by hand */
		return;
	progress_init(&p, PROGRESS_AUTO, 1);
	CHECK(!p.on);
	progress_draw(&p, &s, 5000);
	progress_clear(&p);
	CHECK_INT(p.drawn_ms, 0);
}

/* What the line looks like, drawn at 5000 ms. */
static const char *drawn(const struct progress_state *s)
{
	struct progress p = {.on = true, .start_ms = 1};
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO);
	size_t n;

	CHECK(file != NULL);
	CHECK(dup2(fileno(file), STDERR_FILENO) >= 0);
	progress_draw(&p, s, 5000);
	progress_draw(&p, s, 5050); /* too soon */
	progress_draw(&p, s, 5900); /* nothing has changed */
	CHECK(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	rewind(file);
	n = fread(said, 1, sizeof(said) - 1, file);
	said[n] = '\0';
	fclose(file);
	return said;
}

TEST(the_progress_line_tells_share_amount_rate_and_time)
{
	struct progress_state s = {
	    .label = "x", .done = 1288490188, .total = 3006477107, .bps = 310u << 20, .peers = 4};

	CHECK_STR(drawn(&s), "\rx  42% 1.2 of 2.8 GiB  310.0 MiB/s  ETA 5s  4 peers\033[K");
	s = (struct progress_state){.label = "serving", .done = 1024, .up_bps = 2048, .peers = 1};
	CHECK_STR(drawn(&s), "\rserving  1.0 KiB  up 2.0 KiB/s  1 peer\033[K");
	s = (struct progress_state){.label = "y", .total = 1 << 20, .note = "waiting for a holder"};
	CHECK_STR(drawn(&s), "\ry  0% 0 B of 1.0 MiB  waiting for a holder\033[K");
	s.done = s.total - 1;
	CHECK(strstr(drawn(&s), " 99% ") != NULL);
	s.done = s.total;
	CHECK(strstr(drawn(&s), " 100% ") != NULL);
	s = (struct progress_state){.label = "z", .done = UINT64_MAX - 1, .total = UINT64_MAX};
	CHECK(strstr(drawn(&s), " 99% ") != NULL);
}

TEST(the_progress_line_fits_the_terminal)
{
	char label[300];
	struct progress_state s = {.label = label, .total = 1};

	memset(label, 'a', sizeof(label) - 1);
	label[sizeof(label) - 1] = '\0';
	CHECK_INT(strlen(drawn(&s)), 1 + 79 + 3);
}

static const char *line(const struct progress_state *s, unsigned width)
{
	struct buf b;

	CHECK(setlocale(LC_CTYPE, "C.UTF-8") != NULL);
	buf_init(&b, sizeof(said));
	progress_line(&b, s, width);
	CHECK_INT(b.err, 0);
	snprintf(said, sizeof(said), "%.*s", (int)b.len, (const char *)b.ptr);
	buf_fini(&b);
	return said;
}

TEST(on_a_narrow_terminal_the_label_gives_way_to_the_figures)
{
	struct progress_state s = {.label = "a-file-with-quite-a-long-name.iso",
				   .done = 3u << 20,
				   .total = 8u << 20,
				   .bps = 2u << 20,
				   .peers = 3};

	CHECK_STR(
	    line(&s, 80),
	    "a-file-with-quite-a-long-name.i~  37% 3.0 of 8.0 MiB  2.0 MiB/s  ETA 2s  3 peers");
	CHECK_STR(line(&s, 60), "a-file-with-quite-a-~  37% 3.0 of 8.0 MiB  2.0 MiB/s  ETA 2s");
	CHECK_STR(line(&s, 39), "a-file-with-quite-~  37% 3.0 of 8.0 MiB");
	CHECK_STR(line(&s, 19), "a-file-with-q~  37%");
	CHECK_STR(line(&s, 10), "a-file-wi~");
	CHECK_STR(line(&s, 1), "~");
	s.label = "\u65e5\u672c\u8a9e\u65e5\u672c\u8a9e\u65e5\u672c\u8a9e"; /* 18 columns */
	CHECK_STR(line(&s, 20), "\u65e5\u672c\u8a9e\u65e5\u672c\u8a9e\u65e5~  37%");
	s = (struct progress_state){.label = "x", .total = 100, .note = "waiting for a holder"};
	CHECK_STR(line(&s, 30), "x  0% 0 of 100 B  waiting for~");
	CHECK_STR(line(&s, 24), "x  0% 0 of 100 B");
}
