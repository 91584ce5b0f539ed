#include "cli/parting.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "net/http_client.h"
#include "node/index_client_impl.h"
#include "node/json_read.h"

#define ANSWER_BYTES_MAX (1u << 20)

/* One torrent that the index is asked about. */
struct question {
	struct parting *p;
	uint32_t pieces;
	bool complete; /* we are one of its seeds ourselves */
	char title[300];
	struct http_call *call; /* NULL: answered */
};

/* Asked as its client is told to trust it. */
struct known_index {
	const struct index_client *client;
	struct http_client *http;
};

struct parting {
	struct loop *loop;
	struct node *node;
	struct known_index indexes[PARTING_INDEXES_MAX];
	uint32_t n_indexes;
	struct question questions[PARTING_ASKED_MAX];
	uint32_t n, waiting;
	struct parting_loss loss;
	struct parting_asker asker;
};

int parting_new(struct loop *loop, struct node *node, struct parting **out)
{
	*out = calloc(1, sizeof(**out));
	if (*out == NULL)
		return ERR_NOMEM;
	(*out)->loop = loop;
	(*out)->node = node;
	return OK;
}

void parting_free(struct parting *p)
{
	for (uint32_t i = 0; p != NULL && i < p->n_indexes; i++)
		http_client_free(p->indexes[i].http);
	free(p);
}

static void add_loss(struct parting *p, const char *title, uint32_t pieces)
{
	p->loss.pieces += pieces;
	if (p->loss.torrents++ == 0)
		snprintf(p->loss.title, sizeof(p->loss.title), "%s", title);
}

static void finish(struct parting *p)
{
	if (p->waiting == 0)
		p->asker.answer(p->asker.user, &p->loss);
}

/* Seeds that the index knows of; -1: it does not say. */
static json_int_t seeds_in(const struct http_answer *reply)
{
	json_int_t most = -1;
	json_t *j = NULL, *row;
	size_t i;

	if (reply->err.code != OK || reply->status != 200 ||
	    json_read_object(reply->body, &j, NULL) != OK)
		return -1;
	json_array_foreach(json_object_get(j, "entries"), i, row)
	{
		json_int_t seeds = json_integer_value(json_object_get(row, "seeds"));

		most = seeds > most ? seeds : most;
	}
	json_decref(j);
	return most;
}

static void on_answer(void *user, const struct http_answer *reply)
{
	struct question *q = user;

	q->call = NULL;
	q->p->waiting--;
	if (seeds_in(reply) < 1 + q->complete)
		add_loss(q->p, q->title, q->pieces);
	finish(q->p);
}

/* NULL: there is none, or it cannot be asked. */
static const struct known_index *index_of(struct parting *p, const struct transfer *t)
{
	const struct index_client *c = p->asker.index(p->asker.user, t);
	struct known_index *k = p->indexes;

	if (c == NULL)
		return NULL;
	for (uint32_t i = 0; i < p->n_indexes; i++, k++)
		if (k->client == c)
			return k;
	if (p->n_indexes == PARTING_INDEXES_MAX || index_client_http(c, p->loop, &k->http) != OK)
		return NULL;
	k->client = c;
	p->n_indexes++;
	return k;
}

static bool send(const struct known_index *k, struct question *q, const struct metainfo *m)
{
	const struct index_client *c = k->client;
	const char *headers[] = {c->authorization, NULL};
	struct http_ask ask = {.method = "GET",
			       .headers = headers,
			       .max_bytes = ANSWER_BYTES_MAX,
			       .total_ms = PARTING_ASK_MS,
			       .done = on_answer,
			       .user = q};
	char hex[2 * SHA256_LEN + 1];
	struct buf url;

	text_hex(hex, m->v2 ? bytes_of(m->hash_v2, SHA256_LEN) : bytes_of(m->hash_v1, SHA1_LEN));
	buf_init(&url, 8192);
	buf_printf(&url, "%s/api/v1/entries?limit=1&hash=%s", c->url, hex);
	ask.url = buf_cstr(&url);
	q->call = ask.url == NULL ? NULL : http_client_send(k->http, &ask);
	buf_fini(&url);
	return q->call != NULL;
}

static void look_at(struct parting *p, const struct transfer *t)
{
	const struct known_index *k = NULL;
	struct question *q;
	struct transfer_status st;
	char title[300];

	transfer_status(t, &st);
	/* What is being checked is in no swarm, so nobody would miss us. */
	if (st.swarm.sole == 0 || st.phase == TRANSFER_CHECKING)
		return;
	text_escape(title, sizeof(title), bytes_str(transfer_title(t)));
	if (p->n < PARTING_ASKED_MAX)
		k = index_of(p, t);
	if (k != NULL) {
		q = &p->questions[p->n];
		*q = (struct question){.p = p, .pieces = st.swarm.sole};
		q->complete = st.swarm.have == st.swarm.pieces;
		memcpy(q->title, title, sizeof(q->title));
		if (send(k, q, transfer_meta(t))) {
			p->n++;
			p->waiting++;
			return;
		}
	}
	add_loss(p, title, st.swarm.sole);
}

void parting_ask(struct parting *p, const struct parting_asker *asker)
{
	struct transfer *t;

	for (uint32_t i = 0; i < p->n; i++)
		if (p->questions[i].call != NULL)
			http_call_cancel(p->questions[i].call);
	p->asker = *asker;
	p->loss = (struct parting_loss){.pieces = 0};
	p->n = p->waiting = 0;
	for (uint32_t i = 0; (t = node_next_transfer(p->node, &i)) != NULL;)
		look_at(p, t);
	finish(p);
}
