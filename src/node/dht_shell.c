#include "node/dht_shell.h"

#include <stdlib.h>
#include <string.h>

#include "net/entropy.h"
#include "net/resolve.h"
#include "store/durable.h"

#define STATE_MODE 0600

struct dht_shell {
	struct dht_shell_params p;
	char *state;
	struct dht *dht;
	struct udp_port *udp, *own; /* `own`: ours to free, or NULL */
	struct loop_timer *timer;
	struct resolver *resolver;
	struct dht_effects fx, performing;
	bool busy; /* effects are being told: do not nest */
	char *places[DHT_SHELL_PLACES_MAX];
	uint32_t n_places;
	uint64_t again_ms, save_ms;
};

static uint64_t now_ms(const struct dht_shell *s)
{
	return loop_now_ms(s->p.loop);
}

/* ---- effects ------------------------------------------------------------------------ */

static void send_one(struct dht_shell *s, const struct dht_effect *e)
{
	struct bytes data = dht_effect_bytes(&s->performing, e);

	(void)udp_port_send(s->udp, &e->to, &data, 1);
}

static void perform_all(struct dht_shell *s)
{
	for (size_t i = 0; i < s->performing.n; i++) {
		const struct dht_effect *e = &s->performing.list[i];

		if (e->type == DHT_SEND)
			send_one(s, e);
		else
			s->p.on_effect(s->p.user, &s->performing, e);
	}
	dht_effects_clear(&s->performing);
}

static void settle(struct dht_shell *s)
{
	uint64_t at, now = now_ms(s);

	if (s->busy)
		return;
	s->busy = true;
	while (s->fx.n > 0) {
		struct dht_effects got = s->fx;

		s->fx = s->performing;
		s->performing = got;
		perform_all(s);
	}
	s->busy = false;
	at = dht_deadline_ms(s->dht);
	if (at > s->again_ms)
		at = s->again_ms;
	loop_timer_set(s->timer, at > now ? at - now : 0);
}

static void on_datagram(void *user, const struct addr *from, struct bytes in)
{
	struct dht_shell *s = user;

	dht_on_packet(s->dht, from, in, now_ms(s), &s->fx);
}

static void on_idle(void *user)
{
	struct dht_shell *s = user;

	if (s->fx.n > 0)
		settle(s);
}

/* ---- places to begin ------------------------------------------------------------------ */

static void on_found(void *user, const struct addr *list, size_t n)
{
	struct dht_shell *s = user;

	for (size_t i = 0; i < n; i++)
		dht_shell_add_place(s, &list[i]);
}

void dht_shell_add_place(struct dht_shell *s, const struct addr *a)
{
	dht_add_place(s->dht, a, now_ms(s), &s->fx);
	settle(s);
}

bool dht_shell_is_place(const char *text)
{
	char host[RESOLVE_HOST_MAX];
	uint16_t port;

	return resolve_split(bytes_str(text), host, &port) == OK;
}

static void ask_place(struct dht_shell *s, const char *text)
{
	char host[RESOLVE_HOST_MAX];
	uint16_t port;

	if (resolve_split(bytes_str(text), host, &port) == OK)
		(void)resolver_ask(s->resolver, host, port, on_found, s);
}

int dht_shell_add_host(struct dht_shell *s, const char *text)
{
	char host[RESOLVE_HOST_MAX];
	uint16_t port;

	if (resolve_split(bytes_str(text), host, &port) != OK)
		return ERR_INVALID;
	for (uint32_t i = 0; i < s->n_places; i++)
		if (strcmp(s->places[i], text) == 0)
			return OK;
	if (s->n_places < DHT_SHELL_PLACES_MAX) {
		s->places[s->n_places] = strdup(text);
		s->n_places += s->places[s->n_places] != NULL;
	}
	ask_place(s, text);
	return OK;
}

static void save(struct dht_shell *s)
{
	struct dht_stats st;
	struct buf b;

	dht_shell_stats(s, &st);
	if (s->state == NULL || st.nodes[0] + st.nodes[1] == 0)
		return;
	buf_init(&b, DHT_SAVED_MAX);
	if (dht_save(s->dht, &b) == OK)
		(void)durable_write_path(s->state, buf_bytes(&b), STATE_MODE, NULL);
	buf_fini(&b);
}

/* Whatever is there is only places to ask. */
static void load(struct dht_shell *s)
{
	struct buf b;

	buf_init(&b, DHT_SAVED_MAX);
	if (s->state != NULL && durable_read_path(s->state, &b, NULL) == OK)
		(void)dht_load(s->dht, buf_bytes(&b), now_ms(s), &s->fx);
	buf_fini(&b);
}

/* ---- time ------------------------------------------------------------------------------ */

static void on_timer(void *arg)
{
	struct dht_shell *s = arg;
	uint64_t now = now_ms(s);
	struct dht_stats st;

	dht_on_tick(s->dht, now, &s->fx);
	if (now >= s->again_ms) {
		s->again_ms = now + DHT_SHELL_AGAIN_MS;
		dht_shell_stats(s, &st);
		for (uint32_t i = 0; st.nodes[0] + st.nodes[1] == 0 && i < s->n_places; i++)
			ask_place(s, s->places[i]);
	}
	if (now >= s->save_ms) {
		s->save_ms = now + DHT_SHELL_SAVE_MS;
		save(s);
	}
	settle(s);
}

