#include "node/index_server.h"

#include <arpa/inet.h>
#include <event2/http.h>
#include <sys/socket.h>

#include "failmalloc_jansson.h"
#include "index_world.h"
#include "meta/magnet.h"
#include "node/index_server_impl.h"
#include "node/qr_svg.h"

/* ---- the page ---- */

TEST(the_page_and_its_files_are_served)
{
	static const char *const paths[] = {"/",	  "/?q=x",    "/app.js", "/swarm_model.js",
					    "/style.css", "/icon.svg"};
	struct got g;

	begin();
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		g = get(paths[i]);
		CHECK_INT(g.status, 200);
		CHECK(g.body.len > 100);
		forget(&g);
	}
	expect(post_text("/", bytes_str("{}")), 405, "method_not_allowed");
	end();
}

TEST(no_path_leads_out_of_the_page)
{
	static const char *const paths[] = {"/index.html",
					    "//etc/passwd",
					    "/%2e%2e/%2e%2e/etc/passwd",
					    "/..%2f..%2fetc%2fpasswd",
					    "/%252e%252e%252fetc",
					    "/..\\etc",
					    "/app.js%00",
					    "/app.js/",
					    "/api/v1",
					    "/api/v1/",
					    "/api/v1/entries/",
					    "/api/v1/entries/0x1",
					    "/api/v1/entries/1/",
					    "/api/v1/entries/-1",
					    "/api/v1/entries/99999999999999999999",
					    "/api/v1/entries/7",
					    "/API/v1/entries"};

	begin();
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		expect(get(paths[i]), 404, "not_found");
	end();
}

/* What a client that is not ours sees: status line, headers and all. */
static size_t raw(const char *request, size_t len, char *out, size_t cap)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(index_server_port(world.server))};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	size_t n = 0;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK_INT(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	CHECK_INT(send(fd, request, len, MSG_NOSIGNAL), (ssize_t)len);
	for (int i = 0; i < 100 && (n < 4 || strstr(out, "\r\n\r\n") == NULL); i++) {
		ssize_t got;

		CHECK_INT(loop_turn(world.loop, 10), 0);
		got = recv(fd, out + n, cap - 1 - n, MSG_DONTWAIT);
		if (got > 0)
			n += (size_t)got;
		out[n] = '\0';
		if (got == 0)
			break;
	}
	close(fd);
	return n;
}

/* The answer to a request for a file of the page with this header, as far as it is there with the
 * head's end. */
static void ask_for_file(const char *header, char *reply, size_t cap)
{
	char request[300];
	int n =
	    snprintf(request, sizeof(request), "GET /app.js HTTP/1.1\r\nHost: x\r\n%s\r\n", header);

	CHECK(raw(request, (size_t)n, reply, cap) > 0);
}

/* RFC 9110 section 13.1.2. */
TEST(a_file_of_the_page_that_a_browser_has_is_not_sent_again)
{
	char reply[40000], header[100];
	const char *tag;

	begin();
	ask_for_file("If-None-Match: \"0123\"\r\n", reply, sizeof(reply));
	CHECK(strstr(reply, "HTTP/1.1 200 OK\r\n") == reply);
	CHECK(strstr(reply, "\r\nCache-Control: no-cache\r\n") != NULL);
	tag = strstr(reply, "\r\nETag: \"");
	CHECK(tag != NULL && tag[41] == '"');
	/* As a proxy writes it that compresses. */
	snprintf(header, sizeof(header), "If-None-Match: \"1\", W/%.34s\r\n", tag + 8);
	ask_for_file(header, reply, sizeof(reply));
	CHECK(strstr(reply, "HTTP/1.1 304 ") == reply);
	CHECK(strstr(reply, "\r\nETag: \"") != NULL);
	CHECK_STR(strstr(reply, "\r\n\r\n"), "\r\n\r\n");
	end();
}

TEST(every_reply_carries_the_headers_that_keep_browsers_in_check)
{
	static const char *const paths[] = {"/", "/app.js", "/api/v1/entries", "/nowhere",
					    "/announce"};
	char request[256], reply[8192];

	begin();
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		int n =
		    snprintf(request, sizeof(request),
			     "GET %s HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil\r\n\r\n",
			     paths[i]);

		CHECK(raw(request, (size_t)n, reply, sizeof(reply)) > 0);
		CHECK(strstr(reply,
			     "Content-Security-Policy: default-src 'none'; script-src 'self'") !=
		      NULL);
		CHECK(strstr(reply, "unsafe") == NULL);
		CHECK(strstr(reply, "X-Content-Type-Options: nosniff") != NULL);
		CHECK(strstr(reply, "Referrer-Policy: no-referrer") != NULL);
		CHECK(strstr(reply, "Access-Control") == NULL);
		CHECK(strstr(reply, "evil") == NULL);
		CHECK(strstr(reply, "\r\nDate: ") != NULL && strstr(reply, " GMT\r\n") != NULL);
	}
	end();
}

/* RFC 9110 sections 15.5.6 and 15.5.22. */
TEST(a_refusal_names_what_would_be_taken)
{
	static const struct {
		const char *first_line, *header;
	} cases[] = {
	    {"PUT /api/v1/entries", "\r\nAllow: GET, HEAD, POST, DELETE\r\n"},
	    {"DELETE /api/v1/status", "\r\nAllow: GET, HEAD\r\n"},
	    {"GET /api/v1/unpublish", "\r\nAllow: POST\r\n"},
	    {"GET /api/v1/session", "\r\nUpgrade: shoal-session/1\r\n"},
	    {"GET /api/v1/session", "\r\nConnection: Upgrade\r\n"},
	    {"GET /api/v1/session", "HTTP/1.1 426 Upgrade Required\r\n"},
	};
	char request[256], reply[8192];

	begin();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int n = snprintf(request, sizeof(request), "%s HTTP/1.1\r\nHost: x\r\n\r\n",
				 cases[i].first_line);

		raw(request, (size_t)n, reply, sizeof(reply));
		if (strstr(reply, cases[i].header) == NULL)
			fail_msg("%s: %s", cases[i].first_line, reply);
	}
	end();
}

