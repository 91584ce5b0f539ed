/* Blocks without data: marks, the hashes they stand for, and torrents made of those. */
#include <stdlib.h>

#include "meta/create.h"
#include "meta/merkle.h"
#include "sim/net_impl.h"

uint32_t net_block_index(const struct metainfo *m, uint32_t piece, uint32_t block)
{
	return piece * ((m->piece_length + BLOCK_BYTES - 1) / BLOCK_BYTES) + block;
}

void net_block_hash(uint32_t piece, uint32_t block, enum mark mark, uint8_t out[SHA256_LEN])
{
	uint8_t text[12];

	put_be32(text, piece);
	put_be32(text + 4, block);
	put_be32(text + 8, (uint32_t)mark);
	sha256_of(bytes_of(text, sizeof(text)), out);
}

/* The piece layer, and the root, of a file of true blocks. */
static void hash_file(uint64_t bytes, uint32_t piece_length, uint8_t *layer,
		      uint8_t root[SHA256_LEN])
{
	uint32_t per_piece = piece_length / BLOCK_BYTES;
	uint32_t n_blocks = (uint32_t)merkle_leaves(bytes);
	uint32_t n_pieces = (n_blocks + per_piece - 1) / per_piece;
	uint8_t *leaves = malloc((size_t)per_piece * SHA256_LEN);

	if (leaves == NULL)
		abort();
	for (uint32_t i = 0; i < n_pieces; i++) {
		uint32_t left = n_blocks - i * per_piece;
		uint32_t n = left < per_piece ? left : per_piece;

		for (uint32_t b = 0; b < n; b++)
			net_block_hash(i, b, MARK_TRUE, leaves + (size_t)b * SHA256_LEN);
		merkle_piece(leaves, n, per_piece, n_pieces == 1, layer + (size_t)i * SHA256_LEN);
	}
	free(leaves);
	if (n_pieces == 1)
		memcpy(root, layer, SHA256_LEN);
	else
		merkle_file_root(layer, n_pieces, per_piece, root);
}

struct metainfo *net_metainfo(uint64_t bytes, uint32_t piece_length, bool v1, bool v2)
{
	size_t n_pieces = (size_t)((bytes + piece_length - 1) / piece_length);
	uint8_t *pieces = calloc(n_pieces, SHA1_LEN), *layer = calloc(n_pieces, SHA256_LEN);
	uint8_t root[SHA256_LEN];
	struct create_file file = {.path = "data", .length = bytes};
	struct create_spec spec = {.name = "data",
				   .single = true,
				   .v1 = v1,
				   .v2 = v2,
				   .piece_length = piece_length,
				   .files = &file,
				   .n_files = 1};
	struct metainfo *m = NULL;
	struct buf out;

	buf_init(&out, META_BYTES_MAX);
	if (v2) {
		hash_file(bytes, piece_length, layer, root);
		file.root = root;
		file.layer = bytes > piece_length ? layer : NULL;
	}
	if (v1) {
		spec.pieces_v1 = pieces;
		spec.n_pieces_v1 = n_pieces;
	}
	if (create_torrent(&spec, &out) < 0 || meta_parse(buf_bytes(&out), &m) != META_OK)
		m = NULL;
	buf_fini(&out);
	free(pieces);
	free(layer);
	return m;
}
