#include "wire/mdns.h"

#include <stdio.h>

#include "base/buf.h"

#define HEAD_BYTES 12u
#define FLAG_RESPONSE 0x8000u
#define FLAG_AUTHORITATIVE 0x0400u
#define OPCODE_AND_RCODE 0x780fu

#define CLASS_IN 1u
/* In a question: "reply to me alone"; in a record: "this is all there is". */
#define CLASS_TOP 0x8000u

enum { TYPE_A = 1, TYPE_PTR = 12, TYPE_TXT = 16, TYPE_AAAA = 28, TYPE_SRV = 33, TYPE_ANY = 255 };

static const char all_types[] = "_services._dns-sd._udp";

/* A name as it travels, without its pointers and with letters in lower case, so that two of them
 * are compared as bytes. */
struct name {
	size_t len;
	uint8_t text[MDNS_NAME_MAX];
};

struct record {
	size_t name_at;
	unsigned type, class;
	uint32_t ttl_s;
	size_t data_at, data_len;
};

struct message {
	struct bytes packet;
	unsigned id, flags;
	unsigned n_questions, n_answers; /* in `records`, in this order; others behind them */
	unsigned n;
	struct record records[MDNS_RECORDS_MAX];
};

/* ---- names ------------------------------------------------------------------- */

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static bool name_add(struct name *n, struct bytes label)
{
	if (label.len == 0 || label.len > MDNS_LABEL_MAX ||
	    label.len + 1 > MDNS_NAME_MAX - 1 - n->len)
		return false;
	n->text[n->len++] = (uint8_t)label.len;
	for (size_t i = 0; i < label.len; i++)
		n->text[n->len++] = lower(label.ptr[i]);
	return true;
}

/* "a.b.c", with an own label before it that may have dots (NULL: none), and "local" behind it. */
static struct name name_of(const char *first, const char *dotted)
{
	struct name n = {0};
	bool fits = first == NULL || name_add(&n, bytes_str(first));

	while (fits && *dotted != '\0') {
		size_t len = strcspn(dotted, ".");

		fits = name_add(&n, bytes_of(dotted, len));
		dotted += len + (dotted[len] == '.');
	}
	fits = fits && name_add(&n, bytes_str("local"));
	n.text[n.len++] = 0;
	if (!fits)
		n.len = 0;
	return n;
}

static bool name_eq(const struct name *a, const struct name *b)
{
	return a->len != 0 && bytes_eq(bytes_of(a->text, a->len), bytes_of(b->text, b->len));
}

/* Read a name; *at goes behind it. Each pointer leads further to the front than all before it, so
 * none of them leads in circles. `first`: NULL, or gets the first label as it was written. */
static bool name_read(struct bytes in, size_t *at, struct name *out, char first[MDNS_LABEL_MAX + 1])
{
	size_t p = *at, lowest = *at;
	bool jumped = false;

	out->len = 0;
	for (;;) {
		unsigned len;

		if (p >= in.len)
			return false;
		len = in.ptr[p];
		if (len >= 0xc0) {
			if (in.len - p < 2)
				return false;
			if (!jumped)
				*at = p + 2;
			jumped = true;
			p = be16(in.ptr + p) & 0x3fff;
			if (p >= lowest)
				return false;
			lowest = p;
			continue;
		}
		if (len == 0)
			break;
		if (len > in.len - p - 1 || !name_add(out, bytes_sub(in, p + 1, len)))
			return false;
		if (first != NULL && out->len == len + 1) {
			memcpy(first, in.ptr + p + 1, len);
			first[len] = '\0';
		}
		p += len + 1;
	}
	if (!jumped)
		*at = p + 1;
	out->text[out->len++] = 0;
	return true;
}

/* ---- messages ------------------------------------------------------------------ */

static bool read_record(struct message *m, size_t *at, bool question)
{
	struct record *r = &m->records[m->n];
	struct bytes in = m->packet;
	struct name ignored;
	size_t fixed = question ? 4 : 10;

	*r = (struct record){.name_at = *at};
	if (!name_read(in, at, &ignored, NULL) || in.len - *at < fixed)
		return false;
	r->type = be16(in.ptr + *at);
	r->class = be16(in.ptr + *at + 2);
	if (!question) {
		r->ttl_s = be32(in.ptr + *at + 4);
		r->data_len = be16(in.ptr + *at + 8);
		r->data_at = *at + fixed;
	}
	*at += fixed;
	if (r->data_len > in.len - *at)
		return false;
	*at += r->data_len;
	m->n++;
	return true;
}

