/* daemon/gateway_list.h - what is in a folder of a torrent, as a page and as JSON. Pure. */
#ifndef SHOAL_DAEMON_GATEWAY_LIST_H
#define SHOAL_DAEMON_GATEWAY_LIST_H

#include <jansson.h>

#include "base/buf.h"
#include "meta/metainfo.h"

/* Rows of one listing; the rest are counted (attack: a folder of half a million files makes a page
 * of 100 MB). */
#define GATEWAY_LIST_ROWS_MAX 10000u

/* `folder`: its path in the torrent, "" the top. `title` heads the page. Returns 0 or ERR_NOMEM. */
int gateway_list_page(const struct metainfo *m, const char *folder, const char *title,
		      struct buf *out);
/* {"path": TEXT, "entries": [{"name": TEXT, "type": "file" or "folder", "bytes": N, "url": TEXT}],
 *  "more": N}; names that are no UTF-8 are escaped, `url` has their bytes. NULL without memory. */
json_t *gateway_list_json(const struct metainfo *m, const char *folder);

#endif
