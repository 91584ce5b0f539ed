#include "node/reader.h"

#include <stdlib.h>

#include "meta/selection.h"
#include "node/link.h"

struct reader {
	struct reader *next; /* of the same transfer */
	struct transfer *t;  /* NULL: it ended, `why` says how */
	uint64_t id;	     /* of its jobs at the store */
	uint64_t start;	     /* of the range, in the piece space */
	uint64_t length, given;
	uint32_t lent; /* of the last bytes given: they may be on their way from the file */
	bool asked;    /* the consumer waits */
	bool out;      /* a job is */
	struct err_info why;
	struct loop_timer *timer;
	const struct reader_events *ev;
	void *user;
};

/* ---- what is urgent ---------------------------------------------------------------- */

static uint32_t piece_at(const struct reader *r, uint64_t pos)
{
	return (uint32_t)((r->start + pos) / r->t->meta->piece_length);
}

/* Pieces from the reader's place on: how many, at most, are urgent. */
static struct piece_run window_of(const struct reader *r)
{
	uint64_t ahead = READER_AHEAD_BYTES, two = 2ull * r->t->meta->piece_length;
	uint64_t left = r->length - r->given;
	uint32_t first;

	if (left == 0)
		return (struct piece_run){0, 0};
	if (ahead < two)
		ahead = two;
	if (left > ahead)
		left = ahead;
	first = piece_at(r, r->given);
	return (struct piece_run){first, piece_at(r, r->given + left - 1) - first + 1};
}

/* The next piece of each reader first, then the ones behind. */
static uint32_t merge_windows(const struct transfer *t, struct piece_run *runs)
{
	const struct bitfield *have = swarm_have(t->swarm);
	uint32_t n = 0;
	bool more = true;

	for (uint32_t k = 0; more && n < SWARM_URGENT_MAX; k++) {
		more = false;
		for (const struct reader *r = t->readers; r != NULL && n < SWARM_URGENT_MAX;
		     r = r->next) {
			struct piece_run w = window_of(r);

			more |= k + 1 < w.count;
			if (k < w.count && !bitfield_has(have, w.first + k))
				runs[n++] = (struct piece_run){w.first + k, 1};
		}
	}
	return n;
}

void readers_urge(struct transfer *t)
{
	struct piece_run runs[SWARM_URGENT_MAX];

	if (t->live_ms == 0 || (t->readers == NULL && !t->urgent))
		return;
	t->urgent = t->readers != NULL;
	swarm_set_urgent(t->swarm, runs, merge_windows(t, runs), loop_now_ms(t->node->loop),
			 &t->fx);
	transfer_perform(t);
}

/* ---- giving ------------------------------------------------------------------------ */

/* Verified bytes in a row from its place on, at most `most`. */
static uint32_t ready_bytes(const struct reader *r, uint32_t most)
{
	const struct transfer *t = r->t;
	uint64_t left = r->length - r->given, n = 0;

	if (t->live_ms == 0)
		return 0;
	if (left > most)
		left = most;
	while (n < left && bitfield_has(swarm_have(t->swarm), piece_at(r, r->given + n))) {
		uint64_t into = (r->start + r->given + n) % t->meta->piece_length;

		n += t->meta->piece_length - into;
	}
	return (uint32_t)(n < left ? n : left);
}

/* So many bytes are given now. */
static void pass(struct reader *r, uint32_t n)
{
	uint32_t before = piece_at(r, r->given);

	r->given += n;
	r->asked = false;
	if (r->given == r->length || piece_at(r, r->given) != before)
		readers_urge(r->t);
}

/* False: they have to be read. */
static bool lend(struct reader *r)
{
	uint32_t n = r->ev->lent == NULL ? 0 : ready_bytes(r, READER_LENT_BYTES);
	uint64_t left = r->length - r->given;
	struct store_loan loan;

	if (n == left)
		n = left > READER_CHUNK_BYTES ? (uint32_t)left - READER_CHUNK_BYTES : 0;
	if (n == 0 || store_lend(r->t->store, r->start + r->given, n, &loan) != OK)
		return false;
	pass(r, loan.length);
	r->lent = loan.length;
	r->ev->lent(r->user, loan.fd, loan.at, loan.length);
	return true;
}

static void unlink_reader(struct reader *r)
{
	struct reader **at = &r->t->readers;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	r->t->node->n_readers--;
}

static void end_badly(struct reader *r, const struct err_info *why)
{
	unlink_reader(r);
	r->t = NULL;
	r->why = *why;
	loop_timer_set(r->timer, 0);
}

