#include "node/index_client.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "index_fixture.h"
#include "net/tcp.h"
#include "node/index_server.h"
#include "node/index_watch.h"

/* ---- an index in a process of its own ---- */

struct index {
	pid_t pid;
	uint16_t port;
	char *dir;
	struct index_client *client;
	rlim_t file_bytes; /* 0: no limit */
};

static void serve(const struct index *x, int tell)
{
	struct index_server_params p = {
	    .listen_host = "127.0.0.1", .port = x->port, .data_dir = x->dir};
	struct rlimit limit = {x->file_bytes, x->file_bytes};
	struct index_server *s;
	struct loop *l;
	uint16_t bound;

	if (loop_new(&l) != 0 || index_server_new(l, &p, &s, NULL) != 0)
		_exit(1);
	if (x->file_bytes != 0 &&
	    (signal(SIGXFSZ, SIG_IGN) == SIG_ERR || setrlimit(RLIMIT_FSIZE, &limit) != 0))
		_exit(1);
	bound = index_server_port(s);
	if (write(tell, &bound, sizeof(bound)) != sizeof(bound))
		_exit(1);
	loop_run(l);
	_exit(0);
}

static void index_start(struct index *x)
{
	int ends[2];

	CHECK_INT(pipe(ends), 0);
	x->pid = fork();
	CHECK(x->pid >= 0);
	if (x->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test must not leave it behind */
		serve(x, ends[1]);
	}
	close(ends[1]);
	CHECK_INT(read(ends[0], &x->port, sizeof(x->port)), sizeof(x->port));
	close(ends[0]);
}

static void index_kill(struct index *x)
{
	CHECK_INT(kill(x->pid, SIGKILL), 0);
	CHECK_INT(waitpid(x->pid, NULL, 0), x->pid);
}

static struct index begin_limited(rlim_t file_bytes)
{
	struct index x = {.dir = folder_new(), .file_bytes = file_bytes};
	char url[64];

	index_start(&x);
	snprintf(url, sizeof(url), "127.0.0.1:%u", x.port);
	CHECK_INT(index_client_new(url, NULL, &x.client, NULL), 0);
	return x;
}

static struct index begin(void)
{
	return begin_limited(0);
}

static void end(struct index *x)
{
	index_client_free(x->client);
	index_kill(x);
	folder_free(x->dir);
}

static void publish(struct index *x, const struct owner *o, const char *name, const char *text,
		    uint32_t version)
{
	struct err_info info = {0};
	json_t *sha256 = sha256_list(text);
	struct buf torrent;
	struct entry e = entry_of(o, name, text, 0, &torrent);

	if (index_client_publish(x->client, &e, buf_bytes(&torrent), sha256, &info) != 0)
		fail_msg("%s", info.text);
	CHECK(e.id > 0);
	CHECK_INT(e.version, version);
	json_decref(sha256);
	buf_fini(&torrent);
}

/* "owner/name@version", or the sentence. */
static const char *resolved(struct index *x, const char *ref, bool latest, int want)
{
	static char out[600];
	struct err_info info = {0};
	struct entry e;
	json_t *j = NULL;
	int r = index_client_resolve(x->client, ref, latest, &j, &info);

	if (r != want)
		fail_msg("%s: %d %s", ref, r, info.text);
	if (r < 0) {
		snprintf(out, sizeof(out), "%s", info.text);
		return out;
	}
	CHECK_INT(index_client_entry(j, &e), 0);
	json_decref(j);
	snprintf(out, sizeof(out), "%s/%s@%u", e.owner, e.name, e.version);
	return out;
}

/* ---- addresses ---- */

static void url_is(const char *typed, const char *want)
{
	struct index_client *c;

	CHECK_INT(index_client_new(typed, NULL, &c, NULL), 0);
	CHECK_STR(index_client_url(c), want);
	index_client_free(c);
}

static int list(struct index_client *c, const char *query, uint32_t limit, json_t **out,
		struct err_info *info)
{
	struct index_list_ask ask = {.query = query, .limit = limit};

