#include "node/node_dht.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bencode.h"
#include "base/text.h"
#include "node/json_read.h"
#include "node/node_dht_impl.h"

/* ---- answers ---------------------------------------------------------------------------- */

/* Whose search is it, and where is that said? Removed torrents have none. */
static struct transfer *find_transfer(struct node_dht *d, uint32_t search, uint32_t **place)
{
	for (uint32_t i = 0; i < d->node->n_transfers; i++) {
		struct transfer *t = d->node->transfers[i];
		uint32_t *places[] = {&t->dht_search[0], &t->dht_search[1], &t->item.search};

		for (size_t k = 0; k < sizeof(places) / sizeof(places[0]); k++) {
			*place = places[k];
			if (*places[k] == search)
				return t;
		}
	}
	return NULL;
}

static bool takes_part(const struct transfer *t)
{
	return !t->removed && !t->leaving && t->live_ms != 0 && !t->meta->private &&
	       t->phase != TRANSFER_FAILED && transfer_takes_all(t);
}

static size_t peers_of(const struct dht_effects *fx, const struct dht_effect *e,
		       struct addr list[KRPC_PEERS_MAX])
{
	size_t n = 0;

	while (n < KRPC_PEERS_MAX && dht_effect_peer(fx, e, n, &list[n]))
		n++;
	return n;
}

static void take_sought(struct node_dht *d, const struct dht_effects *fx,
			const struct dht_effect *e)
{
	struct addr list[KRPC_PEERS_MAX];

	for (uint32_t i = 0; i < NODE_DHT_SEEKS_MAX; i++) {
		struct seek *s = &d->seeks[i];

		if (s->user == NULL || s->search != e->search)
			continue;
		if (e->type == DHT_PEERS)
			s->found(s->user, list, peers_of(fx, e, list));
		else if (e->type == DHT_DONE)
			s->search = 0;
		return;
	}
}

static void take_peers(struct transfer *t, const struct dht_effects *fx, const struct dht_effect *e)
{
	struct addr list[KRPC_PEERS_MAX];
	size_t n = peers_of(fx, e, list);

	swarm_on_addresses(t->swarm, list, n, SOURCE_DHT, loop_now_ms(t->node->loop), &t->fx);
	transfer_perform(t);
}

static void on_effect(void *user, const struct dht_effects *fx, const struct dht_effect *e)
{
	struct node_dht *d = user;
	uint32_t *place;
	struct transfer *t = find_transfer(d, e->search, &place);

	if (e->type == DHT_DONE && d->asking > 0)
		d->asking--;
	if (t == NULL) {
		take_sought(d, fx, e);
		node_settle(d->node);
		return;
	}
	if (e->type == DHT_PEERS && takes_part(t))
		take_peers(t, fx, e);
	if (e->type == DHT_DONE) {
		*place = 0;
		if (place == &t->item.search)
			node_dht_on_put(&t->item, e, loop_now_ms(d->node->loop));
		/* Nobody to ask, or nobody who keeps it: not yet. */
		else if (e->stored == 0)
			t->dht_at_ms = loop_now_ms(d->node->loop) + NODE_DHT_SOON_MS;
	}
	node_settle(d->node);
}

/* ---- an index that knows others --------------------------------------------------------- */

size_t node_dht_read_nodes(const json_t *j, enum addr_scope nearest, struct addr *out, size_t cap)
{
	size_t n = 0, i;
	json_t *one;

	json_array_foreach(json_object_get(j, "nodes"), i, one)
	{
		const char *text = json_string_value(one);

		if (n < cap && text != NULL && addr_parse(bytes_str(text), 0, &out[n]) == OK &&
		    addr_is_dialable(&out[n]) && addr_may_name(nearest, &out[n]))
			n++;
	}
	return n;
}

static void on_nodes(void *user, const struct http_answer *reply)
{
	enum addr_scope nearest = reply->from.port == 0 ? ADDR_PUBLIC : addr_scope(&reply->from);
	struct addr list[NODE_DHT_INDEX_NODES_MAX];
	struct node_dht *d = user;
	json_t *j = NULL;
	size_t n;

	d->index = NULL;
	if (reply->err.code != OK || reply->status != 200 ||
	    json_read_object(reply->body, &j, NULL) != OK)
		return;
	n = node_dht_read_nodes(j, nearest, list, NODE_DHT_INDEX_NODES_MAX);
	for (size_t i = 0; i < n; i++)
		dht_shell_add_place(d->shell, &list[i]);
	json_decref(j);
	node_settle(d->node);
}

