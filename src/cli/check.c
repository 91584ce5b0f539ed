#include "cli/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "meta/merkle.h"
#include "store/pool.h"

#define JOBS_OUT 16u
#define TOGETHER_MAX 16u
/* Of all v1 pieces that are in memory to be hashed together. */
#define MEMORY_MAX (32u << 20)

/* Some pieces on their way through a worker. */
struct job {
	struct pool_job pool; /* first */
	struct run *run;
	struct job *next; /* of those that have nothing to do */
	uint32_t first, n;
	uint8_t state[TOGETHER_MAX];
	uint8_t *memory; /* of so many pieces of the run; NULL: one, through the worker's scratch */
	struct err_info trouble;
};

struct run {
	const struct check_params *p;
	struct check *c;
	struct pool *pool;
	uint32_t together;
	struct job jobs[JOBS_OUT], *idle;
	uint32_t n_jobs, out; /* with the pool */
	uint64_t done_bytes;
};

/* What one job reads through: the file it has open, the hashes it makes. */
struct reader {
	const struct check_params *p;
	struct pool_worker *w;
	uint32_t file; /* open now; n_files: none */
	int fd;
	uint8_t *leaves;
	struct job *job;
};

static const char *disk_path(const struct check_params *p, const struct meta_file *f)
{
	return p->single_name != NULL ? p->single_name : f->path;
}

/* ---- on a worker ------------------------------------------------------------ */

static void reader_close(struct reader *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
}

/* Of several in one job the first is told. */
static enum check_state unreadable(struct reader *r, const struct err_info *why)
{
	if (r->job->trouble.code == OK)
		r->job->trouble = *why;
	return CHECK_UNREADABLE;
}

static enum check_state reader_open(struct reader *r, uint32_t file)
{
	const struct meta_file *f = &r->p->meta->files[file];
	struct err_info why = {0};
	int fd;

	if (r->fd >= 0 && r->file == file)
		return CHECK_GOOD;
	reader_close(r);
	/* O_NONBLOCK: a pipe in the file's place is not waited for. */
	fd = root_openat(r->p->root, disk_path(r->p, f), O_RDONLY | O_NONBLOCK, 0, &why);
	if (fd == ERR_NOENT)
		return CHECK_MISSING;
	if (fd < 0)
		return unreadable(r, &why);
	r->fd = fd;
	r->file = file;
	return CHECK_GOOD;
}

static enum check_state read_file(struct reader *r, uint32_t file, uint64_t at, struct span to)
{
	const struct meta_file *f = &r->p->meta->files[file];
	struct err_info why = {0};
	enum check_state state;
	size_t n = 0;

	if (f->flags & META_FILE_PAD) {
		memset(to.ptr, 0, to.len);
		return CHECK_GOOD;
	}
	if (f->flags & META_FILE_SYMLINK)
		return CHECK_MISSING; /* never made on disk, has no bytes to give */
	state = reader_open(r, file);
	while (state == CHECK_GOOD && n < to.len) {
		ssize_t got = pread(r->fd, to.ptr + n, to.len - n, (off_t)(at + n));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			(void)root_errno(&why, disk_path(r->p, f), errno);
			return unreadable(r, &why);
		}
		if (got == 0)
			return CHECK_MISSING;
		n += (size_t)got;
	}
	return state;
}

/* Of the piece space from `at`, across files, pads included. */
static enum check_state read_space(struct reader *r, uint64_t at, struct span to)
{
	const struct metainfo *m = r->p->meta;
	enum check_state state = CHECK_GOOD;

	while (to.len > 0 && state == CHECK_GOOD) {
		uint32_t file = meta_file_at(m, at);
		const struct meta_file *f = &m->files[file];
		uint64_t left = f->length - (at - f->offset);
		struct span part = {to.ptr, left < to.len ? (size_t)left : to.len};

		state = read_file(r, file, at - f->offset, part);
		at += part.len;
		to = (struct span){to.ptr + part.len, to.len - part.len};
	}
	return state;
}

static uint64_t piece_begin(const struct metainfo *m, uint32_t piece)
{
	return (uint64_t)piece * m->piece_length;
}

static struct span slice_of(const struct reader *r, uint64_t left)
{
	return (struct span){r->w->scratch,
			     left < POOL_SCRATCH_BYTES ? (size_t)left : POOL_SCRATCH_BYTES};
}

static enum check_state judge_v1(const struct metainfo *m, uint32_t piece,
				 const uint8_t hash[SHA1_LEN])
{
	return memcmp(hash, m->pieces_v1 + (size_t)piece * SHA1_LEN, SHA1_LEN) == 0 ? CHECK_GOOD
										    : CHECK_BAD;
}

static enum check_state check_v1(struct reader *r, uint32_t piece)
{
	const struct metainfo *m = r->p->meta;
	uint64_t at = piece_begin(m, piece), left = meta_piece_bytes(m, piece);
	uint8_t hash[SHA1_LEN];

