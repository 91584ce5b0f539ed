#include "meta/entry.h"

#include "base/text.h"
#include "test.h"

static int name_status(const char *s)
{
	struct err_info info = {0};
	int err = entry_check_name(bytes_str(s), &info);

	CHECK_INT(entry_check_name(bytes_str(s), NULL), err);
	CHECK_INT(info.text[0] != '\0', err != 0);
	return err;
}

TEST(entry_names_may_be_odd_but_print_as_themselves)
{
	static const char *const good[] = {"a",
					   "debian-12.iso",
					   "two words",
					   "-rf",
					   "--help",
					   "it's \"so\"",
					   "c:\\x\\..\\y",
					   "\xc3\xbc.bin",
					   "...",
					   "a@b",
					   "me@2x.png",
					   "a@",
					   "a@5b",
					   "@",
					   "$(reboot)",
					   "%n%s",
					   "x@latest2"};
	static const char *const bad[] = {
	    "",		" a",	     "a ",    "a/b",	   "/",
	    "a\nb",	"a\x1b[31m", "a\x7f", "a\xc2\x9b", "a\xe2\x80\xae",
	    "\xff",	"\xc0\xae",  ".",     "..",	   "a@5",
	    "a@latest", "a@b@007",   "@1",    "a\t"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (name_status(good[i]) != 0)
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (name_status(bad[i]) != ERR_INVALID)
			fail_msg("taken: row %zu", i);
	CHECK_INT(entry_check_name(bytes_of("a\0b", 3), NULL), ERR_INVALID);
}

TEST(entry_names_and_owners_have_a_longest_length)
{
	char text[ENTRY_NAME_BYTES_MAX + 1];

	memset(text, 'x', sizeof(text));
	CHECK_INT(entry_check_name(bytes_of(text, ENTRY_NAME_BYTES_MAX), NULL), 0);
	CHECK_INT(entry_check_name(bytes_of(text, ENTRY_NAME_BYTES_MAX + 1), NULL), ERR_INVALID);
	CHECK_INT(entry_check_owner(bytes_of(text, ENTRY_OWNER_BYTES_MAX), NULL), 0);
	CHECK_INT(entry_check_owner(bytes_of(text, ENTRY_OWNER_BYTES_MAX + 1), NULL), ERR_INVALID);
	memset(text, '\\', sizeof(text));
	CHECK_INT(entry_check_name(bytes_of(text, ENTRY_NAME_BYTES_MAX), NULL), 0);
}

/* U+00AD is not seen, nor U+3164; emoji have U+FE0F. */
TEST(entries_with_unseen_characters_are_read_and_not_published_anew)
{
	static const struct entry fine = {.owner = "alice",
					  .name = "\u2764\ufe0f",
					  .description = "d",
					  .tags = "a b",
					  .meta = "k=v\nl=w\n"};
	struct err_info info = {0};
	struct entry e = fine;

	CHECK_INT(name_status("pass\u00adword"), 0);
	CHECK_INT(entry_check_owner(bytes_str("al\u3164ice"), NULL), 0);
	CHECK_INT(entry_set_description(&e, bytes_str("\u00ad"), NULL), 0);
	CHECK_INT(entry_add_tags(&e, bytes_str("c\u00ad"), NULL), 0);
	CHECK_INT(entry_set_meta(&e, bytes_str("k"), bytes_str("\u00ad"), NULL), 0);
	CHECK_INT(entry_check_new(&fine, &info), 0);
	for (int i = 0; i < 5; i++) {
		char *texts[] = {e.owner, e.name, e.description, e.tags, e.meta};

		e = fine;
		memcpy(texts[i] + strlen(texts[i]), "\u00ad", sizeof("\u00ad"));
		CHECK_INT(entry_check_new(&e, &info), ERR_INVALID);
		CHECK(strstr(info.text, "invisible") != NULL);
	}
}

TEST(entry_owners_hold_no_slash)
{
	CHECK_INT(entry_check_owner(bytes_str("alice@lab"), NULL), 0);
	CHECK_INT(entry_check_owner(bytes_str("alice@5"), NULL), 0);
	CHECK_INT(entry_check_owner(bytes_str("a/b"), NULL), ERR_INVALID);
	CHECK_INT(entry_check_owner(bytes_str(""), NULL), ERR_INVALID);
	CHECK_INT(entry_check_owner(bytes_str(".."), NULL), ERR_INVALID);
}

static struct entry sample_entry(void)
{
	struct entry e = {.id = 9,
			  .owner = "alice",
			  .name = "data",
			  .version = 3,
			  .has_v2 = true,
			  .bytes = 1000,
			  .n_files = 2,
			  .published_at = 1700000000};

	memset(e.hash_v2, 'h', SHA256_LEN);
	memset(e.key, 'k', SIGN_KEY_LEN);
	return e;
}

TEST(entry_signed_bytes_are_a_heading_and_bencode)
{
	struct entry e = sample_entry();
	struct buf out;

	buf_init(&out, 4096);
	CHECK_INT(entry_signed_bytes(&e, "publish", &out), 0);
	CHECK_STR(buf_cstr(&out), "shoal entry 1\n"
				  "d6:action7:publish5:bytesi1000e5:filesi2e"
				  "7:hash v232:hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh"
				  "3:key32:kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
				  "4:name4:data5:owner5:alice12:published ati1700000000ee");
	buf_fini(&out);
	buf_init(&out, 20);
	CHECK_INT(entry_signed_bytes(&e, "publish", &out), ERR_TOO_BIG);
	buf_fini(&out);
}

/* Signs the same for `e` as for the sample? */
static bool signs_alike(const struct entry *e, const char *action)
{
	struct entry same = sample_entry();
	struct buf a, b;
	bool alike;

	buf_init(&a, 4096);
	buf_init(&b, 4096);
	CHECK_INT(entry_signed_bytes(&same, "publish", &a), 0);
	CHECK_INT(entry_signed_bytes(e, action, &b), 0);
	alike = bytes_eq(buf_bytes(&a), buf_bytes(&b));
	buf_fini(&a);
	buf_fini(&b);
	return alike;
}

TEST(entry_signed_bytes_differ_when_any_signed_field_does)
{
	struct entry e = sample_entry();

	CHECK(signs_alike(&e, "publish"));
	CHECK(!signs_alike(&e, "unpublish"));
	e.id = 1;
	e.version = 77;
	e.signature[0] = 1;
	e.hash_v1[0] = 1; /* not there while has_v1 is false */
	CHECK(signs_alike(&e, "publish"));
	e.has_v1 = true;
	CHECK(!signs_alike(&e, "publish"));
	e = sample_entry();
	e.hash_v2[31] ^= 1;
	CHECK(!signs_alike(&e, "publish"));
	e = sample_entry();
	e.bytes++;
	CHECK(!signs_alike(&e, "publish"));
	e = sample_entry();
	e.n_files++;
	CHECK(!signs_alike(&e, "publish"));
	e = sample_entry();
	e.has_sha256 = true;
	CHECK(!signs_alike(&e, "publish"));
	e = sample_entry();
	e.published_at++;
	CHECK(!signs_alike(&e, "publish"));
	e = sample_entry();
	e.key[0] ^= 1;
	CHECK(!signs_alike(&e, "publish"));
	e = sample_entry();
	e.name[0] = 'D';
	CHECK(!signs_alike(&e, "publish"));
	e = sample_entry();
	e.owner[0] = 'A';
	CHECK(!signs_alike(&e, "publish"));
	e = sample_entry();
	e.description[0] = 'd';
	CHECK(!signs_alike(&e, "publish"));
	e = sample_entry();
	e.tags[0] = 'd';
	CHECK(!signs_alike(&e, "publish"));
	e = sample_entry();
	e.meta[0] = 'd';
	CHECK(!signs_alike(&e, "publish"));
}

TEST(entry_swarm_is_named_by_v1_else_by_v2)
{
	struct entry e = sample_entry();

	CHECK(entry_swarm_hash(&e) == e.hash_v2);
	e.has_v1 = true;
	CHECK(entry_swarm_hash(&e) == e.hash_v1);
}

TEST(entry_ref_takes_apart_what_users_type)
{
	static const struct {
		const char *text, *owner, *name;
		uint32_t version;
	} rows[] = {
	    {"data", "", "data", 0},
	    {"alice/data", "alice", "data", 0},
	    {"alice/data@3", "alice", "data", 3},
	    {"data@latest", "", "data", 0},
	    {"al@ice/me@2x.png@4294967295", "al@ice", "me@2x.png", UINT32_MAX},
	    {"a@b", "", "a@b", 0},
	    {"a@", "", "a@", 0},
	    {"-x y", "", "-x y", 0},
	};
	static const char *const bad[] = {"",
					  "/",
					  "a/",
					  "/a",
					  "a/b/c",
					  "@3",
					  "a@0",
					  "a@4294967296",
					  "a@99999999999999999999999",
					  "a@1@2",
					  "a@latest@3",
					  " a",
					  "a\n"};
	struct entry_ref ref;
	struct err_info info;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CHECK_INT(entry_ref_parse(bytes_str(rows[i].text), &ref, &info), 0);
		CHECK_STR(ref.owner, rows[i].owner);
		CHECK_STR(ref.name, rows[i].name);
		CHECK_INT(ref.version, rows[i].version);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (entry_ref_parse(bytes_str(bad[i]), &ref, &info) != ERR_INVALID)
			fail_msg("taken: %s", bad[i]);
}

static int tag(struct entry *e, const char *tags)
{
	return entry_add_tags(e, bytes_str(tags), NULL);
}

static int note(struct entry *e, const char *key, const char *value)
{
	return entry_set_meta(e, bytes_str(key), bytes_str(value), NULL);
}

TEST(entry_tags_are_kept_in_order_once_and_in_lower_case)
{
	struct entry e = {0};
	char many[ENTRY_TAGS_BYTES_MAX + 1];

	CHECK_INT(tag(&e, "raw"), 0);
	CHECK_INT(tag(&e, "Climate, 2026 raw"), 0);
	CHECK_STR(e.tags, "2026 climate raw");
	CHECK_INT(tag(&e, "zoo,,aa  lang:en"), 0);
	CHECK_STR(e.tags, "2026 aa climate lang:en raw zoo");
	CHECK_INT(tag(&e, "\xc3\xbc"
			  "ber"),
		  0);
	CHECK_INT(tag(&e, "a/b"), ERR_INVALID);
	CHECK_INT(tag(&e, "a\nb"), ERR_INVALID);
	CHECK_INT(tag(&e, "\xff"), ERR_INVALID);
	CHECK_INT(tag(&e, "\xe2\x80\xae"), ERR_INVALID);
	CHECK_INT(tag(&e, ""), 0);
	e.tags[0] = '\0';
	memset(many, 'x', sizeof(many));
	CHECK_INT(entry_add_tags(&e, bytes_of(many, ENTRY_TAG_BYTES_MAX), NULL), 0);
	CHECK_INT(entry_add_tags(&e, bytes_of(many, ENTRY_TAG_BYTES_MAX + 1), NULL), ERR_TOO_BIG);
	for (unsigned i = 1; i < ENTRY_TAGS_BYTES_MAX / (ENTRY_TAG_BYTES_MAX + 1); i++) {
		many[0] = (char)('a' + i);
		CHECK_INT(entry_add_tags(&e, bytes_of(many, ENTRY_TAG_BYTES_MAX), NULL), 0);
	}
	many[0] = 'z';
	CHECK_INT(entry_add_tags(&e, bytes_of(many, ENTRY_TAG_BYTES_MAX), NULL), ERR_TOO_BIG);
	/* To the last byte. */
	CHECK_INT(
	    entry_add_tags(&e, bytes_of(many, ENTRY_TAGS_BYTES_MAX - strlen(e.tags) - 1), NULL), 0);
	CHECK_INT(strlen(e.tags), ENTRY_TAGS_BYTES_MAX);
}

TEST(entry_notes_are_pairs_in_order_and_the_last_value_counts)
{
	struct entry e = {0};
	struct bytes key, value;
	char big[ENTRY_META_BYTES_MAX];
	size_t at = 0;

	CHECK_INT(note(&e, "source", "station 7"), 0);
	CHECK_INT(note(&e, "licence", "CC0"), 0);
	CHECK_INT(note(&e, "year", ""), 0);
	CHECK_STR(e.meta, "licence=CC0\nsource=station 7\nyear=\n");
	CHECK_INT(note(&e, "source", "a=b"), 0);
	CHECK_INT(note(&e, "licence", "MIT licence"), 0);
	CHECK_STR(e.meta, "licence=MIT licence\nsource=a=b\nyear=\n");
	CHECK(entry_next_meta(&e, &at, &key, &value));
	CHECK(bytes_eq(key, bytes_str("licence")) && bytes_eq(value, bytes_str("MIT licence")));
	CHECK(entry_next_meta(&e, &at, &key, &value));
	CHECK(bytes_eq(key, bytes_str("source")) && bytes_eq(value, bytes_str("a=b")));
	CHECK(entry_next_meta(&e, &at, &key, &value));
	CHECK(bytes_eq(key, bytes_str("year")) && value.len == 0);
	CHECK(!entry_next_meta(&e, &at, &key, &value));
	CHECK_INT(note(&e, "", "x"), ERR_INVALID);
	CHECK_INT(note(&e, "a b", "x"), ERR_INVALID);
	CHECK_INT(note(&e, "a=b", "x"), ERR_INVALID);
	CHECK_INT(note(&e, "a", "x\ny"), ERR_INVALID);
	memset(&e, 0, sizeof(e));
	memset(big, 'v', sizeof(big));
	CHECK_INT(entry_set_meta(&e, bytes_str("k"), bytes_of(big, sizeof(big) - 2), NULL),
		  ERR_TOO_BIG);
	CHECK_INT(entry_set_meta(&e, bytes_str("k"), bytes_of(big, sizeof(big) - 3), NULL), 0);
	CHECK_INT(strlen(e.meta), ENTRY_META_BYTES_MAX);
	CHECK_INT(note(&e, "b", ""), ERR_TOO_BIG);
	CHECK_INT(note(&e, "k", "short"), 0);
	CHECK_INT(note(&e, "b", ""), 0);
}

TEST(entry_references_are_written_as_they_are_read)
{
	char text[ENTRY_REF_MAX], owner[ENTRY_OWNER_BYTES_MAX + 1], name[ENTRY_NAME_BYTES_MAX + 1];
	struct entry_ref ref;

	CHECK_STR(entry_ref_text(text, "ann", "a b.bin", 7), "ann/a b.bin@7");
	CHECK_STR(entry_ref_text(text, "ann", "a b.bin", 0), "ann/a b.bin");
	memset(owner, 'o', sizeof(owner));
	memset(name, 'n', sizeof(name));
	owner[sizeof(owner) - 1] = name[sizeof(name) - 1] = '\0';
	entry_ref_text(text, owner, name, UINT32_MAX);
	CHECK_INT(entry_ref_parse(bytes_str(text), &ref, NULL), 0);
	CHECK_STR(ref.owner, owner);
	CHECK_STR(ref.name, name);
	CHECK(ref.version == UINT32_MAX);
}

TEST(entry_descriptions_are_one_line)
{
	struct entry e = {0};
	char big[ENTRY_DESCRIPTION_BYTES_MAX + 1];

	memset(big, 'd', sizeof(big));
	CHECK_INT(entry_set_description(&e, bytes_str("What it is \\ was"), NULL), 0);
	CHECK_STR(e.description, "What it is \\ was");
	CHECK_INT(entry_set_description(&e, bytes_str("two\nlines"), NULL), ERR_INVALID);
	CHECK_INT(entry_set_description(&e, bytes_str("\x1b[2J"), NULL), ERR_INVALID);
	CHECK_INT(entry_set_description(&e, bytes_of(big, sizeof(big)), NULL), ERR_TOO_BIG);
	CHECK_INT(entry_set_description(&e, bytes_of(big, sizeof(big) - 1), NULL), 0);
	CHECK_INT(entry_set_description(&e, bytes_str(""), NULL), 0);
	CHECK_STR(e.description, "");
}
