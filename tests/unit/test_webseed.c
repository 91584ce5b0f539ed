#include "node/webseed.h"

#include <limits.h>
#include <stdlib.h>

#include "test.h"

#include "failmalloc.h"
#include "http_fixture.h"
#include "node/webseed_impl.h"
#include "node_fixture.h"
#include "store/store_impl.h"
#include "wire/http_range.h"

#define KIB 1024u

static const struct kind v1 = {true, false};
static const struct sample_file one = {"f", 100 * KIB + 5, false};
/* Several times what is asked for first. */
static const struct sample_file large = {"f", 4096 * KIB + 5, false};

/* A web server that has the one file, and a node that fetches it from there. */
struct yard {
	struct world w;
	struct http_server *server;
	struct node *node;
	char url[64];
	unsigned asked, n_gets, n_failed;
	unsigned most; /* bytes that it gives at a time, for the first `n_scraps`; 0: all */
	unsigned n_scraps;
	int status; /* instead of an answer; 0: none */
	bool whole; /* it knows no ranges */
	char range[80];
	enum swarm_order order;
	struct store *roomy; /* is told of room while an answer is on its way; NULL: none */
};

static void tell_room(struct store *s)
{
	store_wait_room(s);
	hub_tell_room(s->hub);
}

static void handle(void *user, const struct http_request *r, struct http_reply *reply)
{
	struct yard *y = user;
	const struct meta_file *f = &y->w.s.m->files[0];
	const char *range = http_request_header(r, "Range");
	unsigned long long from = 0, to = 0;

	y->asked++;
	if (y->status != 0) {
		reply->status = y->status;
		return;
	}
	if (y->roomy != NULL)
		tell_room(y->roomy);
	CHECK(range != NULL && sscanf(range, "bytes=%llu-%llu", &from, &to) == 2);
	CHECK(from <= to && to < f->length);
	if (y->most > 0 && y->asked <= y->n_scraps && to - from >= y->most)
		to = from + y->most - 1;
	snprintf(y->range, sizeof(y->range), "bytes %llu-%llu/%llu", from, to,
		 (unsigned long long)f->length);
	if (y->whole) {
		from = 0;
		to = f->length - 1;
	}
	reply->status = y->whole ? 200 : 206;
	reply->type = "application/octet-stream";
	if (!y->whole) {
		reply->headers[0] = "Content-Range";
		reply->headers[1] = y->range;
	}
	CHECK_INT(buf_put(&reply->body, bytes_of(y->w.s.space + from, (size_t)(to - from) + 1)),
		  OK);
}

static void yard_init_with(struct yard *y, const struct sample_file *file)
{
	uint16_t port = 0;

	memset(y, 0, sizeof(*y));
	world_init(&y->w, v1, 16 * KIB, file, 1);
	y->server = serve_http(y->w.loop, handle, y, &port);
	snprintf(y->url, sizeof(y->url), "http://127.0.0.1:%u/f", port);
	y->node = world_node(&y->w);
}

static void yard_init(struct yard *y)
{
	yard_init_with(y, &one);
}

static void yard_fini(struct yard *y)
{
	node_free(y->node);
	http_server_free(y->server);
	world_fini(&y->w);
}

static int get_from(struct yard *y, const char *const *urls, struct transfer **t,
		    struct err_info *why)
{
	char out[400];
	struct transfer_params p;

	snprintf(out, sizeof(out), "%s%u", y->w.out, y->n_gets++);
	p = world_params(&y->w, out);
	p.webseeds = urls;
	p.order = y->order;
	return node_add(y->node, &p, t, why);
}

static int get(struct yard *y, struct transfer **t, struct err_info *why)
{
	return get_from(y, (const char *const[]){y->url, NULL}, t, why);
}

/* It is all there, or it is said that memory ran out; and goes. */
static void end(struct yard *y, struct transfer *t)
{
	WAIT_FOR(y->w.loop, phase_of(t) == TRANSFER_SEEDING || phase_of(t) == TRANSFER_FAILED);
	if (phase_of(t) == TRANSFER_FAILED)
		CHECK_INT(status_of(t).why.code, ERR_NOMEM);
	y->n_failed += phase_of(t) == TRANSFER_FAILED;
	node_remove(y->node, t);
	WAIT_FOR(y->w.loop, y->node->n_transfers == 0);
}

TEST(a_web_server_alone_is_enough)
{
	struct yard y;
	struct transfer *t;

	yard_init(&y);
	CHECK_INT(get(&y, &t, NULL), OK);
	end(&y, t);
	CHECK(y.asked > 0);
	yard_fini(&y);
}

TEST(a_whole_file_that_was_not_asked_for_is_used_to_its_end)
{
	static const enum swarm_order orders[] = {ORDER_SEQUENTIAL, ORDER_RAREST};
	/* What lies before the place where the first row begins is asked for after that. */
	static const unsigned most[] = {1, 2};

	for (size_t i = 0; i < 2; i++) {
		struct transfer *t;
		struct yard y;

		yard_init_with(&y, &large);
		y.whole = true;
		y.order = orders[i];
		CHECK_INT(get(&y, &t, NULL), OK);
		end(&y, t);
		CHECK_INT(y.n_failed, 0);
		CHECK(y.asked >= 1 && y.asked <= most[i]);
		yard_fini(&y);
	}
}

