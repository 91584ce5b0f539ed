/* meta/create.h - writes .torrent files from hashes that were made elsewhere. */
#ifndef SHOAL_META_CREATE_H
#define SHOAL_META_CREATE_H

#include "base/buf.h"
#include "meta/metainfo.h"

/* One real file, in the order of create_order(). Borrowed pointers. */
struct create_file {
	const char *path; /* '/'-joined, relative to the torrent's folder */
	uint64_t length;
	bool executable;
	const uint8_t *root;  /* v2: 32 bytes, NULL when the file is empty */
	const uint8_t *layer; /* v2: piece layer, NULL when length <= piece_length */
};

struct create_spec {
	const char *name;
	bool single; /* one file called `name`; files[0].path is ignored */
	bool v1, v2;
	uint32_t piece_length;
	const struct create_file *files;
	size_t n_files;
	const uint8_t *pieces_v1; /* v1: 20 bytes a piece of the (padded) piece space */
	size_t n_pieces_v1;
	const char *const *trackers; /* each its own tier */
	size_t n_trackers;
	const char *const *webseeds; /* BEP 19 */
	size_t n_webseeds;
	const char *comment, *created_by; /* NULL: leave out */
	int64_t created_at;		  /* 0: leave out */
	bool private;
	const char *source; /* NULL: leave out; changes the info-hash */
};

/* Can a file or folder be called so in a torrent? */
bool create_name_is_fit(const char *name);

/* The whole .torrent. Info dictionaries are byte-equal to what libtorrent 2.0.8
 * (v2, hybrid) and mktorrent 1.1 (v1) write for the same input; v1 alone thus says
 * nothing of executables. transmission-create 3.00 is not followed: it leaves out
 * empty files and sorts without regard to case.
 * Source:  BEP 3, 12, 19, 27, 47 (pads ".pad/<length>"), 52.
 * Returns: 0, ERR_INVALID (a path, name, order or hash that meta_parse would refuse),
 *          ERR_TOO_BIG or ERR_NOMEM. `out` then holds a part. */
int create_torrent(const struct create_spec *spec, struct buf *out);

/* What a torrent has too much of to be read back: FILES are files, or what is said of them. */
enum create_excess { CREATE_FITS, CREATE_FILES, CREATE_PIECES };
/* Before anything is hashed: will create_torrent() say ERR_TOO_BIG? Pieces and layers are not
 * looked at; a file's root only needs to be 32 bytes. If no two files are alike the answer is right
 * to some bytes. Returns 0 or ERR_NOMEM. */
int create_measure(const struct create_spec *spec, enum create_excess *out);

/* Rank of two paths in the file order that torrents of this kind use: v2 and
 * hybrid walk the file tree (raw order of components); v1 the order of others'
 * tools. Suits qsort on '/'-joined paths: <0, 0, >0. */
int create_order(const char *a, const char *b, bool v2);

/* Piece length for about 1,000 to 2,000 pieces: a power of two in 16 KiB..16 MiB.
 * `aligned` (v2, hybrid): each file has a last piece of its own, and in a hybrid the rest of that
 * piece is a pad, which costs SHA-1 and, with peers that know no pads, transfer. So only pieces
 * that are full count there, and thousands of small files get small pieces. */
uint32_t create_piece_length(const uint64_t *lengths, size_t n_files, bool aligned);

/* Where the bytes of each file go in the v1 piece space: fills offsets[n_files]
 * (hybrid: aligned to pieces, the gaps are pads) and returns its end. In a hybrid
 * of several files the end counts a pad after the last file too, as libtorrent
 * 2.0.8 has it: the last v1 piece is hashed with those zeros. */
uint64_t create_offsets(const uint64_t *lengths, size_t n_files, uint32_t piece_length,
			bool aligned, uint64_t *offsets);

#endif
