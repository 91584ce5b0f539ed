#include "daemon/jobs_json.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "daemon/job_record.h"
#include "daemon/job_request.h"
#include "net/utp_net.h"
#include "node/external_json.h"
#include "node/json_put.h"
#include "node/node_dht.h"
#include "node/torrent_file.h"

/* ---- what there is -------------------------------------------------------------- */

static json_t *why_json(const struct err_info *why)
{
	return why->code == OK ? json_null() : torrent_text(why->text);
}

static json_t *numbers_json(const struct job_view *v)
{
	return json_pack(
	    "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:i, s:i, s:b, s:i, s:i, "
	    "s:i, s:b, s:I, s:i, s:i, s:I, s:I, s:i, s:i}",
	    "total_bytes", (json_int_t)v->total_bytes, "done_bytes", (json_int_t)v->done_bytes,
	    "checked_bytes", (json_int_t)v->checked_bytes, "to_check_bytes",
	    (json_int_t)v->to_check_bytes, "found_bytes", (json_int_t)v->found_bytes, "down_total",
	    (json_int_t)v->down_total, "up_total", (json_int_t)v->up_total, "wasted_bytes",
	    (json_int_t)v->wasted_bytes, "down_bps", (json_int_t)v->down_bps, "up_bps",
	    (json_int_t)v->up_bps, "peers", (int)v->peers, "seeds", (int)v->seeds, "dialing",
	    (int)v->dialing, "can_complete", (int)v->can_complete, "tracker_ok", (int)v->tracker_ok,
	    "tracker_failed", (int)v->tracker_failed, "name_nodes", (int)v->item_nodes,
	    "name_is_old", (int)v->item_is_old, "name_newest", (json_int_t)v->item_newest, "files",
	    (int)v->files, "wanted_files", (int)v->wanted_files, "wanted_bytes",
	    (json_int_t)v->wanted_bytes, "wanted_done_bytes", (json_int_t)v->wanted_done_bytes,
	    "trying", (int)v->trying, "web_servers", (int)v->web_servers);
}

static json_t *words_json(const struct job_view *v)
{
	return json_pack(
	    "{s:i, s:n, s:n, s:n, s:o, s:o, s:s, s:o, s:o, s:o, s:b, s:b, s:b, s:b, s:b, s:i, "
	    "s:I, s:I, s:I, s:I, s:I, s:I}",
	    "id", (int)v->id, "title", "name", "path", "hash_v1",
	    json_hex(v->has_v1, v->hash_v1, SHA1_LEN), "hash_v2",
	    json_hex(v->has_v2, v->hash_v2, SHA256_LEN), "state", job_state_word(v->state), "why",
	    why_json(&v->why), "why_code",
	    v->why.code == OK ? json_null() : json_string(err_word(v->why.code)), "tracker_error",
	    why_json(&v->tracker_error), "seed", (int)v->seed, "complete", (int)v->complete,
	    "no_seed", (int)v->no_seed, "there_already", (int)v->there_already, "replaced",
	    (int)v->replaced, "priority", (int)v->priority, "limit_down_bps",
	    (json_int_t)v->limit_down_bps, "limit_up_bps", (json_int_t)v->limit_up_bps, "added_at",
	    (json_int_t)v->added_at, "completed_at", (json_int_t)v->completed_at,
	    "seed_ratio_milli", (json_int_t)v->seed_limit.ratio_milli, "seed_time_s",
	    (json_int_t)v->seed_limit.time_s);
}

/* Which version of what it is, and whether newer ones take its place. */
static void put_entry(json_t *out, const struct job_view *v)
{
	if (v->entry != NULL) {
		json_object_set_new(out, "owner", torrent_text(v->owner));
		json_object_set_new(out, "entry", torrent_text(v->entry));
		json_object_set_new(out, "version", json_integer((json_int_t)v->version));
	}
	json_object_set_new(out, "follows", json_boolean(v->follow != NULL));
	json_object_set_new(out, "watches", json_boolean(v->watch != NULL));
	json_object_set_new(out, "upkeep_why", why_json(&v->upkeep_why));
}

/* The names it is shared under besides its title. */
static void put_also(json_t *out, const struct job_view *v)
{
	json_t *list = v->also == NULL || v->also[0] == NULL ? NULL : json_array();

	for (size_t i = 0; list != NULL && v->also[i] != NULL; i++)
		json_array_append_new(list, torrent_text(v->also[i]));
	if (list != NULL)
		json_object_set_new(out, "also", list);
}

