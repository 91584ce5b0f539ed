#include "wire/utp_conn.h"

#include <stdlib.h>

#include "failmalloc.h"
#include "sim/utp_world.h"
#include "test.h"

#define SECOND 1000000ull

/* ---- packets by hand ------------------------------------------------------------------------ */

struct hand {
	struct utp_budget budget;
	struct utp_conn *c;
	uint64_t now_us;
	struct utp_packet got; /* the last packet */
	uint8_t copy[UTP_PACKET_BYTES + 300];
	size_t n; /* of the last pull */
};

/* Take what it wants to send. Returns how many packets; the last one is kept. */
static size_t pull(struct hand *h)
{
	struct bytes list[2048];

	h->n = utp_conn_packets(h->c, h->now_us, list, 2048);
	if (h->n > 0) {
		memcpy(h->copy, list[h->n - 1].ptr, list[h->n - 1].len);
		CHECK(utp_decode(&h->got, bytes_of(h->copy, list[h->n - 1].len)) > 0);
	}
	return h->n;
}

static void give(struct hand *h, enum utp_type type, uint16_t seq, uint16_t ack,
		 const char *payload)
{
	struct utp_packet p = {
	    .type = type,
	    .id = utp_conn_id(h->c),
	    .seq = seq,
	    .ack = ack,
	    .stamp_us = (uint32_t)h->now_us,
	    .delay_us = 1000,
	    .window = 1 << 20,
	    .payload = bytes_str(payload),
	};

	utp_conn_on_packet(h->c, &p, h->now_us);
}

/* Dialled with SYN 10; the other end begins with 100. */
static void open_dialled(struct hand *h)
{
	*h = (struct hand){.budget.max = 4u << 20, .now_us = 5 * SECOND};
	h->c = utp_conn_dial(7, 10, &h->budget, h->now_us);
	CHECK_INT(pull(h), 1);
	CHECK_INT(h->got.type, UTP_SYN);
	CHECK_INT(h->got.id, 7);
	CHECK_INT(h->got.seq, 10);
	give(h, UTP_STATE, 100, 10, "");
	CHECK_INT(utp_conn_state(h->c), UTP_OPEN);
}

static void open_accepted(struct hand *h)
{
	struct utp_packet syn = {.type = UTP_SYN, .id = 7, .seq = 10};

	*h = (struct hand){.budget.max = 4u << 20, .now_us = 5 * SECOND};
	h->c = utp_conn_accept(&syn, 100, &h->budget, h->now_us);
	CHECK_INT(utp_conn_id(h->c), 8);
	CHECK_INT(pull(h), 1);
	CHECK_INT(h->got.type, UTP_STATE);
	CHECK_INT(h->got.id, 7);
	CHECK_INT(h->got.seq, 100);
	CHECK_INT(h->got.ack, 10);
}

static const char *read_text(struct hand *h)
{
	static char text[64];
	size_t n = utp_conn_read(h->c, (struct span){(uint8_t *)text, sizeof(text) - 1});

	text[n] = '\0';
	return text;
}

static void finish(struct hand *h)
{
	utp_conn_free(h->c);
	CHECK_INT(h->budget.used, 0);
}

TEST(a_dialled_connection_sends_and_receives)
{
	struct hand h;

	open_dialled(&h);
	CHECK_INT(utp_conn_write(h.c, bytes_str("hello")), 5);
	CHECK_INT(pull(&h), 1);
	CHECK_INT(h.got.type, UTP_DATA);
	CHECK_INT(h.got.id, 8);
	CHECK_INT(h.got.seq, 11);
	CHECK_INT(h.got.ack, 99);
	give(&h, UTP_DATA, 100, 11, "you");
	CHECK_INT(utp_conn_unacked(h.c), 0);
	CHECK_STR(read_text(&h), "you");
	finish(&h);
}

