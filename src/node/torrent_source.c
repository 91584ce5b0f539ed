#include "node/torrent_source.h"

#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/text.h"
#include "net/http_client.h"
#include "store/durable.h"

#define TURN_MS 1000u

bool torrent_source_is_url(const char *ref)
{
	return strncasecmp(ref, "http://", 7) == 0 || strncasecmp(ref, "https://", 8) == 0;
}

bool torrent_source_ends_so(const char *ref)
{
	size_t n = strlen(ref);

	return n > 8 && strcmp(ref + n - 8, ".torrent") == 0;
}

bool torrent_source_is_file(const char *ref)
{
	struct stat st;

	if (!torrent_source_ends_so(ref))
		return false;
	return ref[0] == '/' || ref[0] == '.' || (stat(ref, &st) == 0 && !S_ISDIR(st.st_mode));
}

struct answer {
	const char *url;
	struct buf *out;
	struct err_info *info;
	bool done;
	int err;
};

static enum err err_of_status(int status)
{
	if (status == 404 || status == 410)
		return ERR_NOENT;
	if (status == 401 || status == 403 || status == 407)
		return ERR_DENIED;
	return status >= 500 ? ERR_UNREACHABLE : ERR_PROTO;
}

static void on_done(void *user, const struct http_answer *reply)
{
	struct answer *a = user;
	char safe[256];

	a->done = true;
	text_escape(safe, sizeof(safe), bytes_str(a->url));
	if (reply->err.code != OK)
		a->err = err_set(a->info, reply->err.code, "%s", reply->err.text);
	else if (reply->status < 200 || reply->status > 299)
		a->err = err_set(a->info, err_of_status(reply->status),
				 "%s: the server answers with status %d", safe, reply->status);
	else if (buf_put(a->out, reply->body) < 0)
		a->err = err_set(a->info, a->out->err, "%s: %s", safe, err_text(a->out->err));
}

static int wait_for(struct loop *l, struct http_client *c, struct answer *a)
{
	struct http_ask ask = {.method = "GET",
			       .url = a->url,
			       .max_bytes = a->out->max - a->out->len,
			       .total_ms = TORRENT_SOURCE_MS,
			       .wary = true,
			       .done = on_done,
			       .user = a};
	struct http_call *call = http_client_send(c, &ask);
	int r = OK;

	if (call == NULL)
		return err_set(a->info, ERR_NOMEM, "out of memory");
	while (!a->done && r >= 0)
		r = loop_turn(l, TURN_MS);
	if (a->done)
		return a->err;
	http_call_cancel(call);
	return err_set(a->info, ERR_IO, "waiting for the answer failed");
}

static int read_url(const char *url, struct buf *out, struct err_info *info)
{
	struct answer a = {.url = url, .out = out, .info = info};
	struct http_client *c = NULL;
	struct loop *l = NULL;
	int err = loop_new(&l);

	if (err == OK)
		err = http_client_new(l, &c);
	err = err == OK ? wait_for(l, c, &a) : err_set(info, ERR_NOMEM, "out of memory");
	http_client_free(c);
	loop_free(l);
	return err;
}

int torrent_source_read(const char *ref, struct buf *out, struct err_info *info)
{
	return torrent_source_is_url(ref) ? read_url(ref, out, info)
					  : durable_read_path(ref, out, info);
}
