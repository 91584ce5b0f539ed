#include "net/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/bufferevent.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "failmalloc_openssl.h"
#include "test.h"

static char path[] = "/tmp/shoal-test-tls-XXXXXX";

/* A self-signed certificate in a file of its own. */
static void begin(void)
{
	struct buf pem;
	int fd;

	snprintf(path + sizeof(path) - 7, 7, "XXXXXX");
	buf_init(&pem, 16384);
	CHECK_INT(tls_self_sign(&pem), 0);
	fd = mkstemp(path);
	CHECK(fd >= 0);
	CHECK_INT(write(fd, pem.ptr, pem.len), (int)pem.len);
	close(fd);
	buf_fini(&pem);
}

TEST(a_certificate_of_our_own_has_a_pin_and_nobody_else_signed_it)
{
	struct err_info info;
	char pin[TLS_PIN_TEXT_MAX];
	struct tls *t;

	begin();
	CHECK_INT(tls_new(path, path, &t, &info), 0);
	CHECK_INT(strncmp(tls_pin(t), "sha256//", 8), 0);
	CHECK_INT(strlen(tls_pin(t)), 8 + 44);
	CHECK(tls_is_self_signed(t));
	memcpy(pin, tls_pin(t), sizeof(pin));
	CHECK_INT(tls_reload(t, &info), 0);
	CHECK_STR(tls_pin(t), pin);
	CHECK_INT(truncate(path, 10), 0);
	CHECK_INT(tls_reload(t, &info), ERR_INVALID);
	CHECK_STR(tls_pin(t), pin);
	unlink(path);
	CHECK_INT(tls_reload(t, &info), ERR_NOENT);
	CHECK(strstr(info.text, "PEM") == NULL);
	CHECK(tls_is_self_signed(t));
	tls_free(t);
	tls_free(NULL);
}

/* It would be asked for at the terminal, and nothing else would go on. */
TEST(a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it)
{
	char key_path[] = "/tmp/shoal-test-tls-key-XXXXXX";
	char phrase[] = "secret";
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct err_info info;
	struct tls *t;
	BIO *f;

	begin();
	close(mkstemp(key_path));
	f = BIO_new_file(key_path, "w");
	CHECK(key != NULL && f != NULL);
	CHECK_INT(PEM_write_bio_PrivateKey(f, key, EVP_aes_128_cbc(), NULL, 0, NULL, phrase), 1);
	BIO_free(f);
	CHECK_INT(tls_new(path, key_path, &t, &info), ERR_INVALID);
	CHECK(strstr(info.text, "the key has a passphrase") != NULL);
	CHECK(strncmp(info.text, key_path, strlen(key_path)) == 0);
	f = BIO_new_file(key_path, "w");
	CHECK(f != NULL);
	CHECK_INT(PEM_write_bio_PrivateKey_traditional(f, key, EVP_aes_128_cbc(), (uint8_t *)phrase,
						       6, NULL, NULL),
		  1);
	BIO_free(f);
	CHECK_INT(tls_new(path, key_path, &t, &info), ERR_INVALID);
	CHECK(strstr(info.text, "the key has a passphrase") != NULL);
	EVP_PKEY_free(key);
	unlink(key_path);
	unlink(path);
}

/* Each allocation in turn fails: it works all the same, or fails with a reason, and nothing stays
 * behind. Nearly all of them are within a library that sanitizers do not see into, so there it is
 * every seventh. */
#ifdef SANITIZED
#define ALLOCATIONS_APART 7
#else
#define ALLOCATIONS_APART 1
#endif

TEST(a_certificate_is_read_or_refused_whichever_allocation_fails)
{
	bool done = false;

	begin();
	for (size_t n = 1; !done; n += ALLOCATIONS_APART) {
		struct err_info info = {0};
		struct tls *t = NULL;
		size_t asked;
		int rc;

		CHECK(n < 20000);
		failmalloc_start(n, false);
		rc = tls_new(path, path, &t, &info);
		asked = failmalloc_stop();
		done = asked < n;
		if (rc == 0)
			tls_free(t);
		else
			CHECK(info.code == rc && info.text[0] != '\0');
		CHECK(!done || rc == 0);
	}
	unlink(path);
}

TEST(a_reload_that_fails_for_want_of_memory_keeps_the_old_certificate)
{
	struct err_info info;
	struct tls *t;
	char pin[TLS_PIN_TEXT_MAX];
	size_t asked;

	begin();
	CHECK_INT(tls_new(path, path, &t, &info), 0);
	memcpy(pin, tls_pin(t), sizeof(pin));
	failmalloc_start(0, false);
	CHECK_INT(tls_reload(t, &info), 0);
	asked = failmalloc_stop();
	for (size_t n = 1; n <= asked; n += 1 + asked / 200) {
		failmalloc_start(n, true);
		CHECK(tls_reload(t, &info) != 0);
		failmalloc_stop();
		CHECK_STR(tls_pin(t), pin);
	}
	tls_free(t);
	unlink(path);
}

TEST(a_certificate_is_made_whole_or_not_at_all)
{
	size_t asked;
	struct buf pem;

	buf_init(&pem, 16384);
	failmalloc_start(0, false);
	CHECK_INT(tls_self_sign(&pem), 0);
	asked = failmalloc_stop();
	buf_fini(&pem);
	for (size_t n = 1; n <= asked; n++) {
		buf_init(&pem, 16384);
		failmalloc_start(n, true);
		CHECK_INT(tls_self_sign(&pem), ERR_NOMEM);
		failmalloc_stop();
		CHECK_INT(pem.len, 0);
		buf_fini(&pem);
	}
}

TEST(a_connection_is_had_or_not_whichever_allocation_fails)
{
	struct err_info info;
	struct loop *l;
	struct tls *t;
	bool done = false;

	begin();
	CHECK_INT(loop_new(&l), 0);
	CHECK_INT(tls_new(path, path, &t, &info), 0);
	for (size_t n = 1; !done; n += ALLOCATIONS_APART) {
		struct bufferevent *bev;
		size_t asked;

		CHECK(n < 20000);
		failmalloc_start(n, false);
		bev = tls_accepting(t, l);
		asked = failmalloc_stop();
		done = asked < n;
		if (bev != NULL)
			bufferevent_free(bev);
		CHECK(!done || bev != NULL);
	}
	tls_free(t);
	loop_free(l);
	unlink(path);
}
