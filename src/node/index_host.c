#include "node/index_host.h"

#include <string.h>
#include <strings.h>

#define ANY_PORT 1

/* "box:6969" is "box", "box." too. */
static struct bytes name_of(const char *host)
{
	size_t n = strcspn(host, ":");

	if (n > 1 && host[n - 1] == '.')
		n--;
	return bytes_of(host, n);
}

static bool is_name(struct bytes name, const char *other)
{
	struct bytes o = name_of(other);

	return name.len == o.len &&
	       strncasecmp((const char *)name.ptr, (const char *)o.ptr, o.len) == 0;
}

static bool is_address(const char *host)
{
	struct addr a;

	return addr_parse(bytes_str(host), ANY_PORT, &a) == OK;
}

/* No stranger can have the public DNS say where such a name leads. */
static bool is_local(struct bytes name)
{
	static const char *const domains[] = {".localhost", ".local", ".internal", ".home.arpa"};

	if (name.len == 0 || name.ptr[0] == '[')
		return false; /* what begins like an address and is none */
	if (memchr(name.ptr, '.', name.len) == NULL)
		return true;
	for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
		size_t n = strlen(domains[i]);

		if (name.len > n &&
		    strncasecmp((const char *)name.ptr + name.len - n, domains[i], n) == 0)
			return true;
	}
	return false;
}

bool index_host_is_ours(const struct index_host *h, const char *host, const struct addr *from)
{
	struct bytes name;

	if (host == NULL || host[0] == '\0' || (h->named == NULL && !addr_is_loopback(from)))
		return true;
	name = name_of(host);
	if (is_address(host) || is_local(name) || (h->own != NULL && is_name(name, h->own)))
		return true;
	for (size_t i = 0; h->named != NULL && h->named[i] != NULL; i++)
		if (is_name(name, h->named[i]))
			return true;
	return false;
}
