/* daemon/gateway_impl.h - shared by gateway.c, gateway_answer.c and gateway_fetch.c only. */
#ifndef SHOAL_DAEMON_GATEWAY_IMPL_H
#define SHOAL_DAEMON_GATEWAY_IMPL_H

#include <sys/queue.h>

#include "daemon/gateway.h"
#include "daemon/gateway_path.h"
#include "net/http_later.h"
#include "node/index_fetch.h"
#include "node/reader.h"

struct fetch;

/* One request. */
struct ask {
	TAILQ_ENTRY(ask) link;
	struct gateway *g;
	struct http_later *later; /* NULL: its client is gone, or it is answered */
	struct fetch *fetch;	  /* its name is being looked for */
	uint32_t job;		  /* 0: not known yet */
	uint64_t until_ms;
	struct reader *reader; /* its body is being given */
	bool head, json, download;
	char range[128], if_none_match[1024], if_range[GATEWAY_ETAG_MAX];
	struct gateway_path path;
};
TAILQ_HEAD(asks, ask);

struct fetch {
	LIST_ENTRY(fetch) link;
	struct gateway *g;
	struct index_fetch *fetch;
	struct entry_ref ref;
};
LIST_HEAD(fetches, fetch);

struct gateway {
	struct gateway_params p;
	struct gateway_index index; /* .client NULL: not needed yet */
	struct asks asks;
	uint32_t n_asks, n_fetches;
	struct fetches fetches;
	struct loop_timer *timer; /* while requests wait */
};

/* ---- gateway.c ---- */
void ask_free(struct ask *a);
/* An error as docs/api.md has them; the request is no more. */
void ask_refuse(struct ask *a, int status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same, by the kind of error. */
void ask_fail(struct ask *a, const struct err_info *why);
/* Its job is known, or something else is: go on, soon. */
void gateway_poke(struct gateway *g);

/* ---- gateway_answer.c ---- */
/* Is it bytes of a file that are asked for? Heads, lists and what is not there need only the
 * metainfo. */
bool gateway_needs_bytes(const struct ask *a, const struct metainfo *m, uint32_t *file);
/* `t` has the bytes; may be NULL where none are needed. */
void gateway_answer(struct ask *a, const struct metainfo *m, struct transfer *t);

/* ---- gateway_fetch.c ---- */
/* A pattern (meta/selection.h) that chooses this file of a folder alone. */
#define GATEWAY_GLOB_MAX (2u * META_PATH_BYTES_MAX + 1u)
void gateway_glob(char out[GATEWAY_GLOB_MAX], const struct metainfo *m, uint32_t file);
/* Look for its name at the index, with others who ask for the same. */
void gateway_fetch(struct ask *a);
void gateway_fetch_free(struct fetch *f);

#endif
