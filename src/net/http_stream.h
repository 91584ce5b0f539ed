/* net/http_stream.h - a connection that goes on after its request was answered: events one way, or
 * lines both ways.
 *
 * Source: RFC 9110 section 7.8 (Upgrade); the rest of a reply without length ends with the
 * connection (RFC 9112 section 6.3). */
#ifndef SHOAL_NET_HTTP_STREAM_H
#define SHOAL_NET_HTTP_STREAM_H

#include "net/http_server.h"

/* Streams of one server; they are not among HTTP_CONNECTIONS_MAX (attack: descriptors held). */
#define HTTP_STREAMS_MAX 14000u
/* A line without its end (attack: one that never ends). */
#define HTTP_STREAM_LINE_MAX 65536u
/* What a client has not taken yet; who lets it come to more, or takes nothing for so long, is hung
 * up on (attack: readers that do not read). */
#define HTTP_STREAM_HELD_MAX (4u << 20)
#define HTTP_STREAM_STUCK_S 30u

struct http_stream;

struct http_stream_params {
	/* Status line and headers, each with its CR LF; Date and the empty line follow. */
	const char *head;
	/* A line from the other end, without LF or CR LF; borrowed for the call. NULL: whatever it
	 * says is thrown away. */
	void (*line)(void *user, struct bytes line);
	/* It went away, sent a line too long, or does not take what it is sent. The stream is no
	 * more; not after http_stream_close(). */
	void (*closed)(void *user);
	void *user;
};

/* From within a handler, which then leaves its reply as it is, and the request's headers alone:
 * they are gone. Calls nothing back from within. NULL: no memory or HTTP_STREAMS_MAX; the handler
 * answers as ever. */
struct http_stream *http_stream_take(const struct http_request *r,
				     const struct http_stream_params *p);
/* Never calls back from within. */
void http_stream_write(struct http_stream *s, struct bytes data);
/* The kernel's smoothed round trip, 0 unknown. */
uint32_t http_stream_rtt_us(const struct http_stream *s);
/* What was written is still sent. Nothing is called any more. */
void http_stream_close(struct http_stream *s);

#endif
