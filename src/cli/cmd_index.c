#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/confine.h"
#include "cli/home.h"
#include "cli/index_admin.h"
#include "cli/index_lan.h"
#include "cli/index_log.h"
#include "cli/index_say.h"
#include "cli/index_sites.h"
#include "cli/interrupts.h"
#include "net/descriptors.h"
#include "net/inherited.h"
#include "net/loop.h"
#include "net/notify.h"
#include "net/tcp.h"
#include "node/index_server.h"
#include "node/index_udp.h"
#include "store/durable.h"

/* Where to listen, taken apart: "" as host means every address. */
struct where {
	char host[ADDR_TEXT_MAX];
	uint16_t port;
};

static bool is_everywhere(const struct addr *a)
{
	static const uint8_t all[16];

	return memcmp(a->ip, all, a->v6 ? 16 : 4) == 0;
}

/* The one address to call it at; "" when it listens at each that there is: nobody can call
 * "0.0.0.0" or "::". */
static const char *callable_host(const struct where *w)
{
	struct addr a;

	return addr_parse(bytes_str(w->host), w->port, &a) == 0 && is_everywhere(&a) ? "" : w->host;
}

static int refuse_listen(struct err_info *info, const char *given)
{
	char safe[128];

	return err_set(
	    info, ERR_INVALID,
	    "--listen '%s': give ADDR, ADDR:PORT, :PORT or [V6ADDR]:PORT, with 0 for any port",
	    text_escape(safe, sizeof(safe), bytes_str(given)));
}

static int parse_listen(const struct opts *o, struct where *w, struct err_info *info)
{
	uint16_t fallback = o->port < 0 ? INDEX_PORT : (uint16_t)o->port;
	const char *given = o->listen;
	struct addr a;
	uint64_t port;

	*w = (struct where){.port = fallback};
	if (given == NULL)
		return 0;
	if (given[0] == '*')
		given++;
	if (given[0] == '\0')
		return 0;
	if (given[0] == ':') {
		if (text_parse_u64(bytes_str(given + 1), 65535, &port) != 0)
			return refuse_listen(info, o->listen);
		w->port = (uint16_t)port;
		return 0;
	}
	if (addr_parse(bytes_str(given), fallback, &a) != 0)
		return refuse_listen(info, o->listen);
	addr_host_text(w->host, &a);
	w->port = a.port;
	return 0;
}

/* A socket from the service manager instead of one of our own: *listener, 0 if there is none. */
static int take_listener(const struct opts *o, struct inherited *in, struct where *w, int *listener,
			 struct err_info *info)
{
	struct addr at;
	int rc = inherited_take(in, info);

	*listener = rc == 0 ? inherited_claim(in, INHERITED_TCP) : 0;
	if (*listener == 0)
		return rc;
	if (o->listen != NULL)
		return err_set(info, ERR_INVALID,
			       "--listen and a socket from the service manager exclude each other");
	if (tcp_local_addr(*listener, &at) == 0 && !is_everywhere(&at))
		addr_host_text(w->host, &at);
	return 0;
}

/* What signals and events of a running index need. */
struct running {
	const struct opts *o;
	struct loop *loop;
	struct index_server *server; /* NULL: not up yet */
	struct lan_teller *teller;   /* NULL: the network is told nothing */
	struct index_log log;
	struct index_sites sites;
	bool stopping;
};

static void on_log(void *user, const char *event, const json_t *fields)
{
	struct running *run = user;

	index_log_write(&run->log, event, fields);
}

/* Takes `fields`. */
static void say(struct running *run, const char *event, json_t *fields)
{
	index_log_write(&run->log, event, fields);
	json_decref(fields);
}

/* ---- signals ---- */

static void on_stopped(void *arg)
{
	loop_stop(arg);
}

