/* bench/floor.c - the least that one seed and one getter must do, without any protocol.
 *
 *   floor MODE FILE OUT [sha256|sha1 [SENDERS]]
 *
 * A child process sends FILE over loopback TCP; this one receives it:
 *
 *   receive   and forgets it                            (the child uses sendfile)
 *   write     and writes it to OUT                      (the same)
 *   hash      and hashes and writes it, in one thread   (the same)
 *   hash2     and writes it, and hashes it in a second thread
 *   framed    as hash2, but as PIECE messages: the child reads 16 blocks with one pread and sends
 *             them behind their heads with one writev; readv lays them out in place
 *
 * With framed, SENDERS children (1 to 16) take turns of 16 blocks, each on a connection of its own:
 * what several seeds cost a getter more than one.
 *
 * SHA-256 is taken of each 16 KiB (BEP 52's leaves), SHA-1 of each MiB (a v1 piece). Prints wall
 * and CPU seconds of both sides as one line of JSON. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 16384u
#define HEAD 13u
#define SLAB_BLOCKS 16u
#define SLAB (SLAB_BLOCKS * BLOCK)
#define SLABS 8u
#define PIECE_V1 (1u << 20)
#define SENDERS_MAX 16u

struct plan {
	bool write, hash, thread, framed;
	const EVP_MD *md;
	size_t unit; /* bytes under one digest */
	int in, out;
	uint64_t bytes;
	unsigned senders;
};

