/* node/index_told.h - addresses of peers as members of a JSON object, those who have everything
 * before the others: "peers" and "complete" of docs/api.md. session_line_peers() reads them. */
#ifndef SHOAL_NODE_INDEX_TOLD_H
#define SHOAL_NODE_INDEX_TOLD_H

#include <jansson.h>

#include "base/addr.h"
#include "wire/announce.h"

struct told {
	json_t *complete, *others;
};

struct told told_new(void);
size_t told_count(const struct told *t);
/* Without memory it is left out. */
void told_add(struct told *t, const struct addr *a, bool complete);
void told_add_reply(struct told *t, const struct announce_reply *r);
/* Ends the list, also when `j` is NULL for want of memory. */
void told_put(struct told *t, json_t *j);

#endif
