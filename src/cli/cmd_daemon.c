/* cli/cmd_daemon.c - the long-lived peer: jobs, and two doors to them. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/confine.h"
#include "cli/daemon_control.h"
#include "cli/daemon_follow.h"
#include "cli/daemon_places.h"
#include "cli/daemon_reload.h"
#include "cli/daemon_watch.h"
#include "cli/detach.h"
#include "cli/home.h"
#include "cli/index_choice.h"
#include "cli/index_open.h"
#include "cli/index_shared.h"
#include "cli/interrupts.h"
#include "cli/known_owners.h"
#include "cli/out.h"
#include "cli/pacing.h"
#include "cli/session.h"
#include "daemon/daemon_api.h"
#include "daemon/gateway.h"
#include "daemon/hook_runner.h"
#include "daemon/hooks.h"
#include "net/inherited.h"
#include "net/notify.h"
#include "store/durable.h"

#define JOBS_FOLDER "jobs"
/* What the gateway fetches lies beneath it. */
#define GATEWAY_FOLDER "gateway"
#define LOG_FILE "daemon.log"
/* For one that is leaving, which has said so to whoever asked it to. */
#define LEAVER_WAIT_MS 3000u
/* How often is looked whether it has left, and how long one that runs may think about an answer. */
#define LEAVER_LOOK_MS 20u
#define LEAVER_SILENCE_MS 1000u

struct daemon {
	const struct opts *o;
	char *home, *folder, *fetched;
	int lock;		    /* -1: not ours */
	struct inherited inherited; /* sockets from the service manager */
	struct session session;
	struct jobs *jobs;
	struct daemon_control *control;
	struct daemon_http *http;
	struct daemon_api *api;
	struct gateway *gateway;
	struct daemon_places *places;
	struct daemon_follow *follow;
	struct daemon_watch *watch;
	struct hook_runner *runner; /* NULL: no command */
	struct hooks *hooks;	    /* NULL: none */
	struct jobs_watcher watcher;
	struct index_shared_list indexes; /* that were asked who else has what it has */
	struct detach detach;
	struct opts reloaded; /* by SIGHUP */
	bool was_reloaded;
};

static void on_say(void *user, const char *line)
{
	struct daemon *d = user;

	session_say(&d->session, "%s", line);
}

/* ---- whom to tell of what ends ------------------------------------------------------- */

static void on_job(void *user, struct job *j, enum job_event e)
{
	struct daemon *d = user;
	struct job_view v;

	if (e != JOB_COMPLETE && e != JOB_FAIL)
		return;
	job_view(j, &v);
	hooks_fire(d->hooks, &(struct hook_facts){.event = job_event_word(e),
						  .title = v.title,
						  .name = v.name,
						  .path = v.path,
						  .bytes = v.wanted_bytes,
						  .error = v.why.code == OK ? "" : v.why.text});
}

static int make_hooks(struct daemon *d, const struct opts *o, struct hooks **out,
		      struct err_info *info)
{
	struct hooks_params p = {.loop = d->session.loop,
				 .runner = d->runner,
				 .urls = o->webhooks,
				 .say = on_say,
				 .user = d};

	return hooks_new(&p, out, info);
}

static int open_hooks(struct daemon *d, struct err_info *info)
{
	d->watcher = (struct jobs_watcher){.event = on_job, .user = d};
	jobs_watch(d->jobs, &d->watcher);
	return make_hooks(d, d->o, &d->hooks, info);
}

/* ---- what is it called? --------------------------------------------------------------- */

static bool on_next_called(void *user, size_t *at, struct control_transfer *out)
{
	const struct daemon *d = user;
	struct job_view v;
	struct job *j;

	/* When it leaves there are no jobs any more. */
	do
		j = d->jobs == NULL ? NULL : jobs_next(d->jobs, at);
	while (j != NULL && job_transfer(j) == NULL);
	if (j == NULL)
		return false;
	job_view(j, &v);
	*out = (struct control_transfer){.t = job_transfer(j), .title = v.title, .also = v.also};
	return true;
}

/* ---- who else has it? ----------------------------------------------------------------- */

static const struct index_client *on_index_of(void *user, const struct transfer *t)
{
	struct daemon *d = user;
	const struct job *j = jobs_by_hash(d->jobs, meta_swarm_hash(transfer_meta(t)));
	struct index_shared *s;
	struct err_info why;

	return j != NULL && index_shared_open(&d->indexes, j, &s, &why) == OK ? s->client : NULL;
}

