#include "dht/lookup.h"

#define NO_NAMER UINT16_MAX

void lookup_init(struct lookup *l, const uint8_t target[NODE_ID_LEN],
		 const uint8_t self[NODE_ID_LEN], bool v6, uint32_t expect)
{
	*l = (struct lookup){.v6 = v6, .expect = expect};
	memcpy(l->target, target, NODE_ID_LEN);
	memcpy(l->self, self, NODE_ID_LEN);
}

uint32_t lookup_bits(const uint8_t id[NODE_ID_LEN], const struct contact *near, uint32_t n)
{
	uint32_t bits = 0;

	if (n < LOOKUP_K)
		return 0;
	for (uint32_t i = 0; i < LOOKUP_K; i++)
		bits += node_id_common(id, near[i].id);
	return bits;
}

static struct lookup_node *find(struct lookup *l, const struct addr *a)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (addr_eq(&l->nodes[i].at.addr, a))
			return &l->nodes[i];
	return NULL;
}

static bool is_alive(const struct lookup_node *n)
{
	return n->state != LOOKUP_FAILED;
}

/* ---- whom to believe ----------------------------------------------------- */

/* Of those it named, many did not answer in time and few did: its others are left alone, until
 * somebody else names them. */
static bool is_distrusted(const struct lookup *l, uint16_t namer)
{
	uint32_t bad = 0, good = 0;

	for (uint32_t i = 0; namer != NO_NAMER && i < l->n; i++) {
		const struct lookup_node *n = &l->nodes[i];

		if (n->namer != namer)
			continue;
		bad += n->state == LOOKUP_SLOW || n->state == LOOKUP_FAILED;
		good += n->state == LOOKUP_ANSWERED;
	}
	return bad >= LOOKUP_CREDIT + good;
}

static bool is_left_alone(const struct lookup *l, const struct lookup_node *n)
{
	return n->state == LOOKUP_FRESH && is_distrusted(l, n->namer);
}

/* ---- who becomes a candidate --------------------------------------------- */

static bool is_crowded(const struct lookup *l, const struct lookup_node *fresh)
{
	uint32_t in_range = 0, unfit = 0;

	for (uint32_t i = 0; i < l->n; i++) {
		const struct lookup_node *n = &l->nodes[i];

		if (!is_alive(n) || n->no_id)
			continue;
		unfit += n->unfit;
		in_range += addr_same_range(&n->at.addr, &fresh->at.addr);
		if (!node_id_is_local(&fresh->at.addr) &&
		    addr_same_subscriber(&n->at.addr, &fresh->at.addr))
			return true;
	}
	if (fresh->unfit && unfit >= LOOKUP_UNFIT_MAX)
		return true;
	return !node_id_is_local(&fresh->at.addr) && in_range >= LOOKUP_PER_RANGE;
}

static void remove_at(struct lookup *l, uint32_t i)
{
	l->n--;
	memmove(&l->nodes[i], &l->nodes[i + 1], (l->n - i) * sizeof(l->nodes[0]));
}

/* Failed candidates and those of distrusted namers go first, then the farthest that nobody waits
 * for, but for those of our own table: they are the way out when all others lie. */
static bool make_room(struct lookup *l, const struct lookup_node *fresh)
{
	if (l->n < LOOKUP_NODES_MAX)
		return true;
	for (uint32_t i = l->n; i-- > 0;) {
		if (l->nodes[i].state == LOOKUP_FAILED || is_left_alone(l, &l->nodes[i])) {
			remove_at(l, i);
			return true;
		}
	}
	for (uint32_t i = l->n; i-- > 0;) {
		if (l->nodes[i].state != LOOKUP_FRESH || l->nodes[i].namer == NO_NAMER)
			continue;
		if (node_id_nearer(l->target, fresh->at.id, l->nodes[i].at.id) >= 0)
			return false;
		remove_at(l, i);
		return true;
	}
	return false;
}

/* Places without an id stand before all others. */
static void insert(struct lookup *l, const struct lookup_node *fresh)
{
	uint32_t at = 0;

	while (at < l->n && !fresh->no_id &&
	       (l->nodes[at].no_id ||
		node_id_nearer(l->target, l->nodes[at].at.id, fresh->at.id) <= 0))
		at++;
	memmove(&l->nodes[at + 1], &l->nodes[at], (l->n - at) * sizeof(l->nodes[0]));
	l->nodes[at] = *fresh;
	l->n++;
}

