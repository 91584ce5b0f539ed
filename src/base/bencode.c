#include "base/bencode.h"

#include <limits.h>

/* One open list or dictionary. */
struct level {
	struct bytes last_key; /* ptr NULL: no key yet */
	bool dict;
	bool want_value; /* a key was read, its value was not */
};

struct walk {
	struct level levels[BENC_DEPTH_MAX];
	size_t depth;
	uint32_t tokens;
	struct benc_facts facts;
};

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* "i-42e". Sums downwards, because INT64_MIN has no positive twin. */
static int read_int(struct bytes in, int64_t *out)
{
	bool minus = in.len > 1 && in.ptr[1] == '-';
	size_t first = minus ? 2 : 1, i = first;
	int64_t v = 0;

	for (; i < in.len && is_digit(in.ptr[i]); i++) {
		int digit = in.ptr[i] - '0';

		if (i > first && in.ptr[first] == '0')
			return ERR_PROTO;
		if (v < (INT64_MIN + digit) / 10)
			return ERR_TOO_BIG;
		v = v * 10 - digit;
	}
	if (i == first || i == in.len || in.ptr[i] != 'e' || (minus && v == 0))
		return ERR_PROTO;
	if (!minus && v == INT64_MIN)
		return ERR_TOO_BIG;
	*out = minus ? v : -v;
	return (int)i + 1;
}

/* "4:spam". The length is never larger than what is there, so it cannot wrap. */
static int read_str(struct bytes in, struct bytes *out)
{
	uint64_t len = 0;
	size_t i = 0;

	for (; i < in.len && is_digit(in.ptr[i]); i++) {
		if (i > 0 && in.ptr[0] == '0')
			return ERR_PROTO;
		len = len * 10 + (uint64_t)(in.ptr[i] - '0');
		if (len > in.len)
			return ERR_PROTO;
	}
	if (i == 0 || i == in.len || in.ptr[i] != ':')
		return ERR_PROTO;
	i++;
	if (len > in.len - i)
		return ERR_PROTO;
	*out = bytes_sub(in, i, (size_t)len);
	return (int)(i + (size_t)len);
}

static int walk_open(struct walk *w, bool dict)
{
	if (w->depth == BENC_DEPTH_MAX)
		return ERR_TOO_BIG;
	w->levels[w->depth++] = (struct level){.dict = dict};
	return 1;
}

static int walk_close(struct walk *w)
{
	if (w->depth == 0 || w->levels[w->depth - 1].want_value)
		return ERR_PROTO;
	w->depth--;
	return 1;
}

static int walk_key(struct walk *w, struct level *top, struct bytes in)
{
	struct bytes key;
	int n = read_str(in, &key);

	if (n < 0)
		return n;
	if (top->last_key.ptr != NULL) {
		int order = bytes_cmp(top->last_key, key);

		w->facts.unsorted |= order > 0;
		w->facts.duplicate |= order == 0;
	}
	top->last_key = key;
	top->want_value = true;
	return n;
}

/* Take one token off the front of `in`: an integer, a string, a key, or the
 * first or last byte of a container. */
static int walk_step(struct walk *w, struct bytes in)
{
	struct level *top = w->depth == 0 ? NULL : &w->levels[w->depth - 1];
	struct bytes str;
	int64_t num;

	if (in.len == 0)
		return ERR_PROTO;
	if (in.ptr[0] == 'e')
		return walk_close(w);
	if (w->tokens == BENC_TOKENS_MAX)
		return ERR_TOO_BIG;
	w->tokens++;
	if (top != NULL && top->dict && !top->want_value)
		return walk_key(w, top, in);
	if (top != NULL)
		top->want_value = false;
	if (in.ptr[0] == 'l' || in.ptr[0] == 'd')
		return walk_open(w, in.ptr[0] == 'd');
	return in.ptr[0] == 'i' ? read_int(in, &num) : read_str(in, &str);
}

/* The value whose whole encoding is `raw`. */
static struct benc value_of(struct bytes raw)
{
	struct benc v = {.raw = raw};

	if (raw.ptr[0] == 'i') {
		v.type = BENC_INT;
		(void)read_int(raw, &v.num);
	} else if (is_digit(raw.ptr[0])) {
		v.type = BENC_STR;
		(void)read_str(raw, &v.str);
	} else {
		v.type = raw.ptr[0] == 'd' ? BENC_DICT : BENC_LIST;
	}
	return v;
}

int benc_parse(struct bytes in, struct benc *out, struct benc_facts *facts)
{
	struct walk w;
	size_t pos = 0;

	if (in.len > INT_MAX)
		return ERR_TOO_BIG;
	/* Not the levels: each is set when it opens, and they fill 4 KB. */
	w.depth = 0;
	w.tokens = 0;
	w.facts = (struct benc_facts){0};
	do {
		int n = walk_step(&w, bytes_sub(in, pos, in.len - pos));

		if (n < 0)
			return n;
		pos += (size_t)n;
	} while (w.depth > 0);
	*out = value_of(bytes_sub(in, 0, pos));
	if (facts != NULL)
		*facts = w.facts;
	return (int)pos;
}

