/* store/store_place.c - where the files of a download are while not all of them are wanted.
 *
 *              unfinished                    at its final name ("placed")
 *     wanted   .NAME.xxxxxxxx.shoal/PATH     NAME/PATH, once it is whole; until then aside
 *     else     aside                         aside
 *
 * Aside is .NAME.xxxxxxxx.shoal-rest/PATH, for what pieces of other files reach into.
 *
 * A file changes its place by one rename, so that what it has is kept. Files that lie aside are
 * sparse: what they hold is the edges of pieces. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

#include "store/durable.h"
#include "store/store_impl.h"

/* ---- names ---------------------------------------------------------------- */

void store_place_of(const struct store *s, const struct store_file *f, struct store_place *out)
{
	if (!f->aside) {
		out->root = s->data;
		out->path = f->path;
		return;
	}
	snprintf(out->text, sizeof(out->text), "%s/%s", s->rest_rel, f->path);
	out->root = &s->parent;
	out->path = out->text;
}

/* Beneath `parent`. */
static void name_in(const struct store *s, const struct store_file *f, bool aside,
		    char out[STORE_PLACE_MAX])
{
	const char *data = s->placed ? s->final_rel : s->part_rel;

	snprintf(out, STORE_PLACE_MAX, "%s/%s", aside ? s->rest_rel : data, f->path);
}

static int make_folder(const struct store *s, const char *path, struct err_info *info)
{
	char folder[STORE_PLACE_MAX];
	char *slash;

	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	*slash = '\0';
	return root_mkdirs(&s->parent, folder, info);
}

/* ---- moving ----------------------------------------------------------------- */

bool file_is_whole(const struct store *s, const struct bitfield *have, const struct store_file *f)
{
	uint64_t first = f->offset / s->piece_length, last;

	if (f->length == 0)
		return false;
	last = (f->offset + f->length - 1) / s->piece_length;
	for (uint64_t i = first; i <= last; i++) {
		if (!bitfield_has(have, (uint32_t)i))
			return false;
	}
	return true;
}

static bool is_whole(const struct store *s, const struct store_file *f)
{
	return file_is_whole(s, &s->have, f);
}

/* With the lock for writing. What is not there need not move. */
static int move_file(struct store *s, struct store_file *f, bool aside, struct err_info *info)
{
	char from[STORE_PLACE_MAX], to[STORE_PLACE_MAX];
	struct stat st;
	bool there;
	int err;

	name_in(s, f, !aside, from);
	name_in(s, f, aside, to);
	err = root_find(&s->parent, from, &there, &st, info);
	if (err != OK)
		return err;
	if (there) {
		err = make_folder(s, to, info);
		if (err == OK)
			err = root_rename(&s->parent, from, to, info);
		if (err != OK)
			return err;
		pthread_mutex_lock(&s->hub->files_lock);
		f->dirty = f->fresh = true;
		pthread_mutex_unlock(&s->hub->files_lock);
	}
	/* There it is written again. */
	if (aside)
		file_unstamp(s, f);
	f->aside = aside;
	return OK;
}

static bool is_wanted(const struct store_file *f, const uint8_t *wanted)
{
	return wanted == NULL || wanted[f->index] != WANT_NOT;
}

/* Is nothing at its final name any more? */
static bool is_gone(const struct store *s, const struct store_file *f)
{
	struct stat st;

	return root_stat(s->data, f->path, &st) == ERR_NOENT;
}

/* Where shall it be? What is whole stays where it is, and at the final name nothing appears that is
 * not whole. What is there and was changed is the user's: it stays. */
static int put_in_place(struct store *s, struct store_file *f, struct err_info *info)
{
	bool wanted = f->wanted;

	if (wanted == !f->aside || f->length == 0)
		return OK;
	if (wanted && !s->placed)
		return move_file(s, f, false, info);
	if (!wanted && !is_whole(s, f) && (!s->placed || is_gone(s, f)))
		return move_file(s, f, true, info);
	return OK;
}

static bool has_rest(const struct store *s)
{
	struct stat st;

	return root_stat(&s->parent, s->rest_rel, &st) == OK;
}

/* ---- names that the file system takes for one --------------------------------- */

/* Are capitals told from small letters? Asked by the name of what we know to be there: inodes would
 * not tell, some file systems in user space give one file two. */
