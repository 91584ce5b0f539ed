#include "node/index_udp.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "net/entropy.h"
#include "net/udp.h"
#include "wire/connection_id.h"
#include "wire/udp_tracker.h"

/* Where the info-hash begins in an announce and the first one in a scrape; a connect is spread by
 * its transaction id, which lies right before. */
#define HASH_AT 16u
#define ERROR_PAUSE_MS 100
#define COUNTS (sizeof(struct index_udp_counts) / sizeof(uint64_t))

static_assert(UDP_IN_MAX >= UDP_REQUEST_MAX && UDP_OUT_MAX >= UDP_REPLY_MAX, "datagrams fit");
static_assert(INDEX_UDP_THREADS_MAX <= UDP_SOCKETS_MAX, "a socket for each thread");

struct worker {
	struct index_udp *all;
	pthread_t thread;
	bool runs;
	int fd;
	struct udp_batch *batch;
	_Atomic uint64_t counts[COUNTS]; /* of struct index_udp_counts, in its order */
};

struct index_udp {
	struct shards *shards;
	struct index_access *access;
	struct siphash_key key;
	int wake; /* readable when the threads shall end */
	uint16_t port;
	unsigned n;
	struct worker workers[INDEX_UDP_THREADS_MAX];
};

/* A request with a good connection id, to be answered in the second pass over a batch. */
struct request {
	struct udp_datagram *datagram;
	struct udp_head head;
};

/* One batch in the hands of one thread. */
struct turn {
	const struct index_udp *all;
	unsigned own; /* the shard that this thread mostly meets */
	struct shard_hold hold;
	uint64_t now_s;
	struct index_udp_counts counts;
	unsigned n;
	struct request requests[UDP_BATCH];
};

/* ---- requests ------------------------------------------------------------ */

static void refuse(uint64_t *count, struct udp_datagram *d, uint32_t transaction, const char *why)
{
	++*count;
	d->out_len = udp_error_encode(transaction, why, d->out);
}

static enum index_verdict judge(const struct turn *t, const struct udp_datagram *d,
				const struct udp_url *url)
{
	static const char folder[] = "/announce/";
	size_t n = sizeof(folder) - 1;
	struct bytes token = bytes_of(NULL, 0);

	if (t->all->access == NULL)
		return ACCESS_GRANTED;
	if (url != NULL && url->len > n && memcmp(url->text, folder, n) == 0)
		token = bytes_of(url->text + n, url->len - n);
	return index_access_check(t->all->access, token, &d->from, RIGHT_READ, t->now_s);
}

static void on_announce(struct turn *t, struct udp_datagram *d, uint32_t transaction)
{
	struct announce_reply reply;
	enum index_verdict may;
	struct err_info why;
	struct udp_url url;
	struct announce a;

	t->counts.announces++;
	if (udp_announce_decode(d->in, &a, &url, &why) < 0) {
		refuse(&t->counts.refused, d, transaction, why.text);
		return;
	}
	may = judge(t, d, &url);
	if (may != ACCESS_GRANTED) {
		refuse(&t->counts.refused, d, transaction, index_verdict_text(may));
		return;
	}
	if (tracker_announce(shards_enter(&t->hold, a.info_hash), &a, &d->from, &d->to, t->now_s,
			     &reply) < 0) {
		refuse(&t->counts.refused, d, transaction,
		       "the tracker is out of memory; try again");
		return;
	}
	t->counts.refused += reply.failed;
	d->out_len = udp_announce_reply_encode(transaction, &reply, d->v6, d->out);
}

static void on_scrape(struct turn *t, struct udp_datagram *d, uint32_t transaction)
{
	struct scrape_row rows[SCRAPE_HASHES_MAX];
	const uint8_t *hashes;
	enum index_verdict may = judge(t, d, NULL);
	struct err_info why;
	int n;

	t->counts.scrapes++;
	n = may == ACCESS_GRANTED ? udp_scrape_decode(d->in, &hashes, &why)
				  : err_set(&why, ERR_DENIED, "%s", index_verdict_text(may));
	if (n < 0) {
		refuse(&t->counts.scrapes_refused, d, transaction, why.text);
		return;
	}
	for (int i = 0; i < n; i++) {
		const uint8_t *hash = hashes + 20 * i;

		tracker_scrape(shards_enter(&t->hold, hash), hash, t->now_s, &rows[i]);
	}
	d->out_len = udp_scrape_reply_encode(transaction, rows, (size_t)n, d->out);
}

/* What needs no tracker is answered, what nobody may ask is left; the rest is a request. */
static void sort_out(struct turn *t, struct udp_datagram *d)
{
	struct siphash_key key = t->all->key;
	struct udp_head head;

	if (udp_head_decode(d->in, &head) < 0) {
		t->counts.ignored++;
	} else if (head.action == UDP_CONNECT) {
		t->counts.connects++;
		d->out_len = udp_connect_reply_encode(
		    head.transaction, connection_id_make(key, &d->from, t->now_s), d->out);
	} else if (!connection_id_is_good(key, &d->from, t->now_s, head.connection_id)) {
		t->counts.ignored++;
	} else {
		t->requests[t->n++] = (struct request){d, head};
	}
}

static void prefetch(struct turn *t)
{
	uint8_t hashes[UDP_BATCH][20];
	size_t n = 0;

	for (unsigned i = 0; i < t->n; i++) {
		struct bytes in = t->requests[i].datagram->in;

		if (in.len < HASH_AT + 20 || shards_of(t->all->shards, in.ptr + HASH_AT) != t->own)
			continue;
		memcpy(hashes[n++], in.ptr + HASH_AT, 20);
	}
	if (n > 1)
		tracker_prefetch(shards_enter_at(&t->hold, t->own), hashes, n);
}

