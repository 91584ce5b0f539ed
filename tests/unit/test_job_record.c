#include <stdlib.h>

#include "test.h"

#include "daemon/job_record.h"
#include "failmalloc.h"
#include "meta/selection.h"

static char *trackers[] = {(char *)"http://a/announce", (char *)"udp://b:6969", NULL};
static char *hook[] = {(char *)"/bin/echo", (char *)"", (char *)"x y", NULL};

static char *also[] = {(char *)"alice/g@1", (char *)"alice/h@2", NULL};
static uint8_t item[] = "d1:k3:\0\1\2e";
static char *only[] = {(char *)"*.jpg", (char *)"!b/ *", NULL};
static char *rules[] = {(char *)"=skip", (char *)"+a*", (char *)"+=b", NULL};
static uint8_t wanted[] = {WANT_NORMAL, WANT_NOT, WANT_HIGH, WANT_NOT, WANT_LOW};

static struct job_record sample(void)
{
	struct job_record r = {
	    .id = 7,
	    .seed_limit = {1500, 3600},
	    .seed = true,
	    .complete = true,
	    .paused = true,
	    .has_v1 = true,
	    .has_v2 = true,
	    .has_stamp = true,
	    .priority = -3,
	    .down_bps = 1u << 20,
	    .up_bps = 5,
	    .total_bytes = 1ull << 40,
	    .added_at = 1767225600,
	    .path = (char *)"/data/\xff odd",
	    .title = (char *)"alice/f@1",
	    .name = (char *)"f",
	    .also = also,
	    .trackers = trackers,
	    .webseeds = hook,
	    .index = (char *)"http://i:6969",
	    .item = item,
	    .item_len = sizeof(item),
	    .order = 2,
	    .files = 4,
	    .wanted_files = 2,
	    .wanted_bytes = 77,
	    .wanted = wanted,
	    .n_wanted = sizeof(wanted),
	    .magnet = (char *)"magnet:?xt=urn:btih:0123456789012345678901234567890123456789",
	    .into = true,
	    .only = only,
	    .owner = (char *)"alice",
	    .entry = (char *)"f",
	    .version = 3,
	    .follow = (char *)"{\"every_s\":1}",
	    .watch = (char *)"{}",
	    .rules = rules,
	};

	memset(r.hash_v1, 1, sizeof(r.hash_v1));
	memset(r.hash_v2, 2, sizeof(r.hash_v2));
	memset(r.stamp.sum, 3, sizeof(r.stamp.sum));
	return r;
}

static void check_same(const struct job_record *a, const struct job_record *b)
{
	CHECK_INT(a->id, b->id);
	CHECK_INT(a->seed_limit.ratio_milli, b->seed_limit.ratio_milli);
	CHECK_INT(a->seed_limit.time_s, b->seed_limit.time_s);
	CHECK(a->seed == b->seed && a->complete == b->complete && a->paused == b->paused &&
	      a->no_seed == b->no_seed && a->erase == b->erase);
	CHECK(a->has_v1 == b->has_v1 && a->has_v2 == b->has_v2);
	CHECK_MEM(a->hash_v1, b->hash_v1, SHA1_LEN);
	CHECK_MEM(a->hash_v2, b->hash_v2, SHA256_LEN);
	CHECK(a->has_stamp == b->has_stamp && stamp_eq(&a->stamp, &b->stamp));
	CHECK(a->has_replaces == b->has_replaces);
	CHECK_INT(a->priority, b->priority);
	CHECK_INT(a->down_bps, b->down_bps);
	CHECK_INT(a->total_bytes, b->total_bytes);
	CHECK_INT(a->added_at, b->added_at);
	CHECK_STR(a->path, b->path);
	CHECK_STR(a->title, b->title);
	CHECK_STR(a->name, b->name);
	CHECK_STR(a->index, b->index);
	CHECK(a->pin == NULL && a->token == NULL);
	CHECK_INT(a->item_len, b->item_len);
	CHECK_MEM(a->item, b->item, a->item_len);
	CHECK_INT(a->order, b->order);
	CHECK_INT(a->files, b->files);
	CHECK_INT(a->wanted_files, b->wanted_files);
	CHECK_INT(a->wanted_bytes, b->wanted_bytes);
	CHECK_INT(a->n_wanted, b->n_wanted);
	CHECK_MEM(a->wanted, b->wanted, sizeof(wanted));
	CHECK_STR(a->magnet, b->magnet);
	CHECK(a->into == b->into);
	CHECK_STR(a->only[1], b->only[1]);
	CHECK(a->only[2] == NULL);
	CHECK_STR(a->owner, b->owner);
	CHECK_STR(a->entry, b->entry);
	CHECK_INT(a->version, b->version);
	CHECK_STR(a->follow, b->follow);
	CHECK_STR(a->watch, b->watch);
	for (size_t i = 0; i < 2; i++)
		CHECK_STR(a->also[i], b->also[i]);
	CHECK(a->also[2] == NULL);
	for (size_t i = 0; i < 3; i++)
		CHECK_STR(a->rules[i], b->rules[i]);
	CHECK(a->rules[3] == NULL);
	for (size_t i = 0; i < 2; i++)
		CHECK_STR(a->trackers[i], b->trackers[i]);
	CHECK(a->trackers[2] == NULL);
	for (size_t i = 0; i < 3; i++)
		CHECK_STR(a->webseeds[i], b->webseeds[i]);
}

