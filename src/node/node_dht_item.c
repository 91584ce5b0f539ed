/* node/node_dht_item.c - what the owner of a torrent's name signed, kept in the distributed hash
 * table for as long as the torrent is served. */
#include <stdlib.h>
#include <string.h>

#include "node/node_dht_impl.h"

/* Where a newer one is, ours is put again once nobody keeps that alive. */
void node_dht_on_put(struct node_dht_item *i, const struct dht_effect *e, uint64_t now)
{
	i->nodes = e->stored;
	i->newest = e->seq;
	i->is_old = e->stored == 0 && e->fault == KRPC_FAULT_SEQ;
	if (e->stored == 0 && !i->is_old)
		i->at_ms = now + NODE_DHT_SOON_MS;
	else
		i->at_ms = now + (i->settled ? NODE_DHT_ITEM_AGAIN_MS : NODE_DHT_ITEM_SECOND_MS);
	i->settled = e->stored > 0 || i->is_old;
}

void node_dht_put_item(struct node_dht *d, struct node_dht_item *i, uint64_t now)
{
	struct dht_item item;

	if (i->len == 0 || i->search != 0 || now < i->at_ms ||
	    dht_item_take(bytes_of(i->bytes, i->len), &item) != OK)
		return;
	i->search = dht_shell_put(d->shell, &item, NULL);
	d->asking += i->search != 0;
}

int node_check_item(struct bytes item)
{
	struct dht_item i;

	return dht_item_take(item, &i);
}

int transfer_set_item(struct transfer *t, struct bytes item)
{
	struct node_dht_item *i = &t->item;
	int err = item.len == 0 ? OK : node_check_item(item);
	uint8_t *copy = NULL;

	if (err == OK && item.len > 0) {
		copy = malloc(item.len);
		err = copy == NULL ? ERR_NOMEM : OK;
	}
	if (err != OK)
		return err;
	if (copy != NULL)
		memcpy(copy, item.ptr, item.len);
	if (i->search != 0) {
		dht_shell_cancel(t->node->dht->shell, i->search);
		t->node->dht->asking -= t->node->dht->asking > 0;
	}
	free(i->bytes);
	*i = (struct node_dht_item){.bytes = copy, .len = item.len};
	return OK;
}
