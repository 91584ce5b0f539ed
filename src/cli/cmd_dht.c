/* cli/cmd_dht.c - the distributed hash table by hand: how the peers of this home stand in it, and
 * values put, got and looked up by a node that lives as long as the command. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/control.h"
#include "cli/dht_visit.h"
#include "cli/entries.h"
#include "cli/home.h"
#include "cli/out.h"

#define SILENCE_MS 5000u
/* Peers that are told of one torrent (attack: nodes that invent them). */
#define PEERS_MAX 1000u

/* ---- status ---------------------------------------------------------------------- */

static void take(void *user, const char *peer, const json_t *line)
{
	json_t *one = json_object_get(line, "dht");

	if (!json_is_object(one))
		return;
	json_object_set_new(one, "peer", json_string(peer));
	json_array_append(user, one);
}

static void print_status(const json_t *one)
{
	char sent[32];
	json_int_t bytes = entries_int(one, "sent_bytes");

	printf("peer %s: UDP port %d, id %s\n", entries_str(one, "peer"),
	       (int)entries_int(one, "port"), entries_str(one, "id"));
	printf(
	    "  %d nodes (IPv4), %d (IPv6); keeps %d peers of %d torrents and %d items for others\n",
	    (int)entries_int(one, "nodes"), (int)entries_int(one, "nodes6"),
	    (int)entries_int(one, "peers"), (int)entries_int(one, "torrents"),
	    (int)entries_int(one, "items"));
	printf("  sent %s, answered or dropped %d queries\n",
	       text_size(sent, sizeof(sent), bytes < 0 ? 0 : (uint64_t)bytes),
	       (int)entries_int(one, "queries"));
}

static int show_status(const struct opts *o)
{
	json_t *question = json_pack("{s:s}", "verb", "dht"), *all = json_array(), *one;
	struct err_info info;
	size_t i;
	int n = control_ask(NULL, question, SILENCE_MS, take, all, &info);

	if (n == 0)
		n = err_set(&info, ERR_NOENT, "no peer is running from this home");
	if (n > 0 && o->json) {
		json_t *j = json_pack("{s:O}", "dht", all);

		out_json(j);
		json_decref(j);
	} else if (n > 0) {
		json_array_foreach(all, i, one) print_status(one);
		if (json_array_size(all) == 0)
			printf("no peer takes part\n");
	}
	json_decref(question);
	json_decref(all);
	return n > 0 ? EXIT_OK : opts_fail(o, "dht", &info);
}

/* ---- a node of our own -------------------------------------------------------------- */

enum verb { VERB_GET, VERB_PUT, VERB_LOOKUP };

struct work {
	const struct opts *o;
	enum verb verb;
	struct dht_visit *visit;
	uint8_t target[20];
	uint8_t key[SIGN_KEY_LEN], seed[SIGN_SEED_LEN];
	bool is_mutable;
	struct bytes salt;
	struct buf value; /* PUT: to be put; GET: found */
	int64_t seq;	  /* found; -1 none */
	uint32_t search;
	uint32_t stored; /* PUT: on so many nodes */
	bool putting, found;
	json_t *peers; /* their addresses are its keys */
	json_t *nodes;
	struct err_info info;
};

/* One newer than what is there. */
static void put_now(struct work *w)
{
	struct dht_item item;
	int err = w->is_mutable
		      ? dht_item_sign(&item, w->seed, w->salt, w->seq + 1, buf_bytes(&w->value))
		      : dht_item_immutable(&item, buf_bytes(&w->value));

	if (err != OK) {
		dht_visit_end(w->visit, (enum err)err, err_text((enum err)err));
		return;
	}
	w->seq = item.seq;
	w->putting = true;
	dht_item_target(&item, w->target);
	w->search = dht_shell_put(dht_visit_shell(w->visit), &item, NULL);
}

