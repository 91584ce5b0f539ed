/* bench/announce_load.c - announces at a tracker, over UDP or HTTP, and what they cost it.
 *
 *     announce_load --to 127.0.0.1:6969 [--http|--keep-alive] [--peers N] [--torrents N]
 *                   [--numwant N] [--sources N] [--from ADDR] [--window N] [--lines N]
 *                   [--seconds S] [--rate R] [--pid PID] [--no-fill]
 *     announce_load --hashes N          the info-hashes, for a tracker that wants a list of them
 *     announce_load --echo --to ADDR    be the floor: a server that only answers in kind
 *
 * A source is an address of this machine: all of 127/8 is, and of 10/8 after
 *     ip route add local 10.0.0.0/8 dev lo
 * in a network namespace of one's own, where peers are not on loopback to the tracker. */
#include "announce_load.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

/* From one source to the next: trackers that prefer peers of one subnet shall find few. */
#define NEXT_SUBNET 257u

double load_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void load_fail(const char *what)
{
	fprintf(stderr, "announce_load: %s: %s\n", what, strerror(errno));
	exit(1);
}

double load_server_cpu(const struct load *l)
{
	unsigned long long user = 0, system_time = 0;
	char path[64], line[1024] = "";
	const char *at;
	FILE *f;

	if (l->pid == 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/stat", l->pid);
	f = fopen(path, "r");
	if (f == NULL || fgets(line, sizeof(line), f) == NULL)
		load_fail(path);
	fclose(f);
	at = strrchr(line, ')');
	if (at == NULL || sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
				 &user, &system_time) != 2)
		load_fail(path);
	return (double)(user + system_time) / (double)sysconf(_SC_CLK_TCK);
}

/* ---- peers and torrents ---- */

static uint64_t mix(uint64_t v)
{
	v = (v ^ v >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	v = (v ^ v >> 27) * UINT64_C(0x94d049bb133111eb);
	return v ^ v >> 31;
}

void load_source(const struct load *l, uint32_t i, struct addr *out)
{
	*out = l->from;
	put_be32(out->ip, be32(out->ip) + i * NEXT_SUBNET);
}

void load_hash(uint32_t torrent, uint8_t out[20])
{
	put_be64(out, mix(torrent + 1));
	put_be64(out + 8, mix(torrent + 0x100000001));
	put_be32(out + 16, (uint32_t)mix(torrent + 0x200000001));
}

void load_announce(const struct load *l, uint32_t peer, struct announce *out)
{
	uint64_t random = mix(peer + 0x7777);

	*out = (struct announce){
	    .port = (uint16_t)(1024 + peer / l->sources),
	    .left = random % 5 == 0 ? 0 : 1 + random % 1000000,
	    .numwant = l->numwant,
	    .compact = true,
	};
	load_hash((uint32_t)((random >> 32) % l->torrents), out->info_hash);
	memcpy(out->peer_id, "-XX0001-", 8);
	put_be64(out->peer_id + 8, random);
	put_be32(out->peer_id + 16, peer);
}

uint32_t load_next(struct load *l, uint32_t *fill)
{
	if (*fill > 0)
		return l->peers - (*fill)--;
	return rng_below(&l->rng, l->peers);
}

void load_record(struct tally *t, double seconds)
{
	uint64_t us = (uint64_t)(seconds * 1e6) + 16;
	int bit = 63 - __builtin_clzll(us);

	t->micros[bit][us >> (bit - 4) & 15]++;
}

static struct sockaddr_in to_sockaddr(const struct addr *a)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(a->port)};

	memcpy(&at.sin_addr, a->ip, 4);
	return at;
}

int load_socket(const struct load *l, uint32_t source)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
	struct sockaddr_in at;
	struct addr from;

	if (fd < 0)
		load_fail("socket");
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	load_source(l, source, &from);
	at = to_sockaddr(&from);
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
		load_fail("bind");
	at = to_sockaddr(&l->to);
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0 && errno != EINPROGRESS)
		load_fail("connect");
	return fd;
}

/* ---- report ---- */

static double percentile(const struct tally *t, double part)
{
	uint64_t total = 0, seen = 0;

	for (int i = 0; i < 64 * 16; i++)
		total += t->micros[i / 16][i % 16];
	for (int i = 0; i < 64 * 16; i++) {
		seen += t->micros[i / 16][i % 16];
		if (total > 0 && (double)seen >= part * (double)total)
			return ((double)(16 + i % 16) * (double)(UINT64_C(1) << (i / 16)) / 16 -
				16) /
			       1000;
	}
	return 0;
}

