#include "cli/index_open.h"

#include "cli/index_choice.h"

int index_open(const struct opts *o, struct index_client **out, struct err_info *info)
{
	const char *url, *pin;
	int rc = index_choose(o, &url, &pin, info);

	*out = NULL;
	if (rc == 0)
		rc = index_client_new(url, o->token, out, info);
	if (rc == 0 && pin != NULL)
		rc = index_client_pin(*out, pin, info);
	if (rc < 0) {
		index_client_free(*out);
		*out = NULL;
	}
	return rc;
}