TEST(a_record_is_what_it_was_after_the_round_trip)
{
	struct job_record r = sample(), back;
	struct buf b;

	buf_init(&b, JOB_RECORD_BYTES_MAX);
	CHECK_INT(job_record_encode(&r, &b), OK);
	CHECK_INT(job_record_decode(buf_bytes(&b), &back), OK);
	check_same(&back, &r);
	job_record_fini(&back);
	buf_fini(&b);
}

TEST(a_record_cut_short_or_with_one_other_bit_is_refused)
{
	struct job_record r = sample(), back;
	struct buf b;

	buf_init(&b, JOB_RECORD_BYTES_MAX);
	CHECK_INT(job_record_encode(&r, &b), OK);
	for (size_t n = 0; n < b.len; n++) {
		uint8_t *exact = malloc(n + (n == 0));

		memcpy(exact, b.ptr, n);
		CHECK_INT(job_record_decode(bytes_of(exact, n), &back), ERR_PROTO);
		job_record_fini(&back);
		free(exact);
		b.ptr[n] ^= 1;
		CHECK_INT(job_record_decode(buf_bytes(&b), &back), ERR_PROTO);
		job_record_fini(&back);
		b.ptr[n] ^= 1;
	}
	buf_fini(&b);
}

/* Replace the body of a sound record and seal it again. */
static int decode_body(const void *body, size_t len)
{
	uint8_t sum[SHA256_LEN];
	struct job_record r;
	struct buf b;
	int err;

	buf_init(&b, 4096);
	buf_put_str(&b, "SHOALJOB");
	buf_put_be32(&b, JOB_RECORD_VERSION);
	buf_put(&b, bytes_of(body, len));
	sha256_of(buf_bytes(&b), sum);
	buf_put(&b, bytes_of(sum, sizeof(sum)));
	err = job_record_decode(buf_bytes(&b), &r);
	job_record_fini(&r);
	buf_fini(&b);
	return err;
}

TEST(fields_that_lie_about_their_length_or_are_missing_are_refused_unknown_ones_are_not)
{
	struct job_record r = sample(), back;
	uint8_t sum[SHA256_LEN];
	struct buf b;

	CHECK_INT(decode_body("", 0), ERR_PROTO);
	CHECK_INT(decode_body("\0\x0d\xff\xff\xff\xff/x", 8), ERR_PROTO);
	CHECK_INT(decode_body("\0\x01\0\0\0\x04\0\0\0\x01", 10), ERR_PROTO);
	CHECK_INT(decode_body("\0\x0d\0\0\0\x02/\0", 8), ERR_PROTO);
	CHECK_INT(decode_body("\0\x0d\0", 3), ERR_PROTO);

	buf_init(&b, JOB_RECORD_BYTES_MAX);
	CHECK_INT(job_record_encode(&r, &b), OK);
	b.len -= SHA256_LEN;
	buf_put(&b, bytes_of("\x7f\xff\0\0\0\x02hi", 8));
	sha256_of(buf_bytes(&b), sum);
	buf_put(&b, bytes_of(sum, sizeof(sum)));
	CHECK_INT(job_record_decode(buf_bytes(&b), &back), OK);
	check_same(&back, &r);
	job_record_fini(&back);
	buf_fini(&b);
}

TEST(totals_go_round_and_every_prefix_is_refused)
{
	const struct job_total list[] = {{1, 2, 3, 4}, {9, 1ull << 50, 6, 7}};
	struct job_total *back = NULL;
	struct buf b;
	size_t n;

	buf_init(&b, JOB_TOTALS_BYTES_MAX);
	CHECK_INT(job_totals_encode(list, 2, &b), OK);
	CHECK_INT(job_totals_decode(buf_bytes(&b), &back, &n), OK);
	CHECK_INT(n, 2);
	for (size_t i = 0; i < n; i++)
		CHECK(back[i].id == list[i].id && back[i].down == list[i].down &&
		      back[i].up == list[i].up && back[i].done == list[i].done);
	free(back);
	for (size_t len = 0; len < b.len; len++)
		CHECK_INT(job_totals_decode(bytes_of(b.ptr, len), &back, &n), ERR_PROTO);
	buf_fini(&b);
}

TEST(without_memory_nothing_is_believed_and_nothing_is_leaked)
{
	struct job_record r = sample(), back;
	struct buf b;

	buf_init(&b, JOB_RECORD_BYTES_MAX);
	CHECK_INT(job_record_encode(&r, &b), OK);
	for (size_t n = 1;; n++) {
		int err;

		failmalloc_start(n, false);
		err = job_record_decode(buf_bytes(&b), &back);
		failmalloc_stop();
		job_record_fini(&back);
		if (err == OK)
			break;
		CHECK_INT(err, ERR_NOMEM);
		CHECK(n < 100);
	}
	buf_fini(&b);
}
