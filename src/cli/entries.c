#include "cli/entries.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "cli/index_open.h"
#include "cli/out.h"

#define ROWS_DEFAULT 100u
#define PAGE_ROWS 500u
/* Pages without a row that are followed one after the other. Of what is on line an index gives one
 * for each 20,000 entries that nobody has now (attack: one that leads on without end). */
#define PAGES_EMPTY_MAX 500u
/* More than any path has. */
#define BYTES_MAX ((size_t)1 << 20)

const char *entries_str(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s == NULL ? "" : s;
}

json_int_t entries_int(const json_t *j, const char *key)
{
	return json_integer_value(json_object_get(j, key));
}

uint64_t entries_count(const json_t *j, const char *key)
{
	json_int_t n = entries_int(j, key);

	return n < 0 ? 0 : (uint64_t)n;
}

const char *entries_bytes(const json_t *j, const char *key, struct buf *room)
{
	char name[64];
	struct span to;
	struct bytes hex;
	size_t n;

	snprintf(name, sizeof(name), "%s_hex", key);
	hex = bytes_str(entries_str(j, name));
	n = hex.len / 2;
	if (n == 0 || buf_reserve(room, n, &to) != OK || text_unhex(hex, to.ptr, n) != OK)
		return entries_str(j, key);
	buf_commit(room, n);
	return buf_cstr(room) == NULL ? entries_str(j, key) : buf_cstr(room);
}

void entries_cell(struct out_table *t, const json_t *j, const char *key)
{
	struct buf room;

	buf_init(&room, BYTES_MAX);
	out_cell(t, entries_bytes(j, key, &room));
	buf_fini(&room);
}

const char *entries_date(char out[ENTRIES_DATE_MAX], int64_t unix_s)
{
	time_t t = (time_t)unix_s;
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL ||
	    strftime(out, ENTRIES_DATE_MAX, "%Y-%m-%d %H:%M", &tm) == 0)
		snprintf(out, ENTRIES_DATE_MAX, "-");
	return out;
}

static uint64_t as_u64(json_int_t v)
{
	return v < 0 ? 0 : (uint64_t)v;
}

static void cell_number(struct out_table *t, json_int_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)as_u64(v));
	out_cell(t, text);
}

void entries_print(const json_t *list)
{
	static const char *const columns[] = {"NAME",	 "VERSION", "SIZE",  "FILES",
					      "HOLDERS", "SEEDS",   "OWNER", "PUBLISHED"};
	static const bool right[] = {false, true, true, true, true, true, false, false};
	struct out_table *t = out_table_new(columns, 8, right);
	char text[32], date[ENTRIES_DATE_MAX];
	const json_t *e;
	size_t i;

	json_array_foreach(list, i, e)
	{
		out_row(t);
		out_cell(t, entries_str(e, "name"));
		cell_number(t, entries_int(e, "version"));
		out_cell(t, text_size(text, sizeof(text), as_u64(entries_int(e, "bytes"))));
		cell_number(t, entries_int(e, "n_files"));
		cell_number(t, entries_int(e, "holders"));
		cell_number(t, entries_int(e, "seeds"));
		out_cell(t, entries_str(e, "owner"));
		out_cell(t, entries_date(date, entries_int(e, "published_at")));
	}
	out_table_print(t);
}

/* What was asked for; `rows` of it at most. */
struct wish {
	uint64_t rows;
	char *const *globs; /* NULL: all names */
};

static bool fits(const struct wish *w, const json_t *e)
{
	const char *name = entries_str(e, "name");
	char full[ENTRY_REF_MAX];

	snprintf(full, sizeof(full), "%s/%s", entries_str(e, "owner"), name);
	for (char *const *glob = w->globs; glob != NULL && *glob != NULL; glob++)
		if (fnmatch(*glob, strchr(*glob, '/') == NULL ? name : full, 0) == 0)
			return true;
	return w->globs == NULL;
}

static void take(const struct wish *w, const json_t *page, json_t *all)
{
	json_t *e;
	size_t i;

	json_array_foreach(json_object_get(page, "entries"), i, e)
	{
		if (json_array_size(all) < w->rows && fits(w, e))
			json_array_append(all, e);
	}
}

/* Page after page into `all`; *next is 0 when that was the last. */
static int fetch(struct index_client *c, struct index_list_ask *ask, const struct wish *w,
		 json_t *all, uint64_t *next, struct err_info *info)
{
	unsigned empty = 0;

	do {
		uint64_t left = w->globs != NULL ? UINT64_MAX : w->rows - json_array_size(all);
		uint64_t before = ask->next;
		json_t *page = NULL;
		int rc;

		ask->limit = (uint32_t)(left < PAGE_ROWS ? left : PAGE_ROWS);
		rc = index_client_list(c, ask, &page, info);
		if (rc != 0)
			return rc;
		take(w, page, all);
		*next = as_u64(entries_int(page, "next"));
		empty = json_array_size(json_object_get(page, "entries")) == 0 ? empty + 1 : 0;
		/* An index that leads us in circles, or on without end, is not followed. */
		if ((before != 0 && (ask->sort == NULL ? *next >= before : *next <= before)) ||
		    empty > PAGES_EMPTY_MAX)
			*next = 0;
		ask->next = *next;
		json_decref(page);
	} while (*next != 0 && json_array_size(all) < w->rows);
	return 0;
}

