/* tests/unit/swarm_fixture.h - one swarm on its bench: events go in, effects gather. */
#ifndef SHOAL_SWARM_FIXTURE_H
#define SHOAL_SWARM_FIXTURE_H

#include "sim/net.h"
#include "swarm/swarm.h"

/* include "test.h" before this */

struct bench {
	struct metainfo *meta;
	struct swarm *s;
	struct effects fx;
	uint64_t now;
	uint32_t n_peers;
	uint32_t rtt_us; /* of those who join */
	char text[4096];
};

/* `pieces`: one character each; which of them are `c`? Returns 0 or ERR_NOMEM. */
static inline int pieces_of(const char *pieces, char c, struct bitfield *out)
{
	uint32_t n = (uint32_t)strlen(pieces);
	int err = bitfield_init(out, n);

	for (uint32_t i = 0; err == OK && i < n; i++)
		if (pieces[i] == c)
			bitfield_set(out, i);
	return err;
}

/* A swarm of the torrent of the bench; '*' stands for a piece it has. Returns 0, or ERR_NOMEM and
 * no swarm. */
static inline int begin_swarm(struct bench *b, const char *pieces)
{
	struct swarm_params p = {.seed = 11, .port = 6881, .meta = b->meta};
	struct bitfield have = {0};
	int err = ERR_NOMEM;

	memset(p.peer_id, 'm', sizeof(p.peer_id));
	b->s = swarm_new(&p);
	if (b->s != NULL)
		err = pieces_of(pieces, '*', &have);
	if (err == OK)
		err = swarm_set_have(b->s, &have);
	bitfield_fini(&have);
	if (err != OK) {
		swarm_free(b->s);
		b->s = NULL;
	}
	return err;
}

/* Of pieces of so many blocks. */
static inline void start(struct bench *b, uint32_t blocks, const char *pieces, bool v2)
{
	*b = (struct bench){.now = 100000};
	b->meta = net_metainfo((uint64_t)strlen(pieces) * blocks * BLOCK_BYTES,
			       blocks * BLOCK_BYTES, true, v2);
	effects_init(&b->fx);
	CHECK_INT(begin_swarm(b, pieces), OK);
}

static inline void stop(struct bench *b)
{
	swarm_free(b->s);
	effects_fini(&b->fx);
	meta_free(b->meta);
}

#endif
