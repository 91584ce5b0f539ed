#include "daemon/job_request.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "daemon/job_record.h"
#include "node/base64.h"
#include "node/json_put.h"
#include "node/torrent_file.h"

int job_args_refuse(const char *key, struct err_info *info)
{
	return err_set(info, ERR_INVALID, "the member \"%s\" is missing or not what it should be",
		       key);
}

int job_args_flag(const json_t *j, const char *key, bool *out, struct err_info *info)
{
	const json_t *v = json_object_get(j, key);

	if (v == NULL || json_is_null(v))
		return OK;
	*out = json_is_true(v);
	return json_is_boolean(v) ? OK : job_args_refuse(key, info);
}

int job_args_number(const json_t *j, const char *key, json_int_t min, json_int_t max,
		    json_int_t *out, struct err_info *info)
{
	const json_t *v = json_object_get(j, key);

	if (v == NULL || json_is_null(v))
		return OK;
	*out = json_integer_value(v);
	return json_is_integer(v) && *out >= min && *out <= max ? OK : job_args_refuse(key, info);
}

int job_args_text(const json_t *j, const char *key, const char **out, struct err_info *info)
{
	const json_t *v = json_object_get(j, key);

	if (v == NULL || json_is_null(v))
		return OK;
	*out = json_string_value(v);
	return *out != NULL && strlen(*out) == json_string_length(v) ? OK
								     : job_args_refuse(key, info);
}

int job_args_title(const json_t *j, const char **out, struct err_info *info)
{
	const char *title = NULL;
	int err = job_args_text(j, "title", &title, info);

	if (err != OK || title == NULL)
		return err;
	if (title[0] == '\0' || strlen(title) > JOBS_TITLE_MAX || !text_is_tame(bytes_str(title)))
		return job_args_refuse("title", info);
	*out = title;
	return OK;
}

/* *out: NULL when there is none. */
static int take_array(const json_t *j, const char *key, const json_t **out, struct err_info *info)
{
	*out = json_object_get(j, key);
	if (json_is_null(*out))
		*out = NULL;
	return *out == NULL || json_is_array(*out) ? OK : job_args_refuse(key, info);
}

