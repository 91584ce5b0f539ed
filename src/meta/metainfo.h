/* meta/metainfo.h - a torrent as a checked value: what a share is. */
#ifndef SHOAL_META_METAINFO_H
#define SHOAL_META_METAINFO_H

#include "base/bitfield.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/digest.h"
#include "base/err.h"

#define BLOCK_BYTES 16384u /* BEP 3, BEP 52: one request, one Merkle leaf */

/* Limits, each against a torrent that costs more to hold than it is worth. */
#define META_BYTES_MAX (64u << 20) /* of a .torrent file */
#define META_FILES_MAX 500000u	   /* pad files included */
#define META_PIECES_MAX (1u << 21)
#define META_PIECE_LENGTH_MIN BLOCK_BYTES /* v2 and hybrid */
#define META_PIECE_LENGTH_MIN_V1 1024u	  /* v1; need not be a power of two */
#define META_PIECE_LENGTH_MAX (128u << 20)
#define META_NAME_BYTES_MAX 255u  /* one path component, as file systems have it */
#define META_PATH_BYTES_MAX 4000u /* a whole path inside the torrent */
#define META_DEPTH_MAX 90u	  /* components of a path; bencode allows 100 levels */
#define META_TRACKERS_MAX 100u
#define META_URL_BYTES_MAX 2048u  /* longer tracker URLs are left out */
#define META_WEBSEEDS_MAX 32u	  /* each is asked, and costs a connection */
#define META_TEXT_BYTES_MAX 4096u /* comment and created by are cut here */

/* Every way a .torrent can be wrong; each has its own sentence. The implementer
 * may add members; the order carries no meaning. */
enum meta_fault {
	META_OK = 0,
	META_NOT_BENCODE,
	META_BENCODE_LIMIT, /* BENC_* limits: depth, number of values, size of integers */
	META_TRAILING_BYTES,
	META_TOO_LARGE,
	META_NOT_DICT,
	META_NO_INFO,
	META_INFO_NOT_DICT,
	META_DUPLICATE_KEY,
	META_UNSORTED_V2,
	META_VERSION_UNKNOWN, /* "meta version" other than 2: newer than we can read */
	META_NO_NAME,
	META_NAME_EMPTY,
	META_NAME_BAD, /* ".", "..", "/" or NUL inside */
	META_NAME_LONG,
	META_NO_PIECE_LENGTH,
	META_PIECE_LENGTH_BAD, /* zero, negative or outside the limits */
	META_PIECE_LENGTH_NOT_POWER,
	META_NO_PIECES,
	META_PIECES_NOT_20,
	META_PIECES_FEW,
	META_PIECES_MANY,
	META_TOO_MANY_PIECES,
	META_NO_FILES, /* neither length, files nor file tree */
	META_FILES_NOT_LIST,
	META_FILES_EMPTY,
	META_FILE_NOT_DICT,
	META_FILE_NO_LENGTH,
	META_FILE_LENGTH_BAD,
	META_SIZE_OVERFLOW,
	META_FILE_NO_PATH,
	META_PATH_EMPTY,
	META_PATH_BAD,
	META_PATH_LONG,
	META_PATHS_LONG, /* all paths together, far beyond the torrent's own size */
	META_PATH_CLASH, /* two files in one place, or a file where a folder is */
	META_TOO_MANY_FILES,
	META_TREE_NOT_DICT,
	META_TREE_EMPTY,
	META_TREE_ROOT_IS_FILE,
	META_TREE_FILE_HAS_SIBLINGS,
	META_TREE_DEEP,
	META_ROOT_MISSING,
	META_ROOT_BAD_LENGTH,
	META_ROOT_ZERO,
	META_ROOT_ON_EMPTY_FILE,
	META_LAYERS_MISSING,
	META_LAYERS_NOT_DICT,
	META_LAYER_MISSING,
	META_LAYER_EXTRA,
	META_LAYER_BAD_LENGTH,
	META_LAYER_MISMATCH,
	META_HYBRID_FILES_DIFFER,
	META_PAD_BAD,
	META_SYMLINK_BAD,
	META_NOMEM,
};

