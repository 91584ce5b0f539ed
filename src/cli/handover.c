#include "cli/handover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/daemon_ask.h"
#include "cli/entries.h"
#include "cli/index_choice.h"
#include "cli/placed.h"
#include "daemon/job_request.h"
#include "node/base64.h"
#include "store/root.h"

/* What only a process of its own can do; NULL: nothing of that was asked for. */
static const char *alone(const struct opts *o)
{
	const struct {
		bool given;
		const char *option;
	} table[] = {
	    {o->no_daemon, "--no-daemon"},
	    {o->drain, "--drain"},
	    {o->no_upload, "--no-upload"},
	    {o->limit_lan, "--limit-lan"},
	    {o->limit_at != NULL, "--limit-at"},
	    {o->on_complete != NULL, "--on-complete"},
	    {o->webhooks != NULL, "--webhook"},
	    {o->from != NULL, "--from"},
	    {o->reply_delay_ms > 0, "--reply-delay"},
	    {o->encryption != NULL, "--encryption"},
	    {o->transport != NULL, "--transport"},
	    {o->out != NULL && strcmp(o->out, "-") == 0, "-o -"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].given)
			return table[i].option;
	return NULL;
}

static int ask_if_there(struct err_info *info)
{
	json_t *answer = NULL;
	int err = daemon_ask(json_pack("{s:s}", "verb", "settings"), &answer, info);

	json_decref(answer);
	return err;
}

bool handover_is_there(const struct opts *o)
{
	return alone(o) == NULL && ask_if_there(NULL) == OK;
}

int handover_why_not(const struct opts *o, struct err_info *info)
{
	const char *option = alone(o);

	if (option != NULL)
		return err_set(info, ERR_INVALID,
			       "--detach leaves it to the daemon, which does not go with %s",
			       option);
	return ask_if_there(info);
}

/* ---- how it stands --------------------------------------------------------------- */

static bool flag(const json_t *j, const char *key)
{
	return json_is_true(json_object_get(j, key));
}

static enum job_state state_of(const json_t *j)
{
	const char *word = entries_str(j, "state");

	for (int s = JOB_QUEUED; s <= JOB_DONE; s++)
		if (strcmp(job_state_word((enum job_state)s), word) == 0)
			return (enum job_state)s;
	return JOB_FAILED;
}

/* Those that wait do nothing yet, as while checking. */
static enum transfer_phase phase_of(enum job_state s)
{
	switch (s) {
	case JOB_QUEUED:
	case JOB_METADATA:
	case JOB_PAUSED:
	case JOB_CHECKING:
		return TRANSFER_CHECKING;
	case JOB_DOWNLOADING:
		return TRANSFER_DOWNLOADING;
	case JOB_FINISHING:
		return TRANSFER_FINISHING;
	case JOB_SEEDING:
	case JOB_DONE:
		return TRANSFER_SEEDING;
	case JOB_STALLED:
		return TRANSFER_STALLED;
	case JOB_FAILED:
		break;
	}
	return TRANSFER_FAILED;
}

static void take_error(const json_t *j, const char *key, enum err code, struct err_info *out)
{
	const char *text = json_string_value(json_object_get(j, key));

	out->code = OK;
	if (text != NULL)
		err_set(out, code, "%s", text);
}

/* The daemon may have been given less than who asks it. */
static void tell_whose(struct err_info *why)
{
	struct err_info said = *why;

	if (said.code == ERR_DENIED)
		err_set(why, ERR_DENIED, "%s (to the daemon; --no-daemon does it as you)",
			said.text);
}

int handover_check_reads(const struct opts *o, const char *path, struct err_info *info)
{
	/* The same user may read the same files, but root may have given up what lets it. */
	json_t *question = json_pack("{s:s, s:o, s:b}", "verb", "reads", "exclude",
				     job_list_json(o->exclude), "within", geteuid() == 0);
	json_t *answer = NULL;
	int err;

	if (question == NULL || job_json_put_path(question, "path", path) != 0) {
		json_decref(question);
		return err_set(info, ERR_NOMEM, "out of memory");
	}
	err = daemon_ask(question, &answer, info);
	json_decref(answer);
	/* One that was started before an update does not know the question. */
	if (err == ERR_INVALID)
		return OK;
	if (err != OK)
		tell_whose(info);
	return err;
}

