/* node/fetch_pass.c - connections of a metadata fetch that were others' before, or will be.
 *
 *     accepted by a link, names the hash --> fetch_peer_adopt()
 *     the torrent is known, its transfer has nothing yet --> metadata_fetch_pass_on() --> a link
 *
 * A peer that is passed on has heard that we have nothing, and is told the rest in another
 * extension handshake. What it said itself was kept, and is heard by the swarm as if it came now.
 */
#include "node/link.h"
#include "node/metadata_fetch_impl.h"

static uint32_t free_number(const struct metadata_fetch *f)
{
	uint32_t i = 0;

	while (i < METADATA_FETCH_PEERS && f->peers[i] != NULL)
		i++;
	return i;
}

/* What its link has begun goes on here. */
static void take_over(struct fetch_peer *p, const struct link_passing *g)
{
	p->came = p->incoming = true;
	p->state = FETCH_HANDSHAKE;
	p->rc4 = g->rc4;
	p->from = g->reads;
	p->to = g->writes;
	(void)buf_put(&p->out, g->out);
	p->sealed = p->out.len;
	(void)buf_put(&p->in, g->in);
}

void fetch_peer_adopt(struct metadata_fetch *f, struct link_passing *g)
{
	const struct metainfo *m = &f->named;
	const struct handshake *h = g->hello;
	uint32_t number = free_number(f);
	struct fetch_peer *p;

	if (number == METADATA_FETCH_PEERS ||
	    addrbook_is_banned(&f->book, &g->from, loop_now_ms(f->node->loop))) {
		stream_close(&g->stream);
		return;
	}
	p = fetch_peer_new(f, number, &g->stream, &g->from);
	if (p == NULL)
		return;
	take_over(p, g);
	fetch_peer_say_handshake(p, m->v1 && m->v2 && h->v2 ? m->hash_v2 : h->info_hash);
	if (p->in.err != OK || p->out.err != OK)
		fetch_peer_close(p, "out of memory", false);
	else if (fetch_peer_take_hello(p, h) && fetch_peer_take(p))
		(void)fetch_peer_flush(p);
	fetch_go_on(f);
}

/* With less said than was known by the end, it is better met anew; and who was offered peer
 * exchange is no connection for a private torrent (BEP 27). */
bool fetch_may_pass_on(const struct metadata_fetch *f)
{
	return f->result == OK && !f->info->private && f->info->v2 == f->named.v2;
}

/* What it said goes along; with more of that than is kept it is met anew. */
static void pass_on(struct fetch_peer *p, struct transfer *t)
{
	struct link_passing g = {.stream = p->stream,
				 .from = p->remote,
				 .incoming = p->incoming,
				 .hello = &p->hello,
				 .rc4 = p->rc4};
	char text[ADDR_TEXT_MAX];

	/* The begin of a message, perhaps. */
	if (buf_put(&p->kept, buf_bytes(&p->in)) < 0 || p->out.err != OK)
		return;
	fetch_peer_seal(p);
	g.reads = p->from;
	g.writes = p->to;
	g.in = buf_bytes(&p->kept);
	g.out = buf_bytes(&p->out);
	node_log(t->node, "%s: stays connected, for the data", addr_text(text, &p->addr));
	p->stream = (struct stream){.fd = -1};
	fetch_peer_leave(p); /* the link needs a place, and there may be no other */
	link_adopt(t, &g);
	fetch_peer_free(p);
}

void metadata_fetch_pass_on(struct metadata_fetch *f, struct transfer *t)
{
	if (!fetch_may_pass_on(f) || swarm_have(t->swarm)->count > 0)
		return;
	for (uint32_t i = 0; i < METADATA_FETCH_PEERS; i++)
		if (f->peers[i] != NULL && f->peers[i]->state == FETCH_OPEN)
			pass_on(f->peers[i], t);
}