	return index_client_list(c, &ask, out, info);
}

TEST(who_follows_asks_as_seldom_as_is_said_and_each_at_another_time)
{
	static const struct {
		uint32_t said_s, s;
	} rows[] = {{0, INDEX_WATCH_EVERY_S},
		    {60, 60},
		    {INDEX_WATCH_EVERY_MAX_S, INDEX_WATCH_EVERY_MAX_S},
		    {INDEX_WATCH_EVERY_MAX_S + 1, INDEX_WATCH_EVERY_MAX_S},
		    {4294968, INDEX_WATCH_EVERY_MAX_S},
		    {UINT32_MAX, INDEX_WATCH_EVERY_MAX_S}};
	struct rng rng;

	rng_seed(&rng, 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t every_ms = (uint64_t)rows[i].s * 1000;
		uint32_t a = index_watch_pause_ms(rows[i].said_s, &rng);
		uint32_t b = index_watch_pause_ms(rows[i].said_s, &rng);

		CHECK(a >= every_ms * 3 / 4 && a <= every_ms * 5 / 4);
		CHECK(b >= every_ms * 3 / 4 && b <= every_ms * 5 / 4);
		CHECK(a != b);
	}
}

TEST(an_address_may_be_typed_in_several_ways)
{
	struct index_client *c;

	url_is("box", "http://box:6969");
	url_is("box:80", "http://box:80");
	url_is("http://box", "http://box");
	url_is("http://box:7000/", "http://box:7000");
	url_is("https://box/shoal/", "https://box/shoal");
	url_is("192.0.2.1", "http://192.0.2.1:6969");
	url_is("[2001:db8::1]", "http://[2001:db8::1]:6969");
	url_is("[::1]:7", "http://[::1]:7");
	CHECK_INT(index_client_new("box/", NULL, &c, NULL), 0);
	CHECK_STR(index_client_announce_url(c), "http://box:6969/announce");
	index_client_free(c);
}

TEST(what_is_no_address_is_refused)
{
	static const char *const typed[] = {
	    "",		 "http://", "http:",	    "ftp://box", "box:0",      "box:", "box:x",
	    "box:65536", "a b",	    "http://box?x", "u@box",	 "[::1",       "[]",   "[::1]x",
	    "\033[2J",	 "/",	    "http:///x",    "box#x",	 "file:///etc"};

	for (size_t i = 0; i < sizeof(typed) / sizeof(typed[0]); i++) {
		struct err_info info = {0};
		struct index_client *c;

		if (index_client_new(typed[i], NULL, &c, &info) != ERR_INVALID)
			fail_msg("taken: %s", typed[i]);
		CHECK(info.text[0] != '\0');
		CHECK(strchr(info.text, '\033') == NULL);
	}
}

TEST(an_index_that_is_not_there_is_named_with_what_to_do)
{
	struct err_info info = {0};
	struct index_client *c;
	char url[64], want[128];
	uint16_t port;
	json_t *j;
	int fd = tcp_listen("127.0.0.1", 0, &port, &info);

	CHECK(fd >= 0);
	close(fd);
	snprintf(url, sizeof(url), "127.0.0.1:%u", port);
	CHECK_INT(index_client_new(url, NULL, &c, NULL), 0);
	CHECK_INT(list(c, NULL, 10, &j, &info), ERR_UNREACHABLE);
	snprintf(want, sizeof(want),
		 "http://127.0.0.1:%u: connection refused; start one with: shoal index", port);
	CHECK_STR(info.text, want);
	index_client_free(c);
}

/* ---- names ---- */

