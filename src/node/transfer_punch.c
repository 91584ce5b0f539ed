/* node/transfer_punch.c - dialling peers whom a common peer, or the index, brings us together with.
 */
#include "net/lan.h"
#include "node/link.h"

/* Attack: a stranger's word makes us knock at doors of our network, or of those behind it. */
static bool may_punch(const struct link *by, const struct addr *to)
{
	if (by != NULL && !addr_may_name(addr_scope(&by->addr), to))
		return false;
	return addr_scope(to) == ADDR_PUBLIC || lan_has(to);
}

void transfer_punch(struct transfer *t, const struct link *by, const struct addr *to)
{
	char text[ADDR_TEXT_MAX], who[ADDR_TEXT_MAX];
	bool may = may_punch(by, to);

	if (t->leaving || !transfer_takes(t, to))
		return;
	node_log(t->node, "%s %s %s", by == NULL ? "the index" : addr_text(who, &by->addr),
		 may ? "brings us together with" : "names", addr_text(text, to));
	if (may)
		link_dial_utp(t, to);
}

void transfer_on_introduced(void *user, const struct addr *list, size_t n)
{
	struct transfer *t = user;

	swarm_on_introduced(t->swarm, list, n, transfer_now_ms(t), &t->fx);
	transfer_perform(t);
	node_settle(t->node);
}