TEST(a_web_server_that_gives_less_than_a_block_is_asked_on_so_often_and_no_more)
{
	struct transfer *t;
	struct yard y;

	yard_init(&y);
	y.most = 100;
	y.n_scraps = WEBSEED_SCRAPS_MAX;
	CHECK_INT(get(&y, &t, NULL), OK);
	end(&y, t);
	CHECK_INT(y.n_failed, 0);
	y.asked = 0;
	y.n_scraps = UINT_MAX;
	CHECK_INT(get(&y, &t, NULL), OK);
	WAIT_FOR(y.w.loop, y.asked > WEBSEED_SCRAPS_MAX);
	for (int i = 0; i < 20; i++)
		loop_turn(y.w.loop, 2);
	CHECK_INT(y.asked, WEBSEED_SCRAPS_MAX + 1);
	CHECK_INT(phase_of(t), TRANSFER_DOWNLOADING);
	node_remove(y.node, t);
	WAIT_FOR(y.w.loop, y.node->n_transfers == 0);
	yard_fini(&y);
}

TEST(a_web_server_that_fails_is_asked_again_soon_while_nothing_else_is_there)
{
	struct webseed *s, *other;
	struct transfer *t;
	uint64_t pause;
	struct yard y;

	yard_init(&y);
	y.status = 503;
	CHECK_INT(
	    get_from(&y, (const char *const[]){y.url, "http://127.0.0.1:1/f", NULL}, &t, NULL), OK);
	s = &t->webseeds->list[0];
	other = &t->webseeds->list[1];
	other->bidden = true; /* that has not failed */
	other->retry_ms = UINT64_MAX;
	s->failures = 20;
	WAIT_FOR(y.w.loop, s->failures > 20);
	CHECK(s->retry_ms - loop_now_ms(y.w.loop) > WEBSEED_RETRY_MAX_MS / 2);
	other->aside = true;
	webseeds_on_fetch(t->webseeds);
	WAIT_FOR(y.w.loop, s->retry_ms - loop_now_ms(y.w.loop) <= WEBSEED_RETRY_ALONE_MS);
	CHECK(s->retry_ms > loop_now_ms(y.w.loop) + WEBSEED_RETRY_ALONE_MS / 2);
	/* And so it stays. */
	swarm_source_rest(t->swarm, s->ref, 0, loop_now_ms(y.w.loop), &t->fx);
	transfer_perform(t);
	WAIT_FOR(y.w.loop, s->failures > 21);
	pause = s->retry_ms - loop_now_ms(y.w.loop);
	CHECK(pause > WEBSEED_RETRY_ALONE_MS / 2 && pause <= WEBSEED_RETRY_ALONE_MS);
	y.status = 0;
	swarm_source_rest(t->swarm, s->ref, 0, loop_now_ms(y.w.loop), &t->fx);
	transfer_perform(t);
	end(&y, t);
	CHECK_INT(y.n_failed, 0);
	yard_fini(&y);
}

TEST(without_memory_for_its_web_servers_a_download_is_not_begun)
{
	struct yard y;
	size_t asked = SIZE_MAX;

	yard_init(&y);
	for (size_t n = 1; asked >= n - 1; n++) {
		struct err_info why = {.code = OK};
		struct transfer *t = NULL;
		struct webseeds *w;
		struct transfer_params p = {.webseeds =
						(const char *const[]){y.url, "http://x/", NULL}};
		size_t of;

		CHECK_INT(get(&y, &t, &why), OK);
		failmalloc_start(n, false);
		w = webseeds_new(t, &p, &of);
		asked = failmalloc_stop();
		CHECK_INT(of, 2);
		CHECK((w == NULL) == (asked >= n));
		webseeds_free(w);
		end(&y, t);
	}
	CHECK(asked >= 3);
	yard_fini(&y);
}

/* What is allocated from the first look at what is missing until the server, which lives here too,
 * has to answer. */
#define UNTIL_REQUEST 18u

TEST(without_memory_for_a_request_the_server_is_asked_again_or_that_is_said)
{
	struct yard y;

	yard_init(&y);
	for (size_t n = 1; n <= UNTIL_REQUEST; n++) {
		struct transfer *t;
		unsigned before = y.asked;

		CHECK_INT(get(&y, &t, NULL), OK);
		WAIT_FOR(y.w.loop, phase_of(t) == TRANSFER_DOWNLOADING);
		failmalloc_start(n, false);
		for (int i = 0; i < 3 && y.asked == before; i++)
			loop_turn(y.w.loop, 1);
		(void)failmalloc_stop();
		end(&y, t);
	}
	CHECK(y.n_failed <= 2); /* of what is told to the node nothing may be lost */
	yard_fini(&y);
}

TEST(a_web_server_for_whose_bytes_there_was_no_room_goes_on_though_room_was_told_in_between)
{
	uint8_t *slabs[POOL_SLABS_DEFAULT * 4];
	struct transfer *t;
	size_t n = 0;
	struct yard y;

	yard_init(&y);
	while (n < sizeof(slabs) / sizeof(slabs[0]) &&
	       (slabs[n] = pool_slabs_take(y.node->pool, 1)) != NULL)
		n++;
	CHECK_INT(get(&y, &t, NULL), OK);
	t->store->hub->slabs_out++; /* so that no single block is dealt out either */
	y.roomy = t->store;
	WAIT_FOR(y.w.loop, y.asked > 0 && t->store->wants_room);
	y.roomy = NULL;
	while (n > 0)
		pool_slabs_give(y.node->pool, slabs[--n], 1);
	t->store->hub->slabs_out--;
	hub_tell_room(t->store->hub);
	node_settle(y.node);
	end(&y, t);
	CHECK_INT(y.n_failed, 0);
	yard_fini(&y);
}
