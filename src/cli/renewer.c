#include "cli/renewer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/background.h"

/* One that is watched. */
struct renewal_item {
	struct renewer *r;
	struct renewal_item *next;
	void *item;
	struct share_watch *watch;
	bool due;  /* changed, and at rest */
	bool gone; /* out of the list; goes once the thread is done with it */
	uint32_t again_ms;
	char said[ERR_TEXT_MAX];
};

struct renewer {
	struct renewer_params p;
	struct renewal_item *items, **tail;
	struct renewal_item *making;
	struct background *background;
	struct err_info why; /* the thread's, while it runs */
	atomic_bool stop;
};

int renewer_new(const struct renewer_params *p, struct renewer **out)
{
	struct renewer *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return ERR_NOMEM;
	r->p = *p;
	r->tail = &r->items;
	atomic_init(&r->stop, false);
	*out = r;
	return OK;
}

static void bury(struct renewal_item *it)
{
	struct renewer *r = it->r;

	if (r->p.gone != NULL)
		r->p.gone(r->p.user, it->item);
	free(it);
}

void renewer_free(struct renewer *r)
{
	if (r == NULL)
		return;
	atomic_store(&r->stop, true);
	background_free(r->background);
	if (r->making != NULL && r->making->gone)
		bury(r->making);
	while (r->items != NULL) {
		struct renewal_item *it = r->items;

		r->items = it->next;
		share_watch_free(it->watch);
		free(it);
	}
	free(r);
}

static void make(void *arg)
{
	struct renewer *r = arg;

	(void)r->p.make(r->p.user, r->making->item, &r->stop, &r->why);
}

static void try_again(struct renewal_item *it, const struct err_info *why)
{
	struct renewer *r = it->r;
	char text[ERR_TEXT_MAX + 16];

	if (r->p.failed != NULL)
		r->p.failed(r->p.user, it->item);
	it->again_ms = it->again_ms == 0 ? RENEWER_AGAIN_MS : it->again_ms * 2;
	if (it->again_ms > RENEWER_AGAIN_MAX_MS)
		it->again_ms = RENEWER_AGAIN_MAX_MS;
	share_watch_again(it->watch, it->again_ms);
	/* That it changes while it is read is nothing to tell. */
	if (why->code == ERR_MISMATCH || strcmp(why->text, it->said) == 0)
		return;
	memcpy(it->said, why->text, sizeof(it->said));
	snprintf(text, sizeof(text), "%s; trying again", why->text);
	r->p.say(r->p.user, it->item, text);
}

static void begin_next(struct renewer *r);

static void on_made(void *arg)
{
	struct renewer *r = arg;
	struct renewal_item *it = r->making;

	background_free(r->background);
	r->background = NULL;
	if (r->why.code == OK && !it->gone)
		(void)r->p.use(r->p.user, it->item, &r->why);
	r->making = NULL;
	if (it->gone) {
		atomic_store(&r->stop, false);
		bury(it);
	} else if (r->why.code != OK) {
		try_again(it, &r->why);
	} else {
		it->again_ms = 0;
		it->said[0] = '\0';
	}
	begin_next(r);
}

/* Hashing has all cores anyway. */
static void begin_next(struct renewer *r)
{
	struct renewal_item *it = r->items;

	while (it != NULL && !it->due)
		it = it->next;
	if (it == NULL || r->background != NULL)
		return;
	it->due = false;
	r->making = it;
	r->why = (struct err_info){.code = OK};
	if (background_begin(r->p.loop, make, on_made, r, &r->background, NULL) == OK)
		return;
	r->making = NULL;
	share_watch_again(it->watch, RENEWER_AGAIN_MS);
}

static void on_rested(void *user)
{
	struct renewal_item *it = user;

	it->due = true;
	begin_next(it->r);
}

static void say(void *user, const char *line)
{
	struct renewal_item *it = user;

	it->r->p.say(it->r->p.user, it->item, line);
}

int renewer_add(struct renewer *r, const char *path, uint32_t settle_ms, const char *const *exclude,
		void *item)
{
	struct renewal_item *it = calloc(1, sizeof(*it));
	struct share_watch_params p = {
	    .loop = r->p.loop,
	    .watcher = r->p.watcher,
	    .path = path,
	    .settle_ms = settle_ms,
	    .exclude = exclude,
	    .rested = on_rested,
	    .say = say,
	    .user = it,
	};

	if (it == NULL)
		return ERR_NOMEM;
	it->r = r;
	it->item = item;
	if (share_watch_new(&p, &it->watch) != OK) {
		free(it);
		return ERR_NOMEM;
	}
	*r->tail = it;
	r->tail = &it->next;
	/* What happened since it was hashed nobody saw. */
	share_watch_look(it->watch);
	return OK;
}

void renewer_hurry(struct renewer *r)
{
	for (struct renewal_item *it = r->items; it != NULL; it = it->next)
		if (it->again_ms > 0 && it != r->making)
			share_watch_again(it->watch, 0);
}

void renewer_remove(struct renewer *r, void *item)
{
	struct renewal_item **at = &r->items, *it;

	while (*at != NULL && (*at)->item != item)
		at = &(*at)->next;
	it = *at;
	if (it == NULL)
		return;
	*at = it->next;
	if (*at == NULL)
		r->tail = at;
	share_watch_free(it->watch);
	it->gone = true;
	if (r->making == it)
		atomic_store(&r->stop, true);
	else
		bury(it);
}
