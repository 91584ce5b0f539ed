#include <jansson.h>
#include <stdlib.h>

#include "test.h"

#include "daemon/job_record.h"
#include "daemon/jobs_json.h"
#include "jobs_fixture.h"

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

/* ---- versions ------------------------------------------------------------------------------- */

/* Version 2 of the folder `several`: one file is gone, some are new. */
static const struct sample_file later[] = {{"a", 100 * KIB, false},
					   {"b", 10, false},
					   {"sub/b", 41 * KIB, false},
					   {"sub/new", 20 * KIB, false}};

static struct job_spec version(const struct sample *s, const char *path, uint32_t n)
{
	return (struct job_spec){.torrent = buf_bytes(&s->torrent),
				 .path = path,
				 .title = n == 1 ? "ann/data@1" : "ann/data@2",
				 .owner = "ann",
				 .entry = "data",
				 .version = n};
}

/* The first version follows, or is watched, and is paused: nothing of it moves. */
static struct job *add_first(struct desk *d, bool seed)
{
	struct job_spec s = version(&d->w.s, d->w.seed, 1);
	struct job *j = NULL;

	s.paused = true;
	s.seed = seed;
	*(seed ? &s.watch : &s.follow) = "{}";
	CHECK_INT(jobs_add(d->js, &s, &j, NULL), OK);
	return j;
}

static struct job *add_second(struct desk *d, struct job *old, const struct sample *s)
{
	struct job_view v = view(old);
	struct job_spec spec = version(s, v.path, 2);
	struct job *j = NULL;

	CHECK_INT(jobs_add_newer(d->js, old, &spec, &j, NULL), OK);
	return j;
}

/* "a:normal b:skip ...", as job_files_json() has them. */
static const char *files_of(const struct job *j)
{
	static char text[512];
	json_t *all = job_files_json(j, 0, NULL), *f;
	size_t n = 0, i;

	CHECK(all != NULL);
	json_array_foreach(json_object_get(all, "files"), i, f)
	{
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s:%s", n > 0 ? " " : "",
				      json_string_value(json_object_get(f, "path")),
				      json_string_value(json_object_get(f, "priority")));
	}
	json_decref(all);
	return text;
}

static int want(struct desk *d, struct job *j, enum want much, const char *a, const char *b)
{
	const char *const globs[] = {a, b, NULL};

	return jobs_set_files(d->js, j, globs, much, NULL);
}

TEST(what_is_said_of_files_holds_for_newer_versions_and_after_a_restart)
{
	struct desk d;
	struct sample s;
	struct job *j;
	size_t at = 0;

	desk_init(&d, several, 3);
	sample_make(&s, true, true, 16 * KIB, later, 4);
	j = add_first(&d, false);
	CHECK_INT(want(&d, j, WANT_NOT, "sub/*", "!*/deep/*"), OK);
	CHECK_INT(want(&d, j, WANT_HIGH, "a", NULL), OK);
	CHECK_STR(files_of(j), "a:high sub/b:skip sub/deep/c:normal");
	desk_close(&d);
	desk_open(&d, 0);
	j = add_second(&d, jobs_next(d.js, &at), &s);
	CHECK_STR(files_of(j), "a:high b:normal sub/b:skip sub/new:skip");
	CHECK_INT(view(j).wanted_files, 2);
	CHECK_INT(view(j).wanted_bytes, 100 * KIB + 10);
	sample_free(&s);
	desk_fini(&d);
}

TEST(what_is_said_of_the_same_files_later_is_what_holds)
{
	struct desk d;
	struct sample s;
	struct job *j;

	desk_init(&d, several, 3);
	sample_make(&s, true, true, 16 * KIB, later, 4);
	j = add_first(&d, false);
	CHECK_INT(want(&d, j, WANT_NOT, "sub/*", NULL), OK);
	CHECK_INT(want(&d, j, WANT_LOW, "*b", NULL), OK);
	CHECK_INT(want(&d, j, WANT_NORMAL, "sub/*", NULL), OK);
	CHECK_STR(files_of(add_second(&d, j, &s)), "a:normal b:low sub/b:normal sub/new:normal");
	sample_free(&s);
	desk_fini(&d);
}

