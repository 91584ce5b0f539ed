/* cli/linked.h - what magnet links turned out to mean, kept until it is downloaded.
 *
 * A download that is broken off goes on at once from there, also when nobody who could tell it
 * again is there. One .torrent each, in the home's folder "linked", named by the info-hash. */
#ifndef SHOAL_CLI_LINKED_H
#define SHOAL_CLI_LINKED_H

#include "meta/magnet.h"

#define LINKED_HASH_MAX (SHA256_LEN * 2 + 1)

/* The info-hash that stands for the link, in hexadecimal digits. Returns `out`. */
const char *linked_hash(const struct magnet *m, char out[LINKED_HASH_MAX]);

/* What was kept, appended to `out`; false: nothing, or nothing that is what the link means. */
bool linked_recall(const struct magnet *m, struct buf *out);
/* Where nothing can be kept the download goes on without; `say`: and that is told. */
void linked_keep(const struct magnet *m, struct bytes torrent, bool say);
/* It is downloaded. */
void linked_forget(const struct metainfo *m);

#endif
