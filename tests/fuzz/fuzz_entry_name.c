/* Names: of catalogue entries, of owners, and of files inside torrents. What passes is
 * harmless on a terminal, in OWNER/NAME@VERSION and on disk. */
#include "meta/entry.h"

#include <string.h>

#include "base/bencode.h"
#include "base/text.h"
#include "fuzz.h"
#include "fuzz_path.h"

static void check_text(const char *s, size_t max)
{
	FUZZ_CHECK(s[0] != '\0' && strlen(s) <= max && s[0] != ' ');
	FUZZ_CHECK(text_is_utf8(bytes_str(s)));
	for (; *s != '\0'; s++)
		FUZZ_CHECK((unsigned char)*s >= ' ' && *s != 0x7f && *s != '/');
}

/* What was taken apart, put together again. */
static void check_ref(const struct entry_ref *ref)
{
	struct entry_ref back;
	struct buf out;

	check_text(ref->name, ENTRY_NAME_BYTES_MAX);
	FUZZ_CHECK(entry_check_name(bytes_str(ref->name), NULL) == 0);
	if (ref->owner[0] != '\0')
		check_text(ref->owner, ENTRY_OWNER_BYTES_MAX);
	buf_init(&out, 1024);
	if (ref->owner[0] != '\0')
		buf_printf(&out, "%s/", ref->owner);
	buf_put_str(&out, ref->name);
	if (ref->version != 0)
		buf_printf(&out, "@%u", ref->version);
	FUZZ_CHECK(entry_ref_parse(buf_bytes(&out), &back, NULL) == 0);
	FUZZ_CHECK(strcmp(back.owner, ref->owner) == 0 && strcmp(back.name, ref->name) == 0);
	FUZZ_CHECK(back.version == ref->version);
	buf_fini(&out);
}

/* Escaped text holds nothing that steers, and stays as it is when it was harmless. */
static void check_escapes(struct bytes in)
{
	char small[16];
	struct buf out;

	buf_init(&out, 16u << 20);
	text_put_escaped(&out, in);
	FUZZ_CHECK(out.err == OK && text_is_utf8(buf_bytes(&out)));
	for (size_t i = 0; i < out.len; i++)
		FUZZ_CHECK(out.ptr[i] >= ' ' && out.ptr[i] != 0x7f);
	buf_clear(&out);
	text_put_percent(&out, in);
	FUZZ_CHECK(out.err == OK);
	for (size_t cap = 1; cap <= sizeof(small); cap++)
		FUZZ_CHECK(strlen(text_escape(small, cap, in)) < cap);
	buf_fini(&out);
}

/* The same bytes as the path of a file: split at '/' as a torrent maker would. */
static void check_as_path(struct bytes in)
{
	struct metainfo *m = NULL;
	size_t from = 0;
	struct buf t;

	buf_init(&t, 16u << 20);
	buf_put_str(&t, "d4:infod5:filesld6:lengthi1e4:pathl");
	for (size_t i = 0; i <= in.len; i++) {
		if (i < in.len && in.ptr[i] != '/')
			continue;
		benc_put_bytes(&t, bytes_sub(in, from, i - from));
		from = i + 1;
	}
	buf_put_str(&t, "eee4:name");
	benc_put_bytes(&t, in);
	buf_put_str(&t, "12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee");
	FUZZ_CHECK(t.err == OK);
	if (meta_parse(buf_bytes(&t), &m) == META_OK) {
		fuzz_check_component(m->name);
		fuzz_check_path(m->files[0].path);
		meta_free(m);
	}
	buf_fini(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);
	struct entry_ref ref;
	struct err_info info;

	if (size > 65536)
		return 0;
	if (entry_check_name(in, &info) != 0)
		FUZZ_CHECK(info.text[0] != '\0');
	if (entry_check_owner(in, &info) != 0)
		FUZZ_CHECK(info.text[0] != '\0');
	check_escapes(in);
	check_as_path(in);
	if (entry_ref_parse(in, &ref, &info) != 0)
		return 0;
	check_ref(&ref);
	FUZZ_SEEDED(strcmp(ref.owner, "me") == 0 && ref.version > 9);
	return 0;
}