static void answer(struct turn *t)
{
	for (unsigned i = 0; i < t->n; i++) {
		struct request *r = &t->requests[i];

		if (r->head.action == UDP_ANNOUNCE)
			on_announce(t, r->datagram, r->head.transaction);
		else
			on_scrape(t, r->datagram, r->head.transaction);
	}
}

/* ---- threads ------------------------------------------------------------- */

static uint64_t now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec;
}

static void add_counts(struct worker *w, const struct index_udp_counts *counts)
{
	uint64_t list[COUNTS];

	memcpy(list, counts, sizeof(list));
	for (size_t i = 0; i < COUNTS; i++)
		if (list[i] != 0)
			atomic_fetch_add_explicit(&w->counts[i], list[i], memory_order_relaxed);
}

static void serve(struct worker *w, unsigned n)
{
	struct turn t;

	t.all = w->all;
	t.own = (unsigned)(w - w->all->workers);
	t.hold = (struct shard_hold){.all = w->all->shards};
	t.now_s = now_s();
	t.counts = (struct index_udp_counts){0};
	t.n = 0;
	for (unsigned i = 0; i < n; i++)
		sort_out(&t, udp_at(w->batch, i));
	prefetch(&t);
	answer(&t);
	shards_leave(&t.hold);
	add_counts(w, &t.counts); /* who is answered finds itself counted */
	t.counts = (struct index_udp_counts){.dropped = udp_answer(w->batch)};
	add_counts(w, &t.counts);
}

/* Until something comes; false: the end. A socket that fails would wake us without pause. */
static bool wait_for_work(const struct worker *w, bool failed)
{
	struct pollfd list[2] = {{.fd = w->all->wake, .events = POLLIN},
				 {.fd = w->fd, .events = POLLIN}};

	if (poll(list, failed ? 1 : 2, failed ? ERROR_PAUSE_MS : -1) < 0)
		return errno == EINTR;
	return list[0].revents == 0;
}

static void *run(void *arg)
{
	struct worker *w = arg;
	int n = 0;

	/* A socket that is never empty must not keep us from the end. */
	while (wait_for_work(w, n < 0)) {
		unsigned rounds = UDP_BATCH;

		do {
			n = udp_receive(w->batch);
			if (n > 0)
				serve(w, (unsigned)n);
		} while (n == (int)UDP_BATCH && --rounds > 0);
	}
	return NULL;
}

/* Signals are the loop's. */
static int start_worker(struct worker *w)
{
	sigset_t all, before;
	int rc;

	w->batch = udp_batch_new(w->fd);
	if (w->batch == NULL)
		return ERR_NOMEM;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	w->runs = rc == 0;
	return rc == 0 ? 0 : ERR_IO;
}

/* ---- life ---------------------------------------------------------------- */

static int open_sockets(struct index_udp *u, const char *host, uint16_t port, unsigned threads,
			struct err_info *info)
{
	int fds[UDP_SOCKETS_MAX];
	int n = udp_open(host, port, threads, HASH_AT, fds, &u->port, info);

	if (n < 0)
		return n;
	u->n = (unsigned)n;
	for (unsigned i = 0; i < u->n; i++) {
		u->workers[i].all = u;
		u->workers[i].fd = fds[i];
	}
	return 0;
}

int index_udp_new(const char *host, uint16_t port, unsigned threads, struct index_udp **out,
		  struct err_info *info)
{
	struct index_udp *u = calloc(1, sizeof(*u));
	int rc;

	assert(threads > 0 && threads <= INDEX_UDP_THREADS_MAX);
	if (u == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	entropy_fill(&u->key, sizeof(u->key));
	u->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = u->wake < 0 ? err_set(info, ERR_IO, "no descriptor is left")
			 : open_sockets(u, host, port, threads, info);
	if (rc < 0) {
		index_udp_free(u);
		return rc;
	}
	*out = u;
	return 0;
}

unsigned index_udp_threads(const struct index_udp *u)
{
	return u->n;
}

uint16_t index_udp_port(const struct index_udp *u)
{
	return u->port;
}

int index_udp_start(struct index_udp *u, struct shards *shards, struct index_access *access)
{
	int rc = 0;

	u->shards = shards;
	u->access = access;
	for (unsigned i = 0; i < u->n && rc == 0; i++)
		rc = start_worker(&u->workers[i]);
	return rc;
}

void index_udp_free(struct index_udp *u)
{
	if (u == NULL)
		return;
	if (u->wake >= 0)
		(void)eventfd_write(u->wake, 1);
	for (unsigned i = 0; i < u->n; i++) {
		if (u->workers[i].runs)
			pthread_join(u->workers[i].thread, NULL);
		udp_batch_free(u->workers[i].batch);
		close(u->workers[i].fd);
	}
	if (u->wake >= 0)
		close(u->wake);
	free(u);
}

void index_udp_counts(struct index_udp *u, struct index_udp_counts *out)
{
	uint64_t sums[COUNTS] = {0};

	for (unsigned i = 0; i < u->n; i++)
		for (size_t k = 0; k < COUNTS; k++)
			sums[k] +=
			    atomic_load_explicit(&u->workers[i].counts[k], memory_order_relaxed);
	memcpy(out, sums, sizeof(*out));
}

unsigned index_udp_default_threads(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (cores <= 2)
		return 1;
	return cores >= 4 ? 3 : (unsigned)cores - 1;
}
