/* daemon/jobs_tell.c - what is asked for once more is told to the index and the trackers that are
 * named then: an index may have moved, and a token been renewed. And it is fetched from whom is
 * named then, too. */
#include <stdlib.h>

#include "daemon/job_request.h"
#include "daemon/jobs_impl.h"

/* Does `s` say another `text` than there is? */
static bool is_news(const char *had, const char *text)
{
	return text != NULL && (had == NULL || strcmp(had, text) != 0);
}

static void take_text(char **at, char *text)
{
	free(*at);
	*at = text;
}

/* What opens another index is not shown to it. */
static int take_index(struct job_record *r, const struct job_spec *s)
{
	bool other = is_news(r->index, s->index);
	char *index = NULL, *token = NULL, *pin = NULL;

	if (job_copy_text(s->index, &index) != OK || job_copy_text(s->token, &token) != OK ||
	    job_copy_text(s->pin, &pin) != OK) {
		free(index);
		free(token);
		free(pin);
		return ERR_NOMEM;
	}
	take_text(&r->index, index);
	if (token != NULL || other)
		take_text(&r->token, token);
	if (pin != NULL || other)
		take_text(&r->pin, pin);
	return OK;
}

/* NULL: a list of none. */
static bool has(const char *const *list, const char *url)
{
	while (list != NULL && *list != NULL && strcmp(*list, url) != 0)
		list++;
	return list != NULL && *list != NULL;
}

static int refuse(enum err code, struct err_info *info)
{
	return err_set(info, code, code == ERR_NOMEM ? "out of memory" : "a list is too long");
}

/* Where the index that it was of takes announces; the token stands in it. */
static bool is_of(const char *url, const char *index)
{
	static const char path[] = "/announce";
	size_t n = index == NULL ? 0 : strlen(index);

	return n > 0 && strncmp(url, index, n) == 0 &&
	       strncmp(url + n, path, sizeof(path) - 1) == 0;
}

/* Those of `s` and, behind them, those there are that hold. */
static int list_trackers(const struct job_record *r, const struct job_spec *s, char ***out)
{
	bool replaced =
	    s->index != NULL && (is_news(r->index, s->index) || is_news(r->token, s->token));
	size_t n = 0, room = job_list_len(r->trackers) + 1;
	const char **list;
	int err;

	while (s->trackers[n] != NULL)
		n++;
	list = calloc(n + room, sizeof(*list));
	if (list == NULL)
		return ERR_NOMEM;
	memcpy(list, s->trackers, n * sizeof(*list));
	for (char *const *u = r->trackers; u != NULL && *u != NULL; u++)
		if (n < JOBS_LIST_MAX && !has(list, *u) && !(replaced && is_of(*u, r->index)))
			list[n++] = *u;
	err = job_list_copy(list, JOBS_LIST_MAX, out);
	free(list);
	return err;
}

static bool has_news(const struct job_record *r, const struct job_spec *s)
{
	bool news = is_news(r->index, s->index) ||
		    (s->index != NULL && (is_news(r->token, s->token) || is_news(r->pin, s->pin)));

	for (const char *const *u = s->trackers; u != NULL && *u != NULL && !news; u++)
		news = !has((const char *const *)r->trackers, *u);
	return news;
}

/* Who is asked what a link means is asked anew, by others. */
static int use_trackers(struct job *j, struct err_info *info)
{
	if (j->fetch != NULL)
		job_stop(j);
	if (j->t == NULL || j->rec.trackers == NULL)
		return OK;
	return transfer_lead_trackers(j->t, (const char *const *)j->rec.trackers, info);
}

int jobs_tell_anew(struct jobs *js, struct job *j, const struct job_spec *s, struct err_info *info)
{
	struct job_record *r = &j->rec;
	char **trackers = NULL;
	int err = OK;

	(void)js;
	if (!has_news(r, s))
		return OK;
	if (s->trackers != NULL && s->trackers[0] != NULL)
		err = list_trackers(r, s, &trackers);
	if (err == OK && s->index != NULL)
		err = take_index(r, s);
	if (err != OK) {
		job_list_free(trackers);
		return refuse(err, info);
	}
	if (trackers != NULL) {
		job_list_free(r->trackers);
		r->trackers = trackers;
	}
	/* Newer versions are had, or published, there; who wants them now says so himself. */
	if ((r->follow != NULL || r->watch != NULL) && s->follow == NULL && s->watch == NULL)
		j->upkeep_asked++;
	job_use_index(j);
	jobs_emit(j, JOB_CHANGED);
	err = use_trackers(j, info);
	return err == OK ? job_changed(j, info) : err;
}

/* ---- from whom it is fetched ----------------------------------------------------------------- */

static bool is_among(const struct addr *list, size_t n, const struct addr *a)
{
	for (size_t i = 0; i < n; i++)
		if (addr_eq(&list[i], a))
			return true;
	return false;
}

/* Who is named now comes first; of all there are no more than can be named at once. */
static int take_peers(struct job *j, const struct job_spec *s)
{
	struct addr *all = calloc(s->n_peers + j->n_peers, sizeof(*all));
	size_t n = s->n_peers;

	if (all == NULL)
		return ERR_NOMEM;
	memcpy(all, s->peers, n * sizeof(*all));
	for (size_t i = 0; i < j->n_peers && n < JOBS_JSON_PEERS_MAX; i++)
		if (!is_among(all, n, &j->peers[i]))
			all[n++] = j->peers[i];
	free(j->peers);
	j->peers = all;
	j->n_peers = n;
	if (j->fetch != NULL)
		metadata_fetch_on_addresses(j->fetch, s->peers, s->n_peers, SOURCE_USER);
	return j->t == NULL ? OK : transfer_take_peers(j->t, all, n);
}

/* *news: it has others now, which it begins with. */
static int take_webseeds(struct job_record *r, const struct job_spec *s, bool *news)
{
	for (size_t i = 0; s->webseeds[i] != NULL; i++) {
		if (has((const char *const *)r->webseeds, s->webseeds[i]))
			continue;
		if (job_list_len(r->webseeds) >= JOBS_LIST_MAX)
			return ERR_TOO_BIG;
		if (job_list_add(&r->webseeds, s->webseeds[i]) != OK)
			return ERR_NOMEM;
		*news = true;
	}
	return OK;
}

int job_take_sources(struct job *j, const struct job_spec *s, struct err_info *info)
{
	bool news = false;
	int err = OK;

	if (j->rec.complete)
		return OK;
	if (s->n_peers > 0)
		err = take_peers(j, s);
	if (err == OK && s->webseeds != NULL)
		err = take_webseeds(&j->rec, s, &news);
	if (err != OK)
		return refuse(err, info);
	if (!news)
		return OK;
	job_stop(j);
	return job_changed(j, info);
}
