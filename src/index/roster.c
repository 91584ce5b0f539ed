#include "index/roster.h"

#include <stdlib.h>

#include "index/roster_impl.h"

/* A peer's numbers are dense, give or take this many; otherwise one join could claim a table. */
#define NUMBERS_SPARE 64u
#define NUMBERS_FIRST 4u

struct roster *roster_new(struct siphash_key key)
{
	struct roster *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	hash_map_init(&r->peers, key);
	hash_map_init(&r->hosts, key);
	hash_map_init(&r->swarms, key);
	TAILQ_INIT(&r->silence);
	TAILQ_INIT(&r->told);
	return r;
}

void roster_free(struct roster *r)
{
	struct roster_session *s;
	struct roster_member *m;

	if (r == NULL)
		return;
	while ((s = TAILQ_FIRST(&r->silence)) != NULL) {
		while ((m = roster_any(s)) != NULL)
			roster_leave(r, m);
		roster_quit(r, s);
	}
	hash_map_fini(&r->peers);
	hash_map_fini(&r->hosts);
	hash_map_fini(&r->swarms);
	free(r);
}

/* ---- sessions --------------------------------------------------------------------- */

static void host_key(uint8_t out[SHA1_LEN], const struct addr *a)
{
	memset(out, 0, SHA1_LEN);
	out[0] = a->v6;
	memcpy(out + 1, a->ip, a->v6 ? 8 : 4);
}

static int host_enter(struct roster *r, const struct addr *a, struct roster_host **out)
{
	uint8_t key[SHA1_LEN];
	struct roster_host *h;

	host_key(key, a);
	h = hash_map_find(&r->hosts, key);
	if (h == NULL) {
		h = calloc(1, sizeof(*h));
		if (h == NULL)
			return ERR_NOMEM;
		memcpy(h->key, key, sizeof(key));
		if (hash_map_put(&r->hosts, h->key, h) != OK) {
			free(h);
			return ERR_NOMEM;
		}
	}
	if (h->n >= ROSTER_HOST_SESSIONS_MAX)
		return ERR_TOO_BIG;
	h->n++;
	*out = h;
	return OK;
}

static void host_leave(struct roster *r, struct roster_host *h)
{
	if (--h->n > 0)
		return;
	hash_map_drop(&r->hosts, h->key, h);
	free(h);
}

int roster_enter(struct roster *r, const struct roster_session *hello, uint64_t now_ms,
		 struct roster_session **out)
{
	struct roster_session *s;
	int err;

	if (r->n_sessions >= ROSTER_SESSIONS_MAX)
		return ERR_TOO_BIG;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return ERR_NOMEM;
	s->addr = hello->addr;
	s->here = hello->here;
	s->user = hello->user;
	memcpy(s->peer_id, hello->peer_id, sizeof(s->peer_id));
	memcpy(s->client, hello->client, sizeof(s->client));
	s->client[sizeof(s->client) - 1] = '\0';
	err = host_enter(r, &s->addr, &s->host);
	/* A peer id that somebody at another host shows already stays his. */
	if (err == OK && hash_map_put(&r->peers, s->peer_id, s) == ERR_NOMEM) {
		host_leave(r, s->host);
		err = ERR_NOMEM;
	}
	if (err != OK) {
		free(s);
		return err;
	}
	s->id = ++r->next_id;
	s->since_s = now_ms / 1000;
	s->heard_ms = now_ms;
	TAILQ_INSERT_TAIL(&r->silence, s, by_silence);
	r->n_sessions++;
	*out = s;
	return OK;
}

struct roster_session *roster_twin(const struct roster *r, const struct roster_session *hello)
{
	struct roster_session *s = hash_map_find(&r->peers, hello->peer_id);

	return s != NULL && addr_eq(&s->addr, &hello->addr) ? s : NULL;
}

void roster_quit(struct roster *r, struct roster_session *s)
{
	hash_map_drop(&r->peers, s->peer_id, s);
	host_leave(r, s->host);
	TAILQ_REMOVE(&r->silence, s, by_silence);
	r->n_sessions--;
	r->n_dht -= s->dht_port != 0;
	free(s->members);
	free(s);
}

