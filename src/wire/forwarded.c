#include "wire/forwarded.h"

int proxies_add(struct proxies *p, struct bytes text)
{
	int err =
	    p->n == FORWARDED_PROXIES_MAX ? ERR_TOO_BIG : addr_net_parse(text, &p->list[p->n]);

	p->n += err == OK;
	return err;
}

bool proxies_have(const struct proxies *p, const struct addr *a)
{
	for (uint32_t i = 0; i < p->n; i++)
		if (addr_in_net(a, &p->list[i].net, p->list[i].bits))
			return true;
	return false;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* Takes the last member off a list with commas. */
static struct bytes take_last(struct bytes *list)
{
	size_t end = list->len, start;

	while (end > 0 && is_blank(list->ptr[end - 1]))
		end--;
	start = end;
	while (start > 0 && list->ptr[start - 1] != ',')
		start--;
	list->len = start == 0 ? 0 : start - 1;
	while (start < end && is_blank(list->ptr[start]))
		start++;
	return bytes_of(list->ptr + start, end - start);
}

void proxies_look_behind(const struct proxies *p, struct bytes header, struct addr *from)
{
	uint16_t port = from->port;
	struct addr next;

	for (uint32_t i = 0; i < FORWARDED_HOPS_MAX && header.len > 0; i++) {
		if (!proxies_have(p, from) || addr_parse(take_last(&header), 0, &next) != 0)
			return;
		*from = next;
		from->port = port;
	}
}

static bool is_path_char(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '/' || c == '-' || c == '.' || c == '_' || c == '~';
}

struct bytes forwarded_prefix(struct bytes header)
{
	while (header.len > 0 && header.ptr[header.len - 1] == '/')
		header.len--;
	if (header.len == 0 || header.len > FORWARDED_PREFIX_MAX || header.ptr[0] != '/')
		return bytes_of(NULL, 0);
	for (size_t i = 0; i < header.len; i++)
		if (!is_path_char(header.ptr[i]))
			return bytes_of(NULL, 0);
	return header;
}
