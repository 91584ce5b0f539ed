#include "swarm/swarm.h"

#include <stdlib.h>

#include "swarm/swarm_parts.h"

/* Of HASHES bodies and extension handshakes. */
#define SCRATCH_MAX ((WIRE_HASHES_MAX + WIRE_PROOF_MAX) * SHA256_LEN)

struct swarm *swarm_new(const struct swarm_params *p)
{
	struct swarm *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->meta = p->meta;
	memcpy(s->peer_id, p->peer_id, sizeof(s->peer_id));
	s->port = p->port;
	s->max_peers = swarm_peers_limit(p->max_peers);
	s->dial_peers = SWARM_PEERS_DIAL;
	memcpy(s->client, p->client, sizeof(s->client));
	s->client[sizeof(s->client) - 1] = '\0';
	rng_seed(&s->rng, p->seed);
	addrbook_init(&s->book, &s->rng);
	choker_init(&s->choker, p->upload_slots);
	buf_init(&s->scratch, SCRATCH_MAX);
	s->choke_at_ms = s->check_at_ms = s->idle_at_ms = s->takers_at_ms = UINT64_MAX;
	s->dial_at_ms = s->want_at_ms = s->turnover_at_ms = s->haves_at_ms = UINT64_MAX;
	s->pex_at_ms = s->punch_at_ms = UINT64_MAX;
	s->punches = p->utp && !p->meta->private;
	if (picker_init(&s->picker, p->meta, &s->rng) < 0) {
		swarm_free(s);
		return NULL;
	}
	swarm_count_left(s);
	swarm_rewind_pads(s);
	s->bridge = true;
	if (!swarm_complete(s))
		s->want_at_ms = 0;
	return s;
}

void swarm_free(struct swarm *s)
{
	if (s == NULL)
		return;
	for (uint32_t i = 0; i < s->n_slots; i++)
		peer_free(s->slots[i].peer);
	free(s->slots);
	picker_fini(&s->picker);
	bitfield_fini(&s->given);
	free(s->given_to);
	addrbook_fini(&s->book);
	blame_fini(&s->blame);
	for (uint32_t i = 0; i < s->stale.n_asks; i++)
		free(s->stale.asks[i].leaves);
	free(s->stale.asks);
	free(s->holepunch);
	buf_fini(&s->scratch);
	free(s);
}

int swarm_set_have(struct swarm *s, const struct bitfield *have)
{
	int rc;

	assert(s->n_peers == 0);
	rc = picker_set_have(&s->picker, have);
	if (rc < 0)
		return rc;
	swarm_count_left(s);
	s->want_at_ms = swarm_complete(s) ? UINT64_MAX : 0;
	return 0;
}

const struct bitfield *swarm_have(const struct swarm *s)
{
	return &s->picker.have;
}

void swarm_set_paused(struct swarm *s, bool paused, uint64_t now_ms, struct effects *fx)
{
	struct turn t = {s, now_ms, fx};
	struct peer *p;

	if (s->paused == paused)
		return;
	s->paused = paused;
	if (paused)
		swarm_cancel_all(&t);
	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;)
		swarm_update_interest(&t, p);
	s->returned = s->redial = !paused;
	swarm_rewind_pads(s);
	swarm_settle(&t);
}

/* ---- addresses ----------------------------------------------------------- */

void swarm_on_addresses(struct swarm *s, const struct addr *list, size_t n, enum addr_source src,
			uint64_t now_ms, struct effects *fx)
{
	swarm_on_holders(s, list, n, 0, src, now_ms, fx);
}

void swarm_on_holders(struct swarm *s, const struct addr *list, size_t n, size_t complete,
		      enum addr_source src, uint64_t now_ms, struct effects *fx)
{
	struct turn t = {s, now_ms, fx};

	for (size_t i = 0; i < n; i++) {
		struct address *a = addrbook_add(&s->book, &list[i], src, now_ms);

		if (a != NULL && i < complete)
			a->said_complete = true;
	}
	s->redial = true;
	swarm_settle(&t);
}

void swarm_on_dial_failed(struct swarm *s, const struct addr *a, uint64_t now_ms,
			  struct effects *fx)
{
	struct turn t = {s, now_ms, fx};
	struct address *known = addrbook_find(&s->book, a);

	if (known != NULL && known->state == ADDRESS_DIALING) {
		if (s->n_peers == s->n_sources)
			addrbook_on_failed_alone(&s->book, known, now_ms);
		else
			addrbook_on_failed(&s->book, known, now_ms);
		s->n_in_vain += s->n_in_vain < SWARM_DIALS_MAX;
		swarm_punch(&t, known);
	}
	s->redial = true;
	swarm_settle(&t);
}

void swarm_on_hung_up(struct swarm *s, const struct addr *a, uint64_t now_ms, struct effects *fx)
{
	struct address *known = addrbook_find(&s->book, a);

	/* A list of addresses may be one of somebody's who is no peer at all. */
	if (s->n_peers == s->n_sources && known != NULL && known->state == ADDRESS_DIALING)
		addrbook_on_hung_up(&s->book, known, now_ms); /* and so no dial in vain */
	swarm_on_dial_failed(s, a, now_ms, fx);
}

/* Others would find no place either. */
void swarm_on_not_dialled(struct swarm *s, const struct addr *a, uint64_t now_ms,
			  struct effects *fx)
{
	struct turn t = {s, now_ms, fx};
	struct address *known = addrbook_find(&s->book, a);