static int message_read(struct message *m, struct bytes in)
{
	size_t at = HEAD_BYTES;
	unsigned total;

	if (in.len < HEAD_BYTES)
		return ERR_PROTO;
	*m = (struct message){.packet = in, .id = be16(in.ptr), .flags = be16(in.ptr + 2)};
	if ((m->flags & OPCODE_AND_RCODE) != 0)
		return ERR_PROTO;
	m->n_questions = be16(in.ptr + 4);
	m->n_answers = be16(in.ptr + 6);
	total = m->n_questions + m->n_answers + be16(in.ptr + 8) + be16(in.ptr + 10);
	if (total > MDNS_RECORDS_MAX)
		return ERR_PROTO;
	while (m->n < total)
		if (!read_record(m, &at, m->n < m->n_questions))
			return ERR_PROTO;
	return 0;
}

static struct name record_name(const struct message *m, const struct record *r)
{
	struct name n;
	size_t at = r->name_at;

	(void)name_read(m->packet, &at, &n, NULL);
	return n;
}

static struct bytes record_data(const struct message *m, const struct record *r)
{
	return bytes_sub(m->packet, r->data_at, r->data_len);
}

/* ---- TXT ------------------------------------------------------------------------ */

int mdns_text_put(struct mdns_service *s, const char *key, const char *value)
{
	size_t k = strlen(key), v = strlen(value), len = k + 1 + v;
	uint8_t *p = s->text + s->text_len;

	if (len > 255 || len + 1 > MDNS_TEXT_MAX - s->text_len)
		return ERR_TOO_BIG;
	*p++ = (uint8_t)len;
	memcpy(p, key, k);
	p[k] = '=';
	memcpy(p + k + 1, value, v);
	s->text_len += len + 1;
	return 0;
}

static bool is_key(const uint8_t *p, size_t len, const char *key)
{
	size_t k = strlen(key);

	if (len <= k || p[k] != '=')
		return false;
	for (size_t i = 0; i < k; i++)
		if (lower(p[i]) != lower((uint8_t)key[i]))
			return false;
	return true;
}

bool mdns_text_get(const struct mdns_service *s, const char *key, struct bytes *value)
{
	for (size_t at = 0; at < s->text_len;) {
		size_t len = s->text[at++];

		if (len > s->text_len - at)
			return false;
		if (is_key(s->text + at, len, key)) {
			size_t k = strlen(key) + 1;

			*value = bytes_of(s->text + at + k, len - k);
			return true;
		}
		at += len;
	}
	return false;
}

/* ---- writing ---------------------------------------------------------------------- */

static void put_name(struct buf *b, const char *first, const char *dotted)
{
	struct name n = name_of(first, dotted);
	size_t start = b->len;

	(void)buf_put(b, bytes_of(n.text, n.len));
	/* As it is written: only comparing ignores case. */
	if (first != NULL && n.len > 0 && b->err == OK)
		memcpy(b->ptr + start + 1, first, strlen(first));
}

static void put_head(struct buf *b, unsigned id, unsigned flags, unsigned questions)
{
	(void)buf_put_be16(b, (uint16_t)id);
	(void)buf_put_be16(b, (uint16_t)flags);
	(void)buf_put_be16(b, (uint16_t)questions);
	(void)buf_put_be16(b, 0); /* answers, see count_answers() */
	(void)buf_put_be32(b, 0);
}

static size_t finish(struct buf *b, uint8_t out[MDNS_PACKET_MAX])
{
	size_t len = b->err == OK || b->err == ERR_TOO_BIG ? b->len : 0;

	if (len > 0)
		memcpy(out, b->ptr, len);
	buf_fini(b);
	return len;
}

size_t mdns_question_encode(const char *type, uint16_t id, uint8_t out[MDNS_PACKET_MAX])
{
	struct buf b;

	buf_init(&b, MDNS_PACKET_MAX);
	put_head(&b, id, 0, 1);
	put_name(&b, NULL, type);
	(void)buf_put_be16(&b, TYPE_PTR);
	(void)buf_put_be16(&b, CLASS_IN);
	return finish(&b, out);
}

/* A record under construction; one that does not fit leaves no trace. */
struct writer {
	struct buf b;
	bool legacy, gone;
	unsigned n;
	size_t start, data_at;
};