int job_args_list(const json_t *j, const char *key, size_t max, char ***out, struct err_info *info)
{
	const json_t *list, *v;
	const char **texts;
	size_t i;
	int err = take_array(j, key, &list, info);

	if (err != OK || list == NULL)
		return err;
	if (json_array_size(list) > max)
		return job_args_refuse(key, info);
	texts = calloc(json_array_size(list) + 1, sizeof(*texts));
	if (texts == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	json_array_foreach(list, i, v)
	{
		texts[i] = json_string_value(v);
		if (texts[i] == NULL || strlen(texts[i]) != json_string_length(v))
			break;
	}
	if (i < json_array_size(list))
		err = job_args_refuse(key, info);
	else if (job_list_copy(texts, max, out) != OK)
		err = err_set(info, ERR_NOMEM, "out of memory");
	free(texts);
	return err;
}

static int take_stamp(const json_t *j, const char *key, struct stamp *out,
		      const struct stamp **used, struct err_info *info)
{
	const char *hex = NULL;
	int err = job_args_text(j, key, &hex, info);

	if (err != OK || hex == NULL)
		return err;
	*used = out;
	return text_unhex(bytes_str(hex), out->sum, sizeof(out->sum)) == OK
		   ? OK
		   : job_args_refuse(key, info);
}

int job_args_path(const json_t *j, const char *key, char **out, struct err_info *info)
{
	const char *text = NULL, *hex = NULL;
	char name[64];
	size_t n;
	int err = job_args_text(j, key, &text, info);

	snprintf(name, sizeof(name), "%s_hex", key);
	if (err == OK)
		err = job_args_text(j, name, &hex, info);
	if (err != OK || (text == NULL && hex == NULL))
		return err == OK ? job_args_refuse(key, info) : err;
	n = hex == NULL ? strlen(text) : strlen(hex) / 2;
	*out = malloc(n + 1);
	if (*out == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	(*out)[n] = '\0';
	if (hex == NULL)
		memcpy(*out, text, n);
	else if (text_unhex(bytes_str(hex), (uint8_t *)*out, n) != OK)
		return job_args_refuse(key, info);
	return strlen(*out) == n ? OK : job_args_refuse(key, info);
}

static int take_peers(struct job_request *r, const json_t *j, struct err_info *info)
{
	const json_t *list, *v;
	size_t i;
	int err = take_array(j, "peers", &list, info);

	if (err != OK || json_array_size(list) > JOBS_JSON_PEERS_MAX)
		return job_args_refuse("peers", info);
	json_array_foreach(list, i, v)
	{
		const char *text = json_string_value(v);

		if (text == NULL ||
		    addr_parse(bytes_str(text), NODE_PORT_FIRST, &r->peers[i]) != OK)
			return job_args_refuse("peers", info);
		r->spec.n_peers = i + 1;
	}
	r->spec.peers = r->peers;
	return OK;
}

static int take_donors(struct job_request *r, const json_t *j, struct err_info *info)
{
	const json_t *list, *v;
	size_t i;
	int err = take_array(j, "donors", &list, info);

	if (err != OK || json_array_size(list) == 0)
		return err;
	err = job_args_path(j, "donor_folder", &r->donor_folder, info);
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

		err = job_args_number(v, "file", 0, UINT32_MAX, &file, info);
		if (err == OK && file < 0)
			err = job_args_refuse("donors", info);
		if (err == OK)
			err = job_args_path(v, "rel", &rel, info);
		if (err != OK) {
			free(rel);
			return err;
		}
		*d = (struct store_donor){.file = (uint32_t)file, .rel = rel};
		r->spec.n_donors++;
	}
	return OK;
}

int job_args_base64(const json_t *j, const char *key, struct buf *out, struct err_info *info)
{
	const char *text = NULL;
	int err = job_args_text(j, key, &text, info);

	if (err != OK || text == NULL)
		return err;
	err = base64_take(bytes_str(text), out);
	if (err == ERR_PROTO || err == ERR_TOO_BIG)
		return job_args_refuse(key, info);
	return err == OK ? OK : err_set(info, (enum err)err, "%s", err_text((enum err)err));
}

static int take_torrent(struct job_request *r, const json_t *j, struct err_info *info)
{
	int err = job_args_base64(j, "torrent", &r->torrent, info);

	if (err == OK)
		err = job_args_text(j, "magnet", &r->spec.magnet, info);
	if (err == OK && r->torrent.len == 0 && r->spec.magnet == NULL)
		err = job_args_refuse("torrent", info);
	if (err == OK)
		err = job_args_base64(j, "item", &r->item, info);
	r->spec.torrent = buf_bytes(&r->torrent);
	r->spec.item = buf_bytes(&r->item);
	return err;
}

static int take_lists(struct job_request *r, const json_t *j, struct err_info *info)
{
	struct job_spec *s = &r->spec;
	int err = job_args_list(j, "trackers", JOBS_LIST_MAX, &r->trackers, info);

	if (err == OK)
		err = job_args_list(j, "webseeds", JOBS_LIST_MAX, &r->webseeds, info);
	if (err == OK)
		err = job_args_list(j, "only", JOBS_PATTERNS_MAX, &r->only, info);
	if (err == OK)
		err = take_peers(r, j, info);
	if (err == OK)
		err = take_donors(r, j, info);
	s->trackers = (const char *const *)r->trackers;
	s->webseeds = (const char *const *)r->webseeds;
	s->only = (const char *const *)r->only;
	return err;
}

/* An object, kept as text. */
static int take_object(const json_t *j, const char *key, char **own, const char **out,
		       struct err_info *info)
{
	const json_t *v = json_object_get(j, key);

	if (v == NULL || json_is_null(v))
		return OK;
	if (!json_is_object(v))
		return job_args_refuse(key, info);
	*own = json_put_string(v, JOBS_UPKEEP_BYTES_MAX + 1);
	*out = *own;
	return *own == NULL ? err_set(info, ERR_NOMEM, "\"%s\": too long, or out of memory", key)
			    : OK;
}

static int take_upkeep(struct job_request *r, const json_t *j, struct err_info *info)
{
	int err = take_object(j, "follow", &r->follow, &r->spec.follow, info);

	return err == OK ? take_object(j, "watch", &r->watch, &r->spec.watch, info) : err;
}

static const char *const orders[] = {[ORDER_RAREST] = "rarest",
				     [ORDER_SEQUENTIAL] = "sequential",
				     [ORDER_ENDS_FIRST] = "ends_first"};

static int take_order(struct job_spec *s, const json_t *j, struct err_info *info)
{
	const char *word = NULL;
	int err = job_args_text(j, "order", &word, info);

	if (err != OK || word == NULL)
		return err;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		if (strcmp(orders[i], word) == 0) {
			s->order = (enum swarm_order)i;
			return OK;
		}
	}
	return job_args_refuse("order", info);
}

