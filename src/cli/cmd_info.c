#include <stdio.h>
#include <strings.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/entries.h"
#include "cli/index_open.h"
#include "cli/info_name.h"
#include "cli/info_pieces.h"
#include "cli/linked.h"
#include "cli/out.h"
#include "cli/torrent_print.h"
#include "node/torrent_file.h"
#include "node/torrent_source.h"

#define FILES_SHOWN 100u

static uint32_t files_shown(const struct opts *o)
{
	return o->all ? UINT32_MAX : FILES_SHOWN;
}

static int show_torrent(const struct opts *o, struct err_info *info)
{
	struct metainfo *m = NULL;
	int rc = torrent_load(o->args[0], NULL, &m, info);

	if (rc != 0)
		return rc;
	if (o->json) {
		json_t *j = torrent_json(m, true);

		out_json(j);
		json_decref(j);
	} else {
		torrent_print(m, files_shown(o));
	}
	meta_free(m);
	return 0;
}

static void print_files(const json_t *files, json_int_t left_out, uint32_t most)
{
	static const char *const columns[] = {"SIZE", "FILE"};
	static const bool right[] = {true, false};
	struct out_table *t = out_table_new(columns, 2, right);
	size_t n = json_array_size(files);
	char size[32];

	for (size_t i = 0; i < n && i < most; i++) {
		const json_t *f = json_array_get(files, i);
		json_int_t bytes = entries_int(f, "bytes");

		out_row(t);
		out_cell(t, text_size(size, sizeof(size), bytes < 0 ? 0 : (uint64_t)bytes));
		entries_cell(t, f, "path");
	}
	out_table_print(t);
	if (n > most)
		printf("... and %zu more; --all lists them\n", n - most);
	if (left_out > 0)
		printf("... and %lld more; the .torrent has them all\n", (long long)left_out);
}

/* What its owner says about it. */
static void print_about(const json_t *e)
{
	const json_t *tag;
	const char *key;
	struct buf tags;
	json_t *value;
	size_t i;

	if (*entries_str(e, "description") != '\0')
		out_field("description", entries_str(e, "description"));
	buf_init(&tags, ENTRY_TAGS_BYTES_MAX + 1);
	json_array_foreach(json_object_get(e, "tags"), i, tag)
	{
		buf_put_str(&tags, i > 0 ? " " : "");
		buf_put_str(&tags, json_is_string(tag) ? json_string_value(tag) : "");
	}
	if (tags.len > 0 && buf_cstr(&tags) != NULL)
		out_field("tags", buf_cstr(&tags));
	buf_fini(&tags);
	json_object_foreach(json_object_get(e, "meta"), key, value)
	{
		if (json_is_string(value))
			out_field(key, json_string_value(value));
	}
}

/* Under what it is found when there is no index. */
static void put_link(struct buf *out, const json_t *e)
{
	uint8_t key[SIGN_KEY_LEN];

	buf_init(out, MAGNET_BYTES_MAX);
	if (text_unhex(bytes_str(entries_str(e, "key")), key, sizeof(key)) == OK)
		(void)magnet_put_key(key, bytes_str(entries_str(e, "name")), out);
}

/* What it will be called on disk, where that is not the entry's name. */
static void print_content_name(const json_t *e)
{
	const char *name = entries_str(e, "content_name");
	const json_t *first = json_array_get(json_object_get(e, "files"), 0);
	bool single =
	    entries_int(e, "n_files") == 1 && strcmp(entries_str(first, "path"), name) == 0;

	if (strcmp(name, entries_str(e, "name")) != 0)
		out_field(single ? "file name" : "folder name", name);
}

static void print_entry(const struct opts *o, const json_t *e, const json_t *holders,
			const json_t *pieces)
{
	const json_t *peers = json_object_get(holders, "peers");
	char line[160], size[32], date[ENTRIES_DATE_MAX];
	json_int_t bytes = entries_int(e, "bytes");
	struct buf link;

	put_link(&link, e);
	out_field("name", entries_str(e, "name"));
	print_content_name(e);
	out_field("owner", entries_str(e, "owner"));
	snprintf(line, sizeof(line), "%lld, published %s", (long long)entries_int(e, "version"),
		 entries_date(date, entries_int(e, "published_at")));
	out_field("version", line);
	snprintf(line, sizeof(line), "%s (%lld bytes), %lld file%s",
		 text_size(size, sizeof(size), bytes < 0 ? 0 : (uint64_t)bytes), (long long)bytes,
		 (long long)entries_int(e, "n_files"), entries_int(e, "n_files") == 1 ? "" : "s");
	out_field("size", line);
	print_about(e);
	out_field("sha256", entries_str(e, "sha256"));
	out_field("info-hash v1", entries_str(e, "hash_v1"));
	out_field("info-hash v2", entries_str(e, "hash_v2"));
	out_field("owner's key", entries_str(e, "key"));
	out_field("magnet", entries_str(e, "magnet"));
	if (buf_cstr(&link) != NULL)
		out_field("by its key", buf_cstr(&link));
	buf_fini(&link);
	snprintf(line, sizeof(line), "%lld, %lld with all of it",
		 (long long)entries_int(holders, "holders"),
		 (long long)entries_int(holders, "seeds"));
	out_field("holders", line);
	info_pieces_print(pieces);
	if (entries_int(e, "n_files") > 1) {
		putchar('\n');
		print_files(json_object_get(e, "files"), entries_int(e, "files_left_out"),
			    files_shown(o));
	}
	if (json_array_size(peers) > 0) {
		putchar('\n');
		entries_print_peers(peers, true);
	}
	if (o->pieces && json_array_size(peers) > 0) {
		putchar('\n');
		info_pieces_print_holders(pieces, peers);
	}
}