	digest_begin(r->w->sha1);
	while (left > 0) {
		struct span slice = slice_of(r, left);
		enum check_state state = read_space(r, at, slice);

		if (state != CHECK_GOOD)
			return state;
		digest_add(r->w->sha1, bytes_of(slice.ptr, slice.len));
		at += slice.len;
		left -= slice.len;
	}
	digest_end(r->w->sha1, hash);
	return judge_v1(m, piece, hash);
}

/* The piece's hash tree; its data is one run of one file (BEP 52). `data`: it is in memory. */
static enum check_state check_v2(struct reader *r, uint32_t piece, const uint8_t *data)
{
	const struct metainfo *m = r->p->meta;
	const struct meta_file *f = meta_piece_file(m, piece);
	const uint8_t *want = meta_piece_hash_v2(m, piece);
	uint64_t at = piece_begin(m, piece), left = f->offset + f->length - at;
	uint8_t hash[SHA256_LEN], *leaf = r->leaves;

	left = left < m->piece_length ? left : m->piece_length;
	while (left > 0) {
		struct span slice = slice_of(r, left);
		enum check_state state = data != NULL ? CHECK_GOOD : read_space(r, at, slice);

		if (state != CHECK_GOOD)
			return state;
		digest_many(r->w->many, bytes_of(data != NULL ? data : slice.ptr, slice.len),
			    BLOCK_BYTES, leaf);
		leaf += (slice.len + BLOCK_BYTES - 1) / BLOCK_BYTES * SHA256_LEN;
		data = data != NULL ? data + slice.len : NULL;
		at += slice.len;
		left -= slice.len;
	}
	merkle_piece(r->leaves, (uint32_t)((size_t)(leaf - r->leaves) / SHA256_LEN),
		     m->piece_length / BLOCK_BYTES, f->length <= m->piece_length, hash);
	return want != NULL && memcmp(hash, want, SHA256_LEN) == 0 ? CHECK_GOOD : CHECK_BAD;
}

static enum check_state check_alone(struct reader *r, uint32_t piece)
{
	const struct metainfo *m = r->p->meta;
	enum check_state state = m->v2 ? check_v2(r, piece, NULL) : CHECK_GOOD;

	/* Read again from the page cache: a hybrid's second hash costs no second disk read. */
	return m->v1 && state == CHECK_GOOD ? check_v1(r, piece) : state;
}

static void check_together(struct reader *r, struct job *j)
{
	const struct metainfo *m = r->p->meta;
	uint8_t hashes[TOGETHER_MAX * SHA1_LEN];
	struct bytes data[TOGETHER_MAX];
	uint32_t at[TOGETHER_MAX], n = 0;

	for (uint32_t i = 0; i < j->n; i++) {
		uint32_t piece = j->first + i;
		struct span to = {j->memory + (size_t)i * m->piece_length,
				  meta_piece_bytes(m, piece)};

		j->state[i] = (uint8_t)read_space(r, piece_begin(m, piece), to);
		if (j->state[i] == CHECK_GOOD && m->v2)
			j->state[i] = (uint8_t)check_v2(r, piece, to.ptr);
		if (j->state[i] != CHECK_GOOD)
			continue;
		data[n] = bytes_of(to.ptr, to.len);
		at[n++] = i;
	}
	if (n > 0)
		digest_many_sha1(r->w->many, data, n, hashes);
	for (uint32_t k = 0; k < n; k++)
		j->state[at[k]] =
		    (uint8_t)judge_v1(m, j->first + at[k], hashes + (size_t)k * SHA1_LEN);
}

static void job_run(struct pool_job *pj, struct pool_worker *w)
{
	struct job *j = (struct job *)pj;
	const struct metainfo *m = j->run->p->meta;
	struct reader r = {.p = j->run->p, .w = w, .file = m->n_files, .fd = -1, .job = j};

	if (m->v2)
		r.leaves = malloc((size_t)m->piece_length / BLOCK_BYTES * SHA256_LEN);
	if (m->v2 && r.leaves == NULL) {
		memset(j->state, CHECK_UNREADABLE, j->n);
		(void)err_set(&j->trouble, ERR_NOMEM, "out of memory");
	} else if (j->memory != NULL) {
		check_together(&r, j);
	} else {
		j->state[0] = (uint8_t)check_alone(&r, j->first);
	}
	free(r.leaves);
	reader_close(&r);
}

/* ---- on the calling thread --------------------------------------------------- */

static void worsen_files(struct check *c, const struct metainfo *m, uint32_t piece,
			 enum check_state state)
{
	uint64_t at = (uint64_t)piece * m->piece_length;

	for (uint32_t i = meta_file_at(m, at); i < m->n_files; i++) {
		const struct meta_file *f = &m->files[i];

		if (f->offset >= at + m->piece_length)
			break;
		if (f->length > 0 && f->offset + f->length > at && c->files[i] < state)
			c->files[i] = (uint8_t)state;
	}
}

static void piece_done(struct run *run, uint32_t piece, enum check_state state)
{
	run->c->pieces[piece] = (uint8_t)state;
	run->c->count[state]++;
	/* A missing file takes its neighbours' pieces along, which says nothing about those: who is
	 * missing, check_sizes() finds. */
	if (state == CHECK_BAD || state == CHECK_UNREADABLE)
		worsen_files(run->c, run->p->meta, piece, state);
	run->done_bytes += meta_piece_bytes(run->p->meta, piece);
}

