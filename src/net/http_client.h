/* net/http_client.h - HTTP requests on the loop, over libcurl. */
#ifndef SHOAL_NET_HTTP_CLIENT_H
#define SHOAL_NET_HTTP_CLIENT_H

#include "base/addr.h"
#include "base/bytes.h"
#include "base/err.h"
#include "net/loop.h"

struct http_client;
struct http_call;

/* Limits of one request, against servers that never end (O-29 turned round). */
#define HTTP_CONNECT_MS 10000u
#define HTTP_TOTAL_MS 30000u
#define HTTP_REDIRECTS_MAX 5u
/* Headers of all answers to one request, and what follows a body in chunks (attack: trailers
 * without end, of which libcurl would keep every one). */
#define HTTP_HEAD_BYTES_MAX (256u << 10)
/* The body of a redirect, which is of no use (attack: one without end); and what bodies in chunks
 * have besides eight times what they carry (attack: chunk extensions without end). */
#define HTTP_ASIDE_BYTES_MAX (1u << 20)

/* Part of the reason when a server of http: hangs up without a word, as those of https: do. */
#define HTTP_WANTS_HTTPS "(does it want https?)"

int http_client_new(struct loop *l, struct http_client **out);
/* Trust the server of this https URL by its public key alone, given as curl --pinnedpubkey takes it
 * ("sha256//BASE64"); there is one such server at a time. Everyone else must have a certificate
 * that the system trusts (O-32). ERR_INVALID. */
int http_client_pin(struct http_client *c, const char *url, const char *pin, struct err_info *info);
/* And by what the other one trusts a server. */
void http_client_pin_like(struct http_client *c, const struct http_client *other);
/* Do both trust the same key for the same server, or each no key of its own? */
bool http_client_pin_eq(const struct http_client *a, const struct http_client *b);
/* From here on connect to no address that is nearer to us than `nearest`, whatever name or redirect
 * leads there, and use no proxy, which would (attack: a stranger's link to a server of this network
 * or of this machine). Before the first call. */
void http_client_guard(struct http_client *c, enum addr_scope nearest);
/* Cancels what is under way without calling back. */
void http_client_free(struct http_client *c);

struct http_answer {
	struct err_info err; /* OK: a status arrived (any); else why not, naming host and reason */
	int status;
	struct bytes body;
	/* Who answered; port 0: nobody did, or a proxy may have. */
	struct addr from;
	uint32_t retry_after_s; /* what the header says; 0: nothing */
};

enum http_take {
	HTTP_TAKE_MORE,
	HTTP_TAKE_LATER, /* nothing of this part was taken: it comes again, perhaps with more
			    behind it, after http_call_resume() */
	HTTP_TAKE_STOP,	 /* that is enough: `done` follows, as if the body had ended */
};

/* For bodies that are too long to be gathered. Such a call has no time limit in all, is not
 * compressed, and does not follow a redirect from https to http. */
struct http_parts {
	/* Some of the body of the last answer, after redirects. Within it no call may be made with
	 * this client; this one may be cancelled. */
	enum http_take (*part)(void *user, struct http_call *call, struct bytes part);
	uint32_t stall_s; /* fails with ERR_TIMEOUT when nothing comes for so long */
};

struct http_ask {
	const char *method;		/* "GET", "POST", "DELETE" */
	const char *url;		/* http or https; other schemes are refused */
	const char *const *headers;	/* "Name: value", NULL-terminated; may be NULL */
	struct bytes body;		/* copied */
	size_t max_bytes;		/* of the reply's body; more fails with ERR_TOO_BIG */
	uint32_t total_ms;		/* 0: HTTP_TOTAL_MS */
	const struct http_parts *parts; /* copied; NULL: the body is gathered */
	enum addr_family family;	/* connect over no other */
	bool connect;			/* only connect, to where `url` is: see http_call_fd() */
	bool distrusted; /* a stranger's URL: a redirect leads no nearer to us than where it is
			    itself (attack: the router, a cloud's metadata service), which is not
			    169.254/16 but where that is our own network */
	bool wary; /* the user's own URL, for which any server will do: a redirect of who is further
		      away leads to no link-local address, nor to this machine (the same attack) */
	/* Called once, from the loop. `reply` is borrowed for the call. */
	void (*done)(void *user, const struct http_answer *reply);
	void *user;
};

/* Returns a handle for http_call_cancel(), or NULL without memory. Never calls back from
 * inside. Sends "User-Agent: shoal/VERSION". */
struct http_call *http_client_send(struct http_client *c, const struct http_ask *ask);
/* `done` will not be called. */
void http_call_cancel(struct http_call *call);

/* For calls in parts. A header of the answer whose body comes, or NULL; borrowed until the part is
 * taken. */
const char *http_call_header(const struct http_call *call, const char *name);
int http_call_status(const struct http_call *call);
/* The other end of its connection; port 0: unknown. */
void http_call_from(const struct http_call *call, struct addr *out);
/* The same, as in http_answer: port 0 also when a proxy may be between. */
void http_call_sender(const struct http_call *call, struct addr *out);
/* Not from within `part`. */
void http_call_resume(struct http_call *call);

/* A call that was only to connect, and did (through TLS and a proxy's tunnel where there is one),
 * stays after `done`, until http_call_cancel(), which must come before http_client_free(). Let such
 * a call have a client of its own: libcurl drops idle connections when it makes others. */
int http_call_fd(const struct http_call *call);
/* Bytes moved, 0 at the end (reading), ERR_AGAIN when none can be now, ERR_IO. */
int http_call_read(struct http_call *call, struct span into);
int http_call_write(struct http_call *call, struct bytes data);

#endif
