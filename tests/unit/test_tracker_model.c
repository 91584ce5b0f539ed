#include "index/tracker.h"

#include "tracker_fixture.h"

/* A plain list with the same rules, to compare with. */
struct shadow {
	bool used;
	uint8_t swarm, ours;
	uint64_t left, since, seen;
	struct addr addr;
};

#define MODEL_SWARMS 4u
#define MODEL_HOSTS 100u
#define MODEL_PORTS 2u
#define MODEL_PEERS (MODEL_SWARMS * 2 * MODEL_HOSTS * MODEL_PORTS)

struct model {
	struct tracker *t;
	struct rng rng;
	uint64_t seed, now;
	uint32_t crowdedness; /* hosts there are, of MODEL_HOSTS */
	uint32_t downloaded[MODEL_SWARMS];
	struct shadow all[MODEL_PEERS];
};

/* Half of them in four subnets, the others far apart. */
static void random_addr(struct model *m, struct addr *out)
{
	uint32_t host = rng_below(&m->rng, m->crowdedness);

	memset(out, 0, sizeof(*out));
	out->v6 = (uint8_t)rng_below(&m->rng, 2);
	out->ip[0] = 32;
	out->ip[out->v6 ? 7 : 2] = (uint8_t)(host % 2 == 0 ? host % 8 : host);
	out->ip[out->v6 ? 15 : 3] = (uint8_t)host;
	out->port = (uint16_t)(1 + rng_below(&m->rng, MODEL_PORTS));
}

static struct shadow *model_find(struct model *m, uint8_t swarm, const struct addr *a)
{
	struct shadow *unused = NULL;

	for (size_t i = 0; i < MODEL_PEERS; i++) {
		if (!m->all[i].used)
			unused = &m->all[i];
		else if (m->all[i].swarm == swarm && addr_eq(&m->all[i].addr, a))
			return &m->all[i];
	}
	return unused;
}

static uint64_t ticks(uint64_t now)
{
	return (now - NOW) / TRACKER_STOCK_TICK_S;
}

static void model_expire(struct model *m)
{
	bool alive[MODEL_SWARMS] = {false};

	for (size_t i = 0; i < MODEL_PEERS; i++) {
		struct shadow *s = &m->all[i];

		if (s->used && (s->ours ? m->now - s->seen >= TRACKER_SHOAL_EXPIRY_S
					: ticks(m->now) - ticks(s->seen) >=
					      TRACKER_STOCK_EXPIRY_S / TRACKER_STOCK_TICK_S))
			s->used = false;
		alive[s->swarm] = alive[s->swarm] || s->used;
	}
	for (unsigned i = 0; i < MODEL_SWARMS; i++)
		m->downloaded[i] = alive[i] ? m->downloaded[i] : 0;
}

static void model_counts(const struct model *m, uint8_t swarm, struct scrape_row *out)
{
	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < MODEL_PEERS; i++) {
		bool in = m->all[i].used && m->all[i].swarm == swarm;

		out->complete += in && m->all[i].left == 0;
		out->incomplete += in && m->all[i].left > 0;
	}
	out->downloaded = m->downloaded[swarm];
}

static void compare_peer(struct model *m, uint8_t swarm, const struct tracker_peer *p)
{
	const struct shadow *s = model_find(m, swarm, &p->addr);
	uint64_t slack = 32 + (m->now - s->since) / 50;

	CHECK_SEED(s->used && addr_eq(&s->addr, &p->addr), m->seed);
	CHECK_SEED(p->left >= s->left && p->left <= s->left + s->left / 100, m->seed);
	CHECK_SEED(p->since_s <= s->since && p->since_s + slack >= s->since, m->seed);
	CHECK_SEED(p->seen_s <= s->seen, m->seed);
	CHECK_SEED(p->seen_s + (s->ours ? 0 : TRACKER_STOCK_TICK_S) >= s->seen, m->seed);
	CHECK_SEED(p->client_id[1] == (s->ours ? 'S' : 'T'), m->seed);
}

static void compare(struct model *m)
{
	static struct tracker_peer list[MODEL_PEERS];

	tracker_check(m->t);
	for (uint8_t swarm = 0; swarm < MODEL_SWARMS; swarm++) {
		struct scrape_row row, want;
		uint8_t hash[20];
		size_t n;

		memset(hash, swarm, sizeof(hash));
		model_counts(m, swarm, &want);
		tracker_scrape(m->t, hash, m->now, &row);
		CHECK_SEED(row.complete == want.complete, m->seed);
		CHECK_SEED(row.incomplete == want.incomplete, m->seed);
		CHECK_SEED(row.downloaded == want.downloaded, m->seed);
		n = tracker_peers(m->t, hash, m->now, list, MODEL_PEERS);
		CHECK_SEED(n == want.complete + want.incomplete, m->seed);
		for (size_t i = 0; i < n; i++) {
			CHECK_SEED((list[i].left == 0) == (i < want.complete), m->seed);
			compare_peer(m, swarm, &list[i]);
		}
	}
}

