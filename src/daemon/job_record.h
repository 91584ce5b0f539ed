/* daemon/job_record.h - what is kept of a job, as bytes. Pure.
 *
 * All integers big-endian and of fixed width; SHA-256 of everything before it at the end.
 *
 *   "SHOALJOB" | version u32 | fields | sha256 32
 *   field:  tag u16 | length u32 | that many bytes; strings without NUL, lists as fields in a row
 *
 * Fields with unknown tags are passed over, so that a newer shoal may add some.
 *
 *   "SHOALSUM" | version u32 | entries u32
 *   | each: id u32 | down u64 | up u64 | done u64 | sha256 32
 *
 * The second is one file for all jobs, so that what grows all the time costs one write and not a
 * thousand. */
#ifndef SHOAL_DAEMON_JOB_RECORD_H
#define SHOAL_DAEMON_JOB_RECORD_H

#include "base/buf.h"
#include "base/digest.h"
#include "base/seed_limit.h"
#include "store/stamp.h"

#define JOB_RECORD_VERSION 1u
/* A record (attack: none, it is our own; but what lies there may be something else). */
#define JOB_RECORD_BYTES_MAX (2u << 20)
#define JOB_TOTALS_BYTES_MAX (4u << 20)

/* A list of strings, NULL-ended; NULL when it is empty. Owns both. */
struct job_record {
	uint32_t id;
	bool seed;     /* was complete when it was added */
	bool complete; /* is now */
	bool paused, no_seed, preallocate;
	struct seed_limit seed_limit; /* once it is reached, no_seed */
	bool erase;		      /* is being removed, and its data with it */
	bool has_v1, has_v2;
	uint8_t hash_v1[SHA1_LEN], hash_v2[SHA256_LEN];
	bool has_stamp, has_replaces;
	struct stamp stamp;    /* of complete data that is known to be right */
	struct stamp replaces; /* download: what may be replaced at the end */
	int32_t priority;
	uint64_t down_bps, up_bps; /* limits */
	uint64_t total_bytes;
	int64_t added_at, completed_at;
	char *path, *title, *name;
	char **also;		   /* further titles, the newest last */
	uint32_t webseeds_nearest; /* enum addr_scope */
	char **trackers, **webseeds;
	char *index, *pin, *token; /* NULL: none */
	uint8_t *item;		   /* as in struct job_spec; NULL: none */
	size_t item_len;
	uint32_t order; /* enum swarm_order */
	/* Of a folder: how many real files there are and are wanted, 0: not known; the bytes of
	 * those; and an enum want for each of the torrent's files, `wanted` NULL: all. */
	uint32_t files, wanted_files;
	uint64_t wanted_bytes;
	uint8_t *wanted;
	uint32_t n_wanted;
	/* What is known before there is a torrent; NULL: there is one. `path` is the folder it goes
	 * into then, if `into`. */
	char *magnet;
	bool into;
	/* Of its files these patterns are wanted: while it is a link, or follows. */
	char **only;
	/* The entry of an index that it is; NULL: it is none. */
	char *owner, *entry;
	uint32_t version;
	char *follow, *watch; /* as in struct job_spec; NULL: no */
	/* Of what follows: what was said of its files since, which newer versions go by, too: rules
	 * of one "=WANT" and the patterns "+GLOB" of its files, a later rule beating an earlier
	 * one. */
	char **rules;
};

int job_record_encode(const struct job_record *r, struct buf *out);
/* Returns 0, ERR_PROTO (damaged, cut short, other version, something missing) or ERR_NOMEM.
 * Owns: job_record_fini(), also after an error. */
int job_record_decode(struct bytes in, struct job_record *r);
void job_record_fini(struct job_record *r);

struct job_total {
	uint32_t id;
	uint64_t down, up, done;
};
int job_totals_encode(const struct job_total *list, size_t n, struct buf *out);
/* Owns: *out is the caller's (free). */
int job_totals_decode(struct bytes in, struct job_total **out, size_t *n);

/* Another item, or none. Returns 0 or ERR_NOMEM. */
int job_record_set_item(struct job_record *r, struct bytes item);

/* A copy of a list. Returns 0, ERR_TOO_BIG beyond `max`, or ERR_NOMEM. Owns: job_list_free(). */
int job_list_copy(const char *const *list, size_t max, char ***out);
/* One more at its end, a copy. Returns 0 or ERR_NOMEM: it is what it was. */
int job_list_add(char ***list, const char *text);
void job_list_free(char **list);
size_t job_list_len(char *const *list);

#endif
