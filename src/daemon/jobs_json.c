#include "daemon/jobs_json.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "daemon/job_record.h"
#include "node/base64.h"
#include "node/external_json.h"
#include "node/node_dht.h"
#include "node/torrent_file.h"

/* ---- what there is -------------------------------------------------------------- */

static json_t *hash_json(bool has, const uint8_t *hash, size_t len)
{
	char hex[2 * SHA256_LEN + 1];

	if (!has)
		return json_null();
	text_hex(hex, bytes_of(hash, len));
	return json_string(hex);
}

static json_t *why_json(const struct err_info *why)
{
	return why->code == OK ? json_null() : torrent_text(why->text);
}

int job_json_put_path(json_t *to, const char *key, const char *path)
{
	struct bytes raw = bytes_str(path);
	char name[64], *hex;
	int err;

	if (text_is_utf8(raw))
		return json_object_set_new(to, key, json_string(path));
	hex = malloc(2 * raw.len + 1);
	if (hex == NULL)
		return -1;
	text_hex(hex, raw);
	snprintf(name, sizeof(name), "%s_hex", key);
	err = json_object_set_new(to, name, json_string(hex));
	free(hex);
	return err;
}

static json_t *numbers_json(const struct job_view *v)
{
	return json_pack(
	    "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:i, s:i, s:b, s:i, s:i, "
	    "s:i, s:b, s:I}",
	    "total_bytes", (json_int_t)v->total_bytes, "done_bytes", (json_int_t)v->done_bytes,
	    "checked_bytes", (json_int_t)v->checked_bytes, "to_check_bytes",
	    (json_int_t)v->to_check_bytes, "found_bytes", (json_int_t)v->found_bytes, "down_total",
	    (json_int_t)v->down_total, "up_total", (json_int_t)v->up_total, "wasted_bytes",
	    (json_int_t)v->wasted_bytes, "down_bps", (json_int_t)v->down_bps, "up_bps",
	    (json_int_t)v->up_bps, "peers", (int)v->peers, "seeds", (int)v->seeds, "dialing",
	    (int)v->dialing, "can_complete", (int)v->can_complete, "tracker_ok", (int)v->tracker_ok,
	    "tracker_failed", (int)v->tracker_failed, "name_nodes", (int)v->item_nodes,
	    "name_is_old", (int)v->item_is_old, "name_newest", (json_int_t)v->item_newest);
}

static json_t *words_json(const struct job_view *v)
{
	return json_pack(
	    "{s:i, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:b, s:b, s:b, s:b, s:b, s:i, "
	    "s:I, s:I, s:I, s:I}",
	    "id", (int)v->id, "title", torrent_text(v->title), "name", torrent_text(v->name),
	    "path", torrent_text(v->path), "hash_v1", hash_json(v->has_v1, v->hash_v1, SHA1_LEN),
	    "hash_v2", hash_json(v->has_v2, v->hash_v2, SHA256_LEN), "state",
	    job_state_word(v->state), "why", why_json(&v->why), "why_code",
	    v->why.code == OK ? json_null() : json_string(err_word(v->why.code)), "tracker_error",
	    why_json(&v->tracker_error), "seed", (int)v->seed, "complete", (int)v->complete,
	    "no_seed", (int)v->no_seed, "there_already", (int)v->there_already, "replaced",
	    (int)v->replaced, "priority", (int)v->priority, "limit_down_bps",
	    (json_int_t)v->limit_down_bps, "limit_up_bps", (json_int_t)v->limit_up_bps, "added_at",
	    (json_int_t)v->added_at, "completed_at", (json_int_t)v->completed_at);
}

json_t *job_json(const struct job *j)
{
	struct job_view v;
	json_t *out, *more;

	job_view(j, &v);
	out = words_json(&v);
	more = numbers_json(&v);
	if (out == NULL || more == NULL || json_object_update(out, more) != 0) {
		json_decref(out);
		out = NULL;
	}
	json_decref(more);
	return out;
}

json_t *jobs_json(struct jobs *js)
{
	json_t *list = json_array();
	struct job *j;

	for (size_t at = 0; list != NULL && (j = jobs_next(js, &at)) != NULL;) {
		if (json_array_append_new(list, job_json(j)) != 0) {
			json_decref(list);
			list = NULL;
		}
	}
	return list == NULL ? NULL : json_pack("{s:o}", "transfers", list);
}

