/* tests/unit/jobs_fixture.h - jobs of a node, with what they tell, kept in a folder of their own.
 */
#ifndef SHOAL_JOBS_FIXTURE_H
#define SHOAL_JOBS_FIXTURE_H

#include <time.h>

#include "daemon/jobs.h"
#include "node_fixture.h"

/* include "test.h" before this */

#define KIB 1024u

static const struct kind hybrid = {true, true}, only_v1 = {true, false};
static const struct sample_file one = {"f", 300 * KIB + 5, false};
static const struct sample_file several[] = {
    {"a", 100 * KIB, false}, {"sub/b", 40 * KIB, false}, {"sub/deep/c", 1, false}};

/* A node with jobs, kept in DIR/jobs unless volatile. */
struct desk {
	struct world w;
	char folder[300];
	struct node *node;
	struct jobs *js;
	struct jobs_watcher watcher;
	uint32_t seen[JOB_REMOVED + 1];
	uint32_t checked; /* states that were CHECKING */
	char said[1024];
};

static inline void on_event(void *user, struct job *j, enum job_event e)
{
	struct desk *d = user;
	struct job_view v;

	job_view(j, &v);
	d->seen[e]++;
	d->checked += e == JOB_STATE && v.state == JOB_CHECKING;
}

static inline void on_say(void *user, const char *line)
{
	struct desk *d = user;

	snprintf(d->said, sizeof(d->said), "%s", line);
}

static inline void desk_open(struct desk *d, uint32_t max_active)
{
	struct jobs_params p = {.loop = d->w.loop,
				.folder = d->folder,
				.max_active = max_active,
				.say = on_say,
				.user = d};
	struct err_info info = {.code = OK};

	d->node = world_node(&d->w);
	p.node = d->node;
	memset(d->seen, 0, sizeof(d->seen));
	d->checked = 0;
	d->said[0] = '\0';
	jobs_new(&p, &d->js, &info);
	CHECK_STR(info.text, "");
	d->watcher = (struct jobs_watcher){.event = on_event, .user = d};
	jobs_watch(d->js, &d->watcher);
}

/* As after kill -9: nothing is left properly. */
static inline void desk_close(struct desk *d)
{
	jobs_free(d->js);
	node_free(d->node);
}

static inline void desk_init_kind(struct desk *d, struct kind kind, const struct sample_file *files,
				  size_t n)
{
	memset(d, 0, sizeof(*d));
	world_init(&d->w, kind, 16 * KIB, files, n);
	snprintf(d->folder, sizeof(d->folder), "%s/jobs", d->w.dir);
	CHECK_INT(mkdir(d->folder, 0700), 0);
	desk_open(d, 0);
}

static inline void desk_init(struct desk *d, const struct sample_file *files, size_t n)
{
	desk_init_kind(d, hybrid, files, n);
}

static inline void desk_fini(struct desk *d)
{
	desk_close(d);
	world_fini(&d->w);
}

static inline struct job *add(struct desk *d, const char *path, bool seed, bool paused,
			      uint16_t port)
{
	struct addr from = local(port == 0 ? 1 : port);
	struct stamp stamp;
	struct job_spec s = {.torrent = buf_bytes(&d->w.s.torrent),
			     .path = path,
			     .seed = seed,
			     .paused = paused,
			     .title = "ann/data@2",
			     .peers = &from,
			     .n_peers = port != 0};
	struct err_info info = {.code = OK};
	struct job *j = NULL;

	if (seed && stamp_take(path, &stamp, NULL) == OK)
		s.stamp = &stamp;
	jobs_add(d->js, &s, &j, &info);
	CHECK_STR(info.text, "");
	return j;
}

static inline struct job_view view(const struct job *j)
{
	struct job_view v;

	job_view(j, &v);
	return v;
}

static inline enum job_state phase_now(const struct job *j)
{
	return view(j).state;
}

#define WAIT_STATE(d, j, want) WAIT_FOR((d)->w.loop, phase_now(j) == (want))

/* With the share at DIR/seed as its one job, which is served by now. */
static inline struct job *desk_init_serving(struct desk *d, const struct sample_file *files,
					    size_t n)
{
	struct job *j;

	desk_init(d, files, n);
	j = add(d, d->w.seed, true, false, 0);
	WAIT_STATE(d, j, JOB_SEEDING);
	return j;
}

/* The one file. */
static inline const char *data_of(const struct desk *d)
{
	static char path[400];

	snprintf(path, sizeof(path), "%s/f", d->w.seed);
	return path;
}

static inline bool gone(const struct desk *d, const char *rel)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s", d->w.dir, rel);
	return !path_exists(path);
}

/* A second node to fetch from. */
static inline struct node *seed_node(struct desk *d)
{
	struct node *n = world_node(&d->w);

	world_seed(&d->w, n);
	return n;
}

/* Answers `*left` more requests, each a piece. Always true. */
static inline bool give(struct raw *r, uint32_t *left)
{
	static uint32_t next;

	raw_pump(r);
	if (r->n_asked == 0)
		next = 0;
	while (*left > 0 && next < r->n_asked) {
		raw_put_block(r, &r->asked[next++]);
		--*left;
	}
	return true;
}

#endif
