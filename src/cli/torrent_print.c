#include "cli/torrent_print.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/entries.h"
#include "cli/out.h"
#include "node/torrent_file.h"

static void print_numbers(const struct metainfo *m)
{
	char size[32], line[128];

	snprintf(line, sizeof(line), "%s (%llu bytes), %u file%s",
		 text_size(size, sizeof(size), m->total_bytes), (unsigned long long)m->total_bytes,
		 m->n_real_files, m->n_real_files == 1 ? "" : "s");
	out_field("size", line);
	snprintf(line, sizeof(line), "%u of %s", m->n_pieces,
		 text_size(size, sizeof(size), m->piece_length));
	out_field("pieces", line);
}

static void print_files(const struct metainfo *m, uint32_t most)
{
	static const char *const columns[] = {"SIZE", "FILE"};
	static const bool right[] = {true, false};
	struct out_table *t = out_table_new(columns, 2, right);
	uint32_t shown = 0;
	char size[32];

	for (uint32_t i = 0; i < m->n_files && shown < most; i++) {
		const struct meta_file *f = &m->files[i];

		if (f->flags & META_FILE_PAD)
			continue;
		out_row(t);
		out_cell(t, text_size(size, sizeof(size), f->length));
		out_cell(t, f->path);
		shown++;
	}
	out_table_print(t);
	if (shown < m->n_real_files)
		printf("... and %u more; --all lists them\n", m->n_real_files - shown);
}

void torrent_print(const struct metainfo *m, uint32_t files)
{
	char hex[SHA256_LEN * 2 + 1], date[ENTRIES_DATE_MAX];
	json_t *magnet = torrent_magnet(m);

	out_field("name", m->name);
	if (strcmp(m->name, meta_content_name(m)) != 0)
		out_field("file name", meta_content_name(m));
	if (m->v1) {
		text_hex(hex, bytes_of(m->hash_v1, SHA1_LEN));
		out_field("info-hash v1", hex);
	}
	if (m->v2) {
		text_hex(hex, bytes_of(m->hash_v2, SHA256_LEN));
		out_field("info-hash v2", hex);
	}
	print_numbers(m);
	if (m->private)
		out_field("private", "yes");
	if (m->created_at != 0)
		out_field("created", entries_date(date, m->created_at));
	out_field("created by", m->created_by);
	out_field("comment", m->comment);
	for (uint32_t i = 0; i < m->n_trackers; i++)
		out_field("tracker", m->trackers[i].url);
	if (json_is_string(magnet))
		out_field("magnet", json_string_value(magnet));
	json_decref(magnet);
	if (files > 0 && !m->single) {
		putchar('\n');
		print_files(m, files);
	}
}
