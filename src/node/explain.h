/* node/explain.h - why a download is as fast as it is: a judgement over a handful of facts. Pure.
 */
#ifndef SHOAL_NODE_EXPLAIN_H
#define SHOAL_NODE_EXPLAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "node/node.h"

struct explain_facts {
	enum transfer_phase phase;
	const char *why; /* STALLED, FAILED: in words; "" else */
	uint64_t total_bytes, done_bytes;
	uint64_t down_bps;
	uint64_t run_ms;		     /* since it began */
	uint64_t disk_wait_ms;		     /* of those, time in which peers waited for the disk */
	uint32_t sources;		     /* web servers that are asked */
	uint32_t peers, seeds;		     /* connected; of them complete */
	uint32_t dialing, addresses;	     /* being called; known */
	uint32_t useful;		     /* peers that have something we lack */
	uint32_t unchoked;		     /* of those: they let us download */
	uint32_t snubbed;		     /* of those: owe us blocks for long */
	uint32_t requests;		     /* blocks asked for and not here yet */
	uint64_t best_bps;		     /* of the fastest peer */
	uint32_t best_rtt_us;		     /* its round trip; 0 unknown */
	uint64_t limit_bps;		     /* the limit that holds it up now; 0 none does */
	bool limit_own;			     /* that is its own, not that of all together */
	uint32_t nowhere;		     /* pieces we lack that no connected peer has */
	uint32_t tracker_ok, tracker_failed; /* announces answered, and not */
	const char *tracker_error;	     /* of the newest one; "" none */
};

enum explain_cause {
	EXPLAIN_LIMIT,		 /* more is not allowed */
	EXPLAIN_NOT_DOWNLOADING, /* complete, checking, paused by the disk, failed */
	EXPLAIN_TRACKER,	 /* nobody tells us of peers */
	EXPLAIN_NO_PEERS,
	EXPLAIN_INCOMPLETE, /* what is missing is nowhere */
	EXPLAIN_CHOKED,	    /* peers do not let us download */
	EXPLAIN_SILENT,	    /* peers do not send what they were asked for */
	EXPLAIN_DISK,
	EXPLAIN_ONE_PEER, /* nearly all comes from one */
	EXPLAIN_FEW_SOURCES,
	EXPLAIN_PEERS, /* nothing is wrong: it is what those peers send */
};

struct explain_finding {
	enum explain_cause cause;
	char text[256]; /* a sentence with the numbers */
};

#define EXPLAIN_FINDINGS_MAX 8u

/* The word for a program: "choked". */
const char *explain_word(enum explain_cause c);
/* What slows it most comes first. Returns how many there are, at least one. */
uint32_t explain_judge(const struct explain_facts *f,
		       struct explain_finding out[EXPLAIN_FINDINGS_MAX]);

/* The facts of a transfer. Owns: texts are borrowed from `t` and `st`. */
void explain_gather(struct transfer *t, struct transfer_status *st, struct explain_facts *out);

#endif