/* Named again: by somebody who is trusted more, or on a newer path. */
static void adopt(const struct lookup *l, struct lookup_node *known,
		  const struct lookup_node *again)
{
	if (known->state != LOOKUP_FRESH || again->no_id || known->namer == NO_NAMER ||
	    memcmp(known->at.id, again->at.id, NODE_ID_LEN) != 0)
		return;
	if (again->path > known->path || is_distrusted(l, known->namer)) {
		known->path = again->path;
		known->namer = again->namer;
	}
}

static void consider(struct lookup *l, struct lookup_node *fresh)
{
	const struct addr *a = &fresh->at.addr;
	struct lookup_node *known = find(l, a);

	if (known != NULL)
		adopt(l, known, fresh);
	if ((a->v6 != 0) != l->v6 || !addr_is_dialable(a) || known != NULL)
		return;
	if (!fresh->no_id) {
		if (memcmp(fresh->at.id, l->self, NODE_ID_LEN) == 0)
			return;
		fresh->unfit = !node_id_fits(fresh->at.id, a);
		if (is_crowded(l, fresh))
			return;
	}
	if (!make_room(l, fresh))
		return;
	fresh->serial = l->next_serial++;
	insert(l, fresh);
}

void lookup_add(struct lookup *l, const struct contact *c)
{
	struct lookup_node fresh = {.at = *c, .hop = 1, .namer = NO_NAMER};

	consider(l, &fresh);
}

void lookup_add_address(struct lookup *l, const struct addr *a)
{
	struct lookup_node fresh = {.at.addr = *a, .no_id = true, .hop = 1, .namer = NO_NAMER};

	if (l->n_paths < LOOKUP_ROOTS_MAX)
		fresh.path = ++l->n_paths;
	consider(l, &fresh);
}

/* ---- whom to ask --------------------------------------------------------- */

/* It was asked, and is neither slow nor done. */
static uint32_t waiting(const struct lookup *l, const struct lookup_node *like)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < l->n; i++)
		n +=
		    l->nodes[i].state == LOOKUP_ASKED &&
		    (like == NULL || (like->namer != NO_NAMER && l->nodes[i].namer == like->namer));
	return n;
}

/* Does it count among the nearest? Not while it is slow: then the next takes its place, and it is
 * among them again when it answers after all. */
static bool counts(const struct lookup_node *n)
{
	return is_alive(n) && n->state != LOOKUP_SLOW && !n->unfit && !n->no_id;
}

/* How things stand with the nearest: of all, or of one path. */
struct standing {
	struct lookup_node *next; /* to be asked; NULL nobody */
	uint32_t nearest;	  /* that count */
	bool waits, slow;	  /* for one of them */
};

static struct standing stand(const struct lookup *l, uint8_t path, uint32_t most)
{
	struct standing s = {.nearest = 0};

	for (uint32_t i = 0; i < l->n && s.nearest < most; i++) {
		const struct lookup_node *n = &l->nodes[i];

		if ((path != 0 && n->path != path) || is_left_alone(l, n))
			continue;
		s.nearest += counts(n);
		s.slow |= n->state == LOOKUP_SLOW;
		s.waits |= n->state == LOOKUP_ASKED ||
			   (n->state == LOOKUP_FRESH && l->asks < LOOKUP_ASKS_MAX);
		if (s.next == NULL && n->state == LOOKUP_FRESH && waiting(l, n) < LOOKUP_PER_NAMER)
			s.next = (struct lookup_node *)n;
	}
	return s;
}

static struct standing stand_on(const struct lookup *l, uint8_t path)
{
	return stand(l, path, path == 0 ? LOOKUP_K : LOOKUP_PATH_K);
}

static struct lookup_node *choose(const struct lookup *l)
{
	struct lookup_node *next = NULL;

	for (uint8_t path = 0; path <= l->n_paths && next == NULL; path++)
		next = stand_on(l, path).next;
	return next;
}

bool lookup_next(struct lookup *l, struct addr *to, const uint8_t **id)
{
	struct lookup_node *n = NULL;

	if (waiting(l, NULL) < LOOKUP_ALPHA && l->asks < LOOKUP_ASKS_MAX)
		n = choose(l);
	if (n == NULL)
		return false;
	n->state = LOOKUP_ASKED;
	l->asks++;
	*to = n->at.addr;
	*id = n->no_id ? NULL : n->at.id;
	return true;
}

void lookup_on_slow(struct lookup *l, const struct addr *a)
{
	struct lookup_node *n = find(l, a);

	if (n != NULL && n->state == LOOKUP_ASKED)
		n->state = LOOKUP_SLOW;
}

void lookup_on_failed(struct lookup *l, const struct addr *a)
{
	struct lookup_node *n = find(l, a);

	if (n != NULL && (n->state == LOOKUP_ASKED || n->state == LOOKUP_SLOW))
		n->state = LOOKUP_FAILED;
}