TEST(a_session_begins_with_the_date_like_any_answer)
{
	static const char request[] = "GET /api/v1/session HTTP/1.1\r\nHost: x\r\n"
				      "Connection: Upgrade\r\nUpgrade: shoal-session/1\r\n\r\n";
	char reply[8192] = "";

	begin();
	raw(request, sizeof(request) - 1, reply, sizeof(reply));
	CHECK(strstr(reply, "HTTP/1.1 101 ") == reply);
	CHECK(strstr(reply, "\r\nDate: ") != NULL);
	end();
}

TEST(a_body_beyond_the_limit_is_refused_before_it_is_sent)
{
	static const char request[] =
	    "POST /api/v1/entries HTTP/1.1\r\nHost: x\r\n"
	    "Content-Type: application/json\r\nContent-Length: 999999999\r\n\r\n";
	char reply[8192] = "";

	begin();
	raw(request, sizeof(request) - 1, reply, sizeof(reply));
	CHECK(strstr(reply, " 413 ") != NULL);
	expect(get("/api/v1/status"), 200, "");
	end();
}

/* ---- publishing ---- */

/* The same info dictionary, announced at the index that served it. */
static void check_same_content(struct bytes served, struct bytes published)
{
	struct metainfo *a = NULL, *b = NULL;

	CHECK_INT(meta_parse(served, &a), META_OK);
	CHECK_INT(meta_parse(published, &b), META_OK);
	CHECK(bytes_eq(a->info, b->info));
	CHECK(a->n_trackers > 0);
	CHECK(strstr(a->trackers[0].url, "http://127.0.0.1:") == a->trackers[0].url);
	meta_free(a);
	meta_free(b);
}

TEST(what_is_published_is_found_again)
{
	struct owner alice = owner_of("alice@lab", 1);
	struct buf torrent;
	struct entry e;
	struct got g;
	struct magnet link;
	const json_t *row, *file;
	char path[64];
	json_int_t id;

	begin();
	e = entry_of(&alice, "genome.tar", "ACGT", 0, &torrent);
	g = post("/api/v1/entries", publish_json(&e, &torrent, "ACGT"));
	CHECK_INT(g.status, 201);
	CHECK_INT(number(g.json, "version"), 1);
	id = number(g.json, "id");
	forget(&g);
	CHECK_STR(world.last_log, "publish alice@lab/genome.tar@1");

	g = get("/api/v1/entries?q=genome");
	CHECK_INT(g.status, 200);
	row = json_array_get(json_object_get(g.json, "entries"), 0);
	CHECK_INT(number(row, "id"), id);
	CHECK_STR(json_string_value(json_object_get(row, "owner")), "alice@lab");
	CHECK_INT(number(row, "bytes"), 4);
	CHECK_INT(number(row, "online"), 0);
	CHECK(json_is_null(json_object_get(g.json, "next")));
	CHECK_INT(magnet_parse(bytes_str(json_string_value(json_object_get(row, "magnet"))), &link),
		  0);
	CHECK_MEM(link.hash_v2, e.hash_v2, SHA256_LEN);
	CHECK_INT(link.n_trackers, 0);
	magnet_fini(&link);
	forget(&g);

	snprintf(path, sizeof(path), "/api/v1/entries/%lld", (long long)id);
	g = get(path);
	CHECK_INT(
	    magnet_parse(bytes_str(json_string_value(json_object_get(g.json, "magnet"))), &link),
	    0);
	CHECK(link.n_trackers > 0);
	magnet_fini(&link);
	file = json_array_get(json_object_get(g.json, "files"), 0);
	CHECK_STR(json_string_value(json_object_get(file, "path")), "genome.tar");
	CHECK_STR(json_string_value(json_object_get(file, "sha256")),
		  json_string_value(json_object_get(g.json, "sha256")));
	CHECK_INT(number(g.json, "files_left_out"), 0);
	forget(&g);

	snprintf(path + strlen(path), sizeof(path) - strlen(path), "/torrent");
	g = get(path);
	CHECK_INT(g.status, 200);
	check_same_content(buf_bytes(&g.body), buf_bytes(&torrent));
	forget(&g);
	buf_fini(&torrent);
	end();
}

TEST(the_same_again_changes_nothing_and_other_content_is_the_next_version)
{
	struct owner alice = owner_of("alice", 1);
	struct got first, g;

	begin();
	first = publish(&alice, "x", "one", 5);
	CHECK_INT(first.status, 201);
	g = publish(&alice, "x", "one", 0);
	CHECK_INT(g.status, 200);
	CHECK_INT(number(g.json, "id"), number(first.json, "id"));
	CHECK(json_equal(json_object_get(g.json, "signature"),
			 json_object_get(first.json, "signature")));
	forget(&first);
	forget(&g);
	g = publish(&alice, "x", "two", 0);
	CHECK_INT(g.status, 201);
	CHECK_INT(number(g.json, "version"), 2);
	forget(&g);
	CHECK_INT(listed("/api/v1/entries?name=x"), 2);
	CHECK_INT(listed("/api/v1/entries?name=x&version=2&owner=alice"), 1);
	CHECK_INT(listed("/api/v1/entries?name=x&owner=bob"), 0);
	CHECK_INT(listed("/api/v1/entries?name=x&latest=1"), 1);
	CHECK_INT(listed("/api/v1/entries?name=x&latest=0"), 2);
	CHECK_INT(listed("/api/v1/entries?name=x&latest=1&version=1"), 0);
	end();
}

TEST(an_owner_name_belongs_to_its_first_key)
{
	struct owner alice = owner_of("alice", 1), thief = owner_of("alice", 2);
	struct owner bob = owner_of("bob", 2);

	begin();
	publish_id(&alice, "x", "one");
	expect(publish(&thief, "y", "two", 0), 409, "name_taken");
	publish_id(&bob, "x", "two");
	CHECK_INT(listed("/api/v1/entries?name=x"), 2);
	end();
}

