/* daemon/jobs_list.c - some of the jobs in an order, for those who show a page of them. */
#include <stdlib.h>

#include "daemon/job_request.h"
#include "daemon/jobs_impl.h"
#include "daemon/jobs_json.h"

/* ---- what is asked for ------------------------------------------------------------- */

static int take_sort(const char *word, struct jobs_ask *a, struct err_info *info)
{
	static const char *const words[JOBS_SORTS] = {
	    [JOBS_BY_ID] = "id",     [JOBS_BY_NAME] = "name", [JOBS_BY_STATE] = "state",
	    [JOBS_BY_DONE] = "done", [JOBS_BY_DOWN] = "down", [JOBS_BY_UP] = "up"};

	for (unsigned i = 0; i < JOBS_SORTS; i++) {
		if (strcmp(word, words[i]) == 0) {
			a->sort = (enum jobs_sort)i;
			return OK;
		}
	}
	return job_args_refuse("sort", info);
}

/* "queued,paused" */
static int take_states(struct bytes words, struct jobs_ask *a, struct err_info *info)
{
	do {
		struct bytes word = bytes_take_until(&words, ',');
		int s = JOB_QUEUED;

		while (s <= JOB_DONE &&
		       !bytes_eq(word, bytes_str(job_state_word((enum job_state)s))))
			s++;
		if (s > JOB_DONE)
			return job_args_refuse("state", info);
		a->states |= 1u << s;
	} while (words.len > 0);
	return OK;
}

int jobs_ask_from_json(struct jobs_ask *a, const json_t *args, struct err_info *info)
{
	json_int_t limit = 0, offset = 0, id = 0;
	const char *sort = NULL, *states = NULL;
	int err = job_args_number(args, "limit", 1, JOBS_PAGE_MAX, &limit, info);

	*a = (struct jobs_ask){.sort = JOBS_BY_ID};
	if (err == OK)
		err = job_args_number(args, "offset", 0, JOBS_MAX, &offset, info);
	if (err == OK)
		err = job_args_number(args, "id", 0, UINT32_MAX, &id, info);
	if (err == OK)
		err = job_args_text(args, "sort", &sort, info);
	if (err == OK)
		err = job_args_text(args, "state", &states, info);
	if (err == OK && sort != NULL)
		err = take_sort(sort, a, info);
	if (err == OK && states != NULL)
		err = take_states(bytes_str(states), a, info);
	a->limit = (uint32_t)limit;
	a->offset = (uint32_t)offset;
	a->id = (uint32_t)id;
	return err;
}

/* ---- the order --------------------------------------------------------------------- */

struct row {
	struct job *j;
	const char *text; /* by which it is sorted, or by the number */
	double number;
};

static double number_of(const struct job *j, enum jobs_sort sort)
{
	struct job_view v;

	job_view(j, &v);
	if (sort == JOBS_BY_DOWN)
		return -(double)v.down_bps;
	if (sort == JOBS_BY_UP)
		return -(double)v.up_bps;
	return v.wanted_bytes == 0 ? 1 : (double)v.wanted_done_bytes / (double)v.wanted_bytes;
}

static struct row row_of(struct job *j, enum jobs_sort sort)
{
	struct row r = {.j = j, .text = ""};

	if (sort == JOBS_BY_NAME)
		r.text = j->rec.title;
	else if (sort == JOBS_BY_STATE)
		r.text = job_state_word(job_state_now(j));
	else if (sort != JOBS_BY_ID)
		r.number = number_of(j, sort);
	return r;
}

static int by_order(const void *x, const void *y)
{
	const struct row *a = x, *b = y;
	int order = strcmp(a->text, b->text);

	if (order != 0)
		return order;
	if (a->number < b->number || a->number > b->number)
		return a->number < b->number ? -1 : 1;
	return a->j->rec.id < b->j->rec.id ? -1 : a->j->rec.id > b->j->rec.id;
}

/* Those that are asked for, in order; `rows` has room for all. */
static size_t collect(struct jobs *js, const struct jobs_ask *a, struct row *rows)
{
	size_t n = 0;

	for (size_t i = 0; i < js->n; i++) {
		struct job *j = js->list[i];

		if (a->states == 0 || (a->states >> job_state_now(j) & 1) != 0)
			rows[n++] = row_of(j, a->sort);
	}
	if (a->sort != JOBS_BY_ID) /* as they are */
		qsort(rows, n, sizeof(*rows), by_order);
	return n;
}

/* ---- the answer --------------------------------------------------------------------- */

/* Null: it is not among them. */
static json_t *place_json(const struct row *rows, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].j->rec.id == id)
			return json_integer((json_int_t)i);
	return json_null();
}

static json_t *rows_json(const struct row *rows, size_t from, size_t end)
{
	json_t *list = json_array();

	for (size_t i = from; list != NULL && i < end; i++) {
		if (json_array_append_new(list, job_json(rows[i].j)) != 0) {
			json_decref(list);
			list = NULL;
		}
	}
	return list;
}

json_t *jobs_list_json(struct jobs *js, const struct jobs_ask *a)
{
	struct row *rows = malloc((js->n + 1) * sizeof(*rows));
	size_t n, from, end;
	json_t *list, *out = NULL;

	if (rows == NULL)
		return NULL;
	n = collect(js, a, rows);
	from = a->offset < n ? a->offset : n;
	end = a->limit == 0 || n - from < a->limit ? n : from + a->limit;
	list = rows_json(rows, from, end);
	if (list != NULL)
		out = json_pack("{s:o, s:I, s:I, s:o}", "transfers", list, "total", (json_int_t)n,
				"offset", (json_int_t)from, "next",
				end < n ? json_integer((json_int_t)end) : json_null());
	if (out != NULL && a->id != 0)
		json_object_set_new(out, "at", place_json(rows, n, a->id));
	free(rows);
	return out;
}