static void job_done(struct pool_job *pj)
{
	struct job *j = (struct job *)pj;
	struct run *run = j->run;

	for (uint32_t i = 0; i < j->n; i++)
		piece_done(run, j->first + i, (enum check_state)j->state[i]);
	if (run->c->trouble.code == OK)
		run->c->trouble = j->trouble;
	run->out--;
	j->next = run->idle;
	run->idle = j;
}

static void drain(struct run *run)
{
	pool_wait(run->pool);
	(void)pool_drain(run->pool);
	if (run->p->progress != NULL)
		run->p->progress(run->p->user, run->done_bytes, run->p->meta->space_bytes);
}

/* How many v1 pieces go together where every worker has a job: as many as are quickest, two, or
 * one that need not be in memory. */
static void choose_jobs(struct run *run)
{
	uint64_t piece = run->p->meta->piece_length, most;

	run->together = 1;
	run->n_jobs = JOBS_OUT;
	if (!run->p->meta->v1)
		return;
	run->together = digest_many_together(digest_many_sha1_widths(),
					     MEMORY_MAX / piece / pool_workers(run->pool));
	most = MEMORY_MAX / (run->together * piece);
	if (run->together > 1 && most < run->n_jobs)
		run->n_jobs = (uint32_t)most;
}

/* A job that has nothing to do; NULL without memory. */
static struct job *job_take(struct run *run)
{
	size_t bytes = (size_t)run->together * run->p->meta->piece_length;
	struct job *j = run->idle;

	run->idle = j->next;
	*j = (struct job){
	    .pool = {.run = job_run, .done = job_done}, .run = run, .memory = j->memory};
	if (run->together > 1 && j->memory == NULL)
		j->memory = malloc(bytes);
	return run->together > 1 && j->memory == NULL ? NULL : j;
}

static int check_pieces(struct run *run, struct err_info *info)
{
	uint32_t n_pieces = run->p->meta->n_pieces, piece = 0;
	int rc = 0;

	choose_jobs(run);
	for (uint32_t i = 0; i < run->n_jobs; i++) {
		run->jobs[i].next = run->idle;
		run->idle = &run->jobs[i];
	}
	while (rc == 0 && piece < n_pieces) {
		struct job *j = job_take(run);

		if (j == NULL) {
			rc = err_set(info, ERR_NOMEM, "out of memory");
			break;
		}
		j->first = piece;
		j->n = n_pieces - piece < run->together ? n_pieces - piece : run->together;
		piece += j->n;
		run->out++;
		pool_submit(run->pool, &j->pool);
		while (run->idle == NULL)
			drain(run);
	}
	while (run->out > 0)
		drain(run);
	for (uint32_t i = 0; i < run->n_jobs; i++)
		free(run->jobs[i].memory);
	return rc;
}

/* What no piece tells of: files that are not there, end early or late, have no bytes. */
static void check_sizes(const struct check_params *p, struct check *c)
{
	for (uint32_t i = 0; i < p->meta->n_files; i++) {
		const struct meta_file *f = &p->meta->files[i];
		struct stat st;

		if (f->flags & (META_FILE_PAD | META_FILE_SYMLINK))
			continue;
		if (root_stat(p->root, disk_path(p, f), &st) != 0)
			st = (struct stat){.st_mode = S_IFREG, .st_size = -1};
		if (!S_ISREG(st.st_mode)) {
			if (c->files[i] == CHECK_GOOD)
				c->files[i] = CHECK_BAD;
			continue;
		}
		if (st.st_size < 0 || (uint64_t)st.st_size < f->length)
			c->files[i] = CHECK_MISSING;
		else
			c->longer[i] = (uint64_t)st.st_size > f->length;
	}
}

int check_run(const struct check_params *p, struct check *out, struct err_info *info)
{
	struct run run = {.p = p, .c = out};
	int rc;

	*out = (struct check){
	    .pieces = calloc((size_t)p->meta->n_pieces + 1, 1),
	    .files = calloc((size_t)p->meta->n_files + 1, 1),
	    .longer = calloc((size_t)p->meta->n_files + 1, sizeof(bool)),
	};
	if (out->pieces == NULL || out->files == NULL || out->longer == NULL)
		rc = err_set(info, ERR_NOMEM, "out of memory");
	else
		rc = pool_new(0, 1, &run.pool, info);
	if (rc == 0) {
		rc = check_pieces(&run, info);
		pool_free(run.pool);
	}
	if (rc == 0)
		check_sizes(p, out);
	else
		check_fini(out);
	return rc;
}

void check_fini(struct check *c)
{
	free(c->pieces);
	free(c->files);
	free(c->longer);
	*c = (struct check){0};
}

bool check_all_good(const struct check *c, const struct metainfo *m)
{
	if (c->count[CHECK_GOOD] != m->n_pieces)
		return false;
	for (uint32_t i = 0; i < m->n_files; i++)
		if (c->files[i] != CHECK_GOOD || c->longer[i])
			return false;
	return true;
}
