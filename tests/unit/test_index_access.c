#include "node/index_access.h"

#include <stdio.h>
#include <stdlib.h>

#include "index_fixture.h"
#include "test.h"

static struct {
	char *dir;
	struct catalogue_db *db, *other; /* other: as `shoal index token` opens it */
	struct index_access *access;
} world;

static const struct catalogue_actor who = {.address = "local", .now = 1};

static void begin(void)
{
	struct err_info info = {0};

	world.dir = folder_new();
	CHECK_INT(catalogue_db_open(world.dir, &world.db, &info), 0);
	CHECK_INT(catalogue_db_open(world.dir, &world.other, &info), 0);
	CHECK_INT(index_access_new(world.db, &world.access, &info), 0);
}

static void end(void)
{
	index_access_free(world.access);
	catalogue_db_close(world.db);
	catalogue_db_close(world.other);
	folder_free(world.dir);
}

static void add(const char *name, const char *secret, enum catalogue_right right)
{
	struct catalogue_token t = {.right = right};

	snprintf(t.name, sizeof(t.name), "%s", name);
	if (secret != NULL)
		sha256_of(bytes_str(secret), t.hash);
	CHECK_INT(catalogue_db_token_add(world.other, &who, &t, NULL), 0);
	index_access_tick(world.access);
}

static struct addr host(uint8_t last)
{
	return (struct addr){.ip = {192, 0, 2, last}, .port = 1};
}

static enum index_verdict ask(const char *token, uint8_t from, enum catalogue_right need,
			      uint64_t now_s)
{
	struct addr a = host(from);

	return index_access_check(world.access, bytes_str(token), &a, need, now_s);
}

TEST(without_tokens_everyone_may_publish_and_nobody_is_admin)
{
	begin();
	CHECK(index_access_is_open(world.access));
	CHECK_INT(ask("", 1, RIGHT_READ, 1), ACCESS_GRANTED);
	CHECK_INT(ask("", 1, RIGHT_PUBLISH, 1), ACCESS_GRANTED);
	CHECK_INT(ask("", 1, RIGHT_ADMIN, 1), ACCESS_NO_TOKEN);
	CHECK_INT(ask("x", 1, RIGHT_READ, 1), ACCESS_GRANTED);
	CHECK_INT(ask("x", 1, RIGHT_ADMIN, 1), ACCESS_WRONG);
	end();
}

TEST(a_token_is_good_for_its_right_and_those_below_until_it_is_revoked)
{
	begin();
	add("r", "reader", RIGHT_READ);
	add("p", "publisher", RIGHT_PUBLISH);
	add("a", "admin", RIGHT_ADMIN);
	CHECK(!index_access_is_open(world.access));
	CHECK_INT(ask("", 1, RIGHT_READ, 1), ACCESS_NO_TOKEN);
	CHECK_INT(ask("reader", 1, RIGHT_READ, 1), ACCESS_GRANTED);
	CHECK_INT(ask("reader", 1, RIGHT_PUBLISH, 1), ACCESS_TOO_LOW);
	CHECK_INT(ask("publisher", 1, RIGHT_READ, 1), ACCESS_GRANTED);
	CHECK_INT(ask("publisher", 1, RIGHT_PUBLISH, 1), ACCESS_GRANTED);
	CHECK_INT(ask("publisher", 1, RIGHT_ADMIN, 1), ACCESS_TOO_LOW);
	CHECK_INT(ask("admin", 1, RIGHT_ADMIN, 1), ACCESS_GRANTED);
	CHECK_INT(ask("reader2", 1, RIGHT_READ, 1), ACCESS_WRONG);
	CHECK_INT(catalogue_db_token_revoke(world.other, &who, "r", NULL), 0);
	index_access_tick(world.access);
	CHECK_INT(ask("reader", 1, RIGHT_READ, 1), ACCESS_WRONG_AGAIN);
	CHECK_INT(ask("publisher", 1, RIGHT_READ, 1), ACCESS_GRANTED);
	end();
}

static const char *name_of(const char *token, enum catalogue_right need)
{
	static char name[CATALOGUE_TOKEN_NAME_MAX + 1];

	return index_access_name(world.access, bytes_str(token), need, name);
}

TEST(a_token_has_a_name_for_what_it_takes_one_for_and_nothing_else)
{
	begin();
	add("p", "publisher", RIGHT_PUBLISH);
	add("a", "admin", RIGHT_ADMIN);
	CHECK_STR(name_of("publisher", RIGHT_PUBLISH), "p");
	CHECK_STR(name_of("publisher", RIGHT_ADMIN), "");
	CHECK_STR(name_of("admin", RIGHT_ADMIN), "a");
	CHECK_STR(name_of("a", RIGHT_ADMIN), "");
	CHECK_STR(name_of("", RIGHT_READ), "");
	/* Where anybody may, a guess would not be counted, and must not be answered. */
	add(CATALOGUE_ANONYMOUS, NULL, RIGHT_PUBLISH);
	CHECK_STR(name_of("publisher", RIGHT_PUBLISH), "");
	CHECK_STR(name_of("admin", RIGHT_ADMIN), "a");
	CHECK_INT(catalogue_db_token_revoke(world.other, &who, "a", NULL), 0);
	index_access_tick(world.access);
	CHECK_STR(name_of("admin", RIGHT_ADMIN), "");
	end();
}