static void take_peers(struct work *w, const struct dht_effects *fx, const struct dht_effect *e)
{
	char text[ADDR_TEXT_MAX];
	struct addr a;

	for (size_t i = 0; dht_effect_peer(fx, e, i, &a); i++)
		if (json_object_size(w->peers) < PEERS_MAX)
			json_object_set_new(w->peers, addr_text(text, &a), json_true());
}

static void take_nodes(struct work *w, const struct dht_effects *fx, const struct dht_effect *e)
{
	char text[ADDR_TEXT_MAX], id[41];
	struct contact c;

	for (size_t i = 0; dht_effect_node(fx, e, i, &c); i++) {
		text_hex(id, bytes_of(c.id, sizeof(c.id)));
		json_array_append_new(
		    w->nodes, json_pack("{s:s, s:s}", "id", id, "addr", addr_text(text, &c.addr)));
	}
}

static void on_done(struct work *w, const struct dht_effects *fx, const struct dht_effect *e)
{
	w->stored = e->stored;
	json_array_clear(w->nodes);
	take_nodes(w, fx, e);
	if (e->answers == 0)
		dht_visit_end(w->visit, ERR_UNREACHABLE, "no node of the table answered");
	else if (w->verb == VERB_PUT && !w->putting)
		put_now(w);
	else if (w->verb == VERB_PUT && e->stored == 0)
		dht_visit_end(w->visit, ERR_UNREACHABLE, "no node took it");
	else if (w->verb == VERB_GET && !w->found)
		dht_visit_end(w->visit, ERR_NOENT, "nothing is stored there");
	else
		dht_visit_end(w->visit, OK, NULL);
}

static void on_effect(void *user, struct dht_visit *v, const struct dht_effects *fx,
		      const struct dht_effect *e)
{
	struct work *w = user;

	(void)v;
	if (e->search != w->search)
		return;
	if (e->type == DHT_PEERS) {
		take_peers(w, fx, e);
	} else if (e->type == DHT_ITEM) {
		w->found = true;
		w->seq = e->is_mutable ? e->seq : -1;
		if (w->verb == VERB_GET) {
			buf_clear(&w->value);
			(void)buf_put(&w->value, dht_effect_bytes(fx, e));
		}
	} else {
		on_done(w, fx, e);
	}
}

/* ---- what is asked for --------------------------------------------------------------- */

static int read_arguments(struct work *w)
{
	const char *what = w->o->args[1];
	size_t len = strlen(what);
	struct home h = {.dir = NULL};
	int err = OK;

	w->salt = bytes_str(w->o->salt == NULL ? "" : w->o->salt);
	w->is_mutable = w->o->salt != NULL || w->o->sign;
	if (w->salt.len > KRPC_SALT_MAX)
		return err_set(&w->info, ERR_INVALID, "--salt has 64 bytes at most");
	if (w->verb == VERB_PUT) {
		benc_put_str(&w->value, what);
		if (w->value.err != OK || w->value.len > KRPC_VALUE_MAX)
			return err_set(&w->info, ERR_INVALID,
				       "a value has 1000 bytes at most, its length included");
		if (w->is_mutable)
			err = home_open(&h, &w->info);
		if (err == OK && w->is_mutable) {
			memcpy(w->key, h.key, sizeof(w->key));
			memcpy(w->seed, h.seed, sizeof(w->seed));
		}
		home_fini(&h);
		return err;
	}
	if (w->verb == VERB_GET && len == 2 * SIGN_KEY_LEN) {
		w->is_mutable = true;
		return text_unhex(bytes_str(what), w->key, sizeof(w->key)) == 0
			   ? OK
			   : err_set(&w->info, ERR_INVALID, "KEY is not 64 hex digits");
	}
	if (text_unhex(bytes_str(what), w->target, sizeof(w->target)) != 0)
		return err_set(&w->info, ERR_INVALID, "not 40 hex digits (or 64 of a key)");
	return OK;
}

