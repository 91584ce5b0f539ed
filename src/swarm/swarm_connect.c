/* Who is let in, who is sent away, who is dialled. */
#include <stdlib.h>

#include "swarm/swarm_parts.h"

/* Connections younger than this may be the other half of two dials at once. */
#define TWIN_MS 15000u
#define TWIN_SILENT_MS 10000u

/* ---- leaving ------------------------------------------------------------- */

/* Take everything back that the peer's existence means, and free it. */
static void forget(struct turn *t, struct peer *p)
{
	struct swarm *s = t->s;
	struct address *a = addrbook_find(&s->book, &p->listen);
	uint32_t slot = p->ref.slot;

	swarm_release(t, p, REQUEST_GHOST);
	picker_leave(&s->picker, &p->asker);
	swarm_forget_pieces(s, p);
	swarm_forget_given(s, p);
	swarm_count_place(s, p, false);
	s->slots[slot].peer = NULL;
	s->slots[slot].gen++;
	s->n_peers--;
	s->n_sources -= p->source;
	s->n_stalled -= p->stalled;
	swarm_unreserve(t, p);
	swarm_forget_stale(s, p);
	swarm_leaves_failed(t, p);
	if (a != NULL && a->state == ADDRESS_CONNECTED) {
		bool useful = p->down_bytes > 0 || p->up_bytes > 0 ||
			      t->now_ms - p->connected_ms > SWARM_REDIAL_LATER_MS;

		if (p->down_bytes > 0)
			a->good = true;
		addrbook_on_closed(&s->book, a, useful, t->now_ms);
		if (!p->incoming)
			a->reached_ms = t->now_ms;
	}
	s->places = s->redial = true;
	swarm_want_soon(s, t->now_ms);
	if (s->n_peers == 0)
		s->choke_at_ms = s->check_at_ms = s->idle_at_ms = UINT64_MAX;
	peer_free(p);
}

void swarm_drop(struct turn *t, struct peer *p, const char *reason)
{
	struct effect *e = effects_add(t->fx, EFFECT_CLOSE, p->ref);

	if (e != NULL)
		e->reason = reason;
	forget(t, p);
}

void swarm_on_closed(struct swarm *s, struct peer_ref ref, uint64_t now_ms, struct effects *fx)
{
	struct turn t = {s, now_ms, fx};
	struct peer *p = swarm_find(s, ref);

	if (p == NULL)
		return;
	forget(&t, p);
	swarm_settle(&t);
}

/* ---- bans ---------------------------------------------------------------- */

static void ban_addr(struct turn *t, const struct addr *a, const char *reason)
{
	struct swarm *s = t->s;
	struct effect *e;
	struct peer *p;

	if (addrbook_is_banned(&s->book, a, t->now_ms) ||
	    addrbook_ban(&s->book, a, t->now_ms, SWARM_BAN_MS) < 0)
		return;
	e = effects_add(t->fx, EFFECT_BAN, (struct peer_ref){SWARM_NO_SLOT, 0});
	if (e != NULL) {
		e->u.addr = *a;
		e->reason = reason;
	}
	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;) {
		if (addrbook_covers(a, &p->addr) ||
		    (p->listen.port != 0 && addrbook_covers(a, &p->listen)))
			swarm_drop(t, p, reason);
	}
}

void swarm_ban(struct turn *t, const struct sender *who, const char *reason)
{
	struct peer *p = swarm_find(t->s, who->ref);
	struct addr listen = {0};

	if (p != NULL && p->source) {
		swarm_drop(t, p, reason);
		return;
	}
	/* A source that is gone already. */
	if (who->addr.port == 0)
		return;
	if (p != NULL)
		listen = p->listen;
	ban_addr(t, &who->addr, reason);
	if (listen.port != 0)
		ban_addr(t, &listen, reason);
}

void swarm_breach(struct turn *t, struct peer *p, const char *reason)
{
	struct sender who = {p->ref, p->addr};
	struct address *a = addrbook_find(&t->s->book, &p->listen);
	struct addr listen = p->listen;

	if (addrbook_strike(&t->s->book, listen.port != 0 ? &listen : &p->addr, t->now_ms)) {
		swarm_ban(t, &who, reason);
		return;
	}
	swarm_drop(t, p, reason);
	if (a != NULL)
		addrbook_delay(&t->s->book, a, SWARM_REDIAL_LATER_MS, t->now_ms);
}

void swarm_on_malformed(struct swarm *s, struct peer_ref ref, uint64_t now_ms, struct effects *fx)
{
	struct turn t = {s, now_ms, fx};
	struct peer *p = swarm_find(s, ref);

	if (p == NULL)
		return;
	swarm_breach(&t, p, "sent a message that cannot be read");
	swarm_settle(&t);
}

/* ---- those we have no use for -------------------------------------------- */

bool swarm_is_useless(const struct swarm *s, const struct peer *p)
{
	return !p->source && swarm_complete(s) && swarm_needs_nothing(p);
}

