/* cli/cmd_status.c - what the daemon has, as a table, once or again and again. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/daemon_ask.h"
#include "cli/entries.h"
#include "cli/out.h"
#include "cli/transfer_words.h"

#define REDRAW_S 1
/* Longer ones are cut to the first. */
#define TITLES_MAX 8192u

static volatile sig_atomic_t stopped;

static void on_signal(int signo)
{
	(void)signo;
	stopped = 1;
}

static void put_rate(struct out_table *t, uint64_t bps)
{
	char text[32];

	out_cell(t, bps == 0 ? "" : text_rate(text, sizeof(text), bps));
}

static size_t name_length(const char *title)
{
	const char *at = strrchr(title, '@');

	return at == NULL ? strlen(title) : (size_t)(at - title);
}

/* All that it is shared as; of several versions of a name the one that comes first. */
static void put_titles(struct out_table *t, const json_t *j)
{
	const json_t *also = json_object_get(j, "also"), *v;
	struct buf room, all;
	const char *title;
	size_t i;

	buf_init(&room, TITLES_MAX);
	buf_init(&all, TITLES_MAX);
	title = entries_bytes(j, "title", &room);
	buf_put_str(&all, title);
	json_array_foreach(also, i, v)
	{
		const char *one = json_string_value(v);

		if (one != NULL && (name_length(one) != name_length(title) ||
				    strncmp(one, title, name_length(one)) != 0))
			buf_printf(&all, ", %s", one);
	}
	out_cell(t, buf_cstr(&all) == NULL ? title : buf_cstr(&all));
	buf_fini(&all);
	buf_fini(&room);
}

static void put_row(struct out_table *t, const json_t *j)
{
	char percent[TRANSFER_PERCENT_MAX], note[TRANSFER_NOTE_MAX], text[32];

	out_row(t);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)entries_count(j, "id"));
	out_cell(t, text);
	put_titles(t, j);
	out_cell(t, entries_str(j, "state"));
	out_cell(t, transfer_percent(percent, j));
	out_cell(t, text_size(text, sizeof(text), transfer_wanted_bytes(j)));
	put_rate(t, entries_count(j, "down_bps"));
	put_rate(t, entries_count(j, "up_bps"));
	snprintf(text, sizeof(text), "%llu", (unsigned long long)entries_count(j, "peers"));
	out_cell(t, text);
	out_cell_said(t, transfer_note(note, j));
}

static void print_external(const json_t *list)
{
	const json_t *j;
	size_t i;

	json_array_foreach(list, i, j) printf("the world sees this machine at %s: the word of %s\n",
					      entries_str(j, "address"), entries_str(j, "by"));
}

static void print_utp(const json_t *utp)
{
	json_int_t n = json_integer_value(json_object_get(utp, "peers"));

	if (n > 0)
		printf("%lld of the peers over uTP\n", (long long)n);
}

static void print_table(const json_t *answer)
{
	static const char *const columns[] = {"ID",   "NAME", "STATE", "DONE", "SIZE",
					      "DOWN", "UP",   "PEERS", "ETA"};
	static const bool right[] = {true, false, false, true, true, true, true, true, false};
	const json_t *list = json_object_get(answer, "transfers"), *j;
	struct out_table *t = out_table_new(columns, sizeof(columns) / sizeof(columns[0]), right);
	size_t i;

	json_array_foreach(list, i, j) put_row(t, j);
	out_table_print(t);
	if (isatty(STDOUT_FILENO))
		print_external(json_object_get(json_object_get(answer, "status"), "external"));
	if (isatty(STDOUT_FILENO))
		print_utp(json_object_get(json_object_get(answer, "status"), "utp"));
	if (json_array_size(list) == 0 && isatty(STDOUT_FILENO))
		puts("the daemon has no transfers");
}

/* -v */
static void print_dht(const json_t *dht)
{
	char sent[32];

	if (!json_is_object(dht))
		puts("no part in the distributed hash table");
	else
		printf("distributed hash table: %llu nodes, keeps %llu peers and %llu items for "
		       "others, "
		       "sent %s\n",
		       (unsigned long long)(entries_count(dht, "nodes") +
					    entries_count(dht, "nodes6")),
		       (unsigned long long)entries_count(dht, "peers"),
		       (unsigned long long)entries_count(dht, "items"),
		       text_size(sent, sizeof(sent), entries_count(dht, "sent_bytes")));
}

/* How one time is told from the one before. */
enum between { NOTHING, WIPE, EMPTY_LINE };

static int print_once(const struct opts *o, enum between between)
{
	struct err_info info;
	json_t *answer;

	if (daemon_ask_status(o->n_args > 0 ? o->args[0] : NULL, &answer, &info) != OK)
		return opts_fail(o, "status", &info);
	if (between == WIPE)
		fputs("\x1b[H\x1b[J", stdout);
	if (between == EMPTY_LINE)
		putchar('\n');
	if (o->json)
		out_json(answer);
	else
		print_table(answer);
	if (!o->json && o->verbose > 0)
		print_dht(json_object_get(json_object_get(answer, "status"), "dht"));
	(void)fflush(stdout);
	json_decref(answer);
	return EXIT_OK;
}

int cmd_status(const struct opts *o)
{
	const struct timespec pause = {.tv_sec = REDRAW_S};
	struct sigaction act = {.sa_handler = on_signal};
	enum between between = o->json			       ? NOTHING
			       : out_can_redraw(STDOUT_FILENO) ? WIPE
							       : EMPTY_LINE;
	int code;

	if (!o->watch)
		return print_once(o, NOTHING);
	(void)sigaction(SIGINT, &act, NULL);
	(void)sigaction(SIGTERM, &act, NULL);
	code = print_once(o, between == WIPE ? WIPE : NOTHING);
	/* Who reads a pipe may leave, also where nobody is told of that by SIGPIPE. */
	while (!stopped && code == EXIT_OK && !ferror(stdout)) {
		if (nanosleep(&pause, NULL) == 0)
			code = print_once(o, between);
	}
	return code;
}