TEST(anonymous_has_the_right_it_was_given_and_no_secret)
{
	static const char zeros[] = "";

	begin();
	add(CATALOGUE_ANONYMOUS, NULL, RIGHT_READ);
	CHECK_INT(ask("", 1, RIGHT_READ, 1), ACCESS_GRANTED);
	CHECK_INT(ask("", 1, RIGHT_PUBLISH, 1), ACCESS_NO_TOKEN);
	CHECK_INT(ask(zeros, 1, RIGHT_PUBLISH, 1), ACCESS_NO_TOKEN);
	add("p", "publisher", RIGHT_PUBLISH);
	CHECK_INT(ask("publisher", 1, RIGHT_PUBLISH, 1), ACCESS_GRANTED);
	CHECK_INT(ask("nonsense", 1, RIGHT_READ, 1), ACCESS_GRANTED);
	end();
}

TEST(who_guesses_is_locked_out_and_nobody_else)
{
	char guess[16];

	begin();
	add("r", "reader", RIGHT_READ);
	for (unsigned i = 0; i < INDEX_WRONG_MAX; i++) {
		CHECK_INT(ask("reader", 1, RIGHT_READ, 100), ACCESS_GRANTED);
		snprintf(guess, sizeof(guess), "guess %u", i);
		CHECK_INT(ask(guess, 1, RIGHT_READ, 100), ACCESS_WRONG);
	}
	CHECK_INT(ask("another", 1, RIGHT_READ, 100), ACCESS_LOCKED);
	CHECK_INT(ask("reader", 1, RIGHT_READ, 100), ACCESS_LOCKED);
	CHECK_INT(ask("reader", 2, RIGHT_READ, 100), ACCESS_GRANTED);
	CHECK_INT(ask("reader", 1, RIGHT_READ, 99 + INDEX_LOCKED_S), ACCESS_LOCKED);
	CHECK_INT(ask("reader", 1, RIGHT_READ, 100 + INDEX_LOCKED_S), ACCESS_GRANTED);
	CHECK_INT(ask("wrong", 1, RIGHT_READ, 100 + INDEX_LOCKED_S), ACCESS_WRONG);
	end();
}

/* A page that was left open asks every few seconds with a token that was revoked meanwhile. */
TEST(one_wrong_token_shown_again_and_again_locks_nobody_out)
{
	begin();
	add("r", "reader", RIGHT_READ);
	for (unsigned i = 0; i < 10 * INDEX_WRONG_MAX; i++) {
		enum index_verdict said = i == 0 ? ACCESS_WRONG : ACCESS_WRONG_AGAIN;

		CHECK_INT(ask("revoked", 1, RIGHT_READ, 100 + i), said);
		CHECK_INT(ask("another", 1, RIGHT_READ, 100 + i), said);
		CHECK_INT(ask("reader", 1, RIGHT_READ, 100 + i), ACCESS_GRANTED);
	}
	end();
}

/* All tokens of an office behind one address are given anew, and its programs not all told. */
TEST(tokens_that_were_revoked_lock_nobody_out_however_many_are_shown)
{
	struct err_info info = {0};
	char name[16];

	begin();
	add("good", "good", RIGHT_READ);
	for (unsigned i = 0; i < 2 * INDEX_WRONG_MAX; i++) {
		snprintf(name, sizeof(name), "t%u", i);
		add(name, name, RIGHT_READ);
	}
	for (unsigned i = 0; i < 2 * INDEX_WRONG_MAX; i++) {
		snprintf(name, sizeof(name), "t%u", i);
		CHECK_INT(catalogue_db_token_revoke(world.other, &who, name, NULL), 0);
	}
	for (unsigned run = 0; run < 2; run++) {
		index_access_tick(world.access);
		for (unsigned i = 0; i < 2 * INDEX_WRONG_MAX; i++) {
			snprintf(name, sizeof(name), "t%u", i);
			CHECK_INT(ask(name, 1, RIGHT_READ, 100), ACCESS_WRONG_AGAIN);
		}
		CHECK_INT(ask("good", 1, RIGHT_READ, 100), ACCESS_GRANTED);
		/* and after a new start */
		index_access_free(world.access);
		CHECK_INT(index_access_new(world.db, &world.access, &info), 0);
	}
	CHECK_INT(ask("guess", 1, RIGHT_READ, 100), ACCESS_WRONG);
	end();
}
