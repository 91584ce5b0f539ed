/* Two sides that shake hands, byte by byte and all at once, and others that only seem to. */
#include "wire/mse.h"

#include <stdlib.h>

#include "base/rng.h"
#include "failmalloc.h"
#include "test.h"

#define HELLO "\023BitTorrent protocol and what else is said at once"

static const uint8_t torrent[SHA1_LEN] = "the torrent's hash.";

struct side {
	struct mse *m;
	struct buf out;
	struct buf stream; /* what came behind the handshake, as it is on the wire */
	int rc;
};

static bool find(void *user, const uint8_t req2[SHA1_LEN], uint8_t skey[SHA1_LEN])
{
	uint8_t key[SHA1_LEN];

	(void)user;
	mse_lookup_key(torrent, key);
	memcpy(skey, torrent, SHA1_LEN);
	return memcmp(key, req2, SHA1_LEN) == 0;
}

static void open_side(struct side *s, struct rng *r, bool dials, unsigned allowed, bool rc4)
{
	uint8_t random[MSE_RANDOM_BYTES];
	struct mse_params p = {
	    .allowed = allowed, .prefer_rc4 = rc4, .random = random, .find = find};

	*s = (struct side){.rc = 1};
	rng_fill(r, random, sizeof(random));
	buf_init(&s->out, 100000);
	buf_init(&s->stream, 100000);
	if (dials) {
		p.skey = torrent;
		p.initial = bytes_str(HELLO);
	}
	CHECK_INT(mse_new(&p, &s->out, &s->m), OK);
}

static void close_side(struct side *s)
{
	mse_free(s->m);
	buf_fini(&s->out);
	buf_fini(&s->stream);
}

/* Up to `n` bytes travel. */
static void carry(struct side *from, struct side *to, size_t n)
{
	struct bytes in =
	    bytes_sub(buf_bytes(&from->out), 0, n < from->out.len ? n : from->out.len);
	size_t used = 0;

	if (in.len == 0 || to->rc < 0)
		return;
	if (!mse_is_done(to->m)) {
		to->rc = mse_take(to->m, in, &to->out);
		if (to->rc < 0)
			return;
		used = (size_t)to->rc;
		CHECK(used == in.len || mse_is_done(to->m));
	}
	(void)buf_put(&to->stream, bytes_sub(in, used, in.len - used));
	buf_consume(&from->out, in.len);
}

static void shake(struct side *a, struct side *b, struct rng *r, uint32_t most)
{
	for (int turn = 0; turn < 40000 && !(mse_is_done(a->m) && mse_is_done(b->m)); turn++) {
		carry(a, b, 1 + rng_below(r, most));
		carry(b, a, 1 + rng_below(r, most));
		if (a->rc < 0 || b->rc < 0)
			return;
	}
}

/* What one says is what the other hears, once the choice was RC4. */
static void check_ciphers(const struct side *a, const struct side *b)
{
	struct rc4 a_from, a_to, b_from, b_to;
	uint8_t text[100] = "one way", back[100] = "and back";

	mse_ciphers(a->m, &a_from, &a_to);
	mse_ciphers(b->m, &b_from, &b_to);
	rc4_apply(&a_to, text, sizeof(text));
	CHECK(strcmp((char *)text, "one way") != 0);
	rc4_apply(&b_from, text, sizeof(text));
	CHECK_STR((char *)text, "one way");
	rc4_apply(&b_to, back, sizeof(back));
	rc4_apply(&a_from, back, sizeof(back));
	CHECK_STR((char *)back, "and back");
}

TEST(rc4_gives_the_bytes_of_the_known_vectors)
{
	/* RFC 6229, 40-bit key. */
	static const uint8_t first[] = {0xb2, 0x39, 0x63, 0x05, 0xf0, 0x3d, 0xc0, 0x27};
	uint8_t got[8] = {0}, again[8] = {0};
	struct rc4 r, s;

	rc4_init(&r, bytes_of("\1\2\3\4\5", 5));
	s = r;
	rc4_apply(&r, got, sizeof(got));
	CHECK_MEM(got, first, sizeof(first));
	rc4_skip(&s, 4);
	rc4_apply(&s, again, 4);
	CHECK_MEM(again, first + 4, 4);
}