static json_t *peer_json(const struct swarm_peer *p, uint32_t pieces)
{
	char addr[ADDR_TEXT_MAX], client[256];

	text_escape(client, sizeof(client), bytes_str(p->client));
	return json_pack("{s:s, s:s, s:b, s:i, s:i, s:I, s:I, s:I, s:I, s:i, s:b, s:b, s:b, s:b}",
			 "addr", addr_text(addr, &p->addr), "client", client, "incoming",
			 (int)p->incoming, "have", (int)p->have, "pieces", (int)pieces, "down_bps",
			 (json_int_t)p->down_bps, "up_bps", (json_int_t)p->up_bps, "down_bytes",
			 (json_int_t)p->down_bytes, "up_bytes", (json_int_t)p->up_bytes, "rtt_us",
			 (int)p->rtt_us, "am_choked", (int)p->am_choked, "am_interested",
			 (int)p->am_interested, "is_choked", (int)p->is_choked, "is_interested",
			 (int)p->is_interested);
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
			 (json_int_t)(u.piece_bytes + u.message_bytes));
}

json_t *jobs_status_json(struct jobs *js, struct node *node)
{
	json_t *states = json_object();
	struct node_status st;
	struct limits limits;
	bool lan;
	struct job *j;

	for (int s = JOB_QUEUED; s <= JOB_DONE; s++)
		json_object_set_new(states, job_state_word((enum job_state)s), json_integer(0));
	for (size_t at = 0; (j = jobs_next(js, &at)) != NULL;) {
		struct job_view v;
		const char *word;

		job_view(j, &v);
		word = job_state_word(v.state);
		json_object_set_new(
		    states, word,
		    json_integer(json_integer_value(json_object_get(states, word)) + 1));
	}
	node_status(node, &st);
	node_limits(node, &limits, &lan);
	return json_pack(
	    "{s:s, s:i, s:o, s:i, s:o, s:i, s:I, s:I, s:i, s:I, s:I, s:o, s:o}", "version",
	    SHOAL_VERSION, "port", (int)node_port(node), "external", external_json(node),
	    "transfers", (int)jobs_count(js), "states", states, "peers", (int)st.peers, "down_bps",
	    (json_int_t)st.down_bps, "up_bps", (json_int_t)st.up_bps, "max_active",
	    (int)jobs_active(js), "limit_down_bps", (json_int_t)limits.down_bps, "limit_up_bps",
	    (json_int_t)limits.up_bps, "quota", quota_json(node), "dht", node_dht_json(node));
}

/* ---- adding ---------------------------------------------------------------------------- */

static int refuse(const char *key, struct err_info *info)
{
	return err_set(info, ERR_INVALID, "the member \"%s\" is missing or not what it should be",
		       key);
}

static int take_flag(const json_t *j, const char *key, bool *out, struct err_info *info)
{
	const json_t *v = json_object_get(j, key);

	if (v == NULL || json_is_null(v))
		return OK;
	*out = json_is_true(v);
	return json_is_boolean(v) ? OK : refuse(key, info);
}

static int take_number(const json_t *j, const char *key, json_int_t min, json_int_t max,
		       json_int_t *out, struct err_info *info)
{
	const json_t *v = json_object_get(j, key);

	if (v == NULL || json_is_null(v))
		return OK;
	*out = json_integer_value(v);
	return json_is_integer(v) && *out >= min && *out <= max ? OK : refuse(key, info);
}

/* A string without NUL in it; absent: *out stays. */
static int take_text(const json_t *j, const char *key, const char **out, struct err_info *info)
{
	const json_t *v = json_object_get(j, key);

	if (v == NULL || json_is_null(v))
		return OK;
	*out = json_string_value(v);
	return *out != NULL && strlen(*out) == json_string_length(v) ? OK : refuse(key, info);
}