TEST(nobody_who_may_be_elsewhere_gets_data)
{
	struct hand h;

	open_accepted(&h);
	CHECK_INT(utp_conn_state(h.c), UTP_HALF_OPEN);
	CHECK_INT(utp_conn_room(h.c), 0);
	give(&h, UTP_DATA, 11, 98, "x"); /* guesses what we answered */
	CHECK_INT(utp_conn_state(h.c), UTP_HALF_OPEN);
	CHECK_INT(utp_conn_readable(h.c), 0);
	CHECK_INT(pull(&h), 0);
	give(&h, UTP_DATA, 11, 99, "x");
	CHECK_INT(utp_conn_state(h.c), UTP_OPEN);
	CHECK_STR(read_text(&h), "x");
	finish(&h);
}

TEST(who_guesses_may_do_so_a_few_times)
{
	struct hand h;

	open_accepted(&h);
	for (uint16_t i = 1; i < UTP_GUESSES_MAX; i++)
		give(&h, UTP_STATE, 11, (uint16_t)(99 + i), "");
	CHECK_INT(utp_conn_state(h.c), UTP_HALF_OPEN);
	give(&h, UTP_STATE, 11, 98, "");
	CHECK_INT(utp_conn_state(h.c), UTP_DEAD);
	CHECK_INT(pull(&h), 0);
	give(&h, UTP_STATE, 11, 99, "");
	CHECK_INT(utp_conn_state(h.c), UTP_DEAD);
	finish(&h);
}

TEST(a_wrong_guess_or_two_harm_nobody_who_is_there)
{
	struct hand h;

	open_accepted(&h);
	for (uint16_t i = 1; i < UTP_GUESSES_MAX; i++)
		give(&h, UTP_STATE, 11, (uint16_t)(99 + i), "");
	give(&h, UTP_STATE, 11, 99, "");
	CHECK_INT(utp_conn_state(h.c), UTP_OPEN);
	for (uint16_t i = 1; i <= UTP_GUESSES_MAX; i++)
		give(&h, UTP_STATE, 11, (uint16_t)(99 + i), "");
	CHECK_INT(utp_conn_state(h.c), UTP_OPEN);
	finish(&h);
}

TEST(who_never_comes_back_is_forgotten_without_a_word)
{
	struct hand h;

	open_accepted(&h);
	h.now_us += UTP_LINGER_US;
	CHECK(utp_conn_deadline_us(h.c) <= h.now_us);
	utp_conn_on_time(h.c, h.now_us);
	CHECK_INT(utp_conn_state(h.c), UTP_DEAD);
	CHECK_INT(pull(&h), 0);
	finish(&h);
}

TEST(a_second_syn_is_answered_again)
{
	struct hand h;

	open_accepted(&h);
	give(&h, UTP_SYN, 10, 0, "");
	CHECK_INT(pull(&h), 1);
	CHECK_INT(h.got.type, UTP_STATE);
	give(&h, UTP_SYN, 11, 0, "");
	CHECK_INT(pull(&h), 0);
	finish(&h);
}

TEST(a_dial_says_syn_four_times)
{
	static const uint64_t at_ms[] = {0, 500, 1500, 3500};
	struct hand h = {.budget.max = 1 << 20, .now_us = SECOND};

	h.c = utp_conn_dial(1, 1, &h.budget, h.now_us);
	for (unsigned i = 0; i < 4; i++) {
		h.now_us = SECOND + at_ms[i] * 1000;
		CHECK(i == 0 || utp_conn_deadline_us(h.c) == h.now_us);
		utp_conn_on_time(h.c, h.now_us);
		CHECK_INT(pull(&h), 1);
		CHECK_INT(h.got.type, UTP_SYN);
	}
	h.now_us = utp_conn_deadline_us(h.c);
	utp_conn_on_time(h.c, h.now_us);
	CHECK_INT(utp_conn_state(h.c), UTP_DEAD);
	CHECK_INT(utp_conn_why(h.c), ERR_TIMEOUT);
	finish(&h);
}

