#include "cli/daemon_control.h"

#include <stdlib.h>

#include "base/text.h"
#include "cli/daemon_reads.h"
#include "daemon/job_record.h"
#include "daemon/job_request.h"
#include "daemon/jobs_json.h"
#include "net/local.h"
#include "node/json_read.h"
#include "store/durable.h"

struct daemon_control {
	struct jobs *js;
	struct node *node;
	struct daemon_reads *reads;
};

/* ---- which one ------------------------------------------------------------------ */

static int find_by(struct jobs *js, const char *ref, bool to_remove, struct job **out,
		   struct err_info *info)
{
	return to_remove ? jobs_find_to_remove(js, ref, out, info) : jobs_find(js, ref, out, info);
}

/* The job that "ref" means. NULL: it was refused, or, if `all` is given, none is named. */
static struct job *find(struct daemon_control *d, struct local_call *call, const json_t *question,
			bool *all)
{
	const json_t *ref = json_object_get(question, "ref"),
		     *verb = json_object_get(question, "verb");
	bool removed = json_is_string(verb) && strcmp(json_string_value(verb), "remove") == 0;
	struct job *j = NULL;
	struct err_info why;

	if (all != NULL)
		*all = ref == NULL || json_is_null(ref);
	if (all != NULL && *all)
		return NULL;
	if (!json_is_string(ref))
		control_refuse(call, "invalid", "\"ref\" is missing");
	else if (find_by(d->js, json_string_value(ref), removed, &j, &why) != OK)
		control_refuse_err(call, &why);
	return j;
}

/* ---- the verbs ------------------------------------------------------------------- */

static int load_request(const json_t *question, json_t **out, struct err_info *info)
{
	const char *file = json_string_value(json_object_get(question, "file"));
	json_t *request = json_object_get(question, "request");
	struct buf in;
	int err;

	if (json_is_object(request)) {
		*out = json_incref(request);
		return OK;
	}
	if (file == NULL)
		return err_set(info, ERR_INVALID, "\"file\" is missing");
	buf_init(&in, DAEMON_REQUEST_MAX);
	err = durable_read_path(file, &in, info);
	if (err == OK && json_read_object(buf_bytes(&in), out, info) != OK)
		err = info->code;
	buf_fini(&in);
	return err;
}

static bool is_same_place(const struct job *j, const struct job_spec *s)
{
	size_t n = strlen(s->path);
	struct job_view v;

	job_view(j, &v);
	if (!s->into)
		return strcmp(v.path, s->path) == 0;
	return strncmp(v.path, s->path, n) == 0 && (v.path[n] == '\0' || v.path[n] == '/');
}

/* It stays, and what is to be shared is served by it no more than it was. */
static int stays(const struct job *j, const char *why, struct err_info *info)
{
	struct job_view v;
	char safe[300];

	job_view(j, &v);
	return err_set(info, ERR_EXISTS,
		       "the daemon has it already, as number %u at %s, %s; 'shoal remove %u' "
		       "ends that, --no-daemon does it besides",
		       v.id, text_escape(safe, sizeof(safe), bytes_str(v.path)), why, v.id);
}

/* What is to be shared is known as another place's. There it may be gone, or another thing by now.
 */
static int share_elsewhere(struct daemon_control *d, const struct job_spec *s, struct job **j,
			   struct err_info *info)
{
	int err = jobs_look(*j);
	char **also = NULL, *title;
	struct job_view v;

	if (err != ERR_NOENT && err != ERR_MISMATCH && s->watch != NULL)
		return stays(*j, "and watches no other place", info);
	if (err != ERR_NOENT && err != ERR_MISMATCH)
		return jobs_share_again(d->js, *j, s, info);
	job_view(*j, &v);
	title = v.seed ? strdup(v.title) : NULL;
	if ((v.seed && title == NULL) ||
	    job_list_copy((const char *const *)v.also, SIZE_MAX, &also) != OK)
		err = err_set(info, ERR_NOMEM, "out of memory");
	else
		err = jobs_remove(d->js, *j, false, info);
	if (err == OK)
		err = jobs_add(d->js, s, j, info);
	/* What else it is published as is served with it. */
	for (size_t i = 0; err == OK && also != NULL && also[i] != NULL; i++)
		err = jobs_add_title(d->js, *j, also[i], info);
	if (err == OK && title != NULL)
		err = jobs_add_title(d->js, *j, title, info);
	job_list_free(also);
	free(title);
	return err;
}

