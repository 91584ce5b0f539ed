/* cli/share_newer.c - `share --watch`: what is shared is published anew when it changes. */
#include <stdlib.h>

#include "cli/sharing.h"

/* ---- here ------------------------------------------------------------------------------- */

/* On a thread of its own. */
static int make_newer(void *user, void *item, const atomic_bool *stop, struct err_info *why)
{
	struct sharing *sh = user;
	struct share *s = item;
	struct build_aside aside = {.stop = stop};
	struct entry before;
	int err;

	kept_entry_get(s->entry, &before);
	err = publish_path(&sh->publisher, s->path, &before, &s->record, &aside, &sh->newer, why);
	if (err != OK)
		publication_fini(&sh->newer);
	return err;
}

/* The older version was served until now, as far as its files are what they were. */
static int serve_newer(struct sharing *sh, struct share *s, struct err_info *info)
{
	struct share next = {.entry = NULL};
	int err = share_set_entry(&next, &sh->newer.entry, info);

	if (err == OK)
		err = share_serve(sh, &next, &sh->newer, info);
	if (err != OK) {
		free(next.entry);
		return err;
	}
	if (s->transfer != NULL)
		node_remove(sh->session.node, s->transfer);
	s->transfer = next.transfer;
	free(s->entry);
	s->entry = next.entry;
	s->name.settled = false;
	s->name.again = 0;
	s->up_bytes = 0;
	share_remember(sh, s, &sh->newer);
	share_tell_newer(sh, s);
	return OK;
}

static int use_newer(void *user, void *item, struct err_info *why)
{
	struct sharing *sh = user;
	int err = sh->newer.same || sh->session.ending ? OK : serve_newer(sh, item, why);

	publication_fini(&sh->newer);
	return err;
}

static void say_renewing(void *user, void *item, const char *text)
{
	struct sharing *sh = user;

	session_say(&sh->session, "%s: %s", ((struct share *)item)->label, text);
}

static void on_index_up(void *user)
{
	struct sharing *sh = user;

	renewer_hurry(sh->renewer);
}

int share_newer_begin(struct sharing *sh, struct err_info *info)
{
	struct renewer_params p = {
	    .loop = sh->session.loop,
	    .make = make_newer,
	    .use = use_newer,
	    .say = say_renewing,
	    .user = sh,
	};
	uint32_t settle_ms = share_settle_ms(sh->o->settle_s);
	int err;

	if (!sh->o->watch || sh->by_daemon)
		return OK;
	p.watcher = node_folder_watcher(sh->session.node);
	err = renewer_new(&p, &sh->renewer);
	for (size_t i = 0; i < sh->n && err == OK; i++)
		err = renewer_add(sh->renewer, sh->shares[i].path, settle_ms, sh->o->exclude,
				  &sh->shares[i]);
	if (err != OK)
		return err_set(info, err, "%s", err_text(err));
	node_hear_index(sh->session.node, on_index_up, sh);
	return OK;
}

/* ---- by the daemon ---------------------------------------------------------------------- */

/* The daemon has published a newer one, of which the index knows more than it says. */
static void take_newer(struct sharing *sh, struct share *s)
{
	char ref[ENTRY_REF_MAX];
	json_t *j = NULL;
	struct entry e, told;

	s->up_bytes = 0;
	kept_entry_get(s->entry, &e);
	(void)entry_ref_text(ref, e.owner, e.name, s->handed->version);
	if (index_client_resolve(sh->index, ref, false, &j, NULL) == OK &&
	    index_client_entry(j, &told) == OK)
		e = told;
	json_decref(j);
	e.version = s->handed->version;
	if (share_set_entry(s, &e, NULL) == OK)
		share_tell_newer(sh, s);
}

void share_newer_look(struct sharing *sh, struct share *s)
{
	const char *why;

	if (handed_take_newer(s->handed))
		take_newer(sh, s);
	why = handed_take_upkeep(s->handed);
	if (why != NULL)
		session_say(&sh->session, "%s: %s", s->label, why);
}