static void close_indexes(struct daemon *d)
{
	struct index_shared *s;

	while ((s = LIST_FIRST(&d->indexes)) != NULL)
		index_shared_close(s);
}

/* ---- one a home --------------------------------------------------------------------- */

static void take_answer(void *user, const char *peer, const json_t *line)
{
	bool *running = user;

	(void)peer;
	*running = json_object_get(line, "error") == NULL;
}

/* Whoever has the lock and answers nothing is on its way out, or in. */
static bool is_running(void)
{
	json_t *question = json_pack("{s:s}", "verb", "settings");
	bool running = false;
	int n = control_ask(DAEMON_NAME, question, LEAVER_SILENCE_MS, take_answer, &running, NULL);

	json_decref(question);
	return n == ERR_TIMEOUT || running;
}

/* Waits for one that is leaving. */
static bool get_lock(const struct daemon *d)
{
	const struct timespec pause = {.tv_nsec = LEAVER_LOOK_MS * 1000000l};

	for (uint32_t ms = 0; flock(d->lock, LOCK_EX | LOCK_NB) != 0; ms += LEAVER_LOOK_MS) {
		if (ms >= LEAVER_WAIT_MS || is_running())
			return false;
		(void)nanosleep(&pause, NULL);
	}
	return true;
}

static int take_lock(struct daemon *d, struct err_info *info)
{
	char *run = control_folder(info), *path = NULL, safe[300];
	int err = run == NULL ? info->code : OK;

	if (err == OK && asprintf(&path, "%s/" DAEMON_NAME ".lock", run) < 0) {
		path = NULL;
		err = err_set(info, ERR_NOMEM, "out of memory");
	}
	if (err == OK) {
		d->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (d->lock < 0)
			err = root_errno(info, path, errno);
		else if (!get_lock(d))
			err =
			    err_set(info, ERR_EXISTS,
				    "a daemon runs from this home already (%s); see 'shoal status'",
				    text_escape(safe, sizeof(safe), bytes_str(d->home)));
	}
	free(path);
	free(run);
	return err;
}

