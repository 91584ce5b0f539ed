#include "cli/get_many.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/confine.h"
#include "cli/get_many_impl.h"
#include "node/torrent_file.h"
#include "store/root.h"

/* Of those that are complete, so many are looked at each time for files that were changed. */
#define PATROL 64u

/* ---- the list ------------------------------------------------------------- */

static int list_items(struct many *m, struct err_info *info)
{
	size_t n_args = (size_t)m->o->n_args;
	int err = lines_read(&m->lines, m->o->input, info);

	if (err != OK)
		return err;
	m->n = n_args + m->lines.n;
	if (m->n == 0)
		return err_set(
		    info, ERR_INVALID,
		    "something is missing; usage: shoal get NAME... [-o DEST] [-i FILE]");
	m->items = calloc(m->n, sizeof(*m->items));
	if (m->items == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < m->n; i++) {
		m->items[i].many = m;
		m->items[i].ref = i < n_args ? m->o->args[i] : m->lines.list[i - n_args];
	}
	return OK;
}

/* ---- the end of one ---------------------------------------------------------- */

static void item_drop(struct item *it)
{
	if (it->linked != NULL)
		wanted_fini(it->linked);
	free(it->linked);
	it->linked = NULL;
	free(it->path);
	free(it->placed);
	if (it->handed != NULL)
		handed_fini(it->handed);
	it->path = NULL;
	it->placed = NULL;
}

void item_fail(struct item *it, const struct err_info *why)
{
	struct many *m = it->many;

	if (why != NULL) {
		int code;

		progress_clear(&m->session.progress);
		code = opts_fail(m->o, "get", why);
		if (m->n_failed == 0)
			m->code = code;
	}
	m->n_failed++;
	m->n_alone -= it->state == ITEM_ALONE;
	it->state = ITEM_FAILED;
	if (m->by_daemon)
		handed_undo(it);
	item_drop(it);
}

static void print_json(const struct item *it, const struct transfer_status *st)
{
	json_t *j = json_pack(
	    "{s:o, s:I, s:I, s:I, s:b}", "path", torrent_text(it->path), "bytes",
	    (json_int_t)st->wanted_bytes, "downloaded", (json_int_t)st->swarm.down_bytes, "wasted",
	    (json_int_t)st->swarm.wasted_bytes, "there_already", it->there_already);

	out_json(j);
	json_decref(j);
}

static void item_done(struct item *it, const struct transfer_status *st)
{
	struct many *m = it->many;
	char size[32], safe[512];

	m->n_alone -= it->state == ITEM_ALONE;
	it->state = ITEM_DONE;
	it->done_ms = loop_now_ms(m->session.loop);
	m->n_done++;
	m->n_there += it->there_already;
	m->done_bytes += st->wanted_bytes;
	progress_clear(&m->session.progress);
	if (it->t != NULL)
		wanted_done(m->o, it->path, it->there_already, it->placed, transfer_meta(it->t));
	if (m->o->json) {
		print_json(it, st);
	} else if (!m->o->quiet && !it->there_already) {
		printf("%s: %s verified\n", text_escape(safe, sizeof(safe), bytes_str(it->path)),
		       text_size(size, sizeof(size), st->wanted_bytes));
		(void)fflush(stdout);
	}
	item_drop(it);
}

/* ---- while they run ------------------------------------------------------------ */

static bool is_alone(const struct item *it, const struct transfer_status *st)
{
	return it->many->by_daemon ? handed_is_alone(it->handed) : transfer_is_alone(st);
}

/* Nobody who is on line has it: it goes on looking, and the next has its place. */
static void watch_alone(struct item *it, const struct transfer_status *st, uint64_t now)
{
	struct many *m = it->many;
	char safe[512];

	if (!is_alone(it, st)) {
		it->alone_ms = 0;
		return;
	}
	if (it->alone_ms == 0)
		it->alone_ms = now;
	if (now - it->alone_ms < NO_HOLDER_MS)
		return;
	it->state = ITEM_ALONE;
	m->n_alone++;
	session_say(&m->session, "%s: no holder on line%s%.300s%s; going on with the others",
		    text_escape(safe, sizeof(safe), bytes_str(it->path)),
		    st->tracker_error.code == OK ? "" : " (",
		    st->tracker_error.code == OK ? "" : st->tracker_error.text,
		    st->tracker_error.code == OK ? "" : ")");
}

