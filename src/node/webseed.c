#include "node/webseed.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "node/webseed_impl.h"

/* A server that failed so often makes room for another, where there is one. */
#define FAILURES_MANY 3u
#define ROW_BLOCKS_MAX 1024u

/* ---- saying so ------------------------------------------------------------------ */

static void say(const struct webseed *s, const char *what)
{
	char safe[300];

	text_escape(safe, sizeof(safe), text_url_host(s->url));
	node_log(s->all->t->node, "webseed %s: %s", safe, what);
}

/* ---- in and out of the swarm ------------------------------------------------------ */

static void drop_row(struct webseed *s)
{
	http_call_cancel(s->call);
	s->call = NULL;
	s->at = s->end = 0;
	s->got = 0;
	s->starved = false;
	s->resume_ms = 0;
}

static void leave_swarm(struct webseed *s)
{
	struct transfer *t = s->all->t;
	struct peer_ref ref = s->ref;

	drop_row(s);
	free(s->block);
	s->block = NULL;
	if (!webseed_is_active(s))
		return;
	s->ref.slot = WEBSEED_NO_SLOT;
	swarm_on_closed(t->swarm, ref, webseeds_now_ms(s->all), &t->fx);
}

void webseed_put_aside(struct webseed *s, const char *why)
{
	char text[ERR_TEXT_MAX];

	snprintf(text, sizeof(text), "%s; not asked again for this torrent", why);
	say(s, text);
	s->aside = true;
	leave_swarm(s);
}

void webseeds_wake_at(struct webseeds *w, uint64_t at_ms)
{
	uint64_t now = webseeds_now_ms(w);

	if (w->stopped || (w->timer_ms != 0 && w->timer_ms <= at_ms))
		return;
	w->timer_ms = at_ms > 0 ? at_ms : 1;
	loop_timer_set(w->timer, at_ms > now ? at_ms - now : 0);
}

/* Look again at what is to be done, in another turn of the loop. */
static void turn_soon(struct webseeds *w)
{
	webseeds_wake_at(w, 1);
}

/* The next one that may be tried: one that failed least. */
static struct webseed *next_idle(struct webseeds *w, uint64_t now)
{
	struct webseed *best = NULL;

	for (size_t i = 0; i < w->n; i++) {
		struct webseed *s = &w->list[i];

		if (!webseed_is_active(s) && !s->aside && now >= s->retry_ms &&
		    (best == NULL || s->failures < best->failures))
			best = s;
	}
	return best;
}

/* One that has nothing of what is missing makes way for one that may; what a server has changes, so
 * it is asked again. False: all places are taken by others. */
static bool make_place(struct webseeds *w)
{
	struct webseed *barren = NULL;
	uint32_t active = 0;

	for (size_t i = 0; i < w->n; i++) {
		struct webseed *s = &w->list[i];

		if (!webseed_is_active(s))
			continue;
		active++;
		if (!swarm_source_has_wanted(w->t->swarm, s->ref))
			barren = s;
	}
	if (active < SWARM_SOURCES_MAX)
		return true;
	if (barren == NULL)
		return false;
	barren->failures++;
	barren->bidden = true;
	barren->retry_ms = webseeds_now_ms(w) + WEBSEED_RETRY_MAX_MS;
	leave_swarm(barren);
	return true;
}

static void fill_places(struct webseeds *w)
{
	struct transfer *t = w->t;
	struct webseed *s;

	while (!t->complete && (s = next_idle(w, webseeds_now_ms(w))) != NULL && make_place(w)) {
		struct peer_ref ref;

		s->block = malloc(BLOCK_BYTES);
		if (s->block == NULL)
			return;
		ref = swarm_add_source(t->swarm, webseeds_now_ms(w), &t->fx);
		if (ref.slot == WEBSEED_NO_SLOT) {
			free(s->block);
			s->block = NULL;
			return;
		}
		s->ref = ref;
		s->call = NULL;
	}
}

/* ---- after a failure ------------------------------------------------------------------ */

