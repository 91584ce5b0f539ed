#include "cli/share_batch.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "cli/background.h"

/* Small ones are published so many, or for so long, at a time before they are served. */
#define BATCH_MAX 16u
#define BATCH_MS 50
#define BATCH_FILE_BYTES (1 << 20)

struct share_batch {
	struct share_batch_params p;
	struct background *background; /* NULL: all is over */
	size_t first;		       /* of the list */
	struct publication list[BATCH_MAX];
	size_t n;
	struct err_info why; /* of the one after those, which was */
	bool asked;	     /* put to the index */
	atomic_bool stop;
	struct build_aside aside;
};

static int64_t clock_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct share_item next_item(const struct share_batch *b)
{
	return b->p.item(b->p.user, b->first + b->n);
}

/* Are the others worth waiting for the next one? */
static bool goes_on(const struct share_batch *b, int64_t end_ms)
{
	struct stat st;

	return b->n < BATCH_MAX && b->first + b->n < b->p.n && clock_ms() < end_ms &&
	       stat(next_item(b).path, &st) == 0 && S_ISREG(st.st_mode) &&
	       st.st_size <= BATCH_FILE_BYTES;
}

static void publish(void *arg)
{
	struct share_batch *b = arg;
	int64_t end_ms = clock_ms() + BATCH_MS;

	do {
		struct share_item it = next_item(b);
		struct publication *p = &b->list[b->n];

		if (publish_path(&b->p.publisher, it.path, NULL, it.record, &b->aside, p,
				 &b->why) != OK) {
			b->asked = p->asked;
			publication_fini(p);
			return;
		}
		b->n++;
	} while (goes_on(b, end_ms));
}

static void drop(struct share_batch *b)
{
	background_free(b->background);
	b->background = NULL;
	for (size_t i = 0; i < b->n; i++)
		publication_fini(&b->list[i]);
	b->first += b->n;
	b->n = 0;
}

static int begin(struct share_batch *b, struct err_info *info);

/* Else the others would hear the same. `asked`: by the index, or whoever serves it. */
static bool is_of_one_alone(enum err code, bool asked)
{
	switch (code) {
	case ERR_INVALID:
	case ERR_TOO_BIG:
	case ERR_PROTO:
	case ERR_MISMATCH:
		return true;
	case ERR_NOENT:
	case ERR_DENIED:
	case ERR_EXISTS:
	case ERR_IO:
		return !asked;
	default:
		return false;
	}
}

/* What is left is an error that ends it all, or none. */
static void take_failure(struct share_batch *b, struct err_info *why, bool asked)
{
	if (!is_of_one_alone(why->code, asked))
		return;
	b->p.failed(b->p.user, why);
	why->code = OK;
}

/* They are on the index: serve them, while the next ones are published. */
static void on_published(void *arg)
{
	struct share_batch *b = arg;
	struct err_info why = {.code = OK};
	bool one_more = b->why.code != OK;

	for (size_t i = 0; i < b->n && !atomic_load(&b->stop) && why.code == OK; i++) {
		(void)b->p.use(b->p.user, b->first + i, &b->list[i], &why);
		/* No owner's name is taken any more: it is this content that is here. */
		take_failure(b, &why, why.code != ERR_EXISTS);
	}
	if (why.code == OK && !atomic_load(&b->stop)) {
		why = b->why;
		take_failure(b, &why, b->asked);
	}
	drop(b);
	b->first += one_more;
	if (atomic_load(&b->stop))
		return;
	if (why.code == OK && b->first < b->p.n && begin(b, &why) == OK)
		return;
	b->p.ended(b->p.user, &why);
}

static int begin(struct share_batch *b, struct err_info *info)
{
	b->why.code = OK;
	b->asked = false;
	atomic_store(&b->aside.total, 0);
	return background_begin(b->p.loop, publish, on_published, b, &b->background, info);
}

int share_batch_new(const struct share_batch_params *p, struct share_batch **out,
		    struct err_info *info)
{
	struct share_batch *b = calloc(1, sizeof(*b));
	int err;

	if (b == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	b->p = *p;
	b->aside.stop = &b->stop;
	index_client_stop_on(p->publisher.index, &b->stop);
	err = begin(b, info);
	if (err != OK) {
		share_batch_free(b);
		return err;
	}
	*out = b;
	return OK;
}

void share_batch_stop(struct share_batch *b)
{
	if (b != NULL)
		atomic_store(&b->stop, true);
}

bool share_batch_progress(const struct share_batch *b, uint64_t *done, uint64_t *total)
{
	if (b == NULL || b->background == NULL)
		return false;
	*done = atomic_load(&b->aside.done);
	*total = atomic_load(&b->aside.total);
	return true;
}

void share_batch_free(struct share_batch *b)
{
	if (b == NULL)
		return;
	share_batch_stop(b);
	drop(b);
	index_client_stop_on(b->p.publisher.index, NULL);
	free(b);
}
