#include "cli/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/home.h"
#include "cli/opts.h"
#include "daemon/named.h"
#include "net/local.h"
#include "node/explain.h"
#include "node/external_json.h"
#include "node/json_put.h"
#include "node/json_read.h"
#include "node/node_dht.h"
#include "node/torrent_file.h"
#include "store/root.h"

/* Commands that wait for the end. */
#define LEAVERS_MAX LOCAL_CLIENTS_MAX

struct control {
	struct control_params p;
	struct local_server *server;
	struct local_call *leavers[LEAVERS_MAX];
	uint32_t n_leavers;
	bool leaving; /* nobody is there for `p.verbs` any more */
};

/* Where the sockets of the home at `dir` are. NULL: out of memory. Owns: the caller's. */
static char *folder_of(const char *dir, struct err_info *info)
{
	char *out;

	if (asprintf(&out, "%s/" CONTROL_FOLDER, dir) >= 0)
		return out;
	err_set(info, ERR_NOMEM, "out of memory");
	return NULL;
}

char *control_folder(struct err_info *info)
{
	char *dir = NULL, *out;

	if (home_make_dir(&dir, info) != OK)
		return NULL;
	out = folder_of(dir, info);
	free(dir);
	if (out == NULL || mkdir(out, 0700) == 0 || errno == EEXIST)
		return out;
	root_errno(info, out, errno);
	free(out);
	return NULL;
}

/* ---- answers ------------------------------------------------------------------- */

void control_say(struct local_call *call, json_t *j, bool last)
{
	char *text = json_put_string(j, SIZE_MAX);
	struct bytes line = bytes_str(text == NULL ? "{\"error\": {\"code\": \"no_memory\", "
						     "\"message\": \"out of memory\"}}"
						   : text);

	json_decref(j);
	if (last)
		local_call_end(call, line);
	else
		local_call_say(call, line);
	free(text);
}

void control_refuse(struct local_call *call, const char *code, const char *message)
{
	control_say(call, json_pack("{s:{s:s, s:s}}", "error", "code", code, "message", message),
		    true);
}

void control_refuse_err(struct local_call *call, const struct err_info *why)
{
	control_refuse(call, err_word(why->code), why->text);
}

/* ---- explain ---------------------------------------------------------------------- */

static bool next_of_node(void *user, size_t *at, struct control_transfer *out)
{
	const struct control *c = user;
	uint32_t i = (uint32_t)*at;
	struct transfer *t = node_next_transfer(c->p.node, &i);

	*at = i;
	if (t != NULL)
		*out = (struct control_transfer){.t = t, .title = transfer_title(t)};
	return t != NULL;
}

/* By one of its names, as named_as() says, or info-hash? */
static bool is_called(const struct control_transfer *it, const char *name)
{
	const struct metainfo *m = transfer_meta(it->t);
	char hex[2 * SHA256_LEN + 1];

	if (named_as(it->title, m->name, name))
		return true;
	for (char *const *also = it->also; also != NULL && *also != NULL; also++)
		if (named_as(*also, m->name, name))
			return true;
	text_hex(hex, bytes_of(m->hash_v1, SHA1_LEN));
	if (m->v1 && strcmp(name, hex) == 0)
		return true;
	text_hex(hex, bytes_of(m->hash_v2, SHA256_LEN));
	return m->v2 && strcmp(name, hex) == 0;
}

static const char *phase_word(enum transfer_phase phase)
{
	static const char *const words[] = {"checking", "downloading", "finishing",
					    "seeding",	"stalled",     "failed"};

	return words[phase];
}

static json_t *facts_json(const struct explain_facts *f, const struct transfer_status *st)
{
	return json_pack(
	    "{s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:I, s:i, s:i, "
	    "s:i}",
	    "total_bytes", (json_int_t)f->total_bytes, "done_bytes", (json_int_t)f->done_bytes,
	    "down_bps", (json_int_t)f->down_bps, "up_bps", (json_int_t)st->swarm.up_bps, "run_ms",
	    (json_int_t)f->run_ms, "disk_wait_ms", (json_int_t)f->disk_wait_ms, "peers",
	    (int)f->peers, "seeds", (int)f->seeds, "dialing", (int)f->dialing, "addresses",
	    (int)f->addresses, "useful", (int)f->useful, "unchoked", (int)f->unchoked, "snubbed",
	    (int)f->snubbed, "requests", (int)f->requests, "best_bps", (json_int_t)f->best_bps,
	    "best_rtt_us", (int)f->best_rtt_us, "pieces_nowhere", (int)f->nowhere,
	    "pieces_only_here", (int)st->swarm.sole);
}

