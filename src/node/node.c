#include "node/node.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/grow.h"
#include "net/descriptors.h"
#include "net/entropy.h"
#include "net/tcp.h"
#include "node/lan_peers.h"
#include "node/link.h"

/* Connections taken per turn of the loop, so that a flood cannot keep it (O-22). */
#define ACCEPTS_PER_TURN 64
/* Housekeeping: deadlines of handshakes, accepting again after descriptors ran out. */
#define SWEEP_MS 1000u
/* Whether our addresses are still ours is looked at less often. */
#define MOVED_MS 5000u
/* Strangers that make way when descriptors are out: files and trackers get theirs. */
#define STRANGERS_SPARED 4

void node_log(struct node *n, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	if (n->log == NULL)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	n->log(n->log_user, line);
}

struct transfer *node_transfer_by_hash(struct node *n, const uint8_t hash[20])
{
	return hash_map_find(&n->by_hash, hash);
}

void node_drop_names(struct node *n, struct transfer *t)
{
	hash_map_drop(&n->by_hash, t->meta->hash_v1, t);
	hash_map_drop(&n->by_hash, t->meta->hash_v2, t);
	link_crypt_drop_names(n, t);
}

/* Two torrents that agree in a name, which nobody makes by chance: the first has it. */
static int put_names(struct node *n, struct transfer *t)
{
	int err = OK;

	if (t->meta->v1)
		err = hash_map_put(&n->by_hash, t->meta->hash_v1, t);
	if (t->meta->v2 && err != ERR_NOMEM)
		err = hash_map_put(&n->by_hash, t->meta->hash_v2, t);
	if (err != ERR_NOMEM)
		err = link_crypt_put_names(n, t);
	if (err != ERR_NOMEM)
		return OK;
	node_drop_names(n, t);
	return err;
}

int node_enlist(struct node *n, struct transfer *t)
{
	struct transfer **grown =
	    grow(n->transfers, n->n_transfers, &n->cap_transfers, 8, sizeof(struct transfer *));

	if (grown == NULL)
		return ERR_NOMEM;
	n->transfers = grown;
	if (put_names(n, t) != OK)
		return ERR_NOMEM;
	n->transfers[n->n_transfers++] = t;
	return OK;
}

void node_delist(struct node *n, struct transfer *t)
{
	node_drop_names(n, t);
	n->n_transfers--;
}

static void link_free(struct link *l)
{
	link_crypt_free(l);
	buf_fini(&l->in);
	buf_fini(&l->out);
	free(l);
}

static void bury(struct node *n)
{
	while (n->grave != NULL) {
		struct link *l = n->grave;

		n->grave = l->next_grave;
		link_free(l);
	}
}

static void take_store_events(struct node *n)
{
	struct store_event e;

	while (store_next_event(n->pool, &e))
		transfer_on_store_event(e.user, &e);
}

/* The store answers some calls at once, without a worker that would wake us: so its events are
 * looked for here, too, until there are none. */
void node_settle(struct node *n)
{
	take_store_events(n);
	links_shed(n);
	links_evict(n);
	while (n->dirty != NULL) {
		struct link *l = n->dirty;

		n->dirty = l->next_dirty;
		l->in_dirty = false;
		link_flush(l);
		take_store_events(n);
	}
	bury(n);
}

/* ---- events of the loop ------------------------------------------------------- */

/* No descriptors: level-triggered, so look away a while. */
static void pause_accepting(struct node *n)
{
	n->accept_paused = true;
	loop_io_want(n->listen_io, 0);
	for (int i = 0; i < STRANGERS_SPARED && n->oldest_stranger != NULL; i++)
		link_close(n->oldest_stranger, NULL);
}

static void on_accept(void *arg, unsigned ready)
{
	struct node *n = arg;
	struct addr from;

	(void)ready;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int fd = tcp_accept(n->listener, &from);

		if (fd == ERR_AGAIN)
			break;
		if (fd == ERR_TOO_BIG) {
			pause_accepting(n);
			break;
		}
		if (fd >= 0)
			link_accept(n, fd, &from);
	}
	node_settle(n);
}

static void on_pool(void *arg, unsigned ready)
{
	struct node *n = arg;

	(void)ready;
	pool_drain(n->pool);
	node_settle(n);
}

