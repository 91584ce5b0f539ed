#include "cli/linked.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "cli/home.h"
#include "store/durable.h"

#define FOLDER "linked"
#define PATH_MAX_BYTES (sizeof(FOLDER) + LINKED_HASH_MAX + sizeof(".torrent"))

const char *linked_hash(const struct magnet *m, char out[LINKED_HASH_MAX])
{
	if (m->has_v1)
		text_hex(out, bytes_of(m->hash_v1, SHA1_LEN));
	else
		text_hex(out, bytes_of(m->hash_v2, SHA256_LEN));
	return out;
}

static void path_of(const struct magnet *m, char out[PATH_MAX_BYTES])
{
	char hash[LINKED_HASH_MAX];

	snprintf(out, PATH_MAX_BYTES, FOLDER "/%s.torrent", linked_hash(m, hash));
}

static bool is_meant(const struct magnet *m, struct bytes torrent)
{
	struct metainfo *meta;
	bool same;

	if (meta_parse(torrent, &meta) != META_OK)
		return false;
	same = (!m->has_v1 || (meta->v1 && memcmp(m->hash_v1, meta->hash_v1, SHA1_LEN) == 0)) &&
	       (!m->has_v2 || (meta->v2 && memcmp(m->hash_v2, meta->hash_v2, SHA256_LEN) == 0));
	meta_free(meta);
	return same;
}

static bool open_home(struct root *r, bool make, struct err_info *why)
{
	char *dir = NULL;
	bool open;

	if (make)
		(void)home_make_dir(&dir, why);
	else
		dir = home_dir();
	open = dir != NULL && root_open(r, dir, why) == OK;
	free(dir);
	return open;
}

bool linked_recall(const struct magnet *m, struct buf *out)
{
	char path[PATH_MAX_BYTES];
	struct err_info why;
	struct root r;
	bool there;

	if (!open_home(&r, false, &why))
		return false;
	path_of(m, path);
	there = durable_read(&r, path, out, &why) == OK && is_meant(m, buf_bytes(out));
	root_close(&r);
	if (!there)
		buf_clear(out);
	return there;
}

void linked_keep(const struct magnet *m, struct bytes torrent, bool say)
{
	struct err_info why = {.code = OK};
	char path[PATH_MAX_BYTES];
	struct root r;
	int err = ERR_IO;

	path_of(m, path);
	if (open_home(&r, true, &why)) {
		err = root_mkdirs(&r, FOLDER, &why);
		if (err == OK)
			err = durable_write(&r, path, torrent, 0600, &why);
		root_close(&r);
	}
	if (err != OK && say)
		fprintf(stderr, "what the link means is not kept for the next time: %s\n",
			why.text);
}

static void forget(const struct root *r, const struct magnet *m)
{
	char path[PATH_MAX_BYTES];
	struct err_info why;

	path_of(m, path);
	(void)durable_remove(r, path, &why);
}

/* It may have been asked for by either hash. */
void linked_forget(const struct metainfo *m)
{
	struct magnet v1 = {.has_v1 = true}, v2 = {.has_v2 = true};
	struct err_info why;
	struct root r;

	if (!open_home(&r, false, &why))
		return;
	memcpy(v1.hash_v1, m->hash_v1, SHA1_LEN);
	memcpy(v2.hash_v2, m->hash_v2, SHA256_LEN);
	if (m->v1)
		forget(&r, &v1);
	if (m->v2)
		forget(&r, &v2);
	root_close(&r);
}
