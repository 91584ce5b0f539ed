#include "node/metadata_fetch.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/bencode.h"
#include "node/link.h"
#include "node/metadata_fetch_impl.h"

/* What is said to be missing, while nobody knows how much it is. */
#define LEFT_UNKNOWN BLOCK_BYTES
/* For whom there was no place is dialled so much later. */
#define PUT_OFF_MS 5000u

static uint64_t now_ms(const struct metadata_fetch *f)
{
	return loop_now_ms(f->node->loop);
}

/* ---- the end ---------------------------------------------------------------------------- */

static void finish(struct metadata_fetch *f, int result, const char *why)
{
	f->result = result;
	if (why != NULL)
		snprintf(f->why, sizeof(f->why), "%s", why);
	for (uint32_t i = 0; i < METADATA_FETCH_PEERS; i++)
		if (f->peers[i] != NULL &&
		    (f->peers[i]->state != FETCH_OPEN || !fetch_may_pass_on(f)))
			fetch_peer_close(f->peers[i], NULL, false);
	loop_timer_clear(f->timer);
	f->ready(f->user);
}

static void put_trackers(struct metadata_fetch *f)
{
	const struct metainfo *m = &f->named;

	if (m->n_trackers == 0)
		return;
	benc_put_str(&f->torrent, "announce");
	benc_put_str(&f->torrent, m->trackers[0].url);
	if (m->n_trackers == 1)
		return;
	benc_put_str(&f->torrent, "announce-list");
	benc_put_raw(&f->torrent, 'l');
	for (uint32_t i = 0; i < m->n_trackers; i++) {
		benc_put_raw(&f->torrent, 'l');
		benc_put_str(&f->torrent, m->trackers[i].url);
		benc_put_raw(&f->torrent, 'e');
	}
	benc_put_raw(&f->torrent, 'e');
}

static void put_webseeds(struct metadata_fetch *f)
{
	if (f->named.n_webseeds == 0)
		return;
	benc_put_str(&f->torrent, "url-list");
	benc_put_raw(&f->torrent, 'l');
	for (uint32_t i = 0; i < f->named.n_webseeds; i++)
		benc_put_str(&f->torrent, f->named.webseeds[i]);
	benc_put_raw(&f->torrent, 'e');
}

/* `layers`: what the peers gave of them is complete. */
static void make_torrent(struct metadata_fetch *f, bool layers)
{
	struct bytes info = metadata_result(f->metadata);

	benc_put_raw(&f->torrent, 'd');
	put_trackers(f);
	benc_put_str(&f->torrent, "info");
	(void)buf_put(&f->torrent, info);
	if (layers && f->info->v2) {
		benc_put_str(&f->torrent, "piece layers");
		(void)layers_put(f->layers, &f->torrent);
	}
	put_webseeds(f);
	benc_put_raw(&f->torrent, 'e');
	if (f->torrent.err != OK)
		finish(f, f->torrent.err, "the torrent is too large");
	else
		finish(f, OK, NULL);
}

/* ---- going on ----------------------------------------------------------------------------- */

/* A link with v1's hash alone turns out to mean a hybrid torrent. Hashes are spoken of only between
 * peers that met as v2's, so the connections are made anew. */
static void meet_as_v2(struct metadata_fetch *f)
{
	f->named.v2 = true;
	memcpy(f->named.hash_v2, f->info->hash_v2, SHA256_LEN);
	mse_lookup_key(f->named.hash_v2, f->key_v2);
	for (uint32_t i = 0; i < METADATA_FETCH_PEERS; i++) {
		struct fetch_peer *p = f->peers[i];
		struct address *a;

		if (p == NULL)
			continue;
		a = addrbook_find(&f->book, &p->addr);
		fetch_peer_close(p, NULL, false);
		if (a != NULL)
			a->due_ms = now_ms(f);
	}
}

