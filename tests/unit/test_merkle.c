#include "meta/merkle.h"

#include <stdlib.h>

#include "base/rng.h"
#include "base/text.h"
#include "test.h"

static void fill(uint8_t *nodes, size_t n, uint64_t seed)
{
	struct rng r;

	rng_seed(&r, seed);
	rng_fill(&r, nodes, n * SHA256_LEN);
}

/* The tree in the plainest way: all nodes written out, pads included. */
static void plain_root(const uint8_t *nodes, uint64_t n, uint64_t width, uint32_t level,
		       uint8_t out[SHA256_LEN])
{
	uint8_t *all = calloc(width, SHA256_LEN);

	memcpy(all, nodes, n * SHA256_LEN);
	for (uint64_t i = n; i < width; i++)
		merkle_pad(level, all + i * SHA256_LEN);
	for (; width > 1; width /= 2)
		for (uint64_t i = 0; i < width / 2; i++)
			sha256_pair(all + 2 * i * SHA256_LEN, all + (2 * i + 1) * SHA256_LEN,
				    all + i * SHA256_LEN);
	memcpy(out, all, SHA256_LEN);
	free(all);
}

static void check_hex(const uint8_t hash[SHA256_LEN], const char *want)
{
	char hex[2 * SHA256_LEN + 1];

	text_hex(hex, bytes_of(hash, SHA256_LEN));
	CHECK_STR(hex, want);
}

TEST(merkle_pads_are_hashes_of_zeros)
{
	uint8_t pad[SHA256_LEN];

	merkle_pad(0, pad);
	check_hex(pad, "0000000000000000000000000000000000000000000000000000000000000000");
	merkle_pad(1, pad);
	check_hex(pad, "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b");
	merkle_pad(2, pad);
	check_hex(pad, "db56114e00fdd4c1f85c892bf35ac9a89289aaecb1ebd0a96cde606a748b5d71");
}

TEST(merkle_counts_blocks_and_widths)
{
	CHECK(merkle_leaves(0) == 0);
	CHECK(merkle_leaves(1) == 1);
	CHECK(merkle_leaves(16384) == 1);
	CHECK(merkle_leaves(16385) == 2);
	CHECK(merkle_leaves(UINT64_MAX) == (uint64_t)1 << 50);
	CHECK(merkle_width(1) == 1);
	CHECK(merkle_width(2) == 2);
	CHECK(merkle_width(3) == 4);
	CHECK(merkle_width(1025) == 2048);
	CHECK(merkle_width((uint64_t)1 << 63) == (uint64_t)1 << 63);
}

TEST(merkle_root_equals_the_tree_written_out)
{
	for (uint64_t n = 1; n <= 33; n++) {
		for (uint64_t width = merkle_width(n); width <= 64; width *= 2) {
			for (uint32_t level = 0; level < 3; level++) {
				uint8_t *nodes = malloc(n * SHA256_LEN), want[32], got[32];

				fill(nodes, n, n);
				plain_root(nodes, n, width, level, want);
				merkle_root(nodes, n, width, level, got);
				CHECK_MEM(got, want, SHA256_LEN);
				free(nodes);
			}
		}
	}
}

TEST(merkle_of_pieces_equals_merkle_of_blocks)
{
	/* A file of `n` blocks in pieces of `blocks`: both ways lead to one root. */
	for (uint32_t blocks = 1; blocks <= 8; blocks *= 2) {
		for (uint32_t n = 1; n <= 40; n++) {
			uint8_t leaves[40 * SHA256_LEN], layer[40 * SHA256_LEN], want[32], got[32];
			uint32_t pieces = 0;

			fill(leaves, n, n);
			plain_root(leaves, n, merkle_width(n), 0, want);
			for (uint32_t i = 0; i < n; i += blocks)
				merkle_piece(leaves + i * SHA256_LEN,
					     n - i < blocks ? n - i : blocks, blocks, n <= blocks,
					     layer + SHA256_LEN * pieces++);
			if (n <= blocks) {
				CHECK_MEM(layer, want, SHA256_LEN);
				continue;
			}
			merkle_file_root(layer, pieces, blocks, got);
			CHECK_MEM(got, want, SHA256_LEN);
		}
	}
}

/* Hashes of a whole tree of 16: level by level, level 0 at [0], level 1 at [16] .. */
static void make_tree(uint8_t all[31][SHA256_LEN])
{
	fill(all[0], 16, 5);
	for (uint32_t from = 0, to = 16; to < 31; from += 2, to++)
		sha256_pair(all[from], all[from + 1], all[to]);
}

TEST(merkle_proof_holds_for_every_run_at_its_own_place_only)
{
	static const uint32_t start[] = {0, 16, 24, 28, 30};
	uint8_t all[31][SHA256_LEN], proof[4][SHA256_LEN];

	make_tree(all);
	for (uint32_t log = 0; log <= 4; log++) {
		uint32_t n = 1u << log, n_proof = 4 - log;

		for (uint32_t index = 0; index < 16; index += n) {
			for (uint32_t i = 0; i < n_proof; i++) {
				uint32_t at = (index >> (log + i)) ^ 1;

				memcpy(proof[i], all[start[log + i] + at], SHA256_LEN);
			}
			for (uint32_t at = 0; at < 64; at++)
				CHECK_INT(merkle_proof_holds(all[index], n, at, proof[0], n_proof,
							     all[30]),
					  at == index);
			if (n_proof == 0)
				continue;
			CHECK(!merkle_proof_holds(all[index], n, index, proof[0], n_proof - 1,
						  all[30]));
			proof[n_proof - 1][7] ^= 1;
			CHECK(
			    !merkle_proof_holds(all[index], n, index, proof[0], n_proof, all[30]));
		}
	}
}

TEST(merkle_proof_refuses_odd_runs)
{
	uint8_t all[31][SHA256_LEN];

	make_tree(all);
	CHECK(!merkle_proof_holds(all[0], 0, 0, NULL, 0, all[0]));
	CHECK(!merkle_proof_holds(all[0], 3, 0, all[3], 1, all[28]));
	CHECK(!merkle_proof_holds(all[0], 2, 1, all[17], 1, all[24]));
	CHECK(!merkle_proof_holds(all[0], 1, UINT32_MAX, all[1], 64, all[16]));
	CHECK(merkle_proof_holds(all[30], 1, 0, NULL, 0, all[30]));
}
