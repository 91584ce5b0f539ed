#include "net/tls.h"

#include <errno.h>
#include <stdlib.h>

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/digest.h"
#include "base/text.h"
#include "net/entropy.h"

/* Its pin is what is trusted, which no date makes better; but a date there must be. */
#define SELF_SIGNED_DAYS (20 * 365)
#define SELF_SIGNED_NAME "shoal index"

struct tls {
	char *cert, *key; /* paths */
	SSL_CTX *ctx;
	char pin[TLS_PIN_TEXT_MAX];
};

/* ---- certificates from files --------------------------------------------- */

static enum err code_of(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return ERR_NOENT;
	case EACCES:
	case EPERM:
		return ERR_DENIED;
	default:
		return ERR_IO;
	}
}

static int refuse_file(struct err_info *info, const char *path, const char *what)
{
	unsigned long why = ERR_peek_error();
	const char *reason = ERR_reason_error_string(why);
	char shown[256];

	ERR_clear_error();
	text_escape(shown, sizeof(shown), bytes_str(path));
	if (ERR_SYSTEM_ERROR(why))
		return err_set(info, code_of(ERR_GET_REASON(why)), "%s: %s", shown,
			       strerror(ERR_GET_REASON(why)));
	return err_set(info, ERR_INVALID, "%s: %s: %s", shown, what,
		       reason == NULL ? "not as it should be" : reason);
}

/* OpenSSL would ask at the terminal, on the event loop and with nobody there. */
static int on_passphrase(char *out, int cap, int writing, void *user)
{
	bool *asked = user;

	(void)out;
	(void)cap;
	(void)writing;
	*asked = true;
	return -1;
}

static SSL_CTX *new_ctx(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	/* A client that breaks off is no attack here: requests and answers know their length. */
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
				     SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	return ctx;
}

static bool find_pin(SSL_CTX *ctx, char pin[TLS_PIN_TEXT_MAX])
{
	static const char head[] = "sha256//";
	uint8_t *der = NULL, hash[SHA256_LEN];
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(SSL_CTX_get0_certificate(ctx)), &der);

	if (len <= 0)
		return false;
	sha256_of(bytes_of(der, (size_t)len), hash);
	OPENSSL_free(der);
	memcpy(pin, head, sizeof(head));
	EVP_EncodeBlock((uint8_t *)pin + sizeof(head) - 1, hash, sizeof(hash));
	return true;
}

static int load(SSL_CTX *ctx, const struct tls *t, struct err_info *info)
{
	bool asked = false;
	char shown[256];
	int rc = 0;

	ERR_clear_error();
	SSL_CTX_set_default_passwd_cb(ctx, on_passphrase);
	SSL_CTX_set_default_passwd_cb_userdata(ctx, &asked);
	if (SSL_CTX_use_certificate_chain_file(ctx, t->cert) != 1)
		rc = refuse_file(info, t->cert, "no certificate in PEM form");
	else if (SSL_CTX_use_PrivateKey_file(ctx, t->key, SSL_FILETYPE_PEM) != 1)
		rc = refuse_file(info, t->key, "no key in PEM form for the certificate");
	SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
	if (rc != 0 && asked)
		rc = err_set(info, ERR_INVALID, "%s: the key has a passphrase",
			     text_escape(shown, sizeof(shown), bytes_str(t->key)));
	return rc;
}

int tls_reload(struct tls *t, struct err_info *info)
{
	SSL_CTX *ctx = new_ctx();
	char pin[TLS_PIN_TEXT_MAX];
	int rc;

	if (ctx == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	rc = load(ctx, t, info);
	if (rc == 0 && !find_pin(ctx, pin))
		rc = err_set(info, ERR_NOMEM, "out of memory");
	if (rc != 0) {
		SSL_CTX_free(ctx);
		return rc;
	}
	SSL_CTX_free(t->ctx); /* connections hold it as long as they need it */
	t->ctx = ctx;
	memcpy(t->pin, pin, sizeof(pin));
	return 0;
}

int tls_new(const char *cert, const char *key, struct tls **out, struct err_info *info)
{
	struct tls *t = calloc(1, sizeof(*t));
	int rc = ERR_NOMEM;

	if (t != NULL) {
		t->cert = strdup(cert);
		t->key = strdup(key);
	}
	if (t == NULL || t->cert == NULL || t->key == NULL)
		err_set(info, ERR_NOMEM, "out of memory");
	else
		rc = tls_reload(t, info);
	if (rc != 0) {
		tls_free(t);
		return rc;
	}
	*out = t;
	return 0;
}

void tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	SSL_CTX_free(t->ctx);
	free(t->cert);
	free(t->key);
	free(t);
}

const char *tls_pin(const struct tls *t)
{
	return t->pin;
}

bool tls_is_self_signed(const struct tls *t)
{
	return (X509_get_extension_flags(SSL_CTX_get0_certificate(t->ctx)) & EXFLAG_SS) != 0;
}

struct bufferevent *tls_accepting(struct tls *t, struct loop *l)
{
	SSL *ssl = SSL_new(t->ctx);
	struct bufferevent *bev;

	if (ssl == NULL)
		return NULL;
	/* The option is what frees `ssl`. */
	bev = bufferevent_openssl_socket_new(loop_event_base(l), -1, ssl, BUFFEREVENT_SSL_ACCEPTING,
					     BEV_OPT_CLOSE_ON_FREE);
	if (bev == NULL)
		SSL_free(ssl);
	else
		bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	return bev;
}

/* ---- a certificate of our own -------------------------------------------- */

static bool set_name(X509 *x)
{
	X509_NAME *name = X509_get_subject_name(x);

	return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
					  (const uint8_t *)SELF_SIGNED_NAME, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(x, name) == 1;
}

static bool set_serial(X509 *x)
{
	uint64_t serial;

	entropy_fill(&serial, sizeof(serial));
	return ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial >> 1 | 1) == 1;
}

static bool sign_for(X509 *x, EVP_PKEY *key)
{
	return X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) && set_name(x) &&
	       X509_gmtime_adj(X509_getm_notBefore(x), 0) != NULL &&
	       X509_time_adj_ex(X509_getm_notAfter(x), SELF_SIGNED_DAYS, 0, NULL) != NULL &&
	       X509_set_pubkey(x, key) == 1 && X509_sign(x, key, EVP_sha256()) != 0;
}

int tls_self_sign(struct buf *out)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	BIO *bio = BIO_new(BIO_s_mem());
	int rc = ERR_NOMEM;
	char *pem = NULL;

	if (key != NULL && x != NULL && bio != NULL && sign_for(x, key) &&
	    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1 &&
	    PEM_write_bio_X509(bio, x) == 1) {
		long len = BIO_get_mem_data(bio, &pem);

		rc = buf_put(out, bytes_of(pem, (size_t)len));
		explicit_bzero(pem, (size_t)len);
	}
	BIO_free(bio);
	X509_free(x);
	EVP_PKEY_free(key);
	return rc;
}