/* The info dictionary is proven: is it a torrent, and what does it lack? */
static void take_info(struct metadata_fetch *f)
{
	enum meta_fault fault = meta_parse_info(metadata_result(f->metadata), &f->info);

	if (fault != META_OK) {
		finish(f, meta_fault_err(fault), meta_fault_text(fault));
		return;
	}
	f->layers = layers_new(f->info);
	f->layers_since_ms = now_ms(f);
	if (f->layers == NULL) {
		finish(f, ERR_NOMEM, "out of memory");
		return;
	}
	if (f->info->v2 && !f->named.v2 && !layers_done(f->layers))
		meet_as_v2(f);
	for (uint32_t i = 0; i < METADATA_FETCH_PEERS; i++)
		if (f->peers[i] != NULL && f->peers[i]->state == FETCH_OPEN && f->peers[i]->v2)
			layers_on_peer(f->layers, i);
}

static void ask(struct metadata_fetch *f)
{
	struct wire_hash_req req;
	uint32_t peer, piece;

	while (metadata_next(f->metadata, now_ms(f), &peer, &piece))
		fetch_peer_ask(f->peers[peer], piece);
	while (f->layers != NULL && layers_next(f->layers, now_ms(f), &peer, &req))
		fetch_peer_ask_hashes(f->peers[peer], &req);
}

/* All places are taken while there is somebody to be dialled. */
static bool is_crowded(const struct metadata_fetch *f)
{
	for (uint32_t i = 0; i < METADATA_FETCH_PEERS; i++)
		if (f->peers[i] == NULL && node_has_place(f->node))
			return false;
	return addrbook_has_due(&f->book, now_ms(f));
}

/* Connections that did not come about, and those that have nothing more. */
static void check_deadlines(struct metadata_fetch *f)
{
	bool crowded = is_crowded(f);

	for (uint32_t i = 0; i < METADATA_FETCH_PEERS; i++) {
		struct fetch_peer *p = f->peers[i];

		if (p == NULL || now_ms(f) < p->deadline_ms)
			continue;
		if (p->state != FETCH_OPEN)
			fetch_peer_close(p, "no handshake in time", false);
		else if (crowded)
			fetch_peer_close(p, "has nothing for us", false);
	}
}

static void count_peers(const struct metadata_fetch *f, uint32_t *open, uint32_t *dialing)
{
	*open = *dialing = 0;
	for (uint32_t i = 0; i < METADATA_FETCH_PEERS; i++) {
		if (f->peers[i] != NULL)
			++*(f->peers[i]->state == FETCH_OPEN ? open : dialing);
	}
}

/* Who may be spared most: one that is being made, or gave nothing. */
static struct fetch_peer *least_of(const struct metadata_fetch *f)
{
	struct fetch_peer *least = NULL;

	for (uint32_t i = 0; i < METADATA_FETCH_PEERS; i++) {
		struct fetch_peer *p = f->peers[i];

		if (p != NULL && (least == NULL || (least->gave && !p->gave) ||
				  (!p->gave && p->state < least->state)))
			least = p;
	}
	return least;
}

bool fetches_shed_peer(struct node *n, uint32_t others)
{
	struct metadata_fetch *most = NULL;

	for (struct metadata_fetch *f = n->fetches; f != NULL; f = f->next) {
		uint32_t open, dialing;

		count_peers(f, &open, &dialing);
		if (open + dialing <= others)
			continue;
		others = open + dialing;
		most = f;
	}
	/* Without a word: who is asked in another way than he was takes the place again. */
	if (most != NULL)
		fetch_peer_close(least_of(most), NULL, false);
	return most != NULL;
}

static bool make_room(const struct metadata_fetch *f, const struct addr *to)
{
	struct node *n = f->node;
	uint32_t open, dialing;

	count_peers(f, &open, &dialing);
	if (open + dialing < METADATA_FETCH_FEW && n->n_fetch_peers <= n->quota.max_peers / 4)
		return link_take_room(n, to);
	return link_make_room(n, to);
}

