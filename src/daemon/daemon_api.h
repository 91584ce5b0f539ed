/* daemon/daemon_api.h - /api/v1 of the daemon: its table of routes; described in docs/api.md. */
#ifndef SHOAL_DAEMON_DAEMON_API_H
#define SHOAL_DAEMON_DAEMON_API_H

#include "daemon/daemon_http.h"

/* Listeners to events at a time (attack: a script that opens them for ever). */
#define DAEMON_EVENT_STREAMS_MAX 64u

struct daemon_api;

/* Adds its table to `h`. Borrows all. Returns 0 or ERR_NOMEM. */
int daemon_api_new(struct daemon_http *h, struct loop *loop, struct jobs *js, struct node *node,
		   struct daemon_api **out);
/* After the server, before the jobs. NULL is fine. */
void daemon_api_free(struct daemon_api *a);

#endif
