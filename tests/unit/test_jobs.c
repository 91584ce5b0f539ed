#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "test.h"

#include "base/text.h"
#include "daemon/job_record.h"
#include "daemon/jobs_impl.h"
#include "daemon/jobs_json.h"
#include "jobs_fixture.h"

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

	j = desk_init_serving(&d, &one, 1);
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

TEST(a_seed_that_was_only_touched_is_hashed_once)
{
	struct desk d;
	struct job *j;

	j = desk_init_serving(&d, &one, 1);
	desk_close(&d);
	file_write(data_of(&d), d.w.s.space, one.length);
	desk_open(&d, 0);
	j = jobs_by_id(d.js, 1);
	WAIT_FOR(d.w.loop, phase_now(j) == JOB_SEEDING && j->rec.has_stamp);
	CHECK_INT(d.checked, 1);
	desk_close(&d);
	desk_open(&d, 0);
	WAIT_STATE(&d, jobs_by_id(d.js, 1), JOB_SEEDING);
	CHECK_INT(d.checked, 0);
	CHECK_STR(d.said, "");
	desk_fini(&d);
}

TEST(of_a_seed_that_lacks_a_file_when_it_begins_the_others_are_served_and_it_once_it_is_back)
{
	char path[400], away[400];
	struct desk d;
	struct job *j;

	j = desk_init_serving(&d, several, 3);
	desk_close(&d);
	snprintf(path, sizeof(path), "%s/a", d.w.seed);
	snprintf(away, sizeof(away), "%s/away", d.w.dir);
	CHECK_INT(rename(path, away), 0);
	desk_open(&d, 0);
	j = jobs_by_id(d.js, 1);
	WAIT_STATE(&d, j, JOB_SEEDING);
	CHECK_INT(view(j).done_bytes, several[1].length + several[2].length);
	WAIT_FOR(d.w.loop, strstr(view(j).why.text, "/a: was removed") != NULL);
	CHECK_INT(rename(away, path), 0);
	WAIT_FOR(d.w.loop, view(j).why.code == OK);
	CHECK_INT(view(j).done_bytes, view(j).total_bytes);
	desk_close(&d);

	/* Bytes that are others. */
	CHECK_INT(rename(path, away), 0);
	file_write(path, d.w.s.space + 1, several[0].length);
	desk_open(&d, 0);
	j = jobs_by_id(d.js, 1);
	WAIT_STATE(&d, j, JOB_SEEDING);
	CHECK(strstr(view(j).why.text, "/a: is not what the torrent says") != NULL);
	CHECK_INT(rename(away, path), 0);
	WAIT_FOR(d.w.loop, view(j).why.code == OK);
	desk_fini(&d);
}

/* Enough to be worth remembering file by file. */
static const struct sample_file big[] = {
    {"a", 6 << 20, false}, {"sub/b", (6 << 20) + 5, false}, {"sub/c", 5 << 20, false}};

/* A start. Returns how many bytes it hashes. */
static uint64_t hashed_at_start(struct desk *d, struct job **out)
{
	desk_close(d);
	desk_open(d, 0);
	*out = jobs_by_id(d->js, 1);
	WAIT_FOR(d->w.loop, phase_now(*out) == JOB_SEEDING && !(*out)->unrecorded);
	return view(*out).to_check_bytes;
}

static uint64_t offset_of(const struct desk *d, const char *path)
{
	const struct meta_file *f = d->w.s.m->files;

	while (f->path == NULL || strcmp(f->path, path) != 0)
		f++;
	return f->offset;
}

