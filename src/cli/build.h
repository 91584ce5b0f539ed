/* cli/build.h - from a path on disk to a finished torrent: its files are found and hashed, its
 * metainfo is written. */
#ifndef SHOAL_CLI_BUILD_H
#define SHOAL_CLI_BUILD_H

#include <jansson.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "cli/opts.h"
#include "meta/metainfo.h"
#include "store/hash_record.h"
#include "store/hashing.h"

/* What is said where the home lies in what is shared. */
#define BUILD_OF_HOME "this peer's home, which has its key, is left out"
/* What is said of a torrent of empty files alone. */
#define BUILD_NO_DATA "no data in it: most other clients refuse such a torrent"

struct build {
	struct buf torrent;    /* the .torrent */
	struct metainfo *meta; /* the same, taken apart */
	char *data_path; /* the file or folder that `meta` describes: `path`, or the only file in
			    it where v2 cannot tell the two apart (BEP 52, rootless trees) */
	json_t *sha256;	 /* one hex string per real file, in torrent order; NULL unless asked */
	struct hashing_seen *seen; /* one for each real file, in torrent order */
	uint32_t skipped;	   /* links and special files left out */
	char *skipped_first;	   /* the path of one of them beneath `path`; NULL: none */
	uint32_t of_home;	   /* files of this peer's home that were left out, too */
};

/* A build that runs on a thread of its own, as others see it. */
struct build_aside {
	const atomic_bool *stop;	  /* once it is true the build ends soon: ERR_CANCELLED */
	atomic_uint_fast64_t done, total; /* bytes that were hashed so far, and shall be */
};

/* Hash `path` and write its metainfo, with progress on a terminal. Taken from `o`: v1_only,
 * v2_only, exclude, piece_length, trackers, private, comment, quiet. `tracker` (may be NULL) comes
 * before those of `o`. `plain`: also each file's own SHA-256, in the same read. Returns 0, or the
 * error with its sentence: ERR_MISMATCH when a file was changed before all were hashed. Owns: *out
 * is the caller's: build_fini(). */
int build_torrent(const struct opts *o, const char *path, const char *tracker, bool plain,
		  struct build *out, struct err_info *info);
/* The same with `plain` for a share that may have been hashed before: what `record` knows of it is
 * not read again, and it holds what is known now. With `aside` it prints nothing. With o->watch,
 * pieces stay as long as they were unless there would be far too many or few of them. */
int build_share(const struct opts *o, const char *path, const char *tracker,
		struct hash_record *record, struct build_aside *aside, struct build *out,
		struct err_info *info);
/* Are its files yet as they were when they were hashed? Returns 0; ERR_MISMATCH with the sentence
 * about the first that is not; or why nobody could look. */
int build_look(const struct build *b, struct err_info *info);
void build_fini(struct build *b);

#endif
