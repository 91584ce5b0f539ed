#include "cli/publish.h"

#include <time.h>

#include "base/text.h"
#include "cli/known_hashes.h"
#include "net/loop.h"

#define BUILD_TRIES 3u

/* The entry's name when --name is not given: the file's own, with what a name may not hold
 * replaced, so that a file with any name can be shared. */
static void name_from_path(const char *file_name, char out[ENTRY_NAME_BYTES_MAX + 1])
{
	struct bytes rest = bytes_str(file_name), c;
	uint32_t code;
	size_t n = 0;

	for (; rest.len > 0; rest = bytes_sub(rest, c.len, rest.len - c.len)) {
		size_t len = text_first_char(rest, &code);

		c = bytes_sub(rest, 0, len > 0 ? len : 1);
		if (n + c.len > ENTRY_NAME_BYTES_MAX)
			break;
		if (text_is_plain(c)) {
			memcpy(out + n, c.ptr, c.len);
			n += c.len;
		} else {
			out[n++] = '_';
		}
	}
	out[n] = '\0';
	if (out[0] == ' ')
		out[0] = '_';
	if (n > 0 && out[n - 1] == ' ')
		out[n - 1] = '_';
	/* It ends like a version. */
	if (entry_check_name(bytes_of(out, n), NULL) != OK)
		for (size_t i = 0; i < n; i++)
			out[i] = out[i] == '@' ? '_' : out[i];
}

static int sign_entry(struct entry *e, const struct home *h, struct err_info *info)
{
	struct buf msg;
	int err;

	memcpy(e->key, h->key, sizeof(e->key));
	e->published_at = loop_wall_s();
	buf_init(&msg, 64u << 10);
	err = entry_signed_bytes(e, "publish", &msg);
	if (err == OK)
		err = sign_make(h->seed, buf_bytes(&msg), e->signature);
	buf_fini(&msg);
	return err == OK ? OK : err_set(info, err, "cannot sign the entry: %s", err_text(err));
}

static void fill_entry(struct entry *e, const struct build *b)
{
	const struct metainfo *m = b->meta;

	e->has_v1 = m->v1;
	e->has_v2 = m->v2;
	memcpy(e->hash_v1, m->hash_v1, sizeof(e->hash_v1));
	memcpy(e->hash_v2, m->hash_v2, sizeof(e->hash_v2));
	e->bytes = m->total_bytes;
	e->n_files = m->n_real_files;
	e->has_sha256 = false;
	if (m->single) {
		const char *hex = json_string_value(json_array_get(b->sha256, 0));

		e->has_sha256 =
		    hex != NULL && text_unhex(bytes_str(hex), e->sha256, SHA256_LEN) == OK;
	}
}

static int choose_name(struct entry *e, const struct opts *o, const struct build *b,
		       struct err_info *info)
{
	const char *wanted = o->name;
	struct bytes name;

	if (wanted == NULL) {
		name_from_path(b->meta->name, e->name);
		wanted = e->name;
	}
	name = bytes_str(wanted);
	if (entry_check_name(name, info) != OK)
		return ERR_INVALID;
	memmove(e->name, wanted, name.len + 1);
	return OK;
}

/* --description, --tag, --meta */
static int fill_about(const struct opts *o, struct entry *e, struct err_info *info)
{
	int err = OK;

	if (o->description != NULL)
		err = entry_set_description(e, bytes_str(o->description), info);
	for (const char *const *t = o->tags; t != NULL && *t != NULL && err == OK; t++)
		err = entry_add_tags(e, bytes_str(*t), info);
	for (const char *const *n = o->notes; n != NULL && *n != NULL && err == OK; n++) {
		struct bytes note = bytes_str(*n);
		const char *equals = strchr(*n, '=');
		size_t at = equals == NULL ? 0 : (size_t)(equals - *n);

		if (equals == NULL)
			return err_set(info, ERR_INVALID, "--meta: give KEY=VALUE");
		err = entry_set_meta(e, bytes_sub(note, 0, at),
				     bytes_sub(note, at + 1, note.len - at - 1), info);
	}
	return err;
}

