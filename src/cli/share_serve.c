/* cli/share_serve.c - what `share` has published is served, here or by the daemon. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/daemon_watch.h"
#include "cli/placed.h"
#include "cli/sharing.h"

/* What a share is called, and who is told of it. */
struct calling {
	const char *trackers[2];
	char title[ENTRY_REF_MAX];
};

static void call_it(struct calling *c, const struct sharing *sh, const struct entry *e)
{
	c->trackers[0] = index_client_announce_url(sh->index);
	c->trackers[1] = NULL;
	(void)entry_ref_text(c->title, e->owner, e->name, e->version);
}

/* Nothing of it is told to the distributed hash table? */
static bool is_secret(const struct sharing *sh, const struct metainfo *m)
{
	return sh->o->no_dht || m->private;
}

static int hand_over(struct sharing *sh, struct share *s, const struct publication *p,
		     struct err_info *info)
{
	const struct entry *e = &p->entry;
	struct calling c;
	struct job_spec spec = {
	    .torrent = buf_bytes(&p->build.torrent),
	    .path = p->build.data_path,
	    .title = c.title,
	    .seed = true,
	    .stamp = p->stamped ? &p->before : NULL,
	    .trackers = c.trackers,
	    .owner = e->owner,
	    .entry = e->name,
	    .version = e->version,
	};
	char *watch = sh->o->watch ? daemon_watch_text(sh->o, s->path, e) : NULL;
	struct buf item;
	int err = OK;

	if (sh->o->watch && watch == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	spec.watch = watch;
	call_it(&c, sh, e);
	buf_init(&item, DHT_ITEM_BYTES_MAX);
	if (!is_secret(sh, p->build.meta))
		err = dht_name_sign(e, &sh->home, -1, &item, info);
	spec.item = buf_bytes(&item);
	if (err == OK)
		err = handover_add(s->handed, sh->o, sh->index, &spec, info);
	buf_fini(&item);
	free(watch);
	return err;
}

struct share_name_of share_whose(const struct sharing *sh, const struct share *s)
{
	return (struct share_name_of){.home = &sh->home,
				      .entry = s->entry,
				      .label = s->label,
				      .transfer = s->transfer,
				      .handed = s->handed};
}

int share_set_entry(struct share *s, const struct entry *e, struct err_info *info)
{
	struct kept_entry *kept = kept_entry_new(e);

	if (kept == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	free(s->entry);
	s->entry = kept;
	return OK;
}

int share_serve(struct sharing *sh, struct share *s, struct publication *pub, struct err_info *info)
{
	struct build *b = &pub->build;
	struct calling c;
	struct transfer_params p = {
	    .meta = b->meta,
	    .torrent = buf_bytes(&b->torrent),
	    .path = b->data_path,
	    .title = c.title,
	    .seed = true,
	    .partly = true,
	    .trackers = c.trackers,
	};

	bool secret = is_secret(sh, b->meta);
	struct share_name_of name;
	struct err_info changed;
	int err;

	call_it(&c, sh, &pub->entry);
	/* While it was published: what is there now is not what was hashed. */
	p.check = build_look(b, &changed) != OK;
	b->meta = NULL; /* taken over */
	err = node_add(sh->session.node, &p, &s->transfer, info);
	if (err == ERR_INVALID || err == ERR_NOENT) {
		if (!p.check) /* since it was looked at */
			err_set(&changed, ERR_MISMATCH, "%s: was changed after it was hashed",
				pub->label);
		*info = changed;
		err = changed.code;
	}
	if (err != OK || secret)
		return err;
	name = share_whose(sh, s);
	return share_name_set(&name, -1, info);
}

void share_remember(struct sharing *sh, const struct share *s, const struct publication *pub)
{
	struct err_info why;
	struct placed p;

	placed_from_entry(&p, &pub->entry);
	if (placed_remember(pub->build.data_path, &p, &why) != OK)
		session_say(&sh->session, "%s: which version is there is not remembered: %s",
			    s->label, why.text);
}

/* It is on the index, and nobody serves it. */
static void tell_listed(struct err_info *why, const struct entry *e)
{
	struct err_info said = *why;
	char ref[ENTRY_REF_MAX], safe[300];

	(void)entry_ref_text(ref, e->owner, e->name, e->version);
	text_escape(safe, sizeof(safe), bytes_str(ref));
	err_set(why, said.code, "%s; %s stays listed; 'shoal unshare %s' removes it", said.text,
		safe, safe);
}

int share_use(struct sharing *sh, struct share *s, struct publication *p, struct err_info *info)
{
	char safe[512], one[512];
	int err;

	s->label = strdup(p->label);
	if (s->label == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	err = share_set_entry(s, &p->entry, info);
	if (err != OK)
		return err;
	if (p->unkept.code != OK)
		session_say(&sh->session, "what was hashed is not remembered: %s", p->unkept.text);
	if (p->build.meta->total_bytes == 0)
		session_say(&sh->session, "%s: " BUILD_NO_DATA, s->label);
	if (p->build.of_home > 0)
		session_say(&sh->session, "%s: " BUILD_OF_HOME,
			    text_escape(safe, sizeof(safe), bytes_str(s->path)));
	if (p->build.skipped > 0)
		session_say(&sh->session, "%s: %u links and special files left out, as %s",
			    text_escape(safe, sizeof(safe), bytes_str(s->path)), p->build.skipped,
			    text_escape(one, sizeof(one), bytes_str(p->build.skipped_first)));
	err = sh->by_daemon ? hand_over(sh, s, p, info) : share_serve(sh, s, p, info);
	if (err == OK)
		share_remember(sh, s, p);
	else if (err == ERR_MISMATCH && sh->o->watch && !sh->by_daemon)
		err = info->code = OK; /* the next version, which comes at once, is served */
	else if (err != ERR_EXISTS)    /* which is had by who has it already */
		tell_listed(info, &p->entry);
	if (!sh->o->watch || sh->by_daemon)
		hash_record_fini(&s->record);
	return err;
}
