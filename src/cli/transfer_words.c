#include "cli/transfer_words.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/entries.h"

/* An older daemon knows only of the whole. */
static uint64_t wanted_or(const json_t *j, const char *wanted, const char *whole)
{
	return entries_count(j, json_object_get(j, wanted) != NULL ? wanted : whole);
}

uint64_t transfer_wanted_bytes(const json_t *j)
{
	return wanted_or(j, "wanted_bytes", "total_bytes");
}

uint64_t transfer_wanted_done(const json_t *j)
{
	return wanted_or(j, "wanted_done_bytes", "done_bytes");
}

const char *transfer_percent(char out[TRANSFER_PERCENT_MAX], const json_t *j)
{
	const char *state = entries_str(j, "state");
	bool asking = strcmp(state, "metadata") == 0;
	bool checking = asking || strcmp(state, "checking") == 0;
	uint64_t done = checking ? entries_count(j, "checked_bytes") : transfer_wanted_done(j);
	uint64_t total = checking ? entries_count(j, "to_check_bytes") : transfer_wanted_bytes(j);
	unsigned percent = asking && total == 0 ? 0 : 100; /* nobody said yet how long it is */

	if (done < total)
		percent = (unsigned)((double)done * 100.0 / (double)total);
	if (done < total && percent > 99)
		percent = 99;
	snprintf(out, TRANSFER_PERCENT_MAX, "%u%%", percent);
	return out;
}

const char *transfer_note(char out[TRANSFER_NOTE_MAX], const json_t *j)
{
	uint64_t left = transfer_wanted_bytes(j) - transfer_wanted_done(j);
	uint64_t bps = entries_count(j, "down_bps");

	out[0] = '\0';
	if (json_is_string(json_object_get(j, "why")))
		snprintf(out, TRANSFER_NOTE_MAX, "%s", entries_str(j, "why"));
	else if (json_is_string(json_object_get(j, "upkeep_why")))
		snprintf(out, TRANSFER_NOTE_MAX, "%s", entries_str(j, "upkeep_why"));
	else if (left > 0 && bps > 0)
		text_duration(out, TRANSFER_NOTE_MAX, left / bps);
	else if (json_is_true(json_object_get(j, "follows")))
		snprintf(out, TRANSFER_NOTE_MAX, "follows");
	else if (json_is_true(json_object_get(j, "watches")))
		snprintf(out, TRANSFER_NOTE_MAX, "watches");
	return out;
}