TEST(what_comes_behind_a_gap_waits_and_is_told_of)
{
	struct hand h;

	open_dialled(&h);
	give(&h, UTP_DATA, 101, 10, "b");
	give(&h, UTP_DATA, 103, 10, "d");
	CHECK_INT(utp_conn_readable(h.c), 0);
	CHECK_INT(pull(&h), 1);
	CHECK_INT(h.got.type, UTP_STATE);
	CHECK_INT(h.got.ack, 99);
	CHECK_INT(h.got.sack.len, 4);
	CHECK_INT(h.got.sack.ptr[0], 1 | 4);
	give(&h, UTP_DATA, 100, 10, "a");
	CHECK_STR(read_text(&h), "ab");
	give(&h, UTP_DATA, 103, 10, "x"); /* again: what came first stays */
	give(&h, UTP_DATA, 102, 10, "c");
	CHECK_STR(read_text(&h), "cd");
	CHECK_INT(pull(&h), 1);
	CHECK_INT(h.got.ack, 103);
	CHECK_INT(h.got.sack.len, 0);
	finish(&h);
}

TEST(one_packet_is_acknowledged_later_two_at_once)
{
	struct hand h;

	open_dialled(&h);
	give(&h, UTP_DATA, 100, 10, "a");
	CHECK_INT(pull(&h), 0);
	CHECK_INT(utp_conn_deadline_us(h.c), h.now_us + UTP_ACK_DELAY_US);
	give(&h, UTP_DATA, 101, 10, "b");
	CHECK_INT(pull(&h), 1);
	give(&h, UTP_DATA, 102, 10, "c");
	h.now_us += UTP_ACK_DELAY_US;
	utp_conn_on_time(h.c, h.now_us);
	CHECK_INT(pull(&h), 1);
	CHECK_INT(h.got.ack, 102);
	finish(&h);
}

TEST(three_later_ones_show_that_a_packet_is_lost)
{
	static const uint8_t mask[4] = {7};
	struct utp_packet p = {.type = UTP_STATE,
			       .id = 7,
			       .seq = 100,
			       .ack = 10,
			       .window = 1 << 20,
			       .sack = bytes_of(mask, 4)};
	uint8_t data[4 * UTP_PAYLOAD_LEAST] = {0};
	struct utp_conn_stats st;
	struct hand h;
	uint32_t window;

	open_dialled(&h);
	utp_conn_write(h.c, bytes_of(data, sizeof(data)));
	CHECK_INT(pull(&h), 4);
	utp_conn_stats(h.c, &st);
	window = st.window_bytes;
	utp_conn_on_packet(h.c, &p, h.now_us + 1000);
	CHECK_INT(pull(&h), 1);
	CHECK_INT(h.got.seq, 11);
	utp_conn_stats(h.c, &st);
	CHECK_INT(st.resent, 1);
	CHECK(st.window_bytes < window);
	/* The same news again are no news. */
	utp_conn_on_packet(h.c, &p, h.now_us + 2000);
	CHECK_INT(pull(&h), 0);
	give(&h, UTP_STATE, 100, 14, "");
	CHECK_INT(utp_conn_unacked(h.c), 0);
	finish(&h);
}

TEST(three_times_the_same_acknowledgement_show_it_too)
{
	uint8_t data[2 * UTP_PAYLOAD_LEAST] = {0};
	struct hand h;

	open_dialled(&h);
	utp_conn_write(h.c, bytes_of(data, sizeof(data)));
	CHECK_INT(pull(&h), 2);
	give(&h, UTP_STATE, 100, 10, "");
	give(&h, UTP_STATE, 100, 10, "");
	CHECK_INT(pull(&h), 0);
	give(&h, UTP_STATE, 100, 10, "");
	CHECK_INT(pull(&h), 1);
	CHECK_INT(h.got.seq, 11);
	finish(&h);
}

/* ---- how large packets are ------------------------------------------------------------------- */

