#include "cli/build.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "cli/out.h"
#include "cli/own_home.h"
#include "meta/create.h"
#include "net/loop.h"
#include "store/hashing_known.h"
#include "store/scan.h"

/* Pieces so many times too long or too short are taken as they are, rather than hash all anew. */
#define PIECE_LENGTH_OFF 4u

/* Everything that is needed between the scan and the written torrent. */
struct work {
	const struct opts *o;
	bool v1, v2;
	struct scan scan;
	struct root root;
	struct hashing_params params;
	struct hashing hashing;
	struct create_file *files;
	struct hash_record *record; /* NULL: all is read */
	struct build_aside *aside;  /* NULL: progress is shown */
	struct progress progress;
	char label[64];
};

static int compare_v1(const void *a, const void *b)
{
	return create_order(((const struct scan_file *)a)->path,
			    ((const struct scan_file *)b)->path, false);
}

static int compare_v2(const void *a, const void *b)
{
	return create_order(((const struct scan_file *)a)->path,
			    ((const struct scan_file *)b)->path, true);
}

static bool on_progress(void *user, uint64_t done, uint64_t total)
{
	struct work *w = user;

	if (w->aside != NULL) {
		atomic_store(&w->aside->done, done);
		atomic_store(&w->aside->total, total);
		return !atomic_load(w->aside->stop);
	}
	progress_work(&w->progress, w->label, "hashing", done, total);
	return true;
}

/* A new version has the pieces of the one before, so that what did not change need not be hashed,
 * nor fetched, again. */
static uint32_t choose_piece_length(const struct work *w, const uint64_t *lengths)
{
	uint32_t before = w->record == NULL || !w->o->watch ? 0 : w->record->piece_length, best;

	if (w->o->piece_length != 0)
		return (uint32_t)w->o->piece_length;
	best = create_piece_length(lengths, w->scan.n_files, w->v2);
	return before > 0 && before / PIECE_LENGTH_OFF <= best && best / PIECE_LENGTH_OFF <= before
		   ? before
		   : best;
}

/* How long pieces are, where each file stands in the piece space, and what shall be hashed. */
static int lay_out(struct work *w, struct err_info *info)
{
	size_t n = w->scan.n_files;
	uint64_t *lengths = calloc(n + 1, sizeof(*lengths));
	uint64_t *offsets = calloc(n + 1, sizeof(*offsets));
	struct hashing_file *files = calloc(n + 1, sizeof(*files));

	w->files = calloc(n + 1, sizeof(*w->files));
	w->params.files = files;
	if (lengths == NULL || offsets == NULL || files == NULL || w->files == NULL) {
		free(lengths);
		free(offsets);
		return err_set(info, ERR_NOMEM, "out of memory");
	}
	qsort(w->scan.files, n, sizeof(*w->scan.files), w->v2 ? compare_v2 : compare_v1);
	for (size_t i = 0; i < n; i++) {
		const struct scan_file *f = &w->scan.files[i];

		lengths[i] = f->length;
		w->files[i] = (struct create_file){
		    .path = f->path, .length = f->length, .executable = f->executable};
	}
	w->params.piece_length = choose_piece_length(w, lengths);
	w->params.space_bytes =
	    create_offsets(lengths, n, w->params.piece_length, w->v1 && w->v2, offsets);
	for (size_t i = 0; i < n; i++) {
		files[i].path = w->scan.files[i].path;
		files[i].length = lengths[i];
		files[i].offset = offsets[i];
	}
	free(lengths);
	free(offsets);
	return OK;
}

/* ---- will it fit? -------------------------------------------------------------------------- */

/* In a torrent of this kind, with pieces so long. */
static int measure(const struct work *w, bool v1, bool v2, uint32_t piece_length,
		   enum create_excess *out)
{
	static const uint8_t no_root[SHA256_LEN];
	struct create_spec spec = {.name = w->scan.name,
				   .single = w->scan.single,
				   .v1 = v1,
				   .v2 = v2,
				   .piece_length = piece_length,
				   .files = w->files,
				   .n_files = w->scan.n_files};

	for (size_t i = 0; i < w->scan.n_files; i++)
		w->files[i].root = no_root;
	return create_measure(&spec, out);
}

