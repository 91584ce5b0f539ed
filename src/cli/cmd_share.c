/* cli/cmd_share.c - publish files and folders under names, and serve them in place. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/siphash.h"
#include "cli/commands.h"
#include "cli/confine.h"
#include "cli/index_open.h"
#include "cli/interrupts.h"
#include "cli/sharing.h"
#include "cli/spool.h"
#include "store/root.h"

/* Shares that are looked at each time; the others have their turn later. Each one that was
 * published asks for a look. */
#define PATROL 64u
#define LOOK_MS 150u
/* The same of the daemon's, once trackers know them: a question costs both of us a millisecond, and
 * each share in it a hundred times as much as a look of our own. */
#define PATROL_HANDED 32u
#define LOOK_HANDED_MS 1000u
/* How long one that is not served now may be about to be. */
#define WAITING_MS 3000u

_Static_assert(PATROL <= HANDOVER_LOOK_MAX, "one question");

static void fail(struct sharing *sh, const struct err_info *why)
{
	progress_clear(&sh->session.progress);
	session_end(&sh->session, opts_fail(sh->o, "share", why));
}

/* ---- published one after the other ------------------------------------------------------ */

static struct share_item item_of(void *user, size_t i)
{
	struct sharing *sh = user;

	return (struct share_item){sh->shares[i].path, &sh->shares[i].record};
}

/* The index has agreed to it; a daemon that is to watch reads it. */
static void keep_owner(struct sharing *sh, struct err_info *why)
{
	why->code = OK;
	if (sh->o->as == NULL || sh->owner_kept)
		return;
	sh->owner_kept = true;
	(void)home_keep_owner(&sh->home, why);
}

static int on_published(void *user, size_t i, struct publication *p, struct err_info *info)
{
	struct sharing *sh = user;
	struct share *s = &sh->shares[sh->n], failed = *s;
	struct err_info unkept;
	int err;

	/* In the place of one that was not. */
	if (i != sh->n) {
		*s = sh->shares[i];
		sh->shares[i] = failed;
	}
	keep_owner(sh, &unkept);
	err = share_use(sh, s, p, info);
	if (err == OK)
		sh->n++;
	if (err == OK && unkept.code != OK)
		session_say(&sh->session, "the owner's name is not remembered: %s", unkept.text);
	progress_begin(&sh->session.progress, opts_progress(sh->o));
	session_poke(&sh->session);
	return err;
}

static void on_failed(void *user, const struct err_info *why)
{
	struct sharing *sh = user;
	int code;

	progress_clear(&sh->session.progress);
	code = opts_fail(sh->o, "share", why);
	if (sh->n_failed++ == 0)
		sh->code = code;
}

static void on_all_published(void *user, const struct err_info *how)
{
	struct sharing *sh = user;
	struct err_info why = *how;

	if (why.code == OK && sh->n_failed == sh->n_paths) {
		session_end(&sh->session, sh->code);
		return;
	}
	if (why.code == OK)
		(void)share_newer_begin(sh, &why);
	if (why.code != OK)
		fail(sh, &why);
}

static int begin_publishing(struct sharing *sh, struct err_info *info)
{
	struct share_batch_params p = {.loop = sh->session.loop,
				       .publisher = sh->publisher,
				       .n = sh->n_paths,
				       .item = item_of,
				       .use = on_published,
				       .failed = on_failed,
				       .ended = on_all_published,
				       .user = sh};

	progress_begin(&sh->session.progress, opts_progress(sh->o));
	return share_batch_new(&p, &sh->batch, info);
}

/* Nothing is published any more. */
static void on_leaving(void *user)
{
	struct sharing *sh = user;

	share_batch_stop(sh->batch);
}

/* ---- while it runs ------------------------------------------------------------- */

/* Each file that was changed has a text of its own, which is said once: two that are written all
 * the time take turns. */
static bool is_news(struct share *s, const struct err_info *why)
{
	uint64_t text = siphash((struct siphash_key){0, 0}, bytes_str(why->text));

	for (unsigned i = 0; i < s->n_said; i++)
		if (s->said[i] == text)
			return false;
	if (s->n_said == SHARE_SAID_MAX)
		return false;
	s->said[s->n_said++] = text;
	return true;
}

static void take_status(struct sharing *sh, struct share *s, const struct transfer_status *st)
{
	struct share_name_of name = share_whose(sh, s);

	if (st->why.code != OK && !sh->o->watch && is_news(s, &st->why)) {
		session_say(&sh->session, "%s; share it again to publish what it is now",
			    st->why.text);
	} else if (st->why.code == OK && s->n_said > 0) {
		s->n_said = 0;
		session_say(&sh->session, "%s: is as it was, and served again", s->label);
	}
	share_name_look(&s->name, &name, st, &sh->session);
	if (!s->heard && st->tracker_ok + st->tracker_failed > 0) { /* somebody can find it */
		s->heard = true;
		sh->n_heard++;
		share_tell_one(sh, s);
	}
	sh->up_bytes += st->swarm.up_bytes - s->up_bytes;
	s->up_bytes = st->swarm.up_bytes;
}

