#include "node/tiers.h"

#include <stdlib.h>

#include "base/text.h"

static int add(struct tiers *t, const char *url, uint32_t tier, struct announce_gate *g)
{
	struct announce_site *site = announce_site_get(g, url);

	if (site == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < t->n; i++) {
		if (t->list[i].site == site) {
			announce_site_put(g, site);
			return OK;
		}
	}
	t->list[t->n++] = (struct tracker_url){.site = site, .tier = tier};
	return OK;
}

bool tracker_is_udp(const char *url)
{
	return strncmp(url, "udp://", 6) == 0;
}

bool tracker_has_name(const char *url)
{
	struct addr a;

	return addr_parse(text_url_host(url), 1, &a) != OK;
}

static bool is_spoken(const char *url)
{
	return strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0 ||
	       tracker_is_udp(url);
}

static void swap(struct tiers *t, uint32_t i, uint32_t j)
{
	struct tracker_url x = t->list[i];

	t->list[i] = t->list[j];
	t->list[j] = x;
}

static void shuffle(struct tiers *t, struct rng *rng)
{
	for (uint32_t i = 0; i < t->n; i++) {
		uint32_t end = i + 1;

		while (end < t->n && t->list[end].tier == t->list[i].tier)
			end++;
		if (end - i > 1)
			swap(t, i, i + rng_below(rng, end - i));
	}
}

int tiers_load(struct tiers *t, const char *const *first, const struct metainfo *m,
	       struct announce_gate *g, struct rng *rng)
{
	size_t room = m->n_trackers;
	int err = OK;

	for (const char *const *u = first; u != NULL && *u != NULL; u++)
		room++;
	*t = (struct tiers){.list = NULL};
	if (room == 0)
		return OK;
	t->list = calloc(room, sizeof(*t->list));
	if (t->list == NULL)
		return ERR_NOMEM;
	for (const char *const *u = first; err == OK && u != NULL && *u != NULL; u++)
		err = add(t, *u, 0, g);
	for (uint32_t i = 0; err == OK && i < m->n_trackers; i++)
		if (is_spoken(m->trackers[i].url))
			err = add(t, m->trackers[i].url, m->trackers[i].tier + 1, g);
	shuffle(t, rng);
	return err;
}

void tiers_fini(struct tiers *t, struct announce_gate *g)
{
	for (uint32_t i = 0; i < t->n; i++) {
		announce_site_put(g, t->list[i].site);
		free(t->list[i].id);
	}
	free(t->list);
}

bool tracker_url_knows_us(const struct tracker_url *t)
{
	return t->known_at[ADDR_ANY] != 0 || t->known_at[ADDR_V4] != 0 || t->known_at[ADDR_V6] != 0;
}

/* Behind those of `t`, or in the place of the one that is the same. */
static void keep(struct tiers *t, const struct tracker_url *old, struct announce_gate *g)
{
	for (uint32_t i = 0; i < t->n; i++) {
		if (t->list[i].site != old->site)
			continue;
		announce_site_put(g, old->site);
		t->list[i] = *old;
		t->list[i].tier = 0;
		return;
	}
	t->list[t->n++] = *old;
}

int tiers_lead(struct tiers *t, const char *const *urls, struct announce_gate *g)
{
	struct tiers all = {.list = NULL};
	size_t room = t->n;
	int err = OK;

	for (const char *const *u = urls; *u != NULL; u++)
		room++;
	all.list = calloc(room + 1, sizeof(*all.list));
	if (all.list == NULL)
		return ERR_NOMEM;
	for (const char *const *u = urls; err == OK && *u != NULL; u++)
		err = add(&all, *u, 0, g);
	if (err != OK) {
		tiers_fini(&all, g);
		return err;
	}
	for (uint32_t i = 0; i < t->n; i++)
		keep(&all, &t->list[i], g);
	free(t->list);
	*t = all;
	return OK;
}

void tiers_promote(struct tiers *t, uint32_t i)
{
	for (; i > 0 && t->list[i - 1].tier == t->list[i].tier; i--)
		swap(t, i, i - 1);
}

void tracker_url_keep_id(struct tracker_url *t, const char *id)
{
	char *copy = id[0] == '\0' ? NULL : strdup(id);

	if (copy == NULL)
		return;
	free(t->id);
	t->id = copy;
}
