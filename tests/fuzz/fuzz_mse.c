/* Two sides of an encrypted handshake, between them somebody who changes bytes: the first byte is
 * who may do what, the second the pads, then follow triples of an offset in what the dialling side
 * says and what is laid over the byte there. */
#include <string.h>

#include "base/rng.h"
#include "fuzz.h"
#include "wire/mse.h"

static const uint8_t torrent[SHA1_LEN] = "the torrent's hash.";
static const char hello[] = "what is said first";

static bool find(void *user, const uint8_t req2[SHA1_LEN], uint8_t skey[SHA1_LEN])
{
	uint8_t key[SHA1_LEN];

	(void)user;
	mse_lookup_key(torrent, key);
	memcpy(skey, torrent, SHA1_LEN);
	return memcmp(key, req2, SHA1_LEN) == 0;
}

static struct mse *open_side(struct rng *r, bool dials, unsigned allowed, struct buf *out)
{
	uint8_t random[MSE_RANDOM_BYTES];
	struct mse_params p = {.allowed = allowed % 3 + 1, .random = random, .find = find};
	struct mse *m;

	rng_fill(r, random, sizeof(random));
	if (dials) {
		p.skey = torrent;
		p.initial = bytes_of(hello, sizeof(hello));
	}
	buf_init(out, 100000);
	FUZZ_CHECK(mse_new(&p, out, &m) == OK);
	return m;
}

/* What `from` has to say reaches `to`, whole. Returns what mse_take() does. */
static int carry(struct buf *from, struct mse *to, struct buf *answers)
{
	struct bytes in = buf_bytes(from);
	int rc = in.len == 0 || mse_is_done(to) ? 0 : mse_take(to, in, answers);

	FUZZ_CHECK(rc <= (int)in.len);
	FUZZ_CHECK(rc < 0 || rc == (int)in.len || mse_is_done(to));
	buf_clear(from);
	return rc;
}

static void bend(struct buf *out, size_t *said, struct bytes changes)
{
	for (size_t i = 0; i + 3 <= changes.len; i += 3) {
		size_t at = be16(changes.ptr + i) % 700;

		if (at >= *said && at < *said + out->len)
			out->ptr[at - *said] ^= changes.ptr[i + 2];
	}
	*said += out->len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf a_out, b_out;
	struct mse *a, *b;
	struct rng r;
	size_t said = 0;
	int a_rc = 0, b_rc = 0;

	if (size < 2 || size > 200)
		return 0;
	rng_seed(&r, data[1]);
	a = open_side(&r, true, data[0], &a_out);
	b = open_side(&r, false, data[0] / 3, &b_out);
	for (int turn = 0; turn < 3 && a_rc >= 0 && b_rc >= 0; turn++) {
		bend(&a_out, &said, bytes_of(data + 2, size - 2));
		b_rc = carry(&a_out, b, &b_out);
		if (b_rc >= 0)
			a_rc = carry(&b_out, a, &a_out);
	}
	if (size == 2 && mse_is_done(b))
		FUZZ_CHECK(mse_is_done(a) && mse_chosen(a) == mse_chosen(b) &&
			   bytes_eq(mse_initial(b), bytes_of(hello, sizeof(hello))));
	FUZZ_SEEDED(mse_is_done(b) && mse_initial(b).len == sizeof(hello) &&
		    mse_initial(b).ptr[3] != hello[3]);
	mse_free(a);
	mse_free(b);
	buf_fini(&a_out);
	buf_fini(&b_out);
	return 0;
}
