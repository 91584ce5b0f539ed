/* daemon/job_files.c - the files of a transfer: how much of each is there, and is wanted. */
#include "daemon/jobs_impl.h"
#include "daemon/jobs_json.h"
#include "node/torrent_file.h"

/* What is there of a torrent: `have`, NULL: all. */
struct there {
	const struct bitfield *have;
	struct bitfield recorded; /* of one that does not run */
};

static int find_there(const struct job *j, const struct metainfo *m, struct there *out)
{
	int err;

	*out = (struct there){.have = NULL};
	if (j->t != NULL)
		out->have = transfer_have(j->t);
	if (j->t != NULL || jobs_has_all(j))
		return OK;
	err = store_recorded(m, j->rec.path, &out->recorded);
	out->have = &out->recorded;
	return err;
}

static json_t *file_json(const struct job *j, const struct metainfo *m, const struct there *there,
			 uint32_t i)
{
	const struct meta_file *f = &m->files[i];
	uint64_t done = there->have == NULL ? f->length : meta_file_done(m, f, there->have);
	json_t *out = json_pack("{s:I, s:n, s:I, s:I, s:s}", "index", (json_int_t)i, "path",
				"bytes", (json_int_t)f->length, "done_bytes", (json_int_t)done,
				"priority", want_word(job_want_of(j, m, i)));

	(void)torrent_put_text(out, "path", f->path);
	return out;
}

json_t *job_files_json(const struct job *j, uint32_t from, struct err_info *info)
{
	json_t *list = json_array(), *next = NULL, *out;
	const struct metainfo *m = NULL;
	struct metainfo *own = NULL;
	struct there there = {.have = NULL};
	uint32_t i = from;
	int err = job_is_link(j) ? err_set(info, ERR_INVALID, "its files are not known yet")
				 : job_meta(j, &m, &own, info);

	if (err == OK && find_there(j, m, &there) != OK)
		err = err_set(info, ERR_NOMEM, "out of memory");
	for (; err == OK && i < m->n_files && json_array_size(list) < JOB_FILES_MAX; i++)
		if (selection_is_real(&m->files[i]) &&
		    json_array_append_new(list, file_json(j, m, &there, i)) != 0)
			err = err_set(info, ERR_NOMEM, "out of memory");
	if (err == OK)
		next = i < m->n_files ? json_integer(i) : json_null();
	bitfield_fini(&there.recorded);
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