/* NULL: it has one title alone. */
static json_t *also_json(char *const *also)
{
	json_t *list = also == NULL || *also == NULL ? NULL : json_array();

	for (; list != NULL && *also != NULL; also++)
		json_array_append_new(list, torrent_text(*also));
	return list;
}

static json_t *explain_one(const struct control_transfer *it)
{
	struct explain_finding found[EXPLAIN_FINDINGS_MAX];
	struct transfer_status st;
	struct explain_facts f;
	json_t *why = json_array();
	uint32_t n;

	explain_gather(it->t, &st, &f);
	n = explain_judge(&f, found);
	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(why,
				      json_pack("{s:s, s:o}", "cause", explain_word(found[i].cause),
						"text", torrent_text(found[i].text)));
	return json_pack("{s:o, s:o*, s:s, s:o, s:o}", "title", torrent_text(it->title), "also",
			 also_json(it->also), "phase", phase_word(st.phase), "facts",
			 facts_json(&f, &st), "why", why);
}

static void do_explain(struct control *c, struct local_call *call, const json_t *question)
{
	const char *name = json_string_value(json_object_get(question, "name"));
	json_t *list = json_array();
	struct control_transfer it;

	for (size_t at = 0; c->p.next(c->p.next_user, &at, &it);)
		if (name == NULL || is_called(&it, name))
			json_array_append_new(list, explain_one(&it));
	control_say(call, json_pack("{s:o}", "explained", list), true);
}

/* ---- dht -------------------------------------------------------------------------- */

static void do_dht(struct control *c, struct local_call *call, const json_t *question)
{
	(void)question;
	control_say(call, json_pack("{s:o}", "dht", node_dht_json(c->p.node)), true);
}

/* ---- external --------------------------------------------------------------------- */

static void do_external(struct control *c, struct local_call *call, const json_t *question)
{
	(void)question;
	control_say(call, json_pack("{s:o}", "external", external_json(c->p.node)), true);
}

/* ---- leave -------------------------------------------------------------------------- */

static void do_leave(struct control *c, struct local_call *call, const json_t *question)
{
	json_int_t seconds = json_integer_value(json_object_get(question, "timeout_s"));
	bool drain = json_is_true(json_object_get(question, "drain"));

	if (c->n_leavers == LEAVERS_MAX) {
		control_refuse(call, "busy", "too many wait for it already");
		return;
	}
	c->leavers[c->n_leavers++] = call;
	if (seconds <= 0 || seconds > UINT32_MAX)
		seconds = PARTING_DRAIN_S;
	c->p.leave(c->p.user, drain ? (uint32_t)seconds : 0);
}

void control_tell(struct control *c, const struct parting_loss *loss, bool left)
{
	for (uint32_t i = 0; c != NULL && i < c->n_leavers; i++) {
		json_t *j = json_pack("{s:i, s:i, s:s}", "pieces", (int)loss->pieces, "torrents",
				      (int)loss->torrents, "title", loss->title);

		if (left)
			json_object_set_new(j, "left", json_true());
		else
			j = json_pack("{s:o}", "draining", j);
		control_say(c->leavers[i], j, left);
	}
	if (c != NULL && left)
		c->n_leavers = 0;
}

/* ---- set ---------------------------------------------------------------------------- */

/* A number that may be set; what is not said, or makes no sense, stays. */
static void take_number(const json_t *question, const char *key, uint64_t *out)
{
	const json_t *j = json_object_get(question, key);

	if (json_is_integer(j) && json_integer_value(j) >= 0)
		*out = (uint64_t)json_integer_value(j);
}

static void do_set(struct control *c, struct local_call *call, const json_t *question)
{
	uint64_t delay_ms = UINT64_MAX;
	struct limits limits, before;
	const json_t *peer;
	bool meant = false, lan;
	size_t i;

	json_array_foreach(json_object_get(question, "peers"), i, peer) meant =
	    meant || json_integer_value(peer) == (json_int_t)getpid();
	node_limits(c->p.node, &before, &lan);
	limits = before;
	take_number(question, "delay_ms", &delay_ms);
	take_number(question, "limit_down_bps", &limits.down_bps);
	take_number(question, "limit_up_bps", &limits.up_bps);
	if (meant && delay_ms <= UINT32_MAX)
		node_set_reply_delay(c->p.node, (uint32_t)delay_ms);
	if (meant && (limits.down_bps != before.down_bps || limits.up_bps != before.up_bps))
		node_set_limits(c->p.node, &limits, lan);
	control_say(call, json_pack("{s:b}", "set", meant), true);
}

/* ---- the table ------------------------------------------------------------------------ */

