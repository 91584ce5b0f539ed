/* node/entry_json.h - entries as the JSON of docs/api.md, for both ends of it. */
#ifndef SHOAL_NODE_ENTRY_JSON_H
#define SHOAL_NODE_ENTRY_JSON_H

#include <jansson.h>

#include "meta/entry.h"

/* All members that the entry itself has, "id" to "signature". NULL without memory. */
json_t *entry_json(const struct entry *e);
/* The same members back. `stored` ones have an id and a version; others have neither, or a
 * version alone. ERR_PROTO with the sentence, which names the member. */
int entry_json_read(const json_t *j, bool stored, struct entry *out, struct err_info *info);

#endif
