/* node/transfer.c - one torrent: swarm, store and announcer wired together.
 *
 *     socket --> link --> swarm decides --> effects --> link, store, announcer
 *     disk   --> store event -----------^
 *
 * The only place where what the swarm wants meets what the disk can. */
#include <stdlib.h>

#include "base/text.h"
#include "meta/selection.h"
#include "node/link.h"
#include "node/metadata_fetch.h"
#include "node/webseed.h"

void transfer_set_phase(struct transfer *t, enum transfer_phase phase)
{
	if (t->phase == phase)
		return;
	t->phase = phase;
	if (t->on_phase != NULL)
		t->on_phase(t->user, t, phase);
}

void transfer_fail(struct transfer *t, const struct err_info *why)
{
	err_keep(&t->why, why);
	swarm_set_paused(t->swarm, true, transfer_now_ms(t), &t->fx);
	readers_fail(t, why);
	transfer_set_phase(t, TRANSFER_FAILED);
}

/* ---- connections by slot -------------------------------------------------- */

struct link *transfer_slot(struct transfer *t, uint32_t slot)
{
	return slot < t->n_slots ? t->by_slot[slot] : NULL;
}

struct link *transfer_link(struct transfer *t, struct peer_ref ref)
{
	struct link *l = transfer_slot(t, ref.slot);

	return l != NULL && l->ref.gen == ref.gen ? l : NULL;
}

bool transfer_set_link(struct transfer *t, struct peer_ref ref, struct link *l)
{
	if (ref.slot >= t->n_slots) {
		uint32_t n = ref.slot + 16;
		struct link **grown = realloc(t->by_slot, n * sizeof(struct link *));

		if (grown == NULL)
			return false;
		memset(grown + t->n_slots, 0, (n - t->n_slots) * sizeof(struct link *));
		t->by_slot = grown;
		t->n_slots = n;
	}
	t->by_slot[ref.slot] = l;
	return true;
}

/* ---- effects ---------------------------------------------------------------- */

static void set_timer(struct transfer *t)
{
	uint64_t at = t->phase == TRANSFER_CHECKING ? UINT64_MAX : swarm_deadline_ms(t->swarm);
	uint64_t now = transfer_now_ms(t);

	if (t->save_at_ms != 0 && t->save_at_ms < at)
		at = t->save_at_ms;
	if (t->retry_at_ms != 0 && t->retry_at_ms < at)
		at = t->retry_at_ms;
	if (t->guard.look_at_ms != 0 && t->guard.look_at_ms < at)
		at = t->guard.look_at_ms;
	if (at == UINT64_MAX || (t->timer_at_ms <= at && t->timer_at_ms > now))
		return;
	t->timer_at_ms = at > now ? at : now;
	loop_timer_set(t->timer, at > now ? at - now : 0);
}

/* Peers tell of others, too. Who is not to be dialled is one who cannot be. */
static void dial(struct transfer *t, const struct addr *to)
{
	if (t->leaving)
		return;
	if (transfer_takes(t, to))
		link_dial(t, to);
	else
		swarm_on_dial_failed(t->swarm, to, transfer_now_ms(t), &t->fx);
}

