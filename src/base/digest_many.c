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
	struct digest *sha1, *sha256;
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

static void submit(IMB_MGR *m, IMB_HASH_ALG alg, struct bytes message, uint8_t *out, size_t len)
{
	IMB_JOB *job = IMB_GET_NEXT_JOB(m);

	*job = (IMB_JOB){
	    .cipher_mode = IMB_CIPHER_NULL,
	    .cipher_direction = IMB_DIR_ENCRYPT,
	    .chain_order = IMB_ORDER_HASH_CIPHER,
	    .hash_alg = alg,
	    .src = message.ptr,
	    .msg_len_to_hash_in_bytes = message.len,
	    .auth_tag_output = out,
	    .auth_tag_output_len_in_bytes = len,
	};
	(void)IMB_SUBMIT_JOB_NOCHECK(m);
}

static void submit_sha1(IMB_MGR *m, struct bytes message, uint8_t *out)
{
	submit(m, IMB_AUTH_SHA_1, message, out, SHA1_LEN);
}

static void submit_sha256(IMB_MGR *m, struct bytes message, uint8_t *out)
{
	submit(m, IMB_AUTH_SHA_256, message, out, SHA256_LEN);
}

static void finish(IMB_MGR *m)
{
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

static void submit_sha1(IMB_MGR *m, struct bytes message, uint8_t *out)
{
	(void)m;
	(void)message;
	(void)out;
}

static void submit_sha256(IMB_MGR *m, struct bytes message, uint8_t *out)
{
	(void)m;
	(void)message;
	(void)out;
}

static void finish(IMB_MGR *m)
{
	(void)m;
}

#endif

struct digest_many *digest_many_new(enum digest_many_way way)
{
	struct digest_many *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->sha1 = digest_new(DIGEST_SHA1);
	d->sha256 = digest_new(DIGEST_SHA256);
	if (d->sha1 == NULL || d->sha256 == NULL) {
		digest_many_free(d);
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
	digest_free(d->sha1);
	digest_free(d->sha256);
	free(d);
}

/* A register of lanes takes as long for one message as for as many as it has; so many of them make
 * up for that. */
static bool is_worth_it(struct digest_many *d, size_t n, unsigned part)
{
	if (d->lanes == 0 && n > 1)
		look(d);
	return d->mgr != NULL && n > 1 && n >= d->lanes / part;
}

void digest_many(struct digest_many *d, struct bytes data, size_t each, uint8_t *out)
{
	size_t n = data.len / each + (data.len % each != 0);
	bool side_by_side = is_worth_it(d, n, 4);

	for (; data.len > 0; out += SHA256_LEN) {
		struct bytes block = bytes_sub(data, 0, data.len < each ? data.len : each);

		data = bytes_sub(data, block.len, data.len - block.len);
		if (side_by_side)
			submit_sha256(d->mgr, block, out);
		else
			digest_once(d->sha256, block, out);
	}
	if (side_by_side)
		finish(d->mgr);
}

void digest_many_sha1(struct digest_many *d, const struct bytes *messages, size_t n, uint8_t *out)
{
	bool side_by_side = is_worth_it(d, n, 2);

	for (size_t i = 0; i < n; i++, out += SHA1_LEN) {
		if (side_by_side && messages[i].len <= DIGEST_MANY_BYTES_MAX)
			submit_sha1(d->mgr, messages[i], out);
		else
			digest_once(d->sha1, messages[i], out);
	}
	if (side_by_side)
		finish(d->mgr);
}

unsigned digest_many_lanes(struct digest_many *d)
{
	if (d->lanes == 0)
		look(d);
	return d->mgr != NULL ? d->lanes : 1;
}

bool digest_many_in_pairs(void)
{
	struct digest_many *d = digest_many_new(DIGEST_MANY_BEST);
	bool pairs = d != NULL && digest_many_lanes(d) == 2;

	digest_many_free(d);
	return pairs;
}
