#include "cli/info_name.h"

#include <jansson.h>
#include <stdio.h>

#include "base/text.h"
#include "cli/entries.h"
#include "cli/out.h"

/* What there is to say, as text. */
struct facts {
	char key[2 * SIGN_KEY_LEN + 1];
	char v1[2 * SHA1_LEN + 1], v2[2 * SHA256_LEN + 1], sha256[2 * SHA256_LEN + 1];
	struct buf link, magnet;
};

static int gather(struct facts *f, const struct dht_found *found)
{
	const struct entry *e = &found->entry;

	*f = (struct facts){.key = ""};
	buf_init(&f->link, MAGNET_BYTES_MAX);
	buf_init(&f->magnet, MAGNET_BYTES_MAX);
	text_hex(f->key, bytes_of(e->key, sizeof(e->key)));
	if (e->has_v1)
		text_hex(f->v1, bytes_of(e->hash_v1, sizeof(e->hash_v1)));
	if (e->has_v2)
		text_hex(f->v2, bytes_of(e->hash_v2, sizeof(e->hash_v2)));
	if (e->has_sha256)
		text_hex(f->sha256, bytes_of(e->sha256, sizeof(e->sha256)));
	magnet_put_key(e->key, bytes_str(e->name), &f->link);
	magnet_put_entry(e, &f->magnet);
	return buf_cstr(&f->link) == NULL || buf_cstr(&f->magnet) == NULL ? ERR_NOMEM : OK;
}

static json_t *text_or_null(const char *text)
{
	return text[0] == '\0' ? json_null() : json_string(text);
}

static void print_json(const struct facts *f, const struct dht_found *found)
{
	const struct entry *e = &found->entry;
	json_t *j = json_pack(
	    "{s:s, s:s, s:s, s:i, s:I, s:i, s:o, s:o, s:o, s:I, s:I, s:s, s:s, s:s}", "name",
	    e->name, "owner", e->owner, "key", f->key, "version", (int)e->version, "bytes",
	    (json_int_t)e->bytes, "n_files", (int)e->n_files, "sha256", text_or_null(f->sha256),
	    "hash_v1", text_or_null(f->v1), "hash_v2", text_or_null(f->v2), "published_at",
	    (json_int_t)e->published_at, "seq", (json_int_t)found->seq, "magnet",
	    (const char *)f->magnet.ptr, "link", (const char *)f->link.ptr, "found_in", "dht");

	out_json(j);
	json_decref(j);
}

static void print(const struct facts *f, const struct dht_found *found)
{
	const struct entry *e = &found->entry;
	char line[160], size[32], date[ENTRIES_DATE_MAX];

	out_field("name", e->name);
	out_field("owner", strcmp(e->owner, f->key) == 0 ? "" : e->owner);
	out_field("owner's key", f->key);
	if (e->version > 0) {
		snprintf(line, sizeof(line), "%u, published %s", e->version,
			 entries_date(date, e->published_at));
		out_field("version", line);
		snprintf(line, sizeof(line), "%s (%llu bytes), %u file%s",
			 text_size(size, sizeof(size), e->bytes), (unsigned long long)e->bytes,
			 e->n_files, e->n_files == 1 ? "" : "s");
		out_field("size", line);
	}
	out_field("sha256", f->sha256);
	out_field("info-hash v1", f->v1);
	out_field("info-hash v2", f->v2);
	out_field("magnet", (const char *)f->magnet.ptr);
	out_field("by its key", (const char *)f->link.ptr);
	snprintf(line, sizeof(line), "the distributed hash table, signed by this key, number %lld",
		 (long long)found->seq);
	out_field("found in", line);
}

int info_name_show(const struct opts *o, const struct dht_name *n, struct err_info *info)
{
	struct dht_found found;
	struct facts f;
	int err = dht_name_find(o, n, false, &found, info);

	if (err == OK) {
		err = gather(&f, &found);
		if (err != OK)
			err_set(info, ERR_NOMEM, "out of memory");
		else if (o->json)
			print_json(&f, &found);
		else
			print(&f, &found);
		buf_fini(&f.link);
		buf_fini(&f.magnet);
	}
	buf_fini(&found.item);
	return err;
}
