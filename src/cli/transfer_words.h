/* cli/transfer_words.h - a transfer of the daemon, as it gives it in JSON, in words for people. */
#ifndef SHOAL_CLI_TRANSFER_WORDS_H
#define SHOAL_CLI_TRANSFER_WORDS_H

#include <jansson.h>
#include <stdint.h>

/* Bytes that are wanted of it, and those of them that are there. */
uint64_t transfer_wanted_bytes(const json_t *j);
uint64_t transfer_wanted_done(const json_t *j);

#define TRANSFER_PERCENT_MAX 8
/* "37%", of what is to be checked, or of a link's torrent, while that goes on. Never 100 before it
 * is. */
const char *transfer_percent(char out[TRANSFER_PERCENT_MAX], const json_t *j);

#define TRANSFER_NOTE_MAX 512
/* How long yet, or why not, or "". */
const char *transfer_note(char out[TRANSFER_NOTE_MAX], const json_t *j);

#endif
