/* node/node_udp.c - the node's UDP port, with uTP and questions to trackers on it. */
#include "net/entropy.h"
#include "node/link.h"

struct udp_port *node_udp(struct node *n, struct err_info *info)
{
	if (n->udp == NULL && udp_port_new(n->loop, n->listen_host, n->port, &n->udp, info) != OK)
		n->udp = NULL;
	return n->udp;
}

static struct udp_port *port_for_trackers(void *user, struct err_info *info)
{
	return node_udp(user, info);
}

int node_make_udp_asker(struct node *n)
{
	struct udp_asker_params p = {.loop = n->loop, .port = port_for_trackers, .user = n};

	entropy_fill(&p.secret, sizeof(p.secret));
	return udp_asker_new(&p, &n->udp_asker);
}

static void on_accept(void *user, struct utp_stream *u, const struct addr *from)
{
	struct node *n = user;

	link_accept_utp(n, u, from);
	node_settle(n);
}

int node_use_utp(struct node *n, struct err_info *info)
{
	struct err_info why;
	struct udp_port *udp = node_udp(n, &why);

	if (udp != NULL && utp_net_new(n->loop, udp, on_accept, n, &n->utp) != OK)
		return err_set(info, ERR_NOMEM, "out of memory");
	if (n->utp != NULL)
		return OK;
	if (n->transport == NODE_TRANSPORT_UTP)
		return err_set(info, why.code, "uTP: %s", why.text);
	node_log(n, "no uTP: %s", why.text);
	return OK;
}

const struct utp_net *node_utp(const struct node *n)
{
	return n->utp;
}
