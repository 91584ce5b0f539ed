/* meta/metainfo_impl.h - what the files that read a .torrent share. Private to meta. */
#ifndef SHOAL_META_METAINFO_IMPL_H
#define SHOAL_META_METAINFO_IMPL_H

#include "base/bencode.h"
#include "meta/metainfo.h"

/* One key of a dictionary that we know, and what stands under it. */
struct meta_field {
	const char *key;
	bool found;
	struct benc value;
};

/* The field if it is there with this type, else NULL. */
const struct benc *meta_field_of(const struct meta_field *f, enum benc_type type);

enum meta_info_key {
	INFO_ATTR,
	INFO_TREE,
	INFO_FILES,
	INFO_LENGTH,
	INFO_VERSION,
	INFO_NAME,
	INFO_PIECE_LENGTH,
	INFO_PIECES,
	INFO_PRIVATE,
	INFO_KEYS,
};

/* Memory behind a struct metainfo. */
struct meta_arena {
	uint8_t *info;			  /* copy of the raw info dictionary */
	char *paths;			  /* every path, each with its NUL */
	uint8_t *layers;		  /* piece layers of the files over one piece */
	const struct meta_file **by_root; /* files with a root, in the order of roots */
	uint32_t n_by_root;
};

/* A torrent while it is being read. */
struct meta_build {
	struct metainfo *m;
	struct meta_arena *arena;
	struct benc info;
	struct meta_field fields[INFO_KEYS];
	char *path_end; /* where the next path goes in arena->paths */
	uint64_t space; /* end of the piece space so far */
};

/* What v1 and v2 say alike about a file. */
struct meta_props {
	uint64_t length;
	unsigned flags;
};
enum meta_fault meta_props_read(const struct benc *dict, struct meta_props *out);

/* Append a file behind b->space; its path must stay where it is. */
enum meta_fault meta_file_add(struct meta_build *b, const char *path,
			      const struct meta_props *props);
/* Room for exactly `n_files` files and `path_bytes` of paths. */
enum meta_fault meta_files_alloc(struct meta_build *b, size_t n_files, size_t path_bytes);

/* The v1 file list or single file; fills m->files. */
enum meta_fault meta_files_v1(struct meta_build *b);
/* The v2 file tree; fills m->files, or for a hybrid compares with them. */
enum meta_fault meta_tree_read(struct meta_build *b);
/* Piece numbers of each file, n_pieces, space_bytes, total_bytes. */
enum meta_fault meta_files_number(struct meta_build *b);

/* Check the "piece layers" and point the files at them. `field` is NULL when only
 * the info dictionary is known: the layers of files over one piece stay NULL then. */
enum meta_fault meta_layers_read(struct meta_build *b, const struct meta_field *field);

/* May this be one component of a path? META_OK, META_PATH_EMPTY, _BAD or _LONG. */
enum meta_fault meta_component_check(struct bytes c);
/* Order of '/'-joined paths as lists of components, each as raw bytes. */
int meta_path_order(const char *a, const char *b);
/* META_PATH_CLASH when two paths are one, or one is a folder of another. Sorts. */
enum meta_fault meta_paths_check(const char **paths, size_t n);

/* Trackers, webseeds, comment and so on, which never make a torrent bad. */
enum meta_top_key {
	TOP_INFO,
	TOP_LAYERS,
	TOP_ANNOUNCE,
	TOP_ANNOUNCE_LIST,
	TOP_COMMENT,
	TOP_CREATED_BY,
	TOP_CREATED_AT,
	TOP_URL_LIST,
	TOP_KEYS,
};
enum meta_fault meta_notes_read(struct metainfo *m, const struct meta_field top[TOP_KEYS]);
/* A C string from at most `max` bytes, cut at a NUL or before a broken character. */
char *meta_text_copy(struct bytes s, size_t max);
/* Append a copy of what may be a webseed's URL and is not in the list; others are passed over, as
 * are those beyond `max`. Returns 0 or ERR_NOMEM. */
int meta_webseed_add(char ***list, uint32_t *n, uint32_t max, struct bytes url);
void meta_webseeds_free(char **list, uint32_t n);

#endif