TEST(what_is_published_survives_the_end_of_the_server)
{
	struct owner alice = owner_of("alice", 1);

	begin();
	publish_id(&alice, "x", "one");
	index_server_free(world.server);
	server_start();
	CHECK_INT(listed("/api/v1/entries?q=x"), 1);
	expect(publish(&alice, "x", "one", 0), 200, "");
	end();
}

/* One member of a sound call is replaced (or, with NULL, left out). */
static void publish_with(const char *key, json_t *value, int status, const char *code)
{
	struct owner alice = owner_of("alice", 1);
	struct buf torrent;
	struct entry e = entry_of(&alice, "x", "one", 0, &torrent);
	json_t *j = publish_json(&e, &torrent, "one");

	buf_fini(&torrent);
	if (value == NULL)
		json_object_del(j, key);
	else
		CHECK_INT(json_object_set_new(j, key, value), 0);
	expect(post("/api/v1/entries", j), status, code);
}

TEST(a_call_that_does_not_fit_its_torrent_or_signature_is_refused)
{
	begin();
	publish_with("signature", json_string("ab"), 400, "bad_request");
	publish_with("signature",
		     json_string("00000000000000000000000000000000000000000000000000"
				 "00000000000000000000000000000000000000000000000000"
				 "0000000000000000000000000000"),
		     403, "bad_signature");
	publish_with("name", json_string("y"), 403, "bad_signature");
	publish_with("owner", json_string("bob"), 403, "bad_signature");
	publish_with("published_at", json_integer(loop_wall_s() - 7), 403, "bad_signature");
	publish_with("sha256", NULL, 403, "bad_signature");
	publish_with("sha256", sha256_list("two"), 403, "bad_signature");
	publish_with("sha256", json_pack("[n, n]"), 422, "mismatch");
	publish_with("sha256", json_pack("[i]", 7), 400, "bad_request");
	publish_with("sha256", json_pack("{}"), 400, "bad_request");
	publish_with("bytes", json_integer(4), 422, "mismatch");
	publish_with("n_files", json_integer(2), 422, "mismatch");
	publish_with("hash_v1", json_string("00112233445566778899aabbccddeeff00112233"), 422,
		     "mismatch");
	publish_with("torrent", NULL, 400, "bad_request");
	publish_with("torrent", json_string("ZGU"), 400, "bad_request");
	publish_with("torrent", json_string("ZG U="), 400, "bad_request");
	publish_with("torrent", json_string("ZGU="), 422, "bad_torrent");
	publish_with("torrent", json_string(""), 422, "bad_torrent");
	publish_with("name", NULL, 400, "bad_request");
	publish_with("name", json_string(""), 400, "bad_request");
	publish_with("name", json_string("a/b"), 400, "bad_request");
	publish_with("name", json_string("x\033[2J"), 400, "bad_request");
	publish_with("name", json_string("x\u202etxt.exe"), 400, "bad_request");
	publish_with("name", json_integer(5), 400, "bad_request");
	publish_with("key", json_string("zz"), 400, "bad_request");
	publish_with("published_at", json_real(1.5), 400, "bad_request");
	publish_with("published_at", json_integer(-1), 400, "bad_request");
	publish_with("published_at", json_integer(INT64_MAX), 403, "stale");
	publish_with("published_at", json_integer(0), 403, "stale");
	publish_with("extra", json_string("is ignored"), 201, "");
	CHECK_INT(listed("/api/v1/entries"), 1);
	end();
}

TEST(an_old_publication_is_refused)
{
	struct owner alice = owner_of("alice", 1);

	begin();
	expect(publish(&alice, "x", "one", INDEX_PUBLISH_SKEW_S + 5), 403, "stale");
	expect(publish(&alice, "x", "one", -INDEX_PUBLISH_SKEW_S - 5), 403, "stale");
	expect(publish(&alice, "x", "one", INDEX_PUBLISH_SKEW_S - 5), 201, "");
	end();
}

/* What a call to publish is answered with when the nth allocation fails; 0: none does. */
static int publish_failing(const char *body, size_t n, size_t *asked)
{
	struct http_request r = {
	    .method = "POST", .body = bytes_str(body), .impl = evhttp_request_new(NULL, NULL)};
	struct http_reply reply = {.status = 200};

	evhttp_add_header(evhttp_request_get_input_headers(r.impl), "Content-Type",
			  "application/json");
	CHECK_INT(addr_parse(bytes_str("127.0.0.1"), 5000, &r.from), 0);
	buf_init(&reply.body, 1 << 20);
	failmalloc_start(n, false);
	index_publish(world.server, &r, &reply);
	*asked = failmalloc_stop();
	buf_fini(&reply.body);
	evhttp_request_free(r.impl);
	return reply.status;
}

TEST(without_memory_a_publication_is_not_called_wrong)
{
	struct owner alice = owner_of("alice", 1);
	struct buf torrent;
	struct entry e;
	json_t *j;
	char *text;
	size_t asked, fewer;

	begin();
	e = entry_of(&alice, "x", "one", 0, &torrent);
	j = publish_json(&e, &torrent, "one");
	text = json_dumps(j, 0);
	CHECK_INT(publish_failing(text, 0, &asked), 201);
	CHECK(asked > 20);
	for (size_t n = 1; n <= asked; n++) {
		int status = publish_failing(text, n, &fewer);

		if (status >= 400 && status < 500)
			fail_msg("allocation %zu fails: %d", n, status);
	}
	free(text);
	json_decref(j);
	buf_fini(&torrent);
	end();
}

/* ---- unpublishing ---- */