static void perform_one(struct transfer *t, const struct effect *e)
{
	struct link *l = transfer_link(t, e->peer);

	switch (e->type) {
	case EFFECT_SEND:
		if (l != NULL)
			link_send(l, &e->u.msg);
		break;
	case EFFECT_UPLOAD:
		if (l != NULL) {
			l->uploading = true;
			link_mark_dirty(l);
		}
		break;
	case EFFECT_CLOSE:
		if (l != NULL)
			link_close(l, e->reason);
		else
			webseeds_on_close(t->webseeds, e->peer, e->reason);
		break;
	case EFFECT_BAN: {
		char text[ADDR_TEXT_MAX];

		node_log(t->node, "%s: banned: %s", addr_text(text, &e->u.addr), e->reason);
		break;
	}
	case EFFECT_DIAL:
		dial(t, &e->u.addr);
		break;
	case EFFECT_PUNCH:
		transfer_punch(t, l, &e->u.addr);
		break;
	case EFFECT_SEEN_AS:
		if (l != NULL)
			node_on_seen_as(t->node, &l->addr, &e->u.addr);
		break;
	case EFFECT_VERIFY:
		store_verify(t->store, e->u.piece, swarm_wants_hashes(t->swarm, e->u.piece));
		break;
	case EFFECT_SERVE_HASHES:
		hash_serve(t, e->peer, &e->u.msg.hash);
		break;
	case EFFECT_READ_HASHES:
		if (store_leaves(t->store, e->u.piece, TRANSFER_OWN_LEAVES) != OK)
			swarm_on_disk_hashes(t->swarm, e->u.piece, NULL, transfer_now_ms(t),
					     &t->fx);
		break;
	case EFFECT_FETCH:
		webseeds_on_fetch(t->webseeds);
		break;
	case EFFECT_WANT_PEERS:
		announcer_more(t->announcer);
		if (t->live_in != NULL)
			live_more(t->live_in, &t->live);
		if (t->node->dht != NULL)
			node_dht_more(t->node->dht, t);
		break;
	case EFFECT_COMPLETE:
		t->complete = true;
		break;
	}
}

static void start_finish(struct transfer *t)
{
	if (!t->complete || t->phase != TRANSFER_DOWNLOADING || t->store == NULL)
		return;
	transfer_set_phase(t, TRANSFER_FINISHING);
	store_finish(t->store);
}

/* Of thousands of torrents few have peers: the others keep no memory for talking to any. */
static void rest(struct transfer *t)
{
	for (uint32_t i = 0; i < t->n_slots; i++)
		if (t->by_slot[i] != NULL)
			return;
	effects_fini(&t->fx);
	free(t->by_slot);
	t->by_slot = NULL;
	t->n_slots = 0;
}

/* Effects may cause events that append effects: the list is walked by index until it ends.
 * A call from within only appends. */
void transfer_perform(struct transfer *t)
{
	if (t->performing)
		return;
	t->performing = true;
	for (size_t i = 0; i < t->fx.n; i++) {
		struct effect e = t->fx.list[i];

		perform_one(t, &e);
	}
	t->performing = false;
	if (t->fx.failed && t->phase == TRANSFER_SEEDING) {
		transfer_let_go(t);
	} else if (t->fx.failed && t->phase != TRANSFER_FAILED) {
		struct err_info why;

		err_set(&why, ERR_NOMEM, "out of memory");
		transfer_fail(t, &why);
	}
	effects_clear(&t->fx);
	rest(t);
	start_finish(t);
	set_timer(t);
}

/* ---- time --------------------------------------------------------------------- */

static void save(struct transfer *t)
{
	/* While one is out, all further calls have one answer together. */
	t->saves = t->saves == 0 ? 1 : 2;
	if (t->leaving)
		store_save_last(t->store, swarm_have(t->swarm));
	else
		store_save(t->store, swarm_have(t->swarm));
}

static void save_now(struct transfer *t)
{
	t->save_at_ms = 0;
	if (!t->leaving && (t->phase == TRANSFER_DOWNLOADING || t->phase == TRANSFER_STALLED))
		save(t);
}

/* The disk may have room again: go on, and stop again at the next refusal. */
static void try_disk_again(struct transfer *t)
{
	t->retry_at_ms = 0;
	if (t->phase != TRANSFER_STALLED)
		return;
	err_drop(&t->why);
	transfer_set_phase(t, TRANSFER_DOWNLOADING);
	swarm_set_paused(t->swarm, false, transfer_now_ms(t), &t->fx);
	/* It may have been the last checkpoint that failed. */
	if (t->save_at_ms == 0)
		t->save_at_ms = transfer_now_ms(t) + TRANSFER_SAVE_MS;
	start_finish(t);
}

static void tell_takers(struct transfer *t)
{
	for (uint32_t i = 0; i < t->n_slots; i++) {
		struct link *l = t->by_slot[i];

		if (l != NULL && l->state == LINK_OPEN)
			swarm_on_taken(t->swarm, l->ref, link_took_ms(l));
	}
}

