/* store/hashing.h - one read of the data gives every hash a publication needs. */
#ifndef SHOAL_STORE_HASHING_H
#define SHOAL_STORE_HASHING_H

#include "base/digest_many.h"
#include "base/err.h"
#include "store/root.h"

/* More workers than this have nothing to do: the plain SHA-256 of a file is one stream. */
#define HASHING_THREADS_MAX 64u

/* A file while it was read: what was written to it since has left another of these. */
struct hashing_seen {
	struct timespec mtime;
	ino_t ino;
};

/* A file to hash, in torrent order. */
struct hashing_file {
	const char *path; /* beneath the root, '/'-joined; borrowed */
	uint64_t length;  /* bytes, as listed; another length when read is ERR_MISMATCH */
	uint64_t offset;  /* v1: in the piece space (create_offsets); v2-only: not looked at */
	/* results */
	uint8_t root[SHA256_LEN];   /* v2 */
	uint8_t *layer;		    /* v2, longer than one piece: 32 bytes a piece; owned by the
				       hashing, freed with it; else NULL */
	uint8_t sha256[SHA256_LEN]; /* plain */
	struct hashing_seen seen;
};

struct hashing_params {
	const struct root *root;
	struct hashing_file *files;
	size_t n_files;
	uint64_t space_bytes; /* v1: end of the piece space */
	uint32_t piece_length;
	bool v1, v2, plain; /* which hashes are wanted */
	unsigned threads;   /* 0: one per core */
	/* Called now and then on the calling thread, which takes part in the work; returning
	 * false cancels. May be NULL. */
	bool (*progress)(void *user, uint64_t done_bytes, uint64_t total_bytes);
	void *user;
};

struct hashing {
	uint8_t *pieces_v1; /* 20 bytes a piece, pads hashed as zeros */
	size_t n_pieces_v1;
};

/* Hash everything, on all cores, reading each byte from disk once.
 * Returns 0; ERR_NOENT, ERR_DENIED, ERR_IO; ERR_MISMATCH when a file changed while it was read;
 *         ERR_CANCELLED; ERR_NOMEM; ERR_INVALID when lengths, offsets and piece length do not go
 *         together. Nothing is kept on error.
 * Limit:  memory is bounded (32 MiB of data, or 1 MiB a thread), whatever the file sizes, but for
 *         the results. */
int hashing_run(const struct hashing_params *p, struct hashing *out, struct err_info *info);
void hashing_fini(struct hashing *h, struct hashing_file *files, size_t n_files);

#endif
