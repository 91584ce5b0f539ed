/* shoal-dht-sim: lookups in a virtual network of thousands of DHT nodes.
 *
 * A network grows; peers announce themselves and an owner puts a signed item; then a part of the
 * nodes dies without a word, as many new ones join, and lookups for what was announced begin at
 * once, in tables that are still full of the dead. Some nodes lie all the time. In a network of its
 * own an attacker with all of a /16 tries to surround one info-hash. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim/dht_measure.h"
#include "sim/dht_names.h"

#define LOOKUPS_MAX 2000u
struct outcome {
	uint32_t lookups, found, near_found, near_all;
	double hops, messages;
	uint32_t messages_p95, found_p50_ms, found_p95_ms, done_p95_ms;
	uint32_t items, items_found, item_p50_ms, item_p95_ms;
	uint64_t busiest_bps;
};

/* ---- lookups ------------------------------------------------------------- */

/* Of the 8 honest living nodes nearest to the target, how many did it find? */
static void compare_near(struct dnet *n, const struct dnet_search *s, const uint8_t *target,
			 struct outcome *o)
{
	const uint8_t *near[8];
	uint32_t k = 0;

	for (uint32_t i = 0; i < dnet_count(n); i++) {
		const uint8_t *id = dht_id(dnet_dht(n, i), false);
		uint32_t at = k;

		if (!dnet_is_alive(n, i) || dnet_kind_of(n, i) != DNET_HONEST || i == s->node)
			continue;
		while (at > 0 && node_id_nearer(target, id, near[at - 1]) < 0)
			at--;
		if (at == 8)
			continue;
		k += k < 8;
		memmove(&near[at + 1], &near[at], (k - at - 1) * sizeof(near[0]));
		near[at] = id;
	}
	o->near_all += k;
	for (uint32_t i = 0; i < k; i++)
		for (uint32_t j = 0; j < s->n_near; j++)
			o->near_found += memcmp(near[i], s->near[j].id, NODE_ID_LEN) == 0;
}

static void count_lookups(struct dnet *n, const struct dnet_search *s, uint8_t (*hashes)[20],
			  uint32_t count, struct outcome *o)
{
	static uint32_t found_ms[LOOKUPS_MAX], done_ms[LOOKUPS_MAX], asked[LOOKUPS_MAX];
	uint32_t found = 0;

	o->lookups = count;
	for (uint32_t i = 0; i < count; i++) {
		if (s[i].found)
			found_ms[found++] = (uint32_t)(s[i].found_ms - s[i].begun_ms);
		done_ms[i] = (uint32_t)(s[i].done_ms - s[i].begun_ms);
		asked[i] = s[i].asked;
		o->hops += s[i].hops;
		o->messages += s[i].asked;
		if (i % 10 == 0)
			compare_near(n, &s[i], hashes[i], o);
	}
	o->found = found;
	o->hops /= count;
	o->messages /= count;
	o->messages_p95 = measure_percent(asked, count, 95);
	o->found_p50_ms = measure_percent(found_ms, found, 50);
	o->found_p95_ms = measure_percent(found_ms, found, 95);
	o->done_p95_ms = measure_percent(done_ms, count, 95);
}

static void announce_all(struct dnet *n, struct dnet_search *s, uint8_t (*hashes)[20],
			 struct addr *peers, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		s[i] = (struct dnet_search){.kind = DNET_ANNOUNCE, .node = dnet_pick(n)};
		rng_fill(dnet_rng(n), hashes[i], 20);
		peers[i] = *dnet_addr(n, s[i].node);
		peers[i].port = 7000;
		dnet_start(n, &s[i], hashes[i], 7000);
		dnet_run_until(n, dnet_now(n) + 50);
	}
	measure_run(n, s, count);
}

static void get_items(struct dnet *n, const struct dht_item *item, struct outcome *o)
{
	static uint32_t ms[LOOKUPS_MAX];
	static struct dnet_search s[LOOKUPS_MAX];
	uint8_t none[20] = {0};

	o->items = 100;
	for (uint32_t i = 0; i < o->items; i++) {
		s[i] = (struct dnet_search){.kind = DNET_GET, .node = dnet_pick(n)};
		memcpy(s[i].key, item->key, sizeof(s[i].key));
		dnet_start(n, &s[i], none, 0);
		dnet_run_until(n, dnet_now(n) + 100);
	}
	measure_run(n, s, o->items);
	for (uint32_t i = 0; i < o->items; i++)
		if (s[i].found && s[i].seq == item->seq)
			ms[o->items_found++] = (uint32_t)(s[i].found_ms - s[i].begun_ms);
	o->item_p50_ms = measure_percent(ms, o->items_found, 50);
	o->item_p95_ms = measure_percent(ms, o->items_found, 95);
}

static struct outcome measure(const struct measure_plan *p)
{
	static struct dnet_search s[LOOKUPS_MAX];
	static uint8_t hashes[LOOKUPS_MAX][20];
	static struct addr peers[LOOKUPS_MAX];
	static const uint8_t seed[SIGN_SEED_LEN] = {1};
	struct dnet *n = measure_grow(p);
	struct outcome o = {0};
	struct dnet_search put = {.kind = DNET_PUT};
	struct dht_item item;
	struct dnet_totals totals;