TEST(a_newer_version_of_which_no_file_would_be_left_is_refused)
{
	struct desk d;
	struct sample s;
	struct sample_file all[] = {{"sub/x", 10, false}, {"sub/y", 10, false}};
	struct job_spec spec;
	struct job *j, *next;

	desk_init(&d, several, 3);
	sample_make(&s, true, true, 16 * KIB, all, 2);
	j = add_first(&d, false);
	CHECK_INT(want(&d, j, WANT_NOT, "*", NULL), ERR_NOENT);
	CHECK_INT(want(&d, j, WANT_NOT, "sub/*", NULL), OK);
	spec = version(&s, view(j).path, 2);
	CHECK_INT(jobs_add_newer(d.js, j, &spec, &next, NULL), ERR_NOENT);
	CHECK_INT(jobs_count(d.js), 1);
	CHECK_STR(view(j).follow, "{}");
	sample_free(&s);
	desk_fini(&d);
}

/* It is kept in one record, which has to end somewhere. */
TEST(more_cannot_be_said_of_files_than_is_kept)
{
	char *glob = calloc(1, JOBS_UPKEEP_BYTES_MAX + 1);
	struct desk d;
	struct job *j;

	desk_init(&d, several, 3);
	j = add_first(&d, false);
	memset(glob, 'x', JOBS_UPKEEP_BYTES_MAX / 2);
	CHECK_INT(want(&d, j, WANT_LOW, "a", glob), OK);
	CHECK_INT(want(&d, j, WANT_NOT, "a", glob), OK); /* in its place */
	glob[0] = 'y';
	CHECK_INT(want(&d, j, WANT_LOW, "a", glob), ERR_TOO_BIG);
	CHECK_STR(files_of(j), "a:skip sub/b:normal sub/deep/c:normal");
	desk_fini(&d);
	free(glob);
}

TEST(of_a_complete_one_that_follows_files_are_chosen_for_newer_versions_alone)
{
	struct desk d;
	struct node *n;
	struct addr from;
	struct job_spec spec;
	struct sample s;
	struct job *j;

	desk_init(&d, several, 3);
	sample_make(&s, true, true, 16 * KIB, later, 4);
	n = seed_node(&d);
	from = local(node_port(n));
	spec = version(&d.w.s, d.w.out, 1);
	spec.follow = "{}";
	spec.peers = &from;
	spec.n_peers = 1;
	CHECK_INT(jobs_add(d.js, &spec, &j, NULL), OK);
	WAIT_FOR(d.w.loop, view(j).complete);
	CHECK_INT(want(&d, j, WANT_NOT, "nothing", NULL), ERR_NOENT);
	CHECK_INT(want(&d, j, WANT_NOT, "*", NULL), ERR_NOENT);
	CHECK_INT(want(&d, j, WANT_NOT, "sub/*", NULL), OK);
	CHECK(view(j).complete && view(j).wanted_files == 3);
	j = add_second(&d, j, &s);
	CHECK_STR(files_of(j), "a:normal b:normal sub/b:skip sub/new:skip");
	node_free(n);
	sample_free(&s);
	desk_fini(&d);
}

TEST(a_version_that_was_added_by_hand_is_the_one_that_follows_then)
{
	struct desk d;
	struct sample s;
	struct job_spec spec;
	struct job *old, *mine, *next = NULL;

	desk_init(&d, several, 3);
	sample_make(&s, true, true, 16 * KIB, later, 4);
	old = add_first(&d, false);
	spec = version(&s, view(old).path, 2);
	spec.paused = true;
	CHECK_INT(jobs_add(d.js, &spec, &mine, NULL), OK);
	CHECK(view(mine).follow == NULL);
	/* Elsewhere it is another matter. */
	spec.path = "/elsewhere";
	CHECK_INT(jobs_add_newer(d.js, old, &spec, &next, NULL), ERR_EXISTS);
	CHECK(view(mine).follow == NULL);
	spec.path = view(old).path;
	CHECK_INT(jobs_add_newer(d.js, old, &spec, &next, NULL), OK);
	CHECK(next == mine);
	CHECK_STR(view(mine).follow, "{}");
	/* Of what is not complete nothing is served. */
	CHECK(jobs_by_id(d.js, 1) == NULL);
	desk_close(&d);
	desk_open(&d, 0);
	CHECK_INT(jobs_count(d.js), 1);
	CHECK_STR(view(jobs_by_id(d.js, 2)).follow, "{}");
	sample_free(&s);
	desk_fini(&d);
}

