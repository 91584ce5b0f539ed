/* store/store_event.c - what the stores of one pool share. */
#include <stdlib.h>
#include <string.h>

#include "store/store_impl.h"

static void event_free(struct event *ev)
{
	if (ev->task == NULL)
		return;
	free(ev->task->hashes);
	free(ev->task);
}

static void hub_free(void *shared)
{
	struct store_hub *h = shared;

	while (h->head != NULL) {
		struct event *ev = h->head;

		h->head = ev->next;
		event_free(ev);
	}
	if (h->current != NULL)
		event_free(h->current);
	pthread_mutex_destroy(&h->files_lock);
	free(h);
}

struct store_hub *hub_of(struct pool *p)
{
	struct store_hub *h = pool_shared(p);

	if (h != NULL)
		return h;
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		return NULL;
	h->pool = p;
	h->tail = &h->head;
	h->max_handles = STORE_FDS_MAX;
	h->loop = pthread_self();
	pthread_mutex_init(&h->files_lock, NULL);
	pool_set_shared(p, h, hub_free);
	return h;
}

void event_push(struct event *ev)
{
	struct store_hub *h = ev->s->hub;

	ev->next = NULL;
	ev->queued = true;
	*h->tail = ev;
	h->tail = &ev->next;
}

static void say_nomem(struct store_hub *h, const struct unsaid *u)
{
	struct event *ev = &u->s->nomem;

	if (ev->queued) {
		if (h->n_unsaid < STORE_UNSAID_MAX)
			h->unsaid[h->n_unsaid++] = *u;
		return;
	}
	*ev = (struct event){.s = u->s, .type = u->type, .piece = u->piece, .token = u->token};
	event_push(ev);
}

/* One was taken out of the queue: the next one may have its place. */
static void say_next(struct store_hub *h)
{
	struct unsaid u = h->unsaid[0];

	if (h->n_unsaid == 0)
		return;
	h->n_unsaid--;
	memmove(h->unsaid, h->unsaid + 1, h->n_unsaid * sizeof(*h->unsaid));
	say_nomem(h, &u);
}

void events_forget(struct store *s)
{
	struct store_hub *h = s->hub;
	struct event **at = &h->head;

	while (*at != NULL) {
		struct event *ev = *at;

		if (ev->s != s) {
			at = &ev->next;
			continue;
		}
		*at = ev->next;
		ev->queued = false;
		event_free(ev);
	}
	h->tail = at;
	for (unsigned i = 0; i < h->n_unsaid;) {
		if (h->unsaid[i].s == s)
			h->unsaid[i] = h->unsaid[--h->n_unsaid];
		else
			i++;
	}
	say_next(h);
}

static void say(const struct event *ev, struct store_event *out)
{
	if (ev->task != NULL) {
		*out = ev->task->e;
		out->hashes = ev->task->hashes;
	} else {
		*out =
		    (struct store_event){.type = ev->type, .piece = ev->piece, .token = ev->token};
		if (ev->type != STORE_ROOM)
			err_set(&out->err, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	}
	out->user = ev->s->user;
}

bool store_next_event(struct pool *p, struct store_event *out)
{
	struct store_hub *h = pool_shared(p);
	struct event *ev;

	if (h == NULL)
		return false;
	if (h->current != NULL)
		event_free(h->current);
	h->current = NULL;
	ev = h->head;
	if (ev == NULL)
		return false;
	h->head = ev->next;
	if (h->head == NULL)
		h->tail = &h->head;
	ev->queued = false;
	say(ev, out);
	if (ev->task != NULL)
		h->current = ev;
	else
		say_next(h);
	return true;
}

uint64_t store_clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void store_wait_room(struct store *s)
{
	if (!s->wants_room)
		s->room_from_ms = store_clock_ms();
	s->wants_room = true;
}

uint64_t store_waited_ms(const struct store *s)
{
	return s->waited_ms + (s->wants_room ? store_clock_ms() - s->room_from_ms : 0);
}

void hub_tell_room(struct store_hub *h)
{
	for (struct store *s = h->stores; s != NULL; s = s->next) {
		if (!s->wants_room || s->room.queued)
			continue;
		s->waited_ms = store_waited_ms(s);
		s->wants_room = false;
		s->room = (struct event){.s = s, .type = STORE_ROOM};
		event_push(&s->room);
	}
}

void store_job_out(struct store *s, struct pool_job *job)
{
	s->jobs++;
	pool_submit(s->hub->pool, job);
}

void *task_try(struct store *s, size_t size, enum store_event_type type, uint32_t piece,
	       uint64_t token)
{
	struct task *t = calloc(1, size);

	if (t == NULL)
		return NULL;
	t->event = (struct event){.s = s, .task = t};
	t->e = (struct store_event){.type = type, .piece = piece, .token = token};
	t->s = s;
	return t;
}

void *task_new(struct store *s, size_t size, enum store_event_type type, uint32_t piece,
	       uint64_t token)
{
	void *t = task_try(s, size, type, piece, token);

	if (t == NULL)
		task_nomem(s, type, piece, token);
	return t;
}

void task_nomem(struct store *s, enum store_event_type type, uint32_t piece, uint64_t token)
{
	say_nomem(s->hub, &(struct unsaid){s, type, piece, token});
}

void task_submit(struct task *t, void (*run)(struct pool_job *, struct pool_worker *),
		 void (*done)(struct pool_job *))
{
	t->job.run = run;
	t->job.done = done;
	store_job_out(t->s, &t->job);
}

void task_end(struct task *t)
{
	struct store *s = t->s;
	uint64_t since_ms = 0;

	/* So that it goes better the next time. */
	if (t->e.err.code == ERR_TOO_BIG)
		(void)hub_spare(s->hub, &since_ms);
	if (s->closed)
		event_free(&t->event);
	else
		event_push(&t->event);
	store_job_in(s);
}