	announce_all(n, s, hashes, peers, p->lookups);
	(void)dht_item_sign(&item, seed, bytes_of(NULL, 0), 7,
			    bytes_str("d2:ih20:aaaaaaaaaaaaaaaaaaaae"));
	put.item = &item;
	put.node = dnet_pick(n);
	dnet_start(n, &put, hashes[0], 0);
	measure_run(n, &put, 1);
	measure_churn(n, p);
	for (uint32_t i = 0; i < p->lookups; i++) {
		s[i] = (struct dnet_search){
		    .kind = DNET_GET_PEERS, .node = dnet_pick(n), .wanted = peers[i]};
		dnet_start(n, &s[i], hashes[i], 0);
		dnet_run_until(n, dnet_now(n) + 50);
	}
	measure_run(n, s, p->lookups);
	count_lookups(n, s, hashes, p->lookups, &o);
	get_items(n, &item, &o);
	dnet_totals(n, &totals);
	o.busiest_bps = totals.longest_bps;
	dnet_free(n);
	return o;
}

/* ---- the attacker with a /16 --------------------------------------------- */

struct fake {
	struct contact c;
	unsigned common;
};

static int by_common(const void *a, const void *b)
{
	return (int)((const struct fake *)b)->common - (int)((const struct fake *)a)->common;
}

/* For each address of the /16 the nearest id that it may have; the nearest of all first. */
static struct fake *attackers(struct dnet *n, const uint8_t *target)
{
	struct fake *all = calloc(65536, sizeof(*all));

	for (uint32_t i = 0; all != NULL && i < 65536; i++) {
		struct addr a = {.ip = {45, 67, (uint8_t)(i >> 8), (uint8_t)i}, .port = 6881};

		for (unsigned r = 0; r < 8; r++) {
			uint8_t id[NODE_ID_LEN];
			unsigned common;

			node_id_for(id, &a, (uint8_t)r, dnet_rng(n));
			common = node_id_common(id, target);
			if (r > 0 && common <= all[i].common)
				continue;
			all[i] = (struct fake){.c.addr = a, .common = common};
			memcpy(all[i].c.id, id, 3);
			/* What is free of the id is as near as can be. */
			memcpy(all[i].c.id + 3, target + 3, NODE_ID_LEN - 4);
			all[i].c.id[NODE_ID_LEN - 1] = (uint8_t)r;
		}
	}
	if (all != NULL)
		qsort(all, 65536, sizeof(*all), by_common);
	return all;
}

/* Lookups of the surrounded info-hash that still find its peer, of 100. */
static uint32_t eclipse(const struct measure_plan *p, uint32_t n_attackers)
{
	static struct dnet_search s[100];
	struct dnet *n = measure_grow(p);
	struct dnet_search announce = {.kind = DNET_ANNOUNCE, .node = dnet_pick(n)};
	struct addr peer = *dnet_addr(n, announce.node);
	uint32_t found = 0;
	uint8_t target[20];
	struct fake *all;

	rng_fill(dnet_rng(n), target, sizeof(target));
	all = attackers(n, target);
	if (all == NULL)
		exit(3);
	for (uint32_t i = 0; i < n_attackers; i++) {
		dnet_add(n, DNET_ECLIPSE, &all[i].c.addr, all[i].c.id, 10);
		dnet_run_until(n, dnet_now(n) + 20);
	}
	free(all);
	dnet_run_until(n, dnet_now(n) + 1200000);
	peer.port = 7000;
	dnet_start(n, &announce, target, 7000);
	measure_run(n, &announce, 1);
	for (uint32_t i = 0; i < 100; i++) {
		s[i] = (struct dnet_search){
		    .kind = DNET_GET_PEERS, .node = dnet_pick(n), .wanted = peer};
		dnet_start(n, &s[i], target, 0);
		dnet_run_until(n, dnet_now(n) + 100);
	}
	measure_run(n, s, 100);
	for (uint32_t i = 0; i < 100; i++)
		found += s[i].found;
	dnet_free(n);
	return found;
}

/* ---- the command --------------------------------------------------------- */

static void print_row(const struct measure_plan *p, const struct outcome *o)
{
	printf("| %u | %u %% | %u %% | %.1f %% | %.1f %% | %.1f | %.1f | %.0f | %u | %.1f s | %.1f "
	       "s | %.1f s |"
	       " %u %% | %.1f s |\n",
	       p->nodes, p->churn_percent, p->liar_percent, 100.0 * o->found / o->lookups,
	       100.0 * o->near_found / o->near_all, o->hops, log2(p->nodes), o->messages,
	       o->messages_p95, o->found_p50_ms / 1e3, o->found_p95_ms / 1e3, o->done_p95_ms / 1e3,
	       100 * o->items_found / o->items, o->item_p95_ms / 1e3);
	fflush(stdout);
}