TEST(a_start_hashes_only_those_files_of_a_seed_that_somebody_touched)
{
	const uint64_t c = 5 << 20, at_most = c + 2 * 16 * KIB;
	char a[400], sub_c[400], away[400], stray[400];
	struct desk d;
	struct job *j;

	desk_init(&d, big, 3);
	snprintf(a, sizeof(a), "%s/a", d.w.seed);
	snprintf(sub_c, sizeof(sub_c), "%s/sub/c", d.w.seed);
	snprintf(stray, sizeof(stray), "%s/sub/.stray", d.w.seed);
	snprintf(away, sizeof(away), "%s/away", d.w.dir);
	j = add(&d, d.w.seed, true, false, 0);
	WAIT_STATE(&d, j, JOB_SEEDING);
	/* What is none of the torrent's does not matter. */
	file_write(stray, "x", 1);
	CHECK_INT(hashed_at_start(&d, &j), 0);
	CHECK_INT(view(j).done_bytes, view(j).total_bytes);
	CHECK_STR(d.said, "");
	/* One is missing, at every start. */
	CHECK_INT(rename(a, away), 0);
	for (int i = 0; i < 2; i++) {
		CHECK_INT(hashed_at_start(&d, &j), 0);
		CHECK_INT(view(j).done_bytes, big[1].length + big[2].length);
		WAIT_FOR(d.w.loop, view(j).why.code == ERR_MISMATCH);
	}
	/* Another one is touched meanwhile. */
	file_write(sub_c, d.w.s.space + offset_of(&d, "sub/c"), c);
	CHECK(hashed_at_start(&d, &j) >= c && view(j).to_check_bytes <= at_most);
	CHECK_INT(view(j).done_bytes, big[1].length + big[2].length);
	CHECK_INT(hashed_at_start(&d, &j), 0);
	/* The first is back as it was. */
	CHECK_INT(rename(away, a), 0);
	(void)hashed_at_start(&d, &j);
	WAIT_FOR(d.w.loop, view(j).done_bytes == view(j).total_bytes);
	CHECK(view(j).why.code == OK);
	CHECK_INT(hashed_at_start(&d, &j), 0);
	/* Who asks for it has all of it hashed. */
	CHECK_INT(jobs_recheck(d.js, j, NULL), OK);
	CHECK(gone(&d, "jobs/1.verified"));
	WAIT_FOR(d.w.loop, phase_now(j) == JOB_SEEDING && j->rec.has_stamp);
	CHECK(view(j).to_check_bytes >= view(j).total_bytes);
	CHECK(!gone(&d, "jobs/1.verified"));
	CHECK_INT(jobs_remove(d.js, j, false, NULL), OK);
	WAIT_FOR(d.w.loop, gone(&d, "jobs/1.torrent"));
	CHECK(gone(&d, "jobs/1.verified"));
	desk_fini(&d);
}

TEST(what_one_start_found_bad_is_not_believed_by_the_next_one_for_an_old_stamp)
{
	char path[400];
	struct stat was;
	struct desk d;
	struct job *j;

	for (size_t n = 1; n <= 3; n += 2) {
		enum job_state then = n == 1 ? JOB_FAILED : JOB_SEEDING;

		desk_init(&d, n == 1 ? &one : several, n);
		snprintf(path, sizeof(path), "%s/%s", d.w.seed, n == 1 ? "f" : "a");
		j = add(&d, d.w.seed, true, false, 0);
		WAIT_STATE(&d, j, JOB_SEEDING);
		CHECK_INT(stat(path, &was), 0);
		file_write(path, d.w.s.space + 1, (size_t)was.st_size);
		for (int i = 0; i < 2; i++) {
			const struct timespec times[2] = {was.st_mtim, was.st_mtim};

			desk_close(&d);
			desk_open(&d, 0);
			j = jobs_by_id(d.js, 1);
			WAIT_FOR(d.w.loop, phase_now(j) == then && !j->unrecorded);
			CHECK_INT(d.checked, 1);
			CHECK(strstr(view(j).why.text, "is not what the torrent says") != NULL);
			/* As it was, by its stamp. */
			CHECK_INT(utimensat(AT_FDCWD, path, times, 0), 0);
		}
		desk_fini(&d);
	}
}

