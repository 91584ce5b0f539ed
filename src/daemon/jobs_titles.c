/* daemon/jobs_titles.c - what is shared under several names is one job, which has a title for each:
 * the same content is one swarm whatever it is called. */
#include <stdlib.h>

#include "base/bencode.h"
#include "base/text.h"
#include "daemon/jobs_impl.h"
#include "meta/name_item.h"

/* "OWNER/NAME" is every version of it. */
static bool is_of(const char *title, const char *name)
{
	size_t n = strlen(name);
	uint64_t version;

	return n > 0 && strncmp(title, name, n) == 0 &&
	       (title[n] == '\0' ||
		(title[n] == '@' &&
		 text_parse_u64(bytes_str(title + n + 1), UINT32_MAX, &version) == OK));
}

static void forget(char **list, size_t i)
{
	size_t n = job_list_len(list);

	free(list[i]);
	memmove(list + i, list + i + 1, (n - i) * sizeof(*list));
}

static bool is_called(const struct job_record *r, const char *title)
{
	bool called = strcmp(r->title, title) == 0;

	for (size_t i = 0; i < job_list_len(r->also); i++)
		called |= strcmp(r->also[i], title) == 0;
	return called;
}

static int add(struct job_record *r, const char *title)
{
	if (job_list_add(&r->also, title) != OK)
		return ERR_NOMEM;
	if (job_list_len(r->also) > JOBS_LIST_MAX)
		forget(r->also, 0);
	return OK;
}

int jobs_add_title(struct jobs *js, struct job *j, const char *title, struct err_info *info)
{
	(void)js;
	if (is_called(&j->rec, title))
		return OK;
	if (add(&j->rec, title) != OK)
		return err_set(info, ERR_NOMEM, "out of memory");
	jobs_emit(j, JOB_CHANGED);
	return job_changed(j, info);
}

int job_lead_with(struct job *j, const char *title)
{
	struct job_record *r = &j->rec;

	if (!r->seed || strcmp(r->title, title) == 0)
		return OK;
	if (add(r, r->title) != OK)
		return ERR_NOMEM;
	for (size_t i = job_list_len(r->also); i-- > 0;)
		if (strcmp(r->also[i], title) == 0)
			forget(r->also, i);
	return OK;
}

/* The newest of its other titles is the first one now, and what it is an entry by. What was watched
 * would be published under a name that is no more. */
static void take_next(struct job_record *r)
{
	size_t last = job_list_len(r->also) - 1;
	struct entry_ref ref = {.version = 0};

	free(r->title);
	free(r->owner);
	free(r->entry);
	free(r->watch);
	r->owner = r->entry = r->watch = NULL;
	r->title = r->also[last];
	r->also[last] = NULL;
	if (entry_ref_parse(bytes_str(r->title), &ref, NULL) == OK && ref.owner[0] != '\0' &&
	    (job_copy_text(ref.owner, &r->owner) != OK ||
	     job_copy_text(ref.name, &r->entry) != OK)) {
		free(r->owner);
		r->owner = NULL;
	}
	r->version = r->entry == NULL ? 0 : ref.version;
}

/* Is it called so by any version? */
static bool is_called_some(const struct job_record *r, const struct entry_ref *ref)
{
	char name[ENTRY_REF_MAX];
	bool called = is_of(r->title, entry_ref_text(name, ref->owner, ref->name, 0));

	for (size_t i = 0; i < job_list_len(r->also); i++)
		called |= is_of(r->also[i], name);
	return called;
}

/* It is not called `title` any more, and that is what the hash table is told. */
static void forget_item(struct job *j, const char *title)
{
	struct bytes item = bytes_of(j->rec.item, j->rec.item_len), salt;
	uint8_t named[NAME_ITEM_SALT_MAX];
	struct entry_ref ref;
	struct benc d;

	if (item.len == 0 || benc_parse_all(item, &d, NULL) != OK ||
	    !benc_find_str(&d, "salt", &salt) ||
	    entry_ref_parse(bytes_str(title), &ref, NULL) != OK || is_called_some(&j->rec, &ref) ||
	    !bytes_eq(salt, bytes_of(named, name_item_salt(bytes_str(ref.name), named))))
		return;
	(void)job_record_set_item(&j->rec, (struct bytes){NULL, 0});
	if (j->t != NULL)
		(void)transfer_set_item(j->t, (struct bytes){NULL, 0});
}

bool jobs_drop_title(struct jobs *js, struct job *j, const char *name, bool *last)
{
	struct job_record *r = &j->rec;
	bool first = r->seed && is_of(r->title, name), dropped = false;

	(void)js;
	for (size_t i = job_list_len(r->also); i-- > 0;) {
		if (!is_of(r->also[i], name))
			continue;
		forget(r->also, i);
		dropped = true;
	}
	*last = first && job_list_len(r->also) == 0;
	if (*last || (!first && !dropped))
		return first;
	if (first)
		take_next(r);
	if (first)
		err_drop(&j->upkeep_why);
	forget_item(j, name);
	jobs_emit(j, JOB_CHANGED);
	job_save_or_say(j);
	return true;
}
