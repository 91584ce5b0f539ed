#include "node/lan_find.h"

#include <stdio.h>

#include "base/text.h"
#include "net/entropy.h"
#include "net/mcast.h"

/* A question or its answer may get lost: it is asked again, after longer and longer. */
#define ASK_AGAIN_MS 120u

struct finding {
	struct loop *loop;
	struct mcast *mcast;
	uint16_t id;
	struct lan_index *found;
	unsigned n;
	uint64_t first_ms; /* 0: none yet */
};

/* An address of the link alone cannot be written in a URL: then one that it says it has. */
static bool choose_address(const struct mdns_service *s, const struct addr *from, struct addr *out)
{
	if (addr_scope(from) != ADDR_LINK) {
		*out = *from;
		out->port = s->port;
		return true;
	}
	for (unsigned i = 0; i < s->n_addrs; i++) {
		if (addr_scope(&s->addrs[i]) == ADDR_LINK)
			continue;
		*out = s->addrs[i];
		return true;
	}
	return false;
}

static bool is_hex(struct bytes s)
{
	uint8_t raw[LAN_ID_LEN / 2];

	return s.len == LAN_ID_LEN && text_unhex(s, raw, sizeof(raw)) == 0;
}

static bool take_service(const struct mdns_service *s, const struct addr *from,
			 struct lan_index *out)
{
	struct bytes id, pin = {NULL, 0};

	*out = (struct lan_index){.id = ""};
	if (s->gone || s->port == 0 || !choose_address(s, from, &out->at) ||
	    !mdns_text_get(s, LAN_KEY_ID, &id) || !is_hex(id))
		return false;
	if (mdns_text_get(s, LAN_KEY_PIN, &pin) &&
	    (pin.len == 0 || pin.len >= sizeof(out->pin) || !text_is_plain(pin)))
		return false;
	memcpy(out->id, id.ptr, id.len);
	if (pin.len > 0)
		memcpy(out->pin, pin.ptr, pin.len);
	snprintf(out->name, sizeof(out->name), "%s", s->instance);
	return true;
}

/* Two that say they are one and have different keys are two. */
static void add(struct finding *f, const struct lan_index *new)
{
	for (unsigned i = 0; i < f->n; i++) {
		struct lan_index *old = &f->found[i];

		if (strcmp(old->id, new->id) != 0 || strcmp(old->pin, new->pin) != 0)
			continue;
		if (old->at.v6 && !new->at.v6)
			*old = *new;
		return;
	}
	if (f->n < LAN_FOUND_MAX)
		f->found[f->n++] = *new;
}

static void on_datagram(void *user, const struct mcast_from *from, struct bytes data)
{
	struct mdns_service services[MDNS_SERVICES_MAX];
	struct finding *f = user;
	int n;

	/* Only neighbours answer, and only from the port of the protocol. */
	if (!from->on_link || from->addr.port != MDNS_PORT || data.len < 2 ||
	    be16(data.ptr) != f->id)
		return;
	n = mdns_response_decode(data, LAN_INDEX_TYPE, services, MDNS_SERVICES_MAX);
	for (int i = 0; i < n; i++) {
		struct lan_index new;

		if (take_service(&services[i], &from->addr, &new))
			add(f, &new);
	}
	if (f->n > 0 && f->first_ms == 0)
		f->first_ms = loop_now_ms(f->loop);
}

static int wait_for_answers(struct finding *f, uint32_t wait_ms,
			    bool (*enough)(void *user, const struct lan_index *found, unsigned n),
			    void *user)
{
	uint8_t question[MDNS_PACKET_MAX];
	struct bytes ask =
	    bytes_of(question, mdns_question_encode(LAN_INDEX_TYPE, f->id, question));
	uint64_t now = loop_now_ms(f->loop), until = now + wait_ms, ask_at = now;
	uint32_t pause = ASK_AGAIN_MS;

	while (now < until) {
		uint64_t next;

		if (now >= ask_at) {
			if (mcast_send(f->mcast, ask) == 0)
				return 0;
			ask_at = now + pause;
			pause *= 2;
		}
		next = ask_at < until ? ask_at : until;
		if (loop_turn(f->loop, (uint32_t)(next - now)) != 0)
			return ERR_IO;
		if (f->n > 0 && enough != NULL && enough(user, f->found, f->n))
			break;
		if (f->first_ms != 0 && until > f->first_ms + LAN_OTHERS_MS)
			until = f->first_ms + LAN_OTHERS_MS;
		now = loop_now_ms(f->loop);
	}
	return (int)f->n;
}

int lan_find(uint32_t wait_ms,
	     bool (*enough)(void *user, const struct lan_index *found, unsigned n), void *user,
	     struct lan_index found[LAN_FOUND_MAX], struct err_info *info)
{
	struct finding f = {.found = found};
	struct mcast_params p = {.group_v4 = MDNS_GROUP_V4,
				 .group_v6 = MDNS_GROUP_V6,
				 .port = MDNS_PORT,
				 .hops = MDNS_HOPS,
				 .on_datagram = on_datagram,
				 .user = &f};
	int rc = loop_new(&f.loop);

	if (rc != 0)
		return err_set(info, ERR_NOMEM, "out of memory");
	entropy_fill(&f.id, sizeof(f.id));
	p.loop = f.loop;
	rc = mcast_new(&p, &f.mcast, info);
	if (rc == 0)
		rc = wait_for_answers(&f, wait_ms, enough, user);
	mcast_free(f.mcast);
	loop_free(f.loop);
	return rc;
}
