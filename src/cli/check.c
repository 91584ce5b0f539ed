#include "cli/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "meta/merkle.h"
#include "store/pool.h"

#define JOBS_OUT 16u

/* One piece on its way through a worker. */
struct job {
	struct pool_job pool; /* first */
	struct run *run;
	uint32_t piece;
	enum check_state state;
	struct err_info trouble;
};

struct run {
	const struct check_params *p;
	struct check *c;
	struct pool *pool;
	uint32_t out; /* jobs that are with the pool */
	uint64_t done_bytes;
};

/* What one job reads through: the file it has open, the hashes it makes. */
struct reader {
	const struct check_params *p;
	struct pool_worker *w;
	uint32_t file; /* open now; n_files: none */
	int fd;
	uint8_t *leaves;
	uint32_t n_leaves;
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

static enum check_state unreadable(struct reader *r, const struct meta_file *f, int error)
{
	(void)root_errno(&r->job->trouble, disk_path(r->p, f), error);
	return CHECK_UNREADABLE;
}

static enum check_state reader_open(struct reader *r, uint32_t file)
{
	const struct meta_file *f = &r->p->meta->files[file];
	int fd;

	if (r->fd >= 0 && r->file == file)
		return CHECK_GOOD;
	reader_close(r);
	/* O_NONBLOCK: a pipe in the file's place is not waited for. */
	fd =
	    root_openat(r->p->root, disk_path(r->p, f), O_RDONLY | O_NONBLOCK, 0, &r->job->trouble);
	if (fd == ERR_NOENT)
		return CHECK_MISSING;
	if (fd < 0)
		return CHECK_UNREADABLE;
	r->fd = fd;
	r->file = file;
	return CHECK_GOOD;
}

/* `len` bytes from `at` of the file into the scratch memory. */
static enum check_state read_run(struct reader *r, uint32_t file, uint64_t at, size_t len)
{
	const struct meta_file *f = &r->p->meta->files[file];
	enum check_state state;
	size_t n = 0;

	if (f->flags & META_FILE_PAD) {
		memset(r->w->scratch, 0, len);
		return CHECK_GOOD;
	}
	if (f->flags & META_FILE_SYMLINK)
		return CHECK_MISSING; /* never made on disk, has no bytes to give */
	state = reader_open(r, file);
	while (state == CHECK_GOOD && n < len) {
		ssize_t got = pread(r->fd, r->w->scratch + n, len - n, (off_t)(at + n));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return unreadable(r, f, errno);
		if (got == 0)
			return CHECK_MISSING;
		n += (size_t)got;
	}
	return state;
}

/* SHA-1 of the piece's whole space, pads included, across files. */
static enum check_state check_v1(struct reader *r, uint32_t piece)
{
	const struct metainfo *m = r->p->meta;
	uint64_t at = (uint64_t)piece * m->piece_length;
	uint64_t left =
	    m->space_bytes - at < m->piece_length ? m->space_bytes - at : m->piece_length;
	uint8_t hash[SHA1_LEN];

	digest_begin(r->w->sha1);
	while (left > 0) {
		uint32_t file = meta_file_at(m, at);
		const struct meta_file *f = &m->files[file];
		uint64_t n = f->length - (at - f->offset);
		enum check_state state;

		n = n < left ? n : left;
		n = n < POOL_SCRATCH_BYTES ? n : POOL_SCRATCH_BYTES;
		state = read_run(r, file, at - f->offset, (size_t)n);
		if (state != CHECK_GOOD)
			return state;
		digest_add(r->w->sha1, bytes_of(r->w->scratch, (size_t)n));
		at += n;
		left -= n;
	}
	digest_end(r->w->sha1, hash);
	return memcmp(hash, m->pieces_v1 + (size_t)piece * SHA1_LEN, SHA1_LEN) == 0 ? CHECK_GOOD
										    : CHECK_BAD;
}

static void add_leaves(struct reader *r, size_t len)
{
	digest_many(r->w->many, bytes_of(r->w->scratch, len), BLOCK_BYTES,
		    r->leaves + (size_t)r->n_leaves * SHA256_LEN);
	r->n_leaves += (uint32_t)((len + BLOCK_BYTES - 1) / BLOCK_BYTES);
}

/* The piece's hash tree; its data is one run of one file (BEP 52). */
static enum check_state check_v2(struct reader *r, uint32_t piece)
{
	const struct metainfo *m = r->p->meta;
	const struct meta_file *f = meta_piece_file(m, piece);
	const uint8_t *want = meta_piece_hash_v2(m, piece);
	uint64_t at = (uint64_t)(piece - f->first_piece) * m->piece_length;
	uint64_t left = f->length - at < m->piece_length ? f->length - at : m->piece_length;
	uint8_t hash[SHA256_LEN];

