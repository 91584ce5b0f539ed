/* cli/commands.h - one function per subcommand, each in cmd_<name>.c, and the table of them. */
#ifndef SHOAL_CLI_COMMANDS_H
#define SHOAL_CLI_COMMANDS_H

#include "cli/opts.h"

/* All return an enum exit_code. */
int cmd_index(const struct opts *o);
int cmd_share(const struct opts *o);
int cmd_get(const struct opts *o);
int cmd_ls(const struct opts *o);
int cmd_search(const struct opts *o);
int cmd_info(const struct opts *o);
int cmd_versions(const struct opts *o);
int cmd_whoami(const struct opts *o);
int cmd_peers(const struct opts *o);
int cmd_unshare(const struct opts *o);
int cmd_create(const struct opts *o);
int cmd_verify(const struct opts *o);
int cmd_explain(const struct opts *o);
int cmd_leave(const struct opts *o);
int cmd_shell(const struct opts *o);
int cmd_doctor(const struct opts *o);
int cmd_daemon(const struct opts *o);
int cmd_status(const struct opts *o);
int cmd_files(const struct opts *o);
int cmd_top(const struct opts *o);
int cmd_pause(const struct opts *o);
int cmd_resume(const struct opts *o);
int cmd_remove(const struct opts *o);
int cmd_recheck(const struct opts *o);
int cmd_priority(const struct opts *o);
int cmd_queue(const struct opts *o);
int cmd_limit(const struct opts *o);
int cmd_dht(const struct opts *o);
int cmd_config(const struct opts *o);
int cmd_completions(const struct opts *o);

/* The table of commands, for whoever runs or explains them. */
const struct command *commands_all(size_t *n);
const struct command *commands_find(const char *name); /* NULL: there is none */
struct config;
/* Is each section of the settings named like a command? Returns 0, or ERR_INVALID with the line of
 * the first that is not: nobody would read what is in it. */
int commands_check_sections(const struct config *c, struct err_info *info);

#endif