/* ---- life ------------------------------------------------------------------------------ */

/* Which families lead out of a socket that listens there? */
static void choose_families(const char *host, struct dht_params *p)
{
	struct addr a;
	bool one = host != NULL && addr_parse(bytes_str(host), 1, &a) == OK;

	p->v4 = !one || !a.v6;
	p->v6 = !one || a.v6;
}

static int start(struct dht_shell *s, struct err_info *info)
{
	struct dht_params p = {.read_only = s->p.read_only};
	struct udp_port_user u = {.on_datagram = on_datagram, .on_idle = on_idle, .user = s};
	int err = OK;

	if (s->p.udp == NULL)
		err = udp_port_new(s->p.loop, s->p.listen_host, s->p.port, &s->own, info);
	if (err != OK)
		return err;
	s->udp = s->p.udp != NULL ? s->p.udp : s->own;
	choose_families(s->p.listen_host, &p);
	entropy_fill(&p.seed, sizeof(p.seed));
	entropy_fill(&p.secret, sizeof(p.secret));
	s->dht = dht_new(&p, now_ms(s));
	s->timer = loop_timer_new(s->p.loop, on_timer, s);
	s->resolver = resolver_new(s->p.loop);
	if (s->dht == NULL || s->timer == NULL || s->resolver == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	udp_port_serve(s->udp, UDP_PORT_KRPC, &u);
	return OK;
}

int dht_shell_new(const struct dht_shell_params *p, struct dht_shell **out, struct err_info *info)
{
	struct dht_shell *s = calloc(1, sizeof(*s));
	int err;

	if (s == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	s->p = *p;
	s->state = p->state == NULL ? NULL : strdup(p->state);
	dht_effects_init(&s->fx);
	dht_effects_init(&s->performing);
	err = start(s, info);
	if (err != OK) {
		dht_shell_free(s);
		return err;
	}
	s->again_ms = now_ms(s) + DHT_SHELL_AGAIN_MS;
	s->save_ms = now_ms(s) + DHT_SHELL_SAVE_MS;
	load(s);
	settle(s);
	*out = s;
	return OK;
}

void dht_shell_free(struct dht_shell *s)
{
	if (s == NULL)
		return;
	if (s->dht != NULL)
		save(s);
	resolver_free(s->resolver);
	if (s->udp != NULL)
		udp_port_serve(s->udp, UDP_PORT_KRPC, NULL);
	udp_port_free(s->own);
	loop_timer_free(s->timer);
	dht_free(s->dht);
	dht_effects_fini(&s->fx);
	dht_effects_fini(&s->performing);
	for (uint32_t i = 0; i < s->n_places; i++)
		free(s->places[i]);
	free(s->state);
	free(s);
}

uint16_t dht_shell_port(const struct dht_shell *s)
{
	return udp_port_number(s->udp);
}

/* ---- searches -------------------------------------------------------------------------- */

/* Its effects come in the next turn of the loop, when the caller knows its number. */
static uint32_t started(struct dht_shell *s, uint32_t number)
{
	if (!s->busy)
		loop_timer_set(s->timer, 0);
	return number;
}

uint32_t dht_shell_get_peers(struct dht_shell *s, const uint8_t hash[20])
{
	return started(s, dht_get_peers(s->dht, hash, now_ms(s), &s->fx));
}

uint32_t dht_shell_announce(struct dht_shell *s, const uint8_t hash[20], uint16_t port)
{
	return started(s, dht_announce(s->dht, hash, port, now_ms(s), &s->fx));
}

void dht_shell_set_outer_port(struct dht_shell *s, uint16_t port)
{
	dht_set_outer_port(s->dht, port);
}

uint32_t dht_shell_get(struct dht_shell *s, const uint8_t target[20])
{
	return started(s, dht_get(s->dht, target, now_ms(s), &s->fx));
}

uint32_t dht_shell_get_mutable(struct dht_shell *s, const uint8_t key[SIGN_KEY_LEN],
			       struct bytes salt)
{
	return started(s, dht_get_mutable(s->dht, key, salt, now_ms(s), &s->fx));
}

uint32_t dht_shell_put(struct dht_shell *s, const struct dht_item *i, const int64_t *cas)
{
	return started(s, dht_put(s->dht, i, cas, now_ms(s), &s->fx));
}

void dht_shell_cancel(struct dht_shell *s, uint32_t search)
{
	dht_cancel(s->dht, search);
}

void dht_shell_stats(const struct dht_shell *s, struct dht_stats *out)
{
	dht_stats(s->dht, now_ms(s), out);
}

bool dht_shell_address(const struct dht_shell *s, bool v6, struct addr *out)
{
	return dht_address(s->dht, v6, out);
}

const uint8_t *dht_shell_id(const struct dht_shell *s, bool v6)
{
	return dht_id(s->dht, v6);
}