/* One that the daemon does not serve now has no tracker that answers, and nobody would know when it
 * does: who hands over thousands is not to wait for all their turns. Each is queued at first. */
static void look_at_waiting(struct sharing *sh, struct share *s)
{
	uint64_t now = loop_now_ms(sh->session.loop);
	enum job_state state = s->handed->state;

	if (s->heard || (state != JOB_QUEUED && state != JOB_PAUSED && state != JOB_DONE)) {
		s->waits_since_ms = 0;
	} else if (s->waits_since_ms == 0) {
		s->waits_since_ms = now;
	} else if (now - s->waits_since_ms >= WAITING_MS) {
		s->heard = true;
		sh->n_heard++;
		session_say(&sh->session, "%s: the daemon has it, and does not serve it now (%s)",
			    s->label, job_state_word(state));
	}
}

static int look_at(struct sharing *sh, struct share *s, struct err_info *info)
{
	struct transfer_status st;

	if (!sh->by_daemon && s->transfer == NULL)
		return OK;
	if (!sh->by_daemon)
		transfer_status(s->transfer, &st);
	else if (s->handed->gone)
		return err_set(info, ERR_CANCELLED,
			       "%s: was removed from the daemon, or the daemon has ended",
			       s->label);
	else
		st = s->handed->status;
	if (sh->by_daemon) {
		look_at_waiting(sh, s);
		share_newer_look(sh, s);
	}
	/* A watched one that was changed is made anew. */
	if (st.phase == TRANSFER_FAILED && sh->by_daemon && sh->o->watch)
		return OK;
	if (st.phase == TRANSFER_FAILED) {
		*info = st.why;
		if (st.why.code == ERR_INVALID) /* it was what is shared when it was hashed */
			err_set(info, ERR_MISMATCH, "%s; share it again to publish what it is now",
				st.why.text);
		return info->code;
	}
	take_status(sh, s, &st);
	return OK;
}

/* At most HANDOVER_LOOK_MAX. */
static int look_at_some(struct sharing *sh, struct share *const *list, size_t n,
			struct err_info *info)
{
	struct handed *handed[HANDOVER_LOOK_MAX];
	int err = OK;

	for (size_t i = 0; i < n; i++)
		handed[i] = list[i]->handed;
	if (sh->by_daemon && n > 0)
		err = handover_look(handed, n, info);
	for (size_t i = 0; i < n && err == OK; i++)
		err = look_at(sh, list[i], info);
	return err;
}

/* The next ones in turn that no tracker has answered for yet, as long as there is news of them:
 * thousands that were just handed over are looked at a few times each, and not all of them for each
 * other. */
static int look_at_unheard(struct sharing *sh, struct err_info *info)
{
	struct share *list[HANDOVER_LOOK_MAX];
	size_t n, heard;
	int err;

	do {
		heard = sh->n_heard;
		n = 0;
		for (size_t i = 0; i < sh->n && n < HANDOVER_LOOK_MAX && heard < sh->n; i++) {
			struct share *s = &sh->shares[sh->unheard++ % sh->n];

			if (!s->heard)
				list[n++] = s;
		}
		err = look_at_some(sh, list, n, info);
	} while (err == OK && sh->n_heard > heard);
	return err;
}

static int look(struct sharing *sh, struct err_info *info)
{
	struct share *list[PATROL];
	size_t most = sh->by_daemon ? PATROL_HANDED : PATROL;
	size_t n = sh->n < most ? sh->n : most;
	int err = look_at_unheard(sh, info);

	for (size_t i = 0; i < n; i++)
		list[i] = &sh->shares[sh->patrol++ % sh->n];
	return err == OK ? look_at_some(sh, list, n, info) : err;
}

static bool is_time_to_look(struct sharing *sh)
{
	uint64_t now = loop_now_ms(sh->session.loop);

	if (sh->n == 0 || now < sh->look_at_ms)
		return false;
	sh->look_at_ms = now + (sh->by_daemon && sh->announced ? LOOK_HANDED_MS : LOOK_MS);
	return true;
}

static void watch(struct session *session, void *user)
{
	struct sharing *sh = user;
	struct err_info why;

	/* Who is leaving only serves. */
	if (session->interrupted)
		share_batch_stop(sh->batch);
	if (is_time_to_look(sh) && look(sh, &why) != OK) {
		fail(sh, &why);
		return;
	}
	if (sh->n > 0 && sh->n_heard + sh->n_failed == sh->n_paths && !sh->announced) {
		sh->announced = true;
		share_tell_serving(sh);
		if (sh->by_daemon && sh->o->detach) {
			session_end(session, EXIT_OK);
			return;
		}
	}
	share_draw(sh);
}

/* ---- beginning ------------------------------------------------------------------ */

