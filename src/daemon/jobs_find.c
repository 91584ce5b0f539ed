/* daemon/jobs_find.c - which job is meant by what somebody typed. */
#include <strings.h>

#include "base/text.h"
#include "daemon/jobs_impl.h"
#include "daemon/named.h"

/* Digits of an info-hash that may stand for it. */
#define PREFIX_MIN 4u

static bool hash_begins(const struct job *j, const char *ref, size_t n)
{
	char hex[2 * SHA256_LEN + 1];

	text_hex(hex, bytes_of(j->rec.hash_v1, SHA1_LEN));
	if (j->rec.has_v1 && strncasecmp(hex, ref, n) == 0)
		return true;
	text_hex(hex, bytes_of(j->rec.hash_v2, SHA256_LEN));
	return j->rec.has_v2 && strncasecmp(hex, ref, n) == 0;
}

static bool fits_exactly(const struct job *j, const char *ref, size_t n)
{
	if (((n == 2 * SHA1_LEN || n == 2 * SHA256_LEN) && hash_begins(j, ref, n)) ||
	    named_as(j->rec.title, j->rec.name, ref))
		return true;
	for (char *const *also = j->rec.also; also != NULL && *also != NULL; also++)
		if (named_as(*also, j->rec.name, ref))
			return true;
	return false;
}

/* With its owner or without. */
static bool title_begins(const char *title, const char *ref, size_t n)
{
	const char *slash = strchr(title, '/');

	return (slash != NULL && strncmp(slash + 1, ref, n) == 0) || strncmp(title, ref, n) == 0;
}

static bool fits_beginning(const struct job *j, const char *ref, size_t n)
{
	for (char *const *also = j->rec.also; also != NULL && *also != NULL; also++)
		if (title_begins(*also, ref, n))
			return true;
	return (n >= PREFIX_MIN && hash_begins(j, ref, n)) || title_begins(j->rec.title, ref, n) ||
	       strncmp(j->rec.name, ref, n) == 0;
}

/* How many fit; the first of them, and the numbers of some. */
static size_t find_by(struct jobs *js, const char *ref,
		      bool (*fits)(const struct job *j, const char *ref, size_t n),
		      struct job **out, struct buf *numbers)
{
	size_t found = 0, len = strlen(ref);

	for (size_t i = 0; i < js->n && len > 0; i++) {
		if (!fits(js->list[i], ref, len))
			continue;
		if (found++ == 0)
			*out = js->list[i];
		if (found <= 8)
			buf_printf(numbers, found == 1 ? "%u" : ", %u", js->list[i]->rec.id);
	}
	return found;
}

/* What was found by `ref`, as jobs_find() answers it. */
static int answer(const char *ref, size_t found, struct buf *numbers, struct job **out,
		  struct err_info *info)
{
	char safe[256];

	if (found == 1)
		return OK;
	*out = NULL;
	text_escape(safe, sizeof(safe), bytes_str(ref));
	if (found == 0)
		return err_set(info, ERR_NOENT, "%s: no such transfer", safe);
	return err_set(info, ERR_AMBIGUOUS, "%s: can be number %s%s", safe,
		       buf_cstr(numbers) == NULL ? "" : buf_cstr(numbers),
		       found > 8 ? " or others" : "");
}

int jobs_find(struct jobs *js, const char *ref, struct job **out, struct err_info *info)
{
	struct buf numbers;
	size_t found;
	uint64_t id;
	bool number = text_parse_u64(bytes_str(ref), UINT32_MAX, &id) == OK;
	int err;

	if (number) {
		*out = jobs_by_id(js, (uint32_t)id);
		if (*out != NULL)
			return OK;
	}
	buf_init(&numbers, 1024);
	found = find_by(js, ref, fits_exactly, out, &numbers);
	/* The number of one that is gone is not the beginning of another's name. */
	if (found == 0 && !number) {
		buf_clear(&numbers);
		found = find_by(js, ref, fits_beginning, out, &numbers);
	}
	err = answer(ref, found, &numbers, out, info);
	buf_fini(&numbers);
	return err;
}

/* What jobs_find() takes it for, so that nobody has to look it up. */
static void say_near(struct jobs *js, const char *ref, struct err_info *info)
{
	char safe[256], title[300];
	struct err_info why;
	struct job *near = NULL;
	int err = jobs_find(js, ref, &near, &why);

	text_escape(safe, sizeof(safe), bytes_str(ref));
	if (err == OK)
		err_set(info, ERR_NOENT,
			"%s: no such transfer; what is removed is named in full, number %u is %s",
			safe, near->rec.id,
			text_escape(title, sizeof(title), bytes_str(near->rec.title)));
	else if (err == ERR_AMBIGUOUS)
		err_set(info, ERR_NOENT, "%s; what is removed is named in full", why.text);
}

int jobs_find_to_remove(struct jobs *js, const char *ref, struct job **out, struct err_info *info)
{
	struct buf numbers;
	size_t found;
	uint64_t id;
	int err;

	buf_init(&numbers, 1024);
	if (text_parse_u64(bytes_str(ref), UINT32_MAX, &id) == OK) {
		*out = jobs_by_id(js, (uint32_t)id);
		found = *out != NULL;
	} else {
		found = find_by(js, ref, fits_exactly, out, &numbers);
	}
	err = answer(ref, found, &numbers, out, info);
	buf_fini(&numbers);
	if (err == ERR_NOENT)
		say_near(js, ref, info);
	return err;
}