TEST(a_share_that_comes_late_is_served_then)
{
	char away[400];
	struct desk d;
	struct job *j;

	j = desk_init_serving(&d, several, 3);
	desk_close(&d);
	snprintf(away, sizeof(away), "%s/away", d.w.dir);
	CHECK_INT(rename(d.w.seed, away), 0);
	for (int there = 0; there < 2; there++) { /* where it comes to */
		CHECK(!there || mkdir(d.w.seed, 0700) == 0);
		desk_open(&d, 0);
		j = jobs_by_id(d.js, 1);
		WAIT_STATE(&d, j, JOB_FAILED);
		CHECK_INT(view(j).why.code, ERR_NOENT);
		CHECK_INT(d.seen[JOB_FAIL], 1);
		j->idle_since_ms -= JOBS_AGAIN_MS; /* nothing new, nothing said */
		WAIT_FOR(d.w.loop, j->idle_since_ms + JOBS_AGAIN_MS > loop_now_ms(d.w.loop));
		CHECK_INT(d.seen[JOB_FAIL], 1);
		CHECK_INT(rename(away, d.w.seed), 0);
		j->idle_since_ms -= JOBS_AGAIN_MS;
		WAIT_STATE(&d, j, JOB_SEEDING);
		CHECK_INT(d.checked, 0); /* it is what it was */
		desk_close(&d);
		CHECK_INT(rename(d.w.seed, away), 0);
	}
	world_fini(&d.w);
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

	j = desk_init_serving(&d, &one, 1);
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

	j = desk_init_serving(&d, &one, 1);
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

TEST(removing_with_data_takes_what_the_torrent_names_and_nothing_else)
{
	struct desk d;
	struct job *j;
	char mine[400];

	j = desk_init_serving(&d, several, 3);
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

static size_t left_beside(const struct desk *d)
{
	char pattern[400];
	glob_t g;
	size_t n;

	snprintf(pattern, sizeof(pattern), "%s/.out.*", d->w.dir);
	n = glob(pattern, 0, NULL, &g) == 0 ? g.gl_pathc : 0;
	globfree(&g);
	return n;
}

TEST(removing_a_part_with_data_leaves_what_was_never_fetched_and_nothing_of_ours)
{
	static const struct sample_file files[] = {
	    {"a", 100 * KIB, false}, {"b", 40 * KIB, false}, {"c", 20 * KIB, false}};
	const char *const first[] = {"a", "b", NULL}, *const then[] = {"b", NULL};
	struct addr from;
	struct job_spec s = {.only = first, .peers = &from, .n_peers = 1};
	struct desk d;
	struct node *seed;
	struct job *j = NULL;
	char mine[2][400];

	for (int v1 = 0; v1 < 2; v1++) {
		desk_init_kind(&d, v1 ? only_v1 : hybrid, files, 3);
		seed = seed_node(&d);
		from = local(node_port(seed));
		s.torrent = buf_bytes(&d.w.s.torrent);
		s.path = d.w.out;
		CHECK_INT(jobs_add(d.js, &s, &j, NULL), OK);
		WAIT_FOR(d.w.loop, phase_now(j) == JOB_SEEDING && view(j).complete);
		CHECK_INT(jobs_set_files(d.js, j, then, WANT_NOT, NULL), OK);
		CHECK(left_beside(&d) > 0);
		snprintf(mine[0], sizeof(mine[0]), "%s/mine", d.w.out);
		snprintf(mine[1], sizeof(mine[1]), "%s/c", d.w.out);
		for (int i = 0; i < 2; i++)
			file_write(mine[i], "x", 1);
		CHECK_INT(jobs_remove(d.js, j, true, NULL), OK);
		WAIT_FOR(d.w.loop, gone(&d, "jobs/1.job"));
		CHECK(gone(&d, "out/a") && gone(&d, "out/b"));
		CHECK(path_exists(mine[0]) && path_exists(mine[1]));
		CHECK_INT(left_beside(&d), 0);
		CHECK_STR(d.said, "");
		node_free(seed);
		desk_fini(&d);
	}
}

/* `full`: when it starts again nothing can be written. */
static void check_cut_off(bool full)
{
	struct rlimit old, none;
	struct desk d;
	struct job *j;

	j = desk_init_serving(&d, &one, 1);
	CHECK_INT(jobs_remove(d.js, j, false, NULL), OK);
	CHECK(gone(&d, "jobs/1.job") && path_exists(d.w.seed));
	j = add(&d, d.w.seed, true, false, 0);
	CHECK_INT(view(j).id, 2);
	WAIT_STATE(&d, j, JOB_SEEDING);
	CHECK_INT(jobs_remove(d.js, j, true, NULL), OK);
	desk_close(&d);
	CHECK(path_exists(d.w.seed));
	signal(SIGXFSZ, SIG_IGN);
	CHECK_INT(getrlimit(RLIMIT_FSIZE, &old), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = old.rlim_max};
	CHECK(!full || setrlimit(RLIMIT_FSIZE, &none) == 0);
	desk_open(&d, 0);
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &old), 0);
	CHECK_INT(jobs_count(d.js), 0);
	WAIT_FOR(d.w.loop, gone(&d, "seed") && gone(&d, "jobs/2.job"));
	desk_fini(&d);
}