static int take_list(const json_t *j, const char *key, char ***out, struct err_info *info)
{
	const json_t *list = json_object_get(j, key), *v;
	const char *texts[JOBS_LIST_MAX + 1] = {NULL};
	size_t i;

	if (list == NULL || json_is_null(list))
		return OK;
	if (!json_is_array(list) || json_array_size(list) > JOBS_LIST_MAX)
		return refuse(key, info);
	json_array_foreach(list, i, v)
	{
		texts[i] = json_string_value(v);
		if (texts[i] == NULL || strlen(texts[i]) != json_string_length(v))
			return refuse(key, info);
	}
	return job_list_copy(texts, JOBS_LIST_MAX, out) == OK
		   ? OK
		   : err_set(info, ERR_NOMEM, "out of memory");
}

static int take_stamp(const json_t *j, const char *key, struct stamp *out,
		      const struct stamp **used, struct err_info *info)
{
	const char *hex = NULL;
	int err = take_text(j, key, &hex, info);

	if (err != OK || hex == NULL)
		return err;
	*used = out;
	return text_unhex(bytes_str(hex), out->sum, sizeof(out->sum)) == OK ? OK
									    : refuse(key, info);
}

/* A path as job_json_put_path() writes it. */
static int take_path(const json_t *j, const char *key, char **out, struct err_info *info)
{
	const char *text = NULL, *hex = NULL;
	char name[64];
	size_t n;
	int err = take_text(j, key, &text, info);

	snprintf(name, sizeof(name), "%s_hex", key);
	if (err == OK)
		err = take_text(j, name, &hex, info);
	if (err != OK || (text == NULL && hex == NULL))
		return err == OK ? refuse(key, info) : err;
	n = hex == NULL ? strlen(text) : strlen(hex) / 2;
	*out = malloc(n + 1);
	if (*out == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	(*out)[n] = '\0';
	if (hex == NULL)
		memcpy(*out, text, n);
	else if (text_unhex(bytes_str(hex), (uint8_t *)*out, n) != OK)
		return refuse(key, info);
	return strlen(*out) == n ? OK : refuse(key, info);
}

static int take_peers(struct job_request *r, const json_t *j, struct err_info *info)
{
	const json_t *list = json_object_get(j, "peers"), *v;
	size_t i;

	if (json_array_size(list) > JOBS_JSON_PEERS_MAX)
		return refuse("peers", info);
	json_array_foreach(list, i, v)
	{
		const char *text = json_string_value(v);

		if (text == NULL ||
		    addr_parse(bytes_str(text), NODE_PORT_FIRST, &r->peers[i]) != OK)
			return refuse("peers", info);
		r->spec.n_peers = i + 1;
	}
	r->spec.peers = r->peers;
	return OK;
}

static int take_donors(struct job_request *r, const json_t *j, struct err_info *info)
{
	const json_t *list = json_object_get(j, "donors"), *v;
	size_t i;
	int err;

	if (json_array_size(list) == 0)
		return OK;
	err = take_path(j, "donor_folder", &r->donor_folder, info);
	if (err != OK)
		return err;
	r->donors = calloc(json_array_size(list), sizeof(*r->donors));
	if (r->donors == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	r->spec.donor_folder = r->donor_folder;
	r->spec.donors = r->donors;
	json_array_foreach(list, i, v)
	{
		struct store_donor *d = &r->donors[r->spec.n_donors];
		json_int_t file = -1;
		char *rel = NULL;

		err = take_number(v, "file", 0, UINT32_MAX, &file, info);
		if (err == OK && file < 0)
			err = refuse("donors", info);
		if (err == OK)
			err = take_path(v, "rel", &rel, info);
		if (err != OK) {
			free(rel);
			return err;
		}
		*d = (struct store_donor){.file = (uint32_t)file, .rel = rel};
		r->spec.n_donors++;
	}
	return OK;
}

static int take_base64(const json_t *j, const char *key, struct buf *out, struct err_info *info)
{
	const char *text = NULL;
	int err = take_text(j, key, &text, info);

	if (err != OK || text == NULL)
		return err;
	err = base64_take(bytes_str(text), out);
	if (err == ERR_PROTO || err == ERR_TOO_BIG)
		return refuse(key, info);
	return err == OK ? OK : err_set(info, (enum err)err, "%s", err_text((enum err)err));
}

static int take_torrent(struct job_request *r, const json_t *j, struct err_info *info)
{
	int err = take_base64(j, "torrent", &r->torrent, info);

	if (err == OK && r->torrent.len == 0)
		err = refuse("torrent", info);
	if (err == OK)
		err = take_base64(j, "item", &r->item, info);
	r->spec.torrent = buf_bytes(&r->torrent);
	r->spec.item = buf_bytes(&r->item);
	return err;
}

static int take_lists(struct job_request *r, const json_t *j, struct err_info *info)
{
	struct job_spec *s = &r->spec;
	int err = take_list(j, "trackers", &r->trackers, info);

	if (err == OK)
		err = take_list(j, "webseeds", &r->webseeds, info);
	if (err == OK)
		err = take_peers(r, j, info);
	if (err == OK)
		err = take_donors(r, j, info);
	s->trackers = (const char *const *)r->trackers;
	s->webseeds = (const char *const *)r->webseeds;
	return err;
}

static int take_values(struct job_spec *s, const json_t *j, struct err_info *info)
{
	json_int_t down = 0, up = 0, priority = 0, nearest = ADDR_PUBLIC;
	const struct {
		const char *key;
		bool *out;
	} flags[] = {{"seed", &s->seed},
		     {"paused", &s->paused},
		     {"no_seed", &s->no_seed},
		     {"preallocate", &s->preallocate}};
	int err = OK;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]) && err == OK; i++)
		err = take_flag(j, flags[i].key, flags[i].out, info);
	if (err == OK)
		err = take_number(j, "limit_down_bps", 0, INT64_MAX, &down, info);
	if (err == OK)
		err = take_number(j, "limit_up_bps", 0, INT64_MAX, &up, info);
	if (err == OK)
		err = take_number(j, "priority", INT32_MIN, INT32_MAX, &priority, info);
	if (err == OK)
		err = take_number(j, "webseeds_nearest", 0, ADDR_LOOPBACK, &nearest, info);
	s->webseeds_nearest = (enum addr_scope)nearest;
	s->down_bps = (uint64_t)down;
	s->up_bps = (uint64_t)up;
	s->priority = (int32_t)priority;
	return err;
}

