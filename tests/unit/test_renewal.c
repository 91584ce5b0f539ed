#include "test.h"

#include "cli/renewal.h"
#include "failmalloc_jansson.h"
#include "store_fixture.h"

#define KIB 1024u

static char dir[256];

static const struct sample_file files[] = {
    {"a", 100000, false}, {"sub/b", 300000, false}, {"sub/empty", 0, false}};

struct fixture {
	struct sample s;
	struct placed wanted;
	struct opts o;
	char path[300], copy[300];
};

static struct placed version(uint32_t n)
{
	struct entry e = {.owner = "ann", .name = "data", .version = n, .has_v2 = true};
	struct placed p;

	memset(e.hash_v2, (int)n, sizeof(e.hash_v2));
	placed_from_entry(&p, &e);
	return p;
}

/* Version 1 lies at the destination, version 2 is wanted. */
static void begin(struct fixture *f, bool wrote)
{
	struct placed p = version(1);
	char home[300], file[400];

	*f = (struct fixture){.wanted = version(2)};
	dir_make(dir, sizeof(dir));
	snprintf(home, sizeof(home), "%s/home", dir);
	setenv("SHOAL_HOME", home, 1);
	sample_make(&f->s, false, true, 64 * KIB, files, 3);
	snprintf(f->path, sizeof(f->path), "%s/data", dir);
	snprintf(f->copy, sizeof(f->copy), "%s/copy", dir);
	for (int i = 0; i < 2; i++) {
		CHECK_INT(mkdir(i == 0 ? f->path : f->copy, 0700), 0);
		snprintf(file, sizeof(file), "%s/a", i == 0 ? f->path : f->copy);
		file_write(file, "old", 3);
	}
	p.wrote = wrote;
	CHECK_INT(placed_remember(f->path, &p, NULL), 0);
}

static void end(struct fixture *f)
{
	sample_free(&f->s);
	dir_remove(dir);
}

static int plan(struct fixture *f, struct renewal *r, struct err_info *info)
{
	struct renewal_ask ask = {.meta = f->s.m, .path = f->path, .wanted = &f->wanted};

	return renewal_plan(r, &f->o, &ask, info);
}

TEST(what_shoal_put_there_is_replaced_from_its_own_bytes)
{
	struct fixture f;
	struct renewal r;

	begin(&f, true);
	CHECK_INT(plan(&f, &r, NULL), 0);
	CHECK(r.replaces);
	CHECK_INT(r.touched, 0);
	CHECK_INT(r.n_donors, 2);
	CHECK_STR(r.donors[0].rel, "a");
	renewal_fini(&r);
	end(&f);
}

TEST(what_was_merely_found_there_stays_unless_told_to_be_replaced)
{
	struct fixture f;
	struct renewal r;

	begin(&f, false);
	CHECK_INT(plan(&f, &r, NULL), 0);
	CHECK(!r.replaces);
	CHECK_INT(r.touched, 1);
	CHECK_INT(r.n_donors, 0);
	renewal_fini(&r);
	f.o.replace = true;
	CHECK_INT(plan(&f, &r, NULL), 0);
	CHECK(r.replaces);
	CHECK_INT(r.n_donors, 2);
	renewal_fini(&r);
	end(&f);
}

TEST(what_was_changed_or_is_of_another_entry_stays)
{
	struct fixture f;
	struct renewal r;
	char file[400];

	begin(&f, true);
	snprintf(f.wanted.owner, sizeof(f.wanted.owner), "bob");
	CHECK_INT(plan(&f, &r, NULL), 0);
	CHECK(!r.replaces && r.touched == 0);
	renewal_fini(&r);
	f.wanted = version(2);
	snprintf(file, sizeof(file), "%s/mine", f.path);
	file_write(file, "x", 1);
	CHECK_INT(plan(&f, &r, NULL), 0);
	CHECK(!r.replaces && r.touched == 1);
	renewal_fini(&r);
	end(&f);
}

TEST(reuse_names_a_copy_or_nothing_that_can_be_used)
{
	struct fixture f;
	struct renewal r;
	struct err_info info;

	begin(&f, false);
	f.o.reuse = f.copy;
	CHECK_INT(plan(&f, &r, &info), 0);
	CHECK(!r.replaces);
	CHECK_INT(r.n_donors, 2);
	renewal_fini(&r);
	f.o.reuse = "/nothing/there";
	CHECK_INT(plan(&f, &r, &info), ERR_NOENT);
	renewal_fini(&r);
	f.o.reuse = "/dev/null";
	CHECK_INT(plan(&f, &r, &info), ERR_INVALID);
	renewal_fini(&r);
	end(&f);
}

/* Each allocation in turn fails: without memory nothing that is there is taken for replaceable that
 * was not, and nothing stays behind. */
TEST(a_plan_holds_or_says_that_memory_is_out_whichever_allocation_fails)
{
	struct fixture f;
	bool done = false;

	begin(&f, true);
	for (size_t n = 1; !done; n++) {
		struct err_info info = {0};
		struct renewal r;
		size_t asked;
		int rc;

		CHECK(n < 5000);
		f.o.reuse = n % 2 == 0 ? f.copy : NULL;
		failmalloc_start(n, false);
		rc = plan(&f, &r, &info);
		asked = failmalloc_stop();
		done = asked < n;
		CHECK(rc == 0 || info.code == rc);
		CHECK(!done || (rc == 0 && r.n_donors == 2));
		renewal_fini(&r);
	}
	end(&f);
}

TEST(a_record_is_the_old_or_the_new_one_whichever_allocation_fails)
{
	struct fixture f;
	bool done = false;

	begin(&f, true);
	for (size_t n = 1; !done; n++) {
		struct placed p = version(2), q;
		size_t asked;
		int rc;

		CHECK(n < 5000);
		failmalloc_start(n, false);
		rc = placed_expect(f.path, &p, NULL);
		if (rc == 0)
			rc = placed_remember(f.path, &p, NULL);
		asked = failmalloc_stop();
		done = asked < n;
		CHECK_INT(placed_find(f.path, &q), 0);
		CHECK_INT(q.version, rc == 0 ? 2 : 1);
		CHECK(!done || (rc == 0 && q.wrote));
		p = version(1);
		p.wrote = true;
		CHECK_INT(placed_remember(f.path, &p, NULL), 0);
	}
	end(&f);
}
