/* What a seed hands to whom: each piece once before any twice.
 *
 * A seed is the bottleneck of a young swarm: nobody can complete before the last piece has left it
 * once, so whatever it sends a second time before makes all wait. Getters that do not know of
 * each other's requests ask it for the same rarest pieces. So it suggests (BEP 6) to each peer it
 * lets download the pieces that fewest have and that it is giving to nobody else, in the order of
 * the files, which is kind to its disk, from a place drawn by chance, so that several seeds begin
 * with different ones. A getter asks it for what it suggests first of all.
 * Nothing is hidden: who does not understand suggestions asks for what it likes.
 *
 * When all are being given to somebody the swarm waits for the slowest of these: for who had a
 * place last, and got the last pieces along with it. Then who would be done much sooner with the
 * last piece of such a one is offered it, too.
 *
 * Among 100 getters a seed that does not suggest sends 1.27 copies before each piece has left it
 * once, one that does 1.03: the last getter is done after 1.09 times the least possible time
 * instead of 1.17, and all complete when the seed leaves after 1.1 copies, where none did. */
#include <stdlib.h>

#include "base/grow.h"
#include "swarm/swarm_parts.h"

/* Pieces looked at for one suggestion. */
#define SUGGEST_LOOK 4096u
/* It takes so many pieces until a peer is doubted to pass any on. With 4, a fifth of free riders
 * that come first costs the others a quarter of their time, with 2 a fifth; 1 slows honest crowds.
 */
#define SUGGEST_DOUBT 2u
/* What so many have is common: they will do without us. */
#define SUGGEST_RARE 4u

/* Pieces that one peer is being given, as far as they are listed. With more all are walked over
 * when it is choked (attack: interest that comes and goes, 10 bytes each time; so many requests are
 * 17 KB). */
#define SUGGEST_GIVING_MAX 1024u

/* Being done so many times, and so much, later than another one is late. */
#define SUGGEST_LATE_TIMES 2u
#define SUGGEST_LATE_MS 200u

/* Room to remember what is being given. False without memory: then there are no suggestions. */
static bool make_given(struct swarm *s)
{
	if (s->given.bits != NULL)
		return true;
	if (s->meta->n_pieces == 0 || bitfield_init(&s->given, s->meta->n_pieces) < 0)
		return false;
	s->given_to = calloc(s->meta->n_pieces, sizeof(*s->given_to));
	if (s->given_to == NULL) {
		bitfield_fini(&s->given);
		s->given = (struct bitfield){0};
		return false;
	}
	s->give_at = rng_below(&s->rng, s->meta->n_pieces);
	return true;
}

/* The piece for `p`; PICKER_NONE: there is none. */
static uint32_t next_piece(struct swarm *s, const struct peer *p)
{
	uint32_t n = s->meta->n_pieces, look = n < SUGGEST_LOOK ? n : SUGGEST_LOOK;
	uint32_t best = PICKER_NONE, best_avail = SUGGEST_RARE;

	for (uint32_t k = 0, i = s->give_at; k < look && best_avail > 0; k++) {
		if (picker_copies(&s->picker, i) < best_avail && !bitfield_has(&s->given, i) &&
		    !peer_has(p, i)) {
			best = i;
			best_avail = picker_copies(&s->picker, i);
		}
		i = i + 1 == n ? 0 : i + 1;
	}
	if (best != PICKER_NONE)
		s->give_at = best + 1 == n ? 0 : best + 1;
	return best;
}

/* Until the peer has all it asked for, and so many pieces more. Of who took nothing yet: as long as
 * it had time to. */
static uint64_t takes_ms(const struct turn *t, const struct peer *p, uint32_t pieces)
{
	uint64_t bytes =
	    (uint64_t)p->queue.n * BLOCK_BYTES + (uint64_t)pieces * t->s->meta->piece_length;
	uint64_t bps = rate_bps(&p->up, t->now_ms);

	return bps == 0 ? t->now_ms - p->choke_ms : bytes * 1000 / bps;
}

