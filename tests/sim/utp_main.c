/* sim/utp_main.c - uTP among others, in numbers: `shoal-utp-sim` prints a table, `shoal-utp-sim
 * tap` tests what the table claims. */
#include <stdio.h>

#include "sim/utp_world.h"

#define SECOND 1000000ull

/* A line of 10 Mbit/s, 20 ms long, with a modem that holds half a second. */
static const struct utp_way home = {.rate_bps = 1250000, .queue_bytes = 625000, .delay_us = 20000};

static bool tap;
static int n_tests, n_failed;

static void check(bool good, const char *what)
{
	if (!tap)
		return;
	n_failed += !good;
	printf("%s %d - %s\n", good ? "ok" : "not ok", ++n_tests, what);
}

static double kib_s(uint64_t bytes, double seconds)
{
	return (double)bytes / 1024 / seconds;
}

static void say(const char *what, double utp, double other, uint32_t waited_us)
{
	if (!tap)
		printf("| %s | %.0f | %.0f | %.0f |\n", what, utp, other, waited_us / 1000.0);
}

static void alone(uint64_t seed)
{
	struct utp_world *w = utp_world_new(&home, seed);
	uint64_t t0 = utp_world_now_us(w);
	unsigned u = utp_world_add(w, 0, UINT64_MAX / 2);
	uint64_t before;
	uint32_t waited;
	double rate;

	utp_world_run(w, t0 + 20 * SECOND);
	before = utp_world_received(w, u);
	utp_world_waited_us(w);
	utp_world_run(w, t0 + 60 * SECOND);
	rate = kib_s(utp_world_received(w, u) - before, 40);
	waited = utp_world_waited_us(w);
	say("alone, seconds 20 to 60", rate, 0, waited);
	check(rate > 0.88 * 1250000 / 1024, "alone a flow uses the line");
	check(waited < 130000, "and its queue stays about as long as the target");
	utp_world_free(w);
}

static void against_tcp(uint64_t seed)
{
	struct utp_world *w = utp_world_new(&home, seed);
	uint64_t t0 = utp_world_now_us(w), u0, t;
	unsigned u = utp_world_add(w, 0, UINT64_MAX / 2);
	unsigned other = utp_world_add_tcp(w, 20 * SECOND, 60 * SECOND);
	double utp, tcp, back;

	for (unsigned from = 20; from < 60; from += 20) {
		char what[64];

		utp_world_run(w, t0 + from * SECOND);
		u0 = utp_world_received(w, u);
		t = utp_world_received(w, other);
		utp_world_waited_us(w);
		utp_world_run(w, t0 + (from + 20) * SECOND);
		utp = kib_s(utp_world_received(w, u) - u0, 20);
		tcp = kib_s(utp_world_received(w, other) - t, 20);
		snprintf(what, sizeof(what), "TCP began at 20 s: seconds %u to %u", from,
			 from + 20);
		say(what, utp, tcp, utp_world_waited_us(w));
	}
	check(tcp > 9 * utp, "TCP gets nine tenths of what both get");
	check(tcp > 0.85 * 1250000 / 1024, "and nearly all of the line");
	utp_world_run(w, t0 + 70 * SECOND);
	u0 = utp_world_received(w, u);
	utp_world_waited_us(w);
	utp_world_run(w, t0 + 90 * SECOND);
	back = kib_s(utp_world_received(w, u) - u0, 20);
	say("it ended at 60 s: seconds 70 to 90", back, 0, utp_world_waited_us(w));
	check(back > 0.8 * 1250000 / 1024, "and when it is gone the line is taken up again");
	utp_world_free(w);
}

static void two(uint64_t seed)
{
	struct utp_world *w = utp_world_new(&home, seed);
	uint64_t t0 = utp_world_now_us(w), a0, b0;
	unsigned a = utp_world_add(w, 0, UINT64_MAX / 2);
	unsigned b = utp_world_add(w, SECOND, UINT64_MAX / 2);
	double ra, rb;

	utp_world_run(w, t0 + 30 * SECOND);
	a0 = utp_world_received(w, a);
	b0 = utp_world_received(w, b);
	utp_world_waited_us(w);
	utp_world_run(w, t0 + 120 * SECOND);
	ra = kib_s(utp_world_received(w, a) - a0, 90);
	rb = kib_s(utp_world_received(w, b) - b0, 90);
	say("two of them: seconds 30 to 120", ra, rb, utp_world_waited_us(w));
	check(ra + rb > 0.85 * 1250000 / 1024, "two flows use the line");
	check(ra > rb / 4 && rb > ra / 4, "and neither starves the other");
	utp_world_free(w);
}

static void lossy(uint64_t seed, uint32_t permille)
{
	struct utp_way way = {.delay_us = 20000, .loss_permille = permille, .swap_permille = 10};
	struct utp_world *w = utp_world_new(&way, seed);
	uint64_t t0 = utp_world_now_us(w), bytes = 4u << 20;
	unsigned u = utp_world_add(w, 0, bytes);
	struct utp_conn_stats st;
	char what[80];
	double rate;

	utp_world_run(w, t0 + 300 * SECOND);
	utp_world_stats(w, u, &st);
	rate = kib_s(utp_world_received(w, u), (double)(utp_world_now_us(w) - t0) / SECOND);
	snprintf(what, sizeof(what), "4 MiB, %g %% lost, 1 %% late, resent %.1f %%",
		 permille / 10.0, 100.0 * (double)st.resent / (double)st.packets);
	say(what, rate, 0, 0);
	snprintf(what, sizeof(what), "with %g %% of the packets lost all arrives", permille / 10.0);
	check(utp_world_ended(w, u) && utp_world_received(w, u) == bytes, what);
	utp_world_free(w);
}

int main(int argc, char **argv)
{
	tap = argc > 1 && argv[1][0] == 't';
	if (!tap)
		printf("| scene | uTP, KiB/s | other flow, KiB/s | time in the queue, ms |\n"
		       "|---|---|---|---|\n");
	alone(1);
	against_tcp(2);
	two(3);
	lossy(4, 10);
	lossy(5, 50);
	lossy(6, 200);
	if (tap)
		printf("1..%d\n", n_tests);
	return n_failed > 0;
}
