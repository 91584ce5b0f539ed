#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/nearest.h"
#include "cli/opts.h"

#include "test.h"

static int run_nothing(const struct opts *o)
{
	(void)o;
	return EXIT_OK;
}

static const struct command command = {
    .name = "try",
    .summary = "try options",
    .usage = "shoal try NAME [MORE]",
    .help = "examples:\n  shoal try x\n",
    .accepts = "out seed tracker piece-length wait limit v1-only v2-only webseed "
	       "peer from every",
    .min_args = 1,
    .max_args = 2,
    .run = run_nothing,
};

/* One parse of a line of words; what it printed is in `said`. */
static char said[8192];

static int parse(struct opts *o, const char *line)
{
	static char words[1024];
	static char *argv[64];
	int argc = 2, code, saved[2];
	FILE *file = tmpfile();
	size_t n;

	CHECK(file != NULL);
	argv[0] = argv[1] = words;
	words[0] = '\0';
	snprintf(words + 1, sizeof(words) - 1, "%s", line);
	for (char *at = words + 1; *at != '\0';) {
		argv[argc++] = at;
		at += strcspn(at, " ");
		if (*at != '\0')
			*at++ = '\0';
	}
	argv[argc] = NULL;
	fflush(NULL);
	for (int i = 0; i < 2; i++) {
		saved[i] = dup(i + 1);
		CHECK(dup2(fileno(file), i + 1) >= 0);
	}
	code = opts_parse(o, &command, argc, argv);
	fflush(NULL);
	for (int i = 0; i < 2; i++) {
		CHECK(dup2(saved[i], i + 1) >= 0);
		close(saved[i]);
	}
	rewind(file);
	n = fread(said, 1, sizeof(said) - 1, file);
	said[n] = '\0';
	fclose(file);
	return code;
}

static int parse_and_forget(const char *line)
{
	struct opts o;
	int code = parse(&o, line);

	opts_fini(&o);
	return code;
}

