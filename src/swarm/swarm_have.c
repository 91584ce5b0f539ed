/* Who has which piece, and whether that is of interest to us. */
#include "swarm/swarm_parts.h"

bool swarm_is_wanted(const struct swarm *s, const struct peer *p)
{
	return p->wanted > 0 && !s->paused && (!p->far || (s->bridge && !p->spare));
}

void swarm_update_interest(struct turn *t, struct peer *p)
{
	bool interested = swarm_is_wanted(t->s, p);

	if (p->am_interested == interested)
		return;
	p->am_interested = interested;
	if (!interested && !p->is_interested)
		p->idle_ms = t->now_ms;
	/* It may be that nothing is asked of it at this moment, for what it rejected before. */
	if (interested && !p->am_choked)
		swarm_check_soon(t);
	swarm_say(t, p, interested ? WIRE_INTERESTED : WIRE_NOT_INTERESTED);
}

static uint32_t count_among(const struct swarm *s, const struct bitfield *has)
{
	const struct bitfield *have = &s->picker.have;
	uint32_t n = 0;

	if (s->picker.plan != NULL) {
		for (uint32_t i = 0; i < has->n; i++)
			n += bitfield_has(has, i) && picker_lacks(&s->picker, i);
		return n;
	}
	for (size_t i = 0; i < bitfield_bytes(has->n); i++)
		n += (uint32_t)__builtin_popcount(has->bits[i] & ~have->bits[i] & 0xffu);
	return n;
}

void swarm_count_wanted(const struct swarm *s, struct peer *p)
{
	if (p->has_all)
		p->wanted = picker_missing(&s->picker);
	else
		p->wanted = p->has.bits == NULL ? 0 : count_among(s, &p->has);
}

void swarm_note_needs(struct turn *t, const struct peer *p)
{
	struct address *a = addrbook_find(&t->s->book, &p->listen);

	if (a != NULL)
		a->seed = swarm_needs_nothing(p);
}

/* What others say of it is settled by what it says itself. */
static void note_seed(struct turn *t, const struct peer *p)
{
	struct address *a = addrbook_find(&t->s->book, &p->listen);

	if (a != NULL)
		a->said_complete = p->has_all;
	swarm_note_needs(t, p);
}

/* What the peer has was learnt. False: it was sent away. */
static bool use_pieces(struct turn *t, struct peer *p)
{
	if (p->has_all)
		note_seed(t, p);
	if (swarm_is_useless(t->s, p)) {
		swarm_drop(t, p, "neither of us needs anything");
		return false;
	}
	swarm_update_interest(t, p);
	swarm_refill(t, p);
	return true;
}

static void become_full(struct turn *t, struct peer *p)
{
	struct swarm *s = t->s;
	bool near = p->is_near;

	swarm_forget_pieces(s, p);
	p->has_all = true;
	p->stale_dry = 0;
	swarm_count_near(s, p, near);
	p->asker.has = NULL;
	p->asker.dry = p->asker.dry_fresh = 0;
	s->picker.n_all++;
	p->wanted = picker_missing(&s->picker);
}

void swarm_forget_pieces(struct swarm *s, struct peer *p)
{
	swarm_count_near(s, p, false);
	if (p->has_all) {
		s->picker.n_all--;
	} else if (p->has.bits != NULL) {
		picker_remove_bits(&s->picker, &p->has);
		s->n_partial--;
		bitfield_fini(&p->has);
		p->has = (struct bitfield){0};
	}
	p->has_all = false;
	p->asker.has = &p->has;
	p->wanted = 0;
}

/* A bitfield of its own, with nothing set. */
static bool make_bits(struct swarm *s, struct peer *p)
{
	if (picker_reserve(&s->picker, s->n_partial + 1) < 0 ||
	    bitfield_init(&p->has, s->meta->n_pieces) < 0)
		return false;
	s->n_partial++;
	return true;
}

bool swarm_on_have(struct turn *t, struct peer *p, uint32_t piece)
{
	struct swarm *s = t->s;

	if (piece >= s->meta->n_pieces) {
		swarm_breach(t, p, "told of a piece that does not exist");
		return false;
	}
	p->told = true;
	if (peer_has(p, piece))
		return true;
	if (p->has.bits == NULL && !make_bits(s, p)) {
		swarm_drop(t, p, "there is no memory");
		return false;
	}
	bitfield_set(&p->has, piece);
	swarm_note_had(t, p, piece);
	picker_add(&s->picker, piece);
	if (p->is_near)
		s->picker.near[piece]++;
	if (picker_is_held(&s->picker, piece))
		p->stale_dry = 0;
	if (picker_lacks(&s->picker, piece)) {
		p->wanted++;
		picker_on_have(&s->picker, &p->asker, piece);
	}
	if (bitfield_full(&p->has))
		become_full(t, p);
	return use_pieces(t, p);
}

