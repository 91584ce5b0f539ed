/* Lines of a live session, as the index takes them in: the first byte chooses a torrent, the rest
 * are lines. What they say of pieces is the same in the roster and in a plain bitfield. */
#include "node/session_line.h"

#include <string.h>

#include "fuzz.h"
#include "index/roster.h"
#include "node/json_read.h"

struct world {
	struct roster *roster;
	struct roster_member *member;
	struct bitfield plain;
};

static void on_pieces(void *user, uint32_t first, uint32_t last, bool has)
{
	struct world *w = user;

	FUZZ_CHECK(first <= last && last < w->plain.n);
	roster_on_pieces(w->roster, w->member, first, last, has);
	for (uint32_t i = first; i <= last; i++) {
		if (has)
			bitfield_set(&w->plain, i);
		else
			bitfield_unset(&w->plain, i);
	}
}

static void check_map(const struct world *w)
{
	struct bitfield map;

	FUZZ_CHECK(w->member->have == w->plain.count && w->member->map_known);
	FUZZ_CHECK(roster_map(w->member, &map) == OK && map.count == w->plain.count);
	FUZZ_CHECK(memcmp(map.bits, w->plain.bits, bitfield_bytes(map.n)) == 0);
	bitfield_fini(&map);
	FUZZ_SEEDED(w->plain.n == 8 && w->plain.count == 2 && bitfield_has(&w->plain, 5));
}

static void check_peers(const json_t *j)
{
	struct addr list[8];
	size_t complete, n = session_line_peers(j, ADDR_PRIVATE, list, 8, &complete);

	FUZZ_CHECK(n <= 8 && complete <= n);
	for (size_t i = 0; i < n; i++)
		FUZZ_CHECK(addr_is_dialable(&list[i]) && addr_may_name(ADDR_PRIVATE, &list[i]));
}

/* False: the session would end. */
static bool take_line(struct world *w, struct bytes line)
{
	struct err_info why = {0};
	json_t *j = NULL;
	int err = json_read_object(line, &j, &why);

	if (err == OK) {
		check_peers(j);
		err = session_line_pieces(j, w->plain.n, on_pieces, w, &why);
		check_map(w);
	}
	FUZZ_CHECK(err == OK || why.code == err);
	json_decref(j);
	return err == OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t sizes[] = {0, 1, 8, 9, 200, 1602, 300000};
	uint32_t n = size == 0 ? 0 : sizes[data[0] % (sizeof(sizes) / sizeof(sizes[0]))];
	struct roster_member like = {.n_pieces = n, .map_known = true};
	struct roster_session hello = {.client = ""}, *s;
	const uint8_t hash[SHA1_LEN] = {0};
	struct world w = {.roster = roster_new((struct siphash_key){1, 2})};
	struct bytes rest = size == 0 ? bytes_of(NULL, 0) : bytes_of(data + 1, size - 1);
	bool goes_on = true;

	FUZZ_CHECK(w.roster != NULL && bitfield_init(&w.plain, n) == OK);
	FUZZ_CHECK(roster_enter(w.roster, &hello, 0, &s) == OK);
	FUZZ_CHECK(roster_join(w.roster, s, hash, &like, 0, &w.member) == OK);
	while (goes_on && rest.len > 0) {
		const uint8_t *end = memchr(rest.ptr, '\n', rest.len);
		size_t len = end == NULL ? rest.len : (size_t)(end - rest.ptr);

		goes_on = take_line(&w, bytes_sub(rest, 0, len));
		len += end != NULL;
		rest = bytes_sub(rest, len, rest.len - len);
	}
	bitfield_fini(&w.plain);
	roster_free(w.roster);
	return 0;
}
