#include "cli/doctor.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/control.h"
#include "cli/entries.h"
#include "cli/index_choice.h"
#include "cli/index_open.h"
#include "net/tcp.h"
#include "node/node.h"

/* Entries are signed with their time: an index refuses those that are far off. */
#define CLOCK_OFF_S 60
#define PEERS_SILENCE_MS 3000u

static bool is_free(const char *host, uint16_t port, struct err_info *why)
{
	uint16_t bound;
	int fd = tcp_listen(host, port, &bound, why);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

void doctor_port(const struct opts *o, struct doctor_finding *f)
{
	uint16_t first = o->port < 0 ? NODE_PORT_FIRST : (uint16_t)o->port;
	uint16_t last = o->port < 0 ? NODE_PORT_LAST : first, port = first;
	struct err_info why;

	while (!is_free(o->listen, port, &why) && port < last)
		port++;
	if (is_free(o->listen, port, &why))
		doctor_say(f, DOCTOR_FINE, NULL, "a peer can listen on %s%.0u",
			   port == 0 ? "a port of the system's choice" : "", port);
	else if (o->port < 0)
		doctor_say(f, DOCTOR_WARN, "choose one that your router lets through (--port)",
			   "%u to %u are taken: a peer takes any other", (unsigned)first,
			   (unsigned)last);
	else
		doctor_say(f, DOCTOR_FAIL, "choose another one (--port)", "%s", why.text);
}

/* *url is borrowed from `o`. */
static int ask_index(const struct opts *o, const char **url, json_t **status, struct err_info *info)
{
	const char *pin;
	struct index_client *c = NULL;
	int err = index_open(o, &c, info);

	if (err == OK)
		err = index_client_status(c, status, info);
	index_client_free(c);
	index_chosen(o, url, &pin);
	return err;
}

void doctor_index(const struct opts *o, struct doctor_finding *f)
{
	char safe[256], version[64];
	const char *url;
	struct err_info info;
	json_t *status = NULL;
	int err = ask_index(o, &url, &status, &info);

	if (err == ERR_DENIED)
		doctor_say(f, DOCTOR_FAIL,
			   "ask who runs it for a token (--token) or its pin (--pin)", "%s",
			   info.text);
	else if (err != OK)
		/* What was said wrongly the text says how to say. */
		doctor_say(f, DOCTOR_FAIL,
			   err == ERR_INVALID
			       ? NULL
			       : "start one (shoal index), or name another (--index)",
			   "%s", info.text);
	else
		doctor_say(f, DOCTOR_FINE, NULL, "%s answers, version %s%s",
			   text_escape(safe, sizeof(safe), bytes_str(url)),
			   text_escape(version, sizeof(version),
				       bytes_str(entries_str(status, "version"))),
			   o->pin != NULL ? ", its key is the pinned one" : "");
	json_decref(status);
}

void doctor_clock(const struct opts *o, struct doctor_finding *f)
{
	const char *url;
	struct err_info info;
	json_t *status = NULL;
	int err = ask_index(o, &url, &status, &info);
	int64_t now = (int64_t)time(NULL), theirs = entries_int(status, "now");
	uint64_t off =
	    now > theirs ? (uint64_t)now - (uint64_t)theirs : (uint64_t)theirs - (uint64_t)now;
	char text[32];

	if (err != OK || theirs <= 0)
		doctor_say(f, DOCTOR_WARN, NULL, "no index to compare it with");
	else if (off > CLOCK_OFF_S)
		doctor_say(f, DOCTOR_WARN, "set the one that is wrong (timedatectl set-ntp true)",
			   "%s %s the index's", text_duration(text, sizeof(text), off),
			   now > theirs ? "ahead of" : "behind");
	else
		doctor_say(f, DOCTOR_FINE, NULL, "as the index's");
	json_decref(status);
}

static void ignore(void *user, const char *peer, const json_t *line)
{
	(void)user;
	(void)peer;
	(void)line;
}

void doctor_peers(const struct opts *o, struct doctor_finding *f)
{
	json_t *question = json_pack("{s:s}", "verb", "explain");
	struct err_info info;
	int n = control_ask(NULL, question, PEERS_SILENCE_MS, ignore, NULL, &info);

	(void)o;
	if (n < 0)
		doctor_say(f, DOCTOR_WARN, n == ERR_TIMEOUT ? "end those that do not answer" : NULL,
			   "%s", info.text);
	else
		doctor_say(f, DOCTOR_FINE, NULL, "%d run%s from this home and answer%s", n,
			   n == 1 ? "s" : "", n == 1 ? "s" : "");
	json_decref(question);
}

/* The first of each peer that knows. */
static void note_external(void *user, const char *peer, const json_t *line)
{
	struct doctor_finding *f = user;
	const json_t *one = json_array_get(json_object_get(line, "external"), 0);
	char at[ADDR_TEXT_MAX], by[64];

	(void)peer;
	if (one != NULL && f->text[0] == '\0')
		doctor_say(f, DOCTOR_FINE, NULL,
			   "the world sees this machine at %s: the word of %s",
			   text_escape(at, sizeof(at), bytes_str(entries_str(one, "address"))),
			   text_escape(by, sizeof(by), bytes_str(entries_str(one, "by"))));
}

void doctor_external(const struct opts *o, struct doctor_finding *f)
{
	json_t *question = json_pack("{s:s}", "verb", "external");
	struct err_info info;

	(void)o;
	(void)control_ask(NULL, question, PEERS_SILENCE_MS, note_external, f, &info);
	if (f->text[0] == '\0')
		doctor_say(f, DOCTOR_FINE, NULL,
			   "no peer that runs from this home was told yet how the world sees it");
	json_decref(question);
}