/* `like`: what the named inherit. */
static void take_named(struct lookup *l, const struct addr *namer, struct lookup_node like,
		       struct bytes nodes)
{
	size_t len = contact_len(l->v6);

	for (size_t i = 0; i < LOOKUP_NAMED_MAX && nodes.len >= len; i++) {
		struct lookup_node fresh = like;

		contact_get(bytes_sub(nodes, 0, len), &fresh.at);
		if (addr_may_name(addr_scope(namer), &fresh.at.addr))
			consider(l, &fresh);
		nodes = bytes_sub(nodes, len, nodes.len - len);
	}
}

void lookup_add_named(struct lookup *l, const struct addr *namer, struct bytes nodes)
{
	take_named(l, namer, (struct lookup_node){.namer = NO_NAMER, .hop = 1}, nodes);
}

/* Now that its id is known it goes to its place, under the rules for all. */
static struct lookup_node *settle(struct lookup *l, struct lookup_node *n, const struct contact *c)
{
	struct lookup_node known = *n;

	remove_at(l, (uint32_t)(n - l->nodes));
	known.no_id = false;
	known.at = *c;
	consider(l, &known);
	return find(l, &c->addr);
}

void lookup_on_answer(struct lookup *l, const struct contact *from, struct bytes nodes,
		      struct bytes token)
{
	struct lookup_node *n = find(l, &from->addr), like;

	if (n == NULL || (n->state != LOOKUP_ASKED && n->state != LOOKUP_SLOW))
		return;
	if (n->no_id)
		n = settle(l, n, from);
	if (n == NULL)
		return;
	if (memcmp(n->at.id, from->id, NODE_ID_LEN) != 0) {
		n->state = LOOKUP_FAILED;
		return;
	}
	n->state = LOOKUP_ANSWERED;
	l->answers++;
	if (token.len > 0 && token.len <= sizeof(n->token)) {
		memcpy(n->token, token.ptr, token.len);
		n->token_len = (uint8_t)token.len;
	}
	like = (struct lookup_node){
	    .namer = n->serial, .path = n->path, .hop = (uint8_t)(n->hop + (n->hop < UINT8_MAX))};
	take_named(l, &from->addr, like, nodes);
}

bool lookup_is_settled(const struct lookup *l)
{
	for (uint8_t path = 0; path <= l->n_paths; path++)
		if (stand_on(l, path).waits)
			return false;
	return true;
}

bool lookup_is_done(const struct lookup *l)
{
	struct standing s = stand_on(l, 0);

	return lookup_is_settled(l) && (!s.slow || s.nearest >= LOOKUP_K);
}

/* The nearest of our own table that was not asked begins a path. */
static bool open_path(struct lookup *l)
{
	for (uint32_t i = 0; i < l->n; i++) {
		struct lookup_node *n = &l->nodes[i];

		if (n->state == LOOKUP_FRESH && n->namer == NO_NAMER && n->path == 0) {
			n->path = ++l->n_paths;
			return true;
		}
	}
	return false;
}

uint32_t lookup_found_bits(const struct lookup *l)
{
	const struct lookup_node *found[LOOKUP_K];
	struct contact near[LOOKUP_K];
	uint32_t n = lookup_nearest(l, false, found, LOOKUP_K);

	for (uint32_t i = 0; i < n; i++)
		near[i] = found[i]->at;
	return lookup_bits(l->target, near, n);
}

bool lookup_detour(struct lookup *l)
{
	if (lookup_found_bits(l) + LOOKUP_SPARSE_BITS >= l->expect || l->asks >= LOOKUP_ASKS_MAX ||
	    !open_path(l))
		return false;
	for (uint32_t i = 1; i < LOOKUP_DETOURS; i++)
		(void)open_path(l);
	return true;
}

/* ---- the result ---------------------------------------------------------- */

uint32_t lookup_nearest(const struct lookup *l, bool token, const struct lookup_node **out,
			uint32_t cap)
{
	uint32_t n = 0;

	for (int unfit = 0; unfit <= 1; unfit++) {
		for (uint32_t i = 0; i < l->n && n < cap; i++) {
			const struct lookup_node *node = &l->nodes[i];

			if (node->state == LOOKUP_ANSWERED && node->unfit == (unfit == 1) &&
			    (!token || node->token_len > 0))
				out[n++] = node;
		}
	}
	return n;
}

unsigned lookup_hops(const struct lookup *l)
{
	const struct lookup_node *nearest;

	return lookup_nearest(l, false, &nearest, 1) == 0 ? 0 : nearest->hop;
}
