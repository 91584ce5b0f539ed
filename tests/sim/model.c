#include "sim/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "meta/selection.h"
#include "sim/net.h"

#define NODES_MAX 9u
#define PIECES_MAX 40u
/* In peace everybody is done by then: a ban, or a redial that is put off, takes minutes. */
#define PEACE_S 3600u

struct model {
	struct net *net;
	struct metainfo *meta;
	uint32_t n_nodes;
	bool gone[NODES_MAX][PIECES_MAX]; /* its bytes are still there */
	bool paused[NODES_MAX], quiet[NODES_MAX];
	struct peer_ref sources[NODES_MAX];
	uint32_t liar; /* NODES_MAX: there is none */
};

#define NO_SOURCE ((struct peer_ref){UINT32_MAX, 0})

/* ---- what shall happen ---------------------------------------------------- */

static const char *const names[STEP_TYPES] = {
    "wait", "gone",  "back",   "plan",	 "order", "urgent", "window", "pause", "upload",
    "shed", "leave", "return", "source", "give",  "rest",   "lack",   "part",
};

void model_plan(uint64_t seed, struct step steps[MODEL_STEPS])
{
	/* Of what happens often there is more than one. */
	static const enum step_type often[] = {STEP_WAIT, STEP_GONE,  STEP_GONE, STEP_GONE,
					       STEP_BACK, STEP_BACK,  STEP_BACK, STEP_GIVE,
					       STEP_GIVE, STEP_RETURN};
	static const uint32_t waits[] = {0, 1, 3, 7, 20, 60, 200, 600, 3000, 15000};
	struct rng r;

	rng_seed(&r, seed);
	for (uint32_t i = 0; i < MODEL_STEPS; i++) {
		uint32_t k = rng_below(&r, STEP_TYPES + sizeof(often) / sizeof(often[0]));

		steps[i] = (struct step){.type = k < STEP_TYPES ? (enum step_type)k
								: often[k - STEP_TYPES],
					 .node = rng_below(&r, NODES_MAX),
					 .a = rng_below(&r, PIECES_MAX),
					 .b = rng_below(&r, 1u << 16)};
		steps[i].wait_ms = waits[rng_below(&r, sizeof(waits) / sizeof(waits[0]))];
	}
}

void model_say(FILE *out, const struct step *s)
{
	fprintf(out, "# node %u %s(%u, %u), then %u ms\n", s->node, names[s->type], s->a, s->b,
		s->wait_ms);
}

/* ---- what it means -------------------------------------------------------- */

static struct model *begin(uint64_t seed)
{
	struct model *m = calloc(1, sizeof(*m));
	struct index_spec index = {.peers_max = 50, .interval_ms = 5000};
	uint32_t pieces, blocks;
	struct rng r;

	if (m == NULL)
		abort();
	rng_seed(&r, seed ^ 0x5eed);
	pieces = 1 + rng_below(&r, PIECES_MAX);
	blocks = 1u << rng_below(&r, 4);
	m->meta = net_metainfo((uint64_t)pieces * blocks * BLOCK_BYTES - rng_below(&r, 9000),
			       blocks * BLOCK_BYTES, rng_below(&r, 3) != 0, true);
	m->net = net_new(m->meta, seed);
	net_check_always(m->net, true);
	net_set_index(m->net, &index);
	/* With many near ones some may be far. */
	net_set_link(m->net, 0, 1, 60000, 0);
	m->liar = NODES_MAX;
	m->n_nodes = rng_below(&r, 3) == 0 ? NODES_MAX : 2 + rng_below(&r, 3);
	for (uint32_t i = 0; i < m->n_nodes; i++) {
		struct node_spec s = {.seed = i == 0,
				      .up_bps = 20000u << rng_below(&r, 13),
				      .latency_us = 1000,
				      .site = m->n_nodes == NODES_MAX && i % 4 == 0,
				      .no_fast = rng_below(&r, 6) == 0,
				      .no_hashes = rng_below(&r, 4) == 0,
				      .lost_every = rng_below(&r, 4) == 0 ? 8 : 0};

		if (i == 3 && rng_below(&r, 2) == 0) {
			s.kind = NODE_CORRUPT;
			s.seed = true;
			s.corrupt_every = 3 + rng_below(&r, 9);
			m->liar = i;
		}
		net_add(m->net, &s);
		m->sources[i] = NO_SOURCE;
	}
	for (uint32_t i = 0; i < m->n_nodes; i++)
		net_introduce_all(m->net, i);
	return m;
}

