/* cli/cmd_leave.c - ask the peers that run from this home to leave, and wait until they have. */
#include <stdio.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/control.h"
#include "cli/entries.h"
#include "cli/out.h"

/* Goodbyes take up to three seconds, and the index may have to be asked before. */
#define SILENCE_MS 15000u

struct leave {
	const struct opts *o;
	json_t *left;
	json_t *said; /* the pieces that were said last, of each peer */
};

static void say_draining(struct leave *l, const char *peer, const json_t *how)
{
	json_int_t pieces = entries_int(how, "pieces");
	char title[600];

	if (l->o->quiet || l->o->json ||
	    (json_object_get(l->said, peer) != NULL && entries_int(l->said, peer) == pieces))
		return;
	json_object_set_new(l->said, peer, json_integer(pieces));
	fprintf(stderr, "%s: draining: %lld piece%s of %s%s to go\n", peer, (long long)pieces,
		pieces == 1 ? "" : "s",
		text_escape(title, sizeof(title), bytes_str(entries_str(how, "title"))),
		parting_others((uint32_t)entries_count(how, "torrents")));
}

static void say_left(const struct leave *l, const char *peer, const json_t *how)
{
	json_int_t pieces = entries_int(how, "pieces");
	char title[600];

	if (l->o->json || l->o->quiet)
		return;
	if (pieces > 0)
		fprintf(stderr, "warning: %s held the only copy of %lld piece%s of %s%s\n", peer,
			(long long)pieces, pieces == 1 ? "" : "s",
			text_escape(title, sizeof(title), bytes_str(entries_str(how, "title"))),
			parting_others((uint32_t)entries_count(how, "torrents")));
	printf("%s has left\n", peer);
}

static void take(void *user, const char *peer, const json_t *line)
{
	const json_t *draining = json_object_get(line, "draining");
	struct leave *l = user;

	if (draining != NULL)
		say_draining(l, peer, draining);
	if (!json_is_true(json_object_get(line, "left")))
		return;
	json_array_append_new(l->left, json_pack("{s:s, s:I, s:s}", "peer", peer,
						 "pieces_only_here", entries_int(line, "pieces"),
						 "title", entries_str(line, "title")));
	say_left(l, peer, line);
}

int cmd_leave(const struct opts *o)
{
	struct leave l = {.o = o, .left = json_array(), .said = json_object()};
	json_t *question = json_pack("{s:s, s:b, s:I}", "verb", "leave", "drain", o->drain,
				     "timeout_s", (json_int_t)o->drain_timeout_s);
	struct err_info info;
	int n = control_ask(NULL, question, SILENCE_MS, take, &l, &info);

	if (n == 0)
		n = err_set(&info, ERR_NOENT, "no peer is running from this home");
	if (n > 0 && o->json) {
		json_t *j = json_pack("{s:O}", "left", l.left);

		out_json(j);
		json_decref(j);
	}
	json_decref(question);
	json_decref(l.left);
	json_decref(l.said);
	return n > 0 ? EXIT_OK : opts_fail(o, "leave", &info);
}
