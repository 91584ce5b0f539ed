/* daemon/jobs_disk.c - what is kept of jobs. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "daemon/jobs_impl.h"
#include "store/durable.h"

#define RECORD ".job"
#define TORRENT ".torrent"
#define VERIFIED ".verified"
#define TOTALS "totals"
#define REL_BYTES 32u

static void rel_of(char rel[REL_BYTES], uint32_t id, const char *suffix)
{
	snprintf(rel, REL_BYTES, "%u%s", id, suffix);
}

static bool is_kept(const struct jobs *js)
{
	return js->folder.fd >= 0;
}

/* ---- one ---------------------------------------------------------------------- */

int job_save(struct job *j, struct err_info *info)
{
	char rel[REL_BYTES];
	struct buf b;
	int err;

	if (!is_kept(j->js))
		return OK;
	rel_of(rel, j->rec.id, RECORD);
	buf_init(&b, JOB_RECORD_BYTES_MAX);
	err = job_record_encode(&j->rec, &b);
	if (err == OK)
		err = durable_write(&j->js->folder, rel, buf_bytes(&b), 0600, info);
	else
		err_set(info, (enum err)err, "its record: %s", err_text((enum err)err));
	buf_fini(&b);
	return err;
}

int job_save_torrent(struct job *j, struct bytes torrent, struct err_info *info)
{
	char rel[REL_BYTES];

	if (!is_kept(j->js)) {
		if (buf_put(&j->torrent, torrent) != OK)
			return err_set(info, ERR_NOMEM, "out of memory");
		return OK;
	}
	rel_of(rel, j->rec.id, TORRENT);
	return durable_write(&j->js->folder, rel, torrent, 0600, info);
}

int job_torrent(const struct job *j, struct buf *out, struct err_info *info)
{
	char rel[REL_BYTES];

	if (!is_kept(j->js)) {
		if (buf_put(out, buf_bytes(&j->torrent)) != OK)
			return err_set(info, ERR_NOMEM, "out of memory");
		return OK;
	}
	rel_of(rel, j->rec.id, TORRENT);
	return durable_read(&j->js->folder, rel, out, info);
}

/* The record first: without it there is no job. */
int job_forget(struct job *j, struct err_info *info)
{
	char rel[REL_BYTES];
	int err;

	if (!is_kept(j->js))
		return OK;
	rel_of(rel, j->rec.id, RECORD);
	err = durable_remove(&j->js->folder, rel, info);
	if (err != OK)
		return err;
	(void)root_sync(&j->js->folder, "", NULL);
	rel_of(rel, j->rec.id, TORRENT);
	(void)durable_remove(&j->js->folder, rel, NULL);
	job_forget_verified(j);
	return OK;
}

/* ---- what was verified ---------------------------------------------------------- */

bool job_load_verified(const struct job *j, struct verified *out)
{
	char rel[REL_BYTES];
	struct buf in;
	bool ok;

	if (!is_kept(j->js))
		return false;
	rel_of(rel, j->rec.id, VERIFIED);
	buf_init(&in, VERIFIED_BYTES_MAX);
	ok = durable_read(&j->js->folder, rel, &in, NULL) == OK &&
	     verified_decode(buf_bytes(&in), out) == OK;
	buf_fini(&in);
	return ok;
}

bool job_has_verified(const struct job *j)
{
	char rel[REL_BYTES];
	struct stat st;

	rel_of(rel, j->rec.id, VERIFIED);
	return is_kept(j->js) && root_stat(&j->js->folder, rel, &st) == OK;
}

void job_save_verified(struct job *j, const struct verified *v)
{
	char rel[REL_BYTES];
	struct err_info why = {.code = OK};
	struct buf b;

	if (!is_kept(j->js))
		return;
	rel_of(rel, j->rec.id, VERIFIED);
	buf_init(&b, VERIFIED_BYTES_MAX);
	if (verified_encode(v, &b) != OK)
		err_set(&why, ERR_NOMEM, "out of memory");
	else
		(void)durable_write(&j->js->folder, rel, buf_bytes(&b), 0600, &why);
	if (why.code != OK)
		jobs_say(j->js, "what was verified of number %u is not recorded: %s", j->rec.id,
			 why.text);
	buf_fini(&b);
}

void job_forget_verified(struct job *j)
{
	char rel[REL_BYTES];

	rel_of(rel, j->rec.id, VERIFIED);
	if (job_has_verified(j))
		(void)durable_remove(&j->js->folder, rel, NULL);
}

/* ---- totals -------------------------------------------------------------------- */

void jobs_save_totals(struct jobs *js)
{
	struct job_total *list = calloc(js->n + 1, sizeof(*list));
	struct err_info why;
	struct buf b;
	int err;

	js->totals_ms = loop_now_ms(js->p.loop);
	js->totals_changed = false;
	if (list == NULL || !is_kept(js)) {
		free(list);
		return;
	}
	for (size_t i = 0; i < js->n; i++)
		list[i] = job_total_now(js->list[i]);
	buf_init(&b, JOB_TOTALS_BYTES_MAX);
	err = job_totals_encode(list, js->n, &b);
	if (err == OK)
		err = durable_write(&js->folder, TOTALS, buf_bytes(&b), 0600, &why);
	else
		err_set(&why, (enum err)err, "%s", err_text((enum err)err));
	if (err != OK)
		jobs_say(js, "how much was sent and fetched is not recorded: %s", why.text);
	buf_fini(&b);
	free(list);
}