static void ask_index(struct node_dht *d, uint64_t now)
{
	struct node *n = d->node;
	struct dht_stats st;
	const struct live *l;
	char url[2048];

	if (d->index != NULL || n->n_lives == 0 || now < d->index_at_ms)
		return;
	dht_shell_stats(d->shell, &st);
	if (st.nodes[0] + st.nodes[1] > 0)
		return;
	d->index_at_ms = now + NODE_DHT_INDEX_MS;
	l = n->lives[d->next_index++ % n->n_lives];
	if (snprintf(url, sizeof(url), "%s/api/v1/dht-nodes", live_url(l)) < (int)sizeof(url)) {
		const char *headers[] = {live_authorization(l), NULL};
		struct http_ask ask = {.method = "GET",
				       .url = url,
				       .headers = headers,
				       .max_bytes = NODE_DHT_INDEX_BYTES_MAX,
				       .done = on_nodes,
				       .user = d};

		d->index = http_client_send(n->http, &ask);
	}
}

/* ---- announces --------------------------------------------------------------------------- */

static uint64_t next_time(const struct transfer *t, uint64_t now)
{
	struct swarm_stats s;

	swarm_traffic(t->swarm, now, &s);
	return now + (s.peers == 0 && !t->complete ? NODE_DHT_LONELY_MS : NODE_DHT_AGAIN_MS);
}

/* Under each name that peers may know it by. */
static void announce(struct node_dht *d, struct transfer *t, uint64_t now)
{
	const struct metainfo *m = t->meta;
	const uint8_t *names[2] = {m->v1 ? m->hash_v1 : NULL, m->v2 ? m->hash_v2 : NULL};

	if (t->dht_search[0] != 0 || t->dht_search[1] != 0)
		return; /* then */
	t->dht_at_ms = next_time(t, now);
	t->dht_asked_ms = now;
	for (int i = 0; i < 2; i++) {
		if (names[i] == NULL)
			continue;
		t->dht_search[i] = dht_shell_announce(d->shell, names[i], d->node->port);
		d->asking += t->dht_search[i] != 0;
	}
}

void node_dht_more(struct node_dht *d, struct transfer *t)
{
	uint64_t now = loop_now_ms(d->node->loop), at = t->dht_asked_ms + NODE_DHT_LONELY_MS;
	struct swarm_stats s;

	swarm_stats(t->swarm, now, &s);
	if ((s.peers == 0 || !s.can_complete) && t->dht_asked_ms != 0 && at < t->dht_at_ms)
		t->dht_at_ms = at;
}

void node_dht_moved(struct node_dht *d)
{
	if (d->shell == NULL)
		return;
	dht_shell_set_outer_port(d->shell, d->node->outer_port);
	for (uint32_t i = 0; i < d->node->n_transfers; i++)
		d->node->transfers[i]->dht_at_ms = 0;
}

/* Is somebody there, or being asked whether he is? What is begun earlier ends at once, in vain. */
static bool may_begin(const struct node_dht *d)
{
	struct dht_stats st;

	dht_shell_stats(d->shell, &st);
	return st.nodes[0] + st.nodes[1] + st.pending > 0;
}

static void seek_some(struct node_dht *d, uint64_t now)
{
	for (uint32_t i = 0; i < NODE_DHT_SEEKS_MAX; i++) {
		struct seek *s = &d->seeks[i];

		if (s->user == NULL || s->search != 0 || now < s->at_ms)
			continue;
		s->at_ms = now + NODE_DHT_SOON_MS;
		s->search = dht_shell_get_peers(d->shell, s->hash);
		d->asking += s->search != 0;
	}
}

static void tell(struct node_dht *d, struct transfer *t, uint64_t now)
{
	if (takes_part(t) && now >= t->dht_at_ms)
		announce(d, t, now);
	if (takes_part(t))
		node_dht_put_item(d, &t->item, now);
}

/* It is not known there, or shall not be waited for. */
static bool is_pressing(const struct transfer *t)
{
	return !t->complete || t->dht_at_ms == 0;
}

/* Begins where it ended the last time: not with the first ones again and again. */
static void take_turns(struct node_dht *d, bool pressing, uint64_t now)
{
	uint32_t n = d->node->n_transfers;

	for (uint32_t i = 0; i < n && d->asking < NODE_DHT_ASKING_MAX; i++) {
		struct transfer *t = d->node->transfers[d->next[pressing]++ % n];

		if (!pressing || is_pressing(t))
			tell(d, t, now);
	}
}

/* What may be sent is not enough to announce thousands in time: pressing ones do not wait behind
 * them, nor do those wait for ever where many are pressing. */
static void tell_some(struct node_dht *d, uint64_t now)
{
	d->odd = !d->odd;
	if (d->odd)
		take_turns(d, true, now);
	take_turns(d, false, now);
}

