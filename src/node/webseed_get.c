/* node/webseed_get.c - asking a web server for a row of blocks, and what becomes of its answer. */
#include <stdio.h>

#include "base/text.h"
#include "node/webseed_impl.h"
#include "wire/http_range.h"

/* A URL and a path, percent-encoded. */
#define URL_MAX (META_URL_BYTES_MAX + 3u * (META_NAME_BYTES_MAX + META_PATH_BYTES_MAX) + 2u)

/* ---- blocks ------------------------------------------------------------------------------ */

static struct block_ref block_at(const struct metainfo *m, uint64_t at)
{
	uint32_t piece = (uint32_t)(at / m->piece_length);
	uint32_t block = (uint32_t)(at % m->piece_length / BLOCK_BYTES);

	return (struct block_ref){piece, block * BLOCK_BYTES, meta_block_bytes(m, piece, block)};
}

/* A whole block is at `data`. Returns 0; ERR_AGAIN when it has to wait for memory; ERR_NOENT when
 * the source is no more; what the store says. */
static int finish_block(struct webseed *s, const struct block_ref *b, const uint8_t *data)
{
	struct transfer *t = s->all->t;
	int err = OK;

	switch (swarm_judge_block(t->swarm, s->ref, b->piece, b->begin, b->length)) {
	case BLOCK_UNASKED: /* it was given up meanwhile */
		return OK;
	case BLOCK_USELESS:
		break;
	case BLOCK_WANTED:
		err = link_place_block(t, b, data);
		break;
	}
	if (err != OK)
		return err;
	swarm_on_block(t->swarm, s->ref, *b, webseeds_now_ms(s->all), &t->fx);
	transfer_perform(t);
	s->failures = 0;
	return webseed_is_active(s) ? OK : ERR_NOENT;
}

/* Bytes that follow in the piece space; `data` NULL: zeros. Returns as finish_block(); *used tells
 * how many were taken. */
static int feed(struct webseed *s, const uint8_t *data, size_t n, size_t *used)
{
	struct transfer *t = s->all->t;
	int err = OK;

	*used = 0;
	while (*used < n && err == OK) {
		struct block_ref b = block_at(t->meta, s->at - s->got);
		size_t take = b.length - s->got;
		const uint8_t *whole = s->block;

		if (take > n - *used)
			take = n - *used;
		if (data != NULL && take == b.length)
			whole = data + *used;
		else if (data != NULL)
			memcpy(s->block + s->got, data + *used, take);
		else
			memset(s->block + s->got, 0, take);
		if (s->got + take == b.length)
			err = finish_block(s, &b, whole);
		if (err != OK)
			return err;
		s->got = s->got + take == b.length ? 0 : s->got + (uint32_t)take;
		if (s->got > 0 && data != NULL)
			swarm_on_progress(t->swarm, s->ref, (uint32_t)take,
					  webseeds_now_ms(s->all));
		s->at += take;
		*used += take;
	}
	return err;
}

/* ---- an answer ------------------------------------------------------------------------------ */

/* It may give less than was asked for, as caches do, but not always a few bytes. */
static bool gives_scraps(struct webseed *s, uint64_t given)
{
	bool scrap = given < BLOCK_BYTES && given < s->call_end - s->call_at;

	s->n_scraps = scrap ? s->n_scraps + 1 : 0;
	return s->n_scraps > WEBSEED_SCRAPS_MAX;
}

static const char *judge_part(struct webseed *s, const struct http_call *call)
{
	const struct meta_file *f = &s->all->t->meta->files[s->file];
	const char *range = http_call_header(call, "Content-Range");
	struct http_given g;

	if (range == NULL || http_range_given(bytes_str(range), &g) != OK)
		return "answers with a part that it does not name";
	if (g.first != s->call_at - f->offset || g.last >= s->call_end - f->offset)
		return "answers with another part than was asked for";
	if (g.size != UINT64_MAX && g.size != f->length)
		return "has a file of another size";
	if (gives_scraps(s, g.last - g.first + 1))
		return "gives a few bytes at a time";
	s->call_end = f->offset + g.last + 1;
	s->knows_ranges = true;
	return NULL;
}

