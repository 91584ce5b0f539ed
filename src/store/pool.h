/* store/pool.h - worker threads that hash and touch the disk, so the loop never waits.
 *
 * The loop thread owns all state. It hands a job over and gets the same job back; while a
 * job is out, only its worker looks inside. */
#ifndef SHOAL_STORE_POOL_H
#define SHOAL_STORE_POOL_H

#include "base/bytes.h"
#include "base/digest_many.h"
#include "base/err.h"

/* What a worker keeps for itself, lent to each job it runs. */
struct pool_worker {
	struct digest *sha1;
	struct digest_many *many;
	uint8_t *scratch; /* POOL_SCRATCH_BYTES */
};
#define POOL_SCRATCH_BYTES (256u * 1024u)

/* Put first in a larger struct. `run` is called on a worker, then `done` on the loop
 * thread by pool_drain(), which may free the job.
 *
 * Jobs that have the same `run_many` are done quicker by that than one after the other, `many` of
 * them at best, so one that has it (else NULL) is patient: it waits for others, three quarters of
 * `many`, while workers have other work, though not for more than POOL_PATIENCE jobs for each. */
#define POOL_MANY_MAX 16u
#define POOL_PATIENCE 4u
struct pool_job {
	void (*run)(struct pool_job *job, struct pool_worker *w);
	void (*run_many)(struct pool_job **jobs, size_t n, struct pool_worker *w);
	unsigned many; /* 2 to POOL_MANY_MAX; the same in all of one `run_many` that go together */
	void (*done)(struct pool_job *job);
	struct pool_job *next; /* the pool's */
};

/* Memory for received payload is dealt out in slabs: a run of up to POOL_SLAB_BLOCKS
 * consecutive blocks of one piece, written and hashed as one. */
#define POOL_SLAB_BLOCKS 16u
#define POOL_SLAB_BYTES (POOL_SLAB_BLOCKS * 16384u)
/* All slabs of one process; when they are out, sockets wait (attack: many peers each
 * sending the beginning of a different piece). */
#define POOL_SLABS_DEFAULT 96u
/* In a row; a v1 piece that is verified from memory is no longer. */
#define POOL_SLABS_AT_ONCE_MAX 64u

struct pool;

/* `workers` 0: one per core, at least 1, at most 8. `slabs` 0: the default.
 * Returns 0, ERR_NOMEM or ERR_IO. */
int pool_new(unsigned workers, unsigned slabs, struct pool **out, struct err_info *info);
unsigned pool_workers(const struct pool *p);
/* Waits for the jobs that are out, calls their done(), then ends the threads. */
void pool_free(struct pool *p);

/* Never blocks; order is kept only between jobs of one submitter that waits in between. */
void pool_submit(struct pool *p, struct pool_job *job);

/* Readable when pool_drain() has something to do. */
int pool_fd(const struct pool *p);
/* Calls done() of every finished job. Returns how many. */
size_t pool_drain(struct pool *p);
/* Block until at least one job is finished (for programs without a loop). */
void pool_wait(struct pool *p);

/* `n` slabs in a row, or NULL when so many are not left, or not in a row: one alone always is, as
 * far as there is memory. Give them back as they were taken. Loop thread only, as all below. */
uint8_t *pool_slabs_take(struct pool *p, unsigned n);
void pool_slabs_give(struct pool *p, uint8_t *slabs, unsigned n);
/* Gives memory back to the system when no slab was taken since the last call: about once a second,
 * for in the middle of a transfer it would be wanted again at once. */
void pool_slabs_trim(struct pool *p);
unsigned pool_slabs_free(const struct pool *p);
/* At most so many. */
unsigned pool_slabs_max(const struct pool *p);
unsigned pool_slabs_taken(const struct pool *p);
/* From now on at most so many, 0: the default; what is taken beyond that goes when it is given
 * back. */
void pool_limit_slabs(struct pool *p, unsigned slabs);

/* One object for all who share the pool (store.h keeps its events and open files there).
 * pool_free() hands it to `drop` after the last job. */
void pool_set_shared(struct pool *p, void *shared, void (*drop)(void *shared));
void *pool_shared(const struct pool *p);

#endif