static bool is_offered_to_another(const struct swarm *s, const struct peer *p, uint32_t piece)
{
	const struct peer *o;

	for (uint32_t i = 0; (o = swarm_next_peer(s, &i)) != NULL;) {
		for (uint32_t k = 0; o != p && k < o->n_offered; k++) {
			if (o->offered[k] == piece)
				return true;
		}
	}
	return false;
}

/* The piece that it will have last of those that nobody has and that it alone is given. */
static uint32_t last_piece(const struct swarm *s, const struct peer *p)
{
	for (uint32_t k = p->n_offered + 1; k > 0; k--) {
		uint32_t piece = k > 1 ? p->offered[k - 2] : p->asked_piece;
		uint32_t first = k > 1 ? 0 : p->ref.slot + 1;

		if (piece != PICKER_NONE && picker_copies(&s->picker, piece) == 0 &&
		    s->given_to[piece] == first && !is_offered_to_another(s, p, piece))
			return piece;
	}
	return PICKER_NONE;
}

/* A piece that nobody has, and `p` would have much sooner than the one to whom it is given. */
static uint32_t late_piece(const struct turn *t, const struct peer *p)
{
	uint64_t latest = takes_ms(t, p, p->n_offered + 1) * SUGGEST_LATE_TIMES + SUGGEST_LATE_MS;
	uint32_t late = PICKER_NONE;
	const struct peer *o;

	if (rate_bps(&p->up, t->now_ms) == 0)
		return PICKER_NONE;
	for (uint32_t i = 0; (o = swarm_next_peer(t->s, &i)) != NULL;) {
		uint64_t takes = takes_ms(t, o, o->n_offered);
		uint32_t piece = PICKER_NONE;

		if (o != p && takes > latest)
			piece = last_piece(t->s, o);
		if (piece == PICKER_NONE)
			continue;
		late = piece;
		latest = takes;
	}
	return late;
}

void swarm_suggest(struct turn *t, struct peer *p)
{
	struct swarm *s = t->s;

	if (!p->fast || p->is_choked || (!p->is_interested && !p->invited) ||
	    !bitfield_full(&s->picker.have) || !make_given(s))
		return;
	while (p->n_offered < PEER_OFFERED_MAX) {
		uint32_t piece = next_piece(s, p);

		if (piece == PICKER_NONE || picker_copies(&s->picker, piece) > 0) {
			uint32_t late = late_piece(t, p);

			piece = late != PICKER_NONE ? late : piece;
		}
		if (piece == PICKER_NONE)
			return;
		bitfield_set(&s->given, piece);
		p->offered[p->n_offered++] = piece;
		swarm_send(t, p, &(struct wire_msg){.type = WIRE_SUGGEST, .index = piece});
	}
}

/* It asks for the piece, or has it. False: it was not offered. */
static bool end_offer(struct peer *p, uint32_t piece)
{
	uint32_t i = 0;

	while (i < p->n_offered && p->offered[i] != piece)
		i++;
	if (i == p->n_offered)
		return false;
	p->n_offered--;
	memmove(p->offered + i, p->offered + i + 1, (p->n_offered - i) * sizeof(p->offered[0]));
	return true;
}

static uint32_t slot_of(const struct peer *p)
{
	return p->ref.slot + 1;
}

/* `slot` 0: nobody. */
static void give_to(struct swarm *s, uint32_t piece, uint32_t slot)
{
	uint32_t was = s->given_to[piece];

	if (was != 0)
		s->slots[was - 1].peer->n_first--;
	if (slot != 0)
		s->slots[slot - 1].peer->n_first++;
	s->given_to[piece] = (uint16_t)slot;
}

/* It was given to that one first, who has not got it yet. */
static bool is_on_its_way(const struct swarm *s, const struct peer *p, uint32_t piece)
{
	return s->given_to[piece] == slot_of(p) && bitfield_has(&s->given, piece);
}

