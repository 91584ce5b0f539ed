/* node/transfer_found.c - who tells a transfer of its peers: trackers, and the live sessions with
 * indexes that make asking their trackers needless. */
#include "node/link.h"

/* ---- the announcer's questions and answers ----------------------------------------- */

static void announce_counts(void *user, struct announcer_counts *out)
{
	struct transfer *t = user;
	struct swarm_stats s;

	swarm_traffic(t->swarm, transfer_now_ms(t), &s);
	*out = (struct announcer_counts){.uploaded = s.up_bytes,
					 .downloaded = s.down_bytes,
					 .left = s.missing_bytes,
					 .partial_seed =
					     s.missing_bytes > 0 && swarm_is_complete(t->swarm)};
}

static void take_peers(struct transfer *t, const struct addr *list, size_t n, size_t complete,
		       enum addr_source src)
{
	/* They were asked for counts, and told ours; who there is does not matter. */
	if (!t->only_peers)
		swarm_on_holders(t->swarm, list, n, complete, src, transfer_now_ms(t), &t->fx);
	transfer_perform(t);
	node_settle(t->node);
}

static void on_found(void *user, const struct addr *list, size_t n)
{
	take_peers(user, list, n, 0, SOURCE_TRACKER);
}

void transfer_take_found(struct transfer *t)
{
	if (t->n_found > 0)
		take_peers(t, t->found, t->n_found, t->found_complete, SOURCE_TRACKER);
	free(t->found);
	t->found = NULL;
	t->n_found = 0;
}

static void on_seen_as(void *user, const struct addr *by, const struct addr *us)
{
	const struct transfer *t = user;

	node_on_seen_as(t->node, by, us);
}

static bool is_covered(void *user, const char *url)
{
	const struct transfer *t = user;
	const struct live *l = t->live_in;

	return l != NULL && live_is_of(l, url) && live_covers(l, &t->live);
}

static bool is_own(void *user, const char *url)
{
	const struct transfer *t = user;

	return node_has_index(t->node, url);
}

int transfer_make_announcer(struct transfer *t, const char *const *trackers)
{
	struct node *n = t->node;
	struct announcer_params ap = {
	    .loop = n->loop,
	    .http = n->http,
	    .udp = n->udp_asker,
	    .gate = &n->gate,
	    .meta = t->meta,
	    .trackers = trackers,
	    .port = n->port,
	    .reach = n->reach,
	    .seed = rng_next(&n->rng),
	    .counts = announce_counts,
	    .found = on_found,
	    .seen_as = on_seen_as,
	    .covered = is_covered,
	    .own = is_own,
	    .user = t,
	};

	memcpy(ap.peer_id, n->peer_id, sizeof(ap.peer_id));
	return announcer_new(&ap, &t->announcer);
}

/* ---- the live session's questions and answers --------------------------------------- */

static void live_view(void *user, struct live_view *out)
{
	struct transfer *t = user;
	struct swarm_stats s;

	swarm_traffic(t->swarm, transfer_now_ms(t), &s);
	*out = (struct live_view){swarm_have(t->swarm), s.missing_bytes,
				  s.left_bytes > 0 ? s.down_bps : 0, s.up_bps};
}

static void on_live_found(void *user, const struct addr *list, size_t n, size_t complete,
			  bool answer)
{
	struct transfer *t = user;

	if (answer)
		announcer_answered(t->announcer, (uint32_t)n);
	take_peers(t, list, n, complete, answer ? SOURCE_TRACKER : SOURCE_ARRIVED);
}

static void on_uncovered(void *user)
{
	struct transfer *t = user;

	announcer_resume(t->announcer);
}

static bool is_of_ours(const void *node, const char *url)
{
	return node_has_index(node, url);
}

/* Torrents of other trackers are no business of our indexes. */
static struct live *live_of(const struct transfer *t)
{
	const char *url = announcer_find(t->announcer, is_of_ours, t->node);
	const struct node *n = t->node;

	for (uint32_t i = 0; url != NULL && i < n->n_lives; i++)
		if (live_is_of(n->lives[i], url))
			return n->lives[i];
	return NULL;
}

void transfer_join_live(struct transfer *t)
{
	struct live *l = live_of(t);

	if (l == NULL)
		return;
	t->live_in = l;
	t->live = (struct live_torrent){.meta = t->meta,
					.view = live_view,
					.found = on_live_found,
					.punch = transfer_on_introduced,
					.uncovered = on_uncovered,
					.user = t};
	live_join(l, &t->live);
}

int transfer_take_peers(struct transfer *t, const struct addr *list, size_t n)
{
	struct addr *first = NULL;
	size_t n_first = 0;

	if (t->live_ms != 0) {
		swarm_on_addresses(t->swarm, list, n, SOURCE_USER, transfer_now_ms(t), &t->fx);
		transfer_perform(t);
		node_settle(t->node);
		return OK;
	}
	if (transfer_copy_addresses(list, n, &first, &n_first) != OK)
		return ERR_NOMEM;
	free(t->first_peers);
	t->first_peers = first;
	t->n_first_peers = n_first;
	return OK;
}

int transfer_lead_trackers(struct transfer *t, const char *const *trackers, struct err_info *info)
{
	if (announcer_lead(t->announcer, trackers) != OK)
		return err_set(info, ERR_NOMEM, "out of memory");
	/* One that is in no swarm yet, or is leaving, joins later or never. */
	if (t->live_ms == 0 || t->removed || live_of(t) == t->live_in)
		return OK;
	if (t->live_in != NULL)
		live_leave(t->live_in, &t->live);
	t->live_in = NULL;
	transfer_join_live(t);
	return OK;
}