/* The first lets what is under way finish, the second does not. */
static void on_signal(void *arg, int signo)
{
	struct running *run = arg;

	if (run->server == NULL || run->stopping) {
		loop_stop(run->loop);
		return;
	}
	run->stopping = true;
	notify_service("STOPPING=1");
	say(run, "stop", json_pack("{s:s}", "signal", signo == SIGINT ? "INT" : "TERM"));
	index_server_stop(run->server, on_stopped, run->loop);
}

static void on_reload_failed(void *user, const struct err_info *why)
{
	say(user, "reload_failed", json_pack("{s:s%}", "error", why->text, strlen(why->text)));
}

/* What is wrong with one of them keeps none of the others: a typo in the sites must not let a
 * certificate run out. */
static bool reload(struct running *run)
{
	struct err_info why = {.code = OK};
	struct index_sites sites;
	bool good = true;

	if (index_log_reopen(&run->log, &why) != 0) {
		on_reload_failed(run, &why);
		good = false;
	}
	if (index_sites_load(&sites, run->o->sites, run->o->sites_file, &why) != 0) {
		on_reload_failed(run, &why);
		good = false;
	} else {
		run->sites = sites;
		index_server_set_sites(run->server, sites.list, sites.n);
	}
	return index_server_reload(run->server, on_reload_failed, run) == 0 && good;
}

static void on_reload(void *arg, int signo)
{
	struct running *run = arg;

	(void)signo;
	if (run->server == NULL || run->stopping)
		return;
	notify_service("RELOADING=1");
	if (reload(run))
		say(run, "reload", json_pack("{s:i}", "sites", (int)run->sites.n));
	notify_service("READY=1");
}

/* ---- options ---- */

static unsigned udp_threads(const struct opts *o)
{
	if (o->no_udp)
		return 0;
	return o->udp_threads == 0 ? index_udp_default_threads() : o->udp_threads;
}

static int check_options(const struct opts *o, struct err_info *info)
{
	if ((o->tls_cert == NULL) != (o->tls_key == NULL))
		return err_set(info, ERR_INVALID, "--tls-cert and --tls-key go together");
	if (o->tls_cert != NULL && o->tls_self_signed)
		return err_set(info, ERR_INVALID,
			       "--tls-cert and --tls-self-signed exclude each other");
	if (o->no_udp && o->udp_threads != 0)
		return err_set(info, ERR_INVALID, "--no-udp and --udp-threads exclude each other");
	if (o->udp_threads > INDEX_UDP_THREADS_MAX)
		return err_set(info, ERR_INVALID, "--udp-threads: at most %u",
			       INDEX_UDP_THREADS_MAX);
	return 0;
}

static int take_proxies(const struct opts *o, struct proxies *out, struct err_info *info)
{
	char safe[128];

	out->n = 0;
	for (const char *const *p = o->proxies; p != NULL && *p != NULL; p++) {
		int err = proxies_add(out, bytes_str(*p));

		if (err == ERR_TOO_BIG)
			return err_set(info, err, "more than %u proxies", FORWARDED_PROXIES_MAX);
		if (err != OK)
			return err_set(info, err,
				       "--trust-proxy '%s': give its address, or a network as "
				       "10.0.0.0/24",
				       text_escape(safe, sizeof(safe), bytes_str(*p)));
	}
	return OK;
}

static void say_start(struct running *run, const struct where *w)
{
	uint16_t port = index_server_port(run->server);

	say(run, "start",
	    json_pack("{s:s, s:s, s:i, s:b, s:b, s:b, s:i}", "version", SHOAL_VERSION, "listen",
		      w->host[0] == '\0' ? "*" : w->host, "port", (int)port, "tls",
		      (int)(index_server_pin(run->server) != NULL), "udp", (int)!run->o->no_udp,
		      "open", (int)index_server_is_open(run->server), "sites", (int)run->sites.n));
}

/* Without a log of its own, who started it by hand has just read the same. */
static bool logs_start(const struct opts *o)
{
	return o->log != NULL || o->log_format != NULL;
}

