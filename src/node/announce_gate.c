#include "node/announce_gate.h"

#include <stdio.h>
#include <stdlib.h>

void announce_gate_init(struct announce_gate *g, struct siphash_key key)
{
	*g = (struct announce_gate){.n_in = 0};
	TAILQ_INIT(&g->waiting);
	hash_map_init(&g->sites, key);
}

void announce_gate_close(struct announce_gate *g)
{
	g->closed = true;
}

void announce_gate_fini(struct announce_gate *g)
{
	hash_map_fini(&g->sites);
}

/* ---- turns --------------------------------------------------------------- */

/* A turn may end inside of go(): the loop then goes on, instead of one frame for each. */
static void let_in(struct announce_gate *g)
{
	struct announce_turn *t;

	if (g->letting_in)
		return;
	g->letting_in = true;
	while (!g->closed && g->n_in < ANNOUNCE_GATE_TURNS &&
	       (t = TAILQ_FIRST(&g->waiting)) != NULL) {
		TAILQ_REMOVE(&g->waiting, t, link);
		t->state = TURN_IN;
		g->n_in++;
		t->go(t->arg);
	}
	g->letting_in = false;
}

void announce_gate_enter(struct announce_gate *g, struct announce_turn *t)
{
	if (t->state != TURN_NONE)
		return;
	t->state = TURN_WAITING;
	TAILQ_INSERT_TAIL(&g->waiting, t, link);
	let_in(g);
}

void announce_gate_leave(struct announce_gate *g, struct announce_turn *t)
{
	if (t->state == TURN_WAITING)
		TAILQ_REMOVE(&g->waiting, t, link);
	else if (t->state == TURN_IN)
		g->n_in--;
	t->state = TURN_NONE;
	let_in(g);
}

/* ---- sites ----------------------------------------------------------------- */

struct announce_site *announce_site_get(struct announce_gate *g, const char *url)
{
	struct announce_site *s;
	uint8_t key[SHA1_LEN];

	sha1_of(bytes_str(url), key);
	s = hash_map_find(&g->sites, key);
	if (s != NULL) {
		s->refs++;
		return s;
	}
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	memcpy(s->key, key, sizeof(s->key));
	s->refs = 1;
	s->url = strdup(url);
	if (s->url == NULL || hash_map_put(&g->sites, s->key, s) != OK) {
		free(s->url);
		free(s);
		return NULL;
	}
	return s;
}

void announce_site_put(struct announce_gate *g, struct announce_site *s)
{
	if (s == NULL || --s->refs > 0)
		return;
	hash_map_drop(&g->sites, s->key, s);
	free(s->url);
	free(s);
}

bool announce_site_is_down(const struct announce_site *s, uint64_t now_ms)
{
	return now_ms < s->down_until_ms || (s->fails > 0 && s->in_flight > 0);
}

bool announce_site_is_slow(const struct announce_site *s)
{
	return s->slow && s->in_flight > 0;
}

void announce_site_failed(struct announce_site *s, const char *reason, uint64_t now_ms)
{
	uint64_t pause = ANNOUNCE_GATE_DOWN_MS;

	s->slow = false;
	/* Requests that were under way together fail together. */
	if (now_ms < s->down_until_ms)
		return;
	for (uint32_t i = 0; i < s->fails && pause < ANNOUNCE_GATE_DOWN_LAST_MS; i++)
		pause *= 2;
	if (pause > ANNOUNCE_GATE_DOWN_LAST_MS)
		pause = ANNOUNCE_GATE_DOWN_LAST_MS;
	s->fails++;
	s->down_until_ms = now_ms + pause;
	snprintf(s->reason, sizeof(s->reason), "%s", reason);
}

void announce_site_answered(struct announce_site *s)
{
	s->fails = 0;
	s->down_until_ms = 0;
	s->slow = false;
}
