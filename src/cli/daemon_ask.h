/* cli/daemon_ask.h - asking the daemon of this home one thing, for commands that wait for it. */
#ifndef SHOAL_CLI_DAEMON_ASK_H
#define SHOAL_CLI_DAEMON_ASK_H

#include <jansson.h>

#include "base/err.h"
#include "daemon/job_request.h"

/* Takes `question` (NULL: no memory). *out: the answer's last line.
 * Returns 0; ERR_NOENT with "no daemon runs from this home"; the error that it answered;
 * ERR_TIMEOUT. Owns: *out is the caller's. */
int daemon_ask(json_t *question, json_t **out, struct err_info *info);
/* "status" of REF, or NULL: of all, however many there are. */
int daemon_ask_status(const char *ref, json_t **out, struct err_info *info);
/* To add a transfer. */
int daemon_ask_to_add(const struct job_spec *s, json_t **out, struct err_info *info);

#endif