TEST(both_sides_come_to_the_same_choice_however_the_bytes_are_cut)
{
	static const unsigned ways[] = {MSE_PLAIN, MSE_RC4, MSE_PLAIN | MSE_RC4};
	struct rng r;

	rng_seed(&r, 7);
	for (unsigned i = 0; i < 9; i++) {
		static const uint32_t sizes[] = {1, 7, 100, 5000};

		for (unsigned k = 0; k < 4; k++) {
			unsigned mine = ways[i % 3], theirs = ways[i / 3], both = mine & theirs;
			struct side a, b;

			open_side(&a, &r, true, mine, false);
			open_side(&b, &r, false, theirs, k % 2 == 0);
			shake(&a, &b, &r, sizes[k]);
			if (both == 0) {
				CHECK_INT(b.rc, ERR_PROTO);
			} else {
				unsigned want =
				    both == 3 ? (k % 2 == 0 ? MSE_RC4 : MSE_PLAIN) : both;

				CHECK(mse_is_done(a.m) && mse_is_done(b.m));
				CHECK_INT(mse_chosen(a.m), want);
				CHECK_INT(mse_chosen(b.m), want);
				CHECK(bytes_eq(mse_initial(b.m), bytes_str(HELLO)));
				check_ciphers(&a, &b);
			}
			close_side(&a);
			close_side(&b);
		}
	}
}

TEST(what_follows_the_handshake_is_left_for_the_stream)
{
	struct side a, b;
	struct rng r;

	rng_seed(&r, 3);
	open_side(&a, &r, true, MSE_PLAIN, false);
	open_side(&b, &r, false, MSE_PLAIN, false);
	carry(&a, &b, 5000);
	carry(&b, &a, 5000);
	(void)buf_put_str(&a.out, "more");
	carry(&a, &b, 5000);
	CHECK(mse_is_done(b.m));
	CHECK(bytes_eq(buf_bytes(&b.stream), bytes_str("more")));
	(void)buf_put_str(&b.out, "and more");
	carry(&b, &a, 5000);
	CHECK(bytes_eq(buf_bytes(&a.stream), bytes_str("and more")));
	close_side(&a);
	close_side(&b);
}

TEST(a_torrent_that_is_not_here_is_refused)
{
	uint8_t random[MSE_RANDOM_BYTES] = {1};
	struct mse_params p = {
	    .allowed = MSE_RC4, .random = random, .skey = (const uint8_t *)HELLO};
	struct side a = {.rc = 1}, b;
	struct rng r;

	rng_seed(&r, 4);
	buf_init(&a.out, 10000);
	buf_init(&a.stream, 10000);
	CHECK_INT(mse_new(&p, &a.out, &a.m), OK);
	open_side(&b, &r, false, MSE_RC4, true);
	shake(&a, &b, &r, 100);
	CHECK_INT(b.rc, ERR_NOENT);
	close_side(&a);
	close_side(&b);
}