static const char *judge_whole(struct webseed *s, const struct http_call *call)
{
	const struct meta_file *f = &s->all->t->meta->files[s->file];
	const char *length = http_call_header(call, "Content-Length");
	uint64_t n = f->length;

	if (length != NULL && text_parse_u64(bytes_str(length), UINT64_MAX, &n) != OK)
		return "gives no length that could be read";
	if (n != f->length)
		return "has a file of another size";
	s->too_large = f->length > WEBSEED_WHOLE_BYTES;
	if (s->too_large)
		return "gives whole files only, and this one is too large for that";
	s->whole = true;
	s->skip = s->call_at - f->offset;
	return NULL;
}

static enum verdict judge(struct webseed *s, const struct http_call *call)
{
	const char *encoding = http_call_header(call, "Content-Encoding");
	int status = http_call_status(call);

	s->why = NULL;
	if (status != 206 && status != 200)
		return VERDICT_BAD; /* by its status, later */
	if (encoding != NULL && strcmp(encoding, "identity") != 0)
		s->why = "answers with something compressed";
	else
		s->why = status == 206 ? judge_part(s, call) : judge_whole(s, call);
	return s->why == NULL ? VERDICT_GOOD : VERDICT_BAD;
}

/* What of the part from *used on is asked for, or follows it in a whole file. Returns as feed(). */
static int take_part(struct webseed *s, struct bytes part, size_t *used)
{
	size_t n;
	int err;

	do {
		n = s->skip < part.len - *used ? (size_t)s->skip : part.len - *used;
		s->skip -= n;
		*used += n;
		/* Else it is given up, and begun again, when that takes long. */
		if (n > 0)
			swarm_on_progress(s->all->t->swarm, s->ref, 0, webseeds_now_ms(s->all));
		n = part.len - *used;
		if (n > s->call_end - s->at)
			n = (size_t)(s->call_end - s->at);
		err = feed(s, part.ptr + *used, n, &n);
		*used += n;
	} while (err == OK && *used < part.len && s->whole && webseed_read_on(s));
	return err;
}

static enum http_take on_part(void *user, struct http_call *call, struct bytes part)
{
	struct webseed *s = user;
	struct node *n = s->all->t->node;
	size_t used = s->taken;
	struct addr from_addr;
	uint64_t wait;
	int err;

	if (s->verdict == VERDICT_NONE)
		s->verdict = judge(s, call);
	if (s->verdict == VERDICT_BAD)
		return HTTP_TAKE_STOP;
	http_call_from(call, &from_addr);
	wait = throttle_wait_ms(s->all->t, &from_addr);
	if (wait > 0) {
		s->resume_ms = webseeds_now_ms(s->all) + wait;
		webseeds_wake_at(s->all, s->resume_ms);
		return HTTP_TAKE_LATER;
	}
	err = take_part(s, part, &used);
	throttle_took_from(s->all->t, &from_addr, used - s->taken);
	s->taken = 0;
	if (err == ERR_AGAIN) {
		s->taken = used;
		s->starved = true;
	}
	node_settle(n);
	if (err == ERR_AGAIN)
		return HTTP_TAKE_LATER;
	return err != OK || used < part.len ? HTTP_TAKE_STOP : HTTP_TAKE_MORE;
}

static void on_status(struct webseed *s, const struct http_answer *a)
{
	char text[64], lacks[64];

	snprintf(text, sizeof(text), "answers with status %d", a->status);
	snprintf(lacks, sizeof(lacks), "does not have it (%d)", a->status);
	if (s->too_large)
		webseed_lacks_large(s, s->why);
	else if (s->why != NULL)
		webseed_put_aside(s, s->why);
	else if (a->status == 401 || a->status == 403 || a->status == 404 || a->status == 410 ||
		 a->status == 416)
		webseed_lacks_file(s, lacks);
	else if (a->status == 429 || a->status >= 500)
		webseed_try_later(s, text, a->retry_after_s);
	else
		webseed_put_aside(s, text);
}

