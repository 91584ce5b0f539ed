/* node/dht_shell.h - a node of the distributed hash table on a UDP socket: the loop's datagrams and
 * time go into src/dht, its effects come out; places to begin, and what is remembered from run to
 * run. */
#ifndef SHOAL_NODE_DHT_SHELL_H
#define SHOAL_NODE_DHT_SHELL_H

#include "dht/dht.h"
#include "net/udp_port.h"

/* While nobody is known, the places that were named are asked anew. */
#define DHT_SHELL_AGAIN_MS 20000u
#define DHT_SHELL_SAVE_MS (5u * 60u * 1000u)
/* Names of places that are kept (attack: torrents with thousands of them). */
#define DHT_SHELL_PLACES_MAX 64u

struct dht_shell;

struct dht_shell_params {
	struct loop *loop;
	const char *listen_host; /* NULL: all addresses */
	uint16_t port;		 /* without `udp`; 0: any */
	struct udp_port *udp;	 /* borrowed; listens there. NULL: one of its own */
	bool read_only;
	const char *state; /* file that remembers id and nodes; NULL: none. Copied */
	/* PEERS, ITEM and DONE of searches. May begin and cancel searches; may not free the shell.
	 */
	void (*on_effect)(void *user, const struct dht_effects *fx, const struct dht_effect *e);
	void *user;
};

int dht_shell_new(const struct dht_shell_params *p, struct dht_shell **out, struct err_info *info);
/* Saves. NULL is fine. */
void dht_shell_free(struct dht_shell *s);
uint16_t dht_shell_port(const struct dht_shell *s);

/* "HOST:PORT", "1.2.3.4:5", "[::1]:5"? */
bool dht_shell_is_place(const char *text);
/* ERR_INVALID: it is none. */
int dht_shell_add_host(struct dht_shell *s, const char *text);
void dht_shell_add_place(struct dht_shell *s, const struct addr *a);

/* As in dht/dht.h. */
uint32_t dht_shell_get_peers(struct dht_shell *s, const uint8_t hash[20]);
uint32_t dht_shell_announce(struct dht_shell *s, const uint8_t hash[20], uint16_t port);
void dht_shell_set_outer_port(struct dht_shell *s, uint16_t port);
uint32_t dht_shell_get(struct dht_shell *s, const uint8_t target[20]);
uint32_t dht_shell_get_mutable(struct dht_shell *s, const uint8_t key[SIGN_KEY_LEN],
			       struct bytes salt);
uint32_t dht_shell_put(struct dht_shell *s, const struct dht_item *i, const int64_t *cas);
void dht_shell_cancel(struct dht_shell *s, uint32_t search);
void dht_shell_stats(const struct dht_shell *s, struct dht_stats *out);
bool dht_shell_address(const struct dht_shell *s, bool v6, struct addr *out);
const uint8_t *dht_shell_id(const struct dht_shell *s, bool v6);

#endif