static void read_on(struct reader *r, uint32_t n)
{
	struct transfer *t = r->t;

	r->out = store_read(t->store, r->start + r->given, n, r->id) == OK;
	if (!r->out) {
		end_badly(r, &(struct err_info){ERR_NOMEM, "out of memory"});
		readers_urge(t);
	}
	node_settle(t->node);
}

/* An answer is given to what was asked, if there is one by now. */
static void step(void *arg)
{
	struct reader *r = arg;
	uint32_t n;

	if (r->t == NULL) {
		if (r->why.code != OK)
			r->ev->failed(r->user, &r->why);
		return;
	}
	if (!r->asked || r->out)
		return;
	if (r->given == r->length) {
		r->asked = false;
		r->ev->end(r->user);
		return;
	}
	r->lent = 0; /* whoever asks has passed on what came before */
	if (lend(r))
		return;
	n = ready_bytes(r, READER_CHUNK_BYTES);
	if (n == 0)
		return;
	read_on(r, n);
}

void readers_poke(struct transfer *t)
{
	for (struct reader *r = t->readers; r != NULL; r = r->next) {
		if (r->asked && !r->out)
			loop_timer_set(r->timer, 0);
	}
}

void readers_fail(struct transfer *t, const struct err_info *why)
{
	while (t->readers != NULL)
		end_badly(t->readers, why);
}

static bool has_lent(const struct reader *r)
{
	uint64_t from = r->given - r->lent;

	for (uint32_t i = piece_at(r, from); r->lent > 0 && i <= piece_at(r, r->given - 1); i++) {
		if (!bitfield_has(swarm_have(r->t->swarm), i))
			return false;
	}
	return true;
}

void readers_on_gone(struct transfer *t, const struct err_info *why)
{
	struct reader *next;

	for (struct reader *r = t->readers; r != NULL; r = next) {
		next = r->next;
		if (!has_lent(r))
			end_badly(r, why);
	}
}

void readers_on_read(struct transfer *t, const struct store_event *e)
{
	struct reader *r = t->readers;

	while (r != NULL && r->id != e->token)
		r = r->next;
	if (r == NULL)
		return;
	r->out = false;
	if (e->err.code != OK) {
		end_badly(r, &e->err);
		readers_urge(t);
		return;
	}
	pass(r, (uint32_t)e->data.len);
	r->ev->data(r->user, e->data);
}

/* ---- life -------------------------------------------------------------------------- */

/* Somebody reads it: so it is wanted. */
static int want_file(struct transfer *t, uint32_t file)
{
	uint8_t *wanted;
	int err;

	if (t->wanted == NULL || t->wanted[file] != WANT_NOT)
		return OK;
	wanted = malloc(t->meta->n_files);
	if (wanted == NULL)
		return ERR_NOMEM;
	memcpy(wanted, t->wanted, t->meta->n_files);
	wanted[file] = WANT_NORMAL;
	err = transfer_select(t, wanted, NULL);
	free(wanted);
	return err;
}

int reader_new(struct transfer *t, uint32_t file, uint64_t offset, uint64_t length,
	       const struct reader_events *ev, void *user, struct reader **out)
{
	const struct meta_file *f = file < t->meta->n_files ? &t->meta->files[file] : NULL;
	struct reader *r;
	int err;

	if (f == NULL || !selection_is_real(f) || offset > f->length || t->removed ||
	    t->phase == TRANSFER_FAILED)
		return ERR_INVALID;
	if (t->node->n_readers >= READERS_MAX)
		return ERR_AGAIN;
	err = want_file(t, file);
	r = err == OK ? calloc(1, sizeof(*r)) : NULL;
	if (r != NULL)
		r->timer = loop_timer_new(t->node->loop, step, r);
	if (r == NULL || r->timer == NULL) {
		free(r);
		return err == OK ? ERR_NOMEM : err;
	}
	r->t = t;
	r->id = ++t->node->reader_ids;
	r->start = f->offset + offset;
	r->length = length < f->length - offset ? length : f->length - offset;
	r->ev = ev;
	r->user = user;
	r->next = t->readers;
	t->readers = r;
	t->node->n_readers++;
	readers_urge(t);
	node_settle(t->node);
	*out = r;
	return OK;
}

void reader_free(struct reader *r)
{
	struct transfer *t = r == NULL ? NULL : r->t;

	if (r == NULL)
		return;
	if (t != NULL) {
		unlink_reader(r);
		readers_urge(t);
	}
	loop_timer_free(r->timer);
	free(r);
}

void reader_next(struct reader *r)
{
	r->asked = true;
	if (!r->out)
		loop_timer_set(r->timer, 0);
}

uint64_t reader_given(const struct reader *r)
{
	return r->given;
}

uint64_t reader_length(const struct reader *r)
{
	return r->length;
}
