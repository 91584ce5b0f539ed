/* cli/get_many_handed.c - several things at a time by the daemon: all are handed over at once, and
 * its queue says whose turn it is. */
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "cli/get_many_impl.h"

/* Handed over, and asked about, so many in each turn of the loop. */
#define TURN_ITEMS 16u
#define TURN_QUESTIONS 4u

/* Kept for themselves: they are large, and a peer of thousands of torrents has none. */
int handed_begin(struct many *m, struct err_info *info)
{
	m->handed = calloc(m->n, sizeof(*m->handed));
	if (m->handed == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < m->n; i++)
		m->items[i].handed = &m->handed[i];
	return OK;
}

void handed_undo(struct item *it)
{
	handover_undo(it->handed);
}

static void hand_over(struct item *it)
{
	struct many *m = it->many;
	struct err_info why;
	struct wanted w;

	if (item_load(it, &w, &why)) {
		if (wanted_hand_over(&w, m->o, m->index, it->handed, &why) == OK) {
			it->state = ITEM_ACTIVE;
			it->path = w.path;
			w.path = NULL;
			it->there_already = w.there_already;
			it->touched = w.touched;
			it->unnamed = wanted_is_unknown(&w);
			m->n_active++;
		} else {
			item_fail(it, &why);
		}
	}
	wanted_fini(&w);
}

static void take(struct item *it, uint64_t now_ms)
{
	struct many *m = it->many;
	bool was_active = it->state == ITEM_ACTIVE;
	struct err_info why;
	char *path, safe[300];

	m->down_bps += it->handed->status.swarm.down_bps;
	m->up_bps += it->handed->status.swarm.up_bps;
	it->there_already = it->there_already || it->handed->there_already;
	path = it->unnamed ? strdup(it->handed->path) : NULL;
	if (path != NULL) {
		free(it->path);
		it->path = path;
	}
	if (it->handed->gone) {
		err_set(&why, ERR_CANCELLED,
			"%s: was removed from the daemon, or the daemon has ended",
			text_escape(safe, sizeof(safe), bytes_str(it->ref)));
		item_fail(it, &why);
	} else {
		item_take(it, &it->handed->status, now_ms);
	}
	m->n_active -= was_active && it->state != ITEM_ACTIVE;
}

/* The next ones of those under way, with one question. Returns how many there were. */
static int look_at_some(struct many *m, size_t *left, struct err_info *why)
{
	struct handed *list[HANDOVER_LOOK_MAX];
	struct item *items[HANDOVER_LOOK_MAX];
	size_t n = 0;
	int err;

	for (; *left > 0 && n < HANDOVER_LOOK_MAX; (*left)--) {
		struct item *it = &m->items[m->patrol++ % m->next];

		if (it->state != ITEM_ACTIVE && it->state != ITEM_ALONE)
			continue;
		items[n] = it;
		list[n++] = it->handed;
	}
	err = n == 0 ? OK : handover_look(list, n, why);
	for (size_t i = 0; i < n && err == OK; i++)
		take(items[i], loop_now_ms(m->session.loop));
	return err;
}

static void look(struct many *m)
{
	size_t left = m->next;
	struct err_info why;

	m->down_bps = m->up_bps = 0;
	for (uint32_t i = 0; i < TURN_QUESTIONS && left > 0; i++) {
		if (look_at_some(m, &left, &why) != OK) {
			m->unanswered = true;
			progress_clear(&m->session.progress);
			session_end(&m->session, opts_fail(m->o, "get", &why));
			return;
		}
	}
}

void handed_watch(struct many *m)
{
	for (uint32_t i = 0; i < TURN_ITEMS && m->next < m->n; i++)
		hand_over(&m->items[m->next++]);
	if (m->next < m->n) {
		session_poke(&m->session);
		return;
	}
	if (m->o->detach) {
		session_end(&m->session, m->code);
		return;
	}
	look(m);
}

void handed_say_detached(struct many *m)
{
	size_t n = m->next - m->n_done - m->n_failed;

	if (!m->session.interrupted && !m->o->detach && !m->unanswered)
		return;
	if (m->next < m->n)
		session_say(&m->session, "stopped with %zu of %zu handed to the daemon", m->next,
			    m->n);
	if (n > 0)
		session_say(&m->session,
			    "the daemon goes on with %zu of %zu; 'shoal status' shows how far "
			    "they are, 'shoal remove' ends them",
			    n, m->n);
}