void roster_on_line(struct roster *r, struct roster_session *s, uint64_t now_ms)
{
	s->heard_ms = now_ms;
	TAILQ_REMOVE(&r->silence, s, by_silence);
	TAILQ_INSERT_TAIL(&r->silence, s, by_silence);
}

struct roster_session *roster_silent(const struct roster *r, uint64_t now_ms)
{
	struct roster_session *s = TAILQ_FIRST(&r->silence);

	return s != NULL && now_ms - s->heard_ms >= ROSTER_SILENCE_MS ? s : NULL;
}

/* ---- swarms and members --------------------------------------------------------------- */

static struct roster_swarm *swarm_get(struct roster *r, const uint8_t hash[SHA1_LEN])
{
	struct roster_swarm *w = hash_map_find(&r->swarms, hash);

	if (w != NULL)
		return w;
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return NULL;
	memcpy(w->hash, hash, sizeof(w->hash));
	LIST_INIT(&w->members);
	if (hash_map_put(&r->swarms, w->hash, w) != OK) {
		free(w);
		return NULL;
	}
	return w;
}

static void swarm_put(struct roster *r, struct roster_swarm *w)
{
	if (w->n > 0 || w->watchers > 0)
		return;
	hash_map_drop(&r->swarms, w->hash, w);
	free(w);
}

static int make_room(struct roster_session *s, uint32_t number)
{
	uint32_t cap = s->cap_members == 0 ? NUMBERS_FIRST : s->cap_members;
	struct roster_member **grown;

	if (number >= ROSTER_TORRENTS_MAX)
		return ERR_TOO_BIG;
	if (number < s->cap_members)
		return s->members[number] == NULL ? OK : ERR_INVALID;
	if (number > s->n_members * 2 + NUMBERS_SPARE)
		return ERR_INVALID;
	while (cap <= number)
		cap *= 2;
	grown = realloc(s->members, cap * sizeof(*grown));
	if (grown == NULL)
		return ERR_NOMEM;
	memset(grown + s->cap_members, 0, (cap - s->cap_members) * sizeof(*grown));
	s->members = grown;
	s->cap_members = cap;
	return OK;
}

int roster_join(struct roster *r, struct roster_session *s, const uint8_t hash[SHA1_LEN],
		const struct roster_member *like, uint64_t now_ms, struct roster_member **out)
{
	struct roster_member *m;
	int err;

	if (r->n_members >= ROSTER_MEMBERS_MAX)
		return ERR_TOO_BIG;
	if (like->n_pieces > ROSTER_PIECES_MAX)
		return ERR_INVALID;
	err = make_room(s, like->number);
	if (err != OK)
		return err;
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return ERR_NOMEM;
	m->swarm = swarm_get(r, hash);
	if (m->swarm == NULL) {
		free(m);
		return ERR_NOMEM;
	}
	m->session = s;
	memcpy(m->also, like->also, sizeof(m->also));
	m->has_also = like->has_also;
	m->map_known = like->map_known;
	m->number = like->number;
	m->n_pieces = like->n_pieces;
	m->left = like->left;
	m->since_s = m->told_s = now_ms / 1000;
	m->swarm->changed = true;
	m->swarm->n++;
	s->members[m->number] = m;
	s->top = m->number >= s->top ? m->number + 1 : s->top;
	s->n_members++;
	r->n_members++;
	LIST_INSERT_HEAD(&m->swarm->members, m, of_swarm);
	TAILQ_INSERT_TAIL(&r->told, m, by_told);
	*out = m;
	return OK;
}

static void drop_bits(struct roster *r, struct roster_member *m)
{
	size_t bytes = m->map.bits == NULL ? 0 : bitfield_bytes(m->n_pieces);

	m->session->map_bytes -= bytes;
	r->map_bytes -= bytes;
	bitfield_fini(&m->map);
}

void roster_leave(struct roster *r, struct roster_member *m)
{
	struct roster_swarm *w = m->swarm;

	drop_bits(r, m);
	bitfield_fini(&m->shown);
	LIST_REMOVE(m, of_swarm);
	TAILQ_REMOVE(&r->told, m, by_told);
	m->session->members[m->number] = NULL;
	m->session->n_members--;
	r->n_members--;
	w->changed = true;
	w->n--;
	swarm_put(r, w);
	free(m);
}