static void set_plan(struct model *m, uint32_t node, uint32_t chance)
{
	static const uint8_t wishes[] = {WANT_NOT, WANT_NORMAL, WANT_NORMAL, WANT_HIGH, WANT_LOW};
	uint8_t plan[PIECES_MAX];
	struct rng r;

	rng_seed(&r, chance);
	for (uint32_t i = 0; i < PIECES_MAX; i++)
		plan[i] = wishes[rng_below(&r, sizeof(wishes))];
	net_set_wanted(m->net, node, chance % 4 == 0 ? NULL : plan);
}

static void lose(struct model *m, uint32_t node, uint32_t piece)
{
	struct swarm *s = net_swarm(m->net, node);

	if (!bitfield_has(swarm_have(s), piece))
		return;
	m->gone[node][piece] = true;
	swarm_on_piece_gone(s, piece, net_now_ms(m->net), net_effects(m->net));
	net_perform(m->net, node);
}

static void find(struct model *m, uint32_t node, uint32_t piece)
{
	if (!m->gone[node][piece] || !net_piece_is_true(m->net, node, piece))
		return;
	m->gone[node][piece] = false;
	swarm_on_piece_back(net_swarm(m->net, node), piece, net_now_ms(m->net),
			    net_effects(m->net));
	net_perform(m->net, node);
}

/* A piece, or half of all in a row. */
static void each_piece(struct model *m, const struct step *s,
		       void (*fn)(struct model *, uint32_t, uint32_t))
{
	uint32_t n = m->meta->n_pieces, count = s->b % 8 == 0 ? (n + 1) / 2 : 1;

	for (uint32_t i = 0; i < count; i++)
		fn(m, s->node, (s->a + i) % n);
}

static void on_source(struct model *m, const struct step *s)
{
	struct swarm *w = net_swarm(m->net, s->node);
	struct effects *fx = net_effects(m->net);
	struct peer_ref *r = &m->sources[s->node];
	uint64_t now = net_now_ms(m->net);

	if (s->type == STEP_SOURCE && r->slot == UINT32_MAX)
		*r = swarm_add_source(w, now, fx);
	if (r->slot == UINT32_MAX)
		return;
	for (uint32_t i = 0; s->type == STEP_GIVE && i < 1 + s->b % 16; i++)
		net_give(m->net, s->node, *r);
	if (s->type == STEP_REST)
		swarm_source_rest(w, *r, s->b % 3 * 2000, now, fx);
	if (s->type == STEP_LACK)
		swarm_source_lacks(w, *r, s->a, 1 + s->b % 4, now, fx);
	if (s->type == STEP_PART) {
		swarm_on_closed(w, *r, now, fx);
		*r = NO_SOURCE;
	}
	net_perform(m->net, s->node);
}

static void come_back(struct model *m, uint32_t node)
{
	if (net_is_up(m->net, node))
		return;
	net_revive(m->net, node);
	m->paused[node] = m->quiet[node] = false;
	m->sources[node] = NO_SOURCE;
	net_introduce_all(m->net, node);
}

static void set_paused(struct model *m, uint32_t node, bool on)
{
	m->paused[node] = on;
	swarm_set_paused(net_swarm(m->net, node), on, net_now_ms(m->net), net_effects(m->net));
	net_perform(m->net, node);
}

static void set_quiet(struct model *m, uint32_t node, bool on)
{
	m->quiet[node] = on;
	swarm_set_upload(net_swarm(m->net, node), !on, net_now_ms(m->net), net_effects(m->net));
	net_perform(m->net, node);
}

static void set_window(struct model *m, uint32_t node, uint32_t first, uint32_t end)
{
	swarm_set_window(net_swarm(m->net, node), first, end, net_now_ms(m->net),
			 net_effects(m->net));
	net_perform(m->net, node);
}

