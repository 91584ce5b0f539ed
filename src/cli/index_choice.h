/* cli/index_choice.h - which index a command talks to when nobody names one: the one that is found
 * on the local network, else the one on this machine.
 *
 * The first index that is found is remembered by its id and key in the home's "known_indexes". From
 * then on it is taken whenever it is there, and nothing else in its place: neither one that says it
 * is the same and has another key, nor, once one with a key is known, one that nobody knows. An
 * index without TLS has no key, so another can pretend to be it; what it cannot do is forge
 * entries, which their owners sign. */
#ifndef SHOAL_CLI_INDEX_CHOICE_H
#define SHOAL_CLI_INDEX_CHOICE_H

#include "base/addr.h"
#include "cli/opts.h"
#include "net/tls.h"

/* How long neighbours are waited for. */
#define INDEX_CHOICE_WAIT_MS 400u

/* What was chosen, for the rest of the process. */
struct index_choice {
	bool made;
	char url[ADDR_TEXT_MAX + 8];
	char pin[TLS_PIN_TEXT_MAX]; /* "": none */
};

/* As --index and --pin say, else as above; the network is asked once a process. With --accept-key
 * an index that is not known takes the place of the one that is. Returns 0; ERR_AMBIGUOUS with the
 * list; ERR_DENIED when what was found is not what is known. Owns: both borrow from `o`; *pin may
 * be NULL. */
int index_choose(const struct opts *o, const char **url, const char **pin, struct err_info *info);
/* The same without asking anybody: what was named or chosen, or the one on this machine. */
void index_chosen(const struct opts *o, const char **url, const char **pin);

#endif