struct roster_member *roster_member(const struct roster_session *s, uint64_t number)
{
	return number < s->cap_members ? s->members[number] : NULL;
}

struct roster_member *roster_any(struct roster_session *s)
{
	while (s->top > 0 && s->members[s->top - 1] == NULL)
		s->top--;
	return s->top > 0 ? s->members[s->top - 1] : NULL;
}

/* ---- maps ------------------------------------------------------------------------------- */

/* Bits for a map that is partly filled, from one that is empty or full. */
static int make_bits(struct roster *r, struct roster_member *m)
{
	size_t bytes = bitfield_bytes(m->n_pieces);

	if (m->map.bits != NULL)
		return OK;
	if (m->session->map_bytes + bytes > ROSTER_SESSION_MAP_BYTES_MAX ||
	    r->map_bytes + bytes > ROSTER_MAP_BYTES_MAX)
		return ERR_TOO_BIG;
	if (bitfield_init(&m->map, m->n_pieces) != OK)
		return ERR_NOMEM;
	if (m->have > 0)
		bitfield_fill(&m->map);
	m->session->map_bytes += bytes;
	r->map_bytes += bytes;
	return OK;
}

static void set_bits(struct bitfield *b, uint32_t first, uint32_t last, bool has)
{
	uint32_t i = first;

	while (i <= last) {
		uint32_t whole = (last + 1 - i) / 8;

		if (i % 8 == 0 && whole > 0) {
			for (uint32_t k = i / 8; k < i / 8 + whole; k++) {
				uint32_t before = (uint32_t)__builtin_popcount(b->bits[k]);

				b->bits[k] = has ? 0xff : 0;
				b->count += (has ? 8 : 0) - before;
			}
			i += whole * 8;
		} else {
			if (has)
				bitfield_set(b, i);
			else
				bitfield_unset(b, i);
			i++;
		}
	}
}

void roster_on_pieces(struct roster *r, struct roster_member *m, uint32_t first, uint32_t last,
		      bool has)
{
	assert(first <= last && last < m->n_pieces);
	if (!m->map_known || m->have == (has ? m->n_pieces : 0))
		return;
	m->swarm->changed = true;
	if (first == 0 && last == m->n_pieces - 1) {
		drop_bits(r, m);
		m->have = has ? m->n_pieces : 0;
		return;
	}
	if (make_bits(r, m) != OK) {
		m->map_known = false;
		m->have = 0;
		return;
	}
	set_bits(&m->map, first, last, has);
	m->have = m->map.count;
	if (m->have == 0 || m->have == m->n_pieces)
		drop_bits(r, m);
}

void roster_on_rates(struct roster_member *m, uint32_t down_bps, uint32_t up_bps)
{
	m->swarm->changed = m->swarm->changed || m->down_bps != down_bps || m->up_bps != up_bps;
	m->down_bps = down_bps;
	m->up_bps = up_bps;
}

/* ---- time ---------------------------------------------------------------------------------- */

struct roster_member *roster_due(struct roster *r, uint64_t now_ms)
{
	struct roster_member *m = TAILQ_FIRST(&r->told);

	if (m == NULL || now_ms / 1000 - m->told_s < ROSTER_REFRESH_S)
		return NULL;
	m->told_s = now_ms / 1000;
	TAILQ_REMOVE(&r->told, m, by_told);
	TAILQ_INSERT_TAIL(&r->told, m, by_told);
	return m;
}

/* ---- looking in ---------------------------------------------------------------------------- */

void roster_set_dht(struct roster *r, struct roster_session *s, uint16_t port)
{
	r->n_dht += (port != 0) - (s->dht_port != 0);
	s->dht_port = port;
}

uint32_t roster_dht_nodes(const struct roster *r)
{
	return r->n_dht;
}

