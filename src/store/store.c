#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "store/durable.h"
#include "store/scan.h"
#include "store/store_impl.h"

#define PART_SUFFIX ".shoal"
#define STATE_SUFFIX ".shoal-state"
#define REST_SUFFIX ".shoal-rest"
/* Leaves room in NAME_MAX for the dots, the hash, the longer suffix and durable_write()'s own. */
#define PART_NAME_MAX 225u

/* ---- closing ------------------------------------------------------------ */

static void hub_unlink(struct store *s)
{
	struct store **at = &s->hub->stores;

	while (*at != NULL && *at != s)
		at = &(*at)->next;
	if (*at != NULL)
		*at = s->next;
}

static void names_free(struct store *s)
{
	free(s->final_rel);
	free(s->part_rel);
	free(s->state_rel);
	free(s->rest_rel);
	free(s->part_path);
}

static void store_free(struct store *s)
{
	hub_unlink(s);
	for (uint32_t i = 0; s->pieces != NULL && i < s->have.n; i++) {
		if (s->pieces[i] != NULL)
			piece_free(s, s->pieces[i]);
	}
	files_close(s);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	root_close(&s->folder);
	root_close(&s->parent);
	bitfield_fini(&s->have);
	bitfield_fini(&s->unsure);
	bitfield_fini(&s->still);
	bitfield_fini(&s->todo);
	buf_fini(&s->torrent);
	free(s->pieces);
	free(s->seen);
	names_free(s);
	pthread_rwlock_destroy(&s->places);
	pthread_rwlock_destroy(&s->writing);
	pthread_mutex_destroy(&s->state_lock);
	err_drop(&s->sync_err);
	free(s);
}

void store_job_in(struct store *s)
{
	s->jobs--;
	if (s->closed && s->jobs == 0)
		store_free(s);
}

void store_close(struct store *s)
{
	if (s == NULL)
		return;
	atomic_store(&s->cancel, true);
	slabs_drop(s);
	events_forget(s);
	if (s->save_next)
		bitfield_fini(&s->save_have);
	s->closed = true;
	s->wants_room = false;
	s->meta = NULL;
	if (s->jobs == 0)
		store_free(s);
	else
		hub_tell_room(s->hub);
}

/* ---- names -------------------------------------------------------------- */

/* A path with what is left of it split into folder and last component. */
static int open_parent(struct store *s, const char *path, struct err_info *info)
{
	char *copy = strdup(path), *slash;
	size_t n = copy == NULL ? 0 : strlen(copy);
	const char *leaf;
	int err = OK;

	while (n > 1 && copy[n - 1] == '/')
		copy[--n] = '\0';
	slash = copy == NULL ? NULL : strrchr(copy, '/');
	leaf = slash == NULL ? copy : slash + 1;
	s->final_rel = leaf == NULL ? NULL : strdup(leaf);
	if (s->final_rel == NULL)
		err = err_set(info, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	if (slash != NULL)
		*slash = '\0';
	if (err == OK)
		err = root_open(&s->parent, slash == NULL ? "." : slash == copy ? "/" : copy, info);
	free(copy);
	return err;
}

static size_t name_cut(const char *name)
{
	size_t n = strlen(name);

	if (n <= PART_NAME_MAX)
		return n;
	n = PART_NAME_MAX;
	while (n > 0 && ((unsigned char)name[n] & 0xc0) == 0x80)
		n--;
	return n;
}

static int make_names(struct store *s, struct err_info *info)
{
	int cut = (int)name_cut(s->final_rel);
	uint32_t tag = be32(s->info_hash);
	bool ok = asprintf(&s->part_rel, ".%.*s.%08x" PART_SUFFIX, cut, s->final_rel, tag) > 0;

	ok = ok && asprintf(&s->state_rel, ".%.*s.%08x" STATE_SUFFIX, cut, s->final_rel, tag) > 0;
	ok = ok && asprintf(&s->rest_rel, ".%.*s.%08x" REST_SUFFIX, cut, s->final_rel, tag) > 0;
	ok = ok && asprintf(&s->part_path, "%s/%s", s->parent.path, s->part_rel) > 0;
	return ok ? OK : err_set(info, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
}

/* ---- download ----------------------------------------------------------- */

/* Open, or make, the unfinished file or folder. Returns a descriptor of it. */
static int open_part(struct store *s, struct err_info *info)
{
	int err;

	if (s->data == &s->parent) {
		unsigned mode = s->files[0].executable ? 0777 : 0666;

		return root_openat(&s->parent, s->part_rel, O_RDWR | O_CREAT, mode, info);
	}
	if (s->placed)
		return root_openat(&s->parent, s->final_rel, O_RDONLY | O_DIRECTORY, 0, info);
	err = root_mkdirs(&s->parent, s->part_rel, info);
	if (err != OK)
		return err;
	return root_openat(&s->parent, s->part_rel, O_RDONLY | O_DIRECTORY, 0, info);
}

/* A store of ours that was closed, but whose last jobs are still out, holds the lock. */
static bool closing_one_has(const struct store *s)
{
	for (const struct store *o = s->hub->stores; o != NULL; o = o->next) {
		if (o->closed && o->part_path != NULL && strcmp(o->part_path, s->part_path) == 0)
			return true;
	}
	return false;
}

static int lock_part(struct store *s, int fd, struct err_info *info)
{
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno == EINTR)
			continue;
		/* A file system without locks: then there are none. */
		if (errno != EWOULDBLOCK)
			return OK;
		if (!closing_one_has(s))
			return root_fail(&s->parent, s->part_rel, ERR_AGAIN,
					 "another shoal is downloading this", info);
		pool_wait(s->hub->pool);
		pool_drain(s->hub->pool);
	}
	return OK;
}