/* For how long the peer took nothing of what waits for it. A slow one may leave the socket full for
 * long, and takes some all the time. */
static uint64_t stuck_ms(struct link *l, uint64_t now)
{
	return l->state == LINK_OPEN && l->wants_write ? now - link_took_ms(l) : 0;
}

/* The swarm is told when it takes nothing, and when it does again. */
static void tell_stalled(struct link *l, bool stalled, uint64_t now)
{
	if (l->state != LINK_OPEN || l->stalled == stalled)
		return;
	l->stalled = stalled;
	swarm_on_stalled(l->t->swarm, l->ref, stalled, now, &l->t->fx);
	transfer_perform(l->t);
}

static void look_after(struct link *l, uint64_t now)
{
	uint64_t stuck = stuck_ms(l, now);

	if (l->state != LINK_OPEN && now >= l->deadline_ms)
		link_lost(l, "no handshake in time");
	else if (stuck >= LINK_STUCK_MS)
		link_lost(l, "does not read what it is sent");
	else
		tell_stalled(l, stuck >= LINK_STALL_MS, now);
}

/* What has peers may get pieces and has rates; the index is told of that. */
static void touch_busy(struct node *n)
{
	for (const struct link *l = n->links; l != NULL; l = l->next)
		if (l->t != NULL && l->t->live_in != NULL)
			live_touch(l->t->live_in, &l->t->live);
}

/* What goes out from an address that was given to somebody else is answered by nobody, which TCP
 * finds out in a quarter of an hour. */
static void drop_moved(struct node *n)
{
	struct addr here, asked = {.port = 0};
	bool gone = false;

	for (struct link *l = n->links; l != NULL; l = l->next) {
		if (stream_is_utp(&l->stream) || tcp_local_addr(l->stream.fd, &here) != OK)
			continue;
		here.port = 1;
		if (!addr_eq(&here, &asked)) {
			asked = here;
			gone = tcp_addr_is_gone(&here);
		}
		if (gone)
			link_lost(l, "this machine has another address now");
	}
}

static void on_second(void *arg)
{
	struct node *n = arg;
	uint64_t now = loop_now_ms(n->loop);

	for (struct link *l = n->links; l != NULL; l = l->next)
		look_after(l, now);
	if (now >= n->moved_at_ms) {
		n->moved_at_ms = now + MOVED_MS;
		drop_moved(n);
	}
	if (n->accept_paused) {
		n->accept_paused = false;
		loop_io_want(n->listen_io, LOOP_READ);
	}
	touch_busy(n);
	if (n->dht != NULL)
		node_dht_second(n->dht);
	node_hear_verdicts(n);
	node_settle(n);
	node_bury_removed(n);
	pool_slabs_trim(n->pool);
	loop_timer_set(n->second, SWEEP_MS);
}

/* ---- life ------------------------------------------------------------------------ */

static int listen_somewhere(struct node *n, const struct node_params *p, struct err_info *info)
{
	if (p->port >= 0)
		return tcp_listen(p->listen_host, (uint16_t)p->port, &n->port, info);
	for (uint16_t port = NODE_PORT_FIRST; port <= NODE_PORT_LAST; port++) {
		int fd = tcp_listen(p->listen_host, port, &n->port, info);

		if (fd != ERR_EXISTS)
			return fd;
	}
	return tcp_listen(p->listen_host, 0, &n->port, info);
}

/* Source: BEP 20: "-SH", four digits of version, "-", twelve random characters. */
static void make_peer_id(struct node *n)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";

	memcpy(n->peer_id, "-SH0100-", 8);
	for (size_t i = 8; i < sizeof(n->peer_id); i++)
		n->peer_id[i] = (uint8_t)digits[rng_below(&n->rng, sizeof(digits) - 1)];
}

static bool is_loopback(const char *host)
{
	struct addr a;

	return host != NULL && addr_parse(bytes_str(host), 1, &a) == 0 && addr_is_loopback(&a);
}

/* Who cannot be reached from outside still gets by. */
static void ask_router(struct node *n)
{
	struct reach_params p = {
	    .loop = n->loop, .port = n->port, .log = n->log, .user = n->log_user};

	if (reach_new(&p, &n->reach) != OK)
		node_log(n, "the router is not asked for a port: out of memory");
	else if (n->utp != NULL)
		reach_use_udp(n->reach);
}

