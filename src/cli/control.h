/* cli/control.h - what a running peer of this home answers to other commands, over a socket in the
 * home's "run" folder (net/local.h), named after its process.
 *
 * A question is one object with a "verb", the answer one object or more, a line each:
 *
 *   {"verb": "explain", "name": NAME}       {"explained": [{...}]}; every transfer without a name,
 *                                           else all that are called so
 *   {"verb": "dht"}                         {"dht": {...}}, null when it takes no part
 *   {"verb": "external"}                    {"external": [...]}: node/external_json.h
 *   {"verb": "leave", "drain": true,        {"draining": {"pieces": N, ...}} now and then, at last
 *    "timeout_s": 600}                      {"left": true, "pieces": N, "torrents": N, "title": T}
 *   {"verb": "set", "peers": [PID, ...],    {"set": true}; by those alone that are among `peers`,
 *    "delay_ms": N, "limit_down_bps": N,    of what is said; 0: none
 *    "limit_up_bps": N}
 *   anything else                           {"error": {"code": C, "message": TEXT}}
 *
 * Members may be added to any of them. The daemon's socket is called "daemon"; it answers more
 * verbs: see cli/daemon_control.h. */
#ifndef SHOAL_CLI_CONTROL_H
#define SHOAL_CLI_CONTROL_H

#include <jansson.h>

#include "cli/parting.h"

#define CONTROL_FOLDER "run"

struct local_call;

/* A verb of whoever runs the peer. */
struct control_verb {
	const char *name;
	/* `call` is to be ended by control_say() or control_refuse(). */
	void (*run)(void *user, struct local_call *call, const json_t *question);
};

/* A transfer and what it is called; borrowed. */
struct control_transfer {
	struct transfer *t;
	const char *title;
	char *const *also; /* further titles, NULL-ended; NULL: none */
};

/* What a peer lets others do with it. */
struct control_params {
	struct loop *loop;
	struct node *node;
	/* Leave; with `drain_s` not 0 first hand on what nobody else has, for so long at most. */
	void (*leave)(void *user, uint32_t drain_s);
	void *user;
	const char *name;		  /* of the socket; NULL: the number of the process */
	int listener;			  /* see struct local_params */
	const struct control_verb *verbs; /* more of them, ended by one without name; NULL: none */
	void *verbs_user;
	/* One transfer after the other, `*at` 0 to begin with; false: that was the last. NULL:
	 * those of the node, each by its own title. */
	bool (*next)(void *user, size_t *at, struct control_transfer *out);
	void *next_user;
};

struct control;

/* Returns 0, or why nothing can be asked of this peer, which does no other harm; ERR_EXISTS:
 * another one has the name. */
int control_new(const struct control_params *p, struct control **out, struct err_info *info);
void control_free(struct control *c);

/* Whoever runs the peer is leaving: its own verbs are refused from now on, the others answered on.
 */
void control_end_verbs(struct control *c);

/* To those who asked for it to leave: how it stands. `left`: it is done. */
void control_tell(struct control *c, const struct parting_loss *loss, bool left);

/* A line of an answer. Takes `j`; NULL is "out of memory". `last`: the call is gone after it. */
void control_say(struct local_call *call, json_t *j, bool last);
void control_refuse(struct local_call *call, const char *code, const char *message);
/* The same by the kind of error. */
void control_refuse_err(struct local_call *call, const struct err_info *why);

/* The folder of the sockets, made if missing. Owns: the caller's. NULL: `info` says why. */
char *control_folder(struct err_info *info);

/* ---- the other side ------------------------------------------------------- */

/* Ask every running peer of this home at once, or, unless NULL, `only` the one of that name.
 * `answer` gets each line. Returns how many answered, or an error: ERR_TIMEOUT when there are such,
 * but all were silent for `silence_ms`. */
int control_ask(const char *only, const json_t *question, uint32_t silence_ms,
		void (*answer)(void *user, const char *peer, const json_t *line), void *user,
		struct err_info *info);

#endif