static void take_step(struct model *m, const struct step *s)
{
	struct piece_run urgent = {s->a, 1 + s->b % 5};

	switch (s->type) {
	case STEP_GONE:
		each_piece(m, s, lose);
		break;
	case STEP_BACK:
		each_piece(m, s, find);
		break;
	case STEP_PLAN:
		set_plan(m, s->node, s->b);
		break;
	case STEP_ORDER:
		net_set_order(m->net, s->node, (enum swarm_order)(s->b % 3));
		break;
	case STEP_URGENT:
		net_set_urgent(m->net, s->node, &urgent, s->b % 4 != 0);
		break;
	case STEP_WINDOW:
		set_window(m, s->node, s->a, s->b % 2 == 0 ? UINT32_MAX : s->a + 8);
		break;
	case STEP_PAUSE:
		set_paused(m, s->node, !m->paused[s->node]);
		break;
	case STEP_UPLOAD:
		set_quiet(m, s->node, !m->quiet[s->node]);
		break;
	case STEP_SHED:
		swarm_shed(net_swarm(m->net, s->node), s->b % 4, net_now_ms(m->net),
			   net_effects(m->net));
		net_perform(m->net, s->node);
		break;
	case STEP_LEAVE:
		net_kill(m->net, s->node, s->b % 2 == 0);
		break;
	case STEP_WAIT:
	case STEP_RETURN:
	case STEP_TYPES:
		break;
	default:
		on_source(m, s);
		break;
	}
}

/* ---- peace ------------------------------------------------------------------ */

static void make_peace(struct model *m, uint32_t node)
{
	come_back(m, node);
	set_paused(m, node, false);
	set_quiet(m, node, false);
	set_window(m, node, 0, UINT32_MAX);
	net_set_urgent(m->net, node, NULL, 0);
	net_set_wanted(m->net, node, NULL);
	for (uint32_t i = 0; i < m->meta->n_pieces; i++)
		find(m, node, i);
	on_source(m, &(struct step){.type = STEP_PART, .node = node});
}

static bool are_all_done(const struct model *m)
{
	for (uint32_t i = 0; i < m->n_nodes; i++)
		if (i != m->liar && !bitfield_full(swarm_have(net_swarm(m->net, i))))
			return false;
	return true;
}

/* What is left of a piece may be parts of it in several places: the first one has a source, and so
 * what the others need. */
static void wait_for_all(struct model *m)
{
	on_source(m, &(struct step){.type = STEP_SOURCE});
	for (uint32_t s = 0; s < PEACE_S && !are_all_done(m); s++) {
		on_source(m, &(struct step){.type = STEP_GIVE, .b = 15});
		net_run_for(m->net, net_now_ms(m->net) + 1000);
	}
}

static void must(bool cond, const char *what)
{
	if (cond)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

void model_run(uint64_t seed, const struct step steps[MODEL_STEPS])
{
	struct model *m = begin(seed);
	struct net_stats st;

	for (uint32_t i = 0; i < MODEL_STEPS; i++) {
		struct step s = steps[i];

		s.node %= m->n_nodes;
		if (!s.out && s.type == STEP_RETURN)
			come_back(m, s.node);
		else if (!s.out && net_is_up(m->net, s.node))
			take_step(m, &s);
		if (!s.out)
			net_run_for(m->net, net_now_ms(m->net) + s.wait_ms);
	}
	for (uint32_t i = 0; i < m->n_nodes; i++)
		make_peace(m, i);
	wait_for_all(m);
	must(are_all_done(m), "somebody waits for ever");
	net_run_for(m->net, net_now_ms(m->net) + 5000);
	net_stats(m->net, &st);
	must(st.honest_bans == 0, "an honest peer was banned");
	must(st.unasked == 0, "blocks came that nobody had asked for");
	for (uint32_t i = 0; i < m->n_nodes; i++)
		must(net_is_true(m->net, i), "what is had is not true");
	net_free(m->net);
	meta_free(m->meta);
	free(m);
}