static void begin(struct writer *w, const char *first, const char *dotted, unsigned type,
		  uint32_t ttl_s)
{
	/* A type is offered by many: nobody's answer to that is all there is. */
	bool only = type != TYPE_PTR && !w->legacy;

	w->start = w->b.len;
	put_name(&w->b, first, dotted);
	if (w->legacy && ttl_s > MDNS_LEGACY_TTL_S)
		ttl_s = MDNS_LEGACY_TTL_S;
	(void)buf_put_be16(&w->b, (uint16_t)type);
	(void)buf_put_be16(&w->b, (uint16_t)(CLASS_IN | (only ? CLASS_TOP : 0)));
	(void)buf_put_be32(&w->b, w->gone ? 0 : ttl_s);
	(void)buf_put_be16(&w->b, 0);
	w->data_at = w->b.len;
}

static void end(struct writer *w)
{
	if (w->b.err != OK) {
		if (w->b.err == ERR_TOO_BIG) {
			w->b.len = w->start;
			w->b.err = OK;
		}
		return;
	}
	put_be16(w->b.ptr + w->data_at - 2, (uint16_t)(w->b.len - w->data_at));
	w->n++;
}

static void put_pointer(struct writer *w, const char *dotted, const char *to_first, const char *to)
{
	begin(w, NULL, dotted, TYPE_PTR, MDNS_TTL_S);
	put_name(&w->b, to_first, to);
	end(w);
}

static void put_service(struct writer *w, const struct mdns_service *s)
{
	begin(w, s->instance, s->type, TYPE_SRV, MDNS_HOST_TTL_S);
	(void)buf_put_be32(&w->b, 0); /* priority, weight */
	(void)buf_put_be16(&w->b, s->port);
	put_name(&w->b, s->host, "");
	end(w);
	begin(w, s->instance, s->type, TYPE_TXT, MDNS_TTL_S);
	if (s->text_len == 0)
		(void)buf_put_u8(&w->b, 0);
	(void)buf_put(&w->b, bytes_of(s->text, s->text_len));
	end(w);
	for (unsigned i = 0; i < s->n_addrs; i++) {
		const struct addr *a = &s->addrs[i];

		begin(w, s->host, "", a->v6 ? TYPE_AAAA : TYPE_A, MDNS_HOST_TTL_S);
		(void)buf_put(&w->b, bytes_of(a->ip, a->v6 ? 16 : 4));
		end(w);
	}
}

size_t mdns_response_encode(const struct mdns_service *s, const struct mdns_question *legacy,
			    uint8_t out[MDNS_PACKET_MAX])
{
	struct writer w = {.legacy = legacy != NULL, .gone = s->gone};

	buf_init(&w.b, MDNS_PACKET_MAX);
	put_head(&w.b, legacy == NULL ? 0 : legacy->id, FLAG_RESPONSE | FLAG_AUTHORITATIVE,
		 legacy == NULL ? 0 : 1);
	if (legacy != NULL)
		(void)buf_put(&w.b, bytes_of(legacy->echo, legacy->echo_len));
	put_pointer(&w, s->type, s->instance, s->type);
	put_service(&w, s);
	if (!s->gone)
		put_pointer(&w, all_types, NULL, s->type);
	if (w.b.err == OK)
		put_be16(w.b.ptr + 6, (uint16_t)w.n);
	return finish(&w.b, out);
}

/* ---- what a question wants to know -------------------------------------------------- */

static unsigned about_of(const struct name *n, unsigned type, const struct mdns_service *s)
{
	struct name types = name_of(NULL, all_types), kind = name_of(NULL, s->type);
	struct name instance = name_of(s->instance, s->type), host = name_of(s->host, "");
	bool any = type == TYPE_ANY;

	if (name_eq(&types, n) && (any || type == TYPE_PTR))
		return MDNS_ABOUT_TYPES;
	if (name_eq(&kind, n) && (any || type == TYPE_PTR))
		return MDNS_ABOUT_TYPE;
	if (name_eq(&instance, n) && (any || type == TYPE_SRV || type == TYPE_TXT))
		return MDNS_ABOUT_INSTANCE;
	if (name_eq(&host, n) && (any || type == TYPE_A || type == TYPE_AAAA))
		return MDNS_ABOUT_HOST;
	return 0;
}

/* The asker has heard of the instance and may go on believing in it for half its time at least. */
static bool is_known(const struct message *m, const struct record *r, const struct mdns_service *s)
{
	struct name name = record_name(m, r), kind = name_of(NULL, s->type);
	struct name instance = name_of(s->instance, s->type), to;
	size_t at = r->data_at;

	return r->type == TYPE_PTR && r->ttl_s >= MDNS_TTL_S / 2 && name_eq(&kind, &name) &&
	       name_read(m->packet, &at, &to, NULL) && name_eq(&instance, &to);
}

