/* store/catalogue_db.h - the catalogue on SQLite, behind an interface another engine can
 * serve. Every write that returns 0 is durable (WAL, synchronous=FULL). */
#ifndef SHOAL_STORE_CATALOGUE_DB_H
#define SHOAL_STORE_CATALOGUE_DB_H

#include "meta/entry.h"
#include "meta/metainfo.h"

#define CATALOGUE_PAGE_MAX 500u
#define CATALOGUE_NEAR_MAX 32u
#define CATALOGUE_SCAN_MAX 20000u
/* Virtual-machine steps one search may take before it is stopped: measured at 12 to 50 ns each,
 * so at most about 200 ms (O-31). What FTS5 does within a step has no such measure: such searches
 * are stopped by the time that they have taken of a core. */
#define CATALOGUE_STEPS_MAX 4000000
#define CATALOGUE_CPU_MS_MAX 500

struct catalogue_db;

#define CATALOGUE_FILE "catalogue.db"
/* Open or make `dir`/CATALOGUE_FILE, and bring an older one up to date. ERR_IO / ERR_DENIED /
 * ERR_PROTO (damaged or newer) with the sentence. */
int catalogue_db_open(const char *dir, struct catalogue_db **out, struct err_info *info);
/* The same for another program than its index, which may be running, and be of an older shoal. What
 * is older stays as it is: `to_copy` it alone is good for a backup and for nothing else, otherwise
 * it is ERR_AGAIN. */
int catalogue_db_open_beside(const char *dir, bool to_copy, struct catalogue_db **out,
			     struct err_info *info);
void catalogue_db_close(struct catalogue_db *db);

#define CATALOGUE_ID_LEN 16
/* By chance, when it was made; a copy of it has the same. */
int catalogue_db_id(struct catalogue_db *db, uint8_t out[CATALOGUE_ID_LEN], struct err_info *info);

struct catalogue_file {
	const char *path;
	uint64_t length;
	bool has_sha256;
	uint8_t sha256[SHA256_LEN];
};

/* Who asked for a change; it goes into the audit table with it. */
struct catalogue_actor {
	const char *address; /* of the connection */
	const char *token;   /* the name of the one that it took; NULL or empty: none */
	int64_t now;	     /* Unix seconds, by the index's clock */
};

enum catalogue_change {
	CATALOGUE_SAME,	   /* it was there already */
	CATALOGUE_ADDED,   /* a new row */
	CATALOGUE_UPDATED, /* what is said about it changed: same id and version */
};

/* Store an entry with its .torrent and files, all or nothing. Rules:
 *   - an owner not seen before is bound to e->key; another key is ERR_DENIED ("name taken");
 *   - the same owner, name and content as the newest keeps its id and version; with a later
 *     published_at and another description, tags or notes, those are replaced, with the same
 *     published_at: ERR_MISMATCH;
 *   - the same owner and name with other content becomes version + 1: the newest is what was
 *     published last. So does content of an older version that is published once more; a number
 *     is dealt out once, also when its version was unpublished;
 *   - not signed after the name was last unpublished, or, of content of an older version, before
 * the newest or not after that older one: ERR_MISMATCH. Anybody can repeat what was signed. On
 * success e->id and e->version are set. Returns 0, ERR_DENIED, ERR_NOSPACE, ERR_IO; ERR_AGAIN when
 * another program keeps it locked. */
int catalogue_db_publish(struct catalogue_db *db, const struct catalogue_actor *who,
			 struct entry *e, struct bytes torrent, const struct catalogue_file *files,
			 size_t n_files, enum catalogue_change *change, struct err_info *info);
/* Remove one version (0: all) of e->owner / e->name as of e->published_at, or of the latest such
 * date among those removed. ERR_NOENT, or
 * ERR_DENIED when e->key is not its owner's, which `admin` passes over. *removed counts. */
int catalogue_db_unpublish(struct catalogue_db *db, const struct catalogue_actor *who,
			   const struct entry *e, bool admin, uint32_t *removed,
			   struct err_info *info);

struct catalogue_audit {
	uint64_t id;
	int64_t at;
	const char *address, *action; /* "publish", "update", "unpublish", "admin unpublish",
				       * "add token", "revoke token" (name: the token's) */
	const char *owner, *name;
	const char *token; /* the name of the one that it took; "": none */
	uint32_t version;  /* 0: all */
	bool has_key;
	uint8_t key[SIGN_KEY_LEN];
};
/* Changes, newest first, from ids below `before_id` (0: the newest) on. Strings are borrowed for
 * the call of `each`; a non-zero return stops. */
int catalogue_db_audit(struct catalogue_db *db, uint64_t before_id, uint32_t limit,
		       int (*each)(void *user, const struct catalogue_audit *a), void *user,
		       struct err_info *info);
/* Copy the whole catalogue as of now into a new file (0600), while it is in use. ERR_EXISTS when
 * something is at `path`; else as publish. */
