/* node/transfer_view.c - how a transfer stands, for whoever asks. */
#include <stdlib.h>

#include "node/explain.h"
#include "node/link.h"

void transfer_status(const struct transfer *t, struct transfer_status *out)
{
	struct announcer_status a;

	*out = (struct transfer_status){
	    .phase = t->phase,
	    .total_bytes = t->meta->total_bytes,
	    .done_bytes = t->done_bytes,
	    .checked_bytes = t->checked_bytes,
	    .to_check_bytes = t->to_check_bytes,
	};
	err_kept_get(&t->why, &out->why);
	transfer_plan_status(t, out);
	swarm_stats(t->swarm, transfer_now_ms(t), &out->swarm);
	announcer_status(t->announcer, &a);
	out->tracker_ok = a.ok;
	out->tracker_failed = a.failed;
	out->tracker_error = a.error;
	out->tracker_peers = a.peers;
	out->item_nodes = t->item.nodes;
	out->item_is_old = t->item.is_old;
	out->item_newest = t->item.newest;
}

bool transfer_is_alone(const struct transfer_status *st)
{
	const struct swarm_stats *s = &st->swarm;

	return st->phase == TRANSFER_DOWNLOADING && s->trying == 0 && s->sources == 0 &&
	       (s->peers == 0 || (!s->can_complete && s->down_bps == 0));
}

enum transfer_phase transfer_phase_now(const struct transfer *t)
{
	return t->phase;
}

const struct bitfield *transfer_have(const struct transfer *t)
{
	return swarm_have(t->swarm);
}

int transfer_verified(const struct transfer *t, struct verified *out)
{
	return store_verified(t->store, out);
}

bool transfer_has_bad(const struct transfer *t)
{
	return store_has_bad(t->store);
}

const char *transfer_title(const struct transfer *t)
{
	return t->title;
}

const struct metainfo *transfer_meta(const struct transfer *t)
{
	return t->meta;
}

uint32_t transfer_peers(const struct transfer *t, struct swarm_peer *out, uint32_t cap)
{
	return swarm_peers(t->swarm, transfer_now_ms(t), out, cap);
}

static void count_peers(const struct transfer *t, struct explain_facts *out)
{
	struct swarm_peer *list = calloc(SWARM_PEERS_MAX, sizeof(*list));
	uint32_t n = list == NULL ? 0 : transfer_peers(t, list, SWARM_PEERS_MAX);

	for (uint32_t i = 0; i < n && i < SWARM_PEERS_MAX; i++) {
		const struct swarm_peer *p = &list[i];

		out->useful += p->am_interested;
		out->unchoked += p->am_interested && !p->am_choked;
		out->snubbed += p->am_interested && !p->am_choked && p->snubbed;
		out->requests += p->queue;
		if (p->down_bps <= out->best_bps)
			continue;
		out->best_bps = p->down_bps;
		out->best_rtt_us = p->rtt_us;
	}
	free(list);
}

void explain_gather(struct transfer *t, struct transfer_status *st, struct explain_facts *out)
{
	transfer_status(t, st);
	*out = (struct explain_facts){
	    .phase = st->phase,
	    .why = st->why.code == OK ? "" : st->why.text,
	    .total_bytes = st->wanted_bytes,
	    .done_bytes = st->wanted_done_bytes,
	    .down_bps = st->swarm.down_bps,
	    .run_ms = t->live_ms == 0 ? 0 : transfer_now_ms(t) - t->live_ms,
	    .disk_wait_ms = store_waited_ms(t->store),
	    .peers = st->swarm.peers,
	    .seeds = st->swarm.seeds,
	    .sources = st->swarm.sources,
	    .dialing = st->swarm.dialing,
	    .addresses = st->swarm.addresses,
	    .nowhere = st->swarm.nowhere,
	    .tracker_ok = st->tracker_ok,
	    .tracker_failed = st->tracker_failed,
	    .tracker_error = st->tracker_error.code == OK ? "" : st->tracker_error.text,
	};
	throttle_explain(t, out);
	count_peers(t, out);
}
