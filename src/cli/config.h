/* cli/config.h - the settings file as a list of lines; what they mean, cli/opts.h knows.
 *
 *   # of every command that takes it
 *   index = http://nas:6969
 *
 *   [get]
 *   wait = 5m
 *
 * Keys are named like the long options, without "--". Blanks around key and value do not count; a
 * value in double quotes keeps its own. Lines that begin with '#' or ';' are for people. */
#ifndef SHOAL_CLI_CONFIG_H
#define SHOAL_CLI_CONFIG_H

#include <stdbool.h>

#include "cli/lines.h"

/* Nobody's settings are longer (attack: none, it is the user's own; but it may be a wrong file). */
#define CONFIG_BYTES_MAX (256u << 10)

struct config_line {
	const char *section; /* the command it is for; NULL: all of them */
	const char *key, *value;
	unsigned number; /* of the line, from 1 */
};

struct config {
	char *path;  /* NULL: there is no home to keep it in */
	bool exists; /* the file */
	struct config_line *list;
	size_t n;
	struct buf text; /* what `list` points into */
};

/* SHOAL_HOME/config, else XDG_CONFIG_HOME/shoal/config, else ~/.config/shoal/config.
 * Owns: the caller's (free). NULL: there is no such place. */
char *config_path(void);

/* A file that is not there has no lines. Returns 0, or ERR_INVALID with "PATH:LINE: reason", or why
 * it cannot be read.
 * Owns: takes `path` (may be NULL), also after an error; config_fini(), also after an error. */
int config_read_take(struct config *c, char *path, struct err_info *info);
void config_fini(struct config *c);

/* Say what is wrong with a line: "PATH:LINE: reason". Returns ERR_INVALID. */
int config_refuse(const struct config *c, unsigned number, const char *reason,
		  struct err_info *info);

#endif
