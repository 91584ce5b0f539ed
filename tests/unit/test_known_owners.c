#include "cli/known_owners.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

static char dir[64];
static struct err_info info;

static void begin(void)
{
	snprintf(dir, sizeof(dir), "/tmp/shoal-owners-XXXXXX");
	CHECK(mkdtemp(dir) != NULL);
	setenv("SHOAL_HOME", dir, 1);
}

static const char *file(void)
{
	static char path[100];

	snprintf(path, sizeof(path), "%s/known_owners", dir);
	return path;
}

static void end(void)
{
	(void)unlink(file());
	CHECK_INT(rmdir(dir), 0);
}

static struct entry by(const char *owner, uint8_t key)
{
	struct entry e = {.version = 1};

	snprintf(e.owner, sizeof(e.owner), "%s", owner);
	memset(e.key, key, sizeof(e.key));
	return e;
}

static int check_key(const char *owner, uint8_t key, bool accept)
{
	struct entry e = by(owner, key);

	return known_owners_check(&e, accept, &info);
}

TEST(the_first_key_of_an_owner_is_remembered_and_another_is_refused)
{
	begin();
	CHECK_INT(check_key("ann", 1, false), 0);
	CHECK_INT(check_key("ann b", 2, false), 0);
	CHECK_INT(check_key("ann", 1, false), 0);
	CHECK_INT(check_key("ann", 2, false), ERR_DENIED);
	CHECK(strstr(info.text, "THE KEY OF ann HAS CHANGED") != NULL);
	CHECK(strstr(info.text, "0101010101010101...") != NULL);
	CHECK(strstr(info.text, "0202020202020202...") != NULL);
	/* Nothing was forgotten over it. */
	CHECK_INT(check_key("ann", 1, false), 0);
	CHECK_INT(check_key("ann b", 2, false), 0);
	end();
}

TEST(an_accepted_key_takes_the_place_of_the_old_one)
{
	begin();
	CHECK_INT(check_key("ann", 1, true), 0);
	CHECK_INT(check_key("bob", 7, false), 0);
	CHECK_INT(check_key("ann", 2, true), 0);
	CHECK_INT(check_key("ann", 1, false), ERR_DENIED);
	CHECK_INT(check_key("ann", 2, false), 0);
	CHECK_INT(check_key("bob", 8, false), ERR_DENIED);
	end();
}

TEST(a_damaged_line_is_refused_and_stops_nobody_else)
{
	FILE *f;

	begin();
	CHECK_INT(check_key("ann", 1, false), 0);
	f = fopen(file(), "a");
	fprintf(f, "%064d bob\n%063dx eve\nrubbish\n", 0, 0);
	fclose(f);
	CHECK_INT(check_key("bob", 0, false), 0);
	CHECK_INT(check_key("eve", 0, false), ERR_PROTO);
	CHECK_INT(check_key("ann", 1, false), 0);
	CHECK_INT(check_key("new", 1, false), 0);
	CHECK_INT(check_key("new", 2, false), ERR_DENIED);
	end();
}

TEST(the_file_is_for_its_user_alone)
{
	struct stat st;

	begin();
	CHECK_INT(check_key("ann", 1, false), 0);
	CHECK_INT(stat(file(), &st), 0);
	CHECK_INT(st.st_mode & 0777, 0600);
	end();
}

TEST(keys_are_found_by_owner_and_owners_by_key)
{
	char owner[ENTRY_OWNER_BYTES_MAX + 1];
	uint8_t key[SIGN_KEY_LEN], other[SIGN_KEY_LEN] = {9};

	begin();
	CHECK(!known_owners_key("ann b", key));
	CHECK_INT(check_key("ann", 1, false), 0);
	CHECK_INT(check_key("ann b", 2, false), 0);
	CHECK(known_owners_key("ann b", key));
	CHECK_INT(key[31], 2);
	CHECK(known_owners_of(key, owner));
	CHECK_STR(owner, "ann b");
	CHECK(!known_owners_key("ann c", key));
	CHECK(!known_owners_of(other, owner));
	end();
}
