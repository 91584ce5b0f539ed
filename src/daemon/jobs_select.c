/* daemon/jobs_select.c - which files of a job are wanted, and how much. */
#include <stdlib.h>

#include "daemon/jobs_impl.h"

int job_take_files(struct job *j, const struct metainfo *m, uint8_t *files, struct err_info *info)
{
	struct job_record *r = &j->rec;
	bool all = true;
	int err = OK;

	for (uint32_t i = 0; files != NULL && i < m->n_files; i++)
		all &= !selection_is_real(&m->files[i]) || files[i] == WANT_NORMAL;
	if (all) {
		free(files);
		files = NULL;
	}
	if (j->t != NULL)
		err = transfer_select(j->t, files, info);
	if (err != OK) {
		free(files);
		return err;
	}
	free(r->wanted);
	r->wanted = files;
	r->n_wanted = files == NULL ? 0 : m->n_files;
	r->wanted_files = selection_count(m, files, &r->wanted_bytes);
	return OK;
}

void job_forget_order(struct job *j)
{
	if (j->rec.wanted_files < j->rec.files)
		return;
	free(j->rec.wanted);
	j->rec.wanted = NULL;
	j->rec.n_wanted = 0;
}

int job_meta(const struct job *j, const struct metainfo **out, struct metainfo **own,
	     struct err_info *info)
{
	enum meta_fault fault = META_OK;
	struct buf torrent;
	int err;

	*own = NULL;
	if (j->t != NULL) {
		*out = transfer_meta(j->t);
		return OK;
	}
	buf_init(&torrent, META_BYTES_MAX);
	err = job_torrent(j, &torrent, info);
	if (err == OK)
		fault = meta_parse(buf_bytes(&torrent), own);
	if (fault != META_OK)
		err = err_set(info, meta_fault_err(fault), "its .torrent is not usable: %s",
			      meta_fault_text(fault));
	buf_fini(&torrent);
	*out = *own;
	return err;
}

enum want job_want_of(const struct job *j, const struct metainfo *m, uint32_t file)
{
	const struct job_record *r = &j->rec;

	if (r->wanted == NULL || r->n_wanted != m->n_files)
		return WANT_NORMAL;
	return (enum want)r->wanted[file];
}

uint8_t *job_copy_wanted(const struct job *j, const struct metainfo *m)
{
	uint8_t *files = malloc((size_t)m->n_files + 1);

	for (uint32_t i = 0; files != NULL && i < m->n_files; i++)
		files[i] = (uint8_t)job_want_of(j, m, i);
	return files;
}

void job_set_wanted(const struct metainfo *m, const uint8_t *chosen, enum want want, uint8_t *files)
{
	for (uint32_t i = 0; i < m->n_files; i++)
		if (selection_is_real(&m->files[i]) && (chosen == NULL || chosen[i] != WANT_NOT))
			files[i] = (uint8_t)want;
}

/* Takes `files`. A complete one is so no more if there is anything new. Not recorded yet. */
static int use_files(struct job *j, const struct metainfo *m, uint8_t *files, struct err_info *info)
{
	bool more = false;
	int err;

	for (uint32_t i = 0; i < m->n_files && j->rec.wanted != NULL; i++)
		more |= selection_is_real(&m->files[i]) && files[i] != WANT_NOT &&
			j->rec.wanted[i] == WANT_NOT;
	err = job_take_files(j, m, files, info);
	if (err != OK)
		return err;
	if (more)
		j->rec.complete = false;
	jobs_emit(j, JOB_CHANGED);
	return OK;
}

static int check_selectable(const struct job *j, struct err_info *info)
{
	if (job_is_link(j))
		return err_set(info, ERR_INVALID, "its files are not known yet");
	if (j->rec.seed || j->there_already)
		return err_set(info, ERR_INVALID, "what is shared in place has all its files");
	if (jobs_has_all(j) && j->rec.follow == NULL)
		return err_set(info, ERR_INVALID, "all of its files are there already");
	return OK;
}

static void take_rules(struct job *j, char ***rules)
{
	job_list_free(j->rec.rules);
	j->rec.rules = *rules;
	*rules = NULL;
}

int jobs_set_files(struct jobs *js, struct job *j, const char *const *globs, enum want want,
		   struct err_info *info)
{
	const struct metainfo *m;
	struct metainfo *own;
	uint8_t *chosen = NULL, *files = NULL;
	char **rules = NULL;
	int err = check_selectable(j, info);