/* That of the gateway is made once something is fetched. */
static int make_folder(struct daemon *d, struct err_info *info)
{
	if (asprintf(&d->folder, "%s/" JOBS_FOLDER, d->home) < 0)
		d->folder = NULL;
	if (asprintf(&d->fetched, "%s/" GATEWAY_FOLDER, d->home) < 0)
		d->fetched = NULL;
	if (d->folder == NULL || d->fetched == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	return durable_mkdirs(d->folder, 0700, info);
}

/* ---- its parts ------------------------------------------------------------------------ */

static int open_jobs(struct daemon *d, struct err_info *info)
{
	struct jobs_params p = {
	    .loop = d->session.loop,
	    .node = d->session.node,
	    .folder = d->folder,
	    .own_folders = d->fetched,
	    .max_active = d->o->max_active,
	    .queue_seeds = d->o->queue_seeds,
	    .say = on_say,
	    .user = d,
	};

	int err = jobs_new(&p, &d->jobs, info);

	if (err == OK && daemon_places_new(d->jobs, on_say, d, &d->places) != OK)
		err = err_set(info, ERR_NOMEM, "out of memory");
	if (err == OK && (daemon_follow_new(p.loop, d->jobs, on_say, d, &d->follow) != OK ||
			  daemon_watch_new(p.loop, d->jobs, p.node, on_say, d, &d->watch) != OK))
		err = err_set(info, ERR_NOMEM, "out of memory");
	return err;
}

static int open_http(struct daemon *d, struct err_info *info)
{
	struct daemon_http_params p = {.loop = d->session.loop, .home = d->home};
	int err;

	p.listener = inherited_claim(&d->inherited, INHERITED_TCP);
	p.port = d->o->http_port < 0 ? DAEMON_HTTP_PORT : d->o->http_port;
	err = daemon_http_new(&p, &d->http, info);
	/* Where nobody asked for that one, another will do: its address is in the home. */
	if (err == ERR_EXISTS && d->o->http_port < 0) {
		p.port = 0;
		err = daemon_http_new(&p, &d->http, info);
	}
	if (err == OK &&
	    daemon_api_new(d->http, d->session.loop, d->jobs, d->session.node, &d->api) != OK)
		err = err_set(info, ERR_NOMEM, "out of memory");
	return err;
}

/* ---- names, for the gateway: as `get` does it ------------------------------------------ */

static int on_open_index(void *user, struct gateway_index *out, struct err_info *info)
{
	struct daemon *d = user;
	const char *url;
	int err = index_open(d->o, &out->client, info);

	out->token = d->o->token;
	index_chosen(d->o, &url, &out->pin);
	return err;
}

static int on_check_owner(void *user, const struct entry *e, struct err_info *info)
{
	int err = known_owners_check(e, false, info);

	(void)user;
	return err == ERR_IO ? OK : err; /* what cannot be remembered can be had all the same */
}

static int open_gateway(struct daemon *d, struct err_info *info)
{
	struct gateway_params p = {.loop = d->session.loop,
				   .jobs = d->jobs,
				   .http = d->http,
				   .folder = d->fetched,
				   .open_index = on_open_index,
				   .check_owner = on_check_owner,
				   .user = d};

	if (gateway_new(&p, &d->gateway) != OK)
		return err_set(info, ERR_NOMEM, "out of memory");
	return OK;
}

static int open_control(struct daemon *d, struct err_info *info)
{
	if (daemon_control_new(d->session.loop, d->jobs, d->session.node, &d->control) != OK)
		return err_set(info, ERR_NOMEM, "out of memory");
	d->session.next_called = on_next_called;
	d->session.next_user = d;
	d->session.control_listener = inherited_claim(&d->inherited, INHERITED_LOCAL);
	return session_listen(&d->session, DAEMON_NAME, daemon_control_verbs(), d->control, info);
}

/* ---- SIGHUP ------------------------------------------------------------------------------ */

/* Those that are in use, until the next ones are. */
static const struct opts *settings(const struct daemon *d)
{
	return d->was_reloaded ? &d->reloaded : d->o;
}

/* All of them or none. */
static int use_settings(struct daemon *d, const struct opts *o, struct err_info *info)
{
	struct session *s = &d->session;
	bool other_hooks = !daemon_reload_same(settings(d), o, "webhook");
	struct hooks *hooks = NULL;
	struct pacing *pacing = NULL;
	struct quota quota = session_quota(o);
	int err = other_hooks ? make_hooks(d, o, &hooks, info) : OK;

	if (err == OK)
		err = pacing_new(s->loop, s->node, o, &pacing, info);
	if (err != OK) {
		hooks_free(hooks);
		return err;
	}
	if (other_hooks) {
		hooks_free(d->hooks);
		d->hooks = hooks;
	}
	pacing_free(s->pacing);
	s->pacing = pacing;
	node_set_quota(s->node, &quota);
	node_set_encryption(s->node, session_encryption(o));
	jobs_set_active(d->jobs, o->max_active);
	jobs_set_queue_seeds(d->jobs, o->queue_seeds);
	return OK;
}

static void on_reload(void *user, int signo)
{
	struct daemon *d = user;
	const struct command *c = commands_find("daemon");
	char later[DAEMON_RELOAD_TEXT_MAX];
	struct err_info why;
	struct opts o;

	(void)signo;
	if (d->jobs == NULL)
		return;
	notify_service("RELOADING=1");
	if (opts_again(&o, c, d->o, &why) == OK && use_settings(d, &o, &why) == OK) {
		(void)daemon_reload_later(d->o, &o, c, later);
		if (d->was_reloaded)
			opts_fini(&d->reloaded);
		d->reloaded = o;
		d->was_reloaded = true;
		session_say(&d->session, "settings are read again%s%s",
			    later[0] == '\0' ? "" : "; from the next start on also: ", later);
	} else {
		opts_fini(&o);
		session_say(&d->session, "settings are not usable: %s", why.text);
	}
	notify_service("READY=1");
}

/* ---- life --------------------------------------------------------------------------------- */

/* What it has and where it is, as it is printed; NULL: no memory. Owns: the caller. */
static char *ready_text(const struct daemon *d)
{
	size_t n = jobs_count(d->jobs), len;
	unsigned port = node_port(d->session.node), http = daemon_http_port(d->http);
	char *text = NULL;
	FILE *out = open_memstream(&text, &len);
	json_t *j;

	if (out == NULL)
		return NULL;
	if (d->o->json) {
		j = json_pack("{s:i, s:i, s:i, s:o}", "pid", (int)getpid(), "transfers", (int)n,
			      "port", (int)port, "http", json_sprintf("http://127.0.0.1:%u", http));
		out_json_line(out, j);
		json_decref(j);
	} else {
		fprintf(out, "daemon %ld: %zu transfer%s, peer on port %u, http://127.0.0.1:%u\n",
			(long)getpid(), n, n == 1 ? "" : "s", port, http);
	}
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

static void say_ready(struct daemon *d)
{
	char *text = ready_text(d);

	if (text != NULL && !d->o->quiet && !detach_is_child(&d->detach)) {
		fputs(text, stdout);
		(void)fflush(stdout);
	}
	detach_ready(&d->detach, text == NULL ? "" : text);
	free(text);
	notify_service("READY=1");
}

static int open_all(struct daemon *d, struct err_info *info)
{
	int err = session_init(&d->session, d->o, SESSION_DAEMON, info);

	if (err == OK)
		err = open_jobs(d, info);
	if (err == OK)
		err = open_hooks(d, info);
	if (err == OK)
		err = open_http(d, info);
	if (err == OK)
		err = open_gateway(d, info);
	if (err == OK)
		err = open_control(d, info);
	if (err == OK && loop_on_signal(d->session.loop, SIGHUP, on_reload, d) != OK)
		err = err_set(info, ERR_IO, "signals cannot be caught");
	return err;
}

/* Nobody asks any more, jobs are recorded; then the transfers leave. */
static void close_all(void *user)
{
	struct daemon *d = user;

	control_end_verbs(d->session.control);
	daemon_control_free(d->control);
	daemon_http_free(d->http);
	gateway_free(d->gateway);
	daemon_api_free(d->api);
	daemon_watch_free(d->watch);
	daemon_follow_free(d->follow);
	daemon_places_free(d->places);
	d->watch = NULL;
	d->follow = NULL;
	d->places = NULL;
	if (d->jobs != NULL)
		jobs_unwatch(d->jobs, &d->watcher);
	jobs_free(d->jobs);
	hooks_free(d->hooks);
	d->hooks = NULL;
	d->control = NULL;
	d->http = NULL;
	d->api = NULL;
	d->gateway = NULL;
	d->jobs = NULL;
}

static int run(struct daemon *d, struct err_info *info)
{
	int err = home_make_dir(&d->home, info), code = EXIT_FAILED;

	if (err == OK)
		err =
		    hook_runner_start(d->o->on_complete, detach_log(&d->detach), &d->runner, info);
	if (err == OK)
		err = take_lock(d, info);
	if (err == OK)
		err = make_folder(d, info);
	if (err == OK) {
		confine_daemon(d->o);
		err = open_all(d, info);
	}
	if (err != OK)
		return opts_fail(d->o, "daemon", info);
	say_ready(d);
	d->session.index_of = on_index_of;
	d->session.leaving = close_all;
	code = session_run(&d->session, NULL, d);
	if (d->session.interrupted)
		code = EXIT_OK; /* that is how it ends */
	notify_service("STOPPING=1");
	return code;
}

int cmd_daemon(const struct opts *o)
{
	struct daemon d = {.o = o, .lock = -1};
	struct err_info info = {.code = OK};
	char *home = NULL;
	int code = EXIT_OK;

	if (inherited_take(&d.inherited, &info) != OK) {
		inherited_fini(&d.inherited);
		return opts_fail(o, "daemon", &info);
	}
	if (o->detach && home_make_dir(&home, &info) != OK)
		return opts_fail(o, "daemon", &info);
	if (o->detach && detach_begin(&d.detach, o, home, LOG_FILE, &code)) {
		free(home);
		return code; /* we are the one who was asked, and know how it went */
	}
	free(home);
	interrupts_end(EXIT_OK, NULL);
	interrupts_skip_reload();
	code = run(&d, &info);
	close_all(&d);
	session_fini(&d.session);
	close_indexes(&d);
	hook_runner_free(d.runner);
	inherited_fini(&d.inherited);
	if (d.was_reloaded)
		opts_fini(&d.reloaded);
	if (d.lock >= 0)
		close(d.lock);
	free(d.folder);
	free(d.fetched);
	free(d.home);
	return code;
}
