/* Readers over two nodes on loopback: what they give, and when. */
#include "node/reader.h"

#include "test.h"

#include "meta/selection.h"
#include "node_fixture.h"

#define KIB 1024u

static const struct sample_file one[] = {{NULL, 3000 * KIB + 77, false}};
static const struct sample_file many[] = {
    {"a", 300 * KIB, false}, {"b/empty", 0, false}, {"c", 500 * KIB + 1, false}};

struct consumer {
	struct reader *r;
	uint8_t *got;
	uint64_t n;
	int chunks, lends, ends, fails;
	enum err why;
	bool greedy; /* asks for the next at once */
	bool frees;  /* at the first chunk */
};

static void on_data(void *user, struct bytes bytes)
{
	struct consumer *c = user;

	CHECK(bytes.len > 0 && bytes.len <= READER_CHUNK_BYTES);
	memcpy(c->got + c->n, bytes.ptr, bytes.len);
	c->n += bytes.len;
	c->chunks++;
	if (c->frees) {
		reader_free(c->r);
		c->r = NULL;
	} else if (c->greedy) {
		reader_next(c->r);
	}
}

static void on_end(void *user)
{
	((struct consumer *)user)->ends++;
}

static void on_failed(void *user, const struct err_info *why)
{
	struct consumer *c = user;

	c->fails++;
	c->why = why->code;
}

static const struct reader_events events = {.data = on_data, .end = on_end, .failed = on_failed};

/* One at a time: `greedy` asks for the next when these have been read. */
static void on_lent(void *user, int fd, uint64_t at, uint32_t length)
{
	struct consumer *c = user;

	CHECK(length > 0 && length <= READER_LENT_BYTES);
	CHECK(c->n + length < reader_length(c->r));
	CHECK_INT(pread(fd, c->got + c->n, length, (off_t)at), length);
	close(fd);
	c->n += length;
	c->lends++;
	if (c->greedy)
		reader_next(c->r);
}

static const struct reader_events lending = {
    .data = on_data, .lent = on_lent, .end = on_end, .failed = on_failed};

struct pair {
	struct world w;
	struct node *seed, *getter;
	struct transfer *from, *to;
};

static void pair_init(struct pair *p, struct kind k, const struct sample_file *files, size_t n)
{
	world_init(&p->w, k, 64 * KIB, files, n);
	p->seed = world_node(&p->w);
	p->getter = world_node(&p->w);
	p->from = world_seed(&p->w, p->seed);
}

static void pair_get(struct pair *p)
{
	const uint16_t ports[] = {node_port(p->seed), 0};

	p->to = world_get(&p->w, p->getter, ports);
}

static void pair_fini(struct pair *p)
{
	node_free(p->getter);
	node_free(p->seed);
	world_fini(&p->w);
}

static void consumer_open(struct consumer *c, struct transfer *t, uint32_t file, uint64_t offset,
			  uint64_t length, const struct reader_events *ev)
{
	*c = (struct consumer){.greedy = true};
	CHECK_INT(reader_new(t, file, offset, length, ev, c, &c->r), 0);
	c->got = malloc(reader_length(c->r) + 1);
}

static void consumer_init(struct consumer *c, struct transfer *t, uint32_t file, uint64_t offset,
			  uint64_t length)
{
	consumer_open(c, t, file, offset, length, &events);
}

static void check_got(const struct pair *p, struct consumer *c, uint32_t file, uint64_t offset)
{
	CHECK_INT(c->n, reader_length(c->r));
	CHECK_INT(reader_given(c->r), c->n);
	CHECK_MEM(c->got, p->w.s.space + p->w.s.m->files[file].offset + offset, c->n);
	reader_free(c->r);
	free(c->got);
}

