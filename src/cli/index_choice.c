#include "cli/index_choice.h"

#include <stdio.h>

#include "base/text.h"
#include "cli/known.h"
#include "node/index_client.h"
#include "node/lan_find.h"

#define FILE_NAME "known_indexes"
/* In the place of a pin: it had none. */
#define NO_PIN "-"

/* What the network said, weighed against what is known. */
struct weighing {
	const struct opts *o;
	struct known known;
	struct lan_index found[LAN_FOUND_MAX];
	unsigned n;
};

/* ---- what is known ---------------------------------------------------------------- */

enum standing { STRANGER, FRIEND, IMPOSTOR };

static enum standing standing_of(const struct weighing *w, const struct lan_index *i)
{
	struct bytes pin;

	if (!known_find(&w->known, i->id, &pin))
		return STRANGER;
	return bytes_eq(pin, bytes_str(i->pin[0] == '\0' ? NO_PIN : i->pin)) ? FRIEND : IMPOSTOR;
}

static const struct lan_index *first_of(const struct weighing *w, enum standing standing,
					unsigned *count)
{
	const struct lan_index *first = NULL;

	*count = 0;
	for (unsigned i = 0; i < w->n; i++)
		if (standing_of(w, &w->found[i]) == standing && (*count)++ == 0)
			first = &w->found[i];
	return first;
}

/* Is any of those that are known known by a key? */
static bool knows_a_key(const struct weighing *w)
{
	struct bytes id, pin;
	size_t at = 0;

	while (known_next(&w->known, &at, &id, &pin))
		if (!bytes_eq(pin, bytes_str(NO_PIN)))
			return true;
	return false;
}

/* Without a home to remember it in, it is found anew each time. */
static void remember(struct weighing *w, const struct lan_index *i)
{
	struct err_info why;
	struct known k;
	int rc = known_open(&k, FILE_NAME, &why);

	if (rc == OK)
		rc = known_set(&k, i->id, i->pin[0] == '\0' ? NO_PIN : i->pin, &why);
	known_close(&k);
	if (w->o->verbose > 0 && rc != OK)
		fprintf(stderr, "the index is not remembered: %s\n", why.text);
}

/* ---- choosing --------------------------------------------------------------------- */

static void url_of(const struct lan_index *i, char out[ADDR_TEXT_MAX + 8])
{
	char at[ADDR_TEXT_MAX];

	snprintf(out, ADDR_TEXT_MAX + 8, "%s://%s", i->pin[0] == '\0' ? "http" : "https",
		 addr_text(at, &i->at));
}

/* "'gaia 3f0a1b' at https://10.0.0.7:6969 (--pin sha256//...), ..." */
static void list_found(const struct weighing *w, char *out, size_t cap)
{
	char url[ADDR_TEXT_MAX + 8], name[4 * MDNS_LABEL_MAX];
	size_t used = 0;

	for (unsigned i = 0; i < w->n && used < cap; i++) {
		const struct lan_index *f = &w->found[i];
		int n;

		url_of(f, url);
		text_escape(name, sizeof(name), bytes_str(f->name));
		n = snprintf(out + used, cap - used, "%s'%s' at %s%s%s", i == 0 ? "" : ", ", name,
			     url, f->pin[0] == '\0' ? "" : " --pin ", f->pin);
		used += n < 0 ? 0 : (size_t)n;
	}
}

static int refuse(const struct weighing *w, enum err code, const char *what, struct err_info *info)
{
	char list[360];

	list_found(w, list, sizeof(list));
	return err_set(info, code, "%s: %s", what, list);
}

static void take(struct weighing *w, const struct lan_index *i, bool new)
{
	struct index_choice *c = w->o->choice;
	char name[4 * MDNS_LABEL_MAX];

	url_of(i, c->url);
	snprintf(c->pin, sizeof(c->pin), "%s", i->pin);
	if ((!new && w->o->verbose == 0) || w->o->quiet || w->o->json)
		return;
	fprintf(stderr, "using the index '%s' at %s, found on this network\n",
		text_escape(name, sizeof(name), bytes_str(i->name)), c->url);
}

/* `w->n` is not 0. */
static int weigh(struct weighing *w, struct err_info *info)
{
	unsigned friends, impostors, strangers;
	const struct lan_index *friend = first_of(w, FRIEND, &friends);
	const struct lan_index *impostor = first_of(w, IMPOSTOR, &impostors);
	const struct lan_index *stranger = first_of(w, STRANGER, &strangers);

	if (friends == 1) {
		take(w, friend, false);
		return 0;
	}
	if (friends > 1)
		return refuse(w, ERR_AMBIGUOUS,
			      "several indexes on this network, choose one with --index", info);
	if (w->o->accept_key && strangers + impostors == 1) {
		stranger = stranger != NULL ? stranger : impostor;
	} else {
		if (impostors > 0)
			return refuse(
			    w, ERR_DENIED,
			    "THE KEY OF THE INDEX HAS CHANGED, and somebody else may pretend to be "
			    "it; if it is right, name it with --index, or give --accept-key once. "
			    "Found",
			    info);
		if (knows_a_key(w))
			return refuse(
			    w, ERR_DENIED,
			    "the index known from before is not on this network; another one is "
			    "used only if you name it with --index, or give --accept-key once. "
			    "Found",
			    info);
		if (strangers > 1)
			return refuse(w, ERR_AMBIGUOUS,
				      "several indexes on this network, choose one with --index",
				      info);
	}
	remember(w, stranger);
	take(w, stranger, true);
	return 0;
}

/* A friend is worth no more waiting. */
static bool is_enough(void *user, const struct lan_index *found, unsigned n)
{
	struct weighing *w = user;

	for (unsigned i = 0; i < n; i++)
		if (standing_of(w, &found[i]) == FRIEND)
			return true;
	return false;
}

static int choose(const struct opts *o, struct err_info *info)
{
	struct weighing w = {.o = o};
	struct err_info why;
	int rc;

	snprintf(o->choice->url, sizeof(o->choice->url), "%s", INDEX_URL_DEFAULT);
	(void)known_open(&w.known, FILE_NAME, &why);
	known_unlock(&w.known);
	rc = lan_find(INDEX_CHOICE_WAIT_MS, is_enough, &w, w.found, &why);
	if (rc < 0 && o->verbose > 0)
		fprintf(stderr, "no index is looked for on this network: %s\n", why.text);
	w.n = rc > 0 ? (unsigned)rc : 0;
	rc = w.n == 0 ? 0 : weigh(&w, info);
	known_close(&w.known);
	return rc;
}

int index_choose(const struct opts *o, const char **url, const char **pin, struct err_info *info)
{
	int rc = 0;

	if (o->index == NULL && !o->choice->made) {
		rc = choose(o, info);
		o->choice->made = rc == 0;
	}
	index_chosen(o, url, pin);
	return rc;
}

void index_chosen(const struct opts *o, const char **url, const char **pin)
{
	const struct index_choice *c = o->choice;

	*url = o->index;
	*pin = o->pin;
	if (o->index != NULL)
		return;
	*url = c->made ? c->url : INDEX_URL_DEFAULT;
	if (o->pin == NULL && c->made && c->pin[0] != '\0')
		*pin = c->pin;
}