/* OK; ERR_NOMEM, when nothing is known of the torrent; else ERR_PROTO. */
enum err meta_fault_err(enum meta_fault f);
/* One sentence, e.g. "the length of 'pieces' is not a multiple of 20". */
const char *meta_fault_text(enum meta_fault f);

enum {
	META_FILE_PAD = 1,     /* BEP 47 'p': zeros that exist only in the piece space */
	META_FILE_EXEC = 2,    /* BEP 47 'x' */
	META_FILE_SYMLINK = 4, /* BEP 47 'l': listed, never created on disk (O-08) */
	META_FILE_HIDDEN = 8,  /* BEP 47 'h' */
};

struct meta_file {
	const char *path; /* components joined by '/', relative to the folder `name`;
			     the bare name for a single-file torrent. Bytes, not text:
			     may hold any byte but NUL. */
	uint64_t length;  /* bytes */
	uint64_t offset;  /* of its first byte in the piece space */
	uint32_t first_piece;
	uint32_t n_pieces; /* pieces it touches; 0 when empty */
	unsigned flags;	   /* META_FILE_* */
	bool has_root;	   /* v2 and not empty */
	uint8_t root[SHA256_LEN];
	const uint8_t *layer; /* v2: n_pieces hashes of 32 bytes, behind which meta_layers.c keeps
				 more; for a file of one piece this points at `root`; NULL while
				 unknown, see meta_parse_info */
};

struct meta_tracker {
	const char *url;
	uint32_t tier; /* BEP 12; ascending in the array */
};

/* Owns everything it points to. Read-only after meta_parse. */
struct metainfo {
	bool v1, v2;  /* both: hybrid */
	bool single;  /* one file, called `name` */
	bool private; /* BEP 27 */
	uint8_t hash_v1[SHA1_LEN];
	uint8_t hash_v2[SHA256_LEN];
	char *name;
	uint32_t piece_length;
	uint32_t n_pieces;	 /* 0 when every file is empty */
	uint64_t total_bytes;	 /* of real files, pads left out */
	uint64_t space_bytes;	 /* end of the piece space: v1 and hybrid count pads, v2-only
				    counts alignment gaps before the last file */
	struct meta_file *files; /* in piece order, pads included */
	uint32_t n_files;
	uint32_t n_real_files;	  /* pads left out, links not */
	bool pads;		  /* some bytes of the piece space are pads */
	const uint8_t *pieces_v1; /* n_pieces hashes of 20 bytes, or NULL */
	struct meta_tracker *trackers;
	uint32_t n_trackers;
	char **webseeds; /* BEP 19 "url-list": http or https, each once */
	uint32_t n_webseeds;
	char *comment, *created_by; /* never NULL, may be "" */
	int64_t created_at;	    /* Unix seconds, 0 unknown */
	struct bytes info;	    /* the raw info dictionary */
	void *arena;		    /* private to metainfo.c */
};

/* A .torrent file without the line ends and blanks that may stand behind it. */
struct bytes meta_trim(struct bytes torrent);

/* Check and take apart a .torrent file.
 * Source:  BEP 3, 12, 27, 47, 52. The info-hash is taken over the raw bytes.
 *          We differ: a key twice at the top or in info is refused in v1 too, and
 *          "piece layers" may be absent when no file needs them, and line ends and blanks may stand
 *          behind the whole. A hybrid that needs them and has
 *          none is taken as the v1 torrent that it is too: clients that know v1 alone hand such
 *          on to those who have but a magnet link.
 * Returns: META_OK and *out, or the first fault found and *out untouched.
 * Owns:    copies what it keeps; free with meta_free.
 * Limit:   META_* above. Time and memory are linear in the input: at most about
 *          eight times its size is held. */
enum meta_fault meta_parse(struct bytes torrent, struct metainfo **out);

/* The same for a bare info dictionary (BEP 9) with piece layers still unknown:
 * only v1 torrents and v2 torrents without file over one piece can be whole. In
 * others those files have `layer` NULL; once the layers are known, parse again
 * with them. Trackers and texts are empty. */
enum meta_fault meta_parse_info(struct bytes info, struct metainfo **out);