/* Returns when there will be somebody to be dialled again, UINT64_MAX for nobody or no place. */
static uint64_t dial(struct metadata_fetch *f)
{
	for (uint32_t i = 0; i < METADATA_FETCH_PEERS; i++) {
		struct address *a;
		struct addr to;
		uint64_t due;

		if (f->peers[i] != NULL)
			continue;
		a = addrbook_dial(&f->book, WISH_ANY, now_ms(f), &due);
		if (a == NULL)
			return due;
		to = a->addr;
		if (!make_room(f, &to)) {
			addrbook_put_off(&f->book, a, PUT_OFF_MS, now_ms(f));
			return UINT64_MAX;
		}
		fetch_peer_dial(f, i, &to);
	}
	return UINT64_MAX;
}

/* `dial_ms`: when somebody is to be dialled. */
static void set_timer(struct metadata_fetch *f, uint64_t dial_ms)
{
	uint64_t now = now_ms(f), at = now + 1000, due = metadata_deadline_ms(f->metadata, now);

	if (dial_ms < due)
		due = dial_ms;
	if (f->layers != NULL && layers_deadline_ms(f->layers) < due)
		due = layers_deadline_ms(f->layers);
	if (due < at)
		at = due > now ? due : now;
	loop_timer_set(f->timer, at - now);
}

/* Those who are there know v1 alone, which is enough to check every piece by. */
static bool does_without(const struct metadata_fetch *f)
{
	uint32_t open, dialing, limit;

	count_peers(f, &open, &dialing);
	limit = open > 0 && dialing == 0 && layers_peers(f->layers) == 0 ? METADATA_FETCH_V1_MS
									 : METADATA_FETCH_LAYERS_MS;
	return f->info->v1 && now_ms(f) - f->layers_since_ms >= limit;
}

static void go_on(struct metadata_fetch *f)
{
	uint64_t dial_ms;

	if (f->result != ERR_AGAIN)
		return;
	if (f->info == NULL && metadata_result(f->metadata).len > 0)
		take_info(f);
	if (f->result != ERR_AGAIN)
		return;
	if (f->layers != NULL && (layers_done(f->layers) || does_without(f))) {
		make_torrent(f, layers_done(f->layers));
		return;
	}
	check_deadlines(f);
	dial_ms = dial(f);
	ask(f);
	set_timer(f, dial_ms);
}

void fetch_go_on(struct metadata_fetch *f)
{
	go_on(f);
	fetch_count(f);
}

static void on_timer(void *arg)
{
	struct metadata_fetch *f = arg;
	struct node *n = f->node;

	fetch_go_on(f);
	node_settle(n);
}

void metadata_fetch_on_addresses(struct metadata_fetch *f, const struct addr *list, size_t n,
				 enum addr_source src)
{
	for (size_t i = 0; i < n; i++)
		(void)addrbook_add(&f->book, &list[i], src, now_ms(f));
	fetch_go_on(f);
}

struct metadata_fetch *metadata_fetch_by_hash(const struct node *n, const uint8_t hash[SHA1_LEN])
{
	struct metadata_fetch *f = n->fetches;

	while (f != NULL && (f->result != ERR_AGAIN || !meta_has_swarm_hash(&f->named, hash)))
		f = f->next;
	return f;
}

struct metadata_fetch *metadata_fetch_by_key(const struct node *n, const uint8_t key[SHA1_LEN],
					     uint8_t hash[SHA1_LEN])
{
	for (struct metadata_fetch *f = n->fetches; f != NULL; f = f->next) {
		const struct metainfo *m = &f->named;
		bool v1 = m->v1 && memcmp(f->key_v1, key, SHA1_LEN) == 0;

		if (f->result != ERR_AGAIN ||
		    (!v1 && !(m->v2 && memcmp(f->key_v2, key, SHA1_LEN) == 0)))
			continue;
		memcpy(hash, v1 ? m->hash_v1 : m->hash_v2, SHA1_LEN);
		return f;
	}
	return NULL;
}

