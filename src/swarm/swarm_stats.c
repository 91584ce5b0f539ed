/* Looking in: numbers for people. */
#include "swarm/swarm_parts.h"

/* Least copies of any piece, and how many pieces have more. Two simple walks, which a compiler
 * makes many pieces at a time: there may be two million, and people look each second. */
static uint32_t least_copies(const struct picker *k, uint32_t *above)
{
	uint32_t n = k->have.n, more = 0;
	uint16_t least = UINT16_MAX;

	for (uint32_t i = 0; i < n; i++)
		least = k->avail[i] < least ? k->avail[i] : least;
	for (uint32_t i = 0; i < n; i++)
		more += k->avail[i] > least;
	*above = more;
	return n == 0 ? 0 : least - k->low;
}

/* Pieces that we have and no peer with part of the torrent, of `alone` that no such peer has. */
static uint32_t count_sole(const struct picker *k, uint32_t alone, uint32_t lacking)
{
	const struct bitfield *have = &k->have;
	uint32_t n = 0;

	if (k->plan == NULL)
		return alone - lacking; /* what is not had is lacking */
	for (uint32_t i = bitfield_next_set(have, 0); i < have->n;
	     i = bitfield_next_set(have, i + 1))
		n += picker_copies(k, i) == 0;
	return n;
}

static void count_copies(const struct swarm *s, struct swarm_stats *out)
{
	const struct picker *k = &s->picker;
	uint32_t n = s->meta->n_pieces, above, lacking;
	uint32_t least = least_copies(k, &above), rarest = picker_rarest(k, &lacking);

	out->distributed_milli = (least + k->n_all) * 1000;
	if (n > 0)
		out->distributed_milli += (uint32_t)((uint64_t)above * 1000 / n);
	if (k->n_all == 0) {
		out->nowhere = lacking;
		out->sole = count_sole(k, least == 0 ? n - above : 0, lacking);
	}
	out->rarest = rarest == UINT32_MAX ? 0 : rarest + k->n_all;
	out->can_complete = swarm_complete(s) || out->rarest > 0;
}

/* Not one that failed when it was last asked, nor while anything is missing one that has none of
 * that: who fetches from it alone waits in vain. */
static bool is_serving(const struct swarm *s, const struct peer *p)
{
	return p->source && p->rejects == 0 && (p->wanted > 0 || swarm_complete(s));
}

void swarm_traffic(const struct swarm *s, uint64_t now_ms, struct swarm_stats *out)
{
	struct peer *p;

	*out = (struct swarm_stats){.down_bytes = s->down_bytes,
				    .up_bytes = s->up_bytes,
				    .wasted_bytes = s->wasted_bytes,
				    .kept_bytes = s->kept_bytes,
				    .down_bps = rate_shown_bps(&s->down, now_ms),
				    .up_bps = rate_shown_bps(&s->up, now_ms),
				    .left_bytes = s->left_bytes,
				    .missing_bytes = s->left_bytes + s->unwanted_bytes,
				    .pieces = s->meta->n_pieces,
				    .have = s->picker.have.count,
				    .peers = s->n_peers - s->n_sources,
				    .seeds = s->picker.n_all,
				    .dialing = s->book.n_dialing,
				    .trying = s->book.n_first,
				    .addresses = s->book.n};
	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;) {
		out->seeds -= p->source && p->has_all;
		out->sources += is_serving(s, p);
		out->source_bytes += p->source ? p->down_bytes : 0;
	}
}

void swarm_stats(const struct swarm *s, uint64_t now_ms, struct swarm_stats *out)
{
	swarm_traffic(s, now_ms, out);
	count_copies(s, out);
}

uint32_t swarm_peers(const struct swarm *s, uint64_t now_ms, struct swarm_peer *out, uint32_t cap)
{
	struct peer *p;
	uint32_t n = 0;

	for (uint32_t i = 0; n < cap && (p = swarm_next_peer(s, &i)) != NULL;) {
		struct swarm_peer *o = &out[n];

		if (p->source)
			continue;
		n++;
		*o = (struct swarm_peer){.ref = p->ref,
					 .addr = p->addr,
					 .incoming = p->incoming,
					 .utp = p->utp,
					 .shoal = p->shoal,
					 .have = peer_have_count(p, s->meta->n_pieces),
					 .am_choked = p->am_choked,
					 .am_interested = p->am_interested,
					 .is_choked = p->is_choked,
					 .is_interested = p->is_interested,
					 .snubbed = p->snubbed,
					 .down_bps = rate_shown_bps(&p->down, now_ms),
					 .up_bps = rate_shown_bps(&p->up, now_ms),
					 .down_bytes = p->down_bytes,
					 .up_bytes = p->up_bytes,
					 .rtt_us = p->rtt_us,
					 .queue = p->n_live};
		memcpy(o->client, p->client, sizeof(o->client));
	}
	return s->n_peers - s->n_sources;
}
