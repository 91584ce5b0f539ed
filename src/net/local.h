/* net/local.h - questions and answers between programs of one user, over sockets in a folder of
 * the file system: a line of JSON each way (what is in the lines is others' business).
 *
 * A server is known by a name of its own, "NAME.sock" in the folder (0700, sockets 0600; who asks
 * must have our user id, or be root). It is bound elsewhere and renamed when it listens, so
 * whatever is there and refuses was left by a crash, and is removed by whoever comes across it. The
 * folder's path may be of any length where /proc is, elsewhere of some 80 bytes. */
#ifndef SHOAL_NET_LOCAL_H
#define SHOAL_NET_LOCAL_H

#include "base/bytes.h"
#include "base/err.h"
#include "net/loop.h"

/* A question, an answer (attack: none, both are ours; a bug must not take all memory). */
#define LOCAL_QUESTION_MAX 65536u
#define LOCAL_ANSWER_MAX (16u << 20)
/* Askers of one server at a time; further ones are hung up on. */
#define LOCAL_CLIENTS_MAX 32u
/* Servers that are asked; a folder with more of them is not one of ours. */
#define LOCAL_SERVERS_MAX 1000u
/* Length of a server's name. */
#define LOCAL_NAME_MAX 64u

struct local_server;
struct local_call;

struct local_params {
	struct loop *loop;
	const char *folder; /* exists */
	const char *name;   /* letters, digits, '-' and '.' */
	int listener; /* a socket that listens there already, taken over; its name stays at the
			 end. 0: none */
	/* A question, without the line break. `call` has to be ended, now or later; what it borrows
	 * does not outlive this. */
	void (*asked)(void *user, struct local_call *call, struct bytes question);
	void *user;
};

/* Returns 0; ERR_EXISTS when another server answers to the name; ERR_IO, ERR_DENIED, ERR_NOMEM. */
int local_server_new(const struct local_params *p, struct local_server **out,
		     struct err_info *info);
/* Takes the name away and hangs up; calls that have not ended may be ended still. */
void local_server_free(struct local_server *s);

/* Say a line (the break is added); the asker goes on listening. */
void local_call_say(struct local_call *c, struct bytes line);
/* Say the last line; the call is gone for the caller. */
void local_call_end(struct local_call *c, struct bytes line);

/* ---- the asker's side; waits -------------------------------------------- */

/* Ask all servers of the folder at once, or, unless NULL, `only` that one; `line` gets each line of
 * their answers, as they come. One that says nothing for `silence_ms`, or too much, is given up:
 * *n_silent counts them. Returns how many answered to the end, or ended, 0 also when there is no
 * folder; ERR_DENIED when the folder may not be looked into; ERR_IO; ERR_NOMEM. */
int local_ask_all(const char *folder, const char *only, struct bytes question, uint32_t silence_ms,
		  void (*line)(void *user, const char *name, struct bytes line), void *user,
		  uint32_t *n_silent);

#endif
