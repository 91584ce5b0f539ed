/* cli/transfer_words.h - a transfer of the daemon, as it gives it in JSON, in words for people. */
#ifndef SHOAL_CLI_TRANSFER_WORDS_H
#define SHOAL_CLI_TRANSFER_WORDS_H

#include <jansson.h>
#include <stdint.h>

/* A member that is a number; 0 when it is missing or less. */
uint64_t transfer_number(const json_t *j, const char *key);

#define TRANSFER_PERCENT_MAX 8
/* "37%", of what is to be checked while that goes on. Never 100 before it is. */
const char *transfer_percent(char out[TRANSFER_PERCENT_MAX], const json_t *j);

#define TRANSFER_NOTE_MAX 512
/* How long yet, or why not, or "". */
const char *transfer_note(char out[TRANSFER_NOTE_MAX], const json_t *j);

#endif
