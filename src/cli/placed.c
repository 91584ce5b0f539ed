#include "cli/placed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/home.h"
#include "node/json_put.h"
#include "store/durable.h"

#define FOLDER "placed"
#define THERE ".json"
#define COMING ".coming"
/* "placed/", 16 bytes in hex, one of the two */
#define REL_BYTES (sizeof(FOLDER) + 32 + sizeof(COMING))

void placed_from_entry(struct placed *p, const struct entry *e)
{
	*p = (struct placed){.version = e->version, .has_v1 = e->has_v1, .has_v2 = e->has_v2};
	memcpy(p->owner, e->owner, sizeof(p->owner));
	memcpy(p->name, e->name, sizeof(p->name));
	memcpy(p->hash_v1, e->hash_v1, sizeof(p->hash_v1));
	memcpy(p->hash_v2, e->hash_v2, sizeof(p->hash_v2));
}

bool placed_same_entry(const struct placed *a, const struct placed *b)
{
	return strcmp(a->owner, b->owner) == 0 && strcmp(a->name, b->name) == 0;
}

bool placed_same_content(const struct placed *a, const struct placed *b)
{
	if (a->has_v2 && b->has_v2)
		return memcmp(a->hash_v2, b->hash_v2, SHA256_LEN) == 0;
	return a->has_v1 && b->has_v1 && memcmp(a->hash_v1, b->hash_v1, SHA1_LEN) == 0;
}

/* ---- where it is kept -------------------------------------------------------- */

char *placed_real_path(const char *path, struct err_info *info)
{
	char *copy = strdup(path), *slash, *folder = NULL, *out = NULL;
	size_t n = copy == NULL ? 0 : strlen(copy);

	while (n > 1 && copy[n - 1] == '/')
		copy[--n] = '\0';
	slash = copy == NULL ? NULL : strrchr(copy, '/');
	if (slash != NULL)
		*slash = '\0';
	if (copy != NULL)
		folder = realpath(slash == NULL ? "." : slash == copy ? "/" : copy, NULL);
	if (folder == NULL)
		(void)root_errno(info, path, copy == NULL ? ENOMEM : errno);
	else if (asprintf(&out, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder,
			  slash == NULL ? copy : slash + 1) < 0)
		out = NULL;
	if (folder != NULL && out == NULL)
		(void)err_set(info, ERR_NOMEM, "out of memory");
	free(folder);
	free(copy);
	return out;
}

static void rel_of(const char *real, const char *ending, char rel[REL_BYTES])
{
	uint8_t sum[SHA256_LEN];
	char hex[33];

	sha256_of(bytes_str(real), sum);
	text_hex(hex, bytes_of(sum, 16));
	snprintf(rel, REL_BYTES, FOLDER "/%s%s", hex, ending);
}

/* ---- the record as JSON -------------------------------------------------------- */

/* The path is there for people who look; what is no UTF-8 in it is escaped. */
static int encode(const char *real, const struct placed *p, struct buf *out)
{
	char safe[4096];
	json_t *j = json_pack("{s:s, s:s, s:s, s:I, s:o, s:o, s:b, s:o}", "path",
			      text_escape(safe, sizeof(safe), bytes_str(real)), "owner", p->owner,
			      "name", p->name, "version", (json_int_t)p->version, "hash_v1",
			      json_hex(p->has_v1, p->hash_v1, SHA1_LEN), "hash_v2",
			      json_hex(p->has_v2, p->hash_v2, SHA256_LEN), "wrote", p->wrote,
			      "stamp", json_hex(true, p->stamp.sum, sizeof(p->stamp.sum)));

	if (j == NULL || json_put(out, j, JSON_COMPACT) != 0)
		out->err = out->err == OK ? ERR_NOMEM : out->err;
	json_decref(j);
	return out->err;
}

static bool take_hex(const json_t *j, const char *key, uint8_t *out, size_t len)
{
	const char *hex = json_string_value(json_object_get(j, key));

	return hex != NULL && text_unhex(bytes_str(hex), out, len) == OK;
}

static bool decode(struct bytes in, struct placed *p)
{
	json_t *j = json_loadb((const char *)in.ptr, in.len, JSON_REJECT_DUPLICATES, NULL);
	const char *owner = json_string_value(json_object_get(j, "owner"));
	const char *name = json_string_value(json_object_get(j, "name"));
	json_int_t version = json_integer_value(json_object_get(j, "version"));
	bool ok = owner != NULL && name != NULL && version > 0 && version <= UINT32_MAX &&
		  entry_check_owner(bytes_str(owner), NULL) == OK &&
		  entry_check_name(bytes_str(name), NULL) == OK;

	*p = (struct placed){.version = ok ? (uint32_t)version : 0};
	if (ok) {
		snprintf(p->owner, sizeof(p->owner), "%s", owner);
		snprintf(p->name, sizeof(p->name), "%s", name);
	}
	p->wrote = json_is_true(json_object_get(j, "wrote"));
	p->has_v1 = take_hex(j, "hash_v1", p->hash_v1, SHA1_LEN);
	p->has_v2 = take_hex(j, "hash_v2", p->hash_v2, SHA256_LEN);
	ok = ok && (p->has_v1 || p->has_v2) &&
	     take_hex(j, "stamp", p->stamp.sum, sizeof(p->stamp.sum));
	json_decref(j);
	return ok;
}

