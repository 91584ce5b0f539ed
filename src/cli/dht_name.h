/* cli/dht_name.h - names without an index: what the owner of a key has signed under a name
 * (meta/name_item.h), made, and found in the distributed hash table. */
#ifndef SHOAL_CLI_DHT_NAME_H
#define SHOAL_CLI_DHT_NAME_H

#include "cli/home.h"
#include "cli/opts.h"
#include "dht/item.h"
#include "meta/magnet.h"
#include "meta/name_item.h"

/* Under which key and which salt. */
struct dht_name {
	uint8_t key[SIGN_KEY_LEN];
	uint8_t salt_len, salt[NAME_ITEM_SALT_MAX];
	uint32_t version; /* 0: the newest, which is the only one that is there */
	bool no_index;	  /* it is gone: it need not be asked who is in the table */
};

/* KEY/NAME[@VERSION] with KEY in hex. False: it is something else. */
bool dht_name_parse(const char *ref, struct dht_name *out);
void dht_name_of_link(const struct magnet *m, struct dht_name *out);
/* OWNER/NAME[@VERSION] of an owner whose key is known here (cli/known_owners.h). False: it is
 * not. */
bool dht_name_of_owner(const char *ref, struct dht_name *out);

struct dht_found {
	/* The key is in it. The owner's name is the one that we know it by, else the key in hex:
	 * what an owner says that it is called is not believed. */
	struct entry entry;
	struct buf item; /* as dht_item_put() writes it */
	int64_t seq;
};

/* Waits for the table. `nested`: a loop is running already, which has the signals.
 * Returns: 0; ERR_NOENT nothing stands there, or another version; ERR_UNREACHABLE nobody answers;
 * ERR_PROTO what stands there is no name; ERR_INVALID with --no-dht; as dht_visit().
 * Owns: buf_fini(&out->item), also after an error. */
int dht_name_find(const struct opts *o, const struct dht_name *n, bool nested,
		  struct dht_found *out, struct err_info *info);
/* "NAME, published DATE, ..." for people: where it comes from. Escaped. */
#define DHT_NAME_LINE_MAX 2048u
const char *dht_name_line(const struct dht_found *f, char out[DHT_NAME_LINE_MAX]);

/* Sign what is published. `after`: a sequence number that it must be newer than; -1: none. Appends
 * to `out` what dht_item_put() writes. */
int dht_name_sign(const struct entry *e, const struct home *h, int64_t after, struct buf *out,
		  struct err_info *info);

#endif