static int start_parts(struct node *n, const struct node_params *p, struct err_info *info)
{
	int err = pool_new(p->workers, quota_slabs(&n->quota), &n->pool, info);

	if (err != OK)
		return err;
	if (store_limit_files(n->pool, n->quota.max_open_files) != OK)
		return err_set(info, ERR_NOMEM, "out of memory");
	n->listener = listen_somewhere(n, p, info);
	if (n->listener < 0)
		return n->listener;
	n->scratch_in = malloc(NODE_SCRATCH_BYTES);
	n->sink = malloc(WIRE_BLOCK_MAX);
	n->listen_io = loop_io_new(n->loop, n->listener, on_accept, n);
	n->pool_io = loop_io_new(n->loop, pool_fd(n->pool), on_pool, n);
	n->second = loop_timer_new(n->loop, on_second, n);
	n->throttle.timer = loop_timer_new(n->loop, throttle_on_tick, n);
	if (n->scratch_in == NULL || n->sink == NULL || n->listen_io == NULL ||
	    n->pool_io == NULL || n->second == NULL || n->throttle.timer == NULL ||
	    http_client_new(n->loop, &n->http) != OK || node_make_udp_asker(n) != OK ||
	    folder_watcher_new(n->loop, &n->watcher) != OK)
		return err_set(info, ERR_NOMEM, "out of memory");
	return p->transport == NODE_TRANSPORT_TCP ? OK : node_use_utp(n, info);
}

/* Without that the node is no worse than elsewhere. */
static void find_neighbours(struct node *n)
{
	struct err_info why;

	if (lan_peers_new(n, &n->lan, &why) != OK)
		node_log(n, "no peers are looked for on the local network: %s", why.text);
}

