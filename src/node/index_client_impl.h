/* node/index_client_impl.h - what index_client*.c share. */
#ifndef SHOAL_NODE_INDEX_CLIENT_IMPL_H
#define SHOAL_NODE_INDEX_CLIENT_IMPL_H

#include "net/http_client.h"
#include "node/index_client.h"

/* Of one reply: a page of 500 entries, or an entry with 10,000 long paths. */
#define INDEX_JSON_BYTES_MAX (64u << 20)

struct index_client {
	char *url, *tracker_url, *announce_url;
	char *authorization;   /* a header line; NULL: no token */
	bool local;	       /* on this machine */
	enum addr_scope scope; /* of who answered last */
	struct loop *loop;
	struct http_client *http;
	const atomic_bool *stop; /* NULL: nobody stops it */
};

/* GET url + path, which begins with '/'. The answer is an object. */
int index_client_get(struct index_client *c, const char *path, json_t **out, struct err_info *info);

/* For questions from another loop, which trust the index as `c` does. Returns 0 or ERR_NOMEM. */
int index_client_http(const struct index_client *c, struct loop *l, struct http_client **out);

/* "/api/v1/entries/ID" and what follows. Returns `out`. */
const char *index_client_entry_path(char out[64], uint64_t id, const char *what);

/* "&key=value", percent-encoded. */
void index_client_put_param(struct buf *path, const char *key, const char *value);

#endif