/* Those that have come need not be listed any more. False: most have not. */
static bool thin_giving(const struct swarm *s, struct peer *p)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->n_giving; i++)
		if (is_on_its_way(s, p, p->giving[i]))
			p->giving[n++] = p->giving[i];
	p->n_giving = n;
	return n <= SUGGEST_GIVING_MAX / 2;
}

static void list_giving(const struct swarm *s, struct peer *p, uint32_t piece)
{
	uint32_t *grown = NULL;

	if (p->gives_many)
		return;
	if (p->n_giving < SUGGEST_GIVING_MAX || thin_giving(s, p))
		grown = grow(p->giving, p->n_giving, &p->giving_cap, 8, sizeof(*grown));
	p->gives_many = grown == NULL;
	if (grown == NULL)
		return;
	p->giving = grown;
	p->giving[p->n_giving++] = piece;
}

/* A second one gets it from us: what others have of it they do not owe to the first. */
static void note_giving(struct swarm *s, struct peer *p, uint32_t piece)
{
	bool was = is_on_its_way(s, p, piece);

	if (s->given_to[piece] != slot_of(p))
		give_to(s, piece,
			s->given_to[piece] == 0 && picker_copies(&s->picker, piece) == 0
			    ? slot_of(p)
			    : 0);
	bitfield_set(&s->given, piece);
	if (!was && s->given_to[piece] != 0)
		list_giving(s, p, piece);
}

void swarm_note_asked(struct turn *t, struct peer *p, uint32_t piece)
{
	if (piece == p->asked_piece || t->s->given.bits == NULL)
		return;
	p->asked_piece = piece;
	note_giving(t->s, p, piece);
	if (end_offer(p, piece))
		swarm_suggest(t, p);
}

void swarm_note_had(struct turn *t, struct peer *p, uint32_t piece)
{
	struct swarm *s = t->s;
	uint32_t first;

	if (s->given.bits == NULL)
		return;
	bitfield_unset(&s->given, piece);
	first = s->given_to[piece];
	if (first == slot_of(p)) {
		p->n_given++;
	} else if (first != 0) {
		give_to(s, piece, 0);
		s->slots[first - 1].peer->n_passed++;
	}
	if (end_offer(p, piece))
		swarm_suggest(t, p);
}

uint32_t swarm_passes_milli(const struct peer *p)
{
	uint32_t milli = (p->n_passed + SUGGEST_DOUBT) * 1000 / (p->n_given + SUGGEST_DOUBT);

	return milli < 1000 ? milli : 1000;
}

static void take_back_one(struct swarm *s, const struct peer *p, uint32_t piece)
{
	if (!is_on_its_way(s, p, piece))
		return;
	give_to(s, piece, 0);
	bitfield_unset(&s->given, piece);
}

void swarm_take_back(struct swarm *s, struct peer *p)
{
	for (uint32_t i = 0; i < p->n_offered; i++)
		bitfield_unset(&s->given, p->offered[i]);
	p->n_offered = 0;
	p->asked_piece = PICKER_NONE;
	for (uint32_t i = 0; i < p->n_giving; i++)
		take_back_one(s, p, p->giving[i]);
	for (uint32_t i = 0; p->gives_many && p->n_first > 0 && i < s->meta->n_pieces; i++)
		take_back_one(s, p, i);
	p->n_giving = 0;
	p->gives_many = false;
}

void swarm_review_given(struct swarm *s)
{
	struct peer *p;

	for (uint32_t i = 0; s->given_to != NULL && i < s->meta->n_pieces; i++) {
		if (s->given_to[i] == 0 && picker_copies(&s->picker, i) == 0)
			bitfield_unset(&s->given, i);
	}
	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;) {
		for (uint32_t k = 0; k < p->n_offered; k++)
			bitfield_set(&s->given, p->offered[k]);
	}
}

void swarm_forget_given(struct swarm *s, struct peer *p)
{
	swarm_take_back(s, p);
	for (uint32_t i = 0; p->n_first > 0 && i < s->meta->n_pieces; i++) {
		if (s->given_to[i] == slot_of(p))
			give_to(s, i, 0);
	}
}