static void die(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- hashing ----------------------------------------------------------------------- */

struct hasher {
	EVP_MD_CTX *ctx;
	const EVP_MD *md;
	size_t unit, done; /* done: bytes of the current unit */
};

static void hasher_init(struct hasher *h, const struct plan *p)
{
	*h = (struct hasher){.ctx = EVP_MD_CTX_new(), .md = p->md, .unit = p->unit};
	if (h->ctx == NULL)
		die("EVP_MD_CTX_new");
}

static void hasher_end_unit(struct hasher *h)
{
	uint8_t digest[EVP_MAX_MD_SIZE];

	if (h->done > 0 && EVP_DigestFinal_ex(h->ctx, digest, NULL) != 1)
		die("EVP_DigestFinal_ex");
	h->done = 0;
}

static void hasher_feed(struct hasher *h, const uint8_t *data, size_t len)
{
	while (len > 0) {
		size_t n = h->unit - h->done < len ? h->unit - h->done : len;

		if (h->done == 0 && EVP_DigestInit_ex(h->ctx, h->md, NULL) != 1)
			die("EVP_DigestInit_ex");
		if (EVP_DigestUpdate(h->ctx, data, n) != 1)
			die("EVP_DigestUpdate");
		h->done += n;
		if (h->done == h->unit)
			hasher_end_unit(h);
		data += n;
		len -= n;
	}
}

static void hasher_fini(struct hasher *h)
{
	hasher_end_unit(h);
	EVP_MD_CTX_free(h->ctx);
}

/* ---- slabs that go round between receiver and hasher -------------------------------- */

struct ring {
	uint8_t *data[SLABS];
	size_t len[SLABS];
	uint64_t filled, hashed; /* slabs so far */
	bool ended;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct hasher hasher;
};

static void ring_init(struct ring *r, const struct plan *p)
{
	*r = (struct ring){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
	for (size_t i = 0; i < SLABS; i++) {
		r->data[i] = malloc(SLAB);
		if (r->data[i] == NULL)
			die("malloc");
	}
	hasher_init(&r->hasher, p);
}

static void ring_fini(struct ring *r)
{
	hasher_fini(&r->hasher);
	for (size_t i = 0; i < SLABS; i++)
		free(r->data[i]);
}

/* The next slab to fill, once the hasher is done with it. */
static uint8_t *ring_next(struct ring *r)
{
	pthread_mutex_lock(&r->lock);
	while (r->filled - r->hashed == SLABS)
		pthread_cond_wait(&r->changed, &r->lock);
	pthread_mutex_unlock(&r->lock);
	return r->data[r->filled % SLABS];
}

static void ring_push(struct ring *r, size_t len)
{
	pthread_mutex_lock(&r->lock);
	r->len[r->filled % SLABS] = len;
	r->filled++;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static void ring_end(struct ring *r)
{
	pthread_mutex_lock(&r->lock);
	r->ended = true;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static void *hash_slabs(void *arg)
{
	struct ring *r = arg;

	pthread_mutex_lock(&r->lock);
	while (r->hashed < r->filled || !r->ended) {
		size_t i = r->hashed % SLABS;

		if (r->hashed == r->filled) {
			pthread_cond_wait(&r->changed, &r->lock);
			continue;
		}
		pthread_mutex_unlock(&r->lock);
		hasher_feed(&r->hasher, r->data[i], r->len[i]);
		pthread_mutex_lock(&r->lock);
		r->hashed++;
		pthread_cond_signal(&r->changed);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* ---- a run of blocks behind their heads ---------------------------------------------- */

struct frames {
	uint8_t heads[SLAB_BLOCKS][HEAD];
	struct iovec iov[2 * SLAB_BLOCKS];
	int n;
};

static void frames_lay(struct frames *f, uint8_t *slab, size_t len)
{
	f->n = 0;
	for (size_t i = 0; i * BLOCK < len; i++) {
		size_t left = len - i * BLOCK;

		f->iov[f->n++] = (struct iovec){f->heads[i], HEAD};
		f->iov[f->n++] = (struct iovec){slab + i * BLOCK, left < BLOCK ? left : BLOCK};
	}
}

/* `n` more bytes went through; returns the first vector with something left. */
static int frames_advance(struct frames *f, int at, size_t n)
{
	while (at < f->n && n >= f->iov[at].iov_len)
		n -= f->iov[at++].iov_len;
	if (at < f->n) {
		f->iov[at].iov_base = (uint8_t *)f->iov[at].iov_base + n;
		f->iov[at].iov_len -= n;
	}
	return at;
}

static void frames_move(struct frames *f, int fd,
			ssize_t (*move)(int fd, const struct iovec *iov, int n))
{
	for (int at = 0; at < f->n;) {
		ssize_t n = move(fd, f->iov + at, f->n - at);

		if (n <= 0)
			die("readv or writev");
		at = frames_advance(f, at, (size_t)n);
	}
}

/* ---- the sender ------------------------------------------------------------------------ */

static void put_be32(uint8_t *out, uint32_t v)
{
	out[0] = (uint8_t)(v >> 24);
	out[1] = (uint8_t)(v >> 16);
	out[2] = (uint8_t)(v >> 8);
	out[3] = (uint8_t)v;
}

static void put_heads(struct frames *f, uint64_t offset, size_t len)
{
	for (size_t i = 0; i * BLOCK < len; i++) {
		uint64_t at = offset + i * BLOCK;
		size_t left = len - i * BLOCK;

		put_be32(f->heads[i], (uint32_t)(left < BLOCK ? left : BLOCK) + 9);
		f->heads[i][4] = 7; /* PIECE */
		put_be32(f->heads[i] + 5, (uint32_t)(at / PIECE_V1));
		put_be32(f->heads[i] + 9, (uint32_t)(at % PIECE_V1));
	}
}

static size_t slab_len(const struct plan *p, uint64_t offset)
{
	return p->bytes - offset < SLAB ? (size_t)(p->bytes - offset) : SLAB;
}

/* The slabs of sender `nth` of them. */
static void send_framed(const struct plan *p, int fd, unsigned nth)
{
	uint8_t *slab = malloc(SLAB);
	struct frames f;

	if (slab == NULL)
		die("malloc");
	for (uint64_t offset = nth * SLAB; offset < p->bytes; offset += p->senders * SLAB) {
		size_t len = slab_len(p, offset);

		if (pread(p->in, slab, len, (off_t)offset) != (ssize_t)len)
			die("pread");
		frames_lay(&f, slab, len);
		put_heads(&f, offset, len);
		frames_move(&f, fd, writev);
	}
	free(slab);
}

static void send_plain(const struct plan *p, int fd)
{
	uint64_t left = p->bytes;

	while (left > 0) {
		ssize_t n = sendfile(fd, p->in, NULL, left);

		if (n <= 0)
			die("sendfile");
		left -= (uint64_t)n;
	}
}

/* ---- the getter ------------------------------------------------------------------------ */

static void receive_framed(int fd, uint8_t *slab, size_t len)
{
	struct frames f;
	uint8_t expected[4];

	frames_lay(&f, slab, len);
	frames_move(&f, fd, readv);
	for (size_t i = 0; i * BLOCK < len; i++) {
		size_t left = len - i * BLOCK;

		put_be32(expected, (uint32_t)(left < BLOCK ? left : BLOCK) + 9);
		if (memcmp(f.heads[i], expected, 4) != 0 || f.heads[i][4] != 7)
			die("not a PIECE message");
	}
}

static void receive_plain(int fd, uint8_t *slab, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = read(fd, slab + done, len - done);

		if (n <= 0)
			die("read");
		done += (size_t)n;
	}
}

static void get(const struct plan *p, const int *fds)
{
	struct ring r;
	pthread_t hasher;

	ring_init(&r, p);
	if (p->thread && pthread_create(&hasher, NULL, hash_slabs, &r) != 0)
		die("pthread_create");
	for (uint64_t offset = 0; offset < p->bytes; offset += SLAB) {
		uint8_t *slab = ring_next(&r);
		size_t len = slab_len(p, offset);

		if (p->framed)
			receive_framed(fds[offset / SLAB % p->senders], slab, len);
		else
			receive_plain(fds[0], slab, len);
		if (p->write && pwrite(p->out, slab, len, (off_t)offset) != (ssize_t)len)
			die("pwrite");
		if (p->thread)
			ring_push(&r, len);
		else if (p->hash)
			hasher_feed(&r.hasher, slab, len);
	}
	if (p->thread) {
		ring_end(&r);
		pthread_join(hasher, NULL);
	}
	ring_fini(&r);
}

/* ---- both ------------------------------------------------------------------------------ */

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_s(const struct rusage *u)
{
	return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) +
	       (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e6;
}

static int listen_on_loopback(struct sockaddr_in *a)
{
	socklen_t len = sizeof(*a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*a = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (fd < 0 || bind(fd, (struct sockaddr *)a, sizeof(*a)) != 0 || listen(fd, 1) != 0 ||
	    getsockname(fd, (struct sockaddr *)a, &len) != 0)
		die("listen");
	return fd;
}

static void send_all(const struct plan *p, const struct sockaddr_in *to, unsigned nth)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) != 0)
		die("connect");
	if (p->framed)
		send_framed(p, fd, nth);
	else
		send_plain(p, fd);
	close(fd);
}

/* Returns the getter's end. Each is accepted before the next one is begun, so it is this one's. */
static int start_sender(const struct plan *p, int listener, const struct sockaddr_in *addr,
			unsigned nth)
{
	pid_t child = fork();
	int fd;

	if (child < 0)
		die("fork");
	if (child == 0) {
		send_all(p, addr, nth);
		_exit(0);
	}
	fd = accept(listener, NULL, NULL);
	if (fd < 0)
		die("accept");
	return fd;
}

static void transfer(const struct plan *p, const char *mode)
{
	struct sockaddr_in addr;
	struct rusage senders, getter;
	int listener = listen_on_loopback(&addr), fds[SENDERS_MAX], status;
	double begun = now_s(), wall;

	for (unsigned i = 0; i < p->senders; i++)
		fds[i] = start_sender(p, listener, &addr, i);
	get(p, fds);
	wall = now_s() - begun;
	for (unsigned i = 0; i < p->senders; i++) {
		if (wait(&status) < 0 || status != 0)
			die("a sender failed");
	}
	getrusage(RUSAGE_CHILDREN, &senders);
	getrusage(RUSAGE_SELF, &getter);
	printf("{\"mode\": \"%s\", \"digest\": \"%s\", \"bytes\": %llu, \"wall\": %.6f, "
	       "\"cpu_seed\": %.6f, \"cpu_get\": %.6f}\n",
	       mode, EVP_MD_get0_name(p->md), (unsigned long long)p->bytes, wall, cpu_s(&senders),
	       cpu_s(&getter));
}

/* Every mode does what the ones before it do, but that hash2 moves the hashing. */
static bool plan_from_mode(struct plan *p, const char *mode)
{
	static const char *const modes[] = {"receive", "write", "hash", "hash2", "framed"};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(mode, modes[i]) == 0) {
			p->write = i >= 1;
			p->hash = i >= 2;
			p->thread = i >= 3;
			p->framed = i >= 4;
			return true;
		}
	}
	return false;
}

int main(int argc, char **argv)
{
	struct plan p = {.md = EVP_sha256(), .unit = BLOCK, .senders = 1};
	struct stat st;

	if (argc == 6)
		p.senders = (unsigned)strtoul(argv[5], NULL, 10);
	if (argc < 4 || argc > 6 || !plan_from_mode(&p, argv[1]) || p.senders == 0 ||
	    p.senders > (p.framed ? SENDERS_MAX : 1)) {
		fputs("usage: floor receive|write|hash|hash2|framed FILE OUT "
		      "[sha256|sha1 [SENDERS]]\n",
		      stderr);
		return 2;
	}
	if (argc >= 5 && strcmp(argv[4], "sha1") == 0) {
		p.md = EVP_sha1();
		p.unit = PIECE_V1;
	}
	p.in = open(argv[2], O_RDONLY);
	p.out = open(argv[3], O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (p.in < 0 || p.out < 0 || fstat(p.in, &st) != 0)
		die("open");
	p.bytes = (uint64_t)st.st_size;
	transfer(&p, argv[1]);
	return 0;
}