	(void)js;
	if (err != OK)
		return err;
	err = job_meta(j, &m, &own, info);
	if (err == OK) {
		err = selection_choose(m, globs, NULL, 0, &chosen);
		files = err == OK ? job_copy_wanted(j, m) : NULL;
		if (err == ERR_NOENT)
			err_set(info, err, "no file of it matches");
		else if (files == NULL)
			err = err_set(info, ERR_NOMEM, "out of memory");
	}
	if (err == OK) {
		job_set_wanted(m, chosen, want, files);
		if (selection_count(m, files, NULL) == 0)
			err = err_set(info, ERR_NOENT, "no file of it would be left");
	}
	if (err == OK && j->rec.follow != NULL)
		err = job_rules_with(j, globs, want, &rules, info);
	if (err == OK && !jobs_has_all(j)) {
		err = use_files(j, m, files, info);
		files = NULL;
	}
	/* What is refused of this version is no rule for the next. */
	if (err == OK && rules != NULL)
		take_rules(j, &rules);
	if (err == OK)
		err = job_changed(j, info);
	job_list_free(rules);
	free(files);
	free(chosen);
	meta_free(own);
	return err;
}

/* ---- of a link, whose files are not known -------------------------------------------------- */

static int too_much(int err, struct err_info *info)
{
	return err_set(info, err,
		       err == ERR_TOO_BIG ? "more was said of its files than can be kept"
					  : "out of memory");
}

/* Patterns besides those it has; both have some. */
static int add_patterns(struct job *j, const char *const *only, struct err_info *info)
{
	char **had = j->rec.only, **more;
	size_t n = job_list_len(had), n_more = job_list_len((char *const *)only);
	const char **both = calloc(n + n_more + 1, sizeof(*both));
	int err;

	if (both == NULL)
		return too_much(ERR_NOMEM, info);
	for (size_t i = 0; i < n + n_more; i++)
		both[i] = i < n ? had[i] : only[i - n];
	err = job_list_copy(both, JOBS_PATTERNS_MAX, &more);
	free(both);
	if (err != OK)
		return too_much(err, info);
	job_list_free(had);
	j->rec.only = more;
	return OK;
}

/* What its link chooses by number, and `more` besides: nothing there is everything. */
static int widen_link(struct job *j, const struct magnet *more, struct err_info *info)
{
	struct buf uri;
	char *text = NULL;
	int err;

	buf_init(&uri, MAGNET_BYTES_MAX);
	err = magnet_put_wider(bytes_str(j->rec.magnet), more, &uri);
	if (err == OK) {
		text = strndup((const char *)uri.ptr, uri.len);
		err = text == NULL ? ERR_NOMEM : OK;
	}
	buf_fini(&uri);
	if (err != OK)
		return too_much(err, info);
	free(j->rec.magnet);
	j->rec.magnet = text;
	return OK;
}

static int add_choice(struct job *j, const struct magnet *had, const char *const *only,
		      const struct magnet *more, struct err_info *info)
{
	int err;

	if (j->rec.only == NULL && had->n_only == 0)
		return OK;
	if (j->rec.only != NULL && only != NULL)
		return add_patterns(j, only, info);
	if (only == NULL && more->n_only == 0) {
		err = had->n_only > 0 ? widen_link(j, more, info) : OK;
		if (err == OK) {
			job_list_free(j->rec.only);
			j->rec.only = NULL;
		}
		return err;
	}
	if (j->rec.only != NULL || only != NULL)
		return err_set(info, ERR_INVALID,
			       "its files are not known yet, so they cannot be chosen by name "
			       "and by number");
	if (had->n_only + more->n_only > MAGNET_RANGES_MAX)
		return too_much(ERR_TOO_BIG, info);
	return widen_link(j, more, info);
}

static int want_more_of_link(struct job *j, const struct job_spec *s, struct err_info *info)
{
	struct magnet had, more = {.n_only = 0};
	int err = job_read_link(j->rec.magnet, &had, info);

	if (err != OK)
		return err;
	if (s->magnet != NULL)
		err = job_read_link(s->magnet, &more, info);
	if (err == OK)
		err = add_choice(j, &had, s->only, &more, info);
	if (err == OK)
		err = job_changed(j, info);
	magnet_fini(&had);
	magnet_fini(&more);
	return err;
}

/* ---- asked for once more ------------------------------------------------------------------- */

/* What is chosen the second time is wanted besides what was the first time. */
static int want_more(struct job *j, const struct job_spec *s, struct err_info *info)
{
	const struct metainfo *m;
	struct metainfo *own;
	uint8_t *before = NULL;
	uint32_t n;
	int err;

	if (job_is_link(j))
		return want_more_of_link(j, s, info);
	if (j->rec.wanted == NULL)
		return OK;
	err = job_meta(j, &m, &own, info);
	before = err == OK ? job_copy_wanted(j, m) : NULL;
	if (err == OK && before == NULL)
		err = err_set(info, ERR_NOMEM, "out of memory");
	n = j->rec.n_wanted;
	if (err == OK && n == m->n_files) {
		struct job wanted = {.js = j->js};

		err = job_choose_files(&wanted, m, s->only, s->magnet, info);
		for (uint32_t i = 0; err == OK && i < n; i++)
			if (before[i] == WANT_NOT &&
			    (wanted.rec.wanted == NULL || wanted.rec.wanted[i] != WANT_NOT))
				before[i] = WANT_NORMAL;
		free(wanted.rec.wanted);
	}
	if (err == OK) {
		err = use_files(j, m, before, info);
		before = NULL;
	}
	if (err == OK)
		err = job_changed(j, info);
	free(before);
	meta_free(own);
	return err;
}