/* An index that keeps no maps of pieces has the rest nevertheless. */
static int ask_pieces(struct index_client *c, uint64_t id, json_t **out, struct err_info *info)
{
	struct err_info why = {0};
	int rc = index_client_pieces(c, id, out, &why);

	if (rc != 0 && rc != ERR_NOENT)
		*info = why;
	return rc == ERR_NOENT ? 0 : rc;
}

static void print_json(const struct opts *o, json_t *entry, const json_t *holders, json_t *pieces)
{
	struct buf link;

	put_link(&link, entry);
	if (link.len > 0)
		json_object_set_new(entry, "link", json_string(buf_cstr(&link)));
	buf_fini(&link);
	json_object_set(entry, "peers", json_object_get(holders, "peers"));
	if (pieces != NULL) {
		info_pieces_spell(pieces, o->pieces);
		json_object_set(entry, "pieces", pieces);
	}
	out_json(entry);
}

static int show_entry(const struct opts *o, struct index_client *c, const char *ref,
		      struct err_info *info)
{
	json_t *found = NULL, *entry = NULL, *holders = NULL, *pieces = NULL;
	uint64_t id;
	int rc = index_client_resolve(c, ref, o->latest, &found, info);

	if (rc != 0)
		return rc;
	id = (uint64_t)entries_int(found, "id");
	json_decref(found);
	rc = index_client_info(c, id, &entry, info);
	if (rc == 0)
		rc = index_client_holders(c, id, &holders, info);
	if (rc == 0)
		rc = ask_pieces(c, id, &pieces, info);
	if (rc == 0 && o->json)
		print_json(o, entry, holders, pieces);
	else if (rc == 0)
		print_entry(o, entry, holders, pieces);
	json_decref(entry);
	json_decref(holders);
	json_decref(pieces);
	return rc;
}

/* What the index says of it; where that is gone, what the owner signed, if we know whom we mean. */
static int show_named(const struct opts *o, const char *ref, struct err_info *info)
{
	struct index_client *c = NULL;
	struct err_info why;
	struct dht_name n;
	int rc = index_open(o, &c, info);

	if (rc == 0)
		rc = show_entry(o, c, ref, info);
	index_client_free(c);
	if ((rc != ERR_UNREACHABLE && rc != ERR_TIMEOUT) || o->no_dht ||
	    !dht_name_of_owner(ref, &n))
		return rc;
	if (!o->quiet)
		fprintf(stderr, "%s; asking the distributed hash table for what the owner signed\n",
			info->text);
	if (info_name_show(o, &n, &why) == OK)
		return OK;
	return err_set(info, (enum err)rc, "%.200s; nor is it known without an index: %.200s",
		       info->text, why.text);
}

static int show_link(const struct opts *o, struct err_info *info)
{
	char hash[LINKED_HASH_MAX];
	struct dht_name n;
	struct magnet m;
	int rc = magnet_parse(bytes_str(o->args[0]), &m);

	if (rc != OK)
		return err_set(info, (enum err)rc, "not a magnet link that can be used: %s",
			       magnet_fault_text(&m, rc));
	if (m.has_v1 || m.has_v2) {
		rc = show_named(o, linked_hash(&m, hash), info);
	} else {
		dht_name_of_link(&m, &n);
		rc = info_name_show(o, &n, info);
	}
	magnet_fini(&m);
	return rc;
}

int cmd_info(const struct opts *o)
{
	struct err_info info = {.code = OK};
	struct dht_name n;
	int rc;

	if (torrent_source_is_url(o->args[0]) || torrent_source_is_file(o->args[0]))
		rc = show_torrent(o, &info);
	else if (strncasecmp(o->args[0], "magnet:", 7) == 0)
		rc = show_link(o, &info);
	else if (dht_name_parse(o->args[0], &n))
		rc = info_name_show(o, &n, &info);
	else
		rc = show_named(o, o->args[0], &info);
	return rc == 0 ? EXIT_OK : opts_fail(o, "info", &info);
}
