#include "test.h"

#include "store_fixture.h"

static const struct sample_file one[] = {{NULL, 5 * 131072 + 12345, false}};
static const struct sample_file many[] = {
	{"a/empty", 0, false},	      {"a/one", 1, true},	      {"b/c/odd", 16385, false},
	{"b/big", 3 * 131072 + 7, false}, {"b/c/exact", 131072, false}, {"tail", 40000, false},
	{"zero", 0, true},
};

struct kind {
	bool v1, v2;
};
static const struct kind kinds[] = {{true, false}, {false, true}, {true, true}};
#define N_KINDS 3

static void round_trip(const struct sample *s, unsigned slabs)
{
	struct store *st;
	struct pool *p;
	struct store_event e;
	char dir[256], path[300];
	uint8_t *back = malloc(s->m->piece_length);

	dir_make(dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s/out", dir);
	CHECK_INT(pool_new(2, slabs, &p, NULL), 0);
	CHECK_INT(open_store(&st, s, p, STORE_DOWNLOAD, path, NULL), 0);
	CHECK_INT(store_unsure(st), 0);
	CHECK_INT(store_have(st)->count, 0);
	put_rest(st, s, p);
	CHECK(bitfield_full(store_have(st)));
	CHECK(!path_exists(path));
	CHECK(path_exists(store_part_path(st)));
	save_now(st, p);
	store_finish(st);
	e = wait_event(p, STORE_FINISHED);
	CHECK_STR(e.err.text, "");
	check_content(s, path);
	for (uint32_t i = 0; i < s->m->n_pieces; i++) {
		uint32_t n = meta_piece_bytes(s->m, i);

		CHECK_INT(store_read(st, i, 0, n, back), 0);
		CHECK_MEM(back, s->space + (uint64_t)i * s->m->piece_length, n);
	}
	store_close(st);
	pool_free(p);
	/* Nothing else is left in the folder. */
	if (s->m->single)
		unlink(path);
	else
		dir_remove(path);
	CHECK_INT(rmdir(dir), 0);
	free(back);
}

TEST(a_download_ends_at_its_final_name_and_can_be_read_there)
{
	for (int k = 0; k < N_KINDS; k++) {
		struct sample s;

		sample_make(&s, kinds[k].v1, kinds[k].v2, 131072, one, 1);
		round_trip(&s, 0);
		sample_free(&s);
		sample_make(&s, kinds[k].v1, kinds[k].v2, 131072, many,
			    sizeof(many) / sizeof(many[0]));
		round_trip(&s, 0);
		sample_free(&s);
	}
}