static bool fits(const struct work *w, bool v1, bool v2, uint32_t piece_length)
{
	enum create_excess excess;

	return measure(w, v1, v2, piece_length, &excess) == OK && excess == CREATE_FITS;
}

/* As --piece-length takes it. */
static const char *length_text(char out[32], uint64_t length)
{
	if (length % (1u << 20) == 0)
		snprintf(out, 32, "%" PRIu64 "M", length >> 20);
	else
		snprintf(out, 32, "%" PRIu64 "K", length >> 10);
	return out;
}

static int too_many_pieces(const struct work *w, struct err_info *info)
{
	uint64_t length = w->params.piece_length;
	char is[32], enough[32];

	while (length <= META_PIECE_LENGTH_MAX && !fits(w, w->v1, w->v2, (uint32_t)length))
		length *= 2;
	if (length > META_PIECE_LENGTH_MAX)
		return err_set(info, ERR_TOO_BIG, "%s: is more than one torrent can hold",
			       w->label);
	return err_set(info, ERR_TOO_BIG,
		       "%s: has more pieces of %s than one torrent can hold; --piece-length %s is "
		       "enough",
		       w->label, length_text(is, w->params.piece_length),
		       length_text(enough, length));
}

static int too_many_files(const struct work *w, struct err_info *info)
{
	bool v1 = fits(w, true, false, w->params.piece_length);
	bool v2 = fits(w, false, true, w->params.piece_length);

	return err_set(info, ERR_TOO_BIG, "%s: %zu files are more than a %s torrent can list; %s",
		       w->label, w->scan.n_files,
		       w->v1 && w->v2 ? "hybrid"
		       : w->v1	      ? "v1"
				      : "v2",
		       v1 && v2 ? "--v2-only or --v1-only can"
		       : v1	? "--v1-only can"
		       : v2	? "--v2-only can"
				: "share its folders one by one");
}

/* What nobody could read must not be found out once all was hashed. */
static int check_limits(struct work *w, struct err_info *info)
{
	enum create_excess excess;

	text_escape(w->label, sizeof(w->label), bytes_str(w->scan.name));
	if (measure(w, w->v1, w->v2, w->params.piece_length, &excess) != OK)
		return err_set(info, ERR_NOMEM, "out of memory");
	if (excess == CREATE_FITS)
		return OK;
	return excess == CREATE_PIECES ? too_many_pieces(w, info) : too_many_files(w, info);
}

static int hash(struct work *w, bool plain, struct err_info *info)
{
	int err;

	w->params.root = &w->root;
	w->params.n_files = w->scan.n_files;
	w->params.v1 = w->v1;
	w->params.v2 = w->v2;
	w->params.plain = plain;
	w->params.progress = on_progress;
	w->params.user = w;
	if (w->aside == NULL)
		progress_begin(&w->progress, opts_progress(w->o));
	err = w->record == NULL ? hashing_run(&w->params, &w->hashing, info)
				: hashing_known_run(&w->params, w->record, &w->hashing, info);
	progress_clear(&w->progress);
	return err;
}

static size_t count(const char *const *list)
{
	size_t n = 0;

	while (list != NULL && list[n] != NULL)
		n++;
	return n;
}

static int write_torrent(struct work *w, const char *tracker, struct build *out,
			 struct err_info *info)
{
	const struct opts *o = w->o;
	size_t n = 0, more = count(o->trackers);
	const char **urls = calloc(more + 2, sizeof(*urls));
	struct create_spec spec = {
	    /* The --name of a share is its entry's, and its data keeps its own. */
	    .name = o->name != NULL && !w->params.plain ? o->name : w->scan.name,
	    .single = w->scan.single,
	    .v1 = w->v1,
	    .v2 = w->v2,
	    .piece_length = w->params.piece_length,
	    .files = w->files,
	    .n_files = w->scan.n_files,
	    .pieces_v1 = w->hashing.pieces_v1,
	    .n_pieces_v1 = w->hashing.n_pieces_v1,
	    .comment = o->comment,
	    .created_by = "shoal " SHOAL_VERSION,
	    .created_at = loop_wall_s(),
	    .private = o->private,
	    .webseeds = o->webseeds,
	    .n_webseeds = count(o->webseeds),
	};
	int err;

