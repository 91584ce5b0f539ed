/* Lists in every order, what is on line, the audit, health, metrics and the feed. */
#include <sqlite3.h>
#include <time.h>

#include "index_world.h"
#include "node/index_server_impl.h"

/* Names of {"entries": [...]}, in order. */
static const char *names(const char *path)
{
	static char text[400];
	struct got g = get(path);
	const json_t *row;
	size_t i, len = 0;

	CHECK_INT(g.status, 200);
	text[0] = '\0';
	json_array_foreach(json_object_get(g.json, "entries"), i, row)
	{
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i > 0 ? " " : "",
					json_string_value(json_object_get(row, "name")));
	}
	if (json_is_integer(json_object_get(g.json, "next")))
		snprintf(text + len, sizeof(text) - len, " ...%lld",
			 (long long)number(g.json, "next"));
	forget(&g);
	return text;
}

/* Someone fetches what `o` published as `name` with this text. */
static void come_on_line(const struct owner *o, const char *name, const char *text, unsigned port)
{
	struct buf torrent;
	struct entry e = entry_of(o, name, text, 0, &torrent);
	struct got g = announce(e.hash_v1, ID_STOCK, port, "&left=1&event=started");

	forget(&g);
	buf_fini(&torrent);
}

TEST(lists_come_by_name_size_and_number_of_peers)
{
	struct owner ann = owner_of("ann", 1);

	begin();
	publish_id(&ann, "b", "22");
	publish_id(&ann, "a", "4444");
	publish_id(&ann, "C", "333");
	CHECK_STR(names("/api/v1/entries"), "C a b");
	CHECK_STR(names("/api/v1/entries?sort=newest&limit=2"), "C a ...2");
	CHECK_STR(names("/api/v1/entries?sort=name"), "a b C");
	CHECK_STR(names("/api/v1/entries?sort=name&limit=2"), "a b ...2");
	CHECK_STR(names("/api/v1/entries?sort=name&limit=2&offset=2"), "C");
	CHECK_STR(names("/api/v1/entries?sort=size"), "a C b");
	CHECK_STR(names("/api/v1/entries?online=1"), "");
	come_on_line(&ann, "b", "22", 5000);
	come_on_line(&ann, "b", "22", 5001);
	come_on_line(&ann, "C", "333", 5002);
	CHECK_STR(names("/api/v1/entries?online=1"), "C b");
	CHECK_STR(names("/api/v1/entries?online=1&limit=1"), "C ...3");
	CHECK_STR(names("/api/v1/entries?online=1&before=3"), "b");
	CHECK_STR(names("/api/v1/entries?online=1&sort=name"), "b C");
	CHECK_STR(names("/api/v1/entries?online=1&sort=name&limit=1"), "b ...2");
	CHECK_STR(names("/api/v1/entries?online=1&sort=name&limit=1&offset=2"), "C ...3");
	CHECK_STR(names("/api/v1/entries?sort=holders"), "b C a");
	CHECK_STR(names("/api/v1/entries?sort=holders&limit=2"), "b C ...2");
	CHECK_STR(names("/api/v1/entries?sort=holders&limit=2&offset=2"), "a");
	CHECK_STR(names("/api/v1/entries?sort=holders&online=1"), "b C");
	CHECK_STR(names("/api/v1/entries?sort=holders&q=ann&offset=9"), "");
	expect(get("/api/v1/entries?sort=best"), 400, "bad_request");
	expect(get("/api/v1/entries?online=2"), 400, "bad_request");
	expect(get("/api/v1/entries?offset=-1"), 400, "bad_request");
	end();
}

