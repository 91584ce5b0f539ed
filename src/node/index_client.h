/* node/index_client.h - asking an index, for the command line and the peer.
 *
 * Calls wait for the answer by turning a loop of their own: they are for one-shot commands.
 * Errors name the index and the reason. */
#ifndef SHOAL_NODE_INDEX_CLIENT_H
#define SHOAL_NODE_INDEX_CLIENT_H

#include <jansson.h>
#include <stdatomic.h>

#include "base/addr.h"
#include "base/buf.h"
#include "meta/entry.h"

#define INDEX_URL_DEFAULT "http://127.0.0.1:6969"

struct index_client;

/* `url` as typed: "http://host:port", "host:port" or "host". `token` is shown with every call; NULL
 * or "": none. ERR_INVALID when one of them cannot be that. */
int index_client_new(const char *url, const char *token, struct index_client **out,
		     struct err_info *info);
/* Trust the index by its public key, as http_client_pin() does. ERR_INVALID. */
int index_client_pin(struct index_client *c, const char *pin, struct err_info *info);
/* Do both ask the same index, with the same token and the same pin? */
bool index_client_eq(const struct index_client *a, const struct index_client *b);
void index_client_free(struct index_client *c);
/* Once *stop is true calls end within a second: ERR_CANCELLED. Borrowed. */
void index_client_stop_on(struct index_client *c, const atomic_bool *stop);
const char *index_client_url(const struct index_client *c);	    /* normalised, no final '/' */
const char *index_client_tracker_url(const struct index_client *c); /* .../announce */
/* The same with the token behind it, if any: for announcing, not for others' eyes. */
const char *index_client_announce_url(const struct index_client *c);

/* How near to us the index is that answered last; ADDR_PUBLIC when none has, or a proxy may have.
 * What it lists may speak of servers as near as itself. */
enum addr_scope index_client_scope(const struct index_client *c);

struct index_list_ask {
	const char *query, *owner, *name; /* words to search for, an exact owner, name; NULL: any */
	const char *sort;		  /* name, size, holders; NULL: newest first */
	bool online;			  /* only what somebody has or fetches now */
	uint64_t next;			  /* 0: the first page, else "next" of the one before */
	uint32_t limit;
};
/* A page of entries as decoded JSON ({"entries": [...], "next": NUMBER or null}).
 * Owns: *out is the caller's (json_decref). */
int index_client_list(struct index_client *c, const struct index_list_ask *ask, json_t **out,
		      struct err_info *info);

/* Nodes of the distributed hash table that it knows of, none nearer to us than itself: up to `cap`.
 * *n: how many. Returns 0, or why it does not answer. */
int index_client_dht_nodes(struct index_client *c, struct addr *out, size_t cap, size_t *n,
			   struct err_info *info);

/* What NAME, OWNER/NAME, NAME@VERSION or an info-hash in hex means. ERR_NOENT with near names in
 * the sentence; ERR_AMBIGUOUS when several contents fit and `latest` is false: the list is in
 * the sentence; ERR_UNREACHABLE. *out: the entry's JSON object. */
int index_client_resolve(struct index_client *c, const char *ref, bool latest, json_t **out,
			 struct err_info *info);
/* The same; *out also says what fetching it begins with, as far as the index tells it: */
int index_client_resolve_to_fetch(struct index_client *c, const char *ref, bool latest,
				  json_t **out, struct err_info *info);
/* Peers that have it or fetch it: up to `cap`, the first *complete of them have everything. */
size_t index_client_first_peers(const struct index_client *c, const json_t *j, struct addr *out,
				size_t cap, size_t *complete);
/* Append its .torrent, if it is there: a small one may be; else index_client_torrent(). */
bool index_client_told_torrent(const json_t *j, struct buf *out);
/* Take an entry's JSON into the value. ERR_PROTO when it breaks docs/api.md. */
int index_client_entry(const json_t *j, struct entry *out);

/* Did its owner sign it as it stands? An index may lie about anything else. */
bool index_client_is_signed(const struct entry *e);

int index_client_info(struct index_client *c, uint64_t id, json_t **out, struct err_info *info);
int index_client_torrent(struct index_client *c, uint64_t id, struct buf *out,
			 struct err_info *info);
int index_client_holders(struct index_client *c, uint64_t id, json_t **out, struct err_info *info);
/* ERR_NOENT from an index that does not keep maps of pieces. */
int index_client_pieces(struct index_client *c, uint64_t id, json_t **out, struct err_info *info);
int index_client_peers(struct index_client *c, json_t **out, struct err_info *info);
int index_client_status(struct index_client *c, json_t **out, struct err_info *info);

/* Publish: `e` is signed already; `sha256` has one hex string per real file in torrent order
 * (NULL: none). Sets e->id and e->version. ERR_EXISTS: the owner's name is somebody else's;
 * ERR_MISMATCH: by e->published_at it may be what somebody repeats. */
int index_client_publish(struct index_client *c, struct entry *e, struct bytes torrent,
			 const json_t *sha256, struct err_info *info);
/* By the index's admin, whose token it takes, without a signature: e->owner, name, version count.
 */
int index_client_admin_unpublish(struct index_client *c, const struct entry *e, uint32_t *removed,
				 struct err_info *info);
int index_client_unpublish(struct index_client *c, const struct entry *e, uint32_t *removed,
			   struct err_info *info);

#endif
