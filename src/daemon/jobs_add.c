/* daemon/jobs_add.c - from what is asked for to a job and its record. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "daemon/jobs_impl.h"
#include "meta/magnet.h"
#include "node/torrent_file.h"

void job_drop_donors(struct job *j)
{
	for (uint32_t i = 0; i < j->n_donors; i++)
		free((void *)j->donors[i].rel);
	free(j->donors);
	free(j->donor_folder);
	j->donors = NULL;
	j->donor_folder = NULL;
	j->n_donors = 0;
}

int job_copy_donors(struct job *j, const struct job_spec *s)
{
	if (s->n_donors == 0)
		return OK;
	j->donor_folder = strdup(s->donor_folder);
	j->donors = calloc(s->n_donors, sizeof(*j->donors));
	if (j->donor_folder == NULL || j->donors == NULL)
		return ERR_NOMEM;
	for (; j->n_donors < s->n_donors; j->n_donors++) {
		struct store_donor *d = &j->donors[j->n_donors];

		d->file = s->donors[j->n_donors].file;
		d->rel = strdup(s->donors[j->n_donors].rel);
		if (d->rel == NULL)
			return ERR_NOMEM;
	}
	return OK;
}

static int copy_peers(struct job *j, const struct job_spec *s)
{
	if (s->n_peers == 0)
		return OK;
	j->peers = calloc(s->n_peers, sizeof(*j->peers));
	if (j->peers == NULL)
		return ERR_NOMEM;
	memcpy(j->peers, s->peers, s->n_peers * sizeof(*j->peers));
	j->n_peers = s->n_peers;
	return OK;
}

int job_copy_text(const char *text, char **out)
{
	*out = text == NULL ? NULL : strdup(text);
	return text != NULL && *out == NULL ? ERR_NOMEM : OK;
}

static int fill_texts(struct job_record *r, const struct job_spec *s)
{
	int err = job_copy_text(s->path, &r->path);

	if (err == OK)
		err = job_copy_text(s->title, &r->title);
	if (err == OK)
		err = job_copy_text(s->owner, &r->owner);
	if (err == OK)
		err = job_copy_text(s->entry, &r->entry);
	if (err == OK)
		err = job_copy_text(s->index, &r->index);
	if (err == OK)
		err = job_copy_text(s->pin, &r->pin);
	if (err == OK)
		err = job_copy_text(s->token, &r->token);
	if (err == OK)
		err = job_list_copy(s->trackers, JOBS_LIST_MAX, &r->trackers);
	if (err == OK)
		err = job_list_copy(s->webseeds, JOBS_LIST_MAX, &r->webseeds);
	if (err == OK)
		err = job_record_set_item(r, s->item);
	return err;
}

int job_fill_upkeep(struct job *j, const struct job_spec *s)
{
	struct job_record *r = &j->rec;
	char *follow = NULL, *watch = NULL, **only = NULL, **rules = NULL;
	int err = job_copy_text(s->follow, &follow);

	if (err == OK)
		err = job_copy_text(s->watch, &watch);
	if (err == OK && s->follow != NULL)
		err = job_list_copy(s->only, JOBS_PATTERNS_MAX, &only);
	if (err == OK && s->follow != NULL)
		err = job_list_copy(s->rules, SIZE_MAX, &rules);
	if (err != OK) {
		job_list_free(only);
		free(follow);
		free(watch);
		return err;
	}
	free(r->follow);
	free(r->watch);
	r->follow = follow;
	r->watch = watch;
	if (s->follow != NULL) {
		job_list_free(r->only);
		job_list_free(r->rules);
		r->only = only;
		r->rules = rules;
	}
	return OK;
}

static void fill_values(struct job_record *r, const struct job_spec *s)
{
	r->seed = r->complete = s->seed;
	r->paused = s->paused;
	r->no_seed = s->no_seed;
	r->seed_limit = s->seed_limit;
	r->preallocate = s->preallocate;
	r->into = s->into;
	r->priority = s->priority;
	r->order = s->order;
	r->version = s->version;
	r->webseeds_nearest = s->webseeds_nearest;
	r->down_bps = s->down_bps;
	r->up_bps = s->up_bps;
	r->added_at = loop_wall_s();
	r->completed_at = s->seed ? r->added_at : 0;
	r->has_stamp = s->seed && s->stamp != NULL;
	if (r->has_stamp)
		r->stamp = *s->stamp;
	r->has_replaces = s->replaces != NULL;
	if (r->has_replaces)
		r->replaces = *s->replaces;
}

static int fill(struct job *j, const struct job_spec *s, struct err_info *info)
{
	int err = fill_texts(&j->rec, s);

	if (err == OK)
		err = copy_peers(j, s);
	if (err == OK)
		err = job_copy_donors(j, s);
	if (err == OK)
		err = job_fill_upkeep(j, s);
	if (err == ERR_TOO_BIG)
		return err_set(info, err, "a list has more than %u members", JOBS_LIST_MAX);
	if (err != OK)
		return err_set(info, err, "out of memory");
	fill_values(&j->rec, s);
	return OK;
}

/* ---- what the torrent, or the link, says ------------------------------------------------ */