int store_lock(struct store *s, struct err_info *info)
{
	return lock_part(s, s->lock_fd >= 0 ? s->lock_fd : s->data->fd, info);
}

static int check_kind(struct store *s, int fd, struct err_info *info)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return root_errno_at(&s->parent, s->part_rel, errno, info);
	if (s->data == &s->parent && !S_ISREG(st.st_mode))
		return root_fail(&s->parent, s->part_rel, ERR_INVALID, "not a regular file", info);
	return OK;
}

static int open_download(struct store *s, const struct store_params *p, struct err_info *info)
{
	int fd, err = OK;
	bool placed = false;

	if (s->data == &s->folder && !s->replaces)
		err = store_was_placed(s, &placed, info);
	s->placed = placed;
	if (err == OK && !placed)
		err = name_check(s, info);
	if (err != OK)
		return err;
	if (!s->placed)
		name_sweep(s);
	fd = open_part(s, info);
	if (fd < 0)
		return fd;
	if (s->data == &s->parent) {
		s->lock_fd = fd;
	} else {
		s->folder.fd = fd;
		s->folder.path = strdup(s->part_path);
		if (s->folder.path == NULL) {
			close(fd);
			return err_set(info, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
		}
	}
	err = check_kind(s, fd, info);
	if (err == OK)
		err = lock_part(s, fd, info);
	/* Whoever had the lock before us may have finished. */
	if (err == OK && !s->placed)
		err = name_check(s, info);
	if (err == OK)
		err = resume_load(s, p->wanted, info);
	if (err != OK)
		return err;
	err = store_places_alike(s, p->wanted, info);
	if (err == OK && p->preallocate)
		err = files_preallocate(s, info);
	/* What was made or reserved in vain is not kept from others. */
	if (err != OK && !s->placed && s->have.count == 0 && s->unsure.count == 0)
		(void)store_discard(s, NULL);
	return err;
}

/* ---- seed --------------------------------------------------------------- */

static int check_seed_file(struct store *s, struct root_tour *tour, struct store_file *f,
			   struct err_info *info)
{
	struct stat st;
	int err = root_tour_stat(tour, f->path, &st);

	if (err != OK)
		return root_fail(s->data, f->path, err, err_text(err), info);
	if (!S_ISREG(st.st_mode))
		return root_fail(s->data, f->path, ERR_INVALID, "not a regular file", info);
	if ((uint64_t)st.st_size != f->length)
		return root_fail(s->data, f->path, ERR_INVALID,
				 "has another size than the torrent says", info);
	stamp_file(s, f, &st);
	return OK;
}

/* With `partly` what is not there is looked for later. */
static int check_seed_files(struct store *s, bool partly, struct err_info *info)
{
	struct err_info first = {.code = OK}, why;
	struct root_tour tour;
	uint32_t gone = 0;

	root_tour_init(&tour, s->data);
	for (uint32_t i = 0; i < s->n_files && (first.code == OK || partly); i++) {
		int err = check_seed_file(s, &tour, &s->files[i], &why);

		if (err == OK)
			continue;
		partly = partly && (err == ERR_NOENT || err == ERR_INVALID);
		if (first.code == OK || !partly)
			first = why;
		file_stamp(s, &s->files[i], &(struct file_stamp){.known = true, .changed = true});
		gone++;
	}
	root_tour_fini(&tour);
	if (first.code == OK || (partly && gone < s->n_files))
		return OK;
	*info = first;
	return first.code;
}

/* Thousands of seeds that nobody asks hold no descriptors. */
static int let_go(struct store *s, struct err_info *info)
{
	struct stat st;

	if (fstat(s->data->fd, &st) != 0)
		return root_errno(info, s->data->path, errno);
	s->data_dev = st.st_dev;
	s->data_ino = st.st_ino;
	if (s->data != &s->parent)
		root_close(&s->parent);
	close(s->data->fd);
	s->data->fd = -1;
	return OK;
}

static int open_seed(struct store *s, const struct store_params *p, struct err_info *info)
{
	int err = OK;

	if (s->data == &s->folder)
		err = root_open(&s->folder, s->part_path, info);
	if (err == OK)
		err = check_seed_files(s, p->partly, info);
	if (err == OK && p->verified != NULL)
		store_believe(s, p->verified);
	atomic_store(&s->stamped, true);
	return err == OK ? let_go(s, info) : err;
}

/* ---- opening ------------------------------------------------------------ */

static int alloc_parts(struct store *s, const struct store_params *p)
{
	const struct metainfo *m = p->meta;

	if (m->v2)
		memcpy(s->info_hash, m->hash_v2, SHA256_LEN);
	else
		memcpy(s->info_hash, m->hash_v1, SHA1_LEN);
	if (p->mode == STORE_DOWNLOAD) {
		s->pieces = calloc((size_t)m->n_pieces + 1, sizeof(struct piece *));
		if (s->pieces == NULL)
			return ERR_NOMEM;
	}
	if (bitfield_init(&s->have, m->n_pieces) != OK ||
	    bitfield_init(&s->unsure, m->n_pieces) != OK ||
	    bitfield_init(&s->todo, m->n_pieces) != OK)
		return ERR_NOMEM;
	buf_init(&s->torrent, META_BYTES_MAX);
	return p->mode == STORE_DOWNLOAD ? buf_put(&s->torrent, p->torrent) : OK;
}

/* The user's own path may go through links; beneath it none are followed. */
static int locate(struct store *s, const struct store_params *p, struct err_info *info)
{
	char *real;
	int err;

	if (p->mode == STORE_DOWNLOAD) {
		err = open_parent(s, p->path, info);
		return err == OK ? make_names(s, info) : err;
	}
	real = realpath(p->path, NULL);
	if (real == NULL)
		return root_errno(info, p->path, errno);
	s->part_path = real;
	return open_parent(s, real, info);
}

/* A torrent's names are anybody's. */
static bool has_name_of_ours(const char *path)
{
	for (size_t n = strcspn(path, "/"); *path != '\0'; n = strcspn(path, "/")) {
		if (scan_is_unfinished(bytes_of(path, n)))
			return true;
		path += n + (path[n] == '/');
	}
	return false;
}

/* Nothing is fetched to where the state of another download would be looked for. */
static int check_names(const struct store *s, struct err_info *info)
{
	bool ours = has_name_of_ours(s->final_rel);

	for (uint32_t i = 0; s->data == &s->folder && i < s->n_files && !ours; i++)
		ours = has_name_of_ours(s->files[i].path);
	if (!ours)
		return OK;
	return root_fail(&s->parent, s->final_rel, ERR_INVALID,
			 "holds a name that only unfinished downloads have", info);
}

static int open_in(struct store *s, const struct store_params *p, struct err_info *info)
{
	int err = alloc_parts(s, p);

	if (err == OK)
		err = locate(s, p, info);
	else
		err_set(info, err, "%s", err_text(err));
	if (err != OK)
		return err;
	if (files_load(s, p->meta) != OK)
		return err_set(info, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	if (s->mode != STORE_DOWNLOAD)
		return open_seed(s, p, info);
	err = check_names(s, info);
	return err == OK ? open_download(s, p, info) : err;
}

static int open_new(const struct store_params *p, struct store_hub *h, struct store **out,
		    struct err_info *info)
{
	struct store *s = calloc(1, sizeof(*s));
	int err;

	if (s == NULL)
		return err_set(info, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	s->hub = h;
	s->meta = p->meta;
	s->mode = p->mode;
	s->user = p->user;
	s->lock_fd = -1;
	s->data = p->meta->single ? &s->parent : &s->folder;
	s->replaces = p->replaces != NULL;
	if (s->replaces)
		s->old = *p->replaces;
	s->piece_length = p->meta->piece_length;
	pthread_rwlock_init(&s->places, NULL);
	pthread_rwlock_init(&s->writing, NULL);
	pthread_mutex_init(&s->state_lock, NULL);
	atomic_init(&s->sealed, false);
	atomic_init(&s->said_open_s, 0);
	atomic_init(&s->placed, false);
	atomic_init(&s->cancel, false);
	atomic_init(&s->renaming, false);
	atomic_init(&s->finished, false);
	atomic_init(&s->stamped, false);
	if (s->mode == STORE_DOWNLOAD) {
		s->next = h->stores;
		h->stores = s;
	}
	err = open_in(s, p, info);
	if (err != OK) {
		store_close(s);
		return err;
	}
	*out = s;
	return OK;
}

int store_open(const struct store_params *p, struct store **out, struct err_info *info)
{
	struct store_hub *h = hub_of(p->pool);
	uint64_t since_ms = 0;
	int err;

	if (h == NULL)
		return err_set(info, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	do
		err = open_new(p, h, out, info);
	while (err == ERR_TOO_BIG && hub_spare(h, &since_ms));
	return err;
}

/* ---- the rest ----------------------------------------------------------- */

const struct bitfield *store_have(const struct store *s)
{
	return &s->have;
}

void store_trust_all(struct store *s)
{
	bitfield_fill(&s->have);
	bitfield_clear(&s->unsure);
}

uint32_t store_unsure(const struct store *s)
{
	return s->unsure.count;
}

void store_counters(const struct store *s, uint64_t *written, uint64_t *read)
{
	*written = s->written;
	*read = s->read;
}

const char *store_part_path(const struct store *s)
{
	return s->part_path;
}

int store_discard(struct store *s, struct err_info *info)
{
	int err;

	if (s->mode != STORE_DOWNLOAD)
		return err_set(info, ERR_INVALID, "what is shared in place is not discarded");
	/* A write that comes after would make the file anew. */
	atomic_store(&s->cancel, true);
	bitfield_clear(&s->todo);
	while (s->jobs > 0) {
		pool_wait(s->hub->pool);
		pool_drain(s->hub->pool);
	}
	if (atomic_load(&s->finished))
		return err_set(info, ERR_INVALID, "it is finished already");
	store_rest_remove(s);
	err = durable_remove(&s->parent, s->state_rel, info);
	if (err != OK || s->placed)
		return err;
	if (s->data == &s->parent)
		err = root_unlink(&s->parent, s->part_rel, info);
	else
		err = root_remove_tree(&s->parent, s->part_rel, info);
	return err == ERR_NOENT ? OK : err;
}

/* No more than where its state file would be. */
static int find_state(struct store *s, const struct metainfo *m, const char *path)
{
	int err;

	memcpy(s->info_hash, m->v2 ? m->hash_v2 : m->hash_v1, m->v2 ? SHA256_LEN : SHA1_LEN);
	err = open_parent(s, path, NULL);
	return err == OK ? make_names(s, NULL) : err;
}

void store_sweep(const struct metainfo *m, const char *path)
{
	struct store s = {.folder.path = NULL};
	int fd = -1;

	if (find_state(&s, m, path) == OK)
		fd = root_openat(&s.parent, s.part_rel, O_RDONLY, 0, NULL);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 &&
	    durable_remove(&s.parent, s.state_rel, NULL) == OK) {
		(void)name_remove(&s.parent, s.part_rel);
		store_rest_remove(&s);
	}
	if (fd >= 0)
		close(fd);
	root_close(&s.parent);
	names_free(&s);
}

bool store_is_partial(const struct metainfo *m, const char *path)
{
	struct store s = {.folder.path = NULL};
	bool placed = false;

	if (m->single)
		return false;
	if (find_state(&s, m, path) == OK)
		(void)store_was_placed(&s, &placed, NULL);
	root_close(&s.parent);
	names_free(&s);
	return placed;
}

int store_recorded(const struct metainfo *m, const char *path, struct bitfield *have)
{
	struct store s = {.meta = m};
	int err = bitfield_init(&s.have, m->n_pieces);

	if (err == OK)
		err = find_state(&s, m, path);
	if (err == OK)
		err = resume_read(&s);
	root_close(&s.parent);
	names_free(&s);
	*have = s.have;
	if (err != ERR_NOMEM)
		return OK;
	bitfield_fini(have);
	return ERR_NOMEM;
}