TEST(unpublishing_removes_one_version_or_all)
{
	static const char *const headers[] = {"Content-Type: application/json", NULL};
	struct owner alice = owner_of("alice", 1);
	struct got g;
	char *text;
	json_t *j;

	begin();
	publish_id(&alice, "x", "one");
	publish_id(&alice, "x", "two");
	publish_id(&alice, "x", "three");
	g = post("/api/v1/unpublish", unpublish_json(&alice, "x", 2, 0));
	CHECK_INT(g.status, 200);
	CHECK_INT(number(g.json, "removed"), 1);
	forget(&g);
	CHECK_INT(listed("/api/v1/entries?name=x"), 2);
	expect(post("/api/v1/unpublish", unpublish_json(&alice, "x", 2, 0)), 404, "not_found");
	j = unpublish_json(&alice, "x", 0, 0);
	text = json_dumps(j, 0);
	g = ask("DELETE", "/api/v1/entries", headers, bytes_str(text));
	CHECK_INT(number(g.json, "removed"), 2);
	CHECK_STR(world.last_log, "unpublish alice/x@0");
	forget(&g);
	free(text);
	json_decref(j);
	CHECK_INT(listed("/api/v1/entries"), 0);
	end();
}

TEST(only_its_owner_can_unpublish_and_only_with_a_fresh_signature)
{
	struct owner alice = owner_of("alice", 1), thief = owner_of("alice", 2);
	json_t *j;

	begin();
	expect(publish(&alice, "x", "one", INDEX_UNPUBLISH_SKEW_S + 60), 201, "");
	expect(post("/api/v1/unpublish", unpublish_json(&thief, "x", 0, 0)), 403, "not_owner");
	j = unpublish_json(&alice, "x", 0, 0);
	json_object_set_new(j, "name", json_string("y"));
	expect(post("/api/v1/unpublish", j), 403, "bad_signature");
	expect(
	    post("/api/v1/unpublish", unpublish_json(&alice, "x", 0, INDEX_UNPUBLISH_SKEW_S + 5)),
	    403, "stale");
	expect(
	    post("/api/v1/unpublish", unpublish_json(&alice, "x", 0, -INDEX_UNPUBLISH_SKEW_S - 5)),
	    403, "stale");
	expect(post("/api/v1/unpublish", unpublish_json(&alice, "y", 0, 0)), 404, "not_found");
	CHECK_INT(listed("/api/v1/entries"), 1);
	end();
}

TEST(a_signature_to_publish_does_not_unpublish)
{
	struct owner alice = owner_of("alice", 1);
	struct buf torrent;
	struct entry e;
	json_t *j;

	begin();
	publish_id(&alice, "x", "one");
	e = entry_of(&alice, "x", "one", 0, &torrent);
	buf_fini(&torrent);
	j = entry_json(&e);
	expect(post("/api/v1/unpublish", j), 403, "bad_signature");
	end();
}

TEST(a_removal_cannot_be_replayed_against_a_later_publication)
{
	struct owner alice = owner_of("alice", 1);
	json_t *removal;

	begin();
	expect(publish(&alice, "x", "one", 100), 201, "");
	removal = unpublish_json(&alice, "x", 0, 50);
	expect(post("/api/v1/unpublish", json_incref(removal)), 200, "");
	expect(publish(&alice, "x", "one", 0), 201, "");
	expect(post("/api/v1/unpublish", removal), 403, "stale");
	CHECK_INT(listed("/api/v1/entries"), 1);
	end();
}

TEST(what_was_published_ahead_of_time_says_when_it_can_be_removed)
{
	struct owner alice = owner_of("alice", 1);
	struct got g;

	begin();
	expect(publish(&alice, "x", "one", -100), 201, "");
	g = post("/api/v1/unpublish", unpublish_json(&alice, "x", 0, 0));
	CHECK(strstr(buf_cstr(&g.body), "by a clock that was wrong") != NULL);
	expect(g, 403, "stale");
	end();
}

TEST(an_old_publication_cannot_bring_back_what_was_removed)
{
	struct owner alice = owner_of("alice", 1);

	begin();
	expect(publish(&alice, "x", "one", 100), 201, "");
	expect(post("/api/v1/unpublish", unpublish_json(&alice, "x", 0, 50)), 200, "");
	expect(publish(&alice, "x", "one", 100), 403, "stale");
	expect(publish(&alice, "y", "one", 100), 201, "");
	expect(publish(&alice, "x", "one", 50), 403, "stale");
	expect(publish(&alice, "x", "one", 40), 201, "");
	end();
}

TEST(a_version_is_removed_only_with_its_own_hashes)
{
	struct owner alice = owner_of("alice", 1);
	struct buf torrent;
	struct entry e;

	begin();
	publish_id(&alice, "x", "one");
	publish_id(&alice, "x", "two");
	e = entry_of(&alice, "x", "two", 0, &torrent);
	buf_fini(&torrent);
	e.version = 1;
	sign_entry(&e, &alice, "unpublish");
	expect(post("/api/v1/unpublish", entry_json(&e)), 422, "mismatch");
	e.version = 2;
	expect(post("/api/v1/unpublish", entry_json(&e)), 403, "bad_signature");
	sign_entry(&e, &alice, "unpublish");
	expect(post("/api/v1/unpublish", entry_json(&e)), 200, "");
	CHECK_INT(listed("/api/v1/entries?version=1"), 1);
	end();
}

/* ---- calls that are none ---- */

