#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/home.h"
#include "cli/index_admin.h"
#include "cli/out.h"
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

/* For the line that others copy: an address of this machine that they can reach. */
static void find_own_host(char out[ADDR_TEXT_MAX])
{
	struct ifaddrs *all = NULL;
	struct addr a;

	snprintf(out, ADDR_TEXT_MAX, "127.0.0.1");
	if (getifaddrs(&all) != 0)
		return;
	for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
		if (i->ifa_addr == NULL || i->ifa_addr->sa_family != AF_INET ||
		    (i->ifa_flags & IFF_UP) == 0 || (i->ifa_flags & IFF_LOOPBACK) != 0)
			continue;
		if (tcp_addr_from_sockaddr(&a, i->ifa_addr, sizeof(struct sockaddr_in)) != 0)
			continue;
		addr_host_text(out, &a);
		break;
	}
	freeifaddrs(all);
}

static void say_where(const struct opts *o, const struct where *w, uint16_t port, const char *data,
		      bool open)
{
	char own[ADDR_TEXT_MAX], at[ADDR_TEXT_MAX + 8], safe[512];
	const char *host = w->host;
	json_t *j;

	if (host[0] == '\0') {
		find_own_host(own);
		host = own;
	}
	snprintf(at, sizeof(at), strchr(host, ':') != NULL && host[0] != '[' ? "[%s]:%u" : "%s:%u",
		 host, port);
	text_escape(safe, sizeof(safe), bytes_str(data));
	if (o->json) {
		j = json_pack("{s:s+, s:s++, s:s, s:b}", "index", "http://", at, "tracker",
			      "http://", at, "/announce", "data", safe, "open", (int)open);
		if (!o->no_udp)
			json_object_set_new(j, "udp_tracker",
					    json_pack("s++", "udp://", at, "/announce"));
		out_json(j);
		json_decref(j);
	} else {
		printf("index at http://%s (tracker http://%s/announce", at, at);
		printf(o->no_udp ? ")\n" : " and udp://%s/announce)\n", at);
		if (!o->quiet)
			printf("data in %s\n%s\n", safe,
			       open ? "open to everyone who can reach it: no tokens"
				    : "open to those with a token ('shoal index token list')");
	}
	(void)fflush(stdout);
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

static int check_threads(const struct opts *o, struct err_info *info)
{
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
	say_where(o, w, index_server_port(s), data, index_server_is_open(s));
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
		rc = check_threads(o, info);
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
