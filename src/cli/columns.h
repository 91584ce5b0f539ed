/* cli/columns.h - text by the columns that it takes on a terminal: wide characters take two. */
#ifndef SHOAL_CLI_COLUMNS_H
#define SHOAL_CLI_COLUMNS_H

#include <stdbool.h>

#include "base/buf.h"

/* Bytes of `text` that fit into `width` columns. *used, unless NULL: the columns they take. */
size_t columns_fit(struct bytes text, unsigned width, unsigned *used);
/* Append `text` in exactly `width` columns: padded, or cut, which a '~' at its end shows. */
void columns_put(struct buf *out, struct bytes text, unsigned width, bool right);

#endif