static void take_numbers(struct transfer_status *st, const json_t *j)
{
	st->total_bytes = entries_count(j, "total_bytes");
	st->done_bytes = entries_count(j, "done_bytes");
	st->wanted_bytes = entries_count(j, "wanted_bytes");
	st->wanted_done_bytes = entries_count(j, "wanted_done_bytes");
	st->files = (uint32_t)entries_count(j, "files");
	st->wanted_files = (uint32_t)entries_count(j, "wanted_files");
	st->checked_bytes = entries_count(j, "checked_bytes");
	st->to_check_bytes = entries_count(j, "to_check_bytes");
	st->swarm.up_bytes = entries_count(j, "up_total");
	st->swarm.wasted_bytes = entries_count(j, "wasted_bytes");
	st->swarm.down_bps = entries_count(j, "down_bps");
	st->swarm.up_bps = entries_count(j, "up_bps");
	st->swarm.peers = (uint32_t)entries_count(j, "peers");
	st->swarm.seeds = (uint32_t)entries_count(j, "seeds");
	st->swarm.dialing = (uint32_t)entries_count(j, "dialing");
	st->swarm.trying = (uint32_t)entries_count(j, "trying");
	st->swarm.sources = (uint32_t)entries_count(j, "web_servers");
	st->swarm.can_complete = flag(j, "can_complete");
	st->tracker_ok = (uint32_t)entries_count(j, "tracker_ok");
	st->tracker_failed = (uint32_t)entries_count(j, "tracker_failed");
}

/* Of a link it is known late; without memory it stays what it was. */
static void take_path(struct handed *h, const json_t *j)
{
	const char *hex = json_string_value(json_object_get(j, "path_hex"));
	const char *text = json_string_value(json_object_get(j, "path"));
	size_t n = hex == NULL ? 0 : strlen(hex) / 2;
	char *path = hex != NULL ? calloc(n + 1, 1) : text != NULL ? strdup(text) : NULL;

	if (path == NULL || (hex != NULL && text_unhex(bytes_str(hex), (uint8_t *)path, n) != OK)) {
		free(path);
		return;
	}
	free(h->path);
	h->path = path;
}

/* What is in the way of a newer version is told once, as long as it is the same. */
static void take_upkeep(struct handed *h, const json_t *j)
{
	struct err_info before, now;

	err_kept_get(&h->upkeep_why, &before);
	take_error(j, "upkeep_why", ERR_UNREACHABLE, &now);
	if (now.code == OK)
		h->upkeep_news = false;
	else if (before.code == OK || strcmp(before.text, now.text) != 0)
		h->upkeep_news = true;
	err_keep(&h->upkeep_why, &now);
}

static void take(struct handed *h, const json_t *j)
{
	struct transfer_status *st = &h->status;

	h->id = (uint32_t)entries_count(j, "id");
	h->state = state_of(j);
	h->complete = flag(j, "complete");
	h->shared = flag(j, "seed");
	h->there_already = flag(j, "there_already");
	h->found_bytes = entries_count(j, "found_bytes");
	take_path(h, j);
	*st = (struct transfer_status){.phase = phase_of(h->state)};
	/* It is served already, but what the daemon has to do at the end is not done. */
	if (st->phase == TRANSFER_SEEDING && !h->complete)
		st->phase = TRANSFER_FINISHING;
	take_numbers(st, j);
	st->swarm.down_bytes = entries_count(j, "down_total") - h->down_before;
	st->item_nodes = (uint32_t)entries_count(j, "name_nodes");
	st->item_is_old = flag(j, "name_is_old");
	st->item_newest = entries_int(j, "name_newest");
	h->renews = h->renews || flag(j, "follows") || flag(j, "watches");
	h->version = (uint32_t)entries_count(j, "version");
	if (h->of == NULL && h->version > 0 &&
	    asprintf(&h->of, "%s/%s", entries_str(j, "owner"), entries_str(j, "entry")) < 0)
		h->of = NULL;
	take_upkeep(h, j);
	take_error(j, "why", err_from_word(entries_str(j, "why_code")), &st->why);
	tell_whose(&st->why);
	take_error(j, "tracker_error", ERR_UNREACHABLE, &st->tracker_error);
}

