/* What is known of a peer, in eight bytes:
 *
 *     port 16 | seen 8 | client 8 | left 13 | since 12 | mark 7
 *
 * left    bytes, 6 bits of exponent and 7 of mantissa; rounded up, so that 0 is a seed alone
 * since   4 bits for a unit of 2^k seconds, 8 for how many of it, modulo 256. The unit is the
 *         smallest for which the peer cannot get older than 255 of it before it is heard of again
 * mark    of its peer id, to tell programs on one port apart, by chance one of 128 wrongly */
#include "index/tracker_impl.h"

#include "wire/handshake.h"

#define LEFT_BITS 13u
#define SINCE_BITS 12u
#define MARK_BITS 7u
#define MANTISSA_BITS 7u
/* Larger ones are cut: no torrent we take has 256 TiB. */
#define LEFT_MAX ((uint64_t)1 << 48)
#define UNIT_MAX 15u
#define CLIENT_PLACES 8u
/* No peer is silent for longer: then it has expired, however late we are. */
#define SILENCE_SHOAL_S (TRACKER_SHOAL_EXPIRY_S + LAG_MAX_S + 2)
#define SILENCE_STOCK_S (TRACKER_STOCK_EXPIRY_S + LAG_MAX_S + 2 * TRACKER_STOCK_TICK_S)

static uint32_t field(uint32_t more, uint32_t from, uint32_t bits)
{
	return more >> from & ((1u << bits) - 1);
}

static uint32_t more_of(uint32_t left, uint32_t since, uint32_t mark)
{
	return left | since << LEFT_BITS | mark << (LEFT_BITS + SINCE_BITS);
}

/* ---- left ---- */

static uint64_t left_value(uint32_t code)
{
	uint32_t exponent = code >> MANTISSA_BITS;
	uint64_t mantissa = code & ((1u << MANTISSA_BITS) - 1);

	return exponent == 0 ? mantissa : (mantissa | 1u << MANTISSA_BITS) << (exponent - 1);
}

static uint32_t left_code(uint64_t left)
{
	uint32_t exponent = 0, code;

	if (left > LEFT_MAX)
		left = LEFT_MAX;
	while (left >> exponent >> (MANTISSA_BITS + 1) != 0)
		exponent++;
	code = (exponent << MANTISSA_BITS) + (uint32_t)(left >> exponent);
	return left_value(code) < left ? code + 1 : code;
}

uint64_t facts_left(const struct facts *f)
{
	return left_value(field(f->more, 0, LEFT_BITS));
}

/* ---- times ---- */

static uint32_t since_code(uint32_t now, uint32_t since, uint32_t silence)
{
	uint32_t unit = 0;

	while (unit < UNIT_MAX && (now >> unit) - (since >> unit) + (silence >> unit) + 2 > 255)
		unit++;
	if (unit == UNIT_MAX &&
	    (now - since) >> unit > 250) /* has been there for months: as old as can be said */
		since = now - (250u << unit);
	return unit << 8 | (since >> unit & 255);
}

uint32_t facts_since(const struct tracker *t, const struct facts *f)
{
	uint32_t code = field(f->more, LEFT_BITS, SINCE_BITS), unit = code >> 8;
	uint32_t now = t->now >> unit;

	return (now - (uint8_t)(now - code)) << unit;
}

uint32_t facts_seen(const struct tracker *t, const struct facts *f)
{
	if (facts_is_shoal(t, f))
		return t->now - (uint8_t)(t->now - f->seen);
	return (t->tick - (uint8_t)(t->tick - f->seen)) * TRACKER_STOCK_TICK_S;
}

uint32_t facts_due(const struct tracker *t, const struct facts *f)
{
	return facts_seen(t, f) +
	       (facts_is_shoal(t, f) ? TRACKER_SHOAL_EXPIRY_S : TRACKER_STOCK_EXPIRY_S);
}

/* ---- clients ---- */

