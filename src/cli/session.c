#include "cli/session.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/home.h"
#include "cli/index_choice.h"
#include "cli/interrupts.h"
#include "node/index_client.h"
#include "node/node_dht.h"

#define WATCH_MS 200u
/* At the beginning, and twice that each time: a daemon, which is asked, is done with something
 * small sooner. */
#define WATCH_FIRST_MS 10u
/* Goodbyes to trackers and a last save may take this long (a tracker that hangs must not). */
#define LEAVE_MS 3000u
/* Of a daemon, which systemd may be waiting for. */
#define LEAVE_DAEMON_MS 1500u
/* How often a peer that drains looks whether others have everything now. */
#define DRAIN_LOOK_MS 1000u

static void log_line(void *user, const char *line)
{
	session_say(user, "%s", line);
}

/* ---- leaving with what nobody else has ------------------------------------------------ */

static void say_drained(struct session *s, const struct parting_loss *loss)
{
	if (loss->pieces == 0)
		session_say(s, "others have everything now");
	else
		session_say(s, "leaving with the only copy of %u piece%s of %s%s", loss->pieces,
			    loss->pieces == 1 ? "" : "s", loss->title,
			    parting_others(loss->torrents));
}

static void begin_drain(struct session *s, const struct parting_loss *loss)
{
	uint64_t seconds = s->drain_s == 0 ? PARTING_DRAIN_S : s->drain_s;
	char limit[32];

	s->going = SESSION_DRAINS;
	s->drain_until_ms = loop_now_ms(s->loop) + seconds * 1000;
	session_say(s, "you hold the only copy of %u piece%s of %s%s; %sdraining for up to %s",
		    loss->pieces, loss->pieces == 1 ? "" : "s", loss->title,
		    parting_others(loss->torrents),
		    s->from_terminal ? "Ctrl-C again leaves, or wait: " : "",
		    text_duration(limit, sizeof(limit), seconds));
}

/* At the first look: stay or go? */
static void decide(struct session *s, const struct parting_loss *loss)
{
	if (loss->pieces == 0) {
		session_end(s, s->going_code);
	} else if (s->drain_s > 0 || s->from_terminal) {
		begin_drain(s, loss);
		loop_timer_set(s->parting_timer, DRAIN_LOOK_MS);
	} else {
		session_say(s, "warning: this peer holds the only copy of %u piece%s of %s%s",
			    loss->pieces, loss->pieces == 1 ? "" : "s", loss->title,
			    parting_others(loss->torrents));
		session_end(s, s->going_code);
	}
}

static void on_loss(void *user, const struct parting_loss *loss)
{
	struct session *s = user;
	bool fewer = loss->pieces < s->loss.pieces;

	if (s->ending)
		return;
	s->loss = *loss;
	if (s->going == SESSION_ASKS) {
		decide(s, loss);
		return;
	}
	if (loss->pieces == 0 || loop_now_ms(s->loop) >= s->drain_until_ms) {
		say_drained(s, loss);
		session_end(s, s->going_code);
		return;
	}
	if (fewer)
		session_say(s, "draining: %u piece%s of %s%s to go", loss->pieces,
			    loss->pieces == 1 ? "" : "s", loss->title,
			    parting_others(loss->torrents));
	control_tell(s->control, loss, false);
	loop_timer_set(s->parting_timer, DRAIN_LOOK_MS);
}

static const struct index_client *on_which_index(void *user, const struct transfer *t)
{
	struct session *s = user;

	return s->index_of == NULL ? s->index : s->index_of(s->user, t);
}

static void ask_for_loss(struct session *s)
{
	parting_ask(s->parting, &(struct parting_asker){on_which_index, on_loss, s});
}

static void on_parting_timer(void *arg)
{
	struct session *s = arg;

	if (!s->ending)
		ask_for_loss(s);
}

void session_leave(struct session *s, int code)
{
	if (s->ending || s->going != SESSION_STAYS)
		return;
	s->going = SESSION_ASKS;
	s->going_code = code;
	ask_for_loss(s);
}