static void report(const char *what, const struct tally *t, double seconds, double cpu)
{
	double answered = (double)t->answered;

	printf(
	    "%-8s %9.0f sent/s %9.0f answered/s  errors %llu  lost %llu  %.0f bytes and %.1f peers "
	    "an answer  p50 %.3f ms  p99 %.3f ms",
	    what, (double)t->sent / seconds, answered / seconds, (unsigned long long)t->errors,
	    (unsigned long long)t->lost, (double)t->reply_bytes / (answered + 1),
	    (double)t->peers_told / (answered + 1), percentile(t, 0.5), percentile(t, 0.99));
	if (cpu > 0)
		printf("  server %.2f CPU s, %.0f answered per CPU s", cpu, answered / cpu);
	printf("\n");
	fflush(stdout);
}

static void run(struct load *l, bool http, bool fill)
{
	struct tally t = {0};
	double begun = load_clock(), cpu = load_server_cpu(l);

	(http ? load_http : load_udp)(l, fill, &t);
	report(fill   ? "fill"
	       : http ? "http"
		      : "udp",
	       &t, load_clock() - begun, load_server_cpu(l) - cpu);
}

/* ---- options ---- */

static const struct number_option {
	const char *name;
	size_t offset;
} number_options[] = {
    {"--torrents", offsetof(struct load, torrents)}, {"--peers", offsetof(struct load, peers)},
    {"--numwant", offsetof(struct load, numwant)},   {"--sources", offsetof(struct load, sources)},
    {"--window", offsetof(struct load, window)},     {"--lines", offsetof(struct load, lines)},
};

static void print_hashes(uint32_t n)
{
	uint8_t hash[20];
	char hex[41];

	for (uint32_t i = 0; i < n; i++) {
		load_hash(i, hash);
		text_hex(hex, bytes_of(hash, 20));
		puts(hex);
	}
}

static void usage(void)
{
	fputs("announce_load: see the beginning of bench/announce_load.c\n", stderr);
	exit(2);
}

static void take_value(struct load *l, const char *name, const char *value)
{
	if (value == NULL)
		usage();
	for (size_t i = 0; i < sizeof(number_options) / sizeof(number_options[0]); i++)
		if (strcmp(name, number_options[i].name) == 0)
			*(uint32_t *)((char *)l + number_options[i].offset) =
			    (uint32_t)strtoul(value, NULL, 10);
	if (strcmp(name, "--to") == 0 && addr_parse(bytes_str(value), 6969, &l->to) != 0)
		usage();
	if (strcmp(name, "--from") == 0 && addr_parse(bytes_str(value), 0, &l->from) != 0)
		usage();
	if (strcmp(name, "--seconds") == 0)
		l->seconds = strtod(value, NULL);
	if (strcmp(name, "--rate") == 0)
		l->rate = strtod(value, NULL);
	if (strcmp(name, "--pid") == 0)
		l->pid = (int)strtol(value, NULL, 10);
	if (strcmp(name, "--hashes") == 0) {
		print_hashes((uint32_t)strtoul(value, NULL, 10));
		exit(0);
	}
}

static void check_load(const struct load *l)
{
	if (l->to.port == 0 || l->peers == 0 || l->torrents == 0 || l->sources == 0 ||
	    l->peers < l->sources || l->peers / l->sources > 64000 || l->window < 64 ||
	    l->lines == 0 || l->to.v6 || l->from.v6)
		usage();
}

int main(int argc, char **argv)
{
	struct load l = {.torrents = 10000,
			 .peers = 1000000,
			 .numwant = 50,
			 .sources = 20000,
			 .window = 1024,
			 .lines = 64,
			 .seconds = 5,
			 .from = {.ip = {127, 1, 0, 1}}};
	bool http = false, echo = false, fill = true;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--http") == 0) {
			http = true;
		} else if (strcmp(argv[i], "--keep-alive") == 0) {
			http = l.keep_alive = true;
		} else if (strcmp(argv[i], "--echo") == 0) {
			echo = true;
		} else if (strcmp(argv[i], "--no-fill") == 0) {
			fill = false;
		} else {
			take_value(&l, argv[i], argv[i + 1]);
			i++;
		}
	}
	check_load(&l);
	rng_seed(&l.rng, 1);
	if (echo)
		load_echo(&l);
	if (fill)
		run(&l, http, true);
	run(&l, http, false);
	return 0;
}
