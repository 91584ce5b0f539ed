/* store/pool_impl.h - the pool's state, for pool.c (workers and jobs) and pool_slabs.c (memory). */
#ifndef SHOAL_STORE_POOL_IMPL_H
#define SHOAL_STORE_POOL_IMPL_H

#include <pthread.h>

#include "store/pool.h"

#define POOL_WORKERS_MAX 8u

struct job_list {
	struct pool_job *head, **tail;
};

/* Slabs that lie one behind the other in memory that was asked for at once. */
struct slab_chunk {
	uint8_t *mem;
	unsigned n;
	bool big;	/* in big pages */
	uint64_t taken; /* bit i: slab i */
};

struct pool {
	pthread_mutex_t lock; /* guards what is below, up to `stop` */
	pthread_cond_t work;
	struct job_list waiting, patient, finished;
	unsigned passed; /* jobs taken while a patient one waited */
	unsigned idle;	 /* workers that wait for work */
	unsigned running, running_patient;
	bool stop;
	int wake_fd; /* eventfd: counts up when `finished` stops being empty */
	unsigned n_workers;
	pthread_t threads[POOL_WORKERS_MAX];
	struct worker *workers;

	/* the loop thread's */
	size_t out;		   /* submitted, done() not called yet */
	struct job_list ready;	   /* of them, those on their way to done() */
	struct slab_chunk *chunks; /* in the order they were asked for */
	unsigned n_chunks;
	uint32_t chunks_room;
	unsigned slabs_held; /* in all chunks */
	unsigned slabs_taken, slabs_max;
	bool slabs_used; /* since the last trim */
	void *shared;
	void (*drop)(void *shared);
};

/* At the end: whatever is taken or not. */
void pool_slabs_drop(struct pool *p);

#endif