void meta_free(struct metainfo *m);

/* In the functions below a piece or block that is not there has 0 bytes, 0 blocks,
 * no file and no hash. */

/* Bytes of piece i. v1 and hybrid: piece_length but for the last, pads included.
 * v2-only: cut at the end of its file (BEP 52 "alignment gap"). */
uint32_t meta_piece_bytes(const struct metainfo *m, uint32_t piece);

/* Bytes of piece i that are fetched: the sum of its blocks. O(log files + files in it). */
uint32_t meta_fetch_bytes(const struct metainfo *m, uint32_t piece);

/* Bytes of piece i that a peer may ask for. libtorrent takes the gap behind a v2-only file for
 * padding and asks for the whole of its last block, so that gap counts; it holds zeros. */
uint32_t meta_request_bytes(const struct metainfo *m, uint32_t piece);

/* Blocks of 16 KiB in piece i. */
uint32_t meta_piece_blocks(const struct metainfo *m, uint32_t piece);

/* Bytes of a block that are fetched: up to the last one that belongs to a file. Pads behind it are
 * zeros, which nobody has to send; 0 when the block holds nothing else. */
uint32_t meta_block_bytes(const struct metainfo *m, uint32_t piece, uint32_t block);

/* v2 and hybrid: the file that piece i belongs to (each piece has one real file)
 * and its 32-byte piece-layer hash; NULL for v1-only. */
const struct meta_file *meta_piece_file(const struct metainfo *m, uint32_t piece);
const uint8_t *meta_piece_hash_v2(const struct metainfo *m, uint32_t piece);

/* Bytes of the file in pieces of `have`, which has meta->n_pieces bits. O(its pieces). */
uint64_t meta_file_done(const struct metainfo *m, const struct meta_file *f,
			const struct bitfield *have);

/* Index of the file that holds byte `offset` of the piece space (empty files are
 * never it); n_files when none does. O(log files). */
uint32_t meta_file_at(const struct metainfo *m, uint64_t offset);

/* Node `index` of height `level` above the leaves, at or above the piece layer, of a file whose
 * layer is known. Of large files a level between the layer and the root is kept, so that none costs
 * much more than META_MID_HEIGHT says (attack: small hash requests, each of which has a million
 * hashes computed). */
#define META_MID_HEIGHT 10u
void meta_upper_node(const struct metainfo *m, const struct meta_file *f, uint32_t level,
		     uint64_t index, uint8_t out[SHA256_LEN]);
/* Hashes that it takes to compute one, at most. */
uint64_t meta_upper_cost(const struct metainfo *m, const struct meta_file *f, uint32_t level);

/* The file with this v2 root, or NULL. For hash requests. */
const struct meta_file *meta_file_by_root(const struct metainfo *m, const uint8_t root[SHA256_LEN]);

/* May this be a tracker's URL? Not empty, too long, or with blanks or controls. */
bool meta_url_is_fit(struct bytes url);
/* May this be the URL of a webseed: http or https, and fit as a tracker's? */
bool meta_webseed_is_fit(struct bytes url);
/* Where a webseed has the file: appends to `out`. BEP 19: URL itself for a torrent of one file; "/"
 * at its end has the torrent's name come behind it; for a folder the name and the file's path come
 * behind it in any case. Bytes that are no part of a name in a URL are percent-encoded.
 * Returns 0 or the buffer's error. */
int meta_webseed_url(const struct metainfo *m, const char *webseed, const struct meta_file *f,
		     struct buf *out);

/* The 20-byte hash that names the swarm in handshakes and announces: v1's, or
 * for v2-only the first 20 bytes of v2's (BEP 52). */
const uint8_t *meta_swarm_hash(const struct metainfo *m);
/* Is `hash` one of the swarm names of this torrent? */
bool meta_has_swarm_hash(const struct metainfo *m, const uint8_t hash[SHA1_LEN]);

/* What the content is called on disk. The `name` of a single v2 file is advisory (BEP 52). */
static inline const char *meta_content_name(const struct metainfo *m)
{
	return m->single ? m->files[0].path : m->name;
}

#endif
