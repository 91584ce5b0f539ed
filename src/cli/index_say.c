#include "cli/index_say.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/out.h"
#include "net/tcp.h"
#include "store/catalogue_db.h"

/* The first address of an interface that is up; those of one link alone are left out. */
static bool find_host_of(const struct ifaddrs *all, int family, char out[ADDR_TEXT_MAX])
{
	size_t len = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	struct addr a;

	for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
		if (i->ifa_addr == NULL || i->ifa_addr->sa_family != family ||
		    (i->ifa_flags & IFF_UP) == 0 || (i->ifa_flags & IFF_LOOPBACK) != 0)
			continue;
		if (tcp_addr_from_sockaddr(&a, i->ifa_addr, len) != 0 ||
		    addr_scope(&a) == ADDR_LINK)
			continue;
		addr_host_text(out, &a);
		return true;
	}
	return false;
}

/* For the line that others copy: an address of this machine that they can reach. */
static void find_own_host(char out[ADDR_TEXT_MAX])
{
	struct ifaddrs *all = NULL;

	snprintf(out, ADDR_TEXT_MAX, "127.0.0.1");
	if (getifaddrs(&all) != 0)
		return;
	if (!find_host_of(all, AF_INET, out))
		(void)find_host_of(all, AF_INET6, out);
	freeifaddrs(all);
}

static void say_json(const struct opts *o, const struct index_server *s, const char *scheme,
		     const char *at, const char *data)
{
	json_t *j = json_pack("{s:s++, s:s+++, s:s, s:b, s:s*}", "index", scheme, "://", at,
			      "tracker", scheme, "://", at, "/announce", "data", data, "open",
			      (int)index_server_is_open(s), "pin", index_server_pin(s));

	if (!o->no_udp)
		json_object_set_new(j, "udp_tracker", json_pack("s++", "udp://", at, "/announce"));
	out_json(j);
	json_decref(j);
}

static const char *who_may(enum catalogue_right anyone)
{
	switch (anyone) {
	case RIGHT_NONE:
		return "open to those with a token ('shoal index token list')";
	case RIGHT_READ:
		return "everyone who can reach it may read; to publish takes a token ('shoal index "
		       "token list')";
	default:
		return "open to everyone who can reach it: to publish takes no token";
	}
}

static void say_text(const struct opts *o, const struct index_server *s, const char *scheme,
		     const char *at, const char *data)
{
	const char *pin = index_server_pin(s);

	printf("index at %s://%s (tracker %s://%s/announce", scheme, at, scheme, at);
	printf(o->no_udp ? ")\n" : " and udp://%s/announce)\n", at);
	if (pin != NULL)
		printf("pin %s\n", pin);
	if (!o->quiet)
		printf("data in %s\n%s\n", data, who_may(index_server_of_anyone(s)));
}

void index_say(const struct opts *o, const char *host, const struct index_server *s,
	       const char *data)
{
	const char *scheme = index_server_pin(s) == NULL ? "http" : "https";
	char own[ADDR_TEXT_MAX], at[ADDR_TEXT_MAX + 8], safe[512];

	if (host[0] == '\0') {
		find_own_host(own);
		host = own;
	}
	snprintf(at, sizeof(at), strchr(host, ':') != NULL && host[0] != '[' ? "[%s]:%u" : "%s:%u",
		 host, index_server_port(s));
	text_escape(safe, sizeof(safe), bytes_str(data));
	(o->json ? say_json : say_text)(o, s, scheme, at, safe);
	(void)fflush(stdout);
}
