#include "node/json_read.h"

#include <stdlib.h>

#include "base/text.h"

#define BAD(...) err_set(info, ERR_PROTO, __VA_ARGS__)

/* What a document will cost, before anything is made of it. */
struct cost {
	unsigned depth;
	size_t values;
};

/* Brackets and commas inside strings do not count. Jansson bounds the depth, too, but far higher.
 */
static struct cost cost_of(struct bytes text)
{
	bool in_string = false, escaped = false;
	struct cost cost = {0, 0};
	unsigned depth = 0;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.ptr[i];

		if (escaped) {
			escaped = false;
		} else if (in_string) {
			escaped = c == '\\';
			in_string = c != '"';
		} else if (c == '"') {
			in_string = true;
		} else if (c == ',') {
			cost.values++;
		} else if (c == '[' || c == '{') {
			depth++;
			cost.depth = depth > cost.depth ? depth : cost.depth;
			cost.values += c == '{' ? JSON_READ_OBJECT_WEIGHT : 1;
		} else if ((c == ']' || c == '}') && depth > 0) {
			depth--;
		}
	}
	return cost;
}

/* Jansson goes on when it gets no memory for the text of a token: a key loses a letter, a string
 * that is right is called an "invalid token". So it is noted here. Its allocators are the
 * process's. */
static _Thread_local bool starved;

static void *json_alloc(size_t n)
{
	void *ptr = malloc(n);

	starved = starved || ptr == NULL;
	return ptr;
}

__attribute__((constructor)) static void watch_allocations(void)
{
	json_set_alloc_funcs(json_alloc, free);
}

int json_read_object(struct bytes text, json_t **out, struct err_info *info)
{
	size_t most = text.len / JSON_READ_BYTES_A_VALUE;

	most = most > JSON_READ_VALUES_MAX ? most : JSON_READ_VALUES_MAX;
	return json_read_object_within(text, most, out, info);
}

int json_read_object_within(struct bytes text, size_t values, json_t **out, struct err_info *info)
{
	char reason[JSON_ERROR_TEXT_LENGTH];
	struct cost cost = cost_of(text);
	json_error_t why;
	json_t *j;

	if (cost.depth > JSON_READ_DEPTH_MAX)
		return BAD("nested deeper than %d levels", JSON_READ_DEPTH_MAX);
	if (cost.values > values)
		return BAD("more values than %zu", values);
	starved = false;
	j = text.len == 0
		? NULL
		: json_loadb((const char *)text.ptr, text.len, JSON_REJECT_DUPLICATES, &why);
	if (starved) {
		json_decref(j);
		return err_set(info, ERR_NOMEM, "out of memory");
	}
	if (j == NULL && text.len > 0)
		return BAD("not JSON: %s",
			   text_escape(reason, sizeof(reason), bytes_str(why.text)));
	if (!json_is_object(j)) {
		json_decref(j);
		return BAD("not a JSON object");
	}
	*out = j;
	return 0;
}

/* The member, or NULL with *r told: 0 when it may be absent. */
static const json_t *member(const json_t *j, const char *key, bool *found, int *r,
			    struct err_info *info)
{
	const json_t *v = json_object_get(j, key);
	bool there = v != NULL && !json_is_null(v);

	*r = there || found != NULL ? 0 : BAD("\"%s\" is missing", key);
	if (found != NULL)
		*found = there;
	return there ? v : NULL;
}

int json_read_text(const json_t *j, const char *key, char *out, size_t cap, bool *found,
		   struct err_info *info)
{
	int r;
	const json_t *v = member(j, key, found, &r, info);

	if (v == NULL)
		return r;
	if (!json_is_string(v))
		return BAD("\"%s\" is not a string", key);
	if (json_string_length(v) >= cap)
		return BAD("\"%s\" is longer than %zu bytes", key, cap - 1);
	if (strlen(json_string_value(v)) != json_string_length(v))
		return BAD("\"%s\" has a zero byte in it", key);
	memcpy(out, json_string_value(v), json_string_length(v) + 1);
	return 0;
}

int json_read_hex(const json_t *j, const char *key, uint8_t *out, size_t len, bool *found,
		  struct err_info *info)
{
	int r;
	const json_t *v = member(j, key, found, &r, info);

	if (v == NULL)
		return r;
	if (!json_is_string(v) ||
	    text_unhex(bytes_of(json_string_value(v), json_string_length(v)), out, len) != 0)
		return BAD("\"%s\" is not %zu hex digits", key, len * 2);
	return 0;
}

int json_read_u64(const json_t *j, const char *key, uint64_t max, uint64_t *out, bool *found,
		  struct err_info *info)
{
	int r;
	const json_t *v = member(j, key, found, &r, info);

	if (v == NULL)
		return r;
	if (!json_is_integer(v))
		return BAD("\"%s\" is not an integer", key);
	if (json_integer_value(v) < 0 || (uint64_t)json_integer_value(v) > max)
		return BAD("\"%s\" is out of range", key);
	*out = (uint64_t)json_integer_value(v);
	return 0;
}