/* What is to be shared is there: it goes on, and is called so, too. */
static int share_again(struct daemon_control *d, const struct job_spec *s, struct job **j,
		       struct err_info *info)
{
	int err;

	if (!jobs_has_all(*j))
		return stays(*j, "where it fetches it, or a part of it", info);
	err = is_same_place(*j, s) ? jobs_ask_again(d->js, *j, s, info)
				   : share_elsewhere(d, s, j, info);
	return err == OK && s->title != NULL ? jobs_add_title(d->js, *j, s->title, info) : err;
}

/* Elsewhere than it is to be fetched to is another matter, which the asker tells his user. */
static int add_again(struct daemon_control *d, const struct job_spec *s, struct job **j,
		     struct err_info *info)
{
	if (s->seed)
		return share_again(d, s, j, info);
	return is_same_place(*j, s) ? jobs_ask_again(d->js, *j, s, info) : OK;
}

static void do_add(void *user, struct local_call *call, const json_t *question)
{
	struct daemon_control *d = user;
	struct job_request r;
	json_t *request = NULL;
	struct job *j = NULL;
	struct err_info why;
	bool existed = false;
	int err = load_request(question, &request, &why);

	if (err == OK) {
		err = job_request_from_json(&r, request, &why);
		if (err == OK)
			err = jobs_add(d->js, &r.spec, &j, &why);
		existed = err == ERR_EXISTS;
		if (existed)
			err = add_again(d, &r.spec, &j, &why);
		job_request_fini(&r);
	}
	json_decref(request);
	if (err != OK) {
		control_refuse_err(call, &why);
		return;
	}
	control_say(call, json_pack("{s:o, s:b}", "added", job_json(j), "existed", existed), true);
}

/* Those of the numbers in `ids` that there are. */
static json_t *some_json(struct jobs *js, const json_t *ids)
{
	json_t *list = json_array();
	const json_t *id;
	size_t i;

	json_array_foreach(ids, i, id)
	{
		json_int_t n = json_integer_value(id);
		struct job *j = n <= 0 || n > UINT32_MAX ? NULL : jobs_by_id(js, (uint32_t)n);

		if (j != NULL)
			json_array_append_new(list, job_json(j));
	}
	return json_pack("{s:o}", "transfers", list);
}

static void do_reads(void *user, struct local_call *call, const json_t *question)
{
	struct daemon_control *d = user;

	daemon_reads_answer(d->reads, call, question);
}

static void do_status(void *user, struct local_call *call, const json_t *question)
{
	struct daemon_control *d = user;
	const json_t *ids = json_object_get(question, "ids");
	const json_t *after = json_object_get(question, "after");
	struct jobs_ask ask;
	struct err_info why;
	bool all;
	struct job *j;
	json_t *out;

	if (json_is_array(ids)) {
		control_say(call, some_json(d->js, ids), true);
		return;
	}
	j = find(d, call, question, &all);
	if (j == NULL && !all)
		return;
	if (jobs_ask_from_json(&ask, question, &why) != OK) {
		control_refuse_err(call, &why);
		return;
	}
	if (j != NULL)
		out = json_pack("{s:[o]}", "transfers", job_json(j));
	else if (json_is_integer(after))
		out = jobs_page_json(d->js, (uint32_t)json_integer_value(after));
	else
		out = jobs_list_json(d->js, &ask);
	if (out != NULL)
		json_object_set_new(out, "status", jobs_status_json(d->js, d->node));
	control_say(call, out, true);
}

static void do_peers(void *user, struct local_call *call, const json_t *question)
{
	struct daemon_control *d = user;
	struct job *j = find(d, call, question, NULL);

	if (j != NULL)
		control_say(call, job_peers_json(j), true);
}

static void do_pieces(void *user, struct local_call *call, const json_t *question)
{
	struct daemon_control *d = user;
	struct job *j = find(d, call, question, NULL);

	if (j != NULL)
		control_say(call, job_pieces_json(j), true);
}

