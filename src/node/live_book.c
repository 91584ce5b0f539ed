#include "node/live_book.h"

#include <stdlib.h>
#include <string.h>

#include "node/session_line.h"

void live_book_init(struct live_book *b)
{
	*b = (struct live_book){.by_number = NULL};
	TAILQ_INIT(&b->all);
	TAILQ_INIT(&b->queue);
	TAILQ_INIT(&b->dirty);
}

void live_book_fini(struct live_book *b)
{
	free(b->by_number);
}

/* ---- numbers ------------------------------------------------------------------------ */

static int take_number(struct live_book *b, struct live_torrent *t)
{
	uint32_t cap = b->cap_numbers == 0 ? 8 : b->cap_numbers * 2;
	struct live_torrent **grown;

	while (b->free_from < b->cap_numbers && b->by_number[b->free_from] != NULL)
		b->free_from++;
	if (b->free_from == b->cap_numbers) {
		grown = realloc(b->by_number, cap * sizeof(struct live_torrent *));
		if (grown == NULL)
			return ERR_NOMEM;
		memset(grown + b->cap_numbers, 0,
		       (cap - b->cap_numbers) * sizeof(struct live_torrent *));
		b->by_number = grown;
		b->cap_numbers = cap;
	}
	t->number = b->free_from;
	b->by_number[t->number] = t;
	return OK;
}

static void put_number(struct live_book *b, struct live_torrent *t)
{
	b->by_number[t->number] = NULL;
	if (t->number < b->free_from)
		b->free_from = t->number;
}

struct live_torrent *live_book_at(const struct live_book *b, uint64_t number)
{
	return number < b->cap_numbers ? b->by_number[number] : NULL;
}

/* ---- in and out ------------------------------------------------------------------------- */

static void clean(struct live_book *b, struct live_torrent *t)
{
	if (t->dirty)
		TAILQ_REMOVE(&b->dirty, t, of_dirty);
	t->dirty = false;
}

/* Out of the session, whatever it was in it. */
static void take_out(struct live_book *b, struct live_torrent *t)
{
	if (t->state == LIVE_QUEUED)
		TAILQ_REMOVE(&b->queue, t, of_queue);
	if (t->state == LIVE_IN)
		put_number(b, t);
	clean(b, t);
	bitfield_fini(&t->told);
	t->told_n = t->told_down = t->told_up = 0;
	t->state = LIVE_NONE;
}

static void enqueue(struct live_book *b, struct live_torrent *t)
{
	take_out(b, t);
	t->state = LIVE_QUEUED;
	TAILQ_INSERT_TAIL(&b->queue, t, of_queue);
}

void live_book_add(struct live_book *b, struct live_torrent *t)
{
	TAILQ_INSERT_TAIL(&b->all, t, of_all);
	enqueue(b, t);
}

void live_book_remove(struct live_book *b, struct live_torrent *t, struct buf *out)
{
	if (t->state == LIVE_NONE)
		return;
	if (t->state == LIVE_IN)
		session_line_put(
		    out, json_pack("{s:s, s:I}", "t", "leave", "id", (json_int_t)t->number));
	take_out(b, t);
	TAILQ_REMOVE(&b->all, t, of_all);
}

void live_book_refuse(struct live_book *b, struct live_torrent *t)
{
	take_out(b, t);
	t->state = LIVE_REFUSED;
}

void live_book_requeue(struct live_book *b)
{
	struct live_torrent *t;

	TAILQ_FOREACH(t, &b->all, of_all)
	{
		enqueue(b, t);
	}
}

struct live_torrent *live_book_join(struct live_book *b, uint64_t now_ms, struct buf *out)
{
	struct live_torrent *t = TAILQ_FIRST(&b->queue);
	struct live_view v;
	int err;

	if (t == NULL)
		return NULL;
	take_out(b, t);
	err = take_number(b, t);
	if (err == OK) {
		t->state = LIVE_IN;
		t->view(t->user, &v);
		err = live_map_join(t, &v, out);
	}
	if (err != OK) {
		live_book_refuse(b, t);
		return t;
	}
	t->asked = true; /* a join is a question for peers, too */
	t->more_ms = now_ms;
	return t;
}

void live_book_more(struct live_torrent *t, uint64_t now_ms, struct buf *out)
{
	if (t->state != LIVE_IN || now_ms - t->more_ms < LIVE_MORE_MS)
		return;
	t->more_ms = now_ms;
	t->asked = true;
	session_line_put(out, json_pack("{s:s, s:I}", "t", "more", "id", (json_int_t)t->number));
}

/* ---- what changed ------------------------------------------------------------------------ */

void live_book_touch(struct live_book *b, struct live_torrent *t)
{
	if (t->state != LIVE_IN || t->dirty)
		return;
	t->dirty = true;
	TAILQ_INSERT_TAIL(&b->dirty, t, of_dirty);
}

static uint32_t rate32(uint64_t bps)
{
	return bps > UINT32_MAX ? UINT32_MAX : (uint32_t)bps;
}

/* Appends [id, down, up]. False: nothing is to be told of it in later turns either. */
static bool put_rate(struct live_torrent *t, const struct live_view *v, uint64_t now_ms,
		     json_t *list)
{
	uint32_t down = rate32(v->down_bps), up = rate32(v->up_bps);

	if (down == t->told_down && up == t->told_up)
		return down > 0 || up > 0;
	if (now_ms - t->rates_ms < LIVE_RATES_MS || json_array_size(list) >= SESSION_RATES_MAX)
		return true;
	if (json_array_append_new(list, json_pack("[I, I, I]", (json_int_t)t->number,
						  (json_int_t)down, (json_int_t)up)) != 0)
		return true;
	t->rates_ms = now_ms;
	t->told_down = down;
	t->told_up = up;
	return down > 0 || up > 0;
}

void live_book_changes(struct live_book *b, uint64_t now_ms, size_t room, struct buf *out)
{
	json_t *rates = json_array();
	struct live_torrent *t, *next;
	size_t start = out->len;

	for (t = TAILQ_FIRST(&b->dirty); t != NULL && rates != NULL; t = next) {
		struct live_view v;

		next = TAILQ_NEXT(t, of_dirty);
		if (out->len - start > room)
			break;
		t->view(t->user, &v);
		if (live_map_change(t, &v, out) != OK)
			break;
		if (!put_rate(t, &v, now_ms, rates))
			clean(b, t);
	}
	/* That alone is missing when there is no memory for it: what was told before counts as
	 * told. */
	if (json_array_size(rates) > 0)
		session_line_put(out, json_pack("{s:s, s:O}", "t", "rates", "rates", rates));
	json_decref(rates);
}