static const struct verb {
	const char *name;
	void (*run)(struct control *c, struct local_call *call, const json_t *question);
} verbs[] = {
    {"dht", do_dht},	 {"explain", do_explain}, {"external", do_external},
    {"leave", do_leave}, {"set", do_set},
};

/* False: there is no such verb here. */
static bool run_own(struct control *c, const char *verb, struct local_call *call,
		    const json_t *question)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].name, verb) == 0) {
			verbs[i].run(c, call, question);
			return true;
		}
	}
	return false;
}

static bool run_more(struct control *c, const char *verb, struct local_call *call,
		     const json_t *question)
{
	for (const struct control_verb *v = c->p.verbs; v != NULL && v->name != NULL; v++) {
		if (strcmp(v->name, verb) != 0)
			continue;
		if (c->leaving)
			control_refuse(call, "not_found", "the daemon is leaving");
		else
			v->run(c->p.verbs_user, call, question);
		return true;
	}
	return false;
}

static void on_asked(void *user, struct local_call *call, struct bytes text)
{
	struct control *c = user;
	json_t *question = NULL;
	const char *verb = NULL;
	struct err_info why;
	int err = json_read_object(text, &question, &why);

	if (err == OK)
		verb = json_string_value(json_object_get(question, "verb"));
	if (err == ERR_NOMEM)
		control_refuse_err(call, &why);
	else if (verb == NULL)
		control_refuse(call, "malformed", "not one JSON object with a verb");
	else if (!run_own(c, verb, call, question) && !run_more(c, verb, call, question))
		control_refuse(call, "invalid", "no such verb");
	json_decref(question);
}

int control_new(const struct control_params *p, struct control **out, struct err_info *info)
{
	struct control *c = calloc(1, sizeof(*c));
	char *folder = c == NULL ? NULL : control_folder(info);
	char name[32];
	struct local_params lp = {.loop = p->loop,
				  .folder = folder,
				  .name = name,
				  .asked = on_asked,
				  .user = c,
				  .listener = p->listener};
	int err;

	if (c == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	if (p->name == NULL)
		snprintf(name, sizeof(name), "%ld", (long)getpid());
	else
		lp.name = p->name;
	c->p = *p;
	if (p->next == NULL) {
		c->p.next = next_of_node;
		c->p.next_user = c;
	}
	err = folder == NULL ? info->code : local_server_new(&lp, &c->server, info);
	free(folder);
	if (err != OK) {
		free(c);
		return err;
	}
	*out = c;
	return OK;
}

void control_end_verbs(struct control *c)
{
	if (c != NULL)
		c->leaving = true;
}

void control_free(struct control *c)
{
	static const struct parting_loss none = {.pieces = 0};

	if (c == NULL)
		return;
	control_tell(c, &none, true);
	local_server_free(c->server);
	free(c);
}

/* ---- asking ------------------------------------------------------------------------------ */

struct asking {
	void (*answer)(void *user, const char *peer, const json_t *line);
	void *user;
};

static void on_line(void *user, const char *name, struct bytes line)
{
	struct asking *a = user;
	json_t *j = NULL;

	if (json_read_object(line, &j, NULL) == OK)
		a->answer(a->user, name, j);
	json_decref(j);
}

/* Where the sockets of this home would be, NULL: there is no home. Asking makes no folders. False:
 * out of memory. */
static bool find_folder(char **out)
{
	char *dir = home_dir();
	bool ok;

	*out = dir == NULL ? NULL : folder_of(dir, NULL);
	ok = dir == NULL || *out != NULL;
	free(dir);
	return ok;
}

int control_ask(const char *only, const json_t *question, uint32_t silence_ms,
		void (*answer)(void *user, const char *peer, const json_t *line), void *user,
		struct err_info *info)
{
	struct asking a = {answer, user};
	char *text = json_put_string(question, SIZE_MAX), *folder = NULL;
	char safe[300];
	uint32_t silent = 0;
	int n = find_folder(&folder) && text != NULL ? 0 : ERR_NOMEM;

	if (n == 0 && folder != NULL)
		n = local_ask_all(folder, only, bytes_str(text), silence_ms, on_line, &a, &silent);
	if (n < 0)
		err_set(info, (enum err)n, "%s%s%s",
			folder == NULL ? "" : text_escape(safe, sizeof(safe), bytes_str(folder)),
			folder == NULL ? "" : ": ", err_text((enum err)n));
	else if (n == 0 && silent > 0)
		n = err_set(info, ERR_TIMEOUT, "a peer runs, but does not answer");
	free(folder);
	free(text);
	return n;
}