/* The folder's path becomes the final name. */
static int go_into(struct job_record *r, const char *name)
{
	size_t n = strlen(r->path), more = strlen(name);
	char *path = realloc(r->path, n + more + 2);

	if (path == NULL)
		return ERR_NOMEM;
	if (n == 0 || path[n - 1] != '/')
		path[n++] = '/';
	memcpy(path + n, name, more + 1);
	r->path = path;
	r->into = false;
	return OK;
}

int job_check_name(const struct job *j, const struct metainfo *m, enum err code,
		   struct err_info *info)
{
	return j->rec.into ? torrent_check_name(m, code, info) : OK;
}

static int set_text(char **at, const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL)
		return ERR_NOMEM;
	free(*at);
	*at = copy;
	return OK;
}

int job_fill_from_meta(struct job *j, const struct metainfo *m)
{
	struct job_record *r = &j->rec;
	/* A link's job is called what the link calls it, until more is known. */
	bool titled = r->title != NULL && (r->name == NULL || strcmp(r->title, r->name) != 0);
	int err = r->into ? go_into(r, meta_content_name(m)) : OK;

	if (err == OK)
		err = set_text(&r->name, meta_content_name(m));
	if (err == OK && !titled)
		err = set_text(&r->title, m->name);
	r->total_bytes = m->total_bytes;
	r->files = selection_count(m, NULL, NULL);
	r->has_v1 = m->v1;
	r->has_v2 = m->v2;
	memcpy(r->hash_v1, m->hash_v1, sizeof(r->hash_v1));
	memcpy(r->hash_v2, m->hash_v2, sizeof(r->hash_v2));
	if (r->seed)
		j->before.done = m->total_bytes;
	return err;
}

int job_read_link(const char *text, struct magnet *m, struct err_info *info)
{
	int err = magnet_from_hash(bytes_str(text), m);

	if (err != OK)
		err = magnet_parse(bytes_str(text), m);
	return err == OK ? OK
			 : err_set(info, err, "not a magnet link that can be used: %s",
				   magnet_fault_text(m, err));
}

int job_choose_files(struct job *j, const struct metainfo *m, const char *const *only,
		     const char *magnet, struct err_info *info)
{
	struct magnet link = {.n_only = 0};
	uint8_t *files = NULL;
	int err = magnet == NULL ? OK : job_read_link(magnet, &link, info);

	if (err != OK)
		return err;
	err = selection_choose(m, only, link.only, link.n_only, &files);
	magnet_fini(&link);
	if (err == ERR_NOENT)
		return err_set(info, err, "%s: none of its files is chosen", meta_content_name(m));
	if (err != OK)
		return err_set(info, err, "out of memory");
	return job_take_files(j, m, files, info);
}

static int fill_from_torrent(struct job *j, const struct job_spec *s, const struct metainfo *m,
			     struct err_info *info)
{
	int err = job_check_name(j, m, ERR_INVALID, info);