static void on_timer(void *arg)
{
	struct transfer *t = arg;
	uint64_t now = transfer_now_ms(t);

	t->timer_at_ms = 0;
	if (t->removed)
		return;
	if (t->save_at_ms != 0 && now >= t->save_at_ms)
		save_now(t);
	if (t->retry_at_ms != 0 && now >= t->retry_at_ms)
		try_disk_again(t);
	if (t->guard.look_at_ms != 0 && now >= t->guard.look_at_ms)
		transfer_look(t);
	if (t->phase != TRANSFER_CHECKING && swarm_minds_takers(t->swarm, now))
		tell_takers(t);
	if (t->phase != TRANSFER_CHECKING && now >= swarm_deadline_ms(t->swarm))
		swarm_on_tick(t->swarm, now, &t->fx);
	transfer_perform(t);
	node_settle(t->node);
}

/* ---- life -------------------------------------------------------------------------------- */

int transfer_copy_addresses(const struct addr *list, size_t n, struct addr **out, size_t *n_out)
{
	if (n == 0)
		return OK;
	*out = calloc(n, sizeof(**out));
	if (*out == NULL)
		return ERR_NOMEM;
	memcpy(*out, list, n * sizeof(**out));
	*n_out = n;
	return OK;
}

static int keep_addresses(struct transfer *t, const struct transfer_params *p)
{
	int err = transfer_copy_addresses(p->peers, p->n_peers, &t->first_peers, &t->n_first_peers);

	t->found_complete = p->found_complete;
	return err == OK ? transfer_copy_addresses(p->found, p->n_found, &t->found, &t->n_found)
			 : err;
}

