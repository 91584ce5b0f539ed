#include "test.h"

#include <stdio.h>

#include "node/explain.h"

#define MIB (1u << 20)

/* A download of 100 MiB at 10 MiB/s from four peers, ten seconds after it began. */
static const struct explain_facts fine = {
    .phase = TRANSFER_DOWNLOADING,
    .why = "",
    .total_bytes = 100 * MIB,
    .done_bytes = 50 * MIB,
    .down_bps = 10 * MIB,
    .run_ms = 10000,
    .peers = 5,
    .seeds = 4,
    .addresses = 9,
    .useful = 4,
    .unchoked = 4,
    .requests = 120,
    .best_bps = 3 * MIB,
    .best_rtt_us = 12340,
    .tracker_ok = 2,
    .tracker_error = "",
};

struct expected {
	struct explain_facts f;
	const char *words; /* what is found, in this order */
	const char *says;  /* in the first sentence */
};

static struct explain_facts with(void (*change)(struct explain_facts *f))
{
	struct explain_facts f = fine;

	if (change != NULL)
		change(&f);
	return f;
}

static void complete(struct explain_facts *f)
{
	f->phase = TRANSFER_SEEDING;
	f->done_bytes = f->total_bytes;
}

static void changed_on_disk(struct explain_facts *f)
{
	f->phase = TRANSFER_SEEDING;
}

static void checking(struct explain_facts *f)
{
	f->phase = TRANSFER_CHECKING;
}

static void full_disk(struct explain_facts *f)
{
	f->phase = TRANSFER_STALLED;
	f->why = "data: No space left on device";
}

static void limited(struct explain_facts *f)
{
	f->limit_bps = MIB;
}

static void dead_tracker(struct explain_facts *f)
{
	f->tracker_ok = f->peers = f->useful = f->unchoked = f->addresses = 0;
	f->tracker_failed = 3;
	f->tracker_error = "tracker.lan: connection refused";
}

static void tracker_gone_few_peers(struct explain_facts *f)
{
	f->useful = f->unchoked = 2;
	f->best_bps = 6 * MIB;
	f->tracker_error = "tracker.lan: timeout";
}

static void tracker_gone_many_peers(struct explain_facts *f)
{
	f->tracker_error = "tracker.lan: timeout";
}

static void calling(struct explain_facts *f)
{
	f->peers = f->useful = f->unchoked = 0;
	f->dialing = 1;
}

static void nobody(struct explain_facts *f)
{
	f->peers = f->useful = f->unchoked = 0;
}

static void incomplete(struct explain_facts *f)
{
	f->nowhere = 7;
}

static void choked(struct explain_facts *f)
{
	f->unchoked = 1;
	f->down_bps = f->best_bps = 0;
}

static void just_not_choked(struct explain_facts *f)
{
	f->useful = 6;
	f->unchoked = 2;
}

static void silent(struct explain_facts *f)
{
	f->snubbed = 2;
}

static void slow_disk(struct explain_facts *f)
{
	f->disk_wait_ms = 2000;
}

static void disk_just_quick_enough(struct explain_facts *f)
{
	f->disk_wait_ms = 1999;
}

static void one_peer(struct explain_facts *f)
{
	f->best_bps = 9 * MIB;
}

static void not_quite_one_peer(struct explain_facts *f)
{
	f->best_bps = 79 * MIB / 10;
}

static void one_source(struct explain_facts *f)
{
	f->peers = f->useful = f->unchoked = 1;
	f->best_bps = f->down_bps;
}

static void all_of_it(struct explain_facts *f)
{
	f->tracker_ok = 0;
	f->tracker_error = "tracker.lan: timeout";
	f->nowhere = 1;
	f->useful = 2;
	f->unchoked = 0;
	f->snubbed = 1;
	f->disk_wait_ms = 9000;
	f->best_bps = f->down_bps;
}

TEST(each_cause_is_found_with_its_numbers_and_the_worst_first)
{
	const struct expected table[] = {
	    {with(NULL), "peers", "4 peers send 10.0 MiB/s together, 120 blocks"},
	    {with(complete), "not_downloading", "complete"},
	    {with(changed_on_disk), "not_downloading", "50.0 MiB of 100.0 MiB is served"},
	    {with(checking), "not_downloading", "checked"},
	    {with(limited), "limit", "the limit: 1.0 MiB/s is allowed for all together"},
	    {with(full_disk), "disk", "No space left on device"},
	    {with(dead_tracker), "tracker no_peers",
	     "(3 announces failed): tracker.lan: connection refused"},
	    {with(tracker_gone_few_peers), "tracker few_sources", "does not answer now"},
	    {with(tracker_gone_many_peers), "peers", ""},
	    {with(calling), "no_peers", "1 is being called"},
	    {with(nobody), "no_peers", "of 9 that are known"},
	    {with(incomplete), "incomplete", "7 pieces of what is missing are at no connected"},
	    {with(choked), "choked", "of 4 peers with something that is missing 1 lets us"},
	    {with(just_not_choked), "peers", ""},
	    {with(silent), "silent", "2 of the 4 peers"},
	    {with(slow_disk), "disk", "20 % of the time (2.0 s of 10.0 s)"},
	    {with(disk_just_quick_enough), "peers", ""},
	    {with(one_peer), "one_peer", "90 % of it: 9.0 MiB/s, with a round trip of 12.3 ms"},
	    {with(not_quite_one_peer), "peers", ""},
	    {with(one_source), "few_sources", "1 connected peer has what is missing"},
	    {with(all_of_it), "tracker incomplete choked silent disk one_peer few_sources", ""},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct explain_finding out[EXPLAIN_FINDINGS_MAX];
		uint32_t n = explain_judge(&table[i].f, out);
		char words[200] = "";
		size_t at = 0;

		for (uint32_t k = 0; k < n; k++)
			at += (size_t)snprintf(words + at, sizeof(words) - at, "%s%s",
					       k > 0 ? " " : "", explain_word(out[k].cause));
		CHECK_STR(words, table[i].words);
		if (strstr(out[0].text, table[i].says) == NULL)
			fail_msg("\"%s\" is not in \"%s\"", table[i].says, out[0].text);
	}
}
