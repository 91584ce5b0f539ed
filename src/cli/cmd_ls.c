#include "cli/commands.h"
#include "cli/entries.h"

int cmd_ls(const struct opts *o)
{
	return entries_list(o, "ls", NULL, o->n_args == 0 ? NULL : o->args);
}