/* Straight into the catalogue, while the index does not run. */
static void change_catalogue(const char *text)
{
	char file[128];
	sqlite3 *sql;

	index_server_free(world.server);
	snprintf(file, sizeof(file), "%s/catalogue.db", world.dir);
	CHECK_INT(sqlite3_open(file, &sql), SQLITE_OK);
	CHECK_INT(sqlite3_exec(sql, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(sql);
	server_start();
}

/* So many more of the owner of entry 1. In every order they come before what begins with a later
 * letter. */
static void add_entries(unsigned n)
{
	char text[500];

	snprintf(text, sizeof(text),
		 "INSERT INTO entries (owner, name, version, hash_v1, bytes, n_files, published_at,"
		 " signature) WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k LIMIT"
		 " %u) SELECT owner, 'a' || (SELECT count(*) FROM entries) || '-' || i, 1,"
		 " randomblob(20), 9999, 1, published_at, signature FROM k, entries WHERE id = 1",
		 n);
	change_catalogue(text);
}

TEST(a_page_of_what_is_on_line_ends_at_the_most_that_is_looked_at_and_leads_on)
{
	struct owner ann = owner_of("ann", 1);

	begin();
	publish_id(&ann, "old", "22");
	add_entries(INDEX_SCANNED_MAX - 1);
	come_on_line(&ann, "old", "22", 5000);
	CHECK_STR(names("/api/v1/entries?online=1"), "old ...1");
	CHECK_STR(names("/api/v1/entries?online=1&before=1"), "");
	add_entries(1);
	come_on_line(&ann, "old", "22", 5000);
	CHECK_STR(names("/api/v1/entries?online=1"), " ...2");
	CHECK_STR(names("/api/v1/entries?online=1&before=2"), "old");
	CHECK_STR(names("/api/v1/entries?online=1&sort=name"), " ...20000");
	CHECK_STR(names("/api/v1/entries?online=1&sort=name&offset=20000"), "old");
	CHECK_STR(names("/api/v1/entries?online=1&sort=size"), " ...20000");
	CHECK_STR(names("/api/v1/entries?online=1&sort=size&offset=20000"), "old");
	end();
}

/* That there are more rows is told by their number in the entry: those here are fewer. */
TEST(of_an_entry_with_many_files_so_many_are_listed_and_the_rest_is_not_looked_at)
{
	struct owner ann = owner_of("ann", 1);
	struct got g;

	begin();
	publish_id(&ann, "many", "1");
	change_catalogue("DELETE FROM files; UPDATE entries SET n_files = 500000;"
			 "INSERT INTO files WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1"
			 " FROM k LIMIT 10002) SELECT 1, i, 'f' || i, 1, NULL FROM k");
	g = get("/api/v1/entries/1");
	CHECK_INT(json_array_size(json_object_get(g.json, "files")), INDEX_FILES_SHOWN);
	CHECK_INT(number(g.json, "files_left_out"), 500000 - INDEX_FILES_SHOWN);
	forget(&g);
	change_catalogue(
	    "DELETE FROM files WHERE position > 10000; UPDATE entries SET n_files = 10000");
	g = get("/api/v1/entries/1");
	CHECK_INT(json_array_size(json_object_get(g.json, "files")), INDEX_FILES_SHOWN);
	CHECK_INT(number(g.json, "files_left_out"), 0);
	forget(&g);
	end();
}

TEST(no_page_leads_farther_than_may_be_skipped)
{
	CHECK_INT(index_next_offset(INDEX_OFFSET_MAX), INDEX_OFFSET_MAX);
	CHECK_INT(index_next_offset((uint64_t)INDEX_OFFSET_MAX + 1), 0);
	begin();
	expect(get("/api/v1/entries?sort=size&offset=1000000"), 200, "");
	expect(get("/api/v1/entries?sort=size&offset=1000001"), 400, "bad_request");
	end();
}

TEST(a_list_by_holders_that_is_followed_has_all)
{
	struct owner ann = owner_of("ann", 1);

	begin();
	publish_id(&ann, "old", "22");
	publish_id(&ann, "older", "1");
	add_entries(INDEX_SCANNED_MAX - 2);
	come_on_line(&ann, "old", "22", 5000);
	CHECK_STR(names("/api/v1/entries?sort=holders&limit=1"), "old ...1");
	CHECK_STR(names("/api/v1/entries?sort=holders&offset=19999"), "older ...20000");
	CHECK_STR(names("/api/v1/entries?sort=holders&offset=20000"), "");
	add_entries(2);
	come_on_line(&ann, "old", "22", 5000);
	CHECK_STR(names("/api/v1/entries?sort=holders&online=1"), " ...20000");
	CHECK_STR(names("/api/v1/entries?sort=holders&online=1&offset=20000"), "old");
	CHECK_STR(names("/api/v1/entries?sort=holders&offset=20000"), "old older");
	CHECK_STR(names("/api/v1/entries?sort=holders&offset=20000&limit=1"), "old ...20001");
	CHECK_STR(names("/api/v1/entries?sort=holders&offset=20001"), "older");
	end();
}

static double cpu_s(void)
{
	struct timespec t;

	CHECK_INT(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

TEST(a_page_of_what_is_on_line_costs_one_search_in_every_order)
{
	static const char *const queries[] = {"sort=size", "sort=name", "sort=newest"};
	struct owner ann = owner_of("ann", 1);
	char path[100];

	begin();
	publish_id(&ann, "old", "22");
	add_entries(100000);
	for (size_t i = 0; i < 3; i++) {
		double before = cpu_s();

		snprintf(path, sizeof(path), "/api/v1/entries?online=1&%s", queries[i]);
		CHECK_INT(listed(path), 0);
		/* a tenth of a second; with a search for each 500 rows, five and more */
		CHECK(cpu_s() - before < 2);
	}
	end();
}

TEST(what_an_owner_says_is_signed_stored_and_served)
{
	struct owner ann = owner_of("ann", 1);
	struct buf torrent;
	struct entry e;
	struct got g;
	json_t *j;

	begin();
	e = entry_of(&ann, "x", "text", 0, &torrent);
	CHECK_INT(entry_set_description(&e, bytes_str("rain <b>"), NULL), 0);
	CHECK_INT(entry_add_tags(&e, bytes_str("raw 2026"), NULL), 0);
	CHECK_INT(entry_set_meta(&e, bytes_str("station"), bytes_str("seven"), NULL), 0);
	/* Not what was signed. */
	expect(post("/api/v1/entries", publish_json(&e, &torrent, "text")), 403, "bad_signature");
	sign_entry(&e, &ann, "publish");
	g = post("/api/v1/entries", publish_json(&e, &torrent, "text"));
	CHECK_INT(g.status, 201);
	CHECK_STR(json_string_value(json_object_get(g.json, "description")), "rain <b>");
	CHECK_INT(json_array_size(json_object_get(g.json, "tags")), 2);
	CHECK_STR(json_string_value(json_object_get(json_object_get(g.json, "meta"), "station")),
		  "seven");
	forget(&g);
	CHECK_STR(names("/api/v1/entries?q=rain+raw+seven"), "x");
	e.description[0] = 'R';
	e.published_at++;
	sign_entry(&e, &ann, "publish");
	g = post("/api/v1/entries", publish_json(&e, &torrent, "text"));
	CHECK_INT(g.status, 200);
	CHECK_STR(json_string_value(json_object_get(g.json, "description")), "Rain <b>");
	forget(&g);
	CHECK_STR(world.last_log, "update ann/x@1");
	j = publish_json(&e, &torrent, "text");
	json_object_set_new(j, "tags", json_string("raw"));
	expect(post("/api/v1/entries", j), 400, "bad_request");
	j = publish_json(&e, &torrent, "text");
	json_object_set_new(j, "meta", json_pack("{s:i}", "a", 1));
	expect(post("/api/v1/entries", j), 400, "bad_request");
	j = publish_json(&e, &torrent, "text");
	json_object_set_new(j, "description", json_string("two\nlines"));
	expect(post("/api/v1/entries", j), 400, "bad_request");
	buf_fini(&torrent);
	end();
}

TEST(what_is_not_seen_is_not_published_and_older_entries_with_it_are_found_and_removed)
{
	static const char *const unseen[] = {"a\u00adb", "\u3164", "a\ufffe", "a\U000e0041"};
	struct owner ann = owner_of("ann", 1);
	struct entry e = {.published_at = 0};
	struct err_info why = {0};
	struct got g;
	json_t *j;

	begin();
	for (size_t i = 0; i < sizeof(unseen) / sizeof(unseen[0]); i++)
		expect(publish(&ann, unseen[i], "text", 0), 400, "bad_request");
	/* The same words, so that what is searched in stays true. */
	publish_id(&ann, "a b", "text");
	change_catalogue("UPDATE entries SET name = 'a' || char(0xad) || 'b' || char(0xfffe)");
	g = get("/api/v1/entries?name=a%C2%ADb%EF%BF%BE");
	j = json_array_get(json_object_get(g.json, "entries"), 0);
	CHECK_INT(entry_json_read(j, true, &e, &why), OK);
	forget(&g);
	CHECK_STR(e.name, "a\u00adb\ufffe");
	g = get("/feed.atom");
	CHECK(strstr(buf_cstr(&g.body), "<title>a\u00adb\ufffd@1</title>") != NULL);
	forget(&g);
	e.published_at++;
	sign_entry(&e, &ann, "unpublish");
	j = entry_json(&e);
	json_object_del(j, "id");
	g = post("/api/v1/unpublish", j);
	CHECK_INT(g.status, 200);
	CHECK_INT(number(g.json, "removed"), 1);
	forget(&g);
	end();
}

/* So many of what entry 1 is the first version of. */
static void add_versions(unsigned n)
{
	char text[600];

	snprintf(text, sizeof(text),
		 "INSERT INTO entries (owner, name, version, hash_v1, bytes, n_files, published_at,"
		 " signature) WITH RECURSIVE k(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM k LIMIT"
		 " %u) SELECT owner, name, i, randomblob(20), 1, 1, published_at - 200, signature"
		 " FROM k, entries WHERE id = 1; INSERT INTO words (rowid, name, owner, paths,"
		 " description) SELECT id, name, 'ann', '', '' FROM entries WHERE id > 1",
		 n);
	change_catalogue(text);
}

TEST(a_removal_is_held_against_the_dates_of_all_versions_however_many)
{
	struct owner ann = owner_of("ann", 1);
	struct got g;

	begin();
	g = publish(&ann, "x", "1", -100);
	CHECK_INT(g.status, 201);
	forget(&g);
	add_versions(CATALOGUE_PAGE_MAX);
	expect(post("/api/v1/unpublish", unpublish_json(&ann, "x", 0, 0)), 403, "stale");
	change_catalogue("UPDATE entries SET published_at = published_at - 200 WHERE version = 1");
	g = post("/api/v1/unpublish", unpublish_json(&ann, "x", 0, 0));
	CHECK_INT(g.status, 200);
	CHECK_INT(number(g.json, "removed"), CATALOGUE_PAGE_MAX + 1);
	forget(&g);
	CHECK_INT(listed("/api/v1/entries"), 0);
	expect(post("/api/v1/unpublish", unpublish_json(&ann, "x", 0, 0)), 404, "not_found");
	end();
}

TEST(the_audit_tells_who_changed_what)
{
	struct owner ann = owner_of("ann", 1);
	const json_t *change;
	struct got g;

	begin();
	publish_id(&ann, "x", "1");
	publish_id(&ann, "x", "2");
	g = get("/api/v1/audit?limit=1");
	change = json_array_get(json_object_get(g.json, "changes"), 0);
	CHECK_STR(json_string_value(json_object_get(change, "action")), "publish");
	CHECK_STR(json_string_value(json_object_get(change, "address")), "127.0.0.1");
	CHECK_STR(json_string_value(json_object_get(change, "owner")), "ann");
	CHECK_INT(number(change, "version"), 2);
	CHECK(json_is_null(json_object_get(change, "token")));
	CHECK_INT(number(g.json, "next"), 2);
	forget(&g);
	g = get("/api/v1/audit?before=2");
	CHECK_INT(json_array_size(json_object_get(g.json, "changes")), 1);
	CHECK(json_is_null(json_object_get(g.json, "next")));
	forget(&g);
	expect(get("/api/v1/audit?limit=0"), 400, "bad_request");
	expect(post_text("/api/v1/audit", bytes_str("{}")), 405, "method_not_allowed");
	end();
}

static bool says(const struct got *g, const char *text)
{
	return strstr((const char *)g->body.ptr, text) != NULL;
}

/* All but the first page, while the index runs. */
static void damage_catalogue(void)
{
	char file[128];
	FILE *f;

	snprintf(file, sizeof(file), "%s/catalogue.db", world.dir);
	f = fopen(file, "r+b");
	CHECK(f != NULL && fseek(f, 4096, SEEK_SET) == 0);
	for (size_t i = 0; i < 60 * 4096; i++)
		CHECK(fputc(0xee, f) == 0xee);
	CHECK_INT(fclose(f), 0);
}

TEST(that_the_catalogue_is_damaged_is_logged_once_a_minute)
{
	struct owner ann = owner_of("ann", 1);

	begin();
	publish_id(&ann, "x", "1");
	change_catalogue("");
	damage_catalogue();
	expect(get("/api/v1/entries/1/torrent"), 500, "io");
	CHECK_STR(world.last_log, "catalogue_fault /@0");
	world.last_log[0] = '\0';
	expect(get("/api/v1/entries/1/torrent"), 500, "io");
	CHECK_STR(world.last_log, "");
	end();
}

/* An answer that does without a .torrent says why in the log, unless that is only too long. */
TEST(a_stored_torrent_that_cannot_be_read_is_logged_by_whatever_does_without_it)
{
	static const char *const paths[] = {"/api/v1/entries/1", "/api/v1/entries/1/pieces",
					    "/api/v1/entries?torrent=1"};
	static const struct {
		const char *change, *log;
	} cases[] = {
	    {"UPDATE torrents SET torrent = x'00'", "catalogue_fault /@0"},
	    {"DELETE FROM torrents", "catalogue_fault /@0"},
	    {"UPDATE torrents SET torrent = zeroblob(16777217)", ""},
	};
	struct owner ann = owner_of("ann", 1);

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
			begin();
			publish_id(&ann, "x", "1");
			change_catalogue(cases[k].change);
			world.last_log[0] = '\0';
			expect(get(paths[i]), 200, "");
			if (strcmp(world.last_log, cases[k].log) != 0)
				fail_msg("%s, %s: %s", paths[i], cases[k].change, world.last_log);
			end();
		}
	}
}

static unsigned count(const struct got *g, const char *text)
{
	unsigned n = 0;

	for (const char *at = (const char *)g->body.ptr; (at = strstr(at, text)) != NULL; at++)
		n++;
	return n;
}

TEST(the_feed_leads_from_page_to_page_to_the_first_entry)
{
	static const struct {
		const char *path, *next, *self;
		unsigned entries;
	} pages[] = {
	    {"/feed.atom", "<link rel=\"next\" href=\"feed.atom?before=51\"/>",
	     "<link rel=\"self\" href=\"feed.atom\"/>", 50},
	    {"/feed.atom?before=51", NULL, "<link rel=\"self\" href=\"feed.atom?before=51\"/>", 50},
	    {"/feed.atom?before=2", NULL, "<link rel=\"self\" href=\"feed.atom?before=2\"/>", 1},
	    {"/feed.atom?before=1", NULL, "<link rel=\"self\" href=\"feed.atom?before=1\"/>", 0},
	};
	struct owner ann = owner_of("ann", 1);

	begin();
	publish_id(&ann, "old", "22");
	add_entries(2 * INDEX_FEED_ENTRIES - 1);
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		struct got g = get(pages[i].path);

		CHECK_INT(g.status, 200);
		CHECK_INT(count(&g, "<entry>"), pages[i].entries);
		CHECK_INT(count(&g, "rel=\"next\""), pages[i].next != NULL);
		CHECK_INT(count(&g, "<link rel=\"first\" href=\"feed.atom\"/>"), i > 0);
		CHECK(says(&g, pages[i].self));
		CHECK(pages[i].next == NULL || says(&g, pages[i].next));
		CHECK(says(&g, "<title>old@1</title>") == (i == 1 || i == 2));
		forget(&g);
	}
	expect(get("/feed.atom?before=0"), 400, "bad_request");
	expect(get("/feed.atom?before=x"), 400, "bad_request");
	end();
}

TEST(health_metrics_and_feed_are_served)
{
	struct owner ann = owner_of("ann <&\">", 1);
	struct got g;

	begin();
	g = get("/healthz");
	CHECK_INT(g.status, 200);
	CHECK_STR(buf_cstr(&g.body), "ok\n");
	forget(&g);
	publish_id(&ann, "<script>", "1");
	come_on_line(&ann, "<script>", "1", 5000);
	g = get("/metrics");
	CHECK(says(&g, "\nshoal_entries 1\n") && says(&g, "\nshoal_peers 1\n"));
	CHECK(says(&g, "# TYPE shoal_announces_total counter\nshoal_announces_total 1\n"));
	forget(&g);
	g = get("/stats.json");
	CHECK_INT(number(g.json, "entries"), 1);
	forget(&g);
	g = get("/feed.atom");
	CHECK_INT(g.status, 200);
	CHECK(says(&g, "<title>&lt;script&gt;@1</title>"));
	CHECK(says(&g, "<name>ann &lt;&amp;&quot;&gt;</name>"));
	CHECK(!says(&g, "<script>"));
	forget(&g);
	end();
}
