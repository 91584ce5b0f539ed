/* magnet links: limits hold, text ends, and what was read can be written and read again. */
#include "meta/magnet.h"

#include "fuzz.h"

#include <string.h>

static void check_limits(const struct magnet *m)
{
	FUZZ_CHECK(m->has_v1 || m->has_v2);
	FUZZ_CHECK(m->n_trackers <= MAGNET_TRACKERS_MAX && m->n_peers <= MAGNET_PEERS_MAX);
	FUZZ_CHECK(m->n_only <= MAGNET_RANGES_MAX);
	FUZZ_CHECK(memchr(m->name, 0, sizeof(m->name)) != NULL);
	for (uint32_t i = 0; i < m->n_trackers; i++)
		FUZZ_CHECK(m->trackers[i][0] != '\0');
	for (uint32_t i = 0; i < m->n_peers; i++)
		FUZZ_CHECK(m->peers[i].port != 0);
	for (uint32_t i = 0; i < m->n_only; i++)
		FUZZ_CHECK(m->only[i].first <= m->only[i].last && m->only[i].last < META_FILES_MAX);
}

static void check_same(const struct magnet *a, const struct magnet *b)
{
	FUZZ_CHECK(a->has_v1 == b->has_v1 && a->has_v2 == b->has_v2);
	FUZZ_CHECK(memcmp(a->hash_v1, b->hash_v1, SHA1_LEN) == 0);
	FUZZ_CHECK(memcmp(a->hash_v2, b->hash_v2, SHA256_LEN) == 0);
	FUZZ_CHECK(strcmp(a->name, b->name) == 0 && a->n_trackers == b->n_trackers);
	for (uint32_t i = 0; i < a->n_trackers; i++)
		FUZZ_CHECK(strcmp(a->trackers[i], b->trackers[i]) == 0);
}

/* A torrent that has what the link tells of it. */
static void check_round_trip(const struct magnet *m)
{
	struct meta_tracker trackers[MAGNET_TRACKERS_MAX];
	struct metainfo t = {
	    .v1 = m->has_v1, .v2 = m->has_v2, .trackers = trackers, .n_trackers = m->n_trackers};
	struct magnet back;
	char name[MAGNET_NAME_MAX + 1];
	struct buf out;

	memcpy(t.hash_v1, m->hash_v1, SHA1_LEN);
	memcpy(t.hash_v2, m->hash_v2, SHA256_LEN);
	memcpy(name, m->name, sizeof(name));
	t.name = name;
	for (uint32_t i = 0; i < m->n_trackers; i++)
		trackers[i] = (struct meta_tracker){m->trackers[i], i};
	buf_init(&out, 4 * MAGNET_BYTES_MAX);
	FUZZ_CHECK(magnet_put(&t, &out) == 0);
	if (out.len <= MAGNET_BYTES_MAX) {
		FUZZ_CHECK(magnet_parse(buf_bytes(&out), &back) == 0);
		check_same(m, &back);
		magnet_fini(&back);
	}
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct magnet m, again;
	int rc = magnet_parse(bytes_of(data, size), &m);

	FUZZ_CHECK(magnet_parse(bytes_of(data, size), &again) == rc);
	if (rc < 0)
		return 0;
	check_limits(&m);
	check_same(&m, &again);
	check_round_trip(&m);
	FUZZ_SEEDED(m.n_only > 2 && m.dropped > 0);
	magnet_fini(&m);
	magnet_fini(&again);
	return 0;
}
