#include "cli/daemon_reads.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "cli/background.h"
#include "cli/control.h"
#include "daemon/job_record.h"
#include "daemon/job_request.h"
#include "store/scan.h"

/* One question. */
struct reading {
	struct daemon_reads *d;
	struct local_call *call;
	struct background *background;
	char *path;
	char **exclude;
	struct err_info why; /* the thread's while it runs */
	LIST_ENTRY(reading) all;
};

struct daemon_reads {
	struct loop *loop;
	atomic_bool stop;
	LIST_HEAD(, reading) list;
};

static void answer(struct local_call *call, const struct err_info *why)
{
	if (why->code == OK)
		control_say(call, json_pack("{s:b}", "reads", 1), true);
	else
		control_refuse_err(call, why);
}

static int check_file(const struct scan *s, const char *rel, struct err_info *info)
{
	char *path;
	int err;

	if (asprintf(&path, "%s/%s%s%s", s->parent, s->name, s->single ? "" : "/",
		     s->single ? "" : rel) < 0)
		return err_set(info, ERR_NOMEM, "out of memory");
	err = jobs_check_readable(path, info);
	free(path);
	return err;
}

/* What is wrong with it but that is said by who hashes it. */
static void look(void *arg)
{
	struct reading *r = arg;
	struct scan s;
	int err = scan_path(r->path, (const char *const *)r->exclude, &s, &r->why);

	if (err != OK) {
		if (err != ERR_DENIED && err != ERR_NOMEM)
			r->why.code = OK;
		return;
	}
	for (size_t i = 0; i < s.n_files && err == OK && !atomic_load(&r->d->stop); i++)
		err = check_file(&s, s.files[i].path, &r->why);
	scan_fini(&s);
}

static void drop(struct reading *r)
{
	background_free(r->background);
	LIST_REMOVE(r, all);
	free(r->path);
	job_list_free(r->exclude);
	free(r);
}

static void on_looked(void *arg)
{
	struct reading *r = arg;

	answer(r->call, &r->why);
	drop(r);
}

/* Takes `path` and `exclude`. */
static int begin(struct daemon_reads *d, struct local_call *call, char *path, char **exclude,
		 struct err_info *info)
{
	struct reading *r = calloc(1, sizeof(*r));
	int err;

	if (r == NULL) {
		free(path);
		job_list_free(exclude);
		return err_set(info, ERR_NOMEM, "out of memory");
	}
	*r = (struct reading){.d = d, .call = call, .path = path, .exclude = exclude};
	LIST_INSERT_HEAD(&d->list, r, all);
	err = background_begin(d->loop, look, on_looked, r, &r->background, info);
	if (err != OK)
		drop(r);
	return err;
}

int daemon_reads_new(struct loop *loop, struct daemon_reads **out)
{
	struct daemon_reads *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return ERR_NOMEM;
	d->loop = loop;
	LIST_INIT(&d->list);
	*out = d;
	return OK;
}

void daemon_reads_answer(struct daemon_reads *d, struct local_call *call, const json_t *question)
{
	struct err_info why = {.code = OK};
	bool within = false;
	char *path = NULL, **exclude = NULL;
	int err = job_args_path(question, "path", &path, &why);

	if (err == OK)
		err = job_args_flag(question, "within", &within, &why);
	if (err == OK)
		err = job_args_list(question, "exclude", JOBS_LIST_MAX, &exclude, &why);
	if (err == OK)
		err = jobs_check_readable(path, &why);
	if (err == OK && within) {
		if (begin(d, call, path, exclude, &why) == OK)
			return;
		path = NULL;
		exclude = NULL;
	}
	free(path);
	job_list_free(exclude);
	answer(call, &why);
}

void daemon_reads_free(struct daemon_reads *d)
{
	struct reading *r;

	if (d == NULL)
		return;
	atomic_store(&d->stop, true);
	while ((r = LIST_FIRST(&d->list)) != NULL) {
		control_refuse(r->call, "not_found", "the daemon is leaving");
		drop(r);
	}
	free(d);
}
