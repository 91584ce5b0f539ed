/* cli/session.h - a node in the foreground: its loop, Ctrl-C, the progress line. */
#ifndef SHOAL_CLI_SESSION_H
#define SHOAL_CLI_SESSION_H

#include "cli/control.h"
#include "cli/opts.h"
#include "cli/out.h"
#include "cli/pacing.h"
#include "node/node.h"

/* Without --wait, a download that nobody can serve is given up after this long. A peer that
 * just came up is found by then; one that will come tomorrow is not worth a hanging script. */
#define NO_HOLDER_MS 6000u

/* In the home: what is remembered of the distributed hash table. */
#define SESSION_DHT_FILE "dht"
enum session_kind {
	SESSION_PEER,	/* a node that ends with the command, and answers to other commands */
	SESSION_DAEMON, /* a node that comes back: signals end it at once; see session_listen() */
	SESSION_CLIENT, /* no node: the work is done by the daemon */
};

struct session {
	const struct opts *o;
	enum session_kind kind;
	struct loop *loop;
	struct node *node;
	struct progress progress;
	struct loop_timer *timer;
	/* Asked, before it leaves, who else has what this peer has. May be set any time; borrowed.
	 */
	const struct index_client *index;
	/* The same where each torrent has another one, as struct parting_asker has it. NULL:
	 * `index` is that of all. */
	const struct index_client *(*index_of)(void *user, const struct transfer *t);
	/* What each of its transfers is called, as struct control_params has it. NULL: its title.
	 */
	bool (*next_called)(void *user, size_t *at, struct control_transfer *out);
	void *next_user;
	struct pacing *pacing;
	int control_listener;	 /* one that listens already, for session_listen(); 0: none */
	struct control *control; /* NULL: nobody can ask */
	struct parting *parting;
	struct loop_timer *parting_timer;
	enum { SESSION_STAYS, SESSION_ASKS, SESSION_DRAINS } going; /* on the way out */
	uint32_t drain_s; /* hand on what nobody else has, for so long at most; 0: no */
	bool from_terminal;
	uint64_t drain_until_ms;
	struct parting_loss loss; /* of the last look */
	int going_code;
	/* Called five times a second, at the beginning more often, and after each phase change. May
	 * call session_end(). May be NULL. */
	void (*watch)(struct session *s, void *user);
	uint32_t watch_ms; /* until the next time */
	/* Called once before the node leaves; set before session_run(). May be NULL. */
	void (*leaving)(void *user);
	void *user;
	bool ending, interrupted, said_spared;
	int code; /* what session_run() returns */
};

/* How much of the system a node may take, as the user wants it. */
struct quota session_quota(const struct opts *o);
enum node_encryption session_encryption(const struct opts *o);
/* A loop and, unless it is a client, a node on o->port, not running yet. Signals that would end it
 * are held from here on until session_run(). */
int session_init(struct session *s, const struct opts *o, enum session_kind kind,
		 struct err_info *info);
/* DAEMON: answer to other commands under this name, with these verbs, too (struct control_params).
 * ERR_EXISTS: another one does. */
int session_listen(struct session *s, const char *name, const struct control_verb *verbs,
		   void *verbs_user, struct err_info *info);
/* Run until session_end(), session_leave(), Ctrl-C or `shoal leave`; then leave the swarms
 * properly. Returns the exit code. */
int session_run(struct session *s, void (*watch)(struct session *s, void *user), void *user);
/* Call watch in this turn of the loop instead of at its next time. */
void session_poke(struct session *s);
void session_end(struct session *s, int code);
/* The same, but who holds the only copy of something says so, and with --drain, or after Ctrl-C on
 * a terminal, stays until others have it. */
void session_leave(struct session *s, int code);
void session_fini(struct session *s);

/* Print a line to stderr without garbling the progress line. Silent with -q. */
void session_say(struct session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