static void on_signal(void *arg, int signo)
{
	struct session *s = arg;

	s->interrupted = true;
	if (s->kind != SESSION_PEER) {
		session_end(s, s->kind == SESSION_DAEMON ? EXIT_OK : EXIT_INTERRUPTED);
		return;
	}
	if (s->going != SESSION_STAYS) {
		session_end(s, s->going_code);
		return;
	}
	/* Whoever cannot be told what it waits for must not be kept waiting. */
	s->from_terminal = signo == SIGINT && !s->o->quiet && isatty(STDERR_FILENO) != 0;
	session_leave(s, EXIT_INTERRUPTED);
}

/* `shoal leave` is as good as Ctrl-C. */
static void on_leave(void *user, uint32_t drain_s)
{
	struct session *s = user;

	s->interrupted = true;
	if (drain_s > 0)
		s->drain_s = drain_s;
	else if (s->going != SESSION_STAYS)
		session_end(s, s->going_code);
	session_leave(s, EXIT_INTERRUPTED);
}

/* Who sees a limit passed must not wonder. */
static void say_spared(struct session *s)
{
	if (s->said_spared || s->node == NULL || !node_spared_lan(s->node))
		return;
	s->said_spared = true;
	session_say(s, "peers of the own network are not limited; with --limit-lan they are, too");
}

static void on_timer(void *arg)
{
	struct session *s = arg;

	if (s->ending)
		return;
	say_spared(s);
	s->watch(s, s->user);
	if (s->ending)
		return;
	loop_timer_set(s->timer, s->watch_ms);
	s->watch_ms = s->watch_ms * 2 < WATCH_MS ? s->watch_ms * 2 : WATCH_MS;
}

/* Torrents that announce to it are told of in one live session. An address that cannot be is
 * complained of by whoever asks it something. */
static int use_index(struct session *s, struct err_info *info)
{
	struct index_client *c = NULL;
	const char *url, *pin;
	int err = OK;

	index_chosen(s->o, &url, &pin);
	if (index_client_new(url, s->o->token, &c, NULL) == OK)
		err = node_use_index(s->node, index_client_url(c), s->o->token, pin, info);
	index_client_free(c);
	return err;
}

int session_listen(struct session *s, const char *name, const struct control_verb *verbs,
		   void *verbs_user, struct err_info *info)
{
	struct control_params p = {.loop = s->loop,
				   .node = s->node,
				   .leave = on_leave,
				   .user = s,
				   .name = name,
				   .listener = s->control_listener,
				   .verbs = verbs,
				   .verbs_user = verbs_user,
				   .next = s->next_called,
				   .next_user = s->next_user};

	return control_new(&p, &s->control, info);
}

/* Without a home nothing is remembered of it. */
static int use_dht(struct session *s, struct err_info *info)
{
	struct node_dht_params p = {.listen_host = s->o->listen, .places = s->o->dht_nodes};
	char *home = NULL, state[4096];
	int err;

	if (s->o->no_dht)
		return OK;
	if (home_make_dir(&home, NULL) == OK &&
	    snprintf(state, sizeof(state), "%s/" SESSION_DHT_FILE, home) < (int)sizeof(state))
		p.state = state;
	err = node_use_dht(s->node, &p, info);
	free(home);
	return err;
}

/* Without a home, or where it cannot be written to, a peer runs all the same. */
static void listen_to_commands(struct session *s)
{
	struct err_info why;

	if (session_listen(s, NULL, NULL, NULL, &why) != OK && s->o->verbose > 0)
		session_say(s, "other commands cannot ask this peer: %s", why.text);
}

static int make_parting(struct session *s)
{
	s->parting_timer = loop_timer_new(s->loop, on_parting_timer, s);
	return s->parting_timer == NULL ? ERR_NOMEM : parting_new(s->loop, s->node, &s->parting);
}

enum node_encryption session_encryption(const struct opts *o)
{
	if (o->encryption == NULL || strcmp(o->encryption, "accept") == 0)
		return NODE_ENCRYPT_ACCEPT;
	return strcmp(o->encryption, "prefer") == 0 ? NODE_ENCRYPT_PREFER : NODE_ENCRYPT_REQUIRE;
}

struct quota session_quota(const struct opts *o)
{
	return (struct quota){.max_peers = o->max_peers,
			      .max_peers_per_transfer = o->max_peers_per_transfer,
			      .max_open_files = o->max_open_files,
			      .max_memory_bytes = o->max_memory};
}

