#include "cli/daemon_places.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "cli/placed.h"

struct daemon_places {
	struct jobs *js;
	struct jobs_watcher watcher;
	void (*say)(void *user, const char *line);
	void *user;
};

/* False: it is no index's entry, or none that can be remembered. */
static bool read_entry(const struct job_view *v, struct placed *p)
{
	if (v->owner == NULL || v->version == 0 ||
	    entry_check_owner(bytes_str(v->owner), NULL) != OK ||
	    entry_check_name(bytes_str(v->entry), NULL) != OK)
		return false;
	*p = (struct placed){.version = v->version,
			     .has_v1 = v->has_v1,
			     .has_v2 = v->has_v2,
			     .wrote = !v->there_already};
	snprintf(p->owner, sizeof(p->owner), "%s", v->owner);
	snprintf(p->name, sizeof(p->name), "%s", v->entry);
	memcpy(p->hash_v1, v->hash_v1, sizeof(p->hash_v1));
	memcpy(p->hash_v2, v->hash_v2, sizeof(p->hash_v2));
	return true;
}

static void remember(struct daemon_places *d, const struct job_view *v, struct placed *p)
{
	char line[800], safe[300];
	struct err_info why;

	if (placed_remember(v->path, p, &why) == OK)
		return;
	snprintf(line, sizeof(line),
		 "%s: not remembered, so a newer version will not replace it: %s",
		 text_escape(safe, sizeof(safe), bytes_str(v->path)), why.text);
	d->say(d->user, line);
}

static void on_job(void *user, struct job *j, enum job_event e)
{
	struct daemon_places *d = user;
	struct job_view v;
	struct placed p;

	if (e != JOB_ADDED && e != JOB_COMPLETE)
		return;
	job_view(j, &v);
	if (v.seed || !read_entry(&v, &p))
		return;
	/* Without that no harm is done: after a crash it is taken for the user's own. */
	if (e == JOB_ADDED)
		(void)placed_expect(v.path, &p, NULL);
	else
		remember(d, &v, &p);
}

int daemon_places_new(struct jobs *js, void (*say)(void *user, const char *line), void *user,
		      struct daemon_places **out)
{
	struct daemon_places *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return ERR_NOMEM;
	*d = (struct daemon_places){.js = js, .say = say, .user = user};
	d->watcher = (struct jobs_watcher){.event = on_job, .user = d};
	jobs_watch(js, &d->watcher);
	*out = d;
	return OK;
}

void daemon_places_free(struct daemon_places *d)
{
	if (d == NULL)
		return;
	jobs_unwatch(d->js, &d->watcher);
	free(d);
}