int node_new(const struct node_params *p, struct node **out, struct err_info *info)
{
	struct node *n = calloc(1, sizeof(*n));
	struct siphash_key key;
	uint64_t seed;
	int err;

	if (n == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	n->loop = p->loop;
	n->listener = -1;
	n->encryption = p->encryption;
	n->transport = p->transport;
	n->log = p->log;
	n->warn = p->warn;
	n->log_user = p->log_user;
	entropy_fill(&seed, sizeof(seed));
	rng_seed(&n->rng, seed);
	make_peer_id(n);
	entropy_fill(&key, sizeof(key));
	hash_map_init(&n->by_hash, key);
	hash_map_init(&n->by_key, key);
	announce_gate_init(&n->gate, key);
	/* A peer that goes away is an error code, not the end of the process. */
	(void)signal(SIGPIPE, SIG_IGN);
	n->fds_before = descriptors_open();
	quota_settle(&n->quota, &p->quota, descriptors_raise_limit(), n->fds_before);
	n->listen_host = p->listen_host == NULL ? NULL : strdup(p->listen_host);
	err = (n->listen_host == NULL) != (p->listen_host == NULL)
		  ? err_set(info, ERR_NOMEM, "out of memory")
		  : start_parts(n, p, info);
	if (err != OK) {
		node_free(n);
		return err;
	}
	if (n->transport == NODE_TRANSPORT_UTP)
		tcp_stop_listening(n->listener);
	else
		loop_io_want(n->listen_io, LOOP_READ);
	loop_io_want(n->pool_io, LOOP_READ);
	loop_timer_set(n->second, SWEEP_MS);
	if (p->map_port && !is_loopback(p->listen_host))
		ask_router(n);
	if (p->local)
		find_neighbours(n);
	*out = n;
	return OK;
}

void node_free(struct node *n)
{
	if (n == NULL)
		return;
	while (n->links != NULL)
		link_close(n->links, NULL);
	lan_peers_free(n->lan);
	n->dirty = NULL;
	bury(n);
	announce_gate_close(&n->gate);
	for (uint32_t i = 0; i < n->n_transfers; i++)
		transfer_free(n->transfers[i]);
	free(n->transfers);
	reach_free(n->reach);
	node_dht_free(n->dht);
	utp_net_free(n->utp);
	udp_asker_free(n->udp_asker);
	udp_port_free(n->udp);
	free(n->listen_host);
	folder_watcher_free(n->watcher);
	for (uint32_t i = 0; i < n->n_lives; i++)
		live_free(n->lives[i]);
	hash_map_fini(&n->by_hash);
	hash_map_fini(&n->by_key);
	announce_gate_fini(&n->gate);
	http_client_free(n->http);
	for (unsigned i = 0; i <= ADDR_LOOPBACK; i++)
		http_client_free(n->web[i]);
	loop_io_free(n->listen_io);
	loop_io_free(n->pool_io);
	loop_timer_free(n->second);
	loop_timer_free(n->leave_timer);
	loop_timer_free(n->throttle.timer);
	pool_free(n->pool);
	if (n->listener >= 0)
		tcp_close(n->listener);
	free(n->scratch_in);
	free(n->sink);
	free(n);
}

void node_set_reply_delay(struct node *n, uint32_t ms)
{
	n->reply_delay_ms = ms;
}

struct folder_watcher *node_folder_watcher(const struct node *n)
{
	return n->watcher;
}

uint16_t node_port(const struct node *n)
{
	return n->port;
}

const struct portmap_state *node_reach(const struct node *n)
{
	return n->reach == NULL ? NULL : reach_state(n->reach);
}

void node_hear_index(struct node *n, void (*up)(void *user), void *user)
{
	n->index_up = up;
	n->index_user = user;
}

static void on_index_up(void *user)
{
	struct node *n = user;

	if (n->index_up != NULL)
		n->index_up(n->index_user);
}

int node_use_index(struct node *n, const char *url, const char *token, const char *pin,
		   struct err_info *info)
{
	struct live_params p = {.loop = n->loop,
				.url = url,
				.token = token,
				.pin = pin,
				.port = n->port,
				.reach = n->reach,
				.seed = rng_next(&n->rng),
				.seen_as = node_on_index_sees_us,
				.up = on_index_up,
				.user = n,
				.log = n->log,
				.warn = n->warn,
				.log_user = n->log_user};

	int err = pin == NULL ? OK : http_client_pin(n->http, url, pin, info);

	if (err != OK)
		return err;
	for (uint32_t i = 0; i < n->n_lives; i++)
		if (live_has_url(n->lives[i], url))
			return live_offer(n->lives[i], token) == OK
				   ? OK
				   : err_set(info, ERR_NOMEM, "out of memory");
	if (n->n_lives == NODE_INDEXES_MAX)
		return err_set(info, ERR_TOO_BIG, "too many indexes for a live session with each");
	memcpy(p.peer_id, n->peer_id, sizeof(p.peer_id));
	if (live_new(&p, &n->lives[n->n_lives]) != OK)
		return err_set(info, ERR_NOMEM, "out of memory");
	if (node_dht(n) != NULL)
		live_set_dht(n->lives[n->n_lives], dht_shell_port(node_dht(n)));
	n->n_lives++;
	return OK;
}

bool node_has_index(const struct node *n, const char *tracker_url)
{
	for (uint32_t i = 0; i < n->n_lives; i++)
		if (live_is_of(n->lives[i], tracker_url))
			return true;
	return false;
}

int node_use_dht(struct node *n, const struct node_dht_params *p, struct err_info *info)
{
	int err = node_dht_new(n, p, &n->dht, info);

	if (err == OK && n->reach != NULL)
		reach_use_udp(n->reach);
	return err;
}

const struct dht_shell *node_dht(const struct node *n)
{
	return n->dht == NULL ? NULL : node_dht_shell(n->dht);
}

struct transfer *node_next_transfer(const struct node *n, uint32_t *at)
{
	while (*at < n->n_transfers) {
		struct transfer *t = n->transfers[(*at)++];

		if (!t->removed)
			return t;
	}
	return NULL;
}

void node_status(struct node *n, struct node_status *out)
{
	uint64_t now = loop_now_ms(n->loop);

	*out = (struct node_status){.transfers = n->n_transfers - n->n_removed};
	n->status_round++;
	for (const struct link *l = n->links; l != NULL; l = l->next) {
		struct swarm_stats s;

		out->utp_peers += l->state == LINK_OPEN && stream_is_utp(&l->stream);
		if (l->t == NULL || l->t->status_round == n->status_round)
			continue;
		l->t->status_round = n->status_round;
		swarm_traffic(l->t->swarm, now, &s);
		out->peers += s.peers;
		out->down_bps += s.down_bps;
		out->up_bps += s.up_bps;
	}
}
