/* cli/unknown.h - what to say of a command that there is not. */
#ifndef SHOAL_CLI_UNKNOWN_H
#define SHOAL_CLI_UNKNOWN_H

#define UNKNOWN_TEXT_MAX 200

/* "unknown command 'gte'; did you mean 'get'?"; `name` is escaped. */
const char *unknown_text(char out[UNKNOWN_TEXT_MAX], const char *name);

#endif