size_t roster_dht_some(const struct roster *r, uint32_t draw, const struct roster_session **out,
		       size_t cap)
{
	uint32_t skip = r->n_dht == 0 ? 0 : draw % r->n_dht;
	const struct roster_session *s;
	size_t n = 0;

	if (cap > r->n_dht)
		cap = r->n_dht;
	/* Once around. */
	for (int round = 0; round < 2; round++)
		TAILQ_FOREACH(s, &r->silence, by_silence)
		{
			if (s->dht_port == 0 || (round == 0 && skip > 0 && skip--))
				continue;
			if (n == cap)
				return n;
			out[n++] = s;
		}
	return n;
}

uint32_t roster_sessions(const struct roster *r)
{
	return r->n_sessions;
}

uint32_t roster_members(const struct roster *r)
{
	return r->n_members;
}

size_t roster_map_bytes(const struct roster *r)
{
	return r->map_bytes;
}

const uint8_t *roster_hash(const struct roster_member *m)
{
	return m->swarm->hash;
}

bool roster_is_complete(const struct roster_member *m)
{
	return m->left == 0;
}

struct roster_member *roster_tell_next(const struct roster_member *m,
				       const struct roster_member *at)
{
	struct roster_member *next =
	    at == NULL ? LIST_FIRST(&m->swarm->members) : LIST_NEXT(at, of_swarm);

	while (next != NULL && (next->session == m->session || roster_is_complete(next)))
		next = LIST_NEXT(next, of_swarm);
	return next;
}

struct roster_member *roster_introduce(struct roster_member *m)
{
	uint32_t seen = 0, looked = 0;
	struct roster_member *k;

	LIST_FOREACH(k, &m->swarm->members, of_swarm)
	{
		if (++looked > ROSTER_INTRODUCE_LOOK_MAX)
			break;
		if (k->session == m->session || (k->have == 0 && !roster_is_complete(k)))
			continue;
		if (seen++ == m->introduced) {
			m->introduced++;
			return k;
		}
	}
	m->introduced = 0;
	return NULL;
}

static int by_addr(const void *a, const void *b)
{
	const struct roster_member *x = *(const struct roster_member *const *)a;
	const struct roster_member *y = *(const struct roster_member *const *)b;
	int c = memcmp(&x->session->addr, &y->session->addr, sizeof(x->session->addr));

	if (c != 0)
		return c;
	return x->session->id > y->session->id ? -1 : x->session->id < y->session->id;
}

int roster_list(const struct roster *r, const uint8_t hash[SHA1_LEN], struct roster_member ***out,
		size_t *n)
{
	const struct roster_swarm *w = hash_map_find(&r->swarms, hash);
	struct roster_member **list, *m;
	size_t there = 0, kept = 0;

	*out = NULL;
	*n = 0;
	if (w == NULL || w->n == 0)
		return OK;
	list = calloc(w->n, sizeof(*list));
	if (list == NULL)
		return ERR_NOMEM;
	LIST_FOREACH(m, &w->members, of_swarm)
	{
		list[there++] = m;
	}
	qsort(list, there, sizeof(struct roster_member *), by_addr);
	for (size_t i = 0; i < there; i++)
		if (kept == 0 || !addr_eq(&list[kept - 1]->session->addr, &list[i]->session->addr))
			list[kept++] = list[i];
	*out = list;
	*n = kept;
	return OK;
}

/* ---- watching -------------------------------------------------------------------------------- */

int roster_watch(struct roster *r, const uint8_t hash[SHA1_LEN])
{
	struct roster_swarm *w = swarm_get(r, hash);

	if (w == NULL)
		return ERR_NOMEM;
	w->watchers++;
	return OK;
}

void roster_unwatch(struct roster *r, const uint8_t hash[SHA1_LEN])
{
	struct roster_swarm *w = hash_map_find(&r->swarms, hash);
	struct roster_member *m;

	if (--w->watchers > 0)
		return;
	LIST_FOREACH(m, &w->members, of_swarm)
	{
		bitfield_fini(&m->shown);
		m->shown_all = false;
	}
	swarm_put(r, w);
}

bool roster_changed(struct roster *r, const uint8_t hash[SHA1_LEN])
{
	struct roster_swarm *w = hash_map_find(&r->swarms, hash);
	bool changed = w != NULL && w->changed;

	if (w != NULL)
		w->changed = false;
	return changed;
}