TEST(keys_that_make_no_secret_are_refused)
{
	static const char prime[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xc9\x0f\xda\xa2";
	uint8_t key[DH768_BYTES], out[DH768_BYTES], private[DH768_PRIVATE_BYTES] = {9};

	memset(key, 0, sizeof(key));
	CHECK_INT(dh768_secret(private, key, out), ERR_PROTO);
	key[DH768_BYTES - 1] = 1;
	CHECK_INT(dh768_secret(private, key, out), ERR_PROTO);
	key[DH768_BYTES - 1] = 2;
	CHECK_INT(dh768_secret(private, key, out), OK);
	memset(key, 0xff, sizeof(key));
	CHECK_INT(dh768_secret(private, key, out), ERR_PROTO);
	memcpy(key, prime, sizeof(prime) - 1);
	CHECK_INT(dh768_secret(private, key, out), ERR_PROTO);
}

/* What costs a connection one byte must not cost us an exponentiation. */
TEST(who_was_dialled_says_nothing_before_the_others_number_is_whole)
{
	uint8_t key[DH768_BYTES] = {[0] = 7, [DH768_BYTES - 1] = 5};
	struct side b;
	struct rng r;

	rng_seed(&r, 6);
	open_side(&b, &r, false, MSE_RC4 | MSE_PLAIN, false);
	CHECK_INT(b.out.len, 0);
	CHECK_INT(mse_take(b.m, bytes_of(key, sizeof(key) - 1), &b.out), sizeof(key) - 1);
	CHECK_INT(b.out.len, 0);
	CHECK_INT(mse_take(b.m, bytes_of(key + sizeof(key) - 1, 1), &b.out), 1);
	CHECK(b.out.len >= DH768_BYTES && b.out.len <= DH768_BYTES + MSE_PAD_MAX);
	close_side(&b);
	/* Nor when it makes no secret. */
	memset(key, 0, sizeof(key));
	open_side(&b, &r, false, MSE_RC4 | MSE_PLAIN, false);
	CHECK_INT(mse_take(b.m, bytes_of(key, sizeof(key)), &b.out), ERR_PROTO);
	CHECK_INT(b.out.len, 0);
	close_side(&b);
}

/* After a key that could be one the mark must come within a pad. */
TEST(a_pad_without_end_is_ended)
{
	uint8_t key[DH768_BYTES] = {[DH768_BYTES - 1] = 5}, noise[MSE_PAD_MAX + SHA1_LEN];
	struct side b;
	struct rng r;

	rng_seed(&r, 5);
	open_side(&b, &r, false, MSE_RC4 | MSE_PLAIN, false);
	CHECK_INT(mse_take(b.m, bytes_of(key, sizeof(key)), &b.out), DH768_BYTES);
	rng_fill(&r, noise, sizeof(noise));
	CHECK_INT(mse_take(b.m, bytes_of(noise, sizeof(noise) - 1), &b.out), sizeof(noise) - 1);
	CHECK_INT(mse_take(b.m, bytes_of(noise, 1), &b.out), ERR_PROTO);
	close_side(&b);
}

/* One bit of the dialling side's second message wrong: never a handshake of something else. */
TEST(bent_messages_are_refused_or_wait_for_more)
{
	for (uint32_t bit = 0; bit < 8 * 300; bit += 13) {
		struct side a, b;
		struct rng r;
		size_t at;

		rng_seed(&r, bit);
		open_side(&a, &r, true, MSE_RC4, true);
		open_side(&b, &r, false, MSE_RC4, true);
		carry(&a, &b, 5000);
		carry(&b, &a, 5000);
		at = bit / 8 < a.out.len ? bit / 8 : 0;
		a.out.ptr[at] ^= (uint8_t)(1 << (bit % 8));
		carry(&a, &b, 5000);
		if (b.rc > 0 && mse_is_done(b.m))
			CHECK(at >= 2 * SHA1_LEN + 8); /* pads, offers and what comes along */
		close_side(&a);
		close_side(&b);
	}
}

TEST(noise_is_never_a_handshake)
{
	for (uint64_t seed = 1; seed <= 200; seed++) {
		uint8_t noise[3000];
		struct side b;
		struct rng r;

		rng_seed(&r, seed);
		open_side(&b, &r, false, MSE_RC4 | MSE_PLAIN, seed % 2 == 0);
		rng_fill(&r, noise, sizeof(noise));
		CHECK_SEED(mse_take(b.m, bytes_of(noise, sizeof(noise)), &b.out) < 0, seed);
		close_side(&b);
	}
}

TEST(other_protocols_are_known_by_their_first_bytes)
{
	CHECK(mse_is_foreign(bytes_str("GET / HTTP/1.1\r\n")));
	CHECK(mse_is_foreign(bytes_str("SSH-2.0-x")));
	CHECK(mse_is_foreign(bytes_str("\x13"
				       "BitTorrent protoc0l")));
	CHECK(mse_is_foreign(bytes_of("\x16\x03\x01\x02\x00\x01", 6)));
	CHECK(!mse_is_foreign(bytes_of("\x16\x03\x01\x02\x00\x02", 6)));
	CHECK(!mse_is_foreign(bytes_of("\x16\x03\x01\x02\x00", 5)));
	CHECK(!mse_is_foreign(bytes_str("GET")));
	CHECK(!mse_is_foreign(bytes_str("GETA")));
	CHECK(!mse_is_foreign(bytes_of(NULL, 0)));
}

/* One allocation fails: who made it says so, or both come through all the same. */
TEST(without_memory_a_handshake_ends_with_that_and_loses_nothing)
{
	size_t asked = SIZE_MAX, failed = 0;

	for (size_t n = 1; n <= asked; n++) {
		uint8_t random[MSE_RANDOM_BYTES] = {9};
		struct mse_params dials = {.allowed = MSE_RC4,
					   .random = random,
					   .skey = torrent,
					   .initial = bytes_str(HELLO)},
				  takes = {.allowed = MSE_RC4, .random = random, .find = find};
		struct side a = {.rc = 1}, b = {.rc = 1};
		struct rng r;

		rng_seed(&r, n);
		buf_init(&a.out, 100000);
		buf_init(&a.stream, 100000);
		buf_init(&b.out, 100000);
		buf_init(&b.stream, 100000);
		failmalloc_start(n, false);
		a.rc = mse_new(&dials, &a.out, &a.m);
		b.rc = mse_new(&takes, &b.out, &b.m);
		if (a.rc == OK && b.rc == OK)
			shake(&a, &b, &r, 100);
		asked = failmalloc_stop();
		if (a.rc < 0 || b.rc < 0) {
			CHECK(a.rc == ERR_NOMEM || b.rc == ERR_NOMEM);
			failed++;
		} else {
			CHECK(mse_is_done(a.m) && mse_is_done(b.m));
		}
		close_side(&a);
		close_side(&b);
	}
	CHECK(failed >= 4);
}