static int take_values(struct job_spec *s, const json_t *j, struct err_info *info)
{
	json_int_t down = 0, up = 0, priority = 0, nearest = ADDR_PUBLIC, version = 0;
	json_int_t ratio = 0, time_s = 0;
	const struct {
		const char *key;
		bool *out;
	} flags[] = {{"seed", &s->seed},
		     {"paused", &s->paused},
		     {"no_seed", &s->no_seed},
		     {"into", &s->into},
		     {"preallocate", &s->preallocate}};
	int err = OK;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]) && err == OK; i++)
		err = job_args_flag(j, flags[i].key, flags[i].out, info);
	if (err == OK)
		err = job_args_number(j, "limit_down_bps", 0, INT64_MAX, &down, info);
	if (err == OK)
		err = job_args_number(j, "limit_up_bps", 0, INT64_MAX, &up, info);
	if (err == OK)
		err = job_args_number(j, "priority", INT32_MIN, INT32_MAX, &priority, info);
	if (err == OK)
		err = job_args_number(j, "webseeds_nearest", 0, ADDR_LOOPBACK, &nearest, info);
	if (err == OK)
		err = job_args_number(j, "version", 0, UINT32_MAX, &version, info);
	if (err == OK)
		err =
		    job_args_number(j, "seed_ratio_milli", 0, SEED_RATIO_MAX * 1000, &ratio, info);
	if (err == OK)
		err = job_args_number(j, "seed_time_s", 0, UINT32_MAX, &time_s, info);
	if (err == OK)
		err = take_order(s, j, info);
	s->version = (uint32_t)version;
	s->seed_limit = (struct seed_limit){(uint32_t)ratio, (uint32_t)time_s};
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
		err = job_args_path(j, "path", &r->path, info);
	s->path = r->path;
	if (err == OK)
		err = job_args_title(j, &s->title, info);
	if (err == OK)
		err = job_args_text(j, "owner", &s->owner, info);
	if (err == OK)
		err = job_args_text(j, "entry", &s->entry, info);
	if (err == OK)
		err = job_args_text(j, "index", &s->index, info);
	if (err == OK)
		err = job_args_text(j, "token", &s->token, info);
	if (err == OK)
		err = job_args_text(j, "pin", &s->pin, info);
	if (err == OK)
		err = take_values(s, j, info);
	if (err == OK)
		err = take_stamp(j, "stamp", &r->stamp, &s->stamp, info);
	if (err == OK)
		err = take_stamp(j, "replaces", &r->replaces, &s->replaces, info);
	if (err == OK)
		err = take_upkeep(r, j, info);
	return err == OK ? take_lists(r, j, info) : err;
}

void job_request_fini(struct job_request *r)
{
	for (uint32_t i = 0; r->donors != NULL && i < r->spec.n_donors; i++)
		free((void *)r->donors[i].rel);
	free(r->donors);
	free(r->donor_folder);
	free(r->path);
	free(r->follow);
	free(r->watch);
	job_list_free(r->trackers);
	job_list_free(r->webseeds);
	job_list_free(r->only);
	buf_fini(&r->torrent);
	buf_fini(&r->item);
}

/* ---- what it may have ------------------------------------------------------------------ */

static const char of_add[] =
    "torrent magnet path path_hex into only order owner entry version title seed stamp paused "
    "no_seed preallocate priority limit_down_bps limit_up_bps seed_ratio_milli seed_time_s "
    "trackers webseeds webseeds_nearest peers follow watch item index token pin replaces donors "
    "donor_folder donor_folder_hex";
static const char of_change[] = "limit_down_bps limit_up_bps priority title paused files want";
static const char of_settings[] = "max_active limit_down_bps limit_up_bps";
static const char of_follow[] = "every_s replace";
static const char of_watch[] = "path path_hex entry settle_s v1_only v2_only piece_length private "
			       "comment trackers webseeds exclude no_dht";