/* Newer versions are wanted from now on. */
static int keep_up(struct job *j, const struct job_spec *s, struct err_info *info)
{
	if (job_set_entry(j, s) != OK || job_fill_upkeep(j, s) != OK)
		return err_set(info, ERR_NOMEM, "out of memory");
	err_drop(&j->upkeep_why);
	j->upkeep_asked++;
	jobs_emit(j, JOB_CHANGED);
	return job_changed(j, info);
}

static int limit_anew(struct jobs *js, struct job *j, const struct job_spec *s,
		      struct err_info *info)
{
	uint64_t down = s->down_bps > 0 ? s->down_bps : j->rec.down_bps;
	uint64_t up = s->up_bps > 0 ? s->up_bps : j->rec.up_bps;

	if (down == j->rec.down_bps && up == j->rec.up_bps)
		return OK;
	return jobs_set_limits(js, j, down, up, info);
}

/* It is served as long as `s` says, if that says anything. */
static int seed_anew(struct job *j, const struct job_spec *s, struct err_info *info)
{
	struct job_record *r = &j->rec;
	bool set = s->no_seed || seed_limit_is_set(&s->seed_limit);

	/* Who shares it wants it served, however it was fetched. */
	if (!set && !(s->seed && (r->no_seed || seed_limit_is_set(&r->seed_limit))))
		return OK;
	r->no_seed = s->no_seed;
	r->seed_limit = s->seed_limit;
	return job_changed(j, info);
}

/* What was fetched is gone from its place: it is fetched once more. */
static int fetch_anew(struct job *j, struct err_info *info)
{
	j->rec.complete = false;
	j->rec.has_stamp = false;
	job_forget_verified(j);
	j->rec.has_replaces = false;
	j->before.done = 0;
	job_stop(j);
	return job_changed(j, info);
}

/* What is at its place may be replaced by it, and has bytes of it perhaps. */
static int replace(struct job *j, const struct job_spec *s, struct err_info *info)
{
	struct job_record *r = &j->rec;

	if (!r->complete && r->has_replaces && stamp_eq(&r->replaces, s->replaces))
		return OK;
	job_drop_donors(j);
	if (job_copy_donors(j, s) != OK) {
		job_drop_donors(j);
		return err_set(info, ERR_NOMEM, "out of memory");
	}
	r->complete = false;
	r->has_stamp = false;
	job_forget_verified(j);
	r->has_replaces = true;
	r->replaces = *s->replaces;
	j->before.done = 0;
	job_stop(j);
	return job_changed(j, info);
}

/* Who asks for it once more wants it to be there, and right. */
static int want_it_there(struct job *j, const struct job_spec *s, struct err_info *info)
{
	int err = jobs_look(j);

	if (err == ERR_NOENT)
		return fetch_anew(j, info);
	if (s->replaces != NULL && (err == ERR_MISMATCH || !j->rec.complete))
		return replace(j, s, info);
	return err == OK ? OK : jobs_recheck(j->js, j, info);
}

/* What is fetched is followed, and what is shared is watched. */
static int check_kind(const struct job *j, const struct job_spec *s, struct err_info *info)
{
	if ((s->follow == NULL && s->watch == NULL) || j->rec.seed == s->seed)
		return OK;
	return err_set(info, ERR_EXISTS,
		       "the daemon has it already, as number %u, which was %s; 'shoal remove %u' "
		       "makes room for it, and leaves the data",
		       j->rec.id, j->rec.seed ? "shared, not fetched" : "fetched, not shared",
		       j->rec.id);
}

int jobs_share_again(struct jobs *js, struct job *j, const struct job_spec *s,
		     struct err_info *info)
{
	int err = jobs_tell_anew(js, j, s, info);

	if (err == OK)
		err = seed_anew(j, s, info);
	return err == OK ? jobs_resume(js, j, info) : err;
}

int jobs_ask_again(struct jobs *js, struct job *j, const struct job_spec *s, struct err_info *info)
{
	int err = check_kind(j, s, info);

	j->asked_again++;
	if (err == OK && !s->seed)
		err = want_more(j, s, info);
	if (err == OK && !s->seed && !s->paused)
		err = want_it_there(j, s, info);
	if (err == OK)
		err = jobs_tell_anew(js, j, s, info);
	if (err == OK && !s->seed)
		err = job_take_sources(j, s, info);
	if (err == OK)
		err = limit_anew(js, j, s, info);
	if (err == OK)
		err = seed_anew(j, s, info);
	if (err == OK && (s->follow != NULL || s->watch != NULL))
		err = keep_up(j, s, info);
	if (err == OK && !s->paused)
		err = jobs_resume(js, j, info);
	return err;
}
