/* cli/cmd_explain.c - why is it slow? The peers that run from this home say. */
#include <stdio.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/control.h"
#include "cli/entries.h"
#include "cli/out.h"

/* A peer whose loop is busy answers late. */
#define SILENCE_MS 5000u

static void take(void *user, const char *peer, const json_t *line)
{
	json_t *all = user, *one;
	size_t i;

	json_array_foreach(json_object_get(line, "explained"), i, one)
	{
		json_object_set_new(one, "peer", json_string(peer));
		json_array_append(all, one);
	}
}

/* As it is called, with each of its other titles behind. */
static void print_titles(const json_t *one)
{
	const json_t *title;
	char text[600];
	size_t i;

	printf("%s", text_escape(text, sizeof(text), bytes_str(entries_str(one, "title"))));
	json_array_foreach(json_object_get(one, "also"), i, title)
	{
		const char *also = json_string_value(title);

		if (also != NULL)
			printf(", %s", text_escape(text, sizeof(text), bytes_str(also)));
	}
}

/* "alice/data@1: downloading, 12.0 MiB of 40.0 MiB, 1.2 MiB/s" */
static void print_head(const json_t *one, const json_t *facts)
{
	char done[32], total[32], rate[32];

	print_titles(one);
	printf(": %s, %s of %s, %s\n", entries_str(one, "phase"),
	       text_size(done, sizeof(done), entries_count(facts, "done_bytes")),
	       text_size(total, sizeof(total), entries_count(facts, "total_bytes")),
	       text_rate(rate, sizeof(rate), entries_count(facts, "down_bps")));
}

static void print_numbers(const json_t *facts)
{
	char best[32];
	uint64_t rtt = entries_count(facts, "best_rtt_us"),
		 wait = entries_count(facts, "disk_wait_ms");
	unsigned peers = (unsigned)entries_count(facts, "peers");

	printf("  %u peer%s (%u complete), %u have something that is missing, %u let us download\n",
	       peers, peers == 1 ? "" : "s", (unsigned)entries_count(facts, "seeds"),
	       (unsigned)entries_count(facts, "useful"),
	       (unsigned)entries_count(facts, "unchoked"));
	printf("  %u blocks asked for; the fastest peer sends %s, round trip %u.%u ms; waited for "
	       "the disk %u.%u s of %u s\n",
	       (unsigned)entries_count(facts, "requests"),
	       text_rate(best, sizeof(best), entries_count(facts, "best_bps")),
	       (unsigned)(rtt / 1000), (unsigned)(rtt % 1000 / 100), (unsigned)(wait / 1000),
	       (unsigned)(wait % 1000 / 100), (unsigned)(entries_count(facts, "run_ms") / 1000));
}

static void print_one(const json_t *one)
{
	const json_t *facts = json_object_get(one, "facts"), *why;
	bool downloading = strcmp(entries_str(one, "phase"), "downloading") == 0;
	char text[600];
	size_t i;

	print_head(one, facts);
	json_array_foreach(json_object_get(one, "why"), i, why)
	{
		/* What strangers wrote in it was escaped where it was written. */
		snprintf(text, sizeof(text), "%s", entries_str(why, "text"));
		printf("  %zu. %s\n", i + 1, text);
	}
	if (downloading)
		print_numbers(facts);
}

int cmd_explain(const struct opts *o)
{
	const char *name = o->n_args > 0 ? o->args[0] : NULL;
	json_t *question = json_pack("{s:s, s:s*}", "verb", "explain", "name", name);
	json_t *all = json_array(), *one;
	struct err_info info;
	char safe[300];
	size_t i;
	int n = question == NULL ? err_set(&info, ERR_INVALID, "NAME is not UTF-8")
				 : control_ask(NULL, question, SILENCE_MS, take, all, &info);

	if (n == 0)
		n = err_set(&info, ERR_NOENT, "no peer is running from this home");
	else if (n > 0 && json_array_size(all) == 0 && name != NULL)
		n = err_set(&info, ERR_NOENT, "%s: no running peer has it",
			    text_escape(safe, sizeof(safe), bytes_str(name)));
	if (n > 0 && o->json) {
		json_t *j = json_pack("{s:O}", "explained", all);

		out_json(j);
		json_decref(j);
	} else if (n > 0) {
		json_array_foreach(all, i, one) print_one(one);
	}
	json_decref(question);
	json_decref(all);
	return n > 0 ? EXIT_OK : opts_fail(o, "explain", &info);
}
