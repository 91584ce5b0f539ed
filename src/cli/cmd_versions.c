#include "cli/commands.h"
#include "cli/entries.h"
#include "cli/index_open.h"
#include "cli/out.h"

/* More than anybody looks at; the API has the rest. */
#define VERSIONS_SHOWN 500u

static int show(const struct opts *o, struct index_client *c, struct err_info *info)
{
	struct index_list_ask ask = {.limit = VERSIONS_SHOWN};
	json_t *found = NULL, *page = NULL;
	int rc = index_client_resolve(c, o->args[0], o->latest, &found, info);

	if (rc != 0)
		return rc;
	ask.owner = entries_str(found, "owner");
	ask.name = entries_str(found, "name");
	rc = index_client_list(c, &ask, &page, info);
	if (rc == 0 && o->json)
		out_json(page);
	else if (rc == 0)
		entries_print(json_object_get(page, "entries"));
	json_decref(page);
	json_decref(found);
	return rc;
}

int cmd_versions(const struct opts *o)
{
	struct err_info info = {.code = OK};
	struct index_client *c = NULL;
	int rc = index_open(o, &c, &info);

	if (rc == 0)
		rc = show(o, c, &info);
	index_client_free(c);
	return rc == 0 ? EXIT_OK : opts_fail(o, "versions", &info);
}
