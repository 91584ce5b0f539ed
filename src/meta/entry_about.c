/* meta/entry_about.c - what owners say about their entries: description, tags, key=value. */
#include "base/text.h"
#include "meta/entry.h"

int entry_set_description(struct entry *e, struct bytes text, struct err_info *info)
{
	if (text.len > ENTRY_DESCRIPTION_BYTES_MAX)
		return err_set(info, ERR_TOO_BIG, "the description is longer than %u bytes",
			       ENTRY_DESCRIPTION_BYTES_MAX);
	if (!text_is_tame(text))
		return err_set(info, ERR_INVALID, "the description is not one line of UTF-8 text");
	memcpy(e->description, text.ptr, text.len);
	e->description[text.len] = '\0';
	return 0;
}

/* ---- tags ---------------------------------------------------------------- */

static bool is_word_byte(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c >= 0x80 || (c != '\0' && strchr("-_.+", c) != NULL);
}

static int check_word(struct bytes w, const char *what, bool colon, struct err_info *info)
{
	bool ok = w.len > 0 && text_is_tame(w);
	char shown[80];

	for (size_t i = 0; i < w.len && ok; i++)
		ok = is_word_byte(w.ptr[i]) || (colon && w.ptr[i] == ':');
	if (!ok)
		return err_set(info, ERR_INVALID,
			       "'%s' is no %s: letters, digits and -_.+%s make one",
			       text_escape(shown, sizeof(shown), w), what, colon ? ":" : "");
	if (w.len > ENTRY_TAG_BYTES_MAX)
		return err_set(info, ERR_TOO_BIG, "a %s is longer than %u bytes", what,
			       ENTRY_TAG_BYTES_MAX);
	return 0;
}

/* The item of `list` that ends before `end` bytes of it. */
static struct bytes item_at(const char *list, size_t at, char end)
{
	size_t n = 0;

	while (list[at + n] != '\0' && list[at + n] != end)
		n++;
	return bytes_of(list + at, n);
}

static int add_tag(struct entry *e, struct bytes tag, struct err_info *info)
{
	size_t len = strlen(e->tags), at = 0;
	int err = check_word(tag, "tag", true, info);
	bool first = len == 0;

	if (err != 0)
		return err;
	while (at < len) {
		struct bytes there = item_at(e->tags, at, ' ');
		int order = bytes_cmp(tag, there);

		if (order == 0)
			return 0;
		if (order < 0)
			break;
		at += there.len + 1;
	}
	if (len + tag.len + !first > ENTRY_TAGS_BYTES_MAX)
		return err_set(info, ERR_TOO_BIG, "the tags are longer than %u bytes together",
			       ENTRY_TAGS_BYTES_MAX);
	if (at > len) { /* behind the last one */
		e->tags[len] = ' ';
		memcpy(e->tags + at, tag.ptr, tag.len);
		e->tags[at + tag.len] = '\0';
		return 0;
	}
	memmove(e->tags + at + tag.len + !first, e->tags + at, len - at + 1);
	memcpy(e->tags + at, tag.ptr, tag.len);
	if (!first)
		e->tags[at + tag.len] = ' ';
	return 0;
}

int entry_add_tags(struct entry *e, struct bytes tags, struct err_info *info)
{
	for (size_t from = 0, to; from < tags.len; from = to + 1) {
		uint8_t low[ENTRY_TAG_BYTES_MAX + 1];
		struct bytes tag;
		int err;

		for (to = from; to < tags.len && tags.ptr[to] != ' ' && tags.ptr[to] != ','; to++)
			continue;
		if (to == from)
			continue;
		tag = bytes_sub(tags, from, to - from);
		if (tag.len > sizeof(low))
			tag.len = sizeof(low); /* too long all the same */
		for (size_t i = 0; i < tag.len; i++) {
			uint8_t c = tag.ptr[i];

			low[i] = c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
		}
		err = add_tag(e, bytes_of(low, tag.len), info);
		if (err != 0)
			return err;
	}
	return 0;
}

/* ---- key=value ------------------------------------------------------------ */

bool entry_next_meta(const struct entry *e, size_t *at, struct bytes *key, struct bytes *value)
{
	struct bytes line;

	if (e->meta[*at] == '\0')
		return false;
	line = item_at(e->meta, *at, '\n');
	*key = item_at(e->meta, *at, '=');
	*value = bytes_sub(line, key->len + 1, line.len - key->len - 1);
	*at += line.len + 1;
	return true;
}

int entry_set_meta(struct entry *e, struct bytes key, struct bytes value, struct err_info *info)
{
	size_t len = strlen(e->meta), at = 0, next = 0, gone = 0, need = key.len + value.len + 2;
	struct bytes k, v;
	int err = check_word(key, "key", false, info);

	if (err != 0)
		return err;
	if (!text_is_tame(value))
		return err_set(info, ERR_INVALID, "the value of %.*s is not one line of UTF-8 text",
			       (int)key.len, (const char *)key.ptr);
	while (entry_next_meta(e, &next, &k, &v)) {
		int order = bytes_cmp(key, k);

		if (order <= 0) {
			gone = order == 0 ? next - at : 0;
			break;
		}
		at = next;
	}
	if (need > ENTRY_META_BYTES_MAX || len - gone > ENTRY_META_BYTES_MAX - need)
		return err_set(info, ERR_TOO_BIG,
			       "keys and values are longer than %u bytes together",
			       ENTRY_META_BYTES_MAX);
	memmove(e->meta + at + need, e->meta + at + gone, len - at - gone + 1);
	memcpy(e->meta + at, key.ptr, key.len);
	e->meta[at + key.len] = '=';
	if (value.len > 0)
		memcpy(e->meta + at + key.len + 1, value.ptr, value.len);
	e->meta[at + need - 1] = '\n';
	return 0;
}