/* Nobody else has anything that is missing, as far as we know. */
static bool is_alone(const struct webseed *s)
{
	const struct webseeds *w = s->all;

	for (size_t i = 0; i < w->n; i++)
		if (&w->list[i] != s && !w->list[i].aside && w->list[i].failures == 0)
			return false;
	return !swarm_has_givers(w->t->swarm);
}

static uint64_t pause_ms(const struct webseed *s)
{
	uint64_t most = is_alone(s) ? WEBSEED_RETRY_ALONE_MS : WEBSEED_RETRY_MAX_MS;
	uint64_t pause = WEBSEED_RETRY_MS;

	for (uint32_t i = 0; i < s->failures && pause < most; i++)
		pause *= 2;
	return pause < most ? pause : most;
}

/* Those who were there when a pause began may have gone. */
static void shorten_pauses(struct webseeds *w)
{
	struct transfer *t = w->t;
	uint64_t now = webseeds_now_ms(w), most = now + WEBSEED_RETRY_ALONE_MS;

	for (size_t i = 0; i < w->n && !t->complete; i++) {
		struct webseed *s = &w->list[i];

		if (s->aside || s->bidden || s->retry_ms <= most)
			continue;
		if (!is_alone(s)) {
			webseeds_wake_at(w, most);
			continue;
		}
		s->retry_ms = most;
		if (webseed_is_active(s))
			swarm_source_rest(t->swarm, s->ref, WEBSEED_RETRY_ALONE_MS, now, &t->fx);
	}
}

void webseed_try_later(struct webseed *s, const char *why, uint32_t retry_after_s)
{
	struct webseeds *w = s->all;
	struct transfer *t = w->t;
	uint64_t pause = pause_ms(s);
	char text[ERR_TEXT_MAX];

	if (retry_after_s > WEBSEED_RETRY_AFTER_MAX_S)
		retry_after_s = WEBSEED_RETRY_AFTER_MAX_S;
	s->bidden = retry_after_s > 0;
	if (s->bidden)
		pause = (uint64_t)retry_after_s * 1000;
	s->failures++;
	s->retry_ms = webseeds_now_ms(w) + pause;
	snprintf(text, sizeof(text), "%s; asked again in %llu s", why,
		 (unsigned long long)(pause + 999) / 1000);
	say(s, text);
	drop_row(s);
	if (s->failures >= FAILURES_MANY && next_idle(w, webseeds_now_ms(w)) != NULL)
		leave_swarm(s);
	else
		swarm_source_rest(t->swarm, s->ref, pause, webseeds_now_ms(w), &t->fx);
}

void webseed_lacks_file(struct webseed *s, const char *why)
{
	struct transfer *t = s->all->t;
	const struct meta_file *f = &t->meta->files[s->file];
	char text[ERR_TEXT_MAX];

	if (t->meta->n_real_files == 1) {
		webseed_put_aside(s, why);
		return;
	}
	snprintf(text, sizeof(text), "file %u: %s", s->file, why);
	say(s, text);
	drop_row(s);
	swarm_source_lacks(t->swarm, s->ref, f->first_piece, f->n_pieces, webseeds_now_ms(s->all),
			   &t->fx);
}

void webseed_lacks_large(struct webseed *s, const char *why)
{
	struct transfer *t = s->all->t;
	const struct metainfo *m = t->meta;

	webseed_lacks_file(s, why);
	for (uint32_t i = 0; i < m->n_files && webseed_is_active(s) && !s->knows_ranges; i++)
		if (m->files[i].length > WEBSEED_WHOLE_BYTES)
			swarm_source_lacks(t->swarm, s->ref, m->files[i].first_piece,
					   m->files[i].n_pieces, webseeds_now_ms(s->all), &t->fx);
}

/* ---- which row ------------------------------------------------------------------------------ */

static int by_place(const void *a, const void *b)
{
	const struct block_ref *x = a, *y = b;

	if (x->piece != y->piece)
		return x->piece < y->piece ? -1 : 1;
	return x->begin < y->begin ? -1 : x->begin > y->begin;
}

static uint64_t place_of(const struct metainfo *m, const struct block_ref *b)
{
	return (uint64_t)b->piece * m->piece_length + b->begin;
}

