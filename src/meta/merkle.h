/* meta/merkle.h - the SHA-256 trees of BEP 52.
 *
 *            root                 leaves: SHA-256 of each 16 KiB of the file,
 *           /    \                the last one of what is left; beyond the end
 *         A        B              32 zero bytes ("pad leaves") up to a power of
 *        / \      / \             two. The *piece layer* is the level where one
 *       l0  l1  l2   pad          hash covers `piece length` bytes. */
#ifndef SHOAL_META_MERKLE_H
#define SHOAL_META_MERKLE_H

#include "base/bytes.h"
#include "base/digest.h"

/* The hash of a subtree whose 2^level leaves all lie beyond the end of file. */
void merkle_pad(uint32_t level, uint8_t out[SHA256_LEN]);

/* Number of leaves (blocks) of a file, >= 1 for a non-empty one. */
uint64_t merkle_leaves(uint64_t file_bytes);

/* Root over `n` nodes that stand at height `level` above the leaves (0: they are
 * leaves), padded with merkle_pad(level) to `width` nodes.
 * Units:   `width` is a power of two, n >= 1, n <= width.
 * Owns:    overwrites `nodes` (n * 32 bytes) while it works. */
void merkle_root(uint8_t *nodes, uint64_t n, uint64_t width, uint32_t level,
		 uint8_t out[SHA256_LEN]);

/* The same over nodes that stay as they are: at height `base`, n >= 1. Needs no memory. */
void merkle_over(const uint8_t *nodes, uint64_t n, uint64_t width, uint32_t base,
		 uint8_t out[SHA256_LEN]);

/* The hash of one piece from its leaves. `leaves` (n * 32 bytes) is overwritten.
 * A piece that is a whole file not longer than piece_length is hashed over the
 * file's own width, which makes it equal to the file's root. */
void merkle_piece(uint8_t *leaves, uint32_t n, uint32_t piece_blocks, bool whole_file,
		  uint8_t out[SHA256_LEN]);

/* A file's root from its piece layer of n >= 1 hashes. */
void merkle_file_root(const uint8_t *layer, uint64_t n, uint32_t piece_blocks,
		      uint8_t out[SHA256_LEN]);

/* Does the run of `n` hashes (power of two) at `index` of height `base` belong to
 * `root`? `proof` holds `n_proof` uncle hashes from just above the run upwards.
 * Source:  BEP 52 "hashes" message.
 * Returns: true when the computed top equals root. */
bool merkle_proof_holds(const uint8_t *hashes, uint32_t n, uint32_t index, const uint8_t *proof,
			uint32_t n_proof, const uint8_t root[SHA256_LEN]);

/* smallest power of two >= n, n <= 2^63 */
uint64_t merkle_width(uint64_t n);

/* How high a tree stands over `width` nodes, a power of two: its logarithm. */
uint32_t merkle_height(uint64_t width);

#endif
