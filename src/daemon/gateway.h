/* daemon/gateway.h - what the daemon has, and what it can get, as files of a web server on
 * loopback:
 * "/n/OWNER/NAME" and so on, see daemon/gateway_path.h and docs/api.md.
 *
 *     request --> job of that name? --> its file --> node/reader.h --> body, as pieces are verified
 *                     `- no --> the index --> checked as `get` does --> a job is added
 *
 * Only verified bytes are given; what is not there yet is fetched next, and waited for. Whoever
 * seeks asks for another range, and the reader of the one before is gone with its connection.
 *
 * Who may: everyone who passes the door of daemon/daemon_http.h, without a token, as a player knows
 * none; pages of other sites do not pass. To have the daemon begin a download takes more: the
 * token; or Sec-Fetch-Site that says it was the user, or our own page; or a client that is no
 * browser, as it says neither Sec-Fetch-Site nor "Mozilla/", which pages cannot take away (attack:
 * a page elsewhere whose pictures are names here).
 *
 * What is given can do nothing: a sandbox without scripts, no sniffing, and what is made to run in
 * a page is to be saved. */
#ifndef SHOAL_DAEMON_GATEWAY_H
#define SHOAL_DAEMON_GATEWAY_H

#include "daemon/daemon_http.h"
#include "daemon/jobs.h"
#include "meta/entry.h"
#include "node/index_client.h"

/* Requests under way; more are answered with 503 (attack: a page that opens a film a thousand
 * times). */
#define GATEWAY_ASKS_MAX 512u
/* Names that are being looked for at the index at a time. */
#define GATEWAY_FETCHES_MAX 16u
/* So long a request waits for its name, and for its transfer to begin. */
#define GATEWAY_WAIT_MS 30000u

struct gateway;

/* The index it asks for names, and what its jobs need to know of it. */
struct gateway_index {
	struct index_client *client; /* the gateway frees it */
	const char *token, *pin;     /* NULL: none; borrowed for as long as the gateway lives */
};

struct gateway_params {
	struct loop *loop;
	struct jobs *jobs;
	struct daemon_http *http;
	const char
	    *folder; /* what it fetches lies beneath it, each in a folder of its own; borrowed */

	/* Which index; asked when the first name is looked for, and again after an error. */
	int (*open_index)(void *user, struct gateway_index *out, struct err_info *info);
	/* Is it signed by whom we know as this owner? Returns 0, also for the first of a name. */
	int (*check_owner)(void *user, const struct entry *e, struct err_info *info);
	void *user;
};

/* Adds its rows to the server. Returns 0 or ERR_NOMEM. */
int gateway_new(const struct gateway_params *p, struct gateway **out);
/* After the server is freed, and before the jobs and the node are. NULL is fine. */
void gateway_free(struct gateway *g);

#endif