void swarm_drop_useless(struct turn *t)
{
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(t->s, &i)) != NULL;) {
		if (swarm_is_useless(t->s, p))
			swarm_drop(t, p, "neither of us needs anything");
	}
}

/* ---- arriving ------------------------------------------------------------ */

static struct peer *find_twin(const struct swarm *s, const uint8_t peer_id[20])
{
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;) {
		if (!p->source && memcmp(p->peer_id, peer_id, 20) == 0)
			return p;
	}
	return NULL;
}

/* Two connections with one peer: which stays? When both dialled, the one that the greater peer
 * id dialled, which both sides see alike. When the old one is not new any more, the other side
 * has lost it, or it would not have dialled: the new one stays, if it is from the same host. From
 * another one, where the peer may be by now, only if the old one gives nothing of what it should or
 * is silent: otherwise whoever has seen a peer's id could have us hang up on it while it is of use.
 * In a swarm where anything goes on nobody is silent for that long. */
static bool newcomer_wins(const struct turn *t, const struct peer *old, const struct peer_hello *h)
{
	bool we_are_greater = memcmp(t->s->peer_id, h->peer_id, 20) > 0;

	if (t->now_ms - old->connected_ms > TWIN_MS)
		return old->snubbed || t->now_ms - old->heard_ms > TWIN_SILENT_MS ||
		       (h->incoming && addr_same_host(&old->addr, &h->addr));
	if (old->incoming == h->incoming)
		return false;
	return we_are_greater != h->incoming;
}

/* Whichever end of a dial to ourselves is looked at first, it is not made again. */
static void note_self(struct swarm *s, const struct peer_hello *h)
{
	struct addr at = h->addr;
	struct address *a;

	if (h->incoming)
		at.port = swarm_port_for(s, &at);
	a = addrbook_find(&s->book, &at);
	if (a != NULL)
		a->self = true;
}

/* Why the peer shall not come in, or NULL. */
static const char *refuse(struct turn *t, const struct peer_hello *h)
{
	struct swarm *s = t->s;
	struct peer *twin;

	if (memcmp(h->peer_id, s->peer_id, 20) == 0) {
		note_self(s, h);
		return "that is ourselves";
	}
	if (addrbook_is_banned(&s->book, &h->addr, t->now_ms))
		return "is banned";
	twin = find_twin(s, h->peer_id);
	if (twin != NULL) {
		if (!newcomer_wins(t, twin, h))
			return "is connected already";
		swarm_drop(t, twin, "is connected a second time");
	}
	if (s->n_peers - s->n_sources < s->max_peers)
		return NULL;
	return swarm_make_room(t, h) ? NULL : "there are enough peers";
}

struct peer_ref swarm_take_slot(struct swarm *s)
{
	uint32_t n = s->n_slots == 0 ? 8 : s->n_slots * 2;
	struct slot *slots;

	for (uint32_t i = 0; i < s->n_slots; i++) {
		if (s->slots[i].peer == NULL)
			return (struct peer_ref){i, s->slots[i].gen};
	}
	slots = realloc(s->slots, n * sizeof(*slots));
	if (slots == NULL)
		return (struct peer_ref){SWARM_NO_SLOT, 0};
	memset(slots + s->n_slots, 0, (n - s->n_slots) * sizeof(*slots));
	s->slots = slots;
	s->n_slots = n;
	return swarm_take_slot(s);
}

static void say_hello(struct turn *t, struct peer *p, bool met)
{
	const struct bitfield *have = &t->s->picker.have;

	assert(!met || have->count == 0);
	if (p->fast && bitfield_full(have))
		swarm_say(t, p, WIRE_HAVE_ALL);
	else if (p->fast && have->count == 0 && !met)
		swarm_say(t, p, WIRE_HAVE_NONE);
	else if (have->count > 0)
		swarm_send(t, p,
			   &(struct wire_msg){.type = WIRE_BITFIELD,
					      .body = {have->bits, bitfield_bytes(have->n)}});
	if (p->extended)
		swarm_put_extension(t, p);
	/* rtorrent waits for whatever may come in the place of a BITFIELD, and tells nothing of
	 * what it has until then; it says this itself. */
	if (p->extended && !p->fast && have->count == 0 && !met)
		swarm_say(t, p, WIRE_KEEPALIVE);
	if (bitfield_full(have))
		swarm_invite(t, p);
}

static struct peer_ref turn_away(struct turn *t, const struct peer_hello *h, const char *reason,
				 const char **why)
{
	struct address *a = addrbook_find(&t->s->book, &h->addr);

	*why = reason;
	if (!h->incoming && a != NULL && a->state == ADDRESS_DIALING) {
		struct peer *twin = find_twin(t->s, h->peer_id);

		addrbook_set_state(&t->s->book, a, ADDRESS_IDLE);
		addrbook_delay(&t->s->book, a, SWARM_REDIAL_LATER_MS, t->now_ms);
		if (twin != NULL && twin->listen.port == 0) {
			/* Now we know where to find it when this connection ends. */
			twin->listen = h->addr;
			a->seed = swarm_needs_nothing(twin);
			addrbook_set_state(&t->s->book, a, ADDRESS_CONNECTED);
		}
	}
	t->s->redial = true;
	swarm_settle(t);
	return (struct peer_ref){SWARM_NO_SLOT, 0};
}

