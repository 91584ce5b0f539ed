#include "net/portmap.h"

#include <ifaddrs.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <natpmp.h>

#include "net/entropy.h"
#include "net/portmap_impl.h"

/* What the thread and the loop share. Whoever lets go of it last frees it: a library that hangs in
 * the thread must not keep the program from ending. */
struct shared {
	pthread_mutex_t lock;
	unsigned users;
	struct portmap_state state;
	bool asked; /* for a port, so there may be one to give back */
	int stop_fd, news_fd;
	uint16_t port;
	bool udp;
};

struct portmap {
	struct shared *s;
	pthread_t thread;
	struct loop_io *io;
	void (*changed)(void *user, const struct portmap_state *s);
	void *user;
};

const char *portmap_method_text(enum portmap_method m)
{
	static const char *const texts[] = {"none", "PCP", "NAT-PMP", "UPnP"};

	return texts[m];
}

static void shared_drop(struct shared *s)
{
	unsigned left;

	pthread_mutex_lock(&s->lock);
	left = --s->users;
	pthread_mutex_unlock(&s->lock);
	if (left > 0)
		return;
	if (s->stop_fd >= 0)
		close(s->stop_fd);
	if (s->news_fd >= 0)
		close(s->news_fd);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void ring(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) < 0)
		return; /* it rings already */
}

/* ---- the thread -------------------------------------------------------------------- */

struct mapper {
	struct shared *s;
	struct portmap_router router;
	enum portmap_method method;
	struct portmap_upnp *upnp;
	struct portmap_lease leases[2]; /* TCP, UDP */
	unsigned n;
};

static bool same_state(const struct portmap_state *a, const struct portmap_state *b)
{
	return a->method == b->method && addr_eq(&a->external, &b->external) &&
	       a->udp_port == b->udp_port && a->why.code == b->why.code;
}

static void publish(struct mapper *m, const struct err_info *why)
{
	struct portmap_state new = {.method = m->method};

	if (m->method != PORTMAP_NONE) {
		new.external = m->leases[0].external;
		new.udp_port = m->n > 1 ? m->leases[1].external.port : 0;
	} else {
		new.why = *why;
	}
	pthread_mutex_lock(&m->s->lock);
	if (!same_state(&m->s->state, &new)) {
		m->s->state = new;
		ring(m->s->news_fd);
	}
	pthread_mutex_unlock(&m->s->lock);
}

/* Our address on the way to the gateway. */
static bool find_own(const struct in_addr *gateway, struct in_addr *own)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PCP_PORT)}, from;
	socklen_t len = sizeof(from);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool found;

	to.sin_addr = *gateway;
	found = fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
		getsockname(fd, (struct sockaddr *)&from, &len) == 0;
	if (found)
		*own = from.sin_addr;
	if (fd >= 0)
		close(fd);
	return found;
}

static int find_router(struct portmap_router *r, struct err_info *why)
{
	struct addr own;
	natpmp_t n;
	int rc = initnatpmp(&n, 0, 0);

	if (rc != 0)
		return err_set(why, ERR_UNREACHABLE, "there is no default route");
	r->gateway.s_addr = n.gateway;
	closenatpmp(&n);
	if (!find_own(&r->gateway, &r->own))
		return err_set(why, ERR_UNREACHABLE, "there is no way to the default gateway");
	(void)addr_from_ip(&own, bytes_of(&r->own, 4), 0);
	if (addr_scope(&own) == ADDR_PUBLIC)
		return err_set(why, ERR_INVALID, "our address is one of the world's already");
	return 0;
}

static int ask_by(struct mapper *m, enum portmap_method method, struct portmap_lease *l,
		  struct err_info *why)
{
	switch (method) {
	case PORTMAP_PCP:
		return portmap_pcp(&m->router, l, why);
	case PORTMAP_NAT_PMP:
		return portmap_nat_pmp(&m->router, l, why);
	case PORTMAP_UPNP:
		return portmap_upnp_ask(m->upnp, l, why);
	case PORTMAP_NONE:
		break;
	}
	return ERR_INVALID;
}

static void set_asked(struct mapper *m, bool asked)
{
	pthread_mutex_lock(&m->s->lock);
	m->s->asked = asked;
	pthread_mutex_unlock(&m->s->lock);
}

static void give_back(struct mapper *m, enum portmap_method method)
{
	struct err_info ignored;

	for (unsigned i = 0; i < m->n; i++) {
		if (!m->leases[i].held)
			continue;
		m->leases[i].held = false;
		m->leases[i].lifetime_s = 0;
		(void)ask_by(m, method, &m->leases[i], &ignored);
	}
}

/* TCP, and UDP with the same number if it can be had: a router that refuses that is of use all the
 * same. Where it fails the router keeps nothing. */
static int ask_all(struct mapper *m, enum portmap_method method, struct err_info *why)
{
	set_asked(m, true);
	for (unsigned i = 0; i < m->n; i++) {
		struct portmap_lease *l = &m->leases[i];
		int rc;

		if (i > 0)
			l->external = m->leases[0].external;
		l->lifetime_s = PORTMAP_LEASE_S;
		rc = ask_by(m, method, l, why);
		if (rc == 0) {
			l->held = true;
		} else if (i > 0 && rc == ERR_DENIED) {
			l->held = false;
			l->external.port = 0;
		} else {
			give_back(m, method);
			return rc;
		}
	}
	return 0;
}