static void begin(void *user, struct dht_visit *v)
{
	struct dht_shell *dht = dht_visit_shell(v);
	struct work *w = user;

	w->visit = v;
	if (w->verb == VERB_LOOKUP)
		w->search = dht_shell_get_peers(dht, w->target);
	else if (w->is_mutable)
		w->search = dht_shell_get_mutable(dht, w->key, w->salt);
	else if (w->verb == VERB_GET)
		w->search = dht_shell_get(dht, w->target);
	else
		put_now(w);
}

static int run(struct work *w)
{
	struct dht_visit_params p = {.o = w->o, .begin = begin, .on_effect = on_effect, .user = w};

	return dht_visit(&p, &w->info);
}

/* ---- what is said --------------------------------------------------------------------- */

static void print_value(struct bytes v)
{
	struct buf text;
	struct benc b;

	buf_init(&text, 8 * KRPC_VALUE_MAX);
	if (benc_parse_all(v, &b, NULL) == OK && b.type == BENC_STR)
		v = b.str;
	text_put_escaped(&text, v);
	printf("%s\n", buf_cstr(&text) == NULL ? "" : (const char *)text.ptr);
	buf_fini(&text);
}

static json_t *peers_json(const struct work *w)
{
	json_t *list = json_array(), *yes;
	const char *text;

	json_object_foreach(w->peers, text, yes) json_array_append_new(list, json_string(text));
	return list;
}

static void say_json(const struct work *w)
{
	char target[41], key[2 * SIGN_KEY_LEN + 1], value[2 * KRPC_VALUE_MAX + 1];
	json_t *j = json_object();

	text_hex(target, bytes_of(w->target, sizeof(w->target)));
	text_hex(key, bytes_of(w->key, sizeof(w->key)));
	text_hex(value, buf_bytes(&w->value));
	if (w->verb != VERB_GET || !w->is_mutable)
		json_object_set_new(j, "target", json_string(target));
	if (w->is_mutable) {
		json_object_set_new(j, "key", json_string(key));
		json_object_set_new(j, "seq", json_integer(w->seq));
	}
	if (w->verb == VERB_LOOKUP)
		json_object_set_new(j, "peers", peers_json(w));
	else
		json_object_set_new(j, "value", json_string(value));
	if (w->verb == VERB_PUT)
		json_object_set_new(j, "stored", json_integer(w->stored));
	json_object_set(j, "nodes", w->nodes);
	out_json(j);
	json_decref(j);
}

static void say(const struct work *w)
{
	char hex[2 * SIGN_KEY_LEN + 1];
	const char *peer;
	json_t *yes;

	if (w->o->json) {
		say_json(w);
	} else if (w->verb == VERB_GET) {
		print_value(buf_bytes(&w->value));
	} else if (w->verb == VERB_PUT) {
		text_hex(hex, w->is_mutable ? bytes_of(w->key, sizeof(w->key))
					    : bytes_of(w->target, sizeof(w->target)));
		printf("%s\n", hex);
	} else {
		json_object_foreach(w->peers, peer, yes) printf("%s\n", peer);
	}
}

int cmd_dht(const struct opts *o)
{
	static const char *const verbs[] = {"get", "put", "lookup"};
	struct work w = {.o = o, .seq = -1};
	size_t i = 0;
	int err;

	if (o->n_args == 0 || (o->n_args == 1 && strcmp(o->args[0], "status") == 0))
		return show_status(o);
	while (i < 3 && strcmp(o->args[0], verbs[i]) != 0)
		i++;
	if (i == 3 || o->n_args != 2) {
		err_set(&w.info, ERR_INVALID, "status, get TARGET, put VALUE or lookup INFO-HASH");
		return opts_fail(o, "dht", &w.info);
	}
	w.verb = (enum verb)i;
	w.peers = json_object();
	w.nodes = json_array();
	buf_init(&w.value, 2 * KRPC_VALUE_MAX);
	err = read_arguments(&w);
	if (err == OK)
		err = run(&w);
	if (err == OK)
		say(&w);
	buf_fini(&w.value);
	json_decref(w.peers);
	json_decref(w.nodes);
	return err == OK ? EXIT_OK : opts_fail(o, "dht", &w.info);
}
