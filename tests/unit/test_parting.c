#include "test.h"

#include <time.h>

#include "cli/parting.h"
#include "failmalloc_jansson.h"
#include "node/index_client_impl.h"
#include "node_fixture.h"

static const struct sample_file one = {NULL, 100000, false};

struct heard {
	const struct index_client *index; /* that is asked */
	unsigned answers;
	struct parting_loss loss;
};

static void on_loss(void *user, const struct parting_loss *loss)
{
	struct heard *h = user;

	h->answers++;
	h->loss = *loss;
}

static const struct index_client *which(void *user, const struct transfer *t)
{
	(void)t;
	return ((struct heard *)user)->index;
}

static void ask(struct parting *p, const struct index_client *index, struct heard *h)
{
	h->index = index;
	parting_ask(p, &(struct parting_asker){which, on_loss, h});
}

struct fixture {
	struct world w;
	struct node *node;
	struct parting *p;
	struct index_client *index; /* nobody answers there */
	struct heard heard;
};

/* The only copy of `n` torrents is here. */
static void begin(struct fixture *f, bool seeds)
{
	struct transfer *t;

	*f = (struct fixture){.node = NULL};
	world_init(&f->w, (struct kind){false, true}, 16384, &one, 1);
	f->node = world_node(&f->w);
	if (seeds) {
		t = world_seed(&f->w, f->node);
		WAIT_FOR(f->w.loop, phase_of(t) == TRANSFER_SEEDING);
	}
	CHECK_INT(parting_new(f->w.loop, f->node, &f->p), 0);
	CHECK_INT(index_client_new("http://127.0.0.1:1", NULL, &f->index, NULL), 0);
}

static void end(struct fixture *f)
{
	parting_free(f->p);
	index_client_free(f->index);
	node_free(f->node);
	world_fini(&f->w);
}

TEST(nothing_is_lost_by_who_has_nothing)
{
	struct fixture f;

	begin(&f, false);
	ask(f.p, NULL, &f.heard);
	ask(f.p, f.index, &f.heard);
	CHECK_INT(f.heard.answers, 2);
	CHECK_INT(f.heard.loss.pieces, 0);
	end(&f);
}

TEST(what_no_peer_and_no_index_knows_elsewhere_is_lost)
{
	struct fixture f;

	begin(&f, true);
	ask(f.p, NULL, &f.heard);
	CHECK_INT(f.heard.answers, 1);
	CHECK_INT(f.heard.loss.torrents, 1);
	CHECK_INT(f.heard.loss.pieces, f.w.s.m->n_pieces);
	ask(f.p, f.index, &f.heard);
	WAIT_FOR(f.w.loop, f.heard.answers == 2);
	CHECK_INT(f.heard.loss.pieces, f.w.s.m->n_pieces);
	end(&f);
}

TEST(an_older_question_has_no_answer_any_more)
{
	struct fixture f;
	struct heard first = {0};

	begin(&f, true);
	ask(f.p, f.index, &first);
	ask(f.p, f.index, &f.heard);
	WAIT_FOR(f.w.loop, f.heard.answers == 1);
	CHECK_INT(first.answers, 0);
	end(&f);
}

/* What cannot be asked for want of memory counts as lost: nobody leaves with the only copy unsaid.
 */
TEST(whichever_allocation_fails_there_is_one_answer_and_no_copy_is_forgotten)
{
	struct fixture f;
	bool done = false;

	begin(&f, true);
	for (size_t n = 1; !done; n++) {
		struct parting *p = NULL;
		struct heard h = {0};
		size_t asked;
		int rc;

		CHECK(n < 2000);
		failmalloc_start(n, false);
		rc = parting_new(f.w.loop, f.node, &p);
		if (rc == 0)
			ask(p, f.index, &h);
		asked = failmalloc_stop();
		done = asked < n;
		CHECK(rc == 0 || rc == ERR_NOMEM);
		if (rc == 0) {
			WAIT_FOR(f.w.loop, h.answers == 1);
			CHECK_INT(h.loss.pieces, f.w.s.m->n_pieces);
		}
		parting_free(p);
	}
	end(&f);
}