int benc_parse_all(struct bytes in, struct benc *out, struct benc_facts *facts)
{
	int n = benc_parse(in, out, facts);

	if (n < 0)
		return n;
	return (size_t)n == in.len ? 0 : ERR_PROTO;
}

/* The length of the value at the front of `in`, 0 when there is none. For
 * documents already checked, so it only finds the end. */
static size_t value_len(struct bytes in)
{
	size_t pos = 0, depth = 0;

	do {
		struct bytes rest = bytes_sub(in, pos, in.len - pos), str;
		int64_t num;
		int n = 1;

		if (rest.len == 0)
			return 0;
		if (rest.ptr[0] == 'l' || rest.ptr[0] == 'd')
			depth++;
		else if (rest.ptr[0] == 'e' && depth > 0)
			depth--;
		else
			n = rest.ptr[0] == 'i' ? read_int(rest, &num) : read_str(rest, &str);
		if (n < 0)
			return 0;
		pos += (size_t)n;
	} while (depth > 0);
	return pos;
}

struct benc_iter benc_iter(const struct benc *container)
{
	bool dict = container->type == BENC_DICT;

	if ((!dict && container->type != BENC_LIST) || container->raw.len < 2)
		return (struct benc_iter){0};
	return (struct benc_iter){
	    .rest = bytes_sub(container->raw, 1, container->raw.len - 2),
	    .dict = dict,
	};
}

bool benc_next(struct benc_iter *it, struct bytes *key, struct benc *value)
{
	struct bytes name = {NULL, 0}, rest = it->rest;
	size_t len;

	if (it->dict) {
		int n = read_str(rest, &name);

		if (n < 0)
			return false;
		rest = bytes_sub(rest, (size_t)n, rest.len - (size_t)n);
	}
	len = value_len(rest);
	if (len == 0)
		return false;
	*value = value_of(bytes_sub(rest, 0, len));
	if (key != NULL && it->dict)
		*key = name;
	it->rest = bytes_sub(rest, len, rest.len - len);
	return true;
}

bool benc_peek_key(const struct benc_iter *it, struct bytes *key)
{
	return it->dict && read_str(it->rest, key) > 0;
}

bool benc_find(const struct benc *dict, const char *key, struct benc *out)
{
	struct benc_iter it = benc_iter(dict);
	struct bytes wanted = bytes_str(key), name;
	struct benc value;

	if (!it.dict)
		return false;
	while (benc_next(&it, &name, &value)) {
		if (bytes_eq(name, wanted)) {
			*out = value;
			return true;
		}
	}
	return false;
}

static bool find_typed(const struct benc *dict, const char *key, enum benc_type type,
		       struct benc *out)
{
	struct benc value;

	if (!benc_find(dict, key, &value) || value.type != type)
		return false;
	*out = value;
	return true;
}

bool benc_find_str(const struct benc *dict, const char *key, struct bytes *out)
{
	struct benc value;

	if (!find_typed(dict, key, BENC_STR, &value))
		return false;
	*out = value.str;
	return true;
}

bool benc_find_int(const struct benc *dict, const char *key, int64_t *out)
{
	struct benc value;

	if (!find_typed(dict, key, BENC_INT, &value))
		return false;
	*out = value.num;
	return true;
}

uint32_t benc_find_u32(const struct benc *dict, const char *key)
{
	int64_t v;

	if (!benc_find_int(dict, key, &v) || v < 0)
		return 0;
	return v < UINT32_MAX ? (uint32_t)v : UINT32_MAX;
}

bool benc_find_list(const struct benc *dict, const char *key, struct benc *out)
{
	return find_typed(dict, key, BENC_LIST, out);
}

bool benc_find_dict(const struct benc *dict, const char *key, struct benc *out)
{
	return find_typed(dict, key, BENC_DICT, out);
}

void benc_put_int(struct buf *b, int64_t v)
{
	buf_printf(b, "i%llde", (long long)v);
}

void benc_put_bytes(struct buf *b, struct bytes s)
{
	buf_printf(b, "%zu:", s.len);
	buf_put(b, s);
}

void benc_put_str(struct buf *b, const char *s)
{
	benc_put_bytes(b, bytes_str(s));
}

void benc_put_pair(struct buf *b, const char *key, int64_t v)
{
	benc_put_str(b, key);
	benc_put_int(b, v);
}

void benc_put_raw(struct buf *b, char c)
{
	buf_put_u8(b, (uint8_t)c);
}
