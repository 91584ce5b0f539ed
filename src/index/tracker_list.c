#include "index/tracker_impl.h"

static void describe(const struct tracker *t, const struct card *b, uint32_t at,
		     struct tracker_peer *out)
{
	const struct facts *f = facts_at(b, at);
	const struct card *s = b->kind == CARD_LEAF ? card_at(t, b->as.leaf.swarm) : b;

	memset(out, 0, sizeof(*out));
	peer_addr(b, bunch_at(b, at), &out->addr);
	memcpy(out->client_id, t->clients[f->client].id, CLIENT_ID_LEN);
	memcpy(out->info_hash, s->as.swarm.info_hash, sizeof(out->info_hash));
	out->left = facts_left(f);
	out->since_s = t->epoch_s + facts_since(t, f);
	out->seen_s = t->epoch_s + facts_seen(t, f);
}

struct list {
	struct tracker_peer *out;
	size_t n, cap;
};

/* Places from..to of a bunch. */
static void list_bunch(const struct tracker *t, const struct card *b, uint32_t from, uint32_t to,
		       struct list *l)
{
	for (uint32_t i = from; i < to && l->n < l->cap; i++) {
		if (!facts_is_expired(t, facts_at(b, i)))
			describe(t, b, i, &l->out[l->n++]);
	}
}

/* Returns how many there are. */
static size_t list_some(const struct tracker *t, uint32_t swarm, bool seeds, struct list *l)
{
	const struct card *s = card_at(t, swarm);

	if (!s->is_crowd) {
		list_bunch(t, s, seeds ? 0 : s->n_seeds, seeds ? s->n_seeds : s->n, l);
	} else {
		const struct side *side = &s->peers.crowd->sides[seeds];

		for (uint32_t i = 0; i < side->n && l->n < l->cap; i++) {
			const struct card *b = card_at(t, side->leaves[i].card);

			list_bunch(t, b, 0, b->n, l);
		}
	}
	return seeds ? swarm_counts(s).seeds : swarm_counts(s).leeches;
}

size_t tracker_peers(struct tracker *t, const uint8_t info_hash[20], uint64_t now_s,
		     struct tracker_peer *out, size_t cap)
{
	struct list l = {out, 0, cap};
	struct scrape_row row;
	uint64_t hash = table_hash(t, info_hash);
	size_t there = 0;

	tracker_scrape(t, info_hash, now_s, &row); /* brings it up to date */
	for (int seeds = 1; seeds >= 0; seeds--) {
		for (int v6 = 0; v6 < 2; v6++) {
			uint32_t swarm = table_find(t, hash, info_hash, v6);

			if (swarm != NONE)
				there += list_some(t, swarm, seeds, &l);
		}
	}
	return l.n < cap ? l.n : there;
}

void tracker_each(struct tracker *t, uint64_t now_s,
		  int (*each)(void *user, const struct tracker_peer *p), void *user)
{
	struct tracker_peer about;

	tracker_tick(t, now_s);
	for (uint32_t i = 0; i < t->n_slabs * SLAB_CARDS; i++) {
		const struct card *b =
		    t->slabs[i / SLAB_CARDS].memory == NULL ? NULL : card_at(t, i);

		for (uint32_t k = 0; b != NULL && b->kind != CARD_FREE && k < b->n; k++) {
			if (facts_is_expired(t, facts_at(b, k)))
				continue;
			describe(t, b, k, &about);
			if (each(user, &about) != 0)
				return;
		}
	}
}
