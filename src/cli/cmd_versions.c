#include "cli/commands.h"
#include "cli/entries.h"
#include "cli/index_open.h"
#include "cli/out.h"

static int show(const struct opts *o, struct index_client *c, struct err_info *info)
{
	struct index_list_ask ask = {0};
	json_t *found = NULL, *all = json_array(), *j;
	int rc = index_client_resolve(c, o->args[0], o->latest, &found, info);

	if (rc == 0) {
		ask.owner = entries_str(found, "owner");
		ask.name = entries_str(found, "name");
		rc = entries_fetch(c, &ask, all, info);
	}
	if (rc == 0 && o->json) {
		j = json_pack("{s:O, s:n}", "entries", all, "next");
		out_json(j);
		json_decref(j);
	} else if (rc == 0) {
		entries_print(all);
	}
	json_decref(all);
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
