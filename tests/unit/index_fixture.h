/* tests/unit/index_fixture.h - signed entries and their torrents, for the tests of the index. */
#ifndef SHOAL_TEST_INDEX_FIXTURE_H
#define SHOAL_TEST_INDEX_FIXTURE_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "meta/create.h"
#include "meta/entry.h"
#include "meta/metainfo.h"
#include "net/loop.h"
#include "node/base64.h"
#include "node/entry_json.h"
#include "node/json_put.h"
#include "test.h"

struct owner {
	const char *name;
	uint8_t seed[SIGN_SEED_LEN], key[SIGN_KEY_LEN];
};

static inline struct owner owner_of(const char *name, uint8_t secret)
{
	struct owner o = {.name = name};

	memset(o.seed, secret, sizeof(o.seed));
	CHECK_INT(sign_public_key(o.seed, o.key), 0);
	return o;
}

/* A hybrid torrent of one small file that holds `text`. */
static inline void torrent_of(const char *file_name, const char *text, struct buf *out)
{
	uint8_t root[SHA256_LEN], piece[SHA1_LEN];
	struct create_file file = {.path = file_name, .length = strlen(text), .root = root};
	static const char *const trackers[] = {"http://192.0.2.1:6969/announce"};
	struct create_spec spec = {.name = file_name,
				   .single = true,
				   .v1 = true,
				   .v2 = true,
				   .piece_length = 16384,
				   .files = &file,
				   .n_files = 1,
				   .pieces_v1 = piece,
				   .n_pieces_v1 = 1,
				   .trackers = trackers,
				   .n_trackers = 1};

	sha256_of(bytes_str(text), root);
	sha1_of(bytes_str(text), piece);
	buf_init(out, 1 << 20);
	CHECK_INT(create_torrent(&spec, out), 0);
}

static inline void sign_entry(struct entry *e, const struct owner *o, const char *action)
{
	struct buf b;

	buf_init(&b, 4096);
	memcpy(e->key, o->key, SIGN_KEY_LEN);
	CHECK_INT(entry_signed_bytes(e, action, &b), 0);
	CHECK_INT(sign_make(o->seed, buf_bytes(&b), e->signature), 0);
	buf_fini(&b);
}

/* What `share` would publish for a file of this text, signed `age_s` seconds ago. */
static inline struct entry entry_of(const struct owner *o, const char *name, const char *text,
				    int64_t age_s, struct buf *torrent)
{
	struct metainfo *m = NULL;
	struct entry e = {.published_at = loop_wall_s() - age_s, .has_sha256 = true};

	torrent_of(name, text, torrent);
	CHECK_INT(meta_parse(buf_bytes(torrent), &m), META_OK);
	snprintf(e.owner, sizeof(e.owner), "%s", o->name);
	snprintf(e.name, sizeof(e.name), "%s", name);
	e.has_v1 = m->v1;
	e.has_v2 = m->v2;
	memcpy(e.hash_v1, m->hash_v1, SHA1_LEN);
	memcpy(e.hash_v2, m->hash_v2, SHA256_LEN);
	e.bytes = m->total_bytes;
	e.n_files = m->n_real_files;
	sha256_of(bytes_str(text), e.sha256);
	meta_free(m);
	sign_entry(&e, o, "publish");
	return e;
}

static inline json_t *sha256_list(const char *text)
{
	uint8_t sha256[SHA256_LEN];

	sha256_of(bytes_str(text), sha256);
	return json_pack("[o]", json_hex(true, sha256, SHA256_LEN));
}

/* The body of a call to publish. */
static inline json_t *publish_json(const struct entry *e, const struct buf *torrent,
				   const char *text)
{
	json_t *j = entry_json(e);
	struct buf b;

	buf_init(&b, 2 << 20);
	CHECK_INT(base64_put(&b, buf_bytes(torrent)), 0);
	json_object_del(j, "id");
	json_object_del(j, "version");
	CHECK_INT(json_object_set_new(j, "torrent", json_string(buf_cstr(&b))), 0);
	CHECK_INT(json_object_set_new(j, "sha256", sha256_list(text)), 0);
	buf_fini(&b);
	return j;
}

static inline char *folder_new(void)
{
	char *path = strdup("/tmp/shoal-test-XXXXXX");

	CHECK(mkdtemp(path) != NULL);
	return path;
}

static inline void folder_free(char *path)
{
	static const char *const files[] = {"catalogue.db", "catalogue.db-wal", "catalogue.db-shm"};
	char file[128];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(file, sizeof(file), "%s/%s", path, files[i]);
		unlink(file);
	}
	CHECK_INT(rmdir(path), 0);
	free(path);
}

#endif
