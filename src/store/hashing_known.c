#include "store/hashing_known.h"

#include <stdlib.h>
#include <time.h>

#include "meta/create.h"

/* The whole share, and the part of it that is read. */
struct job {
	const struct hashing_params *p;
	struct hash_record *record;
	bool padded; /* files end with a pad */
	int64_t now_s;
	struct stat *st;		 /* of each file, before anything is read */
	const struct hash_entry **known; /* of each file; NULL: it is read */
	struct hashing_file *files;	 /* those that are read */
	uint64_t *lengths, *offsets;
	size_t n;
	struct hashing got;
	struct hash_record next;
};

static int out_of_memory(struct err_info *info)
{
	return err_set(info, ERR_NOMEM, "out of memory");
}

static void fini(struct job *j)
{
	free(j->st);
	free(j->known);
	free(j->files);
	free(j->lengths);
	free(j->offsets);
	free(j->got.pieces_v1);
	hash_record_fini(&j->next);
}

static bool init(struct job *j)
{
	const struct hashing_params *p = j->p;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	j->now_s = now.tv_sec;
	j->padded = p->v1 && p->v2 && p->n_files > 1;
	j->st = calloc(p->n_files + 1, sizeof(*j->st));
	j->known = calloc(p->n_files + 1, sizeof(*j->known));
	j->files = calloc(p->n_files + 1, sizeof(*j->files));
	j->lengths = calloc(p->n_files + 1, sizeof(*j->lengths));
	j->offsets = calloc(p->n_files + 1, sizeof(*j->offsets));
	return j->st != NULL && j->known != NULL && j->files != NULL && j->lengths != NULL &&
	       j->offsets != NULL;
}

static const struct hash_entry *known_as(const struct job *j, const struct hashing_file *f,
					 const struct stat *st)
{
	const struct hash_record *r = j->record;
	const struct hash_entry *e;

	if (r->piece_length != j->p->piece_length || r->v1 != j->p->v1 || r->v2 != j->p->v2)
		return NULL;
	e = hash_record_find(r, f->path, st);
	if (e == NULL || e->length != f->length)
		return NULL;
	/* Does its last piece end alike? */
	return !r->v1 || e->padded == j->padded || e->length % r->piece_length == 0 ? e : NULL;
}

/* What is read, laid out as if it were all. */
static void choose(struct job *j)
{
	struct root_tour tour;

	root_tour_init(&tour, j->p->root);
	for (size_t i = 0; i < j->p->n_files; i++) {
		const struct hashing_file *f = &j->p->files[i];

		if (root_tour_stat(&tour, f->path, &j->st[i]) == OK)
			j->known[i] = known_as(j, f, &j->st[i]);
		if (j->known[i] != NULL)
			continue;
		j->lengths[j->n] = f->length;
		j->files[j->n++] = *f;
	}
	root_tour_fini(&tour);
}

static int hash_rest(struct job *j, struct err_info *info)
{
	struct hashing_params p = *j->p;
	uint64_t rest;

	p.files = j->files;
	p.n_files = j->n;
	p.space_bytes = create_offsets(j->lengths, j->n, p.piece_length, j->padded, j->offsets);
	rest = p.space_bytes % p.piece_length;
	if (j->padded && rest > 0)
		p.space_bytes += p.piece_length - rest;
	for (size_t i = 0; i < j->n; i++)
		j->files[i].offset = j->offsets[i];
	return hashing_run(&p, &j->got, info);
}

/* ---- together again ------------------------------------------------------------------- */

static bool take_known(const struct job *j, const struct hash_entry *e, struct hashing_file *f)
{
	size_t len = (size_t)hash_entry_pieces(j->record, e) * SHA256_LEN;

	memcpy(f->root, e->root, SHA256_LEN);
	memcpy(f->sha256, e->sha256, SHA256_LEN);
	f->layer = NULL;
	if (e->layer == NULL)
		return true;
	f->layer = malloc(len);
	if (f->layer != NULL)
		memcpy(f->layer, e->layer, len);
	return f->layer != NULL;
}