	if (err != OK)
		return err;
	if (job_fill_from_meta(j, m) != OK)
		return err_set(info, ERR_NOMEM, "out of memory");
	if (s->seed)
		return job_take_files(j, m, NULL, info);
	err = job_choose_files(j, m, s->only, s->magnet, info);
	return err == OK && j->rec.rules != NULL ? job_apply_rules(j, m, info) : err;
}

static int fill_from_link(struct job *j, const struct job_spec *s, const struct magnet *m,
			  struct err_info *info)
{
	struct job_record *r = &j->rec;
	char hex[2 * SHA256_LEN + 1];
	int err;

	r->has_v1 = m->has_v1;
	r->has_v2 = m->has_v2;
	memcpy(r->hash_v1, m->hash_v1, sizeof(r->hash_v1));
	memcpy(r->hash_v2, m->hash_v2, sizeof(r->hash_v2));
	text_hex(hex,
		 m->has_v1 ? bytes_of(m->hash_v1, SHA1_LEN) : bytes_of(m->hash_v2, SHA256_LEN));
	err = set_text(&r->name, m->name[0] == '\0' ? hex : m->name);
	if (err == OK && r->title == NULL)
		err = set_text(&r->title, r->name);
	if (err == OK)
		err = set_text(&r->magnet, s->magnet);
	if (err == OK && r->only == NULL)
		err = job_list_copy(s->only, JOBS_PATTERNS_MAX, &r->only);
	if (err == ERR_TOO_BIG)
		return err_set(info, err, "more than %u patterns", JOBS_PATTERNS_MAX);
	return err == OK ? OK : err_set(info, err, "out of memory");
}

/* ---- adding ------------------------------------------------------------------------------- */

static int check_upkeep(const struct job_spec *s, struct err_info *info)
{
	const char *how = s->follow != NULL ? s->follow : s->watch;

	if (s->entry == NULL || s->version == 0)
		return err_set(info, ERR_INVALID, "only an index's entry has newer versions");
	if ((s->follow != NULL && s->seed) || (s->watch != NULL && !s->seed))
		return err_set(info, ERR_INVALID,
			       "what is fetched is followed, and what is shared is watched");
	if (strlen(how) > JOBS_UPKEEP_BYTES_MAX)
		return err_set(info, ERR_TOO_BIG,
			       "how it is kept up to date is said at too great "
			       "length");
	return OK;
}

int jobs_check_readable(const char *path, struct err_info *info)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 && errno == EACCES)
		return root_errno(info, path, EACCES);
	if (fd >= 0)
		close(fd);
	return OK;
}

static int check_spec(const struct jobs *js, const struct job_spec *s, struct err_info *info)
{
	if (s->path == NULL || s->path[0] != '/')
		return err_set(info, ERR_INVALID, "the path is not an absolute one");
	if (s->title != NULL && strlen(s->title) > JOBS_TITLE_MAX)
		return err_set(info, ERR_INVALID, "the title is too long");
	if (s->item.len > 0 && node_check_item(s->item) != OK)
		return err_set(info, ERR_INVALID, "the item is not signed as it should be");
	if ((s->owner == NULL) != (s->entry == NULL))
		return err_set(info, ERR_INVALID, "an entry has an owner and a name");
	if (s->torrent.len == 0 && (s->magnet == NULL || s->seed))
		return err_set(info, ERR_INVALID, "neither a torrent nor a link to fetch");
	if (js->n >= JOBS_MAX || js->last_id == UINT32_MAX)
		return err_set(info, ERR_TOO_BIG, "more than %u transfers", JOBS_MAX);
	if (s->seed && jobs_check_readable(s->path, info) != OK)
		return info->code;
	return s->follow != NULL || s->watch != NULL ? check_upkeep(s, info) : OK;
}

