/* meta/meta_query.c - answers about a torrent that was read: pieces, blocks, files. */
#include "meta/metainfo_impl.h"

static uint32_t blocks_of(uint32_t bytes)
{
	return (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
}

uint32_t meta_piece_bytes(const struct metainfo *m, uint32_t piece)
{
	uint64_t start = (uint64_t)piece * m->piece_length;
	uint64_t end = m->space_bytes;

	if (piece >= m->n_pieces)
		return 0;
	if (!m->v1) {
		const struct meta_file *f = meta_piece_file(m, piece);

		end = f->offset + f->length;
	}
	return end - start < m->piece_length ? (uint32_t)(end - start) : m->piece_length;
}

uint32_t meta_request_bytes(const struct metainfo *m, uint32_t piece)
{
	uint32_t bytes = meta_piece_bytes(m, piece);

	return m->v1 ? bytes : blocks_of(bytes) * BLOCK_BYTES;
}

uint32_t meta_piece_blocks(const struct metainfo *m, uint32_t piece)
{
	return blocks_of(meta_piece_bytes(m, piece));
}

/* Of the bytes [from, end) of the piece space, how many are there without the pads at their end? */
static uint32_t without_pads(const struct metainfo *m, uint64_t from, uint64_t end)
{
	uint32_t i = meta_file_at(m, end - 1);

	while (end > from && i < m->n_files &&
	       (m->files[i].length == 0 || (m->files[i].flags & META_FILE_PAD) != 0))
		end = m->files[i--].offset;
	return end > from ? (uint32_t)(end - from) : 0;
}

uint32_t meta_block_bytes(const struct metainfo *m, uint32_t piece, uint32_t block)
{
	uint32_t bytes = meta_piece_bytes(m, piece);
	uint64_t from;

	if (block >= blocks_of(bytes))
		return 0;
	bytes -= block * BLOCK_BYTES;
	if (bytes > BLOCK_BYTES)
		bytes = BLOCK_BYTES;
	if (!m->pads)
		return bytes;
	from = (uint64_t)piece * m->piece_length + (uint64_t)block * BLOCK_BYTES;
	return without_pads(m, from, from + bytes);
}

/* Each file has the blocks that it lies in fetched, up to where it ends. */
uint32_t meta_fetch_bytes(const struct metainfo *m, uint32_t piece)
{
	uint64_t start = (uint64_t)piece * m->piece_length, done = start;
	uint64_t end = start + meta_piece_bytes(m, piece);
	uint32_t sum = 0;

	if (!m->pads)
		return (uint32_t)(end - start);
	for (uint32_t i = meta_file_at(m, start); i < m->n_files; i++) {
		const struct meta_file *f = &m->files[i];
		uint64_t from = f->offset > start ? f->offset : start, to = f->offset + f->length;

		if (from >= end)
			break;
		if (f->length == 0 || (f->flags & META_FILE_PAD) != 0)
			continue;
		from -= (from - start) % BLOCK_BYTES;
		if (from < done)
			from = done;
		done = to < end ? to : end;
		sum += (uint32_t)(done - from);
	}
	return sum;
}

uint64_t meta_file_done(const struct metainfo *m, const struct meta_file *f,
			const struct bitfield *have)
{
	uint64_t sum = 0, end = f->offset + f->length;

	for (uint32_t i = f->first_piece; i - f->first_piece < f->n_pieces; i++) {
		uint64_t from = (uint64_t)i * m->piece_length, to = from + m->piece_length;

		if (!bitfield_has(have, i))
			continue;
		if (from < f->offset)
			from = f->offset;
		sum += (to < end ? to : end) - from;
	}
	return sum;
}

uint32_t meta_file_at(const struct metainfo *m, uint64_t offset)
{
	uint32_t low = 0, high = m->n_files;
	const struct meta_file *f;

	/* The last file that starts at or before `offset`: of those that start there
	 * together all but the last are empty. */
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (m->files[mid].offset <= offset)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0)
		return m->n_files;
	f = &m->files[low - 1];
	return offset - f->offset < f->length ? low - 1 : m->n_files;
}

const struct meta_file *meta_piece_file(const struct metainfo *m, uint32_t piece)
{
	uint32_t i;

	if (!m->v2 || piece >= m->n_pieces)
		return NULL;
	/* v2 files start where pieces start, and no pad is a whole piece */
	i = meta_file_at(m, (uint64_t)piece * m->piece_length);
	return i < m->n_files ? &m->files[i] : NULL;
}

const uint8_t *meta_piece_hash_v2(const struct metainfo *m, uint32_t piece)
{
	const struct meta_file *f = meta_piece_file(m, piece);

	if (f == NULL || f->layer == NULL)
		return NULL;
	return f->layer + (size_t)(piece - f->first_piece) * SHA256_LEN;
}

const uint8_t *meta_swarm_hash(const struct metainfo *m)
{
	return m->v1 ? m->hash_v1 : m->hash_v2;
}

bool meta_has_swarm_hash(const struct metainfo *m, const uint8_t hash[SHA1_LEN])
{
	return (m->v1 && memcmp(hash, m->hash_v1, SHA1_LEN) == 0) ||
	       (m->v2 && memcmp(hash, m->hash_v2, SHA1_LEN) == 0);
}