static const char of_donor[] = "file rel rel_hex";

static bool is_among(const char *names, const char *name)
{
	size_t len = strlen(name), n;

	for (; *names != '\0'; names += n + (names[n] == ' ')) {
		n = strcspn(names, " ");
		if (n == len && memcmp(names, name, n) == 0)
			return true;
	}
	return false;
}

/* `where`: the member that `j` is; NULL: the whole body. What is no object is for others to say. */
static int knows(const char *names, const json_t *j, const char *where, struct err_info *info)
{
	char safe[128];
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)j, key, v)
	{
		if (is_among(names, key))
			continue;
		text_escape(safe, sizeof(safe), bytes_str(key));
		return err_set(info, ERR_INVALID, "unknown member \"%s\"%s%s%s", safe,
			       where == NULL ? "" : " in \"", where == NULL ? "" : where,
			       where == NULL ? "" : "\"");
	}
	return OK;
}

int job_request_knows(enum job_body takes, const json_t *j, struct err_info *info)
{
	static const char *const all[] = {[JOB_BODY_ADD] = of_add,
					  [JOB_BODY_CHANGE] = of_change,
					  [JOB_BODY_SETTINGS] = of_settings,
					  [JOB_BODY_WORD] = ""};
	int err = knows(all[takes], j, NULL, info);
	const json_t *v;
	size_t i;

	if (err != OK || takes != JOB_BODY_ADD)
		return err;
	err = knows(of_follow, json_object_get(j, "follow"), "follow", info);
	if (err == OK)
		err = knows(of_watch, json_object_get(j, "watch"), "watch", info);
	json_array_foreach(json_object_get(j, "donors"), i, v)
	{
		if (err == OK)
			err = knows(of_donor, v, "donors", info);
	}
	return err;
}

/* ---- the way there ------------------------------------------------------------------------ */

int job_json_put_path(json_t *to, const char *key, const char *path)
{
	if (text_is_utf8(bytes_str(path)))
		return json_object_set_new(to, key, json_string(path));
	return torrent_put_hex(to, key, path);
}

json_t *job_list_json(const char *const *list)
{
	json_t *out = json_array();

	for (size_t i = 0; list != NULL && list[i] != NULL; i++)
		json_array_append_new(out, json_string(list[i]));
	return out;
}

static json_t *stamp_json(const struct stamp *s)
{
	char hex[2 * SHA256_LEN + 1];

	if (s == NULL)
		return json_null();
	text_hex(hex, bytes_of(s->sum, SHA256_LEN));
	return json_string(hex);
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
	    "{s:o*, s:s*, s:b, s:b, s:b, s:b, s:i, s:i, s:o, s:I, s:I, s:s*, s:s*, s:s*, s:o, s:o, "
	    "s:o, s:o, s:o, s:s*, s:b, s:o, s:s, s:s*, s:s*, s:I, s:I, s:I}",
	    "torrent", s->torrent.len == 0 ? NULL : base64_json(s->torrent), "title", s->title,
	    "seed", (int)s->seed, "paused", (int)s->paused, "no_seed", (int)s->no_seed,
	    "preallocate", (int)s->preallocate, "priority", (int)s->priority, "webseeds_nearest",
	    (int)s->webseeds_nearest, "webseeds", job_list_json(s->webseeds), "limit_down_bps",
	    (json_int_t)s->down_bps, "limit_up_bps", (json_int_t)s->up_bps, "index", s->index,
	    "token", s->token, "pin", s->pin, "stamp", stamp_json(s->stamp), "replaces",
	    stamp_json(s->replaces), "trackers", job_list_json(s->trackers), "peers", addrs_json(s),
	    "donors", donors_json(s), "magnet", s->magnet, "into", (int)s->into, "only",
	    s->only == NULL ? json_null() : job_list_json(s->only), "order", orders[s->order],
	    "owner", s->owner, "entry", s->entry, "version", (json_int_t)s->version,
	    "seed_ratio_milli", (json_int_t)s->seed_limit.ratio_milli, "seed_time_s",
	    (json_int_t)s->seed_limit.time_s);

	if (j != NULL && s->follow != NULL)
		json_object_set_new(j, "follow", json_loads(s->follow, 0, NULL));
	if (j != NULL && s->watch != NULL)
		json_object_set_new(j, "watch", json_loads(s->watch, 0, NULL));
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
