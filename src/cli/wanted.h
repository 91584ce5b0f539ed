/* cli/wanted.h - one thing that `get` was told to fetch: its torrent, its place on disk, whom to
 * ask. */
#ifndef SHOAL_CLI_WANTED_H
#define SHOAL_CLI_WANTED_H

#include "cli/handover.h"
#include "cli/opts.h"
#include "cli/placed.h"
#include "meta/selection.h"
#include "node/index_client.h"
#include "node/metadata_fetch.h"
#include "node/node.h"

/* Addresses from --peer and x.pe. */
#define PEERS_MAX 64
#define FOUND_MAX 16

/* -o -: to standard output. */
bool wanted_flows(const struct opts *o);

/* A folder that was made, and those above it. */
struct wanted_folder {
	char *path;    /* NULL: none was */
	size_t before; /* so much of it was there, 0: the current folder */
};
/* Make the folder that -o names, if it is meant to be one and is not there: with a slash at its
 * end, or for `several` things. Before the process is confined. Returns 0 or what the system says.
 * Owns: wanted_leave_folder(), also after an error. */
int wanted_make_folder(const struct opts *o, bool several, struct wanted_folder *made,
		       struct err_info *info);
/* `remove`: nothing came of it. What is empty of it goes. */
void wanted_leave_folder(struct wanted_folder *made, bool remove);

struct wanted {
	struct buf torrent;
	struct metainfo *meta; /* until the node takes it */
	char *path;	       /* final name */
	char *scratch;	       /* -o -: the folder it is in, removed at the end */
	int scratch_hold;      /* if there is one: see scratch_make() */
	char label[256];       /* what it is called, for people */
	bool from_index;
	bool there_already; /* something is at the final name, and is served if it is the same */
	bool replaces;	    /* an older version is at the final name, and will be replaced */
	uint32_t touched;   /* there_already: as in struct renewal */
	const char *ref;    /* what was asked for; borrowed */
	bool linked;	    /* a magnet link or an info-hash was given: */
	struct magnet link;
	struct err_info index_why;    /* then: why the index is no help; code OK: it is, or was not
				       * asked */
	struct metadata_fetch *fetch; /* until it is started; NULL: peers were not asked */
	struct bytes old_torrent;     /* of what is at `path`; borrowed; empty: not known */
	struct placed *placed;	      /* the version it is, to be remembered; NULL: no entry */
	struct buf item; /* what its owner signed, found without an index; empty: none */
	uint8_t *files;	 /* an enum want for each of meta->files; NULL: all */
	struct addr peers[PEERS_MAX];
	size_t n_peers;
	struct addr found[FOUND_MAX]; /* that the index named, when it said what `ref` means */
	size_t n_found, found_complete;
};

/* Is it the index that knows what `ref` means? Else it is the name or the address of a .torrent,
 * or the distributed hash table has it (cli/dht_name.h). */
bool wanted_needs_index(const char *ref);

/* Find the torrent that `ref` means, and where it goes. `index` is made at first need. What a link
 * or info-hash stands for may be unknown after that: wanted_is_unknown(). So is the torrent of a
 * name that an owner's key stands for, and of OWNER/NAME when no index answers but the owner's key
 * is known: the distributed hash table is asked for them. `nested`: a loop is running already.
 * Owns: wanted_fini(), also after an error. */
int wanted_load(struct wanted *w, const struct opts *o, const char *ref, bool nested,
		struct index_client **index, struct err_info *info);
/* The same of what is known already, a newer version of `old` at its place, which stays as it is
 * until this one is started. Nobody is asked, so that nothing waits. */
int wanted_take(struct wanted *w, const struct opts *o, const struct entry *e, struct bytes torrent,
		const struct wanted *old, struct err_info *info);
void wanted_fini(struct wanted *w); /* before the node goes, if it fetches */

/* Only its info-hash is known: peers must be asked before it can start. */
bool wanted_is_unknown(const struct wanted *w);
/* Begin to ask them. `ready` says that wanted_fetched() has something to tell, and may not end it
 * itself. */
int wanted_fetch(struct wanted *w, const struct opts *o, struct index_client *index,
		 struct node *node, void (*ready)(void *user), void *user, struct err_info *info);
/* Returns 0: the torrent is there, kept beside the home's other state for the next time, and all is
 * as after wanted_load(); ERR_AGAIN: not yet; or the error. */
int wanted_fetched(struct wanted *w, const struct opts *o, struct err_info *info);
/* Nobody was found who could tell: what to say of it. False: it is what the index said, and nobody
 * else could be asked; true: that no holder is on line. `tracker`: the trackers' last error. */
bool wanted_nobody_tells(const struct wanted *w, const struct opts *o,
			 const struct err_info *tracker, struct err_info *info);

/* Download it, beside what it replaces (cli/renewal.h); or, when its final name is taken, hash what
 * is there and serve it.
 * Returns 0; ERR_EXISTS when the node has it already or something else is there; as node_add() and
 * renewal_plan(). */
int wanted_start(struct wanted *w, const struct opts *o, struct index_client *index,
		 struct node *node,
		 void (*on_phase)(void *user, struct transfer *t, enum transfer_phase phase),
		 void *user, struct transfer **out, struct err_info *info);

/* The same by the daemon, which also asks peers what a link stands for; `w->meta` stays, and
 * of a link `w->path` is where the daemon says. Returns what handover_add() and renewal_plan() do.
 * Owns: handed_fini(), also after an error. */
int wanted_hand_over(struct wanted *w, const struct opts *o, struct index_client *index,
		     struct handed *out, struct err_info *info);

/* "PATH: is there already, with other content": what TRANSFER_FAILED with ERR_MISMATCH means for
 * one that was there already. `touched` as above. Returns ERR_EXISTS. */
int wanted_other_content(const char *path, uint32_t touched, struct err_info *info);

/* It is verified and at its final name, was `there_already` or not: remember that, and clear up
 * what a crash may have left. */
void wanted_done(const struct opts *o, const char *path, bool there_already, struct placed *placed,
		 const struct metainfo *meta);

#endif