/* The part of a peer id that says which client it is: "-TR3000-", "M7-10-5-", "A2-1-36-0-". */
static bool client_id_of(const uint8_t peer_id[20], uint8_t out[CLIENT_ID_LEN])
{
	uint32_t at = peer_id[0] == 'M' ? 1 : memcmp(peer_id, "A2-", 3) == 0 ? 3 : 0;

	memset(out, 0, CLIENT_ID_LEN);
	if (peer_id[0] == '-' && peer_id[7] == '-') {
		memcpy(out, peer_id, 8);
		return true;
	}
	for (int i = 0; at != 0 && i < 3; i++) {
		uint32_t start = at;

		while (at - start < 2 && peer_id[at] >= '0' && peer_id[at] <= '9')
			at++;
		if (at == start || peer_id[at++] != '-')
			at = 0;
	}
	memcpy(out, peer_id, at);
	return at != 0;
}

static bool has_name(uint8_t client)
{
	return client != CLIENT_OTHER && client != CLIENT_OTHER_SHOAL;
}

/* One of a few places that its hash says; strangers can fill all and then hide new names, no
 * more. */
static uint8_t take_client(struct tracker *t, const uint8_t peer_id[20])
{
	bool is_shoal = handshake_is_shoal(peer_id);
	uint8_t id[CLIENT_ID_LEN], unused = is_shoal ? CLIENT_OTHER_SHOAL : CLIENT_OTHER;
	uint32_t first;

	if (!client_id_of(peer_id, id))
		return unused;
	first = (uint32_t)siphash(t->key, bytes_of(id, sizeof(id)));
	for (uint32_t i = 0; i < CLIENT_PLACES; i++) {
		uint8_t at = (uint8_t)(2 + (first + i) % (CLIENTS_MAX - 2));

		if (t->clients[at].peers == 0)
			unused = has_name(unused) ? unused : at;
		else if (memcmp(t->clients[at].id, id, sizeof(id)) == 0)
			return at;
	}
	if (has_name(unused)) {
		memcpy(t->clients[unused].id, id, sizeof(id));
		t->clients[unused].is_shoal = is_shoal;
	}
	return unused;
}

/* ---- all of them ---- */

void facts_init(struct tracker *t)
{
	for (unsigned i = 0; i < 3; i++) {
		uint8_t flat[4] = {'m', 'a', 'r', (uint8_t)i};

		t->mark_keys[i] = siphash(t->key, bytes_of(flat, sizeof(flat))) | 1;
	}
	t->clients[CLIENT_OTHER_SHOAL].is_shoal = true;
}

static uint32_t mark_of(const struct tracker *t, const uint8_t peer_id[20])
{
	uint64_t sum = be64(peer_id) * t->mark_keys[0] + be64(peer_id + 8) * t->mark_keys[1] +
		       be32(peer_id + 16) * t->mark_keys[2];

	return (uint32_t)(sum >> (64 - MARK_BITS));
}

bool facts_same_program(const struct tracker *t, const struct facts *f, const struct announce *a)
{
	const struct client *c = &t->clients[f->client];
	uint8_t id[CLIENT_ID_LEN];

	if (field(f->more, LEFT_BITS + SINCE_BITS, MARK_BITS) != mark_of(t, a->peer_id))
		return false;
	if (!has_name(f->client))
		return c->is_shoal == handshake_is_shoal(a->peer_id);
	return client_id_of(a->peer_id, id) && memcmp(id, c->id, sizeof(id)) == 0;
}

static void put_facts(const struct tracker *t, struct facts *f, const struct announce *a,
		      uint32_t since)
{
	bool is_shoal = facts_is_shoal(t, f);

	f->seen = (uint8_t)(is_shoal ? t->now : t->tick);
	f->more = more_of(left_code(a->left),
			  since_code(t->now, since, is_shoal ? SILENCE_SHOAL_S : SILENCE_STOCK_S),
			  mark_of(t, a->peer_id));
}

struct facts facts_new(struct tracker *t, const struct announce *a, uint16_t port)
{
	struct facts f = {.port = port, .client = take_client(t, a->peer_id)};

	t->clients[f.client].peers++;
	put_facts(t, &f, a, t->now);
	return f;
}

/* Another program on the same port has been there since now. */
void facts_touch(struct tracker *t, struct facts *f, const struct announce *a)
{
	uint32_t since = facts_since(t, f);

	if (!facts_same_program(t, f, a)) {
		facts_forget(t, f);
		f->client = take_client(t, a->peer_id);
		t->clients[f->client].peers++;
		since = t->now;
	}
	put_facts(t, f, a, since);
}

void facts_forget(struct tracker *t, const struct facts *f)
{
	t->clients[f->client].peers--;
}
