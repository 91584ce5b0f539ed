#include "meta/merkle.h"

#include "base/err.h"
#include "meta/metainfo.h"

void merkle_pad(uint32_t level, uint8_t out[SHA256_LEN])
{
	memset(out, 0, SHA256_LEN);
	for (uint32_t i = 0; i < level; i++)
		sha256_pair(out, out, out);
}

uint64_t merkle_width(uint64_t n)
{
	uint64_t width = 1;

	while (width < n)
		width *= 2;
	return width;
}

uint64_t merkle_leaves(uint64_t file_bytes)
{
	return file_bytes / BLOCK_BYTES + (file_bytes % BLOCK_BYTES != 0);
}

uint32_t merkle_height(uint64_t width)
{
	uint32_t height = 0;

	while (width > 1) {
		width /= 2;
		height++;
	}
	return height;
}

/* One level at a time, in place. Of the pad nodes only one per level is ever made:
 * they are all alike, and all but one have a pad node for their neighbour. */
void merkle_root(uint8_t *nodes, uint64_t n, uint64_t width, uint32_t level,
		 uint8_t out[SHA256_LEN])
{
	uint8_t pad[SHA256_LEN];

	merkle_pad(level, pad);
	for (; width > 1; width /= 2) {
		for (uint64_t i = 0; i + 1 < n; i += 2)
			sha256_pair(nodes + i * SHA256_LEN, nodes + (i + 1) * SHA256_LEN,
				    nodes + i / 2 * SHA256_LEN);
		if (n % 2 != 0)
			sha256_pair(nodes + (n - 1) * SHA256_LEN, pad, nodes + n / 2 * SHA256_LEN);
		n = (n + 1) / 2;
		sha256_pair(pad, pad, pad);
	}
	memcpy(out, nodes, SHA256_LEN);
}

void merkle_piece(uint8_t *leaves, uint32_t n, uint32_t piece_blocks, bool whole_file,
		  uint8_t out[SHA256_LEN])
{
	merkle_root(leaves, n, whole_file ? merkle_width(n) : piece_blocks, 0, out);
}

/* Adds nodes one by one from the left and keeps only what is not yet paired: one
 * node per level, bit i of `count` telling whether level i holds one. */
struct spine {
	uint64_t count;
	uint8_t node[64][SHA256_LEN];
};

static void spine_add(struct spine *s, const uint8_t node[SHA256_LEN])
{
	uint8_t sum[SHA256_LEN];
	uint32_t level = 0;

	memcpy(sum, node, SHA256_LEN);
	for (; (s->count >> level & 1) != 0; level++)
		sha256_pair(s->node[level], sum, sum);
	memcpy(s->node[level], sum, SHA256_LEN);
	s->count++;
}

void merkle_over(const uint8_t *nodes, uint64_t n, uint64_t width, uint32_t base,
		 uint8_t out[SHA256_LEN])
{
	uint32_t top = merkle_height(width);
	uint8_t pad[SHA256_LEN];
	struct spine s;
	bool open = false; /* `out` holds the right edge of what was added */

	assert(n > 0 && n <= width);
	s.count = 0;
	for (uint64_t i = 0; i < n; i++)
		spine_add(&s, nodes + i * SHA256_LEN);
	merkle_pad(base, pad);
	for (uint32_t level = 0; level < top; level++) {
		bool here = (s.count >> level & 1) != 0;

		if (here && open)
			sha256_pair(s.node[level], out, out);
		else if (here || open)
			sha256_pair(here ? s.node[level] : out, pad, out);
		open = open || here;
		sha256_pair(pad, pad, pad);
	}
	if (!open)
		memcpy(out, s.node[top], SHA256_LEN);
}

void merkle_file_root(const uint8_t *layer, uint64_t n, uint32_t piece_blocks,
		      uint8_t out[SHA256_LEN])
{
	merkle_over(layer, n, merkle_width(n), merkle_height(piece_blocks), out);
}

bool merkle_proof_holds(const uint8_t *hashes, uint32_t n, uint32_t index, const uint8_t *proof,
			uint32_t n_proof, const uint8_t root[SHA256_LEN])
{
	uint8_t node[SHA256_LEN];
	struct spine s;

	if (n == 0 || (n & (n - 1)) != 0 || index % n != 0 || n_proof > 63)
		return false;
	s.count = 0;
	for (uint32_t i = 0; i < n; i++)
		spine_add(&s, hashes + (size_t)i * SHA256_LEN);
	memcpy(node, s.node[merkle_height(n)], SHA256_LEN);
	index /= n;
	for (uint32_t i = 0; i < n_proof; i++, index /= 2) {
		const uint8_t *uncle = proof + (size_t)i * SHA256_LEN;

		if (index % 2 == 0)
			sha256_pair(node, uncle, node);
		else
			sha256_pair(uncle, node, node);
	}
	/* an index left over would lie beside the tree */
	return index == 0 && memcmp(node, root, SHA256_LEN) == 0;
}
