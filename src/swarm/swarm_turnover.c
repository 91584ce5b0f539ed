/* Other peers for those that are of little use.
 *
 * A getter dials no more than it needs (SWARM_PEERS_DIAL), and by chance these may all be slow
 * while fast ones are known that it never tried. So
 *
 *   1. now and then a few addresses that were never dialled are, beyond the usual number;
 *   2. when they have had time to show what they give, the least useful of all that we dialled go
 *      until there are as many as usual;
 *   3. when that brought more in all, the next few are tried soon; when not, after twice as long:
 *      who has fast peers, or a line that is full, tries hardly anybody.
 *
 * In a crowd, half of which and more wants something of us, nobody is tried: there one gets what
 * one gives, and partners that are parted lose time (a flash crowd of 100 took 4 % longer).
 *
 * Each address is tried once in this way, and who had to go is not dialled for five minutes. Who
 * came to us stays, who is the only one with a piece, the last few that have everything, and those
 * to whom we give: what they take they may pay back.
 *
 * Peers that claim everything, give nothing and take all places make room one by one, whoever
 * dialled, but for the last SWARM_COMPLETE_FEW. */
#include "swarm/swarm_parts.h"

/* Addresses tried at one time, and the shortest and longest time until the next ones. */
#define TRIES 6u
#define TRIES_MS 3000u
#define TRIES_MAX_MS 48000u
/* A connection younger than that is not judged yet. */
#define SHOW_MS 10000u
/* So far apart more peers are looked for, or one that gave nothing for long goes. */
#define MORE_MS 15000u

void swarm_begin_turnover(struct turn *t)
{
	struct swarm *s = t->s;

	s->tries_pause_ms = TRIES_MS;
	s->tries_bps = rate_bps(&s->down, t->now_ms);
	s->more_at_ms = t->now_ms + MORE_MS;
	s->turnover_at_ms = s->tries_at_ms = t->now_ms + TRIES_MS;
}

/* Those we know serve others: look for more. False when there is no room for more. */
static bool want_more(struct swarm *s)
{
	uint32_t givers = 0;
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;)
		givers += !p->source && !p->am_choked;
	if (givers >= SWARM_GIVERS_FEW || s->dial_peers >= swarm_most_to_dial(s))
		return false;
	s->dial_peers += SWARM_PEERS_MORE;
	return true;
}

static void let_go(struct turn *t, struct peer *p, const char *reason)
{
	struct addr listen = p->listen;
	struct address *a;

	swarm_drop(t, p, reason);
	a = addrbook_find(&t->s->book, &listen);
	if (a != NULL)
		addrbook_delay(&t->s->book, a, SWARM_REDIAL_LATER_MS, t->now_ms);
}

/* Of those that have everything a few are kept even while they give nothing: their turn to serve us
 * comes, and what the others have may come through thin lines only (a getter that let all three
 * seeds of a swarm go, as they were serving others, took 6.4 times the least possible time instead
 * of 2.6). They may be liars, and leave half of the places to others. */
static bool is_kept(const struct swarm *s, const struct peer *p)
{
	uint32_t n_all = s->picker.n_all;

	if (p->source)
		return true;
	return p->has_all && n_all <= SWARM_COMPLETE_FEW && 2 * n_all <= s->max_peers;
}

/* ---- those who give nothing ---------------------------------------------- */

static struct peer *least_generous(const struct turn *t)
{
	struct peer *p, *worst = NULL;

	for (uint32_t i = 0; (p = swarm_next_peer(t->s, &i)) != NULL;) {
		if (is_kept(t->s, p) || t->now_ms - p->gave_ms < SWARM_GENEROUS_MS)
			continue;
		if (worst == NULL || p->down_bytes < worst->down_bytes)
			worst = p;
	}
	return worst;
}

/* ---- those who give little ----------------------------------------------- */