static void do_list(void *user, struct local_call *call, const json_t *question)
{
	struct daemon_control *d = user;
	struct job *j = find(d, call, question, NULL);
	json_int_t from = 0;
	struct err_info why;
	json_t *out;

	if (j == NULL)
		return;
	out = job_args_number(question, "from", 0, UINT32_MAX, &from, &why) == OK
		  ? job_files_json(j, (uint32_t)from, &why)
		  : NULL;
	if (out == NULL) {
		control_refuse_err(call, &why);
		return;
	}
	json_object_set_new(out, "transfer", job_json(j));
	control_say(call, out, true);
}

/* A command that gives up takes out again what it had added, unless another has asked for it since.
 */
static int check_given_up(const struct job *j, const json_t *question, struct err_info *info)
{
	const json_t *asked = json_object_get(question, "asked_again");
	struct job_view v;

	job_view(j, &v);
	if (!json_is_integer(asked) || json_integer_value(asked) == (json_int_t)v.asked_again)
		return OK;
	return err_set(info, ERR_EXISTS, "number %u was asked for by another command, too", v.id);
}

/* The verb is the word. */
static void do_one(void *user, struct local_call *call, const json_t *question)
{
	struct daemon_control *d = user;
	const char *verb = json_string_value(json_object_get(question, "verb"));
	struct job *j = find(d, call, question, NULL);
	struct err_info why;
	json_t *shown;

	if (j == NULL)
		return;
	shown = strcmp(verb, "remove") != 0
		    ? job_json(j)
		    : job_removed_json(j, json_is_true(json_object_get(question, "data")));
	if (check_given_up(j, question, &why) != OK ||
	    jobs_do(d->js, j, verb, question, &why) != OK) {
		json_decref(shown);
		control_refuse_err(call, &why);
		return;
	}
	if (strcmp(verb, "remove") != 0) {
		json_decref(shown);
		shown = job_json(j);
	}
	control_say(call, json_pack("{s:o}", "transfer", shown), true);
}

static void do_unshare(void *user, struct local_call *call, const json_t *question)
{
	struct daemon_control *d = user;
	const char *title = json_string_value(json_object_get(question, "title"));
	json_int_t removed = 0;
	struct err_info why;
	struct job *j;

	for (size_t at = 0; title != NULL && (j = jobs_next(d->js, &at)) != NULL;) {
		bool last;

		/* Under another name it is served on. */
		if (!jobs_drop_title(d->js, j, title, &last) || !last)
			continue;
		if (jobs_remove(d->js, j, false, &why) != OK) {
			control_refuse_err(call, &why);
			return;
		}
		removed++;
		at--;
	}
	control_say(call, json_pack("{s:I}", "removed", removed), true);
}

static void do_settings(void *user, struct local_call *call, const json_t *question)
{
	struct daemon_control *d = user;
	struct err_info why;

	if (jobs_set(d->js, d->node, question, &why) != OK)
		control_refuse_err(call, &why);
	else
		control_say(call, json_pack("{s:o}", "status", jobs_status_json(d->js, d->node)),
			    true);
}

const struct control_verb *daemon_control_verbs(void)
{
	static const struct control_verb verbs[] = {
	    {"add", do_add},
	    {"status", do_status},
	    {"peers", do_peers},
	    {"pieces", do_pieces},
	    {"pause", do_one},
	    {"resume", do_one},
	    {"recheck", do_one},
	    {"remove", do_one},
	    {"limit", do_one},
	    {"priority", do_one},
	    {"unshare", do_unshare},
	    {"settings", do_settings},
	    {"item", do_one},
	    {"files", do_one},
	    {"list", do_list},
	    {"reads", do_reads},
	    {NULL, NULL},
	};

	return verbs;
}

/* ---- life ------------------------------------------------------------------------- */

int daemon_control_new(struct loop *loop, struct jobs *js, struct node *node,
		       struct daemon_control **out)
{
	struct daemon_control *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return ERR_NOMEM;
	if (daemon_reads_new(loop, &d->reads) != OK) {
		free(d);
		return ERR_NOMEM;
	}
	d->js = js;
	d->node = node;
	*out = d;
	return OK;
}

void daemon_control_free(struct daemon_control *d)
{
	if (d != NULL)
		daemon_reads_free(d->reads);
	free(d);
}
