#include "node/index_server_impl.h"

#include <stdio.h>

#include "wire/http_tracker.h"

static void fail(uint64_t *count, struct announce_reply *reply, const char *why)
{
	++*count;
	memset(reply, 0, sizeof(*reply));
	reply->failed = true;
	snprintf(reply->failure, sizeof(reply->failure), "%.*s", (int)sizeof(reply->failure) - 1,
		 why);
}

/* Refusals too have status 200: clients show a "failure reason", and of other statuses the
 * number at best. */
void index_announce_as(struct index_server *s, const struct http_request *r, struct bytes passkey,
		       struct http_reply *reply)
{
	enum index_verdict may =
	    index_access_check(s->access, passkey, &r->from, RIGHT_READ, index_now_s(s));
	struct announce_reply out;
	struct err_info why = {0};
	struct announce a = {.compact = true};
	struct shard_hold hold = {.all = s->shards};

	if (!index_reply_method(r, reply, "GET"))
		return;
	s->counts.announces++;
	reply->type = "text/plain";
	if (may == ACCESS_WRONG)
		index_log_wrong_token(s, &r->from);
	if (may != ACCESS_GRANTED)
		fail(&s->counts.refused, &out, index_verdict_text(may));
	else if (http_announce_decode(r->query, &a, &why) < 0)
		fail(&s->counts.refused, &out, why.text);
	else if (tracker_announce(shards_enter(&hold, a.info_hash), &a, &r->from, &r->to,
				  index_now_s(s), &out) < 0)
		fail(&s->counts.refused, &out, "the tracker is out of memory; try again");
	else if (out.failed)
		s->counts.refused++;
	if (!out.failed) {
		out.has_external_ip = true;
		out.external_ip = r->from;
	}
	http_announce_reply_encode(&out, a.compact, a.no_peer_id, &reply->body);
	shards_leave(&hold); /* not before: it lent the peers */
}

void index_scrape_as(struct index_server *s, const struct http_request *r, struct bytes passkey,
		     struct http_reply *reply)
{
	enum index_verdict may =
	    index_access_check(s->access, passkey, &r->from, RIGHT_READ, index_now_s(s));
	uint8_t hashes[SCRAPE_HASHES_MAX][20];
	struct scrape_row rows[SCRAPE_HASHES_MAX];
	struct shard_hold hold = {.all = s->shards};
	struct announce_reply out;
	struct err_info why = {0};
	int n;

	if (!index_reply_method(r, reply, "GET"))
		return;
	s->counts.scrapes++;
	reply->type = "text/plain";
	if (may == ACCESS_WRONG)
		index_log_wrong_token(s, &r->from);
	n = may == ACCESS_GRANTED ? http_scrape_decode(r->query, hashes, &why)
				  : err_set(&why, ERR_DENIED, "%s", index_verdict_text(may));
	if (n <= 0) {
		fail(&s->counts.scrapes_refused, &out,
		     n < 0 ? why.text : "info_hash is missing: scraping all is not offered");
		http_announce_reply_encode(&out, true, false, &reply->body);
		return;
	}
	for (int i = 0; i < n; i++)
		tracker_scrape(shards_enter(&hold, hashes[i]), hashes[i], index_now_s(s), &rows[i]);
	shards_leave(&hold);
	http_scrape_reply_encode(rows, (size_t)n, &reply->body);
}

void index_announce(struct index_server *s, const struct http_request *r, struct http_reply *reply)
{
	index_announce_as(s, r, bytes_of(NULL, 0), reply);
}

void index_scrape(struct index_server *s, const struct http_request *r, struct http_reply *reply)
{
	index_scrape_as(s, r, bytes_of(NULL, 0), reply);
}
