#include "base/digest_many.h"

#include <stdlib.h>

#ifdef HAVE_IPSEC_MB
/* Else its header has names of old that OpenSSL has too. */
#define NO_COMPAT_IMB_API_053
#include <intel-ipsec-mb.h>
#else
typedef struct IMB_MGR IMB_MGR;
#endif

/* One way of the library to work side by side. */
struct side {
	IMB_MGR *mgr;	/* NULL: not made yet, or nothing it could do */
	unsigned lanes; /* 1 then */
	bool looked;
};

struct digest_many {
	struct digest *sha1, *sha256;
	struct side pair; /* by the SHA extensions */
	struct side wide; /* by vectors */
};

#ifdef HAVE_IPSEC_MB

static unsigned init_pair(IMB_MGR *m)
{
	if (!(m->features & IMB_FEATURE_SHANI))
		return 1;
	init_mb_mgr_sse(m);
	return 2;
}

static unsigned init_wide(IMB_MGR *m)
{
	if ((m->features & IMB_FEATURE_AVX512_SKX) == IMB_FEATURE_AVX512_SKX) {
		init_mb_mgr_avx512(m);
		return 16;
	}
	/* Eight at a time are hardly ahead of two by the extensions. */
	if ((m->features & IMB_FEATURE_SHANI) || !(m->features & IMB_FEATURE_AVX2))
		return 1;
	init_mb_mgr_avx2(m);
	return 8;
}

static void side_look(struct side *s, unsigned (*init)(IMB_MGR *m))
{
	if (s->looked)
		return;
	*s = (struct side){.mgr = alloc_mb_mgr(0), .lanes = 1, .looked = true};
	if (s->mgr == NULL)
		return;
	s->lanes = init(s->mgr);
	if (s->lanes > 1 && imb_get_errno(s->mgr) == 0)
		return;
	free_mb_mgr(s->mgr);
	s->mgr = NULL;
	s->lanes = 1;
}

static void look_pair(struct digest_many *d)
{
	side_look(&d->pair, init_pair);
}

static void look_wide(struct digest_many *d)
{
	side_look(&d->wide, init_wide);
}

static void drop(struct side *s)
{
	if (s->mgr != NULL)
		free_mb_mgr(s->mgr);
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

static void look_pair(struct digest_many *d)
{
	d->pair.lanes = 1;
}

static void look_wide(struct digest_many *d)
{
	d->wide.lanes = 1;
}

static void drop(struct side *s)
{
	(void)s;
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
	d->pair = d->wide = (struct side){.lanes = 1, .looked = way == DIGEST_MANY_PLAIN};
	return d;
}

void digest_many_free(struct digest_many *d)
{
	if (d == NULL)
		return;
	drop(&d->pair);
	drop(&d->wide);
	digest_free(d->sha1);
	digest_free(d->sha256);
	free(d);
}

/* Two by the extensions are as fast as 16 by AVX-512. Vectors take as long for one message as for
 * as many as they have lanes; a quarter makes up for that. NULL: one after the other. */
static struct side *side_for_sha256(struct digest_many *d, size_t n)
{
	if (n < 2)
		return NULL;
	look_pair(d);
	if (d->pair.mgr != NULL)
		return &d->pair;
	look_wide(d);
	return d->wide.mgr != NULL && n >= d->wide.lanes / 4 ? &d->wide : NULL;
}

void digest_many(struct digest_many *d, struct bytes data, size_t each, uint8_t *out)
{
	struct side *side = side_for_sha256(d, data.len / each + (data.len % each != 0));

	for (; data.len > 0; out += SHA256_LEN) {
		struct bytes block = bytes_sub(data, 0, data.len < each ? data.len : each);

		data = bytes_sub(data, block.len, data.len - block.len);
		if (side != NULL)
			submit_sha256(side->mgr, block, out);
		else
			digest_once(d->sha256, block, out);
	}
	if (side != NULL)
		finish(side->mgr);
}

/* Sixteen by AVX-512 are twice as fast as two by the extensions, so that more than half of them
 * are ahead; so are more than half of eight of one after the other. */
static struct side *side_for_sha1(struct digest_many *d, size_t n)
{
	if (n < 2)
		return NULL;
	if (n > 2)
		look_wide(d);
	if (d->wide.mgr != NULL && n > d->wide.lanes / 2)
		return &d->wide;
	look_pair(d);
	return d->pair.mgr != NULL ? &d->pair : NULL;
}

void digest_many_sha1(struct digest_many *d, const struct bytes *messages, size_t n, uint8_t *out)
{
	while (n > 0) {
		struct side *side = side_for_sha1(d, n);
		size_t now = side != NULL && side->lanes < n ? side->lanes : n;

		for (size_t i = 0; i < now; i++, out += SHA1_LEN) {
			if (side != NULL && messages[i].len <= DIGEST_MANY_BYTES_MAX)
				submit_sha1(side->mgr, messages[i], out);
			else
				digest_once(d->sha1, messages[i], out);
		}
		if (side != NULL)
			finish(side->mgr);
		messages += now;
		n -= now;
	}
}

struct digest_many_widths digest_many_sha1_widths(void)
{
	struct digest_many *d = digest_many_new(DIGEST_MANY_BEST);
	struct digest_many_widths w = {.most = 1};

	if (d == NULL)
		return w;
	look_pair(d);
	look_wide(d);
	w.most = d->wide.lanes > 1 ? d->wide.lanes : d->pair.lanes;
	w.in_pairs = d->pair.lanes == 2;
	digest_many_free(d);
	return w;
}

unsigned digest_many_together(struct digest_many_widths w, uint64_t fit)
{
	if (fit >= w.most)
		return w.most;
	return w.in_pairs && fit >= 2 ? 2 : 1;
}