TEST(removing_without_data_leaves_it_and_a_removal_cut_off_is_ended_at_the_next_start)
{
	check_cut_off(false);
	check_cut_off(true);
}

/* Of a job whose place lies in that of another it is not known which files it has: its torrent
 * cannot be read. */
TEST(what_may_be_anothers_is_not_removed)
{
	const struct sample_file b = {"b", 40 * KIB, false};
	struct job_spec spec = {.seed = true, .paused = true};
	char path[400], torrent[400];
	struct sample s;
	struct desk d;
	struct job *j, *other;

	j = desk_init_serving(&d, several, 3);
	sample_make(&s, true, true, 16 * KIB, &b, 1);
	snprintf(path, sizeof(path), "%s/sub/b", d.w.seed);
	spec.torrent = buf_bytes(&s.torrent);
	spec.path = path;
	CHECK_INT(jobs_add(d.js, &spec, &other, NULL), OK);
	snprintf(torrent, sizeof(torrent), "%s/jobs/2.torrent", d.w.dir);
	CHECK(unlink(torrent) == 0 && mkdir(torrent, 0700) == 0);
	CHECK_INT(jobs_remove(d.js, j, true, NULL), OK);
	WAIT_FOR(d.w.loop, gone(&d, "jobs/1.job"));
	CHECK(path_exists(path));
	CHECK(strstr(d.said, "data of number 1 is not removed: ") == d.said);
	sample_free(&s);
	desk_fini(&d);
}

/* Its record cannot be removed, nor written. */
TEST(what_would_be_there_again_after_a_restart_is_not_removed)
{
	struct err_info why = {.code = OK};
	char record[400];
	struct desk d;
	struct job *j;

	j = desk_init_serving(&d, &one, 1);
	snprintf(record, sizeof(record), "%s/jobs/1.job", d.w.dir);
	CHECK(unlink(record) == 0 && mkdir(record, 0700) == 0);
	CHECK(jobs_remove(d.js, j, false, &why) != OK && why.code != OK);
	CHECK(jobs_remove(d.js, j, true, &why) != OK);
	CHECK_INT(jobs_count(d.js), 1);
	CHECK_INT(d.seen[JOB_REMOVED], 0);
	CHECK_INT(view(j).state, JOB_SEEDING);
	CHECK(path_exists(d.w.seed) && !gone(&d, "jobs/1.torrent"));
	CHECK_INT(rmdir(record), 0);
	CHECK_INT(jobs_remove(d.js, j, false, NULL), OK);
	CHECK(path_exists(d.w.seed) && gone(&d, "jobs/1.torrent"));
	desk_fini(&d);
}

TEST(a_full_disk_keeps_nobody_from_removing_data)
{
	struct rlimit old, none;
	struct desk d;
	struct job *j;
	int err;

	j = desk_init_serving(&d, &one, 1);
	signal(SIGXFSZ, SIG_IGN);
	CHECK_INT(getrlimit(RLIMIT_FSIZE, &old), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = old.rlim_max};
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &none), 0);
	err = jobs_remove(d.js, j, true, NULL);
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &old), 0);
	CHECK_INT(err, OK);
	WAIT_FOR(d.w.loop, gone(&d, "seed") && gone(&d, "jobs/1.job"));
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

/* Titles of an answer and what it says besides: "A B of 5 from 0 next 2 at 1". */
static const char *page(struct desk *d, const char *args)
{
	static char text[200];
	json_t *j = json_loads(args, 0, NULL), *out;
	struct jobs_ask ask;
	struct err_info info;
	const json_t *row;
	size_t i, at = 0;

	CHECK_INT(jobs_ask_from_json(&ask, j, &info), OK);
	json_decref(j);
	out = jobs_list_json(d->js, &ask);
	CHECK(out != NULL);
	json_array_foreach(json_object_get(out, "transfers"), i, row) at += (size_t)snprintf(
	    text + at, sizeof(text) - at, "%s ", json_string_value(json_object_get(row, "title")));
	at += (size_t)snprintf(text + at, sizeof(text) - at, "of %lld from %lld",
			       json_integer_value(json_object_get(out, "total")),
			       json_integer_value(json_object_get(out, "offset")));
	for (i = 0; i < 2; i++) {
		const char *key = i == 0 ? "next" : "at";

		if (json_is_integer(json_object_get(out, key)))
			at += (size_t)snprintf(text + at, sizeof(text) - at, " %s %lld", key,
					       json_integer_value(json_object_get(out, key)));
	}
	json_decref(out);
	return text;
}