/* The question in the form that it had, its name without pointers. */
static void keep_echo(struct mdns_question *q, const struct name *n, const struct record *r)
{
	memcpy(q->echo, n->text, n->len);
	put_be16(q->echo + n->len, (uint16_t)r->type);
	put_be16(q->echo + n->len + 2, CLASS_IN);
	q->echo_len = n->len + 4;
}

int mdns_question_decode(struct bytes packet, const struct mdns_service *s,
			 struct mdns_question *out)
{
	struct message m;

	*out = (struct mdns_question){.unicast = true};
	if (message_read(&m, packet) != 0)
		return ERR_PROTO;
	out->id = (uint16_t)m.id;
	if ((m.flags & FLAG_RESPONSE) != 0)
		return 0;
	for (unsigned i = 0; i < m.n_questions; i++) {
		const struct record *r = &m.records[i];
		struct name n = record_name(&m, r);
		unsigned class = r->class & ~CLASS_TOP, about;

		about = class == CLASS_IN || class == 255 ? about_of(&n, r->type, s) : 0;
		if (about == 0)
			continue;
		if (out->about == 0)
			keep_echo(out, &n, r);
		out->about |= about;
		out->unicast = out->unicast && (r->class & CLASS_TOP) != 0;
	}
	for (unsigned i = 0; i < m.n_answers; i++)
		if (is_known(&m, &m.records[m.n_questions + i], s))
			out->about &= ~(unsigned)MDNS_ABOUT_TYPE;
	return 0;
}

/* ---- what a response tells ------------------------------------------------------------ */

static bool take_srv(const struct message *m, const struct record *r, struct mdns_service *s,
		     struct name *host)
{
	size_t at = r->data_at + 6;

	if (r->data_len < 7 || !name_read(m->packet, &at, host, s->host))
		return false;
	s->port = be16(m->packet.ptr + r->data_at + 4);
	return true;
}

static void take_addr(const struct message *m, const struct record *r, struct mdns_service *s)
{
	struct addr *a = &s->addrs[s->n_addrs];

	if (s->n_addrs < MDNS_ADDRESSES_MAX && r->data_len == (r->type == TYPE_A ? 4u : 16u) &&
	    addr_from_ip(a, record_data(m, r), s->port) == 0 && addr_is_dialable(a))
		s->n_addrs++;
}

/* All that the message says of one instance. */
static void take_service(const struct message *m, const struct name *instance,
			 struct mdns_service *s)
{
	struct name host = {0};

	for (unsigned i = m->n_questions; i < m->n; i++) {
		const struct record *r = &m->records[i];
		struct name n = record_name(m, r);

		if (!name_eq(instance, &n))
			continue;
		if (r->type == TYPE_SRV && s->port == 0 && !take_srv(m, r, s, &host))
			host.len = 0;
		if (r->type == TYPE_TXT && s->text_len == 0 && r->data_len <= MDNS_TEXT_MAX) {
			memcpy(s->text, m->packet.ptr + r->data_at, r->data_len);
			s->text_len = r->data_len;
		}
	}
	for (unsigned i = m->n_questions; host.len > 0 && i < m->n; i++) {
		const struct record *r = &m->records[i];
		struct name n = record_name(m, r);

		if ((r->type == TYPE_A || r->type == TYPE_AAAA) && name_eq(&host, &n))
			take_addr(m, r, s);
	}
}

int mdns_response_decode(struct bytes packet, const char *type, struct mdns_service *out,
			 unsigned cap)
{
	struct message m;
	struct name kind = name_of(NULL, type);
	unsigned found = 0;

	if (message_read(&m, packet) != 0)
		return ERR_PROTO;
	if ((m.flags & FLAG_RESPONSE) == 0)
		return 0;
	for (unsigned i = m.n_questions; i < m.n && found < cap; i++) {
		const struct record *r = &m.records[i];
		struct mdns_service *s = &out[found];
		struct name n = record_name(&m, r), instance;
		size_t at = r->data_at;

		if (r->type != TYPE_PTR || !name_eq(&kind, &n))
			continue;
		*s = (struct mdns_service){.gone = r->ttl_s == 0};
		if (!name_read(packet, &at, &instance, s->instance))
			return ERR_PROTO;
		snprintf(s->type, sizeof(s->type), "%s", type);
		take_service(&m, &instance, s);
		found++;
	}
	return (int)found;
}
