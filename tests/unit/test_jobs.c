#include <time.h>

#include "test.h"

#include "base/text.h"
#include "daemon/job_record.h"
#include "daemon/jobs.h"
#include "node_fixture.h"

#define KIB 1024u

static const struct kind hybrid = {true, true};
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

static void on_event(void *user, struct job *j, enum job_event e)
{
	struct desk *d = user;
	struct job_view v;

	job_view(j, &v);
	d->seen[e]++;
	d->checked += e == JOB_STATE && v.state == JOB_CHECKING;
}

static void on_say(void *user, const char *line)
{
	struct desk *d = user;

	snprintf(d->said, sizeof(d->said), "%s", line);
}

static void desk_open(struct desk *d, uint32_t max_active)
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
static void desk_close(struct desk *d)
{
	jobs_free(d->js);
	node_free(d->node);
}

static void desk_init(struct desk *d, const struct sample_file *files, size_t n)
{
	memset(d, 0, sizeof(*d));
	world_init(&d->w, hybrid, 16 * KIB, files, n);
	snprintf(d->folder, sizeof(d->folder), "%s/jobs", d->w.dir);
	CHECK_INT(mkdir(d->folder, 0700), 0);
	desk_open(d, 0);
}

static void desk_fini(struct desk *d)
{
	desk_close(d);
	world_fini(&d->w);
}

static struct job *add(struct desk *d, const char *path, bool seed, bool paused, uint16_t port)
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

static struct job_view view(const struct job *j)
{
	struct job_view v;

	job_view(j, &v);
	return v;
}

static enum job_state phase_now(const struct job *j)
{
	return view(j).state;
}

#define WAIT_STATE(d, j, want) WAIT_FOR((d)->w.loop, phase_now(j) == (want))

/* The one file. */
static const char *data_of(const struct desk *d)
{
	static char path[400];

	snprintf(path, sizeof(path), "%s/f", d->w.seed);
	return path;
}

/* ---- through its life ------------------------------------------------------------ */

TEST(a_seed_begins_without_hashing_and_does_so_again_after_a_restart)
{
	struct desk d;
	struct job *j;

	desk_init(&d, &one, 1);
	j = add(&d, d.w.seed, true, false, 0);
	CHECK_INT(view(j).id, 1);
	CHECK_INT(phase_now(j), JOB_QUEUED);
	CHECK_INT(d.seen[JOB_ADDED], 1);
	WAIT_STATE(&d, j, JOB_SEEDING);
	CHECK_INT(d.checked, 0);
	CHECK_INT(view(j).done_bytes, one.length);
	desk_close(&d);

	desk_open(&d, 0);
	CHECK_INT(jobs_count(d.js), 1);
	j = jobs_by_id(d.js, 1);
	CHECK_STR(view(j).title, "ann/data@2");
	WAIT_STATE(&d, j, JOB_SEEDING);
	CHECK_INT(d.checked, 0);
	CHECK_STR(d.said, "");
	desk_fini(&d);
}

TEST(a_seed_that_changed_meanwhile_is_hashed_again_and_that_is_said)
{
	struct desk d;
	struct job *j;

	desk_init(&d, &one, 1);
	j = add(&d, d.w.seed, true, false, 0);
	WAIT_STATE(&d, j, JOB_SEEDING);
	desk_close(&d);
	file_write(data_of(&d), d.w.s.space, one.length); /* the same, at another time */
	desk_open(&d, 0);
	j = jobs_by_id(d.js, 1);
	WAIT_STATE(&d, j, JOB_SEEDING);
	CHECK_INT(d.checked, 1);
	CHECK(strstr(d.said, "has changed") != NULL);
	desk_close(&d);

	file_write(data_of(&d), "x", 1);
	desk_open(&d, 0);
	j = jobs_by_id(d.js, 1);
	WAIT_STATE(&d, j, JOB_FAILED);
	CHECK_INT(d.seen[JOB_FAIL], 1);
	CHECK(view(j).why.code != OK);
	desk_fini(&d);
}

