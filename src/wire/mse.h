/* wire/mse.h - the handshake of message stream encryption. Pure.
 *
 *     A: Ya, pad                                                     Diffie-Hellman, 768 bits
 *     B:                                   Yb, pad
 *     A: H(req1, S), H(req2, SKEY) ^ H(req3, S), [VC, what I can do, pad, what I begin with]
 *     B:                                   [VC, what I chose, pad], the stream
 *
 * S is the secret, SKEY the torrent's info-hash, VC eight zeros, [] RC4, H SHA-1. Each side finds
 * the other's first fixed bytes behind a pad of unknown length. It hides what is said from those
 * who look at the traffic; it proves nobody's name, and who knows the info-hash may be in the
 * middle. */
#ifndef SHOAL_WIRE_MSE_H
#define SHOAL_WIRE_MSE_H

#include "base/buf.h"
#include "base/dh768.h"
#include "base/digest.h"
#include "base/rc4.h"

/* Of each pad (attack: a pad without end, of which each byte is looked at). */
#define MSE_PAD_MAX 512u
/* What the dialling side may send along before it knows what was chosen; a BitTorrent handshake is
 * 68 bytes, and clients send little more. */
#define MSE_INITIAL_MAX 8192u
/* Unpredictable bytes that one handshake needs: a private key and pads. */
#define MSE_RANDOM_BYTES (DH768_PRIVATE_BYTES + 4u + 2u * MSE_PAD_MAX)

/* What may become of the stream, as bits. */
enum { MSE_PLAIN = 1, MSE_RC4 = 2 };

struct mse;

struct mse_params {
	unsigned allowed;      /* MSE_*, at least one */
	bool prefer_rc4;       /* we choose, and both will do */
	const uint8_t *random; /* MSE_RANDOM_BYTES; borrowed for the call */
	/* When we dial: the torrent, and what we say first (at most MSE_INITIAL_MAX); borrowed for
	 * the call. Else NULL. */
	const uint8_t *skey;
	struct bytes initial;
	/* When we were dialled: which torrent has this H("req2", info-hash)? False: none here. */
	bool (*find)(void *user, const uint8_t req2[SHA1_LEN], uint8_t skey[SHA1_LEN]);
	void *user;
};

/* What is to be sent at once is appended to `out`: by whoever was dialled nothing yet, who computes
 * nothing either before the other's number is there, all of it (attack: connections of one byte
 * each). Returns 0 or ERR_NOMEM. */
int mse_new(const struct mse_params *p, struct buf *out, struct mse **made);
void mse_free(struct mse *m);

/* Bytes from the other side; answers are appended to `out`.
 * Returns: bytes consumed, all of them unless the handshake ended among them: what is behind is the
 *          stream. ERR_PROTO: no such handshake, or one that chooses what is not allowed;
 * ERR_NOENT: no torrent of ours; ERR_NOMEM. */
int mse_take(struct mse *m, struct bytes in, struct buf *out);
bool mse_is_done(const struct mse *m);
/* Does a connection that is not BitTorrent's begin as one of HTTP, TLS or SSH does, or nearly as
 * BitTorrent's? Of a thousand million keys one at most
 * would, so whoever scans ports need not be waited for. */
bool mse_is_foreign(struct bytes in);

/* Once done: what was chosen; what the dialling side said along (plain, borrowed); the ciphers to
 * go on with when that is MSE_RC4. */
unsigned mse_chosen(const struct mse *m);
struct bytes mse_initial(const struct mse *m);
void mse_ciphers(const struct mse *m, struct rc4 *from_them, struct rc4 *to_them);

/* H("req2", info-hash): by what a torrent is looked up. */
void mse_lookup_key(const uint8_t info_hash[SHA1_LEN], uint8_t out[SHA1_LEN]);

#endif