/* Those told of are there, different, no seeds for a seed, as many as could be. */
static void compare_reply(struct model *m, const struct announce *a, const struct addr *from,
			  const struct announce_reply *r)
{
	uint8_t swarm = a->info_hash[0];
	struct scrape_row counts;
	uint32_t there;

	model_counts(m, swarm, &counts);
	CHECK_SEED(r->complete == counts.complete && r->incomplete == counts.incomplete, m->seed);
	there = a->left == 0 ? counts.incomplete : counts.incomplete + counts.complete - 1;
	CHECK_SEED(r->n_peers == (a->numwant < there ? a->numwant : there), m->seed);
	for (uint32_t i = 0; i < r->n_peers; i++) {
		const struct addr *told = &r->peers[i].addr;
		const struct shadow *s = model_find(m, swarm, told);

		CHECK_SEED(s->used && addr_eq(&s->addr, told) && !addr_eq(told, from), m->seed);
		CHECK_SEED(a->left > 0 || s->left > 0, m->seed);
		for (uint32_t k = 0; k < i; k++)
			CHECK_SEED(!addr_eq(told, &r->peers[k].addr), m->seed);
	}
}

static void model_take(struct model *m, struct shadow *s, const struct announce *a,
		       const struct addr *from, bool ours)
{
	bool same = s->used && s->ours == ours;

	if (same && s->left > 0 && a->left == 0 && a->event == EVENT_COMPLETED)
		m->downloaded[a->info_hash[0]]++;
	*s = (struct shadow){true, a->info_hash[0], ours, a->left, same ? s->since : m->now, m->now,
			     *from};
}

static void random_step(struct model *m, uint32_t stops)
{
	static const enum announce_event events[] = {EVENT_NONE, EVENT_STARTED, EVENT_COMPLETED};
	bool ours = rng_below(&m->rng, 2) == 0;
	char swarm = (char)rng_below(&m->rng, MODEL_SWARMS);
	struct announce a = announce_of(swarm, ours ? OURS : STOCK, 1, 0);
	struct announce_reply reply;
	struct shadow *s;
	struct addr from;

	random_addr(m, &from);
	a.port = from.port;
	a.left = rng_next(&m->rng) >> 16;
	a.left = rng_below(&m->rng, 3) == 0 ? 0 : a.left >> rng_below(&m->rng, 48);
	a.event = rng_below(&m->rng, 100) < stops ? EVENT_STOPPED : events[rng_below(&m->rng, 3)];
	a.numwant = rng_below(&m->rng, 120);
	s = model_find(m, (uint8_t)swarm, &from);
	if (a.event != EVENT_STOPPED)
		model_take(m, s, &a, &from, ours);
	else if (s != NULL && s->used && s->ours == ours)
		s->used = false;
	CHECK_INT(tracker_announce(m->t, &a, &from, NULL, m->now, &reply), 0);
	if (a.event != EVENT_STOPPED)
		compare_reply(m, &a, &from, &reply);
	model_expire(m);
}

/* Times of many and of few, so that everything grows and shrinks. */
static void random_run(struct model *m)
{
	for (int step = 0; step < 6000; step++) {
		uint32_t stops = step / 1500 % 2 == 0 ? 5 : 60;

		m->now += rng_below(&m->rng, 200) == 0 ? rng_below(&m->rng, 40) : 0;
		if (rng_below(&m->rng, 2000) == 0)
			m->now += TRACKER_STOCK_EXPIRY_S / 2;
		if (rng_below(&m->rng, 2) == 0)
			tracker_tick(m->t, m->now);
		model_expire(m);
		random_step(m, stops);
		if (step % 64 == 0)
			compare(m);
	}
}

TEST(random_runs_agree_with_a_plain_list)
{
	static struct model m;

	for (uint64_t seed = 1; seed <= 8; seed++) {
		memset(&m, 0, sizeof(m));
		m.t = new_tracker(0);
		m.now = NOW;
		m.seed = seed;
		m.crowdedness = seed % 2 == 0 ? MODEL_HOSTS : 12;
		rng_seed(&m.rng, seed);
		tracker_tick(m.t, m.now);
		random_run(&m);
		tracker_free(m.t);
	}
}
