/* Transfers on their way out, and all of them at the end. Whoever takes one out may be called by
 * it: so it stays until a turn of our own timer. First its files are let go, when what is on disk
 * is as it shall stay; then itself, when its trackers were told. */
#include "node/link.h"
#include "node/webseed.h"

/* The goodbyes to trackers may take long yet; the files need not wait for that. */
static void release_removed(struct node *n)
{
	for (uint32_t i = 0; i < n->n_transfers; i++) {
		struct transfer *t = n->transfers[i];
		void (*released)(void *) = t->released;

		if (!t->removed || !t->recorded || t->store == NULL)
			continue;
		hash_serve_fini(t);
		webseeds_free(t->webseeds);
		t->webseeds = NULL;
		transfer_unguard(t); /* what is watched has its name from there */
		store_close(t->store);
		t->store = NULL;
		t->released = NULL;
		if (released != NULL)
			released(t->released_user);
	}
}

static void free_removed(struct node *n)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n->n_transfers; i++) {
		struct transfer *t = n->transfers[i];

		if (t->removed && t->gone)
			transfer_free(t);
		else
			n->transfers[kept++] = t;
	}
	n->n_removed -= n->n_transfers - kept;
	n->n_transfers = kept;
}

void node_bury_removed(struct node *n)
{
	if (n->n_removed == 0)
		return;
	release_removed(n);
	free_removed(n);
}

void node_release_soon(struct node *n)
{
	loop_timer_set(n->second, 0);
}

static void finish_leave(void *arg)
{
	struct node *n = arg;
	void (*done)(void *) = n->leave_done;

	n->leave_done = NULL;
	if (done != NULL)
		done(n->leave_user);
}

static void one_left(struct node *n)
{
	if (--n->leaving == 0)
		finish_leave(n);
}

void node_transfer_left(struct node *n, struct transfer *t)
{
	t->gone = true;
	if (n->leaving > 0)
		one_left(n);
}

void node_remove(struct node *n, struct transfer *t)
{
	node_remove_then(n, t, NULL, NULL);
}

void node_remove_then(struct node *n, struct transfer *t, void (*released)(void *user), void *user)
{
	t->released = released;
	t->released_user = user;
	t->removed = t->leaving = true;
	t->on_phase = NULL;
	readers_fail(t, &(struct err_info){ERR_CANCELLED, "the transfer is removed"});
	n->n_removed++;
	node_drop_names(n, t);
	for (struct link *l = n->links; l != NULL; l = l->next)
		if (l->t == t)
			link_close(l, NULL);
	transfer_leave(t);
	node_settle(n);
}

int node_discard(struct node *n, const struct metainfo *m, struct bytes torrent, const char *path,
		 struct err_info *info)
{
	struct store_params sp = {
	    .mode = STORE_DOWNLOAD, .pool = n->pool, .meta = m, .torrent = torrent, .path = path};
	struct store *s;
	int err = store_open(&sp, &s, info);

	if (err != OK)
		return err;
	err = store_discard(s, info);
	store_close(s);
	return err;
}

void node_leave(struct node *n, uint32_t limit_ms, void (*done)(void *user), void *user)
{
	n->leave_done = done;
	n->leave_user = user;
	n->leave_timer = loop_timer_new(n->loop, finish_leave, n);
	if (n->leave_timer != NULL)
		loop_timer_set(n->leave_timer, limit_ms);
	while (n->links != NULL)
		link_close(n->links, NULL);
	node_settle(n);
	n->leaving = 1; /* for ourselves, so that it ends once */
	for (uint32_t i = 0; i < n->n_transfers; i++)
		n->leaving += !n->transfers[i]->gone;
	for (uint32_t i = 0; i < n->n_transfers; i++)
		if (!n->transfers[i]->removed)
			transfer_leave(n->transfers[i]);
	node_settle(n);
	one_left(n);
}