	r->n_leaves = 0;
	while (left > 0) {
		size_t n = left < POOL_SCRATCH_BYTES ? (size_t)left : POOL_SCRATCH_BYTES;
		enum check_state state = read_run(r, (uint32_t)(f - m->files), at, n);

		if (state != CHECK_GOOD)
			return state;
		add_leaves(r, n);
		at += n;
		left -= n;
	}
	merkle_piece(r->leaves, r->n_leaves, m->piece_length / BLOCK_BYTES,
		     f->length <= m->piece_length, hash);
	return want != NULL && memcmp(hash, want, SHA256_LEN) == 0 ? CHECK_GOOD : CHECK_BAD;
}

static void job_run(struct pool_job *pj, struct pool_worker *w)
{
	struct job *j = (struct job *)pj;
	const struct metainfo *m = j->run->p->meta;
	struct reader r = {.p = j->run->p, .w = w, .file = m->n_files, .fd = -1, .job = j};

	j->state = CHECK_GOOD;
	if (m->v2) {
		r.leaves = malloc((size_t)m->piece_length / BLOCK_BYTES * SHA256_LEN);
		if (r.leaves == NULL) {
			j->state = CHECK_UNREADABLE;
			(void)err_set(&j->trouble, ERR_NOMEM, "out of memory");
		} else {
			j->state = check_v2(&r, j->piece);
		}
		free(r.leaves);
	}
	/* Read again from the page cache: a hybrid's second hash costs no second disk read. */
	if (m->v1 && j->state == CHECK_GOOD)
		j->state = check_v1(&r, j->piece);
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

static void job_done(struct pool_job *pj)
{
	struct job *j = (struct job *)pj;
	struct run *run = j->run;
	struct check *c = run->c;

	c->pieces[j->piece] = (uint8_t)j->state;
	c->count[j->state]++;
	if (j->state == CHECK_UNREADABLE && c->trouble.code == OK)
		c->trouble = j->trouble;
	/* A missing file takes its neighbours' pieces along, which says nothing about those: who is
	 * missing, check_sizes() finds. */
	if (j->state == CHECK_BAD || j->state == CHECK_UNREADABLE)
		worsen_files(c, run->p->meta, j->piece, j->state);
	run->done_bytes += meta_piece_bytes(run->p->meta, j->piece);
	run->out--;
	free(j);
}

static void drain(struct run *run)
{
	pool_wait(run->pool);
	(void)pool_drain(run->pool);
	if (run->p->progress != NULL)
		run->p->progress(run->p->user, run->done_bytes, run->p->meta->space_bytes);
}

static int check_pieces(struct run *run, struct err_info *info)
{
	int rc = 0;

	for (uint32_t piece = 0; rc == 0 && piece < run->p->meta->n_pieces; piece++) {
		struct job *j = calloc(1, sizeof(*j));

		if (j == NULL) {
			rc = err_set(info, ERR_NOMEM, "out of memory");
			break;
		}
		*j = (struct job){
		    .pool = {.run = job_run, .done = job_done}, .run = run, .piece = piece};
		run->out++;
		pool_submit(run->pool, &j->pool);
		while (run->out >= JOBS_OUT)
			drain(run);
	}
	while (run->out > 0)
		drain(run);
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
