/* Looking in: numbers for people. */
#include "swarm/swarm_parts.h"

/* Least copies of any piece and how many pieces have more; of missing ones least alone. */
static void count_copies(const struct swarm *s, struct swarm_stats *out)
{
	const struct picker *k = &s->picker;
	uint32_t least = UINT32_MAX, above = 0, rarest = UINT32_MAX;

	for (uint32_t i = 0; i < s->meta->n_pieces; i++) {
		uint32_t copies = picker_copies(k, i);

		if (copies < least) {
			least = copies;
			above = i;
		} else if (copies > least) {
			above++;
		}
		if (copies == 0 && k->n_all == 0) {
			out->sole += bitfield_has(&k->have, i);
			out->nowhere += picker_lacks(k, i);
		}
		if (picker_lacks(k, i) && copies < rarest)
			rarest = copies;
	}
	if (s->meta->n_pieces == 0)
		least = 0;
	else
		out->distributed_milli = (uint32_t)((uint64_t)above * 1000 / s->meta->n_pieces);
	out->distributed_milli += (least + k->n_all) * 1000;
	out->rarest = rarest == UINT32_MAX ? 0 : rarest + k->n_all;
	out->can_complete = swarm_complete(s) || out->rarest > 0;
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
		out->unchoked_by += !p->source && p->am_interested && !p->am_choked;
		out->seeds -= p->source && p->has_all;
		out->sources += p->source && p->rejects == 0;
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
