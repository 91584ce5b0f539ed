/* cli/info_name.h - `info` of a name that is found without an index. */
#ifndef SHOAL_CLI_INFO_NAME_H
#define SHOAL_CLI_INFO_NAME_H

#include "cli/dht_name.h"

/* Find it and show it. Returns what dht_name_find() says. */
int info_name_show(const struct opts *o, const struct dht_name *n, struct err_info *info);

#endif
