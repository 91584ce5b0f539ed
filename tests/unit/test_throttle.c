/* Limits between nodes of one process: nothing goes over them, and all get the same. */
#include "node/throttle.h"

#include "net/lan.h"
#include "test.h"

#include "node_fixture.h"

#define KIB 1024u
#define GETTERS 3
#define SPAN_MS 3000u

static const struct sample_file big = {NULL, 24576 * KIB, false};

struct crowd {
	struct world w;
	struct node *seed, *getters[GETTERS];
	struct transfer *from, *to[GETTERS];
	char out[GETTERS][320];
};

static void crowd_init(struct crowd *c)
{
	world_init(&c->w, (struct kind){true, false}, 256 * KIB, &big, 1);
	c->seed = world_node(&c->w);
	c->from = world_seed(&c->w, c->seed);
	for (int i = 0; i < GETTERS; i++) {
		snprintf(c->out[i], sizeof(c->out[i]), "%s/out%d", c->w.dir, i);
		c->getters[i] = world_node(&c->w);
	}
}

static void crowd_get(struct crowd *c, int i)
{
	struct transfer_params p = world_params(&c->w, c->out[i]);
	struct addr peer = local(node_port(c->seed));

	p.peers = &peer;
	p.n_peers = 1;
	CHECK_INT(node_add(c->getters[i], &p, &c->to[i], NULL), 0);
}

static void crowd_fini(struct crowd *c)
{
	for (int i = 0; i < GETTERS; i++)
		node_free(c->getters[i]);
	node_free(c->seed);
	world_fini(&c->w);
}

static uint64_t got(const struct crowd *c, int i)
{
	return status_of(c->to[i]).swarm.down_bytes;
}

/* For so long, from the first byte on. Returns how long it was. */
static uint64_t run(struct crowd *c, int n)
{
	uint64_t from, sum = 0;

	while (sum == 0) {
		loop_turn(c->w.loop, 5);
		for (int i = 0; i < n; i++)
			sum += got(c, i);
	}
	from = clock_ms();
	while (clock_ms() - from < SPAN_MS)
		loop_turn(c->w.loop, 5);
	return clock_ms() - from;
}

/* A quarter second's worth may have gathered, and one block of each may be on its way. On a busy
 * machine less may come. */
static void check_sum(uint64_t sum, uint64_t bps, uint64_t took_ms, int n)
{
	CHECK(sum <=
	      bps * (took_ms + TOKEN_BURST_MS) / 1000 * 105 / 100 + (uint64_t)n * BLOCK_BYTES);
	CHECK(sum >= bps * took_ms / 1000 * 7 / 10);
}

TEST(an_upload_limit_is_kept_and_shared_evenly)
{
	const struct limits l = {0, 1000000};
	uint64_t took, sum = 0;
	struct crowd c;

	crowd_init(&c);
	node_set_limits(c.seed, &l, true);
	for (int i = 0; i < GETTERS; i++)
		crowd_get(&c, i);
	took = run(&c, GETTERS);
	for (int i = 0; i < GETTERS; i++)
		sum += got(&c, i);
	/* What getters give one another is not the seed's. */
	check_sum(status_of(c.from).swarm.up_bytes, l.up_bps, took, GETTERS);
	for (int i = 0; i < GETTERS; i++)
		CHECK(got(&c, i) * GETTERS * 10 > sum * 6 && got(&c, i) * GETTERS * 10 < sum * 15);
	crowd_fini(&c);
}

TEST(a_download_limit_of_one_transfer_is_kept)
{
	const struct limits l = {800000, 0};
	uint64_t took;
	struct crowd c;

	crowd_init(&c);
	node_set_limits(c.getters[0], &(struct limits){0, 0}, true);
	crowd_get(&c, 0);
	transfer_set_limits(c.to[0], &l);
	CHECK_INT(c.to[0]->throttle.bucket[DIR_DOWN].bps, l.down_bps);
	took = run(&c, 1);
	check_sum(got(&c, 0), l.down_bps, took, 1);
	/* Without it, it goes on at full speed. */
	transfer_set_limits(c.to[0], &(struct limits){0, 0});
	WAIT_FOR(c.w.loop, phase_of(c.to[0]) == TRANSFER_SEEDING);
	crowd_fini(&c);
}

TEST(the_lower_of_two_limits_counts_and_the_own_machine_is_not_limited_unasked)
{
	const struct limits slow = {400000, 0}, fast = {2000000, 0};
	uint64_t took;
	struct crowd c;

	crowd_init(&c);
	node_set_limits(c.getters[0], &slow, true);
	crowd_get(&c, 0);
	transfer_set_limits(c.to[0], &fast);
	took = run(&c, 1);
	check_sum(got(&c, 0), slow.down_bps, took, 1);
	node_set_limits(c.getters[0], &slow, false);
	WAIT_FOR(c.w.loop, phase_of(c.to[0]) == TRANSFER_SEEDING);
	crowd_fini(&c);
}

TEST(without_upload_nobody_is_served)
{
	struct crowd c;

	crowd_init(&c);
	transfer_set_upload(c.from, false);
	crowd_get(&c, 0);
	for (int i = 0; i < 200; i++)
		loop_turn(c.w.loop, 5);
	CHECK_INT(got(&c, 0), 0);
	transfer_set_upload(c.from, true);
	WAIT_FOR(c.w.loop, got(&c, 0) > 0);
	crowd_fini(&c);
}

TEST(the_own_network_is_known)
{
	struct addr a = local(1);

	CHECK(lan_has(&a));
	CHECK_INT(addr_parse(bytes_str("[::1]:1"), 1, &a), 0);
	CHECK(lan_has(&a));
	/* Private ones of nobody's network, and public ones. */
	CHECK_INT(addr_parse(bytes_str("8.8.8.8:1"), 1, &a), 0);
	CHECK(!lan_has(&a));
	CHECK_INT(addr_parse(bytes_str("[2001:db8::1]:1"), 1, &a), 0);
	CHECK(!lan_has(&a));
}