TEST(names_resolve_to_the_only_or_the_newest)
{
	struct owner alice = owner_of("alice", 1);
	struct index x = begin();

	publish(&x, &alice, "data.bin", "one", 1);
	CHECK_STR(resolved(&x, "data.bin", false, 0), "alice/data.bin@1");
	publish(&x, &alice, "data.bin", "two", 2);
	publish(&x, &alice, "data.bin", "two", 2);
	CHECK_STR(resolved(&x, "data.bin", false, 0), "alice/data.bin@2");
	CHECK_STR(resolved(&x, "alice/data.bin", false, 0), "alice/data.bin@2");
	CHECK_STR(resolved(&x, "data.bin@1", false, 0), "alice/data.bin@1");
	CHECK_STR(resolved(&x, "data.bin@latest", false, 0), "alice/data.bin@2");
	CHECK_STR(resolved(&x, "data.bin@3", false, ERR_NOENT),
		  "data.bin@3: no such version; the newest of alice/data.bin is 2");
	CHECK_STR(resolved(&x, "dat.bin@3", false, ERR_NOENT),
		  "dat.bin@3: no such entry; did you mean alice/data.bin?");
	end(&x);
}

TEST(an_unknown_name_is_answered_with_near_ones)
{
	struct owner alice = owner_of("alice", 1);
	struct index x = begin();

	publish(&x, &alice, "genome.tar", "one", 1);
	CHECK_STR(resolved(&x, "genom.tar", false, ERR_NOENT),
		  "genom.tar: no such entry; did you mean alice/genome.tar?");
	CHECK_STR(resolved(&x, "quite another", false, ERR_NOENT), "quite another: no such entry");
	CHECK_STR(resolved(&x, "0123456789012345678901234567890123456789", false, ERR_NOENT),
		  "0123456789012345678901234567890123456789: no such entry");
	resolved(&x, "a/b/c", false, ERR_INVALID);
	resolved(&x, "", false, ERR_INVALID);
	end(&x);
}

TEST(several_contents_of_one_name_are_listed_for_the_user_to_choose)
{
	struct owner alice = owner_of("alice", 1), bob = owner_of("bob", 2),
		     carol = owner_of("carol", 3);
	struct index x = begin();
	const char *text;

	publish(&x, &alice, "data", "one", 1);
	publish(&x, &bob, "data", "one", 1);
	CHECK_STR(resolved(&x, "data", false, 0), "bob/data@1");
	publish(&x, &carol, "data", "other", 1);
	text = resolved(&x, "data", false, ERR_AMBIGUOUS);
	CHECK(strstr(text, "\n  alice/data@1  3 B  20") != NULL);
	CHECK(strstr(text, "\n  bob/data@1  3 B  20") != NULL);
	CHECK(strstr(text, "\n  carol/data@1  5 B  20") != NULL);
	CHECK(strstr(text, "--latest") != NULL);
	CHECK_STR(resolved(&x, "data", true, 0), "carol/data@1");
	CHECK_STR(resolved(&x, "data@latest", false, 0), "carol/data@1");
	CHECK_STR(resolved(&x, "alice/data", false, 0), "alice/data@1");
	end(&x);
}

TEST(a_long_list_of_contents_is_cut_at_a_whole_line)
{
	struct index x = begin();
	const char *text;

	for (uint8_t i = 0; i < 20; i++) {
		char name[80], content[8];
		struct owner o;

		snprintf(name, sizeof(name), "an owner with a rather long name, number %u", i);
		snprintf(content, sizeof(content), "%u", i);
		o = owner_of(name, (uint8_t)(i + 1));
		publish(&x, &o, "data", content, 1);
	}
	text = resolved(&x, "data", false, ERR_AMBIGUOUS);
	CHECK(strstr(text, " more") != NULL && strlen(strstr(text, " more")) == 5);
	end(&x);
}

TEST(hashes_resolve_too)
{
	struct owner alice = owner_of("alice", 1);
	struct index x = begin();
	char hex[2 * SHA256_LEN + 1];
	struct buf torrent;
	struct entry e;

	publish(&x, &alice, "data", "one", 1);
	e = entry_of(&alice, "data", "one", 0, &torrent);
	buf_fini(&torrent);
	text_hex(hex, bytes_of(e.hash_v1, SHA1_LEN));
	CHECK_STR(resolved(&x, hex, false, 0), "alice/data@1");
	text_hex(hex, bytes_of(e.hash_v2, SHA256_LEN));
	CHECK_STR(resolved(&x, hex, false, 0), "alice/data@1");
	end(&x);
}

