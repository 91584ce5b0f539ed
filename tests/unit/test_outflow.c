/* With a reader that gives what the test says: of the transfer, only that is of interest here. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

#include "cli/outflow.h"
#include "cli/tar.h"
#include "failmalloc.h"
#include "node/reader.h"

#define FILE_BYTES (READER_CHUNK_BYTES + 1000u)

/* ---- the reader -------------------------------------------------------------------- */

struct reader {
	const struct reader_events *ev;
	void *user;
	uint64_t given, length;
	bool asked;
};

static struct meta_file files[2];
static struct metainfo meta;
static struct reader the_reader;
static uint8_t content[FILE_BYTES];

int reader_new(struct transfer *t, uint32_t file, uint64_t offset, uint64_t length,
	       const struct reader_events *ev, void *user, struct reader **out)
{
	(void)t, (void)offset, (void)length;
	the_reader = (struct reader){.ev = ev, .user = user, .length = meta.files[file].length};
	*out = &the_reader;
	return OK;
}

void reader_free(struct reader *r)
{
	if (r != NULL)
		r->ev = NULL;
}

void reader_next(struct reader *r)
{
	r->asked = true;
}

uint64_t reader_given(const struct reader *r)
{
	return r->given;
}

uint64_t reader_length(const struct reader *r)
{
	return r->length;
}

const struct metainfo *transfer_meta(const struct transfer *t)
{
	(void)t;
	return &meta;
}

const uint8_t *transfer_wanted(const struct transfer *t)
{
	(void)t;
	return NULL;
}

void transfer_set_window(struct transfer *t, uint64_t from, uint64_t to, bool drop)
{
	(void)t, (void)from, (void)to, (void)drop;
}

void transfer_set_upload(struct transfer *t, bool on)
{
	(void)t, (void)on;
}

/* What was asked for, as in a later turn of the loop. */
static void reader_answer(void)
{
	struct reader *r = &the_reader;
	size_t at = (size_t)r->given, n = (size_t)(r->length - r->given);

	if (r->ev == NULL || !r->asked)
		return;
	r->asked = false;
	if (n > READER_CHUNK_BYTES)
		n = READER_CHUNK_BYTES;
	r->given += n;
	if (n == 0)
		r->ev->end(r->user);
	else
		r->ev->data(r->user, bytes_of(content + at, n));
}

/* ---- what comes out ------------------------------------------------------------------ */

struct outcome {
	bool told;
	enum err how;
	uint8_t *bytes;
	size_t n;
};

static void on_done(void *user, const struct err_info *how)
{
	struct outcome *o = user;

	CHECK(!o->told);
	o->told = true;
	o->how = how->code;
}

/* `n_files`: 2 are an archive. The `fail`th allocation fails. Returns how many there were. */
static size_t flow(uint32_t n_files, size_t fail, bool forever, struct outcome *out)
{
	FILE *to = tmpfile();
	struct outflow *f = NULL;
	struct loop *loop = NULL;
	size_t asked;
	int rc;

	*out = (struct outcome){.how = ERR_NOMEM};
	files[0] = (struct meta_file){.path = "a", .length = FILE_BYTES};
	files[1] = (struct meta_file){.path = "b", .length = 10, .offset = FILE_BYTES};
	meta = (struct metainfo){
	    .single = n_files == 1, .piece_length = 16384, .files = files, .n_files = n_files};
	meta.name = (char[]){"d"};
	for (size_t i = 0; i < sizeof(content); i++)
		content[i] = (uint8_t)(i * 7 + i / 251);
	the_reader.ev = NULL;
	CHECK(to != NULL && loop_new(&loop) == OK);
	failmalloc_start(fail, forever);
	rc = outflow_new(loop, NULL, "/", fileno(to), on_done, out, &f);
	for (int i = 0; rc == OK && !out->told && i < 100; i++) {
		(void)loop_turn(loop, 0);
		reader_answer();
	}
	asked = failmalloc_stop();
	CHECK(rc == ERR_NOMEM || out->told);
	outflow_free(f);
	loop_free(loop);
	out->n = (size_t)lseek(fileno(to), 0, SEEK_END);
	out->bytes = calloc(out->n + 1, 1);
	CHECK(out->bytes != NULL && pread(fileno(to), out->bytes, out->n, 0) == (ssize_t)out->n);
	fclose(to);
	return asked;
}

TEST(one_file_comes_out_as_it_is)
{
	struct outcome o;

	(void)flow(1, 0, false, &o);
	CHECK_INT(o.how, OK);
	CHECK_INT(o.n, FILE_BYTES);
	CHECK_MEM(o.bytes, content, FILE_BYTES);
	free(o.bytes);
}

TEST(several_come_out_as_an_archive_of_whole_blocks)
{
	struct outcome o;
	size_t padded = FILE_BYTES + tar_pad(FILE_BYTES);

	(void)flow(2, 0, false, &o);
	CHECK_INT(o.how, OK);
	/* Two heads, two files, and two blocks of zeros. */
	CHECK_INT(o.n, TAR_BLOCK + padded + 2 * TAR_BLOCK + 2 * TAR_BLOCK);
	CHECK_STR((const char *)o.bytes, "d/a");
	CHECK_MEM(o.bytes + TAR_BLOCK, content, FILE_BYTES);
	CHECK_STR((const char *)o.bytes + TAR_BLOCK + padded, "d/b");
	free(o.bytes);
}

/* Who reads a pipe must not take a part for the whole. */
TEST(without_memory_it_ends_with_that_and_what_came_out_is_a_beginning)
{
	for (uint32_t n_files = 1; n_files <= 2; n_files++) {
		struct outcome whole, o;
		size_t total = flow(n_files, 0, false, &whole);

		CHECK(total > 0);
		for (size_t n = 1; n <= 2 * total; n++) {
			(void)flow(n_files, (n + 1) / 2, n % 2 == 0, &o);
			CHECK(o.n <= whole.n);
			CHECK_MEM(o.bytes, whole.bytes, o.n);
			CHECK(o.how == ERR_NOMEM || (o.how == OK && o.n == whole.n));
			free(o.bytes);
		}
		free(whole.bytes);
	}
}
