#include "cli/known_owners.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/home.h"
#include "store/durable.h"

#define FILE_NAME "known_owners"
#define HEX_LEN (2 * SIGN_KEY_LEN)

/* One line taken off the front. False at the end. */
static bool next_line(struct bytes *rest, struct bytes *line)
{
	const uint8_t *end = rest->len == 0 ? NULL : memchr(rest->ptr, '\n', rest->len);
	size_t n = end == NULL ? rest->len : (size_t)(end - rest->ptr);

	if (rest->len == 0)
		return false;
	*line = bytes_sub(*rest, 0, n);
	*rest = bytes_sub(*rest, n + (end != NULL), rest->len - n - (end != NULL));
	return true;
}

static bool is_of(struct bytes line, const char *owner)
{
	return line.len > HEX_LEN && line.ptr[HEX_LEN] == ' ' &&
	       bytes_eq(bytes_sub(line, HEX_LEN + 1, line.len - HEX_LEN - 1), bytes_str(owner));
}

static int load(const struct root *r, struct buf *out, struct err_info *info)
{
	struct stat st;

	if (root_stat(r, FILE_NAME, &st) == ERR_NOENT ||
	    durable_read(r, FILE_NAME, out, info) == OK)
		return OK;
	info->code = ERR_PROTO;
	return ERR_PROTO;
}

/* The remembered key. Returns 1, 0 when there is none, or ERR_PROTO. */
static int find(struct bytes all, const char *owner, uint8_t key[SIGN_KEY_LEN])
{
	struct bytes line;

	while (next_line(&all, &line)) {
		if (is_of(line, owner))
			return text_unhex(bytes_sub(line, 0, HEX_LEN), key, SIGN_KEY_LEN) == 0
				   ? 1
				   : ERR_PROTO;
	}
	return 0;
}

/* All lines but the owner's, and one for the owner. */
static int remember(const struct root *r, struct bytes all, const struct entry *e,
		    struct err_info *info)
{
	char hex[HEX_LEN + 1];
	struct bytes line;
	struct buf out;
	int rc;

	buf_init(&out, KNOWN_OWNERS_BYTES_MAX);
	while (next_line(&all, &line)) {
		if (is_of(line, e->owner))
			continue;
		(void)buf_put(&out, line);
		(void)buf_put_u8(&out, '\n');
	}
	text_hex(hex, bytes_of(e->key, SIGN_KEY_LEN));
	(void)buf_printf(&out, "%s %s\n", hex, e->owner);
	rc = out.err != OK ? err_set(info, out.err, "%s: %s", FILE_NAME, err_text(out.err))
			   : durable_write(r, FILE_NAME, buf_bytes(&out), 0600, info);
	buf_fini(&out);
	if (rc != OK)
		info->code = ERR_IO;
	return rc != OK ? ERR_IO : OK;
}

static int refuse(const char *dir, const struct entry *e, const uint8_t was[SIGN_KEY_LEN],
		  struct err_info *info)
{
	char old[HEX_LEN + 1], new[HEX_LEN + 1], owner[4 * ENTRY_OWNER_BYTES_MAX], at[256];

	text_hex(old, bytes_of(was, SIGN_KEY_LEN));
	text_hex(new, bytes_of(e->key, SIGN_KEY_LEN));
	return err_set(
	    info, ERR_DENIED,
	    "THE KEY OF %s HAS CHANGED. Somebody else may be publishing under this name. "
	    "It was %.16s..., now it is %.16s... Ask the owner ('shoal whoami' shows the "
	    "key); if it is right, give --accept-key once (remembered in %s/" FILE_NAME ")",
	    text_escape(owner, sizeof(owner), bytes_str(e->owner)), old, new,
	    text_escape(at, sizeof(at), bytes_str(dir)));
}

static int check(const char *dir, const struct root *r, const struct entry *e, bool accept_new,
		 struct err_info *info)
{
	uint8_t key[SIGN_KEY_LEN];
	struct buf all;
	int rc;

	buf_init(&all, KNOWN_OWNERS_BYTES_MAX);
	rc = load(r, &all, info);
	if (rc != OK)
		goto out;
	rc = find(buf_bytes(&all), e->owner, key);
	if (rc == 1 && memcmp(key, e->key, SIGN_KEY_LEN) == 0)
		rc = OK;
	else if (rc == 0 || (rc == 1 && accept_new))
		rc = remember(r, buf_bytes(&all), e, info);
	else if (rc == 1)
		rc = refuse(dir, e, key, info);
	else if (rc == ERR_PROTO)
		rc = err_set(info, ERR_PROTO, "%s/%s: the line of this owner is damaged", dir,
			     FILE_NAME);
out:
	buf_fini(&all);
	return rc;
}

int known_owners_check(const struct entry *e, bool accept_new, struct err_info *info)
{
	struct root r;
	char *dir;
	int lock, rc = ERR_IO;

	if (home_make_dir(&dir, info) != OK)
		return ERR_IO;
	lock = home_lock(dir, info);
	if (lock >= 0 && root_open(&r, dir, info) == OK) {
		rc = check(dir, &r, e, accept_new, info);
		root_close(&r);
	}
	if (lock >= 0)
		close(lock);
	free(dir);
	return rc;
}
