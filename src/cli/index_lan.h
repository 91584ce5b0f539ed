/* cli/index_lan.h - has a running index tell the local network of itself. */
#ifndef SHOAL_CLI_INDEX_LAN_H
#define SHOAL_CLI_INDEX_LAN_H

#include "node/index_server.h"
#include "node/lan_teller.h"

/* Made at first use and kept: by it the index is known again wherever it is (32 hex digits). */
#define INDEX_ID_FILE "id"

/* `host`: where it listens, "" for everywhere. On a loopback address, which only this machine can
 * reach, nothing is told: *out is NULL. Returns 0, or why nothing is told; ERR_PROTO for an id that
 * is none. */
int index_lan_start(struct loop *l, const struct index_server *s, const char *host,
		    const char *data_dir, struct lan_teller **out, struct err_info *info);

#endif
