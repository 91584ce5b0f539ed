#include "cli/known.h"

#include <stdlib.h>
#include <unistd.h>

#include "cli/home.h"
#include "store/durable.h"

bool known_next(const struct known *k, size_t *at, struct bytes *name, struct bytes *value)
{
	struct bytes all = buf_bytes(&k->text);

	while (*at < all.len) {
		struct bytes rest = bytes_sub(all, *at, all.len - *at);
		const uint8_t *end = memchr(rest.ptr, '\n', rest.len);
		size_t len = end == NULL ? rest.len : (size_t)(end - rest.ptr);
		const uint8_t *space = memchr(rest.ptr, ' ', len);
		size_t before = space == NULL ? 0 : (size_t)(space - rest.ptr);

		*at += len + (end != NULL);
		if (space == NULL)
			continue;
		*value = bytes_sub(rest, 0, before);
		*name = bytes_sub(rest, before + 1, len - before - 1);
		return true;
	}
	return false;
}

bool known_find(const struct known *k, const char *name, struct bytes *value)
{
	struct bytes found;
	size_t at = 0;

	while (known_next(k, &at, &found, value))
		if (bytes_eq(found, bytes_str(name)))
			return true;
	return false;
}

int known_set(struct known *k, const char *name, const char *value, struct err_info *info)
{
	struct bytes old_name, old_value;
	struct buf out;
	size_t at = 0;
	int rc;

	buf_init(&out, KNOWN_BYTES_MAX);
	while (known_next(k, &at, &old_name, &old_value)) {
		if (bytes_eq(old_name, bytes_str(name)))
			continue;
		(void)buf_put(&out, old_value);
		(void)buf_put_u8(&out, ' ');
		(void)buf_put(&out, old_name);
		(void)buf_put_u8(&out, '\n');
	}
	(void)buf_printf(&out, "%s %s\n", value, name);
	rc = out.err != OK ? err_set(info, out.err, "%s: %s", k->file, err_text(out.err))
			   : durable_write(&k->root, k->file, buf_bytes(&out), 0600, info);
	if (rc == OK) {
		struct buf old = k->text;

		k->text = out;
		out = old;
	} else if (info != NULL) {
		info->code = ERR_IO;
	}
	buf_fini(&out);
	return rc == OK ? OK : ERR_IO;
}

static int read_file(struct known *k, struct err_info *info)
{
	struct stat st;

	if (root_stat(&k->root, k->file, &st) == ERR_NOENT ||
	    durable_read(&k->root, k->file, &k->text, info) == OK)
		return OK;
	if (info != NULL)
		info->code = ERR_PROTO;
	return ERR_PROTO;
}

int known_open(struct known *k, const char *file, struct err_info *info)
{
	*k = (struct known){.file = file, .root = {.fd = -1}, .lock = -1};
	buf_init(&k->text, KNOWN_BYTES_MAX);
	if (home_make_dir(&k->dir, info) != OK)
		return ERR_IO;
	k->lock = home_lock(k->dir, info);
	if (k->lock < 0 || root_open(&k->root, k->dir, info) != OK)
		return ERR_IO;
	return read_file(k, info);
}

void known_unlock(struct known *k)
{
	if (k->lock >= 0)
		close(k->lock);
	k->lock = -1;
}

void known_close(struct known *k)
{
	root_close(&k->root);
	known_unlock(k);
	buf_fini(&k->text);
	free(k->dir);
}