TEST(a_page_of_the_jobs_is_in_any_order_of_any_state_and_says_where_the_next_one_begins)
{
	static const char *const bad[] = {
	    "{\"limit\": 0}",	    "{\"limit\": 501}",	 "{\"limit\": \"1\"}",
	    "{\"offset\": -1}",	    "{\"sort\": \"x\"}", "{\"sort\": 1}",
	    "{\"state\": \"x\"}",   "{\"state\": \"\"}", "{\"state\": \"paused,,done\"}",
	    "{\"id\": 4294967296}",
	};
	static const char names[] = "DBAEC";
	struct jobs_ask ask;
	struct err_info info;
	struct desk d;

	desk_init(&d, &one, 1);
	CHECK_STR(page(&d, "{}"), "of 0 from 0");
	CHECK_STR(page(&d, "{\"limit\": 1, \"offset\": 3, \"id\": 1}"), "of 0 from 0");
	jobs_set_active(d.js, 1);
	for (size_t i = 0; i < 5; i++) {
		const char title[] = {names[i], '\0'};

		CHECK_INT(jobs_set_title(d.js, add_other(&d, names[i], 0), title, NULL), OK);
	}
	CHECK_INT(jobs_pause(d.js, jobs_by_id(d.js, 2), NULL), OK);
	CHECK_INT(jobs_pause(d.js, jobs_by_id(d.js, 4), NULL), OK);
	CHECK_STR(page(&d, "{}"), "D B A E C of 5 from 0");
	CHECK_STR(page(&d, "{\"limit\": 5}"), "D B A E C of 5 from 0");
	CHECK_STR(page(&d, "{\"limit\": 2, \"id\": 3}"), "D B of 5 from 0 next 2 at 2");
	CHECK_STR(page(&d, "{\"limit\": 2, \"offset\": 2}"), "A E of 5 from 2 next 4");
	CHECK_STR(page(&d, "{\"limit\": 2, \"offset\": 4}"), "C of 5 from 4");
	CHECK_STR(page(&d, "{\"limit\": 2, \"offset\": 9}"), "of 5 from 5");
	CHECK_STR(page(&d, "{\"sort\": \"name\", \"limit\": 3, \"id\": 1}"),
		  "A B C of 5 from 0 next 3 at 3");
	CHECK_STR(page(&d, "{\"sort\": \"state\", \"offset\": 3}"), "A C of 5 from 3");
	CHECK_STR(page(&d, "{\"sort\": \"done\"}"), "D B A E C of 5 from 0");
	CHECK_STR(page(&d, "{\"sort\": \"up\", \"limit\": 1}"), "D of 5 from 0 next 1");
	CHECK_STR(page(&d, "{\"state\": \"paused\", \"id\": 1}"), "B E of 2 from 0");
	CHECK_STR(page(&d, "{\"state\": \"paused\", \"offset\": 1, \"id\": 4}"),
		  "E of 2 from 1 at 1");
	CHECK_STR(page(&d, "{\"state\": \"done,failed\"}"), "of 0 from 0");
	CHECK_STR(page(&d, "{\"state\": \"paused,queued,metadata,checking,downloading\"}"),
		  "D B A E C of 5 from 0");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *j = json_loads(bad[i], 0, NULL);

		if (jobs_ask_from_json(&ask, j, &info) != ERR_INVALID)
			fail_msg("%s was taken", bad[i]);
		json_decref(j);
	}
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

