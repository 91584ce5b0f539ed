/* cli/info_pieces.h - who holds which pieces, as `shoal info` shows it. What comes from the index
 * is a stranger's: of any type and size. */
#ifndef SHOAL_CLI_INFO_PIECES_H
#define SHOAL_CLI_INFO_PIECES_H

#include <stdbool.h>

#include <jansson.h>

/* Rows of the histogram, and its longest bar. */
#define INFO_ROWS_MAX 10u
#define INFO_BAR_MAX 40u
/* Ranges shown of one holder. */
#define INFO_RANGES_MAX 1000u

/* Copies per piece, rarest pieces, whether all can be had. `pieces` is the answer of
 * /api/v1/entries/ID/pieces, NULL none. */
void info_pieces_print(const json_t *pieces);
/* A row for each of `peers`. */
void info_pieces_print_holders(const json_t *pieces, const json_t *peers);
/* For people's eyes and jq: "ranges" in place of each holder's "map", or no holders at all. */
void info_pieces_spell(json_t *pieces, bool holders);

#endif