static bool is_on_trial(const struct turn *t, const struct peer *p)
{
	if (is_kept(t->s, p) || p->incoming || t->now_ms - p->connected_ms < SHOW_MS)
		return false;
	return p->is_choked || !p->is_interested;
}

/* Has it a piece that we lack and nobody else has? */
static bool is_only_holder(const struct swarm *s, const struct peer *p)
{
	const struct picker *k = &s->picker;

	if (k->n_all > p->has_all || p->wanted == 0)
		return false;
	return picker_lacks_any(k, p->has_all ? NULL : &p->has, !p->has_all);
}

static struct peer *least_useful(const struct turn *t)
{
	struct peer *p, *worst = NULL;
	uint64_t least = UINT64_MAX;

	for (uint32_t i = 0; (p = swarm_next_peer(t->s, &i)) != NULL;) {
		uint64_t gives = rate_bps(&p->down, t->now_ms);

		if (gives >= least || !is_on_trial(t, p) || is_only_holder(t->s, p))
			continue;
		least = gives;
		worst = p;
	}
	return worst;
}

static uint32_t count_dialled(const struct swarm *s)
{
	uint32_t n = 0;
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;)
		n += !p->source && !p->incoming;
	return n;
}

static bool is_in_crowd(const struct swarm *s)
{
	uint32_t n = 0, interested = 0;
	struct peer *p;

	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;) {
		n += !p->source;
		interested += p->is_interested;
	}
	return n > 0 && 2 * interested >= n;
}

static void adapt_pause(struct turn *t)
{
	struct swarm *s = t->s;
	uint64_t bps = rate_bps(&s->down, t->now_ms);

	if (bps > s->tries_bps + s->tries_bps / 4)
		s->tries_pause_ms = TRIES_MS;
	else if (s->tries_pause_ms < TRIES_MAX_MS)
		s->tries_pause_ms *= 2;
	s->tries_bps = bps;
}

static void try_others(struct turn *t)
{
	struct swarm *s = t->s;
	uint32_t n = addrbook_untried(&s->book, TRIES, t->now_ms), most = swarm_most_to_dial(s);
	uint32_t dialled = count_dialled(s), peers = swarm_count_peers(t);
	uint32_t leave = dialled > s->dial_peers ? dialled - s->dial_peers : 0;
	struct peer *p;

	if (leave > s->n_tried)
		leave = s->n_tried;
	if (peers + n > most + leave)
		leave = peers + n - most;
	for (; leave > 0 && (p = least_useful(t)) != NULL; leave--) {
		let_go(t, p, "gives less than others");
		s->n_tried -= s->n_tried > 0;
		peers--;
	}
	if (n == 0)
		return;
	adapt_pause(t);
	s->n_tried += n;
	s->try_peers = peers + n < most ? peers + n : most;
	swarm_dial(t);
	s->try_peers = 0;
}

void swarm_turn_over(struct turn *t)
{
	struct swarm *s = t->s;
	struct peer *silent;

	s->turnover_at_ms = UINT64_MAX;
	if (s->paused || swarm_complete(s))
		return;
	if (!swarm_has_enough(t)) {
		/* Some do not count any more, as they gave nothing of late. */
		s->redial = true;
		return;
	}
	if (t->now_ms >= s->more_at_ms) {
		s->more_at_ms = t->now_ms + MORE_MS;
		if (want_more(s))
			s->redial = true;
		else if (addrbook_has_due(&s->book, t->now_ms) &&
			 (silent = least_generous(t)) != NULL)
			let_go(t, silent, "gave nothing for long");
	}
	s->turnover_at_ms = s->more_at_ms;
	/* Where there are sites those far away give nothing, as they are not asked, and are needed.
	 */
	if (t->now_ms >= s->tries_at_ms && !s->split) {
		if (!is_in_crowd(s))
			try_others(t);
		s->tries_at_ms = t->now_ms + s->tries_pause_ms;
	}
	if (s->tries_at_ms < s->turnover_at_ms && !s->split)
		s->turnover_at_ms = s->tries_at_ms;
}
