/* wire/mdns.h - questions and answers about services on the local network: datagrams as values.
 * Pure.
 * Source: RFC 6762 (multicast DNS), RFC 6763 (service discovery), RFC 2782 (SRV), RFC 1035
 *         (messages).
 *
 * One kind of service and one instance of it: enough for who offers one thing and for who looks for
 * it. Names are told without compression and understood with it. */
#ifndef SHOAL_WIRE_MDNS_H
#define SHOAL_WIRE_MDNS_H

#include "base/addr.h"
#include "base/err.h"

#define MDNS_PORT 5353
#define MDNS_GROUP_V4 "224.0.0.251"
#define MDNS_GROUP_V6 "ff02::fb"
#define MDNS_HOPS 255

/* What we send fits one packet of any link. */
#define MDNS_PACKET_MAX 1232u
/* Questions and records looked at in one message; one with more is nothing for us (attack: work for
 * each of thousands of tiny records). */
#define MDNS_RECORDS_MAX 64u
/* RFC 1035: a label, and a whole name with its length bytes. */
#define MDNS_LABEL_MAX 63u
#define MDNS_NAME_MAX 255u
/* All of a TXT record. */
#define MDNS_TEXT_MAX 400u
#define MDNS_ADDRESSES_MAX 8u
/* Services taken from one message. */
#define MDNS_SERVICES_MAX 16u

/* Seconds an answer may be remembered: names of hosts change more often than other things. */
#define MDNS_HOST_TTL_S 120u
#define MDNS_TTL_S 4500u
/* In answers to those who do not know this protocol (RFC 6762 6.7). */
#define MDNS_LEGACY_TTL_S 10u

struct mdns_service {
	char type[32];			       /* "_shoal._tcp" */
	char instance[MDNS_LABEL_MAX + 1];     /* UTF-8; of a stranger when decoded */
	char host[MDNS_LABEL_MAX + 1];	       /* without ".local" */
	uint16_t port;			       /* 0: not known */
	bool gone;			       /* says goodbye */
	struct addr addrs[MDNS_ADDRESSES_MAX]; /* with the port; told as they are given */
	unsigned n_addrs;
	uint8_t text[MDNS_TEXT_MAX]; /* a TXT record: strings "key=value", each behind its length */
	size_t text_len;
};

/* Append "key=value". ERR_TOO_BIG when it has no room; key and value at most 255 bytes together. */
int mdns_text_put(struct mdns_service *s, const char *key, const char *value);
/* The value of the first such key, keys compared without case; false when there is none.
 * Owns: *value borrows from `s`. */
bool mdns_text_get(const struct mdns_service *s, const char *key, struct bytes *value);

/* ---- asking ---- */

/* "Who offers this type?" Returns the length. */
size_t mdns_question_encode(const char *type, uint16_t id, uint8_t out[MDNS_PACKET_MAX]);
/* The services of one type that a response tells of, in the order of their PTR records; what it
 * does not say of them is zero. Addresses that cannot be dialled are left out. Returns: their
 * number, at most `cap`; 0 for a question and for other services; ERR_PROTO. */
int mdns_response_decode(struct bytes packet, const char *type, struct mdns_service *out,
			 unsigned cap);

/* ---- answering ---- */

enum mdns_about {
	MDNS_ABOUT_TYPES = 1,	 /* which types are there at all */
	MDNS_ABOUT_TYPE = 2,	 /* who offers this type */
	MDNS_ABOUT_INSTANCE = 4, /* where is this one, and what does it say of itself */
	MDNS_ABOUT_HOST = 8,	 /* addresses of its host */
};

struct mdns_question {
	uint16_t id;
	unsigned about; /* of enum mdns_about, what a service is asked for; 0: nothing */
	bool unicast;	/* each of these questions would rather have a reply of its own */
	uint8_t echo[MDNS_NAME_MAX + 5]; /* the first of them as it came, for a legacy reply */
	size_t echo_len;
};

/* What does a question want to know of `s`? What the asker says he knows already is taken off
 * (RFC 6762 7.1). Returns 0 (also for responses: about is 0), or ERR_PROTO. */
int mdns_question_decode(struct bytes packet, const struct mdns_service *s,
			 struct mdns_question *out);
/* `legacy`: what the asker wrote is repeated; else NULL. Everything about `s` is told, most
 * important first, as far as it has room. Returns the length. */
size_t mdns_response_encode(const struct mdns_service *s, const struct mdns_question *legacy,
			    uint8_t out[MDNS_PACKET_MAX]);

#endif