/* The other end: what it has of 11 on, and a way to it that swallows what is larger. */
struct far_end {
	bool has[256];
	size_t most;
	unsigned n_large, n_filled; /* packets that were longer than the least; of them filled up */
};

static void receive(struct far_end *f, struct bytes packet)
{
	struct utp_packet p;

	CHECK(utp_decode(&p, packet) > 0);
	CHECK(packet.len <= UTP_PACKET_BYTES);
	f->n_large += packet.len > UTP_PACKET_LEAST;
	f->n_filled += packet.len > UTP_PACKET_LEAST && p.payload.len <= UTP_PAYLOAD_LEAST;
	if (packet.len <= f->most)
		f->has[p.seq] = true;
}

/* Take what is sent, and acknowledge it. False: nothing was. */
static bool exchange(struct hand *h, struct far_end *f)
{
	uint8_t mask[4] = {0};
	struct utp_packet p = {
	    .type = UTP_STATE, .id = 7, .seq = 100, .ack = 10, .window = 1 << 20};
	struct bytes list[64];
	size_t n = utp_conn_packets(h->c, h->now_us, list, 64);

	for (size_t i = 0; i < n; i++)
		receive(f, list[i]);
	while (f->has[p.ack + 1])
		p.ack++;
	for (unsigned i = 0; i < 32; i++)
		mask[i / 8] |= (uint8_t)(f->has[p.ack + 2 + i] << i % 8);
	p.sack = bytes_of(mask, sizeof(mask));
	h->now_us += 1000;
	utp_conn_on_packet(h->c, &p, h->now_us);
	return n > 0;
}

TEST(when_one_that_was_filled_up_arrives_packets_are_as_large_as_that)
{
	static uint8_t data[100 * UTP_PAYLOAD_BYTES];
	struct far_end f = {.most = UTP_PACKET_BYTES};
	struct hand h;
	size_t at;

	open_dialled(&h);
	at = utp_conn_write(h.c, bytes_of(data, sizeof(data)));
	while (exchange(&h, &f))
		at += utp_conn_write(h.c, bytes_of(data, sizeof(data) - at));
	CHECK_INT(utp_conn_unacked(h.c), 0);
	CHECK_INT(at, sizeof(data));
	CHECK_INT(f.n_filled, 1);
	CHECK(f.n_large > 50);
	finish(&h);
}

TEST(where_large_ones_are_swallowed_all_arrives_and_no_window_suffers)
{
	static uint8_t data[100 * UTP_PAYLOAD_BYTES];
	struct far_end f = {.most = UTP_PACKET_LEAST};
	struct utp_conn_stats st;
	struct hand h;
	uint32_t window;
	size_t at;

	open_dialled(&h);
	utp_conn_stats(h.c, &st);
	window = st.window_bytes;
	at = utp_conn_write(h.c, bytes_of(data, sizeof(data)));
	while (exchange(&h, &f))
		at += utp_conn_write(h.c, bytes_of(data, sizeof(data) - at));
	CHECK_INT(utp_conn_unacked(h.c), 0);
	CHECK_INT(at, sizeof(data));
	CHECK_INT(f.n_filled, UTP_WIDE_TRIES);
	CHECK_INT(f.n_large, UTP_WIDE_TRIES);
	utp_conn_stats(h.c, &st);
	CHECK(st.window_bytes >= window);
	CHECK_INT(st.resent, UTP_WIDE_TRIES);
	CHECK_INT(st.timeouts, 0);
	finish(&h);
}

TEST(silence_doubles_the_wait_and_ends_the_connection)
{
	struct hand h;
	uint64_t before;
	unsigned times = 0;

	open_dialled(&h);
	utp_conn_write(h.c, bytes_str("x"));
	CHECK_INT(pull(&h), 1);
	for (before = h.now_us; utp_conn_state(h.c) == UTP_OPEN; times++) {
		uint64_t at = utp_conn_deadline_us(h.c);

		CHECK(at - h.now_us >= UTP_RTO_MIN_US);
		h.now_us = at;
		utp_conn_on_time(h.c, h.now_us);
		pull(&h);
	}
	CHECK(times > UTP_TIMEOUTS_MAX);
	CHECK_INT(utp_conn_why(h.c), ERR_TIMEOUT);
	CHECK(h.now_us - before > 40 * SECOND && h.now_us - before < 120 * SECOND);
	finish(&h);
}