	if (urls == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	if (tracker != NULL)
		urls[n++] = tracker;
	for (size_t i = 0; i < more; i++)
		urls[n++] = o->trackers[i];
	spec.trackers = urls;
	spec.n_trackers = n;
	for (size_t i = 0; i < spec.n_files; i++) {
		const struct hashing_file *h = &w->params.files[i];

		w->files[i].root = w->v2 && h->length > 0 ? h->root : NULL;
		w->files[i].layer = h->layer;
	}
	err = create_torrent(&spec, &out->torrent);
	free(urls);
	if (err == ERR_INVALID)
		return err_set(info, err, "%s: holds a file name that no torrent can carry",
			       w->label);
	return err == OK ? OK : err_set(info, err, "%s: %s", w->label, err_text(err));
}

static int list_sha256(const struct work *w, struct build *out, struct err_info *info)
{
	char hex[SHA256_LEN * 2 + 1];

	out->sha256 = json_array();
	for (size_t i = 0; i < w->scan.n_files; i++) {
		text_hex(hex, bytes_of(w->params.files[i].sha256, SHA256_LEN));
		if (json_array_append_new(out->sha256, json_string(hex)) != 0)
			return err_set(info, ERR_NOMEM, "out of memory");
	}
	return OK;
}

static int open_root(struct work *w, const char *path, struct err_info *info)
{
	return root_open(&w->root, w->scan.single ? w->scan.parent : path, info);
}

/* A v2-only folder with one file at its top reads back as that file alone. */
static int set_data_path(const struct work *w, const char *path, struct build *out,
			 struct err_info *info)
{
	struct buf b;

	buf_init(&b, 1u << 16);
	(void)buf_put_str(&b, path);
	if (out->meta->single && !w->scan.single) {
		(void)buf_put_u8(&b, '/');
		(void)buf_put_str(&b, out->meta->files[0].path);
	}
	out->data_path = buf_cstr(&b) == NULL ? NULL : strdup(buf_cstr(&b));
	buf_fini(&b);
	return out->data_path == NULL ? err_set(info, ERR_NOMEM, "out of memory") : OK;
}

static int keep_seen(const struct work *w, struct build *out, struct err_info *info)
{
	out->seen = calloc(w->scan.n_files, sizeof(*out->seen));
	for (size_t i = 0; out->seen != NULL && i < w->scan.n_files; i++)
		out->seen[i] = w->params.files[i].seen;
	return out->seen == NULL ? err_set(info, ERR_NOMEM, "out of memory") : OK;
}

static int check_webseeds(const struct opts *o, struct err_info *info)
{
	char safe[160];

	for (size_t i = 0; o->webseeds != NULL && o->webseeds[i] != NULL; i++) {
		if (!meta_webseed_is_fit(bytes_str(o->webseeds[i])))
			return err_set(info, ERR_INVALID,
				       "--webseed %s: not an http or https address",
				       text_escape(safe, sizeof(safe), bytes_str(o->webseeds[i])));
	}
	if (count(o->webseeds) > META_WEBSEEDS_MAX)
		return err_set(info, ERR_TOO_BIG, "--webseed: at most %u of them",
			       META_WEBSEEDS_MAX);
	return OK;
}

/* The index's own is one of them. */
static int check_trackers(const struct opts *o, const char *tracker, struct err_info *info)
{
	if (count(o->trackers) + (tracker != NULL) <= META_TRACKERS_MAX)
		return OK;
	return err_set(info, ERR_TOO_BIG, "--tracker: at most %u of them beside the index's",
		       META_TRACKERS_MAX - 1);
}

static int build(struct work *w, const char *path, const char *tracker, bool plain,
		 struct build *out, struct err_info *info)
{
	enum meta_fault fault;
	int err = check_webseeds(w->o, info);