static void on_done(void *user, const struct http_answer *a)
{
	struct webseed *s = user;
	struct transfer *t = s->all->t;
	bool short_body = s->verdict == VERDICT_GOOD && s->at < s->call_end;

	s->call = NULL;
	if (s->verdict == VERDICT_NONE && a->err.code == OK &&
	    (a->status == 200 || a->status == 206))
		short_body = true; /* without any body */
	if (a->err.code == ERR_DENIED || a->err.code == ERR_INVALID)
		webseed_put_aside(s, a->err.text);
	else if (a->err.code != OK)
		webseed_try_later(s, a->err.text, 0);
	else if (short_body)
		webseed_try_later(s, "ends its answer too early", 0);
	else if (s->verdict != VERDICT_GOOD)
		on_status(s, a);
	transfer_perform(t);
	webseeds_on_fetch(s->all);
	node_settle(t->node);
}

/* ---- a question ----------------------------------------------------------------------------- */

static struct http_client *client_of(struct webseed *s)
{
	struct node *n = s->all->t->node;
	struct http_client **c = &n->web[s->nearest];

	if (*c == NULL && http_client_new(n->loop, c) == OK)
		http_client_guard(*c, s->nearest);
	return *c;
}

static int send_ask(struct webseed *s, const char *url)
{
	const struct meta_file *f = &s->all->t->meta->files[s->file];
	struct http_parts parts = {on_part, WEBSEED_STALL_S};
	const char *headers[3] = {NULL, "Accept-Encoding: identity", NULL};
	struct http_ask ask = {.method = "GET",
			       .url = url,
			       .headers = headers,
			       .parts = &parts,
			       .wary = true,
			       .done = on_done,
			       .user = s};
	struct http_client *c = client_of(s);
	char range[80];

	snprintf(range, sizeof(range), "Range: bytes=%llu-%llu",
		 (unsigned long long)(s->call_at - f->offset),
		 (unsigned long long)(s->call_end - f->offset - 1));
	headers[0] = range;
	if (c != NULL)
		s->call = http_client_send(c, &ask);
	return s->call != NULL ? OK : ERR_NOMEM;
}

/* From `at` on to the end of its file or of the row. */
static int ask_for_part(struct webseed *s)
{
	const struct metainfo *m = s->all->t->meta;
	const struct meta_file *f = &m->files[s->file];
	struct buf url;
	int err;

	s->call_at = s->at;
	s->call_end = f->offset + f->length < s->end ? f->offset + f->length : s->end;
	s->verdict = VERDICT_NONE;
	s->why = NULL;
	s->too_large = false;
	s->whole = false;
	s->skip = 0;
	s->taken = 0;
	buf_init(&url, URL_MAX);
	err = meta_webseed_url(m, s->url, f, &url);
	if (err == OK)
		err = buf_cstr(&url) == NULL ? ERR_NOMEM : send_ask(s, buf_cstr(&url));
	buf_fini(&url);
	return err;
}

/* Zeros of a pad before a file in the same block: no row ends with a pad. Returns as feed(). */
static int feed_pad(struct webseed *s, const struct meta_file *f)
{
	uint64_t end = f->offset + f->length < s->end ? f->offset + f->length : s->end;
	size_t used;
	int err = OK;

	while (err == OK && s->at < end)
		err = feed(s, NULL, end - s->at < BLOCK_BYTES ? (size_t)(end - s->at) : BLOCK_BYTES,
			   &used);
	return err;
}

/* Go on with the row. */
void webseed_advance(struct webseed *s)
{
	struct transfer *t = s->all->t;
	int err = OK;

	while (err == OK && s->at < s->end && s->call == NULL) {
		s->file = meta_file_at(t->meta, s->at);
		if ((t->meta->files[s->file].flags & META_FILE_PAD) != 0)
			err = feed_pad(s, &t->meta->files[s->file]);
		else
			err = ask_for_part(s);
	}
	if (err == ERR_AGAIN)
		s->starved = true;
	else if (err != OK && err != ERR_NOENT)
		webseed_try_later(s, err_text(err), 0);
}
