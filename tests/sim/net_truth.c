/* What a node believes of a peer, against what that one knows of itself. Compared where nothing is
 * under way between the two, and only between honest ones. A difference is one for ever, as nobody
 * says again what was said: a HAVE that was forgotten makes somebody wait for a piece that is
 * there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/net_impl.h"
#include "swarm/swarm_parts.h"

/* One looks at the other. */
struct view {
	const struct swarm *own, *other;
	const struct peer *them, *us; /* in own; in other */
};

static bool is_quiet(const struct net *n, const struct end *e)
{
	const struct node *k = &n->nodes[e->node];

	return e->open && k->up && k->life == e->life && k->kind == NODE_HONEST &&
	       e->landing == 0 && e->last_us < n->now_us;
}

/* Not told yet, as several are told together. */
static bool is_to_be_told(const struct view *v, uint32_t piece)
{
	for (uint32_t i = v->us->has_all ? 0 : v->other->n_told; i < v->other->n_haves; i++)
		if (v->other->haves[i] == piece)
			return true;
	return false;
}

/* 64 pieces, or what is left of them. */
static uint64_t word_of(const struct bitfield *b, uint32_t from)
{
	size_t left = bitfield_bytes(b->n) - from / 8;
	uint64_t word = 0;

	if (b->bits != NULL)
		memcpy(&word, b->bits + from / 8, left < sizeof(word) ? left : sizeof(word));
	return word;
}

/* May one of 64 pieces be amiss? Mostly none is, and there are millions to look at. */
static bool is_amiss(const struct view *v, uint32_t from)
{
	uint64_t has = word_of(swarm_have(v->other), from);
	uint64_t mine = word_of(swarm_have(v->own), from);
	uint64_t said = v->them->has_all ? UINT64_MAX : word_of(&v->them->has, from);

	return (said & ~has) != 0 || (has & ~said & ~mine) != 0;
}

/* Who has a piece is not told that others have it, too, as long as it lacks anything. */
static const char *compare_piece(const struct view *v, uint32_t piece)
{
	bool has = bitfield_has(swarm_have(v->other), piece), said = peer_has(v->them, piece);

	if (said && !has)
		return "has a piece that is gone";
	if (has && !said && !bitfield_has(swarm_have(v->own), piece) && !is_to_be_told(v, piece))
		return "lacks a piece that it has";
	return NULL;
}

static const char *compare_pieces(const struct view *v, uint32_t *piece)
{
	uint32_t n = v->own->meta->n_pieces;
	const char *wrong = NULL;

	for (uint32_t from = 0; from < n; from += 64) {
		if (!is_amiss(v, from))
			continue;
		for (uint32_t i = from; i < n && i < from + 64 && wrong == NULL; i++) {
			wrong = compare_piece(v, i);
			*piece = i;
		}
		if (wrong != NULL)
			return wrong;
	}
	return NULL;
}

static const char *compare_requests(const struct view *v, uint32_t *piece)
{
	const struct request *q = NULL;

	while ((q = requests_next(&v->them->asks, q)) != NULL) {
		*piece = q->piece;
		if (q->state == REQUEST_LIVE &&
		    requests_find(&v->us->queue, q->piece, q->begin) == NULL)
			return "was asked for a block, of which it knows nothing";
	}
	return NULL;
}

static const char *compare(const struct view *v, uint32_t *piece)
{
	const char *wrong = compare_pieces(v, piece);
	bool complete = swarm_complete(v->other), said = v->them->has_all || v->them->upload_only;

	if (wrong == NULL)
		wrong = compare_requests(v, piece);
	if (wrong != NULL)
		return wrong;
	if (v->them->am_choked != v->us->is_choked)
		return v->us->is_choked ? "lets it download" : "does not let it download";
	if (v->them->am_interested != v->us->is_interested)
		return v->us->is_interested ? "thinks that it is of no interest"
					    : "thinks that it is of interest";
	if (complete != said)
		return complete ? "lacks something that it wants" : "wants nothing more";
	return NULL;
}

static void check_end(const struct net *n, uint32_t end)
{
	const struct end *own = net_end(n, end), *other = net_end(n, end ^ 1);
	struct view v = {.own = n->nodes[own->node].swarm, .other = n->nodes[other->node].swarm};
	uint32_t piece = 0;
	const char *wrong;

	v.them = swarm_find(v.own, own->ref);
	v.us = swarm_find(v.other, other->ref);
	wrong = v.them == NULL || v.us == NULL ? "is there" : compare(&v, &piece);
	if (wrong == NULL)
		return;
	fprintf(stderr, "at %.3f s node %u believes that node %u %s (piece %u)\n",
		(double)n->now_us / 1e6, own->node, other->node, wrong, piece);
	abort();
}

void net_check_truth(struct net *n)
{
	for (uint32_t i = 0; i < n->n_conns; i++) {
		const struct conn *c = &n->conns[i];

		if (!c->used || !is_quiet(n, &c->end[0]) || !is_quiet(n, &c->end[1]))
			continue;
		check_end(n, i * 2);
		check_end(n, i * 2 + 1);
	}
	n->truth_us = n->now_us + (n->check ? NET_TRUTH_CLOSE_US : NET_TRUTH_US);
}
