#include "base/buf.h"
#include "cli/commands.h"
#include "cli/entries.h"

/* As long as an index takes it; beyond, it is said here instead of there. */
#define QUERY_BYTES_MAX 4096u

int cmd_search(const struct opts *o)
{
	struct err_info info;
	struct buf words;
	int code;

	buf_init(&words, QUERY_BYTES_MAX);
	for (int i = 0; i < o->n_args; i++) {
		if (i > 0)
			buf_put_u8(&words, ' ');
		buf_put_str(&words, o->args[i]);
	}
	if (buf_cstr(&words) == NULL) {
		err_set(&info, ERR_INVALID, "the words are over %u bytes long", QUERY_BYTES_MAX);
		code = opts_fail(o, "search", &info);
	} else {
		code = entries_list(o, "search", buf_cstr(&words), NULL);
	}
	buf_fini(&words);
	return code;
}