int job_request_from_json(struct job_request *r, const json_t *j, struct err_info *info)
{
	struct job_spec *s = &r->spec;
	int err;

	*r = (struct job_request){.path = NULL};
	buf_init(&r->torrent, META_BYTES_MAX);
	buf_init(&r->item, JOBS_ITEM_BYTES_MAX);
	err = take_torrent(r, j, info);
	if (err == OK)
		err = take_path(j, "path", &r->path, info);
	s->path = r->path;
	if (err == OK)
		err = take_text(j, "title", &s->title, info);
	if (err == OK)
		err = take_text(j, "index", &s->index, info);
	if (err == OK)
		err = take_text(j, "token", &s->token, info);
	if (err == OK)
		err = take_text(j, "pin", &s->pin, info);
	if (err == OK)
		err = take_values(s, j, info);
	if (err == OK)
		err = take_stamp(j, "stamp", &r->stamp, &s->stamp, info);
	if (err == OK)
		err = take_stamp(j, "replaces", &r->replaces, &s->replaces, info);
	return err == OK ? take_lists(r, j, info) : err;
}

void job_request_fini(struct job_request *r)
{
	for (uint32_t i = 0; r->donors != NULL && i < r->spec.n_donors; i++)
		free((void *)r->donors[i].rel);
	free(r->donors);
	free(r->donor_folder);
	free(r->path);
	job_list_free(r->trackers);
	job_list_free(r->webseeds);
	buf_fini(&r->torrent);
	buf_fini(&r->item);
}

/* ---- the way there ------------------------------------------------------------------------ */

static json_t *list_json(const char *const *list)
{
	json_t *out = json_array();

	for (size_t i = 0; list != NULL && list[i] != NULL; i++)
		json_array_append_new(out, json_string(list[i]));
	return out;
}

static json_t *stamp_json(const struct stamp *s)
{
	return hash_json(s != NULL, s == NULL ? NULL : s->sum, SHA256_LEN);
}

static json_t *base64_json(struct bytes in)
{
	json_t *out = NULL;
	struct buf text;

	buf_init(&text, 2 * META_BYTES_MAX);
	if (base64_put(&text, in) == OK)
		out = json_stringn((const char *)text.ptr, text.len);
	buf_fini(&text);
	return out;
}

static json_t *addrs_json(const struct job_spec *s)
{
	json_t *out = json_array();
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < s->n_peers; i++)
		json_array_append_new(out, json_string(addr_text(text, &s->peers[i])));
	return out;
}

