/* .torrent files: every path stays beneath the folder, pieces and files cover the data
 * exactly once, and the link made of a torrent names the same torrent. */
#include "meta/metainfo.h"

#include "fuzz.h"
#include "fuzz_path.h"
#include "meta/magnet.h"

/* Walked piece by piece up to here, so that a million empty pieces cost no time. */
#define PIECES_WALKED 2000u

static void check_files(const struct metainfo *m)
{
	uint64_t total = 0, end = 0;
	uint32_t real = 0;

	for (uint32_t i = 0; i < m->n_files; i++) {
		const struct meta_file *f = &m->files[i];

		fuzz_check_path(f->path);
		FUZZ_CHECK(f->offset >= end && f->length <= m->space_bytes - f->offset);
		end = f->offset + f->length;
		if (f->flags & META_FILE_PAD)
			continue;
		total += f->length;
		real++;
		FUZZ_CHECK(f->length == 0 || meta_file_at(m, f->offset) == i);
		FUZZ_CHECK(f->n_pieces <= m->n_pieces - f->first_piece);
		FUZZ_CHECK(!m->v2 || f->length == 0 || (f->has_root && f->layer != NULL));
	}
	FUZZ_CHECK(total == m->total_bytes && real == m->n_real_files);
	FUZZ_CHECK(end <= m->space_bytes && meta_file_at(m, m->space_bytes) == m->n_files);
}

static void check_pieces(const struct metainfo *m)
{
	uint64_t sum = 0;

	FUZZ_CHECK(m->n_pieces <= META_PIECES_MAX);
	FUZZ_CHECK(m->n_pieces == 0 || !m->v1 || m->pieces_v1 != NULL);
	if (m->n_pieces > PIECES_WALKED)
		return;
	for (uint32_t i = 0; i < m->n_pieces; i++) {
		uint32_t bytes = meta_piece_bytes(m, i), blocks = 0;

		FUZZ_CHECK(bytes > 0 && bytes <= m->piece_length);
		FUZZ_CHECK(!m->v2 || meta_piece_hash_v2(m, i) != NULL);
		for (uint32_t b = 0; b < meta_piece_blocks(m, i) && b < 9000; b++)
			blocks += meta_block_bytes(m, i, b);
		FUZZ_CHECK(meta_fetch_bytes(m, i) == (m->pads ? blocks : bytes));
		FUZZ_CHECK(m->pads || blocks == bytes);
		sum += bytes;
	}
	FUZZ_CHECK(sum == (m->v1 ? m->space_bytes : m->total_bytes));
}

static void check_link(const struct metainfo *m)
{
	struct magnet link;
	struct buf out;

	buf_init(&out, 8u << 20);
	FUZZ_CHECK(magnet_put(m, &out) == 0);
	if (out.len <= MAGNET_BYTES_MAX) {
		FUZZ_CHECK(magnet_parse(buf_bytes(&out), &link) == 0);
		FUZZ_CHECK(link.has_v1 == m->v1 && link.has_v2 == m->v2);
		FUZZ_CHECK(!m->v1 || memcmp(link.hash_v1, m->hash_v1, SHA1_LEN) == 0);
		FUZZ_CHECK(!m->v2 || memcmp(link.hash_v2, m->hash_v2, SHA256_LEN) == 0);
		FUZZ_CHECK(strcmp(link.name, m->name) == 0);
		FUZZ_CHECK(link.n_trackers == m->n_trackers);
		magnet_fini(&link);
	}
	buf_fini(&out);
}

static void check_info(const struct metainfo *m)
{
	struct metainfo *bare = NULL;

	if (meta_parse_info(m->info, &bare) != META_OK)
		return;
	FUZZ_CHECK(bare->v1 == m->v1 && bare->n_pieces == m->n_pieces);
	/* A hybrid without the layers that it needs is taken as v1. */
	FUZZ_CHECK(bare->v2 == m->v2 || (m->v1 && !m->v2));
	FUZZ_CHECK(memcmp(meta_swarm_hash(bare), meta_swarm_hash(m), SHA1_LEN) == 0);
	FUZZ_CHECK(meta_has_swarm_hash(m, meta_swarm_hash(m)));
	meta_free(bare);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct metainfo *m = NULL, *again = NULL;
	enum meta_fault fault = meta_parse(bytes_of(data, size), &m);

	FUZZ_CHECK(meta_parse(bytes_of(data, size), &again) == fault);
	FUZZ_CHECK(meta_fault_text(fault) != NULL);
	FUZZ_CHECK((m != NULL) == (fault == META_OK) && (again != NULL) == (fault == META_OK));
	if (m == NULL)
		return 0;
	FUZZ_CHECK(m->v1 || m->v2);
	fuzz_check_component(m->name);
	check_files(m);
	check_pieces(m);
	check_info(m);
	check_link(m);
	FUZZ_SEEDED(m->private && m->n_real_files > 2 && m->created_at > 1);
	meta_free(m);
	meta_free(again);
	return 0;
}