TEST(that_nobody_listens_is_believed_of_those_who_do_not_answer)
{
	struct hand h = {.budget.max = 1 << 20, .now_us = SECOND};

	h.c = utp_conn_dial(1, 1, &h.budget, h.now_us);
	utp_conn_on_refused(h.c);
	CHECK_INT(utp_conn_why(h.c), ERR_UNREACHABLE);
	finish(&h);
	open_dialled(&h);
	utp_conn_on_refused(h.c);
	CHECK_INT(utp_conn_state(h.c), UTP_OPEN);
	utp_conn_write(h.c, bytes_str("x"));
	pull(&h);
	utp_conn_on_refused(h.c);
	CHECK_INT(utp_conn_state(h.c), UTP_OPEN);
	h.now_us = utp_conn_deadline_us(h.c);
	utp_conn_on_time(h.c, h.now_us);
	utp_conn_on_refused(h.c);
	CHECK_INT(utp_conn_state(h.c), UTP_DEAD);
	CHECK_INT(utp_conn_why(h.c), ERR_UNREACHABLE);
	finish(&h);
}

TEST(a_closed_window_is_asked_again_and_the_connection_lives)
{
	struct utp_packet shut = {.type = UTP_STATE, .id = 7, .seq = 100, .ack = 10};
	struct hand h;

	open_dialled(&h);
	utp_conn_on_packet(h.c, &shut, h.now_us);
	utp_conn_write(h.c, bytes_str("x"));
	CHECK_INT(pull(&h), 0);
	for (unsigned i = 0; i < 4 * UTP_TIMEOUTS_MAX; i++) {
		h.now_us = utp_conn_deadline_us(h.c);
		utp_conn_on_time(h.c, h.now_us);
		pull(&h);
		utp_conn_on_packet(h.c, &shut, h.now_us);
	}
	CHECK_INT(utp_conn_state(h.c), UTP_OPEN);
	give(&h, UTP_STATE, 100, 11, "");
	CHECK_INT(utp_conn_unacked(h.c), 0);
	finish(&h);
}

TEST(a_quiet_connection_keeps_the_way_open)
{
	struct hand h;

	open_dialled(&h);
	h.now_us += UTP_KEEPALIVE_US;
	CHECK(utp_conn_deadline_us(h.c) <= h.now_us);
	utp_conn_on_time(h.c, h.now_us);
	CHECK_INT(pull(&h), 1);
	CHECK_INT(h.got.type, UTP_STATE);
	finish(&h);
}

TEST(a_reset_ends_it_and_what_came_can_be_read)
{
	struct hand h;

	open_dialled(&h);
	give(&h, UTP_DATA, 100, 10, "last");
	give(&h, UTP_RESET, 0, 0, "");
	CHECK_INT(utp_conn_state(h.c), UTP_DEAD);
	CHECK_INT(utp_conn_why(h.c), ERR_UNREACHABLE);
	CHECK_STR(read_text(&h), "last");
	CHECK_INT(utp_conn_deadline_us(h.c), UINT64_MAX);
	finish(&h);
}

