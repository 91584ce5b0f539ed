#include "cli/transfer_words.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/entries.h"

uint64_t transfer_number(const json_t *j, const char *key)
{
	json_int_t n = entries_int(j, key);

	return n < 0 ? 0 : (uint64_t)n;
}

const char *transfer_percent(char out[TRANSFER_PERCENT_MAX], const json_t *j)
{
	bool checking = strcmp(entries_str(j, "state"), "checking") == 0;
	uint64_t done = transfer_number(j, checking ? "checked_bytes" : "done_bytes");
	uint64_t total = transfer_number(j, checking ? "to_check_bytes" : "total_bytes");
	unsigned percent = 100;

	if (done < total)
		percent = (unsigned)((double)done * 100.0 / (double)total);
	if (done < total && percent > 99)
		percent = 99;
	snprintf(out, TRANSFER_PERCENT_MAX, "%u%%", percent);
	return out;
}

const char *transfer_note(char out[TRANSFER_NOTE_MAX], const json_t *j)
{
	uint64_t left = transfer_number(j, "total_bytes") - transfer_number(j, "done_bytes");
	uint64_t bps = transfer_number(j, "down_bps");

	out[0] = '\0';
	if (json_is_string(json_object_get(j, "why")))
		snprintf(out, TRANSFER_NOTE_MAX, "%s", entries_str(j, "why"));
	else if (left > 0 && bps > 0)
		text_duration(out, TRANSFER_NOTE_MAX, left / bps);
	return out;
}