TEST(bodies_that_are_not_one_object_are_refused)
{
	static const char *const bodies[] = {"",
					     " ",
					     "{",
					     "}",
					     "[]",
					     "null",
					     "5",
					     "\"x\"",
					     "{\"a\":1}x",
					     "{\"a\":1,\"a\":2}",
					     "{\"owner\":\"a\",\"name\":\"b\",\"owner\":\"c\"}",
					     "{\"a\":1e999999}",
					     "{\"a\":\"\\ud800\"}",
					     "{\"a\":\"\\u0000\"}",
					     "{\"a\":'x'}",
					     "{a:1}",
					     "{\"a\":\"\xff\"}",
					     "{\"a\":\"\n\"}",
					     "{\"a\":1,}",
					     "{\"a\":01}",
					     "{\"a\":NaN}",
					     "{\"a\":123456789012345678901234567890123456789}",
					     "{\"a\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}"};
	char *deep = malloc(200000);

	begin();
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		expect(post_text("/api/v1/entries", bytes_str(bodies[i])), 400, "bad_json");
		expect(post_text("/api/v1/unpublish", bytes_str(bodies[i])), 400, "bad_json");
	}
	CHECK(deep != NULL);
	memset(deep, '[', 200000);
	expect(post_text("/api/v1/entries", bytes_of(deep, 200000)), 400, "bad_json");
	/* Millions of tiny values, each dearer to hold than to send. */
	CHECK((deep = realloc(deep, 2 << 20)) != NULL);
	memcpy(deep, "{\"a\":[", 6);
	for (size_t i = 6; i < (2 << 20) - 2; i++)
		deep[i] = i % 2 == 0 ? '1' : ',';
	memcpy(deep + (2 << 20) - 2, "]}", 2);
	expect(post_text("/api/v1/entries", bytes_of(deep, 2 << 20)), 400, "bad_json");
	free(deep);
	expect(post_text("/api/v1/entries", bytes_str("{\"a\":[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]}")),
	       400, "bad_request");
	expect(post_text("/api/v1/entries", bytes_str("{}")), 400, "bad_request");
	end();
}

TEST(web_pages_of_others_cannot_change_anything)
{
	static const char *const plain[] = {"Content-Type: text/plain", NULL};
	static const char *const form[] = {"Content-Type: application/x-www-form-urlencoded", NULL};
	static const char *const jsonish[] = {"Content-Type: application/jsonx", NULL};
	static const char *const charset[] = {"Content-Type: Application/JSON; charset=utf-8",
					      NULL};
	static const char *const origin[] = {"Content-Type: application/json",
					     "Origin: http://evil", NULL};
	static const char *const null_origin[] = {"Content-Type: application/json", "Origin: null",
						  NULL};
	static const char *const paths[] = {"/api/v1/entries", "/api/v1/unpublish"};
	struct bytes body = bytes_str("{}");

	begin();
	for (size_t i = 0; i < 2; i++) {
		expect(ask("POST", paths[i], plain, body), 415, "bad_content_type");
		expect(ask("POST", paths[i], form, body), 415, "bad_content_type");
		expect(ask("POST", paths[i], jsonish, body), 415, "bad_content_type");
		expect(ask("POST", paths[i], charset, body), 400, "bad_request");
		expect(ask("POST", paths[i], origin, body), 403, "forbidden_origin");
		expect(ask("POST", paths[i], null_origin, body), 403, "forbidden_origin");
	}
	expect(get("/api/v1/unpublish"), 405, "method_not_allowed");
	expect(post_text("/api/v1/status", body), 405, "method_not_allowed");
	expect(post_text("/api/v1/entries/1", body), 405, "method_not_allowed");
	end();
}

/* ---- questions ---- */

TEST(bad_parameters_are_named_and_never_ignored)
{
	static const char *const paths[] = {
	    "/api/v1/entries?limit=0",
	    "/api/v1/entries?limit=501",
	    "/api/v1/entries?limit=x",
	    "/api/v1/entries?limit=",
	    "/api/v1/entries?limit=-1",
	    "/api/v1/entries?before=0",
	    "/api/v1/entries?before=99999999999999999999",
	    "/api/v1/entries?version=0",
	    "/api/v1/entries?latest=2",
	    "/api/v1/entries?hash=12",
	    "/api/v1/entries?hash=zz112233445566778899aabbccddeeff00112233",
	    "/api/v1/entries?name=%ff",
	    "/api/v1/entries?name=a%00b",
	    "/api/v1/entries?name=%2",
	    "/api/v1/entries?q=%zz",
	    "/api/v1/entries?owner=%c0%af",
	    "/api/v1/near",
	    "/api/v1/near?name=%",
	    "/api/v1/peers?limit=1001",
	    "/api/v1/peers?limit=0"};

	begin();
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		expect(get(paths[i]), 400, "bad_request");
	end();
}

static void search(const char *text, bool must_match)
{
	struct buf path;
	struct got g;

	buf_init(&path, 16384);
	buf_put_str(&path, "/api/v1/entries?q=");
	text_put_percent(&path, bytes_str(text));
	g = get(buf_cstr(&path));
	if (g.status != 200)
		CHECK_STR(code_of(&g), "bad_search");
	CHECK(strstr((char *)g.body.ptr, "fts5") == NULL);
	CHECK(strstr((char *)g.body.ptr, "syntax") == NULL);
	CHECK(strstr((char *)g.body.ptr, "SELECT") == NULL);
	if (must_match)
		CHECK_INT(json_array_size(json_object_get(g.json, "entries")), 1);
	forget(&g);
	buf_fini(&path);
}

TEST(search_text_is_never_a_program)
{
	static const char *const texts[] = {"\"",
					    "*",
					    "-",
					    "--",
					    "NEAR(",
					    "NEAR(a b, 2)",
					    "AND",
					    "a AND",
					    "OR OR",
					    "NOT x",
					    "col:x",
					    "name:",
					    "{name owner}: x",
					    "^x",
					    "x + y",
					    "(",
					    ")",
					    "((((",
					    "'",
					    "''; DROP TABLE entries; --",
					    "%",
					    "_",
					    "\\",
					    "a\"b",
					    "\"a",
					    "a*b*",
					    "\xe2\x80\xae",
					    "\xf0\x9f\x90\x9f",
					    "x\x01y",
					    "a-b",
					    "[",
					    "]",
					    "{",
					    "}",
					    ":",
					    ";",
					    ",",
					    "a,b",
					    "<script>alert(1)</script>",
					    "$(id)",
					    "`id`",
					    "\n",
					    "\t"};
	struct owner alice = owner_of("alice", 1);
	char many[8192] = "";

	begin();
	publish_id(&alice, "data-set one.tar", "one");
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		search(texts[i], false);
	memset(many, '%', 1000);
	search(many, false);
	for (size_t i = 0; i < 3000; i += 3)
		memcpy(many + i, "ab ", 4);
	search(many, false);
	memset(many, 'a', 5000);
	many[5000] = '\0';
	search(many, false);
	search("data-set", true);
	search("one.tar", true);
	search("ONE data", true);
	search("alice", true);
	end();
}