static int by_id(const void *a, const void *b)
{
	uint32_t x = ((const struct job_total *)a)->id, y = ((const struct job_total *)b)->id;

	return x < y ? -1 : x > y;
}

static void load_totals(struct jobs *js)
{
	struct job_total *list = NULL;
	struct err_info why;
	size_t n = 0;
	struct buf in;
	int err;

	buf_init(&in, JOB_TOTALS_BYTES_MAX);
	err = durable_read(&js->folder, TOTALS, &in, &why);
	if (err == OK)
		err = job_totals_decode(buf_bytes(&in), &list, &n);
	if (err != OK && err != ERR_NOENT)
		jobs_say(js,
			 "what was sent and fetched so far is not known: the file '%s' is damaged",
			 TOTALS);
	buf_fini(&in);
	if (n > 0)
		qsort(list, n, sizeof(*list), by_id);
	for (size_t i = 0; i < js->n && n > 0; i++) {
		struct job_total key = {.id = js->list[i]->rec.id};
		const struct job_total *t = bsearch(&key, list, n, sizeof(*list), by_id);

		if (t != NULL)
			js->list[i]->before = *t;
	}
	free(list);
}

/* ---- all ------------------------------------------------------------------------- */

/* The number in "NUMBER.job"; 0: it is another file. */
static uint32_t number_of(const char *file, const char *suffix)
{
	size_t n = strlen(file), end = strlen(suffix);
	uint64_t id;

	if (n <= end || strcmp(file + n - end, suffix) != 0 ||
	    text_parse_u64(bytes_of(file, n - end), UINT32_MAX, &id) != OK)
		return 0;
	return (uint32_t)id;
}

static int load_one(struct jobs *js, const char *file, uint32_t id)
{
	struct job *j = calloc(1, sizeof(*j));
	struct err_info why;
	struct buf in;
	int err;

	if (j == NULL)
		return ERR_NOMEM;
	j->js = js;
	buf_init(&j->torrent, META_BYTES_MAX);
	buf_init(&in, JOB_RECORD_BYTES_MAX);
	err = durable_read(&js->folder, file, &in, &why);
	if (err == OK) {
		err = job_record_decode(buf_bytes(&in), &j->rec);
		if (err == OK && j->rec.id != id)
			err = ERR_PROTO;
		if (err != OK)
			(void)root_fail(&js->folder, file, err, "is damaged", &why);
	}
	buf_fini(&in);
	if (err == OK)
		err = jobs_enlist(js, j);
	if (err == OK) {
		j->before.done = !j->rec.complete	 ? 0
				 : j->rec.wanted == NULL ? j->rec.total_bytes
							 : j->rec.wanted_bytes;
		j->state = job_state_now(j);
		return OK;
	}
	job_free(j);
	if (err == ERR_NOMEM)
		return err;
	/* It is left where it is: a person may want to look at it. */
	if (id > js->last_id)
		js->last_id = id;
	jobs_say(js, "transfer number %u is left out: %s", id, why.text);
	return OK;
}

static int by_age(const void *a, const void *b)
{
	const struct job *const *x = a, *const *y = b;

	return (*x)->rec.id < (*y)->rec.id ? -1 : (*x)->rec.id > (*y)->rec.id;
}

/* What a crash left of one that was being added or removed. */
static void sweep(struct jobs *js, DIR *dir)
{
	struct dirent *e;

	rewinddir(dir);
	while ((e = readdir(dir)) != NULL) {
		uint32_t torrent = number_of(e->d_name, TORRENT);
		uint32_t id = torrent != 0 ? torrent : number_of(e->d_name, VERIFIED);
		char rel[REL_BYTES];
		struct stat st;

		if (id == 0)
			continue;
		rel_of(rel, id, RECORD);
		if (root_stat(&js->folder, rel, &st) == ERR_NOENT)
			(void)durable_remove(&js->folder, e->d_name, NULL);
	}
}

/* Those whose removal was interrupted are removed now. */
static int go_on_removing(struct jobs *js, struct err_info *info)
{
	struct err_info why;

	for (size_t i = js->n; i-- > 0;)
		if (js->list[i]->rec.erase && jobs_remove(js, js->list[i], true, &why) != OK)
			return err_set(info, ERR_NOMEM, "%s", why.text);
	return OK;
}

int jobs_load(struct jobs *js, struct err_info *info)
{
	DIR *dir = opendir(js->p.folder);
	struct dirent *e;
	int err = OK;

	if (dir == NULL)
		return root_errno(info, js->p.folder, errno);
	while (err == OK && (e = readdir(dir)) != NULL) {
		uint32_t id = number_of(e->d_name, RECORD);

		if (id != 0)
			err = load_one(js, e->d_name, id);
	}
	if (err == OK)
		sweep(js, dir);
	(void)closedir(dir);
	if (err != OK)
		return err_set(info, (enum err)err, "out of memory");
	if (js->n > 0)
		qsort(js->list, js->n, sizeof(struct job *), by_age);
	load_totals(js);
	return go_on_removing(js, info);
}