static bool knows_no_case(const struct store *s)
{
	const char *rel = s->placed ? s->state_rel : s->part_rel;
	const char *suffix = strrchr(rel, '.');
	char other[META_NAME_BYTES_MAX + 1];
	struct stat st;
	size_t n = (size_t)(suffix - rel);

	snprintf(other, sizeof(other), "%s", rel);
	for (; other[n] != '\0'; n++)
		other[n] = (char)toupper((unsigned char)other[n]);
	return root_stat(&s->parent, rel, &st) == OK && root_stat(&s->parent, other, &st) == OK;
}

static int by_path(const void *a, const void *b)
{
	const struct store_file *const *x = a, *const *y = b;

	return strcasecmp((*x)->path, (*y)->path);
}

static int say_alike(const struct store *s, const struct store_file *a, const struct store_file *b,
		     struct err_info *info)
{
	const char *slash = strrchr(a->path, '/');
	char why[ERR_TEXT_MAX];

	snprintf(why, sizeof(why),
		 "is the same name as '%.*s' on this file system, which takes capitals and small "
		 "letters for one; choose one of them with --only",
		 (int)META_NAME_BYTES_MAX, slash == NULL ? a->path : slash + 1);
	return file_fail(s, b, ERR_INVALID, why, info);
}

int store_places_alike(const struct store *s, const uint8_t *wanted, struct err_info *info)
{
	const struct store_file **list;
	size_t n = 0;
	int err = OK;

	if (s->data != &s->folder || s->n_files < 2 || !knows_no_case(s))
		return OK;
	list = calloc(s->n_files, sizeof(*list));
	if (list == NULL)
		return err_set(info, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	for (uint32_t i = 0; i < s->n_files; i++) {
		if (is_wanted(&s->files[i], wanted))
			list[n++] = &s->files[i];
	}
	qsort(list, n, sizeof(*list), by_path);
	for (size_t i = 1; i < n && err == OK; i++) {
		if (strcasecmp(list[i - 1]->path, list[i]->path) == 0)
			err = say_alike(s, list[i - 1], list[i], info);
	}
	free(list);
	return err;
}

/* ---- opening ---------------------------------------------------------------- */

/* Is there a state file, no larger than one may be? */
static int find_state_file(const struct store *s, bool *there, struct err_info *info)
{
	struct stat st;
	int err = root_find(&s->parent, s->state_rel, there, &st, info);

	*there = *there && S_ISREG(st.st_mode) && (uint64_t)st.st_size <= STATE_BYTES_MAX;
	return err;
}

/* Is a folder at the final name, and nothing at the unfinished one? */
static int is_named_alone(const struct store *s, bool *alone, struct err_info *info)
{
	struct stat st;
	bool part = false, final = false;
	int err = root_find(&s->parent, s->part_rel, &part, &st, info);

	if (err == OK && !part)
		err = root_find(&s->parent, s->final_rel, &final, &st, info);
	*alone = final && S_ISDIR(st.st_mode);
	return err;
}

int store_was_placed(const struct store *s, bool *placed, struct err_info *info)
{
	struct resume r;
	struct buf in;
	bool there = false;
	int err = is_named_alone(s, placed, info);

	if (err == OK && *placed)
		err = find_state_file(s, &there, info);
	*placed = false;
	if (err != OK || !there)
		return err;
	buf_init(&in, STATE_BYTES_MAX);
	err = durable_read(&s->parent, s->state_rel, &in, info);
	if (err == OK && resume_decode(buf_bytes(&in), &r) == OK) {
		*placed = r.placed && memcmp(r.info_hash, s->info_hash, SHA256_LEN) == 0;
		bitfield_fini(&r.have);
	}
	buf_fini(&in);
	return err;
}

/* Is it at the final name, as large as it should be? */
static bool is_placed(const struct store *s, const struct store_file *f)
{
	struct stat st;

	return root_stat(s->data, f->path, &st) == OK && S_ISREG(st.st_mode) &&
	       (uint64_t)st.st_size == f->length;
}

static void find_place(struct store *s, struct store_file *f, bool rest)
{
	char aside[STORE_PLACE_MAX];
	struct stat st;

	name_in(s, f, true, aside);
	if (s->placed)
		f->aside = !is_whole(s, f) || !is_placed(s, f);
	else
		f->aside = rest && root_stat(&s->parent, aside, &st) == OK;
}

int store_places_open(struct store *s, const uint8_t *wanted, struct err_info *info)
{
	bool rest;
	int err = OK;

	for (uint32_t i = 0; i < s->n_files; i++)
		s->files[i].wanted = is_wanted(&s->files[i], wanted);
	if (s->data != &s->folder)
		return OK;
	rest = has_rest(s);
	if (!rest && wanted == NULL && !s->placed)
		return OK;
	for (uint32_t i = 0; i < s->n_data && err == OK; i++) {
		find_place(s, &s->files[i], rest);
		err = put_in_place(s, &s->files[i], info);
	}
	return err;
}

/* Does the piece lie in files alone that have their final names? */
static bool is_all_placed(const struct store *s, uint32_t piece)
{
	struct part_walk w =
	    part_walk(s, (uint64_t)piece * s->piece_length, meta_piece_bytes(s->meta, piece));
	struct part part;

	while (part_next(&w, &part)) {
		if (part.file != NULL && part.file->aside)
			return false;
	}
	return true;
}

/* A piece that reaches into a file which was moved away is missing, and nobody's fault. */
int store_places_check(const struct store *s, struct err_info *info)
{
	for (uint32_t i = 0; s->placed && i < s->n_data; i++) {
		const struct store_file *f = &s->files[i];
		uint64_t first = f->offset / s->piece_length;
		uint64_t last = (f->offset + f->length - 1) / s->piece_length;

		for (uint64_t k = first; !f->aside && k <= last; k++) {
			if (!bitfield_has(&s->have, (uint32_t)k) && is_all_placed(s, (uint32_t)k))
				return file_fail(s, f, ERR_EXISTS,
						 "was changed since it was fetched; move it away "
						 "and run the same command again",
						 info);
		}
	}
	return OK;
}

/* ---- another choice ----------------------------------------------------------- */

/* What was moved away has lost its pieces, and is fetched again: they may be written, `aside`. Or
 * not after all: what is put back at its name is looked for there. */
static void place_gone(struct store *s, bool aside)
{
	pthread_rwlock_wrlock(&s->places);
	for (uint32_t i = 0; i < s->n_data; i++) {
		struct store_file *f = &s->files[i];

		if (f->stamp.changed && is_gone(s, f))
			f->aside = aside;
	}
	pthread_rwlock_unlock(&s->places);
}

/* It was at its final name, and is written again. */
static int reopen(struct store *s, struct err_info *info)
{
	int err;

	place_gone(s, true);
	err = store_places_check(s, info);
	if (err == OK)
		err = store_lock(s, info);
	if (err != OK) {
		place_gone(s, false);
		return err;
	}
	for (uint32_t i = 0; i < s->n_data; i++) {
		if (s->files[i].aside) {
			file_unstamp(s, &s->files[i]);
			file_forget(s, &s->files[i]); /* it may be open for reading alone */
		}
	}
	/* As after a new start: until it is finished again nobody looks. */
	atomic_store(&s->stamped, false);
	atomic_store(&s->finished, false);
	return OK;
}

int store_select(struct store *s, const uint8_t *wanted, struct err_info *info)
{
	bool more = false;
	int err = OK;

	if (s->mode != STORE_DOWNLOAD)
		return err_set(info, ERR_INVALID, "what is shared in place has all its files");
	if (s->saving && s->finishing)
		return err_set(info, ERR_AGAIN, "it is just being finished");
	if (s->data != &s->folder)
		return OK;
	err = store_places_alike(s, wanted, info);
	if (err != OK)
		return err;
	for (uint32_t i = 0; i < s->n_files; i++)
		more |= !s->files[i].wanted && is_wanted(&s->files[i], wanted);
	if (more && atomic_load(&s->finished))
		err = reopen(s, info);
	pthread_rwlock_wrlock(&s->places);
	for (uint32_t i = 0; i < s->n_files && err == OK; i++) {
		s->files[i].wanted = is_wanted(&s->files[i], wanted);
		if (i < s->n_data)
			err = put_in_place(s, &s->files[i], info);
	}
	pthread_rwlock_unlock(&s->places);
	return err;
}

bool store_is_finished(const struct store *s)
{
	return atomic_load(&s->finished);
}

/* ---- the end ------------------------------------------------------------------ */

bool store_leaves_out(const struct store *s)
{
	for (uint32_t i = 0; i < s->n_files; i++) {
		if (!s->files[i].wanted)
			return true;
	}
	return false;
}

int store_places_give(struct store *s, struct err_info *info)
{
	int err = OK;

	pthread_rwlock_wrlock(&s->places);
	for (uint32_t i = 0; i < s->n_data && err == OK; i++) {
		if (s->files[i].wanted && s->files[i].aside)
			err = move_file(s, &s->files[i], false, info);
	}
	pthread_rwlock_unlock(&s->places);
	return err;
}

void store_rest_remove(struct store *s)
{
	if (s->rest_rel != NULL && has_rest(s))
		(void)root_remove_tree(&s->parent, s->rest_rel, NULL);
}