/* ---- reading and writing -------------------------------------------------------- */

static int open_home(struct root *r, struct err_info *info)
{
	char *dir = NULL;
	int err = home_make_dir(&dir, info);

	if (err == OK)
		err = root_open(r, dir, info);
	free(dir);
	if (err != OK)
		return err;
	err = root_mkdirs(r, FOLDER, info);
	if (err != OK)
		root_close(r);
	return err;
}

static int read_record(const char *real, const char *ending, struct placed *out)
{
	char *dir = home_dir(), rel[REL_BYTES];
	struct root r;
	struct buf in;
	int err = ERR_NOENT;

	buf_init(&in, PLACED_BYTES_MAX);
	if (dir != NULL && root_open(&r, dir, NULL) == OK) {
		rel_of(real, ending, rel);
		if (durable_read(&r, rel, &in, NULL) == OK && decode(buf_bytes(&in), out))
			err = OK;
		root_close(&r);
	}
	buf_fini(&in);
	free(dir);
	return err;
}

/* Not synced: a power cut merely leaves what is there to be taken for somebody's own. */
static int write_quickly(const struct root *r, const char *rel, struct bytes text,
			 struct err_info *info)
{
	int fd = root_openat(r, rel, O_WRONLY | O_CREAT | O_TRUNC, 0600, info), error;
	ssize_t n;

	if (fd < 0)
		return fd;
	n = write(fd, text.ptr, text.len);
	error = n < 0 ? errno : (size_t)n < text.len ? ENOSPC : 0;
	close(fd);
	return error == 0 ? OK : root_errno_at(r, rel, error, info);
}

static int write_record(const char *real, const char *ending, const struct placed *p,
			struct err_info *info)
{
	char rel[REL_BYTES];
	struct buf text;
	struct root r;
	int err;

	buf_init(&text, PLACED_BYTES_MAX);
	err = encode(real, p, &text);
	if (err != OK)
		err_set(info, err, "%s", err_text(err));
	else
		err = open_home(&r, info);
	if (err == OK) {
		rel_of(real, ending, rel);
		if (strcmp(ending, COMING) == 0 || !p->wrote)
			err = write_quickly(&r, rel, buf_bytes(&text), info);
		else
			err = durable_write(&r, rel, buf_bytes(&text), 0600, info);
		rel_of(real, COMING, rel);
		if (err == OK && strcmp(ending, COMING) != 0)
			(void)root_unlink(&r, rel, NULL);
		root_close(&r);
	}
	buf_fini(&text);
	return err;
}

static bool is_ours(const char *real, const struct placed *p)
{
	struct placed before;

	if (read_record(real, THERE, &before) == OK && before.wrote &&
	    stamp_eq(&before.stamp, &p->stamp))
		return true;
	return read_record(real, COMING, &before) == OK && placed_same_content(&before, p);
}

/* Word for word, so that nothing need be written. */
static bool is_remembered(const char *real, const struct placed *p)
{
	struct placed before;

	return read_record(real, THERE, &before) == OK && placed_same_entry(&before, p) &&
	       placed_same_content(&before, p) && before.version == p->version &&
	       before.wrote == p->wrote && stamp_eq(&before.stamp, &p->stamp);
}

int placed_expect(const char *path, const struct placed *p, struct err_info *info)
{
	char *real = placed_real_path(path, NULL);
	int err = real == NULL ? err_set(info, ERR_IO, "the folder is gone")
			       : write_record(real, COMING, p, info);

	free(real);
	return err;
}

int placed_remember(const char *path, struct placed *p, struct err_info *info)
{
	char *real = placed_real_path(path, NULL);
	int err = real == NULL ? err_set(info, ERR_IO, "the folder is gone")
			       : stamp_take(real, &p->stamp, info);

	if (err == OK) {
		p->wrote = p->wrote || is_ours(real, p);
		if (!is_remembered(real, p))
			err = write_record(real, THERE, p, info);
	}
	free(real);
	return err;
}

int placed_find(const char *path, struct placed *out)
{
	char *real = placed_real_path(path, NULL);
	int err = real == NULL ? ERR_NOENT : read_record(real, THERE, out);

	free(real);
	return err;
}
