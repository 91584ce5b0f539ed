/* cli/daemon_control.h - what the daemon answers on its socket ("daemon" in the home's run folder)
 * besides the verbs of cli/control.h.
 *
 *   {"verb": "add", "request": {...}}              {"added": {transfer}, "existed": bool}; what
 * POST /api/v1/transfers takes
 *   {"verb": "add", "file": PATH}                  the same, from a file, which is the asker's
 *   {"verb": "reads", "path": PATH, "exclude": [GLOB], "within": bool} {"reads": true}, or the
 * error that opening it ends with; "path_hex" as in daemon/job_request.h, "within": also every file
 * of a folder
 *   {"verb": "status", "ref": REF}                 {"status": {...}, "transfers": [...]}
 *   {"verb": "status", "after": ID}                the same as of all, and "next": a page of those
 * numbered above ID, as jobs_page_json() has them
 *   {"verb": "status", "ids": [ID, ...]}           {"transfers": [...]}, those that there are
 *   {"verb": "peers", "ref": REF}                  {"peers": [...]}
 *   {"verb": "list", "ref": REF, "from": N}     {"files": [...], "next": N, "transfer": {...}}:
 * its files, as job_files_json() has them
 *   {"verb": "pause", "ref": REF, ...}             {"transfer": {...}}: also resume, recheck,
 * remove, limit, priority, files; arguments as jobs_do() takes them. Of remove "asked_again": N
 * besides: not when it was asked for more often than so, once it was there
 *   {"verb": "unshare", "title": TITLE}            {"removed": N}: what is shared as OWNER/NAME, or
 * this version of it, and under no other name
 *   {"verb": "settings", "max_active": N, ...}     {"status": {...}}; as jobs_set() takes them
 *
 * REF is what jobs_find() takes, of remove what jobs_find_to_remove() does; where it may be absent
 * all are meant. Errors as everywhere. */
#ifndef SHOAL_CLI_DAEMON_CONTROL_H
#define SHOAL_CLI_DAEMON_CONTROL_H

#include "cli/control.h"
#include "daemon/jobs.h"

#define DAEMON_NAME "daemon"
/* What "file" may hold: a torrent as base64, donors and lists. */
#define DAEMON_REQUEST_MAX (192u << 20)

struct daemon_control;

int daemon_control_new(struct loop *loop, struct jobs *js, struct node *node,
		       struct daemon_control **out);
/* For control_params. Borrowed until it is freed. */
const struct control_verb *daemon_control_verbs(void);
/* Before the control whose calls it has. NULL is fine. */
void daemon_control_free(struct daemon_control *d);

#endif
