/* cli/wanted.h - one thing that `get` was told to fetch: its torrent, its place on disk, whom to
 * ask. */
#ifndef SHOAL_CLI_WANTED_H
#define SHOAL_CLI_WANTED_H

#include "cli/opts.h"
#include "cli/placed.h"
#include "meta/selection.h"
#include "node/index_client.h"
#include "node/node.h"

/* Addresses from --peer and x.pe. */
#define PEERS_MAX 64

/* -o -: to standard output. */
bool wanted_flows(const struct opts *o);

struct wanted {
	struct buf torrent;
	struct metainfo *meta; /* until the node takes it */
	char *path;	       /* final name */
	char *scratch;	       /* -o -: the folder it is in, removed at the end */
	char label[256];       /* what it is called, for people */
	bool from_index;
	bool there_already;    /* something is at the final name, and is served if it is the same */
	bool replaces;	       /* an older version is at the final name, and will be replaced */
	uint32_t touched;      /* there_already: it was this version, but was changed; 0 no */
	struct placed *placed; /* the version it is, to be remembered; NULL: no index's entry */
	uint8_t *files;	       /* an enum want for each of meta->files; NULL: all */
	struct magnet_range *only; /* of a magnet link's "so" */
	uint32_t n_only;
	struct addr peers[PEERS_MAX];
	size_t n_peers;
};

/* Is it the index that knows what `ref` means? Else it is the name of a .torrent file. */
bool wanted_needs_index(const char *ref);

/* Find the torrent that `ref` means, and where it goes. `index` is made at first need.
 * Owns: wanted_fini(), also after an error. */
int wanted_load(struct wanted *w, const struct opts *o, const char *ref,
		struct index_client **index, struct err_info *info);
void wanted_fini(struct wanted *w);

/* Download it, beside what it replaces (cli/renewal.h); or, when its final name is taken, hash what
 * is there and serve it.
 * Returns 0; ERR_EXISTS when the node has it already or something else is there; as node_add() and
 * renewal_plan(). */
int wanted_start(struct wanted *w, const struct opts *o, struct index_client *index,
		 struct node *node,
		 void (*on_phase)(void *user, struct transfer *t, enum transfer_phase phase),
		 void *user, struct transfer **out, struct err_info *info);

/* "PATH: is there already, with other content": what TRANSFER_FAILED with ERR_MISMATCH means for
 * one that was there already. `touched` as above. Returns ERR_EXISTS. */
int wanted_other_content(const char *path, uint32_t touched, struct err_info *info);

/* It is verified and at its final name: remember that, and clear up what a crash may have left. */
void wanted_done(const struct opts *o, const char *path, struct placed *placed,
		 const struct metainfo *meta);

#endif