/* The blocks that lie in a row around the one that was asked for first. */
static void choose_row(struct webseed *s, struct block_ref *list, uint32_t n)
{
	const struct metainfo *m = s->all->t->meta;
	struct block_ref first = list[0];
	uint32_t i = 0;

	qsort(list, n, sizeof(*list), by_place);
	s->at = s->end = place_of(m, &list[0]);
	for (; i < n; i++) {
		uint64_t at = place_of(m, &list[i]);

		if (at != s->end && by_place(&list[i], &first) > 0)
			break;
		if (at != s->end)
			s->at = at;
		s->end = at + list[i].length;
	}
	s->got = 0;
}

static uint64_t file_end(const struct webseed *s)
{
	const struct meta_file *f = &s->all->t->meta->files[s->file];

	return f->offset + f->length;
}

/* Is anything that the request under way brings expected still? */
static bool is_of_use(const struct webseed *s, const struct block_ref *list, uint32_t n)
{
	const struct metainfo *m = s->all->t->meta;
	uint64_t end = s->whole ? file_end(s) : s->call_end;

	for (uint32_t i = 0; i < n; i++) {
		uint64_t at = place_of(m, &list[i]);

		if (at < end && at + list[i].length > s->at)
			return true;
	}
	return false;
}

/* From the first of the list, which is in order, to the end of the row that it begins. */
static void read_on_with(struct webseed *s, const struct block_ref *list, uint32_t n)
{
	const struct metainfo *m = s->all->t->meta;
	uint64_t at = place_of(m, &list[0]), last = file_end(s);

	s->skip = at - s->at;
	s->at = s->end = at;
	for (uint32_t i = 0; i < n && place_of(m, &list[i]) == s->end; i++)
		s->end += list[i].length;
	s->call_end = s->end < last ? s->end : last;
}

bool webseed_read_on(struct webseed *s)
{
	const struct transfer *t = s->all->t;
	struct block_ref *list = malloc(ROW_BLOCKS_MAX * sizeof(*list));
	uint32_t n, i = 0;
	bool more;

	if (list == NULL)
		return false;
	n = swarm_expected(t->swarm, s->ref, list, ROW_BLOCKS_MAX);
	qsort(list, n, sizeof(*list), by_place);
	while (i < n && place_of(t->meta, &list[i]) < s->at)
		i++;
	more = i < n && place_of(t->meta, &list[i]) < file_end(s);
	if (more)
		read_on_with(s, list + i, n - i);
	free(list);
	return more;
}

/* A limit held it, or want of room. */
static void go_on(struct webseed *s)
{
	if (s->resume_ms == 0)
		return;
	if (s->resume_ms > webseeds_now_ms(s->all)) {
		webseeds_wake_at(s->all, s->resume_ms);
		return;
	}
	s->resume_ms = 0;
	http_call_resume(s->call);
}

static void step(struct webseed *s, struct block_ref *list)
{
	struct transfer *t = s->all->t;
	uint32_t n = swarm_expected(t->swarm, s->ref, list, ROW_BLOCKS_MAX);

	if (s->call != NULL && is_of_use(s, list, n)) {
		go_on(s);
		return;
	}
	if (s->call != NULL)
		drop_row(s);
	if (s->starved)
		return;
	/* Between two requests: what is expected by now may be another row. */
	if (s->got == 0)
		s->at = s->end = 0;
	if (s->at == s->end && n > 0)
		choose_row(s, list, n);
	if (s->at < s->end)
		webseed_advance(s);
}

/* Who might take a place has to wait, for its time, for memory or for a place: who has one may turn
 * out to have nothing of what is missing by then. */
static void wake_for_idle(struct webseeds *w)
{
	uint64_t now = webseeds_now_ms(w), at = UINT64_MAX;

	for (size_t i = 0; i < w->n; i++) {
		struct webseed *s = &w->list[i];
		uint64_t due = s->retry_ms > now ? s->retry_ms : now + WEBSEED_RETRY_MS;

		if (!webseed_is_active(s) && !s->aside && due < at)
			at = due;
	}
	if (at != UINT64_MAX && !w->t->complete)
		webseeds_wake_at(w, at);
}

