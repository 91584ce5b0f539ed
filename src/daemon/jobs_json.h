/* daemon/jobs_json.h - jobs as JSON, one form for the socket, the HTTP API and `--json`; described
 * in docs/api.md. */
#ifndef SHOAL_DAEMON_JOBS_JSON_H
#define SHOAL_DAEMON_JOBS_JSON_H

#include <jansson.h>

#include "daemon/jobs.h"

/* All return NULL without memory. Owns: the caller's. */
json_t *job_json(const struct job *j);
/* The same, of one that is about to be removed. `data`: its files, too; then it says whose other
 * job keeps some of them, if any does (jobs_data_kept_by()). */
json_t *job_removed_json(const struct job *j, bool data);
/* Which of them, in which order: what is done least, and what is fastest, comes first. Zeroed: all,
 * the oldest first. */
enum jobs_sort {
	JOBS_BY_ID,
	JOBS_BY_NAME, /* the title */
	JOBS_BY_STATE,
	JOBS_BY_DONE,
	JOBS_BY_DOWN,
	JOBS_BY_UP,
	JOBS_SORTS
};
struct jobs_ask {
	enum jobs_sort sort;
	uint32_t states; /* 1 << enum job_state of each; 0: any */
	uint32_t offset; /* so many are left out at the beginning */
	uint32_t limit;	 /* 0: all */
	uint32_t id;	 /* whose place is asked for; 0: nobody's */
};
/* "limit" (1 to JOBS_PAGE_MAX), "offset", "sort" ("id", "name", "state", "done", "down", "up"),
 * "state" (words with commas between them) and "id"; none is needed. Returns 0 or ERR_INVALID. */
int jobs_ask_from_json(struct jobs_ask *a, const json_t *args, struct err_info *info);
/* {"transfers": [...], "total", "offset", "next"}: how many there are of that kind, where among
 * them these begin, and where the next page does, null at the end; with an id "at", its place, null
 * when it is none of them. */
json_t *jobs_list_json(struct jobs *js, const struct jobs_ask *a);
/* {"transfers": [...], "next"}: those numbered above `after`, at most JOBS_PAGE_MAX; the others are
 * above "next", null at the end. */
#define JOBS_PAGE_MAX 500u
json_t *jobs_page_json(struct jobs *js, uint32_t after);
/* {"peers": [...]} of those that are connected. */
json_t *job_peers_json(const struct job *j);
/* What it has, as {"pieces", "have", "cells"}: the pieces in at most JOB_CELLS_MAX runs, of each
 * two hex digits: 00 nothing, ff all of it. 0 pieces: it does not run. */
#define JOB_CELLS_MAX 512u
json_t *job_pieces_json(const struct job *j);
/* Its files, real ones, from the place `from` of the torrent's on: {"files": [{"index", "path",
 * "bytes", "done_bytes", "priority"}, ...], "next"}: at most JOB_FILES_MAX (an answer of bounded
 * length, whatever the torrent), the others from `next` on, null at the end. `done_bytes`, in whole
 * pieces, of one that does not run is what was recorded of it.
 * NULL with the error's sentence: ERR_INVALID (a link whose files are not known yet), or the
 * disk's. */
#define JOB_FILES_MAX 2000u
json_t *job_files_json(const struct job *j, uint32_t from, struct err_info *info);
/* Counts by state, rates, limits, versions. */
json_t *jobs_status_json(struct jobs *js, struct node *node);

/* What can be done to a job by a word and its JSON arguments: "pause", "resume", "recheck",
 * "remove" {"data": bool}, "limit" {"limit_down_bps", "limit_up_bps"}, "priority" {"priority"},
 * "files" {"files": [GLOB, ...], "want": "skip", "low", "normal" or "high"}, "title" {"title"},
 * "item" {"item"}. Of "limit" what is absent stays. Returns 0, ERR_INVALID (no such word, bad
 * argument), or what jobs_*() say.
 */
int jobs_do(struct jobs *js, struct job *j, const char *word, const json_t *args,
	    struct err_info *info);
/* Several of these at once: "limit_down_bps", "limit_up_bps", "priority", "title", "files" with
 * "want", and "paused". Nothing is done when any of it cannot be. Returns as jobs_do(). */
int jobs_change(struct jobs *js, struct job *j, const json_t *args, struct err_info *info);
/* Settings of all together, until the process ends: "max_active", "limit_down_bps",
 * "limit_up_bps"; what is absent stays. Returns 0 or ERR_INVALID. */
int jobs_set(struct jobs *js, struct node *node, const json_t *args, struct err_info *info);

#endif