json_t *job_json(const struct job *j)
{
	struct job_view v;
	json_t *out, *more;

	job_view(j, &v);
	out = words_json(&v);
	more = numbers_json(&v);
	put_entry(out, &v);
	put_also(out, &v);
	(void)torrent_put_text(out, "title", v.title);
	(void)torrent_put_text(out, "name", v.name);
	(void)torrent_put_text(out, "path", v.path);
	if (out == NULL || more == NULL || json_object_update(out, more) != 0) {
		json_decref(out);
		out = NULL;
	}
	json_decref(more);
	return out;
}

json_t *job_removed_json(const struct job *j, bool data)
{
	json_t *out = job_json(j);
	uint32_t keeper = data ? jobs_data_kept_by(j) : 0;

	if (keeper > 0)
		json_object_set_new(out, "data_kept_by", json_integer((json_int_t)keeper));
	return out;
}

json_t *jobs_page_json(struct jobs *js, uint32_t after)
{
	json_t *list = json_array(), *next = json_null();
	size_t at = jobs_above(js, after);
	struct job *j = jobs_next(js, &at);

	for (; j != NULL && json_array_size(list) < JOBS_PAGE_MAX; j = jobs_next(js, &at)) {
		if (json_array_append_new(list, job_json(j)) != 0) {
			json_decref(list);
			return NULL;
		}
	}
	if (j != NULL)
		next = json_incref(json_object_get(json_array_get(list, JOBS_PAGE_MAX - 1), "id"));
	return json_pack("{s:o, s:o}", "transfers", list, "next", next);
}

static json_t *peer_json(const struct swarm_peer *p, uint32_t pieces)
{
	char addr[ADDR_TEXT_MAX], client[256];

	text_escape(client, sizeof(client), bytes_str(p->client));
	return json_pack(
	    "{s:s, s:s, s:b, s:s, s:i, s:i, s:I, s:I, s:I, s:I, s:i, s:b, s:b, s:b, s:b}", "addr",
	    addr_text(addr, &p->addr), "client", client, "incoming", (int)p->incoming, "transport",
	    p->utp ? "utp" : "tcp", "have", (int)p->have, "pieces", (int)pieces, "down_bps",
	    (json_int_t)p->down_bps, "up_bps", (json_int_t)p->up_bps, "down_bytes",
	    (json_int_t)p->down_bytes, "up_bytes", (json_int_t)p->up_bytes, "rtt_us",
	    (int)p->rtt_us, "am_choked", (int)p->am_choked, "am_interested", (int)p->am_interested,
	    "is_choked", (int)p->is_choked, "is_interested", (int)p->is_interested);
}

json_t *job_peers_json(const struct job *j)
{
	const struct transfer *t = job_transfer(j);
	struct swarm_peer *list = t == NULL ? NULL : calloc(SWARM_PEERS_MAX, sizeof(*list));
	uint32_t n = list == NULL ? 0 : transfer_peers(t, list, SWARM_PEERS_MAX);
	json_t *out = json_array();

	for (uint32_t i = 0; i < n && i < SWARM_PEERS_MAX; i++)
		json_array_append_new(out, peer_json(&list[i], transfer_meta(t)->n_pieces));
	free(list);
	return out == NULL ? NULL : json_pack("{s:o}", "peers", out);
}

/* What may be taken of the system, and what is. */
static json_t *quota_json(const struct node *node)
{
	const struct quota *q = node_quota(node);
	struct node_usage u;

	node_usage(node, &u);
	return json_pack("{s:i, s:i, s:i, s:I, s:i, s:i, s:I}", "max_peers", (int)q->max_peers,
			 "max_peers_per_transfer", (int)q->max_peers_per_transfer, "max_open_files",
			 (int)q->max_open_files, "max_memory_bytes",
			 (json_int_t)q->max_memory_bytes, "connections", (int)u.peers, "open_files",
			 (int)u.open_files, "memory_bytes",
			 (json_int_t)(u.piece_bytes + u.message_bytes + u.fetch_bytes));
}