TEST(addresses_that_cannot_be_and_no_time_at_all_are_refused)
{
	static const char *const bad[] = {
	    "x --tracker foo",
	    "x --tracker ftp://t/a",
	    "x --tracker http:///announce",
	    "x --tracker http://h.example/a\tb",
	    "x --tracker udp://h.example:1/\x7f",
	    "x --webseed foo",
	    "x --webseed udp://w/",
	    "x --webseed http://",
	    "x --peer 192.0.2.1",
	    "x --peer 192.0.2.1:0",
	    "x --peer 192.0.2.1:65536",
	    "x --peer host:1",
	    "x --from [2001:db8::1]:0",
	    "x --from 192.0.2.1:1 --from y",
	    "x --tracker udp://u:1 --tracker udp:/u",
	    "x --every 0",
	    "x --every 0h",
	};
	static const char *const good[] = {
	    "x --tracker udp://t:80 --tracker https://t/a/announce --tracker wss://t",
	    "x --webseed http://w/x --webseed https://[2001:db8::1]/",
	    "x --peer 192.0.2.1:1 --peer [2001:db8::1]:65535",
	    "x --from 127.0.0.1:6881",
	    "x --every 1 --wait 0",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_INT(parse_and_forget(bad[i]), EXIT_USAGE);
		CHECK(strstr(said, "': not ") != NULL);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK_INT(parse_and_forget(good[i]), -1);
}

TEST(nothing_given_means_the_defaults)
{
	struct opts o;

	unsetenv("SHOAL_INDEX");
	unsetenv("SHOAL_PORT");
	CHECK_INT(parse(&o, "name"), -1);
	CHECK(o.index == NULL);
	CHECK_INT(o.port, -1);
	CHECK_INT(o.n_args, 1);
	CHECK_STR(o.args[0], "name");
	CHECK(o.out == NULL && !o.json && !o.quiet && o.verbose == 0 && o.wait_s == 0);
	CHECK_STR(said, "");
	opts_fini(&o);
}

TEST(options_stand_anywhere_and_values_come_three_ways)
{
	struct opts o;

	CHECK_INT(parse(&o, "--port=0 name -o dest --index http://x:1 -vqv --seed"), -1);
	CHECK_INT(o.port, 0);
	CHECK_STR(o.out, "dest");
	CHECK_STR(o.index, "http://x:1");
	CHECK_INT(o.verbose, 2);
	CHECK(o.quiet && o.seed);
	opts_fini(&o);
	CHECK_INT(parse(&o, "-odest name"), -1);
	CHECK_STR(o.out, "dest");
	opts_fini(&o);
	CHECK_INT(parse(&o, "name -qo -"), -1);
	CHECK_STR(o.out, "-");
	CHECK_INT(o.n_args, 1);
	opts_fini(&o);
}

TEST(two_dashes_end_the_options_and_one_is_an_argument)
{
	struct opts o;

	CHECK_INT(parse(&o, "-- --seed -q"), -1);
	CHECK_INT(o.n_args, 2);
	CHECK_STR(o.args[0], "--seed");
	CHECK_STR(o.args[1], "-q");
	CHECK(!o.seed && !o.quiet);
	opts_fini(&o);
	CHECK_INT(parse(&o, "-"), -1);
	CHECK_STR(o.args[0], "-");
	opts_fini(&o);
}

TEST(a_repeated_option_makes_a_list)
{
	struct opts o;

	CHECK_INT(parse(&o, "x --tracker udp://a --tracker=udp://b --tracker udp://c"), -1);
	CHECK_STR(o.trackers[0], "udp://a");
	CHECK_STR(o.trackers[1], "udp://b");
	CHECK_STR(o.trackers[2], "udp://c");
	CHECK(o.trackers[3] == NULL);
	CHECK(o.peers == NULL);
	opts_fini(&o);
}

TEST(flags_beat_the_environment)
{
	struct opts o;

	setenv("SHOAL_INDEX", "http://env:1", 1);
	setenv("SHOAL_PORT", "7001", 1);
	CHECK_INT(parse(&o, "x"), -1);
	CHECK_STR(o.index, "http://env:1");
	CHECK_INT(o.port, 7001);
	opts_fini(&o);
	CHECK_INT(parse(&o, "x --index http://flag:1 --port 7002"), -1);
	CHECK_STR(o.index, "http://flag:1");
	CHECK_INT(o.port, 7002);
	opts_fini(&o);
	setenv("SHOAL_INDEX", "", 1);
	setenv("SHOAL_PORT", "70000", 1);
	CHECK_INT(parse(&o, "x"), EXIT_USAGE);
	CHECK(strstr(said, "SHOAL_PORT '70000'") != NULL);
	opts_fini(&o);
	setenv("SHOAL_PORT", "", 1);
	CHECK_INT(parse(&o, "x"), -1);
	CHECK(o.index == NULL);
	opts_fini(&o);
}

TEST(an_unknown_option_names_the_nearest_one)
{
	CHECK_INT(parse_and_forget("x --sead"), EXIT_USAGE);
	CHECK_STR(said, "shoal try: unknown option '--sead'; did you mean '--seed'? "
			"See 'shoal try --help'\n");
	CHECK_INT(parse_and_forget("x --piece 1M"), EXIT_USAGE);
	CHECK(strstr(said, "'--piece-length'") != NULL);
	CHECK_INT(parse_and_forget("x --xyzzy"), EXIT_USAGE);
	CHECK(strstr(said, "did you mean") == NULL);
	CHECK_INT(parse_and_forget("x -Z"), EXIT_USAGE);
	CHECK_INT(parse_and_forget("x --\033[2J"), EXIT_USAGE);
	CHECK(strchr(said, '\033') == NULL);
}

TEST(an_option_of_another_command_is_refused)
{
	CHECK_INT(parse_and_forget("x --data /tmp"), EXIT_USAGE);
	CHECK(strstr(said, "takes no --data") != NULL);
	CHECK_INT(parse_and_forget("x --seed=1"), EXIT_USAGE);
	CHECK(strstr(said, "--seed '1': neither yes nor no") != NULL);
	CHECK_INT(parse_and_forget("x --verbose=1"), EXIT_USAGE);
	CHECK(strstr(said, "takes no value") != NULL);
}

TEST(a_value_that_is_a_choice_must_be_one_of_its_words)
{
	struct opts o;

	CHECK_INT(parse_and_forget("x --progress loud"), EXIT_USAGE);
	CHECK(strstr(said, "--progress 'loud': not one of: auto json none") != NULL);
	CHECK_INT(parse_and_forget("x --progress jso"), EXIT_USAGE);
	CHECK_INT(parse_and_forget("x --progress json,none"), EXIT_USAGE);
	CHECK_INT(parse(&o, "x --progress none"), -1);
	CHECK_STR(o.progress, "none");
	opts_fini(&o);
}

TEST(a_missing_value_or_argument_is_said)
{
	CHECK_INT(parse_and_forget("x -o"), EXIT_USAGE);
	CHECK(strstr(said, "-o needs a value") != NULL);
	CHECK_INT(parse_and_forget("x --out="), EXIT_USAGE);
	CHECK_INT(parse_and_forget("--seed"), EXIT_USAGE);
	CHECK(strstr(said, command.usage) != NULL);
	CHECK_INT(parse_and_forget("a b c"), EXIT_USAGE);
	CHECK(strstr(said, "'c' is too much") != NULL);
	CHECK_INT(parse_and_forget("x --v1-only --v2-only"), EXIT_USAGE);
}

TEST(piece_lengths_are_powers_of_two_with_a_unit)
{
	static const struct {
		const char *text;
		uint64_t want; /* 0: refused */
	} cases[] = {
	    {"16K", 16384},
	    {"16384", 16384},
	    {"1M", 1048576},
	    {"1MiB", 1048576},
	    {"512KiB", 524288},
	    {"128m", 1u << 27},
	    {"256M", 0},
	    {"8K", 0},
	    {"3M", 0},
	    {"1G", 0},
	    {"M", 0},
	    {"", 0},
	    {"-1", 0},
	    {"1MM", 0},
	    {"0", 0},
	    {"1.5M", 0},
	    {"99999999999999999999", 0},
	    {"18446744073709551615M", 0},
	};
	char line[64];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct opts o;

		snprintf(line, sizeof(line), "x --piece-length=%s", cases[i].text);
		if (cases[i].want == 0) {
			CHECK_INT(parse(&o, line), EXIT_USAGE);
		} else {
			CHECK_INT(parse(&o, line), -1);
			CHECK_INT(o.piece_length, cases[i].want);
		}
		opts_fini(&o);
	}
}