/* ---- handing over ------------------------------------------------------------------- */

/* `path`: where it was to go. */
static int check_place(const struct handed *h, const char *path, bool into, struct err_info *info)
{
	size_t n = strlen(path);
	char safe[300];

	if (!h->existed ||
	    (into ? strncmp(h->path, path, n) == 0 && (h->path[n] == '/' || h->path[n] == '\0')
		  : strcmp(h->path, path) == 0))
		return OK;
	return err_set(
	    info, ERR_EXISTS,
	    "the daemon has it already, as number %u at %s; --no-daemon gets it once more", h->id,
	    text_escape(safe, sizeof(safe), bytes_str(h->path)));
}

static char *place_of(const struct job_spec *spec, struct err_info *info)
{
	char *path;

	if (!spec->into)
		return placed_real_path(spec->path, info);
	path = realpath(spec->path, NULL);
	if (path == NULL)
		(void)root_errno(info, spec->path, errno);
	return path;
}

int handover_add(struct handed *h, const struct opts *o, const struct index_client *index,
		 struct job_spec *spec, struct err_info *info)
{
	char *path = place_of(spec, info);
	json_t *answer = NULL;
	const json_t *j;
	const char *url;
	int err;

	*h = (struct handed){.id = 0};
	if (path == NULL)
		return info->code;
	spec->path = path;
	spec->index = index == NULL ? NULL : index_client_url(index);
	spec->token = o->token;
	if (index != NULL)
		index_chosen(o, &url, &spec->pin);
	spec->preallocate = o->preallocate;
	spec->no_seed = o->no_seed;
	spec->seed_limit = o->seed_limit;
	spec->down_bps = o->limit_down;
	spec->up_bps = o->limit_up;
	err = daemon_ask_to_add(spec, &answer, info);
	if (err != OK) {
		tell_whose(info);
	} else {
		j = json_object_get(answer, "added");
		h->existed = flag(answer, "existed");
		h->down_before = h->existed ? entries_count(j, "down_total") : 0;
		take(h, j);
		err = h->path == NULL ? err_set(info, ERR_NOMEM, "out of memory")
		      : spec->seed    ? OK
				      : check_place(h, path, spec->into, info);
	}
	json_decref(answer);
	free(path);
	return err;
}

static const json_t *find_by_id(const json_t *list, uint32_t id)
{
	const json_t *j;
	size_t i;

	json_array_foreach(list, i, j)
	{
		if (entries_int(j, "id") == (json_int_t)id)
			return j;
	}
	return NULL;
}

/* `j`: what there is of it, NULL: nothing. */
static bool may_have_moved(const struct handed *h, const json_t *j)
{
	if (h->of == NULL || (j != NULL && !h->renews))
		return false;
	return h->renews ? j == NULL || (!flag(j, "follows") && !flag(j, "watches")) : h->shared;
}

/* Of what is kept up to date the number is lower where the content is that of an older version
 * again. */
static bool is_newer(const struct handed *h, const json_t *j)
{
	uint64_t version = entries_count(j, "version");

	if (h->renews)
		return (flag(j, "follows") || flag(j, "watches")) && version != h->version;
	return flag(j, "seed") && version > h->version;
}

/* The version that is there in its stead; NULL: there is none. */
static const json_t *find_newer(const json_t *list, const struct handed *h)
{
	const json_t *j;
	char of[ENTRY_OWNER_BYTES_MAX + ENTRY_NAME_BYTES_MAX + 2];
	size_t i;

	json_array_foreach(list, i, j)
	{
		if (!is_newer(h, j))
			continue;
		snprintf(of, sizeof(of), "%s/%s", entries_str(j, "owner"), entries_str(j, "entry"));
		if (strcmp(of, h->of) == 0)
			return j;
	}
	return NULL;
}