static void forget_mapping(struct mapper *m)
{
	portmap_upnp_free(m->upnp);
	m->upnp = NULL;
	m->method = PORTMAP_NONE;
	set_asked(m, false);
}

static int find_mapping(struct mapper *m, struct err_info *why)
{
	static const enum portmap_method order[] = {PORTMAP_PCP, PORTMAP_NAT_PMP};
	int rc = find_router(&m->router, why);

	for (unsigned i = 0; rc == 0 && i < 2; i++) {
		m->method = order[i];
		rc = ask_all(m, order[i], why);
		if (rc == 0 || rc == ERR_DENIED || portmap_stopping(&m->router))
			return rc;
		forget_mapping(m);
		rc = 0;
	}
	if (rc == 0)
		rc = portmap_upnp_find(&m->upnp, why);
	if (rc == 0) {
		m->method = PORTMAP_UPNP;
		rc = ask_all(m, PORTMAP_UPNP, why);
	}
	return rc;
}

static uint32_t next_s(const struct mapper *m)
{
	uint32_t s = PORTMAP_LEASE_S;

	for (unsigned i = 0; i < m->n; i++)
		if (m->leases[i].lifetime_s < s)
			s = m->leases[i].lifetime_s;
	return s / 2 < PORTMAP_RENEW_MIN_S ? PORTMAP_RENEW_MIN_S : s / 2;
}

static void remove_mapping(struct mapper *m)
{
	give_back(m, m->method);
	forget_mapping(m);
}

static void *thread_main(void *arg)
{
	struct mapper m = {.s = arg};
	struct err_info why = {.code = OK};

	m.router.stop_fd = m.s->stop_fd;
	m.n = m.s->udp ? 2 : 1;
	for (unsigned i = 0; i < m.n; i++) {
		m.leases[i] = (struct portmap_lease){.protocol = i == 0 ? PCP_TCP : PCP_UDP,
						     .port = m.s->port,
						     .external.port = m.s->port};
		entropy_fill(m.leases[i].nonce, sizeof(m.leases[i].nonce));
	}
	do {
		bool kept = m.method != PORTMAP_NONE && ask_all(&m, m.method, &why) == 0;

		if (!kept && !portmap_stopping(&m.router)) {
			forget_mapping(&m);
			if (find_mapping(&m, &why) != 0)
				forget_mapping(&m);
		}
		publish(&m, &why);
		(void)portmap_wait(&m.router, -1,
				   1000 *
				       (m.method == PORTMAP_NONE ? PORTMAP_RETRY_S : next_s(&m)));
	} while (!portmap_stopping(&m.router));
	remove_mapping(&m);
	shared_drop(m.s);
	return NULL;
}

/* ---- the loop's side --------------------------------------------------------------------- */

static void on_news(void *arg, unsigned ready)
{
	struct portmap *p = arg;
	struct portmap_state now;
	uint64_t ignored;

	(void)ready;
	if (eventfd_read(p->s->news_fd, &ignored) != 0)
		return;
	pthread_mutex_lock(&p->s->lock);
	now = p->s->state;
	pthread_mutex_unlock(&p->s->lock);
	if (p->changed != NULL)
		p->changed(p->user, &now);
}

/* Signals are the loop's. */
static int start_thread(struct portmap *p)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	p->s->users++;
	rc = pthread_create(&p->thread, NULL, thread_main, p->s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0)
		p->s->users--;
	return rc == 0 ? 0 : ERR_IO;
}

static struct shared *shared_new(const struct portmap_params *p)
{
	struct shared *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	*s = (struct shared){.users = 1, .port = p->port, .udp = p->udp};
	pthread_mutex_init(&s->lock, NULL);
	s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return s;
}

int portmap_new(const struct portmap_params *params, struct portmap **out, struct err_info *info)
{
	struct portmap *p = calloc(1, sizeof(*p));
	int rc = ERR_NOMEM;

	*out = NULL;
	if (p != NULL)
		p->s = shared_new(params);
	if (p == NULL || p->s == NULL)
		goto fail;
	p->changed = params->changed;
	p->user = params->user;
	rc = ERR_IO;
	if (p->s->stop_fd < 0 || p->s->news_fd < 0)
		goto fail;
	p->io = loop_io_new(params->loop, p->s->news_fd, on_news, p);
	if (p->io == NULL || start_thread(p) != 0)
		goto fail;
	loop_io_want(p->io, LOOP_READ);
	*out = p;
	return 0;
fail:
	if (p != NULL) {
		loop_io_free(p->io);
		if (p->s != NULL)
			shared_drop(p->s);
	}
	free(p);
	return err_set(info, (enum err)rc, "no thread for the router: %s", err_text((enum err)rc));
}

void portmap_free(struct portmap *p)
{
	struct timespec until;
	bool asked;

	if (p == NULL)
		return;
	loop_io_free(p->io);
	ring(p->s->stop_fd);
	pthread_mutex_lock(&p->s->lock);
	asked = p->s->asked;
	pthread_mutex_unlock(&p->s->lock);
	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += (PORTMAP_LEAVE_MS % 1000) * 1000000L;
	until.tv_sec += PORTMAP_LEAVE_MS / 1000 + until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	/* A search for routers is not waited for: nothing was asked of any. */
	if (!asked || pthread_timedjoin_np(p->thread, NULL, &until) != 0)
		(void)pthread_detach(p->thread);
	shared_drop(p->s);
	free(p);
}