int catalogue_db_backup(struct catalogue_db *db, const char *path, struct err_info *info);

/* ---- tokens ---- */

/* What a token is good for; each right has those before it, too. */
enum catalogue_right { RIGHT_NONE, RIGHT_READ, RIGHT_PUBLISH, RIGHT_ADMIN };

#define CATALOGUE_TOKEN_NAME_MAX 64u
/* Tokens of one index, all of which are read again after each change; so many of the newest revoked
 * ones are remembered, too. */
#define CATALOGUE_TOKENS_MAX 10000u
/* This one has no secret: its right is that of those who show no token. */
#define CATALOGUE_ANONYMOUS "anonymous"

struct catalogue_token {
	char name[CATALOGUE_TOKEN_NAME_MAX + 1];
	uint8_t hash[SHA256_LEN]; /* of the secret, which is kept nowhere; zeros for anonymous */
	enum catalogue_right right;
	int64_t created_at;
};
/* ERR_EXISTS when the name is taken, ERR_TOO_BIG over CATALOGUE_TOKENS_MAX. */
int catalogue_db_token_add(struct catalogue_db *db, const struct catalogue_actor *who,
			   const struct catalogue_token *t, struct err_info *info);
/* ERR_NOENT when there is none of this name. */
int catalogue_db_token_revoke(struct catalogue_db *db, const struct catalogue_actor *who,
			      const char *name, struct err_info *info);
/* All of them by name. Owns: *out is the caller's (free); NULL when there are none. */
int catalogue_db_tokens(struct catalogue_db *db, struct catalogue_token **out, size_t *n,
			struct err_info *info);
/* The hashes of those that were revoked, in order. Owns: as above. */
int catalogue_db_revoked(struct catalogue_db *db, uint8_t (**out)[SHA256_LEN], size_t *n,
			 struct err_info *info);
/* Changes whenever another connection (`shoal index token`) has changed the catalogue. */
int catalogue_db_foreign_version(struct catalogue_db *db, int64_t *out, struct err_info *info);

enum catalogue_sort { CATALOGUE_NEWEST, CATALOGUE_BY_NAME, CATALOGUE_LARGEST, CATALOGUE_SORTS };

struct catalogue_query {
	const char *match;	   /* an FTS5 expression made by index/query.h, or NULL for all */
	const char *owner;	   /* exact, or NULL */
	const char *name;	   /* exact, or NULL */
	const uint8_t *swarm_hash; /* 20 bytes: v1, or the head of v2; or NULL */
	uint32_t version;	   /* exact, 0 any */
	bool latest;		   /* of each owner's name the newest version alone */
	uint64_t before_id;	   /* paging: only ids below this; 0 from the newest */
	enum catalogue_sort sort;
	uint32_t offset; /* paging of other orders than CATALOGUE_NEWEST: rows to skip */
	uint32_t limit;	 /* 1..CATALOGUE_PAGE_MAX */
};

/* Fills up to q->limit rows. Returns 0, ERR_TIMEOUT (search too costly),
 * ERR_INVALID (limit, or a match that is no expression), ERR_IO. */
int catalogue_db_find(struct catalogue_db *db, const struct catalogue_query *q, struct entry *rows,
		      size_t *n, struct err_info *info);
/* What tells an entry's swarms. */
struct catalogue_swarms {
	uint64_t id;
	bool has_v1, has_v2;
	uint8_t hash_v1[SHA1_LEN], hash_v2[SHA256_LEN];
};
/* The same for up to CATALOGUE_SCAN_MAX rows at the cost of one search, `each` called for one after
 * the other; a non-zero return stops. `each` may not search. */
int catalogue_db_scan(struct catalogue_db *db, const struct catalogue_query *q,
		      int (*each)(void *user, const struct catalogue_swarms *row), void *user,
		      struct err_info *info);
int catalogue_db_get(struct catalogue_db *db, uint64_t id, struct entry *out,
		     struct err_info *info);
/* Appends to `out` (initialised by the caller). One that is longer than that takes costs no more
 * than a look: ERR_TOO_BIG. */
int catalogue_db_torrent(struct catalogue_db *db, uint64_t id, struct buf *out,
			 struct err_info *info);
/* Calls `each` per file in order; a non-zero return stops. */
int catalogue_db_files(struct catalogue_db *db, uint64_t id,
		       int (*each)(void *user, const struct catalogue_file *f), void *user,
		       struct err_info *info);
/* Names like `name` (edit distance or prefix), best first, for "did you mean". One row per
 * owner and name, at most CATALOGUE_NEAR_MAX, from among the newest 20,000 entries. */
int catalogue_db_near(struct catalogue_db *db, const char *name, struct entry *rows, size_t cap,
		      size_t *n, struct err_info *info);
void catalogue_db_count(const struct catalogue_db *db, uint64_t *entries, uint64_t *bytes);

#endif
