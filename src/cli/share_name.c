#include "cli/share_name.h"

#include "base/text.h"

int share_name_set(const struct share_name_of *of, int64_t after, struct err_info *info)
{
	struct entry e;
	struct buf item;
	int err;

	kept_entry_get(of->entry, &e);
	buf_init(&item, DHT_ITEM_BYTES_MAX);
	err = dht_name_sign(&e, of->home, after, &item, info);
	if (err == OK && of->transfer == NULL)
		err = handover_set_item(of->handed, buf_bytes(&item), info);
	else if (err == OK && transfer_set_item(of->transfer, buf_bytes(&item)) != OK)
		err = err_set(info, ERR_NOMEM, "out of memory");
	buf_fini(&item);
	return err;
}

static void sign_again(struct share_name *n, const struct share_name_of *of, int64_t newest,
		       struct session *session)
{
	struct err_info why;

	if (n->again++ < SHARE_NAME_AGAIN_MAX && share_name_set(of, newest, &why) == OK)
		return;
	n->settled = true;
	session_say(session,
		    "%s: the distributed hash table has a newer version of this name, which stays",
		    of->label);
}

void share_name_look(struct share_name *n, const struct share_name_of *of,
		     const struct transfer_status *st, struct session *session)
{
	char hex[2 * SIGN_KEY_LEN + 1];

	if (n->settled || (st->item_nodes == 0 && !st->item_is_old))
		return;
	if (st->item_nodes == 0) {
		sign_again(n, of, st->item_newest, session);
		return;
	}
	n->settled = true;
	if (n->said)
		return;
	n->said = true;
	text_hex(hex, bytes_of(of->home->key, sizeof(of->home->key)));
	session_say(session, "%s: without an index it is %s/%s; %u node%s that", of->label, hex,
		    of->label, st->item_nodes, st->item_nodes == 1 ? " keeps" : "s keep");
}
