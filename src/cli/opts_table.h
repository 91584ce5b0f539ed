/* cli/opts_table.h - the table of options, for whoever explains them: completions, `config`. */
#ifndef SHOAL_CLI_OPTS_TABLE_H
#define SHOAL_CLI_OPTS_TABLE_H

#include <stddef.h>

#include "base/buf.h"
#include "cli/opts.h"

enum kind {
	KIND_FLAG,   /* bool */
	KIND_COUNT,  /* int, once more each time */
	KIND_TEXT,   /* const char * */
	KIND_FILE,   /* const char *, a path */
	KIND_FOLDER, /* const char *, the path of a folder */
	KIND_LIST,   /* const char *const *, repeated */
	KIND_PORT,   /* int */
	KIND_SIZE,   /* uint64_t, bytes: 16K, 1M */
	KIND_BYTES,  /* uint64_t: 64M, 2G */
	KIND_RATE,   /* uint64_t, bytes a second: 500K, 2M, 0 */
	KIND_NUMBER, /* uint32_t */
	KIND_TIME,   /* uint32_t, seconds: 30, 5m, 2h */
	KIND_RATIO,  /* uint32_t, thousandths: 1, 1.5, 0.25 */
	KIND_HELP,
};

struct option {
	const char *name;
	char letter; /* 0: none */
	enum kind kind;
	size_t offset;	 /* in struct opts */
	const char *env; /* NULL: none */
	bool common;	 /* every command takes it */
};

const struct option *opts_table(size_t *n);
/* `c` NULL: every option. */
bool opts_accepts(const struct command *c, const struct option *p);
bool opts_takes_value(const struct option *p);
/* NULL: there is none. */
const struct option *opts_find(const char *name, size_t len);
const struct option *opts_find_letter(char letter);
void opts_print_help(const struct command *c);
/* Append what `shoal c->name --help` says about it, without what goes on on the next line. False:
 * it does not. */
bool opts_describe(const struct command *c, const struct option *p, struct buf *out);
/* The words that a value is one of, space-separated; NULL: it may be anything. */
const char *opts_choices(const struct option *p);

#endif