TEST(what_is_watched_at_a_place_is_its_newest_version_alone)
{
	struct desk d;
	struct sample s;
	struct job_spec spec;
	struct job *j;

	desk_init(&d, several, 3);
	sample_make(&s, true, true, 16 * KIB, later, 4);
	CHECK_INT(view(add_first(&d, true)).id, 1);
	spec = version(&s, d.w.seed, 2);
	spec.paused = spec.seed = true;
	spec.watch = "{}";
	CHECK_INT(jobs_add(d.js, &spec, &j, NULL), OK);
	CHECK_INT(jobs_count(d.js), 1);
	CHECK(jobs_by_id(d.js, 1) == NULL && jobs_by_id(d.js, 2) == j);
	sample_free(&s);
	desk_fini(&d);
}

/* ---- asked for once more -------------------------------------------------------------------- */

/* As it was recorded; "" is none. */
static const char *token_of(const struct desk *d, uint32_t id)
{
	static char token[100];
	struct job_record r;
	char path[400];
	size_t len = 0;
	uint8_t *data;

	snprintf(path, sizeof(path), "%s/%u.job", d->folder, id);
	data = file_load(path, &len);
	CHECK_INT(job_record_decode(bytes_of(data, len), &r), OK);
	snprintf(token, sizeof(token), "%s", r.token == NULL ? "" : r.token);
	job_record_fini(&r);
	free(data);
	return token;
}

TEST(what_is_asked_for_anew_has_the_limits_and_the_index_that_are_said_then)
{
	struct desk d;
	struct job_spec s;
	struct job *j;
	struct job_view v;
	struct err_info why;

	desk_init(&d, several, 3);
	s = version(&d.w.s, d.w.seed, 1);
	s.seed = s.paused = true;
	s.watch = "{\"settle_s\": 1}";
	s.index = "http://127.0.0.1:1";
	s.token = "secret";
	s.up_bps = 1000;
	CHECK_INT(jobs_add(d.js, &s, &j, NULL), OK);
	err_set(&why, ERR_DENIED, "it rains");
	jobs_set_upkeep_why(j, &why);
	v = view(j);
	CHECK_INT(jobs_set_limits(d.js, j, 5, 1000, NULL), OK);
	CHECK_INT(view(j).upkeep_asked, v.upkeep_asked);
	s.watch = "{\"settle_s\": 2}";
	s.up_bps = 2000;
	s.token = NULL;
	CHECK_INT(jobs_ask_again(d.js, j, &s, NULL), OK);
	v = view(j);
	CHECK_INT(v.upkeep_asked, 1);
	CHECK_STR(v.watch, s.watch);
	CHECK_INT(v.limit_up_bps, 2000);
	CHECK_INT(v.limit_down_bps, 5);
	CHECK_INT(v.upkeep_why.code, OK);
	CHECK_STR(token_of(&d, 1), "secret");
	s.index = "http://127.0.0.1:2"; /* which our secret is none of the business of */
	CHECK_INT(jobs_ask_again(d.js, j, &s, NULL), OK);
	CHECK_INT(view(j).upkeep_asked, 2);
	CHECK_STR(token_of(&d, 1), "");
	desk_fini(&d);
}

/* ---- held ----------------------------------------------------------------------------------- */

/* A seed that was verified, and changed since: not in what it is. */
static struct job *changed_seed(struct desk *d)
{
	struct job *j;

	desk_init(d, &one, 1);
	j = add(d, d->w.seed, true, false, 0);
	WAIT_STATE(d, j, JOB_SEEDING);
	desk_close(d);
	file_write(data_of(d), d->w.s.space, one.length);
	desk_open(d, 0);
	return jobs_by_id(d->js, 1);
}

