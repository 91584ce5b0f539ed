#include "cli/index_open.h"

int index_open(const struct opts *o, struct index_client **out, struct err_info *info)
{
	int rc = index_client_new(o->index, o->token, out, info);

	if (rc == 0 && o->pin != NULL)
		rc = index_client_pin(*out, o->pin, info);
	if (rc < 0) {
		index_client_free(*out);
		*out = NULL;
	}
	return rc;
}
