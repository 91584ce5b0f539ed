/* node/index_server.h - the index as one thing: HTTP and UDP in front, tracker and catalogue
 * behind. */
#ifndef SHOAL_NODE_INDEX_SERVER_H
#define SHOAL_NODE_INDEX_SERVER_H

#include <jansson.h>

#include "base/err.h"
#include "index/tracker.h"
#include "net/loop.h"
#include "node/index_host.h"
#include "wire/forwarded.h"

#define INDEX_PORT 6969
/* Requests under way may take this long when the index ends. */
#define INDEX_STOP_MS 2000u

struct index_server;

struct index_server_params {
	const char *listen_host; /* NULL: all interfaces */
	uint16_t port;		 /* 0: any; UDP has the same number */
	int listener;	      /* a TCP socket that listens already, instead; taken over. 0: none */
	unsigned udp_threads; /* at most INDEX_UDP_THREADS_MAX; 0: no UDP */
	const char *data_dir; /* made if missing, 0700 */
	/* PEM files for TLS; NULL: plain HTTP, unless the index shall make its own certificate. */
	const char *tls_cert, *tls_key;
	bool tls_self_signed;
	/* Names to answer under, and this machine's own; see node/index_host.h. Borrowed. */
	struct index_host host;
	struct proxies proxies; /* that say for whom they ask */
	const struct tracker_site *sites;
	uint32_t n_sites;
	/* An event for the operator's log, of which docs/api.md has the list; what strangers wrote
	 * in it is not escaped. May be NULL. */
	void (*log)(void *user, const char *event, const json_t *fields);
	void *user;
};

/* Open the catalogue, listen and serve on `l`. Routes are those of docs/api.md: /announce,
 * /scrape, /api/v1/..., and the page at "/". */
int index_server_new(struct loop *l, const struct index_server_params *p, struct index_server **out,
		     struct err_info *info);
/* Other sites from now on. */
void index_server_set_sites(struct index_server *s, const struct tracker_site *sites,
			    uint32_t n_sites);
/* Certificates and tokens are read again. On error what was good stays, of the one alone that is at
 * fault: `failed` hears of each. Returns 0, or the code of the first. */
int index_server_reload(struct index_server *s,
			void (*failed)(void *user, const struct err_info *why), void *user);
/* Take nothing new and finish what is under way; then `done`, at the latest after INDEX_STOP_MS.
 * index_server_free() comes after it, from outside the callback. */
void index_server_stop(struct index_server *s, void (*done)(void *user), void *user);
void index_server_free(struct index_server *s);
/* What who shows no token may do; open: publish. */
enum catalogue_right index_server_of_anyone(const struct index_server *s);
bool index_server_is_open(const struct index_server *s);
uint16_t index_server_port(const struct index_server *s);
/* What clients may know it by (TLS_PIN_TEXT_MAX); NULL without TLS. */
const char *index_server_pin(const struct index_server *s);

#endif
