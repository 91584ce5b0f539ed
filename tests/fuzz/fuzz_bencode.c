/* bencode: what is accepted is written back byte for byte. */
#include "base/bencode.h"

#include "fuzz.h"

#define OUT_MAX (1u << 22)

struct seen {
	bool negative_in_list;
};

static void write_back(struct buf *out, const struct benc *v, int depth, struct seen *seen)
{
	struct benc_iter it = benc_iter(v);
	struct bytes key;
	struct benc item;

	FUZZ_CHECK(depth <= BENC_DEPTH_MAX);
	if (v->type == BENC_INT) {
		benc_put_int(out, v->num);
		return;
	}
	if (v->type == BENC_STR) {
		benc_put_bytes(out, v->str);
		return;
	}
	benc_put_raw(out, v->type == BENC_DICT ? 'd' : 'l');
	while (benc_next(&it, &key, &item)) {
		if (v->type == BENC_DICT)
			benc_put_bytes(out, key);
		seen->negative_in_list |=
		    v->type == BENC_LIST && item.type == BENC_INT && item.num < -99;
		write_back(out, &item, depth + 1, seen);
	}
	FUZZ_CHECK(it.rest.len == 0);
	benc_put_raw(out, 'e');
}

static void check_value(const struct benc *v, const struct benc_facts *facts)
{
	struct seen seen = {0};
	struct buf out;

	buf_init(&out, OUT_MAX);
	write_back(&out, v, 0, &seen);
	FUZZ_CHECK(out.err == OK && bytes_eq(buf_bytes(&out), v->raw));
	buf_fini(&out);
	FUZZ_SEEDED(facts->unsorted && seen.negative_in_list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);
	struct benc_facts facts = {0}, again_facts = {0};
	struct benc v, again;
	int n, m;

	if (size > OUT_MAX)
		return 0;
	n = benc_parse(in, &v, &facts);
	m = benc_parse(in, &again, &again_facts);
	FUZZ_CHECK(n == m);
	FUZZ_CHECK(n != 0);
	if (n < 0) {
		FUZZ_CHECK(benc_parse_all(in, &v, NULL) == n);
		return 0;
	}
	FUZZ_CHECK((size_t)n <= size && v.raw.len == (size_t)n);
	FUZZ_CHECK(facts.unsorted == again_facts.unsorted &&
		   facts.duplicate == again_facts.duplicate);
	FUZZ_CHECK(benc_parse_all(in, &again, NULL) == ((size_t)n == size ? 0 : ERR_PROTO));
	FUZZ_CHECK(benc_parse_all(v.raw, &again, NULL) == 0);
	check_value(&v, &facts);
	return 0;
}
