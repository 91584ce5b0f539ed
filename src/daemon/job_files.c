/* daemon/job_files.c - the files of a transfer: how much of each is there, and is wanted. */
#include "daemon/jobs_impl.h"
#include "daemon/jobs_json.h"
#include "node/torrent_file.h"

static enum want want_of(const struct job *j, const struct metainfo *m, uint32_t file)
{
	const struct job_record *r = &j->rec;

	if (r->wanted == NULL || r->n_wanted != m->n_files)
		return WANT_NORMAL;
	return (enum want)r->wanted[file];
}

static json_t *done_json(const struct job *j, const struct metainfo *m, const struct meta_file *f)
{
	if (j->t != NULL)
		return json_integer((json_int_t)meta_file_done(m, f, transfer_have(j->t)));
	if (j->rec.complete && j->rec.wanted == NULL)
		return json_integer((json_int_t)f->length);
	return json_null();
}

static json_t *file_json(const struct job *j, const struct metainfo *m, uint32_t i)
{
	const struct meta_file *f = &m->files[i];
	json_t *out = json_pack("{s:I, s:n, s:I, s:o, s:s}", "index", (json_int_t)i, "path",
				"bytes", (json_int_t)f->length, "done_bytes", done_json(j, m, f),
				"priority", want_word(want_of(j, m, i)));

	(void)torrent_put_text(out, "path", f->path);
	return out;
}

json_t *job_files_json(const struct job *j, uint32_t from, struct err_info *info)
{
	json_t *list = json_array(), *next = NULL, *out;
	const struct metainfo *m = NULL;
	struct metainfo *own = NULL;
	uint32_t i = from;
	int err = job_is_link(j) ? err_set(info, ERR_INVALID, "its files are not known yet")
				 : job_meta(j, &m, &own, info);

	for (; err == OK && i < m->n_files && json_array_size(list) < JOB_FILES_MAX; i++)
		if (selection_is_real(&m->files[i]) &&
		    json_array_append_new(list, file_json(j, m, i)) != 0)
			err = err_set(info, ERR_NOMEM, "out of memory");
	if (err == OK)
		next = i < m->n_files ? json_integer(i) : json_null();
	meta_free(own);
	if (err != OK) {
		json_decref(list);
		return NULL;
	}
	out = json_pack("{s:o, s:o}", "files", list, "next", next);
	if (out == NULL)
		err_set(info, ERR_NOMEM, "out of memory");
	return out;
}
