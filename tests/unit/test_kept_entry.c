#include "meta/kept_entry.h"

#include <stdio.h>
#include <stdlib.h>

#include "failmalloc.h"
#include "test.h"

static struct entry entry_of(const char *owner, const char *name)
{
	struct entry e = {.id = 7,
			  .version = 3,
			  .has_v2 = true,
			  .bytes = 1u << 20,
			  .n_files = 2,
			  .published_at = 1700000000};

	memset(e.hash_v2, 0x5a, sizeof(e.hash_v2));
	memset(e.key, 0x11, sizeof(e.key));
	memset(e.signature, 0x22, sizeof(e.signature));
	snprintf(e.owner, sizeof(e.owner), "%s", owner);
	snprintf(e.name, sizeof(e.name), "%s", name);
	return e;
}

/* Kept and back again. */
static void check_round_trip(const struct entry *e)
{
	struct kept_entry *k = kept_entry_new(e);
	struct entry out;

	CHECK(k != NULL);
	memset(&out, 0xff, sizeof(out));
	kept_entry_get(k, &out);
	CHECK(memcmp(&out, e, offsetof(struct entry, owner)) == 0);
	CHECK_STR(out.owner, e->owner);
	CHECK_STR(out.name, e->name);
	CHECK_STR(out.description, e->description);
	CHECK_STR(out.tags, e->tags);
	CHECK_STR(out.meta, e->meta);
	free(k);
}

TEST(an_entry_that_was_kept_is_what_it_was)
{
	struct entry e = entry_of("team", "disk.img");

	check_round_trip(&e);
	e = entry_of("", "");
	check_round_trip(&e);
}

TEST(texts_are_kept_up_to_their_limits)
{
	struct entry e = entry_of("team", "disk.img");

	memset(e.owner, 'o', sizeof(e.owner) - 1);
	memset(e.name, 'n', sizeof(e.name) - 1);
	memset(e.description, 'd', sizeof(e.description) - 1);
	memset(e.tags, 't', sizeof(e.tags) - 1);
	memset(e.meta, 'm', sizeof(e.meta) - 1);
	check_round_trip(&e);
}

TEST(without_memory_nothing_is_kept)
{
	struct entry e = entry_of("team", "disk.img");

	failmalloc_start(1, true);
	CHECK(kept_entry_new(&e) == NULL);
	failmalloc_stop();
}