TEST(lists_come_in_pages_newest_first)
{
	struct owner alice = owner_of("alice", 1);
	json_int_t before = 0, last = INT64_MAX;
	char name[32], path[64];
	size_t seen = 0;

	begin();
	for (int i = 0; i < 7; i++) {
		snprintf(name, sizeof(name), "file %d", i);
		publish_id(&alice, name, name);
	}
	for (int page = 0; page < 4; page++) {
		struct got g;
		const json_t *rows, *row;
		size_t i;

		snprintf(path, sizeof(path),
			 before == 0 ? "/api/v1/entries?limit=3"
				     : "/api/v1/entries?limit=3&before=%lld",
			 (long long)before);
		g = get(path);
		rows = json_object_get(g.json, "entries");
		json_array_foreach(rows, i, row)
		{
			CHECK(number(row, "id") < last);
			last = number(row, "id");
			seen++;
		}
		before = json_integer_value(json_object_get(g.json, "next"));
		forget(&g);
		if (before == 0)
			break;
	}
	CHECK_INT(seen, 7);
	end();
}

/* Somebody has each of them. */
static void announce_all(size_t n)
{
	uint8_t hash[3][SHA1_LEN];
	struct got g;

	CHECK(n <= 3);
	for (size_t i = 0; i < n; i++)
		memcpy(hash[i], entry_swarm_hash(&world.server->rows[i]), SHA1_LEN);
	for (size_t i = 0; i < n; i++) {
		g = announce(hash[i], ID_OURS, 6881, "&left=0&event=started");
		CHECK_INT(g.status, 200);
		forget(&g);
	}
}

/* What GET `query` is answered with when the nth allocation fails; 0: none does. *asked: how many
 * there were. */
static int list_failing(const char *query, size_t n, size_t *asked, struct buf *body)
{
	struct http_request r = {.method = "GET", .query = bytes_str(query)};
	struct http_reply reply = {.status = 200};

	buf_init(&reply.body, 1 << 20);
	failmalloc_start(n, false);
	index_list(world.server, &r, &reply);
	*asked = failmalloc_stop();
	buf_clear(body);
	buf_put(body, buf_bytes(&reply.body));
	buf_fini(&reply.body);
	return reply.status;
}

TEST(without_memory_a_list_is_whole_or_an_error)
{
	static const char *const queries[] = {"limit=2", "online=1&limit=2", "sort=holders&limit=2",
					      "sort=holders&q=file"};
	struct owner alice = owner_of("alice", 1);
	struct buf whole, body;
	char name[32];
	size_t asked;

	begin();
	buf_init(&whole, 1 << 20);
	buf_init(&body, 1 << 20);
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "file %d", i);
		publish_id(&alice, name, name);
	}
	CHECK_INT(list_failing("", 0, &asked, &whole), 200);
	CHECK(strstr(buf_cstr(&whole), "file 2") != NULL);
	announce_all(3);
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		CHECK_INT(list_failing(queries[i], 0, &asked, &whole), 200);
		for (size_t n = 1; n <= asked; n++) {
			size_t fewer;
			int status = list_failing(queries[i], n, &fewer, &body);

			if (status == 200 && !bytes_eq(buf_bytes(&body), buf_bytes(&whole)))
				fail_msg("%s: %.*s", queries[i], (int)body.len,
					 (const char *)body.ptr);
		}
	}
	buf_fini(&whole);
	buf_fini(&body);
	end();
}

TEST(entries_are_found_by_hash_and_by_similar_name)
{
	struct owner alice = owner_of("alice", 1);
	char path[256], hex[2 * SHA256_LEN + 1];
	struct buf torrent;
	struct entry e;

	begin();
	publish_id(&alice, "genome.tar", "one");
	e = entry_of(&alice, "genome.tar", "one", 0, &torrent);
	buf_fini(&torrent);
	text_hex(hex, bytes_of(e.hash_v1, SHA1_LEN));
	snprintf(path, sizeof(path), "/api/v1/entries?hash=%s", hex);
	CHECK_INT(listed(path), 1);
	text_hex(hex, bytes_of(e.hash_v2, SHA256_LEN));
	snprintf(path, sizeof(path), "/api/v1/entries?hash=%s", hex);
	CHECK_INT(listed(path), 1);
	path[strlen(path) - 1] ^= 1;
	CHECK_INT(listed(path), 0);
	CHECK_INT(listed("/api/v1/near?name=genom.tar"), 1);
	CHECK_INT(listed("/api/v1/near?name=something+else+altogether"), 0);
	end();
}

/* ---- announce ---- */

static bool holds(const struct got *g, const char *bytes, size_t len)
{
	for (size_t i = 0; i + len <= g->body.len; i++) {
		if (memcmp(g->body.ptr + i, bytes, len) == 0)
			return true;
	}
	return false;
}
#define HOLDS(g, text) holds(g, text, sizeof(text) - 1)