/* ---- publishing ---- */

TEST(a_taken_owner_name_comes_with_a_suggestion)
{
	struct owner alice = owner_of("alice", 1), other = owner_of("alice", 2);
	struct owner second = owner_of("alice-2", 3), third = owner_of("alice-2", 4);
	struct index x = begin();
	struct err_info info = {0};
	struct buf torrent;
	struct entry e;

	publish(&x, &alice, "data", "one", 1);
	publish(&x, &second, "data", "one", 1);
	e = entry_of(&other, "data", "two", 0, &torrent);
	e.has_sha256 = false;
	sign_entry(&e, &other, "publish");
	CHECK_INT(index_client_publish(x.client, &e, buf_bytes(&torrent), NULL, &info), ERR_EXISTS);
	CHECK(strstr(info.text, "the owner name alice is taken") != NULL);
	CHECK(strstr(info.text, "--as alice-2") != NULL);
	snprintf(e.owner, sizeof(e.owner), "%s", third.name);
	sign_entry(&e, &third, "publish");
	CHECK_INT(index_client_publish(x.client, &e, buf_bytes(&torrent), NULL, &info), ERR_EXISTS);
	CHECK(strstr(info.text, "--as alice-3") != NULL);
	buf_fini(&torrent);
	end(&x);
}

TEST(what_was_acknowledged_outlives_kill_9)
{
	struct owner alice = owner_of("alice", 1);
	struct index x = begin();
	char name[32];

	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "file %d", i);
		publish(&x, &alice, name, name, 1);
		index_kill(&x);
		index_start(&x);
		resolved(&x, name, false, 0);
	}
	end(&x);
}

TEST(a_full_disk_is_named_and_reading_goes_on)
{
	struct owner alice = owner_of("alice", 1);
	struct index x = begin_limited(300 << 10);
	struct err_info info = {0};
	uint32_t stored = 0;
	char name[32];
	int r = 0;

	for (int i = 0; r == 0 && i < 2000; i++) {
		struct buf torrent;
		struct entry e;

		snprintf(name, sizeof(name), "file %d", i);
		e = entry_of(&alice, name, name, 0, &torrent);
		e.has_sha256 = false;
		sign_entry(&e, &alice, "publish");
		r = index_client_publish(x.client, &e, buf_bytes(&torrent), NULL, &info);
		stored += r == 0;
		buf_fini(&torrent);
	}
	if (r != ERR_NOSPACE)
		fail_msg("%d after %u: %s", r, stored, info.text);
	CHECK(stored > 0);
	CHECK_STR(resolved(&x, "file 0", false, 0), "alice/file 0@1");
	index_kill(&x);
	x.file_bytes = 0;
	index_start(&x);
	snprintf(name, sizeof(name), "file %u", stored - 1);
	resolved(&x, name, false, 0);
	publish(&x, &alice, "file again", "again", 1);
	end(&x);
}

/* The trackers of what is served are the index's own. */
static void check_same_info(struct bytes served, struct bytes published)
{
	struct metainfo *a = NULL, *b = NULL;

	CHECK_INT(meta_parse(served, &a), META_OK);
	CHECK_INT(meta_parse(published, &b), META_OK);
	CHECK(bytes_eq(a->info, b->info));
	meta_free(a);
	meta_free(b);
}

