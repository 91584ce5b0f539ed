#include "swarm/peer.h"

#include <stdlib.h>

#include "wire/handshake.h"

/* What an untried peer is believed to take for its first block. */
#define ETA_UNTRIED_MS 1000u
#define PATIENCE_MIN_MS 3000u
#define PATIENCE_UNTRIED_MS 6000u

struct peer *peer_new(const struct peer_hello *h, struct peer_ref ref, uint64_t now_ms)
{
	struct peer *p = aligned_alloc(PEER_LINE_BYTES, sizeof(*p));

	if (p == NULL)
		return NULL;
	*p = (struct peer){.ref = ref};
	p->addr = h->addr;
	if (!h->incoming)
		p->listen = h->addr;
	memcpy(p->peer_id, h->peer_id, sizeof(p->peer_id));
	p->incoming = h->incoming;
	p->utp = h->utp;
	p->fast = h->fast;
	p->extended = h->extended;
	p->v2 = h->v2;
	p->shoal = handshake_is_shoal(h->peer_id);
	_Static_assert(sizeof(p->client) == CLIENT_TEXT_MAX, "one size of client names");
	handshake_client(p->client, h->peer_id);
	p->am_choked = p->is_choked = true;
	p->asker.ref = ref;
	p->asker.has = &p->has;
	p->asker.current = PICKER_NONE;
	p->leaf_piece = p->asked_piece = PICKER_NONE;
	pipeline_init(&p->pipe);
	p->rtt_us = h->rtt_us;
	p->connected_ms = p->heard_ms = p->spoke_ms = p->progress_ms = now_ms;
	p->choke_ms = p->idle_ms = p->gave_ms = now_ms;
	return p;
}

void peer_free(struct peer *p)
{
	if (p == NULL)
		return;
	requests_fini(&p->asks);
	requests_fini(&p->queue);
	bitfield_fini(&p->has);
	free(p->pex_told);
	free(p->giving);
	free(p);
}

uint32_t peer_have_count(const struct peer *p, uint32_t n_pieces)
{
	if (p->has_all)
		return n_pieces;
	return p->has.bits == NULL ? 0 : p->has.count;
}

uint64_t peer_eta_ms(const struct peer *p, uint32_t ahead, uint64_t now_ms)
{
	uint64_t silent = p->n_live > 0 ? now_ms - p->progress_ms : 0;
	uint64_t bps, ms;

	if (p->down_bytes == 0)
		return ETA_UNTRIED_MS + p->rtt_us / 1000 + silent + ahead;
	bps = rate_bps(&p->down, now_ms);
	if (bps < 1024)
		bps = 1024;
	ms = p->rtt_us / 1000 + (uint64_t)(ahead + 1) * p->pipe.block_bytes * 1000 / bps;
	return silent > ms / 2 + 100 ? ms + silent : ms;
}

uint64_t peer_patience_ms(const struct peer *p)
{
	uint64_t ms = 2000 + 4u * (uint64_t)p->answer_ms + p->rtt_us / 250;

	if (p->answer_ms == 0)
		ms = PATIENCE_UNTRIED_MS;
	if (ms < PATIENCE_MIN_MS)
		ms = PATIENCE_MIN_MS;
	return ms < SWARM_REQUEST_TIMEOUT_MAX_MS ? ms : SWARM_REQUEST_TIMEOUT_MAX_MS;
}

void peer_note_answer(struct peer *p, uint64_t took_ms)
{
	uint32_t ms = took_ms > 60000 ? 60000 : (uint32_t)took_ms + 1;

	p->answer_ms = p->answer_ms == 0 ? ms : (p->answer_ms * 7 + ms) / 8;
}