static void watch_stalled(struct item *it, const struct transfer_status *st)
{
	struct many *m = it->many;

	if (st->phase == TRANSFER_STALLED) {
		if (!m->said_stalled)
			session_say(&m->session, "paused: %s; goes on when that ends",
				    st->why.text);
		m->said_stalled = it->stalled = true;
		it->stalled_bytes = st->done_bytes;
	} else if (it->stalled && st->done_bytes > it->stalled_bytes) {
		/* It went on. That peers send, which they do at each try, is not enough. */
		m->said_stalled = it->stalled = false;
	}
}

void item_take(struct item *it, const struct transfer_status *st, uint64_t now)
{
	struct err_info why = st->why;

	watch_stalled(it, st);
	if (st->phase == TRANSFER_FAILED) {
		if (it->there_already && why.code == ERR_MISMATCH)
			(void)wanted_other_content(it->path, it->touched, &why);
		item_fail(it, &why);
	} else if (st->phase == TRANSFER_SEEDING) {
		item_done(it, st);
	} else if (it->state == ITEM_ACTIVE) {
		watch_alone(it, st, now);
	}
}

static void item_look(struct item *it, uint64_t now)
{
	struct transfer_status st;

	transfer_status(it->t, &st);
	item_take(it, &st, now);
}

static void on_phase(void *user, struct transfer *t, enum transfer_phase phase)
{
	struct item *it = user;

	(void)t;
	(void)phase;
	if (it->state == ITEM_ALONE)
		item_look(it, 0);
	session_poke(&it->many->session);
}

/* Is it what another one has brought here already? Then it is no failure. */
static bool is_same(const struct item *it, const struct wanted *w)
{
	const struct many *m = it->many;
	struct metainfo *meta;
	bool same = false;

	if (meta_parse(buf_bytes(&w->torrent), &meta) != META_OK)
		return false;
	for (size_t i = 0; i < m->next && !same; i++)
		same = &m->items[i] != it && m->items[i].t != NULL &&
		       memcmp(meta_swarm_hash(transfer_meta(m->items[i].t)), meta_swarm_hash(meta),
			      SHA1_LEN) == 0;
	meta_free(meta);
	return same;
}

static void not_started(struct item *it, const struct wanted *w, const struct err_info *why)
{
	struct many *m = it->many;

	if (why->code != ERR_EXISTS || !is_same(it, w)) {
		item_fail(it, why);
		return;
	}
	if (!m->o->quiet && !m->o->json)
		session_say(&m->session, "%s", why->text);
	it->state = ITEM_SAME;
	m->n_same++;
	item_drop(it);
}

/* Its torrent is known. */
static int start_one(struct item *it, struct wanted *w, struct err_info *why)
{
	struct many *m = it->many;
	int err = wanted_start(w, m->o, m->index, m->session.node, on_phase, it, &it->t, why);

	if (err != OK)
		return err;
	it->path = w->path;
	w->path = NULL;
	it->placed = w->placed;
	w->placed = NULL;
	it->there_already = w->there_already;
	it->touched = w->touched;
	return OK;
}

/* ---- what a link means --------------------------------------------------------- */

static void on_fetched(void *user)
{
	struct item *it = user;

	session_poke(&it->many->session);
}

static int ask_one(struct item *it, struct wanted *w, struct err_info *why)
{
	struct many *m = it->many;

	it->linked = malloc(sizeof(*it->linked));
	if (it->linked == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	*it->linked = *w;
	*w = (struct wanted){.from_index = false};
	return wanted_fetch(it->linked, m->o, m->index, m->session.node, on_fetched, it, why);
}

/* Nobody who is there knows: after a while it fails, and the next has its place. */
static void look_at_asked(struct item *it, uint64_t now)
{
	struct many *m = it->many;
	uint64_t limit = m->o->wait_s > 0 ? (uint64_t)m->o->wait_s * 1000 : NO_HOLDER_MS;
	struct metadata_fetch_status st;
	struct err_info why;

	metadata_fetch_status(it->linked->fetch, &st);
	if (st.trying > 0 || st.pieces > 0 || st.seeking) {
		it->alone_ms = 0;
	} else if (it->alone_ms == 0) {
		it->alone_ms = now;
	} else if (now - it->alone_ms >= limit) {
		bool nobody = wanted_nobody_tells(it->linked, m->o, &st.tracker_error, &why);

		item_fail(it, &why);
		if (nobody && m->n_failed == 1)
			m->code = EXIT_NO_HOLDER;
	}
}

static void look_at_linked(struct item *it, uint64_t now)
{
	struct wanted *w = it->linked;
	struct err_info why;
	int err = wanted_fetched(w, it->many->o, &why);

	if (err == ERR_AGAIN) {
		look_at_asked(it, now);
		return;
	}
	it->alone_ms = 0;
	if (err != OK) {
		item_fail(it, &why);
		return;
	}
	err = start_one(it, w, &why);
	if (err != OK) {
		not_started(it, w, &why);
		return;
	}
	it->linked = NULL;
	wanted_fini(w);
	free(w);
}

bool item_load(struct item *it, struct wanted *w, struct err_info *why)
{
	struct many *m = it->many;
	int err;

	*w = (struct wanted){.ref = it->ref};
	why->code = OK;
	if (m->index_is_gone && wanted_needs_index(it->ref)) {
		item_fail(it, NULL);
		return false;
	}
	err = wanted_load(w, m->o, it->ref, true, &m->index, why);
	if ((err == ERR_UNREACHABLE || err == ERR_TIMEOUT) && wanted_needs_index(it->ref))
		m->index_is_gone = true;
	m->session.index = m->index;
	if (err != OK)
		item_fail(it, why);
	return err == OK;
}

static void begin_one(struct many *m, struct item *it)
{
	struct err_info why;
	struct wanted w;
	int err = OK;

	if (item_load(it, &w, &why)) {
		err = wanted_is_unknown(&w) ? ask_one(it, &w, &why) : start_one(it, &w, &why);
		if (err == OK) {
			it->state = ITEM_ACTIVE;
			m->active[m->n_active++] = it;
		} else {
			not_started(it, &w, &why);
		}
	}
	wanted_fini(&w);
}

static void look_at_active(struct many *m, uint64_t now)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < m->n_active; i++) {
		if (m->active[i]->linked != NULL)
			look_at_linked(m->active[i], now);
		else
			item_look(m->active[i], now);
		if (m->active[i]->state == ITEM_ACTIVE)
			m->active[kept++] = m->active[i];
	}
	m->n_active = kept;
}

