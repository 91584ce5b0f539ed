#include <stdio.h>

#include "cli/commands.h"
#include "cli/entries.h"
#include "cli/index_open.h"
#include "cli/out.h"

static int ask(const struct opts *o, struct index_client *c, json_t **out, struct err_info *info)
{
	json_t *entry = NULL;
	int rc;

	if (o->n_args == 0)
		return index_client_peers(c, out, info);
	rc = index_client_resolve(c, o->args[0], o->latest, &entry, info);
	if (rc == 0)
		rc = index_client_holders(c, (uint64_t)entries_int(entry, "id"), out, info);
	json_decref(entry);
	return rc;
}

int cmd_peers(const struct opts *o)
{
	struct err_info info = {.code = OK};
	struct index_client *c = NULL;
	json_t *answer = NULL;
	int code = EXIT_OK;
	int rc = index_open(o, &c, &info);

	if (rc == 0)
		rc = ask(o, c, &answer, &info);
	if (rc != 0) {
		code = opts_fail(o, "peers", &info);
	} else if (o->json) {
		out_json(answer);
	} else {
		entries_print_peers(json_object_get(answer, "peers"), o->n_args > 0);
		if (!o->quiet && json_array_size(json_object_get(answer, "peers")) == 0)
			fputs("nobody is on line\n", stderr);
	}
	json_decref(answer);
	index_client_free(c);
	return code;
}