TEST(details_torrent_holders_and_peers_can_be_asked_for)
{
	struct owner alice = owner_of("alice", 1);
	struct index x = begin();
	struct buf torrent, got;
	struct entry e;
	json_t *j;

	publish(&x, &alice, "data", "one", 1);
	torrent_of("data", "one", &torrent);
	CHECK_INT(index_client_resolve(x.client, "data", false, &j, NULL), 0);
	CHECK_INT(index_client_entry(j, &e), 0);
	json_decref(j);
	buf_init(&got, 1 << 20);
	CHECK_INT(index_client_torrent(x.client, e.id, &got, NULL), 0);
	check_same_info(buf_bytes(&got), buf_bytes(&torrent));
	buf_fini(&got);
	buf_fini(&torrent);
	CHECK_INT(index_client_info(x.client, e.id, &j, NULL), 0);
	CHECK_INT(json_array_size(json_object_get(j, "files")), 1);
	json_decref(j);
	CHECK_INT(index_client_holders(x.client, e.id, &j, NULL), 0);
	CHECK_INT(json_array_size(json_object_get(j, "peers")), 0);
	json_decref(j);
	CHECK_INT(index_client_peers(x.client, &j, NULL), 0);
	json_decref(j);
	CHECK_INT(list(x.client, "dat", 10, &j, NULL), 0);
	CHECK_INT(json_array_size(json_object_get(j, "entries")), 1);
	json_decref(j);
	CHECK_INT(index_client_info(x.client, e.id + 1, &j, NULL), ERR_NOENT);
	end(&x);
}

TEST(unpublishing_by_its_owner_works_and_by_others_does_not)
{
	struct owner alice = owner_of("alice", 1), bob = owner_of("bob", 2);
	struct index x = begin();
	struct err_info info = {0};
	struct entry e;
	uint32_t removed = 0;
	json_t *j;

	publish(&x, &alice, "data", "one", 1);
	CHECK_INT(index_client_resolve(x.client, "data", false, &j, NULL), 0);
	CHECK_INT(index_client_entry(j, &e), 0);
	json_decref(j);
	e.published_at = loop_wall_s();
	sign_entry(&e, &bob, "unpublish");
	CHECK_INT(index_client_unpublish(x.client, &e, &removed, &info), ERR_DENIED);
	CHECK(strstr(info.text, "belongs to another key") != NULL);
	sign_entry(&e, &alice, "unpublish");
	CHECK_INT(index_client_unpublish(x.client, &e, &removed, &info), 0);
	CHECK_INT(removed, 1);
	CHECK_INT(index_client_unpublish(x.client, &e, &removed, &info), ERR_NOENT);
	end(&x);
}

/* ---- entries that break the rules ---- */

TEST(an_entry_that_breaks_the_rules_is_not_taken)
{
	static const struct {
		const char *key, *value;
	} rows[] = {
	    {"id", "0"},	   {"id", "-1"},
	    {"id", "\"1\""},	   {"id", "1.5"},
	    {"version", "0"},	   {"version", "4294967296"},
	    {"owner", "\"\""},	   {"owner", "\"a/b\""},
	    {"name", "\"\""},	   {"name", "\"a\\u202eb\""},
	    {"name", "5"},	   {"bytes", "-1"},
	    {"n_files", "null"},   {"hash_v1", "\"12\""},
	    {"hash_v2", "7"},	   {"key", "null"},
	    {"signature", "\"\""}, {"published_at", "null"},
	    {"sha256", "\"00\""},
	};
	struct owner alice = owner_of("alice", 1);
	struct buf torrent;
	struct entry e = entry_of(&alice, "data", "one", 0, &torrent), got;
	json_t *sound;

	buf_fini(&torrent);
	e.id = e.version = 1;
	sound = entry_json(&e);
	CHECK_INT(index_client_entry(sound, &got), 0);
	CHECK_MEM(&got.signature, &e.signature, SIGN_LEN);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *j = json_copy(sound);

		json_object_set_new(j, rows[i].key,
				    json_loads(rows[i].value, JSON_DECODE_ANY, NULL));
		if (index_client_entry(j, &got) != ERR_PROTO)
			fail_msg("taken: %s %s", rows[i].key, rows[i].value);
		json_decref(j);
	}
	json_object_set_new(sound, "hash_v1", json_null());
	CHECK_INT(index_client_entry(sound, &got), 0);
	json_object_set_new(sound, "hash_v2", json_null());
	CHECK_INT(index_client_entry(sound, &got), ERR_PROTO);
	json_decref(sound);
	CHECK_INT(index_client_entry(NULL, &got), ERR_PROTO);
}
