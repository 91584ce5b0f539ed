/* daemon/jobs_link.c - a magnet link becomes a job like any other: peers are asked for its torrent.
 *
 * The torrent is on disk before the record says so: after a crash in between it is asked for once
 * more. */
#include <stdlib.h>

#include "daemon/jobs_impl.h"

/* Those who gave it are dialled first, as they can give the rest. */
#define GIVERS_MAX 32u

bool job_is_link(const struct job *j)
{
	return j->rec.magnet != NULL;
}

static void on_ready(void *user)
{
	job_touch(user);
}

int job_ask(struct job *j, struct err_info *info)
{
	struct metadata_fetch_params p = {
	    .node = j->js->p.node,
	    .trackers = (const char *const *)j->rec.trackers,
	    .peers = j->peers,
	    .n_peers = j->n_peers,
	    .ready = on_ready,
	    .user = j,
	};
	struct magnet link;
	int err = job_read_link(j->rec.magnet, &link, info);

	if (err != OK)
		return err;
	j->asked = ++j->js->asks;
	p.magnet = &link;
	err = metadata_fetch_new(&p, &j->fetch);
	magnet_fini(&link);
	return err == OK ? OK : err_set(info, err, "out of memory");
}

static void keep_givers(struct job *j)
{
	struct addr givers[GIVERS_MAX];
	size_t n = metadata_fetch_givers(j->fetch, givers, GIVERS_MAX);
	struct addr *grown = realloc(j->peers, (j->n_peers + n + 1) * sizeof(*grown));

	if (grown == NULL)
		return;
	memcpy(grown + j->n_peers, givers, n * sizeof(*grown));
	j->peers = grown;
	j->n_peers += n;
}

/* From now on the record is that of any job. */
static int use(struct job *j, const struct metainfo *m, struct bytes torrent, struct err_info *info)
{
	const struct job_hashes hashes = {m->v1 ? m->hash_v1 : NULL, m->v2 ? m->hash_v2 : NULL};
	const struct job *other = jobs_find_content(j->js, &hashes, j);
	struct job_record *r = &j->rec;
	int err;

	/* It was added by one hash, and the same torrent by the other. */
	if (other != NULL)
		return err_set(info, ERR_EXISTS, "this torrent is there already, as number %u",
			       other->rec.id);
	err = job_check_name(j, m, ERR_EXISTS, info);
	if (err == OK)
		err = job_choose_files(j, m, (const char *const *)r->only, r->magnet, info);
	if (err == OK && job_fill_from_meta(j, m) != OK)
		err = err_set(info, ERR_NOMEM, "out of memory");
	if (err == OK)
		err = job_save_torrent(j, torrent, info);
	if (err != OK)
		return err;
	free(r->magnet);
	r->magnet = NULL;
	if (r->follow == NULL) {
		job_list_free(r->only);
		r->only = NULL;
	}
	return job_save(j, info);
}

int job_take_answer(struct job *j, struct err_info *info)
{
	struct metainfo *m = NULL;
	enum meta_fault fault;
	struct bytes torrent;
	int err = metadata_fetch_result(j->fetch, &torrent, info);

	if (err == ERR_AGAIN)
		return err;
	if (err == OK) {
		keep_givers(j);
		fault = meta_parse(torrent, &m);
		if (fault != META_OK)
			err = err_set(info, ERR_PROTO, "not a usable torrent: %s",
				      meta_fault_text(fault));
	}
	if (err == OK)
		err = use(j, m, torrent, info);
	meta_free(m);
	if (err == OK)
		jobs_emit(j, JOB_CHANGED);
	return err;
}