static void take_read(struct hashing_file *from, struct hashing_file *f)
{
	memcpy(f->root, from->root, SHA256_LEN);
	memcpy(f->sha256, from->sha256, SHA256_LEN);
	f->seen = from->seen;
	f->layer = from->layer;
	from->layer = NULL;
}

static int put_file(struct job *j, size_t i, struct hashing_file *read, struct hashing *out)
{
	struct hashing_file *f = &j->p->files[i];
	const struct hash_entry *e = j->known[i];
	uint64_t piece = j->p->piece_length;
	size_t pieces = (size_t)(f->length / piece + (f->length % piece != 0));
	struct hash_entry next = {
	    .path = (char *)(uintptr_t)f->path, .length = f->length, .padded = j->padded};
	const uint8_t *v1 = NULL;

	if (e != NULL && !take_known(j, e, f))
		return ERR_NOMEM;
	if (e == NULL)
		take_read(read, f);
	else
		f->seen = (struct hashing_seen){j->st[i].st_mtim, j->st[i].st_ino};
	if (j->p->v1 && pieces > 0) {
		v1 = e != NULL ? e->pieces_v1 : j->got.pieces_v1 + read->offset / piece * SHA1_LEN;
		memcpy(out->pieces_v1 + f->offset / piece * SHA1_LEN, v1, pieces * SHA1_LEN);
	}
	memcpy(next.root, f->root, SHA256_LEN);
	memcpy(next.sha256, f->sha256, SHA256_LEN);
	next.layer = f->layer;
	next.pieces_v1 = (uint8_t *)(uintptr_t)v1;
	return hash_record_add(&j->next, &next, &j->st[i], j->now_s);
}

static int join(struct job *j, struct hashing *out)
{
	const struct hashing_params *p = j->p;
	uint64_t piece = p->piece_length;
	struct hashing_file *read = j->files;
	int err = OK;

	*out = (struct hashing){.pieces_v1 = NULL};
	if (p->v1) {
		out->n_pieces_v1 = (size_t)(p->space_bytes / piece + (p->space_bytes % piece != 0));
		out->pieces_v1 = calloc(out->n_pieces_v1 + 1, SHA1_LEN);
		if (out->pieces_v1 == NULL)
			return ERR_NOMEM;
	}
	hash_record_begin(&j->next, p->piece_length, p->v1, p->v2);
	for (size_t i = 0; i < p->n_files && err == OK; i++) {
		err = put_file(j, i, read, out);
		read += j->known[i] == NULL;
	}
	hash_record_sort(&j->next);
	return err;
}

static int run(struct job *j, struct hashing *out, struct err_info *info)
{
	int err;

	if (!init(j))
		return out_of_memory(info);
	choose(j);
	err = hash_rest(j, info);
	if (err != OK)
		return err;
	if (join(j, out) == OK)
		return OK;
	hashing_fini(out, j->p->files, j->p->n_files);
	for (size_t i = 0; i < j->n; i++)
		free(j->files[i].layer);
	return out_of_memory(info);
}

int hashing_known_run(const struct hashing_params *p, struct hash_record *record,
		      struct hashing *out, struct err_info *info)
{
	struct job j = {.p = p, .record = record};
	int err;

	for (size_t i = 0; i < p->n_files; i++)
		p->files[i].layer = NULL;
	/* Its pieces are of several files each. */
	if (!p->v2 && p->n_files != 1) {
		hash_record_begin(record, p->piece_length, p->v1, p->v2);
		return hashing_run(p, out, info);
	}
	err = run(&j, out, info);
	if (err == OK) {
		hash_record_fini(record);
		*record = j.next;
		j.next = (struct hash_record){.list = NULL};
	}
	fini(&j);
	return err;
}