static bool is_same(const struct entry *a, const struct entry *b)
{
	return a->has_v1 == b->has_v1 && a->has_v2 == b->has_v2 &&
	       memcmp(a->hash_v1, b->hash_v1, sizeof(a->hash_v1)) == 0 &&
	       memcmp(a->hash_v2, b->hash_v2, sizeof(a->hash_v2)) == 0;
}

/* What is said of a newer version is what was said of the one before, and it is the same owner's:
 * by what name its key owns others since does not matter. */
static int make_entry(const struct publisher *p, const struct entry *before,
		      struct publication *out, struct err_info *info)
{
	struct entry *e = &out->entry;
	int err = OK;

	if (before != NULL) {
		*e = *before;
		e->version = 0;
	}
	fill_entry(e, &out->build);
	if (before != NULL) {
		out->same = is_same(e, before);
	} else {
		memcpy(e->owner, p->home->owner, sizeof(e->owner));
		err = choose_name(e, p->o, &out->build, info);
		if (err == OK)
			err = fill_about(p->o, e, info);
		if (err == OK)
			err = entry_check_new(e, info);
	}
	text_escape(out->label, sizeof(out->label), bytes_str(e->name));
	return err;
}

static int sign_and_send(const struct publisher *p, struct publication *out, struct err_info *info)
{
	int err = sign_entry(&out->entry, p->home, info);

	out->asked = err == OK;
	if (err == OK)
		err = index_client_publish(p->index, &out->entry, buf_bytes(&out->build.torrent),
					   out->build.sha256, info);
	return err;
}

/* The index counts in seconds: it refuses what is signed in the one in which the name was unshared,
 * or something else was said of it, as that could be a call of before that somebody repeats. */
static int publish_entry(const struct publisher *p, const struct build_aside *aside,
			 struct publication *out, struct err_info *info)
{
	const atomic_bool *stop = aside == NULL ? NULL : aside->stop;
	int err = sign_and_send(p, out, info);

	if (err != ERR_MISMATCH)
		return err;
	for (int i = 0; i < 50 && loop_wall_s() == out->entry.published_at; i++) {
		if (stop != NULL && atomic_load(stop))
			break;
		(void)nanosleep(&(struct timespec){.tv_nsec = 25000000}, NULL);
	}
	*info = (struct err_info){.code = OK};
	err = sign_and_send(p, out, info);
	if (err == ERR_MISMATCH)
		err = info->code = ERR_DENIED;
	return err;
}

/* Of a watched one what was changed meanwhile is hashed once more, as it would be a moment later:
 * that it changes is what it is watched for. */
static int build_at_rest(const struct publisher *p, const char *path, struct hash_record *record,
			 struct build_aside *aside, struct publication *out, struct err_info *info)
{
	unsigned tries = p->o->watch ? BUILD_TRIES : 1;
	int err;

	do {
		out->stamped = stamp_take(path, &out->before, NULL) == OK;
		err = build_share(p->o, path, index_client_tracker_url(p->index), record, aside,
				  &out->build, info);
	} while (err == ERR_MISMATCH && --tries > 0);
	if (err == OK)
		info->code = OK; /* what was said before does not count */
	return err;
}

int publish_path(const struct publisher *p, const char *path, const struct entry *before,
		 struct hash_record *record, struct build_aside *aside, struct publication *out,
		 struct err_info *info)
{
	int err;

	*out = (struct publication){.same = false};
	if (before == NULL && !p->o->rehash)
		known_hashes_load(path, record);
	err = build_at_rest(p, path, record, aside, out, info);
	if (err == OK)
		err = make_entry(p, before, out, info);
	/* Of a folder's only file it is not the stamp. */
	out->stamped = err == OK && out->stamped && strcmp(out->build.data_path, path) == 0;
	if (err != OK || out->same)
		return err;
	(void)known_hashes_save(path, record, &out->unkept);
	return publish_entry(p, aside, out, info);
}

void publication_fini(struct publication *p)
{
	build_fini(&p->build);
}