/* An index that cannot be found by itself is as good as any other. */
static void tell_network(struct running *run, const struct where *w, const char *data)
{
	struct err_info why;

	if (!run->o->no_lan && index_lan_start(run->loop, run->server, callable_host(w), data,
					       &run->teller, &why) != 0)
		say(run, "lan_failed", json_pack("{s:s%}", "error", why.text, strlen(why.text)));
}

static int serve(struct running *run, const struct where *w, int listener, const char *data,
		 struct err_info *info)
{
	const struct opts *o = run->o;
	struct index_server_params p = {
	    .listen_host = w->host[0] == '\0' ? NULL : w->host,
	    .port = w->port,
	    .listener = listener,
	    .udp_threads = udp_threads(o),
	    .data_dir = data,
	    .tls_cert = o->tls_cert,
	    .tls_key = o->tls_key,
	    .tls_self_signed = o->tls_self_signed,
	    .host = {.named = o->hosts},
	    .sites = run->sites.list,
	    .n_sites = run->sites.n,
	    .log = on_log,
	    .user = run,
	};
	char own[HOST_NAME_MAX + 1];
	int rc = take_proxies(o, &p.proxies, info);

	if (rc != OK)
		return rc;

	if (gethostname(own, sizeof(own)) == 0)
		p.host.own = own;
	if (loop_on_signal(run->loop, SIGINT, on_signal, run) != 0 ||
	    loop_on_signal(run->loop, SIGTERM, on_signal, run) != 0 ||
	    loop_on_signal(run->loop, SIGHUP, on_reload, run) != 0)
		return err_set(info, ERR_IO, "signals cannot be caught");
	rc = index_server_new(run->loop, &p, &run->server, info);
	if (rc != 0)
		return rc;
	tell_network(run, w, data);
	index_say(o, callable_host(w), run->server, data);
	if (logs_start(o))
		say_start(run, w);
	notify_service("READY=1");
	rc = loop_run(run->loop);
	lan_teller_free(run->teller);
	index_server_free(run->server);
	return rc == 0 ? 0 : err_set(info, (enum err)rc, "the event loop failed");
}

static char *data_dir(const struct opts *o)
{
	char *home, *path = NULL;

	if (o->data != NULL)
		return strdup(o->data);
	home = home_dir();
	if (home == NULL || asprintf(&path, "%s/index", home) < 0)
		path = NULL;
	free(home);
	return path;
}

static int run_index(const struct opts *o, const char *data, struct err_info *info)
{
	struct running run = {.o = o};
	struct inherited in = {.n = 0};
	struct where w;
	int listener = 0, rc = parse_listen(o, &w, info);

	interrupts_end(EXIT_OK, NULL);
	interrupts_skip_reload();
	if (rc == 0)
		rc = take_listener(o, &in, &w, &listener, info);
	inherited_fini(&in);
	if (rc == 0)
		rc = check_options(o, info);
	if (rc == 0)
		rc = index_sites_load(&run.sites, o->sites, o->sites_file, info);
	if (rc == 0)
		rc = index_log_open(&run.log, o->log, o->log_format, o->quiet, info);
	if (rc != 0)
		return rc;
	(void)descriptors_raise_limit();
	rc = durable_mkdirs(data, 0700, info);
	if (rc != 0) {
		index_log_close(&run.log);
		return rc;
	}
	confine_index(o, data, w.port);
	rc = loop_new(&run.loop);
	if (rc == 0)
		rc = serve(&run, &w, listener, data, info);
	else
		(void)err_set(info, (enum err)rc, "no event loop");
	loop_free(run.loop);
	index_log_close(&run.log);
	return rc;
}

int cmd_index(const struct opts *o)
{
	struct err_info info = {.code = OK};
	char *data = data_dir(o);
	int rc;

	if (data == NULL)
		rc = err_set(&info, ERR_INVALID, "no folder for the data: give --data DIR");
	else
		rc = o->n_args > 0 ? index_admin(o, data, &info) : run_index(o, data, &info);
	free(data);
	return rc == 0 ? EXIT_OK : opts_fail(o, "index", &info);
}
