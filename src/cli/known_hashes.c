#include "cli/known_hashes.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "cli/home.h"
#include "meta/metainfo.h"
#include "store/durable.h"

#define FOLDER "hashes"
/* "hashes/", 16 bytes in hex */
#define REL_BYTES (sizeof(FOLDER) + 32 + 1)

static void rel_of(const char *path, char rel[REL_BYTES])
{
	uint8_t sum[SHA256_LEN];
	char hex[33];

	sha256_of(bytes_str(path), sum);
	text_hex(hex, bytes_of(sum, 16));
	snprintf(rel, REL_BYTES, FOLDER "/%s", hex);
}

void known_hashes_load(const char *path, struct hash_record *r)
{
	char *dir = home_dir(), rel[REL_BYTES];
	struct root root;
	struct buf in;

	*r = (struct hash_record){.list = NULL};
	if (dir == NULL || root_open(&root, dir, NULL) != OK) {
		free(dir);
		return;
	}
	rel_of(path, rel);
	buf_init(&in, HASH_RECORD_BYTES_MAX);
	if (durable_read(&root, rel, &in, NULL) == OK)
		(void)hash_record_decode(buf_bytes(&in), r);
	buf_fini(&in);
	root_close(&root);
	free(dir);
}

static bool is_much(const struct hash_record *r)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < r->n && sum < KNOWN_HASHES_MIN; i++)
		sum += r->list[i].length + BLOCK_BYTES;
	return sum >= KNOWN_HASHES_MIN;
}

int known_hashes_save(const char *path, const struct hash_record *r, struct err_info *info)
{
	char *dir = NULL, rel[REL_BYTES];
	struct root root;
	struct buf out;
	int err;

	if (!is_much(r))
		return OK;
	err = home_make_dir(&dir, info);
	if (err == OK)
		err = root_open(&root, dir, info);
	free(dir);
	if (err != OK)
		return err;
	rel_of(path, rel);
	buf_init(&out, HASH_RECORD_BYTES_MAX);
	err = hash_record_encode(r, &out);
	if (err != OK)
		err_set(info, err, "%s", err_text(err));
	if (err == OK)
		err = root_mkdirs(&root, FOLDER, info);
	if (err == OK)
		err = durable_write(&root, rel, buf_bytes(&out), 0600, info);
	buf_fini(&out);
	root_close(&root);
	return err;
}