/* Of those whose place a newer version may have taken: ask for all there is. */
static int look_for_newer(struct handed *const *list, size_t n, struct err_info *info)
{
	json_t *answer = NULL;
	int err = daemon_ask_status(NULL, &answer, info);

	for (size_t i = 0; i < n && err == OK; i++) {
		struct handed *h = list[i];
		const json_t *j =
		    h->moved ? find_newer(json_object_get(answer, "transfers"), h) : NULL;

		if (j == NULL)
			continue;
		h->gone = false;
		h->existed = true; /* it goes on, whatever becomes of us */
		h->down_before = 0;
		h->newer = true;
		take(h, j);
	}
	json_decref(answer);
	return err == ERR_NOENT ? OK : err;
}

int handover_look(struct handed *const *list, size_t n, struct err_info *info)
{
	json_t *answer = NULL, *ids = json_array();
	bool moved = false;
	int err;

	for (size_t i = 0; i < n; i++)
		json_array_append_new(ids, json_integer((json_int_t)list[i]->id));
	err = daemon_ask(json_pack("{s:s, s:o}", "verb", "status", "ids", ids), &answer, info);
	for (size_t i = 0; i < n && (err == OK || err == ERR_NOENT); i++) {
		const json_t *j = find_by_id(json_object_get(answer, "transfers"), list[i]->id);

		list[i]->gone = j == NULL;
		if (j != NULL)
			take(list[i], j);
		list[i]->moved = may_have_moved(list[i], j);
		moved |= list[i]->moved;
	}
	json_decref(answer);
	if (err == OK && moved)
		err = look_for_newer(list, n, info);
	return err == ERR_NOENT ? OK : err;
}

bool handed_is_alone(const struct handed *h)
{
	const struct transfer_status *st = &h->status;

	return h->state == JOB_METADATA ? st->swarm.trying == 0 && st->to_check_bytes == 0
					: transfer_is_alone(st);
}

void handover_say_left(const struct handed *h, struct err_info *why)
{
	struct err_info said = *why;

	err_set(why, said.code, "%s; it goes on with it as number %u",
		said.code == ERR_TIMEOUT ? "the daemon does not answer" : said.text, h->id);
}

bool handed_take_newer(struct handed *h)
{
	bool newer = h->newer;

	h->newer = false;
	return newer;
}

const char *handed_take_upkeep(struct handed *h)
{
	bool news = h->upkeep_news;

	h->upkeep_news = false;
	return news ? h->upkeep_why.text : NULL;
}

int handover_set_item(const struct handed *h, struct bytes item, struct err_info *info)
{
	json_t *answer = NULL;
	struct buf text;
	char ref[16];
	int err;

	snprintf(ref, sizeof(ref), "%u", h->id);
	buf_init(&text, 2 * JOBS_ITEM_BYTES_MAX);
	err = base64_put(&text, item);
	if (err != OK || buf_cstr(&text) == NULL)
		err = err_set(info, ERR_NOMEM, "out of memory");
	else
		err = daemon_ask(json_pack("{s:s, s:s, s:s}", "verb", "item", "ref", ref, "item",
					   buf_cstr(&text)),
				 &answer, info);
	json_decref(answer);
	buf_fini(&text);
	return err;
}

void handover_undo(const struct handed *h)
{
	json_t *answer = NULL;
	char ref[16];

	if (h->existed || h->gone || h->id == 0)
		return;
	snprintf(ref, sizeof(ref), "%u", h->id);
	(void)daemon_ask(
	    json_pack("{s:s, s:s, s:i}", "verb", "remove", "ref", ref, "asked_again", 0), &answer,
	    NULL);
	json_decref(answer);
}

void handed_fini(struct handed *h)
{
	free(h->path);
	free(h->of);
	h->path = h->of = NULL;
	err_drop(&h->upkeep_why);
}
