/* node/external_json.h - how the world sees a node, for those who ask. */
#ifndef SHOAL_NODE_EXTERNAL_JSON_H
#define SHOAL_NODE_EXTERNAL_JSON_H

#include <jansson.h>

struct node;

/* A list of {"address": "203.0.113.7", "by": WHO}, one of each family that is known. NULL without
 * memory. */
json_t *external_json(const struct node *n);

#endif