TEST(an_announce_is_answered_and_seen_by_the_next)
{
	static const uint8_t hash[20] = "0123456789abcdefghi";
	struct got g;

	begin();
	g = announce(hash, ID_OURS, 6881, "&left=0&event=started");
	CHECK(HOLDS(&g, "8:intervali20e"));
	CHECK(HOLDS(&g, "8:completei1e"));
	CHECK(HOLDS(&g, "5:peers0:"));
	forget(&g);
	g = announce(hash, ID_STOCK, 51413, "&left=10&event=started");
	CHECK(HOLDS(&g, "8:intervali1800e"));
	CHECK(HOLDS(&g, "12:min interval"));
	CHECK(HOLDS(&g, "5:peers6:\x7f\0\0\x01\x1a\xe1"));
	forget(&g);
	g = announce(hash, ID_STOCK, 51413, "&left=10&event=stopped");
	CHECK(HOLDS(&g, "10:incompletei0e"));
	forget(&g);
	end();
}

TEST(what_a_client_says_of_its_address_is_not_believed)
{
	static const uint8_t hash[20] = "0123456789abcdefghi";
	static const char *const forwarded[] = {"X-Forwarded-For: 203.0.113.9",
						"Forwarded: for=203.0.113.9",
						"X-Real-IP: 203.0.113.9", NULL};
	struct got g;

	begin();
	g = announce(hash, ID_OURS, 6881,
		     "&left=0&ip=203.0.113.9&ipv4=203.0.113.9:1&ipv6=2001:db8::9");
	forget(&g);
	g = ask("GET",
		"/announce?info_hash=0123456789abcdefghi%00&peer_id=-SH0100-000000000002&port=7000&"
		"left=1",
		forwarded, bytes_of(NULL, 0));
	CHECK(HOLDS(&g, "5:peers6:\x7f\0\0\x01\x1a\xe1"));
	forget(&g);
	g = get("/api/v1/peers");
	CHECK_INT(json_array_size(json_object_get(g.json, "peers")), 2);
	CHECK(strstr((char *)g.body.ptr, "203.0.113") == NULL);
	forget(&g);
	end();
}

TEST(bad_announces_are_refused_in_words_a_client_shows)
{
#define HASH20 "info_hash=01234567890123456789"
#define REST "&peer_id=-XX0000-000000000001&port=1&left=0"
	static const char *const queries[] = {
	    "",
	    "info_hash=0123456789012345678" REST,
	    "info_hash=012345678901234567890" REST,
	    "info_hash=%zz234567890123456789" REST,
	    "info_hash=%3" REST,
	    HASH20 "&port=1&left=0",
	    HASH20 "&peer_id=short&port=1&left=0",
	    HASH20 "&peer_id=-XX0000-000000000001&left=0",
	    HASH20 "&peer_id=-XX0000-000000000001&port=0&left=0",
	    HASH20 "&peer_id=-XX0000-000000000001&port=65536&left=0",
	    HASH20 "&peer_id=-XX0000-000000000001&port=-1&left=0",
	    HASH20 "&peer_id=-XX0000-000000000001&port=x&left=0",
	    HASH20 "&peer_id=-XX0000-000000000001&port=1&left=18446744073709551616",
	    HASH20 "&peer_id=-XX0000-000000000001&port=1&left=-1"};
	char path[512];

	begin();
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		struct got g;

		snprintf(path, sizeof(path), "/announce?%s", queries[i]);
		g = get(path);
		CHECK_INT(g.status, 200);
		if (!HOLDS(&g, "d14:failure reason"))
			fail_msg("%s gave %.*s", path, (int)g.body.len, (char *)g.body.ptr);
		forget(&g);
	}
	end();
}

TEST(odd_but_harmless_announces_are_taken)
{
	static const char *const queries[] = {HASH20 REST "&numwant=1000000000",
					      HASH20 REST "&unknown=%00%ff",
					      HASH20 REST "&ipv6=2001:db8::1&ipv6=2001:db8::2",
					      HASH20 REST "&compact=0&no_peer_id=1"};
	char path[512];

	begin();
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		struct got g;

		snprintf(path, sizeof(path), "/announce?%s", queries[i]);
		g = get(path);
		CHECK(HOLDS(&g, "8:completei1e"));
		forget(&g);
	}
	end();
}

TEST(a_query_far_too_long_is_refused_and_the_index_lives_on)
{
	size_t n = 64 << 10;
	char *request = calloc(1, n + 64), reply[8192] = "";

	begin();
	CHECK(request != NULL);
	memset(request, 'a', n);
	memcpy(request, "GET /announce?x=", 16);
	memcpy(request + n, " HTTP/1.1\r\nHost: x\r\n\r\n", 23);
	raw(request, n + 23, reply, sizeof(reply));
	CHECK(strstr(reply, "200 OK") == NULL || strstr(reply, "failure reason") != NULL);
	free(request);
	expect(get("/api/v1/status"), 200, "");
	end();
}

TEST(scrape_counts_and_refuses_to_tell_of_everything)
{
	static const uint8_t hash[20] = "0123456789abcdefghi";
	struct got g;

	begin();
	g = announce(hash, ID_OURS, 6881, "&left=0");
	forget(&g);
	g = get("/scrape?info_hash=0123456789abcdefghi%00&info_hash=aaaaaaaaaaaaaaaaaaaa");
	CHECK(HOLDS(&g, "20:0123456789abcdefghi\0d8:completei1e"));
	CHECK(HOLDS(&g, "20:aaaaaaaaaaaaaaaaaaaad8:completei0e"));
	forget(&g);
	g = get("/scrape");
	CHECK(HOLDS(&g, "failure reason"));
	forget(&g);
	g = get("/scrape?info_hash=short");
	CHECK(HOLDS(&g, "failure reason"));
	forget(&g);
	g = get("/api/v1/status");
	CHECK_INT(number(g.json, "scrapes"), 3);
	CHECK_INT(number(g.json, "scrapes_refused"), 2);
	CHECK_INT(number(g.json, "announces_refused"), 0);
	forget(&g);
	g = get("/metrics");
	CHECK(strstr(buf_cstr(&g.body), "\nshoal_scrapes_refused_total 2\n") != NULL);
	CHECK(strstr(buf_cstr(&g.body), "\nshoal_announces_refused_total 0\n") != NULL);
	CHECK(strstr(buf_cstr(&g.body), "\nshoal_udp_scrapes_refused_total 0\n") != NULL);
	forget(&g);
	end();
}