/* It has what the bitfield says, and had nothing. */
static void take_bits(struct turn *t, struct peer *p, struct bytes body)
{
	struct swarm *s = t->s;
	bool near = p->is_near;

	if (!make_bits(s, p)) {
		swarm_drop(t, p, "there is no memory");
		return;
	}
	swarm_count_near(s, p, false);
	if (bitfield_load(&p->has, body) < 0) {
		swarm_breach(t, p, "sent a bitfield of the wrong size");
		return;
	}
	swarm_count_near(s, p, near);
	p->asker.dry = p->asker.dry_fresh = 0;
	p->stale_dry = 0;
	picker_add_bits(&s->picker, &p->has);
	p->wanted = count_among(s, &p->has);
	if (bitfield_full(&p->has))
		become_full(t, p);
	else if (p->has.count == 0)
		swarm_forget_pieces(s, p);
	note_seed(t, p);
	(void)use_pieces(t, p);
}

static uint8_t byte_of(const struct peer *p, uint32_t i)
{
	if (p->has_all)
		return 0xff;
	return p->has.bits == NULL ? 0 : p->has.bits[i];
}

/* Leaves in `now` what it did not have. False: something that it had is missing. */
static bool subtract(struct bitfield *now, const struct peer *p)
{
	uint32_t had = peer_have_count(p, now->n);

	if (p->has_all && !bitfield_full(now))
		return false;
	for (uint32_t i = 0; i < bitfield_bytes(now->n); i++) {
		if (!p->has_all && (byte_of(p, i) & ~now->bits[i]) != 0)
			return false;
		now->bits[i] &= (uint8_t)~byte_of(p, i);
	}
	now->count -= had;
	return true;
}

/* Many at once: else a bitfield of 125 KB would be a million HAVEs in one turn. */
static void take_many(struct turn *t, struct peer *p, const struct bitfield *more,
		      struct bytes body)
{
	struct peer_ref ref = p->ref;
	bool near = p->is_near;

	swarm_forget_pieces(t->s, p);
	p->is_near = near;
	take_bits(t, p, body);
	if (swarm_find(t->s, ref) == NULL)
		return;
	for (uint32_t i = bitfield_next_set(more, 0); i < more->n;
	     i = bitfield_next_set(more, i + 1))
		swarm_note_had(t, p, i);
}

/* aria2 says in one bitfield what it got lately when that is shorter than a HAVE for each. So a
 * later bitfield is taken as the HAVEs that are new in it; one that takes pieces back is none. */
static void use_later_bitfield(struct turn *t, struct peer *p, struct bytes body)
{
	struct bitfield more;
	bool alive = true;

	if (bitfield_init(&more, t->s->meta->n_pieces) < 0) {
		swarm_drop(t, p, "there is no memory");
		return;
	}
	if (bitfield_load(&more, body) < 0)
		swarm_breach(t, p, "sent a bitfield of the wrong size");
	else if (!subtract(&more, p))
		swarm_breach(t, p, "took pieces back in a later bitfield");
	else if (more.count > SWARM_HAVES_MAX)
		take_many(t, p, &more, body);
	else
		for (uint32_t i = bitfield_next_set(&more, 0); alive && i < more.n;
		     i = bitfield_next_set(&more, i + 1))
			alive = swarm_on_have(t, p, i);
	bitfield_fini(&more);
}

void swarm_on_bitfield(struct turn *t, struct peer *p, struct bytes body)
{
	if (p->told) {
		use_later_bitfield(t, p, body);
		return;
	}
	p->told = true;
	if (t->s->meta->n_pieces > 0)
		take_bits(t, p, body);
}

/* BEP 6 has them in place of the first bitfield; aria2 also says HAVE ALL when it completes. */
void swarm_on_have_all(struct turn *t, struct peer *p, bool all)
{
	if (!p->fast || (p->told && !all)) {
		swarm_breach(t, p, "sent 'have all' or 'have none' where it must not");
		return;
	}
	p->told = true;
	if (!all)
		note_seed(t, p);
	if (!all || p->has_all)
		return;
	become_full(t, p);
	(void)use_pieces(t, p);
}

/* Of one that had everything: now it has a bitfield of its own. False: it was sent away. */
static bool become_partial(struct turn *t, struct peer *p)
{
	struct swarm *s = t->s;

	if (!allowance_take(&p->losses, PEER_LOSSES_BURST, PEER_LOSSES_MS, t->now_ms)) {
		swarm_breach(t, p, "takes pieces back again and again");
		return false;
	}
	swarm_forget_pieces(s, p);
	if (!make_bits(s, p)) {
		swarm_drop(t, p, "there is no memory");
		return false;
	}
	bitfield_fill(&p->has);
	picker_add_bits(&s->picker, &p->has);
	p->wanted = picker_missing(&s->picker);
	return true;
}

bool swarm_on_donthave(struct turn *t, struct peer *p, uint32_t piece)
{
	struct swarm *s = t->s;

	if (piece >= s->meta->n_pieces || !peer_has(p, piece))
		return true;
	if (p->has_all && !become_partial(t, p))
		return false;
	bitfield_unset(&p->has, piece);
	picker_remove(&s->picker, piece);
	if (p->is_near)
		swarm_near_lost(s, piece);
	if (picker_lacks(&s->picker, piece))
		p->wanted--;
	/* What it had itself it was not told of, or not yet. */
	if (bitfield_has(&s->picker.have, piece))
		swarm_send(t, p, &(struct wire_msg){.type = WIRE_HAVE, .index = piece});
	swarm_note_needs(t, p);
	swarm_give_up_piece(t, p, piece);
	swarm_unreserve(t, p);
	swarm_update_interest(t, p);
	return true;
}
