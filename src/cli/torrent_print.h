/* cli/torrent_print.h - a torrent, for people to read. */
#ifndef SHOAL_CLI_TORRENT_PRINT_H
#define SHOAL_CLI_TORRENT_PRINT_H

#include "meta/metainfo.h"

/* At most `files` of its files are listed. */
void torrent_print(const struct metainfo *m, uint32_t files);

#endif
