/* cli/daemon_reads.h - may the daemon read what somebody is about to share? He is told before it is
 * published: the daemon may be confined to other folders, or be root without what lets root read
 * files of others. */
#ifndef SHOAL_CLI_DAEMON_READS_H
#define SHOAL_CLI_DAEMON_READS_H

#include <jansson.h>

#include "net/loop.h"

struct local_call;
struct daemon_reads;

/* Returns 0 or ERR_NOMEM. */
int daemon_reads_new(struct loop *loop, struct daemon_reads **out);
/* Takes `call`, and answers it: the verb "reads" of cli/daemon_control.h. The files in a folder are
 * looked at on a thread of its own. */
void daemon_reads_answer(struct daemon_reads *d, struct local_call *call, const json_t *question);
/* Those that wait for an answer are refused. NULL is fine. */
void daemon_reads_free(struct daemon_reads *d);

#endif
