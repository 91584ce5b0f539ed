#include "cli/index_shared.h"

#include <stdlib.h>

static struct index_shared *find(struct index_shared_list *list, const struct index_client *c)
{
	struct index_shared *s;

	LIST_FOREACH(s, list, all)
	{
		if (index_client_eq(s->client, c))
			return s;
	}
	return NULL;
}

int index_shared_open(struct index_shared_list *list, const struct job *j,
		      struct index_shared **out, struct err_info *info)
{
	struct index_client *client = NULL;
	int err = job_open_index(j, &client, info);
	struct index_shared *s;

	if (err != OK)
		return err;
	s = find(list, client);
	if (s != NULL) {
		index_client_free(client);
	} else {
		s = calloc(1, sizeof(*s));
		if (s == NULL) {
			index_client_free(client);
			return err_set(info, ERR_NOMEM, "out of memory");
		}
		s->client = client;
		LIST_INSERT_HEAD(list, s, all);
	}
	s->users++;
	*out = s;
	return OK;
}

void index_shared_close(struct index_shared *s)
{
	if (s == NULL || --s->users > 0)
		return;
	LIST_REMOVE(s, all);
	index_client_free(s->client);
	free(s);
}