/* The number of one that is gone, typed once more, must not mean another one that is called so. */
TEST(a_number_is_no_beginning_and_what_is_removed_is_named_in_full)
{
	static const char *const whole[] = {"2", "ann/127-photos@2", "ann/127-photos",
					    "127-photos"};
	struct desk d;
	struct job *j, *other, *got;
	struct err_info info;

	desk_init(&d, &one, 1);
	other = add_other(&d, 'Z', 0);
	j = add(&d, d.w.seed, true, true, 0);
	CHECK_INT(jobs_set_title(d.js, j, "ann/127-photos@2", NULL), OK);
	CHECK_INT(jobs_find(d.js, "127", &got, &info), ERR_NOENT);
	CHECK_INT(jobs_find(d.js, "127-", &got, &info), OK);
	CHECK(got == j);
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
		CHECK_INT(jobs_find_to_remove(d.js, whole[i], &got, &info), OK);
		CHECK(got == j);
	}
	CHECK_INT(jobs_find_to_remove(d.js, "127", &got, &info), ERR_NOENT);
	CHECK_STR(info.text, "127: no such transfer");
	CHECK_INT(jobs_find_to_remove(d.js, "127-", &got, &info), ERR_NOENT);
	CHECK(got == NULL);
	CHECK_STR(info.text, "127-: no such transfer; what is removed is named in full, number 2 "
			     "is ann/127-photos@2");
	/* By that name alone there is one, but a number it may have been, too. */
	CHECK_INT(jobs_set_title(d.js, other, "ann/127@1", NULL), OK);
	CHECK_INT(jobs_find(d.js, "127", &got, &info), OK);
	CHECK(got == other);
	CHECK_INT(jobs_find_to_remove(d.js, "127", &got, &info), ERR_NOENT);
	CHECK(strstr(info.text, "number 1 is ann/127@1") != NULL);
	CHECK_INT(jobs_find_to_remove(d.js, "ann/1", &got, &info), ERR_NOENT);
	CHECK(strstr(info.text, "can be number 1, 2") != NULL);
	desk_fini(&d);
}

static const char *also_of(const struct job *j, size_t i)
{
	char *const *also = view(j).also;

	for (size_t n = 0; also != NULL && also[n] != NULL; n++)
		if (n == i)
			return also[n];
	return "";
}

TEST(what_is_shared_as_several_names_is_one_job_until_the_last_of_them_goes)
{
	struct desk d;
	struct job *j, *got;
	struct err_info info;
	size_t at = 0;
	bool last;

	desk_init(&d, &one, 1);
	j = add(&d, d.w.seed, true, true, 0);
	CHECK_INT(jobs_add_title(d.js, j, "ann/data@2", NULL), OK);
	CHECK_STR(also_of(j, 0), "");
	CHECK_INT(jobs_add_title(d.js, j, "ann/older@1", NULL), OK);
	CHECK_INT(jobs_add_title(d.js, j, "ann/newer@7", NULL), OK);
	CHECK_INT(jobs_add_title(d.js, j, "ann/older@1", NULL), OK);
	desk_close(&d);
	desk_open(&d, 0);
	j = jobs_next(d.js, &at);
	CHECK_STR(view(j).title, "ann/data@2");
	CHECK_STR(also_of(j, 0), "ann/older@1");
	CHECK_STR(also_of(j, 1), "ann/newer@7");
	CHECK_STR(also_of(j, 2), "");
	CHECK_INT(jobs_find_to_remove(d.js, "newer", &got, &info), OK);
	CHECK(got == j);
	CHECK_INT(jobs_find(d.js, "ann/ol", &got, &info), OK);

	CHECK(!jobs_drop_title(d.js, j, "ann/dat", &last) && !last);
	CHECK(!jobs_drop_title(d.js, j, "ann/data@1", &last) && !last);
	CHECK(jobs_drop_title(d.js, j, "ann/data", &last) && !last);
	CHECK_STR(view(j).title, "ann/newer@7");
	CHECK_STR(view(j).owner, "ann");
	CHECK_STR(view(j).entry, "newer");
	CHECK_INT(view(j).version, 7);
	CHECK_STR(also_of(j, 0), "ann/older@1");
	CHECK(jobs_drop_title(d.js, j, "ann/older@1", &last) && !last);
	CHECK_STR(also_of(j, 0), "");
	CHECK(jobs_drop_title(d.js, j, "ann/newer", &last) && last);
	CHECK_STR(view(j).title, "ann/newer@7");
	desk_fini(&d);
}