static void report(const struct measure_plan *base)
{
	static const struct {
		uint32_t churn, liars;
	} ways[] = {{0, 0}, {30, 0}, {0, 10}, {30, 10}};

	printf(
	    "| nodes | churn | liars | found | of the nearest 8 | hops | log2 n | messages | p95 "
	    "| found p50 | p95 | done p95 | items | p95 |\n"
	    "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct measure_plan p = *base;
		struct outcome o;

		p.churn_percent = ways[i].churn;
		p.liar_percent = ways[i].liars;
		o = measure(&p);
		print_row(&p, &o);
	}
}

static void report_names(const struct measure_plan *p)
{
	static const char *const who[2] = {"nodes that were there", "newcomers"};
	struct names_outcome o[2];

	names_measure(p, o);
	for (int i = 0; i < 2; i++)
		printf("| %u | %u %% | %u %% | %s | %.1f %% | %.1f %% | %.1f s | %.1f s | %.1f s | "
		       "%.1f s "
		       "| %.0f |\n",
		       p->nodes, p->churn_percent, p->liar_percent, who[i],
		       100.0 * o[i].found / o[i].asked, 100.0 * o[i].newest / o[i].asked,
		       o[i].first_p50_ms / 1e3, o[i].first_p95_ms / 1e3, o[i].done_p50_ms / 1e3,
		       o[i].done_p95_ms / 1e3, o[i].messages);
	fflush(stdout);
}

static int say(int number, bool ok, const char *what)
{
	printf("%sok %d - %s\n", ok ? "" : "not ", number, what);
	return ok ? 0 : 1;
}

static int tap(void)
{
	struct measure_plan p = {
	    .seed = 1, .nodes = 300, .lookups = 200, .churn_percent = 30, .liar_percent = 10};
	struct outcome o, again;
	struct names_outcome names[2];
	int failed = 0;

	printf("1..6\n");
	o = measure(&p);
	printf("# found %u of %u, %.1f hops, %.0f messages, found in %u ms, done in %u ms (p95)\n",
	       o.found, o.lookups, o.hops, o.messages, o.found_p95_ms, o.done_p95_ms);
	failed |= say(1, o.found * 100 >= o.lookups * 99,
		      "99 % of lookups succeed with 30 % churn and 10 % liars");
	failed |= say(2, o.items_found * 100 >= o.items * 99, "and so do gets of a signed item");
	failed |= say(3, o.hops <= log2(p.nodes) && o.busiest_bps <= GATE_RATE_BPS,
		      "hops and rates are within their bounds");
	again = measure(&p);
	failed |= say(4, memcmp(&o, &again, sizeof(o)) == 0, "the same seed gives the same run");
	names_measure(&p, names);
	printf("# names: of %u %u are the newest; done in %u ms, by newcomers in %u ms (median)\n",
	       names[0].asked + names[1].asked, names[0].newest + names[1].newest,
	       names[0].done_p50_ms, names[1].done_p50_ms);
	failed |= say(
	    5, (names[0].newest + names[1].newest) * 100 >= (names[0].asked + names[1].asked) * 97,
	    "97 % of names are found in their newest version, by newcomers, too");
	p.liar_percent = p.churn_percent = 0;
	failed |= say(6, eclipse(&p, 60) >= 99,
		      "60 attackers of one /16 do not surround an info-hash among 300 nodes");
	return failed;
}

static uint32_t number(const char *text, uint32_t least, uint32_t most)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (text[0] == '\0' || *end != '\0' || n < least || n > most) {
		fprintf(
		    stderr,
		    "usage: shoal-dht-sim tap | NODES SEED [CHURN LIARS] | names NODES SEED CHURN "
		    "LIARS\n"
		    "NODES 100 to 50000; percent of churn and of liars: without, a row for "
		    "each kind and the attack of a /16\n");
		exit(2);
	}
	return (uint32_t)n;
}

int main(int argc, char **argv)
{
	struct measure_plan p = {.lookups = 1000};

	if (argc == 2 && strcmp(argv[1], "tap") == 0)
		return tap();
	if (argc == 6 && strcmp(argv[1], "names") == 0) {
		p = (struct measure_plan){.nodes = number(argv[2], 100, 50000),
					  .seed = number(argv[3], 0, UINT32_MAX),
					  .lookups = 300,
					  .churn_percent = number(argv[4], 0, 90),
					  .liar_percent = number(argv[5], 0, 90)};
		report_names(&p);
		return 0;
	}
	p.nodes = number(argc > 1 ? argv[1] : "", 100, 50000);
	p.seed = number(argc > 2 ? argv[2] : "", 0, UINT32_MAX);
	if (argc > 3) {
		struct outcome o;

		p.churn_percent = number(argv[3], 0, 90);
		p.liar_percent = number(argc > 4 ? argv[4] : "", 0, 90);
		o = measure(&p);
		print_row(&p, &o);
		return 0;
	}
	report(&p);
	printf("\n%u attackers of one /16, around one info-hash: %u of 100 lookups find its peer\n",
	       p.nodes / 20, eclipse(&p, p.nodes / 20));
	return 0;
}