/* Null: no uTP. */
static json_t *utp_json(const struct node *node, uint32_t peers)
{
	struct utp_net_stats st;

	if (node_utp(node) == NULL)
		return json_null();
	utp_net_stats(node_utp(node), &st);
	return json_pack("{s:i, s:i, s:i, s:I, s:I, s:I}", "peers", (int)peers, "connections",
			 (int)st.conns, "half_open", (int)st.half_open, "packets_in",
			 (json_int_t)st.packets_in, "packets_out", (json_int_t)st.packets_out,
			 "packets_resent", (json_int_t)st.resent);
}

json_t *jobs_status_json(struct jobs *js, struct node *node)
{
	json_t *states = json_object();
	struct node_status st;
	size_t n[JOB_DONE + 1];
	struct limits limits;
	bool lan;

	jobs_count_states(js, n);
	for (int s = JOB_QUEUED; s <= JOB_DONE; s++)
		json_object_set_new(states, job_state_word((enum job_state)s),
				    json_integer((json_int_t)n[s]));
	node_status(node, &st);
	node_limits(node, &limits, &lan);
	return json_pack(
	    "{s:s, s:i, s:o, s:i, s:o, s:i, s:o, s:I, s:I, s:i, s:I, s:I, s:b, s:o, s:o}",
	    "version", SHOAL_VERSION, "port", (int)node_port(node), "external", external_json(node),
	    "transfers", (int)jobs_count(js), "states", states, "peers", (int)st.peers, "utp",
	    utp_json(node, st.utp_peers), "down_bps", (json_int_t)st.down_bps, "up_bps",
	    (json_int_t)st.up_bps, "max_active", (int)jobs_active(js), "limit_down_bps",
	    (json_int_t)limits.down_bps, "limit_up_bps", (json_int_t)limits.up_bps, "limit_lan",
	    (int)lan, "quota", quota_json(node), "dht", node_dht_json(node));
}

/* ---- doing ---------------------------------------------------------------------------------- */

static int do_limit(struct jobs *js, struct job *j, const json_t *args, struct err_info *info)
{
	json_int_t down, up;
	struct job_view v;
	int err;

	job_view(j, &v);
	down = (json_int_t)v.limit_down_bps;
	up = (json_int_t)v.limit_up_bps;
	err = job_args_number(args, "limit_down_bps", 0, INT64_MAX, &down, info);
	if (err == OK)
		err = job_args_number(args, "limit_up_bps", 0, INT64_MAX, &up, info);
	return err == OK ? jobs_set_limits(js, j, (uint64_t)down, (uint64_t)up, info) : err;
}

/* {"files": [GLOB, ...], "want": WORD}. Owns: *globs is the caller's, also after an error. */
static int take_files(const json_t *args, char ***globs, enum want *want, struct err_info *info)
{
	const char *word = NULL;
	int err = job_args_text(args, "want", &word, info);

	if (err == OK && (word == NULL || !want_from_word(word, want)))
		err = job_args_refuse("want", info);
	if (err == OK)
		err = job_args_list(args, "files", JOBS_PATTERNS_MAX, globs, info);
	if (err == OK && *globs == NULL)
		err = job_args_refuse("files", info);
	return err;
}

/* Of some files instead of the whole. */
static int do_files(struct jobs *js, struct job *j, const json_t *args, struct err_info *info)
{
	char **globs = NULL;
	enum want want = WANT_NOT;
	int err = take_files(args, &globs, &want, info);

	if (err == OK)
		err = jobs_set_files(js, j, (const char *const *)globs, want, info);
	job_list_free(globs);
	return err;
}

static int do_priority(struct jobs *js, struct job *j, const json_t *args, struct err_info *info)
{
	json_int_t priority = INT64_MAX;
	int err = job_args_number(args, "priority", INT32_MIN, INT32_MAX, &priority, info);

	if (err == OK && priority == INT64_MAX)
		err = job_args_refuse("priority", info);
	return err == OK ? jobs_set_priority(js, j, (int32_t)priority, info) : err;
}

static int do_title(struct jobs *js, struct job *j, const json_t *args, struct err_info *info)
{
	const char *title = NULL;
	int err = job_args_title(args, &title, info);

	if (err == OK && title == NULL)
		err = job_args_refuse("title", info);
	return err == OK ? jobs_set_title(js, j, title, info) : err;
}

