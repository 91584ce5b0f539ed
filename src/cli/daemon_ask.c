#include "cli/daemon_ask.h"

#include "cli/daemon_control.h"
#include "cli/entries.h"
#include "cli/opts.h"

/* A daemon whose loop is busy answers late. */
#define SILENCE_MS 15000u

static void take(void *user, const char *peer, const json_t *line)
{
	json_t **last = user;

	(void)peer;
	json_decref(*last);
	*last = json_deep_copy(line);
}

int daemon_ask(json_t *question, json_t **out, struct err_info *info)
{
	json_t *last = NULL;
	const json_t *error;
	int n = question == NULL
		    ? err_set(info, ERR_NOMEM, "out of memory")
		    : control_ask(DAEMON_NAME, question, SILENCE_MS, take, &last, info);

	json_decref(question);
	error = json_object_get(last, "error");
	if (n == 0 || (n > 0 && last == NULL))
		n = err_set(info, ERR_NOENT,
			    "no daemon runs from this home; start one with 'shoal daemon -d'");
	else if (n > 0 && error != NULL)
		n = err_set(info, err_from_word(entries_str(error, "code")), "%s",
			    entries_str(error, "message"));
	if (n < 0) {
		json_decref(last);
		return n;
	}
	*out = last;
	return OK;
}