TEST(a_close_waits_for_what_was_sent_and_resets_behind_what_was_not)
{
	uint8_t data[20 * UTP_PAYLOAD_BYTES] = {0};
	struct hand h;

	open_dialled(&h);
	utp_conn_write(h.c, bytes_str("bye"));
	CHECK_INT(pull(&h), 1);
	utp_conn_close(h.c, h.now_us);
	CHECK_INT(pull(&h), 1);
	CHECK_INT(h.got.type, UTP_FIN);
	CHECK_INT(h.got.seq, 12);
	CHECK_INT(utp_conn_state(h.c), UTP_CLOSING);
	give(&h, UTP_STATE, 100, 12, "");
	CHECK_INT(utp_conn_state(h.c), UTP_CLOSING); /* theirs has not come */
	give(&h, UTP_DATA, 100, 12, "late");
	give(&h, UTP_FIN, 101, 12, "");
	CHECK_INT(pull(&h), 1);
	CHECK_INT(h.got.type, UTP_STATE);
	CHECK_INT(h.got.ack, 101);
	CHECK_INT(utp_conn_state(h.c), UTP_DEAD);
	CHECK_INT(utp_conn_why(h.c), OK);
	finish(&h);

	open_dialled(&h);
	utp_conn_write(h.c, bytes_of(data, sizeof(data)));
	pull(&h);
	utp_conn_close(h.c, h.now_us);
	CHECK_INT(pull(&h), 1);
	CHECK_INT(h.got.type, UTP_RESET);
	finish(&h);
}

TEST(the_end_comes_behind_the_data)
{
	struct hand h;

	open_dialled(&h);
	give(&h, UTP_FIN, 101, 10, "");
	CHECK(!utp_conn_at_end(h.c));
	give(&h, UTP_DATA, 100, 10, "a");
	CHECK(!utp_conn_at_end(h.c));
	CHECK_STR(read_text(&h), "a");
	CHECK(utp_conn_at_end(h.c));
	give(&h, UTP_DATA, 102, 10, "more");
	CHECK_STR(read_text(&h), "");
	finish(&h);
}

/* ---- limits ------------------------------------------------------------------------------- */

TEST(what_waits_behind_a_gap_is_bounded)
{
	static uint8_t big[60000];
	struct hand h;

	open_dialled(&h);
	for (unsigned i = 1; i <= 2 * UTP_REORDER_MAX; i++) {
		struct utp_packet p = {.type = UTP_DATA,
				       .id = 7,
				       .ack = 10,
				       .seq = (uint16_t)(100 + i),
				       .window = 1 << 20,
				       .payload = bytes_of(big, sizeof(big))};

		utp_conn_on_packet(h.c, &p, h.now_us);
		CHECK(h.budget.used <= UTP_HELD_MAX);
	}
	CHECK(h.budget.used > UTP_HELD_MAX / 2);
	/* What closes the gap still has room. */
	give(&h, UTP_DATA, 100, 10, "a");
	CHECK(utp_conn_readable(h.c) > sizeof(big));
	finish(&h);
}

TEST(a_reader_who_does_not_read_closes_the_window)
{
	static uint8_t big[60000];
	struct hand h;

	open_dialled(&h);
	for (unsigned i = 0; i < 100; i++) {
		struct utp_packet p = {.type = UTP_DATA,
				       .id = 7,
				       .ack = 10,
				       .seq = (uint16_t)(100 + i),
				       .window = 1 << 20,
				       .payload = bytes_of(big, sizeof(big))};

		utp_conn_on_packet(h.c, &p, h.now_us);
	}
	CHECK(h.budget.used <= UTP_HELD_MAX);
	CHECK_INT(pull(&h), 1);
	CHECK(h.got.window < sizeof(big));
	while (utp_conn_read(h.c, (struct span){big, sizeof(big)}) > 0)
		;
	CHECK_INT(pull(&h), 1); /* tells that there is room */
	CHECK_INT(h.got.window, UTP_HELD_MAX);
	finish(&h);
}

TEST(all_connections_together_hold_no_more_than_the_budget)
{
	static uint8_t big[60000];
	struct hand h;

	open_dialled(&h);
	h.budget.max = 100000;
	for (unsigned i = 0; i < 4; i++) {
		struct utp_packet p = {.type = UTP_DATA,
				       .id = 7,
				       .ack = 10,
				       .seq = (uint16_t)(100 + i),
				       .window = 1 << 20,
				       .payload = bytes_of(big, sizeof(big))};

		utp_conn_on_packet(h.c, &p, h.now_us);
	}
	CHECK_INT(h.budget.used, sizeof(big));
	finish(&h);
}

