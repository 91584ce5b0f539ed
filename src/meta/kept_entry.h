/* meta/kept_entry.h - an entry whose texts take no more room than they need: for those who keep one
 * of each of thousands of shares. */
#ifndef SHOAL_META_KEPT_ENTRY_H
#define SHOAL_META_KEPT_ENTRY_H

#include "meta/entry.h"

struct kept_entry;

/* Returns a copy for free(), or NULL without memory. */
struct kept_entry *kept_entry_new(const struct entry *e);
/* What was kept. */
void kept_entry_get(const struct kept_entry *k, struct entry *out);

#endif