/* A second node to fetch from. */
static struct node *seed_node(struct desk *d)
{
	struct node *n = world_node(&d->w);

	world_seed(&d->w, n);
	return n;
}

TEST(a_download_completes_is_recorded_and_served_after_a_restart)
{
	struct desk d;
	struct node *from;
	struct job *j;

	desk_init(&d, several, 3);
	from = seed_node(&d);
	j = add(&d, d.w.out, false, false, node_port(from));
	WAIT_FOR(d.w.loop, d.seen[JOB_COMPLETE] == 1);
	CHECK_INT(phase_now(j), JOB_SEEDING);
	CHECK(view(j).completed_at > 0);
	check_content(&d.w.s, d.w.out);
	desk_close(&d);
	node_free(from);

	desk_open(&d, 0);
	j = jobs_by_id(d.js, 1);
	CHECK(view(j).complete && !view(j).seed);
	CHECK(view(j).down_total >= d.w.s.m->total_bytes);
	WAIT_STATE(&d, j, JOB_SEEDING);
	CHECK_INT(d.checked, 0);
	CHECK_INT(d.seen[JOB_COMPLETE], 0);
	desk_fini(&d);
}

TEST(what_is_not_to_be_served_ends_when_it_is_complete)
{
	struct desk d;
	struct job_spec s = {.no_seed = true};
	struct addr from;
	struct node *n;
	struct job *j;

	desk_init(&d, &one, 1);
	n = seed_node(&d);
	from = local(node_port(n));
	s.torrent = buf_bytes(&d.w.s.torrent);
	s.path = d.w.out;
	s.peers = &from;
	s.n_peers = 1;
	CHECK_INT(jobs_add(d.js, &s, &j, NULL), OK);
	WAIT_STATE(&d, j, JOB_DONE);
	CHECK(job_transfer(j) == NULL);
	CHECK_INT(d.seen[JOB_COMPLETE], 1);
	CHECK_INT(view(j).done_bytes, one.length);
	node_free(n);
	desk_fini(&d);
}

/* Answers `*left` more requests, each a piece. Always true. */
static bool give(struct raw *r, uint32_t *left)
{
	static uint32_t next;

	raw_pump(r);
	if (r->n_asked == 0)
		next = 0;
	for (; next<r->n_asked && * left> 0; next++, --*left)
		raw_put_block(r, &r->asked[next]);
	return true;
}

TEST(a_paused_download_keeps_what_it_has_and_goes_on_without_hashing)
{
	struct desk d;
	struct raw r;
	struct job *j;
	uint64_t had;
	uint32_t left = 8;

	desk_init(&d, &one, 1);
	raw_init(&r, &d.w, 'r');
	raw_listen(&r);
	raw_say_seed(&r);
	j = add(&d, d.w.out, false, false, r.port);
	/* About half of it. */
	WAIT_FOR(d.w.loop, give(&r, &left) && left == 0 && view(j).done_bytes >= 4 * 16 * KIB);
	CHECK_INT(jobs_pause(d.js, j, NULL), OK);
	CHECK_INT(phase_now(j), JOB_PAUSED);
	CHECK(job_transfer(j) == NULL);
	had = view(j).done_bytes;
	CHECK(had > 0 && had < one.length);
	WAIT_FOR(d.w.loop, raw_pump(&r) && r.ended);
	CHECK_INT(jobs_resume(d.js, j, NULL), OK);
	WAIT_STATE(&d, j, JOB_DOWNLOADING);
	CHECK(view(j).done_bytes >= had);
	/* But for what was under way. */
	CHECK(view(j).to_check_bytes < one.length / 2);
	raw_fini(&r);
	desk_fini(&d);
}

