#include "node/reach.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"

struct reach {
	struct reach_params p;
	struct portmap *map; /* NULL: not yet */
	struct loop_timer *timer;
	struct portmap_state state;
	bool known, udp;
};

static void say(struct reach *r, const char *text)
{
	if (r->p.log != NULL)
		r->p.log(r->p.user, text);
}

static void on_changed(void *user, const struct portmap_state *s)
{
	struct reach *r = user;
	char at[ADDR_TEXT_MAX], line[ERR_TEXT_MAX + 64];

	r->state = *s;
	r->known = true;
	if (s->method == PORTMAP_NONE)
		snprintf(line, sizeof(line), "no port of the router: %s", s->why.text);
	else
		snprintf(line, sizeof(line), "reached from outside at %s (%s)",
			 addr_text(at, &s->external), portmap_method_text(s->method));
	say(r, line);
}

static void on_timer(void *arg)
{
	struct reach *r = arg;
	struct portmap_params m = {
	    .loop = r->p.loop, .port = r->p.port, .udp = r->udp, .changed = on_changed, .user = r};
	struct err_info why;

	if (portmap_new(&m, &r->map, &why) != 0)
		say(r, why.text);
}

int reach_new(const struct reach_params *p, struct reach **out)
{
	struct reach *r = calloc(1, sizeof(*r));

	*out = NULL;
	if (r == NULL)
		return ERR_NOMEM;
	r->p = *p;
	r->timer = loop_timer_new(p->loop, on_timer, r);
	if (r->timer == NULL) {
		free(r);
		return ERR_NOMEM;
	}
	loop_timer_set(r->timer, REACH_AFTER_MS);
	*out = r;
	return 0;
}

void reach_free(struct reach *r)
{
	if (r == NULL)
		return;
	portmap_free(r->map);
	loop_timer_free(r->timer);
	free(r);
}

void reach_use_udp(struct reach *r)
{
	r->udp = true;
}

/* ---- which side? ----------------------------------------------------------------- */

static bool ends_in(struct bytes s, const char *end)
{
	struct bytes e = bytes_str(end);

	return s.len >= e.len && bytes_eq(bytes_sub(s, s.len - e.len, e.len), e);
}

bool reach_is_near(const char *url)
{
	struct bytes whole = text_url_host(url), name = whole;
	const uint8_t *colon;
	struct addr a;

	if (addr_parse(whole, 1, &a) == 0)
		return addr_scope(&a) != ADDR_PUBLIC;
	colon = memchr(name.ptr, ':', name.len);
	if (colon != NULL)
		name.len = (size_t)(colon - name.ptr);
	return memchr(name.ptr, '.', name.len) == NULL || ends_in(name, ".local") ||
	       ends_in(name, ".localhost");
}

static bool is_v6(const char *url)
{
	struct addr a;

	return addr_parse(text_url_host(url), 1, &a) == 0 && a.v6;
}

/* `given` by the router: 0 when it gave none. */
static uint16_t outer_port(const struct reach *r, uint16_t given)
{
	if (r->state.method == PORTMAP_NONE || r->state.external.v6 || given == r->p.port)
		return 0;
	return given;
}

uint16_t reach_outer_port(const struct reach *r)
{
	return outer_port(r, r->state.external.port);
}

uint16_t reach_outer_udp_port(const struct reach *r)
{
	return outer_port(r, r->state.udp_port);
}

enum addr_scope reach_of_index(enum addr_scope at)
{
	return at < ADDR_PRIVATE ? ADDR_PRIVATE : at;
}

uint16_t reach_port_at(const char *url, const struct addr *at, uint16_t port, uint16_t outer)
{
	if (outer == 0 || reach_is_near(url))
		return port;
	if (at->port != 0)
		return addr_port_for(at, port, outer);
	return is_v6(url) ? port : outer;
}

uint16_t reach_port(const struct reach *r, const char *url)
{
	const struct addr unknown = {.port = 0};

	return reach_port_at(url, &unknown, r->p.port, reach_outer_port(r));
}

const struct portmap_state *reach_state(const struct reach *r)
{
	return r->known ? &r->state : NULL;
}
