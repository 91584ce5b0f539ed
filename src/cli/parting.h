/* cli/parting.h - what would be lost if this peer left now: pieces that no connected peer has, of
 * torrents that nobody else has whole as far as the index knows. */
#ifndef SHOAL_CLI_PARTING_H
#define SHOAL_CLI_PARTING_H

#include "node/index_client.h"
#include "node/node.h"

/* The index is asked about so many torrents, for so long; what it does not say in time counts as
 * lost. Whoever leaves does not want to wait. */
#define PARTING_ASKED_MAX 32u
#define PARTING_ASK_MS 1500u
/* Different indexes that are asked, among all torrents. */
#define PARTING_INDEXES_MAX 8u
/* How long a peer that drains stays, when nothing else is said. */
#define PARTING_DRAIN_S 600u

struct parting_loss {
	uint32_t pieces;   /* of all torrents together; 0: nothing is lost */
	uint32_t torrents; /* that have such pieces */
	char title[300];   /* of one of them, escaped */
};

/* What is said behind the title: is more than that one lost? */
static inline const char *parting_others(uint32_t torrents)
{
	return torrents > 1 ? " and others" : "";
}

struct parting;

/* Borrows both. Returns 0 or ERR_NOMEM. */
int parting_new(struct loop *loop, struct node *node, struct parting **out);
void parting_free(struct parting *p);

/* Who wants to know. */
struct parting_asker {
	/* The index that may know of others who have it; NULL: none. Borrowed until the parting is
	 * freed, and always the same for one index. */
	const struct index_client *(*index)(void *user, const struct transfer *t);
	void (*answer)(void *user, const struct parting_loss *loss);
	void *user;
};

/* `answer` is called once, perhaps before this returns. An older question that has no answer yet
 * will have none. */
void parting_ask(struct parting *p, const struct parting_asker *asker);

#endif