TEST(what_is_paused_is_paused_after_a_restart_and_shows_what_it_has)
{
	struct desk d;
	struct job *j;

	desk_init(&d, &one, 1);
	j = add(&d, d.w.seed, true, false, 0);
	WAIT_STATE(&d, j, JOB_SEEDING);
	CHECK_INT(jobs_pause(d.js, j, NULL), OK);
	desk_close(&d);
	desk_open(&d, 0);
	j = jobs_by_id(d.js, 1);
	for (int i = 0; i < 20; i++)
		loop_turn(d.w.loop, 1);
	CHECK_INT(phase_now(j), JOB_PAUSED);
	CHECK_INT(view(j).done_bytes, one.length);
	CHECK_INT(jobs_resume(d.js, j, NULL), OK);
	WAIT_STATE(&d, j, JOB_SEEDING);
	desk_fini(&d);
}

TEST(a_recheck_finds_what_was_changed)
{
	struct desk d;
	struct job *j;

	desk_init(&d, &one, 1);
	j = add(&d, d.w.seed, true, false, 0);
	WAIT_STATE(&d, j, JOB_SEEDING);
	CHECK_INT(jobs_recheck(d.js, j, NULL), OK);
	WAIT_FOR(d.w.loop, d.checked == 1 && phase_now(j) == JOB_SEEDING);
	d.w.s.space[5] ^= 1;
	file_write(data_of(&d), d.w.s.space, one.length);
	CHECK_INT(jobs_recheck(d.js, j, NULL), OK);
	WAIT_STATE(&d, j, JOB_FAILED);
	/* It is mended by hand. */
	d.w.s.space[5] ^= 1;
	file_write(data_of(&d), d.w.s.space, one.length);
	CHECK_INT(jobs_resume(d.js, j, NULL), OK);
	WAIT_STATE(&d, j, JOB_SEEDING);
	desk_fini(&d);
}

/* ---- removing ----------------------------------------------------------------------- */

static bool gone(const struct desk *d, const char *rel)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s", d->w.dir, rel);
	return !path_exists(path);
}

TEST(removing_with_data_takes_what_the_torrent_names_and_nothing_else)
{
	struct desk d;
	struct job *j;
	char mine[400];

	desk_init(&d, several, 3);
	j = add(&d, d.w.seed, true, false, 0);
	WAIT_STATE(&d, j, JOB_SEEDING);
	snprintf(mine, sizeof(mine), "%s/sub/mine", d.w.seed);
	file_write(mine, "x", 1);
	CHECK_INT(jobs_remove(d.js, j, true, NULL), OK);
	CHECK_INT(jobs_count(d.js), 0);
	CHECK_INT(d.seen[JOB_REMOVED], 1);
	WAIT_FOR(d.w.loop, gone(&d, "jobs/1.job"));
	CHECK(gone(&d, "seed/a") && gone(&d, "seed/sub/b") && gone(&d, "seed/sub/deep"));
	CHECK(path_exists(mine));
	CHECK(gone(&d, "jobs/1.torrent"));
	desk_fini(&d);
}

TEST(removing_without_data_leaves_it_and_a_removal_cut_off_is_ended_at_the_next_start)
{
	struct desk d;
	struct job *j;

	desk_init(&d, &one, 1);
	j = add(&d, d.w.seed, true, false, 0);
	WAIT_STATE(&d, j, JOB_SEEDING);
	CHECK_INT(jobs_remove(d.js, j, false, NULL), OK);
	CHECK(gone(&d, "jobs/1.job") && path_exists(d.w.seed));
	j = add(&d, d.w.seed, true, false, 0);
	CHECK_INT(view(j).id, 2);
	WAIT_STATE(&d, j, JOB_SEEDING);
	CHECK_INT(jobs_remove(d.js, j, true, NULL), OK);
	desk_close(&d);
	CHECK(path_exists(d.w.seed));
	desk_open(&d, 0);
	CHECK_INT(jobs_count(d.js), 0);
	WAIT_FOR(d.w.loop, gone(&d, "seed") && gone(&d, "jobs/2.job"));
	desk_fini(&d);
}

