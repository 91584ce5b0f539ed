/* cli/dht_visit.h - a node of the distributed hash table for as long as a command has a question:
 * it asks and never answers (BEP 43). */
#ifndef SHOAL_CLI_DHT_VISIT_H
#define SHOAL_CLI_DHT_VISIT_H

#include "cli/opts.h"
#include "node/dht_shell.h"

/* Until nodes answered; then for the search itself. */
#define DHT_VISIT_MS 45000u

struct dht_visit;

struct dht_visit_params {
	const struct opts *o; /* --dht-node, --listen */
	bool nested;	      /* a loop is running already: Ctrl-C is its */
	bool no_index; /* where nobody else is known an index is asked who is there, but not now */
	/* Somebody may be there to ask: begin with searches of dht_visit_shell(). */
	void (*begin)(void *user, struct dht_visit *v);
	/* As in struct dht_shell_params. */
	void (*on_effect)(void *user, struct dht_visit *v, const struct dht_effects *fx,
			  const struct dht_effect *e);
	void *user;
};

/* Begins at the places of --dht-node and those that the peers of this home have met, else at those
 * that an index knows, and runs until dht_visit_end().
 * Returns what that says; ERR_TIMEOUT; ERR_CANCELLED after Ctrl-C; ERR_INVALID for a place that is
 * none; or what the system says. */
int dht_visit(const struct dht_visit_params *p, struct err_info *info);
struct dht_shell *dht_visit_shell(struct dht_visit *v);
/* `text`: why; NULL with OK. */
void dht_visit_end(struct dht_visit *v, enum err code, const char *text);

#endif