static bool is_served_enough(struct item *it, const struct transfer_status *st, uint64_t now)
{
	struct many *m = it->many;

	if (!get_seeds(m->o) || !get_seeded_enough(m->o, st, now - it->done_ms))
		return false;
	it->state = ITEM_SERVED;
	m->n_served++;
	node_remove(m->session.node, it->t);
	it->t = NULL;
	return true;
}

static void patrol(struct many *m, uint64_t now)
{
	for (uint32_t i = 0; i < PATROL && i < m->next; i++) {
		struct item *it = &m->items[m->patrol++ % m->next];
		struct transfer_status st;

		if (it->state != ITEM_DONE)
			continue;
		transfer_status(it->t, &st);
		if (is_served_enough(it, &st, now) || st.why.code == OK || it->said_changed)
			continue;
		it->said_changed = true;
		session_say(&m->session, "%s; that part is not served any more", st.why.text);
	}
}

static void say_serving(struct many *m)
{
	char size[32];

	m->said_serving = true;
	if (m->o->quiet)
		return;
	progress_clear(&m->session.progress);
	if (m->o->json) {
		json_t *j =
		    json_pack("{s:I, s:I, s:I, s:i}", "serving", (json_int_t)m->n_done,
			      "there_already", (json_int_t)m->n_there, "bytes",
			      (json_int_t)m->done_bytes, "port", (int)node_port(m->session.node));

		out_json(j);
		json_decref(j);
	} else {
		printf("serving %zu torrent%s (%s) on port %u%s\n", m->n_done,
		       m->n_done == 1 ? "" : "s", text_size(size, sizeof(size), m->done_bytes),
		       node_port(m->session.node),
		       opts_progress(m->o) == PROGRESS_JSON ? "" : "; Ctrl-C stops");
	}
	(void)fflush(stdout);
}

/* Has one of those without a holder found one meanwhile? */
static bool one_comes(const struct many *m)
{
	for (size_t i = 0; i < m->n && m->n_alone > 0; i++) {
		struct transfer_status st;

		if (m->items[i].state != ITEM_ALONE)
			continue;
		if (m->by_daemon)
			st = m->items[i].handed->status;
		else
			transfer_status(m->items[i].t, &st);
		if (!is_alone(&m->items[i], &st))
			return true;
	}
	return false;
}

/* Everything was begun, and is complete, failed or without a holder. */
static void watch_end(struct many *m, uint64_t now)
{
	if (m->next < m->n || m->n_active > 0)
		return;
	if (get_seeds(m->o) && m->n_done > m->n_served && !m->by_daemon) {
		if (!m->said_serving)
			say_serving(m);
		return;
	}
	if (m->alone_ms == 0 || one_comes(m))
		m->alone_ms = now;
	if (m->n_alone > 0 && m->alone_ms == now)
		return;
	if (m->n_alone > 0 && now - m->alone_ms < (uint64_t)m->o->wait_s * 1000)
		return;
	if (m->n_alone > 0 && m->code == EXIT_OK)
		m->code = EXIT_NO_HOLDER;
	session_end(&m->session, m->code);
}

