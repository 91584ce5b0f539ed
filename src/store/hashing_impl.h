/* store/hashing_impl.h - shared by hashing.c (who does what when), hashing_claim.c (what a unit
 * is) and hashing_unit.c (what is hashed of it). Private to them.
 *
 * The piece space is cut, in order, into units of at most UNIT_BYTES of data. A worker reads a
 * unit once and makes of it what stands alone: leaves, whole v1 pieces, whole files. What runs
 * on from one unit to the next is left to three streams that take the units in order:
 *
 *   units       |  0  |  1  |  2  |  3  |  4  |        a unit's memory is used again
 *   plain              ^next                           when all streams are past it
 *   sha1                     ^next
 *   tree                     ^next
 *
 * Any worker may do the next step of a stream, one at a time; streams come before reading,
 * since the plain SHA-256 of one large file is the longest chain of all. */
#ifndef SHOAL_STORE_HASHING_IMPL_H
#define SHOAL_STORE_HASHING_IMPL_H

#include "meta/metainfo.h"
#include "store/hashing.h"

/* Small enough that all units of a thread stay in its core's second-level cache, from reading to
 * the last hash: memory that is written over while it is there costs the reader a quarter less. */
#define UNIT_BYTES (256u << 10)
#define UNIT_BLOCKS (UNIT_BYTES / BLOCK_BYTES)
#define UNIT_LEVEL 4u /* log2 of UNIT_BLOCKS */
#define UNIT_PARTS_MAX 256u
/* Pieces side by side are worth more than that cache, as SHA-1 goes: where longer ones fit into so
 * much memory for all units, as many as are fastest or two by two, units are that large. */
#define UNIT_SIDES_BYTES_MAX (32u << 20)
/* Pads have no bytes to read but cost SHA-1 all the same. */
#define UNIT_PADS_MAX (8u << 20)

/* A file while it is read. */
struct hashing_source {
	int fd;
	size_t file;
	unsigned users;	       /* units that read from it, and the cursor */
	struct timespec mtime; /* when it was opened */
};

/* A run of one file's bytes in a unit. */
struct hashing_part {
	size_t file;
	uint64_t offset; /* in the file */
	uint64_t at;	 /* in the piece space */
	uint64_t length;
	size_t in_buffer;	       /* where it lies in the unit's memory */
	struct hashing_source *source; /* NULL: the whole file, opened by the worker */
};

enum unit_phase { UNIT_CLAIMED, UNIT_READ, UNIT_DONE };

struct hashing_unit {
	uint8_t *data; /* unit_bytes of the task */
	struct hashing_part *parts;
	size_t n_parts;
	uint64_t begin, end;	  /* of the piece space, pads included */
	uint64_t bytes;		  /* of files */
	bool whole_pieces;	  /* else a part of a single piece */
	bool streamed;		  /* one piece longer than the memory, read in slices */
	bool crossing;		  /* holds a part of a file that is not whole here */
	uint8_t node[SHA256_LEN]; /* of a part of a piece: the top over its leaves */
	enum unit_phase phase;
};

/* SHA-1 along the piece space. */
struct hashing_feed {
	struct digest *sha1;
	uint64_t pos;
};

enum { STREAM_PLAIN, STREAM_SHA1, STREAM_TREE, N_STREAMS };

struct hashing_stream {
	uint64_t next; /* unit */
	bool wanted, busy;
};

/* Where the next unit begins. */
struct hashing_cursor {
	uint64_t pos;		       /* in the piece space */
	size_t file;		       /* the first file not yet passed */
	uint64_t at;		       /* where that file begins */
	struct hashing_source *source; /* of that file, when a unit ended inside it */
};

struct hashing_worker {
	struct digest *sha1, *sha256;
	struct digest_many *many;
	uint8_t *leaves;
};

/* What the work is about; the rest of the run is hashing.c's. */
struct hashing_task {
	const struct hashing_params *p;
	uint64_t piece; /* length; for plain alone any */
	size_t unit_bytes;
	uint64_t space_end;
	uint64_t total_bytes;
	uint8_t *pieces_v1; /* NULL without v1 */
	struct hashing_cursor cursor;
	/* of the streams */
	struct digest *plain;
	struct hashing_feed feed;
	uint8_t *gather; /* tops of the units of one piece */
};

static inline uint64_t hashing_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline const struct hashing_file *hashing_file_of(const struct hashing_task *t, size_t i)
{
	return &t->p->files[i];
}

static inline bool part_is_last(const struct hashing_task *t, const struct hashing_part *part)
{
	return part->length == hashing_file_of(t, part->file)->length - part->offset;
}

static inline bool part_is_whole(const struct hashing_task *t, const struct hashing_part *part)
{
	return part->offset == 0 && part_is_last(t, part);
}

/* Opening fails with ERR_MISMATCH when the length is not as listed, closing when the file was
 * written to meanwhile. */
int hashing_source_open(const struct hashing_task *t, size_t file, struct hashing_source *s,
			struct err_info *info);
int hashing_source_close(const struct hashing_task *t, struct hashing_source *s,
			 struct err_info *info);
int hashing_source_read(const struct hashing_task *t, const struct hashing_source *s,
			uint64_t offset, struct span to, struct err_info *info);

/* Check that the parameters go together, and find `piece`, `space_end`, `total_bytes`. */
int hashing_task_check(struct hashing_task *t, struct err_info *info);

/* Fill `u` with what comes next. Returns 1, 0 when nothing is left, or an enum err. One
 * caller at a time. */
int unit_claim(struct hashing_task *t, struct hashing_unit *u, struct err_info *info);
/* Read its bytes, unless it is streamed. */
int unit_read(struct hashing_task *t, struct hashing_unit *u, struct err_info *info);
/* Everything that stands alone. */
int unit_hash(struct hashing_task *t, struct hashing_worker *w, struct hashing_unit *u,
	      struct err_info *info);
/* The unit reads no more. One caller at a time, and not beside unit_claim(). */
int unit_release(struct hashing_task *t, struct hashing_unit *u, struct err_info *info);
/* Does stream `s` have anything to do with this unit; and do it. */
bool unit_has_step(const struct hashing_task *t, const struct hashing_unit *u, int s);
void unit_step(struct hashing_task *t, const struct hashing_unit *u, int s);
/* Close what an abandoned run still has open. */
void unit_drop(struct hashing_task *t, struct hashing_unit *u);
void hashing_task_drop(struct hashing_task *t);

#endif
