#include "cli/dht_name.h"

#include <stdio.h>

#include "base/text.h"
#include "cli/dht_visit.h"
#include "cli/entries.h"
#include "cli/known_owners.h"

#define KEY_DIGITS (2u * SIGN_KEY_LEN)

/* ---- which ------------------------------------------------------------------------ */

static void set_name(struct dht_name *n, const struct entry_ref *ref)
{
	n->salt_len = (uint8_t)name_item_salt(bytes_str(ref->name), n->salt);
	n->version = ref->version;
	n->no_index = false;
}

bool dht_name_parse(const char *ref, struct dht_name *out)
{
	struct entry_ref name;

	if (strlen(ref) <= KEY_DIGITS || ref[KEY_DIGITS] != '/' ||
	    text_unhex(bytes_of(ref, KEY_DIGITS), out->key, SIGN_KEY_LEN) != OK ||
	    entry_ref_parse(bytes_str(ref + KEY_DIGITS + 1), &name, NULL) != OK ||
	    name.owner[0] != '\0')
		return false;
	set_name(out, &name);
	return true;
}

void dht_name_of_link(const struct magnet *m, struct dht_name *out)
{
	memcpy(out->key, m->key, sizeof(out->key));
	memcpy(out->salt, m->salt, sizeof(out->salt));
	out->salt_len = m->salt_len;
	out->version = 0;
	out->no_index = false;
}

bool dht_name_of_owner(const char *ref, struct dht_name *out)
{
	struct entry_ref name;

	if (entry_ref_parse(bytes_str(ref), &name, NULL) != OK || name.owner[0] == '\0' ||
	    !known_owners_key(name.owner, out->key))
		return false;
	set_name(out, &name);
	out->no_index = true;
	return true;
}

/* ---- finding ----------------------------------------------------------------------- */

struct finding {
	const struct dht_name *n;
	struct dht_found *out;
	uint32_t search;
	bool found;
};

static void begin(void *user, struct dht_visit *v)
{
	struct finding *f = user;

	f->search = dht_shell_get_mutable(dht_visit_shell(v), f->n->key,
					  bytes_of(f->n->salt, f->n->salt_len));
	if (f->search == 0)
		dht_visit_end(v, ERR_NOMEM, "out of memory");
}

/* The table has checked it, and comes again only with newer ones. */
static void keep(struct finding *f, const struct dht_effects *fx, const struct dht_effect *e)
{
	struct bytes v = dht_effect_bytes(fx, e);
	struct dht_item i = {.is_mutable = true, .seq = e->seq, .salt_len = f->n->salt_len};

	memcpy(i.key, f->n->key, sizeof(i.key));
	memcpy(i.sig, e->sig, sizeof(i.sig));
	memcpy(i.salt, f->n->salt, sizeof(i.salt));
	memcpy(i.v, v.ptr, v.len);
	i.v_len = (uint16_t)v.len;
	buf_clear(&f->out->item);
	(void)dht_item_put(&i, &f->out->item);
	f->out->seq = e->seq;
	f->found = true;
}

static void on_effect(void *user, struct dht_visit *v, const struct dht_effects *fx,
		      const struct dht_effect *e)
{
	struct finding *f = user;

	if (e->search != f->search)
		return;
	if (e->type == DHT_ITEM && e->is_mutable)
		keep(f, fx, e);
	if (e->type != DHT_DONE)
		return;
	if (f->found)
		dht_visit_end(v, OK, NULL);
	else if (e->answers == 0)
		dht_visit_end(v, ERR_UNREACHABLE, "no node of the distributed hash table answered");
	else
		dht_visit_end(v, ERR_NOENT,
			      "the distributed hash table has nothing of this key and name");
}

/* What we call the owner. */
static void set_owner(struct entry *e, const struct dht_name *n)
{
	memcpy(e->key, n->key, sizeof(e->key));
	if (!known_owners_of(n->key, e->owner))
		text_hex(e->owner, bytes_of(n->key, sizeof(n->key)));
}

static int read_found(const struct dht_name *n, struct dht_found *out, struct err_info *info)
{
	struct dht_item i;
	int err = dht_item_take(buf_bytes(&out->item), &i);

	if (err == OK)
		err = name_item_read(bytes_of(i.v, i.v_len), bytes_of(n->salt, n->salt_len),
				     &out->entry);
	if (err == ERR_NOMEM)
		return err_set(info, err, "out of memory");
	if (err != OK)
		return err_set(info, ERR_PROTO, "what stands under this key and name is no name");
	set_owner(&out->entry, n);
	if (n->version != 0 && n->version != out->entry.version)
		return err_set(info, ERR_NOENT,
			       "the distributed hash table has version %u alone, the newest one",
			       out->entry.version);
	return OK;
}

int dht_name_find(const struct opts *o, const struct dht_name *n, bool nested,
		  struct dht_found *out, struct err_info *info)
{
	struct finding f = {.n = n, .out = out};
	struct dht_visit_params p = {.o = o,
				     .nested = nested,
				     .no_index = n->no_index,
				     .begin = begin,
				     .on_effect = on_effect,
				     .user = &f};
	int err;

	buf_init(&out->item, DHT_ITEM_BYTES_MAX);
	if (o->no_dht)
		return err_set(info, ERR_INVALID,
			       "a key's names are found in the distributed hash table, which "
			       "--no-dht keeps out of");
	err = dht_visit(&p, info);
	return err == OK ? read_found(n, out, info) : err;
}

const char *dht_name_line(const struct dht_found *f, char out[DHT_NAME_LINE_MAX])
{
	char name[4 * ENTRY_NAME_BYTES_MAX + 1], date[ENTRIES_DATE_MAX], version[32] = "";
	const struct entry *e = &f->entry;
	char hex[KEY_DIGITS + 1];

	text_hex(hex, bytes_of(e->key, sizeof(e->key)));
	if (e->version > 0)
		snprintf(version, sizeof(version), " version %u", e->version);
	snprintf(out, DHT_NAME_LINE_MAX,
		 "%s%s%s%s: found in the distributed hash table, signed by the key %s",
		 text_escape(name, sizeof(name), bytes_str(e->name)), version,
		 e->published_at > 0 ? " of " : "",
		 e->published_at > 0 ? entries_date(date, e->published_at) : "", hex);
	return out;
}

/* ---- making ------------------------------------------------------------------------- */

int dht_name_sign(const struct entry *e, const struct home *h, int64_t after, struct buf *out,
		  struct err_info *info)
{
	/* The time, as two machines that share a key count no versions together; see
	 * docs/protocols.md. */
	int64_t seq = e->published_at > after ? e->published_at : after + 1;
	uint8_t salt[NAME_ITEM_SALT_MAX];
	size_t salt_len = name_item_salt(bytes_str(e->name), salt);
	struct dht_item i;
	struct buf value;
	int err;

	buf_init(&value, NAME_ITEM_VALUE_MAX);
	err = name_item_put(e, &value);
	if (err == OK)
		err = dht_item_sign(&i, h->seed, bytes_of(salt, salt_len), seq, buf_bytes(&value));
	if (err == OK)
		err = dht_item_put(&i, out);
	buf_fini(&value);
	return err == OK ? OK
			 : err_set(info, (enum err)err, "cannot sign the name: %s",
				   err_text((enum err)err));
}
