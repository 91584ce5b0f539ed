/* net_report.h - what a run came to, in figures. */
#ifndef SHOAL_SIM_NET_REPORT_H
#define SHOAL_SIM_NET_REPORT_H

#include "sim/net.h"

/* Of the honest getters that are on line at the end. Copies are of the whole torrent. */
struct net_report {
	uint32_t getters, finished;
	double *done_s; /* from coming on line to completion, rising; owned */
	double p50_s, p99_s, last_s;
	double wasted; /* of all payload that honest nodes received, 0 to 1 */
	double origin_copies;
	double jain_up, jain_done; /* 1: all alike; 1/n: one has everything */
	double cross_copies;
	uint32_t honest_bans, bans;
	uint64_t events, trace;
};

/* `origin`: the node whose egress is of interest. */
void net_report(const struct net *n, const struct metainfo *meta, uint32_t origin,
		struct net_report *out);
void net_report_fini(struct net_report *r);

/* For qsort(). */
int net_order(const void *a, const void *b);
/* Of sorted values; `q` from 0 to 1. 0 when there are none. */
double net_quantile(const double *sorted, uint32_t n, double q);
/* Jain's fairness index: (sum x)^2 / (n * sum x^2). 1 when there are none. */
double net_jain(const double *list, uint32_t n);

#endif