TEST(numbers_and_times_have_limits)
{
	struct opts o;

	CHECK_INT(parse(&o, "x --wait 5m --limit 4294967295 --port 65535"), -1);
	CHECK_INT(o.wait_s, 300);
	CHECK_INT(o.limit, 4294967295u);
	CHECK_INT(o.port, 65535);
	opts_fini(&o);
	CHECK_INT(parse_and_forget("x --wait 5d"), EXIT_USAGE);
	CHECK_INT(parse_and_forget("x --limit 0"), EXIT_USAGE);
	CHECK_INT(parse_and_forget("x --limit 4294967296"), EXIT_USAGE);
	CHECK_INT(parse_and_forget("x --port 65536"), EXIT_USAGE);
	CHECK_INT(parse_and_forget("x --port -1"), EXIT_USAGE);
}

TEST(help_is_printed_and_succeeds_even_with_too_few_arguments)
{
	CHECK_INT(parse_and_forget("--help"), EXIT_OK);
	CHECK(strstr(said, "usage: shoal try NAME [MORE]") != NULL);
	CHECK(strstr(said, "examples:") != NULL);
	CHECK_INT(parse_and_forget("-h"), EXIT_OK);
}

TEST(errors_are_json_when_json_is_asked_for_anywhere)
{
	CHECK_INT(parse_and_forget("x --sead --json"), EXIT_USAGE);
	CHECK(strstr(said, "\"error\"") != NULL);
	CHECK(strstr(said, "\"code\": \"invalid\"") != NULL);
	CHECK_INT(parse_and_forget("x --sead -- --json"), EXIT_USAGE);
	CHECK(strstr(said, "\"error\"") == NULL);
}

TEST(each_kind_of_error_has_its_exit_code)
{
	CHECK_INT(exit_from_err(OK), 0);
	CHECK_INT(exit_from_err(ERR_NOENT), 3);
	CHECK_INT(exit_from_err(ERR_UNREACHABLE), 4);
	CHECK_INT(exit_from_err(ERR_TIMEOUT), 4);
	CHECK_INT(exit_from_err(ERR_AMBIGUOUS), 6);
	CHECK_INT(exit_from_err(ERR_EXISTS), 7);
	CHECK_INT(exit_from_err(ERR_DENIED), 8);
	CHECK_INT(exit_from_err(ERR_NOSPACE), 9);
	CHECK_INT(exit_from_err(ERR_PROTO), 10);
	CHECK_INT(exit_from_err(ERR_CANCELLED), 130);
	CHECK_INT(exit_from_err(ERR_IO), 1);
}

TEST(the_nearest_word_is_found_by_slips_and_by_its_beginning)
{
	struct nearest n = {.best = NULL};

	nearest_offer(&n, "veri", "peers");
	CHECK(n.best == NULL);
	nearest_offer(&n, "veri", "verify");
	CHECK_STR(n.best, "verify");
	n.best = NULL;
	nearest_offer(&n, "shrae", "ls");
	nearest_offer(&n, "shrae", "share");
	CHECK_STR(n.best, "share");
	CHECK_INT(n.distance, 1);
	n.best = NULL;
	nearest_offer(&n, "x", "ls");
	CHECK(n.best == NULL);
}
