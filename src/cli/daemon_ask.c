#include "cli/daemon_ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/control.h"
#include "cli/daemon_control.h"
#include "cli/entries.h"
#include "cli/opts.h"
#include "node/json_put.h"
#include "store/durable.h"

/* A daemon whose loop is busy answers late. */
#define SILENCE_MS 15000u
/* Half of LOCAL_QUESTION_MAX. */
#define REQUEST_WITHIN_BYTES 32768u

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

/* ---- how it stands ------------------------------------------------------------------- */

/* The page behind number *after, which becomes the one to go on behind; 0: that was the last. One
 * that was started before an update knows no pages, and answers with all. */
static int ask_for_page(const char *ref, json_int_t *after, json_t **out, struct err_info *info)
{
	json_int_t next;
	int err =
	    daemon_ask(json_pack("{s:s, s:s*, s:I}", "verb", "status", "ref", ref, "after", *after),
		       out, info);

	if (err != OK)
		return err;
	next = json_integer_value(json_object_get(*out, "next"));
	*after = next > *after ? next : 0;
	(void)json_object_del(*out, "next");
	return OK;
}

int daemon_ask_status(const char *ref, json_t **out, struct err_info *info)
{
	json_int_t after = 0;
	int err = ask_for_page(ref, &after, out, info);

	if (err != OK)
		return err;
	while (err == OK && after > 0) {
		json_t *page = NULL;

		err = ask_for_page(ref, &after, &page, info);
		if (err == OK && json_array_extend(json_object_get(*out, "transfers"),
						   json_object_get(page, "transfers")) != 0)
			err = err_set(info, ERR_NOMEM, "out of memory");
		json_decref(page);
	}
	if (err != OK) {
		json_decref(*out);
		*out = NULL;
	}
	return err;
}

/* ---- to add one ----------------------------------------------------------------------- */

/* The request in a file of the run folder: it may be larger than a question. Owns: *path is the
 * caller's, who removes the file. */
static int write_request(const json_t *request, char **path, struct err_info *info)
{
	char *text = json_put_string(request, DAEMON_REQUEST_MAX), *folder = NULL;
	int err = text == NULL ? err_set(info, ERR_NOMEM, "out of memory") : OK;

	if (err == OK && (folder = control_folder(info)) == NULL)
		err = info->code;
	if (err == OK && asprintf(path, "%s/add-%ld.json", folder, (long)getpid()) < 0) {
		*path = NULL;
		err = err_set(info, ERR_NOMEM, "out of memory");
	}
	if (err == OK)
		err = durable_write_path(*path, bytes_str(text), 0600, info);
	free(folder);
	free(text);
	return err;
}

static int ask_by_file(const json_t *request, json_t **answer, struct err_info *info)
{
	char *path = NULL;
	int err = write_request(request, &path, info);

	if (err == OK)
		err =
		    daemon_ask(json_pack("{s:s, s:s}", "verb", "add", "file", path), answer, info);
	if (path != NULL)
		(void)unlink(path);
	free(path);
	return err;
}

/* Most fit into the question, and a file costs a disk more than the daemon's own. One that was
 * started before an update knows only files. */
int daemon_ask_to_add(const struct job_spec *s, json_t **answer, struct err_info *info)
{
	json_t *request = job_spec_json(s);
	int err = ERR_INVALID;

	if (json_dumpb(request, NULL, 0, 0) < REQUEST_WITHIN_BYTES)
		err = daemon_ask(json_pack("{s:s, s:O?}", "verb", "add", "request", request),
				 answer, info);
	if (err == ERR_INVALID)
		err = ask_by_file(request, answer, info);
	json_decref(request);
	return err;
}