	if (err == OK)
		err = check_trackers(w->o, tracker, info);
	if (err == OK)
		err = scan_path(path, w->o->exclude, &w->scan, info);
	if (err == OK)
		err = own_home_leave_out(&w->scan, &out->of_home, info);
	if (err == OK && w->scan.n_files == 0)
		err = err_set(info, ERR_INVALID, "%s: no file is in it%s",
			      text_escape(w->label, sizeof(w->label), bytes_str(w->scan.name)),
			      w->o->exclude == NULL ? "" : " that --exclude leaves");
	if (err == OK)
		err = open_root(w, path, info);
	if (err != OK)
		return err;
	err = lay_out(w, info);
	if (err == OK)
		err = check_limits(w, info);
	if (err == OK)
		err = hash(w, plain, info);
	if (err == OK)
		err = write_torrent(w, tracker, out, info);
	if (err == OK && plain)
		err = list_sha256(w, out, info);
	if (err != OK)
		return err;
	out->skipped = w->scan.skipped;
	out->skipped_first = w->scan.skipped_first;
	w->scan.skipped_first = NULL;
	/* What others will refuse must not leave this machine. */
	fault = meta_parse(buf_bytes(&out->torrent), &out->meta);
	if (fault != META_OK)
		return err_set(info, ERR_INVALID, "%s: cannot be shared: %s", w->label,
			       meta_fault_text(fault));
	err = set_data_path(w, path, out, info);
	if (err == OK)
		err = keep_seen(w, out, info);
	return err == OK ? build_look(out, info) : err;
}

static int build_with(struct work *w, const char *path, const char *tracker, bool plain,
		      struct build *out, struct err_info *info)
{
	int err;

	*out = (struct build){.meta = NULL};
	buf_init(&out->torrent, META_BYTES_MAX);
	w->v1 = !w->o->v2_only;
	w->v2 = !w->o->v1_only;
	w->root.fd = -1;
	err = build(w, path, tracker, plain, out, info);
	if (w->params.files != NULL)
		hashing_fini(&w->hashing, w->params.files, w->params.n_files);
	free(w->params.files);
	free(w->files);
	if (w->root.path != NULL)
		root_close(&w->root);
	scan_fini(&w->scan);
	if (err != OK)
		build_fini(out);
	return err;
}

int build_torrent(const struct opts *o, const char *path, const char *tracker, bool plain,
		  struct build *out, struct err_info *info)
{
	struct work w = {.o = o};

	return build_with(&w, path, tracker, plain, out, info);
}

int build_share(const struct opts *o, const char *path, const char *tracker,
		struct hash_record *record, struct build_aside *aside, struct build *out,
		struct err_info *info)
{
	struct work w = {.o = o, .record = record, .aside = aside};

	return build_with(&w, path, tracker, true, out, info);
}

static int judge(const struct meta_file *f, const struct stat *st, const struct hashing_seen *seen,
		 struct err_info *info)
{
	char name[300];

	if (st != NULL && S_ISREG(st->st_mode) && (uint64_t)st->st_size == f->length &&
	    st->st_ino == seen->ino && st->st_mtim.tv_sec == seen->mtime.tv_sec &&
	    st->st_mtim.tv_nsec == seen->mtime.tv_nsec)
		return OK;
	return err_set(info, ERR_MISMATCH, "%s: was changed after it was hashed",
		       text_escape(name, sizeof(name), bytes_str(f->path)));
}

static int look_at_tree(const struct build *b, const struct root *root, struct err_info *info)
{
	const struct hashing_seen *seen = b->seen;
	struct root_tour tour;
	struct stat st;
	int err = OK;

	root_tour_init(&tour, root);
	for (uint32_t i = 0; i < b->meta->n_files && err == OK; i++) {
		const struct meta_file *f = &b->meta->files[i];

		if ((f->flags & META_FILE_PAD) != 0)
			continue;
		err = root_tour_stat(&tour, f->path, &st);
		if (err == ERR_NOMEM || err == ERR_TOO_BIG)
			err =
			    root_fail(root, f->path, (enum err)err, err_text((enum err)err), info);
		else
			err = judge(f, err == OK ? &st : NULL, seen++, info);
	}
	root_tour_fini(&tour);
	return err;
}

int build_look(const struct build *b, struct err_info *info)
{
	struct root root;
	struct stat st;
	int err;

	/* On disk it may be called otherwise. */
	if (b->meta->single)
		return judge(&b->meta->files[0], stat(b->data_path, &st) == 0 ? &st : NULL, b->seen,
			     info);
	err = root_open(&root, b->data_path, info);
	if (err != OK)
		return err;
	err = look_at_tree(b, &root, info);
	root_close(&root);
	return err;
}

void build_fini(struct build *b)
{
	free(b->seen);
	buf_fini(&b->torrent);
	meta_free(b->meta);
	json_decref(b->sha256);
	free(b->data_path);
	free(b->skipped_first);
	*b = (struct build){.meta = NULL};
}
