/* net/tls.h - the server's half of TLS: a certificate, and connections that show it. */
#ifndef SHOAL_NET_TLS_H
#define SHOAL_NET_TLS_H

#include "base/buf.h"
#include "base/err.h"
#include "net/loop.h"

struct tls;
struct bufferevent;

/* "sha256//" and 44 characters of base64: what curl --pinnedpubkey takes. */
#define TLS_PIN_TEXT_MAX 64

/* From PEM files, the certificate's with its chain behind it; both may be one file. */
int tls_new(const char *cert, const char *key, struct tls **out, struct err_info *info);
/* Read the files again. Connections made before keep what they were shown; on error so do those
 * that come. */
int tls_reload(struct tls *t, struct err_info *info);
void tls_free(struct tls *t);
/* Of the public key: it stays when the certificate is renewed with the same key. */
const char *tls_pin(const struct tls *t);
/* Has nobody else signed the certificate, so that clients must know its pin? */
bool tls_is_self_signed(const struct tls *t);
/* For an accepted socket, which it closes at its end. NULL: out of memory. */
struct bufferevent *tls_accepting(struct tls *t, struct loop *l);

/* A new key (EC P-256) and a certificate that it signs itself, appended as PEM. Who knows its pin
 * can trust it; nobody else should. */
int tls_self_sign(struct buf *out);

#endif
