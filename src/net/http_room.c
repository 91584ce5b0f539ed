/* net/http_room.c - who makes way when a server holds too much, or too many.
 *
 * Not whoever comes next, or brought the last bytes: a few who hold much would lock all others out.
 * Of bytes, it is the host for which most is held, and of its connections the one that has let the
 * most lie there for the longest time. Of connections, it is the one that has asked nothing for the
 * longest time, and while all ask something, the oldest of the host that has most. */
#include <event2/buffer.h>

#include "net/http_server_impl.h"
#include "net/tcp.h"

uint16_t http_room_cell(const struct http_server *s, const struct addr *a)
{
	return (uint16_t)(siphash(s->host_key, bytes_of(a->ip, a->v6 ? 8 : 4)) % HTTP_HOST_CELLS);
}

enum held { HELD_IN, HELD_OUT };

static uint64_t held_for(const struct conn *c, enum held what)
{
	return what == HELD_IN ? c->in_held : c->out_held;
}

static uint64_t largest(const uint64_t *v, size_t n)
{
	uint64_t most = 0;

	for (size_t i = 0; i < n; i++)
		most = v[i] > most ? v[i] : most;
	return most;
}

/* NULL: nothing is held for anyone but `spared`. */
static struct conn *find_fattest(const struct http_server *s, enum held what,
				 const struct conn *spared)
{
	uint64_t now = loop_now_ms(s->loop), of_host[HTTP_HOST_CELLS] = {0}, most, worst = 0;
	struct conn *c, *found = NULL;

	LIST_FOREACH(c, &s->adopted, link)
	{
		if (c != spared)
			of_host[c->asker] += held_for(c, what);
	}
	most = largest(of_host, HTTP_HOST_CELLS);
	LIST_FOREACH(c, &s->adopted, link)
	{
		uint64_t weight = held_for(c, what) * (now - c->since_ms + 1);

		if (c != spared && of_host[c->asker] == most && weight > worst) {
			worst = weight;
			found = c;
		}
	}
	return found;
}

static void cut(struct conn *c)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);

	/* Its bufferevent is freed behind all that is due in this turn of the loop, which may be
	 * many more large answers: what it holds goes now. */
	(void)evbuffer_unfreeze(out, 1);
	(void)evbuffer_drain(out, evbuffer_get_length(out));
	/* What it holds up in the middle the kernel does not wait for either. */
	tcp_reset_on_close(c->fd);
	evhttp_connection_free(c->evcon); /* and with it `c` */
}

void http_room_make(struct http_server *s, const struct conn *spared)
{
	struct conn *c;

	while (s->in_held > s->held_max && (c = find_fattest(s, HELD_IN, spared)) != NULL)
		cut(c);
	while (s->out_held > s->held_max && (c = find_fattest(s, HELD_OUT, spared)) != NULL)
		cut(c);
}

void http_room_set_silent(struct conn *c, bool silent)
{
	struct http_server *s = c->server;

	if (c->is_silent)
		TAILQ_REMOVE(&s->silent, c, by_silence);
	if (silent)
		TAILQ_INSERT_TAIL(&s->silent, c, by_silence);
	c->is_silent = silent;
}

bool http_room_spare_silent(struct http_server *s)
{
	struct conn *c = TAILQ_FIRST(&s->silent);

	if (c == NULL)
		return false;
	evhttp_connection_free(c->evcon); /* and with it `c` */
	return true;
}

static struct conn *oldest_with(const struct http_server *s, unsigned most)
{
	struct conn *c, *found = NULL;

	LIST_FOREACH(c, &s->adopted, link)
	{
		if (c->stream == NULL && s->conns_of[c->host] == most)
			found = c;
	}
	return found;
}

bool http_room_admit(struct http_server *s, const struct conn *newest)
{
	unsigned most = 0;

	if (http_room_spare_silent(s))
		return true;
	for (size_t i = 0; i < HTTP_HOST_CELLS; i++)
		most = s->conns_of[i] > most ? s->conns_of[i] : most;
	if (most / 2 <= s->conns_of[newest->host])
		return false;
	cut(oldest_with(s, most));
	return true;
}
