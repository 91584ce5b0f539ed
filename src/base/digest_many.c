#include "base/digest_many.h"

#include <stdlib.h>

#ifdef HAVE_IPSEC_MB
/* Else its header has names of old that OpenSSL has too. */
#define NO_COMPAT_IMB_API_053
#include <intel-ipsec-mb.h>
#else
typedef struct IMB_MGR IMB_MGR;
#endif

struct digest_many {
	struct digest *plain;
	IMB_MGR *mgr;	/* NULL: not made yet, or nothing it could do */
	unsigned lanes; /* 0: not looked yet */
};

#ifdef HAVE_IPSEC_MB

/* Two at a time with the SHA extensions are as fast as 16 with AVX-512, and so are two alone: what
 * the library takes by itself on a processor with both only pays with all lanes full. */
static unsigned mgr_init(IMB_MGR *m)
{
	if (m->features & IMB_FEATURE_SHANI) {
		init_mb_mgr_sse(m);
		return 2;
	}
	if ((m->features & IMB_FEATURE_AVX512_SKX) == IMB_FEATURE_AVX512_SKX) {
		init_mb_mgr_avx512(m);
		return 16;
	}
	if (m->features & IMB_FEATURE_AVX2) {
		init_mb_mgr_avx2(m);
		return 8;
	}
	return 1;
}

static void look(struct digest_many *d)
{
	d->lanes = 1;
	d->mgr = alloc_mb_mgr(0);
	if (d->mgr == NULL)
		return;
	d->lanes = mgr_init(d->mgr);
	if (d->lanes > 1 && imb_get_errno(d->mgr) == 0)
		return;
	free_mb_mgr(d->mgr);
	d->mgr = NULL;
	d->lanes = 1;
}

static void drop(struct digest_many *d)
{
	if (d->mgr != NULL)
		free_mb_mgr(d->mgr);
}

static void run_lanes(IMB_MGR *m, struct bytes data, size_t each, uint8_t *out)
{
	for (size_t at = 0; at < data.len; at += each, out += SHA256_LEN) {
		IMB_JOB *job = IMB_GET_NEXT_JOB(m);

		*job = (IMB_JOB){
		    .cipher_mode = IMB_CIPHER_NULL,
		    .cipher_direction = IMB_DIR_ENCRYPT,
		    .chain_order = IMB_ORDER_HASH_CIPHER,
		    .hash_alg = IMB_AUTH_SHA_256,
		    .src = data.ptr + at,
		    .msg_len_to_hash_in_bytes = data.len - at < each ? data.len - at : each,
		    .auth_tag_output = out,
		    .auth_tag_output_len_in_bytes = SHA256_LEN,
		};
		(void)IMB_SUBMIT_JOB_NOCHECK(m);
	}
	while (IMB_FLUSH_JOB(m) != NULL)
		continue;
}

#else

static void look(struct digest_many *d)
{
	d->lanes = 1;
}

static void drop(struct digest_many *d)
{
	(void)d;
}

static void run_lanes(IMB_MGR *m, struct bytes data, size_t each, uint8_t *out)
{
	(void)m;
	(void)data;
	(void)each;
	(void)out;
}

#endif

struct digest_many *digest_many_new(enum digest_many_way way)
{
	struct digest_many *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->plain = digest_new(DIGEST_SHA256);
	if (d->plain == NULL) {
		free(d);
		return NULL;
	}
	d->lanes = way == DIGEST_MANY_PLAIN ? 1 : 0;
	return d;
}

void digest_many_free(struct digest_many *d)
{
	if (d == NULL)
		return;
	drop(d);
	digest_free(d->plain);
	free(d);
}

/* A register of lanes takes as long for one block as for as many as it has; a quarter of them
 * makes up for that. */
static bool is_worth_it(const struct digest_many *d, size_t blocks)
{
	return d->mgr != NULL && blocks > 1 && blocks >= d->lanes / 4;
}

void digest_many(struct digest_many *d, struct bytes data, size_t each, uint8_t *out)
{
	size_t blocks = data.len / each + (data.len % each != 0);

	if (d->lanes == 0 && blocks > 1)
		look(d);
	if (is_worth_it(d, blocks)) {
		run_lanes(d->mgr, data, each, out);
		return;
	}
	for (size_t i = 0; i < blocks; i++) {
		size_t left = data.len - i * each;

		digest_once(d->plain, bytes_sub(data, i * each, left < each ? left : each),
			    out + i * SHA256_LEN);
	}
}

unsigned digest_many_lanes(const struct digest_many *d)
{
	return d->mgr != NULL ? d->lanes : 1;
}
