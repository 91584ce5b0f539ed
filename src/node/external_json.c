#include "node/external_json.h"

#include "node/node.h"

json_t *external_json(const struct node *n)
{
	json_t *list = json_array();

	for (int v6 = 0; v6 < 2; v6++) {
		char text[ADDR_TEXT_MAX];
		struct addr us;
		const char *by = node_external(n, v6 != 0, &us);

		if (by != NULL)
			json_array_append_new(list, json_pack("{s:s, s:s}", "address",
							      addr_host_text(text, &us), "by", by));
	}
	return list;
}
