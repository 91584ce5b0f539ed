#include "cli/dht_visit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/home.h"
#include "cli/index_open.h"
#include "cli/session.h"
#include "node/index_client.h"
#include "node/node_dht.h"

/* A place that was named by its host is not there at once: until when it is waited for, and how
 * often that is looked at. */
#define BEGIN_MS 3000u
#define LOOK_MS 20u

struct dht_visit {
	const struct dht_visit_params *p;
	struct loop *loop;
	struct loop_timer *late, *look;
	struct dht_shell *dht;
	uint64_t begin_at_ms;
	bool asked;
	int rc;
	struct err_info info;
};

struct dht_shell *dht_visit_shell(struct dht_visit *v)
{
	return v->dht;
}

void dht_visit_end(struct dht_visit *v, enum err code, const char *text)
{
	v->rc = text == NULL ? (int)code : err_set(&v->info, code, "%s", text);
	loop_stop(v->loop);
}

static void on_late(void *arg)
{
	dht_visit_end(arg, ERR_TIMEOUT, "no answer in time");
}

static void on_interrupt(void *arg, int signo)
{
	(void)signo;
	dht_visit_end(arg, ERR_CANCELLED, "interrupted");
}

/* Nobody is known. Waits for the index. */
static bool ask_index(struct dht_visit *v)
{
	struct addr list[NODE_DHT_INDEX_NODES_MAX];
	struct index_client *c = NULL;
	struct err_info why;
	size_t n = 0;

	v->asked = true;
	if (!v->p->no_index && index_open(v->p->o, &c, &why) == OK)
		(void)index_client_dht_nodes(c, list, NODE_DHT_INDEX_NODES_MAX, &n, &why);
	index_client_free(c);
	for (size_t i = 0; i < n; i++)
		dht_shell_add_place(v->dht, &list[i]);
	v->begin_at_ms = loop_now_ms(v->loop) + BEGIN_MS;
	return n > 0;
}

static void on_look(void *arg)
{
	struct dht_visit *v = arg;
	struct dht_stats st;

	dht_shell_stats(v->dht, &st);
	if (st.nodes[0] + st.nodes[1] == 0 &&
	    (st.pending > 0 || loop_now_ms(v->loop) < v->begin_at_ms ||
	     (!v->asked && ask_index(v))))
		loop_timer_set(v->look, LOOK_MS);
	else
		v->p->begin(v->p->user, v);
}

static void on_effect(void *user, const struct dht_effects *fx, const struct dht_effect *e)
{
	struct dht_visit *v = user;

	v->p->on_effect(v->p->user, v, fx, e);
}

static int open_node(struct dht_visit *v, struct err_info *info)
{
	const struct opts *o = v->p->o;
	struct dht_shell_params p = {.loop = v->loop,
				     .listen_host = o->listen,
				     .read_only = true,
				     .on_effect = on_effect,
				     .user = v};
	char *home = home_dir(), state[4096];
	int err;

	if (home != NULL &&
	    snprintf(state, sizeof(state), "%s/" SESSION_DHT_FILE, home) < (int)sizeof(state))
		p.state = state;
	err = dht_shell_new(&p, &v->dht, info);
	free(home);
	for (size_t i = 0; err == OK && o->dht_nodes != NULL && o->dht_nodes[i] != NULL; i++) {
		v->begin_at_ms = loop_now_ms(v->loop) + BEGIN_MS;
		if (dht_shell_add_host(v->dht, o->dht_nodes[i]) != OK)
			err = err_set(info, ERR_INVALID, "--dht-node wants HOST:PORT");
	}
	return err;
}

static int run(struct dht_visit *v, struct err_info *info)
{
	int err = open_node(v, info);

	if (err != OK)
		return err;
	v->late = loop_timer_new(v->loop, on_late, v);
	v->look = loop_timer_new(v->loop, on_look, v);
	if (v->late == NULL || v->look == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	if (!v->p->nested)
		(void)loop_on_signal(v->loop, SIGINT, on_interrupt, v);
	loop_timer_set(v->late, DHT_VISIT_MS);
	loop_timer_set(v->look, 0);
	if (loop_run(v->loop) != OK)
		return err_set(info, ERR_IO, "the event loop failed");
	if (v->rc != OK && info != NULL)
		*info = v->info;
	return v->rc;
}

int dht_visit(const struct dht_visit_params *p, struct err_info *info)
{
	struct dht_visit v = {.p = p};
	int err = loop_new(&v.loop);

	if (err != OK)
		return err_set(info, err, "no event loop: %s", err_text(err));
	err = run(&v, info);
	dht_shell_free(v.dht);
	loop_timer_free(v.late);
	loop_timer_free(v.look);
	loop_free(v.loop);
	return err;
}