/* ---- the announcer's questions and answers -------------------------------------------------- */

static void announce_counts(void *user, struct announcer_counts *out)
{
	(void)user;
	*out = (struct announcer_counts){.left = LEFT_UNKNOWN};
}

static void on_found(void *user, const struct addr *list, size_t n)
{
	metadata_fetch_on_addresses(user, list, n, SOURCE_TRACKER);
}

static bool is_own(void *user, const char *url)
{
	const struct metadata_fetch *f = user;

	return node_has_index(f->node, url);
}

/* ---- life ------------------------------------------------------------------------------------ */

static int take_names(struct metadata_fetch *f, const struct magnet *m)
{
	f->named.v1 = m->has_v1;
	f->named.v2 = m->has_v2;
	memcpy(f->named.hash_v1, m->hash_v1, SHA1_LEN);
	memcpy(f->named.hash_v2, m->hash_v2, SHA256_LEN);
	f->named.trackers = calloc(m->n_trackers + 1, sizeof(*f->named.trackers));
	if (f->named.trackers == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < m->n_trackers; i++) {
		f->named.trackers[i] = (struct meta_tracker){strdup(m->trackers[i]), i};
		if (f->named.trackers[i].url == NULL)
			return ERR_NOMEM;
		f->named.n_trackers++;
	}
	f->named.webseeds = calloc(m->n_webseeds + 1, sizeof(*f->named.webseeds));
	for (uint32_t i = 0; f->named.webseeds != NULL && i < m->n_webseeds; i++) {
		f->named.webseeds[i] = strdup(m->webseeds[i]);
		if (f->named.webseeds[i] == NULL)
			return ERR_NOMEM;
		f->named.n_webseeds++;
	}
	return f->named.webseeds == NULL ? ERR_NOMEM : OK;
}

static int make_parts(struct metadata_fetch *f, const struct metadata_fetch_params *p)
{
	struct node *n = f->node;
	struct metadata_params mp = {.has_v1 = p->magnet->has_v1, .has_v2 = p->magnet->has_v2};
	struct announcer_params ap = {
	    .loop = n->loop,
	    .http = n->http,
	    .udp = n->udp_asker,
	    .gate = &n->gate,
	    .meta = &f->named,
	    .trackers = p->trackers,
	    .port = n->port,
	    .reach = n->reach,
	    .seed = rng_next(&n->rng),
	    .counts = announce_counts,
	    .found = on_found,
	    .own = is_own,
	    .user = f,
	};

	memcpy(mp.hash_v1, p->magnet->hash_v1, SHA1_LEN);
	memcpy(mp.hash_v2, p->magnet->hash_v2, SHA256_LEN);
	memcpy(ap.peer_id, n->peer_id, sizeof(ap.peer_id));
	f->metadata = metadata_new(&mp);
	f->timer = loop_timer_new(n->loop, on_timer, f);
	if (f->metadata == NULL || f->timer == NULL || take_names(f, p->magnet) != OK)
		return ERR_NOMEM;
	return announcer_new(&ap, &f->announcer);
}

static void on_sought(void *user, const struct addr *list, size_t n)
{
	metadata_fetch_on_addresses(user, list, n, SOURCE_DHT);
}

/* Whether it is private only the dictionary says. */
static void seek(struct metadata_fetch *f)
{
	if (f->node->dht == NULL)
		return;
	if (f->named.v1)
		(void)node_dht_seek(f->node->dht, f->named.hash_v1, on_sought, f);
	if (f->named.v2)
		(void)node_dht_seek(f->node->dht, f->named.hash_v2, on_sought, f);
}