/* `m` or else `link` says what it is. */
static int make(struct job *j, const struct job_spec *s, const struct metainfo *m,
		const struct magnet *link, struct err_info *info)
{
	int err = fill(j, s, info);

	if (err == OK && m != NULL)
		err = fill_from_torrent(j, s, m, info);
	else if (err == OK)
		err = fill_from_link(j, s, link, info);
	j->rec.id = j->js->last_id + 1;
	if (err == OK && m != NULL)
		err = job_save_torrent(j, s->torrent, info);
	if (err == OK)
		err = job_save(j, info);
	if (err == OK && jobs_enlist(j->js, j) != OK)
		err = err_set(info, ERR_NOMEM, "out of memory");
	return err;
}

static bool is_content(const struct job_record *r, const struct job_hashes *h)
{
	return (r->has_v1 && h->v1 != NULL && memcmp(r->hash_v1, h->v1, SHA1_LEN) == 0) ||
	       (r->has_v2 && h->v2 != NULL && memcmp(r->hash_v2, h->v2, SHA256_LEN) == 0);
}

struct job *jobs_find_content(struct jobs *js, const struct job_hashes *h, const struct job *but)
{
	for (size_t i = 0; i < js->n; i++)
		if (js->list[i] != but && is_content(&js->list[i]->rec, h))
			return js->list[i];
	return NULL;
}

static int add(struct jobs *js, const struct job_spec *s, const struct job_hashes *hashes,
	       const struct metainfo *m, const struct magnet *link, struct job **out,
	       struct err_info *info)
{
	struct job *j = jobs_find_content(js, hashes, NULL);
	int err;

	if (j != NULL) {
		*out = j;
		if (s->item.len > 0)
			(void)jobs_set_item(js, j, s->item, info);
		return err_set(info, ERR_EXISTS, "this torrent is there already, as number %u",
			       j->rec.id);
	}
	j = calloc(1, sizeof(*j));
	if (j == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	j->js = js;
	buf_init(&j->torrent, META_BYTES_MAX);
	err = make(j, s, m, link, info);
	if (err != OK) {
		(void)job_forget(j, NULL);
		job_free(j);
		return err;
	}
	j->state = job_state_now(j);
	*out = j;
	jobs_emit(j, JOB_ADDED);
	job_touch(j);
	/* What was watched at this place before would be published a second time. */
	if (j->rec.watch != NULL)
		jobs_drop_older(js, j);
	else if (j->rec.seed)
		jobs_touch_older(js, j);
	return OK;
}

static int add_torrent(struct jobs *js, const struct job_spec *s, struct job **out,
		       struct err_info *info)
{
	struct metainfo *m;
	enum meta_fault fault = meta_parse(s->torrent, &m);
	struct job_hashes hashes;
	int err;

	if (fault != META_OK)
		return err_set(info, meta_fault_err(fault), "not a usable .torrent: %s",
			       meta_fault_text(fault));
	hashes = (struct job_hashes){m->v1 ? m->hash_v1 : NULL, m->v2 ? m->hash_v2 : NULL};
	err = add(js, s, &hashes, m, NULL, out, info);
	meta_free(m);
	return err;
}

static void say_dropped(const struct job *j, const struct magnet *link)
{
	char safe[160], dropped[MAGNET_DROPPED_TEXT_MAX];

	if (link->dropped > 0)
		fprintf(stderr, "%u %s: %s\n", j->rec.id,
			text_escape(safe, sizeof(safe), bytes_str(j->rec.name)),
			magnet_dropped_text(link, dropped));
}

static int add_link(struct jobs *js, const struct job_spec *s, struct job **out,
		    struct err_info *info)
{
	struct magnet link;
	int err = job_read_link(s->magnet, &link, info);
	struct job_hashes hashes;

	if (err != OK)
		return err;
	hashes = (struct job_hashes){link.has_v1 ? link.hash_v1 : NULL,
				     link.has_v2 ? link.hash_v2 : NULL};
	err = add(js, s, &hashes, NULL, &link, out, info);
	if (err == OK)
		say_dropped(*out, &link);
	magnet_fini(&link);
	return err;
}

int jobs_add(struct jobs *js, const struct job_spec *s, struct job **out, struct err_info *info)
{
	int err = check_spec(js, s, info);

	if (err != OK)
		return err;
	return s->torrent.len > 0 ? add_torrent(js, s, out, info) : add_link(js, s, out, info);
}