/* ---- the code for telephones ---- */

TEST(the_qr_code_holds_the_magnet_link_with_its_trackers)
{
	struct owner alice = owner_of("alice", 1);
	struct buf want;
	struct got g;
	char path[64];
	json_int_t id;

	begin();
	id = publish_id(&alice, "x", "one two three four five six");
	snprintf(path, sizeof(path), "/api/v1/entries/%lld", (long long)id);
	g = get(path);
	buf_init(&want, 1u << 20);
	CHECK_INT(
	    qr_svg_put(bytes_str(json_string_value(json_object_get(g.json, "magnet"))), &want), 0);
	forget(&g);
	snprintf(path, sizeof(path), "/api/v1/entries/%lld/qr.svg", (long long)id);
	g = get(path);
	CHECK_INT(g.status, 200);
	CHECK(bytes_eq(buf_bytes(&g.body), buf_bytes(&want)));
	forget(&g);
	buf_fini(&want);
	expect(post_text(path, bytes_str("{}")), 405, "method_not_allowed");
	expect(get("/api/v1/entries/99/qr.svg"), 404, "not_found");
	end();
}

/* ---- holders ---- */

TEST(holders_of_both_swarms_are_listed_once_with_what_they_have)
{
	struct owner alice = owner_of("alice", 1);
	struct buf torrent;
	struct entry e;
	struct got g;
	const json_t *peers, *row;
	char path[64];
	json_int_t id;

	begin();
	id = publish_id(&alice, "x", "one two three four five six");
	e = entry_of(&alice, "x", "one two three four five six", 0, &torrent);
	buf_fini(&torrent);
	g = announce(e.hash_v1, "-SH0100-000000000001", 7001, "&left=0&uploaded=9");
	forget(&g);
	g = announce(e.hash_v2, "-SH0100-000000000001", 7001, "&left=0&uploaded=9");
	forget(&g);
	g = announce(e.hash_v1, "-TR3000-000000000002", 7002, "&left=9");
	forget(&g);
	g = announce(e.hash_v2, "-SH0100-%1b[2J00000003", 7003, "&left=27");
	forget(&g);

	snprintf(path, sizeof(path), "/api/v1/entries/%lld/holders", (long long)id);
	g = get(path);
	CHECK_INT(g.status, 200);
	CHECK_INT(number(g.json, "online"), 3);
	CHECK_INT(number(g.json, "seeds"), 1);
	CHECK_INT(number(g.json, "holders"), 2);
	peers = json_object_get(g.json, "peers");
	CHECK_INT(json_array_size(peers), 3);
	row = json_array_get(peers, 0);
	CHECK_STR(json_string_value(json_object_get(row, "addr")), "127.0.0.1:7001");
	CHECK_STR(json_string_value(json_object_get(row, "host")), "127.0.0.1");
	CHECK_INT(number(row, "port"), 7001);
	CHECK(json_is_null(json_object_get(row, "uploaded")));
	CHECK(json_real_value(json_object_get(row, "percent")) == 100.0);
	CHECK(number(row, "since") <= loop_wall_s() + 1 &&
	      number(row, "since") > loop_wall_s() - 100);
	row = json_array_get(peers, 1);
	CHECK(json_real_value(json_object_get(row, "percent")) == 66.6);
	CHECK(strstr(json_string_value(json_object_get(row, "client")), "Transmission") != NULL);
	row = json_array_get(peers, 2);
	CHECK(json_real_value(json_object_get(row, "percent")) == 0.0);
	CHECK(memchr(g.body.ptr, '\033', g.body.len) == NULL);
	CHECK(strstr((char *)g.body.ptr, "\\u001b") == NULL);
	forget(&g);

	g = get("/api/v1/entries");
	row = json_array_get(json_object_get(g.json, "entries"), 0);
	CHECK_INT(number(row, "online"), 3);
	CHECK_INT(number(row, "seeds"), 1);
	CHECK_INT(number(row, "holders"), 2);
	forget(&g);
	g = get("/api/v1/peers?limit=2");
	CHECK_INT(json_array_size(json_object_get(g.json, "peers")), 2);
	CHECK_INT(number(g.json, "left_out"), 1);
	forget(&g);
	g = get("/api/v1/status");
	CHECK_INT(number(g.json, "entries"), 1);
	CHECK_INT(number(g.json, "peers"), 4);
	CHECK_INT(number(g.json, "swarms"), 2);
	CHECK_INT(number(g.json, "announces"), 4);
	forget(&g);
	end();
}

TEST(swarms_too_large_to_count_one_by_one_are_counted_by_the_tracker)
{
	struct owner alice = owner_of("alice", 1);
	struct buf torrent;
	struct entry e;
	struct got g;
	const json_t *row;

	begin();
	publish_id(&alice, "x", "one");
	e = entry_of(&alice, "x", "one", 0, &torrent);
	buf_fini(&torrent);
	for (uint16_t i = 0; i < INDEX_COUNTED_MAX + 50; i++) {
		struct announce a = {.port = (uint16_t)(1000 + i), .left = i < 20 ? 0 : 1};
		struct addr from = {.ip = {192, 0, 2, 1}};
		struct announce_reply reply;
		struct shard_hold hold = {.all = world.server->shards};

		memcpy(a.info_hash, e.hash_v1, 20);
		memcpy(a.peer_id, ID_STOCK, 20);
		CHECK_INT(tracker_announce(shards_enter(&hold, a.info_hash), &a, &from, NULL,
					   index_now_s(world.server), &reply),
			  0);
		shards_leave(&hold);
	}
	g = get("/api/v1/entries");
	row = json_array_get(json_object_get(g.json, "entries"), 0);
	CHECK_INT(number(row, "online"), INDEX_COUNTED_MAX + 50);
	CHECK_INT(number(row, "seeds"), 20);
	forget(&g);
	end();
}
