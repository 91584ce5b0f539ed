/* BEP 10 messages of a swarm: the handshake (port, queue length, BEP 21 "upload only"), BEP 54
 * "lt_donthave", and the way to those that have files of their own. */
#include "swarm/swarm_parts.h"
#include "wire/ext.h"

uint16_t swarm_port_for(const struct swarm *s, const struct addr *a)
{
	return addr_port_for(a, s->port, s->outer_port);
}

/* Port 0: that is not said. */
static struct ext_handshake handshake_of(const struct swarm *s, uint16_t port)
{
	struct ext_handshake h = {.upload_only = swarm_complete(s),
				  .port = port,
				  .reqq = SWARM_UPLOAD_QUEUE_MAX,
				  .run_bytes = SWARM_RUN_BYTES,
				  .donthave = SWARM_EXT_DONTHAVE,
				  .holepunch = s->punches ? SWARM_EXT_HOLEPUNCH : 0,
				  .ut_pex = s->meta->private ? 0 : SWARM_EXT_PEX,
				  .metadata_size = swarm_metadata_bytes(s)};

	_Static_assert(sizeof(h.client) == sizeof(s->client), "one size of client names");
	h.ut_metadata = h.metadata_size > 0 ? SWARM_EXT_METADATA : 0;
	memcpy(h.client, s->client, sizeof(h.client));
	return h;
}

void swarm_put_extension(struct turn *t, struct peer *p)
{
	struct swarm *s = t->s;
	struct ext_handshake h = handshake_of(s, swarm_port_for(s, &p->addr));

	h.has_yourip = true;
	h.yourip = p->addr;
	h.yourip.port = 0;
	if (ext_encode(&s->scratch, &h) < 0)
		return;
	swarm_send(t, p, &(struct wire_msg){.type = WIRE_EXTENDED, .body = buf_bytes(&s->scratch)});
}

int swarm_put_upload_only(struct swarm *s)
{
	struct ext_handshake h = handshake_of(s, 0);

	return ext_encode(&s->scratch, &h);
}

/* The same message to all of them, as they borrow one buffer. */
void swarm_tell_upload_only(struct turn *t)
{
	struct swarm *s = t->s;
	bool full = bitfield_full(&s->picker.have);
	struct peer *p;

	buf_clear(&s->scratch);
	if (swarm_put_upload_only(s) < 0)
		return;
	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;) {
		/* As aria2 does; others may take it only in place of a bitfield. */
		if (full && p->shoal && p->fast)
			swarm_say(t, p, WIRE_HAVE_ALL);
		else if (p->extended)
			swarm_send(t, p,
				   &(struct wire_msg){.type = WIRE_EXTENDED,
						      .body = buf_bytes(&s->scratch)});
	}
}

void swarm_set_outer_port(struct swarm *s, uint16_t port, uint64_t now_ms, struct effects *fx)
{
	struct turn t = {s, now_ms, fx};
	struct ext_handshake h = handshake_of(s, port == 0 ? s->port : port);
	struct peer *p;

	if (port == s->outer_port)
		return;
	s->outer_port = port;
	buf_clear(&s->scratch);
	for (uint32_t i = 0; (p = swarm_next_peer(s, &i)) != NULL;) {
		if (!p->extended || !addr_is_beyond_nat(&p->addr))
			continue;
		/* Thousands of swarms without peers shall have no buffer for it. */
		if (s->scratch.len == 0 && ext_encode(&s->scratch, &h) < 0)
			return;
		swarm_send(
		    &t, p,
		    &(struct wire_msg){.type = WIRE_EXTENDED, .body = buf_bytes(&s->scratch)});
	}
}

/* Where the peer can be dialled is known now. What it says first counts, or where we reached it
 * ourselves (attack: port after port, each of which takes a place among the addresses that nobody
 * gets back, as it is taken for connected). False: it was sent away. */
static bool learn_port(struct turn *t, struct peer *p, uint16_t port)
{
	struct address *a;

	if (!p->incoming || port == 0 || p->listen.port != 0)
		return true;
	p->listen = p->addr;
	p->listen.port = port;
	if (addrbook_is_banned(&t->s->book, &p->listen, t->now_ms)) {
		swarm_drop(t, p, "is banned");
		return false;
	}
	a = addrbook_add(&t->s->book, &p->listen, SOURCE_TRACKER, t->now_ms);
	if (a != NULL && a->state == ADDRESS_IDLE)
		addrbook_set_state(&t->s->book, a, ADDRESS_CONNECTED);
	return true;
}

static void note_seen_as(struct turn *t, const struct peer *p, const struct addr *us)
{
	struct effect *e = effects_add(t->fx, EFFECT_SEEN_AS, p->ref);

	if (e != NULL)
		e->u.addr = *us;
}

static void on_handshake(struct turn *t, struct peer *p, struct bytes body)
{
	struct ext_handshake h = {.donthave = p->donthave_id,
				  .ut_metadata = p->metadata_id,
				  .holepunch = p->holepunch_id,
				  .ut_pex = p->pex_id};

	if (ext_decode(&h, body) < 0) {
		swarm_breach(t, p, "sent an extension handshake that cannot be read");
		return;
	}
	if (h.reqq != 0)
		p->reqq = h.reqq;
	p->run_bytes = h.run_bytes >= SWARM_RUN_BYTES ? SWARM_RUN_BYTES : BLOCK_BYTES;
	p->upload_only = h.upload_only;
	p->donthave_id = h.donthave;
	p->metadata_id = h.ut_metadata;
	p->holepunch_id = h.holepunch;
	swarm_begin_pex(t, p, h.ut_pex);
	if (h.client[0] != '\0')
		memcpy(p->client, h.client, sizeof(p->client));
	p->client[sizeof(p->client) - 1] = '\0';
	if (h.has_yourip)
		note_seen_as(t, p, &h.yourip);
	if (!learn_port(t, p, h.port))
		return;
	swarm_note_needs(t, p);
	if (swarm_is_useless(t->s, p))
		swarm_drop(t, p, "neither of us needs anything");
}

uint32_t swarm_run_bytes(const struct swarm *s, struct peer_ref ref)
{
	const struct peer *p = swarm_find(s, ref);

	return p == NULL || p->run_bytes == 0 ? BLOCK_BYTES : p->run_bytes;
}

void swarm_on_extended(struct turn *t, struct peer *p, const struct wire_msg *m)
{
	if (!p->extended)
		swarm_breach(t, p, "sent an extension message that was not agreed on");
	else if (m->ext_id == 0)
		on_handshake(t, p, m->body);
	else if (m->ext_id == SWARM_EXT_METADATA)
		swarm_on_metadata(t, p, m->body);
	else if (m->ext_id == SWARM_EXT_PEX)
		swarm_on_pex(t, p, m->body);
	else if (m->ext_id == SWARM_EXT_HOLEPUNCH)
		swarm_on_holepunch(t, p, m->body);
	else if (m->ext_id == SWARM_EXT_DONTHAVE && m->body.len == 4)
		(void)swarm_on_donthave(t, p, be32(m->body.ptr));
}
