#include "index/query.h"

#include "base/text.h"

/* A word or phrase of the text; `body` borrows from it. */
struct term {
	struct bytes body;
	bool exclude, prefix, phrase;
};

struct reader {
	struct bytes rest;
	uint32_t n_words;
};

/* Blanks and everything else that no word can hold, NUL above all: SQLite would take it for
 * the end of the expression. */
static bool is_blank(uint8_t c)
{
	return c <= ' ' || c == 0x7f;
}

static struct bytes skip(struct bytes s, size_t n)
{
	return bytes_sub(s, n, s.len - n);
}

static uint32_t count_words(struct bytes s)
{
	uint32_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += !is_blank(s.ptr[i]) && (i == 0 || is_blank(s.ptr[i - 1]));
	return n;
}

/* Up to the closing quote; one that is missing is thought at the end. */
static void read_phrase(struct reader *r, struct term *t)
{
	const uint8_t *end;
	size_t n;

	r->rest = skip(r->rest, 1);
	end = r->rest.len == 0 ? NULL : memchr(r->rest.ptr, '"', r->rest.len);
	n = end == NULL ? r->rest.len : (size_t)(end - r->rest.ptr);
	t->phrase = true;
	t->body = bytes_sub(r->rest, 0, n);
	r->rest = skip(r->rest, end == NULL ? n : n + 1);
}

static void read_word(struct reader *r, struct term *t)
{
	size_t n = 0;

	while (n < r->rest.len && !is_blank(r->rest.ptr[n]))
		n++;
	t->body = bytes_sub(r->rest, 0, n);
	r->rest = skip(r->rest, n);
	while (t->body.len > 0 && t->body.ptr[t->body.len - 1] == '*') {
		t->body.len--;
		t->prefix = true;
	}
}

static bool read_term(struct reader *r, struct term *t)
{
	while (r->rest.len > 0 && is_blank(r->rest.ptr[0]))
		r->rest = skip(r->rest, 1);
	if (r->rest.len == 0)
		return false;
	*t = (struct term){.exclude = r->rest.ptr[0] == '-'};
	if (t->exclude)
		r->rest = skip(r->rest, 1);
	if (r->rest.len > 0 && r->rest.ptr[0] == '"')
		read_phrase(r, t);
	else
		read_word(r, t);
	r->n_words += count_words(t->body);
	return true;
}

/* Ranges in which FTS5's "unicode61" finds nothing to index, and which are no pictures: punctuation
 * and signs. Rare ones are missing, which costs a search without a result, no more. */
static bool is_symbol(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
	    {0x80, 0xa9},     {0xab, 0xb1},	  {0xb4, 0xb4},	    {0xb6, 0xb8},
	    {0xbb, 0xbb},     {0xbf, 0xbf},	  {0xd7, 0xd7},	    {0xf7, 0xf7},
	    {0x300, 0x36f},   {0x2000, 0x206f},	  {0x20a0, 0x20ff}, {0x2e00, 0x2e2e},
	    {0x3000, 0x3004}, {0x3008, 0x3020},	  {0xd800, 0xdfff}, {0xfe00, 0xfe6f},
	    {0xfeff, 0xff0f}, {0xff1a, 0xff20},	  {0xff3b, 0xff40}, {0xff5b, 0xff65},
	    {0xffe0, 0xffff}, {0xe0000, 0xeffff},
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

/* FTS5 drops a phrase without words from the expression, and `"!" NOT "x"` would then find
 * just what was to be left out. So such terms never get there. */
static bool has_word(struct bytes s)
{
	uint32_t c;

	for (size_t n; s.len > 0 && (n = text_first_char(s, &c)) > 0; s = skip(s, n)) {
		uint32_t letter = c | 0x20;

		if (c < 0x80 ? (c >= '0' && c <= '9') || (letter >= 'a' && letter <= 'z')
			     : !is_symbol(c))
			return true;
	}
	return false;
}

/* A phrase: in Chinese and Japanese each character is a word of it, and each picture is one, as it
 * is in the index. */
static void put_term(struct buf *out, const struct term *t)
{
	struct buf apart;

	buf_init(&apart, 2 * QUERY_TEXT_BYTES_MAX);
	text_put_apart(&apart, t->body);
	if (apart.err != OK)
		out->err = apart.err;
	buf_put_u8(out, '"');
	for (size_t i = 0; i < apart.len; i++) {
		uint8_t c = apart.ptr[i];

		if (c == '"')
			buf_put_u8(out, '"');
		buf_put_u8(out, is_blank(c) ? ' ' : c);
	}
	buf_put_str(out, t->prefix ? "\" *" : "\"");
	buf_fini(&apart);
}

static int read_all(struct bytes text, struct term *terms, size_t *n, struct err_info *info)
{
	struct reader r = {.rest = text};
	struct term t;

	*n = 0;
	while (read_term(&r, &t)) {
		if (r.n_words > QUERY_WORDS_MAX)
			return err_set(info, ERR_TOO_BIG, "the search has more than %u words",
				       QUERY_WORDS_MAX);
		/* What is being typed is a word's beginning. */
		if (r.rest.len == 0 && !t.phrase && !t.exclude)
			t.prefix = true;
		if (has_word(t.body))
			terms[(*n)++] = t;
	}
	return 0;
}

/* (a AND b) NOT c NOT d: NOT binds tighter than AND and groups from the left. */
static size_t put_terms(struct buf *out, const struct term *terms, size_t n)
{
	size_t wanted = 0;

	buf_put_u8(out, '(');
	for (size_t i = 0; i < n; i++) {
		if (terms[i].exclude)
			continue;
		if (wanted++ > 0)
			buf_put_str(out, " AND ");
		put_term(out, &terms[i]);
	}
	buf_put_u8(out, ')');
	for (size_t i = 0; i < n; i++) {
		if (!terms[i].exclude)
			continue;
		buf_put_str(out, " NOT ");
		put_term(out, &terms[i]);
	}
	return wanted;
}

int query_to_match(struct bytes text, struct buf *out, struct err_info *info)
{
	/* has_word() is true of words alone, and those are counted */
	struct term terms[QUERY_WORDS_MAX];
	size_t n, before = out->len;
	int err;

	if (text.len > QUERY_TEXT_BYTES_MAX)
		return err_set(info, ERR_TOO_BIG, "the search text is longer than %u bytes",
			       QUERY_TEXT_BYTES_MAX);
	if (!text_is_utf8(text))
		return err_set(info, ERR_INVALID, "the search text is not UTF-8");
	err = read_all(text, terms, &n, info);
	if (err != 0)
		return err;
	if (put_terms(out, terms, n) == 0 && out->err == OK) {
		out->len = before;
		return err_set(info, ERR_INVALID,
			       "there is nothing to look for: name a word with a letter or digit, "
			       "or an emoji");
	}
	return out->err == OK ? 0 : err_set(info, out->err, "%s", err_text(out->err));
}
