#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/home.h"
#include "cli/index_admin.h"
#include "cli/index_say.h"
#include "net/loop.h"
#include "net/tcp.h"
#include "node/index_server.h"
#include "node/index_udp.h"

/* Where to listen, taken apart: "" as host means every address. */
struct where {
	char host[ADDR_TEXT_MAX];
	uint16_t port;
};

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

static void on_log(void *user, const char *line)
{
	const struct opts *o = user;

	if (!o->quiet)
		fprintf(stderr, "%s\n", line);
}

static void on_signal(void *arg, int signo)
{
	(void)signo;
	loop_stop(arg);
}

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

static int serve(const struct opts *o, struct loop *l, const struct where *w, const char *data,
		 struct err_info *info)
{
	struct index_server_params p = {
	    .listen_host = w->host[0] == '\0' ? NULL : w->host,
	    .port = w->port,
	    .udp_threads = udp_threads(o),
	    .data_dir = data,
	    .tls_cert = o->tls_cert,
	    .tls_key = o->tls_key,
	    .tls_self_signed = o->tls_self_signed,
	    .log = on_log,
	    .user = (void *)o,
	};
	struct index_server *s = NULL;
	int rc;

	if (loop_on_signal(l, SIGINT, on_signal, l) != 0 ||
	    loop_on_signal(l, SIGTERM, on_signal, l) != 0)
		return err_set(info, ERR_IO, "signals cannot be caught");
	rc = index_server_new(l, &p, &s, info);
	if (rc != 0)
		return rc;
	index_say(o, w->host, s, data);
	rc = loop_run(l);
	index_server_free(s);
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

static int run(const struct opts *o, const char *data, struct err_info *info)
{
	struct loop *l = NULL;
	struct where w;
	int rc = parse_listen(o, &w, info);

	if (rc == 0)
		rc = check_options(o, info);
	if (rc != 0)
		return rc;
	(void)tcp_raise_fd_limit();
	rc = loop_new(&l);
	if (rc == 0)
		rc = serve(o, l, &w, data, info);
	else
		(void)err_set(info, (enum err)rc, "no event loop");
	loop_free(l);
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
		rc = o->n_args > 0 ? index_admin(o, data, &info) : run(o, data, &info);
	free(data);
	return rc == 0 ? EXIT_OK : opts_fail(o, "index", &info);
}