TEST(a_reader_gives_the_bytes_of_a_download_in_order)
{
	for (int k = 0; k < N_KINDS; k++) {
		struct consumer all, part;
		struct pair p;

		pair_init(&p, kinds[k], one, 1);
		pair_get(&p);
		consumer_init(&all, p.to, 0, 0, UINT64_MAX);
		consumer_init(&part, p.to, 0, 2000 * KIB + 5, 100 * KIB);
		reader_next(all.r);
		reader_next(part.r);
		WAIT_FOR(p.w.loop, all.ends > 0 && part.ends > 0);
		CHECK_INT(all.ends, 1);
		CHECK_INT(all.fails + part.fails, 0);
		check_got(&p, &all, 0, 0);
		check_got(&p, &part, 0, 2000 * KIB + 5);
		pair_fini(&p);
	}
}

TEST(a_reader_gives_one_chunk_for_each_question)
{
	struct consumer c;
	struct pair p;

	pair_init(&p, kinds[0], one, 1);
	consumer_init(&c, p.from, 0, 0, UINT64_MAX);
	c.greedy = false;
	for (int i = 0; i < 50; i++)
		loop_turn(p.w.loop, 1);
	CHECK_INT(c.chunks, 0);
	reader_next(c.r);
	reader_next(c.r);
	CHECK_INT(c.chunks, 0);
	WAIT_FOR(p.w.loop, c.chunks > 0);
	for (int i = 0; i < 50; i++)
		loop_turn(p.w.loop, 1);
	CHECK_INT(c.chunks, 1);
	CHECK_INT(c.n, READER_CHUNK_BYTES);
	reader_free(c.r);
	free(c.got);
	pair_fini(&p);
}

TEST(a_reader_lends_the_file_itself_but_for_the_last_bytes)
{
	for (int k = 0; k < N_KINDS; k++) {
		struct consumer all, part, fresh;
		struct pair p;

		pair_init(&p, kinds[k], one, 1);
		consumer_open(&all, p.from, 0, 0, UINT64_MAX, &lending);
		consumer_open(&part, p.from, 0, 2000 * KIB + 5, 300 * KIB, &lending);
		pair_get(&p);
		consumer_open(&fresh, p.to, 0, 0, UINT64_MAX, &lending);
		reader_next(all.r);
		reader_next(part.r);
		reader_next(fresh.r);
		WAIT_FOR(p.w.loop, all.ends > 0 && part.ends > 0 && fresh.ends > 0);
		/* Where the file system can tell what is in memory. */
		CHECK(all.lends == 0 || (all.lends >= 5 && all.chunks == 1));
		check_got(&p, &all, 0, 0);
		check_got(&p, &part, 0, 2000 * KIB + 5);
		check_got(&p, &fresh, 0, 0);
		pair_fini(&p);
	}
}

TEST(a_reader_tells_that_what_it_has_lent_was_changed)
{
	struct consumer c;
	struct pair p;

	pair_init(&p, kinds[0], one, 1);
	consumer_open(&c, p.from, 0, 0, UINT64_MAX, &lending);
	c.greedy = false;
	reader_next(c.r);
	WAIT_FOR(p.w.loop, c.lends > 0 || c.chunks > 0);
	file_write(p.w.seed, "other", 5);
	WAIT_FOR(p.w.loop, c.fails > 0 || c.lends == 0);
	CHECK(c.lends == 0 || c.why == ERR_MISMATCH);
	reader_free(c.r);
	free(c.got);
	pair_fini(&p);
}

TEST(a_reader_may_be_freed_while_it_is_told_or_waits)
{
	struct consumer c, waits;
	struct pair p;

	pair_init(&p, kinds[1], one, 1);
	consumer_init(&c, p.from, 0, 0, UINT64_MAX);
	consumer_init(&waits, p.from, 0, 0, UINT64_MAX);
	c.frees = true;
	reader_next(c.r);
	reader_next(waits.r);
	WAIT_FOR(p.w.loop, c.chunks > 0);
	reader_free(waits.r);
	for (int i = 0; i < 50; i++)
		loop_turn(p.w.loop, 1);
	free(c.got);
	free(waits.got);
	pair_fini(&p);
}