TEST(what_is_unfinished_goes_with_its_job)
{
	struct desk d;
	struct job *j;
	struct raw r;
	char state_path[400];

	desk_init(&d, &one, 1);
	raw_init(&r, &d.w, 'r');
	raw_listen(&r);
	raw_say_seed(&r);
	j = add(&d, d.w.out, false, false, r.port);
	WAIT_FOR(d.w.loop, raw_pump(&r) && r.n_asked > 0);
	for (uint32_t i = 0; i < r.n_asked && i < 4; i++)
		raw_put_block(&r, &r.asked[i]);
	WAIT_FOR(d.w.loop, raw_pump(&r) && view(j).done_bytes > 0);
	snprintf(state_path, sizeof(state_path), "%s", store_part_path(job_transfer(j)->store));
	CHECK(path_exists(state_path));
	CHECK_INT(jobs_remove(d.js, j, true, NULL), OK);
	WAIT_FOR(d.w.loop, !path_exists(state_path) && gone(&d, "jobs/1.job"));
	raw_fini(&r);
	desk_fini(&d);
}

/* ---- the queue ------------------------------------------------------------------------ */

/* A torrent of its own each time. */
static struct job *add_other(struct desk *d, char name, int32_t priority)
{
	const struct sample_file f = {(char[]){name, '\0'}, 20 * KIB, false};
	struct job_spec spec = {.priority = priority};
	struct sample s;
	struct job *j;
	char path[400];

	sample_make(&s, true, true, 16 * KIB, &f, 1);
	snprintf(path, sizeof(path), "%s/%c", d->w.dir, name);
	spec.torrent = buf_bytes(&s.torrent);
	spec.path = path;
	CHECK_INT(jobs_add(d->js, &spec, &j, NULL), OK);
	sample_free(&s);
	return j;
}

TEST(so_many_downloads_at_a_time_the_highest_priority_first_then_the_oldest)
{
	struct desk d;
	struct job *a, *b, *c, *e;

	desk_init(&d, &one, 1);
	jobs_set_active(d.js, 1);
	a = add_other(&d, 'A', 0);
	b = add_other(&d, 'B', 0);
	c = add_other(&d, 'C', 5);
	e = add_other(&d, 'E', 0);
	WAIT_FOR(d.w.loop, job_transfer(c) != NULL);
	CHECK(job_transfer(a) == NULL && job_transfer(b) == NULL && job_transfer(e) == NULL);
	CHECK_INT(phase_now(a), JOB_QUEUED);
	CHECK_INT(jobs_pause(d.js, c, NULL), OK);
	WAIT_FOR(d.w.loop, job_transfer(a) != NULL);
	CHECK_INT(jobs_set_priority(d.js, e, 9, NULL), OK);
	CHECK_INT(jobs_remove(d.js, a, false, NULL), OK);
	WAIT_FOR(d.w.loop, job_transfer(e) != NULL);
	CHECK(job_transfer(b) == NULL);
	jobs_set_active(d.js, 3);
	WAIT_FOR(d.w.loop, job_transfer(b) != NULL);
	desk_fini(&d);
}

/* ---- finding, adding ---------------------------------------------------------------------- */

