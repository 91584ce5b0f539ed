/* daemon/gateway_path.h - what an address beneath /n/ means: whose entry, and what in it. Pure.
 *
 *     /n/OWNER/NAME             the file, or the folder
 *     /n/OWNER/NAME@VERSION     of that version
 *     /n/OWNER/NAME/a/b.txt     a file or a folder in it
 *     /n/OWNER/NAME/NAME/a/b.txt   the same, NAME being the torrent's: what clients make of
 *                               /n/OWNER/NAME as a webseed (BEP 19)
 *
 * Where a folder holds a folder of its torrent's name, the third form wins. */
#ifndef SHOAL_DAEMON_GATEWAY_PATH_H
#define SHOAL_DAEMON_GATEWAY_PATH_H

#include "meta/entry.h"
#include "meta/metainfo.h"

#define GATEWAY_PATH_MAX (META_NAME_BYTES_MAX + META_PATH_BYTES_MAX + 2u)

struct gateway_path {
	struct entry_ref ref;		 /* with an owner */
	char path[GATEWAY_PATH_MAX + 1]; /* decoded, '/' between components; "": the whole */
	bool slash;			 /* it ended with '/' */
};

/* `rest`: what follows "/n/", percent-encoding still in it. ERR_NOENT: nothing is called so: no
 * owner or name, an encoding that is none, "." or "..", or a '/' or NUL that was encoded. */
int gateway_path_parse(struct bytes rest, struct gateway_path *out);

enum gateway_kind { GATEWAY_NOTHING, GATEWAY_FILE, GATEWAY_FOLDER };

struct gateway_target {
	enum gateway_kind kind;
	uint32_t file;	    /* FILE: index in the metainfo */
	const char *folder; /* FOLDER: its path, "" the top; borrows from `path` */
};
/* Links and pads are not there. */
void gateway_path_find(const struct metainfo *m, const char *path, struct gateway_target *out);

/* A name for the file's bytes that no other bytes have: for ETag, with the quotes. v2: the root of
 * its tree; v1: the info-hash and its place. */
#define GATEWAY_ETAG_MAX 96
const char *gateway_etag(char out[GATEWAY_ETAG_MAX], const struct metainfo *m, uint32_t file);
/* Is the tag in this If-None-Match? "*" has all. */
bool gateway_etag_in(const char *list, const char *etag);

struct gateway_type {
	const char *type;
	bool active; /* could run as script in the page's place: to be saved, never shown */
};
/* By the end of the file's name. */
struct gateway_type gateway_type_of(const char *path);

#endif
