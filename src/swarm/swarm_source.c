/* Sources: they have the torrent, or part of it, and give whatever they are asked for. In all that
 * concerns pieces they are peers; nobody talks with them. */
#include "swarm/swarm_parts.h"

/* What is asked of a source at once: what it brings in this time, within limits. Less makes many
 * requests of it, more keeps others from what a slow one will not bring soon. */
#define SOURCE_AHEAD_MS 8000u
#define SOURCE_BLOCKS_FIRST 64u
#define SOURCE_BLOCKS_MIN 16u
#define SOURCE_BLOCKS_MAX 1024u

struct peer_ref swarm_add_source(struct swarm *s, uint64_t now_ms, struct effects *fx)
{
	struct turn t = {s, now_ms, fx};
	struct peer_hello h = {.fast = true, .incoming = true};
	struct peer_ref ref = {SWARM_NO_SLOT, 0};
	struct peer *p;

	if (s->n_sources < SWARM_SOURCES_MAX)
		ref = swarm_take_slot(s);
	p = ref.slot == SWARM_NO_SLOT ? NULL : peer_new(&h, ref, now_ms);
	if (p == NULL)
		return (struct peer_ref){SWARM_NO_SLOT, 0};
	p->source = true;
	p->am_choked = false;
	s->slots[ref.slot].peer = p;
	s->n_peers++;
	s->n_sources++;
	swarm_on_have_all(&t, p, true);
	swarm_settle(&t);
	return ref;
}

void swarm_tell_source(struct turn *t, const struct peer *p, enum wire_type type)
{
	const struct effect *last = t->fx->n == 0 ? NULL : &t->fx->list[t->fx->n - 1];

	if (type != WIRE_REQUEST && type != WIRE_CANCEL)
		return;
	if (last != NULL && last->type == EFFECT_FETCH && last->peer.slot == p->ref.slot)
		return;
	effects_add(t->fx, EFFECT_FETCH, p->ref);
}

uint32_t swarm_source_depth(const struct peer *p, uint64_t now_ms)
{
	uint64_t n;

	if (p->down_bytes == 0)
		return SOURCE_BLOCKS_FIRST;
	n = rate_bps(&p->down, now_ms) * SOURCE_AHEAD_MS / 1000 / BLOCK_BYTES;
	if (n < SOURCE_BLOCKS_MIN)
		return SOURCE_BLOCKS_MIN;
	return n < SOURCE_BLOCKS_MAX ? (uint32_t)n : SOURCE_BLOCKS_MAX;
}

/* Has a peer everything that is no source? */
static bool has_seeds(const struct swarm *s)
{
	uint32_t full = 0;
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;)
		full += p->source && p->has_all;
	return s->picker.n_all > full;
}

bool swarm_pick_for_source(struct turn *t, struct peer *p, uint32_t *piece, uint32_t *block)
{
	return picker_pick_run(&t->s->picker, &p->asker, has_seeds(t->s), t->now_ms, piece, block);
}

static struct peer *find_source(const struct swarm *s, struct peer_ref ref)
{
	struct peer *p = swarm_find(s, ref);

	return p != NULL && p->source ? p : NULL;
}

static void rest(struct turn *t, struct peer *p)
{
	swarm_release(t, p, REQUEST_GHOST);
	requests_clear(&p->asks);
	p->n_late = p->partial = 0;
	p->snubbed = false;
	swarm_unreserve(t, p);
}

void swarm_urge_sources(struct turn *t)
{
	const struct picker *k = &t->s->picker;
	uint32_t piece = k->n_urgent == 0 ? PICKER_NONE : k->urgent[0].piece;
	const struct open_piece *o = picker_open(k, piece);
	struct peer *p;

	if (piece == PICKER_NONE || (o != NULL && o->n_free == 0))
		return;
	for (uint32_t i = 0; (p = swarm_next_peer(t->s, &i)) != NULL;) {
		if (p->source && p->n_live > 0 && peer_has(p, piece))
			rest(t, p);
	}
}

void swarm_source_rest(struct swarm *s, struct peer_ref ref, uint64_t hold_ms, uint64_t now_ms,
		       struct effects *fx)
{
	struct turn t = {s, now_ms, fx};
	struct peer *p = find_source(s, ref);

	if (p == NULL)
		return;
	rest(&t, p);
	p->hold_until_ms = now_ms + hold_ms;
	p->rejects += hold_ms > 0;
	s->returned = true;
	swarm_settle(&t);
}

void swarm_source_lacks(struct swarm *s, struct peer_ref ref, uint32_t first, uint32_t n,
			uint64_t now_ms, struct effects *fx)
{
	struct turn t = {s, now_ms, fx};
	struct peer *p = find_source(s, ref);

	if (p == NULL)
		return;
	rest(&t, p);
	for (uint32_t i = 0; i < n && swarm_on_donthave(&t, p, first + i); i++)
		;
	s->returned = true;
	swarm_settle(&t);
}

bool swarm_source_has_wanted(const struct swarm *s, struct peer_ref ref)
{
	const struct peer *p = find_source(s, ref);

	return p != NULL && p->wanted > 0;
}

bool swarm_has_givers(const struct swarm *s)
{
	const struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;)
		if (!p->source && p->wanted > 0)
			return true;
	return false;
}