TEST(a_reader_of_a_file_that_is_not_wanted_makes_it_wanted)
{
	for (int k = 0; k < N_KINDS; k++) {
		const char *const globs[] = {"a", NULL};
		uint8_t want[16];
		struct transfer_status st;
		struct transfer_params tp;
		struct consumer c;
		struct addr peer;
		uint32_t file = 0;
		struct pair p;

		pair_init(&p, kinds[k], many, 3);
		tp = world_params(&p.w, p.w.out);
		selection_by_globs(tp.meta, globs, want);
		while (strcmp(tp.meta->files[file].path, "c") != 0)
			file++;
		tp.wanted = want;
		peer = local(node_port(p.seed));
		tp.peers = &peer;
		tp.n_peers = 1;
		CHECK_INT(node_add(p.getter, &tp, &p.to, NULL), 0);
		WAIT_FOR(p.w.loop, status_of(p.to).phase == TRANSFER_SEEDING);
		st = status_of(p.to);
		CHECK_INT(st.files, 3);
		CHECK_INT(st.wanted_files, 1);
		CHECK_INT(st.wanted_done_bytes, st.wanted_bytes);
		consumer_init(&c, p.to, file, 0, UINT64_MAX);
		reader_next(c.r);
		WAIT_FOR(p.w.loop, c.ends > 0);
		check_got(&p, &c, file, 0);
		WAIT_FOR(p.w.loop, status_of(p.to).phase == TRANSFER_SEEDING);
		CHECK_INT(status_of(p.to).wanted_files, 2);
		pair_fini(&p);
	}
}

TEST(a_reader_ends_when_its_transfer_is_removed_though_nothing_was_asked)
{
	struct consumer c;
	struct pair p;

	pair_init(&p, kinds[2], one, 1);
	pair_get(&p);
	consumer_init(&c, p.to, 0, 0, UINT64_MAX);
	node_remove(p.getter, p.to);
	CHECK_INT(c.fails, 0);
	WAIT_FOR(p.w.loop, c.fails > 0);
	CHECK_INT(c.why, ERR_CANCELLED);
	reader_free(c.r);
	free(c.got);
	pair_fini(&p);
}

TEST(a_reader_gives_no_byte_of_a_file_that_was_changed)
{
	struct consumer c;
	struct pair p;

	pair_init(&p, kinds[0], one, 1);
	consumer_init(&c, p.from, 0, 0, UINT64_MAX);
	file_write(p.w.seed, "other", 5);
	reader_next(c.r);
	WAIT_FOR(p.w.loop, c.fails > 0);
	CHECK_INT(c.chunks, 0);
	CHECK_INT(c.why, ERR_MISMATCH);
	reader_free(c.r);
	free(c.got);
	pair_fini(&p);
}

TEST(readers_refuse_what_is_not_there_and_are_limited)
{
	struct reader *list[READERS_MAX], *r;
	struct consumer c = {.greedy = false};
	struct pair p;

	pair_init(&p, kinds[0], one, 1);
	CHECK_INT(reader_new(p.from, 1, 0, 1, &events, &c, &r), ERR_INVALID);
	CHECK_INT(reader_new(p.from, 0, one[0].length + 1, 1, &events, &c, &r), ERR_INVALID);
	for (uint32_t i = 0; i < READERS_MAX; i++)
		CHECK_INT(reader_new(p.from, 0, one[0].length, 1, &events, &c, &list[i]), 0);
	CHECK_INT(reader_new(p.from, 0, 0, 1, &events, &c, &r), ERR_AGAIN);
	CHECK_INT(reader_length(list[0]), 0);
	reader_next(list[0]);
	WAIT_FOR(p.w.loop, c.ends > 0);
	for (uint32_t i = 0; i < READERS_MAX; i++)
		reader_free(list[i]);
	CHECK_INT(reader_new(p.from, 0, 0, 1, &events, &c, &r), 0);
	reader_free(r);
	pair_fini(&p);
}