static enum node_transport transport_of(const struct opts *o)
{
	if (o->transport == NULL || strcmp(o->transport, "both") == 0)
		return NODE_TRANSPORT_BOTH;
	return strcmp(o->transport, "tcp") == 0 ? NODE_TRANSPORT_TCP : NODE_TRANSPORT_UTP;
}

static int make_node(struct session *s, struct err_info *info)
{
	struct node_params p = {.loop = s->loop,
				.port = s->o->port,
				.listen_host = s->o->listen,
				.map_port = !s->o->no_map,
				.encryption = session_encryption(s->o),
				.quota = session_quota(s->o),
				.transport = transport_of(s->o),
				.local = !s->o->no_lsd && s->o->listen == NULL};
	int err;

	p.warn = log_line;
	p.log_user = s;
	if (s->o->verbose > 0)
		p.log = log_line;
	err = node_new(&p, &s->node, info);
	if (err == OK)
		node_set_reply_delay(s->node, s->o->reply_delay_ms);
	if (err == OK)
		err = pacing_new(s->loop, s->node, s->o, &s->pacing, info);
	if (err == OK)
		err = use_index(s, info);
	if (err == OK)
		err = use_dht(s, info);
	if (err == OK && make_parting(s) != OK)
		err = err_set(info, ERR_NOMEM, "out of memory");
	return err;
}

int session_init(struct session *s, const struct opts *o, enum session_kind kind,
		 struct err_info *info)
{
	int err;

	*s = (struct session){.o = o, .kind = kind};
	interrupts_hold();
	if (o->drain)
		s->drain_s = o->drain_timeout_s == 0 ? PARTING_DRAIN_S : o->drain_timeout_s;
	err = loop_new(&s->loop);
	if (err != OK)
		return err_set(info, err, "no event loop: %s", err_text(err));
	s->timer = loop_timer_new(s->loop, on_timer, s);
	if (s->timer == NULL)
		err = err_set(info, ERR_NOMEM, "out of memory");
	if (err == OK && kind != SESSION_CLIENT)
		err = make_node(s, info);
	if (err != OK) {
		session_fini(s);
		return err;
	}
	progress_init(&s->progress, opts_progress(o), loop_now_ms(s->loop));
	if (kind == SESSION_PEER)
		listen_to_commands(s);
	return OK;
}

static void on_left(void *user)
{
	struct session *s = user;

	control_tell(s->control, &s->loss, true);
	loop_stop(s->loop);
}

void session_end(struct session *s, int code)
{
	if (s->ending)
		return;
	s->ending = true;
	s->code = code;
	progress_clear(&s->progress);
	if (s->leaving != NULL)
		s->leaving(s->user);
	if (s->node == NULL)
		loop_stop(s->loop);
	else
		node_leave(s->node, s->kind == SESSION_DAEMON ? LEAVE_DAEMON_MS : LEAVE_MS, on_left,
			   s);
}

void session_poke(struct session *s)
{
	if (!s->ending && s->watch != NULL)
		loop_timer_set(s->timer, 0);
}

int session_run(struct session *s, void (*watch)(struct session *s, void *user), void *user)
{
	s->watch = watch;
	s->watch_ms = WATCH_FIRST_MS;
	s->user = user;
	interrupts_yield();
	if (loop_on_signal(s->loop, SIGINT, on_signal, s) != OK ||
	    loop_on_signal(s->loop, SIGTERM, on_signal, s) != OK) {
		fprintf(stderr, "shoal: %s\n", err_text(ERR_NOMEM));
		return EXIT_FAILED;
	}
	interrupts_let();
	if (watch != NULL)
		loop_timer_set(s->timer, 0);
	if (loop_run(s->loop) != OK)
		return EXIT_FAILED;
	return s->code;
}

void session_fini(struct session *s)
{
	control_free(s->control);
	pacing_free(s->pacing);
	s->pacing = NULL;
	parting_free(s->parting);
	loop_timer_free(s->parting_timer);
	node_free(s->node);
	loop_timer_free(s->timer);
	loop_free(s->loop);
	s->control = NULL;
	s->parting = NULL;
	s->parting_timer = NULL;
	s->node = NULL;
	s->timer = NULL;
	s->loop = NULL;
}

void session_say(struct session *s, const char *fmt, ...)
{
	va_list ap;

	if (s->o->quiet)
		return;
	progress_clear(&s->progress);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
}
