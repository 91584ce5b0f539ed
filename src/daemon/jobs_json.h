/* daemon/jobs_json.h - jobs as JSON, one form for the socket, the HTTP API and `--json`; described
 * in docs/api.md. */
#ifndef SHOAL_DAEMON_JOBS_JSON_H
#define SHOAL_DAEMON_JOBS_JSON_H

#include <jansson.h>

#include "daemon/jobs.h"

/* Donors, addresses of one request (attack: none, both ends are the user's). */
#define JOBS_JSON_PEERS_MAX 64u

/* All return NULL without memory. Owns: the caller's. */
json_t *job_json(const struct job *j);
/* {"transfers": [...]} */
json_t *jobs_json(struct jobs *js);
/* {"peers": [...]} of those that are connected. */
json_t *job_peers_json(const struct job *j);
/* What it has, as {"pieces", "have", "cells"}: the pieces in at most JOB_CELLS_MAX runs, of each
 * two hex digits: 00 nothing, ff all of it. 0 pieces: it does not run. */
#define JOB_CELLS_MAX 512u
json_t *job_pieces_json(const struct job *j);
/* Counts by state, rates, limits, versions. */
json_t *jobs_status_json(struct jobs *js, struct node *node);

/* Text that is UTF-8 as `key`, else its bytes as hex as `key` with "_hex" behind. */
int job_json_put_path(json_t *to, const char *key, const char *path);

/* What such a request asks to add, with the memory behind it. */
struct job_request {
	struct job_spec spec;
	struct buf torrent, item;
	char *path, *donor_folder;
	char **trackers, **webseeds;
	struct addr peers[JOBS_JSON_PEERS_MAX];
	struct stamp stamp, replaces;
	struct store_donor *donors;
};
/* Returns 0; ERR_INVALID with the member's name; ERR_NOMEM. Borrows from `j`, too.
 * Owns: job_request_fini(), also after an error. */
int job_request_from_json(struct job_request *r, const json_t *j, struct err_info *info);
void job_request_fini(struct job_request *r);
/* The way there: everything of `s` as JSON. NULL without memory. */
json_t *job_spec_json(const struct job_spec *s);

/* What can be done to a job by a word and its JSON arguments: "pause", "resume", "recheck",
 * "remove" {"data": bool}, "limit" {"down_bps", "up_bps"}, "priority" {"priority"}, "title"
 * {"title"}, "item" {"item"}. Of "limit" what is absent stays. Returns 0, ERR_INVALID (no such
 * word, bad argument), or what jobs_*() say. */
int jobs_do(struct jobs *js, struct job *j, const char *word, const json_t *args,
	    struct err_info *info);
/* Settings of all together, until the process ends: "max_active", "down_bps", "up_bps"; what is
 * absent stays. Returns 0 or ERR_INVALID. */
int jobs_set(struct jobs *js, struct node *node, const json_t *args, struct err_info *info);

#endif
