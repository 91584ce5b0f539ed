/* scenario.h - swarms with a question each. */
#ifndef SHOAL_SIM_SCENARIO_H
#define SHOAL_SIM_SCENARIO_H

#include "base/rng.h"
#include "sim/table.h"

/* 0: what the scenario has. */
struct scenario_options {
	uint64_t seed;
	uint32_t nodes, pieces, blocks; /* blocks of a piece */
	uint32_t peers;			/* in an answer of the index */
	uint32_t every_s;		/* say how things stand, so often */
	bool quiet;			/* print no rows */
};

struct scenario {
	const char *name, *question;
	/* Adds its rows, with checks, and prints each as it is done. */
	void (*run)(const struct scenario_options *o, struct table *t);
	bool growth; /* also plotted over the number of nodes */
	bool slow;   /* takes minutes: not in short runs */
	bool open;   /* whether all complete is the question itself */
};

/* Ends with a name of NULL. */
const struct scenario *scenario_list(void);
const struct scenario *scenario_find(const char *name);

void scenario_flash(const struct scenario_options *o, struct table *t);
void scenario_flash_big(const struct scenario_options *o, struct table *t);
void scenario_tail(const struct scenario_options *o, struct table *t);
void scenario_locality(const struct scenario_options *o, struct table *t);
void scenario_churn_poison(const struct scenario_options *o, struct table *t);
void scenario_mixed_lines(const struct scenario_options *o, struct table *t);
void scenario_wide(const struct scenario_options *o, struct table *t);
void scenario_seed_leaves(const struct scenario_options *o, struct table *t);
void scenario_late(const struct scenario_options *o, struct table *t);
void scenario_streams(const struct scenario_options *o, struct table *t);
void scenario_holders(const struct scenario_options *o, struct table *t);
void scenario_non_readers(const struct scenario_options *o, struct table *t);
void scenario_slow_first(const struct scenario_options *o, struct table *t);
void scenario_free_riders(const struct scenario_options *o, struct table *t);
void scenario_homes(const struct scenario_options *o, struct table *t);
void scenario_routers(const struct scenario_options *o, struct table *t);
void scenario_sleepers(const struct scenario_options *o, struct table *t);
void scenario_small(const struct scenario_options *o, struct table *t);

/* ---- for the scenarios --------------------------------------------------- */

/* A run being made. */
struct scene {
	struct metainfo *meta;
	struct net *net;
	struct rng rng; /* of the scenario's own chances */
	struct row row;
	double began_s;
	bool quiet;
	uint32_t every_s;
	double up_bps; /* of all nodes */
};

#define SCENE_PIECES 1000u
#define SCENE_BLOCKS 4u
#define SCENE_BPS 1000000u
#define SCENE_PEERS 50u
/* One-way, from a node to the middle of its site. */
#define SCENE_LATENCY_MIN_US 2000u
#define SCENE_LATENCY_MAX_US 20000u

/* A torrent, an empty net, an index. */
void scene_begin(struct scene *s, const char *scenario, const char *variant,
		 const struct scenario_options *o);
/* Add a node with a latency by chance, where the spec has none. */
uint32_t scene_add(struct scene *s, struct node_spec spec);
/* The seed where everything comes from: honest, with the given lines. Node 0. */
uint32_t scene_origin(struct scene *s, uint64_t bps);
/* Add `n` of them, evenly over the next second, as people come who wait for it. */
#define SCENE_COME_MS 1000u
void scene_crowd(struct scene *s, uint32_t n, struct node_spec spec);
/* Both lines of that rate. */
struct node_spec scene_lines(uint64_t bps);
/* Until all honest ones on line are complete; says how things stand if that is wanted. */
void scene_run(struct scene *s, uint64_t until_ms);
/* Fills the row in; it may be given checks then. */
void scene_measure(struct scene *s, uint32_t origin);
/* Of nodes [from, until): how long those took that are complete. Returns how many are. */
uint32_t scene_times(const struct scene *s, uint32_t from, uint32_t until, double *sorted);
/* Checks that all who are on line completed and no honest one was banned; prints the row. */
void scene_end(struct scene *s, struct table *t);

double scene_bytes(const struct scene *s);
/* The number of getters: as asked for, or `nodes`. */
uint32_t scene_pick(const struct scenario_options *o, uint32_t nodes);
/* Limit the last completion, as a multiple of the row's bound. */
void scene_limit_last(struct scene *s, double limit);
/* Long after everything should be over. */
#define SCENE_END_MS 3600000u

/* No schedule of fluid is faster: one seed, `n` getters, in bytes a second. */
double scene_bound_s(double bytes, double seed_up, double getters_up, double down_min, uint32_t n);

#endif