void node_dht_second(struct node_dht *d)
{
	uint64_t now = loop_now_ms(d->node->loop);

	if (d->shell == NULL)
		return;
	ask_index(d, now);
	if (!may_begin(d))
		return;
	seek_some(d, now);
	tell_some(d, now);
}

/* What owners signed waits for the second: it belongs to the nearest nodes, of which more are known
 * by then. */
static void announce_first(struct node_dht *d, uint64_t now)
{
	const struct node *n = d->node;

	for (uint32_t i = 0; i < n->n_transfers && d->asking < NODE_DHT_ASKING_MAX; i++)
		if (n->transfers[i]->dht_at_ms == 0 && takes_part(n->transfers[i]))
			announce(d, n->transfers[i], now);
}

static void on_look(void *arg)
{
	struct node_dht *d = arg;
	uint64_t now = loop_now_ms(d->node->loop);

	if (!may_begin(d) && --d->looks_left > 0) {
		loop_timer_set(d->look, NODE_DHT_LOOK_MS);
		return;
	}
	d->looks_left = 0;
	if (may_begin(d)) {
		seek_some(d, now);
		announce_first(d, now);
	}
	node_settle(d->node);
}

/* Once for many that are added together. */
static void look_soon(struct node_dht *d)
{
	if (d->looks_left > 0)
		return;
	d->looks_left = NODE_DHT_LOOKS;
	loop_timer_set(d->look, NODE_DHT_LOOK_MS);
}

/* ---- places to begin ---------------------------------------------------------------------- */

/* Source: BEP 5 "nodes": a list of [host, port]. */
static void take_nodes(struct node_dht *d, struct bytes torrent)
{
	struct benc top, list, pair, host, port;
	struct benc_iter it, in;
	char text[300];

	if (benc_parse(torrent, &top, NULL) <= 0 || !benc_find_list(&top, "nodes", &list))
		return;
	it = benc_iter(&list);
	for (unsigned n = 0; n < NODE_DHT_TORRENT_NODES_MAX && benc_next(&it, NULL, &pair); n++) {
		in = benc_iter(&pair);
		if (pair.type != BENC_LIST || !benc_next(&in, NULL, &host) ||
		    !benc_next(&in, NULL, &port) || host.type != BENC_STR ||
		    port.type != BENC_INT || port.num <= 0 || port.num > UINT16_MAX ||
		    host.str.len > 253 || memchr(host.str.ptr, 0, host.str.len) != NULL)
			continue;
		snprintf(text, sizeof(text), "%.*s:%u", (int)host.str.len,
			 (const char *)host.str.ptr, (unsigned)port.num);
		(void)dht_shell_add_host(d->shell, text);
	}
}

static void start(struct node_dht *d)
{
	struct dht_shell_params p = {.loop = d->node->loop,
				     .listen_host = d->p.listen_host,
				     .state = d->p.state,
				     .on_effect = on_effect,
				     .user = d};
	struct err_info why;

	p.udp = node_udp(d->node, &why);
	if (p.udp == NULL || dht_shell_new(&p, &d->shell, &why) != OK) {
		d->failed = true;
		node_log(d->node, "no distributed hash table: %s", why.text);
		return;
	}
	dht_shell_set_outer_port(d->shell, d->node->outer_port);
	for (uint32_t i = 0; i < d->n_places; i++)
		(void)dht_shell_add_host(d->shell, d->places[i]);
	for (uint32_t i = 0; i < d->node->n_lives; i++)
		live_set_dht(d->node->lives[i], dht_shell_port(d->shell));
	d->index_at_ms = loop_now_ms(d->node->loop) + NODE_DHT_INDEX_FIRST_MS;
}

void node_dht_add(struct node_dht *d, struct transfer *t, struct bytes torrent)
{
	if (t->meta->private || d->failed)
		return;
	if (d->shell == NULL)
		start(d);
	if (d->shell == NULL)
		return;
	if (transfer_takes_all(t))
		take_nodes(d, torrent);
	look_soon(d);
}

bool node_dht_seek(struct node_dht *d, const uint8_t hash[20],
		   void (*found)(void *user, const struct addr *list, size_t n), void *user)
{
	if (d->shell == NULL && !d->failed)
		start(d);
	for (uint32_t i = 0; d->shell != NULL && i < NODE_DHT_SEEKS_MAX; i++) {
		struct seek *s = &d->seeks[i];

		if (s->user != NULL)
			continue;
		*s = (struct seek){.found = found, .user = user};
		memcpy(s->hash, hash, sizeof(s->hash));
		if (may_begin(d))
			seek_some(d, loop_now_ms(d->node->loop));
		else
			look_soon(d);
		return true;
	}
	return false;
}