	if (known != NULL && known->state == ADDRESS_DIALING) {
		addrbook_put_off(&s->book, known,
				 swarm_complete(s) ? SWARM_PUT_OFF_SEED_MS : SWARM_PUT_OFF_MS,
				 now_ms);
		if (known->due_ms < s->dial_at_ms)
			s->dial_at_ms = known->due_ms;
	}
	swarm_settle(&t);
}

bool swarm_is_dialing(const struct swarm *s, const struct addr *a)
{
	const struct address *known = addrbook_find(&s->book, a);

	return known != NULL && known->state == ADDRESS_DIALING;
}

void swarm_set_self(struct swarm *s, const struct addr *self)
{
	addrbook_set_self(&s->book, self);
}

bool swarm_is_banned(const struct swarm *s, const struct addr *a, uint64_t now_ms)
{
	return addrbook_is_banned(&s->book, a, now_ms);
}

/* ---- time ---------------------------------------------------------------- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t swarm_deadline_ms(const struct swarm *s)
{
	uint64_t at = earlier(earlier(s->choke_at_ms, s->check_at_ms), s->haves_at_ms);

	if (s->pads_due)
		return 0;
	at = earlier(at, earlier(s->idle_at_ms, s->dial_at_ms));
	at = earlier(at, earlier(s->pex_at_ms, s->punch_at_ms));
	at = earlier(at, s->takers_at_ms);
	return earlier(at, earlier(s->want_at_ms, s->turnover_at_ms));
}

/* Keepalives, silent peers; sets when to look again. */
static void check_idle(struct turn *t)
{
	struct swarm *s = t->s;
	uint64_t at = UINT64_MAX;
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;) {
		if (p->source)
			continue;
		if (t->now_ms - p->heard_ms >= SWARM_IDLE_MS) {
			swarm_drop(t, p, "was silent for too long");
			continue;
		}
		if (t->now_ms - p->spoke_ms >= SWARM_KEEPALIVE_MS)
			swarm_say(t, p, WIRE_KEEPALIVE);
		at = earlier(at, p->heard_ms + SWARM_IDLE_MS);
		at = earlier(at, p->spoke_ms + SWARM_KEEPALIVE_MS);
	}
	s->idle_at_ms = at;
}

/* Is there a piece that neither we nor anybody connected has? */
static bool piece_is_nowhere(const struct swarm *s)
{
	const struct picker *k = &s->picker;

	if (k->n_all > 0)
		return false;
	if (picker_alone(k) > 0)
		return true;
	for (uint32_t i = 0; i < k->n_open; i++) {
		if (picker_copies(k, k->open[i]->piece) == 0 && k->open[i]->state != OPEN_PARKED)
			return true;
	}
	return false;
}

void swarm_want_again(struct turn *t)
{
	addrbook_recall(&t->s->book, t->now_ms);
	t->s->want_pause_ms = SWARM_WANT_FIRST_MS / 2;
	t->s->want_at_ms = t->now_ms;
}

void swarm_want_soon(struct swarm *s, uint64_t now_ms)
{
	uint64_t at_ms = s->wanted_ms + SWARM_WANT_FIRST_MS;

	if (at_ms < now_ms)
		at_ms = now_ms;
	if (s->want_at_ms == UINT64_MAX || s->want_pause_ms == 0 || s->want_at_ms <= at_ms ||
	    (s->n_peers > s->n_sources && !piece_is_nowhere(s)))
		return;
	s->want_at_ms = at_ms;
	s->want_pause_ms = SWARM_WANT_FIRST_MS / 2;
}

static void check_want(struct turn *t)
{
	struct swarm *s = t->s;

	if (swarm_complete(s)) {
		s->want_at_ms = UINT64_MAX;
		return;
	}
	if (s->want_pause_ms == 0) {
		/* The shell announces at the start by itself. */
		s->want_pause_ms = SWARM_WANT_FIRST_MS / 2;
		s->wanted_ms = t->now_ms;
	} else if (!s->paused &&
		   (s->n_peers - s->n_sources < SWARM_PEERS_FEW || piece_is_nowhere(s))) {
		effects_add(t->fx, EFFECT_WANT_PEERS, (struct peer_ref){SWARM_NO_SLOT, 0});
		s->wanted_ms = t->now_ms;
		s->want_pause_ms = earlier(s->want_pause_ms * 2, SWARM_WANT_MAX_MS);
	} else {
		s->want_pause_ms = SWARM_WANT_FIRST_MS;
	}
	s->want_at_ms = t->now_ms + s->want_pause_ms;
}

void swarm_on_tick(struct swarm *s, uint64_t now_ms, struct effects *fx)
{
	struct turn t = {s, now_ms, fx};

	if (s->pads_due)
		swarm_begin_pads(&t);
	if (now_ms >= s->haves_at_ms)
		swarm_tell_haves(&t);
	if (now_ms >= s->check_at_ms)
		swarm_check_requests(&t);
	if (now_ms >= s->choke_at_ms)
		swarm_choke_round(&t);
	if (now_ms >= s->takers_at_ms)
		swarm_judge_takers(&t);
	if (now_ms >= s->idle_at_ms)
		check_idle(&t);
	if (now_ms >= s->pex_at_ms)
		swarm_tell_pex(&t);
	if (now_ms >= s->punch_at_ms)
		swarm_check_punches(&t);
	if (now_ms >= s->turnover_at_ms)
		swarm_turn_over(&t);
	if (now_ms >= s->dial_at_ms)
		s->redial = true;
	if (now_ms >= s->want_at_ms)
		check_want(&t);
	swarm_settle(&t);
}