struct peer_ref swarm_on_connected(struct swarm *s, const struct peer_hello *h, uint64_t now_ms,
				   const char **why, struct effects *fx)
{
	struct turn t = {s, now_ms, fx};
	struct address *a = h->incoming ? NULL : addrbook_find(&s->book, &h->addr);
	const char *reason = refuse(&t, h);
	struct peer_ref ref;
	struct peer *p;

	if (reason != NULL)
		return turn_away(&t, h, reason, why);
	ref = swarm_take_slot(s);
	p = ref.slot == SWARM_NO_SLOT ? NULL : peer_new(h, ref, now_ms);
	if (p == NULL)
		return turn_away(&t, h, "there is no memory", why);
	s->slots[ref.slot].peer = p;
	s->n_peers++;
	if (h->met && !h->incoming)
		a = addrbook_add(&s->book, &h->addr, SOURCE_TRACKER, now_ms);
	if (a != NULL) {
		addrbook_set_state(&s->book, a, ADDRESS_CONNECTED);
		s->n_in_vain = 0;
	}
	if (s->idle_at_ms > now_ms + SWARM_KEEPALIVE_MS)
		s->idle_at_ms = now_ms + SWARM_KEEPALIVE_MS;
	buf_clear(&s->scratch);
	say_hello(&t, p, h->met);
	s->redial = true;
	swarm_settle(&t);
	return ref;
}

/* ---- dialling ------------------------------------------------------------ */

uint32_t swarm_most_to_dial(const struct swarm *s)
{
	return s->max_peers - s->max_peers / 4;
}

bool swarm_is_silent_guest(const struct turn *t, const struct peer *p)
{
	return p->incoming && !swarm_complete(t->s) &&
	       (p->down_bytes == 0 || t->now_ms - p->gave_ms >= SWARM_GENEROUS_MS);
}

uint32_t swarm_silent_guests_most(const struct swarm *s)
{
	uint32_t most = swarm_most_to_dial(s) / 2;

	return most < SWARM_SILENT_MAX ? most : SWARM_SILENT_MAX;
}

uint32_t swarm_count_peers(const struct turn *t)
{
	uint32_t n = t->s->book.n_dialing, silent = 0, most = swarm_silent_guests_most(t->s);
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(t->s, &i)) != NULL;) {
		if (swarm_is_silent_guest(t, p))
			silent++;
		else
			n += !p->source;
	}
	return n + (silent < most ? silent : most);
}

/* While there are few peers each dial in vain lets one more be under way: in a list of mostly dead
 * addresses those that live are found at the pace of SWARM_DIALS_MAX. */
bool swarm_has_enough(const struct turn *t)
{
	const struct swarm *s = t->s;
	uint32_t most = swarm_most_to_dial(s), enough = s->dial_peers < most ? s->dial_peers : most;

	if (s->n_peers - s->n_sources < SWARM_PEERS_FEW)
		enough += s->n_in_vain;
	if (s->try_peers > enough)
		enough = s->try_peers;
	return swarm_count_peers(t) >= enough;
}

static enum address_wish wish_for(const struct swarm *s)
{
	uint32_t said;

	if (swarm_complete(s))
		return WISH_LACKING;
	/* Those that came to us count as well as those we dialled. */
	said = addrbook_complete(&s->book);
	return said < SWARM_COMPLETE_FEW && s->picker.n_all < SWARM_COMPLETE_FEW ? WISH_COMPLETE
										 : WISH_ANY;
}

void swarm_dial(struct turn *t)
{
	struct swarm *s = t->s;

	s->redial = false;
	s->dial_at_ms = UINT64_MAX;
	if (s->paused)
		return;
	while (s->book.n_dialing < SWARM_DIALS_MAX && !swarm_has_enough(t)) {
		struct address *a = addrbook_dial(&s->book, wish_for(s), t->now_ms, &s->dial_at_ms);
		struct effect *e;

		if (a == NULL)
			return;
		e = effects_add(t->fx, EFFECT_DIAL, (struct peer_ref){SWARM_NO_SLOT, 0});
		if (e == NULL) {
			addrbook_set_state(&s->book, a, ADDRESS_IDLE);
			return;
		}
		e->u.addr = a->addr;
		if (a->punch)
			swarm_punch(t, a);
		s->dial_at_ms = UINT64_MAX;
	}
	if (swarm_has_enough(t) && !swarm_complete(s) && s->turnover_at_ms == UINT64_MAX)
		swarm_begin_turnover(t);
}
