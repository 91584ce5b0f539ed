/* daemon/job_request.h - what is asked of jobs, as JSON; described in docs/api.md. */
#ifndef SHOAL_DAEMON_JOB_REQUEST_H
#define SHOAL_DAEMON_JOB_REQUEST_H

#include <jansson.h>

#include "daemon/jobs.h"

/* Donors, addresses of one request (attack: none, both ends are the user's). */
#define JOBS_JSON_PEERS_MAX 64u

/* What such a request asks to add, with the memory behind it. */
struct job_request {
	struct job_spec spec;
	struct buf torrent, item;
	char *path, *donor_folder;
	char **trackers, **webseeds, **only, *follow, *watch;
	struct addr peers[JOBS_JSON_PEERS_MAX];
	struct stamp stamp, replaces;
	struct store_donor *donors;
};
/* Returns 0; ERR_INVALID with the member's name; ERR_NOMEM. Borrows from `j`, too.
 * Owns: job_request_fini(), also after an error. */
int job_request_from_json(struct job_request *r, const json_t *j, struct err_info *info);
void job_request_fini(struct job_request *r);
/* Has the body of a call no other members than those that the call knows, in "follow", "watch" and
 * "donors" neither? A misspelt one would be passed over, and what it asked for not done.
 * Returns 0, or ERR_INVALID with the member's name. */
enum job_body { JOB_BODY_ADD, JOB_BODY_CHANGE, JOB_BODY_SETTINGS, JOB_BODY_WORD };
int job_request_knows(enum job_body takes, const json_t *j, struct err_info *info);
/* The way there: everything of `s` as JSON. NULL without memory. */
json_t *job_spec_json(const struct job_spec *s);

/* Text that is UTF-8 as `key`, else its bytes as hex as `key` with "_hex" behind. */
int job_json_put_path(json_t *to, const char *key, const char *path);

/* Members of a request; of one that is absent or null `out` stays as it is. All return 0, or
 * ERR_INVALID with the member's name. */
int job_args_refuse(const char *key, struct err_info *info); /* ERR_INVALID */
int job_args_flag(const json_t *j, const char *key, bool *out, struct err_info *info);
int job_args_number(const json_t *j, const char *key, json_int_t min, json_int_t max,
		    json_int_t *out, struct err_info *info);
/* Without NUL in it. Borrows from `j`. */
int job_args_text(const json_t *j, const char *key, const char **out, struct err_info *info);
/* The member "title": some text of one line, at most JOBS_TITLE_MAX. Borrows from `j`. */
int job_args_title(const json_t *j, const char **out, struct err_info *info);
/* Appends to `out`; more than that takes is refused. Also ERR_NOMEM. */
int job_args_base64(const json_t *j, const char *key, struct buf *out, struct err_info *info);
/* A path as job_json_put_path() writes it; needed. Also ERR_NOMEM. Owns: *out is the caller's, also
 * after an error. */
int job_args_path(const json_t *j, const char *key, char **out, struct err_info *info);
/* A list ended by NULL, itself perhaps NULL, as job_args_list() reads it. */
json_t *job_list_json(const char *const *list);
/* Also ERR_NOMEM. Owns: job_list_free(). */
int job_args_list(const json_t *j, const char *key, size_t max, char ***out, struct err_info *info);

#endif
