#include "node/index_watch.h"

#include <stdio.h>
#include <stdlib.h>

#include "net/entropy.h"
#include "node/index_client_impl.h"
#include "node/json_read.h"

struct index_watch {
	struct index_watch_params p;
	struct http_client *http;
	struct loop_timer *timer;
	struct rng rng;
	char *url;
};

uint32_t index_watch_pause_ms(uint32_t every_s, struct rng *rng)
{
	uint32_t every_ms = (every_s == 0			 ? INDEX_WATCH_EVERY_S
			     : every_s > INDEX_WATCH_EVERY_MAX_S ? INDEX_WATCH_EVERY_MAX_S
								 : every_s) *
			    1000;

	return every_ms - every_ms / 4 + rng_below(rng, every_ms / 2 + 1);
}

static void wait_again(struct index_watch *w)
{
	loop_timer_set(w->timer, index_watch_pause_ms(w->p.every_s, &w->rng));
}

/* Versions only grow; the list has the newest entries first. */
static int read_version(struct bytes body, uint32_t *version, struct err_info *info)
{
	json_t *j = NULL, *row;
	int err = json_read_object(body, &j, info);
	size_t i;

	*version = 0;
	json_array_foreach(json_object_get(j, "entries"), i, row)
	{
		json_int_t v = json_integer_value(json_object_get(row, "version"));

		if (v > *version && v <= UINT32_MAX)
			*version = (uint32_t)v;
	}
	json_decref(j);
	return err;
}

static void on_answer(void *user, const struct http_answer *reply)
{
	struct index_watch *w = user;
	struct err_info why = reply->err;
	uint32_t version = 0;

	wait_again(w);
	if (why.code == OK && reply->status != 200)
		err_set(&why, ERR_UNREACHABLE, "%s: answers with status %d", w->p.index->url,
			reply->status);
	else if (why.code == OK)
		(void)read_version(reply->body, &version, &why);
	w->p.answer(w->p.user, version, &why);
}

static void on_timer(void *arg)
{
	struct index_watch *w = arg;
	const char *headers[] = {w->p.index->authorization, NULL};
	struct http_ask ask = {
	    .method = "GET",
	    .url = w->url,
	    .headers = headers,
	    .max_bytes = INDEX_WATCH_BYTES_MAX,
	    .done = on_answer,
	    .user = w,
	};

	if (http_client_send(w->http, &ask) == NULL)
		wait_again(w);
}

static char *make_url(const struct index_watch_params *p)
{
	struct buf b;
	char *url;

	buf_init(&b, 8192);
	buf_printf(&b, "%s/api/v1/entries?limit=10&latest=1", p->index->url);
	index_client_put_param(&b, "owner", p->owner);
	index_client_put_param(&b, "name", p->name);
	url = buf_cstr(&b) == NULL ? NULL : strdup(buf_cstr(&b));
	buf_fini(&b);
	return url;
}

int index_watch_new(const struct index_watch_params *p, struct index_watch **out)
{
	struct index_watch *w = calloc(1, sizeof(*w));
	uint64_t seed;

	if (w == NULL)
		return ERR_NOMEM;
	w->p = *p;
	entropy_fill(&seed, sizeof(seed));
	rng_seed(&w->rng, seed);
	w->url = make_url(p);
	w->timer = loop_timer_new(p->loop, on_timer, w);
	if (w->url == NULL || w->timer == NULL ||
	    index_client_http(p->index, p->loop, &w->http) != OK) {
		index_watch_free(w);
		return ERR_NOMEM;
	}
	wait_again(w);
	*out = w;
	return OK;
}

void index_watch_free(struct index_watch *w)
{
	if (w == NULL)
		return;
	http_client_free(w->http);
	loop_timer_free(w->timer);
	free(w->url);
	free(w);
}