TEST(a_job_is_found_by_number_hash_title_name_or_a_beginning_that_is_its_alone)
{
	static const char *const fine[] = {"1",	     "ann/data@2", "ann/data", "data",
					   "data@2", "ann/",	   "da"};
	struct desk d;
	struct job *j, *other, *got;
	struct job_view v;
	struct err_info info;
	char hex[2 * SHA256_LEN + 1];

	desk_init(&d, &one, 1);
	j = add(&d, d.w.seed, true, true, 0);
	other = add_other(&d, 'Z', 0);
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
		CHECK_INT(jobs_find(d.js, fine[i], &got, &info), OK);
		CHECK(got == j);
	}
	v = view(j);
	text_hex(hex, bytes_of(v.hash_v2, SHA256_LEN));
	for (size_t n = 2 * SHA256_LEN; n >= 12; n -= 4) {
		hex[n] = '\0';
		CHECK_INT(jobs_find(d.js, hex, &got, &info), OK);
		CHECK(got == j);
	}
	CHECK_INT(jobs_find(d.js, "2", &got, &info), OK);
	CHECK(got == other);
	CHECK_INT(jobs_find(d.js, "", &got, &info), ERR_NOENT);
	CHECK_INT(jobs_find(d.js, "9", &got, &info), ERR_NOENT);
	CHECK_INT(jobs_find(d.js, "data@1", &got, &info), ERR_NOENT);
	CHECK_INT(jobs_set_title(d.js, other, "ann/data@3", NULL), OK);
	CHECK_INT(jobs_find(d.js, "ann/data", &got, &info), ERR_AMBIGUOUS);
	CHECK(got == NULL && strstr(info.text, "number 1, 2") != NULL);
	CHECK(jobs_by_hash(d.js, meta_swarm_hash(d.w.s.m)) == j);
	desk_fini(&d);
}

TEST(a_torrent_is_there_once_and_what_is_no_torrent_or_path_is_refused)
{
	struct desk d;
	struct job_spec s = {.path = "/x"};
	struct job *j, *again = NULL;

	desk_init(&d, &one, 1);
	j = add(&d, d.w.seed, true, true, 0);
	s.torrent = buf_bytes(&d.w.s.torrent);
	CHECK_INT(jobs_add(d.js, &s, &again, NULL), ERR_EXISTS);
	CHECK(again == j);
	s.path = "x";
	CHECK_INT(jobs_add(d.js, &s, &again, NULL), ERR_INVALID);
	s.path = "/x";
	s.torrent = bytes_str("d4:infode");
	CHECK_INT(jobs_add(d.js, &s, &again, NULL), ERR_PROTO);
	CHECK_INT(jobs_count(d.js), 1);
	CHECK(gone(&d, "jobs/2.job") && gone(&d, "jobs/2.torrent"));
	desk_fini(&d);
}

TEST(a_job_that_follows_does_so_after_a_restart_and_the_same_content_is_only_called_anew)
{
	struct desk d;
	struct job_spec s = {.path = "/x",
			     .title = "ann/data@2",
			     .owner = "ann",
			     .entry = "data",
			     .version = 2,
			     .paused = true,
			     .follow = "{\"every_s\":1}"};
	struct job *j, *next = NULL;
	struct err_info why;
	size_t at = 0;

	desk_init(&d, &one, 1);
	s.torrent = buf_bytes(&d.w.s.torrent);
	CHECK_INT(jobs_add(d.js, &s, &j, NULL), OK);
	desk_close(&d);
	desk_open(&d, 0);
	j = jobs_next(d.js, &at);
	CHECK_STR(view(j).follow, s.follow);
	CHECK(view(j).watch == NULL);
	s.title = "ann/data@3";
	s.version = 3;
	CHECK_INT(jobs_add_newer(d.js, j, &s, &next, NULL), OK);
	CHECK(next == j);
	CHECK_INT(jobs_count(d.js), 1);
	CHECK_STR(view(j).title, "ann/data@3");
	CHECK_INT(view(j).version, 3);
	CHECK_INT(d.seen[JOB_CHANGED], 1);
	err_set(&why, ERR_UNREACHABLE, "it rains");
	jobs_set_upkeep_why(j, &why);
	jobs_set_upkeep_why(j, &why);
	CHECK_STR(view(j).upkeep_why.text, "it rains");
	CHECK_INT(d.seen[JOB_CHANGED], 2);
	desk_fini(&d);
}