static void draw(struct many *m, uint64_t now)
{
	struct node_status st;
	char label[64];
	struct progress_state line = {.label = label};

	if (!m->session.progress.on)
		return;
	if (m->by_daemon)
		st = (struct node_status){.down_bps = m->down_bps, .up_bps = m->up_bps};
	else
		node_status(m->session.node, &st);
	snprintf(label, sizeof(label), "%zu of %zu", m->n_done, m->n);
	line.done = m->done_bytes;
	line.bps = st.down_bps;
	line.up_bps = st.up_bps;
	line.peers = st.peers;
	line.note = m->said_serving ? "seeding" : NULL;
	progress_draw(&m->session.progress, &line, now);
}

static void watch(struct session *s, void *user)
{
	struct many *m = user;
	uint64_t now = loop_now_ms(s->loop);

	if (m->by_daemon) {
		handed_watch(m);
		watch_end(m, now);
		if (!s->ending)
			draw(m, now);
		return;
	}
	look_at_active(m, now);
	for (uint32_t i = 0; i < GET_ACTIVE_MAX && m->n_active < GET_ACTIVE_MAX && m->next < m->n;
	     i++)
		begin_one(m, &m->items[m->next++]);
	if (m->next < m->n && m->n_active < GET_ACTIVE_MAX)
		session_poke(s);
	patrol(m, now);
	watch_end(m, now);
	if (!s->ending)
		draw(m, now);
}

/* ---- all of it ----------------------------------------------------------------- */

static int check_folder(struct many *m, struct err_info *info)
{
	const char *out = m->o->out;
	char safe[300];
	struct stat st;

	if (wanted_make_folder(m->o, true, &m->made, info) != OK)
		return info->code;
	if (out == NULL || (stat(out, &st) == 0 && S_ISDIR(st.st_mode)))
		return OK;
	if (access(out, F_OK) != 0)
		return root_errno(info, out, ENOENT);
	return err_set(info, ERR_EXISTS, "%s: Not a directory",
		       text_escape(safe, sizeof(safe), bytes_str(out)));
}

static int confine(const struct many *m, struct err_info *info)
{
	const char **refs = calloc(m->n, sizeof(*refs));

	if (refs == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < m->n; i++)
		refs[i] = m->items[i].ref;
	confine_get(m->o, refs, m->n, &m->made);
	free(refs);
	return OK;
}

static int run(struct many *m, struct err_info *info)
{
	int err = list_items(m, info);

	if (err == OK)
		err = check_folder(m, info);
	if (err == OK)
		err = confine(m, info);
	m->by_daemon = err == OK && handover_is_there(m->o);
	if (m->by_daemon)
		err = handed_begin(m, info);
	if (err == OK && m->o->detach && !m->by_daemon)
		err = handover_why_not(m->o, info);
	if (err == OK)
		err = session_init(&m->session, m->o, m->by_daemon ? SESSION_CLIENT : SESSION_PEER,
				   info);
	if (err != OK)
		return opts_fail(m->o, "get", info);
	return session_run(&m->session, watch, m);
}

/* Of thousands not a line each; but silence would leave open what became of them. */
static void say_there(const struct many *m)
{
	if (m->n_there > 0 && !m->said_serving && !m->o->quiet && !m->o->json)
		printf("%zu of %zu were there already, verified\n", m->n_there, m->n);
}

static void say_interrupted(struct many *m)
{
	if (m->session.interrupted && m->n_done + m->n_failed + m->n_same < m->n)
		session_say(&m->session,
			    "stopped with %zu of %zu; the same command goes on from there",
			    m->n_done, m->n);
}

int get_many(const struct opts *o)
{
	struct many m = {.o = o};
	struct err_info info = {.code = OK};
	int code;

	code = run(&m, &info);
	say_there(&m);
	if (m.by_daemon)
		handed_say_detached(&m);
	else
		say_interrupted(&m);
	if (m.session.interrupted && m.n_done + m.n_failed + m.n_same == m.n)
		code = m.code;
	for (size_t i = 0; m.items != NULL && i < m.n; i++) {
		if (m.by_daemon && m.items[i].state == ITEM_ALONE && !m.session.interrupted &&
		    !m.unanswered)
			handed_undo(&m.items[i]);
		item_drop(&m.items[i]);
	}
	session_fini(&m.session);
	wanted_leave_folder(&m.made, code != EXIT_OK && !m.by_daemon);
	index_client_free(m.index);
	free(m.items);
	free(m.handed);
	lines_fini(&m.lines);
	return code;
}