static json_t *donors_json(const struct job_spec *s)
{
	json_t *out = json_array();

	for (uint32_t i = 0; i < s->n_donors; i++) {
		json_t *one = json_pack("{s:I}", "file", (json_int_t)s->donors[i].file);

		(void)job_json_put_path(one, "rel", s->donors[i].rel);
		json_array_append_new(out, one);
	}
	return out;
}

json_t *job_spec_json(const struct job_spec *s)
{
	json_t *j = json_pack(
	    "{s:o, s:s*, s:b, s:b, s:b, s:b, s:i, s:i, s:o, s:I, s:I, s:s*, s:s*, s:s*, s:o, s:o, "
	    "s:o, s:o, s:o}",
	    "torrent", base64_json(s->torrent), "title", s->title, "seed", (int)s->seed, "paused",
	    (int)s->paused, "no_seed", (int)s->no_seed, "preallocate", (int)s->preallocate,
	    "priority", (int)s->priority, "webseeds_nearest", (int)s->webseeds_nearest, "webseeds",
	    list_json(s->webseeds), "limit_down_bps", (json_int_t)s->down_bps, "limit_up_bps",
	    (json_int_t)s->up_bps, "index", s->index, "token", s->token, "pin", s->pin, "stamp",
	    stamp_json(s->stamp), "replaces", stamp_json(s->replaces), "trackers",
	    list_json(s->trackers), "peers", addrs_json(s), "donors", donors_json(s));

	if (j != NULL && s->item.len > 0)
		json_object_set_new(j, "item", base64_json(s->item));
	if (j != NULL &&
	    (job_json_put_path(j, "path", s->path) != 0 ||
	     (s->n_donors > 0 && job_json_put_path(j, "donor_folder", s->donor_folder) != 0))) {
		json_decref(j);
		return NULL;
	}
	return j;
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
	err = take_number(args, "down_bps", 0, INT64_MAX, &down, info);
	if (err == OK)
		err = take_number(args, "up_bps", 0, INT64_MAX, &up, info);
	return err == OK ? jobs_set_limits(js, j, (uint64_t)down, (uint64_t)up, info) : err;
}

static int do_priority(struct jobs *js, struct job *j, const json_t *args, struct err_info *info)
{
	json_int_t priority = INT64_MAX;
	int err = take_number(args, "priority", INT32_MIN, INT32_MAX, &priority, info);

	if (err == OK && priority == INT64_MAX)
		err = refuse("priority", info);
	return err == OK ? jobs_set_priority(js, j, (int32_t)priority, info) : err;
}

static int do_title(struct jobs *js, struct job *j, const json_t *args, struct err_info *info)
{
	const char *title = NULL;
	int err = take_text(args, "title", &title, info);

	if (err == OK && (title == NULL || strlen(title) > JOBS_TITLE_MAX))
		err = refuse("title", info);
	return err == OK ? jobs_set_title(js, j, title, info) : err;
}

static int do_item(struct jobs *js, struct job *j, const json_t *args, struct err_info *info)
{
	struct buf item;
	int err;

	buf_init(&item, JOBS_ITEM_BYTES_MAX);
	err = take_base64(args, "item", &item, info);
	if (err == OK)
		err = jobs_set_item(js, j, buf_bytes(&item), info);
	buf_fini(&item);
	return err;
}

static int do_remove(struct jobs *js, struct job *j, const json_t *args, struct err_info *info)
{
	bool data = false;
	int err = take_flag(args, "data", &data, info);

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
		     {"title", do_title},   {"item", do_item}};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(table[i].word, word) == 0)
			return table[i].run(js, j, args, info);
	return err_set(info, ERR_INVALID, "no such thing to do");
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
	err = take_number(args, "max_active", 1, INT32_MAX, &active, info);
	if (err == OK)
		err = take_number(args, "down_bps", 0, INT64_MAX, &down, info);
	if (err == OK)
		err = take_number(args, "up_bps", 0, INT64_MAX, &up, info);
	if (err != OK)
		return err;
	jobs_set_active(js, (uint32_t)active);
	limits = (struct limits){(uint64_t)down, (uint64_t)up};
	node_set_limits(node, &limits, lan);
	return OK;
}
