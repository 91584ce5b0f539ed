/* bench/line.c - a long, thin line between this network namespace and a new one.
 *
 *   line NAME RTT_MS MBIT QUEUE_MS [LOSS_PPM]
 *
 * Makes the interface NAME here and another one NAME in a new network namespace, which lives as
 * long as this process (/proc/PID/ns/net), says "ready" and carries packets between them until it
 * is ended: each direction at MBIT million bits a second, RTT_MS / 2 late, with a queue in front
 * that holds what the line carries in QUEUE_MS and drops what does not fit, as routers do. Of a
 * million packets LOSS_PPM more are lost, the same ones in every run. Needs root. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define PACKET_MAX 2048u
#define NS_PER_S 1000000000u
#define NS_PER_MS 1000000u
#define RING (1u << 14) /* packets that are on their way in one direction at most */
#define READS 64u	/* packets from one end before the other one has its turn */
#define ENDS 2u
#define PPM 1000000u

struct packet {
	uint64_t due_ns;
	uint32_t len;
	uint8_t data[PACKET_MAX];
};

/* One direction. Packets [head, tail) are in the order in which they leave. */
struct way {
	int from, to;
	struct packet *ring;
	uint32_t head, tail;
	uint64_t free_ns; /* when the last bit of those in the queue has left */
	uint64_t chance;
};

struct line {
	uint64_t delay_ns, queue_ns, bits_per_s;
	uint32_t loss_ppm;
	struct way ways[ENDS];
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "line: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static int open_tun(const char *name)
{
	struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		die("/dev/net/tun");
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &r) < 0)
		die(name);
	return fd;
}

/* Xorshift: that losses are the same in every run matters more than how good they are. */
static bool is_lost(struct way *w, uint32_t ppm)
{
	w->chance ^= w->chance << 13;
	w->chance ^= w->chance >> 7;
	w->chance ^= w->chance << 17;
	return w->chance % PPM < ppm;
}

static void send_off(const struct line *l, struct way *w, struct packet *p)
{
	uint64_t now = now_ns(), begin = w->free_ns > now ? w->free_ns : now;

	if (is_lost(w, l->loss_ppm) || begin - now > l->queue_ns || w->tail - w->head == RING - 1)
		return;
	w->free_ns = begin + p->len * 8u * (uint64_t)NS_PER_S / l->bits_per_s;
	p->due_ns = w->free_ns + l->delay_ns;
	w->tail++;
}

static void take(const struct line *l, struct way *w)
{
	for (uint32_t i = 0; i < READS; i++) {
		struct packet *p = &w->ring[w->tail % RING];
		ssize_t n = read(w->from, p->data, sizeof(p->data));

		if (n < 0 && errno != EAGAIN && errno != EINTR && errno != EIO)
			die("read");
		if (n <= 0)
			return;
		p->len = (uint32_t)n;
		send_off(l, w, p);
	}
}

static void deliver(struct way *w)
{
	uint64_t now = now_ns();

	for (; w->head != w->tail; w->head++) {
		const struct packet *p = &w->ring[w->head % RING];

		if (p->due_ns > now)
			return;
		/* An interface that is down, or full, loses it, as it would any other. */
		if (write(w->to, p->data, p->len) < 0 && errno == EBADF)
			die("write");
	}
}

static uint64_t next_ns(const struct line *l)
{
	uint64_t due = UINT64_MAX;

	for (uint32_t i = 0; i < ENDS; i++) {
		const struct way *w = &l->ways[i];

		if (w->head != w->tail && w->ring[w->head % RING].due_ns < due)
			due = w->ring[w->head % RING].due_ns;
	}
	return due;
}

static void wait_for_work(const struct line *l)
{
	struct pollfd p[ENDS] = {{.fd = l->ways[0].from, .events = POLLIN},
				 {.fd = l->ways[1].from, .events = POLLIN}};
	uint64_t due = next_ns(l), now = now_ns(), ns = due > now ? due - now : 0;
	struct timespec t = {(time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S)};

	if (ppoll(p, ENDS, due == UINT64_MAX ? NULL : &t, NULL) < 0 && errno != EINTR)
		die("poll");
}

static void carry(struct line *l)
{
	for (;;) {
		wait_for_work(l);
		for (uint32_t i = 0; i < ENDS; i++) {
			take(l, &l->ways[i]);
			deliver(&l->ways[i]);
		}
	}
}

int main(int argc, char **argv)
{
	struct line l = {0};
	int here, there;

	if (argc < 5 || argc > 6 || atoll(argv[3]) <= 0) {
		fprintf(stderr, "usage: line NAME RTT_MS MBIT QUEUE_MS [LOSS_PPM]\n");
		return 2;
	}
	l.delay_ns = (uint64_t)atoll(argv[2]) * NS_PER_MS / 2;
	l.bits_per_s = (uint64_t)atoll(argv[3]) * 1000000u;
	l.queue_ns = (uint64_t)atoll(argv[4]) * NS_PER_MS;
	l.loss_ppm = argc > 5 ? (uint32_t)atoll(argv[5]) : 0;
	here = open_tun(argv[1]);
	if (unshare(CLONE_NEWNET) < 0)
		die("a network namespace");
	there = open_tun(argv[1]);
	prctl(PR_SET_TIMERSLACK, 1ul); /* ns: half a millisecond here and there would be jitter */
	for (uint32_t i = 0; i < ENDS; i++) {
		l.ways[i] = (struct way){.from = i == 0 ? here : there,
					 .to = i == 0 ? there : here,
					 .ring = malloc(RING * sizeof(struct packet)),
					 .chance = 88172645463325252u + i};
		if (l.ways[i].ring == NULL)
			die("memory");
	}
	puts("ready");
	fflush(stdout);
	carry(&l);
}
