/* node/torrent_file.h - a .torrent file of the user's: read, and shown as JSON. */
#ifndef SHOAL_NODE_TORRENT_FILE_H
#define SHOAL_NODE_TORRENT_FILE_H

#include <jansson.h>

#include "base/buf.h"
#include "meta/metainfo.h"

/* Read and check the file at `path`, or what a web server has there. `bytes` (may be NULL, else
 * uninitialised) takes the file as it is; the caller ends it with buf_fini(), also after an error.
 * Returns 0; ERR_PROTO with the fault; what torrent_source_read() says. Owns: *out: meta_free(). */
int torrent_load(const char *path, struct buf *bytes, struct metainfo **out, struct err_info *info);

/* Everything about it; `files`: also the list of files. */
json_t *torrent_json(const struct metainfo *m, bool files);

/* It is to be called by its own name, which nobody chose here: 0, or `code` with the sentence when
 * that begins with a dot. Such files are out of sight, and many are read as somebody's settings. */
int torrent_check_name(const struct metainfo *m, enum err code, struct err_info *info);

/* Its magnet link; null where there is none. */
json_t *torrent_magnet(const struct metainfo *m);

/* A name or path out of a torrent as a JSON string: bytes that are no UTF-8 as \xHH. */
json_t *torrent_text(const char *raw);
/* The bytes as hex, as member KEY_hex. Returns 0, or -1 without memory. */
int torrent_put_hex(json_t *to, const char *key, const char *raw);
/* torrent_text() as member `key`; what is no UTF-8 is there once more as KEY_hex, since nobody can
 * tell a byte that is shown as \xHH from a name with a backslash. Returns as above. */
int torrent_put_text(json_t *to, const char *key, const char *raw);

#endif
