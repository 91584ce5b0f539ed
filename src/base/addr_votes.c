#include "base/addr_votes.h"

bool addr_votes_add(struct addr_votes *v, const struct addr *voter, const struct addr *seen)
{
	uint32_t at = v->n;

	if (seen->v6 != voter->v6 || addr_scope(voter) != ADDR_PUBLIC ||
	    addr_scope(seen) != ADDR_PUBLIC)
		return false;
	for (uint32_t i = 0; i < v->n; i++)
		if (addr_same_range(&v->by[i], voter))
			at = i;
	if (at == ADDR_VOTES_MAX) {
		at = v->at;
		v->at = (v->at + 1) % ADDR_VOTES_MAX;
	}
	v->by[at] = *voter;
	v->seen[at] = *seen;
	if (at == v->n)
		v->n++;
	return true;
}

bool addr_votes_agree(const struct addr_votes *v, const struct addr *seen, uint32_t needed)
{
	uint32_t agree = 0;

	for (uint32_t i = 0; i < v->n; i++)
		agree += addr_same_host(&v->seen[i], seen);
	return agree >= needed && agree * 2 > v->n;
}