int entries_fetch(struct index_client *c, struct index_list_ask *ask, json_t *all,
		  struct err_info *info)
{
	struct wish wish = {.rows = UINT64_MAX};
	uint64_t next;

	return fetch(c, ask, &wish, all, &next, info);
}

static void show(const struct opts *o, json_t *all, uint64_t next)
{
	json_t *j;

	if (o->json) {
		j = json_pack("{s:O, s:o}", "entries", all, "next",
			      next == 0 ? json_null() : json_integer((json_int_t)next));
		out_json(j);
		json_decref(j);
		return;
	}
	entries_print(all);
	if (o->quiet)
		return;
	if (json_array_size(all) == 0)
		fputs(o->all ? "nothing found\n"
			     : "nothing found that is on line; --all shows the rest, too\n",
		      stderr);
	else if (next != 0)
		fprintf(stderr, "the first %zu; --limit N or --all shows more\n",
			json_array_size(all));
}

/* Newest first is what the index does unasked; people call it by date. */
static const char *sort_of(const struct opts *o)
{
	return o->sort != NULL && strcmp(o->sort, "date") == 0 ? NULL : o->sort;
}

int entries_list(const struct opts *o, const char *command, const char *query, char *const *globs)
{
	struct err_info info = {.code = OK};
	struct index_client *c = NULL;
	json_t *all = json_array();
	struct wish wish = {.rows = o->limit != 0 ? o->limit
				    : o->all	  ? UINT64_MAX
						  : ROWS_DEFAULT,
			    .globs = globs};
	uint64_t next = 0;
	struct index_list_ask ask = {.query = query, .sort = sort_of(o), .online = !o->all};
	int rc = index_open(o, &c, &info);
	int code = EXIT_OK;

	if (rc == 0)
		rc = fetch(c, &ask, &wish, all, &next, &info);
	if (rc == 0)
		show(o, all, next);
	else
		code = opts_fail(o, command, &info);
	index_client_free(c);
	json_decref(all);
	return code;
}

static void cell_ago(struct out_table *t, json_int_t then)
{
	int64_t now = (int64_t)time(NULL);
	char text[32];

	out_cell(
	    t, text_duration(text, sizeof(text), now > then ? (uint64_t)now - (uint64_t)then : 0));
}

/* "-": nobody says. */
static void cell_rate(struct out_table *t, const json_t *bps)
{
	json_int_t v = json_integer_value(bps);
	char text[32];

	out_cell(t,
		 json_is_integer(bps) && v >= 0 ? text_rate(text, sizeof(text), (uint64_t)v) : "-");
}

static void cell_rtt(struct out_table *t, const json_t *us)
{
	json_int_t v = json_integer_value(us);
	char text[32];

	snprintf(text, sizeof(text), "%.*f ms", v < 10000 ? 2 : 0, (double)v / 1000);
	out_cell(t, json_is_integer(us) && v >= 0 ? text : "-");
}

void entries_print_peers(const json_t *peers, bool of_entry)
{
	static const char *const entry_columns[] = {"PEER", "HAS", "SINCE", "DOWN",
						    "UP",   "RTT", "CLIENT"};
	static const char *const all_columns[] = {"PEER", "SWARMS", "SEEDING", "SINCE", "CLIENT"};
	static const bool right[] = {false, true, true, true, true, true, false};
	struct out_table *t = of_entry
				  ? out_table_new(entry_columns, 7, right)
				  : out_table_new(all_columns, 5, (const bool[]){0, 1, 1, 1, 0});
	char text[32];
	const json_t *p;
	size_t i;

	json_array_foreach(peers, i, p)
	{
		out_row(t);
		out_cell(t, entries_str(p, "addr"));
		if (of_entry) {
			snprintf(text, sizeof(text), "%.1f%%",
				 json_number_value(json_object_get(p, "percent")));
			out_cell(t, text);
		} else {
			cell_number(t, entries_int(p, "swarms"));
			cell_number(t, entries_int(p, "seeding"));
		}
		cell_ago(t, entries_int(p, "since"));
		if (of_entry) {
			cell_rate(t, json_object_get(p, "down_bps"));
			cell_rate(t, json_object_get(p, "up_bps"));
			cell_rtt(t, json_object_get(p, "rtt_us"));
		}
		out_cell_said(t, entries_str(p, "client")); /* the index escapes it */
	}
	out_table_print(t);
}