static void on_timer(void *arg)
{
	struct webseeds *w = arg;
	struct transfer *t = w->t;
	struct block_ref *list = malloc(ROW_BLOCKS_MAX * sizeof(*list));

	w->timer_ms = 0;
	if (list == NULL) {
		webseeds_wake_at(w, webseeds_now_ms(w) + WEBSEED_RETRY_MS);
		return;
	}
	fill_places(w);
	for (size_t i = 0; i < w->n; i++)
		if (webseed_is_active(&w->list[i]))
			step(&w->list[i], list);
	free(list);
	shorten_pauses(w);
	wake_for_idle(w);
	transfer_perform(t);
	node_settle(t->node);
}

/* ---- from the transfer
 * --------------------------------------------------------------------------- */

void webseeds_on_fetch(struct webseeds *w)
{
	if (w != NULL && !w->stopped)
		turn_soon(w);
}

void webseeds_on_close(struct webseeds *w, struct peer_ref ref, const char *reason)
{
	for (size_t i = 0; w != NULL && i < w->n; i++) {
		struct webseed *s = &w->list[i];

		if (!webseed_is_active(s) || !peer_ref_eq(s->ref, ref))
			continue;
		s->ref.slot = WEBSEED_NO_SLOT;
		webseed_put_aside(s, reason);
		webseeds_on_fetch(w);
	}
}

void webseeds_unstarve(struct webseeds *w)
{
	for (size_t i = 0; w != NULL && i < w->n; i++) {
		struct webseed *s = &w->list[i];

		if (!s->starved)
			continue;
		s->starved = false;
		/* In a turn of its own: this may be the end of the very call that found no room,
		 * which is not held yet, and would be held for good. */
		if (s->call != NULL)
			s->resume_ms = 1;
		webseeds_on_fetch(w);
	}
}

void webseeds_start(struct webseeds *w)
{
	if (w == NULL || w->started)
		return;
	w->started = true;
	turn_soon(w);
}

void webseeds_stop(struct webseeds *w)
{
	if (w == NULL)
		return;
	w->stopped = true;
	loop_timer_clear(w->timer);
	for (size_t i = 0; i < w->n; i++)
		drop_row(&w->list[i]);
}

/* ---- life
 * ------------------------------------------------------------------------------------------ */

static bool add_one(struct webseeds *w, const char *url, enum addr_scope nearest)
{
	struct webseed *s = &w->list[w->n];

	for (size_t i = 0; i < w->n; i++)
		if (strcmp(w->list[i].url, url) == 0)
			return true;
	*s = (struct webseed){.all = w, .nearest = nearest, .ref = {WEBSEED_NO_SLOT, 0}};
	s->url = strdup(url);
	if (s->url == NULL)
		return false;
	w->n++;
	return true;
}

struct webseeds *webseeds_new(struct transfer *t, const struct transfer_params *p, size_t *n)
{
	struct webseeds *w;
	size_t i = 0;
	bool ok;

	*n = 0;
	while (p->webseeds != NULL && p->webseeds[*n] != NULL)
		(*n)++;
	*n += t->meta->n_webseeds;
	if (*n == 0 || p->seed)
		return NULL;
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return NULL;
	w->t = t;
	w->list = calloc(*n, sizeof(*w->list));
	w->timer = loop_timer_new(t->node->loop, on_timer, w);
	ok = w->list != NULL && w->timer != NULL;
	/* The user's first: they may be anywhere, also when the torrent names them, too. */
	for (; ok && p->webseeds != NULL && p->webseeds[i] != NULL; i++)
		ok = add_one(w, p->webseeds[i], ADDR_LOOPBACK);
	for (i = 0; ok && i < t->meta->n_webseeds; i++)
		ok = add_one(w, t->meta->webseeds[i], p->webseeds_nearest);
	if (ok)
		return w;
	webseeds_free(w);
	return NULL;
}

void webseeds_free(struct webseeds *w)
{
	if (w == NULL)
		return;
	for (size_t i = 0; i < w->n; i++) {
		http_call_cancel(w->list[i].call);
		free(w->list[i].block);
		free(w->list[i].url);
	}
	free(w->list);
	if (w->timer != NULL)
		loop_timer_free(w->timer);
	free(w);
}
