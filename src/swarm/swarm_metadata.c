/* BEP 9: the info dictionary for those who have but its hash. Private torrents keep it to
 * themselves, as nobody can join them by a link alone. */
#include "swarm/swarm_parts.h"
#include "wire/ext_metadata.h"

uint32_t swarm_metadata_bytes(const struct swarm *s)
{
	const struct metainfo *m = s->meta;

	return m->private || m->info.len > EXT_METADATA_MAX ? 0 : (uint32_t)m->info.len;
}

/* A bucket of answers that fills by time, and a total that no honest peer needs. */
static bool may_have(const struct turn *t, struct peer *p, uint32_t piece)
{
	uint32_t pieces = ext_metadata_pieces(swarm_metadata_bytes(t->s));
	uint64_t spared = (t->now_ms - p->metadata_ms) * PEER_METADATA_A_SECOND / 1000;

	if (spared > 0) {
		p->metadata_spent -=
		    spared < p->metadata_spent ? (uint32_t)spared : p->metadata_spent;
		p->metadata_ms = t->now_ms;
	}
	if (piece >= pieces || p->metadata_spent >= PEER_METADATA_BURST ||
	    p->metadata_served >= pieces * PEER_METADATA_TIMES + PEER_METADATA_BURST)
		return false;
	p->metadata_spent++;
	p->metadata_served++;
	return true;
}

static void answer(struct turn *t, struct peer *p, const struct ext_metadata *m)
{
	buf_clear(&t->s->scratch);
	if (ext_metadata_encode(&t->s->scratch, m) == OK)
		swarm_send(t, p,
			   &(struct wire_msg){.type = WIRE_EXTENDED,
					      .ext_id = p->metadata_id,
					      .body = buf_bytes(&t->s->scratch)});
}

static void on_request(struct turn *t, struct peer *p, uint32_t piece)
{
	uint32_t total = swarm_metadata_bytes(t->s);

	if (may_have(t, p, piece)) {
		answer(t, p,
		       &(struct ext_metadata){
			   .type = EXT_METADATA_DATA,
			   .piece = piece,
			   .total_bytes = total,
			   .data = bytes_sub(t->s->meta->info, (size_t)piece * EXT_METADATA_PIECE,
					     ext_metadata_piece_bytes(total, piece))});
		return;
	}
	if (++p->metadata_refused > PEER_METADATA_REFUSED_MAX)
		swarm_breach(t, p, "asks for the metadata again and again");
	else
		answer(t, p, &(struct ext_metadata){.type = EXT_METADATA_REJECT, .piece = piece});
}

void swarm_on_metadata(struct turn *t, struct peer *p, struct bytes body)
{
	struct ext_metadata m;

	if (ext_metadata_decode(&m, body) < 0) {
		swarm_breach(t, p, "sent a metadata message that cannot be read");
		return;
	}
	/* Data and rejects are answers to questions that are not asked here. */
	if (m.type == EXT_METADATA_REQUEST && p->metadata_id != 0)
		on_request(t, p, m.piece);
}