/* Its name is that of a file, too. */
static int check_stdin(const struct opts *o, struct err_info *info)
{
	for (int i = 0; i < o->n_args; i++) {
		if (strcmp(o->args[i], "-") != 0)
			continue;
		if (o->name == NULL)
			return err_set(info, ERR_INVALID, "standard input needs a --name");
		return entry_check_name(bytes_str(o->name), info);
	}
	return OK;
}

/* All paths or none: a mistyped one must not leave the others published. */
static int check_paths(const struct opts *o, struct err_info *info)
{
	for (int i = 0; i < o->n_args; i++)
		if (strcmp(o->args[i], "-") != 0 && access(o->args[i], R_OK) != 0)
			return root_errno(info, o->args[i], errno);
	return OK;
}

static int resolve_paths(struct sharing *sh, struct err_info *info)
{
	for (size_t i = 0; i < sh->n_paths; i++) {
		const char *path = sh->o->args[i];
		struct share *s = &sh->shares[i];
		int err = OK;

		s->spooled = strcmp(path, "-") == 0;
		if (s->spooled)
			err = spool_stdin(sh->o->name, sh->o->spool, &s->path, info);
		else if ((s->path = realpath(path, NULL)) == NULL)
			err = root_errno(info, path, errno);
		if (err == OK && sh->by_daemon)
			err = handover_check_reads(sh->o, s->path, info);
		if (err != OK)
			return err;
	}
	return OK;
}

static int check_detach(const struct sharing *sh, struct err_info *info)
{
	if (!sh->o->detach || sh->by_daemon)
		return OK;
	return handover_why_not(sh->o, info);
}

/* Kept for themselves: they are large, and a peer of thousands of shares has none. */
static int make_handed(struct sharing *sh, struct err_info *info)
{
	sh->handed = calloc(sh->n_paths, sizeof(*sh->handed));
	if (sh->handed == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < sh->n_paths; i++)
		sh->shares[i].handed = &sh->handed[i];
	return OK;
}

static int open_all(struct sharing *sh, struct err_info *info)
{
	const struct opts *o = sh->o;
	int err = home_open(&sh->home, info);

	if (err == OK && o->as != NULL)
		err = home_use_owner(&sh->home, o->as, info);
	if (err == OK)
		err = index_open(o, &sh->index, info);
	sh->by_daemon = err == OK && handover_is_there(o);
	if (err == OK && sh->by_daemon)
		err = make_handed(sh, info);
	if (err == OK)
		err = check_detach(sh, info);
	if (err == OK)
		err = session_init(&sh->session, o, sh->by_daemon ? SESSION_CLIENT : SESSION_PEER,
				   info);
	sh->session.index = sh->index;
	sh->session.leaving = on_leaving;
	sh->session.user = sh;
	sh->publisher = (struct publisher){o, &sh->home, sh->index};
	return err;
}

static int start(struct sharing *sh, struct err_info *info)
{
	const struct opts *o = sh->o;
	int err = check_stdin(o, info);

	if (err == OK)
		err = check_paths(o, info);
	if (err == OK)
		confine_share(o);
	if (err == OK)
		err = open_all(sh, info);
	if (err == OK) {
		/* Nothing is under way yet, and this may take long. */
		interrupts_let();
		err = resolve_paths(sh, info);
		interrupts_hold();
	}
	return err == OK ? begin_publishing(sh, info) : err;
}

static void free_all(struct sharing *sh)
{
	share_batch_stop(sh->batch);
	renewer_free(sh->renewer); /* its thread asks the index, too */
	share_batch_free(sh->batch);
	publication_fini(&sh->newer);
	session_fini(&sh->session);
	index_client_free(sh->index);
	home_fini(&sh->home);
	for (size_t i = 0; i < sh->n_paths; i++) {
		hash_record_fini(&sh->shares[i].record);
		if (sh->handed != NULL)
			handed_fini(&sh->handed[i]);
		free(sh->shares[i].path);
		free(sh->shares[i].entry);
		free(sh->shares[i].label);
	}
	free(sh->handed);
	free(sh->shares);
}

int cmd_share(const struct opts *o)
{
	struct sharing sh = {.o = o, .n_paths = (size_t)o->n_args};
	struct err_info info = {.code = OK};
	int code;

	if (o->name != NULL && o->n_args > 1) {
		err_set(&info, ERR_INVALID, "--name goes with one PATH");
		return opts_fail(o, "share", &info);
	}
	sh.shares = calloc(sh.n_paths, sizeof(*sh.shares));
	if (sh.shares == NULL) {
		err_set(&info, ERR_NOMEM, "out of memory");
		return opts_fail(o, "share", &info);
	}
	interrupts_end(EXIT_INTERRUPTED, o->quiet ? NULL : SHARE_TEXT_NOTHING "\n");
	if (start(&sh, &info) == OK)
		code = session_run(&sh.session, watch, &sh);
	else
		code = opts_fail(o, "share", &info);
	if (code == EXIT_OK)
		code = sh.code;
	share_tell_spooled(&sh);
	if (sh.session.interrupted)
		code = share_tell_interrupted(&sh);
	free_all(&sh);
	return code;
}