TEST(what_follows_is_an_entry_that_is_fetched_and_what_is_watched_one_that_is_shared)
{
	struct desk d;
	struct job_spec s = {.path = "/x", .follow = "{}"};
	char *how = calloc(1, JOBS_UPKEEP_BYTES_MAX + 2);
	struct job *j;

	desk_init(&d, &one, 1);
	s.torrent = buf_bytes(&d.w.s.torrent);
	CHECK_INT(jobs_add(d.js, &s, &j, NULL), ERR_INVALID);
	s.owner = "ann";
	s.entry = "data";
	s.version = 1;
	s.seed = true;
	CHECK_INT(jobs_add(d.js, &s, &j, NULL), ERR_INVALID);
	s.follow = NULL;
	s.watch = "{}";
	s.seed = false;
	CHECK_INT(jobs_add(d.js, &s, &j, NULL), ERR_INVALID);
	s.seed = true;
	memset(how, ' ', JOBS_UPKEEP_BYTES_MAX + 1);
	s.watch = how;
	CHECK_INT(jobs_add(d.js, &s, &j, NULL), ERR_TOO_BIG);
	CHECK_INT(jobs_count(d.js), 0);
	how[JOBS_UPKEEP_BYTES_MAX] = '\0';
	CHECK_INT(jobs_add(d.js, &s, &j, NULL), OK);
	desk_fini(&d);
	free(how);
}

/* ---- damage ------------------------------------------------------------------------------- */

static void damage(struct desk *d, const char *rel)
{
	char path[400];
	uint8_t *data;
	size_t len = 0;

	snprintf(path, sizeof(path), "%s/%s", d->folder, rel);
	data = file_load(path, &len);
	data[len / 2] ^= 4;
	file_write(path, data, len);
	free(data);
}

TEST(a_damaged_record_costs_that_job_alone_and_its_number_is_not_used_again)
{
	struct desk d;
	struct job *j;

	desk_init(&d, &one, 1);
	add_other(&d, 'A', 0);
	j = add(&d, d.w.seed, true, false, 0);
	add_other(&d, 'B', 0);
	WAIT_STATE(&d, j, JOB_SEEDING);
	CHECK_INT(jobs_pause(d.js, j, NULL), OK);
	desk_close(&d);
	damage(&d, "3.job");
	damage(&d, "totals");
	desk_open(&d, 0);
	CHECK_INT(jobs_count(d.js), 2);
	CHECK(jobs_by_id(d.js, 3) == NULL && jobs_by_id(d.js, 2) != NULL);
	j = add_other(&d, 'B', 0);
	CHECK_INT(view(j).id, 4);
	desk_close(&d);

	/* A damaged .torrent is a failed job. */
	damage(&d, "2.torrent");
	desk_open(&d, 0);
	j = jobs_by_id(d.js, 2);
	CHECK_INT(jobs_resume(d.js, j, NULL), OK);
	WAIT_STATE(&d, j, JOB_FAILED);
	desk_fini(&d);
}

TEST(a_torrent_without_a_record_was_never_added)
{
	struct desk d;
	char path[400];

	desk_init(&d, &one, 1);
	desk_close(&d);
	snprintf(path, sizeof(path), "%s/7.torrent", d.folder);
	file_write(path, "x", 1);
	desk_open(&d, 0);
	CHECK_INT(jobs_count(d.js), 0);
	CHECK(!path_exists(path));
	desk_fini(&d);
}

TEST(without_a_folder_nothing_is_kept)
{
	struct desk d;
	struct job *j;

	desk_init(&d, &one, 1);
	desk_close(&d);
	d.node = world_node(&d.w);
	CHECK_INT(jobs_new(&(struct jobs_params){.loop = d.w.loop, .node = d.node}, &d.js, NULL),
		  OK);
	j = add(&d, d.w.seed, true, false, 0);
	WAIT_STATE(&d, j, JOB_SEEDING);
	CHECK(gone(&d, "jobs/1.job"));
	desk_fini(&d);
}