TEST(the_writer_is_held_back)
{
	static uint8_t data[UTP_OUT_MAX + 1];
	struct hand h;

	open_dialled(&h);
	CHECK(utp_conn_write(h.c, bytes_of(data, sizeof(data))) < 64u * 1024u);
	CHECK_INT(utp_conn_room(h.c), 0);
	CHECK(!utp_conn_is_writable(h.c));
	CHECK_INT(utp_conn_write(h.c, bytes_str("x")), 0);
	/* Each time that all of it is acknowledged more is taken, up to the limit. */
	for (unsigned i = 0; i < 12; i++) {
		pull(&h);
		give(&h, UTP_STATE, 100, h.got.seq, "");
		(void)utp_conn_write(h.c, bytes_of(data, sizeof(data)));
		CHECK(utp_conn_unacked(h.c) <= UTP_OUT_MAX);
	}
	CHECK_INT(utp_conn_unacked(h.c), UTP_OUT_MAX);
	finish(&h);
}

TEST(acknowledgements_of_what_was_never_sent_say_nothing)
{
	struct hand h;

	open_dialled(&h);
	utp_conn_write(h.c, bytes_str("x"));
	CHECK_INT(pull(&h), 1);
	give(&h, UTP_DATA, 100, 12, "forged");
	give(&h, UTP_STATE, 100, 5000, "");
	CHECK_INT(utp_conn_unacked(h.c), 1);
	CHECK_INT(utp_conn_readable(h.c), 0);
	finish(&h);
}

TEST(failing_allocations_leave_a_connection_that_can_be_freed)
{
	for (size_t nth = 1; nth < 60; nth++) {
		struct hand h = {.budget.max = 1 << 20, .now_us = SECOND};
		uint8_t data[20 * UTP_PAYLOAD_BYTES] = {0};

		failmalloc_start(nth, false);
		h.c = utp_conn_dial(7, 10, &h.budget, h.now_us);
		if (h.c == NULL) {
			(void)failmalloc_stop();
			continue;
		}
		pull(&h);
		give(&h, UTP_STATE, 100, 10, "");
		utp_conn_write(h.c, bytes_of(data, sizeof(data)));
		pull(&h);
		for (uint16_t seq = 110; seq >= 100; seq--)
			give(&h, UTP_DATA, seq, 10, "abc");
		utp_conn_close(h.c, h.now_us);
		pull(&h);
		(void)failmalloc_stop();
		finish(&h);
	}
}

/* ---- streams ------------------------------------------------------------------------------ */

/* Numbers run around at 65,536 packets: 100 MiB are some 76,000. */
TEST(a_long_stream_arrives_whole_and_in_order)
{
	struct utp_way way = {.delay_us = 500};
	struct utp_world *w = utp_world_new(&way, 1);
	unsigned u = utp_world_add(w, 0, 100u << 20);

	utp_world_run(w, utp_world_now_us(w) + 600 * SECOND);
	CHECK_INT(utp_world_received(w, u), 100u << 20);
	CHECK(utp_world_ended(w, u));
	utp_world_free(w);
}

TEST(through_loss_and_disorder_streams_arrive_whole)
{
	for (uint64_t seed = 1; seed <= 30; seed++) {
		struct utp_way way = {.delay_us = (uint32_t)(seed * 1000),
				      .loss_permille = (uint32_t)(seed % 7 * 25),
				      .swap_permille = (uint32_t)(seed % 5 * 50)};
		struct utp_world *w = utp_world_new(&way, seed);
		unsigned u = utp_world_add(w, 0, 200000 + seed);

		utp_world_run(w, utp_world_now_us(w) + 900 * SECOND);
		CHECK_SEED(utp_world_received(w, u) == 200000 + seed, seed);
		utp_world_free(w);
	}
}