int metadata_fetch_new(const struct metadata_fetch_params *p, struct metadata_fetch **out)
{
	struct metadata_fetch *f = calloc(1, sizeof(*f));

	_Static_assert(METADATA_FETCH_PEERS <= METADATA_PEERS_MAX, "each has a number there");
	_Static_assert(METADATA_FETCH_PEERS <= LAYERS_PEERS_MAX, "and there");
	if (f == NULL)
		return ERR_NOMEM;
	f->node = p->node;
	f->ready = p->ready;
	f->user = p->user;
	f->result = ERR_AGAIN;
	rng_seed(&f->rng, rng_next(&p->node->rng));
	addrbook_init(&f->book, &f->rng);
	buf_init(&f->torrent, META_BYTES_MAX);
	if (make_parts(f, p) != OK) {
		metadata_fetch_free(f);
		return ERR_NOMEM;
	}
	mse_lookup_key(f->named.hash_v1, f->key_v1);
	mse_lookup_key(f->named.hash_v2, f->key_v2);
	f->next = f->node->fetches;
	f->node->fetches = f;
	*out = f;
	announcer_start(f->announcer);
	seek(f);
	for (size_t i = 0; i < p->n_peers; i++)
		(void)addrbook_add(&f->book, &p->peers[i], SOURCE_USER, now_ms(f));
	for (uint32_t i = 0; i < p->magnet->n_peers; i++)
		(void)addrbook_add(&f->book, &p->magnet->peers[i], SOURCE_USER, now_ms(f));
	/* Not from here: the caller may not know yet what it is called back for. */
	loop_timer_set(f->timer, 0);
	return OK;
}

void metadata_fetch_free(struct metadata_fetch *f)
{
	if (f == NULL)
		return;
	for (struct metadata_fetch **at = &f->node->fetches; *at != NULL; at = &(*at)->next) {
		if (*at != f)
			continue;
		*at = f->next;
		break;
	}
	f->node->fetch_bytes -= f->counted_bytes;
	if (f->node->dht != NULL)
		node_dht_unseek(f->node->dht, f);
	for (uint32_t i = 0; i < METADATA_FETCH_PEERS; i++)
		if (f->peers[i] != NULL)
			fetch_peer_close(f->peers[i], NULL, false);
	announcer_free(f->announcer);
	if (f->timer != NULL)
		loop_timer_free(f->timer);
	for (uint32_t i = 0; i < f->named.n_trackers; i++)
		free((char *)(uintptr_t)f->named.trackers[i].url);
	free(f->named.trackers);
	for (uint32_t i = 0; i < f->named.n_webseeds; i++)
		free(f->named.webseeds[i]);
	free(f->named.webseeds);
	layers_free(f->layers);
	meta_free(f->info);
	metadata_free(f->metadata);
	addrbook_fini(&f->book);
	buf_fini(&f->torrent);
	free(f);
}

/* ---- looking in ------------------------------------------------------------------------------ */

int metadata_fetch_result(const struct metadata_fetch *f, struct bytes *torrent,
			  struct err_info *info)
{
	if (f->result == OK)
		*torrent = buf_bytes(&f->torrent);
	else if (f->result != ERR_AGAIN)
		(void)err_set(info, f->result, "not a usable torrent: %s", f->why);
	return f->result;
}

void metadata_fetch_status(const struct metadata_fetch *f, struct metadata_fetch_status *out)
{
	struct announcer_status a;

	*out = (struct metadata_fetch_status){.peers = 0};
	count_peers(f, &out->peers, &out->dialing);
	out->trying = f->book.n_first;
	metadata_progress(f->metadata, &out->have, &out->pieces);
	announcer_status(f->announcer, &a);
	out->tracker_error = a.error;
	out->seeking = f->node->dht != NULL && node_dht_is_seeking(f->node->dht, f);
}

size_t metadata_fetch_givers(const struct metadata_fetch *f, struct addr *out, size_t cap)
{
	size_t n = 0;

	for (uint32_t i = 0; i < f->book.n && n < cap; i++)
		if (f->book.list[i].good)
			out[n++] = f->book.list[i].addr;
	return n;
}
