#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include <miniupnpc/miniupnpc.h>
#include <miniupnpc/upnpcommands.h>

#include "net/portmap_impl.h"

/* What routers say (UPnP WANIPConnection 2.4.16). */
#define UPNP_CONFLICT 718
#define UPNP_ONLY_PERMANENT 725
/* Another port is tried when somebody has ours. */
#define PORTS_TRIED 4u
#define PORT_STEP 101u

#define IP_TEXT_MAX 64
#define NUMBER_MAX 12

struct portmap_upnp {
	struct UPNPUrls urls;
	struct IGDdatas data;
	char own[IP_TEXT_MAX]; /* our address, as the router sees it */
};

int portmap_upnp_find(struct portmap_upnp **out, struct err_info *why)
{
	struct portmap_upnp *u = calloc(1, sizeof(*u));
	struct UPNPDev *list;
	int error = 0, found;

	*out = NULL;
	if (u == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	list = upnpDiscover(PORTMAP_SEARCH_MS, NULL, NULL, UPNP_LOCAL_PORT_ANY, 0, 2, &error);
	found =
	    list == NULL ? 0 : UPNP_GetValidIGD(list, &u->urls, &u->data, u->own, sizeof(u->own));
	freeUPNPDevlist(list);
	/* 2: it says that it is not connected, or has a private address itself: behind another
	 * router it still makes us reachable in the network between. */
	if (found == 1 || found == 2) {
		*out = u;
		return 0;
	}
	if (found != 0)
		FreeUPNPUrls(&u->urls);
	free(u);
	return err_set(why, ERR_UNREACHABLE, "no router answers by PCP, NAT-PMP or UPnP");
}

void portmap_upnp_free(struct portmap_upnp *u)
{
	if (u == NULL)
		return;
	FreeUPNPUrls(&u->urls);
	free(u);
}

static int add_mapping(struct portmap_upnp *u, const struct portmap_lease *l, uint16_t external,
		       uint32_t lifetime_s)
{
	char from[NUMBER_MAX], to[NUMBER_MAX], lease[NUMBER_MAX];

	snprintf(from, sizeof(from), "%u", external);
	snprintf(to, sizeof(to), "%u", l->port);
	snprintf(lease, sizeof(lease), "%u", lifetime_s);
	return UPNP_AddPortMapping(u->urls.controlURL, u->data.first.servicetype, from, to, u->own,
				   "shoal", l->protocol == PCP_UDP ? "UDP" : "TCP", NULL, lease);
}

static void delete_mapping(struct portmap_upnp *u, const struct portmap_lease *l)
{
	char from[NUMBER_MAX];

	snprintf(from, sizeof(from), "%u", l->external.port);
	(void)UPNP_DeletePortMapping(u->urls.controlURL, u->data.first.servicetype, from,
				     l->protocol == PCP_UDP ? "UDP" : "TCP", NULL);
}

static void learn_address(struct portmap_upnp *u, struct portmap_lease *l)
{
	char text[IP_TEXT_MAX] = "";
	struct addr a;

	if (UPNP_GetExternalIPAddress(u->urls.controlURL, u->data.first.servicetype, text) == 0 &&
	    addr_parse(bytes_str(text), l->external.port, &a) == 0)
		l->external = a;
}

int portmap_upnp_ask(struct portmap_upnp *u, struct portmap_lease *l, struct err_info *why)
{
	uint16_t external = l->external.port != 0 ? l->external.port : l->port;
	uint32_t lifetime_s = l->lifetime_s;
	int rc = UPNP_CONFLICT;

	if (l->lifetime_s == 0) {
		delete_mapping(u, l);
		return 0;
	}
	for (unsigned i = 0; i < PORTS_TRIED && rc == UPNP_CONFLICT; i++) {
		if (i > 0)
			external = (uint16_t)(external + PORT_STEP);
		rc = add_mapping(u, l, external, lifetime_s);
		if (rc == UPNP_ONLY_PERMANENT) {
			/* Then it is ours to remove, and asked for again all the same: routers
			 * forget when they start anew. */
			lifetime_s = 0;
			rc = add_mapping(u, l, external, lifetime_s);
		}
	}
	if (rc != UPNPCOMMAND_SUCCESS)
		return err_set(why, ERR_DENIED, "the router gives no port (UPnP error %d)", rc);
	l->external.port = external;
	learn_address(u, l);
	return 0;
}