static int make_parts(struct transfer *t, const struct transfer_params *p, struct err_info *info)
{
	struct node *n = t->node;
	struct store_params sp = {
	    .mode = p->seed ? STORE_SEED : STORE_DOWNLOAD,
	    .pool = n->pool,
	    .meta = t->meta,
	    .torrent = p->torrent,
	    .path = p->path,
	    .partly = p->partly && p->check,
	    .verified = p->seed && p->check ? p->verified : NULL,
	    .preallocate = p->preallocate,
	    .replaces = p->replaces,
	    .wanted = p->seed ? NULL : p->wanted,
	    .user = t,
	};
	struct swarm_params wp = {
	    .meta = t->meta,
	    .seed = rng_next(&n->rng),
	    .port = n->port,
	    .utp = n->utp != NULL && !p->only_peers,
	    .client = "shoal " SHOAL_VERSION,
	    .max_peers = n->quota.max_peers_per_transfer,
	};
	size_t n_webseeds = 0;
	int err = store_open(&sp, &t->store, info);

	if (err != OK)
		return err;
	memcpy(wp.peer_id, n->peer_id, sizeof(wp.peer_id));
	t->swarm = swarm_new(&wp);
	t->timer = loop_timer_new(n->loop, on_timer, t);
	if (t->swarm != NULL && p->no_upload)
		swarm_set_upload(t->swarm, false, transfer_now_ms(t), &t->fx);
	if (t->swarm == NULL || t->timer == NULL || transfer_make_announcer(t, p->trackers) != OK)
		return err_set(info, ERR_NOMEM, "out of memory");
	t->only_peers = p->only_peers;
	if (!t->only_peers)
		t->webseeds = webseeds_new(t, p, &n_webseeds);
	if (n_webseeds > 0 && !p->seed && t->webseeds == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	return keep_addresses(t, p) == OK ? OK : err_set(info, ERR_NOMEM, "out of memory");
}

bool transfer_takes_all(const struct transfer *t)
{
	return !t->only_peers || t->complete;
}

bool transfer_takes(const struct transfer *t, const struct addr *host)
{
	bool takes = transfer_takes_all(t);

	for (size_t i = 0; i < t->n_first_peers && !takes; i++)
		takes = addr_same_host(&t->first_peers[i], host);
	return takes;
}

static int use_stale(struct transfer *t)
{
	uint32_t n = t->stale.count;
	int err = n == 0 ? OK : swarm_set_stale(t->swarm, &t->stale);

	bitfield_fini(&t->stale);
	if (n > 0 && err == OK)
		node_log(t->node, "%u pieces are on disk in another form: %s", n,
			 t->meta->v2 ? "the blocks that differ are fetched"
				     : "they are fetched whole, as the torrent is v1");
	return err;
}

/* The first file of which something is not as it should be. */
static void find_fault(const struct transfer *t, struct err_info *out)
{
	const struct bitfield *have = swarm_have(t->swarm);
	const struct metainfo *m = t->meta;
	char folder[300], path[300];
	uint32_t piece = 0, i;

	while (piece < have->n && bitfield_has(have, piece))
		piece++;
	i = meta_file_at(m, (uint64_t)piece * m->piece_length);
	while (i < m->n_files && (m->files[i].flags & META_FILE_PAD) != 0)
		i++;
	text_escape(folder, sizeof(folder), bytes_str(store_part_path(t->store)));
	if (m->single || i == m->n_files)
		err_set(out, ERR_MISMATCH, "%s: is not what the torrent says", folder);
	else
		err_set(out, ERR_MISMATCH, "%s/%s: is not what the torrent says", folder,
			text_escape(path, sizeof(path), bytes_str(m->files[i].path)));
}

/* As when the rest had gone while it was served. False: it has failed. */
static bool go_partly(struct transfer *t)
{
	struct err_info why;

	find_fault(t, &why);
	if (!t->partly || swarm_have(t->swarm)->count == 0) {
		transfer_fail(t, &why);
		return false;
	}
	node_log(t->node, "%s", why.text);
	err_keep(&t->why, &why);
	t->complete = true;
	/* What others sent would have to be written into a file that is somebody's by now. */
	swarm_set_paused(t->swarm, true, transfer_now_ms(t), &t->fx);
	return true;
}

int transfer_go_live(struct transfer *t)
{
	int err = swarm_set_have(t->swarm, store_have(t->store));

	err_drop(&t->why); /* of the check */
	if (err == OK)
		err = use_stale(t);
	if (err != OK)
		return err;
	transfer_count_done(t);
	transfer_plan_swarm(t);
	if (t->seed && !t->complete && !go_partly(t))
		return OK;
	t->live_ms = transfer_now_ms(t);
	for (int v6 = 0; v6 < 2; v6++)
		if (external_address(&t->node->external, v6 != 0) != NULL)
			swarm_set_self(t->swarm, external_address(&t->node->external, v6 != 0));
	swarm_set_outer_port(t->swarm, t->node->outer_port, t->live_ms, &t->fx);
	transfer_set_phase(t, t->seed ? TRANSFER_SEEDING : TRANSFER_DOWNLOADING);
	if (t->fetch != NULL)
		metadata_fetch_pass_on(t->fetch, t);
	swarm_on_addresses(t->swarm, t->first_peers, t->n_first_peers, SOURCE_USER,
			   transfer_now_ms(t), &t->fx);
	transfer_take_found(t);
	webseeds_start(t->webseeds);
	transfer_join_live(t);
	announcer_start(t->announcer);
	transfer_perform(t);
	readers_urge(t);
	readers_poke(t);
	if (t->seed)
		transfer_guard(t);
	return OK;
}

int transfer_check(struct transfer *t, bool all)
{
	uint32_t pieces = all ? t->meta->n_pieces : store_unsure(t->store);

	if (pieces == 0)
		return transfer_go_live(t);
	t->to_check_bytes = (uint64_t)pieces * t->meta->piece_length;
	store_recheck(t->store, all);
	return OK;
}

/* Hash what nobody vouches for, or go on at once. */
static int begin(struct transfer *t, const struct transfer_params *p, struct err_info *info)
{
	t->phase = TRANSFER_CHECKING;
	transfer_tell_others(t);
	if (p->seed && !p->check)
		store_trust_all(t->store);
	/* Without older copies it is a download like any. */
	if (!p->seed && p->n_donors > 0 &&
	    store_fill(t->store, p->donor_folder, p->donors, p->n_donors, info) == OK)
		return OK;
	if (transfer_check(t, p->check && p->verified == NULL) != OK)
		return err_set(info, ERR_NOMEM, "out of memory");
	return OK;
}

int node_add(struct node *n, const struct transfer_params *p, struct transfer **out,
	     struct err_info *info)
{
	struct transfer *t;
	char name[128];
	int err;

	if (n->n_transfers >= NODE_TRANSFERS_MAX ||
	    node_transfer_by_hash(n, meta_swarm_hash(p->meta)) != NULL) {
		text_escape(name, sizeof(name), bytes_str(meta_content_name(p->meta)));
		meta_free(p->meta);
		return n->n_transfers >= NODE_TRANSFERS_MAX
			   ? err_set(info, ERR_TOO_BIG, "%s: there are %u transfers already", name,
				     NODE_TRANSFERS_MAX)
			   : err_set(info, ERR_EXISTS, "%s: this torrent is here already", name);
	}
	t = calloc(1, sizeof(*t));
	if (t == NULL) {
		meta_free(p->meta);
		return err_set(info, ERR_NOMEM, "out of memory");
	}
	t->node = n;
	t->meta = p->meta;
	t->n_files = t->n_wanted = selection_count(p->meta, NULL, NULL);
	t->title = strdup(p->title != NULL ? p->title : p->meta->name);
	t->seed = p->seed;
	t->partly = p->partly;
	t->order = p->order;
	t->window_end = UINT32_MAX;
	t->on_phase = p->on_phase;
	t->user = p->user;
	effects_init(&t->fx);
	err = t->title == NULL ? err_set(info, ERR_NOMEM, "out of memory") : make_parts(t, p, info);
	if (err == OK && !p->seed && transfer_plan(t, p->wanted) != OK)
		err = err_set(info, ERR_NOMEM, "out of memory");
	if (err == OK && node_enlist(n, t) != OK)
		err = err_set(info, ERR_NOMEM, "out of memory");
	if (err != OK) {
		transfer_free(t);
		return err;
	}
	t->fetch = p->seed ? NULL : p->fetch;
	err = begin(t, p, info);
	t->fetch = NULL;
	if (err != OK) {
		node_delist(n, t);
		transfer_free(t);
		return err;
	}
	if (n->dht != NULL)
		node_dht_add(n->dht, t, p->torrent);
	*out = t;
	node_settle(n);
	return OK;
}

static void say_left(void *user)
{
	struct transfer *t = user;

	node_transfer_left(t->node, t);
}

void transfer_say_goodbye(struct transfer *t)
{
	t->recorded = true;
	if (t->removed)
		node_release_soon(t->node);
	if (t->live_in != NULL)
		live_leave(t->live_in, &t->live);
	announcer_stop(t->announcer, say_left, t);
}

void transfer_leave(struct transfer *t)
{
	t->leaving = true;
	webseeds_stop(t->webseeds);
	/* A save while finishing is answered after the end of that. */
	if (t->phase == TRANSFER_DOWNLOADING || t->phase == TRANSFER_STALLED ||
	    t->phase == TRANSFER_FINISHING) {
		t->waits_for_save = true;
		save(t);
	} else {
		transfer_say_goodbye(t);
	}
}

void transfer_hush(struct transfer *t)
{
	t->on_phase = NULL;
	t->released = NULL;
}

void transfer_free(struct transfer *t)
{
	readers_fail(t, &(struct err_info){ERR_CANCELLED, "the transfer is removed"});
	hash_serve_fini(t);
	webseeds_free(t->webseeds);
	transfer_unguard(t);
	if (t->live_in != NULL)
		live_leave(t->live_in, &t->live);
	announcer_free(t->announcer);
	loop_timer_free(t->timer);
	swarm_free(t->swarm);
	if (t->store != NULL)
		store_close(t->store);
	effects_fini(&t->fx);
	bitfield_fini(&t->stale);
	meta_free(t->meta);
	err_drop(&t->why);
	free(t->title);
	free(t->item.bytes);
	free(t->first_peers);
	free(t->found);
	free(t->by_slot);
	free(t->wanted);
	free(t->pieces);
	free(t);
}