/* Else the name that is gone would be published anew. */
TEST(what_is_watched_for_a_name_that_goes_is_watched_no_more_and_the_newest_names_are_kept)
{
	struct desk d;
	struct job_spec s = {.title = "ann/a@1",
			     .owner = "ann",
			     .entry = "a",
			     .version = 1,
			     .seed = true,
			     .paused = true,
			     .watch = "{}"};
	struct job *j;
	char title[64];
	bool last;

	desk_init(&d, &one, 1);
	s.path = d.w.seed;
	s.torrent = buf_bytes(&d.w.s.torrent);
	CHECK_INT(jobs_add(d.js, &s, &j, NULL), OK);
	s.title = "ann/b@1";
	s.entry = "b";
	CHECK_INT(jobs_ask_again(d.js, j, &s, NULL), OK);
	CHECK_STR(view(j).title, "ann/b@1");
	CHECK_STR(also_of(j, 0), "ann/a@1");
	CHECK(jobs_drop_title(d.js, j, "ann/b", &last) && !last);
	CHECK_STR(view(j).title, "ann/a@1");
	CHECK(view(j).watch == NULL);
	for (uint32_t i = 0; i < JOBS_LIST_MAX + 1; i++) {
		snprintf(title, sizeof(title), "ann/n%u@1", i);
		CHECK_INT(jobs_add_title(d.js, j, title, NULL), OK);
	}
	CHECK_STR(also_of(j, 0), "ann/n1@1");
	CHECK_STR(also_of(j, JOBS_LIST_MAX - 1), title);
	desk_fini(&d);
}

static const char *index_of(struct job *j, bool announce)
{
	static char text[200];
	struct index_client *c = NULL;

	text[0] = '\0';
	if (job_open_index(j, &c, NULL) == OK)
		snprintf(text, sizeof(text), "%s",
			 announce ? index_client_announce_url(c) : index_client_url(c));
	index_client_free(c);
	return text;
}

TEST(who_asks_again_names_another_index_or_token_and_that_is_remembered)
{
	struct desk d;
	const char *trackers[] = {"http://127.0.0.1:1/announce/old", NULL};
	struct job_spec s = {.seed = true,
			     .index = "http://127.0.0.1:1",
			     .token = "old",
			     .trackers = trackers},
			again = {.seed = true};
	struct job *j;

	desk_init(&d, &one, 1);
	s.path = d.w.seed;
	s.torrent = buf_bytes(&d.w.s.torrent);
	CHECK_INT(jobs_add(d.js, &s, &j, NULL), OK);
	WAIT_STATE(&d, j, JOB_SEEDING);
	CHECK_INT(jobs_ask_again(d.js, j, &again, NULL), OK);
	CHECK_STR(index_of(j, true), "http://127.0.0.1:1/announce/old");
	s.token = "new";
	trackers[0] = "http://127.0.0.1:1/announce/new";
	CHECK_INT(jobs_ask_again(d.js, j, &s, NULL), OK);
	s.token = NULL;
	CHECK_INT(jobs_ask_again(d.js, j, &s, NULL), OK);
	/* A token of none of its indexes, with a tracker of none. */
	again.token = "other";
	again.trackers = (const char *const[]){"http://127.0.0.1:3/announce", NULL};
	CHECK_INT(jobs_ask_again(d.js, j, &again, NULL), OK);
	CHECK_STR(j->rec.trackers[0], "http://127.0.0.1:3/announce");
	CHECK_STR(j->rec.trackers[1], "http://127.0.0.1:1/announce/new");
	trackers[0] = "http://127.0.0.1:1/announce/newer";
	s.token = "newer";
	CHECK_INT(jobs_ask_again(d.js, j, &s, NULL), OK);
	CHECK_STR(j->rec.trackers[0], "http://127.0.0.1:1/announce/newer");
	CHECK_STR(j->rec.trackers[1], "http://127.0.0.1:3/announce");
	CHECK(j->rec.trackers[2] == NULL);
	desk_close(&d);
	desk_open(&d, 0);
	j = jobs_by_id(d.js, 1);
	CHECK_STR(index_of(j, true), "http://127.0.0.1:1/announce/newer");
	s.token = NULL;
	s.index = "http://127.0.0.1:2";
	trackers[0] = "http://127.0.0.1:2/announce";
	CHECK_INT(jobs_ask_again(d.js, j, &s, NULL), OK);
	desk_close(&d);
	desk_open(&d, 0);
	j = jobs_by_id(d.js, 1);
	CHECK_STR(index_of(j, false), "http://127.0.0.1:2");
	CHECK_STR(index_of(j, true), "http://127.0.0.1:2/announce"); /* shown no token of another */
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
