#include "net/resolve.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <event2/dns.h>
#include <event2/util.h>

#include "base/text.h"

struct ask {
	struct resolver *r;
	uint16_t port;
	void (*found)(void *user, const struct addr *list, size_t n);
	void *user;
	struct ask *next;
};

struct resolver {
	struct loop *loop;
	struct evdns_base *dns; /* NULL: nothing was asked yet */
	struct ask *asks;
	uint32_t n_asks;
};

int resolve_split(struct bytes text, char host[RESOLVE_HOST_MAX], uint16_t *port)
{
	const uint8_t *colon = text.len == 0 ? NULL : memrchr(text.ptr, ':', text.len);
	size_t len = colon == NULL ? 0 : (size_t)(colon - text.ptr);
	uint64_t number;

	if (len == 0 || len >= RESOLVE_HOST_MAX ||
	    text_parse_u64(bytes_of(colon + 1, text.len - len - 1), UINT16_MAX, &number) != OK ||
	    number == 0)
		return ERR_INVALID;
	memcpy(host, text.ptr, len);
	host[len] = '\0';
	*port = (uint16_t)number;
	return OK;
}

struct resolver *resolver_new(struct loop *l)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (r != NULL)
		r->loop = l;
	return r;
}

static void forget(struct ask *a)
{
	struct ask **at = &a->r->asks;

	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	a->r->n_asks--;
	free(a);
}

void resolver_free(struct resolver *r)
{
	if (r == NULL)
		return;
	/* A request that fails calls back, perhaps only in a later turn of the loop. */
	for (struct ask *a = r->asks; a != NULL; a = a->next)
		a->r = NULL;
	if (r->dns != NULL)
		evdns_base_free(r->dns, 1);
	free(r);
}

static size_t take(const struct evutil_addrinfo *list, uint16_t port, struct addr *out)
{
	size_t n = 0;

	for (; list != NULL && n < RESOLVE_ADDRS_MAX; list = list->ai_next) {
		const struct sockaddr_in *v4 = (const void *)list->ai_addr;
		const struct sockaddr_in6 *v6 = (const void *)list->ai_addr;

		if (list->ai_family == AF_INET)
			(void)addr_from_ip(&out[n++], bytes_of(&v4->sin_addr, 4), port);
		else if (list->ai_family == AF_INET6)
			(void)addr_from_ip(&out[n++], bytes_of(&v6->sin6_addr, 16), port);
	}
	return n;
}

static void on_answer(int result, struct evutil_addrinfo *list, void *arg)
{
	struct addr found[RESOLVE_ADDRS_MAX];
	struct ask *a = arg;
	size_t n = result == 0 ? take(list, a->port, found) : 0;

	if (list != NULL)
		evutil_freeaddrinfo(list);
	if (a->r == NULL) { /* nobody is there any more */
		free(a);
		return;
	}
	a->found(a->user, found, n);
	forget(a);
}

int resolver_ask(struct resolver *r, const char *host, uint16_t port,
		 void (*found)(void *user, const struct addr *list, size_t n), void *user)
{
	struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
	struct addr numeric;
	struct ask *a;

	if (addr_parse(bytes_str(host), port, &numeric) == 0) {
		numeric.port = port;
		found(user, &numeric, 1);
		return OK;
	}
	if (r->n_asks >= RESOLVE_ASKS_MAX)
		return ERR_TOO_BIG;
	if (r->dns == NULL)
		r->dns =
		    evdns_base_new(loop_event_base(r->loop), EVDNS_BASE_INITIALIZE_NAMESERVERS |
								 EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	a = calloc(1, sizeof(*a));
	if (a == NULL || r->dns == NULL) {
		free(a);
		return ERR_NOMEM;
	}
	*a = (struct ask){.r = r, .port = port, .found = found, .user = user, .next = r->asks};
	r->asks = a;
	r->n_asks++;
	/* NULL: it called back already. */
	(void)evdns_getaddrinfo(r->dns, host, NULL, &hints, on_answer, a);
	return OK;
}
