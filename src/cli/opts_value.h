/* cli/opts_value.h - the values of options, from text to their places in struct opts. */
#ifndef SHOAL_CLI_OPTS_VALUE_H
#define SHOAL_CLI_OPTS_VALUE_H

#include "cli/opts_table.h"

/* `what` is how the user gave it: "--port", "SHOAL_PORT". `value` NULL: a bare flag; it is borrowed
 * where it is text. Returns 0, ERR_INVALID with what is wanted instead, or ERR_NOMEM. */
int opts_store_value(struct opts *o, const struct option *opt, const char *what, const char *value,
		     struct err_info *info);
/* Addresses of trackers, web servers and peers. Returns 0 or ERR_INVALID. */
int opts_check_lists(const struct opts *o, struct err_info *info);
/* "--port 'x': not a port". Returns ERR_INVALID. */
int opts_refuse_value(struct err_info *info, const char *what, const char *value,
		      const char *wanted);

#endif