void node_dht_unseek(struct node_dht *d, const void *user)
{
	for (uint32_t i = 0; i < NODE_DHT_SEEKS_MAX; i++) {
		struct seek *s = &d->seeks[i];

		if (s->user != user)
			continue;
		if (s->search != 0 && d->shell != NULL) {
			dht_shell_cancel(d->shell, s->search);
			d->asking -= d->asking > 0;
		}
		*s = (struct seek){.user = NULL};
	}
}

bool node_dht_is_seeking(const struct node_dht *d, const void *user)
{
	for (uint32_t i = 0; i < NODE_DHT_SEEKS_MAX; i++)
		if (d->seeks[i].user == user && d->seeks[i].search != 0)
			return true;
	return false;
}

void node_dht_on_port(struct node_dht *d, struct node_dht_told *last, const struct addr *peer,
		      uint16_t port)
{
	uint64_t now = loop_now_ms(d->node->loop);
	struct addr a = *peer;

	if (port == last->port || (last->port != 0 && now - last->at_ms < NODE_DHT_PORT_MS))
		return;
	*last = (struct node_dht_told){port, now};
	a.port = port;
	if (d->shell != NULL)
		dht_shell_add_place(d->shell, &a);
}

uint16_t node_dht_port(const struct node_dht *d, const struct transfer *t, const struct addr *peer)
{
	if (d->shell == NULL || (t != NULL && t->meta->private))
		return 0;
	return addr_port_for(peer, dht_shell_port(d->shell), d->node->outer_udp_port);
}

json_t *node_dht_json(const struct node *n)
{
	const struct dht_shell *d = node_dht(n);
	struct dht_stats st;
	char id[2 * NODE_ID_LEN + 1];

	if (d == NULL)
		return json_null();
	dht_shell_stats(d, &st);
	text_hex(id, bytes_of(dht_shell_id(d, false), NODE_ID_LEN));
	return json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:I, s:I, s:I}", "id", id, "port",
			 (int)dht_shell_port(d), "nodes", (int)st.nodes[0], "nodes6",
			 (int)st.nodes[1], "torrents", (int)st.hashes, "peers", (int)st.peers,
			 "items", (int)st.items, "queries", (json_int_t)st.queries, "sent_bytes",
			 (json_int_t)st.sent_bytes, "received_bytes",
			 (json_int_t)st.received_bytes);
}

const struct dht_shell *node_dht_shell(const struct node_dht *d)
{
	return d->shell;
}

/* ---- life ---------------------------------------------------------------------------------- */

static int copy_places(struct node_dht *d, const char *const *places, struct err_info *info)
{
	uint32_t n = 0;

	while (places != NULL && places[n] != NULL)
		n++;
	d->places = calloc(n + 1, sizeof(d->places[0]));
	if (d->places == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	for (; d->n_places < n; d->n_places++) {
		if (!dht_shell_is_place(places[d->n_places]))
			return err_set(info, ERR_INVALID, "--dht-node wants HOST:PORT");
		d->places[d->n_places] = strdup(places[d->n_places]);
		if (d->places[d->n_places] == NULL)
			return err_set(info, ERR_NOMEM, "out of memory");
	}
	return OK;
}

int node_dht_new(struct node *n, const struct node_dht_params *p, struct node_dht **out,
		 struct err_info *info)
{
	struct node_dht *d = calloc(1, sizeof(*d));
	int err;

	if (d == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	d->node = n;
	d->look = loop_timer_new(n->loop, on_look, d);
	d->p.listen_host = p->listen_host == NULL ? NULL : strdup(p->listen_host);
	d->p.state = p->state == NULL ? NULL : strdup(p->state);
	err = copy_places(d, p->places, info);
	if (err == OK &&
	    (d->look == NULL || (d->p.listen_host == NULL) != (p->listen_host == NULL) ||
	     (d->p.state == NULL) != (p->state == NULL)))
		err = err_set(info, ERR_NOMEM, "out of memory");
	if (err != OK) {
		node_dht_free(d);
		return err;
	}
	*out = d;
	return OK;
}

void node_dht_free(struct node_dht *d)
{
	if (d == NULL)
		return;
	if (d->index != NULL)
		http_call_cancel(d->index);
	loop_timer_free(d->look);
	dht_shell_free(d->shell);
	for (uint32_t i = 0; i < d->n_places; i++)
		free(d->places[i]);
	free(d->places);
	free((char *)d->p.listen_host);
	free((char *)d->p.state);
	free(d);
}
