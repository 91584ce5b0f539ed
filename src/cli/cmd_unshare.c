#include <stdio.h>
#include <time.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/daemon_ask.h"
#include "cli/home.h"
#include "cli/index_open.h"
#include "cli/out.h"
#include "node/index_client.h"

/* For --admin: whose entry it is must be said. */
static int take_ref(const struct opts *o, struct entry *e, struct err_info *info)
{
	struct entry_ref ref;
	int rc = entry_ref_parse(bytes_str(o->args[0]), &ref, info);

	if (rc == 0 && (ref.owner[0] == '\0' || ref.latest))
		rc = err_set(info, ERR_INVALID, "--admin: give OWNER/NAME or OWNER/NAME@NUMBER");
	*e = (struct entry){.version = ref.version};
	if (rc == 0) {
		snprintf(e->owner, sizeof(e->owner), "%s", ref.owner);
		snprintf(e->name, sizeof(e->name), "%s", ref.name);
	}
	return rc;
}

/* Entry and signature that say "remove this name of mine". */
static int sign_removal(const struct opts *o, const struct home *h, struct entry *e,
			struct err_info *info)
{
	struct entry_ref ref;
	struct buf msg;
	int rc = entry_ref_parse(bytes_str(o->args[0]), &ref, info);

	if (rc != 0)
		return rc;
	if (ref.latest)
		return err_set(info, ERR_INVALID, "unshare takes NAME or NAME@NUMBER");
	*e = (struct entry){.version = ref.version, .published_at = (int64_t)time(NULL)};
	snprintf(e->owner, sizeof(e->owner), "%s", ref.owner[0] != '\0' ? ref.owner : h->owner);
	snprintf(e->name, sizeof(e->name), "%s", ref.name);
	memcpy(e->key, h->key, sizeof(e->key));
	buf_init(&msg, 64u << 10);
	rc = entry_signed_bytes(e, "unpublish", &msg);
	if (rc == 0)
		rc = sign_make(h->seed, buf_bytes(&msg), e->signature);
	buf_fini(&msg);
	return rc == 0 ? 0 : err_set(info, (enum err)rc, "cannot sign: %s", err_text((enum err)rc));
}

static void print_removed(const struct opts *o, const struct entry *e, uint32_t removed)
{
	char owner[ENTRY_OWNER_BYTES_MAX * 4], name[ENTRY_NAME_BYTES_MAX * 4];
	json_t *j;

	if (o->json) {
		j = json_pack("{s:s, s:s, s:i, s:i}", "owner", e->owner, "name", e->name, "version",
			      (int)e->version, "removed", (int)removed);
		out_json(j);
		json_decref(j);
	} else if (!o->quiet) {
		printf("removed %s/%s: %u version%s\n",
		       text_escape(owner, sizeof(owner), bytes_str(e->owner)),
		       text_escape(name, sizeof(name), bytes_str(e->name)), removed,
		       removed == 1 ? "" : "s");
	}
}

/* A daemon that serves what has no name any more stops that; there need be none. */
static void stop_serving(const struct opts *o, const struct entry *e)
{
	char title[ENTRY_REF_MAX];
	json_t *answer = NULL;
	struct err_info why;
	int err;

	entry_ref_text(title, e->owner, e->name, e->version);
	err = daemon_ask(json_pack("{s:s, s:s}", "verb", "unshare", "title", title), &answer, &why);
	json_decref(answer);
	if (err != OK && err != ERR_NOENT && !o->quiet)
		fprintf(stderr, "the daemon goes on serving it: %s\n", why.text);
}

static void keep_owner(const struct opts *o, const struct home *h)
{
	struct err_info why;

	if (o->as != NULL && home_keep_owner(h, &why) != OK && !o->quiet)
		fprintf(stderr, "the owner's name is not remembered: %s\n", why.text);
}

/* The index says that there is no such entry. Of which name, and which may be meant? */
static void say_what_is_not(struct index_client *c, const struct entry *e, struct err_info *info)
{
	char ref[ENTRY_REF_MAX];
	json_t *found = NULL;
	struct err_info why;

	entry_ref_text(ref, e->owner, e->name, e->version);
	if (index_client_resolve(c, ref, true, &found, &why) == ERR_NOENT)
		*info = why;
	json_decref(found);
}

int cmd_unshare(const struct opts *o)
{
	struct err_info info = {.code = OK};
	struct index_client *c = NULL;
	struct home h = {.dir = NULL};
	struct entry e;
	uint32_t removed = 0;
	int code = EXIT_OK;
	int rc = home_open(&h, &info);

	if (rc == 0 && o->as != NULL)
		rc = home_use_owner(&h, o->as, &info);
	if (rc == 0)
		rc = o->admin ? take_ref(o, &e, &info) : sign_removal(o, &h, &e, &info);
	if (rc == 0)
		rc = index_open(o, &c, &info);
	if (rc == 0)
		rc = o->admin ? index_client_admin_unpublish(c, &e, &removed, &info)
			      : index_client_unpublish(c, &e, &removed, &info);
	if (c != NULL && rc == ERR_NOENT)
		say_what_is_not(c, &e, &info);
	if (rc == 0 && !o->admin) {
		keep_owner(o, &h);
		stop_serving(o, &e);
	}
	if (rc == 0)
		print_removed(o, &e, removed);
	else
		code = opts_fail(o, "unshare", &info);
	index_client_free(c);
	home_fini(&h);
	return code;
}