static int do_item(struct jobs *js, struct job *j, const json_t *args, struct err_info *info)
{
	struct buf item;
	int err;

	buf_init(&item, JOBS_ITEM_BYTES_MAX);
	err = job_args_base64(args, "item", &item, info);
	if (err == OK)
		err = jobs_set_item(js, j, buf_bytes(&item), info);
	buf_fini(&item);
	return err;
}

static int do_remove(struct jobs *js, struct job *j, const json_t *args, struct err_info *info)
{
	bool data = false;
	int err = job_args_flag(args, "data", &data, info);

	return err == OK ? jobs_remove(js, j, data, info) : err;
}

static int do_pause(struct jobs *js, struct job *j, const json_t *args, struct err_info *info)
{
	(void)args;
	return jobs_pause(js, j, info);
}

static int do_resume(struct jobs *js, struct job *j, const json_t *args, struct err_info *info)
{
	(void)args;
	return jobs_resume(js, j, info);
}

static int do_recheck(struct jobs *js, struct job *j, const json_t *args, struct err_info *info)
{
	(void)args;
	return jobs_recheck(js, j, info);
}

int jobs_do(struct jobs *js, struct job *j, const char *word, const json_t *args,
	    struct err_info *info)
{
	static const struct {
		const char *word;
		int (*run)(struct jobs *js, struct job *j, const json_t *args,
			   struct err_info *info);
	} table[] = {{"pause", do_pause},   {"resume", do_resume}, {"recheck", do_recheck},
		     {"remove", do_remove}, {"limit", do_limit},   {"priority", do_priority},
		     {"files", do_files},   {"title", do_title},   {"item", do_item}};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(table[i].word, word) == 0)
			return table[i].run(js, j, args, info);
	return err_set(info, ERR_INVALID, "no such thing to do");
}

static bool has(const json_t *args, const char *key)
{
	const json_t *v = json_object_get(args, key);

	return v != NULL && !json_is_null(v);
}

/* What jobs_change() takes; *paused as it was without that. */
static int check_change(const json_t *args, bool *paused, struct err_info *info)
{
	json_int_t number = 0;
	const char *title = NULL;
	char **globs = NULL;
	enum want want;
	int err = job_args_number(args, "limit_down_bps", 0, INT64_MAX, &number, info);

	if (err == OK)
		err = job_args_number(args, "limit_up_bps", 0, INT64_MAX, &number, info);
	if (err == OK)
		err = job_args_number(args, "priority", INT32_MIN, INT32_MAX, &number, info);
	if (err == OK)
		err = job_args_title(args, &title, info);
	if (err == OK)
		err = job_args_flag(args, "paused", paused, info);
	if (err == OK && (has(args, "files") || has(args, "want")))
		err = take_files(args, &globs, &want, info);
	job_list_free(globs);
	return err;
}

int jobs_change(struct jobs *js, struct job *j, const json_t *args, struct err_info *info)
{
	bool paused = false;
	int err = check_change(args, &paused, info);

	/* Of these, it may turn out that there are none: then nothing is done. */
	if (err == OK && has(args, "files"))
		err = do_files(js, j, args, info);
	if (err == OK && (has(args, "limit_down_bps") || has(args, "limit_up_bps")))
		err = do_limit(js, j, args, info);
	if (err == OK && has(args, "priority"))
		err = do_priority(js, j, args, info);
	if (err == OK && has(args, "title"))
		err = do_title(js, j, args, info);
	if (err == OK && has(args, "paused"))
		err = paused ? jobs_pause(js, j, info) : jobs_resume(js, j, info);
	return err;
}

int jobs_set(struct jobs *js, struct node *node, const json_t *args, struct err_info *info)
{
	json_int_t active = jobs_active(js), down, up;
	struct limits limits;
	bool lan;
	int err;

	node_limits(node, &limits, &lan);
	down = (json_int_t)limits.down_bps;
	up = (json_int_t)limits.up_bps;
	err = job_args_number(args, "max_active", 1, INT32_MAX, &active, info);
	if (err == OK)
		err = job_args_number(args, "limit_down_bps", 0, INT64_MAX, &down, info);
	if (err == OK)
		err = job_args_number(args, "limit_up_bps", 0, INT64_MAX, &up, info);
	if (err != OK)
		return err;
	jobs_set_active(js, (uint32_t)active);
	limits = (struct limits){(uint64_t)down, (uint64_t)up};
	node_set_limits(node, &limits, lan);
	return OK;
}