TEST(what_changed_is_not_hashed_while_it_is_held_nor_when_it_turned_out_to_be_the_same)
{
	struct desk d;
	struct job *j = changed_seed(&d);
	struct stamp same;

	jobs_hold(j);
	WAIT_STATE(&d, j, JOB_CHECKING);
	for (int i = 0; i < 20; i++)
		loop_turn(d.w.loop, 1);
	CHECK(job_transfer(j) == NULL);
	CHECK_INT(stamp_take(d.w.seed, &same, NULL), OK);
	jobs_release(j, &same);
	WAIT_STATE(&d, j, JOB_SEEDING);
	CHECK_STR(d.said, "");
	desk_close(&d);

	desk_open(&d, 0);
	j = jobs_by_id(d.js, 1);
	WAIT_STATE(&d, j, JOB_SEEDING);
	CHECK_INT(d.checked, 0);
	CHECK_STR(d.said, "");
	desk_fini(&d);
}

TEST(what_is_released_without_a_word_is_hashed)
{
	struct desk d;
	struct job *j = changed_seed(&d);

	jobs_hold(j);
	WAIT_STATE(&d, j, JOB_CHECKING);
	jobs_release(j, NULL);
	WAIT_STATE(&d, j, JOB_SEEDING);
	CHECK(strstr(d.said, "hashed again") != NULL);
	desk_fini(&d);
}

TEST(what_is_held_can_be_paused_hashed_by_hand_and_removed)
{
	struct desk d;
	struct job *j = changed_seed(&d);

	jobs_hold(j);
	WAIT_STATE(&d, j, JOB_CHECKING);
	CHECK_INT(jobs_pause(d.js, j, NULL), OK);
	CHECK_INT(phase_now(j), JOB_PAUSED);
	CHECK_INT(jobs_resume(d.js, j, NULL), OK);
	CHECK_INT(phase_now(j), JOB_CHECKING);
	CHECK_INT(jobs_recheck(d.js, j, NULL), OK);
	WAIT_STATE(&d, j, JOB_SEEDING);
	CHECK_INT(jobs_remove(d.js, j, false, NULL), OK);
	desk_fini(&d);
}

TEST(what_did_not_change_begins_though_it_is_held)
{
	struct desk d;
	struct job *j;

	desk_init(&d, &one, 1);
	j = add(&d, d.w.seed, true, false, 0);
	jobs_hold(j);
	WAIT_STATE(&d, j, JOB_SEEDING);
	CHECK_INT(d.checked, 0);
	desk_fini(&d);
}

/* ---- files ---------------------------------------------------------------------------------- */

static uint64_t file_done(const struct job *j)
{
	json_t *all = job_files_json(j, 0, NULL);
	const json_t *f = json_array_get(json_object_get(all, "files"), 0);
	uint64_t done = (uint64_t)json_integer_value(json_object_get(f, "done_bytes"));

	CHECK(json_is_integer(json_object_get(f, "done_bytes")));
	json_decref(all);
	return done;
}

TEST(of_what_does_not_run_it_is_known_how_much_of_its_files_is_there)
{
	struct desk d;
	struct raw r;
	struct job *j;
	uint32_t left = 8;

	desk_init(&d, &one, 1);
	raw_init(&r, &d.w, 'r');
	raw_listen(&r);
	raw_say_seed(&r);
	j = add(&d, d.w.out, false, true, r.port);
	CHECK_INT(file_done(j), 0);
	CHECK_INT(jobs_resume(d.js, j, NULL), OK);
	WAIT_FOR(d.w.loop, give(&r, &left) && left == 0 && file_done(j) >= 4 * 16 * KIB);
	CHECK_INT(jobs_pause(d.js, j, NULL), OK);
	WAIT_FOR(d.w.loop, file_done(j) >= 4 * 16 * KIB);
	CHECK(file_done(j) < one.length);
	desk_close(&d);
	desk_open(&d, 0);
	j = jobs_by_id(d.js, 1);
	CHECK_INT(phase_now(j), JOB_PAUSED);
	CHECK(file_done(j) >= 4 * 16 * KIB && file_done(j) < one.length);
	raw_fini(&r);
	desk_fini(&d);
}
