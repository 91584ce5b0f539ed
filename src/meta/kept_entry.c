#include "meta/kept_entry.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define FIXED_BYTES offsetof(struct entry, owner)
#define TEXTS 5

_Static_assert(sizeof(struct entry) - offsetof(struct entry, meta) -
		       sizeof((struct entry){0}.meta) <
		   _Alignof(struct entry),
	       "the texts are the last members, and `meta` is the last of them");

struct kept_entry {
	uint8_t fixed[FIXED_BYTES];
	char texts[]; /* one after the other, each with its NUL */
};

struct kept_entry *kept_entry_new(const struct entry *e)
{
	const char *texts[TEXTS] = {e->owner, e->name, e->description, e->tags, e->meta};
	struct kept_entry *k;
	size_t bytes = 0, at = 0;

	for (size_t i = 0; i < TEXTS; i++)
		bytes += strlen(texts[i]) + 1;
	k = malloc(sizeof(*k) + bytes);
	if (k == NULL)
		return NULL;
	memcpy(k->fixed, e, FIXED_BYTES);
	for (size_t i = 0; i < TEXTS; i++) {
		size_t len = strlen(texts[i]) + 1;

		memcpy(k->texts + at, texts[i], len);
		at += len;
	}
	return k;
}

void kept_entry_get(const struct kept_entry *k, struct entry *out)
{
	char *texts[TEXTS] = {out->owner, out->name, out->description, out->tags, out->meta};
	const char *at = k->texts;

	memset(out, 0, sizeof(*out));
	memcpy(out, k->fixed, FIXED_BYTES);
	for (size_t i = 0; i < TEXTS; i++) {
		size_t len = strlen(at) + 1;

		memcpy(texts[i], at, len);
		at += len;
	}
}
